"""One frame per state of an explorer: its picture, its sentence, its table; or a sentence in place of the picture.

Frames of unchanged lessons ship with the package, gzipped, under a key made of what the drawing function is given; an
index holds a sum of the code that drew them. So no cell of a lesson draws hundreds of pictures, and whoever changes a
lesson or a figure gets no picture of before. ``python experiments/widget_frames.py --check`` says what is out of date.
"""

from __future__ import annotations

import ast
import gc
import gzip
import hashlib
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from functools import cache, cached_property, partial
from pathlib import Path
from types import FunctionType, MappingProxyType, MethodType
from typing import Any

import numpy as np

from bnt.compiler.layout import Layout
from bnt.errors import BntError
from bnt.figures.picture import Picture, own_style
from bnt.graph.factor_graph import FactorGraph
from bnt.stored import FOLDER as DATA

Frame = dict[str, Any]
State = tuple[int, ...]  # which value each control has
FOLDER = DATA / "frames"
ROOT = Path(__file__).parents[2]


def draw_frame(draw: Callable[..., Picture], values: Mapping[str, Any]) -> Frame:
    """The frame of ``draw(**values)``. Whatever it raises becomes a sentence; what it prints is kept."""
    with uncollected():
        return _drawn(draw, values)


@contextmanager
def uncollected() -> Iterator[None]:
    """No search for garbage meanwhile: a figure is a hundred thousand objects, none of them garbage until it is saved.

    Searched for while they are made, they would grow old, and old garbage goes only with a search through all that the
    kernel holds, which takes longer than the picture.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _drawn(draw: Callable[..., Picture], values: Mapping[str, Any]) -> Frame:
    printed = io.StringIO()
    try:
        with redirect_stdout(printed), own_style():
            picture = draw(**values)
            shown = {"svg": picture.svg(), "width": picture.width}
        frame = {
            **shown,
            "alt": picture.alt,
            "header": list(picture.header),
            "rows": [list(row) for row in picture.rows],
        }
    except BntError as error:
        frame = {"error": str(error)}
    except Exception as error:
        frame = {"error": f"{type(error).__name__}: {error}"}
    return {**frame, "printed": printed.getvalue()} if printed.getvalue() else frame


def pack(frames: Mapping[State, Frame]) -> bytes:
    """Gzipped JSON: tags that pictures share once, and each picture as a list of their numbers."""
    pieces: dict[str, int] = {}
    states = {}
    for state, frame in sorted(frames.items()):
        if "svg" in frame:
            cut = re.split(r"(?=<)", frame["svg"])
            frame = {**frame, "svg": [pieces.setdefault(piece, len(pieces)) for piece in cut if piece]}
        states[",".join(map(str, state))] = frame
    text = json.dumps({"pieces": list(pieces), "states": states}, ensure_ascii=False, separators=(",", ":"))
    return gzip.compress(text.encode(), 9, mtime=0)


def unpack(data: bytes) -> dict[State, Frame]:
    """What ``pack`` packed."""
    stored = json.loads(gzip.decompress(data))
    frames = {}
    for state, frame in stored["states"].items():
        if "svg" in frame:
            frame = {**frame, "svg": "".join(stored["pieces"][i] for i in frame["svg"])}
        frames[tuple(map(int, state.split(",")))] = frame
    return frames


def shipped(draw: Callable[..., Picture], texts: Mapping[str, Sequence[str]]) -> bytes | None:
    """The packed frames that ship for this function with these choices; None: there are none, or of other code."""
    key = key_of(draw, texts)
    path = FOLDER / f"{key}.json.gz"
    if key is None or not path.exists() or index().get(key, {}).get("code") != code_of(draw.__module__):
        return None
    return path.read_bytes()


def index() -> dict[str, dict[str, Any]]:
    """By key: lesson and cell, the module that draws, the sum of its code, how many frames, and of how many states."""
    path = FOLDER / "index.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def key_of(draw: Callable[..., Picture], texts: Mapping[str, Sequence[str]]) -> str | None:
    """A key of a function of bnt, of all that it is given, and of the choices; None where that cannot be told."""
    if not str(getattr(draw, "__module__", "")).startswith("bnt."):
        return None
    sums = hashlib.sha256()
    try:
        _take(draw, sums.update, {})
        _take({name: list(words) for name, words in texts.items()}, sums.update, {})
    except TypeError:
        return None
    return sums.hexdigest()[:16]


@cache
def code_of(module: str) -> str:
    """A sum of the file that draws and of the files of figures/ that it needs, whatever else those import."""
    files, queue = set[Path](), [ROOT / f"{module.replace('.', '/')}.py"]
    while queue:
        path = queue.pop()
        if path not in files:
            files.add(path)
            queue += _figures_of(path)
    total = hashlib.sha256("\0".join(file.read_text(encoding="utf-8") for file in sorted(files)).encode())
    return total.hexdigest()[:16]


def _figures_of(path: Path) -> list[Path]:
    """Files of figures/ that a file imports."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("bnt.figures"):
            home = ROOT / str(node.module).replace(".", "/")
            found += [home.with_suffix(".py"), *(home / f"{name.name}.py" for name in node.names)]
    return [file for file in found if file.exists()]


