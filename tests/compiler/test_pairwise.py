"""The pairwise construction against a slow twin, run_bp and enumeration: every message of every round."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnt.compiler.compile import LOOPY_ROUNDS, compile_graph
from bnt.compiler.pairwise import ROUTING, updated_message
from bnt.compiler.verify import verify_model
from bnt.errors import BntError, UnsupportedModelError
from bnt.graph.factor_graph import Factor, FactorGraph, Variable
from bnt.inference.belief_propagation import run_bp
from bnt.inference.exact import exact_marginals
from bnt.transformer.forward import forward
from tests import naive, random_graphs

ROUNDS = 30


def graph_of(kind, seed):
    """A random binary pairwise graph: "tree", "loopy" or "complete"; 2-10 variables, potentials of sigma 1-3."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 11)) if kind == "tree" else int(rng.integers(3, 11))
    edges = random_graphs.tree_edges(n, rng)
    if kind == "loopy":
        more = [(i, j) for i in range(n) for j in range(i + 1, n) if rng.random() < 0.4]
        edges = sorted({*edges, *more, (0, 1), (1, 2), (0, 2)})
    if kind == "complete":
        edges = [(i, j) for i in range(n) for j in range(i + 1, n)]
    return random_graphs.pairwise(seed, sigma=float(rng.uniform(1, 3)), edges=edges)


def some_evidence(graph, seed):
    """Hard evidence on about a third of the variables."""
    return random_graphs.evidence(graph, seed, share=0.6, soft=False)


@pytest.mark.parametrize("observed", [False, True])
@pytest.mark.parametrize(
    ("kind", "count", "tolerance"),
    [("tree", 140, 1e-12), ("loopy", 125, 1e-12), ("complete", 35, 1e-11)],  # rounding grows on complete graphs
)
def test_every_message_of_every_round_equals_bp(kind, count, tolerance, observed):
    for seed in range(count):
        graph = graph_of(kind, seed)
        evidence = some_evidence(graph, seed) if observed else None
        report = verify_model(
            compile_graph(graph, evidence, rounds=ROUNDS, construction="pairwise"), exact=kind == "tree"
        )
        assert report.message_errors.shape == (ROUNDS,)
        assert report.belief_errors.shape == (ROUNDS + 1,)
        assert max(report.max_message_error, report.max_belief_error) <= tolerance, (seed, str(report))
        assert report.holds
        if kind == "tree":
            assert report.transformer_vs_exact <= 1e-12, seed


@given(
    st.integers(0, 2**32),
    st.sampled_from(["tree", "loopy"]),
    st.sampled_from(["sum", "max"]),
    st.sampled_from([0, 0.4]),
)
def test_messages_equal_the_slow_twin(seed, kind, mode, damping):
    graph = graph_of(kind, seed)
    evidence = random_graphs.evidence(graph, seed, share=0.5)
    model = compile_graph(graph, evidence, rounds=4, mode=mode, damping=damping)
    assert model.construction == "pairwise"
    trace = forward(model.tokens, model.weights)
    slow, field = naive.bp_messages(graph, evidence, 4, mode == "max", damping)
    for r, expected in enumerate(slow):
        found = model.messages(trace, r)
        assert found.keys() == expected.keys()
        for key, message in expected.items():
            assert np.abs(np.exp(found[key]) - message).max() <= 1e-11  # the twin works in probabilities
        beliefs = naive.bp_beliefs(graph, expected, field)
        for name, vector in beliefs.items():
            if not isinstance(evidence.get(name), str):
                assert np.abs(model.beliefs(trace, r + 1).vector(name) - vector).max() <= 1e-11


@pytest.mark.parametrize("sigma", [1.0, 3.0])
def test_a_hub_of_600_leaves(sigma):
    graph = random_graphs.pairwise(1, sigma, edges=[(0, leaf) for leaf in range(1, 601)])
    report = verify_model(compile_graph(graph, rounds=3), exact=False)
    assert max(report.max_message_error, report.max_belief_error) <= 1e-12
    assert (report.tokens, report.status) == (1200 + 601 + 1, "exact")


def test_relu_finds_the_most_probable_assignment_of_every_tree():
    for seed in range(140):
        graph = graph_of("tree", seed)
        model = compile_graph(graph, some_evidence(graph, seed) if seed % 2 else None, mode="max")
        beliefs = model.beliefs(forward(model.tokens, model.weights, keep="last"))
        best = exact_marginals(graph, model.evidence, mode="max").map_assignment  # potentials are continuous: no ties
        assert {name: max(p, key=p.get) for name, p in beliefs.items()} == best, seed


