"""A transformer that can be trained: its sizes, one flat vector of numbers with named views, and its stock Weights.

A sequence of n inputs becomes tokens (n, d), runs through the stock blocks of blocks.py and is read out:

    tokens   x <- inputs read_in + read_in_bias          continuous input columns, or
             x <- embedding[symbols]                     a learned vector for every symbol;    x <- x + positions[:n]
    layers   x <- x + attention(x), x <- x + FFN(x)      each reading LayerNorm(x) with layer_norm=True (pre-norm)
    logits   x read_out + read_out_bias                  reading LayerNorm(x) with layer_norm=True

As in blocks.py there is no 1/sqrt(d_k) in the forward pass: ``initialise`` puts it into W_Q, where it is trained.
``to_weights`` gives the layers alone, so ``forward``, ``extract_graph``, ``diagnose`` and the figures work on a trained
model: ``forward(read_in(parameters, inputs), to_weights(parameters))``. Embedding and positions only make the tokens;
LayerNorms, if any, are part of the Weights, and ``extract_graph`` then reads attention alone and says why.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from bnt.checks import need
from bnt.errors import BntError, valid_names
from bnt.transformer.activations import ACTIVATIONS
from bnt.transformer.blocks import FFN, Attention, Head, LayerNorm, Sublayer, Weights

Array = NDArray[Any]  # float32 or float64

EPSILON = 1e-5  # of every LayerNorm
PRECISIONS = ("float64", "float32")


@dataclass(frozen=True, kw_only=True)
class TransformerConfig:
    """Sizes and choices of a trainable transformer. Every layer has the same shapes; no weights are shared.

    inputs      columns of a continuous input token; 0 if inputs are symbols
    vocabulary  number of symbols, each with a learned embedding; 0 if inputs are continuous
    positions   rows of a learned positional table, the longest sequence; 0 = no positions, any length
    d_k         columns of queries, keys and values of one head
    attention   False: no attention sublayers, every token for itself
    Raises BntError for sizes that make no model.
    """

    width: int
    outputs: int
    layers: int = 1
    heads: int = 1
    d_k: int = 0
    d_ff: int = 0
    inputs: int = 0
    vocabulary: int = 0
    positions: int = 0
    activation: str = "relu"
    beta: float = 1.0
    layer_norm: bool = False
    causal: bool = False
    attention: bool = True

    def __post_init__(self) -> None:
        least = {"width": 1, "outputs": 1, "layers": 0, "inputs": 0, "vocabulary": 0, "positions": 0}
        least |= {"heads": int(self.attention), "d_k": int(self.attention), "d_ff": 1}
        for name, smallest in least.items():
            value = getattr(self, name)
            need(isinstance(value, int | np.integer), f"{name} must be a whole number, not {value!r}")
            need(value >= smallest, f"{name} must be at least {smallest}, not {value}")
            object.__setattr__(self, name, int(value))
        one = (self.inputs > 0) != (self.vocabulary > 0)
        need(one, f"give inputs or vocabulary, not both and not neither: {self.inputs} and {self.vocabulary}")
        if self.activation not in ACTIVATIONS:
            raise BntError(f"unknown activation {self.activation!r}; {valid_names(ACTIVATIONS, self.activation)}")
        need(math.isfinite(self.beta) and self.beta > 0, f"beta must be a number > 0, not {self.beta!r}")

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Block -> shape, in the order of the flat vector. W_QKV is W_Q, W_K and W_V side by side, all heads fused."""
        d, inner = self.width, self.heads * self.d_k
        found: dict[str, tuple[int, ...]] = {}
        if self.vocabulary:
            found["embedding"] = (self.vocabulary, d)
        else:
            found |= {"read_in": (self.inputs, d), "read_in_bias": (d,)}
        if self.positions:
            found["positions"] = (self.positions, d)
        for i in range(self.layers):
            if self.attention:
                found |= self._norm(f"layer{i}.attention")
                found |= {f"layer{i}.W_QKV": (d, 3 * inner), f"layer{i}.W_O": (inner, d)}
            found |= self._norm(f"layer{i}.ffn")
            found |= {f"layer{i}.W_in": (d, self.d_ff), f"layer{i}.b_in": (self.d_ff,)}
            found |= {f"layer{i}.W_out": (self.d_ff, d), f"layer{i}.b_out": (d,)}
        return found | self._norm("final") | {"read_out": (d, self.outputs), "read_out_bias": (self.outputs,)}

    def _norm(self, name: str) -> dict[str, tuple[int, ...]]:
        return {f"{name}_gain": (self.width,), f"{name}_shift": (self.width,)} if self.layer_norm else {}

    @property
    def size(self) -> int:
        """How many numbers are trained."""
        return sum(math.prod(shape) for shape in self.shapes.values())


