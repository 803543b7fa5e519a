"""Exact inference: cases on published networks, and what bnt and pyAgrum do with them. Needs only numpy and the peer.

Kinds: "fresh" (all marginals, tree or engine made anew), "again" (twenty rows of evidence on one graph or engine),
"query" (one variable), "file" (from the .bif file to all marginals). Evidence is on a tenth of the variables.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

NETWORKS = [
    "asia",
    "cancer",
    "earthquake",
    "survey",
    "sachs",
    "insurance",
    "alarm",
    "hailfinder",
    "hepar2",
    "andes",
    "pigs",
]
QUERIES = ("asia", "alarm", "hepar2")
FILES = ("alarm", "hepar2", "andes", "pigs")
LEAST = {"fresh": 1, "again": 5, "query": 1, "file": 1}
ROWS = 20
CHAINS = (16, 20, 26, 32, 40, 50, 60)

Run = Callable[[], Any]


def case(folder: Path, name: str, kind: str) -> Path:
    """A case of this kind on a network that ``cases.network`` has written to ``folder``."""
    import numpy as np

    from bnt.graph.bif import read_bif

    from .cases import sampled_evidence

    whole = json.loads((folder / f"{name}.json").read_text())
    net = read_bif(whole["bif"])
    rng = np.random.default_rng(1)
    rows = [sampled_evidence(net, rng) for _ in range(ROWS)]
    queries = [str(rng.choice([v for v in net.states if v not in row])) for row in rows]
    path = folder / f"{name}_{kind}.json"
    path.write_text(json.dumps({"kind": kind, "bif": whole["bif"], "rows": rows, "queries": queries}))
    return path


def bnt_exact(one: dict[str, Any]) -> tuple[Run, Run]:
    """A run, and the answer for the first row of evidence."""
    import warnings

    import bnt
    import bnt.kernels.cliques

    warnings.simplefilter("ignore")
    graph, rows, kind = bnt.load_graph(one["bif"]), one["rows"], one["kind"]
    turn = [0]

    def next_row() -> int:
        turn[0] = (turn[0] + 1) % len(rows)
        return turn[0]

    def anew() -> bnt.FactorGraph:
        return copy.copy(graph)  # whose tree is made anew, as by the peer's new engine on its old network

    def run() -> Any:
        if kind == "file":
            return bnt.exact_marginals(bnt.load_graph(one["bif"]), rows[0]).beliefs
        if kind == "query":
            i = next_row()
            return bnt.posterior(graph, rows[i], [one["queries"][i]]).beliefs[one["queries"][i]]
        return bnt.exact_marginals(anew() if kind == "fresh" else graph, rows[next_row()]).beliefs

    def answer() -> dict[str, dict[str, float]]:
        beliefs = bnt.exact_marginals(graph, rows[0]).beliefs
        return {v: dict(beliefs[v]) for v in beliefs}

    for _ in range(2):  # kernels loaded, as the peer's library is: a graph's second question is the first for them
        bnt.exact_marginals(graph, rows[0])
    return run, answer


def pyagrum_exact(one: dict[str, Any]) -> tuple[Run, Run]:
    """LazyPropagation, and VariableElimination for a single query; one thread."""
    import pyagrum as gum

    net, rows, kind = gum.loadBN(one["bif"]), one["rows"], one["kind"]
    names = [net.variable(node).name() for node in net.nodes()]
    kept = gum.LazyPropagation(net)
    turn = [0]

    def all_of(engine: Any, row: dict[str, str]) -> Any:
        engine.setNumberOfThreads(1)
        engine.setEvidence(row)
        engine.makeInference()
        return [engine.posterior(v).toarray() for v in names]

    def run() -> Any:
        turn[0] = i = (turn[0] + 1) % len(rows)
        if kind == "file":
            return all_of(gum.LazyPropagation(gum.loadBN(one["bif"])), rows[0])
        if kind == "query":
            engine = gum.VariableElimination(net)
            engine.setEvidence(rows[i])
            engine.addTarget(one["queries"][i])
            engine.makeInference()
            return engine.posterior(one["queries"][i]).toarray()
        return all_of(gum.LazyPropagation(net) if kind == "fresh" else kept, rows[i])

    def answer() -> dict[str, dict[str, float]]:
        found = zip(names, all_of(gum.LazyPropagation(net), rows[0]), strict=True)
        return {v: dict(zip(net.variable(v).labels(), p.tolist(), strict=True)) for v, p in found}

    return run, answer


def chain_growth() -> float:
    """The worst growth from one length of a binary chain to the next, beside that of the length: 1 is linear.

    Of the first and the second question about a graph, which may be answered in different ways.
    """
    import bnt
    from bnt.graph.networks import chain

    from .own import cpu

    def ask(graph: bnt.FactorGraph) -> None:
        for _ in range(20):
            new = copy.copy(graph)
            bnt.exact_marginals(new), bnt.exact_marginals(new)

    seconds = [cpu(lambda n=n: ask(chain(n, seed=1)), 5) / n for n in CHAINS]
    return max(after / before for before, after in pairwise(seconds))
