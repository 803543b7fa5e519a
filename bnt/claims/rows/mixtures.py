"""Ledger rows on mixtures of experts: what their gate is, what leaving experts out costs, over what they mix;
and factors that are mixtures."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from bnt.claims.ledger import COUNTEREXAMPLE, OURS, How, Outcome, claim
from bnt.compiler import compile as compiler
from bnt.compiler.layout import erase, ffn
from bnt.compiler.verify import verify_model
from bnt.graph.factor_graph import Factor, FactorGraph, Variable
from bnt.graph.leaves import tree_cpd
from bnt.odds import logit, sigmoid
from bnt.reading.mixtures import gate_of_mixture, read_gate, truncation
from bnt.transformer import blocks
from bnt.transformer.blocks import FFN, Gate, MixtureFFN, Weights

Array = NDArray[np.float64]

LESSON = "17_experts_and_rotation"
SOURCE = f"{OURS}; mixtures of experts: Jacobs, Jordan, Nowlan and Hinton (1991)"


def drawn(rng: np.random.Generator, keep: int | None = None, sharpness: float = 1.0) -> MixtureFFN:
    """2 .. 6 experts of four units on 2 .. 6 columns, all weights normal."""
    d, count = int(rng.integers(2, 7)), int(rng.integers(2, 7))
    experts = tuple(
        FFN(rng.normal(size=(d, 4)), rng.normal(size=4), rng.normal(size=(4, d)), rng.normal(size=d), "relu")
        for _ in range(count)
    )
    gate = Gate(sharpness * rng.normal(size=(d, count)), rng.normal(size=count))
    return MixtureFFN(gate, experts, None if keep is None else min(keep, count))


@claim(
    "moe-gate-is-posterior",
    "a softmax gate is the posterior of a latent expert, and a mixture of experts adds the posterior mean, whatever "
    "the weights",
    source=SOURCE,
    verdict="exact",
    tolerance=1e-12,
    how=How("theorem", "Bayes' rule in a Gaussian mixture"),
    lesson=LESSON,
)
def moe_gate_is_posterior(full: bool) -> Outcome:
    rng, worst, given = np.random.default_rng(0), 0.0, 0.0
    for _ in range(300 if full else 60):
        sublayer = drawn(rng)
        x = rng.normal(size=(8, len(sublayer.gate.W)))
        posterior = read_gate(sublayer.gate).posterior(x)
        mean = sum(posterior[:, [k]] * blocks.feed_forward(x, f) for k, f in enumerate(sublayer.experts))
        worst = max(worst, float(np.abs(blocks.mixture_feed_forward(x, sublayer) - mean).max() / np.abs(mean).max()))
        K, d = sublayer.gate.W.T.shape
        root = rng.normal(size=(d, d))
        means, covariance, prior = rng.normal(size=(K, d)), root @ root.T + np.eye(d), rng.dirichlet(np.ones(K))
        log_joint = np.array(
            [
                [np.log(p) - (row - m) @ np.linalg.inv(covariance) @ (row - m) / 2 for m, p in zip(means, prior)]  # noqa: B905
                for row in x
            ]
        )
        bayes = np.exp(log_joint - np.logaddexp.reduce(log_joint, axis=1, keepdims=True))
        given = max(
            given, float(np.abs(blocks.gate_weights(x, gate_of_mixture(means, covariance, prior)) - bayes).max())
        )
    return Outcome(
        f"any gate: output against the posterior mean, relative error {worst:.1e}; the gate of a given mixture with "
        f"full covariance: {given:.1e} against Bayes' rule",
        error=max(worst, given),
    )


@claim(
    "moe-top-k",
    "keeping the best k experts alone gives what the whole mixture gives",
    source=f"{OURS}; top-k gates: Shazeer and others (2017)",
    verdict="exact under conditions",
    conditions="where the dropped mass delta is 0: disjoint supports, or in float64 scores more than 745.14 below the "
    "best. Else the error is delta (mean of the kept - mean of the dropped), at most delta times the diameter of the "
    "experts' outputs, and that is attained",
    tolerance=1e-12,
    how=How("theorem", "on paper"),
    lesson=LESSON,
)
def moe_top_k(full: bool) -> Outcome:
    rng, worst, violated, tightest, draws = np.random.default_rng(1), 0.0, 0, 0.0, 0
    while draws < (10_000 if full else 1_000):
        sublayer = drawn(rng, keep=int(rng.integers(1, 5)), sharpness=float(rng.uniform(0.1, 2.0)))
        x = rng.normal(size=(10, len(sublayer.gate.W)))
        found = truncation(sublayer, x)
        whole = MixtureFFN(sublayer.gate, sublayer.experts)
        error = blocks.mixture_feed_forward(x, sublayer) - blocks.mixture_feed_forward(x, whole)
        scale = max(1.0, float(np.abs(found.kept_mean).max()))
        worst = max(worst, float(np.abs(error - found.error).max()) / scale)
        size = np.sqrt((error**2).sum(axis=1))
        violated += int((size > found.bound + 1e-12 * scale).sum())
        tightest = max(tightest, float((size / np.maximum(found.bound, 1e-9)).max()))
        draws += len(x)
    apart = np.array([gap_error(gap) for gap in (37.0, 745.13, 746.0)])
    return Outcome(
        f"{draws} tokens: the identity to {worst:.1e}, the bound violated {violated} times, at best attained to "
        f"{tightest:.4f}; two experts, dropped mass at a gap of 37, 745.13, 746: {apart[0]:.1e}, {apart[1]:.1e}, "
        f"{apart[2]:.0e}",
        bool(violated == 0 and tightest > 0.999 and apart[0] > 0 and apart[1] > 0 and apart[2] == 0),
        worst,
    )


def gap_error(gap: float) -> float:
    """The mass that top-1 drops of two experts whose scores differ by ``gap``."""
    one = FFN(np.zeros((1, 1)), np.zeros(1), np.zeros((1, 1)), np.ones(1), "relu")
    sublayer = MixtureFFN(Gate(np.zeros((1, 2)), np.array([gap, 0.0])), (one, one), keep=1)
    return float(truncation(sublayer, np.zeros((1, 1))).dropped[0])


@claim(
    "moe-log-odds",
    "a mixture of experts that speak log odds gives the log odds of the mixture: Bayes with a latent gate",
    source=SOURCE,
    verdict="false",
    rescue="it is a product of tempered experts, a log-linear pool (row real-weights-are-potentials); experts that "
    "speak probabilities mix as Bayes says (row moe-gate-is-posterior)",
    how=COUNTEREXAMPLE,
    lesson=LESSON,
)
def moe_log_odds(full: bool) -> Outcome:
    def says(p: float) -> FFN:
        return FFN(np.zeros((2, 1)), np.zeros(1), np.zeros((1, 2)), np.array([0.0, float(logit(p))]))

    def both(gate: float, p: float, q: float) -> tuple[float, float]:
        """Bayes' probability, and that of the layer's log odds."""
        sublayer = MixtureFFN(Gate(np.zeros((2, 2)), np.log([gate, 1 - gate])), (says(p), says(q)))
        pooled = float(sigmoid(blocks.mixture_feed_forward(np.zeros((1, 2)), sublayer)[0, 1]))
        return gate * p + (1 - gate) * q, pooled

    bayes, pooled = both(0.5, 0.99, 0.5)
    grid = [0.001, 0.1, 0.5, 0.9, 0.999]
    worst = max(abs(np.subtract(*both(g, p, q))) for g, p, q in product((0.3, 0.5, 0.7), grid, grid))
    return Outcome(
        f"gate (.5, .5), experts .99 and .5: Bayes {bayes:.3f}, the layer {pooled:.3f}; worst gap {worst:.2f}",
        bool(abs(bayes - 0.745) < 5e-4 and abs(pooled - 0.909) < 5e-4 and worst > 0.2),
    )


def switches(rng: np.random.Generator, parents: int, children: int, states: int = 2) -> FactorGraph:
    """z chooses which of its fellow parents each child listens to; every variable has a field."""
    z = Variable("z", [str(k) for k in range(parents)])
    xs = [Variable(f"x{k}", [str(a) for a in range(states)]) for k in range(parents)]
    ys = [Variable(f"y{c}", [str(b) for b in range(states)]) for c in range(children)]
    ones = np.ones(states)
    factors: list[Factor] = [
        tree_cpd(
            y,
            [z, *xs],
            {"z": {z.states[k]: {x.name: {a: rng.dirichlet(ones) for a in x.states}} for k, x in enumerate(xs)}},
        )
        for y in ys
    ]
    factors += [Factor((v,), rng.dirichlet(np.ones(v.cardinality))) for v in (z, *xs, *ys)]
    return FactorGraph([z, *xs, *ys], factors)


@claim(
    "csi-leaves",
    "a factor with context-specific independence (a tree CPD) compiles to one token per leaf, and every message is "
    "that of the full table",
    source=f"{OURS}; context-specific independence: Boutilier, Friedman, Goldszmidt and Koller (1996)",
    verdict="exact under conditions",
    conditions="a slot that a leaf leaves open counts as the sum of its incoming message: messages normalised, or "
    "their sums carried along; to count it as 1 is wrong",
    tolerance=1e-12,
    how=How("theorem", "the leaves partition the joint states"),
    lesson=LESSON,
)
def csi_leaves(full: bool) -> Outcome:
    rng, worst, counted_as_one, graphs = np.random.default_rng(3), 0.0, 0.0, 200 if full else 20
    for i in range(graphs):
        graph = switches(rng, int(rng.integers(2, 4)), children=2, states=int(rng.integers(2, 4)))
        model = compiler.compile_graph(graph, rounds=12)
        report = verify_model(model, attention="gather" if i % 2 else "dense", exact=False)
        worst = max(worst, report.max_message_error or 0.0, report.max_belief_error or 0.0)
        layer = list(model.weights.layers[0])
        first = next(place for place, sublayer in enumerate(layer) if isinstance(sublayer, FFN))
        layer.insert(first + 1, ffn(model.layout, erase("norm"), "relu"))
        forgetful = replace(model, weights=Weights((tuple(layer),) * len(model.weights.layers)))
        counted_as_one = max(counted_as_one, verify_model(forgetful, exact=False).max_message_error or 0.0)
    large = compiler.compile_graph(switches(rng, 16, children=1))
    leaves, entries = len(large.layout.labels["configuration"]), math.prod([16, *[2] * 16, 2])
    return Outcome(
        f"{graphs} loopy networks of two tree CPDs over the same parents, 12 rounds, every message: error {worst:.1e}; "
        f"open slots counted as 1: {counted_as_one:.2f}; 16 parents and a switch: {leaves} tokens, {entries:,} entries",
        bool(counted_as_one > 0.05 and leaves == 64),
        worst,
    )
