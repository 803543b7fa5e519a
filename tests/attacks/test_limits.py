"""Memory, disk and time outside the limits: answers that look for room where nobody counts (slow).

The defences of the language are off, so that only the walls stand. Run as root and, from test_attacks.py, as an
ordinary user.
"""

import json
import os
import time
from pathlib import Path

import psutil
import pytest

from bnt.grading.family import temporary_root
from bnt.grading.grade import grade
from bnt.grading.limits import Limits
from bnt.grading.sandbox import why_not_isolated
from tests.attacks.catalogue import PYTHON
from tests.attacks.exam import SEED, submission, write_exam

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(why_not_isolated()), reason=f"hostile code needs a sandbox: {why_not_isolated()}"),
]
C = """import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
"""
SHARED = 'shared = "/sockets"\n'
# each says how many megabytes it could put where; an honest return value follows
ATTACKS = {
    "System V shared memory": C
    + """total = 0
for _ in range(6):
    key = libc.shmget(0, 40 << 20, 0o1600)
    at = libc.shmat(key, None, 0)
    if key < 0 or at in (None, 2**64 - 1): break
    ctypes.memset(at, 1, 40 << 20); libc.shmdt(ctypes.c_void_p(at)); total += 40
""",
    "memfd": C
    + """total = 0
try:
    held = [os.memfd_create(str(n)) for n in range(6)]
    for one in held: total += os.write(one, b"x" * (10 << 20)) >> 20
except OSError: pass
""",
    "tmpfs in a user namespace": C
    + """total, (read, write) = 0, os.pipe()
if (child := os.fork()) == 0:
    if libc.unshare(0x10000000 | 0x20000) == 0 and libc.mount(b"t", b"/tmp", b"tmpfs", 0, b"size=80m") == 0:
        try:
            for name in "xy": open(f"/tmp/{name}", "wb").write(b"x" * (14 << 20))
            os.write(write, b"x")
        except OSError: pass
    os._exit(0)
os.waitpid(child, 0); os.close(write)
total = 28 if os.read(read, 1) else 0
""",
    "tmpfs of the root": """import os
total = 0
try:
    for n in range(4): open(f"/x{n}", "wb").write(b"x" * (10 << 20)); total += 10
except OSError: pass
""",
    "files among the sockets": "import os\n"
    + SHARED
    + """total = 0
try:
    for n in range(4): total += open(f"{shared}/{n}", "wb").write(b"x" * (10 << 20)) >> 20
except OSError: pass
""",
    "folders among the sockets": "import os\n"
    + SHARED
    + """total = 0
try:
    os.makedirs(f"{shared}/a/b")
    for n in range(4): total += open(f"{shared}/a/b/{n}", "wb").write(b"x" * (10 << 20)) >> 20
except OSError: pass
""",
    "files without a name among the sockets": "import os\n"
    + SHARED
    + """total, held = 0, []
try:
    for n in range(4):
        held.append(open(f"{shared}/{n}", "wb")); os.remove(f"{shared}/{n}")
        total += held[-1].write(b"x" * (10 << 20)) >> 20
except OSError: pass
""",
    "reading another process": C
    + """total = 0
for name in os.listdir("/proc"):
    if name.isdigit() and int(name) != os.getpid() and libc.ptrace(16, int(name), 0, 0) == 0: total += 1
""",
}


@pytest.fixture(scope="module")
def exam(tmp_path_factory: pytest.TempPathFactory):
    return write_exam(tmp_path_factory.mktemp("exam"))


def hand_in(exam, folder: Path, **answers: str) -> None:
    folder.mkdir(parents=True)
    (folder / "exam.ipynb").write_text(json.dumps(submission(exam, **answers)))


def test_there_is_no_room_outside_the_limits(exam, tmp_path: Path) -> None:
    for name, body in ATTACKS.items():
        told = f'{body}\nraise RuntimeError(f"{{total}} gained")'
        hand_in(exam, tmp_path / "in" / name.replace(" ", "-"), double=told)
    hand_in(exam, tmp_path / "in" / "honest")
    limits = Limits(disk_mb=16, memory_mb=2048, off=frozenset(PYTHON))
    free = psutil.disk_usage(str(temporary_root())).free
    rows = {r["learner"]: r for r in grade(exam.path, [tmp_path / "in"], tmp_path / "out", seed=SEED, limits=limits)}
    assert rows.pop("honest")["score"] == 5
    told = {learner: row["checks"]["check-double"]["reason"] for learner, row in rows.items()}
    assert len(told) == len(ATTACKS)
    assert {learner: text for learner, text in told.items() if "RuntimeError: 0 gained" not in text} == {}
    assert free - psutil.disk_usage(str(temporary_root())).free < 200 << 20
    assert not list(temporary_root().glob(f"bnt-grade-{os.getpid()}-*/k*"))  # others may be grading, too


SLOW = "import numpy as np\nimport time\ndef double(x):\n    time.sleep(1.8)\n    return 2 * np.asarray(x)"


def test_the_time_for_a_whole_notebook_is_a_real_limit(exam, tmp_path: Path) -> None:
    """Every cell stays within its own limit, and mentions chance so that all is run three times."""
    hand_in(exam, tmp_path / "in" / "slow", double="S = 'random'\nhash(1)\n" + SLOW)
    hand_in(exam, tmp_path / "in" / "honest")
    limits = Limits(cell_seconds=3, total_seconds=4, off=frozenset(PYTHON))
    start = time.monotonic()
    rows = {r["learner"]: r for r in grade(exam.path, [tmp_path / "in"], tmp_path / "out", seed=SEED, limits=limits)}
    assert rows["honest"]["score"] == 5
    checks = rows["slow"]["checks"]
    assert "were used up" in checks["hidden-belief"]["reason"]
    assert time.monotonic() - start < 60  # three full runs, reference and starts of kernels included


def test_isolation_can_be_required(exam, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    from bnt.grading import sandbox
    from bnt.grading.commands import main

    hand_in(exam, tmp_path / "in" / "ann")
    command = ["grade", str(exam.path), str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--require-isolation"]
    monkeypatch.setattr(sandbox, "why_not_isolated", lambda: "no bubblewrap here")
    monkeypatch.setattr("bnt.grading.grade.why_not_isolated", lambda: "no bubblewrap here")
    assert main(command) == 2
    assert capsys.readouterr().err == "bnt: --require-isolation: no bubblewrap here\n"
    assert not (tmp_path / "out").exists()
