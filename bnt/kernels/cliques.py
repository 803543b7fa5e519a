"""Exact inference on a junction tree: a message up every edge, one back down, and the beliefs on the way.

    up_c(s)    =  sum over clique c without its separator s of   prod factors_c  prod_(children d) up_d
    down_d(s)  =  sum over clique c without s of   prod factors_c  down_c  prod_(other children e) up_e   (child d)

(max replaces sum in max mode.) No clique's table is kept: it is made in slabs that fit a cache, summed, and made again
on the way down. Observed variables have one state here, so evidence shrinks every table and leaves the tree as it is.
"""

from __future__ import annotations

import numpy as np

from bnt.graph.factor_graph import Array
from bnt.graph.flat import Ints, Plan
from bnt.kernels.jit import jit, jit_inner

SLAB = 2**14  # entries of the table under work
TINY = 1e-140  # a message whose largest entry is smaller may have lost others to the range of a float64
DONE, OUT_OF_RANGE = 0, 1


@jit_inner
def runs(sizes: Ints, steps: Ints, first: int, last: int, lengths: Ints, strides: Ints) -> int:
    """Axes first:last as few loops as possible, neighbours joined where one step fits both. Returns how many."""
    count = 0
    for a in range(first, last):
        if sizes[a] == 1:
            continue
        if count > 0 and strides[count - 1] == steps[a] * sizes[a]:
            lengths[count - 1] *= sizes[a]
            strides[count - 1] = steps[a]
        else:
            lengths[count], strides[count] = sizes[a], steps[a]
            count += 1
    while count < 2:  # two loops are written out below
        for r in range(count, 0, -1):
            lengths[r], strides[r] = lengths[r - 1], strides[r - 1]
        lengths[0], strides[0] = 1, 0
        count += 1
    return count


@jit_inner
def multiply(
    table: Array, size: int, small: Array, begin: int, lengths: Ints, strides: Ints, count: int, state: Ints
) -> None:
    """table *= small, spread over the axes it lacks."""
    rows, columns = lengths[count - 2], lengths[count - 1]
    row_step, step = strides[count - 2], strides[count - 1]
    state[:count] = 0
    at, where = 0, begin
    while at < size:
        for i in range(rows):
            source = where + i * row_step
            if step == 0:
                factor = small[source]
                for j in range(columns):
                    table[at + j] *= factor
            elif step == 1:
                for j in range(columns):
                    table[at + j] *= small[source + j]
            else:
                for j in range(columns):
                    table[at + j] *= small[source + j * step]
            at += columns
        r = count - 3
        while r >= 0:
            state[r] += 1
            where += strides[r]
            if state[r] < lengths[r]:
                break
            where -= strides[r] * lengths[r]
            state[r] = 0
            r -= 1


@jit_inner
def gather(
    table: Array,
    size: int,
    out: Array,
    begin: int,
    lengths: Ints,
    strides: Ints,
    count: int,
    state: Ints,
    maximise: bool,
) -> None:
    """out += table summed (maximised) over the axes that out lacks."""
    rows, columns = lengths[count - 2], lengths[count - 1]
    row_step, step = strides[count - 2], strides[count - 1]
    state[:count] = 0
    at, where = 0, begin
    while at < size:
        for i in range(rows):
            target = where + i * row_step
            if step == 0:
                if maximise:
                    best = out[target]
                    for j in range(columns):
                        best = max(best, table[at + j])
                    out[target] = best
                else:
                    one, two, three, four = 0.0, 0.0, 0.0, 0.0
                    whole = columns - columns % 4
                    for j in range(0, whole, 4):
                        one += table[at + j]
                        two += table[at + j + 1]
                        three += table[at + j + 2]
                        four += table[at + j + 3]
                    for j in range(whole, columns):
                        one += table[at + j]
                    out[target] += (one + two) + (three + four)
            elif maximise:
                for j in range(columns):
                    out[target + j * step] = max(out[target + j * step], table[at + j])
            elif step == 1:
                for j in range(columns):
                    out[target + j] += table[at + j]
            else:
                for j in range(columns):
                    out[target + j * step] += table[at + j]
            at += columns
        r = count - 3  # as in multiply: a function of its own takes large trees half as long again, or more
        while r >= 0:
            state[r] += 1
            where += strides[r]
            if state[r] < lengths[r]:
                break
            where -= strides[r] * lengths[r]
            state[r] = 0
            r -= 1


