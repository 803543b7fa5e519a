"""A Bayesian network as plain data: what the BIF reader, the built-in networks and the pgmpy bridge exchange.

p(x) = prod_v p(x_v | parents of v). One conditional probability table (CPT) per variable; its axes are
(variable, parent 1, parent 2, ...), so every *column* ``table[:, i, j, ...]`` is a distribution.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

import numpy as np
from numpy.typing import NDArray

from bnt.checks import in_order, real_array
from bnt.errors import ModelError, valid_names
from bnt.graph.factor_graph import Factor, FactorGraph, Variable

Array = NDArray[np.float64]

RENORMALISE_WITHIN = 1e-5  # a column further from one than this is an error, not a rounding
ROUNDING = 1e-12  # nearer to one than this is float64 summation: left untouched, no warning


@dataclass(frozen=True)
class BayesianNetwork:
    """``states[v]`` and ``parents[v]`` are tuples of names; ``tables[v]`` has axes (v, *parents[v]).

    The three mappings share their keys and their order. Nothing is validated here: ``checked_network`` and
    ``read_bif`` do that.
    """

    name: str
    states: Mapping[str, tuple[str, ...]]
    parents: Mapping[str, tuple[str, ...]]
    tables: Mapping[str, Array]

    def equals(self, other: BayesianNetwork) -> bool:
        """The same names in the same order, and the same bits in every table."""
        mine, yours = ((n.name, list(n.states.items()), list(n.parents.items())) for n in (self, other))
        return mine == yours and all(np.array_equal(table, other.tables[v]) for v, table in self.tables.items())

    def factor_graph(self) -> FactorGraph:
        """One factor per CPT over (variable, *parents), in the network's order, zeros kept."""
        variables = {name: Variable(name, states) for name, states in self.states.items()}
        factors = [
            Factor([variables[one] for one in (name, *self.parents[name])], table)
            for name, table in self.tables.items()
        ]
        return FactorGraph(variables.values(), factors)


def checked_network(
    name: str,
    states: Mapping[str, Sequence[str]],
    cpts: Mapping[str, tuple[Sequence[str], Array]],
) -> BayesianNetwork:
    """A BayesianNetwork from ``cpts = {variable: (parents, table)}``, everything validated.

    Raises ModelError: a variable without CPT, a CPT without variable, an unknown or repeated parent, states that make
    no Variable, a wrong shape, a cycle, no distribution.
    Columns within 1e-5 of one are renormalised, with one warning that says how far off they were.
    """
    missing = [variable for variable in states if variable not in cpts]
    if missing:
        raise ModelError(f"{name}: no conditional probability table for {', '.join(map(repr, missing))}")
    if extra := [variable for variable in cpts if variable not in states]:
        raise ModelError(f"{name}: a table for {extra[0]!r}, which has no states; {valid_names(states, extra[0])}")
    for variable, listed in states.items():
        Variable(variable, listed)  # raises ModelError
    parents = {
        variable: in_order(f"{name}: the parents of {variable!r}", cpts[variable][0], "names", error=ModelError)
        for variable in states
    }
    for variable, above in parents.items():
        if len(set(above)) < len(above):
            raise ModelError(f"{name}: {variable!r} has a parent twice: {above}; list it once")
        for one in above:
            if one not in states:
                raise ModelError(f"{name}: parent {one!r} of {variable!r} is no variable of this network")
    cycle = find_cycle(parents)
    if cycle:
        raise ModelError(f"{name}: the arcs form a cycle, {' -> '.join(cycle)}; a Bayesian network has none")
    deviation, tables = Deviation(), {}
    for variable, above in parents.items():
        table = real_array(f"{name}: the table of {variable!r}", cpts[variable][1], error=ModelError)
        shape = tuple(len(states[one]) for one in (variable, *above))
        if table.shape != shape:
            raise ModelError(f"{name}: the table of {variable!r} has shape {table.shape}, its states {shape}")
        scope = {one: states[one] for one in (variable, *above)}
        problem = column_problem(table, scope)
        if problem:
            raise ModelError(f"{name}: {problem[1]}")
        tables[variable] = deviation.renormalise(table, scope)
    deviation.warn(name)
    return BayesianNetwork(name, {v: tuple(s) for v, s in states.items()}, parents, tables)


