"""A record computed again: it holds as it was written, and not where somebody changed a number."""

import copy
import json
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import bnt
from bnt.cli import main
from bnt.compiler.posterior import transformer_posterior
from bnt.errors import FormatError
from bnt.records.models import model_hash
from bnt.records.record import Record
from bnt.records.replay import replay
from tests import random_graphs


def kept() -> Record:
    return bnt.posterior(bnt.load_graph("asia"), {"xray": "yes", "smoke": [0.3, 0.3]}, ["lung", "bronc"]).record()


def test_records_hold() -> None:
    graph = bnt.load_graph("cancer")
    base = bnt.load_knowledge("dating")
    atom = str(next(iter(base.concepts())))
    loopy = random_graphs.loopy(3)
    pairs = random_graphs.pairwise(5, edges=[(0, 1), (1, 2), (2, 3)])
    for answer in (
        bnt.posterior(graph, {"Xray": {"positive": 1.0, "negative": 0.0}}),  # a likelihood that leaves one state
        bnt.posterior(graph, {"Xray": "positive"}, mode="max"),
        bnt.posterior(loopy, None, [loopy.variables[0].name], "bp"),
        transformer_posterior(graph, {"Xray": "positive"}, ["Cancer"]),
        transformer_posterior(graph, {"Xray": "positive"}, ["Cancer"], construction="junction-tree"),
        transformer_posterior(pairs, {"x3": "s1"}, ["x0"], construction="general"),  # "auto" takes pairwise
        bnt.ask(base, atom, {}),
        bnt.ask(base.ground(fan_in=2), atom, {}, method="exact"),
    ):
        found = replay(answer.record())
        assert found.holds, str(found)
        assert found.largest < 1e-12
        assert "holds" in str(found)
    found = replay(kept())
    assert found.holds
    assert found.notes == ()


def test_questions_put_in_other_words_hold() -> None:
    graph = bnt.load_graph("cancer")
    one_left = {"Xray": {"positive": 0.3, "negative": 0.0}}  # its weight is in the probability of the assignment, too
    for method in ("exact", "bp"):
        answer = bnt.posterior(graph, one_left, method=method, mode="max")
        assert (found := replay(answer.record())).holds, str(found)
    whole = bnt.posterior(graph, one_left, ["Cancer"])  # not the first question to this graph, so it has a log_z;
    assert whole.log_z is not None
    assert (found := replay(whole.record())).holds, str(found)  # asked anew of a new graph it has none
    for limit in (math.inf, np.int64(2**20), np.float32(2**20), Fraction(2**21, 2)):
        record = bnt.posterior(graph, {"Xray": "positive"}, ["Cancer"], memory_limit=limit).record()
        assert (found := replay(Record(json.loads(record.to_json())))).holds, str(found)
    unexplained = bnt.posterior(graph, {"Xray": "positive"}, ["Cancer"]).record(about=[])
    assert unexplained.content["reasons"] == []
    assert (found := replay(unexplained)).holds, str(found)


def test_records_of_other_message_passing_hold() -> None:
    loopy = random_graphs.pairwise(5, edges=[(0, 1), (1, 2), (2, 0), (2, 3)])
    for method, construction in (("trw", "tree-reweighted"), ("mean-field", "mean-field")):
        asked = bnt.posterior(loopy, {"x3": "s1"}, ["x0"], method)
        compiled = transformer_posterior(loopy, {"x3": "s1"}, ["x0"], construction=construction)
        weights = []
        for answer in (asked, compiled):
            record = answer.record()
            found = replay(record)
            assert found.holds, str(found)
            weights.append(record.content["reasons"][0]["evidence"]["weights"])
        assert weights[0] == weights[1]  # by the same message passing
        by_bp = bnt.posterior(loopy, {"x3": "s1"}, ["x0"], "bp").record().content["reasons"][0]["evidence"]["weights"]
        assert weights[0] != by_bp


def test_every_changed_number_is_found() -> None:
    record = kept().content
    for change in (
        lambda c: c["answer"]["beliefs"]["lung"].update(yes=c["answer"]["beliefs"]["lung"]["yes"] + 1e-6),
        lambda c: c["answer"].update(status="prior"),
        lambda c: c["reasons"][0]["evidence"]["weights"][0].update(alone=0.0),
        lambda c: c["reasons"][1]["entries"]["slopes"][0].update(slope=0.0),
        lambda c: c["question"]["evidence"].update(xray="no"),
        lambda c: c["model"]["factors"][0]["log_table"].__setitem__(0, -1.0),
    ):
        content = copy.deepcopy(record)
        change(content)
        found = replay(Record(content))
        assert not found.holds
        assert "DOES NOT HOLD" in str(found)
    content = copy.deepcopy(record)
    content["model"]["factors"][0]["log_table"][0] = -1.0
    content["model"]["sha256"] = model_hash(content["model"])  # with the hash made to fit
    assert not replay(Record(content)).holds
    content = copy.deepcopy(record)
    content["versions"]["numpy"] = "0.1"
    found = replay(Record(content))
    assert found.holds
    assert "0.1" in found.notes[0]


def test_damaged_records_are_named() -> None:
    content = kept().content
    for missing in ("model", "question"):
        with pytest.raises(FormatError, match="damaged"):
            replay(Record({key: value for key, value in content.items() if key != missing}))
    broken = copy.deepcopy(content)
    broken["question"]["query"] = ["nobody"]
    assert "cannot be asked" in str(replay(Record(broken)))


def test_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "lung.html"
    asked = ["posterior", "asia", "--query", "lung", "--evidence", "xray=yes"]
    assert main([*asked, "--record", str(path)]) == 0
    assert main(["replay", str(path)]) == 0
    assert "holds" in capsys.readouterr().out
    with pytest.raises(SystemExit) as stopped:
        raise SystemExit(main([*asked, "--record", str(path)]))
    assert stopped.value.code == 2
    content = json.loads(kept().to_json())
    content["answer"]["beliefs"]["lung"]["yes"] = 0.5
    (tmp_path / "changed.json").write_text(json.dumps(content))
    assert main(["replay", str(tmp_path / "changed.json")]) == 1
    assert "DOES NOT HOLD" in capsys.readouterr().out
    assert main(["replay", str(tmp_path / "none.json")]) == 2
