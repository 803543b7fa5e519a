"""From folders and archives to learners. The name comes from the outermost level, the one the instructor controls.

Folders that everybody shares are skipped. Whatever lies inside one learner's folder or archive is that learner's,
whatever it is called: nobody hands in for somebody else.
"""

from __future__ import annotations

import os
import re
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from itertools import takewhile
from pathlib import Path

from bnt.errors import FormatError
from bnt.grading.archives import Entry, from_disk, is_archive, is_notebook, without_suffix
from bnt.grading.layouts import (
    FIRST,
    LAST,
    Delivery,
    Origin,
    deliveries,
    is_stamp,
    moment_of,
    nbgrader_part,
    origins,
)

OF_A_CLASS_FOLDER = {"course", "exercises", "exercise", "solutions", "notebooks", "lessons", "data"}
COPY = re.compile(r"(\s*\(\d+\)|-Copy\d*|\s+copy(\s+\d+)?|\s*-\s*Kopie)+$", re.IGNORECASE)
COPY_OF = re.compile(r"(?<![^\W_])(copy[ _]of|kopie[ _]von|copie[ _]de|copia[ _]de)[ _]+", re.IGNORECASE)  # of Google
GENERIC = re.compile(r"(untitled|unbenannt|notebook|homework|hw|final|draft|version)[\W_\d]*", re.IGNORECASE)
NO_HAND_IN = (".yml", ".yaml", ".csv", ".log", ".md", ".ini", ".xml", ".cfg", ".toml")


@dataclass
class File:
    """A notebook that a learner handed in."""

    name: str  # its path, from what the instructor named
    when: float  # seconds since 1970
    entry: Entry
    attempt: int = 0
    late: bool | None = None  # what the platform says
    folders: tuple[str, ...] = ()  # inside the learner's own, from outside to inside
    delivery: Delivery | None = None  # of nbgrader


@dataclass
class HandIn:
    """Everything under one name. ``holdings`` are files that are no notebooks, ``notes`` go on the page."""

    learner: str
    origin: str  # what tells this one from namesakes: a platform's number, else the entry's own name
    layout: str = ""
    number: str = ""
    email: str = ""
    files: list[File] = field(default_factory=list)
    holdings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


Holds = Callable[[Entry], bool]


def collect(
    paths: Iterable[Path], stem: str, pattern: str | None, holds: Holds, *, guarded: bool = True
) -> list[HandIn]:
    """One HandIn per learner, by name; FormatError for a path that does not exist or a class that cannot be told apart.

    ``holds(file)`` is True for notebooks of this exercise; it decides what is a learner's folder and what wraps them.
    """
    named = _pattern(pattern)
    roots = []
    for path in paths:
        if not os.path.lexists(path) or not (path.is_dir() or path.is_file()):
            raise FormatError(f"{path}: no such file or folder")
        roots.append((path.absolute(), from_disk(path, guarded)))
    some = any(holds(file) for _, root in roots for _, file in root.walk())
    reader = _Reader(stem, named, holds if some else _is_notebook)
    pieces = [piece for path, root in roots for piece in reader.pieces(path, root)]
    _tell_places_apart(pieces, stem)
    found = _told_apart(_merged(pieces))
    if not named:
        _refuse_classes_in_one(found, reader.holds)
    return sorted(found, key=lambda one: one.learner)


def _pattern(text: str | None) -> re.Pattern[str] | None:
    try:
        named = re.compile(text) if text else None
    except re.error as error:
        raise FormatError(f"--name-pattern is not a regular expression: {error}") from None
    if named and "learner" not in named.groupindex:
        raise FormatError("--name-pattern needs a group called learner: (?P<learner>...)")
    return named


def _is_notebook(entry: Entry) -> bool:
    return entry.kind == "file" and is_notebook(entry.name)


@dataclass
class _Piece:
    """One entry of the class: a learner's folder, archive or file."""

    place: Path  # on disk, of what the instructor named
    above: tuple[str, ...]  # folders that were skipped on the way
    entry: Entry
    origin: Origin
    loose: bool  # a single notebook among others, called after its learner
    itself: bool = False  # the instructor named it


