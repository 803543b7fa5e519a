"""What a forward pass costs: multiply-adds of dense attention and FFNs, counted from the shapes of the weights."""

from __future__ import annotations

from typing import NamedTuple

from bnt.transformer.blocks import FFN, Attention, Layer, Weights


class Size(NamedTuple):
    """A transformer on n tokens. heads: of one layer, all its attention sublayers together, the most of any layer."""

    layers: int
    heads: int
    width: int
    tokens: int
    multiply_adds: int


def layer_cost(layer: Layer, tokens: int) -> int:
    """Multiply-adds of one layer on n tokens of d columns, dense: every head scores all n^2 pairs.

    A head: n d d_k for queries and for keys, n d d_v for values, n^2 d_k for scores, n^2 d_v for the mean, n d_v d for
    the output. An FFN: n d d_ff twice; of a mixture, the gate and the experts that a token keeps, at most. Exponentials
    and norms are not counted.
    """
    total = 0
    for sublayer in layer:
        if isinstance(sublayer, Attention):
            for head in sublayer.heads:
                d, d_k = head.W_Q.shape
                d_v = head.W_V.shape[1]
                total += tokens * d * (2 * d_k + 2 * d_v) + tokens**2 * (d_k + d_v)
        elif isinstance(sublayer, FFN):
            total += 2 * tokens * sublayer.W_in.size
        else:  # every token its gate, and the experts that it keeps; the widest, where they differ
            sizes = sorted((expert.W_in.size for expert in sublayer.experts), reverse=True)
            total += tokens * sublayer.gate.W.size + 2 * tokens * sum(sizes[: sublayer.keep])
    return total


def size_of(weights: Weights, tokens: int, width: int) -> Size:
    """Size and cost of these weights on so many tokens; layers that share their weights cost as if they did not."""
    cost_of: dict[int, int] = {}
    for layer in weights.layers:
        if id(layer) not in cost_of:
            cost_of[id(layer)] = layer_cost(layer, tokens)
    heads = [sum(len(sub.heads) for sub in layer if isinstance(sub, Attention)) for layer in weights.layers]
    cost = sum(cost_of[id(layer)] for layer in weights.layers)
    return Size(len(weights.layers), max(heads, default=0), width, tokens, cost)
