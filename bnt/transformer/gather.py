"""Attention for many tokens: only the pairs whose routing code matches, instead of all n^2.

The first ``head.code`` = 2h columns of q = x W_Q and k = x W_K are a Hamming code. With bit strings b, b' of length h

    q = [b, 1-b],   k = -C [1-b', b']      so that      q . k = -C (number of bits where b and b' differ)

A matching pair scores exactly 0 here, so the real-valued columns that follow lose no digit to a large C. Either side
may leave a bit open, with 0 in both halves ("any": it matches everything), or forbid it, with 1 (for keys -C) in both
("nobody": only an open bit matches). If C exceeds the spread of the real-valued scores by more than 746, softmax gives
a pair that does not match the weight exp(-746) = 0, exactly, in float64: leaving it out changes nothing but the order
of summation. Beware: gather looks right even where C is too small, and dense attention does not; certify C, test dense.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bnt.errors import BntError, TooLargeError
from bnt.transformer.activations import activate
from bnt.transformer.blocks import Attention, Head, LayerNorm, MixtureFFN, Sublayer, Weights, mixture_feed_forward

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

SEEN = 746.0  # a score that much below the best has weight 0 in float64
TRACE_LIMIT = 2 * 2**30  # bytes that forward may keep


class Pairs(NamedTuple):
    """Matching pairs, sorted by query. A query with one match attends to it with weight 1, whatever the score."""

    single_query: Ints  # (a,)
    single_key: Ints  # (a,)
    key: Ints  # (p,)    keys of the other queries, one after the other
    start: Ints  # (b,)    first pair of each of them
    query: Ints  # (b,)
    counts: Ints  # (b,)    pairs of each


class Gathered(NamedTuple):
    """Attention weights of one sublayer as a list of pairs; per head its pairs, and query (p,) and weight (p,) of those
    that share a query with others."""

    tokens: int
    heads: list[tuple[Pairs, Ints, Array]]

    def dense(self) -> Array:
        """Written out, (heads, n, n). Raises TooLargeError over TRACE_LIMIT bytes."""
        size = 8 * len(self.heads) * self.tokens**2
        if size > TRACE_LIMIT:
            raise TooLargeError(
                f"attention weights of {len(self.heads)} heads for {self.tokens} tokens need {size / 2**30:.1f} GiB; "
                f"the limit is {TRACE_LIMIT / 2**30:g} GiB"
            )
        dense = np.zeros((len(self.heads), self.tokens, self.tokens))
        for head, (pairs, query, weight) in zip(dense, self.heads, strict=True):
            head[pairs.single_query, pairs.single_key] = 1.0
            head[query, pairs.key] = weight
        return dense


class Routes:
    """Finds the pairs of each head once, if no sublayer writes to the columns its code reads; else at every call."""

    def __init__(self, weights: Weights):
        self._written: Bools | None = None  # columns of the stream that some sublayer writes
        for layer in weights.layers:
            for sublayer in layer:
                if isinstance(sublayer, Attention):
                    outputs = [head.W_O for head in sublayer.heads]
                else:
                    ffns = sublayer.experts if isinstance(sublayer, MixtureFFN) else [sublayer]
                    outputs = [np.vstack([ffn.W_out, ffn.b_out]) for ffn in ffns]
                for output in outputs:
                    columns = (output != 0).any(axis=0)
                    self._written = columns if self._written is None else self._written | columns
        self._found: dict[int, Pairs] = {}
        self._scores: dict[int, Array] = {}  # of rotary heads

    def stays(self, head: Head) -> bool:
        """Are its pairs the same at every layer, where no LayerNorm comes in between?"""
        reads = ((head.W_Q != 0) | (head.W_K != 0))[:, : head.code or None].any(axis=1)  # (d,)
        return self._written is not None and not (reads & self._written).any()

    def pairs(self, head: Head, read: Array, norm: LayerNorm | None) -> Pairs:
        """The matching pairs of ``head`` on the stream ``read`` (n, d)."""
        if id(head) in self._found:
            return self._found[id(head)]
        if head.rotary is None:
            W_Q, W_K = head.W_Q[:, : head.code], head.W_K[:, : head.code]
            pairs = matching_pairs(_project(read, W_Q), _project(read, W_K))  # codes (n, 2h)
        else:
            pairs = rotary_pairs(head.W_Q, head.W_K, head.rotary, read)
        if norm is None and self.stays(head):
            self._found[id(head)] = pairs
        return pairs

    def rotary_scores(self, head: Head, read: Array, offsets: Ints) -> Array:
        """Scores (p,) of a rotary head at these offsets query - key of its pairs; kept where the pairs are."""
        found = self._scores.get(id(head))
        if found is None:
            assert head.rotary is not None
            found = offset_scores(read[0] @ head.W_Q, read[0] @ head.W_K, head.rotary, offsets).astype(read.dtype)
            if id(head) in self._found:
                self._scores[id(head)] = found
        return found


def why_not_gathered(sublayer: Sublayer) -> str | None:
    """What of this sublayer gather does not cover, in words, or None."""
    if sublayer.after is not None:
        return "does not cover a LayerNorm of the sum"
    if not isinstance(sublayer, Attention):
        return None
    if sublayer.causal:
        return "does not cover causal masks"
    if sublayer.b_O is not None or any(
        b is not None for head in sublayer.heads for b in (head.b_Q, head.b_K, head.b_V)
    ):
        return "does not cover biases in attention"
    routed = all(head.code or head.rotary is not None for head in sublayer.heads)
    return None if routed else "needs a routing code in every head"


def add_gathered(x: Array, sublayer: Sublayer, routes: Routes, patterns: bool = False) -> Gathered | None:
    """Add what one sublayer computes to the stream x (n, d), in place; only the columns it writes are touched.

    Returns its attention weights if asked for. Raises BntError for what ``why_not_gathered`` names.
    """
    if reason := why_not_gathered(sublayer):
        raise BntError(f"gather attention {reason}; use dense")
    if isinstance(sublayer, MixtureFFN):
        x += mixture_feed_forward(x, sublayer)
        return None
    read = sublayer.norm(x) if sublayer.norm else x  # (n, d)
    kept = Gathered(len(x), []) if patterns and isinstance(sublayer, Attention) else None
    if not isinstance(sublayer, Attention):
        hidden = _project(read, sublayer.W_in) + sublayer.b_in  # (n, d_ff)
        hidden = activate(hidden, sublayer.activation, sublayer.beta)  # (n, d_ff)
        added = [_onto_columns(hidden, sublayer.W_out, sublayer.b_out)]
    else:
        added = [_head(read, head, sublayer, routes, kept) for head in sublayer.heads]
    for columns, values in added:  # only now: every head reads the stream as it was
        x[:, columns] += values
    return kept


def _head(read: Array, head: Head, sublayer: Attention, routes: Routes, kept: Gathered | None) -> tuple[Ints, Array]:
    pairs = routes.pairs(head, read, sublayer.norm)
    value = _project(read, head.W_V)  # (n, d_v)
    out = np.zeros_like(value)  # (n, d_v)
    out[pairs.single_query] = value[pairs.single_key]
    owner = np.repeat(np.arange(pairs.query.size), pairs.counts)  # (p,)
    weight = np.zeros(owner.size, read.dtype)
    if pairs.query.size:
        if head.rotary is None:
            q, k = _project(read, head.W_Q[:, head.code :]), _project(read, head.W_K[:, head.code :])  # (n, d_k - 2h)
            scores = np.einsum("pj,pj->p", q[pairs.query][owner], k[pairs.key])  # (p,)
        else:
            scores = routes.rotary_scores(head, read, pairs.query[owner] - pairs.key)  # (p,)
        weight = softmax_of_each(scores, pairs, owner)  # (p,)
        out[pairs.query] = np.add.reduceat(weight[:, None] * value[pairs.key], pairs.start, axis=0)
    if kept is not None:
        kept.heads.append((pairs, pairs.query[owner], weight))
    return _onto_columns(out, head.W_O, np.zeros(head.W_O.shape[1], out.dtype))


def softmax_of_each(scores: Array, pairs: Pairs, owner: Ints) -> Array:
    """The softmax over the keys of each query, (p,); pair p belongs to the query ``pairs.query[owner[p]]``."""
    weight = np.exp(scores - np.maximum.reduceat(scores, pairs.start)[owner])  # (p,)
    weight /= np.add.reduceat(weight, pairs.start)[owner]  # (p,)
    return weight


def _onto_columns(values: Array, matrix: Array, bias: Array) -> tuple[Ints, Array]:
    """The columns that ``matrix`` or ``bias`` writes, (c,), and values @ matrix + bias there, (n, c)."""
    columns = np.flatnonzero((matrix != 0).any(axis=0) | (bias != 0))
    return columns, values @ matrix[:, columns] + bias[columns]


def rotary_pairs(W_Q: Array, W_K: Array, frequencies: Array, read: Array) -> Pairs:
    """The pairs of a rotary head whose weight is not 0 in float64, where the score is a function of the offset alone.

    Raises BntError where not all tokens have the same query and the same key.
    """
    queries, keys = read @ W_Q, read @ W_K  # before they are turned
    if not ((queries == queries[0]).all() and (keys == keys[0]).all()):
        raise BntError("gather attention covers a rotary head where all queries and all keys are equal; use dense")
    n = len(read)
    offsets = np.arange(1 - n, n)  # i - j
    score = offset_scores(queries[0], keys[0], frequencies, offsets)  # (2n - 1,)
    past = np.maximum.accumulate(score[n - 1 :])  # (n,)   row i: the best of the offsets 0 .. i
    future = np.maximum.accumulate(score[n - 1 :: -1])[::-1]  # (n,)   row i: of i - n + 1 .. 0
    best = np.maximum(past, future)  # (n,)
    found = []
    for offset, value in zip(offsets.tolist(), score.tolist(), strict=True):
        if value >= best.min() - SEEN:
            rows = np.arange(max(0, offset), min(n, n + offset))
            rows = rows[value >= best[rows] - SEEN]
            found.append(np.stack([rows, rows - offset]))
    query, key = np.concatenate(found, axis=1)
    order = np.lexsort((key, query))
    return _pack(query[order], key[order], np.bincount(query, minlength=n))


def offset_scores(query: Array, key: Array, frequencies: Array, offsets: Ints) -> Array:
    """Re sum_f q_f conj(k_f) exp(i w_f x) for every offset x, of one query and one key (d_k,); in float64."""
    q, k = (row[0::2] + 1j * row[1::2] for row in (query.astype(np.float64), key.astype(np.float64)))
    turned = np.exp(1j * np.outer(offsets, np.asarray(frequencies, np.float64)))  # (x, planes)
    return np.asarray(np.real(turned @ (q * np.conj(k))))


def matching_pairs(q: Array, k: Array) -> Pairs:
    """All pairs with q . k = 0, for codes q, k (n, 2h) as in the module's docstring."""
    h = q.shape[1] // 2
    if not (((q == 0) | (q == 1)).all() and (k <= 0).all() and q.shape[1] == 2 * h):
        raise BntError("a routing code must be [b, 1-b] in 0 and 1 for queries, -C [1-b, b] for keys")
    wants1, wants0 = q[:, :h] > 0, q[:, h:] > 0  # (n, h)
    is0, is1 = k[:, :h] < 0, k[:, h:] < 0  # (n, h)
    queries, keys = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for query_rows, query_open, query_shut in _groups(wants1, wants0):
        for key_rows, key_open, key_shut in _groups(is0, is1):
            if (query_shut & ~key_open).any() or (key_shut & ~query_open).any():
                continue
            compared = ~(query_open | query_shut | key_open | key_shut)  # (h,)
            one, other = _join(wants1[query_rows][:, compared], is1[key_rows][:, compared])
            queries.append(query_rows[one])
            keys.append(key_rows[other])
    query, key = np.concatenate(queries), np.concatenate(keys)
    order = np.lexsort((key, query))
    count = np.bincount(query, minlength=len(q))
    if not count.all():
        lost = int(np.argmin(count))
        raise BntError(f"token {lost} matches no key of a head; gather needs a sink token with an open code")
    return _pack(query[order], key[order], count)


