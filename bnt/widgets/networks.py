"""Controls for networks and messages: what is observed, rounds, layers, columns of the stream, loops."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ipywidgets
import numpy as np
from numpy.typing import NDArray

from bnt.claims.models import complete_ising, complete_ising_round
from bnt.compiler.model import CompiledModel
from bnt.figures import charts, compiled, growing
from bnt.figures import graphs as figures
from bnt.figures.graphs import Parents
from bnt.figures.picture import Picture, number
from bnt.graph.beliefs import Beliefs
from bnt.graph.factor_graph import FactorGraph, Variable
from bnt.inference.belief_propagation import run_bp
from bnt.inference.exact import exact_marginals
from bnt.inference.posterior import posterior
from bnt.inference.result import BPResult
from bnt.inference.spectral_bound import spectral_bound
from bnt.transformer.forward import Trace, forward
from bnt.widgets.explorer import NOTHING, Explorer, buttons, dial, slider

Array = NDArray[np.float64]

MOST_BUTTONS = 4  # states; more than that get a slider


# --- evidence ---------------------------------------------------------------------------------------------------------


def evidence_panel(parents: Parents, graph: FactorGraph) -> Explorer:
    """One row of buttons per variable: observe a state and see the posterior of all the others."""
    controls = {variable.name: _chooser(variable) for variable in graph.variables}
    before = posterior(graph).beliefs

    def draw(**chosen: str) -> Picture:
        return evidence_picture(parents, graph, {v: s for v, s in chosen.items() if s != NOTHING}, before)

    return Explorer(draw, controls)


def _chooser(variable: Variable) -> ipywidgets.DOMWidget:
    """Buttons for the states of a variable and for "not observed"; a slider over them if there are many."""
    options = [NOTHING, *variable.states]
    if variable.cardinality > MOST_BUTTONS:
        return ipywidgets.SelectionSlider(options=options, description=variable.name)
    return buttons(variable.name, options)


def evidence_picture(parents: Parents, graph: FactorGraph, evidence: Mapping[str, Any], before: Beliefs) -> Picture:
    """The network panel after ``evidence``, with ticks at the beliefs ``before``. Raises InconsistentEvidenceError."""
    found = posterior(graph, evidence)
    given = ", ".join(f"{name} = {value}" for name, value in evidence.items()) or "nothing observed"
    title = f"{given} ({found.status})"
    return figures.network_panel(
        parents, found.beliefs, evidence=evidence, before=before if evidence else None, title=title
    )


# --- rounds and layers ------------------------------------------------------------------------------------------------


def round_slider(result: BPResult) -> Explorer:
    """A slider over the rounds of a run with ``keep_history=True``: messages as arrows, beliefs in the boxes."""
    return Explorer(lambda round: round_picture(result, round), {"round": slider("round", result.rounds)})


def round_picture(result: BPResult, round: int) -> Picture:
    """Messages and beliefs after ``round`` (0 = start)."""
    return figures.factor_graph(
        result.graph,
        to_variables=result.messages_after(round),
        beliefs=result.beliefs_after(round),
        evidence={result.graph.variables[i].name: 0 for i in result.reduced.evidence.hard},
        title=f"after round {round} of {result.rounds}",
    )


def layer_slider(model: CompiledModel) -> Explorer:
    """A slider over the layers of a compiled model: the messages in its residual stream, drawn on the factor graph."""
    trace = forward(model.tokens, model.weights, keep="layers")
    return Explorer(lambda layer: layer_picture(model, trace, layer), {"layer": slider("layer", trace.layers)})


def layer_picture(model: CompiledModel, trace: Trace, layer: int) -> Picture:
    """Messages and beliefs that the residual stream holds after ``layer`` layers (0 = the tokens)."""
    return figures.factor_graph(
        model.graph,
        to_variables=model.messages(trace, layer),
        beliefs=model.beliefs(trace, layer),
        evidence=model.evidence,
        title=f"the residual stream after layer {layer} of {trace.layers}",
    )


def stream_slider(model: CompiledModel, columns: tuple[str, ...]) -> Explorer:
    """A slider over the layers of a compiled model: these columns of its residual stream as a heatmap."""
    trace = forward(model.tokens, model.weights, keep="layers")
    draw = lambda layer: stream_picture(model, trace, layer, columns)  # noqa: E731
    return Explorer(draw, {"layer": slider("layer", trace.layers)})


def stream_picture(model: CompiledModel, trace: Trace, layer: int, columns: tuple[str, ...]) -> Picture:
    """The named columns of the residual stream after ``layer`` layers, one row per token."""
    places = [model.layout.position(name) for name in columns]
    names = figures.token_names(model.graph, model.layout)
    title = f"residual stream after layer {layer} of {trace.layers}"
    return figures.residual_stream(trace.after_layer(layer)[:, places], names, columns, title=title)


def sublayer_slider(model: CompiledModel, layer: int = 1) -> Explorer:
    """A slider through the sublayers of one layer (0 = the first): what each of them writes into the stream."""
    trace = forward(model.tokens, model.weights)
    count = len(model.weights.layers[layer]) if 0 <= layer < trace.layers else 0  # the picture says what is valid
    draw = lambda step: compiled.sublayer_strip(model, trace, layer, step)  # noqa: E731
    return Explorer(draw, {"step": slider("sublayers done", count, min(1, count))})


def growing_tree_slider(graph: FactorGraph) -> Explorer:
    """A slider through the elimination of a graph's variables, and buttons for the one whose cliques are marked."""
    names = list(graph.index)
    controls = {
        "step": slider("variables eliminated", len(names)),
        "follow": buttons("follow", names)
        if len(names) <= MOST_BUTTONS * 2
        else ipywidgets.SelectionSlider(options=names, description="follow"),
    }
    return Explorer(lambda step, follow: growing.growing_tree(graph, step, follow), controls)


