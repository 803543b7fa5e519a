"""Knowledge bases: typed constants, predicates with typed roles, and weighted Horn clauses.

A clause ``0.9: likes(X, Y) if lonely(X) and woman(Y)`` holds for all constants of the right types. One ground instance
is one possible cause of its head:

    inside a clause    noisy-AND: it fires with its probability if all conditions hold, otherwise never
    across clauses     noisy-OR:  P(head false) = product, over the causes whose conditions hold, of 1 - probability
    otherwise          closed world: an atom that no clause can derive is false, one derived with certainty is true

A fact is a clause without conditions. Two facts about one atom are two causes. Causes fire independently. These are the
universally quantified rules over typed constants of arXiv:2603.17063, section 4; grounding.py turns them into a
Bayesian network.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bnt.checks import in_order, is_real
from bnt.display import card, counted, draw
from bnt.errors import BntError, FormatError, ModelError, UnknownConceptError, valid_names
from bnt.graph.text_files import marked
from bnt.knowledge.text import Atom, PredicateLine, TypeLine, is_variable, parse_atom, parse_statements
from bnt.stored import FOLDER

if TYPE_CHECKING:
    from pandas import DataFrame

    from bnt.display import Picture
    from bnt.knowledge.grounding import Grounding

RESERVED = ("type", "predicate", "if", "and")
EXAMPLES = FOLDER / "knowledge"
GROUNDING_LIMIT = 100_000  # ground clauses


@dataclass(frozen=True)
class Predicate:
    """A predicate: the type of each role, and the role's name ("" where it has none)."""

    name: str
    types: tuple[str, ...]
    roles: tuple[str, ...]
    place: str

    def __str__(self) -> str:
        described = [f"{role}: {kind}" if role else kind for role, kind in zip(self.roles, self.types, strict=True)]
        return f"{self.name}({', '.join(described)})" if described else self.name


@dataclass(frozen=True)
class Clause:
    """``probability: head if body``, checked. ``variables`` maps each variable to its type, in order of appearance.

    ``body`` holds conditions on predicates only; conditions on types live in ``variables``.
    """

    head: Atom
    body: tuple[Atom, ...]
    probability: float
    variables: Mapping[str, str]
    text: str
    place: str  # "family.kb, line 7", or "rule 3"


