"""pgmpy in and out: nothing merged, dropped, reordered or renamed; every disagreement is an error."""

import subprocess
import sys

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pgmpy.factors.discrete import DiscreteFactor, TabularCPD
from pgmpy.inference import VariableElimination
from pgmpy.models import DiscreteBayesianNetwork, DiscreteMarkovNetwork, DynamicBayesianNetwork, JunctionTree
from pgmpy.models import FactorGraph as PgmpyGraph

import bnt
from bnt import Factor, FactorGraph, ModelError, Variable
from bnt.graph.pgmpy_bridge import from_pgmpy, to_bayesian_network, to_pgmpy

NAMES = {"rain": ["yes", "no"], "wet": ["dry", "damp", "soaked"]}


def rain_model() -> DiscreteBayesianNetwork:
    model = DiscreteBayesianNetwork([("rain", "wet")])
    rain = TabularCPD("rain", 2, [[0.2], [0.8]], state_names={"rain": NAMES["rain"]})
    columns = [[0.1, 0.7], [0.3, 0.2], [0.6, 0.1]]
    model.add_cpds(rain, TabularCPD("wet", 3, columns, ["rain"], [2], state_names=NAMES))
    return model


def pair(values=(1, 2, 3, 4), states=None) -> DiscreteFactor:
    return DiscreteFactor(["a", "b"], [2, 2], values, state_names=states or {"a": ["x", "y"], "b": ["x", "y"]})


def test_a_bayesian_network_keeps_names_states_and_numbers():
    graph = from_pgmpy(rain_model())
    assert graph.variables == (Variable("rain", ("yes", "no")), Variable("wet", ("dry", "damp", "soaked")))
    assert [[v.name for v in factor.variables] for factor in graph.factors] == [["rain"], ["wet", "rain"]]
    np.testing.assert_allclose(graph.factors[1].table, [[0.1, 0.7], [0.3, 0.2], [0.6, 0.1]], rtol=1e-15)


def test_a_cpd_that_orders_its_parents_states_otherwise_is_realigned():
    model = rain_model()
    swapped = TabularCPD(
        "wet", 3, [[0.7, 0.1], [0.2, 0.3], [0.1, 0.6]], ["rain"], [2], state_names=NAMES | {"rain": ["no", "yes"]}
    )
    model.cpds[1] = swapped
    np.testing.assert_allclose(from_pgmpy(model).factors[1].table, [[0.1, 0.7], [0.3, 0.2], [0.6, 0.1]], rtol=1e-15)


def test_identical_factors_stay_apart_both_ways():
    model = DiscreteMarkovNetwork([("a", "b")])
    model.add_factors(pair(), pair(), pair())
    graph = from_pgmpy(model)
    assert len(graph.factors) == 3
    assert len(to_pgmpy(graph).get_factors()) == 3


def test_states_that_pgmpy_numbers_become_strings():
    model = DiscreteBayesianNetwork()
    model.add_node("coin")
    model.add_cpds(TabularCPD("coin", 2, [[0.5], [0.5]]))
    assert from_pgmpy(model).variables[0].states == ("0", "1")


@st.composite
def graphs(draw) -> FactorGraph:
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=5))
    variables = [Variable(f"v{i}", [f"s{k}" for k in range(size)]) for i, size in enumerate(sizes)]
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    scopes = [[v] for v in variables]
    for _ in range(draw(st.integers(0, 5))):
        scopes.append([variables[i] for i in rng.permutation(len(variables))[: rng.integers(1, 4)]])
    factors = []
    for scope in scopes:
        table = rng.gamma(1.0, size=[v.cardinality for v in scope])
        factors.append(Factor(scope, np.where((table < 0.2) & (table.max() != table), 0.0, table)))
    return FactorGraph(variables, factors)


@given(graphs())
def test_a_factor_graph_survives_the_round_trip(graph):
    model = to_pgmpy(graph)
    assert model.check_model()
    again = from_pgmpy(model)
    assert again.variables == graph.variables
    for one, other in zip(again.factors, graph.factors, strict=True):
        assert one.variables == other.variables
        np.testing.assert_allclose(one.table, other.table, rtol=1e-15, atol=0)


@pytest.mark.parametrize("name", ["sprinkler", "asia", "cancer", "earthquake", "survey", "dating"])
def test_a_bayesian_network_survives_the_round_trip(name):
    graph = bnt.load_graph(name)
    model = to_bayesian_network(graph)
    assert model.check_model()
    again = from_pgmpy(model)
    assert again.variables == graph.variables
    for one, other in zip(again.factors, graph.factors, strict=True):
        np.testing.assert_allclose(one.table, other.table, rtol=3e-16)


