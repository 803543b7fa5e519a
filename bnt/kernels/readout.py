"""Read from finished messages: beliefs, scores, the Bethe estimate of log Z; and whether any state is possible."""

from __future__ import annotations

import numpy as np

from bnt.graph.factor_graph import Array
from bnt.graph.flat import Flat, Ints
from bnt.kernels.equations import variable_messages
from bnt.kernels.exp_log import exp_of, fast_log
from bnt.kernels.jit import jit, jit_inner

IMPOSSIBLE, POSSIBLE, UNKNOWN = 0, 1, -1


@jit
def log_beliefs(flat: Flat, mu: Array, maximise: bool) -> tuple[Array, bool]:
    """phi_v + sum of incoming messages, normalised per variable (layout of ``flat.field``). False: no mass."""
    logs = flat.field.copy()
    for e in range(flat.edge_variable.size):
        begin, start = flat.field_ptr[flat.edge_variable[e]], flat.message_ptr[e]
        for s in range(flat.message_ptr[e + 1] - start):
            logs[begin + s] += mu[start + s]
    alive = True
    weights = np.empty(logs.size)
    for v in range(flat.cardinality.size):
        highest = -np.inf
        for i in range(flat.field_ptr[v], flat.field_ptr[v + 1]):
            highest = logs[i] if logs[i] > highest else highest
        alive &= highest > -np.inf
        for i in range(flat.field_ptr[v], flat.field_ptr[v + 1]):
            logs[i] -= highest
    if maximise:
        return logs, alive
    totals = np.empty(flat.cardinality.size)
    exp_of(logs, weights)
    for v in range(totals.size):
        totals[v] = 0.0
        for i in range(flat.field_ptr[v], flat.field_ptr[v + 1]):
            totals[v] += weights[i]
    for v in range(totals.size):
        totals[v] = fast_log(totals[v])
    for v in range(totals.size):
        for i in range(flat.field_ptr[v], flat.field_ptr[v + 1]):
            logs[i] -= totals[v]
    return logs, alive


@jit
def bethe_terms(flat: Flat, mu: Array) -> Array:
    """Terms whose sum is the Bethe estimate of log Z from the current messages (exact on forests at the fixed point):

    sum_f log sum psi prod nu  +  sum_v log sum phi prod mu  -  sum_edges log sum_x nu mu.

    They are large and cancel, so add them with math.fsum.
    """
    nu = np.zeros(mu.size)
    n, edges = flat.cardinality.size, flat.edge_variable.size
    terms = np.empty(n + edges + flat.factor_index.size)
    for v in range(n):
        variable_messages(flat, v, mu, nu)
        belief = flat.field[flat.field_ptr[v] : flat.field_ptr[v + 1]].copy()
        for t in range(flat.variable_ptr[v], flat.variable_ptr[v + 1]):
            start = flat.message_ptr[flat.variable_edges[t]]
            for s in range(belief.size):
                belief[s] += mu[start + s]
        terms[v] = log_sum(belief)
    for e in range(edges):
        begin, end = flat.message_ptr[e], flat.message_ptr[e + 1]
        terms[n + e] = -log_sum(nu[begin:end] + mu[begin:end])
    for k in range(flat.factor_index.size):
        terms[n + edges + k] = log_sum(factor_scores(flat, k, nu))
    return terms


@jit
def all_scores(flat: Flat, mu: Array) -> Array:
    """``factor_scores`` of every factor at the messages mu, (T,) in the layout of ``flat.log_table``."""
    nu, scores = np.zeros(mu.size), np.empty(flat.log_table.size)
    for v in range(flat.cardinality.size):
        variable_messages(flat, v, mu, nu)
    for k in range(flat.factor_index.size):
        one = factor_scores(flat, k, nu)
        for i in range(one.size):
            scores[flat.table_ptr[k] + i] = one[i]
    return scores


