"""Draws the frames of the lessons' widgets ahead:  python experiments/widget_frames.py [LESSON.ipynb ...]

Runs those cells of each lesson (none named: of all) that its widgets need, writes one file per widget into
bnt/data/frames, under its key (bnt/widgets/frames.py), and notes in index.json whose it is and which code drew it.
Needed after a change of figures/, of a widget, or of a lesson. Where the code has changed but SAMPLE pictures drawn
anew are the stored ones, the stored frames stay. --prune removes what no lesson uses any more; --check draws nothing
and says in a second which lessons are out of date.
"""

import argparse
import contextlib
import io
import itertools
import json
import math
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

import matplotlib

from bnt.widgets import frames
from bnt.widgets.explorer import Explorer
from bnt.widgets.frames import FOLDER, State, code_of, pack, unpack

COURSE = Path(__file__).resolve().parent.parent / "course"
COMMAND = "python experiments/widget_frames.py"
MOST = 100  # frames of a widget; the rest is drawn by the kernel, or is not on a page without one
SAMPLE = 4


def explorers(lesson: Path) -> list[tuple[str, Explorer]]:
    """(cell, widget) of a lesson, after the cells that they need have run in the lesson's own folder."""
    made: list[tuple[str, Explorer]] = []
    begin, here = Explorer.__init__, [""]

    def remember(self: Explorer, *given: Any) -> None:
        begin(self, *given)
        made.append((here[0], self))

    cells = [cell for cell in json.loads(lesson.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    sources = {cell["id"]: "".join(cell["source"]) for cell in cells}
    tagged = {cell["id"] for cell in cells if "nbval-ignore-output" in cell["metadata"].get("tags", ())}
    space: dict[str, Any] = {"__name__": "__main__"}
    Explorer.__init__ = remember  # type: ignore[method-assign]
    try:
        with contextlib.chdir(lesson.parent), contextlib.redirect_stdout(io.StringIO()):
            for name in needed(sources, {name for name in tagged if "widgets." in sources[name]}):
                here[0] = name
                exec(compile(sources[name], name, "exec"), space)
    finally:
        Explorer.__init__ = begin  # type: ignore[method-assign]
    return made


def needed(sources: dict[str, str], wanted: set[str]) -> list[str]:
    """Those of the cells (id: code, in order) that ``wanted`` need, and themselves: each name is bound in one cell."""
    if str(COURSE.parent) not in sys.path:
        sys.path.append(str(COURSE.parent))
    from tests.run_again import names_of

    found: list[str] = []
    names: set[str] = set()
    for name, source in reversed(sources.items()):
        cell = names_of(source)
        if name in wanted or names & (cell.binds | cell.changes):
            found.append(name)
            names |= cell.reads | cell.reads_later
    return found[::-1]


def states_to_draw(explorer: Explorer, most: int = MOST) -> list[State]:
    """All states if they are few; else a grid of fewer steps of each slider; else those near the first state.

    A slider loses every other step, the longest slider first, but never its ends nor where it begins. Where buttons
    alone are too many: all states that differ from the first in at most two controls.
    """
    grids = [list(range(len(scale.values))) for scale in explorer.scales.values()]
    sliders = {i for i, scale in enumerate(explorer.scales.values()) if scale.kind == "slider"}
    while math.prod(map(len, grids)) > most and sliders:
        longest = max(sliders, key=lambda i: len(grids[i]))
        kept = {grids[longest][0], grids[longest][-1], explorer.at[longest]}
        fewer = [k for j, k in enumerate(grids[longest]) if j % 2 == 0 or k in kept]
        if len(grids[longest]) <= 3 or len(fewer) == len(grids[longest]):
            sliders.remove(longest)  # its ends and where it begins are all that is left, or lie between the others
        else:
            grids[longest] = fewer
    if math.prod(map(len, grids)) <= most * 1.3:
        return sorted(itertools.product(*grids))
    at = explorer.at
    near = {at}
    for _ in range(2):
        near |= {(*state[:i], k, *state[i + 1 :]) for state in near for i, grid in enumerate(grids) for k in grid}
    return sorted(near)


def stale(index: dict[str, dict[str, Any]]) -> list[str]:
    """One line per widget whose frames other code drew."""
    return [
        f"{entry['lesson']} {entry['cell']}: drawn by other code; run {COMMAND} course/{entry['lesson']}.ipynb"
        for entry in index.values()
        if entry["code"] != code_of(entry["draws"])
    ]


def as_stored(explorer: Explorer, path: Path, states: list[State]) -> int:
    """How many frames are stored, if these states are among them and SAMPLE of them as they are drawn now; else 0."""
    if not path.exists():
        return 0
    stored = unpack(path.read_bytes())
    some = random.Random(path.name).sample(states, min(SAMPLE, len(states)))
    alike = stored.keys() >= set(states) and all(explorer.frame(state) == stored[state] for state in some)
    return len(stored) if alike else 0


def release() -> str:
    """The release of matplotlib, 3.11 of 3.11.2: another one may place words and marks a little differently."""
    return ".".join(matplotlib.__version__.split(".")[:2])


def refresh(lesson: Path, index: dict[str, dict[str, Any]]) -> set[str]:
    """Draw what a lesson lacks; the keys of its widgets."""
    keys = set()
    for cell, explorer in explorers(lesson.resolve()):
        key, begin = explorer.key, time.perf_counter()
        if key is None:
            print(f"{lesson.stem} {cell}: no key, the kernel draws")
            continue
        keys.add(key)
        path, states, module = FOLDER / f"{key}.json.gz", states_to_draw(explorer), explorer.draw.__module__
        of = math.prod(len(scale.values) for scale in explorer.scales.values())
        entry = {"lesson": lesson.stem, "cell": cell, "draws": module, "code": code_of(module), "of": of}
        done = "there already"
        if not path.exists() or {**index.get(key, {}), **entry} != index.get(key):
            done, count = "still as they were", as_stored(explorer, path, states)
            if not count:
                path.write_bytes(pack({state: explorer.frame(state) for state in states}))
                done, count = "drawn", len(states)
            index[key] = {**entry, "frames": count, "matplotlib": release()}
            write({**frames.index(), key: index[key]})  # as it is now: another lesson may be drawn beside this one
        size, took = path.stat().st_size / 1000, time.perf_counter() - begin
        print(f"{lesson.stem} {cell}: {index[key]['frames']} of {of}, {size:.0f} kB, {done}, {took:.0f} s", flush=True)
    return keys


def write(index: dict[str, dict[str, Any]]) -> None:
    lines = [f" {json.dumps(key)}: {json.dumps(index[key])}" for key in sorted(index)]
    (FOLDER / "index.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("lessons", nargs="*", type=Path, default=sorted(COURSE.glob("*.ipynb")))
    parser.add_argument("--prune", action="store_true")
    parser.add_argument("--check", action="store_true")
    asked = parser.parse_args()
    index = frames.index()
    if asked.check:
        late = stale(index)
        sys.exit("\n".join(late) if late else 0)
    os.environ.setdefault("MPLBACKEND", "agg")
    FOLDER.mkdir(exist_ok=True)
    used = set().union(*(refresh(lesson, index) for lesson in asked.lessons))
    names = {lesson.stem for lesson in asked.lessons}
    index = frames.index()
    if asked.prune:
        for key in [key for key, entry in index.items() if entry["lesson"] in names and key not in used]:
            del index[key]
        write(index)
        for path in FOLDER.glob("*.json.gz"):
            if path.name.removesuffix(".json.gz") not in index:
                path.unlink()


if __name__ == "__main__":
    main()
