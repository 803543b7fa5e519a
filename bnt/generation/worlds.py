"""Two small worlds that nobody sees directly: a room in which somebody walks, and a ball in a noisy video.

Both are hidden Markov models. In the room the sensor feels the walls around the walker, each reading wrong with some
probability; in the video every pixel is flipped with some probability, so that a frame is a symbol of its own and only
its likelihoods matter (``compile_filter(..., log_likelihood=...)``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bnt.checks import in_order, is_real, need, real_array, whole_number
from bnt.errors import ModelError
from bnt.generation.sampling import generator
from bnt.graph.factor_graph import Array
from bnt.graph.flat import Ints
from bnt.sequences.filtering import of_frames
from bnt.sequences.hmm import HMM, filter_states

PLAN = ("......", ".##...", ".#....", "...##.", ".#....", "......")  # "." is floor
SIDES = {"north": (-1, 0), "east": (0, 1), "south": (1, 0), "west": (0, -1)}
STAY = 0.2  # of every step in the room; each of four directions has as much, and a wall stops it


@dataclass(frozen=True, eq=False)
class Room:
    """A plan of floor and walls, its cells (row, column) in the order of ``hmm.states``, and the walk as an HMM."""

    plan: tuple[str, ...]
    cells: tuple[tuple[int, int], ...]
    hmm: HMM

    def grid(self, values: ArrayLike) -> Array:
        """One number per cell as a map, shape (rows, columns), NaN at walls. Raises ModelError: not those."""
        given = real_array("values", values, error=ModelError)
        rule = f"values must be {len(self.cells)} numbers, one per cell, not of shape {given.shape}"
        need(given.shape == (len(self.cells),), rule, error=ModelError)
        found = np.full((len(self.plan), len(self.plan[0])), np.nan)
        found[tuple(np.transpose(self.cells))] = given
        return found

    def distances(self, goal: str) -> Ints:
        """Steps from every cell to this one, (S,); -1 where no way leads there. Raises ModelError for no cell."""
        names = self.hmm.states
        need(goal in names, f"the goal {goal!r} is no cell of the room; cells are a1, b1, ...", error=ModelError)
        found, now = np.full(len(names), -1), np.array([name == goal for name in names])
        for steps in range(len(names)):
            found[now & (found < 0)] = steps
            now = np.asarray((self.hmm.transition[:, now] > 0).any(axis=1))
        return found

    def steered(self, goal: str, strength: float) -> Array:
        """Steps that favour what is nearer, A_ij exp(-strength * distance of j to the goal), rows scaled to sum to one:
        no conditioning on the goal. Raises as ``distances``, and ModelError where a cell has no way to the goal, or for
        a strength that is not finite."""
        need(
            is_real(strength) and bool(np.isfinite(strength)),
            f"strength must be finite: {strength!r}",
            error=ModelError,
        )
        far = self.distances(goal)
        need(bool((far >= 0).all()), f"some cells of the room have no way to {goal}", error=ModelError)
        wanted = np.where(self.hmm.transition > 0, -float(strength) * far, -np.inf)
        steps = self.hmm.transition * np.exp(wanted - wanted.max(axis=1, keepdims=True))
        found: Array = steps / steps.sum(axis=1, keepdims=True)
        return found

    def walk(self, steps: int, seed: Any = 0) -> Walk:
        """Somebody walks in it, and a filter follows the readings. Raises as ``HMM.sample``."""
        cells, seen = self.hmm.sample(steps, seed=seed)
        return Walk(self, cells, seen, filter_states(self.hmm, seen))


class Walk(NamedTuple):
    """A walk in a room: where it was, what the sensor said, and the filtered beliefs (T, S)."""

    room: Room
    cells: list[str]
    seen: list[str]
    beliefs: Array

    def belief(self, readings: int, ahead: int = 0) -> Array:
        """Where the walker is after so many readings, 0 to T, and as many steps later, (S,)."""
        now = self.beliefs[readings - 1] if readings else self.room.hmm.initial
        return now @ np.linalg.matrix_power(self.room.hmm.transition, ahead)


def make_room(plan: Sequence[str] = PLAN, noise: float = 0.1) -> Room:
    """A walk through this plan ("." floor, anything else wall), each of four wall readings wrong with ``noise``.

    Cells are named a1, b1, ... (column, row from above); a symbol names the sides on which a wall is felt. Raises
    ModelError: rows of different lengths, no floor, noise outside 0..1.
    """
    rows = in_order("the plan", plan, "rows", error=ModelError)
    same = bool(rows) and all(isinstance(row, str) and len(row) == len(rows[0]) for row in rows)
    need(same and len(rows[0]) <= 26, "the plan must be rows of text of one length, at most 26", error=ModelError)
    check_probability("noise", noise)
    cells = tuple((r, c) for r, row in enumerate(rows) for c, mark in enumerate(row) if mark == ".")
    need(bool(cells), 'the plan has no floor; "." is floor', error=ModelError)
    index = {cell: i for i, cell in enumerate(cells)}
    A, felt = STAY * np.eye(len(cells)), np.zeros((len(cells), 4), dtype=bool)
    for (r, c), i in index.items():
        for side, (down, right) in enumerate(SIDES.values()):
            there = index.get((r + down, c + right))
            felt[i, side] = there is None
            A[i, i if there is None else there] += STAY
    readings = np.array([[(code >> side) & 1 for side in range(4)] for code in range(16)], dtype=bool)
    B = np.where(readings[None] == felt[:, None], 1 - noise, noise).prod(axis=2)  # (S, 16)
    names = [
        " ".join(name for name, wall in zip(SIDES, reading, strict=True) if wall) or "none" for reading in readings
    ]
    states = [f"{'abcdefghijklmnopqrstuvwxyz'[c]}{r + 1}" for r, c in cells]
    return Room(tuple(rows), cells, HMM(np.full(len(cells), 1 / len(cells)), A, B, states=states, symbols=names))


@dataclass(frozen=True, eq=False)
class Ball:
    """A ball that flies diagonally over n x n places and bounces at the edges; states are (row, column, down, right).

    initial (S,) uniform, transition (S, S): what `make_ball` says.
    """

    size: int
    states: tuple[tuple[int, int, int, int], ...]
    initial: Array
    transition: Array

    @cached_property
    def places(self) -> Array:
        """(S, n * n): one-hot of the place of every state, so that belief @ places is the belief about the place."""
        return np.eye(self.size**2)[[self.size * r + c for r, c, _, _ in self.states]]

    def video(self, frames: int, noise: float, seed: Any = 0) -> tuple[Ints, NDArray[np.bool_]]:
        """States (T,) and frames (T, n, n) in which each pixel is flipped with probability ``noise``.

        Raises ModelError: noise outside 0..1; BntError: no frames, a seed that is none.
        """
        rng = generator(seed)
        check_probability("noise", noise)
        x = [int(rng.choice(len(self.states), p=self.initial))]
        while len(x) < whole_number("frames", frames, 1):
            x.append(int(rng.choice(len(self.states), p=self.transition[x[-1]])))
        clean = self.places[x].reshape(-1, self.size, self.size) > 0
        return np.array(x), clean ^ (rng.random(clean.shape) < noise)

    def follow(self, frames: ArrayLike, noise: float) -> Array:
        """The filtered beliefs after each frame, (T, S). Raises as ``log_likelihood``."""
        hmm = HMM(self.initial, self.transition, np.ones((len(self.states), 1)))
        known = of_frames(hmm, self.log_likelihood(frames, noise))
        return filter_states(known, list(known.symbols[:-1]))

    def log_likelihood(self, frames: ArrayLike, noise: float) -> Array:
        """log p(frame | state), (T, S). Raises ModelError: frames of another shape, noise not between 0 and 1."""
        shown = real_array("frames", frames, error=ModelError)
        shape = (self.size, self.size)
        need(shown.shape[1:] == shape, f"frames must have shape (T, {shape[0]}, {shape[1]})", error=ModelError)
        need(is_real(noise) and 0 < noise < 1, f"noise must lie between 0 and 1, not {noise!r}", error=ModelError)
        flat = shown.reshape(len(shown), -1) > 0.5
        wrong = (flat[:, None, :] != (self.places > 0)[None]).sum(axis=2)
        return wrong * np.log(noise) + (self.size**2 - wrong) * np.log1p(-noise)


def make_ball(size: int, keep: float = 0.85) -> Ball:
    """A ball on size x size places that keeps its direction with probability ``keep``; the three others share the rest.

    Raises ModelError: size below 2, keep outside 0..1.
    """
    size = whole_number("size", size, 2, error=ModelError)
    check_probability("keep", keep)
    states = tuple((r, c, a, b) for r in range(size) for c in range(size) for a in (-1, 1) for b in (-1, 1))
    index = {state: i for i, state in enumerate(states)}
    A, other = np.zeros((len(states), len(states))), (1 - keep) / 3
    for (r, c, a, b), i in index.items():
        for down, right, p in ((a, b, keep), (-a, b, other), (a, -b, other), (-a, -b, other)):
            d = down if 0 <= r + down < size else -down  # bounces
            e = right if 0 <= c + right < size else -right
            A[i, index[r + d, c + e, d, e]] += p
    return Ball(size, states, np.full(len(states), 1 / len(states)), A)


def check_probability(name: str, value: Any) -> None:
    """Raises ModelError unless ``value`` is a number from 0 to 1."""
    need(is_real(value) and 0 <= value <= 1, f"{name} must be a probability, not {value!r}", error=ModelError)


class HitRates(NamedTuple):
    """Shares of times at which the most probable place was right, and how sure the filter was on average."""

    one_frame: float  # by the last frame alone
    filtered: float
    sure: float  # mean probability of the most probable place


def hit_rates(
    ball: Ball, noise: float, *, videos: int = 40, frames: int = 20, since: int = 10, seed: Any = 0
) -> HitRates:
    """Filters videos frame by frame, counts from the frame ``since`` on. Raises as ``video``, ``log_likelihood``, and
    BntError where no frame is counted."""
    whole_number("videos", videos, 1)
    whole_number("since", since, 1, whole_number("frames", frames, 1))
    rng, alone, filtered, sure = generator(seed), [], [], []
    for _ in range(videos):
        states, shown = ball.video(frames, noise, rng)
        belief = ball.initial
        for t, logs in enumerate(ball.log_likelihood(shown, noise)):
            likelihood = np.exp(logs - logs.max())
            belief = (belief @ ball.transition if t else belief) * likelihood
            belief = belief / belief.sum()
            if t + 1 >= since:
                truth, place = int(ball.places[states[t]].argmax()), belief @ ball.places
                alone.append((likelihood @ ball.places).argmax() == truth)
                filtered.append(place.argmax() == truth)
                sure.append(place.max())
    return HitRates(float(np.mean(alone)), float(np.mean(filtered)), float(np.mean(sure)))
