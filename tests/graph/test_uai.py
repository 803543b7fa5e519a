"""UAI files: models, evidence and results there and back; hand-written ones; every error with its line."""

import tempfile
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnt import FactorGraph, FormatError, exact_marginals, load_graph, load_network
from bnt.graph import uai
from bnt.graph.bayesian_network import BayesianNetwork
from bnt.graph.networks import shipped
from tests import random_graphs

MARKOV = """MARKOV
3
2 2 3
2
2 0 1
2 1 2

4
 4.000 2.400
 1.000 0.000

6
 2.2500 3.2500 3.7500
 0.0000 0.0000 10.0000
"""
BAYES = """BAYES
3
2 2 3
3
1 0
2 0 1
2 1 2
2
 0.436 0.564
4
 0.128 0.872
 0.920 0.080
6
 0.210 0.333 0.457
 0.811 0.000 0.189
"""


def test_hand_written_files() -> None:
    graph = uai.parse_uai(MARKOV)
    assert isinstance(graph, FactorGraph)
    assert [v.cardinality for v in graph.variables] == [2, 2, 3]
    np.testing.assert_allclose(graph.factors[1].table, [[2.25, 3.25, 3.75], [0, 0, 10]], rtol=1e-15)
    network = uai.parse_uai("\ufeff" + BAYES)
    assert isinstance(network, BayesianNetwork)
    assert network.parents == {"0": (), "1": ("0",), "2": ("1",)}
    np.testing.assert_array_equal(network.tables["1"], [[0.128, 0.92], [0.872, 0.08]])  # axes (variable, parent)


@given(st.integers(0, 10**6))
def test_a_graph_survives_the_round_trip(seed: int) -> None:
    graph = random_graphs.loopy(seed, zeros=0.3)
    with tempfile.TemporaryDirectory() as folder:
        for name in ("one.uai", "one.uai.gz"):
            uai.write_uai(graph, f"{folder}/{name}")
            again = load_graph(f"{folder}/{name}")
            assert again.scopes == graph.scopes
            for one, other in zip(again.factors, graph.factors, strict=True):
                np.testing.assert_allclose(one.table, other.table, rtol=1e-15, atol=0)


@pytest.mark.parametrize("name", ["asia", "survey", "sprinkler"])
def test_a_network_survives_bit_for_bit(name: str, tmp_path) -> None:
    network, path = shipped(name), tmp_path / "n.uai"
    uai.write_uai(network, path)
    again = uai.read_uai(path)
    number = {one: str(i) for i, one in enumerate(network.states)}
    for one, table in network.tables.items():
        assert again.parents[number[one]] == tuple(number[p] for p in network.parents[one])
        np.testing.assert_array_equal(again.tables[number[one]], table)
    assert load_network(path).check_model()
    ours, theirs = exact_marginals(load_graph(path)), exact_marginals(load_graph(name))
    np.testing.assert_allclose(ours.beliefs.flat, theirs.beliefs.flat, rtol=1e-13)


