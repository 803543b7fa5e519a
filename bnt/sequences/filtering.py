"""Filtering of a hidden Markov model as a causal transformer, in two constructions.

``compile_filter``: one layer is one step of time. The token of time t copies the log belief of time t - 1 (attention),
then attends to one token per possible transition i -> j, the same S^2 tokens for all times, with score

    log belief_{t-1}(i) + log A_ij + log B_j(y_t)          and value: the one-hot of j,

so that the softmax *is* Bayes' rule; an FFN takes the logarithm. All tokens work at once, and at first each knows its
own observation only: after L layers token t is exact for t <= L, and otherwise has seen the last L + 1 observations.

``compile_doubling_filter``: the matrix A_ij B_j(y_t) of time t is multiplied with that of t - 1, then the product with
that of t - 2, t - 4, ...: after L layers token t is exact for t <= 2^L. Wider layers, logarithmic depth.

Logarithms are floored, max(x, 1e-300), which is no stock activation: a belief below 1e-300, zero included, is held
there, and evidence in its favour, some 1e290 in all, makes it count although it should not. Exact therefore means:
while nothing that is held so becomes visible; observations for which it would are refused (``filter_states`` has no
floor).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from bnt.checks import need, of_kind, real_array, whole_number
from bnt.compiler.layout import CodeBit, Layout, Terms, binary_code, bits_for, ffn, head, same
from bnt.errors import BntError, EvidenceError, InconsistentEvidenceError, UnsupportedModelError
from bnt.graph.factor_graph import Array
from bnt.sequences.hmm import HMM, Observations, filter_states, symbol_numbers
from bnt.transformer.activations import FLOOR
from bnt.transformer.blocks import Attention, Head, Layer, Weights, softmax
from bnt.transformer.forward import Trace, forward
from bnt.transformer.rotary import rotary_frequencies, rotary_offset

# Per differing bit. Real scores are sums of up to three logarithms of positive floats, each >= -745: a wrong pair at
# -8192 loses by more than 746, where exp underflows to exactly 0. IMPOSSIBLE stands for log 0 in the same way.
ROUTING = 8192.0
IMPOSSIBLE = -4096.0
LOG_FLOOR = float(np.log(FLOOR))
VISIBLE = 1e-9  # an error of a belief that the floor may not cause


@dataclass(frozen=True, eq=False)
class FilterModel:
    """A hidden Markov model with observations, as a causal transformer: ``forward(model.tokens, model.weights)``.

    ``observations``: numbers of the symbols, None where nothing was observed.
    """

    weights: Weights
    tokens: Array
    layout: Layout
    hmm: HMM
    observations: tuple[int | None, ...]
    construction: Literal["step", "doubling"]

    def beliefs(self, trace: Trace, layer: int = -1) -> Array:
        """p(x_t | y_1..y_t) as the transformer has it after ``layer`` layers (-1 = the end), shape (T, S).

        Raises BntError for anything but a Trace of this model.
        """
        of_kind("the trace", trace, Trace, hint="forward(model.tokens, model.weights) makes one")
        stream, put = trace.after_layer(layer), self.layout.column
        if stream.shape != self.tokens.shape:
            raise BntError(f"a stream of this model has shape {self.tokens.shape}, not {stream.shape}")
        time = stream[self.layout.rows("time")][-len(self.observations) :]
        if self.construction == "step":
            return softmax(time[:, put("log_belief")][:, 1:])  # column 0 is "not begun yet"
        return softmax(time[:, put("product")][:, : len(self.hmm.states)])  # any row of the product: its first


def compile_filter(
    hmm: HMM,
    observations: Observations | None = None,
    layers: int | None = None,
    *,
    rotary: bool = False,
    log_likelihood: ArrayLike | None = None,
) -> FilterModel:
    """The step construction; ``layers`` = T by default, which is exact at every time.

    rotary: the copy head finds the token before by its position, turned queries and keys (transformer/rotary.py), in
    place of a routing code; the tokens of time then come last, after the start. log_likelihood (T, S), in place of
    observations: log p(frame t | state) up to a constant per frame, -inf allowed, as of pictures or real numbers.
    Raises BntError: both or neither of these two, or a wrong shape, or layers < 0; EvidenceError;
    InconsistentEvidenceError for observations of probability zero; UnsupportedModelError for those beyond the floored
    logarithm.
    """
    if log_likelihood is not None:
        need(observations is None, "give observations or log_likelihood, not both")
        hmm = of_frames(hmm, log_likelihood)
        observations = hmm.symbols[:-1]
    numbers = symbol_numbers(hmm, needed(observations))
    log_emission = _log_emissions(hmm, numbers)  # (T, S)
    _check_floor(hmm, numbers, log_emission)
    count, size = log_emission.shape
    depth = count if layers is None else whole_number("layers", layers)
    step = np.block([[np.zeros((1, 1)), hmm.initial[None]], [np.zeros((size, 1)), hmm.transition]])  # 0 = not begun
    pairs = np.argwhere(step > 0)  # (c, 2)
    bits = bits_for(1 + len(pairs) + count)
    labels = {"start": np.zeros((1, 0), np.int64), "pair": pairs, "time": np.arange(1, count + 1)[:, None]}
    layout = Layout(
        {
            **dict.fromkeys(("log_belief", "previous", "posterior", "from", "to", "log_emission"), size + 1),
            **dict.fromkeys(("log_transition", "is_start", "is_pair", "is_time", *(["one"] if rotary else [])), 1),
            **dict.fromkeys(("own",) if rotary else ("own", "earlier"), 2 * bits),
        },
        {kind: labels[kind] for kind in (("pair", "start", "time") if rotary else ("start", "pair", "time"))},
    )
    tokens, put, one_hot = np.zeros((layout.size, layout.width)), layout.column, np.eye(size + 1)
    start, pair, time = (layout.rows(kind) for kind in ("start", "pair", "time"))
    number = np.arange(layout.size)
    tokens[:, put("own")] = binary_code(number, bits)
    if rotary:
        tokens[:, put("one")] = 1.0
    else:
        earlier = np.where(number > time.start, number - 1, np.where(number == time.start, 0, number))
        tokens[:, put("earlier")] = binary_code(earlier, bits)
    tokens[start, put("is_start")] = tokens[pair, put("is_pair")] = tokens[time, put("is_time")] = 1.0
    tokens[start, put("to")] = one_hot[0]
    tokens[start, put("log_belief")] = np.where(one_hot[0] > 0, 0.0, LOG_FLOOR)
    tokens[pair, put("from")], tokens[pair, put("to")] = one_hot[pairs[:, 0]], one_hot[pairs[:, 1]]
    tokens[pair, put("log_transition")] = np.log(step[tuple(pairs.T)])[:, None]
    tokens[time, put("log_emission")] = np.hstack([np.zeros((count, 1)), log_emission])
    alone = np.log(np.maximum(softmax(log_emission), FLOOR))  # as if nothing were known of the state before
    tokens[time, put("log_belief")] = np.hstack([np.full((count, 1), LOG_FLOOR), alone])
    weights = Weights((_step_layer(layout, rotary),) * depth)
    return FilterModel(weights, tokens, layout, hmm, tuple(numbers), "step")


def needed(observations: Observations | None) -> Observations:
    """Raises EvidenceError where there are none."""
    if observations is None:
        rule = "observations must be a sequence of symbols, or log_likelihood a row of each frame; neither is given"
        raise EvidenceError(rule)
    return observations


def of_frames(hmm: HMM, log_likelihood: ArrayLike) -> HMM:
    """The same chain, each frame its own symbol "frame 1", ..., with a column of emissions proportional to its
    likelihoods; the last symbol is whatever is left. Raises BntError: not (T, S), NaN or +inf, or a frame that no state
    can show."""
    logs = real_array("log_likelihood", log_likelihood)
    size = len(hmm.states)
    need(
        logs.ndim == 2 and len(logs) > 0 and logs.shape[1] == size,
        f"log_likelihood must have shape (T, {size}), not {logs.shape}",
    )
    need(not (np.isnan(logs) | (logs == np.inf)).any(), "log_likelihood must not hold NaN or +inf")
    top = logs.max(axis=1, keepdims=True)
    need(bool(np.isfinite(top).all()), "log_likelihood has a frame of probability zero in every state")
    columns = np.exp(logs - top) / len(logs)  # (T, S)
    names = [*(f"frame {t + 1}" for t in range(len(logs))), "anything else"]
    emission = np.column_stack([columns.T, np.maximum(1.0 - columns.sum(axis=0), 0.0)])
    return HMM(hmm.initial, hmm.transition, emission, states=hmm.states, symbols=names)


def _earlier(layout: Layout) -> Head:
    """previous <- log_belief of the token before: a rotary head, offset -1."""
    frequencies = rotary_frequencies(64)
    found = rotary_offset(frequencies, -1, layout.size)
    W_Q, W_K = np.zeros((layout.width, 64)), np.zeros((layout.width, 64))
    W_Q[layout.position("one")], W_K[layout.position("one")] = found.query, found.key
    moved = head(layout, ROUTING, [], [], _move(layout, "log_belief", "previous"))
    return Head(W_Q, W_K, moved.W_V, moved.W_O, rotary=frequencies)


def _step_layer(layout: Layout, rotary: bool) -> Layer:
    moves = _move(layout, "log_belief", "previous")
    copy = _earlier(layout) if rotary else head(layout, ROUTING, same(layout, "earlier", "own"), [], moves)
    # A time token may attend to pairs, every other token to the start alone.
    rest, not_start = {"is_pair": 1, "is_start": 1}, {"is_pair": 1, "is_time": 1}
    kind = CodeBit({"is_time": 1}, rest, is_zero={"is_start": 1, "is_time": 1}, is_one=not_start)
    score = _products(layout, "previous", "from") + _products(layout, "log_emission", "to")
    score += [({"is_time": 1.0}, {"log_transition": 1.0})]
    bayes = head(layout, ROUTING, [kind], score, _move(layout, "to", "posterior"))
    logarithm: list[tuple[Terms, float, Terms]] = [
        ({p: 1.0}, 0.0, {b: 1.0}) for p, b in _names(layout, "posterior", "log_belief")
    ]
    return (
        Attention((copy, _eraser(layout, "log_belief", "posterior")), causal=True),
        Attention((bayes, _eraser(layout, "previous")), causal=True),
        ffn(layout, logarithm, "floored log"),
    )


def _products(layout: Layout, query: str, key: str) -> list[tuple[Terms, Terms]]:
    """The score sum_i query_i key_i."""
    return [({one: 1.0}, {other: 1.0}) for one, other in _names(layout, query, key)]


def _names(layout: Layout, one: str, other: str) -> list[tuple[str, str]]:
    return list(zip(layout.block(one), layout.block(other), strict=True))


def _move(layout: Layout, source: str, target: str, factor: float = 1.0) -> list[tuple[Terms, Terms]]:
    return [({a: 1.0}, {b: factor}) for a, b in _names(layout, source, target)]


def _eraser(layout: Layout, *blocks: str) -> Head:
    """A head by which each token looks at itself and subtracts these columns. They are exactly zero afterwards if the
    sublayer writes nothing else there; then what is written later does not depend, bit for bit, on what was before."""
    value = [pair for block in blocks for pair in _move(layout, block, block, -1.0)]
    return head(layout, ROUTING, same(layout, "own", "own"), [], value)


def compile_doubling_filter(hmm: HMM, observations: Observations, layers: int | None = None) -> FilterModel:
    """The doubling construction; ``layers`` = ceil(log2 T) by default, which is exact at every time.

    A factor left over from normalising makes the floor rise with the likelihood: exact while each segment's
    likelihood stays above about 1e-250. Raises as compile_filter.
    """
    numbers = symbol_numbers(hmm, observations)
    log_emission = _log_emissions(hmm, numbers)
    _check_floor(hmm, numbers, log_emission)
    count, size = log_emission.shape
    depth = (count - 1).bit_length() if layers is None else whole_number("layers", layers)
    bits = bits_for(size * size + size + 2 + count)
    square = size * size
    layout = Layout(
        {
            **dict.fromkeys(("product", "left", "weight", "rest", "is_entry"), square),
            **{"total": 1, "total_rest": 1, "is_middle": size, "middle": 1, "entry": 1, "still": 1, "is_time": 1},
            **dict.fromkeys(("own", *(f"earlier_{k}" for k in range(depth))), 2 * bits),
        },
        {
            "reference": np.zeros((1, 0), np.int64),  # score 0 in every softmax: log P - log Q is then a log sum
            "middle": np.arange(size)[:, None],
            "entry": np.arange(square)[:, None],
            "time": np.arange(count + 1)[:, None],  # time 0 holds the identity
        },
    )
    tokens, put = np.zeros((layout.size, layout.width)), layout.column
    middle, entry, time = (layout.rows(kind) for kind in ("middle", "entry", "time"))
    number = np.arange(layout.size)
    tokens[:, put("own")] = binary_code(number, bits)
    for k in range(depth):
        back = np.where(number >= time.start, np.maximum(number - 2**k, time.start), number)
        tokens[:, put(f"earlier_{k}")] = binary_code(back, bits)
    tokens[middle, put("is_middle")], tokens[entry, put("is_entry")] = np.eye(size), np.eye(square)
    tokens[middle, put("middle")] = tokens[entry, put("entry")] = tokens[time, put("is_time")] = 1.0
    tokens[: time.start, put("still")] = 1.0
    with np.errstate(divide="ignore"):
        first = np.broadcast_to(np.log(hmm.initial), (size, size))
        matrices = np.stack([first, *[np.log(hmm.transition)] * (count - 1)]) + log_emission[:, None, :]
    logs = np.vstack([np.where(np.eye(size) > 0, 0.0, -np.inf).reshape(1, -1), matrices.reshape(count, -1)])
    tokens[time, put("product")] = np.log(np.maximum(softmax(logs), FLOOR))
    weights = Weights(tuple(_doubling_layer(layout, size, k) for k in range(depth)))
    return FilterModel(weights, tokens, layout, hmm, tuple(numbers), "doubling")


def _doubling_layer(layout: Layout, size: int, k: int) -> Layer:
    """product_t <- product_{t - 2^k} product_t, scaled to sum to one."""
    fetch = head(layout, ROUTING, same(layout, f"earlier_{k}", "own"), [], _move(layout, "product", "left"))
    left, product, is_middle, weight, rest = (
        layout.block(name) for name in ("left", "product", "is_middle", "weight", "rest")
    )
    reference: Terms = {"still": 1.0, "middle": -1.0, "entry": -1.0}
    sums = []
    for at in range(size * size):
        i, j = divmod(at, size)
        score: list[tuple[Terms, Terms]] = [
            ({left[i * size + m]: 1.0, product[m * size + j]: 1.0}, {is_middle[m]: 1.0}) for m in range(size)
        ]
        value: list[tuple[Terms, Terms]] = [({"middle": 1.0}, {weight[at]: 1.0}), (reference, {rest[at]: 1.0})]
        sums.append(head(layout, ROUTING, [_among("middle", "entry")], score, value))
    log_ratio: list[tuple[Terms, float, Terms]] = [
        ({one: 1.0}, 0.0, {target: sign})
        for block, sign in (("weight", 1.0), ("rest", -1.0))
        for one, target in _names(layout, block, "product")
    ]
    total = head(
        layout,
        ROUTING,
        [_among("entry", "middle")],
        _products(layout, "product", "is_entry"),
        [({"entry": 1.0}, {"total": 1.0}), (reference, {"total_rest": 1.0})],
    )
    scale: list[tuple[Terms, float, Terms]] = [
        ({"total": 1.0}, 0.0, dict.fromkeys(product, -1.0)),
        ({"total_rest": 1.0}, 0.0, dict.fromkeys(product, 1.0)),
    ]
    return (
        Attention((fetch, _eraser(layout, "total", "total_rest")), causal=True),
        Attention((*sums, _eraser(layout, "product")), causal=True),
        ffn(layout, log_ratio, "floored log"),
        Attention((total, _eraser(layout, "left", "weight", "rest")), causal=True),
        ffn(layout, scale, "floored log"),
    )


def _among(wanted: str, other: str) -> CodeBit:
    """A time token may attend to the ``wanted`` tokens and the reference, every other token to the reference alone."""
    return CodeBit({"is_time": 1}, {"still": 1}, {"is_time": 1, other: 1}, {"is_time": 1, wanted: 1, other: 1})


def _log_emissions(hmm: HMM, numbers: Sequence[int | None]) -> Array:
    """log p(y_t | x_t), shape (T, S), IMPOSSIBLE for log 0. Raises InconsistentEvidenceError if no path is possible."""
    columns = [np.ones(len(hmm.states)) if o is None else hmm.emission[:, o] for o in numbers]
    possible = hmm.initial > 0
    for t, column in enumerate(columns):
        possible = (possible if t == 0 else (hmm.transition[possible] > 0).any(axis=0)) & (column > 0)
        if not possible.any():
            raise InconsistentEvidenceError(f"probability zero: no state is possible at observation {t + 1}")
    with np.errstate(divide="ignore"):
        return np.maximum(np.log(columns), IMPOSSIBLE)


def _check_floor(hmm: HMM, numbers: Sequence[int | None], log_emission: Array) -> None:
    """Raises UnsupportedModelError where what is held at the floor would become visible: Bayes' rule with floored
    logarithms, as the layers do it, against the filter that has none."""
    exact = filter_states(hmm, numbers)
    with np.errstate(divide="ignore"):
        predicted, log_transition = np.log(hmm.initial), np.log(hmm.transition)
    for t, row in enumerate(log_emission):
        belief = softmax(predicted + row)
        error = float(np.abs(belief - exact[t]).max())
        if error > VISIBLE:
            raise UnsupportedModelError(
                f"observation {t + 1}: states held at the floor, {FLOOR:g}, would put the belief off by {error:.2g}; "
                "use filter_states, which has no floor"
            )
        held = np.log(np.maximum(belief, FLOOR))
        predicted = np.logaddexp.reduce(held[:, None] + log_transition, axis=0)


def forgetting(hmm: HMM, observations: Observations, layers: int) -> Array:
    """Total variation distance of the step construction from the exact filter, shape (layers + 1, T).

    Row L is after L layers: rounding for t <= L, beyond that what a memory of L + 1 observations misses. For positive
    transitions it is at most r^(L-1) D / ln 3 with D the projective diameter and r the Birkhoff coefficient.
    """
    model = compile_filter(hmm, observations, layers)
    trace, exact = forward(model.tokens, model.weights, keep="layers"), filter_states(hmm, observations)
    return np.array([np.abs(model.beliefs(trace, i) - exact).sum(axis=1) / 2 for i in range(layers + 1)])
