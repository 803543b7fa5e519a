"""A mixture of experts, read by Bayes' rule: ``read_gate``, and what leaving experts out costs: ``truncation``.

Any gate g = softmax(x W + b) is the posterior of a latent expert z, given x, in the Gaussian mixture

    x | z = k  ~  N(W_k, I),     p(z = k) prop exp(b_k + |W_k|^2 / 2)

so a MixtureFFN adds E[f_z(x) | x]: attention over fixed keys whose values are functions of the query. (Given x: not
given what the target turns out to be, unless the mixture is trained by its likelihood.)

Of the k best experts alone, their weights scaled to sum to one, with the mass delta = 1 - sum of kept g:

    y_kept - y = delta (mean of f over the kept - mean of f over the dropped),   |y_kept - y| <= delta diam(f)

the total variation of the two gates is delta, and where experts are distributions KL(y_kept || y) <= -ln(1 - delta).
It is 0 exactly in float64 where the dropped scores lie more than 745.14 below the best.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from bnt.checks import of_kind, real_array
from bnt.errors import BntError
from bnt.graph.factor_graph import Array
from bnt.transformer.blocks import FFN, Gate, MixtureFFN, feed_forward, gate_weights

SEASONS = ("winter", "spring", "summer", "autumn")
MEANS = np.array([2.0, 9.0, 19.0, 11.0])  # degrees, where the seasons are as far apart as they are
COATS = np.array([3.0, 2.0, 0.0, 1.0])  # what each expert says: layers of clothes


@dataclass(frozen=True, eq=False)
class GateReading:
    """The mixture behind a gate: means (K, d), unit covariance, log prior (K,)."""

    means: Array
    log_prior: Array

    def posterior(self, x: ArrayLike) -> Array:
        """p(z | x) of every row of x (n, d) by Bayes' rule from the densities, (n, K): equal to the gate's weights."""
        rows = real_array("x", x)
        if rows.ndim != 2 or rows.shape[1] != self.means.shape[1] or not np.isfinite(rows).all():
            raise BntError(f"x must be finite and have shape (n, {self.means.shape[1]}), not {rows.shape}")
        squares = ((rows[:, None, :] - self.means[None, :, :]) ** 2).sum(axis=2)  # (n, K)
        joint = self.log_prior - squares / 2 - self.means.shape[1] / 2 * np.log(2 * np.pi)
        return np.exp(joint - np.logaddexp.reduce(joint, axis=1, keepdims=True))


class Truncation(NamedTuple):
    """What ``keep`` costs each token. n tokens, d columns.

    dropped: delta (n,). kept_mean, dropped_mean: of the experts' outputs, (n, d); dropped_mean is 0 where delta is.
    error: delta (kept_mean - dropped_mean), (n, d). bound: delta times the largest distance of two experts' outputs,
    (n,), never below |error|.
    """

    dropped: Array
    kept_mean: Array
    dropped_mean: Array
    error: Array
    bound: Array


def read_gate(gate: Gate) -> GateReading:
    """The Gaussian mixture whose posterior of the component is this gate, for any weights. Raises BntError: no Gate."""
    of_kind("the argument of read_gate", gate, Gate)
    log_prior = gate.b + (gate.W**2).sum(axis=0) / 2
    return GateReading(gate.W.T.copy(), log_prior - np.logaddexp.reduce(log_prior))


def gate_of_mixture(means: ArrayLike, covariance: ArrayLike, prior: ArrayLike) -> Gate:
    """The gate that computes p(z | x) for x | z = k ~ N(means[k], covariance), with one covariance for all.

        W_k = S^-1 m_k,   b_k = ln p(k) - m_k' S^-1 m_k / 2

    means (K, d), covariance (d, d), prior (K,). Raises BntError: shapes that do not fit, a covariance that is not
    symmetric and positive definite, a prior that is not K positive numbers that sum to 1.
    """
    m, S, p = real_array("means", means), real_array("covariance", covariance), real_array("prior", prior)
    if m.ndim != 2 or S.shape != (m.shape[1],) * 2 or p.shape != m.shape[:1]:
        raise BntError(f"means (K, d), covariance (d, d) and prior (K,) do not fit: {m.shape}, {S.shape}, {p.shape}")
    if not (np.isfinite(m).all() and np.isfinite(S).all()):
        raise BntError("means and covariance must be finite")
    if not (p > 0).all() or abs(p.sum() - 1.0) > 1e-9:
        raise BntError(f"prior must be positive numbers that sum to 1, not {p.tolist()}")
    if not np.allclose(S, S.T) or not (np.linalg.eigvalsh(S) > 0).all():
        raise BntError("covariance must be symmetric and positive definite")
    W = np.linalg.solve(S, m.T)  # (d, K)
    return Gate(W, np.log(p) - (m.T * W).sum(axis=0) / 2)


def truncation(sublayer: MixtureFFN, x: ArrayLike) -> Truncation:
    """What the experts that ``sublayer.keep`` leaves out would have changed, token by token, on the stream x (n, d).

    All experts are run. Raises BntError: no MixtureFFN, or an x that does not fit it.
    """
    of_kind("the first argument of truncation", sublayer, MixtureFFN)
    rows = real_array("x", x)
    if rows.ndim != 2 or rows.shape[1] != len(sublayer.gate.W) or not np.isfinite(rows).all():
        raise BntError(f"x must be finite and have shape (n, {len(sublayer.gate.W)}), not {rows.shape}")
    read = sublayer.norm(rows) if sublayer.norm else rows
    whole, kept = gate_weights(read, sublayer.gate), gate_weights(read, sublayer.gate, sublayer.keep)  # (n, K)
    outputs = np.stack([feed_forward(read, expert) for expert in sublayer.experts])  # (K, n, d)
    rest = np.where(kept > 0, 0.0, whole)  # (n, K)   an expert whose kept weight underflows counts as dropped: 0
    dropped = rest.sum(axis=1)
    kept_mean = np.einsum("nk,knd->nd", kept, outputs)
    scale = np.where(dropped > 0, dropped, 1.0)
    dropped_mean = np.einsum("nk,knd->nd", rest / scale[:, None], outputs)
    error = dropped[:, None] * (kept_mean - dropped_mean)
    return Truncation(dropped, kept_mean, dropped_mean, error, dropped * diameter(outputs))


def diameter(outputs: Sequence[Array] | Array) -> Array:
    """The largest Euclidean distance of two experts' outputs (K, n, d) for each token, (n,)."""
    widest = np.zeros(np.shape(outputs)[1])
    for i, one in enumerate(outputs):
        for other in outputs[:i]:
            widest = np.maximum(widest, np.sqrt(((one - other) ** 2).sum(axis=1)))
    return widest


def seasons(keep: int, apart: float = 1.0, spread: float = 4.0) -> MixtureFFN:
    """An example: four experts on one number, degrees. Each says its COATS; the gate is the posterior of the season,
    all four alike beforehand, with their means ``apart`` times as far from the middle and this standard deviation."""
    centre = MEANS.mean()
    gate = gate_of_mixture((centre + apart * (MEANS - centre))[:, None], [[spread**2]], np.full(4, 0.25))
    nothing = np.zeros((1, 1))
    experts = tuple(FFN(nothing, np.zeros(1), nothing, np.array([coat])) for coat in COATS)
    return MixtureFFN(gate, experts, keep)
