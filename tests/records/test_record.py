"""Records: what is in them, as JSON and as a page, and what is refused."""

import json
import math
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bnt
from bnt import Factor, FactorGraph, Variable
from bnt.compiler.posterior import transformer_posterior
from bnt.errors import BntError, FormatError
from bnt.records import models, reasons
from bnt.records.record import read_record, record_of
from bnt.records.replay import replay
from tests import naive, random_graphs


def asia(**options):
    return bnt.posterior(bnt.load_graph("asia"), {"xray": "yes", "smoke": "yes"}, ["lung"], **options)


@given(st.integers(0, 10**6))
def test_a_graph_comes_back_to_the_bit_and_its_hash_is_its_own(seed: int) -> None:
    graph = random_graphs.loopy(seed, zeros=0.2)
    kept = json.loads(json.dumps(models.graph_to_json(graph), allow_nan=False))
    again = models.graph_from_json(kept)
    assert again.variables == graph.variables
    for one, other in zip(graph.factors, again.factors, strict=True):
        assert one.variables == other.variables
        assert one.log_table.tobytes() == other.log_table.tobytes()
    assert models.model_hash(kept) == kept["sha256"]
    finite = next(i for i, log in enumerate(kept["factors"][0]["log_table"]) if log is not None)
    kept["factors"][0]["log_table"][finite] = np.nextafter(kept["factors"][0]["log_table"][finite], 1e9)
    assert models.model_hash(kept) != kept["sha256"]


def test_what_a_record_holds() -> None:
    content = asia().record().content
    assert content["question"] == {
        "query": ["lung"],
        "whole": False,
        "evidence": {"xray": "yes", "smoke": "yes"},
        "log_constant": 0.0,
        "method": "auto",
        "mode": "sum",
        "memory_limit": 2.0**28,
        "about": {"lung": "yes"},
    }
    assert content["answer"]["method"] == content["answer"]["status"] == "exact"
    assert content["versions"]["bnt"] == bnt.__version__
    (why,) = content["reasons"]
    assert [one["evidence"] for one in why["evidence"]["weights"]] == ["xray", "smoke"]
    graph = bnt.load_graph("asia")
    odds = [
        10 * math.log10(p[0] / p[1])
        for known in ({}, {"xray": "yes"}, {"xray": "yes", "smoke": "yes"}, {"smoke": "yes"})
        for p in [naive.marginals(graph, known)[0]["lung"]]
    ]
    xray, smoke = why["evidence"]["weights"]
    assert xray["alone"] == pytest.approx(odds[1] - odds[0], abs=1e-9)
    assert smoke["in_order"] == pytest.approx(odds[2] - odds[1], abs=1e-9)
    assert xray["given_rest"] == pytest.approx(odds[2] - odds[3], abs=1e-9)
    assert why["entries"]["status"] == "exact"
    assert len(why["entries"]["slopes"]) == 32  # of 36 entries four are zero


def test_the_page_holds_the_json_and_runs_nothing(tmp_path: Path) -> None:
    evil = Variable("</script><b>x", ["<i>", "no"])
    graph = FactorGraph([evil], [Factor([evil], [0.2, 0.8])])
    record = bnt.posterior(graph).record(tmp_path / "answer.html")
    page = (tmp_path / "answer.html").read_text()
    assert "<b>x" not in page.partition('<script type="application/json"')[0]
    assert page.count("</script>") == 1
    assert "default-src 'none'" in page
    assert read_record(tmp_path / "answer.html").content == record.content
    assert "Record" in bnt.posterior(graph).record(tmp_path / "answer.json")._repr_html_()
    assert read_record(tmp_path / "answer.json").content["model"] == record.content["model"]


