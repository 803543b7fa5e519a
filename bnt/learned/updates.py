"""Does gradient descent find *the* weights of BP? Uniqueness (Theorem 1.4 of arXiv:2603.17063), by training.

    update    s(w0 L0 + w1 L1 + b) trained on updateBelief: three numbers, logistic regression, convex. Finds (1, 1, 0).
    routing   the same, the two neighbours found by attention: score = query_h @ W_h @ key_h on one-hot indices, and
              L_h = logit of the attended belief. Not convex: some runs end at BP's weights, some elsewhere.
    generic   a ReLU FFN on (L0, L1): it fits the same function with weights that are not BP's.

A trained routing layer is literally a layer of log_odds_transformer.py, so ``extract_graph`` reads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from bnt.graph.factor_graph import Array
from bnt.learned.recipes import RECIPES
from bnt.learned.tasks import BELIEFS, updates
from bnt.learned.trees import Ints
from bnt.odds import logit, sigmoid
from bnt.reading.log_odds_transformer import LogOddsHead, LogOddsLayer, log_odds_tokens, log_odds_weights
from bnt.training.gradients import predict
from bnt.training.parameters import Parameters
from bnt.training.train import Adam, learning_rate_at
from bnt.transformer.blocks import Weights, softmax

BP_WEIGHTS = np.array([1.0, 1.0, 0.0])  # w0, w1, b
REACHED = 0.1  # a run this close to BP_WEIGHTS, whose heads look at the right tokens, has found them
LOOKS = 0.9  # least attention of a head at the neighbour it should read


@dataclass(frozen=True, kw_only=True)
class RoutingConfig:
    """A layer of two heads over n tokens. A head's query is the index of its neighbour, its key the own index."""

    tokens: int = 8
    steps: int = 3_000
    batch: int = 256
    learning_rate: float = 0.05
    start: float = 0.1  # standard deviation of the first scores


class FoundLayer(NamedTuple):
    """A trained layer. weights: (w0, w1, b); scores (2, n, n): W_Q W_K^T of each head, row = index looked for."""

    weights: Array
    scores: Array
    mean_error: float  # of the belief, on new cases

    @property
    def distance(self) -> float:
        """Euclidean distance of (w0, w1, b) to BP's (1, 1, 0)."""
        return float(np.linalg.norm(self.weights - BP_WEIGHTS))

    @property
    def looks(self) -> float:
        """Smallest attention, over heads and indices, at the token that is looked for."""
        return float(softmax(self.scores)[:, np.arange(len(self.scores[0])), np.arange(len(self.scores[0]))].min())

    @property
    def reached(self) -> bool:
        """Whether these are the weights of BP, as far as attention can be sharp after finitely many steps."""
        return self.distance < REACHED and self.looks > LOOKS

    def record(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "weights": self.weights.tolist(),
            "distance": self.distance,
            "looks": self.looks,
            "mean_error": self.mean_error,
            "reached": self.reached,
        }


class Cases(NamedTuple):
    """Beliefs of n tokens, and which two of them one token should combine."""

    beliefs: Array  # (count, n)
    neighbours: Ints  # (2, count)

    @property
    def target(self) -> Array:
        """updateBelief of the two neighbours, (count,)."""
        rows = np.arange(len(self.beliefs))
        return sigmoid(logit(self.beliefs[rows, self.neighbours]).sum(0))


def random_cases(count: int, tokens: int, rng: np.random.Generator) -> Cases:
    """Beliefs uniform in BELIEFS, both neighbours anywhere (possibly the same)."""
    return Cases(rng.uniform(*BELIEFS, (count, tokens)), rng.integers(0, tokens, (2, count)))


def routed_belief(weights: Array, scores: Array, cases: Cases) -> tuple[Array, Array, Array]:
    """What the layer says, (count,), and on the way its attention (2, count, n) and the attended beliefs (2, count)."""
    attention = softmax(scores[np.arange(2)[:, None], cases.neighbours])  # (2, count, n)
    read = np.einsum("hcn,cn->hc", attention, cases.beliefs)
    return sigmoid(weights[:2] @ logit(read) + weights[2]), attention, read


