"""The answers in a learner's notebook, wherever people put them. Everything read is hostile; nothing of it is run.

An answer is found by its cell's id, by the id that Colab keeps, or by nbgrader's grade_id, whatever the type of the
cell. Parts of a split cell are put together. An answer that was written into a new cell is found by the names that it
defines, a written one by its place. Cells that learners added are run with the answers as far as they import or define.
"""

from __future__ import annotations

import ast
import re
import symtable
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from bnt import policy
from bnt.grading.paper import is_self_check, names_bound
from bnt.grading.source import BLANK_TEXT, STUB, Source, blanked, hidden, role, solved

ADDED = "added:"  # key of an added cell among the answers: "added:3:observe" runs before the cell observe
COPIES = "copies:"  # key of cells that differ and carry the id of one answer, for the person who decides
MOST_ADDED = 100
FENCED = re.compile(r"\s*```\w*[ ]*\n(.*?)\n?```\s*", re.DOTALL)  # code in a cell that was turned to markdown
DEFINITIONS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


class Sheet:
    """What is looked for: the cells of the exercise as it was given out, and the names that each answer defines."""

    def __init__(self, source: Source, *, own_copy: bool = True) -> None:
        shown = [cell for cell in source.cells() if not hidden(cell)]
        self.order = [cell.id for cell in shown]
        self.code = {cell.id for cell in source.cells("answer")}
        self.own_copy = own_copy  # False in the attack suite alone: a submission brings its own checks
        self.wanted = {c.id: c.cell_type for c in shown if role(c) in ("answer", "written") or not own_copy}
        self.blank = {cell.id: BLANK_TEXT if role(cell) == "written" else blanked(cell.source) for cell in shown}
        texts = [text.strip() for text in self.blank.values()]
        self.by_text = {name: t for name, t in zip(self.blank, texts, strict=True) if texts.count(t) == 1}
        self.names = {cell.id: asked(cell.source) for cell in source.cells("answer")}
        self.run = {cell.id for cell in shown if cell.cell_type == "code" and not is_self_check(cell)}
        locked = [cell for cell in shown if cell.cell_type == "code" and role(cell) in ("other", "check")]
        self.locked = {cell.id for cell in locked}
        self.given = {ast.dump(statement) for cell in locked for statement in _statements(cell.source)}
        self.taken = frozenset().union(*(names_bound(cell.source) for cell in locked if cell.id in self.run))


def asked(text: str) -> frozenset[str]:
    """The names that an answer must define: those of the blank cell, if it has any."""
    return names_bound(blanked(text)) or names_bound(solved(text))


def _statements(text: str) -> list[ast.stmt]:
    try:
        return policy.parsed(policy.plain(text)).body
    except policy.Refused:
        return []


def _binds(text: str) -> frozenset[str]:
    return frozenset(policy.bound(_statements(text)))


def find(cells: Iterable[Any], sheet: Sheet) -> tuple[dict[str, str], list[str]]:
    """Answers by id (added cells under ``added:N:ID``, copies that differ under ``copies:ID``), and notes."""
    search = _Search([cell for cell in cells if isinstance(cell, dict)], sheet)
    for name, kind in sheet.wanted.items():
        search.by_id(name, kind)
    if sheet.own_copy:
        for name in sheet.wanted:
            if search.is_blank(name):
                (search.by_names if name in sheet.code else search.by_place)(name)
        search.added()
    missing = [f"the cell {name} is missing and counts as blank" for name in sheet.wanted if name not in search.seen]
    return search.answers, missing + search.notes


