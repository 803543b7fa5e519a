"""The text of model files: gzipped or not, in the encodings that they come in; what cannot be read is named."""

from __future__ import annotations

import gzip
import os
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bnt.errors import FormatError


def read_text(path: Path) -> str:
    """The text of a model file, gzipped or not, without its byte order mark. Raises FormatError naming the file."""
    return decoded(read_bytes(path), path)


def read_bytes(path: Path) -> bytes:
    """What is in a model file, gzipped or not. Raises FormatError naming the file."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise FormatError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise FormatError(f"{path}: is a directory; expected a model file such as .bif or .bif.gz") from None
    except (OSError, ValueError) as error:
        raise FormatError(f"{str(path)!r} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if data and (path.suffix == ".gz" or data.startswith(b"\x1f\x8b")):
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise FormatError(f"{path}: corrupt or truncated gzip ({error})") from None
    return data


def decoded(data: bytes, path: Path, encoding: str = "utf-8-sig") -> str:
    """The text, without its byte order mark. Raises FormatError naming the file: another encoding, nothing in it."""
    try:
        text = data.decode(marked(data, encoding))
    except UnicodeDecodeError as error:
        line, wrong = data.count(b"\n", 0, error.start) + 1, data[error.start]
        name = "UTF-8" if encoding == "utf-8-sig" else encoding
        raise FormatError(f"{path}:{line}: not {name} text (byte {wrong:#04x}); save the file as UTF-8") from None
    if not text.strip():
        raise FormatError(f"{path}: the file is empty")
    return text


def marked(data: bytes, encoding: str) -> str:
    """UTF-16 where a byte order mark leaves no doubt (Windows calls it Unicode), else ``encoding``."""
    return "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else encoding


def write_text(text: str, path: str | os.PathLike[str]) -> None:
    """UTF-8, gzipped where ``path`` ends in .gz. Raises FormatError: it cannot be written."""
    path, data = Path(path), text.encode("utf-8")
    try:
        path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    except OSError as error:
        raise FormatError(f"{path} cannot be written: {error.strerror or error}") from None


def real_numbers(words: list[str]) -> NDArray[np.float64]:
    """What the words say. Raises ValueError where one is no number (``is_number``)."""
    if any("_" in word for word in words):
        raise ValueError
    return np.array(words, dtype=np.float64)


def is_number(word: str) -> bool:
    """May a model file say so? Python's own 1_000 may not stand there."""
    try:
        float(word)
    except ValueError:
        return False
    return "_" not in word
