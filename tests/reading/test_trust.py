"""Whom to trust beyond the threshold: every branch of the rule, and frustration against all assignments."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnt import diagnose, exact_marginals, load_graph, run_bp, run_trw
from bnt.graph.evidence import absorb
from bnt.graph.networks import chain, grid, ising
from bnt.reading.trust import frustrated, trust
from tests import random_graphs


def complete(n, coupling, field=0.1):
    return ising(
        [f"x{i}" for i in range(n)], [(i, j) for i in range(n) for j in range(i)], coupling=coupling, field=field
    )


@given(st.integers(0, 10**6))
def test_frustrated_means_that_no_assignment_pleases_every_pair(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 6))
    pairs = [pair for pair in itertools.combinations(range(n), 2) if rng.random() < 0.6]
    signs = rng.choice([-1, 0, 1], len(pairs))
    names = random_graphs.variables([2] * n)
    factors = [
        random_graphs.Factor((names[i], names[j]), log_table=[[s, 0.3], [0.3, s + 0.6]]) if s else
        random_graphs.Factor((names[i], names[j]), log_table=[[0.5, 1.5], [1.5, 2.5]])
        for (i, j), s in zip(pairs, signs.astype(float) * 2, strict=True)
    ]  # fmt: skip
    couplings = [f.log_table[1, 1] + f.log_table[0, 0] - f.log_table[0, 1] - f.log_table[1, 0] for f in factors]
    pleased = any(
        all(c * x[i] * x[j] >= 0 for c, (i, j) in zip(couplings, pairs, strict=True))
        for x in itertools.product((-1, 1), repeat=n)
    )
    assert frustrated(absorb(random_graphs.FactorGraph(names, factors))) == (not pleased)


def test_below_the_threshold_belief_propagation():
    found = trust(complete(5, 0.1))
    assert (found.method, found.frustrated) == ("bp", False)
    assert "threshold is not reached" in str(found)
    assert trust(chain(4)).method == "bp"


def test_beyond_it_without_frustration_tree_reweighted():
    for graph in (complete(4, 1.0, 0.02), grid(3, 3, coupling=-1.5)):  # a grid has two colours
        found = trust(graph)
        assert (found.method, found.frustrated, found.settles) == ("trw", False, None)
        assert "no loop is frustrated" in str(found)
        exact = exact_marginals(graph).beliefs
        assert run_trw(graph).beliefs.distance(exact) < run_bp(graph, damping=0.5).beliefs.distance(exact)


def test_beyond_it_with_frustration_it_depends_on_settling():
    settles, not_so = trust(complete(4, -1.0, 0.2)), trust(complete(9, -0.3))
    assert (settles.method, settles.frustrated, settles.settles) == ("bp", True, True)
    assert "frustrated, and it settles" in str(settles)
    far = trust(complete(9, -0.7))
    assert (far.method, far.frustrated) == ("trw", True)
    assert "far beyond" in str(far)
    assert not_so.method in ("bp", "trw")
    assert trust(complete(4, -1.0, 0.2), settles=False).method == "trw"


def test_where_the_rule_does_not_reach_and_in_a_diagnosis():
    asia = trust(load_graph("asia"))
    assert asia.method is None
    assert "binary variables in pairs" in str(asia)
    found = diagnose(complete(4, 1.0, 0.02), starts=1)
    assert found.trusted.method == "trw"
    assert 'whom to trust if not exact: method "trw"' in str(found)
    assert "whom to trust" not in str(diagnose(chain(4)))


@pytest.mark.parametrize("known", [True, False])
def test_what_is_known_already_is_not_run_again(monkeypatch, known):
    monkeypatch.setattr("bnt.reading.trust.run_bp", None)
    assert trust(complete(4, -1.0, 0.2), bound=2.0, settles=known).method == ("bp" if known else "trw")
