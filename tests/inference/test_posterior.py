"""One question: who answers, and what the answer is worth."""

import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnt import (
    BntError,
    Factor,
    FactorGraph,
    InconsistentEvidenceError,
    TooLargeError,
    UnknownVariableError,
    posterior,
    run_bp,
)
from bnt.graph.networks import grid, load_graph
from bnt.inference.posterior import weakest
from tests import naive, random_graphs


@given(st.integers(0, 10**6), st.sampled_from(["sum", "max"]))
def test_auto_is_the_truth_on_small_graphs(seed, mode):
    graph = random_graphs.loopy(seed, most=5, zeros=0.1)
    evidence = random_graphs.evidence(graph, seed)
    truth, mass = naive.marginals(graph, evidence, maximise=mode == "max")
    if mass == 0.0:
        with pytest.raises(InconsistentEvidenceError):
            posterior(graph, evidence, mode=mode)
        return
    query = [name for i, name in enumerate(graph.index) if (seed >> i) % 2]
    for asked in (query, list(graph.index), query):  # a new graph; all of it; its tree at hand
        answer = posterior(graph, evidence, asked, mode=mode)
        for name in asked:
            assert answer.beliefs.vector(name) == pytest.approx(truth[name], abs=1e-14)
    answer = posterior(graph, evidence, query, mode=mode)
    assert (answer.method, answer.query, answer.converged, answer.rounds) == ("exact", tuple(query), None, None)
    for name in query:
        assert answer.beliefs.vector(name) == pytest.approx(truth[name], abs=1e-14)
    assert answer.log_z == pytest.approx(math.log(mass), abs=1e-12)
    if mode == "max":
        table = naive.joint(graph, evidence)
        best = table[tuple(answer.map_assignment.values())]
        assert best == pytest.approx(max(table.values()), rel=1e-12)
        assert answer.log_probability == pytest.approx(math.log(best), abs=1e-12)


def test_too_large_falls_back_to_belief_propagation_and_says_so():
    graph = grid(4, 4)
    answer, bp = posterior(graph, memory_limit=100), run_bp(graph)
    assert (answer.method, answer.status, answer.converged, answer.rounds) == ("bp", bp.status, True, bp.rounds)
    assert answer.beliefs.distance(bp.beliefs) == 0.0
    with pytest.raises(TooLargeError, match="the limit is 100 bytes"):
        posterior(graph, method="exact", memory_limit=100)
    best = posterior(graph, mode="max", memory_limit=100)
    table = sum(f.log_table[tuple(int(best.map_assignment[v.name]) for v in f.variables)] for f in graph.factors)
    assert best.log_probability == pytest.approx(float(table), abs=1e-12)


def test_status_is_of_what_was_asked_and_no_loopy_answer_is_exact():
    asia = load_graph("asia")
    for method in ("exact", "bp"):
        answer = posterior(asia, {"smoke": "yes"}, ["tub", "asia", "smoke"], method)
        assert (answer.status, answer.method) == ("prior", method)  # the observed one does not count
        assert answer.status_of("dysp") == "exact"
        assert posterior(asia, {"smoke": "yes"}, ["dysp", "tub"], method).status == "exact"
        assert pickle.loads(pickle.dumps(answer)).status == "prior"
    assert posterior(asia, {"smoke": "yes"}, ["smoke"]).status == "exact"
    assert posterior(asia, {"asia": "yes"}, ["dysp"], "bp").status == "approximate"  # smoke opens the loop again
    assert posterior(asia, {"asia": "yes"}, ["dysp"]).status == "exact"


def test_bad_questions():
    asia = load_graph("asia")
    with pytest.raises(BntError, match="unknown method 'gibbs'; "):
        posterior(asia, method="gibbs")
    with pytest.raises(BntError, match="mode must be 'sum' or 'max'"):
        posterior(asia, mode="mean")
    with pytest.raises(UnknownVariableError, match="did you mean 'lung'"):
        posterior(asia, query=["lungs"])
    with pytest.raises(BntError, match="query must be a sequence of variable names"):
        posterior(asia, query="lung")
    with pytest.raises(BntError, match="memory_limit must be a number of bytes, not 'much'"):
        posterior(asia, memory_limit="much")


def test_belief_propagation_that_cannot_rule_out_a_contradiction_says_so():
    x = random_graphs.variables([2] * 2)
    graph = FactorGraph(x, [Factor(x, np.ones((2, 2)))])
    assert posterior(graph, method="bp").support == "checked"


def test_the_weakest_status():
    assert weakest(["exact", "prior"]) == weakest([]) == "exact"
    assert weakest(["prior"]) == "prior"
    assert weakest(["exact", "approximate", "prior"]) == "approximate"
    assert weakest(["approximate", "not converged"]) == "not converged"
