"""Controls for learned weights: descent on the update of two beliefs; a wind tunnel beside its posterior; triangles."""

from __future__ import annotations

from functools import cache
from typing import Any

import ipywidgets
import numpy as np
from numpy.typing import NDArray

from bnt.figures import learning as pictures
from bnt.figures.picture import BLUE, GREY, INK, VERMILION, Picture, chart, entitle, number
from bnt.learned.updates import descend_update, update_kl
from bnt.training.gradients import predict
from bnt.training.parameters import Parameters
from bnt.widgets.explorer import Explorer, buttons, slider
from bnt.wind_tunnels.belief_shape import Triangle, next_symbol_model, triangles, untrained
from bnt.wind_tunnels.hidden_markov import DrawnHMM
from bnt.wind_tunnels.measures import entropy_bits, evaluation_batch, log_softmax
from bnt.wind_tunnels.tasks import Bijection, Recall, Task

# --- descent ----------------------------------------------------------------------------------------------------------

STARTS = {"zero": (0.0, 0.0), "wrong sign": (-2.0, -1.0), "far": (3.0, -2.5)}
RATES = (0.1, 1.0, 4.0, 16.0)
STEPS = (0, 1, 2, 3, 5, 10, 20, 50, 100, 200, 400)
SIDE = 3.5  # the picture shows weights from -SIDE to SIDE
PLACES = np.linspace(-SIDE, SIDE, 71)
LEVELS = (0.001, 0.01, 0.1, 0.3, 1.0)  # nats


def descent_explorer() -> Explorer:
    """Where does it end, and which steps are too long?"""
    controls = {
        "start": buttons("start", list(STARTS)),
        "rate": buttons("rate", [f"{rate:g}" for rate in RATES]),
        "effort": ipywidgets.SelectionSlider(
            options=[(str(steps), i) for i, steps in enumerate(STEPS)], value=3, description="steps of descent"
        ),
    }
    return Explorer(descent_picture, controls)


def descent_picture(start: str, rate: str, effort: int) -> Picture:
    """Lines of equal KL over the two weights, and the path from ``start`` after STEPS[effort] steps."""
    from matplotlib.figure import Figure

    steps = STEPS[effort]
    path = descend_update(STARTS[start], float(rate), steps)
    figure = Figure(figsize=(5.6, 4.4), layout="constrained")
    axes = figure.subplots()
    levels = axes.contour(PLACES, PLACES, ground(), LEVELS, colors=GREY)
    axes.clabel(levels, fmt="%g", fontsize=7)
    axes.plot(*path.T, color=BLUE, marker="o", ms=3, lw=1)
    axes.plot(*path[0], color=BLUE, marker="s", ms=7, mfc="white", ls="")
    axes.plot(1, 1, color=VERMILION, marker="*", ms=13, ls="")
    axes.annotate("BP", (1, 1), (8, 6), textcoords="offset points", color=VERMILION, fontsize=9)
    end = path[-1]
    outside = bool(np.abs(end).max() > SIDE)
    axes.set(xlim=(-SIDE, SIDE), ylim=(-SIDE, SIDE), xlabel="w0", ylabel="w1", aspect="equal")
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9, colors=INK)
    where = f"({number(end[0], 2)}, {number(end[1], 2)})" + (", outside the picture" if outside else "")
    title = f"{steps} steps of rate {rate}: at {where}"
    entitle(axes, title, fontsize=10)
    kl = update_kl(path)
    shown = [i for i in STEPS if i <= steps]
    rows = [(i, number(path[i, 0]), number(path[i, 1]), f"{abs(kl[i]):.1e}") for i in shown]
    alt = f"{title}, KL {abs(kl[-1]):.1e} nats; belief propagation is at (1, 1)."
    return Picture(figure, alt, ("step", "w0", "w1", "KL (nats)"), rows)


@cache
def ground() -> NDArray[Any]:
    """KL at every place of the picture (71, 71): the same whatever the controls say."""
    return update_kl(np.stack(np.meshgrid(PLACES, PLACES), axis=-1))


# --- a wind tunnel ----------------------------------------------------------------------------------------------------

SEQUENCES = 20  # of the evaluation batch, to choose from


def tunnel_explorer(parameters: Parameters, task: Task) -> Explorer:
    """Two sliders, one over sequences and one over the questions of a sequence."""
    most = len(task.asked) - 1
    controls = {"sequence": slider("sequence", SEQUENCES - 1), "question": slider("question", most)}
    return Explorer(lambda sequence, question: question_picture(parameters, task, sequence, question), controls)


