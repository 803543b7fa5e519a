"""log_z_bounds against enumeration: never violated, converged or not, and tight on forests."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnt import (
    BntError,
    EvidenceError,
    Factor,
    FactorGraph,
    Variable,
    exact_marginals,
    load_network,
    log_z_bounds,
    posterior_bounds,
    run_mean_field,
    run_trw,
)
from bnt.records.sensitivity import entry_sensitivity
from tests import naive, random_graphs
from tests.inference.test_variational import hard_evidence, positive_pairwise


@given(st.integers(0, 2**32))
def test_log_z_lies_between_the_bounds(seed):
    graph = positive_pairwise(seed, most_states=3)
    evidence = hard_evidence(graph, seed)
    truth = np.log(naive.marginals(graph, evidence)[1])
    lower, upper = log_z_bounds(graph, evidence, starts=1)
    assert lower - 1e-11 <= truth <= upper + 1e-11  # the twin's own sum of products rounds, too


@given(st.integers(0, 2**32), st.integers(0, 5))
def test_the_bounds_hold_before_anything_has_converged(seed, rounds):
    graph = positive_pairwise(seed, most_states=3)
    truth = np.log(naive.marginals(graph)[1])
    assert truth <= run_trw(graph, rounds=rounds, damping=0.0).log_z_upper + 1e-11
    assert run_mean_field(graph, rounds=rounds).log_z_lower <= truth + 1e-11


@given(st.integers(0, 2**32))
def test_posterior_probabilities_lie_between_their_bounds(seed):
    graph = positive_pairwise(seed, most_states=3)
    evidence = hard_evidence(graph, seed)
    name = next((v.name for v in graph.variables if v.name not in evidence), None)
    if name is None:
        return
    soft = {name: np.random.default_rng(seed).uniform(0.0, 1.0, graph.variable(name).cardinality)}
    for given_evidence in (evidence, {**evidence, **soft}):
        truth, _ = naive.marginals(graph, given_evidence)
        bounds = posterior_bounds(graph, name, given_evidence)
        for state, p in zip(graph.variable(name).states, truth[name], strict=True):
            lower, upper = bounds[state]
            assert 0.0 <= lower - 0.0 <= p + 1e-11
            assert p - 1e-11 <= upper <= 1.0


def test_posterior_bounds_are_tight_on_forests_and_know_what_is_impossible():
    graph = random_graphs.pairwise(3, 2.0, edges=[(0, 1), (1, 2), (1, 3)])
    exact = exact_marginals(graph).beliefs["x1"]
    for state, (lower, upper) in posterior_bounds(graph, "x1").items():
        assert lower <= exact[state] <= upper
        assert upper - lower < 1e-10
    with pytest.raises(BntError, match="observed"):
        posterior_bounds(graph, "x1", {"x1": "s0"})


def numbered():
    """Variables that pgmpy would name 0 and 1."""
    a, b = Variable("0", ["no", "yes"]), Variable("1", ["no", "yes"])
    return FactorGraph([a, b], [Factor([a], [0.3, 0.7]), Factor([a, b], [[0.9, 0.1], [0.2, 0.8]])])


def test_posterior_bounds_see_evidence_under_a_number_for_a_name():
    graph = numbered()
    with pytest.raises(BntError, match="observed"):
        posterior_bounds(graph, "0", {0: "yes"})
    for soft in ({0: [0.1, 0.9]}, {"0": [0.1, 0.9]}):
        lower, upper = posterior_bounds(graph, "0", soft)["yes"]
        assert lower <= 0.63 / 0.66 <= upper
        assert upper - lower < 1e-10
    assert posterior_bounds(graph, 0, {1: "yes"}) == posterior_bounds(graph, "0", {"1": "yes"})


@pytest.mark.parametrize("evidence", ["0", ["0"], 5, {"0"}, [("0", "yes")]])
def test_evidence_that_is_no_mapping_is_refused(evidence):
    with pytest.raises(EvidenceError, match="evidence must be a mapping"):
        posterior_bounds(numbered(), "1", evidence)
    with pytest.raises(EvidenceError, match="evidence must be a mapping"):
        entry_sensitivity(numbered(), "1", "yes", evidence)


def test_a_pgmpy_model_is_as_good_as_its_graph():
    model = load_network("cancer")
    graph = FactorGraph.from_pgmpy(model)
    assert posterior_bounds(model, "Smoker", {"Xray": "positive"}) == posterior_bounds(
        graph, "Smoker", {"Xray": "positive"}
    )
    assert entry_sensitivity(model, "Cancer", "True") == entry_sensitivity(graph, "Cancer", "True")
    with pytest.raises(BntError, match="must be a FactorGraph"):
        posterior_bounds(None, "Cancer")


def test_on_a_forest_the_interval_is_rounding_alone():
    graph = random_graphs.pairwise(3, 2.0, edges=[(0, 1), (1, 2), (1, 3)])
    lower, upper = log_z_bounds(graph)
    truth = exact_marginals(graph).log_z
    assert lower <= truth <= upper
    assert upper - lower <= 1e-11


def test_huge_tables_widen_the_interval_by_what_float64_loses():
    graph = random_graphs.pairwise(3, 1e5, edges=[(0, 1), (1, 2), (2, 0)])
    lower, upper = log_z_bounds(graph)
    assert lower <= exact_marginals(graph).log_z <= upper


def test_the_free_energy_at_the_fixed_point_is_the_published_formula():
    """sum <log psi> + sum H_v - sum rho I_f at the pseudo-marginals, computed here from beliefs and messages."""
    graph = random_graphs.pairwise(5, 1.0, edges=[(0, 1), (1, 2), (2, 0), (2, 3), (3, 0)])
    found = run_trw(graph, tolerance=0.0, rounds=3000)
    rho, field = found.edge_weights, naive.log_factors(graph)[0]
    b = {name: found.beliefs.vector(name) for name in found.beliefs}

    def entropy(p):
        return -float((p * np.log(p)).sum())

    value = sum(float(b[name] @ values) + entropy(b[name]) for name, values in field.items())
    for f, (u, v), table in naive.log_factors(graph)[1]:
        nu = [np.log(b[name]) - found.messages[f, name] for name in (u, v)]
        pair = np.exp(table / rho[f] + nu[0][:, None] + nu[1][None, :])
        pair /= pair.sum()
        assert np.abs(pair.sum(1) - b[u]).max() <= 1e-9
        value += float((pair * table).sum()) - rho[f] * (entropy(b[u]) + entropy(b[v]) - entropy(pair))
    assert found.log_z_upper == pytest.approx(value, abs=1e-9)


def test_a_negative_number_of_starts_is_refused():
    with pytest.raises(BntError, match="starts must be"):
        log_z_bounds(random_graphs.pairwise(0), starts=-1)
