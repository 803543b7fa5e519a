"""The backward pass against autograd and finite differences; the forward pass against the stock transformer."""

import autograd
import autograd.numpy as anp
import autograd.scipy.special as special
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bnt import diagnose, extract_graph, forward, initialise, predict, read_in, read_out, to_weights
from bnt.errors import BntError
from bnt.training.gradients import backward, forward_batch
from bnt.training.parameters import Parameters, TransformerConfig
from bnt.transformer.activations import ACTIVATIONS

EVERY_KIND = [(a, norm, causal) for a in ACTIVATIONS for norm in (False, True) for causal in (False, True)]


@st.composite
def sizes(draw):
    """Shapes of a model and of a batch for it."""
    small = st.integers(1, 3)
    symbols = draw(st.booleans())
    n = draw(st.integers(1, 5))
    config = {
        "vocabulary": draw(st.integers(1, 6)) if symbols else 0,
        "inputs": 0 if symbols else draw(small),
        "positions": draw(st.sampled_from([0, n, n + 2])),
        "width": draw(st.integers(2, 5)),  # LayerNorm of a single column is constant
        "heads": draw(small),
        "d_k": draw(small),
        "d_ff": draw(st.integers(1, 5)),
        "layers": draw(st.integers(0, 2)),
        "outputs": draw(small),
        "beta": draw(st.sampled_from([1.0, 2.5])),
        "attention": draw(st.integers(0, 4)) > 0,
    }
    return config, draw(small), n, draw(st.integers(0, 2**32 - 1))


def example(kind, sized):
    """Parameters, inputs and a gradient by the logits, all random; biases too."""
    (activation, layer_norm, causal), (config, batch, n, seed) = kind, sized
    config = TransformerConfig(activation=activation, layer_norm=layer_norm, causal=causal, **config)
    rng = np.random.default_rng(seed)
    parameters = initialise(config, seed)
    parameters.flat[:] += rng.normal(0, 0.1, parameters.flat.size)
    if activation == "floored log":  # away from its floor, where it jumps from -690 to any slope
        for i in range(config.layers):
            parameters.views[f"layer{i}.b_in"][:] += 12
            parameters.views[f"layer{i}.W_in"][:] *= 0.3
    shape = (batch, n) if config.vocabulary else (batch, n, config.inputs)
    inputs = rng.integers(0, config.vocabulary, shape) if config.vocabulary else rng.normal(0, 1, shape)
    return parameters, inputs, rng.normal(0, 1, (batch, n, config.outputs))


# ---------------------------------------------------------------- the oracle: the same formulas for autograd

ORACLE = {
    "softplus": lambda z: anp.logaddexp(0.0, z),
    "relu": lambda z: anp.where(z > 0, z, 0.0),
    "sigmoid": special.expit,
    "gelu": lambda z: z * (1 + special.erf(z / anp.sqrt(2.0))) / 2,
    "silu": lambda z: z * special.expit(z),
    "tanh": anp.tanh,
    "identity": lambda z: z,
    "floored log": lambda z: anp.log(anp.maximum(z, 1e-300)),
}


def oracle_logits(flat, config, inputs):
    """Logits of a batch, one sequence and one head after the other, in operations that autograd knows."""
    p, start = {}, 0
    for name, shape in config.shapes.items():
        size = int(np.prod(shape))
        p[name] = anp.reshape(flat[start : start + size], shape)
        start += size

    def norm(x, name):
        if not config.layer_norm:
            return x
        centred = x - anp.mean(x, axis=1, keepdims=True)
        deviation = anp.sqrt(anp.mean(centred**2, axis=1, keepdims=True) + 1e-5)
        return centred / deviation * p[f"{name}_gain"] + p[f"{name}_shift"]

    logits, inner = [], config.heads * config.d_k
    for sequence in inputs:
        n = len(sequence)
        if config.vocabulary:
            x = anp.dot(np.eye(config.vocabulary)[sequence], p["embedding"])
        else:
            x = anp.dot(sequence, p["read_in"]) + p["read_in_bias"]
        if config.positions:
            x = x + p["positions"][:n]
        for i in range(config.layers):
            if config.attention:
                read, mixed = norm(x, f"layer{i}.attention"), []
                for h in range(config.heads):
                    at = [
                        slice(part * inner + h * config.d_k, part * inner + (h + 1) * config.d_k) for part in range(3)
                    ]
                    q, k, v = (anp.dot(read, p[f"layer{i}.W_QKV"][:, columns]) for columns in at)
                    scores = anp.dot(q, k.T)
                    if config.causal:
                        scores = scores + np.where(np.tri(n) > 0, 0.0, -np.inf)
                    powers = anp.exp(scores - anp.max(scores, axis=1, keepdims=True))
                    mixed.append(anp.dot(powers / anp.sum(powers, axis=1, keepdims=True), v))
                x = x + anp.dot(anp.concatenate(mixed, axis=1), p[f"layer{i}.W_O"])
            z = anp.dot(norm(x, f"layer{i}.ffn"), p[f"layer{i}.W_in"]) + p[f"layer{i}.b_in"]
            hidden = ORACLE[config.activation](config.beta * z) / config.beta
            x = x + anp.dot(hidden, p[f"layer{i}.W_out"]) + p[f"layer{i}.b_out"]
        logits.append(anp.dot(norm(x, "final"), p["read_out"]) + p["read_out_bias"])
    return anp.array(logits)


