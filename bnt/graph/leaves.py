"""Factors given by leaves: tree CPDs and context-specific independence, without the table.

A leaf is a partial assignment and a value: psi(x) = value of the one leaf that agrees with x. The leaves of a factor
partition its joint states, so that

    psi(x) = sum_l value_l prod_{v in l} [x_v = l_v],      (v in l: the variables that leaf l mentions)

and a message, whose other incoming messages are nu, needs one term per leaf in place of one per joint state: a slot
that a leaf leaves open stands for the sum of its message. A switch z over K binary parents, p(y | x_z), has 4 K leaves
and K 2^(K+1) entries. Source: Boutilier, Friedman, Goldszmidt and Koller, "Context-specific independence in Bayesian
networks" (UAI 1996).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bnt.checks import in_order, is_real, need, of_kind, real_array
from bnt.display import card, counted
from bnt.errors import ModelError, TooLargeError, UnsupportedModelError, valid_names
from bnt.graph.factor_graph import Array, Factor, FactorGraph, Variable

if TYPE_CHECKING:
    from pandas import DataFrame

Ints = NDArray[np.int64]
OPEN = -1  # in place of a state: the leaf does not mention this variable
MOST_ENTRIES = 2**25  # of a full table made of leaves, 256 MiB
SUMS_WITHIN = 1e-5  # of one: further off is an error, not a rounding


class Leaf(NamedTuple):
    """One leaf: a state for each variable it mentions, by name, and the potential there."""

    states: Mapping[str, str]
    value: float


@dataclass(frozen=True, eq=False)
class Leaves:
    """k slots, n leaves that partition the joint states of the slots."""

    cardinality: tuple[int, ...]  # k
    states: Ints  # (n, k)   state in each slot, OPEN where the leaf does not mention it
    log_values: Array  # (n,)     -inf is a real zero

    @cached_property
    def log_table(self) -> Array:
        """The table, one axis per slot, made once. Raises TooLargeError beyond MOST_ENTRIES entries."""
        size = math.prod(self.cardinality)
        if size > MOST_ENTRIES:
            raise TooLargeError(
                f"a factor of {_leaves(len(self.states))} has {size:,} table entries; at most "
                f"{MOST_ENTRIES:,} are written out: compile_graph and hidden_leaves need the leaves alone"
            )
        table = np.full(self.cardinality, -np.inf)
        for row, value in zip(self.states.tolist(), self.log_values.tolist(), strict=True):
            table[tuple(slice(None) if state == OPEN else state for state in row)] = value
        table.flags.writeable = False
        return table

    def at(self, fixed: Mapping[int, int]) -> Leaves:
        """The leaves of the slice at some states, by slot; those slots are gone."""
        agrees = np.ones(len(self.states), dtype=bool)
        for slot, state in fixed.items():
            agrees &= (self.states[:, slot] == OPEN) | (self.states[:, slot] == state)
        left = [slot for slot in range(len(self.cardinality)) if slot not in fixed]
        return Leaves(
            tuple(self.cardinality[slot] for slot in left), self.states[agrees][:, left], self.log_values[agrees]
        )


class LeafFactor(Factor):
    """A factor given by leaves in place of a table.

    leaves: pairs (states, value), or ``Leaf``: a mapping from variable name to state, as far as the leaf mentions
    variables, and a potential, finite and >= 0, of any scale. Every joint state must agree with exactly one leaf: no
    two leaves may agree with each other, and their joint states must add up to all; both are checked leaf by leaf.
    ``log_table`` is made when something asks for it, up to MOST_ENTRIES entries; ``compile_graph`` and
    ``hidden_leaves`` do not. Raises ModelError: as ``Factor``, and for leaves that overlap, or leave out a joint state.
    """

    __slots__ = ("listed",)
    listed: Leaves

    def __init__(
        self,
        variables: Iterable[Variable],
        leaves: Iterable[Leaf | tuple[Mapping[str, Any], float]],
        name: str | None = None,
    ):
        self._set_scope(variables, name)
        slot = {variable.name: k for k, variable in enumerate(self.variables)}
        given = in_order(f"{self.label}: leaves", leaves, "pairs (states, value)", error=ModelError)
        states = np.full((len(given), len(self.variables)), OPEN, dtype=np.int64)
        values = np.zeros(len(given))
        for i, leaf in enumerate(given):
            if not (isinstance(leaf, tuple) and len(leaf) == 2 and isinstance(leaf[0], Mapping)):
                raise ModelError(f"{self.label}: leaf {i} must be a pair of a mapping of states and a value: {leaf!r}")
            for of, state in leaf[0].items():
                if of not in slot:
                    raise ModelError(f"{self.label}: leaf {i} mentions {of!r}; {valid_names(slot, of)}")
                states[i, slot[of]] = self.variables[slot[of]].state_index(state)
            value = leaf[1]
            if not is_real(value) or isinstance(value, bool) or not 0 <= value < np.inf:
                raise ModelError(
                    f"{self.label}: the value of leaf {i} is {value!r}; every value must be finite and >= 0"
                )
            values[i] = value
        _check_partition(self, states)
        need(bool(values.any()), f"{self.label}: every leaf is zero, so the model has no support", error=ModelError)
        with np.errstate(divide="ignore"):
            self._set_leaves(states, np.log(values))

    def _set_leaves(self, states: Ints, log_values: Array) -> None:
        states.flags.writeable = log_values.flags.writeable = False
        self.listed = Leaves(tuple(variable.cardinality for variable in self.variables), states, log_values)

    def __reduce__(self) -> tuple[Any, ...]:
        return _of_arrays, (self.variables, self.listed.states, self.listed.log_values, self.name)

    @property
    def log_table(self) -> Array:  # type: ignore[override]
        """The full table, made at the first look. Raises TooLargeError beyond MOST_ENTRIES entries."""
        return self.listed.log_table

    @property
    def leaves(self) -> tuple[Leaf, ...]:
        """All leaves, in order."""
        return tuple(Leaf(self._said(row), value) for row, value in self._values())

    @property
    def n_entries(self) -> int:
        """How many entries the full table has."""
        return math.prod(self.listed.cardinality)

    def _values(self) -> Iterator[tuple[list[int], float]]:
        yield from zip(self.listed.states.tolist(), np.exp(self.listed.log_values).tolist(), strict=True)

    def _said(self, row: Sequence[int]) -> dict[str, str]:
        return {v.name: v.states[state] for v, state in zip(self.variables, row, strict=True) if state != OPEN}

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """One row per leaf: a state or "any" for each variable, then the potential."""
        for row, value in self._values():
            said = ("any" if state == OPEN else v.states[state] for v, state in zip(self.variables, row, strict=True))
            yield *said, value

    def to_frame(self) -> DataFrame:
        """``rows`` as a pandas frame: one column per variable, and "potential"."""
        return super().to_frame()

    def __repr__(self) -> str:
        return f"<{self.label}, {_leaves(len(self.listed.states))} of {self.n_entries:,} entries>"

    def _repr_html_(self) -> str:
        names, count = [variable.name for variable in self.variables], len(self.listed.states)
        line = f"{self.name + ': ' if self.name else ''}{_leaves(count)} over {', '.join(names)}, "
        line += f"for {counted(self.n_entries, 'entry')}"
        return card("LeafFactor", line, [*names, "potential"], self.rows(), total=count, things="leaves")


def _of_arrays(variables: tuple[Variable, ...], states: Ints, log_values: Array, name: str | None) -> LeafFactor:
    """A LeafFactor of leaves known to be right."""
    factor = object.__new__(LeafFactor)
    factor.variables, factor.name = variables, name
    factor._set_leaves(states, log_values)
    return factor


def _check_partition(factor: LeafFactor, states: Ints) -> None:
    """Raises ModelError unless every joint state agrees with exactly one row of ``states``.

    Rows that contradict each other pairwise cover as many joint states as their sizes say, in Python's whole numbers.
    """
    for i, row in enumerate(states):
        later = states[i + 1 :]
        agree = ((later == row) | (later == OPEN) | (row == OPEN)).all(axis=1)
        if agree.any():
            j = i + 1 + int(np.argmax(agree))
            both = factor._said(np.where(row == OPEN, states[j], row).tolist())
            raise ModelError(
                f"{factor.label}: leaves {i} and {j} both hold at {_text(both)}; leaves must exclude each other"
            )
    cardinality = [variable.cardinality for variable in factor.variables]
    sizes = _sizes(states, cardinality)
    missing = math.prod(cardinality) - sum(sizes)
    if missing:
        at = _text(factor._said(_uncovered(states, cardinality)))
        raise ModelError(
            f"{factor.label}: {missing:,} of {math.prod(cardinality):,} joint states agree with no leaf, such as {at}; "
            "the leaves must cover all"
        )


def _sizes(states: Ints, cardinality: Sequence[int]) -> list[int]:
    """How many joint states agree with each row."""
    return [math.prod(c for c, state in zip(cardinality, row, strict=True) if state == OPEN) for row in states.tolist()]


def _uncovered(states: Ints, cardinality: Sequence[int]) -> list[int]:
    """A joint state that agrees with no row, where rows exclude each other and do not cover all: slot by slot, a state
    whose half is not full."""
    found: list[int] = []
    for slot, count in enumerate(cardinality):
        room = math.prod(cardinality[slot + 1 :])
        for state in range(count):
            agree = (states[:, slot] == OPEN) | (states[:, slot] == state)
            if sum(_sizes(states[agree][:, slot + 1 :], cardinality[slot + 1 :])) < room:
                found.append(state)
                states = states[agree]
                break
    return found


def _leaves(count: int) -> str:
    return f"{count:,} {'leaf' if count == 1 else 'leaves'}"


def _text(states: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={state}" for name, state in states.items()) or "every joint state"


# ---------------------------------------------------------------- trees


def tree_cpd(child: Variable, parents: Iterable[Variable], tree: Any, name: str | None = None) -> LeafFactor:
    """p(child | parents) as a decision tree: scope (child, \\*parents), one leaf per path and state of the child.

    tree: a distribution of the child (one number per state, or a mapping from state to number), or a question
    ``{"z": {"left": tree, "right": tree}}``: the name of a parent, and a tree for each of its states. Sums within 1e-5
    of one are divided by. Raises ModelError, naming the path: for what is neither, a state without a tree, a parent
    asked twice, a distribution that does not sum to one; as LeafFactor.
    """
    of_kind("the child", child, Variable, error=ModelError)
    parents = in_order("the parents", parents, "Variables", error=ModelError)
    known = {parent.name: parent for parent in parents if isinstance(parent, Variable)}
    leaves: list[tuple[dict[str, str], float]] = []
    stack: list[tuple[Any, dict[str, str]]] = [(tree, {})]
    while stack:
        node, path = stack.pop()
        at = f"the tree of {child.name!r}" + (f" at {_text(path)}" if path else "")
        if isinstance(node, Mapping) and len(node) == 1 and isinstance(next(iter(node.values())), Mapping):
            ((asked, branches),) = node.items()
            if asked not in known:
                raise ModelError(f"{at}: {asked!r} is no parent; {valid_names(known, asked)}")
            if asked in path:
                raise ModelError(f"{at}: {asked!r} was asked before; ask each parent once on a path")
            below = {known[asked].states[known[asked].state_index(state)]: branch for state, branch in branches.items()}
            if len(below) < len(branches):
                raise ModelError(f"{at}: {asked!r} has two branches for one state")
            missing = [state for state in known[asked].states if state not in below]
            if missing:
                raise ModelError(f"{at}: {asked!r} = {missing[0]!r} has no branch; every state needs one")
            stack += [(below[state], {**path, asked: state}) for state in reversed(known[asked].states)]
            continue
        distribution = _distribution(child, node, at)
        leaves += [({child.name: state, **path}, float(p)) for state, p in zip(child.states, distribution, strict=True)]
    return LeafFactor((child, *parents), leaves, name)


def _distribution(child: Variable, node: Any, at: str) -> Array:
    """One probability per state of the child. Raises ModelError."""
    if isinstance(node, Mapping):
        given = {child.states[child.state_index(state)]: p for state, p in node.items()}
        missing = [state for state in child.states if state not in given]
        if missing:
            raise ModelError(f"{at}: state {missing[0]!r} has no probability; {valid_names(child.states)}")
        node = [given[state] for state in child.states]
    vector = real_array(f"{at}: a leaf", node, error=ModelError)
    if vector.shape != (child.cardinality,):
        raise ModelError(
            f"{at}: a leaf needs {counted(child.cardinality, 'probability')}, one per state of the "
            f"child, or a question {{parent: {{state: tree}}}}; got {node!r}"
        )
    total = vector.sum()
    if not (np.isfinite(vector).all() and (vector >= 0).all() and abs(total - 1) <= SUMS_WITHIN):
        raise ModelError(f"{at}: {vector.tolist()} must be finite, >= 0 and sum to one; the sum is {total:.10g}")
    return np.asarray(vector / total)


def leaves_of(factor: Factor) -> LeafFactor:
    """A decision tree read off a table: entries that are exactly equal share a leaf wherever the tree lets them.

    Greedy: a block that is not constant is split along the variable that leaves the fewest entries to tell apart. The
    smallest tree may be smaller; to find it is NP-hard (Hyafil and Rivest 1976). A LeafFactor is returned as it is.
    """
    of_kind("the factor", factor, Factor, error=ModelError)
    if isinstance(factor, LeafFactor):
        return factor
    states: list[list[int]] = []
    values: list[float] = []
    start = (factor.log_table, list(range(len(factor.variables))), [OPEN] * len(factor.variables))
    stack: list[tuple[Array, list[int], list[int]]] = [start]
    while stack:
        table, slots, row = stack.pop()
        for axis in reversed(range(table.ndim)):
            if not _depends(table, axis):
                table, slots = _part(table, axis, 0), slots[:axis] + slots[axis + 1 :]
        if not slots:
            states.append(row)
            values.append(float(table))
            continue
        axis = min(range(table.ndim), key=lambda axis: sum(_to_tell(part) for part in np.moveaxis(table, axis, 0)))
        for state in reversed(range(table.shape[axis])):
            below = list(row)
            below[slots[axis]] = state
            stack.append((_part(table, axis, state), slots[:axis] + slots[axis + 1 :], below))
    return _of_arrays(
        factor.variables, np.array(states, dtype=np.int64).reshape(len(values), -1), np.array(values), factor.name
    )


def _part(table: Array, axis: int, state: int) -> Array:
    """The table at one state of one axis, which is gone."""
    return np.asarray(np.moveaxis(table, axis, 0)[state])


def _depends(table: Array, axis: int) -> bool:
    return bool((np.moveaxis(table, axis, 0) != _part(table, axis, 0)).any())


def _to_tell(table: Array) -> int:
    """Entries of the table over the variables it depends on: no tree of it needs more leaves."""
    return math.prod(table.shape[axis] for axis in range(table.ndim) if _depends(table, axis))


# ---------------------------------------------------------------- graphs


def has_leaves(graph: FactorGraph) -> bool:
    """Is any factor given by leaves?"""
    return not graph.made_of_arrays and any(isinstance(factor, LeafFactor) for factor in graph.factors)


def graph_of_leaves(graph: FactorGraph) -> FactorGraph:
    """The same model with ``leaves_of(factor)`` in place of every table that has fewer leaves than possible entries."""
    of_kind("the graph", graph, FactorGraph, error=ModelError)
    factors = []
    for factor in graph.factors:
        if len(factor.variables) > 1 and not isinstance(factor, LeafFactor):
            found = leaves_of(factor)
            fewer = np.isfinite(found.listed.log_values).sum() < np.isfinite(factor.log_table).sum()
            factor = found if fewer else factor
        factors.append(factor)
    return _like(graph, graph.variables, factors)


def hidden_leaves(graph: FactorGraph) -> FactorGraph:
    """The same model with a hidden variable "leaf of factor f" in place of each LeafFactor, for any engine.

    psi(x) = sum_l value_l prod_v [leaf l allows x_v] is a star: a field of values, and a 0-1 table of (leaf, v) for
    every variable v that some leaf mentions. Beliefs of the other variables, log Z and the fixed points of belief
    propagation are those of the graph itself; a round of a leaf factor takes two here. Junction trees gain too: no
    clique has to hold the whole scope. Raises UnsupportedModelError where a variable is called so already.
    """
    of_kind("the graph", graph, FactorGraph, error=ModelError)
    variables, factors = list(graph.variables), list[Factor]()
    for f, factor in enumerate(graph.factors):
        if not isinstance(factor, LeafFactor):
            factors.append(factor)
            continue
        possible = np.isfinite(factor.listed.log_values)
        rows, log_values = factor.listed.states[possible], factor.listed.log_values[possible]
        name = f"leaf of factor {f}"
        if name in graph.index:
            raise UnsupportedModelError(f"a variable is called {name!r}, the name of a hidden variable; rename it")
        hidden = Variable(name, [str(i) for i in range(len(rows))])
        variables.append(hidden)
        factors.append(Factor((hidden,), log_table=log_values))
        for slot, variable in enumerate(factor.variables):
            if (rows[:, slot] != OPEN).any():
                allows = (rows[:, slot, None] == OPEN) | (rows[:, slot, None] == np.arange(variable.cardinality))
                factors.append(Factor((hidden, variable), allows.astype(float)))
    return _like(graph, variables, factors)


def _like(graph: FactorGraph, variables: Iterable[Variable], factors: Iterable[Factor]) -> FactorGraph:
    found = FactorGraph(variables, factors)
    if graph.pgmpy_names is not None and len(found.variables) == len(graph.variables):
        found.pgmpy_names = graph.pgmpy_names
    return found


def top_of(factor: Factor) -> float:
    """The largest logarithm of a factor."""
    return float((factor.listed.log_values if isinstance(factor, LeafFactor) else factor.log_table).max())


def lowered(factor: Factor, top: float) -> Factor:
    """The factor with ``top`` taken off every logarithm."""
    if isinstance(factor, LeafFactor):
        return _of_arrays(factor.variables, factor.listed.states.copy(), factor.listed.log_values - top, factor.name)
    return Factor(factor.variables, name=factor.name, log_table=factor.log_table - top)