@dataclass(frozen=True, eq=False)
class Parameters:
    """One vector and its named views: writing into ``flat`` changes the views, and the other way round.

    blocks   name -> array, the blocks of ``config.shapes``
    views    the same with W_QKV as its three parts "layer0.W_Q", "layer0.W_K", "layer0.W_V", each (d, heads * d_k)
    """

    config: TransformerConfig
    flat: Array  # (config.size,)

    def __post_init__(self) -> None:
        size = self.config.size
        need(self.flat.shape == (size,), f"this config has {size} parameters; flat has shape {self.flat.shape}")
        need(self.flat.dtype.name in PRECISIONS, f"parameters must be float64 or float32, not {self.flat.dtype}")
        floored = self.config.activation == "floored log" and self.flat.dtype == np.float32
        need(not floored, "the floor 1e-300 of the activation 'floored log' is zero in float32; use float64")

    def __repr__(self) -> str:
        return f"<Parameters: {self.flat.size} numbers, {self.flat.dtype}, {self.config}>"

    @cached_property
    def blocks(self) -> dict[str, Array]:
        found: dict[str, Array] = {}
        start = 0
        for name, shape in self.config.shapes.items():
            found[name] = self.flat[start : start + math.prod(shape)].reshape(shape)
            start += math.prod(shape)
        return found

    @cached_property
    def views(self) -> dict[str, Array]:
        found: dict[str, Array] = {}
        inner = self.config.heads * self.config.d_k
        for name, block in self.blocks.items():
            parts = {"": block}
            if name.endswith("QKV"):
                parts = {letter: block[:, i * inner : (i + 1) * inner] for i, letter in enumerate("QKV")}
            found |= {name.removesuffix("QKV") + letter: part for letter, part in parts.items()}
        return found

    def copy(self) -> Parameters:
        """The same numbers in a vector of their own."""
        return Parameters(self.config, self.flat.copy())

    def astype(self, dtype: DTypeLike) -> Parameters:
        """The same numbers, rounded if need be, in another precision."""
        return Parameters(self.config, self.flat.astype(dtype))


def initialise(config: TransformerConfig, seed: int, dtype: DTypeLike = np.float64) -> Parameters:
    """Random parameters, the same for the same config and seed.

    Matrices are normal with deviation 1/sqrt(rows), W_Q divided by sqrt(d_k) more; embedding and positions have
    deviation 1/sqrt(width). Biases and shifts are 0, gains 1. float32 draws the same numbers and rounds them.
    """
    rng = np.random.default_rng(seed)
    drawn = Parameters(config, np.zeros(config.size))
    for name, block in drawn.blocks.items():
        if block.ndim == 2:
            rows = config.width if name in ("embedding", "positions") else len(block)
            block[...] = rng.normal(0, 1 / math.sqrt(rows), block.shape)
        elif name.endswith("_gain"):
            block[...] = 1
    for name, view in drawn.views.items():
        if name.endswith(".W_Q"):
            view /= math.sqrt(config.d_k)
    return drawn.astype(dtype)


