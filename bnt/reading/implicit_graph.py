"""Reading weights back: which factor graph a transformer's forward pass computes on, and what has no such reading.

``extract_graph(weights, tokens)`` looks at every layer.

*Log-odds layers* (log_odds_transformer.py) with integer weights are belief propagation on an explicit factor graph
G(W, X), which depends on the input X through the attention weights. For the new value y of token j:

    root y           prior of log odds bias
    keep times       a copy of x_j joined to y by the identity table (or by "not" if negative)
    |weight| times   per head: an alignment variable z with 2n states (k, s), "I look at token k and it says s", of
                     prior alpha[j, k]; joined to a copy of every x_k by [z speaks of another token, or s = x_k];
                     joined to y by the table [s = y] (or [s != y] if the weight is negative)

which is a tree, so its marginal at y is exact and equals sigmoid of the log odds that the layer computes. Several
layers unroll: every copy of x_k becomes the root of such a tree one layer below. It is a computation tree, not one
shared graph. Real weights raise a message to a power ("tempered" belief propagation), for which no finite table exists.

*Any attention head* is a posterior mean (``posterior_mean``). FFNs on anything but log odds, LayerNorm, and heads that
write sums of values into the stream have no reading as factors, and the result says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bnt.checks import of_kind, real_array, whole_number
from bnt.display import card, counted, draw
from bnt.errors import BntError, TooLargeError, UnsupportedModelError
from bnt.graph.factor_graph import Factor, FactorGraph, Variable
from bnt.odds import sigmoid
from bnt.reading.log_odds_transformer import EXACT, ReadLayer, read_layer
from bnt.transformer.blocks import Attention, Head, Weights
from bnt.transformer.forward import forward

if TYPE_CHECKING:
    from pandas import DataFrame

    from bnt.display import Picture

Array = NDArray[np.float64]

GRAPH_LIMIT = 20_000  # variables of an unrolled graph
BINARY = ("0", "1")
SAME, DIFFERENT = np.eye(2), 1 - np.eye(2)


@dataclass(frozen=True, eq=False)
class LayerReading:
    """One log-odds layer on these tokens. c = channels: the stream columns that hold log odds."""

    before: Array  # (n, c)   log odds
    after: Array  # (n, c)
    attention: Array  # (heads, n, n)
    source: tuple[int, ...]  # per head: the channel it reads
    weight: Array  # (heads, c)
    keep: Array  # (c,)
    bias: Array  # (c,)

    @property
    def integer(self) -> bool:
        """Whether all weights are whole numbers: then the layer is belief propagation with finite tables."""
        numbers = np.concatenate([self.weight.ravel(), self.keep])
        return bool(np.abs(numbers - np.round(numbers)).max(initial=0.0) <= EXACT)

    @property
    def messages(self) -> Array:
        """logit of the attention-averaged probabilities, (heads, n): what each head says before its weight."""
        averages = [
            (a @ sigmoid(self.before[:, c]), a @ sigmoid(-self.before[:, c]))
            for a, c in zip(self.attention, self.source, strict=True)
        ]
        return np.array([np.log(one) - np.log(zero) for one, zero in averages]).reshape(-1, len(self.before))

    @property
    def remainder(self) -> Array:
        """Log odds (n, c) that whole-number copies of the messages leave unexplained: fractions of the weights."""
        fraction, kept = self.weight - np.round(self.weight), self.keep - np.round(self.keep)
        return self.messages.T @ fraction + self.before * kept


@dataclass(frozen=True, eq=False)
class ImplicitGraph:
    """What ``extract_graph`` found.

    kind        "belief propagation" (every layer, integer weights), "tempered belief propagation" (real weights), or
                "only attention has a reading"
    channels    stream columns that hold log odds, in the order of LayerReading's channels
    layers      per layer its reading, or None
    unexplained one sentence for each thing without a reading
    alignment   per layer and sublayer the attention weights (heads, n, n): posteriors of the latent alignment, or None
    """

    kind: str
    channels: tuple[int, ...]
    layers: tuple[LayerReading | None, ...]
    unexplained: tuple[str, ...]
    alignment: list[Sequence[Array | None]]

    def graph(self, token: int, channel: int = 0, *, layer: int = -1, depth: int | None = None) -> FactorGraph:
        """Explicit tables for one token and channel after ``layer``; the variable "y" is the root.

        depth: how many layers to unroll, from ``layer`` downwards (None: down to the tokens). P(y = "1") is the sigmoid
        of that token's log odds. Raises BntError: no such layer, depth, token or channel; UnsupportedModelError: a
        layer without such a graph, or with real weights; TooLargeError, with the count, above GRAPH_LIMIT variables.
        """
        count = len(self.layers)
        layer = whole_number("layer", layer, -count, count - 1)
        layer = layer + count if layer < 0 else layer
        depth = whole_number("depth", layer + 1 if depth is None else depth, 1, layer + 1)
        readings = [self._readable(i) for i in range(layer + 1 - depth, layer + 1)]
        n, c = readings[0].before.shape
        token, channel = whole_number("token", token, 0, n - 1), whole_number("channel", channel, 0, c - 1)
        size = _count(readings, token, channel)
        if size > GRAPH_LIMIT:
            raise TooLargeError(
                f"the graph unrolled over {depth} layers has {size:.3g} variables; the limit is {GRAPH_LIMIT}: "
                f"take a smaller depth"
            )
        parts = list(_unroll(readings, token, channel, "y"))
        variables = [part for part in parts if isinstance(part, Variable)]
        return FactorGraph(variables, [part for part in parts if isinstance(part, Factor)])

    def _readable(self, layer: int) -> LayerReading:
        reading = self.layers[layer]
        if reading is None:
            raise UnsupportedModelError(f"layer {layer} has no reading as a factor graph: {self.unexplained[0]}")
        if not reading.integer:
            raise UnsupportedModelError(
                f"layer {layer} has real weights: its messages are raised to powers, which no finite table does"
            )
        return reading

    def plot(self, **options: Any) -> Picture:
        """The tree behind one token, ``token=0, channel=0, layer=-1, depth=1``; see ``figures.plot``."""
        return draw(self, **options)

    def rows(self) -> Iterator[tuple[int, int, int, str]]:
        """One row per head of a layer with a reading: layer, head, the channel it reads, and its weight."""
        for i, reading in enumerate(self.layers):
            for h, weight in enumerate(reading.weight if reading is not None else ()):
                yield i, h, int(reading.source[h]), _numbers(weight)  # type: ignore[union-attr]

    def to_frame(self) -> DataFrame:
        """``rows`` as a pandas frame: layer, head, reads channel, weight."""
        import pandas as pd

        return pd.DataFrame(self.rows(), columns=["layer", "head", "reads channel", "weight"])

    def _repr_html_(self) -> str:
        columns = ", ".join(map(str, self.channels[:10])) + (", …" if len(self.channels) > 10 else "")
        line = f"{self.kind}: {counted(len(self.layers), 'layer')}, log odds in columns {columns or 'none'}"
        header = "layer", "head", "reads channel", "weight"
        total = sum(len(reading.weight) for reading in self.layers if reading is not None)
        return card("ImplicitGraph", line, header, self.rows(), total=total, things="heads", notes=self.unexplained[:3])

    def __str__(self) -> str:
        lines = [f"{self.kind}: {len(self.layers)} layers, log odds in columns {list(self.channels)}"]
        for i, reading in enumerate(self.layers):
            if reading is None:
                continue
            lines.append(f"  layer {i}: keep {_numbers(reading.keep)}, bias {_numbers(reading.bias)}")
            for h, weight in enumerate(reading.weight):
                lines.append(f"    head {h} reads channel {reading.source[h]}, weight {_numbers(weight)}")
            if not reading.integer:
                left = f"{np.abs(reading.remainder).max():.3g} of log odds"
                lines.append(f"    whole-number copies of these messages leave up to {left} unexplained")
        return "\n".join(lines + [f"  unexplained: {sentence}" for sentence in self.unexplained])


def extract_graph(weights: Weights, tokens: Array) -> ImplicitGraph:
    """The implicit factor graph of any weights on these tokens, as far as there is one (section 6 and Theorem 1.1).

    Nothing but the matrices is used. The weights may be trained, random or constructed. tokens: (n, d).
    Raises BntError as ``forward`` does.
    """
    of_kind("the first argument", weights, Weights, hint="model.weights is one")
    tokens = real_array("tokens", tokens)
    trace = forward(tokens, weights, attention="dense")
    found: list[ReadLayer | None] = []
    unexplained: list[str] = []
    for i, layer in enumerate(weights.layers):
        try:
            found.append(read_layer(layer))
        except UnsupportedModelError as error:
            found.append(None)
            heads = sum(len(sublayer.heads) for sublayer in layer if isinstance(sublayer, Attention))
            unexplained.append(f"layer {i}: {error}; only attention has a reading ({heads} heads, posterior means)")
    known = [layer for layer in found if layer]
    scratch = frozenset().union(*(layer.scratch for layer in known))
    channels = tuple(sorted({c for layer in known for c in _channels(layer)}))
    clash = scratch & set(channels)
    dirty = [c for c in sorted(scratch) if np.abs(tokens[:, c]).max(initial=0.0) > 0]
    if clash or dirty or (len(known) < len(found) and known):
        reason = (
            f"columns {sorted(clash)} hold log odds in one layer and scratch in another" if clash
            else f"scratch columns {dirty} are not zero in the tokens" if dirty
            else "other layers write to the same stream, so these log odds are not read as a chain of messages"
        )  # fmt: skip
        unexplained.append(f"log-odds layers: {reason}")
        found, known = [None] * len(found), []
    layers = tuple(
        _reading(layer, channels, trace.residual[i], trace.attention[i][1]) if layer else None
        for i, layer in enumerate(found)
    )
    kind = "only attention has a reading"
    if known and all(layers):
        integer = all(reading.integer for reading in layers if reading)
        kind = "belief propagation" if integer else "tempered belief propagation"
        unexplained += [sentence for i, reading in enumerate(layers) if reading for sentence in _tempered(i, reading)]
    return ImplicitGraph(kind, channels if known else (), layers, tuple(unexplained), trace.attention)


def _channels(layer: ReadLayer) -> set[int]:
    """Columns that hold log odds: those that a head reads and those that the layer changes."""
    changed = (np.abs(layer.weight).max(axis=0, initial=0.0) > 0) | (layer.keep != 1) | (layer.bias != 0)
    return {*layer.sources, *np.flatnonzero(changed).tolist()}


def _reading(layer: ReadLayer, channels: tuple[int, ...], inside: list[Array], attention: Array | None) -> LayerReading:
    at = list(channels)
    pattern = attention if attention is not None else np.zeros((0, len(inside[0]), len(inside[0])))
    return LayerReading(
        before=inside[0][:, at],
        after=inside[-1][:, at],
        attention=pattern,
        source=tuple(channels.index(c) for c in layer.sources),
        weight=layer.weight[:, at],
        keep=layer.keep[at],
        bias=layer.bias[at],
    )


def _tempered(i: int, reading: LayerReading) -> Iterator[str]:
    for h, c in np.argwhere(np.abs(reading.weight - np.round(reading.weight)) > EXACT):
        yield (
            f"layer {i}, head {h}: weight {reading.weight[h, c]:.6g} into channel {c} raises the message to that power "
            f"(tempered); ordinary belief propagation only for whole numbers"
        )
    for c in np.flatnonzero(np.abs(reading.keep - np.round(reading.keep)) > EXACT):
        kept = f"{reading.keep[c]:.6g} of its own log odds"
        yield f"layer {i}: channel {c} keeps {kept}, a power of the old belief (tempered)"


# ---------------------------------------------------------------- explicit tables


def _copies(readings: list[LayerReading], token: int, channel: int) -> Iterator[tuple[int, int, int]]:
    """(head, sign, number) for every copy of a message into the channel; head -1 is the token's own log odds."""
    top = readings[-1]
    for head, amount in [(-1, top.keep[channel]), *enumerate(top.weight[:, channel])]:
        for number in range(abs(round(float(amount)))):
            yield head, 1 if amount > 0 else -1, number


