"""Wind tunnels: how close does a trained network come to posteriors that are known exactly?

    TASKS                      the six tasks by name: bijection8, bijection16, recall8, recall16, hmm_fixed, hmm_drawn
    evaluate(task, logits, batch) -> TunnelScore    entropy by position, KL, TV, accuracy, calibration
    evaluation_batch(task)                          the sequences every figure is measured on (fixed seed)
    examples(task, count, rng)                      what a recipe trains on
    score_model(parameters, task, batch) -> TunnelScore    runs a transformer, in the precision of its parameters

The source of the tasks is Agarwal, Dalal and Misra, arXiv:2512.22471; the sizes here are smaller and the tasks are
written anew, so differences in outcome are stated, not explained away. Training and shipped models are in
training.py, what goes on inside them in insides.py; experiments/wind_tunnels.py runs it all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnt.checks import look_up
from bnt.errors import BntError
from bnt.graph.factor_graph import Array
from bnt.knowledge.calibration import Calibration, calibration_of
from bnt.training.gradients import predict
from bnt.training.parameters import Parameters
from bnt.training.recipes import Examples
from bnt.wind_tunnels.hidden_markov import DrawnHMM, FixedHMM
from bnt.wind_tunnels.tasks import Batch, Bijection, Recall, Task

TASKS: dict[str, Task] = {
    task.name: task for task in (Bijection(8), Bijection(16), Recall(8), Recall(16), FixedHMM(), DrawnHMM())
}
EVALUATION = (2025, 1000)  # seed and number of sequences; training draws from other seeds
BITS = np.log(2)


def find_task(name: str) -> Task:
    """The task of this name. Raises BntError listing the names."""
    return look_up(TASKS, name, "wind tunnel")


@dataclass(frozen=True, eq=False)
class TunnelScore:
    """A network against the analytic posterior, means over sequences and questions unless stated.

    kl              nats, KL(posterior || network)
    tv              total variation distance, 0 to 1
    entropy_error   bits, |entropy of the network - entropy of the posterior|, question by question
    accuracy        share of questions whose most probable answer is what came about
    accuracy_exact  the same of the posterior itself: no network can expect more
    entropy, entropy_exact, kl_by_position    (questions,) bits, bits, nats
    calibration     every stated probability against the true probability of that answer
    """

    kl: float
    tv: float
    entropy_error: float
    accuracy: float
    accuracy_exact: float
    entropy: Array
    entropy_exact: Array
    kl_by_position: Array
    calibration: Calibration

    def __str__(self) -> str:
        return (
            f"KL {self.kl:.4f} nats, TV {100 * self.tv:.2f} %, entropy off by {self.entropy_error:.4f} bits, "
            f"accuracy {100 * self.accuracy:.1f} % (posterior: {100 * self.accuracy_exact:.1f} %), "
            f"ECE {self.calibration.ece:.4f}"
        )


def log_softmax(logits: NDArray[Any]) -> Array:
    """Log probabilities along the last axis, in float64."""
    z = np.asarray(logits, dtype=np.float64)
    z = z - z.max(axis=-1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))


def entropy_bits(posterior: Array) -> Array:
    """Entropy of distributions along the last axis, in bits; 0 log 0 = 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(posterior > 0, posterior * np.log(posterior), 0.0)
    result: Array = -terms.sum(axis=-1) / BITS
    return np.abs(result)  # no -0.0


def evaluate(task: Task, logits: NDArray[Any], batch: Batch) -> TunnelScore:
    """Score logits (count, questions, outputs), at the asked positions only. Raises BntError for another shape."""
    if logits.shape != batch.posterior.shape:
        raise BntError(
            f"{task.name}: logits of shape {logits.shape}, but the questions need {batch.posterior.shape} "
            f"(sequences, questions, answers); take the positions in task.asked"
        )
    log_q = log_softmax(logits)
    q, p = np.exp(log_q), batch.posterior
    with np.errstate(divide="ignore", invalid="ignore"):
        kl = np.where(p > 0, p * (np.log(p) - log_q), 0.0).sum(axis=-1)
    entropy, exact = entropy_bits(q), entropy_bits(p)
    return TunnelScore(
        kl=float(kl.mean()),
        tv=float(0.5 * np.abs(p - q).sum(axis=-1).mean()),
        entropy_error=float(np.abs(entropy - exact).mean()),
        accuracy=float((q.argmax(axis=-1) == batch.labels).mean()),
        accuracy_exact=float((p.argmax(axis=-1) == batch.labels).mean()),
        entropy=entropy.mean(axis=0),
        entropy_exact=exact.mean(axis=0),
        kl_by_position=kl.mean(axis=0),
        calibration=calibration_of(q.ravel(), p.ravel()),
    )


def evaluation_batch(task: Task, count: int = EVALUATION[1], seed: int = EVALUATION[0]) -> Batch:
    """The sequences on which every stated figure is measured."""
    return task.sample(np.random.default_rng(seed), count)


def score_model(parameters: Parameters, task: Task, batch: Batch) -> TunnelScore:
    """Score a transformer on these sequences."""
    return evaluate(task, predict(parameters, batch.inputs)[:, task.asked], batch)


def examples(task: Task, count: int, rng: np.random.Generator) -> Examples:
    """What a recipe trains on: inputs, targets (count, length, outputs), mask (count, length): 1 where asked.

    Targets are what came about, one-hot, or the analytic posterior: ``task.learns_from`` says which.
    """
    batch = task.sample(rng, count)
    targets = np.zeros((count, task.length, task.outputs))
    sampled = task.learns_from == "labels"
    targets[:, task.asked] = np.eye(task.outputs)[batch.labels] if sampled else batch.posterior
    mask = np.zeros((count, task.length))
    mask[:, task.asked] = 1.0
    return batch.inputs, targets, mask
