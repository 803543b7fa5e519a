"""Sublayers as flat lists of the weights that are not zero, for the loops of compiled.py.

An FFN is written shorter without changing what it computes. Of units that are each other's mirror, with weights w and
-w, biases b and -b, and outputs r and -r, nothing is left but a line, since act(z) - act(-z) = z for softplus and relu:

    r act(w x + b) - r act(-w x - b) = r (w x + b)

All lines are one matrix, x <- x (1 + L) + base + the other units; units that read the same share its sum; and
softplus units with outputs r and -r are taken in twos, r (softplus(y) - softplus(z)).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bnt.transformer.blocks import FFN, Attention, Head
from bnt.transformer.gather import Pairs, Routes, softmax_of_each

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
Tokens = NDArray[np.uint32]

SOFTPLUS, RELU, SIGMOID, FLOORED_LOG, IDENTITY = range(5)
COVERED = {
    "softplus": SOFTPLUS,
    "relu": RELU,
    "sigmoid": SIGMOID,
    "floored log": FLOORED_LOG,
    "identity": IDENTITY,
}
TINY = np.finfo(np.float64).tiny  # smaller attention weights count as 0: such numbers are slow
LIGHT, LARGE = 1e-60, 1e20  # and so do weights below 1e-60 where no value is beyond 1e20: each would add 1e-40 at most


class Units(NamedTuple):
    """An FFN. Row i of a list is [ptr[i] : ptr[i + 1]] of its columns and values."""

    activation: int
    column: Ints  # (c,)    of the stream, those that are written
    base: Array  # (c,)
    line_ptr: Ints  # (c + 1,)    the column's row of 1 + L
    line_column: Ints
    line_value: Array
    sum_ptr: Ints  # (g + 1,)    beta w of the g different sums that units read
    sum_column: Ints
    sum_value: Array
    first: Ints  # (u,)    sum of each unit, or of the first of two
    first_bias: Array  # (u,)
    second: Ints  # (u,)    sum of the second, -1: a unit alone
    second_bias: Array  # (u,)
    out_ptr: Ints  # (u + 1,)    which of ``column`` the unit writes, and weight / beta
    out_row: Ints
    out_value: Array


class Heads(NamedTuple):
    """The heads of an attention sublayer, whose pairs stay the same. A lane is one column of the values of one head."""

    lane_head: Ints  # (l,)
    lane_plain: Ints  # (l,)    the lane is this column of the stream, which is not written; -1: the sum below
    source_ptr: Ints  # (l + 1,)    its column of W_V
    source_column: Ints
    source_value: Array
    target_ptr: Ints  # (l + 1,)    its row of W_O
    target_column: Ints
    target_value: Array
    match: Tokens  # (heads, n)    key of every query that has one
    query_ptr: Ints  # (heads + 1,)    the others, by head
    query: Tokens  # (b,)
    pair_ptr: Ints  # (b + 1,)    their keys
    heavy_end: Ints  # (b,)    where among them those of a weight below LIGHT begin
    key: Tokens  # (p,)
    weight: Array  # (p,)    the softmax of each query; written anew at every layer where the head is scored
    score_ptr: Ints  # (heads + 1,)    columns of W_Q and W_K behind the code, by head
    asks_ptr: Ints  # (s + 1,)
    asks_column: Ints
    asks_value: Array
    says_ptr: Ints  # (s + 1,)
    says_column: Ints
    says_value: Array


def lists(matrix: Array) -> tuple[Ints, Ints, Array]:
    """(ptr, column, value) of the entries of each row that are not 0."""
    row, column = np.nonzero(matrix)
    ptr = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(matrix)))])
    return ptr.astype(np.int64), column.astype(np.int64), np.ascontiguousarray(matrix[row, column])


def list_units(ffn: FFN) -> Units | None:
    """None where the activation is not covered, or a product of weights overflows."""
    if ffn.activation not in COVERED:
        return None
    reads, bias, writes = ffn.W_in.T + 0.0, ffn.b_in + 0.0, ffn.W_out + 0.0  # (d_ff, d), (d_ff,), (d_ff, d); no -0
    linear, units = mirrors(ffn.activation, reads, bias, writes)
    with np.errstate(over="ignore", invalid="ignore"):
        line = np.eye(reads.shape[1]) + reads[linear].T @ writes[linear]  # (d, d)   row: read, column: written
        base = ffn.b_out + bias[linear] @ writes[linear]  # (d,)
    if not (np.isfinite(line).all() and np.isfinite(base).all()):
        return None
    twos = opposites(writes, units) if ffn.activation == "softplus" else [(u, -1) for u in units]
    sums: dict[bytes, int] = {}
    place = {u: sums.setdefault(reads[u].tobytes(), len(sums)) for two in twos for u in two if u >= 0}
    place[-1] = -1
    twos.sort(key=lambda two: (place[two[0]], place[two[1]]))
    first, second = (np.array([two[i] for two in twos], dtype=np.int64) for i in (0, 1))
    column = np.flatnonzero((ffn.W_out != 0).any(axis=0) | (ffn.b_out != 0))
    different = np.frombuffer(b"".join(sums), dtype=np.float64).reshape(-1, reads.shape[1])
    return Units(
        COVERED[ffn.activation],
        column,
        base[column],
        *lists(line.T[column]),
        *lists(ffn.beta * different),
        np.array([place[u] for u in first], dtype=np.int64),
        ffn.beta * bias[first],
        np.array([place[u] for u in second], dtype=np.int64),
        ffn.beta * bias[second],
        *lists(writes[first][:, column] / ffn.beta),
    )


def mirrors(activation: str, reads: Array, bias: Array, writes: Array) -> tuple[list[int], list[int]]:
    """Units that are lines, one of each two; and the others. Units that write nothing are neither."""
    units = np.flatnonzero(writes.any(axis=1)).tolist()
    if activation == "identity":
        return units, []
    if activation not in ("softplus", "relu"):
        return [], units
    waiting: dict[bytes, list[int]] = {}
    linear, paired = [], set()
    for u in units:
        whole = np.concatenate([reads[u], bias[u : u + 1], writes[u]])
        others = waiting.get((0.0 - whole).tobytes())
        if others:
            linear.append(other := others.pop())
            paired |= {u, other}
        else:
            waiting.setdefault(whole.tobytes(), []).append(u)
    return linear, [u for u in units if u not in paired]


def opposites(writes: Array, units: list[int]) -> list[tuple[int, int]]:
    """The units in twos that write the opposite; (u, -1) where there is no other."""
    waiting: dict[bytes, list[int]] = {}
    twos = {}
    for u in units:
        others = waiting.get((0.0 - writes[u]).tobytes())
        if others:
            twos[others.pop(0)] = u
        else:
            waiting.setdefault(writes[u].tobytes(), []).append(u)
    seconds = set(twos.values())
    return [(u, twos.get(u, -1)) for u in units if u not in seconds]


def list_heads(x: Array, sublayer: Attention, routes: Routes) -> Heads:
    """``x`` (n, d) is the stream that the sublayer reads."""
    heads = sublayer.heads
    written = np.any([(head.W_O != 0).any(axis=0) for head in heads], axis=0)  # (d,)
    lane_head, plain, values, outputs = [], [], [], []
    for h, head in enumerate(heads):
        for value, output in zip(head.W_V.T, head.W_O, strict=True):
            if value.any() and output.any():
                (reads,) = np.nonzero(value)
                same = len(reads) == 1 and value[reads[0]] == 1.0 and not written[reads[0]]
                lane_head.append(h)
                plain.append(int(reads[0]) if same else -1)
                values.append(value)
                outputs.append(output)
    match = np.zeros((len(heads), len(x)), dtype=np.uint32)
    d, asks, says = x.shape[1], [], []
    queries, counts, heavy, keys, weights = ([np.zeros(0, kind)] for kind in (np.uint32, int, int, np.uint32, float))
    for h, head in enumerate(heads):
        pairs = routes.pairs(head, x, None)
        match[h, pairs.single_query] = pairs.single_key
        weight, owner = fixed_weights(head, x, pairs, routes)
        order = np.lexsort((weight < LIGHT, owner))  # of each query the light ones last
        order = order[weight[order] >= TINY]
        queries.append(pairs.query)
        counts.append(np.bincount(owner[order], minlength=pairs.query.size))
        heavy.append(np.bincount(owner[weight >= LIGHT], minlength=pairs.query.size))
        keys.append(pairs.key[order])
        weights.append(weight[order])
        W_Q, W_K = score_columns(head) if pairs.query.size else (np.zeros((d, 0)), np.zeros((d, 0)))
        asks.append(W_Q)
        says.append(W_K)
    return Heads(
        np.array(lane_head, dtype=np.int64),
        np.array(plain, dtype=np.int64),
        *lists(np.reshape(values, (-1, d))),
        *lists(np.reshape(outputs, (-1, d))),
        match,
        pointers([len(query) for query in queries[1:]]),
        np.concatenate(queries).astype(np.uint32),
        (pair_ptr := pointers(np.concatenate(counts))),
        pair_ptr[:-1] + np.concatenate(heavy),
        np.concatenate(keys).astype(np.uint32),
        np.concatenate(weights),
        pointers([W_Q.shape[1] for W_Q in asks]),
        *lists(np.hstack(asks).T),
        *lists(np.hstack(says).T),
    )


def fixed_weights(head: Head, x: Array, pairs: Pairs, routes: Routes) -> tuple[Array, Ints]:
    """Weights (p,) of pairs that share a query where scores are known or all equal; and the place of their query."""
    owner = np.repeat(np.arange(pairs.query.size), pairs.counts)  # (p,)
    if head.rotary is None or not owner.size:
        return 1.0 / pairs.counts[owner], owner
    return softmax_of_each(routes.rotary_scores(head, x, pairs.query[owner] - pairs.key), pairs, owner), owner


def score_columns(head: Head) -> tuple[Array, Array]:
    """The columns of W_Q and W_K behind the code that can make a score differ from 0: (d, s), (d, s)."""
    behind = head.code if head.rotary is None else head.W_Q.shape[1]  # a rotary head's scores are known
    W_Q, W_K = head.W_Q[:, behind:], head.W_K[:, behind:]
    used = W_Q.any(axis=0) & W_K.any(axis=0)
    return W_Q[:, used], W_K[:, used]


def pointers(counts: Ints | list[int]) -> Ints:
    """0, and the sums of the first 1, 2, ... counts."""
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
