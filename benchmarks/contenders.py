"""What each contender does with a case. Run as a process in its own environment: one JSON request a line, one answer.

``{"case": file}`` prepares (building, compiling, a first run); ``{"run": 1}`` answers the CPU seconds of one run;
``{"answer": 1}`` gives the beliefs of the last run, so that contenders can be compared. Needs only numpy and the peer.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.exact import LEAST, bnt_exact, pyagrum_exact
from benchmarks.forward_pass import bnt_forward, torch_forward
from benchmarks.large import bnt_large, bnt_residual
from benchmarks.training_step import bnt_step, torch_step

Run = Callable[[], Any]
Answer = Callable[[Any], Any]


def bnt(case: dict[str, Any]) -> tuple[Run, Answer]:
    """From a built graph to beliefs, everything included."""
    import bnt

    if case["kind"] == "training":
        return bnt_step(case)
    if case["kind"] in LEAST:
        run, exact = bnt_exact(case)
        return run, lambda _: exact()
    if case["kind"] == "forward":
        return bnt_forward(case)
    if case["kind"] in ("large", "residual"):
        return bnt_large(case) if case["kind"] == "large" else bnt_residual(case)
    if case["kind"] == "network":
        graph = bnt.load_graph(case["bif"])
        options = {"tolerance": case["tolerance"]}
        names = list(graph.index)
        return lambda: bnt.run_bp(graph, case["evidence"], **options).beliefs, lambda b: {v: b[v] for v in names}
    if case["kind"] == "rows":
        graph = bnt.load_graph(case["bif"])
        return lambda: bnt.run_bp_batch(graph, case["table"]), lambda r: r.vector(case["query"][0])[:50].tolist()
    if case["kind"] == "bif":
        return lambda: bnt.load_graph(case["bif"]), lambda g: len(g.variables)
    rounds = int(case["rounds"])
    if case["kind"] == "arrays":
        return lambda: bnt.run_bp(from_arrays(case), rounds=rounds).beliefs.flat, lambda flat: flat.tolist()
    graph = graph_of(case)
    return lambda: bnt.run_bp(graph, rounds=rounds).beliefs.flat, lambda flat: flat.tolist()


def bnt_loop(case: dict[str, Any]) -> tuple[Run, Answer]:
    """Single calls, one for each row."""
    import bnt

    graph = bnt.load_graph(case["bif"])
    evidence = evidence_rows(case)

    def run() -> list[list[float]]:
        return [bnt.run_bp(graph, one).beliefs.vector(case["query"][0]).tolist() for one in evidence]

    return run, lambda rows: rows[:50]


def graph_of(case: dict[str, Any]) -> Any:
    from bnt import Factor, FactorGraph, Variable

    states = ("0", "1", "2", "3")[: 2 if case["kind"] == "ising" else 4]
    names = [Variable(f"x{i}", states) for i in range(int(case["n"]))]
    if case["kind"] == "triples":
        tables = zip(case["scopes"], case["logs"], strict=True)
        return FactorGraph(names, [Factor([names[i] for i in scope], log_table=logs) for scope, logs in tables])
    j = float(case["coupling"])
    agree = np.array([[j, -j], [-j, j]])
    edges = zip(case["first"].tolist(), case["second"].tolist(), strict=True)
    factors = [Factor((names[a], names[b]), log_table=agree) for a, b in edges]
    factors += [Factor((v,), log_table=(0.0, t)) for v, t in zip(names, case["theta"].tolist(), strict=True)]
    return FactorGraph(names, factors)


def from_arrays(case: dict[str, Any]) -> Any:
    """The Ising model of a case, as ``graph_of`` makes it object by object."""
    from bnt import FactorGraph

    n, j, theta = int(case["n"]), float(case["coupling"]), case["theta"]
    scopes = [np.stack([case["first"], case["second"]], 1), np.arange(n)[:, None]]
    logs = [np.array([[j, -j], [-j, j]]), np.stack([np.zeros(n), theta], 1)]
    return FactorGraph.from_arrays(np.full(n, 2), scopes, log_tables=logs)


def evidence_rows(case: dict[str, Any]) -> list[dict[str, str]]:
    columns = case["table"]
    count = len(next(iter(columns.values())))
    return [{v: column[i] for v, column in columns.items() if column[i] is not None} for i in range(count)]


def fbgbp(case: dict[str, Any]) -> tuple[Run, Answer]:
    """C++, float32, one coupling for all edges. "arrays": the graph is made in every run, its input before."""
    import fbgbp as peer

    n, first, second = int(case["n"]), case["first"], case["second"]
    source, target = np.concatenate([first, second]), np.concatenate([second, first])
    order = np.lexsort((target, source))
    p = 1 / (1 + np.exp(-case["theta"]))
    j, rounds = float(case["coupling"]), int(case["rounds"])
    degree = np.bincount(source, minlength=n).astype(np.uint8)
    arrays = n, degree, target[order].astype(np.uint64), 1 - p, p, float(np.exp(j)), float(np.exp(-j))
    graph = peer.FastBinaryBeliefPropagation(*arrays)

    def run() -> None:
        graph.run(precision=0.0, max_iter=rounds, n_threads=1)

    def whole() -> Any:
        made = peer.FastBinaryBeliefPropagation(*arrays)
        made.run(precision=0.0, max_iter=rounds, n_threads=1)
        return np.array(made.marginals())

    if case["kind"] == "arrays":
        return whole, lambda found: np.stack([1 - found, found], 1).ravel().tolist()
    return run, lambda _: np.stack([1 - np.array(graph.marginals()), np.array(graph.marginals())], 1).ravel().tolist()


def pgmax(case: dict[str, Any]) -> tuple[Run, Answer]:
    """jax on the processor, float32 unless PGMAX_X64 says otherwise; jitted beforehand."""
    import types

    import jax
    import jax.extend

    jax.lib.xla_bridge = types.SimpleNamespace(get_backend=jax.extend.backend.get_backend)  # 0.6.1 needs older jax
    from pgmax import fgraph, fgroup, infer, vgroup

    n, states = int(case["n"]), 2 if case["kind"] == "ising" else 4
    group = vgroup.NDVarArray(num_states=states, shape=(n,))
    model = fgraph.FactorGraph(variable_groups=group)
    updates = {}
    if case["kind"] == "ising":
        j = float(case["coupling"])
        edges = zip(case["first"].tolist(), case["second"].tolist(), strict=True)
        matrix = np.tile(np.array([[j, -j], [-j, j]]), (len(case["first"]), 1, 1))
        scopes = [[group[a], group[b]] for a, b in edges]
        model.add_factors(fgroup.PairwiseFactorGroup(variables_for_factors=scopes, log_potential_matrix=matrix))
        updates = {group: np.stack([np.zeros(n), case["theta"]], 1)}
    else:
        scopes = [[group[int(v)] for v in scope] for scope in case["scopes"]]
        configurations = np.array(list(np.ndindex(4, 4, 4)))
        model.add_factors(
            fgroup.EnumFactorGroup(
                variables_for_factors=scopes,
                factor_configs=configurations,
                log_potentials=case["logs"].reshape(len(scopes), -1),
            )
        )
    inferer = infer.build_inferer(model.bp_state, backend="bp")
    start = inferer.init(evidence_updates=updates)
    rounds = int(case["rounds"])
    jitted = jax.jit(lambda arrays: inferer.run(arrays, num_iters=rounds, damping=0.0, temperature=1.0))

    def run() -> Any:
        arrays = jitted(start)
        jax.block_until_ready(arrays.ftov_msgs)
        return arrays

    return run, lambda arrays: np.array(infer.get_marginals(inferer.get_beliefs(arrays))[group]).ravel().tolist()


def pyagrum(case: dict[str, Any]) -> tuple[Run, Answer]:
    """LoopyBeliefPropagation; engine, evidence and inference in every run."""
    import pyagrum as gum

    if case["kind"] in LEAST:
        run, exact = pyagrum_exact(case)
        return run, lambda _: exact()
    net = gum.loadBN(case["bif"])
    names = [net.variable(node).name() for node in net.nodes()]

    def infer(evidence: dict[str, str], epsilon: float) -> Any:
        engine = gum.LoopyBeliefPropagation(net)
        engine.setEpsilon(epsilon)
        engine.setMinEpsilonRate(1e-15)
        engine.setMaxIter(1000)
        engine.setEvidence(evidence)
        engine.makeInference()
        return engine

    if case["kind"] == "rows":
        evidence = [one for one in evidence_rows(case)[:500] if one]  # without evidence it stops after one round
        name = case["query"][0]
        return lambda: [infer(one, 1e-10).posterior(name).toarray() for one in evidence], lambda _: len(evidence)

    def answer(engine: Any) -> dict[str, dict[str, float]]:
        labels = {v: net.variable(v).labels() for v in names}
        return {v: dict(zip(labels[v], engine.posterior(v).tolist(), strict=True)) for v in names}

    return lambda: infer(case["evidence"], case["tolerance"]), answer


def pgmpy(case: dict[str, Any]) -> tuple[Run, Answer]:
    """Its BIF reader; variable elimination for rows of evidence (its loopy propagation is for decoding only)."""
    import warnings

    warnings.simplefilter("ignore")
    from pgmpy.inference import VariableElimination
    from pgmpy.readwrite import BIFReader

    if case["kind"] == "bif":
        return lambda: BIFReader(case["bif"]).get_model(), lambda model: len(model.nodes())
    engine = VariableElimination(BIFReader(case["bif"]).get_model())
    name = case["query"][0]
    evidence = [one for one in evidence_rows(case) if name not in one][:20]

    def run() -> None:
        for one in evidence:
            engine.query([name], evidence=one, show_progress=False)

    return run, lambda _: len(evidence)


def torch(case: dict[str, Any]) -> tuple[Run, Answer]:
    """One training step, or one forward pass."""
    return torch_step(case) if case["kind"] == "training" else torch_forward(case)


def main() -> None:
    """Serve requests. Whatever a library prints goes to stderr: stdout carries answers only."""
    prepare = {
        "bnt": bnt,
        "bnt earlier": bnt,
        "bnt loop": bnt_loop,
        "fbgbp": fbgbp,
        "pgmax": pgmax,
        "pyagrum": pyagrum,
        "pgmpy": pgmpy,
        "torch": torch,
    }[sys.argv[1]]
    answers, sys.stdout = sys.stdout, sys.stderr
    run: Run = lambda: None  # noqa: E731
    answer: Answer = lambda result: result  # noqa: E731
    result: Any = None
    repeats = 1
    for line in sys.stdin:
        request = json.loads(line)
        reply: Any = None
        if "case" in request:
            path = Path(request["case"])
            case = json.loads(path.read_text()) if path.suffix == ".json" else dict(np.load(path).items())
            case["kind"] = str(case["kind"])
            run, answer = prepare(case)
            result = run()
            start = time.process_time()
            run()
            repeats = max(1, int(0.05 / max(1e-9, time.process_time() - start)))  # so that a turn is not over at once
        elif "run" in request:
            start = time.process_time()
            for _ in range(repeats):
                result = run()
            reply = (time.process_time() - start) / repeats
        else:
            reply = answer(result)
        print(json.dumps(reply), file=answers, flush=True)


if __name__ == "__main__":
    main()
