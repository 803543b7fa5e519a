"""Ledger rows about routing: which token does attention look at?"""

from __future__ import annotations

from typing import Any

import numpy as np

from bnt.claims import constructions
from bnt.claims.ledger import OURS, PAPER, How, Outcome, claim, proved, rocq
from bnt.claims.models import random_head
from bnt.transformer import blocks
from bnt.transformer.blocks import Attention, Weights
from bnt.transformer.forward import forward

LESSON = "06_attention_routes_messages"


def refuted(*assertions: Any) -> bool:
    """z3 finds the assertions contradictory."""
    import z3

    solver = z3.Solver()
    solver.add(*assertions)
    return bool(solver.check() == z3.unsat)


@claim(
    "index-matching",
    "the product of the index a token looks for and the index a token has is largest at the match (projectDim)",
    source=f"{PAPER}, sections 5.2 and 7",
    verdict="false",
    how=rocq("Routing.index_matching_refuted", "Routing.only_last_index_matches"),
    rescue="it does pick the last index; keys of two dimensions pick any (rows rank-one-routing, routing-codes)",
    lesson=LESSON,
)
def index_matching(full: bool) -> Outcome:
    import z3

    n, wanted, k = z3.Ints("n wanted k")
    score = constructions.index_score
    legal = [n >= 2, wanted >= 0, wanted < n]
    other = [k >= 0, k < n, k != wanted]
    smallest = z3.Optimize()
    smallest.add(*legal, *other, score(wanted, k) >= score(wanted, wanted))
    smallest.minimize(n)
    counterexample = smallest.check() == z3.sat
    model = smallest.model() if counterexample else None
    last_wins = refuted(*legal, n >= 3, wanted >= 1, wanted < n - 1, score(wanted, n - 1) <= score(wanted, wanted))
    right_only_there = refuted(*legal, *other, wanted == n - 1, score(wanted, k) >= score(wanted, wanted))
    return Outcome(
        f"z3: counterexample {model}; for every n >= 3 and 1 <= index < n-1 the last token beats the match "
        f"(negation unsat: {last_wins}); only index n-1 is routed right (negation unsat: {right_only_there}). n=3, "
        f"index 1: scores {[score(1, key) for key in range(3)]}",
        bool(counterexample and last_wins and right_only_there),
    )


@claim(
    "rank-one-routing",
    "a head with d_k = 1 can select at most two distinct tokens, whatever is stored; d_k = 2 selects any",
    source=OURS,
    verdict="exact",
    how=rocq("Routing.rank_one_selects_at_most_two", "Routing.two_dimensions_select_any"),
    lesson=LESSON,
)
def rank_one_routing(full: bool) -> Outcome:
    import z3

    q, v = z3.Reals("q0 q1 q2"), z3.Reals("v0 v1 v2")
    score = constructions.index_score
    three = refuted(*[score(q[i], v[i]) > score(q[i], v[j]) for i in range(3) for j in range(3) if i != j])
    two = not refuted(score(q[0], v[0]) > score(q[0], v[1]), score(q[1], v[1]) > score(q[1], v[0]))
    n = 1000
    queries, keys, _ = constructions.quadratic_code(n)
    any_token = bool((np.argmax(queries @ keys.T, axis=1) == np.arange(n)).all())
    return Outcome(
        f"z3: three tokens that each win their own query: unsat {three}, two: sat {two}; d_k = 2, quadratic code, "
        f"n = {n}: every token selected {any_token}",
        three and two and any_token,
    )


@claim(
    "inconsistent-axioms",
    "the stored files of transformer-bp-lean establish the routing and the exactness of the construction",
    source=f"{PAPER}, sections 5.2 and 7, with the companion transformer-bp-lean (Attention.lean, commit 07f28fdf)",
    verdict="false",
    conditions="about the files as stored there; sigmoid-transformer-lean and hard-bp-lean were not available",
    rescue="of another construction both can be proved (rows routing-codes, tree-depth)",
    how=rocq("Axioms.every_neighbour_is_itself", "Axioms.axioms_prove_false"),
    lesson=LESSON,
)
def inconsistent_axioms(full: bool) -> Outcome:
    theorem = proved()["Axioms.axioms_prove_false"]  # the two axioms are its hypotheses, quoted in proofs/Axioms.v
    contradictory = theorem["statement"].endswith("-> False.") and not theorem["assumptions"]
    rng = np.random.default_rng(0)
    worst = 0.0
    for _ in range(50):  # assumed for arbitrary true posteriors; but equal tokens can never have unequal beliefs
        d = 6
        head = random_head(rng, d, d)
        ffn = blocks.FFN(rng.normal(size=(d, 9)), rng.normal(size=9), rng.normal(size=(9, d)), np.zeros(d), "relu")
        x = np.tile(rng.normal(size=d), (2, 1))
        final = forward(x, Weights(((Attention((head,)), ffn),))).final
        worst = max(worst, float(np.abs(final[0] - final[1]).max() / np.abs(final).max()))
    return Outcome(
        f"Rocq, from the two axioms and nothing else: {theorem['statement']} (on record: {contradictory}); run here: "
        f"two equal tokens under 50 random weights (seed 0) differ by {worst:.0e}, so no weights give them "
        "posteriors .1 and .9, which a third axiom grants",
        contradictory and worst == 0.0,
    )


