"""The HTML of the reports: plain pages without scripts; every text from a submission is escaped."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any
from urllib.parse import quote

from bnt.grading.paper import build_paper
from bnt.grading.reasons import kind_of
from bnt.grading.similarity import Pair
from bnt.grading.source import Source
from bnt.grading.titles import answer_titles, titles

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin: 1.6rem 0 .3rem }
table { border-collapse: collapse } td, th { padding: .25rem .7rem; border-bottom: 1px solid #ccc; text-align: left }
pre { background: #f4f4f4; padding: .6rem; overflow-x: auto; white-space: pre-wrap; max-height: 20rem }
.good { color: #14692f } .bad { color: #a3221c } .wait { color: #7a5a00 } .quiet { color: #666; font-size: .9rem }
@media print {
  body { max-width: none; margin: 0; font-size: 11pt } pre { max-height: none; border: 1px solid #ccc }
  h2 { break-after: avoid } pre, tr { break-inside: avoid } a { color: inherit; text-decoration: none }
}
.bar { background: #3a6ea5; height: .8rem; display: inline-block; vertical-align: middle }
"""


def _page(title: str, body: list[str]) -> str:
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style>'
    guard = "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
    return f'<!doctype html><html lang="en"><head>{head}{guard}</head><body>\n' + "\n".join(body) + "\n</body></html>\n"


def _notes(notes: list[str]) -> list[str]:
    return [f'<p class="quiet">{escape(note)}</p>' for note in notes]


def _colour(check: dict[str, Any]) -> str:
    if check["result"] in ("to be graded", "graded by a person"):
        return "wait" if check["result"] == "to be graded" else "good"
    return "good" if check["points"] == check["out_of"] else "bad"


def feedback_page(source: Source, paper: dict[str, Any], row: dict[str, Any], notes: list[str]) -> str:
    """What one learner reads: score and reason of every check, the own output beside the kind that was expected."""
    cells = {cell["id"]: cell for cell in paper["cells"]}
    names = titles(source, paper)
    passed = sum(1 for name, check in row["checks"].items() if name in cells and check["points"] == check["out_of"])
    graded = sum(1 for name in row["checks"] if name in cells)
    secret = any(cells[name]["hidden"] for name in row["checks"] if name in cells)
    decided = f"{row['total'] - row['undecided']:g}"
    more = f" so far; {row['undecided']:g} more wait for a person" if row["undecided"] else ""
    body = [
        f"<h1>{escape(source.stem)}: {escape(row['learner'])}</h1>",
        f"<p><strong>{row['score']} of {decided} points</strong>{more}, {escape(row['status'])}; "
        f"{passed} of {graded} checks passed{' (public and hidden ones)' if secret else ''}.</p>",
    ]
    body += [f"<p>{escape(note)}</p>" for note in row["notes"]]
    for name, check in row["checks"].items():
        colour = _colour(check)
        waits = check["result"] == "to be graded"
        points = f"{check['out_of']:g} points, not decided yet" if waits else f"{check['points']} of {check['out_of']}"
        title = f"{escape(names.get(name, name))}: {points}"
        body.append(f'<h2 class="{colour}">{title}</h2><p>{escape(check["reason"])}</p>')
        if "hint" in check and check["points"] < check["out_of"]:
            body.append(f"<p>Hint: {escape(check['hint'])}</p>")
        if colour == "bad" and check.get("output"):
            expected = "".join(out.get("text", "") for out in cells[name]["outputs"])
            body.append(f"<p>Your output (expected: {escape(kind_of(expected))}):</p>")
            body.append(f"<pre>{escape(check['output'])}</pre>")
        if check.get("answer"):
            body.append(f"<p>Your answer:</p><pre>{escape(check['answer'])}</pre>")
    return _page(f"{source.stem}: {row['learner']}", body + _notes(notes))


