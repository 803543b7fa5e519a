"""Attention in the plane, and weights read back: what pictures say, against independent computations."""

import itertools

import numpy as np
import pytest

from bnt.figures import attention
from bnt.reading.implicit_graph import extract_graph
from bnt.reading.log_odds_transformer import LogOddsHead, LogOddsLayer, log_odds_tokens, log_odds_weights
from bnt.transformer.blocks import softmax
from tests import naive

COLUMN = np.arange(5.0)
PARABOLA = np.stack([COLUMN - 2, (COLUMN - 2) ** 2], axis=1)


def inside_some_triangle(point: np.ndarray, others: np.ndarray) -> bool:
    """The obvious test for not being a corner: some triangle of the other points contains it."""
    for corners in itertools.combinations(others, 3):
        a, b, c = corners
        weights = np.linalg.lstsq(np.vstack([np.array([a, b, c]).T, np.ones(3)]), np.append(point, 1), rcond=None)[0]
        residual = np.vstack([np.array([a, b, c]).T, np.ones(3)]) @ weights - np.append(point, 1)
        if (weights >= 0).all() and np.abs(residual).max() < 1e-9:
            return True
    return False


def test_outline_is_the_corners_of_the_convex_hull() -> None:
    rng = np.random.default_rng(0)
    for _ in range(10):
        points = rng.normal(size=(7, 2))
        corners = {k for k in range(7) if not inside_some_triangle(points[k], np.delete(points, k, axis=0))}
        assert set(attention.outline(points)) == corners


def test_only_the_ends_of_a_line_can_win() -> None:
    line = np.stack([COLUMN, 0 * COLUMN], axis=1)
    assert set(attention.outline(line)) == {0, 4}
    assert set(attention.outline(PARABOLA)) == {0, 1, 2, 3, 4}
    twice = np.array([[0.0, 1.0], [-1.0, -1.0], [1.0, -1.0], [1.0, -1.0]])
    assert set(attention.outline(twice)) == {0, 1}, "of two equal keys neither wins alone"


def reading(weights=(2.0, -1.0), tokens=3, keep=1.0, seed=0):
    rng = np.random.default_rng(seed)
    heads = tuple(LogOddsHead(*rng.normal(size=(2, 3, 2)), np.array([w])) for w in weights)
    layer = LogOddsLayer(heads, np.array([keep]), np.array([0.5]))
    x = log_odds_tokens(rng.normal(0, 1.5, (tokens, 1)), rng.normal(size=(tokens, 2)), len(heads))
    return extract_graph(log_odds_weights([layer], 2), x), x


def test_implicit_tree_says_attention_priors_signs_and_the_marginal() -> None:
    implicit, x = reading()
    graph = implicit.graph(1)
    picture = attention.implicit_tree(graph, title="token 1")
    assert f"{len(graph.variables)} variables" in picture.alt
    assert picture.rows[0][2] == f"P(1) = {naive.contracted_marginal(graph, 'y')[1]:.3f}"
    looks = {(where, what): value for where, what, value in picture.rows if what.startswith("looks")}
    for head in (0, 1):
        for token, alpha in enumerate(implicit.layers[0].attention[head, 1]):
            assert looks[f"head {head}", f"looks at token {token}"] == f"{alpha:.3f}"
    joined = {where: value for where, what, value in picture.rows if what == "joined to y"}
    assert joined == {"own copy": "equal", "head 0": "equal", "head 0 (2)": "equal", "head 1": "opposite"}
    priors = {where: value for where, what, value in picture.rows if what == "prior"}
    assert priors["token 2 of head 1"] == f"P(1) = {1 / (1 + np.exp(-x[2, 0])):.3f}"


def test_implicit_tree_leaves_out_tokens_without_attention() -> None:
    rng = np.random.default_rng(0)
    head = LogOddsHead(*rng.normal(size=(2, 3, 2)), np.ones(1))
    layer = LogOddsLayer((head,), np.zeros(1), np.zeros(1), causal=True)
    implicit = extract_graph(log_odds_weights([layer], 2), log_odds_tokens(np.ones((3, 1)), np.ones((3, 2)), 1))
    rows = attention.implicit_tree(implicit.graph(1)).rows
    assert [row[1:] for row in rows if row[1].startswith("looks")] == [
        ("looks at token 0", "0.500"),
        ("looks at token 1", "0.500"),
    ]


@pytest.mark.parametrize("rank", [1, 3, 5])
def test_spectrum_counts_the_rank(rank: int) -> None:
    rng = np.random.default_rng(rank)
    matrix = rng.normal(size=(9, rank)) @ rng.normal(size=(rank, 5))
    sizes = np.linalg.svd(matrix, compute_uv=False)
    picture = attention.spectrum({"product": sizes}, threshold=1e-9)
    assert picture.rows == (("product", str(rank), str(5 - rank), f"{sizes[rank - 1] / sizes[0]:.1e}"),)


@pytest.mark.parametrize("names", [("a", "b"), ("because", "sprinklers")])
def test_what_a_key_is_called_and_how_likely_it_is_have_their_places(names: tuple[str, str]) -> None:
    """Wherever the query is: names stand between plane and bars, numbers on the page, and nothing jumps."""
    places = set()
    for query in ((0.0, 0.0), (9.0, 1.0)):
        p = softmax(np.array([[1.0, 0.0], [-1.0, 0.5]]) @ query)
        figure = attention.alignment(names, [[1, 0], [-1, 0.5]], query, (0.5, 0.5), p, title="t").figure
        figure.draw_without_rendering()
        plane, bars = figure.axes
        assert {text.get_text() for text in bars.texts} <= {".50", "<.01", ">.99"}
        assert max(text.get_window_extent().x1 for text in bars.texts) < figure.bbox.x1
        assert min(text.get_window_extent().x0 for text in bars.get_yticklabels()) > plane.get_window_extent().x1
        places.add((plane.get_position().bounds, bars.get_position().bounds))
    assert len(places) == 1
