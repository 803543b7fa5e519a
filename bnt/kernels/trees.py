"""What a large junction tree needs: its elimination order, and the two passes of cliques.py cut into short calls.

The greedy elimination of inference/triangulation.py, in whole numbers only, so both find the same order:

    price(v) = sum of w_a w_b over the pairs of neighbours of v that are not joined yet          (or a kin of it)

A neighbour list that outgrows its place moves to the end of the pool; a tree of winners knows the cheapest variable.
``sweep_on`` and ``decode_on`` do what ``sweep`` and ``decode`` of cliques.py do, for as many operations as they are
given, and go on from there when called again, amid a clique if it is a large one: so a stop button is heard in between.
"""

from __future__ import annotations

import math

import numpy as np

from bnt.graph.factor_graph import Array
from bnt.graph.flat import Ints, Plan
from bnt.kernels.cliques import (
    DONE,
    OUT_OF_RANGE,
    TINY,
    advance,
    divided,
    fill_slab,
    gather_slab,
    operands,
    prepare,
    scaled,
    scratch,
    targets,
)
from bnt.kernels.jit import jit, jit_inner, jit_whole
from bnt.kernels.watch import told_to_stop

FILL, STATES, BOTH = 0, 1, 2  # the price: weight of the fill-in, of the clique, or between the two


@jit_inner
def price_of(
    v: int, kind: int, scale: float, pool: Ints, begin: Ints, length: Ints, weight: Ints, seen: Ints, prices: Array
) -> None:
    """prices[v] = what eliminating v costs, and among equals the weight of its clique; ``seen`` is -1 all over."""
    states, fill = weight[v], 0
    for i in range(begin[v], begin[v] + length[v]):
        states += weight[pool[i]]
    if kind == STATES:
        prices[v, 0], prices[v, 1] = states, 0.0
        return
    for i in range(begin[v], begin[v] + length[v]):
        a = pool[i]
        for j in range(begin[a], begin[a] + length[a]):
            seen[pool[j]] = a
        for j in range(begin[v], begin[v] + length[v]):
            b = pool[j]
            if seen[b] != a and b != a:
                fill += weight[a] * weight[b]
        for j in range(begin[a], begin[a] + length[a]):
            seen[pool[j]] = -1
    prices[v, 0] = fill * math.exp(min(0.1 * states / scale, 700.0)) if kind == BOTH else fill
    prices[v, 1] = states


