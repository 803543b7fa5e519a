"""What a graded cell is called in front of people: the question's heading, never the cell's id."""

from __future__ import annotations

import re
from typing import Any

from bnt.grading.source import Source, hidden, role

HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$", re.MULTILINE)


def titles(source: Source, paper: dict[str, Any]) -> dict[str, str]:
    """Id of every check and written answer -> the heading above the answer that it asks for.

    Cells that share a heading are told apart: ``2. Normalise (hidden check)``.
    """
    above = answer_titles(source)
    answers = {cell["id"]: cell["answers"] for cell in paper["cells"]}
    names = {}
    for cell in source.cells("check", "written"):
        mine = answers.get(cell.id) or [cell.id]
        title = above[mine[-1]] or cell.id
        names[cell.id] = f"{title} (hidden check)" if hidden(cell) else title
    for title in set(names.values()):
        same = [name for name, other in names.items() if other == title]
        if len(same) > 1:
            for number, name in enumerate(same, 1):
                names[name] = f"{title[:-1]} {number})" if title.endswith("(hidden check)") else f"{title} ({number})"
    return names


def answer_titles(source: Source) -> dict[str, str]:
    """Id of every cell -> the nearest heading above it."""
    heading, above = "", {}
    for cell in source.cells():
        if cell.cell_type == "markdown" and role(cell) == "other":
            found = HEADING.findall(cell.source)
            heading = found[-1].replace("`", "") if found else heading
        above[cell.id] = heading
    return above
