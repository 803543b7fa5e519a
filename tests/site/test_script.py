"""What site.js does, on pages of a few lines: nothing is built (slow: needs chromium)."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

from bnt import widgets
from tests.site.conftest import REPO, part_of_site

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow
notebooks, sources = part_of_site("notebooks"), part_of_site("sources")
ASKED = [
    widgets.guess("01-word", "Which?", "b", choices=["a", "b"]),
    widgets.guess("01-number", "How far?", 30, low=0, high=100, step=1, unit="km"),
]
MENU = '<div class="sidebar-tree"><a href="/course/01_one.html">01 · One</a></div>'
BOX = '<a href="/course/01_one.html"><rect x="8" y="8" width="250" height="62"/></a>'
MAP = f'<nav class="bnt-map"><svg>{BOX}</svg></nav>'
FORM = """<form class="bnt-choose" hidden><input name="words"><select name="verdict"><option value="">all</option>
<option>false</option></select><span role="status"></span></form><div class="bnt-claims"><article id="one"
data-verdict="false">one</article><article id="two" data-verdict="exact">two</article></div>"""


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a site of four pages."""
    root = tmp_path_factory.mktemp("a site")
    alive = [
        notebooks.ALIVE.sub(lambda found: notebooks.on_page(found, f"c-{found[1]}"), each.html()) for each in ASKED
    ]
    guesses = [{**notebooks.Widget.of(m["mount"], m["spec"]), "lesson": "course/01_one"} for m in map(found, ASKED)]
    sources.put_scripts(sources.Folder(root), REPO, guesses)
    head = "".join(f'<script defer src="/_static/{name}.js"></script>' for name in ("words", "widgets", "site"))
    bar = notebooks.bar_of("01_one", "course", {}, "")
    pages = {
        "course/01_one": bar + "".join(alive),
        "exercises/01_one": notebooks.bar_of("01_one", "exercises", {}, ""),
        "progress": '<div id="bnt-progress"></div>' + MAP,
        "claims": FORM,
    }
    for name, body in pages.items():
        path = root / f"{name}.html"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"<!doctype html><meta charset=utf-8><head>{head}</head>{MENU}{body}", encoding="utf-8")
    running = part_of_site("serve").server(root)
    Thread(target=running.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()
    running.server_close()


def found(asked: Any) -> Any:
    return notebooks.ALIVE.search(asked.html())


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A browser of its own, early in the morning of 2 March, while it is 1 March in London."""
    context = chromium.new_context(timezone_id="Pacific/Kiritimati")
    made = context.new_page()
    made.clock.set_fixed_time("2026-03-01T11:00:00Z")
    errors: list[str] = []
    made.on("pageerror", lambda error: errors.append(str(error)))
    yield made
    context.close()
    assert errors == []


def answer(page: Page) -> None:
    page.get_by_label("b", exact=True).check()
    page.get_by_label("km from 0 to 100").fill("50")
    for button in page.get_by_role("button", name="Commit").all()[::-1]:
        button.click()


def cells(page: Page) -> list[str]:
    return page.locator("#bnt-progress tbody tr").first.locator("th, td").all_inner_texts()


def test_progress_counts_ticks_and_guesses_of_this_browser_and_forgets_all_of_them(there: str, page: Page) -> None:
    page.goto(f"{there}/exercises/01_one.html")
    page.get_by_label("I have done this").check()
    page.goto(f"{there}/course/01_one.html")
    page.get_by_label("I have done this").check()
    answer(page)
    page.goto(f"{there}/progress.html")
    assert cells(page) == ["01 · One", "2026-03-02", "2 of 2", "1 of 1", "20% of the range"]
    assert page.locator(".bnt-map .bnt-tick").text_content() == "✓"
    page.evaluate("localStorage.other = 'of another page of this address'")
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Forget all of it").click()
    assert page.evaluate("Object.keys(localStorage)") == ["other"]
    assert page.locator(".bnt-tick").count() == 0


def test_a_guess_at_another_question_is_not_counted(there: str, page: Page) -> None:
    page.goto(f"{there}/course/01_one.html")
    answer(page)
    page.evaluate(
        "for (const k of Object.keys(localStorage)) localStorage[k] = localStorage[k].replace('How far', 'How high')"
    )
    page.goto(f"{there}/progress.html")
    assert cells(page)[2:] == ["1 of 2", "1 of 1", "–"]


def test_a_browser_that_keeps_nothing_shows_every_page(there: str, page: Page) -> None:
    page.add_init_script(
        "Object.defineProperty(window, 'localStorage', { get() { throw new Error('SecurityError'); } })"
    )
    page.goto(f"{there}/course/01_one.html")
    page.get_by_label("I have done this").check()
    answer(page)
    assert "Right." in page.locator(".bnt-live").first.inner_text()
    page.goto(f"{there}/progress.html")
    assert cells(page)[1:] == ["–", "0 of 2", "–", "–"]
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Forget all of it").click()


@pytest.mark.parametrize("rest", ["?length=3&verdict=false", "?verdict=false&0=x#%", "?verdict=false#%E0%A4%A"])
def test_an_odd_address_does_not_stop_the_page(there: str, page: Page, rest: str) -> None:
    page.goto(f"{there}/claims.html{rest}")
    assert page.locator(".bnt-choose [role=status]").inner_text() == "1 of 2 claims"
