"""Trained heads read by Bayes' rule, on heads whose answer is known."""

import numpy as np
import pytest

from bnt.errors import BntError
from bnt.reading.diagnostics import diagnose
from bnt.reading.implicit_graph import posterior_mean
from bnt.reading.trained_heads import COLUMNS, any_prior, most_visited_offset, read_heads, shift_keys
from bnt.transformer.blocks import FFN, Attention, Head, LayerNorm, Weights

N, D = 6, 8


def head(rng, strength=1.0, **biases):
    W_Q, W_K = (rng.normal(0, strength, (D, 4)) for _ in range(2))
    return Head(W_Q, W_K, rng.normal(size=(D, 3)), rng.normal(size=(3, D)), **biases)


def positions(shift, strength=60.0):
    """A head whose query i wants key i + shift (around the end), by one-hot columns of position."""
    return Head(strength * np.roll(np.eye(N), shift, axis=1), np.eye(N), np.eye(N), np.zeros((N, N)))


def test_known_heads_are_named():
    weights = Weights(((Attention((positions(1), positions(0), positions(-1))),),))
    found = read_heads(weights, np.eye(N)).heads
    assert [one.kind for one in found] == ["neighbour +1", "itself", "neighbour -1"]
    assert [one.effective_tokens for one in found] == pytest.approx([1.0] * 3, abs=1e-9)
    sink = np.zeros((N, N))
    sink[0] = 60.0
    parked = Head(np.ones((N, N)), sink, np.eye(N), np.zeros((N, N)))
    (one,) = read_heads(Weights(((Attention((parked,)),),)), np.eye(N), [0]).heads
    assert one.kind == "sinks"
    assert one.on_sinks == pytest.approx(1.0)


@pytest.mark.parametrize("causal", [False, True])
def test_numbers_against_their_definitions(causal):
    rng = np.random.default_rng(4)
    norm = LayerNorm(rng.normal(1, 0.2, D), rng.normal(0, 0.2, D))
    heads = (head(rng), head(rng, b_Q=rng.normal(size=4), b_K=rng.normal(size=4), b_V=rng.normal(size=3)))
    sublayer = Attention(heads, causal, norm, after=norm, b_O=rng.normal(size=D))
    ffn = FFN(rng.normal(size=(D, 5)), np.zeros(5), rng.normal(size=(5, D)), np.zeros(D))
    x = rng.normal(size=(N, D))
    found = read_heads(Weights(((sublayer, ffn, sublayer),)), x, [0, -1])
    assert [(one.layer, one.head) for one in found.heads] == [(0, 0), (0, 1), (0, 2), (0, 3)]
    for one, its_head in zip(found.heads, heads, strict=False):
        read = norm(x)
        q = read @ its_head.W_Q + (0 if its_head.b_Q is None else its_head.b_Q)
        k = read @ its_head.W_K + (0 if its_head.b_K is None else its_head.b_K)
        v = (read @ its_head.W_V + (0 if its_head.b_V is None else its_head.b_V)) @ its_head.W_O
        rows, from_prior, from_likelihood, sinks, written = [], [], [], [], []
        for i in range(N):
            seen = range(i + 1) if causal else range(N)
            weight = np.exp([q[i] @ k[j] for j in seen])
            weight /= weight.sum()
            prior = np.exp([k[j] @ k[j] / 2 for j in seen])
            likelihood = np.exp([-((q[i] - k[j]) ** 2).sum() / 2 for j in seen])
            rows.append(np.exp(-(weight * np.log(weight)).sum()))
            from_prior.append((weight * np.log(weight / (prior / prior.sum()))).sum())
            from_likelihood.append((weight * np.log(weight / (likelihood / likelihood.sum()))).sum())
            sinks.append(sum(weight[j] for j in seen if j in (0, N - 1)))
            sizes = [weight[j] * (v[j] @ v[j]) ** 0.5 for j in seen]
            written.append((sum(sizes[j] for j in seen if j in (0, N - 1)), sum(sizes)))
        assert one.effective_tokens == pytest.approx(np.mean(rows), abs=1e-10)
        assert one.nats_from_prior == pytest.approx(np.mean(from_prior), abs=1e-9)
        assert one.nats_from_likelihood == pytest.approx(np.mean(from_likelihood), abs=1e-9)
        assert one.on_sinks == pytest.approx(np.mean(sinks), abs=1e-12)
        parked, total = np.sum(written, axis=0)
        assert one.from_sinks == pytest.approx(parked / total, abs=1e-12)
        assert one.reading_error < 1e-12


