"""The examples of the reference (docs/examples.md) print what stands there."""

import doctest
import re

import numpy as np
import pytest

import bnt
from tests.site.conftest import REPO

TEXT = (REPO / "docs" / "examples.md").read_text(encoding="utf-8")
EXAMPLES = dict(re.findall(r"^## `(\w+)`\n.*?^```pycon\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL))


@pytest.mark.parametrize("name", EXAMPLES)
def test_example(name: str) -> None:
    found = doctest.DocTestParser().get_doctest(EXAMPLES[name], {"bnt": bnt, "np": np}, name, None, 0)
    assert found.examples
    lines: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(found, out=lines.append)
    assert not lines, "".join(lines)
    assert re.search(rf"\b{name}\b", EXAMPLES[name]) or name in ("Beliefs", "BntError")
