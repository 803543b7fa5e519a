"""What a wind tunnel is: sequences whose posterior is known exactly, so that a network can be judged in bits.

As an aeroplane in a wind tunnel, the network is small and the weather is controlled (Agarwal, Dalal and Misra,
arXiv:2512.22471). Two tasks stand here, those on hidden Markov models
in hidden_markov.py, the measures in measures.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from bnt.errors import BntError
from bnt.graph.factor_graph import Array


class Batch(NamedTuple):
    """``count`` sequences of one task.

    inputs      (count, length) symbols, or (count, length, columns) numbers
    labels      (count, questions) the answer that came about when this sequence was drawn
    posterior   (count, questions, outputs) p(answer | everything up to the position of the question), analytic
    """

    inputs: NDArray[Any]
    labels: NDArray[np.int64]
    posterior: Array


class Task(Protocol):
    """A source of batches. Sequences have ``length`` positions; ``asked`` are the positions where a question stands.

    vocabulary: number of input symbols, 0 if inputs are vectors of ``columns`` numbers. outputs: number of answers.
    learns_from: "labels" (what came about) or "posterior" (its exact distribution: less noise, same expected gradient).
    """

    @property
    def name(self) -> str: ...
    @property
    def length(self) -> int: ...
    @property
    def vocabulary(self) -> int: ...
    @property
    def columns(self) -> int: ...
    @property
    def outputs(self) -> int: ...
    @property
    def asked(self) -> NDArray[np.int64]: ...
    @property
    def learns_from(self) -> str: ...

    def sample(self, rng: np.random.Generator, count: int) -> Batch:
        """``count`` independent sequences."""


def permutations(rng: np.random.Generator, count: int, size: int) -> NDArray[np.int64]:
    """Uniform random permutations of 0 .. size - 1, shape (count, size)."""
    return rng.random((count, size)).argsort(axis=1)


@dataclass(frozen=True)
class Bijection:
    """Bijection elimination: a hidden one-to-one map is shown pair by pair; what may the next value be?

        x1 y1 x2 y2 ... xV        y_k = map(x_k),  map uniform over the V! bijections,  no x is shown twice

    The question stands at every x_k. Every bijection that agrees with the pairs so far is equally likely, and of those
    an equal number sends x_k to each value not seen yet. So the posterior is uniform over the V - k + 1 unseen values
    and its entropy, log2(V - k + 1) bits, falls in steps from log2 V to 0: hypotheses are eliminated, never weighed.

    Symbols 0 .. V-1 are the x, V .. 2V-1 the values. Raises BntError for fewer than two values.
    """

    values: int = 8
    learns_from: str = "labels"

    def __post_init__(self) -> None:
        if self.values < 2:
            raise BntError(f"a bijection needs at least 2 values, not {self.values}")

    @property
    def name(self) -> str:
        return f"bijection{self.values}"

    @property
    def length(self) -> int:
        return 2 * self.values - 1

    @property
    def vocabulary(self) -> int:
        return 2 * self.values

    columns = 0

    @property
    def outputs(self) -> int:
        return self.values

    @property
    def asked(self) -> NDArray[np.int64]:
        return np.arange(0, self.length, 2)

    def sample(self, rng: np.random.Generator, count: int) -> Batch:
        size = self.values
        shown = permutations(rng, count, size)  # (count, V) the order of the x
        labels = np.take_along_axis(permutations(rng, count, size), shown, axis=1)  # (count, V) their values
        symbols = np.empty((count, 2 * size), dtype=np.int64)
        symbols[:, 0::2], symbols[:, 1::2] = shown, labels + size
        is_value = labels[:, :, None] == np.arange(size)  # (count, V, V) one-hot
        seen_before = is_value.cumsum(axis=1) - is_value
        posterior = (1.0 - seen_before) / (size - np.arange(size))[:, None]
        return Batch(symbols[:, :-1], labels, posterior)

    def exact_entropy(self) -> NDArray[np.float64]:
        """Bits at each question: log2(V), log2(V - 1), ..., 0."""
        return np.log2(np.arange(self.values, 0, -1))


@dataclass(frozen=True)
class Recall:
    """Associative recall: pairs of key and value, then every key once more in another order; which value was its own?

        k1 v1 k2 v2 ... kP vP  q1 q2 ... qP    keys distinct, values drawn with replacement, (q) a permutation of (k)

    The questions stand at q1 .. qP. The pair has been shown, so the posterior is a point: all mass on one value.
    Nothing is weighed here; what is tested is random access, fetching one of P stored bindings by its content.

    ``guess`` is what memory without access is worth: naming, to every question, the value shown most often.

    Symbols 0 .. keys-1 are the keys, keys .. keys+values-1 the values; keys defaults to twice the pairs.

    Raises BntError: no pair, fewer keys than pairs, fewer than two values.
    """

    pairs: int = 8
    keys: int = 0
    values: int = 16
    learns_from: str = "labels"

    def __post_init__(self) -> None:
        if self.keys == 0:
            object.__setattr__(self, "keys", 2 * self.pairs)
        if self.pairs < 1 or self.keys < self.pairs or self.values < 2:
            raise BntError(
                f"recall needs at least 1 pair, as many keys as pairs and 2 values; "
                f"got {self.pairs} pairs, {self.keys} keys, {self.values} values"
            )

    @property
    def name(self) -> str:
        return f"recall{self.pairs}"

    @property
    def length(self) -> int:
        return 3 * self.pairs

    @property
    def vocabulary(self) -> int:
        return self.keys + self.values

    columns = 0

    @property
    def outputs(self) -> int:
        return self.values

    @property
    def asked(self) -> NDArray[np.int64]:
        return np.arange(2 * self.pairs, 3 * self.pairs)

    def sample(self, rng: np.random.Generator, count: int) -> Batch:
        size = self.pairs
        keys = permutations(rng, count, self.keys)[:, :size]
        values = rng.integers(0, self.values, (count, size))
        order = permutations(rng, count, size)
        symbols = np.empty((count, 3 * size), dtype=np.int64)
        symbols[:, 0 : 2 * size : 2], symbols[:, 1 : 2 * size : 2] = keys, values + self.keys
        symbols[:, 2 * size :] = np.take_along_axis(keys, order, axis=1)
        labels = np.take_along_axis(values, order, axis=1)
        return Batch(symbols, labels, (labels[:, :, None] == np.arange(self.values)).astype(float))

    def right_positions(self, symbols: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where the value of each question stands: positions (count, pairs), from the symbols alone."""
        keys, asked = symbols[:, 0 : 2 * self.pairs : 2], symbols[:, 2 * self.pairs :]
        return 2 * (asked[:, :, None] == keys[:, None, :]).argmax(axis=2) + 1

    def guess(self, symbols: NDArray[np.int64]) -> NDArray[np.int64]:
        """To every question the value shown most often (the smallest of several), shape (count, pairs)."""
        shown = symbols[:, 1 : 2 * self.pairs : 2] - self.keys
        counts = (shown[:, :, None] == np.arange(self.values)).sum(axis=1)
        return np.repeat(counts.argmax(axis=1)[:, None], self.pairs, axis=1)
