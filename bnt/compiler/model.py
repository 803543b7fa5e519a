"""What the compiler returns: weights, tokens, names for both, and how to read beliefs and messages back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

import numpy as np

from bnt.checks import of_kind
from bnt.compiler.layout import Layout
from bnt.display import UNCHECKED, card, counted, draw
from bnt.errors import BntError, InconsistentEvidenceError, UnsupportedModelError
from bnt.graph.beliefs import Beliefs
from bnt.graph.evidence import Reduced, describe
from bnt.graph.factor_graph import Array, FactorGraph
from bnt.graph.flat import Flat
from bnt.inference.belief_propagation import run_bp
from bnt.inference.result import BPResult
from bnt.inference.variational import run_mean_field, run_trw
from bnt.transformer.blocks import Layer, Weights
from bnt.transformer.forward import Trace

if TYPE_CHECKING:
    from bnt.display import Picture


class Readout(Protocol):
    """How one construction stores its results in the residual stream."""

    def log_messages(self, stream: Array) -> Array:
        """Factor-to-variable log messages, any scale per message, in the order of ``Flat.message_ptr``."""

    def log_beliefs(self, stream: Array) -> Array:
        """Log beliefs of all variables, any scale per variable, in the order of ``Flat.field``."""


class Parts(NamedTuple):
    """What one construction builds."""

    layer: Layer
    tokens: Array
    layout: Layout
    readout: Readout
    note: str = ""  # what a reader of the weights must know
    exact_after: int | None = None  # rounds, where the construction decides it
    on_forests: bool = True  # are enough rounds exact on a forest?


@dataclass(frozen=True, eq=False)
class CompiledModel:
    """A factor graph with evidence, as a transformer: ``forward(model.tokens, model.weights)``.

    tokens (n, d): the graph. weights: ``rounds + 1`` times the same layer, since beliefs are read one layer after the
    messages they sum: after layer r the messages are those of round r, the beliefs those of round r - 1.
    """

    weights: Weights
    tokens: Array
    layout: Layout
    construction: str
    evidence: Mapping[str, Any]
    reduced: Reduced
    flat: Flat
    rounds: int
    mode: Literal["sum", "max"]
    damping: float
    readout: Readout
    exact_after: int | None  # rounds after which undamped beliefs are the exact posterior; None: never certain
    support: str  # "checked": some joint state is possible; "unchecked": the search for one gave up
    note: str = ""

    def __repr__(self) -> str:
        n, d = self.tokens.shape
        return f"<CompiledModel: {self.construction}, {n} tokens, d_model {d}, {len(self.weights.layers)} layers>"

    def plot(self, **options: Any) -> Picture:
        """Messages and beliefs in the residual stream, at the end or after ``layer=i``; see ``figures.plot``."""
        return draw(self, **options)

    def _repr_html_(self) -> str:
        n, d = self.tokens.shape
        line = f"{self.construction} construction, {self.mode}-product, {counted(n, 'token')} of {d:,} columns, "
        line += counted(len(self.weights.layers), "layer")
        kinds = ((kind, rows.stop - rows.start) for kind, rows in self.layout.kinds.items())
        notes = [note for note in (self.note, UNCHECKED if self.support == "unchecked" else "") if note]
        return card(
            "CompiledModel", line, ("kind of token", "how many"), kinds, total=len(self.layout.kinds), notes=notes
        )

    @property
    def graph(self) -> FactorGraph:
        """The source graph."""
        return self.reduced.graph

    def reference(self, keep_history: bool = True) -> BPResult:
        """The rounds that the layers compute, by ``run_bp``, ``run_trw`` or ``run_mean_field``, whose they are.

        Of a junction tree these are the rounds on the graph itself, which its layers do not compute: they are exact.
        """
        return reference(
            self.construction, self.graph, self.evidence, self.mode, self.damping, self.rounds, keep_history
        )

    def beliefs(self, trace: Trace, layer: int = -1) -> Beliefs:
        """Beliefs by variable and state after ``layer`` layers (-1 = the end). Raises as ``beliefs_of``."""
        return self.beliefs_of(self._stream(trace, layer))

    def beliefs_of(self, stream: Array) -> Beliefs:
        """Beliefs in one residual stream (n, d).

        Raises BntError for a stream of another shape, InconsistentEvidenceError where no state of a variable has mass,
        or UnsupportedModelError where a joint state is known to be possible: then the model is beyond the range of this
        construction's floored logarithm.
        """
        self._check(stream)
        try:
            return self._beliefs_of(stream)
        except InconsistentEvidenceError as error:
            if self.support == "unchecked":
                raise
            raise UnsupportedModelError(
                f"beyond the {self.construction} construction: its floored logarithm sees '{error}', though a joint "
                "state is possible; use run_bp or exact_marginals"
            ) from None

    def _beliefs_of(self, stream: Array) -> Beliefs:
        logs, starts = self.readout.log_beliefs(stream), self.flat.field_ptr[:-1]
        highest = np.maximum.reduceat(logs, starts) if len(logs) else logs
        if np.isneginf(highest).any():
            name = self.graph.variables[int(np.argmin(highest))].name
            known = describe(self.graph, self.reduced.evidence)
            raise InconsistentEvidenceError(f"probability zero: {known}; no state of {name!r} has mass")
        values = np.exp(logs - np.repeat(highest, self.flat.cardinality))
        totals = np.add.reduceat(values, starts) if len(logs) else values
        return Beliefs(self.graph, values / np.repeat(totals, self.flat.cardinality))

    def messages(self, trace: Trace, layer: int = -1) -> dict[tuple[int, str], Array]:
        """Factor-to-variable log messages after ``layer`` layers (-1 = the end), by (factor index, variable name)."""
        flat, mu = self.flat, self.messages_of(self._stream(trace, layer))
        return {
            (int(flat.factor_index[flat.edge_factor[e]]), self.graph.variables[flat.edge_variable[e]].name): mu[
                flat.message_ptr[e] : flat.message_ptr[e + 1]
            ]
            for e in range(len(flat.edge_variable))
        }

    def messages_of(self, stream: Array) -> Array:
        """All messages in one residual stream, normalised as run_bp does (sum 1, or max 1), one after the other."""
        self._check(stream)
        mu, starts = self.readout.log_messages(stream), self.flat.message_ptr[:-1]
        if not len(mu):
            return mu
        lengths = np.diff(self.flat.message_ptr)
        mu = mu - np.repeat(np.maximum.reduceat(mu, starts), lengths)
        if self.mode == "sum":
            mu = mu - np.repeat(np.log(np.add.reduceat(np.exp(mu), starts)), lengths)
        return mu

    def _stream(self, trace: Trace, layer: int) -> Array:
        of_kind("the trace", trace, Trace, hint="forward(model.tokens, model.weights) makes one")
        return trace.after_layer(layer)

    def _check(self, stream: Array) -> None:
        shape = np.shape(stream)
        if shape != self.tokens.shape:
            raise BntError(f"a stream of this model has shape {self.tokens.shape}, not {shape}: is it another model's?")


def reference(
    construction: str,
    graph: FactorGraph,
    evidence: Mapping[str, Any] | None,
    mode: Literal["sum", "max"] = "sum",
    damping: float = 0.0,
    rounds: int | None = None,
    keep_history: bool = False,
) -> BPResult:
    """The message passing whose rounds a construction computes; rounds=None: until it settles."""
    if construction == "tree-reweighted":
        return run_trw(graph, evidence, damping=damping, rounds=rounds, keep_history=keep_history)
    if construction == "mean-field":
        return run_mean_field(
            graph, evidence, schedule="flooding", damping=damping, rounds=rounds, keep_history=keep_history
        )
    return run_bp(
        graph, evidence, mode=mode, schedule="flooding", damping=damping, rounds=rounds, keep_history=keep_history
    )
