"""Names for the residual stream, and weight matrices written in them.

``Layout`` says which column holds what, and which token stands for what. ``head`` and ``ffn`` write a matrix as what it
does: which named columns a head or an FFN unit reads, and which it writes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from numbers import Integral
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bnt.errors import BntError, valid_names
from bnt.transformer.blocks import FFN, Head

Ints = NDArray[np.int64]
Array = NDArray[np.float64]
Terms = Mapping[str, float]  # column name -> coefficient, e.g. {"theta": 1, "source[0]": -1}


class Layout:
    """Columns and tokens of a compiled model, in order.

    ``columns`` maps a name to its width; ``tokens`` maps a kind ("message", "variable", "sink", ...) to its label
    numbers, an integer array (count, fields): factor index, variable index, state, ... as the construction says.
    """

    def __init__(self, columns: Mapping[str, int], tokens: Mapping[str, Ints]):
        self.columns: dict[str, slice] = {}
        self.width = 0
        for name, width in columns.items():
            self.columns[name] = slice(self.width, self.width + width)
            self.width += width
        self.kinds: dict[str, slice] = {}
        self.labels = dict(tokens)
        self.size = 0
        for kind, labels in tokens.items():
            self.kinds[kind] = slice(self.size, self.size + len(labels))
            self.size += len(labels)
        self._places: dict[str, dict[tuple[int, ...], int]] = {}

    def column(self, name: str) -> slice:
        """Columns called ``name``, as a slice of the stream's second axis. Raises BntError listing the names."""
        if name not in self.columns:
            raise BntError(f"there is no column {name!r}; {valid_names(self.columns, name)}")
        return self.columns[name]

    def rows(self, kind: str) -> slice:
        """All tokens of one kind, as a slice of the stream's first axis. Raises BntError listing the kinds."""
        if kind not in self.kinds:
            raise BntError(f"there is no kind of token {kind!r}; {valid_names(self.kinds, kind)}")
        return self.kinds[kind]

    def token(self, label: tuple[str | int, ...]) -> int:
        """Position of one token, e.g. ("message", 0, 1). Raises BntError."""
        whole = isinstance(label, tuple) and all(isinstance(number, Integral) for number in label[1:])
        if not whole or not label:
            raise BntError(f'the label of a token is its kind and its numbers, as in ("message", 0, 1), not {label!r}')
        kind, numbers = str(label[0]), tuple(int(number) for number in label[1:])
        rows = self.rows(kind)
        if kind not in self._places:
            self._places[kind] = {tuple(row): i for i, row in enumerate(self.labels[kind].tolist())}
        if numbers not in self._places[kind]:
            names = [str(known) for known in self._places[kind]]
            raise BntError(f"there is no token {label!r}; {valid_names(names, str(numbers))}")
        return rows.start + self._places[kind][numbers]

    def label(self, token: int) -> tuple[str | int, ...]:
        """Label of the token at one position. Raises BntError."""
        for kind, rows in self.kinds.items():
            if rows.start <= token < rows.stop:
                return (kind, *(int(number) for number in self.labels[kind][token - rows.start]))
        raise BntError(f"there is no token {token}; valid: 0..{self.size - 1}")

    def block(self, name: str) -> list[str]:
        """Names of the single columns of ``name``: ["theta"], or ["source[0]", "source[1]", ...]."""
        columns = self.column(name)
        width = columns.stop - columns.start
        return [name] if width == 1 else [f"{name}[{i}]" for i in range(width)]

    @cached_property
    def column_names(self) -> list[str]:
        """One name per column of the stream, in order."""
        return [single for name in self.columns for single in self.block(name)]

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.column_names)}

    def position(self, name: str) -> int:
        """Index of one column, by its full name such as "source[1]". Raises BntError listing near names."""
        if name not in self._positions:
            raise BntError(f"there is no column {name!r}; {valid_names(self._positions, name)}")
        return self._positions[name]


