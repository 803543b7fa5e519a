"""A record as one page that a person can read, print and keep: no script runs, nothing is fetched."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from bnt.display import probability

MOST_ROWS = 20  # of a table on the page; the JSON inside has all
STYLE = """
:root { color-scheme: light dark; font: 16px/1.55 system-ui, sans-serif }
body { max-width: 48rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin: 1.8rem 0 .3rem } h3 { font-size: 1rem; margin: 1rem 0 .2rem }
table { border-collapse: collapse; margin: .4rem 0 } caption { text-align: left; font-style: italic }
td, th { padding: .2rem .9rem .2rem 0; text-align: left }
tr { border-bottom: 1px solid color-mix(in srgb, currentColor 25%, transparent) }
td.n { text-align: right; font-variant-numeric: tabular-nums }
.chip { border: 1px solid currentColor; border-radius: 1em; padding: 0 .6em; font-size: .9rem }
.quiet { font-size: .9rem; opacity: .8 } code { overflow-wrap: anywhere }
div.wide { overflow-x: auto }
@media print { body { max-width: none; margin: 0; font-size: 11pt } tr { break-inside: avoid } }
"""
WORTH = {
    "exact": "exact, up to rounding, for the model as it is written",
    "prior": "exact, and no evidence reaches what was asked: this is what the model says without any",
    "approximate": "approximate: {} settled, but the graph has loops, so it may be off",
    "not converged": "not converged: these numbers are no answer",
}
MEAN_FIELD = "approximate: mean field settled on beliefs that take every variable as independent, so it may be off"


def as_page(content: dict[str, Any], as_json: str) -> str:
    """The page of a record's content, with its JSON inside for whoever computes it again."""
    answer, question, model = content["answer"], content["question"], content["model"]
    body = [f'<h1>Record of an answer</h1><p><span class="chip">{_text(answer["status"])}</span> ']
    body += [f"{_text(_worth(answer))}.</p>", *_question(question), *_answer(answer, question["mode"])]
    for reason in content["reasons"]:
        body += _reasons(reason, model)
    versions = ", ".join(f"{name} {version}" for name, version in content["versions"].items())
    body += [
        "<h2>The model</h2>",
        f"<p>{_text(_described(model))}. SHA-256 of its content: <code>{_text(model['sha256'])}</code></p>",
        "<h2>Made, and checked</h2>",
        f"<p>Made {_text(content['made'])} with {_text(versions)}. To compute all of it again: "
        "<code>bnt replay</code> and the name of this file, which holds the whole model.</p>",
    ]
    inside = as_json.replace("</", "<\\/").replace("<!--", "<\\u0021--")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>Record of an answer</title><style>{STYLE}</style></head><body>\n"
        + "\n".join(body)
        + f'\n<script type="application/json" id="record">{inside}</script></body></html>\n'
    )


def _question(question: dict[str, Any]) -> list[str]:
    asked = ", ".join(question["query"])
    kind = "the probability" if question["mode"] == "sum" else "the most probable state"
    parts = [
        "<h2>What was asked</h2>",
        f"<p>Asked: {kind} of {_text(asked)}. Method asked for: {_text(question['method'])}.</p>",
    ]
    if not question["evidence"]:
        return [*parts, "<p>No evidence was given.</p>"]
    rows = [(name, _value(value)) for name, value in question["evidence"].items()]
    return [*parts, _table("What was known", ("evidence", "is"), rows)]


def _worth(answer: dict[str, Any]) -> str:
    """The status in words."""
    status, method = answer["status"], answer["method"]
    if status == "approximate" and "mean-field" in method:
        return MEAN_FIELD
    trees = "trw" in method or "tree-reweighted" in method
    return WORTH[status].format("tree-reweighted message passing" if trees else "belief propagation")


def _answer(answer: dict[str, Any], mode: str) -> list[str]:
    rows = [(name, state, probability(p)) for name, states in answer["beliefs"].items() for state, p in states.items()]
    header = ("variable", "state", "probability" if mode == "sum" else "max-marginal, of sum 1")
    parts = ["<h2>The answer</h2>", _table(f"Method: {answer['method']}", header, rows)]
    if answer.get("map"):
        best = ", ".join(f"{name}={state}" for name, state in answer["map"].items())
        parts.append(f"<p>A most probable assignment: {_text(best)}.</p>")
    if answer.get("support") == "unchecked":
        parts.append("<p>It could not be ruled out that this evidence is impossible.</p>")
    if answer.get("rounds") is not None:
        parts.append(f'<p class="quiet">Rounds of message passing: {_text(answer["rounds"])}.</p>')
    return parts


