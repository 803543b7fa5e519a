"""The pairwise construction: binary variables, factors over two of them, no zeros. Message passing in log odds.

Messages live on *message tokens*, one per factor and receiving variable, that hold the message from i to j in log odds:

    m <- softplus(theta_i + s + a) - softplus(theta_i + s + c) + d,      s = sum of messages into i, but for j's
    a = log psi(1,1) - log psi(0,1),   c = log psi(1,0) - log psi(0,0),   d = log psi(0,1) - log psi(0,0)

with psi(x_i, x_j), which is the exact sum-product message. ReLU for softplus gives the max-product message, from the
same weights. The graph is in the tokens alone: the weights depend on nothing but ``bits`` (of a variable's number) and
``fan_in`` (a power of two above the largest degree), so all graphs of that size class share them.

One layer is one round: attention (two heads), then an FFN of eight units.
    sum head      all messages into my source, value ``fan_in`` times the message. The deg keys and the sink, with its
                  score log(fan_in - deg), share the softmax, so each key weighs 1/fan_in and the output is a sum.
    reverse head  the one message from my target back to my source, to subtract it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from bnt.compiler.layout import Layout, Terms, binary_code, bits_for, erase, ffn, head, linear, same
from bnt.compiler.model import Parts
from bnt.errors import UnsupportedModelError
from bnt.graph.evidence import Reduced
from bnt.graph.factor_graph import Array
from bnt.graph.flat import Flat, Ints
from bnt.transformer.activations import activate
from bnt.transformer.blocks import Attention, Layer

# Per differing bit. A wrong pair must lose against every right one by more than 746, where exp underflows to 0: real
# scores are 0..log(fan_in) < 50, the reverse head's sink scores -ROUTING/2; so 2048/2 - 50 > 746 suffices, any size.
ROUTING = 2048.0


def updated_message(
    x: ArrayLike, a: float, c: float, d: float, activation: str = "softplus", beta: float = 1.0
) -> Array:
    """act(x + a) - act(x + c) + d with act(beta t) / beta: what two units send on for incoming log odds x."""
    x = np.asarray(x, dtype=np.float64)
    return activate(x + a, activation, beta) - activate(x + c, activation, beta) + d


class PairwiseReadout(NamedTuple):
    """Log odds in the stream, as log vectors of the two states."""

    flat: Flat
    free: Ints  # (v,)   variables that have a token, in token order
    observed: dict[int, int]
    layout: Layout

    def log_messages(self, stream: Array) -> Array:
        """See Readout: (0, log odds) for every message."""
        odds = stream[self.layout.rows("message"), self.layout.position("m")]  # (E,)
        return np.stack([np.zeros_like(odds), odds], axis=1).ravel()

    def log_beliefs(self, stream: Array) -> Array:
        """See Readout: (0, log odds) for every unobserved variable."""
        logs = np.full(self.flat.field_ptr[-1], -np.inf)
        starts = self.flat.field_ptr[:-1][self.free]
        logs[starts] = 0.0
        logs[starts + 1] = stream[self.layout.rows("variable"), self.layout.position("belief")]
        for i, state in self.observed.items():
            logs[self.flat.field_ptr[i] + state] = 0.0
        return logs


def compile_pairwise(reduced: Reduced, flat: Flat, mode: str, damping: float, memory_limit: int) -> Parts:
    """Layer, tokens and readout. Raises UnsupportedModelError naming what is not covered."""
    check_pairwise(reduced)
    degree = np.diff(flat.variable_ptr)
    bits = bits_for(len(reduced.fields))
    fan_in = 2 ** int(degree.max(initial=0)).bit_length()
    layout = pairwise_layout(reduced, flat, bits)
    tokens = pairwise_tokens(reduced, flat, layout, bits, fan_in)
    layer = pairwise_layer(layout, fan_in, "softplus" if mode == "sum" else "relu", damping)
    readout = PairwiseReadout(flat, np.array(reduced.free, dtype=np.int64), reduced.evidence.hard, layout)
    return Parts(layer, tokens, layout, readout)


def pairwise_obstacle(reduced: Reduced) -> str | None:
    """Why the pairwise construction does not cover this model, in one sentence; None if it does."""
    graph = reduced.graph
    for i in reduced.free:
        if len(reduced.fields[i]) != 2:
            variable = graph.variables[i]
            return f"variable {variable.name!r} has {variable.cardinality} states; all unobserved ones must have 2"
        if np.isneginf(reduced.fields[i]).any():
            return f"the local field of variable {graph.variables[i].name!r} has a zero; log odds must be finite"
    seen: dict[frozenset[int], int] = {}
    for factor in reduced.factors:
        label = f"factor {factor.index}, {graph.factors[factor.index].label},"
        if len(factor.scope) > 2:
            return f"{label} has {len(factor.scope)} unobserved variables; at most 2 are allowed"
        if np.isneginf(factor.log_table).any():
            return f"{label} has a zero entry; every entry must be > 0"
        pair = frozenset(factor.scope)
        if pair in seen:
            return f"{label} joins the same two variables as factor {seen[pair]}; merge the two, or use the general one"
        seen[pair] = factor.index
    return None


def check_pairwise(reduced: Reduced, construction: str = "pairwise") -> None:
    """Raises UnsupportedModelError if there is an obstacle."""
    obstacle = pairwise_obstacle(reduced)
    if obstacle:
        raise UnsupportedModelError(f"the {construction} construction does not cover this model: {obstacle}")


def pairwise_layout(reduced: Reduced, flat: Flat, bits: int, more: Sequence[str] = ()) -> Layout:
    """Names. Message tokens follow the order of the edges in ``flat``: ("message", factor, receiving variable)."""
    columns = dict.fromkeys(("m", "s", "theta", "a", "c", "d", "sink_score", "one", "sink", "belief", *more), 1)
    messages = np.stack([flat.factor_index[flat.edge_factor], flat.edge_variable], axis=1)
    variables = np.array(reduced.free, dtype=np.int64)[:, None]
    tokens = {"message": messages, "variable": variables, "sink": np.zeros((1, 0), np.int64)}
    return Layout({**columns, "source": 2 * bits, "target": 2 * bits}, tokens)


def pairwise_tokens(reduced: Reduced, flat: Flat, layout: Layout, bits: int, fan_in: int) -> Array:
    """The graph as tokens (n, d). m and s start at 0 (uniform messages), beliefs at the local field."""
    tokens = np.zeros((layout.size, layout.width))
    theta = np.array([field[1] - field[0] if len(field) == 2 else 0.0 for field in reduced.fields])
    target = flat.edge_variable
    source = flat.edge_variable.reshape(-1, 2)[:, ::-1].ravel()  # the other variable of the same factor
    psi = np.array([table for f in reduced.factors for table in (f.log_table.T, f.log_table)]).reshape(-1, 2, 2)
    free = np.array(reduced.free, dtype=np.int64)
    message, variable, sink = layout.rows("message"), layout.rows("variable"), layout.rows("sink")
    put = layout.column

    tokens[:, put("one")] = 1.0
    for rows, number in ((message, source), (variable, free)):
        tokens[rows, put("theta")] = theta[number, None]
        tokens[rows, put("sink_score")] = np.log(fan_in - np.diff(flat.variable_ptr)[number])[:, None]
        tokens[rows, put("source")] = binary_code(number, bits)
    tokens[message, put("a")] = (psi[:, 1, 1] - psi[:, 0, 1])[:, None]  # psi[e, x_source, x_target]
    tokens[message, put("c")] = (psi[:, 1, 0] - psi[:, 0, 0])[:, None]
    tokens[message, put("d")] = (psi[:, 0, 1] - psi[:, 0, 0])[:, None]
    tokens[message, put("target")] = binary_code(target, bits)
    tokens[variable, put("target")] = 1.0  # nobody: a variable token is no message
    tokens[variable, put("belief")] = theta[free, None]
    tokens[sink, put("sink")] = 1.0  # its blocks stay 0: open to every query
    return tokens


def pairwise_layer(
    layout: Layout, fan_in: int, activation: str, damping: float, more: Sequence[tuple[Terms, Terms]] = ()
) -> Layer:
    """The explicit weights of one round. damping d: m <- (1-d) new + d m, which is a factor on four output weights.

    more: terms that the sum head's score has besides.
    """
    to_itself = ({"sink": 1.0}, {"sink": 2 * ROUTING})  # the sink token's own query, whatever the head
    sum_head = head(
        layout,
        ROUTING,
        code=same(layout, "source", "target"),
        score=[({"sink_score": 1.0}, {"sink": 1.0}), to_itself, *more],
        value=[({"m": float(fan_in)}, {"s": 1.0})],
    )
    reverse_head = head(
        layout,
        ROUTING,
        code=same(layout, "source", "target") + same(layout, "target", "source"),
        score=[({"one": 1.0}, {"sink": -ROUTING / 2}), to_itself],
        value=[({"m": 1.0}, {"s": -1.0})],
    )
    step = 1.0 - damping
    incoming: Terms = {"theta": 1.0, "s": 1.0}
    units = [
        ({**incoming, "a": 1.0}, 0.0, {"m": step}),
        ({**incoming, "c": 1.0}, 0.0, {"m": -step}),
        *linear({"d": 1.0, "m": -1.0}, {"m": step}),
        *linear({**incoming, "belief": -1.0}, {"belief": 1.0}),
        *erase("s"),
    ]
    return Attention((sum_head, reverse_head)), ffn(layout, units, activation)
