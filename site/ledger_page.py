"""The page of claims: the rows as bnt/claims/render.py writes them, and what to choose from."""

from __future__ import annotations

import html
from typing import Any

from bnt.claims.ledger import VERDICTS, ClaimResult
from bnt.claims.render import articles, summary

TOP = """---
hide-toc: true
---

# Every claim, and its check

Each row is a claim in our words, the verdict, the conditions it stands on, what was measured when this page was built,
and how we know: a proof that a proof assistant accepts, a theorem, a counterexample, or seeds. A row whose check
contradicts its verdict stops the build. Nothing here asks for trust: the last line of a row is the command that runs
its check on your machine.

*Exact*: a theorem. *Exact under conditions*: a theorem, under those that the row names. *False*: refuted as it was
claimed; a *rescue* is the charitable reading that does hold. *Vacuous as stated*: true of everything, so it says
nothing. *Measured*: seen, and not proved.

```{raw} html
<p>Begin with <a href="claims.html?origin=the+paper">the paper’s own claims</a>, or with all that are
<a href="claims.html?verdict=false">false</a>.</p>
```

"""


def origin(source: str) -> str:
    """Whose claim it is, in a word or two."""
    if source.startswith("arXiv:2603.17063"):
        return "the paper"
    if "arXiv:2512.22471" in source:
        return "the wind tunnels (arXiv:2512.22471)"
    if source.startswith("this project"):
        return "this project"
    if "arXiv:2603.17063" in source:
        return "a reading or a companion of the paper"
    return "others before them"


def select(name: str, label: str, choices: dict[str, str]) -> str:
    options = "".join(
        f'<option value="{html.escape(value)}">{html.escape(text)}</option>' for value, text in choices.items()
    )
    return f'<label>{label} <select name="{name}"><option value="">all</option>{options}</select></label>'


def claims_page(records: list[dict[str, Any]]) -> str:
    """MyST of the whole ledger; the choices show once a script runs."""
    results = [ClaimResult(**record) for record in records]
    verdicts = {name: f"{name} ({sum(r.verdict == name for r in results)})" for name in VERDICTS}
    origins = [origin(result.source) for result in results]
    sources = {name: f"{name} ({origins.count(name)})" for name in dict.fromkeys(origins)}
    lessons = {r.lesson: r.lesson.split("_")[0] for r in sorted(results, key=lambda r: r.lesson)}
    form = (
        '<form class="bnt-choose" hidden><label>Words <input type="search" name="words"></label>'
        + select("verdict", "Verdict", verdicts)
        + select("origin", "Whose claim", sources)
        + select("lesson", "Lesson", lessons)
        + '<span role="status"></span></form>'
    )
    listed = articles(
        results,
        link=lambda lesson: f"course/{lesson}.html",
        data=lambda r: {"verdict": r.verdict, "origin": origin(r.source), "lesson": r.lesson},
    )
    said = "".join(f"<p>{html.escape(line[:1].upper() + line[1:])}.</p>" for line in summary(results))
    return f'{TOP}\n```{{raw}} html\n{said}{form}<div class="bnt-claims">{listed}</div>\n```\n'
