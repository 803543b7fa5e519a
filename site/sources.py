"""What sphinx reads, written from the checkout: only what has changed since, so that sphinx skips the rest."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import slides

from bnt.course import without_clone_only
from ledger_page import claims_page
from map_of_lessons import map_of_lessons
from notebooks import ALIVE, as_page, bar_of, on_page, title_of, widgets_of
from reference import reference_pages

HERE = Path(__file__).resolve().parent
TEXTS = ("README", "CHANGELOG", "CONTRIBUTING", "SECURITY", "CODE_OF_CONDUCT")
APART = {"docs/examples.md"}  # its examples stand on the pages of the reference
PLACEHOLDER = "repository.example"  # as in .ci/release.py: the repository has no public address yet
Rows = list[dict[str, Any]]


class Folder:
    """A folder that holds in the end what was put into it, and nothing else."""

    def __init__(self, root: Path):
        self.root = root
        self.names: set[Path] = set()

    def put(self, name: str, content: str | bytes) -> None:
        path = self.root / name
        raw = content.encode() if isinstance(content, str) else content
        self.names.add(path)
        if not path.exists() or path.read_bytes() != raw:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(raw)

    def sweep(self) -> None:
        for path in set(self.root.rglob("*")) - self.names:
            if path.is_file():
                path.unlink()


def write_sources(repo: Path, source: Path, rows: Rows) -> None:
    """All pages and all that they need, into ``source``."""
    folder = Folder(source)
    settings = tomllib.loads((repo / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["bnt"]
    ids = {row["id"] for row in rows}
    guesses = [guess for kind in ("course", "exercises") for guess in put_notebooks(folder, repo, kind, settings, ids)]
    pages = [*(f"{name}.md" for name in TEXTS), *(f"docs/{path.name}" for path in sorted((repo / "docs").glob("*.md")))]
    pages += [f"course/{path.name}" for path in sorted((repo / "course").glob("*.md"))]
    pages.append("tests/networks/README.md")
    for name in pages:
        if name not in APART:
            text = (repo / name).read_text(encoding="utf-8")
            folder.put(name, with_claims(text, ids, "../" * name.count("/")))
            put_neighbours(folder, repo, name, text)
    for name, text in reference_pages(repo).items():
        folder.put(name, text)
    folder.put("claims.md", claims_page(rows))
    folder.put("exercises/index.md", exercises_page(repo))
    folder.put("index.md", landing(repo, rows))
    folder.put("progress.md", (HERE / "pages" / "progress.md").read_text(encoding="utf-8"))
    folder.put("slides.md", slides_page(repo))
    folder.put("conf.py", (HERE / "conf.py").read_bytes())
    put_static(folder, repo, guesses)
    put_slides(folder)
    folder.sweep()


def put_notebooks(folder: Folder, repo: Path, kind: str, settings: Mapping[str, Any], ids: set[str]) -> list[Any]:
    """The pages of course/ or exercises/ and the notebooks themselves; the predictions that they ask for."""
    guesses = []
    for path in sorted((repo / kind).glob("*.ipynb")):
        real = without_clone_only(path.read_bytes())
        folder.put(f"_extra/notebooks/{kind}/{path.name}", real)
        notebook = json.loads(real)
        for widget in widgets_of(notebook).values():
            if widget.mount == "mountGuess":
                keys = ("name", "question", "answer", "choices", "low", "high", "unit")  # site.js compares questions
                asked = {key: widget[key] for key in keys}
                guesses.append({**asked, "lesson": f"{kind}/{path.stem}", "title": title_of(notebook)})
        bar = bar_of(path.stem, kind, settings.get("launch", {}), settings["repository"])
        page = as_page(notebook, path.stem, bar, lambda text: with_claims(text, ids, "../"))
        folder.put(f"{kind}/{path.name}", json.dumps(page, ensure_ascii=False))
    return guesses


def with_claims(text: str, ids: Iterable[str], up: str) -> str:
    """The text with links as the site needs them: the name of a row of the ledger leads to it, a folder to its page."""
    known = set(ids)

    def link(found: re.Match[str]) -> str:
        name = found[1]
        return f'<a href="{up}claims.html#{name}"><code>{name}</code></a>' if name in known else found[0]

    parts = re.split(r"(```.*?```|\[[^\]]*\]\([^)]*\))", text, flags=re.DOTALL)
    parts[::2] = [re.sub(r"(?<![`\w])`([a-z0-9-]+)`(?!`)", link, part) for part in parts[::2]]
    text = re.sub(r"glossary\.md#[\w-]+", lambda found: found[0].lower(), "".join(parts))  # as MyST calls headings
    return re.sub(r"\]\((\.\./)?exercises/?\)", r"](\1exercises/index.md)", text)


def put_neighbours(folder: Folder, repo: Path, name: str, text: str) -> None:
    """Pictures and other files of the repository that a page leads to."""
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
        path = (repo / name).parent / target
        if path.suffix not in (".md", ".ipynb") and path.resolve().is_file():
            folder.put(path.resolve().relative_to(repo).as_posix(), path.read_bytes())


def exercises_page(repo: Path) -> str:
    """A page that lists the exercises."""
    names = [path.stem for path in sorted((repo / "exercises").glob("*.ipynb"))]
    text = (HERE / "pages" / "exercises.md").read_text(encoding="utf-8")
    return text.replace("EXERCISES", "\n".join(names))


def slides_page(repo: Path) -> str:
    """A page that leads to the slides of each week."""
    lines = []
    for week, lessons in slides.WEEKS.items():
        titles = [title_of(json.loads(slides.lesson(number).read_text(encoding="utf-8"))) for number in lessons]
        lines.append(f'<li><a href="slides/week-{week}.html">Week {week}</a>: {"; ".join(titles)}</li>')
    text = (HERE / "pages" / "slides.md").read_text(encoding="utf-8")
    listed = "\n".join(lines)
    return text.replace("WEEKS", f"```{{raw}} html\n<ul>\n{listed}\n</ul>\n```")


def landing(repo: Path, rows: Rows) -> str:
    """The first page: the hero, the answer with verdicts quoted from the ledger, the map, three doors."""
    verdicts = {row["id"]: row["verdict"] for row in rows}

    def row(found: re.Match[str]) -> str:
        verdict = verdicts[found[1]]  # a KeyError here: the page names a row that the ledger does not have
        kind = verdict.split()[0]
        return f'<a class="bnt-row bnt-{kind}" href="claims.html#{found[1]}"><span>{verdict}</span> {found[1]}</a>'

    text = (HERE / "pages" / "index.md").read_text(encoding="utf-8")
    lessons = [path.stem for path in sorted((repo / "course").glob("*.ipynb"))]
    address = tomllib.loads((repo / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["bnt"]["repository"]
    docs = [f"docs/{path.stem}" for path in sorted((repo / "docs").glob("*.md"))]
    blanks = {
        "UNLISTED": "\n".join(name for name in docs if name not in text and f"{name}.md" not in APART),
        "HERO": hero(repo) or "<!-- no hero -->",
        "MAP": map_of_lessons(repo),
        "COUNT": str(len(rows)),
        "NUMBER": str(len(lessons)),
        "REPOSITORY": f'<a href="{address}">the repository</a>' if PLACEHOLDER not in address else "the repository",
        "LESSONS": "\n".join(f"course/{name}" for name in lessons),
    }
    text = re.sub(r"\b(?:UNLISTED|HERO|MAP|COUNT|NUMBER|REPOSITORY|LESSONS)\b", lambda found: blanks[found[0]], text)
    return re.sub(r"\{row:([a-z0-9-]+)\}", row, text)


def hero(repo: Path) -> str:
    """The moving picture on top: lesson 00 shows it, and its stored output is what the page has."""
    first = repo / "course" / "00_start_here.ipynb"
    for cell in json.loads(first.read_text(encoding="utf-8"))["cells"]:
        for output in cell.get("outputs", ()):
            found = ALIVE.search("".join(output.get("data", {}).get("text/html", "")))
            if found and found["mount"] == "mountHero":
                return re.sub(r"\n\s*\n", "\n", on_page(found, "landing"))
    return ""


def put_static(folder: Folder, repo: Path, guesses: list[Any]) -> None:
    """Scripts and styles, and what sets formulas."""
    put_scripts(folder, repo, guesses)
    for name, raw in slides.mathjax().items():
        folder.put(f"_static/mathjax/{name}", raw)


def put_scripts(folder: Folder, repo: Path, guesses: list[Any]) -> None:
    """Scripts and styles: those of the widgets are the library's own."""
    widgets = repo / "bnt" / "widgets"
    kinds = sorted({path.stem for path in widgets.glob("*.js")} - {"live", "line"})  # line.js is the kernel's end
    scripts = [widgets / f"{name}.js" for name in ("live", *kinds)] + [HERE / "static" / "start.js"]
    code = "\n".join(path.read_text(encoding="utf-8") for path in scripts)
    mounts = ", ".join(f"mount{name.capitalize()}" for name in kinds)
    folder.put("_static/widgets.js", f"(() => {{\n{code.replace('MOUNTS', mounts)}}})();\n")
    styles = [path for name in ("live", *kinds) if (path := widgets / f"{name}.css").exists()]
    folder.put("_static/widgets.css", "\n".join(path.read_text(encoding="utf-8") for path in styles))
    for name in ("site.js", "site.css", "favicon.svg"):
        folder.put(f"_static/{name}", (HERE / "static" / name).read_bytes())
    text = (repo / "course" / "glossary.md").read_text(encoding="utf-8")
    said = re.findall(r"^### (.*)\n\n(.*) \[\d\db?\]\(.*\)$", text, re.MULTILINE)
    words = {word.lower().replace(" ", "-"): [word, meaning] for word, meaning in said}
    lines = [f"window.bntWords={json.dumps(words, ensure_ascii=False)};"]
    lines.append(f"window.bntGuesses={json.dumps(guesses, ensure_ascii=False)};")
    folder.put("_static/words.js", "\n".join(lines))


def put_slides(folder: Folder) -> None:
    """Slides of all weeks out of docs/slides.py, which share the site's MathJax."""
    for name, raw in slides.reveal().items():
        folder.put(f"_extra/slides/reveal/{name}", raw)
    for week in slides.WEEKS:
        folder.put(f"_extra/slides/week-{week}.html", slides.page(week, "../_static/mathjax"))
