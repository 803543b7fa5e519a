"""Recovering a factor graph from compiled pairwise weights that were hidden behind another basis: no layout, no names.

A rotation of the residual stream moves every column into every other, yet leaves untouched what the model *does*:
attention patterns, the inputs of hidden units, and which direction each unit writes relative to what the others read.
Those are enough. ``disguise`` hides a model, ``recover_graph`` finds the graph again and checks it against the model.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from bnt.checks import of_kind, real_array
from bnt.errors import BntError, UnsupportedModelError
from bnt.graph.factor_graph import Factor, FactorGraph, Variable
from bnt.inference.belief_propagation import Mode, run_bp
from bnt.odds import sigmoid
from bnt.transformer.blocks import FFN, Attention, Head, Layer, MixtureFFN, Weights
from bnt.transformer.forward import forward

Array = NDArray[np.float64]

NEAR = 1e-6  # relative: how parallel two directions must be, how equal two readings of one number


class Recovered(NamedTuple):
    """A recovered model. Variables are called v0, v1, ... in token order, states "0" and "1"."""

    graph: FactorGraph
    variable_tokens: tuple[int, ...]  # token of each variable
    mode: Mode
    damping: float
    disagreement: float  # largest difference between the model's beliefs and run_bp on the recovered graph


def disguise(weights: Weights, tokens: Array, seed: int = 0) -> tuple[Weights, Array]:
    """The same function in a random orthogonal basis of the residual stream, with heads and hidden units shuffled."""
    rng = np.random.default_rng(seed)
    rotation = np.linalg.qr(rng.normal(size=(tokens.shape[1],) * 2))[0]  # (d, d)
    hidden = {id(layer): _disguise_layer(layer, rotation, rng) for layer in weights.layers}
    return Weights(tuple(hidden[id(layer)] for layer in weights.layers)), tokens @ rotation


def _disguise_layer(layer: Layer, rotation: Array, rng: np.random.Generator) -> Layer:
    sublayers: list[Attention | FFN] = []
    for sublayer in layer:
        if isinstance(sublayer, Attention):
            heads = [
                Head(rotation.T @ head.W_Q, rotation.T @ head.W_K, rotation.T @ head.W_V, head.W_O @ rotation)
                for head in sublayer.heads
            ]
            sublayers.append(Attention(tuple(heads[i] for i in rng.permutation(len(heads))), sublayer.causal))
        elif isinstance(sublayer, MixtureFFN):
            raise UnsupportedModelError("a mixture of experts is in no compiled pairwise model")
        else:
            order = rng.permutation(len(sublayer.b_in))
            sublayers.append(
                FFN(
                    (rotation.T @ sublayer.W_in)[:, order],
                    sublayer.b_in[order],
                    (sublayer.W_out @ rotation)[order],
                    sublayer.b_out @ rotation,
                    sublayer.activation,
                    sublayer.beta,
                )
            )
    return tuple(sublayers)


def recover_graph(weights: Weights, tokens: Array) -> Recovered:
    """The factor graph of a compiled pairwise model, from matrices and tokens in any orthogonal basis.

    Raises UnsupportedModelError, with the first thing that does not fit, for any other model; BntError for what is no
    weights with tokens (n, d) of theirs.
    """
    of_kind("the first argument", weights, Weights, hint="model.weights is one")
    tokens = real_array("tokens", tokens)
    attention, ffn = _sublayers(weights)
    if tokens.ndim != 2 or tokens.shape[1] != len(ffn.W_in):
        raise BntError(f"the tokens must have shape (n, {len(ffn.W_in)}) for these weights, not {tokens.shape}")
    units = _Units(attention, ffn)
    inputs = tokens @ ffn.W_in + ffn.b_in  # (n, 8)   of the hidden units, before any message was sent
    trace = forward(tokens, Weights(weights.layers[:1]), attention="dense")
    patterns = cast(Array, trace.attention[0][0])  # (2, n, n)
    variables, source, target, partner = _wiring(patterns[units.sum_head], patterns[1 - units.sum_head])
    theta = inputs[variables, units.a]  # (v,)   a = 0 there, and no message has arrived
    messages = np.flatnonzero(source >= 0)
    tables = np.zeros((len(tokens), 2, 2))  # log psi(x_source, x_target), 0 at (0, 0)
    tables[messages, 0, 1] = inputs[messages, units.d]
    tables[messages, 1, 0] = inputs[messages, units.c] - theta[source[messages]]
    tables[messages, 1, 1] = inputs[messages, units.a] - theta[source[messages]] + inputs[messages, units.d]

    names = [Variable(f"v{i}", ("0", "1")) for i in range(len(variables))]
    factors = [Factor((name,), log_table=[0.0, value]) for name, value in zip(names, theta, strict=True)]
    for t in messages:
        gap = tables[t] - tables[partner[t]].T
        if np.ptp(gap) > NEAR * (1 + np.abs(tables[t]).max()):
            raise UnsupportedModelError(f"tokens {t} and {partner[t]} disagree about the factor they both carry")
        if source[t] < target[t]:
            factors.append(Factor((names[source[t]], names[target[t]]), log_table=tables[t]))
    graph = FactorGraph(names, factors)
    mode: Mode = "sum" if ffn.activation == "softplus" else "max"
    bp = run_bp(graph, rounds=len(weights.layers) - 1, mode=mode, damping=units.damping)
    final = forward(tokens, weights, keep="last", attention="dense").final[variables]  # (v, d)
    beliefs = sigmoid(final @ (ffn.W_in[:, units.a] - ffn.W_in[:, units.belief]))  # theta + s - (theta + s - belief)
    return Recovered(
        graph,
        tuple(int(v) for v in variables),
        mode,
        units.damping,
        float(np.abs(beliefs - bp.beliefs.flat[1::2]).max(initial=0.0)),
    )


def _sublayers(weights: Weights) -> tuple[Attention, FFN]:
    form = "a compiled pairwise model repeats one layer: attention with two heads, then an FFN of eight units"
    if not weights.layers or any(layer is not weights.layers[0] for layer in weights.layers):
        raise UnsupportedModelError(form)
    attention, ffn = weights.layers[0] if len(weights.layers[0]) == 2 else (None, None)
    if not isinstance(attention, Attention) or not isinstance(ffn, FFN):
        raise UnsupportedModelError(form)
    if len(attention.heads) != 2 or ffn.W_in.shape[1] != 8:
        raise UnsupportedModelError(form)
    if ffn.activation not in ("softplus", "relu") or ffn.norm or attention.norm or np.any(ffn.b_in):
        raise UnsupportedModelError("a compiled pairwise FFN is softplus or ReLU without biases or LayerNorm")
    return attention, ffn


class _Units:
    """Which hidden unit does what, told by opposite pairs and by directions in the stream.

    a, c       the two softplus units of the message, theta + s + a and theta + s + c
    d, belief  the linear pairs d - m and theta + s - belief, the member with that sign
    """

    def __init__(self, attention: Attention, ffn: FFN):
        reads, writes = ffn.W_in.T, ffn.W_out  # (8, d), (8, d)
        pairs = [
            (i, j)
            for i in range(8)
            for j in range(i + 1, 8)
            if _parallel(reads[i], -reads[j], True) and _parallel(writes[i], -writes[j], True)
        ]
        alone = sorted(set(range(8)) - {unit for pair in pairs for unit in pair})
        if len(pairs) != 3 or len(alone) != 2 or not _parallel(writes[alone[0]], -writes[alone[1]], True):
            raise UnsupportedModelError("the FFN does not have two message units and three opposite pairs")
        # What a message arriving through each head does to a message unit: + fan_in (sum), -1 (reverse).
        moved = [writes[alone[0]] @ head.W_V @ head.W_O for head in attention.heads]
        effect = [float(direction @ reads[alone[0]]) for direction in moved]
        self.sum_head = int(np.argmax(np.abs(effect)))
        self.a, self.c = alone if effect[self.sum_head] > 0 else alone[::-1]
        incoming = writes[self.a] @ attention.heads[self.sum_head].W_V @ attention.heads[self.sum_head].W_O
        incoming = incoming / float(incoming @ reads[self.a])  # the direction of s
        message = [pair for pair in pairs if _parallel(writes[pair[0]], writes[self.a], False)]
        erased = [pair for pair in pairs if _parallel(writes[pair[0]], incoming, False)]
        rest = [pair for pair in pairs if pair not in message + erased]
        if not (len(message) == len(erased) == len(rest) == 1):
            raise UnsupportedModelError("the FFN's linear pairs do not write message, sum and belief")
        self.d = next(unit for unit in message[0] if writes[unit] @ writes[self.a] > 0)
        self.belief = next(unit for unit in rest[0] if reads[unit] @ incoming > 0)
        step = -float(writes[self.a] @ reads[self.d])  # m is read with -1 and written with 1 - damping
        self.damping = 0.0 if abs(step - 1) < 1e-12 else 1.0 - step


def _parallel(one: Array, other: Array, equal: bool) -> bool:
    """Same direction up to sign; with ``equal`` the very same vector."""
    if equal:
        return float(np.linalg.norm(one - other)) <= NEAR * float(np.linalg.norm(one))
    size = float(np.linalg.norm(one) * np.linalg.norm(other))
    return size > 0 and abs(abs(float(one @ other)) / size - 1) <= NEAR


def _wiring(total: Array, reverse: Array) -> tuple[NDArray[np.int64], ...]:
    """Variable tokens; per token the source and target variable (-1: no message); and each message's opposite.

    total (n, n), reverse (n, n): attention patterns of the sum head and the reverse head.
    """
    n = len(total)
    partner = reverse.argmax(axis=1)
    (sinks,) = np.nonzero(partner == np.arange(n))
    if len(sinks) != 1 or reverse[np.arange(n), partner].min() < 1 - NEAR:
        raise UnsupportedModelError("the reverse head does not pair messages with their opposites, others with a sink")
    (messages,) = np.nonzero(partner != sinks[0])
    variables = np.array([t for t in range(n) if partner[t] == sinks[0] and t != sinks[0]], dtype=np.int64)
    source, target = np.full(n, -1), np.full(n, -1)
    arrives = total[np.ix_(variables, messages)] > 1 / (4 * n)  # (v, messages)
    if (arrives.sum(axis=0) != 1).any() or (partner[partner[messages]] != messages).any():
        raise UnsupportedModelError("the sum head does not give every message exactly one target")
    target[messages] = arrives.argmax(axis=0)
    source[messages] = target[partner[messages]]
    return variables, source, target, partner
