"""XMLBIF: there and back bit for bit, a file as other programs write it, every error."""

import tempfile
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnt import FormatError, load_graph, load_network
from bnt.graph.bayesian_network import BayesianNetwork
from bnt.graph.networks import DIRECTED, shipped
from bnt.graph.xmlbif import parse_xmlbif, read_xmlbif, write_xmlbif
from tests import random_graphs

# As JavaBayes and WEKA write: a DTD, comments, properties, white space.
DOG = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE BIF [ <!ELEMENT BIF ( NETWORK )*> <!ATTLIST BIF VERSION CDATA #REQUIRED> ]>
<BIF VERSION="0.3">
<NETWORK>
<NAME>Dog-Problem</NAME>
<!-- Variables -->
<VARIABLE TYPE="nature"><NAME>light on</NAME><OUTCOME>true</OUTCOME><OUTCOME>false</OUTCOME>
  <PROPERTY>position = (73, 165)</PROPERTY></VARIABLE>
<VARIABLE TYPE="nature"><NAME>bowel</NAME><OUTCOME>true</OUTCOME><OUTCOME>false</OUTCOME></VARIABLE>
<VARIABLE TYPE="nature"><NAME>dog</NAME><OUTCOME>out</OUTCOME><OUTCOME>in</OUTCOME><OUTCOME>&lt;gone&gt;</OUTCOME></VARIABLE>
<DEFINITION><FOR>dog</FOR><GIVEN>bowel</GIVEN><GIVEN>light on</GIVEN>
<TABLE>
 0.90 0.06 0.04 <!-- bowel, light -->
 0.97 0.02 0.01
 0.30 0.30 0.40
 0.10 0.20 0.70
</TABLE></DEFINITION>
<DEFINITION><FOR>light on</FOR><TABLE>0.6 0.4</TABLE></DEFINITION>
<DEFINITION><FOR>bowel</FOR><TABLE>.01 .99</TABLE></DEFINITION>
</NETWORK>
</BIF>
"""  # noqa: E501
OUTCOMES = "<OUTCOME>out</OUTCOME><OUTCOME>in</OUTCOME><OUTCOME>&lt;gone&gt;</OUTCOME>"


def test_a_file_as_other_programs_write_it(tmp_path) -> None:
    network = parse_xmlbif("\ufeff" + DOG)
    assert network.name == "Dog-Problem"
    assert network.states["dog"] == ("out", "in", "<gone>")
    assert network.parents["dog"] == ("bowel", "light on")
    np.testing.assert_array_equal(network.tables["dog"][:, 0, 1], [0.97, 0.02, 0.01])  # bowel true, light false
    for name in ("dog.xml", "dog.xmlbif", "dog.bifxml.gz"):
        write_xmlbif(network, tmp_path / name)
        assert load_graph(tmp_path / name).variable("dog").states == ("out", "in", "<gone>")
    assert load_network(tmp_path / "dog.xml").check_model()


def test_a_namespace_changes_nothing() -> None:
    """AISpace names one, with a schema."""
    named = '<BIF VERSION="0.3" xmlns="http://www.cs.ubc.ca/labs/lci/fopi/ve/XMLBIFv0_3" xmlns:xsi="x" xsi:y="z">'
    assert DOG.count("<BIF") == 1
    begin = DOG.index("<BIF")
    text = DOG[:begin] + named + DOG[DOG.index(">", begin) + 1 :]
    assert parse_xmlbif(text).equals(parse_xmlbif(DOG))


def test_a_number_of_python_alone_is_refused() -> None:
    with pytest.raises(FormatError, match="the table of 'light on' holds what is no number"):
        parse_xmlbif(DOG.replace("0.6 0.4", "0.6 0_0.4"))


@pytest.mark.parametrize("name", DIRECTED)
def test_a_network_survives_bit_for_bit(name: str, tmp_path) -> None:
    network = shipped(name)
    write_xmlbif(network, tmp_path / "n.xmlbif")
    again = read_xmlbif(tmp_path / "n.xmlbif")
    assert (again.name, again.states, again.parents) == (network.name, network.states, network.parents)
    for one, table in network.tables.items():
        np.testing.assert_array_equal(again.tables[one], table)


def test_a_table_in_the_other_order_is_read_with_a_warning() -> None:
    text = DOG.replace("0.90 0.06 0.04", "0.90 0.97 0.30 0.10").replace("0.97 0.02 0.01", "")
    text = text.replace("0.30 0.30 0.40", "0.06 0.02 0.30 0.20").replace("0.10 0.20 0.70", "0.04 0.01 0.40 0.70")
    with pytest.warns(UserWarning, match="the table of 'dog' lists the variable slowest"):
        other = parse_xmlbif(text)
    np.testing.assert_array_equal(other.tables["dog"], parse_xmlbif(DOG).tables["dog"])


def test_pgmpy_reads_what_we_write(tmp_path) -> None:
    from pgmpy.readwrite import XMLBIFReader

    tables = {"a": np.array([0.25, 0.75]), "b": np.array([[0.5, 0.125], [0.25, 0.25], [0.25, 0.625]])}
    network = BayesianNetwork("n", {"a": ("x", "y"), "b": ("u", "v", "w")}, {"a": (), "b": ("a",)}, tables)
    write_xmlbif(network, tmp_path / "n.xml")
    reader = XMLBIFReader(str(tmp_path / "n.xml"))
    np.testing.assert_array_equal(np.asarray(reader.variable_CPD["b"]).reshape(3, 2), network.tables["b"])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("</NETWORK>", ""), ": no XML"),
        (("NETWORK>", "NET>"), "there is no NETWORK element"),
        (("<FOR>bowel</FOR>", "<FOR>bowl</FOR>"), "'bowl' is no declared variable; did you mean 'bowel'"),
        (("<GIVEN>bowel</GIVEN>", "<GIVEN>x</GIVEN>"), "'x' is no declared variable"),
        ((".01 .99", ".01"), "the table of 'bowel' has 1 numbers, expected 2"),
        ((".01 .99", ".01 x"), "the table of 'bowel' holds what is no number"),
        ((".01 .99", ".02 .99"), "P(bowel) sums to 1.01"),
        ((".01 .99", "-.01 1.01"), "P(bowel=true) is -0.01"),
        (("<FOR>light on</FOR>", "<FOR>bowel</FOR>"), "variable 'bowel' has two tables"),
        (("<NAME>bowel</NAME>", "<NAME>light on</NAME>"), "variable 'light on' is declared twice"),
        (("<NAME>bowel</NAME>", ""), "a VARIABLE has 0 NAME elements"),
        ((OUTCOMES, ""), "'dog' has no OUTCOME"),
    ],
)
def test_every_error_names_the_file_and_the_thing(change, says) -> None:
    with pytest.raises(FormatError) as caught:
        parse_xmlbif(DOG.replace(*change), "f.xml")
    assert str(caught.value).startswith("f.xml:")
    assert says in str(caught.value)


def test_what_the_format_cannot_hold_is_refused(tmp_path) -> None:
    network = BayesianNetwork("n", {"a ": ("x",)}, {"a ": ()}, {"a ": np.ones(1)})
    with pytest.raises(FormatError, match="XMLBIF cannot hold the name 'a '"):
        write_xmlbif(network, tmp_path / "n.xml")


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=5)


@given(
    st.lists(NAMES, min_size=1, max_size=5, unique=True), st.lists(NAMES, min_size=1, max_size=4, unique=True),
    st.integers(0, 10**6),
)  # fmt: skip
def test_any_names_and_tables_survive_bit_for_bit(names, states, seed) -> None:
    network = random_graphs.network(names, states, seed)
    with tempfile.TemporaryDirectory() as folder:
        for name in ("n.xml", "n.xml.gz"):
            write_xmlbif(network, f"{folder}/{name}")
            assert read_xmlbif(f"{folder}/{name}").equals(network)


def told(text: str) -> str:
    """What is said against it; nothing where it is read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            assert parse_xmlbif(text, "f.xml").tables
        except FormatError as error:
            return str(error)
    return ""


@given(st.integers(0, 10**6), st.data())
def test_a_damaged_file_is_read_or_refused_in_one_sentence(seed, data) -> None:
    """A piece cut out, doubled or put elsewhere."""
    start, length, to = (data.draw(st.integers(0, len(DOG))) for _ in range(3))
    piece = DOG[start : start + length % 40]
    rest = DOG[:start] + DOG[start + (length % 40 if seed % 2 else 0) :]
    said = told(rest if seed % 3 else rest[:to] + piece + rest[to:])
    assert said == "" or (said.startswith("f.xml") and "\n" not in said)


def test_the_encoding_that_the_first_line_names_is_taken(tmp_path) -> None:
    """Programs on Windows write ISO-8859-1 and say so."""
    text = DOG.replace("light on", "l\xe1mpara")
    for encoding in ("ISO-8859-1", "utf-8", "windows-1252", "UTF-16"):
        (tmp_path / "n.xml").write_bytes(text.replace("UTF-8", encoding, 1).encode(encoding))
        assert "l\xe1mpara" in read_xmlbif(tmp_path / "n.xml").states
    assert "l\xe1mpara" in parse_xmlbif(text.replace("UTF-8", "ISO-8859-1", 1)).states  # text is text already
    for encoding, says in (("klingon", "'klingon' is no encoding"), ("rot13", "'rot13' is no encoding")):
        (tmp_path / "n.xml").write_bytes(DOG.replace("UTF-8", encoding, 1).encode())
        with pytest.raises(FormatError, match=says):
            read_xmlbif(tmp_path / "n.xml")
    (tmp_path / "n.xml").write_bytes(text.encode("latin-1"))
    with pytest.raises(FormatError, match=r"n.xml:7: not UTF-8 text \(byte 0xe1\)"):
        read_xmlbif(tmp_path / "n.xml")