def oracle_gradient(parameters, inputs, d_logits):
    config = parameters.config
    return autograd.grad(lambda flat: anp.sum(oracle_logits(flat, config, inputs) * d_logits))(parameters.flat)


def test_a_gradient_written_over_old_numbers_holds_none_of_them():
    sized = {"vocabulary": 3, "positions": 9, "width": 4, "heads": 2, "d_k": 2, "d_ff": 3, "layers": 2, "outputs": 2}
    for kind in EVERY_KIND[:4]:
        parameters, inputs, d_logits = example(kind, (sized, 2, 5, 0))  # five tokens, a table of nine positions
        cache = forward_batch(parameters, inputs)[1]
        room = Parameters(parameters.config, np.full_like(parameters.flat, np.nan))
        gradient = backward(parameters, cache, d_logits, out=room)
        assert gradient is room.flat
        np.testing.assert_array_equal(gradient, backward(parameters, cache, d_logits))


def largest_error(mine, theirs):
    """Relative to the largest entry."""
    return np.abs(mine - theirs).max() / max(np.abs(theirs).max(), 1e-30)


@pytest.mark.parametrize("kind", EVERY_KIND, ids=str)
@settings(max_examples=12)
@given(sized=sizes())
def test_gradient_equals_autograd(kind, sized):
    parameters, inputs, d_logits = example(kind, sized)
    logits, cache = forward_batch(parameters, inputs)
    assert largest_error(logits, oracle_logits(parameters.flat, parameters.config, inputs)) <= 1e-12
    gradient = backward(parameters, cache, d_logits)
    assert largest_error(gradient, oracle_gradient(parameters, inputs, d_logits)) <= 1e-11


@pytest.mark.parametrize("kind", EVERY_KIND, ids=str)
@settings(max_examples=4)
@given(sized=sizes())
def test_gradient_equals_finite_differences(kind, sized):
    """Central differences D in every coordinate, over one step and over twice that: R = (4 D(step) - D(2 step)) / 3.

    D is off by (step^2 / 6) times the third derivative, and R is free of that term. How large it was, |R - D(step)|, is
    known and added to the tolerance: a LayerNorm over two nearly equal columns changes over lengths of 3e-3, and two of
    them in series over 1e-5, where a step of 1e-6 is no longer small. Elsewhere that is below 1e-8 and 1e-6 decides.
    Examples with a corner of relu inside the step are left out: there is no derivative to compare with.
    """
    parameters, inputs, d_logits = example(kind, sized)
    gradient = backward(parameters, forward_batch(parameters, inputs)[1], d_logits)
    step, slopes = 1e-6, np.zeros((2, gradient.size))
    for i, value in enumerate(parameters.flat.copy()):
        for steps in (1, 2):
            ends = []
            for sign in (1, -1):
                parameters.flat[i] = value + sign * steps * step
                ends.append(forward_batch(parameters, inputs))
            (up, cache), (down, other) = ends
            slopes[steps - 1, i] = ((up - down) * d_logits).sum() / (2 * steps * step)
            if kind[0] == "relu":
                both = zip(cache.sublayers, other.sublayers, strict=True)
                assume(all((one.slope == two.slope).all() for (_, one), (_, two) in both))
        parameters.flat[i] = value
    extrapolated = (4 * slopes[0] - slopes[1]) / 3
    doubt = np.abs(extrapolated - slopes[0])
    allowed = 1e-6 * max(1.0, float(np.abs(extrapolated).max())) + doubt
    assert (np.abs(gradient - extrapolated) <= allowed).all()


