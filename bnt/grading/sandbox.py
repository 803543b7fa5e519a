"""Where a learner's kernel runs: bubblewrap with private namespaces, or, where that is missing, a plain process.

Inside: no network, own process ids, own /tmp, home and /dev/shm of limited size, the interpreter and bnt read-only,
and one small folder shared with the grader for the kernel's sockets. As root the kernel gets a user id of its own;
an ordinary user relies on a user namespace.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import site
import subprocess
import sys
from pathlib import Path
from typing import Any

from bnt.grading.limits import MB_IN_BYTES, Limits

INSIDE = Path(__file__).with_name("inside.py")
FIRST_UID, UIDS = 61184, 4336  # a range that systemd keeps for services without an account of their own
HOME = "/home/learner"
SOCKETS = "/sockets"  # not below a folder that a learner may write to
ISOLATED = "isolated (bubblewrap)"
REDUCED = "REDUCED: no bubblewrap"
SETTINGS = {
    "LANG": "C.UTF-8",
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "USER": "learner",
    "LOGNAME": "learner",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "PYTHONDONTWRITEBYTECODE": "1",
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"),
}


@functools.cache
def why_not_isolated() -> str:
    """Empty where bubblewrap works on this machine; otherwise why it does not."""
    if shutil.which("bwrap") is None:
        return "bubblewrap (bwrap) is not installed; on Debian or Ubuntu: apt install bubblewrap"
    uid = own_uid(0)
    probe = [*_bubblewrap(uid), "--ro-bind", "/", "/", "--proc", "/proc", "--", *_drop_to(uid), "true"]
    done = subprocess.run(probe, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return "" if done.returncode == 0 else f"bubblewrap does not work here: {done.stderr.strip().splitlines()[-1]}"


def level(limits: Limits) -> str:
    """The isolation that a submission gets, as every report names it."""
    return ISOLATED if limits.on("bubblewrap") and not why_not_isolated() else REDUCED


def own_uid(slot: int) -> int | None:
    """The user id of a kernel when the grader is root; None for an ordinary user."""
    return FIRST_UID + slot % UIDS if hasattr(os, "getuid") and os.getuid() == 0 else None


def kernel_command(
    limits: Limits, shared: Path, *, slot: int, rules: dict[str, Any], warm: Path | None, keep: Path | None = None
) -> tuple[list[str], dict[str, str]]:
    """Command line (ending before the connection file) and environment of one kernel.

    ``shared`` holds the sockets; ``warm`` is a home folder to start from; ``keep`` is a folder used as home itself,
    for the trusted reference run that fills it.
    """
    rules = {**rules, "limits": _resource_limits(limits), "warm": str(warm) if warm else None, "walls": None}
    environment = {**SETTINGS, "PYTHONHASHSEED": str(rules["entropy"]), "PYTHONPATH": str(_package().parent)}
    if level(limits) == REDUCED:
        home = keep or shared / "home"
        home.mkdir(exist_ok=True)
        environment.update(_locations(str(home)), PATH=os.environ.get("PATH", ""))
        if "SYSTEMROOT" in os.environ:  # Windows cannot start a process without it
            environment["SYSTEMROOT"] = os.environ["SYSTEMROOT"]
        return [sys.executable, str(INSIDE)], {**environment, "BNT_RULES": json.dumps(rules)}
    uid = own_uid(slot)
    rules["walls"] = {"folders": [HOME, "/tmp", "/dev"], "sockets": SOCKETS, "confined": limits.on("disk")}
    environment.update(_locations(HOME), BNT_RULES=json.dumps(rules))
    command = _bubblewrap(uid) + _mounts(limits, shared, warm, keep)
    for name, value in environment.items():
        command += ["--setenv", name, value]
    command = [*_memory_scope(limits), *command, "--chdir", HOME, "--"]
    for path in (shared, keep):
        if path is not None and uid is not None:
            os.chown(path, uid, uid)
    command += [*_drop_to(uid), sys.executable, str(INSIDE)]
    return command, {"PATH": os.environ.get("PATH", os.defpath), **_bus()}


def _bus() -> dict[str, str]:
    """Where systemd answers; bubblewrap passes none of it on."""
    names = ("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS")
    return {name: os.environ[name] for name in names if name in os.environ} if has_scopes() else {}


@functools.cache
def has_scopes() -> bool:
    """True where systemd gives a kernel a control group of its own, whose memory limit counts everything."""
    if shutil.which("systemd-run") is None:
        return False
    try:
        probe = subprocess.run([*_scope(256), "true"], capture_output=True, stdin=subprocess.DEVNULL, timeout=10)
    except subprocess.TimeoutExpired:
        return False
    return probe.returncode == 0


def _scope(memory_mb: int) -> list[str]:
    user = [] if own_uid(0) is not None else ["--user"]
    limits = ["-p", f"MemoryMax={memory_mb}M", "-p", "MemorySwapMax=0"]
    return ["systemd-run", *user, "--scope", "--quiet", "--collect", *limits, "--"]


def _memory_scope(limits: Limits) -> list[str]:
    return _scope(limits.memory_mb) if limits.on("memory") and has_scopes() else []


def _locations(home: str) -> dict[str, str]:
    return {"HOME": home, "IPYTHONDIR": f"{home}/.ipython", "NUMBA_CACHE_DIR": f"{home}/.numba"}


def _resource_limits(limits: Limits) -> dict[str, Any]:
    return {
        "memory_mb": limits.memory_mb if limits.on("memory") else None,
        "cpu_seconds": int(limits.total_seconds) if limits.on("cell time") else None,
        "disk_mb": limits.disk_mb if limits.on("disk") else None,
        "open_files": limits.open_files if limits.on("open files") else None,
        "processes": limits.processes if limits.on("processes") and level(limits) == ISOLATED else None,
    }


def _bubblewrap(uid: int | None) -> list[str]:
    command = ["bwrap", "--die-with-parent", "--new-session", "--clearenv", "--hostname", "sandbox"]
    command += ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    return command if uid is not None else [*command, "--unshare-user", "--disable-userns"]


def _drop_to(uid: int | None) -> list[str]:
    if uid is None:
        return []
    command = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--no-new-privs"]
    return [*command, "--bounding-set=-all", "--inh-caps=-all", "--"]


def _mounts(limits: Limits, shared: Path, warm: Path | None, keep: Path | None) -> list[str]:
    size = ["--size", str(limits.disk_mb * MB_IN_BYTES)] if limits.on("disk") else []
    mounts = ["--ro-bind", "/usr", "/usr"]
    for name in ("bin", "sbin", "lib", "lib32", "lib64"):
        path = Path("/", name)
        if path.is_symlink():
            mounts += ["--symlink", os.readlink(path), str(path)]
        elif path.is_dir():
            mounts += ["--ro-bind", str(path), str(path)]
    for name in ("/etc/ld.so.cache", "/etc/alternatives", "/etc/fonts"):
        mounts += ["--ro-bind-try", name, name]
    mounts += ["--proc", "/proc", "--dev", "/dev", *size, "--perms", "1777", "--tmpfs", "/dev/shm"]
    mounts += ["--remount-ro", "/dev", *size, "--perms", "1777", "--tmpfs", "/tmp"]
    made = {"/", "/usr", "/tmp", "/home"}
    mounts += ["--perms", "0755", "--dir", "/home"]
    mounts += ["--bind", str(keep), HOME] if keep else [*size, "--perms", "0777", "--tmpfs", HOME]
    for folder in _libraries():
        is_open = os.stat(folder).st_mode & 0o005 == 0o005  # else, as made under umask 077, its parts one by one
        for part in [folder] if is_open else sorted(folder.iterdir()):
            mounts += [*_parents(part, made), "--ro-bind", str(part), str(part)]
    if warm is not None:
        mounts += [*_parents(warm, made), "--ro-bind", str(warm), str(warm)]
    return [*mounts, "--bind", str(shared), SOCKETS, "--remount-ro", "/"]


def _parents(path: Path, made: set[str]) -> list[str]:
    """Create the folders above a mount point readable; bubblewrap would make them 0700."""
    arguments: list[str] = []
    for folder in reversed(path.parents):
        if str(folder) not in made:
            made.add(str(folder))
            arguments += ["--perms", "0755", "--dir", str(folder)]
    return arguments


def _libraries() -> list[Path]:
    """Folders that the interpreter needs outside /usr: its environment, its base, user packages, the package bnt."""
    wanted = [Path(sys.prefix), Path(sys.base_prefix), Path(os.path.realpath(sys.executable)).parent.parent]
    if site.ENABLE_USER_SITE and site.getusersitepackages() in sys.path:
        wanted.append(Path(site.getusersitepackages()))
    wanted.append(_package())
    found: list[Path] = []
    for folder in wanted:
        inside_another = any(folder == other or other in folder.parents for other in [*found, Path("/usr")])
        if os.path.isdir(folder) and not inside_another:  # Path.is_dir raises where it may not look
            found.append(folder)
    return found


def _package() -> Path:
    return Path(__file__).resolve().parents[1]
