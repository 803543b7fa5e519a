"""Controls for evidence: the facts of a knowledge base; two witnesses of whom one may repeat the other; AND and OR."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bnt.figures import charts, knowledge
from bnt.figures.picture import Picture, number
from bnt.knowledge.explanations import explain
from bnt.knowledge.grounding import Grounding
from bnt.knowledge.noisy_gates import STATES
from bnt.odds import decibans, logit, two_witnesses, update_belief
from bnt.widgets.explorer import NOTHING, Explorer, buttons, dial

# --- explanations -----------------------------------------------------------------------------------------------------

VIEWS = ("evidence", "messages")


def explanation_explorer(
    ground: Grounding, queries: Sequence[str], facts: Sequence[str], start: Mapping[str, bool] | None = None
) -> Explorer:
    """Buttons: which of ``queries`` is asked, what is known of each fact, and the picture: evidence or messages.

    start: what is known at first; it must be about ``facts``.
    """
    controls = {"ask": buttons("ask", queries), "show": buttons("show", VIEWS)}
    for fact in facts:
        controls[fact] = buttons(fact, (NOTHING, *STATES))
        if fact in (start or {}):
            controls[fact].value = STATES[(start or {})[fact]]

    def draw(ask: str, show: str, **chosen: str) -> Picture:
        return explanation_picture(ground, ask, {fact: v for fact, v in chosen.items() if v != NOTHING}, show)

    return Explorer(draw, controls)


def explanation_picture(ground: Grounding, query: str, evidence: Mapping[str, Any], show: str = VIEWS[0]) -> Picture:
    """The explanation of P(query | evidence) as weights of evidence, or (``show="messages"``) as messages.

    Raises as ``explain``.
    """
    explanation = explain(ground, query, evidence)
    if show == VIEWS[1]:
        return knowledge.explanation_messages(ground, explanation)
    return knowledge.weights_of_evidence(explanation)


# --- evidence that adds -----------------------------------------------------------------------------------------------

GRID = np.linspace(0.0, 1.0, 101)


def witness_explorer() -> Explorer:
    """Two witnesses say yes. How sure are we, and how sure does adding make us, if the second may copy the first?"""
    controls = {
        "prior": dial("prior", 0.05, 0.95, 0.05, 0.2),
        "reliability": dial("reliability", 0.05, 0.95, 0.05, 0.9),
        "copying": dial("copying", 0.0, 1.0, 0.1, 0.0),
    }
    return Explorer(witness_picture, controls)


def witness_picture(prior: float, reliability: float, copying: float) -> Picture:
    """The prior and both weights added, beside the true posterior of ``two_witnesses``."""
    weight = decibans(logit(reliability))
    steps = {"prior": decibans(logit(prior)), "first says yes": weight, "second says yes": weight}
    truth = two_witnesses(prior, reliability, copying)
    right = "is right" if abs(sum(steps.values()) - decibans(logit(truth))) < 0.05 else "is wrong"
    title = f"the second repeats the first with probability {copying:.1f}: adding {right}"
    return charts.ruler(steps, truth=decibans(logit(truth)), title=title)


def between_explorer() -> Explorer:
    """updateBelief between AND and OR, for a belief q chosen by a slider."""
    return Explorer(between_picture, {"q": dial("second belief q", 0.05, 0.95, 0.05, 0.4)})


def between_picture(q: float) -> Picture:
    """P(A and B), P(A | A = B) and P(A or B) for independent A, B against p = P(A), at q = P(B)."""
    lines = {"A and B": GRID * q, "A given A = B": update_belief(GRID, q), "A or B": GRID + q - GRID * q}
    at = number(update_belief(0.8, q))
    title = f"q = {q:.2f}; at p = 0.8: {number(0.8 * q)} < {at} < {number(0.8 + q - 0.8 * q)}"
    return charts.curves(GRID, lines, xlabel="p", ylabel="probability", title=title)
