"""A prediction that counts: commit a guess, then see guess, answer and distance. The answer is computed, not typed."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from bnt.errors import BntError
from bnt.widgets.live import Line, alive
from bnt.widgets.record import Guess, first_guesses, keep, kept, place


class GuessWidget:
    """What ``guess`` returns: shows itself as a form; in print and without scripts the answer is folded below."""

    def __init__(self, spec: dict[str, Any], answer: str | float):
        self.spec, self.answer = spec, answer
        self.line: Line | None = None

    @property
    def span(self) -> float:
        return 0.0 if self.spec["choices"] else float(self.spec["high"] - self.spec["low"])

    def said(self, value: str | float) -> str:
        """A guess or the answer in words, with its unit."""
        if self.spec["choices"]:
            return str(value)
        return f"{value:.{self.spec['digits']}f} {self.spec['unit']}".rstrip()

    def hear(self, message: dict[str, Any]) -> None:
        """What the page says: that it is there, or that a guess was committed. Answers into the page."""
        assert self.line is not None
        name = self.spec["name"]
        if message["type"] == "hello":
            try:
                before = first_guesses(filter(self.answers, kept()[0])).get(name)
            except OSError as error:
                self.line.send({"type": "kept", "said": f"{place()} cannot be read ({error.strerror})."})
                return
            if before:
                said = f"You committed this on {before.day}. Guess again as often as you like: the first one counts."
                self.line.send({"type": "before", "guess": before.guess, "said": said})
        elif message["type"] == "guess" and self.valid(message["guess"]):
            try:
                keep(name, message["guess"], self.answer, self.span, self.asked)
                said = "On record; lesson 00 shows how you are doing."
            except OSError as error:
                said = f"Not on record: {place()} cannot be written ({error.strerror})."
            self.line.send({"type": "kept", "said": said})

    @property
    def asked(self) -> str:
        """The question with its choices or range: another one makes another question of it."""
        return f"{self.spec['question']} {self._way}"

    def answers(self, old: Guess) -> bool:
        """Was a guess on record one at this question, as it is asked now?"""
        same = old.question == self.asked if old.question else (old.answer, old.span) == (self.answer, self.span)
        return old.name == self.spec["name"] and same and self.valid(old.guess)

    def valid(self, guess: Any) -> bool:
        """Is it one of the choices, or a number in the range?"""
        if self.spec["choices"]:
            return guess in self.spec["choices"]
        number = isinstance(guess, int | float) and not isinstance(guess, bool)
        return number and self.spec["low"] <= guess <= self.spec["high"]

    def html(self) -> str:
        """The form, over a still one with the answer folded."""
        if self.line is None:
            self.line = Line(self.hear)
        hidden = base64.b64encode(quote(json.dumps(self.answer)).encode()).decode()
        question, way = html.escape(self.spec["question"]), html.escape(self._way)
        still = (
            f"<p><strong>{question}</strong> {way}</p>"
            f"<details><summary>The answer</summary><p>{html.escape(self.said(self.answer))}</p></details>"
        )
        return alive(
            self.line.channel, still, "mountGuess", {**self.spec, "channel": self.line.channel, "answer": hidden}
        )

    @property
    def _way(self) -> str:
        return f"({' / '.join(self.spec['choices'])})" if self.spec["choices"] else f"({self.spec['label']})"

    def __repr__(self) -> str:
        return f"{self.asked}\nthe answer: {self.said(self.answer)}"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": self.html(), "text/plain": repr(self)}


def guess(
    name: str,
    question: str,
    answer: str | float,
    *,
    choices: Sequence[str] | None = None,
    low: float | None = None,
    high: float | None = None,
    step: float = 0.01,
    unit: str = "",
    drag: bool = False,
) -> GuessWidget:
    """Ask for a prediction before the answer: one of ``choices``, or a number from ``low`` to ``high``.

    name: lesson and question, as "01-penny"; the learner's record knows the question by it.
    answer: what the lesson computed, one of the choices or a number in the range.
    step: how finely a number is shown, and dragged. drag: a slider instead of a field for the number.
    Raises BntError for an answer or a range that a learner could never meet.
    """
    if not re.fullmatch(r"\d\d[a-z]?-[a-z0-9-]+", name):
        raise BntError(f"a prediction is called by lesson and question, such as '01-penny', not {name!r}")
    spec: dict[str, Any]
    if choices is not None:
        if len(set(choices)) < 2 or len(set(choices)) < len(choices):
            raise BntError(f"{name}: give two or more different choices")
        if answer not in choices:
            raise BntError(f"{name}: the answer {answer!r} is none of the choices: {', '.join(choices)}")
        spec = {"choices": list(choices), "low": None, "high": None, "step": None, "unit": "", "digits": 0, "label": ""}
        return GuessWidget({"name": name, "question": question, "drag": False, **spec}, str(answer))
    if low is None or high is None or not low < high:
        raise BntError(f"{name}: give choices, or low and high with low < high")
    if not step > 0:
        raise BntError(f"{name}: step must be above 0")
    found = float(answer)
    if not low <= found <= high:
        raise BntError(f"{name}: the answer {found:g} is not between low = {low:g} and high = {high:g}")
    digits = max(0, -int(Decimal(repr(float(step))).normalize().as_tuple().exponent))
    label = f"{unit or 'a number'} from {low:g} to {high:g}"
    spec = {"choices": None, "low": float(low), "high": float(high), "step": float(step), "unit": unit}
    return GuessWidget(
        {"name": name, "question": question, "drag": drag, **spec, "digits": digits, "label": label}, found
    )
