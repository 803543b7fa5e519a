"""Questions to a ground knowledge base: probability, what-if, most probable explanation, value of information.

Every answer says how it was computed and what it is worth (``status``):

    "exact"          the posterior of this knowledge base, up to rounding
    "prior"          exact, evidence was given, and none of it reaches the query
    "approximate"    belief propagation on a graph with loops that converged
    "not converged"  the same, and not even that

Whatever was not declared raises UnknownConceptError; evidence of probability zero raises InconsistentEvidenceError.
Exact means exact for the knowledge base as written: a wrong rule gives wrong answers, exactly.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from bnt.checks import in_one_line, in_order, is_missing, of_kind
from bnt.compiler.compile import Construction
from bnt.compiler.posterior import transformer_posterior
from bnt.display import card, keep
from bnt.errors import (
    BntError,
    EvidenceError,
    InconsistentEvidenceError,
    TooLargeError,
    UnknownConceptError,
    valid_names,
)
from bnt.graph.beliefs import Beliefs
from bnt.graph.evidence import parse_evidence
from bnt.graph.factor_graph import FactorGraph, Variable
from bnt.inference.posterior import posterior, weakest
from bnt.knowledge.base import KnowledgeBase
from bnt.knowledge.grounding import Grounding, ground_for
from bnt.knowledge.noisy_gates import STATES
from bnt.knowledge.text import Atom
from bnt.odds import decibans

if TYPE_CHECKING:
    from pandas import DataFrame

    from bnt.display import Record

Method = Literal["auto", "exact", "bp", "transformer", "junction-tree"]
METHODS = ("auto", "exact", "bp", "transformer", "junction-tree")
AtomLike = str | Atom
Known = Mapping[str, Any] | Mapping[Atom, Any] | None  # atom -> True, False, "true", "false", or likelihoods (soft)
MOST_PARENTS = 14  # of one atom in a most probable explanation, which allows no auxiliary variables


@dataclass(frozen=True)
class Answer:
    """P(atom = true | evidence). method: "known" (true or false in every case), "bp", "exact", or a construction."""

    atom: Atom
    probability: float
    status: str
    method: str
    evidence: Mapping[str, Any]
    asked: tuple[Grounding, Method] | None = field(default=None, repr=False, compare=False)  # of whom, and how

    @property
    def log_odds(self) -> float:
        """ln(p / (1 - p)), infinite at 0 and 1."""
        return log_odds(self.probability)

    def to_frame(self) -> DataFrame:
        """One row: atom, probability, status, method. Several answers: ``pandas.concat`` of theirs."""
        import pandas as pd

        row = (str(self.atom), self.probability, self.status, self.method)
        return pd.DataFrame([row], columns=["atom", "probability", "status", "method"])

    def record(self, path: str | os.PathLike[str] | None = None, **options: Any) -> Record:
        """What can be kept of this answer, also in a file (.json or .html): see ``bnt.records.record.record_of``."""
        return keep(self, path, **options)

    def _repr_html_(self) -> str:
        line = f"P({self.atom} = true) = {self.probability:.4g}, method {self.method}"
        given = ((str(atom), str(value)) for atom, value in self.evidence.items())
        total = len(self.evidence)
        return card(
            "Answer", line, ("evidence", "is"), given, total=total, things="pieces of evidence", status=self.status
        )

    def __str__(self) -> str:
        given = ", ".join(f"{atom}={value}" for atom, value in self.evidence.items())
        asked = f"{self.atom} | {given}" if given else str(self.atom)
        return f"P({asked}) = {self.probability:.6g}   [{self.status}, {self.method}]"


def log_odds(p: float) -> float:
    """ln(p / (1 - p)); -inf at 0, inf at 1."""
    return -math.inf if p <= 0 else math.inf if p >= 1 else math.log(p) - math.log1p(-p)


def ask(
    ground: Grounding | KnowledgeBase, query: AtomLike, evidence: Known = None, *, method: Method = "auto"
) -> Answer:
    """P(query = true | evidence). Of a KnowledgeBase only what query and evidence depend on is grounded.

    method "auto": exact where a junction tree fits the memory, else belief propagation with its status, as
    ``bnt.posterior``. "bp", "exact": that one. "transformer": the network compiled into a transformer and run; the
    same answer as "bp", through weights. "junction-tree": compiled so that it is exact on loops, too.
    Raises UnknownConceptError with near matches, InconsistentEvidenceError, EvidenceError, FormatError, TooLargeError,
    BntError for an unknown method or a knowledge base that is not grounded, UnsupportedModelError where the floored
    logarithm of a transformer would show.
    """
    return ask_all(ground, [query], evidence, method=method)[0]


def ask_all(
    ground: Grounding | KnowledgeBase, queries: Iterable[AtomLike], evidence: Known = None, *, method: Method = "auto"
) -> list[Answer]:
    """``ask`` for several atoms under the same evidence, in one computation. Raises as ``ask``."""
    queries = in_order("queries", queries, "atoms")
    if method not in METHODS:
        raise BntError(f"unknown method {method!r}; {valid_names(METHODS, method)}")
    if isinstance(ground, KnowledgeBase):
        known = evidence if isinstance(evidence, Mapping) else {}
        ground = ground_for(ground, [ground.concept(one) for one in (*queries, *known)])
    of_kind(
        "the first argument", ground, Grounding, hint="KnowledgeBase.ground() makes one"
    )  # before its base is asked
    atoms = [ground.base.concept(query) for query in queries]
    shown, open_evidence = read_evidence(ground, evidence)
    uncertain = [atom for atom in atoms if atom in ground.clauses]
    observed = [atom for atom in ground.atoms if str(atom) in open_evidence]
    graph = ground.graph_of([*uncertain, *observed])
    beliefs, status, used = _infer(graph, open_evidence, [str(atom) for atom in uncertain], method)
    answers = []
    asked = (ground, method)
    for atom in atoms:
        if atom in ground.clauses:
            name = str(atom)
            worth = "prior" if status[name] == "exact" and shown and not open_evidence else status[name]
            answers.append(Answer(atom, float(beliefs.vector(name)[1]), worth, used, shown, asked))
        else:
            worth = "prior" if shown else "exact"
            answers.append(Answer(atom, float(atom in ground.certain), worth, "known", shown, asked))
    return answers


def read_evidence(ground: Grounding, evidence: Known) -> tuple[dict[str, Any], dict[str, Any]]:
    """Evidence by canonical name: all of it, and the part about uncertain atoms, ready for the factor graph.

    Raises UnknownConceptError: atom or state not declared; EvidenceError: given twice, no truth value;
    InconsistentEvidenceError: it contradicts what the clauses make certain.
    """
    of_kind("the first argument", ground, Grounding, hint="KnowledgeBase.ground() makes one")
    if evidence is not None and not isinstance(evidence, Mapping):
        raise EvidenceError(f"evidence must be a mapping from atom to truth value, not {type(evidence).__name__}")
    shown: dict[str, Any] = {}
    uncertain: dict[str, Any] = {}
    for key, value in (evidence or {}).items():
        atom = ground.base.concept(key)
        name = str(atom)
        if name in shown:
            raise EvidenceError(f"evidence on {name} is given twice; give it once")
        if hasattr(value, "to_dict") and hasattr(value, "index"):
            value = value.to_dict()  # a pandas Series, whose index names the states
        if isinstance(value, bool | np.bool_):
            value = STATES[int(value)]
        elif is_missing(value):
            raise EvidenceError(f"evidence on {name} is missing ({value!r}); leave out what was not observed")
        elif isinstance(value, str) and value not in STATES:
            raise UnknownConceptError(f"{value!r} is no state of {name}; {valid_names(STATES, value)}")
        elif not isinstance(value, str | Mapping | list | tuple | np.ndarray):
            raise EvidenceError(
                f"evidence on {name} must be True, False or likelihoods of both, not {in_one_line(value)}"
            )
        shown[name] = value
        if atom in ground.clauses:
            uncertain[name] = value
        else:
            truth = STATES[int(atom in ground.certain)]
            if not _allows(name, value, truth):
                raise InconsistentEvidenceError(f"probability zero: {name}={value}, but it is {truth} in every case")
    return shown, uncertain


def _allows(name: str, value: Any, truth: str) -> bool:
    """Has evidence on an atom whose truth is known a positive probability? It is checked like any other evidence."""
    known = parse_evidence(FactorGraph([Variable(name, STATES)], []), {name: value})
    return known.hard.get(0, STATES.index(truth)) == STATES.index(truth)  # soft: both likelihoods are positive


def _infer(
    graph: FactorGraph, evidence: Mapping[str, Any], names: list[str], method: str
) -> tuple[Beliefs, dict[str, str], str]:
    """Beliefs, the status of each name, and the method that was used."""
    if method in ("transformer", "junction-tree"):
        construction: Construction = "junction-tree" if method == "junction-tree" else "auto"
        found = transformer_posterior(graph, evidence, names, construction=construction)
    else:
        found = posterior(graph, evidence, names, method)  # type: ignore[arg-type]
    return found.beliefs, {name: found.status_of(name) for name in names}, found.method


# ---------------------------------------------------------------------- what if


class WhatIf(NamedTuple):
    """The same question before and after a change of evidence; decibans = 10 log10 of the ratio of the odds."""

    before: Answer
    after: Answer
    decibans: float

    def __str__(self) -> str:
        return f"{self.before}\n{self.after}\nchange: {self.decibans:+.2f} decibans"


def what_if(
    ground: Grounding, query: AtomLike, evidence: Known, changes: Mapping[str, Any], *, method: Method = "auto"
) -> WhatIf:
    """Ask again with ``changes`` made to the evidence; None takes a piece of evidence away. This is conditioning on
    other observations, not an intervention: nothing is forced to happen.

    Raises as ``ask``, and EvidenceError for taking away what was not given.
    """
    if not isinstance(changes, Mapping):
        raise EvidenceError(f"changes must be a mapping from atom to truth value, not {type(changes).__name__}")
    changed, _ = read_evidence(ground, evidence)
    for key, value in changes.items():
        name = str(ground.base.concept(key))
        if value is not None:
            changed[name] = value
        elif name in changed:
            del changed[name]
        else:
            raise EvidenceError(f"{name} is not among the evidence; given: {', '.join(changed) or 'none'}")
    before, after = ask(ground, query, evidence, method=method), ask(ground, query, changed, method=method)
    return WhatIf(before, after, decibans(after.log_odds, before.log_odds))


# ---------------------------------------------------------------------- most probable explanation


class MostProbable(NamedTuple):
    """One most probable truth value of every uncertain atom, given the evidence.

    log_probability: ln P(all these atoms), soft evidence left out. status as in the module's text.
    """

    assignment: Mapping[str, bool]
    log_probability: float
    status: str

    @property
    def true(self) -> list[str]:
        """The uncertain atoms that are true in it."""
        return [atom for atom, value in self.assignment.items() if value]


def most_probable_explanation(ground: Grounding, evidence: Known = None) -> MostProbable:
    """Max-product over all uncertain atoms, with full tables: auxiliary variables would be part of the maximum.

    Exact maximisation, else (too large) belief propagation, "approximate".
    Raises TooLargeError naming an atom with more than MOST_PARENTS parents, and as ``ask``.
    """
    for atom in ground.atoms:
        if len(ground.parents(atom)) > MOST_PARENTS:
            count = len(ground.parents(atom))
            raise TooLargeError(f"{atom} has {count} parents; a most probable explanation allows {MOST_PARENTS}")
    _, observed = read_evidence(ground, evidence)
    graph = ground.graph_of(ground.atoms, fan_in=MOST_PARENTS)
    found = posterior(graph, observed, mode="max")
    best = found.map_assignment
    if best is None:
        raise TooLargeError("too large for exact maximisation, and no possible state was found by belief propagation")
    total = 0.0
    for factor in graph.factors:
        total += float(factor.log_table[tuple(v.state_index(best[v.name]) for v in factor.variables)])
    return MostProbable({name: state == STATES[1] for name, state in best.items()}, total, found.status)


# ---------------------------------------------------------------------- value of information


class Information(NamedTuple):
    """What learning one atom is worth: mutual information with the query, given the evidence, in bits."""

    atom: Atom
    bits: float
    probability: float  # P(atom = true | evidence)
    if_true: float  # P(query | evidence, atom = true), nan if impossible
    if_false: float
    status: str  # the weakest of the answers it is made of


def value_of_information(
    ground: Grounding,
    query: AtomLike,
    evidence: Known = None,
    *,
    candidates: Iterable[AtomLike] | None = None,
    method: Method = "auto",
) -> list[Information]:
    """I(query; atom | evidence) = H(query | evidence) - E[H(query | evidence, atom)], the largest first.

    candidates: atoms that could be observed, of which the query itself and what is observed already are left out; None
    takes every uncertain fact, an atom that depends on no other. Three computations in all: P(atom | query, evidence)
    for both values of the query gives each pair's joint. The values of two atoms do not add up: what one tells, the
    other may repeat, or complete. Raises as ``ask``.
    """
    shown, _ = read_evidence(ground, evidence)
    target = ground.base.concept(query)
    chosen = None if candidates is None else in_order("candidates", candidates, "atoms")
    listed = ground.facts if chosen is None else [ground.base.concept(one) for one in chosen]
    atoms = [one for one in listed if str(one) not in shown and one != target]
    now = ask_all(ground, [target, *atoms], evidence, method=method)
    p = now[0].probability
    given = []
    for truth in (True, False):
        known = {**shown, str(target): truth}
        given.append(ask_all(ground, atoms, known, method=method) if 0 < p < 1 else now[1:])
    values = []
    for answer, if_query, if_not in zip(now[1:], *given, strict=True):
        status = weakest(one.status for one in (now[0], answer, if_query, if_not))
        both, alone = p * if_query.probability, (1.0 - p) * if_not.probability
        joint = np.array([[1.0 - p - alone, alone], [p - both, both]])  # [query, atom]
        joint = np.maximum(joint, 0.0)  # rounding
        outside = joint.sum(1, keepdims=True) * joint.sum(0, keepdims=True)
        mask = joint > 0
        bits = max(0.0, float((joint[mask] * np.log2(joint[mask] / outside[mask])).sum()))
        with np.errstate(invalid="ignore"):
            if_false, if_true = (joint[1] / joint.sum(0)).tolist()
        values.append(Information(answer.atom, bits, answer.probability, if_true, if_false, status))
    return sorted(values, key=lambda one: -one.bits)
