"""The contest of three algorithms: thresholds by hand, and its numbers against runs one by one."""

import numpy as np
import pytest

from bnt import exact_marginals, run_bp, run_mean_field, run_trw
from bnt.reading.contest import ALGORITHMS, DRAWS, NINE, contest, ising, threshold
from tests import naive


def test_thresholds_by_hand():
    assert threshold("complete graph K9") == pytest.approx(np.arctanh(1 / 7), abs=1e-12)  # 7 ways on from every link
    assert threshold("3 x 3 grid") == pytest.approx(0.658, abs=1e-3)


def test_weights_of_a_joint_state_are_those_of_the_formula():
    edges, couplings, fields = [(0, 1), (1, 2)], np.array([0.3, -0.7]), np.array([0.1, -0.2, 0.4])
    weights = naive.joint(ising(edges, couplings, fields))
    assert len(weights) == 8
    for state, weight in weights.items():
        s = 2 * np.array(state, dtype=int) - 1
        log = fields @ s + sum(J * s[i] * s[j] for (i, j), J in zip(edges, couplings, strict=True))
        assert np.log(weight / weights["0", "0", "0"]) == pytest.approx(log + fields.sum() - couplings.sum(), abs=1e-12)


@pytest.mark.parametrize("signs", ["all attract", "all repel", "random signs"])
def test_an_error_is_the_mean_of_its_models(signs):
    found = contest("complete graph K9", signs, 0.2, couplings=(0.05, 0.1))
    rng = np.random.default_rng(0)
    for line, share, J in zip(found.error, found.settles, (0.05, 0.1), strict=True):
        off = []
        for _ in range(DRAWS):
            random = rng.choice([-1.0, 1.0], 36)
            sign = {"all attract": np.ones(36), "all repel": -np.ones(36)}.get(signs, random)
            model = ising(NINE, J * sign, rng.uniform(-0.2, 0.2, 9))
            truth = exact_marginals(model).beliefs
            runs = run_bp(model, schedule="flooding"), run_mean_field(model), run_trw(model)
            assert runs[0].converged
            off.append([max(abs(r.beliefs[v]["1"] - truth[v]["1"]) for v in truth) for r in runs])
        assert len(line) == len(ALGORITHMS)
        np.testing.assert_allclose(line, np.mean(off, axis=0), atol=1e-12)
        assert share == pytest.approx(1.0, abs=1e-12)


def test_where_belief_propagation_does_not_settle_it_is_said():
    assert contest("complete graph K9", "random signs", 0.05, couplings=(1.5,)).settles[0] < 1
