"""What happens in time, as pictures: a hidden chain and what is known of it, a memory that fades, a machine and its
tape; a room and a ball that nobody sees, as maps of beliefs, and samplers beside one another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike, NDArray

from bnt.figures import drawing
from bnt.figures.picture import (
    BLUE,
    GREEN,
    GREY,
    INK,
    MARKERS,
    PALE,
    RULE,
    SERIES,
    TINT,
    VERMILION,
    Picture,
    blank,
    chart,
    entitle,
    number,
    short,
)
from bnt.figures.placement import Places, spread_labels
from bnt.generation.worlds import Ball, Room
from bnt.graph.factor_graph import Variable
from bnt.sequences.hmm import HMM, Observations, filter_states, predict_states, smooth_states, viterbi
from bnt.sequences.turing import Configuration

Array = NDArray[np.float64]

EXACT_WITHIN = 1e-14  # rounding of a filter
DARKEST = 0.6  # opacity of a cell that is certain; of others by the square root, so that 1 % can be seen
SEEN = 0.005  # less is no number in a cell
CELL, STEP = 0.36, 0.3  # inches: width of a cell of a tape, height of a step


def hidden_chain(hmm: HMM, observations: Observations, *, title: str = "") -> Picture:
    """The chain as a factor graph, y observed; arrows: the messages that run forwards; tints: the filtered beliefs.

    Raises as sequences.filter_states.
    """
    filtered, seen = filter_states(hmm, observations), hmm.numbers(observations)
    count = len(seen)
    grid: Places = {f"{kind}{t}": (t, y) for t in range(1, count + 1) for kind, y in (("x", 1.0), ("y", 0.0))}
    grid |= {("emission", t): (t, 0.5) for t in range(1, count + 1)}
    grid |= {("transition", t): (t - 0.5, 1.0) for t in range(1, count + 1)}  # the first is the prior
    figure, axes, places = drawing.canvas(grid, 2.2, 1.7, title, (0.5, 0.6))
    rows = []
    for t, (belief, number_seen) in enumerate(zip(filtered, seen, strict=True), start=1):
        x, y = Variable(f"x{t}", hmm.states), Variable(f"y{t}", hmm.symbols)
        before = hmm.initial if t == 1 else filtered[t - 2] @ hmm.transition
        likelihood = np.ones(len(hmm.states)) if number_seen is None else hmm.emission[:, number_seen]
        for kind, message in (("transition", before), ("emission", likelihood / likelihood.sum())):
            square, words = places[kind, t], drawing.in_words(x, message)
            for other in (f"x{t}", f"y{t}" if kind == "emission" else f"x{t - 1}"):
                if other in places:
                    axes.plot(*zip(square, places[other], strict=True), color=RULE, lw=1, zorder=1)
            drawing.draw_factor(axes, square)
            square_end = drawing.End(square, (drawing.SQUARE, drawing.SQUARE), 1)
            drawing.draw_message(
                axes, square_end, drawing.End(places[x.name], drawing.half_size(x.name), 1), message, words
            )
            rows.append((f"{kind} to {x.name}", "message", words))
        drawing.draw_variable(axes, places[x.name], x, belief, False)
        drawing.draw_variable(axes, places[y.name], y, None, number_seen is not None)
        label = "–" if number_seen is None else hmm.symbols[number_seen]
        axes.text(places[y.name][0], places[y.name][1] - 0.42, label, ha="center", va="center", fontsize=9, color=INK)
        rows += [(y.name, "seen", label), (x.name, "filtered", drawing.in_words(x, belief))]
    alt = f"{title or 'Hidden chain'}: {count} hidden states in a row, each with what was seen; messages run forwards."
    return Picture(figure, alt, ("where", "what", "value"), rows)


def timeline(
    hmm: HMM, observations: Observations, *, ahead: int = 0, truth: Sequence[str] | None = None, title: str = ""
) -> Picture:
    """P(last state) over time: filtered, smoothed, predicted; below, what was seen, the best path and the ``truth``.

    Raises as sequences.filter_states.
    """
    state = hmm.states[-1]
    filtered, smoothed = filter_states(hmm, observations)[:, -1], smooth_states(hmm, observations)[:, -1]
    count, path = len(observations), viterbi(hmm, observations).states
    days = np.arange(1, count + ahead + 1)
    figure, (axes, strip) = chart(max(5.4, 0.52 * len(days) + 1.7), 3.6 if truth else 3.3, 2, (2.6, 1))
    axes.plot(days[:count], smoothed, color=BLUE, lw=1.9, marker="o", ms=6, label="smoothed: all observations")
    axes.plot(days[:count], filtered, color=VERMILION, lw=1.9, marker="s", ms=5, label="filtered: those up to here")
    predicted = predict_states(hmm, observations, ahead)[:, -1] if ahead else np.zeros(0)
    if ahead:
        tail = np.concatenate([filtered[-1:], predicted])
        look: drawing.Look = {
            "marker": "s",
            "ms": 5,
            "mfc": "white",
            "ls": (0, (4, 2)),
            "markevery": range(1, ahead + 1),
        }
        axes.plot(days[count - 1 :], tail, color=VERMILION, lw=1.5, label="predicted", **look)
    axes.axhline(0.5, color=PALE, lw=1.2, zorder=0)
    axes.set(ylim=(-0.04, 1.04), xlim=(0.5, len(days) + 0.5), ylabel=f"P({state})")
    entitle(axes, title)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.06 if title else 1.0), ncols=3, fontsize=8, frameon=False)
    seen = ["–" if o is None else hmm.symbols[o] for o in hmm.numbers(observations)]
    rows = {"seen": seen, "best path": path, **({"hidden": list(truth)} if truth else {})}
    _strip(strip, rows, {"best path": hmm.states, "hidden": hmm.states})
    strip.set(xlabel="time")
    strip.set_xticks(days)
    blanks = [""] * ahead
    columns = [
        [*seen, *blanks],
        [number(p) for p in (*filtered, *predicted)],
        [*(number(p) for p in smoothed), *blanks],
        *([*row, *blanks] for name, row in rows.items() if name != "seen"),
    ]
    header = ("time", "seen", f"filtered P({state})", f"smoothed P({state})", *list(rows)[1:])
    alt = f"{title or 'A hidden chain'}: P({state}) at {count} times, filtered and smoothed"
    alt += f", and predicted for {ahead} more." if ahead else "."
    return Picture(figure, alt, header, zip(map(str, days), *columns, strict=True))


def _strip(axes: Axes, rows: Mapping[str, Sequence[str]], states: Mapping[str, Sequence[str]]) -> None:
    """One line of words per row; words that are states stand on their colour."""
    for y, (name, words) in enumerate(rows.items()):
        for x, word in enumerate(words, start=1):
            if name in states:
                shade = 0.1 + 0.35 * list(states[name]).index(word) / max(len(states[name]) - 1, 1)
                axes.add_patch(Rectangle((x - 0.46, y - 0.4), 0.92, 0.8, color=BLUE, alpha=shade, lw=0))
            axes.text(x, y, word, ha="center", va="center", fontsize=8, color=INK)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_yticks(range(len(rows)), list(rows))
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)


def memory(errors: ArrayLike, *, title: str = "") -> Picture:
    """Row = layers, column = time: the error of the belief, (layers + 1, T). Blank: none but rounding.

    The line is the border of theory: after L layers time t is exact for t <= L.
    """
    table = np.asarray(errors, dtype=float)
    layers, times = table.shape
    figure, (axes,) = chart(1.8 + 0.5 * times, 1.0 + 0.3 * layers)
    exact = table <= EXACT_WITHIN
    shade = np.where(exact, 0.0, np.clip(1 + np.log10(np.maximum(table, 1e-300)) / 8, 0.08, 1))
    axes.imshow(shade, cmap="Blues", vmin=0, vmax=1.25, aspect="auto")
    shown = [["" if e else _tiny(v) for e, v in zip(*rows, strict=True)] for rows in zip(exact, table, strict=True)]
    drawing.write_cells(axes, shade, shown, 0.8)
    drawing.name_cells(axes, [str(layer) for layer in range(layers)], [str(t) for t in range(1, times + 1)])
    ticks = {1 + k / 8: text for k, text in ((-7, "1e-7"), (-4, "1e-4"), (-2, ".01"), (0, "1"))}
    drawing.colour_bar(axes, "Blues", (0, 1.25), ticks, "error")
    border = [min(layer, times) - 0.5 for layer in range(layers)]
    look: drawing.Look = {"orientation": "horizontal", "baseline": None, "color": SERIES[1], "lw": 2.2}
    axes.stairs(border, np.arange(layers + 1) - 0.5, **look)
    axes.set(xlabel="time", ylabel="after layer")
    axes.xaxis.set_label_position("top")
    axes.set_title(title, loc="left", fontsize=11)
    rows = [[layer, *(cell or "exact" for cell in row)] for layer, row in enumerate(shown)]
    alt = f"{title or 'Error of a filter'}: {layers} depths by {times} times, blank where it is exact."
    return Picture(figure, alt, ("after layer", *(f"time {t}" for t in range(1, times + 1))), rows)


def _tiny(value: float) -> str:
    return f"{value:.3f}".removeprefix("0") if value >= 1e-3 else f"{value:.0e}".replace("e-0", "e-")


def decay(lines: Mapping[str, ArrayLike], bounds: Mapping[str, ArrayLike], *, xlabel: str, title: str = "") -> Picture:
    """Errors after 1, 2, ... layers on a logarithmic scale, where what is geometric is straight; bounds are dashed."""
    heights = {name: np.asarray(y, dtype=float) for name, y in {**lines, **bounds}.items()}
    figure, (axes,) = chart(6.6, 3.5)
    for k, (name, y) in enumerate(heights.items()):
        dash, mark = ((0, (4, 3)), None) if name in bounds else ("-", MARKERS[k])
        across = np.arange(1, len(y) + 1)
        axes.plot(across, y, color=SERIES[k], lw=1.9, ls=dash, marker=mark, ms=4.5, markevery=3, label=name)
    axes.set(yscale="log", xlim=(1, max(map(len, heights.values()))), xlabel=xlabel, ylabel="largest error")
    low, high = np.log10(axes.get_ylim())
    ends = [(float(np.log10(y[-1])) - low) / (high - low) for y in heights.values()]
    for k, (name, end) in enumerate(zip(heights, spread_labels(ends, 0.075), strict=True)):
        axes.annotate(name, (1.02, end), xycoords="axes fraction", color=SERIES[k], fontsize=9, va="center")
    axes.set_title(title, loc="left", fontsize=11)
    chosen = range(0, min(map(len, heights.values())), 3)
    rows = [[i + 1, *(f"{y[i]:.2g}" for y in heights.values())] for i in chosen]
    alt = f"{title or 'Errors'}: {', '.join(lines)} against {xlabel}, on a logarithmic scale"
    return Picture(figure, f"{alt}; dashed: {', '.join(bounds)}.", (xlabel, *heights), rows)


def tape_run(run: Sequence[Configuration], *, room: int = 0, note: str = "", title: str = "") -> Picture:
    """A machine's run from top to bottom: one row per step, the head as a thick frame, its state beside the tape.

    Cells just written to are tinted. There is room for ``room`` rows; ``note``: a line below.
    """
    cells = max(len(now.tape) for now in run)
    left, top, right = 0.55, 0.65 if title else 0.35, 0.55 + cells * CELL + 0.15
    width = max(right + 1.0, 0.085 * max(len(title), len(note)) + 0.3)
    figure, axes = blank(width, max(len(run), room) * STEP + top + (0.4 if note else 0.1))
    height = figure.get_figheight()
    axes.text(0.12, height - 0.1, title, ha="left", va="top", fontsize=11, color=INK)
    axes.text(0.12, 0.17, note, ha="left", va="center", fontsize=9, color=INK)
    small: drawing.Look = {"fontsize": 8, "color": GREY, "va": "center"}
    axes.text(0.42, height - top + 0.1, "step", ha="right", **small)
    axes.text(right, height - top + 0.1, "state", **small)
    for step, now in enumerate(run):
        y, before = height - top - (step + 1) * STEP, run[max(step - 1, 0)].tape
        axes.text(0.42, y + STEP / 2, str(step), ha="right", va="center", fontsize=9, color=GREY)
        for i, symbol in enumerate(now.tape):
            corner, size = (left + i * CELL, y + 0.03), (CELL, STEP - 0.06)
            tint = TINT if symbol != before[i] else "white"
            axes.add_patch(Rectangle(corner, *size, fc=tint, ec=RULE, lw=0.8, zorder=1))
            if i == now.head:
                axes.add_patch(Rectangle(corner, *size, fc="none", ec=VERMILION, lw=2.4, zorder=3))
            ink: drawing.Look = {"color": GREY if symbol == "_" else INK, "fontsize": 10, "zorder": 4}
            axes.text(corner[0] + CELL / 2, y + STEP / 2, symbol, ha="center", va="center", **ink)
        where = "" if now.head is not None else ", off the tape"
        axes.text(right, y + STEP / 2, now.state + where, va="center", fontsize=9, color=INK)
    rows = [(k, now.state, "off" if now.head is None else now.head, now.tape) for k, now in enumerate(run)]
    alt = f"{title or 'A run'}: tape, head and state at steps 0 to {len(run) - 1}{'; ' + note if note else ''}."
    return Picture(figure, alt, ("step", "state", "head at cell", "tape"), rows)


# --- worlds that nobody sees ------------------------------------------------------------------------------------------


def room_maps(
    room: Room,
    beliefs: Mapping[str, ArrayLike],
    *,
    paths: Mapping[str, Sequence[str]] | None = None,
    goal: str | None = None,
    here: str | None = None,
    title: str = "",
) -> Picture:
    """Beliefs (S,) over the cells as maps side by side, in per cent; walls are dark.

    paths: map -> cells one after the other, a line that ends in a disc. goal: a cell with a heavy frame; here: where
    somebody is, a ring.
    """
    rows, columns = len(room.plan), len(room.plan[0])
    width = 0.36 * columns + 0.35
    figure = Figure(figsize=(width * len(beliefs) + 0.2, 0.36 * rows + (0.95 if title else 0.65)), layout="constrained")
    panels = figure.subplots(1, len(beliefs), squeeze=False)[0]
    names, words = room.hmm.states, []
    letters = "abcdefghijklmnopqrstuvwxyz"[:columns]
    for axes, (name, belief) in zip(panels, beliefs.items(), strict=True):
        grid = room.grid(belief)
        _floor(axes, grid)
        axes.set_xticks(range(columns), list(letters))
        axes.set_yticks(range(rows), [str(r + 1) for r in range(rows)])
        axes.set_title(name, fontsize=9)
        at = dict(zip(names, room.cells, strict=True))
        if goal is not None:
            row, column = at[goal]
            axes.add_patch(Rectangle((column - 0.44, row - 0.44), 0.88, 0.88, fill=False, ec=GREEN, lw=2.6, zorder=4))
        if here is not None:
            axes.plot(at[here][1], at[here][0], "o", ms=20, mfc="none", mec=VERMILION, mew=1.8, zorder=5)
        if path := (paths or {}).get(name):
            _walk(axes, [at[cell] for cell in path])
        words += [(name, r + 1, *("wall" if np.isnan(p) else f"{p:.3f}" for p in line)) for r, line in enumerate(grid)]
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    said = "; ".join(f"{name}: {_likely(names, belief, here, goal)}" for name, belief in beliefs.items())
    said += f"; somebody is at {here}" if here else ""
    said += "".join(f"; {name}: a path to {path[-1]}" for name, path in (paths or {}).items() if path)
    alt = f"{title or 'A room'}: chances of every cell; {said}."
    return Picture(figure, alt, ("map", "row", *letters), words)


def _likely(names: Sequence[str], belief: ArrayLike, *asked: str | None) -> str:
    """The most likely cells, at most two, and the chance of each that is asked for."""
    p = np.asarray(belief, dtype=float)
    first: list[int] = np.flatnonzero(p >= p.max() - 1e-9).tolist()
    also = [f", {name} {short(p[names.index(name)])}" for name in asked if name and names.index(name) not in first[:2]]
    if len(first) > 2:
        share = f"all {len(p)}" if len(first) == len(p) else f"{len(first)} of {len(p)}"
        return f"{share} cells alike, {short(p.max())} each{''.join(also)}"
    return f"most likely {' and '.join(names[i] for i in first)}, {short(p.max())}{''.join(also)}"


def _floor(axes: Axes, grid: Array, write: bool = True) -> None:
    """One square per number, its colour and its per cent; NaN is wall."""
    for (r, c), p in np.ndenumerate(grid):
        look: drawing.Look = (
            {"fc": INK, "alpha": 0.8} if np.isnan(p) else {"fc": BLUE, "alpha": DARKEST * float(np.sqrt(p))}
        )
        axes.add_patch(Rectangle((c - 0.5, r - 0.5), 1, 1, lw=0, **look))
        if write and p >= SEEN:
            axes.text(c, r, f"{100 * p:.0f}", ha="center", va="center", fontsize=7.5, color=INK, zorder=6)
    rows, columns = grid.shape
    for edge in range(rows + 1):
        axes.plot([-0.5, columns - 0.5], [edge - 0.5] * 2, color=RULE, lw=0.5, zorder=1)
    for edge in range(columns + 1):
        axes.plot([edge - 0.5] * 2, [-0.5, rows - 0.5], color=RULE, lw=0.5, zorder=1)
    axes.set(xlim=(-0.55, columns - 0.45), ylim=(rows - 0.45, -0.55), aspect="equal")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelsize=8, colors=INK)


def _walk(axes: Axes, cells: Sequence[tuple[int, int]]) -> None:
    """A line from cell to cell, moved a little to the side with time so that ways back can be told."""
    shift = np.linspace(-0.22, 0.22, len(cells)) if len(cells) > 1 else np.zeros(1)
    y, x = np.array(cells, dtype=float).T + shift
    axes.plot(x, y, color=VERMILION, lw=1.6, zorder=5)
    axes.plot(x[-1], y[-1], "o", ms=6, color=VERMILION, zorder=7)


def video_strip(
    ball: Ball, frames: ArrayLike, beliefs: ArrayLike, truth: Sequence[int], *, before: int = 0, title: str = ""
) -> Picture:
    """Frames (T, n, n) of a noisy video in a row, and below each the belief (T, S) about the place; ring: the truth.

    before: how many frames came before these, for their numbers.
    """
    shown, states = np.asarray(frames, dtype=float), np.asarray(beliefs, dtype=float)
    count, n = len(shown), ball.size
    place = (states @ ball.places).reshape(count, n, n)
    figure = Figure(figsize=(1.12 * count + 0.5, 2.75 if title else 2.5), layout="constrained")
    grid = figure.subplots(2, count, squeeze=False)
    words = []
    for t in range(count):
        row, column = ball.states[truth[t]][:2]
        for axes, numbers in zip(grid[:, t], (shown[t], place[t]), strict=True):
            _floor(axes, numbers, write=False)
            axes.plot(column, row, "o", ms=9, mfc="none", mec=VERMILION, mew=1.5, zorder=5)
            axes.set_xticks([])
            axes.set_yticks([])
        grid[0, t].set_title(f"frame {before + t + 1}", fontsize=9)
        best = np.unravel_index(int(place[t].argmax()), (n, n))
        words.append(
            (
                before + t + 1,
                int(shown[t].sum()),
                f"{row + 1}, {column + 1}",
                f"{best[0] + 1}, {best[1] + 1}",
                short(place[t].max()),
            )
        )
    grid[0, 0].set_ylabel("seen", fontsize=9)
    grid[1, 0].set_ylabel("believed", fontsize=9)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    found, sure = sum(row[2] == row[3] for row in words), [row[4] for row in words]
    alt = (
        f"{title or 'A noisy video'}: {count} frames of {n} x {n} pixels, and below each the belief about the place; "
        f"it is right about {found} of {count}, with probability {sure[0]} in the first and {sure[-1]} in the last."
    )
    return Picture(figure, alt, ("frame", "pixels on", "ball (row, column)", "believed", "with probability"), words)


def samplers(laws: Mapping[str, ArrayLike], outcomes: Sequence[str], *, title: str = "") -> Picture:
    """One group of bars per outcome, one bar per sampler: with which probability each draws what."""
    values = {name: np.asarray(law, dtype=float).ravel() for name, law in laws.items()}
    figure, (axes,) = chart(max(5.4, 1.35 * len(outcomes) + 1.2), 3.2)
    width = 0.84 / len(values)
    for k, (name, law) in enumerate(values.items()):
        x = np.arange(len(outcomes)) + (k - (len(values) - 1) / 2) * width
        axes.bar(
            x, law, 0.92 * width, color=SERIES[k], label=name, hatch=("", "//", "..", "xx")[k % 4], ec="white", lw=0
        )
        for at, p in zip(x, law, strict=True):
            axes.text(at, p + 0.012, short(float(p)), ha="center", va="bottom", fontsize=8, color=INK)
    axes.set_xticks(range(len(outcomes)), list(outcomes))
    axes.set(ylabel="probability", ylim=(0, min(1.12, 1.18 * max(law.max() for law in values.values()) + 0.03)))
    axes.grid(axis="y", color=PALE, lw=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(axis="x", length=0)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(values), fontsize=8, frameon=False)
    axes.set_title(title, loc="left", fontsize=11, pad=26)
    words = [(o, *(f"{law[i]:.3f}" for law in values.values())) for i, o in enumerate(outcomes)]
    table = np.array(list(values.values()))
    most = int(np.ptp(table, axis=0).argmax())
    apart = ", ".join(f"{name} {short(float(law[most]))}" for name, law in values.items())
    said = f"furthest apart at {outcomes[most]}: {apart}" if np.ptp(table[:, most]) >= 0.005 else "all alike to .005"
    alt = f"{title or 'Samplers'}: bars for {', '.join(outcomes)}; {said}."
    return Picture(figure, alt, ("outcome", *values), words)
