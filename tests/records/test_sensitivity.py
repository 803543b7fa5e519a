"""Slopes of an answer in the entries of the tables, against finite differences of the naive joint."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnt import Factor, FactorGraph, load_graph
from bnt.errors import UnknownStateError, UnknownVariableError
from bnt.records.sensitivity import conditional_axis, entry_sensitivity
from tests import naive, random_graphs

STEP = 1e-5


def answer(graph: FactorGraph, evidence: dict, name: str, state: int) -> float:
    return float(naive.marginals(graph, evidence)[0][name][state])


def changed(graph: FactorGraph, entry, value: float, keep: bool) -> FactorGraph:
    """The graph with one entry replaced, the rest of its row scaled so that it still sums to one if ``keep``."""
    factor = graph.factors[entry.factor]
    table = factor.table
    place = tuple(v.state_index(state) for v, state in zip(factor.variables, entry.states, strict=True))
    if keep:
        axis = conditional_axis(table)
        row = (*place[:axis], slice(None), *place[axis + 1 :])
        table[row] *= (1 - value) / (1 - entry.value)
    table[place] = value
    factors = list(graph.factors)
    factors[entry.factor] = Factor(factor.variables, table)
    return FactorGraph(graph.variables, factors)


@given(st.integers(0, 10**6))
def test_slopes_are_those_of_the_joint(seed: int) -> None:
    graph = random_graphs.loopy(seed, most=5, most_cardinality=3)
    evidence = random_graphs.evidence(graph, seed)
    name = next((v.name for v in graph.variables if not isinstance(evidence.get(v.name), str)), None)
    if name is None:
        return
    found = entry_sensitivity(graph, name, graph.variable(name).states[0], evidence)
    assert len(found) == sum(factor.table.size for factor in graph.factors)
    for entry in found[:4]:
        ends = [
            answer(changed(graph, entry, entry.value * np.exp(step), False), evidence, name, 0)
            for step in (STEP, -STEP)
        ]
        assert entry.slope == pytest.approx((ends[0] - ends[1]) / (2 * STEP), abs=1e-8)  # measured: 3e-11


@pytest.mark.parametrize("network", ["asia", "cancer", "survey"])
def test_rows_of_conditional_tables_keep_their_sum(network: str) -> None:
    graph = load_graph(network)
    last = graph.variables[-1]
    evidence = {last.name: last.states[0]}
    name = graph.variables[0].name
    checked = 0
    for entry in entry_sensitivity(graph, name, graph.variables[0].states[0], evidence):
        if entry.kept_slope is None:
            assert entry.value == pytest.approx(1.0)  # nothing can give way
            continue
        ends = [answer(changed(graph, entry, entry.value + step, True), evidence, name, 0) for step in (STEP, -STEP)]
        assert entry.kept_slope == pytest.approx((ends[0] - ends[1]) / (2 * STEP), abs=1e-7)  # measured: 2e-9
        checked += 1
    assert checked > 8


def test_a_certain_answer_has_no_slope_and_zeros_are_left_out() -> None:
    graph = load_graph("asia")
    found = entry_sensitivity(graph, "lung", "yes", {"lung": "yes"})
    assert {entry.slope for entry in found} == {0.0}
    assert len(found) == sum(int((factor.table > 0).sum()) for factor in graph.factors)
    with pytest.raises(UnknownVariableError):
        entry_sensitivity(graph, "lungs", "yes")
    with pytest.raises(UnknownStateError):
        entry_sensitivity(graph, "lung", "maybe")


def test_which_tables_are_conditional() -> None:
    assert conditional_axis(np.array([[0.2, 0.7], [0.8, 0.3]])) == 0
    assert conditional_axis(np.array([[0.2, 0.8], [0.7, 0.3]])) == 1
    assert conditional_axis(np.array([[0.2, 0.8], [0.8, 0.3]])) is None
