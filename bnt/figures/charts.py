"""Pictures with axes: functions of one number, evidence on a ruler, a round as a map, the reach of evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator
from numpy.typing import ArrayLike, NDArray

from bnt.compiler.verify import TOLERANCE, Report
from bnt.display import counted
from bnt.figures import drawing
from bnt.figures.drawing import Look
from bnt.figures.picture import (
    BLUE,
    GREY,
    INK,
    MARKERS,
    PALE,
    PURPLE,
    SERIES,
    VERMILION,
    Picture,
    chart,
    entitle,
    number,
    short,
)
from bnt.figures.placement import spread_labels
from bnt.odds import decibans, logit, sigmoid

Array = NDArray[np.float64]

# --- functions of one number ------------------------------------------------------------------------------------------

TABLE_ROWS = 9  # of the text twin: so many places, evenly spread
MOST_TICKS = 10  # on a logarithmic axis


def curves(
    x: ArrayLike,
    lines: Mapping[str, ArrayLike],
    *,
    xlabel: str,
    ylabel: str,
    log: bool = False,
    marks: Mapping[str, float] | None = None,
    title: str = "",
    says: str = "",
) -> Picture:
    """One line per name over x, the name at its end; ``log``: both axes logarithmic; ``marks``: dashed heights.

    says: what one sees, for the alt text.
    """
    across = np.asarray(x, dtype=float)
    heights = {name: np.asarray(y, dtype=float) for name, y in lines.items()}
    figure, (axes,) = chart(6.6, 3.4)
    for k, (name, y) in enumerate(heights.items()):
        dots = max(1, len(across) // 8)
        look: Look = {"color": SERIES[k % 6], "marker": MARKERS[k % 6], "ms": 4.5, "lw": 1.9, "clip_on": False}
        axes.plot(across, y, markevery=dots, label=name, **look)
    for name, height in (marks or {}).items():
        axes.axhline(height, color=GREY, lw=1.1, ls=(0, (4, 3)), zorder=0)
        axes.annotate(name, (across[0], height), (2, 3), textcoords="offset points", color=GREY, fontsize=9)
    if log:
        axes.set(xscale="log", yscale="log")
    axes.set(xlim=(across[0], across[-1]), xlabel=xlabel, ylabel=ylabel)
    low, high = axes.get_ylim()
    if log:
        _write_ticks(axes.xaxis, across)
        _write_ticks(axes.yaxis, np.array([low, high]))
    scale = np.log10 if log else np.asarray
    place = [(float(scale(y[-1])) - scale(low)) / (scale(high) - scale(low)) for y in heights.values()]
    for k, (name, end) in enumerate(zip(heights, spread_labels(place, 0.075), strict=True)):
        axes.annotate(name, (1.02, end), xycoords="axes fraction", color=SERIES[k % 6], fontsize=9, va="center")
    entitle(axes, title)
    chosen = np.unique(np.linspace(0, len(across) - 1, min(TABLE_ROWS, len(across))).round().astype(int))
    rows = [[_plain(v) for v in (across[i], *(y[i] for y in heights.values()))] for i in chosen]
    also = "".join(f"; dashed: {name}" for name in marks or ()) + (says and f"; {says}")
    return Picture(figure, f"{title or ylabel}: {', '.join(heights)} against {xlabel}{also}.", (xlabel, *heights), rows)


def _write_ticks(axis: Axis, values: np.ndarray) -> None:
    """Numbers along a logarithmic axis: the values themselves if they are few, else decades or 1, 2, 5 of each."""
    low, high = values.min(), values.max()
    if 2 < len(values) <= MOST_TICKS:
        axis.set_major_locator(FixedLocator(values.tolist()))
    else:
        subs = (1.0, 2.0, 5.0) if high / low < 10 ** (MOST_TICKS / 3) else (1.0,)
        axis.set_major_locator(LogLocator(subs=subs, numticks=MOST_TICKS + 2))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(
        FuncFormatter(lambda value, _: f"{value:,.9g}" if value >= 1e-4 else f"{value:.0e}".replace("e-0", "e-"))
    )


def _plain(value: float) -> str:
    """Four significant digits, whatever the size; never "-0"."""
    return f"{round(value, 12) + 0.0 if abs(value) < 1e3 and abs(value) > 1e-6 else value + 0.0:.4g}"


# --- evidence that adds -----------------------------------------------------------------------------------------------

DECIBAN = decibans(1.0)  # decibans per unit of natural log odds
RULER = 32.0  # decibans that the ruler shows to either side of even odds, at least
LABELLED = (0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999)  # probabilities written along the top


def ruler(steps: Mapping[str, float], *, truth: float | None = None, title: str = "") -> Picture:
    """One arrow per entry of ``steps`` (name -> weight in decibans), each starting where the one above ends.

    The first is the prior and starts at even odds. ``truth``: log odds in decibans to compare with, a diamond below.
    """
    names, weights = list(steps), np.array(list(steps.values()), dtype=float)
    ends = np.cumsum(weights)
    total, starts = float(ends[-1]), ends - weights
    most = max(RULER, 1.3 * float(np.abs(ends).max()), 1.3 * abs(truth or 0.0))
    lines = [*names, "together"] + (["in truth"] if truth is not None else [])
    figure, (axes,) = chart(6.8, 1.15 + 0.4 * len(lines))
    axes.axvline(0, color=PALE, lw=6, zorder=0)
    for row, (weight, start, end) in enumerate(zip(weights, starts, ends, strict=True)):
        ink = GREY if row == 0 else BLUE if weight > 0 else VERMILION
        if abs(weight) > 0.05:
            look: Look = {
                "arrowstyle": "-|>",
                "lw": 3.2,
                "color": ink,
                "shrinkA": 0,
                "shrinkB": 0,
                "mutation_scale": 13,
            }
            axes.annotate("", (end, row), (start, row), arrowprops=look)
        else:
            axes.plot(end, row, "|", ms=13, mew=3, color=ink)
        axes.plot([end, end], [row, row + 1], color=ink, lw=1, ls=(0, (2, 2)), zorder=1)
        text: Look = {"fontsize": 9, "color": INK, "va": "center"}
        left = end < start or (end == start and end < 0)
        side: Look = {
            "xytext": (-8 if left else 8, 0),
            "textcoords": "offset points",
            "ha": "right" if left else "left",
        }
        axes.annotate(f"{weight:+.1f}", (end, row), **side, **text)
    for row, (place, shape, ink) in enumerate([(total, "o", INK), (truth, "D", PURPLE)], start=len(weights)):
        if place is not None:
            axes.plot(place, row, shape, ms=9, color=ink, zorder=3)
            said: Look = {
                "xytext": (10, 0),
                "textcoords": "offset points",
                "va": "center",
                "fontsize": 10,
                "color": ink,
            }
            axes.annotate(short(sigmoid(place / DECIBAN)), (place, row), **said)
    axes.set(xlim=(-most, most), ylim=(len(lines) - 0.45, -0.6), xlabel="log odds in decibans")
    axes.set_yticks(range(len(lines)), lines)
    axes.tick_params(axis="y", length=0)
    axes.spines[["left"]].set_visible(False)
    above = axes.secondary_xaxis("top")
    above.set_xticks([decibans(logit(p)) for p in LABELLED], [f"{p:g}".removeprefix("0") for p in LABELLED], fontsize=9)
    above.set_xlabel("probability", fontsize=9, color=INK)
    axes.set_title(title, loc="left", fontsize=11)
    rows = [(name, number(w, 1), number(e, 1), _p(e)) for name, w, e in zip(names, weights, ends, strict=True)]
    rows.append(("together", "", number(total, 1), _p(total)))
    if truth is not None:
        rows.append(("in truth", "", number(truth, 1), _p(truth)))
    alt = f"{title or 'Evidence adds'}: {len(names)} weights add up to {total:+.1f} decibans, probability {_p(total)}"
    alt += "." if truth is None else f"; in truth {truth:+.1f} decibans, probability {_p(truth)}."
    return Picture(figure, alt, ("", "weight in decibans", "total in decibans", "probability"), rows)


def _p(weight: float) -> str:
    return number(sigmoid(weight / DECIBAN), 4)


# --- one round as a map of one number ---------------------------------------------------------------------------------


def cobweb(
    x: ArrayLike, mapped: ArrayLike, path: ArrayLike, beliefs: ArrayLike, exact: float, *, title: str = ""
) -> Picture:
    """Left: a map of one number (``mapped`` over ``x``), the diagonal, and the ``path`` of rounds as a staircase.

    Right: the belief after each round; dashed: its exact value. ``path`` and ``beliefs`` start with round 0. Where the
    curve crosses the diagonal a round changes nothing: a fixed point.
    """
    across, over = np.asarray(x, dtype=float), np.asarray(mapped, dtype=float)
    steps, belief = np.asarray(path, dtype=float), np.asarray(beliefs, dtype=float)
    figure = Figure(figsize=(7.4, 3.5), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.15))
    left.plot(across, across, color=GREY, lw=1.2, ls=(0, (4, 3)))
    left.plot(across, over, color=BLUE, lw=2.2)
    corners = np.repeat(steps, 2)
    left.plot(corners[:-1], corners[1:], color=VERMILION, lw=1.1, zorder=3)
    left.plot(steps[0], steps[0], "o", ms=6, color=VERMILION, zorder=4)
    left.plot(steps[-1], steps[-1], "X", ms=8, color=VERMILION, mec="white", zorder=5)
    left.set(xlabel="message (log odds)", ylabel="after one round", aspect="equal")
    left.set(xlim=(across[0], across[-1]), ylim=(across[0], across[-1]))
    right.plot(belief, color=VERMILION, lw=1.6, marker="o", ms=3.5, clip_on=False)
    right.axhline(exact, color=INK, lw=1.2, ls=(0, (4, 3)), zorder=0)
    right.annotate("exact", (1.01, exact), xycoords=("axes fraction", "data"), fontsize=9, va="center", color=INK)
    right.set(ylim=(0, 1), xlim=(0, len(belief) - 1), xlabel="round", ylabel="belief")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=9, colors=INK)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    rows = [(r, number(m), number(b)) for r, (m, b) in enumerate(zip(steps, belief, strict=True))]
    alt = f"{title or 'One round as a map'}: a curve, its diagonal and {len(steps) - 1} rounds; exact belief dashed."
    return Picture(figure, alt, ("round", "message (log odds)", "belief"), [*rows, ("exact", "", number(exact))])


# --- how far evidence has travelled -----------------------------------------------------------------------------------


def cone(
    changes: Mapping[str, ArrayLike],
    layers: Sequence[int],
    *,
    reach: Mapping[str, int] | None = None,
    step: str = "layer",
    title: str = "",
) -> Picture:
    """Row = variable, column = layer: by how much its belief changed. Blank: not by a single bit.

    ``reach``: the first layer at which theory allows a change; an orange line marks that border.
    """
    table = np.array([np.asarray(row, dtype=float) for row in changes.values()])
    figure, (axes,) = chart(2.3 + 0.56 * len(layers), 1.1 + 0.3 * len(table))
    depth = np.clip(1 + np.log10(np.maximum(table, 1e-300)) / 6, 0, 1)  # a millionth and less: pale; 1: dark
    shade = np.where(table == 0.0, 0.0, 0.15 + 0.85 * depth)
    axes.imshow(shade, cmap="Blues", vmin=0, vmax=1.25, aspect="auto")
    shown = [["" if c == 0.0 else _change(c) for c in row] for row in table]
    drawing.write_cells(axes, shade, shown, 0.8)
    drawing.name_cells(axes, list(changes), [str(layer) for layer in layers])
    ticks = {0.15 + 0.85 * (1 + k / 6): text for k, text in ((-6, "1e-6"), (-4, "1e-4"), (-2, ".01"), (0, "1"))}
    drawing.colour_bar(axes, "Blues", (0, 1.25), ticks, "change")
    if reach:
        border = [sum(layer < reach[name] for layer in layers) - 0.5 for name in changes]
        rows = np.arange(len(table) + 1) - 0.5
        axes.stairs(border, rows, orientation="horizontal", baseline=None, color=SERIES[1], lw=2.2)
    axes.set_xlabel(step)
    axes.xaxis.set_label_position("top")
    axes.set_title(title, loc="left", fontsize=11)
    words = [[c or "no bit" for c in row] for row in shown]
    twin = [[name, *row, (reach or {}).get(name, "")] for name, row in zip(changes, words, strict=True)]
    alt = (
        f"{title or 'Change of beliefs'}: {len(table)} variables by {len(layers)} columns, blank where no bit changed."
    )
    return Picture(figure, alt, ("variable", *(f"{step} {k}" for k in layers), "may change from"), twin)


def _change(c: float) -> str:
    return f"{c:.3f}".removeprefix("0") if c >= 5e-4 else f"{c:.0e}".replace("e-0", "e-")


# --- how far a compiled transformer is from what it computes ----------------------------------------------------------

LEAST = 1e-17  # where an exact zero stands on a logarithmic axis: below the rounding of any probability
MOST_LAYERS = 24  # rows of the table


def errors_by_layer(report: Report) -> Picture:
    """What ``verify_model`` found: largest differences of probabilities on a logarithmic axis, layer by layer.

    Filled: the transformer after each layer against belief propagation after as many rounds (beliefs one layer later).
    Hollow, at the last layer: belief propagation and the transformer against exact. Dashed: the tolerance. An exact
    zero stands on the lowest line. The table has at most MOST_LAYERS layers, the first and the last among them.
    """
    layers = max(report.layers, 1)
    by_layer = {"messages against BP": report.message_errors, "beliefs against BP": report.belief_errors}
    at_end = {"BP against exact": report.bp_vs_exact, "transformer against exact": report.transformer_vs_exact}
    found = {name: errors for name, errors in by_layer.items() if errors is not None and len(errors)}
    columns = {name: np.full(layers, np.nan) for name in (*found, *(n for n, e in at_end.items() if e is not None))}
    for name, column in columns.items():
        if name in found:
            column[: len(found[name])] = found[name]
        else:
            column[-1] = at_end[name]
    values = np.array([e for column in columns.values() for e in column if e > 0])
    least, most = min(LEAST, float(values.min(initial=1.0)) / 10), max(1.0, float(values.max(initial=1.0)))
    figure, (axes,) = chart(6.8, 3.4)
    axes.axhline(least, color=PALE, lw=6, zorder=0)
    axes.axhline(TOLERANCE, color=GREY, lw=1.1, ls=(0, (4, 3)), zorder=0)
    words: Look = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points", "color": GREY, "fontsize": 9}
    axes.annotate(f"tolerance {TOLERANCE:g}", (0.01, TOLERANCE), (0, 3), **words)
    for k, (name, column) in enumerate(columns.items()):
        size = 8 - 4 * (k % 2)  # the second of two lies on the first
        hollow: Look = {"ls": "", "mfc": "none", "ms": size + 4, "mew": 1.8} if name in at_end else {"ms": size}
        look: Look = {"color": SERIES[k], "marker": MARKERS[k], "lw": 1.3, "clip_on": False, **hollow}
        every = max(1, layers // MOST_LAYERS) if name in found else 1
        axes.plot(np.arange(1, layers + 1), np.maximum(column, least), markevery=every, label=name, **look)
    axes.set(yscale="log", xlabel="layer", ylabel="largest difference", ylim=(least / 3, 3 * most))
    axes.set_yticks([least, *(10.0**-k for k in range(15, -1, -3))], ["0", *(f"1e-{k}" for k in range(15, 0, -3)), "1"])
    axes.yaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlim(0.5, layers + 0.5)
    if columns:
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=9)
    title = f"{report.construction} construction, {report.attention} attention: "
    title += "holds" if report.holds else "does not hold"
    axes.set_title(title, loc="left", fontsize=11)
    known = np.flatnonzero(np.isfinite([*columns.values()]).any(axis=0)) if columns else np.zeros(0, int)
    chosen = known[np.unique(np.linspace(0, len(known) - 1, min(len(known), MOST_LAYERS)).round().astype(int))]
    rows = [(i + 1, *(_difference(column[i]) for column in columns.values())) for i in chosen]
    said = ",".join(f" {name} {_difference(float(np.nanmax(column)))}" for name, column in columns.items())
    alt = f"{title}, tolerance {TOLERANCE:g}; {counted(layers, 'layer')}; largest difference of{said}."
    return Picture(figure, alt, ("layer", *columns), rows)


def _difference(error: float) -> str:
    """Two digits; "0" only for an exact zero, nothing where there is no such number."""
    return "" if np.isnan(error) else "0" if error == 0 else f"{error:.1e}"
