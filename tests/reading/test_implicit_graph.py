"""Weights read back: the explicit tables of G(W, X), contracted or enumerated, against the forward pass."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnt import BntError, TooLargeError, UnsupportedModelError, compile_graph, run_bp
from bnt.graph.networks import chain
from bnt.reading.implicit_graph import extract_graph, posterior_mean
from bnt.reading.log_odds_transformer import LogOddsHead, LogOddsLayer, log_odds_tokens, log_odds_weights
from bnt.reading.recovery import disguise, recover_graph
from bnt.transformer.blocks import FFN, Attention, Head, LayerNorm, Weights, attend
from bnt.transformer.forward import forward
from tests import naive, random_graphs

EXACT = 1e-12  # measured 9e-16


def random_model(seed, layers, tokens=3, channels=1, heads=2, features=2, causal=False, whole=True):
    """Any Q and K; head weights in -2..2, whole or real."""
    rng = np.random.default_rng(seed)
    inputs = channels + features

    def weight():
        return rng.integers(-2, 3, channels).astype(float) if whole else rng.normal(size=channels)

    spec = [
        LogOddsLayer(
            tuple(
                LogOddsHead(
                    rng.normal(size=(inputs, 2)), rng.normal(size=(inputs, 2)), weight(), int(rng.integers(channels))
                )
                for _ in range(heads)
            ),
            keep=rng.integers(0, 2, channels).astype(float),
            bias=rng.normal(size=channels),
            causal=causal,
        )
        for _ in range(layers)
    ]
    x = log_odds_tokens(rng.normal(0, 1.5, (tokens, channels)), rng.normal(size=(tokens, features)), heads)
    return spec, log_odds_weights(spec, features), x


def by_hand(spec, x, channels, features):
    """The formula of the module's docstring, in loops; log odds (n, channels) after every layer."""
    values, fixed = [list(row[:channels]) for row in x], [list(row[channels : channels + features]) for row in x]
    history = []
    for layer in spec:
        read = np.array([v + f for v, f in zip(values, fixed, strict=True)])
        new = [[layer.keep[c] * v[c] + layer.bias[c] for c in range(channels)] for v in values]
        for head in layer.heads:
            for j in range(len(x)):
                seen = range(j + 1) if layer.causal else range(len(x))
                score = [(read[j] @ head.W_Q) @ (read[k] @ head.W_K) for k in seen]
                power = np.exp(np.array(score) - max(score))
                logs = [values[k][head.source] for k in seen]
                one = sum(w / (1 + np.exp(-v)) for v, w in zip(logs, power, strict=True))
                zero = sum(w / (1 + np.exp(v)) for v, w in zip(logs, power, strict=True))
                for c in range(channels):
                    new[j][c] += head.weight[c] * np.log(one / zero)
        values = new
        history.append(np.array(values))
    return history


@given(st.integers(0, 10**6), st.integers(1, 3), st.booleans())
def test_the_stock_forward_computes_the_log_odds_formula(seed, layers, causal):
    spec, weights, x = random_model(seed, layers, channels=2, causal=causal)
    trace = forward(x, weights)
    for i, values in enumerate(by_hand(spec, x, 2, 2), start=1):
        assert trace.after_layer(i)[:, :2] == pytest.approx(values, rel=1e-9, abs=1e-9)
        assert not trace.after_layer(i)[:, 4:].any()  # scratch columns are exactly erased


