"""The general construction: any discrete factor graph, zeros and evidence included, message by message."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnt.compiler.compile import compile_graph
from bnt.compiler.configurations import configurations
from bnt.compiler.general import certified_constants, general_layer
from bnt.compiler.verify import verify_model
from bnt.errors import InconsistentEvidenceError, TooLargeError, UnsupportedModelError
from bnt.graph.evidence import absorb
from bnt.graph.factor_graph import Factor, FactorGraph, Variable
from bnt.graph.networks import load_graph
from bnt.transformer.blocks import Weights
from bnt.transformer.forward import forward, run_layers
from tests import naive, random_graphs


def graph_of(seed):
    """A random graph with zeros: a forest or with loops, cardinality 2-5, arity 1-4."""
    return random_graphs.loopy(seed, zeros=0.25) if seed % 2 else random_graphs.forest(seed)


def test_every_message_of_every_round_equals_bp_on_200_graphs_with_zeros():
    possible = 0
    for seed in range(240):
        graph = graph_of(seed)
        evidence = random_graphs.evidence(graph, seed) if seed % 3 else None
        damping = 0.3 if seed % 5 == 0 else 0.0
        try:
            model = compile_graph(graph, evidence, rounds=12, construction="general", damping=damping)
        except InconsistentEvidenceError:
            continue
        report = verify_model(model, attention="dense" if seed % 4 else "gather", exact=False)
        assert max(report.max_message_error, report.max_belief_error) <= 1e-12, (seed, str(report))
        possible += 1
    assert possible >= 200


@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.5]))
def test_messages_equal_the_slow_twin(seed, damping):
    graph = graph_of(seed)
    evidence = random_graphs.evidence(graph, seed, share=0.4)
    try:
        model = compile_graph(graph, evidence, rounds=3, construction="general", damping=damping)
    except InconsistentEvidenceError:
        return
    trace = forward(model.tokens, model.weights, attention="dense")
    slow, field = naive.bp_messages(graph, evidence, 3, damping=damping)
    for r, expected in enumerate(slow):
        found = model.messages(trace, r)
        assert found.keys() == expected.keys()
        for key, message in expected.items():
            assert np.abs(np.exp(found[key]) - message).max() <= 1e-12
        observed = {graph.variables[i].name for i in model.reduced.evidence.hard}
        for name, vector in naive.bp_beliefs(graph, expected, field).items():
            if name not in observed:
                assert np.abs(model.beliefs(trace, r + 1).vector(name) - vector).max() <= 1e-12


@given(st.integers(0, 2**32))
def test_a_forest_is_exact(seed):
    graph = random_graphs.forest(seed)
    evidence = random_graphs.evidence(graph, seed, share=0.3)
    try:
        expected, _ = naive.marginals(graph, evidence)
        model = compile_graph(graph, evidence, construction="general")
    except InconsistentEvidenceError:
        return
    assert len(model.weights.layers) == model.exact_after + 1
    beliefs = model.beliefs(forward(model.tokens, model.weights, keep="last"))
    for name, vector in expected.items():
        assert np.abs(beliefs.vector(name) - vector).max() <= 1e-12


def test_it_agrees_with_the_pairwise_construction():
    graph = random_graphs.pairwise(3, 2.0)
    one, other = (compile_graph(graph, rounds=9, construction=name) for name in ("pairwise", "general"))
    a, b = (model.beliefs(forward(model.tokens, model.weights, keep="last")) for model in (one, other))
    assert a.distance(b) <= 1e-13


def test_auto_takes_pairwise_where_it_applies():
    assert compile_graph(random_graphs.pairwise(3)).construction == "pairwise"
    twice = random_graphs.variables([2, 2])
    factors = [Factor(twice, [[1, 2], [3, 4]]), Factor(twice, [[5, 6], [7, 8]])]
    model = compile_graph(FactorGraph(twice, factors))
    assert model.construction == "general"  # two factors over one pair are a loop of belief propagation
    assert verify_model(model).status == "approximate"
    assert compile_graph(load_graph("asia")).construction == "general"


def test_dense_gives_exactly_zero_to_every_pair_that_does_not_match():
    model = compile_graph(load_graph("asia"), rounds=3)
    trace = forward(model.tokens, model.weights, attention="dense")
    checked = 0
    for layer in (0, 2):
        for s, sublayer in enumerate(model.weights.layers[0]):
            for h, head in enumerate(getattr(sublayer, "heads", ())):
                stream = trace.residual[layer][s]
                code = (stream @ head.W_Q[:, : head.code]) @ (stream @ head.W_K[:, : head.code]).T
                weight = trace.attention[layer][s][h]
                assert (weight[code != 0] == 0.0).all()
                assert np.abs(weight.sum(1) - 1).max() <= 1e-14
                checked += 1
    assert checked == 2 * (1 + 3 * 3)


def test_gather_and_dense_agree_in_every_column():
    for name, evidence in (("asia", {"xray": "yes"}), ("survey", None), ("sprinkler", None)):
        model = compile_graph(load_graph(name), evidence, rounds=6, construction="general")
        dense, sparse = (forward(model.tokens, model.weights, attention=how) for how in ("dense", "gather"))
        for a, b in zip(dense.residual, sparse.residual, strict=True):
            assert max(np.abs(x - y).max() for x, y in zip(a, b, strict=True)) <= 1e-12


def with_routing(model, routing):
    """The same model with another penalty per differing code bit."""
    slots = sum(name.startswith("slot") for name in model.layout.columns)
    fan_in = 2 ** int(np.diff(model.flat.variable_ptr).max()).bit_length()
    layer = general_layer(model.layout, slots, fan_in, routing, model.damping)
    return dataclasses.replace(model, weights=Weights((layer,) * len(model.weights.layers)))


def test_a_routing_constant_below_the_certified_one_fails_in_dense_attention():
    """A hub's messages contradict each other, so its scores are low: a cheap mismatch beats them; gather looks fine."""
    names = random_graphs.variables([2] * 61)
    rng = np.random.default_rng(0)
    factors = [Factor((names[0], leaf), log_table=rng.normal(0, 12, (2, 2))) for leaf in names[1:]]
    model = compile_graph(FactorGraph(names, factors), construction="general")
    _, certified = certified_constants(configurations(model.reduced))
    assert certified > 746 + 512

    def error(routing, attention):
        return verify_model(with_routing(model, routing), attention=attention, exact=False).max_message_error

    assert error(128.0, "gather") <= 1e-12
    assert error(128.0, "dense") > 0.1
    for routing in (certified, 8 * certified):
        assert max(error(routing, "gather"), error(routing, "dense")) <= 1e-12


