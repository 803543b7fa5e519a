"""``record_of(answer)``: everything that somebody who must account for an answer has to keep, in one file.

    {format, made, versions, model (with its SHA-256), question, answer, reasons}

The content is JSON; a page of HTML is the same content for people, and carries the JSON inside. ``replay`` asks again.
"""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

import bnt
from bnt.checks import in_order, need
from bnt.display import card
from bnt.errors import BntError, FormatError, TooLargeError
from bnt.inference.posterior import Posterior
from bnt.knowledge.queries import Answer
from bnt.records import models
from bnt.records.models import Json
from bnt.records.page import as_page
from bnt.records.reasons import clause_effects, knowledge_reasons, reasons_for

FORMAT = "bnt-record/1"
MOST_EXPLAINED = 4  # variables of one answer that are explained without being named
IN_PAGE = re.compile(r'<script type="application/json" id="record">(.*?)</script>', re.DOTALL)


@dataclass(frozen=True)
class Record:
    """An answer with all that it rests on. ``content``: the JSON, plain dicts, lists, numbers and text."""

    content: Json

    @property
    def status(self) -> str:
        """The status of the answer."""
        return str(self.content["answer"]["status"])

    def to_json(self) -> str:
        """The content as text. Keys in order; every float is written so that reading it gives the same."""
        return json.dumps(self.content, indent=1, allow_nan=False) + "\n"

    def to_html(self) -> str:
        """The content as one page without scripts or requests, the JSON inside."""
        return as_page(self.content, self.to_json())

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write to a new file that ends in .json or .html. Raises BntError: another ending, a file that is there, or
        one that cannot be written."""
        target = Path(path)
        need(target.suffix in (".json", ".html"), f"a record is written to a .json or .html file, not to {str(path)!r}")
        text = self.to_json() if target.suffix == ".json" else self.to_html()
        try:
            with open(target, "x", encoding="utf-8", errors="xmlcharrefreplace") as file:  # the JSON is ASCII
                file.write(text)
        except FileExistsError:
            raise BntError(f"{target} is there already, and a record is never written over; give a new name") from None
        except OSError as error:
            raise BntError(f"{target} cannot be written: {error.strerror}") from None
        return target

    def _repr_html_(self) -> str:
        answer, model = self.content["answer"], self.content["model"]
        line = f"of {model['kind']} {model['sha256'][:12]}…, method {answer['method']}, made {self.content['made']}"
        given = self.content["question"]["evidence"].items()
        rows = ((name, str(value)) for name, value in given)
        total, things = len(given), "pieces of evidence"
        return card("Record", line, ("evidence", "is"), rows, total=total, things=things, status=self.status)

    def __repr__(self) -> str:
        return f"<Record of {self.content['model']['kind']}, {self.status}, made {self.content['made']}>"


def read_record(path: str | os.PathLike[str]) -> Record:
    """A record out of its .json or .html file. Raises FormatError for what is none, or cannot be read."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise FormatError(f"{path}: cannot be read: {reason}") from None
    if (inside := IN_PAGE.search(text)) is not None:
        text = inside[1]
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise FormatError(f"{path}: no record, neither JSON nor a page with one inside: {error}") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise FormatError(f"{path}: no record of this kind; the format must be {FORMAT!r}")
    return Record(content)


def record_of(answer: Posterior | Answer, about: Any = None) -> Record:
    """The record of what ``bnt.posterior``, ``transformer_posterior`` or ``bnt.ask`` has answered.

    about: the variables that are explained, or {variable: state}; None: those asked about, if they are few. Of each,
    the state named, else its most probable one. An atom of a knowledge base is its own and only subject.
    Raises BntError: an answer made by hand, which has no question; max mode, whose beliefs are no probabilities to
    explain, with ``about``; UnknownVariableError, UnknownStateError. What is too large to explain says so in its place.
    """
    if isinstance(answer, Answer):
        return _of_atom(answer, about)
    need(
        isinstance(answer, Posterior), f"a record is made of a Posterior or an Answer, not of a {type(answer).__name__}"
    )
    need(answer.asked is not None, "this answer has lost its question, so no record can be made; ask again")
    assert answer.asked is not None
    graph, evidence = answer.asked.graph, answer.asked.evidence
    subjects = _subjects(answer, about)
    question = {
        "query": list(answer.query),
        "whole": answer.asked.whole,
        "evidence": models.evidence_to_json(graph, evidence),
        "log_constant": evidence.log_constant,  # of soft evidence that left one state
        "method": answer.asked.method,
        "mode": answer.mode,
        "memory_limit": models.limit_to_json(answer.asked.memory_limit),
        "about": subjects,
    }
    found = {
        "method": answer.method,
        "status": answer.status,
        "support": answer.support,
        "converged": answer.converged,
        "rounds": answer.rounds,
        "log_z": models.number_or_none(answer.log_z),
        "beliefs": {name: dict(answer.beliefs[name]) for name in answer.query},
        "map": answer.map_assignment,
        "log_probability": models.number_or_none(answer.log_probability),
    }
    why = [reasons_for(answer, name, state) for name, state in subjects.items()]
    return _made(models.graph_to_json(graph), question, found, why)


def _of_atom(answer: Answer, about: Any) -> Record:
    need(about is None, "the answer about an atom explains that atom; leave out 'about'")
    need(answer.asked is not None, "this answer has lost its question, so no record can be made; ask again")
    assert answer.asked is not None
    ground, method = answer.asked
    evidence = {name: models.plain(value) for name, value in answer.evidence.items()}
    question = {"query": [str(answer.atom)], "evidence": evidence, "method": method, "mode": "sum"}
    found = {
        "method": answer.method,
        "status": answer.status,
        "beliefs": {str(answer.atom): {"false": 1.0 - answer.probability, "true": answer.probability}},
    }
    try:
        why = [{**knowledge_reasons(answer), "clauses": clause_effects(answer)}]
    except TooLargeError as error:
        why = [{"variable": str(answer.atom), "state": "true", "left_out": str(error)}]
    return _made(models.knowledge_to_json(ground), question, found, why)


def _made(model: Json, question: Json, answer: Json, reasons: list[Json]) -> Record:
    content = {
        "format": FORMAT,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"bnt": bnt.__version__, "python": platform.python_version(), "numpy": np.__version__},
        "model": model,
        "question": question,
        "answer": answer,
        "reasons": reasons,
    }
    return Record(json.loads(json.dumps(content, allow_nan=False)))


def _subjects(answer: Posterior, about: Any) -> dict[str, str]:
    """{variable: state} to explain: what the evidence left open, of what was asked about or is named."""
    assert answer.asked is not None
    graph = answer.asked.graph
    if about is not None:
        need(
            answer.mode == "sum", "a max-marginal is no probability, so there is nothing to explain; leave out 'about'"
        )
        chosen = (
            about
            if isinstance(about, Mapping)
            else dict.fromkeys(in_order("about", [about] if isinstance(about, str) else about, "variable names"))
        )
        for name in chosen:
            graph.position(name)
    else:
        open_ones = [name for name in answer.query if graph.position(name) not in answer.asked.evidence.hard]
        chosen = dict.fromkeys(open_ones if len(open_ones) <= MOST_EXPLAINED and answer.mode == "sum" else [])
    found = {}
    for name, state in chosen.items():
        variable = graph.variable(name)
        known = state is not None or variable.name in answer.beliefs
        need(known, f"{name!r} was not asked about, so its most probable state is not known; name one, or ask about it")
        place = int(answer.beliefs.vector(name).argmax()) if state is None else variable.state_index(state)
        found[variable.name] = variable.states[place]
    return found
