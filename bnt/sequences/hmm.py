"""Hidden Markov models: filtering, smoothing, prediction and Viterbi, all of them belief propagation on one chain.

    x1 -- x2 -- ... -- xT      p(x1) = initial,  p(x_{t+1} | x_t) = transition,  p(y_t | x_t) = emission
    |     |            |
    y1    y2           yT

The chain is a tree of factors, so every answer is exact. Filtering reads the messages that run forwards, smoothing
the beliefs, prediction the beliefs beyond the last observation, Viterbi the max-product decoding. One sweep forwards
and one backwards are all the messages there are (kernels/chains.py); ``HMM.graph`` is the same chain for ``run_bp``.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bnt.checks import in_one_line, in_order, in_state_order, is_missing, of_kind, real_array, whole_number
from bnt.display import card, counted, draw
from bnt.errors import EvidenceError, InconsistentEvidenceError, ModelError, valid_names
from bnt.graph.bayesian_network import Deviation, column_problem
from bnt.graph.factor_graph import Array, Factor, FactorGraph, Variable, spellings
from bnt.graph.flat import Ints
from bnt.graph.pgmpy_bridge import chain_from_pgmpy

if TYPE_CHECKING:
    from pandas import DataFrame
    from pgmpy.models import DynamicBayesianNetwork

    from bnt.display import Picture

Observations = Any  # a sequence of symbols, by name or number; None, NaN, pandas.NA where nothing was observed
_MISSING, _WRONG = -1, -2


@dataclass(frozen=True, eq=False)
class HMM:
    """initial (S,), transition (S, S) with row = from, emission (S, O); every row is a distribution.

    states and symbols: names; by default the labels of pandas tables, else "0", "1", ... Such labels name the states of
    their rows and columns, in any order. Raises ModelError: wrong shape, no distribution, wrong names.
    Rows within 1e-5 of one (float32, six printed digits) are renormalised, with a warning.
    """

    initial: Array
    transition: Array
    emission: Array
    states: tuple[str, ...]
    symbols: tuple[str, ...]

    def __init__(
        self,
        initial: ArrayLike,
        transition: ArrayLike,
        emission: ArrayLike,
        states: Sequence[str] | None = None,
        symbols: Sequence[str] | None = None,
    ):
        tables = {"initial": initial, "transition": transition, "emission": emission}
        labels = {name: list(getattr(table, "axes", ())) for name, table in tables.items()}
        states = _names(labels["initial"] + labels["transition"] + labels["emission"][:1]) if states is None else states
        symbols = _names(labels["emission"][1:]) if symbols is None else symbols
        for name, table in tables.items():
            array = real_array(name, table, error=ModelError)
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        if self.initial.ndim != 1 or self.emission.ndim != 2:
            raise ModelError("initial must be a vector (S,), emission a matrix (S, O)")
        size, outputs = len(self.initial), self.emission.shape[1]
        if self.transition.shape != (size, size) or self.emission.shape[0] != size:
            shapes = f"{self.initial.shape}, {self.transition.shape}, {self.emission.shape}"
            raise ModelError(f"initial, transition and emission must have shapes (S,), (S, S), (S, O); got {shapes}")
        for name, given, count in (("states", states, size), ("symbols", symbols, outputs)):
            names = Variable(name, given if given is not None else map(str, range(count))).states
            if len(names) != count:
                raise ModelError(f"{count} {name} need {count} names, got {len(names)}: {names}")
            object.__setattr__(self, name, names)
        row, shown = Variable("states", self.states), Variable("symbols", self.symbols)
        for name, scope in {"initial": [row], "transition": [row, row], "emission": [row, shown]}.items():
            ordered = in_state_order(name, tables[name], scope, error=ModelError)
            if ordered is not tables[name]:
                object.__setattr__(self, name, real_array(name, ordered, error=ModelError))
        deviation = Deviation()
        for name in tables:
            self._normalise(name, deviation)
        deviation.warn("HMM")

    def _normalise(self, name: str, deviation: Deviation) -> None:
        """Rows within 1e-5 of one are divided by their sum, as a Bayesian network's columns are."""
        table = getattr(self, name)
        columns = np.atleast_2d(table).T  # (what is distributed, given)
        outcomes = self.symbols if name == "emission" else self.states
        scope = {name: outcomes, "state": self.states} if table.ndim == 2 else {name: outcomes}
        if table.ndim == 1:
            columns = columns[:, 0]
        if problem := column_problem(columns, scope):
            row = np.atleast_2d(table)[problem[0]].tolist()
            raise ModelError(
                f"{name}: row {row} is no distribution; its entries must be >= 0 and sum to one: {problem[1]}"
            )
        array = np.ascontiguousarray(deviation.renormalise(columns, scope).T)
        array.flags.writeable = False
        object.__setattr__(self, name, array)

    def __reduce__(self) -> tuple[Any, ...]:
        return HMM, (self.initial, self.transition, self.emission, self.states, self.symbols)  # copies: read-only too

    def plot(self, observations: Observations, **options: Any) -> Picture:
        """The chain of these observations, its forward messages and filtered beliefs; see ``figures.plot``."""
        return draw(self, observations, **options)

    @property
    def columns(self) -> list[str]:
        """What ``rows`` have: the state, its chance to be first, to be followed by each state, to show each symbol."""
        return ["state", "first", *(f"to {state}" for state in self.states), *(f"shows {s}" for s in self.symbols)]

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """One row per hidden state, as ``columns`` says."""
        tables = zip(self.states, self.initial.tolist(), self.transition.tolist(), self.emission.tolist(), strict=True)
        return ((state, first, *to, *shown) for state, first, to, shown in tables)

    def to_frame(self) -> DataFrame:
        """``rows`` as a pandas frame with these ``columns``."""
        import pandas as pd

        return pd.DataFrame(self.rows(), columns=self.columns)

    def _repr_html_(self) -> str:
        line = f"{counted(len(self.states), 'state')}, {counted(len(self.symbols), 'symbol')}; rows are distributions"
        return card("HMM", line, self.columns, self.rows(), total=len(self.states), things="states")

    @classmethod
    def from_pgmpy(cls, model: DynamicBayesianNetwork) -> HMM:
        """Of a pgmpy DynamicBayesianNetwork with the arcs Z0 -> Z1 and Z0 -> X0. Raises ModelError for any other."""
        return cls(*chain_from_pgmpy(model))

    def numbers(self, observations: Observations) -> list[int | None]:
        """Observations as symbol numbers, None where one is missing. Raises EvidenceError naming the place."""
        return [None if code < 0 else code for code in self.codes(observations).tolist()]

    def codes(self, observations: Observations, where: str = "") -> Ints:
        """Observations as symbol numbers, -1 where one is missing, shape (T,). Raises EvidenceError as ``numbers``."""
        if not isinstance(observations, np.ndarray) or observations.ndim != 1:
            observations = in_order(f"{where}observations", observations, "symbols", error=EvidenceError)
        if not len(observations):
            raise EvidenceError(f"{where}there are no observations; give at least one, None for an unknown one")
        if isinstance(observations, np.ndarray) and (
            np.ma.isMaskedArray(observations) or observations.dtype.kind == "f"
        ):
            observations = observations.tolist()  # None where masked; each NaN one object, so that it can be a key
        if isinstance(observations, np.ndarray) and observations.dtype.kind in "iu":
            inside = observations.min() >= 0 and observations.max() < len(self.symbols)
            if inside and self._numbers_are_positions:
                return observations.astype(np.int64)
        try:
            if {bool, np.bool_} & set(map(type, observations)):
                raise TypeError  # as a key True would be 1
            of = {symbol: self._code(symbol) for symbol in set(observations)}
            found = np.fromiter(map(of.__getitem__, observations), np.int64, len(observations))
        except TypeError:  # what cannot be a key is no symbol
            found = np.array([self._code(symbol) for symbol in observations], dtype=np.int64)
        if (found == _WRONG).any():
            t = int(np.argmax(found == _WRONG))
            symbol = observations[t]
            if (
                isinstance(symbol, int | np.integer)
                and not isinstance(symbol, bool)
                and not self._numbers_are_positions
            ):
                rule = f"{symbol} may be a symbol's name or its number here; write names as text"
                raise EvidenceError(f"{where}observation {t + 1}: {rule}; {valid_names(self.symbols)}")
            shown, wanted = in_one_line(symbol), symbol if isinstance(symbol, str) else None
            raise EvidenceError(
                f"{where}observation {t + 1}: {shown} is no symbol; {valid_names(self.symbols, wanted)}"
            )
        return found

    def _code(self, symbol: object) -> int:
        if isinstance(symbol, str):
            return self.symbols.index(symbol) if symbol in self.symbols else _WRONG
        if is_missing(symbol):
            return _MISSING
        if isinstance(symbol, int | np.integer | float | np.floating) and not isinstance(symbol, bool):
            whole = 0 <= symbol < len(self.symbols) and float(symbol).is_integer()
            return int(symbol) if whole and self._numbers_are_positions else _WRONG
        return next((self.symbols.index(name) for name in spellings(symbol) if name in self.symbols), _WRONG)

    @property
    def _numbers_are_positions(self) -> bool:
        """False where a number is the name of a symbol elsewhere: then an integer could mean either."""
        return all(not name.isdecimal() or int(name) == i for i, name in enumerate(self.symbols))

    def graph(self, length: int) -> FactorGraph:
        """The chain as a factor graph: x1..xT and y1..yT. Factors in this order: the prior of x1, the T - 1
        transitions, the T emissions. Raises ModelError for a length below 1."""
        length = whole_number("length", length, 1, error=ModelError)
        x = [Variable(f"x{t}", self.states) for t in range(1, length + 1)]
        y = [Variable(f"y{t}", self.symbols) for t in range(1, length + 1)]
        factors = [Factor((x[0],), self.initial, name="initial")]
        factors += [
            Factor((one, other), self.transition, name=f"{one.name} to {other.name}")
            for one, other in itertools.pairwise(x)
        ]
        factors += [Factor((one, shown), self.emission, name=shown.name) for one, shown in zip(x, y, strict=True)]
        return FactorGraph([*x, *y], factors)

    def sample(self, length: int, seed: int) -> tuple[list[str], list[str]]:
        """States and symbols of one run of the chain. Raises ModelError for a length below 1."""
        length = whole_number("length", length, 1, error=ModelError)
        rng = np.random.default_rng(seed)
        x = [int(rng.choice(len(self.states), p=self.initial))]
        while len(x) < length:
            x.append(int(rng.choice(len(self.states), p=self.transition[x[-1]])))
        return (
            [self.states[i] for i in x],
            [self.symbols[int(rng.choice(len(self.symbols), p=self.emission[i]))] for i in x],
        )


