"""Ledger rows about weights: what any weights compute, what can be read back, and what is forced."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bnt import odds
from bnt.claims import constructions
from bnt.claims.ledger import MEASURED, OURS, PAPER, How, Outcome, claim, rocq
from bnt.claims.models import joint, random_head, random_loopy
from bnt.compiler import compile as compiler
from bnt.graph.factor_graph import Factor, FactorGraph, Variable
from bnt.inference import exact
from bnt.reading import implicit_graph, recovery
from bnt.reading.log_odds_transformer import LogOddsHead, LogOddsLayer, log_odds_tokens, log_odds_weights
from bnt.transformer import blocks
from bnt.transformer.blocks import FFN, Attention, Head, LayerNorm, Weights, attend
from bnt.transformer.forward import forward

Array = NDArray[np.float64]

READ = "09_read_the_weights"


def random_log_odds_model(seed: int, layers: int, tokens: int, heads: int, whole: bool = True) -> tuple[Weights, Array]:
    """Any Q and K, head weights -2 .. 2 (whole) or normal, one channel, two features."""
    rng = np.random.default_rng(seed)
    spec = []
    for _ in range(layers):
        made = tuple(
            LogOddsHead(
                rng.normal(size=(3, 2)),
                rng.normal(size=(3, 2)),
                rng.choice([-2.0, -1.0, 1.0, 2.0], 1) if whole else rng.normal(size=1),
            )
            for _ in range(heads)
        )
        spec.append(LogOddsLayer(made, keep=rng.integers(0, 2, 1).astype(float), bias=rng.normal(size=1)))
    return log_odds_weights(spec, 2), log_odds_tokens(
        rng.normal(0, 1.5, (tokens, 1)), rng.normal(size=(tokens, 2)), heads
    )


@claim(
    "implicit-graph-exists",
    "for any weights there is an implicit factor graph on which one forward pass is one round of belief propagation",
    source=f"{PAPER}, section 6, Theorem 1.1",
    verdict="vacuous as stated",
    conditions="without a fixed form of G(W), and if G may be chosen per input, every function into (0, 1)^n passes, "
    "by a graph without any edge; one graph for all inputs, by contrast, some block refutes",
    rescue="with a fixed form it has content (rows weighted-bp-by-definition, implicit-graph-log-odds)",
    tolerance=1e-14,
    how=rocq("Edgeless.any_function_is_beliefs_without_an_edge"),
    lesson=READ,
)
def implicit_graph_exists(full: bool) -> Outcome:
    rng = np.random.default_rng(0)
    d = 6
    ffn = FFN(rng.normal(size=(d, 9)), rng.normal(size=9), rng.normal(size=(9, d)), np.zeros(d), "gelu")
    block = (Attention((random_head(rng, d, 3),), norm=LayerNorm(np.ones(d), np.zeros(d))), ffn)
    outputs = [odds.sigmoid(forward(rng.normal(size=(5, d)), Weights((block,))).final[:, 0]) for _ in range(2)]
    apart = float(np.abs(outputs[0] - outputs[1]).max())  # one graph without evidence has one set of beliefs
    bytes_of_text = np.frombuffer(b"not inference", dtype=np.uint8)
    worst = 0.0
    for wanted in (*outputs, (bytes_of_text + 0.5) / 256):
        names = [Variable(f"y{i}", ("0", "1")) for i in range(len(wanted))]
        edgeless = FactorGraph(names, [Factor((v,), [1 - p, p]) for v, p in zip(names, wanted, strict=True)])
        beliefs = exact.exact_marginals(edgeless).beliefs
        worst = max(worst, float(np.abs(beliefs.flat[1::2] - wanted).max()))
    return Outcome(
        "edgeless graphs have the outputs of a GELU block with LayerNorm, and the bytes of a sentence, as their "
        f"exact beliefs: error {worst:.1e}; the same weights on two inputs: up to {apart:.2f} apart, so no one graph "
        "serves both",
        apart > 0.1,
        worst,
    )


@claim(
    "weighted-bp-by-definition",
    "s(w0 L0 + w1 L1 + b) is a round of weighted belief propagation: messages raised to the powers w0 and w1",
    source=f"{PAPER}, sections 1.1 and 6.1",
    verdict="exact",
    conditions="true by the definition of weighted belief propagation, and of any weights at all; belief propagation "
    "proper has whole powers (row real-weights-are-potentials)",
    tolerance=1e-14,
    how=How("theorem", "a definition, spelt out"),
    lesson=READ,
)
def weighted_bp(full: bool) -> Outcome:
    rng, worst = np.random.default_rng(0), 0.0
    for _ in range(500):
        (w0, w1, b), messages = rng.normal(size=3), rng.uniform(0.02, 0.98, 2)
        unit = odds.sigmoid(w0 * odds.logit(messages[0]) + w1 * odds.logit(messages[1]) + b)
        tempered = np.prod([[1 - m, m] ** np.array(w) for m, w in zip(messages, (w0, w1), strict=True)], axis=0)
        tempered = tempered * [1.0, np.exp(b)]
        worst = max(worst, abs(float(unit) - float(tempered[1] / tempered.sum())))
    return Outcome(f"the unit against the normalised tempered product: {worst:.1e}, 500 cases, seed 0", error=worst)


@claim(
    "implicit-graph-log-odds",
    "one layer of a log-odds transformer, any queries and keys, is exact inference on an explicit tree G(W, X)",
    source=f"{PAPER}, section 6.2",
    verdict="exact under conditions",
    conditions="whole-number head weights; G depends on the input through attention, and unrolls over layers",
    tolerance=1e-12,
    how=How("theorem", "by construction"),
    lesson=READ,
)
def implicit_graph_log_odds(full: bool) -> Outcome:
    worst, sizes = 0.0, []
    for layers, tokens, heads, seeds in ((1, 3, 2, 10), (2, 3, 1, 6), (3, 2, 1, 6)):
        for seed in range(seeds * (5 if full else 1)):
            weights, x = random_log_odds_model(seed, layers, tokens, heads)
            implicit = implicit_graph.extract_graph(weights, x)
            final = forward(x, weights).final[:, implicit.channels[0]]
            for token in range(tokens):
                graph = implicit.graph(token)
                sizes.append(len(graph.variables))
                found = exact.exact_marginals(graph).beliefs["y"]["1"]
                worst = max(worst, abs(found - 1 / (1 + np.exp(-float(final[token])))))
    return Outcome(
        f"explicit tables against the forward pass, 1, 2 and 3 layers: error {worst:.1e}, up to {max(sizes)} "
        f"variables, {len(sizes)} graphs",
        error=worst,
    )


@claim(
    "real-weights-are-potentials",
    "for real FFN weights (w0, w1, b) the sigmoid of w0 logit m0 + w1 logit m1 + b is an ordinary belief "
    "propagation update",
    source=f"{PAPER}, section 6.2",
    verdict="exact under conditions",
    conditions="whole-number weights (copies of a message); rational ones for a power of the odds; real: tempered",
    tolerance=1e-11,
    how=How("symbolic", "sympy, for one table; for finite graphs by hand: their odds are rational in m / (1 - m)"),
    lesson=READ,
)
def real_weights(full: bool) -> Outcome:
    import sympy as sp

    w, t00, t01, t10, t11, y = sp.symbols("w t00 t01 t10 t11 y")  # y: the odds that come in
    came_out = constructions.moebius_message(y / (1 + y), [[t00, t01], [t10, t11]])
    numerator, denominator = sp.fraction(sp.together(y * sp.diff(sp.log(came_out / (1 - came_out)), y) - w))
    solved = sp.solve(sp.Poly(sp.expand(numerator), y).coeffs(), [w, t00, t01, t10, t11], dict=True)
    possible = [one for one in solved if sp.simplify(denominator.subs(one)) != 0]  # else no message comes out
    powers = sorted({one.get(w, w) for one in possible}, key=str)
    worst, rng = 0.0, np.random.default_rng(0)
    for count, parts in ((2.0, 3.0), (-1.0, 2.0), (1.0, 5.0)):
        queries, keys, bias = rng.normal(size=(3, 2)), rng.normal(size=(3, 2)), rng.normal(size=1)
        x = log_odds_tokens(rng.normal(0, 1.5, (3, 1)), rng.normal(size=(3, 2)), 1)
        whole = LogOddsLayer((LogOddsHead(queries, keys, np.array([count])),), np.zeros(1), parts * bias)
        part = LogOddsLayer((LogOddsHead(queries, keys, np.array([count / parts])),), np.zeros(1), bias)
        graph = implicit_graph.extract_graph(log_odds_weights([whole], 2), x).graph(0)
        p = exact.exact_marginals(graph).beliefs["y"]["1"]
        found = parts * forward(x, log_odds_weights([part], 2)).final[0, 0]
        worst = max(worst, abs(float(found) - float(np.log(p / (1 - p)))))
    tempered = implicit_graph.extract_graph(*random_log_odds_model(0, 2, 3, 2, whole=False))
    return Outcome(
        f"sympy: if one 2x2 table, zeros allowed, raises the odds of every message to one power, that power is "
        f"{' or '.join(map(str, powers))}; weight w/q: q times the log odds are those of a whole-number graph, error "
        f"{worst:.1e}; "
        f"real weights are reported as {tempered.kind}, {len(tempered.unexplained)} powers unexplained",
        powers == [-1, 0, 1] and tempered.kind.startswith("tempered") and len(tempered.unexplained) == 4,
        worst,
    )


@claim(
    "attention-posterior-mean",
    "softmax attention is the posterior mean of the value of a latent token, for any weights",
    source=f"Singh and Buckley (2023), as structural inference; {PAPER}, section 10.1",
    verdict="exact",
    conditions="query given token a is normal around key a, prior of a proportional to exp(|key a|^2 / 2)",
    tolerance=1e-11,
    how=rocq("Posterior.attention_weights_are_a_posterior", "Posterior.attention_is_a_posterior_mean"),
    lesson="05_a_transformer_in_numpy",
)
def attention_posterior_mean(full: bool) -> Outcome:
    rng, worst = np.random.default_rng(0), 0.0
    trials = 2000 if full else 200
    for trial in range(trials):
        x, head, causal = rng.normal(size=(6, 5)), random_head(rng, 5, 3), trial % 2 == 1
        bayes = implicit_graph.posterior_mean(x, head, causal)
        added, _ = attend(x, Attention((head,), causal=causal))
        worst = max(worst, float(np.abs(bayes.mean @ head.W_O - added).max()))
    return Outcome(
        f"Bayes' rule in the mixture against the softmax: {worst:.1e} over {trials} random heads, seed 0", error=worst
    )


@claim(
    "prior-and-likelihood-identified",
    "the weights of attention tell the prior of a token from the likelihood of the query given it",
    source=OURS,
    verdict="false",
    conditions="adding one vector to all keys changes no attention and gives two tokens any prior odds",
    rescue="their product, the posterior, is identified: it is the attention",
    how=rocq("Posterior.one_vector_on_all_keys_changes_nothing", "Posterior.prior_and_likelihood_are_not_identified"),
    lesson="05_a_transformer_in_numpy",
)
def prior_and_likelihood(full: bool) -> Outcome:
    rng, same, moved = np.random.default_rng(0), 0.0, 0.0
    for _ in range(500 if full else 100):
        queries, keys, shift = rng.normal(size=(6, 3)), rng.normal(size=(6, 3)), rng.normal(0, 2, 3)
        weights = [blocks.softmax(queries @ k.T) for k in (keys, keys + shift)]
        priors = [blocks.softmax((k**2).sum(axis=1) / 2) for k in (keys, keys + shift)]
        same = max(same, float(np.abs(weights[0] - weights[1]).max()))
        moved = max(moved, float(np.abs(priors[0] - priors[1]).max()))
    return Outcome(
        f"one vector added to all keys: attention changes by {same:.0e}, the prior read off the keys by up to "
        f"{moved:.2f} (seed 0)",
        same < 1e-12 and moved > 0.5,
    )


@claim(
    "hidden-graph-recovered",
    "the factor graph of compiled weights can be read back behind a random rotation of the stream, without a layout",
    source=OURS,
    verdict="measured",
    conditions="compiled pairwise models of random graphs of up to six variables; a random orthogonal basis, heads and "
    "hidden units shuffled",
    tolerance=1e-10,
    how=MEASURED,
    lesson=READ,
)
def hidden_graph_recovered(full: bool) -> Outcome:
    worst, same_edges, seeds = 0.0, True, range(100 if full else 15)
    for seed in seeds:
        graph = random_loopy(seed, most=6)
        model = compiler.compile_graph(graph, rounds=3, construction="pairwise")
        found = recovery.recover_graph(*recovery.disguise(model.weights, model.tokens, seed))
        edges = [{frozenset(scope) for scope in g.scopes if len(scope) == 2} for g in (graph, found.graph)]
        same_edges &= edges[0] == edges[1]
        worst = max(worst, float(np.abs(joint(graph) - joint(found.graph)).max()))
        worst = max(worst, found.disagreement)
    return Outcome(
        f"edges identical: {same_edges}; joint distribution and beliefs: {worst:.1e}, seeds 0..{seeds[-1]}",
        same_edges,
        worst,
    )


@claim(
    "ffn-weights-forced",
    "exact posteriors force the FFN weights w0 = w1 = 1, b = 0",
    source=f"{PAPER}, sections 1.3 and 6.5, Theorem 1.4",
    verdict="exact under conditions",
    conditions="that form of FFN with logit inputs, independent evidence, uniform prior, inputs not all on one line",
    tolerance=1e-12,
    how=rocq("Uniqueness.ffn_weights_are_forced", "Uniqueness.on_the_diagonal_nothing_is_forced"),
    lesson=READ,
)
def ffn_weights_forced(full: bool) -> Outcome:
    import sympy as sp

    w0, w1, b, p, q = sp.symbols("w0 w1 b p q", real=True)
    target = sp.simplify(odds.update_belief(p, q) / (1 - odds.update_belief(p, q)))  # odds
    adds = sp.simplify(target - p / (1 - p) * q / (1 - q)) == 0
    points = [(0, 0), (1, 0), (0, 1)]
    exact_at = [sp.Eq(w0 * u + w1 * v + b, u + v) for u, v in points]
    forced = sp.solve(exact_at, [w0, w1, b], dict=True) == [{w0: 1, w1: 1, b: 0}]
    on_a_line = len(sp.solve([sp.Eq(w0 * t + w1 * t + b, 2 * t) for t in (0, 1, 2)], [w0, w1, b], dict=True)[0]) < 3
    rng, worst, twice = np.random.default_rng(0), 0.0, 0.0
    for _ in range(500):
        n, prior = int(rng.integers(2, 6)), float(rng.uniform(0.05, 0.95))
        like = rng.uniform(0.05, 0.95, (n, 2))
        total = float(odds.logit(prior)) + np.log(like[:, 1] / like[:, 0]).sum()
        from_likelihoods = odds.logit(like[:, 1] / like.sum(axis=1)).sum() + odds.logit(prior)
        posterior = prior * like[:, 1] / (prior * like[:, 1] + (1 - prior) * like[:, 0])
        from_posteriors = odds.logit(posterior).sum() - (n - 1) * odds.logit(prior)
        worst = max(worst, abs(float(from_likelihoods) - total), abs(float(from_posteriors) - total))
        message = like[0, 1] / like[0].sum()  # the same evidence heard twice: the truth counts it once
        twice = max(twice, abs(float(odds.update_belief(message, message)) - message))
    return Outcome(
        f"sympy: log odds add {adds}; three points force (1, 1, 0): {forced}; on the diagonal others fit: "
        f"{on_a_line}. With prior pi the bias is logit pi (likelihood messages) or -(n-1) logit pi (posterior "
        f"messages): {worst:.1e}, 500 cases, seed 0; duplicate evidence counted twice errs by {twice:.2f}",
        bool(adds and forced and on_a_line and twice > 0.1),
        worst,
    )


@claim(
    "attention-pattern-forced",
    "slots whose log odds add up to those of their neighbours, whatever all beliefs are, read one neighbour each, with "
    "weight 1",
    source=f"{PAPER}, section 6.5",
    verdict="exact under conditions",
    conditions="scores that do not depend on the beliefs, as many slots as neighbours, FFN (1, 1, 0); which slot reads "
    "which neighbour stays free",
    tolerance=1e-12,
    how=How("theorem", "where one belief tends to 1 the sum must grow without bound, so one slot must follow it alone"),
    lesson=READ,
)
def attention_pattern_forced(full: bool) -> Outcome:
    rng, worst, short, certain = np.random.default_rng(0), 0.0, 0.0, 1 - 1e-12
    reads = constructions.slot_reading
    for slots in (1, 2, 3, 4):
        neighbours = range(slots)  # of slots + 2 tokens
        for _ in range(200 if full else 40):
            beliefs = rng.uniform(0.02, 0.98, slots + 2)
            one_hot = np.eye(slots + 2)[rng.permutation(slots)]
            added = float(sum(odds.logit(reads(list(row), list(beliefs))) for row in one_hot))
            worst = max(worst, abs(added - float(odds.logit(beliefs[:slots]).sum())))
            pattern = rng.dirichlet(np.full(slots + 2, 0.3), slots)
            missed = min(neighbours, key=lambda k: pattern[:, k].max())  # the neighbour that no slot follows
            sure = np.where(np.arange(slots + 2) == missed, certain, 0.5)
            added = float(sum(odds.logit(reads(list(row), list(sure))) for row in pattern))
            bound = sum(np.log((1 + row[missed]) / (1 - row[missed])) for row in pattern)
            short = max(short, added - bound)
    return Outcome(
        f"1 to 4 slots: one-hot patterns are right to {worst:.1e}; soft ones, with one belief at 1 - 1e-12, stay below "
        f"sum ln (1 + a) / (1 - a), a their weight on it (largest excess {short:.1e}; seed 0), where the truth has no "
        "bound",
        short < 1e-9,
        worst,
    )


@claim(
    "attention-weights-forced",
    "exact posteriors force the attention weights (projectDim, crossProject)",
    source=f"{PAPER}, sections 1.3 and 6.5, Theorem 1.4; the two products as what a head is: Elhage and others (2021)",
    verdict="false",
    conditions="what is forced is less: one soft head, seen on all inputs, with W_V W_O not zero, fixes W_Q W_K^T and "
    "W_V W_O; at full rank (d_k, d_v at most d) hence the four matrices up to GL(d_k) x GL(d_v)",
    rescue="the PATTERN is forced, where scores do not depend on beliefs (row attention-pattern-forced)",
    how=rocq(
        "Uniqueness.values_are_determined",
        "Uniqueness.attention_matrix_is_determined",
        "Gauge.an_invertible_matrix_changes_nothing",
        "Gauge.full_rank_factors_differ_by_an_invertible_matrix",
    ),
    lesson=READ,
)
def attention_weights_forced(full: bool) -> Outcome:
    rng = np.random.default_rng(0)
    n = 16
    routed = {}
    for name in ("quadratic", "sign", "hamming", "one-hot"):
        code = constructions.routing_code(name, n, 2000.0)
        scores = code.queries @ code.keys.T
        if np.array_equal(blocks.softmax(scores), np.eye(n)):
            routed[name] = int(np.linalg.matrix_rank(scores))
    x, head = rng.normal(size=(5, 4)), random_head(rng, 4, 2)
    base, _ = attend(x, Attention((head,)))
    G, H = rng.normal(size=(2, 2)), rng.normal(size=(2, 2))
    moved = Head(head.W_Q @ G, head.W_K @ np.linalg.inv(G).T, head.W_V @ H, np.linalg.inv(H) @ head.W_O)
    unchanged = float(np.abs(attend(x, Attention((moved,)))[0] - base).max())
    ranks = [_jacobian_rank(constant) for constant in (False, True)]
    wide = _jacobian_rank(False, d=3, d_k=4)  # d_k above d: the factors are freer than the formula says
    return Outcome(
        f"bit-exact routing by score matrices of rank {routed}; another basis of d_k and d_v changes outputs by "
        f"{unchanged:.0e}; Jacobian of one soft head (32 parameters, d_k = d_v = 2): rank {ranks[0]}, with a "
        f"constant column {ranks[1]} (32 - d_k^2 - d_v^2 = 24, and d_k less); with d_k = d_v = 4 > d = 3 it is {wide}, "
        "2 d^2, where the formula would say 16",
        len(set(routed.values())) >= 3 and len(routed) == 4 and unchanged < 1e-10 and [*ranks, wide] == [24, 22, 18],
    )


def _jacobian_rank(constant: bool, d: int = 4, d_k: int = 2) -> int:
    """Rank of the derivative of one head's outputs on 40 inputs by its 4 d d_k parameters (central differences)."""
    rng = np.random.default_rng(3)
    inputs = rng.normal(size=(40, 3, d))
    if constant:
        inputs[:, :, 0] = 1.0
    parameters = 0.7 * rng.normal(size=4 * d * d_k)

    def outputs(values: Array) -> Array:
        q, k, v, o = values.reshape(4, -1)
        head = Head(q.reshape(d, d_k), k.reshape(d, d_k), v.reshape(d, d_k), o.reshape(d_k, d))
        return np.concatenate([attend(x, Attention((head,)))[0].ravel() for x in inputs])

    step = 1e-5
    columns = [
        (outputs(parameters + step * unit) - outputs(parameters - step * unit)) / (2 * step)
        for unit in np.eye(len(parameters))
    ]
    singular = np.linalg.svd(np.stack(columns, axis=1), compute_uv=False)
    return int((singular > 1e-6 * singular[0]).sum())
