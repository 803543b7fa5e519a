"""A factor graph as plain arrays: many factors checked at once, without an object for each."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bnt.checks import in_order, need, real_array
from bnt.errors import ModelError

Ints = NDArray[np.int64]


class Arrays(NamedTuple):
    """n variables, m factors, E places in scopes, T entries of tables."""

    cardinality: Ints  # (n,)    states of each variable
    factor_ptr: Ints  # (m+1,)  scope of factor f: edge_variable[factor_ptr[f]:factor_ptr[f+1]]
    edge_variable: Ints  # (E,)
    table_ptr: Ints  # (m+1,)  table of factor f: log_table[table_ptr[f]:table_ptr[f+1]], C order over its scope
    log_table: NDArray[np.float64]  # (T,)


def checked_arrays(cardinalities: Any, scopes: Any, tables: Any, log_tables: Any) -> Arrays:
    """What ``FactorGraph.from_arrays`` was given, in one row each. Raises ModelError."""
    cardinality = whole_numbers("cardinalities", cardinalities, 1)
    if len(cardinality) and cardinality.min() < 1:
        v = int(cardinality.argmin())
        raise ModelError(f"variable x{v} has {cardinality[v]} states; it needs at least one")
    need((tables is None) != (log_tables is None), "give exactly one of tables and log_tables", error=ModelError)
    in_logs = tables is None
    arity, edges, lengths, logs = [], [], [], []
    first = 0
    for block, values in blocks_of(scopes, log_tables if in_logs else tables):
        check_scopes(block, first, cardinality)
        array = checked_tables(block, values, first, cardinality, in_logs)
        arity.append(np.full(len(block), block.shape[1]))
        lengths.append(np.full(len(block), array.shape[1]))
        edges.append(block.ravel())
        logs.append(array.ravel())
        first += len(block)
    found = Arrays(
        cardinality, row_of(arity, True), row_of(edges), row_of(lengths, True), np.concatenate([np.zeros(0), *logs])
    )
    return read_only(found)


def read_only(found: Arrays) -> Arrays:
    """The same arrays, closed for writing."""
    arrays: tuple[NDArray[Any], ...] = found
    for array in arrays:
        array.flags.writeable = False
    return found


def row_of(parts: list[Any], as_pointer: bool = False) -> Ints:
    """The parts in one row, or where each number's stretch begins: [0, l0, l0+l1, ...]."""
    row = np.concatenate([np.zeros(1 if as_pointer else 0, dtype=np.int64), *parts]).astype(np.int64)
    return np.cumsum(row) if as_pointer else row


def whole_numbers(name: str, values: Any, axes: int) -> Ints:
    """A fresh array of so many axes. Raises ModelError for what is no whole number."""
    try:
        found = np.asarray(values)
    except ValueError:  # ragged
        found = np.zeros(0, dtype=object)
    if found.size == 0 and found.ndim <= axes and not isinstance(values, (str, bytes, set)):
        found = found.astype(np.int64).reshape(found.shape if found.ndim == axes else (0,) * axes)
    if found.dtype.kind not in "iu" or found.ndim != axes:
        shape = "one row" if axes == 1 else "an array with one row per factor"
        said = f"shape {found.shape}, {found.dtype}"
        raise ModelError(f"{name} must be {shape} of whole numbers, not {said}")
    return np.array(found, dtype=np.int64)


def blocks_of(scopes: Any, tables: Any) -> Iterator[tuple[Ints, Any]]:
    """Factors of one arity and one shape together: their scopes (m, k), and their tables or the one that all share."""
    if isinstance(scopes, np.ndarray) and scopes.dtype != object:
        yield whole_numbers("scopes", scopes, 2), tables
        return
    scopes, tables = (
        in_order(name, given, what, error=ModelError)
        for name, given, what in (("scopes", scopes, "scopes"), ("tables", tables, "tables"))
    )
    if len(scopes) != len(tables):
        raise ModelError(f"there are {len(scopes)} scopes and {len(tables)} tables; each needs the other")
    # Factors given one by one are taken together where they are alike: checks cost as much for one as for a thousand.
    for (axes, _, shape), alike in groupby(zip(scopes, tables, strict=True), lambda one: kind_of(*one)):
        if axes == 2:
            for block, values in alike:
                yield whole_numbers("scopes", block, 2), values
        else:
            block, values = zip(*alike, strict=True)
            yield whole_numbers("scopes", block, 2), np.array(values) if shape is not None else values


