"""axe-core finds nothing serious in what is ours: lessons in JupyterLab, and widgets on a page of their own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bnt import widgets
from tests.browser.lab import Notebook, serious

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow

LESSONS = ["00_start_here", "01_evidence_adds", "03_messages_on_trees", "08b_general_networks", "10_and_or_and_depth"]
TRUST = """async () => {
    const app = window.jupyterapp;
    await app.restored;
    const panel = app.shell.currentWidget;
    await panel.context.ready;
    for (const cell of panel.content.widgets) cell.model.trusted = true;
}"""


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_lesson_in_jupyterlab(lesson: str, chromium: Browser, url: str, axe: str) -> None:
    """As it is stored, trusted, so that its widgets are alive: its texts and its outputs."""
    notebook = Notebook.open(chromium, url, f"{lesson}.ipynb")
    notebook.page.evaluate(TRUST)
    notebook.page.wait_for_timeout(2000)
    assert serious(notebook.page, axe, [".jp-RenderedMarkdown", ".jp-OutputArea-output"]) == []
    notebook.page.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_widgets_on_a_page_of_their_own(
    theme: str, width: int, chromium: Browser, axe: str, tmp_path: Path, artifacts: Path
) -> None:
    shown = [
        widgets.one_clock(),
        widgets.gate_explorer(),
        widgets.between_explorer(),
        widgets.update_explorer(),
        widgets.guess("01-number", "How sure?", 0.99, low=0, high=1),
        widgets.guess("01-drag", "How far?", 54.1, low=0, high=600, step=1, unit="decibans", drag=True),
        widgets.guess("02-choice", "And then?", "down", choices=["up", "down"]),
    ]
    path = tmp_path / "widgets.html"
    body = "\n".join(widget.html() for widget in shown)
    start = f'<!doctype html><html lang="en" data-theme="{theme}"><meta charset="utf-8"><title>Widgets</title>'
    path.write_text(
        f'{start}<meta name="viewport" content="width=device-width"><body><main><h1>Widgets</h1>{body}</main>'
    )
    page = chromium.new_page(viewport={"width": width, "height": 900}, reduced_motion="reduce")
    page.goto(path.as_uri())
    page.wait_for_selector(".bnt-explorer[data-packed]")
    page.get_by_label("a number from 0 to 1").fill("0.5")
    page.get_by_role("button", name="Commit").first.click()
    assert page.locator(".bnt-live").count() == len(shown)
    assert serious(page, axe, [".bnt-live"]) == []
    page.screenshot(path=artifacts / f"widgets-{theme}-{width}.png", full_page=True)
    page.close()
