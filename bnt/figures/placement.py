"""Where nodes go: the same graph always gets the same places. Positions are in grid units, y upwards."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import networkx as nx

from bnt.graph.factor_graph import FactorGraph

Node = Any  # hashable
Places = dict[Node, tuple[float, float]]


def place_factor_graph(graph: FactorGraph, parents: Mapping[str, Sequence[str]] | None = None) -> Places:
    """Places of variables (by name) and factors (by index); a factor over one variable sits close to it.

    With ``parents`` the variables stand as in the Bayesian network, each table between its variable and the parents.
    """
    scopes = {f: [variable.name for variable in factor.variables] for f, factor in enumerate(graph.factors)}
    shared = {f: names for f, names in scopes.items() if len(names) > 1}
    edges = [(name, f) for f, names in shared.items() for name in names]
    if parents is None:
        places = place_graph([*graph.index, *shared], edges)
    else:
        places = {name: (1.15 * x, 1.25 * y) for name, (x, y) in place_directed(parents).items()}
        for f, (child, *above) in shared.items():
            x, y = (sum(places[name][axis] for name in above) / len(above) for axis in (0, 1))
            places[f] = 0.6 * places[child][0] + 0.4 * x, 0.6 * places[child][1] + 0.4 * y
    for f, (name, *others) in scopes.items():
        if not others:
            near = [places[g] for n, g in edges if n == name]
            near += [places[g] for g in scopes if scopes[g] == [name] and g in places]
            places[f] = _free_side(places[name], near)
    return places


def _free_side(
    at: tuple[float, float], near: Sequence[tuple[float, float]], distance: float = 0.55
) -> tuple[float, float]:
    """The point at this distance in the emptiest of eight directions, upwards where several are as empty."""
    taken = [math.atan2(y - at[1], x - at[0]) for x, y in near]

    def room(angle: float) -> float:
        return min((abs(math.remainder(angle - other, math.tau)) for other in taken), default=math.tau)

    angle = max((math.pi / 4 * k for k in (2, 6, 1, 3, 5, 7, 0, 4)), key=lambda angle: round(room(angle), 6))
    return at[0] + distance * math.cos(angle), at[1] + distance * math.sin(angle)


def place_graph(nodes: Iterable[Node], edges: Iterable[tuple[Node, Node]]) -> Places:
    """A forest grows from left to right along its longest path; a graph with loops is laid out by stress."""
    graph = nx.Graph()
    graph.add_nodes_from(nodes)
    graph.add_edges_from(edges)
    if nx.is_forest(graph):
        return _place_forest(graph)
    places: Places = {}
    right = 0.0
    for component in nx.connected_components(graph):
        part = graph.subgraph([node for node in graph if node in component])
        scale = max(1.0, len(part) ** 0.5)
        found = nx.kamada_kawai_layout(part, scale=scale)
        left = min(x for x, _ in found.values())
        places |= {node: (float(x - left + right), float(y)) for node, (x, y) in found.items()}
        right = max(x for x, _ in places.values()) + 1
    return places


def _place_forest(graph: nx.Graph) -> Places:
    """x = distance from one end of the longest path; leaves take successive rows, a parent their middle."""
    places: Places = {}
    row = 0.0

    def place(node: Node, parent: Node | None, depth: int) -> float:
        nonlocal row
        below = [place(child, node, depth + 1) for child in _children(graph, node, parent)]
        if below:
            y = sum(below) / len(below)
        else:
            y, row = row, row - 1
        places[node] = (float(depth), y)
        return y

    order = list(graph)
    for component in nx.connected_components(graph):
        start = min(component, key=order.index)
        place(_farthest(graph, _farthest(graph, start)), None, 0)
    return places


def _children(graph: nx.Graph, node: Node, parent: Node | None) -> list[Node]:
    """Neighbours away from the root, the deepest subtree in the middle so that the longest path stays straight."""
    children = [child for child in graph[node] if child != parent]
    children.sort(key=lambda child: _height(graph, child, node))
    return children[::2] + children[1::2][::-1]


def _height(graph: nx.Graph, node: Node, parent: Node) -> int:
    return 1 + max((_height(graph, child, node) for child in graph[node] if child != parent), default=0)


def _farthest(graph: nx.Graph, start: Node) -> Node:
    distance = nx.single_source_shortest_path_length(graph, start)
    return max(distance, key=lambda node: distance[node])


def place_directed(parents: Mapping[Node, Sequence[Node]]) -> Places:
    """Layers of an acyclic directed graph, roots on top; neighbours near each other, at least one unit apart.

    ``parents`` maps every node to its parents. A long arc bends around nothing: it reserves a place in each layer.
    """
    layer: dict[Node, int] = {}

    def depth(node: Node) -> int:
        if node not in layer:
            layer[node] = max((depth(parent) + 1 for parent in parents[node]), default=0)
        return layer[node]

    for node in parents:
        depth(node)
    for node in parents:  # a root sits right above its first child
        below = [layer[child] for child, above in parents.items() if node in above]
        if not parents[node] and below:
            layer[node] = min(below) - 1
    graph = nx.Graph()
    rows: dict[int, list[Node]] = {}
    for node, i in layer.items():
        graph.add_node(node)
        rows.setdefault(i, []).append(node)
    for child, above in parents.items():
        for parent in above:
            chain: list[Node] = [parent]
            for i in range(layer[parent] + 1, layer[child]):
                chain.append((parent, child, i))
                rows.setdefault(i, []).append(chain[-1])
            nx.add_path(graph, [*chain, child])
    x = {node: float(k) for row in rows.values() for k, node in enumerate(row)}
    row_of = {node: i for i, row in rows.items() for node in row}
    for sweep in range(24):
        for i in sorted(rows, reverse=bool(sweep % 2)):
            side = i + 1 if sweep % 2 else i - 1
            wanted = {}
            for node in rows[i]:
                near = [x[other] for other in graph[node] if row_of[other] == side or sweep >= 16]
                wanted[node] = sum(near) / len(near) if near else x[node]
            rows[i].sort(key=lambda node: wanted[node])
            x |= zip(rows[i], _spread([wanted[node] for node in rows[i]]), strict=True)
    left = min(x[node] for node in parents)
    return {node: (x[node] - left, -float(layer[node])) for node in parents}


def _spread(wanted: Sequence[float], gap: float = 1.0) -> list[float]:
    """Positions at least ``gap`` apart, in the given (ascending) order, as near to the wanted ones as that allows."""
    blocks: list[list[float]] = []  # [sum of (wanted - gap * index), count]: pool what would overlap
    for k, place in enumerate(wanted):
        blocks.append([place - gap * k, 1])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] >= blocks[-1][0] / blocks[-1][1]:
            total, count = blocks.pop()
            blocks[-1] = [blocks[-1][0] + total, blocks[-1][1] + count]
    free = [total / count for total, count in blocks for _ in range(int(count))]
    return [place + gap * k for k, place in enumerate(free)]


def spread_labels(heights: Sequence[float], gap: float) -> list[float]:
    """The given heights moved as little as possible so that no two are nearer than ``gap``."""
    order = sorted(range(len(heights)), key=lambda i: heights[i])
    moved = _spread([heights[i] for i in order], gap)
    return [moved[order.index(i)] for i in range(len(heights))]
