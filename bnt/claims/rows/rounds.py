"""Ledger rows about rounds: what one layer computes, the paper's way and the compiler's."""

from __future__ import annotations

import numpy as np

from bnt.claims import constructions
from bnt.claims.ledger import COUNTEREXAMPLE, OURS, PAPER, How, Outcome, claim, rocq
from bnt.claims.models import (
    binary_variables,
    complete_ising,
    pairwise,
    random_factors,
    random_loopy,
    random_pairwise,
    random_tree,
)
from bnt.compiler import compile as compiler
from bnt.compiler.verify import verify_model
from bnt.errors import UnsupportedModelError
from bnt.graph import networks
from bnt.graph.beliefs import Beliefs
from bnt.graph.evidence import EvidenceLike
from bnt.graph.factor_graph import Factor, FactorGraph, Variable
from bnt.inference.belief_propagation import run_bp
from bnt.inference.exact import exact_marginals
from bnt.learned.recipes import answers, shipped_parameters, validation_problems
from bnt.odds import logit
from bnt.transformer.blocks import FFN, Layer, MixtureFFN
from bnt.transformer.forward import forward

COMPILE = "08_compile_a_network"
GENERAL = "08b_general_networks"
COUPLED = np.array([[0.9, 0.1], [0.1, 0.9]])


def of_one(beliefs: Beliefs, names: list[str]) -> np.ndarray:
    """P(second state) of these variables."""
    return np.array([beliefs.vector(name)[1] for name in names])


@claim(
    "paper-round-on-trees",
    "the published token, heads and updateBelief FFN perform one exact round of belief propagation on any "
    "pairwise graph",
    source=f"{PAPER}, sections 1.2 and 7, Theorem 1.2",
    verdict="false",
    how=How("counterexample", "Rocq has the echo on a path of three, UpdateBelief.the_path_of_three_echoes"),
    rescue="exact on a star of likelihood messages (row paper-round-on-a-star); a layer with tables and cavity "
    "messages is exact on every tree (rows compiled-round, tree-depth)",
    lesson="03_messages_on_trees",
)
def paper_round_on_trees(full: bool) -> Outcome:
    step = constructions.paper_round
    start = np.array([0.8, 0.4])
    swapped = step(start, [(1, None), (0, None)])
    truths = [
        of_one(exact_marginals(pairwise([(0, 1)], logit(start), [t])).beliefs, ["x0", "x1"])
        for t in (COUPLED, COUPLED**0)
    ]
    cycle = bool(np.allclose(swapped, start[::-1], atol=1e-12))
    path = [(1, None), (0, 2), (1, None)]
    beliefs = np.array([0.6, 0.5, 0.5])
    echo = [0.5]
    for _ in range(9):
        beliefs = step(beliefs, path)
        echo.append(float(beliefs[1]))
    truth = pairwise([(0, 1), (1, 2)], logit(np.array([0.6, 0.5, 0.5])), [COUPLED, COUPLED])
    right = float(exact_marginals(truth).beliefs.vector("x1")[1])
    rng, linear = np.random.default_rng(0), 0.0
    for _ in range(50):
        drawn = [[None if k == 6 else k for k in pair] for pair in rng.integers(0, 7, (6, 2)).tolist()]
        neighbours = [(one, other) for one, other in drawn]
        odds = rng.normal(0, 0.3, 6)
        after = 1 / (1 + np.exp(-odds))
        for _ in range(4):
            after = step(after, neighbours)
        power = np.linalg.matrix_power(constructions.round_matrix(neighbours), 4) @ odds
        linear = max(linear, float(np.abs(after - 1 / (1 + np.exp(-power))).max()))
    radius = float(np.abs(np.linalg.eigvals(constructions.round_matrix(path))).max())
    return Outcome(
        f"one edge: (.8, .4) -> ({swapped[0]:.1f}, {swapped[1]:.1f}) for any table, truth ({truths[0][0]:.3f}, "
        f"{truths[0][1]:.3f}) with coupling, ({truths[1][0]:.1f}, {truths[1][1]:.1f}) without; path of three, "
        f"evidence .6: the middle goes {', '.join(f'{e:.3g}' for e in echo[:6])} up to {max(echo):.4f} in round 9, "
        f"truth {right:.2f}; the round is linear in log odds (error {linear:.0e}, 50 maps, seed 0), spectral "
        f"radius {radius:.4f} > 1",
        cycle and max(echo) > 0.98 and right < 0.6 and linear < 1e-12 and radius > 1.4,
    )


