"""Edge weights rho that tree-reweighted message passing may use: those of a distribution over spanning trees.

rho_e is the probability that edge e is in a uniformly drawn spanning tree, which is the effective resistance between
its ends where every edge is a resistor of 1 ohm (Kirchhoff):

    rho_ij = L+_ii + L+_jj - 2 L+_ij,      L+ the pseudo-inverse of the graph's Laplacian

so that sum_e rho_e = n - 1 in a connected graph, rho = 1 on bridges, and 2/n in a complete graph of n variables.
"""

from __future__ import annotations

import numpy as np

from bnt.graph.factor_graph import Array
from bnt.graph.flat import Flat

BLOCK = 256  # edges whose currents are solved for at once
BRIDGE = 1e-9  # other paths of a million edges still leave rho further below 1


def spanning_tree_weights(flat: Flat) -> Array:
    """rho (m,) of every factor, all over two variables. Two factors on one pair of variables are parallel edges."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.sparse.linalg import splu

    ends = flat.edge_variable.reshape(-1, 2)  # (m, 2)
    rho = np.ones(len(ends))
    if not len(ends):
        return rho
    n = len(flat.cardinality)
    adjacency = coo_array((np.ones(2 * len(ends)), (ends.ravel(), ends[:, ::-1].ravel())), shape=(n, n)).tocsr()
    _, part = connected_components(adjacency, directed=False)
    _, ground = np.unique(part, return_index=True)  # one variable of every component is held at zero volts
    wired = np.setdiff1d(np.arange(n), ground)
    laplacian = (coo_array((adjacency.sum(axis=1), (np.arange(n), np.arange(n))), shape=(n, n)) - adjacency).tocsr()
    factors = splu(laplacian[wired][:, wired].tocsc())
    place = np.full(n, -1)
    place[wired] = np.arange(len(wired))
    at = place[ends]  # (m, 2), -1: the ground
    for begin in range(0, len(ends), BLOCK):
        block = at[begin : begin + BLOCK]
        current = np.zeros((len(wired), len(block)))  # one ampere in at one end, out at the other
        edges = np.arange(len(block))
        for side, sign in ((0, 1.0), (1, -1.0)):
            inside = block[:, side] >= 0
            current[block[inside, side], edges[inside]] += sign
        volts = np.vstack([factors.solve(current), np.zeros(len(block))])  # row -1: the ground
        rho[begin : begin + BLOCK] = volts[block[:, 0], edges] - volts[block[:, 1], edges]
    rho[rho > 1.0 - BRIDGE] = 1.0
    return rho
