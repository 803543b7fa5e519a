"""The mean-field construction against the slow twin: every message of every round, damped too."""

import numpy as np
import pytest

from bnt import Factor, FactorGraph, UnsupportedModelError, compile_graph, forward, run_mean_field, verify_model
from bnt.compiler.posterior import transformer_posterior
from tests import naive, random_graphs
from tests.compiler.test_pairwise import graph_of, some_evidence


@pytest.mark.parametrize("damping", [0.0, 0.5])
def test_every_message_of_every_round_equals_the_slow_twin(damping):
    for seed in range(60):
        graph = graph_of(("tree", "loopy", "complete")[seed % 3], seed)
        evidence = some_evidence(graph, seed) if seed % 2 else None
        model = compile_graph(graph, evidence, construction="mean-field", damping=damping, rounds=6)
        trace = forward(model.tokens, model.weights, keep="layers", attention="dense")
        for r, (messages, beliefs) in enumerate(naive.mean_field_messages(graph, 6, damping, evidence)):
            found = model.messages(trace, r)
            assert found.keys() == messages.keys()
            for key, message in messages.items():
                assert np.abs(np.exp(found[key]) - np.exp(message)).max() <= 1e-12, (seed, r)
            for name, vector in beliefs.items():
                assert np.abs(model.beliefs(trace, r + 1).vector(name) - vector).max() <= 1e-12, (seed, r)


@pytest.mark.parametrize("attention", ["dense", "gather"])
def test_verify_finds_every_message_of_every_round(attention):
    for seed in range(12):
        model = compile_graph(graph_of("loopy", seed), construction="mean-field", rounds=20)
        report = verify_model(model, attention=attention)
        assert max(report.max_message_error, report.max_belief_error) <= 1e-12
        assert report.holds
        assert report.status in ("approximate", "not converged")
        assert model.exact_after is None


def test_the_attention_weight_is_the_coupling():
    names = random_graphs.variables([2, 2, 2])
    graph = FactorGraph(
        names,
        [
            Factor(names[:2], log_table=[[0, 0], [0, 1.5]]),
            Factor(names[1:], log_table=[[0, 0], [0, -0.5]]),
            Factor((names[0], names[2]), np.ones((2, 2))),  # a coupling of 0
        ],
    )
    model = compile_graph(graph, construction="mean-field", rounds=1)
    trace = forward(model.tokens, model.weights, attention="dense")
    positive, negative = trace.attention[0][4]
    scale = 4.0  # a power of two above 1 + 1.5
    token = model.layout.token
    into_1 = positive[token(("variable", 1))]
    assert into_1[token(("message", 0, 1))] == pytest.approx(1.5 / scale, abs=1e-15)
    assert into_1[token(("sink",))] == pytest.approx(1 - 1.5 / scale, abs=1e-15)
    assert negative[token(("variable", 1)), token(("message", 1, 1))] == pytest.approx(0.5 / scale, abs=1e-15)
    assert positive[token(("variable", 0)), token(("message", 2, 0))] == 0.0
    assert verify_model(model).holds


def test_a_transformer_answers_by_mean_field():
    graph = graph_of("tree", 3)
    answer = transformer_posterior(graph, construction="mean-field")
    assert answer.status == "approximate"  # not exact, although this is a tree
    assert answer.beliefs.distance(run_mean_field(graph, schedule="flooding").beliefs) <= 1e-12


def test_what_it_does_not_cover_is_named():
    with pytest.raises(UnsupportedModelError, match='mean-field construction is for mode "sum"'):
        compile_graph(graph_of("tree", 0), construction="mean-field", mode="max")
    with pytest.raises(UnsupportedModelError, match="mean-field construction does not cover this model"):
        compile_graph(random_graphs.loopy(1), construction="mean-field")
