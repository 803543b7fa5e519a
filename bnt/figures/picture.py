"""A picture that can also be read: a matplotlib figure, one sentence for its ``alt`` text, and its numbers as a table.

In a notebook a Picture shows itself as one image with alt text and, unfolded on demand, the table. What a user has set
in matplotlib changes nothing (``own_style``). The image is an SVG inside an <img>, which a notebook shows whether it is
trusted or not; it carries a light and a dark theme, each on a ground of its own. Colours are those of Okabe and Ito,
which people with any colour vision tell apart; width, position or a label always says the same thing.
"""

from __future__ import annotations

import base64
import html
import io
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any, ParamSpec, TypeVar
from urllib.parse import quote

import matplotlib
import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

INK, GREY, PALE = "#222222", "#767676", "#e8e8e8"
BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY = "#0072B2", "#D55E00", "#009E73", "#AA4499", "#E69F00", "#56B4E9"
SERIES = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)  # states of a variable, or lines of a plot, in this order
MARKERS = ("o", "s", "^", "D", "v", "P")
SCREEN_DPI = 96
SHARP = 2  # stored pixels per pixel on an ordinary screen
TINT, RULE = "#cfe5f2", "#bbbbbb"  # of a cell, and of the lines around it
ON_LIGHT, ON_DARK = "#212121", "#fefefe"  # what is written on a coloured cell: the same in every theme

# What a themed picture (SVG) calls its colours, in light and in dark; black is the colour that SVG does not write down.
PAPER = "#ffffff"
THEME = {
    INK: ("ink", "#e9ecf0"),
    PAPER: ("paper", "#14171c"),
    PALE: ("pale", "#2b313a"),
    GREY: ("grey", "#9aa3af"),
    TINT: ("tint", "#1d4258"),
    RULE: ("rule", "#4b535f"),
    BLUE: ("blue", "#4aa8e0"),
    VERMILION: ("vermilion", "#f08a3c"),
    GREEN: ("green", "#35c69b"),
    PURPLE: ("purple", "#d58ccb"),
    ORANGE: ("orange", "#f2b63d"),
    SKY: ("sky", "#86cdf2"),
}
NAMED = {colour.lower(): name for colour, (name, _) in THEME.items()}
SVG_DPI = 72  # whatever the figure's own: an SVG counts in points
SVG_STYLE = {"svg.fonttype": "none", "svg.hashsalt": "bnt", "svg.image_inline": True}
FONTS = "'DejaVu Sans', Verdana, sans-serif"
LOG_TICKS = 9.7  # points, along a logarithmic axis: its exponents are written at seven tenths of that
LEGIBLE = 9  # pixels: no letter is shown smaller, on a narrow page one scrolls instead
MOST_SVG = 300_000  # characters; a picture of more is stored as PNG, on white

P = ParamSpec("P")
R = TypeVar("R")


@contextmanager
def own_style() -> Iterator[None]:
    """matplotlib as it comes, whatever a user's file or session has set."""
    with matplotlib.style.context(["default", SVG_STYLE]):
        yield


def in_own_style(function: Callable[P, R]) -> Callable[P, R]:
    """The function, drawing in ``own_style``."""

    @wraps(function)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> R:
        with own_style():
            return function(*args, **kwargs)

    return drawn


class Picture:
    """``figure`` (matplotlib), ``alt`` (one sentence) and a table: ``header`` and ``rows`` of text."""

    def __init__(self, figure: Figure, alt: str, header: Sequence[str], rows: Iterable[Sequence[object]]):
        self.figure = figure
        self.alt = alt
        self.header = tuple(header)
        self.rows = tuple(tuple(str(cell) for cell in row) for row in rows)
        for axes in figure.axes:
            for axis in (axes.xaxis, axes.yaxis):
                if axis.get_scale() == "log":
                    axis.set_tick_params(which="both", labelsize=LOG_TICKS)

    @property
    def words(self) -> str:
        """The table as plain text, columns aligned."""
        table = [self.header, *self.rows]
        widths = [max(len(row[i]) for row in table) for i in range(len(self.header))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in table]
        return "\n".join(line.rstrip() for line in lines)

    def png(self) -> bytes:
        """The figure as PNG, twice as sharp as it is shown, in at most 128 colours (small notebooks)."""
        from PIL import Image

        raw, small = io.BytesIO(), io.BytesIO()
        with own_style():
            self.figure.savefig(raw, format="png", dpi=SCREEN_DPI * SHARP, facecolor="white")
        Image.open(raw).convert("RGB").quantize(128, dither=Image.Dither.NONE).save(small, format="png", optimize=True)
        return small.getvalue()

    def svg(self) -> str:
        """The figure as an SVG of its own: real text, a light and a dark theme, coordinates to a tenth of a point."""
        raw = io.StringIO()
        with own_style(), laid_out(self.figure):
            hidden = {"Date": None, "Creator": None, "Format": None, "Type": None}
            self.figure.savefig(raw, format="svg", transparent=True, metadata=hidden)
        needless = r"(?s)<\?xml.*?\?>|<!DOCTYPE.*?>|<metadata>.*?</metadata>|<!--.*?-->|<style.*?</style>"
        text = re.sub(needless, "", raw.getvalue())
        places = r'(?s) (?:d|x|y|x1|y1|x2|y2|cx|cy|points)="[^"]*"'
        text = re.sub(places, lambda part: re.sub(r"(\d\.\d)\d+", r"\1", part[0]), text)
        text = re.sub(r"#[0-9a-f]{6}", lambda c: f"var(--{NAMED[c[0]]})" if c[0] in NAMED else c[0], text)
        text = text.replace("'DejaVu Sans'", FONTS).replace(' style="fill: none"', ' fill="none"')
        light = ";".join(f"--{name}:{colour}" for colour, (name, _) in THEME.items())
        dark = ";".join(f"--{name}:{colour}" for name, colour in THEME.values())
        themes = f"<style>svg{{{light};fill:var(--ink)}}@media(prefers-color-scheme:dark){{svg{{{dark}}}}}</style>"
        card = f'{themes}<rect width="100%" height="100%" style="fill:var(--paper)"/>'
        text = re.sub(r"(<svg [^>]*>)", lambda start: start[1] + card, text, count=1)
        return re.sub(r"\s*\n\s*", " ", re.sub(r">\s+<", "><", text)).strip()

    @property
    def width(self) -> int:
        """In pixels, as it is shown."""
        return round(self.figure.get_figwidth() * SCREEN_DPI)

    def html(self) -> str:
        """``as_html`` of the figure as an SVG that follows the theme; of more than MOST_SVG characters, as a PNG."""
        image = self.svg()
        if len(image) > MOST_SVG:
            image = "data:image/png;base64," + base64.b64encode(self.png()).decode("ascii")
        return as_html(image, self.alt, self.width, self.header, self.rows)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": self.html(), "text/plain": f"{self.alt}\n{self.words}"}

    def __repr__(self) -> str:
        return f"<Picture: {self.alt}>"