def _names(axes: Sequence[Any]) -> Sequence[str] | None:
    """The first of these labels that are text all of them."""
    return next((list(labels) for labels in axes if all(isinstance(label, str) for label in labels)), None)


def symbol_numbers(hmm: HMM, observations: Observations) -> list[int | None]:
    """``hmm.numbers(observations)``. Raises ModelError where ``hmm`` is no HMM; EvidenceError."""
    of_kind("the first argument", hmm, HMM, hint="HMM(initial, transition, emission) makes one", error=ModelError)
    return hmm.numbers(observations)


class _Sequences(NamedTuple):
    """One sequence or several, checked, one after the other."""

    codes: Ints  # (sum of lengths,)
    first: NDArray[np.bool_]  # where one begins
    begins: list[int]  # the same as positions, and the end
    several: bool


def _sequences(hmm: HMM, observations: Any) -> _Sequences:
    """One sequence, or a list of them (also a table, one per row). Raises EvidenceError as HMM.codes, ModelError."""
    of_kind("the first argument", hmm, HMM, hint="HMM(initial, transition, emission) makes one", error=ModelError)
    if not isinstance(observations, np.ndarray) or not observations.ndim:
        observations = in_order("observations", observations, "symbols", error=EvidenceError)
    several = len(observations) > 0 and _is_sequence(observations[0])
    if several:
        parts = [hmm.codes(one, f"sequence {i}, ") for i, one in enumerate(observations, start=1)]
    else:
        parts = [hmm.codes(observations)]
    begins = np.concatenate([[0], np.cumsum([len(part) for part in parts])])
    first = np.zeros(begins[-1], dtype=bool)
    first[begins[:-1]] = True
    return _Sequences(np.concatenate(parts), first, begins.tolist(), several)