@pytest.mark.parametrize("seed", range(12))
def test_one_layer_equals_joint_enumeration_of_its_tables(seed):
    _, weights, x = random_model(seed, 1, heads=1)
    implicit = extract_graph(weights, x)
    assert implicit.kind == "belief propagation"
    assert not implicit.unexplained
    for token in range(3):
        found, _ = naive.marginals(implicit.graph(token))
        assert abs(found["y"][1] - 1 / (1 + np.exp(-implicit.layers[0].after[token, 0]))) <= EXACT


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("seed", range(8))
def test_unrolled_tables_contracted_equal_the_forward_pass(seed, layers):
    size = {1: (4, 2), 2: (3, 2), 3: (2, 1)}[layers]
    _, weights, x = random_model(
        seed, layers, tokens=size[0], channels=1 + seed % 2, heads=size[1], causal=seed % 3 == 0
    )
    implicit = extract_graph(weights, x)
    for channel, column in enumerate(implicit.channels):
        for token in range(size[0]):
            graph = implicit.graph(token, channel)
            expected = 1 / (1 + np.exp(-forward(x, weights).final[token, column]))
            assert abs(naive.contracted_marginal(graph, "y")[1] - expected) <= EXACT
            bp = run_bp(graph)
            assert bp.status == "exact"  # the graph is a tree
            assert abs(bp.beliefs["y"]["1"] - expected) <= EXACT


def test_the_test_sees_a_wrong_table():
    """One weight of the reading changed by one: the identity must break visibly."""
    _, weights, x = random_model(0, 1)
    implicit = extract_graph(weights, x)
    implicit.layers[0].weight[0, 0] += 1
    wrong = naive.contracted_marginal(implicit.graph(0), "y")[1]
    assert abs(wrong - 1 / (1 + np.exp(-implicit.layers[0].after[0, 0]))) > 1e-3


def test_real_weights_are_tempered_and_quantified():
    spec, weights, x = random_model(3, 2, whole=False)
    implicit = extract_graph(weights, x)
    assert implicit.kind == "tempered belief propagation"
    assert len(implicit.unexplained) == sum(len(layer.heads) for layer in spec)
    assert "tempered" in str(implicit)
    with pytest.raises(UnsupportedModelError, match="real weights"):
        implicit.graph(0)
    layer = implicit.layers[0]
    rounded = layer.messages.T @ np.round(layer.weight) + layer.keep * layer.before + layer.bias
    assert rounded + layer.remainder == pytest.approx(layer.after, abs=1e-12)
    assert np.abs(layer.remainder).max() > 0.01


def test_rational_weights_are_a_root_of_an_integer_graph():
    """weight 2/3: three times the log odds are those of the graph with weight 2 and three times the bias."""
    spec, _, x = random_model(5, 1, heads=1)
    head = spec[0].heads[0]
    thirds = LogOddsLayer((LogOddsHead(head.W_Q, head.W_K, np.array([2 / 3])),), np.zeros(1), np.array([0.4]))
    whole = LogOddsLayer((LogOddsHead(head.W_Q, head.W_K, np.array([2.0])),), np.zeros(1), np.array([1.2]))
    graph = extract_graph(log_odds_weights([whole], 2), x).graph(1)
    zero, one = naive.contracted_marginal(graph, "y")
    assert 3 * forward(x, log_odds_weights([thirds], 2)).final[1, 0] == pytest.approx(np.log(one / zero), abs=1e-12)


def test_standard_blocks_have_no_reading_but_their_attention():
    rng = np.random.default_rng(0)
    d = 6
    head = Head(*(rng.normal(size=(d, 3)) for _ in range(3)), rng.normal(size=(3, d)))
    norm = LayerNorm(np.ones(d), np.zeros(d))
    ffn = FFN(rng.normal(size=(d, 8)), np.zeros(8), rng.normal(size=(8, d)), np.zeros(d), "relu")
    for layer, reason in [
        ((Attention((head,)), ffn), "not those of a log-odds layer"),
        ((Attention((head,), norm=norm), ffn), "LayerNorm"),
    ]:
        implicit = extract_graph(Weights((layer,)), rng.normal(size=(4, d)))
        assert implicit.kind == "only attention has a reading"
        assert reason in implicit.unexplained[0]
        assert implicit.alignment[0][0].sum(axis=2) == pytest.approx(1.0)
        with pytest.raises(UnsupportedModelError, match="no reading"):
            implicit.graph(0)


def change(sublayer, **fields):
    return type(sublayer)(**{**vars(sublayer), **fields})


