"""``bnt desk`` in a real browser: graded by keyboard alone, in each of its views, nothing of a learner's runs."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from bnt.grading import manual
from bnt.grading.desk_server import COOKIE
from bnt.grading.grade import grade
from bnt.grading.versions import exercise
from tests.exercise_examples import REPO, cell_of, documented_source

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow
GOOD = "def normalise(p):\n    p = np.asarray(p, dtype=float)\n    return p / p.sum()"
EVIL = "<img src=x onerror=\"document.title='RAN'\"><script>document.title='RAN'</script>"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """(address with token, folder of reports) of a class of four; a second exercise lies beside."""
    folder = tmp_path_factory.mktemp("desk")
    source = documented_source(folder)
    essays = {"ann": "It cancels.", "bob": EVIL, "cyd": "Whatever.", f"dan {EVIL[:9]}": ""}
    for name, why in essays.items():
        notebook = exercise(source)
        cell_of(notebook, "normalise").source = f"# {EVIL}\n{GOOD}"
        if why:
            cell_of(notebook, "why").source = why
        path = folder / "in" / name.replace("/", "_") / "normalise.ipynb"
        path.parent.mkdir(parents=True)
        if name == "cyd":  # two cells that differ, both with the id of the answer
            copy = {**cell_of(notebook, "normalise"), "source": "def normalise(p):\n    return p  # the other"}
            notebook["cells"].append(copy)
        path.write_text(json.dumps(notebook))
    grade(source.path, [folder / "in"], folder / "all" / "1", seed=7, jobs=2)
    second = folder / "all" / "2"
    shutil.copytree(folder / "all" / "1", second)
    facts = json.loads((second / "results" / "desk.json").read_text())
    (second / "results" / "desk.json").write_text(json.dumps({**facts, "exercise": "another"}))
    command = [sys.executable, "-m", "bnt.grading", "desk", str(folder / "all"), "--no-browser"]
    environment = {**os.environ, "PYTHONPATH": str(REPO)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    address = process.stdout.readline().split()[-1]
    yield address, folder / "all" / "1"
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0


def points(out: Path) -> dict[tuple[str, str], tuple[float | None, str]]:
    return {key: (entry.points, entry.comment) for key, entry in manual.read(out / manual.FILE).items()}


def opened(chromium: Browser, address: str, errors: list[str]) -> Page:
    page = chromium.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(address)
    page.wait_for_selector("#learners button")
    return page


CURRENT = "article[aria-current]"


def at(page: Page, learner: str, title: str = "") -> None:
    """Wait until this learner's card is the one that keys speak to."""
    page.locator(f"{CURRENT} .title", has_text=learner or title).wait_for()


def listed(page: Page, which: str) -> list[str]:
    return page.locator(f"#{which} button").all_inner_texts()