def routed_gradient(weights: Array, scores: Array, cases: Cases) -> tuple[float, Array, Array]:
    """Mean cross-entropy to the targets, and its gradients by weights (3,) and by scores (2, n, n)."""
    said, attention, read = routed_belief(weights, scores, cases)
    target, count = cases.target, len(said)
    loss = -float((target * np.log(said) + (1 - target) * np.log1p(-said)).mean())
    error = (said - target) / count  # (count,)   by the log odds
    d_weights = np.append(logit(read) @ error, error.sum())
    d_read = weights[:2, None] * error / (read * (1 - read))  # (2, count)
    by_score = attention * (cases.beliefs - read[..., None]) * d_read[..., None]  # (2, count, n)
    d_scores = np.zeros_like(scores)
    for h in range(2):
        np.add.at(d_scores[h], cases.neighbours[h], by_score[h])
    return loss, d_weights, d_scores


def learn_routing(config: RoutingConfig | None = None, seed: int = 0) -> FoundLayer:
    """Weights and attention scores from random ones, by Adam with a cosine schedule on fresh cases."""
    config = config or RoutingConfig()
    rng, n = np.random.default_rng(seed), config.tokens
    numbers = np.concatenate([rng.normal(size=3), rng.normal(0.0, config.start, 2 * n * n)])
    weights, scores = numbers[:3], numbers[3:].reshape(2, n, n)
    adam = Adam(numbers)
    for step in range(config.steps):
        _, by_weight, by_score = routed_gradient(weights, scores, random_cases(config.batch, n, rng))
        rate = learning_rate_at(step, config.steps, config.learning_rate)
        adam.step(np.concatenate([by_weight, by_score.ravel()]), rate)
    cases = random_cases(5_000, n, np.random.default_rng([seed, 1]))
    said, _, _ = routed_belief(weights, scores, cases)
    return FoundLayer(weights, scores, float(np.abs(said - cases.target).mean()))


def as_log_odds_layer(layer: FoundLayer, beliefs: Array, neighbours: Array) -> tuple[Weights, Array]:
    """A trained layer as stock Weights and tokens, for ``extract_graph``: it is one layer of the log-odds transformer.

    beliefs (n,); neighbours (n, 2). Columns: log odds, own index (n), the two neighbours' indices (2 n).
    """
    n = len(beliefs)
    heads = []
    for h in range(2):
        query, key = np.zeros((1 + 3 * n, n)), np.zeros((1 + 3 * n, n))
        query[1 + (1 + h) * n : 1 + (2 + h) * n] = layer.scores[h]
        key[1 : 1 + n] = np.eye(n)
        heads.append(LogOddsHead(query, key, layer.weights[h : h + 1]))
    log_odds = LogOddsLayer(tuple(heads), keep=np.zeros(1), bias=layer.weights[2:])
    features = np.hstack([np.eye(n), np.eye(n)[neighbours[:, 0]], np.eye(n)[neighbours[:, 1]]])
    return log_odds_weights([log_odds], 3 * n), log_odds_tokens(logit(beliefs)[:, None], features, 2)


# ---------------------------------------------------------------- the update alone


def learn_update(seed: int, prior: float = 0.5, count: int = 2_000) -> Array:
    """(w0, w1, b) by gradient descent with curvature (BFGS) from random numbers; targets combine two posteriors.

    prior: P(A). L0, L1 are log odds of posteriors given independent evidence, so that the exact combination is
    L0 + L1 - logit(prior): BP's (1, 1, 0) for a uniform prior alone.
    """
    from scipy.optimize import minimize

    rng = np.random.default_rng(seed)
    inputs = np.hstack([logit(rng.uniform(0.02, 0.98, (count, 2))), np.ones((count, 1))])
    odds = inputs[:, :2].sum(1) - float(logit(prior))
    target = sigmoid(odds)

    def loss(w: Array) -> tuple[float, Array]:
        z = inputs @ w
        return float((np.logaddexp(0, z) - target * z).mean()), inputs.T @ (sigmoid(z) - target) / count

    found = minimize(loss, rng.normal(size=3), jac=True, method="BFGS", options={"gtol": 1e-14, "maxiter": 500})
    polished: Array = found.x
    for _ in range(3):  # Newton: the last digits, which a line search cannot see in the loss
        p = sigmoid(inputs @ polished)
        curvature = (inputs * (p * (1 - p))[:, None]).T @ inputs
        polished = polished - np.linalg.solve(curvature, inputs.T @ (p - target))
    return polished


