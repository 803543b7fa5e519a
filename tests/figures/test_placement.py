"""Where things stand: labels keep apart, arcs point down, forests grow one column per edge."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnt.figures.placement import place_directed, place_graph, spread_labels


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=12), st.floats(0.01, 2))
def test_spread_labels_keep_order_and_distance_and_centre(heights: list[float], gap: float) -> None:
    moved = spread_labels(heights, gap)
    order = sorted(range(len(heights)), key=lambda i: heights[i])
    steps = np.diff([moved[i] for i in order])
    assert (steps >= gap - 1e-9).all()
    assert math.fsum(moved) == pytest.approx(math.fsum(heights), abs=1e-9)  # least squares moves no centre of mass
    if (np.diff(sorted(heights)) >= gap).all():
        assert moved == pytest.approx(heights, abs=1e-9)


@given(st.integers(1, 12), st.integers(0, 10**6))
def test_arcs_point_down_and_boxes_keep_apart(size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    parents = {k: [int(j) for j in rng.permutation(k)[: rng.integers(0, 3)]] for k in range(size)}
    places = place_directed(parents)
    assert all(places[parent][1] > places[child][1] for child, above in parents.items() for parent in above)
    for a, b in itertools.combinations(places.values(), 2):
        assert a[1] != b[1] or abs(a[0] - b[0]) >= 1 - 1e-9


@given(st.integers(1, 14), st.integers(0, 10**6))
def test_forests_grow_one_column_per_edge(size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    edges = [(int(rng.integers(k)), k) for k in range(1, size) if rng.random() < 0.9]
    places = place_graph(range(size), edges)
    assert len(set(places.values())) == size
    assert all(abs(places[a][0] - places[b][0]) == 1 for a, b in edges)
