"""``bnt release``: from a solved source notebook to the exercise that learners get.

What learners get is a pure function of the source (versions.py), so two releases are byte-identical. Before anything
is written the source is executed: twice solved (checks must reproduce, whatever type of number comes), and once
unanswered.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from bnt.errors import FormatError
from bnt.exercise import NOT_ANSWERED
from bnt.grading.answers import asked
from bnt.grading.bundle import lessons, to_install
from bnt.grading.compare import same, tokens
from bnt.grading.disguise import FLOAT32_NEEDS, MODES
from bnt.grading.execute import execute, printed_by_id
from bnt.grading.nbgrader_export import assignment
from bnt.grading.source import Source, hidden, is_property, own, read_source, regions, role, tolerance
from bnt.grading.versions import exercise, serialise, solution, unanswered

TELLING = 12  # a solution line with fewer characters (blanks not counted) gives nothing away


def check_by_running(source: Source, *, another_seed: int | None = None) -> None:
    """Execute the source and raise FormatError for what only running shows.

    Solved twice: every check prints something, the same both times. Once more in other types of numbers, and off by
    1e-13: no check minds. With another seed: every hidden check minds, those of properties excepted. Unanswered: runs
    to its end, and no check prints what the solved one prints.
    """
    name, source = source.path.name, source.with_seed(another_seed)
    first = printed_by_id(execute(every_way(source), name))
    second = printed_by_id(execute(solution(source), name))
    blank = printed_by_id(execute(unanswered(source), f"{name} unanswered"))
    for cell in source.cells("check"):
        own_text = first[cell.id]
        if not own_text.strip() or NOT_ANSWERED in own_text:
            raise FormatError(f"{name}: check {cell.id} must print values of the solution, it prints {own_text!r}")
        if own_text != second[cell.id]:
            raise FormatError(
                f"{name}: check {cell.id} prints something else on a second run: draw its inputs from the seed"
            )
        if re.search(r"\bat 0x[0-9a-f]{6,}", own_text):
            raise FormatError(f"{name}: check {cell.id} prints a memory address; print values instead")
        if blank[cell.id] == own_text:
            raise FormatError(
                f"{name}: check {cell.id} prints the same without an answer, it would give points for nothing"
            )
        if NOT_ANSWERED not in blank[cell.id]:
            raise FormatError(
                f"{name}: check {cell.id} must print {NOT_ANSWERED!r} when unanswered: use 'with attempt():'"
            )
        _refuse_sensitive(name, cell, first)
    _refuse_leaked_outputs(source, first)


def _refuse_sensitive(name: str, cell: NotebookNode, printed: dict[str, str]) -> None:
    """FormatError if the check gives another verdict on a right answer in other clothes, or ignores the seed."""
    expected, allowed = printed[cell.id], tolerance(cell)
    for number, (mode, (_, described, cure)) in enumerate(MODES.items()):
        if mode == "float32" and allowed.relative < FLOAT32_NEEDS:
            continue
        if not same(printed[f"{cell.id}-way-{number}"], expected, allowed):
            raise FormatError(f"{name}: check {cell.id} changes when right results come {described}: {cure}")
    if is_property(cell):
        if not any(kind == "number" for kind, _ in tokens(expected)):
            raise FormatError(f"{name}: the property check {cell.id} must print the quantity that it measured")
    elif hidden(cell) and printed[f"{cell.id}-other-seed"] == expected:
        raise FormatError(
            f"{name}: the hidden check {cell.id} prints the same for every seed: draw its inputs from the seed, "
            "or print what it measures and mark it with bnt.property"
        )


def every_way(source: Source) -> NotebookNode:
    """The solution, then every check again for each of ``MODES``, then the hidden ones with another seed.

    The ids of the repeated cells end in ``-way-N`` and ``-other-seed``.
    """
    notebook = solution(source)
    cells: list[NotebookNode] = [_plain_cell("_given = {}")]
    for cell in notebook.cells:
        cells.append(cell)
        if role(cell) == "answer":
            names = sorted(asked(next(c.source for c in source.cells("answer") if c.id == cell.id)))
            cells.append(_plain_cell(f"_given.update({{name: globals()[name] for name in {names!r}}})"))
    checks = [cell for cell in notebook.cells if role(cell) == "check"]
    for number, mode in enumerate(MODES):
        text = f"globals().update({{name: dressed(value, {mode!r}) for name, value in _given.items()}})"
        cells.append(_plain_cell(f"from bnt.grading.disguise import dressed\n{text}"))
        cells += [_again(cell, f"-way-{number}") for cell in checks]
    cells.append(_plain_cell(f"globals().update(_given)\nseed = {(source.seed or 0) + 7919}"))
    cells += [_again(cell, "-other-seed") for cell in checks if hidden(cell)]
    notebook.cells = cells
    return notebook


def _plain_cell(text: str) -> NotebookNode:
    return new_code_cell(text)


def _again(cell: NotebookNode, ending: str) -> NotebookNode:
    return new_code_cell(cell.source, id=cell.id + ending, metadata={"tags": ["raises-exception"]})


def refuse_order(source: Source) -> None:
    """FormatError for a hidden cell above an answer or a visible check: what is seen would run after it."""
    secret = ""
    for cell in source.cells():
        if hidden(cell):
            secret = secret or cell.id
        elif secret and role(cell) in ("answer", "check"):
            raise FormatError(
                f"{source.path.name}: the hidden cell {secret} stands above {cell.id}, which learners see: move hidden "
                "cells to the end"
            )


def refuse_shared_ids(sources: list[Source]) -> None:
    """FormatError where two exercises of one release share the id of an answer or a check."""
    owner: dict[str, str] = {}
    for source in sources:
        for cell in source.cells("answer", "written", "check"):
            if cell.id in owner:
                raise FormatError(
                    f"{source.path.name} and {owner[cell.id]} share the id {cell.id}: in one release every answer and "
                    "check has its own"
                )
            owner[cell.id] = source.path.name


def refuse_leaks(source: Source, notebook: NotebookNode) -> None:
    """FormatError if a telling line of a solution, or a hidden cell, can be read in the released notebook."""
    shown = {line.strip() for cell in notebook.cells for line in cell.source.split("\n")}
    prose = "\n".join(cell.source for cell in notebook.cells if cell.cell_type != "code")
    for cell in source.cells("answer"):
        for line in "\n".join(regions(cell)).split("\n"):
            line = line.strip()
            telling = len("".join(line.split())) >= TELLING and not line.startswith(("#", "import ", "from "))
            if telling and (line in shown or line in prose):
                raise FormatError(
                    f"{source.path.name}: the release shows a line of the solution of {cell.id}: {line!r}"
                )
    text = serialise(notebook)
    sources = {cell.source.strip() for cell in notebook.cells}
    for cell in source.cells():
        if hidden(cell) and (f'"{cell.id}"' in text or cell.source.strip() in sources):
            raise FormatError(f"{source.path.name}: the release shows the hidden cell {cell.id}")


def _refuse_leaked_outputs(source: Source, outputs: dict[str, str]) -> None:
    text = serialise(exercise(source))
    for cell in source.cells("check"):
        lines = (line.strip() for line in outputs[cell.id].split("\n"))
        for line in lines:
            if len(line) >= TELLING and len(re.sub(r"[\s\[\](),.01]", "", line)) >= 4 and line in text:
                raise FormatError(f"{source.path.name}: the release shows what {cell.id} should print: {line!r}")


def release(
    sources: Iterable[Path | str],
    out: Path | str,
    *,
    bundle: bool = False,
    seed: int | None = None,
    run: bool = True,
    nbgrader_course: bool = False,
    wheel: Path | None = None,
) -> list[Path]:
    """Validate every source, then write exercises to ``out`` (``out/exercises`` in a bundle); return files.

    Nothing is written unless all sources pass. ``run=False`` leaves out the executions. ``nbgrader_course`` writes
    assignments for nbgrader instead, solutions inside, to ``out/source``. A bundle has lessons, a README, and bnt as
    a ``wheel`` to install (default: built now).
    """
    out = Path(out)
    read = [read_source(path) for path in sources]
    folder = out / "exercises" if bundle else out
    _refuse_clashes(read, folder)
    refuse_shared_ids(read)
    texts: dict[Path, str] = {}
    for source in read:
        notebook = exercise(source)
        refuse_order(source)
        refuse_leaks(source, notebook)
        if run:
            check_by_running(source, another_seed=seed)
        if not nbgrader_course:
            texts[folder / source.path.name] = serialise(notebook)
    beside = _beside(read, wheel) if bundle else {}
    for source in read if nbgrader_course else ():
        folder = out / "source" / source.stem
        texts[folder / source.path.name] = serialise(assignment(source.with_seed(seed)))
    for target, text in texts.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    for name, content in beside.items():
        target = out / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return [*texts, *(out / name for name in beside)]


def _refuse_clashes(sources: list[Source], folder: Path) -> None:
    names = [source.path.name for source in sources]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise FormatError(f"two sources are called {twice[0]}; a release writes one file per name")
    for source in sources:
        if (folder / source.path.name).resolve() == source.path.resolve():
            raise FormatError(f"--out {folder} holds the source {source.path.name}; release to another folder")


def _beside(sources: list[Source], wheel: Path | None) -> dict[str, bytes]:
    """What a class folder holds beside the exercises, by name; refuses a lesson that holds an answer."""
    paths = [source.path for source in sources]
    files = lessons(paths)
    for name, content in files.items():
        if name.endswith(".ipynb"):
            _refuse_whole_answers(sources, Path(name).name, content.decode("utf-8"))
    return files | to_install(paths, wheel)


def _refuse_whole_answers(sources: list[Source], lesson: str, content: str) -> None:
    text = "".join("".join(cell.source.split()) for cell in nbformat.reads(content, as_version=4).cells)
    for source in sources:
        for cell in source.cells("answer"):
            for region in () if own(cell).get("in_lesson") else regions(cell):
                packed = "".join(region.split())
                if len(packed) >= 4 * TELLING and packed in text:
                    raise FormatError(
                        f"{lesson}: the lesson shows the whole answer {cell.id} of {source.path.name}; "
                        "where that is meant, give the answer cell the metadata bnt.in_lesson: true"
                    )
        for cell in source.cells():
            if hidden(cell) and role(cell) == "check" and "".join(cell.source.split()) in text:
                raise FormatError(f"{lesson}: the lesson shows the hidden check {cell.id} of {source.path.name}")
