"""Every analytic posterior against enumeration of all hypotheses; every measure against a slow twin."""

import itertools

import numpy as np
import pytest

from bnt import BntError
from bnt.sequences.hmm import filter_states
from bnt.wind_tunnels.hidden_markov import DrawnHMM, FixedHMM
from bnt.wind_tunnels.measures import (
    TASKS,
    entropy_bits,
    evaluate,
    evaluation_batch,
    examples,
    find_task,
    log_softmax,
)
from bnt.wind_tunnels.tasks import Bijection, Recall


def all_maps_agreeing(pairs, maps):
    return [one for one in maps if all(one[x] == y for x, y in pairs)]


def test_bijection_posterior_is_a_count_of_all_bijections():
    task = Bijection(4)
    batch, every = task.sample(np.random.default_rng(0), 30), list(itertools.permutations(range(4)))
    for symbols, posterior, labels in zip(batch.inputs, batch.posterior, batch.labels, strict=True):
        for k in range(4):
            seen = [(symbols[2 * i], symbols[2 * i + 1] - 4) for i in range(k)]
            left = all_maps_agreeing(seen, every)
            counts = np.bincount([one[symbols[2 * k]] for one in left], minlength=4)
            np.testing.assert_allclose(posterior[k], counts / len(left), rtol=0, atol=1e-15)
            assert posterior[k, labels[k]] > 0
    np.testing.assert_allclose(entropy_bits(batch.posterior).mean(axis=0), task.exact_entropy(), atol=1e-15)


def test_recall_posterior_is_a_count_of_all_maps_from_keys_to_values():
    task = Recall(pairs=2, keys=3, values=3)
    batch, every = task.sample(np.random.default_rng(1), 30), list(itertools.product(range(3), repeat=3))
    right = task.right_positions(batch.inputs)
    for symbols, posterior, where in zip(batch.inputs, batch.posterior, right, strict=True):
        left = all_maps_agreeing([(symbols[0], symbols[1] - 3), (symbols[2], symbols[3] - 3)], every)
        for k in range(2):
            counts = np.bincount([one[symbols[4 + k]] for one in left], minlength=3)
            np.testing.assert_array_equal(posterior[k], counts / len(left))
            assert symbols[where[k] - 1] == symbols[4 + k]
            assert posterior[k, symbols[where[k]] - 3] == 1


def filtered_by_paths(hmm, symbols):
    """p(x_t | y_1..y_t) by summing over every path of hidden states."""
    rows = []
    for t in range(1, len(symbols) + 1):
        total = np.zeros(len(hmm.states))
        for path in itertools.product(range(len(hmm.states)), repeat=t):
            p = hmm.initial[path[0]] * hmm.emission[path[0], symbols[0]]
            for (i, j), y in zip(itertools.pairwise(path), symbols[1:t], strict=True):
                p *= hmm.transition[i, j] * hmm.emission[j, y]
            total[path[-1]] += p
        rows.append(total / total.sum())
    return np.array(rows)


def test_hmm_posterior_is_a_sum_over_all_paths_and_belief_propagation_on_the_chain():
    drawn, fixed = DrawnHMM(states=3, symbols=2, steps=5), FixedHMM(length=5)
    rng = np.random.default_rng(2)
    a, b = drawn.sample(rng, 6), fixed.sample(rng, 6)
    models = [drawn.model_of(sequence) for sequence in a.inputs] + [fixed.hmm] * 6
    symbols = [*a.inputs[:, 1:, -2:].argmax(axis=2), *b.inputs]
    for hmm, seen, posterior in zip(models, symbols, [*a.posterior, *b.posterior], strict=True):
        np.testing.assert_allclose(posterior, filtered_by_paths(hmm, seen), rtol=0, atol=1e-14)
        np.testing.assert_allclose(posterior, filter_states(hmm, seen.tolist()), rtol=0, atol=1e-13)


def test_what_came_about_is_drawn_from_the_posterior():
    """The posterior is calibrated on its own samples: a generator that draws something else would show here."""
    for name, task in TASKS.items():
        batch = task.sample(np.random.default_rng(3), 4000)
        p = batch.posterior.reshape(-1, task.outputs)
        happened = np.eye(task.outputs)[batch.labels].reshape(-1, task.outputs)
        spread = np.sqrt((p * (1 - p)).sum(axis=0) / len(p) ** 2)
        assert (np.abs((happened - p).mean(axis=0)) <= 4.5 * spread + 1e-15).all(), name
        expected = float((p * p).sum(axis=1).mean())  # mean probability given to what came about
        found = float((p * happened).sum(axis=1).mean())
        assert found == pytest.approx(expected, abs=4.5 * 0.5 / np.sqrt(len(p)) + 1e-12), name


