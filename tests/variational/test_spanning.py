"""Edge weights against a list of all spanning trees."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bnt.graph.flat import base_flat
from bnt.variational.spanning import spanning_tree_weights
from tests import naive, random_graphs


def weights_of(edges):
    return spanning_tree_weights(base_flat(random_graphs.pairwise(0, edges=edges)))


@given(st.integers(0, 10**6))
def test_weights_are_shares_of_all_spanning_trees(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 6))
    edges = random_graphs.tree_edges(n, rng)
    edges += [
        edge for edge in [(0, 1), *((i, j) for i in range(n) for j in range(i))] if rng.random() < 0.5
    ]  # parallel
    found = weights_of(edges)
    assert np.abs(found - naive.spanning_tree_shares(n, edges)).max() <= 1e-12
    assert abs(found.sum() - (n - 1)) <= 1e-12


def test_bridges_complete_graphs_and_components():
    assert weights_of([(0, 1), (1, 2), (1, 3)]).tolist() == [1.0, 1.0, 1.0]
    complete = [(i, j) for i in range(30) for j in range(i)]
    assert np.abs(weights_of(complete) - 2 / 30).max() <= 1e-13
    two = weights_of([(0, 1), (1, 2), (2, 0), (3, 4)])  # a triangle and an edge elsewhere
    assert np.abs(two - [2 / 3, 2 / 3, 2 / 3, 1.0]).max() <= 1e-13
    assert two[3] == 1.0


def test_many_edges_are_solved_for_in_blocks():
    ring = [(i, (i + 1) % 700) for i in range(700)]
    assert np.abs(weights_of(ring) - 699 / 700).max() <= 1e-9
    assert weights_of(ring).max() < 1.0
