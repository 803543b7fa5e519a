"""Ledger rows about activations: which update does which nonlinearity compute?"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnt import odds
from bnt.claims import constructions
from bnt.claims.ledger import MEASURED, OURS, PAPER, How, Outcome, claim, rocq
from bnt.claims.models import pairwise, random_loopy, random_tree
from bnt.compiler import compile as compiler
from bnt.graph.factor_graph import Factor, FactorGraph
from bnt.inference.belief_propagation import run_bp
from bnt.inference.exact import exact_marginals
from bnt.transformer.blocks import FFN, Weights
from bnt.transformer.forward import forward

Array = NDArray[np.float64]

FFN_LESSON = "07_the_ffn_updates_messages"


def with_activation(graph: FactorGraph, activation: str, beta: float = 1.0) -> Array:
    """Log-odds beliefs of all variables from the compiled pairwise layer with another activation."""
    model = compiler.compile_graph(graph, construction="pairwise")
    attention, ffn = model.weights.layers[0]
    assert isinstance(ffn, FFN)
    layer = (attention, replace(ffn, activation=activation, beta=beta))
    final = forward(model.tokens, Weights((layer,) * len(model.weights.layers)), keep="last").final
    result: Array = final[model.layout.rows("variable"), model.layout.position("belief")]
    return result


def log_odds_of(flat: Array) -> Array:
    """ln P(1) - ln P(0) of binary beliefs stored one after the other."""
    result: Array = np.log(flat[1::2]) - np.log(flat[::2])
    return result


@claim(
    "sigmoid-unit-is-bp",
    "a sigmoid unit on raw probabilities, sigmoid(W mu + b), is an update of belief propagation",
    source=f"{PAPER}, sections 2.3 and 3.5",
    verdict="false",
    conditions="with the coupling as its weight it is the mean field (attention and FFN as mean field: Wu and Tu, "
    "2023), the first-order term in W of the exact softplus message",
    rescue="with log odds read in, a sigmoid does belief propagation exactly (row moebius-sigmoid); on probabilities "
    "it is the limit of many weak copies (row sigmoid-unit-is-a-limit)",
    tolerance=1e-12,
    how=rocq("Pairwise.sigmoid_of_probabilities_is_not_the_message"),
    lesson=FFN_LESSON,
)
def sigmoid_unit_is_bp(full: bool) -> Outcome:
    import sympy as sp

    x, W = sp.symbols("x W", real=True)
    message = sp.log(1 + sp.exp(x + W)) - sp.log(1 + sp.exp(x))
    s = 1 / (1 + sp.exp(-x))
    series = sp.series(message, W, 0, 3).removeO()
    first_order = sp.simplify(series - (W * s + W**2 / 2 * s * (1 - s))) == 0
    graph = pairwise([(0, 1)], [-1.0, -1.0], [np.exp([[0.0, 0.0], [0.0, 3.0]])])
    exact = float(exact_marginals(graph).beliefs.vector("x0")[1])
    bp = float(run_bp(graph).beliefs.vector("x0")[1])
    field = constructions.mean_field(graph, 500)
    return Outcome(
        f"sympy: softplus(x+W) - softplus(x) = W s + W^2/2 s(1-s) + O(W^3): {first_order}; two variables, W = 3, b "
        f"= -1: exact {exact:.4f}, belief propagation {bp:.4f}, mean field {field[-1][0]:.4f}, one sigmoid layer "
        f"{field[1][0]:.4f}",
        first_order and field[-1][0] - exact > 0.1 and exact - field[1][0] > 0.2,
        abs(exact - bp),
    )


@claim(
    "sigmoid-unit-is-a-limit",
    "a sigmoid unit on probabilities is the limit of belief propagation with N copies of the neighbour at coupling W "
    "/ N",
    source=OURS,
    verdict="exact",
    conditions="N copies for every finite N give something else: no finite graph does it",
    how=rocq("Pairwise.sigmoid_is_the_limit_of_weak_copies"),
    lesson=FFN_LESSON,
)
def sigmoid_unit_is_a_limit(full: bool) -> Outcome:
    W, x = 3.0, 0.7
    unit, found = W * float(odds.sigmoid(np.array(x))), {}
    for copies in (1, 10, 100):
        coupling = np.exp([[0.0, 0.0], [0.0, W / copies]])
        edges = [(0, i) for i in range(1, copies + 1)]
        graph = pairwise(edges, [0.0, *[x] * copies], [coupling] * copies)
        found[copies] = float(log_odds_of(run_bp(graph).beliefs.flat)[0])
    gaps = [found[copies] - unit for copies in found]
    halves = 2 * gaps[2] * 100 / (W**2 * float(odds.sigmoid(np.array(x)) * odds.sigmoid(np.array(-x))))
    return Outcome(
        f"log odds received, W = 3: {', '.join(f'{value:.4f} ({n} copies)' for n, value in found.items())}, the "
        f"sigmoid unit {unit:.4f}; the gap closes like 1/N (factor {halves:.3f} of W^2 s(1-s) / 2N at N = 100)",
        gaps[0] > gaps[1] > gaps[2] > 0 and abs(halves - 1) < 0.05,
    )


@claim(
    "moebius-sigmoid",
    "with logits read in, a sigmoid on cavity beliefs is belief propagation: the message is a Moebius map of the "
    "belief",
    source=f"{OURS}; {PAPER}, section 3.5",
    verdict="exact",
    conditions="binary pairwise; the map is affine iff the table has equal row sums (a CPT) or determinant 0",
    tolerance=1e-12,
    how=How("symbolic", "sympy"),
    lesson=FFN_LESSON,
)
def moebius_sigmoid(full: bool) -> Outcome:
    import sympy as sp

    x, p = sp.symbols("x p", real=True)
    t00, t01, t10, t11 = sp.symbols("t00 t01 t10 t11", positive=True)
    psi = [[t00, t01], [t10, t11]]
    m = constructions.moebius_message(1 / (1 + sp.exp(-x)), psi)
    softplus_form = t01 / t00 * (1 + sp.exp(x) * t11 / t01) / (1 + sp.exp(x) * t10 / t00)  # exp(sp(x+a) - sp(x+c) + d)
    same = sp.simplify(softplus_form - m / (1 - m)) == 0
    bend = sp.numer(sp.together(sp.diff(constructions.moebius_message(p, psi), p, 2)))
    expected = (t00 * t11 - t01 * t10) * (t00 + t01 - t10 - t11)
    affine_iff = bool(sp.simplify(sp.expand(bend) / sp.expand(expected)).is_number)
    worst, seeds = 0.0, range(60 if full else 15)
    for seed in seeds:
        graph = random_loopy(seed)
        reference = run_bp(graph, rounds=6, keep_history=True).history
        for r, messages in enumerate(constructions.sigmoid_bp(graph, 6)):
            worst = max(worst, *(abs(value - np.exp(reference[r][key][1])) for key, value in messages.items()))
    return Outcome(
        f"sympy: softplus form and Moebius map of the sigmoid are one: {same}; affine iff equal row sums or det = "
        f"0: {affine_iff}; against belief propagation, every message of 6 rounds: {worst:.1e}, seeds "
        f"0..{seeds[-1]}",
        same and affine_iff,
        worst,
    )


@claim(
    "raw-probability-ffn",
    "an FFN on raw probabilities (sigmoid or ReLU units) computes updateBelief",
    source=f"{PAPER}, section 2.3.1",
    verdict="false",
    conditions="exactly: for that the logit read-in is essential",
    rescue="on probabilities that stay away from 0 and 1 a wide FFN comes as near as one likes",
    how=How("symbolic", "sympy; the bound on sigmoid layers sampled"),
    lesson=FFN_LESSON,
)
def raw_probability_ffn(full: bool) -> Outcome:
    import sympy as sp

    p, q, m = sp.symbols("p q m", real=True)
    update = odds.update_belief(p, q)
    _, denominator = sp.fraction(sp.together(update))
    numerator = sp.fraction(sp.together(update))[0]
    pole = {p: 2, q: sp.Rational(1, 3)}
    has_pole = denominator.subs(pole) == 0 and numerator.subs(pole) != 0  # analytic units are finite on all of R^2
    curved = sp.diff(odds.update_belief(m, m), m, 2).subs(m, sp.Rational(3, 10)) != 0  # ReLU units are piecewise linear
    limits = [sp.limit(odds.update_belief(m, m), m, end, side) for end, side in ((0, "+"), (1, "-"))]
    rng, inside = np.random.default_rng(0), True
    for _ in range(200):
        W1, b1, W2, b2 = rng.normal(0, 3, (2, 8)), rng.normal(0, 3, 8), rng.normal(0, 3, 8), float(rng.normal())
        out = odds.sigmoid(odds.sigmoid(rng.uniform(size=(200, 2)) @ W1 + b1) @ W2 + b2)
        low, high = odds.sigmoid(np.array([b2 - np.abs(W2).sum(), b2 + np.abs(W2).sum()]))
        inside &= bool((out >= low).all() and (out <= high).all())
    return Outcome(
        f"sympy: updateBelief has a pole at (2, 1/3) where analytic units stay finite: {has_pole}; curved on the "
        f"diagonal where ReLU units are piecewise linear: {curved}; it tends to {limits[0]} and {limits[1]}, while "
        f"two sigmoid layers stay within sigmoid(b -+ |W|_1): {inside} (200 networks, seed 0)",
        bool(has_pole and curved and limits == [0, 1] and inside),
    )


@claim(
    "relu-compatible",
    "ReLU in place of the sigmoid or softplus update is compatible with belief propagation",
    source=f"{PAPER}, sections 3.5 and 10.4",
    verdict="exact under conditions",
    conditions="on trees, for max-product with the same weights, the most probable assignment where there are no "
    "ties (two states with fields 0 and table [[1, 2], [2, 1]] are tied); Rocq has each message, on any graph; not "
    "for marginals",
    tolerance=1e-11,
    how=rocq("Pairwise.relu_layer_is_max_product"),
    lesson=FFN_LESSON,
)
def relu_compatible(full: bool) -> Outcome:
    worst, best, off, seeds = 0.0, 0, [], range(150 if full else 40)
    for seed in seeds:
        graph = random_tree(seed)
        found = with_activation(graph, "relu")
        truth = exact_marginals(graph, mode="max")
        worst = max(worst, float(np.abs(found - log_odds_of(truth.beliefs.flat)).max()))
        best += {f"x{i}": "1" if value > 0 else "0" for i, value in enumerate(found)} == truth.map_assignment
        off.append(float(np.abs(odds.sigmoid(found) - exact_marginals(graph).beliefs.flat[1::2]).max()))
    return Outcome(
        f"max-marginals of {len(seeds)} trees in log odds: {worst:.1e}, most probable assignment {best} of "
        f"{len(seeds)} (seeds 0..{seeds[-1]}); as marginals off by {np.mean(off):.3f} on average, {max(off):.2f} "
        "at worst",
        best == len(seeds) and float(np.mean(off)) > 0.01,
        worst,
    )


@claim(
    "softplus-sharpness",
    "softplus(beta x) / beta interpolates: sum-product at potentials to the power beta, max-product as beta grows",
    source=OURS,
    verdict="exact under conditions",
    conditions="trees",
    tolerance=1e-10,
    how=How("theorem", "by scaling the potentials; the bound for one unit in Rocq, Pairwise.softplus_tends_to_relu"),
    lesson=FFN_LESSON,
)
def softplus_sharpness(full: bool) -> Outcome:
    worst, distances = 0.0, {}
    seeds = range(40 if full else 12)
    for beta in (1.0, 4.0, 16.0, 64.0):
        far = 0.0
        for seed in seeds:
            graph = random_tree(seed)
            found = with_activation(graph, "softplus", beta)
            if beta <= 4:
                power = FactorGraph(
                    graph.variables, [Factor(f.variables, log_table=beta * f.log_table) for f in graph.factors]
                )
                worst = max(worst, float(np.abs(beta * found - log_odds_of(exact_marginals(power).beliefs.flat)).max()))
            far = max(far, float(np.abs(found - log_odds_of(exact_marginals(graph, mode="max").beliefs.flat)).max()))
        distances[beta] = far
    shrinking = all(np.diff(list(distances.values())) < 0)
    return Outcome(
        f"beta times the output against sum-product at potentials^beta (beta 1 and 4): {worst:.1e}; distance to "
        f"max-product {', '.join(f'{far:.2g} (beta {beta:g})' for beta, far in distances.items())}; seeds "
        f"0..{seeds[-1]}",
        shrinking and distances[64.0] < 0.05,
        worst,
    )


@claim(
    "gelu-silu",
    "GELU or SiLU in the compiled layer: neither sum- nor max-product exactly",
    source=f"{PAPER}, sections 3.5 and 10.4",
    verdict="measured",
    conditions="random trees of up to 9 variables; stronger couplings are further off",
    how=MEASURED,
    lesson=FFN_LESSON,
)
def gelu_silu(full: bool) -> Outcome:
    seeds, text, holds = range(60 if full else 25), [], True
    for activation in ("gelu", "silu"):
        mean, worst, best = 0.0, 0.0, 0
        for seed in seeds:
            graph = random_tree(seed)
            errors = np.abs(
                odds.sigmoid(with_activation(graph, activation)) - exact_marginals(graph).beliefs.flat[1::2]
            )
            mean, worst = mean + float(errors.mean()) / len(seeds), max(worst, float(errors.max()))
            sharp = with_activation(graph, activation, 4.0) > 0
            truth: Any = exact_marginals(graph, mode="max").map_assignment
            best += [truth[f"x{i}"] == "1" for i in range(len(sharp))] == sharp.tolist()
        text.append(
            f"{activation}: mean error {mean:.3f}, worst {worst:.2f}, MAP at sharpness 4 right {best}/{len(seeds)}"
        )
        holds &= 0.01 < mean < 0.1 and best >= 0.9 * len(seeds)
    return Outcome(f"{'; '.join(text)} (seeds 0..{seeds[-1]})", holds)
