"""One line swapped: the engines answer pgmpy's programs in pgmpy's form, checked against VariableElimination itself."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pgmpy.factors.discrete import DiscreteFactor, TabularCPD
from pgmpy.inference import VariableElimination
from pgmpy.models import DiscreteBayesianNetwork, DiscreteMarkovNetwork
from pgmpy.models import FactorGraph as PgmpyGraph

import bnt
from bnt import run_mean_field, run_trw
from bnt.errors import BntError, EvidenceError, InconsistentEvidenceError, ModelError, TooLargeError
from bnt.pgmpy_engines import ExactInference, LoopyInference, TransformerInference
from tests import naive, random_graphs

ENGINES = [ExactInference, LoopyInference, TransformerInference]
RIGHT = [ExactInference, lambda model: TransformerInference(model, construction="junction-tree")]  # on loops, too


def same(ours, theirs, tolerance: float = 1e-12) -> None:
    """Scope, states as they are (1 is no "1"), and every entry."""
    assert ours.variables == theirs.variables
    assert ours.state_names == theirs.state_names
    for name in ours.variables:
        assert list(map(type, ours.state_names[name])) == list(map(type, theirs.state_names[name]))
    np.testing.assert_allclose(ours.values, theirs.values, rtol=tolerance, atol=1e-14)


def student() -> DiscreteBayesianNetwork:
    """The student network of Koller and Friedman (2009, section 3.1), as pgmpy's documentation has it."""
    model = DiscreteBayesianNetwork([("diff", "grade"), ("intel", "grade"), ("grade", "letter"), ("intel", "sat")])
    model.add_cpds(
        TabularCPD("diff", 2, [[0.6], [0.4]]),
        TabularCPD("intel", 2, [[0.7], [0.3]]),
        TabularCPD(
            "grade", 3, [[0.3, 0.05, 0.9, 0.5], [0.4, 0.25, 0.08, 0.3], [0.3, 0.7, 0.02, 0.2]],
            evidence=["intel", "diff"], evidence_card=[2, 2],
        ),
        TabularCPD("letter", 2, [[0.1, 0.4, 0.99], [0.9, 0.6, 0.01]], evidence=["grade"], evidence_card=[3]),
        TabularCPD("sat", 2, [[0.95, 0.2], [0.05, 0.8]], evidence=["intel"], evidence_card=[2]),
    )  # fmt: skip
    return model


def misconception() -> DiscreteMarkovNetwork:
    """Four friends in a ring, one loop (Koller and Friedman, section 4.1)."""
    model = DiscreteMarkovNetwork([("A", "B"), ("B", "C"), ("C", "D"), ("D", "A")])
    for scope, values in (
        ("AB", [30, 5, 1, 10]), ("BC", [100, 1, 1, 100]), ("CD", [1, 100, 100, 1]), ("DA", [100, 1, 1, 100]),
    ):  # fmt: skip
        model.add_factors(DiscreteFactor(list(scope), [2, 2], values))
    return model


@pytest.mark.parametrize("engine", ENGINES)
def test_the_student_network_answers_as_in_pgmpy(engine) -> None:
    model = student()
    ours, theirs = engine(model), VariableElimination(model)
    for variables, evidence in (
        (["letter"], None),
        (["letter"], {"intel": 0}),
        (["intel"], {"letter": 0, "grade": 2}),
        (["intel", "grade"], {"sat": 1}),
        (["sat", "diff", "letter"], {}),
        (["letter", "grade", "intel"], {"diff": np.int64(1)}),
    ):
        same(ours.query(variables, evidence, show_progress=False), theirs.query(variables, evidence))
        apart = ours.query(variables, evidence, joint=False, elimination_order="MinFill")
        expected = theirs.query(variables, evidence, joint=False)
        assert list(apart) == list(expected)
        for name in variables:
            same(apart[name], expected[name])
    assert ours.status in ("exact", "prior", "approximate")
    for variables, evidence in ((None, None), (["grade"], {"sat": 1}), (["intel", "diff"], {"letter": 1})):
        assert ours.map_query(variables, evidence) == theirs.map_query(variables, evidence, show_progress=False)


