"""Gather attention: the same pairs as a brute-force search, the same numbers as dense attention."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnt.errors import BntError
from bnt.transformer.blocks import FFN, Attention, Head, LayerNorm, Weights
from bnt.transformer.forward import forward
from bnt.transformer.gather import matching_pairs
from tests import naive

BITS = 3
C = 2048.0
EITHER = [[1, 0], [0, 1], [0, 0], [1, 1]]  # a bit and its complement: 1, 0, open, nobody


def random_blocks(rng, n, kinds):
    """(n, 2 BITS) blocks [b, 1-b] with open and forbidden bits; the last row is open to all."""
    pairs = np.array(EITHER, float)[rng.choice(4, (n, BITS), p=kinds)]
    pairs[-1] = 0
    return np.hstack([pairs[:, :, 0], pairs[:, :, 1]])


def listed(pairs):
    """All (query, key) of a Pairs."""
    found = list(zip(pairs.single_query.tolist(), pairs.single_key.tolist(), strict=True))
    owners = np.repeat(pairs.query, pairs.counts)
    return sorted(found + list(zip(owners.tolist(), pairs.key.tolist(), strict=True)))


@given(st.integers(0, 2**32), st.integers(1, 12))
def test_pairs_are_those_that_score_zero(seed, n):
    rng = np.random.default_rng(seed)
    q = random_blocks(rng, n, [0.35, 0.35, 0.2, 0.1])
    block = random_blocks(rng, n, [0.4, 0.4, 0.15, 0.05])
    k = -C * np.hstack([block[:, BITS:], block[:, :BITS]])
    pairs = matching_pairs(q, k)
    assert listed(pairs) == naive.code_matches(q, k)
    assert (np.diff(pairs.start) == pairs.counts[:-1]).all()


def coded_model(seed, writes_code=False):
    """Tokens [query block, key block, a, b, result] and two layers of one coded head and an FFN."""
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(2, 15)), 4 * BITS + 3
    tokens = np.hstack([random_blocks(rng, n, [0.4, 0.4, 0.1, 0.1]), random_blocks(rng, n, [0.4, 0.4, 0.2, 0.0])])
    tokens = np.hstack([tokens, rng.normal(0, 2, (n, 3))])
    W_Q, W_K, W_V, W_O = np.zeros((d, 2 * BITS + 1)), np.zeros((d, 2 * BITS + 1)), np.zeros((d, 1)), np.zeros((1, d))
    W_Q[: 2 * BITS, : 2 * BITS] = np.eye(2 * BITS)
    W_K[2 * BITS : 4 * BITS, : 2 * BITS] = -C * np.roll(np.eye(2 * BITS), BITS, axis=1)
    W_Q[-3, -1] = W_K[-2, -1] = W_V[-1, 0] = 1.0
    W_O[0, -1] = 1.0
    head = Head(W_Q, W_K, W_V, W_O, code=2 * BITS)
    into = np.zeros((2, d))
    into[:, -3:] = rng.normal(0, 0.3, (2, 3))
    if writes_code:
        into[:] = 0.0
        into[0, 0] = 1e-300  # a column of the code is written: pairs must be found anew at every layer
    ffn = FFN(rng.normal(0, 0.3, (d, 2)), np.zeros(2), into, np.zeros(d))
    return tokens, Weights(((Attention((head,)), ffn),) * 2)


@given(st.integers(0, 2**32))
def test_gather_equals_dense(seed):
    tokens, weights = coded_model(seed)
    dense, sparse = (forward(tokens, weights, attention=how) for how in ("dense", "gather"))
    for a, b in zip([s for r in dense.residual for s in r], [s for r in sparse.residual for s in r], strict=True):
        assert np.abs(a - b).max() <= 1e-12
    for a, b in zip(dense.attention, sparse.attention, strict=True):
        assert np.abs(a[0] - b[0]).max() <= 1e-13
        assert len(b) == 2
        assert b[1] is None  # an FFN


@given(st.integers(0, 2**32))
def test_dense_gives_exactly_zero_to_every_other_pair(seed):
    tokens, weights = coded_model(seed)
    head = weights.layers[0][0].heads[0]
    q, k = tokens @ head.W_Q[:, : head.code], tokens @ head.W_K[:, : head.code]
    matches = np.zeros((len(tokens), len(tokens)), bool)
    matches[tuple(np.array(naive.code_matches(q, k)).T)] = True
    weight = forward(tokens, weights).attention[0][0][0]
    assert (weight[~matches] == 0.0).all()
    assert (weight[matches] > 0.0).any()


def test_tokens_are_never_written_to():
    tokens, weights = coded_model(1)
    before = tokens.copy()
    traces = [forward(tokens, weights, attention="gather", keep=keep) for keep in ("trace", "layers", "last")]
    assert (tokens == before).all()
    assert all((trace.final == traces[0].final).all() for trace in traces)
    streams = [*traces[0].residual[0], traces[0].residual[1][-1], *traces[1].streams[1:]]
    for i, one in enumerate(streams):
        assert not any(np.shares_memory(one, other) for other in [*streams[:i], *streams[i + 1 :]])


def test_pairs_are_found_anew_where_the_code_is_written():
    tokens, weights = coded_model(5, writes_code=True)
    with pytest.raises(BntError, match="routing code must be"):  # 1e-300 is no code
        forward(np.vstack([tokens, tokens]), weights, attention="gather")


def test_what_gather_cannot_do_is_said():
    tokens, weights = coded_model(2)
    head = weights.layers[0][0].heads[0]
    plain = Head(head.W_Q, head.W_K, head.W_V, head.W_O)
    d = tokens.shape[1]
    for sublayer, says in (
        (Attention((head,), causal=True), "causal"),
        (Attention((plain,)), "needs a routing code in every head"),
        (Attention((head,), norm=LayerNorm(np.ones(d), np.zeros(d))), "routing code must be"),
    ):
        with pytest.raises(BntError, match=says):
            forward(tokens, Weights(((sublayer,),)), attention="gather")
    lonely = tokens.copy()
    lonely[:, : 4 * BITS] = 1.0  # nobody matches anybody, and no sink
    with pytest.raises(BntError, match="matches no key"):
        forward(lonely, Weights((weights.layers[0][:1],)), attention="gather")
