"""How fast widgets answer:  python -m tests.browser.latency [LESSON.ipynb ...] [--out docs/widget_latency.md]

For every widget of the lessons (all, unless some are named): milliseconds from a move of a control to the new picture,
decoded and painted, in the system's Chromium; on a static page without a kernel, where only shipped frames can be
chosen, and in JupyterLab, where the kernel draws what does not ship. With --out the rows of these lessons take the
place of those that the file had.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.browser.lab import Notebook, browser, serve

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

COURSE = Path(__file__).resolve().parents[2] / "course"
MEDIAN, LATE = 50, 120  # milliseconds
MOVES = 40

# Move as a key does, through the states that are there already, back and forth along one control after another.
TIMED = """async ([root, moves]) => {
    const wait = (ms) => new Promise((done) => setTimeout(done, ms)), paint = () => new Promise(requestAnimationFrame);
    const times = [], image = root.querySelector("img");
    const frames = window.bntHub.kept[root.dataset.bnt].frames;
    const ways = [...root.querySelectorAll("input[type=range], .bnt-choices")].map((control) => {
        const radios = [...control.querySelectorAll("input")], range = control.type === "range";
        const now = () => range ? Number(control.value) : radios.findIndex((radio) => radio.checked);
        const go = (k) => {
            if (range) control.value = k; else radios[k].checked = true;
            (range ? control : radios[k]).dispatchEvent(new Event("input"));
        };
        return { now, go, last: range ? Number(control.max) : radios.length - 1 };
    }).filter((way) => way.last > 0);
    for (let i = 0, up = 1; i < moves && root.isConnected; i++) { // at rest the notebook's output takes its place
        const way = ways[Math.floor(i / 5) % ways.length], old = image.src;
        if (way.now() + up > way.last || way.now() + up < 0) up = -up;
        const there = new Set(frames.keys()), shown = root.getAttribute("data-shown"), begin = performance.now();
        way.go(way.now() + up);
        while (image.src === old && performance.now() - begin < 3000) await paint();
        if (image.src === old) { // the same picture of another state, or no frame: with a kernel, not within 3 seconds
            const still = root.isConnected && root.getAttribute("data-shown") === shown;
            const asked = still && window.bntHub.lines[root.dataset.bnt];
            if (asked) times.push([3000, false]);
            up = -up;
            continue;
        }
        await image.decode();
        await paint();
        times.push([performance.now() - begin, there.has(root.getAttribute("data-shown"))]);
        await wait(60);
    }
    return times;
}"""


class Speed(NamedTuple):
    """Milliseconds of the moves of one widget, ascending, and the load meanwhile: how many wanted a core."""

    widget: str
    where: str
    times: list[float]
    load: float = 0.0

    @property
    def median(self) -> float:
        return statistics.median(self.times)

    @property
    def late(self) -> float:
        return self.times[int(0.95 * len(self.times))]

    @property
    def row(self) -> str:
        within = "yes" if self.median < MEDIAN and self.late < LATE else "no"
        cells = (self.widget, self.where, str(len(self.times)), f"{self.median:.0f}", f"{self.late:.0f}", within)
        cells = (*cells, f"{self.load:.0f}")
        return f"| {' | '.join(cells)} |"


def measure(page: Page, where: str, names: list[str], moves: int = MOVES) -> list[Speed]:
    """Every explorer of a page, in order."""
    roots = page.locator(".bnt-explorer").all()
    found = []
    for name, root in zip(names, roots, strict=True):
        root.scroll_into_view_if_needed()
        timed = page.evaluate(TIMED, [root.element_handle(), moves])
        for place, there in ((where, True), (f"{where}, drawn by the kernel", False)):
            if times := sorted(ms for ms, was_there in timed if was_there == there):
                found.append(Speed(name, place, times, os.getloadavg()[0]))
                print(found[-1].row, flush=True)
    return found


def stored(lesson: Path) -> dict[str, str]:
    """The stored HTML of each living widget of a lesson, by cell."""
    cells = json.loads(lesson.read_text(encoding="utf-8"))["cells"]
    pages = {
        cell["id"]: "".join("".join(output.get("data", {}).get("text/html", "")) for output in cell.get("outputs", ()))
        for cell in cells
    }
    return {cell: page for cell, page in pages.items() if "mountExplorer(root" in page}


def on_a_static_page(chromium: Browser, lesson: Path, folder: Path) -> list[Speed]:
    widgets = stored(lesson)
    path = folder / f"{lesson.stem}.html"
    path.write_text("<!doctype html><meta charset='utf-8'><title>x</title><body>" + "".join(widgets.values()))
    page = chromium.new_page(viewport={"width": 1200, "height": 900})
    page.goto(path.as_uri())
    page.wait_for_timeout(1500)
    found = measure(page, "static page", [f"{lesson.stem[:3].strip('_')} {cell}" for cell in widgets])
    page.close()
    return found


def in_jupyterlab(chromium: Browser, url: str, lesson: Path) -> list[Speed]:
    notebook = Notebook.open(chromium, url, lesson.name)
    notebook.run()
    count = notebook.page.locator(".bnt-explorer").count()
    names = list(stored(lesson)) if count == len(stored(lesson)) else [f"widget {i + 1}" for i in range(count)]
    found = measure(notebook.page, "JupyterLab", [f"{lesson.stem[:3].strip('_')} {name}" for name in names])
    notebook.close()
    return found


HEADER = """| widget | where | moves | median, ms | 95th percentile, ms | within the bars | load |
|---|---|---|---|---|---|---|"""


def record(rows: list[str]) -> str:
    """What was measured, how many are within the bars, and a row per widget and place."""
    counts = []
    for where in ("static page", "JupyterLab"):
        own = [row for row in rows if f"| {where} |" in row]
        counts.append(f"{where}: {sum('| yes |' in row for row in own)} of {len(own)} widgets within both bars")
    return f"""# How fast the widgets answer

