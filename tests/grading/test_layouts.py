"""How classes are handed in, as people and platforms do it: one row per learner, full marks where an answer exists."""

import io
import json
import os
import tarfile
import time
import zipfile
from pathlib import Path

import pytest

from bnt.errors import FormatError
from bnt.grading.archives import Entry
from bnt.grading.collect import collect
from bnt.grading.grade import grade
from bnt.grading.lateness import LateRule, late_by
from bnt.grading.layouts import moment_of
from bnt.grading.roster import Roster, keys, read_roster
from bnt.grading.source import read_source
from bnt.grading.submissions import Exam, Submission, choose, on_roster
from bnt.grading.versions import solution
from tests.exercise_examples import REPO

NAME = "normalise.ipynb"
SOURCE_TIME = 1.7e9


def packed(members: dict[str, bytes], suffix: str = ".zip", when: tuple = (2026, 1, 1, 0, 0, 0)) -> bytes:
    """The bytes of an archive."""
    stream = io.BytesIO()
    if suffix == ".zip":
        with zipfile.ZipFile(stream, "w") as archive:
            for name, content in members.items():
                archive.writestr(zipfile.ZipInfo(name, when), content)
    else:
        with tarfile.open(fileobj=stream, mode="w:gz") as tar:
            for name, content in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def put(folder: Path, files: dict[str, bytes | tuple[bytes, float]]) -> Path:
    """Files below the folder; a pair gives the time as well."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data, when = content if isinstance(content, tuple) else (content, SOURCE_TIME)
        path.write_bytes(data)
        os.utime(path, (when, when))
    return folder


def read(source, *paths: Path, pattern: str | None = None) -> dict[str, Submission]:
    exam = Exam(source)
    found = choose(exam, collect(paths, source.stem, pattern, exam.holds))
    assert len({one.learner for one in found}) == len(found)
    return {one.learner: one for one in found}


def full(source, one: Submission) -> bool:
    """True when the answers are those of the solution."""
    content = json.dumps(solution(source)).encode()
    return one.answers == Exam(source).look(Entry("x.ipynb", "file", read=lambda: content)).answers and not one.problem


def moodle(name: str, number: int, kind: str = "file") -> str:
    return f"{name}_{number}_assignsubmission_{kind}"


# fmt: off
# layout -> files, and the learners whose answers must be found ("" for one whose row says why there is nothing)
def layouts(good: bytes, blank: bytes) -> dict[str, tuple[dict, dict[str, str]]]:
    n, who = NAME, ("ann", "bob", "cleo")
    three = dict.fromkeys(who, "full")
    old = (blank, SOURCE_TIME - 1000)
    gradescope = b"""---
submission_11:
  :submitters:
  - :name: Ann Smith
    :sid: '0042'
    :email: ann@uni.edu
  :created_at: 2026-03-01 17:59:00.000000000 Z
submission_12:
  :submitters:
  - :name: Bob Jones
    :sid: '0043'
    :email: bob@uni.edu
  :created_at: 2026-03-02 17:59:00.000000000 Z
