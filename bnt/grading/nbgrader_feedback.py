"""Feedback pages where nbgrader looks for them, for hand-ins that came out of its exchange.

``feedback/STUDENT/ASSIGNMENT/NOTEBOOK.html`` with ``timestamp.txt`` and ``submission_secret.txt`` is what
``nbgrader generate_feedback`` leaves in a course folder, and what ``nbgrader release_feedback`` sends, by ngshare too.
``exchange/feedback/HASH.html`` is what that sends: copied into the exchange, learners fetch it in their own list of
assignments. HASH is the MD5 digest of the submission's secret and the name of the notebook, as in nbgrader 0.9
(nbgrader/utils.py, ``notebook_hash``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from bnt.grading.layouts import Delivery
from bnt.grading.report import page_name, write_whole
from bnt.grading.submissions import Submission

FOLDER = "nbgrader"
STAMP, SECRET = "timestamp.txt", "submission_secret.txt"


def write_feedback(out: Path, chosen: Iterable[Submission]) -> None:
    """Lay the pages in ``out/feedback`` out as nbgrader does; pages that are no longer due are removed."""
    root, written = out / FOLDER, set[Path]()
    for one in chosen:
        if one.delivery is not None:
            page = (out / "feedback" / page_name(one.learner)).read_text(encoding="utf-8")
            written |= _write(root, one.delivery, page)
    for old in root.glob("**/*.html"):
        if old not in written:
            old.unlink()


def _write(root: Path, to: Delivery, page: str) -> set[Path]:
    folder = root / "feedback" / to.student / to.work
    files = {folder / f"{to.notebook}.html": page, folder / STAMP: to.stamp}
    if to.secret:  # without one nbgrader 0.9 releases nothing
        files[folder / SECRET] = to.secret
        files[root / "exchange" / "feedback" / f"{digest_of(to.secret, to.notebook)}.html"] = page
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text)
    return set(files)


def digest_of(secret: str, notebook: str) -> str:
    """The name under which nbgrader's exchange keeps the feedback of one notebook."""
    return hashlib.md5((secret + notebook).encode(), usedforsecurity=False).hexdigest()
