"""A room and a ball: tables by hand, distances by matrix powers, the video's likelihood pixel by pixel."""

import itertools

import numpy as np
import pytest

import bnt
from bnt import BntError, ModelError
from bnt.generation.worlds import PLAN, hit_rates, make_ball, make_room


def test_the_room_by_hand():
    room = make_room()
    h = room.hmm
    assert len(h.states) == sum(row.count(".") for row in PLAN) == 30
    corner, east, south = (h.states.index(name) for name in ("a1", "b1", "a2"))
    np.testing.assert_allclose(h.transition[corner, [corner, east, south]], [0.6, 0.2, 0.2])  # stay, two walls
    np.testing.assert_allclose(h.transition.sum(0), 1.0)  # doubly stochastic
    felt = h.symbols.index("north west")
    assert abs(h.emission[corner, felt] - 0.9**4) <= 1e-15
    assert abs(h.emission[corner, h.symbols.index("none")] - 0.1**2 * 0.9**2) <= 1e-15
    grid = room.grid(np.arange(30))
    assert np.isnan(grid[1, 1])
    assert grid[5, 5] == 29


def test_distances_are_the_first_powers_that_reach():
    room = make_room()
    far, A = room.distances("f1"), room.hmm.transition
    power = np.eye(30)
    for steps in range(far.max() + 1):
        column = power[:, room.hmm.states.index("f1")] > 0
        np.testing.assert_array_equal(column, far <= steps)
        power = power @ A
    apart = make_room([".#."])
    np.testing.assert_array_equal(apart.distances("a1"), [0, -1])


def test_steered_steps_by_hand():
    room = make_room(["..."])
    steps = room.steered("c1", np.log(2))  # distances 2, 1, 0: weights 1/4, 1/2, 1
    np.testing.assert_allclose(steps[1], np.array([0.2 / 4, 0.6 / 2, 0.2]) / (0.05 + 0.3 + 0.2))
    np.testing.assert_allclose(room.steered("c1", 0.0), room.hmm.transition)
    with pytest.raises(ModelError, match="no way to a1"):
        make_room([".#."]).steered("a1", 1.0)


def test_a_strength_however_large_takes_the_shortest_way():
    room = make_room()
    for strength in (1e3, 1e9):  # exp(-strength * distance) is 0 in float64, all along the row
        steps = room.steered("a1", strength)
        np.testing.assert_allclose(steps.sum(axis=1), 1.0)
        far = room.distances("a1")
        best = np.where(room.hmm.transition > 0, far, 99).min(axis=1)
        np.testing.assert_allclose(steps @ far, best, atol=1e-12)


def test_hit_rates_of_nothing_are_refused():
    ball = make_ball(3)
    for options in ({"videos": 0}, {"frames": 3, "since": 4}, {"since": 0}):
        with pytest.raises(BntError, match="must be a whole number"):
            hit_rates(ball, 0.1, **options)


def test_hit_rates_without_noise_and_with_much():
    ball = make_ball(3)
    clear = hit_rates(ball, 1e-9, videos=2, frames=5, since=1)
    assert clear.one_frame == clear.filtered == 1.0
    assert clear.sure > 1 - 1e-6
    blind = hit_rates(ball, 0.5, videos=20, frames=20, since=10)  # nothing can be seen
    assert blind.filtered < 0.4  # the middle, where the ball is more often
    noisy = hit_rates(ball, 0.15, videos=20, frames=15, since=8)
    assert noisy.filtered > noisy.one_frame + 0.15
    assert abs(noisy.filtered - noisy.sure) < 0.12  # calibrated


def test_the_ball_bounces_and_its_video_has_the_likelihood_of_its_pixels():
    ball = make_ball(3)
    at = ball.states.index((0, 1, -1, 1))  # flies up, out of the picture: down instead
    there = {ball.states[i]: p for i, p in enumerate(ball.transition[at]) if p}
    assert there.keys() == {(1, 2, 1, 1), (1, 0, 1, -1)}
    np.testing.assert_allclose(there[1, 2, 1, 1], 0.9)
    np.testing.assert_allclose(ball.transition.sum(1), 1.0)
    x, frames = ball.video(6, 0.1, seed=1)
    logs = ball.log_likelihood(frames, 0.1)
    for t, s in ((0, 0), (3, 7), (5, int(x[5]))):
        clean = np.zeros((3, 3), dtype=bool)
        clean[ball.states[s][:2]] = True
        by_pixel = [np.log(0.1 if a != b else 0.9) for a, b in zip(clean.flat, frames[t].flat, strict=True)]
        assert abs(logs[t, s] - sum(by_pixel)) <= 1e-13
    assert all(ball.transition[a, b] > 0 for a, b in itertools.pairwise(x))


