"""``--scheduler``: the same rows as on one machine, whatever dies on the way (slow parts: twenty submissions)."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from bnt.errors import FormatError
from bnt.grading import cluster
from bnt.grading.grade import grade
from bnt.grading.limits import Limits
from bnt.grading.versions import exercise
from tests.exercise_examples import REPO, cell_of, documented_source

RIGHT = """def normalise(p):
    p = np.asarray(p, dtype=float)
    return p / p.sum() if p.sum() else np.full(len(p), 1 / len(p))"""
WRONG = "def normalise(p):\n    return np.asarray(p) / np.sum(p)"


def write_class(folder: Path, number: int):
    source = documented_source(folder)
    for i in range(number):
        notebook = exercise(source)
        cell_of(notebook, "normalise").source = f"# {i}\n{WRONG if i % 3 == 0 else RIGHT}"
        path = folder / "in" / f"l{i:03}" / "normalise.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(notebook))
        os.utime(path, (1.7e9, 1.7e9))
    return source


def contents(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("address", ["local:0", "local:x", "local:"])
def test_addresses_that_are_none(tmp_path: Path, address: str) -> None:
    source = write_class(tmp_path, 1)
    with pytest.raises(FormatError, match="write local:4"):
        grade(source.path, [tmp_path / "in"], tmp_path / "out", scheduler=address)


def test_nodes_that_differ_are_named() -> None:
    wanted = {"isolation": "isolated (bubblewrap)", "numpy": "2.0.0"}
    assert cluster._difference(wanted, wanted) == ""
    assert cluster._difference({**wanted, "numpy": "2.1.0"}, wanted) == "numpy: 2.1.0 instead of 2.0.0"
    assert set(cluster.facts(Limits().as_json())) >= {"python", "numpy", "isolation", "bnt", "machine"}


def test_a_node_that_is_unlike_the_others_grades_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("it started")

    monkeypatch.setattr(cluster, "Worker", never)
    limits = Limits().as_json()
    wanted = {**cluster.facts(limits), "numpy": "0.1"}
    assert "numpy:" in cluster.grade_one({}, {}, None, limits, wanted)["refused"]  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def class_of_twenty(tmp_path_factory: pytest.TempPathFactory):
    """(source, folder of submissions, the reports of one machine)."""
    folder = tmp_path_factory.mktemp("class")
    source = write_class(folder, 20)
    grade(source.path, [folder / "in"], folder / "alone", seed=7, jobs=2)
    return source, folder / "in", contents(folder / "alone")


def grading(source: Path, submissions: Path, out: Path) -> list[str]:
    """``bnt grade``, in a process of its own."""
    words = ["-m", "bnt.grading", "grade", source, submissions, "--out", out, "--seed", "7"]
    return [sys.executable, *map(str, words)]


def started(command: list[str], tmp: Path) -> subprocess.Popen:
    environment = {**os.environ, "TMPDIR": str(tmp), "PYTHONPATH": str(REPO)}
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def graded(out: Path) -> int:
    return len(list((out / "results").glob("*.json"))) if out.exists() else 0


def wait_for(holds, seconds: float = 120) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.05)


@pytest.fixture
def own_tmp():
    """A folder for temporary files with a short name, which must be empty in the end."""
    folder = Path(tempfile.mkdtemp(prefix="c", dir="/tmp"))
    yield folder
    wait_for(lambda: not list(folder.glob("bnt-*")), 30)
    for left in folder.iterdir():
        assert left.name == "dask-scratch-space", left  # dask's own, of a scheduler that was killed
    subprocess.run(["rm", "-r", str(folder)], check=True)


def nodes_at_work(process: psutil.Process) -> set[int]:
    """The ids of the processes that have a grading worker under them; one that ends meanwhile is left out."""
    nodes = set()
    for child in process.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # a zombie is one too
            if "bnt.grading.worker" in " ".join(child.cmdline()):
                nodes.add(child.ppid())
    return nodes - {process.pid}


def lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.slow
def test_a_killed_worker_loses_nothing_and_leaves_nothing(class_of_twenty, tmp_path: Path, own_tmp: Path) -> None:
    source, subs, alone = class_of_twenty
    out = tmp_path / "out"
    command = grading(source.path, subs, out)
    process = started([*command, "--scheduler", "local:2"], own_tmp)
    wait_for(lambda: graded(out) >= 6)
    nodes: set[int] = set()
    wait_for(lambda: nodes.update(nodes_at_work(psutil.Process(process.pid))) or nodes)
    victim = psutil.Process(min(nodes))
    family = victim.children(recursive=True)
    victim.kill()
    wait_for(lambda: not any(lives(p) for p in family), 30)
    assert process.wait(300) == 0, process.stderr.read()
    assert contents(out) == alone
    assert list(own_tmp.iterdir()) == []


@pytest.mark.slow
def test_a_killed_scheduler_is_said_and_resuming_regrades_nothing(
    class_of_twenty, tmp_path: Path, own_tmp: Path
) -> None:
    source, subs, alone = class_of_twenty
    out = tmp_path / "out"
    file = tmp_path / "scheduler.json"
    dask = [
        sys.executable,
        "-m",
        "distributed.cli.dask_scheduler",
        "--host",
        "127.0.0.1",
        "--port",
        "0",
        "--no-dashboard",
    ]
    scheduler = started([*dask, "--scheduler-file", str(file)], own_tmp)
    wait_for(file.exists)
    address = json.loads(file.read_text())["address"]
    node = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-dashboard"]
    nodes = [started([*node, "--death-timeout", "10"], own_tmp) for _ in range(2)]
    command = grading(source.path, subs, out)
    process = started([*command, "--scheduler", address], own_tmp)
    try:
        wait_for(lambda: graded(out) >= 5)
        scheduler.kill()
        assert process.wait(120) == 2
        said = process.stderr.read()
        assert "was lost" in said
        assert "Traceback" not in said
        known = {path.name: path.stat().st_mtime_ns for path in (out / "results").glob("*.json")}
        assert subprocess.run([*command, "--jobs", "2"], env={**os.environ, "PYTHONPATH": str(REPO)}).returncode == 0
        assert contents(out) == alone
        again = {path.name: path.stat().st_mtime_ns for path in (out / "results").glob("*.json")}
        assert {name: again[name] for name in known} == known
    finally:
        for one in (*nodes, scheduler, process):
            family = psutil.Process(one.pid).children(recursive=True) if one.poll() is None else []
            one.terminate()
            one.wait(30)
            for child in family:
                if child.is_running():
                    child.kill()
