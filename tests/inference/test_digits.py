"""Huge potentials: exact answers are exact to the last digits, or refused; the oracle adds in rational numbers."""

import itertools
import math
from fractions import Fraction
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnt import (
    Factor,
    FactorGraph,
    UnsupportedModelError,
    Variable,
    compile_graph,
    exact_marginals,
    forward,
    posterior,
    run_bp,
    run_bp_batch,
)
from bnt.inference.belief_propagation import Schedule
from tests import random_graphs


def marginals(graph: FactorGraph) -> dict[str, np.ndarray]:
    """By enumeration; log weights are added as fractions, so nothing cancels."""
    weights = {}
    for state in itertools.product(*(range(v.cardinality) for v in graph.variables)):
        logs = [
            f.log_table[tuple(state[i] for i in scope)] for f, scope in zip(graph.factors, graph.scopes, strict=True)
        ]
        if not np.isneginf(logs).any():
            weights[state] = sum((Fraction(float(one)) for one in logs), Fraction(0))
    top = max(weights.values())
    found = {v.name: np.zeros(v.cardinality) for v in graph.variables}
    for state, weight in weights.items():
        p = math.exp(max(float(weight - top), -800.0))
        for variable, i in zip(graph.variables, state, strict=True):
            found[variable.name][i] += p
    return {name: p / p.sum() for name, p in found.items()}


def huge(graph: FactorGraph, seed: int, exponent: float) -> FactorGraph:
    """The same scopes; tables with an offset, or a few entries, as large as 10^exponent."""
    rng = np.random.default_rng(seed)
    factors = []
    for factor in graph.factors:
        shape = factor.log_table.shape
        base = rng.choice([0.0, 1.0, -1.0, rng.normal()]) * 10.0**exponent
        table = rng.normal(size=shape) + base * (rng.random(shape) < rng.choice([0.3, 1.0]))
        factors.append(Factor(factor.variables, log_table=table))
    return FactorGraph(graph.variables, factors)


@given(st.integers(0, 10**6), st.floats(0, 300))
def test_exact_means_exact_or_refused(seed: int, exponent: float) -> None:
    graph = huge(random_graphs.loopy(seed, most=4, most_cardinality=3), seed, exponent)
    for ask in (exact_marginals, posterior):
        try:
            found = ask(graph)
        except UnsupportedModelError:
            assert exponent > 5
            continue
        for name, expected in marginals(graph).items():
            np.testing.assert_allclose(found.beliefs.vector(name), expected, rtol=0, atol=1e-9)


@given(st.integers(0, 10**6), st.floats(0, 300), st.sampled_from(get_args(Schedule)), st.booleans())
def test_so_does_belief_propagation_on_forests(seed: int, exponent: float, schedule: Schedule, one: bool) -> None:
    """Every schedule, alone and in a batch; a refusal only where exact inference has the same trouble, or nearly so."""
    graph = huge(random_graphs.forest(seed, most=5, zeros=0.0), seed, exponent)
    nothing = {name: [None] for name in list(graph.index)[:1]}
    try:
        found = run_bp(graph, schedule=schedule) if one else run_bp_batch(graph, nothing)
    except UnsupportedModelError:
        assert exponent > 5
        return
    beliefs = found.beliefs if one else found.row(0)
    assert (found.status if one else found.status[0]) == "exact"
    for name, expected in marginals(graph).items():
        np.testing.assert_allclose(beliefs.vector(name), expected, rtol=0, atol=1e-9)


def test_what_cancels_between_tables_is_not_lost_in_belief_propagation() -> None:
    """An offset in one table and its opposite in another: e^0 against e^1 is what remains."""
    a, b = Variable("a", ("x", "y")), Variable("b", ("x", "y"))
    for big in (1e15, 1e16, 1e17, 1e300):
        tables = [((a, b), np.full((2, 2), big)), ((a,), [-big, -big]), ((a,), [0.0, 1.0])]
        graph = FactorGraph([a, b], [Factor(scope, log_table=table) for scope, table in tables])
        for mode in ("sum", "max"):
            results = [run_bp(graph, mode=mode, schedule=schedule) for schedule in get_args(Schedule)]
            rows = [run_bp_batch(graph, {"b": [None]}, mode=mode, method=method).row(0) for method in ("bp", "exact")]
            for beliefs in [*(result.beliefs for result in results), *rows]:
                assert beliefs["a"]["y"] == pytest.approx(math.e / (1 + math.e), abs=1e-15)
        for construction in ("pairwise", "general", "junction-tree"):
            model = compile_graph(graph, construction=construction)
            compiled = model.beliefs(forward(model.tokens, model.weights))["a"]["y"]
            assert compiled == pytest.approx(math.e / (1 + math.e), abs=1e-12)
        assert run_bp(graph).log_z_bethe == pytest.approx(math.log(2 + 2 * math.e), abs=1e-14)
        assert run_bp(graph).beliefs.graph is graph
        assert run_bp(graph, mode="max").map_assignment["a"] == "y"


