"""One attention sublayer, from the tokens to the stream after it: bnt's ``forward`` and torch's own attention."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

WIDTH = 64
# name -> (tokens, heads, causal, dtype)
CASES = {
    "n=512, d=64, 4 heads, float64": (512, 4, False, "float64"),
    "n=512, d=64, 4 heads, causal, float64": (512, 4, True, "float64"),
    "n=512, d=64, 1 head, float64": (512, 1, False, "float64"),
    "n=2048, d=64, 4 heads, causal, float64": (2048, 4, True, "float64"),
    "n=512, d=64, 4 heads, float32": (512, 4, False, "float32"),
}


def case(folder: Path, name: str) -> Path:
    """Tokens (n, d) and the four matrices of every head, from one seed, in a file that both can read."""
    n, heads, causal, dtype = CASES[name]
    rng, d_k = np.random.default_rng(0), WIDTH // heads
    matrices = {letter: rng.normal(0, WIDTH**-0.5, (heads, WIDTH, d_k)) for letter in "QKV"}
    path = folder / f"{name.replace(' ', '_')}.npz"
    out = rng.normal(0, WIDTH**-0.5, (heads, d_k, WIDTH))
    tokens = rng.normal(0, 1, (n, WIDTH))
    np.savez(path, kind="forward", causal=causal, dtype=dtype, tokens=tokens, O=out, **matrices)
    return path


def bnt_forward(case: dict[str, Any]) -> tuple[Any, Any]:
    """The stream after the sublayer, (n, d), and its first numbers."""
    from bnt import Attention, Head, Weights, forward

    heads = tuple(Head(*matrices) for matrices in zip(*(case[letter] for letter in "QKVO"), strict=True))
    weights = Weights(((Attention(heads, bool(case["causal"])),),))
    tokens, precision = case["tokens"], str(case["dtype"])
    return lambda: forward(tokens, weights, keep="last", precision=precision).final, first_numbers  # type: ignore


def torch_forward(case: dict[str, Any]) -> tuple[Any, Any]:
    """The same with torch, on one thread."""
    import torch
    import torch.nn.functional as F

    torch.set_num_threads(1)
    dtype = getattr(torch, str(case["dtype"]))
    x = torch.tensor(case["tokens"], dtype=dtype)
    heads, _, d_k = case["Q"].shape
    w = [torch.tensor(np.hstack(list(case[letter])), dtype=dtype) for letter in "QKV"]
    out, causal = torch.tensor(np.vstack(list(case["O"])), dtype=dtype), bool(case["causal"])

    def run() -> Any:
        with torch.no_grad():
            q, k, v = ((x @ one).view(1, len(x), heads, d_k).transpose(1, 2) for one in w)
            mixed = F.scaled_dot_product_attention(q, k, v, is_causal=causal, scale=1.0)
            return (x + mixed.transpose(1, 2).reshape(len(x), -1) @ out).numpy()

    return run, first_numbers


def first_numbers(stream: np.ndarray) -> list[float]:
    return [float(number) for number in stream[-1]]
