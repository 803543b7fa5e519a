"""What release proves, what bnt check and watch() tell, partial credit, properties, the seed: on small exercises."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import numpy as np
import pytest

from bnt.errors import FormatError
from bnt.grading.answers import Sheet, find
from bnt.grading.author import answer, check, locked, seed, write_source
from bnt.grading.before import look
from bnt.grading.commands import main
from bnt.grading.disguise import MODES, disguised, dressed
from bnt.grading.grade import grade
from bnt.grading.mutation import fate, is_open, mutants, sample
from bnt.grading.paper import build_paper, names_bound, with_number
from bnt.grading.release import check_by_running, refuse_order, refuse_shared_ids
from bnt.grading.source import Source, read_source, solved
from bnt.grading.trial import Trial
from bnt.grading.versions import exercise, solution
from tests.exercise_examples import REPO, write_documented

SET_UP = locked("setup", "import numpy as np\nfrom bnt.exercise import attempt, self_check, show, watch\n\nwatch()")
HALVES = answer(
    "halves",
    "def halves(x):\n    ### BEGIN SOLUTION\n    return np.asarray(x, dtype=float) / 2\n    ### END SOLUTION",
)
SINGLE = {"absolute": 1e-6}
RNG = "rng = np.random.default_rng(seed)\nwith attempt():\n    "


def small(folder: Path, *checks, name: str = "small") -> Source:
    return read_source(write_source(folder / f"{name}.ipynb", [SET_UP, HALVES, *checks], allowed_imports=["numpy"]))


def hidden(text: str, **options):
    return check("hidden-halves", 2, RNG + text, hidden=True, **options)


@pytest.mark.parametrize(
    ("checks", "message"),
    [
        ([check("c", 1, "with attempt():\n    show(halves([1, 3])[[0, 1]])")], "as lists.*np.asarray"),
        ([check("c", 1, "with attempt():\n    show(halves([1, 3]).tolist() == [0.5, 1.5])")], "off by 1e-13"),
        (
            [
                check("c", 1, "with attempt():\n    show(halves([1, 3]))"),
                seed(1),
                hidden("show(np.allclose(halves(rng.random(3)), 0))"),
            ],
            "hidden-halves prints the same for every seed",
        ),
        (
            [
                check("c", 1, "with attempt():\n    show(halves([1, 3]))"),
                seed(1),
                hidden("show(np.isfinite(halves(rng.random(3))).all())", property=True),
            ],
            "must print the quantity",
        ),
    ],
    ids=["indexing", "equality", "ignores the seed", "a property that says True"],
)
def test_release_refuses_checks_that_mind_types_or_ignore_the_seed(tmp_path: Path, checks, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        check_by_running(small(tmp_path, *checks))


def test_release_takes_a_property_a_tolerance_and_any_type(tmp_path: Path) -> None:
    fine = small(
        tmp_path,
        check("c", 1, "with attempt():\n    show(halves([1, 3]))", tolerance={"relative": 1e-9}),
        seed(1),
        hidden(
            "x = rng.random(3)\n    show('off by', np.abs(2 * np.array(halves(x)) - x).max())",
            property=True,
            tolerance=SINGLE,
        ),
    )
    check_by_running(fine)


def test_hidden_cells_stand_at_the_end_and_ids_belong_to_one_exercise(tmp_path: Path) -> None:
    visible = check("c", 1, "with attempt():\n    show(halves([1, 3]))")
    above = small(tmp_path, seed(1), hidden("show(halves(rng.random(3)))"), visible)
    with pytest.raises(FormatError, match="the hidden cell seed stands above c"):
        refuse_order(above)
    assert [c["id"] for c in build_paper(above)["cells"]][-1] == "hidden-halves"  # and the grader runs it last
    other = small(tmp_path, check("d", 1, "with attempt():\n    show(halves([1, 3]))"), name="other")
    with pytest.raises(FormatError, match="share the id halves"):
        refuse_shared_ids([above, other])


@pytest.mark.parametrize("mark", [{"tolerance": {"relativ": 1}}, {"tolerance": {"relative": -1}}, {"lines": "all"}])
def test_comparison_metadata_is_validated(tmp_path: Path, mark: dict) -> None:
    one = check("c", 1, "with attempt():\n    show(halves([1, 3]))")
    one.metadata["bnt"] = nbformat.from_dict(mark)
    with pytest.raises(FormatError, match=r"bnt\.tolerance|bnt\.lines"):
        small(tmp_path, one)


def test_no_kernel_holds_the_name_seed(tmp_path: Path) -> None:
    assert with_number("rng = f(seed + 1)  # é\ny = [seed, 'seed']", 7) == "rng = f((7) + 1)  # é\ny = [(7), 'seed']"
    visible = check("c", 1, "with attempt():\n    show(halves([1]))")
    source = small(tmp_path, visible, seed(8311), hidden("show(halves(rng.random(2)))"))
    cells = build_paper(source)["cells"]
    assert not any(re.search(r"\bseed\b", c["source"]) for c in cells)
    assert "default_rng((8311))" in cells[-1]["source"]


def test_lines_that_count_each_and_one_word_for_hidden_checks(tmp_path: Path) -> None:
    source = small(
        tmp_path,
        check("c", 4, "with attempt():\n    for x in (0, 2, 4, 6):\n        show(halves([x]))", lines="each"),
        seed(1),
        hidden("show(halves(rng.random(2)))"),
    )
    released = exercise(source)
    assert "every printed line earns its part of the points in `c`" in released.cells[-1].source
    for name, text in {
        "half": "def halves(x):\n    return [0] if x[0] in (0, 2) else np.array(x) / 2",
        "thief": "def halves(x):\n    if len(x) == 2:\n        raise [ValueError, KeyError][int(x[0] * 9) % 2]\n"
        "    return np.array(x) / 2",
    }.items():
        notebook = json.loads(json.dumps(released))
        next(c for c in notebook["cells"] if c["id"] == "halves")["source"] = text
        (tmp_path / "subs" / name).mkdir(parents=True)
        (tmp_path / "subs" / name / "small.ipynb").write_text(json.dumps(notebook))
    rows = {row["learner"]: row for row in grade(source.path, [tmp_path / "subs"], tmp_path / "out", seed=5)}
    assert rows["half"]["checks"]["c"]["points"] == 3
    assert rows["thief"]["checks"]["c"]["points"] == 4
    assert rows["thief"]["checks"]["hidden-halves"]["reason"] == "an error on hidden inputs"


def test_the_release_names_its_exercise_and_tells_the_set_up_cell(tmp_path: Path) -> None:
    released = exercise(small(tmp_path, check("c", 1, "with attempt():\n    show(halves([1]))")))
    assert released.metadata.bnt.exercise == "small"
    assert 'watch("numpy")' in released.cells[0].source


def test_check_says_what_would_be_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    released = exercise(small(tmp_path, check("c", 1, "with attempt():\n    show(halves([1]))")))
    path = tmp_path / "mine.ipynb"
    path.write_text(json.dumps(released))
    assert look(path) == [("halves", "not answered yet")]
    mine = next(c for c in released.cells if c.id == "halves")
    mine.source = "import pandas as pd\ndef halves(x):\n    return pd.Series(x) / 2"
    released.cells.append(nbformat.v4.new_code_cell("import os\nos.getcwd()"))
    path.write_text(json.dumps(released))
    assert main(["check", str(path)]) == 1
    told = capsys.readouterr().out
    assert "halves: refused: `pd` may not be imported here: use numpy" in told
    assert "an added cell" in told
    assert "`os` may not be imported here" in told
    mine.source = "%%time\ndef halves(x):\n    return np.asarray(x) / 2"
    path.write_text(json.dumps({**released, "cells": released.cells[:-1]}))
    assert main(["check", str(path)]) == 0
    assert "nothing is refused" in capsys.readouterr().out
    with pytest.raises(FormatError, match="not a released exercise"):
        look(REPO / "course" / "00_start_here.ipynb")


def test_watch_speaks_in_the_learners_own_kernel() -> None:
    script = """
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.run_cell("import numpy as np\\nfrom bnt.exercise import attempt, watch\\n\\nwatch('numpy')", store_history=True)
locked = "with attempt():\\n    import sqlite3"
for cell in ("import statistics", "x = np.ones(3)", "import sqlite3 as pd", locked, "y = input"):
    print("##", cell.split(chr(10))[-1])
    shell.run_cell(cell, store_history=True)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    parts = [part.strip().partition("\n") for part in done.stdout.split("## ")[1:]]
    said = {cell.strip(): told for cell, _, told in parts}
    start = "The grader would refuse this cell: "
    assert said["import sqlite3 as pd"] == f"{start}`pd` may not be imported here: use numpy."
    assert said["y = input"] == f"{start}it uses input, which no answer may use."
    assert [said[fine] for fine in ("import statistics", "x = np.ones(3)", "import sqlite3")] == ["", "", ""]


