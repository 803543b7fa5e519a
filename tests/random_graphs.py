"""Random models for the tests: every one from a seed, so that a failure can be had again."""

import numpy as np

from bnt.graph.bayesian_network import BayesianNetwork
from bnt.graph.factor_graph import Factor, FactorGraph, Variable


def variables(cardinalities):
    """x0, x1, ... with states s0, s1, ..."""
    return [Variable(f"x{i}", [f"s{j}" for j in range(c)]) for i, c in enumerate(cardinalities)]


def forest(seed, most=8, zeros=0.2):
    """A random forest: cardinality 2-5, arity 1-4, entries in (.01, 1) with some exact zeros, several unary factors."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, most + 1))
    names = variables(rng.integers(2, 6, n))
    scopes, placed = [], 1
    while placed < n:
        grow = min(int(rng.integers(1, 4)), n - placed)
        new = list(range(placed, placed + grow))
        anchor = [int(rng.integers(0, placed))] if rng.random() < 0.85 or grow == 1 else []
        scopes.append([int(i) for i in rng.permutation(anchor + new)])
        placed += grow
    scopes += [[i] for i in range(n) if rng.random() < 0.5]
    return FactorGraph(names, [random_factor([names[i] for i in scope], rng, zeros) for scope in scopes])


def loopy(seed, most=7, zeros=0.0, most_cardinality=4):
    """Random scopes of arity 1-3 over a few variables: nearly always with loops."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(3, most + 1))
    names = variables(rng.integers(2, most_cardinality + 1, n))
    scopes = [rng.choice(n, min(n, int(rng.integers(1, 4))), replace=False) for _ in range(int(rng.integers(n, 2 * n)))]
    return FactorGraph(names, [random_factor([names[i] for i in scope], rng, zeros) for scope in scopes])


def pairwise(seed, sigma=1.0, edges=None, most=10):
    """Binary pairwise: a given or random edge set, log potentials normal with standard deviation ``sigma``."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, most + 1)) if edges is None else 1 + max(max(edge) for edge in edges)
    if edges is None:
        edges = [(i, j) for i in range(n) for j in range(i + 1, n) if rng.random() < 0.5] or [(0, 1)]
    names = variables([2] * n)
    factors = [Factor((v,), log_table=rng.normal(0, sigma, 2)) for v in names]
    factors += [Factor((names[i], names[j]), log_table=rng.normal(0, sigma, (2, 2))) for i, j in edges]
    return FactorGraph(names, factors)


def tree_edges(n, rng):
    """A random tree on n nodes."""
    return [(int(rng.integers(0, i)), i) for i in range(1, n)]


def network(names, states, seed):
    """A BayesianNetwork with arcs from earlier names to later ones; zeros, and variables of one state."""
    rng = np.random.default_rng(seed)
    listed = {name: tuple(states[: rng.integers(1, len(states) + 1)]) for name in names}
    parents = {name: tuple(p for p in names[:i] if rng.random() < 0.4)[:3] for i, name in enumerate(names)}
    tables = {}
    for name, above in parents.items():
        table = rng.random([len(listed[one]) for one in (name, *above)])
        table[rng.random(table.shape) < 0.2] = 0.0
        table[0] += 1e-3
        tables[name] = table / table.sum(axis=0)
    return BayesianNetwork("net", listed, parents, tables)


def random_factor(scope, rng, zeros):
    """Entries in (.01, 1); a share ``zeros`` of them exactly zero, never all."""
    table = rng.uniform(0.01, 1.0, [v.cardinality for v in scope])
    table[rng.random(table.shape) < zeros] = 0.0
    if not table.any():
        table[(0,) * table.ndim] = 1.0
    return Factor(scope, table)


def evidence(graph, seed, share=0.3, soft=True):
    """Random hard and soft evidence: possible or not, the caller must see."""
    rng = np.random.default_rng(seed)
    found = {}
    for variable in graph.variables:
        draw = rng.random()
        if draw < share / 2:
            found[variable.name] = str(rng.choice(variable.states))
        elif soft and draw < share:
            found[variable.name] = rng.uniform(0.0, 1.0, variable.cardinality)
    return found
