"""Every rule of Variable, Factor and FactorGraph, and that nothing is merged, clipped or changed."""

import copy
import pickle
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from bnt import (
    Factor,
    FactorGraph,
    ModelError,
    UnknownStateError,
    UnknownVariableError,
    Variable,
    exact_marginals,
    load_graph,
    run_bp,
)

RAIN = Variable("rain", ("no", "yes"))
WET = Variable("wet", ("no", "yes"))


def test_log_table_keeps_zeros_and_scale_and_is_read_only():
    factor = Factor((RAIN, WET), [[9.0, 0.0], [2.0, 8.0]])
    assert np.isneginf(factor.log_table[0, 1])
    np.testing.assert_allclose(factor.table, [[9, 0], [2, 8]], rtol=1e-15)
    with pytest.raises(ValueError, match="read-only"):
        factor.log_table[0, 0] = 1.0


def test_the_caller_s_array_is_neither_changed_nor_kept():
    table = np.ones((2, 2))
    factor = Factor((RAIN, WET), table)
    table[:] = 5.0
    assert (factor.log_table == 0.0).all()
    given = np.zeros((2, 2))
    assert Factor((RAIN, WET), log_table=given).log_table is not given
    assert given.flags.writeable


def test_identical_factors_stay_two_factors():
    factor = Factor((RAIN,), [0.3, 0.7])
    graph = FactorGraph([RAIN], [factor, factor])
    assert len(graph.factors) == 2
    assert graph.factors_of == ((0, 1),)


def test_variables_are_values():
    assert Variable("rain", ["no", "yes"]) == RAIN
    assert hash(Variable("rain", ["no", "yes"])) == hash(RAIN)
    assert pickle.loads(pickle.dumps(RAIN)) == RAIN
    with pytest.raises(AttributeError, match="immutable"):
        RAIN.name = "snow"


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: Variable("", ("a",)), ["non-empty"]),
        (lambda: Variable(3, ("a",)), ["non-empty string", "3"]),
        (lambda: Variable("x", ()), ["'x'", "at least one"]),
        (lambda: Variable("x", "ab"), ["'x'", "sequence"]),
        (lambda: Variable("x", ("a", 1)), ["'x'", "strings"]),
        (lambda: Variable("x", {"a", "b"}), ["'x'", "sequence", "set"]),  # a set would order them anew in every run
        (lambda: Variable("x", 2), ["'x'", "sequence", "int"]),
        (lambda: Variable("x", ("a", "a")), ["'x'", "'a'", "twice"]),
        (lambda: Factor((), 1.0), ["scope"]),
        (lambda: Factor(("rain",), [1, 1]), ["Variable"]),
        (lambda: Factor(RAIN, [1, 1]), ["scope", "sequence", "Variable"]),
        (lambda: Factor({RAIN, WET}, np.ones((2, 2))), ["scope", "set"]),
        (lambda: Factor((RAIN,), np.array([1, 2j])), ["rain", "real numbers"]),
        (lambda: Factor((RAIN,), ["1", "2"]), ["rain", "real numbers"]),
        (lambda: FactorGraph(["rain"], []), ["Variable", "str"]),
        (lambda: FactorGraph([RAIN], [np.ones(2)]), ["Factor", "ndarray"]),
        (lambda: FactorGraph([RAIN], Factor((RAIN,), [1, 1])), ["factors", "sequence", "Factor"]),
        (lambda: FactorGraph({RAIN, WET}, []), ["variables", "set"]),
        (lambda: Factor((RAIN, RAIN), np.ones((2, 2))), ["'rain'", "twice"]),
        (lambda: Factor((RAIN, WET), [1.0, 2.0]), ["(2,)", "(2, 2)", "rain, wet"]),
        (lambda: Factor((RAIN,), [0.1, -0.1]), ["rain=yes", "-0.1", ">= 0"]),
        (lambda: Factor((RAIN,), [np.nan, 1]), ["rain=no", "nan"]),
        (lambda: Factor((RAIN,), [np.inf, 1]), ["inf", "finite"]),
        (lambda: Factor((RAIN,), log_table=[np.inf, 1]), ["inf", "log domain"]),
        (lambda: Factor((RAIN,), [0.0, 0.0], name="prior"), ["'prior'", "every entry", "zero"]),
        (lambda: Factor((RAIN,), [1, "a"]), ["numbers"]),
        (lambda: Factor((RAIN, WET), [[1, 2], [3]]), ["rectangular"]),
        (lambda: Factor((RAIN,)), ["exactly one"]),
        (lambda: Factor((RAIN,), [1, 1], log_table=[0, 0]), ["exactly one"]),
        (lambda: FactorGraph([RAIN, RAIN], []), ["'rain'", "differ"]),
        (lambda: FactorGraph([RAIN], [Factor((WET,), [1, 1])]), ["'wet'", "valid: rain"]),
        (lambda: FactorGraph([RAIN], [Factor((Variable("rain", ["abc"]),), [1])]), ["'rain'", "('abc',)"]),
    ],
)
def test_bad_models_name_the_thing_and_the_rule(build, words):
    with pytest.raises(ModelError) as error:
        build()
    text = str(error.value)
    assert "\n" not in text
    for word in words:
        assert word in text