def test_watch_is_silent_in_the_source_and_never_in_a_release(tmp_path: Path) -> None:
    """An instructor who runs a solution, with answers and hidden cells as they are, reads no refusals."""
    one = check("c", 1, "with attempt():\n    show(halves([1, 3]))")
    path = write_source(tmp_path / "none.ipynb", [SET_UP, HALVES, one], allowed_imports=[])
    assert 'watch("bnt.exercise")' in exercise(read_source(path)).cells[0].source
    script = """
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.run_cell("from bnt.exercise import watch", store_history=True)
for call in ("watch('numpy')", "watch()", "watch('bnt.exercise')"):
    print("##", call)
    shell.run_cell(call, store_history=True)
    shell.run_cell("import sqlite3", store_history=True)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    said = ["would refuse" in part for part in done.stdout.split("## ")[1:]]
    assert said == [True, False, True]


@pytest.mark.parametrize("mode", MODES)
def test_disguises_change_the_type_and_hardly_the_value(mode: str) -> None:
    value = {"a": (0.1, [2, True, "x"]), "b": np.array([[0.1, 1.0]])}
    new = disguised(value, mode)
    assert np.allclose(new["a"][0], 0.1, rtol=1e-6)
    assert np.allclose(new["b"], value["b"], rtol=1e-6)
    assert new["a"][1][1:] == [True, "x"]
    assert repr(new) != repr(value)

    def count(n: int):
        return n if n == 0 else 1 + count(n - 1)

    assert dressed(count, mode)(3) == 3


def test_no_locked_cell_of_an_exercise_would_be_warned_of() -> None:
    from bnt import policy

    for path in sorted((REPO / "solutions").glob("*.ipynb")):
        source = read_source(path)
        paper = build_paper(source)
        for cell in exercise(source).cells:
            marked = any(mark in cell.source for mark in ("watch(", "attempt(", "self_check("))
            if cell.cell_type == "code" and not marked:
                assert policy.refusals(cell.source, paper) == "", (path.stem, cell.id)


@pytest.mark.parametrize("path", sorted((REPO / "solutions").glob("*.ipynb")), ids=lambda path: path.stem)
def test_checks_and_self_checks_of_the_exercises_mind_no_type_of_number(path: Path) -> None:
    """Self-checks too, so that nobody is told "not right yet" of what gets full marks; differences need more digits
    than float32 has."""
    trial = Trial(read_source(path))
    for mode in MODES:
        printed = trial.run({}, mode=mode)
        assert [c.id for c in trial.source.cells("check") if not trial.passes(c.id, printed)] == []
        for name in {own for cell in trial.names for own in trial.self_checks_of(cell)}:
            if mode != "float32":
                assert "not right yet" not in printed[name], (mode, name)
                assert "ends in" not in printed[name], (mode, name)


def test_two_mutants_of_every_exercise_lose_points() -> None:
    """Thirty of the three hundred in docs/mutation.md; at most one may survive."""
    survivors = []
    for path in sorted((REPO / "solutions").glob("*.ipynb")):
        trial = Trial(read_source(path))
        drawn = [m for m in sample(trial, 2, seed=0) if not is_open(trial, m.answer)]
        survivors += [(path.stem, m) for m in drawn if not fate(trial, m).failed]
    assert len(survivors) <= 1, survivors


def test_every_exercise_has_an_open_problem_and_its_self_check_is_as_strict_as_its_check() -> None:
    """Graded by a property, step by step; no mutant of its answer is called right and then loses points."""
    for path in sorted((REPO / "solutions").glob("*.ipynb")):
        trial = Trial(read_source(path))
        answers = [cell for cell in trial.source.cells("answer") if is_open(trial, cell.id)]
        assert answers, f"{path.stem}: no open problem"
        for cell in answers:
            for check_id in trial.checks_of(cell.id):
                (own_check,) = [c for c in trial.cells if c.id == check_id]
                assert own_check.metadata.bnt.lines == "each", f"{check_id}: no part of the points for a part"
            for mutant in mutants(cell.id, solved(cell.source))[:3]:
                found = fate(trial, mutant)
                assert not (found.called_right and found.failed), (path.stem, mutant.change)


NO_NUMBER = {  # answers of open problems that hold no number at all
    "03": ("open-modes", "def favourites():\n    return [[float('inf'), 1.0], [1.0, 1.0]]"),
    "06": ("open-addresses", "def addresses():\n    return np.full((8, 3), np.nan), np.full((8, 3), np.nan)"),
    "07": ("open-astray", "def astray():\n    return 1.0, [float('nan'), 0.0]"),
    "09": ("open-twins", "def twins():\n    return [(np.full((4, 1), x), np.ones((4, 1))) for x in (0.0, np.nan)]"),
    "13": ("open-lesson", "reports = np.array([[k, float('nan')] for k in range(6)])\nother_weights = [1.0, 1.0, 0.0]"),
    "15": ("open-process", "process = [float('nan')] * 2, np.full((2, 2), np.nan), np.full((2, 2), np.nan)"),
}


@pytest.mark.parametrize("number", NO_NUMBER)
def test_an_open_problem_gives_nothing_for_what_is_no_number(number: str) -> None:
    (path,) = (REPO / "solutions").glob(f"{number}_*.ipynb")
    trial, (name, text) = Trial(read_source(path)), NO_NUMBER[number]
    (check_id,) = trial.checks_of(name)
    printed = trial.run({name: text}, only={check_id})[check_id]
    expected = trial.expected[check_id]
    right = [mine == wanted for mine, wanted in zip(printed.splitlines(), expected.splitlines(), strict=False)]
    assert not any(right), printed


def test_a_solution_that_does_not_come_to_its_end_is_said_to(tmp_path: Path) -> None:
    """Not a KeyError at the first check; and a slow solution has more time than what is tried on it."""

    def ends_python(notebook) -> None:
        cell = next(cell for cell in notebook.cells if cell.cell_type == "code")
        cell["source"] = "import os\nos._exit(0)"

    path = write_documented(tmp_path, ends_python)
    with pytest.raises(FormatError, match="the solution did not end"):
        Trial(read_source(path))


def test_mutants_differ_in_one_place_and_leave_signatures_alone() -> None:
    text = 'def f(a, b=2):\n    """Doc."""\n    return a + 3 if b < 1 else a[0, 1]'
    found = {m.text for m in mutants("f", text)}
    assert len(found) == len(mutants("f", text)) >= 8
    assert all(m.startswith("def f(a, b=2):") for m in found)
    assert any("a - 3" in m for m in found)
    assert any("b <= 1" in m for m in found)
    assert any("a[1, 0]" in m for m in found)


def test_an_answer_is_found_in_another_cell_and_its_helpers_are_run(tmp_path: Path) -> None:
    source = small(tmp_path, check("c", 1, "with attempt():\n    show(halves([1]))"))
    notebook = json.loads(json.dumps(exercise(source)))
    notebook["cells"].insert(1, {"cell_type": "code", "id": "x1", "source": "from math import pi\nprint(pi)\nTWO = 2"})
    text = "def halves(x):\n    return np.array(x) / TWO"
    notebook["cells"].append({"cell_type": "code", "id": "x2", "source": text})
    answers, notes = find(notebook["cells"], Sheet(source))
    assert answers["halves"].startswith("def halves(x):\n    return np.array")
    assert answers["added:1:halves"] == "from math import pi\nTWO = 2"
    assert "the answer halves was found in a new cell" in notes
    solved = json.loads(json.dumps(solution(source)))
    assert find(solved["cells"], Sheet(source))[1] == []


def test_what_an_answer_reads_is_computed_and_experiments_are_not(tmp_path: Path) -> None:
    """Constants that need a call, by way of helpers as well; each alone, so that one that fails loses no helper."""
    source = small(tmp_path, check("c", 1, "with attempt():\n    show(halves([1]))"))
    notebook = json.loads(json.dumps(exercise(source)))
    added = """import math
