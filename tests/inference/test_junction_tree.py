"""Triangulation, exact inference on the junction tree (kernels/cliques.py, trees.py), and its construction."""

import io
import math
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations

import numpy as np
import pytest
import tqdm
from hypothesis import given, settings
from hypothesis import strategies as st

from bnt.compiler.compile import compile_graph
from bnt.compiler.verify import verify_model
from bnt.errors import BntError, InconsistentEvidenceError, TooLargeError, UnsupportedModelError
from bnt.graph.evidence import Evidence, absorb, parse_evidence
from bnt.graph.factor_graph import Factor, FactorGraph
from bnt.graph.networks import grid, load_graph
from bnt.inference import junction_tree as module
from bnt.inference.exact import by_enumeration, by_junction_tree, exact_marginals, log_probability
from bnt.inference.triangulation import COSTS, UNIT, clique_members, eliminate, eliminate_compiled, junction_tree
from bnt.kernels.jit import COMPILED
from bnt.transformer.forward import forward
from tests import random_graphs
from tests.patience import PATIENCE


def graph_of(seed):
    """A random graph, with loops and zeros or a forest."""
    return random_graphs.loopy(seed, zeros=0.25 * (seed % 2)) if seed % 3 else random_graphs.forest(seed)


@given(st.integers(0, 2**32))
def test_it_is_a_junction_tree(seed):
    graph = graph_of(seed)
    try:
        reduced = absorb(graph, random_graphs.evidence(graph, seed))
    except InconsistentEvidenceError:
        return
    tree = junction_tree(reduced)
    cliques = [set(clique) for clique in tree.cliques]
    assert set().union(*cliques) == set(reduced.free)
    for a, b in combinations(cliques, 2):
        assert not a <= b
        assert not b <= a
    for factor in reduced.factors:
        assert any(set(factor.scope) <= clique for clique in cliques)
    parent = list(range(len(cliques)))
    assert all(child < parent for child, parent in tree.edges)  # so one sweep collects and the next one distributes
    assert len({child for child, _ in tree.edges}) == len(tree.edges)
    for a, b in tree.edges:  # a forest, and every separator is the whole intersection
        while parent[a] != a:
            a = parent[a]
        while parent[b] != b:
            b = parent[b]
        assert a != b
        parent[a] = b
    for v, numbers in enumerate(clique_members(tree.cliques, len(graph.variables))):
        inside = [edge for edge in tree.edges if set(edge) <= numbers]
        assert len(inside) == max(len(numbers) - 1, 0), f"the cliques of {v} are not connected"


ENGINES = [False, True]  # compiled, in logarithms


@pytest.mark.parametrize("in_logs", ENGINES)
@given(st.integers(0, 2**32), st.sampled_from(["sum", "max"]))
def test_exact_on_the_tree_equals_enumeration(in_logs, seed, mode):
    graph = graph_of(seed)
    evidence = random_graphs.evidence(graph, seed)
    known = parse_evidence(graph, evidence)
    try:
        reduced = absorb(graph, evidence)
        expected = by_enumeration(reduced, mode)
    except InconsistentEvidenceError:
        with pytest.raises(InconsistentEvidenceError):
            by_junction_tree(graph, known, mode, 1e9, in_logs)
        return
    found = by_junction_tree(graph, known, mode, 1e9, in_logs)
    assert found.beliefs.distance(expected.beliefs) <= 1e-14  # measured 1.2e-15
    assert abs(found.log_z - expected.log_z) <= 1e-13 * max(1, abs(expected.log_z))
    if mode == "max":
        assert found.log_probability == pytest.approx(expected.log_probability, abs=1e-12)
        assert log_probability(reduced, found.map_assignment) == pytest.approx(expected.log_probability, abs=1e-12)


@pytest.mark.parametrize("in_logs", ENGINES)
@given(st.integers(0, 2**32), st.sampled_from([1.0, 30.0, 300.0, 3000.0]), st.sampled_from(["sum", "max"]))
def test_potentials_of_any_size_on_the_tree(in_logs, seed, size, mode):
    """From 300 on products of probabilities leave the range of a float64, and the messages are logarithms."""
    graph = random_graphs.loopy(seed, zeros=0.2 * (seed % 2))
    rng = np.random.default_rng(seed)
    factors = [
        Factor(f.variables, log_table=f.log_table + size * rng.normal(size=f.table.shape)) for f in graph.factors
    ]
    graph = FactorGraph(graph.variables, factors)
    try:
        expected = by_enumeration(absorb(graph), mode)
    except InconsistentEvidenceError:
        return
    found = by_junction_tree(graph, Evidence({}, {}), mode, 1e9, in_logs)
    assert found.beliefs.distance(expected.beliefs) <= 1e-15 * (100 + 10 * size)
    assert abs(found.log_z - expected.log_z) <= 1e-14 * (10 + size) * len(factors)


