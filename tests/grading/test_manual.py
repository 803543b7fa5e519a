"""manual.csv through the hands of people and spreadsheets, gradebooks, similarity, the pages."""

import csv
import io
import json
import os
import re
import socket
from pathlib import Path

import pytest

from bnt.errors import FormatError
from bnt.grading import manual
from bnt.grading.desk import Desk, open_desks
from bnt.grading.desk_server import listen
from bnt.grading.grade import grade
from bnt.grading.gradebooks import gradebooks
from bnt.grading.paper import build_paper
from bnt.grading.report import safe_cell
from bnt.grading.roster import Person
from bnt.grading.similarity import runs_of, similar
from bnt.grading.source import nbgrader, read_source
from bnt.grading.submissions import Submission
from bnt.grading.titles import titles
from bnt.grading.versions import exercise
from tests.exercise_examples import cell_of, documented_source, write_documented

GOOD = """def normalise(p):
    p = np.asarray(p, dtype=float)
    return p / p.sum() if p.sum() else np.full(len(p), 1 / len(p))"""


def hand_in(source, folder: Path, **answers: str) -> None:
    notebook = exercise(source)
    for name, text in answers.items():
        cell_of(notebook, name).source = text
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "normalise.ipynb"
    path.write_text(json.dumps(notebook))
    os.utime(path, (1.7e9, 1.7e9))


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory):
    """A class of four with a list, graded once; (source, folder, a function that grades again)."""
    folder = tmp_path_factory.mktemp("class")
    source = documented_source(folder)
    hand_in(source, folder / "in" / "0042", normalise=GOOD, why="It cancels. " * 400)
    hand_in(
        source, folder / "in" / "0043", normalise="def normalise(p):\n    return np.asarray(p) / np.sum(p)", why="<b>x"
    )
    hand_in(source, folder / "in" / "0044", normalise="def normalise(p):\n    return np.asarray(p) / np.sum(p) # me")
    (folder / "class.csv").write_text(
        "name,id,email,section\nAnn Smith,0042,ann@uni.edu,A\nBob,0043,,A\nCyd,0044,,B\nDan,0045,,B\n"
    )

    def again(**options) -> dict[str, dict]:
        told = {"seed": 7, "roster": folder / "class.csv", **options}
        return {row["learner"]: row for row in grade(source.path, [folder / "in"], folder / "out", **told)}

    again(jobs=2)
    return source, folder, again


def entered(file: Path, learner: str, points: str, comment: str = "") -> None:
    entries = manual.read(file)
    for (who, _), entry in entries.items():
        if who == learner:
            entry.points, entry.comment = float(points), comment
    manual.write(file, entries)


def test_points_survive_a_spreadsheet(graded) -> None:
    """cp1252, semicolons, decimal commas; digests begin with a letter, so none turns into 8.6E+15."""
    _, folder, again = graded
    file = folder / "out" / manual.FILE
    text = file.read_text(encoding="utf-8-sig")
    lines = list(csv.DictReader(io.StringIO(text)))
    assert [line["learner"] for line in lines] == ["Ann Smith", "Bob"]
    assert all(line["digest"].startswith("d") for line in lines)
    assert lines[0]["answer"].endswith(manual.CUT)
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, manual.COLUMNS, delimiter=";")
    writer.writeheader()
    for line in lines:
        writer.writerow({**line, "points": "1,5", "comment": "schön"})
    file.write_bytes(stream.getvalue().encode("cp1252"))
    rows = again()
    assert [rows[name]["checks"]["why"]["points"] for name in ("Ann Smith", "Bob")] == [1.5, 1.5]
    assert rows["Bob"]["checks"]["why"]["reason"] == "schön"


