"""The built site, as a browser sees it and as files (slow): needs the extra `site`, and chromium."""

from __future__ import annotations

import gzip
import html
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlparse

import pytest

from tests.every import EVERY
from tests.site.conftest import part_of_site

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.slow, pytest.mark.timeout(6000 if EVERY else 1500)]
LANDING_BYTES, SITE_BYTES = 150_000, 80_000_000
SCREENS = [(width, theme) for width in (1280, 390) for theme in ("light", "dark")]
OURS = ("index", "claims", "progress", "README", "CHANGELOG", "search", "course/", "exercises/", "docs/", "reference/")


def pages_of(built: Path) -> list[str]:
    """All pages but slides and the listings of source code, as paths below the site."""
    names = sorted(path.relative_to(built).as_posix() for path in built.rglob("*.html"))
    return [name for name in names if not name.startswith(("_modules/", "_static/", "slides/"))]


def test_every_link_and_every_anchor_is_there(built: Path) -> None:
    @cache
    def ids(path: Path) -> set[str]:
        return set(re.findall(r'\b(?:id|name)="([^"]+)"', path.read_text(encoding="utf-8")))

    bad, seen = set(), 0
    for path in built.rglob("*.html"):
        text = re.sub(r"<script.*?</script>", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        for raw in re.findall(r'<(?:a|img|link|script|source)\b[^>]*?\b(?:href|src)="([^"]+)"', text):
            link = html.unescape(raw)
            if re.match(r"https?:|data:|mailto:", link):
                continue
            seen += 1
            target, _, anchor = link.partition("#")
            there = (path.parent / unquote(target.partition("?")[0])).resolve() if target else path
            if not there.is_file() or (anchor and there.suffix == ".html" and unquote(anchor) not in ids(there)):
                bad.add((path.relative_to(built).as_posix(), link))
    assert seen > 5000
    assert not bad


def test_the_site_is_small_and_loads_nothing_from_outside(built: Path) -> None:
    size = sum(path.stat().st_size for path in built.rglob("*") if path.is_file())
    assert size < SITE_BYTES
    for path in built.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        loaded = re.findall(r'<(?:script|img|source|iframe)\b[^>]*?\bsrc="(https?:[^"]+)"', text)
        loaded += re.findall(r'<link\b[^>]*?rel="(?:stylesheet|icon|preload)"[^>]*?href="(https?:[^"]+)"', text)
        assert not loaded, path


@contextmanager
def opened(chromium: Browser, address: str, name: str, width: int, theme: str, **more: Any) -> Iterator[Page]:
    """A page; in the end it has asked nobody but its own server, and its console is empty."""
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=theme, **more)
    page = context.new_page()
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(f"{address}/{name}", wait_until="load")
    yield page
    outside = [url for url in asked if urlparse(url).scheme != "data" and not url.startswith((address, "blob:"))]
    context.close()
    assert outside == [], name
    assert said == [], name


AXE = """async () => (await axe.run(document, {resultTypes: ["violations"]})).violations
    .filter(found => ["serious", "critical"].includes(found.impact))
    .map(found => `${found.id}: ${found.nodes.slice(0, 3).map(node => node.target.join(" ")).join(" | ")}`)"""
UNPACKED = """node => new Promise(done => {
    const look = () => node.dataset.packed ? done() : setTimeout(look, 20);
    look();
    setTimeout(done, 3000);
})"""
TOO_WIDE = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


def test_every_page_is_quiet_accessible_and_fits(built: Path, address: str, chromium: Browser) -> None:
    """Every fifth page on one screen in turn, the first of each kind on all; with BNT_EVERY set every page on all."""
    axe = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    names, wrong = pages_of(built), {}
    in_full = {"index.html", "claims.html", "progress.html", "course/01_evidence_adds.html", "course/glossary.html"}
    in_full |= {"reference/inference.html", "exercises/01_evidence_adds.html", "docs/hub.html", "search.html"}
    assert in_full <= set(names)
    chosen = names if EVERY else [name for name in names if name in in_full] + names[::5]
    for i, name in enumerate(dict.fromkeys(chosen)):
        for width, theme in SCREENS if EVERY or name in in_full else [SCREENS[i % len(SCREENS)]]:
            with opened(chromium, address, name, width, theme) as page:
                page.wait_for_function("() => !window.MathJax?.startup || MathJax.startup.promise")
                found = page.evaluate(f"{axe}\n;({AXE})()") if name.startswith(OURS) else []
                if page.evaluate(TOO_WIDE) > 0:
                    found.append("wider than the screen")
                if found:
                    wrong[name, width, theme] = found
    assert not wrong, json.dumps({" ".join(map(str, key)): value for key, value in wrong.items()}, indent=1)


