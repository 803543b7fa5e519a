"""Ledger rows about updateBelief, gates and arity."""

from __future__ import annotations

from itertools import combinations, pairwise, product

import numpy as np

from bnt import odds
from bnt.claims import constructions
from bnt.claims.ledger import COUNTEREXAMPLE, OURS, PAPER, How, Outcome, claim, rocq
from bnt.claims.models import random_factors
from bnt.claims.rows.routing import refuted
from bnt.errors import InconsistentEvidenceError
from bnt.graph.factor_graph import Array
from bnt.inference.belief_propagation import run_bp
from bnt.odds import sigmoid
from bnt.transformer.blocks import FFN, Attention, Head, attend, feed_forward

ADDS, GATES = "01_evidence_adds", "10_and_or_and_depth"


@claim(
    "update-belief-group",
    "updateBelief(m0, m1) is a commutative group on (0, 1), identity 1/2, inverse 1 - m: addition of log odds",
    source=f"{PAPER}, section 3",
    verdict="exact",
    how=rocq(
        "UpdateBelief.closed",
        "UpdateBelief.commutative",
        "UpdateBelief.associative",
        "UpdateBelief.unit",
        "UpdateBelief.inverse",
        "UpdateBelief.log_odds_add",
    ),
    lesson=ADDS,
)
def update_belief_group(full: bool) -> Outcome:
    import sympy as sp

    p, q, r = sp.symbols("p q r", positive=True)
    U = odds.update_belief
    laws = {
        "commutative": U(p, q) - U(q, p),
        "associative": U(U(p, q), r) - U(p, U(q, r)),
        "identity 1/2": U(p, sp.Rational(1, 2)) - p,
        "inverse 1-p": U(p, 1 - p) - sp.Rational(1, 2),
        "P(A | A = B)": U(p, q) - p * q / (p * q + (1 - p) * (1 - q)),
        "odds multiply": U(p, q) / (1 - U(p, q)) - p / (1 - p) * q / (1 - q),
    }
    hold = {name: sp.simplify(difference) == 0 for name, difference in laws.items()}
    return Outcome("sympy: " + ", ".join(f"{name} {ok}" for name, ok in hold.items()), all(hold.values()))


@claim(
    "update-belief-is-and-or",
    "updateBelief becomes boolean logic at 0 and 1 and serves as probabilistic AND and OR",
    source=f"{PAPER}, sections 3 and 8",
    verdict="false",
    conditions="it agrees at TRUE+TRUE and FALSE+FALSE only; at TRUE+FALSE the limit depends on the path (sympy); "
    "strictly between p q and p + q - p q everywhere inside",
    rescue="in the limit, inputs that agree give their common value, as AND and OR do",
    how=rocq("UpdateBelief.above_and", "UpdateBelief.below_or"),
    lesson=ADDS,
)
def update_belief_is_and_or(full: bool) -> Outcome:
    import sympy as sp
    import z3

    p, q = z3.Reals("p q")
    inside = [p > 0, p < 1, q > 0, q < 1]
    update = odds.update_belief(p, q)
    above_and = refuted(*inside, update <= p * q)
    below_or = refuted(*inside, update >= p + q - p * q)
    e, c = sp.symbols("e c", positive=True)
    U = odds.update_belief
    corners = [sp.limit(U(1 - e, 1 - e), e, 0), sp.limit(U(e, e), e, 0)]
    path = sp.simplify(sp.limit(U(1 - e, c * e), e, 0))
    depends = path.has(c)
    return Outcome(
        f"z3: update <= pq unsat {above_and}, update >= p+q-pq unsat {below_or}; sympy: limits at TT, FF "
        f"{corners}; at TRUE + FALSE the limit is {path}: depending on the path: {depends}; (.8, .4) gives "
        f"{U(0.8, 0.4):.3f}, AND .32, OR .88",
        bool(above_and and below_or and corners == [1, 0] and depends),
    )