def test_sum_and_max_have_the_same_weights():
    graph = graph_of("loopy", 0)
    (attention, ffn), (other, relu) = (compile_graph(graph, mode=mode).weights.layers[0] for mode in ("sum", "max"))
    assert (ffn.activation, relu.activation) == ("softplus", "relu")
    assert (ffn.W_in == relu.W_in).all()
    assert (ffn.W_out == relu.W_out).all()
    for a, b in zip(attention.heads, other.heads, strict=True):
        assert all(
            (x == y).all() for x, y in zip((a.W_Q, a.W_K, a.W_V, a.W_O), (b.W_Q, b.W_K, b.W_V, b.W_O), strict=True)
        )


def test_weights_depend_on_the_size_class_alone():
    """Nine to sixteen variables, largest degree two or three: one set of weights, whatever the graph and its tables."""
    graphs = [
        random_graphs.pairwise(1, edges=[(i, i + 1) for i in range(8)]),
        random_graphs.pairwise(2, edges=[(i, i + 1) for i in range(15)] + [(15, 0)]),
        random_graphs.pairwise(3, edges=[(0, 5), (0, 6), (0, 7), (3, 10)]),
    ]
    models = [compile_graph(graph, rounds=5) for graph in graphs]
    first, ffn = models[0].weights.layers[0]
    for model in models[1:]:
        attention, other = model.weights.layers[0]
        assert all(
            (x == y).all() for x, y in ((ffn.W_in, other.W_in), (ffn.W_out, other.W_out), (ffn.b_in, other.b_in))
        )
        for a, b in zip(first.heads, attention.heads, strict=True):
            assert all(
                (x == y).all() for x, y in zip((a.W_Q, a.W_K, a.W_V, a.W_O), (b.W_Q, b.W_K, b.W_V, b.W_O), strict=True)
            )
    trace = forward(models[0].tokens, models[2].weights)  # one graph's tokens, another one's weights
    assert (models[0].beliefs(trace).flat == models[0].beliefs(forward(models[0].tokens, models[0].weights)).flat).all()


def test_dense_routing_is_exact_and_the_constant_is_certified():
    graph = random_graphs.pairwise(4, 3.0, edges=[(0, leaf) for leaf in range(1, 40)])
    model = compile_graph(graph, rounds=3)
    fan_in = 64
    assert ROUTING / 2 - np.log(fan_in) > 746
    first = forward(model.tokens, model.weights).attention[0][0]
    variables = {(int(f), int(v)): i for i, (f, v) in enumerate(model.layout.labels["message"])}
    for (f, target), row in variables.items():
        (source,) = (v for g, v in variables if g == f and v != target)
        into_source = [i for (g, v), i in variables.items() if v == source]
        sink = model.layout.token(("sink",))
        degree = len(into_source)
        assert set(np.flatnonzero(first[0, row])) == {*into_source, *([sink] if degree < fan_in else [])}
        assert np.abs(first[0, row, into_source] - 1 / fan_in).max() <= 1e-15
        assert np.flatnonzero(first[1, row]).tolist() == [variables[f, source]]
        assert first[1, row, variables[f, source]] == 1.0


def test_rounds_are_those_a_forest_needs_and_a_stated_default_on_loops():
    path = random_graphs.pairwise(0, edges=[(i, i + 1) for i in range(6)])
    model = compile_graph(path)
    assert (model.rounds, len(model.weights.layers)) == (6, 7)
    assert compile_graph(path, {"x3": "s1"}).rounds == 2  # evidence cuts the path
    assert compile_graph(random_graphs.pairwise(0, edges=[(0, 1), (1, 2), (2, 0)])).rounds == LOOPY_ROUNDS
    assert compile_graph(path, rounds=0).rounds == 0
    exact = exact_marginals(path).beliefs
    trace = forward(model.tokens, model.weights)
    assert model.beliefs(trace).distance(exact) <= 1e-13
    assert model.beliefs(trace, -2).distance(exact) > 1e-8  # one layer less does not suffice


def test_no_factors_no_free_variables():
    lonely = FactorGraph([Variable("a", ("n", "y"))], [])
    model = compile_graph(lonely)
    assert dict(model.beliefs(forward(model.tokens, model.weights))["a"]) == {"n": 0.5, "y": 0.5}
    pair = random_graphs.pairwise(0, edges=[(0, 1)])
    model = compile_graph(pair, {"x0": "s1", "x1": "s0"})
    assert model.beliefs(forward(model.tokens, model.weights)).vector("x0").tolist() == [0.0, 1.0]
    assert verify_model(model).holds


