"""The demonstration: its truth is the truth, and its qualitative findings hold with room to spare."""

import numpy as np
import pytest

from bnt.errors import BntError, UnknownConceptError
from bnt.inference.exact import exact_marginals
from bnt.knowledge.hallucination import (
    CONCEPTS,
    TRAINED,
    conditions_base,
    demonstrate,
    error_against_size,
    error_of_described,
    exact_answers,
    loopy_answers,
    same_question,
    sample_cases,
)
from bnt.knowledge.perceptron import Perceptron


def test_true_answers_and_samples_are_those_of_the_base() -> None:
    base = conditions_base(1, concepts=4)
    answers, graph = exact_answers(base), base.ground().graph
    for number in (0, 5, 63, 40):
        shown = {f"seen(f{j + 1})": ("false", "true")[int(answers.findings[number, j])] for j in range(6)}
        found = exact_marginals(graph, shown)
        assert answers.weight[number] == pytest.approx(np.exp(found.log_z), abs=1e-12)
        for i in range(4):
            assert answers.posterior[number, i] == pytest.approx(found.beliefs[f"present(c{i + 1})"]["true"], abs=1e-12)
    cases = sample_cases(base, 100_000, 0)
    assert np.abs(np.bincount(cases.number, minlength=64) / 100_000 - answers.weight).max() < 0.008
    for i in range(4):
        chosen = cases.number == np.bincount(cases.number).argmax()
        p = answers.posterior[cases.number[chosen][0], i]
        assert abs(cases.present[chosen, i].mean() - p) < 5 * np.sqrt(p * (1 - p) / chosen.sum())


def test_loopy_propagation_is_near_and_not_exact() -> None:
    base = conditions_base(0)
    answers, converged = loopy_answers(base)
    error = np.abs(answers - exact_answers(base).posterior).max()
    assert converged == 1.0  # it converges, every time, to something else
    assert 0.01 < error < 0.2


def test_what_each_system_is_worth() -> None:
    grounded, careless, loopy, network, constant = demonstrate(0)
    assert max(grounded.error_on, grounded.error_off) == 0
    assert max(grounded.calibration_on.ece, grounded.calibration_off.ece) < 0.01  # sampling noise
    assert 0.001 < loopy.error_on < 0.02  # hallucination by the first definition, none by the second
    assert careless.error_on > 0.05  # exact answers of a wrong base are wrong
    assert network.error_on < 0.02  # trained concepts: nearly as good as exact
    assert network.error_off > 10 * network.error_on  # untrained: worse than saying nothing
    assert network.error_off > constant.error_off
    assert network.calibration_off.ece > 0.1
    assert network.calibration_off.sharpness > constant.calibration_off.sharpness == pytest.approx(0, abs=1e-12)
    assert grounded.undeclared == loopy.undeclared == "UnknownConceptError"
    assert network.undeclared.startswith("P = ")


def test_size_does_not_help_bare_names() -> None:
    small = error_against_size(4, 1, 2_000, repeats=1)
    large = error_against_size(64, 2, 200_000, repeats=1)
    assert large.error_on < small.error_on / 2
    assert large.error_off > 0.1


def test_described_concepts_generalise_with_their_number() -> None:
    few, more = (error_of_described(16, 1, n, unseen=12) for n in (3, 30))
    assert more.error_off < few.error_off / 2


def test_the_same_question_to_all() -> None:
    said = same_question("c9", ["f1", "f2"], cases=1000)
    assert said["grounded, exact"].endswith("[exact]")
    assert said["loopy belief propagation"].endswith("[approximate]")
    said = same_question("c13", ["f1"], cases=1000)
    assert said["grounded, exact"].startswith("UnknownConceptError: present(c13) is outside the concept space")
    assert 0 < float(said["trained network"].split()[0]) < 1
    assert TRAINED < 9 < CONCEPTS
    with pytest.raises(UnknownConceptError, match="no finding 'f9'"):
        same_question("c1", ["f1", "f9"])
    with pytest.raises(BntError, match="not 'flu'"):
        same_question("flu", ["f1"])


def test_gradients_against_finite_differences() -> None:
    rng = np.random.default_rng(0)
    network = Perceptron(3, 4, 2, seed=1)
    x, target, weight = rng.normal(size=(7, 3)), rng.random(7), rng.random(7)

    def loss() -> float:
        p = network(x)
        return float(-(weight * (target * np.log(p) + (1 - target) * np.log1p(-p))).sum())

    gradients = [g for several in network.gradients(x, target, weight) for g in several]
    for parameter, gradient in zip([*network.matrices, *network.biases], gradients, strict=True):
        for place in np.ndindex(parameter.shape):
            old = parameter[place]
            parameter[place] = old + 1e-5
            above = loss()
            parameter[place] = old - 1e-5
            below = loss()
            parameter[place] = old
            assert abs((above - below) / 2e-5 - gradient[place]) <= 1e-8
    assert network.parameters == 3 * 4 + 4 + 4 * 4 + 4 + 4 + 1
