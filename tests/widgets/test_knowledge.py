"""Facts, witnesses, AND and OR: what the controls show."""

import numpy as np
import pytest

from bnt import widgets
from bnt.errors import EvidenceError
from bnt.figures.picture import number
from bnt.knowledge.base import load_knowledge
from bnt.odds import two_witnesses

BOTH = {"calls(john, h1)": True, "calls(mary, h1)": True}


@pytest.fixture(scope="module")
def street():
    return load_knowledge("alarm").ground()


def test_explorer_turns_facts_on_and_off(street) -> None:
    facts = [*BOTH, "earthquake"]
    explorer = widgets.explanation_explorer(street, ["alarm(h1)", "burglary(h1)", "earthquake"], facts, BOTH)
    assert explorer.picture().rows == widgets.explanation_picture(street, "alarm(h1)", BOTH).rows
    explorer.controls["ask"].value = "burglary(h1)"
    explorer.controls["earthquake"].value = "true"
    known = {**BOTH, "earthquake": True}
    assert explorer.shown() == widgets.explanation_picture(street, "burglary(h1)", known).html()
    explorer.controls["show"].value = "messages"
    assert explorer.picture().alt.startswith("messages towards burglary(h1)")
    explorer.controls["calls(john, h1)"].value = "–"
    assert [row[0] for row in explorer.picture().rows] == ["alarm(h1)", "calls(mary, h1)"]
    explorer.controls["ask"].value = "earthquake"
    assert "earthquake is among the evidence" in explorer.shown()
    with pytest.raises(EvidenceError, match="among the evidence"):
        explorer.picture()


@pytest.mark.parametrize(("prior", "reliability", "copying"), [(0.2, 0.9, 0.4), (0.5, 0.6, 1.0), (0.7, 0.3, 0.0)])
def test_witness_picture_says_the_truth_beside_the_sum(prior: float, reliability: float, copying: float) -> None:
    truth = two_witnesses(prior, reliability, copying)
    picture = widgets.witness_picture(prior, reliability, copying)
    assert picture.rows[-1][3] == number(truth, 4)
    assert ("adding is right" in picture.alt) == (copying == 0.0)


def test_witness_explorer_redraws() -> None:
    explorer = widgets.witness_explorer()
    explorer.controls["copying"].value = 1.0
    assert explorer.shown() == widgets.witness_picture(0.2, 0.9, 1.0).html()


def test_between_lists_and_below_equal_below_or() -> None:
    explorer = widgets.between_explorer()
    explorer.controls["q"].value = 0.25
    assert explorer.shown() == widgets.between_picture(0.25).html()
    rows = np.array(explorer.picture().rows, dtype=float)
    p, both, equal, either = rows.T
    odds = p[1:-1] / (1 - p[1:-1]) * (0.25 / 0.75)
    assert np.allclose(both, 0.25 * p, atol=1e-3)
    assert np.allclose(either, 1 - 0.75 * (1 - p), atol=1e-3)
    assert np.allclose(equal[1:-1], odds / (1 + odds), atol=1e-3)
    assert (both[1:-1] < equal[1:-1]).all()
    assert (equal[1:-1] < either[1:-1]).all()
