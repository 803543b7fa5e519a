"""verify_model: a compiled transformer against belief propagation, message by message and round by round, and against
exact marginals: a forward pass, run_bp, and exact_marginals (enumeration, where joint states are few, or a junction
tree). None shares code with another; the junction tree is tested against pgmpy's variable elimination."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TYPE_CHECKING

import numpy as np

from bnt.checks import of_kind
from bnt.compiler.model import CompiledModel
from bnt.display import card, counted, draw
from bnt.errors import BntError
from bnt.graph.beliefs import Beliefs
from bnt.graph.factor_graph import Array
from bnt.inference.posterior import exact_status, posterior
from bnt.inference.result import BPResult
from bnt.transformer.blocks import Attention
from bnt.transformer.forward import choose_attention, run_layers

if TYPE_CHECKING:
    from pandas import DataFrame

    from bnt.display import Picture

# In probability. Measured: at most 4e-15 on 13 published networks, 1e-14 on random loopy graphs, 2e-12 on the complete
# graph of ten variables with strong couplings. On larger ones belief propagation can be chaotic, and amplify rounding
# to any size.
TOLERANCE = 1e-11


@dataclass(frozen=True)
class Report:
    """What verify_model found. Errors are largest absolute differences of probabilities; None where not applicable.

    message_errors[r-1]   transformer after layer r against BP after round r, over all messages
    belief_errors[r]      transformer after layer r+1 against BP after round r, over all variables and states
    """

    construction: str
    attention: str
    variables: int
    tokens: int
    d_model: int
    heads: int
    layers: int
    message_errors: Array | None
    belief_errors: Array | None
    worst_message: str | None
    bp_vs_exact: float | None
    transformer_vs_exact: float | None
    status: str
    note: str
    seconds: float

    @property
    def max_message_error(self) -> float | None:
        """Largest entry of message_errors."""
        return None if self.message_errors is None else float(self.message_errors.max(initial=0.0))

    @property
    def max_belief_error(self) -> float | None:
        """Largest entry of belief_errors."""
        return None if self.belief_errors is None else float(self.belief_errors.max(initial=0.0))

    @property
    def holds(self) -> bool:
        """The transformer equals its belief propagation (or, on a junction tree, the exact answer) within TOLERANCE."""
        if self.max_message_error is None or self.max_belief_error is None:
            return self.transformer_vs_exact is not None and self.transformer_vs_exact <= TOLERANCE
        return max(self.max_message_error, self.max_belief_error) <= TOLERANCE

    def to_frame(self) -> DataFrame:
        """One row per layer as a pandas frame: layer, message_error (against BP after as many rounds), belief_error.

        None where a layer has no such number: beliefs are read one layer after the messages they sum.
        """
        import pandas as pd

        messages = [] if self.message_errors is None else self.message_errors.tolist()
        beliefs = [] if self.belief_errors is None else self.belief_errors.tolist()
        rows = [(layer, *errors) for layer, errors in enumerate(zip_longest(messages, beliefs), start=1)]
        return pd.DataFrame(rows, columns=["layer", "message_error", "belief_error"])

    def plot(self) -> Picture:
        """The differences layer by layer on a logarithmic axis, beside those from exact; see ``figures.plot``."""
        return draw(self)

    def _repr_html_(self) -> str:
        sizes = [("variable", self.variables), ("token", self.tokens), ("head", self.heads), ("layer", self.layers)]
        line = f"{self.construction} construction, d_model {self.d_model}, "
        line += ", ".join(counted(count, thing) for thing, count in sizes)
        rows = [
            ("messages, transformer against BP, every round", self.max_message_error),
            ("beliefs, transformer against BP, every round", self.max_belief_error),
            ("beliefs, BP against exact", self.bp_vs_exact),
            ("beliefs, transformer against exact", self.transformer_vs_exact),
        ]
        notes = [f"tolerance {TOLERANCE:g}; the answer itself is {self.status}", *([self.note] if self.note else [])]
        status = "holds" if self.holds else "does not hold"
        return card("Report", line, ("largest difference of a probability", ""), rows, status=status, notes=notes)

    def __str__(self) -> str:
        def text(error: float | None) -> str:
            return "not applicable" if error is None else f"{error:.1e}"

        worst = f"   worst: {self.worst_message}" if self.worst_message else ""
        return "\n".join(
            [
                f"{self.construction} construction, {self.attention} attention: {self.variables} variables, "
                f"{self.tokens} tokens, d_model {self.d_model}, {self.heads} heads, {self.layers} layers",
                f"  messages, transformer vs BP, every round   {text(self.max_message_error)}{worst}",
                f"  beliefs,  transformer vs BP, every round   {text(self.max_belief_error)}",
                f"  beliefs,  BP vs exact                      {text(self.bp_vs_exact)}",
                f"  beliefs,  transformer vs exact             {text(self.transformer_vs_exact)}",
                f"  status: {self.status}   {'holds' if self.holds else 'DOES NOT HOLD'} "
                f"(tolerance {TOLERANCE:g})   {self.seconds:.2f} s",
                *([f"  {self.note}"] if self.note else []),
            ]
        )


def verify_model(model: CompiledModel, *, attention: str | None = None, exact: bool = True) -> Report:
    """Compare every message of every round with run_bp, every belief too, and the last beliefs with exact marginals.

    Layers are streamed: one residual stream in memory. attention: "dense" | "gather" | None (dense for small models).
    exact=False, or a model too large for exact marginals, leaves those fields None. Raises BntError: no CompiledModel,
    an unknown attention; as ``forward`` and ``CompiledModel.beliefs_of``.
    """
    of_kind("verify_model's argument", model, CompiledModel, hint="compile_graph(graph, evidence) makes one")
    if attention not in (None, "dense", "gather"):
        raise BntError(f'attention must be "dense", "gather" or None, not {attention!r}')
    start = time.perf_counter()
    bp = None if model.construction == "junction-tree" else model.reference()
    attention = attention or choose_attention(model.tokens, model.weights)
    message_errors, belief_errors, worst, worst_edge = [], [], 0.0, None
    beliefs = None
    for layer, (inside, _) in enumerate(run_layers(model.tokens, model.weights, attention, reuse=True), start=1):
        stream = inside[-1]
        if bp is None:
            beliefs = model.beliefs_of(stream) if layer == len(model.weights.layers) else None
            continue
        beliefs = model.beliefs_of(stream)
        belief_errors.append(beliefs.distance(bp.beliefs_after(layer - 1)))
        if layer > model.rounds:
            break
        errors = np.abs(np.exp(model.messages_of(stream)) - np.exp(_flat(bp, layer)))
        message_errors.append(float(errors.max(initial=0.0)))
        if message_errors[-1] > worst:
            worst, worst_edge = message_errors[-1], _describe(model, int(np.argmax(errors)), layer)
    oracle = _exact(model) if exact else None
    report = Report(
        construction=model.construction,
        attention=attention,
        variables=len(model.graph.variables),
        tokens=len(model.tokens),
        d_model=model.layout.width,
        heads=sum(len(sub.heads) for sub in model.weights.layers[0] if isinstance(sub, Attention)),
        layers=len(model.weights.layers),
        message_errors=None if bp is None else np.array(message_errors),
        belief_errors=None if bp is None else np.array(belief_errors),
        worst_message=worst_edge,
        bp_vs_exact=None if bp is None or oracle is None else bp.beliefs.distance(oracle),
        transformer_vs_exact=None if beliefs is None or oracle is None else beliefs.distance(oracle),
        status=_tree_status(model) if bp is None else bp.status,
        note=model.note,
        seconds=time.perf_counter() - start,
    )
    if not report.holds and report.status in ("exact", "prior"):  # its BP is exact, the transformer is not that BP
        return replace(report, status="approximate")
    return report


def _tree_status(model: CompiledModel) -> str:
    if model.exact_after is None or model.rounds < model.exact_after:
        return "not converged"
    return exact_status(model.graph, model.reduced.evidence, model.mode, *model.graph.index)


def _flat(bp: BPResult, round: int) -> Array:
    """All log messages of one round, edge by edge, as CompiledModel.messages_of gives them."""
    return np.concatenate([np.zeros(0), *bp.messages_after(round).values()])


def _exact(model: CompiledModel) -> Beliefs | None:
    found = posterior(model.graph, model.evidence, mode=model.mode)
    return found.beliefs if found.method == "exact" else None


def _describe(model: CompiledModel, entry: int, round: int) -> str:
    """Name the message that an entry of the flat message vector belongs to."""
    flat = model.flat
    e = int(np.searchsorted(flat.message_ptr, entry, side="right")) - 1
    f = int(flat.factor_index[flat.edge_factor[e]])
    name = model.graph.variables[flat.edge_variable[e]].name
    return f"factor {f} to {name!r}, round {round}"
