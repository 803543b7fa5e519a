"""One message after the other in odds and in probabilities, and in the latter one factor after the other, too.

The equations and the ranges are those of pairwise.py and tables.py; what they cannot hold is done by schedules.py, in
logarithms. The residual schedule keeps all edges in lists by the power of two of how much their message would change,
and takes the one put last into the highest list: to find it costs the same however many there are. A sequential sweep
in probabilities keeps the products of the messages behind it and ahead of it, so a factor costs what it costs in
flooding, whatever the degrees of its variables.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bnt.graph.factor_graph import Array
from bnt.graph.flat import Flat, Ints
from bnt.kernels.exp_log import fast_exp, fast_log, log_of
from bnt.kernels.jit import jit_inline, jit_inner, jit_loop
from bnt.kernels.options import RESIDUAL, RUNNING, SEQUENTIAL, STOP
from bnt.kernels.pairwise import Pairs, log_messages, products, start_pairs
from bnt.kernels.tables import (
    DONE,
    NO_MASS,
    SMALLEST,
    UNDERFLOW,
    Tables,
    in_range,
    move_one,
    normalised,
    products_of,
    start_tables,
    sums_of,
    variable_products,
)
from bnt.kernels.watch import told_to_stop

LOOK = 4096  # updates between two looks whether to stop
LEVELS = 64  # the highest is for a change of 1
SMALLEST_EXPONENT = 1023 - LEVELS + 1  # as a float64 writes that of level 0


# ---------------------------------------------------------------- which messages would change most


class Queue(NamedTuple):
    """All edges in lists by the power of two of how much their message would change.

    Lists are circular: that of level b begins and ends at node edges + b. Level 0 is for messages that would not change
    at all, level b > 0 for changes in [2^(b - 63), 2^(b - 62)), and level 1 for all smaller ones, too.
    """

    pending: Array  # (E,) the change of each message
    bits: Ints  # (E,) the same numbers as bits: the exponent of a float64 stands before its 52 digits
    after: NDArray[np.int32]  # (E + LEVELS,)
    before: NDArray[np.int32]  # (E + LEVELS,)
    highest: Ints  # (1,) no level above has a message


@jit_inner
def start_queue(pending: Array) -> Queue:
    """All edges, put in one after the other."""
    edges = pending.size
    links = np.empty((2, edges + LEVELS), np.int32)
    after, before, bits, highest = links[0], links[1], pending.view(np.int64), np.zeros(1, np.int64)
    for node in range(edges + LEVELS):
        after[node] = before[node] = node
    queue = Queue(pending, bits, after, before, highest)
    for e in range(edges):
        put(queue, e, pending[e])
    return queue


@jit_inline
def put(queue: Queue, e: int, change: float) -> None:
    """pending[e] = change: out of its list, and to the end of the one that it belongs to now."""
    pending, bits, after, before, highest = queue
    pending[e] = change
    level = max((bits[e] >> 52) - SMALLEST_EXPONENT, 1) if change > 0.0 else 0
    after[before[e]], before[after[e]] = after[e], before[e]
    end = pending.size + level
    last = before[end]
    after[last] = before[end] = e
    before[e], after[e] = last, end
    highest[0] = max(highest[0], level)


@jit_inline
def newest_of_the_largest(queue: Queue) -> int:
    """The edge put last into the highest level: no other would change twice as much. -1 where nothing would change."""
    before, highest, edges = queue.before, queue.highest, queue.pending.size
    level = highest[0]
    e = before[edges + level]
    while level > 0 and e >= edges:  # the list is empty
        level -= 1
        e = before[edges + level]
    highest[0] = level
    return e if level > 0 else -1


@jit_loop
def largest(pending: Array) -> float:
    """The largest change that is pending."""
    change = 0.0
    for e in range(pending.size):
        change = max(change, pending[e])
    return change


# ---------------------------------------------------------------- odds


@jit_inner
def pairwise_one_by_one(
    flat: Flat,
    damping: float,
    maximise: bool,
    most: int,
    least: int,
    stop_at: float,
    history: Array,
    watch: Array,
) -> tuple[int, int, Array, Array, Array]:
    """RESIDUAL, as flood_pairwise; one round updates as many messages as there are."""
    p = start_pairs(flat, np.empty(0, np.int64))
    odds, new = np.ones((2, p.a.size)), np.empty((2, p.a.size))
    if history.shape[0]:
        log_messages(odds, maximise, history[0])
    queue = start_queue(first_changes(p, odds, new, damping, maximise))
    changes = np.empty(most)
    ran = 0
    while ran < most:
        changes[ran] = residual_odds(flat, p, odds, new, queue, damping, maximise, watch)
        ran += 1
        if history.shape[0]:
            log_messages(odds, maximise, history[ran])
        if (changes[ran - 1] <= stop_at and ran >= least) or told_to_stop(watch, ran, changes[ran - 1]):
            break
    products(p, odds, p.belief)
    return DONE, ran, changes[:ran], odds, p.belief


@jit_inner
def sent_odds(
    psi_01: float, psi_10: float, psi_11: float, s: float, back: float, old: float, damping: float, maximise: bool
) -> float:
    """Odds sent on by a factor, as pairwise.new_odds: s is its sender's belief, ``back`` its own share of it."""
    if maximise:
        r = max(psi_01 * back, psi_11 * s) / max(back, psi_10 * s)
    else:
        r = (psi_01 * back + psi_11 * s) / (back + psi_10 * s)
    return fast_exp((1.0 - damping) * fast_log(r) + damping * fast_log(old)) if damping > 0.0 else r