@claim(
    "paper-round-on-a-star",
    "the published round is exact on a star whose leaves hold likelihood messages",
    source=f"{PAPER}, section 7",
    verdict="exact under conditions",
    conditions="conditionally independent evidence, uniform prior, leaves that repeat normalised likelihood messages",
    tolerance=1e-14,
    how=How("theorem", "naive Bayes with a uniform prior"),
    lesson="03_messages_on_trees",
)
def paper_round_on_a_star(full: bool) -> Outcome:
    rng, worst = np.random.default_rng(0), 0.0
    for _ in range(500):
        likelihood = rng.uniform(0.01, 1, (2, 2))  # [evidence, hypothesis]
        product = likelihood.prod(axis=0)
        beliefs = np.array([*(likelihood[:, 1] / likelihood.sum(axis=1)), 0.5])
        for _ in range(2):
            beliefs = constructions.paper_round(beliefs, [(0, None), (1, None), (0, 1)])
        worst = max(worst, abs(float(beliefs[2]) - product[1] / product.sum()))
    table = np.array([[0.9, 0.1], [0.4, 0.6]])
    graph = pairwise([(0, 1)], [1.0, 0.0], [table])
    message = float(exact_marginals(graph).beliefs.vector("x1")[1])  # uniform prior: the belief is the message
    leaf = 1 / (1 + np.exp(-1.0))
    return Outcome(
        f"error {worst:.1e} over 500 stars (seed 0); a leaf's belief instead of its message: {leaf:.4f} for "
        f"{message:.4f}",
        abs(leaf - message) > 0.2,
        worst,
    )


@claim(
    "two-variable-target",
    "that a trained transformer fits two-variable posteriors confirms that it learned the constructed round",
    source=f"{PAPER}, section 6.7, Table 1",
    verdict="false",
    how=COUNTEREXAMPLE,
    rescue="it confirms that a network of this size can learn some computation of these posteriors",
    lesson="13_learning_to_infer",
)
def two_variable_target(full: bool) -> Outcome:
    problems = validation_problems("published")
    trained, targets = (
        problems.asked(answers(shipped_parameters("published"), problems)),
        problems.asked(problems.targets),
    )
    # The round sees beliefs and neighbours, no table: the priors are uniform, so it answers the same for all of them.
    constructed = constructions.paper_round(np.array([0.5, 0.5]), [(1, None), (0, None)])[:1]
    apart, right = (float(np.abs(trained - other).mean()) for other in (constructed, targets))
    baseline = float(np.abs(constructed - targets).mean())
    return Outcome(
        f"on the validation tables the constructed round answers {constructed[0]:.2f}, off by {baseline:.4f}; the "
        f"trained model is off by {right:.2g}, and {apart:.4f} away from the constructed round",
        abs(baseline - 0.113) < 0.01 and right < 2e-3 and apart > 0.1,
    )


