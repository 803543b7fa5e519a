"""bnt release --nbgrader: the export on its own, and (slow) with the real nbgrader 0.9.6 in an environment of its own.

nbgrader pins its own versions of the Jupyter packages, so the slow test installs it with pip into a temporary
environment (or takes the interpreter that NBGRADER_PYTHON names).
"""

import json
import os
import subprocess
import sysconfig
import venv
from pathlib import Path

import pytest

from bnt.grading.nbgrader_export import asserting, assignment, indented
from bnt.grading.release import release
from tests.exercise_examples import REPO, cell_of, documented_source

NO_ZEROS = "def normalise(p):\n    return np.asarray(p) / np.sum(p)"


def passes(code: str, **names: object) -> bool:
    try:
        exec(code, dict(names))
    except AssertionError:
        return False
    return True


def test_a_check_becomes_an_assertion() -> None:
    code = asserting("for i in range(n):\n    print(i)", "0\n1\n")
    assert passes(code, n=2)
    assert not passes(code, n=3)
    text = 'x = """a\n  b"""\nprint(x)'
    assert indented(text) == '    x = """a\n  b"""\n    print(x)'
    assert passes(asserting(text, "a\n  b\n"))


def test_export_holds_points_solutions_and_hidden_tests(tmp_path: Path) -> None:
    source = documented_source(tmp_path)
    notebook = assignment(source)
    assert [cell.id for cell in notebook.cells if cell.id == "seed"] == []
    hidden = cell_of(notebook, "hidden-normalise")
    assert hidden.source.startswith("### BEGIN HIDDEN TESTS\nseed = 1\n")
    assert hidden.source.endswith("\n### END HIDDEN TESTS")
    assert hidden.metadata.nbgrader.points == 2
    assert "### BEGIN SOLUTION" in cell_of(notebook, "normalise").source


@pytest.fixture(scope="session")
def nbgrader_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An interpreter that has nbgrader 0.9.6, and after its own packages those of this environment."""
    if "NBGRADER_PYTHON" in os.environ:
        return os.environ["NBGRADER_PYTHON"]
    folder = tmp_path_factory.mktemp("nbgrader")
    venv.create(folder, with_pip=True)
    python = str(folder / "bin" / "python")
    install = [python, "-m", "pip", "install", "--quiet", "nbgrader==0.9.6"]
    done = subprocess.run(install, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr[-3000:]
    return python


@pytest.mark.slow
def test_nbgrader_accepts_the_export_and_gives_the_same_scores(tmp_path: Path, nbgrader_python: str) -> None:
    source = documented_source(tmp_path)
    course = tmp_path / "course"
    release([source.path], course, nbgrader_course=True, run=False)
    (course / "nbgrader_config.py").write_text("c = get_config()\nc.CourseDirectory.course_id = 'course'\n")
    after = os.pathsep.join([str(REPO), sysconfig.get_paths()["purelib"]])
    site = subprocess.run(
        [nbgrader_python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    (Path(site.stdout.strip()) / "after.pth").write_text(after.replace(os.pathsep, "\n") + "\n")
    home = {"HOME": str(tmp_path), "JUPYTER_PLATFORM_DIRS": "1", "JUPYTER_PREFER_ENV_PATH": "1"}
    environment = {**os.environ, **home, "PATH": f"{Path(nbgrader_python).parent}{os.pathsep}{os.environ['PATH']}"}

    def nbgrader(*arguments: str) -> str:
        command = [nbgrader_python, "-m", "nbgrader", *arguments]
        done = subprocess.run(command, cwd=course, env=environment, capture_output=True, text=True, timeout=280)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    nbgrader("generate_assignment", "normalise", "--create")
    released = (course / "release" / "normalise" / "normalise.ipynb").read_text()
    for secret in ("p.sum()", "default_rng", "HIDDEN", "cancels"):
        assert secret not in released, secret
    answers = {"right": cell_of(source.notebook, "normalise").source, "wrong": NO_ZEROS, "blank": None}
    for learner, text in answers.items():
        notebook = json.loads(released)
        for cell in notebook["cells"]:
            if cell["id"] == "normalise" and text is not None:
                cell["source"] = text
        path = course / "submitted" / learner / "normalise" / "normalise.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(notebook))
    nbgrader("autograde", "normalise")
    nbgrader("export", "--to", "grades.csv")
    lines = [line.split(",") for line in (course / "grades.csv").read_text().splitlines()]
    column, learner = lines[0].index("score"), lines[0].index("student_id")
    scores = {line[learner]: float(line[column]) for line in lines[1:]}
    assert scores == {"right": 3, "wrong": 1, "blank": 0}  # as bnt grade gives; 2 more points wait for a person