@jit_inner
def odds_change(old: float, new: float, maximise: bool) -> float:
    """Largest change of a probability between two odds."""
    if maximise:
        t, u = max(1.0, old), max(1.0, new)
        return max(abs(old * u - new * t), abs(t - u)) / (t * u)
    return abs(old - new) / ((1.0 + old) * (1.0 + new))


@jit_inner
def first_changes(p: Pairs, odds: Array, new: Array, damping: float, maximise: bool) -> Array:
    """What every edge would carry, into ``new``; how much that would change. Even edges lead to the first variable."""
    psi, a, b, belief = p.psi, p.a, p.b, p.belief
    pending = np.empty(new.size)
    for e in range(new.size):
        k, side = e >> 1, e & 1
        s, back, old = belief[a[k] if side else b[k]], odds[1 - side, k], odds[side, k]
        new[side, k] = sent_odds(psi[1 - side, k], psi[side, k], psi[2, k], s, back, old, damping, maximise)
        pending[e] = odds_change(old, new[side, k], maximise)
    return pending


@jit_inner
def residual_odds(
    flat: Flat, p: Pairs, odds: Array, new: Array, queue: Queue, damping: float, maximise: bool, watch: Array
) -> float:
    """As many updates as messages, each of the newest that no other would change twice as much; the largest left over.

    A belief is multiplied anew at every update, so that a message whose senders have settled settles bit by bit.
    ``put`` is written out: to hand a call so many arrays costs more than all they do.
    """
    pending, bits, after, before, highest = queue
    receiver, ptr, edges = flat.edge_variable, flat.variable_ptr, flat.variable_edges
    psi, theta, beliefs = p.psi, p.theta, p.belief
    size, top = receiver.size, highest[0]
    for step in range(size):
        e = before[size + top]
        while top > 0 and e >= size:  # the highest list is empty
            top -= 1
            e = before[size + top]
        if top == 0 or (step % LOOK == LOOK - 1 and watch[STOP] != RUNNING):
            break
        odds[e & 1, e >> 1] = new[e & 1, e >> 1]
        v = receiver[e]
        begin, end = ptr[v], ptr[v + 1]
        belief = theta[v]
        for t in range(begin, end):
            belief *= odds[edges[t] & 1, edges[t] >> 1]
        beliefs[v] = belief
        for t in range(begin - 1, end):  # e itself, then what v sends on
            f = e if t < begin else edges[t] ^ 1
            change = 0.0
            if f == e ^ 1:
                continue
            if f != e or damping > 0.0:
                k, side = f >> 1, f & 1
                s = belief if f != e else beliefs[receiver[e ^ 1]]
                old, back = odds[side, k], odds[1 - side, k]
                r = sent_odds(psi[1 - side, k], psi[side, k], psi[2, k], s, back, old, damping, maximise)
                new[side, k] = r
                change = odds_change(old, r, maximise)
            pending[f] = change
            level = max((bits[f] >> 52) - SMALLEST_EXPONENT, 1) if change > 0.0 else 0
            after[before[f]], before[after[f]] = after[f], before[f]
            last = before[size + level]
            after[last] = before[size + level] = f
            before[f], after[f] = last, size + level
            top = max(top, level)
    highest[0] = top
    return largest(pending)