@claim(
    "compiled-round",
    "one layer of attention and a softplus FFN is one round of sum-product on any binary pairwise factor graph, loops "
    "or not",
    source=f"{OURS}, repairing {PAPER}, Theorem 1.2; its nearest neighbour: Palm, bp2transformer (2026)",
    verdict="exact under conditions",
    conditions="positive tables, one factor per pair; Rocq has it over the reals with routing given, floats are "
    "sampled, each round from the same messages (where the rounds themselves are chaotic, as on dense frustrated "
    "graphs, rounding grows from round to round in any computation of them)",
    tolerance=1e-13,
    how=rocq("Pairwise.pairwise_layer_is_sum_product", "Trees.layers_compute_the_rounds"),
    lesson=COMPILE,
)
def compiled_round(full: bool) -> Outcome:
    seeds, worst, frustrated, apart = range(200 if full else 30), 0.0, 0.0, 0.0
    for seed in seeds:
        graph = random_loopy(seed) if seed % 2 else random_tree(seed)
        worst = max(worst, round_by_round(graph, 10)[0])
    for seed in range(3):
        signs = np.random.default_rng(seed).choice([-2.0, 2.0], 30 * 29 // 2)
        one, whole = round_by_round(complete_ising(30, signs, 0.2), 20)
        frustrated, apart = max(frustrated, one), max(apart, whole)
    return Outcome(
        f"each round from the same messages: {worst:.1e} over {len(seeds)} graphs, 10 rounds, seeds 0..{seeds[-1]}; "
        f"K30 with J = +-2: {frustrated:.1e} a round, though 20 rounds on their own drift {apart:.0e} apart",
        error=max(worst, frustrated),
    )


def round_by_round(graph: FactorGraph, rounds: int) -> tuple[float, float]:
    """Largest error of a message in probability: of one round from the transformer's own messages, and of all."""
    model = compiler.compile_graph(graph, rounds=rounds, construction="pairwise")
    trace = forward(model.tokens, model.weights, keep="layers")
    alone = run_bp(graph, rounds=rounds, keep_history=True)
    start, one, whole = None, 0.0, 0.0
    for layer in range(1, rounds + 1):
        found = model.messages(trace, layer)
        again = run_bp(graph, rounds=1, start=start, schedule="flooding").messages
        one = max(one, *(float(np.abs(np.exp(found[key]) - np.exp(again[key])).max()) for key in found))
        kept = alone.messages_after(layer)
        whole = max(whole, *(float(np.abs(np.exp(found[key]) - np.exp(kept[key])).max()) for key in found))
        start = found
    return one, whole


@claim(
    "one-set-of-weights",
    "the weights depend on the size class of the graph only; the graph is in the tokens",
    source=f"{PAPER}, sections 4 and 7",
    verdict="exact",
    conditions="our construction; size class = bits of a variable's number and a power of two above the largest degree",
    tolerance=0.0,
    how=How("theorem", "by construction"),
    lesson=COMPILE,
)
def one_set_of_weights(full: bool) -> Outcome:
    rng, seen = np.random.default_rng(0), []
    for n in (5, 6, 7, 8):
        edges = [(0, i) for i in range(1, 4)] + [(i - 1, i) for i in range(4, n)]  # largest degree 3
        model = compiler.compile_graph(random_pairwise(edges, n, rng), rounds=1, construction="pairwise")
        seen.append(all_numbers(model.weights.layers[0]))
    shared = len({len(numbers) for numbers in seen}) == 1
    worst = max(float(np.abs(one - seen[0]).max()) for one in seen[1:]) if shared else np.inf
    return Outcome(
        f"four different graphs of one size class: {len(seen[0])} numbers, which differ by {worst:g}", shared, worst
    )


def all_numbers(layer: Layer) -> np.ndarray:
    """Every weight of a layer, one after the other."""
    arrays: list[np.ndarray] = []
    for sublayer in layer:
        if isinstance(sublayer, FFN):
            arrays += [sublayer.W_in, sublayer.b_in, sublayer.W_out, sublayer.b_out]
        elif isinstance(sublayer, MixtureFFN):
            arrays += [sublayer.gate.W, sublayer.gate.b, all_numbers(sublayer.experts)]
        else:
            arrays += [matrix for head in sublayer.heads for matrix in (head.W_Q, head.W_K, head.W_V, head.W_O)]
    return np.concatenate([array.ravel() for array in arrays])


@claim(
    "general-round",
    "softmax attention over the configurations of a factor is the marginalisation: any discrete factor graph, "
    "zeros included",
    source=f"{OURS}; its nearest neighbour: Palm, bp2transformer (2026)",
    verdict="exact under conditions",
    conditions="an FFN with a logarithm floored at 1e-300, the one departure from a stock block; wrong where evidence "
    "that strong contradicts what the floor holds",
    tolerance=1e-12,
    how=How("theorem", "by construction: attention weights are the normalised products"),
    lesson=GENERAL,
)
def general_round(full: bool) -> Outcome:
    worst, seeds = 0.0, range(100 if full else 8)
    models: list[tuple[FactorGraph, EvidenceLike]] = [(random_factors(seed), None) for seed in seeds]
    models += [(networks.load_graph("asia"), {"xray": "yes"}), (networks.load_graph("survey"), {"T": "car"})]
    for graph, evidence in models:
        model = compiler.compile_graph(graph, evidence, rounds=8, construction="general")
        report = verify_model(model, attention="dense", exact=False)
        worst = max(worst, report.max_message_error or 0.0, report.max_belief_error or 0.0)
    floored = error_at_the_floor()
    return Outcome(
        f"error {worst:.1e} over {len(seeds)} random factor graphs with zeros (seeds 0..{seeds[-1]}), asia, "
        f"survey; 8 rounds; at the floor, evidence of 1e-305 against a zero: belief off by {floored:.2g}",
        floored > 0.5,
        worst,
    )


def error_at_the_floor() -> float:
    """The general construction where x = 0 is impossible, and evidence of 1e-305 speaks against x = 1."""
    x, y = (Variable(name, ("0", "1")) for name in "xy")
    graph = FactorGraph([x, y], [Factor([x], [1, 1e-305]), Factor([x, y], [[0, 0], [1, 1]])])
    model = compiler.compile_graph(graph, construction="general")
    beliefs = model.beliefs(forward(model.tokens, model.weights, keep="last"))
    return float(beliefs.distance(exact_marginals(graph).beliefs))


@claim(
    "junction-tree-exact",
    "over the cliques of a junction tree the same layer gives the exact posterior, loops or not",
    source=OURS,
    verdict="exact under conditions",
    conditions="cost exponential in the treewidth; the floored logarithm of general-round, so no contradictions "
    "stronger than 1e-300",
    tolerance=1e-10,
    how=How("theorem", "Lauritzen and Spiegelhalter (1988)"),
    lesson=GENERAL,
)
def junction_tree_exact(full: bool) -> Outcome:
    worst, loopy = 0.0, 0.0
    seeds = range(60 if full else 8)
    models: list[tuple[FactorGraph, EvidenceLike]] = [(random_loopy(seed), None) for seed in seeds]
    models += [(networks.load_graph("asia"), {"dysp": "yes"}), (networks.load_graph("survey"), {"T": "car"})]
    for graph, evidence in models:
        model = compiler.compile_graph(graph, evidence, construction="junction-tree")
        beliefs = model.beliefs(forward(model.tokens, model.weights, keep="last", attention="dense"))
        exact = exact_marginals(graph, evidence).beliefs
        worst = max(worst, beliefs.distance(exact))
        loopy = max(loopy, run_bp(graph, evidence).beliefs.distance(exact))
    return Outcome(
        f"error {worst:.1e} over {len(seeds)} loopy graphs (seeds 0..{seeds[-1]}), asia, survey; loopy belief "
        f"propagation on the same: up to {loopy:.2g}",
        loopy > 1e-3,
        worst,
    )


@claim(
    "exact-for-huge-potentials",
    "what is exact over the reals is exact in float64, however large the potentials are",
    source=OURS,
    verdict="false",
    conditions="logarithms beyond 2^20 that cancel: the digits between them are lost in any sum of them",
    rescue="up to there ten digits are kept; beyond, exact inference and belief propagation take the largest entry out "
    "of every table, and answer to ten digits or refuse",
    tolerance=1e-9,
    how=COUNTEREXAMPLE,
    lesson=COMPILE,
)
def exact_for_huge_potentials(full: bool) -> Outcome:
    worst, added, answered, refused = 0.0, 0.0, 0, []
    truth = 1 / (1 + np.exp(-1.0))  # of fields h, 1, -h, and of field 1 seen through a table that forbids with -h
    for exponent in range(0, 300, 5 if full else 20):
        huge = 10.0**exponent / 3
        added = max(added, abs(float(1 / (1 + np.exp(-(huge + 1.0 - huge)))) - truth))  # as they are, in float64
        x0, x1 = binary_variables(2)
        fields = [Factor([x0], log_table=[0.0, field]) for field in (huge, 1.0, -huge)]
        forbids = Factor([x0, x1], log_table=[[0.0, -huge], [-huge, 0.0]])
        models = [(fields, "x0")] + ([([fields[1], forbids], "x1")] if huge > 100 else [])
        for factors, asked in models:
            for answer in (run_bp, exact_marginals):
                try:
                    found = answer(FactorGraph([x0, x1], [*factors, Factor([x1], [1.0, 1.0])]))
                except UnsupportedModelError:
                    refused.append(huge)
                    continue
                answered += 1
                worst = max(worst, abs(float(found.beliefs.vector(asked)[1]) - truth))
    return Outcome(
        f"fields h, 1 and -h, added in float64: off by up to {added:.2f}; h up to 1e300, with these fields and as a "
        f"penalty in a table: {answered} answers, off by {worst:.0e}, {len(refused)} refusals, from h = "
        f"{min(refused):.0e} on",
        added > 0.2 and answered > len(refused) and min(refused) > 2.0**20,
        worst,
    )


@claim(
    "alternation-is-pearl",
    "the alternation of attention and FFN is Pearl's: attention gathers the messages, the FFN computes the update",
    source=f"{PAPER}, section 8; Pearl (1988)",
    verdict="exact under conditions",
    conditions="the pairwise construction; in the general one attention itself marginalises, and the FFN takes a "
    "logarithm",
    tolerance=1e-12,
    how=How("theorem", "by construction"),
    lesson="10_and_or_and_depth",
)
def alternation_is_pearl(full: bool) -> Outcome:
    gathered, kept, marginalised = 0.0, True, 0.0
    for seed in range(40 if full else 8):
        graph = random_loopy(seed, most=6)
        model = compiler.compile_graph(graph, rounds=3, construction="pairwise")
        trace, put, flat = forward(model.tokens, model.weights), model.layout.position, model.flat
        rows = model.layout.rows("message")
        for before, attended, _ in trace.residual:
            kept &= np.array_equal(before[rows, put("m")], attended[rows, put("m")])
            m, s = before[rows, put("m")], attended[rows, put("s")]
            for e in range(len(m)):  # the token of edge e sends to edge_variable[e]; it gathers at the other end
                k = flat.edge_factor[e]
                (source,) = set(flat.edge_variable[flat.edge_factor == k]) - {flat.edge_variable[e]}
                into = (flat.edge_variable == source) & (flat.edge_factor != k)
                gathered = max(gathered, abs(float(s[e] - m[into].sum())))
        general = compiler.compile_graph(graph, rounds=3, construction="general")
        trace, put, rows = (
            forward(general.tokens, general.weights),
            general.layout.position,
            general.layout.rows("entry"),
        )
        for layer, inside in enumerate(trace.residual, start=1):
            ratio = np.log(inside[4][rows, put("P")] / inside[4][rows, put("Q")]).reshape(-1, 2)  # before any FFN
            message = np.array([general.messages(trace, layer)[key] for key in general.messages(trace, layer)])
            found, wanted = (np.exp(x - np.logaddexp(*x.T)[:, None]) for x in (ratio, message))
            marginalised = max(marginalised, float(np.abs(found - wanted).max()))
    return Outcome(
        f"pairwise: attention leaves messages as they are ({kept}) and gathers the sums to {gathered:.1e}; general: "
        f"the new messages stand in the stream before any FFN, as ratios of attention weights, to {marginalised:.1e}",
        kept,
        max(gathered, marginalised),
    )


@claim(
    "damping-is-a-weight",
    "damped belief propagation (mixing log messages) is the same layer with four output weights scaled",
    source=OURS,
    verdict="exact",
    tolerance=1e-12,
    how=How("theorem", "by construction"),
    lesson="04_loops_and_damping",
)
def damping_is_a_weight(full: bool) -> Outcome:
    worst, seeds = 0.0, range(40 if full else 10)
    for seed in seeds:
        model = compiler.compile_graph(random_loopy(seed), rounds=12, damping=0.3, construction="pairwise")
        damped = run_bp(model.graph, rounds=12, damping=0.3)
        beliefs = model.beliefs(forward(model.tokens, model.weights, keep="last"))
        worst = max(worst, beliefs.distance(damped.beliefs))
    return Outcome(f"error {worst:.1e}, damping .3, 12 rounds, seeds 0..{seeds[-1]}", error=worst)