def test_scores_stay_within_the_certified_bound():
    """The largest gap between two scores of matching pairs, in any head and layer, leaves 746 to a mismatch."""
    for seed in range(20):
        graph = graph_of(seed)
        model = compile_graph(graph, rounds=6, construction="general")
        _, routing = certified_constants(configurations(model.reduced))
        stream = model.tokens
        for inside, _ in run_layers(model.tokens, model.weights, patterns=True):
            for sublayer, stream in zip(model.weights.layers[0], inside, strict=False):
                for head in getattr(sublayer, "heads", ()):
                    scores = (stream @ head.W_Q) @ (stream @ head.W_K).T
                    code = (stream @ head.W_Q[:, : head.code]) @ (stream @ head.W_K[:, : head.code]).T
                    best = np.where(code == 0, scores, -np.inf).max(axis=1, keepdims=True)
                    wrong = np.where(code == 0, -np.inf, scores)
                    assert (wrong < best - 746).all()
        assert routing > 2 * 746


def test_width_does_not_grow_with_cardinality():
    def model(cardinality):
        names = random_graphs.variables([cardinality] * 3)
        rng = np.random.default_rng(0)
        factors = [Factor(names[i : i + 2], rng.random((cardinality,) * 2)) for i in range(2)]
        return compile_graph(FactorGraph(names, factors), construction="general")

    widths = {cardinality: model(cardinality).layout.width for cardinality in (2, 4, 16, 64)}
    bits = {2: 1, 4: 2, 16: 4, 64: 6}  # three code blocks of 2 bits: one per slot and one for states
    assert {c: width - widths[2] for c, width in widths.items()} == {c: 6 * (b - 1) for c, b in bits.items()}


