"""What was handed in, as a tree: folders, zip and tar archives in each other, files. Everything read is hostile.

No archive is unpacked to disk. Sizes are read before anything is unpacked, and counted again while it is; whatever
goes wrong inside an archive is a sentence on that entry and stops nobody else.
"""

from __future__ import annotations

import io
import os
import re
import stat
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

LARGEST_FILE = 20 << 20  # bytes of one notebook, its pictures left out
LARGEST_ON_DISK = 100 << 20  # bytes of one notebook with them
LARGEST_NESTED = 64 << 20  # bytes of one archive inside another
LARGEST_ARCHIVE = 1 << 30  # bytes of what an archive claims to hold, all notebooks and archives inside together
MOST_MEMBERS = 5000  # of one archive, and cells of one notebook
MOST_NESTED = 3  # archives inside each other
# As browsers and mail programs hand it on: 02.ipynb.txt, 02.ipynb.json, 02.ipynb.download, 02.ipynb (1), "02.ipynb "
HUNG_ON = r"(\.(txt|json|download|{0})|\s?\(\d+\)|[\s.])*$"
NOTEBOOK = re.compile(r"\.ipynb" + HUNG_ON.format("ipynb"), re.IGNORECASE)
ARCHIVE = re.compile(r"\.(zip|tar|tar\.gz|tgz|tar\.bz2|tar\.xz)" + HUNG_ON.format("zip"), re.IGNORECASE)
DOCUMENT = re.compile(
    r"(\.ipynb)?\.(rar|7z|gz|html?|mht|pdf|docx?|odt|rtf|pages|pptx?|xlsx?|csv|py|r|rmd|md|tex|txt|json|jpe?g|png|heic|gif)$",
    re.IGNORECASE,
)
STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
PICTURE = re.compile(  # what an output shows besides text: nothing that the grader reads
    rb'("(?:image/[\w.+-]+|text/html|application/javascript)"\s*+:\s*+)'
    rb"(?:" + STRING + rb"|\[\s*+(?:" + STRING + rb"\s*+,?+\s*+)*+\])"
)
JUNK = {"__MACOSX", ".ipynb_checkpoints", ".git", ".svn", ".hg", ".DS_Store", "Thumbs.db", "desktop.ini", "__pycache__"}
OTHER_ARCHIVES = {b"Rar!": ".rar", b"7z\xbc\xaf\x27\x1c": ".7z"}
LINK = "a symbolic link, which is not followed"


@dataclass
class Entry:
    """A file, a folder or an archive. ``problem`` says why it cannot be read."""

    name: str
    kind: str  # "file", "folder" or "archive"
    when: float = 0.0  # last change, seconds since 1970; of something in an archive: as the archive says
    children: list[Entry] = field(default_factory=list)
    problem: str = ""
    read: Callable[[], bytes] = bytes  # of a file; raises OSError or a kin of it

    def walk(self, before: tuple[str, ...] = ()) -> Iterator[tuple[str, Entry]]:
        """Every file below, with its path; archives that cannot be read count as files."""
        here = (*before, self.name)
        if self.kind == "file" or self.problem:
            yield "/".join(here), self
        for child in self.children:
            yield from child.walk(here)


def is_archive(name: str) -> bool:
    """True for the names of archives that can be read."""
    return bool(ARCHIVE.search(name))


def is_notebook(name: str) -> bool:
    """True for the names of notebooks, whatever a browser hung behind the ending."""
    return bool(NOTEBOOK.search(name))


def without_suffix(name: str) -> str:
    """The name of something handed in without its ending."""
    for ending in (NOTEBOOK, ARCHIVE, DOCUMENT):
        if (found := ending.search(name)) and found.start():
            return name[: found.start()]
    return name