@claim(
    "softmax-hard-routing",
    "softmax routes to one token exactly at a finite temperature",
    source=f"{PAPER}, section 5.2; companion universal-lean; hard by keeping the k best: Shazeer and others (2017)",
    verdict="exact under conditions",
    conditions="float64 and a gap above 1075 ln 2 = 745.1332 (float32: 103.97); over the reals it is false for n >= 2",
    how=How("theorem", "exp underflows; over the reals Rocq refutes it, Routing.finite_softmax_is_never_hard"),
    lesson=LESSON,
)
def softmax_hard_routing(full: bool) -> Outcome:
    def other(gap: float) -> float:
        return float(blocks.softmax(np.array([0.0, -gap]))[1])

    import sympy as sp

    g = sp.symbols("g", real=True)
    never_zero = bool((sp.exp(-g) / (1 + sp.exp(-g))).is_positive)
    edge = constructions.HARD_GAP
    bit_exact = other(edge + 1e-3) == 0.0 and other(edge - 1e-3) > 0.0
    single = [float(np.exp(np.float32(-gap))) for gap in (103.96, 103.98)]
    leak = float(blocks.softmax(np.array([0.0, -37.0])) @ np.array([0.0, 1e300]))
    scale = np.log(2 / 0.01) / 2  # the published choice, which does not depend on the precision asked for
    published = 1 - other(2 * scale)
    return Outcome(
        f"over the reals the other weight e^-g / (1 + e^-g) is positive for every gap g (sympy: {never_zero}); in "
        f"float64 it is {other(edge - 1e-3):.1e} at a gap of {edge - 1e-3:.4f}, {other(edge + 1e-3):.0f} at "
        f"{edge + 1e-3:.4f}; at gap 37 a value of 1e300 leaks {leak:.1e}; published scale, n = 2: {published:.4f}, "
        "not 1 - eps for every eps",
        never_zero and bit_exact and single[0] > 0.0 == single[1] and leak > 1e283 and published < 0.999,
    )


@claim(
    "routing-codes",
    "quadratic, circle, sign, Hamming and one-hot codes route every token to its match, bit for bit",
    source=f"{OURS}; the circle code, as rotary positions: Su and others (2021)",
    verdict="exact under conditions",
    conditions="float64, gap 746; quadratic up to 2 * 746 n^2 < 2^53, circle (rotary) as far as its gap is resolved; "
    "Rocq has the Hamming and the quadratic code over the integers, floats and the other codes are sampled, up to n "
    "= 100,000",
    tolerance=0.0,
    how=rocq("Routing.hamming_codes_route", "Routing.two_dimensions_select_any"),
    lesson=LESSON,
)
def routing_codes_exact(full: bool) -> Outcome:
    rng = np.random.default_rng(0)
    wrong, soft, match = 0, 0, 0.0
    sizes = (10, 1000, 100_000) if full else (10, 1000)
    for n in sizes:
        for name in constructions.CODES:
            if name == "one-hot" and n > 5000:
                continue
            for gap in (746.0, 600.0):
                code = constructions.routing_code(name, n, gap)
                rows = np.unique(np.concatenate([[0, 1, n // 2, n - 2, n - 1], rng.integers(0, n, 15)]))
                scores = code.queries[rows] @ code.keys.T
                hard = np.array_equal(blocks.softmax(scores), rows[:, None] == np.arange(n))
                wrong += gap > 745.2 and not hard
                soft += gap < 745 and not hard
                if name == "hamming":
                    match = max(match, float(np.abs(scores[np.arange(len(rows)), rows]).max()))
    expected = len(sizes) * len(constructions.CODES) - (100_000 in sizes)
    return Outcome(
        f"n = {', '.join(map(str, sizes))}: codes not bit-exactly one-hot at gap 746: {wrong}; at gap 600: {soft} "
        f"of {expected} (a smaller scale does fail); Hamming match scores {match:.0f}",
        wrong == 0 and soft == expected,
        match,
    )
