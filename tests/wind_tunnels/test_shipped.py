"""The trained transformers that ship reproduce the figures that ship, and the record holds what it promises."""

import numpy as np
import pytest

from bnt.stored import experiment_path, load_experiment
from bnt.training.gradients import predict
from bnt.wind_tunnels.insides import PROBED, attention_shares, probe_by_layer
from bnt.wind_tunnels.measures import TASKS, evaluation_batch, log_softmax, score_model
from bnt.wind_tunnels.training import RECIPES, shipped_model, train_transformer

RECORD = load_experiment("wind_tunnels")
MODELS = ("transformer", "LSTM", "selective SSM", "prefix MLP")
FIVE_DIGITS = 6e-5  # the record keeps five significant digits
FLOAT32 = 1e-4  # largest difference of a probability between float32 and float64 arithmetic; measured: 2.3e-5


def runs(task: str, model: str) -> list[dict]:
    return [row for row in RECORD["runs"] if (row["task"], row["model"]) == (task, model)]


@pytest.mark.parametrize("name", TASKS)
def test_shipped_weights_reproduce_the_shipped_figures(name: str) -> None:
    task, told, parameters = TASKS[name], RECORD["shipped"][name], shipped_model(name)
    batch = evaluation_batch(task)
    score = score_model(parameters, task, batch)
    for figure in ("kl", "tv", "entropy_error", "accuracy", "accuracy_exact"):
        assert getattr(score, figure) == pytest.approx(told[figure], rel=FIVE_DIGITS, abs=1e-9), figure
    assert score.calibration.ece == pytest.approx(told["ece"], rel=FIVE_DIGITS, abs=1e-9)
    for figure in ("entropy", "entropy_exact", "kl_by_position"):
        np.testing.assert_allclose(getattr(score, figure), told[figure], rtol=FIVE_DIGITS, atol=1e-9)
    double, single = (predict(one, batch.inputs[:200]) for one in (parameters, shipped_model(name, "float32")))
    apart = np.abs(np.exp(log_softmax(double)) - np.exp(log_softmax(single))).max()
    assert apart <= FLOAT32
    assert told["float32_against_float64"] <= FLOAT32


@pytest.mark.parametrize("name", TASKS)
def test_what_is_told_about_the_inside_is_inside(name: str) -> None:
    task, parameters, told = TASKS[name], shipped_model(name), RECORD["insides"][name]
    shares = attention_shares(parameters, task, evaluation_batch(task, PROBED))
    assert [(s.layer, s.head, s.relation) for s in shares] == [tuple(row[:3]) for row in told["shares"]]
    np.testing.assert_allclose(
        [s[3:] for s in shares], [row[3:] for row in told["shares"]], rtol=FIVE_DIGITS, atol=1e-9
    )
    if name == "recall8":  # the others take seconds more
        probes = probe_by_layer(parameters, task)
        np.testing.assert_allclose(probes, told["probes"], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", TASKS)
def test_files_are_small_and_the_recipe_is_the_best_of_the_sweep(name: str) -> None:
    assert experiment_path(f"wind_tunnel_{name}.npz").stat().st_size < 1_000_000
    assert experiment_path("wind_tunnels.json").stat().st_size < 1_000_000
    told = RECORD["shipped"][name]["chosen"]
    assert told["steps"] == RECIPES[name].steps
    assert told["rate"] == RECIPES[name].learning_rate
    assert shipped_model(name).config == RECIPES[name].model


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", TASKS)
def test_every_architecture_has_three_rates_and_three_seeds_at_matched_size(name: str, model: str) -> None:
    rows = runs(name, model)
    swept = {row["rate"]: row["validation_kl"] for row in rows if row["seed"] == 0}
    assert set(swept) == set(RECORD["settings"]["rates"])
    best = min(swept, key=lambda rate: swept[rate])
    assert {row["seed"] for row in rows if row["rate"] == best} == {0, 1, 2}
    for row in rows:
        assert row["steps"] == RECIPES[name].steps
        assert row["parameters"] == pytest.approx(RECIPES[name].model.size, rel=0.05)


def test_those_that_fail_at_recall_were_also_trained_longer() -> None:
    found = {(row["model"], row["longer"]): row for row in RECORD["longer"]}
    assert set(found) == {("LSTM", 5), ("LSTM", 15), ("prefix MLP", 5)}
    for (_, times), row in found.items():
        assert (row["task"], row["steps"]) == ("recall8", times * RECIPES["recall8"].steps)
        assert RECORD["baselines"]["recall8"]["guess_accuracy"] - 0.05 < row["accuracy"] < 0.9


def test_training_goes_down_and_is_repeatable() -> None:
    one, two = (train_transformer("hmm_fixed", seed=1, steps=20) for _ in range(2))
    np.testing.assert_array_equal(one.parameters.flat, two.parameters.flat)
    assert one.curve["loss"][-5:].mean() < 0.95 * one.curve["loss"][:5].mean()
    assert one.parameters.flat.dtype == np.float32
