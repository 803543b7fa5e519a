"""Attention in tiles against its readable twin."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnt.transformer.blocks import Attention, Head, LayerNorm, Weights, attend
from bnt.transformer.forward import in_float32
from bnt.transformer.tiles import TILE, attend_in_tiles


def a_sublayer(rng, d, causal, normed):
    widths = rng.integers(1, 9, (3, 2))  # d_k and d_v of three heads
    scale = rng.choice([0.1, 0.5, 3.0])
    heads = tuple(
        Head(*(rng.normal(0, scale, shape) for shape in ((d, d_k), (d, d_k), (d, d_v), (d_v, d))))
        for d_k, d_v in widths
    )
    return Attention(heads, causal, LayerNorm(rng.normal(1, 0.2, d), rng.normal(0, 0.2, d)) if normed else None)


@pytest.mark.parametrize("tokens", [1, 2, TILE - 1, TILE, TILE + 1, 3 * TILE + 7])
@given(seed=st.integers(0, 2**32), causal=st.booleans(), normed=st.booleans())
def test_tiles_equal_the_twin(tokens, seed, causal, normed):
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 1, (tokens, 6))
    sublayer = a_sublayer(rng, 6, causal, normed)
    (added, weights), (slow, slow_weights) = attend_in_tiles(x, sublayer, True), attend(x, sublayer, True)
    read = sublayer.norm(x) if sublayer.norm else x
    largest = max(np.abs((read @ head.W_Q) @ (read @ head.W_K).T).max() for head in sublayer.heads)
    rounding = 1e-14 * max(1.0, largest)  # a score is rounded to 1e-16 of itself, and a weight is off by as much
    assert np.abs(weights - slow_weights).max() <= rounding
    assert np.abs(added - slow).max() <= rounding * max(1.0, np.abs(slow).max())
    assert np.array_equal(attend_in_tiles(x, sublayer)[0], added)  # asked for or not, the same bits


def test_a_weight_of_one_or_zero_is_exact():
    """Routing by codes relies on it: the winner's value arrives with its own bits."""
    rng = np.random.default_rng(0)
    x = np.hstack([np.eye(100), rng.normal(0, 1, (100, 1))])
    value = np.eye(101)[:, [100]]
    head = Head(np.eye(101, 100), 2000 * np.eye(101, 100), value, value.T)
    added, weights = attend_in_tiles(x, Attention((head,)), True)
    assert np.array_equal(added[:, 100], x[:, 100])
    assert np.array_equal(weights[0], np.eye(100))


def test_float32_stays_float32():
    rng = np.random.default_rng(1)
    sublayer = a_sublayer(rng, 5, True, False)
    x, single = rng.normal(0, 1, (90, 5)).astype("float32"), in_float32(Weights(((sublayer,),))).layers[0][0]
    added, weights = attend_in_tiles(x, single, True)
    assert added.dtype == weights.dtype == np.float32
