"""A junction tree that grows out of a graph, one eliminated variable after another, with the running intersection."""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import networkx as nx
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bnt.checks import need
from bnt.figures.drawing import Look
from bnt.figures.picture import BLUE, GREY, INK, PAPER, RULE, TINT, VERMILION, Picture
from bnt.figures.placement import Places, place_graph
from bnt.graph.evidence import absorb
from bnt.graph.factor_graph import FactorGraph
from bnt.inference.triangulation import junction_tree


class Growth(NamedTuple):
    """All that the picture shows: the order of elimination, the edges each step adds, the cliques and their tree."""

    order: list[str]
    edges: list[tuple[str, str]]  # of the graph: two variables of one factor
    fill: list[list[tuple[str, str]]]  # by step: edges that eliminating that variable adds
    cliques: list[tuple[str, ...]]  # of the junction tree, in the order in which they appear
    born: list[int]  # by clique: the step that makes it
    links: list[tuple[int, int]]  # of the junction tree


def grow(graph: FactorGraph) -> Growth:
    """Eliminate the variables in the order that ``exact_marginals`` takes: each with its neighbours forms a cluster.

    A cluster that lies in another one is dropped; the others are the cliques, and the tree joins them.
    """
    tree = junction_tree(absorb(graph))
    names = list(graph.index)
    order = sorted(range(len(names)), key=tree.place.__getitem__)
    moral = nx.Graph()
    moral.add_nodes_from(names)
    for scope in graph.scopes:
        moral.add_edges_from((names[a], names[b]) for a, b in combinations(scope, 2))
    left, fill, born = moral.copy(), [], [0] * len(tree.cliques)
    for step, v in enumerate(order, start=1):
        around = sorted(left[names[v]], key=names.index)
        added = [(a, b) for a, b in combinations(around, 2) if not left.has_edge(a, b)]
        left.add_edges_from(added)
        left.remove_node(names[v])
        fill.append(added)
        cluster = {v, *(names.index(name) for name in around)}
        for c, clique in enumerate(tree.cliques):
            if not born[c] and set(clique) <= cluster:
                born[c] = step
    cliques = [tuple(names[v] for v in clique) for clique in tree.cliques]
    return Growth([names[v] for v in order], list(moral.edges), fill, cliques, born, list(tree.edges))


def growing_tree(graph: FactorGraph, step: int, follow: str | None = None) -> Picture:
    """The graph after ``step`` eliminations beside the cliques found so far; at the end the tree that joins them.

    Grey variables are gone, dashed edges were added (fill-in), the framed variables are the cluster of the last step.
    follow: a variable; the cliques that hold it are blue, and they hang together: the running intersection.
    Raises BntError for a step that does not exist, UnknownVariableError for a variable that does not.
    """
    steps = len(graph.variables)
    need(0 <= step <= steps, f"there are {steps} variables to eliminate: choose a step 0..{steps}, not {step}")
    if follow is not None:
        graph.position(follow)  # raises UnknownVariableError
    growth, names = grow(graph), list(graph.index)
    figure = Figure(figsize=(9.6, 4.4))
    left, right = figure.add_axes((0.01, 0.02, 0.37, 0.88)), figure.add_axes((0.41, 0.02, 0.58, 0.88))
    _draw_graph(left, growth, place_graph(names, growth.edges), step)
    shown = [c for c in range(len(growth.cliques)) if 0 < growth.born[c] <= step]
    whole = step == steps
    _draw_tree(right, growth, shown, whole, follow)
    gone = f"step {step} of {steps}: {growth.order[step - 1]} is eliminated" if step else "the graph, before step 1"
    left.set_title(gone, loc="left", fontsize=11, color=INK)
    of = f", those of {follow} in blue" if follow is not None else ""
    title = f"the junction tree{of}" if whole else f"cliques so far{of}"
    right.set_title(title, loc="left", fontsize=11, color=INK)
    rows = [
        (
            ", ".join(growth.cliques[c]),
            str(growth.born[c]),
            "; ".join(", ".join(_shared(growth, link)) for link in growth.links if c in link) if whole else "",
            "yes" if follow in growth.cliques[c] else "",
        )
        for c in shown
    ]
    added = sum(len(edges) for edges in growth.fill[:step])
    edges = "1 edge" if added == 1 else f"{added} edges"
    alt = f"{gone[0].upper()}{gone[1:]}; {edges} added so far, {len(shown)} cliques"
    alt += f", the largest of {max(len(growth.cliques[c]) for c in shown)} variables" if shown else ""
    alt += f"; the cliques with {follow} hang together." if follow is not None and whole else "."
    return Picture(figure, alt, ("clique", "made in step", "shares with its neighbours", f"holds {follow}"), rows)


