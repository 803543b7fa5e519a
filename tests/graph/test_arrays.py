"""Graphs made of arrays are the graphs that objects would have made, and say as clearly what is wrong."""

import copy
import pickle
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bnt
from bnt.graph.evidence import absorb
from bnt.graph.flat import base_flat, by_variable, flatten


def random_graph(seed, n=7, count=9):
    """Cardinalities, scopes, tables (zeros among them), one by one; and the same as objects."""
    rng = np.random.default_rng(seed)
    cardinality = rng.integers(1, 4, n)
    scopes = [rng.choice(n, rng.integers(1, 4), replace=False) for _ in range(count)]
    tables = [rng.choice([0.0, 0.5, 1.0, 3.0], cardinality[scope], p=[0.05, 0.25, 0.3, 0.4]) + 0.0 for scope in scopes]
    for table in tables:
        table.flat[rng.integers(table.size)] = 2.0
    variables = [bnt.Variable(f"x{i}", [str(s) for s in range(k)]) for i, k in enumerate(cardinality)]
    factors = [bnt.Factor([variables[i] for i in s], t) for s, t in zip(scopes, tables, strict=True)]
    return cardinality, scopes, tables, bnt.FactorGraph(variables, factors)


def same(one, other):
    assert one.variables == other.variables
    assert one.index == other.index
    assert one.scopes == other.scopes
    assert one.factors_of == other.factors_of
    assert [f.variables for f in one.factors] == [f.variables for f in other.factors]
    assert all((f.log_table == g.log_table).all() for f, g in zip(one.factors, other.factors, strict=True))
    assert (one.state_ptr == other.state_ptr).all()
    assert repr(one) == repr(other)
    assert one._repr_html_() == other._repr_html_()
    assert all((a == b).all() and a.dtype == b.dtype for a, b in zip(one.arrays, other.arrays, strict=True))


def outcome(run):
    try:
        return run()
    except bnt.InconsistentEvidenceError as error:
        return str(error)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1))
def test_arrays_make_the_graph_that_objects_make(seed):
    cardinality, scopes, tables, graph = random_graph(seed)
    made = bnt.FactorGraph.from_arrays(cardinality, scopes, tables)
    lone = made.variable_at(2)  # before all the others
    same(made, graph)
    assert lone == graph.variables[2] == made.variable("x2")
    flats = [outcome(lambda one=one: base_flat(one)) for one in (made, graph)]
    twin = outcome(lambda: flatten(absorb(graph)))  # factor by factor, as evidence is absorbed
    for flat in flats:
        if isinstance(twin, str):
            assert flat == twin
        else:
            assert all((a == b).all() and a.dtype == b.dtype for a, b in zip(flat, twin, strict=True))


def test_everything_that_takes_a_graph_takes_it():
    rng = np.random.default_rng(0)
    scopes = np.array([(i, (i + 1) % 6) for i in range(6)])
    tables = rng.uniform(0.5, 2, (6, 2, 2))
    names = [bnt.Variable(f"x{i}", ("0", "1")) for i in range(6)]
    twin = bnt.FactorGraph(
        names, [bnt.Factor([names[a], names[b]], t) for (a, b), t in zip(scopes, tables, strict=True)]
    )

    def make():
        return bnt.FactorGraph.from_arrays(np.full(6, 2), scopes, tables)

    seen = {"x1": 1}
    for answer in (
        lambda g: bnt.run_bp(g, seen).beliefs.flat,
        lambda g: bnt.run_bp(g, mode="max").beliefs.flat,
        lambda g: bnt.run_bp(g, seen).log_z_bethe,
        lambda g: list(bnt.run_bp(g, rounds=3).messages.values()),
        lambda g: bnt.exact_marginals(g, seen).beliefs.flat,
        lambda g: list(bnt.posterior(g, seen, query=["x3"]).beliefs["x3"].values()),
        lambda g: bnt.compile_graph(g, seen, rounds=3).tokens,
        lambda g: bnt.run_bp_batch(g, {"x1": [0, 1, None]}).vector("x4"),
        lambda g: bnt.run_bp_batch(g, {"x1": [0, 1, None]}, method="exact").vector("x4"),
    ):
        np.testing.assert_allclose(answer(make()), answer(twin), rtol=1e-14)  # a second question is answered by a tree
    assert bnt.run_bp(make(), seen).status == bnt.run_bp(twin, seen).status == "exact"
    assert bnt.run_bp(make()).beliefs.to_frame().equals(bnt.run_bp(twin).beliefs.to_frame())
    assert bnt.run_bp(make())._repr_html_() == bnt.run_bp(twin)._repr_html_()
    assert bnt.diagnose(make()).status == bnt.diagnose(twin).status
    assert bnt.verify_model(bnt.compile_graph(make(), rounds=4)).max_message_error < 1e-12
    with pytest.raises(bnt.UnknownVariableError, match="x6"):
        bnt.run_bp(make(), {"x6": 0})
    with pytest.raises(bnt.UnknownStateError, match="x1"):
        bnt.run_bp(make(), {"x1": 2})


