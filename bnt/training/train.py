"""Training by Adam on batches drawn from a generator, or by L-BFGS on one full batch; with checkpoints and curves.

A run is a function of its arguments: the seed draws the batches, and a run that was stopped and resumed ends with the
same bits as one that was not.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bnt.checks import need
from bnt.display import card, counted
from bnt.errors import BntError, valid_names
from bnt.training.checkpoints import describe, load_parameters, read_arrays, save_parameters, write_arrays
from bnt.training.gradients import backward, forward_batch
from bnt.training.losses import Loss
from bnt.training.parameters import Parameters

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Run", "load_parameters", "save_parameters", "train", "train_lbfgs"]

Array = NDArray[Any]
Batch = tuple[Array, Array, Array | None]
Validate = Callable[[Parameters], float | Mapping[str, float]]


SCHEDULES = ("cosine", "constant")


class Adam:
    """Adam (Kingma and Ba, 2015) with decoupled weight decay (AdamW, Loshchilov and Hutter, 2019).

        m <- m + (1 - b1) (g - m)        v <- v + (1 - b2) (g^2 - v)
        w <- (1 - rate * decay) w - rate * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + 1e-8)

    numbers: the vector w, (size,), which every step changes in place. decay: of each of them, or None.
    clip: a longer gradient is shortened to that length.
    """

    def __init__(
        self,
        numbers: Array,
        decay: Array | None = None,
        clip: float | None = None,
        betas: tuple[float, float] = (0.9, 0.999),
    ):
        self.numbers, self.decay, self.clip, self.betas = numbers, decay, clip, betas
        self.first, self.second = np.zeros_like(numbers), np.zeros_like(numbers)  # m, v
        self.steps = 0

    def step(self, gradient: Array, rate: float) -> None:
        """One update, in place. ``gradient`` may be overwritten."""
        w, m, v = self.numbers, self.first, self.second
        (b1, b2), number = self.betas, w.dtype.type
        self.steps += 1
        if self.clip is not None:
            length = math.sqrt(float(gradient @ gradient))
            if length > self.clip:
                gradient *= number(self.clip / length)
        m *= number(b1)
        m += number(1 - b1) * gradient
        np.square(gradient, out=gradient)
        gradient *= number(1 - b2)
        v *= number(b2)
        v += gradient
        change = np.sqrt(v)
        change *= number(1 / math.sqrt(1 - b2**self.steps))
        change += number(1e-8)
        np.divide(m, change, out=change)
        change *= number(rate / (1 - b1**self.steps))
        if self.decay is not None:
            change += number(rate) * self.decay * w
        w -= change


def learning_rate_at(step: int, steps: int, rate: float, schedule: str = "cosine", warm_up: int = 0) -> float:
    """The rate of step 0 .. steps - 1: rises linearly over the first ``warm_up`` steps, then stays, or falls to 0.

    cosine: rate (1 + cos(pi t)) / 2, where t runs from 0 after the warm-up to 1 at the end.
    Raises BntError for an unknown schedule.
    """
    if schedule not in SCHEDULES:
        raise BntError(f"unknown schedule {schedule!r}; {valid_names(SCHEDULES, schedule)}")
    if step < warm_up:
        return rate * (step + 1) / warm_up
    if schedule == "constant":
        return rate
    return rate * 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up)))


def matrices_decay(parameters: Parameters, rate: float) -> Array | None:
    """``rate`` for every entry of a matrix, 0 for biases, gains and shifts; None if nothing decays."""
    decay = Parameters(parameters.config, np.zeros_like(parameters.flat))
    for block in decay.blocks.values():
        block[...] = rate if block.ndim == 2 else 0.0
    return decay.flat if rate > 0 else None


@dataclass(frozen=True, eq=False)
class Run:
    """A finished training.

    curve    "step" and "loss", one entry for each step (L-BFGS: iteration); with ``validate``, "validated_at" (the
             number of steps done) and one array for each name that it returned, "validation" for a plain number
    seconds  CPU time of this process, of all its parts if it was resumed
    """

    parameters: Parameters
    steps: int
    curve: dict[str, Array]
    seconds: float

    def rows(self) -> Iterator[tuple[int, float]]:
        """One row per step (L-BFGS: iteration): its number, and the loss."""
        return zip(self.curve["step"].tolist(), self.curve["loss"].tolist(), strict=True)

    def to_frame(self) -> DataFrame:
        """``rows`` as a pandas frame: step, loss."""
        import pandas as pd

        return pd.DataFrame(self.rows(), columns=["step", "loss"])

    def _repr_html_(self) -> str:
        line = f"{counted(self.steps, 'step')} in {self.seconds:.1f} s"
        if self.steps:
            line += f", last loss {self.curve['loss'][-1]:.4g}"
        return card("Run", line, ("step", "loss"), self.rows(), total=len(self.curve["loss"]), things="steps")

    def __repr__(self) -> str:
        last = f", loss {self.curve['loss'][-1]:.4g}" if self.steps else ""
        return f"<Run: {self.steps} steps in {self.seconds:.1f} s{last}>"


def train(
    parameters: Parameters,
    batches: Callable[[np.random.Generator], Batch],
    loss: Loss,
    *,
    steps: int,
    learning_rate: float,
    schedule: str = "cosine",
    warm_up: int = 0,
    weight_decay: float = 0.0,
    clip: float | None = None,
    seed: int = 0,
    validate: Validate | None = None,
    validate_every: int = 100,
    progress: bool = True,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 500,
    resume: bool = True,
) -> Run:
    """Adam on ``steps`` batches; the given parameters are left as they are.

    batches     draws (inputs, targets, mask or None) with the generator it is given; no other source of chance
    loss        of losses.py, or any (logits, targets, mask) -> (mean, gradient by the logits)
    clip        longest gradient; weight_decay: of matrices alone; schedule, warm_up: see learning_rate_at
    validate    called before the first step, after every ``validate_every`` steps and at the end
    checkpoint  an .npz file, written every ``checkpoint_every`` steps and at the end. If it is there and ``resume``,
                the run continues from it, bit for bit; with resume=False it starts anew and the file is replaced
    Raises BntError: settings out of range; a loss that is not finite, with the step; a checkpoint of another run.
    """
    _check(steps=steps, validate_every=validate_every, checkpoint_every=checkpoint_every)
    need(learning_rate > 0, f"learning_rate must be > 0, not {learning_rate}")
    need(0 <= warm_up <= steps, f"warm_up must be 0..{steps} steps, not {warm_up}")
    need(weight_decay >= 0, f"weight_decay must be 0 or more, not {weight_decay}")
    need(clip is None or clip > 0, f"clip must be > 0, or None, not {clip}")
    learning_rate_at(0, steps, learning_rate, schedule, warm_up)  # an unknown schedule is found now
    folder = Path(checkpoint or ".").parent
    need(folder.is_dir(), f"there is no folder {folder} to keep the checkpoint in")
    settings = {
        "config": describe(parameters),
        "dtype": parameters.flat.dtype.name,
        "start": hashlib.sha256(parameters.flat.tobytes()).hexdigest()[:16],
        "loss": getattr(loss, "__name__", "loss"),
        "steps": int(steps),
        "learning_rate": float(learning_rate),
        "schedule": schedule,
        "warm_up": int(warm_up),
        "weight_decay": float(weight_decay),
        "clip": None if clip is None else float(clip),
        "seed": int(seed),
        "validate_every": int(validate_every) if validate else None,
    }
    state = _State(parameters.copy(), weight_decay, clip, seed)
    if checkpoint is not None and resume and Path(checkpoint).exists():
        state.load(checkpoint, settings)
    gradient = parameters.copy()
    from tqdm import tqdm

    begun, before = time.process_time(), state.seconds
    trained, adam, told = state.parameters, state.adam, state.told
    with tqdm(total=steps, initial=adam.steps, desc="train", unit=" steps", disable=not progress) as bar:
        if validate and not adam.steps:
            told.validated(validate(trained))
        while (step := adam.steps) < steps:
            inputs, targets, mask = batches(state.rng)
            logits, cache = forward_batch(trained, inputs)
            mean, d_logits = loss(logits, targets, mask)
            need(np.isfinite(mean), f"the loss is {mean} at step {step}: lower the learning rate, or clip the gradient")
            backward(trained, cache, d_logits, out=gradient)
            adam.step(gradient.flat, learning_rate_at(step, steps, learning_rate, schedule, warm_up))
            told.losses.append(mean)
            bar.update()
            done = adam.steps == steps
            if validate and (adam.steps % validate_every == 0 or done):
                told.validated(validate(trained))
                bar.set_postfix(told.latest(), refresh=False)
            if checkpoint is not None and (adam.steps % checkpoint_every == 0 or done):
                state.seconds = before + time.process_time() - begun
                state.save(checkpoint, settings)
    return Run(trained, steps, told.curve(), before + time.process_time() - begun)


class _Told:
    """The losses so far, one a step, and what ``validate`` returned on the way."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.validation: list[dict[str, float]] = []  # "validated_at" and what validate returned

    def validated(self, found: float | Mapping[str, float]) -> None:
        found = found if isinstance(found, Mapping) else {"validation": found}
        clash = {"step", "loss", "validated_at"} & set(found)
        need(not clash, f"validate must not return the names step, loss and validated_at, but returned {sorted(clash)}")
        numbers = {name: float(value) for name, value in found.items()}
        same = not self.validation or self.validation[0].keys() - {"validated_at"} == numbers.keys()
        need(same, "validate must return the same names every time")
        self.validation.append({"validated_at": len(self.losses), **numbers})

    def latest(self) -> dict[str, str]:
        return {name: f"{value:.3g}" for name, value in self.validation[-1].items() if name != "validated_at"}

    def curve(self) -> dict[str, Array]:
        found: dict[str, Array] = {"step": np.arange(len(self.losses)), "loss": np.array(self.losses)}
        for name in self.validation[0] if self.validation else ():
            found[name] = np.array([one[name] for one in self.validation])
        return found