# ---------------------------------------------------------------- probabilities


@jit_inner
def tables_one_by_one(
    flat: Flat,
    schedule: int,
    damping: float,
    maximise: bool,
    most: int,
    least: int,
    stop_at: float,
    history: Array,
    watch: Array,
) -> tuple[int, int, Array, Array]:
    """As flood_tables; one round updates as many messages as there are. IN_PLACE sweeps forwards every time."""
    w = start_tables(flat, maximise)
    if history.shape[0]:
        log_of(w.mu, history[0])
    residual, raw = schedule == RESIDUAL, np.empty(w.mu.size)
    queue = start_queue(np.zeros(flat.edge_variable.size if residual else 0))
    passed = start_passed(flat, 0 if residual else w.mu.size)
    code = first_candidates(flat, w, raw, queue, damping, maximise) if residual else DONE
    changes = np.empty(most)
    ran = 0
    while ran < most and code == DONE:
        if residual:
            code, changes[ran] = residual_tables(flat, w, raw, queue, damping, maximise, watch)
        else:
            backward = schedule == SEQUENTIAL and ran % 2 == 1
            if ran == 0 or schedule != SEQUENTIAL:
                look_ahead(flat, w, passed)
            code, changes[ran] = sequential_tables(flat, w, passed, damping, maximise, backward, watch)
        if code == DONE:
            ran += 1
            if history.shape[0]:
                log_of(w.mu, history[ran])
            if (changes[ran - 1] <= stop_at and ran >= least) or told_to_stop(watch, ran, changes[ran - 1]):
                break
    log_of(w.mu, w.mu)
    return code, ran, changes[:ran], w.mu


class Passed(NamedTuple):
    """Products of messages, by which a sweep finds nu in one multiplication whatever the degree of the variable.

    Of variable v and the factor that a sweep has come to, ``behind`` is the product of all messages from factors that
    it has passed, and ``ahead`` of all from those yet to come. The field is a factor of the side of the first one.
    What is behind on the way there is ahead on the way back.
    """

    behind: Array  # (S,) by variable
    behind_lowest: Array  # (n,) a bound from below of its positive entries
    ahead: Array  # (M,) by edge
    ahead_lowest: Array  # (E,)


@jit_inner
def start_passed(flat: Flat, length: int) -> Passed:
    """Room for it, none where length is 0."""
    return Passed(
        np.empty(flat.field.size if length else 0),
        np.empty(flat.cardinality.size if length else 0),
        np.empty(length),
        np.empty(flat.edge_variable.size if length else 0),
    )


@jit_loop
def look_ahead(flat: Flat, w: Tables, passed: Passed) -> None:
    """``ahead`` of every edge for a sweep that begins with the first factor."""
    for v in range(flat.cardinality.size):
        states, lowest = flat.cardinality[v], 1.0
        for s in range(states):
            w.product[s] = 1.0
        for t in range(flat.variable_ptr[v + 1] - 1, flat.variable_ptr[v] - 1, -1):
            e = flat.variable_edges[t]
            begin = flat.message_ptr[e]
            passed.ahead_lowest[e] = lowest
            lowest *= w.mu_lowest[e]
            for s in range(states):
                passed.ahead[begin + s] = w.product[s]
                w.product[s] *= w.mu[begin + s]


@jit_loop
def sequential_tables(
    flat: Flat, w: Tables, passed: Passed, damping: float, maximise: bool, backward: bool, watch: Array
) -> tuple[int, float]:
    """One sweep over the factors, each from the newest messages. Returns DONE | NO_MASS | UNDERFLOW, and the change."""
    behind, behind_lowest, ahead, ahead_lowest = passed
    change, m = 0.0, flat.factor_index.size
    for i in range(behind.size):
        behind[i] = 1.0 if backward else w.field[i]
    for v in range(behind_lowest.size):
        behind_lowest[v] = 1.0 if backward else w.field_lowest[v]
    for step in range(m):
        k = m - 1 - step if backward else step
        first, last = flat.factor_ptr[k], flat.factor_ptr[k + 1]
        for e in range(first, last):
            v, begin, end = flat.edge_variable[e], flat.message_ptr[e], flat.message_ptr[e + 1]
            if behind_lowest[v] * ahead_lowest[e] < SMALLEST:
                return UNDERFLOW, change
            at = flat.field_ptr[v]
            highest, low = 0.0, np.inf
            for i in range(begin, end):
                passed_by = behind[at + i - begin]
                value = passed_by * ahead[i]
                w.nu[i], ahead[i] = value, passed_by
                highest = value if value > highest else highest
                low = value if 0.0 < value < low else low
            ahead_lowest[e] = behind_lowest[v]
            if not in_range(w, e, begin, end, highest, low):
                return NO_MASS, change
        if not fresh_sums(flat, w, k, w.new, maximise):
            return UNDERFLOW, change
        for e in range(first, last):
            v, begin, end = flat.edge_variable[e], flat.message_ptr[e], flat.message_ptr[e + 1]
            change = move_one(w, e, begin, end, damping, maximise, change)
            if change < 0.0:
                return NO_MASS, 0.0
            at = flat.field_ptr[v]
            for i in range(begin, end):
                behind[at + i - begin] *= w.mu[i]
            behind_lowest[v] *= w.mu_lowest[e]
        if step % LOOK == LOOK - 1 and watch[STOP] != RUNNING:
            break
    return DONE, change


