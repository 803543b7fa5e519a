"""Layers as pictures: who reads whom and what each FFN unit does; one sublayer after another; attention as factors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle
from numpy.typing import ArrayLike, NDArray

from bnt.checks import need
from bnt.compiler.model import CompiledModel
from bnt.figures.drawing import Look
from bnt.figures.graphs import token_names
from bnt.figures.picture import BLUE, INK, PALE, PAPER, RULE, SERIES, TINT, VERMILION, Picture, blank, number
from bnt.graph.evidence import ReducedLeaves
from bnt.graph.leaves import OPEN
from bnt.transformer.blocks import FFN, Attention, softmax
from bnt.transformer.forward import Trace

Array = NDArray[np.float64]

READ = 1e-3  # attention weights above this are drawn
LINE = 0.27  # inches of one line of text
DASHES = ("-", (0, (4, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)))  # of the first, second, ... head
GENERAL = ("1 sum", "2 fetch", "3 gauge", "4 marginalise", "5 logarithm", "6 update")
CHANGED = 1e-9


# --- one layer of a compiled model ------------------------------------------------------------------------------------


def compiled_layer(model: CompiledModel, trace: Trace, *, heads: Sequence[str] = ("sum", "reverse")) -> Picture:
    """The first layer of a compiled model: on the left who reads whom, on the right what each unit of its FFN does.

    A line per head (colour and dashes) and pair of tokens; per unit what it reads, its activation, what it writes.

    trace: a forward pass with keep="trace". heads: what the heads of the attention sublayer are called. What a token
    reads of itself and of the sink is not drawn; it is in the table. Raises BntError unless the layer is an attention
    sublayer followed by an FFN, as the pairwise construction makes it.
    """
    layer = model.weights.layers[0]
    fits = len(layer) == 2 and isinstance(layer[0], Attention) and isinstance(layer[1], FFN)
    need(fits, "the picture is of one attention sublayer and one FFN: compile with construction='pairwise'")
    need(bool(trace.residual), 'who reads whom was not kept: run forward with keep="trace"')
    weights = trace.attention[0][0]
    assert weights is not None
    assert isinstance(layer[1], FFN)
    need(len(heads) == len(weights), f"there are {len(weights)} heads, but {len(heads)} names for them")
    tokens, units = token_names(model.graph, model.layout), ffn_units(layer[1], model.layout.column_names)
    height = LINE * max(len(tokens), len(units) + 1 + len(heads)) + 1.0
    figure, axes = blank(10.2, height)
    top = height - 0.85
    axes.text(0.1, height - 0.3, "attention: who reads whom", fontsize=12, weight="bold", color=INK)
    axes.text(1.25, top + 0.25, "is read", ha="right", fontsize=9, color=INK)
    axes.text(3.35, top + 0.25, "reads", fontsize=9, color=INK)
    rows: list[tuple[str, str, str]] = []
    for i, name in enumerate(tokens):
        axes.text(1.25, top - LINE * i, name, ha="right", va="center", fontsize=9, color=INK)
        axes.text(3.35, top - LINE * i, name, ha="left", va="center", fontsize=9, color=INK)
    for h, head in enumerate(heads):
        look: Look = {"color": SERIES[h % len(SERIES)], "ls": DASHES[h % len(DASHES)]}
        for reader, read in np.argwhere(weights[h] > READ):
            w = float(weights[h, reader, read])
            rows.append((f"head {head}: {tokens[reader]}", f"reads {tokens[read]}", number(w, 2)))
            if tokens[read] != "sink" and reader != read:
                ends = [top - LINE * read, top - LINE * reader]
                axes.plot([1.32, 3.28], ends, lw=0.6 + 1.6 * w, alpha=0.8, **look)
        y = top - LINE * (len(units) + 1 + h)
        axes.plot([5.2, 5.6], [y, y], lw=1.8, **look)
        axes.text(5.7, y, f"head “{head}”", va="center", fontsize=9, color=INK)
    axes.text(5.2, height - 0.3, f"FFN: its {len(units)} units", fontsize=12, weight="bold", color=INK)
    for at, text in ((5.2, "reads"), (8.0, "activation"), (9.1, "writes")):
        axes.text(at, top + 0.25, text, fontsize=9, color=INK)
    for k, (reads, activation, writes) in enumerate(units):
        y = top - LINE * k
        if k % 2 == 0:
            axes.add_patch(Rectangle((5.12, y - LINE / 2), 5.0, LINE, facecolor=PALE, alpha=0.6, edgecolor="none"))
        for at, text in ((5.2, reads), (8.0, activation), (9.1, writes)):
            axes.text(at, y, text, va="center", fontsize=9, color=INK)
        rows.append((f"unit {k + 1}: {activation}", f"of {reads}", writes))
    written = list(dict.fromkeys(writes.lstrip("+− ") for _, _, writes in units))
    *others, last = (f"{sum(u[2].lstrip('+− ') == column for u in units)} write {column}" for column in written)
    alt = (
        f"One compiled layer: attention with {len(heads)} heads over {len(tokens)} tokens, and an FFN of {len(units)} "
        f"units, of which {' and '.join(filter(None, (', '.join(others), last)))}."
    )
    return Picture(figure, alt, ("what", "of what", "how much"), rows)


def ffn_units(ffn: FFN, columns: Sequence[str]) -> list[tuple[str, str, str]]:
    """(what it reads, activation, what it writes) of each unit, in the names of the columns: "theta + s − m"."""
    return [
        (
            terms(dict(zip(columns, ffn.W_in[:, k], strict=True)), float(ffn.b_in[k])),
            ffn.activation,
            terms(dict(zip(columns, ffn.W_out[k], strict=True)), sign="+ "),
        )
        for k in range(ffn.W_in.shape[1])
    ]


def terms(coefficients: Mapping[str, float], constant: float = 0.0, sign: str = "") -> str:
    """ "theta + s − 2 m", largest names as they come; ``sign`` stands before a first term that is positive."""
    parts = [(name, float(c)) for name, c in coefficients.items() if c] + ([("", constant)] if constant else [])
    text = ""
    for name, c in parts:
        before = ("− " if c < 0 else sign) if not text else (" − " if c < 0 else " + ")
        size = f"{abs(c):g}" if abs(c) != 1 or not name else ""
        text += before + " ".join(filter(None, (size, name)))
    return text or "0"


# --- one sublayer after another ---------------------------------------------------------------------------------------


def sublayer_strip(model: CompiledModel, trace: Trace, layer: int, step: int) -> Picture:
    """The sublayers of layer ``layer`` (0 = the first) as a strip, and the stream after ``step`` of them as a heat map.

    Shown are the columns and tokens that the layer changes anywhere; framed what the last of these sublayers changed.
    trace: a forward pass with keep="trace". Raises BntError for a layer or a step that does not exist.
    """
    need(bool(trace.residual), 'the inside of a layer was not kept: run forward with keep="trace"')
    need(0 <= layer < trace.layers, f"there are {trace.layers} layers: choose 0..{trace.layers - 1}, not {layer}")
    streams = trace.residual[layer]
    count = len(streams) - 1
    need(0 <= step <= count, f"a layer has {count} sublayers: choose 0..{count}, not {step}")
    names = GENERAL if count == len(GENERAL) else _sublayer_names(model, layer)
    changed = [np.abs(after - before) > CHANGED for before, after in pairwise(streams)]
    touched = np.logical_or.reduce(changed)
    rows, columns = np.flatnonzero(touched.any(axis=1)), np.flatnonzero(touched.any(axis=0))
    all_tokens, all_columns = general_token_names(model), model.layout.column_names
    tokens, labels = [all_tokens[i] for i in rows], [all_columns[j] for j in columns]
    table = streams[step][np.ix_(rows, columns)]
    new = changed[step - 1][np.ix_(rows, columns)] if step else np.zeros_like(table, dtype=bool)
    most = max(float(np.abs(np.stack([s[np.ix_(rows, columns)] for s in streams])).max(initial=0)), 1e-9)
    figure = Figure(figsize=(max(7.4, 2.4 + 0.62 * len(labels)), 1.5 + 0.25 * len(tokens)), layout="constrained")
    parts = figure.subfigures(2, 1, height_ratios=(0.5, max(1.0, 0.25 * len(tokens))))
    strip, axes = (part.add_subplot() for part in np.ravel(np.asarray(parts)))
    strip.set(xlim=(0, count), ylim=(0, 1))
    strip.axis("off")
    for s, name in enumerate(names):
        now = s == step - 1
        box = FancyBboxPatch((s + 0.05, 0.2), 0.9, 0.6, boxstyle="round,pad=0,rounding_size=0.08", mutation_aspect=1.0)
        box.set(facecolor=TINT if s < step else "none", edgecolor=INK if now else RULE, linewidth=2.4 if now else 1.0)
        strip.add_patch(box)
        strip.text(s + 0.5, 0.5, name, ha="center", va="center", fontsize=9, color=INK)
    for (i, j), x in np.ndenumerate(table):
        corner = (j - 0.47, i - 0.43)
        axes.add_patch(Rectangle(corner, 0.94, 0.86, facecolor=PALE, alpha=0.5, edgecolor="none"))
        if abs(x) > CHANGED:
            shade = 0.1 + 0.5 * abs(x) / most
            axes.add_patch(
                Rectangle(corner, 0.94, 0.86, facecolor=BLUE if x > 0 else VERMILION, alpha=shade, edgecolor="none")
            )
            axes.text(j, i, number(x, 2).replace("-", "−"), ha="center", va="center", fontsize=9, color=INK)
        if new[i, j]:
            axes.add_patch(Rectangle(corner, 0.94, 0.86, facecolor="none", edgecolor=INK, lw=1.6))
    name_cells(axes, tokens, labels)
    wrote = ", ".join(labels[j] for j in range(len(labels)) if new[:, j].any()) or "nothing"
    said = f"after {names[step - 1]}, which changed {wrote}" if step else "before its first sublayer"
    alt = f"Layer {layer + 1} of {trace.layers} {said}: {len(tokens)} tokens by {len(labels)} columns."
    return Picture(
        figure, alt, ("token", *labels), [(t, *map(number, row)) for t, row in zip(tokens, table, strict=True)]
    )


def general_token_names(model: CompiledModel) -> list[str]:
    """``token_names``, and for the general construction its configurations, entries and states in words."""
    names = token_names(model.graph, model.layout)
    variables, reduced = model.graph.variables, {factor.index: factor for factor in model.reduced.factors}
    for i in range(model.layout.size):
        kind, *numbers = model.layout.label(i)
        at = [int(number) for number in numbers]
        if kind == "configuration":
            factor = reduced[at[0]]
            free = [variables[v] for v in factor.scope]
            if isinstance(factor, ReducedLeaves):
                states = factor.listed.states[at[1]].tolist()
            else:
                states = np.unravel_index(at[1], [v.cardinality for v in free])
            names[i] = ", ".join(f"{v.name} = {v.states[k]}" for v, k in zip(free, states, strict=True) if k != OPEN)
        elif kind == "entry":
            names[i] = f"to {variables[at[1]].name} = {variables[at[1]].states[at[2]]}"
        elif kind == "state":
            names[i] = f"belief in {variables[at[0]].name} = {variables[at[0]].states[at[1]]}"
    return names


def _sublayer_names(model: CompiledModel, layer: int) -> list[str]:
    parts = model.weights.layers[layer]
    return [f"{s + 1} {'attention' if isinstance(part, Attention) else 'FFN'}" for s, part in enumerate(parts)]


# --- attention as a factor graph --------------------------------------------------------------------------------------


def attention_graph(
    names: Sequence[str], keys: ArrayLike, values: ArrayLike, query: ArrayLike, temperature: float = 1.0
) -> Picture:
    """One attention head as a factor graph: which key A is meant, the query q that was seen, the value that is read.

    keys (n, k), values (n,), query (k,). Three named factors: the prior p(a) in proportion to exp(|k_a|^2 / (2 t)), the
    likelihood p(q | a) of a normal distribution around k_a with variance t in each direction, and the value v_a. The
    posterior of A is softmax(k_a . q / t), the attention weights, and its mean value is what attention returns.
    Raises BntError for a temperature that is not above 0, or shapes that do not fit.
    """
    k, v, q = (np.asarray(given, dtype=float) for given in (keys, values, query))
    fits = k.ndim == 2 and len(names) == len(k) == len(v) and k.shape[1:] == q.shape
    need(
        fits, f"one name, key and value each, of the query's length: got {len(names)}, {k.shape}, {v.shape}, {q.shape}"
    )
    need(temperature > 0, f"the temperature must be above 0, not {temperature}")
    prior = softmax((k**2).sum(axis=1) / (2 * temperature))
    likelihood = np.exp(-((k - q) ** 2).sum(axis=1) / (2 * temperature))
    posterior = prior * likelihood / (prior @ likelihood)
    figure, axes = blank(7.3, 2.4)
    at = {"A": (2.6, 1.5), "q": (5.4, 1.5), "v": (2.6, 0.4)}
    squares = [((0.9, 1.5), ["A"]), ((4.0, 1.5), ["A", "q"]), ((2.6, 0.95), ["A", "v"])]
    for (x, y), ends in squares:
        for end in ends:
            axes.plot([x, at[end][0]], [y, at[end][1]], color=RULE, lw=1.6, zorder=1)
        axes.plot(x, y, marker="s", ms=11, color=INK, zorder=3)
    for name, (x, y) in at.items():
        seen = name == "q"
        axes.plot(x, y, marker="o", ms=34, mfc=TINT if seen else PAPER, mec=INK, mew=2.4 if seen else 1.4, zorder=2)
        axes.text(x, y, name, ha="center", va="center", fontsize=11, color=INK, zorder=4)
    text: Look = {"fontsize": 9, "color": INK}
    axes.text(0.9, 1.85, "prior\np(a) ∝ exp(|k_a|² / 2t)", ha="center", **text)
    axes.text(4.0, 1.85, "likelihood p(q | a):\nnormal around k_a, variance t", ha="center", **text)
    axes.text(2.85, 0.95, "value v_a", va="center", **text)
    axes.text(5.75, 1.5, "the query, observed", va="center", **text)
    axes.text(2.3, 1.12, "which key?", ha="right", **text)
    mean = float(posterior @ v)
    axes.text(2.95, 0.4, f"attention returns its posterior mean, {number(mean, 2)}", va="center", **text)
    rows = [
        (name, number(a), number(b), number(c), number(d))
        for name, a, b, c, d in zip(names, prior, likelihood, posterior, v, strict=True)
    ]
    alt = (
        f"A factor graph of attention over {len(names)} keys: a prior and a likelihood of the observed query meet in "
        f"the variable A, which key is meant; a third factor reads its value; the posterior mean is {number(mean, 2)}."
    )
    header = ("key", "prior", "likelihood", "attention weight = posterior", "value")
    return Picture(figure, alt, header, rows)


def name_cells(axes: Axes, tokens: Sequence[str], columns: Sequence[str]) -> None:
    """Tokens to the left and columns above of a stream drawn cell by cell, the first token on top."""
    axes.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(tokens) - 0.5, -0.5))
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(tokens)), tokens)
    axes.xaxis.tick_top()
    axes.tick_params(length=0, labelsize=9, colors=INK)
    axes.spines[:].set_visible(False)
