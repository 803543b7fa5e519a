"""Slow promises of bnt grade: killed twenty times it gives the same reports, and it is nearly as fast as nbclient."""

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest

from bnt.grading.execute import execute
from bnt.grading.grade import grade
from tests.exercise_examples import REPO, documented_source
from tests.grading.test_grade import GOOD, NO_ZEROS, handed_in, save

pytestmark = pytest.mark.slow


def reports(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_killed_twenty_times_gives_the_same_reports(tmp_path: Path) -> None:
    source = documented_source(tmp_path)
    for number in range(6):
        text = f"# {number}\n{GOOD if number % 2 else NO_ZEROS}"
        save(handed_in(source, normalise=text, why=f"answer {number}"), tmp_path / "subs" / f"l{number}" / "n.ipynb")
    own_tmp = Path(tempfile.mkdtemp(prefix="t", dir="/tmp"))
    environment = {**os.environ, "TMPDIR": str(own_tmp), "PYTHONPATH": str(REPO)}
    command = [sys.executable, "-m", "bnt.grading", "grade", str(source.path), str(tmp_path / "subs"), "--jobs", "2"]

    def start(out: str) -> subprocess.Popen:
        return subprocess.Popen([*command, "--out", str(tmp_path / out)], env=environment, stdout=subprocess.DEVNULL)

    began = time.monotonic()
    assert start("whole").wait(200) == 0
    whole = time.monotonic() - began
    chance = random.Random(20)
    for _ in range(20):
        process = start("torn")
        time.sleep(chance.uniform(0, 0.6 * whole))  # some before anything is graded, some while reports are written
        process.kill()
        process.wait()
    assert start("torn").wait(200) == 0
    assert reports(tmp_path / "torn") == reports(tmp_path / "whole")
    until = time.monotonic() + 20
    while list(own_tmp.glob("bnt-*")) and time.monotonic() < until:
        time.sleep(0.1)
    assert not list(own_tmp.glob("bnt-*"))
    shutil.rmtree(own_tmp)  # Python itself tries the folder with a file, and may be killed just then


def test_thirty_submissions_take_at_most_half_as_long_again_as_nbclient(tmp_path: Path) -> None:
    """Both with two workers. nbclient runs before and after, so that a busy machine counts for both."""
    source = documented_source(tmp_path)
    notebooks = []
    for number in range(30):
        notebook = handed_in(source, normalise=f"# {number}\n{GOOD}")
        save(notebook, tmp_path / "subs" / f"l{number:02}" / "n.ipynb")
        answers = {cell.id: cell.source for cell in notebook.cells}
        graded = source.fresh()  # the same cells: hidden checks included
        for cell in graded.cells:
            cell.source = answers.get(cell.id, cell.source)
        notebooks.append(nbformat.from_dict(json.loads(json.dumps(graded))))

    def plain(half: list) -> float:
        began = time.monotonic()
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda notebook: execute(notebook, "plain"), half))
        return time.monotonic() - began

    before = plain(notebooks[:15])
    began = time.monotonic()
    rows = grade(source.path, [tmp_path / "subs"], tmp_path / "out", jobs=2)
    ours = time.monotonic() - began
    theirs = before + plain(notebooks[15:])
    assert {row["score"] for row in rows} == {3}
    print(f"bnt grade {ours:.1f} s, nbclient {theirs:.1f} s")
    assert ours <= 1.5 * theirs
