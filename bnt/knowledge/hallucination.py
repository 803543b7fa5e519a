"""Three ways to answer the same questions: a grounded knowledge base, loopy belief propagation, a trained network.

arXiv:2603.17063 defines hallucination twice, and the two differ:

    section 2.1.1   a belief b that is not the true posterior: b != P_true
    section 9.4     a token that stands for no concept of the knowledge base

Loopy belief propagation violates the first and not the second: all its concepts are declared, its numbers are off. A
question about an undeclared concept is the second; the grounded base answers it with UnknownConceptError, a trained
network with a number. Neither definition covers a wrong knowledge base: its exact answers are exact for the base, and
still differ from the world.

The world here: conditions (*concepts*) cause findings, by noisy-OR, every finding having several possible causes. The
question: is this condition present, given all findings? Everything is small enough that P_true is known exactly.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from bnt.errors import BntError, UnknownConceptError, valid_names
from bnt.graph.evidence import absorb
from bnt.graph.factor_graph import Array
from bnt.inference.belief_propagation import run_bp
from bnt.inference.exact import log_joint
from bnt.knowledge.base import KnowledgeBase
from bnt.knowledge.calibration import Calibration, calibration_of
from bnt.knowledge.grounding import Grounding
from bnt.knowledge.noisy_gates import STATES
from bnt.knowledge.perceptron import Perceptron
from bnt.knowledge.queries import Method, ask

FINDINGS = 6
CONCEPTS = 12
TRAINED = 8  # the network is trained on questions about the first 8 concepts only
LEAK = 0.05  # probability that a finding shows without any cause


def conditions_base(seed: int, concepts: int = CONCEPTS, change: float = 0.0) -> KnowledgeBase:
    """Conditions c1, c2, ... and findings f1..f6 with random priors and rules.

    change: every probability p is moved to sigmoid(logit(p) + change * a normal number), as by a careless expert.
    """
    rng, careless = np.random.default_rng(seed), np.random.default_rng(seed + 1)
    base = KnowledgeBase(f"conditions {seed}" + (f", careless by {change:g}" if change else ""))
    base.add_type("condition", [f"c{i + 1}" for i in range(concepts)])
    base.add_type("finding", [f"f{j + 1}" for j in range(FINDINGS)])
    base.add_predicate("present", "condition")
    base.add_predicate("seen", "finding")

    def stated(p: float) -> float:
        odds = p / (1 - p) * np.exp(change * careless.normal())
        return float(odds / (1 + odds))

    for i in range(concepts):
        base.add_fact(f"present(c{i + 1})", stated(rng.uniform(0.03, 0.3)))
        for j in range(FINDINGS):
            if rng.random() < 0.5:
                base.add_rule(f"seen(f{j + 1})", [f"present(c{i + 1})"], stated(rng.uniform(0.3, 0.97)))
    for j in range(FINDINGS):
        base.add_fact(f"seen(f{j + 1})", stated(LEAK))
    return base


class Answers(NamedTuple):
    """findings (64, 6): every combination, as 0 and 1. weight (64,): its probability. posterior (64, concepts)."""

    findings: Array
    weight: Array
    posterior: Array


def _ground(base: KnowledgeBase) -> Grounding:
    return base.ground(fan_in=CONCEPTS)  # one table per finding, no auxiliary variables


def exact_answers(base: KnowledgeBase) -> Answers:
    """Every question's true posterior, from the joint of the ground base."""
    graph = _ground(base).graph
    joint, axis_of = log_joint(absorb(graph))
    probabilities = np.exp(joint - joint.max())
    probabilities /= probabilities.sum()
    findings = [axis_of[graph.position(f"seen(f{j + 1})")] for j in range(FINDINGS)]
    concepts = [axis_of[i] for i, v in enumerate(graph.variables) if v.name.startswith("present")]
    table = np.transpose(probabilities, [*findings, *concepts]).reshape(2**FINDINGS, *[2] * len(concepts))
    weight = table.reshape(2**FINDINGS, -1).sum(axis=1)
    posterior = np.stack(
        [np.take(table, 1, axis=1 + i).reshape(2**FINDINGS, -1).sum(axis=1) for i in range(len(concepts))], axis=1
    )
    every = (np.arange(2**FINDINGS)[:, None] >> np.arange(FINDINGS)[::-1]) & 1
    return Answers(every.astype(np.float64), weight, posterior / weight[:, None])


