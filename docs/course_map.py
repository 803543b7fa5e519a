"""Draws course/map.png, the map in course/README.md:  python docs/course_map.py

Titles, minutes and arrows are read from the lessons: an arrow leads from each lesson that *You need* names, unless
another way already leads there. A new lesson needs a place in PLACES. Prints the alt text for course/README.md.
"""

import json
import re
from itertools import groupby
from pathlib import Path
from textwrap import fill
from typing import NamedTuple

import networkx as nx
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch, Patch

from bnt.figures.drawing import Look, draw_arc
from bnt.figures.picture import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, VERMILION, Picture, blank

COURSE = Path(__file__).resolve().parent.parent / "course"
OUT = COURSE / "map.png"  # with the lessons, so that the bundle for a class has it
PARTS = {
    "start": GREY,
    "Bayesian networks": BLUE,
    "transformers": VERMILION,
    "one as the other": GREEN,
    "learned": PURPLE,
    "beyond": ORANGE,
}
PLACES = {  # number: part, column, row from above, what it is about
    "00": ("start", 1, 0, "everything runs"),
    "01": ("Bayesian networks", 0, 1, "when beliefs may be added"),
    "02": ("Bayesian networks", 1, 1, "tables, evidence, zeros"),
    "03": ("Bayesian networks", 1, 2, "exact, from neighbours"),
    "04": ("Bayesian networks", 0, 4, "when not to trust it"),
    "05": ("transformers", 2, 2, "written from nothing"),
    "06": ("transformers", 2, 3, "reading exactly one token"),
    "07": ("transformers", 1, 4, "why softplus"),
    "08": ("one as the other", 1, 5, "from a network to weights"),
    "08b": ("one as the other", 1, 6, "any tables, and exactness"),
    "09": ("one as the other", 0, 7, "from weights to a network"),
    "10": ("one as the other", 2, 7, "which slogans are true"),
    "11": ("one as the other", 0, 8, "why, and what is made up"),
    "12": ("one as the other", 2, 8, "time, tapes, and depth"),
    "13": ("learned", 1, 9, "what descent finds"),
    "14": ("learned", 1, 10, "in known weather"),
    "15": ("learned", 2, 11, "what a probe may claim"),
    "16": ("beyond", 0, 6, "is there better?"),
    "17": ("beyond", 2, 6, "mixtures, and turns"),
    "18": ("beyond", 2, 9, "filter, imagine, wish"),
    "19": ("beyond", 1, 11, "72 heads, and no graph"),
    "20": ("beyond", 0, 12, "yours, from data to a record"),
}
COLUMN, ROW, WIDTH, HEIGHT = 2.6, 1.06, 2.3, 0.68  # inches


class Lesson(NamedTuple):
    """What the first cell of a lesson says about it."""

    title: str
    minutes: int
    needs: tuple[str, ...]  # numbers of lessons


def read_lessons() -> dict[str, Lesson]:
    """All lessons of the course by number, in order."""
    lessons = {}
    for path in sorted(COURSE.glob("*.ipynb")):
        text = "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"])
        number, title = re.findall(r"^# (\d\db?) · (.*)$", text, re.MULTILINE)[0]
        (minutes,) = re.findall(r"\*\*Time\*\* \| about (\d+) minutes", text)
        (needs,) = re.findall(r"\*\*You need\*\* \| (.*)", text)
        lessons[number] = Lesson(title, int(minutes), tuple(re.findall(r"\[(\d\db?)\]", needs)))
    return lessons


def arrows(lessons: dict[str, Lesson]) -> list[tuple[str, str]]:
    """(before, after) for each prerequisite that does not follow from others."""
    needs = nx.DiGraph([(before, after) for after, lesson in lessons.items() for before in lesson.needs])
    return sorted(nx.transitive_reduction(needs).edges)


def course_map() -> Picture:
    lessons = read_lessons()
    edges = arrows(lessons)
    rows = 1 + max(row for _, _, row, _ in PLACES.values())
    figure, axes = blank(3 * COLUMN + 0.2, rows * ROW + 0.6)
    height = figure.get_figheight()
    centres = {n: ((c + 0.5) * COLUMN + 0.1, height - (r + 0.5) * ROW) for n, (_, c, r, _) in PLACES.items()}
    for before, after in edges:
        draw_arc(axes, centres[before], centres[after], HEIGHT)
    for n, lesson in lessons.items():
        part, _, _, about = PLACES[n]
        draw_box(axes, centres[n], WIDTH, PARTS[part], f"{n} · {lesson.title}", f"{about} · {lesson.minutes} min")
    axes.legend(
        [Patch(facecolor=colour, alpha=0.3, edgecolor=colour) for colour in PARTS.values()],
        [f"{part}: {lessons_of(part)}" for part in PARTS],
        loc="lower center",
        ncols=len(PARTS) // 2,
        fontsize=8.5,
        frameon=False,
        borderaxespad=0.1,
        columnspacing=1.2,
        handlelength=1.5,
    )
    ways = [f"{b} to {' and '.join(a for _, a in group)}" for b, group in groupby(edges, key=lambda edge: edge[0])]
    alt = f"Map of the course: an arrow from {', '.join(ways)}."
    table = [(n, lesson.title, lesson.minutes, " ".join(lesson.needs)) for n, lesson in lessons.items()]
    return Picture(figure, alt, ("lesson", "title", "minutes", "you need"), table)


def lessons_of(part: str) -> str:
    """The numbers of a part, as the legend says them beside the colour."""
    numbers = [n for n, (own, *_) in PLACES.items() if own == part]
    return "–".join(dict.fromkeys((numbers[0], numbers[-1])))


def draw_box(axes: Axes, at: tuple[float, float], width: float, colour: str, name: str, about: str) -> None:
    """A lesson."""
    corner = at[0] - width / 2, at[1] - HEIGHT / 2
    shape = "round,pad=0,rounding_size=0.1"
    axes.add_patch(FancyBboxPatch(corner, width, HEIGHT, boxstyle=shape, fc="white", ec="none", zorder=3))
    axes.add_patch(FancyBboxPatch(corner, width, HEIGHT, boxstyle=shape, fc=colour, alpha=0.16, ec="none", zorder=4))
    axes.add_patch(FancyBboxPatch(corner, width, HEIGHT, boxstyle=shape, fc="none", ec=colour, lw=1.4, zorder=5))
    text: Look = {"color": INK, "ha": "center", "va": "center", "zorder": 6}
    axes.text(at[0], at[1] + 0.1, fill(name, 30), fontsize=9.5, linespacing=1.1, **text)
    axes.text(at[0], at[1] - 0.2, about, fontsize=8.5, **text)


if __name__ == "__main__":
    picture = course_map()
    OUT.write_bytes(picture.png())
    print(picture.alt)
    print(picture.words)
