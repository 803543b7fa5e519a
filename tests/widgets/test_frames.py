"""Frames: packed without loss, found again by code and arguments alone, and not found where anything differs."""

import gc
import hashlib
import itertools
import json
import math
import os
import random
import re
import runpy
import shutil
import weakref
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

import bnt
from bnt import widgets
from bnt.errors import BntError
from bnt.figures.picture import Picture
from bnt.graph.networks import load_graph, random_tree
from bnt.graph.networks import shipped as shipped_network
from bnt.widgets import frames
from bnt.widgets.explorer import Explorer, dial
from tests.every import EVERY

REPO = Path(__file__).resolve().parents[2]
TOOL = runpy.run_path(str(REPO / "experiments/widget_frames.py"))


def test_packing_loses_nothing() -> None:
    explorer = widgets.gate_explorer()
    drawn = {(i, 10): explorer.frame((i, 10)) for i in range(3)} | {(7, 0): {"error": "no <picture> here"}}
    data = frames.pack(drawn)
    assert frames.unpack(data) == drawn
    assert data == frames.pack(dict(reversed(drawn.items())))
    assert len(data) < sum(len(json.dumps(frame)) for frame in drawn.values()) / 4


def test_no_garbage_is_searched_for_while_a_frame_is_drawn() -> None:
    """After it, also after an error, the search is on or off as it was before."""
    on = []

    def draw(fails: bool) -> Picture:
        on.append(gc.isenabled())
        if fails:
            raise BntError("no")
        return widgets.power_picture(0.5, 1.0)

    try:
        for fails, before in itertools.product([True, False], [True, False]):
            (gc.enable if before else gc.disable)()
            frames.draw_frame(draw, {"fails": fails})
            assert gc.isenabled() == before
    finally:
        gc.enable()
    assert on == [False] * 4


def test_a_figure_is_gone_with_the_youngest_garbage() -> None:
    made: list[weakref.ref[Figure]] = []

    def draw() -> Picture:
        picture = widgets.power_picture(0.5, 1.0)
        made.append(weakref.ref(picture.figure))
        return picture

    frames.draw_frame(draw, {})
    gc.collect(0)
    assert made[0]() is None


def test_every_part_counts_also_of_what_is_made_while_looking() -> None:
    """Lists of defaults are made and thrown away one after the other, often at one place in memory."""

    def sum_of(*defaults: int) -> str:
        functions = []
        for default in defaults:

            def function(number: int = default) -> int:
                return number

            functions.append(function)
        sums = hashlib.sha256()
        frames._take(functions, sums.update, {})
        return sums.hexdigest()

    assert sum_of(1, 2, 3) == sum_of(1, 2, 3)
    assert len({sum_of(1, 2, last) for last in range(20)}) == 20


def test_a_key_is_the_same_before_and_after_a_kernel_was_called() -> None:
    explorer = widgets.round_slider(bnt.run_bp(random_tree(5, seed=1), rounds=4, keep_history=True))
    before = explorer.key
    assert before is not None
    for seed in range(3):
        bnt.run_bp(random_tree(6, seed=seed), rounds=3, keep_history=True).messages  # noqa: B018, made at this moment
    assert explorer.key == before
    assert widgets.round_slider(bnt.run_bp(random_tree(5, seed=1), rounds=4, keep_history=True)).key == before


def test_the_same_arguments_have_the_same_key_and_others_another() -> None:
    def key(seed: int, rounds: int) -> str | None:
        return widgets.round_slider(bnt.run_bp(random_tree(5, seed=seed), rounds=rounds, keep_history=True)).key

    assert key(1, 4) is not None
    assert key(1, 4) == key(1, 4)
    assert len({key(1, 4), key(2, 4), key(1, 5)}) == 3
    codes = {"a": np.eye(3, 2)}
    assert widgets.routing_explorer(codes).key != widgets.routing_explorer({"a": 2 * np.eye(3, 2)}).key


