"""BIF files (.bif, .bif.gz): a strict, fast reader that names file and line, and a writer.

The dialect is that of the bnlearn repository and of the Interchange Format 0.15 (Cozman 1996): a network
block, ``variable`` and ``probability`` blocks in any order; rows ``(parent states) p, p, ...;``, ``table``
and ``default`` entries; properties (skipped); // and /* */ comments; quoted names; commas optional. Keywords
may be in any case, and # begins a comment where it can be nothing else. One regular expression cuts the text
into tokens; a token's line is looked up only when an error needs it.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable
from functools import partial
from itertools import islice, product
from pathlib import Path
from typing import NoReturn

import numpy as np

from bnt.errors import FormatError, valid_names
from bnt.graph.bayesian_network import Array, BayesianNetwork, Deviation, column_problem, describe_column, find_cycle
from bnt.graph.text_files import is_number, read_text, write_text

_TOKEN = re.compile(r'"[^"\n]*"|[{}()\[\];,|]|[^\s{}()\[\];,|"]+|"')
_NUMBER = r"\s*[-+]?(?:[0-9.]+(?:[eE][-+]?[0-9]+)?|[iI]nf(?:inity)?)\s*"
_INTERVAL = rf"[(\[\]]{_NUMBER}[,;]{_NUMBER}[\[\]]|[\[\]]{_NUMBER}[,;]{_NUMBER}\)"  # (0,1] or [0;1[, never (0,1)
_TOKEN_OR_INTERVAL = re.compile(rf'"[^"\n]*"|{_INTERVAL}|{_TOKEN.pattern}')
_COMMENT = re.compile(r'("[^"\n]*")|/\*.*?\*/|(?<!:)//[^\n]*', re.DOTALL)  # no comment: http://
_HASH = re.compile(r'("[^"\r\n]*")|(?<!\S)#[^\r\n]*')  # a comment of other programs, or a name
_PUNCTUATION = frozenset('{}()[];,|"')
_LARGEST_TABLE = 2**27


def read_bif(path: str | os.PathLike[str]) -> BayesianNetwork:
    """The network in a .bif or .bif.gz file, every table validated.

    CPT columns within 1e-5 of one are renormalised, with one warning that says how far off they were at most
    and where. Raises FormatError, naming file and line: missing, empty, not UTF-8, corrupt gzip, malformed or
    truncated; a name declared twice or never; a row missing, given twice, or of the wrong length; no number,
    negative, NaN or infinite; a column further than 1e-5 from one; a cycle.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise FormatError(f"a BIF file is given by its path, not by {path!r}")
    return parse_bif(read_text(Path(path)), str(path))


def parse_bif(text: str, source: str = "BIF text") -> BayesianNetwork:
    """The network in BIF ``text``, which errors call ``source``. Raises FormatError as ``read_bif`` does."""
    if not isinstance(text, str):
        raise FormatError(f"{source} must be a str, not {type(text).__name__}")
    plain = _HASH.sub(lambda m: m[1] or "", text)
    if plain == text:
        return _Parser(text, source).network()
    found, failed = [], []
    for reading in (text, plain):
        try:
            found.append(_Parser(reading, source).network())
        except FormatError as error:
            failed.append(error)
    if not found:
        raise failed[1 if "'#" in str(failed[0]) else 0] from None
    if len(found) > 1 and not found[0].equals(found[1]):
        raise FormatError(f"{source}: '#' begins a comment here, or a name; comments begin with //, or quote the name")
    return found[0]


