"""``bnt release --nbgrader``: the same source as an nbgrader 0.9 assignment.

nbgrader knows no expected output, so each check becomes an assertion on what its cell prints; hidden checks go
between nbgrader's own markers for hidden tests, the seed inside. Visible checks therefore show the expected text.
"""

from __future__ import annotations

import io
import tokenize

import nbformat
from nbformat import NotebookNode

from bnt.grading.compare import NORMAL, Tolerance
from bnt.grading.execute import execute, printed_by_id
from bnt.grading.source import Source, hidden, role, tolerance
from bnt.grading.versions import solution

BEGIN_HIDDEN, END_HIDDEN = "### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS"


def assignment(source: Source) -> NotebookNode:
    """The source notebook of the assignment: nbgrader's ``generate_assignment`` makes the release from it.

    Executes the solution for the expected outputs. Hidden cells without points move into the next hidden check.
    """
    expected = printed_by_id(execute(solution(source), source.path.name))
    notebook = source.fresh()
    cells, pending = [], ""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        if hidden(cell) and role(cell) != "check":
            pending += cell.source + "\n"
            continue
        if role(cell) == "check":
            text = asserting(cell.source, expected[cell.id], tolerance(cell))
            cell.source = f"{BEGIN_HIDDEN}\n{pending}{text}\n{END_HIDDEN}" if hidden(cell) else text
        cell.metadata = nbformat.from_dict({k: cell.metadata[k] for k in ("nbgrader", "tags") if k in cell.metadata})
        cells.append(cell)
    notebook.cells = cells
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"},
            "language_info": {"name": "python"},
        }
    )
    return notebook


def asserting(body: str, expected: str, allowed: Tolerance = NORMAL) -> str:
    """A check that fails unless ``body`` prints ``expected``; numbers are compared as numbers (compare.py)."""
    return "\n".join(
        [
            "import contextlib, io",
            "from bnt.grading.compare import Tolerance, same",
            "printed = io.StringIO()",
            "with contextlib.redirect_stdout(printed):",
            indented(body),
            f"expected, allowed = {expected!r}, {allowed}",
            "assert same(printed.getvalue(), expected, allowed), 'unexpected output: ' + printed.getvalue()",
        ]
    )


def indented(body: str) -> str:
    """The code four columns to the right; the inside of a string over several lines stays where it is."""
    inside: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(body).readline):
        if token.start[0] < token.end[0] and token.type not in (tokenize.NEWLINE, tokenize.NL):
            inside.update(range(token.start[0] + 1, token.end[0] + 1))
    lines = body.split("\n")
    return "\n".join(line if i in inside or not line else "    " + line for i, line in enumerate(lines, 1))
