"""Stored results: found by name, belonging to a program that is there, small enough to ship."""

from pathlib import Path

import pytest

from bnt.errors import BntError
from bnt.stored import FOLDER, experiment_path, load_experiment

REPO = Path(__file__).resolve().parent.parent
STORED = sorted(path for path in FOLDER.glob("*.*") if not path.name.startswith("desk."))  # the page of `bnt desk`


def test_results_are_found_and_names_are_checked() -> None:
    assert load_experiment("hallucination").keys() == {"systems", "by_name", "described"}
    with pytest.raises(BntError, match=r"no experiment has stored 'halucination.json'; did you mean 'hallucination.j"):
        load_experiment("halucination")
    assert experiment_path("to_come.npz", new=True).parent == FOLDER


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.name)
def test_each_result_belongs_to_a_program_and_is_small(path: Path) -> None:
    assert path.suffix in (".json", ".npz")
    assert path.stat().st_size < 1_000_000
    programs = {program.stem.split("_")[0] for program in (REPO / "experiments").glob("*.py")}
    assert path.stem.split("_")[0] in programs | {"proofs"}  # written by proofs/check


def test_results_travel_with_the_package() -> None:
    import tomllib

    setuptools = tomllib.loads((REPO / "pyproject.toml").read_text())["tool"]["setuptools"]
    assert "data/**/*" in setuptools["package-data"]["bnt"]
