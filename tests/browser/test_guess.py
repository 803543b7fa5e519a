"""Predictions by keyboard: in JupyterLab they go on record and come back; a plain page needs no kernel."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest
from nbclient import NotebookClient

from tests.browser.lab import Notebook, on_a_phone, serve

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

NUMBER = 'widgets.guess("01-number", "How sure?", 1 - 0.0094, low=0, high=1)'
DRAG = 'widgets.guess("01-drag", "How far?", 54.1, low=0, high=600, step=1, unit="decibans", drag=True)'
CHOICE = 'widgets.guess("02-choice", "And then?", "down", choices=["up", "down"])'


def notebook_of(*cells: str) -> nbformat.NotebookNode:
    made = nbformat.v4.new_notebook()
    made.cells = [nbformat.v4.new_code_cell(f"from bnt import widgets\n\n{cell}") for cell in cells]
    made.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return made


def answer_all(page: Page) -> list[str]:
    """Commit 0.5, the middle and "up", with keys only; what the three forms say then."""
    forms = page.locator(".bnt-live")
    page.get_by_label("a number from 0 to 1").focus()
    page.keyboard.type("0.5")
    page.keyboard.press("Enter")
    slider = page.get_by_label("decibans from 0 to 600")
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert slider.get_attribute("aria-valuetext") == "301 decibans"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_role("radio", name="up").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    page.wait_for_timeout(500)
    return [forms.nth(i).get_by_role("status").inner_text() for i in range(3)]


SAID = [
    "Your guess: 0.50. The answer: 0.99. 0.49 off.",
    "Your guess: 301 decibans. The answer: 54 decibans. 247 decibans off.",
    "Your guess: up. The answer: down. Not so.",
]


def test_in_jupyterlab_a_guess_goes_on_record(
    chromium: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, artifacts: Path
) -> None:
    record = tmp_path / "predictions.jsonl"
    monkeypatch.setenv("BNT_PREDICTIONS", str(record))
    nbformat.write(notebook_of(NUMBER, DRAG, CHOICE), tmp_path / "guesses.ipynb")
    with serve(tmp_path) as url:
        notebook = Notebook.open(chromium, url, "guesses.ipynb")
        notebook.run()
        said = answer_all(notebook.page)
        assert [line.split("\n")[0] for line in said] == SAID
        assert "On record" in notebook.page.locator(".bnt-live").nth(0).inner_text()
        kept = [json.loads(line) for line in record.read_text().split("\n") if line]
        assert [entry["guess"] for entry in kept] == [0.5, 301, "up"]
        notebook.run()  # again: what was committed is shown
        notebook.page.wait_for_timeout(1000)
        for i, line in enumerate(SAID):
            shown = notebook.page.locator(".bnt-live").nth(i).inner_text()
            assert line in shown
            assert "the first one counts" in shown
        notebook.screenshots(artifacts / "guesses.png")
        assert notebook.errors() == []
        notebook.close()


@pytest.mark.parametrize("dark", [False, True])
def test_on_a_plain_page_without_a_kernel(chromium: Browser, tmp_path: Path, dark: bool, artifacts: Path) -> None:
    with on_a_phone(chromium, notebook_of(NUMBER, DRAG, CHOICE), tmp_path / "guess.html", dark=dark) as page:
        assert "0.99" not in page.locator(".bnt-live").nth(0).inner_text()
        assert [line.split("\n")[0] for line in answer_all(page)] == SAID
        page.screenshot(path=artifacts / f"guesses-{'dark' if dark else 'light'}.png", full_page=True)
        page.reload(wait_until="domcontentloaded")
        assert SAID[0] in page.locator(".bnt-live").nth(0).inner_text(), "the browser remembers"
        changed = "for (const k in localStorage) if (k.startsWith('bnt-guess:')) localStorage[k] = "
        page.evaluate(f"() => {{ {changed} localStorage[k].replace('How sure', 'How unsure'); }}")
        page.reload(wait_until="domcontentloaded")
        assert "Your guess" not in page.locator(".bnt-live").nth(0).inner_text(), "that was another question"


def test_without_scripts_there_is_a_folded_answer(chromium: Browser, tmp_path: Path) -> None:
    from nbconvert import HTMLExporter

    notebook = notebook_of(NUMBER)
    NotebookClient(notebook, kernel_name="python3").execute()
    path = tmp_path / "guesses.html"
    path.write_text(HTMLExporter().from_notebook_node(notebook)[0])
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(path.as_uri(), wait_until="domcontentloaded")
    assert page.get_by_text("How sure?").first.is_visible()
    assert not page.get_by_text("0.99", exact=True).is_visible()
    page.get_by_text("The answer", exact=True).click()
    assert page.get_by_text("0.99", exact=True).is_visible()
    context.close()
