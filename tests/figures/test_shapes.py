"""Triangles of beliefs, and runs that were hot and then cool: numbers and words."""

import numpy as np
import pytest

from bnt.figures import learning as shapes


def test_triangles_say_how_far_a_reading_is_off() -> None:
    exact = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1 / 3, 1 / 3, 1 / 3]])
    off = exact.copy()
    off[0] = [0.8, 0.1, 0.1]
    picture = shapes.belief_triangles(exact, {"read": off, "mean": np.full((4, 3), 1 / 3)}, title="four")
    assert picture.header == ("beliefs", "R squared", "mean distance (TV)", "largest")
    assert picture.rows[0] == ("exact", "1.000", "0.000", "0.000")
    assert picture.rows[1] == ("read", "0.970", "0.050", "0.200")  # 1 - .06 / 2
    assert picture.rows[2] == ("mean", "0.000", "0.500", "0.667")
    assert picture.alt == "four: 4 exact beliefs, read with R squared 0.970, mean with R squared 0.000."
    told = shapes.belief_triangles(exact, {}, says="one in each corner").alt
    assert told == "Beliefs in a triangle: 4 exact beliefs; one in each corner."
    left, middle, right = picture.figure.axes
    np.testing.assert_allclose(
        left.collections[0].get_offsets(), [[0, 0], [1, 0], [0.5, 0.75**0.5], [0.5, 0.75**0.5 / 3]], atol=1e-4
    )
    np.testing.assert_allclose(right.collections[0].get_offsets(), [[0.5, 0.75**0.5 / 3]] * 4, atol=1e-4)
    colours = [axes.collections[0].get_facecolors() for axes in (left, middle, right)]
    np.testing.assert_array_equal(colours[0], colours[2])  # by the exact belief, wherever the point has gone
    assert [text.get_text() for text in middle.texts] == ["0", "1", "2"]
    assert middle.get_title() == "read: R² 0.970"


def test_hot_then_cool_draws_every_run_and_tells_its_turn() -> None:
    steps = [0, 400, 400, 2000]
    run = (steps, [1.0, 0.13, 0.13, 0.14], [0.1, 0.06, 0.06, 0.03])
    rescued = (steps, [1.0, 0.13, 0.99, 0.7], [0.1, 0.06, 0.07, 0.005])
    picture = shapes.hot_then_cool({"stuck": [run, run], "rescued": [rescued]}, turn=400, title="two")
    assert picture.rows[0] == ("stuck", "0", "0.13", "0.14", "0.06", "0.03")
    assert picture.rows[2] == ("rescued", "0", "0.13", "0.70", "0.06", "0.005")
    assert picture.alt == (
        "two: effective tokens by visible tokens in the end: stuck 0.14 to 0.14, rescued 0.70 to 0.70."
    )
    above, below = picture.figure.axes
    assert [list(line.get_ydata()) for line in above.lines[:3]] == [run[1], run[1], rescued[1]]
    assert below.get_yscale() == "log"
    assert list(above.lines[3].get_xdata()) == [400, 400]
    assert [text.get_text() for text in below.get_legend().get_texts()] == ["stuck", "rescued"]


@pytest.mark.parametrize("points", [1, 50])
def test_both_render(points: int) -> None:
    beliefs = np.random.default_rng(0).dirichlet(np.ones(3), points)
    assert len(shapes.belief_triangles(beliefs, {"a": beliefs}).png()) > 2000
    assert shapes.hot_then_cool({"a": [([0, 1], [1, 0.5], [0.1, 0.2])]}, turn=1).svg().startswith("<svg")
