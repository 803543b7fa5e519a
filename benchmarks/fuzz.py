"""python -m benchmarks.fuzz: every engine against enumeration on random small models, for as long as one likes.

--seconds S   how long (default: 60)      --seed N   the first seed (default: 0); a failure names the seed of its model

Enumeration here is a product of arrays, and sums over it; it shares no code with what it judges. Models have zeros,
variables of one state, variables in no factor, repeated scopes; evidence is hard, soft, missing or impossible. What is
compared: exact_marginals (enumeration, junction tree in both number ranges), posterior, run_bp in every schedule,
batches, most probable assignments, transformers, the engines for pgmpy, hidden Markov models; and that what is no
evidence is refused. Exit code 1 if anything differs.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import math
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

import bnt
from bnt.graph.evidence import parse_evidence
from bnt.graph.uai import read_uai, write_uai
from bnt.inference.belief_propagation import Schedule
from bnt.inference.exact import by_junction_tree

Array = NDArray[np.float64]
TOLERANCE = 1e-9  # of a probability or a logarithm; enumeration itself is good to 1e-13
CLOSE = 1e-9  # weights as close as this, relatively, are a tie
MISSING = (None, float("nan"))


class Differs(Exception):
    """An engine and enumeration disagree."""


# ---------------------------------------------------------------- models


def random_graph(rng: np.random.Generator) -> tuple[bnt.FactorGraph, bool]:
    """A small graph, and whether it is built as a forest. States number 1 to 4; a tenth of the graphs is all binary."""
    n = int(rng.integers(1, 6))
    most = int(rng.choice([2, 3, 4]))
    binary = rng.random() < 0.1
    cards = [2 if binary else int(rng.integers(1, most + 1)) for _ in range(n)]
    variables = [bnt.Variable(f"x{i}", [f"s{j}" for j in range(c)]) for i, c in enumerate(cards)]
    forest = bool(rng.random() < 0.5)
    zeros = float(rng.choice([0.0, 0.0, 0.2, 0.5]))
    scopes: list[list[int]] = []
    if forest:
        placed = 1
        while placed < n:
            new = list(range(placed, min(n, placed + int(rng.integers(1, 3)))))
            anchor = [int(rng.integers(0, placed))] if rng.random() < 0.85 or len(new) == 1 else []
            scopes.append([int(i) for i in rng.permutation(anchor + new)])
            placed += len(new)
    else:
        for _ in range(int(rng.integers(1, 2 * n + 1))):
            scopes.append([int(i) for i in rng.permutation(n)[: int(rng.integers(1, min(n, 3) + 1))]])
    scopes += [[i] for i in range(n) if rng.random() < 0.4]
    scale = float(rng.choice([1.0, 1.0, 20.0]))
    factors = []
    for scope in scopes:
        table = np.exp(scale * rng.normal(size=[cards[i] for i in scope]))
        if rng.random() < 0.2:
            table = rng.integers(1, 3, table.shape).astype(float)  # ties
        table[rng.random(table.shape) < zeros] = 0.0
        if not table.any():
            table[(0,) * table.ndim] = 1.0
        factors.append(bnt.Factor([variables[i] for i in scope], table))
    return bnt.FactorGraph(variables, factors), forest


def random_evidence(graph: bnt.FactorGraph, rng: np.random.Generator) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for variable in graph.variables:
        draw = rng.random()
        if draw < 0.2:
            found[variable.name] = str(rng.choice(variable.states))
        elif draw < 0.35:
            weights = rng.uniform(0, 1, variable.cardinality) * (rng.random(variable.cardinality) < 0.8)
            if weights.any():
                found[variable.name] = dict(zip(variable.states, weights, strict=True))
    return found


def joint_of(graph: bnt.FactorGraph, evidence: dict[str, Any]) -> Array:
    """Weights of all joint states, one axis per variable."""
    joint = np.ones([v.cardinality for v in graph.variables])
    for factor in graph.factors:
        places = [graph.index[v.name] for v in factor.variables]
        order = np.argsort(places)
        shape = np.ones(joint.ndim, dtype=int)
        shape[np.sort(places)] = [factor.variables[i].cardinality for i in order]
        joint = joint * np.exp(factor.log_table).transpose(order).reshape(shape)
    for name, value in evidence.items():
        i = graph.index[name]
        states = graph.variables[i].states
        likelihood = [value[s] for s in states] if isinstance(value, dict) else [float(s == value) for s in states]
        joint = joint * np.reshape(likelihood, [-1 if axis == i else 1 for axis in range(joint.ndim)])
    return joint


def margins(joint: Array, maximise: bool = False) -> list[Array]:
    over = [tuple(a for a in range(joint.ndim) if a != i) for i in range(joint.ndim)]
    found = [joint.max(axis=axes) if maximise else joint.sum(axis=axes) for axes in over]
    return [one / one.sum() for one in found]


# ---------------------------------------------------------------- what is compared


def near(what: str, found: Any, expected: Any) -> None:
    gap = np.max(np.abs(np.asarray(found) - np.asarray(expected)), initial=0.0)
    if not gap <= TOLERANCE:
        raise Differs(f"{what}: {np.asarray(found).tolist()} instead of {np.asarray(expected).tolist()}")


def true(what: str, condition: bool) -> None:
    if not condition:
        raise Differs(what)


def refused(what: str, call: Callable[[], Any], *kinds: type[Exception]) -> None:
    try:
        answer = call()
    except kinds:
        return
    except Exception as error:
        raise Differs(f"{what}: {type(error).__name__} {error}, instead of {kinds[0].__name__}") from error
    raise Differs(f"{what}: answered, with {answer!r}")


def beliefs_are(what: str, graph: bnt.FactorGraph, found: Any, expected: list[Array]) -> None:
    for variable, vector in zip(graph.variables, expected, strict=True):
        near(f"{what}, {variable.name}", found.vector(variable.name), vector)


def best_is(what: str, graph: bnt.FactorGraph, joint: Array, assignment: dict[str, Any]) -> float:
    """An assignment of the largest weight, ties being as good; its weight."""
    place = tuple(v.states.index(assignment[v.name]) for v in graph.variables)
    weight = float(joint[place])
    true(f"{what}: weight {weight!r}, the largest is {joint.max()!r}", weight >= joint.max() * (1 - CLOSE))
    return weight


class Model:
    """One random model with its evidence and all weights."""

    def __init__(self, rng: np.random.Generator):
        self.rng = rng
        self.graph, self.forest = random_graph(rng)
        self.evidence = random_evidence(self.graph, rng)
        self.joint = joint_of(self.graph, self.evidence)
        self.possible = bool(self.joint.sum() > 0)
        self.sums = margins(self.joint) if self.possible else []
        self.best = margins(self.joint, True) if self.possible else []


def exact(model: Model) -> None:
    """Enumeration, the junction tree in probabilities and in logarithms, posterior; sums, and most probable states."""
    graph, evidence = model.graph, model.evidence
    engines: dict[str, Callable[[Any], Any]] = {
        "exact_marginals": lambda mode: bnt.exact_marginals(graph, evidence, mode=mode),
        "junction tree": lambda mode: by_junction_tree(graph, parse_evidence(graph, evidence), mode, 1e9, False),
        "junction tree in logs": lambda mode: by_junction_tree(graph, parse_evidence(graph, evidence), mode, 1e9, True),
        "posterior": lambda mode: bnt.posterior(graph, evidence, mode=mode),
    }
    for name, ask in engines.items():
        if not model.possible:
            refused(f"{name} of impossible evidence", lambda ask=ask: ask("sum"), bnt.InconsistentEvidenceError)
            continue
        for mode, expected in (("sum", model.sums), ("max", model.best)):
            found = ask(mode)
            beliefs_are(f"{name}, {mode}", graph, found.beliefs, expected)
            true(f"{name}: status {found.status}", found.status in ("exact", "prior"))
            if found.log_z is not None:
                near(f"{name}, {mode}, log Z", found.log_z, math.log(model.joint.sum()))
            if mode == "max":
                weight = best_is(f"{name}, most probable", graph, model.joint, found.map_assignment)
                near(f"{name}, log probability", found.log_probability, math.log(weight))
    if model.possible:
        name = str(model.rng.choice(list(graph.index)))
        near("targeted query", bnt.posterior(graph, evidence, [name]).beliefs.vector(name), vector_of(model, name))


def vector_of(model: Model, name: str) -> Array:
    return model.sums[model.graph.index[name]]


def propagation(model: Model) -> None:
    """Every schedule: equal on forests, never called exact and wrong; assignments possible."""
    graph = model.graph
    for schedule in get_args(Schedule):
        for mode, expected in (("sum", model.sums), ("max", model.best)):
            what = f"run_bp {schedule} {mode}"
            try:
                found = bnt.run_bp(graph, model.evidence, mode=mode, schedule=schedule)
            except bnt.InconsistentEvidenceError:
                true(f"{what}: possible evidence refused", not model.possible)
                continue
            if not model.possible:
                true(f"{what}: impossible evidence, said to be checked", found.support == "unchecked")
                continue
            exact = found.status in ("exact", "prior")
            true(f"{what}: a forest is {found.status}", exact or not model.forest)
            if exact:
                beliefs_are(what, graph, found.beliefs, expected)
                if mode == "sum":
                    near(f"{what}, log Z", found.log_z_bethe, math.log(model.joint.sum()))
            for variable, vector in zip(graph.variables, expected, strict=True):  # loops or not: zeros are zeros
                mine = found.beliefs.vector(variable.name)
                true(f"{what}: no distribution {mine.tolist()}", abs(mine.sum() - 1) < TOLERANCE and (mine >= 0).all())
                if found.converged:
                    true(f"{what}: a possible state excluded", bool((mine[vector > 1e-300] > 0).all()))
            if mode == "max" and found.map_assignment is not None:
                place = tuple(v.states.index(found.map_assignment[v.name]) for v in graph.variables)
                true(f"{what}: an impossible assignment", bool(model.joint[place] > 0))
                if exact:
                    best_is(what, graph, model.joint, found.map_assignment)


def batches(model: Model) -> None:
    """Rows of hard evidence, some of it missing, some impossible."""
    graph, rng = model.graph, model.rng
    names = [str(name) for name in rng.permutation(list(graph.index))[: int(rng.integers(1, len(graph.index) + 1))]]
    rows = [
        {name: rng.choice([*graph.variable(name).states, ""]) for name in names} for _ in range(int(rng.integers(1, 6)))
    ]
    table = {name: [str(row[name]) or MISSING[i % 2] for i, row in enumerate(rows)] for name in names}
    for method in ("bp", "exact"):
        for mode in ("sum", "max"):
            try:
                found = bnt.run_bp_batch(graph, table, method=method, mode=mode)  # type: ignore[arg-type]
            except bnt.InconsistentEvidenceError:
                true(f"batch {method} {mode}: a possible model refused", not joint_of(graph, {}).sum() > 0)
                continue
            for i, row in enumerate(rows):
                what = f"batch {method} {mode}, row {row}"
                joint = joint_of(graph, {name: str(state) for name, state in row.items() if state})
                if not joint.sum() > 0:
                    true(f"{what}: possible, {found.status[i]}", not found.possible[i] or found.status[i] != "exact")
                    continue
                true(f"{what}: impossible", bool(found.possible[i]))
                exact = found.status[i] in ("exact", "prior")
                true(f"{what}: {found.status[i]}", exact or not (model.forest or method == "exact"))
                if exact:
                    beliefs_are(what, graph, found.row(i), margins(joint, mode == "max"))


def transformers(model: Model) -> None:
    """The general construction on forests, the junction tree on anything."""
    for construction in ("general", "junction-tree"):
        if construction == "general" and not model.forest:
            continue
        try:
            compiled = bnt.compile_graph(model.graph, model.evidence, construction=construction)  # type: ignore[arg-type]
            found = compiled.beliefs(bnt.forward(compiled.tokens, compiled.weights))
        except bnt.InconsistentEvidenceError:
            true(f"{construction} transformer: possible evidence refused", not model.possible)
            continue
        true(f"{construction} transformer: impossible evidence", model.possible or compiled.support == "unchecked")
        if model.possible:
            beliefs_are(f"{construction} transformer", model.graph, found, model.sums)


def engines_for_pgmpy(model: Model) -> None:
    """Joint and single queries with unnormalised answers, most probable assignments, max-marginals."""
    from bnt.pgmpy_engines import ExactInference

    if not model.possible:
        return
    graph, rng = model.graph, model.rng
    ones = [bnt.Factor((v,), np.ones(v.cardinality)) for v in graph.variables]  # pgmpy wants a factor over each
    network = bnt.FactorGraph(graph.variables, [*graph.factors, *ones]).to_pgmpy()
    engine = ExactInference(network)
    free = [name for name in graph.index if name not in model.evidence]
    asked = [str(name) for name in rng.permutation(free)[: int(rng.integers(1, 4))]]
    if not asked:
        return
    axes = [graph.index[name] for name in asked]
    rest = tuple(a for a in range(model.joint.ndim) if a not in axes)
    summed = model.joint.sum(axis=rest).transpose(np.argsort(np.argsort(axes)))
    factor = engine.query(asked, model.evidence, show_progress=False)
    near(f"query {asked}", factor.values / model.joint.sum(), summed / model.joint.sum())
    apart = engine.query(asked, model.evidence, joint=False)
    for name in asked:
        near(f"query {name}", apart[name].values / model.joint.sum(), vector_of(model, name))
    found = engine.map_query(asked, model.evidence)
    place = tuple(graph.variable(name).states.index(found[name]) for name in asked)
    true(f"map_query {asked}: {found}", summed[place] >= summed.max() * (1 - CLOSE))
    near("max_marginal", engine.max_marginal(asked, model.evidence) / model.joint.max(), 1.0)


def refusals(model: Model) -> None:
    """What is no evidence, or no table, gets its error from every door."""
    import pandas as pd

    graph = model.graph
    variable = graph.variables[int(model.rng.integers(len(graph.variables)))]
    doors: dict[str, Callable[[Any], Any]] = {
        "run_bp": lambda evidence: bnt.run_bp(graph, evidence),
        "exact_marginals": lambda evidence: bnt.exact_marginals(graph, evidence),
        "posterior": lambda evidence: bnt.posterior(graph, evidence),
        "compile_graph": lambda evidence: bnt.compile_graph(graph, evidence),
    }
    for name, door in doors.items():
        for value in (None, float("nan"), pd.NA, pd.NaT, np.float32("nan"), "no state", 17, ("s0", "s1")):
            kinds = (bnt.UnknownStateError, bnt.EvidenceError)
            refused(f"{name}, {value!r}", lambda door=door, value=value: door({variable.name: value}), *kinds)
        for weights in ([np.nan] * variable.cardinality, [-1.0] * variable.cardinality, [1.0] * 9, [np.inf]):
            given = {variable.name: weights}
            refused(f"{name}, {weights}", lambda door=door, given=given: door(given), bnt.EvidenceError)
        refused(f"{name}, unknown", lambda door=door: door({"nobody": "s0"}), bnt.UnknownVariableError)
    table = np.full([variable.cardinality], np.nan)
    refused("a table of NaN", lambda: bnt.Factor([variable], table), bnt.ModelError)


def files(model: Model) -> None:
    """A UAI file of the graph gives the same weights."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.uai"
        write_uai(model.graph, path)
        read = read_uai(path)
    assert isinstance(read, bnt.FactorGraph)
    weights = joint_of(model.graph, {})
    top = weights.max() or 1.0
    near("UAI", joint_of(read, {}) / top, weights / top)


