"""One computation, seen twice: belief propagation on a tree and the residual stream of its transformer, on one clock.

Everything that the picture shows is computed here, for every combination of evidence on a few variables; hero.js only
draws. It needs no kernel, so the same HTML stands in lesson 00 and on a web page: ``widgets.one_clock().html()``.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Sequence
from typing import Any

import networkx as nx
import numpy as np

from bnt.checks import need
from bnt.compiler.compile import compile_graph
from bnt.figures import clock
from bnt.figures.clock import COLUMNS, split_factors
from bnt.figures.graphs import token_names
from bnt.figures.picture import Picture, own_style
from bnt.figures.placement import place_graph
from bnt.graph.factor_graph import Factor, FactorGraph, Variable
from bnt.inference.belief_propagation import run_bp
from bnt.inference.exact import exact_marginals
from bnt.transformer.forward import forward
from bnt.widgets.live import alive

MOST_ASKED = 3  # variables that may be observed: 27 scenes
SEEN = 1e-3  # attention weights above this are drawn


def valley() -> FactorGraph:
    """The six weather stations of lesson 03: five tables between neighbours, and what three of them saw themselves."""
    station = {name: Variable(name, ("dry", "wet")) for name in ("hill", "barn", "ford", "mill", "town", "port")}
    tables = {  # table[state of the first, state of the second]
        ("hill", "ford"): [[0.8, 0.2], [0.3, 0.7]],
        ("barn", "ford"): [[0.7, 0.3], [0.4, 0.6]],
        ("ford", "mill"): [[0.9, 0.1], [0.2, 0.8]],
        ("mill", "town"): [[0.85, 0.15], [0.25, 0.75]],
        ("mill", "port"): [[0.6, 0.4], [0.1, 0.9]],
    }
    pairs = [Factor((station[a], station[b]), table) for (a, b), table in tables.items()]
    fields = {"hill": [0.1, 0.9], "barn": [0.6, 0.4], "port": [0.9, 0.1]}
    return FactorGraph(station.values(), pairs + [Factor((station[name],), row) for name, row in fields.items()])


class Hero:
    """What ``one_clock`` returns: shows itself, plays, and stops when told; without scripts a still picture."""

    def __init__(self, graph: FactorGraph, ask: Sequence[str]):
        self.graph = graph
        self.numbers = scenes(graph, ask)

    def picture(self) -> Picture:
        """The still picture: without evidence, after half the rounds."""
        model = compile_graph(self.graph)
        trace, run = forward(model.tokens, model.weights), run_bp(self.graph, rounds=model.rounds, keep_history=True)
        with own_style():
            return clock.one_clock(model, trace, run, exact_marginals(self.graph).beliefs, (model.rounds + 1) // 2)

    def html(self) -> str:
        """A piece of HTML that is complete in itself: the still picture, and the script that takes its place."""
        name = hashlib.sha256(json.dumps(self.numbers).encode()).hexdigest()[:8]
        return alive(f"bnt-hero-{name}", self.picture().html(), "mountHero", self.numbers)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": self.html(), "text/plain": repr(self)}

    def __repr__(self) -> str:
        return f"<belief propagation and the compiled transformer on one clock: {', '.join(self.graph.index)}>"


def one_clock(graph: FactorGraph | None = None, ask: Sequence[str] = ("hill", "town", "port")) -> Hero:
    """Messages on a tree and the residual stream of its compiled transformer, on one clock; None: ``valley()``.

    graph: a tree (or several) of factors over at most two variables, all of which have the same two states.
    ask: at most three of its variables, which the reader may observe. Raises BntError for anything else,
    UnknownVariableError for a name that the graph does not have.
    """
    return Hero(valley() if graph is None else graph, ask)


def scenes(graph: FactorGraph, ask: Sequence[str]) -> dict[str, Any]:
    """The numbers of the picture: what is the same in all scenes, and a scene per choice of evidence.

    A scene is called by one digit per variable of ``ask``: 0 not observed, 1 or 2 its first or second state. It holds
    thousandths (p = probability of the second state) and hundredths (log odds in the stream):

    messages[t]  p of each message from factor to variable after round t; None where evidence has cut it
    beliefs[t]   p of each variable after round t          exact  p of each variable
    fixed        (tokens, 4) columns theta, a, c, d        stream[t]  (tokens, 3) columns s, m, belief after layer t;
                 s as attention left it, for the FFN clears it
    reads        [reader, read] tokens of attention, weight above SEEN, without the sink and a token itself
    """
    states = graph.variables[0].states if graph.variables else ()
    binary = len(states) == 2 and all(variable.states == states for variable in graph.variables)
    need(binary, "the picture needs variables that all have the same two states")
    names, pairs = list(graph.index), split_factors(graph)
    edges = [(names[i], names[j]) for i, j in (graph.scopes[f] for f in pairs)]
    need(len(pairs) > 0, "the picture needs a factor over two variables, else there is no message to show")
    need(
        nx.is_forest(nx.MultiGraph(edges)) and all(len(scope) < 3 for scope in graph.scopes),
        "the picture needs a tree of factors over at most two variables: one path at most between any two variables",
    )
    need(len(set(ask)) == len(ask) <= MOST_ASKED, f"ask about at most {MOST_ASKED} different variables")
    for name in ask:
        graph.position(name)  # raises UnknownVariableError
    base = compile_graph(graph)
    rows, places = token_names(base.graph, base.layout), place_graph(names, edges)
    found: dict[str, Any] = {}
    worst = [0.0, 0.0]
    for choice in itertools.product(range(3), repeat=len(ask)):
        evidence = {name: states[k - 1] for name, k in zip(ask, choice, strict=True) if k}
        found["".join(map(str, choice))], apart = _scene(graph, evidence, rows, base.rounds)
        worst = [max(pair) for pair in zip(worst, apart, strict=True)]
    return {
        "names": names,
        "states": list(states),
        "places": [[round(float(c), 3) for c in places[name]] for name in names],
        "pairs": [list(graph.scopes[f]) for f in pairs],
        "rows": rows,
        "columns": list(COLUMNS),
        "ask": list(ask),
        "rounds": base.rounds,
        "worst": [f"{distance:.0e}" for distance in worst],
        "scenes": found,
    }


def _scene(
    graph: FactorGraph, evidence: dict[str, str], rows: Sequence[str], rounds: int
) -> tuple[dict[str, Any], tuple[float, float]]:
    """One scene, and how far the transformer is from belief propagation at most, and at the end from the exact."""
    model = compile_graph(graph, evidence, rounds=rounds)
    trace = forward(model.tokens, model.weights)
    run = run_bp(graph, evidence, rounds=rounds, keep_history=True)
    exact = exact_marginals(graph, evidence).beliefs
    by_bp = [run.beliefs_after(r) for r in range(rounds + 1)]
    by_layers = [model.beliefs(trace, layer=r + 1) for r in range(rounds + 1)]  # a layer reads the round before it
    apart = max(a.distance(b) for a, b in zip(by_layers, by_bp, strict=True)), by_layers[-1].distance(exact)
    at = [rows.index(name) for name in token_names(model.graph, model.layout)]
    columns = [model.layout.position(name) for name in COLUMNS]

    def table(stream: np.ndarray) -> list[list[int | None]]:
        wide: list[list[int | None]] = [[None] * stream.shape[1] for _ in rows]
        for row, values in zip(at, stream, strict=True):
            wide[row] = [round(100 * float(x)) for x in values]
        return wide

    def p(log: np.ndarray) -> int:
        return round(1000 / (1 + float(np.exp(log[0] - log[1]))))

    streams = []
    for layer in range(trace.layers + 1):
        stream = trace.after_layer(layer)[:, columns].copy()
        if layer:  # between the two sublayers
            stream[:, 4] = trace.residual[layer - 1][1][:, columns[4]]
        streams.append(table(stream[:, 4:]))
    heads = trace.attention[0][0]
    assert heads is not None
    looks = np.argwhere(heads.max(axis=0) > SEEN)
    rest = [i for i, name in enumerate(rows) if name != "sink"]
    index = graph.index
    messages = []
    for r in range(rounds + 1):
        known = run.messages_after(r)
        messages.append(
            [p(known[f, v]) if (f, v) in known else None for f in split_factors(graph) for v in _names(graph, f)]
        )
    scene = {
        "messages": messages,
        "beliefs": [[round(1000 * b[name][graph.variables[i].states[1]]) for name, i in index.items()] for b in by_bp],
        "exact": [round(1000 * exact[name][graph.variables[i].states[1]]) for name, i in index.items()],
        "fixed": table(trace.after_layer(0)[:, columns[:4]]),
        "stream": streams,
        "reads": sorted([at[q], at[k]] for q, k in looks.tolist() if q != k and at[k] in rest),
    }
    return scene, apart


def _names(graph: FactorGraph, f: int) -> list[str]:
    return [graph.variables[i].name for i in graph.scopes[f]]
