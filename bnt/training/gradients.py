"""Forward and backward pass of the trainable transformer on a batch, written out by hand; float32 or float64.

Every step of the forward pass  y = f(x, W)  has one in the backward pass, which turns dy, the gradient of the loss with
respect to y, into dx and dW. For a matrix product  y = x W  they are  dx = dy W^T  and  dW = x^T dy.  Tokens of all
sequences lie below one another, (batch * n, d), so that a product over tokens is one matrix product; only attention
keeps sequences and heads apart, (batch, heads, n, n).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bnt.checks import need
from bnt.errors import BntError
from bnt.training.parameters import EPSILON, Parameters, check_inputs
from bnt.transformer.activations import value_and_slope

Array = NDArray[Any]

# A step frees its arrays and the next one makes them again. Once a block of nearly 32 MiB was freed, glibc keeps up to
# 64 MiB of freed memory, where it would fetch fresh pages from the system at every step: a third of the time. The block
# is never touched and costs nothing; other C libraries do not care.
np.empty(31 * 2**20, np.uint8)


class Normed(NamedTuple):
    """What the backward pass of a LayerNorm needs."""

    standard: Array  # (batch * n, d)   (x - mean) / scale
    inverse: Array  # (batch * n, 1)   1 / scale


class Attended(NamedTuple):
    """What the backward pass of an attention sublayer needs."""

    norm: Normed | None
    read: Array  # (batch * n, d)
    qkv: Array  # (3, batch, heads, n, d_k)
    weight: Array  # (batch, heads, n, n)   row = query, column = key
    mixed: Array  # (batch * n, heads * d_k)


class Fed(NamedTuple):
    """What the backward pass of an FFN needs."""

    norm: Normed | None
    read: Array  # (batch * n, d)
    hidden: Array  # (batch * n, d_ff)
    slope: Array  # (batch * n, d_ff)   derivative of the activation


@dataclass
class Cache:
    """What ``forward_batch`` keeps for ``backward``."""

    inputs: Array
    sublayers: list[tuple[Attended | None, Fed]]
    norm: Normed | None
    final: Array  # (batch * n, d)   what the read-out reads


def forward_batch(parameters: Parameters, inputs: Array) -> tuple[Array, Cache]:
    """Logits (batch, n, outputs) and what ``backward`` needs.

    inputs: (batch, n, inputs), or symbols (batch, n). Raises BntError for shapes or values that do not fit.
    """
    config, p = parameters.config, parameters.blocks
    inputs = check_inputs(config, inputs, parameters.flat.dtype)
    batch, n = inputs.shape[:2]
    if config.vocabulary:
        x = p["embedding"][inputs.ravel()]  # (batch * n, d)
    else:
        x = inputs.reshape(batch * n, -1) @ p["read_in"] + p["read_in_bias"]  # (batch * n, d)
    if config.positions:
        x.reshape(batch, n, -1)[...] += p["positions"][:n]
    sublayers = []
    for i in range(config.layers):
        attended = None
        if config.attention:
            x, attended = _attend(parameters, i, x, batch)
        x, fed = _feed(parameters, i, x)
        sublayers.append((attended, fed))
    final, norm = _norm(p, "final", x)
    logits = final @ p["read_out"] + p["read_out_bias"]  # (batch * n, outputs)
    return logits.reshape(batch, n, -1), Cache(inputs, sublayers, norm, final)


def predict(parameters: Parameters, inputs: Array, batch: int = 256) -> Array:
    """Logits (batch, n, outputs) of many sequences of one length, ``batch`` of them at a time."""
    need(batch > 0, f"batch must be at least 1, not {batch}")
    inputs = check_inputs(parameters.config, inputs, parameters.flat.dtype)
    return np.concatenate([forward_batch(parameters, inputs[i : i + batch])[0] for i in range(0, len(inputs), batch)])


def backward(parameters: Parameters, cache: Cache, d_logits: Array, out: Parameters | None = None) -> Array:
    """Gradient, in the order of ``parameters.flat``, of a loss whose gradient by the logits is d_logits.

    ``out``: parameters whose numbers are overwritten by the gradient, to save making new ones at every step.
    Raises BntError if d_logits has not the shape of the logits.
    """
    config, p = parameters.config, parameters.blocks
    batch, n = cache.inputs.shape[:2]
    if d_logits.shape != (batch, n, config.outputs):
        raise BntError(f"d_logits must have shape {(batch, n, config.outputs)}, not {d_logits.shape}")
    gradient = out or Parameters(config, np.empty_like(parameters.flat))
    g = gradient.blocks
    dy = d_logits.reshape(batch * n, -1).astype(parameters.flat.dtype, copy=False)
    np.matmul(cache.final.T, dy, out=g["read_out"])
    dy.sum(axis=0, out=g["read_out_bias"])
    dx = _norm_back(p, g, "final", cache.norm, dy @ p["read_out"].T)  # (batch * n, d)
    for i in reversed(range(config.layers)):
        attended, fed = cache.sublayers[i]
        dx = _feed_back(p, g, i, fed, dx)
        if attended is not None:
            dx = _attend_back(p, g, i, attended, dx)
    if config.positions:
        g["positions"][n:] = 0
        dx.reshape(batch, n, -1).sum(axis=0, out=g["positions"][:n])
    if config.vocabulary:
        g["embedding"][...] = _sum_by_symbol(cache.inputs.ravel(), dx, config.vocabulary)
    else:
        np.matmul(cache.inputs.reshape(batch * n, -1).T, dx, out=g["read_in"])
        dx.sum(axis=0, out=g["read_in_bias"])
    return gradient.flat


# ---------------------------------------------------------------- attention


def _attend(parameters: Parameters, i: int, x: Array, batch: int) -> tuple[Array, Attended]:
    """x + sum over heads of softmax(q k^T) v W_O."""
    config, p = parameters.config, parameters.blocks
    n, heads, d_k = len(x) // batch, config.heads, config.d_k
    read, norm = _norm(p, f"layer{i}.attention", x)
    fused = read @ p[f"layer{i}.W_QKV"]  # (batch * n, 3 * heads * d_k)
    qkv = fused.reshape(batch, n, 3, heads, d_k).transpose(2, 0, 3, 1, 4)  # (3, batch, heads, n, d_k)
    q, k, v = qkv
    weight = _softmax(q @ k.transpose(0, 1, 3, 2), config.causal)  # (batch, heads, n, n)
    mixed = np.empty((batch * n, heads * d_k), x.dtype)
    np.matmul(weight, v, out=mixed.reshape(batch, n, heads, d_k).transpose(0, 2, 1, 3))
    added = mixed @ p[f"layer{i}.W_O"]  # (batch * n, d)
    added += x
    return added, Attended(norm, read, qkv, weight, mixed)


def _attend_back(p: dict[str, Array], g: dict[str, Array], i: int, kept: Attended, dx: Array) -> Array:
    q, k, v = kept.qkv
    batch, heads, n, d_k = q.shape
    np.matmul(kept.mixed.T, dx, out=g[f"layer{i}.W_O"])
    d_mixed = (dx @ p[f"layer{i}.W_O"].T).reshape(batch, n, heads, d_k)
    share = np.einsum(
        "bihd,bihd->bhi", d_mixed, kept.mixed.reshape(d_mixed.shape)
    )  # sum over keys of weight * d_weight
    d_mixed = d_mixed.transpose(0, 2, 1, 3)  # (batch, heads, n, d_k)
    d_fused = np.empty((batch * n, 3 * heads * d_k), dx.dtype)
    dq, dk, dv = d_fused.reshape(batch, n, 3, heads, d_k).transpose(2, 0, 3, 1, 4)
    np.matmul(kept.weight.transpose(0, 1, 3, 2), d_mixed, out=dv)
    d_scores = d_mixed @ v.transpose(0, 1, 3, 2)  # of the weights, (batch, heads, n, n)
    d_scores -= share[..., None]
    d_scores *= kept.weight  # of the scores: softmax has the Jacobian  weight_a (1[a = b] - weight_b)
    np.matmul(d_scores, k, out=dq)
    np.matmul(d_scores.transpose(0, 1, 3, 2), q, out=dk)
    np.matmul(kept.read.T, d_fused, out=g[f"layer{i}.W_QKV"])
    d_read = d_fused @ p[f"layer{i}.W_QKV"].T
    back = _norm_back(p, g, f"layer{i}.attention", kept.norm, d_read)
    back += dx
    return back


def _softmax(scores: Array, causal: bool) -> Array:
    """Over the last axis, in place.

    One shift for all rows is far cheaper than one for each. exp(score - shift) must neither overflow nor leave a row
    empty: a spread of 60 is safe in float32 and in float64.
    """
    shift = scores.max()
    if shift - scores.min() > 60:
        if causal:
            scores[..., _future(scores.shape[-1])] = -np.inf
        shift = scores.max(axis=-1, keepdims=True)
    scores -= shift
    np.exp(scores, out=scores)
    if causal:
        scores *= ~_future(scores.shape[-1])
    scores /= np.einsum("...j->...", scores)[..., None]
    return scores


def _future(n: int) -> NDArray[np.bool_]:
    """(n, n), True where the key comes after the query."""
    return np.triu(np.ones((n, n), dtype=bool), 1)


# ---------------------------------------------------------------- FFN, LayerNorm, embedding


def _feed(parameters: Parameters, i: int, x: Array) -> tuple[Array, Fed]:
    """x + act(x W_in + b_in) W_out + b_out."""
    config, p = parameters.config, parameters.blocks
    read, norm = _norm(p, f"layer{i}.ffn", x)
    z = read @ p[f"layer{i}.W_in"]  # (batch * n, d_ff)
    z += p[f"layer{i}.b_in"]
    hidden, slope = value_and_slope(z, config.activation, config.beta)  # (batch * n, d_ff) each
    added = hidden @ p[f"layer{i}.W_out"]  # (batch * n, d)
    added += p[f"layer{i}.b_out"]
    added += x
    return added, Fed(norm, read, hidden, slope)


def _feed_back(p: dict[str, Array], g: dict[str, Array], i: int, kept: Fed, dx: Array) -> Array:
    np.matmul(kept.hidden.T, dx, out=g[f"layer{i}.W_out"])
    dx.sum(axis=0, out=g[f"layer{i}.b_out"])
    dz = dx @ p[f"layer{i}.W_out"].T  # (batch * n, d_ff)
    dz *= kept.slope
    np.matmul(kept.read.T, dz, out=g[f"layer{i}.W_in"])
    dz.sum(axis=0, out=g[f"layer{i}.b_in"])
    back = _norm_back(p, g, f"layer{i}.ffn", kept.norm, dz @ p[f"layer{i}.W_in"].T)
    back += dx
    return back


def _norm(p: dict[str, Array], name: str, x: Array) -> tuple[Array, Normed | None]:
    """LayerNorm(x), and what its backward pass needs; x itself where there is none."""
    if f"{name}_gain" not in p:
        return x, None
    mean = np.full((x.shape[1], 1), 1 / x.shape[1], x.dtype)  # x @ mean is the mean over columns, and quicker
    standard = x - x @ mean
    inverse = 1 / np.sqrt(np.square(standard) @ mean + x.dtype.type(EPSILON))  # (batch * n, 1)
    standard *= inverse
    return standard * p[f"{name}_gain"] + p[f"{name}_shift"], Normed(standard, inverse)


def _norm_back(p: dict[str, Array], g: dict[str, Array], name: str, kept: Normed | None, dy: Array) -> Array:
    if kept is None:
        return dy
    mean = np.full((dy.shape[1], 1), 1 / dy.shape[1], dy.dtype)
    dy.sum(axis=0, out=g[f"{name}_shift"])
    np.einsum("ij,ij->j", dy, kept.standard, out=g[f"{name}_gain"])
    dx = dy * p[f"{name}_gain"]
    along = (dx * kept.standard) @ mean  # (batch * n, 1)
    dx -= dx @ mean
    dx -= kept.standard * along
    dx *= kept.inverse
    return dx


def _sum_by_symbol(symbols: Array, dx: Array, vocabulary: int) -> Array:
    """(vocabulary, d): the rows of dx added up by symbol, as one product with the one-hot symbols."""
    one_hot = np.zeros((len(symbols), vocabulary), dx.dtype)
    one_hot[np.arange(len(symbols)), symbols] = 1
    return one_hot.T @ dx
