"""Chains conditioned on a goal: against all paths, against the smoother, and what is refused."""

import itertools

import numpy as np
import pytest
from scipy.stats import chisquare

from bnt import HMM, BntError, InconsistentEvidenceError, ModelError, smooth_states
from bnt.generation.goals import conditioned_chain, h_transform, without_goal


def chain(seed, size=3):
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.ones(size)), rng.dirichlet(np.ones(size), size)


def all_paths(initial, matrix, weights):
    """Paths, and initial * matrix * ... * weights of every time, normalised; and the total."""
    steps, size = len(weights) - 1, len(initial)
    paths = np.array(list(itertools.product(range(size), repeat=steps + 1)))
    p = initial[paths[:, 0]] * weights[0][paths[:, 0]]
    for t in range(steps):
        p = p * matrix[paths[:, t], paths[:, t + 1]] * weights[t + 1][paths[:, t + 1]]
    return paths, p / p.sum(), p.sum()


@pytest.mark.parametrize("seed", range(4))
def test_against_all_paths(seed):
    initial, A = chain(seed)
    weights = np.ones((5, 3))
    weights[4] = [0, 1, 0] if seed % 2 else [0.2, 0, 3.0]
    weights[2] = [1, 0.5, 0]  # a place to avoid on the way
    found = conditioned_chain((initial, A), weights, 4)
    paths, p, total = all_paths(initial, A, weights)
    assert abs(found.log_probability - np.log(total)) <= 1e-13
    q = found.initial[paths[:, 0]]
    for t, step in enumerate(found.transitions):
        q = q * step[paths[:, t], paths[:, t + 1]]
    np.testing.assert_allclose(q, p, atol=1e-15)
    for t, row in enumerate(found.marginals()):
        np.testing.assert_allclose(row, np.bincount(paths[:, t], p, minlength=3), atol=1e-15)


def test_the_tempered_chain_is_the_transform_of_the_power():
    """p^2 of a chain: Doob's transform of A^2 (entry by entry), not its rows divided by their sums."""
    initial, A = chain(9)
    steps, h = h_transform(A**2, np.ones(3), 7)
    paths, p, _ = all_paths(initial, A, np.ones((8, 3)))
    weight = p**2 / (p**2).sum()
    for t in (0, 3, 6):
        pair = np.zeros((3, 3))
        np.add.at(pair, (paths[:, t], paths[:, t + 1]), weight)
        np.testing.assert_allclose(steps[t], pair / pair.sum(1, keepdims=True), atol=1e-14)
    assert np.abs(A**2 / (A**2).sum(1, keepdims=True) - steps[0]).max() > 0.01
    assert h.shape == (8, 3)
    np.testing.assert_allclose(h.max(axis=1), 1.0)


def test_samples_pass_a_chi_square_against_the_smoother():
    """The goal as evidence: one more symbol, shown at the goal alone."""
    initial, A = chain(5, 4)
    emission = np.zeros((4, 3))
    emission[:, 0], emission[:, 1] = [0.4, 0.3, 0.2, 0.1], [0.1, 0.2, 0.3, 0.4]
    emission[2, 2] = 0.5  # the goal shows itself half of the time
    emission /= emission.sum(1, keepdims=True)
    hmm = HMM(initial, A, emission)
    seen = [0, 1, 1]
    found = conditioned_chain(hmm, "2", 5, observations=seen)
    smooth = smooth_states(hmm, [*seen, *[None] * 4, 2])[2:]
    np.testing.assert_allclose(found.marginals(), smooth, atol=1e-14)
    paths = found.sample(20_000, seed=3)
    assert (paths[:, -1] == 2).all()
    for t in range(5):
        counts = np.bincount(paths[:, t], minlength=4)
        assert chisquare(counts, 20_000 * smooth[t]).pvalue > 1e-3
    pairs = np.bincount(4 * paths[:, 1] + paths[:, 2], minlength=16)  # joint of two times, not marginals alone
    expected = smooth[1][:, None] * found.transitions[1]
    assert chisquare(pairs, 20_000 * expected.ravel()).pvalue > 1e-3


