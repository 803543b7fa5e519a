"""Widgets: each is a pure picture function and standard controls; moving a control shows that function's picture."""

import itertools

import ipywidgets

import bnt
from bnt import widgets
from bnt.figures.compiled import sublayer_strip
from bnt.figures.growing import growing_tree
from bnt.figures.picture import number
from bnt.graph.networks import ising, load_graph, random_tree, shipped

ASIA = load_graph("asia")
PARENTS = shipped("asia").parents
TREE = random_tree(5, seed=1)


def test_evidence_panel_shows_the_posterior_of_what_is_chosen() -> None:
    panel = widgets.evidence_panel(PARENTS, ASIA)
    panel.controls["xray"].value = "yes"
    panel.controls["smoke"].value = "no"
    posterior = bnt.exact_marginals(ASIA, {"xray": "yes", "smoke": "no"}).beliefs
    prior = bnt.exact_marginals(ASIA).beliefs
    row = f"<td>lung</td><td>yes</td><td>{number(prior['lung']['yes'])}</td><td>{number(posterior['lung']['yes'])}</td>"
    assert row in panel.shown()
    assert panel.picture().alt.startswith("smoke = no, xray = yes (exact)")


def test_a_variable_of_many_states_gets_a_slider() -> None:
    wide = bnt.Variable("month", [f"m{i}" for i in range(12)])
    graph = bnt.FactorGraph([wide], [bnt.Factor((wide,), range(1, 13))])
    panel = widgets.evidence_panel({"month": []}, graph)
    assert isinstance(panel.controls["month"], ipywidgets.SelectionSlider)
    panel.controls["month"].value = "m3"
    assert "<td>m3</td><td>0.051</td><td>1.000</td><td>yes</td>" in panel.shown()  # 4 / 78


def test_what_is_too_large_to_enumerate_is_answered_by_belief_propagation_and_says_so() -> None:
    names = [f"x{i}" for i in range(30)]
    complete = ising(names, list(itertools.combinations(range(30), 2)), coupling=0.01)
    panel = widgets.evidence_picture({name: [] for name in names}, complete, {}, bnt.run_bp(complete).beliefs)
    assert "nothing observed (approximate)" in panel.alt


def test_round_slider_walks_through_the_history() -> None:
    result = bnt.run_bp(TREE, keep_history=True)
    slider = widgets.round_slider(result)
    assert slider.controls["round"].max == result.rounds
    start = {row[2] for row in widgets.round_picture(result, 0).rows if row[1] == "message"}
    assert start == {"uniform"}
    slider.controls["round"].value = result.rounds
    last = widgets.round_picture(result, result.rounds)
    assert slider.shown() == last.html()
    name = TREE.variables[0].name
    p = max(result.beliefs[name].values())
    assert last.rows[0] == (
        name,
        "belief",
        f"{max(result.beliefs[name], key=result.beliefs[name].get)}: .{round(100 * p)}",
    )


def test_a_layer_shows_the_messages_of_its_round() -> None:
    """The transformer's picture says the same words as belief propagation's: messages of round r after layer r."""
    model, result = bnt.compile_graph(TREE), bnt.run_bp(TREE, keep_history=True)
    trace = bnt.forward(model.tokens, model.weights)
    for r in range(result.rounds + 1):
        layer = [row for row in widgets.layer_picture(model, trace, r).rows if row[1] == "message"]
        assert layer == [row for row in widgets.round_picture(result, r).rows if row[1] == "message"]
    slider = widgets.layer_slider(model)
    slider.controls["layer"].value = 1
    assert slider.shown() == widgets.layer_picture(model, trace, 1).html()


def test_stream_slider_shows_the_named_columns() -> None:
    model = bnt.compile_graph(TREE)
    trace = bnt.forward(model.tokens, model.weights)
    picture = widgets.stream_picture(model, trace, 2, ("m", "belief"))
    assert picture.header == ("token", "m", "belief")
    m = trace.after_layer(2)[:, model.layout.position("m")]
    assert [row[1] for row in picture.rows] == [number(x) for x in m]
    slider = widgets.stream_slider(model, ("m", "belief"))
    slider.controls["layer"].value = 2
    assert slider.shown() == picture.html()


def test_damping_explorer_tells_the_three_stories() -> None:
    explorer = widgets.damping_explorer()
    assert "does not converge (bound 1.52)" in explorer.picture().alt
    explorer.controls["damping"].value = 0.5
    assert "converged in" in explorer.picture().alt
    assert "off by 0.003" in explorer.picture().alt
    wrong = widgets.damping_picture(4, 1.0, 0.02, 0.5)
    assert "off by 0.476" in wrong.alt
    assert explorer.shown() == widgets.damping_picture(4, -1.0, 0.2, 0.5).html()


def test_loopy_panel_shows_belief_propagation_beside_the_truth() -> None:
    panel = widgets.loopy_panel(PARENTS, ASIA)
    assert "approximate" in panel.picture().alt
    panel.controls["dysp"].value = "yes"
    picture = panel.picture()
    bp = bnt.run_bp(ASIA, {"dysp": "yes"}).beliefs
    exact = bnt.exact_marginals(ASIA, {"dysp": "yes"}).beliefs
    assert picture.header[:4] == ("variable", "state", "exact", "probability")
    row = next(row for row in picture.rows if row[:2] == ("bronc", "yes"))
    assert row[2:4] == (number(exact["bronc"]["yes"]), number(bp["bronc"]["yes"]))
    assert f"largest error {number(bp.distance(exact), 4)}" in picture.alt
    assert panel.shown() == picture.html()
    panel.controls["smoke"].value = "yes"
    assert "exact, no error" in panel.picture().alt


def test_impossible_evidence_is_a_sentence() -> None:
    panel = widgets.loopy_panel(PARENTS, ASIA)
    panel.controls["tub"].value = "yes"
    panel.controls["either"].value = "no"
    assert "probability zero" in panel.shown()


def test_stepping_through_the_sublayers_of_a_layer() -> None:
    model = bnt.compile_graph(random_tree(3, seed=1), construction="general")
    trace = bnt.forward(model.tokens, model.weights)
    slider = widgets.sublayer_slider(model)
    assert [scale.texts for scale in slider.scales.values()] == [list("0123456")]
    slider.controls["step"].value = 4
    assert slider.shown() == sublayer_strip(model, trace, 1, 4).html()
    assert "choose 0..2, not 9" in widgets.sublayer_slider(model, 9).shown()


def test_growing_a_junction_tree() -> None:
    panel = widgets.growing_tree_slider(ASIA)
    panel.controls["step"].value = 8
    panel.controls["follow"].value = "either"
    assert panel.shown() == growing_tree(ASIA, 8, "either").html()
