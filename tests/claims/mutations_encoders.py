"""Mutations of the ledger rows about trained encoders: (row, module, name, what it is replaced with)."""

import numpy as np

from bnt import stored
from bnt.claims.rows import encoders as claims_encoders
from bnt.reading import trained_heads


def only_half_of_it(keys, prior, _any_prior=trained_heads.any_prior):
    return 0.5 * _any_prior(keys, prior)


def changed(change):
    """The record after ``change``, which gets it and returns what is different."""

    def load(name, _load=stored.load_experiment):
        record = _load(name)
        return {**record, **change(record)}

    return load


def all_sharp(record):
    return {"sharp_rows": 0.97}


def marks_write(record):
    return {"by_sentence": [{**row, "from_sinks": row["on_sinks"]} for row in record["by_sentence"]]}


def a_layer_read(record):
    return {"graph": {**record["graph"], "layers_with_a_graph": 6}}


def always_right(record):
    return {"similarity": (np.array(record["similarity"]) + 0.15 * np.eye(48)).tolist()}


MUTATIONS = [
    ("any-prior-fits", trained_heads, "any_prior", only_half_of_it),
    ("trained-heads-route", claims_encoders, "load_experiment", changed(all_sharp)),
    ("attention-weight-is-influence", claims_encoders, "load_experiment", changed(marks_write)),
    ("trained-encoder-has-a-graph", claims_encoders, "load_experiment", changed(a_layer_read)),
    ("sentence-posterior-is-calibrated", claims_encoders, "load_experiment", changed(always_right)),
]
