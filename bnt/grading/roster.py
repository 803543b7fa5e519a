"""The class list: who belongs to it, under which names a platform may know them, who has more time."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from bnt.errors import FormatError

COLUMNS = {
    "name": (
        "name student fullname learner studentname displayname nomcomplet nombrecompleto vollstandigername teilnehmer"
    ),
    "first": "firstname givenname forename first vorname prenom nombre",
    "last": "lastname surname familyname last nachname familienname nom apellido apellidos apellidoss",
    "id": (
        "id idnumber studentid studentnumber number sid canvasid orgdefinedid matriculationnumber matrikelnummer "
        "matrikelnr matrnr idnummer numeroidentification numerodidentification numerodeid"
    ),
    "sis": "sisuserid sisid",
    "login": (
        "sisloginid login username loginid user userid githubusername benutzername anmeldename kennung "
        "nomdutilisateur identifiant usuario nombredeusuario netid"
    ),
    "email": "email emailaddress mail emailadresse courriel adressedecourriel correo correoelectronico",
    "section": "section group sections groups gruppe gruppen groupe groupes grupo grupos",
    "extension": "extension extensiondays extradays verlangerung",
}


@dataclass
class Person:
    """One line of the class list. ``row`` holds every column as it was, for the gradebook of the platform."""

    name: str = ""
    id: str = ""
    sis: str = ""
    login: str = ""
    email: str = ""
    section: str = ""
    extension: float = 0.0  # days that this learner has more
    row: dict[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """What the reports call them."""
        return self.name or self.login or self.email or self.id


def text_of(path: Path) -> str:
    """A CSV file as any spreadsheet saves it: UTF-8, UTF-16, or the code page of Windows; without a line ``sep=;``."""
    content = path.read_bytes()
    if content.startswith(b"PK\x03\x04"):
        raise FormatError(f"{path} is a workbook: save the sheet as CSV")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = content.decode("utf-16", "replace")
    elif b"\0" in content[:100]:  # without its mark: every second byte of plain letters is zero
        text = content.decode("utf-16-le" if content[1:2] == b"\0" else "utf-16-be", "replace")
    else:
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = content.decode("cp1252", "replace")
    return re.sub(r"\Asep=.\s*\n", "", text)


def separator_of(text: str) -> str:
    """Comma, semicolon, tab or bar: the one that the first line holds most of."""
    return max(",;\t|", key=text.split("\n", 1)[0].count)


def read_roster(path: Path) -> list[Person]:
    """The class list from a CSV with a header; FormatError if it names nobody or names somebody twice."""
    if not path.is_file():
        raise FormatError(f"--roster {path}: no such file")
    text = _from_header(text_of(path))
    lines = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator_of(text))
    columns: dict[str, str] = {}
    for title in lines.fieldnames or ():
        if kind := _kind(title):
            columns.setdefault(kind, title)
    if not {"name", "last", "id", "login", "email"} & set(columns):
        raise FormatError(f"--roster {path}: the first line must name a column: name, id, login or email")
    people = []
    for line in lines:
        if any(line.get(None, ())):
            raise FormatError(
                f"--roster {path}: line {lines.line_num} has more cells than the first; put text with commas in quotes"
            )
        cells = {kind: (line.get(title) or "").strip().lstrip("'") for kind, title in columns.items()}
        name = cells.get("name") or " ".join(filter(None, (cells.get("first"), cells.get("last"))))
        days = cells.get("extension") or "0"
        try:
            extension = float(re.sub(r"\s*d(ays?)?$", "", days).replace(",", "."))
        except ValueError:
            raise FormatError(f"--roster {path}: {name}: {days!r} is no number of days") from None
        facts = {kind: cells.get(kind, "") for kind in ("id", "sis", "login", "email", "section")}
        row = {title: value or "" for title, value in line.items() if isinstance(title, str)}
        person = Person(name, **facts, extension=extension, row=row)
        if person.label and _key(name) not in ("pointspossible", "studenttest"):
            people.append(person)
    labels = [person.label for person in people]
    for person in people:
        if labels.count(person.label) > 1 and (person.id or person.login or person.email):
            person.name = f"{person.label} ({person.id or person.login or person.email})"
    if twice := sorted({p.label for p in people if [q.label for q in people].count(p.label) > 1}):
        raise FormatError(f"--roster {path}: {twice[0]} is there twice; give them an id")
    if not people:
        raise FormatError(f"--roster {path}: it lists nobody")
    return people


def _kind(title: str) -> str | None:
    return next((kind for kind, names in COLUMNS.items() if _key(title) in names.split()), None)


def _from_header(text: str) -> str:
    """The text from the line on that names a column: some programs put empty lines or a title above."""
    lines = text.splitlines(keepends=True)
    for number, line in enumerate(lines[:10]):
        if any(_kind(cell.strip('" ')) for cell in line.strip("\r\n").split(separator_of(line))):
            return "".join(lines[number:])
    return text


def _key(text: str) -> str:
    """Letters and digits alone, without accents and case."""
    plain = unicodedata.normalize("NFKD", text.replace("ß", "ss")).casefold()
    return "".join(c for c in plain if c.isalnum())


def keys(text: str) -> set[str]:
    """The forms in which one name or number may come back from a platform or a spreadsheet."""
    found: set[str] = set()
    folded = text.casefold()
    for form in (folded, folded.replace("ä", "ae").replace("ö", "oe").replace("ü", "ue")):
        key = _key(form)
        words = form.replace(",", " ").split()
        found |= {key, key.lstrip("0"), _key("".join(words[-1:] + words[:-1])), _key("".join(words[1:] + words[:1]))}
    return found - {""}


class Roster:
    """Finds the person behind a name, a number or an address."""

    def __init__(self, people: Iterable[Person]) -> None:
        self.people = list(people)

    def find(self, *known: str) -> Person | None:
        """The one person that the first telling of these belongs to; None if nobody, or if several may be meant."""
        for text in known:
            wanted = keys(text)
            for forms in (_strong, _weak):
                matches = [person for person in self.people if wanted & forms(person)]
                if len(matches) == 1:
                    return matches[0]
                if matches:
                    break
        return None


def _strong(person: Person) -> set[str]:
    return set().union(*(keys(text) for text in (person.id, person.sis, person.login, person.email)))


def _weak(person: Person) -> set[str]:
    plain = re.sub(r" \([^()]*\)$", "", person.name)
    return keys(plain) | keys(person.email.partition("@")[0])
