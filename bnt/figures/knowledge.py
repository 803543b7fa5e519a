"""Pictures of knowledge and answers: the rules; what moved an answer, along which messages; what stated probabilities
are worth."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import networkx as nx
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from bnt.display import counted
from bnt.errors import BntError
from bnt.figures.drawing import PILL_HEIGHT, Look, canvas, draw_factor, draw_pill, draw_variable, half_size
from bnt.figures.picture import GREEN, GREY, INK, MARKERS, PURPLE, SERIES, Picture, chart, number
from bnt.figures.placement import Places, place_directed
from bnt.graph.factor_graph import Array, FactorGraph
from bnt.knowledge.base import KnowledgeBase
from bnt.knowledge.calibration import Calibration
from bnt.knowledge.explanations import Explanation, MessageChange
from bnt.knowledge.grounding import Grounding
from bnt.knowledge.queries import ask_all
from bnt.odds import decibans

DECIBAN = decibans(1.0)  # decibans per unit of natural log odds
SHOWN = 26.0  # decibans to either side that the bars show, at least
AUXILIARY = "#"  # in the name of a variable that the grounding made up


def signed(x: float) -> str:
    """Decibans as text: one decimal and the sign, no "-0.0"; "certain" for infinity."""
    return f"{round(x, 1) + 0.0:+.1f}" if math.isfinite(x) else f"certainly {'true' if x > 0 else 'false'}"


# --- the rules --------------------------------------------------------------------------------------------------------


def rules(base: KnowledgeBase) -> Picture:
    """Predicates as rounded boxes, in each the number and probabilities of its facts; a black square for all rules that
    lead from the same predicates to one, with their number and probabilities.

    Grey lines lead from the conditions to a square, the arrow from there to the head. A bent line is a condition that
    depends on the head in turn: the rule is recursive. Facts: clauses without conditions, or with types only.
    Raises BntError for a base without predicates.
    """
    if not base.predicates:
        raise BntError(f"there is nothing to draw: {base.name} has no predicates")
    facts: dict[str, list[float]] = {name: [] for name in base.predicates}
    grouped: dict[tuple[str, tuple[str, ...]], list[float]] = {}
    for clause in base.clauses:
        body = tuple(sorted({atom.predicate for atom in clause.body}))
        into = grouped.setdefault((clause.head.predicate, body), []) if body else facts[clause.head.predicate]
        into.append(clause.probability)
    reach = nx.DiGraph([(name, head) for head, body in grouped for name in body])
    ring = {name: k for k, part in enumerate(nx.strongly_connected_components(reach)) for name in part}
    parents: dict[Any, list[Any]] = {name: [] for name in base.predicates}
    for head, body in grouped:
        parents[head, body] = [name for name in body if ring[name] != ring[head]]  # without circles, so in layers
        parents[head].append((head, body))
    said = {name: f"{predicate.name}({', '.join(predicate.types)})" for name, predicate in base.predicates.items()}
    said = {name: text.removesuffix("()") for name, text in said.items()}
    widest = max(half_size(text)[0] for text in said.values())
    title = f"{base.name}: which predicates speak for which"
    margin = (widest + 0.15, 0.45)
    figure, axes, at = canvas(place_directed(parents), max(1.2, 2 * widest + 0.2), 0.85, title, margin)
    for (head, body), several in grouped.items():
        square, (x, y) = at[head, body], at[head]
        side = 1 if square[0] > x else -1  # to which a bent line leaves; words stand on the other
        for name in body:
            bend = 0.6 * side if ring[name] == ring[head] else 0.0
            line: Look = {"arrowstyle": "-", "connectionstyle": f"arc3,rad={bend}", "color": GREY, "lw": 1.2}
            start = (at[name][0] + (side * half_size(said[name])[0] if bend else 0), at[name][1])
            axes.add_patch(FancyArrowPatch(start, square, zorder=1, shrinkA=0, shrinkB=0, **line))
        arrow: Look = {"arrowstyle": "-|>", "mutation_scale": 12, "color": INK, "lw": 1.4, "shrinkA": 6, "shrinkB": 0}
        axes.add_patch(FancyArrowPatch(square, (x, y + PILL_HEIGHT / 2), zorder=3, **arrow))
        draw_factor(axes, square)
        card: Look = {"fc": "white", "ec": "none", "pad": 0.6, "alpha": 0.85}
        place: Look = {"va": "center", "fontsize": 8, "color": INK, "zorder": 7, "bbox": card}
        left = side > 0 and any(ring[name] == ring[head] for name in body)
        end = square[0] + (-0.2 if left else 0.2)
        axes.text(end, square[1], _strengths(several, "rule"), ha="right" if left else "left", **place)
    for name, text in said.items():
        line_two = _strengths(facts[name], "fact") if facts[name] else ""
        draw_pill(axes, at[name], half_size(text)[0], text, line_two)
    table = [(head, " and ".join(body), _strengths(several, "rule")) for (head, body), several in grouped.items()]
    table += [(name, "", _strengths(several, "fact")) for name, several in facts.items() if several]
    alt = f"{title}: {counted(len(base.predicates), 'predicate')}, "
    alt += f"{counted(sum(map(len, grouped.values())), 'rule')} and {counted(sum(map(len, facts.values())), 'fact')}."
    return Picture(figure, alt, ("predicate", "because of", "how many, how likely"), table)


def _strengths(probabilities: Sequence[float], thing: str) -> str:
    """ "1 fact, 0.3"; "2 rules, 0.02 to 0.4"."""
    low, high = (f"{p:g}" for p in (min(probabilities), max(probabilities)))
    return f"{counted(len(probabilities), thing)}, {low}" + (f" to {high}" if low != high else "")


# --- which evidence ---------------------------------------------------------------------------------------------------


def weights_of_evidence(explanation: Explanation) -> Picture:
    """Two bars per piece of evidence, its weight alone and as the last piece; below, their sum and the whole change.

    Decibans; an infinite weight ends in an arrow at the border.
    """
    names = [f"{w.atom} = {w.value}" for w in explanation.weights]
    alone = [w.alone * DECIBAN for w in explanation.weights]
    last = [w.given_rest * DECIBAN for w in explanation.weights]
    total, change = sum(alone), explanation.change * DECIBAN
    most = max([SHOWN, *(1.25 * abs(x) for x in (*alone, *last, total, change) if math.isfinite(x))])
    rows = [*names, "sum of those alone", "the whole change"]
    figure, (axes,) = chart(7.0, 1.25 + 0.46 * len(rows))
    axes.axvline(0, color=INK, lw=0.9, zorder=4)
    axes.axhline(len(names) - 0.5, color=GREY, lw=0.8)
    for row, (one, two) in enumerate(zip(alone, last, strict=True)):
        _bar(axes, row - 0.19, 0.34, one, most, {"fc": GREEN, "ec": GREEN, "label": "alone"})
        _bar(axes, row + 0.19, 0.34, two, most, {"fc": "white", "ec": PURPLE, "hatch": "////", "label": "last"})
    _bar(axes, len(names), 0.5, total, most, {"fc": GREEN, "ec": GREEN})
    _bar(axes, len(names) + 1, 0.5, change, most, {"fc": INK, "ec": INK})
    axes.set(xlim=(-most, most), ylim=(len(rows) - 0.4, -0.6), xlabel="decibans: false to the left, true to the right")
    axes.set_yticks(range(len(rows)), rows)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    if names:
        axes.legend(*_first_of_each(axes), loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=9)
    before, after = explanation.prior, explanation.posterior
    title = f"{before.atom}: {number(before.probability)} to {number(after.probability)} ({explanation.status})"
    axes.set_title(title, loc="left", fontsize=11)
    in_order = [w.in_order * DECIBAN for w in explanation.weights]
    columns = zip(names, alone, in_order, last, strict=True)
    table = [(name, *map(signed, values)) for name, *values in columns]
    table += [("sum", signed(total), signed(sum(in_order)), ""), ("the whole change", signed(change), "", "")]
    return Picture(figure, f"{title}. {explanation.verdict}", ("evidence", "alone", "in order", "last"), table)


def _bar(axes: Axes, row: float, height: float, value: float, most: float, look: Look) -> None:
    """A bar from zero with its value at the end; beyond the border an arrow."""
    end = max(-most, min(most, value))
    axes.barh(row, end, height, lw=1.0, zorder=3, **look)
    inside = not math.isfinite(value)
    side = -1 if (value < 0) != inside else 1
    at: Look = {"xytext": (4 * side, 0), "textcoords": "offset points", "ha": "left" if side > 0 else "right"}
    back: Look = {"fc": "white", "ec": "none", "pad": 0.8} if inside else {"fc": "none", "ec": "none", "pad": 0}
    axes.annotate(signed(value), (end, row), va="center", fontsize=8.5, color=INK, zorder=5, bbox=back, **at)


def _first_of_each(axes: Axes) -> tuple[list[Any], list[str]]:
    found = dict(zip(*axes.get_legend_handles_labels()[::-1], strict=True))
    return list(found.values()), list(found)


# --- along which messages ---------------------------------------------------------------------------------------------


def explanation_messages(ground: Grounding, explanation: Explanation) -> Picture:
    """The part of the ground network whose messages moved, the query at the left; on every arrow its change in
    decibans, in the boxes the beliefs afterwards, evidence in double frames.

    An arrow leads from a table (a square) to one of its variables. What nothing moved is left out.
    """
    known = {w.atom: w.value for w in explanation.weights}
    query = str(explanation.prior.atom)
    graph = ground.graph_of([one for one in ground.atoms if str(one) == query or str(one) in known])
    scopes = {f.name or f.label: [v.name for v in f.variables] for f in graph.factors}
    places = _towards(query, explanation.messages, scopes, set(known))
    kind = "exact" if explanation.messages_exact else "loops: approximate"
    title = f"messages towards {query}, change in decibans ({kind})"
    widest = max(half_size(name)[0] for kind, name in places if kind == "variable")
    figure, axes, at = canvas(places, widest + 0.78, 0.66, title, margin=(widest + 0.15, 0.4))
    for message in explanation.messages:
        square, target = at["table", message.factor], at["variable", message.target]
        for name in scopes[message.factor]:
            if name != message.target and ("variable", name) in at:
                (x, y), w = at["variable", name], half_size(name)[0]
                axes.plot([square[0], x - w if x > square[0] else x + w], [square[1], y], color=GREY, lw=1.2, zorder=1)
        draw_factor(axes, square)
        _arrow(axes, square, (target[0] + half_size(message.target)[0], target[1]), message.change * DECIBAN)
    beliefs = _beliefs(ground, graph, explanation, [name for kind, name in at if kind == "variable"])
    for (kind, name), place in at.items():
        if kind == "variable":
            draw_variable(axes, place, graph.variable(name), beliefs.get(name), name in known)
    table = [
        (m.factor, m.target, *(signed(x * DECIBAN) for x in (m.before, m.after, m.change)))
        for m in explanation.messages
    ]
    total = signed(explanation.message_change * DECIBAN)
    alt = f"{title}: {len(table)} messages moved; those into {query} change by {total}."
    return Picture(figure, alt, ("from the table of", "to", "before", "after", "change"), table)


def _towards(query: str, moved: tuple[MessageChange, ...], scopes: Mapping[str, list[str]], known: set[str]) -> Places:
    """Grid places: variables in even columns, tables in odd ones, to the right of what they send to."""
    into: dict[str, list[str]] = {}
    for message in moved:
        into.setdefault(message.target, []).append(message.factor)
    places: Places = {}
    row = 0.0

    def place(name: str, column: int) -> float:
        nonlocal row
        places["variable", name] = (column, 0.0)
        heights = []
        for factor in into.get(name, ()):
            others = [v for v in scopes[factor] if v in known or v in into]
            below = [place(v, column + 2) for v in others if ("variable", v) not in places]
            if not below:
                below, row = [row], row + 1
            places["table", factor] = (column + 1, -sum(below) / len(below))
            heights.append(-places["table", factor][1])
        if not heights:
            heights, row = [row], row + 1
        places["variable", name] = (column, -sum(heights) / len(heights))
        return sum(heights) / len(heights)

    place(query, 0)
    return places


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], change: float) -> None:
    colour = SERIES[1] if change > 0 else SERIES[0]  # of the state it speaks for
    width = 1.2 + min(abs(change) / 6, 4.0)
    look: Look = {"arrowstyle": "-|>", "mutation_scale": 9 + 1.6 * width, "shrinkA": 7, "shrinkB": 2}
    axes.add_patch(FancyArrowPatch(start, end, lw=width, color=colour, zorder=3, **look))
    x, y = 0.5 * (start[0] + end[0]), 0.5 * (start[1] + end[1]) + 0.17
    card: Look = {"fc": "white", "ec": "none", "pad": 0.6, "alpha": 0.85}
    axes.text(x, y, signed(change), ha="center", va="center", fontsize=9, color=INK, zorder=7, bbox=card)


def _beliefs(ground: Grounding, graph: FactorGraph, explanation: Explanation, names: list[str]) -> dict[str, Array]:
    """P(false), P(true) after the evidence of each drawn atom; made-up variables have none."""
    asked = [name for name in names if AUXILIARY not in name]
    answers = ask_all(ground, asked, explanation.posterior.evidence)
    return {str(one.atom): np.array([1 - one.probability, one.probability]) for one in answers}


# --- what stated probabilities are worth ------------------------------------------------------------------------------


def reliability(panels: Mapping[str, Mapping[str, Calibration]], title: str = "") -> Picture:
    """Reliability diagrams side by side: of all cases with a stated probability, the share in which it happened.

    panels: title -> name of a system -> its calibration. Bars: one standard error, were the statements right. Below
    the diagonal a system is too sure that things happen, above it too sure that they do not.
    """
    figure = Figure(figsize=(3.45 * len(panels), 4.15), layout="constrained")
    table = []
    for axes, (name, systems) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        axes.plot([0, 1], [0, 1], color=GREY, lw=1.1, ls=(0, (4, 3)), zorder=1)
        for k, (system, found) in enumerate(systems.items()):
            stated = [one.confidence for one in found.bins]
            happened = [one.frequency for one in found.bins]
            look: Look = {"color": SERIES[k], "marker": MARKERS[k], "ms": 5, "lw": 1.6, "elinewidth": 0.9}
            axes.errorbar(stated, happened, [one.deviation for one in found.bins], label=system, zorder=3 + k, **look)
            table.append((name, system, number(found.ece, 2), number(found.sharpness, 2), _points(found)))
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel="stated probability", aspect="equal")
        axes.set_title(name, fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=9, colors=INK)
    figure.axes[0].set_ylabel("share in which it happened")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False, fontsize=9)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    worst = max(table, key=lambda row: float(row[2]))
    alt = f"{title or 'Reliability'}: {len(table)} curves; the largest expected calibration error is {worst[2]}, "
    alt += f"{worst[1]}, {worst[0]}."
    return Picture(figure, alt, ("questions", "system", "ECE", "sharpness", "stated: happened"), table)


def _points(found: Calibration) -> str:
    return ", ".join(f"{one.confidence:.2f}: {one.frequency:.2f}" for one in found.bins)