"""
    return {
        "folder per learner": ({f"{w}/{n}": good for w in who}, three),
        "file per learner": ({f"normalise_{w}.ipynb": good for w in who}, three),
        "file per learner, name first": ({f"{w} - {n}": good for w in who}, three),
        "file per learner, downloaded twice": ({f"normalise_{w} (1).ipynb": good for w in who}, three),
        "file per learner, own name alone": ({f"{w}.ipynb": good for w in who}, three),
        "wrapping folder": ({f"hw2/{w}/{n}": good for w in who}, three),
        "two wrapping folders": ({f"term/hw2/{w}/{n}": good for w in who}, three),
        "zip of the class": ({"hw2.zip": packed({f"{w}/{n}": good for w in who})}, three),
        "zip of a folder": ({"hw2.zip": packed({f"hw2/{w}/{n}": good for w in who})}, three),
        "zip of files": ({"hw2.zip": packed({f"normalise_{w}.ipynb": good for w in who})}, three),
        "zip of files in a folder": ({"drive.zip": packed({f"Homework 2/{w} - {n}": good for w in who})}, three),
        "zip per learner": ({f"{w}.zip": packed({n: good}) for w in who}, three),
        "zip per learner of a folder": ({f"{w}.zip": packed({f"hw/{n}": good}) for w in who}, three),
        "zip per learner made by macOS": (
            {
                f"{w}.zip": packed(
                    {f"hw/{n}": good, f"__MACOSX/hw/._{n}": b"\0\5\26\7", "hw/.ipynb_checkpoints/x.ipynb": blank}
                )
                for w in who
            },
            three,
        ),
        "tar.gz per learner": ({f"{w}.tar.gz": packed({f"hw/{n}": good}, ".tar.gz") for w in who}, three),
        "zip of zips": ({"all.zip": packed({f"{w}.zip": packed({n: good}) for w in who})}, three),
        "zip in a zip in a zip": (
            {"ann.zip": packed({"b.zip": packed({"c.zip": packed({n: good})})}), f"bob/{n}": good},
            {"ann": "full", "bob": "full"},
        ),
        "mixed": (
            {"ann.tar.gz": packed({n: good}, ".tar.gz"), "bob.7z": b"7z", f"cleo/{n}": good},
            {**three, "bob": ""},
        ),
        "class folder": ({f"{w}/exercises/{n}": good for w in who} | {"ann/course/00.ipynb": b"{}"}, three),
        "class folder as a zip": (
            {f"{w}.zip": packed({f"exercises/{n}": good, f"course/{n}": b"{}"}) for w in who},
            three,
        ),
        "one learner": ({f"ann/{n}": good}, {"ann": "full"}),
        "one learner's class folder": ({f"ann/exercises/{n}": good, f"ann/course/{n}": b"{}"}, {"ann": "full"}),
        "folders called like ours": (
            {f"exercises/{n}": good, f".ann/{n}": good},
            {"exercises": "full", ".ann": "full"},
        ),
        "deep inside": ({f"{w}/Desktop/my stuff/{n}": good for w in who}, three),
        "Moodle": ({f"{moodle(w, i)}/{n}": good for i, w in enumerate(who)}, three),
        "Moodle without folders": ({f"{moodle(w, i)}_{n}": good for i, w in enumerate(who)}, three),
        "Moodle zip": ({"course-hw2.zip": packed({f"{moodle(w, i)}/{n}": good for i, w in enumerate(who)})}, three),
        "Moodle, each a zip": ({f"{moodle(w, i)}/hw.zip": packed({n: good}) for i, w in enumerate(who)}, three),
        "Moodle, a text besides": (
            {
                f"{moodle('ann', 1)}/{n}": good,
                f"{moodle('ann', 1, 'onlinetext')}/onlinetext.html": b"<p>see attached",
                f"{moodle('bob', 2, 'onlinetext')}/onlinetext.html": b"<p>sorry",
            },
            {"ann": "full", "bob": ""},
        ),
        "Moodle, namesakes": (
            {f"{moodle('Ann Ng', i)}/{n}": good for i in (1, 3)},
            {"Ann Ng (1)": "full", "Ann Ng (3)": "full"},
        ),
        "Moodle, groups": (
            {f"{moodle('Group A-' + w, i)}/{n}": good for i, w in enumerate(who)},
            {f"Group A-{w}": "full" for w in who},
        ),
        "Moodle, little that is readable": (
            {
                f"{moodle('Cleo', 1)}/hw2.rar": b"Rar!",
                f"{moodle('Eve', 2)}/normalise.ipynb.txt": good,
                f"{moodle('Dan', 3)}/normalise.html": b"<html>",
                f"{moodle('Flo', 4)}/{n}": good,
            },
            {"Cleo": "", "Eve": "full", "Dan": "", "Flo": "full"},
        ),
        "Canvas": (
            {
                f"smithann_1001_50001_{n}": good,
                f"bob_LATE_1002_50002_{n}": good,
                "cleo_1003_50003_normalise-1.ipynb": good,
            },
            {"smithann": "full", "bob": "full", "cleo": "full"},
        ),
        "Canvas zip, handed in again": (
            {
                "submissions.zip": packed(
                    {f"ann_1_50_{n}": blank, "ann_1_77_normalise-1.ipynb": good, f"bob_2_51_{n}": good}
                )
            },
            {"ann": "full", "bob": "full"},
        ),
        "Canvas, each a zip": ({f"{w}_{i}_5{i}_hw.zip": packed({n: good}) for i, w in enumerate(who)}, three),
        "Canvas, another file name": ({f"{w}_{i}_5{i}_homework2.ipynb": good for i, w in enumerate(who)}, three),
        "Gradescope": (
            {f"a_42_export/submission_{i}/{n}": good for i in (11, 12)},
            {"submission_11": "full", "submission_12": "full"},
        ),
        "Gradescope with names": (
            {
                "assignment_4242_export.zip": packed(
                    {f"assignment_4242_export/submission_{i}/{n}": good for i in (11, 12)}
                    | {"assignment_4242_export/submission_metadata.yml": gradescope}
                )
            },
            {"Ann Smith": "full", "Bob Jones": "full"},
        ),
        "Blackboard": (
            {
                f"gradebook_CS1_hw2_ann_attempt_2026-11-01-10-00-00_{n}": blank,
                f"gradebook_CS1_hw2_ann_attempt_2026-11-02-10-00-00_{n}": good,
                f"gradebook_CS1_hw2_anna_attempt_2026-11-01-10-00-00_{n}": good,
                "gradebook_CS1_hw2_ann_attempt_2026-11-01-10-00-00.txt": b"Name: Ann",
            },
            {"ann": "full", "anna": "full"},
        ),
        "nbgrader exchange": (
            {
                f"ann+02+2026-11-01 10:00:00.000000 UTC/{n}": blank,
                f"ann+02+2026-11-02 10:00:00.000000 UTC/{n}": good,
                f"bob+02+2026-11-02 10:00:00.000000 UTC+a1b2/{n}": good,
            },
            {"ann": "full", "bob": "full"},
        ),
        "nbgrader collected": (
            {f"{w}/02/{n}": good for w in who} | {f"{w}/02/timestamp.txt": b"2026-11-02 10:00:00.0 UTC" for w in who},
            three,
        ),
        "dated attempts": (
            {
                f"ann/2026-11-01 10:00:00 UTC/{n}": blank,
                f"ann/2026-11-02 10:00:00 UTC/{n}": good,
                f"bob/2026-11-02 10:00:00 UTC/{n}": good,
            },
            {"ann": "full", "bob": "full"},
        ),
        "GitHub Classroom": ({f"hw2-submissions/hw2-{w}/exercises/{n}": good for w in who}, three),
        "a newer blank copy": (
            {f"ann/{n}": (good, SOURCE_TIME), "ann/normalise (1).ipynb": (blank, SOURCE_TIME + 500)},
            {"ann": "full"},
        ),
        "an older blank original": (
            {f"bob/{n}": old, "bob/normalise-Copy1.ipynb": good, f"ann/{n}": good},
            {"ann": "full", "bob": "full"},
        ),
        "torn and whole": ({f"ann/{n}": (b'{"cells": [', SOURCE_TIME + 9), "ann/n2.ipynb": good}, {"ann": "full"}),
        "endings that browsers add": (
            {
                f"ann/{n}.txt": good,
                f"bob/{n}.json": good,
                f"cleo/{n} (1)": good,
                f"dan/{n}.download": good,
                "eve/NORMALISE.IPYNB": good,
                "fay.zip": packed({f"hw/{n}.txt": good}),
                "gus.tar.gz": packed({f"hw/{n}.json": good}, ".tar.gz"),
            },
            dict.fromkeys(("ann", "bob", "cleo", "dan", "eve", "fay", "gus"), "full"),
        ),
        "file per learner, endings that browsers add": ({f"normalise_{w}.ipynb.txt": good for w in who}, three),
        "zip made by Windows": ({"hw.zip": packed({f"hw\\{w}\\{n}": good for w in who})}, three),
        "zip per learner made by Windows": ({f"{w}.zip": packed({f"hw\\part 1\\{n}": good}) for w in who}, three),
        "late in names": (
            {f"late_1_50_{n}": good, f"kate_LATE_2_51_{n}": good, f"laterate_3_52_{n}": good},
            {"late": "full", "kate": "full", "laterate": "full"},
        ),
        "handed in twice, the second time blank": (
            {"normalise_ann.ipynb": (good, SOURCE_TIME), "normalise_ann (1).ipynb": (blank, SOURCE_TIME + 9),
             "normalise_bob.ipynb": good},
            {"ann": "full", "bob": "full"},
        ),
        "an empty folder": ({f"ann/{n}": good, "bob/.keep": b""}, {"ann": "full", "bob": ""}),
        "documents beside": ({f"ann/{n}": good, "bob.html": b"<html>", "notes.md": b"#"}, {"ann": "full", "bob": ""}),
        "umlauts without a flag": (
            {"class.zip": packed({f"Zoë/{n}": good, f"Jürg/{n}": good})},
            {"Zoë": "full", "Jürg": "full"},
        ),
    }
# fmt: on


NAMES = list(layouts(b"", b""))


def test_there_are_enough_layouts() -> None:
    assert len(NAMES) >= 40


@pytest.mark.parametrize("name", NAMES)
def test_everybody_has_a_row_and_every_answer_is_found(source, good: bytes, blank: bytes, tmp_path: Path, name) -> None:
    files, wanted = layouts(good, blank)[name]
    found = read(source, put(tmp_path / "in", files))
    assert set(found) == set(wanted)
    for learner, what in wanted.items():
        assert full(source, found[learner]) == (what == "full"), (learner, found[learner])
        if not what:
            assert found[learner].problem.startswith("nothing to grade: holds ")


@pytest.mark.parametrize("name", ["zip of the class", "Moodle", "Gradescope with names", "Canvas", "GitHub Classroom"])
def test_layouts_give_the_same_as_one_zip_named_on_the_command_line(source, good, blank, tmp_path: Path, name) -> None:
    files, wanted = layouts(good, blank)[name]
    folder = put(tmp_path / "in", files)
    if len(files) == 1:
        paths = [folder / next(iter(files))]
    else:
        paths = [tmp_path / "x.zip"]
        paths[0].write_bytes(packed(files))
    assert set(read(source, *paths)) == set(wanted)


def test_layout_is_named_and_the_stamp_is_the_platforms_own(source, good, blank, tmp_path: Path) -> None:
    every = layouts(good, blank)
    for name, layout in {
        "Moodle zip": "Moodle",
        "Canvas": "Canvas",
        "Gradescope with names": "Gradescope",
        "Blackboard": "Blackboard",
        "nbgrader exchange": "nbgrader exchange",
        "nbgrader collected": "nbgrader",
        "GitHub Classroom": "GitHub Classroom",
        "folder per learner": "",
    }.items():
        found = read(source, put(tmp_path / name, every[name][0]))
        assert {one.layout for one in found.values()} == {layout}
    assert read(source, tmp_path / "Gradescope with names")["Ann Smith"].when == moment_of("2026-03-01 17:59:00 UTC")
    assert read(source, tmp_path / "Gradescope with names")["Ann Smith"].known[:2] == ("0042", "ann@uni.edu")
    assert read(source, tmp_path / "nbgrader exchange")["ann"].when == moment_of("2026-11-02 10:00:00 UTC")
    assert read(source, tmp_path / "nbgrader collected")["ann"].when == moment_of("2026-11-02 10:00:00 UTC")
    canvas = read(source, tmp_path / "Canvas")
    assert {learner: one.late for learner, one in canvas.items()} == {"smithann": False, "bob": True, "cleo": False}


def test_stamps() -> None:
    assert moment_of("2026-11-01 10:00:00 UTC") == moment_of("2026-11-01T10:00:00") == 1793527200
    assert moment_of("2026-11-01 10:00:00 +01:00") == 1793527200 - 3600
    assert moment_of("2026-11-01 10:00:00 -05:30") == 1793527200 + 5.5 * 3600
    assert moment_of("2026-13-01 10:00:00") is None
    assert moment_of("soon") is None


# who may take whose place


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
@pytest.mark.parametrize(
    "inside",
    [
        {"ann/normalise.ipynb": 1, "bob/normalise.ipynb": 1},
        {"ann_1_assignsubmission_file/normalise.ipynb": 1},
        {"ann_1_assignsubmission_file/normalise.ipynb": 1, "bob_2_assignsubmission_file/normalise.ipynb": 1},
        {"ann_1_2_normalise.ipynb": 1, "bob_2_2_normalise.ipynb": 1},
        {"../ann/normalise.ipynb": 1},
        {"/ann/normalise.ipynb": 1},
        {"..\\ann\\normalise.ipynb": 1},
        {"normalise_ann.ipynb": 1, "normalise_bob.ipynb": 1},
    ],
)
@pytest.mark.parametrize("place", ["{0}{1}", "{0}/hw{1}", "{0}_2_assignsubmission_file/hw{1}"])
def test_nobody_hands_in_for_somebody_else(source, good, blank, tmp_path: Path, inside, suffix, place) -> None:
    """Bob's archive holds what looks like Ann's work, dated in the far future; Ann keeps hers."""
    content = packed(dict.fromkeys(inside, blank), suffix, (2107, 1, 1, 0, 0, 0))
    ann = {"{0}{1}": f"ann/{NAME}", "{0}/hw{1}": f"ann/{NAME}"}.get(place, f"ann_1_assignsubmission_file/{NAME}")
    found = read(source, put(tmp_path / "in", {ann: good, place.format("bob", suffix): content}))
    assert set(found) == {"ann", "bob"}
    assert full(source, found["ann"])
    assert not found["ann"].notes


def test_several_origins_of_one_name_are_several_rows_and_both_say_so(source, good, blank, tmp_path: Path) -> None:
    folder = put(tmp_path / "in", {f"ann/{NAME}": good, "ann.zip": packed({NAME: blank}), f"bob/{NAME}": good})
    found = read(source, folder)
    assert set(found) == {"ann (folder)", "ann (archive)", "bob"}
    for name in ("ann (folder)", "ann (archive)"):
        assert "2 hand-ins of different origin carry the name ann" in found[name].notes


def test_a_class_taken_for_one_learner_is_an_error_that_names_the_folders(source, good, blank, tmp_path: Path) -> None:
    files = {f"monday/{w}/{NAME}": c for w, c in (("ann", good), ("bob", blank))}
    files |= {f"tuesday/{w}/{NAME}": c for w, c in (("cleo", good), ("dan", blank))}
    folder = put(tmp_path / "in", files)
    with pytest.raises(FormatError, match=r"monday would be one learner.*ann, bob"):
        read(source, folder)
    assert set(read(source, folder / "monday", folder / "tuesday")) == {"ann", "bob", "cleo", "dan"}
    by_pattern = read(source, folder, pattern=r"^\w+/(?P<learner>\w+)/")
    assert set(by_pattern) == {"ann", "bob", "cleo", "dan"}
    mine = put(tmp_path / "mess", {f"ann/old/{NAME}": blank, f"ann/new/{NAME}": good, f"bob/{NAME}": good})
    found = read(source, mine)  # one learner's own disorder stops nobody
    assert full(source, found["ann"])
    assert any("several folders: new, old" in note for note in found["ann"].notes)


def test_places_named_one_by_one(source, good, tmp_path: Path) -> None:
    put(tmp_path, {f"{name}/{NAME}": good for name in ("ann", "bob", "monday/eve")})
    put(tmp_path, {f"{name}.zip": packed({NAME: good}) for name in ("cyd", "dan")})

    def learners(*names: str) -> list[str]:
        return sorted(read(source, *(tmp_path / name for name in names)))

    assert learners(f"ann/{NAME}", f"bob/{NAME}") == ["ann", "bob"]
    assert learners(f"ann/{NAME}", "bob", "cyd.zip", "dan.zip") == ["ann", "bob", "cyd", "dan"]
    assert learners("ann", "bob", "monday/eve") == ["ann", "bob", "eve"]
    assert learners(f"ann/{NAME}", f"ann/{NAME}") == ["normalise"]  # one and the same
    put(tmp_path, {f"{day}/normalise_flo.ipynb": good for day in ("mon", "tue")})
    assert learners("mon", "tue") == ["flo"]  # handed in twice: the newest counts
    with pytest.raises(FormatError, match="no such file or folder"):
        learners("absent")
    for pattern, message in (("(", "not a regular expression"), ("x", "a group called learner")):
        with pytest.raises(FormatError, match=message):
            read(source, tmp_path, pattern=pattern)


# archives that are out to harm


def hostile(good: bytes) -> dict[str, bytes]:
    bad_name = packed({"xx.ipynb": good}).replace(b"xx.ipynb", b"\xff\xfe.ipynb"[:8])
    flagged = bytearray(packed({"ä/y.ipynb": good}))
    place = bytes(flagged).rfind("ä/y.ipynb".encode())
    flagged[place + 4] = 0xE8
    return {
        "no zip": b"PK\x03\x04 no",
        "torn": packed({NAME: good})[:-40],
        "bad name": bytes(bad_name),
        "bad name, flagged": bytes(flagged),
        "no tar": b"\x1f\x8b\x08 no",
        "empty": b"",
    }


@pytest.mark.parametrize("kind", list(hostile(b"")))
@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
def test_one_bad_archive_is_that_learners_trouble_alone(source, good, tmp_path: Path, kind: str, suffix: str) -> None:
    files = {f"bob{suffix}": hostile(good)[kind], f"ann/{NAME}": good, "cyd.zip": packed({NAME: good})}
    found = read(source, put(tmp_path / "in", files))
    assert set(found) == {"ann", "bob", "cyd"}
    assert full(source, found["ann"])
    assert full(source, found["cyd"])


def test_bombs_are_not_unpacked(source, good, tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(60):
            archive.writestr(f"{number}.ipynb", b" " * (19 << 20))
    put(tmp_path / "in", {"bob.zip": stream.getvalue(), f"ann/{NAME}": good})
    large = io.BytesIO()
    with zipfile.ZipFile(large, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(NAME, b" " * (60 << 20))
    put(tmp_path / "in", {"cyd.zip": large.getvalue(), "dan.zip": packed({"x.zip": stream.getvalue()})})
    start = time.process_time()
    found = read(source, tmp_path / "in")
    assert time.process_time() - start < 2  # sizes are read first
    assert "too large" in " ".join([found["bob"].problem, *found["bob"].notes])
    assert "more than 20 MB" in found["cyd"].problem
    assert "too large" in " ".join([found["dan"].problem, *found["dan"].notes])
    assert full(source, found["ann"])


def test_links_are_not_followed(source, good, tmp_path: Path) -> None:
    put(tmp_path, {"secret.ipynb": good, f"in/ann/{NAME}": good})
    (tmp_path / "in" / "bob").mkdir()
    (tmp_path / "in" / "bob" / NAME).symlink_to(tmp_path / "secret.ipynb")
    (tmp_path / "in" / "cyd").symlink_to(tmp_path / "in" / "ann")
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        link = zipfile.ZipInfo(NAME)
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    (tmp_path / "in" / "mal.zip").write_bytes(stream.getvalue())
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w:gz") as archive_tar:
        info = tarfile.TarInfo(NAME)
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive_tar.addfile(info)
    (tmp_path / "in" / "tim.tar.gz").write_bytes(tar.getvalue())
    found = read(source, tmp_path / "in")
    assert set(found) == {"ann", "bob", "cyd", "mal", "tim"}
    assert [name for name, one in found.items() if one.answers] == ["ann"]
    assert all("symbolic link" in found[name].problem + str(found[name].notes) for name in ("bob", "cyd", "mal", "tim"))


def test_names_are_written_out(source, good, tmp_path: Path) -> None:
    found = read(
        source, put(tmp_path / "in", {f"an\x1b[31mn/{NAME}": good, f"b\nob/{NAME}": good, f"c\u202eyd/{NAME}": good})
    )
    assert set(found) == {r"an\x1b[31mn", r"b\nob", r"c\u202eyd"}


# the notebook that counts


def test_a_whole_class_folder_is_graded_by_the_right_notebook(tmp_path: Path) -> None:
    """Three exercises of the course handed in together with their lessons, all with one date."""
    solutions = sorted((REPO / "solutions").glob("0[2-4]*.ipynb"))
    folder = tmp_path / "in" / "ann"
    for path in solutions:
        put(folder, {f"exercises/{path.name}": json.dumps(solution(read_source(path))).encode()})
        put(folder, {f"course/{path.name}": ((REPO / "course" / path.name).read_bytes(), SOURCE_TIME + 60)})
    for path in solutions:
        one = read_source(path)
        found = read(one, tmp_path / "in")
        assert set(found) == {"ann"}
        assert found["ann"].name == f"ann/exercises/{path.name}"
        assert full(one, found["ann"])


def test_the_exercise_named_in_the_metadata_decides(source, good, tmp_path: Path) -> None:
    other = json.loads(good)
    other["metadata"].setdefault("bnt", {})["exercise"] = "another"
    files = {"ann/b.ipynb": (json.dumps(other).encode(), SOURCE_TIME + 99), "ann/a.ipynb": good, f"bob/{NAME}": good}
    found = read(source, put(tmp_path / "in", files))
    assert found["ann"].name == "ann/a.ipynb"
    assert "not counted: ann/b.ipynb (of another exercise)" in found["ann"].notes


def test_a_newer_answer_beats_an_older_one(source, good, tmp_path: Path) -> None:
    newer = json.loads(good)
    cell_of_json(newer, "normalise")["source"] = "def normalise(p):\n    return p"
    newer["cells"] = [cell for cell in newer["cells"] if cell["id"] != "check-normalise"]  # one cell lost on the way
    files = {"ann/a.ipynb": good, "ann/b.ipynb": (json.dumps(newer).encode(), SOURCE_TIME + 9), f"bob/{NAME}": good}
    found = read(source, put(tmp_path / "in", files))
    assert found["ann"].name == "ann/b.ipynb"
    assert "not counted: ann/a.ipynb (an older one)" in found["ann"].notes


def cell_of_json(notebook: dict, name: str) -> dict:
    return next(cell for cell in notebook["cells"] if cell["id"] == name)


# lateness


def test_lateness_cannot_be_set_from_inside_an_archive(source, good, tmp_path: Path) -> None:
    old = packed({NAME: good}, when=(2000, 1, 1, 0, 0, 0))
    folder = put(tmp_path / "in", {"bob.zip": (old, SOURCE_TIME), f"ann/{NAME}": (good, SOURCE_TIME - 99)})
    put(folder, {"cyd/hw.zip": (packed({"x.zip": old}, when=(2001, 1, 1, 0, 0, 0)), SOURCE_TIME)})
    put(folder, {f"{moodle('dan', 1)}/2020-01-01 00:00:00 UTC/{NAME}": (good, SOURCE_TIME)})
    put(folder, {"eve.zip": (packed({NAME: good}, when=(2107, 1, 1, 0, 0, 0)), SOURCE_TIME)})
    found = read(source, folder)
    due = SOURCE_TIME - 50
    assert {name: late_by(one, due)[0] for name, one in found.items()} == {
        "ann": 0, "bob": 50, "cyd": 50, "dan": 50, "eve": 50
    }  # fmt: skip


def test_a_dated_folder_counts_where_everybody_has_one(source, good, tmp_path: Path) -> None:
    """A platform dates everybody's folders; a folder that one learner called after a moment dates nothing."""
    when = moment_of("2026-11-01 10:00:00 UTC")
    ann = {f"ann/2026-11-01 10:00:00 UTC/{NAME}": (good, SOURCE_TIME)}
    alike = put(tmp_path / "alike", {**ann, f"bob/2026-11-02 10:00:00 UTC/{NAME}": good})
    alone = put(tmp_path / "alone", {**ann, f"bob/{NAME}": good})
    assert read(source, alike)["ann"].when == when != SOURCE_TIME
    assert read(source, alone)["ann"].when == SOURCE_TIME


