"""Does the structure of belief propagation save data? Trained from compiled weights, parts of them, and random ones.

One architecture, that of the pairwise construction (compiler/pairwise.py: a token per message and per variable, two
heads, eight softplus units, one layer per round) on trees of eight variables with diameter up to 4, started as

    compiled         the exact weights: nothing to learn
    perturbed        every weight multiplied with 1 + NOISE * a normal number: pattern known, sizes roughly
    routing given    attention compiled and perturbed, FFN random
    update given     FFN compiled and perturbed, attention random
    random           everything random
    node tokens      a larger ordinary model, random, on the tokens of trees.py: a fair opponent for "random"

and trained on 16 .. 1024 trees with exact marginals. The score is the smallest validation error along a run, of the
best of two learning rates (an oracle stops and chooses, the same for all). The routing constant is SHARPNESS, not 2048,
so that there are gradients.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from bnt.compiler.layout import Layout
from bnt.compiler.pairwise import ROUTING, pairwise_layer, pairwise_layout, pairwise_tokens
from bnt.errors import BntError, valid_names
from bnt.graph.evidence import absorb
from bnt.graph.factor_graph import Array
from bnt.graph.flat import flatten
from bnt.learned.recipes import RECIPES, answers
from bnt.learned.tasks import Problems
from bnt.learned.trees import Trees, encode_trees, random_trees, shapes
from bnt.training.losses import binary_cross_entropy
from bnt.training.parameters import Parameters, TransformerConfig, initialise
from bnt.training.train import train
from bnt.transformer.blocks import FFN, Attention

STARTS = ("compiled", "perturbed", "routing given", "update given", "random", "node tokens")
SIZES = (16, 128, 1024)
DECISIVE = {"perturbed": (16, 128), "random": (1024,), "node tokens": (1024,)}  # stored with three seeds, else one
DIAMETER = 4
LAYERS = DIAMETER + 1  # beliefs are read one layer after the last messages
BITS, FAN_IN = 3, 8
SHARPNESS = 32.0
NOISE = 0.1


@dataclass(frozen=True, kw_only=True)
class EfficiencyConfig:
    """How each model is trained. node tokens: the recipe "trees, 4 layers", batch and steps as here."""

    steps: int = 1_500
    batch: int = 32
    learning_rates: tuple[float, ...] = (1e-3, 3e-3)
    validation: int = 500


def shallow_trees(count: int, rng: np.random.Generator) -> Trees:
    """Random trees of diameter at most DIAMETER."""
    return random_trees(count, rng, np.flatnonzero(shapes().diameter <= DIAMETER))


def _parts(trees: Trees, row: int) -> tuple[Layout, Array]:
    reduced = absorb(trees.graph(row), None)
    flat = flatten(reduced)
    layout = pairwise_layout(reduced, flat, BITS)
    return layout, pairwise_tokens(reduced, flat, layout, BITS, FAN_IN)


def message_tokens(trees: Trees) -> Problems:
    """The same trees as tokens of the pairwise construction, (count, 23, 22); variable tokens are asked."""
    parts = [_parts(trees, row) for row in range(len(trees.parent))]
    rows = parts[0][0].rows("variable")
    inputs = np.array([tokens for _, tokens in parts])
    targets, mask = np.full((*inputs.shape[:2], 1), 0.5), np.zeros((*inputs.shape[:2], 1))
    targets[:, rows], mask[:, rows] = encode_trees(trees).targets, 1.0
    return Problems(inputs, targets, mask)


@cache
def _layout() -> Layout:
    return _parts(shallow_trees(1, np.random.default_rng(0)), 0)[0]


def model_config() -> TransformerConfig:
    """The architecture of the compiled layer: d_k is that of its wider head."""
    width = _layout().width
    return TransformerConfig(
        inputs=width, width=width, outputs=1, layers=LAYERS, heads=2, d_k=4 * BITS + 2, d_ff=8, activation="softplus"
    )


def compiled_parameters() -> Parameters:
    """The pairwise construction as trainable parameters: read-in is the identity, read-out the belief column."""
    layout, config = _layout(), model_config()
    parameters = Parameters(config, np.zeros(config.size))
    attention, ffn = pairwise_layer(layout, FAN_IN, "softplus", 0.0)
    if not isinstance(attention, Attention) or not isinstance(ffn, FFN):
        raise BntError("the pairwise layer must be attention, then an FFN")
    view = parameters.views
    view["read_in"][...] = np.eye(layout.width)
    view["read_out"][layout.position("belief")] = 1.0
    for i in range(LAYERS):
        for h, head in enumerate(attention.heads):
            left = h * config.d_k
            keys = np.where(np.abs(head.W_K) >= ROUTING / 2, head.W_K * SHARPNESS / ROUTING, head.W_K)
            view[f"layer{i}.W_Q"][:, left : left + head.W_Q.shape[1]] = head.W_Q
            view[f"layer{i}.W_K"][:, left : left + keys.shape[1]] = keys
            view[f"layer{i}.W_V"][:, left : left + head.W_V.shape[1]] = head.W_V
            view[f"layer{i}.W_O"][left : left + head.W_O.shape[0]] = head.W_O
        view[f"layer{i}.W_in"][...], view[f"layer{i}.b_in"][...] = ffn.W_in, ffn.b_in
        view[f"layer{i}.W_out"][...], view[f"layer{i}.b_out"][...] = ffn.W_out, ffn.b_out
    return parameters


def started(start: str, seed: int) -> Parameters:
    """Parameters of one of STARTS, float64. Raises BntError for an unknown start."""
    if start not in STARTS:
        raise BntError(f"unknown start {start!r}; {valid_names(STARTS, start)}")
    if start == "node tokens":
        return initialise(RECIPES["trees, 4 layers"].model, seed)
    random, compiled = initialise(model_config(), seed), compiled_parameters()
    rng = np.random.default_rng([seed, 6])
    for name, block in compiled.blocks.items():
        if start != "compiled":
            block *= 1 + NOISE * rng.normal(size=block.shape)
        attends, updates = ".W_QKV" in name or ".W_O" in name, name.endswith(("in", "out")) and name.startswith("layer")
        if start == "random" or (start == "routing given" and updates) or (start == "update given" and attends):
            block[...] = random.blocks[name]
    return compiled


class Efficiency(NamedTuple):
    """Smallest validation error (mean absolute) of one start on one number of trees, and that before training."""

    start: str
    trees: int
    seed: int
    error: float
    before: float
    learning_rate: float
    seconds: float

    def record(self) -> dict[str, Any]:
        """As JSON values."""
        return self._asdict()


def learn_from(
    start: str, trees: int, seed: int = 0, config: EfficiencyConfig | None = None, *, progress: bool = False
) -> Efficiency:
    """Train one start on so many trees, with every learning rate; the best run counts."""
    config = config or EfficiencyConfig()
    encode = encode_trees if start == "node tokens" else message_tokens
    drawn = encode(shallow_trees(trees, np.random.default_rng([seed, 7])))
    data = Problems(*(part.astype("float32") for part in drawn))
    held_out = encode(shallow_trees(config.validation, np.random.default_rng([seed, 8])))

    def validate(now: Parameters) -> float:
        return held_out.mean_error(answers(now, held_out))

    found = []
    for rate in config.learning_rates:
        run = train(
            started(start, seed).astype("float32"),
            lambda rng: data.take(rng.integers(0, trees, config.batch)),
            binary_cross_entropy,
            steps=config.steps, learning_rate=rate, warm_up=config.steps // 15, clip=1.0, seed=seed, validate=validate,
            validate_every=max(1, config.steps // 15), progress=progress,
        )  # fmt: skip
        errors = run.curve["validation"]
        found.append(Efficiency(start, trees, seed, float(errors.min()), float(errors[0]), rate, round(run.seconds, 1)))
    return min(found, key=lambda one: one.error)
