"""Potentials so large that adding them up loses digits: inference levels them first, or refuses.

A table's largest logarithm can be taken out without changing a belief: log psi'_f = log psi_f - max log psi_f <= 0.
Then every sum of logarithms falls step by step, so its error is at most (number of tables) eps |log Z'|: small where
some joint state is near the best entry of every table, and large only where huge potentials cancel.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from bnt.errors import UnsupportedModelError
from bnt.graph.beliefs import Beliefs
from bnt.graph.evidence import EvidenceLike, Reduced, absorb
from bnt.graph.factor_graph import FactorGraph
from bnt.graph.leaves import LeafFactor, has_leaves, lowered, top_of
from bnt.graph.pgmpy_bridge import as_graph

LARGE = 2.0**20  # logarithms below this keep ten digits after the point, whatever cancels
PLAIN = 600.0  # exp of no more, and of its negative, is a normal float64
LARGEST = 1e304  # beyond it a sum over a few tables may leave float64's range
TOLERANCE = 1e-9  # of a belief
Method = TypeVar("Method", bound=Callable[..., Any])


def keeps_digits(method: Method) -> Method:
    """``method(graph, ...)`` returns an ExactResult; where the graph has logarithms beyond LARGE, that of the levelled
    graph is taken.

    The wrapped method raises UnsupportedModelError where the levelled tables still cancel beyond TOLERANCE.
    """

    @functools.wraps(method)
    def checked(graph: Any, *arguments: Any, **options: Any) -> Any:
        graph = as_graph(graph)
        if largest_log(graph) <= LARGE:
            return method(graph, *arguments, **options)
        level, shift = levelled(graph)
        found = method(level, *arguments, **options)
        check_digits(graph, len(graph.factors) * abs(found.log_z))
        peak = None if found.log_probability is None else found.log_probability + shift
        beliefs = Beliefs(graph, found.beliefs.flat)
        return found._replace(beliefs=beliefs, log_z=found.log_z + shift, log_probability=peak)

    return checked  # type: ignore[return-value]


def check_digits(graph: FactorGraph, added: float) -> None:
    """Raises UnsupportedModelError where logarithms as large as ``added`` leave beliefs unsure beyond TOLERANCE."""
    lost = float(np.finfo(float).eps) * added
    if lost > TOLERANCE:
        raise UnsupportedModelError(
            f"the potentials, logarithms up to {largest_log(graph):.2g}, cancel so far that float64 knows log weights "
            f"to within {lost:.1g} only, and no right answer can be given; rescale them, and write -inf for what is "
            "impossible"
        )


def largest_log(graph: FactorGraph) -> float:
    """The largest finite |log potential|, looked up once per graph."""
    cache = graph.__dict__
    if "_largest_log" not in cache:
        if has_leaves(graph):  # whose full tables nobody needs here
            parts = (f.listed.log_values if isinstance(f, LeafFactor) else f.log_table.ravel() for f in graph.factors)
            logs = np.concatenate([np.zeros(0), *parts])
        else:
            logs = graph.arrays.log_table
        cache["_largest_log"] = float(np.abs(logs).max(where=logs > -np.inf, initial=0.0))
    found: float = cache["_largest_log"]
    return found


def needs_care(graph: FactorGraph) -> bool:
    """Are there logarithms beyond LARGE that a table's own largest entry does not explain? Without them the levelled
    tables are plain float64 numbers, and no digit is lost."""
    if largest_log(graph) <= LARGE:
        return False
    if "_needs_care" not in graph.__dict__:
        tables = (factor.log_table[factor.log_table > -np.inf] for factor in graph.factors)
        graph.__dict__["_needs_care"] = any(np.ptp(table) > PLAIN for table in tables)
    found: bool = graph.__dict__["_needs_care"]
    return found


def levelled(graph: FactorGraph) -> tuple[FactorGraph, float]:
    """The graph with the largest entry of every table made one, and the logarithm that was taken out."""
    if (largest := largest_log(graph)) > LARGEST:
        raise UnsupportedModelError(
            f"the potentials have logarithms up to {largest:.2g}, and beyond {LARGEST:g} sums of them leave float64's "
            "range; rescale them, and write -inf for what is impossible"
        )
    tops = [top_of(factor) for factor in graph.factors]
    factors = [lowered(factor, top) for factor, top in zip(graph.factors, tops, strict=True)]
    return FactorGraph(graph.variables, factors), float(np.sum(tops))


def absorb_levelled(graph: FactorGraph, evidence: EvidenceLike = None) -> Reduced:
    """``absorb``, of the levelled graph where this one has logarithms beyond LARGE."""
    if largest_log(graph) <= LARGE:
        return absorb(graph, evidence)
    level, shift = levelled(graph)
    reduced = absorb(level, evidence)
    return reduced._replace(graph=graph, log_constant=reduced.log_constant + shift)
