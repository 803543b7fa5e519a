"""Other message passing than belief propagation, with results of the same kind: ``run_trw`` and ``run_mean_field``.

Both optimise something, so both bound log Z: tree-reweighted messages from above, mean field from below.

    run_trw          equations in bnt/variational/reweighted.py; positive factors over at most two variables
    run_mean_field   equations in bnt/variational/mean_field.py; any positive factors

Above the threshold where belief propagation stops having one fixed point (spectral_bound.py) tree-reweighted beliefs
are often far better than its; below it they are worse, and mean field is hardly ever the best of the three.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from bnt.checks import real_array
from bnt.errors import BntError, UnsupportedModelError, valid_names
from bnt.graph.evidence import Evidence, EvidenceLike, Reduced, parse_evidence
from bnt.graph.factor_graph import Array, FactorGraph
from bnt.graph.flat import Flat, flatten
from bnt.graph.pgmpy_bridge import as_graph
from bnt.inference.digits import absorb_levelled
from bnt.inference.result import BPResult
from bnt.kernels.options import Options, checked_options

TREE_DAMPING = 0.5  # where damping=None and there are loops: settled on each of 1,440 Ising models tried
MEAN_FIELD_SCHEDULES = ("auto", "in-place", "flooding")
MEAN_FIELD_IN_WORDS, TREES_IN_WORDS = "mean field", "tree-reweighted messages"


class TRWResult(BPResult):
    """What tree-reweighted message passing found: a BPResult whose beliefs weigh each message by its factor's rho.

    edge_weights: {factor index: rho} of the factors that exchange messages. ``log_z_bethe`` is None.
    """

    rho: Array  # (m,)
    certified: bool  # rho comes from spanning trees

    @property
    def algorithm(self) -> str:
        """In words."""
        return TREES_IN_WORDS

    @property
    def edge_weights(self) -> dict[int, float]:
        """rho by factor index."""
        return dict(zip(self.flat.factor_index.tolist(), self.rho.tolist(), strict=True))

    def _logs_of(self, mu: Array) -> Array:
        return reweighted_beliefs(self.flat, self.rho, mu)

    @property
    def log_z_bethe(self) -> None:
        """None: these messages are no fixed point of Bethe's free energy."""
        return

    @property
    def log_z_upper(self) -> float | None:
        """An upper bound of log p(evidence), from the last messages, converged or not; see ``log_z_bounds``.

        None where ``edge_weights`` were given: whether they come from spanning trees is not checked.
        """
        if not self.certified:
            return None
        return self.reduced.log_constant + math.fsum(self._terms) + self.log_z_rounding

    @property
    def log_z_rounding(self) -> float:
        """How far ``log_z_upper`` was moved up for what float64 may have lost."""
        return rounding(self.reduced, self._terms)

    @cached_property
    def _terms(self) -> Array:
        from bnt.variational.reweighted import upper_terms

        terms: Array = upper_terms(self.flat, self.rho, self._mu)
        return terms


class MeanFieldResult(BPResult):
    """What mean field found: a BPResult whose messages are expectations of log factors. ``log_z_bethe`` is None."""

    @property
    def algorithm(self) -> str:
        """In words."""
        return MEAN_FIELD_IN_WORDS

    @property
    def log_z_bethe(self) -> None:
        """None: mean field has a bound instead, ``log_z_lower``."""
        return

    @property
    def log_z_lower(self) -> float:
        """E_q[log phi psi] + entropy of q at the last beliefs: a lower bound of log p(evidence), converged or not."""
        from bnt.variational.mean_field import lower_terms

        terms = lower_terms(self.flat, np.where(np.isneginf(self._logs), 0.0, np.exp(self._logs)))
        return self.reduced.log_constant + math.fsum(terms) - rounding(self.reduced, terms)


