"""Maps of beliefs, frames of a video, and bars: their words against numbers computed another way."""

import numpy as np

from bnt.figures import sequences as worlds
from bnt.generation.worlds import make_ball, make_room

ROOM = make_room(["..", ".#"])


def test_maps_say_every_cell_and_mark_walls_goal_and_path() -> None:
    maps = {"now": [0.5, 0.25, 0.25], "later": [0, 0, 1]}
    picture = worlds.room_maps(ROOM, maps, paths={"now": ["a1", "b1"]}, goal="a2", here="b1", title="t")
    assert picture.header == ("map", "row", "a", "b")
    assert picture.rows == (
        ("now", "1", "0.500", "0.250"),
        ("now", "2", "0.250", "wall"),
        ("later", "1", "0.000", "0.000"),
        ("later", "2", "1.000", "wall"),
    )
    assert picture.alt == (
        "t: chances of every cell; now: most likely a1, .50, b1 .25, a2 .25; later: most likely a2, 1, b1 0; "
        "somebody is at b1; now: a path to b1."
    )
    alike = worlds.room_maps(ROOM, {"now": [1 / 3, 1 / 3, 1 / 3]}).alt
    assert alike == "A room: chances of every cell; now: all 3 cells alike, .33 each."
    assert "now: most likely a1 and a2, .50." in worlds.room_maps(ROOM, {"now": [0.5, 0, 0.5]}).alt
    now, later = picture.figure.axes
    assert [text.get_text() for text in now.texts] == ["50", "25", "25"]
    assert [text.get_text() for text in later.texts] == ["100"]
    walls = [patch for patch in now.patches if patch.get_facecolor()[3] == 0.8]
    assert [patch.get_xy() for patch in walls] == [(0.5, 0.5)]
    shades = [patch.get_facecolor()[3] for patch in now.patches[:2]]
    np.testing.assert_allclose(shades, [0.6 * np.sqrt(0.5), 0.3])


def test_the_strip_shows_frames_beliefs_and_the_truth() -> None:
    ball = make_ball(3)
    states, frames = ball.video(2, 0.2, seed=0)
    belief = np.zeros((2, len(ball.states)))
    belief[:, ball.states.index((2, 1, 1, 1))] = 0.75
    belief[:, ball.states.index((2, 1, -1, 1))] = 0.25
    picture = worlds.video_strip(ball, frames, belief, states.tolist())
    for t, row in enumerate(picture.rows):
        r, c = ball.states[states[t]][:2]
        assert row == (str(t + 1), str(frames[t].sum()), f"{r + 1}, {c + 1}", "3, 2", "1")
    right = sum(row[2] == "3, 2" for row in picture.rows)
    assert right < 2
    assert picture.alt == (
        "A noisy video: 2 frames of 3 x 3 pixels, and below each the belief about the place; it is right about "
        f"{right} of 2, with probability 1 in the first and 1 in the last."
    )


def test_bars_of_samplers() -> None:
    picture = worlds.samplers({"a": [[0.25, 0.75]], "b": [1.0, 0.0]}, ("no", "yes"), title="two")
    assert picture.header == ("outcome", "a", "b")
    assert picture.rows == (("no", "0.250", "1.000"), ("yes", "0.750", "0.000"))
    heights = [patch.get_height() for patch in picture.figure.axes[0].patches]
    assert heights == [0.25, 0.75, 1.0, 0.0]
    assert picture.alt == "two: bars for no, yes; furthest apart at no: a .25, b 1."
    three = worlds.samplers({"a": [0.2, 0.5, 0.3], "b": [0.2, 0.2, 0.6]}, ("0", "1", "2")).alt
    assert three.endswith("furthest apart at 1: a .50, b .20.")  # of two places as far apart the first
    alike = worlds.samplers({"a": [0.25, 0.75], "b": [0.254, 0.746]}, ("no", "yes")).alt
    assert alike == "Samplers: bars for no, yes; all alike to .005."