def from_disk(path: Path, guarded: bool = True) -> Entry:
    """The tree below a folder, an archive or a file on disk."""
    facts = path.lstat()
    if path.is_symlink() and guarded:
        return Entry(path.name, "file", facts.st_mtime, problem=LINK)
    if path.is_dir():
        try:
            names = sorted(os.listdir(path))
        except OSError as error:
            return Entry(path.name, "folder", facts.st_mtime, problem=f"the folder cannot be read: {error.strerror}")
        children = [from_disk(path / name, guarded) for name in names if not is_junk(name)]
        return Entry(path.name, "folder", facts.st_mtime, children)
    if not path.is_file():
        return Entry(path.name, "file", facts.st_mtime, problem="neither a file nor a folder")
    facts = path.stat()
    if is_archive(path.name):
        return _archive(path.name, facts.st_mtime, path, guarded, 0)
    entry = Entry(path.name, "file", facts.st_mtime, read=lambda: without_pictures(path.read_bytes(), guarded))
    if guarded and facts.st_size > LARGEST_ON_DISK:
        entry.problem = too_large(facts.st_size)
    return entry


def is_junk(name: str) -> bool:
    """Files and folders that systems leave behind and nobody hands in on purpose."""
    return name in JUNK or name.startswith("._")


def too_large(size: int) -> str:
    """Why a notebook is not read, and what helps."""
    return f"more than {LARGEST_FILE >> 20} MB ({size} bytes): clear the outputs, save and hand in again"


def without_pictures(content: bytes, guarded: bool = True) -> bytes:
    """The notebook; of one that is too large, without the pictures in its outputs. OSError if it still is."""
    if guarded and len(content) > LARGEST_FILE:
        small = PICTURE.sub(rb'\1""', content) if len(content) <= LARGEST_ON_DISK else content
        if len(small) > LARGEST_FILE:
            raise OSError(too_large(len(content)))
        return small
    return content


class _Refused(Exception):
    """An archive breaks a limit; the message says which."""


@dataclass
class _Member:
    """One line of an archive's directory, zip and tar alike."""

    name: str
    when: float
    size: int
    link: bool
    read: Callable[[int], bytes]  # at most that many bytes; -1 reads all


def _archive(name: str, when: float, origin: Path | bytes, guarded: bool, depth: int) -> Entry:
    entry = Entry(name, "archive", when)
    try:
        if guarded and depth >= MOST_NESTED:
            raise _Refused(f"more than {MOST_NESTED} archives inside each other")
        begin = _begin(origin)
        if begin.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):  # renamed, where a platform takes archives alone
            entry.children = [_renamed(without_suffix(name) + ".ipynb", when, origin, guarded)]
            return entry
        if other := next((ending for mark, ending in OTHER_ARCHIVES.items() if begin.startswith(mark)), ""):
            raise _Refused(f"it is a {other} archive under another name, and only .zip and .tar are read")
        members = list(_members(begin, origin, guarded))
        wanted = [m for m in members if is_notebook(m.name) or is_archive(m.name)]
        if guarded and sum(m.size for m in wanted) > (LARGEST_ARCHIVE if depth == 0 else LARGEST_NESTED):
            raise _Refused("its notebooks together are too large")
        for member in members:
            _add(entry, member, guarded, depth)
    except _Refused as error:
        entry.children, entry.problem = [], f"the archive cannot be read: {error}"
    except Exception as error:  # zipfile, tarfile, zlib, lzma and codecs raise many kinds without a common base
        entry.children, entry.problem = [], f"the archive cannot be read: {type(error).__name__}"
    return entry


def _begin(origin: Path | bytes) -> bytes:
    """The first bytes, which say better than the name what it is. Raises _Refused if there are none."""
    if isinstance(origin, bytes):
        found = origin[:64]
    else:
        with origin.open("rb") as stream:
            found = stream.read(64)
    if not found:
        raise _Refused("it is empty")
    return found


def _renamed(name: str, when: float, origin: Path | bytes, guarded: bool) -> Entry:
    """A notebook that was called an archive."""
    size = len(origin) if isinstance(origin, bytes) else origin.stat().st_size
    if guarded and size > LARGEST_ON_DISK:
        return Entry(name, "file", when, problem=too_large(size))
    return Entry(
        name,
        "file",
        when,
        read=lambda: without_pictures(origin if isinstance(origin, bytes) else origin.read_bytes(), guarded),
    )


