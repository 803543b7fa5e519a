"""What the transformer is compared with: LSTM, a selective state space model, an MLP on the whole prefix. In torch.

All read a batch (symbols (batch, n), or vectors (batch, n, columns)) and answer logits (batch, n, outputs), causally.
``matched(kind, task, parameters)`` builds one whose number of parameters is as near as possible to the given one.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bnt.wind_tunnels.tasks import Task

MEMORY = 16  # numbers per channel that the state space model remembers
REACH = 4  # steps of its convolution
HEADS = 2  # of the state space model: groups of channels that share one decay
EMBEDDED = 8  # width of a symbol as the MLP reads it


def read_in(task: Task, width: int) -> nn.Module:
    return nn.Embedding(task.vocabulary, width) if task.vocabulary else nn.Linear(task.columns, width)


class LSTM(nn.Module):
    """Two layers of torch's LSTM, as wide as the read-in."""

    def __init__(self, task: Task, width: int):
        super().__init__()
        self.read_in = read_in(task, width)
        self.recur = nn.LSTM(width, width, 2, batch_first=True)
        self.read_out = nn.Linear(width, task.outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.read_out(self.recur(self.read_in(inputs))[0])


def selective_scan(log_kept: Tensor, u: Tensor, write: Tensor, read: Tensor) -> Tensor:
    """h_t = a_t h_{t-1} + u_t write_t^T,  y_t = h_t read_t: all t at once, in quadratic time.

    log_kept: ln a (batch, heads, n); u (batch, heads, n, channels); write, read (batch, n, MEMORY).
    What s wrote reaches t as (read_t . write_s) a_{s+1} ... a_t, a lower triangular matrix.
    """
    total = log_kept.cumsum(2)
    decay = (total[..., :, None] - total[..., None, :]).clamp(max=0)  # (batch, heads, n, n): from s to t
    return ((read @ write.transpose(1, 2)).tril()[:, None] * torch.exp(decay)) @ u


class SelectiveLayer(nn.Module):
    """h_t = a_t h_{t-1} + dt_t u_t B_t^T,  y_t = h_t C_t + D u_t  with a, dt, B, C computed from the input at t.

    The layer of Mamba-2 (Dao and Gu 2024, arXiv:2405.21060) in its quadratic form. Before it a causal convolution over
    REACH steps, after it a gate.
    """

    def __init__(self, width: int):
        super().__init__()
        self.inner = 2 * width
        mixed = self.inner + 2 * MEMORY
        self.norm, self.gate_norm = nn.LayerNorm(width), nn.LayerNorm(self.inner)
        self.project = nn.Linear(width, self.inner + mixed + HEADS)
        self.recent = nn.Parameter(torch.rand(REACH, mixed) - 0.5)  # torch's own start of such a convolution
        self.recent_bias = nn.Parameter(torch.rand(mixed) - 0.5)
        self.log_rate = nn.Parameter(torch.log(torch.linspace(1, 8, HEADS)))
        self.step_bias = nn.Parameter(torch.linspace(-4.0, -1.0, HEADS))
        self.skip = nn.Parameter(torch.ones(HEADS))
        self.back = nn.Linear(self.inner, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, n, _ = x.shape
        gate, mixed, step = self.project(self.norm(x)).split([self.inner, self.inner + 2 * MEMORY, HEADS], dim=-1)
        padded = F.pad(mixed, (0, 0, REACH - 1, 0))
        mixed = F.silu(sum(self.recent[i] * padded[:, i : i + n] for i in range(REACH)) + self.recent_bias)
        u, write, read = mixed.split([self.inner, MEMORY, MEMORY], dim=-1)
        step = F.softplus(step + self.step_bias).transpose(1, 2)  # (batch, heads, n)
        u = u.reshape(batch, n, HEADS, -1).transpose(1, 2)  # (batch, heads, n, channels)
        log_kept = -torch.exp(self.log_rate)[:, None] * step  # ln a_t
        y = selective_scan(log_kept, step[..., None] * u, write, read) + self.skip[:, None, None] * u
        y = y.transpose(1, 2)
        return x + self.back(self.gate_norm(y.reshape(batch, n, -1) * F.silu(gate)))


class SelectiveSSM(nn.Module):
    """Two selective layers with residual stream and a normed read-out."""

    def __init__(self, task: Task, width: int):
        super().__init__()
        self.read_in = read_in(task, width)
        self.layers = nn.Sequential(SelectiveLayer(width), SelectiveLayer(width), nn.LayerNorm(width))
        self.read_out = nn.Linear(width, task.outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.read_out(self.layers(self.read_in(inputs)))


class PrefixMLP(nn.Module):
    """Two hidden ReLU layers on the embedded prefix, later positions zeroed, and the position one-hot."""

    def __init__(self, task: Task, width: int):
        super().__init__()
        self.asked = torch.as_tensor(task.asked)
        self.read_in = read_in(task, EMBEDDED)
        read = task.length * EMBEDDED + task.length
        self.layers = nn.Sequential(nn.Linear(read, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.read_out = nn.Linear(width, task.outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        x = self.read_in(inputs)
        batch, n, _ = x.shape
        seen = torch.ones(n, n).tril()[self.asked]  # (questions, n)
        prefixes = (x[:, None] * seen[None, :, :, None]).flatten(2)
        place = torch.eye(n)[self.asked].expand(batch, -1, -1)
        answers = self.read_out(self.layers(torch.cat([prefixes, place], dim=-1)))
        out = torch.zeros(batch, n, answers.shape[-1])
        return out.index_copy(1, self.asked, answers)


MODELS: dict[str, tuple[type[nn.Module], range]] = {
    "LSTM": (LSTM, range(8, 257)),
    "selective SSM": (SelectiveSSM, range(8, 257)),
    "prefix MLP": (PrefixMLP, range(8, 1025)),
}


def parameter_count(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def matched(kind: str, task: Task, parameters: int, seed: int) -> nn.Module:
    """The width with the nearest number of parameters, initialised with this seed."""
    build, widths = MODELS[kind]
    low, high = 0, len(widths) - 1  # the count grows with the width
    while high - low > 1:
        middle = (low + high) // 2
        if parameter_count(build(task, widths[middle])) < parameters:
            low = middle
        else:
            high = middle
    width = min((widths[low], widths[high]), key=lambda w: abs(parameter_count(build(task, w)) - parameters))
    torch.manual_seed(seed)
    return build(task, width)
