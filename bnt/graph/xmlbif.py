"""XMLBIF 0.3 files (.xml, .xmlbif, .bifxml, also .gz), as JavaBayes, WEKA, pyAgrum and SamIam write them.

In a TABLE the states of the variable run fastest and the first parent slowest: one distribution after the other. A file
whose columns sum to one only in the other order (pgmpy writes such files) is read in that order, with a warning.
"""

from __future__ import annotations

import codecs
import math
import os
import re
import warnings
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np

from bnt.errors import FormatError, ModelError, valid_names
from bnt.graph.bayesian_network import RENORMALISE_WITHIN, Array, BayesianNetwork, checked_network
from bnt.graph.text_files import decoded, read_bytes, real_numbers, write_text

_ENCODING = re.compile(rb"""\s*<\?xml[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
SUFFIXES = (".xml", ".xmlbif", ".bifxml")


def read_xmlbif(path: str | os.PathLike[str]) -> BayesianNetwork:
    """The network in an XMLBIF file. Columns within 1e-5 of one are renormalised, with a warning.

    Raises FormatError naming the file: missing, no XML (with the line), no NETWORK, a variable declared twice or
    never or without table, a table of the wrong size, no number, a column that is no distribution, a cycle; not in the
    encoding that its first line names (UTF-8 if none).
    """
    data = read_bytes(Path(path))
    told = _ENCODING.match(data)
    name = told[1].decode("ascii") if told else "utf-8"
    try:
        encoding = codecs.lookup(name).name
        " ".encode(encoding)  # some codecs are none of text
    except LookupError:
        raise FormatError(f"{path}:1: {name!r} is no encoding; save the file as UTF-8") from None
    return parse_xmlbif(decoded(data, Path(path), "utf-8-sig" if encoding == "utf-8" else encoding), str(path))


def parse_xmlbif(text: str, source: str = "XMLBIF text") -> BayesianNetwork:
    """The network in XMLBIF ``text``, which errors call ``source``. Raises FormatError as ``read_xmlbif`` does."""
    try:
        root = ElementTree.fromstring(text.removeprefix("\ufeff"))  # of text, whatever encoding its first line names
    except ElementTree.ParseError as error:
        raise FormatError(f"{source}:{error.position[0]}: no XML: {error}") from None
    network = root if _tag_of(root) == "NETWORK" else next(iter(_all(root, "NETWORK")), None)
    if network is None:
        raise FormatError(f"{source}: there is no NETWORK element")
    states: dict[str, tuple[str, ...]] = {}
    for element in _all(network, "VARIABLE"):
        name = _one(element, "NAME", source)
        if name in states:
            raise FormatError(f"{source}: variable {name!r} is declared twice")
        states[name] = tuple(_text(one) for one in (*_all(element, "OUTCOME"), *_all(element, "VALUE")))
        if not states[name]:
            raise FormatError(f"{source}: variable {name!r} has no OUTCOME")
    if not states:
        raise FormatError(f"{source}: no VARIABLE is declared")
    cpts: dict[str, Any] = {}
    for element in (*_all(network, "DEFINITION"), *_all(network, "PROBABILITY")):
        name = _one(element, "FOR", source)
        parents = tuple(_text(one) for one in _all(element, "GIVEN"))
        for one in (name, *parents):
            if one not in states:
                raise FormatError(f"{source}: {one!r} is no declared variable; {valid_names(states, one)}")
        if name in cpts:
            raise FormatError(f"{source}: variable {name!r} has two tables")
        shape = [len(states[one]) for one in (*parents, name)]
        cpts[name] = (parents, _table(_one(element, "TABLE", source), shape, name, source))
    title = next((_text(one) for one in _all(network, "NAME")), "") or "unknown"
    try:
        network_read = checked_network(source, states, cpts)
    except ModelError as error:
        raise FormatError(str(error)) from None
    return BayesianNetwork(title, network_read.states, network_read.parents, network_read.tables)


def _table(text: str, shape: list[int], name: str, source: str) -> Array:
    """Axes (variable, *parents) of numbers listed with the variable fastest."""
    words = text.split()
    if len(words) != math.prod(shape):
        raise FormatError(f"{source}: the table of {name!r} has {len(words)} numbers, expected {math.prod(shape)}")
    try:
        numbers = real_numbers(words)
    except ValueError:
        raise FormatError(f"{source}: the table of {name!r} holds what is no number") from None
    standard = np.moveaxis(numbers.reshape(shape), -1, 0)
    other = numbers.reshape([shape[-1], *shape[:-1]])
    if not _sums_to_one(standard) and _sums_to_one(other):
        warnings.warn(f"{source}: the table of {name!r} lists the variable slowest, against the format", stacklevel=2)
        return other
    return standard


def _sums_to_one(table: Array) -> bool:
    return bool((np.abs(table.sum(axis=0) - 1) <= RENORMALISE_WITHIN).all())


def _all(element: ElementTree.Element, tag: str) -> list[ElementTree.Element]:
    return [one for one in element if _tag_of(one) == tag]


def _tag_of(element: ElementTree.Element) -> str:
    """Without its namespace, which AISpace and others name."""
    return str(element.tag).rpartition("}")[2].upper()


def _text(element: ElementTree.Element) -> str:
    return " ".join("".join(element.itertext()).split())


def _one(element: ElementTree.Element, tag: str, source: str) -> str:
    found = _all(element, tag)
    if len(found) != 1:
        raise FormatError(f"{source}: a {_tag_of(element)} has {len(found)} {tag} elements, expected one")
    return _text(found[0])


def write_xmlbif(network: BayesianNetwork, path: str | os.PathLike[str]) -> None:
    """Write ``network``; ``read_xmlbif`` gives back the same bits. Gzipped where ``path`` ends in .gz.

    Raises FormatError: a name with spaces at its ends or doubled inside, a path that cannot be written.
    """
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', '<BIF VERSION="0.3">', "<NETWORK>", _tag("NAME", network.name)]
    for name, states in network.states.items():
        lines += ['<VARIABLE TYPE="nature">', _tag("NAME", name), *(_tag("OUTCOME", s) for s in states), "</VARIABLE>"]
    for name, parents in network.parents.items():
        rows = np.moveaxis(network.tables[name], 0, -1).reshape(-1, len(network.states[name])).tolist()
        numbers = "\n".join(" ".join(map(repr, row)) for row in rows)
        lines += ["<DEFINITION>", _tag("FOR", name), *(_tag("GIVEN", one) for one in parents)]
        lines += [f"<TABLE>{numbers}</TABLE>", "</DEFINITION>"]
    write_text("\n".join([*lines, "</NETWORK>", "</BIF>"]) + "\n", path)


def _tag(tag: str, name: str) -> str:
    if name != " ".join(name.split()):
        raise FormatError(f"XMLBIF cannot hold the name {name!r}: no outer, doubled or other white space than a space")
    return f"<{tag}>{escape(name)}</{tag}>"
