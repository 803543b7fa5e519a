"""Flooding where every variable is binary and every factor joins two of them without zeros: messages are odds.

With r_{k->v} = mu(1) / mu(0) the odds that factor k sends to v, and psi[x_a, x_b] the table of k,

    S_v     = e^{theta_v} prod_{k of v} r_{k->v}                                 odds of v's belief
    r_{k->b} <- (psi[0,1] + psi[1,1] x) / (psi[0,0] + psi[1,0] x),   x = S_a / r_{k->a},   psi[0,0] = 1

(max for + in max mode), and likewise towards a. It is the message in log odds, theta + sum of messages, exponentiated:
no exp, no log, two divisions per message, all in vector instructions. A product of odds is as accurate as a sum of
their logarithms, as long as it stays between the smallest and the largest float64. ``odds_fit`` proves that
beforehand from the tables alone: a message's log odds are never larger than the spread max - min of its log table.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bnt.graph.factor_graph import Array
from bnt.graph.flat import Flat, Ints
from bnt.kernels.equations import normalise
from bnt.kernels.exp_log import fast_exp, fast_log
from bnt.kernels.jit import jit, jit_inner
from bnt.kernels.options import FLOODING, RUNNING, SEQUENTIAL, STOP
from bnt.kernels.tables import DONE
from bnt.kernels.watch import told_to_stop

WIDEST = 340.0  # |log S_v| and a table's spread, added: at most 680 < 708 = log of the largest float64
WIDEST_TABLE = 230.0  # three odds of one table, multiplied in turn_odds: at most 690
WIDEST_SINGLE, WIDEST_TABLE_SINGLE = 41.0, 28.0  # the same for a float32: at most 84 < 87 = -log of its smallest
SINGLE_FLOOR = 2.0**-20  # a change of 16 roundings of a float32: below, it is mostly that
SINGLE_NEAR = 1e-3  # a change above it is one on the way, though it may not fall for a while
SMALL_BLOCK = 256  # factors of which each reads the beliefs from before the block
RUN, LONG_RUN, MANY = 8, 64, 1 << 16  # factors that stay together in the scattered order, for the cache; of many more
AFRESH = 16  # rounds in place until the beliefs are multiplied anew
BLOCK = 1024  # factors handled at a time, so that their scratch stays in the first-level cache


@jit_inner
def odds_fit(flat: Flat, widest: float, widest_table: float) -> bool:
    """Is |theta_v| + sum of spreads <= ``widest`` at every variable, and no spread wider than ``widest_table``?"""
    width, fit = np.empty(flat.cardinality.size), True
    for v in range(width.size):
        begin = flat.field_ptr[v]
        in_use = flat.variable_ptr[v] < flat.variable_ptr[v + 1]
        width[v] = abs(flat.field[begin + 1] - flat.field[begin]) if in_use else 0.0
    for k in range(flat.factor_index.size):
        t = 4 * k
        high = max(max(flat.log_table[t], flat.log_table[t + 1]), max(flat.log_table[t + 2], flat.log_table[t + 3]))
        low = min(min(flat.log_table[t], flat.log_table[t + 1]), min(flat.log_table[t + 2], flat.log_table[t + 3]))
        fit &= high - low <= widest_table
        width[flat.edge_variable[2 * k]] += high - low
        width[flat.edge_variable[2 * k + 1]] += high - low
    for v in range(width.size):
        fit &= width[v] <= widest  # not so for NaN, from a field without mass
    return fit


class Pairs(NamedTuple):
    """What a run in odds works on, all of it one block of memory."""

    a: NDArray[np.uint32]  # (m,) first variable of each factor; unsigned: no test for negative indices
    b: NDArray[np.uint32]  # (m,) second
    psi: Array  # (3, m) psi[0,1], psi[1,0], psi[1,1], each divided by psi[0,0]
    theta: Array  # (n,) odds of each field
    belief: Array  # (n,) odds of each belief
    update: Array  # (n,) those of the next round


@jit_inner
def start_pairs(flat: Flat, order: Ints) -> Pairs:
    """Tables and fields as odds, beliefs of uniform messages; factors in this order, or in their own if it is empty."""
    n, m = flat.cardinality.size, flat.factor_index.size
    # One block of working memory, more than half of all that a run needs: then the C library keeps it for the next run
    # (measured with glibc, up to 1e6 messages). Fresh pages from the system cost as much as ten rounds.
    work = np.empty(4 * m + 3 * n)
    psi = work[: 3 * m].reshape(3, m)
    ends = work[3 * m : 4 * m].view(np.uint32)
    theta, belief, update = work[4 * m : 4 * m + n], work[4 * m + n : 4 * m + 2 * n], work[4 * m + 2 * n :]
    a, b, log_table = ends[:m], ends[m:], flat.log_table
    for place in range(m):
        k = order[place] if order.size else place
        a[place], b[place] = flat.edge_variable[2 * k], flat.edge_variable[2 * k + 1]
    for place in range(m):
        t = 4 * (order[place] if order.size else place)
        psi[0, place], psi[1, place] = log_table[t + 1] - log_table[t], log_table[t + 2] - log_table[t]
        psi[2, place] = log_table[t + 3] - log_table[t]
    for i in range(3 * m):  # apart, so that it becomes vector instructions whatever the order
        work[i] = fast_exp(work[i])
    for v in range(n):
        in_use = flat.variable_ptr[v] < flat.variable_ptr[v + 1]
        theta[v] = flat.field[flat.field_ptr[v] + 1] - flat.field[flat.field_ptr[v]] if in_use else 0.0
    for v in range(n):
        belief[v] = theta[v] = fast_exp(theta[v])
    return Pairs(a, b, psi, theta, belief, update)


@jit_inner
def flood_pairwise(
    flat: Flat,
    schedule: int,
    damping: float,
    maximise: bool,
    most: int,
    least: int,
    stop_at: float,
    history: Array,
    watch: Array,
) -> tuple[int, int, Array, Array, Array]:
    """Rounds from uniform messages, for graphs that pass ``odds_fit``; arguments as flood_tables.

    Factor k sends the odds ``to_a[k]`` to its first variable ``a[k]`` and ``to_b[k]`` to its second, in place: a pair's
    new messages depend on nothing but its own old ones and the beliefs S. FLOODING takes the beliefs of the round
    before; SEQUENTIAL those that all earlier factors have updated already, wave by wave, backwards in every second
    round; any other schedule those that all earlier blocks of factors have (block Gauss-Seidel). Returns DONE, rounds
    run, the change of each round, the odds of all messages (2, m), and of all beliefs (n,).
    """
    order, ends = order_of_factors(flat, schedule)
    p = start_pairs(flat, order)
    odds, changes = np.ones((2, p.a.size)), np.empty(most)
    if history.shape[0]:
        log_messages(odds, maximise, history[0])
    how = schedule, damping, maximise
    p, ran = pair_rounds(p, odds, order, ends, *how, 0, most, least, stop_at, changes, history, watch)
    if schedule != FLOODING:
        products(p, odds, p.belief)
    return DONE, ran, changes[:ran], in_own_order(odds, order), p.belief


@jit_inner
def mixed_pairwise(
    flat: Flat, schedule: int, damping: float, maximise: bool, most: int, least: int, stop_at: float, watch: Array
) -> tuple[int, Array, Array, Array]:
    """As flood_pairwise, but first in float32 until its rounding is all that changes, then in float64 to the end.

    Half as many bytes, and twice as many numbers in one instruction. The messages where float32 ends are as good a
    start as any others: the rounds after it, and so what they come to, are those of float64.
    Returns rounds run in float32, the change of every round, the odds of all messages (2, m), and of all beliefs (n,).
    """
    order, ends = order_of_factors(flat, schedule)
    p = start_pairs(flat, order)
    odds, changes = np.ones((2, p.a.size)), np.empty(most)
    single, no_history = 0, np.empty((0, 0))
    if most > least and odds_fit(flat, WIDEST_SINGLE, WIDEST_TABLE_SINGLE):  # most == least: an undamped forest
        single = single_rounds(p, odds, order, ends, schedule, damping, maximise, most // 2, stop_at, changes, watch)
        products(p, odds, p.belief)
    ran = single
    if watch[STOP] == RUNNING:
        how = schedule, damping, maximise
        p, ran = pair_rounds(p, odds, order, ends, *how, single, most, least, stop_at, changes, no_history, watch)
        products(p, odds, p.belief)
    return single, changes[:ran], in_own_order(odds, order), p.belief


@jit_inner
def single_rounds(
    p: Pairs,
    odds: Array,
    order: Ints,
    ends: Ints,
    schedule: int,
    damping: float,
    maximise: bool,
    most: int,
    stop_at: float,
    changes: Array,
    watch: Array,
) -> int:
    """Rounds in float32, ``odds`` in place, to a change of SINGLE_FLOOR or until AFRESH rounds no longer halve it.

    Returns how many.
    """
    q = Pairs(
        p.a,
        p.b,
        p.psi.astype(np.float32),
        p.theta.astype(np.float32),
        p.belief.astype(np.float32),
        np.empty(p.belief.size, np.float32),
    )
    rough, no_history = odds.astype(np.float32), np.empty((0, 0))
    ran, before, floor = 0, np.inf, max(stop_at, SINGLE_FLOOR)
    while ran < most and watch[STOP] == RUNNING:
        until = min(ran + AFRESH, most)
        how = schedule, damping, maximise
        q, ran = pair_rounds(q, rough, order, ends, *how, ran, until, 0, floor, changes, no_history, watch)
        change = changes[ran - 1]
        if change <= floor or (change < SINGLE_NEAR and change > 0.5 * before):
            break
        before = change
        products(q, rough, q.belief)
    for side in range(2):
        for k in range(p.a.size):
            odds[side, k] = rough[side, k]
    return ran


@jit_inner
def order_of_factors(flat: Flat, schedule: int) -> tuple[Ints, Ints]:
    """The order in which a round takes the factors, empty if their own, and where in it each block or wave ends."""
    m = flat.factor_index.size
    if schedule == SEQUENTIAL:
        return waves(flat)
    order = scattered(0 if schedule == FLOODING else m)
    ends = np.empty((order.size + SMALL_BLOCK - 1) // SMALL_BLOCK, np.int64)
    for block in range(ends.size):
        ends[block] = min(SMALL_BLOCK * (block + 1), m)
    return order, ends


@jit_inner
def pair_rounds(
    p: Pairs,
    odds: Array,
    order: Ints,
    ends: Ints,
    schedule: int,
    damping: float,
    maximise: bool,
    ran: int,
    most: int,
    least: int,
    stop_at: float,
    changes: Array,
    history: Array,
    watch: Array,
) -> tuple[Pairs, int]:
    """Rounds of flood_pairwise after the first ``ran``, in the precision of p and ``odds``, in place.

    Returns p with the beliefs that they leave, and rounds run in all.
    """
    first, belief, update = ran, p.belief, p.update
    while ran < most:
        if schedule == FLOODING:
            changes[ran] = pairwise_round(p.a, p.b, p.psi, p.theta, belief, update, odds[0], odds[1], damping, maximise)
            belief, update = update, belief
        else:
            if (ran - first) % AFRESH == AFRESH - 1:
                products(p, odds, belief)
            backward = schedule == SEQUENTIAL and ran % 2 == 1
            changes[ran] = in_place_round(p.a, p.b, p.psi, belief, odds[0], odds[1], ends, backward, damping, maximise)
        ran += 1
        if history.shape[0]:
            log_messages(in_own_order(odds, order), maximise, history[ran])
        if (changes[ran - 1] <= stop_at and ran - first >= least) or told_to_stop(watch, ran, changes[ran - 1]):
            break
    return Pairs(p.a, p.b, p.psi, p.theta, belief, update), ran


@jit_inner
def waves(flat: Flat) -> tuple[Ints, Ints]:
    """An order that computes what one factor after the other does, and where in it each wave ends.

    A factor is in the wave after the last of the earlier factors that share a variable with it, so no two of a wave
    meet, and of two factors that meet the earlier one is in an earlier wave: forwards and backwards alike.
    """
    n, m = flat.cardinality.size, flat.factor_index.size
    wave, free = np.empty(m, np.int64), np.zeros(n, np.int64)  # free: the first wave without a factor of this variable
    ends = np.zeros(m, np.int64)
    count = 0
    for k in range(m):
        a, b = flat.edge_variable[2 * k], flat.edge_variable[2 * k + 1]
        wave[k] = max(free[a], free[b])
        free[a] = free[b] = wave[k] + 1
        count = max(count, wave[k] + 1)
        ends[wave[k]] += 1
    place = np.zeros(count, np.int64)
    for w in range(1, count):
        place[w] = ends[w - 1]
        ends[w] += ends[w - 1]
    order = np.empty(m, np.int64)
    for k in range(m):
        order[place[wave[k]]] = k
        place[wave[k]] += 1
    return order, ends[:count]


@jit_inner
def scattered(m: int) -> Ints:
    """An order of m factors in which neighbours in the graph stand apart: runs of factors, a golden step apart.

    In the order in which graphs are usually written, news runs through all of it one way and crawls the other.
    """
    order, length = np.empty(m, np.int64), RUN if m < MANY else LONG_RUN
    runs = (m + length - 1) // length
    step = int(0.618 * runs) | 1
    a, b = step, runs
    while b > 0:  # until step and runs have no common divisor
        a, b = b, a % b
        if b == 0 and a > 1:
            step += 2
            a, b = step, runs
    place, run = 0, 0
    for _ in range(runs):
        for k in range(length * run, min(length * run + length, m)):
            order[place] = k
            place += 1
        run = (run + step) % runs
    return order


@jit_inner
def in_own_order(odds: Array, order: Ints) -> Array:
    """Odds (2, m) in the order of the graph's factors."""
    if order.size == 0:
        return odds
    own = np.empty_like(odds)
    for place in range(order.size):
        own[0, order[place]], own[1, order[place]] = odds[0, place], odds[1, place]
    return own


