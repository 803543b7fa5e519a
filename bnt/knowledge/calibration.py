"""Is a stated probability worth what it says? Reliability, expected calibration error, sharpness, Brier score.

A forecast p of an event is calibrated if, among all cases with forecast p, the event happens in a share p of them.
Calibration alone is cheap: always stating the base rate is calibrated and useless, so sharpness belongs beside it.

Outcomes are 0 or 1, or true probabilities where they are known, which removes the noise of sampling.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from bnt.checks import real_array, whole_number
from bnt.errors import BntError
from bnt.graph.factor_graph import Array


@dataclass(frozen=True)
class Bin:
    """One bin of a reliability diagram: forecasts in [low, high), the last bin including 1."""

    low: float
    high: float
    count: int
    confidence: float  # mean forecast
    frequency: float  # mean outcome
    deviation: float  # standard error of the frequency, were the forecasts right


@dataclass(frozen=True)
class Calibration:
    """What a set of forecasts is worth.

    ece         expected calibration error: sum over bins of share * |confidence - frequency|
    sharpness   variance of the forecasts; 0 if all are alike
    brier       mean (forecast - outcome)^2
    log_loss    mean -ln of the probability given to the outcome; infinite if something was wrongly ruled out
    bins        the reliability diagram: non-empty bins, from low to high
    """

    count: int
    ece: float
    sharpness: float
    brier: float
    log_loss: float
    bins: tuple[Bin, ...]

    def __str__(self) -> str:
        head = f"{self.count} forecasts: ECE {self.ece:.4f}, sharpness {self.sharpness:.4f}, Brier {self.brier:.4f}"
        rows = [
            f"  {b.low:.2f} to {b.high:.2f}: {b.count:6} forecasts, stated {b.confidence:.3f}, "
            f"happened {b.frequency:.3f} +- {b.deviation:.3f}"
            for b in self.bins
        ]
        return "\n".join([head, *rows])


def calibration_of(forecasts: ArrayLike, outcomes: ArrayLike, bins: int = 10) -> Calibration:
    """Calibration of forecasts (n,) against outcomes (n,), in bins of equal width.

    Raises BntError: different lengths, nothing to judge, numbers outside [0, 1].
    """
    p, y = _probabilities("forecasts", forecasts), _probabilities("outcomes", outcomes)
    if p.shape != y.shape:
        raise BntError(f"{len(p)} forecasts and {len(y)} outcomes; there must be as many of each")
    bins = whole_number("bins", bins, 1)
    place = np.minimum((p * bins).astype(int), bins - 1)
    rows = []
    for i in np.unique(place).tolist():
        inside = place == i
        count = int(inside.sum())
        deviation = float(np.sqrt((p[inside] * (1 - p[inside])).sum()) / count)
        rows.append(Bin(i / bins, (i + 1) / bins, count, float(p[inside].mean()), float(y[inside].mean()), deviation))
    ece = sum(row.count * abs(row.confidence - row.frequency) for row in rows) / len(p)
    with np.errstate(divide="ignore", invalid="ignore"):
        losses = -np.where(y > 0, y * np.log(p), 0.0) - np.where(y < 1, (1 - y) * np.log1p(-p), 0.0)
    brier = float(((p - y) ** 2).mean())
    return Calibration(len(p), float(ece), float(p.var()), brier, float(losses.mean()), tuple(rows))


def _probabilities(name: str, values: ArrayLike) -> Array:
    array = real_array(name, values)
    if array.ndim != 1 or not len(array):
        raise BntError(f"{name} must be a non-empty list of numbers, not of shape {array.shape}")
    if not ((array >= 0) & (array <= 1)).all():
        raise BntError(f"{name} must lie between 0 and 1; got {array[~((array >= 0) & (array <= 1))][0]:g}")
    return array
