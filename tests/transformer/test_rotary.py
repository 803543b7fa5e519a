"""Rotary heads: forward against a slow twin, offsets to the bit, gather against dense, gaps against a search."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnt import Attention, BntError, Head, Weights, forward, rotary_frequencies, rotary_offset
from bnt.transformer.rotary import best_amplitudes
from tests import naive


def random_head(rng, d, planes, **more):
    q, k = rng.normal(size=(2, d, 2 * planes))
    w = np.where(rng.random(planes) < 0.3, 0.0, rng.uniform(0.01, 1.0, planes))  # some planes are not turned
    return Head(q, k, rng.normal(size=(d, 2)), rng.normal(size=(2, d)), rotary=w, **more)


def offset_head(offset, n, d_k=64, gap=750.0):
    """On a stream [1, value]: value of the token at this offset, added to column 2."""
    w = rotary_frequencies(d_k)
    found = rotary_offset(w, offset, n, gap)
    W_Q, W_K = np.zeros((3, d_k)), np.zeros((3, d_k))
    W_Q[0], W_K[0] = found.query, found.key
    return Head(W_Q, W_K, np.array([[0.0], [1.0], [0.0]]), np.array([[0.0, 0.0, 1.0]]), rotary=w)


@given(st.integers(0, 10**6), st.booleans())
def test_forward_equals_the_slow_twin(seed, causal):
    rng = np.random.default_rng(seed)
    d, n = 3, int(rng.integers(1, 8))
    heads = (random_head(rng, d, 2, b_Q=rng.normal(size=4)), random_head(rng, d, 1))
    weights = Weights(((Attention(heads, causal=causal),),) * 2)
    x = rng.normal(size=(n, d))
    found = forward(x, weights)
    for layer, expected in enumerate(naive.transformer(x, weights), start=1):
        assert np.abs(found.after_layer(layer) - expected).max() <= 1e-11 * max(1.0, np.abs(expected).max())


@pytest.mark.parametrize("offset", [-1, 1, 7, -20, 0])
def test_a_head_copies_the_token_at_its_offset_to_the_bit(offset):
    rng, n = np.random.default_rng(1), 50
    x = np.column_stack([np.ones(n), rng.normal(size=n), np.zeros(n)])
    weights = Weights(((Attention((offset_head(offset, n),)),),))
    rows = np.arange(max(0, -offset), min(n, n - offset))
    for way in ("dense", "gather"):
        final = forward(x, weights, attention=way).final
        assert (final[rows, 2] == x[rows + offset, 1]).all()
    low = forward(x, Weights(((Attention((offset_head(offset, n, gap=30.0),)),),))).final
    assert 0 < np.abs(low[rows, 2] - x[rows + offset, 1]).max() < 1e-10  # a smaller gap leaks


def test_gather_equals_dense_at_the_borders_and_with_a_small_gap():
    rng, n = np.random.default_rng(2), 40
    x = np.column_stack([np.ones(n), rng.normal(size=(n, 2))])
    weights = Weights(((Attention((offset_head(-3, n), offset_head(2, n, gap=5.0))),),) * 3)
    dense, gathered = (forward(x, weights, attention=way) for way in ("dense", "gather"))
    assert np.abs(dense.final - gathered.final).max() <= 1e-12
    assert np.abs(np.array(dense.attention[0][0]) - np.array(gathered.attention[0][0])).max() <= 1e-12


def test_gather_refuses_a_rotary_head_that_reads_content():
    rng = np.random.default_rng(3)
    weights = Weights(((Attention((random_head(rng, 3, 2),)),),))
    with pytest.raises(BntError, match="all queries and all keys are equal"):
        forward(rng.normal(size=(5, 3)), weights, attention="gather")
    n = 20
    x = np.column_stack([np.ones(n), rng.normal(size=(n, 2))])
    content = Head(np.zeros((3, 2)), np.zeros((3, 2)), np.eye(3), np.diag([0.0, 0.0, 1.0]), code=2)
    spoils = Head(np.zeros((3, 2)), np.zeros((3, 2)), np.eye(3)[:, 1:2], np.eye(3)[:1], code=2)
    spoils = Head(offset_head(1, n).W_Q, offset_head(1, n).W_K, spoils.W_V, spoils.W_O, rotary=rotary_frequencies(64))
    layers = ((Attention((content, spoils)),),) * 2  # the first layer writes what the second one's query reads
    with pytest.raises(BntError, match="all queries and all keys are equal"):
        forward(x, Weights(layers), attention="gather")
    many = rng.normal(size=(200, 3))
    assert np.isfinite(forward(many, weights).final).all()  # dense is chosen


def test_amplitudes_are_the_best_of_many_and_below_the_bound():
    w = rotary_frequencies(8)
    gap, amplitudes = best_amplitudes(tuple(w.tolist()), 30)
    apart = 1 - np.cos(np.outer(np.arange(1, 30), w))
    tried = np.random.default_rng(0).dirichlet(np.ones(4) * 0.5, 20_000)
    assert (tried @ apart.T).min(axis=1).max() <= gap + 1e-12
    assert gap <= 1 - np.cos(w[0])
    assert sum(amplitudes) == pytest.approx(1.0)


def test_float32_is_one_hot_too():
    n = 30
    x = np.column_stack([np.ones(n), np.arange(n), np.zeros(n)])
    final = forward(x, Weights(((Attention((offset_head(-1, n, gap=110.0),)),),)), precision="float32").final
    assert (final[1:, 2] == np.arange(n - 1)).all()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: rotary_frequencies(3), "d_k must be even"),
        (lambda: rotary_frequencies(4, 1.0), "base must be above 1"),
        (lambda: rotary_offset(rotary_frequencies(4), 9, 5), "offset must be a whole number from -4 to 4"),
        (lambda: rotary_offset([np.nan], 0, 5), "frequencies must be"),
        (lambda: rotary_offset([0.0], 1, 5), "cannot tell two offsets apart"),
        (lambda: rotary_offset(rotary_frequencies(4), 1, 5, gap=0), "gap must be above 0"),
        (lambda: rotary_offset(rotary_frequencies(4), 1, 5, gap=np.inf), "gap must be above 0 and finite"),
        (lambda: Head(*np.ones((3, 2, 2)), np.ones((2, 2)), rotary=np.ones(2)), "rotary must have 1 frequencies"),
        (lambda: Head(*np.ones((3, 2, 2)), np.ones((2, 2)), code=2, rotary=np.ones(1)), "has no routing code"),
    ],
)
def test_bad_input_is_named(make, says):
    with pytest.raises(BntError, match=says):
        make()
