"""Trained heads read as posteriors: what each attends to, what Bayes' rule says of it, and what it cannot say.

Every softmax head is a posterior mean, for any weights (``posterior_mean``): p(a | q) with a prior p(a) that grows with
the length of key a, and a Gaussian likelihood of the query. The product is what the head computes, so it is identified.
The two factors are not: one vector added to all keys leaves every attention weight as it is and changes both. So
the columns below say how far the attention is from each factor *as these weights happen to split them*.
How free the split is: with at most d_k + 1 keys in general position, any prior whatever fits (``any_prior``).
No factor graph is claimed: where one comes out, ``extract_graph`` says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from bnt.checks import in_order, need, real_array
from bnt.display import card
from bnt.reading.diagnostics import effective_tokens
from bnt.reading.implicit_graph import posterior_mean
from bnt.transformer.blocks import Array, Attention, Head, Weights
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
    "from_sinks",
    "offset",
    "on_offset",
    "nats_from_prior",
    "nats_from_likelihood",
    "reading_error",
)


class HeadReading(NamedTuple):
    """One head on one text; numbers are means over the queries, but for from_sinks and reading_error.

    effective_tokens  exp(entropy) of the attention
    on_sinks          share of the weight on the sink tokens
    from_sinks        their share of all that the head writes: of the sum of lengths |weight x value W_O|
    offset, on_offset the relative position, key minus query, that gets most weight, and that weight
    nats_from_prior, nats_from_likelihood
                      KL divergence of the attention from each factor of this split alone; see the module's text
    reading_error     largest difference of Bayes' rule and softmax: rounding
    """

    layer: int
    head: int
    effective_tokens: float
    on_sinks: float
    from_sinks: float
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
        header = ("layer", "head", "kind", "effective tokens", "on sinks", "from sinks", "on its offset")
        rows = (
            (h.layer, h.head, h.kind, h.effective_tokens, h.on_sinks, h.from_sinks, h.on_offset) for h in self.heads
        )
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
                        _share_written(pattern, head.values(read) @ head.W_O, columns),
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


def shift_keys(head: Head, vector: ArrayLike) -> Head:
    """The head with ``vector`` (d_k,) added to all its keys: every attention weight stays as it is, and prior and
    likelihood of ``posterior_mean`` change. Raises BntError for a vector of another length."""
    added = real_array("the vector", vector)
    d_k = head.W_K.shape[1]
    legal = added.shape == (d_k,) and bool(np.isfinite(added).all())
    need(legal, f"the vector must be finite and have shape ({d_k},), as the keys of this head, not {added.shape}")
    return replace(head, b_K=added if head.b_K is None else head.b_K + added)


def any_prior(keys: ArrayLike, prior: ArrayLike) -> Array:
    """The vector c (d_k,) that, added to all keys (n, d_k), makes the prior of ``posterior_mean`` be ``prior`` (n,).

    |k_j + c|^2 / 2 = ln prior_j + t for all j is linear in c and t once |c|^2 / 2 is counted to t: n equations in
    d_k + 1 unknowns, solvable for every positive prior if the rows (k_j, 1) are linearly independent.
    Raises BntError: keys that are not, as more than d_k + 1 never are; a prior that is not positive or sums to
    anything but 1.
    """
    k, p = real_array("the keys", keys), real_array("the prior", prior)
    need(k.ndim == 2 and np.isfinite(k).all(), f"the keys must be finite and of shape (n, d_k), not {k.shape}")
    legal = p.shape == k.shape[:1] and bool((p > 0).all()) and abs(float(p.sum()) - 1) <= 1e-9
    need(legal, f"the prior must be {len(k)} positive probabilities, one per key, that sum to 1")
    system = np.hstack([k, np.ones((len(k), 1))])
    rank = int(np.linalg.matrix_rank(system))
    need(rank == len(k), f"{len(k)} keys in {k.shape[1]} dimensions with {rank} independent rows: not every prior fits")
    found: Array = np.linalg.lstsq(system, np.log(p) - (k**2).sum(axis=1) / 2, rcond=None)[0]
    return found[:-1]


def _share_written(pattern: Array, written: Array, columns: list[int]) -> float:
    """Share of these columns in the sum over all i, j of weight_ij |written_j|; 0 where nothing is written."""
    sizes = pattern.sum(axis=0) * np.linalg.norm(written, axis=1)  # (n,)
    return float(sizes[columns].sum() / sizes.sum()) if sizes.sum() > 0 else 0.0


def _divergence(pattern: Array, log_other: Array) -> float:
    """Mean over the queries of KL(attention || other), nats."""
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(pattern > 0, pattern * (np.log(pattern) - log_other), 0.0)
    return float(terms.sum(axis=1).mean())