def test_using_a_result_does_not_change_its_key() -> None:
    result = bnt.run_bp(random_tree(5, seed=1), keep_history=True)
    before = widgets.round_slider(result).key
    result.beliefs["x0"]
    widgets.round_slider(result).frame((1,))
    assert widgets.round_slider(result).key == before


def test_questions_to_a_graph_do_not_change_the_keys_of_its_widgets() -> None:
    """Fresh graphs, and graphs that were compiled, verified, run and enumerated before: lessons do that in between."""
    before, after = load_graph("asia"), load_graph("asia")
    bnt.run_bp(after)
    bnt.exact_marginals(after)
    model = bnt.compile_graph(after, {"dysp": "yes"})
    bnt.verify_model(model)
    model.layout.token(("sink",))
    assert widgets.growing_tree_slider(before).key == widgets.growing_tree_slider(after).key
    fresh = bnt.compile_graph(before, {"dysp": "yes"})
    assert widgets.sublayer_slider(fresh).key == widgets.sublayer_slider(model).key


def test_other_choices_have_another_key() -> None:
    other = Explorer(widgets.between_picture, {"q": dial("second belief q", 0.05, 0.9, 0.05, 0.4)})
    assert other.key != widgets.between_explorer().key


def test_what_a_learner_writes_has_no_key() -> None:
    explorer = Explorer(lambda q: widgets.between_picture(q), {"q": dial("q", 0.1, 0.9, 0.1, 0.4)})
    assert explorer.key is None
    assert explorer.packed() is None


def ship(explorer: Explorer, folder: Path, code: str) -> None:
    (folder / f"{explorer.key}.json.gz").write_bytes(frames.pack({(0,): explorer.frame((0,))}))
    (folder / "index.json").write_text(json.dumps({explorer.key: {"code": code}}))


def test_frames_come_with_the_output_unless_other_code_drew_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(frames, "FOLDER", tmp_path)
    explorer = widgets.between_explorer()
    assert '"packed":null' in explorer.html()
    ship(explorer, tmp_path, frames.code_of("bnt.widgets.knowledge"))
    assert '"packed":"H4sI' in widgets.between_explorer().html()
    ship(explorer, tmp_path, frames.code_of("bnt.widgets.sequences"))
    assert '"packed":null' in widgets.between_explorer().html()


def test_the_code_of_a_widget_is_its_file_and_the_figures_it_needs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """knowledge.py draws with charts, not with sequences: only a change of the first is one of its code."""
    shutil.copytree(frames.ROOT / "bnt/figures", tmp_path / "bnt/figures")
    shutil.copytree(frames.ROOT / "bnt/widgets", tmp_path / "bnt/widgets")
    shipped = frames.code_of("bnt.widgets.knowledge")
    monkeypatch.setattr(frames, "ROOT", tmp_path)

    def now() -> str:
        frames.code_of.cache_clear()
        return frames.code_of("bnt.widgets.knowledge")

    assert now() == shipped
    for file, changes in [("figures/sequences", False), ("figures/charts", True), ("widgets/knowledge", True)]:
        path, before = tmp_path / f"bnt/{file}.py", now()
        path.write_text(path.read_text() + "# somebody was here\n")
        assert (now() != before) == changes, file
    frames.code_of.cache_clear()


# --- what ships -------------------------------------------------------------------------------------------------------

INDEX = frames.index()
MOST_BYTES = 1_500_000  # of all frames together
COMMAND = "python experiments/widget_frames.py"
SEED = random.randrange(10**6) if "BNT_SEARCH" in os.environ else 0  # whose frames are looked at, as in conftest.py


def test_shipped_frames_are_of_this_code_and_not_too_large() -> None:
    late = [f"course/{e['lesson']}.ipynb" for e in INDEX.values() if e["code"] != frames.code_of(e["draws"])]
    assert not late, f"run {COMMAND} {' '.join(sorted(set(late)))}"
    files = {path.name.removesuffix(".json.gz") for path in frames.FOLDER.glob("*.json.gz")}
    assert files == set(INDEX), f"run {COMMAND} --prune"
    assert sum(path.stat().st_size for path in frames.FOLDER.glob("*")) <= MOST_BYTES