def _shared(growth: Growth, link: tuple[int, int]) -> list[str]:
    return [name for name in growth.cliques[link[0]] if name in growth.cliques[link[1]]]


def _draw_graph(axes: Axes, growth: Growth, places: Places, step: int) -> None:
    gone = set(growth.order[:step])
    added = [edge for edges in growth.fill[:step] for edge in edges]
    last = growth.order[step - 1] if step else None
    edges = [*growth.edges, *added]
    before = set(growth.order[: step - 1]) if step else set()
    cluster = {last, *(b if a == last else a for a, b in edges if last in (a, b))} - before if last else set()
    for a, b in edges:
        faint = a in gone or b in gone
        look: Look = {"color": RULE if faint else INK, "lw": 1.0 if faint else 1.6, "zorder": 1}
        if (a, b) in added:
            look |= {"ls": (0, (4, 2)), "color": VERMILION}
        axes.plot(*zip(places[a], places[b], strict=True), **look)
    for name, (x, y) in places.items():
        edge = INK if name in cluster else RULE if name in gone else GREY
        box: Look = {
            "boxstyle": "round,pad=0.35",
            "fc": TINT if name in cluster else PAPER,
            "ec": edge,
            "lw": 2.2 if name in cluster else 1.0,
        }
        ink = GREY if name in gone and name not in cluster else INK
        axes.text(x, y, name, ha="center", va="center", fontsize=10, color=ink, bbox=box, zorder=3)
    _stay(axes, places)


def _draw_tree(axes: Axes, growth: Growth, shown: list[int], whole: bool, follow: str | None) -> None:
    places = place_graph(range(len(growth.cliques)), growth.links)
    for a, b in growth.links if whole else ():
        both = follow is not None and follow in _shared(growth, (a, b))
        axes.plot(
            *zip(places[a], places[b], strict=True), color=BLUE if both else GREY, lw=3 if both else 1.4, zorder=1
        )
        x, y = ((places[a][i] + places[b][i]) / 2 for i in (0, 1))
        separator = {"boxstyle": "square,pad=0.25", "fc": PAPER, "ec": RULE, "lw": 1.0}
        text = "\n".join(_shared(growth, (a, b)))
        axes.text(x, y, text, ha="center", va="center", fontsize=9, color=INK, bbox=separator, zorder=3)
    for c in range(len(growth.cliques)):
        if c in shown:
            holds = follow is not None and follow in growth.cliques[c]
            box: Look = {"boxstyle": "round,pad=0.4", "fc": TINT if holds else PAPER, "ec": BLUE if holds else INK}
            box["lw"] = 2.4 if holds else 1.2
            text = "\n".join(growth.cliques[c])
            axes.text(*places[c], text, ha="center", va="center", fontsize=9, color=INK, bbox=box, zorder=4)
        else:
            axes.plot(*places[c], marker=".", color=RULE, ms=3)
    _stay(axes, places)


def _stay(axes: Axes, places: Places) -> None:
    """Limits around all places, drawn or not yet: what is drawn stays where it is from step to step."""
    xs, ys = ([place[i] for place in places.values()] for i in (0, 1))
    axes.set_xlim(*_around(xs))
    axes.set_ylim(*_around(ys))
    axes.axis("off")


def _around(values: list[float]) -> tuple[float, float]:
    room = 0.16 * ((max(values) - min(values)) or 1.0)
    return min(values) - room, max(values) + room
