"""Which algorithm wins, and a cavity layer by hand: the pictures say what the library computes."""

import numpy as np
import pytest

from bnt import exact_marginals, run_bp, run_trw
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
