"""Pictures of what was learned: curves of training, answers against the truth, wind tunnels, what the layers hold.

NaN in a table means that there is nothing to say, such as a depth that no node has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from bnt.figures.drawing import Look, colour_bar
from bnt.figures.picture import (
    BLUE,
    GREEN,
    GREY,
    INK,
    MARKERS,
    ON_DARK,
    ON_LIGHT,
    PALE,
    SERIES,
    VERMILION,
    Picture,
    chart,
    number,
)
from bnt.figures.placement import spread_labels

# --- learned inference ------------------------------------------------------------------------------------------------

TABLE_ROWS = 7  # of the text twin of a curve


def significant(value: float) -> str:
    """Two significant digits: "0.0012", "3.1e-05"; "-" for NaN."""
    return "-" if np.isnan(value) else f"{value:.2g}"


def learning_curves(
    lines: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    ylabel: str = "mean absolute error",
    marks: Mapping[str, float] | None = None,
    log: bool = True,
    title: str = "",
) -> Picture:
    """One line per name, (steps, values), each with steps of its own; ``marks``: dashed heights, such as a baseline."""
    curves = {name: (np.asarray(x, float), np.asarray(y, float)) for name, (x, y) in lines.items()}
    figure, (axes,) = chart(6.8, 3.5)
    for k, (x, y) in enumerate(curves.values()):
        axes.plot(x, y, color=SERIES[k % 6], lw=1.8, marker=MARKERS[k % 6], ms=4, markevery=max(1, len(x) // 8))
    for name, height in (marks or {}).items():
        axes.axhline(height, color=GREY, lw=1.1, ls=(0, (4, 3)), zorder=0)
        axes.annotate(name, (0.01, height), (0, 3), xycoords=("axes fraction", "data"), textcoords="offset points",
                      color=GREY, fontsize=9)  # fmt: skip
    if log:
        axes.set_yscale("log")
    axes.set(xlabel="training steps", ylabel=ylabel, xlim=(0, max(x[-1] for x, _ in curves.values())))
    low, high = axes.get_ylim()
    scale = np.log10 if log else np.asarray
    place = [float((scale(y[-1]) - scale(low)) / (scale(high) - scale(low))) for _, y in curves.values()]
    for k, (name, end) in enumerate(zip(curves, spread_labels(place, 0.075), strict=True)):
        axes.annotate(name, (1.02, end), xycoords="axes fraction", color=SERIES[k % 6], fontsize=9, va="center")
    axes.set_title(title, loc="left", fontsize=11)
    rows = []
    for name, (x, y) in curves.items():
        chosen = np.unique(np.linspace(0, len(x) - 1, min(TABLE_ROWS, len(x))).round().astype(int))
        rows += [(name, f"{x[i]:.0f}", significant(float(y[i]))) for i in chosen]
    ends = ", ".join(f"{name} {significant(float(y[-1]))}" for name, (_, y) in curves.items())
    also = "".join(f"; {name} {significant(height)}" for name, height in (marks or {}).items())
    return Picture(figure, f"{title or ylabel}: in the end {ends}{also}.", ("model", "steps", ylabel), rows)


def answers_against_truth(truth: ArrayLike, said: ArrayLike, *, bins: int = 10, title: str = "") -> Picture:
    """Left: answers over true posteriors, on the diagonal if right. Right: errors over the same axis, bands per bin."""
    p, q = np.asarray(truth, float).ravel(), np.asarray(said, float).ravel()
    figure = Figure(figsize=(7.2, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot([0, 1], [0, 1], color=GREY, lw=1, ls=(0, (4, 3)))
    left.plot(p, q, ".", ms=2.5, color=BLUE, alpha=0.35, rasterized=True)
    left.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", xlabel="true posterior", ylabel="answer")
    place = np.minimum((p * bins).astype(int), bins - 1)
    rows = []
    for i in np.unique(place).tolist():
        error = np.abs(q - p)[place == i]
        rows.append(
            (f"{i / bins:.1f} to {(i + 1) / bins:.1f}", len(error), significant(error.mean()), significant(error.max()))
        )
        right.plot([i / bins, (i + 1) / bins], [error.mean()] * 2, color=VERMILION, lw=2.2)
    right.plot(p, np.abs(q - p), ".", ms=2.5, color=BLUE, alpha=0.35, rasterized=True)
    right.set(xlim=(0, 1), yscale="log", xlabel="true posterior", ylabel="absolute error (bar: mean)")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=9, colors=INK)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    mean, most = np.abs(q - p).mean(), np.abs(q - p).max()
    alt = f"{title or 'Answers against the truth'}: {len(p)} answers, mean error {mean:.2g}, largest {most:.2g}."
    return Picture(figure, alt, ("true posterior", "answers", "mean error", "largest error"), rows)


def heat_tables(
    tables: Mapping[str, ArrayLike],
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    ylabel: str,
    xlabel: str,
    digits: int = 3,
    marked: ArrayLike | None = None,
    title: str = "",
    says: str = "",
) -> Picture:
    """Tables of numbers (rows, columns) side by side on one scale of colour, the number in every cell.

    marked: (rows, columns) of booleans, cells with a heavy frame, such as "within reach". says: what one sees, for the
    alt text.
    """
    values = {name: np.asarray(table, float) for name, table in tables.items()}
    most = max(float(np.nanmax(np.abs(table))) for table in values.values())
    size = (2.0 + 0.62 * len(columns) * len(values) + 0.5 * len(values), 1.3 + 0.36 * len(rows))
    figure = Figure(figsize=(min(size[0], 9.0), size[1]), layout="constrained")
    panels = figure.subplots(1, len(values), squeeze=False, sharey=True)[0]
    frame = np.zeros((len(rows), len(columns)), bool) if marked is None else np.asarray(marked, bool)
    for axes, (name, table) in zip(panels, values.items(), strict=True):
        _heat(axes, table, most, digits, frame)
        axes.set_xticks(range(len(columns)), list(columns))
        axes.set_yticks(range(len(rows)), list(rows))
        axes.set(xlabel=xlabel)
        axes.set_title(name, fontsize=10)
        axes.tick_params(length=0, labelsize=9)
        axes.spines[:].set_visible(False)
    panels[0].set(ylabel=ylabel)
    colour_bar(panels[-1], "Blues", (0, 1.25), {0.0: "0", 1.0: number(most, digits)}, "size")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    text = [
        (name, row, *("-" if np.isnan(v) else number(v, digits) for v in table[i]))
        for name, table in values.items()
        for i, row in enumerate(rows)
    ]
    alt = f"{title or 'Table'}: {', '.join(values)}, each by {ylabel} and {xlabel}{says and f'; {says}'}."
    return Picture(figure, alt, ("table", ylabel, *(f"{xlabel} {column}" for column in columns)), text)


def _heat(axes: Axes, table: np.ndarray, most: float, digits: int, frame: np.ndarray) -> None:
    axes.imshow(np.abs(table) / most, cmap="Blues", vmin=0, vmax=1.25, aspect="auto")
    for (i, j), value in np.ndenumerate(table):
        if np.isnan(value):
            axes.text(j, i, "-", ha="center", va="center", fontsize=9, color=GREY)
            continue
        dark = abs(value) / most > 0.75
        text = number(value, digits).replace("0.", ".", 1) if abs(value) < 1 else number(value, digits)
        axes.text(j, i, text, ha="center", va="center", fontsize=9, color=ON_DARK if dark else ON_LIGHT)
        if frame[i, j]:
            axes.add_patch(_box(j, i))


def _box(column: int, row: int):  # type: ignore[no-untyped-def]  # matplotlib is untyped
    from matplotlib.patches import Rectangle

    return Rectangle((column - 0.46, row - 0.44), 0.92, 0.88, fill=False, ec=VERMILION, lw=1.8)


def error_by_reach(
    model: ArrayLike, stopped: ArrayLike, layers: Sequence[int], *, title: str = "Mean error by eccentricity"
) -> Picture:
    """Errors (depths, eccentricities 1, 2, ...) of trained models and of BP stopped after as many rounds.

    Framed: eccentricity within the number of layers, where that many rounds of BP are exact.
    """
    trained, early = np.asarray(model, float).T, np.asarray(stopped, float).T
    reach = np.arange(1, len(trained) + 1)
    return heat_tables(
        {"trained transformer": trained, "BP stopped after that many rounds": early},
        rows=[str(k) for k in reach],
        columns=[str(k) for k in layers],
        ylabel="eccentricity",
        xlabel="layers",
        marked=reach[:, None] <= np.asarray(layers)[None],
        title=title,
    )


def distance_to_bp(
    distances: ArrayLike, errors: ArrayLike, reached: Sequence[bool], *, title: str = "Where training ends"
) -> Picture:
    """Every run as a point: distance of its weights to BP's, mean error of its beliefs; filled where it reached BP."""
    far, wrong, good = np.asarray(distances, float), np.asarray(errors, float), np.asarray(reached, bool)
    figure, (axes,) = chart(5.6, 3.3)
    for chosen, marker, face, color, name in (
        (good, "o", BLUE, BLUE, "reached the weights of BP"),
        (~good, "X", "white", VERMILION, "ended elsewhere"),
    ):
        label = f"{name} ({int(chosen.sum())})"
        axes.plot(far[chosen], wrong[chosen], marker, ms=8, mfc=face, mec=color, mew=1.5, ls="", label=label)
    axes.set(xscale="log", yscale="log", xlabel="distance of (w0, w1, b) to (1, 1, 0)", ylabel="mean absolute error")
    axes.grid(color=PALE, lw=0.8)
    axes.set_axisbelow(True)
    axes.legend(frameon=False, fontsize=9, loc="center")
    axes.set_title(title, loc="left", fontsize=11)
    rows = [
        (run, significant(float(d)), significant(float(e)), "yes" if ok else "no")
        for run, (d, e, ok) in enumerate(zip(far, wrong, good, strict=True))
    ]
    alt = f"{title}: {int(good.sum())} of {len(good)} runs reached the weights of BP; the others ended elsewhere."
    return Picture(figure, alt, ("run", "distance to BP's weights", "mean error", "reached"), rows)


