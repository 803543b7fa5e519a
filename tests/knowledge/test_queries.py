"""Answers, statuses, explanations and values of information, against possible worlds and an independent graph test."""

import math

import networkx as nx
import numpy as np
import pandas as pd
import pytest

from bnt.errors import (
    BntError,
    EvidenceError,
    FormatError,
    InconsistentEvidenceError,
    ModelError,
    TooLargeError,
    UnknownConceptError,
    UnsupportedModelError,
)
from bnt.knowledge.base import load_knowledge, parse_knowledge
from bnt.knowledge.explanations import explain
from bnt.knowledge.grounding import ground_for
from bnt.knowledge.queries import ask, ask_all, most_probable_explanation, value_of_information, what_if
from tests.random_knowledge import random_base, worlds

SEEDS = range(100)


def random_evidence(base, possible, rng):
    """Truth values of up to three atoms, read off a random world of positive probability: never contradictory."""
    _, true = possible[rng.choice(len(possible), p=np.array([w for w, _ in possible]))]
    atoms = list(base.concepts())
    chosen = rng.choice(len(atoms), min(len(atoms), int(rng.integers(0, 4))), replace=False)
    return {str(atoms[i]): atoms[i] in true for i in chosen}


def conditional(possible, base, evidence):
    """{atom text: P(atom | evidence)} and P(evidence), by adding up worlds."""
    known = {base.concept(text): truth for text, truth in evidence.items()}
    kept = [(w, true) for w, true in possible if all((atom in true) == truth for atom, truth in known.items())]
    mass = sum(w for w, _ in kept)
    return {str(a): sum(w for w, true in kept if a in true) / mass for a in base.concepts()} if mass else {}, mass


def arcs_of(graph):
    arcs = nx.DiGraph()
    arcs.add_nodes_from(v.name for v in graph.variables)
    for factor in graph.factors:
        arcs.add_edges_from((parent.name, factor.variables[0].name) for parent in factor.variables[1:])
    return arcs


def expected_status(ground, query, evidence):
    """(is evidence d-separated from the query, is the query's part of the graph a tree), by networkx alone."""
    graph = ground.graph
    observed = {name for name in evidence if name in graph.index}
    arcs = arcs_of(graph)
    separated = bool(evidence) and query not in observed
    separated = separated and (not observed or nx.is_d_separator(arcs, {query}, observed, set()))
    needed = {query, *observed} | {a for name in (query, *observed) for a in nx.ancestors(arcs, name)}
    both = nx.Graph()
    both.add_node(query)
    for i, factor in enumerate(graph.factors):
        names = [v.name for v in factor.variables]
        if names[0] in needed:
            both.add_edges_from((i, name) for name in names if name not in observed)
    part = both.subgraph(nx.node_connected_component(both, query))
    return separated, nx.is_forest(part)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_answer_and_every_status(seed: int) -> None:
    base, rng = random_base(seed), np.random.default_rng(seed)
    possible = worlds(base)
    for fan_in in (6, 2):
        ground = base.ground(fan_in=fan_in)
        for _ in range(4):
            evidence = random_evidence(base, possible, rng)
            expected, _ = conditional(possible, base, evidence)
            atoms = [str(atom) for atom in base.concepts()]
            for method in ("auto", "exact"):
                for answer in ask_all(ground, atoms, evidence, method=method):
                    assert abs(answer.probability - expected[str(answer.atom)]) <= 1e-12
                    assert answer.status in ("exact", "prior")
            for text in rng.permutation(atoms)[:4]:
                answer = ask(ground, str(text), evidence)
                loopy = ask(ground, str(text), evidence, method="bp")
                if answer.atom not in ground.clauses:
                    assert (answer.method, answer.status) == ("known", "prior" if evidence else "exact")
                    continue
                separated, tree = expected_status(ground, str(text), evidence)
                assert answer.status == ("prior" if separated else "exact")
                if tree:
                    assert loopy.status == answer.status
                    assert abs(loopy.probability - expected[str(text)]) <= 1e-12
                else:
                    assert loopy.status in ("approximate", "not converged")


