"""What a transformer of the wind tunnels does inside, beside what belief propagation would route and hold.

    attention_shares   how much of the attention of each head goes where the answer must be read
    probe_by_layer     how much of the posterior a straight line reads off the residual stream, layer by layer
    watch              the same measures during training, for ``train_transformer(..., validate=watch(name))``

A share or a probe says that something is there to be read, not that the model uses it. So each stands beside a control:
the share that even attention would give, and the same probe on the untrained model of the same sizes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bnt.graph.factor_graph import Array
from bnt.reading.diagnostics import effective_tokens
from bnt.training.gradients import forward_batch
from bnt.training.parameters import Parameters, initialise, read_in, read_out, to_weights
from bnt.transformer.forward import forward
from bnt.wind_tunnels.hidden_markov import DrawnHMM
from bnt.wind_tunnels.measures import evaluate, evaluation_batch, find_task, score_model
from bnt.wind_tunnels.tasks import Batch, Bijection, Recall, Task

Mask = NDArray[np.bool_]
WATCHED = 64  # sequences on which training is watched
PROBED = 400  # sequences a probe is fitted on, and as many others it is judged on
FAINT = 1e-6  # log probabilities are probed down to this probability
RIDGE = 1e-6  # of the probe, relative to the mean square of the stream


class Share(NamedTuple):
    """Mean attention that the tokens which read (named first) give to the tokens named second; ``even``: were all
    visible tokens attended alike."""

    layer: int
    head: int
    relation: str
    share: float
    even: float


class Probe(NamedTuple):
    """After ``layer`` layers (0 = the tokens): R^2 of the linear probe on held-out sequences, of the trained and of the
    untrained model, and KL in nats of the model's own read-out applied there (logit lens)."""

    layer: int
    r_squared: float
    r_squared_untrained: float
    lens_kl: float


def relations(task: Task, batch: Batch) -> dict[str, Mask]:
    """Name -> (count, n, n): True where query row -> key column is the relation; rows without a True are not asked."""
    count, n = len(batch.inputs), task.length
    at, found = np.arange(n), {}

    def among(rows: NDArray[Any], columns: NDArray[Any]) -> Mask:
        mask = np.zeros((count, n, n), dtype=bool)
        mask[:, rows, columns] = True
        return mask

    if isinstance(task, Recall):
        right = task.right_positions(batch.inputs)  # (count, pairs)
        each = np.arange(count)[:, None]
        for name, back in (("question -> its value", 0), ("question -> its key", 1)):
            mask = np.zeros((count, n, n), dtype=bool)
            mask[each, task.asked[None], right - back] = True
            found[name] = mask
        values = np.arange(1, 2 * task.pairs, 2)
        found["value -> the key before it"] = among(values, values - 1)
    elif isinstance(task, Bijection):
        shown = (at[:, None] % 2 == 0) & (at[None] % 2 == 1) & (at[None] < at[:, None])
        found["question -> the values shown"] = np.repeat(shown[None], count, axis=0)
    else:
        rows = task.asked
        found["observation -> itself"] = among(rows, rows)
        found["observation -> the one before"] = among(rows[1:], rows[1:] - 1)
        found["observation -> two before"] = among(rows[2:], rows[2:] - 2)
        if isinstance(task, DrawnHMM):
            found["observation -> the model"] = among(rows, np.zeros_like(rows))
    return found


def attention_shares(parameters: Parameters, task: Task, batch: Batch) -> list[Share]:
    """One row per layer, head and relation."""
    patterns = attention_patterns(parameters, batch)
    visible = np.arange(1, task.length + 1)[:, None]  # a causal row i sees i + 1 tokens
    rows = []
    for name, mask in relations(task, batch).items():
        asked = mask.any(axis=2)  # (count, n)
        even = float((mask / visible).sum(axis=2)[asked].mean())
        for layer, pattern in enumerate(patterns):
            for head in range(pattern.shape[1]):
                share = (pattern[:, head] * mask).sum(axis=2)[asked]
                rows.append(Share(layer + 1, head, name, float(share.mean()), even))
    return sorted(rows)


