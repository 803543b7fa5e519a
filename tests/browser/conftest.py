"""Browser tests need the dev extra (playwright), and are skipped where the system has no chromium."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest

from tests.browser.lab import serve

COURSE = Path(__file__).resolve().parents[2] / "course"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """JupyterLab over a copy of the course: running a lesson must not touch the repository."""
    copy = tmp_path_factory.mktemp("lab") / "course"
    shutil.copytree(COURSE, copy, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    with serve(copy) as address:
        yield address


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core, out of a package of the dev extra."""
    return files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")


@pytest.fixture
def artifacts(tmp_path: Path) -> Path:
    """Where screenshots are kept: $BNT_ARTIFACTS, else pytest's folder for this test."""
    return Path(os.environ.get("BNT_ARTIFACTS", tmp_path))
