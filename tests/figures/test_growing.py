"""The growing junction tree: its cliques are the maximal ones of the filled graph, each variable's hang together."""

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bnt.errors import BntError, UnknownVariableError
from bnt.figures.growing import grow, growing_tree
from bnt.graph.networks import load_graph, random_tree
from tests.random_graphs import loopy


def filled(growth) -> nx.Graph:
    graph = nx.Graph(growth.edges + [edge for edges in growth.fill for edge in edges])
    graph.add_nodes_from(growth.order)
    return graph


@settings(deadline=None)
@given(st.integers(0, 10**6))
def test_cliques_are_those_of_the_filled_graph_and_run_through(seed: int) -> None:
    graph = loopy(seed)
    growth = grow(graph)
    chordal = filled(growth)
    assert nx.is_chordal(chordal)
    assert {frozenset(c) for c in growth.cliques} == {frozenset(c) for c in nx.find_cliques(chordal)}
    tree = nx.Graph(growth.links)
    tree.add_nodes_from(range(len(growth.cliques)))
    assert nx.is_forest(tree)
    for name in graph.index:
        assert nx.is_connected(tree.subgraph(c for c, clique in enumerate(growth.cliques) if name in clique))
    assert all(1 <= step <= len(graph.variables) for step in growth.born)


@settings(deadline=None)
@given(st.integers(0, 10**6))
def test_a_clique_is_made_when_its_first_variable_goes(seed: int) -> None:
    growth = grow(loopy(seed))
    for clique, step in zip(growth.cliques, growth.born, strict=True):
        assert step == 1 + min(growth.order.index(name) for name in clique)


def test_the_table_of_asia() -> None:
    asia = load_graph("asia")
    assert growing_tree(asia, 0).rows == ()
    picture = growing_tree(asia, 8, "either")
    rows = {row[0]: row for row in picture.rows}
    assert len(rows) == 6
    assert {name for name, row in rows.items() if row[3] == "yes"} == {name for name in rows if "either" in name}
    assert "hang together" in picture.alt
    followed = picture.figure.axes[1]
    assert sum(line.get_linewidth() == 3 for line in followed.lines) == sum("either" in name for name in rows) - 1


def test_nothing_moves_from_step_to_step_and_everything_is_inside() -> None:
    seen = set()
    for step in range(9):
        figure = growing_tree(load_graph("asia"), step, "either").figure
        figure.draw_without_rendering()
        for panel, axes in enumerate(figure.axes):
            seen.add((panel, axes.get_xlim(), axes.get_ylim()))
            for text in axes.texts:
                box, frame = text.get_window_extent(), figure.bbox
                assert frame.x0 <= box.x0 < box.x1 <= frame.x1, (step, text.get_text())
                assert frame.y0 <= box.y0 < box.y1 <= frame.y1, (step, text.get_text())
    assert len(seen) == 2


def test_one_edge_is_not_edges() -> None:
    asia = load_graph("asia")
    assert "; 1 edge added so far, 6 cliques" in growing_tree(asia, 8).alt
    assert "; 0 edges added so far" in growing_tree(asia, 0).alt


@pytest.mark.parametrize("step", [-1, 9])
def test_no_such_step(step: int) -> None:
    with pytest.raises(BntError, match=r"choose a step 0\.\.8"):
        growing_tree(load_graph("asia"), step)
    with pytest.raises(UnknownVariableError):
        growing_tree(random_tree(3), 1, "nobody")
