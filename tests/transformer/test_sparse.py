"""The compiled loops: the same stream as numpy's gather and as the loops in naive.py, on random sparse weights."""

import os
import signal
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnt import compile_graph, load_graph
from bnt.claims.rows.rotary import homogeneous
from bnt.errors import BntError
from bnt.kernels.jit import COMPILED
from bnt.transformer import forward as passes
from bnt.transformer.blocks import FFN, Attention, Gate, Head, LayerNorm, MixtureFFN, Weights
from bnt.transformer.compiled import BLOCK
from bnt.transformer.forward import forward
from bnt.transformer.gather import Routes, add_gathered
from bnt.transformer.loops import FEW, Compiled, worth_compiling
from bnt.transformer.sparse import COVERED, fixed_weights, list_units, mirrors, opposites
from tests import naive, random_graphs
from tests.transformer.test_gather import coded_model

CLOSE = 1e-13  # relative to 1 and the largest number in the stream; measured: 1.4e-14 on alarm, else below 4e-15


def close(a, b):
    return (np.abs(a - b) <= CLOSE * (1 + np.abs(b).max())).all()


def in_loops(x, sublayer, weights=None):
    """x + what the sublayer adds, and whether it was found finite; None where the loops do not cover it."""
    x = x.copy(order="F")
    finite = Compiled(Routes(weights or Weights(((sublayer,),)))).add(x, sublayer)
    return (x, finite) if finite is not None else None


@pytest.fixture
def both_ways(monkeypatch):
    """forward, at any number of tokens: by numpy, and by the loops."""

    def run(tokens, weights, keep):
        found = []
        for loops in (False, True):
            monkeypatch.setattr(passes, "worth_compiling", lambda n, layers, loops=loops: loops)
            found.append(forward(tokens, weights, attention="gather", keep=keep))
        return found

    return run


def sparse_ffn(seed, activation):
    """Half of the weights are 0; units with mirrors, with opposites, with the inputs of another, and with no output."""
    rng = np.random.default_rng(seed)
    d, f = int(rng.integers(1, 6)), int(rng.integers(1, 5))
    W_in, b_in, W_out, b_out = (rng.normal(0, 1, shape) * rng.integers(0, 2, shape) for shape in ((d, f), f, (f, d), d))
    unit = rng.integers(0, f, 7)
    signs = rng.choice([-1.0, 0.0, 1.0], (3, 7))
    signs[1] *= rng.integers(0, 2, 7)
    W_in = np.hstack([W_in, W_in[:, unit] * signs[0]])
    b_in = np.concatenate([b_in, b_in[unit] * signs[0] + signs[1]])
    W_out = np.vstack([W_out, W_out[unit] * signs[2][:, None]])
    order = rng.permutation(len(b_in))
    beta = float(rng.choice([1.0, 2.5]))
    return rng, FFN(W_in[:, order], b_in[order], W_out[order], b_out, activation, beta)


@given(st.integers(0, 2**32), st.sampled_from(sorted(COVERED)))
def test_a_sparse_ffn_equals_the_loops(seed, activation):
    rng, ffn = sparse_ffn(seed, activation)
    x = rng.normal(0, 3, (int(rng.integers(1, 9)), len(ffn.W_in)))
    after, finite = in_loops(x, ffn)
    assert finite
    assert close(after, x + np.array(naive.ffn(x, ffn)))


@pytest.mark.parametrize("n", [BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 5])
def test_the_edges_of_blocks(n):
    rng, ffn = sparse_ffn(5, "softplus")
    x = rng.normal(0, 3, (n, len(ffn.W_in)))
    slow = x.copy(order="F")
    add_gathered(slow, ffn, Routes(Weights(((ffn,),))))
    assert close(in_loops(x, ffn)[0], slow)


@given(st.integers(0, 2**32))
def test_coded_heads_equal_numpy(seed):
    tokens, weights = coded_model(seed)
    attention = weights.layers[0][0]
    rng, d = np.random.default_rng(seed), tokens.shape[1]
    one = attention.heads[0]
    wide = replace(one, W_V=rng.normal(0, 1, (d, 2)), W_O=np.zeros((2, d)))
    wide.W_O[:, -3:] = rng.normal(0, 1, (2, 3))  # reads what all heads write
    attention = Attention((one, wide, replace(one, W_Q=one.W_Q[:, :-1], W_K=one.W_K[:, :-1])))  # the last has no scores
    slow = tokens.copy(order="F")
    add_gathered(slow, attention, Routes(Weights(((attention,),))))
    assert close(in_loops(tokens, attention)[0], slow)


