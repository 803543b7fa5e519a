"""Starting from compiled weights: the compiled start is exact, the others are what their names say."""

import numpy as np
import pytest

from bnt.errors import BntError
from bnt.learned import efficiency
from bnt.learned.recipes import answers
from bnt.learned.trees import encode_trees
from bnt.stored import load_experiment


@pytest.fixture(scope="module")
def trees():
    return efficiency.shallow_trees(40, np.random.default_rng(0))


def test_compiled_weights_are_exact_on_these_tokens(trees):
    problems = efficiency.message_tokens(trees)
    assert problems.inputs.shape == (40, 23, 22)
    assert problems.mask.sum() == 40 * 8
    assert np.array_equal(problems.asked(problems.targets), encode_trees(trees).targets.ravel())
    compiled = efficiency.started("compiled", 0)
    assert problems.largest_error(answers(compiled, problems)) < 1e-6  # SHARPNESS 32: attention is not quite hard
    assert trees.distance.max() <= efficiency.DIAMETER


def test_starts_are_what_they_say():
    compiled, random = efficiency.compiled_parameters(), efficiency.started("random", 1)
    perturbed = efficiency.started("perturbed", 1)
    moved = perturbed.flat != compiled.flat
    assert (compiled.flat[moved] != 0).all()  # zeros stay zeros
    assert moved.mean() > 0.5 * (compiled.flat != 0).mean()
    routing, update = efficiency.started("routing given", 1), efficiency.started("update given", 1)
    for name in compiled.blocks:
        attends, updates = "W_QKV" in name or "W_O" in name, "W_in" in name or "W_out" in name
        assert np.array_equal(routing.blocks[name], (random if updates else perturbed).blocks[name]) or "b_" in name
        assert np.array_equal(update.blocks[name], (random if attends else perturbed).blocks[name]) or "b_" in name
    with pytest.raises(BntError, match="did you mean 'perturbed'"):
        efficiency.started("pertubed", 0)


@pytest.mark.parametrize("start", efficiency.STARTS)
def test_a_tiny_run(start):
    config = efficiency.EfficiencyConfig(steps=15, validation=20, learning_rates=(1e-3,))
    found = efficiency.learn_from(start, 16, config=config)
    assert 0 <= found.error <= found.before
    assert (found.before < 1e-5) == (start == "compiled")
    assert set(found.record()) >= {"start", "trees", "error"}


def test_the_record_has_every_start_and_size():
    record = load_experiment("learned_efficiency")
    assert list(record) == list(efficiency.STARTS)
    for start in efficiency.STARTS:
        assert [one["trees"] for one in record[start]] == list(efficiency.SIZES)
    seeds = load_experiment("learned_efficiency_seeds")
    assert list(seeds) == list(efficiency.DECISIVE)
    for start, sizes in efficiency.DECISIVE.items():
        stored = [(one["start"], one["trees"], one["seed"]) for one in seeds[start]]
        assert stored == [(start, n, seed) for n in sizes for seed in (1, 2)]
