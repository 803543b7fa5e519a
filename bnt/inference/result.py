"""What a run of belief propagation found: ``BPResult``."""

from __future__ import annotations

import copy
import math
from collections import deque
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from bnt.display import counted, draw
from bnt.errors import BntError
from bnt.graph.beliefs import Beliefs, belief_card
from bnt.graph.evidence import Evidence, Reduced, absorb
from bnt.graph.factor_graph import Array, FactorGraph
from bnt.graph.flat import Flat, base_flat, flatten
from bnt.inference.separation import evidence_reaches
from bnt.kernels.options import SUPPORT_TRIALS, Options

if TYPE_CHECKING:
    from pandas import DataFrame

    from bnt.display import Picture

Messages = dict[tuple[int, str], Array]


class BPResult:
    """What belief propagation found. Arrays are read-only views of flat storage.

    beliefs: probabilities by name. messages: {(factor index, variable name): log message} after the last round.
    rounds: rounds run. message_change: (rounds,) largest change of any message probability in each round.
    single_rounds: how many of the first of them were in float32, 0 unless ``precision="mixed"``.
    converged: the last change was within tolerance, or the forest is finished. support: "checked" | "unchecked".
    """

    def __init__(
        self,
        graph: FactorGraph,
        evidence: Evidence,
        options: Options,
        mu: Array | Callable[[], Array],
        logs: Array,
        history: Array,
        converged: bool,
        message_change: Array,
        exact_variable: np.ndarray,
        support: str,
        single_rounds: int = 0,
    ):
        self.graph, self.evidence, self.mode = graph, evidence, "max" if options.maximise else "sum"
        self.rounds, self.converged, self.message_change = len(message_change), converged, message_change
        self.support, self.single_rounds = support, single_rounds
        self._made, self._logs, self._history, self._exact = mu, logs, history, exact_variable

    @cached_property
    def _mu(self) -> Array:
        """Log messages after the last round, in the layout of ``flat.message_ptr``."""
        return self._made() if callable(self._made) else self._made

    @property
    def exact(self) -> bool:
        """Is every belief exact?"""
        return bool(self._exact.all())

    @cached_property
    def reduced(self) -> Reduced:
        """The graph after absorbing the evidence."""
        return absorb(self.graph, self.evidence)

    @cached_property
    def flat(self) -> Flat:
        """The reduced graph as flat arrays: the layout of all messages."""
        known = self.evidence.hard or self.evidence.soft
        return flatten(self.reduced) if known else base_flat(self.graph)

    @cached_property
    def beliefs(self) -> Beliefs:
        """Marginals (sum mode) or max-marginals scaled to sum to one (max mode); observed variables are certain."""
        return self._beliefs(self._logs)

    def beliefs_after(self, round: int) -> Beliefs:
        """Beliefs from the messages after ``round`` (0 = start). Needs ``keep_history=True``."""
        if round == self.rounds and len(self._history):
            return self.beliefs
        return self._beliefs(self._logs_of(self._row(round)))

    def _logs_of(self, mu: Array) -> Array:
        """Log beliefs that these messages give."""
        from bnt.kernels.readout import log_beliefs

        logs: Array = log_beliefs(self.flat, mu, self.mode == "max")[0]
        return logs

    def _beliefs(self, logs: Array) -> Beliefs:
        values = np.exp(logs)
        if self.mode == "max" and len(values):
            pointer = self.graph.state_ptr
            values = values / np.repeat(np.add.reduceat(values, pointer[:-1]), np.diff(pointer))
        return Beliefs(self.graph, values)

    @property
    def messages(self) -> Messages:
        """Factor-to-variable messages after the last round, by (factor index, variable name)."""
        return self._named(self._mu)

    @property
    def history(self) -> list[Messages]:
        """Messages after round 0 (start), 1, 2, ...; empty without ``keep_history=True``."""
        return [self._named(row) for row in self._history]

    def messages_after(self, round: int) -> Messages:
        """Messages after ``round`` (0 = start). Needs ``keep_history=True``."""
        return self._named(self._row(round))

    def _row(self, round: int) -> Array:
        if not 0 <= round < len(self._history):
            kept = f"0..{len(self._history) - 1}" if len(self._history) else "none; pass keep_history=True"
            raise BntError(f"no messages are kept for round {round}; kept rounds: {kept}")
        row: Array = self._history[round]
        return row

    def _named(self, mu: Array) -> Messages:
        pointer = self.flat.message_ptr
        return {key: mu[pointer[e] : pointer[e + 1]] for e, key in enumerate(message_keys(self.graph, self.flat))}

    def on(self, graph: FactorGraph, shift: float) -> BPResult:
        """The same result for ``graph``, whose tables are those of this one times a constant, exp(shift) in all."""
        other = copy.copy(self)
        reduced = self.reduced
        other.flat = self.flat
        other.reduced = reduced._replace(graph=graph, log_constant=reduced.log_constant + shift)
        other.graph = graph
        return other

    @property
    def algorithm(self) -> str:
        """What made these messages, in words."""
        rough = f", the first {self.single_rounds} rounds in float32" if self.single_rounds else ""
        return f"{self.mode}-product{rough}"

    @property
    def log_z_bethe(self) -> float | None:
        """Bethe estimate of log p(evidence): exact on a finished forest; None in max mode."""
        from bnt.kernels.readout import bethe_terms

        if self.mode == "max":
            return None
        return self.reduced.log_constant + math.fsum(bethe_terms(self.flat, self._mu))

    @property
    def status(self) -> str:
        """Status of the whole answer: the weakest over all unobserved variables."""
        return self._status_at([i for i in range(self.graph.n_variables) if i not in self.evidence.hard])

    def status_of(self, *names: str) -> str:
        """Status of the answer for these variables: "exact", "prior", "approximate" or "not converged".

        "prior": exact, evidence was given, and none of it reaches these variables.
        """
        return self._status_at([self.graph.position(name) for name in names])

    def _status_at(self, places: list[int]) -> str:
        if not all(self._exact[i] for i in places):
            return "approximate" if self.converged else "not converged"
        return "exact" if evidence_reaches(self.graph, self.evidence, places, self.mode == "max") else "prior"

    @cached_property
    def map_assignment(self) -> dict[str, str] | None:
        """A most probable assignment in max mode (approximate on loops), decoded factor by factor; None in sum mode.

        On loops with zeros what is decoded may be impossible. Then the search for a possible assignment takes its
        place, the likelier states first; None where that gave up: ``map_found`` is False.
        """
        if self.mode == "sum":
            return None
        decoded = _decode(self)
        chosen = decoded if _is_possible(self.reduced, decoded) else _search(self)
        if chosen is None:
            return None
        return {variable.name: variable.states[chosen[i]] for i, variable in enumerate(self.graph.variables)}

    @property
    def map_found(self) -> bool:
        """Is there a ``map_assignment``? False in sum mode, and where no possible one was found."""
        return self.map_assignment is not None

    def to_frame(self) -> DataFrame:
        """The beliefs as a pandas frame: variable, state, probability."""
        return self.beliefs.to_frame()

    def plot(self, **options: Any) -> Picture:
        """Messages and beliefs on the graph, at the end or after ``round=r`` if kept; see ``figures.plot``."""
        return draw(self, **options)

    def _repr_html_(self) -> str:
        line = f"{self.algorithm} on {counted(self.graph.n_variables, 'variable')}, "
        line += f"{counted(self.rounds, 'round')}"
        return belief_card(type(self).__name__, line, self.beliefs, self.status, self.support)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.status}, {self.rounds} rounds, {self.algorithm}, {self.graph!r}>"


