"""The mean-field construction: here the attention weight *is* the coupling. Binary variables, pairs, no zeros.

With q_i the belief of x_i = 1, W = log psi11 - log psi10 - log psi01 + log psi00 and d = log psi01 - log psi00 of the
table psi(x_i, x_j), the message from i to j in log odds is d + W q_i, and

    x_j = theta_j + sum_i W_ij q_i,   q_j = sigmoid(x_j),          theta_j: the field and all d into j

One layer is one parallel round, of stock blocks:
    FFNs          belief <- theta + s;  q <- sigmoid(belief);  s and, but for damping, ``fetched`` are erased
    copy head     every message token fetches the q of its source
    sum heads     one for W > 0 and one for W < 0: a variable looks at its message tokens with the score ln |W|, against
                  the sink's ln(scale - sum |W|). So a weight is |W| / scale, the value +-scale q, and the output W q.
Of belief propagation's attention, which only routes, the weights are 0 or all alike.
Source: bnt/variational/mean_field.py.
"""

from __future__ import annotations

import numpy as np

from bnt.compiler.layout import CodeBit, Layout, binary_code, bits_for, erase, ffn, head, linear, same
from bnt.compiler.model import Parts
from bnt.compiler.pairwise import ROUTING, PairwiseReadout, check_pairwise
from bnt.compiler.tree_reweighted import check_sum
from bnt.graph.evidence import Reduced
from bnt.graph.factor_graph import Array
from bnt.graph.flat import Flat
from bnt.transformer.blocks import Attention, Head, Layer

NEVER = -8192.0  # a field so low that the sigmoid there is 0, exactly
COLUMNS = ["q", "fetched", "s", "theta", "belief", "coupling", "offset", "log_size", "is_positive", "is_negative"]
KINDS = ["is_message", "is_variable", "sink", "positive_rest", "negative_rest"]


class MeanFieldReadout(PairwiseReadout):
    """That of the pairwise construction, except that a message is offset + coupling * fetched."""

    def log_messages(self, stream: Array) -> Array:
        """See Readout: (0, log odds) for every message."""
        rows, put = self.layout.rows("message"), self.layout.position
        odds = stream[rows, put("offset")] + stream[rows, put("coupling")] * stream[rows, put("fetched")]  # (E,)
        return np.stack([np.zeros_like(odds), odds], axis=1).ravel()


def compile_mean_field(reduced: Reduced, flat: Flat, mode: str, damping: float, memory_limit: int) -> Parts:
    """Layer, tokens and readout. Raises UnsupportedModelError naming what is not covered."""
    check_sum("mean-field", mode)
    check_pairwise(reduced, "mean-field")
    bits, free = bits_for(len(reduced.fields)), np.array(reduced.free, dtype=np.int64)
    messages = np.stack([flat.factor_index[flat.edge_factor], flat.edge_variable], axis=1)
    layout = Layout(
        {**dict.fromkeys((*COLUMNS, *KINDS), 1), "own": 2 * bits, "source": 2 * bits, "target": 2 * bits},
        {"message": messages, "variable": free[:, None], "sink": np.zeros((1, 0), np.int64)},
    )
    tokens, scale = mean_field_tokens(reduced, flat, layout, bits)
    layer = mean_field_layer(layout, scale, damping)
    readout = MeanFieldReadout(flat, free, reduced.evidence.hard, layout)
    return Parts(layer, tokens, layout, readout, on_forests=False)


