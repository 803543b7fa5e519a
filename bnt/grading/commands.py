"""The command line of grading: ``bnt release``, ``bnt grade``, ``bnt desk`` (also ``python -m bnt.grading``)."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import suppress
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from bnt.errors import BntError, FormatError
from bnt.grading import without_address_grammar
from bnt.grading.limits import Limits


def add_commands(subparsers: Any) -> None:
    """Add ``release``, ``grade`` and ``check`` to argparse subparsers; each sets ``run(arguments) -> exit code``."""
    release = subparsers.add_parser("release", help="make exercises from solved notebooks")
    release.add_argument("sources", nargs="+", type=Path, metavar="SOURCE.ipynb")
    release.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder that receives the exercises")
    release.add_argument(
        "--bundle", action="store_true", help="write a class folder: lessons, exercises, bnt to install, no answers"
    )
    release.add_argument(
        "--wheel", type=Path, metavar="FILE", help="the wheel of bnt for a bundle (default: built from the checkout)"
    )
    release.add_argument(
        "--seed", type=whole, metavar="N", help="check hidden inputs with this seed; grade with the same"
    )
    release.add_argument("--nbgrader", action="store_true", help="write assignments for nbgrader to DIR/source instead")
    release.add_argument("--quick", action="store_true", help="do not execute the notebooks (never for a class)")
    release.set_defaults(run=run_release)

    grade = subparsers.add_parser("grade", help="grade submissions and explain every point")
    grade.add_argument("source", type=Path, metavar="SOURCE.ipynb")
    grade.add_argument("submissions", nargs="+", type=Path, metavar="SUBMISSION", help="folder, zip file or notebook")
    grade.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder of the reports; a rerun resumes")
    grade.add_argument("--jobs", type=int, default=1, metavar="N", help="submissions graded at once (default 1)")
    grade.add_argument("--json", action="store_true", help="print the rows of report.json")
    grade.add_argument("--seed", type=whole, metavar="N", help="the seed of the hidden inputs; keep it to yourself")
    grade.add_argument("--name-pattern", metavar="REGEX", help="finds (?P<learner>...) in the path of a submission")
    grade.add_argument("--roster", type=Path, metavar="CSV", help="class list: everybody on it gets a row")
    grade.add_argument("--own-seeds", action="store_true", help="draw hidden inputs anew for every learner")
    grade.add_argument("--late", metavar="RULE", help="what lateness costs, such as '10%%/day, max 3'")
    grade.add_argument("--require-isolation", action="store_true", help="grade in the sandbox or not at all")
    grade.add_argument(
        "--scheduler", metavar="ADDRESS", help="grade on a dask cluster; local:4 starts one here (extra dask)"
    )
    grade.add_argument(
        "--deadline",
        metavar="WHEN",
        help="mark later ones as late, such as 2026-03-01T18:00; a date alone: the end of that day",
    )
    normal = Limits()
    for name, kind, what in LIMITS:
        value = getattr(normal, name)
        grade.add_argument(
            "--" + name.replace("_", "-"), type=kind, default=value, metavar="N", help=f"{what} (default {value:g})"
        )
    grade.set_defaults(run=run_grade)

    desk = subparsers.add_parser("desk", help="the page for what a person grades, on this machine alone")
    desk.add_argument(
        "out",
        type=Path,
        nargs="+",
        metavar="OUT",
        help="--out folders of bnt grade, or the one that holds them",
    )
    desk.add_argument("--port", type=whole, default=0, metavar="N", help="port on 127.0.0.1 (default: a free one)")
    desk.add_argument("--no-browser", action="store_true", help="print the address only")
    desk.set_defaults(run=run_desk)

    check = subparsers.add_parser("check", help="what the grader would refuse in a notebook, before handing in")
    check.add_argument("notebook", type=Path, metavar="NOTEBOOK", help="an exercise that you have worked on")
    check.set_defaults(run=run_check)


def whole(text: str) -> int:
    """For argparse: a whole number that is not negative."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number >= 0, not {text!r}")
    return int(text)


def run_release(arguments: argparse.Namespace) -> int:
    """Exit code of ``bnt release``."""
    without_address_grammar()
    from bnt.grading.release import release

    if arguments.nbgrader and arguments.bundle:
        raise FormatError("--bundle and --nbgrader exclude each other: nbgrader makes the class folder itself")
    written = release(
        arguments.sources,
        arguments.out,
        bundle=arguments.bundle,
        seed=arguments.seed,
        run=not arguments.quick,
        nbgrader_course=arguments.nbgrader,
        wheel=arguments.wheel,
    )
    for path in written:
        print(path)
    return 0


