"""Which schedule of belief propagation to take on a graph: ``recommend``, a rule found by measuring.

1. Where a junction tree fits the memory, ask it: its answer is exact. (What follows is then for those who want BP.)
2. No loop left after the evidence: "auto", two sweeps, exact.
3. On loops, the first of these that settles. Every factor joins two binary variables without zeros: in-place,
   sequential, residual, flooding with damping 0.5. Other factors: flooding, in-place, residual, flooding with damping
   0.5, sequential.
4. None settles: belief propagation has no answer here.

Measured by ``python -m benchmarks.schedules`` (docs/schedules.json) on 67 graphs of the kinds that the rule was made
on, drawn anew: it names a schedule within 1.5 times the seconds of the fastest, or rightly none, on 60; always flooding
would on 37, always in-place on 54. Where a tree fits, a run that settles is wrong by .11 in the median: so exact first.
The rule is older than the record: on Potts grids in-place has become the faster one, and flooding is still named first.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

from bnt.errors import InconsistentEvidenceError
from bnt.graph.evidence import EvidenceLike, absorb
from bnt.graph.factor_graph import FactorGraph
from bnt.graph.flat import flatten, is_binary_pairwise
from bnt.inference.belief_propagation import Schedule, run_bp

SECONDS = 10.0  # for each schedule that is tried
TOLERANCE = 1e-8
DAMPED: tuple[Schedule, float] = ("flooding", 0.5)
ORDER: dict[bool, tuple[tuple[Schedule, float], ...]] = {  # of a binary pairwise graph without zeros, and of others
    True: (("in-place", 0.0), ("sequential", 0.0), ("residual", 0.0), DAMPED),
    False: (("flooding", 0.0), ("in-place", 0.0), ("residual", 0.0), DAMPED, ("sequential", 0.0)),
}


@dataclass(frozen=True)
class Recommendation:
    """schedule and damping: for ``run_bp``; None where none settles. exact: does a junction tree fit the memory?"""

    schedule: Schedule | None
    damping: float
    exact: bool
    tried: tuple[str, ...]  # what did not settle

    @property
    def options(self) -> dict[str, Any]:
        """Options of ``run_bp``; empty where none settles."""
        if self.schedule is None:
            return {}
        return {"schedule": self.schedule} | ({"damping": self.damping} if self.damping else {})

    def __str__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.options.items())
        failed = f" ({', '.join(self.tried)} did not settle)" if self.tried else ""
        if self.schedule == "auto":
            return 'run_bp as it is, schedule="auto": no loop is left, so two sweeps are exact'
        bp = f"run_bp(..., {given}) settles{failed}" if self.schedule else f"no schedule settles{failed}"
        if self.exact:
            return f"exact_marginals: a junction tree fits the memory; of the schedules, {bp}"
        return bp if self.schedule else f"{bp}, and a junction tree does not fit the memory: no answer to rely on"


def recommend(graph: FactorGraph, evidence: EvidenceLike = None, *, exact: bool = False) -> Recommendation:
    """What to run on this graph; see the rule above. exact: whether a junction tree is known to fit the memory.

    Tries schedules in the rule's order, each for at most SECONDS. Raises what ``run_bp`` raises.
    """
    if is_forest(graph, evidence):
        return Recommendation("auto", 0.0, exact, ())
    tried: list[str] = []
    for schedule, damping in ORDER[is_binary_pairwise(graph)]:
        if settles(graph, evidence, schedule, damping):
            return Recommendation(schedule, damping, exact, tuple(tried))
        tried.append(f"damping={damping:g}" if damping else schedule)
    return Recommendation(None, 0.0, exact, tuple(tried))


def is_forest(graph: FactorGraph, evidence: EvidenceLike) -> bool:
    """Is no loop left after the evidence?"""
    from bnt.kernels.equations import rounds_needed

    _, depth = rounds_needed(flatten(absorb(graph, evidence)))
    return bool((depth >= 0).all())


def settles(graph: FactorGraph, evidence: EvidenceLike, schedule: Schedule, damping: float) -> bool:
    """Does this schedule reach TOLERANCE within run_bp's rounds and SECONDS, without losing all mass on the way?"""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the time is up
        try:
            options: dict[str, Any] = {"damping": damping, "tolerance": TOLERANCE, "seconds": SECONDS}
            return run_bp(graph, evidence, schedule=schedule, **options).converged
        except InconsistentEvidenceError:
            return False
