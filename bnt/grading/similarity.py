"""Which answers look alike: a hint where to look, and no proof of anything.

Answers are cut into tokens; names, numbers and texts count as one kind each, comments not at all. Runs of tokens that
the exercise gives out, or that many in the class share, say nothing. What is left is compared pair by pair (Jaccard
index of runs of ``RUN`` tokens).
"""

from __future__ import annotations

import io
import keyword
import tokenize
from collections import Counter
from itertools import combinations
from typing import NamedTuple

RUN = 6  # tokens
FEWEST = 12  # runs that both answers to one question must have before they are compared
COMMON = 0.1  # a run that more than this share of the class writes is no sign
THRESHOLD = 0.7

Runs = frozenset[tuple[str, ...]]


class Pair(NamedTuple):
    """Two learners, the cells that look alike, and how much the most alike of them does (0 to 1)."""

    first: str
    second: str
    cells: tuple[str, ...]
    most: float


def runs_of(text: str) -> Runs:
    """Every run of ``RUN`` tokens, names and values made alike; of what cannot be read, those before the error."""
    kinds: list[str] = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.NAME:
                kinds.append(token.string if keyword.iskeyword(token.string) else "name")
            elif token.type in (tokenize.NUMBER, tokenize.STRING):
                kinds.append(tokenize.tok_name[token.type])
            elif token.type == tokenize.OP:
                kinds.append(token.string)
    except (tokenize.TokenError, SyntaxError):
        pass
    return frozenset(tuple(kinds[i : i + RUN]) for i in range(len(kinds) - RUN + 1))


def similar(answers: dict[str, dict[str, str]], blank: dict[str, str], threshold: float = THRESHOLD) -> list[Pair]:
    """Pairs above the threshold, most alike first. ``answers`` is learner -> cell -> text."""
    found: dict[tuple[str, str], list[tuple[float, str]]] = {}
    most = max(2, int(COMMON * len(answers)))
    for cell, given in blank.items():
        runs = {who: runs_of(texts[cell]) - runs_of(given) for who, texts in sorted(answers.items()) if cell in texts}
        count = Counter(run for own in runs.values() for run in own)
        rare = {who: {run for run in own if count[run] <= most} for who, own in runs.items()}
        together: Counter[tuple[str, str]] = Counter()
        for run, number in count.items():
            if 1 < number <= most:
                together.update(combinations([who for who in rare if run in rare[who]], 2))
        for (first, second), shared in together.items():
            either = len(rare[first] | rare[second])
            if shared >= FEWEST and shared / either >= threshold:
                found.setdefault((first, second), []).append((shared / either, cell))
    pairs = [Pair(*who, tuple(cell for _, cell in cells), max(cells)[0]) for who, cells in found.items()]
    return sorted(pairs, key=lambda pair: (-len(pair.cells), -pair.most, pair.first, pair.second))
