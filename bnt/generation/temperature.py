"""What a temperature samples from: the power p^(1/T) is another distribution, and neither is the posterior.

A language model that divides its logits by T does so at every step, with a normalisation of its own at every step:

    q_T(x) = prod_i p(x_i | x_<i)^(1/T) / Z_i(x_<i) = p(x)^(1/T) / prod_i Z_i(x_<i),   Z_i = sum_v p(v | x_<i)^(1/T).

That is a distribution, but p^(1/T) / Z only where prod_i Z_i is the same for every x; and it depends on the order.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from numbers import Real
from typing import Any, NamedTuple

import numpy as np

from bnt.checks import MEMORY_LIMIT, fits, in_order, need, real_array
from bnt.errors import BntError, ModelError, valid_names
from bnt.graph.evidence import absorb
from bnt.graph.factor_graph import Array
from bnt.graph.pgmpy_bridge import as_graph
from bnt.inference.exact import log_joint


class TemperatureLaw(NamedTuple):
    """All arrays have one axis per variable, in the order of the joint, not in that of generation.

    sampled: q_T, what sampling one variable after the other at temperature T draws from. power: p^(1/T) / Z.
    step_sums: prod_i Z_i, so that sampled = p^(1/T) / step_sums. distance: total variation of sampled and power.
    """

    sampled: Array
    power: Array
    step_sums: Array
    distance: float


def temperature_law(joint: Any, temperature: float, order: Iterable[Any] | None = None) -> TemperatureLaw:
    """What temperature samples from, in full: of a table p(x) (any scale) or of a factor graph or pgmpy model.

    order: the axes of the table, or the names of the variables, in the order in which they are drawn. Raises BntError:
    a temperature that is not finite and positive, an order that does not name each once; ModelError for no table of
    finite numbers >= 0 with some mass, TooLargeError.
    """
    power = 1 / positive("temperature", temperature)
    logs, names = _log_table(joint)
    axes = in_sequence(order, names)
    logs = logs.transpose(axes)
    peak = logs.max()
    logs = logs - peak - np.log(np.exp(logs - peak).sum())
    sampled, sums = np.zeros(logs.shape), np.zeros(logs.shape)  # logs of both
    with np.errstate(invalid="ignore"):
        for k in range(logs.ndim):
            prefix = log_sum(logs, tuple(range(k + 1, logs.ndim)))  # p(x_0..x_k)
            step = np.where(prefix > -np.inf, power * (prefix - log_sum(logs, tuple(range(k, logs.ndim)))), -np.inf)
            peaks = step.max(axis=k, keepdims=True)  # taken off first: beside a large power a log 2 would be lost
            shifted = np.where(step > -np.inf, step - peaks, -np.inf)
            share = log_sum(shifted, (k,))
            total = peaks + share
            sampled = sampled + np.where(step > -np.inf, shifted - share, -np.inf)
            sums = sums + np.where(total > -np.inf, total, 0.0)
    powered = power * (logs - logs.max())
    back = np.argsort(axes)
    found = np.exp(sampled).transpose(back)
    wanted = np.exp(powered - log_sum(powered, tuple(range(logs.ndim)))).transpose(back)
    return TemperatureLaw(found, wanted, np.exp(sums).transpose(back), float(np.abs(found - wanted).sum() / 2))


def positive(name: str, value: Any) -> float:
    """Raises BntError unless ``value`` is a finite number above 0, and so is 1 / value."""
    real = isinstance(value, Real) and not isinstance(value, bool)
    need(real and 0 < float(value) < np.inf, f"{name} must be a finite number above 0, not {value!r}")
    need(1 / float(value) < np.inf, f"{name} must be above 5.6e-309, for its inverse to be finite, not {value!r}")
    return float(value)


def in_sequence(order: Iterable[Any] | None, names: list[Any]) -> list[int]:
    """Positions of ``names`` in this order. Raises BntError unless each is named once."""
    if order is None:
        return list(range(len(names)))
    wanted = in_order("order", order, "variables")
    for name in wanted:
        if name not in names:
            raise BntError(f"order names {name!r}, which is not to be drawn; {valid_names(names, name)}")
    missing = [name for name in names if name not in wanted]
    need(len(wanted) == len(names) and not missing, f"order must name each of these once: {', '.join(map(str, names))}")
    return [names.index(name) for name in wanted]


def log_of(values: Array) -> Array:
    """Logarithms, -inf of zeros."""
    with np.errstate(divide="ignore"):
        return np.log(values)


def log_sum(logs: Array, axes: tuple[int, ...]) -> Array:
    """log sum exp over these axes, which are kept with length 1."""
    peak = logs.max(axis=axes, keepdims=True)
    peak = np.where(peak > -np.inf, peak, 0.0)
    with np.errstate(divide="ignore"):
        found: Array = peak + np.log(np.exp(logs - peak).sum(axis=axes, keepdims=True))
    return found


def _log_table(joint: Any) -> tuple[Array, list[Any]]:
    if isinstance(joint, (list, tuple, np.ndarray)):
        table = real_array("the joint", joint, error=ModelError)
        good = table.ndim > 0 and table.size > 0 and bool((np.isfinite(table) & (table >= 0)).all()) and table.any()
        need(good, "the joint must be a table of finite numbers >= 0 that are not all zero", error=ModelError)
        return log_of(table), list(range(table.ndim))
    graph = as_graph(joint)
    shape = [variable.cardinality for variable in graph.variables]
    fits("the table of the whole joint distribution", 8.0 * prod(map(float, shape)), MEMORY_LIMIT)
    logs, _ = log_joint(absorb(graph))
    need(bool(logs.max() > -np.inf), "no joint state of the graph is possible", error=ModelError)
    return logs.reshape(shape), list(graph.index)
