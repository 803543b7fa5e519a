"""Diagnostics: known failures of loopy belief propagation are named, the bound keeps its promise, heads told apart."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bnt
from bnt import BntError, Factor, FactorGraph, Weights, compile_graph, load_graph, run_bp
from bnt.graph.networks import chain, grid, ising
from bnt.inference.spectral_bound import dependence, spectral_bound
from bnt.reading import diagnostics, schedules
from bnt.reading.diagnostics import belief_changes, diagnose, effective_tokens, repetition
from bnt.transformer.blocks import Attention, Head
from tests import naive, random_graphs


def complete(n, coupling, field):
    """Ising model on the complete graph; field is the log odds of every variable."""
    names = random_graphs.variables([2] * n)
    J = coupling
    pairs = [Factor(pair, log_table=[[J, -J], [-J, J]]) for pair in itertools.combinations(names, 2)]
    return FactorGraph(names, [Factor((v,), log_table=[0, field]) for v in names] + pairs)


def test_oscillation_is_named_and_damping_mends_it():
    found = diagnose(complete(4, -1.0, 0.2))
    assert found.status == "not converged"
    assert found.period == 2
    assert found.damped[0.5]
    assert found.errors[0] < 0.01
    assert found.bound > 1
    assert "period 2" in str(found)


@pytest.mark.parametrize("starts", [0, 3])
def test_the_time_is_bounded_as_the_docstring_says(monkeypatch, starts):
    """At most 1,000 rounds a run, so many runs, and ten seconds for each of five schedules."""
    runs = []

    def counted(*arguments, **options):
        runs.append((options.get("rounds") or 1000, options.get("seconds"), "start" in options))
        return run_bp(*arguments, **options)

    for module in (diagnostics, schedules):
        monkeypatch.setattr(module, "run_bp", counted)
    diagnose(complete(4, -1.0, 0.2), starts=starts, rounds=60)
    limited = [seconds for _, seconds, _ in runs if seconds is not None]
    free = [rounds for rounds, seconds, started in runs if seconds is None and not started]
    assert len(limited) <= 5
    assert set(limited) <= {10.0}
    assert sorted(free)[0] == 60
    assert len(free) <= 3 + len(diagnostics.DAMPINGS)
    assert sum(started for _, _, started in runs) == starts
    said = " ".join(diagnose.__doc__.split())
    assert "at most 10 s for each of five schedules" in said
    assert len(diagnostics.DAMPINGS) == 2
    assert max(map(len, schedules.ORDER.values())) == 5


def test_a_wrong_fixed_point_is_named():
    found = diagnose(complete(4, 1.0, 0.02))
    assert found.period is None
    assert found.status == "approximate"
    assert len(found.fixed_points) == 2  # random starts find the other one
    assert min(found.errors) > 0.4  # measured .476 and .52
    assert "no sign of correctness" in str(found)


def test_a_tree_is_exact_and_a_weak_loop_is_guaranteed():
    tree = diagnose(chain(5, seed=1))
    assert (tree.status, tree.bound, len(tree.fixed_points)) == ("exact", 0.0, 1)
    weak = diagnose(complete(3, 0.4, 0.1))
    assert weak.bound < 1
    assert len(weak.fixed_points) == 1
    assert "promised before running" in str(weak)
    assert diagnose(load_graph("asia")).bound is None  # it has zeros


def test_no_exact_answer_is_claimed_where_none_was_computed():
    found = diagnose(grid(12, 12, seed=0), starts=1)
    if found.errors is None:
        assert "error is unknown" in str(found)


@given(st.integers(0, 10**6))
def test_the_bound_keeps_its_promise(seed):
    """Bound < 1: every random start ends in the one fixed point."""
    graph = random_graphs.pairwise(seed, sigma=0.8, most=6)
    bound = spectral_bound(graph)
    if bound < 0.95:
        found = diagnose(graph, starts=3)
        assert found.status in ("approximate", "exact")
        assert len(found.fixed_points) == 1


@given(st.integers(0, 10**6))
def test_the_bound_is_the_spectral_radius_of_the_dense_matrix(seed):
    graph = random_graphs.pairwise(seed, most=6)
    assert spectral_bound(graph) == pytest.approx(naive.mooij_kappen_radius(graph), rel=1e-4, abs=1e-4)


@given(st.integers(0, 10**6))
def test_dependence_bounds_what_a_message_can_do(seed):
    """No pair of incoming messages moves the outgoing log message by more than N times their own distance."""
    rng = np.random.default_rng(seed)
    log_table = rng.normal(0, 1.5, rng.integers(2, 4, 3))
    strength = dependence(log_table, 0, 1)

    def spread(v):
        return np.ptp(v)

    def message(from_1, from_2):
        return np.logaddexp.reduce(np.logaddexp.reduce(log_table + from_1[None, :, None] + from_2, axis=2), axis=1)

    for _ in range(20):
        one, other = rng.normal(0, 3, (2, log_table.shape[1]))
        rest = rng.normal(0, 3, log_table.shape[2])
        assert spread(message(one, rest) - message(other, rest)) <= strength * spread(one - other) * (1 + 1e-9)


def test_binary_pairs_have_the_published_strength():
    J = 0.7
    assert dependence(np.array([[J, -J], [-J, J]]), 0, 1) == pytest.approx(np.tanh(J))
    ring = ising([f"x{i}" for i in range(5)], [(i, (i + 1) % 5) for i in range(5)], coupling=J, seed=0)
    assert spectral_bound(ring) == pytest.approx(naive.mooij_kappen_radius(ring), abs=1e-6)


def test_repetition():
    assert repetition([np.array([i % 3, 1.0]) for i in range(40)]) == 3
    assert repetition([np.array([0.5**i]) for i in range(40)]) is None
    assert repetition([np.zeros(2)] * 40) is None
    assert repetition([np.array([float(i)]) for i in range(40)]) is None


def test_effective_tokens():
    assert effective_tokens(np.array([[1.0, 0, 0, 0], [0.25] * 4])) == pytest.approx([1, 4])


def test_collapsed_uniform_and_duplicate_heads_are_named():
    rng = np.random.default_rng(0)
    d = 4
    x = rng.normal(size=(6, d))
    x[:, 0] = 1.0
    zero = np.zeros((d, 1))
    value = (0.1 * rng.normal(size=(d, 2)), rng.normal(size=(2, d)))
    uniform = Head(zero, zero, *value)
    same_for_all = Head(np.eye(d)[:, :1], rng.normal(size=(d, 1)), *value)  # the query reads the constant column only
    sharp = Head(50 * np.eye(d), np.eye(d), *value)
    found = diagnose(Weights(((Attention((uniform, same_for_all, sharp, sharp)),),)), x)
    assert [head.kind for head in found.heads][:2] == ["uniform", "collapsed"]
    assert found.heads[3].same_as == 2
    assert found.heads[0].mean == pytest.approx(6)
    text = str(found)
    assert "averages over all tokens" in text
    assert "tells every token the same" in text


def test_a_compiled_model_that_has_finished_says_so():
    found = diagnose(compile_graph(chain(4, seed=0), rounds=8))
    assert any("finished" in finding for finding in found.findings) or found.stream_change[-1] < 1e-12
    assert found.heads[1].kind == "one token"  # the reverse head


def test_an_oscillating_compiled_model_has_a_period():
    found = diagnose(compile_graph(complete(4, -1.0, 0.2), rounds=200))
    assert found.period == 2


def test_bad_requests():
    graph = chain(3, seed=0)
    with pytest.raises(BntError, match="without tokens"):
        diagnose(graph, np.zeros((1, 1)))
    compiled = compile_graph(chain(3))
    with pytest.raises(BntError, match="has its own tokens"):
        diagnose(compiled, compiled.tokens)
    with pytest.raises(BntError, match="evidence belongs to a graph"):
        diagnose(compiled, evidence={"x0": "1"})
    with pytest.raises(BntError, match="on tokens"):
        diagnose(compile_graph(graph).weights)
    assert run_bp(graph).status == "exact"


@pytest.mark.parametrize(("source", "coupling"), [(0, 1.0), (4, 0.5), (8, 2.0)])
def test_changes_are_those_of_belief_propagation_one_layer_later(source: int, coupling: float) -> None:
    changes, graph = belief_changes(chain(9, coupling=coupling), f"x{source}", 9), chain(9, coupling=coupling)
    runs = [bnt.run_bp(graph, {f"x{source}": e}, rounds=9, keep_history=True) for e in ([1, 1], [1, 9])]
    for layer in range(1, 11):
        one, other = (run.beliefs_after(layer - 1).flat[1::2] for run in runs)
        assert changes[:, layer - 1] == pytest.approx(np.abs(one - other), abs=1e-13)


def test_no_bit_changes_outside_the_cone_and_every_belief_inside() -> None:
    changes = belief_changes(chain(9, coupling=1.0), "x2", 9)
    for i, row in enumerate(changes):
        assert ((row != 0.0) == (np.arange(1, 11) > abs(i - 2))).all()
