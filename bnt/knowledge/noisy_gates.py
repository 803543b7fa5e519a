"""From causes to conditional probability tables: noisy-AND inside a cause, noisy-OR across causes.

    P(head false | parents) = (1 - base) * product over causes k of (1 - p_k [all conditions of cause k hold])

One table over all parents has 2^(parents + 1) entries. With more than ``fan_in`` parents the gate becomes a chain of
tables of at most 2^(fan_in + 1) entries, through auxiliary variables that stand for "some cause so far has fired"
(``head#or1``, ...) and "these conditions hold" (``head#and1``, ...). Summing the auxiliary variables out gives the one
large table back, exactly; a *most probable* assignment of all variables may differ, since it also chooses them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bnt.graph.factor_graph import Array, Factor, Variable

STATES = ("false", "true")


class Cause(NamedTuple):
    """Conditions (names of parents, all must hold) and the probability that the head follows."""

    conditions: tuple[str, ...]
    probability: float


Table = tuple[str, tuple[str, ...], Array]  # variable, its parents, P(variable | parents)


def noisy_or_table(parents: Sequence[str], causes: Sequence[Cause], base: float = 0.0) -> Array:
    """P(head | parents), axes (head, *parents), each of size 2 (false, true)."""
    log_free = np.zeros((2,) * len(parents))  # log P(head false)
    with np.errstate(divide="ignore"):
        log_free += np.log1p(-base)
        for cause in causes:
            place = tuple(1 if parent in cause.conditions else slice(None) for parent in parents)
            log_free[place] += np.log1p(-cause.probability)
    return np.stack([np.exp(log_free), -np.expm1(log_free)])


def gate(head: str, base: float, causes: Sequence[Cause], fan_in: int) -> tuple[list[Variable], list[Factor]]:
    """Variables and factors of one atom: the head last, before it the auxiliary variables, if any.

    Each factor is the table of one variable given others, over (that variable, *parents), and bears its name.
    """
    tables: list[Table] = []
    parents = _parents(causes)
    if len(parents) <= fan_in:
        tables.append((head, parents, noisy_or_table(parents, causes, base)))
    else:
        _chain(head, base, [_narrow(head, cause, fan_in, tables) for cause in causes], fan_in, tables)
    made = [Variable(name, STATES) for name, _, _ in tables]
    factors = [
        Factor([Variable(one, STATES) for one in (name, *above)], table, name=name) for name, above, table in tables
    ]
    return made, factors


def _parents(causes: Sequence[Cause]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for cause in causes for name in cause.conditions))


def _narrow(head: str, cause: Cause, fan_in: int, tables: list[Table]) -> Cause:
    """The cause with fewer than ``fan_in`` conditions, the others gathered in auxiliary conjunctions."""
    conditions = cause.conditions
    while len(conditions) >= fan_in:
        first, rest = conditions[:fan_in], conditions[fan_in:]
        name = f"{head}#and{sum('#and' in made for made, _, _ in tables) + 1}"
        tables.append((name, first, noisy_or_table(first, [Cause(first, 1.0)])))
        conditions = (name, *rest)
    return Cause(conditions, cause.probability)


def _chain(head: str, base: float, causes: list[Cause], fan_in: int, tables: list[Table]) -> None:
    """Links of causes with few parents together; each link is the OR of its causes and of the link before."""
    links: list[list[Cause]] = [[]]
    for cause in causes:
        room = fan_in - (len(links) > 1)  # every link but the first has the link before it as a parent
        if links[-1] and len(_parents([*links[-1], cause])) > room:
            links.append([])
        links[-1].append(cause)
    before: list[Cause] = []
    for i, link in enumerate(links, start=1):
        name = head if i == len(links) else f"{head}#or{i}"
        together = [*before, *link]
        parents = _parents(together)
        tables.append((name, parents, noisy_or_table(parents, together, base if i == 1 else 0.0)))
        before = [Cause((name,), 1.0)]