def _is_sequence(one: Any) -> bool:
    return hasattr(one, "__len__") and not isinstance(one, (str, bytes))


def _refuse_impossible(hmm: HMM, seen: _Sequences, stop: int) -> None:
    if stop < 0:
        return
    number = sum(begin <= stop for begin in seen.begins[:-1])
    begin, symbol = seen.begins[number - 1], hmm.symbols[seen.codes[stop]]
    where = f"sequence {number}, " if seen.several else ""
    raise InconsistentEvidenceError(
        f"probability zero: {where}observation {stop - begin + 1}, {symbol!r}, is impossible after the earlier ones"
    )


def _run(hmm: HMM, seen: _Sequences, smooth: bool) -> tuple[Array, Array]:
    """Rows of all sequences (T, S), and ln p(y_t | earlier ones) (T,)."""
    from bnt.kernels.chains import run_chains  # numba loads here, not at import

    rows, logs, stop = run_chains(seen.codes, seen.first, hmm.initial, hmm.transition, hmm.emission, smooth)
    _refuse_impossible(hmm, seen, stop)
    return rows, logs


def _parted(seen: _Sequences, rows: Any) -> Any:
    """What belongs to each sequence, as a list; of a single one just that."""
    return [rows[i:j] for i, j in itertools.pairwise(seen.begins)] if seen.several else rows