def _pack(query: Ints, key: Ints, count: Ints) -> Pairs:
    single = count[query] == 1  # (pairs,)
    several = np.flatnonzero(count > 1)
    start = np.concatenate([[0], np.cumsum(count[several])[:-1]]).astype(np.int64) if several.size else several
    return Pairs(query[single], key[single], key[~single], start, several, count[several])


def _groups(a: Bools, b: Bools) -> list[tuple[Ints, Bools, Bools]]:
    """Rows grouped by which bits are open (neither half set) and which forbidden (both set)."""
    opened, shut = ~a & ~b, a & b  # (n, h)
    _, first, member = np.unique(_numbers(np.hstack([opened, shut])), return_index=True, return_inverse=True)
    return [(np.flatnonzero(member == g), opened[i], shut[i]) for g, i in enumerate(first)]


def _join(a: Bools, b: Bools) -> tuple[Ints, Ints]:
    """All (i, j) with equal rows a[i] == b[j], as two index arrays."""
    code = _numbers(np.vstack([a, b]))
    code_a, code_b = code[: len(a)], code[len(a) :]
    order = np.argsort(code_b, kind="stable")
    low, high = np.searchsorted(code_b[order], code_a, "left"), np.searchsorted(code_b[order], code_a, "right")
    count = high - low
    one = np.repeat(np.arange(len(a)), count)
    shift = np.repeat(low - (np.cumsum(count) - count), count)
    return one, order[np.arange(one.size) + shift]


def _numbers(bits: Bools) -> Ints:
    """One integer per row, equal for equal rows: 31 bits at a time, renumbered in between so that they fit."""
    code = np.zeros(len(bits), dtype=np.int64)
    for start in range(0, bits.shape[1], 31):
        if start:
            _, code = np.unique(code, return_inverse=True)
        for column in range(start, min(start + 31, bits.shape[1])):
            code = 2 * code + bits[:, column]
    return code


def _project(read: Array, matrix: Array) -> Array:
    """read @ matrix (n, m), skipping the zeros of the matrix."""
    out = np.empty((len(read), matrix.shape[1]), read.dtype, order="F")
    for j in range(matrix.shape[1]):
        rows = np.flatnonzero(matrix[:, j])
        out[:, j] = read[:, rows] @ matrix[rows, j]
    return out
