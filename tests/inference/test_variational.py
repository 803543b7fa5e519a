"""run_trw and run_mean_field against slow twins: every message of every round; and what their results say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bnt
from bnt import BntError, Factor, FactorGraph, UnsupportedModelError, exact_marginals, run_bp, run_mean_field, run_trw
from bnt.graph.networks import ising
from tests import naive, random_graphs


def positive_pairwise(seed, most_states=4):
    """Pairwise with loops, 2 to ``most_states`` states, positive tables, some pairs twice."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 7))
    names = random_graphs.variables(rng.integers(2, most_states + 1, n))
    pairs = [(i, j) for i in range(n) for j in range(n) if i != j and rng.random() < 0.35] or [(0, 1)]
    factors = [Factor((names[i], names[j]), log_table=rng.normal(0, 1.5, (names[i].cardinality, names[j].cardinality)))
               for i, j in pairs]  # fmt: skip
    factors += [Factor((v,), log_table=rng.normal(0, 1, v.cardinality)) for v in names if rng.random() < 0.7]
    return FactorGraph(names, factors)


def hard_evidence(graph, seed):
    return random_graphs.evidence(graph, seed, share=0.4, soft=False)


def complete(n, coupling, field):
    """The Ising model on the complete graph."""
    names = [f"x{i}" for i in range(n)]
    return ising(names, [(i, j) for i in range(n) for j in range(i)], coupling=coupling, field=field)


def furthest(found, expected):
    assert found.keys() == expected.keys()
    return max((np.abs(np.exp(found[key]) - np.exp(expected[key])).max() for key in expected), default=0.0)


@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.5]), st.booleans())
def test_trw_messages_equal_the_slow_twin_in_every_round(seed, damping, given_weights):
    graph = positive_pairwise(seed)
    evidence = hard_evidence(graph, seed)
    plain = run_trw(graph, evidence, rounds=6, damping=damping, keep_history=True)
    weights = plain.edge_weights
    if given_weights:
        rng = np.random.default_rng(seed)
        weights = {f: float(rng.uniform(0.2, 1.0)) for f in weights}
    found = run_trw(
        graph, evidence, rounds=6, damping=damping, keep_history=True, edge_weights=weights if given_weights else None
    )
    slow, field = naive.trw_messages(graph, weights, 6, damping, evidence)
    for r, expected in enumerate(slow):
        assert furthest(found.messages_after(r), expected) <= 1e-12
        for name, vector in naive.trw_beliefs(expected, field, weights).items():
            assert np.abs(found.beliefs_after(r).vector(name) - vector).max() <= 1e-12


@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.4]))
def test_mean_field_messages_equal_the_slow_twin_in_every_round(seed, damping):
    graph = random_graphs.loopy(seed, most=5) if seed % 2 else positive_pairwise(seed)
    evidence = hard_evidence(graph, seed)
    found = run_mean_field(graph, evidence, rounds=5, damping=damping, keep_history=True)
    for r, (messages, beliefs) in enumerate(naive.mean_field_messages(graph, 5, damping, evidence)):
        assert furthest(found.messages_after(r), messages) <= 1e-12
        for name, vector in beliefs.items():
            assert np.abs(found.beliefs_after(r).vector(name) - vector).max() <= 1e-12


def test_trw_is_exact_on_forests_and_is_bp_there():
    for seed in range(30):
        rng = np.random.default_rng(seed)
        graph = random_graphs.pairwise(seed, 2.0, edges=random_graphs.tree_edges(int(rng.integers(2, 10)), rng))
        found = run_trw(graph)
        assert found.status == "exact"
        assert set(found.edge_weights.values()) == {1.0}
        assert found.beliefs.distance(exact_marginals(graph).beliefs) <= 1e-13
        same = run_bp(graph, rounds=3, keep_history=True)
        assert furthest(run_trw(graph, rounds=3).messages, same.messages) <= 1e-13
    tree = random_graphs.pairwise(1, edges=[(0, 1), (1, 2)])
    assert run_trw(tree, edge_weights={3: 0.5, 4: 1.0}).status == "approximate"
    assert run_trw(tree, damping=0.5).status == "approximate"
    mixed = random_graphs.pairwise(1, edges=[(0, 1), (1, 2), (2, 0), (3, 4)])  # a triangle, and a tree elsewhere
    found = run_trw(mixed, damping=0.0)
    assert found.status_of("x3", "x4") == "exact"
    assert found.status_of("x0") == "approximate"
    assert run_trw(mixed, rounds=0).status_of("x3") == "not converged"


def test_mean_field_in_turn_never_lowers_its_bound_and_is_a_fixed_point_of_the_parallel_round():
    for seed in range(20):
        graph = random_graphs.loopy(seed)
        bounds = [run_mean_field(graph, schedule="in-place", rounds=r).log_z_lower for r in range(1, 6)]
        assert (np.diff(bounds) >= -1e-12).all()
        end = run_mean_field(graph)
        assert end.converged
        start = {name: end.beliefs.vector(name) for name in end.beliefs}
        assert run_mean_field(graph, start=start, rounds=1).beliefs.distance(end.beliefs) <= 1e-8
        assert end.status in ("approximate", "exact", "prior")


