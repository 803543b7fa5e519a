"""Attention a tile of queries at a time: what ``forward`` runs. Its readable twin is ``attend`` in blocks.py.

``blocks.attend`` writes an n x n array of scores, and reads and writes it several times. Here TILE queries at a time
meet all keys (with a causal mask: those that are not in the future of all of them), in an array that stays in the
processor's cache and is used again for the next tile. The sums that the softmax divides by come out of the product with
the values, which gets a column of ones; so the weights themselves are never divided. The numbers are those of
``attend`` up to the order of summation.
"""

from __future__ import annotations

import numpy as np

from bnt.transformer.blocks import Array, Attention, Head

TILE = 64  # queries; 64 x 2000 float64 scores are 1 MB


def attend_in_tiles(x: Array, sublayer: Attention, patterns: bool = False) -> tuple[Array, Array | None]:
    """As ``blocks.attend``: what attention adds to x (n, d), and, if asked for, its weights (heads, n, n)."""
    read, n = sublayer.norm(x) if sublayer.norm else x, len(x)  # (n, d)
    added, tile = np.zeros_like(x), np.empty(min(TILE, n) * n, x.dtype)
    added += 0.0 if sublayer.b_O is None else sublayer.b_O
    weights = np.zeros((len(sublayer.heads), n, n), x.dtype) if patterns else None
    for h, head in enumerate(sublayer.heads):
        weight = None if weights is None else weights[h]
        added += _mix(read, head, sublayer.causal, tile, weight) @ head.W_O  # (n, d_v) (d_v, d)
    return added, weights


def _mix(read: Array, head: Head, causal: bool, tile: Array, weight: Array | None) -> Array:
    """The mean of the values under every query's softmax, (n, d_v); the softmax goes into ``weight`` (n, n), if any."""
    n, d_v = len(read), head.W_V.shape[1]
    q, k = head.queries(read), head.keys(read).T  # (n, d_k), (d_k, n)
    values = np.ones((n, d_v + 1), read.dtype)
    np.matmul(read, head.W_V, out=values[:, :d_v])
    values[:, :d_v] += 0.0 if head.b_V is None else head.b_V
    mixed = np.empty((n, d_v), read.dtype)
    for first in range(0, n, TILE):
        last = min(first + TILE, n)
        keys = last if causal else n
        scores = tile[: (last - first) * keys].reshape(last - first, keys)
        np.matmul(q[first:last], k[:, :keys], out=scores)
        if causal:
            scores[:, first:][np.triu_indices(last - first, 1)] = -np.inf  # the future
        scores -= scores.max(axis=1, keepdims=True)
        np.exp(scores, out=scores)
        sums = scores @ values[:keys]  # (tile, d_v + 1)
        np.divide(sums[:, :d_v], sums[:, d_v:], out=mixed[first:last])
        if weight is not None:
            np.divide(scores, sums[:, d_v:], out=weight[first:last, :keys])
    return mixed
