"""Random models with factors given by leaves, and what such a factor says, state by state."""

import itertools

import numpy as np

from bnt.graph.factor_graph import Factor, FactorGraph
from bnt.graph.leaves import LeafFactor
from tests import random_graphs


def leaf_factor(scope, rng, zeros=0.0, most=24):
    """A decision tree that asks at random, at most about ``most`` leaves; a share ``zeros`` of the leaves is zero."""
    blocks, done = [{}], []
    while blocks:
        block = blocks.pop(int(rng.integers(len(blocks))))
        open_ = [v for v in scope if v.name not in block]
        if not open_ or (block and rng.random() < 0.3) or len(blocks) + len(done) > most:
            done.append(block)
            continue
        asked = open_[int(rng.integers(len(open_)))]
        blocks += [{**block, asked.name: state} for state in asked.states]
    values = rng.uniform(0.01, 1.0, len(done))
    values[rng.random(len(done)) < zeros] = 0.0
    if not values.any():
        values[0] = 1.0
    return LeafFactor(scope, list(zip(done, values.tolist(), strict=True)))


def loopy(seed, zeros=0.0, most_arity=5):
    """Factors of arity 2 to ``most_arity`` given by leaves, and tables of arity 1 and 2, over a few variables."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(4, 8))
    names = random_graphs.variables(rng.integers(2, 5, n))
    factors = []
    for _ in range(int(rng.integers(2, 5))):
        scope = rng.choice(n, int(rng.integers(2, min(n, most_arity) + 1)), replace=False)
        factors.append(leaf_factor([names[i] for i in scope], rng, zeros))
    for _ in range(int(rng.integers(1, n))):
        scope = rng.choice(n, int(rng.integers(1, 3)), replace=False)
        factors.append(random_graphs.random_factor([names[i] for i in scope], rng, zeros))
    return FactorGraph(names, [factors[i] for i in rng.permutation(len(factors))])


def written_out(graph):
    """The same graph with a table for every factor, each entry looked up among the leaves."""
    return FactorGraph(graph.variables, [table_of(f) if isinstance(f, LeafFactor) else f for f in graph.factors])


def table_of(factor):
    """A LeafFactor's table, each entry looked up among the leaves."""
    table = np.zeros([v.cardinality for v in factor.variables])
    for place in itertools.product(*(range(size) for size in table.shape)):
        at = {v.name: v.states[i] for v, i in zip(factor.variables, place, strict=True)}
        (table[place],) = (leaf.value for leaf in factor.leaves if leaf.states.items() <= at.items())
    return Factor(factor.variables, table, factor.name)
