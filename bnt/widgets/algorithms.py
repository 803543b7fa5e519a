"""Controls for attention of today: which algorithm wins where, a cavity layer by hand, experts left out, a picture."""

from __future__ import annotations

from functools import cache

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator
from numpy.typing import ArrayLike

from bnt.compiler.posterior import image_beliefs
from bnt.figures.picture import (
    BLUE,
    GREEN,
    GREY,
    INK,
    MARKERS,
    ON_LIGHT,
    PURPLE,
    SERIES,
    VERMILION,
    Picture,
    chart,
    number,
)
from bnt.graph.factor_graph import Array
from bnt.learned import cavity
from bnt.reading.contest import ALGORITHMS, COUPLINGS, EDGES, SIGNS, contest, threshold
from bnt.reading.mixtures import SEASONS, seasons, truncation
from bnt.stored import load_experiment
from bnt.transformer.blocks import gate_weights
from bnt.widgets.explorer import Explorer, buttons, dial, slider

FIELDS = ("0.05", "0.2", "0.8")
COLOURS = (BLUE, PURPLE, VERMILION)


def winner_explorer() -> Explorer:
    """Graph, signs and fields: the error of three algorithms as the couplings grow."""
    controls = {
        "graph": buttons("graph", list(EDGES)),
        "signs": buttons("couplings", SIGNS),
        "field": buttons("largest field", FIELDS),
    }
    controls["field"].value = "0.2"
    return Explorer(winner_picture, controls)


