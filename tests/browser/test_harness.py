"""The browser harness itself: it sees a working widget work, and notices each way a lesson can be broken."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from tests.browser.lab import Notebook, serve

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow

WIDGET = """
import ipywidgets, matplotlib.pyplot as plt
def draw(layer, graph, show, mode):
    fig, ax = plt.subplots(figsize=(4, 2))
    ax.set_title(f"{graph}, layer {layer}, {show}, {mode}")
    plt.show()
mode = ipywidgets.ToggleButtons(options=["sum", "max"])
ipywidgets.interactive(draw, layer=(0, 3), graph=["path", "star"], show=True, mode=mode)
"""
NOTEBOOKS = {
    "good": [WIDGET],
    "cell_error": ["1 / 0", WIDGET],
    "dead_widget": ["import ipywidgets\nipywidgets.IntSlider(max=3)"],
    "callback_error": [
        "import ipywidgets\nslider = ipywidgets.IntSlider(max=3)\nshown = ipywidgets.Label('still')\n"
        "def change(new):\n    shown.value = 'moved'\n    1 / 0\n"
        "slider.observe(change, 'value')\nipywidgets.VBox([slider, shown])"
    ],
}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("notebooks")
    for name, sources in NOTEBOOKS.items():
        notebook = new_notebook(cells=[new_code_cell(source.strip()) for source in sources])
        notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(notebook, folder / f"{name}.ipynb")
    with serve(folder) as address:
        yield address


def test_moves_every_control_of_a_working_widget(chromium: Browser, url: str, artifacts: Path) -> None:
    notebook = Notebook.open(chromium, url, "good.ipynb")
    notebook.run()
    controls = notebook.controls()
    assert len(controls) == 4
    for control in controls:
        notebook.move(control)
    assert notebook.errors() == []
    (picture,) = notebook.screenshots(artifacts / "harness.png")
    assert picture.stat().st_size > 10_000
    notebook.close()


def test_notices_a_cell_that_fails(chromium: Browser, url: str) -> None:
    notebook = Notebook.open(chromium, url, "cell_error.ipynb")
    notebook.run()
    assert "ZeroDivisionError" in notebook.errors()[0]
    notebook.close()


def test_notices_a_control_that_changes_nothing(chromium: Browser, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.browser.lab.CHANGE_SECONDS", 5)
    notebook = Notebook.open(chromium, url, "dead_widget.ipynb")
    notebook.run()
    (slider,) = notebook.controls()
    with pytest.raises(AssertionError, match="changed no output"):
        notebook.move(slider)
    notebook.close()


def test_notices_an_error_in_a_callback(chromium: Browser, url: str) -> None:
    notebook = Notebook.open(chromium, url, "callback_error.ipynb")
    notebook.run()
    assert notebook.errors() == []
    notebook.move(notebook.controls()[0])
    assert "ZeroDivisionError" in " ".join(notebook.errors())
    notebook.close()