def to_weights(parameters: Parameters) -> Weights:
    """The layers as stock float64 Weights, one Head per head: a layer is (Attention, FFN), or (FFN,) alone."""
    config = parameters.config
    p = {name: view.astype(np.float64) for name, view in parameters.views.items()}
    layers: list[tuple[Sublayer, ...]] = []
    for i in range(config.layers):
        sublayers: list[Sublayer] = []
        if config.attention:
            of_head = [slice(h * config.d_k, (h + 1) * config.d_k) for h in range(config.heads)]
            q, k, v, o = (p[f"layer{i}.W_{letter}"] for letter in "QKVO")
            heads = tuple(Head(q[:, at], k[:, at], v[:, at], o[at]) for at in of_head)
            sublayers.append(Attention(heads, config.causal, _layer_norm(p, f"layer{i}.attention")))
        W_in, b_in, W_out, b_out = (p[f"layer{i}.{name}"] for name in ("W_in", "b_in", "W_out", "b_out"))
        norm = _layer_norm(p, f"layer{i}.ffn")
        sublayers.append(FFN(W_in, b_in, W_out, b_out, config.activation, config.beta, norm))
        layers.append(tuple(sublayers))
    return Weights(tuple(layers))


def _layer_norm(p: dict[str, Array], name: str) -> LayerNorm | None:
    return LayerNorm(p[f"{name}_gain"], p[f"{name}_shift"], EPSILON) if f"{name}_gain" in p else None


def read_in(parameters: Parameters, inputs: Array) -> Array:
    """Tokens (n, d) of one sequence: inputs (n, inputs), or symbols (n,). In float64, for ``forward``."""
    inputs = check_inputs(parameters.config, np.asarray(inputs)[None], np.dtype(np.float64))[0]
    p = _outside_layers(parameters)
    tokens = p["embedding"][inputs] if "embedding" in p else inputs @ p["read_in"] + p["read_in_bias"]  # (n, d)
    return tokens + p["positions"][: len(tokens)] if "positions" in p else tokens


def read_out(parameters: Parameters, stream: Array) -> Array:
    """Logits (n, outputs) of a stream (n, d): the one after the last layer, or any earlier one (a "logit lens")."""
    p = _outside_layers(parameters)
    norm = _layer_norm(p, "final")
    return (norm(stream) if norm else stream) @ p["read_out"] + p["read_out_bias"]  # (n, d) (d, outputs)


def _outside_layers(parameters: Parameters) -> dict[str, Array]:
    return {name: block.astype(np.float64) for name, block in parameters.blocks.items() if "." not in name}


def check_inputs(config: TransformerConfig, inputs: Array, dtype: np.dtype[Any]) -> Array:
    """Inputs (batch, n, inputs) in ``dtype``, or symbols (batch, n). Raises BntError, naming shape and rule."""
    inputs = np.asarray(inputs)
    if config.vocabulary:
        need(inputs.ndim == 2, f"symbols must have shape (batch, n), not {inputs.shape}")
        need(inputs.dtype.kind in "iu", f"symbols must be whole numbers, not {inputs.dtype}")
        if inputs.size and (inputs.min() < 0 or inputs.max() >= config.vocabulary):
            wrong = inputs[(inputs < 0) | (inputs >= config.vocabulary)][0]
            raise BntError(f"symbol {wrong} is not in the vocabulary; valid: 0..{config.vocabulary - 1}")
    else:
        fits = inputs.ndim == 3 and inputs.shape[2] == config.inputs
        need(fits, f"inputs must have shape (batch, n, {config.inputs}), not {inputs.shape}")
        need(inputs.dtype.kind in "fiub", f"inputs must be numbers, not {inputs.dtype}")
        inputs = inputs.astype(dtype, copy=False)
        need(bool(np.isfinite(inputs.sum())), "inputs must be finite: there is a NaN or an infinity in them")
    need(min(inputs.shape) > 0, f"there must be at least one sequence of one token, not shape {inputs.shape}")
    long = bool(config.positions) and inputs.shape[1] > config.positions
    need(not long, f"sequences have {inputs.shape[1]} tokens; the positional table has {config.positions} rows")
    return inputs
