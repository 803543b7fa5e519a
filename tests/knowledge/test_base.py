"""Knowledge bases: text, what is refused and how, grounding and gates, against an oracle of possible worlds."""

import itertools
import math
import re
from pathlib import Path

import numpy as np
import pytest

from bnt.errors import BntError, FormatError, ModelError, TooLargeError, UnknownConceptError
from bnt.graph.factor_graph import Factor, FactorGraph, Variable
from bnt.graph.networks import load_graph
from bnt.inference.exact import exact_marginals
from bnt.knowledge.base import KnowledgeBase, load_knowledge, parse_knowledge
from bnt.knowledge.noisy_gates import Cause, gate, noisy_or_table
from bnt.knowledge.text import Atom
from tests.random_knowledge import naive_instances, random_base, worlds

HEADER = """type man = jack, john
type woman = jill
predicate lonely(man)
predicate likes(suitor: man, loved: woman)
predicate rain
"""

MALFORMED = {  # statement after HEADER (five lines) -> what the one line must say: place, and the rule
    "syntax": ("0.5 lonely(jack)", r"t\.kb, line 6, column 5: 'lonely' is not expected here; valid: ':'"),
    "syntax, open bracket": (
        "lonely(jack",
        r"t\.kb, line 6, column 8: the end is not expected here; valid: '\)', ','",
    ),
    "syntax, unknown sign": ("lonely(jack) :- rain", r"t\.kb, line 6, column 14: ':' is not expected here"),
    "arity": (
        "likes(jack)",
        r"t\.kb, line 6, '1: likes\(jack\)': .*has 1 argument, but likes\(suitor.* takes 2",
    ),
    "arity, none": ("rain(jack)", r"line 6, .*rain\(jack\) has 1 argument, but rain takes 0"),
    "type": ("lonely(jill)", r"line 6, .*'jill' is a woman, but lonely\(jill\) needs a man; valid: jack, john"),
    "type of a variable": (
        "rain if lonely(X) and likes(john, X)",
        r"line 6, .*variable X is a man in lonely\(X\) but a woman in likes\(john, X\)",
    ),
    "unbound variable": ("0.9: likes(X, Y) if lonely(X)", r"line 6, .*variable Y of the head is not bound.*woman\(Y\)"),
    "unbound variable in a fact": ("0.3: lonely(X)", r"line 6, .*variable X of the head is not bound.*man\(X\)"),
    "probability out of range": ("1.5: rain", r"line 6, .*the probability is 1\.5; it must be a number from 0 to 1"),
    "negative probability": ("-0.1: rain", r"line 6, .*the probability is -0\.1; it must be"),
    "name clash, predicate": ("predicate lonely(woman)", r"line 6: 'lonely' is already a predicate \(t\.kb, line 3\)"),
    "name clash, constant": ("type dog = rex, jill", r"line 6: 'jill' is already a constant \(t\.kb, line 2\)"),
    "name clash, two kinds": ("predicate man(woman)", r"line 6: 'man' is already a type \(t\.kb, line 1\)"),
    "name clash, inside": ("type dog = rex, rex", r"line 6: 'rex' is named twice"),
    "the same clause twice": ("0.3: rain\n0.4: rain", r"line 7, '0\.4: rain': the same clause stands at t\.kb, line 6"),
    "empty domain": ("type dog =", r"line 6: type 'dog' has no constants; a type needs at least one"),
    "unknown predicate": ("lonly(jack)", r"line 6, .*'lonly' is no predicate; did you mean 'lonely'\?"),
    "unknown constant": ("lonely(jak)", r"line 6, .*'jak' in lonely\(jak\) is no constant; did you mean 'jack'\?"),
    "unknown type": ("predicate tall(mann)", r"line 6: 'mann' is no type; did you mean 'man'\?"),
    "type as a head": ("man(jack)", r"line 6, .*'man' is no predicate"),
    "reserved word": ("type if = a", r"line 6, column 6: 'if' is not expected|line 6: 'if' is a reserved word"),
    "variable as a name": ("type Dog = rex", r"line 6: 'Dog' is no name; .* small letter"),
    "roles of one name": ("predicate p(a: man, a: man)", r"line 6: two roles of 'p' have one name"),
    "range": ("type dog = d9 .. d3", r"line 6: d9 \.\. d3 is no range"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_text_gives_one_line_with_place_and_rule(case: str) -> None:
    statement, message = MALFORMED[case]
    with pytest.raises(FormatError, match=message) as caught:
        parse_knowledge(HEADER + statement, "t.kb")
    assert "\n" not in str(caught.value)


def test_recursion_is_reported_with_its_atoms_and_place() -> None:
    base = parse_knowledge(
        "type p = a, b, c\npredicate friends(p, p)\npredicate smokes(p)\n0.5: friends(X, Y) if p(X) and p(Y)\n"
        "0.2: smokes(X) if p(X)\n0.4: smokes(X) if friends(X, Y) and smokes(Y)\n",
        "smokers.kb",
    )
    with pytest.raises(ModelError, match=r"smokers\.kb, line 6, '0\.4: smokes.*': recursion, (smokes\(\w\)( <- )?)+;"):
        base.ground()
    base = KnowledgeBase()
    base.add_predicate("rain")
    base.add_rule("rain", ["rain"], 0.5)
    base.add_fact("rain", 0.1)
    with pytest.raises(ModelError, match=r"rule 1, .*recursion, rain <- rain") as caught:
        base.ground()
    assert "where an atom is among its own causes that defines no distribution; leave out one rule" in str(caught.value)
    table = np.array([[0.9, 0.45], [0.1, 0.55]])  # p(rain | rain), noisy OR of .1 and .5
    assert np.trace(table) == pytest.approx(1.45)  # sum over rain of the product of all tables: no distribution


def test_ten_million_groundings_are_refused_before_building() -> None:
    text = "type n = n1 .. n216\npredicate p(n, n, n)\n0.1: p(X, Y, Z) if n(X) and n(Y) and n(Z)\n"
    base = parse_knowledge(text, "big.kb")
    message = r"big\.kb, line 3, .*: 10,077,696 of the 10,077,696 ground clauses come from here; the limit is 100,000"
    with pytest.raises(TooLargeError, match=message):
        base.ground()
    with pytest.raises(TooLargeError, match="the limit is 3"):
        load_knowledge("dating").ground(limit=3)


def test_a_failed_statement_leaves_the_base_as_it_was() -> None:
    base = parse_knowledge(HEADER)
    before = str(base), dict(base.type_of)
    for attempt in (
        lambda: base.add_type("dog", ["rex", "jill"]),
        lambda: base.add_predicate("p", "man", "dog"),
        lambda: base.add_rule("likes(X, Y)", ["lonely(X)"], 0.5),
        lambda: base.add_rule("rain", "lonely(X)", 0.5),
        lambda: base.add_fact("rain", "often"),  # type: ignore[arg-type]
        lambda: base.add_fact("rain", True),
        lambda: base.add_fact("rain", math.nan),
        lambda: base.add_type("dog", "rex"),
    ):
        with pytest.raises(ModelError):
            attempt()
        assert (str(base), base.type_of) == before
    base.add_type("dog", ["rex"])


@pytest.mark.parametrize("name", ["alarm", "dating", "family", "socrates", "ward"])
def test_text_reads_back(name: str) -> None:
    base = load_knowledge(name)
    again = parse_knowledge(str(base), name)
    assert str(again) == str(base)
    assert [(c.head, c.body, c.probability, c.variables) for c in again.clauses] == [
        (c.head, c.body, c.probability, c.variables) for c in base.clauses
    ]


def test_text_keeps_every_digit_and_breaks_lines_where_it_may() -> None:
    base = parse_knowledge(
        "predicate rain # wet\npredicate wet\n\n.1234567890123456: rain\n1e-5: wet if\n  rain\n# end"
    )
    assert [clause.probability for clause in base.clauses] == [0.1234567890123456, 1e-5]
    assert str(parse_knowledge(str(base))) == str(base)
    assert parse_knowledge("").concept_count == 0


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "small.kb"
    path.write_text("predicate rain\n0.5: snow\n", encoding="utf-8")
    with pytest.raises(FormatError, match=r"small\.kb, line 2, .*'snow' is no predicate"):
        load_knowledge(path)
    with pytest.raises(FormatError, match="cannot be read"):
        load_knowledge(tmp_path / "absent.kb")
    path.write_bytes("# Größe".encode("latin-1"))
    with pytest.raises(FormatError, match="no UTF-8"):
        load_knowledge(path)
    with pytest.raises(BntError, match="did you mean 'dating'"):
        load_knowledge("datin")


# ---------------------------------------------------------------------- meaning


@pytest.mark.parametrize("seed", range(100))
def test_grounding_equals_possible_worlds(seed: int) -> None:
    """Certain, impossible and uncertain atoms, and every marginal, with large tables and with chains."""
    base = random_base(seed)
    possible = worlds(base)
    assert sum(weight for weight, _ in possible) == pytest.approx(1, abs=1e-12)
    expected = {atom: sum(w for w, true in possible if atom in true) for atom in base.concepts()}
    for fan_in in (2, 3, 6):
        ground = base.ground(fan_in=fan_in)
        beliefs = exact_marginals(ground.graph).beliefs
        for atom, probability in expected.items():
            if atom in ground.clauses:
                assert abs(beliefs[str(atom)]["true"] - probability) <= 1e-12
                assert probability > 0
            else:
                assert probability == pytest.approx(float(atom in ground.certain), abs=1e-12)
        assert max((len(f.variables) for f in ground.graph.factors), default=0) <= fan_in + 1
        place = {atom: i for i, stratum in enumerate(ground.strata) for atom in stratum}
        for atom in ground.atoms:
            assert all(place[parent] < place[atom] for parent in ground.parents(atom))
    assert ground.bound == len(list(naive_instances(base))) >= ground.counts["ground clauses"]


def test_a_variable_that_occurs_twice_is_one_constant() -> None:
    text = "type p = a, b\npredicate r(p, p)\npredicate loop(p)\n0.5: r(a, b)\n0.4: r(b, b)\nloop(X) if r(X, X)\n"
    ground = parse_knowledge(text).ground()
    assert {str(atom) for atom in ground.atoms} == {"r(a, b)", "r(b, b)", "loop(b)"}
    assert exact_marginals(ground.graph).beliefs["loop(b)"]["true"] == pytest.approx(0.4, abs=1e-15)


def test_a_gate_of_many_causes_is_the_same_with_small_tables() -> None:
    """Fourteen parents: the chain's auxiliary variables sum out to the one large table."""
    rng = np.random.default_rng(4)
    parents = [f"x{i}" for i in range(14)]
    causes = [Cause((p,), float(rng.uniform(0.1, 1))) for p in parents[:8]]
    causes += [Cause(tuple(parents[8:]), 0.7), Cause((parents[0], parents[9]), 0.4), Cause((parents[3],), 1.0)]
    table = noisy_or_table(parents, causes, 0.05)
    naive = np.empty((2,) * 15)
    for values in itertools.product([0, 1], repeat=14):
        on = {p for p, value in zip(parents, values, strict=True) if value}
        naive[(0, *values)] = 0.95 * math.prod(1 - c.probability for c in causes if on.issuperset(c.conditions))
        naive[(1, *values)] = 1 - naive[(0, *values)]
    assert np.abs(table - naive).max() <= 1e-15
    inputs = [Variable(p, ("false", "true")) for p in parents]
    priors = [Factor((v,), [0.6, 0.4]) for v in inputs]
    for fan_in in (2, 3, 5):
        made, factors = gate("head", 0.05, causes, fan_in)
        assert made[-1].name == "head"
        assert all(len(f.variables) <= fan_in + 1 for f in factors)
        chained = FactorGraph([*inputs, *made], [*priors, *factors])
        evidence = dict.fromkeys(parents[8:13], "true") | {"x1": "false"}
        large = FactorGraph([*inputs, made[-1]], [*priors, Factor((made[-1], *inputs), table)])
        for extra in ({}, {"head": "true"}, {"head": "false"}):
            one = exact_marginals(chained, evidence | extra).beliefs
            other = exact_marginals(large, evidence | extra).beliefs
            assert max(abs(one[name]["true"] - other[name]["true"]) for name in other) <= 1e-13


def test_noisy_gates_keep_their_digits() -> None:
    """1 - (1 - p) loses digits of a small p; log1p and expm1 do not."""
    assert noisy_or_table(["a"], [Cause(("a",), 1e-18)])[1, 1] == 1e-18


def test_dating_is_the_network_of_the_same_name() -> None:
    ground = load_knowledge("dating").ground()
    network = load_graph("dating")
    pairs = {"lonely(jack)": "lonely_jack", "likes(jack, jill)": "jack_likes_jill", "date(jack, jill)": "date"}
    for state in ("false", "true"):
        ours = exact_marginals(ground.graph, {"date(jack, jill)": state}).beliefs
        theirs = exact_marginals(network, {"date": {"false": "no", "true": "yes"}[state]}).beliefs
        assert all(abs(ours[a]["true"] - theirs[b]["yes"]) <= 1e-15 for a, b in pairs.items())


def test_family_ancestors_follow_with_certainty() -> None:
    ground = load_knowledge("family").ground()
    ancestors = {atom.arguments for atom in ground.certain if atom.predicate == "ancestor"}
    assert {elder for elder, younger in ancestors if younger == "hugo"} == {"ada", "bert", "dan", "emma", "gaby"}
    assert not any(atom.predicate == "ancestor" for atom in ground.atoms)  # no variable for what is known


def test_counts_of_the_ward() -> None:
    ground = load_knowledge("ward").ground(fan_in=3)
    assert ground.counts == {
        "concepts": 161,
        "certain atoms": 0,
        "uncertain atoms": 158,
        "ground clauses at most": 410,
        "ground clauses": 374,
        "auxiliary variables": 36,
        "strata": 4,
    }
    assert "374" in str(ground)


def test_the_concept_space_is_finite_and_closed() -> None:
    base = load_knowledge("family")
    assert base.concept_count == len(list(base.concepts())) == 144
    assert all(base.concept(str(atom)) == atom for atom in base.concepts())
    assert base.concept("parent( ada ,cleo )") == Atom("parent", ("ada", "cleo"))
    for text, message in (
        ("carier(ada)", "no predicate 'carier'; did you mean 'carrier'?"),
        ("carrier(adda)", "did you mean 'ada'?"),
        ("carrier", "has 0 arguments, but carrier(person) takes 1"),
        ("carrier(X)", "'X' in carrier(X) is no constant"),
        ("person(ada)", "no predicate 'person'"),
    ):
        with pytest.raises(UnknownConceptError) as caught:
            base.concept(text)
        assert message in str(caught.value)
        assert "outside the concept space of family" in str(caught.value)
    with pytest.raises(FormatError, match="atom 'carrier\\('"):
        base.concept("carrier(")


def test_fan_in_is_checked() -> None:
    for fan_in in (1, 21, 2.5, True):
        with pytest.raises(BntError, match="fan_in must be a whole number from 2 to 20"):
            load_knowledge("dating").ground(fan_in=fan_in)
    with pytest.raises(BntError, match="limit must be a whole number"):
        load_knowledge("dating").ground(limit="1e6")


def test_numbers_of_numpy_are_probabilities_and_read_back() -> None:
    base = KnowledgeBase()
    base.add_type("man", ["jack"])
    base.add_predicate("lonely", "man")
    base.add_predicate("rain")
    base.add_fact("lonely(jack)", np.float64(0.25))
    base.add_fact("rain", np.float32(0.5))
    assert str(base).splitlines()[-2:] == ["0.25: lonely(jack)", "0.5: rain"]
    assert str(parse_knowledge(str(base))) == str(base)


def test_a_byte_order_mark_is_no_letter(tmp_path: Path) -> None:
    text = "type man = jack\npredicate tall(man)\n0.5: tall(jack)\n"
    for encoding in ("utf-8-sig", "utf-16"):
        (tmp_path / "b.kb").write_text(text, encoding=encoding)
        assert str(load_knowledge(tmp_path / "b.kb")) == str(parse_knowledge(text))
    assert str(parse_knowledge("\ufeff" + text)) == str(parse_knowledge(text))


def test_a_range_keeps_its_leading_zeros() -> None:
    assert parse_knowledge("type a = p01 .. p03").types == {"a": ("p01", "p02", "p03")}
    assert parse_knowledge("type a = p008 .. p011").types == {"a": ("p008", "p009", "p010", "p011")}
    assert parse_knowledge("type a = p0 .. p2").types == {"a": ("p0", "p1", "p2")}
    for ends in ("p01 .. p100", "p1 .. p03", "p01 .. p3", "p0 .. p00"):
        with pytest.raises(FormatError, match=f"line 1: {re.escape(ends)} pads only one end with zeros"):
            parse_knowledge(f"type a = {ends}")


def test_only_uncertain_atoms_have_parents() -> None:
    ground = load_knowledge("socrates").ground()
    assert ground.parents("mortal(homer)") == (Atom("man", ("homer",)),)
    for atom, says in (
        ("mortal(socrates)", r"mortal\(socrates\) is true in every case"),
        (Atom("mortal", ("zeus",)), r"mortal\(zeus\) is false in every case"),
        ("mortal(hades)", "'hades' in .* is no constant"),
    ):
        with pytest.raises(UnknownConceptError, match=says):
            ground.parents(atom)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda base: base.add_type("town", {"york", "bath"}), "constants must be a sequence of names, not the set"),
        (lambda base: base.add_type("town", 3), "constants must be a sequence of names, not the int"),
        (lambda base: base.add_predicate("old", 3), "a role is a type or 'role: type', as text, not 3"),
        (lambda base: base.add_rule("lonely(jack)", None), "the body of a rule must be a sequence of atoms"),
        (lambda base: parse_knowledge(b"type a = b"), "must be a str, not bytes"),
        (lambda base: load_knowledge(3), "by its name or the path of a .kb file, not by 3"),
    ],
)
def test_wrong_kinds_of_input_are_named(make, says) -> None:
    base = load_knowledge("dating")
    before = str(base)
    with pytest.raises(BntError) as caught:
        make(base)
    assert says in str(caught.value)
    assert str(base) == before
