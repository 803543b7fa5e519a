"""Written answers: a spreadsheet in which the instructor enters points, kept from run to run.

It may also hold points for a check: they stand instead of the automatic ones.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bnt.errors import FormatError
from bnt.grading.report import safe_cell, write_whole
from bnt.grading.roster import keys, separator_of, text_of
from bnt.grading.source import BLANK_TEXT, Source, nbgrader
from bnt.grading.submissions import Submission

FILE = "manual.csv"
COLUMNS = ["learner", "cell", "out of", "points", "comment", "answer", "digest"]
SHOWN = 2000  # characters of an answer in the spreadsheet; the feedback page holds it whole
CUT = " [...] (cut here: the feedback page holds it whole)"


@dataclass
class Entry:
    """One line of the spreadsheet. ``points`` is None until somebody enters them."""

    learner: str
    cell: str
    out_of: float
    points: float | None
    comment: str
    answer: str
    digest: str


Entries = dict[tuple[str, str], Entry]


def answer_of(one: Submission, name: str, written: bool) -> str:
    """The text that points for this cell belong to: the written answer, or all code answers for a check."""
    if written:
        return one.answers.get(name, "")
    return json.dumps(one.answers, sort_keys=True)


def mark_of(text: str) -> str:
    """Digest of an answer; a letter in front, or a spreadsheet takes digits for a number."""
    return "d" + hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:15]


def update(out: Path, source: Source, chosen: list[Submission]) -> Entries:
    """Add a line for every new written answer to ``out/manual.csv`` and return all lines by (learner, cell).

    Points that were entered are never lost: when an answer changes afterwards, or the question is worth less now,
    what was entered moves into the comment.
    """
    written = {cell.id: nbgrader(cell).points for cell in source.cells("written")}
    checks = {cell.id: nbgrader(cell).points for cell in source.cells("check")}
    path = out / FILE
    kept = _called_as_now(read(path), chosen) if path.is_file() else {}
    for one in chosen:
        for name, out_of in {**written, **checks}.items():
            key = (safe_cell(one.learner), name)
            old = kept.get(key)
            text = answer_of(one, name, name in written)
            if name in checks and old is None:
                continue
            if one.problem or (name in written and text.strip() in ("", BLANK_TEXT)):
                continue
            shown = (text if len(text) <= SHOWN else text[:SHOWN] + CUT) if name in written else ""
            kept[key] = _renewed(Entry(key[0], name, out_of, None, "", safe_cell(shown), mark_of(text)), old)
    if kept or path.is_file():
        write(path, kept)
    return {
        (one.learner, name): kept[key]
        for one in chosen
        for name in [*written, *checks]
        if (key := (safe_cell(one.learner), name)) in kept
    }


def _renewed(fresh: Entry, old: Entry | None) -> Entry:
    """The line with what was entered before."""
    if old is None:
        return fresh
    same = old.digest.lstrip("d") == fresh.digest.lstrip("d") or old.digest[:15] == fresh.digest[1:]
    if same:
        fresh.points, fresh.comment = old.points, old.comment
        if old.points is not None and old.points > fresh.out_of:
            fresh.points = fresh.out_of
            fresh.comment = f"{old.comment} ({old.points:g} points when it was worth {old.out_of:g})".strip()
    elif old.points is not None or old.comment:
        before = f"{old.points:g} points" if old.points is not None else "no points"
        fresh.comment = f"(for an earlier answer: {before}) {old.comment}"
    return fresh


def _called_as_now(entries: Entries, chosen: list[Submission]) -> Entries:
    """Names that a spreadsheet changed (0042 to 42) are those of the learners again, where only one fits."""
    names = {safe_cell(one.learner) for one in chosen}
    found: Entries = {}
    for (learner, cell), entry in entries.items():
        if learner not in names:
            like = [name for name in names if keys(name.lstrip("'")) & keys(learner.lstrip("'"))]
            if len(like) == 1 and (like[0], cell) not in entries:
                learner = entry.learner = like[0]
        found[learner, cell] = entry
    return found


def read(path: Path) -> Entries:
    """Read the spreadsheet as any program saves it (comma or semicolon, decimal point or comma, UTF-8 or cp1252)."""
    text = text_of(path)
    lines = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator_of(text))
    if lines.fieldnames is None or not set(COLUMNS) <= set(lines.fieldnames):
        raise FormatError(f"{path}: the first line must name the columns {', '.join(COLUMNS)}")
    entries = {}
    for line in lines:
        values = {name: line[name] or "" for name in COLUMNS}
        where = f"{path}: learner {values['learner']!r}, cell {values['cell']!r}"
        out_of = _number(values["out of"], where)
        points = _number(values["points"], where) if values["points"].strip() else None
        if points is not None and not 0 <= points <= out_of:
            raise FormatError(f"{where}: points must lie between 0 and {values['out of']}, not {values['points']!r}")
        entries[values["learner"], values["cell"]] = Entry(
            values["learner"], values["cell"], out_of, points, values["comment"], values["answer"], values["digest"]
        )
    return entries


def _number(text: str, where: str) -> float:
    try:
        return float(text.strip().lstrip("'").replace(",", "."))
    except ValueError:
        raise FormatError(f"{where}: {text!r} is not a number of points") from None


def write(path: Path, entries: Entries) -> None:
    """Write the spreadsheet, by learner and cell."""
    lines = io.StringIO(newline="")
    writer = csv.writer(lines, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for key in sorted(entries):
        e = entries[key]
        points = "" if e.points is None else f"{e.points:g}"
        writer.writerow([e.learner, e.cell, f"{e.out_of:g}", points, safe_cell(e.comment), e.answer, e.digest])
    write_whole(path, "\ufeff" + lines.getvalue())


def as_check(entry: Entry | None, out_of: float, one: Submission) -> dict[str, Any]:
    """The line of a written answer as a check of the report."""
    if entry is None:
        return {"points": 0, "out_of": out_of, "result": "not answered", "reason": one.problem or "not answered yet"}
    answer = one.answers.get(entry.cell, "")
    if entry.points is None:
        found: dict[str, Any] = {"points": 0, "result": "to be graded", "reason": "a person reads this; points follow"}
    else:
        found = by_person(entry)
    return {**found, "out_of": out_of, "answer": answer}


def by_person(entry: Entry) -> dict[str, Any]:
    """Points and reason as a person gave them."""
    points = entry.points or 0
    points = int(points) if points == int(points) else points
    return {"points": points, "result": "graded by a person", "reason": entry.comment.lstrip("'") or "graded"}


def written_cells(paper: dict[str, Any]) -> dict[str, float]:
    """Id of each written cell -> points."""
    return dict(paper["written"])