def find_cycle(parents: Mapping[str, Iterable[str]]) -> list[str] | None:
    """The variables along one directed cycle, first = last, or None where there is none."""
    try:
        TopologicalSorter(parents).prepare()
    except CycleError as error:
        return list(error.args[1])
    return None


def column_problem(table: Array, scope: Mapping[str, Sequence[str]]) -> tuple[int, str] | None:
    """(column number, sentence) of the first column that is no distribution, or None.

    ``scope`` maps the variable, then each parent, to its states. Columns count with the last parent
    fastest. A distribution has finite entries >= 0 and a sum within 1e-5 of one.
    """
    flat = table.reshape(len(table), -1)
    if flat.min() >= 0 and np.abs(flat.sum(axis=0) - 1).max() <= RENORMALISE_WITHIN:  # the usual case; false for NaN
        return None
    bad = ~(np.isfinite(flat) & (flat >= 0))
    if bad.any():
        column, state = (int(i) for i in np.argwhere(bad.T)[0])
        place = describe_column(scope, column, state)
        return column, f"{place} is {flat[state, column]:g}; a probability is finite and >= 0"
    off = np.abs(flat.sum(axis=0) - 1)
    if (off > RENORMALISE_WITHIN).any():
        column = int(np.argmax(off > RENORMALISE_WITHIN))
        total = flat[:, column].sum()
        return column, (
            f"{describe_column(scope, column)} sums to {total:.10g}, off by {off[column]:.3g}; "
            f"it must be one within {RENORMALISE_WITHIN:g}"
        )
    return None


def describe_column(scope: Mapping[str, Sequence[str]], column: int, state: int | None = None) -> str:
    """``P(dysp | bronc=yes, either=no)``; with ``state`` ``P(dysp=yes | ...)``."""
    (variable, states), *above = scope.items()
    at = np.unravel_index(column, [len(names) for _, names in above]) if above else ()
    given = ", ".join(f"{one}={names[int(i)]}" for (one, names), i in zip(above, at, strict=True))
    head = variable if state is None else f"{variable}={states[state]}"
    return f"P({head} | {given})" if given else f"P({head})"


class Deviation:
    """Renormalises the columns of one network and remembers how far off they were, for a single warning."""

    def __init__(self) -> None:
        self.columns = 0
        self.worst = 0.0
        self.where = ""

    def renormalise(self, table: Array, scope: Mapping[str, Sequence[str]]) -> Array:
        """``table`` with every column that is off by more than rounding divided by its sum."""
        total = table.sum(axis=0)
        off = np.abs(total - 1)
        wrong = off > ROUNDING
        if not wrong.any():
            return table
        self.columns += int(wrong.sum())
        if off.max() > self.worst:
            self.worst = float(off.max())
            self.where = describe_column(scope, int(np.argmax(off)))
        return table / np.where(wrong, total, 1.0)

    def warn(self, source: str) -> None:
        """One warning for the whole network; silent when every column was one."""
        if not self.columns:
            return
        frame, depth = sys._getframe(1), 2
        while frame.f_back and str(frame.f_globals.get("__name__")).partition(".")[0] == "bnt":
            frame, depth = frame.f_back, depth + 1  # the warning belongs to the line that called the library
        columns = "1 column that does" if self.columns == 1 else f"{self.columns} columns that do"
        warnings.warn(
            f"{source}: renormalised {columns} not sum to one; the worst, {self.where}, was off by {self.worst:.2g}",
            stacklevel=depth,
        )
