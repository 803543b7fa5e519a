"""Leaf tokens in the general construction: the messages of the full tables, one token per leaf."""

import dataclasses

import numpy as np
import pytest

from bnt.compiler.compile import compile_graph
from bnt.compiler.configurations import configurations
from bnt.compiler.general import certified_constants
from bnt.compiler.layout import ffn
from bnt.compiler.verify import verify_model
from bnt.errors import InconsistentEvidenceError
from bnt.graph.factor_graph import Factor, FactorGraph, Variable
from bnt.graph.leaves import LeafFactor, hidden_leaves, tree_cpd
from bnt.inference.belief_propagation import run_bp
from bnt.inference.exact import exact_marginals
from bnt.transformer.blocks import FFN, Weights
from bnt.transformer.forward import forward, run_layers
from tests import naive, random_graphs, random_leaves

ROUNDS = 12


def switch(parents, states=2, children=("y",), seed=0):
    """z chooses which of x0, x1, ... the children listen to; all parents have priors."""
    rng = np.random.default_rng(seed)
    z = Variable("z", [str(k) for k in range(parents)])
    xs = [Variable(f"x{k}", [str(a) for a in range(states)]) for k in range(parents)]
    ys = [Variable(name, ("no", "yes")) for name in children]

    def tree():
        return {
            "z": {z.states[k]: {x.name: {a: rng.dirichlet([1.0, 1.0]) for a in x.states}} for k, x in enumerate(xs)}
        }

    factors = [tree_cpd(y, [z, *xs], tree()) for y in ys]
    factors += [Factor((v,), rng.dirichlet(np.ones(v.cardinality))) for v in (z, *xs, *ys)]
    return FactorGraph([z, *xs, *ys], factors)


def compare(seeds):
    """Largest difference from ``run_bp`` on the tables written out, over every message of every round."""
    worst, compared, open_slots = 0.0, 0, 0
    for seed in seeds:
        graph = random_leaves.loopy(seed, zeros=0.2 if seed % 3 == 0 else 0.0)
        evidence = random_graphs.evidence(graph, seed) if seed % 4 == 1 else None
        damping = 0.4 if seed % 5 == 2 else 0.0
        try:
            model = compile_graph(graph, evidence, rounds=ROUNDS, construction="general", damping=damping)
        except InconsistentEvidenceError:
            continue
        tables = run_bp(
            random_leaves.written_out(graph),
            evidence,
            schedule="flooding",
            rounds=ROUNDS,
            damping=damping,
            keep_history=True,
        )
        compared += 1
        open_slots += "norm" in model.layout.columns
        attention = "dense" if seed % 2 else "gather"
        for r, (inside, _) in enumerate(run_layers(model.tokens, model.weights, attention), start=1):
            worst = max(worst, model.beliefs_of(inside[-1]).distance(tables.beliefs_after(r - 1)))
            if r <= ROUNDS:
                expected = np.concatenate([np.zeros(0), *tables.messages_after(r).values()])
                found = np.exp(model.messages_of(inside[-1]))
                worst = max(worst, float(np.abs(found - np.exp(expected)).max(initial=0.0)))
    return worst, compared, open_slots


def test_every_message_of_every_round_is_that_of_the_full_tables():
    worst, compared, open_slots = compare(range(24))
    assert worst <= 1e-12
    assert compared >= 18
    assert open_slots >= 15


@pytest.mark.slow
def test_so_on_200_networks():
    worst, compared, open_slots = compare(range(1000, 1240))
    print(f"{compared} networks, {ROUNDS} rounds, {open_slots} with open slots: worst {worst:.1e}")
    assert worst <= 1e-12
    assert compared >= 200


def test_messages_equal_the_slow_twin():
    for seed in range(4):
        graph = random_leaves.loopy(seed, most_arity=4)
        model = compile_graph(graph, rounds=2, construction="general")
        trace = forward(model.tokens, model.weights, attention="dense")
        slow, _ = naive.bp_messages(random_leaves.written_out(graph), None, 2)
        for r, expected in enumerate(slow):
            found = model.messages(trace, r)
            assert found.keys() == expected.keys()
            for key, message in expected.items():
                assert np.abs(np.exp(found[key]) - message).max() <= 1e-13


@pytest.mark.parametrize("attention", ["dense", "gather"])
def test_verify_model_holds(attention):
    model = compile_graph(switch(3, children=("y", "w")), rounds=8)
    report = verify_model(model, attention=attention)
    assert report.holds
    assert report.max_message_error <= 1e-14
    assert report.status == "approximate"  # two children of the same parents are a loop
    assert "FFNs 1 and 2 of each layer use a floored logarithm" in report.note


