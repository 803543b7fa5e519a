"""Evidence in log odds against products of probabilities."""

import itertools
import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnt import BntError
from bnt.odds import (
    combine_pairwise,
    decibans,
    logit,
    noisy_and,
    noisy_or,
    sigmoid,
    threshold_gate,
    two_witnesses,
    update_belief,
)

inside = st.floats(0.01, 0.99)


def test_logit_at_the_ends_and_outside():
    assert logit([0.0, 0.5, 1.0]).tolist() == [-np.inf, 0.0, np.inf]
    with pytest.raises(BntError, match="between 0 and 1"):
        logit(1.5)
    with pytest.raises(BntError, match="array of real numbers"):
        logit("one half")


@given(st.floats(-700, 36))
def test_sigmoid_has_all_its_digits_and_undoes_logit(x):
    """Against the standard library's one number at a time; above 36 the result is 1 to within rounding."""
    assert sigmoid(x) == pytest.approx(math.exp(x) / (1 + math.exp(x)), rel=4e-16, abs=0)
    assert logit(sigmoid(min(x, 20.0))) == pytest.approx(min(x, 20.0), abs=1e-6)


def test_sigmoid_far_out_and_in_float32():
    assert sigmoid([-np.inf, -1e4, 0.0, 1e4, np.inf]).tolist() == [0.0, 0.0, 0.5, 1.0, 1.0]
    assert sigmoid(np.float32([-1000, 0.5])).dtype == np.float32


def test_ten_decibans_are_a_factor_of_ten_in_the_odds():
    assert decibans(logit(10 / 11)) == pytest.approx(10, abs=1e-13)
    assert decibans(math.log(2), math.log(20)) == pytest.approx(-10, abs=1e-13)
    assert decibans(math.inf, math.inf) == 0.0
    assert decibans(math.inf, 1.0) == math.inf


@given(inside, inside)
def test_update_belief_is_a_sum_of_log_odds_between_and_and_or(p, q):
    combined = update_belief(p, q)
    assert logit(combined) == pytest.approx(logit(p) + logit(q), abs=1e-9)
    assert p * q < combined < p + q - p * q


@given(st.lists(inside, min_size=1, max_size=20))
def test_a_balanced_tree_combines_like_a_sum(beliefs):
    combined, depth = combine_pairwise(beliefs)
    assert depth == int(np.ceil(np.log2(len(beliefs))))
    odds = np.prod([p / (1 - p) for p in beliefs])
    assert combined == pytest.approx(odds / (1 + odds), rel=1e-9)


def test_nothing_to_combine():
    with pytest.raises(BntError, match="at least one"):
        combine_pairwise([])


@given(st.lists(inside, min_size=1, max_size=10))
def test_noisy_gates_are_products(beliefs):
    p = np.array(beliefs)
    assert noisy_and(logit(p)) == pytest.approx(logit(p.prod()), abs=1e-9)
    assert noisy_or(logit(p)) == pytest.approx(logit(1 - (1 - p).prod()), abs=1e-4)  # 1 - tiny loses digits here


@pytest.mark.filterwarnings("error")
def test_gates_of_no_parent_and_of_plain_lists():
    assert (noisy_and([]), noisy_or([])) == (np.inf, -np.inf)  # AND of nothing is true, OR of nothing false
    assert noisy_and([0.0, 0.0]) == pytest.approx(logit(0.25))


def test_noisy_gates_far_out():
    """One parent passes through, however certain."""
    x = np.array([[-700.0], [-40.0], [40.0], [700.0]])
    assert noisy_and(x) == pytest.approx(x[:, 0])
    assert noisy_or(x) == pytest.approx(x[:, 0])


@pytest.mark.parametrize(("prior", "reliability", "copying"), [(0.2, 0.9, 0.4), (0.5, 0.6, 1.0), (0.7, 0.3, 0.0)])
def test_two_witnesses_by_listing_what_can_happen(prior: float, reliability: float, copying: float) -> None:
    """Joint states of A, of each witness's own opinion (right or wrong) and of whether the second copies."""
    mass = {True: 0.0, False: 0.0}
    for a, first_right, second_right, copies in itertools.product((True, False), repeat=4):
        first = a == first_right
        second = first if copies else a == second_right
        weight = (prior if a else 1 - prior) * (copying if copies else 1 - copying)
        for right in (first_right, second_right):
            weight *= reliability if right else 1 - reliability
        if first and second:
            mass[a] += weight
    truth = mass[True] / sum(mass.values())
    assert two_witnesses(prior, reliability, copying) == pytest.approx(truth, abs=1e-15)


@pytest.mark.parametrize("inputs", range(2, 9))
def test_names_are_those_of_the_truth_table(inputs: int) -> None:
    for name, gate, threshold in (("AND", all, 1 - 1 / (2 * inputs)), ("OR", any, 1 / (2 * inputs))):
        assert threshold_gate(inputs, threshold) == name
        for bits in product((0, 1), repeat=inputs):
            assert (sum(bits) / inputs > threshold) == gate(bits)
    assert threshold_gate(inputs, 1.0) == "never on"
    assert threshold_gate(inputs, -0.1) == "always on"