def test_leading_zeros_lost_by_a_spreadsheet_make_no_ghost(tmp_path: Path) -> None:
    source = documented_source(tmp_path)
    for number in ("0042", "0043"):
        hand_in(source, tmp_path / "in" / number, why="because")
    grade(source.path, [tmp_path / "in"], tmp_path / "out", seed=7)
    file = tmp_path / "out" / manual.FILE
    text = file.read_text(encoding="utf-8-sig").replace("\n0042,why,2,,", "\n42,why,2,2,").replace("0043", "43")
    assert "\n42,why" in text
    file.write_text(text)
    rows = {row["learner"]: row for row in grade(source.path, [tmp_path / "in"], tmp_path / "out", seed=7)}
    assert rows["0042"]["checks"]["why"]["points"] == 2
    assert rows["0043"]["checks"]["why"]["result"] == "to be graded"
    assert sorted(who for who, _ in manual.read(file)) == ["0042", "0043"]


def test_points_of_a_question_that_is_worth_less_now_are_clamped(tmp_path: Path) -> None:
    source = documented_source(tmp_path)
    hand_in(source, tmp_path / "in" / "ann", why="because")
    grade(source.path, [tmp_path / "in"], tmp_path / "out", seed=7)
    entered(tmp_path / "out" / manual.FILE, "ann", "2", "fine")

    def cheaper(notebook) -> None:
        nbgrader(cell_of(notebook, "why")).points = 1

    source = read_source(write_documented(tmp_path, cheaper))
    for _ in range(2):  # and every later run goes on
        (row,) = grade(source.path, [tmp_path / "in"], tmp_path / "out", seed=7)
        assert (row["checks"]["why"]["points"], row["total"]) == (1, 4)
        assert row["checks"]["why"]["reason"] == "fine (2 points when it was worth 2)"


def test_what_learners_read(graded) -> None:
    """Titles instead of ids, whole essays, nothing about manual.csv, undecided points in no total, print rules."""
    _, folder, again = graded
    (folder / "out" / manual.FILE).unlink(missing_ok=True)
    again()
    pages = {page.name.split("-")[0]: page.read_text() for page in (folder / "out" / "feedback").iterdir()}
    assert set(pages) == {"Ann_Smith", "Bob", "Cyd", "Dan"}
    ann = pages["Ann_Smith"]
    assert "<strong>3 of 3 points</strong> so far; 2 more wait for a person" in ann
    assert "2. Why normalise?: 2 points, not decided yet" in ann
    assert "1. Normalise (hidden check): 2 of 2" in ann
    assert ("It cancels. " * 400).strip() in ann
    assert "@media print" in ann
    assert "&lt;b&gt;x" in pages["Bob"]
    for page in pages.values():
        assert "isolat" in page or "REDUCED" in page
        for word in ("manual.csv", "check-normalise", "hidden-normalise", "<b>x"):
            assert word not in page, word
    assert "nothing handed in" in pages["Dan"]
    overview = (folder / "out" / "index.html").read_text()
    assert "1 written answers wait" in overview or "2 written answers wait" in overview
    assert "2 learners printed" in overview  # Bob and Cyd fail alike
    assert "isolat" in (folder / "out" / "similarity.html").read_text()


def test_titles(graded) -> None:
    source, _, _ = graded
    assert titles(source, build_paper(source)) == {
        "check-normalise": "1. Normalise",
        "why": "2. Why normalise?",
        "hidden-normalise": "1. Normalise (hidden check)",
    }


def test_gradebooks(graded) -> None:
    """The columns that the platforms name; grades that are not final are in neither file, and the page says so."""
    _, folder, again = graded
    again()
    entered(folder / "out" / manual.FILE, "Ann Smith", "1.5")
    again()

    def table(name: str) -> list[list[str]]:
        return list(csv.reader(io.StringIO((folder / "out" / name).read_text(encoding="utf-8-sig"))))

    assert table("gradebook_canvas.csv")[:3] == [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "normalise"],
        ["    Points Possible", "", "", "", "", "5"],
        ["Smith, Ann", "", "0042", "ann@uni.edu", "A", "4.5"],
    ]
    others = [line[0] for line in table("gradebook_canvas.csv")[3:]]
    assert others == ["Cyd"]  # Bob's essay waits, Dan handed in nothing
    assert "not in the gradebooks for import: Bob, " in (folder / "out" / "index.html").read_text()
    assert table("gradebook_moodle.csv")[:2] == [
        ["First name", "Last name", "ID number", "normalise"],  # Cyd has no e-mail address
        ["Ann", "Smith", "0042", "4.5"],
    ]
    plain = table("gradebook.csv")
    assert plain[0][:5] == ["learner", "id", "email", "section", "score"]
    assert [line[0] for line in plain[1:]] == ["Ann Smith", "Bob", "Cyd", "Dan"]


