"""Belief propagation and the compiled transformer, one computation seen twice: a round beside its layer."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle, Wedge
from numpy.typing import NDArray

from bnt.compiler.model import CompiledModel
from bnt.figures.compiled import name_cells
from bnt.figures.drawing import Look, probabilities
from bnt.figures.graphs import token_names
from bnt.figures.picture import BLUE, GREEN, GREY, INK, PALE, PAPER, PURPLE, RULE, VERMILION, Picture, number, short
from bnt.figures.placement import place_graph
from bnt.graph.beliefs import Beliefs
from bnt.graph.factor_graph import FactorGraph
from bnt.inference.result import BPResult
from bnt.transformer.forward import Trace

Array = NDArray[np.float64]

COLUMNS = ("theta", "a", "c", "d", "s", "m", "belief")  # of the pairwise construction, in the order of the picture
RING, WIDTH, ROW = 0.28, 0.075, 1.2  # radius of a variable, width of its ring, a row of the grid: in columns
FULL = 3.0  # log odds at which a cell has its full colour


def split_factors(graph: FactorGraph) -> list[int]:
    """The factors over two variables: those that send messages between variables."""
    return [f for f, scope in enumerate(graph.scopes) if len(scope) == 2]


def one_clock(model: CompiledModel, trace: Trace, run: BPResult, exact: Beliefs, step: int) -> Picture:
    """Round ``step`` on the graph, layer ``step`` in the residual stream, and both answers beside the exact one.

    model: compiled from a graph of binary variables and factors over two of them (the pairwise construction); trace:
    its forward pass; run: belief propagation with its history. Rings show P(second state), lines the messages, wider
    the further from uniform; blue favours the second state, orange the first. The answers have colours of their own.
    A layer reads the messages of the round before, so the transformer's answer lags by one. The stream is that after
    the layer, where s is cleared again.
    """
    graph, names = model.graph, list(model.graph.index)
    second = graph.variables[0].states[1]
    beliefs, read = run.beliefs_after(min(step, run.rounds)), model.beliefs(trace, layer=step)
    figure = Figure(figsize=(10.4, 6.9), layout="constrained")
    grid = figure.add_gridspec(2, 2, height_ratios=(5, 2))
    tree, stream = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[0, 1])
    _draw_tree(tree, graph, run, min(step, run.rounds), beliefs)
    tree.set_title(f"Belief propagation, round {min(step, run.rounds)}", loc="left", fontsize=12, weight="bold")
    _draw_stream(stream, model, trace.after_layer(step))
    stream.set_title(f"Compiled transformer, layer {step}", loc="left", fontsize=12, weight="bold", pad=24)
    _draw_answers(figure.add_subplot(grid[1, :]), graph, beliefs, read, exact)
    rows = [(n, number(beliefs[n][second]), number(read[n][second]), number(exact[n][second])) for n in names]
    alt = (
        f"A tree of {len(names)} variables with the messages of round {step} of belief propagation; beside it the "
        f"residual stream of the compiled transformer after layer {step}; below, P({second}) by both and exactly."
    )
    return Picture(figure, alt, ("variable", f"round {step}", f"layer {step}", "exact"), rows)


def _tint(axes: Axes, patch: Rectangle | FancyBboxPatch, p: float) -> None:
    """Fill a patch by a probability: blue above one half, orange below, fainter the nearer."""
    patch.set(facecolor=BLUE if p > 0.5 else VERMILION, alpha=0.62 * abs(2 * p - 1), edgecolor="none")
    axes.add_patch(patch)


def _draw_tree(axes: Axes, graph: FactorGraph, run: BPResult, step: int, beliefs: Beliefs) -> None:
    names, known = list(graph.index), run.messages_after(step)
    scopes = {f: [names[i] for i in graph.scopes[f]] for f in split_factors(graph)}
    grid = place_graph(names, [(a, b) for a, b in scopes.values()])
    places = {n: np.array((x, ROW * y)) for n, (x, y) in grid.items()}
    for f, scope in scopes.items():
        middle = (places[scope[0]] + places[scope[1]]) / 2
        axes.plot(*zip(places[scope[0]], places[scope[1]], strict=True), color=RULE, lw=1.2, zorder=1)
        for name in scope:
            if (f, name) in known:
                p = probabilities(known[f, name])[1]
                end = places[name] + (middle - places[name]) / np.linalg.norm(middle - places[name]) * RING
                width = 9 * abs(2 * p - 1)
                axes.plot(*zip(middle, end, strict=True), color=BLUE if p > 0.5 else VERMILION, lw=width, alpha=0.55)
        axes.plot(*middle, marker="s", ms=8, color=INK, zorder=4)
    for name, (x, y) in places.items():
        p = float(beliefs.vector(name)[1])
        axes.add_patch(Wedge((x, y), RING + 0.04, 0, 360, facecolor=PAPER, edgecolor="none", zorder=2))
        axes.add_patch(Wedge((x, y), RING, 90 - 360 * p, 90, width=WIDTH, facecolor=BLUE, edgecolor="none", zorder=3))
        axes.add_patch(
            Wedge((x, y), RING, 90, 450 - 360 * p, width=WIDTH, facecolor=VERMILION, edgecolor="none", zorder=3)
        )
        if name in {graph.variables[i].name for i in run.reduced.evidence.hard}:
            axes.add_patch(Wedge((x, y), RING + 0.05, 0, 360, width=0.02, facecolor=INK, edgecolor="none", zorder=3))
        axes.text(x, y + 0.05, name, ha="center", va="center", fontsize=9, weight="bold", color=INK, zorder=5)
        axes.text(x, y - 0.07, short(p), ha="center", va="center", fontsize=9, color=INK, zorder=5)
    axes.set_aspect("equal")
    axes.set_anchor("N")
    axes.margins(0.02)
    axes.axis("off")


def _draw_stream(axes: Axes, model: CompiledModel, stream: Array) -> None:
    tokens = token_names(model.graph, model.layout)
    columns = [model.layout.position(name) for name in COLUMNS]
    for i, row in enumerate(stream[:, columns]):
        for j, x in enumerate(row):
            box = (j - 0.47, i - 0.43)
            axes.add_patch(Rectangle(box, 0.94, 0.86, facecolor=PALE, edgecolor="none", alpha=0.6))
            if abs(x) >= 0.005:
                _tint(axes, Rectangle(box, 0.94, 0.86), 1 / (1 + np.exp(-2 * x / FULL)))
                axes.text(j, i, number(x, 2).replace("-", "−"), ha="center", va="center", fontsize=8, color=INK)
    name_cells(axes, tokens, COLUMNS)


def _draw_answers(axes: Axes, graph: FactorGraph, beliefs: Beliefs, read: Beliefs, exact: Beliefs) -> None:
    names, second = list(graph.index), graph.variables[0].states[1]
    rows = np.arange(len(names))
    axes.hlines(rows, 0, 1, color=PALE, lw=5, zorder=0)
    series: list[tuple[str, Beliefs, Look]] = [
        ("exact", exact, {"marker": "|", "ms": 15, "mew": 3, "color": INK}),
        ("belief propagation", beliefs, {"marker": "o", "ms": 7, "color": GREEN}),
        ("transformer (one layer behind)", read, {"marker": "o", "ms": 11, "mfc": "none", "mew": 2, "mec": PURPLE}),
    ]
    for label, found, look in series:
        axes.plot([found[name][second] for name in names], rows, ls="", label=label, **look)
    for row, name in enumerate(names):
        axes.text(1.02, row, number(exact[name][second]), va="center", fontsize=9, color=INK)
    axes.set(xlim=(0, 1), ylim=(len(names) - 0.4, -0.6))
    axes.set_yticks(rows, names)
    axes.set_title(f"P({second})", loc="left", fontsize=10)
    axes.legend(frameon=False, fontsize=9, ncols=3, loc="lower right", bbox_to_anchor=(1, 1), labelcolor=INK)
    axes.tick_params(length=0, labelsize=9, colors=INK)
    axes.spines[:].set_visible(False)
    axes.axvline(0.5, color=GREY, lw=0.8, ls=":", zorder=0)
