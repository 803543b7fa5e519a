"""The reduced graph, and a junction tree, as flat arrays: what the kernels read.

One *edge* is one (factor, slot) pair.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bnt.graph.evidence import Evidence, Reduced, absorb
from bnt.graph.factor_graph import Array, FactorGraph

Ints = NDArray[np.int64]
NO_STATES: Ints = np.zeros(0, dtype=np.int64)
NO_LOGS: Array = np.zeros(0)
NO_SLOTS: NDArray[np.int32] = np.zeros(0, dtype=np.int32)


class Flat(NamedTuple):
    """n variables, m factors, E edges, M = total message length, T = total table size."""

    cardinality: Ints  # (n,)    states of each variable
    field_ptr: Ints  # (n+1,)  field of variable v: field[field_ptr[v]:field_ptr[v+1]]
    field: Array  # (S,)    log local potential of every state of every variable
    factor_ptr: Ints  # (m+1,)  edges of factor k: factor_ptr[k]:factor_ptr[k+1], in scope order
    edge_variable: Ints  # (E,)    variable of each edge
    edge_factor: Ints  # (E,)    factor (0..m-1) of each edge
    message_ptr: Ints  # (E+1,)  message of edge e: messages[message_ptr[e]:message_ptr[e+1]]
    table_ptr: Ints  # (m+1,)  table of factor k: log_table[table_ptr[k]:table_ptr[k+1]], C order over its scope
    log_table: Array  # (T,)
    variable_ptr: Ints  # (n+1,)  edges of variable v: variable_edges[variable_ptr[v]:variable_ptr[v+1]]
    variable_edges: Ints  # (E,)
    factor_index: Ints  # (m,)    position of factor k in graph.factors
    # Listed factors (a junction tree's cliques): log_table has only their possible configurations, and edge e is in
    # state slot_state[slot_ptr[e] + i] in the i-th one. Both arrays are empty where tables are complete.
    slot_ptr: Ints  # (E,)
    slot_state: NDArray[np.int32]


class Plan(NamedTuple):
    """A junction tree as flat arrays: C cliques (children first) with L members in all, n variables, P parts.

    A part is a factor's table, or a variable's field, multiplied into one clique. Members of a clique's separator with
    its parent come first.
    """

    cardinality: Ints  # (n,)
    state_ptr: Ints  # (n+1,)  states of variable v in fields and beliefs
    clique_ptr: Ints  # (C+1,)  members of clique c: clique_ptr[c]:clique_ptr[c+1]
    member: Ints  # (L,)    variable
    parent: Ints  # (C,)    clique above, or -1
    shared: Ints  # (C,)    how many members it shares with the parent
    above: Ints  # (L,)    where a shared member stands in the parent
    child_ptr: Ints  # (C+1,)
    child: Ints  # cliques below
    part_ptr: Ints  # (C+1,)  parts of clique c
    part_begin: Ints  # (P,)    where the part's table begins, in tables (or fields, where is_field)
    is_field: NDArray[np.bool_]  # (P,)
    slot_ptr: Ints  # (P+1,)  axes of the part's table
    slot_variable: Ints  # (Q,)    variable of this axis
    slot_member: Ints  # (Q,)    and which member of the clique it is; -1 if it is none, being observed
    slot_step: Ints  # (Q,)    entries from one state to the next
    home_ptr: Ints  # (C+1,)  variables whose belief is read off clique c
    home_member: Ints  # which member of the clique
    tables: Array  # every factor's table, largest entry 1


def base_flat(graph: FactorGraph) -> Flat:
    """Flat arrays of the graph without evidence, made once per graph."""
    cache = graph.__dict__
    if "_base_flat" not in cache:
        cache["_base_flat"] = flat_without_evidence(graph)
    flat: Flat = cache["_base_flat"]
    return flat


def is_binary_pairwise(graph: FactorGraph) -> bool:
    """Does every factor with two or more variables join two binary ones, without zeros? Looked up once per graph."""
    cache = graph.__dict__
    if "_is_binary_pairwise" not in cache:
        base = base_flat(graph)
        binary = (base.cardinality[base.edge_variable] == 2).all() and (np.diff(base.factor_ptr) == 2).all()
        cache["_is_binary_pairwise"] = bool(binary) and bool(np.isfinite(base.log_table).all())
    return bool(cache["_is_binary_pairwise"])


def evidence_arrays(base: Flat, evidence: Evidence) -> tuple[Ints, Array]:
    """For the kernels: the observed state of every variable or -1 (n,), and log likelihoods (S,); (0,) where none."""
    observed, soft = NO_STATES, NO_LOGS
    if evidence.hard or evidence.soft:
        observed = np.empty(len(base.cardinality), dtype=np.int64)
        observed.fill(-1)
        for i, state in evidence.hard.items():
            observed[i] = state
    if evidence.soft:
        soft = np.zeros(len(base.field))
        for i, log_likelihood in evidence.soft.items():
            soft[base.field_ptr[i] : base.field_ptr[i + 1]] = log_likelihood
    return observed, soft


def flat_without_evidence(graph: FactorGraph) -> Flat:
    """``flatten(absorb(graph))`` out of the graph's arrays, factor after factor at once. Raises as ``absorb``."""
    cardinality, factor_ptr, edge_variable, table_ptr, log_table = graph.arrays
    n, given = len(cardinality), np.diff(factor_ptr)
    free = cardinality[edge_variable] > 1  # a variable with one state says nothing and closes no loop
    edge_factor = np.repeat(np.arange(len(given)), given)
    left = given if free.all() else np.bincount(edge_factor[free], minlength=len(given))
    joins = left > 1
    field_ptr, sizes = graph.state_ptr, np.diff(table_ptr)
    field = np.zeros(field_ptr[-1])
    alone, sliced = given == 1, (given > 1) & (left == 1)  # factors of one variable, the second lot by what is left
    for chosen, edges in ((alone, alone[edge_factor]), (sliced, sliced[edge_factor] & free)):
        if chosen.any():
            at, begin = field_ptr[edge_variable[edges]], table_ptr[:-1][chosen]
            within = stretches(sizes[chosen])
            np.add.at(field, np.repeat(at, sizes[chosen]) + within, log_table[np.repeat(begin, sizes[chosen]) + within])
    if len(field) and np.maximum.reduceat(field, field_ptr[:-1]).min() == -np.inf:
        absorb(graph)  # raises, and says where
    # Copies in any case: for numba an array closed for writing is another type, and all kernels would compile again.
    kept, used = (
        (joins[edge_factor] & free, np.repeat(joins, sizes)) if not (joins.all() and free.all()) else (..., ...)
    )
    edge_variable, log_table = edge_variable[kept].copy(), log_table[used].copy()
    return Flat(
        cardinality=cardinality.copy(),
        field_ptr=field_ptr,
        field=field,
        factor_ptr=starts(left[joins]),
        edge_variable=edge_variable,
        edge_factor=np.repeat(np.arange(joins.sum()), left[joins]),
        message_ptr=starts(cardinality[edge_variable]),
        table_ptr=starts(sizes[joins]),
        log_table=log_table,
        variable_ptr=starts(np.bincount(edge_variable, minlength=n)),
        variable_edges=by_variable(edge_variable),
        factor_index=np.flatnonzero(joins),
        slot_ptr=NO_STATES,
        slot_state=NO_SLOTS,
    )