def canvas_import(text: str) -> dict[str, str]:
    """What Canvas's importer does with a file: name or number -> new grade, "" for a grade that it deletes.

    After instructure/canvas-lms, lib/gradebook_importer.rb: row_has_student_headers?, update_column_count,
    check_for_non_student_row, process_student.
    """
    lines = list(csv.reader(io.StringIO(text)))
    head = lines[0]
    assert len(head) > 4
    assert "Student" in head[0]
    assert "ID" in head[1]
    assert re.search(r"SIS\s+User\s+ID", head[2])
    assert re.search(r"SIS\s+Login\s+ID", head[3])
    assert "Section" in head[4]
    assert not set(head[5:]) & {"Current Score", "Final Score", "Final Grade", "Override Score"}
    students = [line for line in lines[1:] if "Points Possible" not in line[0]]
    assert len(students) == len(lines) - 2
    return {next(filter(None, (line[1], line[2], line[3], line[0]))): line[5].strip() for line in students}


def moodle_import(text: str, key: str) -> dict[str, str]:
    """What Moodle's importer does, the column ``key`` mapped to its users: user -> new grade.

    After moodle/moodle, grade/import/csv/classes/load_data.php: a line whose user is empty goes to the user before.
    """
    head, *lines = csv.reader(io.StringIO(text))
    grades, user = {}, ""
    for line in lines:
        user = line[[h.strip() for h in head].index(key)] or user
        assert user, "the whole import is refused"
        grades[user] = line[-1]
    return grades


def rows_of(*people: tuple[str, dict[str, str], str, float]):
    """Rows and submissions of (name, what the list says, status, score)."""
    rows = [
        {"learner": name, "status": status, "score": score, "total": 9, "undecided": 0}
        for name, _, status, score in people
    ]
    chosen = [Submission(name, "", 0.0, person=Person(name, **facts)) for name, facts, _, _ in people]
    return rows, chosen


def test_an_import_gives_final_grades_to_their_owners_and_touches_nobody_else() -> None:
    rows, chosen = rows_of(
        ("Ann Smith", {"id": "1", "email": "ann@x"}, "graded", 7),
        ("Bob", {"id": "2"}, "graded", 5),
        ("Cyd", {"id": "3", "email": "cyd@x"}, "waiting for manual grades", 2),
        ("Dan", {"id": "4", "email": "dan@x"}, "nothing handed in", 0),
        ("Eve", {"id": "5", "email": "eve@x"}, "nothing to grade", 0),
        ("Flo", {"id": "6", "email": "flo@x"}, "graded", 1),
        ("Flo", {"id": "6", "email": "flo@x"}, "graded", 8),
        ("Gus", {"id": "7", "email": "gus@x"}, "needs a person", 3),
    )
    files, notes = gradebooks("hw", rows, chosen)
    assert canvas_import(files["gradebook_canvas.csv"]) == {"1": "7", "2": "5", "5": "0"}
    assert moodle_import(files["gradebook_moodle.csv"], "ID number") == {"1": "7", "2": "5", "5": "0"}
    assert "Email address" not in files["gradebook_moodle.csv"]  # Bob's is empty: Ann would get his grade
    assert notes == ["not in the gradebooks for import: Cyd, Dan, Flo, Flo, Gus (no final grade)"]
    for one in chosen[:1] + chosen[2:]:
        one.person.id = ""
    files, notes = gradebooks("hw", rows, chosen)
    assert moodle_import(files["gradebook_moodle.csv"], "Email address") == {"ann@x": "7", "eve@x": "0"}
    assert notes[1] == "not in gradebook_moodle.csv: Bob (the class list gives no Email address)"


