"""One message, one round, in logarithms. Flat arrays in, flat arrays out (see flat.py).

Messages are natural logarithms. ``mu`` holds factor-to-variable messages, ``nu`` variable-to-factor messages, both
indexed by edge through ``flat.message_ptr``. With field phi and table psi,

    nu_{v->f}(x_v) = phi_v(x_v) + sum_{g of v, g != f} mu_{g->v}(x_v)                      then shifted to max 0
    mu_{f->v}(x_v) = log sum_{x_f with x_v} psi_f(x_f) prod_{u != v} exp nu_{u->f}(x_u)      (or max), normalised

so that sum exp(mu) = 1 in sum mode and max(mu) = 0 in max mode. ``-inf`` is a real zero; exclusion of a message is
done by sums before and after it, never by subtraction, so zeros and rounding stay exact.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bnt.graph.factor_graph import Array
from bnt.graph.flat import Flat, Ints
from bnt.kernels.jit import jit, jit_inner
from bnt.kernels.options import RESIDUAL, Options


@jit
def start_messages(flat: Flat, maximise: bool) -> Array:
    """Uniform messages, normalised for the mode."""
    mu = np.zeros(flat.message_ptr[-1])
    if not maximise:
        for e in range(flat.edge_variable.size):
            for i in range(flat.message_ptr[e], flat.message_ptr[e + 1]):
                mu[i] = -np.log(float(flat.message_ptr[e + 1] - flat.message_ptr[e]))
    return mu


@jit
def variable_messages(flat: Flat, v: int, mu: Array, nu: Array) -> bool:
    """All messages nu_{v->f} of one variable, from sums over the edges before and after. False: no mass left."""
    first, last = flat.variable_ptr[v], flat.variable_ptr[v + 1]
    running = flat.field[flat.field_ptr[v] : flat.field_ptr[v + 1]].copy()
    for t in range(first, last):
        start = flat.message_ptr[flat.variable_edges[t]]
        for s in range(running.size):
            nu[start + s] = running[s]
            running[s] += mu[start + s]
    running[:] = 0.0
    alive = True
    for t in range(last - 1, first - 1, -1):
        start = flat.message_ptr[flat.variable_edges[t]]
        highest = -np.inf
        for s in range(running.size):
            nu[start + s] += running[s]
            running[s] += mu[start + s]
            highest = max(highest, nu[start + s])
        if highest == -np.inf:
            alive = False
        else:
            for s in range(running.size):
                nu[start + s] -= highest
    return alive


@jit_inner
def factor_messages(flat: Flat, k: int, nu: Array, out: Array, maximise: bool) -> bool:
    """All messages mu_{f->v} of factor k into ``out``. Two passes: the maximum, then the sum. False: no mass left."""
    edge0, arity = flat.factor_ptr[k], flat.factor_ptr[k + 1] - flat.factor_ptr[k]
    begin, end = flat.message_ptr[edge0], flat.message_ptr[edge0 + arity]
    highest = np.full(end - begin, -np.inf)
    total = np.zeros(end - begin)
    state = np.zeros(arity, np.int64)
    others = np.empty(arity)
    for summing in range(1 if maximise else 2):
        for t in range(flat.table_ptr[k], flat.table_ptr[k + 1]):
            advance(flat, k, t, state)
            if flat.log_table[t] > -np.inf:
                before = flat.log_table[t]
                for q in range(arity):  # others[q] = log psi + nu of the slots before q
                    others[q] = before
                    before += nu[flat.message_ptr[edge0 + q] + state[q]]
                after = 0.0
                for q in range(arity - 1, -1, -1):  # ... + nu of the slots after q
                    at = flat.message_ptr[edge0 + q] + state[q]
                    score = others[q] + after
                    after += nu[at]
                    if summing == 0:
                        highest[at - begin] = max(highest[at - begin], score)
                    elif score > -np.inf:
                        total[at - begin] += np.exp(score - highest[at - begin])
    for e in range(edge0, edge0 + arity):
        for i in range(flat.message_ptr[e], flat.message_ptr[e + 1]):
            out[i] = highest[i - begin] if maximise else highest[i - begin] + np.log(total[i - begin])
            if highest[i - begin] == -np.inf:
                out[i] = -np.inf
        if not normalise(out, flat.message_ptr[e], flat.message_ptr[e + 1], maximise):
            return False
    return True


@jit_inner
def advance(flat: Flat, k: int, t: int, state: Ints) -> None:
    """``state`` becomes that of each slot in entry t of factor k: listed, or the next one, last slot fastest."""
    edge0, first = flat.factor_ptr[k], flat.table_ptr[k]
    if flat.slot_ptr.size:
        for q in range(state.size):
            state[q] = flat.slot_state[flat.slot_ptr[edge0 + q] + t - first]
    elif t == first:
        for q in range(state.size):
            state[q] = 0
    else:
        for q in range(state.size - 1, -1, -1):
            state[q] += 1
            if state[q] < flat.message_ptr[edge0 + q + 1] - flat.message_ptr[edge0 + q]:
                break
            state[q] = 0


@jit
def normalise(log_values: Array, begin: int, end: int, maximise: bool) -> bool:
    """Shift log_values[begin:end] in place to max 0 (max mode) or sum of exponentials 1. False: all -inf."""
    highest = -np.inf
    for i in range(begin, end):
        highest = max(highest, log_values[i])
    if highest == -np.inf:
        return False
    total = 0.0
    for i in range(begin, end):
        total += np.exp(log_values[i] - highest)
    shift = highest if maximise else highest + np.log(total)
    for i in range(begin, end):
        log_values[i] -= shift
    return True


@jit_inner
def accept(mu: Array, new: Array, begin: int, end: int, damping: float, maximise: bool) -> float:
    """Move mu[begin:end] to (1-damping) new + damping mu, renormalised; return the largest change in probability."""
    change = 0.0
    if damping > 0.0:
        for i in range(begin, end):
            new[i] = (1.0 - damping) * new[i] + damping * mu[i]
        normalise(new, begin, end, maximise)
    for i in range(begin, end):
        change = max(change, abs(np.exp(new[i]) - np.exp(mu[i])))
        mu[i] = new[i]
    return change


@jit_inner
def edge_message(flat: Flat, e: int, mu: Array, nu: Array) -> bool:
    """The single message nu_{v->f} of edge e. False: no mass left."""
    v = flat.edge_variable[e]
    begin = flat.message_ptr[e]
    highest = -np.inf
    for s in range(flat.cardinality[v]):
        value = flat.field[flat.field_ptr[v] + s]
        for t in range(flat.variable_ptr[v], flat.variable_ptr[v + 1]):
            other = flat.variable_edges[t]
            if other != e:
                value += mu[flat.message_ptr[other] + s]
        nu[begin + s] = value
        highest = max(highest, value)
    if highest == -np.inf:
        return False
    for s in range(flat.cardinality[v]):
        nu[begin + s] -= highest
    return True


@jit
def rounds_needed(flat: Flat) -> tuple[Ints, Ints]:
    """After how many flooding rounds each message mu, and each belief, is exact; -1 where a loop is upstream.

    Leaf peeling on the tree of variables and factors: a node sends to its last silent neighbour once all others have
    spoken, and to the rest once that one has answered. A factor-to-variable message costs one round more than the
    latest message behind it, so beliefs are exact after as many rounds as their variable's eccentricity in factor hops.
    """
    n, m, edges = flat.cardinality.size, flat.factor_index.size, flat.edge_variable.size
    to_variable, to_factor, needed = np.empty(edges, np.int64), np.empty(edges, np.int64), np.empty(n, np.int64)
    for e in range(edges):
        to_variable[e] = to_factor[e] = -1
    silent = np.empty(n + m, np.int64)  # edges on which a node still waits for a message
    stack = np.empty(2 * edges + n + m, np.int64)
    height = 0
    for node in range(n + m):
        pointer, at = (flat.variable_ptr, node) if node < n else (flat.factor_ptr, node - n)
        silent[node] = pointer[at + 1] - pointer[at]
        if silent[node] == 1:
            stack[height] = node
            height += 1
    while height > 0:
        height -= 1
        node = stack[height]
        is_variable = node < n
        inward, outward = (to_variable, to_factor) if is_variable else (to_factor, to_variable)
        first = flat.variable_ptr[node] if is_variable else flat.factor_ptr[node - n]
        last = flat.variable_ptr[node + 1] if is_variable else flat.factor_ptr[node - n + 1]
        deepest, second, where = 0, 0, -1  # the two largest depths that arrived
        for t in range(first, last):
            e = flat.variable_edges[t] if is_variable else t
            if inward[e] > deepest:
                deepest, second, where = inward[e], deepest, e
            elif inward[e] > second:
                second = inward[e]
        for t in range(first, last):
            e = flat.variable_edges[t] if is_variable else t
            ready = silent[node] == 0 or (silent[node] == 1 and inward[e] < 0)
            if ready and outward[e] < 0:
                outward[e] = (second if e == where else deepest) + (0 if is_variable else 1)
                neighbour = n + flat.edge_factor[e] if is_variable else flat.edge_variable[e]
                silent[neighbour] -= 1
                if silent[neighbour] <= 1:
                    stack[height] = neighbour
                    height += 1
    for v in range(n):
        needed[v] = 0
        for t in range(flat.variable_ptr[v], flat.variable_ptr[v + 1]):
            depth = to_variable[flat.variable_edges[t]]
            needed[v] = -1 if depth < 0 or needed[v] < 0 else max(needed[v], depth)
    return to_variable, needed


@jit_inner
def forest_order(flat: Flat) -> tuple[bool, Ints, Ints]:
    """Is the graph a forest? If so, its variables breadth first from the roots, and ``up`` (m,): each factor's edge
    towards its root. Variables without an edge are left out."""
    n, m, edges = flat.cardinality.size, flat.factor_index.size, flat.edge_variable.size
    work = np.empty(2 * n + m, np.int64)
    order, up, seen = work[:n], work[n : n + m], work[n + m :]
    if edges >= n + m:  # at most n + m - 1 edges join n + m nodes without a loop
        return False, order[:0], up
    for i in range(n, work.size):
        work[i] = -1
    head = tail = 0
    for root in range(n):
        if seen[root] >= 0 or flat.variable_ptr[root] == flat.variable_ptr[root + 1]:
            continue
        seen[root] = tail
        order[tail] = root
        tail += 1
        while head < tail:
            v = order[head]
            head += 1
            for t in range(flat.variable_ptr[v], flat.variable_ptr[v + 1]):
                e = flat.variable_edges[t]
                k = flat.edge_factor[e]
                if up[k] < 0:
                    up[k] = e
                    for other in range(flat.factor_ptr[k], flat.factor_ptr[k + 1]):
                        u = flat.edge_variable[other]
                        if other != e:
                            if seen[u] >= 0:  # there is another way to it
                                return False, order[:0], up
                            seen[u] = tail
                            order[tail] = u
                            tail += 1
    return True, order[:tail], up


@jit
def when_it_ends(needed: Ints, options: Options) -> tuple[int, int, float]:
    """Most rounds, least rounds, and the change of a round to stop at; ``needed`` by ``rounds_needed``.

    A forest is done after its deepest variable; RESIDUAL, when no change is pending at all.
    """
    if options.rounds >= 0:
        return options.rounds, options.rounds, -1.0
    deepest, forest = 0, options.damping == 0.0
    for v in range(needed.size):
        deepest = max(deepest, needed[v])
        forest &= needed[v] >= 0
    if options.schedule == RESIDUAL:
        return options.most, 0, 0.0 if forest else options.tolerance
    return deepest if forest else options.most, deepest, options.tolerance


@jit
def which_exact(needed: Ints, changes: Array, options: Options) -> NDArray[np.bool_]:
    """Which variables are exact after these rounds: their trees are through. RESIDUAL: nothing is pending at all."""
    exact = np.empty(needed.size, np.bool_)
    ran = changes.size
    settled = ran == 0 or changes[ran - 1] == 0.0
    for v in range(needed.size):
        through = settled if options.schedule == RESIDUAL and needed[v] > 0 else needed[v] <= ran
        exact[v] = options.damping == 0.0 and needed[v] >= 0 and through
    return exact