def test_almost_log_odds_layers_are_refused_with_the_reason():
    _, weights, x = random_model(1, 1)
    squash, attention, linear, log, clean = weights.layers[0]
    head = attention.heads[0]
    bent = Head(head.W_Q, head.W_K, head.W_V * 1.1, head.W_O)
    mixed = linear.W_out.copy()
    mixed[0, 1] = 0.5
    lopsided = log.W_out.copy()
    lopsided[0, 0] += 0.25
    for layer, reason in [
        ((change(squash, W_in=squash.W_in * 2), attention, linear, log, clean), "no probability"),
        ((change(squash, b_in=squash.b_in + 1), attention, linear, log, clean), "bias"),
        ((squash, Attention((bent, attention.heads[1])), linear, log, clean), "head 0 averages"),
        ((squash, attention, change(linear, W_out=mixed), log, clean), "mixes columns"),
        ((squash, attention, linear, change(log, W_out=lopsided), clean), "other than log odds"),
        ((squash, attention, linear, log, change(clean, W_out=-0.5 * np.sign(-clean.W_out))), "erase"),
    ]:
        implicit = extract_graph(Weights((layer,)), x)
        assert implicit.kind == "only attention has a reading"
        assert reason in implicit.unexplained[0]
    x[0, -1] = 0.1
    assert "not zero in the tokens" in extract_graph(weights, x).unexplained[0]


def test_limits_and_bad_requests_are_one_sentence():
    _, weights, x = random_model(0, 3, tokens=12, channels=1, heads=4)
    implicit = extract_graph(weights, x)
    with pytest.raises(TooLargeError, match="limit is 20000"):
        implicit.graph(0)
    assert len(implicit.graph(0, depth=1).variables) < 200
    for wrong, says in (
        ({"token": 12}, "token must be a whole number from 0 to 11, not 12"),
        ({"token": -1}, "token must be"),
        ({"token": 0.5}, "token must be"),
        ({"channel": 1}, "channel must be a whole number from 0 to 0, not 1"),
        ({"depth": 4}, "depth must be a whole number from 1 to 3, not 4"),
        ({"depth": 1.0}, "depth must be"),
        ({"layer": 3}, "layer must be a whole number from -3 to 2, not 3"),
        ({"layer": "last"}, "layer must be"),
    ):
        with pytest.raises(BntError, match=says):
            implicit.graph(**{"token": 0, "depth": 1, **wrong})
    with pytest.raises(BntError, match="must be a Weights, not a CompiledModel"):
        extract_graph(compile_graph(chain(2)), x)
    assert extract_graph(weights, x.tolist()).kind == implicit.kind  # plain lists are tokens, too
    with pytest.raises(BntError, match="rows"):
        log_odds_weights(
            [LogOddsLayer((LogOddsHead(np.ones((2, 1)), np.ones((2, 1)), np.ones(1)),), *np.ones((2, 1)))], 2
        )


def test_tokens_that_do_not_fit_are_named():
    for odds, features in ((np.zeros(3), np.zeros((3, 1))), (np.zeros((3, 1)), np.zeros((2, 1)))):
        with pytest.raises(BntError, match="log odds and features must have shapes"):
            log_odds_tokens(odds, features, 1)
    with pytest.raises(BntError, match="heads must be a whole number"):
        log_odds_tokens(np.zeros((3, 1)), np.zeros((3, 1)), -1)
    with pytest.raises(BntError, match="features must be a whole number"):
        log_odds_weights([LogOddsLayer((), np.ones(1), np.zeros(1))], -1)


# ---------------------------------------------------------------- attention as a posterior mean


def test_a_stream_that_does_not_fit_the_head_is_named():
    head = Head(*(np.eye(2) for _ in range(4)))
    for stream in (np.zeros(2), np.zeros((3, 5)), np.full((3, 2), np.nan)):
        with pytest.raises(BntError, match=r"the stream must be finite and have shape \(n, 2\)"):
            posterior_mean(stream, head)
    with pytest.raises(BntError, match="must be a Head, not an Attention"):
        posterior_mean(np.zeros((3, 2)), Attention((head,)))


