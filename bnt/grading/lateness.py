"""Deadlines: who is late, by how much, and what that costs. ``--late "10%/day, max 3, then 0"``."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime

from bnt.errors import FormatError
from bnt.grading.submissions import Submission

RULE = re.compile(
    r"\s*(?P<amount>\d+(\.\d+)?)\s*(?P<unit>%|points?)\s*(/|per)\s*(?P<per>day|hour)s?"
    r"(\s*,\s*max\.?\s*(?P<most>\d+)(\s*(days?|hours?))?)?(?P<zero>\s*,\s*then\s+0)?\s*",
    re.IGNORECASE,
)
SECONDS = {"day": 86400, "hour": 3600}


@dataclass(frozen=True)
class LateRule:
    """``amount`` percent of what was earned, or points, for each day or hour begun; counted at most ``most`` times."""

    amount: float
    percent: bool
    per: str
    most: int | None = None
    zero: bool = False  # beyond ``most`` nothing counts

    @classmethod
    def read(cls, text: str) -> LateRule:
        """FormatError if the rule cannot be understood."""
        found = RULE.fullmatch(text)
        if not found or (found["zero"] and not found["most"]):
            raise FormatError(
                f"--late {text!r} is no rule: write it like '10%/day, max 3' (never more than 30 % off) "
                "or '10%/day, max 3, then 0' (nothing counts after three days)"
            )
        most = int(found["most"]) if found["most"] else None
        return cls(float(found["amount"]), found["unit"] == "%", found["per"].lower(), most, bool(found["zero"]))

    def taken(self, seconds: float, score: float) -> float:
        """Points that are taken from ``score`` of somebody who is late by ``seconds``."""
        units = max(0, math.ceil(seconds / SECONDS[self.per] - 1e-9))
        if self.most is not None and units > self.most:
            if self.zero:
                return score
            units = self.most
        taken = units * self.amount * (score / 100 if self.percent else 1)
        return min(score, round(taken, 6))


def late_by(one: Submission, deadline: float | None) -> tuple[float, str]:
    """Seconds late (0: in time) and the sentence that says so. The platform's own mark decides where there is one."""
    extension = one.person.extension if one.person else 0.0
    due = deadline + 86400 * extension if deadline is not None else None
    more = f", {extension:g} days of extension included" if extension else ""
    if one.late is False or not one.name or (one.late is None and due is None):
        return 0.0, ""
    if due is not None and one.when > due:
        return one.when - due, f"late: handed in {moment(one.when)}, due {moment(due)}{more}"
    if one.late and not extension:
        return 1.0, f"late: {one.layout} marks it as late"
    return 0.0, ""


def moment(seconds: float) -> str:
    """Local date and time to the minute."""
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M")