def test_several_shapes_and_one_table_for_all():
    pairs, agree, fields = (
        np.array([[0, 1], [1, 2], [2, 0]]),
        np.array([[2.0, 1.0], [1.0, 2.0]]),
        np.array([[1.0, 3.0]] * 3),
    )
    made = bnt.FactorGraph.from_arrays([2, 2, 2], [pairs, np.arange(3)[:, None]], [agree, fields])
    logs = bnt.FactorGraph.from_arrays(
        [2, 2, 2], [pairs, np.arange(3)[:, None]], log_tables=[np.log(agree), np.log(fields)]
    )
    single = bnt.FactorGraph.from_arrays([2, 2, 2], [*pairs.tolist(), [0], [1], [2]], [agree] * 3 + list(fields))
    blocks = bnt.FactorGraph.from_arrays([2, 2, 2], pairs, np.stack([agree] * 3))
    same(made, single)
    same(made, logs)
    assert [(f.table == agree).all() for f in blocks.factors] == [True] * 3
    assert made.scopes == ((0, 1), (1, 2), (2, 0), (0,), (1,), (2,))
    empty = bnt.FactorGraph.from_arrays([2, 3], [], [])
    assert (len(empty.variables), empty.factors) == (2, ())
    assert bnt.run_bp(empty).beliefs.flat == pytest.approx([1 / 2, 1 / 2, 1 / 3, 1 / 3, 1 / 3], abs=1e-15)


@pytest.mark.parametrize("turn", [copy.copy, copy.deepcopy, lambda graph: pickle.loads(pickle.dumps(graph))])
def test_copies_and_pickles_are_read_only_and_hold_no_objects(turn):
    scopes, agree = np.array([[0, 1], [1, 2]]), np.array([[2.0, 1.0], [1.0, 2.0]])
    graph = bnt.FactorGraph.from_arrays([2, 2, 2], scopes, agree)
    assert graph.factors
    assert bnt.run_bp(graph).rounds == 2
    other = turn(graph)
    assert set(other.__dict__) == {"made_of_arrays", "arrays"}
    same(other, graph)
    for one in (*other.arrays, other.factors[0].log_table):
        with pytest.raises(ValueError, match="read-only"):
            one.flat[0] = 1
    scopes[:], agree[:] = 0, 5.0  # the caller's arrays are neither kept nor closed
    assert other.scopes == graph.scopes == ((0, 1), (1, 2))
    assert graph.factors[0].table.tolist() == [[2.0, 1.0], [1.0, 2.0]]


