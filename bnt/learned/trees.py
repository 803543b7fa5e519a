"""Random trees of mixed shape as a learning problem: eight binary variables, and beliefs by round of BP.

The shapes are all trees of ``NODES`` nodes up to renaming (23 of them); some are held out, so that a model is tested on
shapes it has never seen. Node numbers and the root are random, hence a number says nothing about the shape.

One token per variable: local field (log odds), the oriented log table towards its parent (rows: its own states; the
root's is 0), how many children it has, its own number and its parent's (one-hot). The edges are thus *given* as numbers
to be matched; which token to look at has to be learned.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bnt.graph.factor_graph import Array, Factor, FactorGraph, Variable
from bnt.learned.tasks import STATES, Problems
from bnt.odds import sigmoid

Ints = NDArray[np.int64]

NODES = 8
HELD_OUT = (1, 5, 9, 13, 17, 21)  # every fourth shape, in the order of networkx.nonisomorphic_trees
COUPLING = (0.5, 1.5)  # |J| of a table exp(J s s') with s = -1, 1; the sign is random
BLUR = 0.3  # standard deviation of what is added to every log entry
FIELD = 1.0  # standard deviation of the local fields


class Shapes(NamedTuple):
    """All trees of NODES nodes, one row each, nodes in any fixed order."""

    parent: Ints  # (shapes, roots, n)   parent of each node if that root is chosen; the root is its own parent
    distance: Ints  # (shapes, n, n)   edges between two nodes

    @property
    def diameter(self) -> Ints:
        """Largest distance in each shape."""
        return self.distance.max((1, 2))


@cache
def shapes() -> Shapes:
    """The 23 trees of eight nodes."""
    import networkx as nx

    parents, distances = [], []
    for tree in nx.nonisomorphic_trees(NODES):
        lengths = dict(nx.all_pairs_shortest_path_length(tree))
        distances.append([[lengths[i][j] for j in range(NODES)] for i in range(NODES)])
        above = [dict(nx.predecessor(tree, root)) for root in range(NODES)]
        parents.append([[(above[root][i] or [root])[0] for i in range(NODES)] for root in range(NODES)])
    return Shapes(np.array(parents), np.array(distances))


def training_shapes() -> Ints:
    """Numbers of the shapes that are trained on."""
    return np.setdiff1d(np.arange(len(shapes().parent)), HELD_OUT)


class Trees(NamedTuple):
    """count trees."""

    shape: Ints  # (count,)
    parent: Ints  # (count, n)   the root is its own parent
    distance: Ints  # (count, n, n)
    field: Array  # (count, n)   log odds of the local fields
    log_table: Array  # (count, n, 2, 2)   [own state, parent's state]; 0 for the root

    @property
    def eccentricity(self) -> Ints:
        """Distance of each node to the farthest one, (count, n)."""
        return self.distance.max(-1)

    def graph(self, row: int) -> FactorGraph:
        """One of them as a factor graph, variables x0, x1, ... in token order."""
        x = [Variable(f"x{i}", STATES) for i in range(NODES)]
        factors = [Factor((v,), log_table=[0.0, theta]) for v, theta in zip(x, self.field[row].tolist(), strict=True)]
        for i, p in enumerate(self.parent[row].tolist()):
            if p != i:
                factors.append(Factor((x[i], x[p]), log_table=self.log_table[row, i]))
        return FactorGraph(x, factors)

    def pair_tables(self) -> Array:
        """(count, n, n, 2, 2)[i, j, x_i, x_j]: log tables in both directions, 0 where there is no edge."""
        count, rows, nodes = len(self.parent), np.arange(len(self.parent))[:, None], np.arange(NODES)
        tables = np.zeros((count, NODES, NODES, 2, 2))
        tables[rows, nodes, self.parent] = self.log_table
        tables[rows, self.parent, nodes] += self.log_table.transpose(0, 1, 3, 2)  # += : the root stays 0
        return tables


def random_trees(count: int, rng: np.random.Generator, among: Ints | None = None) -> Trees:
    """Trees whose shapes are drawn from ``among`` (None: the training shapes), with random numbers, root and tables."""
    every, rows = shapes(), np.arange(count)[:, None]
    shape = rng.choice(training_shapes() if among is None else among, count)
    above = every.parent[shape, rng.integers(0, NODES, count)]  # (count, n)
    old = rng.permuted(np.broadcast_to(np.arange(NODES), (count, NODES)), axis=1)  # old[i]: what node i was called
    new = np.argsort(old, axis=1)
    parent = new[rows, above[rows, old]]
    distance = every.distance[shape][rows[..., None], old[:, :, None], old[:, None]]
    coupling = rng.uniform(*COUPLING, (count, NODES)) * rng.choice([-1.0, 1.0], (count, NODES))
    signs = np.array([[1.0, -1.0], [-1.0, 1.0]])
    table = coupling[..., None, None] * signs + rng.normal(0.0, BLUR, (count, NODES, 2, 2))
    table[parent == np.arange(NODES)] = 0.0
    return Trees(shape, parent, distance, rng.normal(0.0, FIELD, (count, NODES)), table)


def beliefs_by_round(trees: Trees, rounds: int = NODES - 1) -> Array:
    """Log odds of the beliefs after 0, 1, ..., ``rounds`` rounds of flooding BP, (rounds + 1, count, n).

    The message from i to j is sp(t + a) - sp(t + c) + d with t = field_i + messages into i but for j's. Exact from
    round = eccentricity on; before that it is the posterior in the ball of that radius, what lies beyond left out.
    """
    psi = trees.pair_tables()
    edge = trees.distance == 1
    a, c, d = psi[..., 1, 1] - psi[..., 0, 1], psi[..., 1, 0] - psi[..., 0, 0], psi[..., 0, 1] - psi[..., 0, 0]
    message = np.zeros(edge.shape)  # (count, from, to)
    found = [trees.field]
    for _ in range(rounds):
        t = (trees.field + message.sum(1))[:, :, None] - message.transpose(0, 2, 1)
        message = np.where(edge, np.logaddexp(0.0, t + a) - np.logaddexp(0.0, t + c) + d, 0.0)
        found.append(trees.field + message.sum(1))
    return np.array(found)


def encode_trees(trees: Trees) -> Problems:
    """Inputs (count, 8, 22) as in the module's docstring; targets are the exact marginals, every token is asked."""
    root = trees.parent == np.arange(NODES)
    children = (trees.distance == 1).sum(-1) - ~root
    numbers = np.broadcast_to(np.eye(NODES), (len(root), NODES, NODES))
    parents = np.eye(NODES)[trees.parent] * ~root[..., None]
    tables = trees.log_table.reshape(-1, NODES, 4)
    inputs = np.concatenate([trees.field[..., None], tables, children[..., None], numbers, parents], -1)
    targets = sigmoid(beliefs_by_round(trees)[-1])[..., None]
    return Problems(inputs, targets, np.ones_like(targets))
