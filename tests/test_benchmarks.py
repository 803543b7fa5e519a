"""The benchmark code on tiny cases, without peers: it runs, it compares right, and it says what it skipped."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

import bnt
from benchmarks import cases, contenders, environments, exact, interleave, large, own, schedules, training_step
from benchmarks.__main__ import Record, against, difference
from benchmarks.picture import draw, table
from bnt.reading import schedules as rule


@pytest.mark.parametrize(("kind", "size", "degree"), [("regular", 50, 3), ("grid", 7, 4)])
def test_graphs_have_no_loops_nor_double_edges(kind, size, degree):
    n, first, second = cases.pairs(kind, size, np.random.default_rng(0))
    assert (first != second).all()
    assert len(set(map(frozenset, zip(first.tolist(), second.tolist(), strict=True)))) == len(first)
    degrees = np.bincount(np.concatenate([first, second]), minlength=n)
    assert degrees.max() == degree
    assert kind == "grid" or degrees.min() == degree


def test_a_case_run_by_bnt_beside_an_absent_peer(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(environments, "FOLDER", tmp_path / "nothing")
    case = cases.ising(tmp_path, "tiny", "grid", 4, 3)
    record = Record()
    against(record, "tiny", case, {"fbgbp": 2.5}, install=False, turns=2)
    (row,) = record.rows
    assert (row["value"], row["holds"]) == (None, None)
    assert "skipped" in (printed := capsys.readouterr().out)
    assert "not installed" in printed
    assert len(record.facts["tiny"]["bnt"]["seconds"]) == 2


def test_flat_arrays_made_directly_are_those_of_the_graph():
    rng = np.random.default_rng(0)
    n, first, second = cases.pairs("grid", 5, rng)
    flat = own.pairwise_flat(n, first, second, rng)
    coupling, theta = flat.log_table[::4], flat.field[1::2]
    names = [bnt.Variable(f"x{i}", ("0", "1")) for i in range(n)]
    factors = [
        bnt.Factor((names[a], names[b]), log_table=[[j, -j], [-j, j]])
        for a, b, j in zip(first, second, coupling, strict=True)
    ]
    factors += [bnt.Factor((v,), log_table=[0.0, t]) for v, t in zip(names, theta, strict=True)]
    expected = bnt.run_bp(bnt.FactorGraph(names, factors), rounds=4)
    np.testing.assert_array_equal(own.bp_rounds(flat, 4)[5], expected._logs)


def test_messages_that_an_update_of_residual_computes():
    """Of x0 - f - x1 - g - x2 only the two updates of x1 compute any: one each. Four edges."""
    assert own.messages_of_an_update(3, np.array([[0, 1], [1, 2]])) == 2 / 4
    assert own.messages_of_an_update(3, np.array([[0, 1, 2], [2, 1, 0]])) == 2


def test_network_cases_have_possible_evidence_and_rows(tmp_path):
    path = cases.network(tmp_path, None, "asia")
    case = json.loads(path.read_text())
    assert len(case["evidence"]) == 1
    run, answer = contenders.bnt(case)
    assert answer(run())["lung"].keys() == {"yes", "no"}
    table = json.loads(cases.rows(tmp_path, path, count=30).read_text())
    run, answer = contenders.bnt(table)
    batch = answer(run())
    run, answer = contenders.bnt_loop(table)
    np.testing.assert_allclose(batch, answer(run()), atol=1e-15)


@pytest.mark.parametrize("how", large.HOW)
def test_a_large_case_runs_to_its_end_in_every_way(how, tmp_path):
    rounds = []
    for nodes in (60, 120):
        run, answer = contenders.bnt(json.loads(large.case(tmp_path, nodes, how).read_text()))
        rounds.append(answer(run()))
    assert all(2 < count < 200 for count in rounds)
    run, answer = contenders.bnt({"kind": "residual", "side": 3, "coupling": 0.2})
    assert answer(run()) is True


def test_a_process_that_fails_is_absent_with_its_last_words(tmp_path):
    wrong = tmp_path / "wrong.json"
    wrong.write_text(json.dumps({"kind": "bif", "bif": str(tmp_path / "no.bif")}))
    with pytest.raises(interleave.Absent, match=r"no\.bif"):
        interleave.Contender("bnt", wrong, install=False)


def test_ratios_differences_and_bars(capsys):
    found = {
        "bnt": {"seconds": [1.0, 2.0], "answer": [0.1, 0.9]},
        "peer": {"seconds": [3.0, 6.0], "answer": [0.2, 0.8]},
    }
    assert interleave.ratio(found, "peer") == 3.0
    assert difference(found, "peer") == ", differ by 1e-01"
    record = Record()
    record.row("fast", 3.0, 2.5)
    record.row("slow", 2.0, 2.5)
    record.row("small", 150.0, 200, least=False)
    assert [row["holds"] for row in record.rows] == [True, False, True]
    assert "FAILS" in capsys.readouterr().out


@pytest.mark.parametrize("name", training_step.CASES)
def test_a_training_step_lowers_the_loss(name, tmp_path):
    case = dict(np.load(training_step.case(tmp_path, name)).items())
    run, answer = contenders.bnt(case | {"kind": str(case["kind"])})
    first = answer(run())
    assert len(first) == training_step.FIRST
    assert first == sorted(first, reverse=True)


def test_a_binary_chain_has_no_cliff():
    """Twice as long takes twice the time, at any length from 16 to 60; a busy machine has three tries."""
    assert any(exact.chain_growth() <= 1.5 for _ in range(3))


def test_one_section_measured_anew_keeps_the_other_rows(tmp_path):
    path, earlier, now = tmp_path / "benchmark.json", Record(), Record()
    for what, value in (("one", 1.0), ("two", 2.0), ("three", 3.0)):
        earlier.row(what, value, None)
    earlier.facts["machine"], now.facts["machine"] = ({"numpy": "2", "system": build} for build in ("v1", "v2"))
    path.write_text(json.dumps({"rows": earlier.rows, "facts": earlier.facts | {"old": 1}}))
    now.row("two", 5.0, None)
    now.row("four", 4.0, None)
    now.keep(path)
    assert [(row["what"], row["value"]) for row in now.rows] == [("one", 1), ("two", 5), ("three", 3), ("four", 4)]
    assert now.facts["old"] == 1
    other = Record()
    other.facts["machine"] = {"numpy": "3", "system": "v1"}
    other.keep(path)
    assert not other.rows


def test_the_picture_is_drawn_from_measurements(tmp_path):
    facts = {"scaling": own.scaling([30, 60]), "floor grid": own.floor("grid", 10, 5)}
    assert facts["floor grid"]["floor_ns"] > 0
    draw(facts, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 10_000


def test_the_page_shows_the_run_that_is_stored():
    """Nothing in the table of docs/performance.md was typed in: it is what benchmark.json holds."""
    docs = Path(__file__).parent.parent / "docs"
    rows = json.loads((docs / "benchmark.json").read_text())["rows"]
    assert table(rows) in (docs / "performance.md").read_text()
    assert len(rows) > 30


def test_the_rule_for_schedules_is_judged_by_the_fastest(tmp_path, monkeypatch, capsys):
    taken = {"flooding": 0.010, "in-place": 0.014, "sequential": None, "residual": 0.1, "damping": None}
    assert [schedules.judged(taken, name) for name in taken] == [True, True, False, False, False]
    assert not schedules.judged(taken, None)
    assert schedules.judged(dict.fromkeys(taken), None)
    assert not schedules.judged(dict.fromkeys(taken), "flooding")
    few = list(itertools.islice(schedules.graphs(0, quick=True), 2))
    monkeypatch.setattr(schedules, "graphs", lambda seed, quick: iter(few))
    assert schedules.main(["--quick", "--out", str(tmp_path / "schedules.json")]) == 0
    found = json.loads((tmp_path / "schedules.json").read_text())
    assert [row["graph"] for row in found["rows"]] == [few[0][0], few[1][0]]
    assert "hits of the rule" in capsys.readouterr().out


def test_the_docstring_has_the_figures_of_the_record():
    record = json.loads((Path(__file__).parent.parent / "docs" / "schedules.json").read_text())["summary"]
    text = " ".join((rule.__doc__ or "").split())
    assert f"on {record['graphs']} graphs" in text
    assert f"or rightly none, on {record['hits of the rule']};" in text
    always = record["hits of always"]
    assert f"always flooding would on {always['flooding']}, always in-place on {always['in-place']}" in text
    assert f"wrong by {record['median error of BP there']:.2f} in the median".replace("0.", ".") in text