def test_canvas_own_export_as_class_list_comes_back_as_it_was(graded, tmp_path: Path) -> None:
    _, folder, _ = graded
    head = "Student,ID,SIS User ID,SIS Login ID,Section,Quiz (77),normalise (78)"
    lines = [
        head,
        "    Points Possible,,,,,10,5",
        '"Smith, Ann",1001,0042,asmith,CS 1,7,',
        '"Jones, Bob",1002,0043,bjones,CS 1,,',
    ]
    (tmp_path / "canvas.csv").write_text("\n".join(lines) + "\n")
    source = folder / "normalise.ipynb"
    rows = grade(source, [folder / "in"], folder / "out", seed=7, roster=tmp_path / "canvas.csv")
    assert [row["learner"] for row in rows] == ["Smith, Ann", "Jones, Bob", "0044"]
    text = (folder / "out" / "gradebook_canvas.csv").read_text(encoding="utf-8-sig").splitlines()
    assert text[:2] == ["Student,ID,SIS User ID,SIS Login ID,Section,normalise (78)", "    Points Possible,,,,,5"]
    assert all(line.startswith('"Smith, Ann",1001,0042,asmith,CS 1,') for line in text[2:])


def test_only_what_a_changed_check_touches_is_graded_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bnt.grading import running

    source = documented_source(tmp_path)
    hand_in(source, tmp_path / "in" / "ann", normalise=GOOD)
    grade(source.path, [tmp_path / "in"], tmp_path / "out", seed=7)
    asked = []
    real = running.Worker.grade
    monkeypatch.setattr(
        running.Worker, "grade", lambda self, job, *more: (asked.append(job.checks), real(self, job, *more))[1]
    )

    def changed(notebook) -> None:
        cell = cell_of(notebook, "check-normalise")
        cell.source = cell.source.replace("[1, 3]", "[1, 4]")
        nbgrader(cell_of(notebook, "hidden-normalise")).points = 5  # worth more, the same check

    source = read_source(write_documented(tmp_path, changed))
    (row,) = grade(source.path, [tmp_path / "in"], tmp_path / "out", seed=7)
    assert asked == [("check-normalise",)]
    assert (row["score"], row["total"]) == (6, 8)
    grade(source.path, [tmp_path / "in"], tmp_path / "out", seed=7)
    assert len(asked) == 1


def test_everybody_has_own_inputs(tmp_path: Path) -> None:
    source = documented_source(tmp_path)
    for name in ("ann", "bob"):
        hand_in(source, tmp_path / "in" / name, normalise=GOOD)
    rows = grade(source.path, [tmp_path / "in"], tmp_path / "out", seed=7, own_seeds=True)
    assert [row["score"] for row in rows] == [3, 3]
    references = [json.loads(p.read_text()) for p in (tmp_path / "out" / "results").glob("*.json")]
    printed = {json.dumps(one["outputs"]["hidden-normalise"]) for one in references if "outputs" in one}
    assert len(printed) == 2
    with pytest.raises(FormatError, match="--own-seeds draws"):
        grade(source.path, [tmp_path / "in"], tmp_path / "out", own_seeds=True)


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("=1+1", "'=1+1"),
        ("\x00=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("\u200b=1", "'=1"),
        ("\r=1", "'=1"),
        ("\t=1", "'=1"),
        ("a;=1+1", "a;'=1+1"),
        ("a,@x", "a,'@x"),
        ('a;"=1', "a;\"'=1"),
        ("a\n-1", "a\n'-1"),
        ("well - done", "well - done"),
        ("ann", "ann"),
    ],
)
def test_no_cell_is_a_formula_whatever_the_separator(text: str, safe: str) -> None:
    assert safe_cell(text) == safe
    for separator in ",;\t":
        for line in csv.reader(io.StringIO(safe_cell(text)), delimiter=separator, quoting=csv.QUOTE_NONE):
            assert not any(cell.strip("\"' \t").startswith("=") and "'" not in cell for cell in line)


