"""Filtering of hidden Markov models: which state is it in now, given what was seen so far?

    FixedHMM    one model for all sequences      y1 y2 ... yT                    (symbols)
    DrawnHMM    a new model for every sequence   [A | B] y1 y2 ... yT            (vectors; the first holds the model)

The question stands at every y_t. Its posterior is p(x_t | y_1..y_t), by the forward recursion

    belief_1(j) ~ initial(j) B(j, y_1)         belief_t(j) ~ sum_i belief_{t-1}(i) A(i, j) B(j, y_t)

which is belief propagation on the chain (sequences.filter_states; the tests compare the two). With a fixed model the
recursion can be learned by heart; with a drawn one it must be carried out with numbers that are read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnt.errors import BntError
from bnt.graph.factor_graph import Array
from bnt.sequences.hmm import HMM
from bnt.wind_tunnels.tasks import Batch


@dataclass(frozen=True, eq=False)
class FixedHMM:
    """Sequences of one model. Inputs are symbols (count, length). By default 3 states and 3 symbols, drawn with seed 7:
    rows of Dirichlet(1/2) numbers, uniform start."""

    hmm: HMM
    length: int = 16
    learns_from: str = "posterior"

    def __init__(self, hmm: HMM | None = None, length: int = 16, learns_from: str = "posterior"):
        if hmm is None:
            rng = np.random.default_rng(7)
            rows = rng.dirichlet(np.full(3, 0.5), 3), rng.dirichlet(np.full(3, 0.5), 3)
            hmm = HMM(np.full(3, 1 / 3), *rows)
        for name, value in (("hmm", hmm), ("length", length), ("learns_from", learns_from)):
            object.__setattr__(self, name, value)

    name = "hmm_fixed"
    columns = 0

    @property
    def vocabulary(self) -> int:
        return len(self.hmm.symbols)

    @property
    def outputs(self) -> int:
        return len(self.hmm.states)

    @property
    def asked(self) -> NDArray[np.int64]:
        return np.arange(self.length)

    def sample(self, rng: np.random.Generator, count: int) -> Batch:
        tables = (self.hmm.initial, self.hmm.transition, self.hmm.emission)
        initial, transition, emission = (np.repeat(table[None], count, axis=0) for table in tables)
        states, symbols = draw(rng, initial, transition, emission, self.length)
        return Batch(symbols, states, filter_all(initial, transition, emission, symbols))


@dataclass(frozen=True)
class DrawnHMM:
    """A new model for every sequence, its rows uniform over distributions, uniform start.

    Inputs (count, 1 + steps, columns): first the model, S*S entries of A and S*O entries of B by rows; then one-hot
    symbols in the last O columns; the rest zero. Raises BntError for sizes below 2 or no step.
    """

    states: int = 3
    symbols: int = 3
    steps: int = 16
    learns_from: str = "posterior"

    def __post_init__(self) -> None:
        if self.states < 2 or self.symbols < 2 or self.steps < 1:
            sizes = f"{self.states} states, {self.symbols} symbols, {self.steps} steps"
            raise BntError(f"a drawn HMM needs at least 2 states, 2 symbols and 1 step; got {sizes}")

    name = "hmm_drawn"
    vocabulary = 0

    @property
    def length(self) -> int:
        return 1 + self.steps

    @property
    def columns(self) -> int:
        return self.states**2 + self.states * self.symbols + self.symbols

    @property
    def outputs(self) -> int:
        return self.states

    @property
    def asked(self) -> NDArray[np.int64]:
        return np.arange(1, self.length)

    def sample(self, rng: np.random.Generator, count: int) -> Batch:
        transition = rng.dirichlet(np.ones(self.states), (count, self.states))
        emission = rng.dirichlet(np.ones(self.symbols), (count, self.states))
        initial = np.full((count, self.states), 1 / self.states)
        states, symbols = draw(rng, initial, transition, emission, self.steps)
        inputs = np.zeros((count, self.length, self.columns))
        model = np.concatenate([transition.reshape(count, -1), emission.reshape(count, -1)], axis=1)
        inputs[:, 0, : model.shape[1]] = model
        inputs[:, 1:, -self.symbols :] = np.eye(self.symbols)[symbols]
        return Batch(inputs, states, filter_all(initial, transition, emission, symbols))

    def model_of(self, sequence: Array) -> HMM:
        """The model that one sequence (1 + steps, columns) carries."""
        numbers, cut = sequence[0, : -self.symbols], self.states**2
        return HMM(
            np.full(self.states, 1 / self.states),
            numbers[:cut].reshape(self.states, self.states),
            numbers[cut:].reshape(self.states, self.symbols),
        )


def draw(
    rng: np.random.Generator, initial: Array, transition: Array, emission: Array, steps: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Hidden states and symbols (count, steps) of models (count, S), (count, S, S), (count, S, O)."""
    each = np.arange(len(initial))

    def choose(rows: Array) -> NDArray[Any]:
        return np.minimum((rows.cumsum(axis=1) < rng.random((len(rows), 1))).sum(axis=1), rows.shape[1] - 1)

    states, symbols = (np.empty((len(each), steps), dtype=np.int64) for _ in range(2))
    for t in range(steps):
        states[:, t] = choose(transition[each, states[:, t - 1]] if t else initial)
        symbols[:, t] = choose(emission[each, states[:, t]])
    return states, symbols


def filter_all(initial: Array, transition: Array, emission: Array, symbols: NDArray[np.int64]) -> Array:
    """p(x_t | y_1..y_t) of many sequences at once, (count, steps, S): the forward recursion above."""
    each, beliefs = np.arange(len(initial)), []
    ahead = initial  # p(x_t | y_1..y_{t-1})
    for t in range(symbols.shape[1]):
        belief = ahead * emission[each, :, symbols[:, t]]
        belief /= belief.sum(axis=1, keepdims=True)
        beliefs.append(belief)
        ahead = np.einsum("bi,bij->bj", belief, transition)
    return np.stack(beliefs, axis=1)