def run_trw(
    graph: FactorGraph,
    evidence: EvidenceLike = None,
    *,
    edge_weights: Mapping[int, float] | None = None,
    damping: float | None = None,
    rounds: int | None = None,
    tolerance: float = 1e-6,
    keep_history: bool = False,
) -> TRWResult:
    """Tree-reweighted message passing (sum-product) by flooding, on a FactorGraph or a pgmpy model.

        mu_{f->v}(x_v) = sum_{x_u} psi_f(x_u, x_v)^(1/rho_f) phi_u(x_u) prod_g mu_{g->u}(x_u)^rho_g / mu_{f->u}(x_u)

    edge_weights: {factor index: rho in (0, 1]} of every factor that is left with two unobserved variables; None takes
    the probability of each edge in a uniformly drawn spanning tree (bnt/variational/spanning.py). All 1 is belief
    propagation, and what None gives on a forest, where the beliefs are exact. damping: as in ``run_bp``; None is 0 on a
    forest, and TREE_DAMPING where there are loops. rounds, tolerance, keep_history: as in ``run_bp``; messages creep
    long after the beliefs have settled (a change of 1e-7 left them within 1e-8 of their end), hence the tolerance.
    Source: Wainwright, Jaakkola and Willsky (2005). Raises UnsupportedModelError naming a factor over three or more
    unobserved variables, or with a zero; BntError for a wrong option; and as ``run_bp`` for evidence.
    """
    options = checked_options("sum", 0.0 if damping is None else damping, rounds, tolerance, keep_history)
    known, reduced, flat = positive_model(graph, evidence, "tree-reweighted message passing", most=2)
    from bnt.kernels.equations import rounds_needed, start_messages
    from bnt.kernels.watch import call, new_watch
    from bnt.variational.reweighted import run_reweighted
    from bnt.variational.spanning import spanning_tree_weights

    rho = spanning_tree_weights(flat) if edge_weights is None else given_weights(flat, edge_weights)
    _, depth = rounds_needed(flat)
    if damping is None and (depth < 0).any():
        options = options._replace(damping=TREE_DAMPING)
    enough, forest = int(depth.max(initial=0)), bool((depth >= 0).all())
    through = forest and options.damping == 0.0 and bool((rho == 1.0).all())
    most, least, stop_at = limits(options, enough if through else options.most, enough)
    mu = start_messages(flat, False)
    history = room(options, most, mu)
    arguments = (flat, rho, mu, options.damping, most, least, stop_at, history, new_watch())
    changes = call(run_reweighted, arguments, len(flat.log_table) * most)
    exact = (depth >= 0) & (depth <= len(changes)) & (options.damping == 0.0) & in_whole_trees(flat, rho)
    logs = reweighted_beliefs(flat, rho, mu)
    found = TRWResult(
        reduced.graph, known, options, mu, logs, history, settled(changes, tolerance, exact), changes, exact, "checked"
    )
    found.reduced, found.flat = reduced, flat
    found.rho, found.certified = rho, edge_weights is None
    return found


def run_mean_field(
    graph: FactorGraph,
    evidence: EvidenceLike = None,
    *,
    schedule: Literal["auto", "in-place", "flooding"] = "auto",
    damping: float = 0.0,
    rounds: int | None = None,
    tolerance: float = 1e-10,
    keep_history: bool = False,
    start: Mapping[str, ArrayLike] | None = None,
) -> MeanFieldResult:
    """Naive mean field on a FactorGraph or a pgmpy model: q_v(x_v) prop phi_v(x_v) exp sum_f E_q[log psi_f | x_v].

    schedule: "in-place" updates one variable after the other, which never lowers the bound on log Z; "flooding" all at
    once, which may oscillate; "auto" is flooding where ``rounds`` or ``keep_history`` is given, else in-place. start:
    beliefs {variable name: probabilities} that the messages of round 0 are made from, uniform where a variable is left
    out; which optimum is found depends on it. damping, rounds, tolerance, keep_history: as in ``run_bp``.
    Raises UnsupportedModelError naming a factor with a zero, whose logarithm has no mean; BntError for a wrong option
    or start; and as ``run_bp`` for evidence.
    """
    if schedule not in MEAN_FIELD_SCHEDULES:
        rule = " or ".join(map(repr, MEAN_FIELD_SCHEDULES))
        raise BntError(f"schedule must be {rule} for mean field, not {schedule!r}")
    options = checked_options("sum", damping, rounds, tolerance, keep_history, schedule)
    known, reduced, flat = positive_model(graph, evidence, "mean field", most=None)
    from bnt.kernels.watch import call, new_watch
    from bnt.variational.mean_field import run_mean_field_rounds, start_mean_field

    q = start_beliefs(reduced, flat, start)
    mu = start_mean_field(flat, q)
    most, _, stop_at = limits(options, options.most, 0)
    in_turn = schedule == "in-place" or (schedule == "auto" and rounds is None and not keep_history)
    history = room(options, most, mu)
    arguments = (flat, q, mu, in_turn, options.damping, most, stop_at, history, new_watch())
    changes = call(run_mean_field_rounds, arguments, len(flat.log_table) * most)
    exact = np.diff(flat.variable_ptr) == 0  # what no message reaches
    with np.errstate(divide="ignore"):
        logs = np.log(q)
    found = MeanFieldResult(
        reduced.graph, known, options, mu, logs, history, settled(changes, tolerance, exact), changes, exact, "checked"
    )
    found.reduced, found.flat = reduced, flat
    return found


