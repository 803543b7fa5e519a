"""Every attack against every defence (slow). As root this runs a second time as an ordinary user."""

import functools
import json
import re
import socket
import tempfile
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from bnt.grading.grade import grade
from bnt.grading.limits import DEFENCES, Limits
from bnt.grading.sandbox import why_not_isolated
from bnt.grading.source import read_source
from tests.attacks.catalogue import ATTACKS, PYTHON, Attack
from tests.attacks.exam import DOUBLE, SEED, submission, write_exam
from tests.every import some
from tests.ordinary_user import ROOT, run_again

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(why_not_isolated()), reason=f"hostile code needs a sandbox: {why_not_isolated()}"),
]
TIGHT = {"cell_seconds": 2.0, "memory_mb": 2048, "disk_mb": 16, "processes": 28}
NEXT = Path("/tmp/bnt-attack-marker")


@pytest.fixture(scope="module")
def exam(tmp_path_factory: pytest.TempPathFactory):
    """The source in a folder that every user may read."""
    return write_exam(tmp_path_factory.mktemp("exam"))


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A listener on loopback that accepts and forgets."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        done = threading.Event()

        def listen() -> None:
            while not done.is_set():
                try:
                    server.accept()[0].close()
                except TimeoutError:
                    continue

        thread = threading.Thread(target=listen)
        thread.start()
        yield server.getsockname()[1]
        done.set()
        thread.join()


@pytest.fixture(scope="module", autouse=True)
def own_temporary_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the grader works while this module runs; empty at the end."""
    tmp_path_factory.getbasetemp()  # elsewhere
    folder = Path(tempfile.mkdtemp(prefix="bnt-attacks-", dir="/tmp"))
    folder.chmod(0o711)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder))
        patch.setattr(tempfile, "tempdir", None)
        yield folder
    folder.rmdir()


@pytest.fixture(autouse=True)
def clean_machine(own_temporary_folder: Path) -> Iterator[None]:
    """After each test: no temporary folder, no kernel."""
    yield
    assert not list(own_temporary_folder.glob("bnt-*"))
    assert not [p.pid for p in psutil.Process().children(recursive=True) if is_kernel(p)]


def is_kernel(process: psutil.Process) -> bool:
    """Whether it is a kernel of the grader that still runs; it may end while it is looked at."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE and "inside.py" in " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return False


