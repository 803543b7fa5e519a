"""HTML that is alive with a kernel and without one.

A widget is one output of type text/html: first what a reader without scripts sees, then a script that takes its place.
So it shows on a plain page, in a notebook that is opened again, and in executed HTML without a network; where scripts
are not allowed (an untrusted notebook, print) the first part stays. What the widget wants from Python goes through a
``Line``, a widget of ipywidgets that shows nothing.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import anywidget
import traitlets

HERE = Path(__file__).parent


class Line(anywidget.AnyWidget):
    """Messages between one widget in the page and Python, by the widget's own ``channel``."""

    _esm = (HERE / "line.js").read_text(encoding="utf-8")
    channel = traitlets.Unicode().tag(sync=True)

    def __init__(self, hear: Callable[[dict[str, Any]], None]):
        super().__init__(channel=f"bnt-{uuid4().hex[:12]}")
        self.on_msg(lambda _, message, buffers: hear(message))


def alive(channel: str, still: str, mount: str, spec: Any) -> str:
    """HTML: ``still`` for readers without scripts, and a script that calls ``mount(element, spec)`` in its place.

    mount: the function of that name in ``mountGuess`` -> guess.js, ``mountExplorer`` -> explorer.js, ``mountHero`` ->
    hero.js, each with the style of live.css and, if there is one, of its own.
    """
    css = _style(mount)
    version = "bnt-" + hashlib.sha256(css.encode()).hexdigest()[:8]
    given = json.dumps(spec, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/").replace("<!--", "<\\!--")
    return (
        f'<div class="bnt-live" data-bnt="{channel}">{still}</div>\n<script>(() => {{ {_code(mount)} '
        f"dress({json.dumps(css)}, {json.dumps(version)}); "
        f"for (const root of document.querySelectorAll('[data-bnt=\"{channel}\"]:not([data-alive])')) {{ "
        f"root.setAttribute('data-alive', ''); {mount}(root, {given}); }} }})();</script>"
    )


def _files(mount: str, kind: str) -> str:
    """live.js and the file of ``mount``, or their styles."""
    files = [HERE / f"{name}.{kind}" for name in ("live", mount.removeprefix("mount").lower())]
    return "\n".join(path.read_text(encoding="utf-8") for path in files if path.exists())


@cache
def _style(mount: str) -> str:
    return " ".join(_files(mount, "css").split())


@cache
def _code(mount: str) -> str:
    """The scripts in one line, without comments: a stored notebook holds it once per widget."""
    text = _files(mount, "js")
    return " ".join(re.sub(r"(?m)(?:^|\s)//.*$", "", text).split())
