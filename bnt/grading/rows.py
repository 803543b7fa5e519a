"""From finished grades to the rows of report.json: points, reasons, lateness, the commonest wrong outputs."""

from __future__ import annotations

from collections import Counter
from typing import Any

from bnt.exercise import NOT_ANSWERED
from bnt.grading import manual
from bnt.grading.answers import ADDED
from bnt.grading.lateness import LateRule, late_by
from bnt.grading.limits import Limits
from bnt.grading.reasons import reason
from bnt.grading.sandbox import level
from bnt.grading.submissions import Submission


def row_of(
    one: Submission,
    paper: dict[str, Any],
    graded: dict[str, Any] | None,
    limits: Limits,
    entered: dict[tuple[str, str], manual.Entry],
) -> dict[str, Any]:
    """One row of report.json: every check with points earned, points possible, result and reason."""
    checks: dict[str, dict[str, Any]] = {}
    status, why = "graded", one.problem or "not graded"
    if graded is not None and "trouble" in graded:
        why = graded["trouble"]
        one.notes.append(why)
        status, graded = "needs a person", None
    if graded is not None:
        refused = [why for name, why in graded["refused"].items() if name.startswith(ADDED)]
        one.notes += [f"a cell that was added was not run: {why}" for why in refused]
    by_id = {cell["id"]: cell for cell in paper["cells"]}
    for cell in paper["cells"]:
        if cell["role"] != "check":
            continue
        entry = {"points": 0, "out_of": cell["points"], "result": "not graded", "reason": why}
        if graded is not None:
            found = graded["cells"][cell["id"]]
            passed = found["outcome"] == "passed"
            right, lines = found.get("lines", (0, 1))  # of a check that counts line by line
            part = 1 if passed else right / lines if found["outcome"] == "differs" else 0
            points = cell["points"] if passed else round(cell["points"] * part, 2) or 0
            entry |= {"points": points, "result": found["outcome"]}
            entry["reason"] = reason(cell, [by_id[name] for name in cell["answers"]], graded, limits)
            if found["outcome"] == "no kernel":
                status = "needs a person"
            if not passed and cell["hint"]:
                entry["hint"] = cell["hint"]
            if not cell["hidden"]:
                entry["output"] = found["stdout"]
        overruled = entered.get((one.learner, cell["id"]))
        if overruled is not None and overruled.points is not None:
            entry |= {**manual.by_person(overruled), "automatic": entry["points"]}
        checks[cell["id"]] = entry
    for name, points in manual.written_cells(paper).items():
        checks[name] = manual.as_check(entered.get((one.learner, name)), points, one)
        if checks[name]["result"] == "to be graded" and status == "graded":
            status = "waiting for manual grades"
    if one.problem:
        status = "nothing to grade" if one.name else "nothing handed in"
        one.notes.append(one.problem)
    waiting = [check["out_of"] for check in checks.values() if check["result"] == "to be graded"]
    return {
        "learner": one.learner,
        "submission": one.name,
        "layout": one.layout,
        "score": tidy(sum(check["points"] for check in checks.values())),
        "total": tidy(sum(check["out_of"] for check in checks.values())),
        "undecided": tidy(sum(waiting)),
        "status": status,
        "isolation": level(limits),
        "notes": one.notes,
        "checks": checks,
    }


def tidy(points: float) -> float:
    """Whole points as whole numbers, no dust of rounding."""
    points = round(points, 6)
    return int(points) if points == int(points) else points


def count_lateness(one: Submission, row: dict[str, Any], deadline: float | None, rule: LateRule | None) -> None:
    """Say in the row how late the hand-in is, and take what the rule takes."""
    seconds, sentence = late_by(one, deadline)
    if not sentence:
        return
    row["notes"].append(sentence)
    if rule is not None:
        taken = tidy(rule.taken(seconds, row["score"]))
        row["late"] = {"days": round(seconds / 86400, 2), "taken": taken, "before": row["score"]}
        row["score"] = tidy(row["score"] - taken)
        row["notes"].append(f"{taken:g} points taken for lateness")


def wrong_outputs(
    finished: dict[str, dict[str, Any]], papers: dict[str, dict[str, Any]]
) -> dict[str, list[tuple[str, int]]]:
    """Check id -> the three commonest outputs that several learners share and that are not as expected."""
    seen: dict[str, Counter[str]] = {}
    for learner, graded in finished.items():
        for cell in papers[learner]["cells"]:
            found = graded.get("cells", {}).get(cell["id"])
            if cell["role"] == "check" and found is not None:
                wrong = found["outcome"] == "differs" and NOT_ANSWERED not in found["stdout"]
                seen.setdefault(cell["id"], Counter()).update([found["stdout"][:600]] if wrong else [])
    return {name: [(text, n) for text, n in count.most_common(3) if n > 1] for name, count in seen.items()}