class _Parser:
    """Recursive descent over a list of tokens; ``at`` is the next one. Tables are parsed last."""

    def __init__(self, text: str, source: str):
        text = text.removeprefix("\ufeff").removesuffix("\x1a")  # the byte order mark of Windows, the end mark of DOS
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        if "//" in text or "/*" in text:  # blank them out; newlines stay, so lines keep their numbers
            text = _COMMENT.sub(lambda m: m[1] or "\n" * m[0].count("\n") or " ", text)
        self.text, self.source = text, source
        # Every '[' and ']' around a number of states stands after 'discrete'; more of them are intervals.
        plain = text.count("[") == text.count("]") == text.count("discrete")
        self.cut = _TOKEN if plain else _TOKEN_OR_INTERVAL
        self.tokens: list[str] = self.cut.findall(text)
        self.at = 0
        self.states: dict[str, tuple[str, ...]] = {}
        self.headers: list[tuple[int, list[str], int]] = []  # first token and tokens of a header, first of its body
        self.bodies: dict[str, tuple[tuple[str, ...], int]] = {}  # variable -> parents, first token of body
        self.deviation = Deviation()

    # tokens

    def fail(self, message: str, at: int | None = None) -> NoReturn:
        """Raise FormatError with the line of token ``at`` (default: the last one taken)."""
        at = max(self.at - 1, 0) if at is None else at
        token = next(islice(self.cut.finditer(self.text), at, None), None)
        line = self.text.count("\n", 0, token.start() if token else len(self.text.rstrip())) + 1
        raise FormatError(f"{self.source}:{line}: {message}")

    def take(self, inside: str) -> str:
        """The next token. ``inside`` says where we are, for the message of a truncated file."""
        if self.at == len(self.tokens):
            self.fail(f"the file ends inside {inside}", self.at)
        self.at += 1
        return self.tokens[self.at - 1]

    def expect(self, wanted: str, inside: str) -> None:
        found = self.take(inside)
        if found != wanted:
            self.fail(f"expected {wanted!r} in {inside}, found {_short(found)}")

    def name(self, inside: str) -> str:
        found = self.take(inside)
        if found in _PUNCTUATION:
            self.fail(f"expected a name in {inside}, found {found!r}")
        return _unquote(found)

    def until(self, closing: str, inside: str) -> list[str]:
        """The tokens before ``closing``, which is taken too."""
        try:
            end = self.tokens.index(closing, self.at)
        except ValueError:
            self.fail(f"the file ends inside {inside}: no {closing!r} follows", len(self.tokens))
        part = self.tokens[self.at : end]
        self.at = end + 1
        return part

    def names(self, closing: str, count: int | None, inside: str) -> list[str]:
        """The names before ``closing``. Commas are optional; with them, an unquoted name may hold spaces."""
        start = self.at
        part = self.until(closing, inside)
        words = [token for token in part if token != ","]
        for word in words:
            if word in _PUNCTUATION:
                cure = f"; a name that holds {word!r} needs quotes" if word in "()[]|" else ""
                self.fail(f"expected {closing!r} before {word!r} in {inside}{cure}", start + part.index(word))
        if count is not None and len(words) > count == part.count(",") + 1:
            return [" ".join(map(_unquote, group.split("\0"))) for group in "\0".join(part).split("\0,\0")]
        return [_unquote(word) for word in words]

    # blocks

    def network(self) -> BayesianNetwork:
        title = ""
        while self.at < len(self.tokens):
            keyword = self.take("the file")
            kind = keyword.lower()
            if kind == "variable":
                self.variable()
            elif kind == "probability":
                self.probability_header()
            elif kind == "network" and self.at == 1:
                title = " ".join(map(_unquote, self.until("{", "the network block")))
                while (found := self.take("the network block")) != "}":
                    self.property(found, "the network block")
            elif keyword == ";":
                pass  # after a block: other programs write it
            else:
                blocks = "a 'network' (first), 'variable' or 'probability' block"
                self.fail(f"expected {blocks}, found {_short(keyword)}")
        if not self.states:
            self.fail("no variable is declared", len(self.tokens))
        self.bodies = self.named_bodies()
        for name, (above, start) in self.bodies.items():
            for one in (name, *above):
                if one not in self.states:
                    self.fail(f"{one!r} is no declared variable; {valid_names(self.states, one)}", start - 1)
        for name in self.states:
            if name not in self.bodies:
                self.fail(f"variable {name!r} has no probability block", len(self.tokens))
        parents = {name: self.bodies[name][0] for name in self.states}
        cycle = find_cycle(parents)
        if cycle:
            message = f"the arcs form a cycle, {' -> '.join(cycle)}; a Bayesian network has none"
            self.fail(message, self.bodies[cycle[-1]][1] - 1)
        tables = {name: self.table(name) for name in self.states}
        self.deviation.warn(self.source)
        return BayesianNetwork(title or "unknown", self.states, parents, tables)

    def property(self, keyword: str, inside: str) -> None:
        if keyword.lower() != "property":
            self.fail(f"expected 'property' or '}}' in {inside}, found {_short(keyword)}")
        self.until(";", f"a property of {inside}")

    def variable(self) -> None:
        name, here = self.name("a variable block"), self.at - 1
        while self.tokens[self.at : self.at + 1] != ["{"]:  # a name with spaces
            word = self.take(f"variable {name!r}")
            if word in _PUNCTUATION:
                self.fail(f"expected '{{' in variable {name!r}, found {word!r}")
            name += f" {_unquote(word)}"
        inside = f"variable {name!r}"
        if name in self.states:
            self.fail(f"variable {name!r} is declared twice")
        self.expect("{", inside)
        states: list[str] = []
        while (keyword := self.take(inside)) != "}":
            if keyword.lower() != "type":
                self.property(keyword, inside)
                continue
            if states:
                self.fail(f"{inside} has two types")
            if (kind := self.take(inside)).lower() != "discrete":
                self.fail(f"{inside} has type {_short(kind)}; only 'discrete' is supported")
            self.expect("[", inside)
            size = self.take(inside)
            if not size.isdecimal() or len(size) > 9 or int(size) == 0:
                self.fail(f"{inside}: the number of states must be a positive integer, found {_short(size)}")
            self.expect("]", inside)
            self.expect("{", inside)
            states = self.names("}", int(size), f"the states of {inside}")
            if len(states) != int(size):
                cure = "; a state that holds a comma needs quotes" if len(states) > int(size) else ""
                self.fail(f"{inside} declares {size} states but lists {len(states)}{cure}")
            if twice := [state for state in states if states.count(state) > 1]:
                self.fail(f"{inside} lists state {twice[0]!r} twice")
            if "" in states:
                self.fail(f"{inside} has a state without a name")
            self.expect(";", inside)
        if not states or not name:
            self.fail(f"{inside} has no {'type' if name else 'name'}", here)
        self.states[name] = tuple(states)

    def probability_header(self) -> None:
        """Take note of the header; which names it holds is clear when all variables are known."""
        self.expect("(", "a probability block")
        at = self.at
        self.name("a probability block")
        inside = f"the probability block of {_unquote(self.tokens[at])!r}"
        self.at = at
        header = self.until(")", inside)
        if wrong := [word for word in header if word in _PUNCTUATION and word not in ",|"]:
            self.fail(f"expected ')' before {wrong[0]!r} in {inside}", at + header.index(wrong[0]))
        self.expect("{", inside)
        self.headers.append((at, header, self.at))
        part = self.until("}", inside)
        while "{" in part and part.count("{") > part.count("}"):  # braces of a property
            part = [*part, "}", *self.until("}", inside)]

    def named_bodies(self) -> dict[str, tuple[tuple[str, ...], int]]:
        """Variable -> parents and the first token of its body. Commas and '|' are optional, so words are names, unless
        several between two marks are one declared name together."""
        bodies: dict[str, tuple[tuple[str, ...], int]] = {}
        for at, header, start in self.headers:
            self.at = at + 1
            names: list[str] = []
            group: list[str] = []
            for word in [*header, ","]:
                if word not in ",|":
                    group.append(_unquote(word))
                    continue
                whole = " ".join(group)
                if len(group) > 1 and whole in self.states:
                    if all(one in self.states for one in group):
                        self.fail(f"{whole!r} is one variable or {len(group)}; a name with spaces needs quotes here")
                    group = [whole]
                names += group
                group = []
            name, *parents = names
            inside = f"the probability block of {name!r}"
            if name in bodies:
                self.fail(f"{name!r} has two probability blocks")
            if twice := [one for one in names if names.count(one) > 1]:
                self.fail(f"{twice[0]!r} appears twice in the header of {inside}", start - 2)
            bodies[name] = (tuple(parents), start)
        return bodies

    # tables

    def numbers(self, inside: Callable[[], str]) -> list[float]:
        """The numbers up to the next ';'. Where we are is put into words only for a message: there are many rows."""
        start = self.at
        try:
            self.at = self.tokens.index(";", start) + 1
        except ValueError:
            self.until(";", inside())
        part = self.tokens[start : self.at - 1]
        words = [token for token in part if token != ","]
        try:
            if "_" in "".join(words):  # Python reads 1_0 as ten
                raise ValueError
            return list(map(float, words))
        except ValueError:
            for offset, word in enumerate(part):
                if word != "," and not is_number(word):
                    self.fail(f"expected a number or ';' in {inside()}, found {_short(word)}", start + offset)
            raise

    def table(self, name: str) -> Array:
        """The CPT of ``name``, axes (variable, *parents)."""
        parents, self.at = self.bodies[name]
        scope = {one: self.states[one] for one in (name, *parents)}
        shape = [len(states) for states in scope.values()]
        size, columns = shape[0], math.prod(shape[1:])
        if len(shape) > 64 or size * columns > _LARGEST_TABLE:  # a 'default' could ask for any size
            message = f"the table of {name!r} would have {size * columns} entries; the limit is 2**27"
            self.fail(message, self.at - 1)
        position = [{state: i for i, state in enumerate(self.states[one])} for one in parents]
        plain = self.plain_rows(position, size, columns)
        if plain is not None and column_problem(plain, scope) is None:  # a problem's line is found below
            return self.deviation.renormalise(plain.reshape(shape), scope)
        inside = f"the probability block of {name!r}"
        rows: dict[int, list[float]] = {}  # column -> distribution
        line_of: dict[int, int] = {}  # column -> a token on its line
        whole: list[float] | None = None
        default: list[float] | None = None
        start = default_at = self.at
        while (keyword := self.take(inside).lower()) != "}":
            here = self.at - 1
            if keyword == "(" and parents:
                column = self.column(position, parents, inside)
                if column in rows:
                    self.fail(f"the row {describe_column(scope, column)} is given twice", here)
                rows[column] = self.row(size, partial(_row_named, scope, column), here)
                line_of[column] = here
            elif keyword == "default" and default is None:
                default, default_at = self.row(size, lambda: f"the default of {inside}", here), here
            elif keyword == "table" and whole is None:
                start, whole = here, self.numbers(lambda: inside)
                if len(whole) != size * columns:
                    message = f"the table of {name!r} has {len(whole)} numbers, expected {size * columns}"
                    self.fail(message + _comma_cure(whole, size * columns), here)
            elif keyword == "property":
                self.property(keyword, inside)
            else:
                allowed = "'table', 'default', 'property', '}' or a row '('" if parents else "'table' or '}'"
                self.fail(f"expected {allowed} in {inside}, found {_short(keyword)}")
        if whole is not None:
            if rows or default is not None:
                self.fail(f"{inside} mixes 'table' with rows or 'default'", start)
            flat = self.whole_table(np.array(whole), size, columns, name, start)
        else:
            if default is None and len(rows) < columns:
                absent = next(column for column in range(columns) if column not in rows)
                self.fail(f"{inside} has no row {describe_column(scope, absent)} and no default", self.at - 1)
            flat = np.array([rows.get(column, default) for column in range(columns)], dtype=np.float64).T
        table = np.ascontiguousarray(flat).reshape(shape)
        if problem := column_problem(table, scope):
            fallback = start if whole is not None else default_at
            self.fail(problem[1], line_of.get(problem[0], fallback))
        return self.deviation.renormalise(table, scope)

    def plain_rows(self, position: list[dict[str, int]], size: int, columns: int) -> Array | None:
        """The body as (size, columns) where all rows read ``(state, ...) p, ...;``, as nearly always; else None.

        Marks and words take turns then, and equal places of all rows are slices.
        """
        marks = ["(", *[","] * (len(position) - 1), ")", *[","] * (size - 1), ";"]
        length = 2 * len(marks) - 1
        body = self.tokens[self.at : self.at + length * columns + 1]
        if not position or len(body) <= length * columns or body.pop() != "}":
            return None
        if any(body[2 * i :: length].count(mark) != columns for i, mark in enumerate(marks)):
            return None
        words = [body[2 * i + 1 :: length] for i in range(len(marks) - 1)]
        at = [0] * columns
        try:
            for of_state, labels in zip(position, words, strict=False):
                at = [column * len(of_state) + of_state[label] for column, label in zip(at, labels, strict=True)]
            numbers = [list(map(float, row)) for row in words[len(position) :]]
        except (KeyError, ValueError):
            return None
        if len(set(at)) < columns or any("_" in "".join(row) for row in words[len(position) :]):
            return None
        rows = np.empty((size, columns))
        rows[:, at] = numbers
        return rows

    def column(self, position: list[dict[str, int]], parents: tuple[str, ...], inside: str) -> int:
        """The column (last parent fastest) that the row label before the next ')' names."""
        start = self.at
        labels = self.plain_labels(position)
        if labels is None:
            labels = self.names(")", len(parents), inside)
        if len(labels) != len(parents):
            message = f"a row of {inside} names {len(labels)} states; there are {len(parents)} parents"
            self.fail(message, start - 1)
        column = 0
        for parent, of_state, label in zip(parents, position, labels, strict=True):
            if label not in of_state:
                self.fail(f"{label!r} is no state of {parent!r}; {valid_names(of_state, label)}", start)
            column = column * len(of_state) + of_state[label]
        return column

    def plain_labels(self, position: list[dict[str, int]]) -> list[str] | None:
        """The labels up to ')' if they are declared states with a comma between each two, as nearly always."""
        end = self.at + 2 * len(position) - 1
        labels, commas = self.tokens[self.at : end : 2], self.tokens[self.at + 1 : end : 2]
        if self.tokens[end : end + 1] != [")"] or commas.count(",") != len(commas):
            return None
        if not all(map(dict.__contains__, position, labels)):
            return None
        self.at = end + 1
        return labels

    def row(self, size: int, what: Callable[[], str], here: int) -> list[float]:
        numbers = self.numbers(what)
        if len(numbers) != size:
            self.fail(f"{what()} has {len(numbers)} numbers, expected {size}{_comma_cure(numbers, size)}", here)
        return numbers

    def whole_table(self, numbers: Array, size: int, columns: int, name: str, at: int) -> Array:
        """A ``table`` entry as (size, columns). The format has the variable slowest, some files fastest.

        Columns that sum to one tell which: the other order is refused, and so is a table that fits both.
        """
        standard, other = numbers.reshape(size, columns), numbers.reshape(columns, size).T
        if columns == 1 or np.array_equal(standard, other):
            return standard
        fits_standard, fits_other = (np.allclose(t.sum(axis=0), 1, atol=1e-5) for t in (standard, other))
        if fits_standard and fits_other:
            self.fail(f"the table of {name!r} sums to one in either order, so it is ambiguous; use rows", at)
        if fits_other:
            self.fail(f"the table of {name!r} must list the variable slowest, not fastest; use rows", at)
        return standard


