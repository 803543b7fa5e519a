"""python -m benchmarks.schedules: which schedule settles first, and how often diagnose's rule names it.

Graphs: Ising grids, random 3-regular and complete graphs, with attractive and mixed couplings from weak to strong;
Potts grids; random factors over three variables; published networks with evidence. Every schedule runs to a message
change of 1e-8 or LIMIT seconds, in turns, CPU time, best of two. The rule hits where its schedule settles within SLACK
times the seconds of the fastest, or where none settles and it says so. Prints a line per graph, writes
docs/schedules.json.

--quick    a few small graphs          --seed N    other graphs of the same kinds (default: 1; the rule was made on 0)
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import time
import warnings
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")  # before numpy is loaded

import numpy as np  # noqa: E402

import bnt  # noqa: E402
from bnt.reading.schedules import Recommendation, recommend  # noqa: E402

from . import cases  # noqa: E402

REPO = Path(__file__).resolve().parent.parent
NETWORKS = ("alarm", "insurance", "child", "hailfinder", "hepar2", "andes", "pigs")
OPTIONS: dict[str, dict[str, Any]] = {
    "flooding": {"schedule": "flooding"},
    "in-place": {"schedule": "in-place"},
    "sequential": {"schedule": "sequential"},
    "residual": {"schedule": "residual"},
    "damping": {"schedule": "flooding", "damping": 0.5},
}
LIMIT = 1.5  # seconds
SLACK = 1.5  # times the fastest that count as a hit; below two the clock of a shared machine is no judge
FLOOR = 0.0002  # seconds that nobody notices


def pairwise(edges: list[tuple[int, int]], n: int, coupling: float, mixed: bool, states: int, seed: int) -> Any:
    """exp(J s) on the diagonal, s = 1 or random signs; fields normal with deviation 1/2."""
    rng = np.random.default_rng(seed)
    variables = [bnt.Variable(f"x{i}", [f"s{j}" for j in range(states)]) for i in range(n)]
    factors = [bnt.Factor((v,), log_table=rng.normal(0, 0.5, states)) for v in variables]
    for a, b in edges:
        sign = rng.choice([-1.0, 1.0]) if mixed else 1.0
        table = np.where(np.eye(states, dtype=bool), 1.0, -1.0) * coupling * sign
        factors.append(bnt.Factor((variables[a], variables[b]), log_table=table))
    return bnt.FactorGraph(variables, factors)


def graphs(seed: int, quick: bool) -> Iterator[tuple[str, Any, dict[str, str]]]:
    """(kind and strength, graph, evidence)"""
    rng = np.random.default_rng(seed)
    size = 6 if quick else 40
    strengths = (0.5, 1.2) if quick else (0.2, 0.4, 0.6, 0.8, 1.0, 1.5)
    for coupling, mixed in itertools.product(strengths, (False, True)):
        sign = "mixed" if mixed else "attractive"
        for kind in ("grid", "regular"):
            n, first, second = cases.pairs(kind, size if kind == "grid" else size * size, rng)
            edges = list(zip(first.tolist(), second.tolist(), strict=True))
            yield f"{kind}, {sign}, J={coupling}", pairwise(edges, n, coupling, mixed, 2, seed), {}
        edges = list(itertools.combinations(range(16), 2))
        yield f"complete, {sign}, J={coupling / 2}", pairwise(edges, 16, coupling / 2, mixed, 2, seed), {}
        n, first, second = cases.pairs("grid", size // 2, rng)
        edges = list(zip(first.tolist(), second.tolist(), strict=True))
        yield f"Potts grid, {sign}, J={coupling}", pairwise(edges, n, coupling, mixed, 3, seed), {}
    for deviation in (0.5, 1.0) if quick else (0.3, 0.6, 1.0, 1.5, 2.0):
        variables = [bnt.Variable(f"x{i}", ("a", "b", "c")) for i in range(5 * size)]
        scopes = [rng.choice(len(variables), 3, replace=False) for _ in range(6 * size)]
        factors = [
            bnt.Factor([variables[i] for i in scope], log_table=rng.normal(0, deviation, (3, 3, 3))) for scope in scopes
        ]
        yield f"arity 3, deviation {deviation}", bnt.FactorGraph(variables, factors), {}
    for name in NETWORKS[:2] if quick else NETWORKS:
        graph = bnt.load_graph(REPO / "tests" / "networks" / f"{name}.bif.gz")
        for share in (0.1, 0.3):
            yield f"{name}, {share:.0%} evidence", graph, evidence(graph, share, rng)


def evidence(graph: Any, share: float, rng: np.random.Generator) -> dict[str, str]:
    """On some variables, one after the other in a state that is possible given the others."""
    found: dict[str, str] = {}
    for name in rng.permutation(list(graph.index))[: max(1, int(share * len(graph.index)))]:
        for state in rng.permutation(graph.variable(str(name)).states):
            try:
                bnt.run_bp(graph, found | {str(name): str(state)}, rounds=30)
            except bnt.InconsistentEvidenceError:
                continue
            found[str(name)] = str(state)
            break
    return found


def seconds(graph: Any, given: dict[str, str]) -> dict[str, float | None]:
    """CPU seconds of every schedule until it settles, the better of two turns; None where it does not."""
    taken: dict[str, list[float]] = defaultdict(list)
    for _ in range(2):
        for name, options in OPTIONS.items():
            if len(taken[name]) and taken[name][0] == np.inf:
                continue
            start = time.process_time()
            found = bnt.run_bp(graph, given, tolerance=1e-8, seconds=LIMIT, **options)
            taken[name].append(time.process_time() - start if found.converged else np.inf)
    return {name: None if min(times) == np.inf else min(times) for name, times in taken.items()}


def name_of(recommended: Recommendation) -> str | None:
    return "damping" if recommended.damping else recommended.schedule


def judged(taken: dict[str, float | None], recommended: str | None) -> bool:
    """Is the recommended schedule as good as the fastest, or rightly none?"""
    settled = [one for one in taken.values() if one is not None]
    mine = None if recommended is None else taken[recommended]
    if not settled or mine is None:
        return not settled and recommended is None
    return mine <= max(SLACK * min(settled), FLOOR)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.schedules", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=REPO / "docs" / "schedules.json")
    arguments = parser.parse_args(argv)
    warnings.simplefilter("ignore")  # the limit of time is meant
    for states in (2, 3):  # compiles
        seconds(pairwise([(0, 1), (1, 2), (0, 2)], 3, 0.1, False, states, 0), {})
    rows: list[dict[str, Any]] = []
    for kind, graph, given in graphs(arguments.seed, arguments.quick):
        taken = seconds(graph, given)
        found = recommend(graph, given)
        if found.schedule == "auto":
            continue  # a forest: nothing to choose
        chosen = name_of(found)
        row: dict[str, Any] = {"graph": kind, "milliseconds": {k: v and round(v * 1e3, 2) for k, v in taken.items()}}
        row |= {"recommended": chosen, "hit": judged(taken, chosen), "error": None}
        try:
            truth = bnt.exact_marginals(graph, given)
        except bnt.TooLargeError:
            pass
        else:
            ran = chosen is not None
            row["error"] = bnt.run_bp(graph, given, **found.options).beliefs.distance(truth.beliefs) if ran else None
        rows.append(row)
        print(f"{'hit ' if row['hit'] else 'MISS'}  {kind:<34} {chosen!s:<11} {row['milliseconds']}", flush=True)
    hits = {name: sum(judged(_taken(row), name) for row in rows) for name in OPTIONS}
    errors = [row["error"] for row in rows if row["error"] is not None]
    summary = {"graphs": len(rows), "hits of the rule": sum(row["hit"] for row in rows), "hits of always": hits,
               "none settles": sum(not any(v is not None for v in _taken(row).values()) for row in rows),
               "a tree fits and the schedule settles": len(errors),
               "median error of BP there": float(np.median(errors)),
               "largest error of BP there": float(np.max(errors))}  # fmt: skip
    print(json.dumps(summary, indent=1))
    record = {"command": f"python -m benchmarks.schedules --seed {arguments.seed}", "limit": LIMIT, "slack": SLACK,
              "summary": summary, "rows": rows}  # fmt: skip
    arguments.out.write_text(json.dumps(record, indent=1) + "\n")
    return 0


def _taken(row: dict[str, Any]) -> dict[str, float | None]:
    return {name: None if value is None else value / 1e3 for name, value in row["milliseconds"].items()}


if __name__ == "__main__":
    sys.exit(main())