@jit
def layout(plan: Plan, observed: Ints) -> Ints:
    """(C+1,) where each clique's message to its parent begins. It has one entry per joint state of the separator."""
    cliques = len(plan.parent)
    begin = np.zeros(cliques + 1, dtype=np.int64)
    for c in range(cliques):
        size = 1
        for j in range(plan.clique_ptr[c], plan.clique_ptr[c] + plan.shared[c]):
            if observed[plan.member[j]] < 0:
                size *= plan.cardinality[plan.member[j]]
        begin[c + 1] = begin[c] + size
    return begin


@jit_inner
def scratch(plan: Plan) -> tuple[Ints, Array]:
    """Room for the most tables that meet in one clique (members, steps, ...), and for the slab."""
    deepest, most = 3, 1
    for c in range(len(plan.parent)):
        deepest = max(deepest, plan.clique_ptr[c + 1] - plan.clique_ptr[c])
        children, parts = plan.child_ptr[c + 1] - plan.child_ptr[c], plan.part_ptr[c + 1] - plan.part_ptr[c]
        homes = plan.home_ptr[c + 1] - plan.home_ptr[c]
        most = max(most, parts + 2 * children + homes + 3)
    return np.empty((7, most, deepest), dtype=np.int64), np.empty(max(SLAB, plan.cardinality.max()))


@jit_inner
def message_steps(plan: Plan, d: int, here: bool, observed: Ints, steps: Ints) -> None:
    """Steps of the message between clique d and its parent, along the axes of d (here) or of the parent."""
    step, begin = 1, plan.clique_ptr[d]
    for j in range(plan.shared[d] - 1, -1, -1):
        axis = j if here else plan.above[begin + j]
        if observed[plan.member[begin + j]] < 0:
            steps[axis] = step
            step *= plan.cardinality[plan.member[begin + j]]


@jit_inner
def operands(
    plan: Plan, c: int, observed: Ints, fixed: Ints, field: Array, up_ptr: Ints, downwards: bool, room: Ints
) -> tuple[int, int, int]:
    """Everything that clique c multiplies: its kind (0 table, 1 field, 2 message up, 3 down), begin and steps.

    fixed: state of the variables that have one here, as evidence has or the best assignment so far; -1 else. Returns
    how many there are, and how many leading members to go through one by one so that the rest fits a slab.
    """
    first, last = plan.clique_ptr[c], plan.clique_ptr[c + 1]
    sizes, steps, about = room[0, 0], room[1], room[2]
    for a in range(last - first):
        v = plan.member[first + a]
        sizes[a] = plan.cardinality[v] if fixed[v] < 0 else 1
    count = 0
    for p in range(plan.part_ptr[c], plan.part_ptr[c + 1]):
        if plan.is_field[p]:
            plain = True
            v = plan.slot_variable[plan.slot_ptr[p]]
            for s in range(plan.state_ptr[v], plan.state_ptr[v + 1]):
                plain &= field[s] == 1.0
            if plain:
                continue
        steps[count, : last - first] = 0
        begin = plan.part_begin[p]
        for q in range(plan.slot_ptr[p], plan.slot_ptr[p + 1]):
            seen = observed[plan.slot_variable[q]]
            if seen >= 0:
                begin += seen * plan.slot_step[q]
            else:
                steps[count, plan.slot_member[q]] = plan.slot_step[q]
        about[count, 0], about[count, 1] = plan.is_field[p], begin
        count += 1
    for i in range(plan.child_ptr[c], plan.child_ptr[c + 1]):
        d = plan.child[i]
        steps[count, : last - first] = 0
        message_steps(plan, d, False, observed, steps[count])
        about[count, 0], about[count, 1] = 2, up_ptr[d]
        count += 1
    if downwards and plan.parent[c] >= 0:
        steps[count, : last - first] = 0
        message_steps(plan, c, True, observed, steps[count])
        about[count, 0], about[count, 1] = 3, up_ptr[c]
        count += 1
    for a in range(last - first):
        v = plan.member[first + a]
        if fixed[v] >= 0:
            for o in range(count):
                about[o, 1] += fixed[v] * steps[o, a]
                steps[o, a] = 0
    lead, size = last - first, 1
    while lead > 0 and (size * sizes[lead - 1] <= SLAB or size == 1):
        lead -= 1
        size *= sizes[lead]
    return count, lead, size


