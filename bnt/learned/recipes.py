"""Does gradient descent find inference? Recipes, one function that trains any of them, and what shipped weights score.

    published            arXiv:2603.17063, section 6.7: raw table entries, one orientation, ReLU and LayerNorm, 2 layers
    published, sigmoid   the same with sigmoid FFNs
    oriented             log odds in, tables oriented to their token, softplus, no LayerNorm, one small layer
    oriented, FFN only   the same without attention: in this task every token holds all that it needs
    oriented, L-BFGS     the same, full batch and second order, float64
    update, generic FFN  updateBelief of two log odds by a ReLU FFN (updates.py)
    chain, dating        true posteriors with evidence (tasks.py); here tokens do need each other
    trees, N layers      random trees of eight variables, shapes held out (trees.py, reach.py)

The baseline of every figure is the mean absolute error of always saying the mean target. Training and validation
problems are drawn from different seeds; tables are continuous, so no validation problem occurs in training.
``experiments/learned_inference.py`` trains the shipped weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from bnt.checks import look_up
from bnt.graph.factor_graph import Array
from bnt.knowledge.calibration import Calibration, calibration_of
from bnt.learned import tasks
from bnt.learned.tasks import Problems
from bnt.learned.trees import encode_trees, random_trees
from bnt.odds import sigmoid
from bnt.training.gradients import predict
from bnt.training.losses import squared_error
from bnt.training.parameters import Parameters, TransformerConfig
from bnt.training.recipes import Recipe, shipped_weights
from bnt.training.train import Run

PUBLISHED_PARAMETERS = 26_785  # of the companion code's two-variable model; the paper says "about 5,000"

TASKS: Mapping[str, Callable[[int, np.random.Generator], Problems]] = {
    "two variables": lambda count, rng: tasks.two_variables(tasks.random_tables(count, rng)),
    "two variables as published": lambda count, rng: tasks.two_variables_as_published(tasks.random_tables(count, rng)),
    "updates": lambda count, rng: tasks.updates(rng.uniform(*tasks.BELIEFS, (count, 2))),
    "chain": lambda count, rng: tasks.chain(tasks.random_chains(count, rng)),
    "dating": lambda count, rng: tasks.dating(tasks.random_dates(count, rng)),
    "trees": lambda count, rng: encode_trees(random_trees(count, rng)),
}


def _published(activation: str) -> Recipe:
    model = TransformerConfig(
        inputs=8, width=32, outputs=1, layers=2, heads=2, d_k=16, d_ff=128, activation=activation, layer_norm=True
    )
    epochs = 50  # of 18,000 problems in batches of 128
    return Recipe(
        task="two variables as published",
        model=model,
        loss=squared_error,
        problems=18_000,
        steps=epochs * 18_000 // 128,
        learning_rate=1e-3,
    )


def _reader(inputs: int, width: int, layers: int, heads: int, layer_norm: bool = False) -> TransformerConfig:
    """The model for graphs whose tokens must read each other."""
    return TransformerConfig(
        inputs=inputs, width=width, outputs=1, layers=layers, heads=heads, d_k=width // heads, d_ff=2 * width,
        activation="softplus", layer_norm=layer_norm,
    )  # fmt: skip


READER = Recipe(task="chain", model=_reader(13, 32, 2, 4), problems=100_000, warm_up=200, clip=1.0)


ORIENTED = Recipe(
    task="two variables",
    model=TransformerConfig(inputs=4, width=16, outputs=1, layers=1, heads=2, d_k=8, d_ff=64, activation="softplus"),
    problems=18_000,
    batch=256,
    steps=3_500,
    learning_rate=1e-2,
)
TREE_DEPTHS = (1, 2, 3, 4)
RECIPES: Mapping[str, Recipe] = {
    "published": _published("relu"),
    "published, sigmoid": _published("sigmoid"),
    "oriented": ORIENTED,
    "oriented, FFN only": replace(ORIENTED, model=replace(ORIENTED.model, attention=False, heads=0, d_k=0)),
    "oriented, L-BFGS": replace(
        ORIENTED,
        model=replace(ORIENTED.model, d_ff=32),
        optimiser="lbfgs",
        problems=3_000,
        steps=1_250,
        precision="float64",
    ),
    "update, generic FFN": replace(
        ORIENTED,
        task="updates",
        model=replace(ORIENTED.model, inputs=2, activation="relu", d_ff=16, attention=False, heads=0, d_k=0),
    ),
    "chain": replace(READER, steps=12_000, learning_rate=5e-3),
    "dating": replace(
        READER, task="dating", model=_reader(16, 48, 3, 4), problems=200_000, steps=16_000, learning_rate=4e-3
    ),
    **{
        f"trees, {layers} layer{'s' * (layers > 1)}": replace(
            READER, task="trees", model=_reader(22, 48, layers, 8, layer_norm=True), steps=8_000, learning_rate=3e-3
        )
        for layers in TREE_DEPTHS
    },
}


def find_recipe(name: str) -> Recipe:
    """A recipe by name. Raises BntError listing the names."""
    return look_up(RECIPES, name, "recipe")


def validation_problems(recipe: Recipe | str, seed: int = 0) -> Problems:
    """The problems that a run with this seed is judged on."""
    recipe = find_recipe(recipe) if isinstance(recipe, str) else recipe
    return look_up(TASKS, recipe.task, "task")(recipe.validation, np.random.default_rng([seed, 1]))


class ErrorScore(NamedTuple):
    """Answers P(x = 1) against true posteriors, over the tokens that are asked."""

    mean_error: float  # mean absolute
    largest_error: float
    baseline: float  # mean absolute error of always saying the mean
    calibration: Calibration

    def record(self) -> dict[str, float]:
        """As JSON values."""
        return {
            "mean_error": self.mean_error,
            "largest_error": self.largest_error,
            "baseline": self.baseline,
            "ece": self.calibration.ece,
            "sharpness": self.calibration.sharpness,
        }


def answers(parameters: Parameters, problems: Problems) -> Array:
    """P(x = 1) for every token, (count, n, 1)."""
    return sigmoid(predict(parameters, problems.inputs).astype(np.float64))


def score(parameters: Parameters, problems: Problems) -> ErrorScore:
    """What the answers of a model are worth; calibration against the exact posteriors themselves, in ten bins."""
    said = answers(parameters, problems)
    calibration = calibration_of(problems.asked(said), problems.asked(problems.targets))
    return ErrorScore(problems.mean_error(said), problems.largest_error(said), problems.baseline, calibration)


class Learned(NamedTuple):
    """A trained model, its curve (see ``training.Run``) and its score on new problems."""

    recipe: Recipe
    seed: int
    run: Run
    score: ErrorScore

    @property
    def parameters(self) -> Parameters:
        return self.run.parameters

    def record(self) -> dict[str, Any]:
        """As JSON values; the curve is that of the validation error, and of what was watched."""
        curve = {
            key: np.round(values, 7).tolist() for key, values in self.run.curve.items() if key not in ("step", "loss")
        }
        size, seconds = self.recipe.model.size, round(self.run.seconds, 1)
        return {"seed": self.seed, "parameters": size, "seconds": seconds, **self.score.record(), "curve": curve}


def learn(
    recipe: Recipe | str,
    seed: int = 0,
    *,
    progress: bool = True,
    start: Parameters | None = None,
    watch: Callable[[Parameters], Mapping[str, float]] | None = None,
) -> Learned:
    """Train a recipe, from ``start`` or from random parameters of this seed; the same arguments give the same result.

    watch: numbers to record beside the validation error, 21 times through the training.
    Raises BntError: an unknown recipe, and what ``train`` and ``train_lbfgs`` raise.
    """
    recipe = find_recipe(recipe) if isinstance(recipe, str) else recipe
    held_out = validation_problems(recipe, seed)

    def validate(now: Parameters) -> dict[str, float]:
        return {"validation": held_out.mean_error(answers(now, held_out)), **(watch(now) if watch else {})}

    every = max(1, recipe.steps // 20)
    run = recipe.train(
        TASKS[recipe.task], seed, start=start, validate=validate, validate_every=every, progress=progress
    )
    return Learned(recipe, seed, run, score(run.parameters, held_out))


def shipped_parameters(name: str) -> Parameters:
    """The shipped weights of a recipe, in float64. Raises BntError: no such recipe, or none shipped for it."""
    find_recipe(name)
    return shipped_weights("learned", name, "float64")


def published_parameters() -> int:
    """The published model's size counted block by block: 2 layers, width 32, FFN 128, a two-layer read-out."""
    d, inner = 32, 4 * 32
    attention = 3 * (d * d + d) + d * d + d  # Q, K, V and output, with biases
    ffn = d * inner + inner + inner * d + d
    return (
        (8 * d + d) + 2 * (attention + ffn + 4 * d) + (d * d + d) + (d + 1)
    )  # read-in, layers with two norms, read-out


