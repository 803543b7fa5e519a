"""The rotary construction: belief propagation on a homogeneous grid or chain, one token per pixel, no routing codes.

Binary variables in rows and columns, one table for all pairs side by side and one for all pairs above each other (a
chain: one row). Four rotary heads look at the offsets -1, +1, -(width + 1), +(width + 1); what a token sends to each
side stands in the columns out_W, out_E, out_N, out_S, what it has got in in_W, ...:

    out_o <- act(theta + sum of in_k, k != o, + a_o) - act(theta + sum of in_k, k != o, + c_o) + d_o
    belief <- theta + sum of in_k          (an FFN; it erases the in-columns, too)
    in_W <- out_E of the token before      (four heads; in_E, in_N, in_S alike)

with a, c, d of the table as in pairwise.py, which are biases here: the table is in the weights, the picture in the
tokens. That a side does not hear its own message back costs nothing: the FFN leaves its in-column out. A column of
border tokens on the left and a row above and below send exactly 0: their field is -8192.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bnt.compiler.layout import Layout, Terms, ffn, linear
from bnt.compiler.model import Parts
from bnt.errors import TooLargeError, UnsupportedModelError
from bnt.graph.evidence import Reduced
from bnt.graph.factor_graph import Array
from bnt.graph.flat import Flat, Ints
from bnt.transformer.blocks import FFN, Attention, Head
from bnt.transformer.rotary import rotary_frequencies, rotary_offset

D_K, BASE = 64, 1e4  # the gap of 64 columns falls slowly: .402 for 16 tokens, .285 for 8,192
BORDER = -8192.0
OPPOSITE = {"W": "E", "E": "W", "N": "S", "S": "N"}
RULE = (
    "it needs binary variables, in the order of the rows, as a full grid or a chain of positive pairs, with one table "
    "for all pairs side by side and one for all pairs above each other; only soft evidence keeps a grid whole"
)


class Grid(NamedTuple):
    """What is recognised: height x width, and log psi[left, right], log psi[upper, lower] (None in a chain)."""

    height: int
    width: int
    across: Array | None
    down: Array | None

    @property
    def sides(self) -> dict[str, int]:
        """Offset of the neighbour on each side that there is."""
        stride = self.width + 1
        return ({"W": -1, "E": 1} if self.width > 1 else {}) | ({"N": -stride, "S": stride} if self.height > 1 else {})

    @property
    def places(self) -> Ints:
        """Token of every variable."""
        rows, columns = np.divmod(np.arange(self.height * self.width), self.width)
        return np.asarray(rows * (self.width + 1) + columns + self.first)

    @property
    def first(self) -> int:
        """Token of the first variable."""
        return self.width + 2 if self.height > 1 else 1

    @property
    def tokens(self) -> int:
        """How many: with a column of border tokens, and rows above and below."""
        return (self.height + 2) * (self.width + 1) + 1 if self.height > 1 else self.width + 2


class GridReadout(NamedTuple):
    """Messages stand in the in-columns of their receivers, in log odds."""

    flat: Flat
    places: Ints  # (n,)
    message_token: Ints  # (E,)
    message_column: Ints  # (E,)
    belief: int

    def log_messages(self, stream: Array) -> Array:
        """See Readout: (0, log odds) for every message."""
        odds = stream[self.message_token, self.message_column]
        return np.stack([np.zeros_like(odds), odds], axis=1).ravel()

    def log_beliefs(self, stream: Array) -> Array:
        """See Readout: (0, log odds) for every variable."""
        odds = stream[self.places, self.belief]
        return np.stack([np.zeros_like(odds), odds], axis=1).ravel()


def compile_rotary(reduced: Reduced, flat: Flat, mode: str, damping: float, memory_limit: int) -> Parts:
    """Layer, tokens and readout. Raises UnsupportedModelError where it is no such grid, TooLargeError."""
    grid = recognised(reduced)
    sides = grid.sides
    names = [f"{way}_{side}" for way in ("in", "out") for side in sides]
    variable = np.full(grid.tokens, -1)  # -1: the border
    variable[grid.places] = np.arange(len(grid.places))
    layout = Layout(
        dict.fromkeys(("theta", "belief", "one", "pixel", "border", *names), 1), {"pixel": variable[:, None]}
    )
    need = 8 * grid.tokens * (6 * layout.width + 4 * D_K)
    if need > memory_limit:
        raise TooLargeError(
            f"{grid.tokens} tokens of {layout.width} columns need {need / 2**30:.2f} GiB; the limit is "
            f"{memory_limit / 2**30:.2f} GiB (memory_limit raises it)"
        )
    tokens, put = np.zeros((layout.size, layout.width)), layout.position
    theta = np.array([field[1] - field[0] for field in reduced.fields])
    tokens[:, put("one")] = tokens[:, put("border")] = 1.0
    tokens[grid.places, put("border")], tokens[grid.places, put("pixel")] = 0.0, 1.0
    tokens[grid.places, put("theta")] = tokens[grid.places, put("belief")] = theta

    layer = (
        grid_ffn(layout, grid, "softplus" if mode == "sum" else "relu", damping),
        Attention(
            tuple(offset_head(layout, side, offset, grid.tokens, 1.0 - damping) for side, offset in sides.items())
        ),
    )
    sender = flat.edge_variable.reshape(-1, 2)[:, ::-1].ravel()
    column = {difference: put(f"in_{side}") for side, difference in steps(grid).items()}
    came_from = [column[int(step)] for step in sender - flat.edge_variable]
    readout = GridReadout(
        flat, grid.places, grid.places[flat.edge_variable], np.array(came_from, dtype=np.int64), put("belief")
    )
    return Parts(layer, tokens, layout, readout)


def steps(grid: Grid) -> dict[str, int]:
    """Number of the neighbouring variable on each side, minus one's own."""
    across = {"W": -1, "E": 1} if grid.width > 1 else {}
    return across | ({"N": -grid.width, "S": grid.width} if grid.height > 1 else {})


