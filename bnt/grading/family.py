"""A process and everything it started: measure it, end it, be sure that it is gone."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from pathlib import Path

import psutil

Family = list[psutil.Process]


def descendants(pid: int) -> Family:
    """Everything that the process started and that still runs; empty when it is gone."""
    try:
        return list(psutil.Process(pid).children(recursive=True))
    except psutil.Error:
        return []


def resident(pid: int) -> int:
    """Resident bytes of the process and its descendants."""
    total = 0
    with contextlib.suppress(psutil.Error):
        for process in [psutil.Process(pid), *descendants(pid)]:
            with contextlib.suppress(psutil.Error):
                total += process.memory_info().rss
    return total


def computed(pid: int) -> float:
    """Seconds of computing by the process and its descendants, ended ones that were waited for included."""
    total = 0.0
    with contextlib.suppress(psutil.Error):
        for process in [psutil.Process(pid), *descendants(pid)]:
            with contextlib.suppress(psutil.Error):
                total += sum(process.cpu_times()[:2])
    return total


def end_all(family: Family, seconds: float = 5) -> None:
    """Kill every process and wait until none runs; a zombie that init has still to collect counts as ended."""
    for process in family:
        with contextlib.suppress(psutil.Error):
            process.kill()
    until = time.monotonic() + seconds
    while any(_runs(process) for process in family) and time.monotonic() < until:
        time.sleep(0.01)


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def temporary_root() -> Path:
    """The system's folder for temporary files, or /tmp where a socket's path in it would be too long (107 bytes)."""
    root = Path(tempfile.gettempdir())
    return root if len(str(root)) <= 50 or not Path("/tmp").is_dir() else Path("/tmp")


def work_folder() -> Path:
    """A private folder, named after this process so that a later run can tell leftovers of a killed one."""
    folder = Path(tempfile.mkdtemp(prefix=f"bnt-grade-{os.getpid()}-", dir=temporary_root()))
    folder.chmod(0o711)  # the kernel's user must reach the sockets, and nothing else
    return folder


def sweep_leftovers() -> None:
    """Remove temporary folders of graders that were killed."""
    for folder in temporary_root().glob("bnt-grade-*-*"):
        process = folder.name.split("-")[2]
        mine = not hasattr(os, "getuid") or folder.lstat().st_uid == os.getuid()
        if mine and process.isdigit() and not psutil.pid_exists(int(process)):
            shutil.rmtree(folder, ignore_errors=True)


def remove_folders(process: int) -> None:
    """Remove the temporary folders of a process that has ended."""
    for folder in temporary_root().glob(f"bnt-grade-{process}-*"):
        shutil.rmtree(folder, ignore_errors=True)
