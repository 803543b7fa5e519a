"""Grounding: clauses over all constants become a Bayesian network over ground atoms.

1. Count: the sizes of the domains bound the number of ground clauses; a limit refuses before anything is built.
2. Derive: the least set of atoms that some clause can make true (*possible*) and that are true for sure (*certain*).
   What is not possible is false, by the closed-world assumption. Both become constants and leave no variable.
3. Stratify: every uncertain atom gets a stratum above all atoms it depends on; a cycle is an error that shows it,
   since a product of tables p(atom | causes) around a cycle need not sum to one: it is no distribution. Other semantics
   have one (ProbLog's: what follows from the rules that happen to fire), which loopy belief propagation on these tables
   would not compute, so it is not offered as an answer.
4. Gate: one noisy-OR of noisy-ANDs per uncertain atom (noisy_gates.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter

from bnt.checks import whole_number
from bnt.display import card, counted
from bnt.errors import ModelError, TooLargeError, UnknownConceptError
from bnt.graph.factor_graph import FactorGraph
from bnt.knowledge.base import GROUNDING_LIMIT, Clause, KnowledgeBase
from bnt.knowledge.noisy_gates import Cause, gate
from bnt.knowledge.text import Atom, is_variable

Binding = dict[str, str]


@dataclass(frozen=True)
class GroundClause:
    """One instance of a clause. ``body``: its uncertain conditions; certain ones hold anyway and are left out."""

    head: Atom
    body: tuple[Atom, ...]
    clause: Clause

    def __str__(self) -> str:
        conditions = " and ".join(map(str, self.body))
        return f"{self.clause.probability:g}: {self.head}" + (f" if {conditions}" if conditions else "")


@dataclass(frozen=True, eq=False)
class Grounding:
    """A ground knowledge base.

    strata: the uncertain atoms, stratum by stratum; an atom depends on lower strata only.
    certain: atoms true for sure. Every other atom of the concept space is false.
    clauses: the ground clauses of each uncertain atom. bound: ground clauses counted before building.
    """

    base: KnowledgeBase
    strata: tuple[tuple[Atom, ...], ...]
    certain: frozenset[Atom]
    clauses: Mapping[Atom, tuple[GroundClause, ...]]
    bound: int
    fan_in: int

    def _repr_html_(self) -> str:
        line = f"{counted(len(self.atoms), 'uncertain atom')} in {len(self.strata)} strata, "
        line += f"{len(self.certain):,} true for sure; the largest fan-in is {self.fan_in}"
        rows = ((str(atom), i, len(self.clauses[atom])) for i, level in enumerate(self.strata) for atom in level)
        header = "atom", "stratum", "ground clauses"
        return card("Grounding", line, header, rows, total=len(self.atoms), things="atoms")

    @property
    def atoms(self) -> tuple[Atom, ...]:
        """The uncertain atoms, lower strata first: the variables that are not auxiliary."""
        return tuple(atom for stratum in self.strata for atom in stratum)

    @property
    def facts(self) -> tuple[Atom, ...]:
        """Uncertain atoms that depend on no other."""
        return self.strata[0] if self.strata else ()

    def parents(self, atom: Atom | str) -> tuple[Atom, ...]:
        """The uncertain atoms in the bodies of its ground clauses. Raises UnknownConceptError for what is no uncertain
        atom."""
        known = atom if isinstance(atom, Atom) and atom in self.clauses else self.base.concept(atom)
        if known not in self.clauses:
            truth = "true" if known in self.certain else "false"
            raise UnknownConceptError(f"{known} is {truth} in every case; uncertain atoms are in .atoms")
        return tuple(dict.fromkeys(one for clause in self.clauses[known] for one in clause.body))

    def ancestors(self, atoms: Iterable[Atom]) -> set[Atom]:
        """These uncertain atoms and all they depend on."""
        found: set[Atom] = set()
        stack = list(atoms)
        while stack:
            atom = stack.pop()
            if atom not in found:
                found.add(atom)
                stack.extend(self.parents(atom))
        return found

    @cached_property
    def graph(self) -> FactorGraph:
        """The Bayesian network of all uncertain atoms: one factor per variable, its table given its parents."""
        return self.graph_of(self.atoms)

    def graph_of(self, atoms: Iterable[Atom], fan_in: int | None = None) -> FactorGraph:
        """The network of these atoms and all they depend on. What is below them sums to one and is left out."""
        needed = self.ancestors(atoms)
        variables, factors = [], []
        for atom in self.atoms:
            if atom not in needed:
                continue
            log_spared = 0.0  # ln of the probability that no unconditional cause fires: 1 - p would lose a small p
            causes = []
            for one in self.clauses[atom]:
                if one.body:
                    causes.append(Cause(tuple(map(str, one.body)), one.clause.probability))
                else:
                    log_spared += math.log1p(-one.clause.probability)
            new_variables, new_factors = gate(str(atom), -math.expm1(log_spared), causes, fan_in or self.fan_in)
            variables += new_variables
            factors += new_factors
        return FactorGraph(variables, factors)

    @property
    def counts(self) -> dict[str, int]:
        """What there is: concepts, certain and uncertain atoms, ground clauses, auxiliary variables, strata."""
        return {
            "concepts": self.base.concept_count,
            "certain atoms": len(self.certain),
            "uncertain atoms": len(self.atoms),
            "ground clauses at most": self.bound,
            "ground clauses": sum(map(len, self.clauses.values())),
            "auxiliary variables": len(self.graph.variables) - len(self.atoms),
            "strata": len(self.strata),
        }

    def __str__(self) -> str:
        listed = ", ".join(f"{name} {count}" for name, count in self.counts.items())
        return f"{self.base.name}, grounded: {listed}"

    def __repr__(self) -> str:
        return f"<Grounding of {self.base.name!r}: {len(self.atoms)} uncertain atoms>"


def ground(base: KnowledgeBase, *, limit: int = GROUNDING_LIMIT, fan_in: int = 6) -> Grounding:
    """Ground a knowledge base. fan_in: parents of one table, 2 to 20; larger gates become chains (noisy_gates.py).

    Raises BntError for another fan_in or limit; TooLargeError, before building, if the domains allow more than
    ``limit`` ground clauses; ModelError showing the atoms of a cycle and the place of one of its clauses.
    """
    fan_in = whole_number("fan_in", fan_in, 2, 20)
    limit = whole_number("limit", limit)
    bound = _check_size(base, limit)
    rules = [clause for clause in base.clauses if clause.probability > 0]
    possible = _derive(base, rules)
    certain = _derive(base, [clause for clause in rules if clause.probability == 1.0])
    sure = frozenset(Atom(name, arguments) for name, rows in certain.items() for arguments in rows)
    found: dict[Atom, list[GroundClause]] = {}
    for clause in rules:
        for binding in _bindings(clause, possible, base):
            head = _substitute(clause.head, binding)
            if head in sure:
                continue
            body = dict.fromkeys(_substitute(atom, binding) for atom in clause.body)
            kept = tuple(atom for atom in body if atom not in sure)
            found.setdefault(head, []).append(GroundClause(head, kept, clause))
    clauses = {head: tuple(several) for head, several in found.items()}
    return Grounding(base, _stratify(clauses), sure, clauses, bound, fan_in)


def ground_for(
    base: KnowledgeBase, atoms: Iterable[Atom], *, limit: int = GROUNDING_LIMIT, fan_in: int = 6
) -> Grounding:
    """Ground only what these atoms depend on: the clauses whose heads they are, those of their conditions, and so on.

    The rest of the base may be large or recursive. What the Grounding says of other atoms means nothing.
    Raises TooLargeError for more than ``limit`` relevant ground clauses; ModelError as ``ground``.
    """
    fan_in, limit = whole_number("fan_in", fan_in, 2, 20), whole_number("limit", limit)
    of_head: dict[str, list[Clause]] = {}
    for clause in base.clauses:
        if clause.probability > 0:
            of_head.setdefault(clause.head.predicate, []).append(clause)
    needed = dict.fromkeys(atoms)
    instances: list[GroundClause] = []
    for head in (waiting := list(needed)):  # which grows
        for clause in of_head.get(head.predicate, ()):
            known = _match(clause.head, head)
            if known is None:
                continue
            bindings: Iterator[Binding] = iter([known])
            for name, kind in clause.variables.items():
                if name not in known:
                    bindings = _spread(bindings, name, base.types[kind])
            for binding in bindings:
                body = tuple(dict.fromkeys(_substitute(atom, binding) for atom in clause.body))
                instances.append(GroundClause(head, body, clause))
                if len(instances) > limit:
                    raise TooLargeError(
                        f"{clause.place}, {clause.text!r}: the question depends on more than {limit:,} ground clauses"
                    )
                waiting += [atom for atom in body if atom not in needed]
                needed |= dict.fromkeys(body)
    possible = _closed(instances)
    sure = _closed([one for one in instances if one.clause.probability == 1.0])
    found: dict[Atom, list[GroundClause]] = {}
    for one in instances:
        if one.head not in sure and possible.issuperset(one.body):
            kept = tuple(atom for atom in one.body if atom not in sure)
            found.setdefault(one.head, []).append(GroundClause(one.head, kept, one.clause))
    clauses = {head: tuple(several) for head, several in found.items()}
    return Grounding(base, _stratify(clauses), frozenset(sure), clauses, len(instances), fan_in)


def _match(pattern: Atom, atom: Atom) -> Binding | None:
    """The binding that makes ``pattern`` this ground atom, or None."""
    binding: Binding = {}
    for term, value in zip(pattern.arguments, atom.arguments, strict=True):
        if (binding.setdefault(term, value) if is_variable(term) else term) != value:
            return None
    return binding


def _closed(instances: Sequence[GroundClause]) -> set[Atom]:
    """The least set of atoms closed under these ground clauses: each is looked at when its last condition holds."""
    missing = [len(one.body) for one in instances]
    uses: dict[Atom, list[int]] = {}
    for i, one in enumerate(instances):
        for atom in one.body:
            uses.setdefault(atom, []).append(i)
    found: set[Atom] = set()
    ready = [one.head for one in instances if not one.body]
    while ready:
        atom = ready.pop()
        if atom in found:
            continue
        found.add(atom)
        for i in uses.get(atom, ()):
            missing[i] -= 1
            if missing[i] == 0:
                ready.append(instances[i].head)
    return found


def _check_size(base: KnowledgeBase, limit: int) -> int:
    counts = base.count_groundings()
    total = sum(count for _, count in counts)
    if total > limit:
        clause, most = max(counts, key=lambda one: one[1])
        raise TooLargeError(
            f"{clause.place}, {clause.text!r}: {most:,} of the {total:,} ground clauses come from here; "
            f"the limit is {limit:,}"
        )
    return total


Rows = dict[str, dict[tuple[str, ...], None]]  # predicate -> arguments of its derived atoms, in order of derivation


def _derive(base: KnowledgeBase, rules: Sequence[Clause]) -> Rows:
    """The least set of atoms closed under the clauses (their probabilities aside)."""
    derived: Rows = {name: {} for name in base.predicates}
    grown = True
    while grown:
        grown = False
        for clause in rules:
            new = [_substitute(clause.head, binding) for binding in _bindings(clause, derived, base)]
            for atom in new:
                if atom.arguments not in derived[atom.predicate]:
                    derived[atom.predicate][atom.arguments] = None
                    grown = True
    return derived


def _bindings(clause: Clause, derived: Rows, base: KnowledgeBase) -> Iterator[Binding]:
    """All bindings of the clause's variables under which every condition is a derived atom."""
    bindings: Iterator[Binding] = iter([{}])
    for atom in clause.body:
        bindings = _join(bindings, atom, derived)
    bound = {name for atom in clause.body for name in atom.variables}
    for name, kind in clause.variables.items():
        if name not in bound:
            bindings = _spread(bindings, name, base.types[kind])
    return bindings


