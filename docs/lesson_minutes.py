"""Counts how long the lessons take:  python docs/lesson_minutes.py

A rule of thumb, the same for every lesson, not a measurement on a class. Not counted: what comes after the summary (*If
you have time*, *Further reading*), and the exercises. Prints the counts, and the minutes that the lesson states.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

COURSE = Path(__file__).resolve().parent.parent / "course"
LONGEST = 60  # minutes that a lesson may take
STEP = 5  # minutes are stated in steps of five, and may not be further than that from the count
SECONDS = {  # that each takes
    "words": 60 / 180,  # folded text too; a formula within a line is a word
    "words of proofs": 60 / 180,  # once more: a proof is read twice
    "displayed formulas": 60,
    "code cells": 20,  # to run it, and to look at what it prints
    "lines of code": 5,
    "words quoted": 60 / 180,  # from the ledger, whose rows are sentences
    "pictures": 20,  # what are the axes, which line is which?
    "predictions": 60,  # to think, and to write it down
    "widgets": 120,
    "questions": 30,  # of the progress check, before they are unfolded
}


def count_lesson(path: Path) -> Counter[str]:
    """How many of each kind in ``SECONDS`` the reader meets up to the end of the summary."""
    counts: Counter[str] = Counter()
    for source, code in read_cells(path):
        if code is not None:
            counts += code
            continue
        counted, *optional = re.split(
            r"^## (?:If you have time|Further reading)", source, maxsplit=1, flags=re.MULTILINE
        )
        counts += count_text(counted)
        if optional:
            break
    return counts


def count_section(path: Path, heading: str) -> Counter[str]:
    """The same for one section of a lesson, for a reader who runs the code and does not read it."""
    counts: Counter[str] = Counter()
    inside = False
    for source, code in read_cells(path):
        if code is not None:
            counts += code if inside else Counter()
            counts["lines of code"] = 0
            continue
        for part in re.split(r"^(?=##+ )", source, flags=re.MULTILINE):
            if found := re.match(r"##+ (?:\d · )?(.*)", part):
                inside = found[1] == heading
            counts += count_text(part) if inside else Counter()
    return counts


def read_cells(path: Path) -> Iterator[tuple[str, Counter[str] | None]]:
    """(source, what a code cell asks for) of each cell, None for prose; not the boxes for guesses."""
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        if "widgets.guess(" in source:
            continue  # its minute is that of the prediction; its source is folded
        yield source, count_code(cell, source) if cell["cell_type"] == "code" else None


def count_code(cell: dict[str, Any], source: str) -> Counter[str]:
    """What a cell of code asks for, with what it prints."""
    widget = (
        "nbval-ignore-output" in cell["metadata"].get("tags", ())
        and "widgets." in source
        and "guess_record" not in source
    )
    shown = [("".join(o.get("text", ())), "".join(o.get("data", {}).get("text/html", ()))) for o in cell["outputs"]]
    return Counter(
        {
            "code cells": 1,
            "lines of code": sum(bool(line.strip()) for line in source.splitlines()),
            "words quoted": sum(count_words(text) for text, _ in shown) if "claims.quote(" in source else 0,
            "pictures": 0 if widget else sum("<!-- picture -->" in html for _, html in shown),
            "widgets": int(widget),
        }
    )


def count_text(text: str) -> Counter[str]:
    """What prose asks for."""
    proofs = re.findall(r"\*\*Proof.*?\\square", text, flags=re.DOTALL)
    return Counter(
        {
            "words": count_words(text),
            "words of proofs": sum(map(count_words, proofs)),
            "displayed formulas": text.count("$$") // 2,
            "predictions": text.count("**Predict.**"),
            "questions": text.count("<details>") if "## Progress check" in text else 0,
        }
    )


def count_words(text: str) -> int:
    text = re.sub(r"\$\$.*?\$\$", " ", text, flags=re.DOTALL)
    text = re.sub(r"\$[^$]+\$", " formula ", text)
    text = re.sub(r"!\[.*?\]\(.*?\)|\]\([^)]*\)|<[^>]+>", " ", text, flags=re.DOTALL)  # pictures, addresses, tags
    return len(re.findall(r"\w[\w'’.,-]*", text))


def minutes(counts: Counter[str]) -> float:
    return sum(SECONDS[kind] * count for kind, count in counts.items()) / 60


def stated(path: Path) -> int:
    """The minutes in the table at the top of the lesson."""
    (number,) = re.findall(r"\*\*Time\*\* \| about (\d+) minutes", path.read_text(encoding="utf-8"))
    return int(number)


if __name__ == "__main__":
    print("lesson  stated  counted  " + "  ".join(SECONDS))
    for lesson in sorted(COURSE.glob("*.ipynb")):
        counts = count_lesson(lesson)
        numbers = "  ".join(f"{counts[kind]:{len(kind)}}" for kind in SECONDS)
        print(f"{lesson.stem.split('_')[0]:6}  {stated(lesson):6}  {minutes(counts):7.1f}  {numbers}")