# ---------------------------------------------------------------- matrices, written as terms


class CodeBit(NamedTuple):
    """One bit of a routing code (gather.py): the query asks for 1 or for 0, the key is 0 or is 1."""

    wants_one: Terms
    wants_zero: Terms
    is_zero: Terms
    is_one: Terms


def same(layout: Layout, query: str, key: str) -> list[CodeBit]:
    """Code bits that demand: the number in the query token's block equals the number in the key token's block.

    A block of 2h columns holds [b, 1-b]; see ``binary_code``.
    """
    q, k = layout.block(query), layout.block(key)
    h = len(q) // 2
    return [CodeBit({q[i]: 1}, {q[h + i]: 1}, {k[h + i]: 1}, {k[i]: 1}) for i in range(h)]


def binary_code(numbers: Sequence[int] | NDArray[np.int64], bits: int) -> Array:
    """Rows [b, 1-b] (len(numbers), 2 bits), b the binary digits of each number, lowest first."""
    b = (np.asarray(numbers, dtype=np.int64)[:, None] >> np.arange(bits)) & 1
    return np.hstack([b, 1 - b]).astype(np.float64)


def bits_for(count: int) -> int:
    """Bits of a code for the numbers 0 .. count-1, at least one."""
    return max(1, (count - 1).bit_length())


def head(
    layout: Layout,
    routing: float,
    code: Sequence[CodeBit],
    score: Sequence[tuple[Terms, Terms]],
    value: Sequence[tuple[Terms, Terms]],
) -> Head:
    """A head with score -routing * (code bits that differ) + sum of (query terms) * (key terms).

    It reads sum(w_j * x_j) at the keys for each pair (terms, targets) of ``value`` and adds it to the targets.
    """
    minus = [{name: -routing * w for name, w in bit.is_zero.items()} for bit in code]
    minus += [{name: -routing * w for name, w in bit.is_one.items()} for bit in code]
    wants = [bit.wants_one for bit in code] + [bit.wants_zero for bit in code]
    return Head(
        W_Q=_matrix(layout, wants + [query for query, _ in score]),  # (d, 2h + scores)
        W_K=_matrix(layout, minus + [key for _, key in score]),  # (d, 2h + scores)
        W_V=_matrix(layout, [terms for terms, _ in value]),  # (d, d_v)
        W_O=_matrix(layout, [targets for _, targets in value]).T,  # (d_v, d)
        code=2 * len(code),
    )


def ffn(layout: Layout, units: Sequence[tuple[Terms, float, Terms]], activation: str) -> FFN:
    """An FFN of units (terms, bias, targets): act(sum of terms + bias), added to the targets."""
    return FFN(
        W_in=_matrix(layout, [terms for terms, _, _ in units]),  # (d, d_ff)
        b_in=np.array([bias for _, bias, _ in units], dtype=np.float64),  # (d_ff,)
        W_out=_matrix(layout, [targets for _, _, targets in units]).T,  # (d_ff, d)
        b_out=np.zeros(layout.width),  # (d,)
        activation=activation,
    )


def linear(terms: Terms, targets: Terms) -> list[tuple[Terms, float, Terms]]:
    """Two units that add the terms themselves: act(t) - act(-t) = t for softplus, ReLU, GELU and SiLU alike."""
    opposite = {name: -w for name, w in terms.items()}
    return [(terms, 0.0, targets), (opposite, 0.0, {name: -w for name, w in targets.items()})]


def erase(name: str) -> list[tuple[Terms, float, Terms]]:
    """Two units that set a column back to zero."""
    return linear({name: -1.0}, {name: 1.0})


def _matrix(layout: Layout, columns: Sequence[Terms]) -> Array:
    """(d, len(columns)): one column of coefficients per Terms."""
    matrix = np.zeros((layout.width, len(columns)))
    for j, terms in enumerate(columns):
        for name, weight in terms.items():
            matrix[layout.position(name), j] += weight
    return matrix
