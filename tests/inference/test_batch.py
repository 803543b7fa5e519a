"""run_bp_batch against run_bp, row by row, and every way a table can be wrong."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bnt
from bnt import (
    BntError,
    EvidenceError,
    Factor,
    FactorGraph,
    InconsistentEvidenceError,
    TooLargeError,
    UnknownStateError,
    UnknownVariableError,
    exact_marginals,
    load_graph,
    run_bp,
    run_bp_batch,
)
from bnt.inference import batch as batch_module
from bnt.inference import junction_tree
from tests import naive, random_graphs

ASIA = load_graph("asia")


def random_table(graph, rows, share, seed):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            v.name: [str(rng.choice(v.states)) if rng.random() < share else None for _ in range(rows)]
            for v in graph.variables
        }
    )


def evidence_of(row):
    return {name: state for name, state in row.items() if isinstance(state, str)}


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.sampled_from(["sum", "max"]), st.sampled_from(["forest", "loopy", "pairwise"]))
def test_every_row_is_answered_as_run_bp_answers_it(seed, mode, kind):
    graph = getattr(random_graphs, kind)(seed) if kind == "pairwise" else getattr(random_graphs, kind)(seed, zeros=0.1)
    table = random_table(graph, 12, 0.4, seed)
    result = run_bp_batch(graph, table, mode=mode, damping=0.1)
    for i, row in enumerate(table.to_dict("records")):
        try:
            single = run_bp(graph, evidence_of(row), mode=mode, damping=0.1)
        except InconsistentEvidenceError:  # the graph itself may be impossible
            assert result.status[i] == "impossible"
            assert np.isnan(result.row(i).flat).all()
            continue
        np.testing.assert_allclose(result.row(i).flat, single.beliefs.flat, atol=1e-15, rtol=0)
        assert (result.status[i], result.rounds[i], result.converged[i]) == (
            single.status,
            single.rounds,
            single.converged,
        )


@pytest.mark.parametrize("method", ["bp", "exact"])
@pytest.mark.parametrize("mode", ["sum", "max"])
def test_of_an_impossible_graph_every_row_is_impossible(method, mode):
    """Whether tables over one variable clash or tables over two; the table is answered, not refused."""
    x = random_graphs.variables([2, 3])
    for clash in (
        [Factor(x[:1], [1, 0]), Factor(x[:1], [0, 1])],
        [Factor(x, [[1, 0, 0], [0, 0, 0]]), Factor(x, [[0, 1, 1]] * 2)],
    ):
        batch = run_bp_batch(FactorGraph(x, clash), {"x1": ["s0", None, "s0"]}, mode=mode, method=method)
        assert batch.status.tolist() == ["impossible"] * 3
        assert not batch.possible.any()
        assert not batch.converged.any()
        assert np.isnan(batch.vector("x0")).all()
        assert batch.to_frame().shape == (3, 5)


def test_asia_with_repeated_rows_and_every_status():
    table = random_table(ASIA, 400, 0.35, 1)
    table = pd.concat([table, table.iloc[::-1]], ignore_index=True)
    result = run_bp_batch(ASIA, table)
    assert len(result) == 800
    np.testing.assert_array_equal(result.vector("lung")[:400], result.vector("lung")[:399:-1])
    assert set(result.status) >= {"exact", "approximate", "impossible"}
    for i in range(0, 400, 7):
        if result.possible[i]:
            single = run_bp(ASIA, evidence_of(table.iloc[i].to_dict()))
            assert result.row(i).distance(single.beliefs) <= 1e-15
            assert result.status[i] == single.status


def test_prior_where_no_evidence_reaches_anything_free():
    names = random_graphs.variables([2, 2, 2])
    graph = FactorGraph(names, [Factor(names[:2], [[0.9, 0.1], [0.2, 0.8]])])
    result = run_bp_batch(graph, {"x2": ["s0", None]})
    assert list(result.status) == [run_bp(graph, {"x2": "s0"}).status, "exact"]


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT, np.datetime64("NaT"), np.ma.masked, Decimal("NaN")])
def test_missing_cells_are_unobserved(missing):
    result = run_bp_batch(ASIA, {"smoke": ["yes", missing], "xray": [missing, missing]})
    assert result.row(0).distance(run_bp(ASIA, {"smoke": "yes"}).beliefs) <= 1e-15
    assert result.row(1).distance(run_bp(ASIA).beliefs) <= 1e-15


def test_frames_dicts_and_categories_are_alike():
    table = random_table(ASIA, 50, 0.3, 2)
    expected = run_bp_batch(ASIA, table).to_frame("lung", "bronc")
    pd.testing.assert_frame_equal(run_bp_batch(ASIA, table.astype("category")).to_frame("lung", "bronc"), expected)
    pd.testing.assert_frame_equal(run_bp_batch(ASIA, table.to_dict("list")).to_frame("lung", "bronc"), expected)
    named = table.set_index(pd.Index([f"patient {i}" for i in range(50)]))
    frame = run_bp_batch(ASIA, named).to_frame()
    assert frame.index[3] == "patient 3"
    assert list(frame.columns[:2]) == [("asia", "yes"), ("asia", "no")]
    assert frame.shape == (50, 16)


def test_rows_outside_the_range_of_floats_are_answered_too():
    """Log odds of 900 fit neither odds nor probabilities; the answer is still run_bp's."""
    names = random_graphs.variables([2, 2, 2])
    wide = [[900.0, 0.0], [0.0, 900.0]]
    graph = FactorGraph(names, [Factor(names[:2], log_table=wide), Factor(names[1:], log_table=wide)])
    result = run_bp_batch(graph, {"x0": ["s0", None, "s1"]})
    assert [belief["x2"]["s0"] for belief in map(result.row, range(3))] == pytest.approx([1.0, 0.5, 0.0])
    assert list(result.status) == ["exact"] * 3


