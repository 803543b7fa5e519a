"""Feedback where nbgrader looks for it: names and hashes as nbgrader 0.9.6 makes them, nothing of strangers."""

import hashlib
import json
from pathlib import Path

import pytest

from bnt.grading.archives import from_disk
from bnt.grading.collect import collect
from bnt.grading.layouts import deliveries, origins
from bnt.grading.nbgrader_feedback import write_feedback
from bnt.grading.report import page_name
from bnt.grading.submissions import Exam, Submission, choose
from bnt.grading.versions import solution
from tests.exercise_examples import documented_source
from tests.grading.test_layouts import NAME, packed, put

STAMP = "2026-11-02 10:00:00.123456 UTC"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory):
    return documented_source(tmp_path_factory.mktemp("source"))


def handed_in(source, folder: Path) -> list[Submission]:
    exam = Exam(source)
    return choose(exam, collect([folder], source.stem, None, exam.holds))


def pages_for(out: Path, chosen: list[Submission]) -> None:
    (out / "feedback").mkdir(parents=True, exist_ok=True)
    for one in chosen:
        (out / "feedback" / page_name(one.learner)).write_text(f"the page of {one.learner}")


def tree(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text() for path in sorted(root.rglob("*")) if path.is_file()}


def test_both_places_hold_the_page_under_the_names_of_nbgrader(source, tmp_path: Path) -> None:
    good = json.dumps(solution(source)).encode()
    inbound = put(
        tmp_path / "CS1" / "inbound",
        {
            f"ann+02+{STAMP}+x/{NAME}": good,
            f"ann+02+{STAMP}+x/timestamp.txt": STAMP.encode(),
            f"ann+02+{STAMP}+x/submission_secret.txt": b"s3cret",
            f"bob+02+{STAMP}/{NAME}": good,
            f"bob+02+{STAMP}/timestamp.txt": STAMP.encode(),
        },
    )
    chosen, out = handed_in(source, inbound), tmp_path / "out"
    pages_for(out, chosen)
    write_feedback(out, chosen)
    digest = hashlib.md5()  # as nbgrader/utils.py, notebook_hash(secret=..., notebook_id=...)
    digest.update(b"s3cret")
    digest.update(b"normalise")
    assert tree(out / "nbgrader") == {
        f"exchange/feedback/{digest.hexdigest()}.html": "the page of ann",
        "feedback/ann/02/normalise.html": "the page of ann",
        "feedback/ann/02/timestamp.txt": STAMP,
        "feedback/ann/02/submission_secret.txt": "s3cret",
        "feedback/bob/02/normalise.html": "the page of bob",  # an older nbgrader: no secret, nothing to fetch it by
        "feedback/bob/02/timestamp.txt": STAMP,
    }
    write_feedback(out, [one for one in chosen if one.learner == "bob"])
    assert not list((out / "nbgrader" / "exchange").rglob("*.html"))
    assert [path.name for path in (out / "nbgrader" / "feedback").rglob("*.html")] == ["normalise.html"]


def test_what_nbgrader_collected_and_a_roster_that_renames(source, tmp_path: Path) -> None:
    good = json.dumps(solution(source)).encode()
    files = {f"ann/02/{NAME}": good, "ann/02/timestamp.txt": STAMP.encode(), "ann/02/submission_secret.txt": b"k"}
    chosen, out = handed_in(source, put(tmp_path / "submitted", {**files, f"bob/02/{NAME}": good})), tmp_path / "out"
    chosen[0].learner = "Ann Smith"  # as the class list calls her
    pages_for(out, chosen)
    write_feedback(out, chosen)
    assert tree(out / "nbgrader")["feedback/ann/02/normalise.html"] == "the page of Ann Smith"
    assert not (out / "nbgrader" / "feedback" / "bob").exists()  # no timestamp: not out of nbgrader


def test_other_layouts_and_hostile_names_write_nothing(source, tmp_path: Path) -> None:
    good = json.dumps(solution(source)).encode()
    folder = put(tmp_path / "in", {f"ann/{NAME}": good, f"bob/{NAME}": good})
    bad = (f"..+..+{STAMP}/{NAME}", f"ann+.x+{STAMP}/{NAME}", f"ann+02+{STAMP}/.ipynb")
    put(tmp_path / "bad", dict.fromkeys(bad, good))
    out = tmp_path / "out"
    for place in (folder, tmp_path / "bad"):
        chosen = handed_in(source, place)
        pages_for(out, chosen)
        write_feedback(out, chosen)
    assert not (out / "nbgrader").exists()
    level = from_disk(tmp_path / "bad")
    made = origins(level.children, level)
    assert len(made) == 3
    assert [deliveries(entry, made[id(entry)]) for entry in level.children] == [{}, {}, {}]


def test_what_lies_in_an_archive_is_delivered_to_nobody(source, tmp_path: Path) -> None:
    """A learner's own archive is no exchange, whatever it holds."""
    good = json.dumps(solution(source)).encode()
    inside = {f"bob+02+{STAMP}/{NAME}": good, f"bob+02+{STAMP}/submission_secret.txt": b"k"}
    chosen = handed_in(source, put(tmp_path / "in", {"eve.zip": packed(inside), f"ann/{NAME}": good}))
    assert {one.learner: one.delivery for one in chosen} == {"ann": None, "eve": None}