@pytest.mark.parametrize("in_logs", ENGINES)
def test_a_best_assignment_even_with_ties(in_logs):
    """Neighbours on an even cycle must differ: two best assignments, and every clique alone has two best states."""
    names = random_graphs.variables([2] * 6)
    cycle = FactorGraph(names, [Factor((names[i], names[(i + 1) % 6]), [[0, 1], [1, 0]]) for i in range(6)])
    best = by_junction_tree(cycle, Evidence({}, {}), "max", 1e9, in_logs).map_assignment
    assert all(best[f"x{i}"] != best[f"x{(i + 1) % 6}"] for i in range(6))


@pytest.mark.parametrize("mode", ["sum", "max"])
def test_a_clique_larger_than_a_slab_and_a_tree_larger_than_a_block(mode, monkeypatch):
    """Slabs and several calls give the very numbers of one call, and those of the logarithms."""
    graph = grid(4, 9, seed=3)
    known = parse_evidence(graph, {graph.variables[5].name: graph.variables[5].states[1]})
    whole = by_junction_tree(graph, known, mode, 1e9, False)
    monkeypatch.setattr(module, "BLOCK", 100)
    parts = by_junction_tree(graph, known, mode, 1e9, False)
    assert (parts.beliefs.distance(whole.beliefs), parts.map_assignment) == (0.0, whole.map_assignment)
    assert parts.log_z == pytest.approx(whole.log_z, abs=1e-12)
    names = random_graphs.variables([2] * 17 + [3])
    rng = np.random.default_rng(0)
    wide = FactorGraph(
        names,
        [Factor(pair, rng.random((pair[0].cardinality, pair[1].cardinality)) + 0.1) for pair in combinations(names, 2)],
    )  # one clique of 24 slabs
    one, other = (by_junction_tree(wide, Evidence({}, {}), mode, 1e9, in_logs) for in_logs in ENGINES)
    assert one.beliefs.distance(other.beliefs) <= 1e-13
    assert (one.log_z, one.map_assignment) == (pytest.approx(other.log_z, abs=1e-12), other.map_assignment)


@given(st.integers(0, 2**32), st.sampled_from([1, 40, 3000]), st.sampled_from(["sum", "max"]))
@settings(max_examples=25)
def test_calls_as_short_as_one_likes_give_what_enumeration_gives(seed, most, mode):
    """A call may end amid a clique, at any slab, and go on there; zeros and observed variables change nothing."""
    graph = graph_of(seed)
    known = parse_evidence(graph, random_graphs.evidence(graph, seed))
    try:
        expected = by_enumeration(absorb(graph, known), mode)
    except InconsistentEvidenceError:
        return
    for in_logs in ENGINES:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "BLOCK", most)
            found = by_junction_tree(graph, known, mode, 1e9, in_logs)
        assert found.beliefs.distance(expected.beliefs) <= 1e-13
        assert found.log_z == pytest.approx(expected.log_z, abs=1e-12)
        if mode == "max":
            reduced = absorb(graph, known)
            assert log_probability(reduced, found.map_assignment) == pytest.approx(expected.log_probability, abs=1e-12)


@pytest.mark.skipif(not COMPILED, reason="kernels run interpreted here: they hear signals by themselves")
def test_a_long_run_is_shown_and_no_more_is_done_than_announced(monkeypatch):
    """The line counts operations: of both passes, in steps, never beyond the whole."""
    shown = []

    class Bar(tqdm.tqdm):
        def __init__(self, **options):
            shown.append(self)
            self.steps = []
            super().__init__(**options | {"disable": False, "file": io.StringIO()})

        def update(self, n=1):
            self.steps.append(n)
            return super().update(n)

    monkeypatch.setattr(tqdm, "tqdm", Bar)
    graph = grid(5, 6)
    by_junction_tree(graph, Evidence({}, {}), "sum", 1e9, False)
    assert not shown  # what is soon done
    monkeypatch.setattr(module, "BLOCK", 500)
    by_junction_tree(graph, Evidence({}, {}), "max", 1e9, False)
    assert [bar.desc for bar in shown] == ["max-marginals", "marginals"]
    for bar in shown:
        assert len(bar.steps) > 3
        assert min(bar.steps) >= 0
        assert 0.8 * bar.total <= sum(bar.steps) <= bar.total
        assert bar.delay == 2  # seconds


