"""Worker processes of this machine, and what they are asked to do."""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bnt.errors import FormatError
from bnt.grading.family import work_folder
from bnt.grading.limits import Limits


@dataclass(frozen=True)
class Job:
    """One set of answers against some checks of the paper. ``key`` names the file of its result."""

    key: str
    answers: dict[str, str]
    checks: tuple[str, ...]


Finish = Callable[[Job, dict[str, Any]], None]


class Worker:
    """A process that grades one submission after the other (see worker.py)."""

    def __init__(self, paper: dict[str, Any]) -> None:
        package = Path(__file__).resolve().parents[2]
        path = os.pathsep.join([str(package), *filter(None, [os.environ.get("PYTHONPATH")])])
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bnt.grading.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
        self.paper(paper)

    def paper(self, paper: dict[str, Any]) -> None:
        """From now on this paper is graded."""
        self.send({"do": "paper", "paper": paper})

    def send(self, job: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(job).encode() + b"\n")
        self.process.stdin.flush()

    def ask(self, job: dict[str, Any]) -> dict[str, Any]:
        """The result of one job."""
        assert self.process.stdout is not None
        try:
            self.send(job)
            return dict(json.loads(self.process.stdout.readline()))
        except (OSError, ValueError):
            return {"trouble": "grading itself failed: the worker died"}

    def reference(self, bare: dict[str, Any], limits: Limits, home: Path) -> dict[str, Any]:
        """Run the solution with ``home`` as its home, which fills the caches that submissions start from."""
        job = {"do": "reference", "paper": bare, "limits": limits.as_json(), "home": str(home)}
        return refused_if_failed(self.ask(job))

    def grade(self, job: Job, limits: Limits, home: Path) -> dict[str, Any]:
        """What came of every cell of one job."""
        facts = {"answers": job.answers, "checks": list(job.checks), "limits": limits.as_json(), "home": str(home)}
        return self.ask({"do": "grade", **facts})

    def close(self) -> None:
        """End it; it takes down what it started."""
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def refused_if_failed(reference: dict[str, Any]) -> dict[str, Any]:
    """The outputs of the reference run; FormatError when the source fails its own checks."""
    if "outputs" not in reference:
        raise FormatError(f"the source itself does not pass: {'; '.join(reference.get('failed', [str(reference)]))}")
    return reference


class Local:
    """Worker processes of this machine, ``count`` at once."""

    def __init__(self, bare: dict[str, Any], limits: Limits, count: int) -> None:
        self.limits, self.count = limits, count
        self.work = work_folder()
        self.home = self.work / "home"
        self.home.mkdir()
        self.bare = bare
        self.workers = [Worker(bare)]

    def reference(self) -> dict[str, Any]:
        """What the solution prints."""
        return self.workers[0].reference(self.bare, self.limits, self.home)

    def run(self, jobs: Iterable[Job], paper: dict[str, Any], finish: Finish) -> None:
        """Every result is handed to ``finish``, one at a time, before that worker's next job starts."""
        todo: queue.SimpleQueue[Job] = queue.SimpleQueue()
        for job in jobs:
            todo.put(job)
        lock = threading.Lock()
        troubles: list[BaseException] = []

        def work(worker: Worker) -> None:
            try:
                while not troubles:
                    try:
                        job = todo.get_nowait()
                    except queue.Empty:
                        return
                    result = worker.grade(job, self.limits, self.home)
                    with lock:
                        finish(job, result)
            except BaseException as error:  # handed to the main thread
                troubles.append(error)

        self.workers[0].paper(paper)
        while len(self.workers) < min(self.count, todo.qsize()):
            self.workers.append(Worker(paper))
        threads = [threading.Thread(target=work, args=(worker,), daemon=True) for worker in self.workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(0.2)  # short, so that Ctrl-C is heard
        if troubles:
            raise troubles[0]

    def close(self) -> None:
        """End the workers and remove what they left."""
        for worker in self.workers:
            worker.close()
        shutil.rmtree(self.work, ignore_errors=True)