def test_sequences_are_what_they_say():
    for task in TASKS.values():
        batch = evaluation_batch(task, 50)
        again = evaluation_batch(task, 50)
        np.testing.assert_array_equal(batch.inputs, again.inputs)
        assert batch.inputs.shape == (50, task.length, *([] if task.vocabulary else [task.columns]))
        assert batch.labels.shape == (50, len(task.asked))
        assert batch.posterior.shape == (50, len(task.asked), task.outputs)
        np.testing.assert_allclose(batch.posterior.sum(axis=2), 1, atol=1e-12)
        if task.vocabulary:
            assert batch.inputs.min() >= 0
            assert batch.inputs.max() < task.vocabulary
        inputs, targets, mask = examples(task, 50, np.random.default_rng(2025))
        np.testing.assert_array_equal(inputs, batch.inputs)
        np.testing.assert_array_equal(np.flatnonzero(mask[0]), task.asked)
        wanted = np.eye(task.outputs)[batch.labels] if task.learns_from == "labels" else batch.posterior
        np.testing.assert_array_equal(targets[:, task.asked], wanted)


def test_the_best_guess_without_recall_is_the_most_frequent_value():
    task = Recall(8)
    batch = task.sample(np.random.default_rng(4), 2000)
    guessed = float((task.guess(batch.inputs) == batch.labels).mean())
    counts = np.array([np.bincount(row, minlength=16).max() for row in batch.inputs[:, 1:16:2] - task.keys])
    assert guessed == pytest.approx(float(counts.mean() / 8), abs=1e-12)


def test_the_posterior_itself_scores_perfectly_and_uniform_answers_score_their_entropy():
    task = TASKS["bijection8"]
    batch = evaluation_batch(task)
    with np.errstate(divide="ignore"):
        perfect = evaluate(task, np.maximum(np.log(batch.posterior), -1e4), batch)
    assert perfect.kl == pytest.approx(0, abs=1e-12)
    assert perfect.tv == pytest.approx(0, abs=1e-12)
    assert perfect.entropy_error == pytest.approx(0, abs=1e-12)
    assert perfect.accuracy == perfect.accuracy_exact
    assert perfect.calibration.ece == pytest.approx(0, abs=1e-12)
    uniform = evaluate(task, np.zeros(batch.posterior.shape), batch)
    np.testing.assert_allclose(uniform.kl_by_position, np.log(8) - np.log(np.arange(8, 0, -1)), atol=1e-12)
    assert uniform.tv == pytest.approx(np.mean([k / 8 for k in range(8)]), abs=1e-12)
    np.testing.assert_allclose(uniform.entropy, 3, atol=1e-12)


def test_measures_agree_with_a_loop():
    task = TASKS["hmm_fixed"]
    batch = evaluation_batch(task, 20)
    logits = np.random.default_rng(5).normal(size=batch.posterior.shape)
    found = evaluate(task, logits, batch)
    kl, tv, gap = [], [], []
    for z, p in zip(logits.reshape(-1, 3), batch.posterior.reshape(-1, 3), strict=True):
        q = np.exp(z) / np.exp(z).sum()
        kl.append(sum(a * np.log(a / b) for a, b in zip(p, q, strict=True) if a > 0))
        tv.append(sum(abs(a - b) for a, b in zip(p, q, strict=True)) / 2)
        bits = [-sum(a * np.log2(a) for a in one if a > 0) for one in (p, q)]
        gap.append(abs(bits[0] - bits[1]))
    assert found.kl == pytest.approx(np.mean(kl), abs=1e-12)
    assert found.tv == pytest.approx(np.mean(tv), abs=1e-12)
    assert found.entropy_error == pytest.approx(np.mean(gap), abs=1e-12)
    assert found.kl_by_position.mean() == pytest.approx(found.kl, abs=1e-12)
    np.testing.assert_allclose(np.exp(log_softmax(logits)).sum(axis=-1), 1, atol=1e-14)


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda: Bijection(1), "at least 2 values, not 1"),
        (lambda: Recall(pairs=4, keys=3), "as many keys as pairs"),
        (lambda: DrawnHMM(steps=0), "3 states, 3 symbols, 0 steps"),
        (lambda: find_task("recall9"), "did you mean 'recall8'"),
        (lambda: evaluate(TASKS["recall8"], np.zeros((2, 3, 4)), evaluation_batch(TASKS["recall8"], 2)), "task.asked"),
    ],
)
def test_wrong_input_is_one_sentence(build, says):
    with pytest.raises(BntError, match=says):
        build()
