"""The text of a knowledge base: one statement a line, read into plain statements. What they mean: base.py.

    # who dates whom
    type man = jack, john               constants; a range: p1 .. p40
    type woman = jill
    predicate lonely(man)
    predicate likes(suitor: man, loved: woman)          roles may carry a name
    0.3: lonely(jack)                   a fact; without a number it is certain
    0.9: likes(X, Y) if lonely(X) and woman(Y)          a rule; a type's name binds a variable

Names that begin with a capital are variables. A line may break after ``if``, ``and`` and a comma.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedInput, UnexpectedToken
from lark.exceptions import VisitError

from bnt.errors import FormatError

GRAMMAR = r"""
start: _NL? (statement (_NL statement)* _NL?)?
?statement: type | predicate | clause
type: "type" NAME "=" [constant (_comma constant)*]
constant: NAME [".." NAME]
predicate: "predicate" NAME ["(" role (_comma role)* ")"]
role: NAME [":" NAME]
clause: [NUMBER ":"] atom ["if" _NL? atom ("and" _NL? atom)*]
atom: NAME ["(" NAME (_comma NAME)* ")"]
_comma: "," _NL?

NAME: /[^\W\d_]\w*/
NUMBER: /[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?/
_NL: /(\r?\n[^\S\n]*(#[^\n]*)?)+/
COMMENT: /#[^\n]*/
%ignore /[^\S\n]+/
%ignore COMMENT
"""
SPOKEN = {
    "NAME": "a name",
    "NUMBER": "a probability",
    "_NL": "a new line",
    "$END": "the end",
    "LPAR": "'('",
    "RPAR": "')'",
    "COMMA": "','",
    "COLON": "':'",
    "EQUAL": "'='",
    "__ANON_0": "'..'",
}


class Atom(NamedTuple):
    """A predicate applied to terms: ``likes(jack, X)``. Equal atoms are the same concept."""

    predicate: str
    arguments: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.predicate}({', '.join(self.arguments)})" if self.arguments else self.predicate

    @property
    def variables(self) -> tuple[str, ...]:
        """Its variables, in order of appearance."""
        return tuple(dict.fromkeys(term for term in self.arguments if is_variable(term)))


class TypeLine(NamedTuple):
    """``type man = jack, john``"""

    name: str
    constants: tuple[str, ...]
    line: int


class PredicateLine(NamedTuple):
    """``predicate likes(suitor: man, woman)``"""

    name: str
    roles: tuple[str, ...]  # "man", or "suitor: man"
    line: int


class ClauseLine(NamedTuple):
    """``0.9: likes(X, Y) if lonely(X)``, or a fact, which has no body"""

    head: Atom
    body: tuple[Atom, ...]
    probability: float
    line: int


Statement = TypeLine | PredicateLine | ClauseLine


def is_variable(term: str) -> bool:
    """Terms that begin with a capital are variables, as in Prolog."""
    return term[:1].isupper()


def parse_statements(text: str, source: str) -> list[Statement]:
    """The statements of a text. Raises FormatError: source, line, column, what stands there and what may."""
    return _parse(text, "start", source)


def parse_atom(text: str) -> Atom:
    """One atom such as ``likes(jack, jill)``. Raises FormatError."""
    if not isinstance(text, str):
        raise FormatError(f"an atom is written as text such as 'likes(jack, jill)', not {text!r}")
    if "\n" in text.strip() or "\r" in text.strip():
        raise FormatError(f"atom {text!r}: an atom stands on one line; ask for several as a list of atoms")
    atom: Atom = _parse(text.strip(), "atom", f"atom {text!r}")[0]
    return atom


def _parse(text: str, start: str, source: str) -> Any:
    try:
        return _Reader(source).transform(_PARSER.parse(text, start=start))
    except UnexpectedInput as error:
        raise FormatError(_describe(error, source)) from None
    except VisitError as error:
        raise error.orig_exc from None


def _describe(error: UnexpectedInput, source: str) -> str:
    """``dating.kb, line 3, column 9: ')' is not expected here; valid: a name``."""
    expected: set[str] = set()
    if isinstance(error, UnexpectedToken):
        found = "the end" if error.token.type == "$END" else repr(str(error.token)).replace("\\n", "new line")
        found = "the end of the line" if error.token.type == "_NL" else found
        expected = set(error.accepts or error.expected)
    else:
        found = repr(error.char) if isinstance(error, UnexpectedCharacters) else "this"
        expected = set(getattr(error, "allowed", None) or ())
    valid = ", ".join(sorted(SPOKEN.get(name, f"'{name.lower()}'") for name in expected if name != "COMMENT"))
    place = f"line {error.line}, column {error.column}" if error.line and error.line > 0 else "at its end"
    return f"{source}, {place}: {found} is not expected here; valid: {valid}"


class _Reader(Transformer[Token, Any]):
    """Parse tree to statements."""

    def __init__(self, source: str):
        super().__init__()
        self.source = source

    def start(self, children: list[Any]) -> list[Statement]:
        return [child for child in children if child is not None]

    def type(self, children: list[Any]) -> TypeLine:
        name, *constants = children
        return TypeLine(str(name), tuple(c for several in constants if several for c in several), name.line)

    def constant(self, children: list[Any]) -> tuple[str, ...]:
        first, last = children
        if last is None:
            return (str(first),)
        start, end = (re.fullmatch(r"(.*?)(\d{1,6})", str(name)) for name in children)
        if not start or not end or start[1] != end[1] or int(start[2]) > int(end[2]):
            raise FormatError(
                f"{self.source}, line {first.line}: {first} .. {last} is no range; "
                "it joins one name with two ascending numbers of at most six digits, as in p1 .. p40"
            )
        width = len(start[2]) if start[2].startswith("0") else 1  # p01 .. p40 keeps its zeros
        if (len(end[2]) != width) if width > 1 else (end[2] != str(int(end[2]))):
            raise FormatError(f"{self.source}, line {first.line}: {first} .. {last} pads only one end with zeros")
        return tuple(f"{start[1]}{i:0{width}d}" for i in range(int(start[2]), int(end[2]) + 1))

    def role(self, children: list[Token | None]) -> str:
        return ": ".join(str(child) for child in children if child is not None)

    def predicate(self, children: list[Any]) -> PredicateLine:
        name, *roles = children
        return PredicateLine(str(name), tuple(role for role in roles if role is not None), name.line)

    def clause(self, children: list[Any]) -> ClauseLine:
        number, (head, line), *body = children
        probability = 1.0 if number is None else float(number)
        return ClauseLine(head, tuple(atom for atom, _ in filter(None, body)), probability, line)

    def atom(self, children: list[Any]) -> tuple[Atom, int]:
        name, *terms = children
        return Atom(str(name), tuple(str(term) for term in terms if term is not None)), name.line


_PARSER = Lark(GRAMMAR, start=["start", "atom"], parser="lalr", maybe_placeholders=True)