def test_a_class_is_graded_by_keyboard(chromium: Browser, desk: tuple[str, Path]) -> None:
    """The views in turn: by question first, one at a time, by learner; only what needs a person; the next exercise."""
    address, out = desk
    errors: list[str] = []
    page = opened(chromium, address, errors)
    assert "token" not in page.url
    assert page.text_content("#exercise") == "normalise"
    # cyd's two copies wait for both checks, and three have written
    assert page.text_content("#progress") == "5 answers wait"
    assert page.locator("#desks option").all_inner_texts() == ["normalise (5 left)", "another (5 left)"]
    at(page, "cyd: 1. Normalise")  # the first that waits
    assert "the other" in page.locator(f"{CURRENT} .answer").inner_text()
    assert "which one counts?" in page.locator(f"{CURRENT} .reason").inner_text()
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    at(page, "ann: 2. Why normalise?")  # questions stand in the order of the notebook
    assert points(out)["cyd", "check-normalise"] == (1, "")

    # all answers to a question, below each other, the reference once above them
    page.keyboard.press("v")
    page.locator("#heading", has_text="2. Why normalise?").wait_for()
    assert page.locator("article").count() == 4
    assert page.locator("article .reference").count() == 0
    assert "A constant factor cancels" in page.locator("#common").inner_text()
    assert listed(page, "questions")[1].split("\n") == ["2. Why normalise?", "3 left"]
    page.keyboard.press("u")  # only what needs a person: dan left it blank
    page.wait_for_function("document.querySelectorAll('article').length === 3")
    assert [text.split("\n")[0] for text in listed(page, "learners")] == ["ann", "bob", "cyd"]
    at(page, "ann")
    for key in "1.5":  # points, and on to the next who waits
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    at(page, "bob")
    assert points(out)["ann", "why"] == (1.5, "")
    assert page.locator("article").count() == 3  # what was done stays in sight
    assert page.text_content(f"{CURRENT} .answer pre") == EVIL  # shown, not run
    assert listed(page, "questions")[0].split("\n") == ["2. Why normalise?", "2 left"]
    page.keyboard.press("c")
    page.keyboard.type("no, but <b>nice</b>; =1+1")
    page.keyboard.press("Escape")
    page.locator("#saved", has_text="saved: bob").wait_for()
    assert points(out)["bob", "why"] == (None, "no, but <b>nice</b>; '=1+1")
    page.keyboard.press("j")
    at(page, "cyd")
    page.keyboard.press("k")
    at(page, "bob")
    page.keyboard.press("0")
    page.keyboard.press("Enter")
    at(page, "cyd")
    page.keyboard.press("f")
    page.locator("#saved", has_text="saved: cyd").wait_for()
    assert points(out)["cyd", "why"][0] == 2
    page.keyboard.press("9")  # more than there are
    page.keyboard.press("Enter")
    page.locator("#saved", has_text="points must lie").wait_for()
    assert points(out)["cyd", "why"][0] == 2
    page.fill(f"{CURRENT} .points", "2")
    page.keyboard.press("Enter")  # one is left: the hidden check of cyd's two copies
    at(page, "cyd")
    page.locator("#heading", has_text="hidden check").wait_for()
    page.keyboard.press("0")
    page.keyboard.press("Enter")
    page.locator("#progress", has_text="nothing waits").wait_for()

    # all answers of a learner
    page.keyboard.press("u")
    page.keyboard.press("v")
    page.locator("#heading", has_text="cyd").wait_for()
    assert page.locator("article .title").all_inner_texts() == [
        "1. Normalise", "2. Why normalise?", "1. Normalise (hidden check)"
    ]  # fmt: skip
    page.keyboard.press("p")
    page.locator("#heading", has_text="bob").wait_for()
    assert "Automatic:" in page.locator("article .reason").first.inner_text()
    page.locator("article .points").first.click()  # the mouse chooses a card, too
    at(page, "", "1. Normalise")
    page.keyboard.press("Escape")
    page.keyboard.press("v")
    at(page, "bob: 1. Normalise")
    page.keyboard.press("j")
    at(page, "cyd: 1. Normalise")

    page.reload()
    page.wait_for_selector("#learners button")
    assert page.text_content("#progress") == "nothing waits"
    assert page.title() == "normalise"
    before = points(out)
    page.select_option("#desks", "1")
    page.locator("#exercise", has_text="another").wait_for()
    assert page.text_content("#progress") == "5 answers wait"
    at(page, "cyd: 1. Normalise")
    page.keyboard.press("f")
    page.locator("#saved", has_text="saved: cyd").wait_for()
    assert points(out.parent / "2")["cyd", "check-normalise"] == (1, "")
    assert points(out) == before
    assert page.evaluate("document.querySelectorAll('main img, main script, nav img').length") == 0
    assert [error for error in errors if "400" not in error] == []
    page.close()


def test_strangers_get_nothing(desk: tuple[str, Path]) -> None:
    address, out = desk
    parts = urlsplit(address)
    assert parts.hostname == "127.0.0.1"
    token = parts.query.removeprefix("token=")
    cookie = {"Cookie": f"{COOKIE}-{parts.port}={token}"}
    entry = json.dumps({"desk": 0, "learner": "ann", "cell": "why", "points": 0, "comment": "stolen"})
    before = points(out)

    def ask(path: str, headers: dict[str, str], method: str = "GET", body: str | None = None) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", parts.port, timeout=10)
        connection.request(method, path, body, headers)
        return connection.getresponse().status

    json_type = {"Content-Type": "application/json"}
    assert ask("/data", {}) == 403
    assert ask("/", {}) == 403
    assert ask("/desk.js", {}) == 403
    assert ask("/?token=wrong", {}) == 403
    assert ask("/data", {"Cookie": f"{COOKIE}-{parts.port}=wrong"}) == 403
    assert ask("/data", json_type, "POST", entry) == 403
    assert ask("/data", {**cookie, "Host": "evil.example"}) == 403  # a name elsewhere that points here
    assert ask("/data", {**cookie, "Content-Type": "text/plain"}, "POST", entry) == 403  # what a form could send
    assert ask("/../results/desk.json", cookie) in (403, 404)
    for bad in (
        "{", "[]", "{}", entry.replace('"points": 0', '"points": 99'), *(entry.replace('"desk": 0', f'"desk": {other}')
        for other in ("2", "-1", "true", '"0"', "null"))
    ):  # fmt: skip
        assert ask("/data", {**cookie, **json_type}, "POST", bad) == 400
    assert points(out) == before
    assert ask("/data", cookie) == 200
    assert ask("/data?desk=1", cookie) == 200
    assert [ask(f"/data?desk={other}", cookie) for other in ("2", "-1", "x")] == [400, 400, 400]
