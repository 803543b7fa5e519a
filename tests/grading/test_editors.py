"""What editors and platforms make of notebooks and folders: nobody's answer is lost, nobody's row is missing.

The layouts that the guide lists are in test_layouts.py; here are the ways of other tools, one case for each.
"""

import json
import os
import unicodedata
import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from bnt.errors import FormatError
from bnt.grading.archives import LARGEST_FILE, from_disk, is_archive, is_notebook, without_pictures, without_suffix
from bnt.grading.layouts import moment_of
from tests.grading.test_layouts import NAME, full, packed, put, read

WHO = ("ann", "bob", "cleo")
ALL = dict.fromkeys(WHO, "full")
Notebook = dict[str, Any]


def colab(notebook: Notebook) -> None:
    for number, cell in enumerate(notebook["cells"]):
        cell["metadata"] = {"id": cell["id"]}
        cell["id"] = f"x{number}"


def nbgrader_metadata_alone(notebook: Notebook) -> None:
    notebook["nbformat_minor"] = 2  # as VS Code and Kaggle write older notebooks
    for cell in notebook["cells"]:
        del cell["id"]
        cell["metadata"]["trusted"] = True


def ids_alone(notebook: Notebook) -> None:
    for cell in notebook["cells"]:
        cell["metadata"] = {}


def nothing_kept(notebook: Notebook) -> None:
    """Deepnote, Datalore and converters: new ids, own metadata."""
    notebook["nbformat_minor"] = 0
    for number, cell in enumerate(notebook["cells"]):
        del cell["id"]
        cell["metadata"] = {"cell_id": f"{number:08x}", "deepnote_cell_type": cell["cell_type"]}


def new_ids(notebook: Notebook) -> None:
    for number, cell in enumerate(notebook["cells"]):
        cell["id"], cell["metadata"] = f"{number:08x}", {}


def windows_lines(notebook: Notebook) -> None:
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"]).replace("\n", "\r\n")


def number_as_text(notebook: Notebook) -> None:
    notebook["nbformat"] = "4"


def no_number(notebook: Notebook) -> None:
    del notebook["nbformat"]


def huge_pictures(notebook: Notebook) -> None:
    page = ["<div>" + "x" * (1 << 20), '\\" </div>'] * 5
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            data = {"image/png": "A" * (4 << 20) + "\n", "text/html": page, "text/plain": "<Figure>"}
            cell["outputs"] = [{"output_type": "display_data", "data": data, "metadata": {}}]


EDITORS: list[Callable[[Notebook], None]] = [
    colab, nbgrader_metadata_alone, ids_alone, nothing_kept, new_ids, windows_lines, number_as_text, no_number,
    huge_pictures,
]  # fmt: skip


