"""Rotary position embeddings: queries and keys turned by their position, and weights that look at one fixed offset.

Columns (2f, 2f+1) of the queries and keys are one plane, turned by the angle w_f i at position i. The score of query i
and key j is then, with the pairs read as complex numbers,

    Re sum_f q_f conj(k_f) exp(i w_f (i - j))

so that only i - j matters. A plane with w_f = 0 is not turned ("partial rotary"): it routes by content. Where all
tokens have the same query and key the score is a function of the offset alone, and a head can look at one offset o:

    k_f = r_f,  q_f = r_f exp(i w_f o),   r_f^2 = c A_f,  sum A_f = 1:   score c sum_f A_f cos(w_f (j - i - o))

which is largest at j = i + o, by c gap. In float64 a gap above 745.14 makes every other weight 0.
Source: Su and others, "RoFormer" (2021); the routing: this project.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bnt.checks import is_real, need, real_array, whole_number

Array = NDArray[Any]
GAP = 750.0  # exp(-746) is 0 in float64


class OffsetWeights(NamedTuple):
    """For a column that is 1 in every token: its row of W_Q and of W_K, and the score by which the offset wins."""

    query: Array  # (d_k,)
    key: Array  # (d_k,)
    gap: float


def rotary_frequencies(d_k: int, base: float = 1e4) -> Array:
    """w_f = base^(-2f/d_k) for the d_k / 2 planes of d_k columns, 1 first. Raises BntError: an odd d_k, a base <= 1."""
    count = whole_number("d_k", d_k, 2)
    need(count % 2 == 0, f"d_k must be even, two columns to a plane, not {d_k}")
    need(is_real(base) and base > 1, f"base must be above 1, not {base!r}")
    return np.asarray(float(base) ** (-np.arange(0, count, 2) / count))


def rotate(columns: Array, frequencies: Array) -> Array:
    """Queries or keys (n, d_k), row i turned by w_f i in plane f. Angles are computed in float64."""
    angle = np.arange(len(columns))[:, None] * np.asarray(frequencies, np.float64)  # (n, planes)
    cos, sin = np.cos(angle).astype(columns.dtype), np.sin(angle).astype(columns.dtype)
    x, y = columns[:, 0::2], columns[:, 1::2]
    out = np.empty_like(columns)
    out[:, 0::2], out[:, 1::2] = x * cos - y * sin, x * sin + y * cos
    return out


def rotary_offset(frequencies: Array, offset: int, n: int, gap: float = GAP) -> OffsetWeights:
    """Weights of a head whose token i looks at token i + offset, among n tokens: the amplitudes with the largest gap.

    A linear programme finds A >= 0, sum A = 1, with the largest min over x = 1 .. n-1 of sum_f A_f (1 - cos w_f x),
    which is at most 1 - cos w_0; then c = gap / that. A token whose target is not there looks elsewhere.
    Raises BntError: no such frequencies, offset or n; frequencies that cannot tell two offsets apart.
    """
    w = real_array("frequencies", frequencies)
    need(w.ndim == 1 and len(w) > 0 and bool(np.isfinite(w).all()), "frequencies must be a list of finite numbers")
    count = whole_number("n", n, 2)
    far = whole_number("offset", offset, 1 - count, count - 1)
    need(is_real(gap) and 0 < gap < np.inf, f"gap must be above 0 and finite, not {gap!r}")
    found, amplitudes = best_amplitudes(tuple(w.tolist()), count)
    need(found > 1e-12, "these frequencies cannot tell two offsets apart; take more of them, or fewer tokens")
    r = np.sqrt(np.array(amplitudes) * gap / found)
    query, key = np.zeros(2 * len(w)), np.zeros(2 * len(w))
    query[0::2], query[1::2], key[0::2] = r * np.cos(w * far), r * np.sin(w * far), r
    return OffsetWeights(query, key, float(gap))


@lru_cache(maxsize=32)
def best_amplitudes(frequencies: tuple[float, ...], n: int) -> tuple[float, tuple[float, ...]]:
    """The largest gap of a head of amplitudes A >= 0 with sum 1 over n tokens, and these amplitudes."""
    from scipy.optimize import linprog

    apart = 1 - np.cos(np.outer(np.arange(1, n), frequencies))  # (n - 1, planes)
    count = len(frequencies)
    found = linprog(
        c=np.append(np.zeros(count), -1.0),
        A_ub=np.hstack([-apart, np.ones((n - 1, 1))]),
        b_ub=np.zeros(n - 1),
        A_eq=np.append(np.ones(count), 0.0)[None],
        b_eq=[1.0],
        bounds=[(0, None)] * count + [(None, None)],
        method="highs",
    )
    amplitudes = np.maximum(found.x[:-1], 0.0) / np.maximum(found.x[:-1], 0.0).sum()
    return float((apart @ amplitudes).min()), tuple(amplitudes.tolist())