From a move of a control to the new picture, decoded and painted, in Chromium: `python -m tests.browser.latency`.
The bars are a median of {MEDIAN} ms and a 95th percentile of {LATE} ms, for moves to frames that come with the output;
what the kernel draws on demand has rows of its own, in which 3000 stands for three seconds or longer. *Load* is how
many processes wanted one of the {os.cpu_count()} cores at that time (mean of a minute); where it is larger than
that, the milliseconds are upper bounds.

{"; ".join(counts)}.

{HEADER}
{chr(10).join(sorted(rows))}
"""


def kept(path: Path, found: list[Speed]) -> list[str]:
    """Rows of the file that this run did not measure again."""
    rows = re.findall(r"(?m)^\| \d\d.*$", path.read_text(encoding="utf-8")) if path.exists() else []
    again = {f"| {speed.widget} | {speed.where} |" for speed in found}
    return [row for row in rows if not any(row.startswith(start) for start in again)]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("lessons", nargs="*", type=Path, default=sorted(COURSE.glob("*.ipynb")))
    parser.add_argument("--static", action="store_true", help="the static page only")
    parser.add_argument("--lab", action="store_true", help="JupyterLab only")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    print(HEADER)
    with tempfile.TemporaryDirectory() as own, browser() as chromium:
        copy = Path(own, "course")
        shutil.copytree(COURSE, copy)
        for lesson in () if asked.lab else asked.lessons:
            note(on_a_static_page(chromium, lesson, Path(own)), asked.out)
        if not asked.static:
            with serve(copy) as url:
                for lesson in asked.lessons:
                    note(in_jupyterlab(chromium, url, lesson), asked.out)


def note(found: list[Speed], out: Path | None) -> None:
    if out:
        out.write_text(record([*kept(out, found), *(speed.row for speed in found)]), encoding="utf-8")


if __name__ == "__main__":
    main()
