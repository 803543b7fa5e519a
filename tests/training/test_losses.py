"""Losses against their textbook formulas in loops; their gradients against differences."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnt.errors import BntError
from bnt.training import losses
from tests import naive

KINDS = ["squared_error", "binary_cross_entropy", "cross_entropy", "cross_entropy of classes"]


def example(kind, seed, masked):
    """Logits, targets, a mask (or None), and the weight of every term for the loops."""
    rng = np.random.default_rng(seed)
    batch, n, outputs = (int(k) for k in rng.integers(1, 5, 3))
    logits = rng.normal(0, 3, (batch, n, outputs))
    if kind == "cross_entropy of classes":
        targets = rng.integers(0, outputs, (batch, n))
    elif kind == "cross_entropy":
        targets = rng.dirichlet(np.ones(outputs), (batch, n)) * (1 + 5e-6)  # as float32 may leave it
    else:
        targets = rng.random((batch, n, outputs))
    per_output = not kind.startswith("cross")
    shapes = [(n,), (batch, n)] + [(batch, n, outputs)] * per_output
    mask = None
    if masked:
        mask = rng.random(shapes[rng.integers(len(shapes))]) < 0.6
        mask.flat[0] = True
    terms = (batch, n, outputs) if per_output else (batch, n)
    full = np.ones(terms) if mask is None else mask
    return logits, targets, mask, np.broadcast_to(full[..., None] if per_output and full.ndim < 3 else full, terms)


@pytest.mark.parametrize("kind", KINDS)
@given(seed=st.integers(0, 2**32 - 1), masked=st.booleans())
def test_loss_is_its_formula_and_the_gradient_is_its_slope(kind, seed, masked):
    logits, targets, mask, weight = example(kind, seed, masked)
    loss = getattr(losses, kind.split()[0])
    mean, slope = loss(logits, targets, mask)
    assert mean == pytest.approx(naive.mean_loss(kind.split()[0], logits, targets, weight), rel=1e-12, abs=1e-14)
    assert slope.shape == logits.shape
    for place in np.ndindex(*logits.shape):
        ends = []
        for sign in (1, -1):
            moved = logits.copy()
            moved[place] += sign * 1e-5
            ends.append(loss(moved, targets, mask)[0])
        assert abs(slope[place] - (ends[0] - ends[1]) / 2e-5) <= 1e-9


@pytest.mark.parametrize("kind", KINDS)
def test_extreme_logits_stay_finite_in_both_precisions(kind):
    logits, targets, _, _ = example(kind, 0, False)
    for dtype in (np.float32, np.float64):
        mean, slope = getattr(losses, kind.split()[0])((logits * 1e4).astype(dtype), targets)
        assert np.isfinite(mean)
        assert np.isfinite(slope).all()
        assert slope.dtype == dtype


@pytest.mark.parametrize(
    ("kind", "targets", "mask", "message"),
    [
        ("squared_error", np.full((2, 3), 0.5), None, r"targets must have the logits' shape \(2, 3, 4\), not \(2, 3\)"),
        ("squared_error", np.full((2, 3, 4), 1.5), None, "targets must be probabilities, 0 to 1"),
        ("binary_cross_entropy", np.full((2, 3, 4), np.nan), None, "targets must be probabilities, 0 to 1"),
        ("binary_cross_entropy", np.full((2, 3, 4), 0.5), np.zeros((2, 3)), "more than 0 somewhere"),
        ("binary_cross_entropy", np.full((2, 3, 4), 0.5), -np.ones((2, 3)), "0 or more everywhere"),
        ("binary_cross_entropy", np.full((2, 3, 4), 0.5), np.ones((3, 2)), r"mask of shape \(3, 2\) does not fit"),
        ("cross_entropy", np.full((2, 3, 4), 0.5), None, "must be a distribution, of sum 1"),
        ("cross_entropy", np.full((2, 3), 4), None, r"classes must be 0\.\.3"),
        ("cross_entropy", np.zeros((2, 4), int), None, r"classes must have shape \(2, 3\), not \(2, 4\)"),
    ],
)
def test_bad_targets_and_masks(kind, targets, mask, message):
    with pytest.raises(BntError, match=message):
        getattr(losses, kind)(np.zeros((2, 3, 4)), targets, mask)


def test_masked_positions_need_no_distribution():
    targets = np.full((1, 2, 3), 1 / 3)
    targets[0, 1] = 0
    mean, slope = losses.cross_entropy(np.zeros((1, 2, 3)), targets, np.array([True, False]))
    assert mean == pytest.approx(np.log(3), rel=1e-15)
    assert not slope[0, 1].any()
