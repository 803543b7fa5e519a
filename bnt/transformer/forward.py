"""Running a transformer: all layers, first to last, and what is kept on the way. What a layer is: blocks.py."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, is_dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from bnt.checks import need
from bnt.display import card, counted, draw
from bnt.errors import BntError, TooLargeError
from bnt.transformer.blocks import FFN, Array, Attention, MixtureFFN, Weights, feed_forward, mixture_feed_forward
from bnt.transformer.gather import TRACE_LIMIT, Gathered, Routes, add_gathered, why_not_gathered
from bnt.transformer.loops import Compiled, worth_compiling
from bnt.transformer.tiles import attend_in_tiles

if TYPE_CHECKING:
    from pandas import DataFrame

    from bnt.display import Picture

# Tokens: up to here attention=None means "dense", beyond it "gather" where the heads allow it. Measured: dense takes
# compiled models of 48, 87, 399 and 596 tokens 0.2, 0.4, 4 and 7 times as long as gather.
DENSE_LIMIT = 150


class Patterns(Sequence[Array | None]):
    """Attention weights of the sublayers of one layer, (heads, n, n) each, None for an FFN.

    What gather kept as a list of pairs is written out when it is asked for.
    """

    def __init__(self) -> None:
        self.kept: list[Array | Gathered | None] = []

    def __len__(self) -> int:
        return len(self.kept)

    def __getitem__(self, s: Any) -> Any:
        found = self.kept[s]
        return found.dense() if isinstance(found, Gathered) else found


@dataclass(frozen=True, eq=False)
class Trace:
    """What a forward pass kept.

    residual[layer][s]    (n, d) the stream before sublayer s; residual[layer][-1] is the stream after the layer
    attention[layer][s]   (heads, n, n) weights, row = query; None for an FFN
    Both are empty unless keep="trace". ``streams`` holds the stream after 0, 1, ... layers, or the last alone.
    """

    residual: list[list[Array]]
    attention: list[Sequence[Array | None]]
    streams: list[Array]
    layers: int

    def __repr__(self) -> str:
        return f"<Trace: {self.layers} layers, {self.final.shape[0]} tokens, {self.final.shape[1]} columns>"

    def plot(self, **options: Any) -> Picture:
        """The residual stream as a heatmap, at the end or after ``layer=i``; see ``figures.plot``."""
        return draw(self, **options)

    def rows(self) -> Iterator[tuple[int, float]]:
        """One row per layer whose stream was kept: its number from 1, and the largest change it made to the stream."""
        for i, (before, after) in enumerate(pairwise(self.streams), start=1):
            yield i, float(np.abs(after - before).max(initial=0.0))

    def to_frame(self) -> DataFrame:
        """``rows`` as a pandas frame: layer, largest change of the stream."""
        import pandas as pd

        return pd.DataFrame(self.rows(), columns=["layer", "largest change of the stream"])

    def _repr_html_(self) -> str:
        kept = "every sublayer" if self.residual else "every layer" if len(self.streams) > 1 else "the end"
        n, d = self.final.shape
        line = f"{counted(self.layers, 'layer')} on {counted(n, 'token')} of {counted(d, 'column')}; kept: {kept}"
        header, total = ("layer", "largest change of the stream"), len(self.streams) - 1
        return card("Trace", line, header, self.rows(), total=total, things="layers")

    @property
    def final(self) -> Array:
        """The stream after the last layer, (n, d)."""
        return self.streams[-1]

    def after_layer(self, i: int) -> Array:
        """The stream after i layers, (n, d): 0 is the tokens themselves, -1 the end."""
        i = i + self.layers + 1 if i < 0 else i
        need(0 <= i <= self.layers, f"there are {self.layers} layers; ask for 0..{self.layers}")
        need(len(self.streams) > 1 or i == self.layers, 'only the end was kept; run forward with keep="layers"')
        return self.streams[i] if len(self.streams) > 1 else self.final


def forward(
    tokens: Array,
    weights: Weights,
    *,
    keep: Literal["trace", "layers", "last"] = "trace",
    attention: Literal["dense", "gather"] | None = None,
    precision: Literal["float64", "float32"] = "float64",
) -> Trace:
    """Run all layers on tokens (n, d). ``keep`` bounds the memory: every sublayer, every layer, or the end only.

    attention="dense" scores all n^2 pairs, a tile of them at a time; "gather" only the pairs whose routing code matches
    (gather.py); None takes dense up to DENSE_LIMIT tokens, beyond it gather where all heads have a code.
    precision="float32" takes half the memory and keeps 7 digits instead of 16: no construction is exact in it.
    Raises BntError: wrong shapes, NaN, or a stream that overflows; a floored log in float32; TooLargeError: ``keep``
    would need over 2 GiB.
    """
    need(keep in ("trace", "layers", "last"), f'keep must be "trace", "layers" or "last", not {keep!r}')
    need(attention in (None, "dense", "gather"), f'attention must be "dense", "gather" or None, not {attention!r}')
    kind = type(weights).__name__
    need(isinstance(weights, Weights), f"weights must be Weights, not {kind}; of a compiled model take model.weights")
    need(not np.iscomplexobj(tokens), "tokens must be real numbers, not complex ones")
    need(precision in ("float64", "float32"), f'precision must be "float64" or "float32", not {precision!r}')
    tokens = np.asarray(tokens, dtype=precision)
    weights = in_float32(weights) if precision == "float32" else weights
    attention = attention or choose_attention(tokens, weights)
    _check_memory(tokens, weights, keep, attention)
    residual: list[list[Array]] = []
    patterns: list[Sequence[Array | None]] = []
    streams = [tokens]
    for inside, pattern in run_layers(tokens, weights, attention, patterns=keep == "trace", reuse=keep == "last"):
        streams = [*streams, inside[-1]] if keep != "last" else [inside[-1]]
        if keep == "trace":
            residual.append(inside)
            patterns.append(pattern)
    return Trace(residual, patterns, streams, len(weights.layers))


def run_layers(
    x: Array, weights: Weights, attention: str = "dense", *, patterns: bool = False, reuse: bool = False
) -> Iterator[tuple[list[Array], Sequence[Array | None]]]:
    """Yield, layer by layer, the streams before and after each sublayer and its attention weights, if asked for.

    Without ``patterns`` only the stream after the layer. With ``reuse`` the next layer may overwrite that one (gather).
    """
    _check_shapes(x, weights)
    routes = Routes(weights) if attention == "gather" else None  # which pairs match, found once per head
    compiled = None
    if routes is not None and not patterns and x.dtype == np.float64 and worth_compiling(len(x), len(weights.layers)):
        compiled = Compiled(routes)
    for i, layer in enumerate(weights.layers):
        inside, pattern = [x], Patterns()
        for s, sublayer in enumerate(layer):
            weight: Array | Gathered | None = None
            finite: bool | None = None  # not known
            if routes is not None:
                handed_out = patterns or (s == 0 and (i == 0 or not reuse))
                x = x.copy(order="F") if handed_out else x  # never write to the caller's tokens, nor to kept streams
                finite = None if compiled is None else compiled.add(x, sublayer)
                if finite is None:
                    weight = add_gathered(x, sublayer, routes, patterns)
            elif isinstance(sublayer, Attention):
                added, weight = attend_in_tiles(x, sublayer, patterns)  # (n, d), (heads, n, n)
                x = x + added  # (n, d)
            elif isinstance(sublayer, MixtureFFN):
                x = x + mixture_feed_forward(x, sublayer)  # (n, d)
            else:
                x = x + feed_forward(x, sublayer)  # (n, d)
            x = x if sublayer.after is None else sublayer.after(x)  # (n, d)
            if not (np.isfinite(x.sum()) if finite is None else finite):  # one NaN or infinity shows in the sum
                raise BntError(f"the residual stream is not finite after sublayer {s} of layer {i}")
            inside = [*inside, x] if patterns else [x]
            pattern.kept.append(weight)
        yield inside, pattern


def in_float32(weights: Weights) -> Weights:
    """The same weights rounded to float32; parts that layers share stay shared. Raises BntError for a floored log."""
    done: dict[int, Any] = {}

    def rounded(part: Any) -> Any:
        if isinstance(part, np.ndarray):
            return part.astype(np.float32)
        if isinstance(part, tuple):
            return tuple(rounded(one) for one in part)
        if not is_dataclass(part):
            return part
        if id(part) not in done:
            floored = isinstance(part, FFN) and part.activation == "floored log"
            need(not floored, "the floor 1e-300 of the activation 'floored log' is zero in float32; use float64")
            done[id(part)] = replace(part, **{name: rounded(value) for name, value in vars(part).items()})  # type: ignore
        return done[id(part)]

    return cast(Weights, rounded(weights))


def choose_attention(tokens: Array, weights: Weights) -> Literal["dense", "gather"]:
    """Gather above DENSE_LIMIT tokens, where it covers every sublayer; else dense.

    Dense where a head is rotary, too: only its tokens tell whether gather covers it.
    """
    sublayers = [sub for layer in weights.layers for sub in layer]
    gathers = all(why_not_gathered(sub) is None for sub in sublayers)
    heads = [head for sub in sublayers if isinstance(sub, Attention) for head in sub.heads]
    gathers = gathers and all(head.rotary is None for head in heads)
    return "gather" if len(tokens) > DENSE_LIMIT and gathers else "dense"


def _check_shapes(x: Array, weights: Weights) -> None:
    need(x.ndim == 2 and len(x) > 0, f"tokens must have shape (n, d) with n of at least 1, not {x.shape}")
    need(bool(np.isfinite(x).all()), "tokens must be finite: there is a NaN or an infinity in them")
    sublayers = [sub for layer in weights.layers for sub in layer]
    matrices = [sub.gate.W for sub in sublayers if isinstance(sub, MixtureFFN)]
    matrices += [sub.W_in for sub in sublayers if isinstance(sub, FFN)]
    matrices += [head.W_Q for sub in sublayers if isinstance(sub, Attention) for head in sub.heads]
    widths = {matrix.shape[0] for matrix in matrices}
    need(widths <= {x.shape[1]}, f"the tokens have {x.shape[1]} columns, the weights expect {sorted(widths)}")


def _check_memory(tokens: Array, weights: Weights, keep: str, attention: str) -> None:
    sublayers = [sub for layer in weights.layers for sub in layer]
    streams = {"trace": len(sublayers) + 1, "layers": len(weights.layers) + 1, "last": 2}[keep]
    heads = sum(len(sub.heads) for sub in sublayers if isinstance(sub, Attention))
    squares = heads * len(tokens) ** 2 if keep == "trace" and attention == "dense" else 0
    size = tokens.itemsize * (streams * tokens.size + squares)
    if size > TRACE_LIMIT and keep != "last":
        raise TooLargeError(
            f"keep={keep!r} would hold {size / 2**30:.1f} GiB for {len(tokens)} tokens; the limit is "
            f'{TRACE_LIMIT / 2**30:g} GiB: use keep="layers" or keep="last", or fewer layers'
        )