@pytest.mark.parametrize("seed", SEEDS)
def test_contradictions_are_refused(seed: int) -> None:
    """The opposite of a random world in one atom: refused exactly if no world agrees."""
    base, rng = random_base(seed), np.random.default_rng(seed)
    ground, possible = base.ground(), worlds(base)
    for _ in range(5):
        evidence = random_evidence(base, possible, rng)
        atom = str(rng.choice([str(a) for a in base.concepts()]))
        evidence[atom] = not evidence.get(atom, bool(rng.integers(2)))
        expected, mass = conditional(possible, base, evidence)
        query = str(next(base.concepts()))
        for method in ("auto", "exact", "bp"):
            if mass:
                found = ask(ground, query, evidence, method=method)
                assert method == "bp" or abs(found.probability - expected[query]) <= 1e-12
            else:
                with pytest.raises(InconsistentEvidenceError, match="probability zero"):
                    ask(ground, query, evidence, method=method)


@pytest.mark.parametrize("seed", range(0, 100, 4))
def test_the_transformer_gives_the_answer_of_its_propagation(seed: int) -> None:
    base, rng = random_base(seed), np.random.default_rng(seed)
    ground, possible = base.ground(), worlds(base)
    evidence = random_evidence(base, possible, rng)
    expected, _ = conditional(possible, base, evidence)
    for atom in ground.atoms:
        if str(atom) in evidence:
            continue
        compiled = ask(ground, atom, evidence, method="transformer")
        if compiled.status in ("exact", "prior"):
            assert abs(compiled.probability - expected[str(atom)]) <= 1e-12
        tree = ask(ground, atom, evidence, method="junction-tree")
        assert abs(tree.probability - expected[str(atom)]) <= 1e-10
        assert tree.status == ask(ground, atom, evidence).status


WARD = {"shows(p1, fever)": True, "shows(p1, cough)": True, "shows(p2, shadow)": True, "shows(p3, tired)": False}


def test_the_medium_base_compiled_as_a_junction_tree_is_exact() -> None:
    """374 ground clauses; every atom of the ward at once, against exact marginals of the same network."""
    ground = load_knowledge("ward").ground()
    exact = ask_all(ground, ground.atoms, WARD, method="exact")
    compiled = ask_all(ground, ground.atoms, WARD, method="junction-tree")
    assert max(abs(a.probability - b.probability) for a, b in zip(exact, compiled, strict=True)) <= 1e-10
    assert [a.status for a in exact] == [b.status for b in compiled]
    loopy = ask_all(ground, ground.atoms, WARD, method="bp")
    assert {answer.status for answer in loopy} & {"approximate", "not converged"}
    assert max(abs(a.probability - b.probability) for a, b in zip(exact, loopy, strict=True)) > 0.05


# ---------------------------------------------------------------------- explanations


@pytest.mark.parametrize("seed", SEEDS)
def test_explanations_add_up_where_they_say_so(seed: int) -> None:
    base, rng = random_base(seed), np.random.default_rng(seed)
    ground, possible = base.ground(), worlds(base)
    for _ in range(4):
        evidence = random_evidence(base, possible, rng)
        query = str(rng.choice([str(atom) for atom in ground.atoms]))
        if query in evidence:
            with pytest.raises(EvidenceError, match="nothing is left to explain"):
                explain(ground, query, evidence)
            continue
        found = explain(ground, query, evidence)
        prior, _ = conditional(possible, base, {})
        posterior, _ = conditional(possible, base, evidence)
        if not 1e-9 < posterior[query] < 1 - 1e-9:
            continue
        change = math.log(posterior[query] / (1 - posterior[query])) - math.log(prior[query] / (1 - prior[query]))
        assert abs(found.change - change) <= 1e-9
        assert abs(sum(w.in_order for w in found.weights) - change) <= 1e-9
        for weight in found.weights:
            alone, _ = conditional(possible, base, {weight.atom: weight.value == "true"})
            expected = math.log(alone[query] / (1 - alone[query])) - math.log(prior[query] / (1 - prior[query]))
            assert abs(weight.alone - expected) <= 1e-9
        if found.messages_exact:
            assert abs(found.message_change - change) <= 1e-9
        if found.independent:
            assert abs(found.interaction) <= 1e-9
            for weight in found.weights:
                assert abs(weight.alone - weight.given_rest) <= 1e-9
                assert abs(weight.alone - weight.in_order) <= 1e-9
        elif abs(found.interaction) > 1e-9:
            assert "do not add up" in found.verdict
            assert f"{found.interaction * 10 / math.log(10):+.2f} decibans" in found.verdict


