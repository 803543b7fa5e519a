"""Evidence: validated by name, then absorbed exactly into the graph.

Hard evidence fixes a state: every table is sliced at it and the variable leaves the graph, so its message stops there
and zero entries stay zeros. Soft evidence is a likelihood vector that joins the variable's local field. After that a
factor with one free variable joins that variable's local field too, so only factors over two or more free variables
exchange messages. Belief propagation and every compiled transformer start from this same reduced graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from bnt.checks import in_one_line, is_missing, of_kind, real_array
from bnt.errors import BntError, EvidenceError, InconsistentEvidenceError, ModelError, valid_names
from bnt.graph.factor_graph import Array, FactorGraph, Variable
from bnt.graph.leaves import LeafFactor, Leaves

EvidenceLike = Mapping[str, Any] | None  # state name, or a dict / vector of likelihoods, per variable name


A_GRAPH = "FactorGraph.from_pgmpy(model) makes one of a pgmpy model, load_graph(name) of a network or a file"


class Evidence(NamedTuple):
    """Validated evidence. Keys are positions in ``graph.variables``."""

    hard: dict[int, int]  # variable -> observed state
    soft: dict[int, Array]  # variable -> log likelihood of each state, -inf allowed
    log_constant: float = 0.0  # log weight of soft evidence that left only one state


class ReducedFactor(NamedTuple):
    """What is left of one factor after hard evidence: two or more free variables."""

    index: int  # type: ignore[assignment]  # position in graph.factors
    scope: tuple[int, ...]  # free variables, positions in graph.variables
    log_table: Array  # one axis per free variable


class ReducedLeaves(NamedTuple):
    """The same of a LeafFactor; its table is made when something asks for it."""

    index: int  # type: ignore[assignment]
    scope: tuple[int, ...]
    listed: Leaves

    @property
    def log_table(self) -> Array:
        """One axis per free variable. Raises TooLargeError beyond 2^25 entries."""
        return self.listed.log_table


class Reduced(NamedTuple):
    """A factor graph after absorbing evidence: p(x, evidence) = exp(log_constant) prod fields prod factors."""

    graph: FactorGraph
    evidence: Evidence
    factors: tuple[ReducedFactor | ReducedLeaves, ...]
    fields: tuple[Array, ...]  # per variable: log local potential of each state; observed: 0 there, -inf elsewhere
    log_constant: float

    @property
    def free(self) -> tuple[int, ...]:
        """Positions of the unobserved variables."""
        return tuple(i for i in range(len(self.graph.variables)) if i not in self.evidence.hard)


def parse_evidence(graph: FactorGraph, evidence: EvidenceLike) -> Evidence:
    """Check evidence against the graph.

    Each value is a state name (hard) or likelihoods of all states: a dict state -> weight, a pandas Series, a pgmpy
    TabularCPD or DiscreteFactor over that variable, or a vector in state order (soft; any scale). Soft evidence that
    leaves a single state is hard.
    Raises UnknownVariableError, UnknownStateError, EvidenceError (wrong length, missing state, negative, NaN, twice),
    and ModelError where ``graph`` is no FactorGraph.
    """
    of_kind("the graph", graph, FactorGraph, hint=A_GRAPH, error=ModelError)
    hard: dict[int, int] = {}
    soft: dict[int, Array] = {}
    constant = 0.0
    if evidence is not None and not isinstance(evidence, (dict, Mapping)):  # dict first: asking for less takes 0.3 us
        raise EvidenceError(f"evidence must be a mapping from variable name to value, not {type(evidence).__name__}")
    for name, value in (evidence or {}).items():
        i = graph.position(name)
        variable = graph.variable_at(i)
        if i in hard or i in soft:  # pgmpy may name by numbers: 0 and "0" are one variable
            raise EvidenceError(f"evidence on {variable.name!r} is given twice; give it once")
        if isinstance(value, str):
            hard[i] = variable.state_index(value)
            continue
        found = None if isinstance(value, (Mapping, list, np.ndarray)) else variable.find_state(value)
        if found is not None:
            hard[i] = variable.state_index(value)
            continue
        likelihood = likelihoods(variable, value)
        (support,) = np.nonzero(likelihood)
        if len(support) == 1:
            hard[i] = int(support[0])
            constant += float(np.log(likelihood[support[0]]))
        else:
            with np.errstate(divide="ignore"):
                soft[i] = np.log(likelihood)
    return Evidence(hard, soft, constant)


def by_name(graph: FactorGraph, evidence: EvidenceLike) -> dict[str, Any]:
    """The same evidence with the variables' own names as keys, checked. Raises as ``parse_evidence``."""
    parse_evidence(graph, evidence)
    return {graph.variable_at(graph.position(key)).name: value for key, value in (evidence or {}).items()}


