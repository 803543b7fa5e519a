"""``bnt check``: what the grader would refuse in a notebook, before it is handed in. Nothing is run."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

from bnt import policy
from bnt.errors import FormatError
from bnt.grading.answers import defines, dict_of, text_of
from bnt.grading.source import BLANK_TEXT, STUB

FINE = "nothing is refused"


def look(path: Path) -> list[tuple[str, str]]:
    """(cell, what is wrong with it) for the answers and the added cells of a released exercise; empty when all is well.

    Raises FormatError where the file is no exercise.
    """
    try:
        notebook = json.loads(path.read_text(encoding="utf-8-sig"))
        cells = [cell for cell in notebook["cells"] if isinstance(cell, dict)]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise FormatError(f"{path}: not a notebook") from None
    marks = dict_of(dict_of(notebook.get("metadata")).get("bnt"))
    if not isinstance(marks.get("allowed_imports"), list) or not isinstance(marks.get("answers"), list):
        raise FormatError(f"{path}: not a released exercise (its metadata lists no answers)")
    given = {name for name in marks.get("given", []) if isinstance(name, str)}
    rules = {
        "allowed": [*map(str, marks["allowed_imports"]), "bnt.exercise"],
        "names": policy.imported_names(_tree(cell) for cell in cells if _id(cell) in given),
    }
    found: list[tuple[str, str]] = []
    seen = {_id(cell) for cell in cells}
    found += [(name, "the cell is missing") for name in map(str, marks["answers"]) if name not in seen]
    for cell in cells:
        name, text = _id(cell), text_of(cell.get("source", ""))
        if name in marks["answers"]:
            code = dict_of(dict_of(cell.get("metadata")).get("nbgrader"))
            if text.strip() in ("", BLANK_TEXT) or STUB in text:
                found.append((name, "not answered yet"))
            elif code and not code.get("grade") and (why := policy.refusals(text, rules)):
                found.append((name, f"refused: {why}"))
        elif cell.get("cell_type") == "code" and name not in given:
            kept = [statement for statement in _tree(cell).body if defines(statement)]
            if why := policy.refusals("\n".join(map(ast.unparse, kept)), rules):
                found.append((f"an added cell ({text.strip()[:30]!r})", f"refused: {why}"))
    return found


def _id(cell: dict[str, Any]) -> str:
    metadata = dict_of(cell.get("metadata"))
    names = dict_of(metadata.get("nbgrader")).get("grade_id"), metadata.get("id"), cell.get("id")
    return next((name for name in names if isinstance(name, str)), "")


def _tree(cell: dict[str, Any]) -> ast.Module:
    try:
        return policy.parsed(policy.plain(text_of(cell.get("source", ""))))
    except policy.Refused:
        return ast.Module([], [])