def test_on_loops_offsets_change_nothing_and_a_clash_is_refused() -> None:
    """On a ring, the run with huge opposite offsets is the run without; a clash of two huge fields is refused."""
    v = [Variable(name, ("x", "y")) for name in "abc"]
    rng, factors, shifted = np.random.default_rng(0), [], []
    for i in range(3):
        table = rng.integers(-3, 4, (2, 2)) / 2.0  # which 1e15 + table keeps
        factors.append(Factor((v[i], v[(i + 1) % 3]), log_table=table))
        shifted += [Factor(factors[-1].variables, log_table=table + 1e15), Factor((v[i],), log_table=[-1e15, -1e15])]
    plain, graph = FactorGraph(v, factors), FactorGraph(v, shifted)
    clash = FactorGraph(v, [*factors, Factor((v[0],), log_table=[0, 1e16]), Factor((v[0],), log_table=[1e16, 1])])
    for schedule in get_args(Schedule):
        for mode in ("sum", "max"):
            found, expected = (run_bp(one, schedule=schedule, mode=mode) for one in (graph, plain))
            assert found.status == expected.status == "approximate"
            assert found.beliefs.distance(expected.beliefs) <= 1e-14
            with pytest.raises(UnsupportedModelError, match=r"logarithms up to 1e\+16, cancel .* rescale them"):
                run_bp(clash, schedule=schedule, mode=mode)
    with pytest.raises(UnsupportedModelError, match="cancel"):
        run_bp_batch(clash, {"b": ["x", None]})
    with pytest.raises(UnsupportedModelError, match="cancel"):
        compile_graph(clash)


def test_what_leaves_the_range_of_a_float64_when_added_is_refused() -> None:
    a = Variable("a", ("x", "y"))
    graph = FactorGraph([a], [Factor((a,), log_table=[-1e308, 0]), Factor((a,), log_table=[-1e308, -1e308])])
    for ask in (exact_marginals, run_bp, posterior):
        with pytest.raises(UnsupportedModelError, match=r"logarithms up to 1e\+308, and beyond 1e\+304 sums"):
            ask(graph)


def test_large_offsets_and_large_penalties_are_answered() -> None:
    a, b = Variable("a", ("x", "y")), Variable("b", ("x", "y"))
    offset = FactorGraph([a, b], [Factor((a, b), log_table=[[1e16, 1e16 + 2], [1e16 + 2, 1e16]]), Factor((a,), [1, 3])])
    result = exact_marginals(offset)
    assert result.beliefs["a"]["y"] == pytest.approx(0.75, abs=1e-15)
    assert result.log_z == pytest.approx(1e16)
    assert result.beliefs.graph is offset
    penalty = FactorGraph([a, b], [Factor((a, b), log_table=[[0, -1e30], [-1e30, 0]]), Factor((a,), [1, 3])])
    assert exact_marginals(penalty, {"b": "y"}, mode="max").map_assignment == {"a": "y", "b": "y"}
    assert exact_marginals(penalty).beliefs["b"]["y"] == pytest.approx(0.75, abs=1e-15)


def test_what_cancels_is_refused_with_the_cure() -> None:
    a = Variable("a", ("x", "y"))
    graph = FactorGraph([a], [Factor((a,), log_table=[0, 1e16]), Factor((a,), log_table=[1e16, 1])])  # 1 more for y
    with pytest.raises(UnsupportedModelError, match=r"logarithms up to 1e\+16, cancel .* rescale them"):
        exact_marginals(graph)


def test_looking_for_huge_potentials_makes_no_factors_of_a_graph_out_of_arrays() -> None:
    graph = FactorGraph.from_arrays([2, 2, 2], [[0, 1], [1, 2]], [[1, 2], [3, 4]])
    run_bp(graph)
    assert "factors" not in graph.__dict__
