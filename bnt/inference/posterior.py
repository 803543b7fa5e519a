"""One question, one answer with its worth: exact where a junction tree fits the memory, else belief propagation.

    p(x_v | evidence) for every variable v that is asked about        (mode "max": max-marginals and an assignment)

Everything that asks, falls back and gives a status asks here: the command, knowledge bases, widgets, verify_model.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

from bnt.checks import MEMORY_LIMIT, check_limit, in_order
from bnt.display import counted, keep
from bnt.errors import BntError, TooLargeError, valid_names
from bnt.graph.beliefs import Beliefs, belief_card
from bnt.graph.evidence import Evidence, EvidenceLike, parse_evidence
from bnt.graph.factor_graph import FactorGraph
from bnt.graph.pgmpy_bridge import as_graph
from bnt.inference.belief_propagation import run_bp
from bnt.inference.exact import exact_given, log_probability
from bnt.inference.junction_tree import first_question, has_large_tree
from bnt.inference.result import BPResult
from bnt.inference.separation import evidence_reaches, relevant_part
from bnt.inference.variational import run_mean_field, run_trw
from bnt.kernels.options import check_mode

if TYPE_CHECKING:
    from pandas import DataFrame

    from bnt.display import Record

Method = Literal["auto", "exact", "bp", "trw", "mean-field"]
Mode = Literal["sum", "max"]
OTHERS: dict[str, Callable[[FactorGraph, EvidenceLike], BPResult]] = {"trw": run_trw, "mean-field": run_mean_field}
WEAKEST_FIRST = ("not converged", "approximate", "exact", "prior")


class Asked(NamedTuple):
    """The question as it was put: what a record keeps, and asks again."""

    graph: FactorGraph
    evidence: Evidence
    method: str  # of bnt.posterior, or of a transformer as ASKED_AS of compiler/posterior.py calls it
    memory_limit: float = MEMORY_LIMIT
    whole: bool = False  # about all variables, because no query was given


@dataclass(frozen=True)
class Posterior:
    """The answer to one question, with the method that found it.

    query: names asked about. beliefs: of these at least. method: "exact", "bp", "trw" or "mean-field", or what a
    compiled transformer calls itself. converged, rounds: of message passing; None for "exact". log_z: log p(evidence)
    up to the tables' scale, Bethe's estimate for "bp", None where a method has none or has bounds (``log_z_bounds``).
    map_assignment, log_probability: in max mode a most probable assignment, and the log of its probability together
    with the evidence.
    support: "unchecked" where belief propagation could not rule out that the evidence has probability zero.
    """

    query: tuple[str, ...]
    beliefs: Beliefs
    method: str
    mode: str
    worth: Callable[..., str]  # names -> status
    converged: bool | None = None
    rounds: int | None = None
    log_z: float | None = None
    map_assignment: dict[str, str] | None = None
    log_probability: float | None = None
    support: str = "checked"
    asked: Asked | None = field(default=None, repr=False, compare=False)

    @cached_property
    def status(self) -> str:
        """The weakest status of all the unobserved variables that were asked about; "exact" if there are none."""
        return self.status_of(*self.query)

    def status_of(self, *names: str) -> str:
        """ "exact", "prior" (exact, and no evidence reaches these variables), "approximate" or "not converged"."""
        return self.worth(*names)

    def to_frame(self) -> DataFrame:
        """The beliefs of the variables asked about as a pandas frame: variable, state, probability."""
        frame = self.beliefs.to_frame()
        return frame[frame["variable"].isin(self.query)].reset_index(drop=True)

    def record(self, path: str | os.PathLike[str] | None = None, **options: Any) -> Record:
        """What can be kept of this answer, also in a file (.json or .html): see ``bnt.records.record.record_of``."""
        return keep(self, path, **options)

    def _repr_html_(self) -> str:
        kind = "marginals" if self.mode == "sum" else "max-marginals"
        line = f"{kind} of {counted(len(self.query), 'variable')}, method {self.method}"
        return belief_card("Posterior", line, self.beliefs, self.status, self.support, self.query)

    def __repr__(self) -> str:
        return f"<Posterior of {len(self.query)} variables: {self.status}, method {self.method}, mode {self.mode}>"


def posterior(
    graph: FactorGraph,
    evidence: EvidenceLike = None,
    query: Iterable[str] | None = None,
    method: Method = "auto",
    mode: Mode = "sum",
    *,
    memory_limit: float = MEMORY_LIMIT,
) -> Posterior:
    """Beliefs of the variables named in ``query`` (None: of all) given the evidence, and what they are worth.

    method "auto": exact, where the tables of a junction tree fit into ``memory_limit`` bytes, else belief propagation
    with its status. "exact", "bp": that one; "trw", "mean-field": ``run_trw``, ``run_mean_field``, in mode "sum".
    mode "max": max-marginals and a most probable assignment. Of a new graph,
    and of a large one, only what the query depends on is looked at; ``log_z`` is then None.
    Raises BntError for an unknown method or mode, UnknownVariableError, UnknownStateError, EvidenceError,
    InconsistentEvidenceError for evidence of probability zero, TooLargeError where method "exact" does not fit.
    """
    if method not in (valid := get_args(Method)):
        raise BntError(f"unknown method {method!r}; {valid_names(valid, method)}")
    graph = as_graph(graph)
    check_mode(mode)
    check_limit(memory_limit)
    known = parse_evidence(graph, evidence)
    asked = tuple(graph.index) if query is None else tuple(dict.fromkeys(in_order("query", query, "variable names")))
    for name in asked:
        graph.position(name)
    question = Asked(graph, known, method, memory_limit, query is None)
    if method in OTHERS:
        if mode != "sum":
            raise BntError(f'method {method!r} has marginals alone: mode "sum", not {mode!r}')
        return by_propagation(OTHERS[method](graph, evidence), asked, question, method)
    if method != "bp":
        part, given = graph, known
        if query is not None and mode == "sum" and (first_question(graph) or has_large_tree(graph)):
            part, given = relevant_part(graph, known, map(graph.position, asked))
        try:
            found = exact_given(part, given, mode, memory_limit)
        except TooLargeError:
            if method == "exact":
                raise
        else:
            worth = partial(exact_status, graph, known, mode)
            best, peak = found.map_assignment, found.log_probability
            log_z = found.log_z if part is graph else None
            return Posterior(asked, found.beliefs, "exact", mode, worth, None, None, log_z, best, peak, asked=question)
    return by_propagation(run_bp(graph, evidence, mode=mode), asked, question)


def by_propagation(
    found: BPResult, asked: tuple[str, ...], question: Asked | None = None, method: str = "bp"
) -> Posterior:
    """A run of message passing as the answer to a question."""
    worth = partial(_hidden_status, found)
    best = found.map_assignment
    peak = None if best is None else log_probability(found.reduced, best)
    return Posterior(
        asked,
        found.beliefs,
        method,
        found.mode,
        worth,
        found.converged,
        found.rounds,
        found.log_z_bethe,
        best,
        peak,
        found.support,
        question,
    )


def exact_status(graph: FactorGraph, known: Evidence, mode: str, *names: str) -> str:
    """Status of exact beliefs of these variables, the observed ones left out: "exact", or "prior"."""
    hidden = [i for name in names if (i := graph.position(name)) not in known.hard]
    return "exact" if evidence_reaches(graph, known, hidden, mode == "max") else "prior"


def _hidden_status(found: BPResult, *names: str) -> str:
    """Status of belief propagation for these variables, the observed ones left out."""
    return found.status_of(*(name for name in names if found.graph.position(name) not in found.evidence.hard))


def weakest(statuses: Iterable[str]) -> str:
    """The status of an answer that rests on several others; "exact" and "prior" together are "exact"."""
    found = set(statuses)
    return next((status for status in WEAKEST_FIRST if status in found), "exact")
