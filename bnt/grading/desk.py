"""What the desk knows: every answer beside the reference, the points so far, and manual.csv behind it.

One ``Desk`` is one folder of reports, so one exercise; ``open_desks`` finds those of a course.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bnt.errors import FormatError
from bnt.grading import manual
from bnt.grading.answers import COPIES
from bnt.grading.paper import build_paper
from bnt.grading.report import safe_cell, write_whole
from bnt.grading.source import BLANK_TEXT, Source, nbgrader, role, solved
from bnt.grading.submissions import Submission
from bnt.grading.titles import titles

FILE = "desk.json"  # in out/results; holds the reference, so it stays with the instructor


def write_answers(out: Path, source: Source, chosen: list[Submission]) -> None:
    """Keep what the desk shows. Graded cells in order; a check stands with the answers that it asks for."""
    paper = build_paper(source)
    names = titles(source, paper)
    uses = {cell["id"]: cell["answers"] for cell in paper["cells"] if cell["role"] == "check"}
    texts = {c.id: solved(c.source) for c in source.cells("answer", "written")}
    cells = []
    for cell in source.cells("check", "written"):
        written = role(cell) == "written"
        cells.append(
            {
                "id": cell.id,
                "title": names[cell.id],
                "written": written,
                "out_of": nbgrader(cell).points,
                "answers": [cell.id] if written else uses[cell.id],
            }
        )
    learners = [
        {
            "learner": one.learner,
            "problem": one.problem,
            "answers": {name: text for name, text in one.answers.items() if text.strip() != BLANK_TEXT},
            "marks": {c["id"]: manual.mark_of(manual.answer_of(one, c["id"], c["written"])) for c in cells},
        }
        for one in chosen
    ]
    facts = {"exercise": source.stem, "cells": cells, "reference": texts, "learners": learners}
    write_whole(out / "results" / FILE, json.dumps(facts, ensure_ascii=False, sort_keys=True))


class Desk:
    """The class of one folder of reports; every change is in manual.csv before ``enter`` returns."""

    def __init__(self, out: Path) -> None:
        self.out = out
        try:
            self.facts = json.loads((out / "results" / FILE).read_text(encoding="utf-8"))
            rows = json.loads((out / "report.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise FormatError(f"{out} holds no finished grades: name the --out folder of bnt grade") from None
        self.rows = {row["learner"]: row for row in rows}
        self.cells = {cell["id"]: cell for cell in self.facts["cells"]}
        self.learners = {one["learner"]: one for one in self.facts["learners"]}

    def entries(self) -> manual.Entries:
        """The lines of manual.csv as they are now; somebody may have it open in a spreadsheet as well."""
        path = self.out / manual.FILE
        return manual.read(path) if path.is_file() else {}

    def shown(self) -> dict[str, Any]:
        """Everything the page shows, as plain values.

        ``needs`` of a learner's cell says why a person has to look at it; empty where the automatic points stand.
        """
        entries = self.entries()
        learners = []
        for name, one in self.learners.items():
            found = {}
            for cell, facts in self.cells.items():
                entry = entries.get((safe_cell(name), cell))
                check = self.rows.get(name, {}).get("checks", {}).get(cell, {})
                found[cell] = {
                    "points": entry.points if entry else None,
                    "comment": entry.comment.lstrip("'") if entry else "",
                    "automatic": None if facts["written"] else check.get("automatic", check.get("points")),
                    "reason": "" if facts["written"] else check.get("reason", ""),
                    "output": check.get("output", ""),
                    "needs": self._needs(one, facts),
                }
            learners.append({"learner": name, "problem": one["problem"], "answers": one["answers"], "cells": found})
        return {key: self.facts[key] for key in ("exercise", "cells", "reference")} | {"learners": learners}

    def _needs(self, one: dict[str, Any], cell: dict[str, Any]) -> str:
        """Why a person has to look at this learner's cell, whether or not one has; empty if nobody has to."""
        if one["problem"]:
            return ""
        if cell["written"]:
            return "a person reads this" if one["answers"].get(cell["id"], "").strip() else ""
        if any(COPIES + name in one["answers"] for name in cell["answers"]):
            return "Different cells carry the id of the answer: which one counts?"
        status = self.rows.get(one["learner"], {}).get("status")
        return "It could not be graded: run bnt grade again, or decide here" if status == "needs a person" else ""

    def waiting(self) -> int:
        """How many cells wait for a person."""
        cells = [cell for one in self.shown()["learners"] for cell in one["cells"].values()]
        return sum(bool(cell["needs"]) and cell["points"] is None for cell in cells)

    def enter(self, learner: object, cell: object, points: object, comment: object) -> None:
        """Points (None: undecided) and comment of one learner's cell; FormatError for what cannot be."""
        if not isinstance(learner, str) or learner not in self.learners:
            raise FormatError(f"no learner is called {learner!r}")
        if not isinstance(cell, str) or cell not in self.cells:
            raise FormatError(f"no graded cell is called {cell!r}")
        facts = self.cells[cell]
        number = isinstance(points, (int, float)) and not isinstance(points, bool) and math.isfinite(points)
        if points is not None and not (number and 0 <= points <= facts["out_of"]):  # type: ignore[operator]
            raise FormatError(f"points must lie between 0 and {facts['out_of']:g}, not {points!r}")
        if not isinstance(comment, str):
            raise FormatError("a comment is text")
        one = self.learners[learner]
        if one["problem"]:
            raise FormatError(f"{learner} handed in nothing that can be graded")
        entries, key = self.entries(), (safe_cell(learner), cell)
        text = one["answers"].get(cell, "") if facts["written"] else ""
        shown = text if len(text) <= manual.SHOWN else text[: manual.SHOWN] + manual.CUT
        given = float(points) if isinstance(points, (int, float)) else None
        entry = manual.Entry(key[0], cell, facts["out_of"], given, comment, safe_cell(shown), one["marks"][cell])
        entries[key] = entry
        manual.write(self.out / manual.FILE, entries)


def open_desks(folders: Iterable[Path]) -> list[Desk]:
    """A desk for each folder of reports, or for each that lies in one of the folders; FormatError if there is none."""
    found = []
    for folder in folders:
        inner = sorted(path.parents[1] for path in folder.glob(f"*/results/{FILE}"))
        found += [Desk(path) for path in (inner if inner and not (folder / "results").is_dir() else [folder])]
    return found
