"""The compiled layer and the strip of sublayers: their tables are the weights and the streams, worked out by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bnt
from bnt.errors import BntError
from bnt.figures.compiled import attention_graph, compiled_layer, sublayer_strip, terms
from bnt.graph.networks import chain, random_tree
from tests import naive

A, B, C = (bnt.Variable(name, ("no", "yes")) for name in "abc")
THREE = bnt.FactorGraph(
    [A, B, C],
    [
        bnt.Factor((A,), [0.3, 0.7]),
        bnt.Factor((A, B, C), [[[0.9, 0.1], [0.4, 0.6]], [[0.2, 0.8], [0.05, 0.95]]]),
        bnt.Factor((B, C), [[0.9, 0.1], [0.4, 0.6]]),
    ],
)


def run(graph: bnt.FactorGraph, **options) -> tuple[bnt.CompiledModel, bnt.Trace]:
    model = bnt.compile_graph(graph, **options)
    return model, bnt.forward(model.tokens, model.weights)


def test_a_sum_as_people_write_it() -> None:
    assert terms({"a": 1.0, "b": -1.0, "c": 0.0, "d": 2.5}) == "a − b + 2.5 d"
    assert terms({"a": -1.0}, 3.0) == "− a + 3"
    assert terms({"m": 1.0}, sign="+ ") == "+ m"
    assert terms({}) == "0"


def test_the_eight_units_of_the_pairwise_layer() -> None:
    """m <- softplus(theta + s + a) - softplus(theta + s + c) + d; a linear map takes two units, x = sp(x) - sp(-x)."""
    picture = compiled_layer(*run(random_tree(4, seed=1)))
    units = [row[1:] for row in picture.rows if row[0].startswith("unit")]
    assert units == [
        ("of s + theta + a", "+ m"),
        ("of s + theta + c", "− m"),
        ("of − m + d", "+ m"),
        ("of m − d", "− m"),
        ("of s + theta − belief", "+ belief"),
        ("of − s − theta + belief", "− belief"),
        ("of − s", "+ s"),
        ("of s", "− s"),
    ]
    assert picture.alt.endswith("an FFN of 8 units, of which 4 write m, 2 write belief and 2 write s.")


def test_who_reads_whom_on_a_chain() -> None:
    """x0 - x1 - x2: the message x1 → x2 reads what x1 hears, and takes back what x2 told it."""
    model, trace = run(chain(3))
    rows = [row[:2] for row in compiled_layer(model, trace).rows]
    reads = {h: {b for a, b in rows if a == f"head {h}: x1 → x2"} for h in ("sum", "reverse")}
    assert reads == {"sum": {"reads x0 → x1", "reads x2 → x1", "reads sink"}, "reverse": {"reads x2 → x1"}}


def test_the_strip_shows_the_streams_of_the_twin() -> None:
    """The table after each of the six sublayers, against the transformer in plain loops."""
    model, trace = run(bnt.FactorGraph([A, B, C], THREE.factors[:2]), construction="general")
    streams = [model.tokens, *naive.transformer(model.tokens, bnt.Weights(model.weights.layers[:1]))]
    for step in range(1, 7):
        picture = sublayer_strip(model, trace, 0, step)
        columns = [model.layout.position(name) for name in picture.header[1:]]
        rows = np.flatnonzero((np.abs(np.diff(streams, axis=0)) > 1e-9).any(axis=(0, 2)))
        shown = np.array([[float(cell) for cell in row[1:]] for row in picture.rows])
        assert np.abs(shown - streams[step][np.ix_(rows, columns)]).max() <= 5.1e-4
        changed = np.flatnonzero((np.abs(streams[step] - streams[step - 1]) > 1e-9).any(axis=0))
        wrote = ", ".join(model.layout.column_names[j] for j in changed) or "nothing"
        assert f"changed {wrote}:" in picture.alt


def test_the_names_of_the_sublayers_fit_into_their_boxes() -> None:
    figure = sublayer_strip(*run(THREE, construction="general"), 0, 4).figure
    figure.draw_without_rendering()
    strip = figure.subfigs[0].axes[0]
    assert [text.get_text()[0] for text in strip.texts] == list("123456")
    for text, box in zip(strip.texts, strip.patches, strict=True):
        inner, outer = text.get_window_extent(), box.get_window_extent()
        assert outer.x0 < inner.x0 < inner.x1 < outer.x1, text.get_text()


def test_tokens_of_the_strip_are_in_words() -> None:
    model, trace = run(THREE, construction="general")
    names = [row[0] for row in sublayer_strip(model, trace, 1, 2).rows]
    assert "a = no, b = yes, c = no" in names
    assert "belief in b = yes" in names


def test_a_leaf_names_what_it_mentions() -> None:
    leaves = [({"a": "no"}, 0.5), ({"a": "yes", "b": "no"}, 1.0), ({"a": "yes", "b": "yes"}, 2.0)]
    graph = bnt.FactorGraph(
        [A, B, C], [bnt.LeafFactor((A, B, C), leaves), bnt.Factor((B, C), [[0.9, 0.1], [0.4, 0.6]])]
    )
    model, trace = run(graph, construction="general")
    names = [row[0] for row in sublayer_strip(model, trace, 1, 4).rows]  # step 4: the FFN before it is of open slots
    assert "a = no" in names or "a = yes, b = no" in names, names


def test_what_cannot_be_drawn() -> None:
    model, trace = run(THREE, construction="general")
    with pytest.raises(BntError, match="construction='pairwise'"):
        compiled_layer(model, trace)
    with pytest.raises(BntError, match=r"choose 0\.\.6, not 7"):
        sublayer_strip(model, trace, 1, 7)
    with pytest.raises(BntError, match="layers: choose"):
        sublayer_strip(model, trace, 99, 1)
    with pytest.raises(BntError, match='keep="trace"'):
        sublayer_strip(model, bnt.forward(model.tokens, model.weights, keep="layers"), 1, 1)


@given(st.integers(0, 10**6), st.floats(0.2, 5))
def test_attention_as_factors(seed: int, temperature: float) -> None:
    """Prior times likelihood is softmax(k . q / t), as ``naive.mixture_posterior_mean`` has it by Bayes' rule."""
    rng = np.random.default_rng(seed)
    keys, values, query = rng.normal(size=(4, 2)), rng.normal(size=4), rng.normal(size=2)
    picture = attention_graph("abcd", keys, values, query, temperature)
    scores = [sum(a * b for a, b in zip(key, query, strict=True)) / temperature for key in keys]
    total = sum(math.exp(score) for score in scores)
    weights = [math.exp(score) / total for score in scores]
    assert [float(row[3]) for row in picture.rows] == pytest.approx(weights, abs=5.1e-4)
    mean = sum(w * v for w, v in zip(weights, values, strict=True))
    assert float(picture.alt.rstrip(".").split()[-1]) == pytest.approx(mean, abs=5.1e-3)


@pytest.mark.parametrize(("shape", "temperature", "said"), [((3, 2), 1, "one name"), ((2, 2), 0, "above 0")])
def test_attention_that_does_not_fit(shape: tuple[int, int], temperature: float, said: str) -> None:
    with pytest.raises(BntError, match=said):
        attention_graph("ab", np.zeros(shape), np.zeros(2), np.zeros(2), temperature)
