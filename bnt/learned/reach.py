"""How far does a trained transformer of N layers reach on a tree? Errors by eccentricity, beside BP stopped early.

Belief propagation stopped after r rounds knows the ball of radius r around a node and nothing else: exact where the
eccentricity is at most r, and off by a known amount beyond. Any model that routes along edges, one hop per layer, can
do no better. A trained transformer attends to all tokens at once and is held to no such bound: does it keep to it?

And are its answers calibrated? Against exact posteriors, on problems like those of training and on sharper ones.
A small mean error makes good calibration where the problems are those of training. Nothing promises it elsewhere: the
same weights are asked about tables whose log entries are SHARPER times as large, so that posteriors are more extreme.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from bnt.graph.factor_graph import Array
from bnt.learned import tasks
from bnt.learned.recipes import (
    RECIPES,
    TREE_DEPTHS,
    ErrorScore,
    answers,
    score,
    shipped_parameters,
    validation_problems,
)
from bnt.learned.tasks import Problems
from bnt.learned.trees import (
    HELD_OUT,
    NODES,
    Ints,
    Trees,
    beliefs_by_round,
    encode_trees,
    random_trees,
    training_shapes,
)
from bnt.odds import sigmoid
from bnt.training.parameters import Parameters

ECCENTRICITIES = tuple(range(1, NODES))


def depth_name(layers: int) -> str:
    """The recipe of that many layers."""
    return f"trees, {layers} layer{'s' * (layers > 1)}"


def unseen_trees(held_out: bool, count: int = 4_000, seed: int = 0) -> Trees:
    """Trees that no model was trained on: of the held-out shapes, or of the trained ones with new tables."""
    among = np.array(HELD_OUT) if held_out else training_shapes()
    return random_trees(count, np.random.default_rng([seed, 2, int(held_out)]), among)


class ByEccentricity(NamedTuple):
    """Mean absolute errors of one model and of BP, per eccentricity 1..7; NaN where no node has it."""

    layers: int
    model: Array  # (7,)
    stopped: Array  # (7,)   BP after as many rounds as the model has layers
    nodes: Ints  # (7,)   how many nodes the means are over
    mean_error: float  # over all nodes
    mean_stopped: float

    def record(self) -> dict[str, Any]:
        """As JSON values; null where no node has that eccentricity."""

        def plain(values: Array) -> list[float | None]:
            return [None if np.isnan(v) else round(float(v), 6) for v in values]

        return {
            "layers": self.layers,
            "model": plain(self.model),
            "stopped": plain(self.stopped),
            "nodes": self.nodes.tolist(),
            "mean_error": self.mean_error,
            "mean_stopped": self.mean_stopped,
        }


def by_eccentricity(parameters: Parameters, trees: Trees) -> ByEccentricity:
    """Errors of a trained model and of BP stopped after as many rounds as it has layers."""
    layers = parameters.config.layers
    problems, rounds = encode_trees(trees), beliefs_by_round(trees)
    model = np.abs(answers(parameters, problems) - problems.targets)[..., 0]  # (count, n)
    stopped = np.abs(sigmoid(rounds[layers]) - sigmoid(rounds[-1]))
    apart = [trees.eccentricity == k for k in ECCENTRICITIES]

    def means(errors: Array) -> Array:
        return np.array([errors[here].mean() if here.any() else np.nan for here in apart])

    nodes = np.array([here.sum() for here in apart])
    return ByEccentricity(layers, means(model), means(stopped), nodes, float(model.mean()), float(stopped.mean()))


def response_by_distance(parameters: Parameters, trees: Trees, push: float = 1.0) -> tuple[Array, Array]:
    """How much of an exact response a model shows when the field of a node at distance 0..7 is raised by ``push``.

    First array (8,): slope of the model's change in log odds against the exact change, least squares through zero: 1 =
    the right reach, 0 = blind. Second (8,): the slope of BP stopped after as many rounds: 1 up to there, then 0.
    """
    layers = parameters.config.layers
    rows = np.arange(len(trees.parent))
    pushed_node = rows % NODES
    field = trees.field.copy()
    field[rows, pushed_node] += push
    moved = trees._replace(field=field)

    def log_odds(which: Trees) -> Array:
        p = np.clip(answers(parameters, encode_trees(which))[..., 0], 1e-12, 1 - 1e-12)
        return np.log(p) - np.log1p(-p)

    before, after = beliefs_by_round(trees), beliefs_by_round(moved)
    exact = after[-1] - before[-1]
    distance = trees.distance[rows, pushed_node]  # (count, n)

    def slopes(found: Array) -> Array:
        at = [distance == k for k in range(NODES)]
        return np.array([(found[k] * exact[k]).sum() / (exact[k] ** 2).sum() if k.any() else np.nan for k in at])

    return slopes(log_odds(moved) - log_odds(trees)), slopes(after[layers] - before[layers])


def depth_table(models: dict[int, Parameters], count: int = 4_000) -> dict[str, Any]:
    """All of the above for models by their number of layers, on held-out and on trained shapes, as JSON values."""
    found: dict[str, Any] = {}
    for name, held_out in (("held-out shapes", True), ("trained shapes", False)):
        trees = unseen_trees(held_out, count)
        found[name] = [by_eccentricity(models[layers], trees).record() for layers in sorted(models)]
    trees = unseen_trees(True, count)
    for layers in sorted(models):
        model, stopped = response_by_distance(models[layers], trees)
        found.setdefault("response", []).append(
            {"layers": layers, "model": np.round(model, 4).tolist(), "stopped": np.round(stopped, 4).tolist()}
        )
    return found


def shipped_models() -> dict[int, Parameters]:
    """The shipped tree models by their number of layers."""
    return {layers: shipped_parameters(depth_name(layers)) for layers in TREE_DEPTHS}


# ---------------------------------------------------------------- calibration

SHARPER = 3.0
JUDGED = ("published", "oriented", "chain", "dating", "trees, 2 layers", "trees, 4 layers")


def sharper_problems(task: str, count: int = 2_000, seed: int = 0) -> Problems:
    """New problems of a task, every log entry of every table SHARPER times as large; targets exact as always.

    Raises KeyError for a task that has no sharper version.
    """
    rng = np.random.default_rng([seed, 9])
    if task == "trees":
        trees = unseen_trees(True, count, seed + 1)
        return encode_trees(trees._replace(log_table=SHARPER * trees.log_table))
    if task == "chain":
        chains = tasks.random_chains(count, rng, 0.0)
        sharp = chains._replace(first=chains.first**SHARPER, second=chains.second**SHARPER)
        return tasks.chain(sharp._replace(observed=tasks.random_evidence(sharp.joint, 1 / 3, rng)))
    if task == "dating":
        dates = tasks.random_dates(count, rng, 0.0)
        likes, date = (_sharpened(table) for table in (dates.likes, dates.date))
        sharp_dates = dates._replace(likes=likes, date=date)
        return tasks.dating(sharp_dates._replace(observed=tasks.random_evidence(sharp_dates.joint, 1 / 3, rng)))
    encode = {"two variables": tasks.two_variables, "two variables as published": tasks.two_variables_as_published}
    return encode[task](tasks.random_tables(count, rng) ** SHARPER)


def _sharpened(p: np.ndarray) -> np.ndarray:
    """Log odds times SHARPER."""
    odds = (p / (1 - p)) ** SHARPER
    return odds / (1 + odds)


def calibrations(name: str, parameters: Parameters) -> dict[str, ErrorScore]:
    """Scores of a recipe's weights on problems like its own (held-out shapes for trees) and on sharper ones."""
    recipe = RECIPES[name]
    own = encode_trees(unseen_trees(True, 2_000)) if recipe.task == "trees" else validation_problems(name)
    return {"own": score(parameters, own), "sharper": score(parameters, sharper_problems(recipe.task))}


def shipped_calibrations() -> dict[str, Any]:
    """Records of all JUDGED recipes, with their reliability diagrams, as JSON values."""
    found: dict[str, Any] = {}
    for name in JUDGED:
        found[name] = {}
        for problems, result in calibrations(name, shipped_parameters(name)).items():
            bins = [[round(b.confidence, 5), round(b.frequency, 5), b.count] for b in result.calibration.bins]
            found[name][problems] = {**result.record(), "bins": bins}
    return found