@pytest.mark.parametrize("kind", EVERY_KIND, ids=str)
@settings(max_examples=12)
@given(sized=sizes())
def test_prediction_is_that_of_the_stock_transformer(kind, sized):
    parameters, inputs, _ = example(kind, sized)
    weights = to_weights(parameters)
    slow = [read_out(parameters, forward(read_in(parameters, one), weights).final) for one in inputs]
    assert largest_error(predict(parameters, inputs, batch=2), np.array(slow)) <= 1e-12


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("sharpness", [1.0, 100.0, 1e4])
def test_sharp_attention_needs_a_shift_for_every_row(causal, sharpness):
    """Scores that differ by thousands: one shift for all rows would leave some of them empty."""
    config = TransformerConfig(inputs=2, width=4, heads=2, d_k=3, d_ff=3, outputs=1, causal=causal, activation="tanh")
    parameters = initialise(config, 0)
    parameters.views["layer0.W_Q"][...] *= sharpness
    inputs = np.random.default_rng(0).normal(0, 1, (4, 6, 2))
    d_logits = np.ones((4, 6, 1))
    logits, cache = forward_batch(parameters, inputs)
    assert largest_error(logits, oracle_logits(parameters.flat, config, inputs)) <= 1e-12
    gradient = backward(parameters, cache, d_logits)
    assert largest_error(gradient, oracle_gradient(parameters, inputs, d_logits)) <= 1e-11


@pytest.mark.parametrize("kind", [kind for kind in EVERY_KIND if kind[0] != "floored log"], ids=str)
def test_float32_agrees_with_float64(kind):
    sized = {"vocabulary": 5, "positions": 6, "width": 8, "heads": 2, "d_k": 4, "d_ff": 16, "layers": 2, "outputs": 3}
    parameters, inputs, d_logits = example(kind, (sized, 4, 6, 0))
    single = parameters.astype(np.float32)
    logits, cache = forward_batch(single, inputs)
    gradient = backward(single, cache, d_logits)
    assert logits.dtype == gradient.dtype == np.float32
    double, cache = forward_batch(parameters, inputs)
    assert largest_error(logits, double) <= 2e-6
    assert largest_error(gradient, backward(parameters, cache, d_logits)) <= 2e-6


@given(sized=sizes())
def test_the_future_changes_nothing(sized):
    parameters, inputs, _ = example(("gelu", True, True), sized)
    other = inputs.copy()
    other[:, -1] = other[::-1, -1] if parameters.config.vocabulary else 3 * other[:, -1] + 1
    now, then = predict(parameters, inputs), predict(parameters, other)
    assert largest_error(now[:, :-1], then[:, :-1]) <= 1e-12 if inputs.shape[1] > 1 else True


def test_views_are_the_flat_vector():
    config = TransformerConfig(inputs=2, width=3, heads=2, d_k=2, d_ff=5, outputs=1, layers=2, layer_norm=True)
    parameters = initialise(config, 3)
    assert sum(view.size for view in parameters.views.values()) == parameters.flat.size == config.size
    for view in parameters.views.values():
        assert np.shares_memory(view, parameters.flat)
        view[...] = 7
    assert (parameters.flat == 7).all()
    assert parameters.views["layer1.W_Q"].shape == (3, 4)
    assert parameters.copy().flat is not parameters.flat