class _State:
    """All that changes while Adam runs, and how it goes into a checkpoint and comes back."""

    def __init__(self, parameters: Parameters, weight_decay: float, clip: float | None, seed: int):
        self.parameters = parameters
        self.adam = Adam(parameters.flat, matrices_decay(parameters, weight_decay), clip)
        self.rng = np.random.default_rng(seed)
        self.told = _Told()
        self.seconds = 0.0

    def save(self, path: str | Path, settings: dict[str, Any]) -> None:
        told = {
            "config": settings["config"],
            "settings": settings,
            "rng": self.rng.bit_generator.state,
            "steps": self.adam.steps,
            "validation": self.told.validation,
            "seconds": self.seconds,
        }
        arrays = {"flat": self.parameters.flat, "first": self.adam.first, "second": self.adam.second}
        write_arrays(path, {**arrays, "losses": np.array(self.told.losses)}, told)

    def load(self, path: str | Path, settings: dict[str, Any]) -> None:
        arrays, told = read_arrays(path)
        need("settings" in told, f"{path} holds parameters, but no state of a training to resume")
        kept = told["settings"]
        for name, mine in settings.items():
            same = kept.get(name) == mine
            what = "other starting parameters" if name == "start" else f"{name} = {kept.get(name)}, not {mine}"
            need(same, f"the checkpoint {path} is of another run, with {what}; resume=False starts anew")
        self.parameters.flat[...] = arrays["flat"]
        self.adam.first[...], self.adam.second[...] = arrays["first"], arrays["second"]
        self.adam.steps, self.seconds = told["steps"], told["seconds"]
        self.rng.bit_generator.state = told["rng"]
        self.told.losses, self.told.validation = arrays["losses"].tolist(), told["validation"]


