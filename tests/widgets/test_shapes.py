"""The slider over layers shows what the library reads there."""

import pytest

from bnt import widgets
from bnt.widgets import learning as shapes
from bnt.wind_tunnels.belief_shape import next_symbol_model, triangles
from bnt.wind_tunnels.insides import r_squared


def test_slider_shows_the_r_squared_of_its_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes, "WORD", 4)
    monkeypatch.setattr(shapes, "FITTED", 60)
    shapes.read_by_layer.cache_clear()
    found = triangles(next_symbol_model("mess3"), "mess3", 4, 60)
    explorer = widgets.triangle_explorer()
    assert explorer.picture().alt.startswith("mess3, all words of 4 symbols, after 3 layers: 81 exact beliefs")
    for layer in (0, 1):
        explorer.controls["layer"].value = layer
        exact, trained, other = explorer.picture().rows
        assert exact[1] == "1.000"
        assert float(trained[1]) == pytest.approx(r_squared(found[layer].read, found[layer].exact), abs=6e-4)
        assert (layer == 0) == (trained == ("trained", *other[1:]))  # before any layer both know the newest symbol
    shapes.read_by_layer.cache_clear()
