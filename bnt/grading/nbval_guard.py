"""pytest plugin: what nbval 0.11 lacks for grading code that nobody has read.

It starts the kernel in the sandbox over IPC, deletes the assembled notebook before that, notices a dead kernel or too
much memory or output at once, and stops at the first such cell (nbval would let later cells pass).
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import sys
import time
from collections import deque
from pathlib import Path
from queue import Empty
from typing import Any

import nbval.kernel
import nbval.plugin
import pytest
import zmq
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import KernelManager

from bnt.grading.compare import Tolerance, right_lines, same
from bnt.grading.family import computed, descendants, end_all, resident
from bnt.grading.limits import MB_IN_BYTES, PATIENCE, Limits

BIGGEST_MESSAGE = 16 * MB_IN_BYTES
SHARED_ENTRIES = 60  # sockets and the connection file need fewer than ten
STARTUP_SECONDS = 60
LAST_OUTPUT_SECONDS = 5  # more, for output that is still under way when a cell has ended
KEPT = 4000  # characters of a cell's output that go into the feedback


class Stopped(RuntimeError):
    """The kernel had to be stopped; ``args[0]`` is the outcome: one of ``STOPPED``."""


class SandboxKernel(nbval.kernel.RunningKernel):
    """nbval's kernel, started by ``command`` and watched while it runs. Any trouble raises ``Stopped``."""

    def __init__(
        self, command: list[str], environment: dict[str, str], shared: Path, limits: Limits, until: float
    ) -> None:
        self.limits, self.shared, self.until = limits, shared, until
        self.waiting: deque[dict[str, Any]] = deque()  # output messages read while waiting for a reply
        self.printed, self.checked, self.starting = 0, 0.0, True
        self.allowed, self.before = limits.cell_seconds, 0.0  # computing time: of this cell, used before it
        self.deadline = time.monotonic() + STARTUP_SECONDS
        connection = str(shared / "k.json")
        context = zmq.Context()
        context.setsockopt(zmq.MAXMSGSIZE, BIGGEST_MESSAGE)
        self.km = KernelManager(transport="ipc", connection_file=connection, ip=str(shared / "k"), context=context)
        self.km._kernel_spec = KernelSpec(argv=[*command, connection], interrupt_mode="message", language="python")
        try:
            self._ready(environment)
        except BaseException:
            self.stop()
            raise

    def _ready(self, environment: dict[str, str]) -> None:
        self.km.start_kernel(env=environment, cwd=str(self.shared), stdout=_null(), stderr=_null(), extra_arguments=[])
        owner = self.shared.stat().st_uid
        if owner != os.geteuid():
            os.chown(self.shared / "k.json", owner, owner)
        self.kc = self.km.client()
        self.kc.start_channels(stdin=False, hb=False)
        while time.monotonic() < self.deadline:
            request = self.kc.kernel_info()
            try:
                self.await_reply(request, timeout=0.5)
                self.await_idle(request, timeout=0.05)  # lost while the subscription is young
            except (Empty, Stopped):
                if self.has_died():
                    raise Stopped("no kernel") from None
                continue
            if owner != os.geteuid():  # nothing more may be created among the sockets
                os.chown(self.shared, os.geteuid(), os.getegid())
            self.starting = False
            return
        raise Stopped("no kernel")

    def has_died(self) -> bool:
        """True when the kernel's process has ended."""
        process = getattr(self.km.provisioner, "process", None)
        return process is None or process.poll() is not None

    def is_alive(self) -> bool:
        return hasattr(self, "km") and not self.has_died()

    def get_message(self, stream: str, timeout: float | None = None) -> dict[str, Any]:
        """The next message; nbval calls this for everything, so here the kernel is watched."""
        last = LAST_OUTPUT_SECONDS if stream == "iopub" else 0
        until = min(self.deadline + last, time.monotonic() + (timeout or self.limits.cell_seconds))
        channels = {"shell": self.kc.shell_channel, "iopub": self.kc.iopub_channel}
        poller = zmq.Poller()
        for channel in channels.values():
            poller.register(channel.socket, zmq.POLLIN)
        while True:
            if stream == "iopub" and self.waiting:
                return self.waiting.popleft()
            ready = dict(poller.poll(100))
            if channels["iopub"].socket in ready:
                message = _read(channels["iopub"])
                self.count(message)
                self.waiting.append(message)
            elif channels["shell"].socket in ready and stream == "shell":
                return _read(channels["shell"])
            self.watch()
            if time.monotonic() > self.until and not self.starting:
                raise Stopped("not run")  # the time for the whole notebook is used up
            if time.monotonic() > until:
                raise Empty if self.starting else Stopped("timeout")

    def execute_cell_input(self, cell_input: str, allow_stdin: bool | None = None) -> str:
        """Send one cell; its time and its output are counted from here."""
        self.printed = 0
        self.before = self.computed()
        self.deadline = time.monotonic() + PATIENCE * self.seconds()
        return str(super().execute_cell_input(cell_input, allow_stdin))

    def seconds(self) -> float:
        """Computing time allowed to this cell."""
        return self.allowed * (1 if self.limits.on("cell time") else 10)

    def computed(self) -> float:
        """Seconds that the kernel and what it started have computed."""
        return computed(self.km.provisioner.process.pid)  # type: ignore[union-attr]

    def count(self, message: dict[str, Any]) -> None:
        """Add up what one cell prints, whatever it claims to belong to."""
        size = len(str(message["content"]))
        self.printed += 100 + (min(size, 2000) if message["msg_type"] == "error" else size)  # a traceback may be long
        if self.limits.on("output cap") and self.printed > self.limits.output_kb * 1024:
            raise Stopped("flood")

    def watch(self) -> None:
        """Twice a second: is it alive, how much memory do all its processes hold, what lies among the sockets."""
        if time.monotonic() - self.checked < 0.5:
            return
        self.checked = time.monotonic()
        if self.has_died():
            raise Stopped("died")
        if not self.starting and self.computed() - self.before > self.seconds():
            raise Stopped("timeout")
        if self.limits.on("memory") and self.memory() > self.limits.memory_mb * MB_IN_BYTES:
            raise Stopped("memory")
        if self.limits.on("disk"):
            files, size = _weight(self.shared)
            if files > SHARED_ENTRIES or size > MB_IN_BYTES:
                raise Stopped("disk")

    def memory(self) -> int:
        """Resident bytes of the kernel and everything it started."""
        return resident(self.km.provisioner.process.pid)  # type: ignore[union-attr]

    def stop(self) -> None:
        """Kill it, and where nothing else gathers its children, kill those."""
        if not hasattr(self, "km"):
            return
        process = getattr(self.km.provisioner, "process", None)
        family = descendants(process.pid) if process is not None else []
        if hasattr(self, "kc"):
            self.kc.stop_channels()  # or the context would wait for them for ever
        self.km.shutdown_kernel(now=True)
        end_all(family)
        self.km.context.destroy(linger=0)
        del self.km


