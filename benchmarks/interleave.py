"""Contenders as processes that take turns, so that a busy machine slows all of them alike."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from .environments import python_of

SCRIPT = Path(__file__).with_name("contenders.py")
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
XLA = {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1", "JAX_PLATFORMS": "cpu"}


class Absent(Exception):
    """A contender that cannot run, and why."""


class Contender:
    """One process; ``ask`` sends a request and waits for its answer. ``library``: the folder that has its ``bnt``."""

    def __init__(self, name: str, case: Path, install: bool, library: Path | None = None):
        python, reason = python_of(name.split()[0], install)
        if python is None:
            raise Absent(reason)
        here = str(SCRIPT.parent.parent)
        path = here if library is None else f"{library}{os.pathsep}{here}"
        environment = {**os.environ, **ONE_THREAD, **XLA, "PYTHONPATH": path}
        self.told = tempfile.TemporaryFile("w+")  # noqa: SIM115 - a pipe that nobody reads would fill up
        self.process = subprocess.Popen(
            [str(python), str(SCRIPT), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.told,
            text=True,
            env=environment,
        )
        self.ask(case=str(case))

    def ask(self, **request: Any) -> Any:
        assert self.process.stdin
        assert self.process.stdout
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            self.told.seek(0)
            lines = self.told.read().strip().splitlines()
            raise Absent(lines[-1] if lines else "it ended without a word")
        return json.loads(line)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


def compare(names: list[str], case: Path, install: bool, turns: int = 7, earlier: Path | None = None) -> dict[str, Any]:
    """CPU seconds of every turn and each contender's answer; {name: {"seconds", "median", "answer"} or {"absent"}}.

    "bnt earlier" is bnt out of the folder ``earlier``.
    """
    contenders: dict[str, Contender] = {}
    found: dict[str, Any] = {}
    for name in names:
        try:
            contenders[name] = Contender(name, case, install, earlier if name == "bnt earlier" else None)
            found[name] = {"seconds": []}
        except Absent as reason:
            found[name] = {"absent": str(reason)}
    for _ in range(turns):
        for name, contender in contenders.items():
            found[name]["seconds"].append(contender.ask(run=1))
    for name, contender in contenders.items():
        found[name]["median"] = statistics.median(found[name]["seconds"])
        found[name]["answer"] = contender.ask(answer=1)
        contender.close()
    return found


def ratio(found: dict[str, Any], peer: str, own: str = "bnt") -> float:
    """Median over the turns of peer time / own time."""
    pairs = zip(found[peer]["seconds"], found[own]["seconds"], strict=True)
    return statistics.median(theirs / max(ours, 1e-9) for theirs, ours in pairs)
