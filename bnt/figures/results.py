"""``plot(thing)``: the picture that says more than the table of a result. ``result.plot()`` is this function.

Each kind of result is drawn by a function of this room; a kind without an entry has no picture.
"""

from __future__ import annotations

from functools import singledispatch
from typing import Any

from bnt.compiler.model import CompiledModel
from bnt.compiler.verify import Report
from bnt.errors import BntError, TooLargeError
from bnt.figures.attention import implicit_tree
from bnt.figures.charts import errors_by_layer
from bnt.figures.graphs import factor_graph, residual_stream
from bnt.figures.knowledge import rules, weights_of_evidence
from bnt.figures.picture import Picture
from bnt.figures.sequences import hidden_chain
from bnt.graph.beliefs import Beliefs
from bnt.graph.factor_graph import FactorGraph
from bnt.inference.exact import ExactResult
from bnt.inference.result import BPResult
from bnt.knowledge.base import KnowledgeBase
from bnt.knowledge.explanations import Explanation
from bnt.reading.implicit_graph import ImplicitGraph
from bnt.sequences.hmm import HMM, Observations
from bnt.transformer.forward import Trace, forward

MOST_VARIABLES = 60  # or tokens: more cannot be read
MOST_COLUMNS = 24  # of a residual stream


@singledispatch
def plot(thing: Any, *given: Any, **options: Any) -> Picture:
    """A picture of this result. Raises BntError for a kind that has none, TooLargeError for what cannot be read."""
    kinds = sorted(kind.__name__ for kind in plot.registry if kind is not object)
    raise BntError(f"there is no picture of a {type(thing).__name__}; there is one of: {', '.join(kinds)}")


@plot.register
def _(graph: FactorGraph, *, title: str = "") -> Picture:
    """Variables and factors."""
    _small(len(graph.variables), "variables")
    return factor_graph(graph, title=title)


@plot.register
def _(beliefs: Beliefs, *, title: str = "") -> Picture:
    """The graph, each variable tinted by its belief."""
    _small(len(beliefs), "variables")
    return factor_graph(beliefs.graph, beliefs=beliefs, title=title)


@plot.register
def _(result: BPResult, *, round: int | None = None) -> Picture:
    """Messages and beliefs at the end, or after ``round`` of a run with ``keep_history=True``."""
    _small(len(result.graph.variables), "variables")
    last = round is None
    return factor_graph(
        result.graph,
        to_variables=result.messages if round is None else result.messages_after(round),
        beliefs=result.beliefs if round is None else result.beliefs_after(round),
        evidence=dict.fromkeys(result.graph.variables[i].name for i in result.reduced.evidence.hard),
        title=f"{result.status}, after {result.rounds} rounds" if last else f"after round {round} of {result.rounds}",
    )


@plot.register
def _(result: ExactResult, *, title: str = "exact") -> Picture:
    """The graph, each variable tinted by its marginal."""
    return plot(result.beliefs, title=title)


@plot.register
def _(trace: Trace, *, layer: int = -1, title: str = "") -> Picture:
    """The residual stream after ``layer`` layers (-1 = the end) as a heatmap; tokens and columns by number."""
    stream = trace.after_layer(layer)
    _small(len(stream), "tokens")
    _small(stream.shape[1], "columns", MOST_COLUMNS)
    done = layer + trace.layers + 1 if layer < 0 else layer
    tokens, columns = (tuple(map(str, range(size))) for size in stream.shape)
    title = title or f"the residual stream after layer {done} of {trace.layers}"
    return residual_stream(stream, tokens, columns, title=title)


@plot.register
def _(model: CompiledModel, *, layer: int = -1) -> Picture:
    """Messages and beliefs that the residual stream holds after ``layer`` layers, on the graph they stand for."""
    _small(len(model.graph.variables), "variables")
    trace = forward(model.tokens, model.weights, keep="layers")
    done = layer + trace.layers + 1 if layer < 0 else layer
    return factor_graph(
        model.graph,
        to_variables=model.messages(trace, layer),
        beliefs=model.beliefs(trace, layer),
        evidence=model.evidence,
        title=f"the residual stream after layer {done} of {trace.layers}",
    )


@plot.register
def _(graph: ImplicitGraph, *, token: int = 0, channel: int = 0, layer: int = -1, depth: int = 1) -> Picture:
    """The tree behind one token, as ``ImplicitGraph.graph`` unrolls it."""
    tree = graph.graph(token, channel, layer=layer, depth=depth)
    _small(len(tree.variables), "variables")
    return implicit_tree(tree, title=f"token {token}: P(y = 1) is the sigmoid of its log odds")


@plot.register
def _(hmm: HMM, observations: Observations, *, title: str = "") -> Picture:
    """The chain of these observations: the messages that run forwards, and the filtered beliefs."""
    return hidden_chain(hmm, observations, title=title)


@plot.register
def _(explanation: Explanation) -> Picture:
    """What each piece of evidence did to the answer, in decibans."""
    return weights_of_evidence(explanation)


@plot.register
def _(report: Report) -> Picture:
    """How far the transformer is from belief propagation after each layer, and both from exact at the end."""
    return errors_by_layer(report)


@plot.register
def _(base: KnowledgeBase) -> Picture:
    """Predicates, and the rules that lead from some to others."""
    _small(len(base.predicates), "predicates")
    return rules(base)


def _small(count: int, things: str, most: int = MOST_VARIABLES) -> None:
    if count > most:
        raise TooLargeError(f"{count:,} {things} cannot be read in one picture; the limit is {most}")