@pytest.mark.parametrize("change", EDITORS, ids=lambda change: change.__name__)
@pytest.mark.parametrize("suffix", ["", ".zip"])
def test_an_editor_loses_no_answer(source, good: bytes, tmp_path: Path, change, suffix: str) -> None:
    notebook = json.loads(good)
    change(notebook)
    content = json.dumps(notebook).encode()
    files = {"ann.zip": packed({NAME: content})} if suffix else {f"ann/{NAME}": content}
    found = read(source, put(tmp_path / "in", {**files, f"bob/{NAME}": good}))
    assert set(found) == {"ann", "bob"}
    assert full(source, found["ann"]), found["ann"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1252"])
def test_a_notebook_may_be_saved_in_any_encoding(source, good: bytes, tmp_path: Path, encoding: str) -> None:
    notebook = json.loads(good)
    notebook["cells"].insert(0, {"cell_type": "markdown", "id": "own", "metadata": {}, "source": "von Jürg – für Zoë"})
    content = json.dumps(notebook, ensure_ascii=False).replace("\n", "\r\n").encode(encoding)
    assert full(source, read(source, put(tmp_path / "in", {f"ann/{NAME}": content}))["ann"])


def test_cells_without_any_mark_are_known_by_their_text_alone(source, blank: bytes, tmp_path: Path) -> None:
    """What was left as it was given out stays blank, and no placeholder becomes an answer."""
    notebook = json.loads(blank)
    nothing_kept(notebook)
    found = read(source, put(tmp_path / "in", {f"ann/{NAME}": json.dumps(notebook).encode(), f"bob/{NAME}": blank}))
    assert found["ann"].answers == found["bob"].answers


def test_pictures_count_for_nothing_and_text_does(good: bytes) -> None:
    notebook = json.loads(good)
    fake = 'def normalise(p):\n    x = {"image/png": "' + "B" * 50 + '"}'
    notebook["cells"].append({"cell_type": "code", "id": "more", "metadata": {}, "source": fake, "outputs": []})
    huge_pictures(notebook)
    content = json.dumps(notebook).encode()
    assert len(content) > LARGEST_FILE
    small = json.loads(without_pictures(content))
    assert [cell["source"] for cell in small["cells"]] == [cell["source"] for cell in notebook["cells"]]
    assert small["cells"][1]["outputs"][0]["data"] == {"image/png": "", "text/html": "", "text/plain": "<Figure>"}
    notebook["metadata"]["x"] = "y" * (LARGEST_FILE + 1)
    with pytest.raises(OSError, match="more than 20 MB"):
        without_pictures(json.dumps(notebook).encode())


GROUPS = b"""---
submission_11:
  :submitters:
  - :name: Ann Smith
    :sid: '0042'
    :email: ann@uni.edu
  - :name: Bob Jones
    :email: bob@uni.edu
    :sid:
  :created_at: 2026-03-01 17:59:00.000000000 Z
  :history:
  - :id: 7
    :created_at: 2026-02-01 17:59:00.000000000 Z
  :results:
    :tests:
    - :name: Test 1
submission_12:
  :created_at: 2026-03-02 17:59:00.000000000 Z
  :submitters:
  - :email: cy@uni.edu
    :name: "Cy Ng"
submission_13:
  :created_at: 2026-03-02 17:59:00.000000000 Z
"""


def test_a_group_on_gradescope_is_several_people_at_the_time_of_their_own_upload(source, good, tmp_path: Path) -> None:
    files = {f"a_42_export/submission_{i}/{NAME}": good for i in (11, 12, 13)}
    found = read(source, put(tmp_path / "in", {**files, "a_42_export/submission_metadata.yml": GROUPS}))
    assert {who: (one.known[:2], one.when % 86400) for who, one in found.items()} == {
        "Ann Smith": (("0042", "ann@uni.edu"), 64740),
        "Bob Jones": (("11", "bob@uni.edu"), 64740),
        "Cy Ng": (("12", "cy@uni.edu"), 64740),
        "submission_13": (("13", "submission_13"), 64740),
    }
    assert len({one.when // 86400 for one in found.values()}) == 2
    assert found["Ann Smith"].notes == ["handed in for Bob Jones as well"]


def nfd(text: str) -> str:
    return unicodedata.normalize("NFD", text)


# fmt: off
def platforms(good: bytes, blank: bytes) -> dict[str, tuple[dict, dict[str, str]]]:
    n = NAME
    stamp = "2026-11-02 10:00:00.123456"
    return {
        "blanks at the ends of names": (
            {f"ann /{n}": good, f"bob/{n} ": good, "cleo/ normalise .ipynb": good}, ALL
        ),
        "umlauts in two code points": (
            {nfd(f"Jürg Müller/{n}"): good, nfd("normalise_Zoë.ipynb"): good}, {"Jürg Müller": "full", "Zoë": "full"}
        ),
        "zips in a zip, with what macOS adds": (
            {"all.zip": packed({
                "hw2/ann.zip": packed({n: good, f"__MACOSX/._{n}": b"x"}), "hw2/bob.zip": packed({f"hw/{n}": good}),
                "hw2/cleo.zip": packed({n: good}), "__MACOSX/hw2/._ann.zip": b"x", "hw2/.DS_Store": b"",
            })}, ALL
        ),
        "a zip in a zip around the class": (
            {"dl.zip": packed({"all.zip": packed({f"{w}.zip": packed({n: good}) for w in WHO})})}, ALL
        ),
        "archives downloaded twice": (
            {name: packed({n: good}) for name in ("ann.zip.zip", "bob.zip (1)", "cleo.ZIP.download")}, ALL
        ),
        "whole paths inside": (
            {"ann.zip": packed({f"C:\\Users\\ann\\{n}": good}), "bob.zip": packed({f"/home/bob/{n}": good}),
             "cleo.zip": packed({f"../../{n}": good})}, ALL
        ),
        "notebooks called anything": ({"ann/Untitled.ipynb": good, "ann/Untitled1.ipynb": blank}, {"ann": "full"}),
        "one name that says nothing": (
            {f"hw2/{name}.ipynb": good for name in ("ann", "bob", "hw2")}, {"ann": "full", "bob": "full", "hw2": "full"}
        ),
        "numbers for names": (
            {f"hw2/{n}_normalise.ipynb": good for n in (1234567, 1234568)}, {"1234567": "full", "1234568": "full"}
        ),
        "the name in other letters": ({f"{w}_Normalise.ipynb": good for w in WHO}, ALL),
        "the name before the number": ({f"{w}_NORMALISE (2).ipynb": good for w in WHO}, ALL),
        "a learner's name inside a word of the exercise": (
            {"normalise_normaliser.ipynb": good, "normalise_ann.ipynb": good}, {"normaliser": "full", "ann": "full"}
        ),
        "documents of every kind": (
            {"normalise_ann.ipynb": good} | {f"normalise_{w}.{e}": b"x" for w, e in (
                ("bob", "rar"), ("cleo", "7z"), ("dan", "html"), ("eve", "pdf"), ("fay", "py"), ("gus", "docx"),
                ("hal", "png"), ("ian", "md"), ("jo", "csv"), ("kim", "ipynb.pdf"), ("lou", "ipynb.gz"))},
            {"ann": "full"}
            | dict.fromkeys((*WHO[1:], "dan", "eve", "fay", "gus", "hal", "ian", "jo", "kim", "lou"), ""),
        ),
        "a readme beside": ({f"w2/{w}/{n}": good for w in WHO} | {"w2/README.txt": b"x", "w2/LICENSE": b"x"}, ALL),
        "Brightspace": (
            {f"{i}-9 - {w} Smith - Nov 2, 2026 1005 AM - {n}": good for i, w in enumerate(WHO)} | {"index.html": b"x"},
            {f"{w} Smith": "full" for w in WHO},
        ),
        "Brightspace, handed in twice": (
            {f"1-9 - Ann Ng - Nov 2, 2026 905 AM - {n}": blank, f"1-9 - Ann Ng - November 2, 2026 100 PM - {n}": good,
             f"2-9 - Bob Ng - Nov 2, 2026 1005 AM/{n}": good}, {"Ann Ng": "full", "Bob Ng": "full"}
        ),
        "Sakai": (
            {f"hw2/Smith, {w}({w}1)/Submission attachment(s)/{n}": good for w in WHO} | {"hw2/grades.csv": b"x"},
            {f"Smith, {w}({w}1)": "full" for w in WHO},
        ),
        "Teams": (
            {f"Submitted files/{w} Ng/hw2/Version {v}/{n}": c for w in WHO for v, c in ((1, blank), (2, good))},
            {f"{w} Ng": "full" for w in WHO},
        ),
        "archives under another name": (
            {"ann.zip": packed({n: good}, ".tar.gz"), "bob.tar.gz": packed({n: good}), "cleo.zip": good,
             "dan.tgz": packed({"hw.zip": good}), "eve.zip": b"Rar!\x1a\7\1", "fay.zip": b"7z\xbc\xaf\x27\x1c",
             "gus.zip": b"", "hal.zip": b"#!/bin/sh\n" + packed({n: good})},
            ALL | {"dan": "full", "eve": "", "fay": "", "gus": "", "hal": "full"},
        ),
        "Canvas, a text besides": (
            {f"ann_1_50_{n}": good, "ann_1_text.html": b"<p>see attached", "bob_LATE_2_text.html": b"<p>sorry"},
            {"ann": "full", "bob": ""},
        ),
        "Google's copies": (
            {"hw/ann - Copy of normalise.ipynb": good, "hw/bob - Copy_of_normalise.ipynb": good,
             "hw/cleo - Kopie von normalise (1).ipynb": good}, ALL
        ),
        "Gradescope, in groups": (
            {f"a_42_export/submission_{i}/{n}": good for i in (11, 12, 13)}
            | {"a_42_export/submission_metadata.yml": GROUPS},
            dict.fromkeys(("Ann Smith", "Bob Jones", "Cy Ng", "submission_13"), "full"),
        ),
        "Canvas, anonymous": (
            {f"anonymous_x8d9f_50001_{n}": good, f"anonymous_LATE_y8d9f_50002_{n}": good},
            {"anonymous (x8d9f)": "full", "anonymous (y8d9f)": "full"},
        ),
        "JupyterHub's homes": (
            {f"home/{w}/course/exercises/{n}": good for w in WHO} | {"home/ann/.local/x.ipynb": b"{}"}, ALL
        ),
        "nbgrader's course": (
            {f"course/submitted/{w}/02/{n}": good for w in WHO}
            | {f"course/source/02/{n}": good, f"course/release/02/{n}": blank}, ALL
        ),
        "nbgrader's exchange, all of it": (
            {f"x/CS1/inbound/{w}+02+{stamp} UTC/{n}": good for w in WHO} | {f"x/CS1/outbound/02/{n}": blank}, ALL
        ),
        "nbgrader's exchange, other zones": (
            {f"ann+02+{stamp} +0100/{n}": good, f"bob+02+{stamp} CET/{n}": good, f"cleo+02+{stamp}+key/{n}": good}, ALL
        ),
    }
# fmt: on


NAMES = list(platforms(b"", b""))


@pytest.mark.parametrize("name", NAMES)
def test_a_platform_loses_nobody(source, good: bytes, blank: bytes, tmp_path: Path, name: str) -> None:
    files, wanted = platforms(good, blank)[name]
    found = read(source, put(tmp_path / "in", files))
    assert {who: "full" if full(source, one) else "" for who, one in found.items()} == wanted
    begins = ("nothing to grade: holds ", "the archive cannot be read: it is ")
    assert all(found[who].problem.startswith(begins) for who, what in wanted.items() if not what)
    if name == "documents of every kind":
        rar, pdf = "; of archives only .zip and .tar are read", "; hand in the notebook itself (.ipynb)"
        ends = {"bob": f"normalise_bob.rar{rar}", "cleo": f"normalise_cleo.7z{rar}", "eve": f"normalise_eve.pdf{pdf}"}
        assert all(found[who].problem.endswith(end) for who, end in ends.items())


def test_two_copies_of_a_class_are_an_error_and_no_two_learners(source, good, blank, tmp_path: Path) -> None:
    """The folder that was unpacked lies beside its archive, or a class lies in archives by group."""
    class_of = {f"hw/{w}/{NAME}": c for w, c in zip(WHO, (good, blank, good), strict=True)}
    both = put(tmp_path / "both", {**class_of, "hw.zip": packed(class_of)})
    groups = put(tmp_path / "groups", {
        f"{day}.zip": packed({f"{w}/{NAME}": good for w in those}) for day, those in (("mon", WHO[:2]), ("tue", "de"))
    })  # fmt: skip
    for folder in (both, groups):
        with pytest.raises(FormatError, match="would be one learner, but sibling folders in it hold this exercise"):
            read(source, folder)


@pytest.mark.parametrize(
    ("text", "hours"),
    [("10:00:00", 0), ("10:00:00 UTC", 0), ("10:00:00Z", 0), ("10:00:00 CET", 1), ("10:00:00 EDT", -4),
     ("10:00:00+01:00", 1), ("10:00:00 +0530", 5.5), ("10:00:00.123456 -08:00", -8), ("10:00:00 XYZ", 0)],
)  # fmt: skip
def test_moments_in_other_zones(text: str, hours: float) -> None:
    at_ten = 1_793_613_600  # 2026-11-02 10:00 UTC, from `date -d`
    assert moment_of(f"2026-11-02 {text}") == at_ten - 3600 * hours


def test_the_stamp_of_brightspace_is_local_time(source, good, tmp_path: Path) -> None:
    folder = put(tmp_path / "in", {f"1-9 - Ann Ng - Nov 2, 2026 1230 AM - {NAME}": good, f"bob/{NAME}": good})
    (ann,) = (one for one in read(source, folder).values() if one.layout == "Brightspace")
    assert datetime.fromtimestamp(ann.when) == datetime(2026, 11, 2, 0, 30)
    assert ann.known == ("1", "Ann Ng")


def test_endings() -> None:
    for name in ("a.ipynb", "a.ipynb ", "a.IPYNB.txt", "a.ipynb (2)", "a.ipynb.ipynb", "a.ipynb."):
        assert is_notebook(name), name
        assert without_suffix(name) == "a"
    for name in ("a.zip", "a.zip.zip", "a.tar.gz", "a.TGZ (1)", "a.zip "):
        assert is_archive(name), name
        assert without_suffix(name) == "a"
    for name in ("a.zipper", "a.ipynb.pdf", "zip", "a.gz"):
        assert not is_archive(name)
        assert not is_notebook(name)
    assert [without_suffix(name) for name in ("j.smith", ".pdf", "a.tar.pdf")] == ["j.smith", ".pdf", "a.tar"]


def test_a_picture_on_disk_that_is_too_large_even_to_look_at(tmp_path: Path) -> None:
    path = tmp_path / "a.ipynb"
    with path.open("wb") as file:
        file.truncate(101 << 20)  # a sparse file
    assert "more than 20 MB" in from_disk(path).problem
    stream = tmp_path / "a.zip"
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.ipynb", os.urandom(10))
    assert from_disk(stream).children[0].problem == ""
