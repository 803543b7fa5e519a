"""The learned cavity layer: slopes against differences, rounds against run_bp and run_trw, what descent finds."""

import numpy as np
import pytest

from bnt import BntError, Factor, FactorGraph, Variable, exact_marginals, run_bp, run_trw
from bnt.learned import cavity

SPINS = np.array([[1.0, -1.0], [-1.0, 1.0]])


def graph_of(fields, couplings):
    """The same model for the library: state "1" is s = 1."""
    names = [Variable(f"s{i}", ("0", "1")) for i in range(len(fields))]
    factors = [Factor((v,), log_table=[-h, h]) for v, h in zip(names, fields, strict=True)]
    pairs = zip(*np.nonzero(np.triu(couplings)), strict=True)
    return FactorGraph(
        names, factors + [Factor((names[i], names[j]), log_table=couplings[i, j] * SPINS) for i, j in pairs]
    )


@pytest.mark.parametrize("family", cavity.FAMILIES)
def test_exact_means_are_those_of_the_library(family):
    spins = cavity.draw(family, 2, 5)
    for h, J, mean in zip(*spins, strict=True):
        assert np.abs(exact_marginals(graph_of(h, J)).beliefs.flat[1::2] - (1 + mean) / 2).max() < 1e-13


@pytest.mark.parametrize("rounds", [1, 3, 7])
def test_all_ones_is_belief_propagation_round_by_round(rounds):
    spins = cavity.draw("K9 glass", 3, 1)
    half, _ = cavity.half_odds(cavity.BELIEF_PROPAGATION, spins, rounds)
    for m in range(3):
        said = run_bp(graph_of(spins.fields[m], spins.couplings[m]), rounds=rounds).beliefs.flat[1::2]
        assert np.abs(1 / (1 + np.exp(-2 * half[m])) - said).max() < 1e-12


def test_scaled_by_rho_it_is_tree_reweighted():
    spins = cavity.draw("K9 ferromagnet", 3, 2)  # where the rho of all edges is 2 / 9
    parameters = cavity.reweighted(spins)
    assert parameters[1] == pytest.approx(2 / 9, abs=1e-15)
    half, _ = cavity.half_odds(parameters, spins, 6)
    for m in range(3):
        said = run_trw(graph_of(spins.fields[m], spins.couplings[m]), rounds=6, damping=0.5).beliefs.flat[1::2]
        assert np.abs(1 / (1 + np.exp(-2 * half[m])) - said).max() < 1e-12


@pytest.mark.parametrize("parameters", [(1.3, 0.7, 0.9, 1.1, -1.0), (-0.8, 1.2, 0.0, -1.3, 0.5)])
def test_slopes_against_differences(parameters):
    spins, at = cavity.draw("grid glass", 4, 3), np.array(parameters)
    _, slope = cavity.loss_and_slope(at, spins, 5)
    for k, step in enumerate(1e-6 * np.eye(5)):
        up, down = cavity.kl(at + step, spins, 5), cavity.kl(at - step, spins, 5)
        assert slope[k] == pytest.approx((up - down) / 2e-6, rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("family", cavity.FAMILIES)
def test_without_slopes_the_beliefs_are_the_same_to_the_bit(family):
    spins, at = cavity.draw(family, 4, 3), np.array([1.3, 0.7, 0.9, 1.1, -1.0])
    assert (cavity.half_odds_alone(at, spins) == cavity.half_odds(at, spins)[0]).all()
    assert cavity.kl(at, spins) == cavity.loss_and_slope(at, spins)[0]


def test_only_three_numbers_and_the_damping_count():
    spins = cavity.draw("K9 antiferromagnet", 4, 4)
    one, scaled, turned = (1.3, 0.8, 0.6, 1.1, 0.3), (1.3, 1.6, 1.2, 0.55, 0.3), (-1.3, 0.8, 0.6, -1.1, 0.3)
    values = [cavity.kl(np.array(p), spins) for p in (one, scaled, turned)]
    assert values == pytest.approx([values[0]] * 3, rel=1e-12)
    numbers = [cavity.FoundCavity(np.array(p), 0.0).numbers for p in (one, scaled, turned)]
    assert numbers[1] == pytest.approx(numbers[0], rel=1e-12)
    assert numbers[2] == pytest.approx(numbers[0], rel=1e-12)


def test_descent_finds_the_cavity_on_trees_and_cannot_do_without():
    spins = cavity.draw("trees", 30, 0, n=6)
    found, blind = cavity.learn_cavity(spins), cavity.learn_cavity(spins, free=cavity.NO_CAVITY)
    assert found.numbers == pytest.approx((1, 1, 1), abs=0.02)
    assert blind.parameters[2] == 0
    assert blind.loss > 100 * found.loss
    assert cavity.kl(cavity.BELIEF_PROPAGATION, spins) < 1e-12


def test_an_unknown_family_is_one_sentence():
    with pytest.raises(BntError, match="no family 'K8'; valid: trees"):
        cavity.draw("K8", 1, 0)


@pytest.mark.parametrize("family", cavity.FAMILIES)
def test_models_to_judge_on_are_none_of_those_of_training(family):
    spins = cavity.unseen(family)
    assert len(spins.fields) == cavity.UNSEEN
    trained = cavity.draw(family, 60, 0)
    assert not {row.tobytes() for row in spins.fields} & {row.tobytes() for row in trained.fields}
    assert np.array_equal(spins.means, cavity.exact_means(spins.fields, spins.couplings))
