"""The compiled kernels against the textbook (naive.py) and against each other: three engines, one answer.

schedules.py works in logarithms, tables.py in probabilities, pairwise.py in odds. Which one runs is
chosen by range and shape, so each is made to run here, and its Python source as well.
"""

import types

import networkx as nx
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bnt import BntError, Factor, FactorGraph, InconsistentEvidenceError, Variable, exact_marginals, run_bp
from bnt.graph.evidence import absorb, parse_evidence
from bnt.graph.flat import base_flat, evidence_arrays, flatten, is_binary_pairwise
from bnt.inference import belief_propagation
from bnt.kernels.equations import rounds_needed, start_messages, when_it_ends, which_exact
from bnt.kernels.jit import COMPILED
from bnt.kernels.options import SCHEDULES, checked_options
from bnt.kernels.schedules import sweep_forest
from bnt.kernels.solve import Solved
from tests import naive, random_graphs

NO_HISTORY = np.empty((0, 0))
PYTHON = settings(max_examples=15)  # the uncompiled kernels are slow


def solve(kernel, graph, evidence=None, mode="sum", damping=0.0, rounds=None, keep_history=False, schedule="flooding"):
    base = base_flat(graph)
    arrays = evidence_arrays(base, parse_evidence(graph, evidence))
    options = checked_options(mode, damping, rounds, 1e-10, keep_history, schedule)
    return Solved(*kernel(base, *arrays, options, np.zeros(3)))


def fields_have_mass(graph):
    """Zeros of two factors over one variable may leave it no state; then there are no flat arrays to run on."""
    try:
        base_flat(graph)
    except InconsistentEvidenceError:
        return False
    return True


def in_logs(graph, evidence=None, mode="sum", damping=0.0, rounds=None):
    known = parse_evidence(graph, evidence)
    return belief_propagation.in_logs(graph, known, checked_options(mode, damping, rounds, 1e-10, True))


# ---------------------------------------------------------------- evidence: compiled slicing equals absorb


@given(st.integers(0, 10**6), st.booleans())
def test_sliced_arrays_are_those_of_absorb_bit_by_bit(seed, forest):
    from bnt.kernels.solve import slice_evidence

    graph = random_graphs.forest(seed) if forest else random_graphs.loopy(seed, zeros=0.2)
    assume(fields_have_mass(graph))
    known = parse_evidence(graph, random_graphs.evidence(graph, seed, share=0.5))
    observed, soft = evidence_arrays(base_flat(graph), known)
    if not len(observed):
        return
    flat, alive = slice_evidence(base_flat(graph), observed, soft)
    try:
        expected = flatten(absorb(graph, known))
    except InconsistentEvidenceError:
        assert not alive
        return
    assert alive
    for name, ours, theirs in zip(expected._fields, flat, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs, err_msg=name)


# ---------------------------------------------------------------- when a run ends, and the order of a forest


def facts(graph):
    """The graph of variables and factors of two and more variables, and each variable's eccentricity in factor hops."""
    whole = nx.Graph()
    whole.add_nodes_from(("variable", v) for v in range(len(graph.variables)))
    for f, scope in enumerate(graph.scopes):
        if len(scope) > 1:
            whole.add_edges_from((("factor", f), ("variable", v)) for v in scope)
    hops = [
        max(nx.single_source_shortest_path_length(whole, ("variable", v)).values()) for v in range(len(graph.index))
    ]
    return nx.is_forest(whole), np.array(hops) // 2


def some_graph(seed):
    kinds = random_graphs.forest, random_graphs.loopy, random_graphs.pairwise
    graph = kinds[seed % 3](seed)
    assume(fields_have_mass(graph))
    return graph