def test_initialisation_depends_on_the_seed_alone():
    config = TransformerConfig(vocabulary=40, width=64, heads=2, d_k=16, d_ff=128, outputs=5, positions=9)
    one, same, other = (initialise(config, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.flat, same.flat)
    assert (one.views["layer0.W_O"] != other.views["layer0.W_O"]).all()
    np.testing.assert_array_equal(initialise(config, 1, np.float32).flat, one.flat.astype(np.float32))
    deviations = {"embedding": 1 / 8, "layer0.W_K": 1 / 8, "layer0.W_Q": 1 / 32, "layer0.W_out": 1 / 128**0.5}
    for name, deviation in deviations.items():
        assert one.views[name].std() == pytest.approx(deviation, rel=0.06)
    assert not one.views["layer0.b_in"].any()


def test_a_model_can_be_read_like_any_other():
    """Its graph and its diagnosis; a trained (attention, FFN) layer has a reading for attention alone, and says so."""
    config = TransformerConfig(inputs=2, width=6, heads=2, d_k=3, d_ff=8, outputs=1, layers=2, positions=5)
    parameters = initialise(config, 0)
    tokens = read_in(parameters, np.random.default_rng(0).normal(0, 1, (5, 2)))
    graph = extract_graph(to_weights(parameters), tokens)
    assert graph.kind == "only attention has a reading"
    assert "2 heads" in graph.unexplained[0]
    assert graph.alignment[1][0].shape == (2, 5, 5)
    assert len(diagnose(to_weights(parameters), tokens).heads) == 4


SMALL = {"inputs": 2, "width": 4, "heads": 1, "d_k": 2, "d_ff": 3, "outputs": 1}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"width": 0}, "width must be at least 1, not 0"),
        ({"d_k": 0}, "d_k must be at least 1"),
        ({"layers": 1.5}, "layers must be a whole number, not 1.5"),
        ({"vocabulary": 3}, "inputs or vocabulary, not both"),
        ({"inputs": 0}, "inputs or vocabulary, not both and not neither"),
        ({"activation": "rulu"}, "unknown activation 'rulu'; did you mean 'relu'"),
        ({"beta": 0.0}, "beta must be a number > 0"),
        ({"beta": float("nan")}, "beta must be a number > 0"),
    ],
)
def test_bad_config(changed, message):
    with pytest.raises(BntError, match=message):
        TransformerConfig(**(SMALL | changed))


def test_bad_input():
    config = TransformerConfig(**SMALL, positions=4)
    parameters = initialise(config, 0)
    symbols = initialise(TransformerConfig(**(SMALL | {"inputs": 0, "vocabulary": 3})), 0)
    bad = [
        (parameters, np.zeros((2, 3)), r"inputs must have shape \(batch, n, 2\), not \(2, 3\)"),
        (parameters, np.zeros((2, 3, 5)), r"shape \(batch, n, 2\)"),
        (parameters, np.zeros((2, 0, 2)), "at least one sequence of one token"),
        (parameters, np.full((2, 3, 2), np.nan), "inputs must be finite"),
        (parameters, np.full((2, 3, 2), "a"), "inputs must be numbers"),
        (parameters, np.zeros((2, 5, 2)), "sequences have 5 tokens; the positional table has 4 rows"),
        (symbols, np.zeros((2, 3)), "symbols must be whole numbers, not float64"),
        (symbols, np.zeros((2, 3, 1), int), r"symbols must have shape \(batch, n\)"),
        (symbols, np.array([[0, 3]]), r"symbol 3 is not in the vocabulary; valid: 0\.\.2"),
        (symbols, np.array([[0, -1]]), "symbol -1 is not in the vocabulary"),
    ]
    for model, inputs, message in bad:
        with pytest.raises(BntError, match=message):
            forward_batch(model, inputs)
    with pytest.raises(BntError, match="at least one sequence of one token"):
        predict(parameters, np.zeros((0, 3, 2)))
    with pytest.raises(BntError, match="batch must be at least 1"):
        predict(parameters, np.zeros((1, 3, 2)), batch=0)
    with pytest.raises(BntError, match=r"d_logits must have shape \(2, 3, 1\)"):
        backward(parameters, forward_batch(parameters, np.zeros((2, 3, 2)))[1], np.zeros((2, 3)))
    with pytest.raises(BntError, match="this config has"):
        Parameters(config, np.zeros(3))
    with pytest.raises(BntError, match="must be float64 or float32, not int64"):
        Parameters(config, np.zeros(config.size, int))
    with pytest.raises(BntError, match="must be float64 or float32, not float16"):
        initialise(config, 0, np.float16)
    with pytest.raises(BntError, match="is zero in float32"):
        initialise(TransformerConfig(**SMALL, activation="floored log"), 0, np.float32)