def as_html(image: str, alt: str, width: int, header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """One <img> with alt text; below it the table, folded. JupyterLab shows the first line of a folded output.

    image: an SVG, or the address of any other picture.
    """
    source = (
        image if image.startswith("data:") else "data:image/svg+xml," + quote(image, safe=" /:=();,.-_~!*@$+?[]{}|^`")
    )
    cells = [[html.escape(cell) for cell in row] for row in (header, *rows)]
    head = "".join(f'<th scope="col">{cell}</th>' for cell in cells[0])
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in cells[1:])
    style = f"max-width: 100%; min-width: {least_width(image, width)}px"
    return (
        '<!-- picture -->\n<div style="overflow-x: auto" tabindex="0">'  # what scrolls is reached by keyboard, too
        f'<img src="{source}" alt="{html.escape(alt)}" width="{width}" style="{style}"></div>\n'
        f"<details><summary>The picture as a table</summary>\n"
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></details>"
    )


def least_width(svg: str, width: int) -> int:
    """Down to which width in pixels a picture may shrink before its smallest letters are below LEGIBLE pixels."""
    sizes = [float(size) for size in re.findall(r"font-size: ([\d.]+)px", svg)]
    smallest = min(sizes, default=math.inf) * SCREEN_DPI / 72  # SVG counts in points
    return math.ceil(min(1.0, LEGIBLE / smallest) * width)


@contextmanager
def laid_out(figure: Figure) -> Iterator[None]:
    """Everything in its place, as an SVG measures it, and no layout meanwhile: with one, each saving draws twice."""
    layout, canvas, dpi = figure.get_layout_engine(), figure.canvas, figure.dpi
    if layout is None:
        yield
        return
    try:
        figure.set_canvas(FigureCanvasSVG(figure))
        figure.dpi = SVG_DPI
        layout.execute(figure)
        figure.dpi = dpi
        figure.set_layout_engine(None)
        yield
    finally:
        figure.dpi = dpi
        figure.set_layout_engine(layout)
        figure.set_canvas(canvas)


def blank(width: float, height: float) -> tuple[Figure, Axes]:
    """An empty figure of this size in inches, whose axes measure inches too and show no frame."""
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(0, height)
    axes.axis("off")
    return figure, axes


def chart(width: float, height: float, rows: int = 1, ratios: Sequence[float] = (1,)) -> tuple[Figure, list[Axes]]:
    """A figure with ``rows`` charts above one another, sharing the x axis; no top and right frame."""
    figure = Figure(figsize=(width, height), layout="constrained")
    grid = figure.subplots(rows, 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": ratios})
    for axes in grid[:, 0]:
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=9, colors=INK)
    return figure, list(grid[:, 0])


def entitle(axes: Axes, title: str, **look: Any) -> None:
    """A title at the left, once the limits are set, above axes without marks on top.

    With nothing else there, its place is known: matplotlib, unless told, measures all marks for it at every step. What
    may be there is the power of ten of the heights.
    """
    heights = axes.yaxis.get_major_formatter()
    heights.set_locs(axes.get_yticks().tolist())
    axes.set_title(title, loc="left", y=None if heights.get_offset() else 1.0, **{"fontsize": 11, **look})


def number(x: float, digits: int = 3) -> str:
    """``x`` rounded, as text; never "-0.000"."""
    return f"{round(float(x), digits) + 0.0:.{digits}f}"


def short(p: float) -> str:
    """A probability in two decimals without the leading zero: ".58"; "0" and "1" only when they are exact."""
    if p in (0.0, 1.0):
        return f"{p:.0f}"
    text = f"{p:.2f}"
    return {"0.00": "<.01", "1.00": ">.99"}.get(text, text.removeprefix("0"))