def test_the_alarm_explained() -> None:
    """Two callers are independent given the alarm, not given the burglary; the earthquake explains away."""
    ground = load_knowledge("alarm").ground()
    calls = {"calls(john, h1)": True, "calls(mary, h1)": True}
    given_alarm = explain(ground, "alarm(h1)", calls)
    assert given_alarm.independent
    likelihoods = (1 - 0.95 * 0.1) / 0.05, (1 - 0.99 * 0.3) / 0.01  # john, mary: noisy-OR with the false alarms
    assert [w.alone for w in given_alarm.weights] == pytest.approx([math.log(r) for r in likelihoods], abs=1e-12)
    assert [m.target for m in given_alarm.messages] == ["alarm(h1)", "alarm(h1)"]
    burglary = explain(ground, "burglary(h1)", {**calls, "earthquake": True})
    assert not burglary.independent
    assert burglary.weights[2].alone == pytest.approx(0, abs=1e-12)  # of itself it says nothing
    assert burglary.weights[2].given_rest < -3  # but it takes the alarm's message away
    assert [(m.factor, m.distance) for m in burglary.messages] == [
        ("alarm(h1)", 0),
        ("calls(john, h1)", 1),
        ("calls(mary, h1)", 1),
    ]
    assert "do not add up" in str(burglary)
    assert burglary.rows("bits")[0][1] == pytest.approx(burglary.weights[0].alone / math.log(2))
    assert burglary.rows()[0][1] == pytest.approx(burglary.weights[0].alone * 10 / math.log(10))
    with pytest.raises(BntError, match="unknown unit"):
        burglary.rows("volts")


def test_certainty_is_said_plainly_and_never_nan() -> None:
    ground = load_knowledge("dating").ground()
    found = explain(ground, "lonely(jack)", {"date(jack, jill)": True, "exciting(jill)": False})
    assert found.change == math.inf
    assert "makes the answer certain" in found.verdict
    assert not any(math.isnan(x) for row in found.rows() for x in row[1:])
    assert explain(ground, "date(jack, jill)", {}).verdict == "There is no evidence that could move the answer."
    family = load_knowledge("family").ground()
    known = explain(family, "ancestor(ada, hugo)", {"affected(hugo)": True, "parent(ada, cleo)": True})
    assert (known.change, len(known.weights), known.messages) == (0.0, 1, ())


def test_messages_on_loops_are_called_approximate() -> None:
    found = explain(load_knowledge("ward").ground(), "has(p1, flu)", WARD)
    assert found.posterior.status == "exact"
    assert not found.messages_exact
    assert abs(found.message_change - found.change) > 0.01
    assert "belief propagation with loops, approximate" in str(found)


@pytest.mark.parametrize("p", [1e-10, 1e-17, 1e-300])
def test_however_small_a_probability_it_is_no_zero(p: float) -> None:
    """1 - (1 - p) would round p to something else, or to zero, and the evidence would be called impossible."""
    ground = parse_knowledge(f"predicate a\npredicate b\n{p}: a\n0.5: b if a\n").ground()
    assert ask(ground, "a").probability == pytest.approx(p, rel=1e-14)
    assert ask(ground, "b").probability == pytest.approx(p / 2, rel=1e-14)
    assert ask(ground, "a", {"b": True}).probability == 1.0


def test_a_transformer_beyond_its_floor_is_not_called_exact() -> None:
    """a is all but impossible and b, all but seen, says that it holds: 1e-305 against a zero held at 1e-300."""
    ground = parse_knowledge("predicate a\npredicate b\n1e-305: a\n0.5: b if a\n").ground()
    evidence = {"b": [1e-320, 1.0]}
    assert ask(ground, "a", evidence, method="bp").probability == pytest.approx(1.0)
    with pytest.raises(UnsupportedModelError, match=r"general construction: off by 1.*use method 'bp' or 'exact'"):
        ask(ground, "a", evidence, method="transformer")


LOOP = """
    type t = x
    predicate a
    predicate b
    predicate c
    predicate d
    predicate e
    0.5: a
    0.4: e
    0.9: b if a
    0.9: c if a
    0.8: d if b and c
"""


def test_what_rests_on_an_approximation_is_not_called_exact() -> None:
    """Knowing a cuts the loop a, b, d, c, so that this posterior is exact; what it is compared with is not."""
    ground = parse_knowledge(LOOP).ground()
    found = explain(ground, "d", {"a": True}, method="bp")
    assert (found.prior.status, found.posterior.status, found.status) == ("approximate", "exact", "approximate")
    assert str(found).splitlines()[0].endswith("[approximate]")
    assert explain(ground, "d", {"a": True}).status == "exact"
    assert explain(ground, "d", {"a": True, "b": True}, method="bp").status == "approximate"
    (value,) = value_of_information(ground, "e", candidates=["d"], method="bp")  # e is exact, d is not
    assert value.status == "approximate"
    assert [one.status for one in value_of_information(ground, "e", candidates=["d"])] == ["exact"]