def test_a_weight_of_1e_100_counts_where_a_value_is_huge():
    model = compile_graph(homogeneous(9, 7, 3), rounds=2, construction="rotary")
    attention, routes = model.weights.layers[0][1], Routes(model.weights)
    head, x = attention.heads[0], model.tokens.copy(order="F")
    pairs = routes.pairs(head, x, None)
    weight, owner = fixed_weights(head, x, pairs, routes)
    light = int(np.flatnonzero((weight > 1e-200) & (weight < 1e-100))[0])
    query, source, target = pairs.query[owner[light]], int(np.argmax(head.W_V)), int(np.argmax(head.W_O))
    for value in (1.0, 1e19, 1e250):
        x[pairs.key[light], source] = value
        slow = x.copy(order="F")
        add_gathered(slow, attention, routes)
        found, _ = in_loops(x, attention, model.weights)
        assert np.abs(found[query, target] - slow[query, target]) <= 1e-40 + 1e-13 * np.abs(slow[query, target])
    assert slow[query, target] > 1e40


@given(st.integers(0, 2**32))
def test_a_pass_equals_the_loops(seed):
    """Dense attention in the twin: codes keep other pairs out."""
    tokens, weights = coded_model(seed)
    slow = naive.transformer(tokens, weights)
    compiled, x = Compiled(Routes(weights)), tokens.copy(order="F")
    for layer in weights.layers:
        for sublayer in layer:
            assert compiled.add(x, sublayer)
            assert np.abs(x - slow.pop(0)).max() <= 1e-12


EVERY_PAIR = [(i, j) for i in range(6) for j in range(i)]
MODELS = {
    "pairwise": lambda: compile_graph(random_graphs.pairwise(3, edges=EVERY_PAIR), rounds=7),
    "max": lambda: compile_graph(random_graphs.pairwise(4, edges=[(0, 1), (1, 2), (2, 0)]), mode="max", rounds=7),
    "general": lambda: compile_graph(random_graphs.loopy(2), rounds=7, construction="general"),
    "rotary": lambda: compile_graph(homogeneous(9, 7, 3), rounds=7, construction="rotary"),
    "mean field": lambda: compile_graph(
        random_graphs.pairwise(3, edges=EVERY_PAIR), rounds=7, construction="mean-field"
    ),
}


@pytest.mark.parametrize("keep", ["layers", "last"])
@pytest.mark.parametrize("name", MODELS)
def test_compiled_models_equal_numpy_in_every_layer(both_ways, name, keep):
    model = MODELS[name]()
    before = model.tokens.copy()
    numpy, loops = both_ways(model.tokens, model.weights, keep)
    assert (model.tokens == before).all()
    assert len(numpy.streams) == len(loops.streams)
    for a, b in zip(loops.streams, numpy.streams, strict=True):
        assert close(a, b)
    assert not any(np.shares_memory(a, b) for i, a in enumerate(loops.streams) for b in loops.streams[:i])


def test_alarm_equals_numpy(both_ways, benchmark_networks):
    with pytest.warns(UserWarning, match="renormalised"):
        graph = load_graph(benchmark_networks / "alarm.bif.gz")
    model = compile_graph(graph, {graph.variables[0].name: graph.variables[0].states[0]}, rounds=9)
    numpy, loops = both_ways(model.tokens, model.weights, "layers")
    for a, b in zip(loops.streams, numpy.streams, strict=True):
        assert close(a, b)


def test_no_sublayer_of_these_models_is_left_to_numpy():
    for make in MODELS.values():
        model = make()
        compiled, x = Compiled(Routes(model.weights)), model.tokens.copy(order="F")
        assert all(compiled.add(x, sublayer) for sublayer in model.weights.layers[0])


def test_who_runs_it(monkeypatch):
    """Many tokens, without attention weights asked for, in float64, where there is a compiler."""
    model = compile_graph(homogeneous(25, 25, 1), rounds=2, construction="rotary")
    assert len(model.tokens) >= FEW
    seen = []
    add = Compiled.add
    monkeypatch.setattr(Compiled, "add", lambda *a: seen.append(1) or add(*a))
    for options, runs in (
        ({"keep": "last"}, COMPILED),
        ({"keep": "layers"}, COMPILED),
        ({"keep": "trace"}, False),
        ({"keep": "last", "precision": "float32"}, False),
    ):
        seen.clear()
        forward(model.tokens, model.weights, attention="gather", **options)
        assert bool(seen) == runs, options
    assert not worth_compiling(FEW - 1, 10**9)
    monkeypatch.delitem(sys.modules, "numba", raising=False)
    assert not worth_compiling(FEW, 1)


def test_what_is_not_covered_is_left_to_numpy():
    tokens, weights = coded_model(3)
    attention, ffn = weights.layers[0]
    d = tokens.shape[1]
    norm = LayerNorm(np.ones(d), np.zeros(d))
    huge = replace(ffn, W_in=ffn.W_in * 0 + 1e300, W_out=ffn.W_out * 0 + 1e300, activation="identity")
    for sublayer in (
        replace(ffn, activation="tanh"),
        replace(ffn, norm=norm),
        replace(ffn, after=norm),
        replace(attention, norm=norm),
        replace(attention, causal=True),
        MixtureFFN(Gate(np.zeros((d, 1)), np.zeros(1)), (ffn,)),
        huge,
    ):
        assert in_loops(tokens, sublayer) is None
    tokens, weights = coded_model(3, writes_code=True)
    assert in_loops(tokens, weights.layers[0][0], weights) is None  # its pairs may change


