"""Compiled kernels are kept where one may write: in the package, else in the user's cache, else not at all."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from bnt.inference.belief_propagation import Schedule

PACKAGE = Path(__file__).resolve().parents[2] / "bnt"
CODE = """
import bnt
assert bnt.__file__.startswith({folder!r}), bnt.__file__
a, b = bnt.Variable("a", ("no", "yes")), bnt.Variable("b", ("no", "yes"))
graph = bnt.FactorGraph([a, b], [bnt.Factor((a, b), [[0.4, 0.1], [0.2, 0.3]])])
print(round(bnt.run_bp(graph, schedule="flooding").beliefs["b"]["yes"], 6))
"""


def test_a_change_in_one_kernel_file_reaches_callers_in_others(tmp_path: Path) -> None:
    """numba alone would keep the compiled caller, and in it the old callee."""
    shutil.copytree(PACKAGE, tmp_path / "bnt", ignore=shutil.ignore_patterns("__pycache__"))
    environment = {key: value for key, value in os.environ.items() if key != "NUMBA_CACHE_DIR"}
    environment["PYTHONPATH"] = str(tmp_path)

    def answer() -> str:
        command = [sys.executable, "-c", CODE.format(folder=str(tmp_path))]
        return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path).stdout

    assert answer() == "0.4\n"
    callee = tmp_path / "bnt/kernels/pairwise.py"
    text = callee.read_text()
    assert "fast_exp(theta[v])" in text
    callee.write_text(text.replace("fast_exp(theta[v])", "fast_exp(theta[v] + 1.0)"))
    assert answer() != "0.4\n"


def test_the_stamp_changes_with_every_kernel_file(tmp_path: Path) -> None:
    for room in ("kernels", "variational", "graph", "transformer"):
        shutil.copytree(PACKAGE / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    files = [path for room in ("kernels", "variational") for path in sorted((tmp_path / room).glob("*.py"))]
    files.append(tmp_path / "graph/flat.py")
    files += [tmp_path / "transformer" / name for name in ("activations.py", "sparse.py", "compiled.py")]
    code = f"""if True:
        import runpy
        from pathlib import Path
        jit = {str(tmp_path / "kernels/jit.py")!r}
        print(runpy.run_path(jit)["STAMP"])
        for file in {[str(file) for file in files]!r}:
            Path(file).write_text(Path(file).read_text() + "\\n# another\\n")
            print(runpy.run_path(jit)["STAMP"])"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    stamps = done.stdout.split()
    assert len(set(stamps)) == len(files) + 1 >= 9


INTERPRETED = """
import json, sys
import numpy as np
{first}
import bnt
from bnt.kernels.jit import COMPILED
assert not COMPILED
states = ("no", "yes")
x = [bnt.Variable(f"x{{i}}", states) for i in range(4)]
pairs = [bnt.Factor((x[i], x[(i + 1) % 4]), [[0.4, 0.1], [0.2, 0.3 + 0.1 * i]]) for i in range(4)]
zeros = [*pairs[:3], bnt.Factor(x[1:], np.arange(8.0).reshape(2, 2, 2))]
answers = {{}}
for name, factors in (("chain", pairs[:3]), ("ring", pairs), ("zeros", zeros)):
    graph = bnt.FactorGraph(x, factors)
    for mode in ("sum", "max"):
        for schedule in {schedules}:
            answers[f"{{name}} {{mode}} {{schedule}}"] = bnt.run_bp(graph, mode=mode, schedule=schedule).beliefs.flat
    rows = bnt.run_bp_batch(graph, {{"x0": ["yes", None]}})
    answers[f"{{name}} batch"] = np.concatenate([rows.row(0).flat, rows.row(1).flat])
    answers[f"{{name}} transformer"] = bnt.run_bp(graph, rounds=3).beliefs.flat
    assert bnt.verify_model(bnt.compile_graph(graph, rounds=3)).max_message_error < 1e-9
x = [bnt.Variable(f"x{{i}}", states) for i in range(24)]  # more than enumeration takes: a junction tree
chain = bnt.FactorGraph(x, [bnt.Factor(x[i : i + 2], [[0.4, 0.1], [0.2, 0.3 + 0.1 * i]]) for i in range(23)])
for mode in ("sum", "max"):
    answers[f"exact {{mode}}"] = bnt.exact_marginals(chain, mode=mode).beliefs.flat
print(json.dumps({{key: value.tolist() for key, value in answers.items()}}))
"""


