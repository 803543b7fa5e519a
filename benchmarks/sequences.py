"""Hidden Markov models: CPU time beside hmmlearn's, taking turns in one process, and the growth with the length."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import bnt

OUTPUTS = 5


class Measured(NamedTuple):
    """Ratios of CPU seconds, bnt / hmmlearn; and the exponent of smoothing's time over two powers of ten."""

    filter_default: float | None  # hmmlearn's implementation="log", its default; None where it is not installed
    smooth_default: float | None
    smooth_scaling: float | None  # implementation="scaling", the faster one
    exponent: float


def chain(states: int, length: int) -> tuple[bnt.HMM, np.ndarray]:
    """A random model and random symbols."""
    rng = np.random.default_rng(0)
    tables = rng.dirichlet(np.ones(states), states), rng.dirichlet(np.ones(OUTPUTS), states)
    return bnt.HMM(np.full(states, 1 / states), *tables), rng.integers(0, OUTPUTS, length)


def measure(states: int, length: int, turns: int = 5) -> Measured:
    """``length`` symbols of a model with so many states."""
    hmm, seen = chain(states, length)
    runs: dict[str, Callable[[], Any]] = {
        "filter": lambda: bnt.filter_states(hmm, seen),
        "smooth": lambda: bnt.smooth_states(hmm, seen),
        "tenth": lambda: bnt.smooth_states(hmm, seen[: length // 10]),
        "hundredth": lambda: bnt.smooth_states(hmm, seen[: length // 100]),
    }
    for kind in ("log", "scaling"):
        peer = _peer(hmm, kind)
        if peer is not None:  # hmmlearn has no filter alone; its score is the forward pass
            runs[f"filter {kind}"] = lambda peer=peer: peer.score(seen[:, None])
            runs[f"smooth {kind}"] = lambda peer=peer: peer.predict_proba(seen[:, None])
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(turns + 1):
        for name, run in runs.items():
            begin = time.process_time()
            run()
            if turn:  # the first one compiles
                seconds[name].append(time.process_time() - begin)
    cpu = {name: statistics.median(found) for name, found in seconds.items()}

    def ratio(ours: str, theirs: str) -> float | None:
        return cpu[ours] / cpu[theirs] if theirs in cpu else None

    exponent = float(np.log(cpu["smooth"] / cpu["hundredth"]) / np.log(100))
    return Measured(
        ratio("filter", "filter log"), ratio("smooth", "smooth log"), ratio("smooth", "smooth scaling"), exponent
    )


def _peer(hmm: bnt.HMM, implementation: str) -> Any:
    try:
        from hmmlearn.hmm import CategoricalHMM
    except ImportError:
        return None
    model = CategoricalHMM(n_components=len(hmm.states), n_features=OUTPUTS, implementation=implementation)
    model.startprob_, model.transmat_, model.emissionprob_ = hmm.initial, hmm.transition, hmm.emission
    return model
