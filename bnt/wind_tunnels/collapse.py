"""Heads that collapse: does an early look at attention tell which training will fail, and is there a way back?

Small transformers predict the next symbol of mess3 at a constant learning rate, from .001 to .1, without clipping. At a
hot rate every head ends up looking at one token. Then

    d output / d score_k = alpha_k (v_k - mean v)         zero where alpha is one-hot: nothing pulls the head back

    signs(parameters)               what can be seen at any step: loss, effective tokens, gain, size of the scores
    predictions(rows)               rank correlation of an early sign with the final loss: over all runs, and among runs
                                    of the same learning rate, with the chance of that much by luck
    train_at(rate, steps, ...)      so many steps at one rate
    cooled_queries(parameters)      the rescue: W_Q of every head times .003

experiments/collapse.py runs and stores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from bnt.graph.factor_graph import Array
from bnt.reading.diagnostics import effective_tokens
from bnt.training.losses import cross_entropy
from bnt.training.parameters import Parameters, TransformerConfig, initialise, read_in, to_weights
from bnt.training.train import Run, train
from bnt.transformer.forward import forward
from bnt.wind_tunnels.belief_shape import PROCESSES
from bnt.wind_tunnels.insides import attention_patterns
from bnt.wind_tunnels.measures import score_model

RATES = (0.001, 0.003, 0.01, 0.03, 0.06, 0.1)
HOT, COOL = (0.06, 0.1), 0.003
STEPS, EARLY = 400, 60  # of a run of the sweep; when the early signs are read
SHRINK = 0.003
SIGNS = ("loss", "effective", "gain", "scores")
LOOKED_AT, SCORED = 24, 1_500  # sequences for the signs, and for the KL
NUDGE = 1e-5
SHUFFLES = 10_000


def small_model(layer_norm: bool) -> TransformerConfig:
    """2 layers of 2 heads, width 16."""
    return TransformerConfig(
        vocabulary=3, outputs=3, positions=PROCESSES["mess3"].length, width=16, layers=2, heads=2, d_k=8, d_ff=32,
        activation="relu", layer_norm=layer_norm, causal=True,
    )  # fmt: skip


def train_at(
    rate: float,
    steps: int,
    seed: int,
    *,
    start: Parameters | None = None,
    layer_norm: bool = True,
    watch: Callable[[Parameters], Mapping[str, float]] | None = None,
    watch_every: int = 50,
) -> Run:
    """Adam at a constant rate without clipping, batches of 64; from ``start``, or fresh weights of this seed.

    Raises BntError where the loss is no longer finite.
    """
    start = start if start is not None else initialise(small_model(layer_norm), seed)
    return train(
        start, lambda rng: PROCESSES["mess3"].examples(64, rng), cross_entropy, steps=steps, learning_rate=rate,
        schedule="constant", seed=seed, progress=False, validate=watch, validate_every=watch_every,
    )  # fmt: skip


def excess(parameters: Parameters) -> float:
    """KL in nats of the exact next-symbol law to what the model says: how far the loss is above the least possible."""
    task = PROCESSES["mess3"]
    return score_model(parameters, task, task.sample(np.random.default_rng(6), SCORED)).kl


def effective_share(parameters: Parameters) -> float:
    """Effective tokens by visible tokens in the second half of the sequences, all heads: one-hot .13, even 1."""
    task = PROCESSES["mess3"]
    batch, late = task.sample(np.random.default_rng(5), LOOKED_AT), task.asked[task.length // 2 :]
    patterns = np.stack(attention_patterns(parameters, batch))[..., late, :].astype(np.float64)
    return float((effective_tokens(patterns) / (late + 1)).mean())


def signs(parameters: Parameters) -> dict[str, float]:
    """What can be seen of a model at any step.

    loss        ``excess``
    effective   ``effective_share``
    gain        ln of the length by which a nudge of the tokens grows on its way through the layers
    scores      ln of the largest singular value of W_Q W_K^T over the heads
    """
    task, weights, rng = PROCESSES["mess3"], to_weights(parameters), np.random.default_rng(0)
    grown = []
    for symbols in task.sample(np.random.default_rng(5), LOOKED_AT).inputs:
        x = read_in(parameters, symbols).astype(np.float64)
        nudge = rng.normal(size=x.shape)
        nudge *= NUDGE / np.linalg.norm(nudge)
        before, after = (forward(tokens, weights, keep="last").final for tokens in (x, x + nudge))
        grown.append(float(np.linalg.norm(after - before)) / NUDGE)
    heads = [head for layer in weights.layers for head in getattr(layer[0], "heads", ())]
    largest = max(float(np.linalg.norm(head.W_Q @ head.W_K.T, 2)) for head in heads)
    with np.errstate(divide="ignore"):  # scores that are all zero: -inf
        size = float(np.log(largest))
    return {
        "loss": excess(parameters),
        "effective": effective_share(parameters),
        "gain": float(np.log(np.mean(grown))),
        "scores": size,
    }


def cooled_queries(parameters: Parameters, factor: float = SHRINK) -> Parameters:
    """The same model with W_Q of every head times ``factor``: scores near zero, so attention near even."""
    found = parameters.copy()
    for name, view in found.views.items():
        if name.endswith(".W_Q"):
            view *= factor
    return found


class Prediction(NamedTuple):
    """Rank correlation of an early sign with the final loss.

    pooled  over all runs            within  of ranks taken among runs of the same rate
    chance  how often rates' own runs, shuffled, give a ``within`` at least as far from 0
    """

    sign: str
    pooled: float
    within: float
    chance: float


def ranks(values: Iterable[float]) -> Array:
    """1 for the smallest; equal values share the mean of their ranks."""
    x = np.asarray(list(values), dtype=np.float64)
    return np.asarray((x[:, None] > x).sum(axis=1) + ((x[:, None] == x).sum(axis=1) + 1) / 2, dtype=np.float64)


def correlation(x: Array, y: Array) -> float:
    """Pearson's, of numbers that may be ranks; 0 where one of them does not vary."""
    x, y = x - x.mean(), y - y.mean()
    size = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / size if size > 0 else 0.0


