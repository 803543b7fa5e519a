"""What site/build.py and site/serve.py refuse, and what they leave alone; nothing is built."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.site.conftest import part_of_site

build, serve = part_of_site("build"), part_of_site("serve")


def test_a_cold_build_forgets_only_what_builds_have_kept(tmp_path: Path) -> None:
    for name in ("source", "doctrees", "mine"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    for name in ("claims-0123.json", "thesis.txt"):
        (tmp_path / name).touch()
    build.forget(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "thesis.txt"]


def test_a_misspelt_ledger_is_said_and_not_run_for_minutes(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"claim\.json is no file: --claims wants"):
        build.ledger(tmp_path, tmp_path / "claim.json")
    assert list(tmp_path.iterdir()) == []


def test_a_site_goes_into_a_folder_that_is_empty_or_its_own(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for out, why in ((tmp_path / "file", "is a file"), (tmp_path, "has not made")):
        with pytest.raises(SystemExit, match=why):
            build.ready(out)
    for _ in range(2):
        build.ready(tmp_path / "new")


def test_one_port_one_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "index.html").touch()
    with serve.server(tmp_path) as first:
        for port in (first.server_port, 65536):
            monkeypatch.setattr(sys, "argv", ["serve.py", str(tmp_path), "--port", str(port)])
            with pytest.raises(SystemExit, match=f"port {port} cannot be used .*choose another"):
                serve.main()
