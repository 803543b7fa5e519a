"""``replay(path)``: a record computed again, from the model inside it, and compared number by number."""

from __future__ import annotations

import math
import os
from typing import Any, NamedTuple

from bnt.compiler.posterior import ASKED_AS, transformer_posterior
from bnt.errors import BntError, FormatError
from bnt.inference.posterior import posterior
from bnt.knowledge.queries import ask
from bnt.records import models
from bnt.records.models import Json
from bnt.records.record import Record, read_record

TOLERANCE = (
    1e-9  # of probabilities and logarithms, absolute, and relative beyond 1: other machines add up in another order
)
KEPT = ("answer", "reasons")


class Replay(NamedTuple):
    """Whether a record holds. differences: where it does not, each in words; notes: what else differs: versions."""

    holds: bool
    largest: float  # difference of any two numbers that were compared
    differences: tuple[str, ...]
    notes: tuple[str, ...]

    def __str__(self) -> str:
        head = f"holds: every number within {TOLERANCE:g}, the largest difference is {self.largest:.1g}"
        lines = [head if self.holds else f"DOES NOT HOLD: {len(self.differences)} differences", *self.differences[:20]]
        if len(self.differences) > 20:
            lines.append(f"... and {len(self.differences) - 20} more")
        return "\n".join([*lines, *self.notes])


def replay(source: str | os.PathLike[str] | Record) -> Replay:
    """Ask the question of a record again and compare answer, weights and slopes. Raises FormatError for no record."""
    record = source if isinstance(source, Record) else read_record(source)
    content = record.content
    try:
        model = content["model"]
        if (now := models.model_hash(model)) != model["sha256"]:
            changed = f"the model was changed: its SHA-256 is {now}, the record says {model['sha256']}"
            return Replay(False, math.nan, (changed,), ())
        again = _asked_again(content)
    except FormatError:
        raise
    except BntError as error:
        return Replay(False, math.nan, (f"the question cannot be asked any more: {error}",), ())
    except (KeyError, TypeError, AttributeError) as error:
        raise FormatError(f"this record is damaged: {type(error).__name__} {error}") from None
    differences, largest = list[str](), [0.0]
    for part in KEPT:
        _compare(part, content.get(part), again.content[part], differences, largest)
    mine = again.content["versions"]
    notes = [
        f"made with {name} {version}, replayed with {mine.get(name)}"
        for name, version in content.get("versions", {}).items()
        if mine.get(name) != version
    ]
    return Replay(not differences, largest[0], tuple(differences), tuple(notes))


def _asked_again(content: Json) -> Record:
    question, model = content["question"], content["model"]
    if model["kind"] == "knowledge base":
        base = models.knowledge_from_json(model)
        ground: Any = base if model["fan_in"] == 6 else base.ground(fan_in=model["fan_in"])
        return ask(ground, question["query"][0], question["evidence"], method=question["method"]).record()
    graph = models.graph_from_json(model)
    query = None if question["whole"] else question["query"]
    evidence, method = question["evidence"], question["method"]
    compiled = {name: construction for construction, name in ASKED_AS.items()}
    if method in compiled:
        construction = compiled[method]
        answer = transformer_posterior(graph, evidence, query, mode=question["mode"], construction=construction)
    else:
        limit = math.inf if question["memory_limit"] is None else question["memory_limit"]
        answer = posterior(graph, evidence, query, method, question["mode"], memory_limit=limit)
    record = answer.record(about=question["about"] if question["mode"] == "sum" else None)
    now, kept = record.content["answer"], content["answer"]
    for name in ("log_z", "log_probability"):  # soft evidence that left one state is a state in the record
        if isinstance(now[name], float):
            now[name] += question["log_constant"]
    if now["log_z"] is None or kept["log_z"] is None:  # a first question looks only at what it depends on, a second not
        now["log_z"] = kept["log_z"]
    return record


def _compare(where: str, kept: Any, now: Any, differences: list[str], largest: list[float]) -> None:
    """Walk two pieces of JSON: numbers within TOLERANCE, all else equal. The order of equal slopes may differ."""
    if isinstance(kept, dict) and isinstance(now, dict) and kept.keys() == now.keys():
        for key in kept:
            if key == "slopes":
                _compare(f"{where}.{key}", _sorted(kept[key]), _sorted(now[key]), differences, largest)
            elif key == "effects":
                _compare(f"{where}.{key}", _by(kept[key], "clause"), _by(now[key], "clause"), differences, largest)
            else:
                _compare(f"{where}.{key}", kept[key], now[key], differences, largest)
    elif isinstance(kept, list) and isinstance(now, list) and len(kept) == len(now):
        for i, (one, other) in enumerate(zip(kept, now, strict=True)):
            _compare(f"{where}[{i}]", one, other, differences, largest)
    elif _is_number(kept) and _is_number(now):
        difference = abs(kept - now)
        largest[0] = max(largest[0], difference / max(1.0, abs(now)))
        if not difference <= TOLERANCE * max(1.0, abs(now)):
            differences.append(f"{where}: the record says {kept!r}, now it is {now!r}")
    elif kept != now:
        differences.append(f"{where}: the record says {kept!r}, now it is {now!r}")


def _sorted(slopes: list[Json]) -> list[Json]:
    return sorted(slopes, key=lambda one: (one["factor"], one["states"]))


def _by(rows: list[Json], key: str) -> list[Json]:
    return sorted(rows, key=lambda one: str(one[key]))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