def _members(begin: bytes, origin: Path | bytes, guarded: bool) -> Iterator[_Member]:
    stream = io.BytesIO(origin) if isinstance(origin, bytes) else origin
    if begin.startswith(b"PK") or zipfile.is_zipfile(stream):  # some begin with a program that unpacks them
        archive = zipfile.ZipFile(stream)
        infos = [info for info in archive.infolist() if not info.is_dir()]
        if guarded and len(infos) > MOST_MEMBERS:
            raise _Refused(f"{len(infos)} files; {MOST_MEMBERS} are the limit")
        for info in infos:
            link = stat.S_ISLNK(info.external_attr >> 16)
            yield _Member(_zip_name(info), _zip_time(info), info.file_size, link, _zip_reader(archive, info))
        return
    total, source = 0, {"fileobj": stream} if isinstance(stream, io.BytesIO) else {"name": stream}
    with tarfile.open(**source, mode="r:*") as tar:
        for number, item in enumerate(tar):
            total += item.size
            if guarded and (number >= MOST_MEMBERS or total > LARGEST_ARCHIVE // 4):
                raise _Refused(f"more than {MOST_MEMBERS} files or {LARGEST_ARCHIVE >> 22} MB")
            if item.isfile() or item.issym() or item.islnk():
                wanted = item.isfile() and (is_notebook(item.name) or is_archive(item.name))
                part = tar.extractfile(item) if wanted else None
                content = part.read(LARGEST_NESTED if guarded else -1) if part else b""  # a tar is read once, in order
                yield _Member(item.name, float(item.mtime), item.size, not item.isfile(), _kept(content))


def _zip_reader(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[int], bytes]:
    def read(most: int) -> bytes:
        with archive.open(info) as stream:  # the size in the directory may lie: count what really comes
            return stream.read(most)

    return read


def _kept(content: bytes) -> Callable[[int], bytes]:
    return lambda most: content if most < 0 else content[:most]


def _zip_name(info: zipfile.ZipInfo) -> str:
    """macOS writes UTF-8 without saying so, which zipfile then reads as cp437."""
    if info.flag_bits & 0x800:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("utf-8")
    except ValueError:
        return info.filename


def _zip_time(info: zipfile.ZipInfo) -> float:
    try:
        return time.mktime((*info.date_time, 0, 0, -1))
    except (ValueError, OverflowError):
        return 0.0


def _add(top: Entry, member: _Member, guarded: bool, depth: int) -> None:
    """Hang a member into the tree. What a name says about folders above the archive is ignored."""
    parts = [part for part in PurePosixPath(member.name.replace("\\", "/")).parts if part not in ("/", "..", ".")]
    if not parts or any(is_junk(part) for part in parts):
        return
    place = top
    for part in parts[:-1]:
        inner = next((c for c in reversed(place.children) if c.name == part and c.kind == "folder"), None)
        if inner is None:
            inner = Entry(part, "folder", member.when)
            place.children.append(inner)
        inner.when = max(inner.when, member.when)
        place = inner
    name = parts[-1]
    if member.link and guarded:
        entry = Entry(name, "file", member.when, problem=LINK)
    elif is_archive(name):
        entry = _nested(name, member, guarded, depth)
    else:
        entry = Entry(name, "file", member.when, read=_reader(member, guarded))
        if guarded and member.size > LARGEST_ON_DISK and is_notebook(name):
            entry.problem = too_large(member.size)
    place.children.append(entry)


def _nested(name: str, member: _Member, guarded: bool, depth: int) -> Entry:
    if guarded and member.size > LARGEST_NESTED:
        return Entry(name, "archive", member.when, problem=f"the archive is larger than {LARGEST_NESTED >> 20} MB")
    try:
        content = member.read(LARGEST_NESTED + 1 if guarded else -1)
    except Exception as error:  # as in _archive
        return Entry(name, "archive", member.when, problem=f"the archive cannot be read: {type(error).__name__}")
    return _archive(name, member.when, content, guarded, depth + 1)


def _reader(member: _Member, guarded: bool) -> Callable[[], bytes]:
    def read() -> bytes:
        try:
            content = member.read(LARGEST_ON_DISK + 1 if guarded else -1)
        except Exception as error:  # as in _archive
            raise OSError(f"it cannot be unpacked: {error or type(error).__name__}") from None
        return without_pictures(content, guarded)

    return read
