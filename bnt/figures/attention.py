"""Pictures of weights: who a query stands for and which key it selects; the tree behind a layer; singular values."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike, NDArray

from bnt.figures import drawing
from bnt.figures.drawing import Look, Point
from bnt.figures.picture import BLUE, GREY, INK, MARKERS, PALE, SERIES, VERMILION, Picture, chart, number, short
from bnt.graph.factor_graph import Factor, FactorGraph, Variable
from bnt.inference.belief_propagation import run_bp

Array = NDArray[np.float64]

# --- attention in the plane -------------------------------------------------------------------------------------------

SIDE, BARS = 2.61, 2.75  # inches: height and width of the plane, width of the bars beside it
DIRECTIONS = 3600  # how finely ``outline`` turns the query


def alignment(
    names: Sequence[str], keys: ArrayLike, query: ArrayLike, prior: ArrayLike, posterior: ArrayLike, *, title: str = ""
) -> Picture:
    """Left: keys (n, 2) and the query (2,) in the plane, disc area = posterior. Right: posterior bars, prior ticks.

    Every part has a place of its own, so that none moves while a slider does.
    """
    points, q = np.asarray(keys, dtype=float), np.asarray(query, dtype=float)
    before, after = np.asarray(prior, dtype=float), np.asarray(posterior, dtype=float)
    start = 3.8 + 0.08 * max(map(len, names))  # inches, of the bars
    figure = Figure(figsize=(start + BARS + 0.41, SIDE + 0.69))
    plane, bars = _place(figure, 0.52, 0.41, SIDE, SIDE), _place(figure, start, 0.41, BARS, SIDE)
    for point, p in zip(points, after, strict=True):
        plane.plot(*zip(q, point, strict=True), color=BLUE, lw=0.4 + 5 * p, alpha=0.35, zorder=1)
    plane.scatter(points[:, 0], points[:, 1], s=40 + 900 * after, color=BLUE, alpha=0.85, lw=0, zorder=2)
    plane.scatter(q[0], q[1], s=110, marker="X", color=VERMILION, ec="white", zorder=4)
    plane.annotate(
        "query", (q[0], q[1]), (0, -16), textcoords="offset points", color=VERMILION, fontsize=9, ha="center"
    )
    for name, (x, y) in zip(names, points, strict=True):
        plane.annotate(name, (x, y), (0, 17), textcoords="offset points", color=INK, fontsize=9, ha="center")
    _square(plane, np.vstack([points, q[None]]))
    bars.set(xlim=(0, 1), ylim=(len(names) - 0.45, -0.55), xlabel="probability (tick: before the query)")
    for row, (p, old) in enumerate(zip(after, before, strict=True)):
        for share, colour in ((1.0, PALE), (float(p), BLUE)):
            bars.add_artist(Rectangle((0, row - 0.25), share, 0.5, color=colour, lw=0))
        bars.add_artist(Line2D([old, old], [row - 0.36, row + 0.36], color=INK, lw=1.8))
        bars.text(1.02, row, short(float(p)), va="center", fontsize=9, color=INK)
    bars.set_xticks([0, 0.2, 0.4, 0.6, 0.8, 1])
    bars.set_yticks(range(len(names)), list(names))
    bars.spines[:].set_visible(False)
    bars.tick_params(length=0, labelsize=9)
    figure.suptitle(title, x=0.01, y=0.987, ha="left", fontsize=11)
    distance = np.linalg.norm(points - q, axis=1)
    table = [
        (name, number(d, 2), number(b), number(p)) for name, d, b, p in zip(names, distance, before, after, strict=True)
    ]
    alt = f"{title or 'Attention as a posterior'}: {len(names)} keys in the plane around one query."
    return Picture(figure, alt, ("key", "distance to query", "prior", "posterior"), table)


def _place(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Axes at this place, in inches."""
    across, up = figure.get_size_inches()
    return figure.add_axes((left / across, bottom / up, width / across, height / up))


def outline(keys: ArrayLike) -> list[int]:
    """Keys (n, 2) that win alone for some direction of the query (to within 0.1 degree), going once around."""
    angle = np.linspace(0, 2 * np.pi, DIRECTIONS, endpoint=False)
    scores = np.stack([np.cos(angle), np.sin(angle)], axis=1) @ np.asarray(keys, dtype=float).T  # (directions, n)
    best = np.sort(scores, axis=1)
    alone = best[:, -1] - best[:, -2] > 1e-9
    return list(dict.fromkeys(np.argmax(scores, axis=1)[alone].tolist()))