def test_tables_without_rows_or_columns():
    assert len(run_bp_batch(ASIA, {})) == 0
    assert run_bp_batch(ASIA, {"smoke": []}).vector("lung").shape == (0, 2)
    assert len(run_bp_batch(ASIA, pd.DataFrame(index=range(3)))) == 3
    many = FactorGraph(random_graphs.variables([4] * 40), [])  # 5**40 keys do not fit an integer
    table = random_table(many, 300, 0.5, 3)
    result = run_bp_batch(many, table)
    observed = table["x39"].notna()
    assert ((result.vector("x39") == 1).any(axis=1) == observed).all()


@pytest.mark.parametrize(
    ("table", "error", "words"),
    [
        ({"smoking": ["yes"]}, UnknownVariableError, ["column 'smoking'", "valid:", "smoke"]),
        ({"smoke": ["yes", "maybe"]}, UnknownStateError, ["row 1", "column 'smoke'", "'maybe'", "valid: yes, no"]),
        ({"smoke": ["yes", 1]}, UnknownStateError, ["row 1", "column 'smoke'", "1"]),
        ({"smoke": [["yes"]]}, UnknownStateError, ["row 0", "column 'smoke'"]),
        (pd.DataFrame({"smoke": ["no", ""]}, index=["a", "b"]), UnknownStateError, ["row 'b'", "''"]),
        ({"smoke": ["yes"], "xray": ["yes", "no"]}, EvidenceError, ["'xray'", "2 rows", "'smoke' 1"]),
        (pd.DataFrame([["yes", "no"]], columns=["smoke", "smoke"]), EvidenceError, ["'smoke'", "twice"]),
        ([{"smoke": "yes"}], EvidenceError, ["DataFrame", "list"]),
        ({"smoke": "yes"}, EvidenceError, ["'smoke'", "list of states", "'yes'"]),
        ({"smoke": {"yes", "no"}}, EvidenceError, ["'smoke'", "list of states"]),  # a set has no order
        ({"smoke": 1}, EvidenceError, ["'smoke'", "list of states"]),
        ({"smoke": iter(["yes"])}, EvidenceError, ["'smoke'", "list of states"]),
    ],
)
def test_a_wrong_table_names_row_and_column(table, error, words):
    with pytest.raises(error) as caught:
        run_bp_batch(ASIA, table)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("position", [2, -1, 0.0, "a"])
def test_a_row_beyond_the_table_is_named(position):
    with pytest.raises(EvidenceError, match="position of a row must be a whole number from 0 to 1"):
        run_bp_batch(ASIA, {"smoke": ["yes", "no"]}).row(position)


def test_nothing_is_written_where_there_is_no_terminal(capfd, monkeypatch):
    import tqdm

    monkeypatch.setattr(tqdm.tqdm, "monitor_interval", 0)
    monkeypatch.setattr("bnt.inference.batch.CHUNK", 1)
    run_bp_batch(ASIA, random_table(ASIA, 50, 0.3, 0))
    captured = capfd.readouterr()
    assert captured.out == ""
    assert all(line.startswith("bnt: compiling") for line in captured.err.splitlines())


@given(st.integers(0, 10**6), st.sampled_from(["sum", "max"]))
@settings(max_examples=25)
def test_an_exact_batch_is_exact_row_by_row(seed, mode):
    graph = random_graphs.loopy(seed, most=5, zeros=0.2 * (seed % 2))
    table = random_table(graph, 12, 0.4, seed)
    batch = run_bp_batch(graph, table, mode=mode, method="exact")
    for r in range(len(table)):
        evidence = {name: value for name, value in table.iloc[r].items() if isinstance(value, str)}
        truth, mass = naive.marginals(graph, evidence, maximise=mode == "max")
        if mass == 0.0:
            assert batch.status[r] == "impossible"
            assert np.isnan(batch.row(r).flat).all()
            continue
        assert batch.status[r] in ("exact", "prior")
        for name, p in truth.items():
            np.testing.assert_allclose(batch.vector(name)[r], p, atol=1e-14, rtol=0)


