"""``bnt grade``: from a source notebook and a pile of submissions to explained grades, resumable at any moment."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from bnt.errors import FormatError
from bnt.grading import desk, manual, report
from bnt.grading.answers import ADDED
from bnt.grading.collect import collect
from bnt.grading.family import sweep_leftovers
from bnt.grading.finished import digest, fingerprints, job_of, load, run_of, with_outputs, without_checks
from bnt.grading.gradebooks import gradebooks
from bnt.grading.lateness import LateRule
from bnt.grading.limits import Limits
from bnt.grading.nbgrader_feedback import write_feedback
from bnt.grading.paper import build_paper
from bnt.grading.reasons import shown
from bnt.grading.roster import Roster, read_roster
from bnt.grading.rows import count_lateness, row_of, wrong_outputs
from bnt.grading.running import Finish, Job, Local
from bnt.grading.sandbox import ISOLATED, level, why_not_isolated
from bnt.grading.similarity import similar
from bnt.grading.source import Source, blanked, read_source
from bnt.grading.submissions import Exam, Submission, choose, on_roster

VERSION = 2  # of a finished grade; another number grades everything again
PUBLIC_SEED = "hidden inputs come from the seed in the source, which every clone ships: grade a class with --seed"


class Runner(Protocol):
    """Where submissions run: worker processes of this machine, or a cluster."""

    def reference(self) -> dict[str, Any]: ...
    def run(self, jobs: Iterable[Job], paper: dict[str, Any], finish: Finish) -> None: ...
    def close(self) -> None: ...


@dataclass(frozen=True)
class Options:
    """What ``bnt grade`` can be told besides its paths."""

    jobs: int = 1
    seed: int | None = None
    own_seeds: bool = False  # every learner gets hidden inputs of their own
    limits: Limits = field(default_factory=Limits)
    name_pattern: str | None = None
    roster: Path | None = None
    deadline: float | None = None
    late: LateRule | None = None
    require_isolation: bool = False
    scheduler: str | None = None
    progress: Callable[[int, int], None] = lambda done, total: None


def grade(
    source: Path | str, submissions: Iterable[Path | str], out: Path | str, **options: Any
) -> list[dict[str, Any]]:
    """Grade every learner's newest valid notebook and write all reports to ``out``; the rows of report.json.

    ``options`` are the fields of ``Options``. Finished grades are kept in ``out/results`` under a digest of the
    exercise, seed, limits, isolation and answers, check by check, so a second call only grades what is new, and a
    changed check is all that is graded again. Raises FormatError for a source or a path that cannot be used.
    """
    told = Options(**{name: value for name, value in options.items() if value is not None})
    limits = told.limits
    if told.jobs < 1:
        raise FormatError(f"--jobs must be 1 or more, not {told.jobs}")
    if told.require_isolation and told.scheduler is None and level(limits) != ISOLATED:
        raise FormatError(f"--require-isolation: {why_not_isolated() or 'the sandbox is switched off'}")
    if told.own_seeds and told.seed is None:
        raise FormatError("--own-seeds draws every learner's inputs from --seed: give one")
    read = read_source(source).with_seed(told.seed)
    out = Path(out)
    exam = Exam(read, own_copy=limits.on("own copy"), guarded=limits.on("file limits"))
    paths = [Path(path) for path in submissions]
    roster = Roster(read_roster(told.roster)) if told.roster else None
    hand_ins = collect(paths, read.stem, told.name_pattern, exam.holds, guarded=limits.on("file limits"))
    chosen = choose(exam, hand_ins)
    if roster:
        chosen = on_roster(chosen, roster)
    _tell_apart(chosen)
    _claim(out, read)
    _remove_parts(out)
    sweep_leftovers()
    finished: dict[str, dict[str, Any]] = {}
    papers: dict[str, dict[str, Any]] = {}
    groups = _groups(read, chosen, told)
    for one_source, group in groups:
        paper, grades = _grade_all(one_source, group, out, told)
        finished |= grades
        papers |= dict.fromkeys([one.learner for one in group], paper)
    paper = build_paper(read) if told.own_seeds else paper
    entered = manual.update(out, read, chosen)
    rows = [row_of(one, papers[one.learner], finished.get(one.learner), limits, entered) for one in chosen]
    for one, row in zip(chosen, rows, strict=True):
        count_lateness(one, row, told.deadline, told.late)
    books, left_out = gradebooks(read.stem, rows, chosen)
    report.write_all(
        out,
        read,
        papers,
        rows,
        notes=_general_notes(read, told),
        class_notes=_class_notes(chosen) + left_out,
        wrong=wrong_outputs(finished, papers),
        alike=similar(
            {one.learner: one.answers for one in chosen},
            {cell.id: blanked(cell.source) for cell in read.cells("answer")},
        ),
        books=books,
    )
    write_feedback(out, chosen)
    desk.write_answers(out, read, chosen)
    return rows


def _tell_apart(chosen: list[Submission]) -> None:
    """No two rows of one name, wherever the names came from."""
    taken: set[str] = set()
    for one in chosen:
        plain, number = one.learner, 2
        while one.learner in taken:
            one.learner, number = f"{plain} [{number}]", number + 1
        if one.learner != plain:
            one.notes.append(f"another hand-in carries the name {plain}")
        taken.add(one.learner)


def _groups(read: Source, chosen: list[Submission], told: Options) -> list[tuple[Source, list[Submission]]]:
    """Those who are graded with one seed: all, or each for himself."""
    if not told.own_seeds:
        return [(read, chosen)]
    return [(read.with_seed(_seed_of(told.seed, one)), [one]) for one in chosen] or [(read, [])]


def _seed_of(seed: int | None, one: Submission) -> int:
    who = one.person.id or one.person.label if one.person else one.learner
    return int(digest("seed", str(seed), who)[:12], 16)


def _claim(out: Path, source: Source) -> None:
    """One folder holds the grades of one exercise."""
    mark = out / "results" / "exercise.txt"
    if mark.is_file() and mark.read_text(encoding="utf-8").strip() != source.stem:
        name = mark.read_text(encoding="utf-8").strip()
        raise FormatError(f"--out {out} holds the grades of {name}; use another folder for {source.stem}")
    mark.parent.mkdir(parents=True, exist_ok=True)
    report.write_whole(mark, source.stem + "\n")


def _remove_parts(out: Path) -> None:
    """Half-written files of a run that was killed."""
    for part in [*out.glob(".*.part"), *out.glob("*/.*.part")]:
        part.unlink(missing_ok=True)


def _general_notes(source: Source, told: Options) -> list[str]:
    """What holds for everybody, learners may read it too."""
    notes = [f"isolation: {level(told.limits)}"]
    if level(told.limits) != ISOLATED:
        notes.append(f"grade trusted submissions only: {why_not_isolated() or 'the sandbox is switched off'}")
    if told.seed is None and source.seed is not None:
        notes.append(PUBLIC_SEED)
    return notes


def _class_notes(chosen: list[Submission]) -> list[str]:
    layouts = sorted({one.layout for one in chosen} - {""})
    return [f"names as given by: {', '.join(layouts)}"] if layouts else []


def _grade_all(
    source: Source, chosen: list[Submission], out: Path, told: Options
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """The paper with its expected outputs, and learner -> what came of every cell."""
    bare, limits = build_paper(source), told.limits
    codes = {cell["id"] for cell in bare["cells"] if cell["role"] == "answer"}

    def wanted(name: str) -> bool:
        return name in codes or name.startswith(ADDED) or not limits.on("own copy")

    basis = json.dumps([VERSION, without_checks(bare), limits.as_json(), level(limits)], sort_keys=True)
    keys = {}
    for one in chosen:
        if not one.problem:
            answers = {name: text for name, text in one.answers.items() if wanted(name)}
            keys[one.learner] = (digest(basis, json.dumps(answers, sort_keys=True)), answers)
    reference_key = digest(basis, json.dumps([run_of(cell) for cell in bare["cells"]], sort_keys=True), "reference")
    reference = load(out, reference_key)
    with contextlib.ExitStack() as stack:
        runner: Runner | None = None
        if reference is None:
            runner = stack.enter_context(contextlib.closing(_runner(bare, told)))
            reference = runner.reference()
            report.write_whole(out / "results" / f"{reference_key}.json", json.dumps(reference))
        paper = with_outputs(bare, reference)
        prints = fingerprints(paper)
        jobs = {key: job for key, answers in keys.values() if (job := job_of(out, key, answers, prints)) is not None}
        if jobs and runner is None:
            runner = stack.enter_context(contextlib.closing(_runner(bare, told)))
            runner.reference()  # fills the home from which submissions start
        if jobs and runner is not None:
            _run(runner, list(jobs.values()), paper, prints, out, told.progress, len({key for key, _ in keys.values()}))
    finished = {learner: load(out, key) or {"trouble": "it was not graded"} for learner, (key, _) in keys.items()}
    for learner, (_, answers) in keys.items():
        finished[learner]["answers"] = answers
    return paper, finished


def _runner(bare: dict[str, Any], told: Options) -> Runner:
    if told.scheduler is not None:
        from bnt.grading.cluster import Cluster

        return Cluster(bare, told.limits, told.scheduler, require_isolation=told.require_isolation)
    return Local(bare, told.limits, told.jobs)


def _run(
    runner: Runner,
    jobs: list[Job],
    paper: dict[str, Any],
    prints: dict[str, str],
    out: Path,
    progress: Callable[[int, int], None],
    total: int,
) -> None:
    """Every result is on disk as soon as it is there."""
    done = total - len(jobs)
    progress(done, total)
    ids = {cell["id"] for cell in paper["cells"]}

    def finish(job: Job, result: dict[str, Any]) -> None:
        nonlocal done
        if "trouble" not in result:
            before = load(out, job.key) or {"cells": {}, "prints": {}}
            cells = {name: cell for name, cell in before["cells"].items() if name in ids}
            new = {**result, "cells": {**cells, **_cleaned(result)["cells"]}}
            new["prints"] = {**before["prints"], **{name: prints[name] for name in job.checks}}
            report.write_whole(out / "results" / f"{job.key}.json", json.dumps(new, sort_keys=True))
        done += 1
        progress(done, total)

    runner.run(jobs, paper, finish)


def _cleaned(result: dict[str, Any]) -> dict[str, Any]:
    for found in result["cells"].values():
        for key in ("stdout", "evalue", "traceback"):
            if key in found:
                found[key] = shown(found[key])
    return result
