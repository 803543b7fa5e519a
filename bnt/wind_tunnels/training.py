"""The transformer of the wind tunnels: its sizes, how it is trained, and the trained one that ships.

    RECIPES                                        sizes, steps and learning rate by task
    train_transformer(name, seed=0) -> Run         seconds to two minutes on one core
    shipped_model(name) -> Parameters              bnt/data/wind_tunnel_<name>.npz

All are causal, with learned positions and pre-norm LayerNorms, ReLU in the FFN. Training is Adam with cosine
schedule, warm-up and clipping, on fresh sequences in every step, so there is no training set to learn by heart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from bnt.training.losses import cross_entropy
from bnt.training.parameters import Parameters, TransformerConfig
from bnt.training.recipes import Recipe, shipped_weights
from bnt.training.train import Run
from bnt.wind_tunnels.measures import EVALUATION, TASKS, examples, find_task
from bnt.wind_tunnels.tasks import Task


def _config(task: Task, layers: int, heads: int) -> TransformerConfig:
    return TransformerConfig(
        vocabulary=task.vocabulary,
        inputs=task.columns,
        outputs=task.outputs,
        positions=task.length,
        width=32,
        layers=layers,
        heads=heads,
        d_k=32 // heads,
        d_ff=128,
        activation="relu",
        layer_norm=True,
        causal=True,
    )


def _recipe(task: str, layers: int, heads: int, steps: int, learning_rate: float) -> Recipe:
    """The rate is chosen in experiments/wind_tunnels.py among three."""
    return Recipe(
        task=task, model=_config(TASKS[task], layers, heads), loss=cross_entropy, batch=64, steps=steps,
        learning_rate=learning_rate, warm_up=100, clip=1.0, validation=EVALUATION[1],
    )  # fmt: skip


RECIPES: dict[str, Recipe] = {
    "bijection8": _recipe("bijection8", 2, 2, 3000, 1e-2),
    "bijection16": _recipe("bijection16", 2, 2, 3000, 1e-2),
    "recall8": _recipe("recall8", 2, 2, 2000, 3e-3),
    "recall16": _recipe("recall16", 2, 1, 3000, 3e-3),
    "hmm_fixed": _recipe("hmm_fixed", 2, 2, 1000, 1e-2),
    "hmm_drawn": _recipe("hmm_drawn", 3, 4, 5000, 1e-2),
}


def train_transformer(
    name: str,
    *,
    seed: int = 0,
    learning_rate: float | None = None,
    steps: int | None = None,
    validate: Callable[[Parameters], dict[str, float]] | None = None,
    validate_every: int = 100,
    progress: bool = False,
) -> Run:
    """The transformer of task ``name``, trained in float32; rate and steps of its recipe unless given.

    The seed decides initial weights and sequences. validate, progress: see ``training.train``. Raises BntError.
    """
    task, recipe = find_task(name), RECIPES[name]
    steps = steps or recipe.steps
    recipe = replace(
        recipe,
        steps=steps,
        learning_rate=learning_rate or recipe.learning_rate,
        warm_up=min(recipe.warm_up, steps),
    )
    draw = partial(examples, task)
    return recipe.train(draw, seed, validate=validate, validate_every=validate_every, progress=progress)


def shipped_model(name: str, precision: str = "float64") -> Parameters:
    """The trained transformer of task ``name``; stored in float32. Raises BntError for an unknown task."""
    find_task(name)
    return shipped_weights("wind tunnel", name, precision)
