"""What is run: graphs and evidence from fixed seeds, written to files that every contender can read."""

from __future__ import annotations

import gzip
import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from bnt import BayesianNetwork

# name -> (kind, size, rounds per run); the couplings of fbgbp are one number for the whole graph
ISING = {
    "grid 100x100": ("grid", 100, 50),
    "grid 300x300": ("grid", 300, 20),
    "3-regular 1e5": ("regular", 100_000, 20),
}
NETWORKS = ("asia", "alarm", "hepar2", "andes", "pigs")


def pairs(kind: str, size: int, rng: np.random.Generator) -> tuple[int, np.ndarray, np.ndarray]:
    """Number of nodes and the two ends of every edge."""
    if kind == "grid":
        number = np.arange(size * size).reshape(size, size)
        first = np.concatenate([number[:, :-1].ravel(), number[:-1].ravel()])
        return size * size, first, np.concatenate([number[:, 1:].ravel(), number[1:].ravel()])
    ends = rng.permutation(np.repeat(np.arange(size), 3)).reshape(-1, 2)  # configuration model
    while True:  # move one end of each self-loop and double edge elsewhere
        low, high = ends.min(1), ends.max(1)
        _, kept = np.unique(low * size + high, return_index=True)
        bad = np.setdiff1d(np.arange(len(ends)), kept[low[kept] != high[kept]])
        if not len(bad):
            return size, ends[:, 0].copy(), ends[:, 1].copy()
        others = rng.choice(len(ends), len(bad), replace=False)
        ends[bad, 1], ends[others, 1] = ends[others, 1].copy(), ends[bad, 1].copy()


def ising(folder: Path, name: str, kind: str, size: int, rounds: int, what: str = "ising") -> Path:
    """what: "ising", from a built graph on, or "arrays", from its arrays on.

    exp(theta_v x_v) and one coupling, psi = e^J where both ends agree, e^-J where they differ."""
    rng = np.random.default_rng(1)
    n, first, second = pairs(kind, size, rng)
    path = folder / f"{name.replace(' ', '_')}_{what}.npz"
    np.savez(path, kind=what, n=n, first=first, second=second, theta=rng.normal(0, 1, n), coupling=0.3, rounds=rounds)
    return path


def arity_three(folder: Path) -> Path:
    """2000 variables of four states, 3000 factors over three of them, log entries normal with deviation 1/2."""
    rng = np.random.default_rng(0)
    scopes = np.array([rng.choice(2000, 3, replace=False) for _ in range(3000)])
    path = folder / "arity_three.npz"
    np.savez(path, kind="triples", n=2000, scopes=scopes, logs=rng.normal(0, 0.5, (3000, 4, 4, 4)), rounds=20)
    return path


def network(folder: Path, source: Path | None, name: str) -> Path:
    """A BIF file and evidence on a tenth of its variables, sampled from the network itself, so that it is possible."""
    import bnt
    from bnt.graph.bif import parse_bif

    bif = folder / f"{name}.bif"
    if source is None:
        bif.write_bytes((Path(bnt.__file__).parent / "data" / "networks" / f"{name}.bif").read_bytes())
    else:
        bif.write_bytes(gzip.decompress(source.read_bytes()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # columns printed with few digits are renormalised
        net = parse_bif(bif.read_text())
    evidence = sampled_evidence(net, np.random.default_rng(0))
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"kind": "network", "bif": str(bif), "evidence": evidence, "tolerance": 1e-8}))
    return path


def sampled_evidence(net: BayesianNetwork, rng: np.random.Generator) -> dict[str, str]:
    """The states of a tenth of the variables, drawn, in one sample of the network."""
    drawn: dict[str, int] = {}
    while len(drawn) < len(net.states):
        for v, above in net.parents.items():
            if v not in drawn and all(p in drawn for p in above):
                column = net.tables[v][(slice(None), *(drawn[p] for p in above))]
                drawn[v] = int(rng.choice(len(column), p=column / column.sum()))
    names = rng.choice(list(net.states), max(1, len(net.states) // 10), replace=False)
    return {str(v): net.states[str(v)][drawn[str(v)]] for v in names}


def rows(folder: Path, network_case: Path, count: int = 10_000, share: float = 0.3) -> Path:
    """An evidence table: every cell is given with probability ``share``, rows sampled from the network."""
    from bnt.graph.bif import read_bif

    case: dict[str, Any] = json.loads(network_case.read_text())
    net = read_bif(case["bif"])
    rng = np.random.default_rng(2)
    drawn: dict[str, np.ndarray] = {}
    while len(drawn) < len(net.states):
        for v, above in net.parents.items():
            if v not in drawn and all(p in drawn for p in above):
                table = np.moveaxis(net.tables[v], 0, -1)[tuple(drawn[p] for p in above)]
                table = np.broadcast_to(table, (count, table.shape[-1])).cumsum(-1)
                drawn[v] = np.minimum((rng.random((count, 1)) > table).sum(1), table.shape[-1] - 1)
    table = {v: [net.states[v][s] if rng.random() < share else None for s in drawn[v]] for v in net.states}
    path = folder / f"{network_case.stem}_rows.json"
    path.write_text(json.dumps({"kind": "rows", "bif": case["bif"], "table": table, "query": list(net.states)}))
    return path
