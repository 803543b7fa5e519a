"""What a trained tree model does inside: where its heads look, what its stream holds by layer, how it got there.

routing   share of attention by distance in the graph, against BP, whose messages come from distance 1 alone
probes    a linear map from the stream after layer k, fitted on some trees and judged on others, to the log odds of
          the beliefs after r rounds of BP: if layer = round, layer k should be best explained by round k
watch     what ``diagnose`` says of the heads, for ``learn(watch=...)``: recorded through the training
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from bnt.graph.factor_graph import Array
from bnt.learned.trees import Trees, beliefs_by_round, encode_trees
from bnt.reading.diagnostics import diagnose_model
from bnt.reading.implicit_graph import extract_graph
from bnt.training.gradients import forward_batch
from bnt.training.parameters import Parameters, read_in, to_weights
from bnt.transformer.forward import forward
from bnt.wind_tunnels.insides import linear_probe

WATCHED = 4  # trees on which heads are diagnosed during training


class Routing(NamedTuple):
    """Average share of attention, (layers, heads, 3): at the token itself, at its neighbours, at all others.

    uniform: what a head that attends everywhere alike would show, (3,).
    """

    share: Array
    uniform: Array


def routing(parameters: Parameters, trees: Trees) -> Routing:
    """Where the heads look, by graph distance 0, 1 and more, averaged over tokens and trees."""
    _, cache = forward_batch(parameters, encode_trees(trees).inputs)
    near = [trees.distance == 0, trees.distance == 1, trees.distance > 1]  # each (count, n, n)
    shares = []
    for attended, _ in cache.sublayers:
        assert attended is not None
        shares.append(
            [np.einsum("bhqk,bqk->h", attended.weight, at) / trees.distance[..., 0].size for at in near]
        )  # (3, heads)
    uniform = np.array([at.mean() for at in near])
    return Routing(np.array(shares).transpose(0, 2, 1), uniform)


def watch_heads(trees: Trees) -> Callable[[Parameters], dict[str, float]]:
    """For ``learn(watch=...)``: per layer effective tokens, collapsed heads, share of attention at neighbours.

    Effective tokens and kinds of head are those of ``diagnose``, on the first WATCHED trees.
    """
    inputs = encode_trees(trees).inputs

    def watch(parameters: Parameters) -> dict[str, float]:
        weights, found = to_weights(parameters), routing(parameters, trees)
        reports = [diagnose_model(weights, read_in(parameters, one)) for one in inputs[:WATCHED]]
        told: dict[str, float] = {}
        for layer in range(parameters.config.layers):
            heads = [head for report in reports for head in report.heads if head.layer == layer]
            told[f"effective tokens {layer}"] = float(np.mean([head.mean for head in heads]))
            collapsed = [head.kind in ("collapsed", "uniform") for head in heads]
            told[f"collapsed {layer}"] = float(np.mean(collapsed))
            told[f"at neighbours {layer}"] = float(found.share[layer, :, 1].mean())
            told[f"most at neighbours {layer}"] = float(found.share[layer, :, 1].max())
        return told

    return watch


def probe(parameters: Parameters, fit: Trees, judge: Trees) -> Array:
    """R^2 of linear probes, (layers + 1, rounds + 1): stream after layer k (0: the tokens) -> log odds after round r.

    Fitted on ``fit``, judged on ``judge``; 1 = the stream holds that number linearly, 0 = no better than its mean.
    """
    rounds = [beliefs_by_round(trees) for trees in (fit, judge)]
    streams = [_streams(parameters, trees) for trees in (fit, judge)]
    table = np.zeros((len(streams[0]), len(rounds[0])))
    for k, (x, x_new) in enumerate(zip(*streams, strict=True)):
        maps = linear_probe(x, rounds[0].reshape(len(rounds[0]), -1).T)  # (d + 1, rounds)
        truth = rounds[1].reshape(len(rounds[1]), -1).T
        wrong = x_new @ maps[:-1] + maps[-1] - truth
        table[k] = 1 - (wrong**2).mean(0) / truth.var(0)
    return table


def _streams(parameters: Parameters, trees: Trees) -> list[Array]:
    """The stream after 0, 1, ... layers, every token of every tree a row, by the stock forward pass."""
    weights = to_weights(parameters)
    traces = [
        forward(read_in(parameters, one), weights, keep="layers", attention="dense").streams
        for one in encode_trees(trees).inputs
    ]
    return [np.vstack(layer) for layer in zip(*traces, strict=True)]


def implicit_graph_words(parameters: Parameters, trees: Trees) -> dict[str, object]:
    """What ``extract_graph`` finds in the trained weights, on the first tree: its kind, and what has no reading."""
    found = extract_graph(to_weights(parameters), read_in(parameters, encode_trees(trees).inputs[0]))
    return {"kind": found.kind, "unexplained": list(found.unexplained)}
