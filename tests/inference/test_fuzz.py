"""Three seconds of the fuzz against enumeration (python -m benchmarks.fuzz), and that it sees what is wrong."""

import numpy as np
import pytest

import bnt
from benchmarks import fuzz
from bnt.graph.beliefs import Beliefs
from bnt.inference import exact


def test_three_seconds_find_nothing() -> None:
    tried, failures = fuzz.fuzz(3.0)
    assert not failures
    assert set(tried) == set(fuzz.CHECKS)


def test_enumeration_is_right_by_hand() -> None:
    """p(a) = (.25, .75), p(b | a) flips with .1: p(b = y) = .25 .1 + .75 .9."""
    a, b = bnt.Variable("a", ("x", "y")), bnt.Variable("b", ("x", "y"))
    graph = bnt.FactorGraph([a, b], [bnt.Factor((b, a), [[0.9, 0.1], [0.1, 0.9]]), bnt.Factor((a,), [1, 3])])
    np.testing.assert_allclose(fuzz.margins(fuzz.joint_of(graph, {}))[1], [0.3, 0.7], atol=1e-15)
    np.testing.assert_allclose(fuzz.joint_of(graph, {"b": "y"}), [[0, 0.1], [0, 2.7]], atol=1e-15)
    np.testing.assert_allclose(fuzz.joint_of(graph, {"a": {"x": 0.5, "y": 0}})[0], [0.45, 0.05], atol=1e-15)


def test_a_wrong_engine_is_found_with_its_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = exact.exact_given

    def wrong(*arguments: object, **options: object) -> exact.ExactResult:
        found = right(*arguments, **options)  # type: ignore[arg-type]
        return found._replace(beliefs=Beliefs(found.beliefs.graph, np.roll(found.beliefs.flat, 1)))

    monkeypatch.setattr(exact, "exact_given", wrong)
    monkeypatch.setattr(fuzz, "CHECKS", {"exact": fuzz.CHECKS["exact"]})
    _, failures = fuzz.fuzz(0.3)
    assert failures
    assert "exact: Differs: exact_marginals, sum, x" in failures[0]
    assert failures[0].startswith("seed ")
