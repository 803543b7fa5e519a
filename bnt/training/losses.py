"""Losses of logits (batch, n, outputs): each returns its mean and the mean's gradient by the logits.

mask  True (or a weight) where a position counts: shape (n,), (batch, n) or, one output at a time, (batch, n, outputs)
      (the last for ``squared_error`` and ``binary_cross_entropy``). The mean is over what counts.
Targets outside the rules, a mask that counts nothing, and shapes that do not fit raise BntError.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnt.checks import need
from bnt.errors import BntError
from bnt.odds import sigmoid

Array = NDArray[Any]
Loss = Callable[..., tuple[float, Array]]

SLACK = 1e-5  # how far the sum of a distribution may be from 1: float32 sums of many states


def squared_error(logits: Array, targets: Array, mask: Array | None = None) -> tuple[float, Array]:
    """Mean of (sigmoid(logit) - target)^2; targets are probabilities (batch, n, outputs)."""
    targets = _probabilities(logits, targets)
    share = _share(logits, mask, per_output=True)
    p = sigmoid(logits)
    error = p - targets
    return float((share * error * error).sum()), 2 * share * error * p * (1 - p)


def binary_cross_entropy(logits: Array, targets: Array, mask: Array | None = None) -> tuple[float, Array]:
    """Mean of -t ln sigmoid(logit) - (1 - t) ln(1 - sigmoid(logit)), in nats; t (batch, n, outputs) probabilities."""
    targets = _probabilities(logits, targets)
    share = _share(logits, mask, per_output=True)
    each = np.maximum(logits, 0) - logits * targets + np.log1p(np.exp(-np.abs(logits)))
    return float((share * each).sum()), share * (sigmoid(logits) - targets)


def cross_entropy(logits: Array, targets: Array, mask: Array | None = None) -> tuple[float, Array]:
    """Mean of -sum_c t_c ln softmax(logits)_c, in nats.

    targets: classes (batch, n), whole numbers; or distributions (batch, n, outputs).
    """
    share = _share(logits, mask, per_output=False)  # (batch, n)
    targets = np.asarray(targets)
    shifted = logits - logits.max(axis=-1, keepdims=True)
    p = np.exp(shifted)
    total = np.einsum("...c->...", p)[..., None]  # (batch, n, 1)
    p /= total
    if targets.dtype.kind in "iu":
        need(targets.shape == logits.shape[:2], f"classes must have shape {logits.shape[:2]}, not {targets.shape}")
        classes = logits.shape[2]
        inside = bool(((targets >= 0) & (targets < classes)).all())
        need(inside, f"classes must be 0..{classes - 1}; mask positions without one, and put a 0 there")
        at = targets[..., None]
        each = np.log(total) - np.take_along_axis(shifted, at, axis=-1)  # (batch, n, 1)
        np.put_along_axis(p, at, np.take_along_axis(p, at, axis=-1) - 1, axis=-1)
        return float((share * each[..., 0]).sum()), p * share[..., None]
    targets = _probabilities(logits, targets, most=1 + SLACK)
    sums = np.einsum("...c->...", targets)
    counts = share > 0
    need(bool((np.abs(sums - 1)[counts] <= SLACK).all()), "every target that counts must be a distribution, of sum 1")
    each = np.log(total[..., 0]) * sums - np.einsum("...c,...c->...", targets, shifted)  # (batch, n)
    return float((share * each).sum()), (p * sums[..., None] - targets) * share[..., None]


def _share(logits: Array, mask: Array | None, per_output: bool) -> Array:
    """What each term of the sum is multiplied with so that the sum is a mean; sums to 1 over terms."""
    need(logits.ndim == 3, f"logits must have shape (batch, n, outputs), not {logits.shape}")
    shape = logits.shape if per_output else logits.shape[:2]
    if mask is None:
        return np.broadcast_to(logits.dtype.type(1 / max(1, math.prod(shape))), shape)
    weight = np.asarray(mask, dtype=logits.dtype)
    if per_output and weight.ndim < 3:
        weight = weight[..., None]
    try:
        weight = np.broadcast_to(weight, shape)
    except ValueError:
        raise BntError(f"a mask of shape {np.shape(mask)} does not fit logits of shape {logits.shape}") from None
    total = weight.sum(dtype=np.float64)
    good = bool(np.isfinite(total)) and total > 0 and weight.min() >= 0
    need(good, "a mask must be 0 or more everywhere, and more than 0 somewhere")
    return weight / logits.dtype.type(total)


def _probabilities(logits: Array, targets: Array, most: float = 1.0) -> Array:
    targets = np.asarray(targets, dtype=logits.dtype)
    need(targets.shape == logits.shape, f"targets must have the logits' shape {logits.shape}, not {targets.shape}")
    inside = targets.size == 0 or (targets.min() >= 0 and targets.max() <= most)
    need(bool(inside), "targets must be probabilities, 0 to 1")
    return targets
