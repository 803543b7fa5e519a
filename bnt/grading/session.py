"""Run one submission to its end, whatever it does: reruns without the cell that stopped the kernel."""

from __future__ import annotations

import math
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import nbformat

from bnt import policy
from bnt.grading.family import work_folder
from bnt.grading.limits import Limits
from bnt.grading.nbval_guard import Guard, run_notebook
from bnt.grading.paper import assemble, digests
from bnt.grading.sandbox import kernel_command

TIMES_WITH_CHANCE = 3  # runs that must agree when an answer mentions randomness or time


def run_reference(paper: dict[str, Any], limits: Limits, keep: Path) -> dict[str, Any]:
    """Execute the solved paper, ``keep`` as its home; outputs by cell id, or which cell failed and how."""
    answers = {cell["id"]: cell["source"] for cell in paper["cells"] if cell["role"] == "answer"}
    refused = {name: why for name, text in answers.items() if (why := policy.refusals(text, paper))}
    if refused:
        return {"failed": [f"{name}: {why}" for name, why in refused.items()]}
    folder = work_folder()
    try:
        guard = _run_once(paper, answers, {}, limits, folder, entropy=0, keep=keep)
        failed = [
            f"{name}: {found['outcome']} {found.get('ename', '')} {found.get('evalue', '')}".rstrip()
            for name, found in guard.results.items()
            if found["outcome"] not in ("passed", "differs")
        ]
        _make_readable(keep)
        return {"failed": failed} if failed or guard.stopped_at else {"outputs": guard.outputs}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _plain(text: str) -> str:
    try:
        return policy.plain(text)
    except policy.Refused:
        return text


def _make_readable(folder: Path) -> None:
    """The reference run may have had another user id than the runs that start from its home."""
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)


def run_answers(paper: dict[str, Any], answers: dict[str, str], limits: Limits, warm: Path | None) -> dict[str, Any]:
    """Outcomes by cell id (see ``Guard.outcome``), and why answers were refused.

    ``answers`` maps ids of answer cells to the learner's source; a missing one counts as blank.
    """
    until = time.monotonic() + limits.total_seconds
    refused: dict[str, str] = {}
    if limits.on("syntax policy"):
        refused = {name: why for name, text in answers.items() if (why := policy.refusals(text, paper))}
    answers = {name: _plain(text) for name, text in answers.items()}
    replaced = dict.fromkeys(refused, "this answer was refused")
    chance = limits.on("reruns") and any(
        policy.mentions_chance(text) for name, text in answers.items() if name not in refused
    )
    folder = work_folder()
    try:
        runs = [
            _run_to_the_end(paper, answers, replaced, limits, folder, warm=warm, until=until, entropy=entropy)
            for entropy in range(TIMES_WITH_CHANCE if chance else 1)
        ]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    cells = runs[-1]
    for name in cells:
        seen = [run.get(name, cells[name])["outcome"] for run in runs]
        if "not run" in seen:
            cells[name] = {**cells[name], "outcome": "not run"}
        elif len(set(seen)) > 1:
            cells[name] = {**cells[name], "outcome": "varies"}
    prepares = [cell["id"] for cell in paper["cells"] if cell["role"] == "other"]
    return {"cells": cells, "refused": refused, "prepares": prepares}


def _run_to_the_end(
    paper: dict[str, Any],
    answers: dict[str, str],
    replaced: dict[str, str],
    limits: Limits,
    folder: Path,
    *,
    warm: Path | None,
    until: float,
    entropy: int,
) -> dict[str, dict[str, Any]]:
    stopped: dict[str, dict[str, Any]] = {}
    known: dict[str, dict[str, Any]] = {}  # of earlier runs: what a later one, out of time, did not reach
    keys = {f"added_{name.split(':')[1]}": name for name in answers if name.startswith("added:")}
    for _ in range(len(paper["cells"]) + len(keys) + 1):
        guard = _run_once(
            paper,
            answers,
            {**replaced, **{keys.get(name, name): f"stopped: {found['outcome']}" for name, found in stopped.items()}},
            limits,
            folder,
            entropy=entropy,
            until=until,
            warm=warm,
        )
        known |= guard.results
        if guard.stopped_at is None or guard.stopped_at in stopped:
            break
        stopped[guard.stopped_at] = guard.results[guard.stopped_at]
        if guard.results[guard.stopped_at]["outcome"] == "no kernel":
            break
        if time.monotonic() > until:
            break
    never = {cell["id"]: {"outcome": "not run", "stdout": ""} for cell in paper["cells"]}
    return {**never, **known, **stopped}


def _run_once(
    paper: dict[str, Any],
    answers: dict[str, str],
    replaced: dict[str, str],
    limits: Limits,
    folder: Path,
    *,
    entropy: int,
    until: float = math.inf,
    warm: Path | None = None,
    keep: Path | None = None,
) -> Guard:
    codes = {cell["id"] for cell in paper["cells"] if cell["role"] == "answer"}
    shared = Path(tempfile.mkdtemp(prefix="k", dir=folder))
    private = Path(tempfile.mkdtemp(prefix="n", dir=folder))
    notebook = private / "paper.ipynb"
    nbformat.write(assemble(paper, answers, replaced, own_copy=limits.on("own copy")), notebook)
    rules = {
        "allowed": paper["allowed"] if limits.on("import hook") else None,
        "answers": digests(
            {name: text for name, text in answers.items() if name in codes or name.startswith("added:")}
        ),
        "entropy": entropy,
        "locked": [*paper["names"], *paper["protected"]],
        "policy": policy.__file__,
    }
    command, environment = kernel_command(limits, shared, slot=os.getpid(), rules=rules, warm=warm, keep=keep)
    try:
        return run_notebook(notebook, command, environment, shared, limits, until)
    finally:
        shutil.rmtree(shared, ignore_errors=True)
        shutil.rmtree(private, ignore_errors=True)
