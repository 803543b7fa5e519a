"""The learner's record of predictions: one line of JSON per guess, only ever appended to, in the user's data folder.

``$BNT_PREDICTIONS`` names another file. Nothing reads it but ``guess`` and ``guess_record``; it is never sent anywhere.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bnt.display import card, counted


class Guess(NamedTuple):
    """One committed prediction. span: high - low of the question, 0 for a choice; question: as it was asked then."""

    name: str
    guess: str | float
    answer: str | float
    span: float
    when: str
    question: str = ""  # early records lack it

    @property
    def lesson(self) -> str:
        return self.name.partition("-")[0]

    @property
    def day(self) -> str:
        """When, as the learner's own calendar has it: ``when`` is in UTC."""
        try:
            return datetime.fromisoformat(self.when).astimezone().date().isoformat()
        except (ValueError, TypeError, OverflowError):  # changed by hand
            return str(self.when)[:10]

    @property
    def right(self) -> bool:
        return self.guess == self.answer

    @property
    def off(self) -> float:
        """|guess - answer| / span, for a number."""
        return abs(float(self.guess) - float(self.answer)) / (self.span or 1.0)


def place() -> Path:
    """Where the record is: $BNT_PREDICTIONS, else predictions.jsonl in the user's data folder for bnt."""
    import platformdirs

    own = os.environ.get("BNT_PREDICTIONS")
    return Path(own) if own else Path(platformdirs.user_data_dir("bnt", appauthor=False), "predictions.jsonl")


def keep(name: str, guess: str | float, answer: str | float, span: float, question: str = "") -> None:
    """Append one guess, in one write. Raises OSError where the file cannot be written."""
    line = Guess(name, guess, answer, span, datetime.now(UTC).isoformat(timespec="seconds"), question)._asdict()
    path = place()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:  # "\n" first too: a line that was cut off by a crash costs only itself
        file.write(f"\n{json.dumps(line, ensure_ascii=False)}\n".encode())
        file.flush()
        os.fsync(file.fileno())


def kept() -> tuple[list[Guess], int]:
    """All guesses, oldest first, and the number of lines that cannot be read (they are left where they are).

    Raises OSError where there is a file that cannot be read.
    """
    try:
        lines = place().read_text(encoding="utf-8", errors="replace").split("\n")  # splitlines knows more ends of lines
    except FileNotFoundError:
        return [], 0
    found, broken = [], 0
    for line in filter(str.strip, lines):
        try:
            entry = Guess(**json.loads(line))
            found.append(entry._replace(name=str(entry.name), span=float(entry.span)))
        except (ValueError, TypeError):
            broken += 1
    return found, broken


def first_guesses(guesses: Iterable[Guess]) -> dict[str, Guess]:
    """The first guess at each question: it is the one that counts."""
    first: dict[str, Guess] = {}
    for guess in guesses:
        first.setdefault(guess.name, guess)
    return first


class GuessRecord:
    """How the predictions of all lessons went, one row per lesson; the first guess at each question counts."""

    header = ("lesson", "predictions", "choices right", "numbers: half are closer than")

    def __init__(self) -> None:
        self.unread = ""  # why not, in words of the system
        try:
            guesses, self.broken = kept()
        except OSError as error:
            guesses, self.broken, self.unread = [], 0, str(error.strerror)
        self.first = first_guesses(guesses)

    @property
    def rows(self) -> list[tuple[str, str, str, str]]:
        """lesson, how many, "2 of 3", and the median distance of numbers as a share of their range."""
        table = []
        for lesson in sorted({guess.lesson for guess in self.first.values()}):
            own = [guess for guess in self.first.values() if guess.lesson == lesson]
            chosen = [guess.right for guess in own if not guess.span]
            off = [guess.off for guess in own if guess.span]
            right = f"{sum(chosen)} of {len(chosen)}" if chosen else "–"
            table.append((lesson, str(len(own)), right, f"{median(off):.0%} of the range" if off else "–"))
        return table

    @property
    def notes(self) -> list[str]:
        lost = f"{counted(self.broken, 'line')} of it cannot be read and is not counted"
        return [f"kept in {place()}", *([lost] if self.broken else [])]

    def __repr__(self) -> str:
        if self.unread:
            return self._not_read
        if not self.first:
            return "no predictions yet"
        return "\n".join(["  ".join(self.header), *("  ".join(row) for row in self.rows)])

    @property
    def _not_read(self) -> str:
        return f"{place()} cannot be read ({self.unread})"

    def _repr_html_(self) -> str:
        if self.unread:
            return card("Your predictions", self._not_read, self.header, [])
        line = counted(len(self.first), "prediction") if self.first else "none yet: commit one, and run this cell again"
        return card("Your predictions", line, self.header, self.rows, notes=self.notes if self.first else ())


def guess_record() -> GuessRecord:
    """The learner's predictions so far, for the summary in lesson 00."""
    return GuessRecord()