LIMITS = (
    ("cell_seconds", float, "seconds that one cell may compute"),
    ("setup_seconds", float, "seconds that a set-up cell may compute"),
    ("total_seconds", float, "seconds for one submission"),
    ("memory_mb", int, "memory of one submission"),
    ("processes", int, "processes and threads of one submission"),
    ("disk_mb", int, "private disk space of one submission"),
    ("open_files", int, "open files of one process"),
    ("output_kb", int, "what one cell may print"),
)


def run_grade(arguments: argparse.Namespace) -> int:
    """Exit code of ``bnt grade``: 0 when everybody has a grade, 1 when a submission needs a person."""
    without_address_grammar()
    from bnt.grading.grade import grade
    from bnt.grading.lateness import LateRule
    from bnt.grading.sandbox import why_not_isolated

    for name, _, _ in LIMITS:
        if not getattr(arguments, name) > 0:
            raise FormatError(f"--{name.replace('_', '-')} must be above 0, not {getattr(arguments, name):g}")
    if arguments.late and not arguments.deadline:
        raise FormatError("--late needs --deadline: by how much is somebody late?")
    if why_not_isolated() and not arguments.require_isolation:
        print(f"WARNING: grade trusted submissions only: {why_not_isolated()}", file=sys.stderr)
    rows = grade(
        arguments.source,
        arguments.submissions,
        arguments.out,
        jobs=arguments.jobs,
        seed=arguments.seed,
        own_seeds=arguments.own_seeds,
        limits=Limits(**{name: getattr(arguments, name) for name, _, _ in LIMITS}),
        name_pattern=arguments.name_pattern,
        roster=arguments.roster,
        deadline=due_at(arguments.deadline),
        late=LateRule.read(arguments.late) if arguments.late else None,
        require_isolation=arguments.require_isolation,
        scheduler=arguments.scheduler,
        progress=_bar,
    )
    if arguments.json:
        print(json.dumps(rows, indent=1, ensure_ascii=False, sort_keys=True))
    else:
        if not rows:
            print(f"no notebook was found in {', '.join(map(str, arguments.submissions))}")
        for row in rows:
            print(f"{row['learner']}: {row['score']} of {row['total']} ({row['status']})")
        print(f"reports: {arguments.out / 'index.html'}")
    return 1 if any(row["status"] == "needs a person" for row in rows) else 0


def run_desk(arguments: argparse.Namespace) -> int:
    """Exit code of ``bnt desk``, after Ctrl-C."""
    from bnt.grading.desk_server import run

    run(arguments.out, arguments.port, browser=not arguments.no_browser)
    return 0


def run_check(arguments: argparse.Namespace) -> int:
    """Exit code of ``bnt check``: 1 where something is refused, missing or not answered."""
    from bnt.grading.before import FINE, look

    found = look(arguments.notebook)
    for name, what in found or [(arguments.notebook.name, FINE)]:
        print(f"{name}: {what}")
    return 1 if found else 0


def due_at(text: str | None) -> float | None:
    """Seconds since 1970 of a moment in local time; a date alone lasts to the end of its day, as people mean it."""
    if not text:
        return None
    try:
        when = datetime.fromisoformat(text)
        with suppress(ValueError):
            when = datetime.combine(date.fromisoformat(text), time.max)
        return when.timestamp()
    except (ValueError, OverflowError):
        raise FormatError(f"--deadline {text!r} is no date: write it like 2026-03-01T18:00") from None


def _bar(done: int, total: int) -> None:
    if sys.stderr.isatty():
        filled = 30 * done // max(total, 1)
        end = "\n" if done == total else ""
        print(f"\r[{'#' * filled}{'.' * (30 - filled)}] {done}/{total} graded", end=end, file=sys.stderr, flush=True)


def main(argv: list[str] | None = None) -> int:
    """``python -m bnt.grading``; bad input is one line on stderr and exit code 2."""
    parser = argparse.ArgumentParser(prog="bnt")
    add_commands(parser.add_subparsers(required=True, metavar="COMMAND"))
    arguments = parser.parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except BntError as error:
        print(f"bnt: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"bnt: {told(error)}", file=sys.stderr)
        return 2


def told(error: OSError) -> str:
    """What the system refused, in one line: no such file, no permission, a full disk."""
    reason = (error.strerror or str(error) or type(error).__name__).lower()
    return f"{error.filename}: {reason}" if error.filename is not None else reason
