"""Class lists as platforms and spreadsheets save them (who is found by what is in test_layouts.py)."""

from pathlib import Path

import pytest

from bnt.errors import FormatError
from bnt.grading import manual
from bnt.grading.roster import Person, read_roster

GERMAN = "Nachname;Vorname;Benutzername;E-Mail-Adresse;Matrikelnr.\nMüller;Jürg;jm;jm@uni.edu;0042\n"
CANVAS = """Student,ID,SIS User ID,SIS Login ID,Section,hw2 (12)
    Points Possible,,,,,10
"Müller, Jürg",0042,s1,jm,A,
"Student, Test",9,,x,A,
"""
LISTS = {
    "UTF-8": GERMAN.encode(),
    "UTF-8 with a mark": GERMAN.encode("utf-8-sig"),
    "Windows": GERMAN.encode("cp1252"),
    "UTF-16, tabs, as Blackboard": GERMAN.replace(";", "\t").encode("utf-16"),
    "UTF-16 without a mark": GERMAN.encode("utf-16-le"),
    "UTF-16, the other end first": GERMAN.encode("utf-16-be"),
    "separator named": b"sep=;\r\n" + GERMAN.encode(),
    "bars": GERMAN.replace(";", "|").encode(),
    "commas": GERMAN.replace(";", ",").encode(),
    "old Macintosh lines": GERMAN.replace("\n", "\r").encode(),
    "empty lines": b"\n\n" + GERMAN.replace("\n", "\n;;;;\n\n").encode(),
    "a title above": b"Class list of CS1\n" + GERMAN.encode(),
    "everything in quotes": "\n".join(
        ";".join(f'"{cell}"' for cell in line.split(";")) for line in GERMAN.split("\n")
    ).encode(),
    "blanks around": GERMAN.replace(";", " ; ").encode(),
    "English, underscored": "last_name,first_name,login,e_mail,student_id\nMüller,Jürg,jm,jm@uni.edu,0042\n".encode(),
    "French": "Nom;Prénom;Identifiant;Courriel;ID\nMüller;Jürg;jm;jm@uni.edu;0042\n".encode(),
    "Spanish": "Apellidos,Nombre,Usuario,Correo electrónico,ID\nMüller,Jürg,jm,jm@uni.edu,0042\n".encode(),
    "GitHub Classroom": "name,github_username,student_id\nJürg Müller,jm,0042\n".encode(),
    "Canvas": CANVAS.encode(),
}


@pytest.mark.parametrize("name", list(LISTS))
def test_one_person_is_read_from_every_kind_of_list(tmp_path: Path, name: str) -> None:
    path = tmp_path / "class.csv"
    path.write_bytes(LISTS[name])
    (person,) = read_roster(path)
    assert person.name in ("Jürg Müller", "Müller, Jürg")
    assert (person.id, person.login) == ("0042", "jm")
    assert person.email == ("" if name in ("Canvas", "GitHub Classroom") else "jm@uni.edu")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04 and more", "is a workbook: save the sheet as CSV"),
        (b"name,id\nSmith, Ann,1\n", "line 2 has more cells than the first; put text with commas in quotes"),
        (b"ann@uni.edu\nbob@uni.edu\n", "must name a column"),
    ],
)
def test_what_cannot_be_told_is_said(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "class.csv").write_bytes(content)
    with pytest.raises(FormatError, match=message):
        read_roster(tmp_path / "class.csv")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "cp1252", "utf-8-sig"])
def test_points_come_back_in_the_same_encodings(tmp_path: Path, encoding: str) -> None:
    entry = manual.Entry("Jürg", "why", 2, 1.5, "schön; gut", "…", "d0")
    manual.write(tmp_path / manual.FILE, {("Jürg", "why"): entry})
    text = (tmp_path / manual.FILE).read_text(encoding="utf-8-sig").replace("…", "")
    (tmp_path / manual.FILE).write_bytes(("sep=,\r\n" + text).encode(encoding))
    back = manual.read(tmp_path / manual.FILE)["Jürg", "why"]
    assert (back.points, back.out_of) == (1.5, 2)
    assert back.comment.replace("'", "") == "schön; gut"


def test_a_person_without_a_name_is_called_by_what_is_known() -> None:
    assert [Person(login="jm", email="x").label, Person(email="x", id="1").label, Person(id="1").label] == [
        "jm",
        "x",
        "1",
    ]