def test_the_first_page_is_light(built: Path, address: str, chromium: Browser) -> None:
    fetched: set[str] = set()
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.on("request", lambda request: fetched.add(urlparse(request.url).path))
    page.goto(f"{address}/index.html", wait_until="networkidle")
    ready = page.evaluate("() => performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd")
    context.close()
    paths = [built / name.lstrip("/") for name in fetched if "searchindex" not in name]
    weight = sum(len(gzip.compress(path.read_bytes(), 6)) for path in paths if path.is_file())
    print(f"{weight / 1000:.0f} kB gzipped in {len(paths)} files, ready after {ready:.0f} ms")
    assert weight < LANDING_BYTES


def test_arrow_keys_move_every_widget(built: Path, address: str, chromium: Browser) -> None:
    moved = 0
    for name in pages_of(built):
        if 'data-bnt-mount="mountExplorer"' not in (built / name).read_text(encoding="utf-8"):
            continue
        with opened(chromium, address, name, 1280, "light") as page:
            page.evaluate("() => { for (const fold of document.querySelectorAll('details')) fold.open = true; }")
            for widget in page.locator(".bnt-explorer").all():
                widget.evaluate(UNPACKED)
                if not widget.get_attribute("data-packed"):
                    continue  # a still: its frames are the kernel's
                for control in widget.locator(".bnt-controls input[type=range], .bnt-choices input:checked").all():
                    place = f"{name}, {control.evaluate('node => node.closest(`fieldset, .bnt-slider`).textContent')}"
                    image, before = widget.locator("img"), widget.get_attribute("data-shown")
                    source = image.get_attribute("src")
                    there, back = ("ArrowRight", "ArrowLeft")
                    control.press(there)
                    if widget.get_attribute("data-shown") == before:  # it stands at its end
                        there, back = back, there
                        control.press(there)
                    assert widget.get_attribute("data-shown") != before, f"{place}: does not move"
                    assert image.get_attribute("src") != source, f"{place}: the picture stays"
                    page.keyboard.press(back)
                    assert widget.get_attribute("data-shown") == before, f"{place}: does not move back"
                    moved += 1
    assert moved >= 10


def test_without_scripts_there_are_stills_and_words(built: Path, address: str, chromium: Browser) -> None:
    with opened(chromium, address, "course/01_evidence_adds.html", 390, "light", java_script_enabled=False) as page:
        stills = page.locator(".bnt-live img").all()
        assert stills
        assert all(still.get_attribute("alt") for still in stills)
        assert page.locator(".bnt-done-box").is_hidden()
        assert page.get_by_text("The answer", exact=True).first.is_visible()
    with opened(chromium, address, "index.html", 390, "light", java_script_enabled=False) as page:
        assert page.get_by_role("heading", name="Yes, if you build one to be.").is_visible()
        assert page.locator(".bnt-map ol a").first.is_visible()


def test_slides_turn_by_keyboard_answers_come_last_and_nothing_comes_from_outside(
    built: Path, address: str, chromium: Browser
) -> None:
    for path in sorted(built.glob("slides/week-*.html")) if EVERY else [built / "slides" / "week-3.html"]:
        with opened(chromium, address, f"slides/{path.name}", 1280, "light") as page:
            page.wait_for_function("() => Reveal.isReady() && MathJax.startup.promise")
            page.keyboard.press("ArrowRight")
            shown = page.locator("section.present section.present").last
            shown.wait_for()
            assert shown.inner_text()
            state = "() => Reveal.getSlidesElement().querySelectorAll('.fragment.visible').length"
            assert page.evaluate(state) == 0
            for _ in range(40):
                page.keyboard.press("Space")
                if page.evaluate(state):
                    break
            assert page.locator("section.present .fragment.visible").first.is_visible()
            assert page.locator("mjx-container").count() > 5


