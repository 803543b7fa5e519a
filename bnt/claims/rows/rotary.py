"""Ledger rows on rotary position embeddings as routing: what they select, what they cannot, and what they break."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bnt.claims.ledger import COUNTEREXAMPLE, OURS, How, Outcome, claim
from bnt.compiler import compile as compiler
from bnt.compiler.verify import verify_model
from bnt.graph.factor_graph import Factor, FactorGraph, Variable
from bnt.sequences.filtering import compile_filter
from bnt.sequences.hmm import HMM, filter_states
from bnt.transformer import blocks
from bnt.transformer.blocks import Attention, Head, Weights
from bnt.transformer.forward import forward
from bnt.transformer.rotary import best_amplitudes, rotary_frequencies, rotary_offset

Array = NDArray[np.float64]

LESSON = "17_experts_and_rotation"
SOURCE = f"{OURS}; rotary embeddings: Su and others (2021)"


def pattern(head: Head, x: Array) -> Array:
    """The head's attention weights (n, n)."""
    _, weights = blocks.attend(x, Attention((head,)), patterns=True)
    assert weights is not None
    found: Array = weights[0]
    return found


def constant_head(query: Array, key: Array, frequencies: Array) -> Head:
    """A head on a stream of one column, 1 everywhere."""
    nothing = np.zeros((1, 1))
    return Head(query[None], key[None], nothing, nothing, rotary=frequencies)