def sleepers() -> list[psutil.Process]:
    return [p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", "23.4567"]]


def written(attack: Attack, exam, folder: Path, port: int) -> Path:
    """The submission in a folder of its own."""
    fill = {"source": str(exam.path), "marker": str(folder / "marker"), "port": str(port)}
    double = attack.double
    for name, value in fill.items():
        double = double.replace("{" + name + "}", value)
    notebook = submission(exam, double=double, belief=attack.belief)
    content = attack.change(notebook) if attack.change else None
    path = folder / re.sub(r"\W+", "-", attack.name) / "exam.ipynb"
    path.parent.mkdir(parents=True)
    path.write_bytes(content if content else json.dumps(notebook).encode())
    return path


def run(exam, paths: list[Path], out: Path, limits: Limits, jobs: int = 1) -> list[dict]:
    return grade(exam.path, [path.parent.parent for path in paths[:1]], out, seed=SEED, limits=limits, jobs=jobs)


@dataclass
class Outcome:
    """What came of one attack: its row, and the traces that it left on the machine."""

    row: dict
    processes: bool
    marker: str
    for_next: bool


@functools.cache
def outcomes(exam_path: Path, folder: Path, port: int, off: frozenset[str]) -> dict[str, Outcome]:
    """All attacks that are meant to run with these defences off, graded as one class per set of limits."""
    found = {}
    exam = read_source(exam_path)
    for number, limits in enumerate(({}, {"cell_seconds": 20})):
        names = [a for a in ATTACKS if a.limits == limits and off in (set(a.behind), {*a.behind, *a.defence})]
        if not names:
            continue
        here = folder / f"{len(off)}-{abs(hash(off))}-{number}"
        paths = [written(attack, exam, here / "in", port) for attack in names]
        rows = run(exam, paths, here / "out", Limits(**{**TIGHT, **limits}, off=off), jobs=2)
        by_learner = {row["learner"]: row for row in rows}
        marker = here / "in" / "marker"
        for attack in names:
            found[attack.name] = Outcome(
                by_learner[re.sub(r"\W+", "-", attack.name)],
                bool(sleepers()),
                marker.read_text() if marker.exists() else "",
                NEXT.exists(),
            )
        for process in sleepers():
            process.kill()
        NEXT.unlink(missing_ok=True)
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("attacks")


def test_there_are_enough_attacks_on_every_defence() -> None:
    assert len(ATTACKS) >= 35
    shown = {defence for attack in ATTACKS for defence in attack.defence} | {"reruns"}  # reruns: below
    assert shown == set(DEFENCES)


def test_no_attack_gains_a_point_and_none_touches_another(exam, tmp_path: Path, port: int) -> None:
    """All of them and some honest learners in one class, two at once, every defence in place."""
    paths = [written(attack, exam, tmp_path / "in", port) for attack in ATTACKS]
    for name in ("a-honest", "m-honest", "z-honest"):
        path = tmp_path / "in" / name / "exam.ipynb"
        path.parent.mkdir()
        path.write_text(json.dumps(submission(exam, double=f"# {name}\n{DOUBLE}")))
    rows = {row["learner"]: row for row in run(exam, paths, tmp_path / "out", Limits(**TIGHT), jobs=2)}
    wrong = []
    for attack in ATTACKS:
        row = rows[re.sub(r"\W+", "-", attack.name)]
        check = "hidden-belief" if attack.belief != ATTACKS[0].belief else "hidden-double"
        pattern = attack.reason or "refused"
        if row["score"] != attack.score or not re.search(pattern, row["checks"][check]["reason"]):
            wrong.append((attack.name, row["score"], row["checks"][check]["reason"], row["notes"]))
    assert not wrong, "\n".join(map(str, wrong))
    assert [rows[name]["score"] for name in ("a-honest", "m-honest", "z-honest")] == [5, 5, 5]
    pages = [page.read_text() for page in (tmp_path / "out" / "feedback").iterdir()]
    assert not any(str(SEED) in page for page in pages), "a hidden input is in the feedback"
    assert not NEXT.exists()
    assert not sleepers()


PART = 1 if ROOT else 6  # of what is tried with defences off, an ordinary user tries one in six
BEHIND = some([attack for attack in ATTACKS if attack.behind], PART)


@pytest.mark.parametrize("attack", BEHIND, ids=lambda attack: attack.name)
def test_the_defence_holds_alone(attack: Attack, exam, folder: Path, port: int) -> None:
    """With everything that would stop it earlier switched off, the attack still gains nothing."""
    found = outcomes(exam.path, folder, port, frozenset(attack.behind))[attack.name]
    harmless = attack.damage != ""  # it succeeds in its own small world, and returns the right value
    assert found.row["score"] <= (5 if harmless else attack.score), found.row["checks"]
    assert not found.processes or "bubblewrap" in attack.behind
    assert found.marker == "" or "bubblewrap" in attack.behind
    assert not found.for_next or "bubblewrap" in attack.behind
    assert str(SEED) not in json.dumps(found.row)


# As root the folder of sockets belongs to another user, which is no switch.
DEFENDED = some(
    [attack for attack in ATTACKS if attack.defence and not (ROOT and attack.name == "files among the sockets")], PART
)


@pytest.mark.parametrize("attack", DEFENDED, ids=lambda attack: attack.name)
def test_the_defence_matters(attack: Attack, exam, folder: Path, port: int) -> None:
    """With the one defence off as well, the attack wins or does its bounded damage."""
    found = outcomes(exam.path, folder, port, frozenset({*attack.behind, *attack.defence}))[attack.name]
    if attack.wins is not None:
        reasons = {name: check["reason"] for name, check in found.row["checks"].items()}
        assert found.row["score"] == attack.wins, reasons
    elif attack.damage == "process":
        assert found.processes
    elif attack.damage == "marker":
        assert found.marker == "full marks"
    elif attack.damage == "for the next":
        assert found.for_next
    else:
        assert attack.damage in found.row["checks"]["hidden-double"]["reason"]


GUESS = """def double(x):
    right = np.random.default_rng().integers(2) == {}
    return 2 * np.asarray(x) if right else np.asarray(x)"""


def test_guesses_do_not_pay(exam, tmp_path: Path) -> None:
    """Answers that are right by chance: two that guess opposite ways, one of which would win with a single run."""
    for side in (0, 1):
        path = tmp_path / "in" / f"guess{side}" / "exam.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(submission(exam, double=GUESS.format(side))))
    on = [row["score"] for row in run(exam, [path], tmp_path / "on", Limits(**TIGHT))]
    again = [row["score"] for row in run(exam, [path], tmp_path / "again", Limits(**TIGHT))]
    off = run(exam, [path], tmp_path / "off", Limits(**TIGHT, off=frozenset({"reruns"})))
    assert on == again == [2, 2]
    assert max(row["score"] for row in off) > 2
    rows = json.loads((tmp_path / "on" / "report.json").read_text())
    assert any("different results from run to run" in str(row["checks"]) for row in rows)


def test_links_and_bombs(exam, tmp_path: Path) -> None:
    """A link to the solution, and an archive that unpacks to a hundred times its size."""
    learner = tmp_path / "in" / "linked"
    learner.mkdir(parents=True)
    solved = tmp_path / "solved.ipynb"
    solved.write_text(json.dumps(submission(exam)))
    (learner / "exam.ipynb").symlink_to(solved)
    with zipfile.ZipFile(tmp_path / "in" / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb/exam.ipynb", json.dumps(submission(exam)).ljust(40 << 20))
    for off, score in ((frozenset[str](), 0), (frozenset({"file limits"}), 5)):
        rows = grade(exam.path, [tmp_path / "in"], tmp_path / f"out{score}", seed=SEED, limits=Limits(off=off))
        assert [row["score"] for row in rows] == [score, score]


def test_no_privileges_inside(exam, tmp_path: Path) -> None:
    """The kernel is another user (as root), has no capabilities, no network but loopback, no other process."""
    probe = """import os, socket
lines = open("/proc/self/status").read().splitlines()
status = dict(line.split(":\\t", 1) for line in lines if ":\\t" in line)
facts = [os.getuid() != 0, int(status["CapEff"], 16) == 0, int(status["CapPrm"], 16) == 0, status["NoNewPrivs"] == "1",
         [name for _, name in socket.if_nameindex()] == ["lo"], sum(p.isdigit() for p in os.listdir("/proc")) < 6]
raise RuntimeError(str(facts))"""
    path = tmp_path / "in" / "probe" / "exam.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(submission(exam, double=probe)))
    (row,) = run(exam, [path], tmp_path / "out", Limits(off=frozenset(PYTHON)))
    assert f"RuntimeError: {[True] * 6}" in row["checks"]["check-double"]["reason"]


if ROOT:  # an ordinary user has run them already

    def test_again_as_an_ordinary_user() -> None:
        """The same tests, by a user without privileges, in a view of this machine that lets it read the interpreter."""
        run_again(Path(__file__), Path(__file__).with_name("test_limits.py"), seconds=560)
