"""Descent and a wind tunnel: what the controls show."""

import numpy as np
import pytest

from bnt import widgets
from bnt.learned.updates import update_kl
from bnt.training.parameters import Parameters, TransformerConfig, initialise
from bnt.widgets import learning
from bnt.wind_tunnels.hidden_markov import DrawnHMM, FixedHMM
from bnt.wind_tunnels.measures import evaluation_batch
from bnt.wind_tunnels.tasks import Bijection, Recall, Task


def test_explorer() -> None:
    explorer = learning.descent_explorer()
    assert explorer.picture().alt.startswith("3 steps of rate 0.1: at (")
    explorer.controls["rate"].value = "4"
    explorer.controls["effort"].value = len(learning.STEPS) - 1
    assert "400 steps of rate 4: at (1.00, 1.00)" in explorer.picture().alt
    assert explorer.picture().rows[0] == ("0", "0.000", "0.000", f"{update_kl(np.zeros(2)):.1e}")


def test_a_move_computes_the_path_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    learning.descent_picture("zero", "0.1", 1)
    asked = []
    monkeypatch.setattr(learning, "update_kl", lambda weights: asked.append(weights.shape) or update_kl(weights))
    learning.descent_picture("far", "1", 2)
    assert asked == [(learning.STEPS[2] + 1, 2)]


TASKS: list[Task] = [Bijection(4), Recall(3, values=5), FixedHMM(length=6), DrawnHMM(steps=6)]


def model(task: Task) -> Parameters:
    config = TransformerConfig(
        vocabulary=task.vocabulary,
        inputs=task.columns,
        outputs=task.outputs,
        positions=task.length,
        width=8,
        layers=1,
        heads=1,
        d_k=4,
        d_ff=8,
        causal=True,
    )
    return initialise(config, 0)


def test_stories() -> None:
    assert learning.story(Bijection(4), np.array([2, 4, 0, 7, 3, 5, 1]), 2) == "2→a 0→d 3→?"
    assert learning.story(Recall(2, keys=4, values=3), np.array([3, 4, 1, 6, 1, 3]), 1) == "3→a 1→c 3→?"
    assert learning.story(FixedHMM(length=4), np.array([2, 0, 1, 1]), 2) == "observed 2 0 1"
    task = DrawnHMM(steps=3)
    inputs = np.zeros((4, task.columns))
    inputs[[1, 2, 3], [-3, -1, -2]] = 1
    assert learning.story(task, inputs, 1) == "observed 0 2"


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_numbers_of_the_picture(task: Task) -> None:
    """Table and text are the posterior of the batch, a distribution, and the entropy computed term by term."""
    batch = evaluation_batch(task)
    for sequence, question in ((0, 0), (7, len(task.asked) - 1)):
        picture = widgets.question_picture(model(task), task, sequence, question)
        exact = [float(row[1]) for row in picture.rows]
        assert np.abs(np.array(exact) - batch.posterior[sequence, question]).max() <= 0.0005
        assert sum(float(row[2]) for row in picture.rows) == pytest.approx(1, abs=0.0005 * task.outputs)
        assert [row[3] for row in picture.rows].index("yes") == batch.labels[sequence, question]
        bits = -sum(p * np.log2(p) for p in batch.posterior[sequence, question] if p > 0)
        assert f"the posterior has {abs(bits):.2f} bits" in picture.alt


def test_explorer_walks() -> None:
    task = Bijection(4)
    explorer = widgets.tunnel_explorer(model(task), task)
    assert explorer.picture().alt.count("→") == 1
    explorer.controls["question"].value = 3
    assert explorer.picture().alt.count("→") == 4
    assert "the posterior has 0.00 bits" in explorer.picture().alt
    before = explorer.picture().alt
    explorer.controls["sequence"].value = 1
    assert explorer.picture().alt != before
