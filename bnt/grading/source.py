"""The source of an exercise: one solved notebook, and every rule it must keep (docs/exercise_format.md).

Cells carry nbgrader schema-3 metadata and a hand-set id. A cell's role follows from that metadata:

- ``answer``: code with ``### BEGIN SOLUTION`` / ``### END SOLUTION`` regions that learners write
- ``written``: markdown (or code) answer that a person grades
- ``check``: locked code cell with points that PRINTS values of the learner's functions
- ``other``: prose, set-up, self-checks
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from bnt.errors import FormatError
from bnt.grading.compare import Tolerance

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
STUB = 'raise NotImplementedError("not answered yet")'
BLANK_TEXT = "*Your answer here (double-click to edit).*"
MACHINE_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})?")
READABLE_ID = re.compile(r"[a-z][a-z0-9-]{0,63}")
SEED_CELL = re.compile(r"seed = (\d+)\s*")


@dataclass(frozen=True)
class Source:
    """A validated source notebook. ``notebook`` is never changed: take ``fresh()`` to build on it."""

    path: Path
    notebook: NotebookNode

    @property
    def stem(self) -> str:
        return self.path.stem

    @property
    def allowed_imports(self) -> tuple[str, ...]:
        """Dotted names that answers may import or use; everything else is refused when grading."""
        return tuple(self.notebook.metadata.get("bnt", {}).get("allowed_imports", ()))

    def fresh(self) -> NotebookNode:
        """A deep copy of the notebook."""
        return copy.deepcopy(self.notebook)

    def cells(self, *roles: str) -> Iterator[NotebookNode]:
        """The cells with one of these roles, in order (all cells without an argument)."""
        return (cell for cell in self.notebook.cells if not roles or role(cell) in roles)

    @property
    def seed(self) -> int | None:
        """The seed from which hidden inputs are drawn, as written in the seed cell."""
        for cell in self.notebook.cells:
            if own(cell).get("seed"):
                return int(SEED_CELL.fullmatch(cell.source)[1])  # type: ignore[index]  # validated
        return None

    def with_seed(self, seed: int | None) -> Source:
        """The same source with another seed (``None`` keeps the one in the file)."""
        if seed is None:
            return self
        if self.seed is None:
            raise FormatError(f"{self.path.name}: --seed was given but no cell has metadata bnt.seed")
        notebook = self.fresh()
        for cell in notebook.cells:
            if own(cell).get("seed"):
                cell.source = f"seed = {seed}"
        return Source(self.path, notebook)


def nbgrader(cell: NotebookNode) -> NotebookNode:
    """The cell's nbgrader metadata (empty when it has none)."""
    return cell.metadata.get("nbgrader", NotebookNode())


def own(cell: NotebookNode) -> NotebookNode:
    """The cell's ``bnt`` metadata: hidden, seed, hint, lines, tolerance, property (empty when it has none)."""
    return cell.metadata.get("bnt", NotebookNode())


def role(cell: NotebookNode) -> str:
    """``answer``, ``written``, ``check`` or ``other``."""
    marks = nbgrader(cell)
    if marks.get("solution"):
        return "written" if marks.get("grade") else "answer"
    return "check" if marks.get("grade") else "other"


def tolerance(cell: NotebookNode) -> Tolerance:
    """How far numbers of a check may be off: ``bnt.tolerance`` of the cell, else the normal one."""
    return Tolerance(**own(cell).get("tolerance", {}))


def is_property(cell: NotebookNode) -> bool:
    """True for a check that prints a quantity which it measured on the answer, the same for every seed."""
    return bool(own(cell).get("property"))


def hidden(cell: NotebookNode) -> bool:
    """True for cells that learners never see."""
    return bool(own(cell).get("hidden"))


def regions(cell: NotebookNode) -> list[str]:
    """The texts between solution markers; FormatError where markers do not pair up."""
    found: list[str] = []
    inside: list[str] | None = None
    for line in cell.source.split("\n"):
        mark = line.strip()
        if mark == BEGIN:
            if inside is not None:
                raise FormatError(f"cell {cell.id}: {BEGIN} inside a region that is already open")
            inside = []
        elif mark == END:
            if inside is None:
                raise FormatError(f"cell {cell.id}: {END} without {BEGIN}")
            found.append("\n".join(inside))
            inside = None
        elif "BEGIN SOLUTION" in line or "END SOLUTION" in line:
            raise FormatError(f"cell {cell.id}: write the marker exactly as {BEGIN!r} or {END!r}, not {mark!r}")
        elif inside is not None:
            inside.append(line)
    if inside is not None:
        raise FormatError(f"cell {cell.id}: {BEGIN} is never closed with {END}")
    return found


def solved(text: str) -> str:
    """The text without its marker lines, as a perfect learner would hand it in."""
    return "\n".join(line for line in text.split("\n") if line.strip() not in (BEGIN, END))


def blanked(text: str) -> str:
    """The text with each region replaced by a stub: an error inside a function, a comment at top level."""
    lines, skipping = [], False
    for line in text.split("\n"):
        if line.strip() == BEGIN:
            indent = line[: len(line) - len(line.lstrip())]
            lines.append(f"{indent}# YOUR CODE HERE")
            if indent:
                lines.append(indent + STUB)
            skipping = True
        elif line.strip() == END:
            skipping = False
        elif not skipping:
            lines.append(line)
    return "\n".join(lines)