def test_a_fresh_download_makes_nobody_late(source, good, blank, tmp_path: Path) -> None:
    every = layouts(good, blank)
    due = time.time() - 9e6
    for name in ("Moodle zip", "Canvas zip, handed in again", "Gradescope with names"):
        folder = put(tmp_path / name, {key: (value, time.time()) for key, value in every[name][0].items()})
        paths = list(folder.iterdir())
        now = max(moment_of("2026-03-03 00:00:00") or 0, due)
        assert {late_by(one, now)[0] for one in read(source, *paths).values()} == {0}


@pytest.mark.parametrize(
    ("rule", "hours", "score", "taken"),
    [
        ("10%/day, max 3", 1, 8, 0.8),
        ("10%/day, max 3", 24, 8, 0.8),
        ("10%/day, max 3", 25, 8, 1.6),
        ("10 % per day, max 3 days", 24 * 30, 8, 2.4),
        ("10%/day, max 3, then 0", 24 * 4, 8, 8),
        ("10%/day", 24 * 30, 8, 8),
        ("1 point/hour", 2.5, 8, 3),
        ("0.5 points/day, max 2", 100, 8, 1),
        ("100%/day", 1, 8, 8),
    ],
)
def test_late_rules(rule: str, hours: float, score: float, taken: float) -> None:
    assert LateRule.read(rule).taken(hours * 3600, score) == pytest.approx(taken, abs=1e-9)


