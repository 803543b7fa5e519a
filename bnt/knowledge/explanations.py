"""Explanations: which evidence moved an answer, by how much, and along which messages.

Everything is measured in log odds of the query, where Bayes' rule adds: the weight of a piece of evidence is the change
of log odds it causes (10 log10 of the odds: decibans; log2: bits). It is given three times:

    alone           with no other evidence
    in order        with the pieces before it in the list: these always add up to the whole change, by definition, but
                    each depends on the order
    given the rest  as the last piece

The weights *alone* add up to the whole change if the pieces are independent given the query (d-separated by it); then
all three columns agree. Otherwise they interact, one repeats or explains away another, and no fair split exists: the
difference is reported as the interaction.

The messages that reach the query always add up: its log odds are the sum of the log odds of the messages into it. On
graphs with loops that sum is belief propagation's answer, not the exact one; ``messages_exact`` says which.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from bnt.checks import of_kind
from bnt.display import card, draw
from bnt.errors import BntError, EvidenceError
from bnt.graph.factor_graph import FactorGraph
from bnt.inference.belief_propagation import run_bp
from bnt.inference.posterior import weakest
from bnt.inference.result import BPResult
from bnt.knowledge.grounding import Grounding
from bnt.knowledge.queries import Answer, AtomLike, Known, Method, ask, read_evidence
from bnt.odds import decibans

if TYPE_CHECKING:
    from pandas import DataFrame

    from bnt.display import Picture

LN2 = math.log(2.0)
UNMOVED = 1e-12  # a message whose log odds change less than this is not listed


class Weight(NamedTuple):
    """What one piece of evidence does to the log odds (natural logarithm) of the query."""

    atom: str
    value: Any
    alone: float
    in_order: float
    given_rest: float


class MessageChange(NamedTuple):
    """The log odds (true against false) of a factor-to-variable message that flows towards the query.

    factor: name of the factor, which is the variable whose table it is. distance: variables between it and the query;
    0 means that it reaches the query itself.
    """

    factor: str
    target: str
    distance: int
    before: float
    after: float

    @property
    def change(self) -> float:
        """after - before, natural logarithm; 0 between equal infinities."""
        return _difference(self.after, self.before)


@dataclass(frozen=True)
class Explanation:
    """How evidence moved P(query). ``independent``: given the query, each piece is d-separated from the others.

    ``status``: the weakest of all answers that the weights are made of. Taking evidence away can open a loop that the
    whole evidence closes, so an exact posterior may come with approximate weights.
    """

    prior: Answer
    posterior: Answer
    weights: tuple[Weight, ...]
    independent: bool
    messages: tuple[MessageChange, ...]  # those that changed, nearest to the query first
    messages_exact: bool
    status: str

    @property
    def change(self) -> float:
        """The whole change of log odds, natural logarithm."""
        return _difference(self.posterior.log_odds, self.prior.log_odds)

    @property
    def interaction(self) -> float:
        """The whole change minus the sum of the weights alone: 0, up to rounding, if ``independent``."""
        return _difference(self.change, sum(weight.alone for weight in self.weights))

    @property
    def message_change(self) -> float:
        """The sum of the changes of the messages into the query: the change of belief propagation's log odds."""
        return sum(message.change for message in self.messages if message.distance == 0)

    def rows(self, unit: str = "decibans") -> list[tuple[str, float, float, float]]:
        """(evidence, alone, in order, given the rest) in decibans, bits or nats. Raises BntError for another unit."""
        scale = _scale(unit)
        return [
            (f"{w.atom}={w.value}", w.alone * scale, w.in_order * scale, w.given_rest * scale) for w in self.weights
        ]

    @property
    def verdict(self) -> str:
        """One sentence: do the weights alone add up, and why."""
        scale = _scale("decibans")
        if not self.weights:
            return "There is no evidence that could move the answer."
        if not math.isfinite(self.change):
            return "The evidence makes the answer certain: no finite sum of weights leads there."
        if self.independent:
            return f"The weights alone add up: given {self.prior.atom}, the pieces of evidence are independent."
        return (
            f"The weights alone do not add up: given {self.prior.atom}, the pieces of evidence still depend on each "
            f"other; their interaction is {self.interaction * scale:+.2f} decibans."
        )

    def to_frame(self, unit: str = "decibans") -> DataFrame:
        """``rows`` as a pandas frame: evidence, alone, in_order, given_rest. Raises BntError for an unknown unit."""
        import pandas as pd

        return pd.DataFrame(self.rows(unit), columns=["evidence", "alone", "in_order", "given_rest"])

    def plot(self) -> Picture:
        """What each piece of evidence did to the answer, as bars of decibans; see ``figures.plot``."""
        return draw(self)

    def _repr_html_(self) -> str:
        moved = f"{self.change * _scale('decibans'):+.2f} decibans"
        line = f"P({self.prior.atom}): {self.prior.probability:.4g} → {self.posterior.probability:.4g}, {moved}"
        rows = ((name, *(f"{weight:+.2f}" for weight in weights)) for name, *weights in self.rows())
        header = ("evidence, in decibans", "alone", "in order", "given the rest")
        total, notes = len(self.weights), [self.verdict]
        return card("Explanation", line, header, rows, total=total, things="weights", status=self.status, notes=notes)

    def __str__(self) -> str:
        scale = _scale("decibans")
        lines = [
            f"P({self.prior.atom}): {self.prior.probability:.6g} -> {self.posterior.probability:.6g}, "
            f"{self.change * scale:+.2f} decibans   [{self.status}]",
            f"{'evidence':<34} {'alone':>8} {'in order':>8} {'given the rest':>14}",
        ]
        lines += [f"{name:<34} {one:>8.2f} {two:>8.2f} {three:>14.2f}" for name, one, two, three in self.rows()]
        total = [scale * sum(w.alone for w in self.weights), scale * sum(w.in_order for w in self.weights)]
        lines += [f"{'sum':<34} {total[0]:>8.2f} {total[1]:>8.2f}", self.verdict]
        kind = "exact" if self.messages_exact else "belief propagation with loops, approximate"
        lines += [f"messages that moved ({kind}), those into the query add up to {self.message_change * scale:+.2f}:"]
        lines += [
            f"{'  ' * m.distance}  {m.factor} -> {m.target}: {m.before * scale:+.2f} to {m.after * scale:+.2f}"
            for m in self.messages
        ]
        return "\n".join(lines)


