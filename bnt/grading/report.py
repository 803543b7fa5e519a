"""The reports of ``bnt grade``: report.csv, report.json, one feedback page per learner, index.html. No dates inside,
so that two runs give identical files."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
import threading
import unicodedata
from pathlib import Path
from typing import Any

from bnt.grading.pages import feedback_page, overview_page, similarity_page
from bnt.grading.similarity import Pair
from bnt.grading.source import Source


def write_all(
    out: Path,
    source: Source,
    papers: dict[str, dict[str, Any]],
    rows: list[dict[str, Any]],
    *,
    notes: list[str],
    class_notes: list[str],
    wrong: dict[str, list[tuple[str, int]]],
    alike: list[Pair],
    books: dict[str, str],
) -> None:
    """Write every report; pages of learners who are no longer there are removed.

    ``papers`` is by learner; ``wrong`` holds the commonest wrong outputs of each check; ``books`` the gradebooks.
    ``class_notes`` are for the instructor alone.
    """
    write_whole(out / "report.json", json.dumps(rows, indent=1, ensure_ascii=False, sort_keys=True) + "\n")
    write_whole(out / "report.csv", "\ufeff" + as_csv(rows, notes))
    folder = out / "feedback"
    folder.mkdir(exist_ok=True)
    pages = {page_name(r["learner"]): feedback_page(source, papers[r["learner"]], r, notes) for r in rows}
    for name, text in pages.items():
        write_whole(folder / name, text)
    for old in folder.glob("*.html"):
        if old.name not in pages:
            old.unlink()
    for name, text in books.items():
        write_whole(out / name, "\ufeff" + text)
    write_whole(out / "similarity.html", similarity_page(source, alike, notes, page_name))
    write_whole(out / "index.html", overview_page(source, rows, [*notes, *class_notes], wrong, page_name))


def as_csv(rows: list[dict[str, Any]], notes: list[str]) -> str:
    """One line per learner, a column of points per check; no cell can be taken for a formula."""
    names = list(dict.fromkeys(name for row in rows for name in row["checks"]))
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(["learner", "submission", "score", "total", "status", *names, "isolation", "notes"])
    for row in rows:
        points = [row["checks"].get(name, {}).get("points", "") for name in names]
        cells = [row["learner"], row["submission"], row["score"], row["total"], row["status"], *points]
        writer.writerow([safe_cell(cell) for cell in [*cells, row["isolation"], "; ".join(row["notes"])]])
    return text.getvalue()


FORMULA = re.compile(r"(^|[;,\t\r\n])([\s\"']*)(?=[=+\-@|%])")


def safe_cell(value: Any) -> Any:
    """Text that a spreadsheet would run as a formula gets an apostrophe in front, after each separator as well.

    Characters that spreadsheets drop in silence go first: with them gone, what follows may start with ``=``.
    """
    if not isinstance(value, str):
        return value
    text = "".join(c for c in value if c in "\t\n" or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Cn"))
    text = text.lstrip("\t\n")
    starts = text.lstrip().startswith(("=", "+", "-", "@", "|", "%"))
    text = FORMULA.sub(lambda m: m[0] if m.start() == 0 else f"{m[1]}{m[2]}'", text)
    return "'" + text if starts else text


def page_name(learner: str) -> str:
    """A file name for the learner's page: readable, unique, and no path."""
    plain = re.sub(r"[^\w-]+", "_", learner, flags=re.ASCII).strip("_")[:40] or "learner"
    return f"{plain}-{hashlib.sha256(learner.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}.html"


def write_whole(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old one or the new one, never a part."""
    part = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        part.write_bytes(text.encode("utf-8", "replace"))  # bytes: line ends as they are
        os.replace(part, path)
    except OSError as error:  # a full disk names no file, and what was written of it would keep the disk full
        part.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from None
