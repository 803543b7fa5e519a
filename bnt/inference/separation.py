"""Does evidence reach a query? d-separation, read from the factor graph itself.

Unobserved variables that nobody asked about and whose only remaining factor sums to a constant over them (a child's
CPT) say nothing and are removed first, again and again; what is left is the moral graph of the query's and the
evidence's ancestors, where plain connection through unobserved variables decides. Where states are maximised over
instead of summed, the factor's maximum must be constant: a common child of evidence and query then opens the way.
"""

from __future__ import annotations

from collections.abc import Iterable
from weakref import WeakKeyDictionary

import numpy as np

from bnt.graph.evidence import Evidence
from bnt.graph.factor_graph import Array, FactorGraph

_CONSTANT: WeakKeyDictionary[FactorGraph, dict[tuple[int, int, bool], bool]] = WeakKeyDictionary()


def evidence_reaches(graph: FactorGraph, evidence: Evidence, query: Iterable[int], maximise: bool = False) -> bool:
    """True if any evidence is connected to any query variable, or if there is no evidence at all.

    An observed query variable counts as reached. Parameters that happen to make a connected table uninformative are
    not looked at, except that a factor constant over an unasked leaf variable, once summed (maximised), is removed.
    """
    query = set(query)
    if not (evidence.hard or evidence.soft) or not query or not query.isdisjoint(evidence.hard):
        return True
    active = informative_factors(graph, query | set(evidence.hard) | set(evidence.soft), maximise)
    stack, seen = list(query), set(query)
    while stack:
        v = stack.pop()
        if v in evidence.soft:
            return True
        for f in graph.factors_of[v]:
            if f not in active:
                continue
            for u in graph.scopes[f]:
                if u in evidence.hard:
                    return True
                if u not in seen:
                    seen.add(u)
                    stack.append(u)
    return False


def relevant_part(graph: FactorGraph, evidence: Evidence, query: Iterable[int]) -> tuple[FactorGraph, Evidence]:
    """What the marginals of ``query`` depend on: a smaller graph with its part of the evidence.

    Barren variables go, and so does all that the evidence cuts off from the query; but a part with zeros stays, since
    evidence of probability zero must be seen wherever it is.
    """
    query = set(query)
    active = informative_factors(graph, query | set(evidence.hard) | set(evidence.soft), False)
    kept_variables, kept_factors, seen = set(query), set[int](), set[int]()
    for start in [*query, *(v for f in active for v in graph.scopes[f])]:
        if start in seen or start in evidence.hard:
            continue
        part, factors = [start], set[int]()
        seen.add(start)
        for v in part:  # grows: everything that unobserved variables join
            for f in graph.factors_of[v]:
                if f in active and f not in factors:
                    factors.add(f)
                    more = [u for u in graph.scopes[f] if u not in seen and u not in evidence.hard]
                    seen.update(more)
                    part += more
        if not query.isdisjoint(part) or any(_has_zero(graph, f) for f in factors):
            kept_variables.update(part)
            kept_factors |= factors
    whole = [f for f in active if evidence.hard.keys() >= set(graph.scopes[f]) and _has_zero(graph, f)]
    factors_left = sorted({*kept_factors, *whole})
    for f in factors_left:
        kept_variables.update(graph.scopes[f])
    left = sorted(kept_variables)
    number = {v: i for i, v in enumerate(left)}
    small = FactorGraph([graph.variables[v] for v in left], [graph.factors[f] for f in factors_left])
    hard = {number[v]: state for v, state in evidence.hard.items() if v in number}
    return small, Evidence(hard, {number[v]: likelihood for v, likelihood in evidence.soft.items() if v in number})


def informative_factors(graph: FactorGraph, keep: set[int], maximise: bool) -> set[int]:
    """Indices of the factors that remain after removing barren variables, those in ``keep`` excepted."""
    active = set(range(len(graph.factors)))
    factors_left = [set(factors) for factors in graph.factors_of]
    candidates = [v for v in range(len(graph.variables)) if v not in keep]
    while candidates:
        v = candidates.pop()
        if len(factors_left[v]) != 1:
            continue
        (f,) = factors_left[v]
        if not _is_constant_without(graph, f, graph.scopes[f].index(v), maximise):
            continue
        active.discard(f)
        for u in graph.scopes[f]:
            factors_left[u].discard(f)
            if u not in keep:
                candidates.append(u)
    return active


def _has_zero(graph: FactorGraph, f: int) -> bool:
    """Has factor f a zero entry? Looked at once per graph."""
    known = _CONSTANT.setdefault(graph, {})
    key = (f, -1, False)
    if key not in known:
        known[key] = bool(graph.factors[f].log_table.min() == -np.inf)
    return known[key]


def _is_constant_without(graph: FactorGraph, f: int, axis: int, maximise: bool) -> bool:
    """Is factor f, summed (maximised) over one axis, a constant? Looked at once per graph."""
    known = _CONSTANT.setdefault(graph, {})
    key = (f, axis, maximise)
    if key not in known:
        log_table: Array = graph.factors[f].log_table
        table = np.exp(log_table - log_table.max())
        totals = table.max(axis) if maximise else table.sum(axis)
        known[key] = bool(np.ptp(totals) <= 1e-12 * totals.max())
    return known[key]
