"""Run something as a user without any privilege, for tests that run as root."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = hasattr(os, "getuid") and os.getuid() == 0
ORDINARY = 54321


def as_ordinary_user(home: Path, *readable: Path) -> list[str]:
    """The beginning of a command line: who runs it, its home, and a view of this machine with folders it may read."""
    command = ["bwrap", "--dev-bind", "/", "/", "--die-with-parent", *_opened(*readable)]
    command += ["--setenv", "HOME", str(home), "--setenv", "PYTHONDONTWRITEBYTECODE", "1", "--"]
    command += ["setpriv", f"--reuid={ORDINARY}", f"--regid={ORDINARY}", "--clear-groups", "--no-new-privs"]
    return [*command, "--inh-caps=-all"]


def run_again(*files: Path, seconds: float) -> None:
    """The slow tests of these files once more, by a user without privileges who may read interpreter and repository."""
    home = Path(tempfile.mkdtemp(prefix="bnt-ordinary-", dir="/tmp"))
    os.chown(home, ORDINARY, ORDINARY)
    base, repository = Path(os.path.realpath(sys.executable)).parent.parent, Path(__file__).resolve().parents[1]
    command = as_ordinary_user(home, base, Path(sys.prefix), repository)
    command += [sys.executable, "-m", "pytest", "-q", "-n", "0", "-m", "slow", "-p", "no:cacheprovider"]
    command += [*map(str, files), "-o", f"timeout={seconds:g}", f"--basetemp={home / 'pytest'}"]
    try:
        done = subprocess.run(command, cwd=repository, capture_output=True, text=True, timeout=seconds)
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _opened(*folders: Path) -> list[str]:
    """What bwrap needs to show these folders to everyone, though a folder above them is closed to others."""
    arguments: list[str] = []
    hidden: set[Path] = set()
    for folder in folders:
        above = list(reversed(folder.parents))
        closed = next((parent for parent in above if not parent.stat().st_mode & 0o001), None)
        if closed is None:
            continue
        if closed not in hidden:
            arguments += ["--tmpfs", str(closed), "--chmod", "0755", str(closed)]
            hidden.add(closed)
        for parent in above:
            if closed in parent.parents:
                arguments += ["--perms", "0755", "--dir", str(parent)]
        arguments += ["--ro-bind", str(folder), str(folder)]
    return arguments