def test_evidence_and_results(tmp_path) -> None:
    graph = load_graph("asia")
    uai.write_evidence({"xray": "no", "asia": "yes"}, graph, tmp_path / "a.evid")
    assert (tmp_path / "a.evid").read_text() == "2 6 1 0 0\n"
    for text in ("2 6 1 0 0", "2\n6 1\n0 0\n", "1\n2 6 1 0 0\n"):  # the last as in the files of 2010
        (tmp_path / "b.evid").write_text(text)
        assert uai.read_evidence(tmp_path / "b.evid", graph) == {"xray": "no", "asia": "yes"}
    (tmp_path / "none.evid").write_text("0\n")
    assert uai.read_evidence(tmp_path / "none.evid", graph) == {}
    found = exact_marginals(graph, {"xray": "no"}, mode="max")
    uai.write_mar(found.beliefs, tmp_path / "r.MAR")
    assert (tmp_path / "r.MAR").read_text().startswith("MAR\n8 2 ")
    assert uai.read_mar(tmp_path / "r.MAR", graph).distance(found.beliefs) == 0.0
    uai.write_mpe(found.map_assignment, graph, tmp_path / "r.MPE")
    assert uai.read_mpe(tmp_path / "r.MPE", graph) == found.map_assignment
    with pytest.raises(FormatError, match="has no state for 'asia'"):
        uai.write_mpe({}, graph, tmp_path / "r.MPE")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "f.uai:1: the file ends where MARKOV or BAYES should stand"),
        ("GRAPH 1", "f.uai:1: a UAI model begins with MARKOV or BAYES, not 'GRAPH'"),
        ("MARKOV\n2\n2", "f.uai:3: the file ends where the number of states of variable 1"),
        ("MARKOV\n2\n2 0\n0", "f.uai:3: the number of states of variable 1 must be a whole number of at least 1"),
        ("MARKOV\n9999999\n2", "f.uai:2: 9999999 variables are announced"),
        ("MARKOV\n1\n2\n1\n1 1\n2 1 1", "f.uai:5: a variable of table 0 must be a whole number of at least 0 below 1"),
        ("MARKOV\n2\n2 2\n1\n2 0 0\n4 1 1 1 1", "f.uai:5: table 0 has a variable twice"),
        ("MARKOV\n1\n2\n1\n1 0\n3 1 1 1", "f.uai:6: table 0 announces 3 entries; its variables have 2 joint"),
        ("MARKOV\n1\n2\n1\n1 0\n2 1", "f.uai:6: table 0 has 1 numbers before the file ends, expected 2"),
        ("MARKOV\n1\n2\n1\n1 0\n2\n1\nx", "f.uai:8: expected a number in table 0, found 'x'"),
        ("MARKOV\n1\n2\n1\n1 0\n2\n1\n1_0", "f.uai:8: expected a number in table 0, found '1_0'"),
        ("MARKOV\n1\n2\n1\n1 0\n2 1 -1", "the entry at 0=1 is -1.0; every entry must be finite and >= 0"),
        ("MARKOV\n1\n2\n1\n1 0\n2 1 1 7", "f.uai:6: more text follows the end: '7'"),
        ("MARKOV\n1\n2\n1\n0\n1 5", "table 0 is over no variable"),
        ("BAYES\n1\n2\n1\n1 0\n2 .5 .6", "P(0) sums to 1.1"),
        ("BAYES\n2\n2 2\n2\n1 0\n1 0\n2 1 0\n2 1 0", "variable '0' is last in two tables"),
        ("BAYES\n2\n2 2\n1\n1 0\n2 1 0", "no conditional probability table for '1'"),
        ("BAYES\n2\n2 2\n2\n2 0 1\n2 1 0\n4 1 0 1 0\n4 1 0 1 0", "the arcs form a cycle"),
    ],
)
def test_every_error_is_one_sentence_with_its_place(text: str, says: str) -> None:
    with pytest.raises(FormatError) as caught:
        uai.parse_uai(text, "f.uai")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_wrong_evidence_and_results_are_refused(tmp_path) -> None:
    graph, path = load_graph("asia"), tmp_path / "file"
    for read, text, says in (
        (uai.read_evidence, "1 8 0", "a variable must be a whole number of at least 0 below 8"),
        (uai.read_evidence, "1 0 2", "the state of variable 'asia' must be"),
        (uai.read_evidence, "2 0 0 0 1", "variable 'asia' is observed twice"),
        (uai.read_evidence, "2 0 0", "the file ends"),
        (uai.read_evidence, "1 1 0 0 0 0", "more text follows"),
        (uai.read_evidence, "2 1 0 0 1 1", "one sample of evidence is read at a time"),
        (uai.read_mar, "MPE 8", "begins with MAR"),
        (uai.read_mar, "MAR 7", "the graph has 8 variables"),
        (uai.read_mar, "MAR 8 3", "variable 'asia' has 2 states"),
        (uai.read_mpe, "MPE 8 0 0 0 0 0 0 0", "the file ends"),
    ):
        path.write_text(text)
        with pytest.raises(FormatError, match=says):
            read(path, graph)


def told(text: str) -> str:
    """What is said against it; nothing where it is read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            assert isinstance(uai.parse_uai(text, "f.uai"), FactorGraph | BayesianNetwork)
        except FormatError as error:
            return str(error)
    return ""


@given(st.integers(0, 10**6), st.booleans(), st.data())
def test_a_damaged_file_is_read_or_refused_in_one_sentence(seed, markov, data) -> None:
    """Words cut out, doubled, changed or put elsewhere."""
    words = (MARKOV if markov else BAYES).split()
    for _ in range(data.draw(st.integers(1, 3))):
        at, to = (data.draw(st.integers(0, len(words) - 1)) for _ in range(2))
        piece = words[at : at + data.draw(st.integers(1, 3))]
        kind = data.draw(st.sampled_from(["cut", "double", "change"]))
        if kind == "cut" and len(words) > 4:
            del words[at : at + len(piece)]
        elif kind == "double":
            words[to:to] = piece
        else:
            words[at] = data.draw(st.sampled_from(["0", "-1", "1e999", "nan", "9" * 400, "x", "1_0", "2.5", "\u0663"]))
    said = told("\n".join(words))
    assert said == "" or (said.startswith("f.uai") and "\n" not in said)


@given(st.integers(0, 10**6))
def test_a_network_of_any_tables_survives_bit_for_bit(seed) -> None:
    network = random_graphs.network(["0", "1", "2", "3"], ["0", "1", "2"], seed)
    with tempfile.TemporaryDirectory() as folder:
        uai.write_uai(network, f"{folder}/n.uai")
        again = uai.read_uai(f"{folder}/n.uai")
    assert (again.states, again.parents) == (network.states, network.parents)
    for name, table in network.tables.items():
        np.testing.assert_array_equal(again.tables[name], table)


@given(st.integers(0, 10**6))
def test_evidence_and_results_of_any_graph_survive(seed) -> None:
    graph = random_graphs.loopy(seed, zeros=0.0)
    seen = random_graphs.evidence(graph, seed, share=0.8, soft=False)
    found = exact_marginals(graph, seen, mode="max")
    with tempfile.TemporaryDirectory() as folder:
        uai.write_evidence(seen, graph, f"{folder}/e.evid")
        uai.write_mar(found.beliefs, f"{folder}/r.MAR")
        uai.write_mpe(found.map_assignment, graph, f"{folder}/r.MPE")
        assert uai.read_evidence(f"{folder}/e.evid", graph) == seen
        assert uai.read_mar(f"{folder}/r.MAR", graph).distance(found.beliefs) == 0.0
        assert uai.read_mpe(f"{folder}/r.MPE", graph) == found.map_assignment