@given(st.integers(0, 10**6))
def test_a_forest_is_known_and_swept_from_its_leaves_to_its_roots_and_back(seed):
    """networkx says what a forest is; on one, two sweeps make the messages that flooding ends with."""
    graph = some_graph(seed)
    flat = base_flat(graph)
    mu = start_messages(flat, False)
    forest, changes, alive = sweep_forest(flat, mu, False, np.zeros(3))
    assert forest == facts(graph)[0]
    assume(alive)
    assert (len(changes) == 2) == (forest and len(mu) > 0)
    if forest:
        flooded = run_bp(graph, schedule="flooding")
        np.testing.assert_allclose(np.exp(mu), np.exp(flooded._mu), atol=1e-14)
        assert flooded.rounds == facts(graph)[1].max(initial=0)


@given(
    st.integers(0, 10**6), st.sampled_from([0.0, 0.4]), st.sampled_from([None, 0, 3]), st.sampled_from([*SCHEDULES][1:])
)
def test_rounds_and_what_is_exact_follow_from_the_depths_of_trees(seed, damping, rounds, schedule):
    """So many rounds as the deepest variable asks for; asked for fewer, those are exact whose trees are through."""
    graph = some_graph(seed)
    forest, hops = facts(graph)
    options = checked_options("sum", damping, rounds, 1e-10, schedule=schedule)
    _, needed = rounds_needed(base_flat(graph))
    if forest:
        np.testing.assert_array_equal(needed, hops)
    known = needed >= 0
    deepest = max(0, *needed)
    expected = {  # (asked for, residual, a forest that is not damped)
        (False, False, False): (options.most, deepest, 1e-10),
        (False, False, True): (deepest, deepest, 1e-10),
        (False, True, False): (options.most, 0, 1e-10),
        (False, True, True): (options.most, 0, 0.0),
    }.get((rounds is not None, schedule == "residual", bool(known.all()) and not damping), (rounds, rounds, -1.0))
    assert when_it_ends(needed, options) == expected
    for ran, last in ((0, None), (2, 0.5), (2, 0.0)):
        changes = np.array([0.5, last][:ran], dtype=float)
        through = needed <= ran
        if schedule == "residual":
            through = (needed == 0) | (last in (None, 0.0))
        np.testing.assert_array_equal(which_exact(needed, changes, options), known & through & (damping == 0.0))


@pytest.mark.parametrize("whole", [np.int8, np.uint32, np.int64])
def test_flat_arrays_always_have_the_same_types(whole):
    """Kernels are called without a look at them (watch.call, same_types)."""

    def types_of(graph):
        return [(array.dtype, array.flags.c_contiguous, array.flags.aligned) for array in base_flat(graph)]

    usual = types_of(random_graphs.loopy(1))
    scopes, tables = np.array([[0, 1], [1, 2]], dtype=whole), np.ones((2, 2, 2), dtype=np.float32)
    for order in "CF":
        made = FactorGraph.from_arrays(np.array([2, 2, 2], dtype=whole), np.array(scopes, order=order), tables[:, ::-1])
        assert types_of(made) == usual
    assert types_of(FactorGraph.from_arrays([], [], [])) == usual
    for evidence in (None, {"x0": "1"}, {"x0": [1, 2]}):
        observed, soft = evidence_arrays(base_flat(made), parse_evidence(made, evidence))
        assert (observed.dtype, soft.dtype) == (np.int64, np.float64)


@pytest.mark.parametrize(
    "wrong", [{"damping": [0.5]}, {"damping": np.array([0.5, 0.5])}, {"rounds": True}, {"rounds": []}]
)
def test_options_are_checked_each_time_though_they_are_remembered(wrong):
    usual = {"mode": "sum", "damping": 0.5, "rounds": 1}
    assert checked_options(**usual) is checked_options(**usual)
    for _ in range(2):
        with pytest.raises(BntError, match=f"{next(iter(wrong))} must be"):
            checked_options(**(usual | wrong))


# ---------------------------------------------------------------- the engines against the textbook, every round


