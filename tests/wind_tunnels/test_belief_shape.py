"""Beliefs and controls against enumeration and plain loops; the shipped models against the record that ships."""

import itertools

import numpy as np
import pytest

from bnt.errors import BntError
from bnt.sequences.filtering import filter_states
from bnt.stored import experiment_path, load_experiment
from bnt.training.parameters import read_in, to_weights
from bnt.transformer.forward import forward
from bnt.wind_tunnels import belief_shape
from bnt.wind_tunnels.belief_shape import (
    BENDS,
    PROCESSES,
    RECIPES,
    NextSymbol,
    controls,
    fits,
    geometry,
    grounds,
    lagged,
    next_symbol_model,
    share_left,
    train_next_symbol,
    triangles,
    untrained,
)
from bnt.wind_tunnels.insides import RIDGE, flat, streams
from bnt.wind_tunnels.measures import evaluation_batch, score_model

RECORD = load_experiment("belief_shape")
FIVE_DIGITS = 6e-5  # the record keeps five significant digits


def by_paths(process: NextSymbol, symbols: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Belief and next-symbol law by summing over all hidden paths."""
    hmm = process.hmm
    belief = np.zeros(len(hmm.states))
    for path in itertools.product(range(len(hmm.states)), repeat=len(symbols)):
        p = hmm.initial[path[0]] * np.prod([hmm.emission[x, y] for x, y in zip(path, symbols, strict=True)])
        belief[path[-1]] += p * np.prod([hmm.transition[x, z] for x, z in itertools.pairwise(path)])
    belief /= belief.sum()
    law = [
        sum(belief[i] * hmm.transition[i, j] * hmm.emission[j, o] for i in range(3) for j in range(3))
        for o in range(process.outputs)
    ]
    return belief, np.array(law)


@pytest.mark.parametrize("name", PROCESSES)
def test_beliefs_and_next_symbol_laws_are_those_of_all_paths(name: str) -> None:
    process = PROCESSES[name]
    for symbols in ([0], [1, 1, 0], [1, 0, 1, 1, 0]):
        found = process.beliefs(np.array([symbols]))
        belief, law = by_paths(process, symbols)
        np.testing.assert_allclose(found[0, -1], belief, rtol=0, atol=1e-14)
        np.testing.assert_allclose(process.next_symbol(found)[0, -1], law, rtol=0, atol=1e-14)
    batch = process.sample(np.random.default_rng(3), 20)
    for row in batch.inputs:
        np.testing.assert_allclose(
            filter_states(process.hmm, list(map(int, row))), process.beliefs(row[None])[0], atol=1e-14
        )


@pytest.mark.parametrize("name", PROCESSES)
def test_samples_and_examples_are_shifted_by_one_symbol(name: str) -> None:
    process = PROCESSES[name]
    batch = process.sample(np.random.default_rng(5), 4_000)
    inputs, targets, mask = process.examples(4_000, np.random.default_rng(5))
    np.testing.assert_array_equal(batch.inputs, inputs)
    np.testing.assert_array_equal(batch.labels, targets)
    np.testing.assert_array_equal(inputs[:, 1:], targets[:, :-1])
    assert mask.min() == 1
    drawn = np.eye(process.outputs)[batch.labels].mean(axis=0)
    np.testing.assert_allclose(drawn, batch.posterior.mean(axis=0), atol=0.03)  # 4,000 draws: four deviations


def test_where_each_process_starts_it_stays() -> None:
    for process in PROCESSES.values():
        np.testing.assert_allclose(process.hmm.initial @ process.hmm.transition, process.hmm.initial, atol=1e-15)


def test_lagged_symbols_stand_newest_first() -> None:
    found = lagged(np.array([[2, 0, 1]]), 3).reshape(3, 3, 3)
    assert found[0, 0].tolist() == [0, 0, 1]
    assert not found[0, 1:].any()
    assert found[2].argmax(axis=1).tolist() == [1, 0, 2]


def left_of(y: np.ndarray, *columns: np.ndarray) -> np.ndarray:
    """What least squares leaves of y; the ridge of the probe as rows of its own below the data."""
    x = np.column_stack([*columns, np.ones(len(y))])
    ridge = np.sqrt(RIDGE * (x**2).sum() / x.shape[1]) * np.eye(x.shape[1])
    map_ = np.linalg.lstsq(np.vstack([x, ridge]), np.vstack([y, np.zeros((len(ridge), y.shape[1]))]), rcond=None)[0]
    return y - x @ map_


def test_what_is_left_is_what_least_squares_leaves_and_of_mess3_nothing_is() -> None:
    process = PROCESSES["twins"]
    learn, judge = grounds(process, 150)
    law = process.next_symbol(learn.beliefs)[:, :1]
    np.testing.assert_allclose(learn.rest, left_of(learn.beliefs, law), rtol=0, atol=1e-9)
    symbols = lagged(learn.inputs, 2).reshape(len(law), -1)
    wanted = left_of(learn.beliefs, law, np.log(law / (1 - law)), symbols)
    np.testing.assert_allclose(learn.beyond, wanted, rtol=0, atol=1e-8)
    assert share_left(judge, judge.beyond) < 0.1 * share_left(judge, judge.rest)
    other = grounds(PROCESSES["mess3"], 150)
    nothing = fits(other[0].beliefs, other[1].beliefs, other)
    assert nothing.belief > 1 - 1e-8
    assert np.isnan([nothing.rest, nothing.beyond]).all()


def test_controls_bracket_what_a_line_can_say() -> None:
    twins, mess3 = controls("twins", 300), controls("mess3", 300)
    assert mess3["next-symbol law"].belief > 1 - 1e-8
    assert 0.95 < mess3["lagged symbols"].belief < mess3["its log odds"].belief < 1
    assert 0.8 < twins["next-symbol law"].belief < 0.9
    assert abs(twins["next-symbol law"].rest) < 0.02  # nothing is left for the same line
    assert twins["its log odds, bent"].rest > twins["its log odds"].rest - 1e-9
    assert twins["symbols and log odds"].rest > twins["lagged symbols"].rest
    assert abs(twins["symbols and log odds"].beyond) < 0.02
    process = PROCESSES["twins"]
    on = grounds(process, 300)
    odds = [np.log(law[:, :1] / law[:, 1:]) for law in (process.next_symbol(g.beliefs) for g in on)]
    powers = [np.hstack([x**k for k in range(1, BENDS + 1)]) for x in odds]
    assert fits(*powers, on).rest == pytest.approx(twins["its log odds, bent"].rest, abs=1e-12)


@pytest.mark.parametrize("name", PROCESSES)
def test_shipped_models_reproduce_the_record(name: str) -> None:
    told = next(row for row in RECORD["runs"] if (row["process"], row["seed"]) == (name, 0))
    parameters = next_symbol_model(name)
    assert parameters.config == RECIPES[name].model
    assert score_model(parameters, PROCESSES[name], evaluation_batch(PROCESSES[name])).kl == pytest.approx(
        told["kl"], rel=1e-3
    )
    last = geometry(parameters, name)[-2]
    layer, *values = told["depths"][-2]
    assert layer == parameters.config.layers
    found = [*last.trained, *last.untrained]
    np.testing.assert_allclose(found, [np.nan if v is None else v for v in values], rtol=1e-3)
    assert sorted(row["seed"] for row in RECORD["runs"] if row["process"] == name) == [0, 1, 2]
    assert RECORD[name]["parameters"] == parameters.config.size
    for key, fit in controls(name).items():
        wanted = [np.nan if v is None else v for v in RECORD[name]["controls"][key]]
        np.testing.assert_allclose(fit, wanted, rtol=FIVE_DIGITS, atol=1e-6)
    assert experiment_path(f"belief_{name}.npz").stat().st_size < 120_000


def test_triangles_hold_every_word_and_read_by_the_same_line() -> None:
    model, process = next_symbol_model("mess3"), PROCESSES["mess3"]
    found = triangles(model, "mess3", word=3, count=80)
    assert len(found) == model.config.layers + 1
    words = list(itertools.product(range(3), repeat=3))
    learn, _ = grounds(process, 80)
    x = flat(streams(model, process, learn.inputs)[2])
    columns = np.column_stack([x, np.ones(len(x))])
    ridge = np.sqrt(RIDGE * (columns**2).sum() / columns.shape[1]) * np.eye(columns.shape[1])
    target = np.vstack([learn.beliefs, np.zeros((len(ridge), 3))])
    map_ = np.linalg.lstsq(np.vstack([columns, ridge]), target, rcond=None)[0]
    for i in (0, 7, 26):
        np.testing.assert_allclose(found[2].exact[i], by_paths(process, list(words[i]))[0], atol=1e-14)
        stream = forward(read_in(model, np.array(words[i])), to_weights(model), keep="layers").after_layer(2)[-1]
        np.testing.assert_allclose(found[2].read[i], np.append(stream, 1) @ map_, atol=1e-9)


def test_a_few_steps_lower_the_loss_and_repeat_to_the_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    monkeypatch.setattr(belief_shape, "RECIPES", {"twins": replace(RECIPES["twins"], steps=30, warm_up=5, batch=32)})
    one, other = (train_next_symbol("twins", 4) for _ in range(2))
    np.testing.assert_array_equal(one.parameters.flat, other.parameters.flat)
    batch = evaluation_batch(PROCESSES["twins"], 200)
    before, after = (score_model(p, PROCESSES["twins"], batch).kl for p in (untrained("twins", 4), one.parameters))
    assert after < 0.3 * before


def test_what_is_asked_wrongly_is_said() -> None:
    with pytest.raises(BntError, match="did you mean 'mess3'"):
        controls("mess4")
    with pytest.raises(BntError, match=r"mess3: words must have 1\.\.10 symbols, not 11"):
        triangles(untrained("mess3"), "mess3", 11, 5)
    with pytest.raises(BntError, match="sequences need at least 1 symbol, not 0"):
        NextSymbol("short", PROCESSES["mess3"].hmm, 0)