class _Search:
    def __init__(self, cells: list[dict[str, Any]], sheet: Sheet) -> None:
        self.sheet = sheet
        self.texts = [text_of(cell.get("source", "")) for cell in cells]
        self.kinds = [str(cell.get("cell_type")) for cell in cells]
        self.known = [self.identity(cell) for cell in cells]
        self.known_by_text()
        self.answers: dict[str, str] = {}
        self.notes: list[str] = []
        self.seen: set[str] = set()  # ids of answers that some cell holds
        self.used: set[int] = set()  # places of cells that became an answer

    def identity(self, cell: dict[str, Any]) -> str:
        """The id of the exercise's cell that this one is, or is a part of; empty for an added one."""
        metadata = dict_of(cell.get("metadata"))
        names = cell.get("id"), metadata.get("id"), dict_of(metadata.get("nbgrader")).get("grade_id")
        return next((name for name in names if isinstance(name, str) and name in self.sheet.blank), "")

    def known_by_text(self) -> None:
        """Cells of an editor that keeps neither ids nor metadata: given out as they stand, they are who they were."""
        lost = {text: name for name, text in self.sheet.by_text.items() if name not in self.known}
        for place, text in enumerate(self.texts):
            if not self.known[place]:
                self.known[place] = lost.pop(text.strip(), "")

    def code_of(self, place: int) -> str:
        """The text of a cell that should be code; without the fence that its new type asked for."""
        fenced = FENCED.fullmatch(self.texts[place]) if self.kinds[place] != "code" else None
        return fenced[1] if fenced else self.texts[place]

    def is_blank(self, name: str) -> bool:
        text = self.answers.get(name, "").strip()
        return text in ("", self.sheet.blank[name].strip()) or (STUB in text and name in self.sheet.code)

    def by_id(self, name: str, kind: str) -> None:
        """The cells that carry the id: one, equal copies, or the parts of a split cell."""
        places = [place for place, known in enumerate(self.known) if known == name]
        parts = list(dict.fromkeys(self.code_of(place) if kind == "code" else self.texts[place] for place in places))
        if not parts:
            return
        self.seen.add(name)
        full = [part for part in parts if part.strip() not in ("", self.sheet.blank[name].strip())] or parts[:1]
        if kind == "code":
            bound = [_binds(part) & self.sheet.names.get(name, frozenset()) for part in full]
            if sum(map(len, bound)) > len(frozenset().union(*bound)):
                self.notes.append(
                    f"{len(full)} different cells carry the id {name}: it counts as blank until a person has looked; "
                    "keep one of them"
                )
                if self.sheet.own_copy:
                    self.answers[COPIES + name] = "\n\n# another cell with the same id:\n\n".join(full)
                return
        if len(full) > 1:
            self.notes.append(f"{len(full)} parts of the cell {name} were put together")
        self.answers[name] = ("\n" if kind == "code" else "\n\n").join(full)

    def by_names(self, name: str) -> None:
        """A blank answer's names, defined in a cell that was added or in another answer: that cell is the answer."""
        asked = self.sheet.names[name]
        places = [
            i
            for i, known in enumerate(self.known)
            if self.kinds[i] == "code" and (not known or known in self.sheet.code)
        ]
        for place in reversed(places):
            other = self.known[place]
            if other != name and asked and asked <= _binds(self.texts[place]) and STUB not in self.texts[place]:
                self.answers[name] = self.texts[place]
                self.seen.add(name)
                if not other:
                    self.used.add(place)
                self.notes.append(f"the answer {name} was found in {f'the cell {other}' if other else 'a new cell'}")
                return

    def by_place(self, name: str) -> None:
        """A blank written answer: what was written into new cells below it."""
        order = self.sheet.order
        above = [known for known in order[: order.index(name) + 1] if known in self.known]
        if not above:
            return
        start = len(self.known) - 1 - self.known[::-1].index(above[-1])
        found = []
        for place in range(start + 1, len(self.known)):
            if self.known[place]:
                break
            if self.kinds[place] != "code" and self.texts[place].strip() not in ("", BLANK_TEXT):
                found.append(self.texts[place])
        if found:
            self.answers[name] = "\n\n".join(found)
            self.seen.add(name)
            self.notes.append(f"the written answer {name} was found in a new cell")

    def added(self) -> None:
        """Imports and definitions of cells that the exercise does not have, and of what was added to locked cells.

        What is computed there is run where an answer reads it, by whatever way.
        """
        sheet = self.sheet
        answered = frozenset().union(*(sheet.names[n] for n in sheet.code if not self.is_blank(n))) | sheet.taken
        found = {
            place: [
                statement
                for statement in _statements(self.texts[place])
                if isinstance(statement, (*DEFINITIONS, ast.Assign, ast.AnnAssign))
                and ast.dump(statement) not in sheet.given
                and not policy.bound([statement]) & answered
            ]
            for place, known in enumerate(self.known)
            if self.kinds[place] == "code" and place not in self.used and (not known or known in sheet.locked)
        }
        every = [statement for statements in found.values() for statement in statements]
        needed = _needed([self.answers.get(name, "") for name in sheet.code], every)
        number = 0
        for place, statements in found.items():
            before = next((other for other in self.known[place + 1 :] if other in sheet.run), "")
            for kept in _runs([one for one in statements if defines(one) or policy.bound([one]) & needed]):
                number += 1
                if number > MOST_ADDED:
                    self.notes.append(f"more than {MOST_ADDED} added cells: the others are not run")
                    return
                try:
                    self.answers[f"{ADDED}{number}:{before}"] = "\n".join(map(ast.unparse, kept))
                except RecursionError:
                    continue


def _runs(statements: list[ast.stmt]) -> Iterator[list[ast.stmt]]:
    """Definitions that follow each other together, what is computed alone: if it fails, they are not lost."""
    for _, run in groupby(enumerate(statements), lambda pair: -1 if defines(pair[1]) else pair[0]):
        yield [statement for _, statement in run]


def _needed(answers: list[str], added: Sequence[ast.stmt]) -> set[str]:
    """Names that the answers read from outside, and those that what they read is made of."""
    needed, todo = set[str](), [_read(text) for text in answers]
    made: dict[str, list[ast.stmt]] = {}
    for statement in added:
        for name in policy.bound([statement]):
            made.setdefault(name, []).append(statement)
    while todo:
        new = todo.pop() - needed
        needed |= new
        todo += [_read(one) for name in new for one in made.get(name, ())]
    return needed


def _read(code: str | ast.stmt) -> set[str]:
    """The global names that a text reads, in functions as well."""
    try:
        text = policy.plain(code) if isinstance(code, str) else ast.unparse(code)
        todo = [symtable.symtable(text, "<answer>", "exec")]
    except (policy.Refused, SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    found: set[str] = set()
    while todo:
        table = todo.pop()
        outside = table.get_type() == "module"
        found |= {s.get_name() for s in table.get_symbols() if s.is_referenced() and (outside or s.is_global())}
        todo += table.get_children()
    return found


def defines(statement: ast.stmt) -> bool:
    """True for imports, functions, classes, and names given to values that nothing has to be called for."""
    if isinstance(statement, DEFINITIONS):
        return True
    if not isinstance(statement, (ast.Assign, ast.AnnAssign)) or statement.value is None:
        return False
    todo: list[ast.AST] = [statement.value]
    while todo:
        node = todo.pop()
        if isinstance(node, (ast.Call, ast.Await)):
            return False
        if not isinstance(node, ast.Lambda):
            todo += ast.iter_child_nodes(node)
    return True


def dict_of(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def text_of(source: object) -> str:
    text = "".join(map(str, source)) if isinstance(source, list) else str(source)
    return text.replace("\r\n", "\n").replace("\r", "\n")