@given(st.integers(0, 10**6), st.sampled_from(["sum", "max"]), st.sampled_from([0.0, 0.4]), st.booleans())
def test_tables_and_logarithms_equal_the_textbook_in_every_round(seed, mode, damping, zeros):
    from bnt.kernels.solve import DONE, solve_tables

    graph = random_graphs.loopy(seed, zeros=0.15 if zeros else 0.0)
    assume(fields_have_mass(graph))
    with np.errstate(invalid="ignore", divide="ignore"):
        expected, _ = naive.bp_messages(graph, {}, 6, mode == "max", damping)
    found = solve(solve_tables, graph, None, mode, damping, 6, keep_history=True)
    if found.code != DONE:
        return
    assert found.rounds == 6
    np.testing.assert_array_equal(found.history[-1], found.mu)
    logs = in_logs(graph, None, mode, damping, 6)
    for round, messages in enumerate(expected):
        vector = np.concatenate([np.zeros(0), *messages.values()])
        np.testing.assert_allclose(np.exp(found.history[round]), vector, atol=1e-13, rtol=0)  # measured 4e-15
        np.testing.assert_allclose(np.exp(logs._history[round]), vector, atol=1e-13, rtol=0)


@given(st.integers(0, 10**6), st.sampled_from(["sum", "max"]), st.sampled_from([0.0, 0.4]), st.floats(0.1, 10.0))
def test_odds_tables_and_logarithms_agree_on_binary_pairs(seed, mode, damping, sigma):
    from bnt.kernels.solve import DONE, solve_pairwise, solve_tables

    graph = random_graphs.pairwise(seed, sigma)
    evidence = random_graphs.evidence(graph, seed)
    results = [solve(kernel, graph, evidence, mode, damping, 5, True) for kernel in (solve_pairwise, solve_tables)]
    odds, tables = results
    assert odds.code == tables.code == DONE
    logs = in_logs(graph, evidence, mode, damping, 5)
    for other_change, other_history, other_beliefs in (
        (tables.changes, tables.history, tables.logs),
        (logs.message_change, logs._history, logs._logs),
    ):
        np.testing.assert_allclose(odds.changes, other_change, atol=1e-13)
        np.testing.assert_allclose(np.exp(odds.history), np.exp(other_history), atol=1e-13)
        np.testing.assert_allclose(np.exp(odds.logs), np.exp(other_beliefs), atol=1e-13)


@PYTHON
@given(st.integers(0, 10**6), st.sampled_from(["sum", "max"]), st.sampled_from([0.0, 0.4]))
def test_python_sources_equal_the_compiled_kernels(seed, mode, damping):
    from bnt.kernels.pairwise import flood_pairwise
    from bnt.kernels.solve import solve_pairwise, solve_tables
    from bnt.kernels.tables import flood_tables

    for graph, compiled, source, first in (
        (random_graphs.loopy(seed, zeros=0.1), solve_tables, flood_tables, ()),
        (random_graphs.pairwise(seed), solve_pairwise, flood_pairwise, (SCHEDULES["flooding"],)),
    ):
        assume(fields_have_mass(graph))
        found = solve(compiled, graph, None, mode, damping, 4)
        flat = base_flat(graph)
        twin = python_only(source)(flat, *first, damping, mode == "max", 4, 4, -1.0, NO_HISTORY, np.zeros(3))
        assert twin[0] == found.code
        if found.code == 0:  # logarithms, or odds
            np.testing.assert_allclose(twin[3], found.mu, rtol=1e-12, atol=1e-14)
            np.testing.assert_allclose(twin[2], found.changes, atol=1e-14)


