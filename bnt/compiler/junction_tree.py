"""The junction-tree construction: the general layer over cliques and separators, so that loops cost no exactness.

It compiles the cluster graph of a junction tree, a factor graph whose factors are cliques and whose variables are
separators. A separator is one variable with all joint states of its members, and a variable that lies in one clique
alone stays itself: both are called *compounds* here. This factor graph is a forest, so the beliefs are the exact
posterior after one round more than the tree has edges on its longest path. A clique is not a table over its compounds,
which may overlap, but a list of its joint states of positive potential: the price is a token for each of them,
exponential in the treewidth.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bnt.compiler.configurations import Configurations, OneFactor, collect
from bnt.compiler.general import NOTE, check_general, general_parts, zeros_again
from bnt.compiler.layout import Layout
from bnt.compiler.model import Parts
from bnt.errors import InconsistentEvidenceError, TooLargeError, UnsupportedModelError
from bnt.graph.evidence import Reduced, describe
from bnt.graph.factor_graph import Array
from bnt.graph.flat import Flat, starts
from bnt.inference.triangulation import JunctionTree, clique_members, junction_tree
from bnt.transformer.gather import Bools

TWO_PASSES = 2
NO_HISTORY: Array = np.empty((0, 0))


class ClusterGraph(NamedTuple):
    """flat: factor c is clique c of the tree, variable u is compound u, tables are lists (see Flat)."""

    compounds: tuple[tuple[int, ...], ...]  # members of each compound, ascending
    shapes: tuple[tuple[int, ...], ...]  # number of states of each member
    flat: Flat

    def states(self, c: int) -> list[NDArray[np.int32]]:
        """For each compound of clique c, its state in every listed joint state of the clique."""
        flat, count = self.flat, self.flat.table_ptr[c + 1] - self.flat.table_ptr[c]
        starts = flat.slot_ptr[flat.factor_ptr[c] : flat.factor_ptr[c + 1]]
        return [flat.slot_state[start : start + count] for start in starts]

    def marginals(self, log_beliefs: Array, maximise: bool) -> dict[int, Array]:
        """Log belief of every member from those of the compounds (layout of flat.field), by its smallest compound."""
        logs: dict[int, Array] = {}
        for u in np.argsort(self.flat.cardinality, kind="stable"):
            table = log_beliefs[self.flat.field_ptr[u] : self.flat.field_ptr[u + 1]].reshape(self.shapes[u])
            for axis, v in enumerate(self.compounds[u]):
                if v not in logs:
                    others = tuple(other for other in range(table.ndim) if other != axis)
                    logs[v] = table.max(others) if maximise else log_sum(table, others)
        return logs


class JunctionReadout(NamedTuple):
    """Beliefs of compound variables on state tokens; those of single variables are their marginals."""

    reduced: Reduced
    flat: Flat
    layout: Layout
    clusters: ClusterGraph

    def log_messages(self, stream: Array) -> Array:
        """Not available: raises UnsupportedModelError."""
        raise UnsupportedModelError("a junction-tree model passes messages between cliques, not factors and variables")

    def log_beliefs(self, stream: Array) -> Array:
        """See Readout."""
        beliefs = stream[self.layout.rows("state"), self.layout.position("belief")]
        logs = np.full(self.flat.field_ptr[-1], -np.inf)
        for i, state in self.reduced.evidence.hard.items():
            logs[self.flat.field_ptr[i] + state] = 0.0
        beliefs = zeros_again(beliefs, self.clusters.flat.field_ptr)
        for v, marginal in self.clusters.marginals(beliefs, maximise=False).items():
            logs[self.flat.field_ptr[v] : self.flat.field_ptr[v + 1]] = marginal
        return logs


def compile_junction_tree(reduced: Reduced, flat: Flat, mode: str, damping: float, memory_limit: int) -> Parts:
    """Layer, tokens and readout; the note states clique sizes, tokens and memory.

    Raises TooLargeError with the same figures over ``memory_limit`` bytes, UnsupportedModelError for max mode.
    """
    check_general(reduced, mode, damping)
    tree = junction_tree(reduced)
    sizes = f"junction tree of {len(tree.cliques)} cliques, at most {max(tree.sizes, default=0):.3g} joint states each"
    check_tables(tree, sizes, memory_limit)
    clusters = cluster_graph(reduced, tree)
    possible = possible_configurations(reduced, clusters.flat)
    check_configurations(int(possible.sum()), sizes, memory_limit)
    listed = clique_configurations(clusters, possible)
    layer, tokens, layout = general_parts(
        listed,
        clusters.flat.factor_index,
        tuple(range(len(clusters.compounds))),
        damping,
        memory_limit,
        what=sizes,
    )
    note = f"{sizes}; {len(tokens)} tokens, {tokens.nbytes / 2**20:.1f} MiB. {NOTE}"
    readout = JunctionReadout(reduced, flat, layout, clusters)
    return Parts(layer, tokens, layout, readout, note, exact_after=tree.diameter() + 1 if tree.cliques else 0)


def check_configurations(count: int, sizes: str, memory_limit: int) -> None:
    """Refuse once the possible joint states are counted: each is one token of more than 64 columns."""
    need = 3 * 8 * 64 * count
    if need > memory_limit:
        raise TooLargeError(
            f"{sizes}: more than {count:.3g} tokens, at least {need / 2**30:.1f} GiB; "
            f"the limit is {memory_limit / 2**30:.2f} GiB (memory_limit raises it)"
        )


def check_tables(tree: JunctionTree, sizes: str, memory_limit: int) -> None:
    """Refuse before any table is built; every joint state of a clique may become a token."""
    total = sum(tree.sizes)
    if 2 * 8 * total > memory_limit:
        raise TooLargeError(
            f"{sizes}: up to {total:.3g} tokens, at least {2 * 8 * total / 2**30:.1f} GiB for the clique tables alone; "
            f"the limit is {memory_limit / 2**30:.2f} GiB (memory_limit raises it)"
        )


def possible_configurations(reduced: Reduced, flat: Flat) -> Bools:
    """(T,) Which listed joint states of the cliques belong to a possible joint state of the whole model.

    Raises InconsistentEvidenceError where there is none.
    """
    from bnt.kernels.readout import all_scores

    support = flat._replace(log_table=np.zeros(len(flat.log_table)))
    return all_scores(support, two_passes(reduced, support, maximise=True)) > -np.inf


def clique_configurations(clusters: ClusterGraph, possible: Bools) -> Configurations:
    """Possible joint states of every clique, written as the states of its compounds."""
    flat = clusters.flat
    lists: list[OneFactor] = []
    for c in range(len(flat.factor_index)):
        own = slice(flat.table_ptr[c], flat.table_ptr[c + 1])
        alive, log_psi = possible[own], flat.log_table[own]
        states = np.stack([state[alive] for state in clusters.states(c)], axis=1).astype(np.int64)
        scope = flat.edge_variable[flat.factor_ptr[c] : flat.factor_ptr[c + 1]].tolist()
        lists.append((scope, states, np.arange(len(states)), log_psi[alive]))
    return collect(flat.cardinality, [np.zeros(states) for states in flat.cardinality], lists)


# --- the cluster graph ------------------------------------------------------------------------------------------------


def log_sum(logs: Array, axes: tuple[int, ...]) -> Array:
    """log sum exp over ``axes``; the largest entry must not be -inf."""
    highest = logs.max()
    with np.errstate(divide="ignore"):
        total: Array = np.log(np.exp(logs - highest).sum(axes)) + highest
    return total


def cluster_graph(reduced: Reduced, tree: JunctionTree) -> ClusterGraph:
    """All cliques listed, each factor and field multiplied into the smallest clique that covers it."""
    cardinality = [len(field) for field in reduced.fields]
    compounds, slots = compound_variables(tree)
    shapes = tuple(tuple(cardinality[v] for v in compound) for compound in compounds)
    states = np.array([math.prod(shape) for shape in shapes], dtype=np.int64)

    log_table = np.empty(sum(tree.sizes))
    slot_state = np.empty(sum(size * len(own) for size, own in zip(tree.sizes, slots, strict=True)), dtype=np.int32)
    sizes, slot_ptr, end, slot_end = [], [], 0, 0
    for clique, own, parts in zip(tree.cliques, slots, assigned(reduced, tree), strict=True):
        table = np.zeros([cardinality[v] for v in clique])
        for scope, log_part in parts:
            table += aligned(log_part, scope, clique)
        table = table.ravel()
        (possible,) = np.nonzero(table > -np.inf)  # (c,)
        log_table[end : end + len(possible)] = table[possible]
        for u in own:
            slot_ptr.append(slot_end)
            slot_state[slot_end : slot_end + len(possible)] = projection(clique, compounds[u], cardinality)[possible]
            slot_end += len(possible)
        sizes.append(len(possible))
        end += len(possible)

    arity = np.array([len(own) for own in slots], dtype=np.int64)
    edge_variable = np.array([u for own in slots for u in own], dtype=np.int64)
    flat = Flat(
        cardinality=states,
        field_ptr=starts(states),
        field=np.zeros(states.sum()),
        factor_ptr=starts(arity),
        edge_variable=edge_variable,
        edge_factor=np.repeat(np.arange(len(slots)), arity),
        message_ptr=starts(states[edge_variable]),
        table_ptr=starts(sizes),
        log_table=log_table[:end],
        variable_ptr=starts(np.bincount(edge_variable, minlength=len(states))),
        variable_edges=np.argsort(edge_variable, kind="stable"),
        factor_index=np.arange(len(slots)),
        slot_ptr=np.array(slot_ptr, dtype=np.int64),
        slot_state=slot_state[:slot_end],
    )
    return ClusterGraph(compounds, shapes, flat)


def compound_variables(tree: JunctionTree) -> tuple[tuple[tuple[int, ...], ...], list[list[int]]]:
    """Separators, one per edge, then single variables that no separator has; and the compounds in each clique."""
    compounds = [tree.separator(edge) for edge in tree.edges]
    slots: list[list[int]] = [[] for _ in tree.cliques]
    for u, edge in enumerate(tree.edges):
        for c in edge:
            slots[c].append(u)
    shared = {v for compound in compounds for v in compound}
    for c, clique in enumerate(tree.cliques):
        for v in clique:
            if v not in shared:
                slots[c].append(len(compounds))
                compounds.append((v,))
    return tuple(compounds), slots


Part = tuple[tuple[int, ...], Array]  # scope, log table


def assigned(reduced: Reduced, tree: JunctionTree) -> list[list[Part]]:
    """Which fields and factors each clique multiplies: the smallest one that covers them."""
    members = clique_members(tree.cliques, len(reduced.fields))
    parts: list[list[Part]] = [[] for _ in tree.cliques]
    for scope, log_table in [
        *(((v,), reduced.fields[v]) for v in reduced.free),
        *((factor.scope, factor.log_table) for factor in reduced.factors),
    ]:
        parts[tree.smallest_clique_with(scope, members)].append((scope, log_table))
    return parts


def aligned(table: Array, scope: tuple[int, ...], clique: tuple[int, ...]) -> Array:
    """A table over ``scope`` with its axes in the clique's order and length-1 axes elsewhere."""
    order = sorted(range(len(scope)), key=lambda axis: clique.index(scope[axis]))
    shape = [table.shape[scope.index(v)] if v in scope else 1 for v in clique]
    return table.transpose(order).reshape(shape)


def projection(clique: tuple[int, ...], compound: tuple[int, ...], cardinality: list[int]) -> NDArray[np.int32]:
    """The compound's state in every joint state of the clique, both in C order."""
    states, stride = np.zeros(1, dtype=np.int32), 1
    for v in reversed(clique):
        step = stride if v in compound else 0
        states = (step * np.arange(cardinality[v], dtype=np.int32)[:, None] + states).ravel()
        stride *= cardinality[v] if v in compound else 1
    return states


def two_passes(reduced: Reduced, flat: Flat, maximise: bool) -> Array:
    """All log messages of the cluster graph (layout of flat.message_ptr). Raises InconsistentEvidenceError."""
    from bnt.kernels.equations import start_messages
    from bnt.kernels.options import SEQUENTIAL
    from bnt.kernels.schedules import run_rounds
    from bnt.kernels.watch import new_watch

    mu = start_messages(flat, maximise)
    _, _, alive = run_rounds(flat, mu, SEQUENTIAL, 0.0, maximise, TWO_PASSES, TWO_PASSES, -1.0, NO_HISTORY, new_watch())
    if not alive:
        raise InconsistentEvidenceError(f"probability zero: {describe(reduced.graph, reduced.evidence)}")
    return mu
