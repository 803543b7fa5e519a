"""Exact marginals: enumeration, the slow, obvious oracle; a junction tree beyond that; chains by pointer doubling."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from bnt.checks import MEMORY_LIMIT, check_limit
from bnt.display import counted, draw
from bnt.errors import InconsistentEvidenceError, UnsupportedModelError
from bnt.graph.beliefs import Beliefs, belief_card
from bnt.graph.evidence import Evidence, EvidenceLike, Reduced, absorb, describe, parse_evidence
from bnt.graph.factor_graph import Array, FactorGraph
from bnt.graph.pgmpy_bridge import as_graph
from bnt.inference.digits import keeps_digits
from bnt.inference.junction_tree import calibrate, calibrate_in_logs, first_question, trees_of
from bnt.kernels.options import check_mode

if TYPE_CHECKING:
    from pandas import DataFrame

    from bnt.display import Picture

ENUMERABLE = 2**13  # joint states; with more of them a junction tree is faster
SMALL = 2**14  # joint states of all cliques: with no more of them numba takes longer to load than numpy to answer
PATIENCE = 3000  # cliques that numpy visits, 0.15 ms each, while numba would be loading
_spent = [0]


class ExactResult(NamedTuple):
    """beliefs[v][s] = p(v=s | evidence); log_z = log p(evidence) up to the tables' scale."""

    beliefs: Beliefs
    log_z: float
    status: str  # always "exact"
    map_assignment: dict[str, str] | None  # a most probable assignment, in max mode
    log_probability: float | None = None  # of that assignment together with the evidence, up to the tables' scale

    def to_frame(self) -> DataFrame:
        """The beliefs as a pandas frame: variable, state, probability."""
        return self.beliefs.to_frame()

    def plot(self, **options: Any) -> Picture:
        """The graph, tinted by the marginals; see ``figures.plot``."""
        return draw(self, **options)

    def _repr_html_(self) -> str:
        kind = "max-marginals" if self.map_assignment is not None else "marginals"
        line = f"{kind} of {counted(len(self.beliefs), 'variable')}, log Z {self.log_z:.6g}"
        return belief_card("ExactResult", line, self.beliefs, self.status)


def exact_marginals(
    graph: FactorGraph,
    evidence: EvidenceLike = None,
    *,
    mode: Literal["sum", "max"] = "sum",
    memory_limit: float = MEMORY_LIMIT,
) -> ExactResult:
    """Posterior marginals, or in max mode max-marginals and a most probable assignment with its log probability.

    A few joint states are enumerated; more are summed over on a junction tree. Raises TooLargeError, before anything is
    built, where the tables of the tree's cliques need more than ``memory_limit`` bytes (8 for every joint state);
    InconsistentEvidenceError for evidence of probability zero; UnsupportedModelError where huge potentials cancel, so
    that float64 cannot tell the answer.
    """
    check_mode(mode)
    check_limit(memory_limit)
    graph = as_graph(graph)
    return exact_given(graph, parse_evidence(graph, evidence), mode, memory_limit)


@keeps_digits
def exact_given(graph: FactorGraph, known: Evidence, mode: str, memory_limit: float) -> ExactResult:
    """``exact_marginals`` of a FactorGraph, the evidence checked."""
    few = few_joint_states(graph, known, memory_limit)
    if not graph.variables or (few and (first_question(graph) or not kernels_wanted(2))):
        return by_enumeration(absorb(graph, known), mode)
    return by_junction_tree(graph, known, mode, memory_limit)


def kernels_wanted(cliques: int) -> bool:
    """Are the kernels loaded, or has plain numpy by now spent on cliques what loading them takes?"""
    _spent[0] += cliques
    return "numba" in sys.modules or _spent[0] > PATIENCE


def kernels_compiled() -> bool:
    """False where numba is missing or switched off; loads it where it is there."""
    from bnt.kernels.jit import COMPILED

    return COMPILED


def few_joint_states(graph: FactorGraph, known: Evidence, memory_limit: float) -> bool:
    """Is the table of all joint states of the unobserved variables small enough to be summed as it is?"""
    limit, states = min(ENUMERABLE, memory_limit / 8), 1
    for i, variable in enumerate(graph.variables):
        states *= 1 if i in known.hard else variable.cardinality
        if states > limit:
            return False
    return True


