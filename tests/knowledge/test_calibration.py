"""Calibration measures against hand counts and a sampled truth."""

import numpy as np
import pytest

from bnt.errors import BntError
from bnt.knowledge.calibration import calibration_of


def test_by_hand() -> None:
    found = calibration_of([0.1, 0.1, 0.9, 1.0], [0, 1, 1, 1], bins=2)
    assert [(b.count, b.frequency) for b in found.bins] == [(2, 0.5), (2, 1.0)]
    assert [b.confidence for b in found.bins] == pytest.approx([0.1, 0.95])
    assert found.ece == pytest.approx((2 * 0.4 + 2 * 0.05) / 4)
    assert found.brier == pytest.approx((0.01 + 0.81 + 0.01 + 0) / 4)
    assert found.sharpness == pytest.approx(np.var([0.1, 0.1, 0.9, 1.0]))
    assert found.log_loss == pytest.approx(-np.log([0.9, 0.1, 0.9, 1.0]).mean())
    assert found.bins[0].deviation == pytest.approx(np.sqrt(0.18) / 2)
    assert "0.50 to 1.00:      2 forecasts, stated 0.950, happened 1.000" in str(found)


def test_true_probabilities_are_calibrated_and_bent_ones_are_not() -> None:
    rng = np.random.default_rng(0)
    truth = rng.uniform(0, 1, 200_000)
    outcomes = rng.random(200_000) < truth
    right = calibration_of(truth, outcomes)
    assert right.ece < 0.004
    assert all(abs(b.frequency - b.confidence) < 5 * b.deviation for b in right.bins)
    overconfident = calibration_of(truth**2 / (truth**2 + (1 - truth) ** 2), outcomes)
    assert overconfident.ece > 0.05
    assert overconfident.brier > right.brier
    assert overconfident.sharpness > right.sharpness
    always = calibration_of(np.full(200_000, 0.5), outcomes)
    assert always.ece < 0.004  # calibrated
    assert always.sharpness == 0  # and useless
    assert calibration_of(truth, truth).ece < 1e-15


def test_ruling_out_what_happens_costs_infinity_and_certainty_that_holds_costs_nothing() -> None:
    assert calibration_of([0.0], [1]).log_loss == np.inf
    assert calibration_of([0.0, 1.0], [0, 1]).log_loss == 0.0


def test_bad_input() -> None:
    for forecasts, outcomes, bins, message in (
        ([0.5], [1, 0], 10, "1 forecasts and 2 outcomes"),
        ([], [], 10, "non-empty"),
        ([1.5], [1], 10, "between 0 and 1; got 1.5"),
        ([0.5], [np.nan], 10, "between 0 and 1"),
        ([0.5], [1], 0, "bins must be"),
        ([0.5], [1], 2.5, "bins must be"),
        (["a"], [1], 10, "forecasts must be a rectangular array"),
        ([[0.5], [0.1, 0.2]], [1, 0], 10, "forecasts must be a rectangular array"),
        ([0.5], np.array([1j]), 10, "outcomes must be a rectangular array"),
    ):
        with pytest.raises(BntError, match=message):
            calibration_of(forecasts, outcomes, bins)
