"""The reference: a page for each group of docs/library.md, a signature, a docstring and an example for each name."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import bnt


def groups(repo: Path) -> dict[str, list[str]]:
    """Title -> public names, as docs/library.md sorts them: a name belongs where it is said first."""
    text = (repo / "docs" / "library.md").read_text(encoding="utf-8").partition("\n## ")[0]
    left, sorted_ = set(bnt.__all__) - {"__version__"}, {}
    parts = re.findall(r"^\*\*(.*?)\.\*\*(.*?)(?=^\*\*|\Z)", text, re.MULTILINE | re.DOTALL)
    for title, said in sorted(parts, key=lambda part: part[0] == "Looking at results"):  # it names what others make
        names = re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", said)))
        here = [name for name in dict.fromkeys(names) if name in left]
        left -= set(here)
        if here:
            sorted_[title] = here
    if left:
        raise SystemExit(f"docs/library.md does not say where these belong: {', '.join(sorted(left))}")
    return sorted_


def examples(repo: Path) -> dict[str, str]:
    """Name -> its example in docs/examples.md, a block of doctest."""
    text = (repo / "docs" / "examples.md").read_text(encoding="utf-8")
    return dict(re.findall(r"^## `(\w+)`\n.*?^```pycon\n(.*?)^```", text, re.MULTILINE | re.DOTALL))


def reference_pages(repo: Path) -> dict[str, str]:
    """File name -> MyST."""
    shown, pages, names = examples(repo), {}, []
    for title, members in groups(repo).items():
        stem = re.sub(r"\W+", "_", title.lower())
        names.append(stem)
        parts = [f"# {title}\n"]
        for name in members:
            thing = getattr(bnt, name)
            kind, more = "function", ""
            if inspect.isclass(thing):
                kind = "exception" if issubclass(thing, BaseException) else "class"
                more = "" if kind == "exception" else "   :members:\n"
            parts.append(f"## `{name}`\n\n```{{eval-rst}}\n.. currentmodule:: {thing.__module__}\n")
            parts.append(f".. auto{kind}:: {name}\n{more}```\n")
            if name in shown:
                parts.append(f"**Example**\n\n```pycon\n{shown[name]}```\n")
        pages[f"reference/{stem}.md"] = "\n".join(parts)
    listed = "\n".join(names)
    pages["reference/index.md"] = (
        "# Reference\n\nThe public names of `import bnt`, in the groups of [this overview](../docs/library.md). Every "
        f"example was run by a test.\n\n```{{toctree}}\n{listed}\n```\n"
    )
    return pages
