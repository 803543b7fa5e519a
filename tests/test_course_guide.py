"""course/README.md and docs/teaching_notes.md agree with the lessons and with the ledger of claims."""

import json
import math
import re
import runpy
from collections import Counter
from pathlib import Path

import pytest

from bnt.claims import run as claims

REPO = Path(__file__).resolve().parent.parent
GUIDE = (REPO / "course/README.md").read_text(encoding="utf-8")
NOTES = (REPO / "docs/teaching_notes.md").read_text(encoding="utf-8")

COURSE_MAP = runpy.run_path(str(REPO / "docs/course_map.py"))
MINUTES = runpy.run_path(str(REPO / "docs/lesson_minutes.py"))
NUMBER = re.compile(r"-?\d+\.\d+|1e-\d+")
LESSONS = COURSE_MAP["read_lessons"]()


def table_below(text: str, first: str) -> list[list[str]]:
    """The rows of the table whose header starts with this word."""
    (body,) = re.findall(rf"^\| {first} .*\n\|[-|]+\n((?:\|.*\n)+)", text, re.MULTILINE)
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in body.splitlines()]


def outputs_of_section(notebook: Path, section: str) -> str:
    """Everything that the cells under this heading printed."""
    found, printed = False, []
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown" and (heading := re.match(r"##+ (?:\d · )?(.*)", source)):
            found = heading[1] == section
        elif found and cell["cell_type"] == "code":
            for output in cell["outputs"]:
                printed += output.get("text", []) + list(output.get("data", {}).get("text/plain", []))
    return "".join(printed)


def test_map_and_table_say_what_the_lessons_say() -> None:
    assert COURSE_MAP["course_map"]().alt in GUIDE.replace("\n", " "), "run python docs/course_map.py"
    rows = {
        re.findall(r"\d\db?", link)[0]: (link, needs, int(time))
        for link, _, needs, time in table_below(GUIDE, "lesson")
    }
    assert rows.keys() == LESSONS.keys()
    for number, (link, needs, minutes) in rows.items():
        assert link.startswith(f"[{number} · {LESSONS[number].title}]")
        assert (needs, minutes) == (", ".join(sorted(LESSONS[number].needs)) or "–", LESSONS[number].minutes)
    assert f"{sum(lesson.minutes for lesson in LESSONS.values())} minutes" in GUIDE


@pytest.mark.parametrize("path", sorted((REPO / "course").glob("*.ipynb")), ids=lambda path: path.stem)
def test_minutes_are_counted_and_no_lesson_is_too_long(path: Path) -> None:
    """docs/lesson_minutes.py counts; a lesson states the count rounded up to five, at least 20."""
    counted, step = MINUTES["minutes"](MINUTES["count_lesson"](path)), MINUTES["STEP"]
    assert MINUTES["stated"](path) == max(20, step * math.ceil(counted / step)), f"counted: {counted:.1f}"
    assert MINUTES["stated"](path) <= MINUTES["LONGEST"], "move side matter to '## If you have time'"


@pytest.mark.parametrize("path", sorted((REPO / "course").glob("*.ipynb")), ids=lambda path: path.stem)
def test_lesson_and_exercise_say_the_same_about_time_and_points(path: Path) -> None:
    solution = json.loads((REPO / "solutions" / path.name).read_text(encoding="utf-8"))["cells"]
    lesson = "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"])
    own = "".join(solution[0]["source"])
    words = {"an hour and a quarter": "75 minutes", "an hour": "60 minutes"}
    time = r"bout (an hour and a quarter|an hour|\d+ minutes)"
    said, there = re.findall(rf"\[exercises\].*?{time}", lesson)[0], re.findall(time, own)[0]
    assert words.get(said, said) == words.get(there, there)
    points = sum(cell["metadata"].get("nbgrader", {}).get("points", 0) for cell in solution)
    assert {int(stated) for stated in re.findall(r"(\d+) points", own)} <= {points}


def test_counting_minutes_by_hand() -> None:
    count = MINUTES["count_text"]
    assert count("one [two](there.md) <b>three</b> $x + y$ ![a picture](p.png)") == Counter({"words": 4})
    proof = count("**Proof.** It is $x$. $\\square$ After it.")
    assert proof == Counter({"words": 7, "words of proofs": 5})
    asked = count("## Progress check\n\n<details><summary>1</summary>Yes</details> $$x$$ **Predict.** How many?")
    assert asked == Counter({"words": 7, "displayed formulas": 1, "predictions": 1, "questions": 1})
    assert MINUTES["minutes"](Counter({"words": 360, "code cells": 3, "widgets": 1})) == 5


def test_counting_a_cell_of_code_by_hand() -> None:
    image = {"data": {"text/html": ["<!-- picture -->\n", "<img>"]}}
    said = {"text": ["FALSE  [a row]\n", "every word of it\n"]}
    cell = {"metadata": {}, "outputs": [said, image]}
    plain = {"code cells": 1, "lines of code": 1, "pictures": 1}
    assert MINUTES["count_code"](cell, "figures.curves(x)\n\n") == Counter(plain)
    assert MINUTES["count_code"](cell, "print(claims.quote(a))") == Counter(plain | {"words quoted": 7})
    tagged = {"metadata": {"tags": ["nbval-ignore-output"]}, "outputs": [image]}
    assert MINUTES["count_code"](tagged, "widgets.gate_explorer()") == Counter(plain | {"pictures": 0, "widgets": 1})


