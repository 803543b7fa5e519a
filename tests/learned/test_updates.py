"""Uniqueness by training: gradients against differences, both outcomes, and the trained layer as a log-odds layer."""

import math

import numpy as np
import pytest

from bnt.learned import updates
from bnt.learned.tasks import BELIEFS
from bnt.odds import logit, update_belief
from bnt.reading.implicit_graph import extract_graph
from bnt.transformer.forward import forward


def test_gradient_against_differences():
    rng = np.random.default_rng(0)
    cases = updates.random_cases(40, 5, rng)
    weights, scores = rng.normal(size=3), rng.normal(size=(2, 5, 5))
    _, by_weights, by_scores = updates.routed_gradient(weights, scores, cases)
    for part, gradient in ((weights, by_weights), (scores, by_scores)):
        for at in np.ndindex(part.shape):
            kept, losses = part[at], []
            for step in (1e-5, -1e-5):
                part[at] = kept + step
                losses.append(updates.routed_gradient(weights, scores, cases)[0])
            part[at] = kept
            assert gradient[at] == pytest.approx((losses[0] - losses[1]) / 2e-5, rel=1e-6, abs=1e-9)


def test_targets_are_update_belief():
    cases = updates.random_cases(50, 6, np.random.default_rng(1))
    for row in range(50):
        p, q = cases.beliefs[row, cases.neighbours[0, row]], cases.beliefs[row, cases.neighbours[1, row]]
        assert cases.target[row] == pytest.approx(update_belief(p, q), abs=1e-14)
        assert BELIEFS[0] <= p <= BELIEFS[1]


@pytest.mark.parametrize("seed", range(5))
def test_the_update_alone_finds_the_weights_of_bp(seed):
    assert np.abs(updates.learn_update(seed) - updates.BP_WEIGHTS).max() < 3e-15


def test_a_prior_moves_the_bias():
    assert np.abs(updates.learn_update(0, prior=0.8) - [1, 1, -float(logit(0.8))]).max() < 1e-14


def test_routing_ends_in_both_ways():
    found, stuck = updates.learn_routing(seed=0), updates.learn_routing(seed=3)
    assert found.reached
    assert found.distance < 0.05
    assert found.mean_error < 3e-3
    assert not stuck.reached
    assert stuck.distance > 5
    assert stuck.mean_error > 0.01


def test_a_trained_layer_is_a_log_odds_layer_with_tempered_weights():
    layer = updates.learn_routing(updates.RoutingConfig(tokens=5, steps=300), seed=0)
    rng = np.random.default_rng(2)
    beliefs, neighbours = rng.uniform(0.1, 0.9, 5), rng.integers(0, 5, (5, 2))
    weights, tokens = updates.as_log_odds_layer(layer, beliefs, neighbours)
    cases = updates.Cases(np.broadcast_to(beliefs, (5, 5)), neighbours.T)
    said, _, _ = updates.routed_belief(layer.weights, layer.scores, cases)
    assert np.abs(1 / (1 + np.exp(-forward(tokens, weights).final[:, 0])) - said).max() < 1e-13
    graph = extract_graph(weights, tokens)
    assert graph.kind == "tempered belief propagation"
    assert np.abs(graph.layers[0].weight[:, 0] - layer.weights[:2]).max() < 1e-12


def test_generic_fit_takes_the_straight_path_apart():
    from bnt.learned.recipes import RECIPES
    from bnt.training.parameters import initialise

    model = initialise(RECIPES["update, generic FFN"].model, 0)
    model.flat[...] = 0
    model.views["read_in"][:, 0] = 1.0
    model.views["read_out"][0] = 1.0  # BP's weights: the stream adds the log odds, the FFN is silent
    fit = updates.generic_fit(model)
    assert fit.linear_path.tolist() == [1, 1]
    assert fit.ffn_share == 0
    assert fit.mean_error < 1e-15
    assert fit.outside < 1e-13


@pytest.mark.parametrize("part", [1.0, 0.0, 0.25, -3.0])
def test_exact_updates_are_right_for_all_beliefs(part: float) -> None:
    model = updates.exact_update(part)
    inputs = np.random.default_rng(0).normal(0, 100, (500, 1, 2))
    said = updates.predict(model, inputs)[:, 0, 0]
    np.testing.assert_allclose(said, inputs.sum(axis=(1, 2)), rtol=1e-14, atol=1e-12)
    fit = updates.generic_fit(model)
    assert fit.linear_path.tolist() == [part, part]
    assert fit.ffn_share == pytest.approx(abs(1 - part), rel=1e-12)


@pytest.mark.parametrize("weights", [(0.0, 0.0), (1.0, 1.0), (-2.0, 0.7), (3.0, 3.0)])
def test_loss_by_its_definition(weights: tuple[float, float]) -> None:
    inputs, odds = updates.fixed_cases()
    total = 0.0
    for (a, b), z in zip(inputs.tolist(), odds.tolist(), strict=True):
        p, q = (1 / (1 + math.exp(-t)) for t in (z, weights[0] * a + weights[1] * b))
        total += p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))
    assert float(updates.update_kl(np.array(weights))) == pytest.approx(total / len(odds), abs=1e-12)


def test_a_step_goes_down_the_slope() -> None:
    start, h = np.array([0.4, -0.3]), 1e-6
    slope = [(updates.update_kl(start + d) - updates.update_kl(start - d)) / (2 * h) for d in (h * np.eye(2))]
    moved = updates.descend_update((0.4, -0.3), 0.5, 1)[1]
    assert np.abs(moved - (start - 0.5 * np.array(slope))).max() <= 1e-9


@pytest.mark.parametrize("start", [(0.0, 0.0), (-2.0, -1.0), (3.0, -2.5)])
def test_short_steps_end_at_belief_propagation_and_long_ones_do_not(start: tuple[float, float]) -> None:
    path = updates.descend_update(start, 1.0, 400)
    assert np.abs(path[-1] - 1).max() <= 1e-3
    assert (np.diff(updates.update_kl(path)) <= 1e-15).all()
    wild = updates.descend_update(start, 16.0, 400)
    assert np.abs(wild[-1] - 1).max() > 0.5
