"""The first command of the README, literally, in a fresh clone and a fresh environment, up to a click on an exercise.

As root it runs a second time as an ordinary user, whose environment holds the libraries already, unless BNT_EVERY is
set. The clone holds what is committed.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.every import EVERY
from tests.ordinary_user import ORDINARY, ROOT, as_ordinary_user

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

REPO = Path(__file__).resolve().parents[2]
COMMAND = re.findall(r"```\n(.*)\n```", (REPO / "README.md").read_text(encoding="utf-8"))[0]
INSTALL_SECONDS = 1200
PYTHON = Path(os.path.realpath(sys.executable))
# Instead of opening a browser it writes down what the browser is to open.
BROWSER = """#!/bin/sh
printf '%s' "$1" > "$HOME/opening" && mv "$HOME/opening" "$HOME/opened"
"""


@contextmanager
def typed(home: Path, who: list[str], another: Path | None) -> Iterator[str]:
    """The command typed in a new clone, in an active environment; yields what JupyterLab asks the browser to open.

    another: an environment whose libraries it gets beforehand; None: it is empty.
    """
    clone, venv, log = home / "bnt", home / "venv", home / "log"
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", REPO, clone], check=True)
    (home / "browser").write_text(BROWSER)
    (home / "browser").chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST", "JUPYTER"))}
    path = f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}"
    environment = kept | {"HOME": str(home), "PATH": path, "BROWSER": f"{home / 'browser'} %s"}
    if who:
        subprocess.run(["chown", "-R", f"{ORDINARY}:{ORDINARY}", home], check=True)
    subprocess.run([*who, PYTHON, "-m", "venv", venv], env=environment, check=True)
    if another is not None:  # minutes of installing the same libraries again
        subprocess.run([*who, "cp", "-r", "--no-clobber", f"{another}/.", venv], check=True)
    with log.open("w") as stream:
        process = subprocess.Popen(
            [*who, "bash", "-c", COMMAND],
            cwd=clone, env=environment, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, start_new_session=True,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + INSTALL_SECONDS
        while not (home / "opened").exists():
            assert process.poll() is None, log.read_text()[-3000:]
            assert time.monotonic() < deadline, log.read_text()[-3000:]
            time.sleep(0.5)
        yield (home / "opened").read_text()
        assert ("you are root" in log.read_text()) == (ROOT and not who)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture(scope="module")
def homes() -> Iterator[list[Path]]:
    """Folders under /tmp that are removed in the end."""
    made: list[Path] = []
    yield made
    for home in made:
        shutil.rmtree(home, ignore_errors=True)


@pytest.mark.parametrize("user", ["this user", "ordinary user"] if ROOT else ["this user"])
def test_from_the_first_command_to_an_exercise(
    user: str, chromium: Browser, artifacts: Path, homes: list[Path]
) -> None:
    home = Path(tempfile.mkdtemp(prefix="bnt-first-", dir="/tmp"))
    home.chmod(0o755)
    another = None if EVERY or not homes else homes[0] / "venv"
    homes.append(home)
    who = as_ordinary_user(home, PYTHON.parent.parent) if user == "ordinary user" else []
    with typed(home, who, another) as address:
        page = chromium.new_page(viewport={"width": 1200, "height": 900})
        page.set_default_timeout(120_000)
        page.goto(address)
        lesson = page.locator(".jp-Notebook")
        lesson.get_by_role("heading", name="00 · Start here").wait_for()
        page.locator(".jp-CodeCell .cm-content").first.click()
        page.keyboard.press("Control+A")
        page.keyboard.insert_text("import bnt; print(bnt.__file__, 6 * 7 * 1000)")
        page.get_by_text("| Idle").wait_for()
        page.keyboard.press("Shift+Enter")
        page.get_by_text(f"{home}/bnt/bnt/__init__.py 42000").wait_for()
        page.screenshot(path=artifacts / f"lab-{user.replace(' ', '-')}.png")
        lesson.get_by_role("link", name="exercises").first.click()
        page.get_by_role("heading", name="Exercises 00 · Handing in").wait_for()
        page.screenshot(path=artifacts / f"lab-exercise-{user.replace(' ', '-')}.png")
        page.close()
