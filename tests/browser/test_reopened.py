"""A notebook saved with a moved widget, opened again by the same user over another server: the picture last seen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest

from tests.browser.lab import Notebook, serve
from tests.browser.test_guess import notebook_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def saved(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, str]:
    """(folder, the user's own data, sentence of the last picture)."""
    folder, home = tmp_path_factory.mktemp("work"), tmp_path_factory.mktemp("home")
    nbformat.write(notebook_of("widgets.between_explorer()"), folder / "moved.ipynb")
    with serve(folder, home=home) as url:
        notebook = Notebook.open(chromium, url, "moved.ipynb")
        page = notebook.page
        notebook.run()
        page.wait_for_selector(".bnt-explorer[data-packed]")
        slider = page.get_by_label("second belief q")
        for _ in range(3):
            slider.press("ArrowRight")
        page.wait_for_timeout(2500)  # the output is written anew meanwhile
        shown = str(page.locator(".bnt-explorer img").get_attribute("alt"))
        assert slider.get_attribute("aria-valuetext") == "0.55"
        page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
        page.wait_for_timeout(1500)
        notebook.close()
    return folder, home, shown


@pytest.mark.parametrize(("app", "path"), [("jupyterlab", "lab/tree"), ("notebook", "notebooks")])
def test_it_shows_what_was_last_seen(
    app: str, path: str, chromium: Browser, saved: tuple[Path, Path, str], artifacts: Path
) -> None:
    folder, home, shown = saved
    with serve(folder, home=home, app=app) as url:
        page = chromium.new_page(viewport={"width": 1100, "height": 900})
        page.goto(f"{url}/{path}/moved.ipynb")
        page.wait_for_selector(f'img[alt="{shown}"]', timeout=120_000)
        page.wait_for_selector(".bnt-explorer[data-packed]")  # trusted: alive, without a kernel
        assert page.get_by_text("Error displaying widget").count() == 0
        slider = page.get_by_label("second belief q")
        assert slider.get_attribute("aria-valuetext") == "0.55"
        if app == "jupyterlab":
            slider.press("ArrowLeft")
            assert slider.get_attribute("aria-valuetext") == "0.50"
            assert page.locator(".bnt-explorer img").get_attribute("alt") != shown
        page.screenshot(path=artifacts / f"reopened-{app}.png")
        page.close()
