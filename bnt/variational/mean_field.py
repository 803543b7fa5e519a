"""Mean field on flat arrays: the best product distribution by coordinate ascent, written as messages.

    mu_{f->v}(x_v) = E_q[log psi_f | x_v] = sum over x_f with x_v of log psi_f(x_f) prod_{u != v} q_u(x_u)
    q_v(x_v)       = phi_v(x_v) exp sum_f mu_{f->v}(x_v)                                    (normalised)

for factors of any size without zeros. ``mu`` is normalised like a message of belief propagation: sum exp(mu) = 1.
Source: Winn and Bishop, "Variational message passing", JMLR 6 (2005).
"""

from __future__ import annotations

import numpy as np

from bnt.graph.factor_graph import Array
from bnt.graph.flat import Flat, Ints
from bnt.kernels.equations import accept, advance, normalise
from bnt.kernels.jit import jit, jit_inner, jit_whole
from bnt.kernels.watch import told_to_stop


@jit_whole
def run_mean_field_rounds(
    flat: Flat,
    q: Array,
    mu: Array,
    in_turn: bool,
    damping: float,
    most: int,
    tolerance: float,
    history: Array,
    watch: Array,
) -> Array:
    """Rounds in place in ``mu`` (M,) and ``q`` (S,), the beliefs in probabilities; both must agree at the start.

    in_turn: every variable from the newest beliefs of the others, which never lowers the bound on log Z; else all at
    once. Stops after ``most`` rounds or once no message has changed by more than ``tolerance`` in probability. Returns
    the change of every round; ``history`` as in ``run_reweighted``.
    """
    new, changes = np.empty(mu.size), np.empty(most)
    for r in range(most):
        change = 0.0
        if in_turn:
            for v in range(flat.cardinality.size):
                for t in range(flat.variable_ptr[v], flat.variable_ptr[v + 1]):
                    e = flat.variable_edges[t]
                    expected_logs(flat, flat.edge_factor[e], q, e, new)
                    change = max(change, accept(mu, new, flat.message_ptr[e], flat.message_ptr[e + 1], damping, False))
                update_belief(flat, v, mu, q)
        else:
            for e in range(flat.edge_variable.size):
                expected_logs(flat, flat.edge_factor[e], q, e, new)
            for e in range(flat.edge_variable.size):
                change = max(change, accept(mu, new, flat.message_ptr[e], flat.message_ptr[e + 1], damping, False))
            for v in range(flat.cardinality.size):
                update_belief(flat, v, mu, q)
        changes[r] = change
        if history.shape[0]:
            for i in range(mu.size):
                history[r + 1, i] = mu[i]
        if change <= tolerance or told_to_stop(watch, r + 1, change):
            return changes[: r + 1]
    return changes


@jit
def start_mean_field(flat: Flat, q: Array) -> Array:
    """Messages from the beliefs q, which then become those of the messages."""
    mu = np.empty(flat.message_ptr[-1])
    for e in range(flat.edge_variable.size):
        expected_logs(flat, flat.edge_factor[e], q, e, mu)
    for v in range(flat.cardinality.size):
        update_belief(flat, v, mu, q)
    return mu


@jit_inner
def expected_logs(flat: Flat, k: int, q: Array, e: int, out: Array) -> None:
    """The message of factor k on its edge e into ``out``, normalised."""
    edge0, arity = flat.factor_ptr[k], flat.factor_ptr[k + 1] - flat.factor_ptr[k]
    begin, end = flat.message_ptr[e], flat.message_ptr[e + 1]
    for i in range(begin, end):
        out[i] = 0.0
    state = np.zeros(arity, np.int64)
    for t in range(flat.table_ptr[k], flat.table_ptr[k + 1]):
        advance(flat, k, t, state)
        weight = 1.0
        for slot in range(arity):
            if edge0 + slot != e:
                weight *= q[flat.field_ptr[flat.edge_variable[edge0 + slot]] + state[slot]]
        out[begin + state[e - edge0]] += weight * flat.log_table[t]
    normalise(out, begin, end, False)


@jit_inner
def update_belief(flat: Flat, v: int, mu: Array, q: Array) -> None:
    """q_v from its field and its messages."""
    begin, end = flat.field_ptr[v], flat.field_ptr[v + 1]
    for i in range(begin, end):
        q[i] = flat.field[i]
    for t in range(flat.variable_ptr[v], flat.variable_ptr[v + 1]):
        start = flat.message_ptr[flat.variable_edges[t]]
        for i in range(begin, end):
            q[i] += mu[start + i - begin]
    normalise(q, begin, end, False)
    for i in range(begin, end):
        q[i] = np.exp(q[i])


@jit
def lower_terms(flat: Flat, q: Array) -> Array:
    """Terms whose sum is at most log Z for any product of beliefs q (S,): E_q[log phi] + entropy, then E_q[log psi]."""
    n, m = flat.cardinality.size, flat.factor_index.size
    terms = np.zeros(n + m)
    for v in range(n):
        for i in range(flat.field_ptr[v], flat.field_ptr[v + 1]):
            if q[i] > 0.0:
                terms[v] += q[i] * (flat.field[i] - np.log(q[i]))
    for k in range(m):
        terms[n + k] = expected_log(flat, k, q, np.zeros(flat.factor_ptr[k + 1] - flat.factor_ptr[k], np.int64))
    return terms


@jit_inner
def expected_log(flat: Flat, k: int, q: Array, state: Ints) -> float:
    """E_q[log psi_k]; ``state`` (arity,) is scratch."""
    total = 0.0
    for t in range(flat.table_ptr[k], flat.table_ptr[k + 1]):
        advance(flat, k, t, state)
        weight = 1.0
        for slot in range(state.size):
            weight *= q[flat.field_ptr[flat.edge_variable[flat.factor_ptr[k] + slot]] + state[slot]]
        total += weight * flat.log_table[t]
    return total
