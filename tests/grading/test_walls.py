"""The walls a kernel builds around itself: what they refuse works without them, and what learners need still works."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bnt.grading import sandbox, walls
from bnt.grading.limits import Limits

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="seccomp and Landlock are Linux's")
CALLS = """
import ctypes, json, os, platform, sys
libc = ctypes.CDLL(None, use_errno=True)
known = walls.ARCHITECTURES[platform.machine()][3]
number = {**known, **walls.EVERYWHERE}
found = {
    "shmget": libc.syscall(number["shmget"], 0, 4096, 0o1600),
    "msgget": libc.syscall(number["msgget"], 0, 0o1600),
    "semget": libc.syscall(number["semget"], 0, 1, 0o1600),
    "memfd_create": libc.syscall(number["memfd_create"], b"x", 0),
}
child = os.fork()
if child == 0:
    os._exit(0 if libc.syscall(number["unshare"], 0x10000000) == 0 else 1)
found["unshare"] = -1 if os.waitpid(child, 0)[1] else 0
print(json.dumps({name: value >= 0 for name, value in found.items()}))
"""


def run(code: str, folder: Path) -> str:
    head = f"from bnt.grading import walls\nfolder = {str(folder)!r}\n"
    done = subprocess.run([sys.executable, "-c", head + code], capture_output=True, text=True, check=True)
    return done.stdout


def test_system_calls_that_make_memory_or_namespaces_are_refused(tmp_path: Path) -> None:
    without = json.loads(run(CALLS, tmp_path))
    assert without.pop("unshare") in (True, False)  # some machines forbid it to everybody
    assert all(without.values()), without
    walled = json.loads(run("assert walls.refuse_system_calls()\n" + CALLS, tmp_path))
    assert not any(walled.values()), walled


def test_threads_and_programs_still_start(tmp_path: Path) -> None:
    code = """
import subprocess, threading
assert walls.refuse_system_calls() and walls.write_only_below([folder, "/dev"], folder + "/sockets")
seen = []
thread = threading.Thread(target=lambda: seen.append(1)); thread.start(); thread.join()
print(seen, subprocess.run(["echo", "hi"], capture_output=True, text=True).stdout)
import numpy as np
print(np.linalg.norm(np.ones((300, 300)) @ np.ones((300, 300))))
"""
    (tmp_path / "sockets").mkdir()
    assert run(code, tmp_path).split() == ["[1]", "hi", "90000.0"]


WRITES = """
import json, os, socket
def tried(what):
    try:
        what()
    except OSError:
        return False
    return True
os.chdir(folder)
print(json.dumps({
    "own": tried(lambda: open("own/x", "w").write("x")),
    "elsewhere": tried(lambda: open("elsewhere", "w").write("x")),
    "over": tried(lambda: open("there", "a").write("x")),
    "cut": tried(lambda: os.truncate("there", 0)),
    "removed": tried(lambda: os.remove("there")),
    "moved": tried(lambda: os.rename("own/x", "x")),
    "file among the sockets": tried(lambda: open("sockets/x", "w").write("x")),
    "folder among the sockets": tried(lambda: os.mkdir("sockets/d")),
    "link among the sockets": tried(lambda: os.symlink("/", "sockets/l")),
    "socket": tried(lambda: socket.socket(socket.AF_UNIX).bind("sockets/s")),
    "read": tried(lambda: open("there" if os.path.exists("there") else "own").read()),
}))
"""


def test_landlock_leaves_own_folders_and_sockets(tmp_path: Path) -> None:
    probe = "print(walls.ctypes.CDLL(None).syscall(walls.CREATE_RULESET, None, 0, 1))"
    if int(run(probe, tmp_path)) < 3:
        pytest.skip("this kernel has no Landlock, or an old one")

    def fresh(name: str) -> Path:
        folder = tmp_path / name
        (folder / "own").mkdir(parents=True)
        (folder / "sockets").mkdir()
        (folder / "there").write_text("there")
        return folder

    without = json.loads(run(WRITES, fresh("a")))
    assert [name for name, worked in without.items() if not worked] == ["read"]  # by then it was removed
    wall = "assert walls.write_only_below([folder + '/own'], folder + '/sockets')\n"
    walled = json.loads(run(wall + WRITES, fresh("b")))
    assert [name for name, worked in walled.items() if worked] == ["own", "socket", "read"]


def test_what_a_machine_lacks_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(walls.platform, "machine", lambda: "riscv64")
    assert not walls.refuse_system_calls()
    assert not walls.write_only_below([str(tmp_path)], str(tmp_path))
    assert os.access(tmp_path, os.W_OK)


def test_a_control_group_holds_the_memory_where_systemd_offers_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command of a kernel, with and without systemd; the limit itself is tried below where there is systemd."""
    if sandbox.why_not_isolated():
        pytest.skip(f"bubblewrap: {sandbox.why_not_isolated()}")
    rules = {"entropy": 0}
    for offered, off, scoped in ((True, "", True), (False, "", False), (True, "memory", False)):
        monkeypatch.setattr(sandbox, "has_scopes", lambda offered=offered: offered)
        limits = Limits(memory_mb=700, off=frozenset(filter(None, [off])))
        (shared := tmp_path / f"{offered}{off}").mkdir()
        command, _ = sandbox.kernel_command(limits, shared, slot=1, rules=rules, warm=None)
        assert command[0] == ("systemd-run" if scoped else "bwrap")
        assert ("MemoryMax=700M" in command) == scoped
        assert "bwrap" in command


@pytest.mark.skipif(not sandbox.has_scopes(), reason="no systemd that gives control groups here")
def test_the_control_group_ends_what_takes_too_much() -> None:
    greedy = [sys.executable, "-c", "x = b'x' * (600 << 20)"]
    assert subprocess.run([*sandbox._scope(300), *greedy], capture_output=True).returncode != 0
    assert subprocess.run([*sandbox._scope(900), *greedy], capture_output=True).returncode == 0
