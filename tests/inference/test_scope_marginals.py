"""p(scope | evidence) of every factor, against adding up the joint."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnt import Factor, FactorGraph, Variable, load_graph
from bnt.errors import BntError, EvidenceError, InconsistentEvidenceError, TooLargeError
from bnt.inference.scope_marginals import scope_marginals
from tests import naive, random_graphs

SEEDS = st.integers(0, 10**6)


@given(SEEDS, st.booleans())
def test_equals_the_sum_over_the_joint(seed: int, loops: bool) -> None:
    graph = random_graphs.loopy(seed, zeros=0.2) if loops else random_graphs.forest(seed)
    evidence = random_graphs.evidence(graph, seed)
    if not sum(naive.joint(graph, evidence).values()):
        with pytest.raises(InconsistentEvidenceError):
            scope_marginals(graph, evidence)
        return
    found = scope_marginals(graph, evidence)
    for marginal, expected in zip(found, naive.scope_marginals(graph, evidence), strict=True):
        assert marginal == pytest.approx(expected, abs=1e-13)  # measured: 2e-15


def test_of_the_tables_of_a_bayesian_network() -> None:
    graph = load_graph("survey")
    marginals = scope_marginals(graph)
    for factor, marginal in zip(graph.factors, marginals, strict=True):
        whole = marginal.sum(0, keepdims=True)  # the child is the first axis
        assert np.allclose(marginal, factor.table * whole, rtol=0, atol=1e-13)
        assert marginal.sum() == pytest.approx(1.0, abs=1e-12)


def test_edges() -> None:
    one, two = Variable("one", ["only"]), Variable("two", ["a", "b"])
    graph = FactorGraph([one, two], [Factor([one, two], [[1, 3]]), Factor([two], [0.5, 0.5])])
    assert [m.tolist() for m in scope_marginals(graph)] == [[[0.25, 0.75]], [0.25, 0.75]]
    assert scope_marginals(graph, {"two": "b"})[0].tolist() == [[0, 1]]
    huge = FactorGraph([two], [Factor([two], log_table=[1e7, 1e7 + 1])])
    assert scope_marginals(huge)[0] == pytest.approx([1 / (1 + np.e), np.e / (1 + np.e)], abs=1e-9)
    with pytest.raises(EvidenceError, match="mapping"):
        scope_marginals(graph, ["two"])  # type: ignore[arg-type]
    with pytest.raises(TooLargeError):
        scope_marginals(graph, memory_limit=1)
    with pytest.raises(BntError, match="memory_limit"):
        scope_marginals(graph, memory_limit="much")  # type: ignore[arg-type]
