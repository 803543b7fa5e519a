"""The numpy transformer against a twin in loops, and properties that any transformer has."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnt import compile_graph, load_graph
from bnt.errors import BntError, TooLargeError
from bnt.transformer.activations import ACTIVATIONS, activate, value_and_slope
from bnt.transformer.blocks import FFN, Attention, Head, LayerNorm, Weights, softmax
from bnt.transformer.forward import DENSE_LIMIT, choose_attention, forward, in_float32
from tests import naive

SMOOTH = [name for name in ACTIVATIONS if name != "floored log"]


def random_head(rng, d, d_k=3, d_v=2):
    return Head(*(rng.normal(0, 0.7, shape) for shape in ((d, d_k), (d, d_k), (d, d_v), (d_v, d))))


def random_ffn(rng, d, activation="softplus", beta=1.0, norm=None):
    W_in, b_in, W_out, b_out = (rng.normal(0, 0.5, shape) for shape in ((d, 4), 4, (4, d), d))
    return FFN(W_in, b_in, W_out, b_out, activation, beta, norm)


def random_weights(seed, activation="softplus", causal=False, normed=False):
    rng = np.random.default_rng(seed)
    d = int(rng.integers(2, 6))
    norm = LayerNorm(rng.normal(1, 0.2, d), rng.normal(0, 0.2, d)) if normed else None
    layers = tuple(
        (
            Attention(tuple(random_head(rng, d) for _ in range(2)), causal, norm),
            random_ffn(rng, d, activation, float(rng.choice([1.0, 2.5])), norm),
        )
        for _ in range(2)
    )
    return rng.normal(0, 1, (int(rng.integers(1, 6)), d)), Weights(layers)


@given(st.integers(0, 2**32), st.sampled_from(SMOOTH), st.booleans(), st.booleans())
def test_every_sublayer_equals_the_loops(seed, activation, causal, normed):
    tokens, weights = random_weights(seed, activation, causal, normed)
    trace = forward(tokens, weights)
    after = [stream for layer in trace.residual for stream in layer[1:]]
    for mine, slow in zip(after, naive.transformer(tokens, weights), strict=True):
        assert np.abs(mine - slow).max() <= 1e-11 * (1 + np.abs(slow).max())


@given(st.integers(0, 2**32), st.booleans())
def test_biases_and_a_norm_of_the_sum_equal_the_loops(seed, causal):
    tokens, weights = random_weights(seed, "gelu", causal)
    rng, d = np.random.default_rng(seed), tokens.shape[1]
    after = LayerNorm(rng.normal(1, 0.2, d), rng.normal(0, 0.2, d), 1e-12)

    def biased(head):
        d_k, d_v = head.W_Q.shape[1], head.W_V.shape[1]
        return replace(head, b_Q=rng.normal(size=d_k), b_K=rng.normal(size=d_k), b_V=rng.normal(size=d_v))

    weights = Weights(
        tuple(
            (
                replace(a, heads=tuple(map(biased, a.heads)), b_O=rng.normal(size=d), after=after),
                replace(f, after=after),
            )
            for a, f in weights.layers
        )
    )
    trace = forward(tokens, weights)
    after_each = [stream for layer in trace.residual for stream in layer[1:]]
    for mine, slow in zip(after_each, naive.transformer(tokens, weights), strict=True):
        assert np.abs(mine - slow).max() <= 1e-10 * (1 + np.abs(slow).max())
    with pytest.raises(BntError, match="does not cover"):
        forward(tokens, weights, attention="gather")


def test_a_bias_has_the_length_of_its_columns():
    with pytest.raises(BntError, match="b_K must have 2 entries"):
        Head(np.ones((3, 2)), np.ones((3, 2)), np.ones((3, 1)), np.ones((1, 3)), b_K=np.ones(3))


@pytest.mark.parametrize("beta", [1.0, 3.0])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_equal_their_formulas(name, beta):
    x = np.linspace(-9, 9, 61)
    one = FFN(np.ones((1, 1)), np.zeros(1), np.ones((1, 1)), np.zeros(1), name, beta)
    slow = np.array(naive.ffn([[v] for v in x], one))[:, 0]
    assert np.abs(activate(x, name, beta) - slow).max() <= 2e-15 * 700


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_value_and_slope_agree_with_the_value_and_with_each_other(name, dtype):
    """The value is that of ``activate``; the slope that of a central difference in float64, away from corners."""
    if name == "floored log" and dtype == "float32":
        return  # refused: its floor is zero there
    z = np.linspace(-6.05, 6.05, 122) if name != "floored log" else np.linspace(0.5, 9, 50)
    value, slope = value_and_slope(z.astype(dtype), name, 1.5)
    assert value.dtype == dtype
    digits = 2e-6 if dtype == "float32" else 1e-14
    assert np.abs(value - activate(z, name, 1.5)).max() <= digits
    difference = (activate(z + 1e-5, name, 1.5) - activate(z - 1e-5, name, 1.5)) / 2e-5
    assert np.abs(slope - difference).max() <= max(digits, 1e-9)


def test_an_unknown_activation_has_no_slope():
    """Once it trained as the identity."""
    with pytest.raises(BntError, match="unknown activation 'rulu'; did you mean 'relu'"):
        value_and_slope(np.ones(2), "rulu")


@pytest.mark.parametrize("name", ["softplus", "relu", "gelu", "silu", "identity"])
def test_two_units_carry_a_number_through(name):
    t = np.concatenate([np.linspace(-40, 40, 81), [1e-9, 700.0, -700.0]])
    carried = activate(t, name) - activate(-t, name)
    factor = 2.0 if name == "identity" else 1.0
    assert np.abs(carried - factor * t).max() <= 1e-13


def test_softplus_tends_to_relu():
    x = np.linspace(-5, 5, 101)
    gaps = [np.abs(activate(x, "softplus", beta) - activate(x, "relu")).max() for beta in (1, 4, 16, 64)]
    assert np.allclose(gaps, np.log(2) / np.array([1, 4, 16, 64]), rtol=1e-12)  # the largest gap is at 0


def test_softmax_rows_sum_to_one_and_survive_large_scores():
    weight = softmax(np.array([[1e4, 0.0, -1e4], [3.0, 3.0, 3.0]]))
    assert weight[0].tolist() == [1.0, 0.0, 0.0]
    assert np.abs(weight.sum(1) - 1).max() <= 1e-15


@given(st.integers(0, 2**32))
def test_attention_weights_and_streams_of_the_trace(seed):
    tokens, weights = random_weights(seed, causal=True)
    trace = forward(tokens, weights)
    n = len(tokens)
    for layer, pattern in enumerate(trace.attention):
        assert pattern[0].shape == (2, n, n)
        assert pattern[1] is None
        assert (pattern[0][:, ~np.tri(n, dtype=bool)] == 0).all()
        assert np.abs(pattern[0].sum(2) - 1).max() <= 1e-14
        assert (trace.residual[layer][0] == trace.after_layer(layer)).all()
        assert (trace.residual[layer][-1] == trace.after_layer(layer + 1)).all()
    assert trace.after_layer(-1) is trace.final


@given(st.integers(0, 2**32))
def test_a_causal_token_does_not_see_the_future(seed):
    tokens, weights = random_weights(seed, causal=True)
    changed = tokens.copy()
    changed[-1] += 1.0
    before, after = forward(tokens, weights).final, forward(changed, weights).final
    assert np.abs(before[:-1] - after[:-1]).max(initial=0.0) <= 1e-13
    assert np.abs(before[-1] - after[-1]).max() > 1e-6


@given(st.integers(0, 2**32), st.randoms())
def test_without_a_mask_tokens_may_be_permuted(seed, random):
    tokens, weights = random_weights(seed)
    order = list(range(len(tokens)))
    random.shuffle(order)
    gap = forward(tokens, weights).final[order] - forward(tokens[order], weights).final
    assert np.abs(gap).max() <= 1e-11


def test_layer_norm_centres_and_scales():
    rng = np.random.default_rng(0)
    out = LayerNorm(np.ones(50), np.zeros(50))(rng.normal(3, 7, (4, 50)))
    assert np.abs(out.mean(1)).max() <= 1e-14
    assert np.abs(out.std(1) - 1).max() <= 1e-5  # epsilon


def test_keep_bounds_what_is_kept_and_changes_nothing():
    tokens, weights = random_weights(3)
    traces = {keep: forward(tokens, weights, keep=keep) for keep in ("trace", "layers", "last")}
    assert all((trace.final == traces["trace"].final).all() for trace in traces.values())
    assert [len(trace.streams) for trace in traces.values()] == [3, 3, 1]
    assert traces["layers"].residual == traces["last"].attention == []
    with pytest.raises(BntError, match='keep="layers"'):
        traces["last"].after_layer(1)
    with pytest.raises(BntError, match=r"ask for 0\.\.2"):
        traces["layers"].after_layer(3)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("activation", [name for name in SMOOTH if name != "relu"])
def test_float32_agrees_with_float64(activation, causal):
    tokens, weights = random_weights(11, activation, causal, normed=True)
    single, double = (forward(tokens, weights, precision=how) for how in ("float32", "float64"))
    assert {stream.dtype.name for layer in single.residual for stream in layer} == {"float32"}
    assert np.abs(single.final - double.final).max() <= 5e-6 * (1 + np.abs(double.final).max())


def test_a_compiled_model_in_float32_and_what_float32_refuses():
    model = compile_graph(load_graph("grid"), rounds=6)
    single = forward(model.tokens, model.weights, precision="float32", attention="gather")
    assert single.final.dtype == np.float32
    assert len({id(layer[0]) for layer in in_float32(model.weights).layers}) == 1  # tied weights stay tied
    double = forward(model.tokens, model.weights)
    assert np.abs(single.final - double.final).max() <= 1e-5 * np.abs(double.final).max()
    floored = Weights(((random_ffn(np.random.default_rng(0), 3, "floored log", 1.0, None),),))
    with pytest.raises(BntError, match="is zero in float32"):
        forward(np.ones((2, 3)), floored, precision="float32")
    with pytest.raises(BntError, match=r"precision must be .* not 'half'"):
        forward(np.ones((2, 3)), Weights(()), precision="half")


def test_dense_below_the_limit_and_gather_above():
    small, large = (compile_graph(load_graph(name), rounds=2) for name in ("asia", "grid"))
    assert len(small.tokens) <= DENSE_LIMIT
    assert choose_attention(small.tokens, small.weights) == "dense"
    many = np.vstack([large.tokens] * (1 + DENSE_LIMIT // len(large.tokens)))
    assert choose_attention(many, large.weights) == "gather"
    tokens, weights = random_weights(0)
    assert choose_attention(np.vstack([tokens] * 200), weights) == "dense"  # no codes


def test_no_layers_and_no_tokens():
    tokens = np.ones((2, 3))
    assert (forward(tokens, Weights(())).final == tokens).all()


def test_a_trace_too_large_is_refused():
    rng = np.random.default_rng(0)
    weights = Weights(((Attention((random_head(rng, 3),)),),) * 400)
    with pytest.raises(TooLargeError, match=r"GiB for 1000 tokens.*keep="):
        forward(np.zeros((1000, 3)), weights)
    assert forward(np.zeros((1000, 3)), Weights(weights.layers[:2]), keep="last").layers == 2


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (lambda: forward(np.ones(3), Weights(())), r"shape \(n, d\)"),
        (lambda: forward(np.ones((0, 3)), Weights(())), r"n of at least 1, not \(0, 3\)"),
        (lambda: forward(np.ones((2, 3)) * 1j, Weights(())), "not complex"),
        (lambda: forward(np.ones((2, 3)), ()), "weights must be Weights, not tuple; .*model.weights"),
        (lambda: forward(np.array([[np.nan]]), Weights(())), "NaN"),
        (lambda: forward(np.array([[np.inf]]), Weights(())), "infinity"),
        (lambda: forward(np.ones((2, 4)), random_weights(0)[1]), "4 columns, the weights expect"),
        (lambda: forward(np.ones((2, 4)), Weights(()), keep="all"), 'keep must be "trace"'),
        (lambda: forward(np.ones((2, 4)), Weights(()), attention="sparse"), 'attention must be "dense"'),
        (lambda: random_ffn(np.random.default_rng(0), 3, "swish"), "unknown activation 'swish'; valid: .*softplus"),
        (lambda: activate(np.ones(2), "swish"), "unknown activation 'swish'"),
        (lambda: activate(np.ones(2), "relu", 0.0), "beta must be > 0, not 0.0"),
        (lambda: activate(np.ones(2), "relu", -1.0), "beta must be > 0, not -1.0"),
        (lambda: random_ffn(np.random.default_rng(0), 3, beta=0.0), "beta must be > 0"),
        (lambda: Head(np.ones((3, 2)), np.ones((3, 1)), np.ones((3, 1)), np.ones((1, 3))), "W_Q .* and W_K"),
        (lambda: Head(np.ones((3, 2)), np.ones((3, 2)), np.ones((3, 1)), np.ones((2, 3))), "W_V .* and W_O"),
        (lambda: Head(np.ones((3, 2)), np.ones((3, 2)), np.ones((4, 1)), np.ones((1, 4))), "as many rows"),
        (lambda: FFN(np.ones((3, 2)), np.ones(2), np.ones((3, 2)), np.ones(3)), "W_in .* and W_out"),
        (lambda: FFN(np.ones((3, 2)), np.ones(3), np.ones((2, 3)), np.ones(3)), "b_out and b_in"),
    ],
)
def test_bad_input_is_named(broken, says):
    with pytest.raises(BntError, match=says):
        broken()


def test_an_overflow_names_its_layer():
    grow = FFN(np.full((1, 1), 1e200), np.zeros(1), np.full((1, 1), 1e200), np.zeros(1), "identity")
    with pytest.raises(BntError, match="not finite after sublayer 0 of layer 0"), np.errstate(all="ignore"):
        forward(np.ones((1, 1)), Weights(((grow,),)))