@pytest.mark.parametrize(
    ("first", "environment"),
    [("", {"NUMBA_DISABLE_JIT": "1"}), ("sys.modules['numba'] = None", {})],
    ids=["switched off", "missing"],
)
def test_without_a_compiler_everything_runs_interpreted(first: str, environment: dict[str, str]) -> None:
    """The same numbers from the same functions, as plain Python."""
    code = INTERPRETED.format(first=first, schedules=get_args(Schedule))
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent), **environment}

    def answers(code: str) -> dict[str, list[float]]:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        found: dict[str, list[float]] = json.loads(done.stdout)
        return found

    interpreted = answers(code)
    environment.pop("NUMBA_DISABLE_JIT", None)
    compiled = answers(code.replace(first, "").replace("assert not COMPILED", "assert COMPILED"))
    assert interpreted.keys() == compiled.keys()
    for key, values in interpreted.items():
        np.testing.assert_allclose(values, compiled[key], atol=1e-14, rtol=0, err_msg=key)


def test_the_tests_of_the_kernels_pass_interpreted() -> None:
    """A handful of them, so that all can: messages by hand, orders of factors, sources, zeros, float32, blocks."""
    names = "clique_by_hand waves scattered python_sources zeros_stay refuses_a_call too_narrow special_values blocks"
    some = " or ".join(names.split())
    command = [sys.executable, "-m", "pytest", "-n", "0", "-q", "-k", some]
    command += ["tests/kernels/test_equations.py", "tests/kernels/test_exp_log.py", "tests/transformer/test_sparse.py"]
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(command, cwd=PACKAGE.parent, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


@pytest.mark.parametrize("home_writable", [True, False])
def test_read_only_package(tmp_path: Path, home_writable: bool) -> None:
    """A file in the place of __pycache__ is a folder nobody can write to, not even root."""
    shutil.copytree(PACKAGE, tmp_path / "bnt", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "bnt/kernels/__pycache__").touch()
    cache = tmp_path / "cache" if home_writable else Path(os.devnull, "cache")
    environment = {key: value for key, value in os.environ.items() if key != "NUMBA_CACHE_DIR"}
    environment |= {"HOME": str(cache), "XDG_CACHE_HOME": str(cache), "PYTHONPATH": str(tmp_path)}
    code = CODE.format(folder=str(tmp_path))

    def run(code: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=tmp_path
        )
        assert (done.stdout, done.returncode) == ("0.4\n", 0)
        return done.stderr

    note = "bnt: compiling for this machine, once after installation; about 10 s\n"
    if home_writable:
        assert run("import sys; sys.modules['ipykernel'] = None\n" + code) == ""  # notebooks would store the note
        assert list(cache.rglob("*.nbi")), "kernels were not kept in the user's cache"
        assert run(code) == ""  # loaded, not compiled
    else:
        assert run(code) == note


@pytest.mark.slow
def test_the_first_lessons_run_interpreted_and_print_the_same() -> None:
    """Without numba's compiler, as where none can be installed: lessons 00 to 03, compared strictly."""
    lessons = sorted((PACKAGE.parent / "course").glob("0[0-3]_*.ipynb"))
    command = [sys.executable, "-m", "pytest", "-n", "0", "-q", *map(str, lessons)]
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(command, cwd=PACKAGE.parent, env=environment, capture_output=True, text=True)
    assert len(lessons) == 4
    assert done.returncode == 0, done.stdout