def routing_plane(names: Sequence[str], keys: ArrayLike, query: ArrayLike, *, title: str = "") -> Picture:
    """Keys (n, 2), the query (2,) as an arrow; the strip between the best score and the next one is the gap.

    The thin outline joins the keys that win for some query; those inside it (hollow) never do.
    """
    points, q = np.asarray(keys, dtype=float), np.asarray(query, dtype=float)
    scores = points @ q
    order = np.argsort(-scores, kind="stable")
    around = outline(points)
    figure = Figure(figsize=(4.6, 4.3), layout="constrained")
    axes = figure.add_subplot()
    unit, reach = q / np.linalg.norm(q), 1.3 * float(np.ptp(points, axis=0).max())
    _square(axes, np.vstack([points, np.zeros((1, 2)), unit[None] * reach * 0.36]))
    across = np.array([-unit[1], unit[0]]) * 2 * reach
    lines = [unit * scores[order[i]] / np.linalg.norm(q) for i in (0, 1)]
    strip = np.array([lines[0] + across, lines[0] - across, lines[1] - across, lines[1] + across])
    axes.fill(*strip.T, color=VERMILION, alpha=0.14, lw=0, zorder=0)
    for line in lines:
        axes.plot(*np.array([line + across, line - across]).T, color=VERMILION, lw=1, ls=(0, (4, 3)), zorder=1)
    axes.plot(*points[[*around, around[0]]].T, color=GREY, lw=1, zorder=1)
    axes.annotate("", unit * reach * 0.3, (0, 0), arrowprops={"arrowstyle": "-|>", "color": VERMILION, "lw": 2.2})
    axes.annotate("query", unit * reach * 0.36, color=VERMILION, fontsize=9, ha="center", va="center")
    for k, (name, point) in enumerate(zip(names, points, strict=True)):
        wins = k == order[0] and scores[order[0]] - scores[order[1]] > 1e-9
        face = VERMILION if wins else BLUE if k in around else "white"
        axes.scatter(point[0], point[1], s=190 if wins else 110, color=face, ec=INK, lw=1.2, zorder=3)
        axes.annotate(name, point, (0, 11), textcoords="offset points", ha="center", fontsize=9, color=INK, zorder=4)
    axes.set_title(title, loc="left", fontsize=11)
    rows = [
        (names[k], number(scores[k], 2), "yes" if k in around else "no", number(scores[order[0]] - scores[k], 2))
        for k in order
    ]
    alt = f"{title or 'Routing in the plane'}: {len(names)} keys, a query as an arrow, the gap as a strip."
    return Picture(figure, alt, ("key", "score", "can win", "behind the best by"), rows)


def _square(axes: Axes, points: Array) -> None:
    """Equal scales and room around the points, no frame."""
    middle = (points.max(axis=0) + points.min(axis=0)) / 2
    half = float((points.max(axis=0) - points.min(axis=0)).max()) / 2 * 1.35
    axes.set(xlim=(middle[0] - half, middle[0] + half), ylim=(middle[1] - half, middle[1] + half), aspect="equal")
    axes.spines[:].set_visible(False)
    look: Look = {"color": PALE, "lw": 1, "zorder": 0}
    axes.axhline(0, **look)
    axes.axvline(0, **look)
    axes.set_xticks([])
    axes.set_yticks([])


# --- weights read back ------------------------------------------------------------------------------------------------

COLUMN, ROW = 2.3, 0.56  # inches between a variable and those below it; between leaves


def implicit_tree(graph: FactorGraph, *, title: str = "") -> Picture:
    """A tree from ``ImplicitGraph.graph``, root on the right. Boxes show the prior of a leaf, the belief of the root.

    Edges into an alignment variable are as wide as its attention weight; "=" and "not" mark [s = y] and [s != y].
    """
    names = [variable.name for variable in graph.variables]
    depth = {name: name.count("/") for name in names}
    places = _places(names, max(depth.values()))
    prior = {f.variables[0].name: _prior(f) for f in graph.factors if len(f.variables) == 1}
    belief = run_bp(graph).beliefs.vector(names[0])
    height = max(y for _, y in places.values()) + 0.75
    figure, axes, at = drawing.canvas(places, 1.0, 1.0, title, margin=(0.75, 0.4))
    rows = [("y", "belief", f"P(1) = {number(belief[1])}")]
    for name in names[1:]:
        above, _, last = name.rpartition("/")
        start, end = at[name], at[above]
        weight = 2 * prior[above][2 * _seen(graph, above, last)] if last.startswith("token") else 0.2
        axes.plot(*zip(start, end, strict=True), color=GREY, lw=0.6 + 6 * weight, alpha=0.55, zorder=1)
        middle = 0.5 * (start[0] + end[0]), 0.5 * (start[1] + end[1])
        if last.startswith("token"):
            text, colour = short(float(weight)), INK
            rows.append((_label(above), f"looks at {_label(name)}", number(weight)))
        else:
            same = _link(graph, name, above)
            text, colour = ("=", BLUE) if same else ("not", VERMILION)
            rows.append((_label(name), "joined to y", "equal" if same else "opposite"))
        card = {"fc": "white", "ec": "none", "pad": 0.8, "alpha": 0.9}
        axes.text(*middle, text, color=colour, ha="center", va="center", fontsize=9, zorder=3, bbox=card)
        if name in prior and not last.startswith("head"):
            rows.append((f"{_label(name)} of {_label(above)}", "prior", f"P(1) = {number(prior[name][1])}"))
    for variable in graph.variables:
        leaf = variable.cardinality == 2 and variable.name != "y"
        shown = belief if variable.name == "y" else prior.get(variable.name) if leaf else None
        states = variable.states if leaf or variable.name == "y" else ("0", "1")
        drawing.draw_variable(axes, at[variable.name], Variable(_label(variable.name), states), shown, False)
    figure.set_figheight(max(height, figure.get_figheight()))
    alt = f"{title or 'Implicit graph'}: a tree of {len(names)} variables, root y with P(1) = {number(belief[1])}."
    return Picture(figure, alt, ("where", "what", "value"), rows)