def test_thinning_ends_where_no_slider_can_lose_a_step() -> None:
    """Four steps of which the second is where it begins: none may go."""
    second = {"abc"[i]: dial("abc"[i], 0.0, 3.0, 1.0, 1.0) for i in range(3)}
    assert len(TOOL["states_to_draw"](Explorer(lambda a, b, c: None, second), 10)) == 1 + 3 * 3 + 3 * 9
    damping = widgets.damping_explorer()
    assert damping.at in (drawn := TOOL["states_to_draw"](damping, 100))
    assert len(drawn) <= 130


def test_only_what_a_widget_needs_is_run() -> None:
    cells = {
        "imports": "import numpy as np\nfrom bnt import widgets",
        "table": "table = np.eye(2)",
        "fill": "table[0] = 2",
        "slow": "other = slow(table)",
        "function": "def draw(x):\n    return table @ x",
        "widget": "widgets.show(draw)",
        "later": "print(draw(1))",
    }
    assert TOOL["needed"](cells, {"widget"}) == ["imports", "table", "fill", "function", "widget"]
    assert TOOL["needed"](cells, set()) == []


def test_states_are_thinned_by_control() -> None:
    gate, asia = widgets.gate_explorer(), widgets.loopy_panel(shipped_network("asia").parents, load_graph("asia"))
    sizes = [len(scale.values) for scale in gate.scales.values()]
    assert len(TOOL["states_to_draw"](gate, 1000)) == math.prod(sizes)
    few = TOOL["states_to_draw"](gate, 40)
    grids = [sorted({state[i] for state in few}) for i in range(2)]
    assert few == sorted(itertools.product(*grids))
    assert len(few) <= 40
    assert gate.at in few
    assert all(grid[0] == 0 and grid[-1] == size - 1 for grid, size in zip(grids, sizes, strict=True))
    near = TOOL["states_to_draw"](asia, 100)
    assert len(near) == len(set(near)) == 1 + 8 * 2 + 28 * 4
    assert all(sum(k != 0 for k in state) <= 2 for state in near)


def same(drawn: frames.Frame, stored: frames.Frame, release: str) -> None:
    """Texts exactly; coordinates within the tenth of a point they are rounded to, by the matplotlib that drew them.

    A number of a table that lies halfway between two roundings may fall either way: its last bit hangs on the route. So
    do all digits of what would be zero but for rounding.
    """
    drawn, stored = (json.loads(NEXT_TO_NOTHING.sub("0", json.dumps(frame))) for frame in (drawn, stored))
    for key in ("alt", "header", "width", "error", "printed"):
        assert drawn.get(key) == stored.get(key)
    cells, others = (list(itertools.chain(*frame.get("rows", []))) for frame in (drawn, stored))
    assert [(a, b) for a, b in zip(cells, others, strict=True) if a != b and not neighbours(a, b)] == []
    written = re.compile(r">([^<]+)<")
    assert written.findall(drawn.get("svg", "")) == written.findall(stored.get("svg", ""))
    if release != TOOL["release"]():
        return
    paths, others = (re.findall(r' d="([^"]*)"', frame.get("svg", "")) for frame in (drawn, stored))
    assert len(paths) == len(others)
    assert [(a, b) for a, b in zip(paths, others, strict=True) if not (alike(a, b) or begun_elsewhere(a, b))] == []
    one, other = (re.sub(r"\b[mp][0-9a-f]{10}\b", "id", frame.get("svg", "")) for frame in (drawn, stored))
    assert alike(*(re.sub(r' d="[^"]*"', "", svg) for svg in (one, other)))


