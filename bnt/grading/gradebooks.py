"""The grades as learning platforms import them: Canvas, Moodle, and one plain table joined on the class list.

Canvas (instructure/canvas-lms, lib/gradebook_importer.rb) wants Student, ID, SIS User ID, SIS Login ID, Section, then
a column named like the assignment, and a line of points possible. Moodle (docs.moodle.org, "Grade import", and
moodle/moodle, grade/import/csv/classes/load_data.php) maps one column to its users, e-mail address or ID number.

On both an empty grade deletes the one that is there, and Moodle gives a line without e-mail address to the person of
the line above. So only final grades are in these files, and only people whom the platform can know.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from typing import Any

from bnt.grading.report import safe_cell
from bnt.grading.roster import Person
from bnt.grading.submissions import Submission

CANVAS = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section"]
MOODLE = ["First name", "Last name"]
MOODLE_KEYS = {"ID number": "id", "Email address": "email"}
PLAIN = ["learner", "id", "email", "section", "score", "total", "undecided", "status", "points taken as late"]
FINAL = ("graded", "nothing to grade")
Rows = list[dict[str, Any]]


def gradebooks(title: str, rows: Rows, chosen: list[Submission]) -> tuple[dict[str, str], list[str]]:
    """File name -> content, and notes that say who is left out. The platforms' own need the class list.

    Left out there: who is not on the list, whose grade is not final (a written answer waits, a person has to look),
    who handed in nothing, and who has several rows, of which a person has to choose.
    """
    pairs = list(zip(rows, chosen, strict=True))
    files = {"gradebook.csv": _text(PLAIN, [_plain(row, one.person) for row, one in pairs])}
    listed = [(row, one.person) for row, one in pairs if one.person is not None]
    if not listed:
        return files, []
    count = Counter(person.label for _, person in listed)
    final = [(row, person) for row, person in listed if row["status"] in FINAL and count[person.label] == 1]
    named = {id(row) for row, _ in final}
    notes = _left_out("the gradebooks for import", "no final grade", [r for r, _ in listed if id(r) not in named])

    people = [person for _, person in listed]
    total = max(row["total"] for row, _ in listed)
    column = next((c for c in people[0].row if re.fullmatch(re.escape(title) + r" \(\d+\)", c)), title)
    canvas = [[*_canvas(person), row["score"]] for row, person in final]
    files["gradebook_canvas.csv"] = _text([*CANVAS, column], [["    Points Possible", "", "", "", "", total], *canvas])

    known = {key: [(row, p) for row, p in final if getattr(p, name)] for key, name in MOODLE_KEYS.items()}
    most = max(map(len, known.values()))
    keys = [key for key in MOODLE_KEYS if len(known[key]) == most]
    kept = [(row, p) for row, p in final if all(getattr(p, MOODLE_KEYS[key]) for key in keys)]
    if len(kept) < most:
        keys, kept = keys[-1:], known[keys[-1]]
    lines = [[*_names(p), *(getattr(p, MOODLE_KEYS[key]) for key in keys), row["score"]] for row, p in kept]
    files["gradebook_moodle.csv"] = _text([*MOODLE, *keys, title], lines)
    named = {id(row) for row, _ in kept}
    without = [row for row, _ in final if id(row) not in named]
    return files, notes + _left_out("gradebook_moodle.csv", f"the class list gives no {keys[-1]}", without)


def _left_out(where: str, why: str, rows: Rows) -> list[str]:
    names = ", ".join(row["learner"] for row in rows[:5]) + (f" and {len(rows) - 5} more" if len(rows) > 5 else "")
    return [f"not in {where}: {names} ({why})"] if rows else []


def _canvas(person: Person) -> list[str]:
    """The line of Canvas's own export where the class list is one; else the institution's number and login."""
    if "Student" in person.row and "ID" in person.row:
        return [person.row.get(column, "") for column in CANVAS]
    return [_last_first(person), "", person.sis or person.id, person.login or person.email, person.section]


def _names(person: Person) -> list[str]:
    first, _, last = person.name.rpartition(" ")
    if "," in person.name:
        last, _, first = map(str.strip, person.name.partition(","))
    return [person.row.get("First name", first), person.row.get("Last name", person.row.get("Surname", last))]


def _last_first(person: Person) -> str:
    first, _, last = person.name.rpartition(" ")
    return f"{last}, {first}" if first and "," not in person.name else person.name


def _plain(row: dict[str, Any], person: Person | None) -> list[Any]:
    person = person or Person()
    facts = [row["learner"], person.id, person.email, person.section, row["score"], row["total"], row["undecided"]]
    return [*facts, row["status"], row.get("late", {}).get("taken", 0)]


def _text(header: list[str], lines: list[list[Any]]) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([safe_cell(cell) for cell in header])
    for line in lines:
        writer.writerow([safe_cell(cell) for cell in line])
    return text.getvalue()
