"""What several modules ask of user input: a rule that holds, a whole number, real numbers, the right kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from numbers import Real
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from bnt.errors import BntError, TooLargeError, valid_names

T = TypeVar("T")

MEMORY_LIMIT = 2**28  # bytes that the tables of an exact answer may take: about a second of work
REAL_KINDS = "buifO"  # of numpy dtypes; objects must turn into floats one by one


def need(holds: bool | np.bool_, rule: str, *, error: type[BntError] = BntError) -> None:
    """Raises ``error`` with the rule, one clear sentence, unless it holds."""
    if not holds:
        raise error(rule)


def look_up(table: Mapping[str, T], name: str, what: str) -> T:
    """``table[name]``. Raises BntError listing the names; ``what``: one entry in words, such as "recipe"."""
    need(name in table, f"there is no {what} {name!r}; {valid_names(table, name, len(table))}")
    return table[name]


def whole_number(
    name: str, value: object, least: int = 0, most: int | None = None, *, error: type[BntError] = BntError
) -> int:
    """``value`` as an int. Raises ``error`` unless it is a whole number (Python's or numpy's) from least to most."""
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        number = int(value)
        if number >= least and (most is None or number <= most):
            return number
    valid = f"of at least {least}" if most is None else f"from {least} to {most}"
    raise error(f"{name} must be a whole number {valid}, not {value!r}")


def is_missing(value: Any) -> bool:
    """Whether ``value`` says that nothing is known: None, NaN (of Python, numpy or decimal), NaT of either library,
    numpy.ma.masked, pandas.NA (told by its name: pandas stays out)."""
    if value is None or value is np.ma.masked or type(value).__name__ in ("NAType", "NaTType"):
        return True
    if isinstance(value, (np.datetime64, np.timedelta64)):
        return bool(np.isnat(value))
    if isinstance(value, Decimal):
        return value.is_nan()
    return isinstance(value, (float, np.floating)) and bool(value != value)


def in_one_line(value: Any, most: int = 80) -> str:
    """``repr(value)`` for a message: no line breaks, cut after ``most`` characters."""
    text = " ".join(repr(value).split())
    return text if len(text) <= most else text[: most - 3] + "..."


def is_real(value: Any) -> bool:
    """Whether ``value`` is a real number, of Python or numpy; NaN is one."""
    return isinstance(value, Real)


def fits(what: str, need: float, memory_limit: Any) -> None:
    """Raises TooLargeError unless ``need`` bytes are within ``memory_limit``."""
    check_limit(memory_limit)
    if not need <= memory_limit:
        raise TooLargeError(
            f"{what}: {_size(need)}; the limit is {_size(float(memory_limit))} (memory_limit raises it)"
        )


def check_limit(memory_limit: Any) -> None:
    """Raises BntError unless ``memory_limit`` is a number of bytes."""
    if not is_real(memory_limit) or isinstance(memory_limit, bool) or not memory_limit >= 0:
        raise BntError(f"memory_limit must be a number of bytes, not {memory_limit!r}")


def _size(count: float) -> str:
    """A number of bytes as people say it."""
    power = next((k for k in (3, 2, 1) if count >= 2 ** (10 * k)), 0)
    return f"{count / 2 ** (10 * power):.3g} {('bytes', 'KiB', 'MiB', 'GiB')[power]}"


def real_array(name: str, values: Any, *, error: type[BntError] = BntError) -> NDArray[np.float64]:
    """A fresh float64 array of ``values``. Raises ``error`` for what is ragged, text, complex, masked or no number."""
    if _masked(values):
        raise error(f"{name} must be real numbers, and some are masked; fill them in, or leave them out")
    try:
        found = np.asarray(values)
        if found.dtype.kind in REAL_KINDS:
            return np.array(found, dtype=np.float64)
    except (TypeError, ValueError):
        pass
    except OverflowError:  # of whole numbers and fractions, which have no largest one
        raise error(f"{name} must be real numbers within the range of float64, and one is larger") from None
    raise error(f"{name} must be a rectangular array of real numbers")


def _masked(values: Any, depth: int = 0) -> bool:
    """Is an entry masked? In a list of masked rows, too, of which numpy takes what lies under the mask."""
    if isinstance(values, (list, tuple)) and depth < 8:
        return any(_masked(row, depth + 1) for row in values if isinstance(row, (list, tuple, np.ma.MaskedArray)))
    return bool(np.ma.is_masked(values))


def in_state_order(what: str, table: Any, scope: Iterable[Any], *, error: type[BntError] = BntError) -> Any:
    """``table`` with labels of a pandas Series or DataFrame in the order of the states of each Variable of ``scope``.

    Counts and cross tables come in an order of their own. Labels that pandas numbered itself, and others that name no
    state at all, say nothing: then places count, as in an array. Raises ``error`` where some name a state, others none.
    """
    if not hasattr(table, "iloc"):
        return table
    places: list[Any] = []
    for variable, labels in zip(scope, table.axes, strict=False):
        found = [variable.find_state(label) for label in labels]
        if type(labels).__name__ == "RangeIndex" or not any(place is not None for place in found):
            places.append(slice(None))
            continue
        if sorted(place for place in found if place is not None) != list(range(len(variable.states))) or None in found:
            named = ", ".join(map(str, labels))
            raise error(
                f"{what} has the labels {named} for {variable.name!r}; {valid_names(variable.states)}, each once"
            )
        places.append([found.index(place) for place in range(len(found))])
    return table.iloc[tuple(places)]


def in_order(name: str, things: Any, what: str, *, error: type[BntError] = BntError) -> tuple[Any, ...]:
    """``things`` as a tuple. Raises ``error`` for a set, text, a mapping, a table, and for no collection."""
    if any(kind.__name__ == "DataFrame" for kind in type(things).__mro__):  # would give the labels of its columns
        raise error(f"{name} must be a sequence of {what}, not a DataFrame; give one column, or the rows as an array")
    scalar = isinstance(things, np.ndarray) and not things.ndim
    if scalar or isinstance(things, (str, bytes, set, frozenset, Mapping)) or not isinstance(things, Iterable):
        raise error(f"{name} must be a sequence of {what}, not the {type(things).__name__} {things!r}")
    return tuple(things)


def of_kind(name: str, value: object, kind: type, *, hint: str = "", error: type[BntError] = BntError) -> None:
    """Raises ``error`` unless ``value`` is an instance of ``kind``; ``hint`` says how to get one."""
    if not isinstance(value, kind):
        more = f"; {hint}" if hint else ""
        raise error(f"{name} must be {_a(kind.__name__)}, not {_what(value)}{more}")


def _a(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiouAEIOU' or kind == 'HMM' else 'a'} {kind}"


def _what(value: object) -> str:
    return "None" if value is None else _a(type(value).__name__)