def stretches(lengths: Ints) -> Ints:
    """0 .. l0-1, 0 .. l1-1, ..."""
    return np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)


def by_variable(edge_variable: Ints) -> Ints:
    """``argsort(edge_variable, kind="stable")``, by digits of 16 bits: that is how numpy sorts numbers so short."""
    order = np.argsort(edge_variable.astype(np.uint16), kind="stable")
    shift, largest = 16, int(edge_variable.max(initial=0))
    while largest >> shift:
        digit = (edge_variable[order] >> shift).astype(np.uint16)
        order = order[np.argsort(digit, kind="stable")]
        shift += 16
    return order


def flatten(reduced: Reduced, tables: bool = True) -> Flat:
    """Flat arrays of a reduced graph. Observed variables keep their place but have no edges.

    tables=False leaves all tables empty: variables, edges and fields alone.
    """
    cardinality = np.array([len(field) for field in reduced.fields], dtype=np.int64)
    scopes = [factor.scope for factor in reduced.factors]
    edge_variable = np.array([i for scope in scopes for i in scope], dtype=np.int64)
    arity = np.array([len(scope) for scope in scopes], dtype=np.int64)
    return Flat(
        cardinality=cardinality,
        field_ptr=starts(cardinality),
        field=joined(reduced.fields),
        factor_ptr=starts(arity),
        edge_variable=edge_variable,
        edge_factor=np.repeat(np.arange(len(scopes), dtype=np.int64), arity),
        message_ptr=starts(cardinality[edge_variable]),
        table_ptr=starts([factor.log_table.size if tables else 0 for factor in reduced.factors]),
        log_table=joined([factor.log_table for factor in reduced.factors] if tables else []),
        variable_ptr=starts(np.bincount(edge_variable, minlength=len(cardinality))),
        variable_edges=by_variable(edge_variable),
        factor_index=np.array([factor.index for factor in reduced.factors], dtype=np.int64),
        slot_ptr=NO_STATES,
        slot_state=NO_SLOTS,
    )


def starts(lengths: Iterable[int] | Ints) -> Ints:
    """[0, l0, l0+l1, ...]"""
    if not isinstance(lengths, np.ndarray):
        lengths = np.array(list(lengths), dtype=np.int64)
    found = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=found[1:])
    return found


def joined(arrays: Sequence[Array]) -> Array:
    return np.concatenate([np.zeros(0), *(np.ravel(array) for array in arrays)])