@jit_inner
def products(p: Pairs, odds: Array, belief: Array) -> None:
    """belief_v = theta_v prod of all odds sent to v, anew: without the rounding of many updates."""
    for v in range(belief.size):
        belief[v] = p.theta[v]
    for k in range(p.a.size):
        belief[p.a[k]] *= odds[0, k]
        belief[p.b[k]] *= odds[1, k]


@jit_inner
def in_place_round(
    a: Ints,
    b: Ints,
    psi: Array,
    belief: Array,
    to_a: Array,
    to_b: Array,
    ends: Ints,
    backward: bool,
    damping: float,
    maximise: bool,
) -> float:
    """One round in which every block of factors reads the beliefs that the blocks before it have just updated.

    Block i ends before factor ends[i]; backwards, the last block comes first. Larger ones than ``SMALL_BLOCK`` are cut:
    those are waves, whose factors do not meet.
    """
    changes = np.zeros(SMALL_BLOCK, to_a.dtype)
    sender_a, sender_b = np.empty(SMALL_BLOCK, to_a.dtype), np.empty(SMALL_BLOCK, to_a.dtype)
    next_a, next_b = np.empty(SMALL_BLOCK, to_a.dtype), np.empty(SMALL_BLOCK, to_a.dtype)
    for step in range(ends.size):
        block = ends.size - 1 - step if backward else step
        for begin in range(ends[block - 1] if block > 0 else 0, ends[block], SMALL_BLOCK):
            end = min(begin + SMALL_BLOCK, ends[block])
            block_a, block_b, old_a, old_b = a[begin:end], b[begin:end], to_a[begin:end], to_b[begin:end]
            s_a, s_b, new_a, new_b = sender_a[: end - begin], sender_b[: end - begin], next_a, next_b
            for k in range(block_a.size):
                s_a[k], s_b[k] = belief[block_a[k]], belief[block_b[k]]
            psi_01, psi_10, psi_11 = psi[0, begin:end], psi[1, begin:end], psi[2, begin:end]
            new_odds(psi_01, psi_10, psi_11, s_a, old_a, new_b, maximise)
            new_odds(psi_10, psi_01, psi_11, s_b, old_b, new_a, maximise)
            turn_odds(old_a, new_a, s_a, changes, damping, maximise)
            turn_odds(old_b, new_b, s_b, changes, damping, maximise)
            for k in range(block_a.size):
                belief[block_a[k]] *= s_a[k]
                belief[block_b[k]] *= s_b[k]
    largest = 0.0
    for k in range(SMALL_BLOCK):
        largest = max(largest, changes[k])
    return largest


