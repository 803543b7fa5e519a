"""The pictures of the course: pure functions from numbers to a Picture (figure, alt text, table).

A message or belief is drawn by the state it favours (colour) and by how far it is from uniform (width, tint), as
``drawing.strength`` measures it; the number itself is written beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike, NDArray

from bnt.checks import real_array
from bnt.compiler.layout import Layout
from bnt.errors import BntError, valid_names
from bnt.figures import drawing
from bnt.figures.drawing import BAR_ROW, BOX_WIDTH, SQUARE, Look, in_words, probabilities
from bnt.figures.picture import GREY, INK, MARKERS, SERIES, Picture, chart, number, short
from bnt.figures.placement import place_directed, place_factor_graph, spread_labels
from bnt.graph.beliefs import Beliefs
from bnt.graph.factor_graph import FactorGraph

Array = NDArray[np.float64]
Messages = Mapping[tuple[int, str], Array]  # (factor index, variable name) -> log message, as in BPResult.messages
Parents = Mapping[str, Sequence[str]]  # variable name -> names of its parents

PAGE = 7.0  # inches that a factor graph may take before its columns move closer together
EXACT_WITHIN = 1e-12  # what pictures call equal: float64 rounding, far below the error of any approximation


def factor_graph(
    graph: FactorGraph,
    *,
    to_variables: Messages | None = None,
    to_factors: Messages | None = None,
    beliefs: Beliefs | None = None,
    evidence: Mapping[str, Any] | None = None,
    parents: Parents | None = None,
    title: str = "",
    says: str = "",
) -> Picture:
    """Variables as rounded boxes, factors as black squares, messages as arrows beside the edges.

    ``to_variables`` and ``to_factors``: log messages by (factor index, variable name), whatever the direction.
    ``beliefs`` tint the boxes; variables in ``evidence`` have a double frame. With ``parents`` (a Bayesian network,
    factor i = table of the i-th variable of its scope's first place) the variables stand as in ``network_panel``.
    ``says``: what one sees, for the alt text. Raises BntError for a graph of nothing, UnknownVariableError for evidence
    on other variables.
    """
    if not graph.variables:
        raise BntError("there is nothing to draw: the graph has no variables")
    for name in evidence or {}:
        graph.position(name)  # raises UnknownVariableError
    row = 1.2 if to_variables and to_factors else 1.0
    grid = place_factor_graph(graph, parents)
    across = max((x for x, _ in grid.values()), default=0) - min((x for x, _ in grid.values()), default=0)
    widest = max((drawing.half_size(name)[0] for name in graph.index), default=0.0)
    column = max(widest + 0.25, min(1.25, max(1.05, PAGE / max(across, 1))))
    figure, axes, places = drawing.canvas(grid, column, row, title, margin=(max(0.6, widest + 0.03), 0.45))
    vectors = {name: beliefs.vector(name) for name in beliefs} if beliefs is not None else {}
    rows = [(name, "belief", in_words(graph.variable(name), p)) for name, p in vectors.items()]
    for f, factor in enumerate(graph.factors):
        drawing.draw_factor(axes, places[f])
        for variable in factor.variables:
            ends = zip(places[f], places[variable.name], strict=True)
            axes.plot(*ends, color="#bbbbbb", lw=1, zorder=1)
    for messages, inwards in ((to_variables, True), (to_factors, False)):
        for (f, name), message in (messages or {}).items():
            p, words = probabilities(message), in_words(graph.variable(name), probabilities(message))
            square = drawing.End(places[f], (SQUARE, SQUARE), len(graph.factors[f].variables))
            box = drawing.End(places[name], drawing.half_size(name), len(graph.factors_of[graph.index[name]]))
            drawing.draw_message(axes, *((square, box) if inwards else (box, square)), p, words)
            label = factor_name(graph, f)
            rows.append((f"{label} to {name}" if inwards else f"{name} to {label}", "message", words))
    for variable in graph.variables:
        name = variable.name
        drawing.draw_variable(axes, places[name], variable, vectors.get(name), name in (evidence or {}))
    if not rows:
        scopes = [", ".join(variable.name for variable in factor.variables) for factor in graph.factors]
        rows = [(factor_name(graph, f), "factor over", scope) for f, scope in enumerate(scopes)]
    alt = f"{title or 'Factor graph'}: {len(graph.variables)} variables, {len(graph.factors)} factors"
    if to_variables or to_factors:
        alt += f", {len(to_variables or ()) + len(to_factors or ())} messages as arrows"
    alt += f"; {says}." if says else "."
    return Picture(figure, alt, ("where", "what", "value"), rows)


def factor_name(graph: FactorGraph, f: int) -> str:
    """The factor's own name, or its scope in brackets: "(rain, wet)"."""
    return graph.factors[f].name or f"({', '.join(variable.name for variable in graph.factors[f].variables)})"


def network_panel(
    parents: Parents,
    beliefs: Beliefs,
    *,
    evidence: Mapping[str, Any] | None = None,
    before: Beliefs | None = None,
    title: str = "",
) -> Picture:
    """A Bayesian network whose boxes show the probability of every state; observed variables have a thick frame.

    A black tick on each bar marks the probability ``before``. Raises UnknownVariableError for a name that ``beliefs``
    does not know, BntError for a parent that is missing from ``parents``.
    """
    for name, above in parents.items():
        beliefs.graph.position(name)
        if missing := [parent for parent in above if parent not in parents]:
            raise BntError(f"the parent {missing[0]!r} of {name!r} must be listed, too; {valid_names(parents)}")
    graph, known = beliefs.graph, evidence or {}
    height = 0.3 + BAR_ROW * max(variable.cardinality for variable in graph.variables)
    margin = (BOX_WIDTH / 2 + 0.1, height / 2 + 0.1)
    figure, axes, places = drawing.canvas(place_directed(parents), BOX_WIDTH + 0.3, height + 0.42, title, margin)
    rows = []
    for name, above in parents.items():
        for parent in above:
            drawing.draw_arc(axes, places[parent], places[name], height)
        variable, p = graph.variable(name), beliefs.vector(name)
        old = before.vector(name) if before is not None else None
        drawing.draw_bars(axes, places[name], height, variable, p, old, name in known)
        for k, state in enumerate(variable.states):
            rows.append(
                (name, state, "" if old is None else number(old[k]), number(p[k]), "yes" if name in known else "")
            )
    given = f"evidence on {', '.join(known)}" if known else "no evidence"
    alt = f"{title or 'Bayesian network'}: the probability of each state of {len(parents)} variables, {given}."
    header = ("variable", "state", "before", "probability", "observed")
    keep = [i for i in range(len(header)) if any(row[i] for row in rows)]
    return Picture(figure, alt, [header[i] for i in keep], [[row[i] for i in keep] for row in rows])


def beliefs_by_round(
    series: Mapping[str, ArrayLike], *, exact: Mapping[str, float] | None = None, title: str = ""
) -> Picture:
    """One line per name: a probability after round 0, 1, 2, ...; dashed: its exact value. Names at the line ends."""
    lines = {name: np.asarray(values, dtype=float) for name, values in series.items()}
    rounds = max(len(values) for values in lines.values())
    figure, (axes,) = chart(6.4, 3.2)
    ends = spread_labels([float(values[-1]) for values in lines.values()], 0.075)
    for k, (name, values) in enumerate(lines.items()):
        look: Look = {"color": SERIES[k % 6]}
        axes.plot(values, marker=MARKERS[k % 6], ms=5, lw=1.8, clip_on=False, **look)
        axes.annotate(name, (1.015, ends[k]), xycoords=("axes fraction", "data"), fontsize=9, va="center", **look)
        if exact and name in exact:
            axes.axhline(exact[name], ls=(0, (4, 3)), lw=1.1, zorder=0, **look)
    axes.set(ylim=(0, 1), xlim=(0, max(rounds - 1, 1)), xlabel="round", ylabel="probability")
    axes.set_xticks(range(0, rounds, max(1, rounds // 12)))
    axes.set_title(title, loc="left", fontsize=11)
    rows = [[r, *(number(v[r]) if r < len(v) else "" for v in lines.values())] for r in range(rounds)]
    if exact:
        rows.append(["exact", *(number(exact[name]) if name in exact else "" for name in lines)])
    alt = f"{title or 'Beliefs by round'}: {', '.join(lines)} over {rounds - 1} rounds"
    return Picture(figure, alt + ("; dashed: exact values." if exact else "."), ("round", *lines), rows)


def error_by_round(
    errors: Mapping[str, ArrayLike], *, deadline: Mapping[str, int] | None = None, title: str = ""
) -> Picture:
    """A coloured table: row = name, column = round, darker = larger error, "=" where it is at most 1e-12.

    A frame marks the round of ``deadline``, from which theory promises equality.
    """
    table, promised = np.array([np.asarray(row, dtype=float) for row in errors.values()]), deadline or {}
    figure, (axes,) = chart(2.2 + 0.62 * table.shape[1], 1.0 + 0.34 * len(table))
    equal = table <= EXACT_WITHIN
    depth = np.clip(1 + np.log10(np.maximum(table, EXACT_WITHIN)) / 4, 0, 1)  # .0001 and less: pale; 1: dark
    shade = np.where(equal, 0.0, 0.15 + 0.85 * depth)
    axes.imshow(shade, cmap="Blues", vmin=0, vmax=1.25, aspect="auto")
    shown = [[_error(e) for e in row] for row in table]
    rounds = [str(r) for r in range(table.shape[1])]
    drawing.write_cells(axes, shade, shown, 0.8)
    drawing.name_cells(axes, list(errors), rounds)
    drawing.colour_bar(axes, "Blues", (0, 1.25), {0.15: "1e-4", 0.575: ".01", 1.0: "1"}, "error")
    for i, name in enumerate(errors):
        if promised.get(name, len(rounds)) < len(rounds):
            frame: Look = {"fill": False, "ec": SERIES[1], "lw": 2.2, "zorder": 5}
            axes.add_patch(Rectangle((promised[name] - 0.46, i - 0.44), 0.92, 0.88, **frame))
    axes.set_title(title, loc="left", fontsize=11)
    rows = [[name, *row, promised.get(name, "")] for name, row in zip(errors, shown, strict=True)]
    alt = f"{title or 'Error by round'}: {len(table)} rows, {len(rounds)} rounds; '=' means equal within 1e-12."
    return Picture(figure, alt, ("", *(f"round {r}" for r in rounds), "promised from round"), rows)


def _error(e: float) -> str:
    if e <= EXACT_WITHIN:
        return "="
    return f"{e:.3f}".removeprefix("0") if e >= 5e-4 else f"{e:.0e}".replace("e-0", "e-")


def layers_against_rounds(
    rounds: Mapping[str, ArrayLike],
    layers: Mapping[str, ArrayLike],
    *,
    title: str = "rings: belief propagation, dots: transformer",
    axis: str = "round = layer",
) -> Picture:
    """Rings: belief propagation after each round; dots: the transformer after each layer; below: largest difference.

    Raises BntError unless both hold the same names, each with as many numbers.
    """
    if {name: np.shape(y) for name, y in rounds.items()} != {name: np.shape(y) for name, y in layers.items()}:
        raise BntError("rounds and layers must hold the same names, and as many numbers of each")
    bp = {name: np.asarray(values, dtype=float) for name, values in rounds.items()}
    gap = np.max([np.abs(bp[name] - np.asarray(layers[name], dtype=float)) for name in bp], axis=0)
    figure, (axes, below) = chart(6.6, 4.2, 2, (3, 1))
    ends = spread_labels([float(values[-1]) for values in bp.values()], 0.085)
    for k, name in enumerate(bp):
        ink = SERIES[k % 6]
        axes.plot(bp[name], color=ink, lw=1, alpha=0.5)
        axes.plot(bp[name], ls="", marker="o", ms=11, mfc="none", mec=ink, mew=1.6, clip_on=False)
        axes.plot(np.asarray(layers[name]), ls="", marker=".", ms=8, color=ink, clip_on=False)
        axes.annotate(name, (1.03, ends[k]), xycoords=("axes fraction", "data"), color=ink, fontsize=9, va="center")
    axes.set(ylim=(0, 1), ylabel="probability")
    axes.set_title(title, loc="left", fontsize=11)
    below.bar(range(len(gap)), np.maximum(gap, 1e-17), color=GREY, width=0.5)
    below.axhline(EXACT_WITHIN, color=INK, lw=1, ls=(0, (4, 3)))
    below.set(yscale="log", ylim=(1e-17, 1), ylabel="difference", xlabel=axis)
    below.set_yticks([1e-16, 1e-12, 1e-6, 1])
    below.set_xticks(range(len(gap)))
    same = ["at most 1e-12" if e <= EXACT_WITHIN else _error(e) for e in gap]
    rows = [[r, *(number(bp[name][r]) for name in bp), same[r]] for r in range(len(gap))]
    alt = f"Belief propagation after 0 to {len(gap) - 1} rounds, a transformer after as many layers: {', '.join(bp)}."
    return Picture(figure, alt, (axis, *bp, "largest difference"), rows)


def attention_pattern(weights: ArrayLike, queries: Sequence[str], keys: Sequence[str], *, title: str = "") -> Picture:
    """Attention weights (queries, keys): each row says where that token reads. Weights from .005 on are written."""
    table = _named_table("attention weights", weights, queries, keys)
    figure, (axes,) = chart(2.5 + 0.42 * len(keys), 1.5 + 0.3 * len(queries))
    axes.imshow(table, cmap="Blues", vmin=0, vmax=1.25, aspect="auto")
    drawing.write_cells(axes, table, [[short(w) if w >= 0.005 else "" for w in row] for row in table], 0.8)
    drawing.name_cells(axes, queries, keys)
    drawing.colour_bar(axes, "Blues", (0, 1.25), {0.0: "0", 0.5: ".5", 1.0: "1"}, "weight")
    axes.set_ylabel("the token that reads")
    axes.set_title(title, loc="left", fontsize=11)
    read = [[(keys[j], number(row[j])) for j in np.argsort(-row, kind="stable") if row[j] >= 0.005] for row in table]
    rows = [(query, ", ".join(f"{key} {w}" for key, w in found)) for query, found in zip(queries, read, strict=True)]
    alt = f"{title or 'Attention pattern'}: {len(queries)} reading tokens, {len(keys)} tokens to read."
    return Picture(figure, alt, ("token", "reads, with attention weight"), rows)


def residual_stream(stream: ArrayLike, tokens: Sequence[str], columns: Sequence[str], *, title: str = "") -> Picture:
    """The residual stream (tokens, columns) as a heatmap: orange negative, purple positive, the numbers written."""
    table = _named_table("the stream", stream, tokens, columns)
    most = max(float(np.abs(table).max(initial=0)), 1e-9)
    figure, (axes,) = chart(2.2 + 0.56 * len(columns), 1.3 + 0.3 * len(tokens))
    axes.imshow(table, cmap="PuOr", vmin=-1.3 * most, vmax=1.3 * most, aspect="auto")
    drawing.write_cells(
        axes, table / most, [[number(x, 2) if abs(x) >= 0.005 else "" for x in row] for row in table], 0.75
    )
    drawing.name_cells(axes, tokens, columns)
    ends = {-most: number(-most, 1).replace("-", "−"), 0.0: "0", most: number(most, 1)}
    drawing.colour_bar(axes, "PuOr", (-1.3 * most, 1.3 * most), ends, "")
    axes.set_title(title, loc="left", fontsize=11)
    rows = [(token, *(number(x) for x in row)) for token, row in zip(tokens, table, strict=True)]
    alt = f"{title or 'Residual stream'}: {len(tokens)} tokens by {len(columns)} named columns."
    return Picture(figure, alt, ("token", *columns), rows)


def _named_table(what: str, values: ArrayLike, rows: Sequence[str], columns: Sequence[str]) -> Array:
    """Raises BntError unless there is one name per row and per column."""
    table = real_array(what, values)
    if table.shape != (len(rows), len(columns)):
        raise BntError(f"{what} of shape {table.shape} need as many names, not {len(rows)} and {len(columns)}")
    return table


def token_names(graph: FactorGraph, layout: Layout) -> list[str]:
    """A readable name per token: "x0 → x1" for a pairwise message, else factor → variable; a variable; "sink"."""
    names = []
    for kind, *numbers in map(layout.label, range(layout.size)):
        if kind == "message":
            f, i = (int(n) for n in numbers)
            others = [graph.variables[j].name for j in graph.scopes[f] if j != i]
            names.append(f"{others[0] if len(others) == 1 else factor_name(graph, f)} → {graph.variables[i].name}")
        elif kind == "variable":
            names.append(graph.variables[int(numbers[0])].name)
        else:
            names.append(" ".join(map(str, (kind, *numbers))))
    return names
