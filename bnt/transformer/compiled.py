"""Sublayers as compiled loops over blocks of tokens, on weights as lists of their nonzeros (sparse.py); x is (d, n).

What they compute is what gather.py computes, summed in another order. softplus is taken from e^-|z|:

    softplus(z)                max(z, 0) + 2 atanh(e / (2 + e)),                              e = e^-|z|
    softplus(y) - softplus(z)  max(y, 0) - max(z, 0) + 2 atanh((e - f) / (2 + e + f)),        e = e^-|y|, f = e^-|z|

the second with one division and one logarithm for two units. The argument of atanh is at most 1/3, so that a polynomial
does. A block's scratch stays in the first-level cache, and its loops become vector instructions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bnt.kernels.exp_log import LN2_HIGH, LN2_LOW, ROUND, ROUND_BITS, fast_log
from bnt.kernels.jit import jit, jit_inline, jit_loop
from bnt.transformer.activations import FLOOR
from bnt.transformer.sparse import FLOORED_LOG, LARGE, RELU, SIGMOID, SOFTPLUS, Heads, Units

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
Tokens = NDArray[np.uint32]  # an index without a sign is not looked at for being negative

BLOCK = 256  # tokens


@jit_inline
def exp_below(x: float) -> float:
    """e^x for x <= 0, as ``fast_exp`` but with a polynomial of degree 11, fitted on |r| <= ln(2)/2; 0 below -708."""
    low = x < -708.0
    x = -708.0 if low else x
    shifted = x * 1.4426950408889634 + ROUND
    k = shifted - ROUND
    r = (x - k * LN2_HIGH) - k * LN2_LOW
    p = 2.5100375832561234e-08
    p = p * r + 2.7620075879983367e-07
    p = p * r + 2.7557268480310024e-06
    p = p * r + 2.4801521322368692e-05
    p = p * r + 1.9841269863040545e-04
    p = p * r + 1.3888888917196719e-03
    p = p * r + 8.333333333330065e-03
    p = p * r + 4.1666666666624164e-02
    p = p * r + 1.6666666666666669e-01
    p = p * r + 0.5000000000000001
    p = p * r + 1.0
    p = p * r + 1.0
    power = np.float64(p).view(np.int64) + ((np.float64(shifted).view(np.int64) - ROUND_BITS) << 52)  # p 2^k
    return 0.0 if low else np.int64(power).view(np.float64)


@jit_inline
def twice_atanh(s: float) -> float:
    """log((1 + s) / (1 - s)) for |s| <= 1/3: s times a polynomial of degree 10 in s^2, good to 1e-17."""
    z = s * s
    p = 1.616404561194353e-01
    p = p * z + 8.800738486144674e-02
    p = p * z + 1.2001072809590713e-01
    p = p * z + 1.3314144209654935e-01
    p = p * z + 1.5385570064958623e-01
    p = p * z + 1.8181789436132859e-01
    p = p * z + 2.2222222717427864e-01
    p = p * z + 2.857142856710876e-01
    p = p * z + 4.0000000000014585e-01
    p = p * z + 6.666666666666666e-01
    return s * z * p + 2.0 * s


@jit_loop
def combine(out: Array, base: float, x: Array, begin: int, row: int, ptr: Ints, column: Ints, value: Array) -> None:
    """out[k] = base + sum over the entries of one row of value * x[column, begin + k]."""
    at, end, size = ptr[row], ptr[row + 1], out.size
    if end - at >= 2:  # in twos: half as many walks through ``out``
        v, w = value[at], value[at + 1]
        one, two = x[column[at], begin : begin + size], x[column[at + 1], begin : begin + size]
        for k in range(size):
            out[k] = base + v * one[k] + w * two[k]
        at += 2
    else:
        for k in range(size):
            out[k] = base
    while end - at >= 2:
        v, w = value[at], value[at + 1]
        one, two = x[column[at], begin : begin + size], x[column[at + 1], begin : begin + size]
        for k in range(size):
            out[k] += v * one[k] + w * two[k]
        at += 2
    if at < end:
        v, one = value[at], x[column[at], begin : begin + size]
        for k in range(size):
            out[k] += v * one[k]


@jit_loop
def activated(z: Array, bias: float, activation: int, out: Array) -> None:
    """out = act(z + bias)."""
    if activation == SOFTPLUS:
        for k in range(out.size):
            y = z[k] + bias
            e = exp_below(-abs(y))
            out[k] = max(y, 0.0) + twice_atanh(e / (2.0 + e))
    elif activation == RELU:
        for k in range(out.size):
            y = z[k] + bias
            out[k] = 0.0 if y < 0.0 else y  # NaN stays
    elif activation == SIGMOID:
        for k in range(out.size):
            y = z[k] + bias
            e = exp_below(-abs(y))
            out[k] = (1.0 if y >= 0.0 else e) / (1.0 + e)
    elif activation == FLOORED_LOG:
        for k in range(out.size):
            y = z[k] + bias
            out[k] = fast_log(FLOOR if y < FLOOR else y)
    else:
        for k in range(out.size):
            out[k] = z[k] + bias


@jit_loop
def softplus_difference(y: Array, y_bias: float, z: Array, z_bias: float, out: Array) -> None:
    """out = softplus(y + y_bias) - softplus(z + z_bias)."""
    for k in range(out.size):
        a, b = y[k] + y_bias, z[k] + z_bias
        e, f = exp_below(-abs(a)), exp_below(-abs(b))
        out[k] = (max(a, 0.0) - max(b, 0.0)) + twice_atanh((e - f) / (2.0 + e + f))


@jit
def add_units(x: Array, ffn: Units) -> int:
    """x (d, n) + what the FFN adds, in place. Returns how many of the numbers written are not finite."""
    n, bad = x.shape[1], 0
    new = np.empty((ffn.column.size, BLOCK))
    y_all, z_all, out_all = np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK)
    for begin in range(0, n, BLOCK):
        size = min(BLOCK, n - begin)
        y, z, out = y_all[:size], z_all[:size], out_all[:size]
        for c in range(ffn.column.size):
            combine(new[c, :size], ffn.base[c], x, begin, c, ffn.line_ptr, ffn.line_column, ffn.line_value)
        in_y, in_z = -1, -1  # which sums y and z hold
        for u in range(ffn.first.size):
            one, two = ffn.first[u], ffn.second[u]
            if one != in_y:
                combine(y, 0.0, x, begin, one, ffn.sum_ptr, ffn.sum_column, ffn.sum_value)
                in_y = one
            if two < 0:
                activated(y, ffn.first_bias[u], ffn.activation, out)
            elif two == one:
                softplus_difference(y, ffn.first_bias[u], y, ffn.second_bias[u], out)
            else:
                if two != in_z:
                    combine(z, 0.0, x, begin, two, ffn.sum_ptr, ffn.sum_column, ffn.sum_value)
                    in_z = two
                softplus_difference(y, ffn.first_bias[u], z, ffn.second_bias[u], out)
            for t in range(ffn.out_ptr[u], ffn.out_ptr[u + 1]):
                weight, target = ffn.out_value[t], new[ffn.out_row[t], :size]
                for k in range(size):
                    target[k] += weight * out[k]
        for c in range(ffn.column.size):
            source, target = new[c, :size], x[ffn.column[c], begin : begin + size]
            for k in range(size):
                target[k] = source[k]
                bad += source[k] - source[k] != 0.0  # inf - inf and NaN - NaN are NaN
    return bad


@jit
def add_heads(x: Array, attention: Heads) -> int:
    """x (d, n) + what the heads add, in place. Returns how many of the numbers written are not finite."""
    n, bad, lanes = x.shape[1], 0, attention.lane_head.size
    value, got, said = np.empty((lanes, n)), np.empty(n), np.empty(n)
    for lane in range(lanes):  # all that is read, before anything is written
        if attention.lane_plain[lane] < 0:
            combine(value[lane], 0.0, x, 0, lane, attention.source_ptr, attention.source_column, attention.source_value)
    for h in range(len(attention.match)):
        if attention.score_ptr[h] < attention.score_ptr[h + 1]:
            attend_pairs(x, attention, h, got, said)
    for lane in range(lanes):
        h, plain = attention.lane_head[lane], attention.lane_plain[lane]
        source, match = x[plain] if plain >= 0 else value[lane], attention.match[h]
        large = 0
        for k in range(n):
            large += abs(source[k]) > LARGE
        for k in range(n):
            got[k] = source[match[k]]
        for q in range(attention.query_ptr[h], attention.query_ptr[h + 1]):
            begin, end = attention.pair_ptr[q], attention.pair_ptr[q + 1] if large else attention.heavy_end[q]
            got[attention.query[q]] = weighted(source, attention.key[begin:end], attention.weight[begin:end])
        for t in range(attention.target_ptr[lane], attention.target_ptr[lane + 1]):
            times, target = attention.target_value[t], x[attention.target_column[t]]
            for k in range(n):
                total = target[k] + times * got[k]
                target[k] = total
                bad += total - total != 0.0
    return bad


@jit_loop
def weighted(value: Array, key: Tokens, weight: Array) -> float:
    """Sum of weight[p] value[key[p]]: four sums in turn, for one would wait for itself."""
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    whole = key.size - key.size % 4
    for p in range(0, whole, 4):
        a += weight[p] * value[key[p]]
        b += weight[p + 1] * value[key[p + 1]]
        c += weight[p + 2] * value[key[p + 2]]
        d += weight[p + 3] * value[key[p + 3]]
    for p in range(whole, key.size):
        a += weight[p] * value[key[p]]
    return (a + b) + (c + d)


@jit_loop
def attend_pairs(x: Array, attention: Heads, h: int, asked: Array, said: Array) -> None:
    """attention.weight of the pairs of head h: the softmax of their scores. Scratch: ``asked`` and ``said``, (n,)."""
    begin, end = attention.query_ptr[h], attention.query_ptr[h + 1]
    ptr, key, weight = attention.pair_ptr, attention.key, attention.weight
    for p in range(ptr[begin], ptr[end]):
        weight[p] = 0.0
    for s in range(attention.score_ptr[h], attention.score_ptr[h + 1]):
        combine(asked, 0.0, x, 0, s, attention.asks_ptr, attention.asks_column, attention.asks_value)
        combine(said, 0.0, x, 0, s, attention.says_ptr, attention.says_column, attention.says_value)
        for q in range(begin, end):
            ask = asked[attention.query[q]]
            for p in range(ptr[q], ptr[q + 1]):
                weight[p] += ask * said[key[p]]
    for q in range(begin, end):
        best = -np.inf
        for p in range(ptr[q], ptr[q + 1]):
            best = max(best, weight[p])
        for p in range(ptr[q], ptr[q + 1]):
            weight[p] -= best
    for p in range(ptr[begin], ptr[end]):
        weight[p] = exp_below(weight[p])
    for q in range(begin, end):
        total = 0.0
        for p in range(ptr[q], ptr[q + 1]):
            total += weight[p]
        for p in range(ptr[q], ptr[q + 1]):
            weight[p] /= total
