"""The package outside the repository (slow): built, checked, installed out of a class folder by its own README.

Needs the dev extra (build, twine) and pip's index.
"""

import json
import os
import re
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

import bnt
from bnt.grading.release import serialise
from bnt.grading.source import read_source
from bnt.grading.versions import solution
from bnt.graph.networks import BUILT_IN

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

REPO = Path(__file__).resolve().parent.parent
SOURCES = sorted((REPO / "solutions").glob("*.ipynb"))
NEVER = re.compile(r"solutions/|\bgit\b|### BEGIN SOLUTION")


def run(*command: object, **options) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=1200, **options)
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-3000:]}"
    return done


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist of a fresh clone and the wheel that is made from it."""
    folder = tmp_path_factory.mktemp("build")
    run("git", "clone", "--quiet", REPO, folder / "clone")
    run(sys.executable, "-m", "build", "--outdir", folder / "dist", folder / "clone")
    return folder / "dist"


@pytest.fixture(scope="module")
def class_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an instructor gives to a class; the wheel in it is built by `bnt release` itself."""
    folder = tmp_path_factory.mktemp("given out") / "class"
    run(sys.executable, "-m", "bnt", "release", *SOURCES, "--out", folder, "--bundle", "--quick", "--seed", 5)
    return folder


@pytest.fixture(scope="module")
def bin_folder(class_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts of a fresh environment into which the class folder's README has installed."""
    folder = tmp_path_factory.mktemp("learner")
    venv.create(folder, with_pip=True)
    (command,) = re.findall(r"    python -m (pip .*) && bnt lab", (class_folder / "README.md").read_text())
    run(folder / "bin" / "python", "-m", *command.split(), cwd=class_folder, env=clean())
    return folder / "bin"


def clean() -> dict[str, str]:
    """The environment without what leads to the repository."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST"))}


def test_sdist_and_wheel_pass_twine_and_the_wheel_holds_no_solution(built: Path, class_folder: Path) -> None:
    run(sys.executable, "-m", "twine", "check", "--strict", *built.iterdir())
    (wheel,) = built.glob("*.whl")
    (given,) = (class_folder / "wheel").glob("*.whl")
    with zipfile.ZipFile(wheel) as one, zipfile.ZipFile(given) as other:
        names = set(one.namelist())
        assert names == set(other.namelist())
        assert {"bnt/py.typed", "bnt/data/hallucination.json"} <= names
        for folder in ("course", "exercises"):
            held = {Path(name).name for name in names if name.startswith(f"bnt/material/{folder}/")}
            assert held >= {path.name for path in SOURCES}
        assert not [name for name in names if "solutions" in name or name.startswith("tests")]
        for name in names:
            if name.endswith(".ipynb"):
                assert not NEVER.search(one.read(name).decode()), name


def test_a_class_folder_speaks_neither_of_solutions_nor_of_git(class_folder: Path) -> None:
    texts = [path for path in class_folder.rglob("*") if path.suffix in (".ipynb", ".md", ".txt")]
    assert len(texts) > 2 * len(SOURCES)
    assert [path for path in texts if NEVER.search(path.read_text(encoding="utf-8"))] == []


def test_the_installed_package_works_outside_the_repository(bin_folder: Path, tmp_path: Path) -> None:
    def command(*arguments: object) -> str:
        return run(bin_folder / "bnt", *arguments, cwd=tmp_path, env=clean()).stdout

    where = run(bin_folder / "python", "-c", "import bnt; print(bnt.__file__)", cwd=tmp_path, env=clean()).stdout
    assert str(bin_folder.parent) in where
    assert command("--version") == f"bnt {bnt.__version__}\n"
    for name in BUILT_IN:
        found = json.loads(command("posterior", name, "--json"))
        assert found["network"] == name
    assert json.loads(command("verify", "chain", "--json"))["max_message_error"] < 1e-12
    assert all(row["holds"] for row in json.loads(command("claims", "--json")))
    assert "files written" in command("course", "mine")
    assert {path.name for path in (tmp_path / "mine").iterdir()} == {"README.md", "course", "exercises"}
    assert command("lab", "mine", "--version").strip()


def test_the_installed_package_grades(bin_folder: Path, tmp_path: Path) -> None:
    source = read_source(SOURCES[0])
    learner = tmp_path / "handed in" / "ann" / source.path.name
    learner.parent.mkdir(parents=True)
    learner.write_text(serialise(solution(source)), encoding="utf-8")
    command = [bin_folder / "bnt", "grade", source.path, tmp_path / "handed in", "--out", tmp_path / "grades", "--json"]
    patient = ["--cell-seconds", 100, "--total-seconds", 500]
    (row,) = json.loads(run(*command, *patient, cwd=tmp_path, env=clean()).stdout)
    assert (row["status"], row["score"]) == ("graded", row["total"])
