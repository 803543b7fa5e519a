"""A committed notebook as a page: its widgets share one script, its folded cells stay folded, a bar of links on top."""

from __future__ import annotations

import html
import json
import math
import re
from base64 import b64decode
from collections.abc import Mapping
from gzip import decompress
from typing import Any

Cell = dict[str, Any]
ALIVE = re.compile(  # what bnt/widgets/live.py writes: what readers without scripts see, and the call that replaces it
    r'<div class="bnt-live" data-bnt="([^"]+)">(?P<still>.*?)</div>\s*<script>.*?'
    r"(?P<mount>mount[A-Z][a-z]+)\(root, (?P<spec>\{.*\})\); \} \}\)\(\);</script>",
    re.DOTALL,
)
KEPT = '<p class="bnt-more">On this site: <a href="../progress.html">your progress</a>.</p>'
FOLDED = {"source_hidden": "hide-input", "outputs_hidden": "hide-output"}  # JupyterLab's word: myst-nb's


class Widget(dict[str, Any]):
    """The specification of a widget as its stored output has it; ``mount``: the function that shows it."""

    mount: str

    @classmethod
    def of(cls, mount: str, spec: str) -> Widget:
        made = cls(json.loads(spec))
        made.mount = mount
        return made

    @property
    def states(self) -> int:
        """How many choices its controls have together."""
        return math.prod(len(control["texts"]) for control in self.get("controls", ()))

    @property
    def frames(self) -> int:
        """How many of them came with it."""
        packed = self.get("packed")
        return len(json.loads(decompress(b64decode(packed)))["states"]) if packed else 1


def on_page(found: re.Match[str], name: str) -> str:
    """The stored output of a widget, for the page: the same without its own copy of the script."""
    widget = Widget.of(found["mount"], found["spec"])
    widget["channel"] = name
    spec = json.dumps(widget, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/").replace("<!--", "<\\!--")
    more = ""
    if widget.mount == "mountExplorer" and widget.frames < widget.states:
        more = (
            f'<p class="bnt-more">More steps in JupyterLab: this page holds {widget.frames:,} of {widget.states:,} '
            "choices.</p>"
        )
    return (
        f'<div class="bnt-live" data-bnt-mount="{widget.mount}">{found["still"]}</div>'
        f'<script type="application/json">{spec}</script>{more}'
    )


def widgets_of(notebook: Mapping[str, Any]) -> dict[str, Widget]:
    """cell -> its widget, of all stored outputs that are alive."""
    found = {}
    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            if match := ALIVE.search("".join(output.get("data", {}).get("text/html", ""))):
                found[cell["id"]] = Widget.of(match["mount"], match["spec"])
    return found


def title_of(notebook: Mapping[str, Any]) -> str:
    """The heading of its first cell."""
    first = "".join(notebook["cells"][0]["source"])
    return first.splitlines()[0].removeprefix("# ").strip()


def as_page(notebook: dict[str, Any], name: str, bar: str, prose: Any) -> dict[str, Any]:
    """The notebook as sphinx is to read it. prose: what to do with each text; bar: HTML below the title."""
    for cell in notebook["cells"]:
        tags = cell["metadata"].setdefault("tags", [])
        hidden = cell["metadata"].get("jupyter", {})
        tags += [tag for key, tag in FOLDED.items() if hidden.get(key)]
        if cell["cell_type"] == "markdown":
            cell["source"] = prose(unfolded("".join(cell["source"])))
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if "text/html" in data:
                text = "".join(data["text/html"])
                data["text/html"] = ALIVE.sub(lambda found, cell=cell: on_page(found, f"{name}-{cell['id']}"), text)
                if "guess_record()" in "".join(cell["source"]):  # the stored one is empty, and no page can renew it
                    data["text/html"] += KEPT
    first = notebook["cells"][0]
    title, _, rest = first["source"].partition("\n")
    first["source"] = f"{title}\n\n{bar}\n\n{rest}"
    return notebook


def unfolded(text: str) -> str:
    """Formulas inside a one-line <details> are typeset too: its text gets lines of its own."""

    def apart(found: re.Match[str]) -> str:
        return f"{found[1]}\n\n{found[2].strip()}\n\n</details>" if "$" in found[2] else found[0]

    return re.sub(r"(<details><summary>.*?</summary>)([^\n]+)</details>", apart, text)


def bar_of(name: str, folder: str, launch: Mapping[str, str], repository: str) -> str:
    """Links of a lesson's page: the real notebook, paper, places to run it, and a box to tick."""
    links = [f'<a href="../notebooks/{folder}/{name}.ipynb" download>Download the notebook</a>']
    for label, address in launch.items():
        target = address.format(path=f"{folder}/{name}.ipynb", repository=repository)
        links.append(f'<a href="{html.escape(target)}">Open in {html.escape(label)}</a>')
    links.append('<button type="button" class="bnt-print" hidden>Print or save as PDF</button>')
    done = '<label class="bnt-done-box" hidden><input type="checkbox"> I have done this</label>'
    install = '<a href="../README.html#start-the-course">install the course</a>'
    note = {
        "course": "Nothing to install to study here: widgets and predictions work, and every cell has been run. Where "
        f"the text says to run one, unfold its output. To run code of your own, {install}.",
        "exercises": f"A page to read. To answer and be checked, {install}: code runs in JupyterLab.",
    }[folder]
    line = f'<span class="bnt-note">{note}</span>'
    return f'<div class="bnt-bar" data-notebook="{folder}/{name}">{line}{"".join(links)}{done}</div>'
