"""Inverse design against brute force: every construction compiled with every number of layers, and run."""

import math

import numpy as np
import pytest

import bnt
from bnt import HMM, Factor, FactorGraph, Variable
from bnt.compiler.compile import CONSTRUCTIONS
from bnt.designs.costs import size_of
from bnt.designs.design import design
from bnt.designs.specification import HEADER, NoDesignError, settled_from
from bnt.errors import BntError, TooLargeError, UnknownVariableError, UnsupportedModelError
from bnt.sequences.filtering import compile_doubling_filter, compile_filter
from bnt.transformer.forward import forward
from tests import naive, random_graphs

MOST = 12  # layers that the specifications below allow


def brute_force(graph, queries, evidence, tolerance):
    """(cost, construction, layers) of all that meet the specification, by running every one; exact = within 1e-10 from
    some layer on, which on these random graphs nothing is that is not exact."""
    oracle, _ = naive.marginals(graph, evidence)
    bar, found = 1e-10 if tolerance == "exact" else tolerance, []
    for construction in CONSTRUCTIONS:
        errors, costs = [], []
        two_passes = construction == "junction-tree"
        for rounds in [None] if two_passes else range(MOST):
            try:
                model = bnt.compile_graph(graph, evidence, rounds=rounds, construction=construction)
            except UnsupportedModelError:
                break
            beliefs = model.beliefs(forward(model.tokens, model.weights, keep="last"))
            errors.append(max(np.abs(beliefs.vector(v) - oracle[v]).max() for v in queries))
            costs.append(size_of(model.weights, *model.tokens.shape))
        if two_passes and costs and costs[0].layers > MOST:
            continue
        good = [i for i in range(len(errors)) if max(errors[i:]) <= bar]
        if good:
            found.append((costs[good[0]].multiply_adds, construction, costs[good[0]].layers))
    return sorted(found)


def specification(seed):
    """A random small graph with evidence, queries and a tolerance."""
    rng = np.random.default_rng(seed)
    kind = seed % 3
    if kind == 0:
        graph = random_graphs.forest(seed, most=6, zeros=0.0)
    elif kind == 1:
        graph = random_graphs.pairwise(seed, sigma=0.6, most=5)
    else:
        graph = random_graphs.loopy(seed, most=4, most_cardinality=3)
    evidence = random_graphs.evidence(graph, seed, share=0.2)
    names = [v.name for v in graph.variables]
    queries = list(rng.choice(names, size=int(rng.integers(1, len(names) + 1)), replace=False))
    return graph, queries, evidence, ["exact", 0.05, 1e-3][int(rng.integers(3))]


@pytest.mark.parametrize("seed", range(30))
def test_the_cheapest_by_brute_force(seed):
    graph, queries, evidence, tolerance = specification(seed)
    wanted = brute_force(graph, queries, evidence, tolerance)
    if not wanted:
        with pytest.raises(NoDesignError):
            design(graph, queries, evidence, tolerance=tolerance, layers=MOST)
        return
    found = design(graph, queries, evidence, tolerance=tolerance, layers=MOST)
    cost, construction, layers = wanted[0]
    assert (found.best.size.multiply_adds, found.best.construction, found.best.size.layers) == (
        cost,
        construction,
        layers,
    ), found
    assert found.report.holds
    assert found.model.construction == construction
    met = sorted((one.size.multiply_adds, one.construction) for one in found.alternatives if one.meets)
    assert met == [(cost, construction) for cost, construction, _ in wanted]
    oracle, _ = naive.marginals(graph, evidence)
    beliefs = found.model.beliefs(forward(found.model.tokens, found.model.weights, keep="last"))
    error = max(np.abs(beliefs.vector(v) - oracle[v]).max() for v in queries)
    assert error <= (1e-10 if tolerance == "exact" else tolerance)
    assert found.best.error == pytest.approx(error, abs=1e-12)


def test_fewer_layers_for_a_query_near_the_evidence():
    chain = bnt.load_graph("chain")
    near, far = chain.variables[0].name, chain.variables[-1].name
    whole = design(chain, None, {near: chain.variables[0].states[0]})
    part = design(chain, [chain.variables[1].name], {near: chain.variables[0].states[0]})
    assert part.best.size.layers <= whole.best.size.layers
    assert far in whole.model.graph.index


def test_budgets_are_kept():
    graph = bnt.load_graph("asia")
    free = design(graph, ["lung"], {"xray": "yes"})
    assert free.best.construction == "junction-tree"
    for name in ("layers", "heads", "width", "tokens"):
        most = getattr(free.best.size, name)
        assert design(graph, ["lung"], {"xray": "yes"}, **{name: most}).best == free.best
        with pytest.raises(NoDesignError, match=name if name != "layers" else "layers"):
            design(graph, ["lung"], {"xray": "yes"}, **{name: most - 1})
    loose = design(graph, ["lung"], {"xray": "yes"}, tolerance=0.2)
    assert loose.best.size.multiply_adds < free.best.size.multiply_adds


