"""What takes minutes is tried on a part of the course by default, and on all of it with BNT_EVERY set."""

import os
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")
EVERY = "BNT_EVERY" in os.environ


def some(items: Sequence[T], step: int, first: int = 0) -> Sequence[T]:
    """One in ``step``, always the same ones; each caller begins elsewhere, so that together they meet every lesson."""
    return items if EVERY else items[first::step]
