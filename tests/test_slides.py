"""Slides are cells of the lessons: every chosen id exists, predictions keep their box, answers come late."""

import runpy
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parent.parent
SLIDES = runpy.run_path(str(REPO / "docs" / "slides.py"))


def test_eight_weeks_hold_every_lesson_once_in_order() -> None:
    lessons = [number for week in SLIDES["WEEKS"].values() for number in week]
    assert lessons == sorted(path.stem.split("_")[0] for path in (REPO / "course").glob("*.ipynb"))
    assert list(SLIDES["WEEKS"]) == list(range(1, 9))


@pytest.mark.parametrize("week", range(1, 9))
def test_chosen_cells_exist_and_no_answer_stands_on_the_slide_of_its_question(week: int) -> None:
    cells = SLIDES["slides_of"](week).cells
    kinds = [cell.metadata["slideshow"]["slide_type"] for cell in cells]
    for before, kind, cell in zip(["", *kinds], kinds, cells, strict=False):
        if cell.metadata.get("jupyter", {}).get("outputs_hidden"):
            assert kind == "fragment", cell.source[:60]
            assert before
        if "widgets.guess(" in cell.source:
            assert cell.metadata["transient"] == {"remove_source": True}
            assert cell.outputs


def test_a_page_shows_boxes_pictures_and_late_answers() -> None:
    page = SLIDES["page"](2)
    assert page.count('class="fragment"') >= 8
    assert "04 · Loops and damping" in page
    assert "mountGuess" in page
    assert "widgets.guess(" not in page.split("<body")[1].split("mountGuess")[0]
    assert 'navigationMode: "linear"' in page, "the right arrow goes through all slides of a lesson"
