"""Controls for what was read or designed: heads of a trained model, keys that move together, a tolerance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from bnt.designs.design import design
from bnt.designs.specification import NoDesignError
from bnt.figures import attention, readings
from bnt.figures.picture import Picture, number
from bnt.graph.factor_graph import FactorGraph
from bnt.reading.diagnostics import effective_tokens
from bnt.transformer.blocks import softmax
from bnt.widgets.explorer import Explorer, buttons, dial, slider

# --- heads of a trained model -----------------------------------------------------------------------------------------


def head_explorer(
    patterns: ArrayLike, tokens: Sequence[str], kinds: Sequence[Sequence[str]], layer: int = 0, head: int = 0
) -> Explorer:
    """Walk through the heads of a model on one text. patterns: (layers, heads, n, n); kinds: one name per head."""
    table = np.asarray(patterns, dtype=float)
    controls = {"layer": slider("layer", table.shape[0] - 1, layer), "head": slider("head", table.shape[1] - 1, head)}

    def draw(layer: int, head: int) -> Picture:
        return head_picture(table[layer, head], tokens, kinds[layer][head], layer, head)

    return Explorer(draw, controls)


def head_picture(pattern: ArrayLike, tokens: Sequence[str], kind: str, layer: int, head: int) -> Picture:
    """One head, with its name and its effective tokens in the title."""
    p = np.asarray(pattern, dtype=float)
    p = p / p.sum(axis=1, keepdims=True)  # stored in few digits
    spread = number(float(effective_tokens(p).mean()), 1)
    return readings.head_squares(p, tokens, title=f"layer {layer}, head {head}: {kind}; {spread} effective tokens")


# --- one vector on all keys -------------------------------------------------------------------------------------------


def shift_explorer(names: Sequence[str], keys: ArrayLike, query: Sequence[float]) -> Explorer:
    """Add one vector to all keys (n, 2): the attention stays, the prior does not."""
    controls = {"right": dial("right", -2.0, 2.0, 0.5, 0.0), "up": dial("up", -2.0, 2.0, 0.5, 0.0)}
    return Explorer(lambda right, up: shift_picture(names, keys, query, (right, up)), controls)


def shift_picture(names: Sequence[str], keys: ArrayLike, query: Sequence[float], shift: Sequence[float]) -> Picture:
    """Keys + shift, the query, the attention they give (bars), and the prior read off the keys (ticks)."""
    points = np.asarray(keys, dtype=float) + np.asarray(shift, dtype=float)
    q = np.asarray(query, dtype=float)
    weight, prior = softmax(points @ q), softmax((points**2).sum(axis=1) / 2)
    top = int(np.argmax(prior))
    title = f"the prior favours {names[top]} ({number(prior[top], 2)}), the attention {names[int(np.argmax(weight))]}"
    return attention.alignment(names, points, q, prior, weight, title=title)


# --- a tolerance ------------------------------------------------------------------------------------------------------

TOLERANCES: Mapping[str, Any] = {"exact": "exact", "0.001": 0.001, "0.01": 0.01, "0.05": 0.05}


def design_explorer(
    graph: FactorGraph, queries: Sequence[str], evidence: Mapping[str, Any], most_layers: int = 12
) -> Explorer:
    """How good must the answer be, and how many layers may it cost? What does it, the cheapest first."""
    layers = slider("layers at most", most_layers, most_layers)
    layers.min = 1
    controls = {"tolerance": buttons("error at most", list(TOLERANCES)), "layers": layers}

    def draw(tolerance: str, layers: int) -> Picture:
        return design_picture(graph, queries, evidence, tolerance, layers)

    return Explorer(draw, controls)


def design_picture(
    graph: FactorGraph, queries: Sequence[str], evidence: Mapping[str, Any], tolerance: str, layers: int
) -> Picture:
    """What ``design`` finds for this tolerance (a key of TOLERANCES) and at most so many layers."""
    asked = "exact" if tolerance == "exact" else f"off by at most {tolerance}"
    try:
        found = design(graph, queries, evidence, tolerance=TOLERANCES[tolerance], layers=layers).alternatives
    except NoDesignError as error:
        found = error.alternatives
    chosen = found[0].construction if found[0].meets else "nothing fits"
    return readings.construction_costs(found, title=f"{asked}, at most {layers} layers: {chosen}")
