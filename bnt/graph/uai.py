"""Files of the UAI inference competitions: models (.uai), evidence (.evid), and results of the tasks MAR and MPE.

A model numbers its variables and their states, so they are named "0", "1", ... here. MARKOV is a factor graph; BAYES
has one table per variable, P(last of the scope | the others). In every table the last variable runs fastest.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from bnt.errors import FormatError, ModelError
from bnt.graph.bayesian_network import Array, BayesianNetwork, checked_network
from bnt.graph.beliefs import Beliefs
from bnt.graph.factor_graph import Factor, FactorGraph, Variable
from bnt.graph.text_files import is_number, read_text, real_numbers, write_text

MOST_ENTRIES = 2**27  # of one table, as in BIF


class _Tokens:
    """Words of a text, one after the other; an error names the line of the last one."""

    def __init__(self, text: str, source: str):
        self.words = [(word, line) for line, row in enumerate(text.splitlines(), start=1) for word in row.split()]
        self.at, self.source = 0, source

    def fail(self, message: str) -> NoReturn:
        line = self.words[min(max(self.at - 1, 0), len(self.words) - 1)][1] if self.words else 1
        raise FormatError(f"{self.source}:{line}: {message}")

    def word(self, what: str) -> str:
        if self.at == len(self.words):
            self.fail(f"the file ends where {what} should stand")
        self.at += 1
        return self.words[self.at - 1][0]

    def count(self, what: str, least: int, below: float = math.inf) -> int:
        word = self.word(what)
        if not (word.isdecimal() and len(word) <= 15 and least <= int(word) < below):
            most = "" if below == math.inf else f" below {below}"
            self.fail(f"{what} must be a whole number of at least {least}{most}, found {word[:30]!r}")
        return int(word)

    def numbers(self, size: int, what: str) -> Array:
        part = self.words[self.at : self.at + size]
        if len(part) < size:
            self.at = len(self.words)
            self.fail(f"{what} has {len(part)} numbers before the file ends, expected {size}")
        try:
            values = real_numbers([word for word, _ in part])
        except ValueError:
            wrong = next(i for i, (word, _) in enumerate(part) if not is_number(word))
            self.at += wrong + 1
            self.fail(f"expected a number in {what}, found {part[wrong][0][:30]!r}")
        self.at += size
        return values

    def end(self) -> None:
        if self.at < len(self.words):
            self.at += 1
            self.fail(f"more text follows the end: {self.words[self.at - 1][0][:30]!r}")


def read_uai(path: str | os.PathLike[str]) -> FactorGraph | BayesianNetwork:
    """The model in a .uai or .uai.gz file: a FactorGraph of MARKOV, a BayesianNetwork of BAYES.

    Raises FormatError naming file and line: missing, malformed, truncated, a table of the wrong size, no number, a
    negative or infinite entry; in BAYES a variable without table or with two, a column that is no distribution, or a
    cycle.
    """
    return parse_uai(read_text(Path(path)), str(path))


def parse_uai(text: str, source: str = "UAI text") -> FactorGraph | BayesianNetwork:
    """The model in UAI ``text``, which errors call ``source``. Raises FormatError as ``read_uai`` does."""
    tokens = _Tokens(text.removeprefix("\ufeff"), source)
    kind = tokens.word("MARKOV or BAYES").upper()
    if kind not in ("MARKOV", "BAYES"):
        tokens.fail(f"a UAI model begins with MARKOV or BAYES, not {kind[:30]!r}")
    count = tokens.count("the number of variables", 1)
    if count > len(tokens.words):
        tokens.fail(f"{count} variables are announced, more than the file has words")
    cards = [tokens.count(f"the number of states of variable {i}", 1) for i in range(count)]
    scopes: list[list[int]] = []
    for f in range(tokens.count("the number of tables", 0)):
        arity = tokens.count(f"the number of variables of table {f}", 0, count + 1)
        scope = [tokens.count(f"a variable of table {f}", 0, count) for _ in range(arity)]
        if len(set(scope)) < arity:
            tokens.fail(f"table {f} has a variable twice: {scope}")
        scopes.append(scope)
    tables = []
    for f, scope in enumerate(scopes):
        shape = [cards[i] for i in scope]
        size = tokens.count(f"the size of table {f}", 1)
        if size != math.prod(shape) or size > MOST_ENTRIES or len(shape) > 64:
            tokens.fail(f"table {f} announces {size} entries; its variables have {math.prod(shape)} joint states")
        tables.append(tokens.numbers(size, f"table {f}").reshape(shape))
    tokens.end()
    try:
        return _network(source, cards, scopes, tables) if kind == "BAYES" else _graph(cards, scopes, tables)
    except ModelError as error:
        raise FormatError(f"{source}: {str(error).removeprefix(f'{source}: ')}") from None


def _network(source: str, cards: list[int], scopes: list[list[int]], tables: list[Array]) -> BayesianNetwork:
    cpts: dict[str, Any] = {}
    for f, (scope, table) in enumerate(zip(scopes, tables, strict=True)):
        if not scope:
            raise ModelError(f"table {f} is over no variable; BAYES has one table per variable")
        *parents, child = map(str, scope)
        if child in cpts:
            raise ModelError(f"variable {child!r} is last in two tables; BAYES has one table per variable")
        cpts[child] = (parents, np.moveaxis(table, -1, 0))
    states = {str(i): tuple(map(str, range(card))) for i, card in enumerate(cards)}
    return checked_network(source, states, cpts)


def _graph(cards: list[int], scopes: list[list[int]], tables: list[Array]) -> FactorGraph:
    variables = [Variable(str(i), tuple(map(str, range(card)))) for i, card in enumerate(cards)]
    if lost := [f for f, scope in enumerate(scopes) if not scope]:
        raise ModelError(f"table {lost[0]} is over no variable: a constant, which a factor graph cannot hold; drop it")
    return FactorGraph(variables, [Factor([variables[i] for i in s], t) for s, t in zip(scopes, tables, strict=True)])


def write_uai(model: FactorGraph | BayesianNetwork, path: str | os.PathLike[str]) -> None:
    """Write a model, variables and states by their numbers. ``read_uai`` gives back the same bits of every CPT; of a
    FactorGraph, which keeps logarithms, the same to rounding.

    A FactorGraph is written as MARKOV, a BayesianNetwork as BAYES; gzipped where ``path`` ends in .gz.
    Raises FormatError for a path that cannot be written.
    """
    scopes: list[list[int]]
    if isinstance(model, BayesianNetwork):
        number = {name: i for i, name in enumerate(model.states)}
        cards = [len(states) for states in model.states.values()]
        scopes = [[number[one] for one in (*model.parents[name], name)] for name in model.tables]
        tables = [np.moveaxis(table, 0, -1) for table in model.tables.values()]
    else:
        cards = [variable.cardinality for variable in model.variables]
        scopes, tables = [list(scope) for scope in model.scopes], [factor.table for factor in model.factors]
    lines = ["BAYES" if isinstance(model, BayesianNetwork) else "MARKOV", str(len(cards)), _joined(cards)]
    lines += [str(len(scopes)), *(_joined([len(scope), *scope]) for scope in scopes)]
    for table in tables:
        lines += ["", str(table.size), *(_joined(map(repr, row)) for row in _rows(table).tolist())]
    write_text("\n".join(lines) + "\n", path)


def _rows(table: Array) -> Array:
    return table.reshape(-1, table.shape[-1])


def _joined(words: Any) -> str:
    return " ".join(map(str, words))


def read_evidence(path: str | os.PathLike[str], graph: FactorGraph) -> dict[str, str]:
    """The evidence of a .evid file for this graph: how many, then number and state of each observed variable.

    A first line that counts samples, as in the 2010 files, is allowed if there is one sample.
    Raises FormatError naming file and line: a number out of range, a variable twice, more or less text than announced.
    """
    tokens = _Tokens(read_text(Path(path)), str(path))
    if len(tokens.words) % 2 == 0 and tokens.count("the number of samples", 0) != 1:
        tokens.fail("one sample of evidence is read at a time; the file has another number of them")
    evidence: dict[str, str] = {}
    for _ in range(tokens.count("the number of observed variables", 0, len(graph.variables) + 1)):
        variable = graph.variables[tokens.count("a variable", 0, len(graph.variables))]
        state = tokens.count(f"the state of variable {variable.name!r}", 0, variable.cardinality)
        if variable.name in evidence:
            tokens.fail(f"variable {variable.name!r} is observed twice")
        evidence[variable.name] = variable.states[state]
    tokens.end()
    return evidence


def write_evidence(evidence: Mapping[str, Any], graph: FactorGraph, path: str | os.PathLike[str]) -> None:
    """Write hard evidence as a .evid file. Raises UnknownVariableError, UnknownStateError, FormatError."""
    pairs = [(graph.position(name), graph.variable(name).state_index(state)) for name, state in evidence.items()]
    write_text(_joined([len(pairs), *(number for pair in pairs for number in pair)]) + "\n", path)


def write_mar(beliefs: Beliefs, path: str | os.PathLike[str]) -> None:
    """Write the marginals of all variables as the task MAR has them. Raises FormatError."""
    parts = [_joined([len(p), *map(repr, p)]) for p in (beliefs.vector(name).tolist() for name in beliefs)]
    write_text(f"MAR\n{_joined([len(parts), *parts])}\n", path)


def read_mar(path: str | os.PathLike[str], graph: FactorGraph) -> Beliefs:
    """Marginals written for this graph. Raises FormatError naming file and line."""
    tokens = _Tokens(read_text(Path(path)), str(path))
    _begins(tokens, "MAR", graph)
    parts = []
    for variable in graph.variables:
        if tokens.count(f"the number of states of {variable.name!r}", 1) != variable.cardinality:
            tokens.fail(f"variable {variable.name!r} has {variable.cardinality} states")
        parts.append(tokens.numbers(variable.cardinality, f"the marginal of {variable.name!r}"))
    tokens.end()
    return Beliefs(graph, np.concatenate([np.zeros(0), *parts]))


def write_mpe(assignment: Mapping[str, str], graph: FactorGraph, path: str | os.PathLike[str]) -> None:
    """Write a most probable assignment of all variables as the task MPE has it.

    Raises UnknownVariableError, UnknownStateError; FormatError for a variable without a state.
    """
    if missing := [name for name in graph.index if name not in assignment]:
        raise FormatError(f"the assignment has no state for {missing[0]!r}; MPE needs one for every variable")
    states = [variable.state_index(assignment[variable.name]) for variable in graph.variables]
    write_text(f"MPE\n{_joined([len(states), *states])}\n", path)


def read_mpe(path: str | os.PathLike[str], graph: FactorGraph) -> dict[str, str]:
    """An assignment written for this graph. Raises FormatError naming file and line."""
    tokens = _Tokens(read_text(Path(path)), str(path))
    _begins(tokens, "MPE", graph)
    best = {v.name: v.states[tokens.count(f"the state of {v.name!r}", 0, v.cardinality)] for v in graph.variables}
    tokens.end()
    return best


def _begins(tokens: _Tokens, task: str, graph: FactorGraph) -> None:
    if (word := tokens.word(task)).upper() != task:
        tokens.fail(f"a result of this task begins with {task}, not {word[:30]!r}")
    if tokens.count("the number of variables", 0) != len(graph.variables):
        tokens.fail(f"the graph has {len(graph.variables)} variables")