def question_picture(parameters: Parameters, task: Task, sequence: int, question: int) -> Picture:
    """Bars: the posterior (grey) and the network (blue), answer by answer, at one question of one sequence."""
    batch = evaluation_batch(task)
    inputs, exact = batch.inputs[sequence], batch.posterior[sequence, question]
    log_q = log_softmax(predict(parameters, inputs[None])[0, task.asked[question]])
    found, names = np.exp(log_q), answer_names(task)
    label = int(batch.labels[sequence, question])
    figure, (axes,) = chart(6.8, 3.0)
    at = np.arange(len(names))
    axes.bar(at - 0.2, exact, 0.38, color="none", edgecolor=GREY, lw=1.8, hatch="///", label="posterior")
    axes.bar(at + 0.2, found, 0.38, color=BLUE, label="network")
    axes.plot(label, 1.04, marker="v", ms=7, color=VERMILION, ls="", clip_on=False, label="came about")
    axes.set(ylim=(0, 1.08), ylabel="probability")
    axes.set_xticks(at, names)
    axes.legend(frameon=False, fontsize=8, ncols=3, loc="lower right", bbox_to_anchor=(1, 1))
    bits, truth = float(entropy_bits(found)), float(entropy_bits(exact))
    with np.errstate(divide="ignore", invalid="ignore"):
        kl = float(np.where(exact > 0, exact * (np.log(exact) - log_q), 0.0).sum())
    told = story(task, inputs, question)
    alt = f"{told}: the posterior has {truth:.2f} bits, the network {bits:.2f}; KL {kl:.4f} nats."
    entitle(axes, told if len(told) < 64 else f"… {told[-60:]}", fontsize=10, pad=22)
    axes.set_xlabel(f"entropy: posterior {truth:.2f} bits, network {bits:.2f} bits; KL {kl:.4f} nats", fontsize=9)
    rows = [
        (name, number(p), number(q), "yes" if i == label else "")
        for i, (name, p, q) in enumerate(zip(names, exact, found, strict=True))
    ]
    return Picture(figure, alt, ("answer", "posterior", "network", "came about"), rows)


def answer_names(task: Task) -> list[str]:
    """What the answers are called: values a, b, c ..., or hidden states s0, s1, ..."""
    if isinstance(task, Bijection | Recall):
        return [chr(ord("a") + i) for i in range(task.outputs)]
    return [f"s{i}" for i in range(task.outputs)]


def story(task: Task, inputs: NDArray[Any], question: int) -> str:
    """A sequence up to a question, in words: "3→b 0→h 5→?"; for an HMM the observed symbols."""
    names = answer_names(task)
    if isinstance(task, Bijection | Recall):
        first = task.values if isinstance(task, Bijection) else task.keys  # symbol of the first value
        shown = question if isinstance(task, Bijection) else task.pairs
        pairs = [f"{inputs[2 * i]}→{names[inputs[2 * i + 1] - first]}" for i in range(shown)]
        return " ".join([*pairs, f"{inputs[task.asked[question]]}→?"])
    seen = inputs[1:, -task.symbols :].argmax(axis=1) if isinstance(task, DrawnHMM) else inputs
    return "observed " + " ".join(str(symbol) for symbol in seen[: question + 1])


# --- the shape of belief ----------------------------------------------------------------------------------------------

WORD, FITTED = 7, 300  # every word of so many symbols is a point; the lines are fitted on so many sequences


def triangle_explorer() -> Explorer:
    """A slider over layers: what a straight line reads there of mess3, from the trained model and its twin."""
    most = next_symbol_model("mess3").config.layers
    return Explorer(triangle_picture, {"layer": slider("layers that have run", most, most)})


def triangle_picture(layer: int) -> Picture:
    """Exact beliefs, and those read after ``layer`` layers from the trained model and from its untrained twin."""
    trained, other = (found[layer] for found in read_by_layer())
    title = f"mess3, all words of {WORD} symbols, after {layer} layer{'s' * (layer != 1)}"
    return pictures.belief_triangles(trained.exact, {"trained": trained.read, "untrained": other.read}, title=title)


@cache
def read_by_layer() -> tuple[list[Triangle], list[Triangle]]:
    """Trained and untrained readings after 0, 1, ... layers."""
    models = next_symbol_model("mess3"), untrained("mess3").astype("float64")
    trained, other = (triangles(model, "mess3", WORD, FITTED) for model in models)
    return trained, other
