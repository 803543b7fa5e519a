"""Constructions for filtering a hidden Markov model, held against a specification."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from bnt.checks import in_order, whole_number
from bnt.designs.costs import Size, size_of
from bnt.designs.specification import Alternative, Budget, Candidate, Tolerance, nothing_to_build, settled_from
from bnt.errors import UnsupportedModelError
from bnt.sequences.filtering import VISIBLE, FilterModel, compile_doubling_filter, compile_filter
from bnt.sequences.hmm import HMM, filter_states, symbol_numbers
from bnt.transformer.forward import forward

FILTERS = {"step": compile_filter, "doubling": compile_doubling_filter}


class FilterReport(NamedTuple):
    """A compiled filter verified. error: largest of what was asked about, against ``filter_states``. holds: it is what
    rounding and the floor may cause, or within the tolerance that was asked for."""

    error: float
    holds: bool


def filter_candidates(
    hmm: HMM, times: Iterable[int] | None, observations: Any, tolerance: Tolerance, budget: Budget, memory_limit: int
) -> list[Candidate]:
    """The step and the doubling filter, with the fewest layers that meet the specification. Times count from 0."""
    numbers = symbol_numbers(hmm, observations)
    asked = range(len(numbers)) if times is None else in_order("queries", times, "times")
    chosen = [whole_number("a time that is asked about", t, 0, len(numbers) - 1) for t in asked]
    exact = filter_states(hmm, numbers)[chosen]
    return [_candidate(name, hmm, numbers, chosen, exact, tolerance, budget, memory_limit) for name in FILTERS]


def exact_layers(construction: str, times: list[int]) -> int:
    """Layers after which the beliefs of these times are exact."""
    last = max(times, default=0)
    return last + 1 if construction == "step" else last.bit_length()


def _candidate(
    construction: str,
    hmm: HMM,
    numbers: list[int | None],
    times: list[int],
    exact: np.ndarray,
    tolerance: Tolerance,
    budget: Budget,
    memory_limit: int,
) -> Candidate:
    def refused(size: Size | None, error: float | None, why: str) -> Candidate:
        return Candidate(Alternative(construction, False, size, error, why), nothing_to_build)

    needed = exact_layers(construction, times)
    depth = needed if tolerance == "exact" else min(needed, budget.most_layers)
    try:
        model = FILTERS[construction](hmm, numbers, depth)
    except UnsupportedModelError as problem:
        return refused(None, None, str(problem))
    size = size_of(model.weights, len(model.tokens), model.layout.width)
    if 8 * (depth + 1) * model.tokens.size > memory_limit:
        return refused(size, None, f"its stream needs over {memory_limit:,} bytes (memory_limit raises it)")
    if tolerance == "exact":
        layers, error, why = needed, None, f"exact from layer {needed} on"
    else:
        trace = forward(model.tokens, model.weights, keep="layers" if depth else "last")
        errors = np.array([np.abs(model.beliefs(trace, i)[times] - exact).max(initial=0.0) for i in range(depth + 1)])
        found = settled_from(errors, tolerance)
        if found is None:
            return refused(size, float(errors[-1]), f"still off by {errors[-1]:.1e} after {depth} layers")
        layers, error = found, float(errors[found])
        why = f"off by at most {tolerance:g} from layer {layers} to layer {depth}, measured for these observations"
        model = FILTERS[construction](hmm, numbers, layers)  # with fewer layers the stream may be narrower
        size = size_of(model.weights, len(model.tokens), model.layout.width)
    if broken := budget.broken_by(size):
        return refused(size, error, broken)
    build = partial(_build, construction, hmm, numbers, times, exact, layers, tolerance)
    return Candidate(Alternative(construction, True, size, error, why), build)


def _build(
    construction: str,
    hmm: HMM,
    numbers: list[int | None],
    times: list[int],
    exact: np.ndarray,
    layers: int,
    tolerance: Tolerance,
) -> tuple[FilterModel, FilterReport, float]:
    model = FILTERS[construction](hmm, numbers, layers)
    beliefs = model.beliefs(forward(model.tokens, model.weights, keep="last"))
    error = float(np.abs(beliefs[times] - exact).max(initial=0.0))
    return model, FilterReport(error, error <= (VISIBLE if tolerance == "exact" else tolerance)), error