def positive_model(
    graph: FactorGraph, evidence: EvidenceLike, method: str, most: int | None
) -> tuple[Evidence, Reduced, Flat]:
    """The model after its evidence. Raises UnsupportedModelError: a zero, or more than ``most`` variables."""
    graph = as_graph(graph)
    known = parse_evidence(graph, evidence)
    reduced = absorb_levelled(graph, evidence)
    for factor in reduced.factors:
        label = f"factor {factor.index}, {graph.factors[factor.index].label},"
        if most is not None and len(factor.scope) > most:
            raise UnsupportedModelError(
                f"{method} is for factors over at most {most} unobserved variables; {label} has {len(factor.scope)}"
            )
        if np.isneginf(factor.log_table).any():
            raise UnsupportedModelError(f"{method} is for positive tables; {label} has a zero entry")
    return known, reduced, flatten(reduced)


def given_weights(flat: Flat, edge_weights: Mapping[int, float]) -> Array:
    """rho (m,) as given. Raises BntError: not exactly the factors that exchange messages, or outside (0, 1]."""
    wanted = flat.factor_index.tolist()
    if not isinstance(edge_weights, Mapping) or set(edge_weights) != set(wanted):
        names = valid_names([str(k) for k in wanted])
        raise BntError(f"edge_weights must give rho for every factor index that exchanges messages; {names}")
    rho = real_array("edge_weights", [edge_weights[k] for k in wanted])
    if not ((rho > 0.0) & (rho <= 1.0)).all():
        raise BntError(f"edge_weights must be above 0 and at most 1; got {rho.tolist()}")
    return rho


def start_beliefs(reduced: Reduced, flat: Flat, start: Mapping[str, ArrayLike] | None) -> Array:
    """q (S,) to start from: as given, else uniform; observed variables are certain. Raises BntError."""
    q = np.repeat(1.0 / flat.cardinality, flat.cardinality)
    for name, value in ({} if start is None else start).items():
        i = reduced.graph.position(name)
        vector = real_array(f"the start of {name!r}", value)
        if vector.shape != (flat.cardinality[i],) or not (vector >= 0).all() or abs(vector.sum() - 1.0) > 1e-9:
            raise BntError(f"the start of {name!r} must be {flat.cardinality[i]} probabilities, not {vector.tolist()}")
        q[flat.field_ptr[i] : flat.field_ptr[i + 1]] = vector
    for i, state in reduced.evidence.hard.items():
        q[flat.field_ptr[i] : flat.field_ptr[i + 1]] = 0.0
        q[flat.field_ptr[i] + state] = 1.0
    return q


def limits(options: Options, most: int, least: int) -> tuple[int, int, float]:
    """Most and least rounds, and the change to stop at."""
    return (options.rounds, options.rounds, -1.0) if options.rounds >= 0 else (most, least, options.tolerance)


def room(options: Options, most: int, mu: Array) -> Array:
    """For the history, with its first row, if it is asked for."""
    history = np.empty((most + 1 if options.keep_history else 0, len(mu)))
    history[:1] = mu
    return history


def settled(changes: Array, tolerance: float, exact: np.ndarray) -> bool:
    """Finished, or the last change within tolerance."""
    return bool(exact.all()) or (len(changes) > 0 and bool(changes[-1] <= tolerance))


def in_whole_trees(flat: Flat, rho: Array) -> np.ndarray:
    """(n,) bool: does every factor of the variable's component have rho = 1?"""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n, ends = len(flat.cardinality), flat.edge_variable.reshape(-1, 2)
    _, part = connected_components(coo_array((np.ones(len(ends)), tuple(ends.T)), shape=(n, n)), directed=False)
    broken = np.unique(part[ends[rho != 1.0, 0]])
    return ~np.isin(part, broken)


def reweighted_beliefs(flat: Flat, rho: Array, mu: Array) -> Array:
    """Log beliefs (S,), normalised."""
    from bnt.variational.reweighted import reweighted_logs

    logs: Array = reweighted_logs(flat, rho, mu)
    starts = flat.field_ptr[:-1]
    if len(logs):
        logs -= np.repeat(np.maximum.reduceat(logs, starts), flat.cardinality)
        logs -= np.repeat(np.log(np.add.reduceat(np.exp(logs), starts)), flat.cardinality)
    return logs


def rounding(reduced: Reduced, terms: Array) -> float:
    """What float64 may have lost in these terms, generously: a bound is moved outwards by so much."""
    size = abs(reduced.log_constant) + float(np.abs(terms).sum())
    size += sum(float(np.abs(factor.log_table).max(initial=0.0)) for factor in reduced.factors)
    return 64 * float(np.finfo(float).eps) * (size + len(terms))
