"""A grading worker: reads jobs as JSON lines on stdin, grades each in a forked child, writes JSON lines to stdout.

Everything heavy is imported once. When the grader is killed, stdin ends, and the worker takes down what it started.
Started by grade.py as ``python -m bnt.grading.worker``.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import selectors
import signal
import sys
from pathlib import Path
from typing import Any

from bnt.grading import without_address_grammar

without_address_grammar()

from bnt.grading.family import descendants, end_all, remove_folders  # noqa: E402
from bnt.grading.limits import Limits  # noqa: E402
from bnt.grading.session import TIMES_WITH_CHANCE, run_answers, run_reference  # noqa: E402

TROUBLE = "grading itself failed: {}"


def perform(job: dict[str, Any], paper: dict[str, Any]) -> dict[str, Any]:
    """One job to one result."""
    limits = Limits.from_json(job["limits"])
    if job["do"] == "reference":
        return run_reference(job["paper"], limits, Path(job["home"]))
    cells = [cell for cell in paper["cells"] if cell["role"] != "check" or cell["id"] in job["checks"]]
    return run_answers({**paper, "cells": cells}, job["answers"], limits, Path(job["home"]))


def _in_child(job: dict[str, Any], paper: dict[str, Any], pipe: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    try:
        result = perform(job, paper)
    except BaseException as error:  # reported to the instructor, who has to look
        result = {"trouble": TROUBLE.format(f"{type(error).__name__}: {error}")}
    with os.fdopen(pipe, "w") as answer:
        json.dump(result, answer)
    os._exit(0)


def _perform_in_child(job: dict[str, Any], paper: dict[str, Any]) -> dict[str, Any] | None:
    """The result; None when the grader is gone."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        _in_child(job, paper, write)
    os.close(write)
    limits = Limits.from_json(job["limits"])
    chunks: list[bytes] = []
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(read, selectors.EVENT_READ)
            selector.register(0, selectors.EVENT_READ)
            while True:
                ready = [key.fd for key, _ in selector.select(2 * TIMES_WITH_CHANCE * limits.total_seconds)]
                if 0 in ready:  # one job at a time: only the end of stdin makes it readable
                    return None
                if not ready:
                    return {"trouble": TROUBLE.format("it took too long")}
                chunk = os.read(read, 1 << 20)
                if not chunk:
                    break
                chunks.append(chunk)
    finally:
        os.close(read)
        end(child)
    try:
        return dict(json.loads(b"".join(chunks)))
    except ValueError:
        return {"trouble": TROUBLE.format("its process died")}


def end(child: int) -> None:
    """Kill the child with everything it started, and remove its folders."""
    family = descendants(child)
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    end_all(family)
    remove_folders(child)


def main() -> None:
    """Jobs until stdin ends."""
    grader = os.getppid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the grader, which closes stdin
    try:
        _work_until_stdin_ends()
    finally:
        remove_folders(grader)  # it may have been killed


def _work_until_stdin_ends() -> None:
    paper: dict[str, Any] = {}
    while line := _next_line():
        job = json.loads(line)
        if job["do"] == "paper":
            paper = job["paper"]
            continue
        result = _perform_in_child(job, paper) if hasattr(os, "fork") else perform(job, paper)
        if result is None:
            return
        sys.stdout.write(json.dumps(result) + "\n")
        sys.stdout.flush()


_buffer = bytearray()


def _next_line() -> bytes:
    """A line from stdin, read without look-ahead buffering by Python so that ``select`` stays truthful."""
    while b"\n" not in _buffer:
        chunk = os.read(0, 1 << 20)
        if not chunk:
            return b""
        _buffer.extend(chunk)
    line, _, rest = bytes(_buffer).partition(b"\n")
    _buffer[:] = rest
    return line


if __name__ == "__main__":
    main()
