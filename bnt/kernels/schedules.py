"""The schedules in logarithms: flooding, sequential, residual; any factors, listed cliques too, and any range.

Flooding updates all messages at once, sequential one factor after the other, residual one message after the other, by
the queue of one_by_one.py.
"""

from __future__ import annotations

import numpy as np

from bnt.graph.factor_graph import Array
from bnt.graph.flat import Flat
from bnt.kernels.equations import (
    accept,
    edge_message,
    factor_messages,
    forest_order,
    normalise,
    variable_messages,
)
from bnt.kernels.exp_log import exp_of, fast_log
from bnt.kernels.jit import jit_inner, jit_whole
from bnt.kernels.one_by_one import Queue, largest, newest_of_the_largest, put, start_queue
from bnt.kernels.options import FLOODING, INTERRUPTED, ROUND, RUNNING, SEQUENTIAL, STOP
from bnt.kernels.tables import join
from bnt.kernels.watch import told_to_stop

LOWEST = -667.0  # log of 1e-290, as tables.SMALLEST
BLOCK = 512  # configurations handled at a time, so that their scratch stays in the first-level cache


@jit_inner
def flooding_round(flat: Flat, mu: Array, nu: Array, new: Array, damping: float, maximise: bool) -> float:
    """Every variable-to-factor message, then every factor-to-variable message. Returns the change, -1: no mass."""
    alive = True
    for v in range(flat.cardinality.size):
        alive &= variable_messages(flat, v, mu, nu)
    if not alive:
        return -1.0
    change = 0.0
    for k in range(flat.factor_index.size):
        if not factor_messages(flat, k, nu, new, maximise):
            return -1.0
    for e in range(flat.edge_variable.size):
        change = max(change, accept(mu, new, flat.message_ptr[e], flat.message_ptr[e + 1], damping, maximise))
    return change


@jit_inner
def sequential_round(
    flat: Flat, mu: Array, nu: Array, new: Array, damping: float, maximise: bool, backward: bool, watch: Array
) -> float:
    """One sweep over the factors, each from the newest messages. Returns the change, -1: no mass."""
    change = 0.0
    m = flat.factor_index.size
    for step in range(m):
        k = m - 1 - step if backward else step
        for e in range(flat.factor_ptr[k], flat.factor_ptr[k + 1]):
            if not edge_message(flat, e, mu, nu):
                return -1.0
        if flat.slot_ptr.size:
            alive = listed_messages(flat, k, nu, new, maximise)
        else:
            alive = factor_messages(flat, k, nu, new, maximise)
        if not alive:
            return -1.0
        for e in range(flat.factor_ptr[k], flat.factor_ptr[k + 1]):
            change = max(change, accept(mu, new, flat.message_ptr[e], flat.message_ptr[e + 1], damping, maximise))
        if watch[STOP] == INTERRUPTED:
            break
    return change


@jit_whole
def run_rounds(
    flat: Flat,
    mu: Array,
    schedule: int,
    damping: float,
    maximise: bool,
    most: int,
    least: int,
    tolerance: float,
    history: Array,
    watch: Array,
) -> tuple[int, Array, bool]:
    """Rounds of flooding or of sequential updates (IN_PLACE: forwards every time), in place in ``mu``.

    Stops after ``most`` rounds, or after at least ``least`` once the message change is at most ``tolerance``.
    ``history`` (rounds + 1, M), if not empty, receives the messages after every round. Returns rounds run, the change
    of each round, and False where a message or belief has no mass.
    """
    nu, new = np.zeros(mu.size), np.empty(mu.size)
    changes = np.empty(most)
    for r in range(most):
        if schedule == FLOODING:
            changes[r] = flooding_round(flat, mu, nu, new, damping, maximise)
        else:
            backward = schedule == SEQUENTIAL and r % 2 == 1
            changes[r] = sequential_round(flat, mu, nu, new, damping, maximise, backward, watch)
        if changes[r] < 0.0:
            return r, changes[:r], False
        if history.shape[0]:
            copy_into(history[r + 1], mu)
        if (changes[r] <= tolerance and r + 1 >= least) or told_to_stop(watch, r + 1, changes[r]):
            return r + 1, changes[: r + 1], True
    return most, changes, True