def read_by_one_head(bits: tuple[int, ...], sharpness: float) -> float:
    """What a head that scores a token by its bit reads of the bits: at 0 their mean, far below the least, far above the
    largest."""
    x = np.array([[1.0, float(bit)] for bit in bits])
    head = Head(sharpness * np.eye(2)[:, :1], np.eye(2)[:, 1:], np.eye(2)[:, 1:], np.eye(2)[1:])
    added, _ = attend(x, Attention((head,)))
    return float(added[0, 1])


def written_by_one_ffn(bits: tuple[int, ...]) -> list[float]:
    """AND and OR of bits that stand in one token, by two ReLU units each at most: no attention."""
    k = len(bits)
    W_in, W_out = np.zeros((k + 2, 3)), np.zeros((3, k + 2))
    W_in[:k], W_out[:, k], W_out[:, k + 1] = 1.0, (1, 0, 0), (0, 1, -1)
    ffn = FFN(W_in, np.array([1.0 - k, 0.0, -1.0]), W_out, np.zeros(k + 2), "relu")
    written: list[float] = feed_forward(np.array([[*bits, 0.0, 0.0]]), ffn)[0, k:].tolist()
    return written


@claim(
    "attention-is-and",
    "attention is AND (simultaneity in the residual stream), the FFN is OR",
    source=f"{PAPER}, section 8",
    verdict="false",
    conditions="read as gates: a head alone is AND or OR by the sign of its scores, an FFN alone either by its biases, "
    "and one averaging head serves both; that all inputs stand in the stream at once computes neither",
    rescue="on supports, where a message is only possible or impossible, gathering is AND and the update is OR (row "
    "gather-is-and-on-supports)",
    how=COUNTEREXAMPLE,
    lesson=GATES,
)
def attention_is_and(full: bool) -> Outcome:
    most, right = 8, dict.fromkeys(("head alone", "FFN alone", "averaging head and threshold"), True)
    for k in range(1, most + 1):
        for bits in product((0, 1), repeat=k):
            gates = [float(all(bits)), float(any(bits))]
            right["head alone"] &= [read_by_one_head(bits, sharpness) for sharpness in (-2000.0, 2000.0)] == gates
            right["FFN alone"] &= written_by_one_ffn(bits) == gates
            mean = read_by_one_head(bits, 0.0)
            right["averaging head and threshold"] &= [mean > 1 - 1 / (2 * k), mean > 1 / (2 * k)] == gates
    return Outcome(
        f"AND and OR, right on all inputs up to k = {most}: {', '.join(f'{how} {ok}' for how, ok in right.items())}",
        all(right.values()),
    )


@claim(
    "gather-is-and-on-supports",
    "on supports (is this state possible?) gathering messages is AND, and the update of a factor is OR",
    source=f"{PAPER}, section 8, read in the Boolean semiring; Pearl (1988)",
    verdict="exact under conditions",
    conditions="the zeros of the messages: a product is possible iff all its terms are, a sum iff one of its terms is",
    tolerance=0.0,
    how=How("theorem", "products and sums of numbers that are not negative"),
    lesson=GATES,
)
def gather_is_and(full: bool) -> Outcome:
    entries, wrong = 0, 0
    for seed in range(200 if full else 40):
        graph = random_factors(seed)
        try:
            result = run_bp(graph, rounds=4, keep_history=True)
        except InconsistentEvidenceError:
            continue
        for before, after in pairwise(result.history):
            seen, agree = constructions.supports_agree(graph, before, after)
            entries, wrong = entries + seen, wrong + seen - agree
    return Outcome(
        f"entries of messages whose support is not the OR over configurations of the AND of what was gathered: "
        f"{wrong} of {entries}",
        entries > 1000,
        wrong,
    )


