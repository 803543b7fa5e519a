"""Committed notebooks are fit to be read and compared: executed in order, without errors, with ids set by hand.

nbval compares nothing in a cell that never ran, so an unexecuted lesson would pass every other test.
"""

import re
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import nbformat
import pytest

from bnt import widgets
from bnt.stored import FOLDER

REPO = Path(__file__).resolve().parent.parent
MOST_LINES = 15  # longer code belongs in the library


FOLDED = re.compile(r"<details>.*?</details>", re.DOTALL)
TOLD = re.compile(r"\d*\.\d{2,}|\d[\d,]{2,}")  # numbers that nobody writes by chance


def notebooks(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (REPO / folder).glob("*.ipynb"))


def name(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


@pytest.mark.parametrize("path", notebooks("course", "solutions", "exercises"), ids=name)
def test_valid_with_readable_ids(path: Path) -> None:
    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    assert re.fullmatch(r"\d\db?_[a-z0-9_]+", path.stem), "notebooks are called NN_topic.ipynb"
    assert notebook.metadata.kernelspec.name == "python3"
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    random = [i for i in ids if re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f-]+)?", i)]
    assert not random, f"give these cells names: {random}"


@pytest.mark.parametrize("path", notebooks("course", "solutions"), ids=name)
def test_executed_in_order_without_errors(path: Path) -> None:
    code = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code" and c.source.strip()]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1)), "restart and run all"
    outputs = [(cell.id, output) for cell in code for output in cell.outputs]
    failed = [i for i, output in outputs if output.output_type == "error"]
    assert not failed, f"cells with a stored error: {failed}"
    warned = [i for i, output in outputs if output.get("name") == "stderr"]
    assert not warned, f"cells that write to stderr: {warned}"


@pytest.mark.parametrize("path", notebooks("course"), ids=name)
def test_code_cells_of_lessons_are_short(path: Path) -> None:
    cells = nbformat.read(path, as_version=4).cells
    lengths = {c.id: len(c.source.splitlines()) for c in cells if c.cell_type == "code"}
    long = {i: lines for i, lines in lengths.items() if lines > MOST_LINES}
    assert not long, f"more than {MOST_LINES} lines: {long}"


@pytest.mark.parametrize("path", notebooks("course", "solutions"), ids=name)
def test_no_open_text_gives_a_folded_answer_away(path: Path) -> None:
    assert spoilers(nbformat.read(path, as_version=4).cells) == []


def spoilers(cells: list[nbformat.NotebookNode]) -> list[str]:
    """What tells the answer to somebody who has not yet unfolded it.

    The prose below a folded output begins with a folded answer or with a heading; and as far as the next heading, open
    prose has no number that only the folded output had shown. So does the prose below a widget that was given with a
    question. No widget above a guess shows the stored experiment that the guess is about.
    """
    found: list[str] = []
    told: set[str] = set()  # numbers that stood open so far
    asked, kept = "", set[str]()  # the cell whose output is folded, and what only it has shown
    last = ""  # paragraph of prose
    shown_by: dict[str, str] = {}  # stored experiment: the widget above that shows it
    for cell in cells:
        if cell.cell_type == "code":
            read = set(re.findall(r'load_experiment\("(\w+)"\)', cell.source))
            if "widgets.guess(" in cell.source:
                found += [f"{cell.id}: {shown_by[record]}, above it, shows {record}" for record in read & set(shown_by)]
            elif "nbval-ignore-output" in cell.metadata.get("tags", ()) and "widgets." in cell.source:
                asked = cell.id if "?" in last else asked
                for name in re.findall(r"widgets\.(\w+)", cell.source):
                    shown_by |= dict.fromkeys(records_of(getattr(widgets, name)), cell.id)
            told |= numbers(cell.source)
            if cell.metadata.get("jupyter", {}).get("outputs_hidden"):
                asked, kept = cell.id, numbers(printed(cell))
            else:
                told |= numbers(printed(cell))
            continue
        if asked and not cell.source.startswith(("<details>", "#")):
            found.append(f"{cell.id}: fold what answers {asked}, or begin with a heading")
        shown = FOLDED.sub("", cell.source)
        first, *others = re.split(r"^(?=#)", shown, flags=re.MULTILINE)
        found += [f"{cell.id}: {number} is an answer of {asked or 'above'}" for number in numbers(first) & kept - told]
        told |= numbers(shown)
        asked, kept = "", set() if others else kept
        last = re.split(r"\n\n(?!\d\. )", shown.strip())[-1]
    return found


