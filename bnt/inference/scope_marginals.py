"""Marginals over the scopes of factors: what sensitivity, and learning from gaps in data, are made of.

    p(x_scope(f) | evidence)    for every factor f, exact

Each factor lives in one clique of the junction tree, so its marginal is a sum over that clique's belief.
"""

from __future__ import annotations

import numpy as np

from bnt.checks import MEMORY_LIMIT, check_limit
from bnt.graph.evidence import EvidenceLike, parse_evidence
from bnt.graph.factor_graph import Array, FactorGraph
from bnt.graph.pgmpy_bridge import as_graph
from bnt.inference.digits import LARGE, largest_log, levelled
from bnt.inference.junction_tree import calibrate_in_logs, log_sum, others, reordered, trees_of


def scope_marginals(
    graph: FactorGraph, evidence: EvidenceLike = None, *, memory_limit: float = MEMORY_LIMIT
) -> list[Array]:
    """p(scope | evidence) of every factor, each an array of its table's shape that sums to one.

    Observed variables have mass in their own state only. One pass up and one down a junction tree, in logarithms.
    Raises as ``exact_marginals``: EvidenceError and its kind, InconsistentEvidenceError, TooLargeError before anything
    is built, UnsupportedModelError for potentials beyond float64.
    """
    check_limit(memory_limit)
    graph = as_graph(graph)
    known = parse_evidence(graph, evidence)
    if largest_log(graph) > LARGE:
        graph, _ = levelled(graph)
    trees = trees_of(graph)
    observed = np.full(len(graph.variables), -1, dtype=np.int64)
    for i, state in known.hard.items():
        observed[i] = state
    plan, _ = trees.plan(known, observed, memory_limit)
    factor_at = {int(begin): f for f, begin in enumerate(trees.table_ptr[:-1].tolist())}
    found = [np.zeros(factor.log_table.shape) for factor in graph.factors]

    def visit(clique: int, belief: Array, axes: dict[int, int]) -> None:
        for part in range(plan.part_ptr[clique], plan.part_ptr[clique + 1]):
            if plan.is_field[part]:
                continue
            slots = slice(plan.slot_ptr[part], plan.slot_ptr[part + 1])
            variables = plan.slot_variable[slots]
            kept = [axes[a] for a, v in zip(plan.slot_member[slots], variables, strict=True) if observed[v] < 0]
            logs = reordered(log_sum(belief, others(belief, kept)), kept)
            place = tuple(observed[v] if observed[v] >= 0 else slice(None) for v in variables)
            weights = np.exp(logs - logs.max())
            found[factor_at[int(plan.part_begin[part])]][place] = weights / weights.sum()

    calibrate_in_logs(graph, known, trees, plan, observed, trees.fields(known)[0], False, visit)
    return found
