"""Multiply-adds counted from shapes, against a twin that counts while it multiplies."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnt.designs.costs import layer_cost, size_of
from bnt.transformer.blocks import FFN, Attention, Gate, Head, MixtureFFN, Weights


def counted(layer, tokens: int) -> int:
    """One multiply-add per term of every sum of products of a dense forward pass."""
    total = 0

    def multiply(rows: int, inner: int, columns: int) -> None:
        nonlocal total
        for _ in range(rows):
            for _ in range(columns):
                total += inner

    for sub in layer:
        if isinstance(sub, FFN):
            multiply(tokens, *sub.W_in.shape)
            multiply(tokens, *sub.W_out.shape)
            continue
        for head in sub.heads:
            for matrix in (head.W_Q, head.W_K, head.W_V):
                multiply(tokens, *matrix.shape)
            multiply(tokens, head.W_Q.shape[1], tokens)
            multiply(tokens, tokens, head.W_V.shape[1])
            multiply(tokens, *head.W_O.shape)
    return total


@given(st.integers(0, 10**6))
def test_the_count(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, d, d_k, d_v, d_ff = (int(k) for k in rng.integers(1, 6, 5))
    head = Head(np.ones((d, d_k)), np.ones((d, d_k)), np.ones((d, d_v)), np.ones((d_v, d)))
    ffn = FFN(np.ones((d, d_ff)), np.ones(d_ff), np.ones((d_ff, d)), np.ones(d))
    layer = (Attention((head,) * 2), ffn, Attention((head,)))
    assert layer_cost(layer, n) == counted(layer, n)
    size = size_of(Weights((layer, layer, (ffn,))), n, d)
    assert size == (3, 3, d, n, 2 * counted(layer, n) + counted((ffn,), n))


def test_a_mixture_costs_its_gate_and_the_experts_it_keeps() -> None:
    small, large = (FFN(np.ones((3, k)), np.ones(k), np.ones((k, 3)), np.ones(3)) for k in (2, 5))
    gate = Gate(np.ones((3, 2)), np.ones(2))
    everything = 4 * 3 * 2 + counted((small, large), 4)
    assert layer_cost((MixtureFFN(gate, (small, large)),), 4) == everything
    assert layer_cost((MixtureFFN(gate, (small, large), keep=1),), 4) == 4 * 3 * 2 + counted((large,), 4)


def test_no_layer_costs_nothing() -> None:
    assert size_of(Weights(()), 4, 2) == (0, 0, 2, 4, 0)
    assert layer_cost((), 3) == pytest.approx(0)
