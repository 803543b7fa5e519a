"""The map of the course as a picture whose boxes are links, and as a list where the screen is narrow."""

from __future__ import annotations

import html
import importlib.util
from pathlib import Path
from textwrap import wrap
from types import ModuleType

WIDE, HIGH, COLUMN, ROW = 250, 62, 280, 88


def course_map(repo: Path) -> ModuleType:
    """docs/course_map.py: titles, needs and places are read and written there alone."""
    spec = importlib.util.spec_from_file_location("course_map", repo / "docs" / "course_map.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def map_of_lessons(repo: Path) -> str:
    """SVG and list, in HTML."""
    drawn = course_map(repo)
    lessons = drawn.read_lessons()
    stems = {path.stem.split("_")[0]: path.stem for path in sorted((repo / "course").glob("*.ipynb"))}
    colours = {part: f"bnt-part-{i}" for i, part in enumerate(drawn.PARTS)}
    top = {number: (8 + COLUMN * place[1], 8 + ROW * place[2]) for number, place in drawn.PLACES.items()}
    rows = 1 + max(place[2] for place in drawn.PLACES.values())
    arrows, boxes, items = [], [], []
    for before, after in drawn.arrows(lessons):
        (x0, y0), (x1, y1) = top[before], top[after]
        a, b, c, d = x0 + WIDE / 2, y0 + HIGH, x1 + WIDE / 2, y1 - 3
        bend = (d - b) / 2
        arrows.append(f'<path d="M{a} {b}C{a} {b + bend} {c} {d - bend} {c} {d}" marker-end="url(#bnt-arrow)"/>')
    for number, lesson in lessons.items():
        part, _, _, about = drawn.PLACES[number]
        x, y = top[number]
        title = wrap(f"{number} · {lesson.title}", 28)[:2]
        words = [f'<text x="{x + 11}" y="{y + 20 + 15 * i}">{html.escape(t)}</text>' for i, t in enumerate(title)]
        texts = "".join(words)
        low = y + 20 + 15 * len(title)
        texts += f'<text class="bnt-about" x="{x + 11}" y="{low}">{html.escape(about)}</text>'
        boxes.append(
            f'<a href="course/{stems[number]}.html" class="{colours[part]}"><rect x="{x}" y="{y}" width="{WIDE}" '
            f'height="{HIGH}" rx="8"/>{texts}</a>'
        )
        items.append(
            f'<li class="{colours[part]}"><a href="course/{stems[number]}.html">{number} · {html.escape(lesson.title)}'
            f"</a> {html.escape(about)}, {lesson.minutes} minutes</li>"
        )
    key = "".join(f'<span class="{colour}">{part}</span>' for part, colour in colours.items())
    tip = '<marker id="bnt-arrow" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    return (
        f'<nav class="bnt-map" aria-label="Map of the lessons"><div class="bnt-key">{key}</div>'
        f'<svg viewBox="0 0 {3 * COLUMN - 14} {rows * ROW - 10}"><defs>{tip}<path d="M0 0L8 4L0 8z"/></marker></defs>'
        f'<g class="bnt-arrows">{"".join(arrows)}</g>{"".join(boxes)}</svg><ol>{"".join(items)}</ol></nav>'
    )
