"""Enumeration against sums over an explicit dictionary of assignments."""

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnt import (
    Factor,
    FactorGraph,
    InconsistentEvidenceError,
    TooLargeError,
    UnsupportedModelError,
    Variable,
    exact_marginals,
    run_bp,
)
from bnt.graph.networks import chain, grid
from bnt.inference.exact import doubling_marginals
from tests import naive, random_graphs

TOLERANCE = 1e-14  # measured 2e-15: sums of at most a few thousand positive terms


@given(st.integers(0, 10**6), st.sampled_from(["sum", "max"]))
def test_marginals_and_mass_equal_the_dictionary_s(seed, mode):
    graph = random_graphs.loopy(seed, most=5, zeros=0.1)
    evidence = random_graphs.evidence(graph, seed)
    truth, mass = naive.marginals(graph, evidence, maximise=mode == "max")
    if mass == 0.0:
        with pytest.raises(InconsistentEvidenceError, match="probability zero"):
            exact_marginals(graph, evidence, mode=mode)
        return
    result = exact_marginals(graph, evidence, mode=mode)
    for name, p in truth.items():
        np.testing.assert_allclose(result.beliefs.vector(name), p, atol=TOLERANCE, rtol=0)
    assert result.log_z == pytest.approx(np.log(mass), abs=1e-13)
    assert result.status == "exact"
    if mode == "max":
        table = naive.joint(graph, evidence)
        best = table[tuple(result.map_assignment.values())]
        assert best == pytest.approx(max(table.values()), rel=1e-12)


def test_probabilities_far_below_the_smallest_float_are_handled_in_logs():
    x = Variable("x", ("a", "b"))
    factors = [Factor((x,), log_table=[-2000.0, -2001.0])] * 3
    result = exact_marginals(FactorGraph([x], factors))
    assert result.beliefs["x"]["a"] == pytest.approx(1 / (1 + np.exp(-3)), abs=1e-15)
    assert result.log_z == pytest.approx(-6000 + np.log1p(np.exp(-3)), abs=1e-12)


def test_it_refuses_with_the_count():
    """Neither enumeration nor a junction tree: 23 binary variables in a single clique."""
    many = [Variable(f"x{i}", ("a", "b")) for i in range(23)]
    pairs = [Factor((a, b), np.ones((2, 2))) for a in many for b in many if a is not b]
    with pytest.raises(TooLargeError, match=r"8\.39e\+06 of them in its largest clique: 64 MiB; the limit is 32 MiB"):
        exact_marginals(FactorGraph(many, pairs), memory_limit=2**25)
    assert exact_marginals(FactorGraph(many, pairs[:1]), memory_limit=2**25).status == "exact"


# --- chains by doubling, against enumeration and belief propagation


@given(st.integers(0, 10**6), st.integers(1, 7))
def test_any_chain_with_evidence_is_exact(seed, n):
    rng = np.random.default_rng(seed)
    names = random_graphs.variables(rng.integers(2, 4, n))
    factors = []
    for i in range(n - 1):
        scope = (names[i], names[i + 1]) if rng.random() < 0.5 else (names[i + 1], names[i])
        factors.append(random_graphs.random_factor(scope, rng, 0.0))
    graph = FactorGraph(names, [*factors, *(random_graphs.random_factor((v,), rng, 0.0) for v in names)])
    evidence = {"x0": "s1"} if n > 1 and seed % 2 else {f"x{n // 2}": "s0"} if seed % 3 else {}
    beliefs, rounds = doubling_marginals(graph, evidence)
    truth, _ = naive.marginals(graph, evidence)
    for name in truth:
        assert beliefs.vector(name) == pytest.approx(truth[name], abs=1e-13)
    assert rounds == math.ceil(math.log2(n))


def test_a_long_chain_does_not_overflow():
    graph = chain(3000, seed=0)
    beliefs, rounds = doubling_marginals(graph)
    assert rounds == 12
    assert beliefs.distance(run_bp(graph).beliefs) < 1e-12


def test_other_graphs_are_refused():
    with pytest.raises(UnsupportedModelError, match="neighbours of the chain"):
        doubling_marginals(grid(2, 2, seed=0))
    x = random_graphs.variables([2, 2, 2])
    with pytest.raises(UnsupportedModelError, match="neighbours"):
        doubling_marginals(FactorGraph(x, [Factor(x, np.ones((2, 2, 2)))]))


def test_a_chain_without_any_possible_state_is_no_row_of_nan():
    """x0 = x1 and x1 != x2, but x0 and x2 must both be the first state; each table alone is possible."""
    x = random_graphs.variables([2, 2, 2])
    ends = [Factor([x[0]], [1, 0]), Factor([x[2]], [1, 0])]
    with pytest.raises(InconsistentEvidenceError, match="probability zero"):
        doubling_marginals(FactorGraph(x, [Factor(x[:2], np.eye(2)), Factor(x[1:], 1 - np.eye(2)), *ends]))


def test_a_chain_of_nothing():
    beliefs, rounds = doubling_marginals(FactorGraph([], []))
    assert (len(beliefs), rounds) == (0, 0)


NO_NUMBA = """if True:
    import sys, bnt
    for name, evidence in (("asia", {"xray": "yes"}), ("cancer", {}), (sys.argv[1], {"HISTORY": "TRUE"})):
        graph = bnt.load_graph(name)
        for _ in range(2):
            for mode in ("sum", "max"):
                bnt.exact_marginals(graph, evidence, mode=mode)
            bnt.posterior(graph, evidence, query=[graph.variables[-1].name])
    print("numba" in sys.modules)"""


def test_small_questions_load_no_numba(benchmark_networks):
    """Also the second question about a graph, max mode and a network of 37 variables."""
    command = [sys.executable, "-W", "ignore", "-c", NO_NUMBA, str(benchmark_networks / "alarm.bif.gz")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("False", "")