@pytest.mark.parametrize("keep", ["layers", "last"])
@pytest.mark.parametrize("where", [0, 1])
def test_an_overflow_is_named_as_by_numpy(monkeypatch, keep, where):
    d = 3
    head = Head(np.zeros((d, 2)), np.zeros((d, 2)), np.full((d, 1), 1e200), np.full((1, d), 1e200), rotary=np.zeros(1))
    quiet = FFN(np.zeros((d, 1)), np.zeros(1), np.ones((1, d)), np.zeros(d), "relu")
    grows = replace(quiet, W_in=np.full((d, 1), 1e200), W_out=np.full((1, d), 1e200), b_in=np.ones(1))
    weights = Weights(((quiet, quiet), (quiet, quiet), (quiet, grows) if where else (Attention((head,)), quiet)))
    for loops in (False, True):
        monkeypatch.setattr(passes, "worth_compiling", lambda n, layers, loops=loops: loops)
        says = f"the residual stream is not finite after sublayer {where} of layer 2"
        with np.errstate(over="ignore", invalid="ignore"), pytest.raises(BntError, match=says):
            forward(np.ones((4, d)), weights, attention="gather", keep=keep)


def softplus_exactly(z):
    z = z.astype(np.longdouble)
    return np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))


def test_softplus_is_good_to_the_last_digits():
    """Alone to 4 units in the last place; two at once as exact as numpy's difference."""
    z = np.concatenate([np.linspace(-50, 50, 4001), np.linspace(-1e-3, 1e-3, 101), [-800.0, -1e5, 800.0, 1e5, 0.0]])
    x = np.stack([z, z[::-1], 0 * z], axis=1)
    to_last = np.eye(3)[2:]
    y_exactly, z_exactly = softplus_exactly(x[:, 0]), softplus_exactly(x[:, 1])
    found, _ = in_loops(x, FFN(np.eye(3)[:, :1], np.zeros(1), to_last, np.zeros(3)))
    assert (np.abs(found[:, 2] - y_exactly) <= 4 * np.spacing(y_exactly.astype(float))).all()
    found, _ = in_loops(x, FFN(np.eye(3)[:, :2], np.zeros(2), np.vstack([to_last, -to_last]), np.zeros(3)))
    assert (np.abs(found[:, 2] - (y_exactly - z_exactly)) <= 4e-16 * (1 + y_exactly + z_exactly)).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("activation", sorted(COVERED))
def test_what_is_not_finite_is_seen(activation, bad):
    ffn = FFN(np.eye(2), np.zeros(2), np.eye(2), np.zeros(2), activation)
    x = np.zeros((300, 2))
    x[290, 1] = bad
    assert in_loops(x, ffn)[1] is False


def test_mirrors_and_opposites_by_hand():
    """Units 0 and 3 are a line, 1 and 4 write the opposite, 2 is alone, 5 writes nothing."""
    W_in = np.array([[1.0, 2.0, 3.0, -1.0, 5.0, 7.0], [0.0, 1.0, 0.0, 0.0, 1.0, 0.0]])
    b_in = np.array([0.5, 0.0, 0.0, -0.5, 1.0, 0.0])
    W_out = np.array([[2.0, 0.0], [0.0, 1.0], [1.0, 1.0], [-2.0, 0.0], [0.0, -1.0], [0.0, 0.0]])
    linear, rest = mirrors("softplus", W_in.T.copy(), b_in, W_out)
    assert (linear, rest) == ([0], [1, 2, 4])
    assert opposites(W_out, rest) == [(1, 4), (2, -1)]
    units = list_units(FFN(W_in, b_in, W_out, np.zeros(2)))
    assert units is not None
    assert units.line_value.tolist() == [3.0, 1.0]  # x0 + 2 x0, and x1
    assert units.base.tolist() == [1.0, 0.0]
    assert units.first.size == 2


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="tool missing: this system has no interval timer")
def test_ctrl_c_ends_a_long_pass():
    model = compile_graph(homogeneous(40, 40, 1), rounds=2, construction="rotary")
    layer = model.weights.layers[0]
    forward(model.tokens, model.weights, attention="gather", keep="last")  # compiled
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        forward(model.tokens, Weights((layer,) * 10**6), attention="gather", keep="last")
    assert time.monotonic() - start < 60
    assert np.isfinite(forward(model.tokens, model.weights, attention="gather", keep="last").final).all()