def test_mean_field_finds_the_optimum_its_start_is_near():
    graph = complete(5, 1.0, 0.0)
    ends = [run_mean_field(graph, start={f"x{i}": [1 - p, p] for i in range(5)}) for p in (0.1, 0.5, 0.9)]
    first = [end.beliefs.flat[1] for end in ends]
    assert first[0] < 0.01
    assert first[1] == pytest.approx(0.5)
    assert first[2] > 0.99
    assert ends[1].log_z_lower < ends[0].log_z_lower


def test_where_bp_fails_trw_is_right():
    """The complete graph of four variables, J = 1: belief propagation converges to a wrong fixed point."""
    graph = complete(4, 1.0, 0.02)
    exact = exact_marginals(graph).beliefs
    assert run_bp(graph).converged
    assert run_bp(graph).beliefs.distance(exact) > 0.4
    assert run_trw(graph).beliefs.distance(exact) < 0.002


def test_results_say_what_they_are():
    graph = complete(4, 0.3, 0.1)
    trees, mean = run_trw(graph), run_mean_field(graph)
    assert (trees.mode, trees.log_z_bethe, mean.log_z_bethe, trees.map_assignment) == ("sum", None, None, None)
    assert "tree-reweighted messages" in trees._repr_html_()
    assert "MeanFieldResult" in mean._repr_html_()
    assert "mean field" in repr(mean)
    assert trees.message_change[-1] <= 1e-6
    assert list(trees.to_frame().columns) == ["variable", "state", "probability"]
    assert run_trw(graph, edge_weights=dict.fromkeys(trees.edge_weights, 0.5)).log_z_upper is None
    for method in ("trw", "mean-field"):
        answer = bnt.posterior(graph, {"x0": "1"}, query=["x1"], method=method)
        assert (answer.method, answer.status, answer.log_z) == (method, "approximate", None)
    with pytest.raises(BntError, match="method 'trw' has marginals alone"):
        bnt.posterior(graph, method="trw", mode="max")


def test_a_graph_without_factors_and_one_all_observed():
    names = random_graphs.variables([2, 3])
    lonely = FactorGraph(names, [Factor((names[0],), [0.2, 0.6])])
    pair = random_graphs.pairwise(0, edges=[(0, 1)])
    for run in (run_trw, run_mean_field):
        assert run(lonely).status == "exact"
        assert run(lonely).beliefs.vector("x0").tolist() == pytest.approx([0.25, 0.75])
        assert run(pair, {"x0": "s1", "x1": "s0"}).beliefs.vector("x0").tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("run", "options", "says"),
    [
        (run_trw, {"damping": 1.0}, "damping must be"),
        (run_trw, {"edge_weights": {4: 0.5}}, "rho for every factor index that exchanges messages; valid: 4, 5"),
        (run_trw, {"edge_weights": {4: 0.5, 5: 0.0}}, "above 0 and at most 1"),
        (run_trw, {"rounds": -1}, "rounds must be"),
        (
            run_mean_field,
            {"schedule": "residual"},
            "schedule must be 'auto' or 'in-place' or 'flooding' for mean field",
        ),
        (run_mean_field, {"start": {"x0": [0.5, 0.6]}}, "the start of 'x0' must be 2 probabilities"),
        (run_mean_field, {"start": {"y": [0.5, 0.5]}}, "y"),
        (run_mean_field, {"tolerance": -1}, "tolerance must be"),
    ],
)
def test_bad_options_are_named(run, options, says):
    graph = random_graphs.pairwise(0, edges=[(0, 1), (1, 2)])
    graph = FactorGraph(
        graph.variables, [*graph.factors[:3], Factor((graph.variables[0],), [1, 2]), *graph.factors[3:]]
    )
    with pytest.raises(BntError, match=says):
        run(graph, **options)


def test_what_they_do_not_cover_is_named():
    names = random_graphs.variables([2, 2, 2])
    three = FactorGraph(names, [Factor(names, np.arange(1.0, 9.0).reshape(2, 2, 2))])
    with pytest.raises(UnsupportedModelError, match=r"at most 2 unobserved variables; factor 0, .* has 3"):
        run_trw(three)
    assert run_trw(three, {"x0": "s1"}).status == "exact"
    assert run_mean_field(three).status == "approximate"
    zero = FactorGraph(names, [Factor(names[:2], [[1, 0], [1, 1]])])
    for run in (run_trw, run_mean_field):
        with pytest.raises(UnsupportedModelError, match=r"positive tables; factor 0, .* has a zero entry"):
            run(zero)
