"""The ledger: every claim with its source, verdict, conditions, and a check that runs and could fail.

Equation: a row holds where its check agrees with its verdict.
Read first: ledger.py (what a row is), then rows/; run.py executes them. A row by its id: grep -rn ID bnt/claims/rows.
May import: all rooms up to learned.

``from bnt import claims`` and then ``claims.quote(...)``: each name is loaded at its first use.
"""

from importlib import import_module
from typing import Any

_HOME = {
    "ledger": ("Claim", "ClaimResult"),
    "paper": ("PAPER_CLAIMS", "PaperClaim"),
    "run": ("LEDGER", "chosen", "find_claim", "quote", "stream"),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = list(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; public names: {', '.join(_MODULE_OF)}")
    value = getattr(import_module(f".{_MODULE_OF[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