def test_unknown_names_list_the_valid_ones_and_the_near_match():
    graph = FactorGraph([RAIN, WET], [])
    with pytest.raises(UnknownVariableError, match=r"'rian' is no variable.*did you mean 'rain'.*wet"):
        graph.variable("rian")
    with pytest.raises(UnknownStateError, match=r"'maybe' is no state of variable 'rain'; valid: no, yes"):
        RAIN.state_index("maybe")
    with pytest.raises(KeyError):  # both are KeyErrors too
        graph.variable("snow")
    with pytest.raises(UnknownVariableError, match="no variable of this model"):
        graph.variable(["rain"])


def test_copies_and_pickles_are_read_only_and_answer_the_same():
    graph = load_graph("asia")
    result, exact = run_bp(graph), exact_marginals(graph)
    for copied in (copy.deepcopy, copy.copy, lambda one: pickle.loads(pickle.dumps(one))):
        other = copied(graph)
        assert [f.name for f in other.factors] == [f.name for f in graph.factors]
        for one, same in zip(graph.factors, other.factors, strict=True):
            assert np.array_equal(one.log_table, same.log_table)
            with pytest.raises(ValueError, match="read-only"):
                same.log_table[:] = 0.0
        assert run_bp(other).beliefs.distance(result.beliefs) == 0.0
        beliefs = copied(exact.beliefs)
        assert beliefs.distance(exact.beliefs) == 0.0
        with pytest.raises(ValueError, match="read-only"):
            beliefs.vector("asia")[0] = 0.5
    assert "_base_flat" not in pickle.loads(pickle.dumps(graph)).__dict__  # what was worked out is made anew


def test_a_state_is_found_by_what_its_name_says():
    numbers, truths, both = (Variable("v", s) for s in (("0", "1"), ("False", "True"), ("1", "True", "1.0")))
    for state in (1, np.int64(1), np.uint8(1), True, np.True_, 1.0, np.float32(1), "1"):
        assert numbers.state_index(state) == 1
    for state in (1, True, np.True_, 1.0, "True"):
        assert truths.state_index(state) == 1
    assert [both.state_index(state) for state in (1, True, 1.0, "1")] == [0, 1, 2, 0]  # its own name comes first
    for state in (Decimal(1), Decimal("1.0"), Decimal("1E+0"), Fraction(1), np.str_("1")):
        assert numbers.state_index(state) == 1
    tenth = Variable("v", ("0.1", "0.25"))
    assert [tenth.state_index(state) for state in (0.1, Decimal("0.1"), Decimal("0.10"), Decimal("0.250"))] == [
        0,
        0,
        0,
        1,
    ]
    long = (Decimal("0.1000000000000000000001"), Decimal("Infinity"), Decimal("1E+999999"), Fraction(10**400))
    for state in (2, -1, 0.5, "true", None, (1,), [1], {1: 1}, 10**400, float("inf"), *long, np.ma.masked):
        with pytest.raises(UnknownStateError):
            tenth.state_index(state)
        with pytest.raises(UnknownStateError):
            numbers.state_index(state)
    for state in (b"1", np.bytes_(b"1")):
        with pytest.raises(
            UnknownStateError, match="is bytes, and the states of variable 'v' are text; decode it; valid: 0, 1"
        ):
            numbers.state_index(state)
    assert Variable("v", ("b'1'",)).find_state(b"1") == 0  # as pgmpy, fitted to bytes, names it


def test_labels_of_pandas_name_the_states_in_any_order():
    """Counts come with the most frequent first, cross tables sorted: the state is what the label says."""
    rain, wet = Variable("rain", ("yes", "no")), Variable("wet", ("1", "0"))
    frame = pd.DataFrame({"rain": ["no", "no", "no", "yes"], "wet": [0, 1, 1, 1]})
    assert Factor((rain,), frame.rain.value_counts()).table.round(12).tolist() == [1, 3]
    table = pd.crosstab(frame.rain, frame.wet)
    assert Factor((rain, wet), table).table.round(12).tolist() == [[1, 0], [2, 1]]
    assert Factor((wet, rain), log_table=np.log(table + 1).T).table.round(12).tolist() == [[2, 3], [1, 2]]
    for numbered in (pd.Series([1.0, 3.0]), pd.Series([1.0, 3.0], index=["first", "second"])):  # places count
        assert Factor((wet,), numbered).table.round(12).tolist() == [1, 3]
    assert Factor((wet, rain), pd.DataFrame(np.ones((2, 2)))).table.tolist() == [[1, 1], [1, 1]]
    for index in (["yes", "maybe"], ["yes", "yes"]):
        with pytest.raises(ModelError, match=r"has the labels yes, .* for 'rain'; valid: yes, no, each once"):
            Factor((rain,), pd.Series([1.0, 3.0], index=index))
    for wrong in (pd.Series([1.0, 3.0]), pd.Series([1.0, 3.0], index=["yes", "no"])):
        with pytest.raises(ModelError, match="the table has shape"):
            Factor((rain, wet), wrong)