def test_16_parents_are_64_tokens_and_no_table_is_made():
    graph = switch(16)
    model = compile_graph(graph)
    kinds = model.layout.kinds
    assert len(range(*kinds["configuration"].indices(model.layout.size))) == 64
    assert len(model.tokens) == 64 + 2 * 50 + 18 + 1  # leaves, entries and states, messages, the sink
    beliefs = model.beliefs(forward(model.tokens, model.weights, keep="last"))
    exact = exact_marginals(hidden_leaves(graph)).beliefs
    assert max(np.abs(beliefs.vector(v.name) - exact.vector(v.name)).max() for v in graph.variables) <= 1e-14
    made = [factor.listed for factor in (*graph.factors, *model.reduced.factors) if hasattr(factor, "listed")]
    assert len(made) == 2
    assert not any("log_table" in listed.__dict__ for listed in made)


def test_60_parents_whose_table_nobody_could_hold():
    graph = switch(60)
    evidence = {"x3": "1", "y": "yes"}
    model = compile_graph(graph, evidence)
    assert len(model.layout.labels["configuration"]) == 2 * 60 - 1  # given y, and x3
    beliefs = model.beliefs(forward(model.tokens, model.weights, keep="last"))
    exact = exact_marginals(hidden_leaves(graph), evidence).beliefs
    assert max(np.abs(beliefs.vector(v.name) - exact.vector(v.name)).max() for v in graph.variables) <= 1e-14


def test_an_open_slot_that_counts_as_one_is_wrong():
    """Messages are not normalised, so the sums of open slots matter: without them the layer is off, and we are told."""
    model = compile_graph(switch(3, children=("y", "w")), rounds=4)
    places = [s for s, sub in enumerate(model.weights.layers[0]) if isinstance(sub, FFN)]
    silent = ffn(model.layout, [({"norm": -1.0}, 0.0, {"norm": 1.0}), ({"norm": 1.0}, 0.0, {"norm": -1.0})], "relu")
    layer = list(model.weights.layers[0])
    layer.insert(places[0] + 1, silent)
    broken = dataclasses.replace(model, weights=Weights((tuple(layer),) * len(model.weights.layers)))
    report = verify_model(broken)
    assert not report.holds
    assert report.max_message_error > 0.01


def test_pairs_that_do_not_match_weigh_exactly_zero():
    model = compile_graph(random_leaves.loopy(3), rounds=4, construction="general")
    _, routing = certified_constants(configurations(model.reduced))
    checked = 0
    stream = model.tokens
    for inside, _ in run_layers(model.tokens, model.weights, patterns=True):
        for sublayer, stream in zip(model.weights.layers[0], inside, strict=False):
            for head in getattr(sublayer, "heads", ()):
                scores = (stream @ head.W_Q) @ (stream @ head.W_K).T
                code = (stream @ head.W_Q[:, : head.code]) @ (stream @ head.W_K[:, : head.code]).T
                best = np.where(code == 0, scores, -np.inf).max(axis=1, keepdims=True)
                assert (np.where(code == 0, -np.inf, scores) < best - 746).all()
                checked += 1
    slots = max(len(factor.scope) for factor in model.reduced.factors)
    assert checked == 5 * (1 + 5 * slots)
    assert routing > 2 * 746


def test_zero_leaves_that_leave_nothing_possible_are_refused():
    a, b, c = random_graphs.variables([2, 2, 2])
    differ = [({"x0": "s0", "x1": "s0"}, 0.0), ({"x0": "s0", "x1": "s1"}, 1.0), ({"x0": "s1", "x1": "s0"}, 1.0)]
    cycle = []
    for one, two in ((a, b), (b, c), (c, a)):
        names = {"x0": one.name, "x1": two.name}
        leaves = [({names[v]: s for v, s in states.items()}, value) for states, value in differ]
        cycle.append(LeafFactor((one, two), [*leaves, ({one.name: "s1", two.name: "s1"}, 0.0)]))
    with pytest.raises(InconsistentEvidenceError, match="no joint configuration is possible"):
        compile_graph(FactorGraph([a, b, c], cycle))
    model = compile_graph(FactorGraph([a, b, c], cycle[:2]), {"x0": "s0"})
    assert model.support == "checked"
    assert model.beliefs(forward(model.tokens, model.weights)).vector("x2").tolist() == [1.0, 0.0]


def test_other_constructions_take_leaves_as_tables():
    graph = random_leaves.loopy(8, most_arity=3)
    expected = exact_marginals(random_leaves.written_out(graph)).beliefs
    model = compile_graph(graph, construction="junction-tree")
    beliefs = model.beliefs(forward(model.tokens, model.weights, keep="last"))
    assert beliefs.distance(expected) <= 1e-13


def test_without_open_slots_the_layer_is_the_one_of_tables():
    pair = random_graphs.variables([3, 2])
    leaves = [
        ({"x0": s, "x1": t}, 1.0 + i + 2 * j)
        for i, s in enumerate(pair[0].states)
        for j, t in enumerate(pair[1].states)
    ]
    one = compile_graph(FactorGraph(pair, [LeafFactor(pair, leaves)]), construction="general")
    other = compile_graph(FactorGraph(pair, [Factor(pair, [[1, 3], [2, 4], [3, 5]])]), construction="general")
    assert "norm" not in one.layout.columns
    assert np.abs(one.tokens - other.tokens).max() <= 1e-15
