"""The log-odds transformer: the architecture in which "one layer is one round of belief propagation" holds literally.

A token j carries log odds x_j, one number per channel. One layer does

    x_j[c]  <-  keep[c] x_j[c] + bias[c] + sum over heads h of  weight[h, c] logit(mean[h, j])
    mean[h, j] = sum_k alpha[h, j, k] sigmoid(x_k[source of h])

with alpha the softmax of any scores q.k. It runs on the stock ``forward`` as five sublayers,

    FFN sigmoid       writes sigmoid(x) and sigmoid(-x), the probabilities of both states, into scratch columns
    attention         every head averages both, into its own pair of scratch columns
    FFN identity      x <- keep x + bias; erases the probabilities
    FFN floored log   x <- x + weight (ln average of sigmoid(x) - ln average of sigmoid(-x))
    FFN identity      erases the averages

of which only the logarithm is not a stock activation: no stock block turns an averaged probability back into log odds.
Averaging both states, rather than one and taking 1 - p, keeps full precision where p is close to 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from bnt.checks import real_array, whole_number
from bnt.errors import BntError, UnsupportedModelError
from bnt.transformer.blocks import FFN, Attention, Head, Layer, MixtureFFN, Weights

Array = NDArray[np.float64]

EXACT = 1e-12  # how far a weight of a known form may be from its value


@dataclass(frozen=True, eq=False)
class LogOddsHead:
    """One message: weight[c] * logit(sum_k alpha_k sigmoid(x_k[source])) is added to channel c."""

    W_Q: Array  # (channels + features, d_k)
    W_K: Array  # (channels + features, d_k)
    weight: Array  # (channels,)
    source: int = 0


@dataclass(frozen=True, eq=False)
class LogOddsLayer:
    """Heads, how much of its own log odds a token keeps, and the bias (the prior log odds of the new variable)."""

    heads: tuple[LogOddsHead, ...]
    keep: Array  # (channels,)
    bias: Array  # (channels,)
    causal: bool = False


def log_odds_weights(layers: Sequence[LogOddsLayer], features: int) -> Weights:
    """The stock Weights of a log-odds transformer, for tokens made by ``log_odds_tokens``.

    Columns: channels, features, 2 per channel (probabilities of both states), 2 per head (their averages).
    Raises BntError for shapes that do not fit, or features < 0.
    """
    features = whole_number("features", features)
    channels = len(layers[0].keep) if layers else 0
    heads = max((len(layer.heads) for layer in layers), default=0)
    inputs = channels + features
    for layer in layers:
        shapes = {head.W_Q.shape[0] for head in layer.heads} | {head.W_K.shape[0] for head in layer.heads}
        sizes = {len(layer.keep), len(layer.bias), *(len(head.weight) for head in layer.heads)}
        if shapes - {inputs} or sizes != {channels}:
            raise BntError(f"every W_Q and W_K needs {inputs} rows, and keep, bias and weight {channels} entries")
        if any(not 0 <= head.source < channels for head in layer.heads):
            raise BntError(f"a head's source must be a channel, 0..{channels - 1}")
    return Weights(tuple(_sublayers(layer, channels, features, heads) for layer in layers))


def log_odds_tokens(log_odds: Array, features: Array, heads: int) -> Array:
    """Tokens (n, d) from log odds (n, channels) and fixed features (n, f); scratch columns for ``heads`` heads at 0.

    Raises BntError for shapes that do not fit, or heads < 0.
    """
    heads = whole_number("heads", heads)
    log_odds, features = real_array("log_odds", log_odds), real_array("features", features)
    if log_odds.ndim != 2 or features.ndim != 2 or len(log_odds) != len(features):
        shapes = f"{log_odds.shape} and {features.shape}"
        raise BntError(f"log odds and features must have shapes (n, channels) and (n, features), not {shapes}")
    scratch = np.zeros((len(log_odds), 2 * log_odds.shape[1] + 2 * heads))
    return np.hstack([log_odds, features, scratch])


def _sublayers(layer: LogOddsLayer, channels: int, features: int, heads: int) -> Layer:
    first = channels + features  # of the probabilities
    mixes = first + 2 * channels  # first of the averages
    d = mixes + 2 * heads
    sign = np.tile([1.0, -1.0], channels)
    to_probability = np.zeros((d, 2 * channels))
    to_probability[np.repeat(np.arange(channels), 2), np.arange(2 * channels)] = sign  # x, -x of every channel
    probability, mix = np.arange(first, mixes), np.arange(mixes, mixes + 2 * len(layer.heads))
    attention = Attention(
        tuple(
            Head(
                W_Q=np.vstack([head.W_Q, np.zeros((d - first, head.W_Q.shape[1]))]),  # (d, d_k)
                W_K=np.vstack([head.W_K, np.zeros((d - first, head.W_K.shape[1]))]),  # (d, d_k)
                W_V=_one_hot(d, probability[2 * head.source : 2 * head.source + 2]),  # (d, 2)
                W_O=_one_hot(d, mix[2 * h : 2 * h + 2]).T,  # (2, d)
            )
            for h, head in enumerate(layer.heads)
        ),
        causal=layer.causal,
    )
    step = np.concatenate([layer.keep - 1, -np.ones(2 * channels)])
    changed = np.concatenate([np.arange(channels), probability])
    bias = np.zeros(d)
    bias[:channels] = layer.bias
    messages = np.zeros((len(mix), d))
    for h, head in enumerate(layer.heads):
        messages[2 * h, :channels], messages[2 * h + 1, :channels] = head.weight, -head.weight
    return (
        FFN(to_probability, np.zeros(2 * channels), _one_hot(d, probability).T, np.zeros(d), "sigmoid"),
        attention,
        FFN(_one_hot(d, changed), np.zeros(len(changed)), step[:, None] * _one_hot(d, changed).T, bias, "identity"),
        FFN(_one_hot(d, mix), np.zeros(len(mix)), messages, np.zeros(d), "floored log"),
        FFN(_one_hot(d, mix), np.zeros(len(mix)), -_one_hot(d, mix).T, np.zeros(d), "identity"),
    )


def _one_hot(rows: int, at: NDArray[np.int64]) -> Array:
    """(rows, len(at)) with a 1 in column j at row at[j]."""
    matrix = np.zeros((rows, len(at)))
    matrix[at, np.arange(len(at))] = 1.0
    return matrix


# ---------------------------------------------------------------- reading weights back


class ReadLayer(NamedTuple):
    """A layer recognised as a log-odds layer. Columns are positions in the stream."""

    sources: tuple[int, ...]  # per head: the log-odds column it reads
    weight: Array  # (heads, d)   what its message adds to every column, times the message
    keep: Array  # (d,)   1 where a column is left alone
    bias: Array  # (d,)
    scratch: frozenset[int]  # columns that must be 0 between layers


def read_layer(layer: Layer) -> ReadLayer:
    """Recognise a log-odds layer from its matrices alone; no names are needed, any column may hold anything.

    Raises UnsupportedModelError, which names the sublayer and the reason.
    """
    words = {Attention: "attention", MixtureFFN: "mixture of experts"}
    kinds = tuple(sublayer.activation if isinstance(sublayer, FFN) else words[type(sublayer)] for sublayer in layer)
    if any(sublayer.norm for sublayer in layer):
        raise UnsupportedModelError("a LayerNorm rescales log odds by a number that depends on the input")
    if kinds != ("sigmoid", "attention", "identity", "floored log", "identity"):
        raise UnsupportedModelError(f"its sublayers ({', '.join(kinds)}) are not those of a log-odds layer")
    squash, attention, linear, log, clean = cast(tuple[FFN, Attention, FFN, FFN, FFN], layer)
    probability = _probabilities(squash)
    sources, averages = _averages(attention, probability)
    keep, bias = _linear(linear, set(probability))
    weight, more = _messages(log, averages)
    leftover, none = _linear(clean, {column for pair in averages for column in pair})
    if np.abs(leftover - 1).max(initial=0) > EXACT or np.abs(none).max(initial=0) > EXACT:
        raise UnsupportedModelError("its last FFN does more than erase the averages")
    scratch = frozenset(probability) | {column for pair in averages for column in pair}
    if scratch & set(sources) or np.abs(weight[:, sorted(scratch)]).max(initial=0) > 0:
        raise UnsupportedModelError("a column is used both for log odds and as scratch")
    return ReadLayer(sources, weight, keep, bias + more, scratch)


def _probabilities(squash: FFN) -> dict[int, tuple[int, int]]:
    """{scratch column: (log-odds column, +1 or -1)}: the column receives sigmoid(+-x)."""
    if np.abs(squash.b_in).max(initial=0) > EXACT or np.abs(squash.b_out).max(initial=0) > EXACT or squash.beta != 1:
        raise UnsupportedModelError("its sigmoid FFN has a bias or a sharpness: what it computes is not sigmoid(+-x)")
    found: dict[int, tuple[int, int]] = {}
    for unit in range(squash.W_in.shape[1]):
        read, write = np.flatnonzero(squash.W_in[:, unit]), np.flatnonzero(squash.W_out[unit])
        if len(read) != 1 or len(write) != 1:
            raise UnsupportedModelError(f"unit {unit} of its sigmoid FFN mixes columns; it must read one log odds")
        slope, scale = squash.W_in[read[0], unit], squash.W_out[unit, write[0]]
        if abs(abs(slope) - 1) > EXACT or abs(scale - 1) > EXACT or int(write[0]) in found:
            raise UnsupportedModelError(f"unit {unit} of its sigmoid FFN is no probability sigmoid(+-x)")
        found[int(write[0])] = (int(read[0]), round(float(slope)))
    return found


def _averages(
    attention: Attention, probability: dict[int, tuple[int, int]]
) -> tuple[tuple[int, ...], list[tuple[int, int]]]:
    """Per head: its log-odds column, and the two columns that receive the averages of sigmoid(x) and sigmoid(-x)."""
    sources: list[int] = []
    averages: list[tuple[int, int]] = []
    for h, head in enumerate(attention.heads):
        moved = head.W_V @ head.W_O  # (d, d)   only this product matters
        pairs = np.argwhere(np.abs(moved) > EXACT)
        by_sign = {probability[int(i)][1]: (int(i), int(j)) for i, j in pairs if int(i) in probability}
        good = len(pairs) == 2 and len(by_sign) == 2 and np.abs(moved[tuple(pairs.T)] - 1).max() <= EXACT
        columns = {probability[i][0] for i, _ in by_sign.values()}
        targets = tuple(by_sign[sign][1] for sign in (1, -1)) if good else ()
        if not good or len(columns) != 1 or targets[0] == targets[1]:
            raise UnsupportedModelError(f"head {h} averages something other than the two probabilities of one channel")
        if any(set(targets) & set(other) for other in averages):
            raise UnsupportedModelError(f"head {h} shares its output columns with another head")
        sources.append(columns.pop())
        averages.append((targets[0], targets[1]))
    return tuple(sources), averages


def _linear(linear: FFN, erased: set[int]) -> tuple[Array, Array]:
    """keep and bias (d,) of an identity FFN that erases some columns and rescales others; no mixing of columns."""
    step = linear.W_in @ linear.W_out  # (d, d)
    bias: Array = linear.b_in @ linear.W_out + linear.b_out  # (d,)
    keep = 1 + np.diag(step)
    if np.abs(step - np.diag(np.diag(step))).max(initial=0) > EXACT:
        raise UnsupportedModelError("a linear FFN mixes columns")
    at = sorted(erased)
    if np.abs(keep[at]).max(initial=0) > EXACT or np.abs(bias[at]).max(initial=0) > EXACT:
        raise UnsupportedModelError("a linear FFN does not erase the scratch columns")
    keep[at] = 1.0  # back at 0 after the layer: nothing to report
    return keep, bias


def _messages(log: FFN, averages: list[tuple[int, int]]) -> tuple[Array, Array]:
    """weight (heads, d) of every head's log odds, and the bias (d,) of the logarithm FFN."""
    d, heads = log.W_in.shape[0], len(averages)
    if np.abs(log.b_in).max(initial=0) > EXACT or log.beta != 1:
        raise UnsupportedModelError("its logarithm FFN has a bias or a sharpness inside the logarithm")
    both = np.zeros((d, d))  # both[i, j]: how much of ln(column i) is added to column j
    for unit in range(log.W_in.shape[1]):
        read = np.flatnonzero(log.W_in[:, unit])
        if len(read) != 1 or abs(log.W_in[read[0], unit] - 1) > EXACT:
            raise UnsupportedModelError(f"unit {unit} of its logarithm FFN does not read one average")
        both[read[0]] += log.W_out[unit]
    weight = np.array([both[one] for one, _ in averages]).reshape(heads, d)
    opposite = np.array([both[zero] for _, zero in averages]).reshape(heads, d)
    known = [column for pair in averages for column in pair]
    if np.abs(np.delete(both, known, axis=0)).max(initial=0) > 0 or np.abs(weight + opposite).max(initial=0) > EXACT:
        raise UnsupportedModelError("its logarithm FFN adds something other than log odds, ln p - ln(1-p)")
    return weight, log.b_out
