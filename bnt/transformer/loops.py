"""Who runs a sublayer that gathers: the loops of compiled.py, or numpy (gather.py), which covers all that they do not.

Both compute the same, summed in another order: on compiled models to 2e-14, relative to 1 and the largest number.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnt.transformer.blocks import FFN, MixtureFFN, Sublayer
from bnt.transformer.gather import Routes, why_not_gathered
from bnt.transformer.sparse import Heads, Units, list_heads, list_units

Array = NDArray[np.float64]

# With numba loaded the loops were faster at every size tried, from 31 tokens on, by 1 to 3 us per token and layer of a
# compiled model. But loading them takes 60 ms, compiling them, once after installation, 4 to 6 s, and numba itself 1 s.
FEW = 500  # tokens
LONG = 1_000_000  # tokens times layers, where numba would have to be loaded for it


class Compiled:
    """The sublayers of one forward pass that the loops cover."""

    def __init__(self, routes: Routes):
        from bnt.kernels.jit import COMPILED
        from bnt.transformer.compiled import add_heads, add_units

        self._routes, self._compiled, self._units, self._heads = routes, COMPILED, add_units, add_heads
        self._known: dict[int, Units | Heads | None] = {}

    def add(self, x: Array, sublayer: Sublayer) -> bool | None:
        """Add what the sublayer computes to x (n, d), in place: is all of it finite? None: not covered, not done."""
        if id(sublayer) not in self._known:
            self._known[id(sublayer)] = self._listed(x, sublayer)
        found = self._known[id(sublayer)]
        if found is None:
            return None
        kernel: Any = self._units if isinstance(found, Units) else self._heads
        if self._compiled:
            kernel = kernel.machine_code() or kernel  # all calls have arguments of the same types
        return not kernel(x.T, found)

    def _listed(self, x: Array, sublayer: Sublayer) -> Units | Heads | None:
        if isinstance(sublayer, MixtureFFN) or sublayer.norm is not None or why_not_gathered(sublayer):
            return None
        if isinstance(sublayer, FFN):
            return list_units(sublayer)
        kept = all(self._routes.stays(head) for head in sublayer.heads)
        return list_heads(x, sublayer, self._routes) if kept else None


def worth_compiling(n: int, layers: int) -> bool:
    """Is there a compiler, and will the loops save more than it takes to load them?"""
    if n < FEW or ("numba" not in sys.modules and n * layers < LONG):
        return False
    from bnt.kernels.jit import COMPILED

    return COMPILED