def _weight(folder: Path) -> tuple[int, int]:
    """Number and size of all that lies below; a home folder is not counted, it has a limit where it is isolated."""
    files = size = 0
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name != "home":
                files += 1
                with contextlib.suppress(OSError):
                    size += entry.stat(follow_symlinks=False).st_size
                if entry.is_dir(follow_symlinks=False):
                    more = _weight(Path(entry.path))
                    files, size = files + more[0], size + more[1]
    return files, size


class Guard:
    """The plugin: ``results`` maps cell id -> outcome and what the cell printed."""

    def __init__(
        self, command: list[str], environment: dict[str, str], shared: Path, limits: Limits, until: float
    ) -> None:
        self.start = (command, environment, shared, limits, until)
        self.limits = limits
        self.results: dict[str, dict[str, Any]] = {}
        self.outputs: dict[str, list[Any]] = {}
        self.lines: dict[str, tuple[int, int]] = {}  # of checks that count line by line: right ones, all
        self.stopped_at: str | None = None

    def pytest_configure(self, config: pytest.Config) -> None:
        nbval.plugin.RunningKernel = lambda *_, **__: SandboxKernel(*self.start)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for path in {item.path for item in session.items}:
            if self.limits.on("unlink"):
                path.unlink()  # the expected outputs now live in this process alone
        if self.limits.on("unlink") and sys.platform == "linux":
            ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE: no process of the same user reads its memory
        items: list[Any] = session.items
        for item in items:
            file: Any = item.parent
            item.options.update(skip=False, check_exception=False, check=item.cell.execution_count is not None)
            file.skip_compare += (
                "stderr",
            )  # a warning costs nothing; and comments such as NBVAL_SKIP in an answer (above) do nothing

            item.comparison_traceback = []  # nbval would show the expected output here
            item.compare_outputs = functools.partial(self.compare, item)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_call(self, item: Any) -> None:
        """Set-up cells have a limit of their own."""
        prepares = item.cell.metadata.bnt.role == "other"
        item.parent.kernel.allowed = self.limits.setup_seconds if prepares else self.limits.cell_seconds

    def compare(self, item: Any, own: list[Any], expected: list[Any]) -> bool:
        """In nbval's place: numbers as numbers, within the tolerance of the check (compare.py)."""
        rules = item.cell.metadata.bnt
        tolerance = Tolerance(*rules.tolerance)
        mine, theirs = printed(own), printed(expected)
        if rules.lines == "each":
            self.lines[item.cell.id] = right_lines(mine, theirs, tolerance)
        return same(mine, theirs, tolerance)

    def pytest_runtest_makereport(self, item: Any, call: pytest.CallInfo[None]) -> None:
        if call.when == "teardown" or (call.when == "setup" and call.excinfo is None):
            return
        found = self.outcome(item, call.excinfo)
        if call.when == "setup":
            found = {"outcome": "no kernel", "stdout": "", "evalue": repr(call.excinfo and call.excinfo.value)}
        if item.cell.id in self.lines:
            found["lines"] = list(self.lines[item.cell.id])
        self.results[item.cell.id] = found
        self.outputs[item.cell.id] = item.test_outputs or []
        if self.results[item.cell.id]["outcome"] in STOPPED:
            self.stopped_at = item.cell.id
            item.session.shouldstop = "the kernel was stopped"
            if item.parent.kernel is not None:
                item.parent.kernel.stop()

    def outcome(self, item: Any, excinfo: Any) -> dict[str, Any]:
        """One cell: ``passed``, ``differs``, ``raised`` or why the kernel was stopped; its output and error name."""
        outputs = item.test_outputs or []
        text = "".join(str(out.get("text", "")) for out in outputs if out.get("name") == "stdout")
        found: dict[str, Any] = {"outcome": "passed", "stdout": text[:KEPT]}
        error = next((out for out in outputs if out.output_type == "error"), None)
        if excinfo is None:
            return found
        if excinfo.errisinstance(Stopped):
            found["outcome"] = str(excinfo.value)
        elif "Kernel dead" in str(excinfo.value):
            found["outcome"] = "died"
        elif error is not None:
            lines = [str(line) for line in error.traceback] if isinstance(error.traceback, list) else []
            found.update(outcome="raised", ename=str(error.ename)[:100], evalue=str(error.evalue)[:KEPT])
            found["traceback"] = "\n".join(lines)[-KEPT:]
        else:
            found["outcome"] = "differs" if "outputs differ" in str(excinfo.value) else "garbled"
        return found


