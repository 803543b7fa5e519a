"""Factors given by leaves: what they say, that they partition, and that every engine answers as with the full table."""

import copy
import itertools
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnt.compiler.compile import compile_graph
from bnt.errors import (
    InconsistentEvidenceError,
    ModelError,
    TooLargeError,
    UnknownStateError,
    UnsupportedModelError,
)
from bnt.graph.evidence import absorb
from bnt.graph.factor_graph import Factor, FactorGraph, Variable
from bnt.graph.leaves import LeafFactor, graph_of_leaves, hidden_leaves, leaves_of, tree_cpd
from bnt.inference.belief_propagation import run_bp
from bnt.inference.exact import exact_marginals
from tests import random_graphs, random_leaves

Z = Variable("z", ("left", "right"))
A, B = Variable("a", ("no", "yes")), Variable("b", ("low", "mid", "high"))
Y = Variable("y", ("off", "on"))
TREE = {
    "z": {
        "left": {"a": {"no": [0.9, 0.1], "yes": {"on": 0.8, "off": 0.2}}},
        "right": {"b": {"low": [0.5, 0.5], "mid": [0.3, 0.7], "high": [1, 0]}},
    }
}


def test_a_tree_cpd_is_its_table():
    factor = tree_cpd(Y, [Z, A, B], TREE, "cpd")
    assert len(factor.leaves) == 2 * (2 + 3)
    expected = np.zeros((2, 2, 2, 3))
    for (a, p), (b, q) in itertools.product(enumerate([0.1, 0.8]), enumerate([0.5, 0.7, 0.0])):
        expected[:, 0, a, b] = 1 - p, p
        expected[:, 1, a, b] = 1 - q, q
    np.testing.assert_allclose(factor.table, expected, rtol=1e-15, atol=1e-16)
    assert np.isneginf(factor.log_table).sum() == 2  # a real zero
    assert not factor.log_table.flags.writeable
    assert "10 leaves of 24 entries" in repr(factor)
    assert list(factor.to_frame().columns) == ["y", "z", "a", "b", "potential"]
    assert next(factor.rows())[1:4] == ("left", "no", "any")
    assert "for 24 entries" in factor._repr_html_()


def test_the_sum_over_the_child_is_one_everywhere():
    assert np.abs(tree_cpd(Y, [Z, A, B], TREE).table.sum(axis=0) - 1).max() <= 1e-15
    assert np.abs(tree_cpd(Y, [A], [0.25, 0.75]).table - [[0.25, 0.25], [0.75, 0.75]]).max() <= 1e-16  # no question


@given(st.integers(0, 2**32))
def test_leaves_read_off_a_table_say_the_table(seed):
    rng = np.random.default_rng(seed)
    scope = random_graphs.variables(rng.integers(1, 4, int(rng.integers(1, 6))))
    table = random_leaves.table_of(random_leaves.leaf_factor(scope, rng, zeros=0.2))
    found = leaves_of(table)
    np.testing.assert_array_equal(random_leaves.table_of(found).log_table, table.log_table)
    again = LeafFactor(found.variables, found.leaves)  # whose leaves are checked: they partition
    np.testing.assert_allclose(again.table, table.table, rtol=1e-15)
    assert len(found.leaves) <= table.table.size


def test_the_tree_of_a_switch_asks_the_switch_first():
    for parents, states in ((2, 2), (4, 2), (3, 3)):
        rng = np.random.default_rng(parents)
        z = Variable("z", [str(k) for k in range(parents)])
        xs = [Variable(f"x{k}", [str(a) for a in range(states)]) for k in range(parents)]
        tree = {"z": {str(k): {x.name: {a: rng.dirichlet([1, 1]) for a in x.states}} for k, x in enumerate(xs)}}
        factor = tree_cpd(Y, [*reversed(xs), z], tree)
        assert len(leaves_of(random_leaves.table_of(factor)).leaves) == len(factor.leaves) == 2 * parents * states
    same = leaves_of(Factor((A, B), np.full((2, 3), 0.5)))
    assert [(dict(leaf.states), leaf.value) for leaf in same.leaves] == [({}, 0.5)]
    assert leaves_of(same) is same


