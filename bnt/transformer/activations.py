"""Activations by name, with a sharpness beta: the value, for ``forward``, and value and slope at once, for training.

To add one, add a line to ACTIVATIONS: a model that uses it runs and trains. All keep float32 and float64 as they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bnt.errors import BntError, valid_names
from bnt.odds import sigmoid

Array = NDArray[Any]

FLOOR = 1e-300  # of the floored logarithm


class Activation(NamedTuple):
    """An elementwise function. At the corner of relu (and of the floored log) the slope is 0, as is usual."""

    value: Callable[[Array], Array]
    value_and_slope: Callable[[Array], tuple[Array, Array]]  # what they have in common is computed once


def activate(x: Array, activation: str, beta: float = 1.0) -> Array:
    """act(beta x) / beta, elementwise; softplus tends to ReLU as beta grows. Raises BntError: unknown name,
    beta <= 0."""
    if not beta > 0:
        raise BntError(f"beta must be > 0, not {beta}")
    value = _named(activation).value
    return value(beta * x) / beta if beta != 1.0 else value(x)


def value_and_slope(z: Array, activation: str, beta: float = 1.0) -> tuple[Array, Array]:
    """act(beta z) / beta and its derivative act'(beta z), elementwise. Raises BntError: unknown name."""
    both = _named(activation).value_and_slope
    if beta == 1.0:
        return both(z)
    value, slope = both(z * z.dtype.type(beta))
    return value / z.dtype.type(beta), slope


def _named(activation: str) -> Activation:
    if activation not in ACTIVATIONS:
        raise BntError(f"unknown activation {activation!r}; {valid_names(ACTIVATIONS, activation)}")
    return ACTIVATIONS[activation]


def _softplus(z: Array) -> tuple[Array, Array]:
    value = np.abs(z)
    np.exp(np.negative(value, out=value), out=value)  # (0, 1]
    np.log1p(value, out=value)
    value += np.maximum(z, 0)
    slope = z - value
    return value, np.exp(slope, out=slope)  # sigmoid(z) = exp(z - softplus(z))


def _sigmoid(z: Array) -> tuple[Array, Array]:
    value = sigmoid(z)
    return value, value * (1 - value)


def _tanh(z: Array) -> tuple[Array, Array]:
    value = np.tanh(z)
    return value, 1 - value * value


def _silu(z: Array) -> tuple[Array, Array]:
    gate = sigmoid(z)
    value = z * gate
    return value, gate + value * (1 - gate)


def _gelu(z: Array) -> tuple[Array, Array]:
    below, bell = normal_below(z)
    slope = z * bell
    slope *= z.dtype.type(1 / math.sqrt(2 * math.pi))
    slope += below
    below *= z
    return below, slope


def _floored_log(z: Array) -> tuple[Array, Array]:
    return np.log(np.maximum(z, FLOOR)), np.divide(1, z, out=np.zeros_like(z), where=z > FLOOR)


def normal_below(z: Array) -> tuple[Array, Array]:
    """P(a standard normal number is below z), and exp(-z^2 / 2).

    float64 asks scipy. float32 takes a fifth-degree polynomial in 1 / (1 + c |z|), good to 1e-7 and ten times as quick
    (Abramowitz and Stegun, 1964, 7.1.26).
    """
    bell = np.square(z)
    bell *= -0.5
    np.exp(bell, out=bell)
    if z.dtype != np.float32:
        from scipy.special import ndtr

        return ndtr(z), bell
    u = np.abs(z)
    u *= np.float32(0.3275911 * math.sqrt(0.5))
    u += 1
    np.divide(1, u, out=u)
    beyond = u * np.float32(1.061405429)  # twice P(above |z|), up to the bell
    for coefficient in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        beyond += np.float32(coefficient)
        beyond *= u
    beyond *= bell
    np.subtract(1, beyond, out=beyond)
    np.copysign(beyond, z, out=beyond)
    beyond += 1
    beyond *= 0.5
    return beyond, bell


ACTIVATIONS: dict[str, Activation] = {
    "softplus": Activation(lambda z: np.logaddexp(0.0, z), _softplus),
    "relu": Activation(lambda z: np.maximum(z, 0.0), lambda z: (np.maximum(z, 0.0), z > 0)),
    "sigmoid": Activation(sigmoid, _sigmoid),
    "gelu": Activation(lambda z: z * normal_below(z)[0], _gelu),
    "silu": Activation(lambda z: z * sigmoid(z), _silu),
    "tanh": Activation(np.tanh, _tanh),
    "identity": Activation(lambda z: z, lambda z: (z, np.ones_like(z))),
    # not a stock activation: only the general construction and the log-odds transformer
    "floored log": Activation(lambda z: np.log(np.maximum(z, FLOOR)), _floored_log),
}