def _join(bindings: Iterator[Binding], atom: Atom, derived: Rows) -> Iterator[Binding]:
    index: dict[tuple[str, ...], list[tuple[str, ...]]] | None = None
    for binding in bindings:
        # Which terms are known is the same for every binding here, so one index on them serves all.
        known = [i for i, term in enumerate(atom.arguments) if not is_variable(term) or term in binding]
        if index is None:
            index = {}
            for row in derived[atom.predicate]:
                index.setdefault(tuple(row[i] for i in known), []).append(row)
        wanted = tuple(binding.get(atom.arguments[i], atom.arguments[i]) for i in known)
        for row in index.get(wanted, ()):
            extended = dict(binding)
            if all(extended.setdefault(term, value) == value for term, value in _variables(atom, row)):
                yield extended


def _variables(atom: Atom, row: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    return ((term, value) for term, value in zip(atom.arguments, row, strict=True) if is_variable(term))


def _spread(bindings: Iterator[Binding], name: str, constants: tuple[str, ...]) -> Iterator[Binding]:
    return ({**binding, name: constant} for binding in bindings for constant in constants)


def _substitute(atom: Atom, binding: Binding) -> Atom:
    return Atom(atom.predicate, tuple(binding.get(term, term) for term in atom.arguments))


def _stratify(clauses: Mapping[Atom, tuple[GroundClause, ...]]) -> tuple[tuple[Atom, ...], ...]:
    """Stratum of an atom: 0 without uncertain conditions, else one above its highest condition."""
    depends = {head: dict.fromkeys(atom for one in several for atom in one.body) for head, several in clauses.items()}
    sorter = TopologicalSorter(depends)
    try:
        sorter.prepare()
    except CycleError as error:
        cycle: list[Atom] = error.args[1][::-1]  # each atom depends on the next
        guilty = next(one for one in clauses[cycle[0]] if cycle[1] in one.body).clause
        raise ModelError(
            f"{guilty.place}, {guilty.text!r}: recursion, {' <- '.join(map(str, cycle))}; no ground atom may depend on "
            "itself: a Bayesian network says how probable an atom is given its causes, and where an atom is among its "
            "own causes that defines no distribution; leave out one rule of the cycle, or give its atoms a time step"
        ) from None
    strata: list[tuple[Atom, ...]] = []
    order = {atom: i for i, atom in enumerate(clauses)}
    while sorter.is_active():
        ready = sorter.get_ready()
        strata.append(tuple(sorted(ready, key=order.__getitem__)))
        sorter.done(*ready)
    return tuple(strata)