def _reasons(reason: dict[str, Any], model: dict[str, Any]) -> list[str]:
    parts = [f"<h2>Why: {_text(reason['variable'])} = {_text(reason['state'])}</h2>"]
    if "left_out" in reason:
        return [*parts, f"<p>Not explained: {_text(reason['left_out'])}.</p>"]
    weighed = reason["evidence"]
    if "left_out" in weighed:
        parts.append(f"<p>The evidence is not weighed: {_text(weighed['left_out'])}.</p>")
    elif not weighed["weights"]:
        parts.append("<p>No evidence could move this answer.</p>")
    else:
        rows = [
            (
                f"{w['evidence']} = {_value(w['value'])}",
                *(_decibans(w[key]) for key in ("alone", "in_order", "given_rest")),
            )
            for w in weighed["weights"]
        ]
        parts += [
            "<h3>What each piece of evidence did</h3><p>In decibans: ten times the common logarithm of the factor by "
            "which the odds changed, so +10 makes the odds ten times as large. <em>In order</em> always adds up.</p>",
            _table(f"Weights, {weighed['status']}", ("evidence", "alone", "in order", "given the rest"), rows),
        ]
        if "verdict" in weighed:
            parts.append(f"<p>{_text(weighed['verdict'])}</p>")
    if "lower" in (bounds := reason.get("bounds", {})):
        parts.append(
            f"<p>Certified, whatever the method: the exact probability lies between {probability(bounds['lower'])} and "
            f"{probability(bounds['upper'])}.</p>"
        )
    if "entries" in reason:
        parts += _entries(reason["entries"], model)
    if "clauses" in reason:
        parts += _clauses(reason["clauses"])
    return parts


def _entries(entries: dict[str, Any], model: dict[str, Any]) -> list[str]:
    head = "<h3>How much each number of the model matters</h3>"
    if "left_out" in entries:
        return [head, f"<p>Left out: {_text(entries['left_out'])}.</p>"]
    rows = []
    for one in entries["slopes"][:MOST_ROWS]:
        scope = model["factors"][one["factor"]]["scope"]
        place = ", ".join(f"{name}={state}" for name, state in zip(scope, one["states"], strict=True))
        kept = "–" if one["kept_slope"] is None else _change(one["kept_slope"])
        rows.append((place, f"{one['value']:.4g}", _change(one["slope"]), kept))
    header = ("entry of a table", "its value", "if it were 1 % larger", "if .01 larger, its row kept at 1")
    rest = len(entries["slopes"]) - len(rows)
    more = [f'<p class="quiet">{rest:,} more entries in the file.</p>'] if rest > 0 else []
    said = "<p>The change of the probability above, to first order, for a small change of one number of the model.</p>"
    return [head, said, _table("The entries that matter most", header, rows), *more]


def _clauses(clauses: dict[str, Any]) -> list[str]:
    head = "<h3>How much each rule matters</h3>"
    if "left_out" in clauses:
        return [head, f"<p>Left out: {_text(clauses['left_out'])}.</p>"]
    rows = [
        (one["clause"], *("–" if one[key] is None else probability(one[key]) for key in ("lower", "higher")))
        for one in clauses["effects"][:MOST_ROWS]
    ]
    step = f"{clauses['step']:g}"
    header = ("rule", f"answer if {step} less", f"answer if {step} more")
    return [head, _table("The answer, if one probability were different", header, rows)]


def _table(caption: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{_text(name)}</th>' for name in header)
    body = "".join("<tr>" + "".join(map(_cell, row)) + "</tr>" for row in rows)
    inside = f"<caption>{_text(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
    return f'<div class="wide"><table>{inside}</table></div>'


def _cell(text: str) -> str:
    return f"<td{' class=n' if _is_number(text) else ''}>{_text(text)}</td>"


def _is_number(text: str) -> bool:
    try:
        float(text.lstrip("<>"))
    except ValueError:
        return False
    return True


def _described(model: dict[str, Any]) -> str:
    if model["kind"] == "knowledge base":
        return f"Knowledge base {model['name']!r}, its text in this file"
    numbers = sum(len(factor["log_table"]) for factor in model["factors"])
    tables = f"{len(model['factors']):,} tables, {numbers:,} numbers"
    return f"A factor graph of {len(model['variables']):,} variables and {tables}"


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "likelihoods " + ", ".join(f"{state} {weight:.4g}" for state, weight in value.items())
    return str(value)


def _change(slope: float) -> str:
    """The change of the answer by one percent, or .01, of an entry; rounding is no change."""
    return "0" if abs(slope) < 1e-12 else f"{slope / 100:+.2g}"


def _decibans(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:+.2f}"


def _text(value: object) -> str:
    return escape(str(value))
