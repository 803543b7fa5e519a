"""``design(subject, ...)``: the cheapest construction that meets a specification, verified, beside all others.

A specification says what is asked (a graph, a knowledge base or a hidden Markov model, with evidence and queries), how
well ("exact", or an error of a probability), and what may be spent (layers, heads, width, tokens). For every
construction the fewest layers that meet it are found, with the message passing that the layers compute; the cheapest is
then compiled and verified: its forward pass against that message passing, and its answers against exact ones.

"exact" is a property of the construction: a forest with enough rounds, a junction tree, a filter with enough layers.
A tolerance is met by measuring, for this evidence: from these layers on, up to the budget's last, no belief asked about
is off by more. Where exact answers are too large to compute, no error is known and none is claimed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bnt.checks import check_limit, is_real, need, whole_number
from bnt.compiler.model import CompiledModel
from bnt.compiler.verify import Report
from bnt.designs.filters import FilterReport, filter_candidates
from bnt.designs.graphs import graph_candidates, ground_question
from bnt.designs.specification import HEADER, Alternative, Budget, NoDesignError, Tolerance, table
from bnt.display import card
from bnt.knowledge.base import KnowledgeBase
from bnt.knowledge.grounding import Grounding
from bnt.sequences.filtering import FilterModel
from bnt.sequences.hmm import HMM

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, eq=False)
class Design:
    """The cheapest construction that meets a specification. model: compiled. report: what verifying it found.

    alternatives: every construction, those that meet it first, the cheapest first.
    """

    model: CompiledModel | FilterModel
    report: Report | FilterReport
    alternatives: tuple[Alternative, ...]
    tolerance: Tolerance

    @property
    def best(self) -> Alternative:
        """The chosen one."""
        return self.alternatives[0]

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """One row per construction, in the order of ``specification.HEADER``."""
        return (one.row() for one in self.alternatives)

    def to_frame(self) -> DataFrame:
        """``rows`` as a pandas frame."""
        import pandas as pd

        return pd.DataFrame(list(self.rows()), columns=[name.replace("-", "_") for name in HEADER])

    def _repr_html_(self) -> str:
        asked = "exact" if self.tolerance == "exact" else f"within {self.tolerance:g}"
        line, notes = f"asked for: {asked}; the {self.best.construction} construction is the cheapest", [self.best.why]
        things, total = "constructions", len(self.alternatives)
        return card("Design", line, HEADER, self.rows(), total=total, things=things, status="holds", notes=notes)

    def __str__(self) -> str:
        return table(self.alternatives)

    def __repr__(self) -> str:
        return f"<Design: {self.best.construction}, {self.best.size}>"


def design(
    subject: Any,
    queries: Iterable[Any] | None = None,
    evidence: Any = None,
    *,
    tolerance: Tolerance = "exact",
    layers: int | None = None,
    heads: int | None = None,
    width: int | None = None,
    tokens: int | None = None,
    memory_limit: int = 2**30,
) -> Design:
    """The cheapest construction for a specification, compiled and verified, with all alternatives and their costs.

    subject: a FactorGraph or pgmpy model, a KnowledgeBase or Grounding, or an HMM. evidence: as ``run_bp`` takes it, or
    ``ask``; for an HMM its observations. queries: names of variables, atoms, or times (from 0) of an HMM; None: all.
    tolerance: "exact", or the largest error of a probability. layers, heads (of one layer), width, tokens: the budget.
    memory_limit: bytes that compiling and exact answers may take. Costs are multiply-adds, see ``costs.layer_cost``.
    Raises NoDesignError where nothing meets it; BntError for a specification that means nothing; as ``compile_graph``.
    """
    if tolerance != "exact":
        legal = is_real(tolerance) and not isinstance(tolerance, bool) and 0.0 <= float(tolerance) <= 1.0
        need(legal, f'tolerance must be "exact" or an error of a probability, from 0 to 1, not {tolerance!r}')
        tolerance = float(tolerance)
    check_limit(memory_limit)
    limits = {"layers": layers, "heads": heads, "width": width, "tokens": tokens}
    budget = Budget(**{name: None if most is None else whole_number(name, most, 1) for name, most in limits.items()})
    if isinstance(subject, HMM):
        found = filter_candidates(subject, queries, evidence, tolerance, budget, memory_limit)
    else:
        if isinstance(subject, KnowledgeBase | Grounding):
            subject, queries, evidence = ground_question(subject, queries, evidence)
        found = graph_candidates(subject, queries, evidence, tolerance, budget, memory_limit)
    met = [one for one in found if one.alternative.meets]
    met.sort(key=lambda one: one.alternative.size.multiply_adds if one.alternative.size else 0)
    failed = [one.alternative for one in found if not one.alternative.meets]
    for i, one in enumerate(met):
        model, report, error = one.build()
        now = one.alternative._replace(error=error)
        if report.holds and (tolerance == "exact" or (error is not None and error <= tolerance)):
            return Design(model, report, (now, *(other.alternative for other in met[i + 1 :]), *failed), tolerance)
        why = "its forward pass does not verify: a floored logarithm, or chaotic messages, show"
        failed.append(now._replace(meets=False, why=why))
    raise NoDesignError("no construction meets this specification:\n" + table(failed), tuple(failed))