def overview_page(
    source: Source,
    rows: list[dict[str, Any]],
    notes: list[str],
    wrong: dict[str, list[tuple[str, int]]],
    page_name: Callable[[str], str],
) -> str:
    """What the instructor reads first: the distribution, the check that most people miss, everybody's score."""
    body = [f"<h1>{escape(source.stem)}: {len(rows)} learners</h1>", *_notes(notes)]
    if not rows:
        return _page(source.stem, [*body, "<p>No submissions.</p>"])
    names = titles(source, build_paper(source))
    body += ["<h2>Distribution</h2>", "<table>", *_distribution(rows), "</table>"]
    body += [
        "<h2>Checks, most missed first</h2>",
        "<table><tr><th>question</th><th>check</th><th>missed by</th><th>commonest reason</th></tr>",
    ]
    for name, missed, why in most_missed(rows):
        title = escape(names.get(name, name))
        body.append(f"<tr><td>{title}</td><td>{escape(name)}</td><td>{missed} of {len(rows)}</td>")
        body.append(f"<td>{escape(why)}</td></tr>")
    body.append("</table>")
    if any(wrong.values()):
        body.append("<h2>Commonest wrong outputs</h2>")
    for name, seen in wrong.items():
        if seen:
            body.append(f"<h3>{escape(names.get(name, name))} ({escape(name)})</h3>")
            body += [f"<p>{number} learners printed</p><pre>{escape(text)}</pre>" for text, number in seen]
    waiting = sum(check["result"] == "to be graded" for row in rows for check in row["checks"].values())
    if waiting:
        what = "bnt desk, or the column points of manual.csv"
        body.append(f'<p class="wait">{waiting} written answers wait for points: {what}; then run again.</p>')
    body.append('<p><a href="similarity.html">Answers that look alike</a> (a hint, no proof)</p>')
    body += ["<h2>Learners</h2>", "<table><tr><th>learner</th><th>score</th><th>status</th><th>notes</th></tr>"]
    for row in rows:
        link = f'<a href="feedback/{quote(page_name(row["learner"]))}">{escape(row["learner"])}</a>'
        noted = escape("; ".join(row["notes"]))
        score = f"{row['score']} / {row['total']}"
        body.append(f"<tr><td>{link}</td><td>{score}</td><td>{escape(row['status'])}</td><td>{noted}</td></tr>")
    return _page(source.stem, [*body, "</table>"])


def similarity_page(source: Source, pairs: list[Pair], notes: list[str], page_name: Callable[[str], str]) -> str:
    """Pairs of learners whose answers look alike, and in which questions."""
    names = answer_titles(source)
    body = [
        f"<h1>{escape(source.stem)}: answers that look alike</h1>",
        "<p><strong>A hint, and no proof.</strong> Short answers look alike by themselves, and so do those of people "
        "who learned together. Read both before you ask anybody.</p>",
        *_notes(notes),
    ]
    if not pairs:
        return _page(source.stem, [*body, "<p>No pair of answers stands out.</p>"])
    body.append("<table><tr><th>learners</th><th>alike</th><th>in</th></tr>")
    for pair in pairs:
        links = [f'<a href="feedback/{quote(page_name(who))}">{escape(who)}</a>' for who in (pair.first, pair.second)]
        cells = escape("; ".join(names.get(cell, cell) for cell in pair.cells))
        body.append(f"<tr><td>{' and '.join(links)}</td><td>{100 * pair.most:.0f} %</td><td>{cells}</td></tr>")
    return _page(source.stem, [*body, "</table>"])


def _distribution(rows: list[dict[str, Any]]) -> list[str]:
    bins = [0] * 10
    for row in rows:
        share = row["score"] / row["total"] if row["total"] else 0
        bins[min(9, int(10 * share + 1e-9))] += 1
    widest = max(bins)
    lines = []
    for i, n in reversed(list(enumerate(bins))):
        bar = f'<span class="bar" style="width:{round(20 * n / widest, 2)}rem"></span>'
        lines.append(f"<tr><td>{10 * i}-{10 * i + 10} %</td><td>{bar} {n}</td></tr>")
    return lines


def most_missed(rows: list[dict[str, Any]]) -> list[tuple[str, int, str]]:
    """(check, how many did not get its full points, the commonest reason), most missed first; pending ones left out."""
    found = []
    for name in dict.fromkeys(name for row in rows for name in row["checks"]):
        reasons = [
            row["checks"][name]["reason"]
            for row in rows
            if row["checks"][name]["result"] != "to be graded"
            and row["checks"][name]["points"] < row["checks"][name]["out_of"]
        ]
        commonest = max(sorted(set(reasons)), key=reasons.count) if reasons else ""
        found.append((name, len(reasons), commonest))
    return sorted(found, key=lambda entry: (-entry[1], entry[0]))
