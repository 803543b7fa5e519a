"""A recipe trains as ``train`` and ``train_lbfgs`` do by hand, and shipped weights lie where it says."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from bnt.checks import look_up
from bnt.errors import BntError
from bnt.learned.recipes import RECIPES
from bnt.sequences.turing import MACHINES
from bnt.stored import FOLDER
from bnt.training.losses import squared_error
from bnt.training.parameters import TransformerConfig, initialise
from bnt.training.recipes import Recipe, shipped_weights, weights_file
from bnt.training.train import train, train_lbfgs
from bnt.wind_tunnels.belief_shape import PROCESSES
from bnt.wind_tunnels.measures import TASKS

SMALL = Recipe(
    task="halves",
    model=TransformerConfig(inputs=2, width=4, outputs=1, heads=1, d_k=4, d_ff=4, activation="softplus"),
    loss=squared_error,
    batch=5,
    steps=6,
    learning_rate=1e-2,
    warm_up=2,
    clip=0.5,
)


def draw(count, rng, noise=0.0):
    inputs = rng.normal(size=(count, 3, 2))
    mask = np.broadcast_to([[0.0], [1.0], [2.0]], (count, 3, 1))
    return inputs, 1 / (1 + np.exp(-inputs.sum(-1, keepdims=True) + noise)), mask


def test_new_problems_in_every_step():
    run = SMALL.train(draw, 3, progress=False)
    by_hand = train(
        initialise(SMALL.model, 3, "float32"), partial(draw, 5), squared_error, steps=6, learning_rate=1e-2, warm_up=2,
        clip=0.5, seed=3, progress=False,
    )  # fmt: skip
    assert np.array_equal(run.parameters.flat, by_hand.parameters.flat)
    assert run.parameters.flat.dtype == np.float32


def test_problems_that_are_drawn_once():
    recipe = replace(SMALL, problems=9)
    inputs, targets, mask = (part.astype("float32") for part in draw(9, np.random.default_rng([3, 0])))

    def batches(rng):
        rows = rng.integers(0, 9, 5)
        return inputs[rows], targets[rows], mask[rows]

    start = initialise(SMALL.model, 7, "float32")
    by_hand = train(
        start, batches, squared_error, steps=6, learning_rate=1e-2, warm_up=2, clip=0.5, seed=3, progress=False
    )
    run = recipe.train(draw, 3, start=start, progress=False)
    assert np.array_equal(run.parameters.flat, by_hand.parameters.flat)
    assert all(part.dtype == np.float32 for part in recipe.training_problems(draw, 3))


def test_lbfgs_sees_all_problems_at_once():
    recipe = replace(SMALL, problems=9, optimiser="lbfgs", precision="float64")
    noisy = partial(draw, noise=1.0)
    inputs, targets, mask = noisy(9, np.random.default_rng([3, 0]))
    by_hand = train_lbfgs(
        initialise(SMALL.model, 3), inputs, targets, squared_error, mask=mask, iterations=6, history=50, progress=False
    )
    assert np.array_equal(recipe.train(noisy, 3, progress=False).parameters.flat, by_hand.parameters.flat)


def test_every_stored_file_of_weights_is_named_by_the_rule():
    named = {weights_file("learned", name) for name in RECIPES}
    named |= {weights_file("learned machine", name) for name in MACHINES}
    named |= {weights_file("wind tunnel", name) for name in TASKS}
    named |= {weights_file("belief", name) for name in PROCESSES}
    named.add("real_model.npz")  # attention patterns of a trained encoder, no weights
    assert named == {path.name for path in FOLDER.glob("*.npz")}
    assert weights_file("learned", "oriented, L-BFGS") == "learned_oriented_l_bfgs.npz"
    assert shipped_weights("learned", "oriented").flat.dtype == np.float32
    assert shipped_weights("learned", "oriented", "float64").flat.dtype == np.float64


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda: replace(SMALL, optimiser="sgd"), 'optimiser must be "adam" or "lbfgs", not \'sgd\''),
        (lambda: replace(SMALL, optimiser="lbfgs"), "L-BFGS needs a number of problems"),
        (lambda: SMALL.training_problems(draw, 0), "'halves' draws new problems in every step"),
        (lambda: shipped_weights("learned", "chains"), "did you mean 'learned_chain.npz'"),
        (lambda: look_up({"one": 1, "two": 2}, "tow", "number"), "there is no number 'tow'; did you mean 'two'"),
    ],
)
def test_errors_are_one_sentence(wrong, words):
    with pytest.raises(BntError, match=words):
        wrong()
    assert look_up({"one": 1}, "one", "number") == 1