@pytest.mark.parametrize("rule", ["", "10", "10%", "ten%/day", "10%/week", "-1%/day", "10%/day, then 0"])
def test_rules_that_are_none(rule: str) -> None:
    with pytest.raises(FormatError, match="is no rule"):
        LateRule.read(rule)


# the class list

ROSTER = """Name;Matrikelnummer;E-mail;Section;Extension
Smith, Ann;0042;ann.smith@uni.edu;A;2
Jürg Müller;0043;jm@uni.edu;A;
Bob Jones;0044;bob@uni.edu;B;0,5
Bob Jones;0045;bob2@uni.edu;B;
Zed Absent;0046;zed@uni.edu;B;
"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_roster_gives_everybody_a_row(source, good, tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "class.csv"
    path.write_bytes(ROSTER.encode(encoding))
    files = {f"smithann_1_2_{NAME}": good, f"muellerjuerg_3_4_{NAME}": good, f"bobjones_5_6_{NAME}": good}
    exam = Exam(source)
    chosen = choose(exam, collect([put(tmp_path / "in", files)], source.stem, None, exam.holds))
    rows = {one.learner: one for one in on_roster(chosen, Roster(read_roster(path)))}
    assert list(rows) == ["Smith, Ann", "Jürg Müller", "Bob Jones (0044)", "Bob Jones (0045)", "Zed Absent", "bobjones"]
    assert full(source, rows["Smith, Ann"])
    assert full(source, rows["Jürg Müller"])
    assert rows["Zed Absent"].problem == "nothing handed in"
    assert "not on the class list" in rows["bobjones"].notes  # two may be meant: a person decides
    ann = rows["Smith, Ann"]
    ann.late = None
    assert late_by(ann, ann.when - 86400 * 1.9)[0] == 0
    assert late_by(ann, ann.when - 86400 * 2.5)[0] == pytest.approx(43200, abs=1)


def test_people_are_found_by_what_platforms_know(tmp_path: Path) -> None:
    path = tmp_path / "class.csv"
    path.write_text(ROSTER)
    roster = Roster(read_roster(path))
    for known in (
        ["42"],
        ["0042"],
        ["ann.smith@uni.edu"],
        ["Ann Smith"],
        ["ann.smith"],
        ["SMITH, ANN"],
        ["x", "smithann"],
    ):
        person = roster.find(*known)
        assert person is not None, known
        assert person.id == "0042", known
    for known in (["Bob Jones"], ["nobody"], [""], ["4"]):
        assert roster.find(*known) is None
    assert keys("Jürg Müller") & keys("muellerjuerg")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("colour\nred\n", "must name a column"),
        ("name\n", "lists nobody"),
        ("name\nann\nann\n", "ann is there twice"),
        ("name,extension\nann,long\n", "'long' is no number of days"),
    ],
)
def test_rosters_that_are_none(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "class.csv").write_text(text)
    with pytest.raises(FormatError, match=message):
        read_roster(tmp_path / "class.csv")


def test_graded_to_the_end_with_a_roster_and_a_late_rule(source, good, blank, tmp_path: Path) -> None:
    """Through bnt grade: rows, reasons, points taken, everybody on the list."""
    roster = tmp_path / "class.csv"
    roster.write_text("name,id,extension\nann,1,\nbob,2,\ncleo,3,5\ndan,4,\n")
    files = {
        f"ann/{NAME}": good,
        f"bob/{NAME}": (good, SOURCE_TIME + 90000),
        f"cleo/{NAME}": (good, SOURCE_TIME + 90000),
    }
    folder = put(tmp_path / "in", {**files, "eve.7z": b"7z"})
    rule = LateRule.read("10%/day, max 3")
    rows = grade(source.path, [folder], tmp_path / "out", seed=7, roster=roster, deadline=SOURCE_TIME + 1, late=rule)
    got = {row["learner"]: (row["score"], row["total"], row["status"]) for row in rows}
    assert got == {
        "ann": (3, 5, "waiting for manual grades"),
        "bob": (2.4, 5, "waiting for manual grades"),
        "cleo": (3, 5, "waiting for manual grades"),
        "dan": (0, 5, "nothing handed in"),
        "eve": (0, 5, "nothing to grade"),
    }
    bob = next(row for row in rows if row["learner"] == "bob")
    assert bob["late"] == {"days": 1.04, "taken": 0.6, "before": 3}
    assert "0.6 points taken for lateness" in bob["notes"]
    page = next((tmp_path / "out" / "feedback").glob("bob-*.html")).read_text()
    assert "2.4 of 3 points" in page
    assert "manual.csv" not in page
