"""``bnt grade --scheduler``: the same grading on the workers of a dask cluster.

Only running moves: collecting, the results on disk, resuming and the reports stay where the command was given. Every
thread of a dask worker keeps one grading process (worker.py) with a warm home of its own. That process ends when the
dask worker does, even by kill -9, and removes what was left.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import platform
import shutil
import threading
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import bnt
from bnt.errors import FormatError
from bnt.grading.family import work_folder
from bnt.grading.limits import Limits
from bnt.grading.running import Finish, Job, Worker, refused_if_failed
from bnt.grading.sandbox import ISOLATED, level

RETRIES = 3  # workers that may die under one submission before it needs a person
STARTING_SECONDS = 60
_here: dict[tuple[str, int], tuple[Worker, Path]] = {}  # of this dask worker: (paper, thread) -> process and home


def facts(limits: dict[str, Any]) -> dict[str, str]:
    """What must be equal on every node: the sandbox, and all that decides what a notebook prints."""
    names = ("numpy", "scipy", "nbval", "ipykernel", "numba", "pgmpy")
    found = {name: version(name) for name in names}
    found["python"], found["machine"] = platform.python_version(), platform.machine()
    found["isolation"] = level(Limits.from_json(limits))
    found["bnt"] = f"{bnt.__version__} {_code_digest()}"
    return found


def _code_digest() -> str:
    """Two checkouts of one version number may differ."""
    folder = Path(bnt.__file__).parent
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        total.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return total.hexdigest()[:12]


def grade_one(
    bare: dict[str, Any], paper: dict[str, Any], job: Job, limits: dict[str, Any], wanted: dict[str, str]
) -> dict[str, Any]:
    """Runs on a dask worker: one submission, after checking that this node is like the others."""
    name = hashlib.sha256(json.dumps([paper, limits], sort_keys=True).encode()).hexdigest()
    place = name, threading.get_ident()
    if place not in _here:
        if unlike := _difference(facts(limits), wanted):
            return {"refused": unlike}
        for old in [key for key in _here if key[1] == place[1]]:
            _close(old)
        home = work_folder()
        worker = Worker(bare)
        _here[place] = worker, home
        refused_if_failed(worker.reference(bare, Limits.from_json(limits), home))
        worker.paper(paper)
    worker, home = _here[place]
    result = worker.grade(job, Limits.from_json(limits), home)
    if "trouble" in result:
        _close(place)
    return result


def _close(place: tuple[str, int]) -> None:
    worker, home = _here.pop(place)
    worker.close()
    shutil.rmtree(home, ignore_errors=True)


def close_all() -> None:
    """Runs on a dask worker when grading is over."""
    for place in list(_here):
        _close(place)


def _difference(mine: dict[str, str], wanted: dict[str, str]) -> str:
    return "; ".join(
        f"{key}: {mine.get(key)} instead of {wanted[key]}" for key in wanted if mine.get(key) != wanted[key]
    )


class Cluster:
    """The runner behind ``--scheduler``. ``local:N`` starts N workers on this machine, anything else is an address."""

    def __init__(self, bare: dict[str, Any], limits: Limits, address: str, *, require_isolation: bool = False) -> None:
        try:
            from dask.distributed import Client
        except ImportError:
            raise FormatError("--scheduler needs dask: pip install 'bnt[dask]'") from None
        self.bare, self.limits, self.address = bare, limits, address
        for name in ["distributed", *logging.root.manager.loggerDict]:  # dask gives some a level of their own
            if name.split(".")[0] == "distributed":
                logging.getLogger(name).setLevel(logging.CRITICAL)  # what is lost is told in our words
        self.work = work_folder()
        self.cluster = _start(address, self.work)
        try:
            self.client = Client(self.cluster or address, timeout=STARTING_SECONDS, set_as_default=False)
            if self.cluster is None:
                self.client.wait_for_workers(1, timeout=STARTING_SECONDS)
            self.wanted = self._checked(require_isolation)
        except (OSError, TimeoutError, ValueError) as error:
            self.close()
            if isinstance(error, FormatError):
                raise
            raise FormatError(f"--scheduler {address}: no scheduler with workers answers there") from None
        self.keeper = Worker(bare)  # removes our folder, should this process be killed

    def _checked(self, require_isolation: bool) -> dict[str, str]:
        """The facts of all nodes and of this machine; FormatError where they differ."""
        found = self.client.run(facts, self.limits.as_json())
        wanted: dict[str, str] = next(iter(found.values()))
        for node, mine in sorted(found.items()):
            if unlike := _difference(mine, wanted):
                raise FormatError(f"the nodes are not alike, so grades would not be: {node} has {unlike}")
        if unlike := _difference(facts(self.limits.as_json()), wanted):
            raise FormatError(f"this machine is not like the nodes: {unlike}")
        if require_isolation and wanted["isolation"] != ISOLATED:
            raise FormatError(f"--require-isolation: the nodes are {wanted['isolation']}")
        return wanted

    def reference(self) -> dict[str, Any]:
        """What the solution prints, from one of the nodes."""
        home = self.work / "home"
        home.mkdir(exist_ok=True)
        return self.keeper.reference(self.bare, self.limits, home)

    def run(self, jobs: Iterable[Job], paper: dict[str, Any], finish: Finish) -> None:
        """Every result is handed to ``finish`` as it comes; a job of a worker that died goes to another one."""
        from dask.distributed import as_completed

        try:
            shared = self.client.scatter([self.bare, paper], broadcast=True, hash=False)
            tasks = {}
            for job in jobs:
                told = (*shared, job, self.limits.as_json(), self.wanted)
                tasks[self.client.submit(grade_one, *told, retries=RETRIES, pure=False)] = job
            for future in as_completed(tasks, loop=self.client.loop):
                job = tasks.pop(future)
                result = self._result(future)
                if "refused" in result and "cells" not in result:
                    raise FormatError(f"a node that joined later is not like the others: {result['refused']}")
                finish(job, result)
        except (OSError, TimeoutError) as error:
            raise FormatError(
                f"--scheduler {self.address} was lost ({type(error).__name__}); what is graded is kept: run the same "
                "command again when it is back"
            ) from None

    def _result(self, future: Any) -> dict[str, Any]:
        if future.status == "cancelled":
            raise ConnectionError("cancelled")
        try:
            return dict(future.result(timeout=STARTING_SECONDS))
        except FormatError as error:
            return {"trouble": f"grading itself failed: {error}"}
        except Exception as error:  # KilledWorker and whatever else a node met
            if "lost" in str(error) or type(error).__name__ in ("CommClosedError", "FutureCancelledError"):
                raise ConnectionError(str(error)) from None
            return {"trouble": f"grading itself failed: {type(error).__name__}"}

    def close(self) -> None:
        """End what was started here; a cluster of somebody else keeps its workers and loses our processes."""
        with contextlib.suppress(Exception):  # the scheduler may be gone
            if hasattr(self, "wanted"):
                self.client.run(close_all, on_error="ignore")
        with contextlib.suppress(Exception):
            if hasattr(self, "client"):
                self.client.close(timeout=5)
        if self.cluster is not None:
            self.cluster.close()
        if hasattr(self, "keeper"):
            self.keeper.close()
        shutil.rmtree(self.work, ignore_errors=True)


def _start(address: str, work: Path) -> Any:
    """A cluster of this machine for ``local:N``, its scratch files in ``work``; None for an address."""
    if not address.startswith("local:"):
        return None
    number = address.removeprefix("local:")
    if not number.isdecimal() or not 1 <= int(number) <= 256:
        raise FormatError(f"--scheduler {address}: write local:4 for four workers of this machine")
    import dask
    from dask.distributed import LocalCluster

    package = str(Path(bnt.__file__).resolve().parents[1])
    path = os.pathsep.join([package, *filter(None, [os.environ.get("PYTHONPATH")])])
    os.environ["PYTHONPATH"] = path  # the workers import the same bnt as this process
    dask.config.set({"distributed.worker.daemon": False, "temporary-directory": str(work)})
    return LocalCluster(
        n_workers=int(number),
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        local_directory=str(work),
        silence_logs=logging.CRITICAL,
        memory_limit=0,
    )
