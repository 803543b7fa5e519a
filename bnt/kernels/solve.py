"""One call for a whole run: absorb the evidence, run, read beliefs. And the same for many rows.

Binary pairwise positive graphs run in odds (pairwise.py), all others in probabilities (tables.py).
Where a run would leave the range of a float64 its code is UNDERFLOW, and the caller repeats it with the next engine;
the last one works in logarithms (schedules.py).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bnt.graph.factor_graph import Array
from bnt.graph.flat import Flat, Ints
from bnt.kernels.equations import forest_order, rounds_needed, when_it_ends, which_exact
from bnt.kernels.exp_log import fast_exp
from bnt.kernels.jit import jit, jit_inner, jit_whole
from bnt.kernels.one_by_one import pairwise_one_by_one, tables_one_by_one
from bnt.kernels.options import AUTO, INTERRUPTED, STOP, Options
from bnt.kernels.pairwise import WIDEST, WIDEST_TABLE, flood_pairwise, mixed_pairwise, odds_fit, pairwise_beliefs
from bnt.kernels.readout import IMPOSSIBLE, POSSIBLE, find_support, log_beliefs, search_order
from bnt.kernels.tables import DONE, NO_MASS, UNDERFLOW, flood_tables, sweep_tables

Bools = NDArray[np.bool_]


class Solved(NamedTuple):
    """What a run leaves. The arrays are empty where ``code`` is not DONE."""

    code: int  # DONE | NO_MASS | UNDERFLOW
    support: int  # POSSIBLE | UNKNOWN | IMPOSSIBLE
    rounds: int
    changes: Array  # (rounds,) largest change of a message in each round
    mu: Array  # (M,) log messages; odds (2, m) from solve_pairwise
    logs: Array  # (S,) log beliefs
    exact: Bools  # (n,) which variables are exact
    finished: bool  # are all?
    history: Array  # (rounds + 1, M) or (0, M)


# Solved without its names, as compiled code may return it: see jit.Outer.
Parts = tuple[int, int, int, Array, Array, Array, Bools, bool, Array]


@jit_whole
def solve_tables(base: Flat, observed: Ints, soft: Array, options: Options, watch: Array) -> Parts:
    """Belief propagation on ``base`` (evidence-free flat arrays) given evidence, any factors: flooding, or two sweeps.

    observed (n,) or (0,) for none: states, -1 unobserved. soft (S,) or (0,): log likelihoods.
    """
    flat, alive = reduced_flat(base, observed, soft)
    forest, order, up = by_sweeps(flat, options)
    if alive and forest:
        code, ran, changes, mu = sweep_tables(flat, order, up, options.maximise, watch)
        exact = all_exact(flat, ran == 2 or order.size == 0)
        return read_tables(flat, options, code, ran, changes, mu, exact, np.empty((0, flat.message_ptr[-1])))
    needed, most, least, stop_at, history = plan(flat, options)
    if not alive:
        return nothing_solved(NO_MASS, history)
    code, ran, changes, mu = flood_tables(flat, options.damping, options.maximise, most, least, stop_at, history, watch)
    exact = which_exact(needed, changes, options)
    return read_tables(flat, options, code, ran, changes, mu, exact, history)


@jit_whole
def solve_tables_one_by_one(base: Flat, observed: Ints, soft: Array, options: Options, watch: Array) -> Parts:
    """``solve_tables`` by the schedules IN_PLACE, SEQUENTIAL, RESIDUAL."""
    flat, alive = reduced_flat(base, observed, soft)
    needed, most, least, stop_at, history = plan(flat, options)
    if not alive:
        return nothing_solved(NO_MASS, history)
    code, ran, changes, mu = tables_one_by_one(
        flat, options.schedule, options.damping, options.maximise, most, least, stop_at, history, watch
    )
    exact = which_exact(needed, changes, options)
    return read_tables(flat, options, code, ran, changes, mu, exact, history)


@jit_inner
def read_tables(
    flat: Flat, options: Options, code: int, ran: int, changes: Array, mu: Array, exact: Bools, history: Array
) -> Parts:
    """Beliefs, and where loops and zeros are left the search for any possible state."""
    logs, alive = log_beliefs(flat, mu, options.maximise)
    if code == DONE and not alive:
        code = NO_MASS
    support, finished = POSSIBLE, bool(exact.all())
    if code == DONE and not finished and has_zero(flat.log_table):
        support = find_support(flat, search_order(flat), logs, options.trials, np.empty_like(flat.cardinality))
    return code, support, ran, changes, mu, logs, exact, finished, history


@jit_whole
def solve_pairwise(base: Flat, observed: Ints, soft: Array, options: Options, watch: Array) -> Parts:
    """``solve_tables`` for binary pairwise graphs without zeros; UNDERFLOW where their range does not fit odds.

    In place of the log messages it returns odds, for ``pairwise_logs``. UNDERFLOW too for a forest that two sweeps
    will do: those are made by ``solve_tables``.
    """
    flat, alive = reduced_flat(base, observed, soft)
    if alive and by_sweeps(flat, options)[0]:
        return nothing_paired(UNDERFLOW, np.empty((0, flat.message_ptr[-1])))
    needed, most, least, stop_at, history = plan(flat, options)
    if not alive or not odds_fit(flat, WIDEST, WIDEST_TABLE):
        return nothing_paired(UNDERFLOW if alive else NO_MASS, history)
    code, ran, changes, odds, belief = flood_pairwise(
        flat, options.schedule, options.damping, options.maximise, most, least, stop_at, history, watch
    )
    exact = which_exact(needed, changes, options)
    logs = pairwise_beliefs(flat, belief, options.maximise)
    return code, POSSIBLE, ran, changes, odds, logs, exact, bool(exact.all()), history


@jit_whole
def solve_pairwise_mixed(base: Flat, observed: Ints, soft: Array, options: Options, watch: Array) -> tuple[Parts, int]:
    """``solve_pairwise`` until convergence, its first rounds in float32; and how many those are.

    What is exact follows from the rounds in float64 alone: so on a forest there are no others.
    """
    flat, alive = reduced_flat(base, observed, soft)
    if alive and by_sweeps(flat, options)[0]:
        return nothing_paired(UNDERFLOW, np.empty((0, flat.message_ptr[-1]))), 0
    needed, most, least, stop_at, history = plan(flat, options)
    if not alive or not odds_fit(flat, WIDEST, WIDEST_TABLE):
        return nothing_paired(UNDERFLOW if alive else NO_MASS, history), 0
    single, changes, odds, belief = mixed_pairwise(
        flat, options.schedule, options.damping, options.maximise, most, least, stop_at, watch
    )
    exact = which_exact(needed, changes[single:], options)
    logs = pairwise_beliefs(flat, belief, options.maximise)
    return (DONE, POSSIBLE, changes.size, changes, odds, logs, exact, bool(exact.all()), history), single


@jit_whole
def solve_pairwise_one_by_one(base: Flat, observed: Ints, soft: Array, options: Options, watch: Array) -> Parts:
    """``solve_pairwise`` by the schedule RESIDUAL."""
    flat, alive = reduced_flat(base, observed, soft)
    needed, most, least, stop_at, history = plan(flat, options)
    if not alive or not odds_fit(flat, WIDEST, WIDEST_TABLE):
        return nothing_paired(UNDERFLOW if alive else NO_MASS, history)
    code, ran, changes, odds, belief = pairwise_one_by_one(
        flat, options.damping, options.maximise, most, least, stop_at, history, watch
    )
    exact = which_exact(needed, changes, options)
    logs = pairwise_beliefs(flat, belief, options.maximise)
    return code, POSSIBLE, ran, changes, odds, logs, exact, bool(exact.all()), history


@jit_inner
def nothing_solved(code: int, history: Array) -> Parts:
    """A run that has not begun."""
    nothing = np.empty(0)
    return code, IMPOSSIBLE, 0, nothing, nothing, nothing, np.empty(0, np.bool_), False, history


@jit_inner
def nothing_paired(code: int, history: Array) -> Parts:
    """The same with odds in the place of messages."""
    nothing = np.empty(0)
    return code, IMPOSSIBLE, 0, nothing, np.empty((2, 0)), nothing, np.empty(0, np.bool_), False, history


@jit_inner
def reduced_flat(base: Flat, observed: Ints, soft: Array) -> tuple[Flat, bool]:
    """The base itself without evidence, else a sliced copy. False: no mass left."""
    if observed.size or soft.size:
        return slice_evidence(base, observed, soft)
    return base, True


@jit_inner
def by_sweeps(flat: Flat, options: Options) -> tuple[bool, Ints, Ints]:
    """Is the schedule AUTO and the graph a forest, undamped? Then the order of its two sweeps as well."""
    if options.schedule == AUTO and options.damping == 0.0:
        return forest_order(flat)
    nothing = np.empty(0, np.int64)
    return False, nothing, nothing


@jit_inner
def plan(flat: Flat, options: Options) -> tuple[Ints, int, int, float, Array]:
    """Rounds after which each variable is exact, ``when_it_ends``, and room for the history."""
    needed = np.empty(flat.cardinality.size, np.int64)
    leaves = 0
    for v in range(needed.size):
        degree = flat.variable_ptr[v + 1] - flat.variable_ptr[v]
        needed[v] = 0 if degree == 0 else -1
        leaves += degree == 1
    if leaves:  # without a leaf there are loops everywhere
        _, needed = rounds_needed(flat)
    most, least, stop_at = when_it_ends(needed, options)
    return needed, most, least, stop_at, np.empty((most + 1 if options.keep_history else 0, flat.message_ptr[-1]))


@jit_inner
def all_exact(flat: Flat, through: bool) -> Bools:
    """Every variable, unless the sweeps were told to stop before they were through."""
    exact = np.empty(flat.cardinality.size, np.bool_)
    exact[:] = through
    return exact


@jit_inner
def has_zero(log_table: Array) -> bool:
    """Is any entry -inf?"""
    found = False
    for i in range(log_table.size):
        found |= log_table[i] == -np.inf
    return found


@jit_whole
def solve_rows_tables(
    base: Flat, observed: Ints, options: Options, beliefs: Array, summary: Ints, watch: Array
) -> None:
    """``solve_tables`` for every row of ``observed`` (R, n), beliefs as probabilities into (R, S).

    summary (R, 5): code, support, rounds run, 1 if every variable is exact, 1 if the last change is within tolerance.
    """
    for row in range(observed.shape[0]):
        found = solve_tables(base, observed[row], np.empty(0), options, watch)
        store(Solved(*found), options.tolerance, beliefs[row], summary[row])
        if watch[STOP] == INTERRUPTED:
            break


@jit_whole
def solve_rows_pairwise(
    base: Flat, observed: Ints, options: Options, beliefs: Array, summary: Ints, watch: Array
) -> None:
    """``solve_pairwise`` for every row, as ``solve_rows_tables``; ``solve_tables`` where odds are not for it."""
    for row in range(observed.shape[0]):
        found = solve_pairwise(base, observed[row], np.empty(0), options, watch)
        store(Solved(*found), options.tolerance, beliefs[row], summary[row])
        if found[0] == UNDERFLOW:
            other = solve_tables(base, observed[row], np.empty(0), options, watch)
            store(Solved(*other), options.tolerance, beliefs[row], summary[row])
        if watch[STOP] == INTERRUPTED:
            break


@jit_inner
def store(found: Solved, tolerance: float, beliefs: Array, summary: Ints) -> None:
    """One row of beliefs and summary."""
    summary[0], summary[1], summary[2] = found.code, found.support, found.rounds
    summary[3], summary[4] = found.finished, 0
    if found.code == DONE:
        if found.rounds > 0 and found.changes[found.rounds - 1] <= tolerance:
            summary[4] = 1
        for i in range(found.logs.size):
            beliefs[i] = fast_exp(found.logs[i])


@jit
def slice_evidence(base: Flat, observed: Ints, soft: Array) -> tuple[Flat, int]:
    """Cut observed variables out of ``base``.

    observed (n,): the observed state of each variable, -1 where there is none. soft (S,) or (0,): log likelihoods,
    added to the field. Returns the reduced arrays, equal to ``flatten(absorb(graph, evidence))``, and False where a
    table or a field is left without mass.
    """
    n, m = base.cardinality.size, base.factor_index.size
    alive = True
    field = base.field.copy()
    for i in range(soft.size):
        field[i] += soft[i]

    kept, edges, length, size = 0, 0, 0, 0  # factors with two or more free variables, and the room they need
    for k in range(m):
        free, states, configurations = 0, 0, 1
        for e in range(base.factor_ptr[k], base.factor_ptr[k + 1]):
            v = base.edge_variable[e]
            if observed[v] < 0:
                free += 1
                states += base.cardinality[v]
                configurations *= base.cardinality[v]
        if free > 1:
            kept, edges, length, size = kept + 1, edges + free, length + states, size + configurations

    factor_ptr, table_ptr = np.empty(kept + 1, np.int64), np.empty(kept + 1, np.int64)
    factor_index, message_ptr = np.empty(kept, np.int64), np.empty(edges + 1, np.int64)
    edge_variable, edge_factor = np.empty(edges, np.int64), np.empty(edges, np.int64)
    log_table = np.empty(size)
    factor_ptr[0] = table_ptr[0] = message_ptr[0] = 0
    state, stride = np.empty(64, np.int64), np.empty(64, np.int64)  # numpy allows 64 axes at most
    k_new, e_new, t_new = 0, 0, 0
    for k in range(m):
        begin, step, free, v_free = base.table_ptr[k], 1, 0, 0
        configurations = 1
        for e in range(base.factor_ptr[k + 1] - 1, base.factor_ptr[k] - 1, -1):  # last slot fastest
            v = base.edge_variable[e]
            if observed[v] < 0:
                stride[free] = step
                state[free] = 0
                free += 1
                v_free = v
                configurations *= base.cardinality[v]
            else:
                begin += observed[v] * step
            step *= base.cardinality[v]
        if free > 1:
            slot = free
            for e in range(base.factor_ptr[k], base.factor_ptr[k + 1]):
                v = base.edge_variable[e]
                if observed[v] < 0:
                    slot -= 1
                    edge_variable[e_new], edge_factor[e_new] = v, k_new
                    message_ptr[e_new + 1] = message_ptr[e_new] + base.cardinality[v]
                    e_new += 1
        highest = -np.inf
        for _ in range(configurations):
            value = base.log_table[begin]
            highest = max(highest, value)
            if free > 1:
                log_table[t_new] = value
                t_new += 1
            elif free == 1:
                field[base.field_ptr[v_free] + state[0]] += value
            for slot in range(free):  # next configuration of the free slots
                begin += stride[slot]
                state[slot] += 1
                states = (
                    message_ptr[e_new - slot] - message_ptr[e_new - slot - 1] if free > 1 else base.cardinality[v_free]
                )
                if state[slot] < states:
                    break
                begin -= stride[slot] * states
                state[slot] = 0
        alive &= highest > -np.inf
        if free > 1:
            factor_index[k_new] = base.factor_index[k]
            k_new += 1
            factor_ptr[k_new], table_ptr[k_new] = e_new, t_new
    for v in range(n):
        begin, end = base.field_ptr[v], base.field_ptr[v + 1]
        highest = -np.inf
        for i in range(begin, end):
            highest = max(highest, field[i] if observed[v] < 0 or observed[v] == i - begin else -np.inf)
            if observed[v] >= 0:
                field[i] = 0.0 if observed[v] == i - begin else -np.inf
        alive &= highest > -np.inf
    variable_ptr, variable_edges = edges_of_variables(n, edge_variable)
    # fmt: off
    flat = Flat(
        base.cardinality, base.field_ptr, field, factor_ptr, edge_variable, edge_factor, message_ptr, table_ptr,
        log_table, variable_ptr, variable_edges, factor_index, base.slot_ptr, base.slot_state,
    )
    # fmt: on
    return flat, alive


@jit_inner
def edges_of_variables(n: int, edge_variable: Ints) -> tuple[Ints, Ints]:
    """The edges of every variable in ascending order, by counting: pointers (n+1,) and edges (E,)."""
    pointer = np.zeros(n + 1, np.int64)
    for e in range(edge_variable.size):
        pointer[edge_variable[e] + 1] += 1
    for v in range(n):
        pointer[v + 1] += pointer[v]
    edges, place = np.empty(edge_variable.size, np.int64), pointer.copy()
    for e in range(edge_variable.size):
        edges[place[edge_variable[e]]] = e
        place[edge_variable[e]] += 1
    return pointer, edges