def test_goals_by_name_number_and_list():
    initial, A = chain(6)
    hmm = HMM(initial, A, np.ones((3, 1)), states=("a", "b", "c"))
    one, other = conditioned_chain(hmm, "b", 3), conditioned_chain(hmm, 1, 3)
    np.testing.assert_array_equal(one.transitions, other.transitions)
    either = conditioned_chain(hmm, ["a", "b"], 3).marginals()[-1]
    np.testing.assert_allclose(either, conditioned_chain(hmm, [1.0, 1.0, 0.0], 3).marginals()[-1])
    assert either[2] == 0
    assert "3 steps towards a goal" in one._repr_html_()
    assert one.sample(5).shape == (5, 4)


def test_long_ways_do_not_underflow():
    initial, A = chain(7)
    found = conditioned_chain((initial, A), 0.001 * np.ones((3001, 3)), 3000)
    assert abs(found.log_probability - 3001 * np.log(0.001)) <= 1e-8
    assert np.isfinite(found.transitions).all()


def test_a_hard_way_beside_an_easy_one_does_not_underflow():
    """From a the goal has probability 1e-400, from d probability 1; who is in a must still find the way."""
    A = [[1 - 1e-200, 1e-200, 0, 0], [0, 1 - 1e-200, 1e-200, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    found = conditioned_chain(([1, 0, 0, 0], A), [0, 0, 1, 1], 2)
    assert found.log_probability == pytest.approx(-400 * np.log(10), rel=1e-12)
    np.testing.assert_allclose(found.marginals(), np.eye(4)[:3], atol=1e-15)
    assert found.sample(3).tolist() == [[0, 1, 2]] * 3
    np.testing.assert_allclose(h_transform(A, [0, 0, 1, 1], 2)[0][0][0], [0, 1, 0, 0], atol=1e-15)


LINE = HMM([1, 0, 0], [[0.5, 0.5, 0], [0, 0.5, 0.5], [0, 0, 1]], np.ones((3, 1)), states=("a", "b", "c"))


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (
            (LINE, "c", 1),
            InconsistentEvidenceError,
            "no path of 1 steps .* its last states can be reached in 2 steps",
        ),
        ((([0, 0, 1], LINE.transition), 0, 4), InconsistentEvidenceError, "no number of steps does"),
        ((LINE, "d", 4), BntError, "the goal 'd' is no state; valid: a, b, c"),
        ((LINE, 3, 4), BntError, "the goal 3 is no state"),
        ((LINE, True, 4), BntError, "the goal must be a state"),
        ((LINE, [1, 0], 4), BntError, r"weights of shape \(3,\) or \(5, 3\), not \(2,\)"),
        ((LINE, [1, -1, 0], 4), BntError, "finite and >= 0"),
        ((LINE, "c", 0), BntError, "steps must be a whole number of at least 1"),
        ((LINE.transition, "c", 2), ModelError, "must be an HMM, or a pair"),
    ],
)
def test_what_is_refused(arguments, error, words):
    with pytest.raises(error, match=words):
        conditioned_chain(*arguments)


def test_what_else_is_refused():
    with pytest.raises(BntError, match="observations belong to an HMM"):
        conditioned_chain((LINE.initial, LINE.transition), 0, 2, observations=[0])
    with pytest.raises(ModelError, match="the matrix must be square"):
        h_transform(np.ones((2, 3)), np.ones(3), 2)
    with pytest.raises(ModelError, match=r"not \(3, 2\)"):
        h_transform(np.eye(3), np.ones(2), 2)
    with pytest.raises(BntError, match="need the number of steps"):
        h_transform(np.eye(3), np.ones(3))
    steps, h = h_transform(LINE.transition, [0, 0, 1], 1)
    np.testing.assert_allclose(steps[0], [[0, 0, 0], [0, 0, 1], [0, 0, 1]])  # from "a" the goal is out of reach
    np.testing.assert_allclose(h, [[0, 0.5, 1], [0, 0, 1]])


def test_without_a_goal_it_is_the_chain_itself():
    initial, A = chain(3)
    found = without_goal(initial, A, 4, ("a", "b", "c"))
    assert found.log_probability == 0
    for t, row in enumerate(found.marginals()):
        np.testing.assert_allclose(row, initial @ np.linalg.matrix_power(A, t), atol=1e-15)
    everywhere = conditioned_chain((initial, A), np.ones(3), 4)
    np.testing.assert_allclose(everywhere.transitions, found.transitions, atol=1e-15)
    with pytest.raises(BntError, match="steps"):
        without_goal(initial, A, 0, ("a", "b", "c"))
