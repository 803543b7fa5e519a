"""Build a source notebook in a few lines of Python: one function per kind of cell (docs/exercise_format.md).

The notebook is the source that is kept; a script like this only gives it its first shape.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from bnt.grading.execute import execute
from bnt.grading.source import read_source
from bnt.grading.versions import serialise


def _marks(name: str, *, grade: bool, solution: bool, locked: bool, points: float | None = None) -> dict[str, Any]:
    marks = {
        "schema_version": 3,
        "grade_id": name,
        "grade": grade,
        "solution": solution,
        "locked": locked,
        "task": False,
    }
    return {"nbgrader": marks if points is None else {**marks, "points": points}}


def prose(name: str, text: str) -> NotebookNode:
    """A markdown cell."""
    return new_markdown_cell(text, id=name)


def locked(name: str, text: str) -> NotebookNode:
    """A code cell that learners run but do not change: imports, models, self-checks."""
    return new_code_cell(text, id=name, metadata=_marks(name, grade=False, solution=False, locked=True))


def answer(name: str, text: str) -> NotebookNode:
    """A code cell with ``### BEGIN SOLUTION`` / ``### END SOLUTION`` around what learners write."""
    return new_code_cell(text, id=name, metadata=_marks(name, grade=False, solution=True, locked=False))


def written(name: str, points: float, text: str) -> NotebookNode:
    """A markdown answer that a person grades; ``text`` is the model answer."""
    return new_markdown_cell(
        text, id=name, metadata=_marks(name, grade=True, solution=True, locked=False, points=points)
    )


def check(
    name: str,
    points: float,
    text: str,
    *,
    hidden: bool = False,
    hint: str = "",
    tolerance: dict[str, float] | None = None,
    lines: str = "",
    property: bool = False,
) -> NotebookNode:
    """A graded check: prints values of the learner's functions with ``show``. ``hint`` goes into the feedback.

    ``tolerance``: ``{"relative": 1e-6, "absolute": 1e-9}`` unless stated; ``lines="each"``: every printed line earns
    its part; ``property``: it prints what it measured on the answer, the same for every seed.
    """
    marks = _marks(name, grade=True, solution=False, locked=True, points=points)
    options = {"hidden": hidden, "hint": hint, "tolerance": tolerance, "lines": lines, "property": property}
    extra: dict[str, Any] = {key: value for key, value in options.items() if value}
    return new_code_cell(text, id=name, metadata={**marks, "bnt": extra} if extra else marks)


def seed(value: int) -> NotebookNode:
    """The hidden cell ``seed = ...`` that hidden checks draw inputs from; a grader may set another number."""
    cell = locked("seed", f"seed = {value}")
    cell.metadata["bnt"] = {"hidden": True, "seed": True}
    return cell


def write_source(path: Path | str, cells: Iterable[NotebookNode], *, allowed_imports: Iterable[str] = ()) -> Path:
    """Execute the cells and write them with outputs as a source notebook; FormatError if a rule is broken."""
    notebook = new_notebook(cells=list(cells), metadata={"bnt": {"allowed_imports": list(allowed_imports)}})
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    path = Path(path)
    run = execute(notebook, path.name)
    for cell in run.cells:
        cell.metadata.pop("execution", None)  # times of the run
    run.metadata = nbformat.from_dict(
        {
            "kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"},
            "language_info": {"name": "python"},
            "bnt": notebook.metadata["bnt"],
        }
    )
    path.write_text(serialise(run), encoding="utf-8")
    read_source(path)
    return path
