"""Which algorithm has the smaller error where: three of them on Ising models of nine variables, as couplings grow.

    p(s) prop exp(sum_i h_i s_i + sum_ij J_ij s_i s_j),   s = +-1

on a 3 x 3 grid or with all pairs joined. The answers are held against enumeration; ``threshold`` says where the
spectral bound (inference/spectral_bound.py) reaches 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import combinations
from typing import NamedTuple

import numpy as np

from bnt.graph.factor_graph import Array, Factor, FactorGraph, Variable
from bnt.inference.belief_propagation import run_bp
from bnt.inference.exact import exact_marginals
from bnt.inference.spectral_bound import spectral_bound
from bnt.inference.variational import run_mean_field, run_trw

GRID = [(3 * r + c, 3 * r + c + 1) for r in range(3) for c in range(2)] + [(i, i + 3) for i in range(6)]
NINE = list(combinations(range(9), 2))
EDGES = {"3 x 3 grid": GRID, "complete graph K9": NINE}
SIGNS = ("all attract", "all repel", "random signs")
ALGORITHMS = ("belief propagation", "mean field", "tree-reweighted")
COUPLINGS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.55, 0.7, 0.85, 1.0, 1.25, 1.5)
DRAWS = 6  # models at each coupling


class Contest(NamedTuple):
    """error: mean over DRAWS of the largest error of a marginal, (couplings, ALGORITHMS). settles: the share of models
    on which belief propagation does, damped or not, (couplings,)."""

    error: Array
    settles: Array


def ising(edges: Sequence[tuple[int, int]], couplings: Array, fields: Array) -> FactorGraph:
    """p(s) prop exp(sum h s + sum J s s'), s = +-1: variables x0, x1, ... with the states "0" (s = -1) and "1"."""
    names = [Variable(f"x{i}", ("0", "1")) for i in range(len(fields))]
    spins = np.array([[1.0, -1.0], [-1.0, 1.0]])
    factors = [Factor((name,), log_table=[0.0, 2 * float(h)]) for name, h in zip(names, fields, strict=True)]
    factors += [Factor((names[i], names[j]), np.exp(J * spins)) for (i, j), J in zip(edges, couplings, strict=True)]
    return FactorGraph(names, factors)


def threshold(graph: str) -> float:
    """The J at which the spectral bound of equal couplings |J| is 1. graph: one of EDGES."""
    edges = EDGES[graph]
    per_coupling = spectral_bound(ising(edges, np.full(len(edges), 0.1), np.zeros(9)))
    assert per_coupling is not None
    return float(np.arctanh(np.tanh(0.1) / per_coupling))


@cache
def contest(graph: str, signs: str, field: float, couplings: tuple[float, ...] = COUPLINGS) -> Contest:
    """The three algorithms on DRAWS models for each |J|; fields up to ``field``. graph: of EDGES; signs: of SIGNS."""
    edges, rng = EDGES[graph], np.random.default_rng(0)
    error, settles = np.zeros((len(couplings), len(ALGORITHMS))), np.zeros(len(couplings))
    for c, J in enumerate(couplings):
        for _ in range(DRAWS):
            sign = {"all attract": 1.0, "all repel": -1.0}.get(signs, rng.choice([-1.0, 1.0], len(edges)))
            model = ising(edges, J * sign * np.ones(len(edges)), rng.uniform(-field, field, 9))
            truth = exact_marginals(model).beliefs
            plain = run_bp(model, schedule="flooding")
            bp = plain if plain.converged else run_bp(model, schedule="flooding", damping=0.5, tolerance=1e-8)
            settles[c] += bp.converged / DRAWS
            runs = (bp, run_mean_field(model), run_trw(model))
            error[c] += [run.beliefs.distance(truth) / DRAWS for run in runs]
    return Contest(error, settles)
