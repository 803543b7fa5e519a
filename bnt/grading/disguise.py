"""The same results in other clothes: what a right answer may return as well, and no check may mind.

``bnt release`` runs the solution once more in each of ``MODES``; a check whose output changes is refused.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

OFF = 1e-13


def _nudged(value: Any) -> Any:
    if isinstance(value, float) or (isinstance(value, np.ndarray) and value.dtype.kind == "f"):
        return value + OFF * np.maximum(1, np.abs(value)) if isinstance(value, np.ndarray) else _off(value)
    return value


def _off(value: float) -> float:
    return type(value)(value + OFF * max(1.0, abs(value)))


def _numpy_scalar(value: Any) -> Any:
    kinds = {bool: np.bool_, int: np.int64, float: np.float64}
    small = type(value) is not int or abs(value) < 2**62
    return kinds[type(value)](value) if type(value) in kinds and small else value


def _listed(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value


def _without_axes(value: Any) -> Any:
    number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    return np.array(value) if number and not (isinstance(value, int) and abs(value) >= 2**62) else value


def _single(value: Any) -> Any:
    if isinstance(value, (float, np.ndarray)) and getattr(value, "dtype", np.dtype(float)) == np.dtype(float):
        with np.errstate(over="ignore", under="ignore"):
            single = np.float32(value) if isinstance(value, float) else value.astype(np.float32)
        return single if np.array_equal(np.isfinite(single), np.isfinite(value)) else value
    return value


MODES: dict[str, tuple[Callable[[Any], Any], str, str]] = {  # what is done to a value, its name, the cure
    "nudged": (_nudged, "off by 1e-13", "print numbers with show(...), and compare none of them by =="),
    "numpy scalars": (_numpy_scalar, "as numpy scalars", "print values with show(...)"),
    "lists": (_listed, "as lists instead of arrays", "np.asarray(...) it before you index or compute with it"),
    "0-d arrays": (_without_axes, "as 0-d arrays", "print with show(...), and float(...) what is used as a number"),
    "float32": (
        _single,
        "as float32",
        "state an absolute tolerance of 1e-6, or a relative one below 1e-7",
    ),
}
FLOAT32_NEEDS = 1.2e-7  # a check with a smaller relative tolerance says that float32 is not enough


def disguised(value: Any, mode: str) -> Any:
    """The value, also inside lists, tuples and dicts, as ``mode`` has it; other objects as they are."""
    if isinstance(value, dict):
        return {key: disguised(item, mode) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(disguised(item, mode) for item in value)
    return MODES[mode][0](value)


_deep = 0  # calls of answers under way: what they hand to each other stays as it is


def dressed(answer: Any, mode: str) -> Any:
    """An answer whose results come as ``mode`` has it: a function wrapped, any other value itself."""
    if isinstance(answer, type) or not callable(answer):
        return disguised(answer, mode)

    @functools.wraps(answer)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        global _deep
        _deep += 1
        try:
            result = answer(*args, **kwargs)
        finally:
            _deep -= 1
        return result if _deep else disguised(result, mode)

    return wrapper
