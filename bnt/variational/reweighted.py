"""Tree-reweighted message passing on flat arrays, in logarithms: belief propagation with a weight rho per factor.

    nu_{v->f}(x_v) = phi_v(x_v) prod_g mu_{g->v}(x_v)^rho_g / mu_{f->v}(x_v)
    mu_{f->v}(x_v) = sum_{x_u} psi_f(x_u, x_v)^(1/rho_f) nu_{u->f}(x_u)                   (normalised)
    b_v(x_v)       = phi_v(x_v) prod_g mu_{g->v}(x_v)^rho_g

for factors over two variables without zeros. With every rho = 1 this is belief propagation.
Source: Wainwright, Jaakkola and Willsky, IEEE Transactions on Information Theory 51 (2005).
"""

from __future__ import annotations

import numpy as np

from bnt.graph.factor_graph import Array
from bnt.graph.flat import Flat
from bnt.kernels.equations import accept, normalise
from bnt.kernels.jit import jit, jit_inner, jit_whole
from bnt.kernels.watch import told_to_stop


@jit_whole
def run_reweighted(
    flat: Flat,
    rho: Array,
    mu: Array,
    damping: float,
    most: int,
    least: int,
    tolerance: float,
    history: Array,
    watch: Array,
) -> Array:
    """Flooding rounds, in place in ``mu``; rho (m,). Returns the largest change of a message's probability, per round.

    Stops after ``most`` rounds, or after at least ``least`` once the change is at most ``tolerance``. ``history``
    (rounds + 1, M), if not empty, receives the messages after every round.
    """
    new, changes = np.empty(mu.size), np.empty(most)
    for r in range(most):
        logs = reweighted_logs(flat, rho, mu)
        for k in range(flat.factor_index.size):
            reweighted_messages(flat, k, rho[k], logs, mu, new)
        change = 0.0
        for e in range(flat.edge_variable.size):
            change = max(change, accept(mu, new, flat.message_ptr[e], flat.message_ptr[e + 1], damping, False))
        changes[r] = change
        if history.shape[0]:
            for i in range(mu.size):
                history[r + 1, i] = mu[i]
        if (change <= tolerance and r + 1 >= least) or told_to_stop(watch, r + 1, change):
            return changes[: r + 1]
    return changes


@jit
def reweighted_logs(flat: Flat, rho: Array, mu: Array) -> Array:
    """log phi_v + sum of rho times incoming messages, not normalised, in the layout of ``flat.field``."""
    logs = flat.field.copy()
    for e in range(flat.edge_variable.size):
        begin, start = flat.field_ptr[flat.edge_variable[e]], flat.message_ptr[e]
        for s in range(flat.message_ptr[e + 1] - start):
            logs[begin + s] += rho[flat.edge_factor[e]] * mu[start + s]
    return logs


@jit_inner
def reweighted_messages(flat: Flat, k: int, rho: float, logs: Array, mu: Array, out: Array) -> None:
    """Both messages of factor k into ``out``, from the beliefs ``logs`` and the messages they hold."""
    for receiver in range(2):
        target, source = flat.factor_ptr[k] + receiver, flat.factor_ptr[k] + 1 - receiver
        begin, start = flat.message_ptr[target], flat.message_ptr[source]
        field = flat.field_ptr[flat.edge_variable[source]]
        targets, sources = flat.message_ptr[target + 1] - begin, flat.message_ptr[source + 1] - start
        step, other = (targets, 1) if receiver else (1, sources)  # to the next state of the source, of the target
        for x in range(targets):
            highest, total = -np.inf, 0.0
            for summing in range(2):
                for y in range(sources):
                    score = flat.log_table[flat.table_ptr[k] + x * other + y * step] / rho
                    score += logs[field + y] - mu[start + y]
                    if summing == 0:
                        highest = max(highest, score)
                    elif score > -np.inf:
                        total += np.exp(score - highest)
            out[begin + x] = highest + np.log(total)
        normalise(out, begin, flat.message_ptr[target + 1], False)


@jit
def upper_terms(flat: Flat, rho: Array, mu: Array) -> Array:
    """Terms whose sum is at least log Z, whatever the messages, where rho is in the spanning tree polytope:

        sum_v log sum phi prod mu^rho  +  sum_f rho_f (log sum psi^(1/rho) nu nu - log sum nu mu - log sum nu mu)
        +  sum_f rho_f log max (marginal of b_f) / b_v

    The first two are the tree-reweighted free energy; the last is 0 at a fixed point, where the pair beliefs b_f have
    the marginals b_v. Proof: psi = C prod_v b_v prod_f (b_f / b_u b_v)^rho_f with log C the first two terms, so log Z
    <= log C + sum_T p(T) log Z_T by Hoelder's inequality, Z_T the total of b_v and b_f / (b_u b_v) over a spanning
    tree T; leaf after leaf, an edge multiplies it by a marginal over a belief.
    """
    logs = reweighted_logs(flat, rho, mu)
    n, m = flat.cardinality.size, flat.factor_index.size
    terms = np.zeros(n + 2 * m)
    for v in range(n):
        terms[v] = log_total(logs, flat.field_ptr[v], flat.field_ptr[v + 1])
        for i in range(flat.field_ptr[v], flat.field_ptr[v + 1]):
            logs[i] -= terms[v]
    for k in range(m):
        a, b = flat.factor_ptr[k], flat.factor_ptr[k] + 1
        at_a, at_b = flat.field_ptr[flat.edge_variable[a]], flat.field_ptr[flat.edge_variable[b]]
        rows, columns = flat.message_ptr[a + 1] - flat.message_ptr[a], flat.message_ptr[b + 1] - flat.message_ptr[b]
        pair = np.empty(rows * columns)
        for x in range(rows):
            for y in range(columns):
                pair[x * columns + y] = (
                    flat.log_table[flat.table_ptr[k] + x * columns + y] / rho[k]
                    + (logs[at_a + x] - mu[flat.message_ptr[a] + x])
                    + (logs[at_b + y] - mu[flat.message_ptr[b] + y])
                )
        total = log_total(pair, 0, pair.size)  # of nu whose product with mu sums to 1
        terms[n + k] = rho[k] * total
        worst = 0.0
        line = np.empty(max(rows, columns))
        for x in range(rows):
            if logs[at_a + x] > -np.inf:
                for y in range(columns):
                    line[y] = pair[x * columns + y]
                worst = max(worst, log_total(line, 0, columns) - total - logs[at_a + x])
        for y in range(columns):
            if logs[at_b + y] > -np.inf:
                for x in range(rows):
                    line[x] = pair[x * columns + y]
                worst = max(worst, log_total(line, 0, rows) - total - logs[at_b + y])
        terms[n + m + k] = rho[k] * worst
    return terms


@jit_inner
def log_total(log_values: Array, begin: int, end: int) -> float:
    """log sum exp of log_values[begin:end]."""
    highest = -np.inf
    for i in range(begin, end):
        highest = max(highest, log_values[i])
    if highest == -np.inf:
        return -np.inf
    total = 0.0
    for i in range(begin, end):
        total += np.exp(log_values[i] - highest)
    return highest + np.log(total)
