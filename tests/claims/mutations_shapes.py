"""Mutations of the ledger rows about shapes of belief and collapse: (row, module, name, what it is replaced with)."""

from bnt import stored
from bnt.claims.rows import shapes as claims_shapes
from bnt.wind_tunnels import insides
from bnt.wind_tunnels.collapse import SIGNS
from tests.claims.mutations_wind_tunnels import unheeding


def untrained_alike(name, _load=stored.load_experiment):
    """The record with untrained twins that hold as much as the trained ones."""
    record = _load(name)
    return {
        **record,
        "runs": [row | {"depths": [[d[0], *d[1:4], *d[1:4]] for d in row["depths"]]} for row in record["runs"]],
    }


def far_beyond(name, _load=stored.load_experiment):
    """The record with trained streams that hold most of what input and forecast leave."""
    record = _load(name)
    return {
        **record,
        "runs": [row | {"depths": [[*d[:3], 0.9, *d[4:]] for d in row["depths"]]} for row in record["runs"]],
    }


def it_opens_again(name, _load=stored.load_experiment):
    """The record with heads that look around once the rate is cool."""
    record = _load(name)
    phases = [row | {"effective": [*row["effective"][:-1], 0.6]} for row in record["phases"]]
    return {**record, "phases": phases}


def prophets(name, _load=stored.load_experiment):
    """The record with early signs that are the final loss."""
    record = _load(name)
    known = [1e9 if row["final"] is None else row["final"] for row in record["sweep"]]
    sweep = [row | {"early": dict.fromkeys(SIGNS, end)} for row, end in zip(record["sweep"], known, strict=True)]
    return {**record, "sweep": sweep}


MUTATIONS = [
    ("belief-geometry", insides, "to_weights", unheeding),
    ("belief-beyond-next-symbol", claims_shapes, "load_experiment", untrained_alike),
    ("belief-beyond-input", claims_shapes, "load_experiment", far_beyond),
    ("collapse-is-absorbing", claims_shapes, "load_experiment", it_opens_again),
    ("diagnostic-predicts-failure", claims_shapes, "load_experiment", prophets),
]