class _Reader:
    def __init__(self, stem: str, named: re.Pattern[str] | None, holds: Holds) -> None:
        self.stem, self.named, self.holds = stem, named, holds
        words = [re.escape(word) for word in re.split(r"[_\s-]+", stem)]
        self.called = re.compile(r"(?<![^\W_])" + r"[_\s-]+".join(words) + r"(?![^\W_])", re.IGNORECASE)

    def pieces(self, path: Path, root: Entry) -> list[_Piece]:
        if self.named:
            return self._by_pattern(path, root)
        if root.kind == "file" or root.problem:
            return [self._piece(path.parent, (), root, None, True)]
        if self._is_one_learner(root):
            return [self._piece(path.parent, (), root, None, True)]
        return self._of_class(path, (), root)

    def _by_pattern(self, path: Path, root: Entry) -> list[_Piece]:
        found = []
        for name, file in root.walk():
            inner = name.removeprefix(root.name + "/")
            match = self.named.search(inner) if self.named else None
            learner = match["learner"] if match else inner
            above = tuple(inner.split("/")[:-1])
            if match or _is_notebook(file) or file.problem:
                found.append(_Piece(path, above, file, Origin("--name-pattern", _plain(learner)), True))
        return found

    def _of_class(self, path: Path, above: tuple[str, ...], level: Entry) -> list[_Piece]:
        """The learners of one level; a single folder or archive that wraps them is opened."""
        if part := nbgrader_part(level):
            return self._of_class(path, (*above, part.name), part)
        entries = [entry for entry in level.children if self._counts(entry)]
        wrapped = [entry for entry in entries if entry.kind != "file" and not entry.problem]
        if len(entries) == len(wrapped) == 1 and self._wraps(wrapped[0], level):
            return self._of_class(path, (*above, wrapped[0].name), wrapped[0])
        if len(wrapped) > 1 and len(wrapped) == len(entries) and all(self._is_platform(e) for e in wrapped):
            return [piece for e in wrapped for piece in self._of_class(path, (*above, e.name), e)]
        made = origins(entries, level)
        pieces = []
        for entry in entries:
            origin = made.get(id(entry))
            for one in (origin, *(origin.others if origin else ())):
                pieces.append(self._piece(path, above, entry, one, False))
        return pieces

    def _piece(self, place: Path, above: tuple[str, ...], entry: Entry, origin: Origin | None, itself: bool) -> _Piece:
        loose = entry.kind == "file" and origin is None
        plain = self.label(entry.name) if entry.kind == "file" else without_suffix(entry.name)
        origin = origin or Origin("", COPY.sub("", plain) if entry.kind == "archive" else plain)
        return _Piece(place, above, entry, replace(origin, learner=_plain(origin.learner)), loose, itself)

    def label(self, name: str) -> str:
        """``ann`` of 02_topic_ann.ipynb, ``Ann - 02_topic (1).ipynb``; the stem where nothing else is left."""
        plain = COPY_OF.sub("", COPY.sub("", without_suffix(name)))
        return COPY.sub("", self.called.sub("", plain).strip("_- .")) or self.stem

    def _counts(self, entry: Entry) -> bool:
        """Everything handed in; not what a platform adds, nor lists and notes of the instructor."""
        if entry.kind != "file":
            hidden = entry.name.startswith(".")
            return not hidden or any(self.holds(file) for _, file in entry.walk())
        name = entry.name.lower()
        if name in (FIRST, LAST, "index.html") or re.match(r"(readme|licen[cs]e)\b", name):
            return False
        return not name.endswith(NO_HAND_IN) or bool(self.called.search(name))

    def _wraps(self, entry: Entry, parent: Entry) -> bool:
        """True for a single folder that holds a class and is no learner's own."""
        if origins([entry], parent):
            return False
        if self._is_platform(entry) or nbgrader_part(entry):
            return True
        inner = [child for child in entry.children if self._counts(child)]
        if any(child.name in OF_A_CLASS_FOLDER for child in inner):
            return False
        labels = [self.label(c.name) for c in inner if c.kind == "file" and self.holds(c)]
        if labels:
            named = not all(map(GENERIC.fullmatch, labels))
            return len(set(labels)) > 1 and self.stem not in labels and named
        holding = [child for child in inner if child.kind != "file" and self._worth_a_look(child)]
        if len(holding) == 1:
            return self._wraps(holding[0], entry)
        return len(holding) > 1 and not all(is_stamp(child.name) for child in holding)

    def _worth_a_look(self, entry: Entry) -> bool:
        return any(self.holds(file) or file.problem or _unreadable(file.name) for _, file in entry.walk())

    def _is_platform(self, entry: Entry) -> bool:
        """True where several entries inside carry names that a platform made."""
        made = origins([child for child in entry.children if self._counts(child)], entry)
        return any(origin.layout not in ("nbgrader", "") for origin in made.values())

    def _is_one_learner(self, root: Entry) -> bool:
        """What the instructor named is one learner's if the exercise lies in it under its own name."""
        own = [c for c in root.children if c.kind == "file" and self.holds(c) and self.label(c.name) == self.stem]
        others = [c for c in root.children if c.kind != "file" and self._worth_a_look(c)]
        structural = [c for c in others if c.name in OF_A_CLASS_FOLDER]
        if any(nbgrader_part(level) for level in (root, *root.children)):
            return False
        return bool(own or structural) and len(others) == len(structural)


