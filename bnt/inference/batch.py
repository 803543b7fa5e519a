"""Many queries at once: one row of evidence, one posterior.

Every row is answered exactly as ``run_bp`` answers it, in compiled code; equal rows are computed once.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bnt.checks import MEMORY_LIMIT, in_one_line, is_missing, whole_number
from bnt.display import card, counted
from bnt.errors import (
    BntError,
    EvidenceError,
    InconsistentEvidenceError,
    UnknownStateError,
    UnknownVariableError,
    valid_names,
)
from bnt.graph.beliefs import Beliefs
from bnt.graph.evidence import Evidence
from bnt.graph.factor_graph import Array, FactorGraph, Variable
from bnt.graph.flat import Ints, base_flat, is_binary_pairwise
from bnt.graph.pgmpy_bridge import as_graph
from bnt.inference.belief_propagation import Mode, most_work, run_bp
from bnt.inference.digits import LARGE, largest_log, levelled, needs_care
from bnt.inference.exact import exact_given
from bnt.inference.junction_tree import BLOCK, calibrate, is_short, operations, trees_of
from bnt.inference.partitions import PartitionedBatch, is_partitioned, partitioned
from bnt.inference.separation import evidence_reaches
from bnt.kernels.options import checked_options

if TYPE_CHECKING:
    import pandas

UNKNOWN_STATE = -2
CHUNK = 256  # rows between two steps of the progress bar


class Table(NamedTuple):
    """A checked evidence table, with equal rows kept once."""

    labels: Any  # row labels, as the table gives them
    variables: Ints  # (c,)    variable of each column
    states: Ints  # (u, c)  observed state in each distinct row, -1 = unobserved
    row: Ints  # (R,)    which distinct row each row is


def run_bp_batch(
    graph: FactorGraph,
    evidence_table: Any,
    *,
    mode: Mode = "sum",
    damping: float = 0.0,
    rounds: int | None = None,
    tolerance: float = 1e-10,
    method: Literal["bp", "exact"] = "bp",
    memory_limit: float = MEMORY_LIMIT,
) -> BatchResult | PartitionedBatch:
    """Posteriors for every row of ``evidence_table``, a pandas DataFrame or a dict of equally long columns.

    Of a dask DataFrame, or the path of a parquet file or folder, a PartitionedBatch comes back: the same answers,
    partition by partition, when they are asked for (needs the extra ``bnt[dask]``).

    A column is a variable, a cell one of its states; None, NaN and pandas.NA mean unobserved. Options as in ``run_bp``,
    the schedule is "auto".
    A row of probability zero gets NaN and the status "impossible"; the other rows are answered all the same. A progress
    bar appears on a terminal when it takes more than a second. method "exact": every row as ``exact_marginals`` gives
    it, on one junction tree; damping, rounds and tolerance are of belief propagation. Huge potentials (logarithms
    beyond 2^20) are levelled, once for the table; only where entries of one factor are further apart than e^600 too,
    every distinct row is answered alone, in logarithms, which takes many times as long. Raises UnknownVariableError for
    a column that is no variable, UnknownStateError naming row and column, EvidenceError for columns of unequal length
    or given twice, TooLargeError where that tree needs more than ``memory_limit`` bytes, UnsupportedModelError where
    huge potentials cancel.
    """
    checked_options(mode, damping, rounds, tolerance, schedule="auto")
    if method not in ("bp", "exact"):
        raise BntError(f"method must be 'bp' or 'exact', not {method!r}")
    graph = as_graph(graph)
    answer = partial(
        _answer,
        mode=mode,
        damping=damping,
        rounds=rounds,
        tolerance=tolerance,
        method=method,
        memory_limit=memory_limit,
    )
    if not is_partitioned(evidence_table):
        return answer(graph, evidence_table)
    parts = partitioned(evidence_table)
    read_table(graph, parts._meta)  # wrong columns are told at once
    return PartitionedBatch(graph, parts, partial(answer, progress=False))


def _answer(
    graph: FactorGraph,
    evidence_table: Any,
    *,
    mode: Mode,
    damping: float,
    rounds: int | None,
    tolerance: float,
    method: str,
    memory_limit: float,
    progress: bool = True,
) -> BatchResult:
    """``run_bp_batch`` of a table in memory. progress: whether a bar may appear."""
    options = checked_options(mode, damping, rounds, tolerance, schedule="auto")
    table = read_table(graph, evidence_table)
    if method == "exact":
        return _exact_batch(graph, table, mode, memory_limit, progress)
    from tqdm import tqdm

    from bnt.kernels import solve as kernels_solve
    from bnt.kernels.readout import IMPOSSIBLE, POSSIBLE, UNKNOWN
    from bnt.kernels.tables import DONE, NO_MASS, UNDERFLOW
    from bnt.kernels.watch import call, new_watch

    alone = needs_care(graph)  # each row, so that no digits are lost
    try:
        base = base_flat(levelled(graph)[0] if largest_log(graph) > LARGE and not alone else graph)
    except InconsistentEvidenceError:  # tables over one variable exclude all its states: so no row is possible
        beliefs = np.full((len(table.states), int(graph.state_ptr[-1])), np.nan)
        summary = np.zeros((len(table.states), 5), dtype=np.int64)
        summary[:, 0] = NO_MASS
        return BatchResult(graph, table, beliefs, summary[:, 0] == DONE, summary)
    solve_rows = kernels_solve.solve_rows_pairwise if is_binary_pairwise(graph) else kernels_solve.solve_rows_tables
    beliefs, summary = np.empty((len(table.states), len(base.field))), np.empty((len(table.states), 5), dtype=np.int64)
    watch, quiet = new_watch(), None if progress else True
    with tqdm(total=len(table.states), desc="run_bp_batch", unit=" rows", delay=1, leave=False, disable=quiet) as bar:
        for begin in range(0, len(table.states), CHUNK):
            part = slice(begin, begin + CHUNK)
            states = table.states[part]
            if alone:
                summary[part] = UNDERFLOW
                continue
            observed = np.full((len(states), len(base.cardinality)), -1, dtype=np.int64)
            observed[:, table.variables] = states
            work = len(states) * most_work(base, options)
            call(solve_rows, (base, observed, options, beliefs[part], summary[part], watch), work)
            bar.update(len(states))
    for u in np.flatnonzero(summary[:, 0] == UNDERFLOW):  # outside the range of a float64: one by one
        named = {
            graph.variables[v].name: graph.variables[v].states[s]
            for v, s in zip(table.variables, table.states[u], strict=True)
            if s >= 0
        }
        try:
            one = run_bp(graph, named, mode=mode, damping=damping, rounds=rounds, tolerance=tolerance)
        except InconsistentEvidenceError:
            summary[u, 0] = NO_MASS
            continue
        support = POSSIBLE if one.support == "checked" else UNKNOWN
        summary[u] = DONE, support, one.rounds, one.exact, one.converged
        beliefs[u] = one.beliefs.flat
    possible = (summary[:, 0] == DONE) & (summary[:, 1] != IMPOSSIBLE)
    beliefs[~possible] = np.nan
    if mode == "max" and len(base.field):  # scaled to sum 1, as BPResult.beliefs
        beliefs /= np.repeat(np.add.reduceat(beliefs, base.field_ptr[:-1], axis=1), base.cardinality, axis=1)
    return BatchResult(graph, table, beliefs, possible, summary)


def _exact_batch(graph: FactorGraph, table: Table, mode: Mode, memory_limit: float, progress: bool) -> BatchResult:
    """Every distinct row on the graph's junction tree, whose tables are levelled as they are; rows outside the range of
    a float64 alone, in logarithms. A large tree is gone through in several calls, see ``calibrate``."""
    from tqdm import tqdm

    from bnt.kernels.cliques import DONE as IN_RANGE
    from bnt.kernels.cliques import solve_rows
    from bnt.kernels.readout import POSSIBLE
    from bnt.kernels.tables import DONE, NO_MASS, UNDERFLOW

    trees, nothing = trees_of(graph), Evidence({}, {})
    unobserved = np.full(len(graph.variables), -1, dtype=np.int64)
    plan, states = trees.plan(nothing, unobserved, memory_limit)
    work, short = max(1, int(operations(plan, unobserved).sum())), is_short(plan, states, unobserved)
    rows = min(CHUNK, max(1, BLOCK // work))  # of one call
    beliefs = np.empty((len(table.states), int(graph.state_ptr[-1])))
    codes, quiet = np.empty(len(table.states), dtype=np.int64), None if progress else True
    with tqdm(total=len(table.states), desc="run_bp_batch", unit=" rows", delay=1, leave=False, disable=quiet) as bar:
        for begin in range(0, len(table.states), rows):
            part = slice(begin, begin + rows)
            observed = np.tile(unobserved, (len(table.states[part]), 1))
            observed[:, table.variables] = table.states[part]
            if needs_care(graph):
                codes[part] = UNDERFLOW
            elif short:
                solve_rows(plan, observed, trees.no_field, mode == "max", beliefs[part], codes[part])
            else:
                found = calibrate(trees, plan, states, observed[0], trees.no_field, mode == "max")
                codes[begin] = UNDERFLOW if found is None else IN_RANGE
                beliefs[begin] = np.nan if found is None else found.beliefs
            bar.update(len(observed))
    summary = np.tile(np.array([DONE, POSSIBLE, 0, 1, 1]), (len(table.states), 1))
    for u in np.flatnonzero(codes != IN_RANGE):
        hard = {int(v): int(s) for v, s in zip(table.variables, table.states[u], strict=True) if s >= 0}
        try:
            beliefs[u] = exact_given(graph, Evidence(hard, {}), mode, memory_limit).beliefs.flat
        except InconsistentEvidenceError:
            summary[u, 0] = NO_MASS
    possible = summary[:, 0] == DONE
    beliefs[~possible] = np.nan
    return BatchResult(graph, table, beliefs, possible, summary)


def read_table(graph: FactorGraph, evidence_table: Any) -> Table:
    """Check names and states; see ``run_bp_batch`` for what is raised."""
    if not isinstance(evidence_table, Mapping) and not hasattr(evidence_table, "columns"):
        raise EvidenceError(
            f"the evidence table must be a pandas DataFrame or a dict of columns, not {type(evidence_table).__name__}"
        )
    names = list(evidence_table.keys())
    for name in names:
        if name not in graph.index:
            raise UnknownVariableError(
                f"column {name!r} of the evidence table is no variable of this model; {valid_names(graph.index, name)}"
            )
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise EvidenceError(f"column {twice!r} of the evidence table is given twice; each variable has one column")
    columns = [evidence_table[name] for name in names]
    for name, column in zip(names, columns, strict=True):
        wrong = isinstance(column, (str, bytes, set, frozenset, Mapping)) or not hasattr(column, "__len__")
        if wrong or getattr(column, "ndim", 1) != 1:
            rule = f"column {name!r} of the evidence table must be a list of states, one per row"
            raise EvidenceError(f"{rule}, not {in_one_line(column)}")
    labels = evidence_table.index if hasattr(evidence_table, "columns") else range(len(columns[0]) if columns else 0)
    for name, column in zip(names, columns, strict=True):
        if len(column) != len(labels):
            raise EvidenceError(
                f"column {name!r} of the evidence table has {len(column)} rows, but {names[0]!r} {len(labels)}"
            )
    variables = np.array([graph.index[name] for name in names], dtype=np.int64)
    states = np.empty((len(labels), len(names)), dtype=np.int64)
    for c, column in enumerate(columns):
        states[:, c] = _state_indices(graph, names[c], column, labels)
    kept, row = _distinct_rows(states, [graph.variables[v].cardinality for v in variables])
    return Table(labels, variables, states[kept], row)


def _state_indices(graph: FactorGraph, name: str, column: Any, labels: Any) -> Ints:
    """State index of every cell, -1 where missing."""
    variable = graph.variable(name)
    if hasattr(column, "factorize"):  # a pandas Series
        codes, distinct = column.factorize()
        index = np.array(
            [_state_index(variable, value) for value in distinct] + [-1], dtype=np.int64
        )  # code -1: missing
        states = index[codes]
    else:
        try:
            index_of = {value: _state_index(variable, value) for value in set(column)}
            states = np.fromiter(map(index_of.__getitem__, column), np.int64, len(column))
        except TypeError:  # a list or dict in a cell has no hash
            states = np.array([_state_index(variable, value) for value in column], dtype=np.int64)
    if (states == UNKNOWN_STATE).any():
        position = int(np.argmax(states == UNKNOWN_STATE))
        value = column.iloc[position] if hasattr(column, "iloc") else column[position]
        raise UnknownStateError(
            f"row {labels[position]!r}, column {name!r} of the evidence table: {in_one_line(value)} is no state; "
            f"{valid_names(variable.states, value)}"
        )
    found: Ints = states
    return found


def _state_index(variable: Variable, value: object) -> int:
    """State index of one cell, -1 if missing, UNKNOWN_STATE if it is no state."""
    if is_missing(value):
        return -1
    found = variable.find_state(value)
    return UNKNOWN_STATE if found is None else found


def _distinct_rows(states: Ints, cardinalities: list[int]) -> tuple[Ints, Ints]:
    """Positions of distinct rows, and which of them each row is. Rows are numbers in mixed radix while those fit."""
    key, size = np.zeros(len(states), dtype=np.int64), 1
    for column, cardinality in zip(states.T, cardinalities, strict=True):
        if size > 2**62 // (cardinality + 1):
            _, key = np.unique(key, return_inverse=True)  # start afresh from ranks
            size = len(states)
        key = key * (cardinality + 1) + column + 1
        size *= cardinality + 1
    if size > 8 * len(states) + 2**16:
        _, kept, row = np.unique(key, return_index=True, return_inverse=True)
        return kept, row
    first = np.full(size, -1, dtype=np.int64)  # few possible keys: no need to sort
    first[key] = np.arange(len(states))
    kept = first[first >= 0]
    first[key[kept]] = np.arange(len(kept))
    return kept, first[key]


class BatchResult:
    """One posterior per row of an evidence table. Arrays have R rows, in the table's order.

    possible: (R,) False where the evidence has probability zero. rounds, converged: (R,) as in BPResult.
    """

    def __init__(self, graph: FactorGraph, table: Table, beliefs: Array, possible: NDArray[np.bool_], summary: Ints):
        self.graph, self._table, self._beliefs, self._summary = graph, table, beliefs, summary
        self.possible = possible[table.row]
        self.rounds = summary[table.row, 2]
        self.converged = self.possible & ((summary[:, 3] == 1) | (summary[:, 4] == 1))[table.row]

    def __len__(self) -> int:
        return len(self._table.row)

    def vector(self, name: str) -> Array:
        """Posterior of one variable in every row, shape (R, cardinality). Raises UnknownVariableError."""
        i = self.graph.position(name)
        pointer = self.graph.state_ptr
        rows: Array = self._beliefs[self._table.row, pointer[i] : pointer[i + 1]]
        return rows

    def row(self, position: int) -> Beliefs:
        """All posteriors of the row at ``position`` (0 = first). Raises EvidenceError beyond the last one."""
        position = whole_number("the position of a row", position, 0, len(self) - 1, error=EvidenceError)
        return Beliefs(self.graph, self._beliefs[self._table.row[position]].copy())

    def to_frame(self, *names: str) -> pandas.DataFrame:
        """Posteriors as a DataFrame: columns (variable, state), rows as in the table; by default all variables."""
        import pandas

        wanted = names or tuple(self.graph.index)
        columns = [(name, state) for name in wanted for state in self.graph.variable(name).states]
        values = np.concatenate([np.empty((len(self), 0)), *(self.vector(name) for name in wanted)], axis=1)
        index = pandas.MultiIndex.from_tuples(columns, names=["variable", "state"])
        return pandas.DataFrame(values, index=self._table.labels, columns=index)

    @cached_property
    def status(self) -> NDArray[np.str_]:
        """(R,) status of each row as in BPResult, or "impossible"."""
        words = np.empty(len(self._beliefs), dtype="U13")
        reached: dict[bytes, bool] = {}  # whether evidence reaches a query depends on which variables are observed
        for u, (code, support, _, exact, settled) in enumerate(self._summary):
            if not _is_possible(code, support):
                words[u] = "impossible"
            elif not exact and (self._table.states[u] >= 0).sum() < len(self.graph.variables):
                words[u] = "approximate" if settled else "not converged"
            else:
                states = self._table.states[u]
                pattern = (states >= 0).tobytes()
                if pattern not in reached:
                    pairs = zip(self._table.variables.tolist(), states.tolist(), strict=True)
                    given = Evidence({v: s for v, s in pairs if s >= 0}, {})
                    hidden = set(range(len(self.graph.variables))) - set(given.hard)
                    reached[pattern] = evidence_reaches(self.graph, given, hidden)
                words[u] = "exact" if reached[pattern] else "prior"
        rows: NDArray[np.str_] = words[self._table.row]
        return rows

    def _repr_html_(self) -> str:
        shown = zip(self._table.labels, self.status, self.rounds.tolist(), strict=True)
        line = f"{counted(len(self), 'row')}, {len(self._beliefs):,} of them distinct, "
        line += f"on {counted(self.graph.n_variables, 'variable')}"
        return card("BatchResult", line, ("row", "status", "rounds"), shown, total=len(self))

    def __repr__(self) -> str:
        return f"<BatchResult: {len(self)} rows, {len(self._beliefs)} of them distinct, {self.graph!r}>"


def _is_possible(code: int, support: int) -> bool:
    from bnt.kernels.readout import IMPOSSIBLE
    from bnt.kernels.tables import DONE

    return bool(code == DONE and support != IMPOSSIBLE)
