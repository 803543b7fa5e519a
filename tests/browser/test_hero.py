"""The hero by keyboard, without a kernel, on a phone: one clock, evidence, a table; rest where motion is not wanted."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bnt.widgets import one_clock
from tests.browser.lab import on_a_phone
from tests.browser.test_guess import notebook_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow


def shown(page: Page) -> str:
    return str(page.locator(".bnt-hero").get_attribute("data-shown"))


@pytest.mark.parametrize("dark", [False, True])
def test_one_clock_by_keyboard(chromium: Browser, tmp_path: Path, dark: bool, artifacts: Path) -> None:
    with on_a_phone(chromium, notebook_of("widgets.one_clock()"), tmp_path / "hero.html", dark=dark) as page:
        hero = page.locator(".bnt-hero")
        page.get_by_role("button", name="one step back").press("Enter")  # a reader who was quicker than the film
        dial = page.get_by_label("round and layer")
        dial.press("Home")
        assert shown(page) == "000 0"
        dial.press("ArrowRight")
        assert shown(page) == "000 1"
        assert dial.get_attribute("aria-valuetext") == "round 1, layer 1"
        town = hero.get_by_role("group", name="town")
        town.get_by_role("radio", name="not observed").press("ArrowLeft")  # around to the last one
        assert shown(page) == "020 1"
        exact = one_clock().numbers["scenes"]["020"]["exact"]
        hero.get_by_text("The picture as a table").click()
        cells = hero.locator("tbody tr td:last-child").all_inner_texts()
        assert cells == [f"{x / 1000:.3f}" for x in exact]
        assert "town 1.000" in str(hero.locator("svg").first.get_attribute("aria-label"))
        sizes = hero.locator("svg text").evaluate_all("all => all.map(e => e.getBoundingClientRect().height)")
        assert min(size for size in sizes if size) >= 9, "a line of 9 px letters is at least as high"
        page.screenshot(path=artifacts / f"hero-{'dark' if dark else 'light'}.png", full_page=True)


def test_it_plays_once_and_rests_at_the_end(chromium: Browser, tmp_path: Path) -> None:
    path = tmp_path / "hero.html"
    path.write_text(f"<!doctype html><title>hero</title><body>{one_clock().html()}")
    page = chromium.new_page(viewport={"width": 1200, "height": 1000})
    page.goto(path.as_uri())
    page.wait_for_function("document.querySelector('.bnt-hero').dataset.shown === '000 4'", timeout=60_000)
    page.get_by_role("button", name=re.compile("Play")).wait_for()
    page.close()
    calm = chromium.new_page(viewport={"width": 1200, "height": 1000}, reduced_motion="reduce")
    calm.goto(path.as_uri())
    calm.wait_for_timeout(1500)
    assert shown(calm) == "000 0", "nothing moves by itself"
    calm.close()
