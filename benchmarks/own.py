"""Measurements of bnt alone: its own floor, memory, start-up, building, transformer, growth with size."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit

import bnt
from bnt.graph.flat import NO_LOGS, NO_STATES, Flat, base_flat
from bnt.graph.networks import grid
from bnt.kernels.exp_log import fast_exp, fast_log
from bnt.kernels.options import checked_options
from bnt.kernels.solve import solve_pairwise, solve_pairwise_mixed
from bnt.kernels.watch import new_watch

from .cases import pairs
from .contenders import graph_of
from .large import flat_of


def cpu(run: Callable[[], Any], turns: int = 5) -> float:
    """Median CPU seconds of ``run``, after one run for nothing."""
    run()
    seconds = []
    for _ in range(turns):
        start = time.process_time()
        run()
        seconds.append(time.process_time() - start)
    return statistics.median(seconds)


def pairwise_flat(n: int, first: np.ndarray, second: np.ndarray, rng: np.random.Generator) -> Flat:
    """Flat arrays of a random Ising model without its objects, for sizes where objects would take minutes."""
    j = rng.normal(0, 0.5, len(first))
    return flat_of(Flat, n, first, second, j, rng.normal(0, 1, n))


def bp_rounds(flat: Flat, rounds: int) -> Any:
    return solve_pairwise(flat, NO_STATES, NO_LOGS, checked_options("sum", 0.0, rounds, 1e-10), new_watch())


def mixed_run(flat: Flat, _: int) -> Any:
    options = checked_options("sum", 0.0, None, 1e-8, schedule="in-place", precision="mixed")
    return solve_pairwise_mixed(flat, NO_STATES, NO_LOGS, options, new_watch())


@njit(error_model="numpy", fastmath={"contract"})
def floor_rounds(reverse: np.ndarray, a: np.ndarray, b: np.ndarray, rounds: int) -> None:
    """What a log-odds kernel cannot do without, per message: one gathered read, one exp, one log, one write."""
    for _ in range(rounds):
        for begin in range(0, a.size, 2048):
            out, index = b[begin : begin + 2048], reverse[begin : begin + 2048]
            for i in range(out.size):
                out[i] = a[index[i]]
            for i in range(out.size):
                out[i] = fast_log(1.5 + fast_exp(-abs(out[i])))
        a, b = b, a


def floor(kind: str, size: int, rounds: int) -> dict[str, float]:
    """Nanoseconds per message and round, with and without set-up and reading, against exp + log + gather."""
    rng = np.random.default_rng(1)
    n, first, second = pairs(kind, size, rng)
    flat = pairwise_flat(n, first, second, rng)
    edges = len(flat.edge_variable)
    order = flat.variable_edges  # messages stored by sender: the reverse of each one is elsewhere
    place = np.empty(edges, dtype=np.int64)
    place[order] = np.arange(edges)
    reverse = place[order ^ 1].astype(np.uint32)
    a, b = rng.normal(0, 1, edges), np.empty(edges)
    bp_rounds(flat, 1), floor_rounds(reverse, a, b, 1)
    set_up, ours, bound = [], [], []
    runs = (
        (set_up, lambda: bp_rounds(flat, 0)),
        (ours, lambda: bp_rounds(flat, rounds)),
        (bound, lambda: floor_rounds(reverse, a, b, rounds)),
    )
    for _ in range(9):
        for seconds, run in runs:
            start = time.process_time()
            run()
            seconds.append((time.process_time() - start) / rounds / edges * 1e9)
    turns = list(zip(set_up, ours, bound, strict=True))
    return {
        "round_ns": statistics.median(o - s for s, o, _ in turns),
        "with_set_up_ns": statistics.median(ours),
        "floor_ns": statistics.median(bound),
        "share": statistics.median(f / (o - s) for s, o, f in turns),
        "share_with_set_up": statistics.median(f / o for _, o, f in turns),
    }


def scaling(sizes: list[int]) -> dict[str, Any]:
    """Random 3-regular graphs: nanoseconds per message of a round, and of its floor, against size; fitted exponent."""
    points = []
    for n in sizes:
        found = floor("regular", n, rounds=max(10, min(2000, 2_000_000 // (3 * n))))
        points.append({"nodes": n, "ns_per_message": found["round_ns"], "floor_ns": found["floor_ns"]})
    x = np.log([p["nodes"] for p in points])
    y = x + np.log([p["ns_per_message"] for p in points])  # time of a round, up to a constant
    return {"points": points, "exponent": float(np.polyfit(x, y, 1)[0])}


def memory(directed_edges: int = 1_000_000, mixed: bool = False) -> float:
    """Bytes per directed edge of a 3-regular graph: the flat arrays and what one run allocates, at its peak.

    mixed: a run in float32 first.
    """
    code = f"""if True:
        import resource, numpy as np
        from benchmarks.own import {"mixed_run" if mixed else "bp_rounds"} as run, pairwise_flat
        from benchmarks.cases import pairs
        rng = np.random.default_rng(0)
        small = pairwise_flat(*pairs("regular", 100, rng), rng)
        run(small, 2)
        flat = pairwise_flat(*pairs("regular", {directed_edges // 6 * 2}, rng), rng)
        static = sum(array.nbytes for array in flat)
        resident = int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()
        open("/proc/self/clear_refs", "w").write("5")
        result = run(flat, 2)
        peak = [int(l.split()[1]) * 1024 for l in open("/proc/self/status") if l.startswith("VmHWM")][0]
        print((static + max(0, peak - resident)) / len(flat.edge_variable))"""
    return float(python(code).split()[-1])


def python(code: str, **environment: str) -> str:
    """Output of a fresh interpreter."""
    here = str(Path(__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=here,
        env={**os.environ, "PYTHONPATH": here, **environment},
    )
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return done.stdout


def start_up() -> dict[str, float]:
    """CPU seconds of `import bnt` after numpy, and of a process's first run_bp, without and with compiled kernels."""
    code = """if True:
        import time, numpy
        t = time.process_time(); import bnt; t1 = time.process_time()
        graph = bnt.load_graph("{network}")
        t2 = time.process_time(); bnt.run_bp(graph); t3 = time.process_time()
        print(t1 - t, t3 - t2)"""
    found: dict[str, float] = {}
    for network in ("asia", "grid"):
        with tempfile.TemporaryDirectory() as cache:
            text = code.format(network=network)
            found[f"cold_{network}"] = float(python(text, NUMBA_CACHE_DIR=cache).split()[1])
            warm = [[float(x) for x in python(text, NUMBA_CACHE_DIR=cache).split()] for _ in range(5)]
        found[f"warm_{network}"] = statistics.median(first for _, first in warm)
        found["import"] = statistics.median(imported for imported, _ in warm)
    return found


def command_line() -> float:
    """CPU time of ``bnt posterior asia`` in a process of its own, beside that of importing numpy and numba alone."""
    asked = [sys.executable, "-m", "bnt", "posterior", "asia"]
    alone = [sys.executable, "-c", "import numpy, numba"]

    def seconds(command: list[str]) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, capture_output=True, cwd=Path(__file__).parent.parent)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    seconds(asked), seconds(alone)
    return statistics.median(seconds(asked) / seconds(alone) for _ in range(7))


def to_convergence(coupling: float, schedules: Iterable[str], side: int = 50, turns: int = 3) -> dict[str, float]:
    """Median CPU seconds to a message change of 1e-8 on a grid, couplings normal; infinite where it does not settle."""
    graph = grid(side, side, coupling=coupling, seed=0)
    found: dict[str, list[float]] = {schedule: [] for schedule in schedules}
    for _ in range(turns + 1):  # the first is for loading and for what a graph keeps
        for schedule, seconds in found.items():
            start = time.process_time()
            result = bnt.run_bp(graph, schedule=schedule, tolerance=1e-8)  # type: ignore[arg-type]
            seconds.append(time.process_time() - start if result.converged else np.inf)
    return {schedule: statistics.median(seconds[1:]) for schedule, seconds in found.items()}


def by_table(schedule: str, turns: int = 5) -> dict[str, float]:
    """How many times as long as in flooding a message takes in the table kernel, by graph; set-up apart.

    An update of residual counts as the messages that it computes anew, by their mean number.
    """
    rng = np.random.default_rng(0)
    triples = np.array([rng.choice(2000, 3, replace=False) for _ in range(3000)])
    _, first, second = pairs("grid", 50, rng)
    shapes = {"grid 50x50, 3 states": (2500, np.column_stack([first, second]), 3)}
    shapes["2000 x 4 states, arity 3"] = (2000, triples, 4)
    found = {}
    for name, (n, scopes, states) in shapes.items():
        tables = np.exp(rng.normal(0, 1.0, (len(scopes), *[states] * scopes.shape[1])))
        graph = bnt.FactorGraph.from_arrays([states] * n, scopes, tables)
        each = messages_of_an_update(n, scopes) if schedule == "residual" else 1.0
        nanoseconds: dict[str, list[float]] = {"flooding": [], schedule: []}
        for _ in range(turns + 1):  # the first is for loading
            for one, list_of in nanoseconds.items():
                few, many = (_seconds_of(graph, one, rounds) for rounds in (2, 12))
                list_of.append((many - few) / 10 / scopes.size * 1e9)
        pairs_of_turns = zip(nanoseconds[schedule][1:], nanoseconds["flooding"][1:], strict=True)
        found[name] = statistics.median(ours / each / theirs for ours, theirs in pairs_of_turns)
    return found


def messages_of_an_update(n: int, scopes: np.ndarray) -> float:
    """How many messages residual computes anew for one update, the mean over all edges: those that the other factors of
    the receiver send on. scopes (m, k): the variables of m factors, from 0 to n - 1."""
    degree = np.bincount(scopes.ravel(), minlength=n)
    return float((degree[scopes] - 1).mean() * (scopes.shape[1] - 1))


def _seconds_of(graph: bnt.FactorGraph, schedule: str, rounds: int) -> float:
    start = time.process_time()
    bnt.run_bp(graph, schedule=schedule, rounds=rounds)  # type: ignore[arg-type]
    return time.process_time() - start


def building(bif: Path | None) -> dict[str, float]:
    """CPU seconds to build a 300x300 grid object by object, and to read a large BIF file; flat arrays included."""
    rng = np.random.default_rng(0)
    n, first, second = pairs("grid", 300, rng)
    case = {"kind": "ising", "n": n, "first": first, "second": second, "theta": rng.normal(0, 1, n), "coupling": 0.3}
    found = {"grid 300x300": cpu(lambda: base_flat(graph_of(case)), 1)}
    if bif is not None:
        found["munin1"] = cpu(lambda: base_flat(bnt.load_graph(bif)), 1)
    return found


def transformer(rounds: int = 3) -> dict[str, Any]:
    """Dense forward against numpy's floor of the same matrix products, softmaxes and activations; growth of gather."""
    from bnt.transformer.blocks import FFN, Attention

    model = bnt.compile_graph(bnt.load_graph("asia"), {"xray": "yes"}, rounds=rounds)
    grids = {side: bnt.compile_graph(small_grid(side), rounds=rounds) for side in (8, 16, 24)}
    dense = {}
    for name, one in (("asia", model), ("grid 8x8", grids[8]), ("grid 16x16", grids[16])):
        x, layers = one.tokens, one.weights.layers

        def least(x: np.ndarray = x, layers: Any = layers) -> None:
            """Every product and every softmax of the forward pass, written into storage made beforehand."""
            for layer in layers:
                for sub in layer:
                    if isinstance(sub, Attention):
                        for head in sub.heads:
                            scores = (x @ head.W_Q) @ (x @ head.W_K).T
                            scores -= scores.max(axis=1, keepdims=True)
                            np.exp(scores, out=scores)
                            scores /= scores.sum(axis=1, keepdims=True)
                            (scores @ (x @ head.W_V)) @ head.W_O
                    elif isinstance(sub, FFN):
                        np.logaddexp(0.0, x @ sub.W_in + sub.b_in) @ sub.W_out

        ours, bound = [], []
        forward = lambda m=one: bnt.forward(m.tokens, m.weights, keep="last", attention="dense")  # noqa: E731
        forward(), least()
        for _ in range(5):
            for list_, run in ((ours, forward), (bound, least)):
                start = time.process_time()
                run()
                list_.append(time.process_time() - start)
        times = statistics.median(o / f for o, f in zip(ours, bound, strict=True))
        dense[name] = {"tokens": len(x), "seconds": statistics.median(ours), "times_floor": times}
    points = []
    for side in (16, 32, 64, 128):
        one = bnt.compile_graph(small_grid(side), rounds=rounds)
        seconds = cpu(lambda m=one: bnt.forward(m.tokens, m.weights, keep="last", attention="gather"), 3)
        points.append({"tokens": len(one.tokens), "seconds": seconds})
    x, y = np.log([p["tokens"] for p in points]), np.log([p["seconds"] for p in points])
    return {"dense": dense, "gather": points, "gather_exponent": float(np.polyfit(x, y, 1)[0])}


def chosen_attention(bif: Path) -> dict[str, float]:
    """A compiled network by default, dense and by gather, with its whole trace kept: times of gather, interleaved."""
    model = bnt.compile_graph(bnt.load_graph(bif), rounds=3)
    times: dict[str | None, list[float]] = {"gather": [], None: [], "dense": []}
    for _ in range(5):
        for how, found in times.items():
            start = time.process_time()
            bnt.forward(model.tokens, model.weights, attention=how)  # type: ignore[arg-type]
            found.append(time.process_time() - start)
    share = {how: statistics.median(a / b for a, b in zip(times[how], times["gather"], strict=True)) for how in times}
    seconds = statistics.median(times[None])
    return {"tokens": len(model.tokens), "seconds": seconds, "default": share[None], "dense": share["dense"]}


def small_grid(side: int) -> bnt.FactorGraph:
    rng = np.random.default_rng(side)
    n, first, second = pairs("grid", side, rng)
    case = {"kind": "ising", "n": n, "first": first, "second": second, "theta": rng.normal(0, 1, n), "coupling": 0.3}
    return graph_of(case)