class KnowledgeBase:
    """Declarations and clauses, each checked when it is added.

    types: name -> constants. predicates: name -> Predicate. clauses: in order. Names of types, constants and
    predicates all differ. A method that raises leaves the base as it was.
    """

    def __init__(self, name: str = "knowledge base"):
        self.name = name
        self.types: dict[str, tuple[str, ...]] = {}
        self.predicates: dict[str, Predicate] = {}
        self.clauses: list[Clause] = []
        self.type_of: dict[str, str] = {}  # constant -> type
        self._place_of: dict[str, str] = {}  # every name -> where it was declared
        self._seen: dict[tuple[Atom, tuple[Atom, ...]], str] = {}

    # ------------------------------------------------------------------ declarations

    def add_type(self, name: str, constants: Iterable[str], place: str | None = None) -> None:
        """Declare a type and its constants. Raises ModelError: name clash, empty domain, a constant that is no name."""
        place = place or f"type {name!r}"
        constants = in_order(f"{place}: constants", constants, "names", error=ModelError)
        if not constants:
            raise ModelError(f"{place}: type {name!r} has no constants; a type needs at least one")
        new = (name, *constants)
        for i, one in enumerate(new):
            self._check_name(one, place)
            if one in new[:i]:
                raise ModelError(f"{place}: {one!r} is named twice in type {name!r}; names must differ")
        self.types[name] = constants
        self.type_of |= dict.fromkeys(constants, name)
        self._place_of |= dict.fromkeys(new, place)

    def add_predicate(self, name: str, *roles: str, place: str | None = None) -> None:
        """Declare a predicate; each role is a type, or "role: type". Raises ModelError: name clash, unknown type."""
        place = place or f"predicate {name!r}"
        self._check_name(name, place)
        for role in roles:
            if not isinstance(role, str):
                raise ModelError(f"{place}: a role is a type or 'role: type', as text, not {role!r}")
        split = [tuple(part.strip() for part in role.rpartition(":")) for role in roles]
        for _, _, kind in split:
            if kind not in self.types:
                raise ModelError(f"{place}: {kind!r} is no type; {valid_names(self.types, kind)}")
        names = [role for role, _, _ in split if role]
        if len(set(names)) != len(names):
            raise ModelError(f"{place}: two roles of {name!r} have one name; roles must differ")
        kinds, named = tuple(kind for _, _, kind in split), tuple(role for role, _, _ in split)
        self.predicates[name] = Predicate(name, kinds, named, place)
        self._place_of[name] = place

    def add_fact(self, atom: str | Atom, probability: float = 1.0, place: str | None = None) -> None:
        """Add ``probability: atom``, without variables. Raises ModelError or FormatError."""
        self.add_rule(atom, (), probability, place)

    def add_rule(
        self, head: str | Atom, body: Iterable[str | Atom], probability: float = 1.0, place: str | None = None
    ) -> None:
        """Add ``probability: head if body``; a condition may be a type, as in "woman(Y)", which binds a variable.

        Raises FormatError (an atom cannot be read) and ModelError: unknown name, wrong arity or type, a variable of the
        head that the body does not bind, probability outside [0, 1], the same clause twice.
        """
        body = in_order("the body of a rule", body, "atoms", error=ModelError)
        head, *conditions = (atom if isinstance(atom, Atom) else parse_atom(atom) for atom in (head, *body))
        text = " and ".join(str(atom) for atom in conditions)
        legal = is_real(probability) and not isinstance(probability, bool) and 0.0 <= probability <= 1.0
        number = repr(float(probability) if legal else probability).removesuffix(".0")
        text = f"{number}: {head} if {text}" if conditions else f"{number}: {head}"
        place = place or f"rule {len(self.clauses) + 1}"
        where = f"{place}, {text!r}"
        if not legal:
            raise ModelError(f"{where}: the probability is {number}; it must be a number from 0 to 1")
        variables = self._bind(head, conditions, where)
        kept = tuple(atom for atom in conditions if atom.predicate in self.predicates)
        signature = (head, tuple(conditions))
        if signature in self._seen:
            raise ModelError(f"{where}: the same clause stands at {self._seen[signature]}; state it once")
        self._seen[signature] = place
        self.clauses.append(Clause(head, kept, float(probability), variables, text, place))

    def _check_name(self, name: str, place: str) -> None:
        if not isinstance(name, str) or not name.isidentifier() or not name[0].isalpha() or is_variable(name):
            raise ModelError(f"{place}: {name!r} is no name; it must be a word that begins with a small letter")
        if name in RESERVED:
            raise ModelError(f"{place}: {name!r} is a reserved word; reserved: {', '.join(RESERVED)}")
        if name in self._place_of:
            kind = "type" if name in self.types else "predicate" if name in self.predicates else "constant"
            raise ModelError(f"{place}: {name!r} is already a {kind} ({self._place_of[name]}); names must differ")

    def _bind(self, head: Atom, conditions: list[Atom], where: str) -> dict[str, str]:
        """Type of every variable, checked against every role it fills."""
        found: dict[str, tuple[str, Atom]] = {}
        for atom in (*conditions, head):
            if atom.predicate in self.types and atom is not head:
                kinds: tuple[str, ...] = (atom.predicate,)
            elif atom.predicate in self.predicates:
                kinds = self.predicates[atom.predicate].types
            else:
                known = [*self.predicates, *([] if atom is head else self.types)]
                raise ModelError(f"{where}: {atom.predicate!r} is no predicate; {valid_names(known, atom.predicate)}")
            problem = self._arity_problem(atom, kinds)
            if problem:
                raise ModelError(f"{where}: {problem}")
            for term, kind in zip(atom.arguments, kinds, strict=True):
                if not is_variable(term):
                    problem = self._constant_problem(term, kind, atom)
                elif atom is head and term not in found:
                    problem = f"variable {term} of the head is not bound; add a condition such as {kind}({term})"
                elif term in found and found[term][0] != kind:
                    problem = f"variable {term} is a {found[term][0]} in {found[term][1]} but a {kind} in {atom}"
                if problem:
                    raise ModelError(f"{where}: {problem}")
                found.setdefault(term, (kind, atom))
        return {term: kind for term, (kind, _) in found.items() if is_variable(term)}

    def _arity_problem(self, atom: Atom, kinds: tuple[str, ...]) -> str | None:
        if len(atom.arguments) == len(kinds):
            return None
        shape = self.predicates.get(atom.predicate, f"{atom.predicate}(constant)")
        count = len(atom.arguments)
        return f"{atom} has {count} {'argument' if count == 1 else 'arguments'}, but {shape} takes {len(kinds)}"

    def _constant_problem(self, constant: str, kind: str, atom: Atom) -> str | None:
        own = self.type_of.get(constant)
        if own is None:
            return f"{constant!r} in {atom} is no constant; {valid_names(self.types[kind], constant)}"
        if own != kind:
            return f"{constant!r} is a {own}, but {atom} needs a {kind}; {valid_names(self.types[kind], constant)}"
        return None

    # ------------------------------------------------------------------ the finite concept space

    def concept(self, text: str | Atom) -> Atom:
        """The ground atom that ``text`` names.

        Raises UnknownConceptError, which lists near matches, for anything that was not declared: predicate, constant,
        number or types of arguments, a variable. FormatError if it is no atom at all.
        """
        atom = text if isinstance(text, Atom) else parse_atom(text)
        shape = self.predicates.get(atom.predicate)
        if shape is None:
            problem: str | None = f"no predicate {atom.predicate!r}; {valid_names(self.predicates, atom.predicate)}"
        else:
            problem = self._arity_problem(atom, shape.types)
        if shape is not None and not problem:
            for term, kind in zip(atom.arguments, shape.types, strict=True):
                problem = problem or self._constant_problem(term, kind, atom)
        if problem:
            raise UnknownConceptError(f"{atom} is outside the concept space of {self.name}: {problem}")
        return atom

    @property
    def concept_count(self) -> int:
        """Number of ground atoms that can be asked about: sum over predicates of the product of their domains."""
        sizes = {name: len(constants) for name, constants in self.types.items()}
        return sum(math.prod(sizes[kind] for kind in predicate.types) for predicate in self.predicates.values())

    def concepts(self) -> Iterator[Atom]:
        """Every ground atom of the concept space, predicate by predicate."""
        from itertools import product

        for predicate in self.predicates.values():
            for arguments in product(*(self.types[kind] for kind in predicate.types)):
                yield Atom(predicate.name, arguments)

    # ------------------------------------------------------------------ grounding, text

    def count_groundings(self) -> list[tuple[Clause, int]]:
        """For each clause, the product of the sizes of its variables' types: known before anything is built."""
        return [
            (clause, math.prod(len(self.types[kind]) for kind in clause.variables.values())) for clause in self.clauses
        ]

    def ground(self, *, limit: int = GROUNDING_LIMIT, fan_in: int = 6) -> Grounding:
        """All ground clauses that can fire, as a Bayesian network. See grounding.ground."""
        from bnt.knowledge.grounding import ground

        return ground(self, limit=limit, fan_in=fan_in)

    def __str__(self) -> str:
        """The base in its text format; ``parse_knowledge(str(base))`` reads it back."""
        lines = [f"type {name} = {', '.join(constants)}" for name, constants in self.types.items()]
        lines += [f"predicate {predicate}" for predicate in self.predicates.values()]
        return "\n".join([*lines, *(clause.text for clause in self.clauses)]) + "\n"

    def rows(self) -> Iterator[tuple[float, str, str]]:
        """(probability, head, conditions) of each clause, in order."""
        for clause in self.clauses:
            head, _, body = clause.text.partition(": ")[2].partition(" if ")
            yield clause.probability, head, body

    def to_frame(self) -> DataFrame:
        """``rows`` as a pandas frame: probability, head, conditions."""
        import pandas as pd

        return pd.DataFrame(self.rows(), columns=["probability", "head", "conditions"])

    def plot(self) -> Picture:
        """Which predicates speak for which, by how many rules and how strongly; see ``figures.plot``."""
        return draw(self)

    def _repr_html_(self) -> str:
        line = f"{self.name}: {counted(len(self.types), 'type')}, {counted(len(self.predicates), 'predicate')}, "
        line += f"{counted(self.concept_count, 'concept')}, {counted(len(self.clauses), 'clause')}"
        header = ("probability", "head", "if")
        return card("KnowledgeBase", line, header, self.rows(), total=len(self.clauses), things="clauses")

    def __repr__(self) -> str:
        return f"<KnowledgeBase {self.name!r}: {self.concept_count} concepts, {len(self.clauses)} clauses>"


