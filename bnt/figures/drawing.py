"""Brush strokes for graphs: variables, factors, messages, probability bars. All positions and sizes in inches.

``add_artist``, not ``add_patch``: that would measure every curve for limits of the axes, which ``blank`` has set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle
from numpy.typing import ArrayLike, NDArray

from bnt.figures.picture import GREY, INK, ON_DARK, ON_LIGHT, PALE, SERIES, blank, short
from bnt.figures.placement import Places
from bnt.graph.factor_graph import Variable

Array = NDArray[np.float64]
Point = tuple[float, float]
Look = dict[str, Any]  # keywords of a matplotlib artist

PILL_HEIGHT, SQUARE = 0.44, 0.12  # height of a variable; half the side of a factor
BAR_ROW, BOX_WIDTH = 0.2, 1.5  # one state of a box in a network panel; width of that box


def probabilities(log_message: ArrayLike) -> Array:
    """exp(log_message), divided by its sum."""
    log = np.asarray(log_message, dtype=float)
    p = np.exp(log - log.max())
    return np.asarray(p / p.sum())


def strength(p: Array) -> float:
    """(max p - 1/k) / (1 - 1/k) for k states: 0 = uniform, 1 = one state is certain."""
    k = len(p)
    return float((p.max() - 1 / k) / (1 - 1 / k)) if k > 1 else 1.0


def is_uniform(p: Array) -> bool:
    """Uniform within 1e-9."""
    return strength(p) < 1e-9


def in_words(variable: Variable, p: Array) -> str:
    """The favoured state and its probability, ``yes: .73``, or ``uniform``."""
    return "uniform" if is_uniform(p) else f"{variable.states[int(np.argmax(p))]}: {short(float(p.max()))}"


def colour(p: Array) -> str:
    """The colour of the favoured state; grey for uniform."""
    return GREY if is_uniform(p) else SERIES[int(np.argmax(p)) % len(SERIES)]


def canvas(places: Places, column: float, row: float, title: str, margin: Point) -> tuple[Figure, Axes, Places]:
    """A figure around these grid positions with room for the title; its axes and the returned places are in inches."""
    xs, ys = [x for x, _ in places.values()] or [0.0], [y for _, y in places.values()] or [0.0]
    inner = (max(xs) - min(xs)) * column
    width = max(inner + 2 * margin[0], 0.088 * len(title) + 0.3)
    height = (max(ys) - min(ys)) * row + 2 * margin[1] + (0.35 if title else 0.0)
    figure, axes = blank(width, height)
    axes.text(0.12, height - 0.12, title, ha="left", va="top", fontsize=11, color=INK)
    left = (width - inner) / 2
    inches = {n: ((x - min(xs)) * column + left, (y - min(ys)) * row + margin[1]) for n, (x, y) in places.items()}
    return figure, axes, inches


def half_size(name: str) -> Point:
    """Half the width and height of a variable's rounded box."""
    return max(0.36, 0.05 * len(name) + 0.12), PILL_HEIGHT / 2


def draw_factor(axes: Axes, at: Point) -> None:
    """A factor: a black square."""
    axes.add_artist(Rectangle((at[0] - SQUARE, at[1] - SQUARE), 2 * SQUARE, 2 * SQUARE, color=INK, zorder=4))


def draw_variable(axes: Axes, at: Point, variable: Variable, p: Array | None, observed: bool) -> None:
    """A variable: a rounded box with its name and belief, tinted by the belief, in a double frame if observed."""
    half = half_size(variable.name)[0]
    if observed:
        _box(axes, at, half, 0.06, fc="white", ec=INK, lw=1.2, zorder=4)
    draw_pill(axes, at, half, variable.name, "" if p is None else in_words(variable, p))
    if p is not None and not is_uniform(p):
        _box(axes, at, half, 0.0, fc=colour(p), ec="none", alpha=0.08 + 0.3 * strength(p), zorder=5)


def draw_pill(axes: Axes, at: Point, half: float, name: str, line: str) -> None:
    """A rounded box of this half width with a name and, below it, a line of smaller words, or none."""
    x, y = at
    text: Look = {"ha": "center", "va": "center", "color": INK, "zorder": 6}
    _box(axes, at, half, 0.0, fc="white", ec=INK, lw=1.2, zorder=4)
    axes.text(x, y + (0.08 if line else 0), name, fontsize=10, **text)
    axes.text(x, y - 0.1, line, fontsize=8, **text)


def _box(axes: Axes, at: Point, half: float, grow: float, **look: Any) -> None:
    (x, y), h = at, PILL_HEIGHT / 2 + grow
    shape = f"round,pad=0,rounding_size={h}"
    axes.add_artist(FancyBboxPatch((x - half - grow, y - h), 2 * (half + grow), 2 * h, boxstyle=shape, **look))


class End(NamedTuple):
    """One end of a message: where its box is, half the box's size, and how many edges meet there."""

    at: Point
    half: Point
    degree: int