# ---------------------------------------------------------------------- the other questions


@pytest.mark.parametrize("seed", range(0, 100, 2))
def test_value_of_information(seed: int) -> None:
    """Mutual information from the joint of the worlds; candidates: everything uncertain."""
    base, rng = random_base(seed), np.random.default_rng(seed)
    ground, possible = base.ground(), worlds(base)
    evidence = random_evidence(base, possible, rng)
    known = {base.concept(text): truth for text, truth in evidence.items()}
    target = ground.atoms[int(rng.integers(len(ground.atoms)))]
    kept = [(w, true) for w, true in possible if all((a in true) == truth for a, truth in known.items())]
    mass = sum(w for w, _ in kept)
    found = value_of_information(ground, target, evidence, candidates=ground.atoms)
    assert {one.atom for one in found} == {a for a in ground.atoms if str(a) not in evidence and a != target}
    assert [one.bits for one in found] == sorted((one.bits for one in found), reverse=True)
    for one in found:
        joint = np.zeros((2, 2))
        for weight, true in kept:
            joint[int(target in true), int(one.atom in true)] += weight / mass

        def entropy(p: np.ndarray) -> float:
            return float(-sum(x * math.log2(x) for x in p.ravel() if x > 0))

        bits = entropy(joint.sum(0)) + entropy(joint.sum(1)) - entropy(joint)
        assert abs(one.bits - bits) <= 1e-9
        assert abs(one.probability - joint[:, 1].sum()) <= 1e-12
        if joint[:, 1].sum() > 1e-6:
            assert abs(one.if_true - joint[1, 1] / joint[:, 1].sum()) <= 1e-9


def test_facts_are_the_default_candidates() -> None:
    found = value_of_information(load_knowledge("alarm").ground(), "burglary(h1)", {"calls(john, h1)": True})
    assert {str(one.atom) for one in found} == {"earthquake", "burglary(h2)", "burglary(h3)"}
    assert str(found[0].atom) == "earthquake"
    assert found[1].bits == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("seed", range(0, 100, 2))
def test_most_probable_explanation(seed: int) -> None:
    """The most probable world, whose probability is that of all coin outcomes that lead to it; chains do not matter."""
    base, rng = random_base(seed), np.random.default_rng(seed)
    possible = worlds(base)
    evidence = random_evidence(base, possible, rng)
    known = {base.concept(text): truth for text, truth in evidence.items()}
    mass: dict[frozenset, float] = {}
    for weight, true in possible:
        if all((a in true) == truth for a, truth in known.items()):
            mass[true] = mass.get(true, 0.0) + weight
    for fan_in in (2, 6):
        ground = base.ground(fan_in=fan_in)
        best = most_probable_explanation(ground, evidence)
        assert set(best.assignment) == {str(atom) for atom in ground.atoms}
        world = ground.certain | {base.concept(text) for text in best.true}
        assert mass[world] == pytest.approx(max(mass.values()), rel=1e-9)
        assert best.log_probability == pytest.approx(math.log(mass[world]), abs=1e-9)
        assert best.status in ("exact", "prior")


def test_most_probable_explanation_of_the_ward_and_its_limit() -> None:
    best = most_probable_explanation(load_knowledge("ward").ground(), WARD)
    assert best.status == "exact"
    assert best.assignment["shows(p3, tired)"] is False
    assert {"has(p1, flu)", "shows(p2, shadow)"} <= set(best.true)

    def score(assignment: dict) -> float:
        total = 0.0
        for factor in graph.factors:
            total += factor.log_table[tuple(int(assignment[v.name]) for v in factor.variables)]
        return total

    graph = load_knowledge("ward").ground().graph  # no auxiliary variables at the default fan_in
    chosen = dict(best.assignment)
    assert score(chosen) == pytest.approx(best.log_probability, abs=1e-12)
    free = [name for name in chosen if name not in WARD]
    flips = [(name,) for name in free] + [tuple(rng.choice(free, 2)) for rng in map(np.random.default_rng, range(300))]
    for names in flips:  # no other truth value, alone or in pairs, does better
        assert score({**chosen, **{name: not chosen[name] for name in names}}) <= best.log_probability + 1e-12
    text = "type n = n1 .. n15\npredicate a(n)\npredicate b\n0.5: a(X) if n(X)\n0.5: b if a(X)\n"
    with pytest.raises(TooLargeError, match="b has 15 parents; a most probable explanation allows 14"):
        most_probable_explanation(parse_knowledge(text).ground())