# ---------------------------------------------------------------- a generic FFN


class GenericFit(NamedTuple):
    """A ReLU FFN trained on updateBelief. Its residual stream could do it alone: linear path (1, 1), FFN silent."""

    mean_error: float
    linear_path: Array  # (2,)   d log odds / d (L0, L1) of the residual stream without its FFN
    ffn_share: float  # mean |what the FFN adds| / mean |log odds|; 0 for BP's weights
    outside: float  # mean error in log odds where both beliefs are in (.001, .05), which training never saw

    def record(self) -> dict[str, Any]:
        """As JSON values."""
        return {**self._asdict(), "linear_path": self.linear_path.tolist()}


def generic_fit(parameters: Parameters, seed: int = 0) -> GenericFit:
    """What a model of the recipe "update, generic FFN" does, and with which weights."""
    rng = np.random.default_rng([seed, 3])
    inside, outside = updates(rng.uniform(*BELIEFS, (5_000, 2))), updates(rng.uniform(0.001, 0.05, (5_000, 2)))
    p = parameters.views
    path = p["read_in"] @ p["read_out"]  # (2, 1)
    straight = (p["read_in_bias"] @ p["read_out"] + p["read_out_bias"])[0]
    said = predict(parameters, inside.inputs)[:, 0, 0]
    ffn = said - inside.inputs[:, 0] @ path[:, 0] - straight
    off = predict(parameters, outside.inputs)[:, 0, 0] - outside.inputs[:, 0].sum(-1)
    return GenericFit(
        inside.mean_error(sigmoid(said)[:, None, None]),
        path[:, 0],
        float(np.abs(ffn).mean() / np.abs(said).mean()),
        float(np.abs(off).mean()),
    )


def exact_update(part: float) -> Parameters:
    """The model of that recipe with weights that are right for all beliefs, BP's for part = 1.

    The stream passes on part (L0 + L1), two ReLU units supply (1 - part) (relu(L0 + L1) - relu(-L0 - L1)).
    """
    config = RECIPES["update, generic FFN"].model
    parameters = Parameters(config, np.zeros(config.size))
    view = parameters.views
    view["read_in"][:, 0] = 1.0  # column 0 of the stream: L0 + L1
    view["layer0.W_in"][0, :2] = 1.0, -1.0
    view["layer0.W_out"][:2, 1] = 1 - part, part - 1
    view["read_out"][:2, 0] = part, 1.0
    return parameters


@cache
def fixed_cases() -> tuple[Array, Array]:
    """Log odds of two beliefs (300, 2) and those of their combination (300,), fixed."""
    inputs = logit(np.random.default_rng(0).uniform(*BELIEFS, (300, 2)))
    return inputs, inputs.sum(axis=1)


def update_kl(weights: Array) -> Array:
    """Mean KL in nats of s(w0 L0 + w1 L1) to updateBelief, for weights (..., 2): 0 at (1, 1) alone."""
    inputs, odds = fixed_cases()
    said = np.asarray(weights) @ inputs.T  # (..., 300)
    return np.asarray((np.logaddexp(0, said) - np.logaddexp(0, odds) - sigmoid(odds) * (said - odds)).mean(axis=-1))


def descend_update(start: tuple[float, float], rate: float, steps: int) -> Array:
    """Weights (steps + 1, 2) of plain gradient descent on ``update_kl``, which is convex."""
    inputs, odds = fixed_cases()
    path = [np.array(start)]
    for _ in range(steps):
        path.append(path[-1] - rate * (sigmoid(inputs @ path[-1]) - sigmoid(odds)) @ inputs / len(odds))
    return np.array(path)
