"""Ledger rows about knowledge: rules that ground to factor graphs, and what scaling cannot repair."""

from __future__ import annotations

from itertools import permutations, product
from typing import Any

import numpy as np

from bnt.claims.ledger import PAPER, How, Outcome, claim
from bnt.graph.factor_graph import Array
from bnt.knowledge.base import parse_knowledge
from bnt.knowledge.hallucination import (
    CONCEPTS,
    TRAINED,
    answers_by_name,
    conditions_base,
    exact_answers,
    sample_cases,
    train_by_name,
)
from bnt.knowledge.queries import ask
from bnt.stored import load_experiment

KNOWLEDGE = "11_knowledge_and_hallucination"


@claim(
    "rules-ground",
    "universally quantified rules over typed constants ground to a propositional factor graph",
    source=f"{PAPER}, section 4",
    verdict="exact under conditions",
    conditions="Horn clauses without recursion, noisy-AND inside and noisy-OR across clauses, declared constants",
    tolerance=1e-12,
    how=How("theorem", "by construction"),
    lesson=KNOWLEDGE,
)
def rules_ground(full: bool) -> Outcome:
    text = """
        type person = ann, bob, eve
        predicate kind(person)
        predicate likes(person, person)
        0.7: kind(ann)
        0.4: kind(bob)
        0.2: kind(eve)
        0.8: likes(X, Y) if kind(X) and person(Y)
        0.5: likes(X, Y) if kind(Y) and person(X)
    """
    ground = parse_knowledge(text).ground()
    prior, worst = {"ann": 0.7, "bob": 0.4, "eve": 0.2}, 0.0
    for x, y in product(prior, repeat=2):
        truth = 0.0  # by hand: sum over the worlds of kind, the two clauses as independent causes
        for one, other in product((0, 1), repeat=2):
            if x == y and one != other:
                continue
            weight = (prior[x] if one else 1 - prior[x]) * (1.0 if x == y else prior[y] if other else 1 - prior[y])
            truth += weight * (1 - (1 - 0.8 * one) * (1 - 0.5 * other))
        answer: Any = ask(ground, f"likes({x}, {y})")
        worst = max(worst, abs(answer.probability - truth))
    return Outcome(
        f"two rules, three constants, nine ground answers against sums over worlds: {worst:.1e}", error=worst
    )


# --- names and descriptions -------------------------------------------------------------------------------------------


@claim(
    "untrained-names",
    "scaling cannot repair answers about concepts that were never grounded",
    source=f"{PAPER}, sections 1.6 and 4.4",
    verdict="exact under conditions",
    conditions="concepts known by bare names: over all ways to hand out the names no learner beats a floor; described "
    "by their rules, concepts never seen are answered nearly as well as trained ones",
    tolerance=1e-12,
    how=How("theorem", "a median minimises the mean absolute error"),
    lesson=KNOWLEDGE,
)
def untrained_names(full: bool) -> Outcome:
    base = conditions_base(0)
    truth, cases = exact_answers(base), sample_cases(base, 2_000, 1)
    four = truth.posterior[:, TRAINED:]  # (findings, untrained names)
    middle = np.median(four, axis=1, keepdims=True)
    floor = float(truth.weight @ np.abs(four - middle).mean(axis=1))
    namings = [list(order) for order in permutations(range(CONCEPTS - TRAINED))]
    said, errors = [], {"the median": _mean_error(np.broadcast_to(middle, four.shape), four, truth.weight, namings)}
    for order in (namings[0], namings[-1]):  # the same cases in the world where the names are exchanged
        present = np.hstack([cases.present[:, :TRAINED], cases.present[:, TRAINED:][:, order]])
        network = train_by_name(cases._replace(present=present), 16 if full else 4, 2, seed=0)
        said.append(answers_by_name(network, CONCEPTS + 1)[:, TRAINED:CONCEPTS])
    errors["a network"] = _mean_error(said[0], four, truth.weight, namings)
    errors["the truth of one naming"] = _mean_error(four, four, truth.weight, namings)
    first, *_, last = (row["error_off"] for row in load_experiment("hallucination")["described"])
    return Outcome(
        f"floor {floor:.3f}; mean error over {len(namings)} namings: "
        + ", ".join(f"{name} {error:.3f}" for name, error in errors.items())
        + f"; described instead of named, with more and more training concepts (stored): {first:.3f} to {last:.3f}",
        bool(np.array_equal(said[0], said[1])) and min(errors.values()) >= floor - 1e-12 and last < first / 5,
        abs(errors["the median"] - floor),
    )


def _mean_error(answers: Array, four: Array, weight: Array, namings: list[list[int]]) -> float:
    """Mean |answer - truth|, findings by their probability, over all ways to hand out the four names."""
    return float(np.mean([weight @ np.abs(answers - four[:, order]).mean(axis=1) for order in namings]))
