"""run_bp against enumeration (forests), textbook BP (every message of every round) and pgmpy's variable elimination."""

import itertools
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnt import BntError, Factor, FactorGraph, InconsistentEvidenceError, Variable, exact_marginals, run_bp
from bnt.graph.evidence import parse_evidence
from bnt.graph.flat import base_flat
from bnt.inference.belief_propagation import in_logs
from bnt.inference.posterior import by_propagation
from bnt.kernels.equations import start_messages
from bnt.kernels.jit import COMPILED
from bnt.kernels.options import ENOUGH, STOP, checked_options
from bnt.kernels.schedules import sweep_forest
from bnt.kernels.watch import new_watch
from tests import naive, random_graphs

SCHEDULES = ("auto", "flooding", "in-place", "sequential", "residual")


def ring(n, table):
    """A cycle of n binary variables with the same table on every edge."""
    names = random_graphs.variables([2] * n)
    return FactorGraph(names, [Factor((names[i], names[(i + 1) % n]), table) for i in range(n)])


# ---------------------------------------------------------------- forests: exact


@given(st.integers(0, 10**6), st.sampled_from(SCHEDULES))
def test_forests_are_exact_with_zeros_and_evidence(seed, schedule):
    graph = random_graphs.forest(seed)
    evidence = random_graphs.evidence(graph, seed)
    try:
        truth = exact_marginals(graph, evidence)
    except InconsistentEvidenceError:
        with pytest.raises(InconsistentEvidenceError):
            run_bp(graph, evidence, schedule=schedule)
        return
    result = run_bp(graph, evidence, schedule=schedule)
    assert result.beliefs.distance(truth.beliefs) <= 1e-14  # measured 2e-15
    assert result.log_z_bethe == pytest.approx(truth.log_z, abs=1e-12)
    assert result.status in ("exact", "prior")
    assert result.converged


@given(st.integers(0, 10**6), st.sampled_from(SCHEDULES))
def test_max_product_on_forests_finds_max_marginals_and_a_best_assignment(seed, schedule):
    graph = random_graphs.forest(seed, zeros=0.1)
    evidence = random_graphs.evidence(graph, seed)
    try:
        truth = exact_marginals(graph, evidence, mode="max")
    except InconsistentEvidenceError:
        return
    result = run_bp(graph, evidence, mode="max", schedule=schedule)
    assert result.beliefs.distance(truth.beliefs) <= 1e-14
    table = naive.joint(graph, evidence)
    assert table[tuple(result.map_assignment.values())] == pytest.approx(max(table.values()), rel=1e-12)
    assert result.log_z_bethe is None


def test_map_assignment_is_a_best_one_even_with_ties():
    graph = ring(2, [[0.0, 1.0], [1.0, 0.0]])
    graph = FactorGraph(graph.variables, graph.factors[:1])  # x0 != x1: each state ties, the pair must differ
    assignment = run_bp(graph, mode="max").map_assignment
    assert assignment["x0"] != assignment["x1"]


@given(st.integers(0, 10**6))
def test_a_forest_needs_as_many_rounds_as_its_deepest_eccentricity(seed):
    """Exact at the round the status says, and generically not one round before."""
    graph = random_graphs.forest(seed, zeros=0.0)
    full = run_bp(graph, schedule="flooding")
    assert run_bp(graph, rounds=full.rounds).status == "exact"
    if full.rounds:
        early = run_bp(graph, rounds=full.rounds - 1)
        assert early.status != "exact"
        assert early.beliefs.distance(full.beliefs) > 1e-9


def test_eccentricity_on_a_chain_variable_by_variable():
    rng = np.random.default_rng(0)
    names = random_graphs.variables([2] * 6)
    graph = FactorGraph(names, [Factor(names[i : i + 2], rng.uniform(0.1, 1, (2, 2))) for i in range(5)])
    for rounds in range(6):
        result = run_bp(graph, rounds=rounds)
        exact = [name for name in graph.index if result.status_of(name) == "exact"]
        assert exact == [f"x{i}" for i in range(6) if max(i, 5 - i) <= rounds]


