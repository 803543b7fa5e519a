"""Sequential and residual schedules in odds and in probabilities: one factor, or one message, after the other.

The equations and the ranges are those of pairwise.py and tables.py; what they cannot hold is done by schedules.py, in
logarithms. The residual schedule keeps all edges in a tournament by how much their message would change.
"""

from __future__ import annotations

import numpy as np

from bnt.graph.factor_graph import Array
from bnt.graph.flat import Flat
from bnt.kernels.exp_log import fast_exp, fast_log, log_of
from bnt.kernels.jit import jit_inner
from bnt.kernels.options import RESIDUAL, RUNNING, SEQUENTIAL, STOP
from bnt.kernels.pairwise import Pairs, log_messages, products, start_pairs
from bnt.kernels.tables import (
    DONE,
    NO_MASS,
    SMALLEST,
    UNDERFLOW,
    Tables,
    factor_sums,
    move,
    start_tables,
    variable_products,
)
from bnt.kernels.watch import told_to_stop

LOOK = 4096  # updates between two looks whether to stop


# ---------------------------------------------------------------- which message would change most


@jit_inner
def start_tree(pending: Array) -> Array:
    """A tournament: tree[half + e] is ``pending[e]``, half a power of two, and every node the larger of its two."""
    half = 1
    while half < pending.size:
        half *= 2
    tree = np.zeros(2 * half)
    for e in range(pending.size):
        tree[half + e] = pending[e]
    for i in range(half - 1, 0, -1):
        tree[i] = max(tree[2 * i], tree[2 * i + 1])
    return tree


@jit_inner
def put(tree: Array, e: int, value: float) -> None:
    """pending[e] = value: up the tree as far as it changes anything."""
    i = tree.size // 2 + e
    tree[i] = value
    while i > 1:
        i >>= 1
        larger = max(tree[2 * i], tree[2 * i + 1])
        if tree[i] == larger:
            break
        tree[i] = larger


@jit_inner
def top(tree: Array) -> int:
    """The edge whose message would change most."""
    i, half = 1, tree.size // 2
    while i < half:
        i *= 2
        if tree[i] < tree[i + 1]:
            i += 1
    return i - half


# ---------------------------------------------------------------- odds