def test_what_is_too_large_for_exactness_is_called_approximate() -> None:
    """Sixty causes, sixty findings, five causes each: the junction tree would need billions of states."""
    text = "type c = c1 .. c60\ntype f = f1 .. f60\npredicate on(c)\npredicate seen(f)\n"
    text += "0.2: on(X) if c(X)\n0.1: seen(Y) if f(Y)\n"
    shifts = (0, 11, 23, 38, 47)
    text += "".join(f"0.6: seen(f{j + 1}) if on(c{(j + k) % 60 + 1})\n" for j in range(60) for k in shifts)
    ground = parse_knowledge(text).ground()
    evidence = {f"seen(f{j + 1})": j % 2 == 0 for j in range(60)}
    answer = ask(ground, "on(c3)", evidence)
    assert answer.status in ("approximate", "not converged")
    assert answer.method == "bp"
    assert most_probable_explanation(ground, evidence).status in ("approximate", "not converged")
    with pytest.raises(TooLargeError, match="joint states"):
        ask(ground, "on(c3)", evidence, method="exact")


def test_what_if() -> None:
    ground = load_knowledge("alarm").ground()
    found = what_if(ground, "burglary(h1)", {"calls(john, h1)": True}, {"earthquake": True})
    assert found.after.probability < found.before.probability
    back = what_if(ground, "burglary(h1)", {"calls(john, h1)": True, "earthquake": True}, {"earthquake": None})
    assert back.decibans == pytest.approx(-found.decibans)
    flipped = what_if(ground, "burglary(h1)", {"calls(john, h1)": True}, {"calls( john,h1 )": False})
    assert flipped.after.probability == ask(ground, "burglary(h1)", {"calls(john, h1)": False}).probability
    assert "decibans" in str(flipped)
    with pytest.raises(EvidenceError, match="earthquake is not among the evidence; given: calls"):
        what_if(ground, "burglary(h1)", {"calls(john, h1)": True}, {"earthquake": None})


@pytest.mark.parametrize("seed", range(40))
def test_what_a_question_needs_is_enough(seed: int) -> None:
    base = random_base(seed)
    ground, rng = base.ground(), np.random.default_rng(seed)
    concepts = sorted(map(str, base.concepts()))
    for _ in range(5):
        query, shown = (str(one) for one in rng.choice(concepts, 2))
        evidence = {shown: bool(rng.random() < 0.5)} if shown != query else {}
        try:
            expected = ask(ground, query, evidence, method="exact")
        except InconsistentEvidenceError:
            with pytest.raises(InconsistentEvidenceError):
                ask(base, query, evidence, method="exact")
            continue
        found = ask(base, query, evidence, method="exact")
        assert found.probability == pytest.approx(expected.probability, abs=1e-12)
        assert found.status == expected.status


def test_only_what_a_question_needs_is_grounded() -> None:
    """A ward of 300 patients; one patient's question looks at one patient. Recursion elsewhere does not matter."""
    text = str(load_knowledge("ward")).replace(
        "patient = " + ", ".join(f"p{i}" for i in range(1, 13)), "patient = p1 .. p300"
    )
    base = parse_knowledge(text + "predicate loop(patient)\n0.5: loop(P) if loop(P) and smoker(P)\n0.1: loop(p2)\n")
    evidence = {"shows(p7, fever)": True}
    atoms = [base.concept(one) for one in ("has(p7, flu)", *evidence)]
    ground = ground_for(base, atoms)
    assert ground.bound < 20
    small = parse_knowledge(str(load_knowledge("ward"))).ground()
    expected = ask(small, "has(p7, flu)", evidence, method="exact")
    found = ask(base, "has(p7, flu)", evidence, method="exact")
    assert found.probability == pytest.approx(expected.probability, abs=1e-12)
    with pytest.raises(
        ModelError, match=r"recursion, loop\(p2\) <- loop\(p2\); no ground atom may depend on itself: a B"
    ):
        ask(base, "loop(p2)")
    with pytest.raises(TooLargeError, match="the question depends on more than 3 ground clauses"):
        ground_for(base, atoms, limit=3)


