"""The rotary construction against run_bp: every message of every round, on grids and chains; and 64 x 64, gathered:
a layer takes at most three rounds of run_bp and its softmaxes."""

import time

import numpy as np
import pytest

from bnt import (
    Factor,
    FactorGraph,
    UnsupportedModelError,
    Variable,
    compile_graph,
    exact_marginals,
    forward,
    run_bp,
    verify_model,
)
from bnt.claims.rows.rotary import homogeneous
from bnt.kernels.exp_log import exp_of
from bnt.kernels.jit import COMPILED
from bnt.transformer.forward import run_layers
from bnt.transformer.gather import Routes
from tests import naive, random_graphs


@pytest.mark.parametrize("attention", ["dense", "gather"])
def test_every_message_of_every_round_on_50_grids(attention):
    for seed in range(50):
        rng = np.random.default_rng(seed)
        height, width = (int(size) for size in rng.integers(1, 6, 2))
        options = {"damping": 0.3 * (seed % 2), "mode": "max" if seed % 5 == 0 else "sum"}
        graph = homogeneous(height, max(width, 2), seed)
        evidence = {"x1": [0.2, 0.7]} if seed % 3 == 0 else None
        report = verify_model(
            compile_graph(graph, evidence, construction="rotary", rounds=6, **options), attention=attention, exact=False
        )
        assert report.holds
        assert max(report.max_message_error, report.max_belief_error) <= 1e-12, seed


def test_messages_equal_the_slow_twin_and_a_chain_is_exact():
    graph = homogeneous(3, 3, 1)
    model = compile_graph(graph, construction="rotary", rounds=4)
    trace = forward(model.tokens, model.weights, attention="dense")
    for r, expected in enumerate(naive.bp_messages(graph, None, 4)[0]):
        found = model.messages(trace, r)
        assert max(np.abs(np.exp(found[key]) - message).max() for key, message in expected.items()) <= 1e-12
    chain = homogeneous(1, 9, 2)
    model = compile_graph(chain, construction="rotary")
    assert model.exact_after == 8
    beliefs = model.beliefs(forward(model.tokens, model.weights, keep="last"))
    assert beliefs.distance(exact_marginals(chain).beliefs) <= 1e-13
    assert len(model.weights.layers[0][1].heads) == 2


def test_one_variable_is_a_grid_and_none_is_not():
    alone = homogeneous(1, 1, 4)
    model = compile_graph(alone, construction="rotary")
    assert verify_model(model).transformer_vs_exact <= 1e-15
    with pytest.raises(UnsupportedModelError, match="it has no variables"):
        compile_graph(FactorGraph([], []), construction="rotary")


def test_a_scope_may_be_written_either_way():
    graph = homogeneous(2, 3, 5)
    turned = [f if len(f.variables) < 2 or i % 2 else Factor(f.variables[::-1], log_table=f.log_table.T)
              for i, f in enumerate(graph.factors)]  # fmt: skip
    assert verify_model(compile_graph(FactorGraph(graph.variables, turned), construction="rotary", rounds=5)).holds


def test_a_picture_of_64_x_64_runs_gathered_beside_run_bp():
    graph = homogeneous(64, 64, 3)
    short, long = (compile_graph(graph, construction="rotary", rounds=r) for r in (2, 501))
    report = verify_model(short, attention="gather", exact=False)
    assert report.tokens == 66 * 65 + 1
    assert max(report.max_message_error, report.max_belief_error) <= 1e-12

    if not COMPILED:
        return  # what follows compares compiled loops

    def seconds(action):
        start = time.process_time()
        action()
        return time.process_time() - start

    stream = run_layers(long.tokens, long.weights, "gather", reuse=True)
    scores = pair_scores(short)
    weights = np.empty_like(scores)
    next(stream)  # finds which pairs match, and lists the weights
    turns = []
    for _ in range(25):
        layer = seconds(lambda: [next(stream) for _ in range(20)]) / 20
        one_round = (seconds(lambda: run_bp(graph, rounds=250)) - seconds(lambda: run_bp(graph, rounds=50))) / 200
        turns.append((layer, one_round, seconds(lambda: [exp_of(scores, weights) for _ in range(20)]) / 20))
    layer, one_round, softmaxes = np.median(turns, axis=0)
    print(
        f"layer {1e6 * layer:.0f} us, round of run_bp {1e6 * one_round:.0f} us, softmaxes of {scores.size} pairs "
        f"{1e6 * softmaxes:.0f} us; layer / round {layer / one_round:.2f}, "
        f"(layer - softmaxes) / round {(layer - softmaxes) / one_round:.2f}"
    )
    assert layer <= 3 * one_round + softmaxes


def pair_scores(model):
    """Scores, below the best of their query, of the pairs of the first layer's heads that share a query with others.

    Below -708 exp is slow, and its result smaller than any normal number: the layer leaves it out, and so does this.
    """
    routes, found = Routes(model.weights), []
    for head in model.weights.layers[0][1].heads:
        pairs = routes.pairs(head, model.tokens, None)
        owner = np.repeat(np.arange(pairs.query.size), pairs.counts)
        score = routes.rotary_scores(head, model.tokens, pairs.query[owner] - pairs.key)
        score = score - np.maximum.reduceat(score, pairs.start)[owner]
        found.append(score[score >= -708.0])
    return np.concatenate(found)


NAMES = [Variable(f"x{i}", ("0", "1")) for i in range(6)]


@pytest.mark.parametrize(
    ("graph", "evidence", "says"),
    [
        (homogeneous(2, 3, 0), {"x1": "0"}, "variable 'x1' is observed"),
        (random_graphs.loopy(1), None, "is not binary|no positive pair"),
        (random_graphs.pairwise(0, edges=[(0, 1), (1, 2), (2, 0)]), None, "no rows of 2"),
        (random_graphs.pairwise(0, edges=[(0, 1), (1, 2), (2, 3), (0, 2), (1, 3)]), None, "not those of 2 x 2"),
        (random_graphs.pairwise(0, edges=[(0, 1), (1, 2)]), None, "pairs side by side have different tables"),
        (FactorGraph(NAMES[:2], [Factor(NAMES[:2], [[1, 0], [1, 1]])]), None, "no positive pair"),
    ],
)
def test_what_it_does_not_cover_is_named(graph, evidence, says):
    with pytest.raises(UnsupportedModelError, match=says):
        compile_graph(graph, evidence, construction="rotary")
