"""The paper: the grader's own copy of an exercise, with what the reference solution prints in every check."""

from __future__ import annotations

import ast
import builtins
import copy
import hashlib
from typing import Any

import nbformat
from nbformat import NotebookNode

from bnt.errors import FormatError
from bnt.grading.source import Source, blanked, hidden, nbgrader, own, role, solved, tolerance
from bnt.policy import imported_names

REPLACED = 'raise RuntimeError("{}")'


def build_paper(source: Source, outputs: dict[str, list[Any]] | None = None) -> dict[str, Any]:
    """Plain JSON values that a worker needs: the cells to run, in order, and the rules of the exercise.

    Prose and self-checks are left out. With ``outputs`` (of the reference run, by cell id) checks hold them.
    """
    cells: list[dict[str, Any]] = []
    seed = source.seed
    defined: dict[str, frozenset[str]] = {}
    for cell in source.cells():
        if cell.cell_type != "code" or is_self_check(cell) or own(cell).get("seed"):
            continue
        kind = role(cell)
        if kind == "answer":
            defined[cell.id] = reaching(source, names_bound(solved(cell.source)))
        kept = (outputs or {}).get(cell.id, []) if kind == "check" else []
        cells.append(
            {
                "id": cell.id,
                "role": kind,
                "hidden": hidden(cell),
                "points": nbgrader(cell).get("points"),
                "hint": own(cell).get("hint", ""),
                "answers": [name for name, bound in defined.items() if bound & names_read(cell.source)],
                "lines": own(cell).get("lines", ""),
                "tolerance": list(tolerance(cell)),
                "source": with_number(solved(cell.source), seed) if hidden(cell) else solved(cell.source),
                "blank": blanked(cell.source),
                "outputs": [out for out in kept if out.get("name") != "stderr"],
            }
        )
    written = {cell.id: nbgrader(cell).points for cell in source.cells("written")}
    cells.sort(key=lambda cell: cell["hidden"])  # nothing that a learner sees runs after a hidden input was drawn
    return {
        "cells": cells,
        "written": written,
        "allowed": [*source.allowed_imports, "bnt.exercise"],
        "names": imported_names(_trees(source)),
        "protected": protected_names(source),
    }


def reaching(source: Source, names: frozenset[str]) -> frozenset[str]:
    """The names themselves and the functions of locked cells that use them: a check may ask by way of a function."""
    functions = {
        node.name: {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
        for cell in source.cells("other")
        if cell.cell_type == "code" and not is_self_check(cell)
        for node in ast.parse(_python_of(cell.source)).body
        if isinstance(node, ast.FunctionDef)
    }
    while more := frozenset(name for name, read in functions.items() if read & names) - names:
        names |= more
    return names


def with_number(text: str, seed: int | None) -> str:
    """A hidden cell with the number in the place of the name ``seed``: no kernel holds that name."""
    lines = [line.encode() for line in text.split("\n")]
    places = [
        (node.lineno - 1, node.col_offset)
        for node in ast.walk(ast.parse(_python_of(text)))
        if isinstance(node, ast.Name) and node.id == "seed"
    ]
    for row, column in sorted(places, reverse=True):
        if not lines[row][column:].startswith(b"seed"):  # inside an f-string older Pythons do not say where
            raise FormatError(f"a hidden cell reads the seed in a way that cannot be filled in: {text[:60]!r}")
        lines[row] = lines[row][:column] + f"({seed})".encode() + lines[row][column + len("seed") :]
    return b"\n".join(lines).decode()


def names_bound(text: str) -> frozenset[str]:
    """Names that a cell defines or assigns at top level; those that run inside a comprehension stay in it."""
    found: set[str] = set()
    for node in ast.parse(_python_of(text)).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
            continue
        inside = {n for c in ast.walk(node) if isinstance(c, ast.comprehension) for n in ast.walk(c.target)}
        stored = (n for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))
        found |= {n.id for n in stored if n not in inside}
    return frozenset(found)


def names_read(text: str) -> frozenset[str]:
    """Every name that a cell uses."""
    return frozenset(n.id for n in ast.walk(ast.parse(_python_of(text))) if isinstance(n, ast.Name))


def is_self_check(cell: NotebookNode) -> bool:
    """An ungraded cell that runs inside ``attempt()`` speaks to the learner only and is not run when grading."""
    return role(cell) == "other" and "attempt(" in cell.source


def protected_names(source: Source) -> list[str]:
    """What no answer may bind anew: builtins and functions of locked cells, where checks or locked cells use them."""
    locked, read, answers = set(dir(builtins)), set[str](), set[str]()
    for cell in source.cells():
        if cell.cell_type != "code" or is_self_check(cell):
            continue
        if role(cell) == "answer":
            answers |= names_bound(solved(cell.source)) | names_bound(blanked(cell.source))
            continue
        body = ast.parse(_python_of(cell.source)).body
        read |= names_read(cell.source) - names_bound(cell.source)
        if role(cell) == "other":
            locked |= {node.name for node in body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
            read |= {node.name for node in body if isinstance(node, ast.FunctionDef)}
    return sorted((locked & read) - answers)


def _trees(source: Source) -> list[ast.Module]:
    return [ast.parse(_python_of(cell.source)) for cell in source.cells("other", "check") if cell.cell_type == "code"]


def _python_of(text: str) -> str:
    from IPython.core.inputtransformer2 import TransformerManager

    return TransformerManager().transform_cell(text)


def assemble(
    paper: dict[str, Any], answers: dict[str, str], replaced: dict[str, str], *, own_copy: bool = True
) -> NotebookNode:
    """The notebook to run: locked cells of the paper, the learner's answers, and a plain error in ``replaced`` cells.

    Checks carry the expected outputs, and only those are compared. ``own_copy=False`` (attack suite) lets
    a submission bring its own checks.
    """
    cells, ids = [], {cell["id"] for cell in paper["cells"]}
    added: dict[str, list[NotebookNode]] = {}
    for key, text in answers.items():
        if key.startswith("added:"):
            _, number, before = key.split(":")
            text = REPLACED.format(replaced[key]) if key in replaced else text
            node = nbformat.v4.new_code_cell(text, id=f"added_{number}")
            node.metadata.update(tags=["nbval-ignore-output"], bnt={"role": "answer", "lines": "", "tolerance": []})
            added.setdefault(before if before in ids else "", []).append(node)
    for cell in paper["cells"]:
        if cell["hidden"]:
            cells += added.pop("", [])
        cells += added.pop(cell["id"], [])
        text = cell["source"]
        if cell["role"] == "answer":
            text = answers.get(cell["id"], cell["blank"])
        elif not own_copy:
            text = answers.get(cell["id"], text)
        if cell["id"] in replaced:
            text = REPLACED.format(replaced[cell["id"]])
        node = nbformat.v4.new_code_cell(text, id=cell["id"])
        if cell["role"] == "check":
            node.outputs, node.execution_count = copy.deepcopy(nbformat.from_dict(cell["outputs"])), 1
        else:
            node.metadata["tags"] = ["nbval-ignore-output"]
        node.metadata["bnt"] = {key: cell[key] for key in ("role", "lines", "tolerance")}
        cells.append(node)
    cells += added.pop("", [])
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": {"name": "python3", "display_name": ""}})


def digests(answers: dict[str, str]) -> list[str]:
    """SHA-256 of each answer, by which the kernel knows the learner's cells."""
    return sorted(hashlib.sha256(text.encode("utf-8", "replace")).hexdigest() for text in answers.values())