@jit_inner
def turn_odds(odds: Array, new: Array, ratio: Array, changes: Array, damping: float, maximise: bool) -> None:
    """``move_odds``, and new / old into ``ratio``: both out of one division, which takes the time of all the rest."""
    one = odds.dtype.type(1.0)  # of their precision, or all of it would be done in float64
    if damping > 0.0:
        for k in range(odds.size):
            new[k] = fast_exp((1.0 - damping) * fast_log(new[k]) + damping * fast_log(odds[k]))
    if maximise:
        for k in range(odds.size):
            t, u = max(one, odds[k]), max(one, new[k])
            change = max(abs(odds[k] * u - new[k] * t), abs(t - u)) / (t * u)
            changes[k] = change if change > changes[k] else changes[k]
            ratio[k] = new[k] / odds[k]
            odds[k] = new[k]
    else:
        for k in range(odds.size):
            both = (one + odds[k]) * (one + new[k])
            share = one / (odds[k] * both)
            change = abs(odds[k] - new[k]) * odds[k] * share
            changes[k] = change if change > changes[k] else changes[k]
            ratio[k] = new[k] * both * share
            odds[k] = new[k]


@jit_inner
def pairwise_round(
    a: Ints,
    b: Ints,
    psi: Array,
    theta: Array,
    belief: Array,
    update: Array,
    to_a: Array,
    to_b: Array,
    damping: float,
    maximise: bool,
) -> float:
    """One round: messages in place, the odds of all beliefs into ``update``. Returns the largest change.

    Gathering, arithmetic and scattering are loops of their own: the arithmetic then runs in vector instructions.
    """
    s_a, s_b, changes = np.empty(BLOCK, to_a.dtype), np.empty(BLOCK, to_a.dtype), np.zeros(BLOCK, to_a.dtype)
    new_a, new_b = np.empty(BLOCK, to_a.dtype), np.empty(BLOCK, to_a.dtype)
    for v in range(theta.size):
        update[v] = theta[v]
    for begin in range(0, a.size, BLOCK):
        end = min(begin + BLOCK, a.size)
        block_a, block_b, old_a, old_b = a[begin:end], b[begin:end], to_a[begin:end], to_b[begin:end]
        for k in range(block_a.size):
            s_a[k], s_b[k] = belief[block_a[k]], belief[block_b[k]]
        psi_01, psi_10, psi_11 = psi[0, begin:end], psi[1, begin:end], psi[2, begin:end]
        new_odds(psi_01, psi_10, psi_11, s_a, old_a, new_b, maximise)
        new_odds(psi_10, psi_01, psi_11, s_b, old_b, new_a, maximise)
        move_odds(old_a, new_a, changes, damping, maximise)
        move_odds(old_b, new_b, changes, damping, maximise)
        for k in range(block_a.size):
            update[block_a[k]] *= old_a[k]
            update[block_b[k]] *= old_b[k]
    largest = 0.0
    for k in range(BLOCK):
        largest = max(largest, changes[k])
    return largest