STOPPED = ("timeout", "died", "memory", "disk", "flood", "garbled", "no kernel", "not run")


def printed(outputs: list[Any]) -> str:
    """What a cell printed, and the value that it ended with."""
    return "".join(
        str(out.get("text", "")) if out.get("name") == "stdout" else str(out.get("data", {}).get("text/plain", ""))
        for out in outputs
        if out.get("name") == "stdout" or out.output_type == "execute_result"
    )


def _read(channel: Any) -> dict[str, Any]:
    try:
        message = dict(channel.get_msg(timeout=1))
        message["parent_header"]["msg_id"] = str(message["parent_header"].get("msg_id", ""))
        return {**message, "msg_type": str(message["msg_type"]), "content": dict(message["content"])}
    except Exception:  # a kernel may send anything, signed or not
        raise Stopped("garbled") from None


def _null() -> Any:
    return open(os.devnull, "w")  # the kernel's process owns it


def run_notebook(
    notebook: Path, command: list[str], environment: dict[str, str], shared: Path, limits: Limits, until: float
) -> Guard:
    """Run one assembled notebook under nbval, at most ``until`` (monotonic seconds); what came of every cell."""
    guard = Guard(command, environment, shared, limits, until)
    options = ["-q", "--color=no", "-c", os.devnull, "--rootdir", str(notebook.parent), "-p", "nbval.plugin", "--nbval"]
    seconds = 10 * PATIENCE * max(limits.cell_seconds, limits.setup_seconds)  # the kernel has its own, shorter limits
    options += [f"--nbval-cell-timeout={seconds}", str(notebook)]
    for plugin in ("cacheprovider", "unraisableexception", "threadexception", "faulthandler"):
        options += ["-p", f"no:{plugin}"]  # not needed, and each costs time
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    pytest.main(options, plugins=[guard])
    return guard
