"""Pictures with axes: what they say, against independent computations."""

import numpy as np
import pytest

from bnt.compiler.compile import compile_graph
from bnt.compiler.verify import TOLERANCE, Report, verify_model
from bnt.figures import charts
from bnt.figures.picture import Picture, number
from bnt.graph.networks import load_graph
from bnt.inference.belief_propagation import run_bp
from bnt.inference.exact import exact_marginals


def test_curves_has_its_numbers_as_a_table() -> None:
    x = np.arange(1.0, 21.0)
    picture = charts.curves(x, {"square": x**2, "flat": 0 * x}, xlabel="n", ylabel="y", marks={"ten": 10.0})
    assert picture.header == ("n", "square", "flat")
    assert len(picture.rows) == charts.TABLE_ROWS
    assert picture.rows[0] == ("1", "1", "0")
    assert picture.rows[-1] == ("20", "400", "0")
    assert picture.alt == "y: square, flat against n; dashed: ten."
    told = charts.curves(x, {"square": x**2}, xlabel="n", ylabel="y", says="it grows to 400")
    assert told.alt == "y: square against n; it grows to 400."


@pytest.mark.parametrize(
    ("most", "ticks"),
    [(6e5, ["10", "100", "1,000", "10,000", "100,000", "1,000,000"]), (300.0, ["10", "20", "50", "100", "200"])],
)
def test_logarithmic_axes_have_numbers_to_read(most: float, ticks: list[str]) -> None:
    x = np.arange(2, 8)
    picture = charts.curves(x, {"y": np.geomspace(10, most, 6)}, xlabel="n", ylabel="y", log=True)
    axes = picture.figure.axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["2", "3", "4", "5", "6", "7"]
    low, high = axes.get_ylim()
    labels = zip(axes.get_yticks(), axes.get_yticklabels(), strict=True)
    assert [label.get_text() for at, label in labels if low <= at <= high] == ticks


def test_ruler_adds_and_names_the_truth() -> None:
    picture = charts.ruler({"prior": -40.0, "10 heads": 30.103, "10 more": 30.103}, truth=0.0)
    assert picture.rows[0] == ("prior", "-40.0", "-40.0", "0.0001")
    assert picture.rows[-2] == ("together", "", "20.2", number(2**20 / (2**20 + 10**4), 4))
    assert picture.rows[-1] == ("in truth", "", "0.0", "0.5000")
    assert "+20.2 decibans" in picture.alt
    written = [text.get_text() for text in picture.figure.axes[0].texts]
    assert [word for word in written if word] == ["-40.0", "+30.1", "+30.1", ".99", ".50"]


def test_a_weight_of_zero_has_a_mark_and_everything_stays_on_the_ruler() -> None:
    axes = charts.ruler({"prior": 0.0, "strong": -90.0}).figure.axes[0]
    assert any(line.get_marker() == "|" for line in axes.lines)
    assert axes.get_xlim()[0] < -90.0


def test_cobweb_says_rounds_and_truth() -> None:
    picture = charts.cobweb([-1, 1], [0.5, -0.5], [0.0, 0.25], [0.5, 0.6], 0.55, title="flat")
    assert picture.rows == (("0", "0.000", "0.500"), ("1", "0.250", "0.600"), ("exact", "", "0.550"))
    assert picture.alt.startswith("flat: ")
    stairs = picture.figure.axes[0].lines[2].get_xydata()
    assert np.allclose(stairs, [[0, 0], [0, 0.25], [0.25, 0.25]])


def test_cone_says_what_it_shows() -> None:
    picture = charts.cone({"a": [0.25, 0.5], "b": [0.0, 1e-5]}, [1, 2], reach={"a": 1, "b": 2}, title="t")
    assert picture.header == ("variable", "layer 1", "layer 2", "may change from")
    assert picture.rows == (("a", ".250", ".500", "1"), ("b", "no bit", "1e-5", "2"))
    assert picture.alt.startswith("t: 2 variables")
    border = picture.figure.axes[0].patches[-1].get_data()
    assert np.allclose(border.values, [-0.5, 0.5])