def _unquote(token: str) -> str:
    return token[1:-1].strip() if token.startswith('"') and len(token) > 1 else token


def _row_named(scope: dict[str, tuple[str, ...]], column: int) -> str:
    return f"the row {describe_column(scope, column)}"


def _short(token: str) -> str:
    return repr(token if len(token) <= 30 else token[:30] + "...")


def _comma_cure(numbers: list[float], wanted: int) -> str:
    """What to do where 0,5 has been read as the two numbers 0 and 5."""
    comma = len(numbers) == 2 * wanted and all(number == number // 1 for number in numbers)
    return "; write 0.5, not 0,5: a comma stands between two numbers" if comma else ""


def write_bif(network: BayesianNetwork, path: str | os.PathLike[str]) -> None:
    """Write ``network`` as BIF (gzipped when ``path`` ends in .gz); ``read_bif`` gives back the same bits.

    Raises FormatError: a name that BIF cannot hold (a double quote, a line break, spaces at its ends), a path that
    cannot be written.
    """
    lines = [f"network {_quote(network.name)} {{", "}"]
    for name, states in network.states.items():
        names = ", ".join(map(_quote, states))
        lines += [f"variable {_quote(name)} {{", f"  type discrete [ {len(states)} ] {{ {names} }};", "}"]
    for name, parents in network.parents.items():
        given = " | " + ", ".join(map(_quote, parents)) if parents else ""
        lines.append(f"probability ( {_quote(name)}{given} ) {{")
        columns = network.tables[name].reshape(len(network.states[name]), -1).T.tolist()
        labels = product(*(map(_quote, network.states[one]) for one in parents))
        for label, column in zip(labels, columns, strict=True):
            head = f"({', '.join(label)})" if parents else "table"
            lines.append(f"  {head} {', '.join(map(repr, column))};")
        lines.append("}")
    write_text("\n".join(lines) + "\n", path)


def _quote(name: str) -> str:
    if '"' in name or "\n" in name or name != name.strip():
        raise FormatError(f"BIF cannot hold the name {name!r}: no double quotes, line breaks or outer spaces")
    plain = _TOKEN.fullmatch(name) and name not in _PUNCTUATION and "//" not in name and "/*" not in name
    return name if plain else f'"{name}"'
