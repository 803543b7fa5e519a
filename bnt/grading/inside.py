"""Runs inside the sandbox: sets hard limits, then becomes the learner's kernel. Started as a script.

``python inside.py CONNECTION_FILE`` with the rules as JSON in the environment variable BNT_RULES:
``limits`` (see Limits; null = switched off), ``walls`` (where it may write, see walls.py; null = anywhere),
``allowed`` (dotted names, null = any), ``answers`` (SHA-256 of the learner's cells), ``entropy`` (a number that
replaces the machine's randomness), ``warm`` (home folder to copy), ``locked`` (names that every locked cell finds as
the exercise defines them), ``policy`` (the file with the rule).
"""

from __future__ import annotations

import builtins
import hashlib
import importlib
import importlib.util
import json
import os
import random
import secrets
import shutil
import sys
from typing import Any

MB = 1 << 20
SYNTHETIC = ("<string>", "<stdin>", "<unknown>")


class NotAllowed(ImportError):
    """An answer imports what the exercise does not allow."""


def set_limits(limits: dict[str, Any]) -> None:
    """Hard limits of this process and its children; a ``None`` is left as it is."""
    try:
        import resource
    except ImportError:  # Windows has none
        return
    wanted = {
        resource.RLIMIT_AS: limits["memory_mb"] and limits["memory_mb"] * MB,
        resource.RLIMIT_CPU: limits["cpu_seconds"],
        resource.RLIMIT_FSIZE: limits["disk_mb"] and limits["disk_mb"] * MB,
        resource.RLIMIT_NOFILE: limits["open_files"],
        resource.RLIMIT_CORE: 0,
        getattr(resource, "RLIMIT_NPROC", None): limits["processes"],
    }
    for kind, value in wanted.items():
        if kind is None or value is None:
            continue
        _, hard = resource.getrlimit(kind)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        try:
            resource.setrlimit(kind, (value, value))
        except (ValueError, OSError):  # macOS refuses a limit on the address space
            continue


def fix_entropy(number: int) -> None:
    """Unseeded ``random`` and ``numpy.random`` give the same values in every run with this number."""
    random.seed(number)
    secrets.randbits = random.Random(number).getrandbits  # type: ignore[assignment]  # numpy takes it from here at its first import


def only_python(shell: Any) -> None:
    """Cells run as they stand: no magics, no automagic, no rewriting of lines (answers come as plain Python)."""
    shell.automagic = False
    transformer = shell.input_transformer_manager
    transformer.cleanup_transforms, transformer.line_transforms, transformer.token_transformers = [], [], []
    shell.prefilter_manager.prefilter_lines = lambda lines, continue_prompt=False: lines


def keep_locked(shell: Any, names: list[str], answers: list[str]) -> None:
    """Before every locked cell, give ``names`` the meaning that locked cells gave them, or Python does.

    An answer that calls a variable ``sum``, or writes a ``report`` of its own, changes no check. How numpy prints and
    what it does with overflow go back to normal, too.
    """
    kept: dict[str, Any] = {}
    wanted = set(answers)

    def restore(info: Any) -> None:
        if _digest(info.raw_cell) in wanted:
            return
        for name in names:
            if name in kept:
                shell.user_ns[name] = kept[name]
            elif hasattr(builtins, name):
                shell.user_ns.pop(name, None)
        if "numpy" in sys.modules:
            numpy, printing, errors = habits.setdefault("numpy", habits_of_numpy())
            numpy.set_printoptions(**printing)
            numpy.seterr(**errors)

    def keep(result: Any) -> None:
        if _digest(result.info.raw_cell) not in wanted:
            if "numpy" in sys.modules:  # now: the next cell may be an answer, and change them
                habits.setdefault("numpy", habits_of_numpy())
            for name in names:
                if name in shell.user_ns:
                    kept.setdefault(name, shell.user_ns[name])

    habits: dict[str, tuple[Any, dict[str, Any], dict[str, Any]]] = {}
    shell.events.register("pre_run_cell", restore)
    shell.events.register("post_run_cell", keep)


