"""Options of a belief propagation run: checked once, then handed to the kernels as numbers."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from bnt.checks import is_real, whole_number
from bnt.errors import BntError

MOST_ROUNDS = 1000  # where rounds=None and the messages keep changing
SUPPORT_TRIALS = 100_000  # states tried before a contradiction check gives up
UNTIL_CONVERGENCE = -1
AUTO, FLOODING, IN_PLACE, SEQUENTIAL, RESIDUAL = range(5)
SCHEDULES = {
    "auto": AUTO,
    "flooding": FLOODING,
    "in-place": IN_PLACE,
    "sequential": SEQUENTIAL,
    "residual": RESIDUAL,
}
PRECISIONS = ("float64", "mixed")
MIXED_RULE = (
    'precision="mixed" runs until the messages settle: it takes no rounds, no keep_history, no start, no '
    'schedule="residual"'
)
STOP, ROUND, CHANGE = 0, 1, 2  # places in ``watch``: written by Python, by the kernel, by the kernel
RUNNING, ENOUGH, INTERRUPTED = 0.0, 1.0, 2.0  # values of watch[STOP]


class Options(NamedTuple):
    """What the kernels need to know of a run."""

    damping: float
    maximise: bool
    rounds: int  # exactly so many, or UNTIL_CONVERGENCE: to the end of a forest, else until the change is small
    most: int  # never more rounds than this
    tolerance: float  # a change of the messages, in probability, that counts as none
    trials: int  # limit of the support search
    keep_history: bool
    schedule: int  # AUTO: two sweeps on a forest, elsewhere what wins; it takes neither rounds nor a history
    mixed: bool = False  # rounds in float32 first; it takes neither rounds nor a history, nor RESIDUAL


def checked_options(
    mode: str,
    damping: float,
    rounds: int | None,
    tolerance: float = 0.0,
    keep_history: bool = False,
    schedule: str = "flooding",
    precision: str = "float64",
) -> Options:
    """The options of ``run_bp`` as numbers. Raises BntError naming the one that is wrong, and the rule.

    "auto" becomes flooding where a number of rounds or their history is asked for: then the rounds are meant.
    """
    given = mode, damping, rounds, tolerance, keep_history, schedule, precision, MOST_ROUNDS, SUPPORT_TRIALS
    try:
        return _remembered(*given)
    except TypeError:  # one of them cannot even be looked up
        return _checked(*given)


def _checked(
    mode: str,
    damping: float,
    rounds: int | None,
    tolerance: float,
    keep_history: bool,
    schedule: str,
    precision: str,
    most: int,
    trials: int,
) -> Options:
    if schedule not in SCHEDULES:
        raise BntError(f"schedule must be {' or '.join(map(repr, SCHEDULES))}, not {schedule!r}")
    check_mode(mode)
    if not is_real(damping) or not 0.0 <= damping < 1.0:
        raise BntError(f"damping must be at least 0 and below 1, not {damping!r}")
    if not is_real(tolerance) or not tolerance >= 0.0:
        raise BntError(f"tolerance must be >= 0, not {tolerance!r}")
    if precision not in PRECISIONS:
        raise BntError(f"precision must be {' or '.join(map(repr, PRECISIONS))}, not {precision!r}")
    mixed = precision == "mixed"
    if mixed and (rounds is not None or keep_history or schedule == "residual"):
        raise BntError(MIXED_RULE)
    wanted = UNTIL_CONVERGENCE if rounds is None else whole_number("rounds", rounds)
    code = SCHEDULES[schedule]
    if code == AUTO and (rounds is not None or keep_history):
        code = FLOODING
    kept = bool(keep_history)
    return Options(float(damping), mode == "max", wanted, most, float(tolerance), trials, kept, code, mixed)


_remembered = lru_cache(typed=True)(_checked)  # to check takes 1 us, a twentieth of a small run


def check_mode(mode: str) -> None:
    """Raises BntError if ``mode`` is neither "sum" nor "max"."""
    if mode not in ("sum", "max"):
        raise BntError(f"mode must be 'sum' or 'max', not {mode!r}")
