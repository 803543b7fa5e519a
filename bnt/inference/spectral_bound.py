"""A promise before running: bound < 1 means that loopy belief propagation has one fixed point and always finds it.

J. M. Mooij and H. J. Kappen, "Sufficient conditions for convergence of the sum-product algorithm", IEEE Transactions on
Information Theory 53 (2007). The bound is the spectral radius of a matrix over messages (factor f to variable i),

    A[f->i, g->j] = N_ij(f)   for j != i in f and g != f a factor of j,   else 0
    N_ij(f) = max tanh( 1/4 ln  psi(a,b,c) psi(a',b',c') / (psi(a',b,c) psi(a,b',c')) )
              over states a != a' of i, b != b' of j, and any c, c' of the other variables of f

For a binary pair it is tanh |ln psi00 psi11 / (psi01 psi10)| / 4. On forests the bound is 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bnt.graph.evidence import EvidenceLike, Reduced, absorb
from bnt.graph.factor_graph import FactorGraph

if TYPE_CHECKING:
    import networkx as nx

Array = NDArray[np.float64]

TOLERANCE = 1e-9  # relative, of the radius


def spectral_bound(graph: FactorGraph, evidence: EvidenceLike = None) -> float | None:
    """The bound of the graph after absorbing evidence, from above (within 1e-9); None if a factor has a zero entry."""
    import networkx as nx

    reduced = absorb(graph, evidence)
    if any(np.isneginf(factor.log_table).any() for factor in reduced.factors):
        return None
    links = _links(reduced)
    influence = nx.DiGraph()
    influence.add_weighted_edges_from(links)
    loops = (part for part in nx.strongly_connected_components(influence) if len(part) > 1)
    return max((_radius(influence.subgraph(part)) for part in loops), default=0.0)


def _links(reduced: Reduced) -> list[tuple[tuple[int, int], tuple[int, int], float]]:
    """(message, message that it depends on, N) for every entry of A; a message is (factor, receiving variable)."""
    factors_of: dict[int, list[int]] = {}
    for f, factor in enumerate(reduced.factors):
        for i in factor.scope:
            factors_of.setdefault(i, []).append(f)
    links = []
    for f, factor in enumerate(reduced.factors):
        for slot, i in enumerate(factor.scope):
            for other, j in enumerate(factor.scope):
                if j != i:
                    strength = dependence(factor.log_table, slot, other)
                    links += [((f, i), (g, j), strength) for g in factors_of[j] if g != f]
    return links


def dependence(log_table: Array, i: int, j: int) -> float:
    """N_ij of one positive table: how strongly the message to slot i can depend on the one from slot j, 0..1."""
    table = np.moveaxis(log_table, (i, j), (0, 1)).reshape(log_table.shape[i], log_table.shape[j], -1)  # (a, b, c)
    largest = 0.0
    if min(table.shape[:2]) < 2:
        return 0.0
    for a in range(len(table)):
        gap = table[a] - np.delete(table, a, axis=0)  # (a', b, c)
        high, low = gap.max(axis=2), gap.min(axis=2)  # (a', b)
        spread = high[:, :, None] - low[:, None, :]  # (a', b, b')
        spread[:, np.arange(spread.shape[1]), np.arange(spread.shape[1])] = 0.0  # b != b'
        largest = max(largest, float(spread.max()))
    return float(np.tanh(largest / 4))


def _radius(part: nx.DiGraph) -> float:
    """Spectral radius of a strongly connected non-negative matrix, by power iteration on A + I (Collatz-Wielandt)."""
    index = {node: k for k, node in enumerate(part)}
    edges = [(index[u], index[v], data["weight"]) for u, v, data in part.edges(data=True)]
    row, column, value = np.array(edges).T
    row, column = row.astype(np.int64), column.astype(np.int64)
    x = np.ones(len(index))
    high = np.inf
    for _ in range(20_000):
        y = x + np.bincount(row, value * x[column], len(x))
        ratio = y / x
        high = min(
            high, float(ratio.max())
        )  # for any positive x the radius lies between the smallest and largest ratio
        if ratio.max() - ratio.min() <= TOLERANCE * ratio.max():
            break
        x = y / y.max()
    return high - 1.0