def test_one_tree_serves_all_evidence_until_it_is_too_large(monkeypatch):
    graph = grid(4, 4)
    made = []
    monkeypatch.setattr(
        module, "make_plan", lambda trees, tree, make=module.make_plan: made.append(1) or make(trees, tree)
    )
    for i in range(20):
        exact_marginals(graph, {graph.variables[i % 16].name: graph.variables[i % 16].states[i % 2]})
    assert len(made) == 1
    exact_marginals(pickle.loads(pickle.dumps(graph)))
    assert len(made) == 2  # a copy starts afresh
    monkeypatch.setattr(module, "FEW", 10)
    for i in [*range(16), 15, 15]:
        exact_marginals(graph, {graph.variables[i].name: graph.variables[i].states[0]})
    assert len(made) == 18  # one for each observed variable, and only once for the last
    assert len(module.trees_of(graph).plans) == module.MOST_PLANS


def test_evidence_can_make_a_hopeless_graph_easy():
    """A hub between every pair of forty: hopeless, and once half are known, nothing is left to join."""
    names = random_graphs.variables([2] * 40)
    dense = FactorGraph(names, [Factor(pair, [[1, 2], [2, 1]]) for pair in combinations(names, 2)])
    with pytest.raises(TooLargeError):
        exact_marginals(dense)
    found = exact_marginals(dense, {f"x{i}": "s0" for i in range(38)})
    expected = by_enumeration(absorb(dense, {f"x{i}": "s0" for i in range(38)}), "sum")
    assert found.beliefs.distance(expected.beliefs) <= 1e-15


INTERRUPTED = """
import os, signal, threading, time
import bnt
from bnt.graph.networks import grid
small, large = grid(4, 4), grid(17, 17)
before = [bnt.exact_marginals(small) for _ in range(2)][1]
threading.Timer(2.0, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
start = time.process_time()
try:
    while True:
        bnt.exact_marginals(large, memory_limit=2**34)
except KeyboardInterrupt:
    print("stopped after", time.process_time() - start)
print(bnt.exact_marginals(small).beliefs.distance(before.beliefs))
"""


def test_a_long_run_stops_at_the_stop_button_and_leaves_everything_usable():
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=300 * PATIENCE)
    assert done.returncode == 0, done.stderr
    stopped, distance = done.stdout.splitlines()
    assert float(stopped.split()[-1]) < 6  # CPU seconds, of which one call of the kernels is half a one
    assert float(distance) <= 1e-15  # numpy before, kernels after: other rounding


def test_many_threads_share_a_graph():
    graph = load_graph("asia")
    evidence = [{"xray": "yes"}, {"smoke": "no"}, {"asia": "yes", "dysp": "no"}, {}] * 10
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda one: exact_marginals(graph, one), evidence))
    for one, result in zip(evidence, found, strict=True):
        assert result.beliefs.distance(by_enumeration(absorb(graph, one), "sum").beliefs) <= 1e-14


def test_beyond_a_few_joint_states_the_tree_answers_and_agrees():
    reduced = absorb(grid(4, 4))  # 2**16 joint states, but small cliques
    for mode in ("sum", "max"):
        one, other = by_enumeration(reduced, mode), exact_marginals(reduced.graph, mode=mode)
        assert one.beliefs.distance(other.beliefs) <= 1e-13
        assert abs(one.log_z - other.log_z) <= 1e-12
        assert one.map_assignment == other.map_assignment
        assert one.log_probability == pytest.approx(other.log_probability, abs=1e-12)
    with pytest.raises(
        TooLargeError, match=r"junction tree has \d+ joint states, 32 of them .*KiB; the limit is 1 KiB \(memory_limit"
    ):
        exact_marginals(reduced.graph, memory_limit=1024)
    with pytest.raises(BntError, match="memory_limit must be a number of bytes, not '1 GiB'"):
        exact_marginals(reduced.graph, memory_limit="1 GiB")


