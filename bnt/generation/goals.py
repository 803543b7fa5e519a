"""A Markov chain conditioned on where it ends: Doob's h-transform, which is the backward message.

    h_K = w_K,   h_t = w_t * (A h_{t+1}),   A^h_t(i, j) = A_ij h_{t+1}(j) / (A h_{t+1})(i)

h_t(i) is the probability of the goal from state i at time t (w: 1 at the goal, 0 elsewhere). Sampling from A^h is
sampling from p(path | goal), exactly, without rejecting anything. It holds for every matrix without negative entries,
not for transition tables alone: of A_ij^(1/T) it samples p^(1/T) / Z, where dividing rows by their sums does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from bnt.checks import in_order, need, real_array, whole_number
from bnt.display import card, counted
from bnt.errors import BntError, InconsistentEvidenceError, ModelError, valid_names
from bnt.generation.sampling import generator
from bnt.generation.temperature import log_of, log_sum
from bnt.graph.factor_graph import Array
from bnt.graph.flat import Ints
from bnt.sequences.hmm import HMM, Observations, filter_states


@dataclass(frozen=True, eq=False)
class ConditionedChain:
    """p(x_0..x_K | goal) as a chain of its own, one table per step.

    initial (S,). transitions (K, S, S): row = from; a row is zero where the goal is out of reach. log_probability:
    ln p(goal), so that rejection sampling would keep a share of exp(log_probability).
    """

    initial: Array
    transitions: Array
    log_probability: float
    states: tuple[str, ...]

    def marginals(self) -> Array:
        """p(x_t | goal) for t = 0..K, shape (K + 1, S)."""
        rows = [self.initial]
        for step in self.transitions:
            rows.append(rows[-1] @ step)
        return np.array(rows)

    def sample(self, n: int = 1, seed: Any = 0) -> Ints:
        """Paths as numbers of states, shape (n, K + 1). Raises BntError for n < 1 or a seed that is none."""
        rng, n = generator(seed), whole_number("n", n, 1)
        now = rng.choice(len(self.initial), size=n, p=self.initial)
        paths = [now]
        for step in self.transitions:
            bounds = np.cumsum(step, axis=1)
            bounds /= bounds[:, -1:] + (bounds[:, -1:] == 0)
            now = (rng.random(n)[:, None] >= bounds[now]).sum(axis=1)
            paths.append(now)
        return np.column_stack(paths)

    def _repr_html_(self) -> str:
        steps, chance = counted(len(self.transitions), "step"), np.exp(self.log_probability)
        line = f"{steps} towards a goal that has probability {chance:.3g} without it"
        rows = (
            (name, f"{a:.4f}", f"{b:.4f}") for name, a, b in zip(self.states, *self.marginals()[[0, -1]], strict=True)
        )
        return card("ConditionedChain", line, ("state", "first", "last"), rows, total=len(self.states), things="states")


def conditioned_chain(
    chain: Any, goal: Any, steps: int, *, observations: Observations | None = None
) -> ConditionedChain:
    """The chain given that it is at the goal after ``steps`` steps.

    chain: an HMM, or (initial (S,), transition (S, S)). observations: those of the HMM so far; time 0 is then that of
    the last one. goal: a state, several in a list of names, weights w (S,) >= 0, or weights of every time,
    (steps + 1, S): ways to go through, places to avoid. Raises ModelError: no chain; BntError: steps < 1, what is no
    goal; InconsistentEvidenceError: a goal that no path of that many steps reaches, and as ``filter_states``.
    """
    hmm = chain if isinstance(chain, HMM) else _as_hmm(chain)
    steps = whole_number("steps", steps, 1)
    weights, known = _weights(hmm, goal, steps), isinstance(chain, HMM)
    need(observations is None or known, "observations belong to an HMM; this chain shows none")
    start = hmm.initial if observations is None else filter_states(hmm, observations)[-1]
    transitions, h, scale = _backward(hmm.transition, weights)
    first = log_of(start) + h[0]
    total = float(log_sum(first, (0,))[0])
    if total == -np.inf:
        raise InconsistentEvidenceError(
            f"probability zero: no path of {steps} steps leads from where the chain can be to the goal"
            f"{_fewest(hmm, start, weights)}"
        )
    return ConditionedChain(np.exp(first - total), transitions, total + scale, hmm.states)


def without_goal(initial: Array, transition: Array, steps: int, states: Sequence[str]) -> ConditionedChain:
    """A chain with this start (S,) and one table (S, S) for every step, conditioned on nothing: ln p(goal) = 0."""
    tables = np.repeat(np.asarray(transition)[None], whole_number("steps", steps, 1), axis=0)
    return ConditionedChain(np.asarray(initial), tables, 0.0, tuple(states))


def h_transform(matrix: ArrayLike, weights: ArrayLike, steps: int | None = None) -> tuple[Array, Array]:
    """Doob's transform of any matrix (S, S) without negative entries: one table per step (K, S, S), and h (K + 1, S),
    each row scaled to a largest entry of one.

    weights: w_K (S,), together with ``steps`` = K, or of every time (K + 1, S). Rows from which the goal is out of
    reach are zero. Raises ModelError: wrong shapes, negative or infinite entries; BntError: steps < 1.
    """
    A, w = real_array("the matrix", matrix, error=ModelError), real_array("weights", weights, error=ModelError)
    square = A.ndim == 2 and A.shape[0] == A.shape[1] > 0
    need(square and _good(A), "the matrix must be square, its entries finite and >= 0", error=ModelError)
    if w.ndim == 1:
        need(steps is not None, "weights of the last time alone need the number of steps")
        w = np.vstack([np.ones((whole_number("steps", steps, 1), len(w))), w])
    shaped = w.ndim == 2 and len(w) > 1 and w.shape[1] == len(A) and steps in (None, len(w) - 1)
    rule = f"weights must be finite and >= 0, of shape ({len(A)},) or (steps + 1, {len(A)}), not {w.shape}"
    need(shaped and _good(w), rule, error=ModelError)
    transitions, h, _ = _backward(A, w)
    return transitions, np.exp(h)


def _backward(A: Array, weights: Array) -> tuple[Array, Array, float]:
    """Tables, log h with rows scaled to a largest entry of 0, and the log of all scales together.

    In logarithms: next to a state with an easy way to the goal, one with a hard way would underflow to none at all.
    """
    h: list[Array] = []
    transitions: list[Array] = []
    scale, log_A = 0.0, log_of(A)
    for t in range(len(weights) - 1, -1, -1):
        now = log_of(weights[t])
        if h:
            ways = log_A + h[-1]
            ahead = log_sum(ways, (1,))
            transitions.append(np.exp(ways - np.where(ahead > -np.inf, ahead, 0.0)))
            now = now + ahead[:, 0]
        top = float(now.max())
        if top > -np.inf:
            now, scale = now - top, scale + top
        h.append(now)
    return np.array(transitions[::-1]), np.array(h[::-1]), scale


def _good(values: Array) -> bool:
    return bool((np.isfinite(values) & (values >= 0)).all())


def _as_hmm(chain: Any) -> HMM:
    rule = "the chain must be an HMM, or a pair (initial, transition)"
    need(isinstance(chain, (tuple, list)) and len(chain) == 2, rule, error=ModelError)
    initial, transition = chain
    return HMM(initial, transition, np.ones((np.size(initial), 1)))


def _weights(hmm: HMM, goal: Any, steps: int) -> Array:
    """w_t (steps + 1, S)."""
    size, weights = len(hmm.states), np.ones((steps + 1, len(hmm.states)))
    if isinstance(goal, (str, int, np.integer)) and not isinstance(goal, bool):
        weights[-1] = _one_hot(hmm, goal)
    elif isinstance(goal, (list, tuple)) and goal and all(isinstance(name, str) for name in goal):
        weights[-1] = np.max([_one_hot(hmm, name) for name in in_order("the goal", goal, "states")], axis=0)
    else:
        given = real_array("the goal", goal)
        rule = f"the goal must be a state, or weights of shape ({size},) or ({steps + 1}, {size}), not {given.shape}"
        need(given.shape in ((size,), weights.shape), rule)
        need(_good(given), "the weights of the goal must be finite and >= 0")
        weights[-1 if given.ndim == 1 else slice(None)] = given
    return weights


def _one_hot(hmm: HMM, state: str | int | np.integer[Any]) -> Array:
    """1 at a state, by name, or by number where no name is another number."""
    positions = all(not name.isdecimal() or int(name) == i for i, name in enumerate(hmm.states))
    if isinstance(state, str) and state in hmm.states:
        return np.eye(len(hmm.states))[hmm.states.index(state)]
    if not isinstance(state, str) and positions and 0 <= state < len(hmm.states):
        return np.eye(len(hmm.states))[int(state)]
    raise BntError(f"the goal {state!r} is no state; {valid_names(hmm.states, state)}")


def _fewest(hmm: HMM, start: Array, weights: Array) -> str:
    """For an error: how many steps the last weights alone would need, if any number does."""
    now = start > 0
    for steps in range(len(hmm.states)):
        if (now & (weights[-1] > 0)).any():
            return f"; its last states can be reached in {steps} steps"
        now = np.asarray((hmm.transition[now] > 0).any(axis=0))
    return "; no number of steps does"