@pytest.mark.parametrize("engine", ENGINES)
def test_virtual_evidence_as_pgmpy_has_it(engine) -> None:
    model = student()
    ours, theirs = engine(model), VariableElimination(model)
    for virtual in (
        [TabularCPD("grade", 3, [[0.2], [0.5], [0.3]])],
        [DiscreteFactor(["letter"], [2], [0.8, 0.1]), TabularCPD("sat", 2, [[0.3], [0.6]])],
    ):
        for evidence in (None, {"diff": 1}):
            wanted = theirs.query(["intel"], evidence, virtual_evidence=virtual)
            same(ours.query(["intel"], evidence, virtual_evidence=virtual), wanted)
            same(ours.query(["intel", "grade"], evidence, virtual), theirs.query(["intel", "grade"], evidence, virtual))
            assert ours.map_query(["intel"], evidence, virtual) == theirs.map_query(["intel"], evidence, virtual)
    swapped = TabularCPD("sat", 2, [[0.6], [0.3]], state_names={"sat": [1, 0]})
    plain = TabularCPD("sat", 2, [[0.3], [0.6]])
    same(ours.query(["intel"], virtual_evidence=[swapped]), ours.query(["intel"], virtual_evidence=[plain]))


@pytest.mark.parametrize("engine", RIGHT)
def test_factors_of_a_markov_network_come_back_unnormalised(engine) -> None:
    model = misconception()
    ours, theirs = engine(model), VariableElimination(model)
    for variables, evidence in ((["A"], None), (["B", "D"], None), (["C"], {"A": 1}), (["A", "B", "C"], {"D": 0})):
        same(ours.query(variables, evidence), theirs.query(variables, evidence), 1e-10)
    assert ours.map_query(["A", "B", "C", "D"]) == theirs.map_query(["A", "B", "C", "D"])
    factors = PgmpyGraph()
    factors.add_nodes_from("AB")
    phi = DiscreteFactor(["A", "B"], [2, 2], [1, 2, 3, 4])
    factors.add_factors(phi)
    factors.add_nodes_from([phi])
    factors.add_edges_from([("A", phi), ("B", phi)])
    np.testing.assert_allclose(engine(factors).query(["A"]).values, [3.0, 7.0], rtol=1e-14)


def test_on_loops_only_the_exact_engines_are_called_exact() -> None:
    model = misconception()
    exact = VariableElimination(model).query(["A"]).values
    for engine in (LoopyInference(model), TransformerInference(model)):
        found = engine.query(["A"])
        assert engine.status in ("approximate", "not converged")  # the transformer has at most 100 layers
        assert np.abs(found.values / found.values.sum() - exact / exact.sum()).max() > 1e-3
        np.testing.assert_allclose(found.values.sum(), np.exp(bnt.run_bp(model).log_z_bethe), rtol=1e-6)
    assert ExactInference(model).query(["A"]).values.sum() == pytest.approx(7201840.0)  # Koller and Friedman
    weak = LoopyInference(model, rounds=1)
    weak.query(["A"])
    assert weak.status == "not converged"


@pytest.mark.parametrize("engine", ENGINES)
def test_states_stay_the_objects_they_are(engine) -> None:
    rng = np.random.default_rng(0)
    a = rng.integers(0, 2, 200)
    b = a ^ (rng.random(200) < 0.2)
    for frame in (
        pd.DataFrame({"a": a, "b": b}), pd.DataFrame({"a": a == 1, "b": b == 1}), pd.DataFrame({"a": a + 0.5, "b": b}),
        pd.DataFrame({"a": pd.Categorical(a), "b": pd.Categorical(b)}), pd.DataFrame({"a": a.astype(str), "b": b}),
    ):  # fmt: skip
        model = DiscreteBayesianNetwork([("a", "b")])
        model.fit(frame)
        ours, theirs = engine(model), VariableElimination(model)
        for state in theirs.query(["b"]).state_names["b"]:
            same(ours.query(["a"], {"b": state}), theirs.query(["a"], {"b": state}))
            assert ours.map_query(["a"], {"b": state}) == theirs.map_query(["a"], {"b": state}, show_progress=False)
        state = ours.map_query(["a"])["a"]
        assert type(state) is type(theirs.map_query(["a"], show_progress=False)["a"])
    numbered = DiscreteBayesianNetwork([(0, 1)])
    numbered.fit(pd.DataFrame({0: a, 1: b}))
    same(engine(numbered).query([0], {1: 1}), VariableElimination(numbered).query([0], {1: 1}))


