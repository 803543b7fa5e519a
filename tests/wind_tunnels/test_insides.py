"""Shares and probes against cases whose answer is known, and against the stock transformer."""

import numpy as np
import pytest

from bnt.training.gradients import predict
from bnt.training.parameters import initialise, read_in, read_out, to_weights
from bnt.transformer.forward import forward
from bnt.wind_tunnels.insides import (
    attention_patterns,
    attention_shares,
    flat,
    linear_probe,
    probe_by_layer,
    probe_target,
    r_squared,
    relations,
    streams,
    watch,
)
from bnt.wind_tunnels.measures import TASKS, evaluation_batch, score_model
from bnt.wind_tunnels.training import RECIPES

FIRST_HALF = (np.arange(32) < 16).astype(float)


@pytest.mark.parametrize("name", TASKS)
def test_attention_that_is_even_gives_even_shares(name: str) -> None:
    parameters, task = initialise(RECIPES[name].model, seed=3), TASKS[name]
    for i in range(parameters.config.layers):
        parameters.views[f"layer{i}.W_Q"][...] = 0.0
    shares = attention_shares(parameters, task, evaluation_batch(task, 20))
    assert len(shares) == parameters.config.layers * parameters.config.heads * len(
        relations(task, evaluation_batch(task, 2))
    )
    for share in shares:
        assert share.share == pytest.approx(share.even, abs=1e-12)
    if name == "recall8":
        even = {share.relation: share.even for share in shares}
        assert even["question -> its value"] == pytest.approx(np.mean(1 / np.arange(17, 25)), abs=1e-12)
        assert even["value -> the key before it"] == pytest.approx(np.mean(1 / np.arange(2, 17, 2)), abs=1e-12)


def test_relations_of_recall_point_at_the_right_symbols() -> None:
    task = TASKS["recall8"]
    batch = evaluation_batch(task, 10)
    found = relations(task, batch)
    for name, count in (("question -> its value", 8), ("question -> its key", 8), ("value -> the key before it", 8)):
        which, rows, columns = np.nonzero(found[name])
        assert len(which) == 10 * count
        reads, read = batch.inputs[which, rows], batch.inputs[which, columns]
        if name == "question -> its value":
            np.testing.assert_array_equal(read - task.keys, batch.labels[which, rows - 16])
        elif name == "question -> its key":
            np.testing.assert_array_equal(read, reads)
            assert (columns < 16).all()
        else:
            assert (reads >= task.keys).all()
            np.testing.assert_array_equal(columns, rows - 1)


def test_relations_of_the_other_tasks() -> None:
    shown = relations(TASKS["bijection8"], evaluation_batch(TASKS["bijection8"], 2))["question -> the values shown"]
    np.testing.assert_array_equal(np.flatnonzero(shown[0, 6]), [1, 3, 5])
    assert not shown[:, 1::2].any()
    drawn = relations(TASKS["hmm_drawn"], evaluation_batch(TASKS["hmm_drawn"], 2))
    for name, column in (("itself", 5), ("the one before", 4), ("two before", 3), ("the model", 0)):
        np.testing.assert_array_equal(np.flatnonzero(drawn[f"observation -> {name}"][1, 5]), [column])


def test_attention_on_the_right_token_alone_is_a_share_of_one() -> None:
    """Fixed observation tokens that attend to themselves alone, by positions that are orthogonal and long."""
    task = TASKS["hmm_fixed"]
    parameters = initialise(RECIPES["hmm_fixed"].model, seed=0)
    parameters.blocks["positions"][...] = 1e3 * np.eye(16, 32)
    for i in range(2):
        parameters.views[f"layer{i}.W_Q"][...] = parameters.views[f"layer{i}.W_K"][...] = 10 * np.diag(FIRST_HALF)
        parameters.views[f"layer{i}.W_O"][...] = 0.0
        parameters.views[f"layer{i}.W_out"][...] = 0.0
    # head 0 has the columns 0..15 of W_Q, which see the positions; head 1 has zeros and attends evenly
    shares = {(s.layer, s.head, s.relation): s for s in attention_shares(parameters, task, evaluation_batch(task, 5))}
    assert shares[1, 0, "observation -> itself"].share == pytest.approx(1.0, abs=1e-6)
    assert shares[1, 0, "observation -> the one before"].share == pytest.approx(0.0, abs=1e-6)
    assert shares[1, 1, "observation -> itself"].share == pytest.approx(np.mean(1 / np.arange(1, 17)), abs=1e-12)