def hidden_markov(model: Model) -> None:
    """All paths of a short chain, with missing symbols and zeros."""
    rng = model.rng
    states, symbols, length = (int(rng.integers(1, 4)) for _ in range(3))
    length += 1

    def rows(*shape: int) -> Array:
        table = rng.uniform(0.01, 1, shape) * (rng.random(shape) < 0.8)
        table[..., 0] += table.sum(axis=-1) == 0
        return np.asarray(table / table.sum(axis=-1, keepdims=True))

    hmm = bnt.HMM(rows(states), rows(states, states), rows(states, symbols))
    seen = [None if rng.random() < 0.3 else int(rng.integers(symbols)) for _ in range(length)]
    given = [MISSING[t % 2] if one is None else str(one) for t, one in enumerate(seen)]

    def weights(until: int) -> Array:
        table = np.zeros((states,) * until)
        for path in itertools.product(range(states), repeat=until):
            steps = [hmm.transition[a, b] for a, b in itertools.pairwise(path)]
            shown = [1.0 if one is None else hmm.emission[s, one] for s, one in zip(path, seen, strict=False)]
            table[path] = hmm.initial[path[0]] * math.prod(steps) * math.prod(shown)
        return table

    whole = weights(length)
    if not whole.sum() > 0:
        for ask in (bnt.filter_states, bnt.smooth_states, bnt.viterbi, bnt.log_likelihood):
            refused("HMM, impossible", lambda ask=ask: ask(hmm, given), bnt.InconsistentEvidenceError)
        return
    near("smooth_states", bnt.smooth_states(hmm, given), margins(whole))
    near("filter_states", bnt.filter_states(hmm, given), [margins(weights(t + 1))[t] for t in range(length)])
    near("log_likelihood", bnt.log_likelihood(hmm, given), math.log(whole.sum()))
    best = bnt.viterbi(hmm, given)
    weight = float(whole[tuple(hmm.states.index(state) for state in best.states)])
    true(f"viterbi: {weight!r}, the largest is {whole.max()!r}", weight >= whole.max() * (1 - CLOSE))


