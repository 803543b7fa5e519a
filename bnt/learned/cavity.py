"""What does gradient descent make of an attention layer with five numbers, one of which is the cavity?

    c_ij  = h_i + a sum_k u_ki - b u_ji                         what i hears, without b of what j said itself
    u_ij <- d u_ij + (1 - d) s F(g J_ij, c_ij)                  F(J, c) = 1/2 ln cosh(c + J) / cosh(c - J)
    P(s_i = 1) = sigmoid(2 (h_i + a sum_k u_ki))                spins s = +-1, p(s) prop exp(sum h s + sum J s s')

Belief propagation is (g, a, b, s, d) = (1, 1, 1, 1, 0), tree-reweighted messages with one rho for all edges are
(1 / rho, rho, 1, 1, d), and b = 0 is attention that leaves nobody out. Messages may be scaled: only g, a s and b s
count (``FoundCavity.numbers``). Trained by L-BFGS on the mean KL of exact marginals to beliefs.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from bnt.checks import need
from bnt.graph.factor_graph import Array
from bnt.odds import sigmoid
from bnt.reading.contest import GRID, NINE

ROUNDS = 12
FAMILIES: dict[str, tuple[list[tuple[int, int]] | None, str, float]] = {  # edges (None: a random tree), signs, J up to
    "trees": (None, "normal", 1.0),
    "grid glass": (GRID, "glass", 1.2),
    "grid ferromagnet": (GRID, "ferromagnet", 1.0),
    "K9 glass": (NINE, "glass", 0.7),
    "K9 ferromagnet": (NINE, "ferromagnet", 0.4),
    "K9 antiferromagnet": (NINE, "antiferromagnet", 1.0),
}
UNSEEN = 40  # models of each family to judge on
BELIEF_PROPAGATION = np.array([1.0, 1.0, 1.0, 1.0, -50.0])  # the last is the logit of the damping
STARTS = ((2.0, 0.5, 0.0, 1.0, 0.0), (0.5, 0.8, 0.3, 1.5, -1.0))  # neither is belief propagation
NO_CAVITY = (True, True, False, True, True)  # b stays 0


class Spins(NamedTuple):
    """Models of n spins, and their exact means. fields (count, n), couplings (count, n, n) symmetric."""

    fields: Array
    couplings: Array
    means: Array  # (count, n)


class FoundCavity(NamedTuple):
    """Trained numbers: (g, a, b, s, logit d), and what they reach on the models of training, in nats per spin."""

    parameters: Array
    loss: float

    @property
    def numbers(self) -> tuple[float, float, float]:
        """(g, a s, b s), which the beliefs depend on, with g >= 0: (-g, -s) and (g, s) give the same messages."""
        g, a, b, s, _ = self.parameters
        sign = -1.0 if g < 0 else 1.0
        return float(sign * g), float(sign * a * s), float(sign * b * s)

    @property
    def damping(self) -> float:
        """d"""
        return float(sigmoid(self.parameters[4]))


def draw(family: str, count: int, seed: int, n: int = 9) -> Spins:
    """Models of a family: h uniform in (-.2, .2) and one |J| for a model; of trees (n spins), h and J normal.

    Raises BntError for an unknown family.
    """
    need(family in FAMILIES, f"there is no family {family!r}; valid: {', '.join(FAMILIES)}")
    edges, kind, most = FAMILIES[family]
    rng = np.random.default_rng(seed)
    size = n if edges is None else 9
    fields, couplings = np.zeros((count, size)), np.zeros((count, size, size))
    for m in range(count):
        if edges is None:
            pairs = [(int(rng.integers(i)), i) for i in range(1, size)]
            strength = rng.normal(0, most, len(pairs))
            fields[m] = rng.normal(0, 0.5, size)
        else:
            pairs = edges
            sign = {"ferromagnet": 1.0, "antiferromagnet": -1.0}.get(kind, rng.choice([-1.0, 1.0], len(pairs)))
            strength = np.ones(len(pairs)) * sign * rng.uniform(0.05, most)
            fields[m] = rng.uniform(-0.2, 0.2, size)
        for (i, j), J in zip(pairs, strength, strict=True):
            couplings[m, i, j] = couplings[m, j, i] = J
    return Spins(fields, couplings, exact_means(fields, couplings))


@cache
def unseen(family: str) -> Spins:
    """UNSEEN models of a family on which nothing was trained; drawn once."""
    return draw(family, UNSEEN, 2000)


def exact_means(fields: Array, couplings: Array) -> Array:
    """E[s_i] by enumeration of the 2^n states, (count, n)."""
    states = np.array(list(product((-1.0, 1.0), repeat=fields.shape[1])))  # (2^n, n)
    energy = fields @ states.T + np.einsum("ci,mij,cj->mc", states, couplings, states, optimize=True) / 2
    weight = np.exp(energy - energy.max(axis=1, keepdims=True))
    means: Array = (weight @ states) / weight.sum(axis=1, keepdims=True)
    return means


def log_2_cosh(x: Array) -> Array:
    """ln (e^x + e^-x)"""
    return np.asarray(np.abs(x) + np.log1p(np.exp(-2 * np.abs(x))))


def half_odds(parameters: Array, spins: Spins, rounds: int = ROUNDS) -> tuple[Array, Array]:
    """Half the log odds of every spin after so many rounds, (count, n), and their slopes (5, count, n)."""
    g, a, b, s, z = parameters
    d = float(sigmoid(z))
    J, h = spins.couplings, spins.fields
    joined = (J != 0).astype(float)
    u, du = np.zeros_like(J), np.zeros((5, *J.shape))
    for _ in range(rounds):
        heard, d_heard = u.sum(axis=1), du.sum(axis=2)  # by the receiver
        cavity = (h + a * heard)[:, :, None] - b * u.transpose(0, 2, 1)
        d_cavity = a * d_heard[:, :, :, None] - b * du.transpose(0, 1, 3, 2)
        d_cavity[1] += heard[:, :, None]
        d_cavity[2] -= u.transpose(0, 2, 1)
        plus, minus = np.tanh(cavity + g * J), np.tanh(cavity - g * J)
        out = joined * (log_2_cosh(cavity + g * J) - log_2_cosh(cavity - g * J)) / 2
        d_out = joined * (plus - minus) / 2 * d_cavity
        d_out[0] += joined * (plus + minus) / 2 * J
        du = d * du + (1 - d) * s * d_out
        du[3] += (1 - d) * out
        du[4] += d * (1 - d) * (u - s * out)
        u = d * u + (1 - d) * s * out
    heard, slopes = u.sum(axis=1), a * du.sum(axis=2)
    slopes[1] += heard
    return h + a * heard, slopes


def half_odds_alone(parameters: Array, spins: Spins, rounds: int = ROUNDS) -> Array:
    """The first of ``half_odds``, to the bit, without the slopes, which take most of its time."""
    g, a, b, s, z = parameters
    d = float(sigmoid(z))
    J, h = spins.couplings, spins.fields
    joined, u = (J != 0).astype(float), np.zeros_like(J)
    for _ in range(rounds):
        cavity = (h + a * u.sum(axis=1))[:, :, None] - b * u.transpose(0, 2, 1)
        out = joined * (log_2_cosh(cavity + g * J) - log_2_cosh(cavity - g * J)) / 2
        u = d * u + (1 - d) * s * out
    return np.asarray(h + a * u.sum(axis=1))


def loss_and_slope(parameters: Array, spins: Spins, rounds: int = ROUNDS) -> tuple[float, Array]:
    """Mean KL of exact marginals to beliefs, in nats per spin, and its gradient (5,)."""
    half, slopes = half_odds(parameters, spins, rounds)
    p = (1 + spins.means) / 2
    back = 2 * (sigmoid(2 * half) - p) / p.size
    return _mean_kl(p, half), (slopes * back).sum(axis=(1, 2))


def _mean_kl(p: Array, half: Array) -> float:
    crossed = p * np.logaddexp(0, -2 * half) + (1 - p) * np.logaddexp(0, 2 * half)
    own = -(p * np.log(p) + (1 - p) * np.log1p(-p))
    return float((crossed - own).mean())


def kl(parameters: Array, spins: Spins, rounds: int = ROUNDS) -> float:
    """Mean KL of exact marginals to beliefs, in nats per spin."""
    return _mean_kl((1 + spins.means) / 2, half_odds_alone(parameters, spins, rounds))


def largest_error(parameters: Array, spins: Spins, rounds: int = ROUNDS) -> float:
    """Of P(s = 1), the worst spin of each model, averaged over the models."""
    half = half_odds_alone(parameters, spins, rounds)
    return float(np.abs(sigmoid(2 * half) - (1 + spins.means) / 2).max(axis=1).mean())


def learn_cavity(
    spins: Spins,
    starts: Sequence[Sequence[float]] = STARTS,
    *,
    free: Sequence[bool] = (True,) * 5,
    rounds: int = ROUNDS,
    steps: int = 200,
) -> FoundCavity:
    """The best of L-BFGS from these starts (g, a, b, s, logit d); numbers that are not ``free`` are b = 0 or stay."""
    from scipy.optimize import minimize

    moves, best = np.array(free), None
    for start in starts:
        begin = np.array(start, dtype=float)
        begin[2] = begin[2] if moves[2] else 0.0

        def asked(x: Array, begin: Array = begin) -> tuple[float, Array]:
            loss, slope = loss_and_slope(np.where(moves, x, begin), spins, rounds)
            return loss, np.where(moves, slope, 0.0)

        found = minimize(asked, begin, jac=True, method="L-BFGS-B", options={"maxiter": steps, "ftol": 1e-13})
        if best is None or found.fun < best.loss:
            best = FoundCavity(np.where(moves, found.x, begin), float(found.fun))
    assert best is not None
    return best


def reweighted(spins: Spins) -> Array:
    """Tree-reweighted messages with one rho, (n - 1) / edges, for all edges, damped by one half."""
    rho = (spins.fields.shape[1] - 1) / ((spins.couplings != 0).sum() / 2 / len(spins.fields))
    return np.array([1 / rho, rho, 1.0, 1.0, 0.0])


def learn_family(family: str, seed: int, train: int = 60, test: int = 200) -> dict[str, Any]:
    """What is learned on a family, beside the named algorithms, on new models of it; as JSON values."""
    seen, new = draw(family, train, seed), draw(family, test, seed + 1000)
    learned, blind = learn_cavity(seen), learn_cavity(seen, free=NO_CAVITY)
    damped = np.array([*BELIEF_PROPAGATION[:4], 0.0])
    asked = {
        "belief propagation": BELIEF_PROPAGATION,
        "belief propagation, damped": damped,
        "tree-reweighted": reweighted(new),
        "learned": learned.parameters,
        "no cavity": blind.parameters,
    }
    return {
        "parameters": learned.parameters.tolist(),
        "numbers": list(learned.numbers),
        "damping": learned.damping,
        "kl": {name: kl(parameters, new) for name, parameters in asked.items()},
        "error": {name: largest_error(parameters, new) for name, parameters in asked.items()},
    }


def transfer(found: dict[str, Array], test: int = 200) -> dict[str, dict[str, float]]:
    """KL of each family's numbers on new models of each family: {trained on: {judged on: KL}}."""
    new = {family: draw(family, test, 1000) for family in found}
    return {one: {other: kl(parameters, new[other]) for other in found} for one, parameters in found.items()}
