"""What temperature samples from: by hand, against loops over joint states, and what is refused."""

import itertools
import math

import numpy as np
import pytest

from bnt import BntError, Factor, FactorGraph, ModelError, TooLargeError, Variable
from bnt.generation.temperature import temperature_law

P = np.array([[0.28, 0.28], [0.43, 0.01]])  # the smallest case in which greedy is not the mode


def by_loops(p, temperature, order):
    """q_T and prod Z_i, state by state."""
    p = p / p.sum()
    q, sums = np.zeros(p.shape), np.zeros(p.shape)
    for x in itertools.product(*map(range, p.shape)):
        q[x], sums[x] = 1.0, 1.0
        for k, axis in enumerate(order):
            fixed = [slice(None)] * p.ndim
            for before in order[:k]:
                fixed[before] = x[before]
            weights = []
            for v in range(p.shape[axis]):
                fixed[axis] = v
                weights.append(p[tuple(fixed)].sum())
            given = [w / sum(weights) for w in weights] if sum(weights) else [0.0] * len(weights)
            powers = [g ** (1 / temperature) if g else 0.0 for g in given]
            q[x] *= powers[x[axis]] / sum(powers) if sum(powers) else 0.0
            sums[x] *= sum(powers) or 1.0
    return q, sums


def test_the_smallest_example():
    first, second = temperature_law(P, 0.5), temperature_law(P, 0.5, order=[1, 0])
    np.testing.assert_allclose(first.sampled.ravel(), [0.3091, 0.3091, 0.3815, 0.0002], atol=5e-4)
    np.testing.assert_allclose(second.sampled.ravel(), [0.255, 0.143, 0.602, 0.0002], atol=5e-4)
    np.testing.assert_allclose(first.power.ravel(), [0.229, 0.229, 0.541, 0.0003], atol=5e-4)
    assert (round(first.distance, 3), round(np.abs(first.sampled - second.sampled).sum() / 2, 3)) == (0.160, 0.220)
    cold = temperature_law(P, 0.01).sampled
    assert P.flat[cold.argmax()] == 0.28  # greedy
    assert P.max() == 0.43  # the mode


@pytest.mark.parametrize("seed", range(6))
def test_against_loops(seed):
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 4, 3))
    p = rng.random(shape) * (rng.random(shape) < 0.8) + 1e-3 * (np.arange(np.prod(shape)).reshape(shape) == 0)
    order, temperature = rng.permutation(3).tolist(), float(rng.uniform(0.3, 3))
    found = temperature_law(p, temperature, order)
    q, sums = by_loops(p, temperature, order)
    np.testing.assert_allclose(found.sampled, q, atol=1e-14)
    reached = p > 0
    np.testing.assert_allclose(found.step_sums[reached], sums[reached], rtol=1e-13)
    powers = np.where(reached, np.where(reached, p / p.sum(), 1.0) ** (1 / temperature), 0.0)
    np.testing.assert_allclose(found.sampled, powers / found.step_sums, atol=1e-14)  # p^b / prod Z_i
    np.testing.assert_allclose(found.power, powers / powers.sum(), atol=1e-14)
    assert math.isclose(found.distance, np.abs(q - powers / powers.sum()).sum() / 2, abs_tol=1e-14)


def test_at_temperature_one_nothing_changes_and_independent_variables_agree():
    one = temperature_law(P, 1.0)
    np.testing.assert_allclose(one.sampled, P, atol=1e-15)
    np.testing.assert_allclose(one.step_sums, 1.0, atol=1e-15)
    outer = np.outer([0.2, 0.8], [0.7, 0.1, 0.2])
    assert temperature_law(outer, 0.4).distance <= 1e-15  # every Z_i is a constant


def test_of_a_graph_and_very_cold():
    a, b = Variable("a", ["0", "1"]), Variable("b", ["0", "1"])
    graph = FactorGraph([a, b], [Factor((a, b), 7 * P)])
    np.testing.assert_allclose(temperature_law(graph, 0.5, ["b", "a"]).sampled, temperature_law(P, 0.5, [1, 0]).sampled)
    assert np.isfinite(temperature_law(P, 1e-6).sampled).all()
    np.testing.assert_allclose(temperature_law(P, 1e-6).power, [[0, 0], [1, 0]])


@pytest.mark.parametrize(
    ("joint", "options", "error", "words"),
    [
        (P, {"temperature": 0}, BntError, "temperature must be a finite number above 0, not 0"),
        (P, {"temperature": True}, BntError, "temperature must be"),
        (P, {"temperature": 1, "order": [0]}, BntError, "order must name each of these once: 0, 1"),
        (P, {"temperature": 1, "order": [0, 0]}, BntError, "order must name each of these once: 0, 1"),
        (P, {"temperature": 1, "order": [0, 2]}, BntError, "order names 2, which is not to be drawn"),
        (-P, {"temperature": 1}, ModelError, "finite numbers >= 0"),
        (0 * P, {"temperature": 1}, ModelError, "not all zero"),
        (
            FactorGraph([Variable(f"v{i}", ["0", "1"]) for i in range(40)], []),
            {"temperature": 1},
            TooLargeError,
            "the table of the whole joint",
        ),
    ],
)
def test_what_is_refused(joint, options, error, words):
    with pytest.raises(error, match=words):
        temperature_law(joint, **options)