CHECKS: dict[str, tuple[Callable[[Model], None], int]] = {  # what, and every how manieth model it sees: some are slow
    "exact": (exact, 1),
    "belief propagation": (propagation, 1),
    "batch": (batches, 1),
    "hidden Markov": (hidden_markov, 1),
    "transformer": (transformers, 4),
    "pgmpy engines": (engines_for_pgmpy, 4),
    "refusals": (refusals, 4),
    "files": (files, 4),
}


def fuzz(seconds: float, seed: int = 0) -> tuple[Counter[str], list[str]]:
    """Models tried by each check, and a line for every failure."""
    tried: Counter[str] = Counter()
    failures: list[str] = []
    end = math.inf
    while time.monotonic() < end:
        for name, (check, every) in CHECKS.items():
            if seed % every:
                continue
            tried[name] += 1
            try:
                with np.errstate(all="ignore"):
                    check(Model(np.random.default_rng(seed)))
            except Exception as error:
                failures.append(f"seed {seed}, {name}: {type(error).__name__}: {error}")
        seed += 1
        end = min(end, time.monotonic() + seconds)  # the first model may have had to compile kernels
    return tried, failures


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args(argv)
    logging.disable(logging.WARNING)  # pgmpy's
    warnings.simplefilter("ignore")
    tried, failures = fuzz(arguments.seconds, arguments.seed)
    for line in failures[:20]:
        print(line)
    print(f"{', '.join(f'{name} {count}' for name, count in tried.items())} models; {len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
