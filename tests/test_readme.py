"""The example of the README prints what the README says."""

import re
import subprocess
import sys
from pathlib import Path

import bnt

REPO = Path(__file__).resolve().parent.parent
README = (REPO / "README.md").read_text()


def test_example() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    (expected,) = re.findall(r"```text\n(.*?)```", README, re.DOTALL)
    run = subprocess.run([sys.executable, "-c", example], capture_output=True, text=True)
    compiling = r"(bnt: compiling for this machine.*\n)?"  # where nothing has run before
    assert run.stdout == expected
    assert re.fullmatch(compiling, run.stderr), run.stderr


def test_every_public_name_is_on_the_page_of_public_names() -> None:
    words = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", (REPO / "docs" / "library.md").read_text()))))
    more = {
        "attempt",
        "given",
        "self_check",
        "show",
        "watch",
        "precision",
    }  # of bnt.exercise; an option that halves memory
    missing = [name for name in {*bnt.__all__, *more} if name not in words and name != "__version__"]
    assert not missing, f"docs/library.md does not mention {missing}"
