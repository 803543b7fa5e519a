"""Trained heads read as posteriors: what each attends to, what Bayes' rule says of it, and what it cannot say.

Every softmax head is a posterior mean, for any weights (``posterior_mean``): p(a | q) with a prior p(a) that grows with
the length of key a, and a Gaussian likelihood of the query. The product is what the head computes, so it is identified.
The two factors are not: one vector added to all keys leaves every attention weight as it is and changes both. So
the columns below say how far the attention is from each factor *as these weights happen to split them*.
No factor graph is claimed: where one comes out, ``extract_graph`` says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bnt.checks import in_order, need
from bnt.display import card
from bnt.reading.diagnostics import effective_tokens
from bnt.reading.implicit_graph import posterior_mean
from bnt.transformer.blocks import Array, Attention, Weights
from bnt.transformer.forward import forward

if TYPE_CHECKING:
    from pandas import DataFrame

MOSTLY = 0.5  # share of the weight from which a head is named after where it goes
COLUMNS = (
    "layer",
    "head",
    "kind",
    "effective_tokens",
    "on_sinks",
    "offset",
    "on_offset",
    "nats_from_prior",
    "nats_from_likelihood",
    "reading_error",
)


class HeadReading(NamedTuple):
    """One head on one text; every number is a mean over the queries.

    effective_tokens  exp(entropy) of the attention
    on_sinks          share of the weight on the sink tokens
    offset, on_offset the relative position, key minus query, that gets most weight, and that weight
    nats_from_prior, nats_from_likelihood
                      KL divergence of the attention from each factor of this split alone; see the module's text
    reading_error     largest difference of Bayes' rule and softmax: rounding
    """

    layer: int
    head: int
    effective_tokens: float
    on_sinks: float
    offset: int
    on_offset: float
    nats_from_prior: float
    nats_from_likelihood: float
    reading_error: float

    @property
    def kind(self) -> str:
        """ "sinks", "itself", "neighbour +1", ... where more than half of the weight goes there; else "mixed"."""
        if self.on_sinks > MOSTLY:
            return "sinks"
        if self.on_offset > MOSTLY:
            return "itself" if self.offset == 0 else f"neighbour {self.offset:+d}"
        return "mixed"


@dataclass(frozen=True)
class HeadReadings:
    """All heads of a transformer on one text. uniform: what effective_tokens would be at most."""

    heads: tuple[HeadReading, ...]
    uniform: int

    def rows(self) -> Iterator[tuple[object, ...]]:
        """One row per head, in the order of COLUMNS."""
        for one in self.heads:
            yield one.layer, one.head, one.kind, *one[2:]

    def to_frame(self) -> DataFrame:
        """``rows`` as a pandas frame."""
        import pandas as pd

        return pd.DataFrame(self.rows(), columns=list(COLUMNS))

    def by_layer(self) -> DataFrame:
        """The mean of every number over the heads of each layer."""
        numbers = self.to_frame().drop(columns=["head", "kind", "offset"])
        return numbers.groupby("layer", as_index=False).mean()

    def _repr_html_(self) -> str:
        worst = max((one.reading_error for one in self.heads), default=0.0)
        line = f"{len(self.heads)} heads on {self.uniform} tokens; Bayes' rule equals softmax to within {worst:.0e}"
        notes = ["the split into prior and likelihood is one of many: a vector added to all keys changes it"]
        header = ("layer", "head", "kind", "effective tokens", "on sinks", "on its offset")
        rows = ((h.layer, h.head, h.kind, h.effective_tokens, h.on_sinks, h.on_offset) for h in self.heads)
        return card("HeadReadings", line, header, rows, total=len(self.heads), things="heads", notes=notes)

    def __repr__(self) -> str:
        return f"<HeadReadings: {len(self.heads)} heads on {self.uniform} tokens>"


def read_heads(weights: Weights, tokens: Array, sinks: Iterable[int] = ()) -> HeadReadings:
    """Every head of ``weights`` on the stream ``tokens`` (n, d), read by Bayes' rule.

    sinks: positions that attention may be parked on, such as first and last of a text with marks at both ends.
    Raises BntError: a sink that is no position, and as ``forward``.
    """
    trace = forward(tokens, weights, attention="dense")
    n = len(trace.final)
    parked = in_order("sinks", sinks, "positions")
    for one in parked:
        need(
            isinstance(one, int | np.integer) and -n <= one < n, f"a sink must be a position of 0..{n - 1}, not {one!r}"
        )
    columns = sorted({int(one) % n for one in parked})
    found = []
    for i, layer in enumerate(weights.layers):
        count = 0  # of heads in this layer, over all its attention sublayers
        for s, sublayer in enumerate(layer):
            if not isinstance(sublayer, Attention):
                continue
            stream = trace.residual[i][s]
            read = sublayer.norm(stream) if sublayer.norm else stream
            patterns = trace.attention[i][s]
            assert patterns is not None
            for head, pattern in zip(sublayer.heads, patterns, strict=True):
                bayes = posterior_mean(read, head, sublayer.causal)
                offset, on_offset = most_visited_offset(pattern)
                likelihood = np.where(np.isfinite(bayes.log_prior), bayes.log_likelihood, -np.inf)
                likelihood = likelihood - np.logaddexp.reduce(likelihood, axis=1, keepdims=True)
                found.append(
                    HeadReading(
                        i,
                        count,
                        float(effective_tokens(pattern).mean()),
                        float(pattern[:, columns].sum(axis=1).mean()),
                        offset,
                        on_offset,
                        _divergence(pattern, bayes.log_prior),
                        _divergence(pattern, likelihood),
                        float(np.abs(bayes.posterior - pattern).max()),
                    )
                )
                count += 1
    return HeadReadings(tuple(found), n)


def most_visited_offset(pattern: Array) -> tuple[int, float]:
    """The offset, key minus query, with the largest mean weight over the queries that have such a key, and that mean.

    Only offsets that at least half of the queries have are looked at.
    """
    n = len(pattern)
    offsets = range(-(n // 2), n // 2 + 1) if n > 1 else range(1)
    best = max(offsets, key=lambda offset: float(np.diagonal(pattern, offset).mean()))
    return best, float(np.diagonal(pattern, best).mean())


def _divergence(pattern: Array, log_other: Array) -> float:
    """Mean over the queries of KL(attention || other), nats."""
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(pattern > 0, pattern * (np.log(pattern) - log_other), 0.0)
    return float(terms.sum(axis=1).mean())
