"""Controls for worlds that nobody sees: a walk in a room, the way to a goal, a ball in a video, a temperature."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from bnt.display import counted
from bnt.figures import sequences as pictures
from bnt.figures.picture import Picture
from bnt.generation.goals import conditioned_chain, without_goal
from bnt.generation.temperature import temperature_law
from bnt.generation.worlds import Ball, Walk, make_ball, make_room
from bnt.graph.factor_graph import Array
from bnt.graph.flat import Ints
from bnt.widgets.explorer import Explorer, buttons, dial, slider

STEPS, GOAL, AHEAD, SEED = 24, "f1", 12, 3
LATER = (0, 2, 8)  # steps ahead
FRAMES, NOISES = 12, ("0.05", "0.15", "0.25")
STRENGTHS = ("0.5", "1", "2", "4")
TABLES = {
    "the smallest example": np.array([[0.28, 0.28], [0.43, 0.01]]),
    "independent": np.outer([0.7, 0.3], [0.6, 0.4]),
}


@cache
def walk() -> Walk:
    """The walk of lesson 18."""
    return make_room().walk(STEPS, seed=SEED)


# --- a room -----------------------------------------------------------------------------------------------------------


def room_explorer() -> Explorer:
    """How many readings there were, and how many steps to look ahead."""
    return Explorer(
        room_picture, {"time": slider("readings", STEPS, 1), "ahead": buttons("steps ahead", list(map(str, LATER)))}
    )


def room_picture(time: int, ahead: str) -> Picture:
    """The belief after this many readings, and as many steps later; a ring where the walker really is (now)."""
    now = walk()
    said = f"felt: walls on {now.seen[time - 1]}" if time else "nothing felt yet"
    name = "the same" if ahead == "0" else f"{ahead} steps later"
    maps = {f"after {counted(time, 'reading')}": now.belief(time), name: now.belief(time, int(ahead))}
    here = now.cells[time - 1] if time else None
    return pictures.room_maps(now.room, maps, here=here, title=said.replace("walls on none", "no wall"))


# --- towards a goal ---------------------------------------------------------------------------------------------------


def goal_explorer() -> Explorer:
    """How far on the way, and how strongly a greedy walker is steered."""
    return Explorer(goal_picture, {"step": slider("step", AHEAD), "strength": buttons("steering", STRENGTHS)})


def goal_picture(step: int, strength: str) -> Picture:
    """Where one is after ``step`` of twelve steps: given that one ends at the goal, and steered towards it."""
    now = walk()
    start, states, steps = now.beliefs[-1], now.room.hmm.states, now.room.steered(GOAL, float(strength))
    goal, steered = states.index(GOAL), without_goal(start, steps, AHEAD, states)
    chains = {
        "given that it ends at the goal": conditioned_chain((start, now.room.hmm.transition), goal, AHEAD),
        f"steered, strength {strength}": steered,
    }
    beliefs = {name: chain.marginals()[step] for name, chain in chains.items()}
    routes = {name: [states[i] for i in chain.sample(1, seed=1)[0]][: step + 1] for name, chain in chains.items()}
    title = f"step {step} of {AHEAD}; steered, {steered.marginals()[-1][goal]:.0%} end at the goal"
    return pictures.room_maps(now.room, beliefs, paths=routes, goal=GOAL, title=title)


# --- a ball -----------------------------------------------------------------------------------------------------------


@cache
def filmed(noise: str) -> tuple[Ball, Ints, NDArray[np.bool_], Array]:
    """A ball on 6 x 6 places, its states, twelve frames with this noise, and the filtered beliefs."""
    ball = make_ball(6)
    states, frames = ball.video(FRAMES, float(noise), seed=5)
    return ball, states, frames, ball.follow(frames, float(noise))


def ball_explorer() -> Explorer:
    """Which five frames to look at, and how many pixels are wrong."""
    return Explorer(ball_picture, {"first": slider("frames before", FRAMES - 5), "noise": buttons("noise", NOISES)})


def ball_picture(first: int, noise: str) -> Picture:
    """Five frames of the video from the one after ``first`` on, and the belief about the place after each."""
    ball, states, frames, beliefs = filmed(noise)
    part = slice(first, first + 5)
    title = f"frames {first + 1} to {first + 5}; each pixel is wrong with probability {noise}"
    return pictures.video_strip(ball, frames[part], beliefs[part], states[part].tolist(), before=first, title=title)


# --- a temperature ----------------------------------------------------------------------------------------------------


def temperature_explorer() -> Explorer:
    """The temperature, and the table of two variables that is sampled."""
    controls = {"temperature": dial("temperature", 0.1, 2.5, 0.1, 0.5), "table": buttons("table", list(TABLES))}
    return Explorer(temperature_picture, controls)


def temperature_picture(temperature: float, table: str) -> Picture:
    """Four joint states of two variables, by sampling one or the other first, and p^(1/T) / Z."""
    p = TABLES[table]
    first, second = temperature_law(p, temperature), temperature_law(p, temperature, [1, 0])
    laws = {"x1 first": first.sampled, "x2 first": second.sampled, "p^(1/T) / Z": first.power}
    return pictures.samplers(laws, ("0 0", "0 1", "1 0", "1 1"), title=f"T = {temperature:.1f}")