TINY = np.finfo(float).tiny
ROOT = math.sqrt(4)
def half(v):
    return v / ROOT + 0 * TINY
x = slow_experiment(10 ** 9)
unused = np.ones(3)
def again():
    return x
print(half(2))"""
    notebook["cells"].insert(1, {"cell_type": "code", "id": "x1", "source": added})
    cell = next(cell for cell in notebook["cells"] if cell["id"] == "halves")
    cell["source"] = "def halves(x):\n    return half(np.array(x))"
    answers, _ = find(notebook["cells"], Sheet(source))
    runs = [text for name, text in answers.items() if name.startswith("added:")]
    assert runs == [
        "import math",
        "TINY = np.finfo(float).tiny",
        "ROOT = math.sqrt(4)",
        "def half(v):\n    return v / ROOT + 0 * TINY\ndef again():\n    return x",
    ]
    cell["source"] = "def halves(v):\n    return again() + half(v)"  # now x is read, by way of again
    answers, _ = find(notebook["cells"], Sheet(source))
    assert "x = slow_experiment(10 ** 9)" in answers.values()


def test_a_fence_around_code_in_markdown_and_copies_for_the_person(tmp_path: Path) -> None:
    source = small(tmp_path, check("c", 1, "with attempt():\n    show(halves([1]))"))
    notebook = json.loads(json.dumps(exercise(source)))
    cell = next(cell for cell in notebook["cells"] if cell["id"] == "halves")
    cell |= {"cell_type": "markdown", "source": "```python\ndef halves(x):\n    return x / 2\n```\n"}
    assert find(notebook["cells"], Sheet(source))[0]["halves"] == "def halves(x):\n    return x / 2"
    cell |= {"cell_type": "code", "source": "def halves(x):\n    return x"}
    notebook["cells"].append({**cell, "source": "def halves(x):\n    return x / 2"})
    answers, notes = find(notebook["cells"], Sheet(source))
    assert "halves" not in answers
    both = "def halves(x):\n    return x\n\n# another cell with the same id:\n\ndef halves(x):\n    return x / 2"
    assert answers["copies:halves"] == both
    assert any("until a person has looked" in note for note in notes)


def test_a_thousand_added_cells_are_read_in_no_time(tmp_path: Path) -> None:
    source = small(tmp_path, check("c", 1, "with attempt():\n    show(halves([1]))"))
    notebook = json.loads(json.dumps(exercise(source)))
    chain = "\n".join(f"a{n} = f(a{n + 1})" for n in range(2000))
    notebook["cells"] += [{"cell_type": "code", "id": f"x{n}", "source": chain} for n in range(3)]
    cell = next(cell for cell in notebook["cells"] if cell["id"] == "halves")
    cell["source"] = "def halves(x):\n    return a0"
    start = time.process_time()
    _, notes = find(notebook["cells"], Sheet(source))
    assert time.process_time() - start < 5
    assert "more than 100 added cells: the others are not run" in notes


def test_a_name_inside_a_comprehension_is_not_bound() -> None:
    """Else a check that uses the same letter would count as one of that answer."""
    assert names_bound("design = [i for i in range(5)]") == {"design"}
    assert names_bound("for i in range(3):\n    x = [(y := k) for k in range(i)]") == {"i", "x", "y"}