@jit_inner
def new_odds(psi_01: Array, psi_10: Array, psi_11: Array, s: Array, old: Array, new: Array, maximise: bool) -> None:
    """Odds sent on by a block of factors: psi[x_sender, x_receiver], s the sender's belief, old its own share of it."""
    if maximise:
        for k in range(old.size):
            new[k] = max(psi_01[k] * old[k], psi_11[k] * s[k]) / max(old[k], psi_10[k] * s[k])
    else:
        for k in range(old.size):
            new[k] = (psi_01[k] * old[k] + psi_11[k] * s[k]) / (old[k] + psi_10[k] * s[k])


@jit_inner
def move_odds(odds: Array, new: Array, changes: Array, damping: float, maximise: bool) -> None:
    """odds become new^(1-damping) odds^damping; changes[k] the larger of itself and the change in probability.

    The probabilities of the two states are 1/t and r/t with t = 1 + r, or t = max(1, r) in max mode.
    """
    one = odds.dtype.type(1.0)  # of their precision, or all of it would be done in float64
    if damping > 0.0:
        for k in range(odds.size):
            new[k] = fast_exp((1.0 - damping) * fast_log(new[k]) + damping * fast_log(odds[k]))
    if maximise:
        for k in range(odds.size):
            t, u = max(one, odds[k]), max(one, new[k])
            change = max(abs(odds[k] * u - new[k] * t), abs(t - u)) / (t * u)
            changes[k] = change if change > changes[k] else changes[k]
            odds[k] = new[k]
    else:
        for k in range(odds.size):
            change = abs(odds[k] - new[k]) / ((one + odds[k]) * (one + new[k]))
            changes[k] = change if change > changes[k] else changes[k]
            odds[k] = new[k]


