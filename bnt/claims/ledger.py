"""What a row of the claims ledger is: a claim, its verdict, and a check that could come out otherwise.

The rows themselves are in rows/, one function per row; run.py runs them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from bnt.errors import BntError
from bnt.stored import load_experiment

PAPER = "arXiv:2603.17063"
OURS = "this project"

VERDICTS = ("exact", "exact under conditions", "false", "vacuous as stated", "measured", "not supported")


KINDS = {
    "rocq": "proved; Rocq accepts the proof",
    "symbolic": "proved by sympy or z3 when the row runs",
    "counterexample": "a counterexample that runs",
    "theorem": "a theorem, cited or proved on paper, and sampled",
    "measured": "measured on seeds",
    "stored": "a stored experiment, read when the row runs",
}


class How(NamedTuple):
    """How a row is known: one of KINDS, and by what (theorems in proofs/, a prover, a reference, a command)."""

    kind: str
    by: str = ""

    def __str__(self) -> str:
        return f"{KINDS[self.kind]}: {self.by}" if self.by else KINDS[self.kind]

    @property
    def theorems(self) -> tuple[str, ...]:
        """The names of Rocq's theorems behind the row, as in data/proofs.json."""
        return tuple(self.by.split(", ")) if self.kind == "rocq" else ()


@cache
def proved() -> dict[str, dict[str, Any]]:
    """What Rocq has accepted: theorem -> its words, statement and assumptions, as proofs/check has recorded them."""
    record: dict[str, dict[str, Any]] = load_experiment("proofs")
    return record


def rocq(*theorems: str) -> How:
    """Proved in proofs/, by these theorems ("File.name"); the check tests the code against the same statement."""
    return How("rocq", ", ".join(theorems))


COUNTEREXAMPLE, SYMBOLIC, MEASURED = How("counterexample"), How("symbolic"), How("measured")


class Outcome(NamedTuple):
    """What a check found: the facts as text, whether they agree with the verdict, and the largest numerical error."""

    measured: str
    holds: bool = True
    error: float = 0.0


Check = Callable[[bool], Outcome]  # full: take minutes, more seeds


@dataclass(frozen=True)
class Claim:
    """One row. The row holds if the check agrees with the *verdict*: a refutation of a false claim holds too.

    claim: in our words; what is false is stated as it was claimed. source: where, with section. how: how it is known.
    rescue: the charitable reading of a refuted claim that does hold. lesson: the stem of the lesson that teaches it.
    tolerance: of the largest error, None where the check is a proof or a comparison of signs.
    """

    id: str
    claim: str
    source: str
    verdict: str
    lesson: str
    check: Check
    how: How
    conditions: str | None = None
    rescue: str | None = None
    tolerance: float | None = None

    def run(self, full: bool = False) -> ClaimResult:
        """Run the check. An exception in it, or a theorem that Rocq's record lacks, is a row that does not hold."""
        try:
            outcome = self.check(full)
            if missing := [name for name in self.how.theorems if name not in proved()]:
                outcome = Outcome(f"the check failed: Rocq's record has no {', '.join(missing)}", False)
        except Exception as error:
            outcome = Outcome(f"the check failed: {type(error).__name__}: {error}", False)
        within = self.tolerance is None or outcome.error <= self.tolerance
        return ClaimResult(
            self.id,
            self.claim,
            self.source,
            self.verdict,
            str(self.how),
            self.conditions,
            self.rescue,
            outcome.measured,
            self.tolerance,
            bool(outcome.holds and within),
            self.lesson,
        )


class ClaimResult(NamedTuple):
    """A row with what was measured; the fields are the keys of ``bnt claims --json``."""

    id: str
    claim: str
    source: str
    verdict: str
    how: str
    conditions: str | None
    rescue: str | None
    measured: str
    tolerance: float | None
    holds: bool
    lesson: str


def claim(
    id: str,
    claim: str,
    *,
    source: str,
    verdict: str,
    how: How,
    lesson: str,
    conditions: str | None = None,
    rescue: str | None = None,
    tolerance: float | None = None,
) -> Callable[[Check], Claim]:
    """Decorator that makes a row of a check function. Raises BntError for a verdict that is no verdict."""
    if verdict not in VERDICTS:
        raise BntError(f"claim {id!r}: unknown verdict {verdict!r}; valid: {', '.join(VERDICTS)}")

    def row(check: Check) -> Claim:
        return Claim(id, claim, source, verdict, lesson, check, how, conditions, rescue, tolerance)

    return row