def mean_field_tokens(reduced: Reduced, flat: Flat, layout: Layout, bits: int) -> tuple[Array, float]:
    """The graph as tokens (n, d), and the scale: a power of two above the largest sum of |W| into a variable."""
    tokens, put = np.zeros((layout.size, layout.width)), layout.column
    message, variable, sink = layout.rows("message"), layout.rows("variable"), layout.rows("sink")
    n, target, free = len(reduced.fields), flat.edge_variable, np.array(reduced.free, dtype=np.int64)
    source = target.reshape(-1, 2)[:, ::-1].ravel()
    psi = np.array([table for f in reduced.factors for table in (f.log_table.T, f.log_table)]).reshape(-1, 2, 2)
    offset = psi[:, 0, 1] - psi[:, 0, 0]  # psi[e, x_source, x_target]
    coupling = psi[:, 1, 1] - psi[:, 1, 0] - offset
    signs = {"positive": np.maximum(coupling, 0.0), "negative": np.maximum(-coupling, 0.0)}
    loads = {sign: np.bincount(target, size, n) for sign, size in signs.items()}
    scale = 2.0 ** np.ceil(np.log2(1.0 + max(load.max(initial=0.0) for load in loads.values())))
    field = np.array([f[1] - f[0] if len(f) == 2 else 0.0 for f in reduced.fields])
    theta = field + np.bincount(target, offset, n)

    tokens[:, put("theta")] = NEVER  # only variables have a belief
    with np.errstate(divide="ignore"):
        tokens[message, put("log_size")] = np.maximum(np.log(np.abs(coupling)), -ROUTING)[:, None]
    tokens[message, put("coupling")], tokens[message, put("offset")] = coupling[:, None], offset[:, None]
    tokens[message, put("is_positive")] = (coupling >= 0)[:, None]
    tokens[message, put("is_negative")] = (coupling < 0)[:, None]
    tokens[message, put("is_message")] = 1.0
    tokens[message, put("source")], tokens[message, put("target")] = (
        binary_code(source, bits),
        binary_code(target, bits),
    )
    tokens[message, put("own")] = 1.0  # nobody: a message token has no belief to fetch
    tokens[message, put("fetched")] = 0.5  # round 0: uniform beliefs
    tokens[variable, put("own")] = binary_code(free, bits)
    tokens[variable, put("source")] = tokens[variable, put("target")] = 1.0  # nobody: it is no message
    tokens[variable, put("is_variable")] = 1.0
    tokens[variable, put("theta")] = theta[free, None]
    tokens[variable, put("s")] = np.bincount(target, coupling / 2, n)[free, None]
    tokens[variable, put("belief")] = (theta + np.bincount(target, coupling / 2, n))[free, None]
    for sign, load in loads.items():
        tokens[variable, put(f"{sign}_rest")] = np.log(scale - load[free])[:, None]
    tokens[sink, put("sink")] = 1.0
    return tokens, float(scale)


def mean_field_layer(layout: Layout, scale: float, damping: float) -> Layer:
    """The explicit weights of one round. damping d: fetched <- (1-d) q + d fetched, as messages are linear in it."""
    to_itself = ({"sink": 1.0}, {"sink": 2 * ROUTING})
    step = 1.0 - damping

    def summed(sign: str, other: str, value: float) -> Head:
        wanted = CodeBit({"is_variable": 1.0}, {}, {f"is_{other}": 1.0}, {})
        return head(
            layout,
            ROUTING,
            code=[*same(layout, "own", "target"), wanted],
            score=[({"is_variable": 1.0}, {"log_size": 1.0}), ({f"{sign}_rest": 1.0}, {"sink": 1.0}), to_itself],
            value=[({"fetched": value}, {"s": 1.0})],
        )

    copy = head(
        layout,
        ROUTING,
        code=same(layout, "source", "own"),
        score=[({"is_message": 1.0, "is_variable": 1.0}, {"sink": -ROUTING / 2}), to_itself],
        value=[({"q": step}, {"fetched": 1.0})],
    )
    state = {"theta": 1.0, "s": 1.0}
    return (
        ffn(layout, [*linear({**state, "belief": -1.0}, {"belief": 1.0}), *erase("q")], "relu"),
        ffn(layout, [(state, 0.0, {"q": 1.0})], "sigmoid"),
        ffn(layout, [*erase("s"), *linear({"fetched": -step}, {"fetched": 1.0})], "relu"),
        Attention((copy,)),
        Attention((summed("positive", "negative", scale), summed("negative", "positive", -scale))),
    )