def loopy_answers(base: KnowledgeBase) -> tuple[Array, float]:
    """The same posteriors (64, concepts) by loopy belief propagation, and the share of runs that converged."""
    ground = _ground(base)
    concepts = [str(atom) for atom in ground.facts if atom.predicate == "present"]
    rows, converged = [], 0
    for number in range(2**FINDINGS):
        shown = {f"seen(f{j + 1})": STATES[number >> (FINDINGS - 1 - j) & 1] for j in range(FINDINGS)}
        result = run_bp(ground.graph, shown)
        converged += result.converged
        rows.append([result.beliefs.vector(name)[1] for name in concepts])
    return np.array(rows), converged / 2**FINDINGS


class Case(NamedTuple):
    """Sampled cases: finding combination (n,), and which conditions were really present (n, concepts)."""

    number: Array
    present: Array


def sample_cases(base: KnowledgeBase, count: int, seed: int) -> Case:
    """Cases drawn from the world that the base describes."""
    rng = np.random.default_rng(seed)
    facts = {clause.head: clause.probability for clause in base.clauses if not clause.body}
    concepts, findings = base.types["condition"], base.types["finding"]
    prior = np.array([facts[base.concept(f"present({c})")] for c in concepts])
    spared = np.ones((len(concepts), FINDINGS))
    for clause in base.clauses:
        for condition in clause.body:
            place = concepts.index(condition.arguments[0]), findings.index(clause.head.arguments[0])
            spared[place] = 1 - clause.probability
    leak = np.array([facts[base.concept(f"seen({f})")] for f in findings])
    present = (rng.random((count, len(concepts))) < prior).astype(np.float64)
    free = (1 - leak) * np.exp(present @ np.log(spared))
    seen = rng.random(free.shape) >= free
    return Case(seen @ (1 << np.arange(FINDINGS)[::-1]), present)


def train_by_name(cases: Case, width: int, depth: int, seed: int, trained: int = TRAINED) -> Perceptron:
    """A network that knows a concept by its name, a one-hot code of all concepts plus one that nobody declared.

    It sees questions about the first ``trained`` concepts, with outcomes; equal inputs are counted together.
    """
    names = cases.present.shape[1] + 1
    count = np.bincount(cases.number, minlength=2**FINDINGS).astype(np.float64)
    hits = np.stack([np.bincount(cases.number, cases.present[:, i], 2**FINDINGS) for i in range(trained)], axis=1)
    inputs = inputs_by_name(names)[:, :trained].reshape(2**FINDINGS * trained, -1)
    weight = np.repeat(count, trained) / (count.sum() * trained)
    with np.errstate(invalid="ignore"):
        target = np.nan_to_num(hits / count[:, None]).ravel()
    network = Perceptron(inputs.shape[1], width, depth, seed)
    network.fit(inputs, target, weight)
    return network


@lru_cache
def trained_network(seed: int = 0, cases: int = 20_000, width: int = 64, depth: int = 2) -> Perceptron:
    """The network that ``demonstrate`` and ``same_question`` ask, trained once and kept: not to be changed."""
    return train_by_name(sample_cases(conditions_base(seed), cases, seed + 200), width, depth, seed)


def inputs_by_name(names: int) -> Array:
    """(64, names, 6 + names): findings as -1 and 1, then the one-hot code of the concept asked about."""
    findings = 2.0 * ((np.arange(2**FINDINGS)[:, None] >> np.arange(FINDINGS)[::-1]) & 1) - 1
    left = np.broadcast_to(findings[:, None, :], (2**FINDINGS, names, FINDINGS))
    right = np.broadcast_to(np.eye(names), (2**FINDINGS, names, names))
    return np.concatenate([left, right], axis=2)


