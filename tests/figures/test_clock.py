"""One clock: the table of the still picture against the slow twins, and a drawing in which nothing overlaps."""

import pytest
from matplotlib.colors import to_rgba
from matplotlib.patches import Wedge

import bnt
from bnt.figures.clock import one_clock
from bnt.figures.picture import BLUE, PAPER, Picture
from bnt.graph.networks import random_tree
from tests import naive
from tests.figures.test_graphs import overlapping_texts


def still(graph: bnt.FactorGraph, step: int, evidence: dict[str, str] | None = None) -> Picture:
    model = bnt.compile_graph(graph, evidence)
    run = bnt.run_bp(graph, evidence, rounds=model.rounds, keep_history=True)
    exact = bnt.exact_marginals(graph, evidence).beliefs
    return one_clock(model, bnt.forward(model.tokens, model.weights), run, exact, step)


@pytest.mark.parametrize("step", [1, 2, 4])
def test_the_table_is_that_of_the_twins(step: int) -> None:
    graph, evidence = random_tree(6, seed=3), {"x2": "1"}
    picture = still(graph, step, evidence)
    exact, _ = naive.marginals(graph, evidence)
    rounds, field = naive.bp_messages(graph, evidence, step)
    for row, name in zip(picture.rows, graph.index, strict=True):
        by_round = [naive.bp_beliefs(graph, rounds[r], field)[name][1] for r in (step - 1, step)]
        assert row[0] == name
        assert [float(cell) for cell in row[1:]] == pytest.approx([by_round[1], by_round[0], exact[name][1]], abs=5e-4)
    assert f"round {step}" in picture.alt


def test_texts_do_not_overlap() -> None:
    picture = still(random_tree(6, seed=3), 2)
    assert overlapping_texts(picture.figure) == []


def test_rings_show_the_belief() -> None:
    """The blue part of a ring is 360 degrees times P(second state)."""
    graph = random_tree(4, seed=1)
    picture = still(graph, 2)
    blue = [
        (wedge.theta2 - wedge.theta1) / 360
        for axes in picture.figure.axes
        for wedge in axes.patches
        if isinstance(wedge, Wedge) and wedge.get_facecolor() == to_rgba(BLUE)
    ]
    wanted = [float(row[1]) for row in picture.rows]
    assert sorted(blue) == pytest.approx(sorted(wanted), abs=5e-4)


def test_no_answer_has_the_colour_of_a_state() -> None:
    tree, _, answers = still(random_tree(4, seed=1), 2).figure.axes
    states = {to_rgba(patch.get_facecolor())[:3] for patch in tree.patches} - {to_rgba(PAPER)[:3]}
    assert len(states) == 2
    marks = [mark for mark in answers.lines if mark.get_label() in ("exact", "belief propagation")]
    marks += [mark for mark in answers.lines if str(mark.get_label()).startswith("transformer")]
    colours = {to_rgba(mark.get_markeredgecolor())[:3] for mark in marks}
    assert len(colours) == 3
    assert not colours & states
