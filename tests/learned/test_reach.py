"""Errors by eccentricity and responses by distance: on models whose answers are known beforehand."""

import numpy as np
import pytest

from bnt.learned import insides as inside_learned
from bnt.learned import reach as learned_trees
from bnt.learned import trees as tree_task
from bnt.learned.recipes import RECIPES, learn
from bnt.stored import load_experiment
from bnt.training.parameters import initialise


@pytest.fixture
def trees():
    return learned_trees.unseen_trees(True, 300)


def pretend(monkeypatch, rounds):
    """A model that answers as BP after so many rounds."""

    def answers(parameters, problems):
        return 1 / (1 + np.exp(-tree_task.beliefs_by_round(pretend.trees)[rounds]))[..., None]

    monkeypatch.setattr(learned_trees, "answers", answers)
    return initialise(RECIPES["trees, 2 layers"].model, 0)


def test_a_model_that_is_bp_stopped_early_equals_it(monkeypatch, trees):
    model, pretend.trees = pretend(monkeypatch, 2), trees
    table = learned_trees.by_eccentricity(model, trees)
    assert table.layers == 2
    assert np.allclose(table.model, table.stopped, equal_nan=True, atol=1e-12)
    assert np.isnan(table.stopped[0])  # only a star has a node of eccentricity 1
    assert table.stopped[1] < 1e-12  # exact within reach
    seen = table.nodes > 0
    assert (table.stopped[2:][seen[2:]] > 0.02).all()  # and off beyond
    assert table.nodes.sum() == 8 * 300
    assert table.mean_error == pytest.approx(np.nansum(table.model * table.nodes) / table.nodes.sum())


def test_a_model_that_is_exact_responds_fully_at_every_distance(monkeypatch, trees):
    model = initialise(RECIPES["trees, 2 layers"].model, 0)
    monkeypatch.setattr(learned_trees, "answers", lambda parameters, problems: problems.targets)
    response, stopped = learned_trees.response_by_distance(model, trees)
    seen = ~np.isnan(response)
    assert np.allclose(response[seen], 1, atol=1e-9)
    assert stopped[0] > 0.9
    assert (np.abs(stopped[3:][seen[3:]]) < 1e-9).all()  # out of reach of two rounds
    assert (learned_trees.by_eccentricity(model, trees).model[1:3] == 0).all()


def test_unseen_trees_keep_to_their_shapes():
    assert set(learned_trees.unseen_trees(True, 200).shape) <= set(tree_task.HELD_OUT)
    assert not set(learned_trees.unseen_trees(False, 200).shape) & set(tree_task.HELD_OUT)


def test_routing_counts_attention_by_distance(trees):
    model = initialise(RECIPES["trees, 2 layers"].model, 0)
    for name in ("layer0.W_Q", "layer1.W_Q"):
        model.views[name][...] = 0  # every score 0: attention is uniform
    found = inside_learned.routing(model, trees)
    assert found.share.shape == (2, 8, 3)
    assert np.allclose(found.share, found.uniform, atol=1e-12)
    assert found.uniform == pytest.approx([1 / 8, 14 / 64, 42 / 64])  # a tree of 8 nodes has 7 edges
    told = inside_learned.watch_heads(trees)(model)
    assert told["effective tokens 0"] == pytest.approx(8)
    assert told["collapsed 1"] == 1


def test_probes_read_what_the_stream_holds(trees):
    model = initialise(RECIPES["trees, 1 layer"].model, 0)
    table = inside_learned.probe(model, trees, learned_trees.unseen_trees(True, 200, seed=1))
    assert table.shape == (2, 8)
    assert table[0, 0] > 0.999  # the local field is an input column
    assert table[0, 7] < 0.9  # the posterior is not
    assert (table < 1 + 1e-9).all()


def test_shipped_models_reproduce_the_shipped_tables():
    table, inside = load_experiment("learned_trees"), load_experiment("learned_inside")
    models = learned_trees.shipped_models()
    for layers in (1, 4):
        found = learned_trees.by_eccentricity(models[layers], learned_trees.unseen_trees(True, 4_000)).record()
        stored = table["held-out shapes"][layers - 1]
        assert found["nodes"] == stored["nodes"]
        for key in ("model", "stopped"):
            pairs = [(a, b) for a, b in zip(found[key], stored[key], strict=True) if b is not None]
            assert np.abs(np.diff(np.array(pairs), axis=1)).max() < 2e-6
    judge = learned_trees.unseen_trees(True, 600, 1)
    stored_share = inside[learned_trees.depth_name(2)]["attention"]
    assert np.abs(inside_learned.routing(models[2], judge).share - stored_share).max() < 1e-4
    words = inside_learned.implicit_graph_words(models[2], judge)
    assert words["kind"] == "only attention has a reading"


def test_watching_goes_into_the_curve():
    from dataclasses import replace

    small = replace(RECIPES["trees, 1 layer"], problems=64, validation=16, steps=4, warm_up=1, batch=8)
    run = learn(small, progress=False, watch=inside_learned.watch_heads(learned_trees.unseen_trees(True, 8)))
    assert len(run.run.curve["effective tokens 0"]) == len(run.run.curve["validation"])
    assert "collapsed 0" in run.record()["curve"]
