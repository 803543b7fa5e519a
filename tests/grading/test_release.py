"""bnt release: what it strips, that it is a pure function of its source, and everything it refuses."""

import json
import re
from pathlib import Path

import nbformat
import pytest

from bnt.errors import FormatError
from bnt.exercise import attempt, given
from bnt.grading.commands import main
from bnt.grading.execute import execute, printed_by_id
from bnt.grading.release import check_by_running, refuse_shared_ids, release
from bnt.grading.source import BEGIN, END, blanked, read_source, regions
from bnt.grading.versions import exercise, serialise
from tests.exercise_examples import REPO, cell_of, documented_text, write_documented

SOURCES = sorted((REPO / "solutions").glob("*.ipynb"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_exercises_are_what_release_makes_of_solutions(path: Path) -> None:
    generated = serialise(exercise(read_source(path)))
    kept = (REPO / "exercises" / path.name).read_text(encoding="utf-8")
    assert kept == generated, f"regenerate: bnt release solutions/{path.name} --out exercises"


def test_every_exercise_has_its_source() -> None:
    assert SOURCES
    assert {path.name for path in (REPO / "exercises").glob("*.ipynb")} == {path.name for path in SOURCES}


def test_release_strips_answers_hidden_cells_outputs(tmp_path: Path) -> None:
    path = write_documented(tmp_path)
    (written,) = release([path], tmp_path / "out")
    text = written.read_text(encoding="utf-8")
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    for secret in (
        "p.sum()",
        "SOLUTION",
        "hidden",
        "default_rng",
        "cancels",
        "0.25 0.75]\\n",
        "hint",
        'execution":',
    ):
        assert secret not in text, secret
    assert all(not cell.outputs and cell.execution_count is None for cell in notebook.cells if cell.cell_type == "code")
    source_ids = [cell.id for cell in read_source(path).cells()]
    assert [cell.id for cell in notebook.cells] == [i for i in source_ids if i not in ("seed", "hidden-normalise")]
    assert cell_of(notebook, "normalise").source.endswith(
        '# YOUR CODE HERE\n    raise NotImplementedError("not answered yet")'
    )
    printed = printed_by_id(execute(notebook, "released"))
    assert printed["check-normalise"] == printed["try-normalise"] == "not answered yet\n"


def test_release_is_deterministic_and_idempotent(tmp_path: Path) -> None:
    path = write_documented(tmp_path)
    (first,) = release([path], tmp_path / "a", run=False)
    (second,) = release([path], tmp_path / "b", run=False)
    before = first.read_bytes()
    release([path], tmp_path / "a", run=False)
    assert before == first.read_bytes() == second.read_bytes()
    shuffled = json.loads(documented_text())  # a tool that saves other metadata and key order changes nothing
    shuffled["metadata"] = {"vscode": {"x": 1}, **dict(reversed(shuffled["metadata"].items()))}
    for cell in shuffled["cells"]:
        cell["metadata"] = {"collapsed": False, **cell["metadata"]}
    path.write_text(json.dumps(shuffled), encoding="utf-8")
    assert serialise(exercise(read_source(path))).encode() == before


def test_bundle_holds_lessons_exercises_and_what_installs_them(tmp_path: Path) -> None:
    wheel = tmp_path / "bnt-1-py3-none-any.whl"
    wheel.write_bytes(b"a wheel")
    (tmp_path / "solutions").mkdir()
    (tmp_path / "course" / "figures").mkdir(parents=True)
    (tmp_path / "course" / "figures" / "a.png").write_bytes(b"png")
    cells = [nbformat.v4.new_markdown_cell(text) for text in ("Lesson", "Look into solutions/")]
    cells[1].metadata.tags = ["clone-only"]
    lesson = nbformat.v4.new_notebook(cells=cells)
    nbformat.write(lesson, tmp_path / "course" / "normalise.ipynb")
    path = write_documented(tmp_path / "solutions")
    release([path], tmp_path / "class", bundle=True, run=False, wheel=wheel)
    files = {str(f.relative_to(tmp_path / "class")) for f in (tmp_path / "class").rglob("*") if f.is_file()}
    assert files == {
        "README.md", "requirements.txt", f"wheel/{wheel.name}",
        "course/normalise.ipynb", "course/figures/a.png", "exercises/normalise.ipynb",
    }  # fmt: skip
    assert (tmp_path / "class" / "requirements.txt").read_text() == f"./wheel/{wheel.name}[course]\n"
    assert (tmp_path / "class" / "wheel" / wheel.name).read_bytes() == b"a wheel"
    for text in (tmp_path / "class").rglob("*.[im]*"):
        assert not re.search(r"solutions/|\bgit\b", text.read_text()), text
    answer = regions(cell_of(read_source(path).notebook, "normalise"))[0]
    lesson.cells.append(nbformat.v4.new_code_cell("def f(p):\n" + answer))
    nbformat.write(lesson, tmp_path / "course" / "normalise.ipynb")
    with pytest.raises(FormatError, match="shows the whole answer normalise"):
        release([path], tmp_path / "other", bundle=True, run=False, wheel=wheel)
    assert not (tmp_path / "other").exists()
    meant = write_documented(tmp_path / "solutions", _own("normalise", in_lesson=True))
    assert len(release([meant], tmp_path / "other", bundle=True, run=False, wheel=wheel)) == 6


def _edit(name: str, old: str, new: str):
    def change(notebook) -> None:
        cell = cell_of(notebook, name)
        assert old in cell.source
        cell.source = cell.source.replace(old, new)

    return change


def _marks(name: str, **values):
    def change(notebook) -> None:
        marks = cell_of(notebook, name).metadata.nbgrader
        for key, value in values.items():
            marks[key] = value
            if value is None:
                del marks[key]

    return change


def _set(name: str, **values):
    return lambda notebook: cell_of(notebook, name).update(values)


def _own(name: str, **values):
    return lambda notebook: cell_of(notebook, name).metadata.setdefault("bnt", {}).update(values)


def _drop(name: str):
    return lambda notebook: notebook.cells.remove(cell_of(notebook, name))


def _leak_in_prose(notebook) -> None:
    cell_of(notebook, "title").source += "\nHint: `p = np.asarray(p, dtype=float)`"


REFUSED = {
    "missing id": (lambda notebook: cell_of(notebook, "title").pop("id"), "cell number 1 has no id: '# Normal"),
    "duplicate id": (_set("check-normalise", id="normalise"), "id 'normalise' is used twice"),
    "id set by a machine": (_set("check-normalise", id="0a1b2c3d"), "0a1b2c3d: give it a readable id"),
    "id with capitals": (_set("check-normalise", id="Check"), "Check: give it a readable id"),
    "grade_id differs": (_marks("normalise", grade_id="other"), "normalise: nbgrader grade_id is 'other'"),
    "old schema": (_marks("normalise", schema_version=1), "normalise: nbgrader schema_version must be 3"),
    "no points": (_marks("check-normalise", points=None), "check-normalise: a graded cell needs points"),
    "zero points": (_marks("check-normalise", points=0), "check-normalise: a graded cell needs points"),
    "points of text": (_marks("check-normalise", points="2"), "check-normalise: a graded cell needs points"),
    "not a number": (
        _marks("check-normalise", points=float("nan")),
        "check-normalise: a graded cell needs points",
    ),
    "unlocked check": (_marks("check-normalise", locked=False), "check-normalise: a check must be locked"),
    "unclosed": (
        _edit("normalise", "    ### END SOLUTION", ""),
        "normalise: ### BEGIN SOLUTION is never closed",
    ),
    "unopened": (_edit("normalise", "    ### BEGIN SOLUTION\n", ""), "normalise: ### END SOLUTION without"),
    "nested": (
        _edit("normalise", "    p = np", "    ### BEGIN SOLUTION\n    p = np"),
        "normalise: ### BEGIN SOLUTION inside a region",
    ),
    "misspelt": (_edit("normalise", "### END", "## END"), "normalise: write the marker exactly"),
    "marker elsewhere": (
        _edit("setup", "import numpy", "### BEGIN SOLUTION\n### END SOLUTION\nimport numpy"),
        "setup: solution markers outside an answer cell",
    ),
    "empty region": (
        _set("normalise", source="### BEGIN SOLUTION\n### END SOLUTION"),
        "normalise: an answer cell needs text",
    ),
    "hidden answer": (_own("normalise", hidden=True), "normalise: an answer cell cannot be hidden"),
    "no seed cell": (_drop("seed"), "hidden checks need a seed cell"),
    "seed visible": (_own("seed", hidden=False), "seed: a seed cell is hidden"),
    "seed not a number": (_set("seed", source="seed = f()"), "seed: a seed cell is hidden"),
    "no imports listed": (lambda notebook: notebook.metadata.pop("bnt"), "bnt.allowed_imports must list"),
    "imports as text": (
        lambda notebook: notebook.metadata.bnt.update(allowed_imports="numpy"),
        "allowed_imports must be",
    ),
    "leak in prose": (_leak_in_prose, "shows a line of the solution of normalise"),
    "leak in code": (
        _edit("setup", "import", "p = np.asarray(p, dtype=float)\nimport"),
        "shows a line of the solution",
    ),
}


@pytest.mark.parametrize(("change", "message"), REFUSED.values(), ids=REFUSED)
def test_release_refuses(tmp_path: Path, change, message: str) -> None:
    path = write_documented(tmp_path, change)
    with pytest.raises(FormatError, match=message):
        release([path], tmp_path / "out", run=False)
    assert not (tmp_path / "out").exists()


def test_an_exercise_in_place_of_its_source_is_named_as_such(tmp_path: Path) -> None:
    (made,) = release([write_documented(tmp_path)], tmp_path / "out", run=False)
    with pytest.raises(FormatError, match="is this what learners get"):
        read_source(made)


REFUSED_BY_RUNNING = {
    "not reproducible": (
        _edit("hidden-normalise", "default_rng(seed)", "default_rng()"),
        "hidden-normalise prints something else on a second run",
    ),
    "points for nothing": (
        _edit("check-normalise", "normalise([1, 3])", "callable(normalise)"),
        "check-normalise prints the same without an answer",
    ),
    "not guarded": (
        _edit("check-normalise", "with attempt():", "if True:"),
        "cell check-normalise ends in NotImpl",
    ),
    "prints nothing": (_edit("check-normalise", "show", "dict.fromkeys"), "check-normalise must print values"),
    "address": (
        _edit("check-normalise", "normalise([1, 3])", "normalise([1]) and '<f at 0x7f00aa11bb22>'"),
        "check-normalise prints a memory address",
    ),
    "output in prose": (
        _edit("title", "minutes", "minutes (1 and 3 become [0.25, 0.75])"),
        "shows what check-normalise should print",
    ),
}


@pytest.mark.parametrize(("change", "message"), REFUSED_BY_RUNNING.values(), ids=REFUSED_BY_RUNNING)
def test_release_refuses_what_only_running_shows(tmp_path: Path, change, message: str) -> None:
    path = write_documented(tmp_path, change)
    with pytest.raises(FormatError, match=message):
        release([path], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_seed_must_matter(tmp_path: Path) -> None:
    path = write_documented(tmp_path)
    check_by_running(read_source(path), another_seed=77)
    path = write_documented(tmp_path, _edit("hidden-normalise", "default_rng(seed)", "default_rng(5)"))
    with pytest.raises(FormatError, match="the hidden check hidden-normalise prints the same for every seed"):
        check_by_running(read_source(path), another_seed=77)


def test_blank_stubs() -> None:
    top = "w = None\n### BEGIN SOLUTION\nw = 3\n### END SOLUTION\nprint(w)"
    assert blanked(top) == "w = None\n# YOUR CODE HERE\nprint(w)"
    two = "def f():\n    # {0}\n    a\n    # {1}\n\ndef g():\n\t# {0}\n\tb\n\t# {1}".replace("# {0}", BEGIN).replace(
        "# {1}", END
    )
    stub = 'raise NotImplementedError("not answered yet")'
    assert blanked(two) == f"def f():\n    # YOUR CODE HERE\n    {stub}\n\ndef g():\n\t# YOUR CODE HERE\n\t{stub}"
    assert blanked(blanked(two)) == blanked(two)


def test_attempt(capsys: pytest.CaptureFixture[str]) -> None:
    with attempt("q1"):
        given(None)
    with attempt():
        print(given(0))
    with pytest.raises(ZeroDivisionError), attempt():
        raise ZeroDivisionError
    assert capsys.readouterr().out == "q1: not answered yet\n0\n"


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_documented(tmp_path)
    assert main(["release", str(path), "--out", str(tmp_path / "out"), "--quick"]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "out" / "normalise.ipynb")
    for arguments, message in {
        (str(tmp_path / "absent.ipynb"), "--out", str(tmp_path / "x")): "no such file",
        (str(path), "--out", str(tmp_path)): "holds the source normalise.ipynb",
        (str(path), str(path), "--out", str(tmp_path / "x")): "two sources are called normalise.ipynb",
        (str(REPO / "LICENSE"), "--out", str(tmp_path / "x")): "not a valid notebook",
        (str(path), "--out", str(tmp_path / "x"), "--bundle"): "no lessons in",
        (str(tmp_path), "--out", str(tmp_path / "x")): "is a folder; name its notebooks",
        (str(path), "--out", str(path)): "file exists",  # --out is a file
        (str(path), "--out", str(path / "x")): "not a directory",
    }.items():
        assert main(["release", *arguments, "--quick"]) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1


def test_the_exercises_can_be_released_together() -> None:
    refuse_shared_ids([read_source(path) for path in sorted((REPO / "solutions").glob("*.ipynb"))])