class Shown(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.text = ""

    def handle_data(self, data: str) -> None:
        self.text += data


def test_what_a_person_reads() -> None:
    reader = Shown()
    reader.feed(asia().record().to_html().partition('<script type="application/json"')[0])
    for words in ("xray", "exact, up to rounding", "yes", "+12.15", "bnt replay", "SHA-256", "if it were 1 % larger"):
        assert words in reader.text
    best = bnt.posterior(bnt.load_graph("asia"), {"xray": "yes"}, mode="max").record()
    assert "A most probable assignment" in best.to_html()
    assert best.content["reasons"] == []


def test_every_method_and_soft_evidence() -> None:
    graph = bnt.load_graph("cancer")
    evidence = {"Xray": {"positive": 0.9, "negative": 0.3}}
    for answer in (
        bnt.posterior(graph, evidence, ["Cancer"], "bp"),
        bnt.posterior(graph, evidence, ["Cancer"], "exact"),
        transformer_posterior(graph, evidence, ["Cancer"]),
        transformer_posterior(graph, evidence, ["Cancer"], construction="junction-tree"),
    ):
        record = answer.record(about={"Cancer": "True"})
        (why,) = record.content["reasons"]
        assert why["evidence"]["weights"][0]["value"] == pytest.approx([0.9, 0.3])
        assert why["evidence"]["weights"][0]["alone"] == pytest.approx(
            why["evidence"]["weights"][0]["in_order"], abs=1e-9
        )


def test_a_knowledge_base_says_what_each_rule_matters() -> None:
    base = bnt.parse_knowledge("predicate rain\npredicate wet\n0.2: rain\n0.9: wet if rain\n0.1: wet\n")
    record = bnt.ask(base, "rain", {"wet": True}).record()
    (why,) = record.content["reasons"]
    lower = 0.19 * 0.91 / (0.19 * 0.91 + 0.81 * 0.1)
    effect = next(one for one in why["clauses"]["effects"] if one["clause"] == "0.2: rain")
    assert effect["lower"] == pytest.approx(lower, abs=1e-12)
    assert why["clauses"]["effects"][0]["clause"] == "0.1: wet"  # which matters most
    assert "0.9: wet if rain" in record.to_html()
    certain = bnt.parse_knowledge("predicate rain\nrain\n")
    assert bnt.ask(certain, "rain").record().content["answer"]["beliefs"] == {"rain": {"false": 0.0, "true": 1.0}}


def test_what_is_too_large_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reasons, "MOST_ENTRIES", 3)
    monkeypatch.setattr(reasons, "MOST_EVIDENCE", 1)
    (why,) = asia().record().content["reasons"]
    assert "at most 3" in why["entries"]["left_out"]
    assert "at most 1" in why["evidence"]["left_out"]
    assert "at most 1" in asia().record().to_html()
    loopy = random_graphs.loopy(7)
    answer = bnt.posterior(loopy, None, [loopy.variables[0].name], memory_limit=8)
    assert answer.method == "bp"
    (why,) = answer.record().content["reasons"]
    assert "left_out" in why["entries"]
    assert answer.record().content["answer"]["status"] in answer.record().to_html()


def test_weights_that_need_larger_tables_than_the_answer_say_so() -> None:
    """Observed, all but two of these variables leave the tables; without any piece of evidence they are all there."""
    pairs = random_graphs.pairwise(9, edges=[(i, j) for j in range(9) for i in range(j)])
    seen = {f"x{i}": "s1" for i in range(1, 8)}
    answer = bnt.posterior(pairs, seen, ["x0"], "exact", memory_limit=512)
    (why,) = answer.record().content["reasons"]
    assert "too large" in why["evidence"]["left_out"]
    assert "The evidence is not weighed" in answer.record().to_html()
    assert replay(answer.record()).holds


