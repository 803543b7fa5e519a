"""Random models for the checks of the ledger, each from a seed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bnt.graph.factor_graph import Factor, FactorGraph, Variable
from bnt.transformer.blocks import Head

Array = NDArray[np.float64]
Edges = Sequence[tuple[int, int]]


def binary_variables(n: int) -> list[Variable]:
    """x0, x1, ... with states "0" and "1"."""
    return [Variable(f"x{i}", ("0", "1")) for i in range(n)]


def tree_edges(n: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """A random tree: every node hangs from a uniformly drawn earlier one."""
    return [(int(rng.integers(0, i)), i) for i in range(1, n)]


def random_edges(n: int, rng: np.random.Generator, density: float = 0.5) -> list[tuple[int, int]]:
    """Every pair with probability ``density``, at least one."""
    return [pair for pair in combinations(range(n), 2) if rng.random() < density] or [(0, 1)]


def random_pairwise(edges: Edges, n: int, rng: np.random.Generator) -> FactorGraph:
    """Binary pairwise: log odds normal (1.5), table entries uniform in (.05, 1)."""
    return pairwise(edges, rng.normal(0, 1.5, n), [rng.uniform(0.05, 1.0, (2, 2)) for _ in edges])


def pairwise(edges: Edges, theta: Sequence[float] | Array, tables: Sequence[Array]) -> FactorGraph:
    """Binary pairwise from log odds and tables, table[x_i, x_j] for the edge (i, j); factor i is the field of variable
    i."""
    names = binary_variables(len(theta))
    fields = [Factor((name,), log_table=[0.0, float(value)]) for name, value in zip(names, theta, strict=True)]
    return FactorGraph(
        names,
        fields + [Factor((names[i], names[j]), table) for (i, j), table in zip(edges, tables, strict=True)],
    )


def random_tree(seed: int, most: int = 9) -> FactorGraph:
    """Binary pairwise tree on 2 .. most variables."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, most + 1))
    return random_pairwise(tree_edges(n, rng), n, rng)


def random_loopy(seed: int, most: int = 8) -> FactorGraph:
    """Binary pairwise graph on 4 .. most variables, mostly with loops."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(4, most + 1))
    return random_pairwise(random_edges(n, rng), n, rng)


def random_factors(seed: int, zeros: float = 0.15) -> FactorGraph:
    """3 .. 6 variables of 2 .. 4 states, factors over 1 .. 3 of them, some entries zero, never an impossible model.

    Entries at one randomly chosen joint state are kept positive, so the model has support.
    """
    rng = np.random.default_rng(seed)
    n = int(rng.integers(3, 7))
    names = [Variable(f"x{i}", [f"s{k}" for k in range(int(rng.integers(2, 5)))]) for i in range(n)]
    kept = [int(rng.integers(name.cardinality)) for name in names]
    factors = []
    for _ in range(n + 2):
        scope = rng.choice(n, int(rng.integers(1, 4)), replace=False)
        table = rng.uniform(0.05, 1.0, [names[i].cardinality for i in scope])
        zero = rng.random(table.shape) < zeros
        zero[tuple(kept[i] for i in scope)] = False
        table[zero] = 0.0
        factors.append(Factor([names[i] for i in scope], table))
    return FactorGraph(names, factors)


def complete_ising(n: int, couplings: Array | float, fields: Array | float) -> FactorGraph:
    """Tables exp(J s s') with s = +-1 on all pairs of n variables; fields are log odds."""
    edges = list(combinations(range(n), 2))
    strength = np.broadcast_to(np.asarray(couplings, dtype=np.float64), (len(edges),))
    tables = [np.exp(J * np.array([[1.0, -1.0], [-1.0, 1.0]])) for J in strength]
    return pairwise(edges, np.broadcast_to(np.asarray(fields, dtype=np.float64), (n,)), tables)


def complete_ising_round(message: ArrayLike, n: int, coupling: float, field: float, damping: float = 0.0) -> Array:
    """The messages of ``complete_ising`` are all equal: the log odds x of each becomes

    (1 - d) 2 artanh(tanh J tanh((theta + (n - 2) x) / 2)) + d x.
    """
    x = np.asarray(message, dtype=np.float64)
    computed = 2.0 * np.arctanh(np.tanh(coupling) * np.tanh((field + (n - 2) * x) / 2))
    return (1 - damping) * computed + damping * x


def joint(graph: FactorGraph) -> Array:
    """The normalised joint distribution of a small graph, one axis per variable."""
    operands: list[object] = []
    for factor, scope in zip(graph.factors, graph.scopes, strict=True):
        operands += [factor.table, list(scope)]
    table: Array = np.einsum(*operands, list(range(len(graph.variables))))  # type: ignore[call-overload]
    return table / table.sum()


def random_head(rng: np.random.Generator, d: int, d_k: int) -> Head:
    """A head with normal weights, d_v = d_k."""
    q, k, v = rng.normal(size=(3, d, d_k))
    return Head(q, k, v, rng.normal(size=(d_k, d)))