def test_observed_variables_may_have_any_cardinality():
    a, b, c = Variable("a", ("n", "y")), Variable("b", ("1", "2", "3")), Variable("c", ("n", "y"))
    rng = np.random.default_rng(0)
    graph = FactorGraph([a, b, c], [Factor((a, b, c), rng.uniform(0.1, 1, (2, 3, 2))), Factor((a,), [0.3, 0.7])])
    report = verify_model(compile_graph(graph, {"b": "2"}, construction="pairwise"))
    assert report.transformer_vs_exact <= 1e-15


@pytest.mark.parametrize(
    ("cardinalities", "factors", "says"),
    [
        ((2, 3), [((0, 1), None)], "variable 'x1' has 3 states"),
        ((2, 2, 2), [((0, 1, 2), None)], r"factor 0, factor \(x0, x1, x2\), has 3 unobserved variables"),
        ((2, 2), [((0, 1), [[1, 0], [1, 1]])], r"factor 0, .* has a zero entry"),
        ((2, 2), [((0, 1), None), ((1, 0), None)], r"factor 1, factor \(x1, x0\), joins the same two .* as factor 0"),
        ((2, 2), [((0, 1), None), ((0,), [0, 1])], "local field of variable 'x0' has a zero"),
    ],
)
def test_what_it_does_not_cover_is_named(cardinalities, factors, says):
    rng = np.random.default_rng(0)
    names = random_graphs.variables(cardinalities)
    built = [
        random_graphs.random_factor([names[i] for i in scope], rng, 0)
        if table is None
        else Factor([names[i] for i in scope], table)
        for scope, table in factors
    ]
    with pytest.raises(UnsupportedModelError, match=says):
        compile_graph(FactorGraph(names, built), construction="pairwise")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"construction": "magic"}, "unknown construction 'magic'; valid: auto, pairwise"),
        ({"mode": "mean"}, "mode must be"),
        ({"damping": 1.0}, "damping must be"),
        ({"rounds": -1}, "rounds must be"),
        ({"damping": "strong"}, "damping must be"),
        ({"rounds": 2.5}, "rounds must be"),
        ({"rounds": 10**10}, "10000000000 rounds.*the limit is 2.00 GiB"),
        ({"memory_limit": "2 GiB"}, "memory_limit must be"),
    ],
)
def test_bad_options_are_named(options, says):
    with pytest.raises(BntError, match=says):
        compile_graph(graph_of("tree", 0), **options)


def test_whole_numbers_of_numpy_are_whole_numbers():
    assert compile_graph(graph_of("tree", 0), rounds=np.int64(2)).rounds == 2


def test_a_trace_of_another_model_is_refused():
    """Its columns hold something else: read as beliefs they would look like an answer."""
    model, other = compile_graph(graph_of("tree", 0)), compile_graph(graph_of("tree", 1))
    assert model.tokens.shape != other.tokens.shape
    trace = forward(other.tokens, other.weights)
    for read in (model.beliefs, model.messages):
        with pytest.raises(BntError, match="a stream of this model has shape"):
            read(trace)
        with pytest.raises(BntError, match="the trace must be a Trace, not a ndarray; forward"):
            read(trace.final)


def test_damping_on_an_antiferromagnetic_square_matches_bp_where_it_converges():
    coupling = np.exp(np.array([[-1.0, 1.0], [1.0, -1.0]]))
    names = random_graphs.variables([2] * 4)
    factors = [Factor((names[i], names[j]), coupling) for i in range(4) for j in range(i)]
    graph = FactorGraph(names, [*factors, *(Factor((v,), [0.45, 0.55]) for v in names)])
    assert not run_bp(graph, rounds=200).converged  # K4, J = -1: undamped it oscillates
    model = compile_graph(graph, rounds=200, damping=0.5)
    report = verify_model(model)
    assert report.holds
    assert report.max_message_error <= 1e-12
    assert report.status == "approximate"


def test_update_is_the_message_of_the_table_it_draws() -> None:
    x = np.linspace(-3, 3, 7)
    psi = np.exp([[1.5, 0.0], [0.0, 1.5]])  # psi[x_i, x_j]
    incoming = np.stack([np.ones(7), np.exp(x)])  # weight of x_i = 0 and 1
    odds = np.log(incoming.T @ psi[:, 1]) - np.log(incoming.T @ psi[:, 0])
    assert np.allclose(updated_message(x, 1.5, -1.5, -1.5), odds, atol=1e-14)
    best = np.log((incoming.T * psi[:, 1]).max(axis=1)) - np.log((incoming.T * psi[:, 0]).max(axis=1))
    assert np.allclose(updated_message(x, 1.5, -1.5, -1.5, "relu"), best, atol=1e-14)
