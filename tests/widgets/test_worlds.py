"""Widgets of hidden worlds: what they show when moved, against plain recursions."""

import numpy as np
import pytest

from bnt import widgets
from bnt.generation.worlds import make_ball, make_room
from bnt.widgets import worlds


def numbers(picture, name):
    """The map of this name, cell by cell in reading order, as the table says it."""
    return [float(p) for row in picture.rows if row[0] == name for p in row[2:] if p != "wall"]


def test_the_room_follows_readings_and_looks_ahead() -> None:
    room = make_room()
    _, seen = room.hmm.sample(24, seed=3)
    belief = room.hmm.initial
    for t, symbol in enumerate(seen[:3]):
        belief = (belief @ room.hmm.transition if t else belief) * room.hmm.emission[:, room.hmm.symbols.index(symbol)]
        belief = belief / belief.sum()
    explorer = widgets.room_explorer()
    explorer.controls["time"].value = 3
    explorer.controls["ahead"].value = "2"
    picture = explorer.picture()
    np.testing.assert_allclose(numbers(picture, "after 3 readings"), belief, atol=5.1e-4)
    later = belief @ room.hmm.transition @ room.hmm.transition
    np.testing.assert_allclose(numbers(picture, "2 steps later"), later, atol=5.1e-4)
    explorer.controls["time"].value = 0
    assert "nothing felt yet" in explorer.picture().alt


def test_the_way_to_the_goal_step_by_step() -> None:
    explorer = widgets.goal_explorer()
    explorer.controls["step"].value = 12
    picture = explorer.picture()
    name = "given that it ends at the goal"
    assert max(numbers(picture, name)) == 1.0
    assert f"{name}: a path to f1" in picture.alt
    room, start = worlds.walk().room, worlds.walk().beliefs[-1]
    goal, A = room.hmm.states.index("f1"), room.hmm.transition
    ahead = np.linalg.matrix_power(A, 7)[:, goal]  # p(goal at 12 | at 5)
    between = start @ np.linalg.matrix_power(A, 5) * ahead
    explorer.controls["step"].value = 5
    np.testing.assert_allclose(numbers(explorer.picture(), name), between / between.sum(), atol=5.1e-4)
    strong = numbers(widgets.goal_picture(12, "4"), "steered, strength 4")[goal]
    weak = numbers(widgets.goal_picture(12, "0.5"), "steered, strength 0.5")[goal]
    assert weak < 0.3 < 0.95 < strong


@pytest.mark.parametrize("noise", worlds.NOISES)
def test_the_video_is_filtered_frame_by_frame(noise: str) -> None:
    ball, states, frames, beliefs = worlds.filmed(noise)
    logs, belief = make_ball(6).log_likelihood(frames, float(noise)), ball.initial
    for t, row in enumerate(logs):
        belief = (belief @ ball.transition if t else belief) * np.exp(row - row.max())
        belief = belief / belief.sum()
        np.testing.assert_allclose(beliefs[t], belief, atol=1e-13)
    explorer = widgets.ball_explorer()
    explorer.controls["first"].value = 7
    explorer.controls["noise"].value = noise
    picture = explorer.picture()
    assert [row[0] for row in picture.rows] == ["8", "9", "10", "11", "12"]
    r, c = ball.states[states[-1]][:2]
    assert picture.rows[-1][2] == f"{r + 1}, {c + 1}"


def test_temperatures_of_both_tables() -> None:
    explorer = widgets.temperature_explorer()
    first = explorer.picture()
    assert [row[1] for row in first.rows] == ["0.309", "0.309", "0.381", "0.000"]  # by hand: p(x1)^2, p(x2 | x1)^2
    explorer.controls["table"].value = "independent"
    for row in explorer.picture().rows:
        assert row[1] == row[2] == row[3]
    explorer.controls["temperature"].value = 1.0
    assert [row[1] for row in explorer.picture().rows] == ["0.420", "0.280", "0.180", "0.120"]
