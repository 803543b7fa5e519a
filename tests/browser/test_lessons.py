"""Lessons in a real JupyterLab page: they open, run to their end, and every control moves by keyboard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import COURSE
from tests.browser.lab import Notebook
from tests.every import some

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow

LESSONS = some(sorted(path.name for path in COURSE.glob("*.ipynb")), 6)


@pytest.mark.parametrize("lesson", LESSONS)
def test_lesson(lesson: str, chromium: Browser, url: str, artifacts: Path) -> None:
    notebook = Notebook.open(chromium, url, lesson)
    try:
        notebook.run()
        assert notebook.errors() == []
        for control in notebook.controls():
            notebook.move(control)
            assert notebook.errors() == []
    finally:
        notebook.screenshots(artifacts / f"{Path(lesson).stem}.png")
        notebook.close()
