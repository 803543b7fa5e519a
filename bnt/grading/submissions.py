"""Of what a learner handed in, the notebook that counts, and the answers in it. Everything read is hostile."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from bnt.errors import FormatError
from bnt.grading.answers import ADDED, COPIES, Sheet, dict_of, find
from bnt.grading.archives import LARGEST_FILE, MOST_MEMBERS, Entry, is_notebook, too_large
from bnt.grading.collect import File, HandIn
from bnt.grading.layouts import Delivery
from bnt.grading.roster import Person, Roster
from bnt.grading.source import BLANK_TEXT, Source, blanked, hidden, role


@dataclass
class Submission:
    """What counts for one learner: the newest readable notebook of this exercise."""

    learner: str
    name: str
    when: float
    answers: dict[str, str] = field(default_factory=dict)  # id of an answer or written cell -> source
    notes: list[str] = field(default_factory=list)
    problem: str = ""
    late: bool | None = None  # what the platform itself says
    layout: str = ""
    known: tuple[str, ...] = ()  # number, name and address by which the platform knows the learner
    person: Person | None = None  # their line of the class list
    delivery: Delivery | None = None  # what nbgrader files the feedback under


def read_notebook(content: bytes, *, guarded: bool = True) -> dict[str, Any]:
    """A notebook whose ``cells`` are a list; FormatError in the learner's words if the file is none."""
    if guarded and len(content) > LARGEST_FILE:
        raise FormatError(too_large(len(content)))
    try:
        notebook = _json(content)
    except (ValueError, RecursionError):
        raise FormatError("the file is not a notebook (it is not JSON): save it again in JupyterLab") from None
    if isinstance(notebook, dict) and str(notebook.get("nbformat", 4)) in ("4", "4.0"):
        notebook["nbformat"] = 4  # of some editors it is a text, or missing
    if isinstance(notebook, dict) and notebook.get("nbformat") == 3 and notebook.get("worksheets"):
        notebook |= {"nbformat": 4, "cells": _cells_of_format_3(notebook["worksheets"])}
    if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
        raise FormatError("the file is not a notebook of format 4: open and save it in JupyterLab")
    if notebook.get("nbformat") != 4:
        raise FormatError("the notebook is not of format 4: open and save it in JupyterLab")
    if guarded and len(notebook["cells"]) > MOST_MEMBERS:
        raise FormatError(f"the notebook has {len(notebook['cells'])} cells; {MOST_MEMBERS} are the limit")
    return notebook


def _json(content: bytes) -> Any:
    """UTF-8, UTF-16 as Windows editors save it, or the code page of Windows."""
    try:
        return json.loads(content)
    except UnicodeDecodeError:
        return json.loads(content.decode("cp1252", "replace"))


def _cells_of_format_3(worksheets: object) -> list[Any]:
    """Cells as format 4 has them; the old one keeps them on sheets, and code under another name."""
    sheets = [dict_of(sheet).get("cells") for sheet in worksheets] if isinstance(worksheets, list) else []
    cells = [dict_of(cell) for sheet in sheets if isinstance(sheet, list) for cell in sheet]
    return [{"source": cell.get("input", ""), **cell} for cell in cells]


@dataclass
class Look:
    """What one notebook holds of an exercise."""

    answers: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    problem: str = ""
    held: int = 0  # ids of answers and visible checks
    blank: bool = True  # no answer differs from the exercise as it was given out
    foreign: bool = False  # its metadata names another exercise


class Exam:
    """What is looked for in a notebook: the ids of an exercise, and what its cells hold unanswered."""

    def __init__(self, source: Source, *, own_copy: bool = True, guarded: bool = True) -> None:
        cells = list(source.cells("answer", "written") if own_copy else source.cells())
        self.sheet = Sheet(source, own_copy=own_copy)
        self.stem, self.guarded = source.stem, guarded
        self.marks = {c.id for c in source.cells("answer", "written", "check") if not hidden(c)}
        self.blank = {c.id: BLANK_TEXT if role(c) == "written" else blanked(c.source) for c in cells}
        self._looks: dict[int, tuple[Entry, Look]] = {}

    def holds(self, entry: Entry) -> bool:
        """True for a notebook with at least one cell of this exercise."""
        readable = entry.kind == "file" and is_notebook(entry.name)
        return readable and not entry.problem and self.look(entry).held > 0

    def look(self, entry: Entry) -> Look:
        """What a notebook holds; each is read once, and only its answers are kept."""
        if id(entry) not in self._looks:
            self._looks[id(entry)] = entry, self._look(entry)
        return self._looks[id(entry)][1]

    def _look(self, entry: Entry) -> Look:
        try:
            if entry.problem:
                raise FormatError(entry.problem)
            notebook = read_notebook(entry.read(), guarded=self.guarded)
            answers, notes = find(notebook["cells"], self.sheet)
            held, named = _ids(notebook, self.marks)
        except (FormatError, OSError) as error:
            return Look(problem=str(error))
        known = {name.removeprefix(COPIES): text for name, text in answers.items() if not name.startswith(ADDED)}
        problem = "" if known else "it holds no answer cell of this exercise"
        blank = all(text.strip() in ("", self.blank.get(name, "").strip()) for name, text in known.items())
        return Look(answers, notes, problem, held, blank, foreign=named not in ("", self.stem))