def records_of(function: Callable[..., Any]) -> set[str]:
    """Stored experiments that a function, or one of bnt's that it names, reads."""
    queue: list[tuple[CodeType, dict[str, Any]]] = [(function.__code__, function.__globals__)]
    found, seen = set[str](), set[CodeType]()
    while queue:
        code, names = queue.pop()
        seen.add(code)
        if "load_experiment" in code.co_names:
            found |= {c for c in code.co_consts if isinstance(c, str) and (FOLDER / f"{c}.json").exists()}
        inside = [(c, names) for c in code.co_consts if isinstance(c, CodeType)]
        named = [getattr(names.get(name), "__wrapped__", names.get(name)) for name in code.co_names]  # cached ones, too
        named = [f for f in named if isinstance(f, FunctionType) and "bnt." in f.__module__]
        queue += [(c, n) for c, n in [*inside, *((f.__code__, f.__globals__) for f in named)] if c not in seen]
    return found


def printed(cell: nbformat.NotebookNode) -> str:
    plain = [output.get("text", "") + output.get("data", {}).get("text/plain", "") for output in cell.outputs]
    return "\n".join(plain)


def numbers(text: str) -> set[str]:
    """Without leading zeros and trailing commas: 0.996 and .996 are one number."""
    return {number.lstrip("0").rstrip(",") for number in TOLD.findall(text)}


def test_spoilers_by_hand() -> None:
    code, prose = nbformat.v4.new_code_cell, nbformat.v4.new_markdown_cell
    shown = [nbformat.v4.new_output("stream", text="P = 0.996, not 0.51")]
    reveal = code("run(0.51)", id="reveal", outputs=shown, metadata={"jupyter": {"outputs_hidden": True}})
    fold = "<details><summary>What happened</summary>\n\nIt says .996.\n</details>\n\n"

    def found(*texts: str) -> list[str]:
        return spoilers([reveal, *(prose(text, id=f"p{i}") for i, text in enumerate(texts))])

    assert found(fold) == found(fold + "Not .51.") == found("## Next", ".996") == found(fold + "### Why\n\n.996") == []
    assert found("Too sure.", "") == ["p0: fold what answers reveal, or begin with a heading"]
    assert found(fold + "It converges to .996.") == ["p0: .996 is an answer of reveal"]
    assert found(fold, "It converges to 0.996.") == ["p1: .996 is an answer of above"]
    assert spoilers([reveal, code("2", id="open", outputs=shown), prose(fold + ".996", id="p")]) == []

    tagged = {"tags": ["nbval-ignore-output"]}
    widget = code("widgets.cavity_explorer()", id="try", metadata=tagged)
    try_it = prose("Which side?\n\nMove it:\n\n1. Left.\n2. What now?", id="why")
    assert spoilers([try_it, widget, prose("It falls.", id="p")]) == [
        "p: fold what answers try, or begin with a heading"
    ]
    assert spoilers([try_it, widget, prose(fold, id="p")]) == []
    assert spoilers([prose("Why?\n\nMove it.", id="why"), widget, prose("It falls.", id="p")]) == []
    guess = code('widgets.guess("16-cavity", "?", load_experiment("learned_cavity"))', id="guess")
    assert spoilers([widget, guess]) == ["guess: try, above it, shows learned_cavity"]
    assert spoilers([guess, widget]) == []


@pytest.mark.parametrize("path", notebooks("exercises"), ids=name)
def test_exercises_are_stripped_and_have_a_source(path: Path) -> None:
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    ran = [cell.id for cell in cells if cell.outputs or cell.execution_count is not None]
    assert not ran, f"cells with outputs: {ran}"
    assert not [cell.id for cell in cells if "BEGIN SOLUTION" in cell.source]
    assert (REPO / "solutions" / path.name).exists(), "exercises are generated from solutions/"


def test_every_solution_has_its_exercise() -> None:
    assert {p.name for p in notebooks("solutions")} == {p.name for p in notebooks("exercises")}


@pytest.mark.parametrize("path", notebooks("solutions"), ids=name)
def test_three_to_seven_questions_each_with_hint_self_check_and_points(path: Path) -> None:
    """A question begins at a numbered heading; a written one needs neither hint nor self-check."""
    questions: list[list[nbformat.NotebookNode]] = []
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "markdown" and re.match(r"## \d", cell.source):
            questions.append([])
        if questions:
            questions[-1].append(cell)
    assert 3 <= len(questions) <= 7
    hidden = [cell for cell in questions[-1] if cell.metadata.get("bnt", {}).get("hidden")]
    assert any(cell.metadata.bnt.get("seed") for cell in hidden), "hidden checks draw their inputs from the seed"
    unseen = sum(cell.metadata.nbgrader.grade for cell in hidden)
    for question in questions:
        title, text = question[0].source.splitlines()[0], "".join(cell.source for cell in question)
        (answer,) = [cell for cell in question if cell.metadata.get("nbgrader", {}).get("solution")]
        if answer.cell_type == "markdown":
            unseen += 1  # a person looks at it
            continue
        assert "<details>" in text, f"{title}: no hint that unfolds"
        assert "self_check(" in text, f"{title}: no self-check"
    assert unseen >= len(questions) - 1, "all questions but one need a check on inputs that learners do not see"
