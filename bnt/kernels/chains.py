"""Hidden Markov chains: forwards, backwards and Viterbi in time and memory linear in the length.

With a(i) = p(x_{t-1} = i | y_1..y_{t-1}), A = transition and B = emission, a step forwards is

    c_t = sum_j (sum_i a(i) A(i,j)) B(j, y_t)        a'(j) = (sum_i a(i) A(i,j)) B(j, y_t) / c_t
    ln p(y) = sum_t ln c_t

and a step backwards b(i) = sum_j A(i,j) B(j, y_{t+1}) b'(j), scaled to sum one; the smoothed row is a(i) b(i), scaled.
An observation that is missing (-1) has no factor B. Numbers that leave the range where this is safe stop a run with
``UNDERFLOW``; the same steps in logarithms then answer. Several sequences lie one after the other: ``first[t]`` says
that a new one begins at t. Kernels do a block of steps, so that Python can be interrupted between two of them.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from bnt.graph.factor_graph import Array
from bnt.graph.flat import Ints
from bnt.kernels.jit import jit, jit_inner

Bools = NDArray[np.bool_]
DONE, NO_MASS, UNDERFLOW = 0, 1, 2
SMALLEST = 1e-200  # a positive probability below this stops the run: it might come back, and a product might vanish
TABLES_SMALLEST = 1e-45  # the same for the tables' own entries: a product of three with SMALLEST stays above 1e-308
BLOCK = 2**22  # multiplications between two looks at the keyboard: some milliseconds


@jit
def forward_block(
    begin: int, end: int, codes: Ints, first: Bools, initial: Array, transition: Array, emission: Array,
    alpha: Array, scale: Array,
) -> tuple[int, int]:  # fmt: skip
    """Steps begin..end-1 into alpha (T, S) and scale (T,). emission (O, S). Returns a code, and where it stopped."""
    states = initial.size
    for t in range(begin, end):
        row = alpha[t]
        if first[t]:
            for j in range(states):
                row[j] = initial[j]
        else:
            for j in range(states):
                row[j] = 0.0
            for i in range(states):
                weight = alpha[t - 1, i]
                for j in range(states):
                    row[j] += weight * transition[i, j]
        if codes[t] >= 0:
            seen = emission[codes[t]]
            for j in range(states):
                row[j] *= seen[j]
        total = 0.0
        for j in range(states):
            total += row[j]
        scale[t] = total
        if total == 0.0:
            return NO_MASS, t
        lowest = 1.0
        for j in range(states):
            row[j] /= total
            if 0.0 < row[j] < lowest:
                lowest = row[j]
        if lowest < SMALLEST:
            return UNDERFLOW, t
    return DONE, end


@jit
def backward_block(
    begin: int, end: int, codes: Ints, first: Bools, transposed: Array, emission: Array, beta: Array, alpha: Array
) -> tuple[int, int]:
    """Steps end-1 down to begin: the rows of alpha become the smoothed ones. beta (S,) is carried between blocks.

    transposed (S, S): A with row = to.
    """
    states = beta.size
    weight, new = np.empty(states), np.empty(states)
    for t in range(end - 1, begin - 1, -1):
        if t + 1 == codes.size or first[t + 1]:
            for i in range(states):
                beta[i] = 1.0 / states
        else:
            code = codes[t + 1]
            for j in range(states):
                weight[j] = beta[j] * emission[code, j] if code >= 0 else beta[j]
                new[j] = 0.0
            for j in range(states):
                for i in range(states):
                    new[i] += transposed[j, i] * weight[j]
            total = 0.0
            for i in range(states):
                total += new[i]
            lowest = 1.0
            for i in range(states):
                beta[i] = new[i] / total
                if 0.0 < beta[i] < lowest:
                    lowest = beta[i]
            if lowest < SMALLEST:
                return UNDERFLOW, t
        total = 0.0
        for i in range(states):
            alpha[t, i] *= beta[i]
            total += alpha[t, i]
        if total < SMALLEST:
            return UNDERFLOW, t
        for i in range(states):
            alpha[t, i] /= total
    return DONE, begin


@jit_inner
def log_sum(terms: Array) -> float:
    """ln sum exp(terms); -inf where all are."""
    highest = terms.max()
    if highest == -np.inf:
        return -np.inf
    total = 0.0
    for k in range(terms.size):
        total += math.exp(terms[k] - highest)
    return float(highest + math.log(total))


@jit
def forward_logs_block(
    begin: int, end: int, codes: Ints, first: Bools, initial: Array, transposed: Array, emission: Array,
    alpha: Array, scale: Array,
) -> tuple[int, int]:  # fmt: skip
    """``forward_block`` in logarithms: all tables, alpha and scale are logarithms; transposed[j, i] = ln A(i, j)."""
    states = initial.size
    for t in range(begin, end):
        for j in range(states):
            alpha[t, j] = initial[j] if first[t] else log_sum(alpha[t - 1] + transposed[j])
            if codes[t] >= 0:
                alpha[t, j] += emission[codes[t], j]
        scale[t] = log_sum(alpha[t])
        if scale[t] == -np.inf:
            return NO_MASS, t
        for j in range(states):
            alpha[t, j] -= scale[t]
    return DONE, end


@jit
def backward_logs_block(
    begin: int, end: int, codes: Ints, first: Bools, transition: Array, emission: Array, beta: Array, alpha: Array
) -> tuple[int, int]:
    """``backward_block`` in logarithms."""
    states = beta.size
    weight = np.empty(states)
    for t in range(end - 1, begin - 1, -1):
        if t + 1 == codes.size or first[t + 1]:
            for i in range(states):
                beta[i] = 0.0
        else:
            for j in range(states):
                weight[j] = beta[j] + (emission[codes[t + 1], j] if codes[t + 1] >= 0 else 0.0)
            for i in range(states):
                beta[i] = log_sum(weight + transition[i])
            highest = beta.max()
            for i in range(states):
                beta[i] -= highest
        for i in range(states):
            alpha[t, i] += beta[i]
        total = log_sum(alpha[t])
        for i in range(states):
            alpha[t, i] -= total
    return DONE, begin


@jit
def viterbi_block(
    begin: int, end: int, codes: Ints, first: Bools, initial: Array, transition: Array, emission: Array,
    best: Array, back: NDArray[np.int32], path: Ints,
) -> tuple[int, int]:  # fmt: skip
    """Max-product steps in logarithms. best (S,) is carried; back (T, S) the best state before; path its ends."""
    states = initial.size
    new = np.empty(states)
    for t in range(begin, end):
        for j in range(states):
            if first[t]:
                new[j] = initial[j]
            else:
                new[j] = -np.inf
                back[t, j] = 0
        if not first[t]:
            for i in range(states):
                for j in range(states):
                    value = best[i] + transition[i, j]
                    if value > new[j]:
                        new[j] = value
                        back[t, j] = i
        highest = -np.inf
        for j in range(states):
            if codes[t] >= 0:
                new[j] += emission[codes[t], j]
            if new[j] > highest:
                highest = new[j]
                path[t] = j
        if highest == -np.inf:
            return NO_MASS, t
        for j in range(states):
            best[j] = new[j] - highest
    return DONE, end


@jit
def trace_back(first: Bools, back: NDArray[np.int32], path: Ints) -> None:
    """The most probable states: ``path`` is right at the end of each sequence, and is followed to its beginning."""
    for t in range(path.size - 2, -1, -1):
        if not first[t + 1]:
            path[t] = back[t + 1, path[t + 1]]


def run_chains(
    codes: Ints, first: Bools, initial: Array, transition: Array, emission: Array, smooth: bool
) -> tuple[Array, Array, int]:
    """Filtered or smoothed rows (T, S), ln c_t (T,), and -1, or the position where an observation has no mass."""
    small = min(_smallest(table) for table in (initial, transition, emission))
    if small >= TABLES_SMALLEST:
        rows, scale = np.empty((len(codes), len(initial))), np.empty(len(codes))
        tables = np.array(initial), np.array(transition), np.ascontiguousarray(emission.T)
        code, stop = _in_blocks(forward_block, codes, len(initial), codes, first, *tables, rows, scale)
        if code == DONE and smooth:
            backwards = np.ascontiguousarray(transition.T), tables[2], np.empty(len(initial))
            code, _ = _in_blocks(backward_block, codes, len(initial), codes, first, *backwards, rows, down=True)
        if code != UNDERFLOW:
            with np.errstate(divide="ignore"):
                return rows, np.log(scale, out=scale), stop if code == NO_MASS else -1
    with np.errstate(divide="ignore"):
        start, step, seen = np.log(initial), np.log(transition), np.log(emission.T)
    rows, scale = np.empty((len(codes), len(initial))), np.empty(len(codes))
    tables = start, np.ascontiguousarray(step.T), np.ascontiguousarray(seen)
    code, stop = _in_blocks(forward_logs_block, codes, len(initial), codes, first, *tables, rows, scale)
    if code == NO_MASS:
        return rows, scale, stop
    if smooth:
        backwards = step, tables[2], np.empty(len(initial))
        _in_blocks(backward_logs_block, codes, len(initial), codes, first, *backwards, rows, down=True)
    return np.exp(rows, out=rows), scale, -1


def best_chains(codes: Ints, first: Bools, initial: Array, transition: Array, emission: Array) -> tuple[Ints, int]:
    """A most probable state at every step (T,), and -1, or the position where an observation has no mass."""
    states = len(initial)
    with np.errstate(divide="ignore"):
        tables = np.log(initial), np.log(transition), np.ascontiguousarray(np.log(emission.T))
    back, path = np.empty((len(codes), states), dtype=np.int32), np.empty(len(codes), dtype=np.int64)
    code, stop = _in_blocks(viterbi_block, codes, states, codes, first, *tables, np.empty(states), back, path)
    if code == NO_MASS:
        return path, stop
    trace_back(first, back, path)
    return path, -1


def _smallest(table: Array) -> float:
    return float(table.min(where=table > 0, initial=1.0))


def _in_blocks(kernel, codes: Ints, states: int, *arguments, down: bool = False) -> tuple[int, int]:  # type: ignore[no-untyped-def]
    """The kernel over all steps, block by block. Returns its code, and where it stopped."""
    size = max(1, BLOCK // states**2)
    begins = range(0, len(codes), size)
    code, stop = DONE, 0
    for begin in reversed(begins) if down else begins:
        code, stop = kernel(begin, min(begin + size, len(codes)), *arguments)
        if code != DONE:
            break
    return code, stop
