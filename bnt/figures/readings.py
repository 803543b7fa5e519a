"""Pictures of what was read or designed: one head on one text as squares; constructions and what each costs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from bnt.checks import need, real_array
from bnt.figures.picture import BLUE, GREY, INK, PALE, VERMILION, Picture, chart, number

if TYPE_CHECKING:
    from bnt.designs.specification import Alternative

SEEN = 0.03  # weights below are not drawn: a square of less than a pixel or two
SIDES = 16  # sizes of squares: few, so that many pictures share them


def head_squares(weights: ArrayLike, tokens: Sequence[str], *, title: str = "") -> Picture:
    """Attention (n, n) of one head on one text: a square where the token of the row reads that of the column, its area
    the weight (a Hinton diagram). Weights below SEEN are left out; on the thin line a token reads itself."""
    table = real_array("attention weights", weights)
    n = len(tokens)
    need(table.shape == (n, n), f"attention weights must have shape ({n}, {n}), as there are {n} tokens")
    figure, (axes,) = chart(1.5 + 0.25 * n, 1.4 + 0.23 * n)
    rows, columns = np.nonzero(table >= SEEN)
    axes.plot([-0.5, n - 0.5], [-0.5, n - 0.5], color=PALE, lw=1, zorder=0)
    side = np.ceil(SIDES * np.sqrt(np.minimum(table[rows, columns], 1.0)) - 1e-9) / SIDES
    axes.scatter(columns, rows, s=190 * side**2, marker="s", color=BLUE, lw=0, zorder=2)
    axes.set(xlim=(-0.7, n - 0.3), ylim=(n - 0.3, -0.7), ylabel="the token that reads")
    axes.set_xticks(range(n), list(tokens), rotation=90)
    axes.set_yticks(range(n), list(tokens))
    axes.tick_params(length=0, labelsize=9)
    axes.spines[:].set_visible(False)
    axes.grid(color=PALE, lw=0.4, zorder=0)
    axes.set_axisbelow(True)
    axes.set_title(title, loc="left", fontsize=11)
    best = [np.argsort(-row, kind="stable")[:3] for row in table]
    lines = [
        (token, ", ".join(f"{tokens[j]} {number(row[j], 2)}" for j in most if row[j] >= SEEN))
        for token, row, most in zip(tokens, table, best, strict=True)
    ]
    alt = f"{title or 'One head'}: which of {n} tokens each of them reads."
    return Picture(figure, alt, ("token", "reads most, with attention weight"), lines)


def construction_costs(alternatives: Iterable[Alternative], *, title: str = "") -> Picture:
    """Constructions of ``Design.alternatives`` and their multiply-adds: filled bars meet the specification, the first
    is chosen; hollow ones do not. The reason stands beside each bar."""
    found = list(alternatives)
    figure, (axes,) = chart(7.4, 1.0 + 0.52 * len(found))
    costs = [one.size.multiply_adds if one.size else None for one in found]
    known = [cost for cost in costs if cost]
    low, high = (min(known) / 3, max(known) * 2) if known else (1.0, 10.0)
    rows = []
    for row, (one, cost) in enumerate(zip(found, costs, strict=True)):
        colour = (VERMILION if row == 0 else BLUE) if one.meets else GREY
        if cost:
            face = colour if one.meets else "none"
            axes.barh(row, cost - low, left=low, height=0.42, color=face, ec=colour, lw=1.3)
        said = ("chosen: " if one.meets and row == 0 else "") + one.why
        axes.text(low, row + 0.34, _clipped(said), fontsize=8.5, color=INK, va="top")
        layers = one.size.layers if one.size else "-"
        error = "-" if one.error is None else "at most 1e-9" if one.error <= 1e-9 else f"{one.error:.1e}"
        rows.append(
            (one.construction, "yes" if one.meets else "no", layers, f"{cost:,}" if cost else "-", error, one.why)
        )
    axes.set(xscale="log", xlim=(low, high), ylim=(len(found) - 0.3, -0.5), xlabel="multiply-adds")
    axes.set_yticks(range(len(found)), [one.construction for one in found])
    axes.tick_params(axis="y", length=0)
    axes.set_title(title, loc="left", fontsize=11)
    chosen = found[0].construction if found and found[0].meets else "none"
    met = sum(one.meets for one in found)
    alt = f"{title or 'Constructions'}: {met} of {len(found)} meet the specification; chosen: {chosen}."
    return Picture(figure, alt, ("construction", "meets", "layers", "multiply-adds", "error", "why"), rows)


def _clipped(text: str, most: int = 88) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
