"""The claims ledger: ``run()`` executes every row and says whether its check agrees with its verdict.

Rows live in the modules of ``LEDGER``; paper.py lists the paper's claims and the rows that decide each. Verdicts
are quoted from here, never retyped.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from types import ModuleType

from bnt.claims.ledger import KINDS, VERDICTS, Claim, ClaimResult
from bnt.claims.paper import PAPER_CLAIMS
from bnt.claims.rows import (
    activations,
    depth,
    encoders,
    generalising,
    generation,
    knowledge,
    learning,
    logic,
    loops,
    machines,
    mixtures,
    rotary,
    rounds,
    routing,
    shapes,
    variational,
    weights,
    wind_tunnels,
)
from bnt.errors import BntError, valid_names

__all__ = ["LEDGER", "PAPER_CLAIMS", "VERDICTS", "ClaimResult", "chosen", "find_claim", "quote", "run", "stream"]

PROVERS = {"sympy": "sympy", "z3": "z3-solver"}  # module -> distribution; both in the extra "course"


def _rows(*modules: ModuleType) -> tuple[Claim, ...]:
    """The rows defined in these modules, in the order of their definition."""
    return tuple(value for module in modules for value in vars(module).values() if isinstance(value, Claim))


LEDGER = _rows(
    routing,
    rotary,
    rounds,
    depth,
    weights,
    mixtures,
    activations,
    logic,
    machines,
    knowledge,
    loops,
    variational,
    generation,
    learning,
    generalising,
    wind_tunnels,
    encoders,
    shapes,
)


def find_claim(id: str) -> Claim:
    """The row with this id. Raises BntError listing near ids."""
    for row in LEDGER:
        if row.id == id:
            return row
    raise BntError(f"there is no claim {id!r}; {valid_names((row.id for row in LEDGER), id)}")


def chosen(ids: Iterable[str] | None = None, verdict: str | None = None, how: str | None = None) -> list[Claim]:
    """The rows with these ids, this verdict and this way of knowing; all where nothing is asked.

    Raises BntError for an unknown id, verdict or kind, listing what is valid.
    """
    for name, value, valid in (("verdict", verdict, VERDICTS), ("way of knowing", how, KINDS)):
        if value is not None and value not in valid:
            raise BntError(f"there is no {name} {value!r}; {valid_names(valid, value)}")
    rows = list(LEDGER) if ids is None else [find_claim(id) for id in dict.fromkeys(ids)]
    return [row for row in rows if verdict in (None, row.verdict) and how in (None, row.how.kind)]


def stream(rows: Iterable[Claim], full: bool = False) -> Iterator[ClaimResult]:
    """Run rows one by one; each result comes as soon as it is there. full: more seeds and sizes, minutes.

    Raises BntError if sympy or z3 is missing (some rows are proofs).
    """
    missing = [distribution for module, distribution in PROVERS.items() if find_spec(module) is None]
    if missing:
        raise BntError(
            f"the ledger proves some rows with sympy and z3; missing: {', '.join(missing)}; "
            f'install with: python -m pip install "bnt[course]"'
        )
    return (row.run(full) for row in rows)


def run(full: bool = False, ids: Iterable[str] | None = None) -> list[ClaimResult]:
    """Run all rows, or those with these ids. Raises BntError as ``chosen`` and ``stream``."""
    return list(stream(chosen(ids), full))


def quote(*ids: str, width: int = 88) -> str:
    """Verdict, claim, conditions, rescue and way of knowing of these rows, for a lesson; their checks run first.

    What was measured is left out: its last digits differ between machines, and stored outputs are compared.
    Raises BntError for an unknown id, and where a check contradicts its verdict: that must not be quoted.
    """
    lines = []
    for result in run(ids=ids):
        if not result.holds:
            raise BntError(f"the check of {result.id!r} contradicts its verdict: {result.measured}")
        head = f"{result.verdict.upper()}  [{result.id}; {result.source}]"
        lines += textwrap.wrap(head, width, subsequent_indent="      ")
        said = [("condition", result.conditions), ("rescue", result.rescue), ("known by", result.how)]
        for detail in (result.claim, *(f"{name}: {text}" for name, text in said if text)):
            lines += textwrap.wrap(detail, width, initial_indent="    ", subsequent_indent="      ")
    return "\n".join(lines)