def answers_by_name(network: Perceptron, names: int) -> Array:
    """The network's answer to every question (64, names)."""
    return network(inputs_by_name(names).reshape(2**FINDINGS * names, -1)).reshape(2**FINDINGS, names)


def mean_error(answers: Array, truth: Answers, concepts: slice) -> float:
    """Mean |answer - P_true| over the concepts, findings weighted by their probability."""
    gap = np.abs(answers[:, : truth.posterior.shape[1]] - truth.posterior)[:, concepts]
    return float(truth.weight @ gap.mean(axis=1))


class System(NamedTuple):
    """One way to answer, judged on the concepts the network was trained on (``on``) and on the others (``off``)."""

    name: str
    error_on: float
    error_off: float
    calibration_on: Calibration
    calibration_off: Calibration
    undeclared: str  # what it says of a concept that nobody declared


def demonstrate(seed: int = 0, cases: int = 20_000, width: int = 64, depth: int = 2) -> list[System]:
    """The same questions to each system; errors against P_true, calibration against 20,000 fresh cases.

    The systems: exact answers of the grounded base; of a base whose probabilities a careless expert has moved; loopy
    belief propagation on the right base; a network trained on ``cases`` cases about 8 of the 12 concepts; and, for
    scale, the mean of the true posteriors of those 8 concepts as the answer to everything.
    """
    base, careless = conditions_base(seed), conditions_base(seed, change=1.0)
    truth, fresh = exact_answers(base), sample_cases(base, 20_000, seed + 100)
    network = trained_network(seed, cases, width, depth)
    by_name = answers_by_name(network, CONCEPTS + 1)
    refusal = "UnknownConceptError"
    average = np.full_like(truth.posterior, truth.weight @ truth.posterior[:, :TRAINED].mean(axis=1))
    everything = [
        ("grounded, exact", truth.posterior, refusal),
        ("grounded, careless rules, exact", exact_answers(careless).posterior, refusal),
        ("grounded, loopy belief propagation", loopy_answers(base)[0], refusal),
        (f"network {width} x {depth}", by_name[:, :CONCEPTS], f"P = {truth.weight @ by_name[:, -1]:.2f} on average"),
        ("one number for everything", average, f"P = {average[0, 0]:.2f}"),
    ]
    on, off = slice(0, TRAINED), slice(TRAINED, CONCEPTS)
    return [
        System(
            name,
            mean_error(answers, truth, on),
            mean_error(answers, truth, off),
            calibration_of(answers[fresh.number][:, on].ravel(), fresh.present[:, on].ravel()),
            calibration_of(answers[fresh.number][:, off].ravel(), fresh.present[:, off].ravel()),
            undeclared,
        )
        for name, answers, undeclared in everything
    ]


def same_question(concept: str, seen: Iterable[str], seed: int = 0, cases: int = 20_000) -> dict[str, str]:
    """One question, "is this concept present, given exactly these findings?", and what each system says to it.

    Any name c1, c2, ... may be asked about: c9 is declared but unknown to the network, c13 not even declared.
    """
    base = conditions_base(seed)
    ground, shown = _ground(base), set(seen)
    if not re.fullmatch(r"c[1-9]\d*", concept):
        raise BntError(f"ask about a concept c1, c2, ..., not {concept!r}")
    for finding in shown - set(base.types["finding"]):
        raise UnknownConceptError(
            f"there is no finding {finding!r}; {valid_names(base.types['finding'], str(finding))}"
        )
    evidence = {f"seen({finding})": finding in shown for finding in base.types["finding"]}
    said: dict[str, str] = {}
    methods: tuple[tuple[str, Method], ...] = (("grounded, exact", "exact"), ("loopy belief propagation", "bp"))
    for name, method in methods:
        try:
            answer = ask(ground, f"present({concept})", evidence, method=method)
            said[name] = f"{answer.probability:.3f} [{answer.status}]"
        except UnknownConceptError as error:
            said[name] = f"UnknownConceptError: {error}"
    number = sum((finding in shown) << (FINDINGS - 1 - j) for j, finding in enumerate(base.types["finding"]))
    network = trained_network(seed, cases)
    column = min(int(concept[1:]) - 1, CONCEPTS)  # every undeclared name shares the last, untrained code
    said["trained network"] = f"{answers_by_name(network, CONCEPTS + 1)[number, column]:.3f} [no status]"
    return said