@given(st.integers(0, 10**6), st.booleans())
def test_attention_is_the_posterior_mean_of_the_alignment(seed, causal):
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(1, 7)), 5
    x = rng.normal(size=(n, d))
    head = Head(*(rng.normal(size=(d, 3)) for _ in range(3)), rng.normal(size=(3, d)))
    found = posterior_mean(x, head, causal)
    added, pattern = attend(x, Attention((head,), causal=causal), patterns=True)
    assert found.posterior == pytest.approx(pattern[0], abs=1e-12)  # measured 2e-14
    assert found.mean @ head.W_O == pytest.approx(added, abs=1e-11)
    seen = [range(j + 1) if causal else range(n) for j in range(n)]
    twin = naive.mixture_posterior_mean(x @ head.W_Q, x @ head.W_K, x @ head.W_V, seen)
    assert found.mean == pytest.approx(twin, rel=1e-9, abs=1e-9)
    assert np.exp(found.log_prior).sum(axis=1) == pytest.approx(1.0)


# ---------------------------------------------------------------- recovery behind a hidden basis


def normalised_joint(graph):
    table = naive.joint(graph)
    total = sum(table.values())
    return np.array([weight / total for weight in table.values()])


@pytest.mark.parametrize("start", range(0, 100, 10))
def test_recovery_behind_rotation_and_permutation(start):
    """100 random models: the same edges, the same joint distribution, and beliefs as the model computes them."""
    for seed in range(start, start + 10):
        graph = random_graphs.pairwise(seed, most=8)
        mode, damping = ("sum", "max")[seed % 2], 0.3 * (seed % 3 == 0)
        model = compile_graph(graph, rounds=4, construction="pairwise", mode=mode, damping=damping)
        recovered = recover_graph(*disguise(model.weights, model.tokens, seed))
        assert (recovered.mode, recovered.damping) == (mode, pytest.approx(damping, abs=1e-12))
        edges = {frozenset(scope) for scope in graph.scopes if len(scope) == 2}
        assert {frozenset(scope) for scope in recovered.graph.scopes if len(scope) == 2} == edges
        assert normalised_joint(recovered.graph) == pytest.approx(normalised_joint(graph), abs=1e-10)  # measured 2e-15
        assert recovered.disagreement <= 1e-9


def test_recovery_survives_evidence_and_isolated_variables():
    graph = chain(6, seed=3)
    model = compile_graph(graph, {"x2": graph.variables[2].states[0]}, rounds=3)
    recovered = recover_graph(*disguise(model.weights, model.tokens, 1))
    assert len(recovered.graph.variables) == 5
    assert recovered.disagreement <= 1e-12
    lonely = compile_graph(chain(1), rounds=0)
    assert len(recover_graph(*disguise(lonely.weights, lonely.tokens)).graph.variables) == 1


def test_recovery_refuses_what_is_no_model():
    model = compile_graph(chain(3, seed=0), rounds=2)
    with pytest.raises(BntError, match="must be a Weights, not a CompiledModel"):
        recover_graph(model, model.tokens)
    for tokens in (model.tokens[:, :3], model.tokens[0]):
        with pytest.raises(BntError, match="the tokens must have shape"):
            recover_graph(model.weights, tokens)


def test_recovery_refuses_other_models_with_the_reason():
    _, weights, x = random_model(0, 1)
    with pytest.raises(UnsupportedModelError, match="two heads"):
        recover_graph(weights, x)
    model = compile_graph(chain(3, seed=0), rounds=2)
    attention, ffn = model.weights.layers[0]
    rng = np.random.default_rng(0)
    noisy = change(ffn, W_in=ffn.W_in + 0.1 * rng.normal(size=ffn.W_in.shape))
    with pytest.raises(UnsupportedModelError, match="opposite pairs"):
        recover_graph(Weights(((attention, noisy),)), model.tokens)
    tokens = model.tokens.copy()
    tokens[0, model.layout.position("a")] += 0.5
    with pytest.raises(UnsupportedModelError, match="disagree"):
        recover_graph(*disguise(model.weights, tokens))