def test_a_zero_in_soft_evidence_is_a_real_zero():
    graph = random_graphs.loopy(5)
    evidence = {graph.variables[0].name: np.arange(graph.variables[0].cardinality, dtype=float)}
    report = verify_model(compile_graph(graph, evidence, rounds=20, construction="general"), attention="dense")
    assert report.max_message_error <= 1e-12
    assert report.max_belief_error <= 1e-12


def test_extreme_potentials_need_no_normalisation():
    """Tables of e**+-300 and a hub whose messages contradict each other by hundreds of nats."""
    names = random_graphs.variables([2] * 81)
    rng = np.random.default_rng(0)
    factors = [
        Factor((names[0], leaf), log_table=rng.normal(0, 8, (2, 2)) + rng.choice([-300, 300])) for leaf in names[1:]
    ]
    report = verify_model(compile_graph(FactorGraph(names, factors), construction="general"), exact=False)
    assert max(report.max_message_error, report.max_belief_error) <= 1e-12


def test_evidence_of_probability_zero_is_refused():
    different = [[0, 1], [1, 0]]
    names = random_graphs.variables([2] * 3)
    cycle = FactorGraph(names, [Factor((names[i], names[(i + 1) % 3]), different) for i in range(3)])
    with pytest.raises(InconsistentEvidenceError, match="no joint configuration is possible"):
        compile_graph(cycle)
    path = FactorGraph(names, [Factor((names[i], names[i + 1]), different) for i in range(2)])
    with pytest.raises(InconsistentEvidenceError, match="x0=s0"):
        compile_graph(path, {"x0": "s0", "x2": "s1"})
    model = compile_graph(path, {"x0": "s0"})
    assert model.support == "checked"
    assert model.beliefs(forward(model.tokens, model.weights)).vector("x2").tolist() == [1.0, 0.0]


def test_a_belief_without_mass_is_refused_where_the_search_for_support_was_not_made():
    different = [[0, 1], [1, 0]]
    names = random_graphs.variables([2] * 4)
    fine = FactorGraph(names, [Factor((names[i], names[i + 1]), different) for i in range(3)])
    model = compile_graph(fine, construction="general", rounds=5)
    tokens = model.tokens.copy()
    theta = model.layout.position("theta")
    zero = certified_constants(configurations(absorb(fine, {"x0": [1, 1e-9]})))[0] - 1e6
    for kind in ("entry", "state"):  # x0 = s0 and x3 = s0 by force: impossible, three steps apart
        for row, (*_, variable, state) in enumerate(model.layout.labels[kind]):
            if variable in (0, 3) and state == 1:
                tokens[model.layout.rows(kind).start + row, theta] = zero
    forced = dataclasses.replace(model, tokens=tokens, support="unchecked")
    with pytest.raises(InconsistentEvidenceError, match=r"no state of 'x[0-3]' has mass"):
        forced.beliefs(forward(tokens, model.weights, keep="last"))


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"mode": "max"}, UnsupportedModelError, "mode='max' needs the pairwise construction"),
        ({"damping": 0.95}, UnsupportedModelError, "allows damping up to 0.9, not 0.95"),
        ({"memory_limit": 10_000}, TooLargeError, r"\d+ tokens of width \d+ need about .* GiB; the limit is"),
    ],
)
def test_what_it_cannot_do_is_said(options, error, says):
    with pytest.raises(error, match=says):
        compile_graph(load_graph("asia"), construction="general", **options)


def test_the_report_names_the_floored_logarithm():
    model = compile_graph(load_graph("sprinkler"), construction="general")
    assert "floored logarithm" in model.note
    assert "floored logarithm" in str(verify_model(model))
    activations = [sub.activation for sub in model.weights.layers[0] if hasattr(sub, "activation")]
    assert activations == ["floored log", "relu"]


def test_variables_of_one_state_and_of_none_of_the_factors():
    one, two = Variable("one", ("only",)), Variable("two", ("a", "b", "c"))
    model = compile_graph(FactorGraph([one, two], [Factor((one, two), [[1, 2, 5]])]))
    beliefs = model.beliefs(forward(model.tokens, model.weights))
    assert np.abs(beliefs.vector("two") - [1 / 8, 2 / 8, 5 / 8]).max() <= 1e-15
    alone = compile_graph(FactorGraph([two], []), construction="general")
    assert np.abs(alone.beliefs(forward(alone.tokens, alone.weights)).vector("two") - 1 / 3).max() <= 1e-15
