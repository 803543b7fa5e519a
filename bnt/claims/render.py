"""The ledger as text, as JSON and as a page: one list of what is shown of a row, three ways to show it."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from bnt.claims.ledger import VERDICTS, ClaimResult


class Detail(NamedTuple):
    """One line about a row: what it is about, and the text."""

    name: str
    text: str


def details(result: ClaimResult) -> list[Detail]:
    """All that is said of a row below its head, in the order of every rendering."""
    tolerance = "" if result.tolerance is None else f" (tolerance {result.tolerance:g})"
    listed = [
        Detail("claim", f"{result.claim} [{result.source}]"),
        Detail("condition", result.conditions or ""),
        Detail("rescue", result.rescue or ""),
        Detail("known by", result.how),
        Detail("measured", result.measured + tolerance),
        Detail("lesson", result.lesson),
    ]
    return [detail for detail in listed if detail.text]


def as_text(result: ClaimResult, width: int = 110) -> str:
    """One row as a paragraph for a terminal."""
    lines = [f"{'holds' if result.holds else 'FAILS'}  {result.id}: {result.verdict.upper()}"]
    for name, text in details(result):
        said = text if name == "claim" else f"{name}: {text}"
        lines += textwrap.wrap(said, width, initial_indent="       ", subsequent_indent="         ")
    return "\n".join(lines)


def summary(results: Sequence[ClaimResult]) -> list[str]:
    """How many rows have which verdict, and which checks contradict theirs."""
    if not results:
        return ["no row of the ledger has all that was asked for"]
    counts = [f"{sum(r.verdict == verdict for r in results)} {verdict}" for verdict in VERDICTS]
    failed = [result.id for result in results if not result.holds]
    return [
        f"{len(results)} claims: {', '.join(counts)}",
        f"the check contradicts the verdict of: {', '.join(failed)}"
        if failed
        else "every check agrees with its verdict",
    ]


STYLE = """
:root { color-scheme: light dark; font-family: system-ui, sans-serif; line-height: 1.5 }
body { max-width: 52rem; margin: 2rem auto; padding: 0 1rem }
article { border-top: 1px solid color-mix(in srgb, currentColor 25%, transparent); padding: .8rem 0 }
h2 { font-size: 1.05rem; margin: 0 } h2 a { color: inherit; text-decoration: none }
.verdict { border: 1px solid currentColor; border-radius: 1em; padding: 0 .6em; font-size: .85rem; font-weight: normal }
dl { display: grid; grid-template-columns: 6rem 1fr; gap: .1rem .8rem; margin: .4rem 0 0 }
dt { opacity: .75 }
dd { margin: 0 }
@media (max-width: 32rem) { dl { grid-template-columns: 1fr } }
"""


def command(result: ClaimResult) -> str:
    """What to type to run the check of this row."""
    return f"bnt claims --id {result.id}"


def articles(
    results: Sequence[ClaimResult],
    link: Callable[[str], str] | None = None,
    data: Callable[[ClaimResult], Mapping[str, str]] | None = None,
) -> str:
    """HTML of the rows, each with an address of its own (#id).

    link: the address of a lesson. data: attributes by which a page finds rows, name -> value.
    """
    written = []
    for result in results:
        shown = []
        for name, text in details(result):
            said = html.escape(text)
            if name == "lesson" and link:
                said = f'<a href="{html.escape(link(result.lesson))}">{said}</a>'
            shown.append(f"<dt>{name}</dt><dd>{said}</dd>")
        shown.append(f"<dt>command</dt><dd><code>{html.escape(command(result))}</code></dd>")
        given = data(result).items() if data else ()
        marks = "".join(f' data-{name}="{html.escape(value)}"' for name, value in given)
        kind = result.verdict.split()[0]
        written.append(
            f'<article id="{html.escape(result.id)}"{marks}><h2><a href="#{html.escape(result.id)}">'
            f'{html.escape(result.id)}</a> <span class="verdict {kind}">{html.escape(result.verdict)}</span>'
            f"{'' if result.holds else ' <strong>the check contradicts this verdict</strong>'}</h2>"
            f"<dl>{''.join(shown)}</dl></article>"
        )
    return "".join(written)


def as_page(results: Sequence[ClaimResult]) -> str:
    """All rows as one self-contained page."""
    heads = "".join(f"<p>{html.escape(line)}</p>" for line in summary(results))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>Claims</title><style>{STYLE}</style></head><body><h1>Claims</h1>{heads}{articles(results)}</body></html>\n"
    )
