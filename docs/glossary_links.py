"""Links each word of course/glossary.md where a lesson first needs it:  python docs/glossary_links.py

A lesson links the words of its own number and of the numbers before it. The title cell, headings, tables, code and
formulas are left alone. Says what it linked; running it again changes nothing.
"""

import json
import re
from pathlib import Path
from typing import NamedTuple

COURSE = Path(__file__).resolve().parent.parent / "course"
SAYS = {  # words that mean other things as well: how they look where they mean this
    "compile": r"compile[sd]?",
    "configuration": r"(?<!its )(?<!only )(?<!unseen )configurations?",
    "control": r"(?<!optimal )(?<!learning and )controls?",
    "converge": r"converge[sd]?",
    "factor": r"(?<!customary )(?<!into )(?<!by a )(?<!the )(?<!with )(?<!its )(?<!and )(?<!her )factors?",
    "head": r"(?<!rule's )(?<!of its )heads?",
    "MAP": r"MAP",
    "message": r"messages?",
    "reach": r"reach of evidence",
    "round": r"(?<!way )rounds?",
}
UNTOUCHED = re.compile(  # formulas, code, links and pictures, tags with what they summarise, headings, tables
    r"```.*?```|\$\$.*?\$\$|\$[^$\n]+\$|`[^`\n]+`|!?\[[^\]]*\]\([^)]*\)|<summary>.*?</summary>|<[^>\n]+>|^#.*?$|^\|.*?$"
    r"|^## Further reading.*\Z",
    re.DOTALL | re.MULTILINE,
)


class Word(NamedTuple):
    """``since``: the number of the lesson that introduces it."""

    name: str
    since: str

    @property
    def link(self) -> str:
        return "glossary.md#" + self.name.replace(" ", "-")

    def pattern(self) -> re.Pattern[str]:
        plain = re.escape(self.name) + "s?"
        cased = self.name[0].islower()
        return re.compile(rf"(?<![\w-])(?:{SAYS.get(self.name, plain)})(?![\w-])", re.IGNORECASE if cased else 0)


def read_glossary() -> list[Word]:
    """Longest first, so that a word within a longer one is not taken for it."""
    text = (COURSE / "glossary.md").read_text(encoding="utf-8")
    words = [Word(*found) for found in re.findall(r"^### (.*)\n\n.* \[(\d\db?)\]\(.*\)$", text, re.MULTILINE)]
    return sorted(words, key=lambda word: (-len(word.name), word.name))


def link_words(cells: list[dict[str, object]], words: list[Word]) -> list[str]:
    """Changes the prose of the cells; the names of the words that it linked."""
    linked = []
    for word in words:
        for cell in cells[1:]:
            text = "".join(cell["source"])  # type: ignore[arg-type]
            if cell["cell_type"] != "markdown":
                continue
            if f"]({word.link})" in text:
                break
            if place := first_use(text, word, words):
                text = f"{text[: place[0]]}[{text[place[0] : place[1]]}]({word.link}){text[place[1] :]}"
                cell["source"] = text.splitlines(keepends=True)
                linked.append(word.name)
                break
    return linked


def first_use(text: str, word: Word, words: list[Word]) -> tuple[int, int] | None:
    hidden = UNTOUCHED.sub(lambda found: "\0" * len(found[0]), text)
    for other in words:
        if len(other.name) > len(word.name) and word.pattern().search(other.name):
            hidden = other.pattern().sub(lambda found: "\0" * len(found[0]), hidden)
    found = word.pattern().search(hidden)
    return found.span() if found else None


def missing_links(path: Path) -> tuple[list[str], dict[str, object]]:
    """What is not linked yet in a lesson, and its notebook with all links."""
    number = path.stem.split("_")[0]
    words = [word for word in read_glossary() if word.since <= number]
    notebook = json.loads(path.read_text(encoding="utf-8"))
    return link_words(notebook["cells"], words), notebook


if __name__ == "__main__":
    for lesson in sorted(COURSE.glob("*.ipynb")):
        names, linked_notebook = missing_links(lesson)
        if names:
            lesson.write_text(json.dumps(linked_notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
            print(f"{lesson.stem}: {', '.join(names)}")
