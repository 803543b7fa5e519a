"""Random acyclic knowledge bases, and the plainest meaning of a knowledge base: every ground clause is one coin."""

import contextlib
import itertools

import numpy as np

from bnt.errors import ModelError
from bnt.knowledge.base import KnowledgeBase
from bnt.knowledge.text import Atom

MOST_COINS = 11


def random_base(seed):
    """One or two types, three to five predicates of arity 0-2, facts below, rules upwards only, at least one of them
    with an uncertain condition; some probabilities are 0 or 1."""
    rng = np.random.default_rng(seed)
    while True:
        base = KnowledgeBase(f"random {seed}")
        for name in ("ab", "cd")[: rng.integers(1, 3)]:
            base.add_type(name, [f"{letter}{name}" for letter in "xyz"[: rng.integers(1, 4)]])
        kinds = list(base.types)
        names = [f"p{i}" for i in range(int(rng.integers(3, 7)))]
        for name in names:
            base.add_predicate(name, *rng.choice(kinds, rng.choice(3, p=[0.25, 0.5, 0.25])))
        for name in names[:2]:
            add(base, random_atom(base, name, rng), [], rng)
        for _ in range(int(rng.integers(2, 8))):
            top = int(rng.integers(0, len(names)))
            body = [random_atom(base, rng.choice(names[:top]), rng) for _ in range(rng.integers(0, 4)) if top]
            add(base, random_atom(base, names[top], rng), body, rng)
        coins = sum(n for clause, n in base.count_groundings() if 0 < clause.probability < 1)
        if coins <= MOST_COINS and len(base.ground().strata) > 1:
            return base


def add(base, head, body, rng):
    """Add a random clause; conditions on types bind what the head needs."""
    bound = {variable for atom in body for variable in atom.variables}
    body += [Atom(kind_of(v, list(base.types)), (v,)) for v in head.variables if v not in bound]
    chance = float(rng.choice([1.0, 0.0, rng.uniform()], p=[0.15, 0.05, 0.8]))
    with contextlib.suppress(ModelError):  # the same clause twice
        base.add_rule(head, body, chance)


def kind_of(variable, kinds):
    return kinds[int(variable[1])]


def random_atom(base, name, rng):
    """Variables V0.. are of the first type, V1.. of the second, so that types always fit."""
    kinds = list(base.types)
    terms = []
    for kind in base.predicates[name].types:
        if rng.random() < 0.3:
            terms.append(str(rng.choice(base.types[kind])))
        else:
            terms.append(f"V{kinds.index(kind)}{rng.choice(['', 'b'])}")
    return Atom(str(name), tuple(terms))


def naive_instances(base):
    """Every ground clause over all constants: (probability, head, conditions)."""
    for clause in base.clauses:
        names = list(clause.variables)
        for constants in itertools.product(*(base.types[clause.variables[name]] for name in names)):
            binding = dict(zip(names, constants, strict=True))
            head, *body = (
                Atom(a.predicate, tuple(binding.get(t, t) for t in a.arguments)) for a in (clause.head, *clause.body)
            )
            yield clause.probability, head, body


def worlds(base):
    """[(probability, set of true atoms)] over all outcomes of the coins: the least model of the clauses that hold."""
    instances = list(naive_instances(base))
    uncertain = [one for one in instances if 0 < one[0] < 1]
    certain = [one for one in instances if one[0] == 1]
    found = []
    for outcome in itertools.product([False, True], repeat=len(uncertain)):
        weight = float(np.prod([p if heads else 1 - p for (p, _, _), heads in zip(uncertain, outcome, strict=True)]))
        rules = certain + [one for one, heads in zip(uncertain, outcome, strict=True) if heads]
        true, grown = set(), True
        while grown:
            new = {head for _, head, body in rules if head not in true and true.issuperset(body)}
            true |= new
            grown = bool(new)
        found.append((weight, frozenset(true)))
    return found