def _ids(notebook: dict[str, Any], marks: set[str]) -> tuple[int, str]:
    """How many of the ids a notebook holds, and the exercise that its metadata names."""
    found = set()
    for cell in notebook["cells"]:
        if isinstance(cell, dict):
            metadata = dict_of(cell.get("metadata"))
            names = (cell.get("id"), metadata.get("id"), dict_of(metadata.get("nbgrader")).get("grade_id"))
            found |= {name for name in names if isinstance(name, str)}
    named = dict_of(dict_of(notebook.get("metadata")).get("bnt")).get("exercise", "")
    return len(found & marks), named if isinstance(named, str) else ""


def choose(exam: Exam, hand_ins: Iterable[HandIn]) -> list[Submission]:
    """One submission per learner; notes name the files that do not count, and why.

    Of several notebooks those that hold most of the exercise are compared (a lesson may share a cell with it): one
    with answers beats a blank one, then the newest counts.
    """
    return [_choose(exam, one) for one in hand_ins]


def _choose(exam: Exam, one: HandIn) -> Submission:
    known = tuple(filter(None, (one.number, one.email, one.learner)))
    best = Submission(one.learner, "", 0.0, notes=list(one.notes), layout=one.layout, known=known)
    if not one.files:
        best.name = one.holdings[0] if one.holdings else one.learner
        what = ", ".join(one.holdings[:4]) + (f" and {len(one.holdings) - 4} more" if len(one.holdings) > 4 else "")
        best.problem = f"nothing to grade: holds {what or 'no file'}" + _instead(one.holdings)
        return best
    looks = [(exam.look(file.entry), file) for file in one.files]
    most = max(look.held for look, _ in looks if not look.foreign) if any(not x.foreign for x, _ in looks) else 0

    def rank(pair: tuple[Look, File]) -> tuple[Any, ...]:
        look, file = pair
        whole = not look.problem and not look.foreign and 2 * look.held >= most
        says = exam.stem in file.name.rpartition("/")[2]
        return not look.problem, whole, not look.blank, file.attempt, file.when, look.held, says, file.name

    looks.sort(key=rank)
    look, file = looks.pop()
    best.name, best.when, best.late, best.problem = file.name, file.when, file.late, look.problem
    best.answers, best.delivery = dict(look.answers), file.delivery
    best.notes += look.notes
    for other, left in looks:
        why = other.problem or ("of another exercise" if other.foreign or 2 * other.held < most else "")
        why = why or ("it is blank" if other.blank and not look.blank else "an older one")
        best.notes.append(f"not counted: {left.name} ({why})")
    return best


def _instead(holdings: list[str]) -> str:
    """What a learner should hand in instead of these."""
    if any(name.lower().endswith((".rar", ".7z")) for name in holdings):
        return "; of archives only .zip and .tar are read"
    return "; hand in the notebook itself (.ipynb)" if holdings else ""


def on_roster(chosen: list[Submission], roster: Roster) -> list[Submission]:
    """Everybody on the class list, in its order, then those who handed in without being on it."""
    found: dict[str, list[Submission]] = {}
    strangers = []
    for one in chosen:
        one.person = roster.find(*one.known, one.learner)
        if one.person is None:
            one.notes.append("not on the class list")
            strangers.append(one)
        else:
            found.setdefault(one.person.label, []).append(one)
    rows = []
    for person in roster.people:
        mine = found.get(person.label, [])
        for one in mine:
            one.learner = person.label if len(mine) == 1 else f"{person.label} ({one.learner})"
            if len(mine) > 1:
                one.notes.append(f"{len(mine)} hand-ins of different origin fit {person.label} of the class list")
        rows += mine or [Submission(person.label, "", 0.0, problem="nothing handed in", person=person)]
    return rows + strangers