@pytest.mark.parametrize("name", ["recall8", "hmm_drawn"])
def test_patterns_and_streams_are_those_of_the_stock_transformer(name: str) -> None:
    parameters, task = initialise(RECIPES[name].model, seed=1), TASKS[name]
    batch = evaluation_batch(task, 3)
    patterns, stream = attention_patterns(parameters, batch), streams(parameters, task, batch.inputs)
    for b, sequence in enumerate(batch.inputs):
        trace = forward(read_in(parameters, sequence), to_weights(parameters))
        for layer, pattern in enumerate(patterns):
            np.testing.assert_allclose(pattern[b], trace.attention[layer][0], rtol=0, atol=1e-12)
    logits = predict(parameters, batch.inputs)[:, task.asked]
    read = read_out(parameters, flat(stream[-1]))
    np.testing.assert_allclose(read, flat(logits), rtol=0, atol=1e-10)


def test_a_probe_finds_what_is_linear_and_nothing_in_noise() -> None:
    rng = np.random.default_rng(0)
    x, held_out, map_ = rng.normal(size=(500, 6)), rng.normal(size=(500, 6)), rng.normal(size=(6, 2))
    found = linear_probe(x, x @ map_ + 3)
    assert r_squared(held_out @ found[:-1] + found[-1], held_out @ map_ + 3) == pytest.approx(1, abs=1e-10)
    noise = linear_probe(x, rng.normal(size=(500, 2)))
    assert r_squared(held_out @ noise[:-1] + noise[-1], rng.normal(size=(500, 2))) < 0.02
    wanted = np.linalg.lstsq(np.column_stack([x, np.ones(500)]), np.sin(x[:, :2]), rcond=None)[0]
    np.testing.assert_allclose(linear_probe(x, np.sin(x[:, :2])), wanted, rtol=0, atol=1e-4)


def test_probe_targets_are_log_odds_where_the_posterior_has_no_zeros() -> None:
    batch = evaluation_batch(TASKS["hmm_drawn"], 5)
    target = probe_target(TASKS["hmm_drawn"], batch)
    odds = np.exp(target)
    back = np.concatenate([odds, np.ones((*odds.shape[:2], 1))], axis=2)
    np.testing.assert_allclose(back / back.sum(axis=2, keepdims=True), batch.posterior, atol=1e-5)


def test_probes_of_an_untrained_model_equal_their_control() -> None:
    task = TASKS["hmm_fixed"]
    probes = probe_by_layer(initialise(RECIPES["hmm_fixed"].model, seed=0), task, count=40)
    assert [probe.layer for probe in probes] == [0, 1, 2]
    for probe in probes:
        assert probe.r_squared == pytest.approx(probe.r_squared_untrained, abs=1e-12)
    judge = evaluation_batch(task, 40, seed=32)
    score = score_model(initialise(RECIPES["hmm_fixed"].model, seed=0), task, judge)
    assert probes[-1].lens_kl == pytest.approx(score.kl, abs=1e-10)


def test_watching_reports_every_head_and_relation() -> None:
    found = watch("recall8")(initialise(RECIPES["recall8"].model, seed=0))
    heads = [f"effective tokens, layer {layer} head {head}" for layer in (1, 2) for head in (0, 1)]
    assert {"kl", "accuracy", *heads, "question -> its value", "value -> the key before it"} <= set(found)
    for name in heads:
        assert 1 <= found[name] <= 24
