"""Models and evidence as JSON and back, without loss, and the hash that names a model.

A logarithm of zero is null; every other number is written so that reading it gives the same float64.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from bnt.errors import BntError, FormatError
from bnt.graph.evidence import Evidence
from bnt.graph.factor_graph import Factor, FactorGraph, Variable
from bnt.knowledge.base import KnowledgeBase, parse_knowledge
from bnt.knowledge.grounding import Grounding

Json = dict[str, Any]


def graph_to_json(graph: FactorGraph) -> Json:
    """Variables with their states, factors with scope and logarithms of the table in C order."""
    variables = [[variable.name, list(variable.states)] for variable in graph.variables]
    factors = [
        {"name": factor.name, "scope": [v.name for v in factor.variables], "log_table": _numbers(factor.log_table)}
        for factor in graph.factors
    ]
    return _hashed({"kind": "factor graph", "variables": variables, "factors": factors})


def graph_from_json(content: Json) -> FactorGraph:
    """The graph of ``graph_to_json``. Raises FormatError for what is no such model."""
    try:
        variables = {name: Variable(name, states) for name, states in content["variables"]}
        factors = []
        for one in content["factors"]:
            scope = [variables[name] for name in one["scope"]]
            logs = np.array([-np.inf if log is None else log for log in one["log_table"]], dtype=np.float64)
            factors.append(Factor(scope, name=one["name"], log_table=logs.reshape([v.cardinality for v in scope])))
        return FactorGraph(variables.values(), factors)
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(f"the model in this record cannot be read: {_said(error)}") from None


def knowledge_to_json(ground: Grounding) -> Json:
    """The text of the knowledge base, and the fan-in that it was grounded with."""
    return _hashed(
        {"kind": "knowledge base", "name": ground.base.name, "text": str(ground.base), "fan_in": ground.fan_in}
    )


def knowledge_from_json(content: Json) -> KnowledgeBase:
    """The base of ``knowledge_to_json``. Raises FormatError."""
    try:
        return parse_knowledge(content["text"], content["name"])
    except (KeyError, TypeError) as error:
        raise FormatError(f"the knowledge base in this record cannot be read: {_said(error)}") from None


def model_hash(model: Json) -> str:
    """SHA-256 of a model's content, keys sorted, without the hash itself."""
    kept = {key: value for key, value in model.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(kept, sort_keys=True, allow_nan=False).encode()).hexdigest()


def evidence_to_json(graph: FactorGraph, evidence: Evidence) -> Json:
    """{variable: state}, or {variable: {state: likelihood}} for soft evidence."""
    found: Json = {}
    for i, state in evidence.hard.items():
        found[graph.variables[i].name] = graph.variables[i].states[state]
    for i, log_likelihood in evidence.soft.items():
        values = np.exp(log_likelihood).tolist()
        found[graph.variables[i].name] = dict(zip(graph.variables[i].states, values, strict=True))
    return found


def plain(value: Any) -> Any:
    """A truth value, a state or likelihoods of an atom as JSON has them."""
    if isinstance(value, Mapping):
        return {str(key): float(one) for key, one in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [float(one) for one in value]
    return value.item() if isinstance(value, np.generic) else value


def number(value: float) -> float | str:
    """A float for JSON, which has no infinities: those are text."""
    return value if math.isfinite(value) else str(value)


def number_or_none(value: float | None) -> float | str | None:
    """The same where there may be none."""
    return None if value is None else number(value)


def limit_to_json(memory_limit: Any) -> int | None:
    """A number of bytes of any type of number; None: no limit."""
    return int(memory_limit) if memory_limit < math.inf else None


def _numbers(log_table: np.ndarray) -> list[float | None]:
    return [None if log == -np.inf else log for log in log_table.ravel().tolist()]


def _hashed(model: Json) -> Json:
    return {**model, "sha256": model_hash(model)}


def _said(error: Exception) -> str:
    """An error in words: a KeyError says only the key."""
    text = str(error) if isinstance(error, BntError) or not isinstance(error, KeyError) else f"no {error}"
    return text or type(error).__name__
