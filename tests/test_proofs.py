"""The record of the proofs is complete and honest; the check of the proofs sees what it should see."""

import importlib.util
import json
import re
import shutil
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parent.parent
RECORD = json.loads((REPO / "bnt/data/proofs.json").read_text())


def checker():
    spec = importlib.util.spec_from_file_location("check", REPO / "proofs" / "check.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_record_holds_every_theorem_of_every_file():
    found = {
        f"{source.stem}.{name}": about
        for source in (REPO / "proofs").glob("*.v")
        for name, about in checker().theorems(source.read_text()).items()
    }
    assert {name: (about["words"], about["statement"]) for name, about in found.items()} == {
        name: (about["words"], about["statement"]) for name, about in RECORD.items()
    }


def test_no_theorem_rests_on_more_than_the_standard_reals():
    standard = checker().STANDARD
    for name, about in RECORD.items():
        assert set(about["assumptions"]) <= standard, name
        assert about["words"], name


def test_the_page_names_theorems_that_exist():
    page = (REPO / "docs/proofs.md").read_text()
    table = page[page.index("| file |") : page.index("`Sums.v` holds")]
    for row in re.findall(r"^\| `(\w+)\.v` \|(.*)$", table, re.MULTILINE):
        for name in re.findall(r"`([a-z0-9_]+)`", row[1]):
            assert f"{row[0]}.{name}" in RECORD, name
    files = {name.split(".")[0] for name in RECORD}
    assert set(re.findall(r"^\| `(\w+)\.v`", table, re.MULTILINE)) == files
    assert f"`{len(RECORD)} theorems in {len(list((REPO / 'proofs').glob('*.v')))} files, 0 faults`" in page


GOOD = "(** One is one. *)\nTheorem one : 1 = 1.\nProof. reflexivity. Qed.\n"


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("coqc"), reason="needs Rocq (coqc)")
@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda text: text, ""),
        (lambda text: text.replace("reflexivity. Qed", "Admitted"), "says Admitted"),
        (lambda text: text.replace("Proof. reflexivity", "Proof. exact (all 1 1)"), "coqc"),
        (
            lambda text: "Variable all : forall n m : nat, n = m.\n" + text.replace("reflexivity", "apply all"),
            "rests on",
        ),
        (lambda text: text.replace("(** One is one. *)", ""), "no words above"),
        (lambda text: text.replace("Theorem one", "Theorem won"), "is not what Rocq says"),
    ],
)
def test_the_check_sees(tmp_path, capsys, change, fault):
    source, record = tmp_path / "One.v", tmp_path / "record.json"
    source.write_text(GOOD)
    assert checker().main(tmp_path, record, write=True) == 0
    source.write_text(change(GOOD))
    try:
        code, said = checker().main(tmp_path, record), capsys.readouterr().out
    except SystemExit as end:
        code, said = 1, str(end)
    assert (code, fault in said) == (1 if fault else 0, True)