def read_source(path: Path | str) -> Source:
    """Read and validate a source notebook; FormatError names the file, the cell and the rule."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        _validate_ids(json.loads(text))  # before nbformat, which quietly invents missing and repeated ids
        notebook = nbformat.reads(text, as_version=4)
        nbformat.validate(notebook, relax_add_props=True)
    except FormatError as error:
        raise FormatError(f"{path.name}: {error}") from None
    except FileNotFoundError:
        raise FormatError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise FormatError(f"{path}: is a folder; name its notebooks, as in solutions/*.ipynb") from None
    except Exception as error:  # nbformat raises many kinds, JSON and schema errors among them
        raise FormatError(f"{path}: not a valid notebook: {str(error).splitlines()[0]}") from None
    try:
        _validate(notebook)
    except FormatError as error:
        raise FormatError(f"{path.name}: {error}") from None
    return Source(path, notebook)


def _validate_ids(raw: Any) -> None:
    if (raw["nbformat"], raw["nbformat_minor"]) < (4, 5):
        raise FormatError("cells have no ids (nbformat 4.5 needed): open and save it in JupyterLab 4")
    seen: set[str] = set()
    for number, cell in enumerate(raw["cells"], 1):
        if "id" not in cell:
            raise FormatError(f"cell number {number} has no id: {''.join(cell['source'])[:40]!r}")
        if cell["id"] in seen:
            raise FormatError(f"cell id {cell['id']!r} is used twice")
        seen.add(cell["id"])


def _validate(notebook: NotebookNode) -> None:
    if not any(role(cell) in ("check", "written") for cell in notebook.cells):
        raise FormatError("no cell is graded: give at least one check cell nbgrader metadata and points")
    _validate_imports(notebook)
    answers = [cell for cell in notebook.cells if role(cell) == "answer"]
    if answers and not any(regions(cell) for cell in answers):
        raise FormatError(
            f"no answer has a solution between {BEGIN} and {END}: is this what learners get? Give the solved notebook "
            "that it was made from"
        )
    for cell in notebook.cells:
        _validate_cell(cell)
    seeds = [cell for cell in notebook.cells if own(cell).get("seed")]
    if len(seeds) > 1:
        raise FormatError(f"more than one seed cell: {', '.join(cell.id for cell in seeds)}")
    if any(hidden(cell) and role(cell) == "check" for cell in notebook.cells) and not seeds:
        raise FormatError("hidden checks need a seed cell: 'seed = 1' with metadata bnt.seed and bnt.hidden true")


def _validate_imports(notebook: NotebookNode) -> None:
    allowed = notebook.metadata.get("bnt", {}).get("allowed_imports")
    names = allowed if isinstance(allowed, list) else []
    if allowed is None or not all(isinstance(n, str) and re.fullmatch(r"\w+(\.\w+)*", n) for n in names):
        raise FormatError(
            "notebook metadata bnt.allowed_imports must list the dotted names answers may use, "
            'such as ["numpy", "bnt.Variable"] (an empty list allows none)'
        )
    if not isinstance(allowed, list):
        raise FormatError("notebook metadata bnt.allowed_imports must be a list")


def _validate_cell(cell: NotebookNode) -> None:
    kind, marks, found = role(cell), nbgrader(cell), regions(cell)
    if found and kind != "answer":
        raise FormatError(f"cell {cell.id}: solution markers outside an answer cell (nbgrader solution: true)")
    if own(cell).get("seed") and not (SEED_CELL.fullmatch(cell.source) and hidden(cell) and kind == "other"):
        raise FormatError(f"cell {cell.id}: a seed cell is hidden, ungraded and reads 'seed = <whole number>'")
    if kind == "other":
        return
    if MACHINE_ID.fullmatch(cell.id) or not READABLE_ID.fullmatch(cell.id):
        raise FormatError(f"cell {cell.id}: give it a readable id such as 'check-normalise' (a-z, 0-9, -)")
    if marks.get("grade_id") != cell.id:
        raise FormatError(f"cell {cell.id}: nbgrader grade_id is {marks.get('grade_id')!r}, must equal the cell id")
    if marks.get("schema_version") != 3:
        raise FormatError(f"cell {cell.id}: nbgrader schema_version must be 3")
    if kind == "answer":
        if cell.cell_type != "code":
            raise FormatError(f"cell {cell.id}: an answer cell is code; a graded markdown answer needs grade: true")
        if not any(region.strip() for region in found):
            raise FormatError(f"cell {cell.id}: an answer cell needs text between {BEGIN} and {END}")
        if hidden(cell):
            raise FormatError(f"cell {cell.id}: an answer cell cannot be hidden")
        return
    points = marks.get("points")
    if isinstance(points, bool) or not isinstance(points, (int, float)) or not points > 0:
        raise FormatError(f"cell {cell.id}: a graded cell needs points above 0, not {points!r}")
    _validate_comparison(cell)
    if kind == "check" and cell.cell_type != "code":
        raise FormatError(f"cell {cell.id}: a check must be a code cell")
    if kind == "check" and not marks.get("locked"):
        raise FormatError(f"cell {cell.id}: a check must be locked (nbgrader locked: true)")
    if kind == "written" and hidden(cell):
        raise FormatError(f"cell {cell.id}: a written answer cannot be hidden")


def _validate_comparison(cell: NotebookNode) -> None:
    marks = own(cell)
    given = marks.get("tolerance", {})
    number = (
        {k: v for k, v in given.items() if isinstance(v, (int, float)) and v >= 0} if hasattr(given, "items") else {}
    )
    if number != given or not set(number) <= {"relative", "absolute"}:
        raise FormatError(
            f'cell {cell.id}: bnt.tolerance names numbers that are not negative, such as {{"relative": 1e-6, '
            f'"absolute": 1e-9}}, not {given!r}'
        )
    if marks.get("lines", "each") != "each":
        raise FormatError(f'cell {cell.id}: bnt.lines is "each" (every line earns its part) or left out')
