"""Ctrl-C at any moment of a long run, cold and warm: KeyboardInterrupt, and everything stays usable."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import bnt
from tests.every import some
from tests.patience import PATIENCE

REPO = Path(__file__).resolve().parents[2]
CODE = """
import sys, time
import numpy as np
import bnt
import bnt.kernels.options
bnt.kernels.options.MOST_ROUNDS = 10**7
what, start = sys.argv[1:]
rng = np.random.default_rng(0)
states = ("no", "yes") if what != "tables" else ("no", "maybe", "yes")
size = len(states)
names = [bnt.Variable(f"x{i}", states) for i in range(30)]
pairs = [bnt.Factor((a, b), log_table=rng.normal(0, 3, (size, size))) for i, a in enumerate(names) for b in names[:i]]
graph = bnt.FactorGraph(names, pairs)
rows = {f"x{i}": [("no", "yes")[(row >> i) & 1] for row in range(4096)] for i in range(12)}
options = {"schedule": "flooding" if what == "tables" else what, "tolerance": 0.0}
rng = np.random.default_rng(0)
width, length = 4, 300  # a strip of variables with seven states: cliques of 7^5 joint states, 20 million in all
cells = np.arange(width * length).reshape(length, width)
near = np.concatenate([np.stack([cells[:, :-1].ravel(), cells[:, 1:].ravel()], 1),
                       np.stack([cells[:-1].ravel(), cells[1:].ravel()], 1)])
strip = bnt.FactorGraph.from_arrays(np.full(cells.size, 7), near, rng.uniform(0.5, 1.5, (len(near), 7, 7)))
every = np.stack(np.triu_indices(25, 1), 1)  # all pairs of 25: one clique of 2^25 joint states, 300 tables each
clique = bnt.FactorGraph.from_arrays([2] * 25, every, rng.uniform(0.5, 1.5, (len(every), 2, 2)))
wide = np.arange(90_000).reshape(300, 300)  # an order of elimination takes seconds
near_wide = np.concatenate([np.stack([wide[:, :-1].ravel(), wide[:, 1:].ravel()], 1),
                            np.stack([wide[:-1].ravel(), wide[1:].ravel()], 1)])
mode = "max" if start == "first" else "sum"
long = {
    "clique": lambda: [bnt.exact_marginals(clique, mode=mode, memory_limit=2**34) for _ in range(1000)],
    "rows": lambda: bnt.run_bp_batch(clique, {"x0": ["0", "1", None]}, method="exact", memory_limit=2**34),
    "elimination": lambda: [eliminate() for _ in range(1000)],
    "batch": lambda: bnt.run_bp_batch(graph, rows, tolerance=0.0),
    "exact": lambda: [bnt.exact_marginals(strip, memory_limit=2**34) for _ in range(1000)],
}.get(what, lambda: bnt.run_bp(graph, **options))
def eliminate():
    try:
        bnt.exact_marginals(bnt.FactorGraph.from_arrays([2] * 90_000, near_wide, np.ones((2, 2))))
    except bnt.TooLargeError:
        pass
if start == "warm":
    bnt.run_bp(graph, rounds=1)
    if what in ("exact", "clique", "rows", "elimination"):
        import bnt.inference.junction_tree as trees
        block, trees.BLOCK = trees.BLOCK, 1
        bnt.exact_marginals(bnt.FactorGraph.from_arrays([7] * 1200, near[:3], np.ones((7, 7))), mode="max")
        trees.BLOCK = block
    elif what == "batch":
        bnt.run_bp_batch(graph, {name: cells[:1] for name, cells in rows.items()})
    else:
        bnt.run_bp(graph, **options, seconds=0.1)
print("begun", flush=True)
try:
    long()
    print("not interrupted", flush=True)
except KeyboardInterrupt:
    print("interrupted", time.process_time(), flush=True)