def test_slides_out_of_a_checkout_need_nothing_from_outside(tmp_path: Path) -> None:
    page = part_of_site("slides").write(1, tmp_path).read_text(encoding="utf-8")
    for name in re.findall(r'(?:src|href)="((?:reveal|mathjax)/[^"]+)"', page):
        assert (tmp_path / name).stat().st_size > 1000, name
    assert not re.findall(r'<(?:script|link|img)[^>]*(?:src|href)="https?:', page)


def test_a_word_of_the_glossary_says_what_it_means(address: str, chromium: Browser) -> None:
    with opened(chromium, address, "course/04_loops_and_damping.html", 1280, "dark") as page:
        word = page.locator("a.bnt-word").first
        tip = page.locator("#bnt-tip")
        assert tip.is_hidden()
        word.focus()
        assert tip.is_visible()
        assert len(tip.inner_text()) > 20
        page.keyboard.press("Escape")
        assert tip.is_hidden()
        word.hover()
        assert tip.is_visible()


def test_claims_are_chosen_and_linked(address: str, chromium: Browser) -> None:
    with opened(chromium, address, "claims.html?verdict=false", 1280, "light") as page:
        rows = page.locator(".bnt-claims article:visible")
        some = rows.count()
        assert 0 < some < page.locator(".bnt-claims article").count()
        assert page.locator(".bnt-choose [role=status]").inner_text().startswith(f"{some} of ")
        page.get_by_label("Words").fill("index-matching")
        assert rows.first.get_attribute("id") == "index-matching"
        assert "words=index-matching" in page.url
        page.get_by_label("Words").fill("no such words anywhere")
        assert rows.count() == 0
        page.evaluate("location.hash = 'tree-depth'")  # a deep link to a row that is not shown
        page.locator("#tree-depth").wait_for(state="visible")
        assert page.get_by_label("Words").input_value() == ""


def test_progress_and_predictions_stay_in_this_browser(address: str, chromium: Browser) -> None:
    with opened(chromium, address, "course/00_start_here.html", 1280, "light") as page:
        page.get_by_label("I have done this").check()
        page.reload()
        assert page.get_by_label("I have done this").is_checked()
        assert page.locator(".sidebar-tree a.current .bnt-tick").count() == 1
        page.get_by_label("less probable").check()
        page.get_by_role("button", name="Commit").first.click()
        page.goto(f"{address}/progress.html")
        row = page.locator("#bnt-progress tbody tr").first
        assert "1 of 1" in row.inner_text()
        assert page.locator("#bnt-progress [role=status]").inner_text().startswith("1 of ")
        page.once("dialog", lambda dialog: dialog.accept())
        page.get_by_role("button", name="Forget all of it").click()
        assert page.locator("#bnt-progress [role=status]").inner_text().startswith("0 of ")
        assert page.evaluate("Object.keys(localStorage).filter(key => key.startsWith('bnt-')).length") == 0


def test_the_page_of_a_lesson_gives_the_real_notebook(built: Path) -> None:
    from bnt.course import without_clone_only
    from tests.site.conftest import REPO

    for folder in ("course", "exercises"):
        for path in (REPO / folder).glob("*.ipynb"):
            assert (built / "notebooks" / folder / path.name).read_bytes() == without_clone_only(path.read_bytes())
    assert not [path for path in built.rglob("*") if "solutions" in path.parts]


@pytest.mark.parametrize(("width", "theme"), SCREENS)
def test_screenshots(address: str, chromium: Browser, tmp_path: Path, width: int, theme: str) -> None:
    """For eyes: kept in $BNT_ARTIFACTS."""
    kept = Path(os.environ.get("BNT_ARTIFACTS", tmp_path)) / "site"
    for name in ("index", "claims", "course/01_evidence_adds", "docs/hub"):
        with opened(chromium, address, f"{name}.html", width, theme) as page:
            path = kept / f"{name.replace('/', '_')}-{width}-{theme}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=path)
            assert path.stat().st_size > 5000