def _take(thing: Any, take: Callable[[bytes], None], seen: dict[int, Any]) -> None:
    """Feed all that ``thing`` is made of to ``take``. Raises TypeError for what has no plain parts."""
    thing = getattr(thing, "py_func", thing)  # of a kernel its source: what was compiled differs between processes
    take(type(thing).__name__.encode() + b"\0")
    if thing is None or isinstance(thing, bool | int | str):
        take(str(thing).encode() + b"\0")
    elif isinstance(thing, float):
        take(f"{thing:.7g}\0".encode())
    elif isinstance(thing, np.ndarray | np.generic):
        array = np.asarray(thing)
        if array.dtype.hasobject:
            raise TypeError("an array of objects")
        take(f"{array.shape}{array.dtype.kind}".encode())
        take((array.astype(np.float32) if array.dtype.kind == "f" else array).tobytes())  # the last digits may differ
    elif id(thing) in seen:
        return
    else:
        seen[id(thing)] = thing  # and kept, for the number of what is gone may become another's
        for part in _parts(thing):
            _take(part, take, seen)


def _parts(thing: Any) -> list[Any]:
    if isinstance(thing, dict | MappingProxyType):
        return [part for item in thing.items() for part in item]
    if isinstance(thing, list | tuple | range):
        return list(thing)
    if isinstance(thing, slice):
        return [thing.start, thing.stop, thing.step]
    if isinstance(thing, set | frozenset):
        return sorted(thing)
    if isinstance(thing, type):
        return [thing.__module__, thing.__qualname__]
    if isinstance(thing, FunctionType):
        held = [cell.cell_contents for cell in thing.__closure__ or ()]
        return [thing.__module__, thing.__qualname__, *held, list(thing.__defaults__ or ())]
    if isinstance(thing, MethodType):
        return [thing.__self__, thing.__func__]
    if isinstance(thing, partial):
        return [thing.func, *thing.args, thing.keywords]
    if type(thing).__module__.startswith("bnt."):
        made = {n for k in type(thing).__mro__ for n, v in vars(k).items() if isinstance(v, cached_property)}
        slots = [
            n for k in type(thing).__mro__ for n in getattr(k, "__slots__", ()) if n != "_hash" and hasattr(thing, n)
        ]
        if isinstance(thing, FactorGraph | Layout):  # what questions have left there, such as _base_flat
            made |= {n for n in thing.__dict__ if n.startswith("_")}
        own = {n: v for n, v in getattr(thing, "__dict__", {}).items() if n not in made}
        return [own, *(getattr(thing, n) for n in slots)]
    raise TypeError(f"no plain parts: {type(thing).__name__}")
