"""When evidence reaches a query: against pgmpy's d-separation on random Bayesian networks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnt import Factor, FactorGraph, InconsistentEvidenceError, exact_marginals, load_graph, run_bp
from bnt.graph.evidence import absorb, parse_evidence
from bnt.inference.exact import by_enumeration
from bnt.inference.separation import evidence_reaches, relevant_part
from tests import naive, random_graphs


def random_network(seed):
    """A random DAG over binary variables as (parents, factor graph of its CPTs)."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 8))
    names = random_graphs.variables([2] * n)
    parents = [[j for j in range(i) if rng.random() < 0.3][:3] for i in range(n)]
    factors = []
    for i, above in enumerate(parents):
        table = rng.uniform(0.1, 1.0, [2] * (len(above) + 1))
        factors.append(Factor([names[j] for j in above] + [names[i]], table / table.sum(-1, keepdims=True)))
    return parents, FactorGraph(names, [factors[i] for i in rng.permutation(n)])


@given(st.integers(0, 10**6))
def test_reached_exactly_where_d_connected(seed):
    from pgmpy.base import DAG

    parents, graph = random_network(seed)
    dag = DAG()
    dag.add_nodes_from(list(graph.index))
    dag.add_edges_from([(f"x{j}", f"x{i}") for i, above in enumerate(parents) for j in above])
    evidence = random_graphs.evidence(graph, seed, share=0.5, soft=False) or {"x0": "s1"}
    reduced = absorb(graph, evidence)
    for i in reduced.free:
        connected = any(
            dag.is_dconnected(graph.variables[i].name, name, [other for other in evidence if other != name])
            for name in evidence
        )
        assert evidence_reaches(reduced.graph, reduced.evidence, [i]) == connected


def test_prior_is_said_only_of_exact_answers_that_no_evidence_reaches():
    parents = [Factor(random_graphs.variables([2] * 3)[i : i + 1], [0.3, 0.7]) for i in (0, 1)]
    names = random_graphs.variables([2] * 3)
    collider = Factor(names, [[[0.9, 0.1], [0.4, 0.6]], [[0.2, 0.8], [0.5, 0.5]]])
    graph = FactorGraph(names, [*parents, collider])
    blocked = run_bp(graph, {"x0": "s1"})
    assert blocked.status_of("x1") == "prior"  # the common child is unobserved
    assert blocked.status_of("x2") == "exact"
    assert run_bp(graph, {"x0": "s1", "x2": "s0"}).status_of("x1") == "exact"  # explaining away
    assert run_bp(graph).status_of("x1") == "exact"  # no evidence given: nothing to reach
    soft = run_bp(graph, {"x0": [0.2, 0.9]})
    assert (soft.status_of("x1"), soft.status_of("x0")) == ("prior", "exact")
    assert blocked.beliefs["x1"] == pytest.approx({"s0": 0.3, "s1": 0.7}, abs=1e-15)


@given(st.integers(0, 10**6), st.sampled_from(["sum", "max"]))
def test_prior_means_that_the_answer_is_the_one_without_evidence(seed, mode):
    _, graph = random_network(seed)
    evidence = random_graphs.evidence(graph, seed, share=0.5, soft=False) or {"x0": "s1"}
    before, after = exact_marginals(graph, mode=mode).beliefs, exact_marginals(graph, evidence, mode=mode).beliefs
    reduced = absorb(graph, evidence)
    for i in reduced.free:
        name = graph.variables[i].name
        same = np.abs(before.vector(name) - after.vector(name)).max() <= 1e-12
        assert same or evidence_reaches(reduced.graph, reduced.evidence, [i], mode == "max")


def test_maximising_over_a_common_child_lets_evidence_through():
    x, e, y = random_graphs.variables([2] * 3)
    child = Factor([x, e, y], [[[0.9, 0.1], [0.5, 0.5]], [[0.5, 0.5], [0.9, 0.1]]])
    graph = FactorGraph([x, e, y], [Factor([x], [0.6, 0.4]), Factor([e], [0.5, 0.5]), child])
    assert run_bp(graph, {"x1": "s0"}).status_of("x0") == "prior"
    assert run_bp(graph, {"x1": "s0"}, mode="max").status_of("x0") == "exact"
    assert run_bp(graph, {"x1": "s0"}, mode="max").beliefs["x0"]["s0"] == pytest.approx(0.54 / (0.54 + 0.20))


@given(st.integers(0, 10**6))
def test_the_relevant_part_gives_the_marginals_of_the_whole(seed):
    graph = random_network(seed)[1] if seed % 2 else random_graphs.loopy(seed, most=5, zeros=0.3 * (seed % 4 == 0))
    evidence = random_graphs.evidence(graph, seed, share=0.5)
    known = parse_evidence(graph, evidence)
    truth, mass = naive.marginals(graph, evidence)
    for i, variable in enumerate(graph.variables):
        small, given_here = relevant_part(graph, known, [i])
        if mass == 0.0:
            with pytest.raises(InconsistentEvidenceError):
                by_enumeration(absorb(small, given_here), "sum")
            continue
        found = by_enumeration(absorb(small, given_here), "sum").beliefs
        assert found.vector(variable.name) == pytest.approx(truth[variable.name], abs=1e-13)


def test_what_is_barren_or_cut_off_is_left_out():
    graph = load_graph("asia")
    small, _ = relevant_part(graph, parse_evidence(graph, {}), [graph.position("tub")])
    assert list(small.index) == ["asia", "tub"]
    small, _ = relevant_part(graph, parse_evidence(graph, {"smoke": "yes"}), [graph.position("bronc")])
    assert list(small.index) == ["smoke", "bronc"]
