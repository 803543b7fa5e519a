"""The tree-reweighted construction against an own code in logarithms: every message of every round."""

import numpy as np
import pytest

from bnt import UnsupportedModelError, compile_graph, exact_marginals, forward, run_bp, run_trw, verify_model
from bnt.compiler.posterior import transformer_posterior
from bnt.graph.networks import ising
from tests import naive, random_graphs
from tests.compiler.test_pairwise import graph_of, some_evidence


@pytest.mark.parametrize("damping", [0.0, 0.5])
def test_every_message_of_every_round_equals_the_slow_twin(damping):
    for seed in range(100):
        graph = graph_of(("tree", "loopy", "complete")[seed % 3], seed)
        evidence = some_evidence(graph, seed) if seed % 2 else None
        model = compile_graph(graph, evidence, construction="tree-reweighted", damping=damping, rounds=8)
        weights = run_trw(graph, evidence, rounds=0).edge_weights
        slow, field = naive.trw_messages(graph, weights, 8, damping, evidence)
        trace = forward(model.tokens, model.weights, keep="layers")
        for r, expected in enumerate(slow):
            found = model.messages(trace, r)
            assert found.keys() == expected.keys()
            for key, message in expected.items():
                assert np.abs(np.exp(found[key]) - np.exp(message)).max() <= 1e-12, (seed, r)
            for name, vector in naive.trw_beliefs(expected, field, weights).items():
                assert np.abs(model.beliefs(trace, r + 1).vector(name) - vector).max() <= 1e-12, (seed, r)


@pytest.mark.parametrize("attention", ["dense", "gather"])
def test_verify_finds_every_message_of_every_round(attention):
    for seed in range(12):
        graph = graph_of(("loopy", "complete")[seed % 2], seed)
        report = verify_model(compile_graph(graph, construction="tree-reweighted", rounds=25), attention=attention)
        assert report.construction == "tree-reweighted"
        assert report.message_errors.shape == (25,)
        assert max(report.max_message_error, report.max_belief_error) <= 1e-12
        assert report.holds


def test_on_a_forest_it_is_the_pairwise_construction_and_exact():
    for seed in range(20):
        graph = graph_of("tree", seed)
        model, pairwise = (compile_graph(graph, construction=name) for name in ("tree-reweighted", "pairwise"))
        assert (model.rounds, model.exact_after) == (pairwise.rounds, pairwise.exact_after)
        one, other = (m.messages_of(forward(m.tokens, m.weights, keep="last").final) for m in (model, pairwise))
        assert np.abs(np.exp(one) - np.exp(other)).max(initial=0.0) <= 1e-14
        beliefs = model.beliefs(forward(model.tokens, model.weights, keep="last"))
        assert beliefs.distance(exact_marginals(graph).beliefs) <= 1e-13


def test_a_transformer_answers_where_belief_propagation_oscillates():
    graph = ising(list("abcd"), [(i, j) for i in range(4) for j in range(i)], coupling=-1.0, field=0.2)
    assert not run_bp(graph, schedule="flooding").converged
    answer = transformer_posterior(graph, construction="tree-reweighted")
    assert answer.method == "transformer, tree-reweighted construction"
    assert answer.beliefs.distance(exact_marginals(graph).beliefs) <= 0.01


def test_what_it_does_not_cover_is_named():
    with pytest.raises(UnsupportedModelError, match='tree-reweighted construction is for mode "sum"'):
        compile_graph(graph_of("tree", 0), construction="tree-reweighted", mode="max")
    with pytest.raises(
        UnsupportedModelError, match=r"tree-reweighted construction does not cover this model: .*3 states"
    ):
        compile_graph(random_graphs.loopy(1), construction="tree-reweighted")