@pytest.mark.parametrize("name", ["sprinkler", "asia", "survey", "dating", "grid"])
def test_the_same_distribution_for_pgmpy_and_for_enumeration(name):
    graph = bnt.load_graph(name)
    elimination = VariableElimination(bnt.load_network(name))
    exact = bnt.exact_marginals(graph).beliefs
    for variable in graph.variables:
        theirs = elimination.query([variable.name], show_progress=False)
        theirs.normalize()  # which pgmpy leaves out for undirected models
        expected = [theirs.values[theirs.state_names[variable.name].index(s)] for s in variable.states]
        np.testing.assert_allclose(exact.vector(variable.name), expected, rtol=0, atol=1e-14)


def broken(change) -> DiscreteBayesianNetwork:
    model = rain_model()
    change(model)
    return model


def cycle(model) -> None:
    nx.DiGraph.add_edge(model, "wet", "rain")  # pgmpy's own add_edge refuses it
    model.cpds[0] = TabularCPD("rain", 2, [[0.2] * 3, [0.8] * 3], ["wet"], [3], state_names=NAMES)


def off_by(amount: float):
    def change(model) -> None:
        model.cpds[0].values = np.array([0.2 + amount, 0.8])

    return change


BROKEN = {
    "missing CPD": (lambda m: m.cpds.pop(), "no CPD for 'wet'"),
    "two CPDs": (lambda m: m.cpds.append(m.cpds[0]), "'rain' has two CPDs"),
    "cycle": (cycle, "cycle"),
    "arcs": (lambda m: nx.DiGraph.remove_edge(m, "rain", "wet"), r"has parents \['rain'\], but the arcs say \[\]"),
    "sum": (off_by(1e-3), r"P\(rain\) sums to 1.001"),
    "nan": (off_by(np.nan), r"P\(rain=yes\) is nan"),
    "negative": (off_by(-0.3), r"P\(rain=yes\) is -0.1"),
    "cardinality": (
        lambda m: m.cpds.__setitem__(0, TabularCPD("rain", 3, [[0.2], [0.3], [0.5]])),
        "has 2 states for 'rain', elsewhere it has 3",
    ),
    "other states": (
        lambda m: m.cpds.__setitem__(0, TabularCPD("rain", 2, [[0.2], [0.8]], state_names={"rain": ["y", "n"]})),
        r"names the states of 'rain' \('yes', 'no'\), elsewhere",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_bayesian_network_is_refused(name):
    change, message = BROKEN[name]
    with pytest.raises(ModelError, match=message):
        from_pgmpy(broken(change))


def test_a_column_near_one_is_renormalised_with_a_warning():
    with pytest.warns(UserWarning, match=r"renormalised 1 column .* off by 1e-06"):
        graph = from_pgmpy(broken(off_by(1e-6)))
    assert graph.factors[0].table.sum() == pytest.approx(1, abs=1e-15)


def test_broken_markov_networks_are_refused():
    model = DiscreteMarkovNetwork([("a", "b"), ("b", "c")])
    model.add_factors(pair())
    with pytest.raises(ModelError, match="no factor over 'c'"):
        from_pgmpy(model)
    model.add_factors(DiscreteFactor(["b", "c"], [3, 2], np.ones(6)))
    with pytest.raises(ModelError, match="has 3 states for 'b', elsewhere it has 2"):
        from_pgmpy(model)
    negative = DiscreteMarkovNetwork([("a", "b")])
    negative.add_factors(pair((1, -2, 3, 4)))
    with pytest.raises(ModelError, match="-2"):
        from_pgmpy(negative)
    numbered = DiscreteMarkovNetwork([(1, "1")])
    numbered.add_factors(DiscreteFactor([1, "1"], [2, 2], np.ones(4)))
    with pytest.raises(ModelError, match=r"the variables: 1 and '1' are both '1' as text"):
        from_pgmpy(numbered)


RNG = np.random.default_rng(1)
A = RNG.integers(0, 2, 300)
B = A ^ (RNG.random(300) < 0.2).astype(int)
FITTED = {
    "int64 0/1": (A, B, [1, np.int64(1), np.int8(1), True, np.True_, 1.0, np.float32(1), "1"]),
    "int64 1/2": (A + 1, B + 1, [2, np.int64(2), 2.0, "2"]),
    "negative": (A - 7, B - 7, [-6, -6.0, "-6"]),
    "Int64": (pd.array(A, dtype="Int64"), pd.array(B, dtype="Int64"), [1, True, "1"]),
    "bool": (A == 1, B == 1, [True, np.True_, 1, 1.0, "True"]),
    "boolean": (pd.array(A == 1, dtype="boolean"), pd.array(B == 1, dtype="boolean"), [True, 1, "True"]),
    "float": (A.astype(float), B.astype(float), [1, 1.0, np.float64(1), True, "1.0"]),
    "halves": (A + 0.5, B + 0.5, [1.5, np.float64(1.5), "1.5"]),
    "category of ints": (pd.Categorical(A + 1), pd.Categorical(B + 1), [2, "2"]),
    "category of text": (pd.Categorical(A.astype(str)), pd.Categorical(B.astype(str)), ["1", 1]),
    "intervals": (pd.cut(A, [-1, 0, 1]), pd.cut(B, [-1, 0, 1]), [pd.Interval(0, 1), "(0, 1]"]),
    "text": (A.astype(str), B.astype(str), ["1", np.str_("1"), 1]),
}


@pytest.mark.parametrize("kind", FITTED)
def test_models_fitted_to_any_kind_of_column_answer_like_pgmpy(kind):
    a, b, values = FITTED[kind]
    model = DiscreteBayesianNetwork([("a", "b")])
    model.fit(pd.DataFrame({"a": a, "b": b}))
    graph = from_pgmpy(model)
    assert all(isinstance(state, str) for variable in graph.variables for state in variable.states)
    theirs = VariableElimination(model).query(["a"], {"b": model.get_cpds("b").state_names["b"][-1]})
    for value in values:
        for found in (bnt.run_bp(graph, {"b": value}), bnt.exact_marginals(graph, {"b": value})):
            np.testing.assert_allclose(found.beliefs.vector("a"), theirs.values, rtol=0, atol=1e-15)
            assert found.beliefs["b"][value] == 1.0
    batch = bnt.run_bp_batch(graph, pd.DataFrame({"b": b}))
    np.testing.assert_allclose(batch.vector("a")[B == 1][0], theirs.values, rtol=0, atol=1e-15)


def test_states_that_are_one_as_text_and_missing_ones_are_refused():
    for states, says in (
        ([1, "1"], "1 and '1' are both '1' as text"),
        ([1, np.nan], "nan is a missing value, no name"),
        ([None, "x"], "None is a missing value"),
        ([pd.NA, "x"], "<NA> is a missing value"),
    ):
        model = DiscreteBayesianNetwork()
        model.add_node("a")
        model.add_cpds(TabularCPD("a", 2, [[0.5], [0.5]]))
        model.cpds[0].state_names = {"a": states}
        with pytest.raises(ModelError, match=f"the states of variable 'a': {says}"):
            from_pgmpy(model)


def test_variables_may_be_numbered():
    model = DiscreteBayesianNetwork([(0, 1)])
    model.fit(pd.DataFrame({0: A, 1: B}))
    graph = from_pgmpy(model)
    assert list(graph.index) == ["0", "1"]
    theirs = VariableElimination(model).query([0], {1: 1})
    np.testing.assert_allclose(bnt.run_bp(graph, {1: 1}).beliefs.vector(0), theirs.values, rtol=0, atol=1e-15)


def test_other_models_are_refused():
    for model in (DynamicBayesianNetwork(), nx.DiGraph(), None):
        with pytest.raises(ModelError, match="expected a pgmpy"):
            from_pgmpy(model)
    for model in (JunctionTree(), PgmpyGraph()):
        with pytest.raises(ModelError, match="the model has no factor"):
            from_pgmpy(model)


def test_junction_trees_are_read_too():
    network = bnt.load_network("asia")
    tree = network.to_junction_tree()
    theirs = VariableElimination(network).query(["lung"], {"xray": "yes"})
    np.testing.assert_allclose(
        bnt.exact_marginals(tree, {"xray": "yes"}).beliefs.vector("lung"), theirs.values, rtol=1e-12
    )


def test_what_pgmpy_cannot_hold_is_refused():
    a, b = Variable("a", ("x", "y")), Variable("b", ("x", "y"))
    with pytest.raises(ModelError, match="'b' is in no factor"):
        to_pgmpy(FactorGraph([a, b], [Factor([a], [1, 2])]))
    with pytest.raises(ModelError, match=r"exp\(800\) is beyond float64"):
        to_pgmpy(FactorGraph([a], [Factor([a], log_table=[0, 800])]))
    small = FactorGraph([a], [Factor([a], log_table=[0, -800])])  # exp makes it a zero, which it is not
    with pytest.raises(ModelError, match=r"exp\(-800\) is beyond float64"):
        to_pgmpy(small)
    with pytest.raises(ModelError, match=r"exp\(-800\) is beyond float64"):
        to_bayesian_network(small)
    kept = to_pgmpy(FactorGraph([a], [Factor([a], log_table=[0, -np.inf])]))
    assert kept.factors[0].values.tolist() == [1, 0]


def test_only_conditional_tables_make_a_bayesian_network():
    a, b = Variable("a", ("x", "y")), Variable("b", ("x", "y"))
    prior, joint = Factor([a], [0.5, 0.5]), Factor([b, a], [[0.5, 0.25], [0.5, 0.25]])
    with pytest.raises(ModelError, match=r"sums to 0\.5"):
        to_bayesian_network(FactorGraph([a, b], [prior, joint]))
    with pytest.raises(ModelError, match="'a' is first in an earlier factor"):
        to_bayesian_network(FactorGraph([a, b], [prior, prior]))
    with pytest.raises(ModelError, match="no conditional probability table for 'b'"):
        to_bayesian_network(FactorGraph([a, b], [prior]))


def test_loading_leaves_stderr_and_stdout_clean():
    code = "import bnt; bnt.FactorGraph.from_pgmpy(bnt.load_network('asia')).to_pgmpy()"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (run.stdout, run.stderr) == ("", "")