@jit_inner
def copy_into(target: Array, source: Array) -> None:
    """target[:] = source; as a loop it compiles in a tenth of the time."""
    for i in range(source.size):
        target[i] = source[i]


@jit_whole
def run_residual(
    flat: Flat, mu: Array, damping: float, maximise: bool, most: int, tolerance: float, history: Array, watch: Array
) -> tuple[int, Array, bool]:
    """Residual schedule: update the newest message that no other would change twice as much. One round is E updates.

    Returns rounds run, the largest pending change after each round (0 exactly at a fixed point), and False: no mass.
    """
    edges = flat.edge_variable.size
    nu, new = np.zeros(mu.size), mu.copy()
    queue = start_queue(np.zeros(edges))
    for v in range(flat.cardinality.size):
        if not variable_messages(flat, v, mu, nu):
            return 0, np.empty(0), False
    for k in range(flat.factor_index.size):
        if not refresh(flat, k, -1, -1, mu, nu, new, queue, damping, maximise):
            return 0, np.empty(0), False
    changes = np.empty(most)
    for r in range(most):
        for _ in range(edges):
            e = newest_of_the_largest(queue)
            if e < 0 or watch[STOP] != RUNNING:
                break
            for i in range(flat.message_ptr[e], flat.message_ptr[e + 1]):
                mu[i] = new[i]
            put(queue, e, 0.0)
            rest = damping > 0.0  # a damped step leaves the rest of the way pending
            if rest and not refresh(flat, flat.edge_factor[e], e, -1, mu, nu, new, queue, damping, maximise):
                return r, changes[:r], False
            v = flat.edge_variable[e]
            for t in range(flat.variable_ptr[v], flat.variable_ptr[v + 1]):
                out = flat.variable_edges[t]
                if out == e:
                    continue
                if not edge_message(flat, out, mu, nu):
                    return r, changes[:r], False
                if not refresh(flat, flat.edge_factor[out], -1, out, mu, nu, new, queue, damping, maximise):
                    return r, changes[:r], False
        changes[r] = largest(queue.pending)
        if history.shape[0]:
            copy_into(history[r + 1], mu)
        if changes[r] <= tolerance or told_to_stop(watch, r + 1, changes[r]):
            return r + 1, changes[: r + 1], True
    return most, changes, True


@jit_whole
def sweep_forest(flat: Flat, mu: Array, maximise: bool, watch: Array) -> tuple[bool, Array, bool]:
    """A forest in two sweeps, in place in ``mu``, as tables.sweep_tables.

    Returns whether it is a forest (else nothing is done), the change of each sweep, empty if they were told to stop
    before they were through, and False: no mass.
    """
    forest, order, up = forest_order(flat)
    nu, new, changes = np.zeros(mu.size), np.empty(mu.size), np.zeros(2)
    alive = True
    watch[ROUND] = 1.0 if forest else 0.0  # from here on a limit of time is kept
    for i in range(order.size - 1 if forest else -1, -1, -1):
        v = order[i]
        for t in range(flat.variable_ptr[v], flat.variable_ptr[v + 1]):
            e = flat.variable_edges[t]
            k = flat.edge_factor[e]
            if up[k] == e:
                alive &= factor_messages(flat, k, nu, new, maximise)
                begin, end = flat.message_ptr[e], flat.message_ptr[e + 1]
                changes[0] = max(changes[0], accept(mu, new, begin, end, 0.0, maximise))
        alive &= variable_messages(flat, v, mu, nu)
        if not alive or watch[STOP] != RUNNING:
            return forest, changes[:0], alive
    for i in range(order.size if forest else 0):
        if not alive or watch[STOP] != RUNNING:
            return forest, changes[:0], alive
        v = order[i]
        alive &= variable_messages(flat, v, mu, nu)
        for t in range(flat.variable_ptr[v], flat.variable_ptr[v + 1]):
            k = flat.edge_factor[flat.variable_edges[t]]
            if up[k] == flat.variable_edges[t]:
                alive &= factor_messages(flat, k, nu, new, maximise)
                for e in range(flat.factor_ptr[k], flat.factor_ptr[k + 1]):
                    if e != up[k]:
                        begin, end = flat.message_ptr[e], flat.message_ptr[e + 1]
                        changes[1] = max(changes[1], accept(mu, new, begin, end, 0.0, maximise))
    return forest, changes[: 2 if order.size else 0], alive


