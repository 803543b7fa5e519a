"""The models that the transformer is compared with: causal, of matched size, the selective scan against its recurrence.

They need torch, the extra `experiments`; plain `pytest` leaves this folder out, `pytest experiments` runs it.
"""

import numpy as np
import pytest
import torch

from bnt.wind_tunnels.measures import TASKS, evaluation_batch
from bnt.wind_tunnels.training import RECIPES
from experiments.comparison_models import MODELS, matched, parameter_count, selective_scan


def tensor(task, inputs):
    return torch.as_tensor(inputs, dtype=torch.long if task.vocabulary else torch.float32)


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("name", ["recall8", "hmm_drawn"])
def test_models_have_the_size_asked_for_and_do_not_see_the_future(kind, name):
    task = TASKS[name]
    model = matched(kind, task, RECIPES[name].model.size, seed=0)
    assert parameter_count(model) == pytest.approx(RECIPES[name].model.size, rel=0.05)
    one, two = (evaluation_batch(task, 4, seed=seed).inputs for seed in (1, 2))
    for at in task.asked[:: len(task.asked) // 3]:
        spliced = np.concatenate([one[:, : at + 1], two[:, at + 1 :]], axis=1)
        changed = np.concatenate([two[:, : at + 1], one[:, at + 1 :]], axis=1)
        with torch.no_grad():
            own, after, before = (model(tensor(task, x))[:, at] for x in (one, spliced, changed))
        torch.testing.assert_close(own, after, rtol=0, atol=1e-6)
        assert (own - before).abs().max() > 1e-4


def test_selective_scan_is_its_recurrence():
    generator = torch.Generator().manual_seed(0)
    batch, heads, n, channels, memory = 2, 3, 7, 4, 5
    log_kept = -torch.rand(batch, heads, n, generator=generator, dtype=torch.float64)
    u = torch.randn(batch, heads, n, channels, generator=generator, dtype=torch.float64)
    write, read = (torch.randn(batch, n, memory, generator=generator, dtype=torch.float64) for _ in range(2))
    h, rows = torch.zeros(batch, heads, channels, memory, dtype=torch.float64), []
    for t in range(n):
        h = log_kept[:, :, t, None, None].exp() * h + u[:, :, t, :, None] * write[:, None, t, None, :]
        rows.append((h * read[:, None, t, None, :]).sum(-1))
    torch.testing.assert_close(selective_scan(log_kept, u, write, read), torch.stack(rows, 2), rtol=0, atol=1e-12)
