"""How results look in a notebook: one line that says what it is, the status as a chip, a small table.

Nothing has a background and every colour is one of JupyterLab's, so that a card can be read in light and in dark; a
colour never says something alone. All text is escaped: a variable may be called ``<script>``. Nothing large is drawn
whole: a card says "12 of 1,041 variables".
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from bnt.errors import BntError

if TYPE_CHECKING:
    from bnt.figures.results import Picture
    from bnt.records.record import Record

UNCHECKED = "support unchecked: belief propagation could not rule out that the evidence is impossible"
MOST_ROWS, MOST_COLUMNS = 12, 12  # that a card shows
MOST_LETTERS = 80  # of one cell
GOOD, WARN, BAD, PLAIN = (
    f"var(--jp-{name}, {colour})"  # the fallbacks have a contrast of 3 to 1 or more on white and on black
    for name, colour in (
        ("success-color1", "#2e8540"),
        ("warn-color1", "#b76b00"),
        ("error-color1", "#d9363e"),
        ("border-color1", "#808080"),
    )
)
CHIPS = {
    "exact": GOOD,
    "prior": GOOD,
    "holds": GOOD,
    "approximate": WARN,
    "not converged": BAD,
    "does not hold": BAD,
}


def card(
    kind: str,
    line: str,
    header: Sequence[str] = (),
    rows: Iterable[Sequence[object]] = (),
    *,
    total: int | None = None,
    things: str = "rows",
    status: str | None = None,
    notes: Iterable[str] = (),
) -> str:
    """HTML of one result. ``rows`` may be lazy: only the first MOST_ROWS are asked for, and ``total`` says of how many.

    kind: the class. line: what it is, in words. things: what a row is, in the plural. status: the chip.
    """
    shown = [list(row) for row in islice(rows, MOST_ROWS)]
    count = len(shown) if total is None else total
    parts = [f"<div><strong>{_text(kind)}</strong>{_chip(status)} {_text(line, MOST_LETTERS * 4)}</div>"]
    if header and shown:
        parts.append(_table(header, shown))
    said = []
    if count > len(shown):
        said.append(f"{len(shown)} of {count:,} {things}")
    if len(header) > MOST_COLUMNS:
        said.append(f"{MOST_COLUMNS} of {len(header):,} columns")
    small = [*([", ".join(said)] if said else []), *notes]
    parts += [f'<div style="opacity: 0.8; font-size: 90%">{_text(note, MOST_LETTERS * 4)}</div>' for note in small]
    return "<div>" + "".join(parts) + "</div>"


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    head = "".join(f'<th scope="col" style="text-align: left">{_text(name)}</th>' for name in header[:MOST_COLUMNS])
    body = "".join("<tr>" + "".join(map(_cell, row[:MOST_COLUMNS])) + "</tr>" for row in rows)
    return f'<table style="margin: 0.4em 0"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _cell(value: object) -> str:
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    return f'<td style="text-align: {"right" if numeric else "left"}">{_text(value)}</td>'


def _chip(status: str | None) -> str:
    if status is None:
        return ""
    look = f"border: 1.5px solid {CHIPS.get(status, PLAIN)}; border-radius: 1em; padding: 0 0.6em; margin: 0 0.3em"
    return f' <span style="{look}">{_text(status)}</span>'


def _text(value: object, most: int = MOST_LETTERS) -> str:
    """Escaped, and cut where it is too long; floats with four significant digits, None as a dash."""
    if value is None:
        text = "–"
    elif isinstance(value, float):
        text = f"{value:.4g}"
    elif isinstance(value, int) and not isinstance(value, bool):
        text = f"{value:,}"
    else:
        text = str(value)
    return html.escape(text if len(text) <= most else text[: most - 1] + "…")


def counted(count: int, thing: str) -> str:
    """ "1 layer", "1,041 layers"."""
    plural = thing[:-1] + "ies" if thing.endswith("y") else thing + "s"
    return f"{count:,} {thing if count == 1 else plural}"


def probability(p: float) -> str:
    """Four decimals; "0" and "1" only where they are exact."""
    text = f"{p:.4f}"
    if p in (0.0, 1.0):
        return f"{p:.0f}"
    return {"0.0000": "<0.0001", "1.0000": ">0.9999"}.get(text, text)


def draw(thing: Any, *given: Any, **options: Any) -> Picture:
    """The picture of a result: ``figures.plot``, which knows how each kind is drawn. matplotlib is loaded here.

    Raises BntError where matplotlib is missing, and as ``figures.plot``.
    """
    try:
        from bnt.figures.results import plot
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in ("matplotlib", "PIL"):
            raise
        raise BntError(f'a picture needs {missing}; install with: python -m pip install "bnt[course]"') from None
    return plot(thing, *given, **options)


def keep(answer: Any, path: Any = None, **options: Any) -> Record:
    """The record of an answer, written to ``path`` if there is one: ``records.record.record_of``. Raises as that."""
    from bnt.records.record import record_of

    record = record_of(answer, **options)
    if path is not None:
        record.write(path)
    return record