# --- loops ------------------------------------------------------------------------------------------------------------

SHOWN = 30  # rounds


def damping_explorer() -> Explorer:
    """Coupling, field and damping on the complete graph of n variables: does it settle, and is it right?"""
    controls = {
        "n": ipywidgets.IntSlider(4, 3, 8, description="variables"),
        "coupling": dial("coupling J", -1.5, 1.5, 0.1, -1.0),
        "field": dial("field", 0.02, 0.4, 0.02, 0.2),
        "damping": dial("damping", 0.0, 0.9, 0.1, 0.0),
    }
    return Explorer(damping_picture, controls)


def damping_picture(n: int, coupling: float, field: float, damping: float) -> Picture:
    """One round as a map, and the belief in state "1" after each of the first rounds, from ``run_bp``."""
    graph = complete_ising(n, coupling, field)
    exact = exact_marginals(graph).beliefs
    run = run_bp(graph, schedule="flooding", damping=damping)
    start = run_bp(graph, damping=damping, rounds=SHOWN, keep_history=True)
    beliefs = [start.beliefs_after(r)["x0"]["1"] for r in range(SHOWN + 1)]
    path = [_log_odds(next(iter(start.messages_after(r).values()))) for r in range(SHOWN + 1)]
    most = max(1.0, 1.3 * abs(coupling) * 2)
    x = np.linspace(-most, most, 201)
    bound = spectral_bound(graph)
    settled = f"converged in {run.rounds} rounds, off by {number(run.beliefs.distance(exact))}"
    says = settled if run.converged else "does not converge"
    title = f"K{n}, J = {coupling:+.1f}, damping {damping:.1f}: {says} (bound {bound:.2f})"
    mapped = complete_ising_round(x, n, coupling, field, damping)
    return charts.cobweb(x, mapped, path, beliefs, exact["x0"]["1"], title=title)


def _log_odds(log_message: Array) -> float:
    return float(log_message[1] - log_message[0])


def loopy_panel(parents: Parents, graph: FactorGraph) -> Explorer:
    """The evidence panel with the beliefs of belief propagation, and a tick where the exact posterior is."""
    controls = {variable.name: _chooser(variable) for variable in graph.variables}

    def draw(**chosen: str) -> Picture:
        return loopy_picture(parents, graph, {v: state for v, state in chosen.items() if state != NOTHING})

    return Explorer(draw, controls)


def loopy_picture(parents: Parents, graph: FactorGraph, evidence: Mapping[str, Any]) -> Picture:
    """Bars: belief propagation; ticks: the exact posterior. Raises InconsistentEvidenceError."""
    bp, exact = run_bp(graph, evidence), exact_marginals(graph, evidence).beliefs
    given = ", ".join(f"{name} = {value}" for name, value in evidence.items()) or "nothing observed"
    error = bp.beliefs.distance(exact)
    said = "no error" if error <= figures.EXACT_WITHIN else f"largest error {number(error, 4)}"
    title = f"{given}: {bp.status}, {said} (tick: truth)"
    picture = figures.network_panel(parents, bp.beliefs, evidence=evidence, before=exact, title=title)
    header = ["exact" if name == "before" else name for name in picture.header]
    return Picture(picture.figure, picture.alt, header, picture.rows)
