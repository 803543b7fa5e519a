"""Constructions for a factor graph with evidence, held against a specification."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from bnt.checks import in_order
from bnt.compiler.compile import CONSTRUCTIONS, compile_graph
from bnt.compiler.model import CompiledModel
from bnt.compiler.verify import Report, verify_model
from bnt.designs.costs import Size, layer_cost, size_of
from bnt.designs.specification import Alternative, Budget, Candidate, Tolerance, nothing_to_build, settled_from
from bnt.errors import TooLargeError, UnsupportedModelError
from bnt.graph.beliefs import Beliefs
from bnt.graph.evidence import EvidenceLike
from bnt.graph.factor_graph import FactorGraph
from bnt.graph.pgmpy_bridge import as_graph
from bnt.inference.exact import exact_marginals
from bnt.kernels import equations
from bnt.knowledge.base import KnowledgeBase
from bnt.knowledge.grounding import Grounding, ground_for
from bnt.knowledge.queries import read_evidence
from bnt.transformer.forward import forward


def ground_question(
    subject: KnowledgeBase | Grounding, queries: Iterable[Any] | None, evidence: Any
) -> tuple[FactorGraph, list[str], dict[str, Any]]:
    """The network that a question about atoms depends on, the atoms' names and the evidence, for ``graph_candidates``.

    Atoms that are true or false in every case need no transformer and are left out.
    """
    base = subject.base if isinstance(subject, Grounding) else subject
    named = None if queries is None else [base.concept(one) for one in in_order("queries", queries, "atoms")]
    known = evidence if isinstance(evidence, Mapping) else {}  # read_evidence refuses anything else
    if isinstance(subject, Grounding):
        ground = subject
    elif named is None:
        ground = base.ground()
    else:
        ground = ground_for(base, [*named, *(base.concept(one) for one in known)])
    atoms = list(ground.atoms) if named is None else [one for one in named if one in ground.clauses]
    _, known = read_evidence(ground, evidence)  # of atoms that are not certain
    seen = [one for one in ground.atoms if str(one) in known]
    return ground.graph_of([*atoms, *seen]), [str(one) for one in atoms], known


def graph_candidates(
    subject: Any,
    queries: Iterable[str] | None,
    evidence: EvidenceLike,
    tolerance: Tolerance,
    budget: Budget,
    memory_limit: int,
) -> list[Candidate]:
    """Every construction of ``compile_graph``, with the fewest layers that meet the specification."""
    graph = as_graph(subject)
    asked = list(graph.index) if queries is None else list(in_order("queries", queries, "names of variables"))
    for name in asked:
        graph.position(name)
    try:
        oracle = exact_marginals(graph, evidence, memory_limit=memory_limit).beliefs
    except TooLargeError:
        oracle = None
    question = _Question(graph, asked, evidence, oracle, memory_limit)
    return [question.candidate(name, tolerance, budget) for name in CONSTRUCTIONS]


class _Question:
    """A graph with evidence, what is asked about, and the exact answer if there is one."""

    def __init__(
        self, graph: FactorGraph, asked: Sequence[str], evidence: Any, oracle: Beliefs | None, memory_limit: int
    ):
        self.graph, self.asked, self.evidence = graph, asked, evidence
        self.oracle, self.memory_limit = oracle, memory_limit

    def compiled(self, construction: Any, rounds: int | None) -> CompiledModel:
        return compile_graph(
            self.graph, self.evidence, rounds=rounds, construction=construction, memory_limit=self.memory_limit
        )

    def error(self, beliefs: Beliefs) -> float | None:
        """Largest error of what is asked about."""
        if self.oracle is None:
            return None
        exact = self.oracle
        return max((float(np.abs(beliefs.vector(v) - exact.vector(v)).max()) for v in self.asked), default=0.0)

    def candidate(self, construction: str, tolerance: Tolerance, budget: Budget) -> Candidate:
        def refused(size: Size | None, error: float | None, why: str) -> Candidate:
            return Candidate(Alternative(construction, False, size, error, why), nothing_to_build)

        try:
            whole = self.compiled(construction, None)
        except (UnsupportedModelError, TooLargeError) as problem:
            return refused(None, None, str(problem))

        def sized(rounds: int) -> Size:
            one = size_of(whole.weights, len(whole.tokens), whole.layout.width)
            cost = (rounds + 1) * layer_cost(whole.weights.layers[0], one.tokens)
            return one._replace(layers=rounds + 1, multiply_adds=cost)

        most = budget.most_layers - 1  # rounds
        enough = self.exact_rounds(whole)
        if tolerance == "exact" or construction == "junction-tree":
            if enough is None:
                return refused(sized(most), None, "not exact, with any number of layers: the graph has loops")
            rounds, error, why = enough, None, f"exact from layer {enough + 1} on"
        else:
            if self.oracle is None:
                return refused(sized(most), None, "exact answers are too large to compute, so no error is known")
            errors = self.errors(construction, most)
            found = settled_from(errors, tolerance)
            if found is None:
                return refused(sized(most), float(errors[-1]), f"still off by {errors[-1]:.1e} after {most + 1} layers")
            rounds, error = found, float(errors[found])
            layers = f"from layer {rounds + 1} to layer {most + 1}"
            why = f"off by at most {tolerance:g} {layers}, measured for this evidence"
        size = sized(rounds)
        if broken := budget.broken_by(size):
            return refused(size, error, broken)
        meets = Alternative(construction, True, size, error, why)
        return Candidate(meets, partial(self.build, construction, rounds))

    def exact_rounds(self, model: CompiledModel) -> int | None:
        """Rounds after which what is asked about is exact by construction; None: never for certain."""
        hidden = {self.graph.variables[i].name for i in model.reduced.free}
        places = [self.graph.position(name) for name in self.asked if name in hidden]
        if model.construction == "junction-tree" or not places:
            return model.exact_after if model.construction == "junction-tree" else 0
        if model.construction == "mean-field":
            return model.exact_after
        _, depth = equations.rounds_needed(model.flat)  # -1 in a component with a loop
        needed = [int(depth[place]) for place in places]
        return max(needed) if min(needed) >= 0 else None

    def errors(self, construction: str, rounds: int) -> np.ndarray:
        """(rounds + 1,) error of what is asked about after layers 1, 2, ..., by the message passing they compute."""
        run = self.compiled(construction, rounds).reference(keep_history=True)
        return np.array([self.error(run.beliefs_after(r)) for r in range(rounds + 1)], dtype=np.float64)

    def build(self, construction: str, rounds: int) -> tuple[CompiledModel, Report, float | None]:
        model = self.compiled(construction, rounds)
        beliefs = model.beliefs(forward(model.tokens, model.weights, keep="last"))
        return model, verify_model(model), self.error(beliefs)
