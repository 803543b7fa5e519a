"""Widgets of heads, shifted keys and tolerances: moving a control shows what the library says."""

import math

import numpy as np

import bnt
from bnt import widgets
from bnt.graph.networks import ising

RNG = np.random.default_rng(0)


def test_head_explorer_walks_through_layers_and_heads() -> None:
    patterns = RNG.dirichlet(np.ones(3), (2, 4, 3))
    kinds = [[f"kind {i}{h}" for h in range(4)] for i in range(2)]
    panel = widgets.head_explorer(patterns, ["a", "b", "c"], kinds, layer=1)
    panel.controls["head"].value = 2
    entropies = [-sum(w * math.log(w) for w in row) for row in patterns[1, 2].tolist()]
    spread = np.mean([math.exp(h) for h in entropies])
    assert panel.picture().alt.startswith(f"layer 1, head 2: kind 12; {spread:.1f} effective tokens")
    top = int(np.argmax(patterns[1, 2, 0]))
    assert panel.picture().rows[0][1].startswith(f"{'abc'[top]} {patterns[1, 2, 0, top]:.2f}")


def test_one_vector_on_all_keys_moves_the_prior_alone() -> None:
    keys, query = RNG.normal(size=(4, 2)), RNG.normal(size=2)
    panel = widgets.shift_explorer("abcd", keys, query)
    before = panel.picture().rows
    panel.controls["right"].value, panel.controls["up"].value = 1.5, -2.0
    after = panel.picture().rows
    assert [row[3] for row in after] == [row[3] for row in before]
    prior = np.exp(((keys + np.array([1.5, -2.0])) ** 2).sum(axis=1) / 2)
    assert [row[2] for row in after] == [f"{p:.3f}" for p in prior / prior.sum()]
    assert [row[2] for row in after] != [row[2] for row in before]


def test_design_explorer_shows_what_design_finds_or_that_nothing_fits() -> None:
    graph = ising([*"abc"], [(0, 1), (1, 2)], coupling=0.5, field=0.3, seed=1)
    panel = widgets.design_explorer(graph, ["a"], {"c": graph.variable("c").states[1]}, most_layers=4)
    found = bnt.design(graph, ["a"], {"c": graph.variable("c").states[1]}, layers=4)
    assert [row[0] for row in panel.picture().rows] == [one.construction for one in found.alternatives]
    assert f"chosen: {found.best.construction}" in panel.picture().alt
    panel.controls["layers"].value = 1
    assert "nothing fits" in panel.picture().alt
    assert {row[1] for row in panel.picture().rows} == {"no"}