def test_the_page_says_which_message_passing_and_which_numbers() -> None:
    tree = random_graphs.pairwise(3, edges=[(0, 1), (1, 2)])
    loop = random_graphs.pairwise(3, edges=[(0, 1), (1, 2), (2, 0)])
    for graph, method, words in (
        (tree, "mean-field", "mean field settled on beliefs that take every variable as independent"),
        (loop, "trw", "tree-reweighted message passing settled, but the graph has loops"),
        (loop, "bp", "belief propagation settled, but the graph has loops"),
    ):
        page = bnt.posterior(graph, None, ["x0"], method).record().to_html()
        assert words in page
        assert ("belief propagation" in page) == (method == "bp")
    assert '<th scope="col">probability</th>' not in bnt.posterior(tree, None, ["x0"], mode="max").record().to_html()


def test_a_changed_record_puts_no_markup_on_its_page() -> None:
    record = bnt.posterior(random_graphs.pairwise(3), None, ["x0"], "bp").record()
    record.content["answer"]["rounds"] = "<b>"
    assert "<b>" not in record.to_html().partition('<script type="application/json"')[0]


def test_names_that_no_file_can_hold_are_written_all_the_same(tmp_path: Path) -> None:
    half = Variable("half \ud83d", ["no", "yes"])  # the first half of a pair of surrogates
    record = bnt.posterior(FactorGraph([half], [Factor([half], [0.2, 0.8])])).record()
    for name in ("kept.json", "kept.html"):
        again = read_record(record.write(tmp_path / name))
        assert again == record
        assert replay(again).holds


def test_an_answer_that_is_not_exact_has_certified_bounds() -> None:
    graph = random_graphs.pairwise(5, sigma=1.0, edges=[(0, 1), (1, 2), (2, 0)])
    record = bnt.posterior(graph, None, ["x0"], "bp").record()
    (why,) = record.content["reasons"]
    truth = naive.marginals(graph)[0]["x0"][graph.variable("x0").states.index(why["state"])]
    assert why["bounds"]["lower"] <= truth <= why["bounds"]["upper"]
    assert why["bounds"]["upper"] - why["bounds"]["lower"] < 0.5
    assert "Certified" in record.to_html()
    assert "exact" in asia().record().content["reasons"][0]["bounds"]["left_out"]
    a, b, c, d = (Variable(name, ["0", "1"]) for name in "abcd")
    pair = [[1, 2], [3, 1]]
    factors = [
        Factor([b, c, d], np.arange(1, 9).reshape(2, 2, 2)),
        *(Factor(two, pair) for two in ([a, b], [a, c], [b, d])),
    ]
    (why,) = bnt.posterior(FactorGraph([a, b, c, d], factors), None, ["a"], "bp").record().content["reasons"]
    assert "no bounds are certified" in why["bounds"]["left_out"]


def test_refused(tmp_path: Path) -> None:
    answer = asia()
    path = tmp_path / "kept.json"
    answer.record(path)
    with pytest.raises(BntError, match="never written over"):
        answer.record(path)
    with pytest.raises(BntError, match=r"\.json or \.html"):
        answer.record(tmp_path / "kept.pdf")
    with pytest.raises(BntError, match="cannot be written"):
        answer.record(tmp_path / "nowhere" / "kept.json")
    with pytest.raises(BntError, match="not of a dict"):
        record_of({})  # type: ignore[arg-type]
    with pytest.raises(BntError, match="lungs"):
        answer.record(about="lungs")
    with pytest.raises(BntError, match="leave out 'about'"):
        asia(mode="max").record(about="lung")
    part = bnt.posterior(
        bnt.load_graph("cancer"), {"Smoker": "True"}, ["Cancer"]
    )  # a first question: Xray was left out
    with pytest.raises(BntError, match="'Xray' was not asked about"):
        part.record(about="Xray")
    assert list(part.record(about={"Xray": "positive"}).content["question"]["about"]) == ["Xray"]
    for text, wrong in (("{}", "no record"), ("nothing", "neither JSON"), ("[1]", "no record")):
        (tmp_path / "bad.json").write_text(text)
        with pytest.raises(FormatError, match=wrong):
            read_record(tmp_path / "bad.json")
    with pytest.raises(FormatError, match="cannot be read"):
        read_record(tmp_path / "missing.json")