def _count(readings: list[LayerReading], token: int, channel: int) -> float:
    """Variables of the unrolled graph."""
    if not readings:
        return 1.0
    below, top, total = readings[:-1], readings[-1], 1.0
    for head, _, _ in _copies(readings, token, channel):
        seen = [token] if head < 0 else np.flatnonzero(top.attention[head, token]).tolist()
        source = channel if head < 0 else top.source[head]
        total += (head >= 0) + sum(_count(below, k, source) for k in seen)
        if total > GRAPH_LIMIT * 1000:
            return np.inf
    return total


def _unroll(readings: list[LayerReading], token: int, channel: int, name: str) -> Iterator[Variable | Factor]:
    """Variables and factors of the tree whose root is called ``name``; the root comes first."""
    top, root = readings[-1], Variable(name, BINARY)
    yield root
    yield _prior(root, float(top.bias[channel]))
    for head, sign, number in _copies(readings, token, channel):
        link = SAME if sign > 0 else DIFFERENT
        if head < 0:
            copy = f"{name}/own{number}"
            yield from _below(readings, token, channel, copy)
            yield Factor((root, Variable(copy, BINARY)), link)
            continue
        alpha = top.attention[head, token]  # (n,)
        seen = np.flatnonzero(alpha).tolist()  # a token with weight exactly 0 takes no part
        z = Variable(f"{name}/head{head}.{number}", [f"token{k} says {s}" for k in seen for s in BINARY])
        yield z
        yield Factor((z,), np.repeat(alpha[seen], 2))
        yield Factor((z, root), np.tile(link, (len(seen), 1)))
        for place, k in enumerate(seen):
            copy = f"{z.name}/token{k}"
            yield from _below(readings, k, top.source[head], copy)
            agrees = np.ones((2 * len(seen), 2))
            agrees[2 * place : 2 * place + 2] = SAME
            yield Factor((z, Variable(copy, BINARY)), agrees)