def gate_in_one_head(log_odds_in: np.ndarray, sign: float) -> float:
    """Sum over k parents of softplus(sign * x), by one uniform head with value k softplus; the gate token reads
    it."""
    k = len(log_odds_in)
    x = np.zeros((k + 1, 3))  # columns: softplus of the parent, "is a parent", "asks"; the last token is the gate
    x[:k, 0], x[:k, 1], x[k, 2] = np.logaddexp(0.0, sign * log_odds_in), 1.0, 1.0
    head = Head(2000.0 * np.eye(3)[:, 2:], np.eye(3)[:, 1:2], k * np.eye(3)[:, :1], np.eye(3)[:1])
    added, _ = attend(x, Attention((head,)))
    return float(added[k, 0])


@claim(
    "noisy-gates-in-one-head",
    "noisy-AND and noisy-OR of any number of parents take one head: sums of softplus in log odds",
    source=OURS,
    verdict="exact",
    conditions="read out by -ln expm1 (AND) or +ln expm1 (OR) of the sum",
    tolerance=1e-12,
    how=How("theorem", "an algebraic identity"),
    lesson=GATES,
)
def noisy_gates(full: bool) -> Outcome:
    rng, worst = np.random.default_rng(0), 0.0
    for _ in range(300):
        x = rng.normal(0, 2, int(rng.integers(1, 9)))
        p = sigmoid(x)
        attended = [np.log(np.expm1(gate_in_one_head(x, sign))) for sign in (-1.0, 1.0)]
        direct = [float(-odds.noisy_and(x)), float(odds.noisy_or(x))]
        for found_and, found_or in (attended, direct):
            worst = max(worst, abs(float(sigmoid(np.array(-found_and))) - float(p.prod())))
            worst = max(worst, abs(float(sigmoid(np.array(found_or))) - float(1 - (1 - p).prod())))
    return Outcome(f"against products of probabilities, 1 to 8 parents: {worst:.1e}, 300 cases, seed 0", error=worst)


@claim(
    "kary-updates-binarise",
    "a k-ary updateBelief is a binary tree of depth ceil(log2 k)",
    source=f"{PAPER}, Theorem 7.2, Corollary 7.3",
    verdict="exact",
    tolerance=1e-12,
    how=How("theorem", "induction on associativity, which Rocq has: UpdateBelief.associative; k up to 64 tried"),
    lesson=GATES,
)
def kary_updates(full: bool) -> Outcome:
    rng, worst, shallow = np.random.default_rng(0), 0.0, True
    for k in range(1, 65):
        beliefs = rng.uniform(0.05, 0.95, k)
        combined, depth = odds.combine_pairwise(beliefs.tolist())
        direct = float(sigmoid(odds.logit(beliefs).sum()))
        worst, shallow = max(worst, abs(combined - direct)), shallow and depth == int(np.ceil(np.log2(k)))
    return Outcome(f"k = 1..64: depth ceil(log2 k) {shallow}, error {worst:.1e}, seed 0", shallow, worst)


def majority(a: tuple[int, ...], b: tuple[int, ...], c: tuple[int, ...]) -> tuple[int, ...]:
    """Coordinate by coordinate the value that at least two of the three have."""
    return tuple(int(x + y + z >= 2) for x, y, z in zip(a, b, c, strict=True))


@claim(
    "kary-gates-binarise",
    "k-ary AND and OR are trees of two-input gates of depth ceil(log2 k)",
    source=f"{PAPER}, Theorem 7.2, Corollary 7.3",
    verdict="exact",
    how=How("theorem", "AND and OR are associative; all inputs tried up to k = 10"),
    tolerance=0.0,
    lesson=GATES,
)
def kary_gates(full: bool) -> Outcome:
    wrong, shallow = 0, True
    for k in range(1, 11):
        for bits in product((0, 1), repeat=k):
            for gate, whole in ((min, all), (max, any)):
                found, depth = odds.combine_in_pairs(gate, bits)
                wrong += found != int(whole(bits))
                shallow &= depth == int(np.ceil(np.log2(k)))
    return Outcome(f"k = 1..10, all inputs: wrong {wrong}, depth ceil(log2 k) {shallow}", shallow, wrong)


