"""Finished grades on disk, check by check: what is known is never graded again, what a change touches is.

A grade lies under the digest of all that every check runs after (set-up, limits, isolation, answers); inside it, each
check lies beside the digest of what decides it alone.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from bnt.grading.paper import names_bound, names_read
from bnt.grading.running import Job


def without_checks(bare: dict[str, Any]) -> dict[str, Any]:
    """What every check runs after: set-up, what stands in for a missing answer, what answers may use."""
    cells = [[cell["id"], cell["blank"]] for cell in bare["cells"] if cell["role"] != "check"]
    return {**{name: value for name, value in bare.items() if name not in ("cells", "written")}, "cells": cells}


def run_of(cell: dict[str, Any]) -> dict[str, Any]:
    """The part of a cell on which its outcome depends."""
    return {name: value for name, value in cell.items() if name not in ("points", "hint", "answers")}


def fingerprints(paper: dict[str, Any]) -> dict[str, str]:
    """Check id -> digest of all that decides it besides the answers; a check whose digest is known is not run again."""
    found: dict[str, str] = {}
    earlier: list[tuple[frozenset[str], str]] = []
    for cell in paper["cells"]:
        if cell["role"] == "check":
            reads = names_read(cell["source"])
            used = [text for bound, text in earlier if bound & reads]
            found[cell["id"]] = digest(json.dumps([run_of(cell), used], sort_keys=True))
            earlier.append((names_bound(cell["source"]), cell["source"]))
    return found


def job_of(out: Path, key: str, answers: dict[str, str], prints: dict[str, str]) -> Job | None:
    """What is left to run for these answers; None when everything is known."""
    stored = load(out, key)
    known = stored.get("prints", {}) if stored else {}
    checks = tuple(name for name, mark in prints.items() if known.get(name) != mark)
    return Job(key, answers, checks) if checks or stored is None else None


def with_outputs(bare: dict[str, Any], reference: dict[str, Any]) -> dict[str, Any]:
    """The paper, its checks holding what the reference solution prints."""
    cells = []
    for cell in bare["cells"]:
        outputs = reference["outputs"].get(cell["id"], []) if cell["role"] == "check" else []
        cells.append({**cell, "outputs": [out for out in outputs if out.get("name") != "stderr"]})
    return {**bare, "cells": cells}


def digest(*parts: str) -> str:
    """SHA-256 of the parts, as hexadecimal."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def load(out: Path, key: str) -> dict[str, Any] | None:
    """A finished grade, or None."""
    try:
        return dict(json.loads((out / "results" / f"{key}.json").read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None
