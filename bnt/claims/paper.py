"""The claims of arXiv:2603.17063 and its companions, in our words, and the ledger rows that decide each."""

from __future__ import annotations

from typing import NamedTuple


class PaperClaim(NamedTuple):
    """section, what is claimed, the ids of the rows that decide it, and why not where there are none."""

    section: str
    claim: str
    rows: tuple[str, ...]
    undecided: str = ""


PAPER_CLAIMS: dict[str, PaperClaim] = {
    "P1": PaperClaim(
        "1.1, 6, Theorems 1.1 and 6.1",
        "any weights of a sigmoid transformer have an implicit factor graph; one pass is one round of weighted BP",
        ("implicit-graph-exists", "weighted-bp-by-definition", "implicit-graph-log-odds", "sigmoid-unit-is-bp"),
    ),
    "P2": PaperClaim(
        "6.2",
        "that graph: a variable per token, edges from attention, potentials (w0, w1, b) from the FFN",
        ("implicit-graph-log-odds", "real-weights-are-potentials", "hidden-graph-recovered"),
    ),
    "P3": PaperClaim(
        "1.2, 7, Theorems 1.2 and 7.1",
        "explicit weights do one exact round of BP on any pairwise factor graph, with tokens of eight numbers",
        ("paper-round-on-trees", "paper-round-on-a-star", "inconsistent-axioms", "compiled-round", "general-round"),
    ),
    "P4": PaperClaim(
        "5.2",
        "the product of stored indices peaks at the matching token, and softmax concentrates on it",
        ("index-matching", "rank-one-routing", "softmax-hard-routing", "routing-codes"),
    ),
    "P5": PaperClaim(
        "Corollaries 1.3 and 7.4",
        "on trees, diameter many passes give exact posteriors everywhere: no hallucination",
        ("tree-depth", "paper-round-on-trees", "junction-tree-exact", "exact-for-huge-potentials"),
    ),
    "P6": PaperClaim(
        "Theorem 7.2, Corollary 7.3",
        "two heads suffice for any arity: k-ary AND and OR binarise exactly, only depth grows",
        ("kary-gates-binarise", "kary-updates-binarise", "kary-factors-binarise", "positive-factors-binarise"),
        "that two heads suffice and only depth grows counts the parts of that construction; the rows say what it "
        "computes",
    ),
    "P7": PaperClaim(
        "1.3, 6.5, Theorems 1.4 and 6.2",
        "exact posteriors force the BP weights, and the internals are the BP quantities",
        (
            "ffn-weights-forced",
            "attention-weights-forced",
            "attention-pattern-forced",
            "raw-probability-ffn",
            "descent-finds-the-update",
            "descent-finds-the-routing",
            "right-answers-force-bp-weights",
            "trained-heads-are-bp-routing",
        ),
    ),
    "P8": PaperClaim(
        "3",
        "updateBelief is a commutative group on (0, 1), boolean logic in the limit",
        ("update-belief-group", "update-belief-is-and-or"),
    ),
    "P9": PaperClaim(
        "3.5, 10.4",
        "sigmoid is the right activation; ReLU and GELU are compatible",
        (
            "sigmoid-unit-is-bp",
            "sigmoid-unit-is-a-limit",
            "moebius-sigmoid",
            "relu-compatible",
            "softplus-sharpness",
            "gelu-silu",
        ),
    ),
    "P10": PaperClaim(
        "8",
        "attention is AND, the FFN is OR; their alternation is Pearl's gather and update",
        ("attention-is-and", "gather-is-and-on-supports", "alternation-is-pearl", "noisy-gates-in-one-head"),
    ),
    "P11": PaperClaim(
        "8.3, companion pearl",
        "k hops need k layers",
        ("depth-lower-bound", "locality", "depth-limits-reach", "depth-buys-accuracy"),
    ),
    "P12": PaperClaim(
        "5, Theorem 5.1",
        "transformers are Turing complete by circuit simulation with the same two weight families",
        ("turing-machines", "one-set-of-weights-is-turing-complete", "published-weights-simulate-circuits"),
    ),
    "P13": PaperClaim(
        "5.3",
        "five Turing machines are learned to 100 % in at most four epochs with about 4K parameters",
        ("machines-learned", "machines-size", "machines-generalise"),
        "four epochs: the number of draws in an epoch is not stated; the rest is decided",
    ),
    "P14": PaperClaim(
        "6.7, Table 1",
        "gradient descent finds BP: two-variable posteriors to a mean error of .00075",
        (
            "two-variable-target",
            "two-variables-learned",
            "two-variables-size",
            "orientation-helps",
            "two-variables-need-attention",
            "published-chain-targets",
            "published-dating-targets",
            "true-posteriors-learned",
            "learned-calibration",
            "prior-structure-saves-data",
        ),
    ),
    "P15": PaperClaim(
        "10.5, Table 4",
        "loopy BP on five graphs with random tables always converges, with small KL and mean error",
        (
            "loopy-table-4",
            "loopy-table-4-protocol",
            "loopy-table-4-convergence",
            "mooij-kappen",
            "loopy-converges",
            "converged-is-right",
            "spin-glasses",
            "damping-is-a-weight",
            "bethe-free-energy",
        ),
    ),
    "P16": PaperClaim(
        "9, Theorem 9.1",
        "n states distinguish at most n^n behaviours: verifiable inference needs a finite concept space",
        ("behaviours-of-n-states",),
        "the bound is decided; what verification needs is an argument from it",
    ),
    "P17": PaperClaim("9.3, Theorem 9.2", "exactly 2 n^2 routing keys", ("routing-keys",)),
    "P18": PaperClaim(
        "2.1.1, 9.4", "hallucination: a wrong belief, elsewhere a token without a concept", ("two-hallucinations",)
    ),
    "P19": PaperClaim(
        "4",
        "quantified rules over typed constants ground to a factor graph; weights are rules, tokens are instances",
        ("rules-ground", "one-set-of-weights"),
    ),
    "P20": PaperClaim(
        "1.6, 4.4",
        "an ungrounded model has no fact of the matter, and scaling cannot repair it",
        ("untrained-names",),
        "the row decides it for bare names; about language models it is a definition and a forecast",
    ),
    "P21": PaperClaim(
        "10.1-10.3",
        "three softmaxes: routing, inference, generation",
        (
            "softmax-hard-routing",
            "general-round",
            "attention-posterior-mean",
            "prior-and-likelihood-identified",
            "temperature-is-bayes",
            "bp-sampling",
        ),
    ),
    "P22": PaperClaim(
        "companion tutorial",
        "scale numbers as an inventory of routing patterns and rules; four types of head",
        (),
        "an inventory and names for heads, where 'mixed' takes what is left: definitions, from which nothing follows "
        "that could be false",
    ),
    "W1": PaperClaim(
        "arXiv:2512.22471",
        "where posteriors are known, small transformers reach them by routing and holding beliefs; others fail",
        (
            "wind-tunnel-bijection",
            "wind-tunnel-filtering",
            "wind-tunnel-recall",
            "recall-separation",
            "sixteen-pairs",
            "only-transformers-track-posteriors",
            "attention-binds-and-fetches",
            "recall-comes-at-once",
            "stream-holds-posterior",
        ),
    ),
    "F1": PaperClaim(
        "asked by its readers",
        "inference algorithms better than belief propagation give better attention",
        ("mean-field-layer", "trw-layer", "trw-bounds", "trw-repairs", "cavity-learned"),
    ),
    "F3": PaperClaim(
        "asked by its readers",
        "rotary position embeddings route as the paper's positions do",
        ("rope-routes-offsets", "rope-any-graph", "rope-grid-bp", "rope-everywhere"),
    ),
    "F2": PaperClaim(
        "asked by its readers",
        "mixtures of experts are inference, too",
        ("moe-gate-is-posterior", "moe-top-k", "moe-log-odds", "csi-leaves"),
    ),
    "F4": PaperClaim(
        "asked by its readers",
        "what the paper says of transformers holds of one that was trained on language",
        (
            "any-prior-fits",
            "trained-heads-route",
            "attention-weight-is-influence",
            "trained-encoder-has-a-graph",
            "sentence-posterior-is-calibrated",
        ),
    ),
    "F5": PaperClaim(
        "asked by its readers",
        "a world model can be asked for a future that ends as one wishes",
        ("goal-is-h-transform", "goal-by-steering"),
    ),
    "S1": PaperClaim(
        "arXiv:2405.15943",
        "a transformer that predicts the next symbol holds the geometry of belief states in its residual stream",
        ("belief-geometry", "belief-beyond-next-symbol", "belief-beyond-input"),
    ),
    "S2": PaperClaim(
        "asked by its readers",
        "training that fails is a dynamics of attention: it shows early, and what has collapsed stays",
        ("collapse-is-absorbing", "diagnostic-predicts-failure"),
    ),
}