def filter_states(hmm: HMM, observations: Observations) -> Array:
    """p(x_t | y_1..y_t) for every t, shape (T, S), in time linear in T. Of a list of sequences a list of such arrays.

    Raises EvidenceError for what is no symbol; InconsistentEvidenceError for observations of probability zero.
    """
    seen = _sequences(hmm, observations)
    return _parted(seen, _run(hmm, seen, smooth=False)[0])


def smooth_states(hmm: HMM, observations: Observations) -> Array:
    """p(x_t | y_1..y_T) for every t, shape (T, S): the chain's beliefs. Several sequences, errors: as filter_states."""
    seen = _sequences(hmm, observations)
    return _parted(seen, _run(hmm, seen, smooth=True)[0])


def predict_states(hmm: HMM, observations: Observations, ahead: int) -> Array:
    """p(x_{T+k} | y_1..y_T) for k = 1..ahead, shape (ahead, S). Raises as filter_states, BntError for ahead < 1."""
    ahead, seen = whole_number("ahead", ahead, 1), _sequences(hmm, observations)
    now = _run(hmm, seen, smooth=False)[0][np.array(seen.begins[1:]) - 1]  # (sequences, S)
    rows = np.empty((len(now), ahead, len(hmm.states)))
    for k in range(ahead):
        now = now @ hmm.transition
        now = now / now.sum(axis=1, keepdims=True)
        rows[:, k] = now
    found: Any = list(rows) if seen.several else rows[0]
    return found


def log_likelihood(hmm: HMM, observations: Observations) -> float:
    """ln p(y_1..y_T): the sum of ln p(y_t | y_1..y_{t-1}). Of a list of sequences a vector. Raises as filter_states."""
    seen = _sequences(hmm, observations)
    logs = _run(hmm, seen, smooth=False)[1]
    found: Any = np.array([one.sum() for one in _parted(seen, logs)]) if seen.several else float(logs.sum())
    return found


class Path(NamedTuple):
    """A most probable state sequence and ln p(states, observations)."""

    states: list[str]
    log_probability: float


def viterbi(hmm: HMM, observations: Observations) -> Path:
    """A most probable state sequence given what was observed: max-product decoding. Missing observations are left out,
    so the score is ln p(states, observed symbols). Several sequences, errors: as filter_states."""
    from bnt.kernels.chains import best_chains

    seen = _sequences(hmm, observations)
    numbers, stop = best_chains(seen.codes, seen.first, hmm.initial, hmm.transition, hmm.emission)
    _refuse_impossible(hmm, seen, stop)
    steps = np.where(seen.first, hmm.initial[numbers], hmm.transition[np.roll(numbers, 1), numbers])
    shown = np.where(seen.codes >= 0, hmm.emission[numbers, seen.codes], 1.0)
    logs = np.log(steps) + np.log(shown)
    paths: Any = [
        Path([hmm.states[i] for i in numbers[begin:end].tolist()], float(logs[begin:end].sum()))
        for begin, end in itertools.pairwise(seen.begins)
    ]
    return paths if seen.several else paths[0]


def birkhoff_coefficient(matrix: ArrayLike) -> float:
    """tanh(D/4) with D = max ln(A_ik A_jl / (A_jk A_il)): how much a positive matrix contracts Hilbert's distance.

    Filtering forgets at least this fast per step, whatever is observed. 1 (no promise) where an entry is zero.
    Raises as projective_diameter.
    """
    return float(np.tanh(projective_diameter(matrix) / 4))


def projective_diameter(matrix: ArrayLike) -> float:
    """D above: the largest Hilbert distance of two rows; infinite where an entry is zero (unless a whole column is).

    Raises ModelError for what is no matrix of finite numbers >= 0, or all zero.
    """
    rows = real_array("the matrix", matrix, error=ModelError)
    if rows.ndim != 2 or not (np.isfinite(rows) & (rows >= 0)).all() or not rows.any():
        raise ModelError("the matrix must have two axes and finite entries >= 0, not all of them zero")
    rows = rows[:, rows.any(axis=0)]
    if (rows == 0).any():
        return float("inf")
    ratio = np.log(rows[:, None, :]) - np.log(rows[None, :, :])  # (S, S, S)
    return float((ratio.max(axis=2) - ratio.min(axis=2)).max())
