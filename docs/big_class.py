"""A big class on a cluster of this machine: how fast, and what killed workers and schedulers cost.

    python docs/big_class.py --submissions 500 --workers 2
    python docs/big_class.py --submissions 6 --part 3 --record try.json   # does it work here?

Grades a class made by machine (one answer in three is wrong, every one different): a part of it with one worker and
with all of them, for the speed; then the whole class with all of them, one of which is killed with -9 after a third,
and the scheduler after two thirds. The same command again must finish it, and once more must regrade nothing; every
row must be the one it should be. Writes docs/big_class.json, and the table of docs/big_class.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bnt.grading.source import Source
from bnt.grading.versions import exercise
from tests.exercise_examples import cell_of, documented_source

RIGHT = """def normalise(p):
    p = np.asarray(p, dtype=float)
    return p / p.sum() if p.sum() else np.full(len(p), 1 / len(p))"""
WRONG = "def normalise(p):\n    return np.asarray(p) / np.sum(p)"
SCORES = {RIGHT: 3, WRONG: 1}
REPO = Path(__file__).resolve().parents[1]


def answer(number: int) -> str:
    """One learner in three forgets the zeros."""
    return WRONG if number % 3 == 0 else RIGHT


def write_class(folder: Path, source: Source, number: int) -> Path:
    """Submissions of that many learners."""
    for i in range(number):
        notebook = exercise(source)
        cell_of(notebook, "normalise").source = f"# {i}\n{answer(i)}"
        path = folder / f"learner{i:04}" / "normalise.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(notebook))
    return folder


def graded(out: Path) -> int:
    """Results on disk, the reference among them."""
    return len(list((out / "results").glob("*.json"))) if out.exists() else 0


def run(
    source: Source, subs: Path, out: Path, workers: int, tmp: Path, kills: dict[str, int] | None = None
) -> dict[str, Any]:
    """One run of bnt grade: seconds from the first result to the last, and all of them.

    ``kills``: "worker" or "scheduler" -> at how many results it is killed. The scheduler of ``local:N`` lives in the
    process of the command, so that one goes with it.
    """
    command = [sys.executable, "-m", "bnt.grading", "grade", str(source.path), str(subs), "--out", str(out)]
    command += ["--seed", "7", "--scheduler", f"local:{workers}"]
    environment = {**os.environ, "PYTHONPATH": str(REPO), "TMPDIR": str(tmp)}
    start = time.monotonic()
    noise = subprocess.DEVNULL if kills else None  # of processes that lose their parent
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=noise)
    first: float | None = None
    at_first, left = 0, dict(kills or {})
    while process.poll() is None:
        done = graded(out)
        if first is None and done > 2 * workers:
            first, at_first = time.monotonic(), done
        if done >= left.get("worker", 10**9) and (graders := graders_of(process)):
            os.kill(graders[0].ppid(), 9)
            del left["worker"]
        if done >= left.get("scheduler", 10**9):
            process.kill()
            del left["scheduler"]
        time.sleep(0.1)
    end = time.monotonic()
    steady = (graded(out) - at_first) / (end - first) if first else None
    return {"seconds": round(end - start, 1), "per_second": steady and round(steady, 3), "exit": process.returncode}


def graders_of(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """The grading processes of the cluster's workers; the command keeps one of its own."""
    found = []
    for one in psutil.Process(process.pid).children(recursive=True):
        try:
            if "bnt.grading.worker" in " ".join(one.cmdline()) and one.ppid() != process.pid:
                found.append(one)
        except psutil.NoSuchProcess:
            continue
    return found