def by_junction_tree(
    graph: FactorGraph, known: Evidence, mode: str, memory_limit: float, in_logs: bool | None = None
) -> ExactResult:
    """Two passes over the cliques; see ``exact_marginals``.

    in_logs: plain numpy in logarithms, or compiled code with that to fall back on; None takes the faster. Small trees
    are answered before numba would have loaded.
    """
    trees = trees_of(graph)
    observed = np.full(len(graph.variables), -1, dtype=np.int64)
    for i, state in known.hard.items():
        observed[i] = state
    plan, states = trees.plan(known, observed, memory_limit)
    log_field, field, taken = trees.fields(known)
    constant = trees.constant + taken + known.log_constant
    if in_logs is None:
        in_logs = (states <= SMALL and not kernels_wanted(len(plan.parent))) or not kernels_compiled()
    found, sums = None, None
    if not in_logs:
        found = sums = calibrate(trees, plan, states, observed, field, mode == "max")
        if mode == "max" and found is not None:
            sums = calibrate(trees, plan, states, observed, field, False)
    if found is None or sums is None:
        absorb(graph, known)  # says where, if one table or field alone leaves nothing possible
        found = sums = calibrate_in_logs(graph, known, trees, plan, observed, log_field, mode == "max")
        if mode == "max":
            sums = calibrate_in_logs(graph, known, trees, plan, observed, log_field, False)
        constant = known.log_constant
    beliefs, log_z = Beliefs(graph, found.beliefs), constant + sums.log_total
    if mode == "sum":
        return ExactResult(beliefs, log_z, "exact", None)
    best = {v.name: v.states[s] for v, s in zip(graph.variables, found.best.tolist(), strict=True)}
    return ExactResult(beliefs, log_z, "exact", best, constant + found.log_total)


def log_probability(reduced: Reduced, assignment: dict[str, str]) -> float:
    """Log of the product of all factors and soft evidence at an assignment of every variable."""
    graph = reduced.graph
    place = [variable.state_index(assignment[variable.name]) for variable in graph.variables]
    fields = (reduced.fields[i][place[i]] for i in reduced.free)
    factors = (factor.log_table[tuple(place[i] for i in factor.scope)] for factor in reduced.factors)
    return reduced.log_constant + math.fsum(map(float, (*fields, *factors)))


def by_enumeration(reduced: Reduced, mode: str) -> ExactResult:
    """Sums, or maxima, over the whole joint table in the log domain."""
    graph = reduced.graph
    joint, axis_of = log_joint(reduced)
    highest = float(joint.max())
    if highest == -np.inf:
        raise InconsistentEvidenceError(f"probability zero: {describe(graph, reduced.evidence)}")
    weights = np.exp(joint - highest)
    beliefs = []
    for i, variable in enumerate(graph.variables):
        marginal = np.zeros(variable.cardinality)
        if i in reduced.evidence.hard:
            marginal[reduced.evidence.hard[i]] = 1.0
        elif i not in axis_of:
            marginal[0] = 1.0  # one state only
        else:
            before, states = math.prod(joint.shape[: axis_of[i]]), joint.shape[axis_of[i]]
            table = weights.reshape(before, states, -1)
            marginal = table.sum((0, 2)) if mode == "sum" else table.max((0, 2))
        beliefs.append(marginal / marginal.sum())
    best = _assignment(reduced, joint, axis_of) if mode == "max" else None
    log_z = reduced.log_constant + highest + float(np.log(weights.sum()))
    peak = None if best is None else reduced.log_constant + highest
    return ExactResult(Beliefs(graph, np.concatenate([np.zeros(0), *beliefs])), log_z, "exact", best, peak)