@PYTHON
@given(st.integers(0, 10**6), st.sampled_from(["sum", "max"]), st.sampled_from([0.0, 0.4]))
def test_python_sources_equal_the_compiled_kernels_one_by_one(seed, mode, damping):
    from bnt.kernels.one_by_one import pairwise_one_by_one, tables_one_by_one
    from bnt.kernels.pairwise import flood_pairwise
    from bnt.kernels.schedules import run_residual
    from bnt.kernels.solve import solve_pairwise, solve_pairwise_one_by_one, solve_tables_one_by_one

    loopy, pairs = random_graphs.loopy(seed, zeros=0.1), random_graphs.pairwise(seed)
    assume(fields_have_mass(loopy))
    sequential, residual = SCHEDULES["sequential"], SCHEDULES["residual"]
    for graph, compiled, source, schedule, first in (
        (loopy, solve_tables_one_by_one, tables_one_by_one, "sequential", (sequential,)),
        (loopy, solve_tables_one_by_one, tables_one_by_one, "residual", (residual,)),
        (pairs, solve_pairwise, flood_pairwise, "sequential", (sequential,)),
        (pairs, solve_pairwise_one_by_one, pairwise_one_by_one, "residual", ()),
    ):
        flat, rest = base_flat(graph), (damping, mode == "max", 4, 4, -1.0, NO_HISTORY, np.zeros(3))
        found = solve(compiled, graph, None, mode, damping, 4, schedule=schedule)
        twin = python_only(source)(flat, *first, *rest)
        if found.code == 0:
            np.testing.assert_allclose(twin[3], found.mu, rtol=1e-11, atol=1e-13)
            np.testing.assert_allclose(twin[2], found.changes, atol=1e-13)
    mu, other = start_messages(flat, mode == "max"), start_messages(flat, mode == "max")
    found, twin = (
        kernel(flat, messages, damping, mode == "max", 4, -1.0, NO_HISTORY, np.zeros(3))
        for kernel, messages in ((run_residual, mu), (python_only(run_residual), other))
    )
    np.testing.assert_allclose(np.exp(mu), np.exp(other), atol=1e-13)
    np.testing.assert_allclose(found[1], twin[1], atol=1e-13)


def python_only(kernel):
    """The kernel's source with every kernel that it calls uncompiled too; where nothing is compiled, itself."""
    if not COMPILED:
        return kernel
    function = kernel.py_func
    plain = dict(function.__globals__)
    for name in function.__code__.co_names:
        if hasattr(plain.get(name), "py_func"):
            plain[name] = python_only(plain[name])
    return types.FunctionType(function.__code__, plain, function.__name__, function.__defaults__, function.__closure__)


@PYTHON
@given(st.integers(0, 2**32), st.sampled_from(["sum", "max"]))
def test_messages_of_a_listed_clique_by_hand(seed, mode):
    """Every message of a clique's Python source against a loop over its joint states; compiled: test_junction_tree."""
    from bnt.compiler.junction_tree import cluster_graph
    from bnt.inference.triangulation import junction_tree
    from bnt.kernels.schedules import listed_messages

    graph = random_graphs.loopy(seed, zeros=0.2)
    assume(fields_have_mass(graph))
    reduced = absorb(graph)
    clusters = cluster_graph(reduced, junction_tree(reduced))
    flat, rng = clusters.flat, np.random.default_rng(seed)
    nu = np.minimum(0.0, rng.normal(-2.0, 2.0, flat.message_ptr[-1]))
    out = np.empty(len(nu))
    gather = np.maximum if mode == "max" else np.logaddexp
    for k in range(len(flat.factor_index)):
        alive = python_only(listed_messages)(flat, k, nu, out, mode == "max")
        assert (
            alive == (flat.log_table[flat.table_ptr[k] : flat.table_ptr[k + 1]] > -np.inf).any()
        )  # none listed: no mass
        if not alive:  # zeros may leave a clique no joint state
            return
        edges = range(flat.factor_ptr[k], flat.factor_ptr[k + 1])
        states = np.array(clusters.states(k))
        for target, e in enumerate(edges):
            expected = np.full(flat.message_ptr[e + 1] - flat.message_ptr[e], -np.inf)
            for i, score in enumerate(flat.log_table[flat.table_ptr[k] : flat.table_ptr[k + 1]]):
                for slot, other in enumerate(edges):
                    score += nu[flat.message_ptr[other] + states[slot, i]] if slot != target else 0.0
                expected[states[target, i]] = gather(expected[states[target, i]], score)
            expected -= gather.reduce(expected)
            np.testing.assert_allclose(out[flat.message_ptr[e] : flat.message_ptr[e + 1]], expected, atol=1e-12)


# ---------------------------------------------------------------- ranges: who runs, and nothing is lost


