"""What the ledger tests: the paper's constructions, routing codes, sigmoid messages, finite counts."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnt import Factor, FactorGraph
from bnt.claims.constructions import (
    CODES,
    HARD_GAP,
    behaviours,
    generated_behaviours,
    index_score,
    mean_field,
    moebius_message,
    paper_round,
    round_matrix,
    routing_classes,
    routing_code,
    sigmoid_bp,
)
from bnt.errors import BntError, TooLargeError, UnsupportedModelError
from bnt.transformer.blocks import softmax
from tests import naive, random_graphs


@given(st.integers(0, 10**6))
def test_the_round_multiplies_the_neighbours_odds(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 6))
    beliefs = rng.uniform(0.05, 0.95, n)
    neighbours = [tuple(None if k == n else k for k in pair) for pair in rng.integers(0, n + 1, (n, 2)).tolist()]
    odds = [np.prod([1.0 if k is None else beliefs[k] / (1 - beliefs[k]) for k in pair]) for pair in neighbours]
    after = paper_round(beliefs, neighbours)
    assert after == pytest.approx([o / (1 + o) for o in odds], rel=1e-12)
    assert np.exp(round_matrix(neighbours) @ np.log(beliefs / (1 - beliefs))) == pytest.approx(odds)


def test_index_score_misroutes_the_middle_of_three():
    assert [index_score(1, own) for own in range(3)] == [0, 1, 2]


@pytest.mark.parametrize("name", CODES)
@pytest.mark.parametrize("n", [1, 2, 3, 10, 257])
def test_gap_and_bit_exact_routing(name, n):
    queries, keys, gap = CODES[name](n)
    scores = queries @ keys.T
    if n > 1:
        best = scores[np.arange(n), np.arange(n)]
        others = np.where(np.eye(n, dtype=bool), -np.inf, scores).max(axis=1)
        assert (best - others).min() == pytest.approx(gap, rel=1e-6)
    code = routing_code(name, n)
    assert np.array_equal(softmax(code.queries @ code.keys.T), np.eye(n))


def test_hard_gap_is_where_exp_underflows():
    assert np.exp(-HARD_GAP - 1e-9) == 0.0
    assert np.exp(-HARD_GAP + 1e-9) > 0.0


def test_bad_requests():
    with pytest.raises(BntError, match="did you mean 'hamming'"):
        routing_code("haming", 4)
    with pytest.raises(BntError, match="number of tokens must be a whole number of at least 1"):
        routing_code("sign", 0)
    with pytest.raises(BntError, match="number of tokens must be"):
        routing_code("sign", 1.5)
    with pytest.raises(BntError, match="unknown routing code"):
        routing_code(["sign"], 2)
    for gap in (0, -1.0, np.nan, np.inf, "wide"):
        with pytest.raises(BntError, match="gap must be a finite number above 0"):
            routing_code("sign", 3, gap)


@given(st.integers(0, 10**6))
def test_sigmoid_form_is_textbook_belief_propagation_in_every_round(seed):
    graph = random_graphs.pairwise(seed, most=6)
    evidence = {"x0": "s1"} if seed % 2 else {}
    expected, _ = naive.bp_messages(graph, evidence, rounds=5)
    for messages, truth in zip(sigmoid_bp(graph, 5, evidence), expected, strict=True):
        assert messages.keys() == truth.keys()
        assert all(messages[key] == pytest.approx(truth[key][1], abs=1e-12) for key in truth)  # measured 3e-16


@given(st.lists(st.floats(0.05, 2.0), min_size=4, max_size=4), st.floats(0.0, 1.0))
def test_moebius_message_is_a_normalised_matrix_product(entries, p):
    psi = np.array(entries).reshape(2, 2)
    zero, one = np.array([1 - p, p]) @ psi
    assert moebius_message(p, psi) == pytest.approx(one / (zero + one))


def test_mean_field_solves_its_equations_and_minimises_the_free_energy():
    graph = random_graphs.pairwise(3, sigma=0.5, most=5)
    mu = mean_field(graph, 2000)[-1]
    n = len(mu)

    def free_energy(q):
        table = np.array(list(naive.joint(graph).values())).reshape((2,) * n)
        product = np.ones((2,) * n)
        for i, value in enumerate(q):
            product = product * naive.along(np.array([1 - value, value]), i, n)
        return float((product * (np.log(product) - np.log(table))).sum())

    lowest = free_energy(mu)
    for i in range(n):
        for step in (-1e-3, 1e-3):
            moved = mu.copy()
            moved[i] += step
            assert free_energy(moved) > lowest


def test_zeros_and_larger_variables_are_refused():
    x, y = random_graphs.variables([2, 2])
    with pytest.raises(UnsupportedModelError, match="zero"):
        sigmoid_bp(FactorGraph([x, y], [Factor((x, y), [[1, 0], [0, 1]])]), 1)
    (z,) = random_graphs.variables([3])
    with pytest.raises(UnsupportedModelError, match="states"):
        mean_field(FactorGraph([z], []), 1)


@pytest.mark.parametrize("rounds", [-1, 2.0, "3"])
def test_rounds_are_whole(rounds):
    for run in (sigmoid_bp, mean_field):
        with pytest.raises(BntError, match="rounds must be a whole number"):
            run(FactorGraph(random_graphs.variables([2]), []), rounds)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_n_states_have_n_to_the_n_behaviours(n: int) -> None:
    found = behaviours(n)
    assert len(found) == len(set(found)) == n**n


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_three_symbols_reach_every_behaviour_and_no_string_a_further_one(n: int) -> None:
    cycle = [*range(1, n), 0]
    swap = [1, 0, *range(2, n)]
    merge = [0, 0, *range(2, n)]
    assert generated_behaviours([cycle, swap, merge]) == set(behaviours(n))
    assert len(generated_behaviours([cycle])) == n  # a cyclic group
    by_strings = set()
    for length in range(5):
        for word in itertools.product([cycle, merge], repeat=length):
            state = list(range(n))
            for symbol in word:
                state = [symbol[s] for s in state]
            by_strings.add(tuple(state))
    assert by_strings <= generated_behaviours([cycle, merge])


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_routing_classes(n: int) -> None:
    one, two = routing_classes(n, 1), routing_classes(n, 2)
    assert len(one) == 2 * n**2
    assert len(two) == 2 * n**3
    assert all(len(tokens) == 1 for tokens in [*one.values(), *two.values()])


def test_what_cannot_be_enumerated_is_refused_with_the_count() -> None:
    with pytest.raises(TooLargeError, match=r"8 states: 1\.68e\+07 cases"):
        behaviours(8)
    for wrong in ([[0, 2]], []):
        with pytest.raises(BntError, match="every state"):
            generated_behaviours(wrong)
    for call in (lambda n: behaviours(n), lambda n: routing_classes(n, 1), lambda n: routing_classes(2, n)):
        for wrong in (0, -1, 1.5, "2"):
            with pytest.raises(BntError, match="must be a whole number of at least 1"):
                call(wrong)