def _scale(unit: str) -> float:
    scales = {"decibans": decibans(1.0), "bits": 1 / LN2, "nats": 1.0}
    if unit not in scales:
        raise BntError(f"unknown unit {unit!r}; valid: {', '.join(scales)}")
    return scales[unit]


def _difference(after: float, before: float) -> float:
    return 0.0 if after == before else after - before


def explain(ground: Grounding, query: AtomLike, evidence: Known, *, method: Method = "auto") -> Explanation:
    """Explain how ``evidence``, in the order of the mapping, moved P(query = true).

    Takes 3 m + 2 computations for m pieces of evidence. Pieces about atoms that are true or false in every case are
    checked and left out. Raises as ``ask``, and EvidenceError if the query is among the evidence.
    """
    of_kind("the first argument", ground, Grounding, hint="KnowledgeBase.ground() makes one")
    atom = ground.base.concept(query)
    shown, pieces = read_evidence(ground, evidence)
    if str(atom) in shown:
        raise EvidenceError(f"{atom} is among the evidence; nothing is left to explain")

    prior, posterior = ask(ground, atom, method=method), ask(ground, atom, shown, method=method)
    statuses = {prior.status, posterior.status}

    def odds(names: tuple[str, ...]) -> float:
        if len(names) in (0, len(pieces)):
            return (posterior if names else prior).log_odds
        answer = ask(ground, atom, {name: pieces[name] for name in names}, method=method)
        statuses.add(answer.status)
        return answer.log_odds

    names, weights = list(pieces), weigh(pieces, odds)
    if atom not in ground.clauses:
        return Explanation(prior, posterior, weights, True, (), True, weakest(statuses))
    graph = ground.graph_of([one for one in ground.atoms if one == atom or str(one) in pieces])
    before, after = run_bp(graph), run_bp(graph, pieces)
    exact = {before.status_of(str(atom)), after.status_of(str(atom))} <= {"exact", "prior"}
    messages = tuple(_changes(graph, before, after, str(atom)))
    apart = _independent(graph, names, str(atom))
    return Explanation(prior, posterior, weights, apart, messages, exact, weakest(statuses))


