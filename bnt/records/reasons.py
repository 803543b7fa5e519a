"""Why an answer is what it is, as JSON: weights of the evidence, and what each entry or clause would change."""

from __future__ import annotations

from typing import Any

import numpy as np

from bnt.errors import BntError, TooLargeError, UnsupportedModelError
from bnt.inference.log_z import posterior_bounds
from bnt.inference.posterior import Posterior, posterior, weakest
from bnt.knowledge.base import parse_knowledge
from bnt.knowledge.explanations import Weight, explain, weigh
from bnt.knowledge.queries import Answer, ask, log_odds
from bnt.odds import decibans
from bnt.records.models import Json, number, plain
from bnt.records.sensitivity import entry_sensitivity

WEIGHED_BY = {  # the method of ``posterior`` that weighs an answer's evidence, by its method; "bp" else
    "exact": "exact",
    "transformer, junction-tree construction": "exact",
    "trw": "trw",
    "transformer, tree-reweighted construction": "trw",
    "mean-field": "mean-field",
    "transformer, mean-field construction": "mean-field",
}
MOST_EVIDENCE = 60  # pieces of evidence that are weighed: 3 computations each
MOST_ENTRIES = 20_000  # of all tables together, for which slopes are listed
MOST_CLAUSES = 60  # of a knowledge base, each asked about twice
STEP = 0.01  # by which the probability of a clause is varied


def reasons_for(answer: Posterior, name: str, state: str) -> Json:
    """What moved P(name = state), and what would."""
    assert answer.asked is not None
    graph, known = answer.asked.graph, answer.asked.evidence
    shown: dict[str, Any] = {graph.variables[i].name: graph.variables[i].states[s] for i, s in known.hard.items()}
    shown |= {graph.variables[i].name: np.exp(soft) for i, soft in known.soft.items()}
    return {
        "variable": name,
        "state": state,
        "evidence": _weights(answer, name, state, shown),
        "bounds": _bounds(answer, name, state, shown),
        "entries": _entries(answer, name, state, shown),
    }


def _bounds(answer: Posterior, name: str, state: str, shown: dict[str, Any]) -> Json:
    """A certified interval for the probability, where the answer itself is not exact."""
    assert answer.asked is not None
    if (status := answer.status_of(name)) in ("exact", "prior"):
        return {"left_out": f"the answer is {status}, up to rounding"}
    try:
        lower, upper = posterior_bounds(answer.asked.graph, name, shown)[state]
    except (UnsupportedModelError, TooLargeError) as error:
        return {"left_out": f"no bounds are certified: {error}"}
    return {"lower": lower, "upper": upper}


def _weights(answer: Posterior, name: str, state: str, shown: dict[str, Any]) -> Json:
    """Weights of the evidence, by the answer's own method; a compiled transformer's are those of the propagation that
    it computes."""
    assert answer.asked is not None
    asked = answer.asked
    place = asked.graph.variable(name).state_index(state)
    pieces = {key: value for key, value in shown.items() if key != name or not isinstance(value, str)}
    if len(pieces) > MOST_EVIDENCE:
        return {"left_out": f"{len(pieces)} pieces of evidence; at most {MOST_EVIDENCE} are weighed"}
    if len(pieces) < len(shown):
        return {"left_out": f"{name} is itself observed; nothing is left to explain"}
    method: Any = WEIGHED_BY.get(answer.method, "bp")
    statuses = set[str]()

    def odds(names: tuple[str, ...]) -> float:
        given = {one: pieces[one] for one in names}
        found = posterior(asked.graph, given, [name], method, memory_limit=asked.memory_limit)
        statuses.add(found.status)
        return log_odds(float(found.beliefs.vector(name)[place]))

    try:
        weights, change = weigh(pieces, odds), (odds(()), odds(tuple(pieces)))
    except TooLargeError as error:  # less evidence leaves larger tables
        return {"left_out": f"with less evidence exact inference is too large: {error}"}
    return _weighed(weights, change, weakest(statuses))


def _weighed(weights: tuple[Weight, ...], change: tuple[float, float], status: str) -> Json:
    rows = [
        {
            "evidence": one.atom,
            "value": plain(one.value),
            **{key: number(decibans(getattr(one, key))) for key in ("alone", "in_order", "given_rest")},
        }
        for one in weights
    ]
    before, after = (number(one) for one in change)
    return {"unit": "decibans", "log_odds_before": before, "log_odds_after": after, "status": status, "weights": rows}


def _entries(answer: Posterior, name: str, state: str, shown: dict[str, Any]) -> Json:
    assert answer.asked is not None
    graph, limit = answer.asked.graph, answer.asked.memory_limit
    count = sum(factor.log_table.size for factor in graph.factors)
    if count > MOST_ENTRIES:
        return {"left_out": f"{count:,} entries; slopes are listed for at most {MOST_ENTRIES:,}"}
    try:
        found = entry_sensitivity(graph, name, state, shown, memory_limit=limit)
    except TooLargeError as error:
        return {"left_out": f"slopes are exact or not given, and exact inference is too large: {error}"}
    rows = [{**one._asdict(), "states": list(one.states)} for one in found]
    return {"status": "exact", "slopes": rows}


def knowledge_reasons(answer: Answer) -> Json:
    """The weights of the evidence on the atom."""
    assert answer.asked is not None
    ground, method = answer.asked
    subject: Json = {"variable": str(answer.atom), "state": "true"}
    if str(answer.atom) in answer.evidence:
        return {**subject, "evidence": {"left_out": f"{answer.atom} is itself observed; nothing is left to explain"}}
    if len(answer.evidence) > MOST_EVIDENCE:
        return {
            **subject,
            "evidence": {"left_out": f"{len(answer.evidence)} pieces of evidence; at most {MOST_EVIDENCE} are weighed"},
        }
    found = explain(ground, answer.atom, answer.evidence, method=method)
    change = found.prior.log_odds, found.posterior.log_odds
    return {**subject, "evidence": {**_weighed(found.weights, change, found.status), "verdict": found.verdict}}


def clause_effects(answer: Answer) -> Json:
    """The answer with each clause's probability a step lower and higher, everything else as it is."""
    assert answer.asked is not None
    ground, method = answer.asked
    base = ground.base
    if len(base.clauses) > MOST_CLAUSES:
        return {"left_out": f"{len(base.clauses)} clauses; at most {MOST_CLAUSES} are varied"}
    lines, rows = str(base).splitlines(), list[Json]()
    moved = list[list[float]]()
    first = len(lines) - len(base.clauses)
    for i, clause in enumerate(base.clauses):
        tail = clause.text.partition(": ")[2]
        found: list[float | None] = []
        for p in (round(clause.probability + step, 12) for step in (-STEP, STEP)):
            if not 0.0 <= p <= 1.0:
                found.append(None)
                continue
            text = "\n".join([*lines[: first + i], f"{p!r}: {tail}", *lines[first + i + 1 :]])
            varied = parse_knowledge(text, base.name)
            try:
                found.append(ask(varied, answer.atom, answer.evidence, method=method).probability)
            except BntError:  # evidence that this change makes impossible
                found.append(None)
        rows.append({"clause": clause.text, "lower": found[0], "higher": found[1]})
        moved.append([answer.probability, *(p for p in found if p is not None)])
    order = sorted(range(len(rows)), key=lambda i: -max(abs(p - answer.probability) for p in moved[i]))
    return {"step": STEP, "effects": [rows[i] for i in order]}