@jit_loop
def first_candidates(flat: Flat, w: Tables, raw: Array, queue: Queue, damping: float, maximise: bool) -> int:
    """What every edge would carry, into ``new``; into the queue, edge by edge, how much that would change."""
    code = variable_products(flat, w, 0, flat.cardinality.size)
    if code != DONE:
        return code
    for k in range(flat.factor_index.size):
        if not fresh_sums(flat, w, k, raw, maximise):
            return UNDERFLOW
        for e in range(flat.factor_ptr[k], flat.factor_ptr[k + 1]):
            change = candidate(w, raw, flat.message_ptr[e], flat.message_ptr[e + 1], damping, maximise)
            if change < 0.0:
                return NO_MASS
            put(queue, e, change)
    return DONE


@jit_inline
def fresh_sums(flat: Flat, w: Tables, k: int, new: Array, maximise: bool) -> bool:
    """``sums_of`` of factor k into its part of ``new``, whatever is there. False: beyond the range."""
    for i in range(flat.message_ptr[flat.factor_ptr[k]], flat.message_ptr[flat.factor_ptr[k + 1]]):
        new[i] = 0.0
    return sums_of(flat, w, k, new, maximise)


@jit_inline
def candidate(w: Tables, raw: Array, begin: int, end: int, damping: float, maximise: bool) -> float:
    """raw[begin:end] into ``new``, normalised and damped. Returns by how much mu would change, -1: no mass."""
    for i in range(begin, end):
        w.new[i] = raw[i]
    if not normalised(w.mu, w.new, begin, end, damping, maximise):
        return -1.0
    change = 0.0
    for i in range(begin, end):
        change = max(change, abs(w.new[i] - w.mu[i]))
    return change


@jit_loop
def residual_tables(
    flat: Flat, w: Tables, raw: Array, queue: Queue, damping: float, maximise: bool, watch: Array
) -> tuple[int, float]:
    """As residual_odds. Returns a code, the largest pending change."""
    ptr = flat.message_ptr
    for step in range(flat.edge_variable.size):
        e = newest_of_the_largest(queue)
        if e < 0 or (step % LOOK == LOOK - 1 and watch[STOP] != RUNNING):
            break
        low = np.inf
        for i in range(ptr[e], ptr[e + 1]):
            w.mu[i] = w.new[i]
            low = w.mu[i] if 0.0 < w.mu[i] < low else low
        w.mu_lowest[e] = low
        put(queue, e, 0.0)
        v = flat.edge_variable[e]
        code = products_of(flat, w, v)
        if code != DONE:
            return code, 0.0
        begin_t, end_t = flat.variable_ptr[v], flat.variable_ptr[v + 1]
        for t in range(begin_t if damping == 0.0 else begin_t - 1, end_t):
            alone = t < begin_t  # a damped step leaves the rest of the way pending
            out = e if alone else flat.variable_edges[t]
            if out == e and not alone:
                continue
            k = flat.edge_factor[out]
            if not fresh_sums(flat, w, k, raw, maximise):
                return UNDERFLOW, 0.0
            for f in range(flat.factor_ptr[k], flat.factor_ptr[k + 1]):
                if (f == out) == alone:
                    change = candidate(w, raw, ptr[f], ptr[f + 1], damping, maximise)
                    if change < 0.0:
                        return NO_MASS, 0.0
                    put(queue, f, change)
    return DONE, largest(queue.pending)
