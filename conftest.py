"""For every test, notebooks included: one thread per process, how notebooks of each folder are run, and named skips.

`pytest` runs each notebook in a kernel of its own and nbval compares what its cells print with the outputs
stored in the file. nbval knows strict or lax only for a whole command line; here the folder decides.

A test may be skipped only for want of a tool that pip cannot install (SYSTEM_TOOLS) and its reason must name it: any
other skip fails the run, so that a green run has run everything.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest

# Before anything imports numpy; kernels inherit it. Small matrices run slower on many threads.
for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(threads, "1")

ROOT = Path(__file__).parent
SYSTEM_TOOLS = ("chromium", "bubblewrap", "Rocq", "systemd")


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> Generator[None, list, list]:
    """Of pictures and widgets compare the words; of exercises, stored unanswered, only that they run to their end.

    Every picture carries its alt text and its numbers as a table, while its pixels differ between versions of
    matplotlib.
    """
    collectors = yield
    if file_path.suffix == ".ipynb":
        for notebook in collectors:
            picture = r'(?:<div style="overflow-x[^>]*>)?<img src="data:image/[^"]*" (alt="[^"]*")[^>]*>(?:</div>)?'
            notebook.sanitize_patterns[picture] = r"PICTURE \1"
            notebook.sanitize_patterns[r'(?s)<div class="bnt-live" data-bnt="bnt-[\w-]+">'] = "WIDGET"
            notebook.sanitize_patterns[r"(?s)<script>.*?</script>"] = "SCRIPT"
            notebook.compare_outputs = file_path.parent != ROOT / "exercises"  # False is what --nbval-lax sets
    return collectors


def pytest_itemcollected(item: pytest.Item) -> None:
    """Checks of solutions print 12 digits; where another machine differs in the last one, the grader does not mind."""
    if hasattr(item, "compare_outputs") and item.path.parent == ROOT / "solutions":
        from bnt.grading.compare import same
        from bnt.grading.nbval_guard import printed

        exactly = item.compare_outputs

        def compare(found: list, stored: list) -> bool:
            text = all(out.output_type in ("stream", "execute_result") for out in [*found, *stored])
            return (text and same(printed(found), printed(stored))) or exactly(found, stored)

        item.compare_outputs = compare


def unnamed_skips(config: pytest.Config) -> list[str]:
    """``test: reason`` for each skip, of a test or of a whole file, whose reason names none of SYSTEM_TOOLS."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    skipped = [(report.nodeid, report.longrepr[2]) for report in reporter.stats.get("skipped", [])] if reporter else []
    return [f"{test}: {why}" for test, why in skipped if not any(tool in why for tool in SYSTEM_TOOLS)]


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.exitstatus == pytest.ExitCode.OK and unnamed_skips(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if skips := unnamed_skips(terminalreporter.config):
        terminalreporter.section("skipped without naming a missing system tool: the run fails", red=True)
        terminalreporter.line("\n".join(skips))