def test_truth_values_are_keys_of_soft_evidence_and_a_missing_one_is_named() -> None:
    ground = parse_knowledge("predicate p\npredicate q\n0.5: p\n0.5: q if p").ground()
    by_name = ask(ground, "p", {"q": {"true": 0.8, "false": 0.2}})
    assert ask(ground, "p", {"q": {True: 0.8, False: 0.2}}).probability == by_name.probability
    assert ask(ground, "p", {"q": pd.Series({True: 0.8, False: 0.2})}).probability == by_name.probability
    with pytest.raises(BntError) as caught:
        ask(ground, "p", {"q": pd.DataFrame({"x": [0.8, 0.2]})})
    assert "\n" not in str(caught.value)
    for missing in (None, float("nan"), np.float64("nan")):
        with pytest.raises(EvidenceError, match=r"evidence on q is missing .*; leave out what was not observed"):
            ask(ground, "p", {"q": missing})
    with pytest.raises(FormatError, match="an atom stands on one line"):
        ask(ground, "p\np")


def test_soft_evidence_and_bad_evidence() -> None:
    ground = load_knowledge("family").ground()
    soft = ask(ground, "carrier(ada)", {"affected(hugo)": {"false": 1, "true": 3}})
    hard = [ask(ground, "carrier(ada)", {"affected(hugo)": truth}).probability for truth in (False, True)]
    p = ask(ground, "affected(hugo)").probability
    assert soft.probability == pytest.approx((hard[0] * (1 - p) + 3 * hard[1] * p) / (1 - p + 3 * p), abs=1e-12)
    assert ask(ground, "carrier(ada)", {"parent(ada, cleo)": [1, 2]}).status == "prior"  # known anyway: no news
    for evidence, error, message in (
        ({"carrier(ida)": True}, UnknownConceptError, "'ida'"),
        ({"carrier(ada)": "maybe"}, UnknownConceptError, "'maybe' is no state of carrier(ada); valid: false, true"),
        ({"carrier(ada)": 0.7}, EvidenceError, "must be True, False or likelihoods"),
        ({"carrier(ada)": True, "carrier( ada )": True}, EvidenceError, "given twice"),
        ({"parent(ada, cleo)": False}, InconsistentEvidenceError, "it is true in every case"),
        ({"parent(ada, bert)": True}, InconsistentEvidenceError, "it is false in every case"),
        ({"parent(ada, cleo)": [1, 0]}, InconsistentEvidenceError, "in every case"),
        ({"parent(ada, cleo)": [1]}, EvidenceError, "one likelihood per state; valid: false, true; got shape (1,)"),
        ({"parent(ada, cleo)": [1, 2, 3]}, EvidenceError, "got shape (3,) for 2 states"),
        ({"parent(ada, cleo)": [-1, 1]}, EvidenceError, "must be finite and >= 0"),
        ({"parent(ada, cleo)": [math.nan, 1]}, EvidenceError, "must be finite and >= 0"),
        ({"parent(ada, cleo)": ["a", "b"]}, EvidenceError, "one likelihood per state"),
        ("carrier(ada)", EvidenceError, "must be a mapping"),
    ):
        with pytest.raises(error) as caught:
            ask(ground, "carrier(bert)", evidence)
        assert message in str(caught.value)
    with pytest.raises(UnknownConceptError, match="did you mean 'carrier'"):
        ask(ground, "carier(ada)")
    with pytest.raises(BntError, match="unknown method 'gibbs'"):
        ask(ground, "carrier(ada)", method="gibbs")
    with pytest.raises(BntError, match="must be a Grounding, not a KnowledgeBase; KnowledgeBase"):
        what_if(load_knowledge("family"), "carrier(ada)", {}, {"carrier(bert)": True})
    with pytest.raises(BntError, match="queries must be a sequence of atoms, not the str"):
        ask_all(ground, "carrier(ada)")
    with pytest.raises(BntError, match="candidates must be a sequence of atoms, not the str"):
        value_of_information(ground, "carrier(ada)", candidates="carrier(bert)")
    with pytest.raises(EvidenceError, match="changes must be a mapping"):
        what_if(ground, "carrier(ada)", None, "carrier(bert)")
    assert str(ask(ground, "carrier(ada)")) == "P(carrier(ada)) = 0.1   [exact, exact]"