@pytest.mark.parametrize(
    ("leaves", "says"),
    [
        (
            [({"a": "no"}, 1), ({"b": "low"}, 2), ({"a": "yes"}, 1)],
            "leaves 0 and 1 both hold at a=no, b=low; leaves must",
        ),
        ([({}, 1), ({}, 2)], "leaves 0 and 1 both hold at every joint state"),
        (
            [({"a": "no"}, 1), ({"a": "yes", "b": "low"}, 2)],
            r"2 of 6 joint states agree with no leaf, such as a=yes, b=mid",
        ),
        ([], "6 of 6 joint states agree with no leaf, such as a=no, b=low"),
        ([({"a": "no"}, 0), ({"a": "yes"}, 0)], "every leaf is zero"),
        ([({"a": "no"}, -1), ({"a": "yes"}, 1)], "the value of leaf 0 is -1; every value must be finite and >= 0"),
        ([({}, float("nan"))], "the value of leaf 0 is nan"),
        ([({}, "much")], "the value of leaf 0 is 'much'"),
        ([({"c": "no"}, 1)], "leaf 0 mentions 'c'; valid: a, b"),
        ([{"a": "no"}], "leaf 0 must be a pair of a mapping of states and a value"),
        ({"a": 1}, "leaves must be a sequence of pairs"),
    ],
)
def test_what_is_no_partition_is_named(leaves, says):
    with pytest.raises(ModelError, match=says):
        LeafFactor((A, B), leaves)


def test_a_wrong_state_and_a_wrong_scope_are_named():
    with pytest.raises(UnknownStateError, match=r"'maybe' is no state of variable 'a'"):
        LeafFactor((A,), [({"a": "maybe"}, 1)])
    with pytest.raises(ModelError, match="variable 'a' appears twice"):
        LeafFactor((A, A), [({}, 1)])


@pytest.mark.parametrize(
    ("tree", "says"),
    [
        ({"q": {"left": [1, 0]}}, "the tree of 'y': 'q' is no parent; valid: z, a"),
        ({"z": {"left": [1, 0]}}, "'z' = 'right' has no branch"),
        (
            {"z": {"left": {"z": {"left": [1, 0], "right": [1, 0]}}, "right": [1, 0]}},
            "y' at z=left: 'z' was asked before",
        ),
        ({"z": {"left": [0.4, 0.5], "right": [1, 0]}}, "at z=left: .* sum to one; the sum is 0.9"),
        ({"z": {"left": [1, 0, 0], "right": [1, 0]}}, "at z=left: a leaf needs 2 probabilities, one per state"),
        ({"z": {"left": {"on": 1.0}, "right": [1, 0]}}, "at z=left: state 'off' has no probability"),
        ({"z": {"left": [2, -1], "right": [1, 0]}}, "finite, >= 0"),
        ("z", "a leaf must be a rectangular array of real numbers"),
    ],
)
def test_what_is_no_tree_is_named(tree, says):
    with pytest.raises(ModelError, match=says):
        tree_cpd(Y, [Z, A], tree)


def test_2_to_the_60_joint_states_are_checked_and_not_written_out():
    z = Variable("z", [str(k) for k in range(60)])
    xs = [Variable(f"x{k}", ("0", "1")) for k in range(60)]
    leaves = [({"z": str(k), f"x{k}": a}, 1.0 + k) for k in range(60) for a in "01"]
    factor = LeafFactor((z, *xs), leaves)
    assert factor.n_entries == 60 * 2**60
    with pytest.raises(
        ModelError, match=f"{2**59:,} of {60 * 2**60:,} joint states agree with no leaf, such as z=59, x0=0"
    ):
        LeafFactor((z, *xs), leaves[:-1])
    with pytest.raises(TooLargeError, match=r"120 leaves has .* table entries; at most 33,554,432"):
        _ = factor.log_table
    graph = FactorGraph([z, *xs], [factor])
    assert "61 variables" in graph._repr_html_()
    with pytest.raises(TooLargeError):
        run_bp(graph)
    expected = np.arange(1, 61) / np.arange(1, 61).sum()
    for answer in (run_bp(hidden_leaves(graph)).beliefs, exact_marginals(hidden_leaves(graph)).beliefs):
        assert np.abs(answer.vector("z") - expected).max() <= 1e-15
    kept = absorb(graph, {"z": "7"}).factors[0]
    assert (len(kept.scope), len(kept.listed.states)) == (
        60,
        2,
    )  # it says nothing of the others, and stays their factor
    everything = absorb(graph, {"z": "7", **{f"x{k}": "0" for k in range(60) if k != 7}})
    assert everything.factors == ()
    assert everything.fields[8].tolist() == [np.log(8.0)] * 2
    rest = absorb(graph, {"x7": "0"}).factors[0]
    assert (len(rest.scope), len(rest.listed.states)) == (60, 119)