def grid_ffn(layout: Layout, grid: Grid, activation: str, damping: float) -> FFN:
    """The FFN of the module's docstring."""
    sides = grid.sides
    units: list[tuple[Terms, float, Terms]] = []
    for side in sides:
        table = grid.across if side in "WE" else grid.down
        assert table is not None
        psi = table if side in "ES" else table.T  # psi[here, there]
        cavity: Terms = {"theta": 1.0, "border": BORDER, **{f"in_{k}": 1.0 for k in sides if k != side}}
        units += [
            (cavity, float(psi[1, 1] - psi[0, 1]), {f"out_{side}": 1.0}),
            (cavity, float(psi[1, 0] - psi[0, 0]), {f"out_{side}": -1.0}),
            *linear({"pixel": float(psi[0, 1] - psi[0, 0]), f"out_{side}": -1.0}, {f"out_{side}": 1.0}),
            *linear({f"in_{side}": damping - 1.0}, {f"in_{side}": 1.0}),
        ]
    units += linear({"theta": 1.0, "belief": -1.0, **{f"in_{k}": 1.0 for k in sides}}, {"belief": 1.0})
    return ffn(layout, units, activation)


def offset_head(layout: Layout, side: str, offset: int, n: int, step: float) -> Head:
    """in_side <- step times what the token at this offset has sent to the opposite side."""
    frequencies = rotary_frequencies(D_K, BASE)
    weights = rotary_offset(frequencies, offset, n)
    W_Q, W_K = np.zeros((layout.width, D_K)), np.zeros((layout.width, D_K))
    W_Q[layout.position("one")], W_K[layout.position("one")] = weights.query, weights.key
    W_V, W_O = np.zeros((layout.width, 1)), np.zeros((1, layout.width))
    W_V[layout.position(f"out_{OPPOSITE[side]}")] = 1.0
    W_O[0, layout.position(f"in_{side}")] = step
    return Head(W_Q, W_K, W_V, W_O, rotary=frequencies)


def recognised(reduced: Reduced) -> Grid:
    """The grid. Raises UnsupportedModelError with what is in the way, and the rule."""

    def refused(what: str) -> UnsupportedModelError:
        return UnsupportedModelError(f"the rotary construction does not cover this model: {what}; {RULE}")

    graph, n = reduced.graph, len(reduced.fields)
    if not n:
        raise refused("it has no variables")
    if reduced.evidence.hard:
        raise refused(f"variable {graph.variables[min(reduced.evidence.hard)].name!r} is observed")
    for i, field in enumerate(reduced.fields):
        if len(field) != 2 or np.isneginf(field).any():
            raise refused(f"variable {graph.variables[i].name!r} is not binary, or its local field has a zero")
    tables: dict[tuple[int, int], Array] = {}
    for factor in reduced.factors:
        label = f"factor {factor.index}, {graph.factors[factor.index].label},"
        if len(factor.scope) != 2 or np.isneginf(factor.log_table).any():
            raise refused(f"{label} is no positive pair")
        i, j = factor.scope
        if (min(i, j), max(i, j)) in tables:
            raise refused(f"{label} joins the same two variables as another one")
        tables[min(i, j), max(i, j)] = factor.log_table if i < j else factor.log_table.T
    stride = max((j - i for i, j in tables), default=1)
    width = n if stride == 1 else stride
    if n % width:
        raise refused(f"{n} variables are no rows of {width}")
    across = [(i, i + 1) for i in range(n) if (i + 1) % width]
    down = [(i, i + width) for i in range(n - width)]
    if set(tables) != {*across, *down}:
        raise refused(f"its pairs are not those of {n // width} x {width} variables")
    kinds = []
    for name, pairs in (("side by side", across), ("above each other", down)):
        logs = [tables[pair] - tables[pair][0, 0] for pair in pairs]
        if any(np.abs(table - logs[0]).max() > 1e-13 for table in logs):
            raise refused(f"pairs {name} have different tables")
        kinds.append(logs[0] if logs else None)
    return Grid(n // width, width, kinds[0], kinds[1])