def parse_knowledge(text: str, name: str = "knowledge base") -> KnowledgeBase:
    """A knowledge base from its text (format: text.py). Raises FormatError: source, line, and the rule."""
    if not isinstance(text, str):
        raise FormatError(f"{name}: the text of a knowledge base must be a str, not {type(text).__name__}")
    base = KnowledgeBase(name)
    text = text.removeprefix("\ufeff")  # the byte order mark of Windows
    for statement in parse_statements(text, name):
        place = f"{name}, line {statement.line}"
        try:
            if isinstance(statement, TypeLine):
                base.add_type(statement.name, statement.constants, place)
            elif isinstance(statement, PredicateLine):
                base.add_predicate(statement.name, *statement.roles, place=place)
            else:
                base.add_rule(statement.head, statement.body, statement.probability, place)
        except ModelError as error:
            raise FormatError(str(error)) from None
    return base


def load_knowledge(source: str | os.PathLike[str]) -> KnowledgeBase:
    """A built-in knowledge base by name (``"dating"``), or one from a text file ending in .kb.

    Raises BntError listing the names, FormatError for a file that cannot be read.
    """
    examples = sorted(path.stem for path in EXAMPLES.glob("*.kb"))
    if not isinstance(source, (str, os.PathLike)):
        raise BntError(f"a knowledge base is given by its name or the path of a .kb file, not by {source!r}")
    built_in = isinstance(source, str) and source in examples
    path = EXAMPLES / f"{source}.kb" if built_in else Path(source)
    if path.suffix != ".kb":
        names = valid_names(examples, str(source), len(examples))
        raise BntError(f"no built-in knowledge base is called {str(source)!r}, and a file must end in .kb; {names}")
    try:
        text = path.read_text(encoding=marked(path.read_bytes(), "utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise FormatError(f"{path}: cannot be read: {reason}") from None
    return parse_knowledge(text, str(source) if built_in else path.name)