class Size(NamedTuple):
    """Mean errors of a network of this size, over several seeds of its training."""

    width: int
    depth: int
    data: int  # cases, or training concepts
    error_on: float
    error_off: float


def error_against_size(width: int, depth: int, cases: int, seed: int = 0, repeats: int = 3) -> Size:
    """On- and off-concept error of networks that know a concept by its name only.

    What the network learns about the trained names says nothing about an untrained one, so no width, depth or amount
    of data about the trained concepts can bring the off-concept error to zero: this is the paper's "not a scaling
    issue", and here it holds.
    """
    base = conditions_base(seed)
    truth = exact_answers(base)
    errors = []
    for repeat in range(repeats):
        network = train_by_name(sample_cases(base, cases, 1000 * seed + repeat), width, depth, repeat)
        answers = answers_by_name(network, CONCEPTS + 1)
        both = slice(0, TRAINED), slice(TRAINED, CONCEPTS)
        errors.append([mean_error(answers, truth, concepts) for concepts in both])
    on, off = np.mean(errors, axis=0).tolist()
    return Size(width, depth, cases, on, off)


def describe(base: KnowledgeBase, name: str) -> Array:
    """A concept's own rules as numbers (7,): log odds of its prior, then -ln(1 - p) of its rule to each finding."""
    description = np.zeros(1 + FINDINGS)
    for clause in base.clauses:
        if clause.head.arguments == (name,):
            description[0] = np.log(clause.probability) - np.log1p(-clause.probability)
        elif clause.body and clause.body[0].arguments == (name,):
            description[1 + int(clause.head.arguments[0][1:]) - 1] = -np.log1p(-clause.probability)
    return description


def error_of_described(width: int, depth: int, concepts: int, seed: int = 0, unseen: int = 40) -> Size:
    """Error on concepts never trained on, of a network that reads a concept's description instead of its name.

    Background conditions are fixed; each further concept is drawn from one distribution and described by its rules.
    Targets are true posteriors. Now there is something to generalise, and the off-concept error falls with the number
    of training concepts: "not a scaling issue" is a property of bare names, not of trained networks.
    """
    inputs, truth, weight = [], [], []
    for i in range(concepts + unseen):
        base = _with_one_more(seed, i)
        answers = exact_answers(base)
        row = np.broadcast_to(describe(base, "c7"), (2**FINDINGS, 1 + FINDINGS))
        inputs.append(np.hstack([2 * answers.findings - 1, row]))
        truth.append(answers.posterior[:, -1])
        weight.append(answers.weight)
    x, y, w = (np.array(one) for one in (inputs, truth, weight))
    network = Perceptron(x.shape[2], width, depth, seed)
    network.fit(x[:concepts].reshape(-1, x.shape[2]), y[:concepts].ravel(), w[:concepts].ravel() / concepts)
    gap = np.abs(network(x.reshape(-1, x.shape[2])).reshape(y.shape) - y)
    errors = (w * gap).sum(axis=1)
    return Size(width, depth, concepts, float(errors[:concepts].mean()), float(errors[concepts:].mean()))


def _with_one_more(seed: int, i: int) -> KnowledgeBase:
    """Six fixed conditions and a seventh, c7, drawn anew for every i."""
    fixed, drawn = conditions_base(seed, 6), conditions_base(10_000 + 1000 * seed + i, 1)
    base = KnowledgeBase(f"six conditions and number {i}")
    base.add_type("condition", [f"c{k + 1}" for k in range(7)])
    base.add_type("finding", fixed.types["finding"])
    base.add_predicate("present", "condition")
    base.add_predicate("seen", "finding")
    for clause in fixed.clauses:
        base.add_rule(clause.head, clause.body, clause.probability)
    for clause in drawn.clauses:
        if clause.body:
            base.add_rule(clause.head, ["present(c7)"], clause.probability)
        elif clause.head.predicate == "present":
            base.add_fact("present(c7)", clause.probability)
    return base