def likelihoods(variable: Variable, value: object) -> Array:
    """Soft evidence as a vector in state order, checked."""
    rule = f"evidence on {variable.name!r} must be a state or one likelihood per state; {valid_names(variable.states)}"
    if hasattr(value, "state_names") and hasattr(value, "values"):
        value = _from_pgmpy(variable, value)
    elif hasattr(value, "to_dict") and hasattr(value, "index"):
        value = value.to_dict()  # a pandas Series, whose index names the states
    if isinstance(value, Mapping):
        named = [variable.states[variable.state_index(state)] for state in value]
        if twice := [name for name in named if named.count(name) > 1]:
            raise EvidenceError(f"evidence on {variable.name!r} gives two likelihoods for state {twice[0]!r}; {rule}")
        missing = [state for state in variable.states if state not in named]
        if missing:
            raise EvidenceError(f"evidence on {variable.name!r} gives no likelihood for state {missing[0]!r}; {rule}")
        given = dict(zip(named, value.values(), strict=True))
        value = [given[state] for state in variable.states]
    if is_missing(value) or not isinstance(value, (list, tuple, np.ndarray)):
        variable.state_index(value)  # an unknown state of another type, e.g. the number 1: name it as such
    try:
        vector = real_array("likelihoods", value)
    except BntError:
        raise EvidenceError(f"{rule}; got {in_one_line(value)}") from None
    if vector.shape != (variable.cardinality,):
        raise EvidenceError(f"{rule}; got shape {vector.shape} for {variable.cardinality} states")
    if not np.isfinite(vector).all() or (vector < 0).any():
        raise EvidenceError(f"the likelihoods of {variable.name!r} must be finite and >= 0; got {vector.tolist()}")
    if not vector.any():
        raise InconsistentEvidenceError(f"every likelihood of {variable.name!r} is zero: evidence of probability zero")
    return vector


def _from_pgmpy(variable: Variable, factor: Any) -> dict[str, float]:
    """Virtual evidence as pgmpy has it, a TabularCPD or DiscreteFactor over this variable: state -> likelihood."""
    if [str(name) for name in factor.variables] != [variable.name]:
        scope = ", ".join(map(str, factor.variables))
        raise EvidenceError(f"evidence on {variable.name!r} must be a table over it alone, not over ({scope})")
    states, values = list(factor.state_names[factor.variables[0]]), np.ravel(factor.values).tolist()
    if len(values) != variable.cardinality:
        rule = valid_names(variable.states)
        raise EvidenceError(f"evidence on {variable.name!r} has {len(values)} likelihoods for its states; {rule}")
    unnamed = states == list(range(len(states))) and any(variable.find_state(state) is None for state in states)
    names = variable.states if unnamed else [variable.states[variable.state_index(state)] for state in states]
    return dict(zip(names, values, strict=True))


def absorb(graph: FactorGraph, evidence: EvidenceLike | Evidence = None) -> Reduced:
    """Slice every table at the hard evidence; gather local fields. Raises InconsistentEvidenceError: no mass left.

    A variable with one state says nothing, so tables over more are sliced at it too: it closes no loop.
    """
    known = evidence if isinstance(evidence, Evidence) else parse_evidence(graph, evidence)
    fixed = {i: 0 for i, variable in enumerate(graph.variables) if variable.cardinality == 1} | known.hard
    fields = [np.zeros(variable.cardinality) for variable in graph.variables]
    for f, scope in enumerate(graph.scopes):
        if len(scope) == 1 and scope[0] not in known.hard:
            fields[scope[0]] = fields[scope[0]] + graph.factors[f].log_table
    for i, log_likelihood in known.soft.items():
        fields[i] = fields[i] + log_likelihood
    factors = list[ReducedFactor | ReducedLeaves]()
    constant = known.log_constant
    for f, scope in enumerate(graph.scopes):
        if len(scope) == 1 and scope[0] not in known.hard:
            continue
        factor = graph.factors[f]
        if isinstance(factor, LeafFactor):
            listed = factor.listed.at({slot: fixed[i] for slot, i in enumerate(scope) if i in fixed})
            if listed.log_values.max() == -np.inf:
                raise _no_mass(graph, known, f"{factor.label} is zero there")
            scope = tuple(i for i in scope if i not in fixed)
            if len(scope) > 1:
                factors.append(ReducedLeaves(f, scope, listed))
                continue
            log_table = listed.log_table
        else:
            log_table = factor.log_table
        if not fixed.keys().isdisjoint(scope):
            log_table = log_table[tuple(fixed.get(i, slice(None)) for i in scope)]
            if np.max(log_table) == -np.inf:
                raise _no_mass(graph, known, f"{graph.factors[f].label} is zero there")
            scope = tuple(i for i in scope if i not in fixed)
        if not scope:
            constant += float(log_table)
        elif len(scope) == 1:
            fields[scope[0]] = fields[scope[0]] + log_table
        else:
            factors.append(ReducedFactor(f, scope, log_table))
    for i, field in enumerate(fields):
        if i in known.hard:
            fields[i] = np.full(len(field), -np.inf)
            fields[i][known.hard[i]] = 0.0
        elif field.max() == -np.inf:
            raise _no_mass(graph, known, f"no state of {graph.variables[i].name!r} is left")
    return Reduced(graph, known, tuple(factors), tuple(fields), constant)


def describe(graph: FactorGraph, evidence: Evidence) -> str:
    """The hard evidence as text, for messages: ``a=yes, b=no``."""
    hard = [f"{graph.variables[i].name}={graph.variables[i].states[s]}" for i, s in evidence.hard.items()]
    soft = [f"{graph.variables[i].name} (soft)" for i in evidence.soft]
    return ", ".join(hard + soft) or "no evidence"


def _no_mass(graph: FactorGraph, evidence: Evidence, reason: str) -> InconsistentEvidenceError:
    return InconsistentEvidenceError(f"probability zero: {describe(graph, evidence)}; {reason}")