def test_the_split_is_not_identified_but_the_product_is():
    """Adding one vector to all keys: every attention weight stays, both factors move."""
    rng = np.random.default_rng(5)
    x, plain = rng.normal(size=(N, D)), head(rng)
    moved = Head(plain.W_Q, plain.W_K, plain.W_V, plain.W_O, b_K=2 * rng.normal(size=4))
    one, other = read_heads(Weights(((Attention((plain, moved)),),)), x).heads
    assert one.effective_tokens == pytest.approx(other.effective_tokens, abs=1e-12)
    assert abs(one.nats_from_prior - other.nats_from_prior) > 0.1
    assert abs(one.nats_from_likelihood - other.nats_from_likelihood) > 0.1


def test_any_prior_fits_as_long_as_the_keys_are_independent():
    """The same attention, and exactly the prior that was asked for; one key more than d_k + 1 and it is refused."""
    rng = np.random.default_rng(8)
    x, plain = rng.normal(size=(5, D)), head(rng)  # 5 keys of 4 numbers
    wanted = rng.dirichlet(np.ones(5))
    moved = shift_keys(plain, any_prior(plain.keys(x), wanted))
    before, after = posterior_mean(x, plain), posterior_mean(x, moved)
    assert np.exp(after.log_prior[0]) == pytest.approx(wanted, abs=1e-9)
    assert after.posterior == pytest.approx(before.posterior, abs=1e-12)
    assert np.abs(np.exp(before.log_prior[0]) - wanted).max() > 0.05
    twice = shift_keys(moved, np.ones(4))
    assert twice.b_K == pytest.approx(moved.b_K + 1)
    with pytest.raises(BntError, match="6 keys in 4 dimensions with 5 independent rows"):
        any_prior(plain.keys(rng.normal(size=(6, D))), np.full(6, 1 / 6))
    for prior in ([0.5] * 5, [0.0, 0.25, 0.25, 0.25, 0.25], [0.5, 0.5]):
        with pytest.raises(BntError, match="5 positive probabilities"):
            any_prior(plain.keys(x), prior)
    with pytest.raises(BntError, match=r"\(4,\), as the keys"):
        shift_keys(plain, np.ones(3))
    with pytest.raises(BntError, match="must be finite"):
        shift_keys(plain, [np.nan, 0, 0, 0])


def test_frames_and_cards():
    rng = np.random.default_rng(6)
    found = read_heads(Weights(((Attention((head(rng), head(rng))),),) * 2), rng.normal(size=(N, D)))
    frame = found.to_frame()
    assert list(frame.columns) == list(COLUMNS)
    assert frame["head"].tolist() == [0, 1, 0, 1]
    assert found.by_layer()["effective_tokens"].tolist() == pytest.approx(
        [np.mean([h.effective_tokens for h in found.heads[i : i + 2]]) for i in (0, 2)]
    )
    assert "4 heads on 6 tokens" in found._repr_html_()


def test_offsets_and_refusals():
    assert most_visited_offset(np.ones((1, 1))) == (0, 1.0)
    assert most_visited_offset(np.eye(4, k=2))[0] == 2
    rng = np.random.default_rng(7)
    weights = Weights(((Attention((head(rng),)),),))
    for sink in (6, -7, 0.5):
        with pytest.raises(BntError, match=r"0\.\.5"):
            read_heads(weights, rng.normal(size=(N, D)), [sink])


def test_a_tolerance_for_trained_weights():
    soft = positions(1, strength=5.0)  # 0.97 of the weight on the neighbour
    weights = Weights(((Attention((soft,)),),))
    assert diagnose(weights, np.eye(N)).heads[0].kind == "mixed"
    assert diagnose(weights, np.eye(N), tolerance=0.5).heads[0].kind == "one token"
    for wrong in (0.0, -1, "much"):
        with pytest.raises(BntError, match="tolerance"):
            diagnose(weights, np.eye(N), tolerance=wrong)
