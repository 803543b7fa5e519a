"""``bnt course`` and ``bnt lab``: what is written, what is never overwritten, and what JupyterLab is told."""

import json
import re
import sys
import types
from pathlib import Path

import pytest

from bnt import course
from bnt.cli import main

REPO = Path(__file__).resolve().parent.parent
NOT_FOR_LEARNERS = re.compile(r"solutions/|\bgit\b|clone-only|\*solutions\*")


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_course_writes_lessons_exercises_and_a_readme(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["course", str(tmp_path / "new")]) == 0
    found = files(tmp_path / "new")
    kept = {f"{name}/{path}": text for name in ("course", "exercises") for path, text in files(REPO / name).items()}
    expected = {name for name in kept if "/." not in name and "__pycache__" not in name}
    assert found.keys() == expected | {"README.md"}
    assert [name for name in sorted(expected) if found[name] != kept[name]] == ["course/00_start_here.ipynb"]
    assert f"{len(found)} files written" in capsys.readouterr().out
    for name, content in found.items():
        if not name.endswith(".png"):
            assert not NOT_FOR_LEARNERS.search(content.decode()), name


def test_course_overwrites_nothing_and_says_what_it_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    course.write_course(tmp_path)
    mine, gone, folder = (tmp_path / "exercises" / f"{name}.ipynb" for name in (
        "01_evidence_adds", "02_bayesian_networks", "03_messages_on_trees"))  # fmt: skip
    mine.write_text("my work")
    gone.unlink()
    folder.unlink()
    folder.mkdir()
    before = files(tmp_path)
    assert main(["course", str(tmp_path)]) == 0
    assert files(tmp_path) == before | {f"exercises/{gone.name}": (REPO / "exercises" / gone.name).read_bytes()}
    said = capsys.readouterr().out
    assert f"1 file written, {len(before) - 1} there already" in said
    assert [line.strip() for line in said.splitlines() if line.startswith("  ")] == [
        f"exercises/{mine.name}", f"exercises/{folder.name}"]  # fmt: skip


def test_course_into_a_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(["course", str(tmp_path / "file")]) == 2
    assert capsys.readouterr().err.endswith("file is a file; the course needs a folder, one that exists or a new one\n")


def test_the_command_to_start_with_can_be_copied(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, said in {"mine": "mine", "my course": '"my course"'}.items():
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(tmp_path)
            assert main(["course", name]) == 0
        assert capsys.readouterr().out.splitlines()[-1] == f"start with: bnt lab {said}"


def test_half_a_file_does_not_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next run would take it for the learner's own, and leave it as it is."""
    whole = {"a": b"1", "b": b"2"}
    monkeypatch.setattr(course, "files_for_learners", lambda folder: {**whole, "c": None})  # type: ignore[dict-item]
    with pytest.raises(TypeError):
        course.write_course(tmp_path)
    assert sorted(path.name for path in (tmp_path / "course").iterdir()) == ["a", "b"]


def test_only_marked_cells_are_left_out() -> None:
    cells = [{"id": "a", "metadata": {}}, {"id": "b", "metadata": {"tags": ["x", "clone-only"]}}]
    raw = json.dumps({"cells": cells})
    assert json.loads(course.without_clone_only(raw.encode())) == {"cells": cells[:1]}
    unmarked = raw.replace("clone-only", "other").encode()
    assert course.without_clone_only(unmarked) is unmarked


def test_a_package_without_the_course_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(course, "PACKAGE", tmp_path / "bnt")
    with pytest.raises(course.BntError, match="came without the course"):
        course.material()
    (tmp_path / "bnt" / "material" / "course").mkdir(parents=True)
    (tmp_path / "bnt" / "material" / course.FIRST).touch()
    assert course.material() == tmp_path / "bnt" / "material"


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What JupyterLab is told, instead of starting it."""
    arguments: list[str] = []
    monkeypatch.setitem(sys.modules, "jupyterlab.labapp", types.SimpleNamespace(main=arguments.extend))
    return arguments


ON_LESSON_00 = "--LabApp.default_url=/lab/tree/course/00_start_here.ipynb"


@pytest.mark.parametrize(("user", "extra"), [(0, ["--allow-root"]), (1000, [])])
def test_lab_passes_options_on(told, user, extra, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr("os.geteuid", lambda: user, raising=False)
    course.write_course(tmp_path)
    assert main(["lab", str(tmp_path), "--port", "9999", "--no-browser", "-y"]) == 0
    assert told == [f"--ServerApp.root_dir={tmp_path}", ON_LESSON_00, *extra, "--port", "9999", "--no-browser", "-y"]
    assert ("you are root" in capsys.readouterr().err) == (user == 0)


def test_lab_finds_the_course(told, tmp_path, monkeypatch, capsys) -> None:
    course.write_course(tmp_path / "mine")

    def root(*arguments: str) -> str:
        told.clear()
        assert main(["lab", *arguments]) == 0
        return told[0].removeprefix("--ServerApp.root_dir=")

    monkeypatch.chdir(tmp_path)
    assert root() == str(REPO)  # the checkout that is installed
    assert root("mine") == root("mine/course") == root("mine", "--port=1") == str(tmp_path / "mine")
    monkeypatch.chdir(tmp_path / "mine" / "course")
    assert root("--no-browser") == str(tmp_path / "mine")
    told.clear()
    for wrong in (str(tmp_path), "absent"):
        assert main(["lab", wrong]) == 2
        error = capsys.readouterr().err.splitlines()[-1]
        assert "no course/00_start_here.ipynb in" in error
        assert "bnt course DIR" in error
    monkeypatch.setattr(course, "PACKAGE", tmp_path / "site-packages" / "bnt")
    monkeypatch.chdir(tmp_path)
    assert main(["lab"]) == 2
    assert not told


def test_lab_without_jupyterlab(monkeypatch, capsys) -> None:
    monkeypatch.setattr(course, "find_spec", lambda name: None)
    assert main(["lab", str(REPO)]) == 2
    assert 'JupyterLab is not installed: python -m pip install "bnt[course]"' in capsys.readouterr().err
