"""From a factor graph to a junction tree: greedy elimination orders, the best kept, and the tree of its cliques.

Large graphs are eliminated by a compiled twin, ``eliminate_all`` in kernels/trees.py, which finds the same order:
change both.

Reference: Koller and Friedman, Probabilistic Graphical Models (2009), chapters 9.4 and 10.4.
"""

from __future__ import annotations

import heapq
import math
import random
import sys
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, chain
from typing import NamedTuple

import numpy as np

from bnt.errors import TooLargeError
from bnt.graph.evidence import Reduced

HOPELESS = 2**34  # joint states of one clique: triangulation stops there
WORTH_A_SECOND = 2**12  # joint states of all cliques: with fewer, a second order costs more than it can save
WORTH_MORE = 2**18
MOST_ATTEMPTS = 24
MANY = 1000  # variables: with more of them an order may take so long that one should see it, and be able to stop it
UNIT = 2**12  # weights are whole numbers, so that sums are exact and the same everywhere: UNIT ln(cardinality)

Adjacent = dict[int, set[int]]  # each variable with its neighbours, itself among them
Weights = dict[int, int]


class JunctionTree(NamedTuple):
    """Cliques of variable positions (ascending) and the edges of a forest over them; children come before parents.

    Running intersection: a variable's cliques are connected. Every factor's scope lies in some clique. A clique's
    variables are eliminated before those of its separator: ``place[v]`` is when.
    """

    cliques: tuple[tuple[int, ...], ...]
    edges: tuple[tuple[int, int], ...]  # (child, parent); their intersection is the separator, never empty
    sizes: tuple[int, ...]  # joint states of each clique
    place: dict[int, int]

    def separator(self, edge: tuple[int, int]) -> tuple[int, ...]:
        """The variables that two neighbouring cliques share, ascending."""
        return tuple(sorted(set(self.cliques[edge[0]]) & set(self.cliques[edge[1]])))

    def diameter(self) -> int:
        """Edges of the longest path, over all components."""
        height = [0] * len(self.cliques)  # edges down to the deepest leaf below
        longest = 0
        for child, parent in self.edges:  # children first
            longest = max(longest, height[parent] + height[child] + 1)
            height[parent] = max(height[parent], height[child] + 1)
        return longest

    def smallest_clique_with(self, scope: Iterable[int], members: Sequence[set[int]]) -> int:
        """The clique of fewest joint states that contains ``scope``; ``members[v]`` are the cliques of v."""
        return min(set.intersection(*(members[v] for v in scope)), key=lambda c: (self.sizes[c], c))


def junction_tree(reduced: Reduced) -> JunctionTree:
    """A junction tree of the unobserved variables. Raises TooLargeError where a clique becomes hopeless."""
    return triangulate(reduced.free, [factor.scope for factor in reduced.factors], [len(f) for f in reduced.fields])


def triangulate(
    variables: Iterable[int], scopes: Iterable[tuple[int, ...]], cardinality: Sequence[int]
) -> JunctionTree:
    """A junction tree of these variables, whose cliques cover ``scopes``: the smallest of a few.

    Weighted min-fill eliminates next the variable whose fill-in has the least weight, the sum of log a log b over new
    pairs of cardinalities a, b; min-weight the one whose clique has the fewest joint states. The larger the tree, the
    more orders are tried, later ones with perturbed weights (seeded: the same graph always has the same tree). Compiled
    code finds the order where numba is loaded already.
    Raises TooLargeError where all meet a clique of more than HOPELESS joint states.
    """
    adjacent: Adjacent = {v: {v} for v in variables}
    for scope in scopes:
        for v in scope:
            adjacent[v].update(scope)
    weight = {v: round(UNIT * math.log(cardinality[v])) for v in adjacent}
    rng = random.Random(0)
    order = eliminate_compiled if kernels_loaded() else eliminate
    best, failed = None, None
    for attempt in shown(range(MOST_ATTEMPTS), len(adjacent)):
        if best is None and attempt == len(COSTS):
            break
        if best is not None and sum(best.sizes) <= (WORTH_A_SECOND if attempt == 1 else WORTH_MORE * attempt**2):
            break
        if attempt >= len(COSTS):  # large: the order of near ties is worth a few more tries
            weight = {v: round(UNIT * math.log(cardinality[v]) * (1.0 + 0.3 * rng.random())) for v in adjacent}
        try:
            tree = _tree_of(order(adjacent, weight, COSTS[attempt % len(COSTS)]), cardinality)
        except TooLargeError as error:
            failed = failed or error
            continue
        if best is None or sum(tree.sizes) < sum(best.sizes):
            best = tree
    if best is None:
        assert failed is not None
        raise failed
    return best


def shown(attempts: range, variables: int) -> Iterable[int]:
    """The attempts, of MANY variables with a line on a terminal when they take more than a few seconds."""
    if variables <= MANY:
        return attempts
    from tqdm import tqdm

    return tqdm(attempts, desc="junction tree", unit=" orders tried", delay=2, leave=False, disable=None)


def kernels_loaded() -> bool:
    """Is compiled code at hand without waiting for numba?"""
    if "numba" not in sys.modules:
        return False
    from bnt.kernels.jit import COMPILED

    return COMPILED


def clique_members(cliques: Sequence[tuple[int, ...]], variables: int) -> list[set[int]]:
    """For each variable, the numbers of the cliques that contain it."""
    members: list[set[int]] = [set() for _ in range(variables)]
    for c, clique in enumerate(cliques):
        for v in clique:
            members[v].add(c)
    return members