@jit_inner
def refresh(
    flat: Flat,
    k: int,
    alone: int,
    but: int,
    mu: Array,
    nu: Array,
    new: Array,
    queue: Queue,
    damping: float,
    maximise: bool,
) -> bool:
    """one_by_one.candidates in logarithms. False: no mass."""
    if not factor_messages(flat, k, nu, new, maximise):
        return False
    for e in range(flat.factor_ptr[k], flat.factor_ptr[k + 1]):
        begin, end = flat.message_ptr[e], flat.message_ptr[e + 1]
        if damping > 0.0:
            for i in range(begin, end):
                new[i] = (1.0 - damping) * new[i] + damping * mu[i]
            normalise(new, begin, end, maximise)
        if e == alone or (alone < 0 and e != but):
            change = 0.0
            for i in range(begin, end):
                change = max(change, abs(np.exp(new[i]) - np.exp(mu[i])))
            put(queue, e, change)
    return True


@jit_inner
def listed_messages(flat: Flat, k: int, nu: Array, out: Array, maximise: bool) -> bool:
    """All log messages mu_{f->v} of factor k into ``out``. False: no mass left. nu is shifted to maximum 0."""
    edge0, arity = flat.factor_ptr[k], flat.factor_ptr[k + 1] - flat.factor_ptr[k]
    begin, end = flat.message_ptr[edge0], flat.message_ptr[edge0 + arity]
    first, last = flat.table_ptr[k], flat.table_ptr[k + 1]
    highest, lowest = -np.inf, 0.0
    for t in range(first, last):
        highest = max(highest, flat.log_table[t])
    for t in range(first, last):
        lowest = min(lowest, flat.log_table[t] - highest)
    for e in range(edge0, edge0 + arity):
        low = 0.0
        for i in range(flat.message_ptr[e], flat.message_ptr[e + 1]):
            low = nu[i] if -np.inf < nu[i] < low else low
        lowest += low
    if lowest < LOWEST or highest == -np.inf:
        return factor_messages(flat, k, nu, out, maximise)
    p, psi = np.empty(end - begin), np.empty(BLOCK)
    exp_of(nu[begin:end], p)
    product, others = np.empty(BLOCK), np.empty((arity, BLOCK))
    for i in range(begin, end):
        out[i] = 0.0
    for t in range(first, last, BLOCK):
        size = min(BLOCK, last - t)
        for i in range(size):
            psi[i] = flat.log_table[t + i] - highest
        exp_of(psi[:size], product)
        for q in range(arity):  # others[q] = psi times the slots before q
            at, start = flat.slot_ptr[edge0 + q] + t - first, flat.message_ptr[edge0 + q] - begin
            state = flat.slot_state[at : at + size]
            for i in range(size):
                others[q, i] = product[i]
                product[i] *= p[start + state[i]]
        for i in range(size):
            product[i] = 1.0
        for q in range(arity - 1, -1, -1):  # ... times the slots after q
            at, start = flat.slot_ptr[edge0 + q] + t - first, flat.message_ptr[edge0 + q] - begin
            state = flat.slot_state[at : at + size]
            target, source = out[begin + start :], p[start:]
            for i in range(size):
                target[state[i]] = join(target[state[i]], others[q, i] * product[i], maximise)
                product[i] *= source[state[i]]
    for e in range(edge0, edge0 + arity):
        total = 0.0
        for i in range(flat.message_ptr[e], flat.message_ptr[e + 1]):
            total = join(total, out[i], maximise)
        if total == 0.0:
            return False
        for i in range(flat.message_ptr[e], flat.message_ptr[e + 1]):
            out[i] = fast_log(out[i] / total)
    return True
