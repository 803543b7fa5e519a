"""How learning platforms name what they hand over: whose it is, when it came, which attempt it was."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from bnt.grading.archives import Entry, is_notebook, without_suffix

MOODLE = re.compile(r"(?P<name>.+?)_(?P<id>\d+)_assignsubmission(_\w+)?_?$")
MOODLE_FLAT = re.compile(r"(?P<name>.+?)_(?P<id>\d+)_assignsubmission_[a-z]+_(?P<file>.+)")
CANVAS_ANONYMOUS = re.compile(r"(?P<name>anonymous)(?P<late>_LATE)?_(?P<id>\w{5})_(?P<attempt>\d+)_(?P<file>.+)")
CANVAS = re.compile(r"(?P<name>[^_]+)(?P<late>_LATE)?_(?P<id>\d+)_((?P<attempt>\d+)_.+|text\.html$)")
BRIGHTSPACE = re.compile(
    r"(?P<id>\d+)-\d+ - (?P<name>.+?) - (?P<stamp>[A-Z][a-z]{2,} \d{1,2}, \d{4} \d{3,4} [AP]M)( - (?P<file>.+))?$"
)
GRADESCOPE = re.compile(r"submission_(?P<id>\d+)$")
BLACKBOARD = re.compile(r"(?P<head>.+)_attempt_(?P<stamp>\d{4}(-\d\d){5})(_(?P<file>.+)|\.txt)$")
STAMP = r"\d{4}-\d\d-\d\d[ T_]\d\d[:.-]\d\d[:.-]\d\d(\.\d+)?( ?[A-Z]{1,5}| ?[+-]\d\d:?\d\d)?"
NBGRADER = re.compile(rf"(?P<name>[^+]+)\+(?P<work>[^+]+)\+(?P<stamp>{STAMP})(\+.*)?$")
HOURS = {  # ahead of UTC, of zones that nbgrader and others call by letters
    **{"WET": 0, "WEST": 1, "BST": 1, "CET": 1, "CEST": 2, "MEZ": 1, "MESZ": 2, "EET": 2, "EEST": 3, "MSK": 3},
    **{"EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7, "AKST": -9, "HST": -10},
    **{"JST": 9, "KST": 9, "HKT": 8, "SGT": 8, "AWST": 8, "AEST": 10, "AEDT": 11, "NZST": 12, "NZDT": 13},
}
DATED = re.compile(STAMP + "$")
FIRST, LAST = "submission_metadata.yml", "timestamp.txt"  # of Gradescope, of nbgrader's submitted folder


@dataclass(frozen=True)
class Origin:
    """What the outermost level says about one entry."""

    layout: str
    learner: str
    number: str = ""  # the platform's own number of the person: tells namesakes apart
    email: str = ""
    stamp: float | None = None  # when the platform received it
    attempt: int = 0
    late: bool | None = None  # what the platform itself says
    others: tuple[Origin, ...] = ()  # who handed it in together with this one


@dataclass(frozen=True)
class Delivery:
    """What nbgrader files the feedback of one notebook under."""

    student: str
    work: str  # the assignment
    notebook: str
    stamp: str
    secret: str  # known to the learner and to nobody else


def deliveries(top: Entry, origin: Origin) -> dict[int, Delivery]:
    """id(notebook) -> what nbgrader calls it, for one learner's folder of its exchange or of ``submitted``."""
    if top.kind != "folder" or origin.layout not in ("nbgrader exchange", "nbgrader"):
        return {}
    exchange = NBGRADER.match(top.name)
    folders = [(top, exchange["work"])] if exchange else [(inner, inner.name) for inner in top.children]
    student = exchange["name"] if exchange else top.name
    found = {}
    for folder, work in folders:
        notes = {file.name: file for file in folder.children if file.kind == "file" and not file.problem}
        stamp, secret = (_first_line(notes.get(name)) for name in (LAST, "submission_secret.txt"))
        for name, file in notes.items():
            parts = (student, work, without_suffix(name))
            if is_notebook(name) and not any(part.startswith(".") or "/" in part or "\0" in part for part in parts):
                found[id(file)] = Delivery(*parts, stamp, secret)
    return found


def _first_line(entry: Entry | None) -> str:
    try:
        return entry.read()[:1000].decode("utf-8", "replace").strip() if entry else ""
    except OSError:
        return ""


def moment_of(text: str) -> float | None:
    """Seconds since 1970 of a date as platforms write it; one that names no zone, or none of ``HOURS``, is UTC."""
    found = re.match(r"(\d{4})-(\d\d)-(\d\d)[ T_-](\d\d)[:.-](\d\d)[:.-](\d\d)", text.strip())
    try:
        zone = re.search(r"([+-]\d\d):?(\d\d)$", text.strip())
        at = datetime(*map(int, found.groups()), tzinfo=UTC).timestamp() if found else None  # type: ignore[arg-type, misc]
        if at is None or zone is None:
            letters = re.search(r"[A-Z]+$", text.strip())
            return at if at is None or letters is None else at - 3600 * HOURS.get(letters[0], 0)
        return at - 3600 * int(zone[1]) - 60 * int(zone[1][0] + zone[2])
    except ValueError:
        return None