def train_lbfgs(
    parameters: Parameters,
    inputs: Array,
    targets: Array,
    loss: Loss,
    *,
    iterations: int,
    mask: Array | None = None,
    history: int = 20,
    validate: Validate | None = None,
    validate_every: int = 100,
    progress: bool = True,
) -> Run:
    """Full-batch L-BFGS (scipy's L-BFGS-B), which reaches far smaller losses than Adam where the data fit in one batch.

    history: how many past steps the curvature is estimated from. It stops early only where no step helps any more.
    Raises BntError: float32 parameters (its line search needs float64), settings out of range, a loss not finite.
    """
    from scipy.optimize import OptimizeResult, minimize
    from tqdm import tqdm

    _check(iterations=iterations, history=history, validate_every=validate_every)
    need(parameters.flat.dtype == np.float64, "train_lbfgs needs float64 parameters: use parameters.astype('float64')")
    told, trained, gradient, begun = _Told(), parameters.copy(), parameters.copy(), time.process_time()

    def loss_and_gradient(flat: Array) -> tuple[float, Array]:
        trained.flat[...] = flat
        logits, cache = forward_batch(trained, inputs)
        mean, d_logits = loss(logits, targets, mask)
        need(np.isfinite(mean), f"the loss is {mean} at iteration {len(told.losses)}")
        return mean, backward(trained, cache, d_logits, out=gradient)

    with tqdm(total=iterations, desc="L-BFGS", unit=" iterations", disable=not progress) as bar:

        def callback(intermediate_result: OptimizeResult) -> None:
            told.losses.append(float(intermediate_result.fun))
            bar.update()
            if validate and len(told.losses) % validate_every == 0:
                trained.flat[...] = intermediate_result.x
                told.validated(validate(trained))

        if validate:
            told.validated(validate(trained))
        options = {"maxiter": iterations, "maxfun": 20 * iterations, "maxcor": history, "ftol": 0.0, "gtol": 0.0}
        found = minimize(
            loss_and_gradient, parameters.flat, jac=True, method="L-BFGS-B", callback=callback, options=options
        )
        trained.flat[...] = found.x
        if validate and (not told.validation or told.validation[-1]["validated_at"] != len(told.losses)):
            told.validated(validate(trained))
    return Run(trained, len(told.losses), told.curve(), time.process_time() - begun)


def _check(**counts: int) -> None:
    for name, value in counts.items():
        need(isinstance(value, int | np.integer) and value > 0, f"{name} must be a whole number > 0, not {value!r}")