def chain(n, log_table, field=(0.0, 0.0)):
    names = random_graphs.variables([2] * n)
    pairs = [Factor(names[i : i + 2], log_table=log_table) for i in range(n - 1)]
    return FactorGraph(names, [*pairs, Factor(names[:1], log_table=field)])


@pytest.mark.parametrize("size", [1.0, 100.0, 300.0, 1e3, 1e5])
@pytest.mark.parametrize("mode", ["sum", "max"])
def test_potentials_of_any_size(size, mode):
    """A field of log odds ``size`` passes along a chain of couplings of the same size, against enumeration."""
    graph = chain(5, [[size, 0.0], [0.0, size]], (0.0, -0.7 * size))
    result, truth = run_bp(graph, mode=mode), exact_marginals(graph, mode=mode)
    np.testing.assert_allclose(result.beliefs.flat, truth.beliefs.flat, atol=1e-14)
    assert result.status == "exact"


def test_messages_beyond_a_float_stay_finite_logarithms():
    result = run_bp(chain(3, [[0.0, -2000.0], [-2000.0, 0.0]], (0.0, -900.0)))
    assert all(np.isfinite(message).all() for message in result.messages.values())
    assert result.messages[1, "x2"][1] == pytest.approx(-900.0, abs=1e-10)


def test_which_engine_runs(monkeypatch):
    from bnt.kernels import solve as kernels_solve

    ran = []
    for name in ("solve_pairwise", "solve_tables", "solve_pairwise_one_by_one", "solve_tables_one_by_one"):
        kernel = getattr(kernels_solve, name)

        def noted(*a, name=name, kernel=kernel):
            ran.append(name)
            return kernel(*a)

        noted.overloads = getattr(kernel, "overloads", {})
        noted.machine_code = lambda noted=noted: noted
        monkeypatch.setattr(kernels_solve, name, noted)
    plain = belief_propagation.in_logs
    monkeypatch.setattr(belief_propagation, "in_logs", lambda *a: [ran.append("logs"), plain(*a)][1])

    def engines(graph, schedule="flooding"):
        ran.clear()
        run_bp(graph, schedule=schedule)
        return ran

    for graph, names in (
        (chain(4, [[1.0, 0.0], [0.0, 1.0]]), ["solve_pairwise"]),
        (chain(4, [[250.0, 0.0], [0.0, 250.0]]), ["solve_pairwise", "solve_tables"]),  # hub too wide for odds
        (chain(4, [[900.0, 0.0], [0.0, 900.0]]), ["solve_pairwise", "solve_tables", "logs"]),
        (chain(4, [[1.0, -np.inf], [0.0, 1.0]]), ["solve_tables"]),
        (random_graphs.forest(3), ["solve_tables"]),
    ):
        assert engines(graph) == names
        single = [name + "_one_by_one" if name != "logs" else name for name in names]
        assert engines(graph, "residual") == single
        assert engines(graph, "sequential") == [name.replace("pairwise_one_by_one", "pairwise") for name in single]
    assert engines(chain(4, [[1.0, 0.0], [0.0, 1.0]]), "auto") == ["solve_pairwise", "solve_tables"]  # two sweeps
    assert engines(random_graphs.pairwise(3, edges=[(0, 1), (1, 2), (2, 0)]), "auto") == ["solve_pairwise"]
    assert engines(random_graphs.pairwise(3, edges=[(0, 1), (1, 2), (2, 0)]), "in-place") == ["solve_pairwise"]