def habits_of_numpy() -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """numpy, how it prints, and what it does with overflow."""
    numpy = sys.modules["numpy"]
    return numpy, numpy.get_printoptions(), numpy.geterr()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def load_policy(file: str) -> Any:
    """The rule, as a module that only this script holds."""
    spec = importlib.util.spec_from_file_location("bnt_policy", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def watch_imports(shell: Any, policy: Any, allowed: list[str] | None, answers: list[str]) -> None:
    """Refuse imports that come from the learner's cells (known by their SHA-256) and are not allowed."""
    if allowed is None:
        return
    files = set(SYNTHETIC)
    wanted = set(answers)
    real_import, real_import_module = builtins.__import__, importlib.import_module

    def note_cell(info: Any) -> None:
        if _digest(info.raw_cell) in wanted:
            files.add(shell.compile.get_code_name(info.raw_cell, info.raw_cell, 0))

    def refuse(name: str, parts: tuple[str, ...]) -> None:
        frame: Any = sys._getframe(2)
        while frame is not None and frame.f_code.co_filename.startswith("<frozen importlib"):
            frame = frame.f_back
        if frame is None or frame.f_code.co_filename not in files:
            return
        for dotted in [f"{name}.{part}" for part in parts] or [name]:
            if not policy.may_load(dotted, allowed):
                raise NotAllowed(f"`{dotted}` may not be imported here")

    def checked_import(name, globals=None, locals=None, fromlist=(), level=0):  # type: ignore[no-untyped-def]
        refuse(name, tuple(fromlist or ()))
        return real_import(name, globals, locals, fromlist, level)

    def checked_import_module(name, package=None):  # type: ignore[no-untyped-def]
        refuse(name, ())
        return real_import_module(name, package)

    builtins.__import__ = checked_import
    importlib.import_module = checked_import_module
    shell.events.register("pre_run_cell", note_cell)


def _moved(connection: str, sockets: str) -> str:
    """A connection file for the folder as it is called in here."""
    folder, name = os.path.split(connection)
    with open(os.path.join(sockets, name)) as file:
        told = json.load(file)
    own = os.path.join("/tmp", name)
    with open(own, "w") as file:
        json.dump({**told, "ip": told["ip"].replace(folder, sockets)}, file)
    return own


def main() -> None:
    """Limits, a warm home, then the kernel."""
    rules = json.loads(os.environ.pop("BNT_RULES"))
    if rules["warm"]:
        for entry in os.scandir(rules["warm"]):  # not the folder itself: home may belong to another user
            target = os.path.join(os.environ["HOME"], entry.name)
            (shutil.copytree if entry.is_dir() else shutil.copyfile)(entry.path, target)
    connection = sys.argv[1]
    if rules["walls"]:
        from bnt.grading import walls

        connection = _moved(connection, rules["walls"]["sockets"])
        if rules["walls"]["confined"]:
            walls.write_only_below(rules["walls"]["folders"], rules["walls"]["sockets"])
        walls.refuse_system_calls()
    set_limits(rules["limits"])
    from ipykernel.kernelapp import IPKernelApp

    app = IPKernelApp.instance()
    app.initialize(["-f", connection, "--HistoryManager.enabled=False", "--quiet"])
    policy = load_policy(rules["policy"])
    only_python(app.shell)
    fix_entropy(rules["entropy"])
    watch_imports(app.shell, policy, rules["allowed"], rules["answers"])
    keep_locked(app.shell, rules["locked"], rules["answers"])
    os.environ["BNT_WATCH"] = "off"
    app.start()


if __name__ == "__main__":
    sys.path.remove(os.path.dirname(os.path.abspath(__file__)))  # a script's folder must not shadow modules
    main()
