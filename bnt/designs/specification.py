"""What ``design`` is given, and what it learns of every construction: budgets, alternatives, candidates."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal, NamedTuple

import numpy as np

from bnt.designs.costs import Size
from bnt.errors import BntError
from bnt.graph.factor_graph import Array

MOST_LAYERS = 64  # where no budget of layers is given
HEADER = ("construction", "meets", "layers", "heads", "width", "tokens", "multiply-adds", "error", "why")
Tolerance = float | Literal["exact"]


class NoDesignError(BntError):
    """No construction meets the specification; the message says why, construction by construction.

    alternatives: the same, as a tuple of ``Alternative``.
    """

    def __init__(self, message: str, alternatives: tuple[Alternative, ...] = ()):
        super().__init__(message)
        self.alternatives = alternatives


class Budget(NamedTuple):
    """What may be spent at most, None where there is no limit. heads: of one layer."""

    layers: int | None = None
    heads: int | None = None
    width: int | None = None
    tokens: int | None = None

    @property
    def most_layers(self) -> int:
        """How many layers are looked at."""
        return MOST_LAYERS if self.layers is None else self.layers

    def broken_by(self, size: Size) -> str | None:
        """The first limit that a size breaks, in words, or None."""
        for name in self._fields:
            most, has = getattr(self, name), getattr(size, name)
            if most is not None and has > most:
                return f"{has:,} {name}; the budget is {most:,}"
        return None


class Alternative(NamedTuple):
    """One construction held against the specification.

    size: of the fewest layers that meet it, else of the most that were looked at; None where it does not apply.
    error: the largest error of what was asked about, None where unknown. why: one reason, for meeting it or not.
    """

    construction: str
    meets: bool
    size: Size | None
    error: float | None
    why: str

    def row(self) -> tuple[Any, ...]:
        """In the order of HEADER."""
        sizes = self.size or (None,) * len(Size._fields)
        return (self.construction, "yes" if self.meets else "no", *sizes, self.error, self.why)


class Candidate(NamedTuple):
    """An alternative, and how to build it. build: compiles and verifies; returns the model, its report, and the largest
    error of what was asked about (None: unknown)."""

    alternative: Alternative
    build: Callable[[], tuple[Any, Any, float | None]]


def nothing_to_build() -> tuple[Any, Any, float | None]:
    """``build`` of what does not meet the specification, which nobody calls."""
    raise AssertionError("only what meets the specification is built")


def table(alternatives: Iterable[Alternative]) -> str:
    """All alternatives as text, one line each."""
    lines = [HEADER, *(tuple(map(_text, one.row())) for one in alternatives)]
    widths = [max(len(row[i]) for row in lines) for i in range(len(HEADER) - 1)] + [0]
    return "\n".join("  ".join(f"{cell:<{w}}" for cell, w in zip(row, widths, strict=True)) for row in lines)


def settled_from(errors: Array, tolerance: float) -> int | None:
    """The first place from which on no error is above the tolerance, or None."""
    over = np.flatnonzero(~(errors <= tolerance))
    first = int(over[-1]) + 1 if len(over) else 0
    return first if first < len(errors) else None


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.1e}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