@given(st.integers(0, 10**6), st.sampled_from(["sum", "max"]), st.sampled_from([0.0, 0.4]))
def test_sequential_and_residual_agree_in_odds_tables_and_logarithms(seed, mode, damping):
    """Four sweeps, or as many residual updates, message by message; ties of the residual order may differ."""
    from bnt.kernels.solve import DONE, solve_pairwise, solve_pairwise_one_by_one, solve_tables_one_by_one

    graph = random_graphs.pairwise(seed)
    evidence = random_graphs.evidence(graph, seed)
    known = parse_evidence(graph, evidence)
    for schedule, rounds, tolerance in (("sequential", 4, 1e-13), ("residual", None, 1e-9)):
        arguments = (graph, evidence, mode, damping, rounds, False, schedule)
        kernel = solve_pairwise if schedule == "sequential" else solve_pairwise_one_by_one
        odds, tables = solve(kernel, *arguments), solve(solve_tables_one_by_one, *arguments)
        assert odds.code == tables.code == DONE
        logs = belief_propagation.in_logs(graph, known, checked_options(mode, damping, rounds, 1e-10, False, schedule))
        if rounds is None and not logs.converged:
            continue
        np.testing.assert_allclose(np.exp(odds.logs), np.exp(logs._logs), atol=tolerance)
        np.testing.assert_allclose(np.exp(tables.logs), np.exp(logs._logs), atol=tolerance)


@given(
    st.integers(0, 10**6),
    st.sampled_from(["sum", "max"]),
    st.sampled_from([0.0, 0.4]),
    st.sampled_from(["sequential", "residual"]),
    st.sampled_from([1, 2, 7]),
)
def test_one_by_one_equals_the_textbook_message_by_message(seed, mode, damping, schedule, rounds):
    """The same messages in the same order: after so many rounds all are equal, and so is the change that is left."""
    from bnt.kernels.solve import DONE, solve_pairwise, solve_pairwise_one_by_one, solve_tables_one_by_one

    in_odds = solve_pairwise if schedule == "sequential" else solve_pairwise_one_by_one
    kernels = [(random_graphs.loopy(seed, zeros=0.0), [solve_tables_one_by_one])]
    kernels.append((random_graphs.pairwise(seed), [in_odds, solve_tables_one_by_one]))
    for graph, engines in kernels:
        if not len(base_flat(graph).edge_factor):
            continue
        expected, _, change = naive.one_by_one(graph, schedule, rounds, mode == "max", damping)
        vector = np.concatenate([*expected.values()])
        known, options = parse_evidence(graph, None), checked_options(mode, damping, rounds, 0.0, True, schedule)
        found = [solve(kernel, graph, None, mode, damping, rounds, True, schedule) for kernel in engines]
        assert all(one.code == DONE for one in found)
        logs = belief_propagation.in_logs(graph, known, options)
        for history, changes in [(one.history, one.changes) for one in found] + [(logs._history, logs.message_change)]:
            np.testing.assert_allclose(np.exp(history[rounds]), vector, atol=1e-12)
            np.testing.assert_allclose(changes[-1], change, atol=1e-12)


@given(st.integers(0, 10**6), st.sampled_from(["sum", "max"]), st.sampled_from([0.0, 0.4]))
def test_in_place_blocks_by_hand(seed, mode, damping):
    """One block: every message of round one as flooding sends it; then the beliefs in place, round by round."""
    from bnt.kernels.solve import solve_pairwise

    graph = random_graphs.pairwise(seed)
    one = solve(solve_pairwise, graph, None, mode, damping, 1, False, "in-place")
    flooding = solve(solve_pairwise, graph, None, mode, damping, 1)
    np.testing.assert_allclose(one.mu, flooding.mu, rtol=1e-12)
    more = solve(solve_pairwise, graph, None, mode, damping, 40, True, "in-place")
    twin = in_logs(graph, None, mode, damping, 40)  # a graph of one block has no order: in place is flooding
    np.testing.assert_allclose(np.exp(more.history), np.exp(twin._history), atol=1e-11)


@given(st.integers(0, 10**6))
def test_waves_keep_the_order_of_factors_that_meet(seed):
    from bnt.kernels.pairwise import waves

    flat = base_flat(random_graphs.pairwise(seed))
    order, ends = python_only(waves)(flat)
    ends_of = flat.edge_variable.reshape(-1, 2)
    np.testing.assert_array_equal(np.sort(order), np.arange(len(ends_of)))
    wave = np.empty(len(order), int)
    wave[order] = np.searchsorted(ends, np.arange(len(order)), side="right")
    for k, early in enumerate(ends_of):
        for later in range(k + 1, len(ends_of)):
            if set(early) & set(ends_of[later]):
                assert wave[k] < wave[later]


