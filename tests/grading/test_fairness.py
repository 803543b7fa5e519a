"""Handed in as people do, over all exercises: a right answer gets full marks, a wrong one loses its own checks alone.

Every exercise gets nine notebooks, the ways taken in turn: 144 in all (layouts of folders and archives are in
test_layouts.py). An answer may be any cell of the exercise, also in turn.
"""

import json
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pytest

from bnt.grading.answers import Sheet
from bnt.grading.grade import grade
from bnt.grading.paper import build_paper
from bnt.grading.source import Source, read_source
from bnt.grading.versions import exercise, solution
from tests.every import EVERY
from tests.exercise_examples import REPO

SOURCES = sorted((REPO / "solutions").glob("*.ipynb"))
Notebook = dict[str, Any]


def cell(notebook: Notebook, name: str) -> dict[str, Any]:
    return next(c for c in notebook["cells"] if c["id"] == name)


def added(source: str, kind: str = "code", **metadata: Any) -> dict[str, Any]:
    new = {"cell_type": kind, "id": f"{abs(hash((source, kind))):08x}"[:8], "metadata": metadata, "source": source}
    return {**new, "outputs": [], "execution_count": None} if kind == "code" else new


def insert(notebook: Notebook, name: str, new: dict[str, Any], *, after: bool = False) -> None:
    place = notebook["cells"].index(cell(notebook, name))
    notebook["cells"].insert(place + after, new)


def before_text(text: str) -> Callable[[Notebook, str, Source], None]:
    def change(notebook: Notebook, name: str, source: Source) -> None:
        cell(notebook, name)["source"] = text + cell(notebook, name)["source"]

    return change


def after_text(text: str) -> Callable[[Notebook, str, Source], None]:
    def change(notebook: Notebook, name: str, source: Source) -> None:
        cell(notebook, name)["source"] += text

    return change


def helper_in_a_cell(notebook: Notebook, name: str, source: Source) -> None:
    insert(notebook, name, added("from functools import reduce as fold\nEPS = 1e-9\ndef helper(x):\n    return x"))
    cell(notebook, name)["source"] = "assert helper(fold(max, [1, 2])) == 2 > EPS\n" + cell(notebook, name)["source"]


def import_in_set_up(notebook: Notebook, name: str, source: Source) -> None:
    first = next(c for c in notebook["cells"] if c["cell_type"] == "code")
    first["source"] += "\nfrom statistics import mean as average"
    cell(notebook, name)["source"] = "assert average([1, 3]) == 2\n" + cell(notebook, name)["source"]


def as_another_type(kind: str) -> Callable[[Notebook, str, Source], None]:
    def change(notebook: Notebook, name: str, source: Source) -> None:
        one = cell(notebook, name)
        one["cell_type"] = kind
        del one["outputs"], one["execution_count"]

    return change


def split(notebook: Notebook, name: str, source: Source) -> None:
    one = cell(notebook, name)
    insert(notebook, name, added(one["source"], **json.loads(json.dumps(one["metadata"]))), after=True)
    one["source"] = "# my idea"


def constant_in_a_cell(notebook: Notebook, name: str, source: Source) -> None:
    insert(
        notebook, name, added("TINY = float('1e-300')\nLOST = undefined_here(TINY)\ndef kept(v):\n    return v + TINY")
    )
    cell(notebook, name)["source"] = "assert kept(1) == 1\n" + cell(notebook, name)["source"]


def fenced(notebook: Notebook, name: str, source: Source) -> None:
    as_another_type("markdown")(notebook, name, source)
    cell(notebook, name)["source"] = f"```python\n{cell(notebook, name)['source']}\n```"


def without_any_mark(notebook: Notebook, name: str, source: Source) -> None:
    without_ids(notebook, name, source)
    for one in notebook["cells"]:
        one["metadata"] = {"cell_id": "of another editor"}


def in_a_new_cell(notebook: Notebook, name: str, source: Source) -> None:
    one = cell(notebook, name)
    insert(notebook, name, added(one["source"]), after=True)
    one["source"] = Sheet(source).blank[name]


def without_ids(notebook: Notebook, name: str, source: Source) -> None:
    notebook["nbformat_minor"] = 4
    for one in notebook["cells"]:
        one.pop("id")


def rewritten(text: str) -> Callable[[Notebook, str, Source], None]:
    def change(notebook: Notebook, name: str, source: Source) -> None:
        cell(notebook, name)["source"] = text or Sheet(source).blank[name]

    return change


def two_copies(notebook: Notebook, name: str, source: Source) -> None:
    one = cell(notebook, name)
    wrong = "\n".join(f"def {asked}(*a):\n    return 0" for asked in sorted(Sheet(source).names[name]))
    insert(notebook, name, added(wrong, **json.loads(json.dumps(one["metadata"]))), after=True)


def wrong_functions(notebook: Notebook, name: str, source: Source) -> None:
    names = sorted(Sheet(source).names[name])
    cell(notebook, name)["source"] = "\n".join(f"{asked} = lambda *a, **k: 'wrong'" for asked in names)


