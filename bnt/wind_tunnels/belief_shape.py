"""The shape of beliefs: does a network that is trained on the next symbol alone hold the belief about hidden states?

    PROCESSES       mess3   three states, three symbols; the beliefs fill a fractal (Shai and others, 2024)
                    twins   three states, two symbols; two states look alike and lead elsewhere
    belief_t(j) ~ sum_i belief_{t-1}(i) A(i, j) B(j, y_t)          p(y_{t+1} | y_1..y_t) = belief_t A B

A straight line from the residual stream to the belief says little by itself, for two reasons, and each has a control:
the raw symbols, the newest first, are nearly as good (``lagged``), and whoever predicts the next symbol well holds
what the next-symbol law tells about the belief. Of mess3 that law tells all, for A B can be inverted. Of the twins it
tells one number where the belief has two; ``rest`` is what a straight line from it leaves, and the strict test asks for
that alone. Stricter still is ``beyond``: what the law, its log odds and the raw symbols leave when taken together.

    geometry(parameters, name)       R^2 after every layer, of belief, rest and beyond, trained beside untrained
    controls(name)                   the same without any network
    triangles(parameters, name)      exact beliefs, and what a straight line reads, for pictures

Source: Shai, Marzen, Teixeira, Oldenziel and Riechers, Transformers represent belief state geometry in their residual
stream (2024), arXiv:2405.15943. Smaller model and shorter sequences here; the strict test is ours.
experiments/belief_shape.py trains and stores.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bnt.checks import look_up
from bnt.errors import BntError
from bnt.graph.factor_graph import Array
from bnt.sequences.hmm import HMM
from bnt.training.losses import cross_entropy
from bnt.training.parameters import Parameters, TransformerConfig, initialise, read_in, to_weights
from bnt.training.recipes import Examples, Recipe, shipped_weights
from bnt.training.train import Run
from bnt.transformer.forward import forward
from bnt.wind_tunnels.hidden_markov import draw, filter_all
from bnt.wind_tunnels.insides import flat, linear_probe, r_squared, streams
from bnt.wind_tunnels.tasks import Batch

SEQUENCES = 700  # a probe is fitted on so many and judged on as many others
LEARN, JUDGE = 1000, 2000  # seeds of these two; training draws from others
BENDS = 5  # of the bent control: powers of the next symbol's log odds up to this one
NOTHING_LEFT = 1e-6  # of the variance of the belief: no more than the ridge of the probe leaves


@dataclass(frozen=True, eq=False)
class NextSymbol:
    """Sequences of a hidden Markov model, and after every symbol the question which one comes next.

    Inputs (count, length) symbols y_1..y_n, labels y_2..y_{n+1}, posterior (count, length, symbols) exact.
    Raises BntError for a length below 1.
    """

    name: str
    hmm: HMM
    length: int

    columns = 0
    learns_from = "labels"

    def __post_init__(self) -> None:
        if self.length < 1:
            raise BntError(f"{self.name}: sequences need at least 1 symbol, not {self.length}")

    @property
    def vocabulary(self) -> int:
        return len(self.hmm.symbols)

    @property
    def outputs(self) -> int:
        return len(self.hmm.symbols)

    @property
    def asked(self) -> NDArray[np.int64]:
        return np.arange(self.length)

    def _tables(self, count: int) -> tuple[Array, Array, Array]:
        """Those of the model, once for every sequence."""
        initial, transition, emission = (
            np.repeat(table[None], count, axis=0)
            for table in (self.hmm.initial, self.hmm.transition, self.hmm.emission)
        )
        return initial, transition, emission

    def symbols(self, rng: np.random.Generator, count: int) -> NDArray[np.int64]:
        """(count, length + 1) drawn symbols."""
        return draw(rng, *self._tables(count), self.length + 1)[1]

    def sample(self, rng: np.random.Generator, count: int) -> Batch:
        drawn = self.symbols(rng, count)
        return Batch(drawn[:, :-1], drawn[:, 1:], self.next_symbol(self.beliefs(drawn[:, :-1])))

    def examples(self, count: int, rng: np.random.Generator) -> Examples:
        """What a recipe trains on: symbols, the symbols that came next, and a mask of ones."""
        drawn = self.symbols(rng, count)
        return drawn[:, :-1], drawn[:, 1:], np.ones((count, self.length))

    def beliefs(self, symbols: NDArray[np.int64]) -> Array:
        """p(x_t | y_1..y_t), (count, length, states), exact."""
        return filter_all(*self._tables(len(symbols)), symbols)

    def next_symbol(self, beliefs: Array) -> Array:
        """p(y_{t+1} | y_1..y_t) = belief_t A B, (..., symbols)."""
        law: Array = beliefs @ self.hmm.transition @ self.hmm.emission
        return law


def _mess3() -> HMM:
    """x = .05, alpha = .85 of the source: stay with .9, show the own symbol with .85, the others alike."""
    return HMM(np.full(3, 1 / 3), 0.85 * np.eye(3) + 0.05, 0.775 * np.eye(3) + 0.075)


def _twins() -> HMM:
    """States 1 and 2 show the same symbols; from 1 one goes on to 2, from 2 back to 0. It starts where it stays."""
    transition = [[0.75, 0.25, 0.0], [0.0, 0.7, 0.3], [0.35, 0.0, 0.65]]
    return HMM(np.array([42, 35, 30]) / 107, transition, [[0.9, 0.1], [0.1, 0.9], [0.1, 0.9]])


PROCESSES: Mapping[str, NextSymbol] = {
    "mess3": NextSymbol("mess3", _mess3(), 10),
    "twins": NextSymbol("twins", _twins(), 12),
}


def _recipe(name: str, steps: int) -> Recipe:
    task = PROCESSES[name]
    model = TransformerConfig(
        vocabulary=task.vocabulary, outputs=task.outputs, positions=task.length, width=32, layers=3, heads=1, d_k=16,
        d_ff=64, activation="relu", layer_norm=True, causal=True,
    )  # fmt: skip
    return Recipe(
        task=name, model=model, loss=cross_entropy, batch=256, steps=steps, learning_rate=5e-3, warm_up=50, clip=1.0
    )


RECIPES: Mapping[str, Recipe] = {"mess3": _recipe("mess3", 2_000), "twins": _recipe("twins", 1_200)}


def find_process(name: str) -> NextSymbol:
    """The process of this name. Raises BntError listing the names."""
    return look_up(PROCESSES, name, "process")


def train_next_symbol(name: str, seed: int = 0, *, progress: bool = False) -> Run:
    """A transformer trained to predict the next symbol of the process, in float32; a minute on one core.

    The seed decides initial weights and sequences. Raises BntError for an unknown process.
    """
    return RECIPES[find_process(name).name].train(find_process(name).examples, seed, progress=progress)


def untrained(name: str, seed: int = 0) -> Parameters:
    """The weights that training with this seed starts from: the control of every probe."""
    recipe = RECIPES[find_process(name).name]
    return initialise(recipe.model, seed, recipe.precision)


def next_symbol_model(name: str) -> Parameters:
    """The trained transformer of the process that ships (seed 0), in float64. Raises BntError: an unknown process."""
    return shipped_weights("belief", find_process(name).name, "float64")


class Fit(NamedTuple):
    """R^2 on sequences that the line was not fitted on: of the belief; of what a line from the next-symbol law leaves
    of it; of what a line from law, log odds and lagged symbols together leaves of it. nan where nothing is left."""

    belief: float
    rest: float
    beyond: float


class Depth(NamedTuple):
    """After ``layer`` layers (0 = the tokens; -1 = all of them side by side)."""

    layer: int
    trained: Fit
    untrained: Fit


class Ground(NamedTuple):
    """What a probe is fitted on, or judged on. inputs (count, length); beliefs, and what is left of them by ``told``,
    (count * length, states)."""

    inputs: NDArray[np.int64]
    beliefs: Array
    rest: Array
    beyond: Array


def line(x: Array, y: Array, held_out: Array) -> Array:
    """The straight line that fits y (rows, columns) from x (rows, d), said of ``held_out`` (rows, d)."""
    found = linear_probe(x, y)
    said: Array = held_out @ found[:-1] + found[-1]
    return said


def told(task: NextSymbol, inputs: NDArray[np.int64]) -> dict[str, Array]:
    """What needs no network, by name, (count * length, columns) each: the exact law of the next symbol, its log odds
    against the last symbol, and the raw symbols by lag."""
    law = flat(task.next_symbol(task.beliefs(inputs)))
    odds = np.log(law[:, :-1]) - np.log(law[:, -1:])
    return {"law": law[:, :-1], "odds": odds, "symbols": flat(lagged(inputs, task.vocabulary))}


def grounds(task: NextSymbol, count: int = SEQUENCES) -> tuple[Ground, Ground]:
    """``count`` sequences to fit on and as many to judge on. What is left of the belief is left by a straight line that
    is fitted on the first alone."""
    inputs = [task.symbols(np.random.default_rng(seed), count)[:, :-1] for seed in (LEARN, JUDGE)]
    beliefs = [flat(task.beliefs(one)) for one in inputs]
    columns = [told(task, one) for one in inputs]
    left = []
    for names in (("law",), ("law", "odds", "symbols")):
        x, held_out = (np.hstack([one[name] for name in names]) for one in columns)
        left.append([beliefs[i] - line(x, beliefs[0], y) for i, y in enumerate((x, held_out))])
    learn, judge = (Ground(inputs[i], beliefs[i], left[0][i], left[1][i]) for i in (0, 1))
    return learn, judge


def share_left(ground: Ground, left: Array) -> float:
    """How much of the variance of the belief is left."""
    return float((left**2).sum() / ((ground.beliefs - ground.beliefs.mean(axis=0)) ** 2).sum())


def fits(x: Array, held_out: Array, on: tuple[Ground, Ground]) -> Fit:
    """How well a straight line from these columns tells the belief, the rest, and what is beyond."""
    learn, judge = on
    found = [r_squared(line(x, learn.beliefs, held_out), judge.beliefs)]
    for fitted, left in ((learn.rest, judge.rest), (learn.beyond, judge.beyond)):
        anything = share_left(judge, left) > NOTHING_LEFT
        found.append(r_squared(line(x, fitted, held_out), left) if anything else float("nan"))
    return Fit(*found)


def geometry(
    parameters: Parameters, name: str, *, control: Parameters | None = None, count: int = SEQUENCES
) -> list[Depth]:
    """One row after every layer, and one (layer -1) for all of them side by side.

    control: the untrained twin, by default that of seed 0. Raises BntError for an unknown process.
    """
    task = find_process(name)
    on = grounds(task, count)

    def depths(model: Parameters) -> list[Fit]:
        learn, judge = ([flat(x) for x in streams(model, task, ground.inputs)] for ground in on)
        each = [fits(x, held_out, on) for x, held_out in zip(learn, judge, strict=True)]
        return [*each, fits(np.hstack(learn), np.hstack(judge), on)]

    trained, other = depths(parameters), depths(control or untrained(name))
    layers = [*range(len(trained) - 1), -1]
    return [Depth(*row) for row in zip(layers, trained, other, strict=True)]


def lagged(symbols: NDArray[np.int64], vocabulary: int) -> Array:
    """The symbols as columns, newest first: 1 at (lag, symbol), zeros before the start; (count, length, length *
    vocabulary)."""
    count, length = symbols.shape
    found = np.zeros((count, length, length, vocabulary))
    for t in range(length):
        found[:, t, : t + 1] = np.eye(vocabulary)[symbols[:, t::-1]]
    return found.reshape(count, length, -1)


def controls(name: str, count: int = SEQUENCES) -> dict[str, Fit]:
    """Straight lines from what needs no network, by name:

    lagged symbols          one-hot, newest first: all that a straight line can do with the raw sequence
    next-symbol law         the exact probabilities of the next symbol
    its log odds            what the read-out of a perfect predictor says
    its log odds, bent      their powers up to BENDS
    symbols and log odds    both side by side: what a perfect predictor that copies its input holds
    """
    task = find_process(name)
    on = grounds(task, count)
    learn, judge = (told(task, ground.inputs) for ground in on)

    def columns(one: dict[str, Array]) -> dict[str, Array]:
        return {
            "lagged symbols": one["symbols"],
            "next-symbol law": one["law"],
            "its log odds": one["odds"],
            "its log odds, bent": np.hstack([one["odds"] ** power for power in range(1, BENDS + 1)]),
            "symbols and log odds": np.hstack([one["symbols"], one["odds"]]),
        }

    held_out = columns(judge)
    return {key: fits(x, held_out[key], on) for key, x in columns(learn).items()}


class Triangle(NamedTuple):
    """Beliefs (points, states) about the hidden state: exact, and as a straight line reads them from the stream."""

    exact: Array
    read: Array


def triangles(parameters: Parameters, name: str, word: int = 7, count: int = SEQUENCES) -> list[Triangle]:
    """Beliefs after every word of ``word`` symbols, rare ones too, and what is read of them, after 0, 1, ... layers.

    The lines are fitted on ``count`` drawn sequences, as everywhere here; so R^2 over words, each counted once, is not
    that of ``geometry``. Raises BntError for an unknown process, and words longer than its sequences.
    """
    task = find_process(name)
    if not 1 <= word <= task.length:
        raise BntError(f"{name}: words must have 1..{task.length} symbols, not {word}")
    learn, _ = grounds(task, count)
    words = np.array(list(itertools.product(range(task.vocabulary), repeat=word)))
    exact = task.beliefs(words)[:, -1]
    fitted = streams(parameters, task, learn.inputs)
    weights = to_weights(parameters)
    traces = [forward(read_in(parameters, one), weights, keep="layers", attention="dense") for one in words]
    return [
        Triangle(exact, line(flat(x), learn.beliefs, np.array([trace.after_layer(depth)[-1] for trace in traces])))
        for depth, x in enumerate(fitted)
    ]