@pytest.mark.skipif(not COMPILED, reason="kernels run interpreted here: nothing to compare")
@pytest.mark.parametrize("cost", COSTS)
@given(st.integers(0, 2**32))
def test_compiled_elimination_is_the_readable_one(cost, seed):
    """The same order and the same neighbours, ties included, on graphs with gaps in their numbers."""
    rng = np.random.default_rng(seed)
    names = rng.choice(60, int(rng.integers(1, 40)), replace=False).tolist()
    adjacent = {v: {v} for v in names}
    for _ in range(int(rng.integers(0, 3 * len(names)))):
        scope = rng.choice(names, min(len(names), int(rng.integers(2, 5))), replace=False).tolist()
        for v in scope:
            adjacent[v].update(scope)
    weight = {v: round(UNIT * math.log(rng.integers(1, 5))) for v in names}
    found = []
    for order in (eliminate, eliminate_compiled):
        try:
            found.append(list(order(adjacent, weight, cost).items()))
        except TooLargeError as error:
            found.append(str(error))
    assert found[0] == found[1]


def test_a_hopeless_clique_stops_the_triangulation():
    names = random_graphs.variables([2] * 40)
    graph = FactorGraph(names, [Factor(pair, [[1, 2], [2, 1]]) for pair in combinations(names, 2)])
    with pytest.raises(TooLargeError, match=r"a clique of about 1\.1e\+12 joint states \(40 variables\)"):
        exact_marginals(graph)


@given(st.integers(0, 2**32))
def test_the_compiled_tree_is_exact_on_loops(seed):
    graph = graph_of(seed)
    evidence = random_graphs.evidence(graph, seed)
    try:
        expected = exact_marginals(graph, evidence)
    except InconsistentEvidenceError:
        with pytest.raises(InconsistentEvidenceError):
            compile_graph(graph, evidence, construction="junction-tree")
        return
    model = compile_graph(graph, evidence, construction="junction-tree")
    assert model.beliefs(forward(model.tokens, model.weights, keep="last")).distance(expected.beliefs) <= 1e-12


def test_the_report_of_a_junction_tree():
    graph = load_graph("asia")
    model = compile_graph(graph, {"xray": "yes"}, construction="junction-tree")
    report = verify_model(model)
    assert (report.status, report.max_message_error, report.max_belief_error) == ("exact", None, None)
    assert report.transformer_vs_exact <= 1e-15
    assert report.holds
    assert f"{len(model.tokens)} tokens" in model.note
    assert "joint states" in str(report)
    assert "MiB" in model.note
    early = verify_model(compile_graph(graph, construction="junction-tree", rounds=model.exact_after - 1))
    assert early.status == "not converged"
    assert not early.holds
    assert verify_model(compile_graph(graph, construction="junction-tree", damping=0.5)).status == "not converged"
    with pytest.raises(UnsupportedModelError, match="between cliques"):
        model.messages(forward(model.tokens, model.weights))


def test_loops_that_only_a_search_sees():
    names = random_graphs.variables([2] * 3)
    cycle = FactorGraph(names, [Factor((names[i], names[(i + 1) % 3]), [[0, 1], [1, 0]]) for i in range(3)])
    for run in (exact_marginals, lambda graph: compile_graph(graph, construction="junction-tree")):
        with pytest.raises(InconsistentEvidenceError):
            run(cycle)


def test_memory_is_stated_before_anything_is_built():
    names = random_graphs.variables([2] * 29)
    dense = FactorGraph(names, [Factor(pair, [[1, 2], [2, 1]]) for pair in combinations(names, 2)])
    with pytest.raises(
        TooLargeError, match=r"1 cliques, at most 5\.37e\+08 joint states each: up to 5\.37e\+08 tokens"
    ):
        compile_graph(dense, construction="junction-tree")
    small = FactorGraph(names[:12], [Factor(pair, [[1, 2], [2, 1]]) for pair in combinations(names[:12], 2)])
    with pytest.raises(TooLargeError, match=r"more than 4\.1e\+03 tokens, at least 0\.0 GiB; the limit is"):
        compile_graph(small, construction="junction-tree", memory_limit=2**20)
    with pytest.raises(TooLargeError, match=r"at most 4\.1e\+03 joint states each: \d+ tokens of width \d+ need about"):
        compile_graph(small, construction="junction-tree", memory_limit=7 * 2**20)
    assert len(compile_graph(small, construction="junction-tree").tokens) > 2**12