def test_each_frame_as_its_own_likelihood_in_the_causal_transformer():
    ball = make_ball(3)
    _, frames = ball.video(5, 0.15, seed=2)
    logs = ball.log_likelihood(frames, 0.15)
    hmm = bnt.HMM(ball.initial, ball.transition, np.ones((36, 1)))
    model = bnt.compile_filter(hmm, log_likelihood=logs)
    belief, own = ball.initial, []
    for t, row in enumerate(np.exp(logs)):
        belief = (belief @ ball.transition if t else belief) * row
        belief = belief / belief.sum()
        own.append(belief)
    assert np.abs(model.beliefs(bnt.forward(model.tokens, model.weights)) - own).max() <= 1e-14


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: make_room(["..", "."]), "rows of text of one length"),
        (lambda: make_room(["##"]), "the plan has no floor"),
        (lambda: make_room(noise=1.5), "noise must be a probability, not 1.5"),
        (lambda: make_room().distances("b2"), "the goal 'b2' is no cell"),
        (lambda: make_ball(1), "size must be a whole number of at least 2"),
        (lambda: make_ball(3, 1.1), "keep must be a probability"),
        (lambda: make_ball(3).log_likelihood(np.zeros((2, 4, 4)), 0.1), r"frames must have shape \(T, 3, 3\)"),
        (lambda: make_ball(3).log_likelihood(np.zeros((2, 3, 3)), 0), "noise must lie between 0 and 1"),
        (lambda: make_ball(3).log_likelihood(np.zeros((2, 3, 3)), "0.1"), "noise must lie between 0 and 1"),
        (lambda: make_room(noise="0.1"), "noise must be a probability, not '0.1'"),
        (lambda: make_ball(3, None), "keep must be a probability, not None"),
        (lambda: make_ball(3).video(2, float("nan")), "noise must be a probability, not nan"),
        (lambda: make_ball(3).video(2, 2), "noise must be a probability, not 2"),
        (lambda: make_room().grid([1.0, 2.0]), "30 numbers, one per cell, not of shape \\(2,\\)"),
        (lambda: make_room().grid(0.5), "not of shape \\(\\)"),
        (lambda: make_room().steered("a1", float("nan")), "strength must be finite"),
        (lambda: make_room().steered("a1", "4"), "strength must be finite"),
    ],
)
def test_what_is_refused(make, words):
    with pytest.raises(ModelError, match=words):
        make()


def test_a_walk_is_followed_and_looked_ahead_of():
    room = make_room()
    walk = room.walk(6, seed=3)
    assert (walk.cells, walk.seen) == room.hmm.sample(6, seed=3)
    np.testing.assert_array_equal(walk.belief(0), room.hmm.initial)
    belief = room.hmm.initial
    for t, symbol in enumerate(walk.seen):
        belief = (belief @ room.hmm.transition if t else belief) * room.hmm.emission[:, room.hmm.symbols.index(symbol)]
        belief = belief / belief.sum()
        np.testing.assert_allclose(walk.belief(t + 1), belief, atol=1e-13)
    later = belief @ room.hmm.transition @ room.hmm.transition
    np.testing.assert_allclose(walk.belief(6, 2), later, atol=1e-13)


@pytest.mark.parametrize("noise", [0.05, 0.25])
def test_the_ball_is_followed_frame_by_frame(noise):
    ball = make_ball(4)
    _, frames = ball.video(6, noise, seed=5)
    found, belief = ball.follow(frames, noise), ball.initial
    for t, row in enumerate(ball.log_likelihood(frames, noise)):
        belief = (belief @ ball.transition if t else belief) * np.exp(row - row.max())
        belief = belief / belief.sum()
        np.testing.assert_allclose(found[t], belief, atol=1e-13)
