"""Certified intervals: of log Z, the log probability of the evidence, and of a posterior probability."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bnt.checks import whole_number
from bnt.errors import EvidenceError, InconsistentEvidenceError
from bnt.graph.evidence import EvidenceLike, by_name, likelihoods, parse_evidence
from bnt.graph.factor_graph import FactorGraph
from bnt.graph.pgmpy_bridge import as_graph
from bnt.inference.variational import MeanFieldResult, run_mean_field, run_trw


class LogZBounds(NamedTuple):
    """lower <= log Z <= upper."""

    lower: float
    upper: float


def log_z_bounds(
    graph: FactorGraph, evidence: EvidenceLike = None, *, starts: int = 4, seed: int = 0, tolerance: float = 1e-6
) -> LogZBounds:
    """Bounds of log p(evidence), up to the scale of the tables: the same log Z as ``exact_marginals(...).log_z``.

        lower   E_q[log phi psi] + entropy of q, the best of mean field from uniform and from ``starts`` random beliefs
        upper   the tree-reweighted free energy, plus what its last messages lack of a fixed point

    Both hold whether or not the runs converged (upper_terms in bnt/variational/reweighted.py has the proof), and are
    moved outwards by what float64 may have rounded; at a fixed point the upper one is that of Wainwright, Jaakkola and
    Willsky (2005). On a forest the two differ by rounding alone. tolerance: of the runs.
    Raises as ``run_trw``, BntError for a negative number of starts.
    """
    count = whole_number("starts", starts)
    above = run_trw(graph, evidence, tolerance=tolerance)
    upper = above.log_z_upper
    assert upper is not None  # its weights are those of spanning trees
    if above.exact:
        return LogZBounds(upper - 2 * above.log_z_rounding, upper)
    runs: list[MeanFieldResult] = [run_mean_field(graph, evidence, tolerance=tolerance)]
    rng = np.random.default_rng(seed)
    hidden = [variable for i, variable in enumerate(above.graph.variables) if i not in above.evidence.hard]
    for _ in range(count):
        start = {variable.name: rng.dirichlet(np.ones(variable.cardinality)) for variable in hidden}
        runs.append(run_mean_field(graph, evidence, start=start, tolerance=tolerance))
    return LogZBounds(max(run.log_z_lower for run in runs), upper)


def posterior_bounds(
    graph: FactorGraph, variable: str, evidence: EvidenceLike = None
) -> dict[str, tuple[float, float]]:
    """Certified bounds of p(variable = state | evidence), for every state: (lower, upper), 0 <= lower <= upper <= 1.

    With Z_s the mass of the joint states where the variable is in state s, p(s) = Z_s / (Z_s + sum of the others),
    which rises with Z_s and falls with every other one: so bounds of each log Z_s bound it. Loose where
    ``log_z_bounds`` is.
    Raises as ``log_z_bounds``, and EvidenceError where the variable is observed.
    """
    graph = as_graph(graph)
    given = by_name(graph, evidence)
    asked = graph.variable(variable)
    own, states = given.pop(asked.name, None), asked.states
    if own is not None and parse_evidence(graph, {asked.name: own}).hard:
        raise EvidenceError(f"{variable!r} is observed; its state is certain")
    weights = np.ones(len(states)) if own is None else likelihoods(asked, own)
    found = []
    for state, weight in zip(states, weights.tolist(), strict=True):
        try:
            bounds = log_z_bounds(graph, {**given, asked.name: state}) if weight > 0 else LogZBounds(-np.inf, -np.inf)
        except InconsistentEvidenceError:
            bounds = LogZBounds(-np.inf, -np.inf)
        shift = float(np.log(weight)) if weight > 0 else 0.0
        found.append(LogZBounds(bounds.lower + shift, bounds.upper + shift))
    result = {}
    for i, state in enumerate(states):
        others = [one for k, one in enumerate(found) if k != i]
        above = np.logaddexp.reduce([one.upper for one in others], initial=-np.inf)
        below = np.logaddexp.reduce([one.lower for one in others], initial=-np.inf)
        result[state] = (_share(found[i].lower, above), _share(found[i].upper, below))
    return result


def _share(log_mine: float, log_others: float) -> float:
    """mine / (mine + others), of logarithms."""
    if log_mine == -np.inf:
        return 0.0
    return float(np.exp(-np.logaddexp(0.0, log_others - log_mine)))
