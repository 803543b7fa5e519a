"""compile_filter by rotary heads, and on likelihoods of frames: against the joint distribution and the filter."""

import numpy as np
import pytest

from bnt import HMM, BntError, Head, compile_filter, filter_states, forward
from bnt.transformer.blocks import Attention


def random_hmm(rng):
    S, symbols = int(rng.integers(2, 5)), int(rng.integers(2, 5))
    return HMM(rng.dirichlet(np.ones(S)), rng.dirichlet(np.ones(S), S), rng.dirichlet(np.ones(symbols), S))


def test_the_copy_head_may_be_rotary():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        hmm = random_hmm(rng)
        seen = [hmm.symbols[i] for i in rng.integers(0, len(hmm.symbols), int(rng.integers(2, 12)))]
        model = compile_filter(hmm, seen, rotary=True)
        assert np.abs(model.beliefs(forward(model.tokens, model.weights)) - filter_states(hmm, seen)).max() <= 1e-12
        (copy, _), = [sub.heads for sub in model.weights.layers[0][:1] if isinstance(sub, Attention)]  # fmt: skip
        assert isinstance(copy, Head)
        assert copy.rotary is not None
        assert "earlier" not in model.layout.columns


@pytest.mark.parametrize("rotary", [False, True])
def test_likelihoods_of_frames_take_the_place_of_symbols(rotary):
    rng = np.random.default_rng(4)
    hmm = random_hmm(rng)
    S, T = len(hmm.states), 8
    logs = rng.normal(0, 2, (T, S))
    logs[3, 0] = -np.inf
    model = compile_filter(hmm, log_likelihood=logs + rng.normal(size=(T, 1)), rotary=rotary)
    found = model.beliefs(forward(model.tokens, model.weights))
    belief = hmm.initial
    for t in range(T):  # the textbook filter
        belief = (belief if t == 0 else belief @ hmm.transition) * np.exp(logs[t])
        belief = belief / belief.sum()
        assert np.abs(found[t] - belief).max() <= 1e-12


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "observations must be a sequence of symbols, or log_likelihood"),
        ({"observations": ["0"], "log_likelihood": np.zeros((1, 2))}, "not both"),
        ({"log_likelihood": np.zeros((1, 3))}, r"shape \(T, 2\)"),
        ({"log_likelihood": [[np.nan, 0.0]]}, "NaN"),
        ({"log_likelihood": [[-np.inf, -np.inf]]}, "frame of probability zero"),
    ],
)
def test_bad_input_is_named(options, says):
    hmm = HMM([0.5, 0.5], np.full((2, 2), 0.5), np.full((2, 2), 0.5))
    with pytest.raises(BntError, match=says):
        compile_filter(hmm, **options)