def published_target_errors(count: int = 20_000, seed: int = 0) -> dict[str, dict[str, float]]:
    """Mean absolute distance of the published chain and dating targets to true posteriors, beside two yardsticks."""
    rng = np.random.default_rng(seed)
    chains, dates = tasks.random_chains(count, rng, 0.0), tasks.random_dates(count, rng, 0.0)
    shown = tasks.random_dates(count, rng)
    date_seen = dates._replace(observed=np.where(np.arange(5) == 4, 1, np.full((count, 5), tasks.UNOBSERVED)))
    chain, dating, with_evidence = tasks.chain(chains), tasks.dating(dates), tasks.dating(shown)
    likes = tasks.dating(date_seen).targets[:, 2, 0] - dating.targets[:, 2, 0]
    return {
        "chain": {
            "mean_error": chain.mean_error(tasks.published_chain_targets(chains)[..., None]),
            "always one half": chain.mean_error(np.full_like(chain.targets, 0.5)),
        },
        "dating without evidence": {"mean_error": dating.mean_error(tasks.published_dating_targets(dates)[..., None])},
        "dating with evidence": {
            "mean_error": with_evidence.mean_error(tasks.published_dating_targets(shown)[..., None]),
            "always the mean": with_evidence.baseline,
            "P(likes) moved by date = 1": float(np.abs(likes).mean()),
        },
    }
