"""Large graphs: runs on random 3-regular graphs to convergence, by whatever library is imported; time and memory.

Kernels on flat arrays, set-up and reading included: a million factors as objects take a minute to build, and versions
before the rooms know no other way.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

TOLERANCE = 1e-8
HOW: dict[str, dict[str, str]] = {
    "flooding": {"schedule": "flooding"},
    "in place": {"schedule": "in-place"},
    "in place, float32 first": {"schedule": "in-place", "precision": "mixed"},
}


def flat_of(flat: Any, n: int, first: np.ndarray, second: np.ndarray, j: np.ndarray, theta: np.ndarray) -> Any:
    """Flat arrays of an Ising model without its objects: tables log psi = j where ends agree, -j where they differ."""
    m = len(first)
    edge_variable = np.stack([first, second], 1).ravel().astype(np.int64)
    return flat(
        cardinality=np.full(n, 2),
        field_ptr=2 * np.arange(n + 1),
        field=np.stack([np.zeros(n), theta], 1).ravel(),
        factor_ptr=2 * np.arange(m + 1),
        edge_variable=edge_variable,
        edge_factor=np.repeat(np.arange(m), 2),
        message_ptr=2 * np.arange(2 * m + 1),
        table_ptr=4 * np.arange(m + 1),
        log_table=np.stack([j, -j, -j, j], 1).ravel(),
        variable_ptr=np.concatenate([[0], np.cumsum(np.bincount(edge_variable, minlength=n))]),
        variable_edges=np.argsort(edge_variable, kind="stable"),
        factor_index=np.arange(m),
        slot_ptr=np.zeros(0, dtype=np.int64),
        slot_state=np.zeros(0, dtype=np.int32),
    )


def case(folder: Path, nodes: int, how: str) -> Path:
    """A file that ``bnt_large`` reads."""
    path = folder / f"large_{nodes}_{how.replace(' ', '_').replace(',', '')}.json"
    path.write_text(json.dumps({"kind": "large", "nodes": nodes, **HOW[how]}))
    return path


def bnt_large(case: dict[str, Any]) -> tuple[Callable[[], Any], Callable[[Any], Any]]:
    """A run to a message change of TOLERANCE; its answer is the number of rounds. Earlier versions flood."""
    from benchmarks.cases import pairs

    rng = np.random.default_rng(1)
    n, first, second = pairs("regular", case["nodes"], rng)
    ising = n, first, second, rng.normal(0, 0.5, len(first)), rng.normal(0, 1, n)
    try:
        from bnt.graph.flat import NO_LOGS, NO_STATES, Flat
        from bnt.kernels import solve
        from bnt.kernels.options import checked_options
        from bnt.kernels.watch import new_watch
    except ImportError:
        return earlier_large(ising)
    flat, precision = flat_of(Flat, *ising), case.get("precision", "float64")
    options = checked_options("sum", 0.0, None, TOLERANCE, schedule=case["schedule"], precision=precision)
    if options.mixed:
        return (
            lambda: solve.solve_pairwise_mixed(flat, NO_STATES, NO_LOGS, options, new_watch())[0][2],
            lambda rounds: int(rounds),
        )
    return lambda: solve.solve_pairwise(flat, NO_STATES, NO_LOGS, options, new_watch())[2], lambda rounds: int(rounds)


def earlier_large(ising: tuple[Any, ...]) -> tuple[Callable[[], Any], Callable[[Any], Any]]:
    """The same with the names of the first landed version."""
    from importlib import import_module

    flat, solve, options = (import_module(f"bnt.{name}") for name in ("flat", "kernels_solve", "options"))
    arrays, asked = flat_of(flat.Flat, *ising), options.checked_options("sum", 0.0, None, TOLERANCE)
    return lambda: solve.solve_pairwise(arrays, flat.NO_STATES, flat.NO_LOGS, asked)[2], lambda rounds: int(rounds)


def bnt_residual(case: dict[str, Any]) -> tuple[Callable[[], Any], Callable[[Any], Any]]:
    """Residual updates on a grid with couplings of either sign, until they settle; its answer is whether they did."""
    from importlib import import_module

    import bnt

    try:
        networks = import_module("bnt.graph.networks")
    except ImportError:
        networks = import_module("bnt.networks")
    graph = networks.grid(case["side"], case["side"], coupling=case["coupling"], seed=0)
    return lambda: bnt.run_bp(graph, schedule="residual", tolerance=TOLERANCE), lambda found: bool(found.converged)
