"""What the cells of an exercise need: checks that print plainly, and a word in time about what is refused. No maths.

>>> with attempt():
...     raise NotImplementedError
not answered yet
"""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterable
from decimal import Decimal
from numbers import Complex, Integral, Real
from types import TracebackType
from typing import Any, TypeVar

NOT_ANSWERED = "not answered yet"
T = TypeVar("T")


class attempt:
    """``with attempt("message"):`` runs a check; a blank answer prints ``message: not answered yet``."""

    def __init__(self, label: str = "") -> None:
        self.label = label

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if kind is None or not issubclass(kind, NotImplementedError):
            return False
        print(f"{self.label}: {NOT_ANSWERED}" if self.label else NOT_ANSWERED)
        return True


def given(value: T | None) -> T:
    """The value itself; ``None`` or ``...`` (left blank) is not answered inside ``with attempt()``."""
    if value is None or value is ...:
        raise NotImplementedError(NOT_ANSWERED)
    return value


def self_check(what: str, holds: object) -> None:
    """Print ``right: what`` or ``not right yet: what``. Ungraded: tells the learner at once."""
    print(f"{'right' if holds else 'not right yet'}: {what}")


def show(*values: object) -> None:
    """Print values as a check should: numbers with 12 digits, whatever their type and that of what holds them.

    >>> show("rain", [1 / 3, 1], (True, -0.0))
    rain [0.333333333333, 1] [True, 0.0]
    """
    print(*(value if isinstance(value, str) else _layout(value) for value in values))


def _layout(value: Any) -> str:
    if isinstance(value, (bool, str)) or value is None:
        return repr(value)
    if isinstance(value, Integral):  # numpy's own included, as below: tolist() of a long double is itself
        return repr(int(value))
    if isinstance(value, Complex) and not isinstance(value, Real):
        value = complex(value)
        return f"{_number(value.real)}{'-' if value.imag < 0 else '+'}{_number(abs(value.imag))}j"
    if isinstance(value, (Real, Decimal)):  # fractions and decimals
        try:
            return _number(float(value))
        except (OverflowError, ValueError):
            return str(value)
    if hasattr(value, "to_numpy"):  # tables of pandas
        return _layout(value.to_numpy())
    if hasattr(value, "tolist"):  # arrays and scalars of numpy
        return _layout(value.tolist())
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_layout(key)}: {_layout(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (set, frozenset)):
        return "{" + ", ".join(sorted(map(_layout, value))) + "}"
    if isinstance(value, Iterable) and not isinstance(value, (bytes, bytearray)):
        return "[" + ", ".join(map(_layout, value)) + "]"
    return str(value)


def _number(value: float) -> str:
    text = f"{value + 0.0:.12g}"
    return text if any(sign in text for sign in ".en") else f"{text}.0"


def watch(*allowed: str) -> None:
    """Say at once, in the learner's own kernel, which cell the grader would refuse, and why. Called by the set-up cell.

    ``allowed`` are the dotted names that answers may use; the release fills them in. Without any, as in the source
    itself, which nobody hands in, it is silent.
    """
    ipython = sys.modules.get("IPython")
    shell: Any = ipython.get_ipython() if ipython else None
    if shell is None or os.environ.get("BNT_WATCH") == "off":
        return
    for other in list(shell.events.callbacks["pre_run_cell"]):
        if getattr(other, "__name__", "") == "warn_of_refusals":
            shell.events.unregister("pre_run_cell", other)
    if not allowed:
        return
    from bnt import policy

    try:
        names = policy.imported_names([ast.parse(policy.plain(str(shell.user_ns.get("In", [""])[-1])))])
    except (policy.Refused, SyntaxError, ValueError):
        names = {}
    rules = {"allowed": [*allowed, "bnt.exercise"], "names": names}

    def warn(info: Any) -> None:
        text = str(info.raw_cell)
        locked = any(mark in text for mark in ("watch(", "attempt(", "self_check("))
        why = "" if locked else policy.refusals(text, rules)
        if why and "is not Python:" not in why:  # Python says that itself
            print(f"The grader would refuse this cell: {why}.")

    warn.__name__ = "warn_of_refusals"
    shell.events.register("pre_run_cell", warn)
