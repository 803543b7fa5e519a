"""Random models of the ledger, and the one round that is a map of one number."""

import numpy as np
import pytest

import bnt
from bnt.claims.models import complete_ising, complete_ising_round


@pytest.mark.parametrize("damping", [0.0, 0.3])
@pytest.mark.parametrize(("n", "coupling", "field"), [(3, 0.7, 0.3), (4, -0.8, 0.2), (6, 0.2, -0.5)])
def test_one_round_is_a_message_of_every_round(n: int, coupling: float, field: float, damping: float) -> None:
    graph = complete_ising(n, coupling, field)
    run = bnt.run_bp(graph, damping=damping, rounds=12, keep_history=True)
    x = 0.0
    for r in range(1, 13):
        x = float(complete_ising_round(x, n, coupling, field, damping))
        for message in run.messages_after(r).values():
            assert message[1] - message[0] == pytest.approx(x, abs=1e-12)
    assert run.beliefs["x0"]["1"] == pytest.approx(1 / (1 + np.exp(-field - (n - 1) * x)), abs=1e-12)
