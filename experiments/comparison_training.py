"""Training of the comparison models in torch: Adam, cosine schedule, warm-up and clipping as for the transformer."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from comparison_models import matched, parameter_count
from numpy.typing import NDArray
from torch import nn

from bnt.wind_tunnels.measures import examples
from bnt.wind_tunnels.tasks import Task

Logits = NDArray[Any]


def as_tensor(task: Task, inputs: NDArray[Any]) -> torch.Tensor:
    return torch.as_tensor(inputs, dtype=torch.long if task.vocabulary else torch.float32)


def train_comparison(
    kind: str, task: Task, *, like: int, rate: float, seed: int, steps: int, batch_size: int, warm_up: int, clip: float
) -> tuple[Callable[[NDArray[Any]], Logits], int, list[float]]:
    """A model of about ``like`` parameters, trained: its logits at the questions, its size, the loss of every step."""
    torch.set_num_threads(1)
    model = matched(kind, task, like, seed)
    optimiser = torch.optim.Adam(model.parameters(), lr=rate, fused=True)
    rng, asked = np.random.default_rng(seed), torch.as_tensor(task.asked)
    losses = []
    for step in range(steps):
        warm = min(1.0, (step + 1) / warm_up)
        optimiser.param_groups[0]["lr"] = rate * warm * 0.5 * (1 + math.cos(math.pi * step / steps))
        inputs, targets, _ = examples(task, batch_size, rng)
        wanted = torch.as_tensor(targets[:, task.asked], dtype=torch.float32)
        loss = nn.functional.cross_entropy(model(as_tensor(task, inputs))[:, asked].flatten(0, 1), wanted.flatten(0, 1))
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimiser.step()
        losses.append(loss.item())

    def answer(inputs: NDArray[Any]) -> Logits:
        with torch.no_grad():
            parts = [model(as_tensor(task, inputs[i : i + 250]))[:, asked].numpy() for i in range(0, len(inputs), 250)]
        return np.concatenate(parts)

    return answer, parameter_count(model), losses
