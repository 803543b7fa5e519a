"""Evidence in log odds, after Turing, Good and Pearl: there and back, combining, gates. One of each for all of bnt.

logit(p) = ln p - ln(1-p) is the log odds of a probability. Independent pieces of evidence about one binary variable
add in log odds; noisy gates are sums of softplus in log odds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bnt.checks import real_array
from bnt.errors import BntError

Array = NDArray[np.float64]


def logit(p: ArrayLike) -> Array:
    """Log odds ln p - ln(1-p); -inf at 0 and inf at 1. Raises BntError outside [0, 1]."""
    p = real_array("p", p)
    if not ((p >= 0) & (p <= 1)).all():
        raise BntError("a probability is between 0 and 1; logit was given something else")
    with np.errstate(divide="ignore"):
        return np.log(p) - np.log1p(-p)


def sigmoid(x: ArrayLike) -> Any:
    """1 / (1 + exp(-x)), elementwise, with all its digits where it is small; float32 stays float32."""
    with np.errstate(over="ignore"):  # far to the left exp is infinite, and 1 / infinity is what is meant
        return 1.0 / (1.0 + np.exp(-np.asarray(x)))


def decibans(log_odds: Any, before: float = 0.0) -> float:
    """Natural log odds, or their change since ``before``, in decibans: 10 of them are a factor of ten in the odds.

    0 between equal infinities.
    """
    return 0.0 if log_odds == before else float(10.0 / math.log(10.0) * (log_odds - before))


def update_belief(p: Any, q: Any) -> Any:
    """p q / (p q + (1-p)(1-q)), the paper's updateBelief (arXiv:2603.17063, section 3).

    It is P(A | A = B) for independent A and B of probability p and q: strictly between p q (AND) and p + q - p q (OR).
    Only + - * / are used, so numbers, arrays, sympy symbols and z3 reals all work. Where certain TRUE meets certain
    FALSE it has no value: ZeroDivisionError for numbers, NaN for arrays.
    """
    return p * q / (p * q + (1 - p) * (1 - q))


def combine_pairwise(beliefs: Sequence[float]) -> tuple[float, int]:
    """All beliefs combined by update_belief in a balanced binary tree; the result and the depth, ceil(log2 k).

    Raises BntError where there is no belief.
    """
    return combine_in_pairs(update_belief, beliefs)


def combine_in_pairs(gate: Callable[[Any, Any], Any], inputs: Sequence[Any]) -> tuple[Any, int]:
    """All inputs combined by a gate of two inputs in a balanced binary tree; the result and the depth, ceil(log2 k).

    Raises BntError where there is no input.
    """
    level, depth = list(inputs), 0
    if not level:
        raise BntError("there is nothing to combine: give at least one belief")
    while len(level) > 1:
        odd = level[len(level) & ~1 :]
        level = [gate(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)] + odd
        depth += 1
    return level[0], depth


def noisy_and(log_odds: Array) -> Array:
    """Log odds that all of the independent events happen: -ln expm1(sum softplus(-x)), over the last axis."""
    return -_log_expm1(np.logaddexp(0.0, -np.asarray(log_odds)).sum(axis=-1))


def noisy_or(log_odds: Array) -> Array:
    """Log odds that at least one of the independent events happens: ln expm1(sum softplus(x)), over the last axis."""
    return _log_expm1(np.logaddexp(0.0, np.asarray(log_odds)).sum(axis=-1))


def _log_expm1(s: Array) -> Array:
    """ln(exp(s) - 1) for s >= 0 without overflow; -inf at 0."""
    with np.errstate(divide="ignore"):
        return s + np.log(-np.expm1(-s))


def two_witnesses(prior: float, reliability: float, copying: float) -> float:
    """P(A | both say yes). Each speaks the truth with probability ``reliability``, independently given A; but with
    probability ``copying`` the second only repeats what the first said."""
    both = [r * (copying + (1 - copying) * r) for r in (reliability, 1 - reliability)]  # given A, given not A
    return prior * both[0] / (prior * both[0] + (1 - prior) * both[1])


def threshold_gate(inputs: int, threshold: float) -> str:
    """What "mean of ``inputs`` bits > threshold" computes: "OR", "AND", "at least 2 of 3" and so on."""
    needed = next((c for c in range(inputs + 1) if c / inputs > threshold), inputs + 1)
    special = {0: "always on", 1: "OR", inputs: "AND", inputs + 1: "never on"}
    if inputs == 1 and needed == 1:
        return "the input itself"
    return special.get(needed, f"at least {needed} of {inputs}")