@jit_inner
def targets(plan: Plan, c: int, observed: Ints, up_ptr: Ints, downwards: bool, first: int, room: Ints) -> int:
    """Where the table of clique c is summed into, from row ``first`` on: kind 2 message up, 3 down, 4 belief."""
    members = plan.clique_ptr[c + 1] - plan.clique_ptr[c]
    steps, about, count = room[1], room[2], first
    if not downwards:
        steps[count, :members] = 0
        message_steps(plan, c, True, observed, steps[count])
        about[count, 0], about[count, 1] = 2, up_ptr[c]
        return count + 1
    for i in range(plan.child_ptr[c], plan.child_ptr[c + 1]):
        d = plan.child[i]
        steps[count, :members] = 0
        message_steps(plan, d, False, observed, steps[count])
        about[count, 0], about[count, 1] = 3, up_ptr[d]
        count += 1
    for h in range(plan.home_ptr[c], plan.home_ptr[c + 1]):
        v = plan.member[plan.clique_ptr[c] + plan.home_member[h]]
        if observed[v] < 0:
            steps[count, :members] = 0
            steps[count, plan.home_member[h]] = 1
            about[count, 0], about[count, 1] = 4, plan.state_ptr[v]
            count += 1
    return count


@jit_inner
def prepare(members: int, lead: int, count: int, room: Ints) -> None:
    """Loops of every operand and target over the members that a slab holds; the others start at their first state."""
    for o in range(count):
        room[2, o, 2] = runs(room[0, 0], room[1, o], lead, members, room[3, o], room[4, o])
    room[5, 0, :lead] = 0


@jit_inner
def fill_slab(
    plan: Plan, field: Array, up: Array, down: Array, table: Array, size: int, count: int, room: Ints
) -> None:
    """The product of all operands over the slab at the present states of the leading members."""
    about, lengths, strides, state = room[2], room[3], room[4], room[6, 0]
    table[:size] = 1.0
    for o in range(count):
        kind, begin, loops = about[o, 0], about[o, 1], about[o, 2]
        if kind == 0:
            multiply(table, size, plan.tables, begin, lengths[o], strides[o], loops, state)
        elif kind == 1:
            multiply(table, size, field, begin, lengths[o], strides[o], loops, state)
        elif kind == 2:
            multiply(table, size, up, begin, lengths[o], strides[o], loops, state)
        else:
            multiply(table, size, down, begin, lengths[o], strides[o], loops, state)


@jit_inner
def advance(lead: int, count: int, room: Ints) -> bool:
    """To the next slab: False after the last one. Begins move along with the states of the leading members."""
    sizes, steps, about, state = room[0, 0], room[1], room[2], room[5, 0]
    for a in range(lead - 1, -1, -1):
        state[a] += 1
        back = state[a] == sizes[a]
        for o in range(count):
            about[o, 1] += steps[o, a] * (1 - sizes[a] if back else 1)
        if not back:
            return True
        state[a] = 0
    return False


@jit_inner
def gather_slab(
    table: Array,
    size: int,
    up: Array,
    down: Array,
    beliefs: Array,
    count: int,
    everything: int,
    room: Ints,
    maximise: bool,
) -> None:
    """``gather`` into every target of a clique: operands ``count`` to ``everything``."""
    about, lengths, strides, state = room[2], room[3], room[4], room[6, 0]
    for o in range(count, everything):
        kind, begin, loops = about[o, 0], about[o, 1], about[o, 2]
        if kind == 2:
            gather(table, size, up, begin, lengths[o], strides[o], loops, state, maximise)
        elif kind == 3:
            gather(table, size, down, begin, lengths[o], strides[o], loops, state, maximise)
        else:
            gather(table, size, beliefs, begin, lengths[o], strides[o], loops, state, maximise)


@jit_inner
def scaled(message: Array, begin: int, end: int) -> float:
    """Divide by the largest entry and return it."""
    largest = 0.0
    for s in range(begin, end):
        largest = max(largest, message[s])
    if largest > 0.0:
        for s in range(begin, end):
            message[s] /= largest
    return largest


@jit_inner
def divided(plan: Plan, c: int, up_ptr: Ints, up: Array, down: Array) -> bool:
    """What clique c sends to each clique below it: its sum over what that one sent up, scaled. False: out of range."""
    for i in range(plan.child_ptr[c], plan.child_ptr[c + 1]):
        begin, end = up_ptr[plan.child[i]], up_ptr[plan.child[i] + 1]
        if not scaled(down, begin, end) >= TINY:
            return False
        for s in range(begin, end):
            down[s] = down[s] / up[s] if up[s] > 0.0 else 0.0
        scaled(down, begin, end)
    return True


