"""Which algorithm wins, a cavity by hand, experts left out, a picture: the pictures say what the library computes."""

import numpy as np
import pytest

from bnt import BntError, exact_marginals, run_bp, run_trw
from bnt.claims.rows.variational import NINE, ising
from bnt.learned import cavity
from bnt.stored import load_experiment
from bnt.widgets import algorithms


def test_thresholds_by_hand():
    assert algorithms.threshold("complete graph K9") == pytest.approx(np.arctanh(1 / 7), abs=1e-12)
    assert algorithms.threshold("3 x 3 grid") == pytest.approx(0.658, abs=1e-3)


def test_one_mark_is_the_mean_of_its_models(monkeypatch):
    monkeypatch.setattr(algorithms, "COUPLINGS", (0.05, 0.4))
    algorithms.errors.cache_clear()
    picture = algorithms.winner_picture("complete graph K9", "all attract", "0.2")
    algorithms.errors.cache_clear()
    rng, off = np.random.default_rng(0), []
    for J in (0.05, 0.4):
        models = []
        for _ in range(algorithms.DRAWS):
            rng.choice([-1.0, 1.0], 36)
            models.append(ising(NINE, np.full(36, J), rng.uniform(-0.2, 0.2, 9)))
        truths = [exact_marginals(model).beliefs for model in models]
        for run in (lambda one: run_bp(one, schedule="flooding"), run_trw):
            off.append(np.mean([run(m).beliefs.distance(t) for m, t in zip(models, truths, strict=True)]))
    assert [row[1] for row in picture.rows] == [f"{off[0]:.3f}", f"{off[2]:.3f}"]
    assert [row[3] for row in picture.rows] == [f"{off[1]:.3f}", f"{off[3]:.3f}"]
    assert [row[-1] for row in picture.rows] == ["belief propagation", "tree-reweighted"]
    assert "threshold is at J = 0.144; the smallest error has belief propagation at 0.05; tree-reweighted at 0.4" in (
        picture.alt
    )


def test_the_cavity_by_hand_shows_kl_of_these_numbers():
    picture = algorithms.cavity_picture(1.0, 1.0, 1.0)
    damped = np.array([1.0, 1.0, 1.0, 1.0, 0.0])
    record = load_experiment("learned_cavity")
    for family, own, bp, found in picture.rows:
        spins = algorithms.judged(family)
        assert own == bp == f"{cavity.kl(damped, spins):.4f}"
        assert found == f"{cavity.kl(np.array(record[family][0]['parameters']), spins):.4f}"
    assert algorithms.cavity_picture(2.0, 0.5, 0.0).alt.startswith("g = 2, a = 0.5, b = 0: KL per spin trees 0.0")


def test_controls_move_the_pictures():
    winner = algorithms.winner_explorer()
    assert [scale.label for scale in winner.scales.values()] == ["graph", "couplings", "largest field"]
    by_hand = algorithms.cavity_explorer()
    assert by_hand.picture().alt.startswith("g = 1, a = 0.5, b = 0")
    by_hand.controls["out"].value = 1.0
    assert by_hand.picture().alt.startswith("g = 1, a = 0.5, b = 1")


TRUTH = np.array([[0, 0, 0, 0], [0, 1, 1, 1], [0, 1, 1, 1], [0, 1, 1, 1], [0, 0, 0, 0]])
SEEN = np.where(np.random.default_rng(0).random(TRUTH.shape) < 0.15, 1 - TRUTH, TRUTH)


@pytest.mark.parametrize(("keep", "apart"), [(1, 1.0), (2, 2.0), (4, 1.0)])
def test_gate_error_and_bound_are_those_of_bayes_by_hand(keep, apart):
    picture = algorithms.experts_picture(keep, apart)
    centre = algorithms.MEANS.mean()
    for degrees, *numbers in picture.rows:
        weight = np.exp(-((float(degrees) - centre - apart * (algorithms.MEANS - centre)) ** 2) / 32)
        weight /= weight.sum()
        best = np.argsort(-weight.round(12), kind="stable")[:keep]  # of equals the earlier
        kept = np.where(np.isin(np.arange(4), best), weight, 0.0)
        dropped = 1 - kept.sum()
        error = kept @ algorithms.COATS / kept.sum() - weight @ algorithms.COATS
        assert np.array(numbers, float) == pytest.approx([*weight, dropped, error, 3 * dropped], abs=6e-4)
    assert ("at most 0.000" in picture.alt) == (keep == 4)


def test_beliefs_of_pixels_are_those_of_belief_propagation_round_by_round():
    found = algorithms.image_beliefs(SEEN, 0.4, 0.15, rounds=4)
    graph = algorithms.image_model(SEEN, 0.4, 0.15)
    for r in range(5):
        assert np.abs(found[r].ravel() - run_bp(graph, rounds=r).beliefs.flat[1::2]).max() < 1e-12


def test_a_picture_counts_its_wrong_pixels():
    wrong = int((SEEN != TRUTH).sum())
    assert wrong > 0
    for rounds, coupling in ((0, "0.8"), (3, "0")):
        alt = algorithms.image_picture(TRUTH, SEEN, 0.15, rounds, coupling).alt
        assert f"{wrong} pixels wrong as seen, {wrong} after the rounds; mean certainty 0.85" in alt
    picture = algorithms.image_picture(TRUTH, SEEN, 0.15, 3, "0.8")
    belief = algorithms.image_beliefs(SEEN, 0.8, 0.15)[3]
    assert picture.rows[1][1] == "".join(".#"[int(p > 0.5)] for p in belief[1])
    assert f"{int(((belief > 0.5) != TRUTH).sum())} after" in picture.alt


def test_controls_of_gate_and_picture_move_them():
    gate = algorithms.experts_explorer()
    gate.controls["keep"].value = 1
    assert gate.picture().alt.startswith("1 of 4 experts kept, seasons apart by 1:")
    image = algorithms.image_explorer(TRUTH, SEEN, 0.15)
    assert image.key is not None
    image.controls["rounds"].value = 0
    assert image.picture().alt.startswith("coupling J = 0.8, 0 rounds")


def test_what_is_no_picture_is_one_sentence():
    with pytest.raises(BntError, match=r"rows and columns, not the shape \(3,\)"):
        algorithms.image_model([0, 1, 0], 0.4, 0.1)
    with pytest.raises(BntError, match="noise must be between 0 and 1"):
        algorithms.image_model(SEEN, 0.4, 0.0)
