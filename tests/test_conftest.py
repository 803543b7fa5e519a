"""The rule of the root's conftest.py: a skip that names no missing tool of the system fails the run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.patience import PATIENCE

CONFTEST = (Path(__file__).resolve().parent.parent / "conftest.py").read_text()
SKIPS = """import pytest
def test_in_itself(): pytest.skip("{0}")
@pytest.mark.skipif(True, reason="{0}")
def test_by_mark(): ...
"""
A_FILE = "import pytest\npytest.skip('{0}', allow_module_level=True)"


@pytest.mark.parametrize(("reason", "workers"), [("needs chromium", 0), ("no networks", 0), ("no networks", 1)])
def test_only_a_missing_system_tool_excuses_a_skip(tmp_path: Path, reason: str, workers: int) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_runs.py").write_text("def test_runs(): ...")
    (tmp_path / "test_skips.py").write_text(SKIPS.format(reason))
    (tmp_path / "test_all.py").write_text(A_FILE.format(reason))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "xdist.plugin", f"-n{workers}", "--rootdir=."]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    clean["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # seconds of start-up for nothing
    done = subprocess.run(command, cwd=tmp_path, env=clean, capture_output=True, text=True, timeout=100 * PATIENCE)
    assert "1 passed, 3 skipped" in done.stdout, done.stdout + done.stderr
    unnamed = "" if reason == "needs chromium" else done.stdout.partition("the run fails")[2]
    for where in ("test_in_itself", "test_by_mark", "test_all.py"):
        assert (where in unnamed) == (reason == "no networks")
    assert done.returncode == (1 if reason == "no networks" else 0)
