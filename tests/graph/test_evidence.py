"""Evidence by name: what is accepted, what is refused, and that absorbing it changes nothing but the form."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnt import (
    BntError,
    EvidenceError,
    Factor,
    FactorGraph,
    InconsistentEvidenceError,
    ModelError,
    UnknownStateError,
    Variable,
    compile_graph,
    diagnose,
    exact_marginals,
    forward,
    run_bp,
    run_bp_batch,
)
from bnt.graph.evidence import absorb, parse_evidence
from tests import random_graphs

A, B = Variable("a", ("n", "y")), Variable("b", ("n", "y", "m"))
GRAPH = FactorGraph([A, B], [Factor((A, B), [[0.1, 0.2, 0.0], [0.0, 0.3, 0.4]]), Factor((A,), [0.5, 0.5])])


def test_hard_evidence_slices_the_table_and_the_rest_becomes_a_field():
    reduced = absorb(GRAPH, {"b": "m"})
    assert reduced.factors == ()
    assert reduced.free == (0,)
    np.testing.assert_allclose(np.exp(reduced.fields[0]), [0.0, 0.2], rtol=1e-15)


MISSING = [
    None, float("nan"), np.float64("nan"), pd.NA, pd.NaT,
    np.datetime64("NaT"), np.timedelta64("NaT"), np.ma.masked, Decimal("NaN"), Decimal("sNaN"),
]  # fmt: skip


@pytest.mark.parametrize("missing", MISSING)
def test_a_missing_value_is_told_to_be_left_out(missing):
    for method in (run_bp, exact_marginals, compile_graph):
        with pytest.raises(UnknownStateError, match=r"is missing, .*'a'; leave out what was not observed; valid: n, y"):
            method(GRAPH, {"a": missing})
    with pytest.raises(UnknownStateError, match="is no state of variable 'a'"):
        run_bp(GRAPH).beliefs["a"][missing]


def test_soft_evidence_may_be_a_series_and_its_faults_are_told_in_one_line():
    series = pd.Series({"m": 2.0, "n": 1.0, "y": 0.5})
    by_name, in_order = (exact_marginals(GRAPH, {"b": soft}).beliefs for soft in (series, [1, 0.5, 2]))
    assert by_name.distance(in_order) <= 1e-16  # numpy 2.0 rounds the two differently, by half a bit
    for wrong in (pd.Series({"n": 1.0, "z": 2.0}), pd.Series([1.0, 2.0]), pd.DataFrame({"n": [1, 2]}), ["a\nb", 1]):
        with pytest.raises(BntError) as caught:
            run_bp(GRAPH, {"a": wrong})
        assert "\n" not in str(caught.value)
    truth = FactorGraph([Variable("t", ("false", "true"))], [])
    assert run_bp(truth, {"t": {True: 0.75, False: 0.25}}).beliefs["t"][1] == pytest.approx(0.75)
    with pytest.raises(EvidenceError, match="two likelihoods for state 'true'"):
        run_bp(truth, {"t": {True: 0.8, "true": 0.2, "false": 1}})


def test_variables_with_one_state_close_no_loop():
    a, b, c = Variable("a", ("only",)), Variable("b", ("x", "y")), Variable("c", ("only",))
    graph = FactorGraph([a, b, c], [Factor((a, b, c), [[[0.4], [0.6]]]), Factor((a, c), [[2.0]]), Factor((a,), [3.0])])
    result, exact = run_bp(graph), exact_marginals(graph)
    assert result.status == "exact"
    assert result.beliefs.distance(exact.beliefs) <= 1e-16
    assert result.log_z_bethe == pytest.approx(exact.log_z, abs=1e-15)
    assert exact.log_z == pytest.approx(np.log(6.0), abs=1e-15)
    assert run_bp(graph, {"a": "only", "c": "only"}).status == "exact"
    assert (diagnose(graph).status, diagnose(graph).bound) == ("exact", 0.0)


@given(st.integers(0, 10**6))
def test_one_state_changes_no_answer(seed):
    """The same loopy graph with one-state variables put into its scopes at random."""
    rng = np.random.default_rng(seed)
    graph = random_graphs.loopy(seed)
    ones = [Variable(f"one{i}", ("only",)) for i in range(3)]
    factors = []
    for factor in graph.factors:
        extra = [one for one in ones if rng.random() < 0.5]
        table = factor.table.reshape(factor.table.shape + (1,) * len(extra))
        factors.append(Factor([*factor.variables, *extra], table))
    more = FactorGraph([*ones, *graph.variables], factors)
    before, after = run_bp(graph, rounds=5), run_bp(more, rounds=5)
    for variable in graph.variables:
        difference = before.beliefs.vector(variable.name) - after.beliefs.vector(variable.name)
        assert np.abs(difference).max() <= 1e-15  # fields add up in another order
    assert after.status == before.status
    assert after.log_z_bethe == pytest.approx(before.log_z_bethe, abs=1e-12)
    model = compile_graph(more, rounds=3)
    reference = run_bp(more, rounds=3)
    assert model.beliefs(forward(model.tokens, model.weights)).distance(reference.beliefs) <= 1e-12


def test_soft_evidence_is_a_likelihood_of_any_scale():
    one = exact_marginals(GRAPH, {"b": {"n": 1, "y": 0.5, "m": 2}})
    two = exact_marginals(GRAPH, {"b": [10, 5, 20]})
    assert one.beliefs.distance(two.beliefs) <= 1e-15
    assert two.log_z - one.log_z == pytest.approx(np.log(10), abs=1e-14)


def test_soft_evidence_that_leaves_one_state_is_hard_and_keeps_its_weight():
    known = parse_evidence(GRAPH, {"b": [0, 0, 0.25]})
    assert known.hard == {1: 2}
    soft, hard = exact_marginals(GRAPH, {"b": [0, 0, 0.25]}), exact_marginals(GRAPH, {"b": "m"})
    assert soft.beliefs.distance(hard.beliefs) == 0.0
    assert soft.log_z - hard.log_z == pytest.approx(np.log(0.25), abs=1e-14)


@pytest.mark.parametrize(
    ("evidence", "error", "words"),
    [
        ({"c": "n"}, KeyError, ["'c'", "valid: a, b"]),
        ({"a": "z"}, KeyError, ["'z'", "'a'", "valid: n, y"]),
        ({"a": 1}, KeyError, ["1", "'a'", "valid: n, y"]),
        ({"a": None}, KeyError, ["None", "'a'"]),
        ({"b": {"n": 1, "z": 2}}, KeyError, ["'z'", "'b'"]),
        ({"b": {"n": 1, "y": 2}}, EvidenceError, ["'m'", "'b'"]),
        ({"b": [1, 2]}, EvidenceError, ["(2,)", "3 states"]),
        ({"b": [[1, 2, 3]]}, EvidenceError, ["(1, 3)"]),
        ({"b": [1, "x", 2]}, EvidenceError, ["'b'"]),
        ({"b": [1, -1, 2]}, EvidenceError, [">= 0", "-1"]),
        ({"b": [1, np.nan, 2]}, EvidenceError, ["finite"]),
        ({"b": [1, np.inf, 2]}, EvidenceError, ["finite"]),
        ({"b": np.array([1, 1j, 1])}, EvidenceError, ["'b'", "valid: n, y, m"]),
        ({"b": [0, 0, 0]}, InconsistentEvidenceError, ["'b'", "zero"]),
        ({"a": "n", "b": "m"}, InconsistentEvidenceError, ["a=n, b=m", "factor (a, b)"]),
        ([("a", "n")], EvidenceError, ["mapping"]),
    ],
)
def test_bad_evidence_names_the_thing_and_what_is_valid(evidence, error, words):
    with pytest.raises(error) as caught:
        absorb(GRAPH, evidence)
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("first", ["yes", [0.2, 0.8]])
@pytest.mark.parametrize("second", ["no", [0.5, 0.1]])
def test_evidence_by_name_and_by_number_on_one_variable_is_given_twice(first, second):
    graph = FactorGraph([Variable("7", ["no", "yes"])], [])
    with pytest.raises(EvidenceError, match="'7' is given twice"):
        absorb(graph, {"7": first, 7: second})


@pytest.mark.parametrize("ask", [run_bp, exact_marginals, compile_graph, absorb, lambda graph: run_bp_batch(graph, {})])
def test_what_is_no_factor_graph_is_told_how_to_become_one(ask):
    for wrong in ({"a": 1}, "asia", None):
        with pytest.raises(ModelError, match=r"must be a FactorGraph.*FactorGraph\.from_pgmpy.*load_graph"):
            ask(wrong)