# ---------------------------------------------------------------- schedule="auto"


@given(st.integers(0, 10**6), st.sampled_from(["sum", "max"]))
def test_two_sweeps_give_the_messages_that_flooding_ends_with(seed, mode):
    """In probabilities and in logarithms, zeros and soft evidence included."""
    graph = random_graphs.forest(seed)
    evidence = random_graphs.evidence(graph, seed)
    try:
        flooding = run_bp(graph, evidence, mode=mode, schedule="flooding")
    except InconsistentEvidenceError:
        return
    known, options = parse_evidence(graph, evidence), checked_options(mode, 0.0, None, 1e-10, False, "auto")
    for result in (run_bp(graph, evidence, mode=mode), in_logs(graph, known, options)):
        assert result.rounds == (2 if result.messages else 0)
        assert result.status == flooding.status
        for key, message in flooding.messages.items():
            np.testing.assert_allclose(np.exp(result.messages[key]), np.exp(message), atol=1e-14, rtol=0)


def test_auto_means_flooding_where_rounds_are_meant():
    graph = random_graphs.pairwise(5)
    for options in ({"rounds": 3}, {"keep_history": True}, {"rounds": 2, "keep_history": True}):
        auto, flooding = run_bp(graph, **options), run_bp(graph, schedule="flooding", **options)
        assert auto.rounds == flooding.rounds
        np.testing.assert_array_equal(auto.beliefs.flat, flooding.beliefs.flat)


