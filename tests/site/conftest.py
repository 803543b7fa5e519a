"""The site under test: $BNT_SITE if it was built already, else built once into a folder of pytest."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from threading import Thread
from types import ModuleType

import pytest

REPO = Path(__file__).resolve().parent.parent.parent


def part_of_site(name: str) -> ModuleType:
    """A module of site/, which is no package: `site` is a module of Python's own. It may ask for one of docs/."""
    before = sys.path.copy()
    sys.path[:0] = [str(REPO / "site"), str(REPO / "docs")]
    try:
        return import_module(name)
    finally:
        sys.path[:] = before


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if "BNT_SITE" in os.environ:
        return Path(os.environ["BNT_SITE"]).resolve()
    out = tmp_path_factory.mktemp("site")
    done = subprocess.run([sys.executable, REPO / "site" / "build.py", "--out", out], text=True, capture_output=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return out


@pytest.fixture(scope="session")
def address(built: Path) -> Iterator[str]:
    """Where site/serve.py shows it."""
    running = part_of_site("serve").server(built)
    Thread(target=running.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()
    running.server_close()