@given(st.integers(0, 2**32))
def test_every_engine_answers_as_with_the_full_tables(seed):
    graph = random_leaves.loopy(seed, zeros=0.1, most_arity=4)
    tables, evidence = random_leaves.written_out(graph), random_graphs.evidence(graph, seed)
    try:
        exact = exact_marginals(tables, evidence)
    except InconsistentEvidenceError:
        for engine in (exact_marginals, compile_graph):
            with pytest.raises(InconsistentEvidenceError):
                engine(graph, evidence)
        return
    assert exact_marginals(graph, evidence).beliefs.distance(exact.beliefs) <= 1e-13
    hidden = exact_marginals(hidden_leaves(graph), evidence)
    assert abs(hidden.log_z - exact.log_z) <= 1e-12 * max(1.0, abs(exact.log_z))
    for variable in graph.variables:
        assert np.abs(hidden.beliefs.vector(variable.name) - exact.beliefs.vector(variable.name)).max() <= 1e-12
    one, other = absorb(graph, evidence), absorb(tables, evidence)
    for a, b in zip(one.factors, other.factors, strict=True):
        assert (a.index, a.scope) == (b.index, b.scope)
        np.testing.assert_allclose(np.exp(a.log_table), np.exp(b.log_table), rtol=1e-14)


@pytest.mark.parametrize("mode", ["sum", "max"])
def test_two_rounds_with_hidden_variables_are_one_of_the_tables(mode):
    compared = 0
    for seed in range(12):
        graph = random_leaves.loopy(seed)
        graph = FactorGraph(graph.variables, [leaves_of(f) if len(f.variables) > 1 else f for f in graph.factors])
        hidden = hidden_leaves(graph)
        tables = run_bp(random_leaves.written_out(graph), mode=mode, rounds=6, schedule="flooding", keep_history=True)
        star = run_bp(hidden, mode=mode, rounds=12, schedule="flooding", keep_history=True)
        star_of = {}  # (factor, variable) -> the pairwise factor of the star that sends to the variable
        f = -1
        for g, factor in enumerate(hidden.factors):
            names = [v.name for v in factor.variables]
            if names[0].startswith("leaf of factor ") and len(names) == 2:
                star_of[int(names[0].rsplit(" ", 1)[1]), names[1]] = g
        for r in range(1, 7):
            sent = star.messages_after(2 * r)
            for (f, name), message in tables.messages_after(r).items():
                if (f, name) in star_of:
                    assert np.abs(np.exp(sent[star_of[f, name], name]) - np.exp(message)).max() <= 1e-13
                    compared += 1
    assert compared > 300


def test_hidden_variables_need_their_names():
    factor = tree_cpd(Y, [Z], {"z": {"left": [1, 0], "right": [0.5, 0.5]}})
    taken = Variable("leaf of factor 0", ("a", "b"))
    with pytest.raises(UnsupportedModelError, match="'leaf of factor 0', the name of a hidden variable"):
        hidden_leaves(FactorGraph([Y, Z, taken], [factor]))


def test_a_graph_keeps_tables_that_have_no_fewer_leaves():
    dense = Factor((A, B), [[1, 2, 3], [4, 5, 6]], "dense")
    sparse = Factor((A, B), [[1, 1, 1], [4, 5, 6]], "sparse")
    alone = Factor((A,), [2, 2])
    found = graph_of_leaves(FactorGraph([A, B], [dense, sparse, alone]))
    assert [type(f).__name__ for f in found.factors] == ["Factor", "LeafFactor", "Factor"]
    assert found.factors[0] is dense
    assert len(found.factors[1].leaves) == 4
    assert found.factors[1].name == "sparse"


def test_copies_and_pickles_are_the_same_and_read_only():
    factor = tree_cpd(Y, [Z, A, B], TREE, "cpd")
    for twin in (pickle.loads(pickle.dumps(factor)), copy.deepcopy(factor)):
        assert twin.leaves == factor.leaves
        assert twin.name == "cpd"
        assert not twin.listed.states.flags.writeable
        assert not twin.listed.log_values.flags.writeable


def test_huge_leaves_are_levelled_without_a_table():
    z = Variable("z", [str(k) for k in range(40)])
    xs = [Variable(f"x{k}", ("0", "1")) for k in range(40)]
    values = {(k, a): float(1 + k + int(a)) * 1e300 for k in range(40) for a in "01"}
    leaves = [({"z": str(k), f"x{k}": a}, value) for (k, a), value in values.items()]
    huge = Factor((z,), log_table=np.full(40, 3e6))
    model = compile_graph(FactorGraph([z, *xs], [LeafFactor((z, *xs), leaves), huge]))
    assert len(model.layout.labels["configuration"]) == 80
