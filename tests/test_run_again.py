"""Every cell of every lesson can be run again, at any time, and says the same."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.every import some
from tests.run_again import order_matters

LESSONS = sorted((Path(__file__).resolve().parent.parent / "course").glob("*.ipynb"))


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_no_name_that_is_read_means_two_things(path: Path) -> None:
    cells = nbformat.read(path, as_version=4).cells
    assert order_matters({cell.id: cell.source for cell in cells if cell.cell_type == "code"}) == []


@pytest.mark.slow
@pytest.mark.parametrize("path", some(LESSONS, 6, 1), ids=lambda path: path.stem)
def test_run_all_then_from_the_bottom_up(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    code = [(i, cell) for i, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(path.parent)}})
    with client.setup_kernel():
        first = {cell.id: said(client.execute_cell(cell, i)) for i, cell in code}
        again = {cell.id: said(client.execute_cell(cell, i)) for i, cell in reversed(code)}
    assert [name for name in first if again[name] != first[name]] == []


def said(cell: nbformat.NotebookNode) -> str:
    """What a cell printed, and the words of its picture; pieces of one stream are one."""
    return "".join(output.get("text", "") + output.get("data", {}).get("text/plain", "") for output in cell.outputs)


NOTEBOOK = {  # each of the later cells may not be run again after the others, or may
    "make": "import random\nx, rng = 1, random.Random(0)",
    "read": "print(x)",
    "draw": "print(rng.random())",
    "draw-own": "rng = random.Random(0)\nprint(rng.random())",
    "change": "x += 1",
    "change-part": "y[0], w = 2, 3",
    "own": "z = [1]\nz[0] = 2\nfor x in z:\n    print(x)",
    "function": "def f(x, rng):\n    try:\n        return x\n    except ValueError as error:\n        return error",
    "closure": "def g():\n    return x",
}


def test_order_matters_by_hand() -> None:
    assert order_matters(NOTEBOOK) == [
        "read: reads x, which has a value from make and another from own",
        "draw: reads rng, which has a value from make and another from draw-own",
        "draw: draws from rng, made in another cell",
        "change: changes x from its old value",
        "change-part: changes y from its old value",
        "closure: reads x, which has a value from make and another from own",
    ]
