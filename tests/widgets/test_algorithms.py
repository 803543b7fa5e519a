"""Which algorithm wins, a cavity by hand, experts left out, a picture: the pictures say what the library computes."""

import numpy as np
import pytest

from bnt.compiler.posterior import image_beliefs
from bnt.learned import cavity
from bnt.reading.contest import ALGORITHMS, COUPLINGS, contest, threshold
from bnt.reading.mixtures import COATS, MEANS
from bnt.stored import load_experiment
from bnt.widgets import algorithms


def test_marks_are_those_of_the_contest():
    picture = algorithms.winner_picture("complete graph K9", "all attract", "0.2")
    error, settles = contest("complete graph K9", "all attract", 0.2)
    for row, J, line, share in zip(picture.rows, COUPLINGS, error, settles, strict=True):
        assert row[:-1] == (f"{J:g}", *(f"{value:.3f}" for value in line), f"{share:.0%}")
        assert row[-1] == ALGORITHMS[int(np.argmin(line))]
    assert f"threshold is at J = {threshold('complete graph K9'):.3f}; the smallest error has" in picture.alt
    assert "belief propagation at 0.05, 0.1" in picture.alt


def test_the_cavity_by_hand_shows_kl_of_these_numbers():
    picture = algorithms.cavity_picture(1.0, 1.0, 1.0)
    damped = np.array([1.0, 1.0, 1.0, 1.0, 0.0])
    record = load_experiment("learned_cavity")
    for family, own, bp, found in picture.rows:
        spins = cavity.unseen(family)
        assert own == bp == f"{cavity.kl(damped, spins):.4f}"
        assert found == f"{cavity.kl(np.array(record[family][0]['parameters']), spins):.4f}"
    assert algorithms.cavity_picture(2.0, 0.5, 0.0).alt.startswith("g = 2, a = 0.5, b = 0: KL per spin trees 0.0")


def test_a_move_computes_only_what_the_controls_say(monkeypatch):
    kl, asked = cavity.kl, []
    algorithms.cavity_picture(1.0, 1.0, 1.0)
    monkeypatch.setattr(cavity, "kl", lambda numbers, spins: asked.append(tuple(numbers[:3])) or kl(numbers, spins))
    algorithms.cavity_picture(2.0, 0.5, 0.0)
    assert asked == [(2.0, 0.5, 0.0)] * len(cavity.FAMILIES)


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
    centre = MEANS.mean()
    for degrees, *numbers in picture.rows:
        weight = np.exp(-((float(degrees) - centre - apart * (MEANS - centre)) ** 2) / 32)
        weight /= weight.sum()
        best = np.argsort(-weight.round(12), kind="stable")[:keep]  # of equals the earlier
        kept = np.where(np.isin(np.arange(4), best), weight, 0.0)
        dropped = 1 - kept.sum()
        error = kept @ COATS / kept.sum() - weight @ COATS
        assert np.array(numbers, float) == pytest.approx([*weight, dropped, error, 3 * dropped], abs=6e-4)
    assert ("at most 0.000" in picture.alt) == (keep == 4)


def test_a_picture_counts_its_wrong_pixels():
    wrong = int((SEEN != TRUTH).sum())
    assert wrong > 0
    for rounds, coupling in ((0, "0.8"), (3, "0")):
        alt = algorithms.image_picture(TRUTH, SEEN, 0.15, rounds, coupling).alt
        assert f"{wrong} pixels wrong as seen, {wrong} after the rounds; mean certainty 0.85" in alt
    picture = algorithms.image_picture(TRUTH, SEEN, 0.15, 3, "0.8")
    belief = image_beliefs(SEEN, 0.8, 0.15, 12)[3]
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