def message_keys(graph: FactorGraph, flat: Flat) -> list[tuple[int, str]]:
    """(factor index, variable name) of every message, in the order of ``flat.message_ptr``."""
    return [
        (int(flat.factor_index[k]), graph.variables[v].name)
        for k, v in zip(flat.edge_factor, flat.edge_variable, strict=True)
    ]


def _is_possible(reduced: Reduced, chosen: Mapping[int, int]) -> bool:
    fields = all(reduced.fields[i][chosen[i]] > -np.inf for i in reduced.free)
    return fields and all(f.log_table[tuple(chosen[i] for i in f.scope)] > -np.inf for f in reduced.factors)


def _search(result: BPResult) -> dict[int, int] | None:
    """A possible assignment that prefers states of higher belief; None if SUPPORT_TRIALS did not suffice."""
    from bnt.kernels.readout import POSSIBLE, find_support, search_order

    flat, found = result.flat, np.empty_like(result.flat.cardinality)
    order = search_order(flat)
    if find_support(flat, order, result._logs, SUPPORT_TRIALS, found) != POSSIBLE:
        return None
    pointer = flat.field_ptr
    chosen = {i: int(np.argmax(result._logs[pointer[i] : pointer[i + 1]])) for i in result.reduced.free}
    return chosen | result.reduced.evidence.hard | {int(v): int(found[v]) for v in order}


def _decode(result: BPResult) -> dict[int, int]:
    """Assign a root by its belief, then each factor's open variables jointly given those already assigned."""
    from bnt.kernels.readout import all_scores

    flat, reduced = result.flat, result.reduced
    every = all_scores(flat, result._mu)
    chosen = dict(reduced.evidence.hard)
    for root in reduced.free:
        if root in chosen:
            continue
        chosen[root] = int(np.argmax(result._logs[flat.field_ptr[root] : flat.field_ptr[root + 1]]))
        queue = deque([root])
        while queue:
            v = queue.popleft()
            for e in flat.variable_edges[flat.variable_ptr[v] : flat.variable_ptr[v + 1]]:
                k = int(flat.edge_factor[e])
                scope = reduced.factors[k].scope
                is_open = [i not in chosen for i in scope]
                scores = every[flat.table_ptr[k] : flat.table_ptr[k + 1]].reshape(reduced.factors[k].log_table.shape)
                scores = scores[
                    tuple(slice(None) if free else chosen[i] for i, free in zip(scope, is_open, strict=True))
                ]
                best = np.unravel_index(int(np.argmax(scores)), scores.shape) if scores.ndim else ()
                for i, state in zip((i for i, free in zip(scope, is_open, strict=True) if free), best, strict=True):
                    chosen[i] = int(state)
                    queue.append(i)
    return chosen
