"""Any factors in plain probabilities, flooding and forests in two sweeps: equations.py without exp and log in the loop.

Messages are kept as probabilities, so a round is products and sums. That is safe as long as no product of positive
numbers falls below ``SMALLEST``: before each product the smallest positive entries are multiplied, and where that
bound is too small the run stops with ``UNDERFLOW`` and is repeated in logarithms (schedules.py). A zero is a real zero.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bnt.graph.factor_graph import Array
from bnt.graph.flat import Flat, Ints
from bnt.kernels.exp_log import exp_of, fast_exp, fast_log, log_of
from bnt.kernels.jit import jit_inline, jit_inner, jit_loop
from bnt.kernels.options import ROUND, RUNNING, STOP
from bnt.kernels.watch import told_to_stop

DONE, NO_MASS, UNDERFLOW = 0, 1, 2
RESCALE = 1e-20  # a product of messages smaller than this is scaled to maximum 1
SMALLEST = 1e-290  # far above the smallest normal number, 2e-308: room for the sums' normalisation


class Tables(NamedTuple):
    """Everything in probabilities that a run on tables works on; fields and tables are scaled to maximum 1."""

    field: Array  # (S,)
    field_lowest: Array  # (n,) smallest positive entry of each field
    table: Array  # (T,)
    table_lowest: Array  # (m,)
    mu: Array  # (M,) factor to variable, normalised for the mode
    nu: Array  # (M,) variable to factor, any scale
    new: Array  # (M,) the next mu
    mu_lowest: Array  # (E,) smallest positive entry of each mu
    nu_lowest: Array  # (E,) and of each nu
    product: Array  # scratch: one variable's states
    weight: Array  # scratch of sums_of_many
    rest: Array


@jit_inner
def start_tables(flat: Flat, maximise: bool) -> Tables:
    """Uniform messages, and room for all that follows."""
    edges, length = flat.edge_variable.size, flat.message_ptr[-1]
    mu, nu, lowest = np.empty(length), np.ones(length), np.empty(edges)
    field, field_lowest = scaled_exp(flat.field, flat.field_ptr)
    table, table_lowest = scaled_exp(flat.log_table, flat.table_ptr)
    for e in range(edges):
        lowest[e] = 1.0 if maximise else 1.0 / (flat.message_ptr[e + 1] - flat.message_ptr[e])
        for i in range(flat.message_ptr[e], flat.message_ptr[e + 1]):
            mu[i] = lowest[e]
    widest, largest = 0, 0
    for v in range(flat.cardinality.size):
        widest = max(widest, flat.cardinality[v])
    for f in range(flat.factor_index.size):
        if flat.factor_ptr[f + 1] - flat.factor_ptr[f] > 3:
            largest = max(largest, flat.table_ptr[f + 1] - flat.table_ptr[f])
    scratch = np.empty(widest), np.empty(2 * largest), np.empty(largest)
    return Tables(field, field_lowest, table, table_lowest, mu, nu, np.empty(length), lowest, np.ones(edges), *scratch)


@jit_inner
def flood_tables(
    flat: Flat, damping: float, maximise: bool, most: int, least: int, stop_at: float, history: Array, watch: Array
) -> tuple[int, int, Array, Array]:
    """Flooding rounds from uniform messages; arguments as in schedules.run_rounds.

    Returns DONE | NO_MASS | UNDERFLOW, rounds run, the change of each round, and the log messages mu.
    """
    w = start_tables(flat, maximise)
    if history.shape[0]:
        log_of(w.mu, history[0])
    changes = np.empty(most)
    code, ran = DONE, 0
    n, m, edges = flat.cardinality.size, flat.factor_index.size, flat.edge_variable.size
    while ran < most and code == DONE:
        code = variable_products(flat, w, 0, n)
        if code == DONE:
            code = factor_sums(flat, w, 0, m, maximise)
        if code == DONE:
            change = move(flat, w, 0, edges, damping, maximise)
            if change < 0.0:
                code = NO_MASS
            else:
                changes[ran] = change
                ran += 1
                if history.shape[0]:
                    log_of(w.mu, history[ran])
                if (change <= stop_at and ran >= least) or told_to_stop(watch, ran, change):
                    break
    log_of(w.mu, w.mu)
    return code, ran, changes[:ran], w.mu


@jit_inner
def sweep_tables(flat: Flat, order: Ints, up: Ints, maximise: bool, watch: Array) -> tuple[int, int, Array, Array]:
    """A forest in two sweeps: every message once towards the roots, then once away from them (equations.forest_order).

    Returns as flood_tables, with two rounds, or none if the sweeps were told to stop before they were through.
    """
    w = start_tables(flat, maximise)
    changes = np.zeros(2)
    watch[ROUND] = 1.0  # from here on a limit of time is kept
    code = DONE
    for i in range(order.size - 1, -1, -1):
        v = order[i]
        for t in range(flat.variable_ptr[v], flat.variable_ptr[v + 1]):
            e = flat.variable_edges[t]
            k = flat.edge_factor[e]
            if up[k] == e and code == DONE:
                code = factor_sums(flat, w, k, k + 1, maximise)
                change = move(flat, w, e, e + 1, 0.0, maximise) if code == DONE else 0.0
                code = NO_MASS if change < 0.0 else code
                changes[0] = max(changes[0], change)
        if code == DONE:
            code = variable_products(flat, w, v, v + 1)
        if code != DONE or watch[STOP] != RUNNING:
            break
    done = 0
    for i in range(order.size if code == DONE else 0):
        if watch[STOP] != RUNNING:
            break
        v = order[i]
        code = variable_products(flat, w, v, v + 1)
        for t in range(flat.variable_ptr[v], flat.variable_ptr[v + 1]):
            k = flat.edge_factor[flat.variable_edges[t]]
            if up[k] == flat.variable_edges[t] and code == DONE:
                code = factor_sums(flat, w, k, k + 1, maximise)
                for e in range(flat.factor_ptr[k], flat.factor_ptr[k + 1]):
                    if e != up[k] and code == DONE:
                        change = move(flat, w, e, e + 1, 0.0, maximise)
                        code = NO_MASS if change < 0.0 else code
                        changes[1] = max(changes[1], change)
        if code != DONE:
            break
        done += 1
    log_of(w.mu, w.mu)
    ran = 2 if order.size and done == order.size else 0
    return code, ran, changes[:ran], w.mu


@jit_inner
def scaled_exp(log_values: Array, pointer: Array) -> tuple[Array, Array]:
    """exp of each block log_values[pointer[b]:pointer[b+1]], scaled to maximum 1; and its smallest positive entry.

    An entry that is positive but too small for a float64 makes that 0.
    """
    values, lowest = np.empty(log_values.size), np.empty(pointer.size - 1)
    for b in range(lowest.size):
        highest, low = -np.inf, np.inf
        for i in range(pointer[b], pointer[b + 1]):
            value = log_values[i]
            highest = value if value > highest else highest
            low = value if -np.inf < value < low else low
        for i in range(pointer[b], pointer[b + 1]):
            values[i] = log_values[i] - highest
        lowest[b] = low - highest if low < np.inf else -np.inf
    exp_of(values, values)
    exp_of(lowest, lowest)
    return values, lowest


@jit_loop
def variable_products(flat: Flat, w: Tables, begin_v: int, end_v: int) -> int:
    """nu_{v->f} = phi_v prod_{g != f} mu_{g->v}, any scale, for the variables begin_v .. end_v - 1."""
    for v in range(begin_v, end_v):
        code = products_of(flat, w, v)
        if code != DONE:
            return code
    return DONE


@jit_inline
def products_of(flat: Flat, w: Tables, v: int) -> int:
    """``variable_products`` of one variable. DONE | NO_MASS | UNDERFLOW."""
    field, mu, nu, product = w.field, w.mu, w.nu, w.product
    first, last, states = flat.variable_ptr[v], flat.variable_ptr[v + 1], flat.cardinality[v]
    if first == last:
        return DONE
    bound = w.field_lowest[v]
    for s in range(states):
        product[s] = field[flat.field_ptr[v] + s]
    for t in range(first, last):  # nu = product over the edges before
        e = flat.variable_edges[t]
        begin = flat.message_ptr[e]
        bound *= w.mu_lowest[e]
        for s in range(states):
            nu[begin + s] = product[s]
            product[s] *= mu[begin + s]
    if bound < SMALLEST:
        return UNDERFLOW
    for s in range(states):
        product[s] = 1.0
    for t in range(last - 1, first - 1, -1):  # ... times the edges after
        e = flat.variable_edges[t]
        begin = flat.message_ptr[e]
        highest, low = 0.0, np.inf
        for s in range(states):
            value = nu[begin + s] * product[s]
            product[s] *= mu[begin + s]
            nu[begin + s] = value
            highest = value if value > highest else highest
            low = value if 0.0 < value < low else low
        if not in_range(w, e, begin, begin + states, highest, low):
            return NO_MASS
    return DONE


@jit_inline
def in_range(w: Tables, e: int, begin: int, end: int, highest: float, low: float) -> bool:
    """Note ``low``, the smallest positive entry of nu[begin:end], and scale that up if all is small. False: no mass."""
    if highest < RESCALE:  # seldom: a division costs more than all the rest
        if highest == 0.0:
            return False
        for i in range(begin, end):
            w.nu[i] /= highest
        low /= highest
    w.nu_lowest[e] = low
    return True


@jit_loop
def factor_sums(flat: Flat, w: Tables, begin_f: int, end_f: int, maximise: bool) -> int:
    """mu_{f->v} = sum psi_f prod_{u != v} nu_{u->f} (or max), not yet normalised; factors begin_f .. end_f - 1."""
    new = w.new
    for i in range(flat.message_ptr[flat.factor_ptr[begin_f]], flat.message_ptr[flat.factor_ptr[end_f]]):
        new[i] = 0.0
    for f in range(begin_f, end_f):
        if not sums_of(flat, w, f, new, maximise):
            return UNDERFLOW
    return DONE


@jit_inline
def sums_of(flat: Flat, w: Tables, f: int, new: Array, maximise: bool) -> bool:
    """``factor_sums`` of one factor, added to zeros in ``new``. False: beyond the range.

    Two and three variables have loops of their own.
    """
    table, nu = w.table, w.nu
    first, last, t = flat.factor_ptr[f], flat.factor_ptr[f + 1], flat.table_ptr[f]
    bound = w.table_lowest[f]
    for e in range(first, last):
        bound *= w.nu_lowest[e]
    if bound < SMALLEST:
        return False
    a, b = flat.message_ptr[first], flat.message_ptr[first + 1]
    c, end = flat.message_ptr[first + 2], flat.message_ptr[last]
    if last - first == 2:
        for i in range(a, b):
            total_i = 0.0
            for j in range(b, c):
                total_i = join(total_i, table[t] * nu[j], maximise)
                new[j] = join(new[j], table[t] * nu[i], maximise)
                t += 1
            new[i] = total_i
    elif last - first == 3 and end - c == 4:
        # Four states in the last place, sums in registers: twice as fast as the loop below, which does the same.
        n0, n1, n2, n3 = nu[c], nu[c + 1], nu[c + 2], nu[c + 3]
        s0 = s1 = s2 = s3 = 0.0
        for i in range(a, b):
            total_i = 0.0
            for j in range(b, c):
                x, t0, t1, t2, t3 = nu[i] * nu[j], table[t], table[t + 1], table[t + 2], table[t + 3]
                total_j = join(join(t0 * n0, t1 * n1, maximise), join(t2 * n2, t3 * n3, maximise), maximise)
                s0, s1 = join(s0, t0 * x, maximise), join(s1, t1 * x, maximise)
                s2, s3 = join(s2, t2 * x, maximise), join(s3, t3 * x, maximise)
                new[j] = join(new[j], total_j * nu[i], maximise)
                total_i = join(total_i, total_j * nu[j], maximise)
                t += 4
            new[i] = total_i
        new[c], new[c + 1], new[c + 2], new[c + 3] = s0, s1, s2, s3
    elif last - first == 3:
        for i in range(a, b):
            total_i = 0.0
            for j in range(b, c):
                total_j, weight_ij = 0.0, nu[i] * nu[j]
                for k in range(c, end):
                    total_j = join(total_j, table[t] * nu[k], maximise)
                    new[k] = join(new[k], table[t] * weight_ij, maximise)
                    t += 1
                new[j] = join(new[j], total_j * nu[i], maximise)
                total_i = join(total_i, total_j * nu[j], maximise)
            new[i] = total_i
    else:
        ends = flat.message_ptr[first : last + 1]
        sums_of_many(table[t : flat.table_ptr[f + 1]], ends, nu, new, w.weight, w.rest, maximise)
    return True


@jit_inline
def join(total: float, value: float, maximise: bool) -> float:
    """total + value, or the larger one."""
    return (value if value > total else total) if maximise else total + value


@jit_loop
def sums_of_many(psi: Array, ends: Ints, nu: Array, new: Array, weight: Array, rest: Array, maximise: bool) -> None:
    """Messages of a factor over any number of variables, slot by slot from the first to the last.

    ``here`` is the table summed over all earlier slots, weighted by their nu, and ``w`` the product of nu over all
    later ones: mu(x) = sum over later slots of w here(x, .), and the next ``here`` = sum over x of nu(x) here(x, .).
    """
    weight[0] = 1.0
    start, length = 0, 1  # weight[start : start + length]: over the slots from q + 1 on
    for q in range(ends.size - 2, 0, -1):
        for s in range(ends[q + 1] - ends[q]):
            for j in range(length):
                weight[start + (s + 1) * length + j] = nu[ends[q] + s] * weight[start + j]
        start += length
        length *= ends[q + 1] - ends[q]
    here = psi
    for q in range(ends.size - 1):
        w = weight[start : start + length]
        following = rest[:length]
        for s in range(ends[q + 1] - ends[q]):
            x, row, total = nu[ends[q] + s], here[s * length : (s + 1) * length], 0.0
            for j in range(length):
                total = join(total, row[j] * w[j], maximise)
            new[ends[q] + s] = total
            if s == 0:
                for j in range(length):
                    following[j] = x * row[j]
            else:
                for j in range(length):
                    following[j] = join(following[j], x * row[j], maximise)
        here = following
        if q + 2 < ends.size:
            length //= ends[q + 2] - ends[q + 1]
            start -= length


@jit_loop
def move(flat: Flat, w: Tables, begin_e: int, end_e: int, damping: float, maximise: bool) -> float:
    """mu becomes new, normalised and damped, on the edges begin_e .. end_e - 1. The largest change, -1: no mass."""
    largest = 0.0
    for e in range(begin_e, end_e):
        largest = move_one(w, e, flat.message_ptr[e], flat.message_ptr[e + 1], damping, maximise, largest)
        if largest < 0.0:
            return -1.0
    return largest


@jit_inline
def move_one(w: Tables, e: int, begin: int, end: int, damping: float, maximise: bool, largest: float) -> float:
    """``move`` of the message of edge e, mu[begin:end]. The larger one of ``largest`` and its change, -1: no mass."""
    mu, new = w.mu, w.new
    if not normalised(mu, new, begin, end, damping, maximise):
        return -1.0
    low = np.inf
    for i in range(begin, end):
        largest = max(largest, abs(new[i] - mu[i]))
        low = min(low, new[i] if new[i] > 0.0 else np.inf)
        mu[i] = new[i]
    w.mu_lowest[e] = low
    return largest


@jit_inline
def normalised(mu: Array, new: Array, begin: int, end: int, damping: float, maximise: bool) -> bool:
    """new[begin:end] in place, normalised; damping d mixes it with mu in logarithms: mu^d new^(1-d). False: no mass."""
    for step in range(2 if damping > 0.0 else 1):
        scale = 0.0
        for i in range(begin, end):
            if step == 1:
                new[i] = fast_exp((1.0 - damping) * fast_log(new[i]) + damping * fast_log(mu[i]))
            scale = max(scale, new[i]) if maximise else scale + new[i]
        if scale == 0.0:
            return False
        scale = 1.0 / scale
        for i in range(begin, end):
            new[i] *= scale
    return True
