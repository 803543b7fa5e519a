"""The whole transformer: multi-head softmax attention, FFNs, and the residual stream that they read and add to.

n tokens, d columns of the residual stream. Every sublayer reads the stream and adds to it:

    attention   x <- x + sum over heads of  softmax(x W_Q (x W_K)^T) x W_V W_O        softmax over the keys
    FFN         x <- x + act(x W_in + b_in) W_out + b_out
    MixtureFFN  x <- x + sum over experts k of  softmax(x W + b)_k FFN_k(x)            softmax over the experts

There is no 1/sqrt(d_k): put a temperature into W_Q. With a LayerNorm, a sublayer reads norm(x) and still adds to x;
with one ``after``, the sum is normalised, as in BERT. Biases of queries, keys, values and output are zero unless given.
A layer is a tuple of sublayers; a weight-tied model repeats one Layer object. forward.py runs the layers one by one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnt.checks import need, whole_number
from bnt.transformer.activations import ACTIVATIONS, activate
from bnt.transformer.rotary import rotate

Array = NDArray[Any]  # float64; float32 where ``forward`` was asked for it


@dataclass(frozen=True, eq=False)
class LayerNorm:
    """(x - mean) / sqrt(variance + epsilon) * gain + bias, over the columns of each token."""

    gain: Array  # (d,)
    bias: Array  # (d,)
    epsilon: float = 1e-5

    def __call__(self, x: Array) -> Array:
        centred = x - x.mean(axis=1, keepdims=True)  # (n, d)
        scale = np.sqrt((centred**2).mean(axis=1, keepdims=True) + self.epsilon)  # (n, 1)
        return centred / scale * self.gain + self.bias  # (n, d)


@dataclass(frozen=True, eq=False)
class Head:
    """One attention head. ``code`` leading columns of W_Q and W_K are a routing code (see gather.py), 0 = none.

    ``rotary``: queries and keys of token i are turned by i times these frequencies (see rotary.py); None: not at all.
    """

    W_Q: Array  # (d, d_k)
    W_K: Array  # (d, d_k)
    W_V: Array  # (d, d_v)
    W_O: Array  # (d_v, d)
    code: int = 0
    b_Q: Array | None = None  # (d_k,)
    b_K: Array | None = None  # (d_k,)
    b_V: Array | None = None  # (d_v,)
    rotary: Array | None = None  # (d_k / 2,) frequency of each pair of columns of queries and keys, 0: not turned

    def __post_init__(self) -> None:
        need(self.W_Q.shape == self.W_K.shape, f"W_Q {self.W_Q.shape} and W_K {self.W_K.shape} must have one shape")
        need(self.W_V.shape == self.W_O.shape[::-1], f"W_V {self.W_V.shape} and W_O {self.W_O.shape} do not fit")
        need(self.W_Q.shape[0] == self.W_V.shape[0], "W_Q and W_V must have as many rows as the stream has columns")
        if self.rotary is not None:
            planes = self.W_Q.shape[1] / 2
            need(self.rotary.shape == (planes,), f"rotary must have {planes:g} frequencies, one for two columns of W_Q")
            need(not self.code, "a rotary head has no routing code: turned, it would not match")
        need(0 <= self.code <= self.W_Q.shape[1], f"code must be 0..{self.W_Q.shape[1]}, not {self.code}")
        for name, bias, length in (
            ("b_Q", self.b_Q, d_k := self.W_Q.shape[1]),
            ("b_K", self.b_K, d_k),
            ("b_V", self.b_V, self.W_V.shape[1]),
        ):
            need(bias is None or bias.shape == (length,), f"{name} must have {length} entries, one per column")

    def queries(self, x: Array) -> Array:
        """(n, d_k)"""
        return self._turned(_affine(x, self.W_Q, self.b_Q))

    def keys(self, x: Array) -> Array:
        """(n, d_k)"""
        return self._turned(_affine(x, self.W_K, self.b_K))

    def _turned(self, columns: Array) -> Array:
        return columns if self.rotary is None else rotate(columns, self.rotary)

    def values(self, x: Array) -> Array:
        """(n, d_v)"""
        return _affine(x, self.W_V, self.b_V)


def _affine(x: Array, matrix: Array, bias: Array | None) -> Array:
    return x @ matrix if bias is None else x @ matrix + bias


@dataclass(frozen=True, eq=False)
class Attention:
    """One attention sublayer: its heads add up. ``causal``: a token sees itself and earlier tokens only."""

    heads: tuple[Head, ...]
    causal: bool = False
    norm: LayerNorm | None = None
    after: LayerNorm | None = None  # of x + what is added
    b_O: Array | None = None  # (d,)


@dataclass(frozen=True, eq=False)
class FFN:
    """One feed-forward sublayer. The activation is act(beta x) / beta: for softplus, beta -> infinity is ReLU."""

    W_in: Array  # (d, d_ff)
    b_in: Array  # (d_ff,)
    W_out: Array  # (d_ff, d)
    b_out: Array  # (d,)
    activation: str = "softplus"
    beta: float = 1.0
    norm: LayerNorm | None = None
    after: LayerNorm | None = None  # of x + what is added

    def __post_init__(self) -> None:
        into, out = self.W_in.shape, self.W_out.shape
        need(self.activation in ACTIVATIONS, f"unknown activation {self.activation!r}; valid: {list(ACTIVATIONS)}")
        need(into == out[::-1], f"W_in {into} and W_out {out} do not fit")
        biases = (*self.b_out.shape, *self.b_in.shape)
        need(biases == into, f"b_out and b_in {biases} must be as long as W_in {into} says")
        need(self.beta > 0, f"beta must be > 0, not {self.beta}")


@dataclass(frozen=True, eq=False)
class Gate:
    """Scores of experts, x W + b: their softmax is the posterior of a latent expert (reading/mixtures.py)."""

    W: Array  # (d, experts)
    b: Array  # (experts,)

    def __post_init__(self) -> None:
        need(self.W.ndim == 2 and self.b.shape == self.W.shape[1:], f"b {self.b.shape} must fit W {self.W.shape}")


@dataclass(frozen=True, eq=False)
class MixtureFFN:
    """A mixture of experts. ``keep`` = k: every token takes its k best experts alone, their weights scaled to sum 1.

    Of experts with one score the earlier is kept. None keeps all. ``norm`` is read by gate and experts, which have none
    of their own.
    """

    gate: Gate
    experts: tuple[FFN, ...]
    keep: int | None = None
    norm: LayerNorm | None = None
    after: LayerNorm | None = None  # of x + what is added

    def __post_init__(self) -> None:
        d, count = self.gate.W.shape
        need(count == len(self.experts) > 0, f"the gate scores {count} experts, there are {len(self.experts)}")
        widths = {(expert.W_in.shape[0], expert.W_out.shape[1]) for expert in self.experts}
        need(widths == {(d, d)}, f"every expert must read and write the gate's {d} columns, not {sorted(widths)}")
        alone = all(e.norm is None and e.after is None for e in self.experts)
        need(alone, "an expert has no norm of its own: give it to the MixtureFFN")
        if self.keep is not None:
            need(whole_number("keep", self.keep) in range(1, count + 1), f"keep must be 1..{count}, not {self.keep}")


Sublayer = Attention | FFN | MixtureFFN
Layer = tuple[Sublayer, ...]


@dataclass(frozen=True, eq=False)
class Weights:
    """All layers, first to last."""

    layers: tuple[Layer, ...]


def attend(x: Array, sublayer: Attention, patterns: bool = False) -> tuple[Array, Array | None]:
    """What attention adds to x (n, d), and, if asked for, its weights (heads, n, n)."""
    read = sublayer.norm(x) if sublayer.norm else x  # (n, d)
    added, kept = np.zeros_like(x), []  # (n, d)
    added += 0.0 if sublayer.b_O is None else sublayer.b_O
    for head in sublayer.heads:
        scores = head.queries(read) @ head.keys(read).T  # (n, n)   row = query, column = key
        if sublayer.causal:
            scores[np.triu_indices(len(x), 1)] = -np.inf  # the future
        weight = softmax(scores)  # (n, n)   every row sums to 1
        added += (weight @ head.values(read)) @ head.W_O  # (n, n) (n, d_v) (d_v, d) -> (n, d)
        if patterns:
            kept.append(weight)
    return added, np.array(kept) if patterns else None


def softmax(scores: Array) -> Array:
    """exp(scores) / sum, over the last axis; the largest score is subtracted first."""
    weight = np.exp(scores - scores.max(axis=-1, keepdims=True))  # (..., n)
    return weight / weight.sum(axis=-1, keepdims=True)  # (..., n)


def feed_forward(x: Array, sublayer: FFN) -> Array:
    """What an FFN adds to x: (n, d)."""
    read = sublayer.norm(x) if sublayer.norm else x  # (n, d)
    hidden = activate(read @ sublayer.W_in + sublayer.b_in, sublayer.activation, sublayer.beta)  # (n, d_ff)
    return hidden @ sublayer.W_out + sublayer.b_out  # (n, d)


def mixture_feed_forward(x: Array, sublayer: MixtureFFN) -> Array:
    """What a mixture of experts adds to x: (n, d). Experts compute only the tokens that keep them."""
    read = sublayer.norm(x) if sublayer.norm else x  # (n, d)
    weight = gate_weights(read, sublayer.gate, sublayer.keep)  # (n, experts)
    added = np.zeros_like(x)
    for k, expert in enumerate(sublayer.experts):
        (rows,) = np.nonzero(weight[:, k])
        added[rows] += weight[rows, k, None] * feed_forward(read[rows], expert)
    return added


def gate_weights(read: Array, gate: Gate, keep: int | None = None) -> Array:
    """softmax(read W + b) over the experts, (n, experts); of the ``keep`` largest scores alone, the rest exactly 0."""
    scores = read @ gate.W + gate.b  # (n, experts)
    if keep is not None and keep < len(gate.b):
        order = np.argsort(-scores, axis=1, kind="stable")  # best first, ties in order
        np.put_along_axis(scores, order[:, keep:], -np.inf, axis=1)
    return softmax(scores)
