"""A picture: one image with alt text, its numbers as a table, the same bytes every time."""

import re
from collections.abc import Callable
from contextlib import nullcontext

import pytest
from matplotlib.axes import Axes
from matplotlib.axis import YAxis

import bnt
from bnt.figures import curves
from bnt.figures import graphs as figures
from bnt.figures import picture as module
from bnt.figures.picture import BLUE, INK, LEGIBLE, SCREEN_DPI, THEME, Picture, blank, chart, entitle, number, short
from bnt.graph.networks import load_graph, shipped


def test_the_same_input_gives_the_same_picture() -> None:
    beliefs = bnt.exact_marginals(load_graph("asia")).beliefs
    first, second = (figures.network_panel(shipped("asia").parents, beliefs) for _ in range(2))
    assert first.png() == second.png()
    assert first.html() == second.html()


def test_html_has_one_image_with_alt_text_and_the_table_folded() -> None:
    picture = figures.beliefs_by_round({'a <"b">': [0.5, 0.8]}, exact={'a <"b">': 0.8})
    page = picture.html()
    assert page.splitlines()[0] == "<!-- picture -->"  # JupyterLab shows the first line of an output that is folded
    assert page.count("<img ") == 1
    assert 'alt="Beliefs by round: a &lt;&quot;b&quot;&gt; over 1 rounds; dashed: exact values."' in page
    assert page.index("<details>") < page.index("<table>")
    assert "<td>exact</td><td>0.800</td>" in page
    assert picture.words.splitlines()[-1].split() == ["exact", "0.800"]
    assert picture._repr_mimebundle_()["text/plain"].startswith(picture.alt)


def test_numbers_as_text() -> None:
    assert [number(x) for x in (-0.0001, 0.12345, 1)] == ["0.000", "0.123", "1.000"]
    assert [short(p) for p in (0.0, 0.004, 0.58, 0.996, 1.0)] == ["0", "<.01", ".58", ">.99", "1"]


@pytest.mark.parametrize("setting", ["usetex", "dark_background", "tight", "font"])
def test_what_a_user_has_set_changes_no_picture(setting: str) -> None:
    import matplotlib.style

    from bnt import figures

    def drawn() -> tuple[str, bytes]:
        picture = figures.curves([0, 1, 2], {"a": [0, 1, 4]}, xlabel="x", ylabel="y", title="squares")
        return picture.svg(), picture.png()

    user = {"usetex": {"text.usetex": True}, "tight": {"savefig.bbox": "tight"}, "font": {"font.size": 16}}
    before = drawn()
    with matplotlib.style.context(user.get(setting, setting)):
        assert drawn() == before


def test_a_themed_picture_is_an_svg_with_real_text_and_two_themes() -> None:
    import xml.etree.ElementTree as ET

    figure, axes = blank(2, 1)
    axes.text(1, 0.5, "0.1234 & <more>", color=INK)
    axes.plot([0.123456, 1], [0, 1], color=BLUE)
    text = Picture(figure, "a line", ("x",), [(1,)]).svg()
    root = ET.fromstring(text)
    assert "0.1234 & <more>" in "".join(root.itertext()), "what is written is never rounded"
    assert "prefers-color-scheme:dark" in text
    assert "stroke: var(--blue)" in text
    assert BLUE.lower() not in text.split("</style>")[1]
    assert not re.search(r' d="[^"]*\d\.\d\d', text), "coordinates to a tenth of a point"
    assert 'src="data:image/svg+xml,' in Picture(figure, "a line", ("x",), [(1,)]).html()


def test_a_picture_is_laid_out_and_then_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The picture is the one that matplotlib saves after two drawings, and the figure is as it was before."""

    def made() -> Picture:
        figure, (axes,) = chart(3, 2)
        axes.plot([0, 1], [0, 7000])
        entitle(axes, "a line")
        return Picture(figure, "a line", ("x",), [(1,)])

    drawn, draw = [], Axes.draw
    monkeypatch.setattr(Axes, "draw", lambda self, renderer: drawn.append(self) or draw(self, renderer))
    picture = made()
    figure, (axes,) = picture.figure, picture.figure.axes
    before = figure.get_layout_engine(), figure.canvas, figure.dpi
    first = picture.svg()
    assert drawn == [axes]
    assert (figure.get_layout_engine(), figure.canvas, figure.dpi) == before
    room = axes.get_position().x0
    axes.set_ylabel("a name that takes room")
    picture.svg()
    assert axes.get_position().x0 > room + 0.05
    monkeypatch.setattr(module, "laid_out", lambda figure: nullcontext())
    drawn.clear()
    assert made().svg() == first
    assert len(drawn) == 2


@pytest.mark.parametrize("most", [7.0, 7e9])
def test_a_title_stands_where_matplotlib_puts_it(most: float) -> None:
    """Also above the power of ten of large heights."""

    def drawn(write: Callable[[Axes], object]) -> str:
        figure, (axes,) = chart(3, 2)
        axes.plot([0, 1], [0, most])
        write(axes)
        return Picture(figure, "a line", ("x",), [(1,)]).svg()

    assert drawn(lambda axes: entitle(axes, "a line")) == drawn(
        lambda axes: axes.set_title("a line", loc="left", fontsize=11)
    )


def test_the_place_of_a_title_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = []
    box = YAxis.get_tightbbox
    monkeypatch.setattr(YAxis, "get_tightbbox", lambda self, *a, **k: measured.append(self) or box(self, *a, **k))
    curves([0, 1, 2], {"a": [0, 1, 4]}, xlabel="x", ylabel="y", title="squares").svg()
    assert len(measured) == 2, "once in each of the two steps of the layout"


def test_exponents_along_a_logarithmic_axis_are_legible() -> None:
    errors = figures.layers_against_rounds({"x": [0.5, 0.6]}, {"x": [0.5, 0.6]})
    sizes = [float(size) for size in re.findall(r"font(?:-size)?: ([\d.]+)px", errors.svg())]
    assert min(sizes) * SCREEN_DPI / 72 >= LEGIBLE


def test_no_colour_is_light_on_light_or_dark_on_dark_in_the_dark_theme() -> None:
    """Ink, grey and the series on the dark paper: at least 4.5 to 1 for text colours."""

    def light(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        r, g, b = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    dark = dict(THEME.values())
    for name in set(dark) - {"paper", "pale", "rule", "tint"}:
        for ground in ("paper", "pale", "tint") if name == "ink" else ("paper",):
            assert (light(dark[name]) + 0.05) / (light(dark[ground]) + 0.05) >= 4.5, (name, ground)
