"""The hero's numbers against the slow twins, in every scene; what it shows without scripts; what it refuses."""

import itertools
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bnt
from bnt.errors import BntError, UnknownVariableError
from bnt.graph.networks import chain, random_tree
from bnt.widgets.hero import one_clock, scenes, valley
from tests import naive

COURSE = Path(__file__).parents[2] / "course"


def check(graph: bnt.FactorGraph, numbers: dict[str, Any]) -> None:
    """Every probability of every scene within the rounding to thousandths, every cell of m within its hundredths."""
    names = list(graph.index)
    for choice, scene in numbers["scenes"].items():
        evidence = {n: numbers["states"][int(k) - 1] for n, k in zip(numbers["ask"], choice, strict=True) if k != "0"}
        exact, _ = naive.marginals(graph, evidence)
        assert [x / 1000 for x in scene["exact"]] == pytest.approx([exact[n][1] for n in names], abs=5.1e-4)
        by_round, field = naive.bp_messages(graph, evidence, numbers["rounds"])
        for r, messages in enumerate(by_round):
            beliefs = naive.bp_beliefs(graph, messages, field)
            assert [x / 1000 for x in scene["beliefs"][r]] == pytest.approx([beliefs[n][1] for n in names], abs=5.1e-4)
            lanes = [(f, names[i]) for f, scope in enumerate(graph.scopes) if len(scope) == 2 for i in scope]
            for (f, name), shown in zip(lanes, scene["messages"][r], strict=True):
                if shown is not None:  # and in the stream, as log odds, under the name of this message
                    p = messages[f, name][1] / sum(messages[f, name])
                    assert shown / 1000 == pytest.approx(p, abs=5.1e-4)
                    (other,) = [names[i] for i in graph.scopes[f] if names[i] != name]
                    held = scene["stream"][r][numbers["rows"].index(f"{other} → {name}")][1]
                    assert held / 100 == pytest.approx(np.log(p / (1 - p)), abs=5.1e-3)


def test_the_valley_in_all_scenes() -> None:
    numbers = one_clock().numbers
    assert len(numbers["scenes"]) == 27
    assert len(json.dumps(numbers, separators=(",", ":"))) < 60_000
    check(valley(), numbers)


def test_random_trees() -> None:
    for seed in range(3):
        graph = random_tree(5, seed=seed)
        check(graph, scenes(graph, ["x1", "x4"]))


def test_the_valley_is_that_of_lesson_03() -> None:
    cells = {
        cell.get("id"): "".join(cell["source"])
        for cell in json.loads((COURSE / "03_messages_on_trees.ipynb").read_text())["cells"]
    }
    space: dict[str, Any] = {"np": np, "bnt": bnt}
    exec(cells["valley"], space)
    exec(cells["graph"].split("figures.")[0], space)
    theirs, ours = space["valley"], valley()
    assert theirs.scopes == ours.scopes
    assert [v.name for v in theirs.variables] == [v.name for v in ours.variables]
    for a, b in zip(theirs.factors, ours.factors, strict=True):
        assert np.array_equal(a.table, b.table)


def test_who_reads_whom_is_who_sends_to_the_sender() -> None:
    """Message i → j reads the messages into i, and the one back from j; variable i reads the messages into it."""
    numbers = scenes(valley(), [])
    rows = numbers["rows"]
    wanted = set()
    for reader in rows:
        i, _, j = reader.partition(" → ")
        wanted |= {(reader, f"{k} → {i}") for k in valley().index if f"{k} → {i}" in rows and reader != "sink"}
        wanted |= {(reader, f"{j} → {i}")} if j else set()
    assert {(rows[q], rows[k]) for q, k in numbers["scenes"][""]["reads"]} == wanted


def test_it_stands_on_a_page_of_its_own() -> None:
    html = one_clock(random_tree(4, seed=1), ["x0"]).html()
    still, script = html.split("<script>")
    assert "<!-- picture -->" in still
    assert '<img src="data:image/svg+xml,' in still
    assert "mountHero(root, {" in script
    assert ".bnt-hero" in script
    assert html == one_clock(random_tree(4, seed=1), ["x0"]).html(), "the same numbers, the same page"
    assert "<table>" in still


@pytest.mark.parametrize(
    ("graph", "ask", "said"),
    [
        (chain(3), ["x0", "x0"], "at most 3 different variables"),
        (chain(5), ["x0", "x1", "x2", "x3"], "at most 3 different variables"),
        (bnt.load_graph("asia"), [], "a tree of factors over at most two variables"),
        (bnt.FactorGraph([bnt.Variable("a", ("u", "v", "w"))], []), [], "the same two states"),
        (bnt.FactorGraph([bnt.Variable("a", ("u", "v"))], []), [], "no message to show"),
    ],
)
def test_what_it_refuses(graph: bnt.FactorGraph, ask: list[str], said: str) -> None:
    with pytest.raises(BntError, match=said):
        one_clock(graph, ask)


def test_an_unknown_name() -> None:
    with pytest.raises(UnknownVariableError):
        one_clock(chain(3), ["x7"])


# What of (red, green, blue) reaches an eye without one of its kinds of cones: Machado, Oliveira and Fernandes (2009).
CONES = {
    "all": np.eye(3),
    "no long": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no medium": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "no short": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
TO_LMS = [[0.4122215, 0.5363325, 0.0514460], [0.2119035, 0.6806995, 0.1073970], [0.0883025, 0.2817188, 0.6299787]]
TO_LAB = [[0.2104543, 0.7936178, -0.0040720], [1.9779985, -2.4285922, 0.4505937], [0.0259040, 0.7827718, -0.8086758]]


def seen(colour: str, cones: str) -> np.ndarray:
    """A colour such as #0072b2 in Oklab, where 0.02 is about the least difference that one sees side by side."""
    c = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    return np.array(TO_LAB) @ np.cbrt(np.array(TO_LMS) @ np.clip(np.array(CONES[cones]) @ linear, 0, 1))


@pytest.mark.parametrize("cones", CONES)
def test_discs_of_the_key_are_told_apart_by_every_eye_in_both_themes(cones: str) -> None:
    """wet, dry and belief propagation are discs of the same size; the transformer is a ring, exact is a bar."""
    style = (Path(bnt.__file__).parent / "widgets/hero.css").read_text()
    uses = dict(re.findall(r"\.bnt-is-(\w+) \{ (?:background|border)[^}]*var\((--[\w-]+)\)", style))
    assert len({uses[name] for name in ("second", "first", "bp", "layer")}) == 4
    themes = [dict(re.findall(r"(--bnt-\w+): (#\w{6})", line)) for line in style.splitlines() if "--bnt-wet: #" in line]
    assert len(themes) == 3, "light, dark because the page says so, dark because the system does"
    assert themes[1] == themes[2]
    for colours in themes:
        discs = [seen(colours[uses[name]], cones) for name in ("second", "first", "bp")]
        assert min(float(np.linalg.norm(a - b)) for a, b in itertools.combinations(discs, 2)) > 0.04
