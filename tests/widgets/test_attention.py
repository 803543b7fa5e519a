"""A photo, a query, an update, a weight, a gate: what the controls show, against independent computations."""

import numpy as np
import pytest

from bnt import widgets

NAMES = ["Ada", "Bo", "Cem", "Dot"]
KEYS = np.array([[-1.5, 1.0], [1.2, 1.4], [1.0, -1.2], [-0.6, -0.8]])
HEIGHTS = [1.52, 1.88, 1.70, 1.61]
COLUMN = np.arange(5.0)
PARABOLA = np.stack([COLUMN - 2, (COLUMN - 2) ** 2], axis=1)


def gaussian(x: np.ndarray, mean: np.ndarray, variance: float) -> float:
    return float(np.exp(-((x - mean) ** 2).sum() / (2 * variance)) / (2 * np.pi * variance))


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
def test_photo_picture_says_the_posterior_by_bayes_rule(temperature: float) -> None:
    query = np.array([0.3, 0.9])
    prior = np.array([np.exp((k**2).sum() / (2 * temperature)) for k in KEYS])
    prior /= prior.sum()
    joint = prior * [gaussian(query, k, temperature) for k in KEYS]
    posterior = joint / joint.sum()
    picture = widgets.photo_picture(NAMES, KEYS, HEIGHTS, query, temperature)
    assert np.allclose([float(row[2]) for row in picture.rows], prior, atol=5.1e-4, rtol=0)
    assert np.allclose([float(row[3]) for row in picture.rows], posterior, atol=5.1e-4, rtol=0)
    assert f"returns {posterior @ HEIGHTS:.2f}" in picture.alt


def test_photo_explorer_redraws_when_the_temperature_changes() -> None:
    explorer = widgets.photo_explorer(NAMES, KEYS, HEIGHTS, (0.3, 0.9))
    explorer.controls["temperature"].value = 2.5
    assert explorer.shown() == widgets.photo_picture(NAMES, KEYS, HEIGHTS, (0.3, 0.9), 2.5).html()


def test_routing_explorer_names_the_winner_and_its_gap() -> None:
    explorer = widgets.routing_explorer({"parabola": PARABOLA, "line": np.stack([COLUMN, 0 * COLUMN], 1)})
    explorer.controls["angle"].value = 270
    assert explorer.picture().alt.startswith("parabola: key 2 wins, gap 1.00")
    assert explorer.picture().rows[0][0] == "2"
    explorer.controls["code"].value = "line"
    explorer.controls["angle"].value = 90
    assert explorer.picture().alt.startswith("line: a tie")


def test_update_explorer_says_how_far_off_the_unit_is() -> None:
    explorer = widgets.update_explorer()
    assert "softplus, beta 1: off by 0.000 from sum-" in explorer.picture().alt
    explorer.controls["activation"].value = "relu"
    assert "0.000 from max-product" in explorer.picture().alt
    explorer.controls["activation"].value = "softplus"
    explorer.controls["beta"].value = 64
    assert "from max-product" in explorer.picture().alt
    assert explorer.shown() == explorer.picture().html()


@pytest.mark.parametrize(("weight", "coupling", "whole", "table"), [(0.5, 1.0, 3.0, None), (2.0, 0.0, 0.0, 12.0)])
def test_power_picture_measures_both_misses(weight, coupling, whole, table) -> None:
    odds = np.linspace(-6, 6, 121)
    psi = np.exp([[coupling, 0.0], [0.0, coupling]])
    sent = np.array([np.log(np.array([1, np.exp(x)]) @ psi) @ [-1, 1] for x in odds])  # by the sum over the table
    miss = np.abs(weight * odds - sent).max()
    assert table is None or miss == pytest.approx(table)
    title = f"weight {weight:.2f}: whole copies off by {whole:.2f}, this table by {miss:.2f}"
    assert widgets.power_picture(weight, coupling).alt.startswith(title)


def test_power_explorer_redraws() -> None:
    explorer = widgets.power_explorer()
    explorer.controls["weight"].value = 1.5
    assert explorer.shown() == widgets.power_picture(1.5, 1.0).html()


def test_explorer_moves_from_or_to_and() -> None:
    explorer = widgets.gate_explorer()
    assert "at least 3 of 5" in explorer.picture().alt
    explorer.controls["threshold"].value = 0.1
    assert explorer.picture().alt.startswith("5 inputs, threshold 0.10: OR")
    assert [row[2] for row in explorer.picture().rows] == ["0", "1", "1", "1", "1", "1"]
    explorer.controls["inputs"].value = 1
    assert "the input itself" in explorer.picture().alt