def test_a_table_changed_in_place_is_seen() -> None:
    model = student()
    engine = ExactInference(model)
    before = engine.query(["intel"]).values.copy()
    model.get_cpds("intel").values[:] = [0.1, 0.9]
    assert np.abs(engine.query(["intel"]).values - before).max() > 0.1


@settings(max_examples=25)
@given(st.integers(0, 10**6))
def test_joint_tables_equal_enumeration(seed: int) -> None:
    graph = random_graphs.loopy(seed, most=4, zeros=0.3, most_cardinality=3)
    ones = [bnt.Factor((v,), np.ones(v.cardinality)) for v in graph.variables]  # pgmpy wants a factor over each
    graph = bnt.FactorGraph(graph.variables, [*graph.factors, *ones])
    joint = naive.joint(graph)
    names = [v.name for v in graph.variables]
    if not sum(joint.values()):
        return
    model, rng = graph.to_pgmpy(), np.random.default_rng(seed)
    asked = [str(name) for name in rng.permutation(names)[: rng.integers(1, len(names) + 1)]]
    expected = np.zeros([graph.variable(name).cardinality for name in asked])
    for assignment, weight in joint.items():
        place = dict(zip(names, assignment, strict=True))
        expected[tuple(graph.variable(name).states.index(place[name]) for name in asked)] += weight
    engine = ExactInference(model)
    found = engine.query(asked)
    assert found.variables == asked
    np.testing.assert_allclose(found.values, expected, rtol=1e-10, atol=1e-14)
    best = engine.map_query()
    weight = joint[tuple(best[name] for name in names)]
    assert weight == pytest.approx(max(joint.values()), rel=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
def test_what_cannot_be_asked_is_a_value_error(engine) -> None:
    ours = engine(student())
    table = TabularCPD("diff", 2, [[0.5], [0.5]])
    for call, says in (
        (lambda: ours.query(["diff"], {"diff": 1}), "'diff' is both queried and evidence"),
        (lambda: ours.map_query(["diff"], {"diff": 1}), "'diff' is both queried and evidence"),
        (lambda: ours.query([]), "at least one variable"),
        (lambda: ours.query(["diff", "diff"]), "queried twice"),
        (lambda: ours.query(["dif"]), "'dif' is no variable of this model; did you mean 'diff'"),
        (lambda: ours.query(["diff"], {"sat": 7}), "7 is no state of variable 'sat'"),
        (lambda: ours.query(["diff"], {"sat": pd.NA}), "is missing"),
        (lambda: ours.query(["sat"], virtual_evidence=[TabularCPD("x", 2, [[1], [0]])]), "'x', no variable"),
        (lambda: ours.query(["sat"], virtual_evidence=[TabularCPD("grade", 2, [[1], [0]])]), "2 likelihoods"),
        (lambda: ours.query(["sat"], virtual_evidence=["grade"]), "over one variable each"),
        (lambda: ours.query(["sat"], {"diff": 0}, [TabularCPD("diff", 2, [[0], [1]])]), "probability zero"),
    ):
        with pytest.raises(ValueError, match=says) as caught:
            call()
        assert isinstance(caught.value, BntError)
    assert ours.query(["sat"], {"diff": 0}, [table]).values.sum() == pytest.approx(1.0)
    with pytest.raises(ModelError, match="expected a pgmpy"):
        engine(object())


def test_evidence_of_probability_zero_and_tables_too_large_are_refused(monkeypatch) -> None:
    model = DiscreteBayesianNetwork([("a", "b")])
    model.add_cpds(TabularCPD("a", 2, [[1.0], [0.0]]), TabularCPD("b", 2, [[1.0, 0.5], [0.0, 0.5]], ["a"], [2]))
    for engine in ENGINES:
        with pytest.raises(InconsistentEvidenceError):
            engine(model).query(["a"], {"b": 1})
        assert engine(model).query(["a", "b"]).values.tolist() == [[1.0, 0.0], [0.0, 0.0]]
    monkeypatch.setattr("bnt.pgmpy_engines.MOST_JOINT_STATES", 3)
    with pytest.raises(TooLargeError, match="the joint table has 4 entries"):
        ExactInference(model).query(["a", "b"])
    monkeypatch.setattr("bnt.pgmpy_engines.MOST_RUNS", 2)
    with pytest.raises(TooLargeError, match="within 2 transformers"):
        TransformerInference(student()).map_query()


@pytest.mark.parametrize("construction", ["tree-reweighted", "mean-field"])
def test_status_and_weight_are_those_of_the_rounds_that_were_compiled(construction: str) -> None:
    """Mean field is not exact on a tree, and where messages bound log Z a factor's weight is that bound."""
    model = DiscreteMarkovNetwork([("a", "b"), ("b", "c")])
    model.add_factors(*(DiscreteFactor(pair, [2, 2], [4.0, 1.0, 1.0, 3.0]) for pair in (["a", "b"], ["b", "c"])))
    asked = TransformerInference(model, construction=construction)  # type: ignore[arg-type]
    factor = asked.query(["b"])
    run = {"tree-reweighted": run_trw, "mean-field": run_mean_field}[construction]
    found = run(model)
    assert asked.status == found.status == ("exact" if construction == "tree-reweighted" else "approximate")
    bound = found.log_z_upper if construction == "tree-reweighted" else found.log_z_lower
    assert factor.values.sum() == pytest.approx(np.exp(bound), rel=1e-9)
    np.testing.assert_allclose(factor.values / factor.values.sum(), found.beliefs.vector("b"), atol=1e-9)


def test_ties_are_broken_to_a_possible_assignment() -> None:
    """Two that must differ, each state as good: the best states one by one would contradict each other."""
    model = DiscreteMarkovNetwork([("a", "b")])
    model.add_factors(DiscreteFactor(["a", "b"], [2, 2], [0.1, 1.0, 1.0, 0.1]))
    for engine in ENGINES:
        best = engine(model).map_query()
        assert best["a"] != best["b"]


def test_every_door_takes_a_pgmpy_model() -> None:
    model, graph = bnt.load_network("asia"), bnt.load_graph("asia")
    evidence = {"xray": TabularCPD("xray", 2, [[0.9], [0.2]], state_names={"xray": ["yes", "no"]}), "smoke": "yes"}
    plain = {"xray": [0.9, 0.2], "smoke": "yes"}
    result = bnt.run_bp(model, evidence)
    assert result.beliefs.distance(bnt.run_bp(graph, plain).beliefs) <= 1e-15
    assert bnt.exact_marginals(model, evidence).beliefs.distance(bnt.exact_marginals(graph, plain).beliefs) <= 1e-15
    assert bnt.posterior(model, evidence).beliefs.distance(bnt.posterior(graph, plain).beliefs) <= 1e-15
    compiled, same_one = bnt.compile_graph(model, evidence), bnt.compile_graph(graph, plain)
    assert np.array_equal(compiled.tokens, same_one.tokens)
    table = pd.DataFrame({"xray": ["yes", "no"], "smoke": ["no", None]})
    assert np.array_equal(bnt.run_bp_batch(model, table).vector("lung"), bnt.run_bp_batch(graph, table).vector("lung"))
    assert bnt.diagnose(model).status == bnt.diagnose(graph).status
    factor = bnt.exact_marginals(model, {"xray": "yes"}).beliefs.to_pgmpy("lung")
    same(factor, VariableElimination(model).query(["lung"], {"xray": "yes"}))
    for call in (bnt.run_bp, bnt.exact_marginals, bnt.posterior, bnt.compile_graph, bnt.diagnose):
        with pytest.raises(ModelError, match="must be a FactorGraph, not a dict"):
            call({})
    with pytest.raises(EvidenceError, match=r"evidence on 'lung' must be a table over it alone, not over \(xray\)"):
        bnt.run_bp(model, {"lung": evidence["xray"]})


def test_beliefs_carry_pgmpys_own_names() -> None:
    model = student()
    beliefs = bnt.run_bp(model, {"letter": 1}).beliefs
    for name in model.nodes():
        if name != "letter":
            theirs = VariableElimination(model).query([name], {"letter": 1})
            assert beliefs.to_pgmpy(name).state_names == theirs.state_names
    assert list(itertools.chain(*beliefs.to_pgmpy("grade").state_names.values())) == [0, 1, 2]


def errand() -> DiscreteBayesianNetwork:
    """Accident and rain make a traffic jam, and that makes one late for school; the example of pgmpy's own tests."""
    model = DiscreteBayesianNetwork([("A", "J"), ("R", "J"), ("J", "Q"), ("J", "L"), ("G", "L")])
    jam = [[0.9, 0.6, 0.7, 0.1], [0.1, 0.4, 0.3, 0.9]]
    late = [[0.9, 0.45, 0.8, 0.1], [0.1, 0.55, 0.2, 0.9]]
    model.add_cpds(
        TabularCPD("A", 2, [[0.2], [0.8]]),
        TabularCPD("R", 2, [[0.4], [0.6]]),
        TabularCPD("G", 2, [[0.6], [0.4]]),
        TabularCPD("J", 2, jam, evidence=["A", "R"], evidence_card=[2, 2]),
        TabularCPD("Q", 2, [[0.9, 0.2], [0.1, 0.8]], evidence=["J"], evidence_card=[2]),
        TabularCPD("L", 2, late, evidence=["J", "G"], evidence_card=[2, 2]),
    )
    return model


@pytest.mark.parametrize("engine", ENGINES)
def test_the_published_examples_of_exact_inference(engine) -> None:
    """One variable, several, given others, most probable ones: numbers of pgmpy's documentation, and its engine's."""
    model = errand()
    ours, theirs = engine(model), VariableElimination(model)
    np.testing.assert_allclose(ours.query(["J"]).values, [0.416, 0.584], atol=1e-15)
    np.testing.assert_allclose(ours.query(["Q"], {"J": 0}).values, [0.9, 0.1], atol=1e-15)
    for variables, evidence in (
        (["Q", "J"], None), (["A", "J"], None), (["J"], {"A": 0, "R": 1}),
        (["Q", "J"], {"A": 0, "R": 0, "G": 0, "L": 1}), (["A", "R"], {"L": 1}),
        (["G"], {"Q": 1, "A": 0}), (["A", "R", "J"], None),
    ):  # fmt: skip
        same(ours.query(variables, evidence), theirs.query(variables, evidence))
        assert ours.map_query(variables, evidence) == theirs.map_query(variables, evidence, show_progress=False)
    assert ours.map_query() == theirs.map_query(show_progress=False)


@pytest.mark.parametrize("engine", ENGINES)
def test_max_marginals_are_pgmpy_s(engine) -> None:
    for model, questions in (
        (student(), ((["diff"], None), (["grade", "diff"], None), (["diff"], {"grade": 0}), (["sat"], {"letter": 1}))),
        (errand(), ((["G"], None), (["G", "R"], None), (["A"], {"L": 0}), (["R", "J"], {"Q": 1, "A": 0}))),
    ):
        ours, theirs = engine(model), VariableElimination(model)
        for variables, evidence in (*questions, (None, None), (list(model.nodes()), None)):
            expected = theirs.max_marginal(variables, evidence, show_progress=False)
            assert ours.max_marginal(variables, evidence) == pytest.approx(expected, rel=1e-12)
    given = student()
    joint = naive.joint(bnt.FactorGraph.from_pgmpy(given), {"intel": "0"})
    assert engine(given).max_marginal(evidence={"intel": 0}) == pytest.approx(max(joint.values()), rel=1e-12)


def test_max_marginals_of_markov_networks_are_weights() -> None:
    model = misconception()
    ours, theirs = ExactInference(model), VariableElimination(model)
    for variables, evidence in ((["A"], None), (["A", "B"], None), (["A"], {"B": 0}), (None, None)):
        expected = theirs.max_marginal(variables, evidence, show_progress=False)
        assert ours.max_marginal(variables, evidence) == pytest.approx(expected, rel=1e-12)


@settings(max_examples=25)
@given(st.integers(0, 10**6))
def test_markov_networks_with_evidence_equal_enumeration(seed: int) -> None:
    """Of factors over evidence alone pgmpy's max_marginal says nothing: so enumeration is the oracle here."""
    graph = random_graphs.pairwise(seed, most=5)
    model, names = graph.to_pgmpy(), [v.name for v in graph.variables]
    evidence = {names[0]: "s1"}
    joint = naive.joint(graph, evidence)
    engine = ExactInference(model)
    assert engine.max_marginal([names[-1]], evidence) == pytest.approx(max(joint.values()), rel=1e-12)
    expected = [
        sum(weight for states, weight in joint.items() if states[-1] == state) for state in graph.variables[-1].states
    ]
    np.testing.assert_allclose(engine.query([names[-1]], evidence).values, expected, rtol=1e-12)
    theirs = VariableElimination(model).query([names[-1]], evidence, show_progress=False)
    np.testing.assert_allclose(theirs.values, expected, rtol=1e-9)
    best = engine.map_query(evidence=evidence)
    assert joint[tuple({**best, **evidence}[name] for name in names)] == pytest.approx(max(joint.values()), rel=1e-12)


def test_induced_graphs_are_pgmpy_s() -> None:
    """The example of pgmpy's documentation has width 3."""
    model = DiscreteBayesianNetwork([("A", "B"), ("C", "B"), ("C", "D"), ("B", "E")])
    model.fit(pd.DataFrame(np.random.default_rng(0).integers(0, 2, (1000, 5)), columns=list("ABCDE")))
    for engine in ENGINES:
        ours = engine(model)
        assert ours.induced_width(["C", "D", "A", "B", "E"]) == 3
        order = ["D", "E", "A", "C", "B"]
        theirs = VariableElimination(model).induced_graph(order)
        assert set(map(frozenset, ours.induced_graph(order).edges())) == set(map(frozenset, theirs.edges()))
        with pytest.raises(ValueError, match="elimination order"):
            ours.induced_graph(["A", "B"])


@pytest.mark.parametrize("make", [student, errand, misconception])
@pytest.mark.parametrize("calibrate", ["calibrate", "max_calibrate"])
def test_cliques_are_calibrated_as_pgmpy_s(make, calibrate) -> None:
    from pgmpy.inference import BeliefPropagation

    model = make()
    ours, theirs = ExactInference(model), BeliefPropagation(model)
    assert ours.get_clique_beliefs() == ours.get_sepset_beliefs() == {}
    getattr(ours, calibrate)()
    getattr(theirs, calibrate)()
    assert set(map(frozenset, ours.get_cliques())) == set(map(frozenset, theirs.get_cliques()))
    for found, wanted in (
        (ours.get_clique_beliefs(), {frozenset(key): value for key, value in theirs.get_clique_beliefs().items()}),
        (
            ours.get_sepset_beliefs(),
            {frozenset(map(frozenset, key)): value for key, value in theirs.get_sepset_beliefs().items()},
        ),
    ):
        assert len(found) == len(wanted) > 0
        for key, factor in found.items():
            other = wanted[frozenset(map(frozenset, key)) if isinstance(key, frozenset) else frozenset(key)]
            axes = [other.variables.index(name) for name in factor.variables]
            np.testing.assert_allclose(factor.values, np.transpose(other.values, axes), rtol=1e-10)


@pytest.mark.parametrize("engine", ENGINES[1:])
def test_what_only_cliques_have_is_refused_in_a_sentence(engine) -> None:
    ours = engine(student())
    for call in ("calibrate", "max_calibrate", "get_cliques", "get_clique_beliefs", "get_sepset_beliefs"):
        with pytest.raises(bnt.UnsupportedModelError, match="none of cliques; use ExactInference"):
            getattr(ours, call)()


def test_every_public_method_of_pgmpy_s_exact_engines_is_there_with_its_arguments() -> None:
    import inspect

    from pgmpy.inference import BeliefPropagation

    for theirs in (BeliefPropagation, VariableElimination):
        for name, method in inspect.getmembers(theirs, inspect.isfunction):
            if name.startswith("_"):
                continue
            mine = inspect.signature(getattr(ExactInference, name)).parameters
            wanted = inspect.signature(method).parameters
            assert set(wanted) <= set(mine)
            if theirs is VariableElimination:
                assert list(mine) == list(wanted)
                assert [p.default for p in mine.values()] == [p.default for p in wanted.values()]


def test_weights_beyond_float64_are_refused_and_answers_that_need_none_are_given() -> None:
    """pgmpy gives inf or nan there; a Bayesian network's answers are normalised, so any size is fine."""
    model = DiscreteMarkovNetwork([("a", "b"), ("b", "c")])
    for scope, most in (("ab", 2e200), ("bc", 5e200)):
        model.add_factors(DiscreteFactor(list(scope), [2, 2], np.array([[1e200, most], [3e200, 1e200]])))
    engine = ExactInference(model)
    for call in (
        lambda: engine.query(["a"]), lambda: engine.query(["a", "c"], joint=False),
        lambda: engine.max_marginal(["a"]), lambda: engine.max_marginal(), engine.max_calibrate, engine.calibrate,
    ):  # fmt: skip
        with pytest.raises(bnt.UnsupportedModelError, match=r"is exp\(92\d\.\d+\), beyond float64, and pgmpy's tables"):
            call()
    assert engine.map_query() == {"a": 1, "b": 0, "c": 1}
    small = DiscreteMarkovNetwork([("a", "b")])
    small.add_factors(
        DiscreteFactor(["a", "b"], [2, 2], np.full((2, 2), 1e-300)), DiscreteFactor(["a"], [2], [1e-300] * 2)
    )
    with pytest.raises(bnt.UnsupportedModelError, match=r"is exp\(-138"):
        ExactInference(small).query(["a"])
    rare = DiscreteBayesianNetwork([(f"x{i}", f"x{i + 1}") for i in range(4)])
    rare.add_cpds(TabularCPD("x0", 2, [[1e-200], [1 - 1e-200]]))
    for i in range(4):
        rare.add_cpds(TabularCPD(f"x{i + 1}", 2, [[0.5, 1e-200], [0.5, 1.0]], [f"x{i}"], [2]))
    found = ExactInference(rare)
    seen = {"x1": 0, "x2": 1, "x3": 0}  # weights .25e-400 and .5e-400
    np.testing.assert_allclose(found.query(["x0"], seen).values, [1 / 3, 2 / 3], rtol=1e-12)
    assert found.max_marginal(["x0"], seen) == pytest.approx(2 / 3, rel=1e-12)


def test_the_status_of_max_calibration_is_the_weakest_of_all(monkeypatch) -> None:
    engine, words = ExactInference(student()), itertools.cycle(["not converged", *["exact"] * 10**4])
    best = ExactInference.best
    monkeypatch.setattr(ExactInference, "best", lambda *question: (best(*question)[0], next(words)))
    engine.max_calibrate()
    assert engine.status == "not converged"  # of the first entry of the first clique
