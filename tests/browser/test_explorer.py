"""Widgets in a browser: by keyboard, in JupyterLab and on a plain page, quickly, and still there when reopened."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest

from bnt import widgets
from bnt.widgets.explorer import Explorer, dial
from tests.browser.lab import Notebook, on_a_phone, serve
from tests.browser.test_guess import notebook_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

SHIPPED = "widgets.between_explorer()"
BROKEN = """from bnt.widgets.explorer import Explorer, dial

def draw(q):
    print("q is", q)
    return widgets.between_picture(q / (q - 0.5))

Explorer(draw, {"q": dial("q", 0.1, 0.9, 0.1, 0.4)})"""
MEDIAN, LATE = 50, 120  # milliseconds

# Press nothing, but move as a key does, and wait until the new picture is decoded and painted.
TIMED = """async ([selector, steps]) => {
    const root = document.querySelector(selector), input = root.querySelector("input[type=range]"), times = [];
    const frame = () => new Promise(requestAnimationFrame);
    let k = Number(input.value), way = 1;
    for (let i = 0; i < steps; i++) {
        if (k + way > Number(input.max) || k + way < 0) way = -way;
        const image = root.querySelector("img"), old = image.src, begin = performance.now();
        input.value = k += way;
        input.dispatchEvent(new Event("input"));
        while (image.src === old) await frame();
        await image.decode();
        await frame();
        times.push(performance.now() - begin);
        await new Promise((done) => setTimeout(done, 60));
    }
    return times;
}"""


def speed(page: Page, where: str) -> None:
    times = sorted(page.evaluate(TIMED, [".bnt-explorer", 40]))
    median, late = statistics.median(times), times[int(0.95 * len(times))]
    print(f"\n{where}: slider to picture, median {median:.0f} ms, 95th percentile {late:.0f} ms")
    assert median < MEDIAN
    assert late < LATE


def value(page: Page) -> str | None:
    return page.locator(".bnt-slider input").first.get_attribute("aria-valuetext")


def test_in_jupyterlab_and_reopened(chromium: Browser, tmp_path: Path, artifacts: Path) -> None:
    nbformat.write(notebook_of(SHIPPED, BROKEN), tmp_path / "explorers.ipynb")
    with serve(tmp_path) as url:
        notebook = Notebook.open(chromium, url, "explorers.ipynb")
        page = notebook.page
        notebook.run()
        page.wait_for_selector(".bnt-explorer[data-packed]")
        speed(page, "JupyterLab")
        slider = page.get_by_label("second belief q")
        slider.focus()
        before = value(page)
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(2500)  # the output is written anew meanwhile
        moved = value(page)
        assert moved != before
        page.keyboard.press("ArrowLeft")
        assert value(page) not in (moved, None), "the keyboard is still on the slider"
        page.keyboard.press("ArrowRight")
        broken = page.locator(".bnt-explorer").nth(1)
        broken.locator("input").focus()
        page.keyboard.press("ArrowRight")
        broken.get_by_text("ZeroDivisionError").wait_for()
        assert broken.get_by_text("q is 0.5").is_visible()
        assert not broken.locator("img").is_visible()
        page.wait_for_timeout(2000)
        shown = page.locator(".bnt-explorer img").first.get_attribute("alt")
        assert notebook.errors() == []
        page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
        page.wait_for_timeout(1000)
        notebook.screenshots(artifacts / "explorers.png")
        notebook.close()
    saved = json.loads((tmp_path / "explorers.ipynb").read_text())
    assert shown in "".join(saved["cells"][0]["outputs"][0]["data"]["text/html"]), "saved: what was last seen"
    with serve(tmp_path) as url:  # another server, and nothing is run
        notebook = Notebook.open(chromium, url, "explorers.ipynb")
        notebook.page.wait_for_timeout(1500)
        assert notebook.page.locator(f'img[alt="{shown}"]').is_visible()
        assert notebook.page.get_by_text("Error displaying widget").count() == 0
        notebook.page.close()


@pytest.mark.parametrize("dark", [False, True])
def test_on_a_plain_page_without_a_kernel(chromium: Browser, tmp_path: Path, dark: bool, artifacts: Path) -> None:
    with on_a_phone(chromium, notebook_of(SHIPPED), tmp_path / "explorer.html", dark=dark) as page:
        page.wait_for_selector(".bnt-explorer[data-packed]")
        speed(page, "plain page")
        slider = page.get_by_label("second belief q")
        slider.focus()
        before, seen = value(page), page.locator(".bnt-explorer img").get_attribute("alt")
        page.keyboard.press("ArrowLeft")
        assert value(page) != before
        assert page.locator(".bnt-explorer img").get_attribute("alt") != seen
        page.screenshot(path=artifacts / f"explorers-{'dark' if dark else 'light'}.png", full_page=True)


def test_an_error_is_asked_for_once_where_the_page_asks_ahead(chromium: Browser) -> None:
    """The page keeps no errors: it asked for the next picture again and again, as quickly as the kernel answered."""
    explorer = Explorer(lambda q: widgets.between_picture(q), {"q": dial("q", 0.1, 0.9, 0.1, 0.4)})
    shown = explorer.html()
    assert explorer.line is not None
    kernel = """([channel, frame]) => {
        window.asked = [];
        const say = (message) => setTimeout(() => bntHub.homes[channel](message), 5);
        window.bntHub = { homes: {}, lines: { [channel]: (message) => {
            if (message.type === "hello") say({ type: "ready" });
            if (message.type !== "draw") return;
            asked.push(message.at[0]);
            say({ type: "frame", at: message.at, frame: message.at[0] === 5 ? { error: "no" } : frame });
        } } };
    }"""
    page = chromium.new_page()
    page.evaluate(kernel, [explorer.line.channel, explorer.frame()])
    page.evaluate("html => document.body.append(document.createRange().createContextualFragment(html))", shown)
    page.wait_for_timeout(50)
    page.locator(".bnt-slider input").press("ArrowRight")
    page.wait_for_timeout(500)
    assert page.evaluate("asked") == [4, 5]
    page.close()
