"""Compiling kernels: the only file that imports numba. Without it, or with NUMBA_DISABLE_JIT=1, they run interpreted.

numba keeps machine code by the source file of one function and would run stale code of a kernel that it calls from
another file. So all kernels share one stamp: a digest of every file they are made of.
"""

from __future__ import annotations

import hashlib
import os
import sys
import threading

# What the module signal wraps in enumerations, at 10 us a call: a fifth of a small run.
from _signal import SIGINT, getsignal  # type: ignore[import-not-found]
from _signal import signal as on_signal
from _thread import get_ident
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any

HERE = Path(__file__).parent
# flat.py and sparse.py give the arguments their type, and activations.py a constant: part of what was compiled.
SOURCES = (
    *sorted(HERE.glob("*.py")),
    *sorted((HERE.parent / "variational").glob("*.py")),
    HERE.parent / "graph" / "flat.py",
    *(HERE.parent / "transformer" / name for name in ("activations.py", "sparse.py", "compiled.py")),
)

MAIN_THREAD = threading.main_thread().ident

# Without "numpy" every division tests for zero and no loop becomes vector instructions; "contract" fuses a*b+c.
OPTIONS: dict[str, Any] = {"error_model": "numpy", "fastmath": {"contract"}, "no_cfunc_wrapper": True}


waiting: list[tuple[int, FrameType | None]] = []  # what came while signals are held


def note(number: int, frame: FrameType | None) -> None:
    """The handler meanwhile."""
    waiting.append((number, frame))


def signals_held(function: Callable) -> Callable:
    """The function, during which Ctrl-C waits. Only the main thread hears signals, so elsewhere this does nothing."""

    def held(*arguments: Any) -> Any:
        before = getsignal(SIGINT)
        if before is note or not callable(before) or get_ident() != MAIN_THREAD:
            return function(*arguments)  # held already, or there is nothing to hold
        waiting.clear()  # of a call that a second signal broke off
        on_signal(SIGINT, note)
        try:
            return function(*arguments)
        except KeyboardInterrupt:
            waiting.clear()  # it has been heard
            raise
        finally:
            on_signal(SIGINT, before)
            if waiting:
                seen = waiting[0]
                waiting.clear()
                before(*seen)

    return held


try:
    if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
        raise ImportError("interpreted, as the environment asks")
    signals_held(import_module)("numba.core.registry")  # half of numba imported, it could not be imported again
    from numba import njit
    from numba.core import event
    from numba.core.registry import CPUDispatcher
except ImportError:  # as in a browser: the same functions, a hundred times slower
    COMPILED = False
else:
    COMPILED = True
    STAMP = hashlib.sha256(b"".join(path.read_bytes() for path in SOURCES)).hexdigest()

    class CompileNote(event.Listener):
        """One line on stderr when a kernel is really compiled, not loaded; silent in notebooks, which store it."""

        def on_start(self, found: event.Event) -> None:
            if str(found.data["dispatcher"].py_func.__module__).startswith("bnt."):
                event.unregister("numba:compile", self)
                if "ipykernel" not in sys.modules:
                    print("bnt: compiling for this machine, once after installation; about 10 s", file=sys.stderr)

        def on_end(self, found: event.Event) -> None:
            """Nothing: one note per process is enough."""

    class StopCompiling(event.Listener):
        """Ends a compilation between two of its passes, where nothing is half done, if its thread is to stop."""

        def on_start(self, found: event.Event) -> None:
            thread = threading.current_thread()
            if getattr(thread, "to_stop", bool)() or (waiting and thread is threading.main_thread()):
                raise KeyboardInterrupt

        def on_end(self, found: event.Event) -> None:
            """Nothing: the next pass will ask."""

    event.register("numba:compile", CompileNote())
    event.register("numba:run_pass", StopCompiling())

    class Outer(CPUDispatcher):
        """A kernel called from Python. A signal that waits while the result is built would break it: it is held.

        Arrays of the result are made with the help of Python code; so are named tuples, which are not worth their 2 us.
        """

        code: Callable | None = None
        __call__ = signals_held(CPUDispatcher.__call__)

        def machine_code(self) -> Callable | None:
            """The kernel for arguments of the types of its first call; None before that.

            numba would look at the type of each of fourteen arrays again, for 2 us, an eighth of a small run.
            """
            if self.code is None and self.overloads:
                first = next(iter(self.overloads.values()))
                self.code = signals_held(first.entry_point)  # type: ignore[attr-defined]
            return self.code

    class Inner(CPUDispatcher):
        """A kernel that unpacks no arguments: a call from Python would end the process, so it is refused."""

        def __call__(self, *arguments: Any) -> None:
            raise TypeError(f"{self.py_func.__name__} can only be called by another kernel")


def jit(function: Callable, inner: bool = False, **options: Any) -> Callable:
    """Compile, and keep the machine code in the package's folder or in the user's cache (numba tries both)."""
    if not COMPILED:
        return function
    try:
        kernel = njit(cache=True, **OPTIONS, **options)(function)
        kernel._cache._cache_file._source_stamp = STAMP
    except RuntimeError:  # neither can be written, as in a sandbox: compile in every process
        kernel = njit(**OPTIONS, **options)(function)
    kernel.__class__ = Inner if inner else Outer
    return kernel


def jit_whole(function: Callable) -> Callable:
    """``jit`` for a whole run: other threads go on meanwhile, as the one that waits to stop it."""
    return jit(function, nogil=True)


def jit_inner(function: Callable) -> Callable:
    """``jit`` for what only other kernels call: saves the code that unpacks arguments, a fifth of compile time."""
    return jit(function, inner=True, no_cpython_wrapper=True)


def jit_loop(function: Callable) -> Callable:
    """``jit_inner`` for loops that make no array: no references are counted.

    Counting those of every array in a tuple, at every call with it, took longer than the arithmetic of a small factor.
    """
    return jit(function, inner=True, no_cpython_wrapper=True, _nrt=False)


def jit_inline(function: Callable) -> Callable:
    """``jit_loop`` for what LLVM writes into its caller.

    numba's own ``inline="always"``, done before types are known, makes loops three times slower.
    """
    return jit(function, inner=True, no_cpython_wrapper=True, forceinline=True, _nrt=False)


class WatchedThread(threading.Thread):
    """A kernel in a thread of its own, compiled there if it has to be. ``to_stop`` is asked between passes."""

    def __init__(self, kernel: Callable, arguments: tuple[Any, ...], to_stop: Callable[[], bool]):
        super().__init__(name="bnt kernel")
        self.kernel, self.arguments, self.to_stop = kernel, arguments, to_stop
        self.done = threading.Event()
        self.error: BaseException | None = None
        self.found: Any = None

    def run(self) -> None:
        try:
            self.found = self.kernel(*self.arguments)
        except BaseException as error:
            self.error = error
        finally:
            del self.arguments
            self.done.set()

    def result(self) -> Any:
        """What the kernel returned; what it raised is raised here."""
        self.join()
        if self.error is not None:
            raise self.error
        return self.found
