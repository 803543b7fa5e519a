"""Samples against the joint by enumeration: exact, by belief propagation, with look-ahead, out of a transformer."""

import itertools

import numpy as np
import pytest
from scipy.stats import chisquare

import bnt
from bnt import BntError, Factor, FactorGraph, InconsistentEvidenceError, TooLargeError, Variable
from bnt.generation.sampling import sample, sampling_law
from bnt.generation.temperature import temperature_law
from tests import naive


def spins(edges, couplings, fields):
    """exp(sum h s + sum J s s'), s = -1, +1."""
    v = [Variable(f"x{i}", ["0", "1"]) for i in range(len(fields))]
    s = np.array([-1.0, 1.0])
    factors = [Factor((x,), log_table=h * s) for x, h in zip(v, fields, strict=True)]
    factors += [Factor((v[i], v[j]), log_table=J * np.outer(s, s)) for (i, j), J in zip(edges, couplings, strict=True)]
    return FactorGraph(v, factors)


def table_of(graph, evidence=None):
    """p(x | evidence) as an array, by enumeration."""
    weights = np.array(list(naive.joint(graph, evidence).values()))
    return (weights / weights.sum()).reshape([v.cardinality for v in graph.variables])


def drawn(edges, n, seed):
    rng = np.random.default_rng(seed)
    return spins(edges, rng.normal(size=len(edges)), 0.5 * rng.normal(size=n))


def divergence(q, p):
    return float((q * np.log(q / p)).sum())


TREE = [(0, 1), (1, 2), (1, 3), (3, 4)]
CYCLE = [(i, (i + 1) % 5) for i in range(5)]
K4 = list(itertools.combinations(range(4), 2))
FRIENDS = spins(K4, np.ones(6), np.full(4, 0.01))  # the four friends of lesson 04: theta .02


@pytest.mark.parametrize("edges", [TREE, CYCLE, K4], ids=["tree", "cycle", "K4"])
def test_exact_conditionals_are_the_joint_in_any_order(edges):
    graph = drawn(edges, 1 + max(map(max, edges)), 3)
    names = list(graph.index)
    for order, evidence in ((None, None), (names[::-1], None), (None, {"x2": [0.2, 0.9]})):
        np.testing.assert_allclose(sampling_law(graph, evidence, order=order), table_of(graph, evidence), atol=1e-14)
    given = sampling_law(graph, {"x1": "1"}, order=["x0", "x3", "x2", *names[4:]])
    np.testing.assert_allclose(given, table_of(graph, {"x1": "1"}), atol=1e-14)


@pytest.mark.parametrize("temperature", [0.5, 1.7])
def test_temperature_against_its_law_and_look_ahead_against_the_power(temperature):
    graph = drawn(CYCLE, 5, 4)
    order = ["x3", "x0", "x4", "x1", "x2"]
    found = temperature_law(table_of(graph), temperature, [3, 0, 4, 1, 2])
    np.testing.assert_allclose(sampling_law(graph, None, temperature, order=order), found.sampled, atol=1e-14)
    np.testing.assert_allclose(sampling_law(graph, None, temperature, "look-ahead"), found.power, atol=1e-14)
    soft = {"x2": [0.2, 0.9], "x4": "0"}
    powers = table_of(graph, soft) ** (1 / temperature)
    ahead = sampling_law(graph, soft, temperature, "look-ahead", order=["x2", "x0", "x3", "x1"])
    np.testing.assert_allclose(ahead, powers / powers.sum(), atol=1e-14)


def test_belief_propagation_is_exact_on_a_tree_and_errs_once_on_a_cycle():
    tree = drawn(TREE, 5, 5)
    np.testing.assert_allclose(sampling_law(tree, method="bp"), table_of(tree), atol=1e-13)
    cycle = drawn(CYCLE, 5, 6)
    q, p = sampling_law(cycle, method="bp"), table_of(cycle)
    first = bnt.run_bp(cycle).beliefs.vector("x0")
    whole = divergence(q, p)
    assert whole > 1e-6
    assert abs(whole - divergence(first, p.sum((1, 2, 3, 4)))) <= 1e-12  # KL(q||p) = KL(b_1||p_1)
    np.testing.assert_allclose(q / q.sum((1, 2, 3, 4), keepdims=True), p / p.sum((1, 2, 3, 4), keepdims=True))


def test_four_friends():
    q, p = sampling_law(FRIENDS, method="bp"), table_of(FRIENDS)
    assert round(divergence(q, p), 4) == 0.6291
    assert round(divergence(q.sum((1, 2, 3)), p.sum((1, 2, 3))), 4) == 0.6286
    assert sample(FRIENDS, method="bp", n=3).status == "approximate"
    assert sample(FRIENDS, method="look-ahead", temperature=2, n=3).status == "exact"


@pytest.mark.parametrize("method", ["exact", "bp", "look-ahead"])
def test_samples_follow_their_law(method):
    graph = drawn(CYCLE, 5, 7)
    law = sampling_law(graph, {"x1": "0"}, 0.8, method)
    found = sample(graph, {"x1": "0"}, 0.8, method, n=20_000, seed=1)
    counts = np.zeros(law.shape)
    np.add.at(counts, tuple(found.states.T), 1)
    expected = 20_000 * law[law > 0]
    assert counts[law == 0].sum() == 0
    assert chisquare(counts[law > 0], expected).pvalue > 1e-3
    np.testing.assert_allclose(np.exp(found.log_probability), law[tuple(found.states.T)], atol=1e-14)
    np.testing.assert_allclose(found.frequency("x1"), [1.0, 0.0])