three = bnt.FactorGraph(names[:3], [bnt.Factor(names[:2], np.eye(size) + 1), bnt.Factor(names[1:3], np.eye(size) + 1)])
schedule = "auto" if start == "warm" else "flooding"
found = bnt.run_bp(three, {"x0": "yes"}, schedule=schedule)
assert found.beliefs.distance(bnt.exact_marginals(three, {"x0": "yes"}).beliefs) < 1e-14
print("usable", flush=True)
"""
LARGE = ["clique", "rows", "elimination"]  # within one clique; a batch of such; before there are cliques
MOMENTS = [0.0, 0.2, 0.6, 1.2, 2.5]  # seconds
FIRST = ["auto", "in-place", "sequential", "residual", "tables", "batch", "exact", *LARGE]
LONGEST = 1.0  # CPU seconds of that process from the signal until it is heard; usually below 0.3


def interrupted(what: str, start: str, after: float) -> None:
    environment = {**os.environ, "PYTHONPATH": str(REPO)}
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", CODE, what, start],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline() == "begun\n", process.stderr.read()
        time.sleep(after)
        before = cpu_seconds(process.pid)
        process.send_signal(signal.SIGINT)
        killer = threading.Timer(300 * PATIENCE, process.kill)
        killer.start()
        # not communicate(): it does not see what readline() has read ahead
        heard, rest, told = process.stdout.readline().split(), process.stdout.read(), process.stderr.read()
        process.wait()
        killer.cancel()
    assert (heard[:1], rest, process.returncode) == (["interrupted"], "usable\n", 0), told
    assert float(heard[1]) - before < LONGEST


def cpu_seconds(pid: int) -> float:
    """Of all threads of a process: on a machine that does other things too, seconds by the clock say nothing."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize(
    "what", ["auto", "flooding", "in-place", "sequential", "residual", "tables", "batch", "exact", *LARGE]
)
def test_a_warm_run_hears_the_stop_button(what: str) -> None:
    interrupted(what, "warm", 0.5)


@pytest.mark.parametrize("after", MOMENTS)
def test_the_first_run_of_a_process_hears_it_at_any_moment(after: float) -> None:
    """While numba is imported, kernels are loaded or compiled, or the first rounds run."""
    interrupted("flooding", "first", after)


@pytest.mark.slow
@pytest.mark.parametrize(("after", "what"), some([(t, w) for t in MOMENTS for w in FIRST], 5))
def test_every_schedule_hears_it_in_its_first_run(what: str, after: float) -> None:
    interrupted(what, "first", after)


@pytest.mark.slow
@pytest.mark.parametrize("after", [0.5, 2.0])
def test_compilation_ends_between_two_passes(after: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With nothing in the cache the first run compiles for seconds."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    interrupted("flooding", "first", after)


def test_another_signal_handler_is_asked_and_put_back() -> None:
    from bnt.kernels.jit import signals_held

    heard: list[int] = []

    def twice() -> str:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        assert heard == []
        return "done"

    before = signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    try:
        own = signal.getsignal(signal.SIGINT)
        assert signals_held(signals_held(twice))() == "done"
        assert heard == [signal.SIGINT]
        assert signal.getsignal(signal.SIGINT) is own
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_held_call_that_fails_puts_the_handler_back() -> None:
    """Its own error is told; a KeyboardInterrupt out of it is told once, whatever was pressed meanwhile."""
    from bnt.kernels.jit import signals_held

    own = signal.getsignal(signal.SIGINT)

    def fails(error: BaseException) -> None:
        if isinstance(error, KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        raise error

    for error in (ValueError("of the call"), KeyboardInterrupt("of the call")):
        with pytest.raises(type(error), match="of the call"):
            signals_held(fails)(error)
        assert signal.getsignal(signal.SIGINT) is own


def test_short_calls_by_the_thousand_hear_it_and_break_nothing() -> None:
    """A signal that comes while a kernel runs or its result is built waits, and is then a KeyboardInterrupt."""
    names = [bnt.Variable(f"x{i}", ("no", "yes")) for i in range(4)]
    pairs = [bnt.Factor((a, b), [[2.0, 1.0], [1.0, 2.0]]) for a, b in pairwise(names)]
    graph = bnt.FactorGraph(names, [*pairs, bnt.Factor((names[0],), [1.0, 3.0])])
    expected = bnt.run_bp(graph, rounds=3).beliefs.flat

    ready, turns = threading.Event(), 300

    def press() -> None:
        for turn in range(turns):
            ready.wait()
            ready.clear()
            time.sleep(1e-4 * (1 + turn % 7))
            os.kill(os.getpid(), signal.SIGINT)

    presser = threading.Thread(target=press)
    presser.start()
    for _ in range(turns):
        with contextlib.suppress(KeyboardInterrupt):
            ready.set()
            while True:
                bnt.run_bp(graph, rounds=3)
    presser.join()
    np.testing.assert_array_equal(bnt.run_bp(graph, rounds=3).beliefs.flat, expected)