def weigh(pieces: Mapping[str, Any], odds: Callable[[tuple[str, ...]], float]) -> tuple[Weight, ...]:
    """The weights of these pieces of evidence, in their order; odds(names): log odds of the query given those alone."""
    names, weights, so_far = tuple(pieces), [], odds(())
    prior, posterior = so_far, odds(tuple(pieces))
    for i, name in enumerate(names):
        with_this = odds(names[: i + 1])
        alone = _difference(odds((name,)), prior)
        in_order, given_rest = _difference(with_this, so_far), _difference(posterior, odds(names[:i] + names[i + 1 :]))
        weights.append(Weight(name, pieces[name], alone, in_order, given_rest))
        so_far = with_this
    return tuple(weights)


def _independent(graph: FactorGraph, names: Sequence[str], query: str) -> bool:
    """Is each piece of evidence d-separated from all others by the query?"""
    import networkx as nx

    arcs = nx.DiGraph()
    arcs.add_nodes_from(graph.index)
    for factor in graph.factors:  # the table of its first variable given the others
        child, *parents = factor.variables
        arcs.add_edges_from((parent.name, child.name) for parent in parents)
    return len(names) < 2 or all(nx.is_d_separator(arcs, {one}, {*names} - {one}, {query}) for one in names)


def _changes(graph: FactorGraph, before: BPResult, after: BPResult, query: str) -> list[MessageChange]:
    """Messages towards the query that moved, by distance from it. Observed variables end a path."""
    start, observed = graph.position(query), after.reduced.evidence.hard
    odds = [_log_odds_of_messages(result) for result in (before, after)]
    distance, queue, found = {start: 0}, deque([start]), []
    entered: dict[int, int] = {}  # factor -> distance of the variables it was first reached from
    while queue:
        v = queue.popleft()
        for f in graph.factors_of[v]:
            if entered.setdefault(f, distance[v]) < distance[v]:
                continue
            old, new = odds[0][f, v], odds[1][f, v]
            if abs(_difference(new, old)) > UNMOVED:
                name = graph.factors[f].name or graph.factors[f].label
                found.append(MessageChange(name, graph.variables[v].name, distance[v], old, new))
            for u in graph.scopes[f]:
                if u not in distance and u not in observed:
                    distance[u] = distance[v] + 1
                    queue.append(u)
    return found


def _log_odds_of_messages(result: BPResult) -> dict[tuple[int, int], float]:
    """Log odds of every message into an unobserved variable, by (factor, variable); a factor that evidence has reduced
    to this variable alone sends its slice."""
    graph, observed = result.graph, result.reduced.evidence.hard
    messages = {(f, graph.position(name)): log for (f, name), log in result.messages.items()}
    odds = {}
    for f, scope in enumerate(graph.scopes):
        for v in scope:
            if v in observed:
                continue
            log = messages.get((f, v))
            if log is None:
                log = graph.factors[f].log_table[tuple(observed.get(u, slice(None)) for u in scope)]
            odds[f, v] = _difference(float(log[1]), float(log[0]))
    return odds