def test_the_scattered_order_holds_every_factor_once():
    from bnt.kernels.pairwise import scattered

    for m in [*range(200), 1000, 12345, 98304]:
        np.testing.assert_array_equal(np.sort(python_only(scattered)(m)), np.arange(m))


@pytest.mark.parametrize("leaves", [10, 500, 3000])
def test_a_hub_of_any_degree(leaves):
    """A star of observed-like leaves: belief of the hub in closed form, whichever engine its degree calls for."""
    names = random_graphs.variables([2] * (leaves + 1))
    rng = np.random.default_rng(leaves)
    tables = rng.uniform(0.2, 1.0, (leaves, 2, 2))
    graph = FactorGraph(names, [Factor((names[0], leaf), t) for leaf, t in zip(names[1:], tables, strict=True)])
    log_belief = np.log(tables.sum(2)).sum(0)
    expected = np.exp(log_belief - np.logaddexp.reduce(log_belief))
    np.testing.assert_allclose(run_bp(graph).beliefs.vector("x0"), expected, atol=1e-11, rtol=1e-9)


@pytest.mark.parametrize(
    ("schedule", "leaves"),
    [(how, leaves) for how in ("in-place", "sequential", "residual") for leaves in (3, 200, 700)][:-1],
)
def test_a_hub_of_any_degree_one_factor_after_the_other(schedule, leaves):
    """Products before and after a factor are small numbers beside a wide hub; beyond the range logarithms take over."""
    names = random_graphs.variables([3] + [2] * leaves)
    rng = np.random.default_rng(leaves)
    tables = rng.uniform(0.2, 1.0, (leaves, 3, 2))
    tables[0, 1] = 0.0  # one state is impossible
    graph = FactorGraph(names, [Factor((names[0], leaf), t) for leaf, t in zip(names[1:], tables, strict=True)])
    with np.errstate(divide="ignore"):
        log_belief = np.log(tables.sum(2)).sum(0)
    expected = np.exp(log_belief - np.logaddexp.reduce(log_belief))
    found = run_bp(graph, schedule=schedule)
    np.testing.assert_allclose(found.beliefs.vector("x0"), expected, atol=1e-12)
    assert found.beliefs.vector("x0")[1] == 0.0


# ---------------------------------------------------------------- float32 first, float64 to the end


@given(
    st.integers(0, 10**6),
    st.sampled_from(["sum", "max"]),
    st.sampled_from([0.0, 0.3]),
    st.sampled_from(["auto", "flooding", "sequential"]),
)
def test_mixed_precision_ends_where_float64_does(seed, mode, damping, schedule):
    """The same fixed point to the same tolerance: 1e-12 left over, 1e-10 in the beliefs. Measured 4e-13."""
    graph = random_graphs.pairwise(seed)
    evidence = random_graphs.evidence(graph, seed)
    options = {"mode": mode, "damping": damping, "schedule": schedule, "tolerance": 1e-12}
    usual, mixed = run_bp(graph, evidence, **options), run_bp(graph, evidence, **options, precision="mixed")
    assert usual.single_rounds == 0
    assert 0 <= mixed.single_rounds <= mixed.rounds
    assert (mixed.single_rounds > 0) == (f"the first {mixed.single_rounds} rounds in float32" in repr(mixed))
    np.testing.assert_array_equal(mixed._exact, usual._exact)  # trees that hang on the loops, too
    if usual.exact:  # a forest
        assert mixed.single_rounds == 0 or damping > 0.0
    if usual.converged:
        assert mixed.converged
        assert usual.exact or mixed.message_change[-1] <= 1e-12
        np.testing.assert_allclose(mixed.beliefs.flat, usual.beliefs.flat, atol=1e-10)