def origins(entries: Iterable[Entry], parent: Entry | None) -> dict[int, Origin]:
    """id(entry) -> origin, for the entries of one level whose names a platform made; ``parent`` is the folder above."""
    entries = list(entries)
    heads = [m["head"] for e in entries if (m := BLACKBOARD.match(e.name))]
    head = _shared(heads) if len(set(heads)) > 1 else ""
    gradescope = next((_gradescope(e) for e in parent.children if e.name == FIRST), {}) if parent else {}
    prefix = classroom_prefix(parent)
    found: dict[int, Origin] = {}
    for entry in entries:
        name = entry.name
        if m := MOODLE.match(name) or MOODLE_FLAT.match(name):
            found[id(entry)] = Origin("Moodle", m["name"], m["id"])
        elif m := BLACKBOARD.match(name):
            learner = m["head"][len(head) + 1 :] if head else m["head"].rpartition("_")[2]
            found[id(entry)] = Origin("Blackboard", learner, stamp=_blackboard_time(m["stamp"]))
        elif m := NBGRADER.match(name):
            found[id(entry)] = Origin("nbgrader exchange", m["name"], stamp=moment_of(m["stamp"]))
        elif m := GRADESCOPE.match(name):
            found[id(entry)] = gradescope.get(name, Origin("Gradescope", name))
        elif m := BRIGHTSPACE.match(name):
            found[id(entry)] = Origin("Brightspace", m["name"], m["id"], stamp=_brightspace_time(m["stamp"]))
        elif entry.kind != "folder" and (m := CANVAS.match(name) or CANVAS_ANONYMOUS.match(name)):
            found[id(entry)] = Origin(
                "Canvas", m["name"], m["id"], attempt=int(m["attempt"] or 0), late=bool(m["late"])
            )
        elif prefix and name.startswith(prefix) and entry.kind == "folder":
            found[id(entry)] = Origin("GitHub Classroom", name.removeprefix(prefix))
        elif stamp := _nbgrader_submitted(entry):
            found[id(entry)] = Origin("nbgrader", name, stamp=stamp)
    return found


def _shared(texts: list[str]) -> str:
    """What all begin with, up to an underscore."""
    first, last = min(texts), max(texts)
    same = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    return first[:same].rpartition("_")[0]


def is_stamp(name: str) -> bool:
    """A folder that is called after a moment holds one attempt."""
    return bool(DATED.match(name))


def classroom_prefix(parent: Entry | None) -> str:
    """``hw2-`` for the folder ``hw2-submissions`` in which GitHub Classroom clones ``hw2-ann``, ``hw2-bob``."""
    if parent is None or not without_suffix(parent.name).endswith("-submissions"):
        return ""
    prefix = without_suffix(parent.name).removesuffix("submissions")
    return prefix if any(child.name.startswith(prefix) for child in parent.children) else ""


def _blackboard_time(text: str) -> float | None:
    try:
        return datetime.strptime(text, "%Y-%m-%d-%H-%M-%S").timestamp()  # the server's local time, taken as ours
    except ValueError:
        return None


def _brightspace_time(text: str) -> float | None:
    day, hour = text.rsplit(" ", 2)[0], text.rsplit(" ", 2)[1].zfill(4)
    for month in ("%b", "%B"):
        try:
            return datetime.strptime(f"{day} {hour} {text[-2:]}", f"{month} %d, %Y %I%M %p").timestamp()
        except ValueError:
            continue
    return None


def nbgrader_part(level: Entry) -> Entry | None:
    """Of a course folder or an exchange of nbgrader the part that learners handed in: ``submitted``, ``inbound``."""
    inner = {child.name: child for child in level.children if child.kind == "folder"}
    beside = {"submitted": {"source", "release", "autograded", "feedback"}, "inbound": {"outbound", "feedback"}}
    return next((inner[name] for name, others in beside.items() if name in inner and others & set(inner)), None)


def _nbgrader_submitted(entry: Entry) -> float | None:
    """The time in ``ann/ps1/timestamp.txt``, as ``nbgrader collect`` leaves it."""
    for inner in entry.children if entry.kind == "folder" else ():
        for file in inner.children if inner.kind == "folder" else ():
            if file.name == LAST and file.kind == "file":
                return moment_of(file.read()[:100].decode("utf-8", "replace"))
    return None


def _gradescope(entry: Entry) -> dict[str, Origin]:
    """Names, addresses and times out of the export's YAML, as Gradescope lays it out; no other YAML is understood."""
    try:
        text = entry.read()[: 4 << 20].decode("utf-8", "replace")
    except OSError:
        return {}
    found = {}
    for block in re.split(r"^(?=submission_\d+:)", text, flags=re.MULTILINE):
        if m := re.match(r"(submission_(\d+)):", block):
            group = re.search(r"^( *):submitters:[ ]*\n((?:\1(?:- |  ).*(?:\n|$))*)", block, re.MULTILINE)
            when = re.search(rf"^{group[1] if group else '  '}:created_at:(.*)$", block, re.MULTILINE)
            stamp = moment_of(when[1].strip(" '\"")) if when else None
            people = [_fields(one) for one in re.split(r"^ *- ", group[2] if group else "", flags=re.MULTILINE)]
            made = [
                Origin("Gradescope", one["name"], one.get("sid") or m[2], one.get("email", ""), stamp)
                for one in people
                if one.get("name")
            ]
            first = made[0] if made else Origin("Gradescope", m[1], m[2], stamp=stamp)
            found[m[1]] = replace(first, others=tuple(made[1:]))
    return found


def _fields(text: str) -> dict[str, str]:
    """Of one person in Gradescope's YAML."""
    lines = re.findall(r"^\s*:(name|email|sid):[ ]*(.*?)\s*$", text, re.MULTILINE)
    return {key: value.strip("'\"") for key, value in lines}