def _unreadable(name: str) -> bool:
    return name.lower().endswith((".rar", ".7z", ".html", ".pdf", ".docx"))


def _plain(text: str) -> str:
    """A name that can be printed: what moves cursors, hides or breaks lines is written out."""
    text = unicodedata.normalize("NFC", text.encode("utf-8", "replace").decode("utf-8"))
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text).strip() or "unnamed"


def _tell_places_apart(pieces: list[_Piece], stem: str) -> None:
    """Where one notebook or folder was named from several places, the folders in which they differ name the learner."""
    named = [piece for piece in pieces if piece.itself]
    several = len({(piece.place, piece.entry.name) for piece in named}) > 1
    by_name: dict[str, list[_Piece]] = {}
    for piece in pieces:
        if piece.origin.layout == "" and (piece.itself or piece.loose):
            by_name.setdefault(piece.origin.learner, []).append(piece)
    for name, same in by_name.items():
        places = {piece.place for piece in same}
        if not several or not any(piece.itself for piece in same):
            continue
        shared = Path(os.path.commonpath(places)) if len(places) > 1 else same[0].place.parent
        if len(places) > 1 or (same[0].itself and same[0].entry.kind == "file" and name == stem):
            for piece in same:
                differ = piece.place.relative_to(shared).parts
                if differ:
                    piece.origin = replace(piece.origin, learner=_plain("-".join(differ)))


def _merged(pieces: list[_Piece]) -> list[HandIn]:
    """Pieces of one origin are one learner's: attempts, a file and a text, a resubmission."""
    found: dict[tuple[str, str], HandIn] = {}
    dated = _dated_by_platform(pieces)
    for piece in pieces:
        origin = piece.origin
        kind = "" if piece.loose or piece.itself or origin.layout else piece.entry.kind
        key = origin.number or kind
        one = found.get((origin.learner, key))
        if one is None:
            one = HandIn(origin.learner, key or "named", origin.layout, origin.number, origin.email)
            found[origin.learner, key] = one
        if origin.others:
            one.notes.append(f"handed in for {', '.join(_plain(other.learner) for other in origin.others)} as well")
        _add_files(one, piece, dated)
    return list(found.values())


def _dated_by_platform(pieces: list[_Piece]) -> bool:
    """Do all plain folders hold their notebooks in folders called after moments? One alone may be a learner's idea."""
    plain = (p.entry for p in pieces if not p.origin.layout)
    return all(is_stamp((name + "//").split("/")[1]) for e in plain for name, file in e.walk() if _is_notebook(file))