@jit_inner
def replay(v: int, winner: Ints, prices: Array) -> None:
    """All matches of v up to the root of the tree of winners; of equals the one on the left, which has come first."""
    i = (len(winner) // 2 + v) // 2
    while i > 0:
        left, right = winner[2 * i], winner[2 * i + 1]
        better = right
        if left >= 0 and (
            right < 0
            or prices[left, 0] < prices[right, 0]
            or (prices[left, 0] == prices[right, 0] and prices[left, 1] <= prices[right, 1])
        ):
            better = left
        winner[i] = better
        i //= 2


@jit_inner
def longer(array: Ints, length: int) -> Ints:
    """The same entries, and room for more."""
    found = np.empty(length, dtype=np.int64)
    for i in range(min(length, len(array))):
        found[i] = array[i]
    return found


@jit_whole
def eliminate_all(
    adjacent_ptr: Ints, adjacent: Ints, weight: Ints, kind: int, scale: float, most: int, watch: Array
) -> tuple[Ints, Ints, Ints, int]:
    """(n,) the order, and every variable's neighbours when it went: (n+1,) pointers into the next array.

    adjacent: neighbours of each variable, itself among them. A clique whose weights sum to more than ``most`` ends
    the run with its variable; the sum is returned last, and 0 where all went well. ``watch`` may end it early.
    """
    n = len(weight)
    begin, room, length = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    seen, prices, end = np.empty(n, dtype=np.int64), np.empty((n, 2)), len(adjacent)
    pool = longer(adjacent, 4 * end + 64)
    half = 1
    while half < n:
        half *= 2
    winner = np.empty(2 * half, dtype=np.int64)
    for i in range(2 * half):
        winner[i] = i - half if half <= i < half + n else -1
    for v in range(n):
        begin[v], room[v], seen[v] = adjacent_ptr[v], adjacent_ptr[v + 1] - adjacent_ptr[v], -1
        for i in range(adjacent_ptr[v], adjacent_ptr[v + 1]):
            if adjacent[i] != v:
                pool[begin[v] + length[v]] = adjacent[i]
                length[v] += 1
    for v in range(n):
        price_of(v, kind, scale, pool, begin, length, weight, seen, prices)
        replay(v, winner, prices)
    order, found_ptr, found = np.empty(n, dtype=np.int64), np.zeros(n + 1, dtype=np.int64), np.empty(64, dtype=np.int64)
    for step in range(n):
        v = winner[1]
        first, last = found_ptr[step], found_ptr[step] + length[v]
        if last > len(found):
            found = longer(found, 2 * last)
        order[step], found_ptr[step + 1], states = v, last, weight[v]
        for i in range(length[v]):
            found[first + i] = pool[begin[v] + i]
            states += weight[found[first + i]]
        if states > most or told_to_stop(watch, step, 0.0):
            return order[: step + 1], found_ptr[: step + 2], found[:last], states
        winner[half + v] = -1
        replay(v, winner, prices)
        for i in range(first, last):
            a = found[i]
            if length[a] + length[v] > room[a]:  # move it to where there is room
                room[a] = 2 * (length[a] + length[v])
                if end + room[a] > len(pool):
                    pool = longer(pool, 2 * (end + room[a]))
                for j in range(length[a]):
                    pool[end + j] = pool[begin[a] + j]
                begin[a] = end
                end += room[a]
            seen[a], at = a, begin[a]
            for j in range(begin[a], begin[a] + length[a]):
                if pool[j] != v:
                    seen[pool[j]] = a
                    pool[at] = pool[j]
                    at += 1
            for j in range(first, last):
                if seen[found[j]] != a:
                    pool[at] = found[j]
                    at += 1
            length[a] = at - begin[a]
            for j in range(begin[a], at):
                seen[pool[j]] = -1
            seen[a] = -1
        for i in range(first, last):
            price_of(found[i], kind, scale, pool, begin, length, weight, seen, prices)
            replay(found[i], winner, prices)
    return order, found_ptr, found[: found_ptr[n]], 0


# --- both passes in short calls ---------------------------------------------------------------------------------------

STEP, SLAB_NUMBER, SPENT, BEST_ENTRY = range(4)  # places in ``mark``: where the next call goes on, and what was done


@jit_inner
def go_to(slab: int, lead: int, count: int, room: Ints) -> None:
    """The states of the leading members, and every begin, as they are at this slab, from those of the first one."""
    sizes, steps, about, state = room[0, 0], room[1], room[2], room[5, 0]
    for a in range(lead - 1, -1, -1):
        state[a] = slab % sizes[a]
        slab //= sizes[a]
        for o in range(count):
            about[o, 1] += steps[o, a] * state[a]


@jit
def sweep_on(
    plan: Plan,
    observed: Ints,
    field: Array,
    maximise: bool,
    most: int,
    mark: Ints,
    up_ptr: Ints,
    up: Array,
    down: Array,
    beliefs: Array,
) -> tuple[int, float]:
    """About ``most`` multiplications and additions of ``sweep``, from ``mark`` on. Returns a code and a log factor."""
    cliques, total, ending = len(plan.parent), 0.0, mark[SPENT] + most
    room, table = scratch(plan)
    while mark[STEP] < 2 * cliques and mark[SPENT] < ending:
        downwards = mark[STEP] >= cliques
        c = 2 * cliques - 1 - mark[STEP] if downwards else mark[STEP]
        members = plan.clique_ptr[c + 1] - plan.clique_ptr[c]
        count, lead, size = operands(plan, c, observed, observed, field, up_ptr, downwards, room)
        everything = targets(plan, c, observed, up_ptr, downwards, count, room)
        more = everything > count
        if more:
            prepare(members, lead, everything, room)
            go_to(mark[SLAB_NUMBER], lead, everything, room)
        while more and mark[SPENT] < ending:
            fill_slab(plan, field, up, down, table, size, count, room)
            gather_slab(table, size, up, down, beliefs, count, everything, room, maximise)
            mark[SLAB_NUMBER] += 1
            mark[SPENT] += size * (everything + 1)
            more = advance(lead, everything, room)
        if more:
            return DONE, total
        mark[STEP] += 1
        mark[SLAB_NUMBER] = 0
        if not downwards:
            largest = scaled(up, up_ptr[c], up_ptr[c + 1])
            if not largest >= TINY:
                return OUT_OF_RANGE, total
            total += np.log(largest)
            continue
        if not divided(plan, c, up_ptr, up, down):
            return OUT_OF_RANGE, total
    return DONE, total


@jit
def decode_on(
    plan: Plan, observed: Ints, field: Array, most: int, mark: Ints, peak: Array, chosen: Ints, up_ptr: Ints, up: Array
) -> bool:
    """About ``most`` operations of ``decode``, into ``chosen``; False once all is done. peak: (1,), its best entry."""
    cliques, ending = len(plan.parent), mark[SPENT] + most
    room, table = scratch(plan)
    while mark[STEP] < cliques:
        c = cliques - 1 - mark[STEP]
        begin, members = plan.clique_ptr[c], plan.clique_ptr[c + 1] - plan.clique_ptr[c]
        count, lead, size = operands(plan, c, observed, chosen, field, up_ptr, False, room)
        prepare(members, lead, count, room)
        go_to(mark[SLAB_NUMBER], lead, count, room)
        sizes, more = room[0, 0], True
        if mark[SLAB_NUMBER] == 0:
            peak[0] = -1.0
        while more:
            if mark[SPENT] >= ending:
                return True
            fill_slab(plan, field, up, up, table, size, count, room)
            where = int(np.argmax(table[:size]))
            if table[where] > peak[0]:
                peak[0], mark[BEST_ENTRY] = table[where], mark[SLAB_NUMBER] * size + where
            mark[SLAB_NUMBER] += 1
            mark[SPENT] += size * (count + 1)
            more = advance(lead, count, room)
        entry = mark[BEST_ENTRY]
        for a in range(members - 1, -1, -1):
            v = plan.member[begin + a]
            if chosen[v] < 0:
                chosen[v] = entry % sizes[a]
            entry //= sizes[a]
        mark[STEP] += 1
        mark[SLAB_NUMBER] = 0
    return False