@jit
def sweep(
    plan: Plan,
    observed: Ints,
    field: Array,
    maximise: bool,
    first: int,
    last: int,
    up_ptr: Ints,
    up: Array,
    down: Array,
    beliefs: Array,
) -> tuple[int, float]:
    """Steps first..last-1 of 2C: cliques 0..C-1 send up, then C-1..0 send down. Returns a code and a log factor."""
    cliques, total = len(plan.parent), 0.0
    room, table = scratch(plan)
    for step in range(first, last):
        downwards = step >= cliques
        c = 2 * cliques - 1 - step if downwards else step
        members = plan.clique_ptr[c + 1] - plan.clique_ptr[c]
        count, lead, size = operands(plan, c, observed, observed, field, up_ptr, downwards, room)
        everything = targets(plan, c, observed, up_ptr, downwards, count, room)
        if everything == count:
            continue
        prepare(members, lead, everything, room)
        more = True
        while more:
            fill_slab(plan, field, up, down, table, size, count, room)
            gather_slab(table, size, up, down, beliefs, count, everything, room, maximise)
            more = advance(lead, everything, room)
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
def normalise_beliefs(plan: Plan, observed: Ints, beliefs: Array) -> int:
    """Every belief sums to one; observed variables are certain. Returns a code."""
    for v in range(len(plan.cardinality)):
        begin, end = plan.state_ptr[v], plan.state_ptr[v + 1]
        if observed[v] >= 0:
            beliefs[begin:end] = 0.0
            beliefs[begin + observed[v]] = 1.0
            continue
        total = 0.0
        for s in range(begin, end):
            total += beliefs[s]
        if not total >= TINY:
            return OUT_OF_RANGE
        for s in range(begin, end):
            beliefs[s] /= total
    return DONE


@jit
def decode(plan: Plan, observed: Ints, field: Array, up_ptr: Ints, up: Array) -> Ints:
    """(n,) a most probable joint state, from the max-messages: from the roots on, each clique given what is chosen."""
    chosen = observed.copy()
    room, table = scratch(plan)
    for c in range(len(plan.parent) - 1, -1, -1):
        begin, members = plan.clique_ptr[c], plan.clique_ptr[c + 1] - plan.clique_ptr[c]
        count, lead, size = operands(plan, c, observed, chosen, field, up_ptr, False, room)
        prepare(members, lead, count, room)
        best, more = -1.0, True
        leading = np.zeros(lead, dtype=np.int64)
        inside = 0
        while more:
            fill_slab(plan, field, up, up, table, size, count, room)
            where = int(np.argmax(table[:size]))
            if table[where] > best:
                best, inside = table[where], where
                leading[:] = room[5, 0, :lead]
            more = advance(lead, count, room)
        for a in range(members - 1, -1, -1):
            v = plan.member[begin + a]
            if chosen[v] < 0:
                if a >= lead:
                    chosen[v] = inside % plan.cardinality[v]
                    inside //= plan.cardinality[v]
                else:
                    chosen[v] = leading[a]
    return chosen


@jit
def solve(plan: Plan, observed: Ints, field: Array, maximise: bool) -> tuple[int, float, Array, Ints]:
    """In one call: a code, the log of the total mass (max mode: the largest), beliefs (S,), the best state (n,)."""
    up_ptr = layout(plan, observed)
    up, down, beliefs = np.zeros(up_ptr[-1]), np.zeros(up_ptr[-1]), np.zeros(plan.state_ptr[-1])
    best = observed
    code, total = sweep(plan, observed, field, maximise, 0, 2 * len(plan.parent), up_ptr, up, down, beliefs)
    if code == DONE:
        code = normalise_beliefs(plan, observed, beliefs)
    if code == DONE and maximise:
        best = decode(plan, observed, field, up_ptr, up)
    return code, total, beliefs, best


@jit
def solve_rows(plan: Plan, observed: Ints, field: Array, maximise: bool, beliefs: Array, codes: Ints) -> None:
    """``solve`` for every row of observed states (u, n), into beliefs (u, S) and codes (u,)."""
    for u in range(len(observed)):
        codes[u], _, found, _ = solve(plan, observed[u], field, maximise)
        if codes[u] == DONE:
            beliefs[u] = found
