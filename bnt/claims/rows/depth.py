"""Ledger rows about depth: how many layers an answer takes, and what cannot matter before."""

from __future__ import annotations

import numpy as np

from bnt.claims.ledger import COUNTEREXAMPLE, OURS, PAPER, Outcome, claim, rocq
from bnt.claims.models import (
    pairwise,
    random_pairwise,
    tree_edges,
)
from bnt.compiler import compile as compiler
from bnt.inference.exact import exact_marginals
from bnt.sequences.filtering import compile_doubling_filter
from bnt.sequences.hmm import HMM, filter_states
from bnt.transformer.forward import forward


@claim(
    "tree-depth",
    "on a tree, diameter many passes give the exact posterior at every node",
    source=f"{PAPER}, Corollaries 1.3 and 7.4; sum-product in Coq before: Affeldt, Garrigue and Saikawa (2020)",
    verdict="exact under conditions",
    conditions="the compiled round, not the published one; node v after eccentricity(v) rounds, read a layer later: "
    "eccentricity(v) + 1 layers, which Rocq has over the reals for binary pairwise factors without zeros; that fewer "
    "do not suffice, and floats, are sampled",
    tolerance=1e-11,
    how=rocq(
        "Trees.exact_on_trees",
        "Trees.layers_compute_the_rounds",
        "Depth.eccentricity_plus_one_layers_are_exact",
    ),
    lesson="03_messages_on_trees",
)
def tree_depth(full: bool) -> Outcome:
    import networkx as nx

    worst, early, total = 0.0, 0, 0
    seeds = range(150 if full else 30)
    for seed in seeds:
        rng = np.random.default_rng(seed)
        n = int(rng.integers(2, 10))
        edges = tree_edges(n, rng)
        graph = random_pairwise(edges, n, rng)
        depth = nx.eccentricity(nx.Graph(edges))
        exact = exact_marginals(graph).beliefs
        model = compiler.compile_graph(graph, rounds=max(depth.values()), construction="pairwise")
        trace = forward(model.tokens, model.weights, keep="layers")
        for v in range(n):
            name = f"x{v}"
            errors = [
                float(np.abs(model.beliefs(trace, layer).vector(name) - exact.vector(name)).max())
                for layer in (depth[v] + 1, depth[v])
            ]
            worst, early, total = max(worst, errors[0]), early + (errors[1] > 1e-9), total + 1
    return Outcome(
        f"error {worst:.1e} after eccentricity + 1 layers; one layer earlier still inexact at {early} of {total} "
        f"nodes (seeds 0..{seeds[-1]})",
        early > 0.99 * total,
        worst,
    )


@claim(
    "locality",
    "after layer L a belief is bit-identical under any change of soft evidence at distance L or more",
    source=f"{OURS}; {PAPER}, section 8.3",
    verdict="exact",
    conditions="the compiled pairwise transformer, whose layer L reads out round L - 1; Rocq has it over the reals, "
    "for evidence farther than t edges after t rounds; that no bit changes is sampled, on trees; hard evidence "
    "changes the graph itself",
    tolerance=0.0,
    how=rocq("Trees.evidence_beyond_the_rounds_does_not_matter"),
    lesson="08_compile_a_network",
)
def locality(full: bool) -> Outcome:
    import networkx as nx

    outside, inside, changed, worst = 0, 0, 0, 0.0
    for seed in range(40 if full else 8):
        rng = np.random.default_rng(seed)
        n, v = 9, int(rng.integers(9))
        edges, theta = tree_edges(n, rng), rng.normal(size=n)
        tables = [rng.uniform(0.1, 1, (2, 2)) for _ in edges]
        distance = nx.single_source_shortest_path_length(nx.Graph(edges), v)
        streams = []
        for shift in (0.0, 3.0):
            moved = theta + shift * (np.arange(n) == v)
            model = compiler.compile_graph(pairwise(edges, moved, tables), rounds=8, construction="pairwise")
            trace = forward(model.tokens, model.weights, keep="layers")
            streams.append([model.beliefs(trace, layer) for layer in range(1, 10)])
        for layer in range(1, 10):
            for j in range(n):
                gap = np.abs(streams[0][layer - 1].vector(f"x{j}") - streams[1][layer - 1].vector(f"x{j}")).max()
                if distance[j] >= layer:
                    outside, worst = outside + 1, max(worst, float(gap))
                else:
                    inside, changed = inside + 1, changed + (gap > 0)
    return Outcome(
        f"beyond the radius: largest change {worst:g} over {outside} beliefs; within it {changed} of {inside} change",
        changed > 0.99 * inside,
        worst,
    )


@claim(
    "depth-lower-bound",
    "reasoning over k hops needs k layers",
    source=f"{PAPER}, section 8.3",
    verdict="false",
    conditions="chains; softmax attention and an FFN with a floored logarithm, in log n layers that multiply "
    "transfer tables over ever longer stretches, at the price of width",
    rescue="true of transformers that route along the edges of the graph (row locality)",
    how=COUNTEREXAMPLE,
    lesson="10_and_or_and_depth",
    tolerance=1e-12,
)
def depth_lower_bound(full: bool) -> Outcome:
    worst, text, few = 0.0, [], True
    for steps in (8, 32, 128):
        rng = np.random.default_rng(steps)
        rows = [rng.dirichlet(np.ones(3), size) for size in (1, 3, 3)]
        hmm = HMM(initial=rows[0][0], transition=rows[1], emission=rows[2])
        seen = [str(symbol) for symbol in rng.integers(3, size=steps)]
        model = compile_doubling_filter(hmm, seen)
        found, layers = model.beliefs(forward(model.tokens, model.weights, keep="last")), len(model.weights.layers)
        worst = max(worst, float(np.abs(found - filter_states(hmm, seen)).max()))
        few &= layers <= int(np.ceil(np.log2(steps)))
        text.append(f"{steps} steps in {layers} layers")
    return Outcome(f"filters compiled by doubling: {', '.join(text)}; error {worst:.1e}", few, worst)
