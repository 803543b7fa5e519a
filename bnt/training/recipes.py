"""A recipe: which model is trained on which task, and how. And where the weights lie that ship.

    Recipe(task="chain", model=..., steps=...).train(draw, seed) -> Run
    weights_file("learned", "chain")                                        learned_chain.npz, in bnt/data
    shipped_weights("learned", "chain") -> Parameters

The rooms wind_tunnels and learned each have their TASKS and RECIPES by name.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnt.checks import need
from bnt.errors import BntError
from bnt.stored import experiment_path
from bnt.training.checkpoints import load_parameters
from bnt.training.losses import Loss, binary_cross_entropy
from bnt.training.parameters import Parameters, TransformerConfig, initialise
from bnt.training.train import Run, Validate, train, train_lbfgs

Examples = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]  # inputs, targets, mask
Draw = Callable[[int, np.random.Generator], Examples]  # so many new examples of a task


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A task, a model and how to train it.

    optimiser   "adam": ``steps`` batches, cosine schedule; "lbfgs": so many iterations on all problems at once
    problems    how many are drawn once, to train on; None: new ones in every step, nothing to learn by heart
    validation  how many others the trained model is judged on
    Raises BntError for another optimiser, and for L-BFGS without a number of problems.
    """

    task: str
    model: TransformerConfig
    loss: Loss = binary_cross_entropy
    optimiser: str = "adam"
    problems: int | None = None
    validation: int = 2_000
    batch: int = 128
    steps: int = 6_000
    learning_rate: float = 3e-3
    warm_up: int = 0
    clip: float | None = None
    precision: str = "float32"

    def __post_init__(self) -> None:
        known = self.optimiser in ("adam", "lbfgs")
        need(known, f'optimiser must be "adam" or "lbfgs", not {self.optimiser!r}')
        need(self.optimiser == "adam" or self.problems is not None, "L-BFGS needs a number of problems to train on")

    def training_problems(self, draw: Draw, seed: int) -> Examples:
        """What a run with this seed trains on, in the recipe's precision. Raises BntError if it draws as it goes."""
        if self.problems is None:
            raise BntError(f"the recipe for {self.task!r} draws new problems in every step")
        inputs, targets, mask = draw(self.problems, np.random.default_rng([seed, 0]))
        return inputs.astype(self.precision), targets.astype(self.precision), mask.astype(self.precision)

    def train(
        self,
        draw: Draw,
        seed: int = 0,
        *,
        start: Parameters | None = None,
        validate: Validate | None = None,
        validate_every: int = 100,
        progress: bool = True,
    ) -> Run:
        """Train from ``start`` or from random parameters of this seed; the same arguments give the same result.

        draw: examples of the task. validate, progress: see ``training.train``. Raises what ``train`` and
        ``train_lbfgs`` raise.
        """
        start = start if start is not None else initialise(self.model, seed, self.precision)
        data = None if self.problems is None else self.training_problems(draw, seed)
        if self.optimiser == "lbfgs" and data is not None:
            inputs, targets, mask = data
            return train_lbfgs(
                start, inputs, targets, self.loss, mask=mask, iterations=self.steps, history=50,
                validate=validate, validate_every=validate_every, progress=progress,
            )  # fmt: skip

        def batches(rng: np.random.Generator) -> Examples:
            if data is None:
                return draw(self.batch, rng)
            inputs, targets, mask = data
            rows = rng.integers(0, len(inputs), self.batch)
            return inputs[rows], targets[rows], mask[rows]

        return train(
            start, batches, self.loss, steps=self.steps, learning_rate=self.learning_rate, warm_up=self.warm_up,
            clip=self.clip, seed=seed, validate=validate, validate_every=validate_every, progress=progress,
        )  # fmt: skip


def weights_file(kind: str, name: str) -> str:
    """The file of shipped weights in bnt/data: "learned", "oriented, L-BFGS" -> learned_oriented_l_bfgs.npz."""
    return "_".join(re.findall(r"\w+", f"{kind} {name}".lower())) + ".npz"


def shipped_weights(kind: str, name: str, precision: str | None = None) -> Parameters:
    """The weights that ship; ``precision`` None: as stored. Raises BntError listing what is stored."""
    return load_parameters(experiment_path(weights_file(kind, name)), precision)