def test_similarity_is_about_what_few_share() -> None:
    long = """def f(p):
    total = 0.0
    for i in range(len(p)):
        total += p[i] * (i + 1)
    q = [x / total for x in p]
    return q"""
    renamed = long.replace("total", "amount") + "  # mine"
    other = "def f(p):\n    import numpy as np\n    p = np.asarray(p)\n    return p / np.arange(1, len(p) + 1).dot(p)"
    answers = {"ann": {"f": long}, "bob": {"f": renamed}, "cyd": {"f": other}, "dan": {"f": "def f(:"}}
    (pair,) = similar(answers, {"f": "def f(p):\n    raise NotImplementedError"})
    assert (pair.first, pair.second, pair.cells) == ("ann", "bob", ("f",))
    assert pair.most == 1
    assert runs_of(long) == runs_of(renamed)
    assert similar({name: {"f": long} for name in "abcdefgh"}, {"f": ""}) == []  # everybody's is nobody's
    assert similar(answers, {"f": long}) == []  # given out


def test_the_desk_writes_manual_csv(graded) -> None:
    _, folder, again = graded
    again()
    desk = Desk(folder / "out")
    desk.enter("Bob", "why", 1, "=2+2; more words please")
    desk.enter("Bob", "hidden-normalise", 2, "zeros were never promised")
    rows = again()
    bob = rows["Bob"]["checks"]
    assert (bob["why"]["points"], bob["why"]["reason"]) == (1, "=2+2; more words please")
    assert (bob["hidden-normalise"]["points"], bob["hidden-normalise"]["automatic"]) == (2, 0)
    assert bob["hidden-normalise"]["result"] == "graded by a person"
    shown = next(one for one in Desk(folder / "out").shown()["learners"] if one["learner"] == "Bob")
    assert shown["cells"]["hidden-normalise"]["automatic"] == 0
    desk.enter("Bob", "hidden-normalise", None, "")
    assert again()["Bob"]["checks"]["hidden-normalise"]["points"] == 0
    for wrong in (
        ("Eve", "why", 1, ""),
        ("Bob", "nope", 1, ""),
        ("Bob", "why", 3, ""),
        ("Bob", "why", float("nan"), ""),
    ):
        with pytest.raises(FormatError):
            desk.enter(*wrong)
    for wrong in (("Bob", "why", True, ""), ("Bob", "why", "1", ""), ("Bob", "why", 1, None), ("Dan", "why", 1, "")):
        with pytest.raises(FormatError):
            desk.enter(*wrong)
    with pytest.raises(FormatError, match="holds no finished grades"):
        Desk(folder)


def test_what_waits_for_a_person_and_folders_that_hold_several(graded) -> None:
    _, folder, again = graded
    Desk(folder / "out").enter("Ann Smith", "why", None, "")
    rows = again()
    waits = [check for row in rows.values() for check in row["checks"].values() if check["result"] == "to be graded"]
    for given in ([folder], [folder / "out"]):
        (desk,) = open_desks(given)
        assert desk.waiting() == len(waits) > 0
    needs = {one["learner"]: one["cells"]["why"]["needs"] for one in desk.shown()["learners"]}
    assert {who for who, why in needs.items() if why == "a person reads this"} == {"Ann Smith", "Bob"}
    assert not needs["Dan"]  # handed in nothing
    assert not any(one["cells"]["check-normalise"]["needs"] for one in desk.shown()["learners"])
    desk.rows["Cyd"]["status"] = "needs a person"
    cyd = next(one for one in desk.shown()["learners"] if one["learner"] == "Cyd")
    assert "could not be graded" in cyd["cells"]["check-normalise"]["needs"]
    assert desk.waiting() == len(waits) + 2
    with pytest.raises(FormatError, match="holds no finished grades"):
        open_desks([folder / "in"])


def test_a_port_that_the_desk_cannot_have_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        with pytest.raises(FormatError, match=f"port {taken} cannot be used .*: choose another, or none"):
            listen(taken)
    with pytest.raises(FormatError, match="at most 65535, not 65536"):
        listen(65536)