def test_what_it_says():
    found = design(bnt.load_graph("cancer"), ["Cancer"], {"Xray": "positive"})
    frame = found.to_frame()
    assert list(frame.columns) == [name.replace("-", "_") for name in HEADER]
    assert frame["construction"].tolist()[0] == found.best.construction
    assert set(frame["construction"]) == set(CONSTRUCTIONS)
    assert "multiply-adds" in str(found)
    assert "cheapest" in found._repr_html_()
    assert found.best.construction in repr(found)


def test_a_knowledge_base():
    base = bnt.parse_knowledge(
        "predicate rain\npredicate wet\npredicate slips\n0.2: rain\n0.9: wet if rain\n0.3: slips if wet\n"
    )
    for subject in (base, base.ground()):
        found = design(subject, ["rain"], {"slips": True})
        beliefs = found.model.beliefs(forward(found.model.tokens, found.model.weights, keep="last"))
        assert beliefs["rain"]["true"] == pytest.approx(bnt.ask(base, "rain", {"slips": True}).probability, abs=1e-12)
    assert design(base).report.holds


def an_hmm(seed, states=3):
    rng = np.random.default_rng(seed)
    tables = [rng.dirichlet(np.ones(k), size=n) for n, k in ((1, states), (states, states), (states, 2))]
    return HMM(tables[0][0], tables[1], tables[2]), rng.integers(0, 2, 13).tolist()


@pytest.mark.parametrize("tolerance", ["exact", 0.01])
@pytest.mark.parametrize("times", [None, [3], [12], [0]])
def test_filters_by_brute_force(times, tolerance):
    hmm, symbols = an_hmm(5)
    exact = naive.hmm_filter(hmm, symbols)
    asked = list(range(13)) if times is None else times
    wanted = []
    for name, compiled in (("step", compile_filter), ("doubling", compile_doubling_filter)):
        errors, costs = [], []
        for layers in range(14):
            model = compiled(hmm, symbols, layers)
            beliefs = model.beliefs(forward(model.tokens, model.weights, keep="last"))
            errors.append(np.abs(beliefs - np.array(exact))[asked].max())
            costs.append(size_of(model.weights, *model.tokens.shape))
        good = [i for i in range(14) if max(errors[i:]) <= (1e-12 if tolerance == "exact" else tolerance)]
        # a doubling filter of fewer layers has fewer columns, too
        wanted.append((costs[good[0]].multiply_adds, name, good[0]))
    found = design(hmm, times, symbols, tolerance=tolerance)
    chosen = min(wanted)
    assert (found.best.construction, found.best.size.layers) == chosen[1:]
    assert found.report.holds
    assert {one.construction for one in found.alternatives} == {"step", "doubling"}


def test_logarithmic_depth_where_layers_are_dear():
    hmm, symbols = an_hmm(6, states=2)
    found = design(hmm, None, symbols, layers=math.ceil(math.log2(13)))
    assert found.best.construction == "doubling"
    assert "13 layers" in next(one.why for one in found.alternatives if not one.meets)


def test_too_large_for_an_exact_answer():
    names = [f"x{i}" for i in range(8)]
    variables = [Variable(name, ["0", "1"]) for name in names]
    rng = np.random.default_rng(0)
    factors = [Factor([a, b], rng.uniform(0.5, 1.5, (2, 2))) for i, a in enumerate(variables) for b in variables[:i]]
    graph = FactorGraph(variables, factors)
    with pytest.raises(NoDesignError, match="no error is known"):
        design(graph, tolerance=0.1, memory_limit=1000)
    assert issubclass(NoDesignError, BntError)
    assert not issubclass(NoDesignError, TooLargeError)


def test_refused():
    graph = bnt.load_graph("asia")
    with pytest.raises(UnknownVariableError):
        design(graph, ["lungs"])
    for wrong in ("roughly", -0.1, 2, True, None):
        with pytest.raises(BntError, match="tolerance"):
            design(graph, tolerance=wrong)
    for name in ("layers", "heads", "width", "tokens"):
        with pytest.raises(BntError, match=name):
            design(graph, **{name: 0})
    hmm, symbols = an_hmm(1)
    with pytest.raises(BntError, match="time"):
        design(hmm, [13], symbols)


def test_settled_from():
    assert settled_from(np.array([0.5, 0.1, 0.2, 0.1, 0.0]), 0.1) == 3
    assert settled_from(np.array([0.0, 0.0]), 0.1) == 0
    assert settled_from(np.array([0.0, np.nan]), 0.1) is None
    assert settled_from(np.array([]), 0.1) is None
