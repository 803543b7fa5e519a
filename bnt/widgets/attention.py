"""Controls for attention and the FFN: a photo and its posterior, keys and a query, an update, a weight, a gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import ipywidgets
import numpy as np
from numpy.typing import ArrayLike, NDArray

from bnt.compiler.pairwise import updated_message
from bnt.figures import attention, charts
from bnt.figures.picture import Picture, number
from bnt.odds import threshold_gate
from bnt.transformer.blocks import softmax
from bnt.widgets.explorer import Explorer, buttons, dial, slider

Array = NDArray[np.float64]

# --- attention is a posterior -----------------------------------------------------------------------------------------


def photo_explorer(
    names: Sequence[str], keys: ArrayLike, values: ArrayLike, query: Sequence[float] = (0.0, 0.0)
) -> Explorer:
    """Move the query (a blurred photo) and the temperature (the variance of its blur): see whom it shows."""

    def draw(right: float, up: float, temperature: float) -> Picture:
        return photo_picture(names, keys, values, (right, up), temperature)

    low, high = np.floor(np.min(keys)) - 1, np.ceil(np.max(keys)) + 1
    controls = {
        "right": dial("right", low, high, 0.1, query[0]),
        "up": dial("up", low, high, 0.1, query[1]),
        "temperature": dial("temperature", 0.1, 4.0, 0.1, 1.0),
    }
    return Explorer(draw, controls)


def photo_picture(
    names: Sequence[str], keys: ArrayLike, values: ArrayLike, query: Sequence[float], temperature: float
) -> Picture:
    """Attention weights softmax(k . q / temperature), drawn as the posterior of the mixture they belong to.

    The mixture: key a is shown with probability proportional to exp(|k_a|^2 / (2 temperature)), and the query is
    that key plus Gaussian noise of variance ``temperature`` in every direction.
    """
    points, q = np.asarray(keys, dtype=float), np.asarray(query, dtype=float)
    prior = softmax((points**2).sum(axis=1) / (2 * temperature))  # (n,)
    weight = softmax(points @ q / temperature)  # (n,)
    mean = number(float(weight @ np.asarray(values, dtype=float)), 2)
    title = f"temperature {temperature:.1f}: attention returns {mean}"
    return attention.alignment(names, points, q, prior, weight, title=title)


# --- which keys can win -----------------------------------------------------------------------------------------------


def routing_explorer(codes: Mapping[str, ArrayLike]) -> Explorer:
    """Choose a code (name -> keys (n, 2)) and turn the query: see which key wins, and by how much."""
    controls = {
        "code": buttons("code", list(codes)),
        "angle": ipywidgets.IntSlider(20, 0, 355, 5, description="direction of the query, degrees"),
    }
    return Explorer(lambda code, angle: routing_picture(code, codes[code], angle), controls)


def routing_picture(code: str, keys: ArrayLike, angle: float) -> Picture:
    """Keys 0, 1, ... (n, 2) and a query of length 1 at ``angle`` degrees: the winner and its gap in the title."""
    points = np.asarray(keys, dtype=float)
    query = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
    scores = points @ query
    second, best = np.sort(scores)[-2:]
    said = f"key {np.argmax(scores)} wins, gap {number(best - second, 2)}" if best - second > 1e-9 else "a tie"
    names = [str(k) for k in range(len(points))]
    return attention.routing_plane(names, points, query, title=f"{code}: {said}")


# --- the update of a message ------------------------------------------------------------------------------------------

SHARPNESS = [0.5, 1, 2, 4, 8, 16, 64]
UPDATE_ODDS = np.linspace(-8.0, 8.0, 161)  # incoming log odds


def update_explorer() -> Explorer:
    """How the outgoing message depends on the incoming one, for a symmetric coupling."""
    controls = {
        "coupling": dial("coupling", -4.0, 4.0, 0.25, 2.0),
        "activation": buttons("activation", ["softplus", "relu", "gelu", "silu"]),
        "beta": ipywidgets.SelectionSlider(options=SHARPNESS, value=1, description="sharpness beta"),
    }
    return Explorer(update_picture, controls)


def update_picture(coupling: float, activation: str, beta: float) -> Picture:
    """The update with this activation beside sum- and max-product, for log psi = [[J, 0], [0, J]], J = coupling."""
    table = coupling, -coupling, -coupling  # a, c, d
    lines = {
        "sum-product": updated_message(UPDATE_ODDS, *table),
        "max-product": updated_message(UPDATE_ODDS, *table, "relu"),
        "this unit": updated_message(UPDATE_ODDS, *table, activation, beta),
    }
    far = [number(np.abs(lines["this unit"] - lines[name]).max(), 3) for name in ("sum-product", "max-product")]
    title = f"{activation}, beta {beta:g}: off by {far[0]} from sum-, {far[1]} from max-product"
    return charts.curves(
        UPDATE_ODDS, lines, xlabel="incoming log odds x", ylabel="outgoing message (log odds)", title=title
    )


# --- a real weight ----------------------------------------------------------------------------------------------------

POWER_ODDS = np.linspace(-6.0, 6.0, 121)  # log odds of the incoming message


def power_explorer() -> Explorer:
    """Move the weight and the coupling of one table: what reaches the target, exactly and with finite tables."""
    controls = {
        "weight": dial("weight", -2.0, 3.0, 0.25, 0.5),
        "coupling": dial("coupling of one table", -4.0, 4.0, 0.25, 1.0),
    }
    return Explorer(power_picture, controls)


def power_picture(weight: float, coupling: float) -> Picture:
    """weight * x beside round(weight) copies of x and the message of log psi = [[J, 0], [0, J]], J = coupling."""
    copies = int(np.round(weight))
    lines = {
        "weight x": weight * POWER_ODDS,
        f"{copies:d} copies" if copies != 1 else "1 copy": copies * POWER_ODDS,
        "one table": updated_message(POWER_ODDS, coupling, -coupling, -coupling),
    }
    target, whole, table = lines.values()
    far = number(np.abs(target - whole).max(), 2), number(np.abs(target - table).max(), 2)
    title = f"weight {weight:.2f}: whole copies off by {far[0]}, this table by {far[1]}"
    return charts.curves(
        POWER_ODDS, lines, xlabel="log odds x of the message", ylabel="what reaches the target", title=title
    )


# --- a gate -----------------------------------------------------------------------------------------------------------


def gate_explorer() -> Explorer:
    """One head, one unit: move the threshold from OR to AND."""
    inputs = slider("inputs", 8, 5)
    inputs.min = 1
    return Explorer(gate_picture, {"inputs": inputs, "threshold": dial("threshold", -0.05, 1.05, 0.05, 0.5)})


def gate_picture(inputs: int, threshold: float) -> Picture:
    """The mean that attention delivers, and the gate, against the number of inputs that are 1."""
    ones = np.arange(inputs + 1)
    mean = ones / inputs
    lines = {"mean (attention)": mean, "gate (FFN)": (mean > threshold).astype(float)}
    title = f"{inputs} inputs, threshold {threshold:.2f}: {threshold_gate(inputs, threshold)}"
    marks = {"threshold": threshold}
    return charts.curves(ones, lines, xlabel="inputs that are 1", ylabel="value", marks=marks, title=title)
