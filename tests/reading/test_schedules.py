"""What is recommended settles, what is said of it holds; a known failure of each schedule leads to the next one."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bnt
from bnt.graph.networks import chain, grid
from bnt.reading.diagnostics import diagnose
from bnt.reading.schedules import Recommendation, recommend, settles
from tests import naive, random_graphs


def ring(coupling: float, field: float) -> bnt.FactorGraph:
    """Four variables, all joined; field is the log odds of each."""
    names = random_graphs.variables([2] * 4)
    pairs = [
        bnt.Factor(pair, log_table=[[coupling, -coupling], [-coupling, coupling]])
        for pair in itertools.combinations(names, 2)
    ]
    return bnt.FactorGraph(names, [bnt.Factor((v,), log_table=[0, field]) for v in names] + pairs)


def test_a_forest_needs_no_choice() -> None:
    found = recommend(chain(5, seed=0))
    assert found.options == {"schedule": "auto"}
    assert "two sweeps are exact" in str(found)
    assert recommend(bnt.load_graph("asia"), {"smoke": "yes", "either": "no", "bronc": "no"}).schedule == "auto"


def test_loops_get_the_first_schedule_that_settles() -> None:
    weak = recommend(grid(4, 4, seed=0, coupling=0.1))
    assert (weak.schedule, weak.damping, weak.tried) == ("in-place", 0.0, ())
    assert recommend(bnt.load_graph("asia")).schedule == "flooding"  # it has zeros
    hard = ring(-1.0, 0.2)  # flooding goes back and forth with period 2
    found = recommend(hard)
    assert not settles(hard, None, "flooding", 0.0)
    assert found.schedule is not None
    assert bnt.run_bp(hard, **found.options).converged


@settings(max_examples=25)
@given(st.integers(0, 10**6))
def test_what_is_recommended_settles_and_what_was_tried_does_not(seed: int) -> None:
    graph = random_graphs.pairwise(seed, sigma=2.0, most=6)
    found = recommend(graph)
    if found.schedule is not None:
        assert bnt.run_bp(graph, tolerance=1e-8, **found.options).converged
    for name in found.tried:
        schedule, damping = ("flooding", 0.5) if name == "damping=0.5" else (name, 0.0)
        assert not bnt.run_bp(graph, schedule=schedule, damping=damping, tolerance=1e-8).converged


def test_where_nothing_settles_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bnt.reading.schedules.settles", lambda *_: False)
    found = recommend(ring(1.0, 0.2))
    assert (found.schedule, found.options) == (None, {})
    assert found.tried == ("in-place", "sequential", "residual", "damping=0.5")
    assert str(found).endswith("a junction tree does not fit the memory: no answer to rely on")


def test_diagnose_says_what_to_run() -> None:
    graph = ring(-1.0, 0.2)
    found = diagnose(graph)
    assert found.recommended.exact
    assert "-> what to run: exact_marginals: a junction tree fits the memory; of the schedules, run_bp(" in str(found)
    exact, mass = naive.marginals(graph)
    assert mass > 0
    assert bnt.exact_marginals(graph).beliefs.vector("x0") == pytest.approx(exact["x0"], abs=1e-12)
    assert "what to run: run_bp as it is" in str(diagnose(chain(4, seed=0)))


def test_the_sentence_names_options_of_run_bp() -> None:
    damped = Recommendation("flooding", 0.5, False, ("in-place", "residual"))
    says = "run_bp(..., schedule='flooding', damping=0.5) settles (in-place, residual did not settle)"
    assert str(damped) == says
