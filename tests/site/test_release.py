"""What `.ci/release.py` says of versions, changelog, citation and address; and what docs/hub.md promises of files."""

from __future__ import annotations

import re
import runpy
import shutil
from pathlib import Path

import pytest

import bnt
from tests.site.conftest import REPO

RELEASE = runpy.run_path(str(REPO / ".ci" / "release.py"))
FILES = ("bnt/__init__.py", "CITATION.cff", "CHANGELOG.md", "pyproject.toml")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(REPO / name, tmp_path / name)
    return tmp_path


def change(copy: Path, name: str, old: str, new: str) -> None:
    text = (copy / name).read_text(encoding="utf-8")
    assert old in text
    (copy / name).write_text(text.replace(old, new, 1), encoding="utf-8")


def test_this_checkout_has_nothing_wrong(copy: Path) -> None:
    wrong, open_ = RELEASE["words_to_mend"](copy)
    assert wrong == []
    assert all(sentence.startswith(("CHANGELOG.md: the date", "pyproject.toml: the address")) for sentence in open_)


def test_a_date_and_an_address_close_what_is_open(copy: Path) -> None:
    change(copy, "CHANGELOG.md", f"## {bnt.__version__}, unreleased", f"## {bnt.__version__}, 2026-12-01")
    change(copy, "pyproject.toml", "repository.example", "code.invalid")
    assert RELEASE["words_to_mend"](copy) == ([], [])


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("CITATION.cff", f"version: {bnt.__version__}", "version: 0.0.9", "CITATION.cff does not say"),
        ("CHANGELOG.md", f"## {bnt.__version__}", "## 0.0.9", "begins with"),
        ("CHANGELOG.md", "\n- ", "\n## 0.0.1, 2020-01-01\n- ", "says nothing under"),
        ("bnt/__init__.py", f'"{bnt.__version__}"', '"0.3.0.dev0"', "no version of a release"),
    ],
)
def test_what_does_not_fit_is_said(copy: Path, name: str, old: str, new: str, said: str) -> None:
    change(copy, name, old, new)
    wrong, _ = RELEASE["words_to_mend"](copy)
    assert any(said in sentence for sentence in wrong)


def test_the_container_leaves_out_the_solutions_and_says_how_it_grades() -> None:
    hub = REPO / "docs" / "hub"
    assert "solutions" in (hub / "Dockerfile.dockerignore").read_text().splitlines()
    assert "REDUCED" in (hub / "Dockerfile").read_text()


def test_binder_installs_what_the_readme_installs() -> None:
    readme = (REPO / "README.md").read_text(encoding="utf-8")
    asked = (REPO / ".binder" / "requirements.txt").read_text().strip()
    assert re.fullmatch(r"-e \.\[course\]", asked)
    assert 'pip install -e ".[course]"' in readme