def test_a_forest_costs_as_much_as_it_is_large():
    """A chain, a comb and a star of 20,000 variables, with zeros and soft evidence: flooding a chain takes n^2."""
    n = 20_000
    names = random_graphs.variables([2] * n)
    rng = np.random.default_rng(0)
    tables = rng.uniform(0.1, 1.0, (n, 2, 2))
    tables[:: n // 7, 0, 1] = 0.0
    ends = {
        "chain": [(i, i + 1) for i in range(n - 1)],
        "comb": [(i, i + 1) if i < n // 2 else (i, i - n // 2) for i in range(n - 1)],
        "star": [(0, i + 1) for i in range(n - 1)],
    }
    for shape, pairs in ends.items():
        graph = FactorGraph(names, [Factor((names[a], names[b]), t) for (a, b), t in zip(pairs, tables, strict=False)])
        base_flat(graph)
        for mode in ("sum", "max"):
            begin = time.process_time()
            result = run_bp(graph, {"x3": [0.2, 0.9], "x50": "s1"}, mode=mode)
            assert result.status == "exact", shape
            assert result.rounds == 2
            assert time.process_time() - begin < 60  # seconds with compilation; flooding the chain would take hours
        if shape == "chain":
            assert (
                result.beliefs.distance(exact_marginals(graph, {"x3": [0.2, 0.9], "x50": "s1"}, mode="max").beliefs)
                < 1e-13
            )


def test_a_limit_of_time_holds_within_the_sweeps_of_a_forest():
    """A forest whose sweeps take tenths of a second, in probabilities; and in logarithms, told to stop beforehand."""
    n = 300_000 if COMPILED else 2_000
    rng = np.random.default_rng(0)
    scopes = np.stack([np.arange(n - 1), np.arange(1, n)], 1)
    graph = FactorGraph.from_arrays(np.full(n, 4), scopes, rng.uniform(0.5, 1.0, (n - 1, 4, 4)))
    run_bp(FactorGraph.from_arrays([4, 4], [[0, 1]], [np.ones((4, 4))]))  # compiled, or loaded
    with pytest.warns(UserWarning, match="two sweeps over this forest were not through"):
        result = run_bp(graph, seconds=1e-6)
    assert (result.status, result.rounds, result.converged) == ("not converged", 0, False)
    result = run_bp(graph, seconds=1e6)
    assert (result.status, result.rounds, result.converged) == ("exact", 2, True)
    flat, watch = base_flat(random_graphs.forest(1)), new_watch()
    watch[STOP] = ENOUGH
    mu = start_messages(flat, False)
    found, changes, alive = sweep_forest(flat, mu, False, watch)
    assert (found, len(changes), alive) == (True, 0, True)
    assert len(sweep_forest(flat, mu, False, new_watch())[1]) == 2


@given(st.integers(0, 10**6), st.sampled_from(["in-place", "sequential", "residual"]), st.sampled_from(["sum", "max"]))
def test_every_schedule_ends_at_a_fixed_point_of_flooding(seed, schedule, mode):
    """Wherever it settles, one more round of textbook flooding changes nothing."""
    graph = random_graphs.pairwise(seed) if seed % 2 else random_graphs.loopy(seed, zeros=0.1 * (seed % 4 == 0))
    evidence = random_graphs.evidence(graph, seed)
    try:
        result = run_bp(graph, evidence, schedule=schedule, mode=mode, tolerance=1e-13, damping=0.1)
    except InconsistentEvidenceError:
        return
    if not result.converged or any(np.isneginf(m).any() for m in result.messages.values()):
        return
    again = run_bp(graph, evidence, mode=mode, rounds=1, start=result.messages)
    for key, message in result.messages.items():
        np.testing.assert_allclose(np.exp(again.messages[key]), np.exp(message), atol=1e-11, rtol=0)


def test_a_sequential_sweep_by_hand():
    """Two factors in a row: the second one reads what the first has just sent."""
    rng = np.random.default_rng(2)
    a, b, c = random_graphs.variables([2, 2, 2])
    first, second, third = rng.uniform(0.1, 1.0, (3, 2, 2))
    graph = FactorGraph([a, b, c], [Factor((a, b), first), Factor((b, c), second), Factor((c, a), third)])
    result = run_bp(graph, schedule="sequential", rounds=1)
    to_b = first.sum(0) / first.sum()
    to_c = to_b @ second
    np.testing.assert_allclose(np.exp(result.messages[0, "x1"]), to_b, atol=1e-15)
    np.testing.assert_allclose(np.exp(result.messages[1, "x2"]), to_c / to_c.sum(), atol=1e-15)


def test_residual_takes_the_largest_change_first():
    """One strong factor among weak ones sends first, so that after one round its news has gone round the ring."""
    graph = ring(5, [[1.0, 0.9], [0.9, 1.0]])
    graph = FactorGraph(graph.variables, [*graph.factors, Factor(graph.variables[:1], [1.0, 9.0])])
    residual = run_bp(graph, schedule="residual")
    flooding = run_bp(graph, schedule="flooding")
    assert residual.rounds < flooding.rounds
    assert residual.beliefs.distance(flooding.beliefs) < 1e-9


def test_a_limit_of_seconds_says_what_to_try(monkeypatch):
    n, most = (30, 10**7) if COMPILED else (6, 10**5)  # interpreted a round takes a thousand times as long
    repel = np.exp([[-1.0, 1.0], [1.0, -1.0]])
    names = random_graphs.variables([2] * n)
    pairs = [Factor((names[i], names[j]), repel) for i in range(n) for j in range(i)]
    graph = FactorGraph(names, pairs + [Factor((v,), [1.0, np.exp(0.2)]) for v in names])
    monkeypatch.setattr("bnt.kernels.options.MOST_ROUNDS", most)
    with pytest.warns(UserWarning, match=r"not settled in 0.3 s: \d+ rounds, .*; try schedule=.*, or allow"):
        result = run_bp(graph, schedule="flooding", seconds=0.3)
    assert result.status == "not converged"
    assert result.rounds < most
    with pytest.raises(BntError, match="seconds must be above 0"):
        run_bp(graph, seconds=-1.0)


# ---------------------------------------------------------------- any graph: textbook BP, round by round


@given(
    st.integers(0, 10**6), st.sampled_from(["sum", "max"]), st.sampled_from([0.0, 0.3]), st.sampled_from([0.0, 0.15])
)
def test_every_message_of_every_round_equals_the_textbook_s(seed, mode, damping, zeros):
    graph = random_graphs.loopy(seed, zeros=zeros)
    evidence = random_graphs.evidence(graph, seed)
    rounds = 8
    with np.errstate(invalid="ignore", divide="ignore"):
        expected, field = naive.bp_messages(graph, evidence, rounds, mode == "max", damping)
    try:
        result = run_bp(graph, evidence, mode=mode, damping=damping, rounds=rounds, keep_history=True)
    except InconsistentEvidenceError:
        assert not all(np.isfinite(m).all() for m in expected[-1].values()) or exact_mass(graph, evidence) == 0.0
        return
    for round, messages in enumerate(result.history):
        assert messages.keys() == expected[round].keys()
        for key, log_message in messages.items():
            np.testing.assert_allclose(np.exp(log_message), expected[round][key], atol=1e-12, rtol=0)
    final = naive.bp_beliefs(graph, expected[-1], field)
    for name, p in final.items():
        np.testing.assert_allclose(result.beliefs.vector(name), p, atol=1e-12, rtol=0)


def exact_mass(graph, evidence):
    return sum(naive.joint(graph, evidence).values())


@given(st.integers(0, 10**6), st.sampled_from(SCHEDULES))
def test_all_schedules_share_the_fixed_point_where_coupling_is_weak(seed, schedule):
    graph = random_graphs.pairwise(seed, sigma=0.2, most=6)
    reference = run_bp(graph, schedule="flooding", tolerance=1e-13)
    result = run_bp(graph, schedule=schedule, tolerance=1e-13, damping=0.2)
    assert result.converged
    assert result.beliefs.distance(reference.beliefs) <= 1e-10


def test_damping_mixes_logarithms():
    graph = random_graphs.pairwise(3)
    start, plain = run_bp(graph, rounds=1, keep_history=True).history
    damped = run_bp(graph, rounds=1, damping=0.25).messages
    for key, message in damped.items():
        mixed = 0.75 * plain[key] + 0.25 * start[key]
        np.testing.assert_allclose(message, mixed - np.logaddexp.reduce(mixed), atol=1e-15)


# ---------------------------------------------------------------- honesty: status, convergence, contradictions


@given(st.integers(0, 10**6), st.sampled_from(SCHEDULES), st.sampled_from([0.0, 0.5]))
def test_a_loop_is_never_called_exact(seed, schedule, damping):
    rng = np.random.default_rng(seed)
    graph = ring(int(rng.integers(3, 6)), rng.uniform(0.1, 1.0, (2, 2)))
    result = run_bp(graph, schedule=schedule, damping=damping)
    assert result.status == ("approximate" if result.converged else "not converged")
    assert {result.status_of(name) for name in graph.index} == {result.status}


def test_a_damped_forest_is_not_called_exact():
    assert run_bp(random_graphs.pairwise(0, edges=[(0, 1), (1, 2)]), damping=0.1).status == "approximate"


def test_observing_a_loop_open_makes_it_exact():
    graph = ring(4, [[0.9, 0.1], [0.2, 0.8]])
    result = run_bp(graph, {"x1": "s0"})
    assert result.status == "exact"
    assert result.beliefs.distance(exact_marginals(graph, {"x1": "s0"}).beliefs) <= 1e-15


def test_oscillation_is_reported_and_damping_cures_it():
    """Four variables, all pairs strongly repelling (Ising J = -1, field .2): known to oscillate undamped."""
    repel = np.exp([[-1.0, 1.0], [1.0, -1.0]])
    names = random_graphs.variables([2] * 4)
    pairs = [Factor((names[i], names[j]), repel) for i in range(4) for j in range(i)]
    graph = FactorGraph(names, pairs + [Factor((v,), [1.0, np.exp(0.2)]) for v in names])
    plain = run_bp(graph, schedule="flooding")
    assert (plain.status, plain.converged, plain.rounds) == ("not converged", False, 1000)
    assert run_bp(graph, schedule="flooding", damping=0.5).status == "approximate"


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_an_odd_cycle_of_unequal_neighbours_is_impossible_though_every_message_is_uniform(schedule):
    graph = ring(5, [[0.0, 1.0], [1.0, 0.0]])
    with pytest.raises(InconsistentEvidenceError, match="no joint configuration is possible"):
        run_bp(graph, schedule=schedule)
    assert run_bp(ring(6, [[0.0, 1.0], [1.0, 0.0]]), schedule=schedule).support == "checked"


def test_a_support_search_that_gives_up_says_so(monkeypatch):
    monkeypatch.setattr("bnt.kernels.options.SUPPORT_TRIALS", 2)
    assert run_bp(ring(6, [[0.0, 1.0], [1.0, 0.0]])).support == "unchecked"


@given(st.integers(0, 10**6))
def test_zero_mass_is_found_exactly_when_enumeration_finds_it(seed):
    graph = random_graphs.loopy(seed, zeros=0.5)
    try:
        run_bp(graph, rounds=5)
        possible = True
    except InconsistentEvidenceError:
        possible = False
    assert possible == (exact_mass(graph, {}) > 0.0)


def test_keep_history_starts_uniform_and_ends_with_the_result():
    result = run_bp(random_graphs.pairwise(1), rounds=3, keep_history=True)
    assert len(result.history) == 4
    assert all((np.exp(message) == pytest.approx(0.5)) for message in result.history[0].values())
    assert all((result.history[-1][key] == message).all() for key, message in result.messages.items())
    assert result.beliefs_after(3).distance(result.beliefs) == 0.0
    assert run_bp(random_graphs.pairwise(1), rounds=3).history == []


def test_graphs_without_factors_or_edges():
    x, one = Variable("x", ("a", "b", "c")), Variable("one", ("only",))
    result = run_bp(FactorGraph([x, one], []))
    assert result.beliefs["x"] == pytest.approx({"a": 1 / 3, "b": 1 / 3, "c": 1 / 3})
    assert result.beliefs["one"] == {"only": 1.0}
    assert (result.status, result.rounds) == ("exact", 0)
    assert run_bp(FactorGraph([], [])).status == "exact"
    both = FactorGraph([x, one], [Factor((x, one), [[1], [2], [3]])])
    assert run_bp(both, {"x": "b"}).beliefs["one"] == {"only": 1.0}
    assert run_bp(both).beliefs.distance(exact_marginals(both).beliefs) <= 1e-15


@pytest.mark.parametrize(
    "options",
    [
        {"mode": "mean"},
        {"schedule": "random"},
        {"damping": 1.0},
        {"damping": -0.1},
        {"rounds": -1},
        {"rounds": 2.5},
        {"rounds": True},
        {"tolerance": -1.0},
        {"tolerance": float("nan")},
    ],
)
def test_bad_options_are_refused(options):
    (name,) = options
    with pytest.raises(BntError, match=name):
        run_bp(random_graphs.pairwise(0), **options)


@given(st.integers(0, 10**6), st.sampled_from(["sum", "max"]), st.sampled_from(["flooding", "in-place", "sequential"]))
def test_a_run_continues_where_another_one_stopped(seed, mode, schedule):
    """Two rounds (there and back again, for sweeps) and three more are five, whatever the scale of the messages."""
    graph = random_graphs.loopy(seed)
    evidence = random_graphs.evidence(graph, seed)
    whole = run_bp(graph, evidence, mode=mode, schedule=schedule, rounds=5, damping=0.2)
    begun = run_bp(graph, evidence, mode=mode, schedule=schedule, rounds=2, damping=0.2)
    start = {key: message + 7.0 for key, message in begun.messages.items()}
    rest = run_bp(graph, evidence, mode=mode, schedule=schedule, rounds=3, damping=0.2, start=start)
    for key, message in whole.messages.items():
        np.testing.assert_allclose(np.exp(rest.messages[key]), np.exp(message), atol=1e-13)
    assert rest.rounds == 3


def test_a_forest_is_exact_from_any_start():
    graph = random_graphs.forest(3)
    rng = np.random.default_rng(0)
    start = {key: rng.normal(0, 5, len(message)) for key, message in run_bp(graph).messages.items()}
    for schedule in SCHEDULES:
        result = run_bp(graph, start=start, schedule=schedule)
        assert result.status == "exact"
        assert result.beliefs.distance(exact_marginals(graph).beliefs) <= 1e-14


def test_a_start_that_does_not_fit_is_refused():
    graph = ring(3, [[2.0, 1.0], [1.0, 2.0]])
    start = dict(run_bp(graph).messages)
    for wrong, says in (
        ([0.0, 0.0], r"every \(factor index, variable name\)"),
        ({}, r"not so for \(0, 'x0'\)"),
        ({**start, (7, "x0"): [0.0, 0.0]}, r"not so for \(7, 'x0'\)"),
        ({**start, (0, "x0"): [0.0, 0.0, 0.0]}, r"\(0, 'x0'\) must be 2 finite logarithms"),
        ({**start, (0, "x0"): [0.0, -np.inf]}, "finite logarithms"),
    ):
        with pytest.raises(BntError, match=says):
            run_bp(graph, start=wrong)


# ---------------------------------------------------------------- pgmpy's variable elimination as oracle

FORESTS_AFTER_EVIDENCE = [("cancer", {}), ("earthquake", {}), ("asia", {"smoke": "yes"}), ("survey", {"E": "uni"})]


@pytest.mark.parametrize(("name", "evidence"), FORESTS_AFTER_EVIDENCE)
def test_published_networks_that_are_forests_after_evidence(name, evidence):
    from pgmpy.inference import VariableElimination

    from bnt import load_network

    network = load_network(name)
    result = run_bp(FactorGraph.from_pgmpy(network), evidence)
    assert result.status == "exact"
    elimination = VariableElimination(network)
    for variable in set(result.beliefs) - set(evidence):
        answer = elimination.query([variable], evidence=evidence, show_progress=False)
        for state, p in result.beliefs[variable].items():
            assert p == pytest.approx(answer.get_value(**{variable: state}), abs=1e-12)


def weight_of(graph, assignment):
    states = {v.name: v.states.index(assignment[v.name]) for v in graph.variables}
    return np.prod([f.table[tuple(states[v.name] for v in f.variables)] for f in graph.factors])


@pytest.mark.parametrize(("size", "colours"), [(3, 3), (4, 4), (5, 5)])
def test_what_max_mode_decodes_is_possible(size, colours):
    """All must differ and every belief is a tie: state by state, or factor by factor, two get one colour."""
    variables = [Variable(f"r{i}", [f"c{k}" for k in range(colours)]) for i in range(size)]
    differ = 1.0 - np.eye(colours)
    graph = FactorGraph(variables, [Factor(pair, differ) for pair in itertools.combinations(variables, 2)])
    result = run_bp(graph, mode="max")
    assert weight_of(graph, result.map_assignment) == 1.0
    assert result.map_found
    assert result.status != "exact"
    fixed = run_bp(graph, {"r0": "c1"}, mode="max")
    assert fixed.map_assignment["r0"] == "c1"
    assert weight_of(graph, fixed.map_assignment) == 1.0


@given(st.integers(0, 10**6))
def test_max_mode_never_decodes_the_impossible(seed):
    graph = random_graphs.loopy(seed, zeros=0.5)
    try:
        result = run_bp(graph, mode="max")
    except InconsistentEvidenceError:
        return
    assert weight_of(graph, result.map_assignment) > 0


def test_where_the_search_gives_up_the_result_says_so(monkeypatch):
    monkeypatch.setattr("bnt.inference.result.SUPPORT_TRIALS", 2)
    variables = [Variable(f"r{i}", ("a", "b", "c")) for i in range(3)]
    differ = 1.0 - np.eye(3)
    graph = FactorGraph(variables, [Factor(pair, differ) for pair in itertools.combinations(variables, 2)])
    result = run_bp(graph, mode="max")
    assert result.map_assignment is None
    assert not result.map_found
    assert by_propagation(result, ("r0",)).map_assignment is None