def measured(submissions: int, workers: int, number: int) -> dict[str, Any]:
    """The whole record; ``number`` submissions compare the speeds."""
    with (
        tempfile.TemporaryDirectory(dir="/tmp") as name,
        tempfile.TemporaryDirectory(prefix="b", dir="/tmp") as scratch,
    ):
        folder, tmp = Path(name), Path(scratch)
        source = documented_source(folder)
        part = write_class(folder / "part", source, number)
        one = run(source, part, folder / "one", 1, tmp)
        several = run(source, part, folder / "several", workers, tmp)
        whole, out = write_class(folder / "whole", source, submissions), folder / "out"
        kills = {"worker": submissions // 3, "scheduler": 2 * submissions // 3}
        killed = run(source, whole, out, workers, tmp, kills)
        again = run(source, whole, out, workers, tmp)
        before = times(out)
        resumed = run(source, whole, out, workers, tmp)
        after = times(out)
        rows = json.loads((out / "report.json").read_text())
        undisturbed = json.loads((folder / "one" / "report.json").read_text())
        both = min(len(undisturbed), len(rows))
        return {
            "machine": f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[1]:.1f} at the end",
            "submissions": submissions,
            "workers": workers,
            "speed": {"one worker": one, "all workers": several, "submissions": number},
            "a worker killed with -9, then the scheduler": killed,
            "the same command again": again,
            "and again": {**resumed, "regraded": sum(after[name] != when for name, when in before.items())},
            "rows": len(rows),
            "wrong rows": [i for i, row in enumerate(rows) if row["score"] != SCORES[answer(i)]],
            "rows unlike those of an undisturbed run": sum(
                mine != theirs for mine, theirs in zip(rows[:both], undisturbed[:both], strict=True)
            ),
            "left on disk": sorted(path.name for path in tmp.iterdir()),
        }


def times(out: Path) -> dict[str, int]:
    """When each finished grade was written; the desk's file is written by every run."""
    return {p.name: p.stat().st_mtime_ns for p in (out / "results").glob("*.json") if p.name != "desk.json"}


def table(record: dict[str, Any]) -> str:
    """The record as docs/big_class.md shows it."""
    speed, killed, again = record["speed"], record["a worker killed with -9, then the scheduler"], record["and again"]
    one, several = (speed[name]["per_second"] or 0 for name in ("one worker", "all workers"))
    finished = record["the same command again"]
    lines = [
        (f"{record['submissions']} submissions, local cluster, {record['machine']}", ""),
        ("---", "---"),
        (f"one worker, {speed['submissions']} submissions", f"{one:.2f} per second"),
        (
            f"{record['workers']} workers, the same {speed['submissions']}",
            f"{several:.2f} per second, {several / one if one else 0:.1f} times as many",
        ),
        (
            "all of them: a worker killed with -9 after a third, the scheduler after two thirds",
            f"{killed['seconds']:.0f} s, then it ends, as it must",
        ),
        ("the same command again", f"{finished['seconds']:.0f} s, exit {finished['exit']}"),
        ("rows that are not as they should be", f"{len(record['wrong rows'])} of {record['rows']}"),
        (
            f"of the first {speed['submissions']}, rows that differ from an undisturbed run",
            f"{record['rows unlike those of an undisturbed run']}",
        ),
        ("once more", f"{again['seconds']:.0f} s, {again['regraded']} submissions graded again"),
        ("left on disk", ", ".join(record["left on disk"]) or "nothing"),
    ]
    return "".join(f"| {first} | {second} |\n" for first, second in lines)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--submissions", type=int, default=500)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--part", type=int, default=40, help="submissions of the runs that compare speeds")
    parser.add_argument("--record", type=Path, help="write it here, and leave the kept record and its page alone")
    arguments = parser.parse_args()
    record = measured(arguments.submissions, arguments.workers, arguments.part)
    text = json.dumps(record, indent=1) + "\n"
    print(text)
    if arguments.record:
        arguments.record.write_text(text)
        return
    (REPO / "docs" / "big_class.json").write_text(text)
    page = REPO / "docs" / "big_class.md"
    before, _, rest = page.read_text().partition("| ")
    after = rest.partition("\n\n")[2]
    page.write_text(f"{before}{table(record)}\n{after}")


if __name__ == "__main__":
    main()
