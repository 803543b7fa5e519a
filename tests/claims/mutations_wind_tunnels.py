"""Mutations of the ledger rows of the wind tunnels: (row, module, name, what it is replaced with)."""

from dataclasses import replace

import numpy as np

from bnt import stored
from bnt.claims.rows import wind_tunnels as claims_wind_tunnels
from bnt.training import gradients
from bnt.transformer import blocks
from bnt.wind_tunnels import hidden_markov as hidden_markov_tasks
from bnt.wind_tunnels import insides


def even_attention(scores, causal, _softmax=gradients._softmax):
    return _softmax(0 * scores, causal)


def unheeding(parameters, _to_weights=insides.to_weights):
    """Stock weights whose heads attend evenly."""
    weights = _to_weights(parameters)
    even = [
        tuple(
            replace(one, heads=tuple(replace(head, W_Q=0 * head.W_Q) for head in one.heads))
            if isinstance(one, blocks.Attention)
            else one
            for one in layer
        )
        for layer in weights.layers
    ]
    return blocks.Weights(tuple(even))


def without_transitions(initial, transition, emission, symbols, _filter=hidden_markov_tasks.filter_all):
    return _filter(initial, np.full_like(transition, 1 / transition.shape[1]), emission, symbols)


def everyone_alike(name, _load=stored.load_experiment):
    """The record with every run as good as the first one."""
    record = _load(name)
    keys = ("task", "model", "rate", "seed")
    runs = [{**record["runs"][0], **{key: row[key] for key in keys}} for row in record["runs"]]
    return {**record, "runs": runs}


def others_fail(name, _load=stored.load_experiment):
    """The record as the published claim would have it."""
    record = _load(name)
    others = {"LSTM", "prefix MLP"}
    return {**record, "runs": [row | {"kl": row["kl"] + 0.1 * (row["model"] in others)} for row in record["runs"]]}


def little_by_little(name, _load=stored.load_experiment):
    record = _load(name)
    seen = dict(record["dynamics"]["recall16"])
    seen["accuracy"] = np.linspace(0, 1, len(seen["accuracy"])).tolist()
    return {**record, "dynamics": {"recall16": seen}}


MUTATIONS = [
    ("wind-tunnel-bijection", gradients, "_softmax", even_attention),
    ("wind-tunnel-filtering", hidden_markov_tasks, "filter_all", without_transitions),
    ("wind-tunnel-recall", gradients, "_softmax", even_attention),
    ("recall-separation", claims_wind_tunnels, "load_experiment", everyone_alike),
    ("sixteen-pairs", claims_wind_tunnels, "load_experiment", others_fail),
    ("only-transformers-track-posteriors", claims_wind_tunnels, "load_experiment", others_fail),
    ("attention-binds-and-fetches", gradients, "_softmax", even_attention),
    ("recall-comes-at-once", claims_wind_tunnels, "load_experiment", little_by_little),
    ("stream-holds-posterior", insides, "to_weights", unheeding),
]
