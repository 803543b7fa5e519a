"""Mixtures of experts: forward against a slow twin, the gate against Bayes' rule, the cost of leaving experts out."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnt import (
    FFN,
    Attention,
    BntError,
    Gate,
    Head,
    MixtureFFN,
    Weights,
    forward,
    gate_of_mixture,
    read_gate,
    truncation,
)
from bnt.claims.rows.mixtures import drawn
from bnt.errors import UnsupportedModelError
from bnt.reading.log_odds_transformer import read_layer
from bnt.reading.mixtures import seasons
from bnt.transformer.blocks import LayerNorm, feed_forward, gate_weights
from tests import naive


def of_seed(seed, keep=None):
    rng = np.random.default_rng(seed)
    sublayer = drawn(rng, keep)
    return sublayer, rng.normal(size=(5, len(sublayer.gate.W)))


@given(st.integers(0, 10**6), st.sampled_from([None, 1, 2, 4]), st.booleans())
def test_forward_equals_the_slow_twin(seed, keep, normed):
    sublayer, x = of_seed(seed, keep)
    d = x.shape[1]
    norm = LayerNorm(np.linspace(0.5, 1.5, d), np.linspace(-1, 1, d)) if normed else None
    sublayer = MixtureFFN(sublayer.gate, sublayer.experts, sublayer.keep, norm, norm)
    layer = (sublayer, sublayer.experts[0], sublayer)
    found = forward(x, Weights((layer,)))
    for stream, expected in zip(found.residual[0][1:], naive.transformer(x, Weights((layer,))), strict=True):
        assert np.abs(stream - expected).max() <= 1e-10 * max(1.0, np.abs(expected).max())


def test_gather_runs_it_too_and_float32_keeps_its_digits():
    sublayer, x = of_seed(3, keep=2)
    d = x.shape[1]
    code = np.zeros((d, 2))  # open to all
    weights = Weights(((Attention((Head(code, code, np.eye(d), 0.1 * np.eye(d), code=2),)), sublayer),) * 2)
    dense, gathered = (forward(x, weights, attention=way).final for way in ("dense", "gather"))
    assert np.abs(dense - gathered).max() <= 1e-12 * np.abs(dense).max()
    single = forward(x, weights, precision="float32").final
    assert single.dtype == np.float32
    assert np.abs(single - dense).max() <= 1e-4 * np.abs(dense).max()


@given(st.integers(0, 10**6))
def test_any_gate_is_a_posterior(seed):
    sublayer, x = of_seed(seed)
    posterior = read_gate(sublayer.gate).posterior(x)
    scores = x @ sublayer.gate.W + sublayer.gate.b
    for row, given_scores in zip(posterior, scores.tolist(), strict=True):
        powers = [math.exp(score - max(given_scores)) for score in given_scores]
        assert np.abs(row - np.array(powers) / sum(powers)).max() <= 1e-12


def test_the_gate_of_a_mixture_agrees_with_scipy():
    from scipy.stats import multivariate_normal

    rng = np.random.default_rng(0)
    root = rng.normal(size=(3, 3))
    means, covariance, prior = rng.normal(size=(4, 3)), root @ root.T + np.eye(3), np.array([0.1, 0.2, 0.3, 0.4])
    x = rng.normal(size=(6, 3))
    joint = np.stack([p * multivariate_normal(m, covariance).pdf(x) for m, p in zip(means, prior, strict=True)], axis=1)
    found = read_gate(gate_of_mixture(means, covariance, prior)).posterior(x)
    assert np.abs(found - joint / joint.sum(axis=1, keepdims=True)).max() <= 1e-12


@given(st.integers(0, 10**6), st.integers(1, 6))
def test_what_is_dropped_accounts_for_the_error(seed, keep):
    sublayer, x = of_seed(seed, keep)
    whole = MixtureFFN(sublayer.gate, sublayer.experts)
    cut, full = (forward(x, Weights(((s,),))).final for s in (sublayer, whole))
    found = truncation(sublayer, x)
    scale = max(1.0, np.abs(found.kept_mean).max())
    assert np.abs(cut - full - found.error).max() <= 1e-12 * scale
    assert (np.linalg.norm(cut - full, axis=1) <= found.bound + 1e-12 * scale).all()
    if sublayer.keep == len(sublayer.experts):
        assert (found.dropped == 0).all()
        assert (cut == full).all()


def test_ties_keep_the_earlier_expert():
    say = [FFN(np.zeros((1, 1)), np.zeros(1), np.zeros((1, 1)), np.array([v]), "relu") for v in (1.0, 2.0, 4.0)]
    sublayer = MixtureFFN(Gate(np.zeros((1, 3)), np.zeros(3)), tuple(say), keep=2)
    assert forward(np.zeros((1, 1)), Weights(((sublayer,),))).final.item() == 1.5


def test_a_log_odds_reading_names_it():
    sublayer, _ = of_seed(0)
    with pytest.raises(UnsupportedModelError, match="mixture of experts"):
        read_layer((sublayer,))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda s, x: MixtureFFN(s.gate, s.experts[:1]), "there are 1"),
        (lambda s, x: MixtureFFN(s.gate, s.experts, keep=0), "keep must be 1"),
        (lambda s, x: MixtureFFN(s.gate, s.experts, keep=1.5), "keep must be a whole number"),
        (lambda s, x: MixtureFFN(Gate(np.ones((9, 1)), np.ones(1)), s.experts[:1]), "must read and write the gate's 9"),
        (lambda s, x: Gate(np.ones((3, 2)), np.ones(3)), r"b \(3,\) must fit W \(3, 2\)"),
        (lambda s, x: truncation(s, x[:, :1]), "x must be finite and have shape"),
        (lambda s, x: truncation(s.gate, x), "MixtureFFN"),
        (lambda s, x: read_gate(s), "Gate"),
        (lambda s, x: read_gate(s.gate).posterior(x[0]), "x must be finite and have shape"),
        (lambda s, x: gate_of_mixture([[0.0]], [[-1.0]], [1.0]), "positive definite"),
        (lambda s, x: gate_of_mixture([[0.0]], [[1.0]], [0.5]), "sum to 1"),
        (lambda s, x: gate_of_mixture([[np.nan]], [[1.0]], [1.0]), "must be finite"),
        (lambda s, x: gate_of_mixture([[0.0]], [[np.inf]], [1.0]), "must be finite"),
        (lambda s, x: gate_of_mixture([[0.0]], [[1.0]], [0.5, 0.5]), "do not fit"),
        (lambda s, x: forward(np.ones((2, 9)), Weights(((s,),))), "the weights expect"),
    ],
)
def test_bad_input_is_named(make, says):
    sublayer, x = of_seed(1)
    with pytest.raises(BntError, match=says):
        make(sublayer, x)


@pytest.mark.parametrize(("apart", "spread"), [(1.0, 4.0), (2.5, 3.0)])
def test_seasons_by_bayes_rule(apart, spread):
    degrees = np.array([[-3.0], [10.25], [16.0]])
    weights = gate_weights(degrees, seasons(4, apart, spread).gate)
    for (x,), row in zip(degrees, weights, strict=True):
        p = [np.exp(-((x - 10.25 - apart * (mean - 10.25)) ** 2) / (2 * spread**2)) for mean in (2, 9, 19, 11)]
        assert row == pytest.approx(np.array(p) / sum(p), abs=1e-12)
    worn = [feed_forward(degrees, expert) for expert in seasons(2).experts]
    assert [float(coat[0, 0]) for coat in worn] == [3, 2, 0, 1]
    assert seasons(2).keep == 2
