"""What every test module shares: the published networks, and Hypothesis without stopwatches."""

import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import settings

NETWORKS = Path(__file__).resolve().parent / "networks"  # thirteen .bif.gz files; README.md says whose

# The first example of a test may compile a kernel, so no deadline. The same examples every time, so that whoever breaks
# something sees it and nobody else does; `BNT_SEARCH=1 pytest tests` draws new ones, which is how to look for more.
settings.register_profile("bnt", deadline=None, derandomize="BNT_SEARCH" not in os.environ, print_blob=True)
settings.load_profile("bnt")

# A script that starts pytest with "&" makes it and all its children deaf to Ctrl-C; what tests start must hear it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    with suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGINT, signal.default_int_handler)

collect_ignore_glob = ["*.ipynb"]  # material of tests, not notebooks to validate


@pytest.fixture(scope="session")
def benchmark_networks() -> Path:
    """The folder of the published networks."""
    return NETWORKS


@pytest.fixture(scope="session")
def chromium():
    """One browser for all tests that look at pages: two of playwright's loops do not go together in one process."""
    from tests.browser import lab

    if lab.CHROMIUM is None:
        pytest.skip("browser tests need chromium, for example `apt-get install chromium`")
    with lab.browser() as running:
        yield running