def kind_of(scope: Any, table: Any) -> tuple[int, int, Any]:
    """Axes of a scope, 1 for one factor's; how long it is; the shape of its table, None where it is ragged."""
    try:
        return np.ndim(scope), len(scope), np.shape(table)
    except (TypeError, ValueError):
        return np.ndim(0), 0, None


def check_scopes(block: Ints, first: int, cardinality: Ints) -> None:
    """Raises ModelError for a scope that is empty, leaves the graph, or names a variable twice."""
    n = len(cardinality)
    need(
        block.shape[1] > 0 or not len(block),
        f"factor {first}: the scope must have at least one variable",
        error=ModelError,
    )
    wrong = np.argwhere((block < 0) | (block >= n))
    if len(wrong):
        f, k = wrong[0]
        raise ModelError(f"factor {first + f}: there is no variable {block[f, k]}; the {n} variables are 0 to {n - 1}")
    ordered = np.sort(block, axis=1)
    wrong = np.argwhere(ordered[:, 1:] == ordered[:, :-1])
    if len(wrong):
        f, k = wrong[0]
        rule = f"variable x{ordered[f, k]} appears twice in the scope; list it once"
        raise ModelError(f"{said(block, f, first)}: {rule}")


def checked_tables(block: Ints, values: Any, first: int, cardinality: Ints, in_logs: bool) -> NDArray[np.float64]:
    """The log tables (m, entries) of a block. Raises ModelError: as ``Factor``, with the factor's number."""
    m, arity = block.shape
    array = real_array(f"the tables from factor {first} on", values, error=ModelError)
    if array.ndim == arity:
        array = np.broadcast_to(array, (m, *array.shape))
    if array.ndim != arity + 1 or len(array) != m:
        form = ", ".join(f"s{i + 1}" for i in range(arity))
        raise ModelError(
            f"{m} factors over {arity} variables, from factor {first} on, need tables of shape ({m}, {form}), or "
            f"one of shape ({form}) for all; got {array.shape}"
        )
    wrong = np.flatnonzero((cardinality[block] != array.shape[1:]).any(axis=1))
    if len(wrong):
        shape = tuple(cardinality[block[wrong[0]]].tolist())
        raise ModelError(
            f"{said(block, wrong[0], first)}: the table has shape {array.shape[1:]}, the states say {shape}"
        )
    table = array.reshape(m, math.prod(array.shape[1:]))
    smallest, largest = table.min(initial=np.inf), table.max(initial=-np.inf)
    if in_logs:
        bad = np.isnan(table) | (table == np.inf) if not largest < np.inf else None
        logs, rule = table, "finite or -inf (log domain)"
    else:
        bad = np.isnan(table) | (table < 0) | (table == np.inf) if not (smallest >= 0 and largest < np.inf) else None
        rule = "finite and >= 0"
    if bad is not None and bad.any():
        f, place = np.argwhere(bad)[0]
        at = ", ".join(f"x{v}={i}" for v, i in zip(block[f], np.unravel_index(place, array.shape[1:]), strict=True))
        raise ModelError(f"{said(block, f, first)}: the entry at {at} is {table[f, place]}; every entry must be {rule}")
    if not in_logs:
        with np.errstate(divide="ignore"):
            logs = np.log(table)
    if not (smallest > (-np.inf if in_logs else 0.0)):
        empty = np.flatnonzero((logs == -np.inf).all(axis=1))
        if len(empty):
            rule = "every entry of the table is zero, so the model has no support"
            raise ModelError(f"{said(block, empty[0], first)}: {rule}")
    return logs


def said(block: Ints, f: Any, first: int) -> str:
    """A factor by its number and scope."""
    return f"factor {first + f} ({', '.join(f'x{v}' for v in block[f])})"
