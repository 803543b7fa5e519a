"""Controls for other attention than belief propagation's: which algorithm wins where, and a cavity layer by hand."""

from __future__ import annotations

from functools import cache

import numpy as np
from matplotlib.ticker import FuncFormatter, NullLocator

from bnt.claims.rows.variational import GRID, NINE, ising
from bnt.figures.picture import BLUE, GREEN, GREY, MARKERS, PURPLE, VERMILION, Picture, chart
from bnt.inference.belief_propagation import run_bp
from bnt.inference.exact import exact_marginals
from bnt.inference.spectral_bound import spectral_bound
from bnt.inference.variational import run_mean_field, run_trw
from bnt.learned import cavity
from bnt.stored import load_experiment
from bnt.widgets.explorer import Explorer, buttons, dial

EDGES = {"3 x 3 grid": GRID, "complete graph K9": NINE}
SIGNS = ("all attract", "all repel", "random signs")
FIELDS = ("0.05", "0.2", "0.8")
COUPLINGS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.55, 0.7, 0.85, 1.0, 1.25, 1.5)
DRAWS = 6  # models at each coupling
NAMES = ("belief propagation", "mean field", "tree-reweighted")
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


def threshold(graph: str) -> float:
    """The J at which the spectral bound of equal couplings |J| is 1."""
    edges = EDGES[graph]
    per_coupling = spectral_bound(ising(edges, np.full(len(edges), 0.1), np.zeros(9)))
    assert per_coupling is not None
    return float(np.arctanh(np.tanh(0.1) / per_coupling))


@cache
def errors(graph: str, signs: str, field: str) -> tuple[np.ndarray, np.ndarray]:
    """Mean over DRAWS of the largest error of a marginal, (couplings, 3), and the share on which run_bp settles."""
    edges, rng = EDGES[graph], np.random.default_rng(0)
    error, settles = np.zeros((len(COUPLINGS), 3)), np.zeros(len(COUPLINGS))
    for c, J in enumerate(COUPLINGS):
        for _ in range(DRAWS):
            sign = {"all attract": 1.0, "all repel": -1.0}.get(signs, rng.choice([-1.0, 1.0], len(edges)))
            model = ising(edges, J * sign * np.ones(len(edges)), rng.uniform(-float(field), float(field), 9))
            truth = exact_marginals(model).beliefs
            plain = run_bp(model, schedule="flooding")
            bp = plain if plain.converged else run_bp(model, schedule="flooding", damping=0.5, tolerance=1e-8)
            settles[c] += bp.converged / DRAWS
            runs = (bp, run_mean_field(model), run_trw(model))
            error[c] += [run.beliefs.distance(truth) / DRAWS for run in runs]
    return error, settles


def winner_picture(graph: str, signs: str, field: str) -> Picture:
    """Error against J, one line per algorithm; dashed: the threshold; hollow: belief propagation does not settle."""
    error, settles = errors(graph, signs, field)
    at, J = threshold(graph), np.array(COUPLINGS)
    figure, (axes,) = chart(6.8, 3.5)
    for k, (name, colour) in enumerate(zip(NAMES, COLOURS, strict=True)):
        axes.plot(J, error[:, k], color=colour, lw=1.9, marker=MARKERS[k], ms=5, label=name, clip_on=False)
    loose = settles < 0.999
    axes.plot(J[loose], error[loose, 0], ls="", marker=MARKERS[0], ms=5, mfc="white", mec=BLUE, clip_on=False, zorder=4)
    axes.axvline(at, color=GREY, lw=1.1, ls=(0, (4, 3)), zorder=0)
    axes.annotate("threshold", (at, 0.57), (3, 0), textcoords="offset points", color=GREY, fontsize=9, va="top")
    axes.set(xlim=(0, J[-1]), ylim=(0, 0.6), xlabel="coupling |J|", ylabel="error of the worst marginal")
    axes.legend(fontsize=9, frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
    title = f"{graph}, {signs}, fields up to {field}"
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    best = [NAMES[int(k)] for k in error.argmin(axis=1)]
    rows = [
        (f"{j:g}", *(f"{value:.3f}" for value in line), f"{share:.0%}", name)
        for j, line, share, name in zip(COUPLINGS, error, settles, best, strict=True)
    ]
    wins = {name: [f"{j:g}" for j, b in zip(COUPLINGS, best, strict=True) if b == name] for name in NAMES}
    said = "; ".join(f"{name} at {', '.join(js)}" for name, js in wins.items() if js)
    alt = f"{title}: the threshold is at J = {at:.3f}; the smallest error has {said}."
    return Picture(figure, alt, ("J", *NAMES, "BP settles", "smallest error"), rows)


# --- the cavity by hand -----------------------------------------------------------------------------------------------

SMALLEST = 1e-5  # nats, the left edge
MODELS = 40  # of each family


def cavity_explorer() -> Explorer:
    """Gain, what is heard, and what is left out: be the optimiser."""
    controls = {
        "gain": dial("gain g of the couplings", 0.5, 2.5, 0.5, 1.0),
        "heard": dial("a: weight of all messages", 0.25, 1.25, 0.25, 0.5),
        "out": dial("b: how much is left out", 0.0, 1.0, 0.25, 0.0),
    }
    return Explorer(cavity_picture, controls)


@cache
def judged(family: str) -> cavity.Spins:
    """Models to judge on."""
    return cavity.draw(family, MODELS, 2000)


def cavity_picture(gain: float, heard: float, out: float) -> Picture:
    """KL on each family of (gain, heard, out), damped by one half, between belief propagation's and descent's own."""
    record, parameters = load_experiment("learned_cavity"), np.array([gain, heard, out, 1.0, 0.0])
    damped = np.array([*cavity.BELIEF_PROPAGATION[:4], 0.0])
    rows, figure_rows = [], []
    for family in cavity.FAMILIES:
        spins = judged(family)
        learned = np.array(record[family][0]["parameters"])
        values = [cavity.kl(one, spins) for one in (parameters, damped, learned)]
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
