"""Is what a check printed what it should print? Numbers are compared as numbers, the text between them as text.

Layout does not count: blanks, commas, line breaks inside one value, round or square brackets, ``-0``, and the names of
types around a value (``np.float64(0.5)``, ``array([0.5])``). Order, shapes, signs, nan, inf and words do.
"""

from __future__ import annotations

import re
from typing import NamedTuple

NUMBER = r"(?:(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|(?:nan|inf)(?![^\W_]))"
TOKEN = re.compile(
    rf"""(?P<type>\b(?:np\.|numpy\.)?(?:array|u?int\d*|float\d*|complex\d*|longdouble|bool_?|str_|matrix)(?=\())
    |(?P<truth>\b(?:np\.|numpy\.)?(?:True_?|False_?)\b)
    |(?P<details>,\s*(?:dtype|shape)=(?:\([^()]*\)|[\w.<>|='\"]+))
    |(?P<number>(?:(?<![\w.)\]])[-+])?(?<![^\W\d])(?:{NUMBER}[-+]{NUMBER}j|{NUMBER}j?))
    |(?P<word>[^\W\d]\w*)
    |(?P<sign>[^\s,])""",
    re.VERBOSE,
)
COMPLEX = re.compile(rf"\(([-+]?{NUMBER}[-+]{NUMBER}j)\)")
INTEGER = re.compile(r"[-+]?\d+")


class Tolerance(NamedTuple):
    """How far a printed number may be from the expected one: max(absolute, relative * |expected|)."""

    relative: float = 1e-6
    absolute: float = 1e-9


NORMAL = Tolerance()


def tokens(text: str) -> list[tuple[str, str]]:
    """(kind, text) of what counts: numbers, truth values, words, signs; brackets of a type's name are gone."""
    found: list[tuple[str, str]] = []
    closing: list[bool] = []  # for every open round bracket: does it belong to the name of a type?
    after_type = False
    for match in TOKEN.finditer(COMPLEX.sub(r" \1 ", text)):
        kind, piece = str(match.lastgroup), match[0]
        if kind == "type":
            after_type = True
            continue
        if piece == "(":
            closing.append(after_type)
            after_type = False
            if closing[-1]:
                continue
        elif piece == ")" and closing and closing.pop():
            continue
        if kind == "truth":
            piece = "True" if "True" in piece else "False"
        elif kind == "sign":
            piece = {"(": "[", ")": "]", '"': "'"}.get(piece, piece)
        if kind != "details":
            found.append((kind, piece))
    return found


def same(own: str, expected: str, tolerance: Tolerance = NORMAL) -> bool:
    """True where every number is within the tolerance and everything else is equal."""
    mine, theirs = tokens(own), tokens(expected)
    return len(mine) == len(theirs) and all(_equal(a, b, tolerance) for a, b in zip(mine, theirs, strict=True))


def _equal(own: tuple[str, str], expected: tuple[str, str], tolerance: Tolerance) -> bool:
    (kind, text), (other_kind, other) = own, expected
    if {kind, other_kind} <= {"number", "truth"} and kind != other_kind:
        return _value(text) == _value(other)
    if kind != other_kind or kind != "number":
        return text == other
    if INTEGER.fullmatch(text) and INTEGER.fullmatch(other):
        return int(text) == int(other) if max(len(text), len(other)) < 4000 else text == other
    a, b = _value(text), _value(other)
    if a == b or (a != a and b != b):
        return True
    try:
        return abs(a - b) <= max(tolerance.absolute, tolerance.relative * abs(b)) < float("inf")
    except OverflowError:
        return False


def _value(text: str) -> complex:
    return complex({"True": "1", "False": "0"}.get(text, text))


def right_lines(own: str, expected: str, tolerance: Tolerance = NORMAL) -> tuple[int, int]:
    """How many lines are as expected, place by place, and how many there should be."""
    mine, theirs = own.rstrip("\n").split("\n"), expected.rstrip("\n").split("\n")
    return sum(same(a, b, tolerance) for a, b in zip(mine, theirs, strict=False)), len(theirs)