def winner_picture(graph: str, signs: str, field: str) -> Picture:
    """Error against J, one line per algorithm; dashed: the threshold; hollow: belief propagation does not settle."""
    error, settles = contest(graph, signs, float(field))
    at, J = threshold(graph), np.array(COUPLINGS)
    figure, (axes,) = chart(6.8, 3.5)
    for k, (name, colour) in enumerate(zip(ALGORITHMS, COLOURS, strict=True)):
        axes.plot(J, error[:, k], color=colour, lw=1.9, marker=MARKERS[k], ms=5, label=name, clip_on=False)
    loose = settles < 0.999
    axes.plot(J[loose], error[loose, 0], ls="", marker=MARKERS[0], ms=5, mfc="white", mec=BLUE, clip_on=False, zorder=4)
    axes.axvline(at, color=GREY, lw=1.1, ls=(0, (4, 3)), zorder=0)
    axes.annotate("threshold", (at, 0.57), (3, 0), textcoords="offset points", color=GREY, fontsize=9, va="top")
    axes.set(xlim=(0, J[-1]), ylim=(0, 0.6), xlabel="coupling |J|", ylabel="error of the worst marginal")
    axes.legend(fontsize=9, frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
    title = f"{graph}, {signs}, fields up to {field}"
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    best = [ALGORITHMS[int(k)] for k in error.argmin(axis=1)]
    rows = [
        (f"{j:g}", *(f"{value:.3f}" for value in line), f"{share:.0%}", name)
        for j, line, share, name in zip(COUPLINGS, error, settles, best, strict=True)
    ]
    wins = {name: [f"{j:g}" for j, b in zip(COUPLINGS, best, strict=True) if b == name] for name in ALGORITHMS}
    said = "; ".join(f"{name} at {', '.join(js)}" for name, js in wins.items() if js)
    alt = f"{title}: the threshold is at J = {at:.3f}; the smallest error has {said}."
    return Picture(figure, alt, ("J", *ALGORITHMS, "BP settles", "smallest error"), rows)


# --- the cavity by hand -----------------------------------------------------------------------------------------------

SMALLEST = 1e-5  # nats, the left edge


def cavity_explorer() -> Explorer:
    """Gain, what is heard, and what is left out: be the optimiser."""
    controls = {
        "gain": dial("gain g of the couplings", 0.5, 2.5, 0.5, 1.0),
        "heard": dial("a: weight of all messages", 0.25, 1.25, 0.25, 0.5),
        "out": dial("b: how much is left out", 0.0, 1.0, 0.25, 0.0),
    }
    return Explorer(cavity_picture, controls)


def cavity_picture(gain: float, heard: float, out: float) -> Picture:
    """KL on each family of (gain, heard, out), damped by one half, between belief propagation's and descent's own."""
    parameters = np.array([gain, heard, out, 1.0, 0.0])
    rows, figure_rows = [], []
    for family in cavity.FAMILIES:
        values = [cavity.kl(parameters, cavity.unseen(family)), *beside(family)]
        figure_rows.append(np.maximum(values, SMALLEST))
        rows.append((family, *(f"{value:.4f}" for value in values)))
    figure, (axes,) = chart(6.8, 3.3)
    names = ("these numbers", "belief propagation, damped", "found by descent there")
    for k, (name, colour) in enumerate(zip(names, (VERMILION, BLUE, GREEN), strict=True)):
        height = np.arange(len(rows)) + (k - 1) * 0.2
        axes.plot([line[k] for line in figure_rows], height, ls="", marker=MARKERS[k], ms=7, color=colour, label=name,
                  clip_on=False)  # fmt: skip
    axes.set_yticks(range(len(rows)), [row[0] for row in rows])
    axes.set(xscale="log", xlim=(SMALLEST, 10), ylim=(len(rows) - 0.5, -0.5))
    axes.set_xlabel("KL in nats per spin (left edge: less)")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid(axis="x", color=GREY, alpha=0.25, lw=0.6)
    axes.legend(fontsize=8.5, frameon=False, loc="lower center", bbox_to_anchor=(0.4, 1.0), ncols=3)
    title = f"g = {gain:g}, a = {heard:g}, b = {out:g}"
    alt = f"{title}: KL per spin {', '.join(f'{row[0]} {row[1]}' for row in rows)}."
    return Picture(figure, alt, ("family", *names), rows)


@cache
def beside(family: str) -> tuple[float, float]:
    """KL of belief propagation, damped, and of what descent found: the same whatever the controls say."""
    damped = np.array([*cavity.BELIEF_PROPAGATION[:4], 0.0])
    learned = np.array(load_experiment("learned_cavity")[family][0]["parameters"])
    return cavity.kl(damped, cavity.unseen(family)), cavity.kl(learned, cavity.unseen(family))


# --- experts ----------------------------------------------------------------------------------------------------------

DEGREES = np.linspace(-5, 27, 129)


def experts_explorer() -> Explorer:
    """How many experts are kept, and how far apart the seasons are."""
    kept = slider("experts kept", 4, 2)
    kept.min = 1
    return Explorer(experts_picture, {"keep": kept, "apart": dial("seasons apart by", 0.5, 4.0, 0.5, 1.0)})


def experts_picture(keep: int, apart: float) -> Picture:
    """Above: weights of the gate, those of dropped experts pale. Below: the error, within dropped mass x diameter."""
    sublayer, x = seasons(keep, apart), DEGREES[:, None]
    whole, kept = gate_weights(x, sublayer.gate), gate_weights(x, sublayer.gate, keep)
    lost = truncation(sublayer, x)
    figure, (above, below) = chart(6.8, 4.4, 2, (1.5, 1))
    foot = np.zeros(len(x))
    for k, season in enumerate(SEASONS):
        top = foot + whole[:, k]
        for dropped, opacity in ((False, 0.9), (True, 0.25)):
            where = (kept[:, k] == 0) == dropped
            wide = where | np.roll(where, 1) & (np.arange(len(x)) > 0)
            above.fill_between(DEGREES, foot, top, where=wide, color=SERIES[k], alpha=opacity, lw=0)
        middle = int(np.abs(DEGREES - np.clip(whole[:, k] @ DEGREES / whole[:, k].sum(), -3, 25)).argmin())
        if whole[middle, k] > 0.08:
            place = DEGREES[middle], foot[middle] + whole[middle, k] / 2
            above.annotate(season, place, fontsize=9, color=ON_LIGHT, ha="center", va="center")
        foot = top
    above.set(ylim=(0, 1), ylabel="gate")
    below.fill_between(DEGREES, -lost.bound, lost.bound, color=GREY, alpha=0.25, lw=0)
    below.plot(DEGREES, lost.error[:, 0], color=VERMILION, lw=1.9)
    below.set(xlim=(DEGREES[0], DEGREES[-1]), ylim=(-2, 2), xlabel="degrees", ylabel="error, in layers")
    title = f"{keep} of 4 experts kept, seasons apart by {apart:g}"
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    worst = int(np.abs(lost.error[:, 0]).argmax())
    alt = (
        f"{title}: the dropped mass is at most {lost.dropped.max():.3f}; the largest error is "
        f"{number(abs(lost.error[worst, 0]))} layers, at {DEGREES[worst]:g} degrees, where the bound is "
        f"{number(lost.bound[worst])}."
    )
    rows = [
        (f"{DEGREES[i]:g}", *(number(w) for w in whole[i]), number(lost.dropped[i]), number(lost.error[i, 0]),
         number(lost.bound[i]))
        for i in range(0, len(DEGREES), 16)
    ]  # fmt: skip
    return Picture(figure, alt, ("degrees", *SEASONS, "dropped", "error", "bound"), rows)


# --- pictures ---------------------------------------------------------------------------------------------------------

ROUNDS = 12
AGREEMENTS = ("0", "0.2", "0.4", "0.8", "1.6")


def image_explorer(truth: ArrayLike, seen: ArrayLike, noise: float) -> Explorer:
    """Rounds, and how strongly neighbours agree."""
    draw = Restored(np.asarray(truth), np.asarray(seen), noise)
    strength = buttons("coupling J", AGREEMENTS)
    strength.value = "0.8"
    return Explorer(draw.picture, {"rounds": slider("rounds", ROUNDS, 3), "coupling": strength})


class Restored:
    """A picture, what was seen of it, and what belief propagation makes of that."""

    def __init__(self, truth: Array, seen: Array, noise: float):
        self.truth, self.seen, self.noise = truth, seen, noise

    def picture(self, rounds: int, coupling: str) -> Picture:
        """Three panels: seen, the beliefs after so many rounds, the truth; a cross on every wrong pixel."""
        return image_picture(self.truth, self.seen, self.noise, rounds, coupling)


def image_picture(truth: ArrayLike, seen: ArrayLike, noise: float, rounds: int, coupling: str) -> Picture:
    """What was seen, P(ink) after ``rounds`` rounds, and the truth; crosses: pixels on the wrong side of one half."""
    right, noisy = np.asarray(truth), np.asarray(seen)
    belief = beliefs_of(noisy.astype(np.int8).tobytes(), noisy.shape, float(coupling), noise)[rounds]
    figure = Figure(figsize=(7.2, 2.9), layout="constrained")
    panels = figure.subplots(1, 3)
    wrong = []
    for axes, image, name in zip(panels, (noisy, belief, right), ("seen", f"round {rounds}", "truth"), strict=True):
        missed = (image > 0.5) != right
        wrong.append(int(missed.sum()))
        draw_pixels(axes, np.asarray(image, dtype=float), missed)
        axes.set_title(f"{name}: {wrong[-1]} wrong" if name != "truth" else name, fontsize=10, color=INK)
    title = f"coupling J = {coupling}, {rounds} rounds"
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    sure = float(np.maximum(belief, 1 - belief).mean())
    alt = f"{title}: {wrong[0]} pixels wrong as seen, {wrong[1]} after the rounds; mean certainty {sure:.2f}."
    rows = [
        ("".join(".#"[int(p)] for p in noisy[r]), "".join(".#"[int(p > 0.5)] for p in belief[r]),
         "".join(".#"[int(p)] for p in right[r]))
        for r in range(len(right))
    ]  # fmt: skip
    return Picture(figure, alt, ("seen", f"round {rounds}", "truth"), rows)


@cache
def beliefs_of(seen: bytes, shape: tuple[int, int], coupling: float, noise: float) -> Array:
    """``image_beliefs``, remembered."""
    return image_beliefs(np.frombuffer(seen, dtype=np.int8).reshape(shape), coupling, noise, ROUNDS)


def draw_pixels(axes: Axes, image: Array, missed: Array) -> None:
    """Ink dark, paper light; a cross on what is missed."""
    axes.imshow(image, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
    axes.plot(*np.nonzero(missed)[::-1], ls="", marker="x", ms=5, mew=1.4, color=VERMILION)
    axes.set(xticks=[], yticks=[])