def test_what_one_holds_afterwards():
    found = sample(bnt.load_graph("sprinkler"), {"wet_grass": "yes"}, n=4, seed=np.random.default_rng(2))
    assert len(found) == 4
    assert {row["wet_grass"] for row in found} == {"yes"}
    assert found.to_frame().shape == (4, 4)
    assert "4 samples of p" in found._repr_html_()
    assert repr(sample(FRIENDS, temperature=0.5)) == (
        "<Samples: 1 of p^(1/0.5), normalised at every step; conditionals exact>"
    )
    again = sample(bnt.load_graph("sprinkler"), {"wet_grass": "yes"}, n=4, seed=2)
    np.testing.assert_array_equal(found.states, again.states)


def test_a_pgmpy_model_and_a_compiled_one():
    model, graph = bnt.load_network("sprinkler"), bnt.load_graph("sprinkler")
    evidence = {"wet_grass": "yes"}
    np.testing.assert_allclose(sampling_law(model, evidence), table_of(graph, evidence), atol=1e-14)
    tree = drawn([(0, 1), (1, 2)], 3, 8)
    compiled = bnt.compile_graph(tree, {"x2": "1"})
    assert compiled.construction == "pairwise"
    np.testing.assert_allclose(sampling_law(compiled), table_of(tree, {"x2": "1"}), atol=1e-13)
    out = sampling_law(compiled, method="transformer")
    np.testing.assert_allclose(out, table_of(tree, {"x2": "1"}), atol=1e-12)
    np.testing.assert_allclose(
        sampling_law(compiled, None, 0.5, "transformer"), sampling_law(tree, {"x2": "1"}, 0.5), atol=1e-12
    )
    with pytest.raises(BntError, match="has its evidence already"):
        sample(compiled, {"x0": "0"})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "gibbs"}, "unknown method 'gibbs'; valid: exact, bp, look-ahead, transformer"),
        ({"temperature": 0.0}, "temperature must be a finite number above 0"),
        ({"n": 0}, "n must be a whole number of at least 1"),
        ({"seed": -1}, "seed must be a whole number of at least 0"),
        ({"order": ["x0", "x1"]}, "order must name each of these once: x0, x1, x2, x3"),
        ({"order": ["x0", "x1", "x2", "y"]}, "order names 'y'"),
    ],
)
def test_what_is_refused(options, words):
    with pytest.raises(BntError, match=words):
        sample(FRIENDS, **options)


@pytest.mark.parametrize("method", ["exact", "bp", "look-ahead", "transformer"])
def test_impossible_evidence_on_every_variable_is_named_too(method):
    a, b = (Variable(name, ["0", "1"]) for name in "ab")
    graph = FactorGraph([a, b], [Factor((a, b), [[1.0, 0.0], [0.5, 1.0]])])
    for ask in (sample, sampling_law):
        with pytest.raises(InconsistentEvidenceError, match="probability zero: a=0, b=1"):
            ask(graph, {"a": "0", "b": "1"}, method=method)
    assert sample(graph, {"a": "1", "b": "0"}, method=method).states.tolist() == [[1, 0]]


def test_the_law_over_a_million_joint_states_is_refused_at_once():
    graph = FactorGraph([Variable(f"v{i}", ["0", "1"]) for i in range(20)], [])
    with pytest.raises(TooLargeError, match="the law over all joint states"):
        sampling_law(graph)
    seen = {f"v{i}": "0" for i in range(16)}
    assert sampling_law(graph, seen).sum() == pytest.approx(1.0)


@pytest.mark.parametrize("method", ["exact", "bp"])
def test_nearly_no_temperature_at_all(method):
    v = [Variable(f"v{i}", ["0", "1"]) for i in range(2)]
    p = np.array([[0.28, 0.28], [0.43, 0.01]])
    for temperature in (1e-20, 1e-300):
        for law in (
            sampling_law(FactorGraph(v, [Factor(v, p)]), None, temperature, method),
            temperature_law(p, temperature).sampled,
        ):
            np.testing.assert_allclose(law, [[0.5, 0.5], [0, 0]], atol=1e-12)
    np.testing.assert_allclose(temperature_law(np.ones((2, 3)), 1e-300).power, 1 / 6)
    for ask in (sample, sampling_law, temperature_law):
        with pytest.raises(BntError, match="its inverse to be finite"):
            ask(FactorGraph(v, []), temperature=1e-309)


def test_impossible_evidence_is_named():
    a, b = Variable("a", ["0", "1"]), Variable("b", ["0", "1"])
    equal = FactorGraph([a, b], [Factor((a, b), np.eye(2))])
    np.testing.assert_allclose(sampling_law(equal), np.eye(2) / 2)
    c = Variable("c", ["0", "1"])
    with pytest.raises(InconsistentEvidenceError, match="probability zero"):
        sample(FactorGraph([a, b, c], [Factor((a, b), np.eye(2)), Factor((b, c), np.eye(2))]), {"a": "0", "c": "1"})