RIGHT: dict[str, Callable[[Notebook, str, Source], None]] = {
    "as it is": before_text(""),
    "%%time": before_text("%%time\n"),
    "pip, help and plots": before_text("%matplotlib inline\n!pip install numpy\nnp.take?\n?np.take\n"),
    "timeit below": after_text("\n%timeit -n 1 -r 1 sum([1, 2])\n%config InlineBackend.figure_format = 'svg'"),
    "future and typing": before_text("from __future__ import annotations\nfrom typing import Any\n"),
    "harmless modules": before_text("import math, time\nfrom dataclasses import dataclass\nt = time.time()\n"),
    "names of builtins": after_text("\ndef own(input, vars):\n    id, hash = input, vars\n    return id"),
    "a builtin shadowed at the top": after_text("\nprint = 3"),
    "prints while trying": after_text("\nfor i in range(3):\n    print('try', i)"),
    "set-up repeated": before_text("import numpy as np\nfrom bnt.exercise import attempt, given, self_check\n"),
    "stub left below": after_text("\n# raise NotImplementedError was here"),
    "private names of one's own": after_text("\nclass Kept:\n    def __init__(self):\n        self._x = 1"),
    "numpy prints differently": after_text("\nnp.set_printoptions(precision=2)\nnp.seterr(all='raise')"),
    "helper in a cell": helper_in_a_cell,
    "import in the set-up cell": import_in_set_up,
    "turned to markdown": as_another_type("markdown"),
    "turned to raw": as_another_type("raw"),
    "split": split,
    "in a new cell": in_a_new_cell,
    "saved without ids": without_ids,
    "constant computed in a cell": constant_in_a_cell,
    "a fence in markdown": fenced,
    "saved without ids and metadata": without_any_mark,
    "pasted from a prompt": lambda notebook, name, source: cell(notebook, name).update(
        source="In [3]: " + cell(notebook, name)["source"].replace("\n", "\n   ...: ")
    ),
    "pip, conda and help in words": before_text("pip install numpy\nconda install numpy\nhelp(np.take)\n"),
    "tried with numpy's assertions": after_text("\nnp.testing.assert_allclose([1.0], [1.0])"),
}
WRONG: dict[str, Callable[[Notebook, str, Source], None]] = {
    "left blank": rewritten(""),
    "wrong functions": wrong_functions,
    "a syntax error": after_text("\nprint 'done'"),
    "a module that is not allowed": before_text("import sklearn\n"),
    "another magic": before_text("%load_ext autoreload\n"),
    "a plot": before_text("import matplotlib.pyplot as plt\nplt.plot([1, 2])\n"),
    "a progress bar": before_text("from tqdm import tqdm\nfor _ in tqdm([]):\n    pass\n"),
    "asks for input": after_text("\nx = input('state? ')"),
    "two copies that differ": two_copies,
    "an always-equal answer": after_text("\nclass E(list):\n    def __eq__(self, other):\n        return True"),
}


GOOD, BAD = (6, 3) if EVERY else (4, 2)  # of every exercise, each time the next ones: 132 hand-ins, or 198


def test_every_kind_of_answer_is_handed_in() -> None:
    assert GOOD * len(SOURCES) >= len(RIGHT)
    assert BAD * len(SOURCES) >= len(WRONG)
    assert (GOOD + BAD) * len(SOURCES) >= 120


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(SOURCES)), ids=[path.stem for path in SOURCES])
def test_every_right_answer_gets_full_marks_and_every_wrong_one_its_due(number: int, tmp_path: Path) -> None:
    source = read_source(SOURCES[number])
    paper = build_paper(source)
    due = {c["id"]: c for c in paper["cells"] if c["role"] == "check"}
    names = sorted(Sheet(source).code)
    right = list(islice(cycle(RIGHT), GOOD * number, GOOD * (number + 1)))
    wrong = list(islice(cycle(WRONG), BAD * number, BAD * (number + 1)))
    chosen = {way: names[(number + turn) % len(names)] for turn, way in enumerate([*right, *wrong])}
    answered = {c.id: c.source for c in solution(source).cells}
    for way, name in chosen.items():
        notebook = json.loads(json.dumps(exercise(source)))
        for one in notebook["cells"]:
            if one["id"] in chosen.values() or one["id"] in names:
                one["source"] = answered[one["id"]]
        {**RIGHT, **WRONG}[way](notebook, name, source)
        folder = tmp_path / "subs" / way.replace("%", "").replace("'", "")
        folder.mkdir(parents=True)
        (folder / source.path.name).write_text(json.dumps(notebook), encoding="utf-8")
    rows = {row["learner"]: row for row in grade(source.path, [tmp_path / "subs"], tmp_path / "out", jobs=2, seed=91)}
    assert len(rows) == GOOD + BAD
    for way, name in chosen.items():
        row = rows[way.replace("%", "").replace("'", "")]
        lost = {check for check in due if row["checks"][check]["points"] < due[check]["points"]}
        expected = {check for check in due if name in due[check]["answers"]} if way in wrong else set()
        assert lost == expected, (way, name, {c: row["checks"][c]["reason"] for c in lost ^ expected}, row["notes"])
