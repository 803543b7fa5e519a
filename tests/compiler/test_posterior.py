"""A question answered by a compiled transformer, against belief propagation and enumeration."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnt import BntError, UnknownVariableError, exact_marginals, run_bp
from bnt.compiler import posterior as module
from bnt.compiler.posterior import DisagreementError, image_beliefs, transformer_posterior
from bnt.graph.networks import grid, load_graph, noisy_image
from tests import naive, random_graphs


@given(st.integers(0, 10**6))
def test_on_a_junction_tree_the_answer_is_the_truth(seed):
    graph = random_graphs.loopy(seed, most=4, zeros=0.0)
    evidence = random_graphs.evidence(graph, seed)
    truth, _ = naive.marginals(graph, evidence)
    answer = transformer_posterior(graph, evidence, construction="junction-tree")
    assert answer.status in ("exact", "prior")
    assert answer.method == "transformer, junction-tree construction"
    for name, p in truth.items():
        assert answer.beliefs.vector(name) == pytest.approx(p, abs=1e-12)


def test_otherwise_it_is_its_belief_propagation_status_included():
    graph = grid(3, 3)
    answer, bp = transformer_posterior(graph), run_bp(graph)
    assert (answer.method, answer.status) == ("transformer, pairwise construction", "approximate")
    assert (answer.rounds, answer.converged) == (bp.rounds, True)
    assert answer.beliefs.distance(bp.beliefs) <= 1e-12
    asia = load_graph("asia")
    assert transformer_posterior(asia, {"smoke": "yes"}, ["tub"]).status == "prior"
    tree = load_graph("random_tree")
    best = transformer_posterior(tree, mode="max")
    assert best.map_assignment == exact_marginals(tree, mode="max").map_assignment


def test_it_stops_at_most_layers_and_says_not_converged(monkeypatch):
    monkeypatch.setattr(module, "MOST_ROUNDS", 3)
    answer = transformer_posterior(grid(3, 3))
    assert (answer.rounds, answer.status) == (3, "not converged")


def test_an_answer_that_is_off_is_refused(monkeypatch):
    monkeypatch.setattr(module, "AGREEMENT", -1.0)
    for construction in ("pairwise", "junction-tree"):
        with pytest.raises(
            DisagreementError, match=f"transformer, {construction} construction: off by .*use method 'bp'"
        ):
            transformer_posterior(grid(2, 2), construction=construction)


def test_beliefs_of_pixels_are_those_of_belief_propagation_round_by_round():
    seen = np.random.default_rng(0).integers(0, 2, (5, 4))
    found, graph = image_beliefs(seen, 0.4, 0.15, rounds=4), noisy_image(seen, 0.4, 0.15)
    assert found.shape == (5, 5, 4)
    for r in range(5):
        assert np.abs(found[r].ravel() - run_bp(graph, rounds=r).beliefs.flat[1::2]).max() < 1e-12


def test_a_query_is_read_as_by_posterior():
    graph = grid(2, 2)
    names = list(graph.index)
    for query in ("".join(names), 5, {names[0]}):
        with pytest.raises(BntError, match="query must be a sequence of variable names"):
            transformer_posterior(graph, None, query)
    with pytest.raises(UnknownVariableError, match="'nowhere'"):
        transformer_posterior(graph, None, ["nowhere"])