@jit_inner
def factor_scores(flat: Flat, k: int, nu: Array) -> Array:
    """log psi_f(x_f) + sum_u nu_{u->f}(x_u) for every configuration of factor k: in C order, or as listed."""
    edge0, arity = flat.factor_ptr[k], flat.factor_ptr[k + 1] - flat.factor_ptr[k]
    scores = flat.log_table[flat.table_ptr[k] : flat.table_ptr[k + 1]].copy()
    stride = scores.size
    for e in range(edge0, edge0 + arity):
        begin, states = flat.message_ptr[e], flat.message_ptr[e + 1] - flat.message_ptr[e]
        if flat.slot_ptr.size:
            state = flat.slot_state[flat.slot_ptr[e] : flat.slot_ptr[e] + scores.size]
            for i in range(scores.size):
                scores[i] += nu[begin + state[i]]
        else:
            stride //= states
            for i in range(scores.size):
                scores[i] += nu[begin + (i // stride) % states]
    return scores


@jit_inner
def log_sum(log_values: Array) -> float:
    """log sum exp, compensated (Kahan): 1e5 equal terms round in one direction. ``log_values`` is used up."""
    highest, total, lost = -np.inf, 0.0, 0.0
    for i in range(log_values.size):
        highest = max(highest, log_values[i])
    if highest == -np.inf:
        return -np.inf
    for i in range(log_values.size):
        log_values[i] -= highest
    exp_of(log_values, log_values)
    for i in range(log_values.size):
        term = log_values[i] - lost
        before, total = total, total + term
        lost = (total - before) - term
    return highest + np.log(total)


@jit
def search_order(flat: Flat) -> Ints:
    """Variables with edges, breadth first from each component's first one: neighbours follow each other."""
    n = flat.cardinality.size
    order = np.empty(n, np.int64)
    seen = np.zeros(n, np.bool_)
    head, tail = 0, 0
    for root in range(n):
        if seen[root] or flat.variable_ptr[root] == flat.variable_ptr[root + 1]:
            continue
        seen[root] = True
        order[tail] = root
        tail += 1
        while head < tail:
            v = order[head]
            head += 1
            for t in range(flat.variable_ptr[v], flat.variable_ptr[v + 1]):
                k = flat.edge_factor[flat.variable_edges[t]]
                for e in range(flat.factor_ptr[k], flat.factor_ptr[k + 1]):
                    u = flat.edge_variable[e]
                    if not seen[u]:
                        seen[u] = True
                        order[tail] = u
                        tail += 1
    return order[:tail]


@jit
def find_support(flat: Flat, order: Ints, preference: Array, most: int, chosen: Ints) -> int:
    """Is there a configuration of positive probability? POSSIBLE, IMPOSSIBLE, or UNKNOWN after ``most`` trials.

    ``chosen`` (n,) is where it is written: the state of every variable in ``order``.

    Depth-first search: variables in ``order``, states by descending ``preference`` (layout of ``flat.field``); a state
    is tried only if every factor over the variable still has a positive entry given the states chosen so far.
    """
    for v in range(chosen.size):
        chosen[v] = -1
    tried = np.zeros(flat.field.size, np.bool_)
    depth = 0
    trials = 0
    while 0 <= depth < order.size:
        v = order[depth]
        begin = flat.field_ptr[v]
        found = False
        while not found:
            state = -1  # the most preferred state that is left
            for s in range(flat.cardinality[v]):
                if not tried[begin + s] and (state < 0 or preference[begin + s] > preference[begin + state]):
                    state = s
            chosen[v] = state
            if state < 0:
                break
            tried[begin + state] = True
            trials += 1
            if trials > most:
                return UNKNOWN
            found = flat.field[begin + state] > -np.inf
            for t in range(flat.variable_ptr[v], flat.variable_ptr[v + 1]):
                found = found and still_possible(flat, flat.edge_factor[flat.variable_edges[t]], chosen)
        if found:
            depth += 1
        else:
            for s in range(flat.cardinality[v]):
                tried[begin + s] = False
            depth -= 1
    return POSSIBLE if depth >= 0 else IMPOSSIBLE


@jit_inner
def still_possible(flat: Flat, k: int, chosen: Ints) -> bool:
    """Has factor k a positive entry that agrees with the states chosen so far (-1: open)?"""
    for t in range(flat.table_ptr[k], flat.table_ptr[k + 1]):
        rest = t - flat.table_ptr[k]
        agrees = flat.log_table[t] > -np.inf
        e = flat.factor_ptr[k + 1] - 1
        while agrees and e >= flat.factor_ptr[k]:  # last slot fastest
            v = flat.edge_variable[e]
            agrees = chosen[v] < 0 or chosen[v] == rest % flat.cardinality[v]
            rest //= flat.cardinality[v]
            e -= 1
        if agrees:
            return True
    return False
