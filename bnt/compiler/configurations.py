"""A factor graph as lists of its possible configurations: what the general construction turns into tokens.

A configuration is one nonzero entry of one factor's table, or one possible leaf of a factor given by leaves. Zero
entries are absent, not small.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bnt.graph.evidence import Reduced, ReducedLeaves
from bnt.graph.factor_graph import Array
from bnt.graph.flat import Ints


class Configurations(NamedTuple):
    """n variables, m factors of at most k slots, E edges (factor, slot), c configurations.

    Edges run factor by factor, slot by slot; an *entry* is one state of one edge, in that order, as in Flat.
    """

    cardinality: Ints  # (n,)     states of each variable
    fields: Sequence[Array]  # n       log local potential of each variable, -inf = zero
    edge_factor: Ints  # (E,)
    edge_slot: Ints  # (E,)
    edge_variable: Ints  # (E,)
    factor: Ints  # (c,)     factor of each configuration
    entry: Ints  # (c,)     its position in the factor's own list of configurations
    log_psi: Array  # (c,)     finite; the largest of each factor is 0
    states: Ints  # (c, k)   state in each slot, -1 where the leaf mentions none, or the factor has fewer slots

    @property
    def slots(self) -> int:
        """k: the largest number of slots of a factor."""
        return self.states.shape[1]

    @property
    def degree(self) -> Ints:
        """(n,) edges of each variable."""
        return np.bincount(self.edge_variable, minlength=len(self.cardinality))

    @property
    def open(self) -> NDArray[np.bool_]:
        """(c, k) Does the configuration leave this slot of its factor open: any state will do?"""
        arity = np.bincount(self.edge_factor, minlength=int(self.factor.max(initial=-1)) + 1)  # (m,)
        return (self.states < 0) & (np.arange(self.slots) < arity[self.factor, None])


def configurations(reduced: Reduced) -> Configurations:
    """All nonzero entries, or possible leaves, of the factors that send messages."""
    lists: list[OneFactor] = []
    for factor in reduced.factors:
        if isinstance(factor, ReducedLeaves):
            (entry,) = np.nonzero(~np.isneginf(factor.listed.log_values))
            lists.append((factor.scope, factor.listed.states[entry], entry, factor.listed.log_values[entry]))
            continue
        (entry,) = np.nonzero(~np.isneginf(factor.log_table.ravel()))  # (c_f,)
        states = np.stack(np.unravel_index(entry, factor.log_table.shape), axis=1)  # (c_f, arity)
        lists.append((factor.scope, states, entry, factor.log_table.ravel()[entry]))
    cardinality = np.array([len(field) for field in reduced.fields], dtype=np.int64)
    return collect(cardinality, reduced.fields, lists)


OneFactor = tuple[Sequence[int], Ints, Ints, Array]  # scope, states (c_f, arity), entry (c_f,), log_psi (c_f,)


def collect(cardinality: Ints, fields: Sequence[Array], lists: Sequence[OneFactor]) -> Configurations:
    """Join the lists of the factors, in order."""
    slots = max((len(scope) for scope, *_ in lists), default=0)
    counts = [len(entry) for _, _, entry, _ in lists]
    states = np.full((sum(counts), slots), -1, dtype=np.int64)
    start = 0
    for scope, own, _, _ in lists:
        states[start : start + len(own), : len(scope)] = own
        start += len(own)
    return Configurations(
        cardinality=cardinality,
        fields=fields,
        edge_factor=np.array([f for f, (scope, *_) in enumerate(lists) for _ in scope], dtype=np.int64),
        edge_slot=np.array([p for scope, *_ in lists for p in range(len(scope))], dtype=np.int64),
        edge_variable=np.array([v for scope, *_ in lists for v in scope], dtype=np.int64),
        factor=np.repeat(np.arange(len(lists), dtype=np.int64), counts),
        entry=np.concatenate([np.zeros(0, np.int64), *(entry for _, _, entry, _ in lists)]),
        log_psi=np.concatenate([np.zeros(0), *(log_psi - log_psi.max() for *_, log_psi in lists)]),
        states=states,
    )
