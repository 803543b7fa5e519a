"""Compiled transformers on the benchmark networks and at scale. The long half is marked slow."""

import time
import tracemalloc
import warnings

import numpy as np
import pytest

from bnt.compiler.compile import compile_graph
from bnt.compiler.verify import verify_model
from bnt.errors import TooLargeError
from bnt.graph.factor_graph import Factor, FactorGraph
from bnt.graph.networks import grid, load_graph, load_network
from bnt.inference.exact import exact_marginals
from bnt.transformer.blocks import Weights
from bnt.transformer.forward import forward, run_layers
from tests import random_graphs
from tests.every import EVERY

slow = pytest.mark.slow
QUICK = ["asia", "cancer", "earthquake", "survey", "sachs", "child"]
DENSE = [
    *QUICK,
    "alarm",
    pytest.param("insurance", marks=slow),
    pytest.param("hepar2", marks=slow),
]  # up to 3000 tokens
TREES = [
    *QUICK,
    "insurance",
    "alarm",
    "hailfinder",
    "hepar2",
    *(pytest.param(n, marks=slow) for n in (("andes", "pigs") if EVERY else ("andes",))),  # pigs takes minutes
]
ALL = [*QUICK, "insurance", "alarm", "hailfinder", "hepar2", "andes", "pigs", "munin1"]


@pytest.fixture
def graph_of(benchmark_networks):
    def load(name):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # columns renormalised, as the loader says
            return load_graph(benchmark_networks / f"{name}.bif.gz")

    return load