# --- what verify_model found ------------------------------------------------------------------------------------------


def found(messages, beliefs, bp=None, transformer=None, layers=None) -> Report:
    arrays = [None if errors is None else np.array(errors, dtype=float) for errors in (messages, beliefs)]
    layers = len(beliefs) if layers is None else layers
    sizes = {"variables": 2, "tokens": 3, "d_model": 4, "heads": 1, "layers": layers}
    said = {"worst_message": None, "status": "exact", "note": "", "seconds": 0.0}
    return Report("pairwise", "dense", **sizes, message_errors=arrays[0], belief_errors=arrays[1], **said,
                  bp_vs_exact=bp, transformer_vs_exact=transformer)  # fmt: skip


def drawn(picture: Picture) -> dict[str, list[tuple[float, float]]]:
    """Label -> its points."""
    lines = picture.figure.axes[0].lines
    return {line.get_label(): [tuple(p) for p in line.get_xydata() if np.isfinite(p[1])] for line in lines}


def test_errors_by_layer_draws_and_lists_what_was_found() -> None:
    picture = charts.errors_by_layer(found([2e-16, 0.0], [0.0, 4e-3, 1e-19], 0.25, 0.125))
    assert picture.header[1:] == (
        "messages against BP",
        "beliefs against BP",
        "BP against exact",
        "transformer against exact",
    )
    assert picture.rows == (
        ("1", "2.0e-16", "0", "", ""),
        ("2", "0", "4.0e-03", "", ""),
        ("3", "", "1.0e-19", "2.5e-01", "1.2e-01"),
    )
    points = drawn(picture)
    floor = points["messages against BP"][1][1]
    assert floor < 1e-19  # a zero is lower than any number, and is called 0
    axes = picture.figure.axes[0]
    assert dict(zip(axes.get_yticks(), (t.get_text() for t in axes.get_yticklabels()), strict=True))[floor] == "0"
    assert points["messages against BP"] == [(1, 2e-16), (2, floor)]
    assert points["beliefs against BP"] == [(1, floor), (2, 4e-3), (3, 1e-19)]
    assert points["BP against exact"] == [(3, 0.25)]
    assert points["transformer against exact"] == [(3, 0.125)]
    assert "does not hold" in picture.alt
    assert "beliefs against BP 4.0e-03" in picture.alt


def test_errors_by_layer_of_a_junction_tree_and_of_no_rounds() -> None:
    tree = charts.errors_by_layer(found(None, None, transformer=1e-16, layers=5))
    assert tree.header == ("layer", "transformer against exact")
    assert tree.rows == (("5", "1.0e-16"),)
    assert "holds" in tree.alt
    nothing = charts.errors_by_layer(found([], [0.0]))
    assert nothing.rows == (("1", "0"),)
    assert charts.errors_by_layer(found(None, None, layers=3)).rows == ()


def test_errors_of_many_layers_are_all_drawn_and_some_listed() -> None:
    errors = np.geomspace(1e-16, 1e-13, 99)
    picture = charts.errors_by_layer(found(errors, [*errors, 1e-13]))
    assert len(drawn(picture)["messages against BP"]) == 99
    assert len(picture.rows) == charts.MOST_LAYERS
    assert [picture.rows[i][0] for i in (0, -1)] == ["1", "100"]


def test_the_picture_of_a_loopy_graph_says_who_errs() -> None:
    """The transformer is belief propagation to rounding; both are as far from exact."""
    graph = load_graph("asia")
    model = compile_graph(graph, {"dysp": "yes"}, rounds=12)
    report = verify_model(model)
    points = drawn(report.plot())
    bp = run_bp(graph, {"dysp": "yes"}, rounds=12)
    off = bp.beliefs.distance(exact_marginals(graph, {"dysp": "yes"}).beliefs)
    assert points["BP against exact"] == [(13, pytest.approx(off, rel=1e-9))]
    assert points["transformer against exact"] == [(13, pytest.approx(off, rel=1e-9))]
    assert max(y for _, y in points["messages against BP"]) < TOLERANCE < off