def fill_weight(v: int, adjacent: Adjacent, weight: Weights) -> tuple[float, float]:
    """Twice the weight of the edges that eliminating v would add; among equals, the log of its clique's size."""
    around = adjacent[v]
    total = 0
    for a in around:
        missing = around - adjacent[a]
        if missing:
            total += weight[a] * sum([weight[b] for b in missing])
    return total, sum([weight[u] for u in around])


def clique_weight(v: int, adjacent: Adjacent, weight: Weights) -> tuple[float, float]:
    """Log of the joint states of v and its neighbours."""
    return sum([weight[u] for u in adjacent[v]]), 0.0


def sized_fill(v: int, adjacent: Adjacent, weight: Weights) -> tuple[float, float]:
    """Weight of the fill-in times a root of the joint states: between the other two."""
    fill, states = fill_weight(v, adjacent, weight)
    return fill * math.exp(min(0.1 * states / UNIT, LARGEST_EXPONENT)), states


LARGEST_EXPONENT = 700.0  # of a float64, nearly; such a clique is refused anyway
COSTS = (fill_weight, clique_weight, sized_fill)


def eliminate(
    adjacent: Adjacent, weight: Weights, cost: Callable[[int, Adjacent, Weights], tuple[float, float]]
) -> dict[int, set[int]]:
    """Each variable, in the order of elimination, with its neighbours at that time. Raises TooLargeError.

    The cost of a variable is taken anew when a neighbour goes; a fill edge also cheapens variables farther away, and
    leaving those stale costs nothing measurable.
    """
    most = UNIT * math.log(HOPELESS)
    adjacent = {v: set(around) for v, around in adjacent.items()}
    current = {v: cost(v, adjacent, weight) for v in adjacent}
    queue = [(price, v) for v, price in current.items()]
    heapq.heapify(queue)
    gone: dict[int, set[int]] = {}
    while queue:
        price, v = heapq.heappop(queue)
        if v in gone or current[v] != price:
            continue  # eliminated, or a newer cost is in the queue
        around = adjacent.pop(v)
        states = sum([weight[u] for u in around])
        if states > most:
            raise _hopeless(states, len(around))
        around.discard(v)
        gone[v] = around
        for a in around:
            adjacent[a] |= around
            adjacent[a].discard(v)
        for u in around:
            newer = cost(u, adjacent, weight)
            if newer != current[u]:
                current[u] = newer
                heapq.heappush(queue, (newer, u))
    return gone


def eliminate_compiled(
    adjacent: Adjacent, weight: Weights, cost: Callable[[int, Adjacent, Weights], tuple[float, float]]
) -> dict[int, set[int]]:
    """``eliminate`` in compiled code, the same to the last tie."""
    from bnt.kernels.trees import eliminate_all
    from bnt.kernels.watch import call, new_watch

    names = sorted(adjacent)
    whole = not names or names[-1] == len(names) - 1
    near = adjacent if whole else _renamed(adjacent, {v: i for i, v in enumerate(names)})
    pointer = np.array([0, *accumulate(len(near[v]) for v in range(len(near)))], dtype=np.int64)
    listed = np.fromiter(chain.from_iterable(near[v] for v in range(len(near))), dtype=np.int64, count=pointer[-1])
    weights = np.array([weight[v] for v in names], dtype=np.int64)
    most = int(UNIT * math.log(HOPELESS))
    arguments = (pointer, listed, weights, COSTS.index(cost), float(UNIT), most, new_watch())
    found = call(eliminate_all, arguments, np.inf if len(names) > MANY else 0.0)
    order, starts, around = found[0].tolist(), found[1].tolist(), found[2].tolist()
    if found[3]:
        raise _hopeless(found[3], 1 + starts[-1] - starts[-2])
    if not whole:
        order, around = [names[v] for v in order], [names[v] for v in around]
    return {v: set(around[first:last]) for v, first, last in zip(order, starts, starts[1:], strict=False)}


def _renamed(adjacent: Adjacent, number: dict[int, int]) -> Adjacent:
    return {number[v]: {number[u] for u in around} for v, around in adjacent.items()}


def _hopeless(weight: float, variables: int) -> TooLargeError:
    states = math.exp(weight / UNIT)
    return TooLargeError(
        f"a junction tree would need a clique of about {states:.2g} joint states ({variables} variables)"
    )


def _tree_of(gone: dict[int, set[int]], cardinality: Sequence[int]) -> JunctionTree:
    """The maximal cliques of an elimination. The clique of v hangs below that of the first of its neighbours to go.

    A clique is not maximal if one below it has just one variable more; it is then merged into that one.
    """
    place = {v: i for i, v in enumerate(gone)}
    first = {v: min(around, key=place.__getitem__) for v, around in gone.items() if around}
    into: dict[int, int] = {}  # merged clique -> the one that contains it
    for v, u in first.items():  # in order of elimination: v's own fate is settled before its parent's
        if u not in into and len(gone[u]) == len(gone[v]) - 1:
            into[u] = into.get(v, v)
    kept = [v for v in gone if v not in into]
    above: dict[int, int] = {}
    for v, u in first.items():
        one, other = into.get(v, v), into.get(u, u)
        if one != other:
            above[one] = other
    depth: dict[int, int] = {}
    for v in kept:
        path = [v]
        while path[-1] not in depth and path[-1] in above:
            path.append(above[path[-1]])
        start = depth.get(path[-1], 0)
        for step, node in enumerate(reversed(path)):
            depth[node] = start + step
    order = sorted(kept, key=lambda v: (-depth[v], place[v]))
    number = {v: c for c, v in enumerate(order)}
    cliques = tuple(tuple(sorted((v, *gone[v]))) for v in order)
    edges = tuple((number[v], number[above[v]]) for v in order if v in above)
    sizes = tuple(math.prod([cardinality[v] for v in clique]) for clique in cliques)
    return JunctionTree(cliques, edges, sizes, place)