# --- wind tunnels -----------------------------------------------------------------------------------------------------

NEAR = 0.075  # labels at the end of a line keep this distance, in parts of the height


def entropy_collapse(
    exact: ArrayLike, found: Mapping[str, ArrayLike], *, xlabel: str = "pairs seen before the question", title: str = ""
) -> Picture:
    """Grey steps: entropy of the posterior in bits, question by question. Dots: mean entropy of each network."""
    truth = np.asarray(exact, dtype=float)
    networks = {name: np.asarray(values, dtype=float) for name, values in found.items()}
    figure, (axes,) = chart(6.6, 3.4)
    at = np.arange(len(truth))
    edges = np.arange(len(truth) + 1) - 0.5
    axes.stairs(truth, edges, baseline=None, color=GREY, lw=2.2, zorder=1, label="posterior")
    for k, (name, values) in enumerate(networks.items()):
        ring: Look = {"mfc": "none", "mew": 1.6} if k else {}
        axes.plot(at, values, ls="", marker=MARKERS[k % 6], ms=6 + 2 * k, color=SERIES[k % 6], label=name, **ring)
    axes.set(xlabel=xlabel, ylabel="entropy, bits", xlim=(-0.6, len(truth) - 0.4))
    axes.set_ylim(min(0.0, *(v.min() for v in networks.values())) - 0.1, None)
    axes.set_xticks(at[:: max(1, len(at) // 12)])
    axes.legend(frameon=False, fontsize=9, loc="best")
    axes.set_title(title, loc="left", fontsize=11)
    rows = [[i, number(truth[i]), *(number(v[i]) for v in networks.values())] for i in at]
    off = ", ".join(f"{name} off by {np.abs(v - truth).max():.3f} bits at most" for name, v in networks.items())
    alt = f"{title or 'Entropy'}: the posterior falls from {truth[0]:.2f} to {truth[-1]:.2f} bits; {off}."
    return Picture(figure, alt, (xlabel, "posterior", *networks), rows)


def architectures(
    results: Mapping[str, Mapping[str, Sequence[float]]],
    *,
    xlabel: str = "accuracy",
    log: bool = False,
    marks: Mapping[str, Mapping[str, float]] | None = None,
    title: str = "",
) -> Picture:
    """``results[task][architecture]``: one number per seed, drawn as a dot. ``marks[task][name]``: a dashed height.

    log: a logarithmic axis, for errors. Dots of one row that coincide lie on one another: the table has all numbers.
    """
    order = list(dict.fromkeys(name for by_name in results.values() for name in by_name))
    height, y, ticks, rows = 0.0, 0.0, [], []
    figure, (axes,) = chart(6.8, 0.9 + sum(0.3 + 0.27 * len(by_name) for by_name in results.values()))
    for task, by_name in results.items():
        top = y
        axes.annotate(
            task, (0, y), (4, 0), xycoords=("axes fraction", "data"), textcoords="offset points", fontsize=9.5
        )
        for name, values in by_name.items():
            y += 1
            k = order.index(name)
            axes.axhline(y, color=PALE, lw=0.8, zorder=0)
            axes.plot(values, [y] * len(values), ls="", marker=MARKERS[k % 6], ms=7, color=SERIES[k % 6], alpha=0.75)
            ticks.append((y, name))
            rows.append((task, name, *(short_number(v) for v in values)))
        for name, x in (marks or {}).get(task, {}).items():
            axes.plot([x, x], [top + 0.5, y + 0.5], color=GREY, lw=1.2, ls=(0, (4, 3)), zorder=0)
            side: Look = {"ha": "left", "fontsize": 8, "color": GREY, "textcoords": "offset points"}
            axes.annotate(name, (x, top + 0.2), (3, 0), va="center", **side)
            rows.append((task, f"({name})", short_number(x)))
        y += 1.1
        height = y
    axes.set(ylim=(height - 0.4, -0.6), xlabel=xlabel)
    if log:
        axes.set_xscale("log")
    else:
        axes.set_xlim(-0.02, 1.03)
    axes.set_yticks([place for place, _ in ticks], [name for _, name in ticks])
    axes.tick_params(axis="y", length=0)
    axes.set_title(title, loc="left", fontsize=11)
    most = max(len(row) for row in rows)
    table = [(*row, *[""] * (most - len(row))) for row in rows]
    worst = "; ".join(f"{task}: {_summary(by_name)}" for task, by_name in results.items())
    alt = f"{title or 'Architectures'}: {xlabel} of each seed. {worst}."
    return Picture(figure, alt, ("task", "architecture", *(f"seed {i}" for i in range(most - 2))), table)


def _summary(by_name: Mapping[str, Sequence[float]]) -> str:
    return ", ".join(f"{name} {short_number(float(np.mean(values)))}" for name, values in by_name.items())


def short_number(x: float) -> str:
    """Three significant digits, and no power of ten where it can be avoided."""
    return f"{x:.3f}" if x >= 0.01 or x == 0 else f"{x:.1e}".replace("e-0", "e-")


def probe_by_layer(
    probes: Mapping[str, Sequence[Sequence[float]]], *, title: str = "What a straight line reads off the stream"
) -> Picture:
    """``probes[task]``: rows (layer, R^2, R^2 of the untrained model, ...). Filled: trained; hollow: untrained."""
    figure, (axes,) = chart(6.6, 3.4)
    ends, rows = [], []
    for k, (task, table) in enumerate(probes.items()):
        layer, trained, untrained = (np.array([row[i] for row in table], dtype=float) for i in range(3))
        look: Look = {"color": SERIES[k % 6], "marker": MARKERS[k % 6], "ms": 6, "clip_on": False}
        axes.plot(layer, trained, lw=2, **look)
        axes.plot(layer, untrained, lw=1.1, ls=(0, (4, 3)), mfc="white", **look)
        ends.append(float(trained[-1]))
        rows += [(task, int(i), number(a), number(b)) for i, a, b in zip(layer, trained, untrained, strict=True)]
    axes.set(ylim=(-0.05, 1.02), xlabel="layers done", ylabel="share explained (R²), held out")
    axes.set_xticks(range(max(len(table) for table in probes.values())))
    for k, (task, end) in enumerate(zip(probes, spread_labels(ends, NEAR), strict=True)):
        place: Look = {"xycoords": ("axes fraction", "data"), "color": SERIES[k % 6], "fontsize": 9, "va": "center"}
        axes.annotate(task, (1.03, end), **place)
    axes.set_title(title, loc="left", fontsize=11)
    said = ", ".join(f"{task} {end:.2f}" for task, end in zip(probes, ends, strict=True))
    alt = f"{title}: R squared after the last layer: {said}; dashed: the untrained model."
    return Picture(figure, alt, ("task", "layers done", "trained", "untrained"), rows)


def phase_change(steps: ArrayLike, measures: Mapping[str, ArrayLike], *, title: str = "") -> Picture:
    """Shares between 0 and 1 (accuracy, attention on the right token) over the steps of one training run."""
    at = np.asarray(steps, dtype=float)
    lines = {name: np.asarray(values, dtype=float) for name, values in measures.items()}
    figure, (axes,) = chart(6.8, 3.4)
    for k, (name, values) in enumerate(lines.items()):
        look: Look = {"color": SERIES[k % 6], "marker": MARKERS[k % 6], "ms": 4.5}
        axes.plot(at, values, lw=1.8, markevery=max(1, len(at) // 10), label=name, **look)
    axes.set(ylim=(0, 1.03), xlim=(at[0], at[-1]), xlabel="training step", ylabel="share")
    axes.legend(frameon=False, fontsize=9, loc="center right", labelcolor=INK)
    axes.set_title(title, loc="left", fontsize=11)
    chosen = np.unique(np.linspace(0, len(at) - 1, min(12, len(at))).round().astype(int))
    rows = [(int(at[i]), *(number(values[i]) for values in lines.values())) for i in chosen]
    rise = ", ".join(f"{name} passes one half {_passes(at, values)}" for name, values in lines.items())
    return Picture(figure, f"{title or 'Training'}: {rise}.", ("step", *lines), rows)


def _passes(at: np.ndarray, values: np.ndarray) -> str:
    above = np.flatnonzero(values >= 0.5)
    return f"at step {at[above[0]]:.0f}" if len(above) else "never"


# --- the shape of belief ----------------------------------------------------------------------------------------------

CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(0.75)]])  # where a state is certain
TINTS = np.array([to_rgb(colour) for colour in (BLUE, VERMILION, GREEN)])
STEPS = 8  # of each state's share in a colour: fewer colours, smaller pictures
ROOM = 0.16  # around the triangle: a straight line may say less than 0


def belief_triangles(
    exact: ArrayLike,
    read: Mapping[str, ArrayLike],
    *,
    states: Sequence[str] = ("0", "1", "2"),
    title: str = "",
    says: str = "",
) -> Picture:
    """Beliefs about three states (points, 3) as points of a triangle: exact, and as read, one triangle for each name.

    A corner is certainty, the middle knows nothing. A point is coloured by its exact belief in every triangle, so that
    one sees where it has gone; what is further out than ROOM is not shown. The table: R^2, and how far from the exact
    belief, in total variation. says: what one sees, for the alt text.
    """
    truth = np.asarray(exact, dtype=float)
    panels = {"exact": truth, **{name: np.asarray(points, dtype=float) for name, points in read.items()}}
    figure = Figure(figsize=(2.75 * len(panels), 3.0), layout="constrained")
    rows = []
    for axes, (name, points) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        _triangle(axes, points, truth, states)
        off = 0.5 * np.abs(points - truth).sum(axis=1)
        left = ((points - truth) ** 2).sum() / max(float(((truth - truth.mean(axis=0)) ** 2).sum()), 1e-300)
        axes.set_title(name if points is truth else f"{name}: R² {number(1 - left)}", fontsize=10)
        rows.append((name, number(1 - left), number(off.mean()), number(off.max())))
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    found = "".join(f", {row[0]} with R squared {row[1]}" for row in rows[1:])
    alt = f"{title or 'Beliefs in a triangle'}: {len(truth)} exact beliefs{found}{says and f'; {says}'}."
    return Picture(figure, alt, ("beliefs", "R squared", "mean distance (TV)", "largest"), rows)


def _triangle(axes: Axes, points: np.ndarray, truth: np.ndarray, states: Sequence[str]) -> None:
    place = (points.round(4) + 0.0) @ CORNERS
    colours = (np.clip(truth, 0, 1) * STEPS).round() / STEPS @ TINTS
    axes.scatter(place[:, 0], place[:, 1], s=2.4, c=colours, linewidths=0, antialiaseds=False, rasterized=True)
    axes.plot(CORNERS[[0, 1, 2, 0], 0], CORNERS[[0, 1, 2, 0], 1], color=GREY, lw=0.9)
    for corner, state, (dx, dy) in zip(CORNERS, states, ((-6, -6), (6, -6), (0, 7)), strict=True):
        axes.annotate(
            state, corner, (dx, dy), textcoords="offset points", ha="center", va="center", color=INK, fontsize=9
        )
    axes.set(xlim=(-ROOM, 1 + ROOM), ylim=(-ROOM, CORNERS[2, 1] + ROOM), aspect="equal")
    axes.axis("off")


def hot_then_cool(
    runs: Mapping[str, Sequence[tuple[ArrayLike, ArrayLike, ArrayLike]]], *, turn: int, title: str = ""
) -> Picture:
    """Above, effective tokens by visible tokens against training steps; below, KL; one line a run, grouped by name.

    runs: name -> runs of (steps, share, KL). turn: the step at which the rate is cooled, a vertical line. A jump at
    the turn shows as a vertical stroke.
    """
    figure, (above, below) = chart(7.0, 4.8, rows=2, ratios=(1, 1))
    rows = []
    for k, (name, group) in enumerate(runs.items()):
        for seed, run in enumerate(group):
            steps, share, kl = (np.asarray(values, dtype=float) for values in run)
            for axes, values in ((above, share), (below, kl)):
                (drawn,) = axes.plot(steps, values, color=SERIES[k % 6], lw=1.5, marker=MARKERS[k % 6], ms=3.5)
                drawn.set(markevery=max(1, len(steps) // 8), label=name if seed == 0 else None)
            at = int(np.flatnonzero(steps == turn)[0])
            rows.append((name, seed, number(share[at], 2), number(share[-1], 2), f"{kl[at]:.2g}", f"{kl[-1]:.2g}"))
    for axes in (above, below):
        axes.axvline(turn, color=GREY, lw=1.1, ls=(0, (4, 3)), zorder=0)
    above.annotate("cooled", (turn, 1.0), (4, 0), textcoords="offset points", color=GREY, fontsize=9, va="top")
    above.set(ylim=(0, 1.02), ylabel="effective share")
    below.set(yscale="log", ylabel="KL (nats)", xlabel="training steps")
    below.legend(frameon=False, fontsize=9, loc="upper right")
    above.set_title(title, loc="left", fontsize=11)
    ends = []
    for name in runs:
        shares = [float(row[3]) for row in rows if row[0] == name]
        ends.append(f"{name} {number(min(shares), 2)} to {number(max(shares), 2)}")
    alt = f"{title or 'Hot, then cool'}: effective tokens by visible tokens in the end: {', '.join(ends)}."
    header = ("run", "seed", f"share at step {turn}", "share at the end", f"KL at step {turn}", "KL at the end")
    return Picture(figure, alt, header, rows)