NEXT_TO_NOTHING = re.compile(r"\b(0\.0e\+00|\d(\.\d+)?e-(1[6-9]|[2-9]\d))\b")
PLACE = re.compile(r"(?<=[ \",(])-?\d+(?:\.\d+)?(?=[ \",)]|$)")


def alike(one: str, other: str) -> bool:
    """The same text, numbers apart by rounding at most."""
    numbers, others = (list(map(float, PLACE.findall(svg))) for svg in (one, other))
    return PLACE.split(one) == PLACE.split(other) and bool(np.all(np.abs(np.subtract(numbers, others)) <= 0.1001))


def begun_elsewhere(one: str, other: str) -> bool:
    """Two paths through the same points: the last digit of a height decides where a closed contour line begins."""
    points, others = (np.array(PLACE.findall(path), dtype=float).reshape(-1, 2) for path in (one, other))
    apart = np.abs(points[:, None] - others).max(axis=2)
    straight = not set("".join(PLACE.split(one + other))) - set(" LMz")
    return straight and bool(apart.min(axis=0).max() <= 0.1001 and apart.min(axis=1).max() <= 0.1001)


def test_paths_by_hand() -> None:
    square, turned = "M 0 0 L 1 0 L 1 1 L 0 1 L 0 0 z", "M 1 1 L 0 1 L 0 0 M 0 0.1 L 1 0 L 1 1 z"
    assert alike(square, square.replace("1 0", "1.1 0"))
    assert not alike(square, square.replace("1 0", "1.2 0"))
    assert not alike(square, turned)
    assert begun_elsewhere(square, turned)
    assert not begun_elsewhere(square, turned.replace("0 0.1", "0 0.3"))
    assert not begun_elsewhere(square, "M 1 1 L 0 1 L 0 0")
    assert not begun_elsewhere(square, turned.replace("L", "C"))


def neighbours(one: str, other: str) -> bool:
    """Two numbers of as many decimals, one unit of the last of them apart."""
    decimals = re.compile(r"-?\d*\.(\d+)")
    found = decimals.fullmatch(one), decimals.fullmatch(other)
    if not all(found):
        return False
    places = {len(match[1]) for match in found if match}
    return len(places) == 1 and round(abs(float(one) - float(other)) * 10 ** places.pop()) == 1


def test_neighbours_by_hand() -> None:
    assert neighbours("0.685", "0.686")
    assert neighbours("-.100", "-.101")
    pairs = [("0.685", "0.687"), ("0.68", "0.685"), ("no", "yes"), ("3", "4"), ("0.685", "")]
    assert not any(neighbours(one, other) for one, other in pairs)


def compare(lesson: str, seed: int | None) -> int:
    """How many shipped frames of a lesson were drawn again; of each widget all, or (seed) two."""
    seen = 0
    for cell, explorer in TOOL["explorers"](REPO / "course" / f"{lesson}.ipynb"):
        if explorer.key is None:
            continue
        packed = explorer.packed()
        assert packed is not None, f"{cell} has no frames: run {COMMAND} course/{lesson}.ipynb"
        stored = frames.unpack(packed)
        some = stored if seed is None else random.Random(seed).sample(sorted(stored), min(2, len(stored)))
        for state in some:
            same(explorer.frame(state), stored[state], INDEX[explorer.key]["matplotlib"])
            seen += 1
    return seen


def test_a_sample_of_frames_is_what_is_drawn_now() -> None:
    assert compare("10_and_or_and_depth", seed=SEED) == 2


@pytest.mark.slow
@pytest.mark.parametrize("lesson", sorted({entry["lesson"] for entry in INDEX.values()}))
def test_frames_are_what_is_drawn_now(lesson: str) -> None:
    """Two of every widget; with BNT_EVERY set, all of them, which takes the better part of an hour."""
    mine = [entry["frames"] for entry in INDEX.values() if entry["lesson"] == lesson]
    if EVERY:
        assert compare(lesson, seed=None) == sum(mine)
    else:
        assert compare(lesson, seed=SEED) == sum(min(2, count) for count in mine)
