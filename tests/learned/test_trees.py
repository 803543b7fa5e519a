"""Random trees: shapes, numbering, and the vectorised rounds against run_bp and exact marginals."""

import networkx as nx
import numpy as np

from bnt.inference.belief_propagation import run_bp
from bnt.inference.exact import exact_marginals
from bnt.learned import trees as tree_task


def as_networkx(trees, row):
    return nx.Graph([(i, int(p)) for i, p in enumerate(trees.parent[row]) if i != p])


def test_shapes_are_all_trees_and_the_split_is_disjoint():
    every = tree_task.shapes()
    assert every.parent.shape == (23, 8, 8)
    assert set(tree_task.training_shapes()) | set(tree_task.HELD_OUT) == set(range(23))
    assert not set(tree_task.training_shapes()) & set(tree_task.HELD_OUT)
    assert len(set(every.diameter[list(tree_task.HELD_OUT)].tolist())) >= 3  # of mixed depth
    assert every.diameter.max() == 7


def test_a_sampled_tree_has_the_shape_it_says():
    trees = tree_task.random_trees(60, np.random.default_rng(0), np.arange(23))
    drawn = list(nx.nonisomorphic_trees(8))
    for row in range(60):
        tree = as_networkx(trees, row)
        assert nx.is_tree(tree)
        assert nx.is_isomorphic(tree, drawn[trees.shape[row]])
        lengths = dict(nx.all_pairs_shortest_path_length(tree))
        assert (trees.distance[row] == [[lengths[i][j] for j in range(8)] for i in range(8)]).all()
        assert (trees.eccentricity[row] == [nx.eccentricity(tree, i) for i in range(8)]).all()


def test_every_round_is_that_of_belief_propagation_and_the_last_is_exact():
    trees = tree_task.random_trees(25, np.random.default_rng(1), np.arange(23))
    rounds = tree_task.beliefs_by_round(trees)
    targets = tree_task.encode_trees(trees).targets[..., 0]
    for row in range(25):
        graph = trees.graph(row)
        truth = exact_marginals(graph).beliefs.flat[1::2]
        assert np.abs(targets[row] - truth).max() < 1e-13
        for r in (1, 2, 3):
            after = run_bp(graph, rounds=r).beliefs.flat[1::2]
            assert np.abs(1 / (1 + np.exp(-rounds[r, row])) - after).max() < 1e-13
        reached = rounds[trees.eccentricity[row], row, np.arange(8)]
        assert np.abs(1 / (1 + np.exp(-reached)) - truth).max() < 1e-13


def test_inputs_hold_the_tree():
    trees = tree_task.random_trees(30, np.random.default_rng(2))
    inputs = tree_task.encode_trees(trees).inputs
    own, above = inputs[..., 6:14], inputs[..., 14:22]
    looks_up = above @ own.transpose(0, 2, 1)  # 1 where the second token is the parent of the first
    assert (looks_up + looks_up.transpose(0, 2, 1) == (trees.distance == 1)).all()
    assert (inputs[..., 5] == looks_up.sum(1)).all()  # children
    assert (trees.eccentricity.max(-1) >= 2).all()