def test_lesson_00_shows_the_same_map() -> None:
    cells = json.loads((REPO / "course/00_start_here.ipynb").read_text(encoding="utf-8"))["cells"]
    text = "".join(next(cell["source"] for cell in cells if cell["id"] == "map"))
    assert "](map.png)" in text, "the picture that docs/course_map.py draws"
    shown = {re.findall(r"\d\db?", link)[0]: (link, needs) for link, _, needs in table_below(text + "\n", "lesson")}
    assert shown.keys() == LESSONS.keys()
    for number, (link, needs) in shown.items():
        assert f"{number} · {LESSONS[number].title}" in link
        assert needs == (", ".join(sorted(LESSONS[number].needs)) or "–")


def test_weeks_of_the_plan_add_up() -> None:
    weeks = table_below(NOTES, "week")
    for _, numbers, minutes, _ in weeks:
        assert int(minutes) == sum(LESSONS[n].minutes for n in numbers.split(", "))
    assert ", ".join(week[1] for week in weeks) == ", ".join(LESSONS)


def test_numbers_of_the_tour_are_outputs_of_its_sections() -> None:
    tour = table_below(GUIDE, "minutes")
    assert sum(int(row[0]) for row in tour) == 15
    counted: list[float] = []
    for minutes, where, _, seen in tour:
        ((file, section),) = re.findall(r'\((.*?)\), "(.*)"', where)
        printed = outputs_of_section(REPO / "course" / file, section)
        assert printed, f"{file} has no section {section!r} with outputs"
        counted.append(MINUTES["minutes"](MINUTES["count_section"](REPO / "course" / file, section)))
        assert int(minutes) == round(counted[-1]), f"{file}, {section}: {counted[-1]:.1f} minutes"
        assert set(NUMBER.findall(seen)) <= set(NUMBER.findall(printed))
    assert sum(counted) <= 15


@pytest.mark.parametrize("row", table_below(NOTES, "one"), ids=lambda row: row[0].strip('"'))
def test_each_misconception_names_its_rows_and_their_lesson(row: list[str]) -> None:
    _, _, lesson, ids = row
    number = re.findall(r"\d\db?", lesson)[0]
    for name in re.findall(r"`(.*?)`", ids):
        assert claims.find_claim(name).lesson.startswith(number)


@pytest.mark.parametrize(
    "page", ["course/README.md", "course/answer.md", "course/glossary.md", "docs/teaching_notes.md"]
)
def test_links_lead_somewhere(page: str) -> None:
    path = REPO / page
    targets = re.findall(r"\]\(([^):#]+)\)", path.read_text(encoding="utf-8"))
    assert targets
    assert [target for target in targets if not (path.parent / target).exists()] == []


def test_the_readme_counts_the_claims() -> None:
    readme = " ".join((REPO / "README.md").read_text(encoding="utf-8").split())
    assert f"{len(claims.LEDGER)} claims" in readme
    assert f"theorems behind {sum(row.how.kind == 'rocq' for row in claims.LEDGER)} rows" in readme


GLOSSARY_LINKS = runpy.run_path(str(REPO / "docs/glossary_links.py"))


@pytest.mark.parametrize("path", sorted((REPO / "course").glob("*.ipynb")), ids=lambda path: path.stem)
def test_words_of_the_glossary_are_linked_where_a_lesson_first_needs_them(path: Path) -> None:
    assert GLOSSARY_LINKS["missing_links"](path)[0] == [], "run python docs/glossary_links.py"


def test_links_to_the_glossary_lead_to_its_words() -> None:
    anchors = {word.link for word in GLOSSARY_LINKS["read_glossary"]()}
    assert len(anchors) >= 60
    for path in (REPO / "course").glob("*.ipynb"):
        used = set(re.findall(r"\]\((glossary\.md#[^)]*)\)", path.read_text(encoding="utf-8")))
        assert used <= anchors, path.stem


def test_linking_words_by_hand() -> None:
    words = [GLOSSARY_LINKS["Word"](*word) for word in (("belief propagation", "02"), ("belief", "03"), ("MAP", "03"))]
    texts = (
        "# belief",
        "`belief` $belief$ a map [belief](there.md)\n| belief |",
        "Belief propagation, **beliefs**, MAP.",
    )
    cells = [{"cell_type": "markdown", "source": [text]} for text in texts]
    assert GLOSSARY_LINKS["link_words"](cells, words) == ["belief propagation", "belief", "MAP"]
    bold = "**[beliefs](glossary.md#belief)**"
    linked = f"[Belief propagation](glossary.md#belief-propagation), {bold}, [MAP](glossary.md#MAP)."
    assert ["".join(cell["source"]) for cell in cells] == [*texts[:2], linked]
    assert GLOSSARY_LINKS["link_words"](cells, words) == []


def test_the_answer_on_one_page_has_the_verdicts_of_the_ledger() -> None:
    page = (REPO / "course/answer.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| .* \| (.*) \| `(.*)` \|$", page, re.MULTILINE)
    assert len(rows) >= 20
    assert [(verdict, name) for verdict, name in rows if claims.find_claim(name).verdict != verdict] == []