@claim(
    "rope-routes-offsets",
    "a rotary head whose queries and keys are the same for all tokens looks at one fixed offset, to the bit",
    source=SOURCE,
    verdict="exact under conditions",
    conditions="float64 and a scale c of at least 745.14 / gap; the gap is at most 1 - cos w_0 = .46 (base 1e4), so c "
    "at least 1,621 whatever d_k; the target must be there",
    tolerance=5e-4,
    how=How("theorem", "by construction; the amplitudes by a linear programme"),
    lesson=LESSON,
)
def rope_routes_offsets(full: bool) -> Outcome:
    w, exact, said, worst = rotary_frequencies(64), True, [], 0.0
    for n, published in ((16, 0.402), (128, 0.331), *([(1024, 0.306)] if full else [])):
        gap, _ = best_amplitudes(tuple(w.tolist()), n)
        worst = max(worst, abs(gap - published))
        said.append(f"{n}: {gap:.3f} (c = {745.14 / gap:,.0f})")
        for offset in (-1, 1, 5, -n // 3):
            found = rotary_offset(w, offset, n)
            weights = pattern(constant_head(found.query, found.key, w), np.ones((n, 1)))
            rows = np.arange(max(0, -offset), min(n, n - offset))
            exact &= np.array_equal(weights[rows], np.eye(n)[rows + offset])
    bound = 1 - np.cos(w[0])
    return Outcome(
        f"d_k = 64, gap of n tokens: {', '.join(said)}; at most {bound:.3f}; offsets -1, 1, 5, -n/3: one-hot to the "
        f"bit: {exact}",
        exact,
        worst,
    )


@claim(
    "rope-any-graph",
    "rotary heads without content route any graph",
    source=SOURCE,
    verdict="false",
    rescue="their pattern is a function of j - i: they route what is the same everywhere, as a grid (row "
    "rope-grid-bp); and any graph if each token stores the offset it wants as a code of circles, for its query to copy",
    how=COUNTEREXAMPLE,
    lesson=LESSON,
)
def rope_any_graph(full: bool) -> Outcome:
    rng, n, w = np.random.default_rng(0), 200 if full else 60, rotary_frequencies(64)
    toeplitz = 0.0
    for _ in range(5):
        weights = pattern(constant_head(rng.normal(size=64), rng.normal(size=64), w), np.ones((n, 1)))
        ratio = weights[1:, 1:] / weights[:-1, :-1]  # of one diagonal: the rows' normalisers alone
        toeplitz = max(toeplitz, float(np.abs(ratio / ratio[:, :1] - 1).max()))
    target = rng.integers(0, n, n)
    offset = target - np.arange(n)
    alone = max(float((offset == one).mean()) for one in np.unique(offset))
    codes = np.stack([rotary_offset(w, int(one), n).query for one in offset])
    stream = np.hstack([codes, np.ones((n, 1))])
    W_Q, W_K = np.vstack([np.eye(64), np.zeros((1, 64))]), np.zeros((65, 64))
    W_K[64] = rotary_offset(w, 0, n).key
    routed = pattern(Head(W_Q, W_K, np.zeros((65, 1)), np.zeros((1, 65)), rotary=w), stream)
    exact = np.array_equal(routed, np.eye(n)[target])
    return Outcome(
        f"5 random constant queries and keys, {n} tokens: scores are a function of the offset to {toeplitz:.0e}, so of "
        f"a random map at most {alone:.1%} of the tokens are right; with the offset stored as a code: all, one-hot to "
        f"the bit: {exact}",
        bool(toeplitz < 1e-9 and alone < 0.1 and exact),
    )


def homogeneous(height: int, width: int, seed: int) -> FactorGraph:
    """A grid with normal fields, and a random table across and one downwards."""
    rng = np.random.default_rng(seed)
    names = [Variable(f"x{i}", ("0", "1")) for i in range(height * width)]
    across, down = rng.normal(0, 0.7, (2, 2, 2))
    factors = [Factor((name,), log_table=rng.normal(0, 1, 2)) for name in names]
    factors += [Factor((names[i], names[i + 1]), log_table=across) for i in range(len(names)) if (i + 1) % width]
    factors += [Factor((names[i], names[i + width]), log_table=down) for i in range(len(names) - width)]
    return FactorGraph(names, factors)


@claim(
    "rope-grid-bp",
    "four rotary heads run belief propagation on a grid, one token per pixel, without routing codes",
    source=OURS,
    verdict="exact under conditions",
    conditions="binary, positive, the same table for all pairs side by side and one for all above each other; the "
    "table is in the weights",
    tolerance=1e-12,
    how=How("theorem", "by construction"),
    lesson=LESSON,
)
def rope_grid_bp(full: bool) -> Outcome:
    worst, tokens, grids = 0.0, 0, [(3, 4), (1, 9), (5, 5), (8, 8)]
    for seed, (height, width) in enumerate(grids * 12 + [(4, 6), (6, 4)] if full else grids):
        model = compiler.compile_graph(homogeneous(height, width, seed), construction="rotary", rounds=15)
        report = verify_model(model, attention="dense", exact=False)
        worst = max(worst, report.max_message_error or 0.0, report.max_belief_error or 0.0)
        tokens = report.tokens if (height, width) == (8, 8) else tokens
    return Outcome(
        f"every message of 15 rounds, grids up to 8 x 8 and a chain: error {worst:.1e}; 8 x 8 takes {tokens} tokens, "
        "289 in the pairwise construction",
        tokens == 91,
        worst,
    )


@claim(
    "rope-everywhere",
    "a content head keeps routing exactly when all of its columns are rotary",
    source=SOURCE,
    verdict="false",
    rescue="with columns that are not turned (partial rotary) it does; else the error grows with the length and falls "
    "with the base, a reason why long contexts raise the base",
    how=COUNTEREXAMPLE,
    lesson=LESSON,
)
def rope_everywhere(full: bool) -> Outcome:
    found = {(base, T): turned_filter_error(base, T) for base in (1e4, 5e5) for T in (8, 64 if full else 32)}
    said = ", ".join(f"base {base:g}, T = {T}: {error:.1e}" for (base, T), error in found.items())
    straight = turned_filter_error(np.inf, 8)
    short, long, better, best = found.values()
    return Outcome(
        f"the Bayes head of a compiled filter in the slowest planes of d_k = 64: belief off by {said}; not turned "
        f"{straight:.0e}",
        bool(1e-8 < short < long and best < long / 100 and better < short and straight < 1e-12),
    )


def turned_filter_error(base: float, length: int) -> float:
    """How far a compiled filter is off, its Bayes head's columns each in a plane of the slowest frequency."""
    rng = np.random.default_rng(0)
    hmm = HMM(rng.dirichlet(np.ones(3)), rng.dirichlet(np.ones(3), 3), rng.dirichlet(np.ones(3), 3))
    seen = [int(symbol) for symbol in rng.integers(0, 3, length)]
    model = compile_filter(hmm, [hmm.symbols[symbol] for symbol in seen])
    slowest = 0.0 if np.isinf(base) else base ** (-62 / 64)
    copy, bayes, logarithm = model.weights.layers[0]
    assert isinstance(bayes, Attention)
    one = bayes.heads[0]
    apart = [np.kron(matrix, [[1.0, 0.0]]) for matrix in (one.W_Q, one.W_K)]  # every column, and a column of zeros
    turned = replace(one, W_Q=apart[0], W_K=apart[1], code=0, rotary=np.full(one.W_Q.shape[1], slowest))
    layer = (copy, replace(bayes, heads=(turned, *bayes.heads[1:])), logarithm)
    trace = forward(model.tokens, Weights((layer,) * length), attention="dense")
    return float(np.abs(model.beliefs(trace) - filter_states(hmm, model.observations)).max())
