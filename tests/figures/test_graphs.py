"""Pictures: table and drawing are the numbers; nothing overlaps; the same input gives the same picture."""

import itertools

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle
from matplotlib.transforms import Bbox

import bnt
from bnt.figures import charts, learning, sequences
from bnt.figures import graphs as figures
from bnt.figures.picture import BLUE, GREY, VERMILION, Picture, number
from bnt.graph.networks import BUILT_IN, load_graph, random_tree, shipped

A, B = bnt.Variable("a", ("no", "yes")), bnt.Variable("b", ("no", "yes"))
EDGE = bnt.FactorGraph([A, B], [bnt.Factor((A,), [0.2, 0.8]), bnt.Factor((A, B), [[0.9, 0.1], [0.1, 0.9]])])


def arrows(picture: Picture) -> list[FancyArrowPatch]:
    return [patch for patch in picture.figure.axes[0].patches if isinstance(patch, FancyArrowPatch)]


def overlapping_texts(figure: Figure) -> list[tuple[str, str]]:
    """Pairs of texts whose boxes on the page meet, and texts that leave the page."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw_without_rendering()
    texts = [text for axes in figure.axes for text in axes.texts if text.get_text()]
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in texts]
    page = figure.bbox
    outside = [(a, "the page") for a, box in boxes if box.x0 < 0 or box.y0 < 0 or box.x1 > page.x1 or box.y1 > page.y1]
    return outside + [(a, b) for (a, x), (b, y) in itertools.combinations(boxes, 2) if x.overlaps(y)]


def test_a_message_is_drawn_by_its_numbers() -> None:
    """Width 1 + 4.5 strength, strength of (.1, .9) = (.9 - .5) / .5 = .8; colour of the favoured state."""
    messages = {(1, "b"): np.log([0.1, 0.9]), (1, "a"): np.log([0.75, 0.25]), (0, "a"): np.log([0.5, 0.5])}
    picture = figures.factor_graph(EDGE, to_variables=messages)
    widths = [arrow.get_linewidth() for arrow in arrows(picture)]
    assert widths == pytest.approx([1 + 4.5 * 0.8, 1 + 4.5 * 0.5, 1.0], abs=1e-12)
    hexes = ["#{:02X}{:02X}{:02X}".format(*(round(255 * c) for c in a.get_edgecolor()[:3])) for a in arrows(picture)]
    assert hexes == [VERMILION, BLUE, GREY]
    assert picture.rows == (
        ("(a, b) to b", "message", "yes: .90"),
        ("(a, b) to a", "message", "no: .75"),
        ("(a) to a", "message", "uniform"),
    )


def test_messages_of_both_directions_and_beliefs_are_in_the_table() -> None:
    result = bnt.run_bp(EDGE)
    picture = figures.factor_graph(
        EDGE, to_variables=result.messages, to_factors=result.messages, beliefs=result.beliefs
    )
    assert picture.rows[:2] == (("a", "belief", "yes: .80"), ("b", "belief", "yes: .74"))  # .8 * .9 + .2 * .1 = .74
    assert [row[0] for row in picture.rows[2:]] == ["(a, b) to a", "(a, b) to b", "a to (a, b)", "b to (a, b)"]


@pytest.mark.parametrize("seed", range(6))
def test_trees_have_no_overlapping_texts(seed: int) -> None:
    graph = random_tree(7, seed=seed)
    result = bnt.run_bp(graph)
    picture = figures.factor_graph(
        graph, to_variables=result.messages, to_factors=result.messages, beliefs=result.beliefs, title="messages"
    )
    assert overlapping_texts(picture.figure) == []


@pytest.mark.parametrize("name", ["sprinkler", "asia", "cancer", "earthquake", "survey", "dating"])
def test_networks_have_no_overlapping_texts(name: str) -> None:
    network, graph = BUILT_IN[name](), load_graph(name)
    beliefs = bnt.exact_marginals(graph).beliefs
    panel = figures.network_panel(network.parents, beliefs, before=beliefs, title=name)
    assert overlapping_texts(panel.figure) == []
    assert overlapping_texts(figures.factor_graph(graph, parents=network.parents, beliefs=beliefs).figure) == []


def test_what_one_sees_stands_in_the_alt_text() -> None:
    said = figures.factor_graph(EDGE, title="one edge", says="two of them").alt
    assert said.startswith("one edge: ")
    assert said.endswith("factors; two of them.")
    table = learning.heat_tables({"t": [[1.0]]}, rows="a", columns="b", ylabel="y", xlabel="x", says="one").alt
    assert table == "Table: t, each by y and x; one."


def test_nothing_of_a_panel_is_measured_for_limits_that_are_set() -> None:
    beliefs = bnt.exact_marginals(load_graph("asia")).beliefs
    (axes,) = figures.network_panel(shipped("asia").parents, beliefs, before=beliefs).figure.axes
    assert len(axes.patches) > 40
    assert axes.dataLim.get_points().tolist() == Bbox.null().get_points().tolist()


def test_panel_shows_every_state_and_frames_the_evidence() -> None:
    graph = load_graph("asia")
    beliefs = bnt.exact_marginals(graph, {"xray": "yes"}).beliefs
    picture = figures.network_panel(shipped("asia").parents, beliefs, evidence={"xray": "yes"})
    assert picture.header == ("variable", "state", "probability", "observed")
    assert ("lung", "yes", number(beliefs["lung"]["yes"]), "") in picture.rows
    assert ("xray", "yes", "1.000", "yes") in picture.rows
    assert len(picture.rows) == 16
    lengths = [p.get_width() for p in picture.figure.axes[0].patches if isinstance(p, Rectangle)][1::2]
    shares = [p for name in shipped("asia").parents for p in beliefs.vector(name)]
    assert np.array(lengths) / max(lengths) == pytest.approx(np.array(shares), abs=1e-12)


def test_errors_within_rounding_are_called_equal_and_no_others() -> None:
    picture = figures.error_by_round({"x": [0.25, 1.1e-12, 1e-12, 0.0]}, deadline={"x": 2})
    (image,) = picture.figure.axes[0].get_images()
    assert [bool(shade) for shade in image.get_array()[0]] == [True, True, False, False]
    assert picture.rows == (("x", ".250", "1e-12", "=", "=", "2"),)
    (frame,) = [patch for patch in picture.figure.axes[0].patches if isinstance(patch, Rectangle)]
    assert frame.get_x() + frame.get_width() / 2 == pytest.approx(2)


def test_the_bar_beside_a_heatmap_has_its_colours_and_its_scale() -> None:
    """A cell of .01, .5 or 1.5 has the shade that the bar says."""
    pictures = {
        ".01": figures.error_by_round({"x": [0.25, 0.01]}),
        ".5": figures.attention_pattern([[0.25, 0.5, 0.25]], ["q"], ["x", "y", "z"]),
        "1.5": figures.residual_stream([[0.0, 1.5]], ["x0"], ["m", "theta"]),
        " .01": charts.cone({"a": [0.25, 0.01]}, [1, 2]),
        "  .01": sequences.memory([[0.25, 0.01]]),
        "0.60": learning.heat_tables(
            {"t": [[0.1, 0.6]]}, rows=["r"], columns=["a", "b"], ylabel="y", xlabel="x", digits=2
        ),
    }
    for said, picture in pictures.items():
        axes = picture.figure.axes[0]
        (bar,), (image,) = axes.child_axes, axes.get_images()
        (strip,) = bar.get_images()
        assert (strip.cmap.name, strip.get_clim()) == (image.cmap.name, image.get_clim())
        ticks = dict(zip((tick.get_text() for tick in bar.get_yticklabels()), bar.get_yticks(), strict=True))
        assert image.get_array()[0, 1] == pytest.approx(ticks[said.strip()], abs=1e-12), said
        assert strip.get_array()[0, 0] == pytest.approx(max(ticks.values())), "the highest on top"


def test_layers_against_rounds_reports_the_largest_difference() -> None:
    picture = figures.layers_against_rounds({"x": [0.5, 0.6], "y": [0.5, 0.7]}, {"x": [0.5, 0.6], "y": [0.5, 0.72]})
    assert [row[-1] for row in picture.rows] == ["at most 1e-12", ".020"]


def test_attention_is_read_out_by_name() -> None:
    picture = figures.attention_pattern([[0.25, 0.746, 0.004]], ["q"], ["x", "y", "z"])
    assert picture.rows == (("q", "y 0.746, x 0.250"),)


def test_residual_stream_names_tokens_and_columns() -> None:
    picture = figures.residual_stream([[0.0, -1.5]], ["x0"], ["m", "theta"])
    assert picture.header == ("token", "m", "theta")
    assert picture.rows == (("x0", "0.000", "-1.500"),)


def test_token_names_of_a_compiled_model() -> None:
    model = bnt.compile_graph(EDGE)
    assert figures.token_names(EDGE, model.layout) == ["b → a", "a → b", "a", "b", "sink"]


@pytest.mark.parametrize(
    ("draw", "says"),
    [
        (lambda: figures.factor_graph(bnt.FactorGraph([], [])), "the graph has no variables"),
        (lambda: figures.factor_graph(EDGE, evidence={"A": "yes"}), "'A' is no variable"),
        (lambda: figures.network_panel({"b": ["a"]}, bnt.run_bp(EDGE).beliefs), "parent 'a' of 'b' must be listed"),
        (lambda: figures.layers_against_rounds({"a": [0.1, 0.2]}, {"a": [0.1]}), "as many numbers"),  # not broadcast
        (lambda: figures.layers_against_rounds({"a": [0.1]}, {"b": [0.1]}), "the same names"),
        (lambda: figures.attention_pattern(np.ones((2, 2)), ["q"], ["k", "l"]), "need as many names, not 1 and 2"),
        (lambda: figures.residual_stream(np.ones((2, 2)), ["t", "u"], ["c"]), "need as many names, not 2 and 1"),
    ],
)
def test_what_cannot_be_drawn_is_named(draw, says) -> None:
    with pytest.raises(bnt.BntError, match=says):
        draw()