def draw_message(axes: Axes, start: End, end: End, p: Array, text: str) -> None:
    """An arrow beside the edge, each direction on its own side; colour, width and the words on it are the numbers."""
    a, b = np.array(start.at), np.array(end.at)
    along = (b - a) / np.linalg.norm(b - a)
    side = np.array([-along[1], along[0]])
    a = a + along * (_to_border(along, start.half) + 0.05) + side * 0.1
    b = b - along * (_to_border(along, end.half) + 0.05) + side * 0.1
    width = 1.0 + 4.5 * strength(p)
    look: Look = {"arrowstyle": "-|>", "mutation_scale": 8 + 1.6 * width, "shrinkA": 0, "shrinkB": 0}
    axes.add_artist(FancyArrowPatch(a, b, lw=width, color=colour(p), zorder=3, **look))
    if not is_uniform(p):
        share = 0.5 + 0.14 * float(np.sign(start.degree - end.degree))  # words stand away from the crowded end
        x, y = a + share * (b - a) + side * (0.13 + 0.17 * abs(side[0]))
        card = {"fc": "white", "ec": "none", "pad": 0.6, "alpha": 0.85}
        axes.text(x, y, text, ha="center", va="center", fontsize=8, color=INK, zorder=7, bbox=card)


def _to_border(along: Array, half: Point) -> float:
    """Distance from the centre of a box to its border in this direction."""
    return float(min(h / abs(c) for c, h in zip(along, half, strict=True) if abs(c) > 1e-9))


def draw_arc(axes: Axes, parent: Point, child: Point, height: float) -> None:
    """An arc of a Bayesian network between two boxes of this height."""
    start = parent[0], parent[1] - height / 2
    end = child[0] + 0.15 * float(np.sign(parent[0] - child[0])), child[1] + height / 2
    axes.add_artist(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=13, color=GREY, lw=1.3, zorder=1))


def draw_bars(
    axes: Axes, at: Point, height: float, variable: Variable, p: Array, old: Array | None, known: bool
) -> None:
    """A box with one bar per state; a black tick marks the probability before; a thick frame: observed."""
    x, y = at[0] - BOX_WIDTH / 2, at[1] - height / 2
    frame: Look = {"boxstyle": "round,pad=0,rounding_size=0.06", "fc": "white", "ec": INK, "lw": 2.6 if known else 1.0}
    axes.add_artist(FancyBboxPatch((x, y), BOX_WIDTH, height, zorder=3, **frame))
    ink: Look = {"va": "center", "color": INK, "zorder": 5}
    weight = "bold" if known else "normal"
    axes.text(at[0], y + height - 0.14, variable.name, ha="center", fontsize=10, weight=weight, **ink)
    left, full = x + 0.45, BOX_WIDTH - 0.87
    for k, state in enumerate(variable.states):
        middle = y + height - 0.36 - BAR_ROW * k
        axes.text(left - 0.05, middle, state[:6], ha="right", fontsize=8, **ink)
        axes.add_artist(Rectangle((left, middle - 0.065), full, 0.13, fc=PALE, ec="none", zorder=4))
        axes.add_artist(Rectangle((left, middle - 0.065), full * p[k], 0.13, fc=SERIES[k % len(SERIES)], zorder=5))
        if old is not None:
            mark = Line2D([left + full * old[k]] * 2, [middle - 0.09, middle + 0.09], color=INK, lw=1.6, zorder=6)
            axes.add_artist(mark)
        axes.text(left + full + 0.05, middle, short(float(p[k])), ha="left", fontsize=8, **ink)


def write_cells(axes: Axes, shade: Array, text: Sequence[Sequence[str]], white_from: float) -> None:
    """Text in each cell of a heatmap, white on dark cells, in any theme."""
    for (i, j), value in np.ndenumerate(shade):
        ink = ON_DARK if abs(value) > white_from else ON_LIGHT
        axes.text(j, i, text[i][j], ha="center", va="center", fontsize=8, color=ink)


def colour_bar(axes: Axes, colours: str, limits: tuple[float, float], ticks: Mapping[float, str], label: str) -> None:
    """A strip beside a heatmap: which shade means what, from the lowest of ``ticks`` (shade: what it says) up."""
    low, high = min(ticks), max(ticks)
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    bar = axes.inset_axes((1 + 0.12 / figure.get_figwidth(), 0, 0.2 / figure.get_figwidth(), 1))
    strip = np.linspace(high, low, 64)[:, None]
    bar.imshow(strip, cmap=colours, vmin=limits[0], vmax=limits[1], extent=(0, 1, low, high), aspect="auto")
    bar.set_xticks([])
    bar.yaxis.tick_right()
    bar.yaxis.set_label_position("right")
    bar.set_yticks(list(ticks), list(ticks.values()))
    bar.set_ylabel(label, fontsize=9, color=INK)
    bar.spines[:].set_visible(False)
    bar.tick_params(length=2, labelsize=9, colors=INK)


def name_cells(axes: Axes, rows: Sequence[str], columns: Sequence[str]) -> None:
    """Names at the left and on top of a heatmap, thin lines between its cells."""
    slanted = max((len(name) for name in columns), default=0) > 5
    turn: Look = {"rotation": 50, "ha": "left", "rotation_mode": "anchor"} if slanted else {}
    axes.set_yticks(range(len(rows)), list(rows))
    axes.set_xticks(range(len(columns)), list(columns), **turn)
    axes.xaxis.tick_top()
    axes.spines[:].set_visible(False)
    axes.set_xticks(np.arange(len(columns) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(rows) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="#d9d9d9", lw=0.7)
    axes.tick_params(which="both", length=0, labelsize=9)
