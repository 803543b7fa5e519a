"""Why a check gave its points or not, in words a learner can act on; hidden inputs and answers are never quoted."""

from __future__ import annotations

import re
from typing import Any

from bnt.exercise import NOT_ANSWERED
from bnt.grading.compare import NORMAL, Tolerance, same
from bnt.grading.limits import Limits
from bnt.grading.source import STUB

ADDRESS = re.compile(r"0x[0-9a-fA-F]{6,16}")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|\b(?:nan|inf)\b")


def stopped_reason(outcome: str, limits: Limits) -> str:
    """What stopped the kernel, with the limit that it broke."""
    return {
        "timeout": f"it did not finish within {limits.cell_seconds:g} s (--cell-seconds): is there an endless loop?",
        "died": "the kernel died while it ran: it crashed, or the code ended the process",
        "memory": f"it used more than {limits.memory_mb} MB of memory (--memory-mb)",
        "disk": "it wrote more files than an answer may",
        "flood": f"it printed more than {limits.output_kb} kB (--output-kb): is a print left in a loop?",
        "garbled": "its output could not be read: it interfered with the messages of the kernel",
        "not run": f"it was not run: the {limits.total_seconds:g} s of the notebook (--total-seconds) were used up",
        "no kernel": "the kernel could not be started; this is not your fault",
    }.get(outcome, "")


def reason(check: dict[str, Any], answers: list[dict[str, Any]], graded: dict[str, Any], limits: Limits) -> str:
    """One or two sentences. ``answers`` are the answer cells it uses; ``graded`` holds cells, refused, answers."""
    found = graded["cells"][check["id"]]
    outcome = found["outcome"]
    if outcome == "passed":
        return "as expected"
    if outcome == "varies":
        return "your answer gives different results from run to run: use the generator or seed you are given"
    for answer in answers:
        if blame := _blame(answer, graded, limits):
            return blame
    if text := _set_up(graded, limits):
        return text
    if text := stopped_reason(outcome, limits):
        return text
    if NOT_ANSWERED in found["stdout"]:
        return NOT_ANSWERED
    if outcome == "raised":
        return _raised(found, bool(check["hidden"]))
    if check["hidden"]:  # one word for each kind of failure: what was printed may tell of the hidden inputs
        part = f"; {found['lines'][0]} of {found['lines'][1]} lines are right" if "lines" in found else ""
        return f"wrong on hidden inputs{part}"
    expected = "".join(out.get("text", "") for out in check["outputs"] if out.get("name") == "stdout")
    return difference(found["stdout"], expected, Tolerance(*check["tolerance"]))


def _set_up(graded: dict[str, Any], limits: Limits) -> str:
    """When a locked cell was stopped, nothing after it can be right."""
    for name in graded.get("prepares", ()):
        outcome = graded["cells"].get(name, {}).get("outcome", "")
        if outcome == "timeout":
            return f"the set-up cell {name} took more than {limits.setup_seconds:g} s (--setup-seconds); not your fault"
        if text := stopped_reason(outcome, limits):
            return f"the set-up cell {name} was stopped: {text}"
    return ""


def _blame(answer: dict[str, Any], graded: dict[str, Any], limits: Limits) -> str:
    """The reason when the answer cell itself is at fault."""
    name = answer["id"]
    text = graded["answers"].get(name)
    if text is None:
        return f"the answer cell {name} is missing, or several different cells carry its id"
    if text.strip() == answer["blank"].strip() or STUB in text:
        return NOT_ANSWERED
    if why := graded["refused"].get(name):
        return f"the answer {name} was refused: {why}"
    found = graded["cells"][name]
    if why := stopped_reason(found["outcome"], limits):
        return f"the answer cell {name} was stopped: {why}"
    if found["outcome"] == "raised":
        return f"the answer cell {name} ends in an error. {_raised(found, False)}"
    return ""


def _raised(found: dict[str, Any], hidden: bool) -> str:
    if hidden:  # the class and the message of an error may tell of the hidden input
        return "an error on hidden inputs"
    kind = found["ename"]
    if kind == "NotAllowed":
        return f"it imports what this exercise does not allow: {found['evalue'][:300]}"
    if kind == "MemoryError":
        return "MemoryError: it used more memory than an answer may"
    message = ADDRESS.sub("0x...", found["evalue"])
    hint = (
        " (of cells that you added, only imports, definitions and what your answers read are run)"
        if kind == "NameError"
        else ""
    )
    return f"{kind}: {message[:500]}{hint}"


def kind_of(expected: str) -> str:
    """What kind of thing a check prints, without its values: ``2 lines: 3 numbers; 3 numbers``."""
    lines = expected.strip("\n").split("\n")
    head = f"{len(lines)} line{'s' * (len(lines) != 1)} of text"
    if len(lines) > 12:
        return head
    return f"{head}: " + "; ".join(_kind_of_line(line) for line in lines)


def _kind_of_line(line: str) -> str:
    numbers = len(NUMBER.findall(line))
    words = len(re.findall(r"[^\W\d_]{2,}", NUMBER.sub("", line)))
    parts = [f"{n} {what}{'s' * (n != 1)}" for n, what in ((words, "word"), (numbers, "number")) if n]
    return " and ".join(parts) or "other signs"


def difference(own: str, expected: str, tolerance: Tolerance = NORMAL) -> str:
    """How the learner's output differs from the expected one; counts and kinds only."""
    mine, theirs = own.rstrip("\n").split("\n"), expected.rstrip("\n").split("\n")
    if not own.strip():
        return f"nothing was printed; expected {kind_of(expected)}"
    if set(theirs) <= set(mine) and len(mine) > len(theirs):
        return "your code prints lines of its own in the check: remove its print calls"
    if len(mine) != len(theirs):
        return f"{len(mine)} lines were printed; expected {kind_of(expected)}"
    wrong = [i for i, (a, b) in enumerate(zip(mine, theirs, strict=True)) if not same(a, b, tolerance)]
    text = f"{len(theirs) - len(wrong)} of {len(theirs)} lines are as expected" if len(theirs) > 1 else "a wrong value"
    first = wrong[0] if wrong else 0
    kinds = _kind_of_line(mine[first]), _kind_of_line(theirs[first])
    if kinds[0] != kinds[1]:
        text += f"; line {first + 1} holds {kinds[0]} where {kinds[1]} belong"
    elif re.search(r"\bnan\b", mine[first]) and "nan" not in theirs[first]:
        text += f"; line {first + 1} holds nan (not a number)"
    return text


def shown(text: str) -> str:
    """Output as the feedback shows it: no colours, no addresses, which differ between runs."""
    return ADDRESS.sub("0x...", COLOUR.sub("", text))
