"""Calling kernels so that they can be stopped and watched.

Compiled code cannot see Ctrl-C. So a long call, or one that has to be compiled first, runs in a thread of its own, and
looks after every round at an array that it shares with the waiting main thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from bnt.graph.factor_graph import Array
from bnt.kernels.jit import COMPILED, WatchedThread, jit_inner
from bnt.kernels.options import CHANGE, ENOUGH, INTERRUPTED, ROUND, RUNNING, STOP

LONG = 3e7  # states handled at most, about 100 ms: from here on a thread of its own costs nothing
TELL_AFTER = 2.0  # seconds until a progress bar appears
TICK = 0.1  # seconds between two looks


def new_watch() -> Array:
    """Nothing told, nothing done."""
    return np.zeros(3)


@jit_inner
def told_to_stop(watch: Array, ran: int, change: float) -> bool:
    """Note how far the run is; True if it is to end here."""
    watch[ROUND], watch[CHANGE] = ran, change
    stop: bool = watch[STOP] != RUNNING
    return stop


def _end_after(seconds: float, watch: Array, over: threading.Event) -> None:
    """Tell a run that is not over by then to end as it is, after its first round at the earliest."""
    wait = seconds
    while not over.wait(wait):
        if watch[ROUND] > 0:
            watch[STOP] = ENOUGH
            return
        wait = TICK


def call(
    kernel: Any,
    arguments: tuple[Any, ...],
    work: float = np.inf,
    told: Callable[[], AbstractContextManager[Callable[[Array], Any]]] | None = None,
    seconds: float | None = None,
    same_types: bool = False,
) -> Any:
    """kernel(*arguments), the last one its ``watch``: Ctrl-C stops it after the round it is in, KeyboardInterrupt.

    work: states handled at most, an upper bound; short calls are made at once. told() makes what is then called with
    ``watch`` about ten times a second while it lasts, after ``TELL_AFTER``. After ``seconds`` the run ends as it is
    (watch[STOP] == ENOUGH). same_types: all calls of this kernel have arguments of the same types.
    """
    if not COMPILED:  # plain Python hears signals by itself, but not the time
        over = threading.Event()
        if seconds is not None:
            threading.Thread(target=_end_after, args=(seconds, arguments[-1], over), daemon=True).start()
        try:
            return kernel(*arguments)
        finally:
            over.set()
    if work < LONG and kernel.overloads:  # compiled already
        return (kernel.machine_code() if same_types else kernel)(*arguments)
    watch: Array = arguments[-1]
    worker = WatchedThread(kernel, arguments, lambda: watch[STOP] == INTERRUPTED)
    start = time.monotonic()
    worker.start()
    try:
        with nullcontext(lambda _: None) if told is None else told() as tell:
            while not worker.done.wait(TICK if seconds is None else min(TICK, max(1e-3, seconds))):
                passed = time.monotonic() - start
                if seconds is not None and passed > seconds and watch[ROUND] > 0:
                    watch[STOP] = ENOUGH
                if passed > TELL_AFTER:
                    tell(watch)
    except BaseException:
        watch[STOP] = INTERRUPTED
        worker.done.wait(5 * TICK)
        raise
    return worker.result()
