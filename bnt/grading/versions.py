"""The versions of one source notebook: what learners get, what a perfect learner hands in, what a blank one does."""

from __future__ import annotations

import re
from collections.abc import Callable

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from bnt.grading.source import BLANK_TEXT, Source, blanked, hidden, own, role, solved

WATCH = re.compile(r"^watch\(\)[^\n]*$", re.MULTILINE)


def exercise(source: Source) -> NotebookNode:
    """The released notebook: answers blank, hidden cells, outputs and other metadata gone."""
    notebook = source.fresh()
    notebook.cells = [_released_cell(cell, source) for cell in notebook.cells if not hidden(cell)]
    if text := _partial_credit(source):
        notebook.cells.append(new_markdown_cell(text, id="partial-credit"))
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"},
            "language_info": {"name": "python"},
            "bnt": {
                "exercise": source.stem,
                "allowed_imports": list(source.allowed_imports),
                "answers": [cell.id for cell in source.cells("answer", "written")],
                "given": [c.id for c in notebook.cells if c.cell_type == "code" and role(c) in ("other", "check")],
            },
        }
    )
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def _partial_credit(source: Source) -> str:
    """What learners are told of checks in which every line earns its part of the points."""
    parted = [cell for cell in source.cells("check") if own(cell).get("lines") == "each"]
    seen = [f"`{cell.id}`" for cell in parted if not hidden(cell)]
    if unseen := sum(map(hidden, parted)):
        seen.append(f"{unseen} hidden check{'s' * (unseen > 1)}")
    return f"*Partial credit: every printed line earns its part of the points in {', '.join(seen)}.*" if seen else ""


def _released_cell(cell: NotebookNode, source: Source) -> NotebookNode:
    kind = role(cell)
    if kind == "other" and cell.cell_type == "code":
        names = source.allowed_imports or ("bnt.exercise",)  # without any name watch() is silent
        offered = ", ".join(f'"{name}"' for name in names)
        cell.source = WATCH.sub(f"watch({offered})  # says at once what the grader would refuse", cell.source)
    if cell.cell_type == "code":
        cell.outputs, cell.execution_count = [], None
    if kind == "answer":
        cell.source = blanked(cell.source)
    elif kind == "written":
        cell.source = BLANK_TEXT
    cell.metadata = nbformat.from_dict(
        {key: cell.metadata[key] for key in ("nbgrader", "tags") if key in cell.metadata}
    )
    return cell


def serialise(notebook: NotebookNode) -> str:
    """The one way a released notebook is written: sorted keys, one space of indent, final newline."""
    return str(nbformat.writes(notebook)).rstrip("\n") + "\n"


def solution(source: Source) -> NotebookNode:
    """The source without markers: what a perfect learner hands in, hidden checks included."""
    return _with_answers(source, solved)


def unanswered(source: Source) -> NotebookNode:
    """The source with blank answers, hidden checks included."""
    return _with_answers(source, blanked)


def _with_answers(source: Source, rewrite: Callable[[str], str]) -> NotebookNode:
    notebook = source.fresh()
    for cell in notebook.cells:
        if role(cell) == "answer":
            cell.source = rewrite(cell.source)
    return notebook