@jit_inner
def pairwise_one_by_one(
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
    """As flood_pairwise; one round updates as many messages as there are."""
    p = start_pairs(flat, np.empty(0, np.int64))
    odds = np.ones((2, p.a.size))
    if history.shape[0]:
        log_messages(odds, maximise, history[0])
    new, pending = np.ones((2, p.a.size)), np.zeros(2 * p.a.size if schedule == RESIDUAL else 0)
    tree = start_tree(pending)
    if schedule == RESIDUAL:
        for e in range(pending.size):
            pending[e] = candidate_odds(p, e, odds, new, damping, maximise)
        tree = start_tree(pending)
    changes = np.empty(most)
    ran = 0
    while ran < most:
        if schedule == SEQUENTIAL:
            changes[ran] = sequential_odds(p, odds, damping, maximise, ran % 2 == 1)
        else:
            changes[ran] = residual_odds(flat, p, odds, new, tree, damping, maximise, watch)
        ran += 1
        if history.shape[0]:
            log_messages(odds, maximise, history[ran])
        if (changes[ran - 1] <= stop_at and ran >= least) or told_to_stop(watch, ran, changes[ran - 1]):
            break
    products(p, odds, p.belief)
    return DONE, ran, changes[:ran], odds, p.belief


@jit_inner
def sent_odds(
    psi_01: float, psi_10: float, psi_11: float, x: float, old: float, damping: float, maximise: bool
) -> float:
    """Odds sent on by a factor, psi[x_sender, x_receiver], whose sender's own odds are x: pairwise.new_odds."""
    r = max(psi_01, psi_11 * x) / max(1.0, psi_10 * x) if maximise else (psi_01 + psi_11 * x) / (1.0 + psi_10 * x)
    return fast_exp((1.0 - damping) * fast_log(r) + damping * fast_log(old)) if damping > 0.0 else r


@jit_inner
def odds_change(old: float, new: float, maximise: bool) -> float:
    """Largest change of a probability between two odds."""
    if maximise:
        t, u = max(1.0, old), max(1.0, new)
        return max(abs(old * u - new * t), abs(t - u)) / (t * u)
    return abs(old - new) / ((1.0 + old) * (1.0 + new))


@jit_inner
def sequential_odds(p: Pairs, odds: Array, damping: float, maximise: bool, backward: bool) -> float:
    """One sweep over the factors, each from the newest messages. Returns the largest change."""
    products(p, odds, p.belief)
    change, m = 0.0, p.a.size
    for step in range(m):
        k = m - 1 - step if backward else step
        a, b, old_a, old_b = p.a[k], p.b[k], odds[0, k], odds[1, k]
        x_a, x_b = p.belief[a] / old_a, p.belief[b] / old_b
        new_b = sent_odds(p.psi[0, k], p.psi[1, k], p.psi[2, k], x_a, old_b, damping, maximise)
        new_a = sent_odds(p.psi[1, k], p.psi[0, k], p.psi[2, k], x_b, old_a, damping, maximise)
        p.belief[a], p.belief[b] = x_a * new_a, x_b * new_b
        odds[0, k], odds[1, k] = new_a, new_b
        change = max(change, max(odds_change(old_a, new_a, maximise), odds_change(old_b, new_b, maximise)))
    return change


@jit_inner
def candidate_odds(p: Pairs, e: int, odds: Array, new: Array, damping: float, maximise: bool) -> float:
    """What edge e would carry, into ``new``; returns its change. Even edges lead to a factor's first variable."""
    k, side = e >> 1, e & 1
    sender = p.a[k] if side else p.b[k]
    x = p.belief[sender] / odds[1 - side, k]
    old = odds[side, k]
    psi_01, psi_10 = p.psi[1 - side, k], p.psi[side, k]
    new[side, k] = sent_odds(psi_01, psi_10, p.psi[2, k], x, old, damping, maximise)
    return odds_change(old, new[side, k], maximise)


@jit_inner
def residual_odds(
    flat: Flat,
    p: Pairs,
    odds: Array,
    new: Array,
    tree: Array,
    damping: float,
    maximise: bool,
    watch: Array,
) -> float:
    """As many updates as messages, always of the one that would change most. Returns the largest pending change.

    A belief is multiplied anew at every update, so that a message whose senders have settled settles bit by bit.
    """
    for step in range(2 * p.a.size):
        if tree[1] == 0.0 or (step % LOOK == LOOK - 1 and watch[STOP] != RUNNING):
            break
        e = top(tree)
        k, side = e >> 1, e & 1
        odds[side, k] = new[side, k]
        put(tree, e, candidate_odds(p, e, odds, new, damping, maximise) if damping > 0.0 else 0.0)
        v = flat.edge_variable[e]
        first, last = flat.variable_ptr[v], flat.variable_ptr[v + 1]
        belief = p.theta[v]
        for t in range(first, last):
            arrived = flat.variable_edges[t]
            belief *= odds[arrived & 1, arrived >> 1]
        p.belief[v] = belief
        for t in range(first, last):
            onward = flat.variable_edges[t] ^ 1
            if onward ^ 1 != e:
                put(tree, onward, candidate_odds(p, onward, odds, new, damping, maximise))
    return tree[1]


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
    code = variable_products(flat, w, 0, flat.cardinality.size)
    tree = start_tree(np.zeros(flat.edge_variable.size if schedule == RESIDUAL else 0))
    if schedule == RESIDUAL:
        for k in range(flat.factor_index.size):
            code = candidates(flat, w, k, tree, damping, maximise) if code == DONE else code
    changes = np.empty(most)
    ran = 0
    while ran < most and code == DONE:
        if schedule == RESIDUAL:
            code, changes[ran] = residual_tables(flat, w, tree, damping, maximise, watch)
        else:
            backward = schedule == SEQUENTIAL and ran % 2 == 1
            code, changes[ran] = sequential_tables(flat, w, damping, maximise, backward, watch)
        if code == DONE:
            ran += 1
            if history.shape[0]:
                log_of(w.mu, history[ran])
            if (changes[ran - 1] <= stop_at and ran >= least) or told_to_stop(watch, ran, changes[ran - 1]):
                break
    log_of(w.mu, w.mu)
    return code, ran, changes[:ran], w.mu


@jit_inner
def product_without(flat: Flat, w: Tables, e: int) -> int:
    """nu of edge e: its variable's field times all messages but its own. DONE | NO_MASS | UNDERFLOW."""
    v, begin = flat.edge_variable[e], flat.message_ptr[e]
    states, bound = flat.cardinality[v], w.field_lowest[v]
    for s in range(states):
        w.nu[begin + s] = w.field[flat.field_ptr[v] + s]
    for t in range(flat.variable_ptr[v], flat.variable_ptr[v + 1]):
        other = flat.variable_edges[t]
        if other != e:
            bound *= w.mu_lowest[other]
            start = flat.message_ptr[other]
            for s in range(states):
                w.nu[begin + s] *= w.mu[start + s]
    if bound < SMALLEST:
        return UNDERFLOW
    highest, low = 0.0, np.inf
    for s in range(states):
        value = w.nu[begin + s]
        highest = value if value > highest else highest
        low = value if 0.0 < value < low else low
    if highest == 0.0:
        return NO_MASS
    for s in range(states):
        w.nu[begin + s] /= highest
    w.nu_lowest[e] = low / highest
    return DONE


@jit_inner
def sequential_tables(
    flat: Flat, w: Tables, damping: float, maximise: bool, backward: bool, watch: Array
) -> tuple[int, float]:
    """One sweep over the factors, each from the newest messages. Returns DONE | NO_MASS | UNDERFLOW, and the change."""
    code, change, m = DONE, 0.0, flat.factor_index.size
    for step in range(m):
        k = m - 1 - step if backward else step
        for e in range(flat.factor_ptr[k], flat.factor_ptr[k + 1]):
            code = product_without(flat, w, e) if code == DONE else code
        if code == DONE:
            code = factor_sums(flat, w, k, k + 1, maximise)
        if code != DONE:
            break
        one = move(flat, w, flat.factor_ptr[k], flat.factor_ptr[k + 1], damping, maximise)
        if one < 0.0:
            code = NO_MASS
            break
        change = one if one > change else change
        if step % LOOK == LOOK - 1 and watch[STOP] != RUNNING:
            break
    return code, change


@jit_inner
def candidates(flat: Flat, w: Tables, k: int, tree: Array, damping: float, maximise: bool) -> int:
    """What factor k would send, into ``new``, normalised and damped, and how much that would change."""
    code = factor_sums(flat, w, k, k + 1, maximise)
    for e in range(flat.factor_ptr[k], flat.factor_ptr[k + 1]):
        begin, end = flat.message_ptr[e], flat.message_ptr[e + 1]
        for step in range(2 if damping > 0.0 else 1):
            scale = 0.0
            for i in range(begin, end):
                if step == 1:
                    w.new[i] = fast_exp((1.0 - damping) * fast_log(w.new[i]) + damping * fast_log(w.mu[i]))
                scale = max(scale, w.new[i]) if maximise else scale + w.new[i]
            if scale == 0.0:
                return NO_MASS if code == DONE else code
            for i in range(begin, end):
                w.new[i] /= scale
        change = 0.0
        for i in range(begin, end):
            change = max(change, abs(w.new[i] - w.mu[i]))
        put(tree, e, change)
    return code


@jit_inner
def residual_tables(
    flat: Flat, w: Tables, tree: Array, damping: float, maximise: bool, watch: Array
) -> tuple[int, float]:
    """As many updates as messages, always of the one that would change most. Returns a code, the largest change."""
    for step in range(flat.edge_variable.size):
        if tree[1] == 0.0 or (step % LOOK == LOOK - 1 and watch[STOP] != RUNNING):
            break
        e = top(tree)
        low = np.inf
        for i in range(flat.message_ptr[e], flat.message_ptr[e + 1]):
            w.mu[i] = w.new[i]
            low = min(low, w.mu[i] if w.mu[i] > 0.0 else np.inf)
        w.mu_lowest[e] = low
        v, code = flat.edge_variable[e], DONE
        for t in range(flat.variable_ptr[v], flat.variable_ptr[v + 1]):
            onward = flat.variable_edges[t]
            if onward == e and damping == 0.0:
                put(tree, e, 0.0)
                continue
            k = flat.edge_factor[onward]
            if onward != e:
                code = product_without(flat, w, onward)
            if code == DONE:
                code = candidates(flat, w, k, tree, damping, maximise)
            if code != DONE:
                return code, 0.0
    return DONE, tree[1]