@claim(
    "kary-factors-binarise",
    "every factor over three bits, zeros included, is a product of pairwise ones, hidden bits allowed",
    source=f"{OURS}; what Theorem 7.2 of {PAPER} would need of factor graphs",
    verdict="false",
    conditions="a factor with zeros, such as the deterministic AND; no number of hidden bits helps, one hidden "
    "variable with four states does",
    rescue="gates do binarise (row kary-gates-binarise), and so do factors without zeros (row "
    "positive-factors-binarise)",
    how=rocq("Arity.and_does_not_binarise"),
    lesson=GATES,
)
def kary_factors(full: bool) -> Outcome:
    import z3

    cells = {(pair, i, j): z3.Bool(f"{pair}{i}{j}") for pair in ("AB", "AM", "BM") for i in (0, 1) for j in (0, 1)}
    support = [
        z3.And(cells["AB", a, b], cells["AM", a, m], cells["BM", b, m]) == (m == (a & b))
        for a, b, m in product((0, 1), repeat=3)
    ]  # a product of pairwise tables is zero exactly where one of them is
    no_product = refuted(*support)
    pairs = list(product((0, 1), repeat=2))
    relations = [set(chosen) for size in range(5) for chosen in combinations(pairs, size)]
    closed = all(majority(*three) in relation for relation in relations for three in product(relation, repeat=3))
    and_table = {(a, b, a & b) for a, b in pairs}
    escape = [three for three in product(sorted(and_table), repeat=3) if majority(*three) not in and_table]
    equal = np.einsum("ac,bd->abcd", np.eye(2), np.eye(2)).reshape(4, 4)
    rank = int(np.linalg.matrix_rank(equal))
    a_of, b_of = np.repeat(np.eye(2), 2, axis=0), np.tile(np.eye(2), (2, 1))  # hidden state h = (a, b), four of them
    m_of = np.eye(2)[[0, 0, 0, 1]]
    wide = np.einsum("ha,hb,hm->abm", a_of, b_of, m_of)
    carried = all(bool(wide[a, b, m]) == ((a, b, m) in and_table) for a, b, m in product((0, 1), repeat=3))
    return Outcome(
        f"z3: M = A and B as a product of three pairwise tables: unsat {no_product}; all 16 binary relations are "
        f"closed under majority {closed}, hence so is what they define through any hidden binary variables, but "
        f"AND is not: {escape[:1]}; [A=C][B=D] has rank {rank} across AB | CD, more than one hidden bit carries; a "
        f"hidden variable of four states does it: {carried}",
        carried and no_product and closed and bool(escape) and rank == 4,
    )


@claim(
    "positive-factors-binarise",
    "a factor over three bits without a zero is a product of pairwise ones with one hidden bit",
    source=OURS,
    verdict="exact",
    conditions="entries near 0 need large couplings; a factor with zeros is out of reach (row kary-factors-binarise)",
    how=rocq("Arity.third_difference_is_onto", "Arity.positive_tables_binarise"),
    tolerance=1e-12,
    lesson=GATES,
)
def positive_factors(full: bool) -> Outcome:
    rng, worst = np.random.default_rng(0), 0.0
    tables = [rng.uniform(1e-3, 1.0, (2, 2, 2)) for _ in range(200 if full else 40)]
    tables += [noisy_and_table(leak) for leak in (1e-3, 1e-12)]
    for table in tables:
        rebuilt = constructions.binarised(table).table()
        worst = max(worst, float(np.abs(rebuilt / table - 1).max()))
    return Outcome(
        f"{len(tables)} tables, noisy AND with a leak of 1e-12 among them: relative error {worst:.1e}", error=worst
    )


def noisy_and_table(leak: float) -> Array:
    """P(m | a, b) of M = A and B that errs with probability ``leak``."""
    true = np.array([[leak, leak], [leak, 1 - leak]])
    return np.stack([1 - true, true], axis=2)
