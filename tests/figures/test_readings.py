"""Pictures of heads and of constructions: what they say, against numbers computed another way."""

import numpy as np
import pytest

from bnt.designs.costs import Size
from bnt.designs.specification import Alternative
from bnt.errors import BntError
from bnt.figures import readings


def test_head_squares_draw_what_is_large_and_says_what_is_read_most() -> None:
    weights = np.array([[0.9, 0.1, 0.0], [0.02, 0.97, 0.01], [0.2, 0.3, 0.5]])
    picture = readings.head_squares(weights, ["a", "b", "c"], title="head")
    assert picture.rows == (("a", "a 0.90, b 0.10"), ("b", "b 0.97"), ("c", "c 0.50, b 0.30, a 0.20"))
    (squares,) = picture.figure.axes[0].collections
    assert np.allclose(squares.get_offsets(), [[0, 0], [1, 0], [1, 1], [0, 2], [1, 2], [2, 2]])
    side = np.sqrt(squares.get_sizes() / squares.get_sizes().max())  # in sixteenths, rounded up
    wanted = np.sqrt([0.9, 0.1, 0.97, 0.2, 0.3, 0.5])
    assert ((side >= wanted) & (side < wanted + 1 / 16)).all()
    with pytest.raises(BntError, match=r"shape \(2, 2\)"):
        readings.head_squares(weights, ["a", "b"])


def test_construction_costs_shows_who_meets_and_what_it_costs() -> None:
    found = [
        Alternative("general", True, Size(4, 2, 30, 20, 4000), 2e-4, "small enough"),
        Alternative("junction-tree", True, Size(9, 3, 40, 25, 90000), 1e-16, "exact"),
        Alternative("mean-field", False, Size(64, 2, 9, 9, 700000), 0.2, "still off"),
        Alternative("pairwise", False, None, None, "three variables in a factor " * 5),
    ]
    picture = readings.construction_costs(found, title="asked")
    assert picture.rows[:2] == (
        ("general", "yes", "4", "4,000", "2.0e-04", "small enough"),
        ("junction-tree", "yes", "9", "90,000", "at most 1e-9", "exact"),
    )
    assert picture.rows[3][:5] == ("pairwise", "no", "-", "-", "-")
    assert picture.alt == "asked: 2 of 4 meet the specification; chosen: general."
    bars = picture.figure.axes[0].patches
    assert [round(bar.get_x() + bar.get_width()) for bar in bars] == [4000, 90000, 700000]
    assert [bar.get_facecolor()[3] > 0 for bar in bars] == [True, True, False]  # filled, or hollow
    assert "chosen: none" in readings.construction_costs(found[2:]).alt