def predictions(rows: list[dict[str, Any]], seed: int = 0) -> list[Prediction]:
    """One for the learning rate itself, and one for each of SIGNS. Rows: "rate", "final" (None: the loss ran away,
    worst of all), and "early" with the signs. A run that ended before the early look is left out.

    within: ranks are taken inside each rate and centred, so that what a rate does to all its runs drops out; chance:
    a permutation test that shuffles the final losses inside each rate.
    """
    rows = [row for row in rows if row["early"] is not None]
    rate = np.array([row["rate"] for row in rows])
    final = np.array([np.inf if row["final"] is None else row["final"] for row in rows])
    groups = [np.flatnonzero(rate == one) for one in np.unique(rate)]

    def inside(values: Array) -> Array:
        found = np.zeros(len(values))
        for group in groups:
            found[group] = ranks(values[group]) - (len(group) + 1) / 2
        return found

    target, rng, found = inside(final), np.random.default_rng(seed), []
    shuffled = np.stack([target] * SHUFFLES)
    for group in groups:
        shuffled[:, group] = rng.permuted(shuffled[:, group], axis=1)
    found.append(Prediction("rate", correlation(ranks(rate), ranks(final)), 0.0, 1.0))
    for sign in SIGNS:
        values = np.array([row["early"][sign] for row in rows])
        mine = inside(values)
        within = correlation(mine, target)
        by_luck = shuffled @ mine / max(float(np.sqrt((mine @ mine) * (target @ target))), 1e-300)
        chance = float((np.abs(by_luck) >= abs(within) - 1e-12).mean())
        found.append(Prediction(sign, correlation(ranks(values), ranks(final)), within, chance))
    return found
