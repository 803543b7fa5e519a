"""What an answer hangs on: every piece of evidence, and every entry of every table.

One entry t of a table, everything else kept, makes the answer a ratio of two straight lines in t, with slope

    d P(q | e) / d ln t = P(q | e) (P(entry | q, e) - P(entry | e))

Where a table is a conditional distribution, its other entries for the same parents give way in proportion, so that they
still sum to one: with a = P(entry | ., e) and r the mass of the whole row,

    d P(q | e) / d t = P(q | e) (g(q, e) - g(e)),    g = a / t - (r - a) / (1 - t)

Both are exact: they come from two passes over a junction tree, one given e, one given e and q.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bnt.checks import MEMORY_LIMIT
from bnt.graph.evidence import EvidenceLike, by_name
from bnt.graph.factor_graph import Array, FactorGraph
from bnt.graph.pgmpy_bridge import as_graph
from bnt.inference.exact import exact_marginals
from bnt.inference.scope_marginals import scope_marginals

SUMS_TO_ONE = 1e-9  # how far a row of a conditional table may be from it


class Entry(NamedTuple):
    """One entry of a table and what it does to the answer P(q | e).

    slope: d P(q | e) / d ln value, the entry changed alone; kept_slope: d P(q | e) / d value, the rest of its
    conditional distribution giving way in proportion, None where the table is none or nothing can give way.
    """

    factor: int
    states: tuple[str, ...]  # in the order of the factor's scope
    value: float
    slope: float
    kept_slope: float | None


def entry_sensitivity(
    graph: FactorGraph,
    variable: str,
    state: object,
    evidence: EvidenceLike = None,
    *,
    memory_limit: float = MEMORY_LIMIT,
) -> list[Entry]:
    """The slopes of P(variable = state | evidence) in every entry above zero of every table, the steepest first.

    An impossible entry (zero) is left out: no proportion of it is anything else. Raises as ``scope_marginals``, and
    UnknownStateError.
    """
    graph = as_graph(graph)
    asked = graph.variable(variable).state_index(state)
    given = by_name(graph, evidence)
    before = scope_marginals(graph, given, memory_limit=memory_limit)
    answer = float(exact_marginals(graph, given, memory_limit=memory_limit).beliefs.vector(variable)[asked])
    if not 0.0 < answer < 1.0:
        after = before  # certain: no entry above zero moves it
    else:
        after = scope_marginals(graph, _with(graph, given, variable, asked), memory_limit=memory_limit)
    found = []
    for f, (factor, low, high) in enumerate(zip(graph.factors, before, after, strict=True)):
        axis = conditional_axis(factor.table)
        for place in np.ndindex(factor.table.shape):
            value = float(factor.table[place])
            if value == 0.0:
                continue
            slope = answer * float(high[place] - low[place])
            kept = None
            if axis is not None and value < 1.0:
                kept = answer * (_kept(high, place, axis, value) - _kept(low, place, axis, value))
            states = tuple(v.states[s] for v, s in zip(factor.variables, place, strict=True))
            found.append(Entry(f, states, value, slope, kept))
    return sorted(found, key=lambda entry: -abs(entry.slope))


def conditional_axis(table: Array) -> int | None:
    """The first axis over which every sum is one: the child's, of a conditional distribution; None if there is none."""
    sums = (axis for axis in range(table.ndim) if np.abs(table.sum(axis) - 1.0).max() <= SUMS_TO_ONE)
    return next(sums, None)


def _kept(marginal: Array, place: tuple[int, ...], axis: int, value: float) -> float:
    here = float(marginal[place])
    row = float(np.moveaxis(marginal, axis, -1)[place[:axis] + place[axis + 1 :]].sum())
    return here / value - (row - here) / (1.0 - value)


def _with(graph: FactorGraph, evidence: dict[str, object], name: str, state: int) -> dict[str, object]:
    """Evidence by name, and this state. Soft evidence on the same variable is part of both passes, so it may go."""
    variable = graph.variable(name)
    return {**evidence, variable.name: variable.states[state]}