def test_an_exact_batch_that_does_not_fit_or_leaves_the_range():
    with pytest.raises(TooLargeError, match="the limit is 10 bytes"):
        run_bp_batch(ASIA, {"xray": ["yes"]}, method="exact", memory_limit=10)
    with pytest.raises(BntError, match="method must be 'bp' or 'exact', not 'trw'"):
        run_bp_batch(ASIA, {}, method="trw")
    x = random_graphs.variables([2, 2])
    steep = FactorGraph(x, [Factor(x, log_table=[[0, -900], [-900.5, -2000]]), Factor(x[:1], log_table=[0, -800])])
    batch = run_bp_batch(steep, {"x0": ["s1", None]}, method="exact")
    assert batch.vector("x1")[0] == pytest.approx([1.0, 0.0], abs=1e-15)
    assert batch.vector("x1")[1] == pytest.approx([1.0, 0.0], abs=1e-15)
    assert (batch.status == "exact").all()


@pytest.mark.parametrize(
    "column",
    [
        {"yes", "no"},
        frozenset({"yes"}),
        {"yes": 1},
        pd.Series(["yes"]).to_dict(),
        "yes",
        None,
        5,
        b"yes",
        np.array("yes"),
        np.array([["yes"], ["no"]]),
        pd.DataFrame({"x": ["yes"]}),
        (state for state in ["yes"]),
    ],
)
def test_a_column_without_an_order_of_rows_is_refused(column) -> None:
    """Sets have no order, and a mapping's keys are not its values."""
    with pytest.raises(bnt.EvidenceError, match="column 'xray' of the evidence table must be a list of states"):
        bnt.run_bp_batch(bnt.load_graph("asia"), {"xray": column})


def test_huge_potentials_are_levelled_once_for_the_table(monkeypatch):
    """Offsets of any size cost nothing; entries of one table that are far apart do: those rows are answered alone."""
    alone = []

    def counted(*arguments, **options):
        alone.append(1)
        return run_bp(*arguments, **options)

    monkeypatch.setattr(batch_module, "run_bp", counted)
    rng = np.random.default_rng(0)
    v = random_graphs.variables([2, 3, 2, 3])
    scopes = [(v[0], v[1]), (v[1], v[2]), (v[2], v[3]), (v[3], v[0])]
    plain = [rng.integers(-6, 7, [a.cardinality, b.cardinality]) / 2.0 for a, b in scopes]
    table = random_table(FactorGraph(v, []), 30, 0.4, 0)
    for offset, steep in ((1e9, False), (-1e12, False), (1e9, True)):
        logs = [np.where(rng.random(one.shape) < 0.2, -5e3, one) + offset if steep else one + offset for one in plain]
        graph = FactorGraph(v, [Factor(scope, log_table=log) for scope, log in zip(scopes, logs, strict=True)])
        alone.clear()
        for mode in ("sum", "max"):
            batch = run_bp_batch(graph, table, mode=mode)
            exact = run_bp_batch(graph, table, mode=mode, method="exact")
            for i, row in enumerate(table.to_dict("records")):
                single = run_bp(graph, evidence_of(row), mode=mode)
                assert batch.status[i] == single.status
                np.testing.assert_allclose(batch.row(i).flat, single.beliefs.flat, atol=1e-12, rtol=0)
                truth = exact_marginals(graph, evidence_of(row), mode=mode)
                np.testing.assert_allclose(exact.row(i).flat, truth.beliefs.flat, atol=1e-12, rtol=0)
        assert bool(alone) == steep


def test_rows_on_a_large_tree_are_answered_in_short_calls(monkeypatch):
    graph = load_graph("asia")
    table = {"xray": ["yes", "no", None, "yes"], "smoke": [None, "no", "yes", "no"], "either": [None, None, None, "no"]}
    for mode in ("sum", "max"):
        whole = run_bp_batch(graph, table, method="exact", mode=mode)
        with monkeypatch.context() as patch:
            for module in (batch_module, junction_tree):
                patch.setattr(module, "BLOCK", 200)  # less than one row takes
            parts = run_bp_batch(graph, table, method="exact", mode=mode)
        assert parts.status.tolist() == whole.status.tolist()
        for name in graph.index:
            np.testing.assert_allclose(parts.vector(name), whole.vector(name), atol=1e-14, rtol=0)