def log_joint(reduced: Reduced) -> tuple[Array, dict[int, int]]:
    """Log of the unnormalised joint over unobserved variables of two or more states, and each variable's axis."""
    cards = {i: len(reduced.fields[i]) for i in reduced.free if len(reduced.fields[i]) > 1}
    axis_of = {i: axis for axis, i in enumerate(cards)}
    joint = np.zeros(tuple(cards.values()))
    single = sum(float(reduced.fields[i][0]) for i in reduced.free if i not in cards)
    tables = [((i,), reduced.fields[i]) for i in cards] + [(f.scope, f.log_table) for f in reduced.factors]
    for scope, log_table in tables:
        kept = [i for i in scope if i in cards]
        table = log_table.reshape([cards[i] for i in kept])
        order = sorted(range(len(kept)), key=lambda a: axis_of[kept[a]])
        shape = [1] * len(cards)
        for i in kept:
            shape[axis_of[i]] = cards[i]
        joint = joint + table.transpose(order).reshape(shape)
    return joint + single, axis_of


def _assignment(reduced: Reduced, joint: Array, axis_of: dict[int, int]) -> dict[str, str]:
    place = np.unravel_index(int(np.argmax(joint)), joint.shape)
    return {
        variable.name: variable.states[reduced.evidence.hard.get(i, int(place[axis_of[i]]) if i in axis_of else 0)]
        for i, variable in enumerate(reduced.graph.variables)
    }


# --- chains in ceil(log2 n) rounds ------------------------------------------------------------------------------------
#
# A message passes one hop per round. A token that holds the transfer table (k x k) of a whole segment can be joined
# with the segment before it, twice as long after each round, so no lower bound "k hops need k layers" holds for
# transformers that may attend anywhere; it holds for those that route along edges of the graph.


def doubling_marginals(graph: FactorGraph, evidence: EvidenceLike = None) -> tuple[Beliefs, int]:
    """Exact marginals of a chain x_0 - x_1 - ... (in the order of graph.variables), and the rounds they took.

    Raises UnsupportedModelError for a graph that is no such chain; InconsistentEvidenceError where no joint state has a
    weight that float64 can tell from zero.
    """
    reduced = absorb(graph, evidence)
    n = len(graph.variables)
    steps: dict[int, Array] = {}  # log table between x_i and x_i+1
    for factor in reduced.factors:
        i = min(factor.scope)
        if len(factor.scope) != 2 or max(factor.scope) != i + 1:
            raise UnsupportedModelError(
                f"{graph.factors[factor.index].label} does not join two neighbours of the chain"
            )
        table = factor.log_table if factor.scope[0] == i else factor.log_table.T
        steps[i] = steps[i] + table if i in steps else table
    fields = [np.exp(field - field.max()) for field in reduced.fields]
    forward: list[Array] = [np.ones((1, 1))] * n  # forward[i]: from the end of the segment before i, into i
    backward: list[Array] = [np.ones((1, 1))] * n
    for i in range(n - 1):
        step = steps.get(i, np.zeros((len(fields[i]), len(fields[i + 1]))))
        table = np.exp(step - step.max())
        forward[i + 1] = fields[i][:, None] * table  # (x_i, x_i+1)
        backward[i] = table * fields[i + 1][None, :]
    if n:
        forward[0], backward[n - 1] = np.ones((1, len(fields[0]))), np.ones((len(fields[-1]), 1))
    reach, rounds = 1, 0
    while reach < n:  # one round: token i reads token i - reach, and i + reach; n tokens need ceil(log2 n)
        forward = [_join(forward[i - reach], forward[i]) if i >= reach else forward[i] for i in range(n)]
        backward = [_join(backward[i], backward[i + reach]) if i + reach < n else backward[i] for i in range(n)]
        reach, rounds = 2 * reach, rounds + 1
    values = []
    for i in range(n):
        value = forward[i].sum(axis=0) * fields[i] * backward[i].sum(axis=1)
        if not value.sum() > 0:
            given = describe(graph, reduced.evidence)
            raise InconsistentEvidenceError(f"probability zero: {given}; no joint state has a weight above zero")
        values.append(value / value.sum())
    return Beliefs(graph, np.concatenate([np.zeros(0), *values])), rounds


def _join(before: Array, after: Array) -> Array:
    """Transfer table of two adjoining segments, scaled to sum 1; one without any mass stays zero."""
    table: Array = before @ after
    total = float(table.sum())
    return table / total if total > 0 else table