def test_mixed_precision_where_it_saves_something_and_where_float32_is_too_narrow():
    ring = [(i, (i + 1) % 6) for i in range(6)]
    found = run_bp(random_graphs.pairwise(1, edges=ring), precision="mixed", tolerance=1e-13)
    assert 2 < found.single_rounds < found.rounds
    assert found.message_change[found.single_rounds - 1] <= 2.0**-20
    names = random_graphs.variables([2] * 3)
    strong = [Factor((names[i], names[i - 1]), log_table=[[25.0, 0.0], [0.0, 24.0]]) for i in range(3)]
    assert run_bp(FactorGraph(names, strong), precision="mixed").single_rounds == 0  # e^50 at each of the three
    zeros = FactorGraph(names, [Factor((names[i], names[i - 1]), [[1.0, 0.5], [0.0, 1.0]]) for i in range(3)])
    assert run_bp(zeros, precision="mixed").single_rounds == 0


@pytest.mark.parametrize("wrong", [{"rounds": 3}, {"keep_history": True}, {"schedule": "residual"}, {"start": {}}])
def test_mixed_precision_runs_until_the_messages_settle(wrong):
    graph = chain(4, [[1.0, 0.0], [0.0, 1.0]])
    with pytest.raises(BntError, match='precision="mixed" runs until the messages settle'):
        run_bp(graph, precision="mixed", **wrong)
    with pytest.raises(BntError, match="precision must be 'float64' or 'mixed', not 'float32'"):
        run_bp(graph, precision="float32")


def test_zeros_stay_exact_zeros_in_every_engine():
    x, y = Variable("x", ("a", "b", "c")), Variable("y", ("a", "b"))
    graph = FactorGraph([x, y], [Factor((x, y), [[1, 0], [0, 1], [0, 0]])])
    for result in (run_bp(graph, {"y": [1.0, 1e-300]}), in_logs(graph, {"y": [1.0, 1e-300]})):
        assert result.messages[0, "x"][2] == -np.inf
        assert result.beliefs["x"]["c"] == 0.0
        assert result.beliefs["x"]["b"] == pytest.approx(1e-300, rel=1e-12)
    soft_zero = run_bp(chain(3, [[1.0, 0.0], [0.0, 1.0]]), {"x0": [0.5, 0.5], "x2": [1.0, 1.0]})
    assert soft_zero.status == "exact"
    field_zero = FactorGraph([x, y], [Factor((x, y), np.ones((3, 2))), Factor((y,), [0.0, 1.0])])
    assert run_bp(field_zero).beliefs["y"] == {"a": 0.0, "b": 1.0}


def test_a_kernel_for_kernels_alone_refuses_a_call_from_python():
    from bnt.kernels.tables import join

    if not COMPILED:
        assert join(1.0, 2.0, True) == 2.0  # a plain function, then
        return
    with pytest.raises(TypeError, match="join can only be called by another kernel"):
        join(1.0, 2.0, True)


def test_is_binary_pairwise():
    assert is_binary_pairwise(random_graphs.pairwise(0))
    assert not is_binary_pairwise(chain(3, [[0.0, -np.inf], [0.0, 0.0]]))
    names = random_graphs.variables([2, 3])
    assert not is_binary_pairwise(FactorGraph(names, [Factor(names, np.ones((2, 3)))]))


@given(st.integers(0, 10**6))
def test_factors_over_four_and_more_variables(seed):
    rng = np.random.default_rng(seed)
    names = random_graphs.variables(rng.integers(2, 4, 6))
    scopes = [rng.permutation(6)[: int(rng.integers(4, 6))] for _ in range(2)]
    graph = FactorGraph(names, [random_graphs.random_factor([names[i] for i in s], rng, 0.1) for s in scopes])
    for mode in ("sum", "max"):
        with np.errstate(invalid="ignore", divide="ignore"):
            expected, _ = naive.bp_messages(graph, {}, 4, mode == "max")
        try:
            result = run_bp(graph, rounds=4, mode=mode)
        except InconsistentEvidenceError:
            return
        for key, message in result.messages.items():
            np.testing.assert_allclose(np.exp(message), expected[-1][key], atol=1e-13)