def _below(readings: list[LayerReading], token: int, channel: int, name: str) -> Iterator[Variable | Factor]:
    """A copy of a token's value before the top layer: a tree again, or a leaf with the token's own log odds."""
    if len(readings) > 1:
        yield from _unroll(readings[:-1], token, channel, name)
        return
    leaf = Variable(name, BINARY)
    yield leaf
    yield _prior(leaf, float(readings[0].before[token, channel]))


def _prior(variable: Variable, log_odds: float) -> Factor:
    return Factor((variable,), log_table=[-np.logaddexp(0.0, log_odds), -np.logaddexp(0.0, -log_odds)])


def _numbers(values: Array) -> str:
    return "[" + ", ".join(f"{value:.6g}" for value in values) + "]"


# ---------------------------------------------------------------- any weights: attention is a posterior mean


class Alignment(NamedTuple):
    """Softmax attention as Bayes' rule about a latent token a, row = query."""

    log_prior: Array  # (n, n)   log p(a), the same in every row, except that a causal mask leaves later tokens out
    log_likelihood: Array  # (n, n)   log density of the query given a, a normal distribution around key a
    posterior: Array  # (n, n)   p(a | query)
    mean: Array  # (n, d_v)   E[value of a | query]: what the head computes


def posterior_mean(x: Array, head: Head, causal: bool = False) -> Alignment:
    """Any softmax head on the stream x (n, d), by Bayes' rule in a Gaussian mixture rather than by a softmax of scores.

    p(a) is proportional to exp(|k_a|^2 / 2) and q given a is normal with mean k_a and unit covariance, so that
    p(a | q) is proportional to exp(q . k_a): attention is the posterior mean of the value, for any weights.
    Raises BntError: no Head, or no finite stream of as many columns as the head reads.
    """
    of_kind("the second argument", head, Head)
    x = real_array("the stream", x)
    if x.ndim != 2 or x.shape[1] != len(head.W_Q) or not np.isfinite(x).all():
        raise BntError(f"the stream must be finite and have shape (n, {len(head.W_Q)}) for this head, not {x.shape}")
    q, k, v = head.queries(x), head.keys(x), head.values(x)  # (n, d_k), (n, d_k), (n, d_v)
    n, d_k = k.shape
    allowed = np.tril(np.ones((n, n), dtype=bool)) if causal else np.ones((n, n), dtype=bool)
    log_prior = np.where(allowed, (k**2).sum(axis=1)[None, :] / 2, -np.inf)  # (n, n)
    log_prior = log_prior - np.logaddexp.reduce(log_prior, axis=1, keepdims=True)
    distance = ((q[:, None, :] - k[None, :, :]) ** 2).sum(axis=2)  # (n, n)
    log_likelihood = -distance / 2 - d_k / 2 * np.log(2 * np.pi)  # (n, n)
    joint = log_prior + log_likelihood  # (n, n)
    posterior = np.exp(joint - np.logaddexp.reduce(joint, axis=1, keepdims=True))  # (n, n)   Bayes: over p(q)
    return Alignment(log_prior, log_likelihood, posterior, posterior @ v)