def attention_patterns(parameters: Parameters, batch: Batch) -> list[Array]:
    """Attention weights of every layer, (count, heads, n, n)."""
    cache = forward_batch(parameters, batch.inputs)[1]
    return [attended.weight for attended, _ in cache.sublayers if attended is not None]


def streams(parameters: Parameters, task: Task, inputs: NDArray[Any]) -> list[Array]:
    """Residual stream at the questions after 0, 1, ... layers, each (count, questions, d); by the stock ``forward``."""
    weights = to_weights(parameters)
    traces = [forward(read_in(parameters, one), weights, keep="layers", attention="dense") for one in inputs]
    return [np.array([trace.after_layer(i)[task.asked] for trace in traces]) for i in range(len(weights.layers) + 1)]


def probe_target(task: Task, batch: Batch) -> Array:
    """What is probed for, (count, questions, columns): for an HMM the log odds of each state against the last; else,
    where the posterior has zeros, its probabilities."""
    if isinstance(task, Recall | Bijection):
        return batch.posterior
    logs = np.log(np.maximum(batch.posterior, FAINT))
    return logs[..., :-1] - logs[..., -1:]


def linear_probe(x: Array, y: Array) -> Array:
    """Ridge regression of y (rows, columns) on x (rows, d) and a constant: matrix (d + 1, columns)."""
    rows = np.hstack([x, np.ones((len(x), 1))])
    square = rows.T @ rows
    ridge = RIDGE * float(np.trace(square)) / len(square)
    return np.asarray(np.linalg.solve(square + ridge * np.eye(len(square)), rows.T @ y), dtype=np.float64)


def r_squared(found: Array, y: Array) -> float:
    """1 - (squared error) / (squared error of the mean of y); 1 is perfect, 0 no better than the mean."""
    return float(1 - ((found - y) ** 2).sum() / ((y - y.mean(axis=0)) ** 2).sum())


def probe_by_layer(parameters: Parameters, task: Task, count: int = PROBED) -> list[Probe]:
    """One linear probe per depth, fitted on ``count`` sequences and judged on as many others."""
    learn, judge = evaluation_batch(task, count, seed=31), evaluation_batch(task, count, seed=32)
    target, truth = (flat(probe_target(task, batch)) for batch in (learn, judge))

    def depths(model: Parameters) -> list[tuple[float, float]]:
        rows = []
        for x, held_out in zip(streams(model, task, learn.inputs), streams(model, task, judge.inputs), strict=True):
            map_ = linear_probe(flat(x), target)
            logits = read_out(model, flat(held_out)).reshape(judge.posterior.shape)
            found = flat(held_out) @ map_[:-1] + map_[-1]
            rows.append((r_squared(found, truth), evaluate(task, logits, judge).kl))
        return rows

    trained, untrained = depths(parameters), depths(initialise(parameters.config, seed=0))
    return [
        Probe(i, r, control, lens) for i, ((r, lens), (control, _)) in enumerate(zip(trained, untrained, strict=True))
    ]


def flat(array: Array) -> Array:
    """(count, questions, columns) as rows."""
    return array.reshape(-1, array.shape[-1])


def watch(name: str) -> Callable[[Parameters], dict[str, float]]:
    """What ``train_transformer`` records during training: KL and accuracy, per head the effective number of tokens
    that the questions attend to, exp(entropy of the attention), and of each relation the largest share of a head."""
    task = find_task(name)
    batch = evaluation_batch(task, WATCHED, seed=33)

    def measure(parameters: Parameters) -> dict[str, float]:
        score = score_model(parameters, task, batch)
        found = {"kl": score.kl, "accuracy": score.accuracy}
        for layer, pattern in enumerate(attention_patterns(parameters, batch)):
            for head in range(pattern.shape[1]):
                count = effective_tokens(pattern[:, head, task.asked].astype(np.float64)).mean()
                found[f"effective tokens, layer {layer + 1} head {head}"] = float(count)
        for share in attention_shares(parameters, task, batch):
            found[share.relation] = max(found.get(share.relation, 0.0), share.share)
        return found

    return measure