def spectrum(values: Mapping[str, ArrayLike], *, threshold: float, title: str = "") -> Picture:
    """Singular values by name, divided by the largest of each; those below ``threshold`` count as zero: hollow."""
    figure, (axes,) = chart(6.6, 3.3)
    rows = []
    floor = 0.003 * threshold  # where zeros are drawn: what rounding left of them says nothing, so it gets no scale
    for k, (name, given) in enumerate(values.items()):
        raw = np.sort(np.asarray(given, dtype=float))[::-1]
        relative = raw / raw[0]
        rank = int((relative > threshold).sum())
        height = np.where(relative > threshold, relative, floor * 4**k)
        index, colour = np.arange(1, len(raw) + 1), SERIES[k % 6]
        axes.plot(index[:rank], height[:rank], MARKERS[k % 6], color=colour, ms=5, label=f"{name}: rank {rank}")
        axes.plot(index[rank:], height[rank:], MARKERS[k % 6], color=colour, ms=5, mfc="white")
        rows.append((name, rank, len(raw) - rank, f"{relative[rank - 1]:.1e}"))
    axes.axhline(threshold, color=GREY, lw=1.1, ls=(0, (4, 3)))
    words = f"counts as zero below {threshold:.0e}"
    axes.annotate(words, (1, threshold), (0, 5), textcoords="offset points", color=GREY, fontsize=9)
    axes.set(yscale="log", xlabel="singular value number", ylabel="size, relative to the first")
    powers = np.arange(0, np.log10(threshold) - 0.5, -2)
    axes.set_yticks([*10.0**powers, floor], [*(f"1e{power:+03.0f}" for power in powers), "zero"])
    axes.minorticks_off()
    axes.legend(frameon=False, fontsize=9, loc="lower left")
    axes.set_title(title, loc="left", fontsize=11)
    alt = f"{title or 'Singular values'}: " + "; ".join(f"{row[0]}, rank {row[1]}" for row in rows) + "."
    return Picture(figure, alt, ("matrix", "rank", "zero directions", "smallest that is not zero"), rows)


def _places(names: list[str], deepest: int) -> dict[str, Point]:
    """Inches: leaves in rows of their own, everything else in the middle of what hangs from it."""
    places: dict[str, Point] = {}
    leaves = [name for name in names if not any(other.startswith(name + "/") for other in names)]
    for name in sorted(names, key=lambda name: -name.count("/")):
        below = [places[other][1] for other in names if other.rpartition("/")[0] == name]
        y = sum(below) / len(below) if below else ROW * (len(leaves) - 1 - leaves.index(name))
        places[name] = COLUMN * (deepest - name.count("/")), y
    return places


def _label(name: str) -> str:
    """Of the last part: "own", "head 0", "token 2"; copies of one head after the first count on: "head 0 (2)"."""
    kind, first, copy = re.match(r"([a-z]+)(\d*)\.?(\d*)$", name.rpartition("/")[2]).groups()  # type: ignore[union-attr]
    if kind == "own":
        return "own copy"
    return " ".join(part for part in (kind, first, f"({int(copy) + 1})" if copy not in ("", "0") else "") if part)


def _prior(factor: Factor) -> Array:
    return drawing.probabilities(factor.log_table)


def _seen(graph: FactorGraph, alignment: str, token: str) -> int:
    """Position of a token among those that an alignment variable may look at."""
    return list(graph.variable(alignment).states).index(f"{token} says 0") // 2


def _link(graph: FactorGraph, name: str, above: str) -> bool:
    """Whether the table between two neighbours is [s = y], not [s != y]."""
    (factor,) = (f for f in graph.factors if [v.name for v in f.variables] in ([name, above], [above, name]))
    return bool(factor.log_table[0, 0] > factor.log_table[0, 1])