def sampled_evidence(graph, count, seed):
    """States of ``count`` variables in one ancestral sample, so that the evidence is possible."""
    rng = np.random.default_rng(seed)
    state = {}
    waiting = list(graph.factors)
    while waiting:
        for factor in list(waiting):
            new = [v for v in factor.variables if v.name not in state]
            if len(new) <= 1:
                waiting.remove(factor)
            if len(new) == 1:
                p = factor.table[tuple(state.get(v.name, slice(None)) for v in factor.variables)]
                state[new[0].name] = int(rng.choice(len(p), p=p / p.sum()))
    names = rng.choice(list(state), min(count, len(state) // 2), replace=False)
    return {str(name): graph.variable(name).states[state[name]] for name in names}


@pytest.mark.parametrize("observed", [0, 4])
@pytest.mark.parametrize("name", ALL)
def test_general_equals_bp_in_every_message_of_every_round(graph_of, name, observed):
    graph = graph_of(name)
    model = compile_graph(graph, sampled_evidence(graph, observed, 1), rounds=15, construction="general")
    report = verify_model(model, attention="gather", exact=False)
    assert max(report.max_message_error, report.max_belief_error) <= 1e-12
    assert report.message_errors.shape == (15,)


@pytest.mark.parametrize("name", DENSE)
def test_dense_equals_gather_in_every_column(graph_of, name):
    graph = graph_of(name)
    model = compile_graph(graph, rounds=7, construction="general")
    assert len(model.tokens) <= 3000
    both = (run_layers(model.tokens, model.weights, how) for how in ("dense", "gather"))
    for (dense, _), (sparse, _) in zip(*both, strict=True):
        scale = 1 + np.abs(dense[-1])
        assert (np.abs(dense[-1] - sparse[-1]) / scale).max() <= 1e-12


def variable_elimination(network, evidence, names):
    """Marginals by pgmpy."""
    from pgmpy.inference import VariableElimination

    engine = VariableElimination(network)
    out = {}
    for name in names:
        answer = engine.query([name], evidence=evidence, show_progress=False)
        out[name] = {state: answer.get_value(**{name: state}) for state in answer.state_names[name]}
    return out


@pytest.mark.timeout(1800)
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize("name", TREES)
def test_junction_tree_equals_variable_elimination(graph_of, benchmark_networks, name):
    graph = graph_of(name)
    network = load_network(benchmark_networks / f"{name}.bif.gz")
    for seed, observed in ((0, 0), (1, 3), (2, 8)) if name not in ("andes", "pigs") else ((2, 8),):  # minutes each
        evidence = sampled_evidence(graph, observed, seed)
        free = [v.name for v in graph.variables if v.name not in evidence]
        names = np.random.default_rng(seed).choice(free, min(6, len(free)), replace=False).tolist()
        model = compile_graph(graph, evidence, construction="junction-tree", memory_limit=8 * 2**30)
        beliefs = model.beliefs(forward(model.tokens, model.weights, keep="last"))
        exact = exact_marginals(graph, evidence)
        assert evidence or abs(exact.log_z) <= 1e-13  # measured 1e-14: a Bayesian network sums to one
        assert beliefs.distance(exact.beliefs) <= 1e-10
        for query, expected in variable_elimination(network, evidence, names).items():
            for state, p in expected.items():
                assert abs(beliefs[query][state] - p) <= 1e-10, (query, state)
                assert abs(exact.beliefs[query][state] - p) <= 1e-10, (query, state)


def test_munin1_is_refused_with_its_size(graph_of):
    graph = graph_of("munin1")
    says = r"159 cliques, at most 7\.84e\+07 joint states each: up to 1\.95e\+08 tokens, at least 2\.9 GiB"
    with pytest.raises(TooLargeError, match=says):
        compile_graph(graph, construction="junction-tree")
    with pytest.raises(TooLargeError, match=r"1\.95e\+08 joint states, 7\.84e\+07 of them in its largest clique"):
        exact_marginals(graph)


def test_alarm_is_exact_on_the_tree_and_approximate_without(graph_of):
    graph = graph_of("alarm")
    evidence = sampled_evidence(graph, 4, 3)
    tree = verify_model(compile_graph(graph, evidence, construction="junction-tree"))
    assert (tree.status, tree.holds) == ("exact", True)
    loopy = verify_model(compile_graph(graph, evidence))
    assert loopy.status in ("approximate", "not converged")
    assert loopy.transformer_vs_exact > 1e-6
    assert loopy.holds


def large_network(variables=1000, seed=0):
    """A Bayesian network of up to 20 states per variable, two parents, sparse tables."""
    rng = np.random.default_rng(seed)
    cards = rng.integers(2, 21, variables)
    names = random_graphs.variables(cards)
    factors = []
    for i in range(variables):
        nearby = np.arange(max(0, i - 30), i)
        parents = rng.choice(nearby, min(i, 2), replace=False).tolist()
        while parents and np.prod(cards[parents]) * cards[i] > 300:
            parents.pop()
        table = rng.uniform(0.01, 1.0, [*cards[parents], cards[i]])
        zero = rng.random(table.shape) < 0.6
        zero[..., 0] &= ~zero.all(axis=-1)
        table[zero] = 0.0
        table /= table.sum(-1, keepdims=True)
        factors.append(Factor([names[p] for p in [*parents, i]], table))
    return FactorGraph(names, factors)


@slow
def test_a_thousand_variables_run_thirty_layers_in_seconds():
    graph = large_network()
    entries = sum(int(np.count_nonzero(factor.table)) for factor in graph.factors)
    start = time.perf_counter()
    model = compile_graph(graph, rounds=29)
    forward(model.tokens, model.weights, keep="last")
    seconds = time.perf_counter() - start
    tracemalloc.start()
    model = compile_graph(graph, rounds=2)
    forward(model.tokens, model.weights, keep="last")
    peak = tracemalloc.get_traced_memory()[1] / 2**30
    tracemalloc.stop()
    print(f"{entries} nonzero entries, {len(model.tokens)} tokens: {seconds:.1f} s, peak {peak:.2f} GiB")
    assert (entries >= 45_000, max(v.cardinality for v in graph.variables)) == (True, 20)
    assert seconds < 30
    assert peak < 1
    report = verify_model(compile_graph(graph, rounds=8), exact=False)
    assert max(report.max_message_error, report.max_belief_error) <= 1e-12


@slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("construction", ["pairwise", "general"])
def test_cost_per_layer_is_linear_in_tokens(construction):
    sides = (10, 20, 40, 80, *([140, 200] if construction == "pairwise" or EVERY else []))
    tokens, seconds = [], []
    for side in sides:
        model = compile_graph(grid(side, side), rounds=5, construction=construction, memory_limit=8 * 2**30)

        def run(layers, model=model):
            start = time.process_time()  # other work on the machine does not count
            some = Weights(model.weights.layers[:layers])
            forward(model.tokens, some, keep="last", attention="gather")
            return time.process_time() - start

        short, long = (min(run(layers) for _ in range(3)) for layers in (1, 6))
        tokens.append(len(model.tokens))
        seconds.append((long - short) / 5)
    exponent = np.polyfit(np.log(tokens[1:]), np.log(seconds[1:]), 1)[0]
    print(f"{construction}: exponent {exponent:.2f}; tokens {tokens}, seconds per layer {np.round(seconds, 4)}")
    assert 0.8 < exponent < 1.25
