"""The tree-reweighted construction: the pairwise one with one more column, ln rho, that its sum head adds to the score.

    m <- softplus(theta_i + s + a) - softplus(theta_i + s + c) + d,      s = sum_k rho_ki m_ki - m_ji

with a, c, d of the table to the power 1/rho, which are the messages of ``run_trw`` in log odds. The sum head weighs a
message by exp(ln rho) against the sink, whose score is log(fan_in - sum of rho into the variable); so the output is the
sum of rho m. Reverse head, FFN and damping are those of the pairwise construction, whose reading of the stream holds.
Source: bnt/variational/reweighted.py; rho is the effective resistance (bnt/variational/spanning.py).
"""

from __future__ import annotations

import numpy as np

from bnt.compiler.layout import bits_for
from bnt.compiler.model import Parts
from bnt.compiler.pairwise import (
    PairwiseReadout,
    check_pairwise,
    pairwise_layer,
    pairwise_layout,
    pairwise_tokens,
)
from bnt.errors import UnsupportedModelError
from bnt.graph.evidence import Reduced
from bnt.graph.flat import Flat
from bnt.variational.spanning import spanning_tree_weights


def compile_tree_reweighted(reduced: Reduced, flat: Flat, mode: str, damping: float, memory_limit: int) -> Parts:
    """Layer, tokens and readout. Raises UnsupportedModelError naming what is not covered."""
    check_sum("tree-reweighted", mode)
    check_pairwise(reduced, "tree-reweighted")
    rho = spanning_tree_weights(flat)[flat.edge_factor]  # (E,)
    bits = bits_for(len(reduced.fields))
    fan_in = 2 ** int(np.diff(flat.variable_ptr).max(initial=0)).bit_length()
    layout = pairwise_layout(reduced, flat, bits, more=("log_rho",))
    tokens = pairwise_tokens(reduced, flat, layout, bits, fan_in)
    message, variable = layout.rows("message"), layout.rows("variable")
    put = layout.column
    for name in ("a", "c", "d"):
        tokens[message, put(name)] /= rho[:, None]
    tokens[message, put("log_rho")] = np.log(rho)[:, None]
    load = np.bincount(flat.edge_variable, rho, len(reduced.fields))  # sum of rho into each variable
    source = flat.edge_variable.reshape(-1, 2)[:, ::-1].ravel()
    free = np.array(reduced.free, dtype=np.int64)
    for rows, number in ((message, source), (variable, free)):
        tokens[rows, put("sink_score")] = np.log(fan_in - load[number])[:, None]
    layer = pairwise_layer(layout, fan_in, "softplus", damping, more=[({"one": 1.0}, {"log_rho": 1.0})])
    return Parts(layer, tokens, layout, PairwiseReadout(flat, free, reduced.evidence.hard, layout))


def check_sum(construction: str, mode: str) -> None:
    """Raises UnsupportedModelError for max mode."""
    if mode != "sum":
        raise UnsupportedModelError(f'the {construction} construction is for mode "sum"; pairwise has "max" as well')