def _add_files(one: HandIn, piece: _Piece, dated: bool) -> None:
    top, origin = piece.entry, piece.origin
    prefix = "".join(f"{_plain(part)}/" for part in piece.above)
    delivered = deliveries(top, origin)
    for name, file in top.walk():
        shown = prefix + "/".join(map(_plain, name.split("/")))
        parts = name.split("/")[1:]
        if any(part.startswith(".") for part in parts):
            continue
        if not (_is_notebook(file) or (file.problem and (is_archive(file.name) or file.kind != "file"))):
            one.holdings.append(shown)
            if file.problem:
                one.notes.append(f"{shown}: {file.problem}")
            continue
        archive = _archive_above(top, file)
        when = _when(file, archive)
        if origin.stamp is not None:
            when = origin.stamp
        elif not origin.layout and archive is None and dated and parts and is_stamp(parts[0]):
            when = moment_of(parts[0]) or when
        one.files.append(
            File(shown, when, file, origin.attempt, origin.late, tuple(parts[:-1]), delivered.get(id(file)))
        )


def _archive_above(top: Entry, file: Entry) -> Entry | None:
    """The outermost archive of the learner's own that holds the file: its date is one that the learner did not set."""
    if top.kind == "archive":
        return top if any(file is inner for _, inner in top.walk()) else None
    return next((found for child in top.children if (found := _archive_above(child, file))), None)


def _when(file: Entry, archive: Entry | None) -> float:
    """The newest of file and archive date; a date in the future counts as the archive's."""
    if archive is None:
        return file.when
    return archive.when if file.when > max(time.time(), archive.when) else max(file.when, archive.when)


def _told_apart(found: list[HandIn]) -> list[HandIn]:
    """Several origins of one name are several rows, and each says so."""
    count = Counter(one.learner for one in found)
    for one in found:
        if count[one.learner] > 1:
            one.notes.append(f"{count[one.learner]} hand-ins of different origin carry the name {one.learner}")
            one.learner = f"{one.learner} ({one.origin})"
    return found


def _shared(paths: list[tuple[str, ...]]) -> int:
    """How many folders all the paths begin with."""
    levels = zip(*paths, strict=False)
    return sum(1 for _ in takewhile(lambda level: len(set(level)) == 1, levels))


def _refuse_classes_in_one(found: list[HandIn], holds: Holds) -> None:
    """Everybody's notebooks lie in sibling folders: these are learners, one level further down."""
    split: dict[str, list[str]] = {}
    alike: set[str] = set()  # all that lies in the folders is one notebook
    for one in found:
        holding = [f for f in one.files if holds(f.entry)]
        shared = _shared([f.folders for f in holding])
        inside = {f.name: f.folders[shared] for f in holding if len(f.folders) > shared}
        folders = {folder for folder in inside.values() if folder not in OF_A_CLASS_FOLDER and not is_stamp(folder)}
        same = {f.entry.read() for f in holding if inside.get(f.name) in folders}
        if len(folders) > 1 and one.layout in ("", "GitHub Classroom"):
            split[one.learner] = sorted(folders)
            alike |= {one.learner} if len(same) == 1 else set()
    with_notebooks = [one for one in found if one.files]
    namesakes = any("carry the name" in note for one in found for note in one.notes)
    differ = namesakes or len(set(map(tuple, split.values()))) > 1
    if split and len(split) == len(with_notebooks) and (differ or (len(split) == 1 and not alike)):
        learner, siblings = next(iter(split.items()))
        raise FormatError(
            f"{learner} would be one learner, but sibling folders in it hold this exercise: {', '.join(siblings[:5])}; "
            "name the folder that holds the learners' folders, or say how names are found with --name-pattern"
        )
    for one in found:
        if one.learner in split:
            one.notes.append(f"the exercise lies in several folders: {', '.join(split[one.learner])}")
