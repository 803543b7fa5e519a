"""One training step, forward, backward and Adam, of the same transformer from the same numbers: bnt and torch.

torch is used as one would use it: its own attention, LayerNorm, losses and fused Adam. Its answer, the losses of the
first steps, must be that of bnt.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

# name -> (config, batch, tokens of a sequence, loss, dtype): sizes of the lessons
SMALL = {"inputs": 5, "width": 16, "layers": 1, "heads": 2, "d_k": 8, "d_ff": 32, "outputs": 1}
MIDDLE = {"inputs": 8, "width": 32, "layers": 2, "heads": 2, "d_k": 16, "d_ff": 128, "outputs": 1, "layer_norm": True}
RECALL = MIDDLE | {"inputs": 0, "vocabulary": 32, "positions": 24, "outputs": 16, "causal": True, "activation": "gelu"}
FILTER = MIDDLE | {"inputs": 21, "positions": 32, "width": 64, "heads": 4, "d_ff": 256, "outputs": 3, "causal": True}
CASES = {
    "2 tokens, width 16, softplus, float64": (
        SMALL | {"activation": "softplus"}, 64, 2, "binary_cross_entropy", "float64"),
    "2 tokens, width 32, relu, float64": (MIDDLE, 64, 2, "squared_error", "float64"),
    "8 tokens, width 32, sigmoid, float64": (
        MIDDLE | {"activation": "sigmoid"}, 64, 8, "binary_cross_entropy", "float64"),
    "recall of 8 pairs, gelu, float32": (RECALL, 64, 24, "cross_entropy", "float32"),
    "recall of 8 pairs, gelu, float64": (RECALL, 64, 24, "cross_entropy", "float64"),
    "32 tokens, width 64, gelu, float32": (FILTER | {"activation": "gelu"}, 64, 32, "cross_entropy", "float32"),
    "32 tokens, width 64, relu, float64": (FILTER, 64, 32, "cross_entropy", "float64"),
}  # fmt: skip
LARGER = {
    "recall of 8 pairs, 2 times the batch, gelu, float64": (RECALL, 128, 24, "cross_entropy", "float64"),
    "recall of 8 pairs, 4 times the batch, gelu, float64": (RECALL, 256, 24, "cross_entropy", "float64"),
    "32 tokens, 2 times the width, gelu, float32": (
        FILTER | {"activation": "gelu", "width": 128, "d_ff": 512, "d_k": 32}, 64, 32, "cross_entropy", "float32"),
    "32 tokens, 4 times the width, gelu, float32": (
        FILTER | {"activation": "gelu", "width": 256, "d_ff": 1024, "d_k": 64}, 64, 32, "cross_entropy", "float32"),
    "32 tokens, 4 times the batch, relu, float64": (FILTER, 256, 32, "cross_entropy", "float64"),
}  # fmt: skip
BARS = dict.fromkeys(CASES, 1.0) | dict.fromkeys(LARGER, 1 / 1.2)
FIRST = 3  # steps whose losses are the answer


def case(folder: Path, name: str) -> Path:
    """A batch and starting parameters, from one seed, in a file that both can read."""
    from bnt import TransformerConfig, initialise

    sizes, batch, n, loss, dtype = (CASES | LARGER)[name]
    config = TransformerConfig(**sizes)  # type: ignore[arg-type]
    rng = np.random.default_rng(0)
    shape = (batch, n)
    inputs = (
        rng.integers(0, config.vocabulary, shape) if config.vocabulary else rng.normal(0, 1, (*shape, config.inputs))
    )
    classes = loss == "cross_entropy"
    targets = rng.integers(0, config.outputs, shape) if classes else rng.random((*shape, config.outputs))
    blocks = {f"block {key}": block for key, block in initialise(config, 0, dtype).blocks.items()}
    path = folder / f"{name.replace(' ', '_')}.npz"
    told = {"kind": "training", "config": json.dumps(sizes), "loss": loss}
    np.savez(path, inputs=inputs, targets=targets if classes else targets.astype(dtype), **told, **blocks)
    return path


def bnt_step(case: dict[str, Any]) -> tuple[Any, Any]:
    """A function that does one step and returns its loss; and the losses of the first steps."""
    from bnt.training import losses
    from bnt.training.gradients import backward, forward_batch
    from bnt.training.parameters import Parameters, TransformerConfig
    from bnt.training.train import Adam

    config = TransformerConfig(**json.loads(str(case["config"])))
    blocks = blocks_of(case)
    parameters = Parameters(config, np.concatenate([blocks[name].ravel() for name in config.shapes]))
    loss = getattr(losses, str(case["loss"]))
    inputs, targets = case["inputs"].astype(parameters.flat.dtype if config.inputs else int), case["targets"]
    adam, gradient = Adam(parameters.flat), parameters.copy()

    def step() -> float:
        logits, cache = forward_batch(parameters, inputs)
        mean, d_logits = loss(logits, targets)
        backward(parameters, cache, d_logits, out=gradient)
        adam.step(gradient.flat, 1e-3)
        return float(mean)

    first = [step() for _ in range(FIRST)]
    return step, lambda _: first


def torch_step(case: dict[str, Any]) -> tuple[Any, Any]:
    """The same with torch, on one thread."""
    import torch
    import torch.nn.functional as F

    torch.set_num_threads(1)
    sizes = json.loads(str(case["config"]))
    heads, d_k, width, causal = sizes["heads"], sizes["d_k"], sizes["width"], sizes.get("causal", False)
    p = {name: torch.tensor(block, requires_grad=True) for name, block in blocks_of(case).items()}
    targets = torch.tensor(case["targets"])
    inputs = torch.tensor(case["inputs"].astype(case["block read_out"].dtype if "read_in" in p else int))
    activation = getattr(F, sizes.get("activation", "relu"))
    adam = torch.optim.Adam(list(p.values()), lr=1e-3, fused=True)

    def norm(x: Any, name: str) -> Any:
        has = f"{name}_gain" in p
        return F.layer_norm(x, (width,), p[f"{name}_gain"], p[f"{name}_shift"], 1e-5) if has else x

    def logits() -> Any:
        x = F.embedding(inputs, p["embedding"]) if "embedding" in p else inputs @ p["read_in"] + p["read_in_bias"]
        batch, n = x.shape[:2]
        if "positions" in p:
            x = x + p["positions"][:n]
        for i in range(sizes["layers"]):
            fused = norm(x, f"layer{i}.attention") @ p[f"layer{i}.W_QKV"]
            q, k, v = fused.view(batch, n, 3, heads, d_k).permute(2, 0, 3, 1, 4)
            mixed = F.scaled_dot_product_attention(q, k, v, is_causal=causal, scale=1.0)
            x = x + mixed.transpose(1, 2).reshape(batch, n, -1) @ p[f"layer{i}.W_O"]
            hidden = activation(norm(x, f"layer{i}.ffn") @ p[f"layer{i}.W_in"] + p[f"layer{i}.b_in"])
            x = x + hidden @ p[f"layer{i}.W_out"] + p[f"layer{i}.b_out"]
        return norm(x, "final") @ p["read_out"] + p["read_out_bias"]

    losses = {
        "squared_error": lambda z: F.mse_loss(torch.sigmoid(z), targets),
        "binary_cross_entropy": lambda z: F.binary_cross_entropy_with_logits(z, targets),
        "cross_entropy": lambda z: F.cross_entropy(z.flatten(0, 1), targets.flatten()),
    }
    loss = losses[str(case["loss"])]

    def step() -> float:
        mean = loss(logits())
        adam.zero_grad()
        mean.backward()
        adam.step()
        return float(mean.detach())

    first = [step() for _ in range(FIRST)]
    return step, lambda _: first


def blocks_of(case: dict[str, Any]) -> dict[str, np.ndarray]:
    return {key.removeprefix("block "): block for key, block in case.items() if key.startswith("block ")}
