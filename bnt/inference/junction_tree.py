"""Exact inference on a junction tree: the tree of a graph, made once, and two passes over it for every new evidence.

Observed variables keep their place in the tree with one state only, so every table shrinks and nothing is built anew; a
tree for just these observed variables is made where the graph's own is too large. kernels/cliques.py does the work; in
logarithms, and without numba, ``calibrate_in_logs`` gives the same. Cost: the number of joint states of the cliques.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from bnt.checks import fits
from bnt.errors import InconsistentEvidenceError, TooLargeError
from bnt.graph.evidence import Evidence, describe
from bnt.graph.factor_graph import Array, FactorGraph
from bnt.graph.flat import Ints, Plan
from bnt.inference.triangulation import JunctionTree, triangulate

MOST_PLANS = 16  # trees for certain observed variables, kept with a graph
FEW = 2**20  # joint states: with no more of them a tree of its own is not worth making
LARGE = 2**15  # joint states: with more of them a single query is worth a tree of what it depends on
BLOCK = 2**25  # operations between two looks at the stop button: about a tenth of a second


class Calibrated(NamedTuple):
    """beliefs: (S,) of all states of all variables, each variable's summing to one; log_z; best: (n,) in max mode.

    log_total: log of the largest mass of one joint state in max mode, else log_z.
    """

    beliefs: Array
    log_total: float
    best: Ints


class Trees:
    """What exact inference keeps of a graph: its tables as numbers, its tree, and trees for some observed variables."""

    def __init__(self, graph: FactorGraph):
        self.lock = threading.Lock()
        self.plans: OrderedDict[frozenset[int], Plan | TooLargeError] = OrderedDict()
        self.scopes, self.state_ptr = graph.scopes, graph.state_ptr
        self.cardinality: Ints = np.diff(graph.state_ptr)
        sizes = np.array([factor.log_table.size for factor in graph.factors], dtype=np.int64)
        self.table_ptr = np.concatenate([[0], np.cumsum(sizes)])
        self.log_tables: Array = np.concatenate([np.zeros(0), *(factor.log_table.ravel() for factor in graph.factors)])
        peaks = np.maximum.reduceat(self.log_tables, self.table_ptr[:-1]) if len(sizes) else np.zeros(0)
        self.tables = np.exp(self.log_tables - np.repeat(peaks, sizes))
        self.constant = float(peaks.sum())
        self.whole = 0  # joint states of the tree without evidence, once that is made
        self.no_field = np.ones(self.state_ptr[-1])

    def fields(self, known: Evidence) -> tuple[Array, Array, float]:
        """Soft evidence on all states: its logarithm; with a largest entry of 1; the log of what was taken out."""
        if not known.soft:
            return np.zeros(len(self.no_field)), self.no_field, 0.0
        logs, taken = np.zeros(len(self.no_field)), 0.0
        field = self.no_field.copy()
        for i, log_likelihood in known.soft.items():
            here = slice(self.state_ptr[i], self.state_ptr[i + 1])
            peak = float(log_likelihood.max())
            logs[here], field[here], taken = log_likelihood, np.exp(log_likelihood - peak), taken + peak
        return logs, field, taken

    def plan_without(self, hidden: frozenset[int]) -> Plan:
        """The tree of all variables but these, kept or made now. Raises TooLargeError where it is hopeless."""
        with self.lock:
            found = self.plans.get(hidden)
            if found is not None:
                self.plans.move_to_end(hidden)
        if found is None:
            cardinality = self.cardinality.tolist()
            free = [v for v in range(len(cardinality)) if v not in hidden]
            scopes = [tuple(v for v in scope if v not in hidden) for scope in self.scopes] if hidden else self.scopes
            try:
                found = make_plan(self, triangulate(free, scopes, cardinality))
            except TooLargeError as error:
                found = error
            if not hidden and isinstance(found, Plan):
                self.whole = int(clique_sizes(found, np.full(len(cardinality), -1)).sum())
            with self.lock:
                self.plans[hidden] = found
                while len(self.plans) > MOST_PLANS:
                    self.plans.popitem(last=False)
        if isinstance(found, TooLargeError):
            raise TooLargeError(str(found))
        return found

    def plan(self, known: Evidence, observed: Ints, memory_limit: float) -> tuple[Plan, int]:
        """The smallest tree at hand for this evidence, and its joint states. Raises TooLargeError."""
        found = self.plans.get(frozenset())
        if isinstance(found, Plan) and self.whole <= FEW and 8 * self.whole <= memory_limit:
            return found, self.whole  # the usual case: evidence makes it smaller still
        best: tuple[Plan, int] | None = None
        refused: TooLargeError | None = None
        for hidden in (frozenset[int](), frozenset(known.hard)):
            try:
                plan = self.plan_without(hidden)
            except TooLargeError as error:
                refused = error
                continue
            sizes = clique_sizes(plan, observed)
            if best is None or sizes.sum() < best[1]:
                best, largest = (plan, int(sizes.sum())), sizes.max(initial=0)
            if best[1] <= FEW or not known.hard:
                break
        if best is None:
            raise refused or TooLargeError("no junction tree")
        what = f"the junction tree has {best[1]:.3g} joint states, {largest:.3g} of them in its largest clique"
        fits(what, 8 * best[1], memory_limit)
        return best


_TREES: WeakKeyDictionary[FactorGraph, Trees | None] = WeakKeyDictionary()  # not in the graph: copies start afresh


def first_question(graph: FactorGraph) -> bool:
    """True once for every graph."""
    if graph in _TREES:
        return False
    _TREES[graph] = None
    return True


def has_large_tree(graph: FactorGraph) -> bool:
    """Is the tree of the whole graph, made now if it was not, too large to be gone through for one query?"""
    try:
        plan = trees_of(graph).plan_without(frozenset())
    except TooLargeError:
        return True
    return bool(clique_sizes(plan, np.full(len(plan.cardinality), -1)).sum() > LARGE)


def trees_of(graph: FactorGraph) -> Trees:
    """What is kept of this graph, made at first use."""
    found = _TREES.get(graph)
    if found is None:
        found = _TREES[graph] = Trees(graph)
    return found


def clique_sizes(plan: Plan, observed: Ints) -> Array:
    """(C,) joint states of each clique once observed variables have one state."""
    if not len(plan.member):
        return np.ones(1)
    states = np.where(observed >= 0, 1, plan.cardinality)[plan.member].astype(np.float64)
    sizes: Array = np.multiply.reduceat(states, plan.clique_ptr[:-1])
    return sizes


def make_plan(trees: Trees, tree: JunctionTree) -> Plan:
    """The tree as flat arrays, each factor in the clique where the first of its variables is eliminated."""
    cardinality = trees.cardinality.tolist()
    cliques: Sequence[tuple[int, ...]] = tree.cliques or ((),)
    parent = [-1] * len(cliques)
    for child, above in tree.edges:
        parent[child] = above
    members: list[list[int]] = []
    shared: list[int] = []
    children: list[list[int]] = [[] for _ in cliques]
    owner, axis = dict[int, int](), list[dict[int, int]]()
    home: dict[int, tuple[int, int]] = {}  # the smallest clique of each variable, with its size
    for c, clique in enumerate(cliques):
        common = set(clique).intersection(cliques[parent[c]]) if parent[c] >= 0 else set()
        ordered = sorted(clique, key=lambda v: (v not in common, -tree.place[v]))
        members.append(ordered)
        shared.append(len(common))
        axis.append({v: a for a, v in enumerate(ordered)})
        for v in ordered[len(common) :]:
            owner[v] = c
        size = tree.sizes[c] if tree.sizes else 1
        for v in clique:
            if v not in home or size < home[v][0]:
                home[v] = size, c
        if parent[c] >= 0:
            children[parent[c]].append(c)
    homes: list[list[int]] = [[] for _ in cliques]
    for v, (_, c) in home.items():
        homes[c].append(axis[c][v])
    above_axis = [
        axis[parent[c]][v] if a < shared[c] else -1 for c, ordered in enumerate(members) for a, v in enumerate(ordered)
    ]
    # parts: (begin, is it a field, axes); an axis: (variable, member or -1, step)
    parts: list[list[tuple[int, bool, list[tuple[int, int, int]]]]] = [[] for _ in cliques]
    for v, begin in enumerate(trees.state_ptr[:-1].tolist()):
        c = home[v][1] if v in home else 0
        parts[c].append((begin, True, [(v, axis[c].get(v, -1), 1)]))
    for scope, begin in zip(trees.scopes, trees.table_ptr.tolist(), strict=False):
        inside = [v for v in scope if v in owner]
        c = owner[min(inside, key=tree.place.__getitem__)] if inside else 0
        step, axes = 1, list[tuple[int, int, int]]()
        for v in reversed(scope):
            axes.append((v, axis[c].get(v, -1), step))
            step *= cardinality[v]
        parts[c].append((begin, False, axes[::-1]))
    listed = [part for of_clique in parts for part in of_clique]
    slots = [one for part in listed for one in part[2]]
    variable, member, step_of = (np.array(column, dtype=np.int64) for column in zip(*slots, strict=True))
    return Plan(
        cardinality=trees.cardinality,
        state_ptr=trees.state_ptr,
        clique_ptr=_starts(members),
        member=_joined(members),
        parent=np.array(parent, dtype=np.int64),
        shared=np.array(shared, dtype=np.int64),
        above=np.array(above_axis, dtype=np.int64),
        child_ptr=_starts(children),
        child=_joined(children),
        part_ptr=_starts(parts),
        part_begin=np.array([part[0] for part in listed], dtype=np.int64),
        is_field=np.array([part[1] for part in listed], dtype=np.bool_),
        slot_ptr=_starts([part[2] for part in listed]),
        slot_variable=variable,
        slot_member=member,
        slot_step=step_of,
        home_ptr=_starts(homes),
        home_member=_joined(homes),
        tables=trees.tables,
    )


def _starts(lists: Sequence[Sequence[Any]]) -> Ints:
    return np.array([0, *accumulate(map(len, lists))], dtype=np.int64)


def _joined(lists: Sequence[Sequence[int]]) -> Ints:
    return np.array([entry for one in lists for entry in one], dtype=np.int64)


def calibrate(trees: Trees, plan: Plan, states: int, observed: Ints, field: Array, maximise: bool) -> Calibrated | None:
    """Both passes, compiled; None where a number leaves the range of a float64. log_total lacks the constants.

    More than a BLOCK of work is done in several calls, so that Ctrl-C or a stop button is heard in between, within a
    large clique too; a line on a terminal shows how far it is when that takes more than a few seconds.
    """
    from bnt.kernels import cliques as kernels

    if is_short(plan, states, observed):
        code, total, beliefs, best = kernels.solve(plan, observed, field, maximise)
        return Calibrated(beliefs, total, best) if code == kernels.DONE else None
    from tqdm import tqdm

    from bnt.kernels.trees import SPENT, STEP, decode_on, sweep_on

    up_ptr = kernels.layout(plan, observed)
    up, down, beliefs = np.zeros(up_ptr[-1]), np.zeros(up_ptr[-1]), np.zeros(plan.state_ptr[-1])
    total, whole = 0.0, int(operations(plan, observed).sum())
    what = "max-marginals" if maximise else "marginals"
    with tqdm(total=whole, desc=what, unit=" operations", unit_scale=True, delay=2, leave=False, disable=None) as bar:
        mark = np.zeros(4, dtype=np.int64)
        while mark[STEP] < 2 * len(plan.parent):
            code, part = short(sweep_on, plan, observed, field, maximise, BLOCK, mark, up_ptr, up, down, beliefs)
            if code != kernels.DONE:
                return None
            total += part
            bar.update(min(int(mark[SPENT]), whole) - bar.n)
    if kernels.normalise_beliefs(plan, observed, beliefs) != kernels.DONE:
        return None
    best = observed.copy()
    if maximise:
        mark, peak = np.zeros(4, dtype=np.int64), np.zeros(1)
        while short(decode_on, plan, observed, field, BLOCK, mark, peak, best, up_ptr, up):
            pass
    return Calibrated(beliefs, total, best)


def short(kernel: Any, *arguments: Any) -> Any:
    """kernel(*arguments), a short call; in a thread if it has to be compiled first, so that Ctrl-C is heard then."""
    if getattr(kernel, "overloads", True):
        return kernel(*arguments)
    from bnt.kernels.watch import call, new_watch

    return call(lambda *watched: kernel(*watched[:-1]), (*arguments, new_watch()))


def operations(plan: Plan, observed: Ints) -> Ints:
    """(C,) multiplications and additions that both passes make for the joint states of each clique."""
    meeting = [np.diff(pointer) for pointer in (plan.part_ptr, plan.child_ptr, plan.home_ptr)]
    found: Ints = clique_sizes(plan, observed).astype(np.int64) * (2 * meeting[0] + 3 * meeting[1] + meeting[2] + 4)
    return found


def is_short(plan: Plan, states: int, observed: Ints) -> bool:
    """Are both passes soon done, within a BLOCK of operations? The first bound is rough, and free."""
    most = 2 * len(plan.part_begin) + 4 * len(plan.parent) + len(plan.home_member) + 4  # were all in one clique
    return states * most <= BLOCK or int(operations(plan, observed).sum()) <= BLOCK


def calibrate_in_logs(
    graph: FactorGraph,
    known: Evidence,
    trees: Trees,
    plan: Plan,
    observed: Ints,
    log_field: Array,
    maximise: bool,
    visit: Callable[[int, Array, dict[int, int]], None] | None = None,
) -> Calibrated:
    """The same in logarithms, plain numpy: any range, and no numba. Raises InconsistentEvidenceError.

    visit(clique, its unnormalised log belief, axis of each of its members): called once per clique on the way down.
    """
    reduce = _highest if maximise else log_sum
    count, total = len(plan.parent), 0.0
    tables: list[Array] = []
    ups: list[Array] = [np.zeros(())] * count
    axes: list[dict[int, int]] = []  # of each clique: axis of every member that is not observed
    for c in range(count):
        member = plan.member[plan.clique_ptr[c] : plan.clique_ptr[c + 1]]
        free = [a for a in range(len(member)) if observed[member[a]] < 0]
        axes.append({a: i for i, a in enumerate(free)})
        table = np.zeros(plan.cardinality[member[free]])
        for p in range(plan.part_ptr[c], plan.part_ptr[c + 1]):
            slots = slice(plan.slot_ptr[p], plan.slot_ptr[p + 1])
            variables = plan.slot_variable[slots]
            source = log_field if plan.is_field[p] else trees.log_tables
            shape = plan.cardinality[variables]
            part = source[plan.part_begin[p] : plan.part_begin[p] + shape.prod()].reshape(shape)
            part = part[tuple(observed[v] if observed[v] >= 0 else slice(None) for v in variables)]
            places = [axes[c][a] for a, v in zip(plan.slot_member[slots], variables, strict=True) if observed[v] < 0]
            table += _spread(part, places, table.ndim)
        for d in plan.child[plan.child_ptr[c] : plan.child_ptr[c + 1]]:
            table += _spread(ups[d], _axes_above(plan, d, axes[c]), table.ndim)
        own = sum(a < plan.shared[c] for a in free)  # shared members come first
        message = reduce(table, tuple(range(own, table.ndim)))
        if (peak := float(message.max())) == -np.inf:
            raise InconsistentEvidenceError(f"probability zero: {describe(graph, known)}")
        tables.append(table)
        ups[c], total = message - peak, total + peak
    best = observed.copy()
    if maximise:
        for c in reversed(range(count)):
            member = plan.member[plan.clique_ptr[c] : plan.clique_ptr[c + 1]]
            open_members = [a for a in axes[c] if best[member[a]] < 0]
            given = tables[c][tuple(best[member[a]] if best[member[a]] >= 0 else slice(None) for a in axes[c])]
            for a, state in zip(open_members, np.unravel_index(int(given.argmax()), given.shape), strict=True):
                best[member[a]] = state
    downs: list[Array] = [np.zeros(())] * count
    logs = np.full(plan.state_ptr[-1], -np.inf)
    for c in reversed(range(count)):
        member = plan.member[plan.clique_ptr[c] : plan.clique_ptr[c + 1]]
        belief = tables[c] + _spread(downs[c], list(range(downs[c].ndim)), tables[c].ndim)
        if visit is not None:
            visit(c, belief, axes[c])
        for d in plan.child[plan.child_ptr[c] : plan.child_ptr[c + 1]]:
            kept = _axes_above(plan, d, axes[c])
            message = reordered(reduce(belief, others(belief, kept)), kept)
            with np.errstate(invalid="ignore"):
                message = np.where(ups[d] == -np.inf, -np.inf, message - ups[d])
            downs[d] = message - message.max()
        for a in plan.home_member[plan.home_ptr[c] : plan.home_ptr[c + 1]]:
            if a in axes[c]:
                begin = plan.state_ptr[member[a]]
                logs[begin : begin + plan.cardinality[member[a]]] = reduce(belief, others(belief, [axes[c][a]]))
    begin = plan.state_ptr[:-1]
    beliefs = np.exp(logs - np.repeat(np.where(observed >= 0, 0.0, np.maximum.reduceat(logs, begin)), plan.cardinality))
    seen = np.flatnonzero(observed >= 0)
    beliefs[begin[seen] + observed[seen]] = 1.0
    beliefs /= np.repeat(np.add.reduceat(beliefs, begin), plan.cardinality)
    return Calibrated(beliefs, total, best)


def _axes_above(plan: Plan, d: int, axes: dict[int, int]) -> list[int]:
    """Axes of the parent's table that the separator of clique d has, in the separator's order."""
    begin = plan.clique_ptr[d]
    return [axes[a] for a in plan.above[begin : begin + plan.shared[d]].tolist() if a in axes]


def others(table: Array, kept: Sequence[int]) -> tuple[int, ...]:
    return tuple(axis for axis in range(table.ndim) if axis not in kept)


def _spread(table: Array, places: Sequence[int], ndim: int) -> Array:
    """``table`` with its axes at ``places`` and length-1 axes elsewhere."""
    order = sorted(range(table.ndim), key=places.__getitem__)
    shape = [1] * ndim
    for axis in order:
        shape[places[axis]] = table.shape[axis]
    return table.transpose(order).reshape(shape)


def reordered(table: Array, kept: Sequence[int]) -> Array:
    """A table whose axes are ``kept`` in ascending order, in the given order instead."""
    ascending = sorted(kept)
    return table.transpose([ascending.index(axis) for axis in kept])


def _highest(logs: Array, axes: tuple[int, ...]) -> Array:
    found: Array = np.asarray(logs.max(axes))
    return found


def log_sum(logs: Array, axes: tuple[int, ...]) -> Array:
    """log sum exp over ``axes``; -inf where all entries are. A large table in parts: a stop button is heard between."""
    if logs.size > BLOCK and logs.ndim > 1:
        parts = [log_sum(part, tuple(axis - 1 for axis in axes if axis > 0)) for part in logs]
        whole: Array = np.asarray(np.logaddexp.reduce(parts) if 0 in axes else np.stack(parts))
        return whole
    highest = logs.max(axes, keepdims=True)
    highest = np.where(highest == -np.inf, 0.0, highest)
    with np.errstate(divide="ignore"):
        found: Array = np.asarray(
            np.log(np.exp(logs - highest).sum(axes)) + highest.reshape(np.delete(logs.shape, axes))
        )
    return found
