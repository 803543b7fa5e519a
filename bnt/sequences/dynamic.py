"""Dynamic Bayesian networks: any factor graph in every slice, factors between a slice and the one before.

    p(x_1, ..., x_T) is proportional to  first(x_1) prod_t within(x_t) prod_{t > 1} between(x_{t-1}, x_t)

The *interface* are the variables of a slice that a later factor mentions: given them, the past and the future are
independent. So one table over the interface, alpha_t = p(interface_t, evidence up to t), carries all of the past, and
every answer takes time linear in T: a junction tree of one slice and the interface before it, made once, gone through
for every slice. It is exact. With ``clusters`` the table becomes a product of one small table per cluster, projected
anew after every slice: the factored beliefs of Boyen and Koller, an approximation.

Sources: Murphy, Dynamic Bayesian Networks (2002), chapter 3.2 (interface algorithm); Boyen and Koller, "Tractable
inference for complex stochastic processes" (UAI 1998).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from bnt.checks import MEMORY_LIMIT, check_limit, fits, in_order, is_missing, need, of_kind, whole_number
from bnt.display import card, counted
from bnt.errors import BntError, EvidenceError, InconsistentEvidenceError, ModelError, valid_names
from bnt.graph.beliefs import Beliefs
from bnt.graph.evidence import Evidence, describe, parse_evidence
from bnt.graph.factor_graph import Array, Factor, FactorGraph, Variable
from bnt.graph.pgmpy_bridge import slices_from_pgmpy
from bnt.inference.digits import LARGE, largest_log, levelled
from bnt.inference.junction_tree import Calibrated, Trees, calibrate_in_logs, log_sum, others, reordered

if TYPE_CHECKING:
    from pandas import DataFrame
    from pgmpy.models import DynamicBayesianNetwork

BEFORE = "previous "
SliceEvidence = Any  # one mapping per slice, as run_bp takes it; a pandas frame, one row per slice


def previous(variable: Variable) -> Variable:
    """The same variable one slice earlier, for the scope of a factor between slices."""
    of_kind("the variable", variable, Variable, error=ModelError)
    return Variable(BEFORE + variable.name, variable.states)


@dataclass(frozen=True, eq=False)
class DynamicNetwork:
    """variables: of one slice. first: factors of slice 1 alone. within: of every slice. between: of every slice but the
    first, over variables and ``previous(variable)``, those of the slice before.

    Factors need not be normalised. Raises ModelError: as ``FactorGraph``; nothing between the slices.
    """

    variables: tuple[Variable, ...]
    first: tuple[Factor, ...]
    within: tuple[Factor, ...]
    between: tuple[Factor, ...]

    def __init__(
        self,
        variables: Iterable[Variable],
        first: Iterable[Factor],
        within: Iterable[Factor],
        between: Iterable[Factor],
    ):
        object.__setattr__(self, "variables", in_order("variables", variables, "Variables", error=ModelError))
        for name, given in (("first", first), ("within", within), ("between", between)):
            object.__setattr__(self, name, in_order(name, given, "Factors", error=ModelError))
        for variable in self.variables:
            of_kind("each of the variables", variable, Variable, error=ModelError)
            need(
                not variable.name.startswith(BEFORE),
                f"a variable may not be called {variable.name!r}: {BEFORE!r} marks the slice before",
                error=ModelError,
            )
        FactorGraph(self.variables, (*self.first, *self.within))  # raises
        graph = FactorGraph([*self.variables, *map(previous, self.variables)], self.between)
        used = {graph.variables[i].name for scope in graph.scopes for i in scope}
        if not any(name.startswith(BEFORE) for name in used):
            raise ModelError("no factor joins a slice to the one before; put previous(variable) into one of between")

    @property
    def interface(self) -> tuple[str, ...]:
        """Names of the variables that the next slice depends on, in order."""
        used = {variable.name for factor in self.between for variable in factor.variables}
        return tuple(variable.name for variable in self.variables if BEFORE + variable.name in used)

    @classmethod
    def from_pgmpy(cls, model: DynamicBayesianNetwork) -> DynamicNetwork:
        """Of any pgmpy DynamicBayesianNetwork. A node without a CPD of its own in slice 1 keeps that of slice 0.

        Raises ModelError: no such model, a missing CPD, tables that name states differently or do not sum to one.
        """
        return cls(*slices_from_pgmpy(model, previous))

    def unroll(self, length: int) -> FactorGraph:
        """The whole model of so many slices: variables "name@1", "name@2", ... Raises ModelError: a length below 1."""
        length = whole_number("length", length, 1, error=ModelError)
        names = [v.name for v in self.variables]
        of = [{v.name: Variable(f"{v.name}@{t}", v.states) for v in self.variables} for t in range(1, length + 1)]
        factors = []
        for t, now in enumerate(of):
            at = now if t == 0 else {**now, **{BEFORE + name: of[t - 1][name] for name in names}}
            for factor in (*(self.first if t == 0 else self.between), *self.within):
                scope = [at[v.name] for v in factor.variables]
                factors.append(Factor(scope, name=factor.name, log_table=factor.log_table))
        return FactorGraph([now[name] for now in of for name in names], factors)

    def _repr_html_(self) -> str:
        counts = [(name, len(getattr(self, name))) for name in ("first", "within", "between")]
        line = f"{counted(len(self.variables), 'variable')} a slice, interface {', '.join(self.interface)}"
        return card("DynamicNetwork", line, ("factors", "how many"), counts)


@dataclass(frozen=True, eq=False)
class SliceBeliefs:
    """``result["rain"]`` is (T, states): one row per slice. ``result.at(3)["rain"]["yes"]``: of slice 3, from 1 on.

    log_likelihood: (T,) log p(evidence of slice t | that of earlier slices), up to the factors' scale; of factored
    beliefs an approximation, too. status: "exact" or "approximate".
    """

    slices: tuple[Beliefs, ...]
    log_likelihood: Array
    status: str

    def __getitem__(self, name: str) -> Array:
        return np.array([beliefs.vector(name) for beliefs in self.slices])

    def at(self, t: int) -> Beliefs:
        """The beliefs of slice t = 1, ..., T. Raises BntError."""
        return self.slices[whole_number("the slice", t, 1, len(self.slices)) - 1]

    def total_variation(self, other: SliceBeliefs) -> Array:
        """(T, variables) half of the sum of absolute differences. Raises ModelError where they do not fit."""
        of_kind("the other", other, SliceBeliefs, error=ModelError)
        need(len(self.slices) == len(other.slices), "both need the same number of slices", error=ModelError)
        for one, two in zip(self.slices, other.slices, strict=True):
            one.distance(two)  # raises
        gaps = [np.abs(one.flat - two.flat) for one, two in zip(self.slices, other.slices, strict=True)]
        return np.array([np.add.reduceat(gap, self.slices[0].pointer[:-1]) / 2 for gap in gaps])

    def rows(self) -> Iterator[tuple[int, str, str, float]]:
        """(slice, variable, state, probability), slice by slice."""
        for t, beliefs in enumerate(self.slices, start=1):
            for name, states in beliefs.items():
                for state, p in states.items():
                    yield t, name, state, p

    def to_frame(self) -> DataFrame:
        """``rows`` as a pandas frame."""
        import pandas as pd

        return pd.DataFrame(self.rows(), columns=["slice", "variable", "state", "probability"])

    def _repr_html_(self) -> str:
        line = f"{counted(len(self.slices), 'slice')}, log likelihood {self.log_likelihood.sum():.6g}"
        total = len(self.slices) * len(self.slices[0].flat)
        header = ("slice", "variable", "state", "probability")
        return card("SliceBeliefs", line, header, self.rows(), total=total, status=self.status)


def filter_slices(
    network: DynamicNetwork,
    evidence: SliceEvidence,
    *,
    clusters: Sequence[Sequence[str]] | None = None,
    memory_limit: float = MEMORY_LIMIT,
) -> SliceBeliefs:
    """p(slice t | evidence of slices 1 to t) for every t: beliefs in ``network.unroll(t)``.

    evidence: one mapping per slice, as ``run_bp`` takes it (hard or soft, ``{}`` where nothing was seen), or a pandas
    frame with a row per slice; None, NaN and pandas.NA are left out. Empty slices at the end predict, where the factors
    between slices are distributions.
    clusters: factored beliefs; a partition of the interface into groups of names, ``[["a"], ["b"]]``.
    Raises EvidenceError and its kind, naming the slice; InconsistentEvidenceError; BntError for clusters that are no
    partition; TooLargeError before anything is built.
    """
    groups = _clusters(network, clusters)
    forward = _forward(network, _evidence(network, evidence), groups, memory_limit)
    return SliceBeliefs(tuple(forward.beliefs), np.array(forward.log_likelihood), _status(groups))


def smooth_slices(
    network: DynamicNetwork, evidence: SliceEvidence, *, memory_limit: float = MEMORY_LIMIT
) -> SliceBeliefs:
    """p(slice t | all evidence) for every t: beliefs in ``network.unroll(T)``, exact. Else as ``filter_slices``."""
    groups = _clusters(network, None)
    known = _evidence(network, evidence)
    forward = _forward(network, known, groups, memory_limit)
    beliefs = list(forward.beliefs)
    later = [np.zeros(shape) for shape in forward.step.shapes]  # log p(evidence after t | interface_t), up to a factor
    for t in reversed(range(len(known))):
        step = forward.step if t else forward.start
        if t < len(known) - 1:
            beliefs[t] = step.run(known[t], forward.alphas[t - 1] if t else None, later).beliefs
        if t:
            later = step.run(known[t], None, later).past
    return SliceBeliefs(tuple(beliefs), np.array(forward.log_likelihood), "exact")


# ---------------------------------------------------------------- one slice at a time


class _Ran(NamedTuple):
    """One slice: its beliefs, log of its mass, log tables over the clusters now and before, the largest entry 0."""

    beliefs: Beliefs
    log_mass: float
    now: list[Array]
    past: list[Array]


class _Step:
    """A slice, with or without the interface of the one before, and its junction tree. Tables over the clusters of both
    interfaces are factors: their numbers are put in anew for every slice."""

    def __init__(
        self,
        network: DynamicNetwork,
        factors: Sequence[Factor],
        groups: Sequence[Sequence[str]],
        with_past: bool,
        memory_limit: float,
    ):
        self.memory_limit = memory_limit
        slice_ = {variable.name: variable for variable in network.variables}
        old = {name: previous(slice_[name]) for name in network.interface} if with_past else {}
        scopes = [[slice_[name] for name in group] for group in groups]
        self.shapes = [tuple(v.cardinality for v in scope) for scope in scopes]
        for scope, shape in zip(scopes, self.shapes, strict=True):
            names = ", ".join(v.name for v in scope)
            fits(f"the interface {names} has {math.prod(shape):,} joint states", 8 * math.prod(shape), memory_limit)
        before = [[old[name] for name in group] for group in groups] if with_past else []
        messages = [Factor(scope, log_table=np.zeros([v.cardinality for v in scope])) for scope in (*scopes, *before)]
        graph = FactorGraph([*slice_.values(), *old.values()], [*factors, *messages])
        self.graph, self.shift = levelled(graph) if largest_log(graph) > LARGE else (graph, 0.0)
        self.alone = FactorGraph(network.variables, [])
        self.trees = Trees(self.graph)
        places = range(len(factors), len(self.graph.factors))
        self.now, self.past = places[: len(groups)], places[len(groups) :]

    def run(self, known: Evidence, past: Sequence[Array] | None, later: Sequence[Array] | None) -> _Ran:
        """past, later: log tables over the clusters, None for ones. Raises InconsistentEvidenceError."""
        trees, graph = self.trees, self.graph
        for places, tables in ((self.past, past), (self.now, later)):
            for i, f in enumerate(places):
                entries = slice(trees.table_ptr[f], trees.table_ptr[f + 1])
                trees.log_tables[entries] = 0.0 if tables is None else tables[i].ravel()
        observed = np.full(len(graph.variables), -1, dtype=np.int64)
        for i, state in known.hard.items():
            observed[i] = state
        plan, _ = trees.plan(known, observed, self.memory_limit)
        factor_at = {int(trees.table_ptr[f]): f for f in (*self.now, *self.past)}
        found: dict[int, Array] = {}

        def visit(clique: int, belief: Array, axes: dict[int, int]) -> None:
            for part in range(plan.part_ptr[clique], plan.part_ptr[clique + 1]):
                f = None if plan.is_field[part] else factor_at.get(int(plan.part_begin[part]))
                if f is None:
                    continue
                slots = slice(plan.slot_ptr[part], plan.slot_ptr[part + 1])
                variables = plan.slot_variable[slots]
                kept = [axes[a] for a, v in zip(plan.slot_member[slots], variables, strict=True) if observed[v] < 0]
                logs = reordered(log_sum(belief, others(belief, kept)), kept)
                table = np.full(plan.cardinality[variables], -np.inf)
                table[tuple(observed[v] if observed[v] >= 0 else slice(None) for v in variables)] = logs - logs.max()
                found[f] = table

        ran: Calibrated = calibrate_in_logs(graph, known, trees, plan, observed, trees.fields(known)[0], False, visit)
        beliefs = Beliefs(self.alone, ran.beliefs[: self.alone.state_ptr[-1]].copy())
        log_mass = ran.log_total + self.shift + known.log_constant
        return _Ran(beliefs, log_mass, [found[f] for f in self.now], [found[f] for f in self.past])


class _Forward(NamedTuple):
    start: _Step
    step: _Step
    beliefs: list[Beliefs]
    log_likelihood: list[float]
    alphas: list[list[Array]]  # of each slice: log tables over the clusters that sum to one


def _forward(
    network: DynamicNetwork, known: Sequence[Evidence], groups: Sequence[Sequence[str]], memory_limit: float
) -> _Forward:
    check_limit(memory_limit)
    start = _Step(network, (*network.first, *network.within), groups, False, memory_limit)
    step = _Step(network, (*network.between, *network.within), groups, True, memory_limit)
    found = _Forward(start, step, [], [], [])
    for t, now in enumerate(known):
        try:
            ran = step.run(now, found.alphas[-1], None) if t else start.run(now, None, None)
        except InconsistentEvidenceError:
            after = " after the earlier slices" if t else ""
            said = describe(start.graph, now)
            raise InconsistentEvidenceError(f"probability zero: slice {t + 1}, {said}, is impossible{after}") from None
        found.beliefs.append(ran.beliefs)
        found.log_likelihood.append(ran.log_mass)
        found.alphas.append([table - log_sum(table, tuple(range(table.ndim))) for table in ran.now])
    return found


def _status(groups: Sequence[Sequence[str]]) -> str:
    return "exact" if len(groups) == 1 else "approximate"


def _clusters(network: DynamicNetwork, clusters: Any) -> tuple[tuple[str, ...], ...]:
    """The interface in one piece, or in the given groups. Raises ModelError for no network, BntError."""
    hint = "DynamicNetwork(variables, first, within, between) makes one"
    of_kind("the first argument", network, DynamicNetwork, hint=hint, error=ModelError)
    if clusters is None:
        return (network.interface,)
    groups = tuple(
        in_order("each of the clusters", group, "names") for group in in_order("clusters", clusters, "lists of names")
    )
    named = [name for group in groups for name in group]
    whole = ", ".join(network.interface)
    for name in named:
        need(name in network.interface, f"clusters: {name!r} is not in the interface; {valid_names(network.interface)}")
        need(
            named.count(name) == 1, f"clusters: {name!r} stands twice; each name of the interface stands once: {whole}"
        )
    missing = [name for name in network.interface if name not in named]
    need(not missing, f"clusters: {', '.join(missing)} is missing; each name of the interface stands once: {whole}")
    need(all(groups), "clusters: an empty group; leave it out")
    return groups


def _evidence(network: DynamicNetwork, evidence: Any) -> list[Evidence]:
    """Evidence of every slice, checked. Raises EvidenceError and its kind, naming the slice."""
    if hasattr(evidence, "columns") and hasattr(evidence, "to_dict"):
        evidence = evidence.to_dict("records")
    given = in_order("evidence", evidence, "mappings, one per slice", error=EvidenceError)
    if not given:
        raise EvidenceError("there is no slice; give one mapping per slice, {} where nothing was seen")
    graph, found = FactorGraph(network.variables, []), []
    for t, seen in enumerate(given, start=1):
        if isinstance(seen, Mapping):
            seen = {name: value for name, value in seen.items() if not is_missing(value)}
        try:
            found.append(parse_evidence(graph, seen))
        except BntError as error:
            raise type(error)(f"slice {t}: {error}") from None
    return found
