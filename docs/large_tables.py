"""A table larger than one would like in memory: posteriors of a million rows of alarm, partition by partition.

    python docs/large_tables.py --rows 1000000

Draws rows of evidence from the network itself, two variables of three observed and a tenth of those cells missing, and
writes them as parquet. Two processes of their own then answer a tenth of the rows, and all of them; the peak of their
memory is what counts. Some partitions are compared with the table in memory, number by number. Writes
docs/large_tables.json, which docs/large_tables.md reports.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import bnt
from bnt.graph.bif import read_bif

REPO = Path(__file__).resolve().parents[1]
NETWORK = REPO / "tests" / "networks" / "alarm.bif.gz"
PARTITION = 10_000
ASKED = ("HYPOVOLEMIA", "LVFAILURE", "ANAPHYLAXIS", "PULMEMBOLUS", "INTUBATION")
COMPARED = 3  # partitions


def columns_of(rng: np.random.Generator) -> list[str]:
    """Two of three variables, none of those asked about."""
    net = read_bif(NETWORK)
    free = [name for name in net.states if name not in ASKED]
    return [str(name) for name in rng.permutation(free)[: 2 * len(net.states) // 3]]


def drawn(rows: int, columns: list[str], rng: np.random.Generator) -> pd.DataFrame:
    """Rows from the joint distribution, a tenth of the cells missing."""
    net = read_bif(NETWORK)
    states: dict[str, np.ndarray] = {}
    while len(states) < len(net.states):
        for name, above in net.parents.items():
            if name not in states and all(parent in states for parent in above):
                table = net.tables[name][(slice(None), *(states[parent] for parent in above))]
                edges = np.cumsum(table.reshape(len(net.states[name]), -1), axis=0)
                states[name] = np.minimum((rng.random(rows) > edges).sum(axis=0), len(edges) - 1)
    frame = {}
    for name in columns:
        codes = np.where(rng.random(rows) < 0.1, -1, states[name])
        frame[name] = pd.Categorical.from_codes(codes, categories=list(net.states[name]))
    return pd.DataFrame(frame)


def write(folder: Path, rows: int) -> None:
    rng = np.random.default_rng(0)
    columns = columns_of(rng)
    folder.mkdir()
    for i in range(0, rows, PARTITION):
        drawn(min(PARTITION, rows - i), columns, rng).to_parquet(folder / f"part.{i // PARTITION:05d}.parquet")


def answer(source: Path, target: Path) -> None:
    """What a user writes; prints seconds and the peak of memory."""
    graph = bnt.load_graph(NETWORK)
    bnt.run_bp_batch(graph, {"HR": ["LOW"]})  # kernels are loaded
    idle, start, cpu = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter(), time.process_time()
    bnt.run_bp_batch(graph, source).to_parquet(target, *ASKED)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"seconds": time.perf_counter() - start, "cpu": time.process_time() - cpu,
                      "peak_mb": peak / 1024, "before_mb": idle / 1024}))  # fmt: skip


def measured(source: Path, target: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--answer", str(source), str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def same(source: Path, target: Path) -> tuple[int, float]:
    """Rows compared with run_bp_batch on the same rows in memory, and the largest difference of a number."""
    graph, rows, worst = bnt.load_graph(NETWORK), 0, 0.0
    ours, theirs = sorted(target.glob("*.parquet")), sorted(source.glob("*.parquet"))
    assert len(ours) == len(theirs)
    for i in np.linspace(0, len(ours) - 1, COMPARED).astype(int):
        found = pd.read_parquet(ours[i])
        expected = bnt.run_bp_batch(graph, pd.read_parquet(theirs[i]))
        assert found.pop("status").tolist() == expected.status.tolist()
        gap = np.abs(found.to_numpy() - expected.to_frame(*ASKED).to_numpy())
        rows, worst = rows + len(found), max(worst, float(np.nanmax(gap)))
    return rows, worst


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--answer", nargs=2, type=Path, metavar=("SOURCE", "TARGET"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.answer:
        answer(*arguments.answer)
        return
    record: dict[str, object] = {
        "command": f"python docs/large_tables.py --rows {arguments.rows}",
        "machine": {"cores": len(os.sched_getaffinity(0)), "system": platform.platform(),
                    **{name: version(name) for name in ("numpy", "numba", "pandas", "dask", "pyarrow")}},
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for what, rows in (("tenth", arguments.rows // 10), ("whole", arguments.rows)):
            source, target = folder / what, folder / f"{what}_answered"
            write(source, rows)
            found = measured(source, target) | {"rows": rows}
            record[what] = {key: round(value, 3) for key, value in found.items()}
            print(what, record[what], flush=True)
        compared, worst = same(folder / "whole", folder / "whole_answered")
        record["compared"] = {"rows": compared, "largest difference": worst}
        print("compared", record["compared"])
        columns = len(pd.read_parquet(next((folder / "whole").glob("*.parquet"))).columns)
        record["evidence"] = {"columns": columns, "cells missing": 0.1, "rows of a partition": PARTITION}
    (REPO / "docs" / "large_tables.json").write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