@jit_inner
def log_messages(odds: Array, maximise: bool, mu: Array) -> None:
    """Odds as normalised log messages, edge by edge: log(1, r) - log(1 + r), or - log max(1, r)."""
    for k in range(odds.shape[1]):
        a, b = odds[0, k], odds[1, k]
        total_a, total_b = (max(1.0, a), max(1.0, b)) if maximise else (1.0 + a, 1.0 + b)
        mu[4 * k], mu[4 * k + 1] = fast_log(1.0 / total_a), fast_log(a / total_a)
        mu[4 * k + 2], mu[4 * k + 3] = fast_log(1.0 / total_b), fast_log(b / total_b)


@jit
def pairwise_logs(odds: Array, maximise: bool) -> Array:
    """All log messages in the layout of ``flat.message_ptr``."""
    mu = np.empty(2 * odds.size)
    log_messages(odds, maximise, mu)
    return mu


@jit_inner
def pairwise_beliefs(flat: Flat, belief: Array, maximise: bool) -> Array:
    """Log beliefs (layout of ``flat.field``): from the odds where messages arrive, else the normalised field."""
    logs = flat.field.copy()
    for v in range(belief.size):
        begin, end = flat.field_ptr[v], flat.field_ptr[v + 1]
        if flat.variable_ptr[v] < flat.variable_ptr[v + 1]:
            total = max(1.0, belief[v]) if maximise else 1.0 + belief[v]
            logs[begin], logs[begin + 1] = fast_log(1.0 / total), fast_log(belief[v] / total)
        else:
            normalise(logs, begin, end, maximise)
    return logs
