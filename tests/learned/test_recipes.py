"""Recipes: shipped weights reproduce shipped figures, a live run meets its bar, every experiment runs at tiny size."""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bnt.errors import BntError
from bnt.knowledge.calibration import calibration_of
from bnt.learned import reach as learned_trees
from bnt.learned import recipes as learned
from bnt.stored import experiment_path, load_experiment

REPO = Path(__file__).resolve().parents[2]
TWO = ("published", "published, sigmoid", "oriented", "oriented, FFN only", "oriented, L-BFGS")
BARS = {"published": 8e-4, "oriented": 1.5e-3, "oriented, L-BFGS": 5e-5, "chain": 3e-3, "dating": 3e-3}


@pytest.mark.parametrize("name", [*TWO, "chain", "dating", *map(learned_trees.depth_name, learned.TREE_DEPTHS)])
def test_shipped_weights_reproduce_shipped_figures(name):
    file = "two_variables" if name in TWO else "trees" if name.startswith("trees") else "posteriors"
    record = load_experiment(f"learned_{file}")[name][0]
    found = learned.score(learned.shipped_parameters(name), learned.validation_problems(name)).record()
    assert record["seed"] == 0
    for key in ("mean_error", "largest_error", "baseline", "ece"):
        # trained in float32, and judged here in float64
        assert found[key] == pytest.approx(record[key], rel=2e-3, abs=2e-7), key


@pytest.mark.parametrize("name", BARS)
def test_bars_hold_for_every_seed(name):
    records = load_experiment("learned_two_variables" if name in TWO else "learned_posteriors")[name]
    assert len(records) == (1 if name == "dating" else 3)
    assert max(record["mean_error"] for record in records) <= BARS[name]


def test_the_oriented_recipe_live():
    run = learned.learn("oriented", seed=7, progress=False)
    assert run.score.mean_error <= 1.5e-3
    assert run.score.baseline > 0.1
    assert run.run.seconds < 15


def test_parameters_are_counted():
    assert learned.published_parameters() == learned.PUBLISHED_PARAMETERS
    assert learned.RECIPES["published"].model.size == 25_537  # a linear read-out instead of one with a hidden layer


def test_validation_problems_are_not_training_problems():
    for name in ("oriented", "chain"):
        recipe = replace(learned.find_recipe(name), problems=500, validation=500)
        train, _, _ = recipe.training_problems(learned.TASKS[recipe.task], 0)
        judge = learned.validation_problems(recipe, 0).inputs
        assert not {one.tobytes() for one in train.astype("float32")} & {
            one.tobytes() for one in judge.astype("float32")
        }


def tiny(name):
    recipe = learned.find_recipe(name)
    steps = 3 if recipe.optimiser == "lbfgs" else 4
    return replace(recipe, problems=40, validation=30, batch=8, steps=steps, warm_up=min(1, recipe.warm_up))


@pytest.mark.parametrize("name", learned.RECIPES)
def test_every_recipe_runs_and_says_how_good_it_is(name):
    run = learned.learn(tiny(name), progress=False)
    problems = learned.validation_problems(run.recipe, 0)
    said = learned.answers(run.parameters, problems)
    assert run.score.mean_error == pytest.approx(np.abs(said - problems.targets)[problems.mask > 0].mean(), abs=1e-12)
    record = json.loads(json.dumps(run.record()))
    assert record["curve"]["validation"][-1] == pytest.approx(run.score.mean_error, abs=1e-6)
    again = learned.learn(tiny(name), progress=False)
    assert np.array_equal(again.parameters.flat, run.parameters.flat)


def test_errors_are_one_sentence():
    with pytest.raises(BntError, match="did you mean 'oriented'"):
        learned.learn("orientd")
    with pytest.raises(BntError, match="adam"):
        learned.learn(replace(tiny("oriented"), optimiser="sgd"))


@pytest.mark.parametrize("task", ["trees", "chain", "dating", "two variables", "two variables as published"])
def test_sharper_problems_are_sharper(task):
    own = learned.TASKS[task](500, np.random.default_rng(0))
    sharp = learned_trees.sharper_problems(task, 500)
    assert sharp.inputs.shape == own.inputs.shape
    assert sharp.asked(sharp.targets).var() > own.asked(own.targets).var()
    tables = {"trees": slice(1, 5), "chain": slice(2, 10), "dating": slice(3, 11), "two variables": slice(4)}
    if task in tables:  # raw entries otherwise
        before, after = (np.abs(problems.inputs[..., tables[task]]).mean(0) for problems in (own, sharp))
        ratio = after[before > 0] / before[before > 0]
        assert np.abs(ratio - learned_trees.SHARPER).max() < 0.8  # random draws; every table of every token


def test_calibration_is_that_of_the_answers():
    parameters = learned.shipped_parameters("oriented")
    found = learned_trees.calibrations("oriented", parameters)
    problems = learned.validation_problems("oriented")
    said = learned.answers(parameters, problems).ravel()
    assert found["own"].calibration.ece == pytest.approx(calibration_of(said, problems.targets.ravel()).ece, abs=1e-15)
    assert found["own"].calibration.ece <= found["own"].mean_error  # bins average errors out
    assert found["sharper"].calibration.ece > found["own"].calibration.ece
    stored = load_experiment("learned_calibration")["oriented"]
    for kind, result in found.items():
        assert result.calibration.ece == pytest.approx(stored[kind]["ece"], rel=1e-3)
        assert [b.count for b in result.calibration.bins] == [count for *_, count in stored[kind]["bins"]]


def test_shipped_files_are_small_and_readable():
    for path in experiment_path("learned_oriented.npz").parent.glob("learned_*"):
        assert path.stat().st_size < 2**20
        if path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))


def test_the_program_lists_its_experiments(capsys, monkeypatch, tmp_path):
    spec = importlib.util.spec_from_file_location("program", REPO / "experiments" / "learned_inference.py")
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    program.main(["--list"])
    assert capsys.readouterr().out.split() == list(program.EXPERIMENTS)
    with pytest.raises(SystemExit, match="unknown experiment: tree"):
        program.main(["tree"])
    monkeypatch.setattr(program, "experiment_path", lambda file, new=False: tmp_path / file)
    monkeypatch.setattr(program.learned, "RECIPES", {name: tiny(name) for name in learned.RECIPES})
    program.main(["two_variables"])
    written = json.loads((tmp_path / "learned_two_variables.json").read_text())
    assert [len(records) for records in written.values()] == [3] * 5
    assert (tmp_path / "learned_oriented.npz").exists()