ONE = np.ones((2, 2))
PAIR = np.array([[0, 1]])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([2, 0], [], []), "variable x1 has 0 states"),
        (([2.0, 2.0], [], []), "cardinalities must be one row of whole numbers"),
        (([[2, 2]], [], []), "cardinalities must be one row"),
        (("22", [], []), "cardinalities must be one row"),
        (([2, 2], np.array([[0.0, 1.0]]), [ONE]), "scopes must be an array with one row per factor of whole numbers"),
        (([2, 2], np.array([0, 1]), ONE), "scopes must be an array with one row per factor"),
        (([2, 2], [[0, 2]], [ONE]), "factor 0: there is no variable 2; the 2 variables are 0 to 1"),
        (([2, 2], np.array([[0, 1], [0, -1]]), ONE), "factor 1: there is no variable -1"),
        (
            ([2, 2], [PAIR, np.array([[1, 1]])], [ONE, ONE]),
            r"factor 1 \(x1, x1\): variable x1 appears",
        ),
        (
            ([2, 3], PAIR, ONE),
            r"factor 0 \(x0, x1\): .* has shape \(2, 2\), the states say \(2, 3\)",
        ),
        (([2, 2], np.tile(PAIR, (3, 1)), np.ones((2, 2, 2))), r"need tables of shape \(3, s1, s2\)"),
        (([2, 2], PAIR, np.ones(4)), r"got \(4,\)"),
        (
            ([2, 2], np.tile(PAIR, (2, 1)), [ONE, [[1, 1], [1, -1]]]),
            r"factor 1 \(x0, x1\): .* x0=1, x1=1 is -1",
        ),
        (([2, 2], PAIR, [[np.nan, 1], [1, 1]]), "x0=0, x1=0 is nan; every entry must be finite and >= 0"),
        (([2, 2], PAIR, [[np.inf, 1], [1, 1]]), "is inf"),
        (([2, 2], PAIR, 0 * ONE), "every entry of the table is zero"),
        (([2, 2], PAIR, [["a", "b"], ["c", "d"]]), "rectangular array of real numbers"),
        (([2, 2], [[0, 1]], [[[1, 2], [3]]]), "rectangular array of real numbers"),
        (([2, 2], [[0, 1]], [ONE, ONE]), "1 scopes and 2 tables"),
        (([2, 2], {(0, 1)}, [ONE]), "scopes must be a sequence"),
        (([2, 2], [[]], [1.0]), "at least one variable"),
        (([2, 2], [[0, 1]]), "exactly one of tables and log_tables"),
    ],
)
def test_what_is_wrong_is_named(arguments, words):
    with pytest.raises(bnt.ModelError, match=words):
        bnt.FactorGraph.from_arrays(*arguments)


@pytest.mark.parametrize("tables", [np.zeros((0, 2, 2)), ONE])
def test_a_block_of_no_factors_is_one(tables):
    nothing = np.zeros((0, 2), dtype=int)
    assert bnt.FactorGraph.from_arrays([2, 2], nothing, tables).factors == ()
    graph = bnt.FactorGraph.from_arrays([2, 2], [nothing, PAIR], [tables, ONE])
    assert graph.scopes == ((0, 1),)


def test_logs_have_rules_of_their_own():
    with pytest.raises(bnt.ModelError, match="is inf; every entry must be finite or -inf"):
        bnt.FactorGraph.from_arrays([2], [[0]], log_tables=[[0.0, np.inf]])
    with pytest.raises(bnt.ModelError, match="every entry of the table is zero"):
        bnt.FactorGraph.from_arrays([2], [[0]], log_tables=[[-np.inf, -np.inf]])
    assert bnt.FactorGraph.from_arrays([2], [[0]], log_tables=[[0.0, -np.inf]]).factors[0].table.tolist() == [1, 0]


def test_a_million_places_in_scopes_take_seconds_and_no_objects():
    rng = np.random.default_rng(0)
    scopes = np.stack([rng.integers(0, 200_000, 500_000), rng.integers(200_000, 400_000, 500_000)], 1)
    begin = time.process_time()
    graph = bnt.FactorGraph.from_arrays(np.full(400_000, 2), scopes, rng.uniform(1, 2, (500_000, 2, 2)))
    flat = base_flat(graph)
    assert time.process_time() - begin < 5.0  # 0.4 alone
    assert bnt.run_bp(graph, {"x7": 1}, rounds=1).beliefs.flat.shape == (800_000,)
    assert not {"variables", "factors", "scopes"} & set(graph.__dict__)
    assert (flat.variable_edges == np.argsort(flat.edge_variable, kind="stable")).all()


@pytest.mark.parametrize("most", [1, 2**16, 2**16 + 1, 2**33])
def test_sorting_by_digits_is_sorting(most):
    numbers = np.random.default_rng(0).integers(0, most, 1000)
    assert (by_variable(numbers) == np.argsort(numbers, kind="stable")).all()
