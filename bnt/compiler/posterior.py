"""The same question put to a compiled transformer: its answer, held against what it computes."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from typing import get_args

import numpy as np
from numpy.typing import ArrayLike

from bnt.checks import in_order
from bnt.compiler.compile import Construction, compile_graph
from bnt.compiler.model import reference
from bnt.errors import TooLargeError, UnsupportedModelError
from bnt.graph.beliefs import Beliefs
from bnt.graph.evidence import EvidenceLike, parse_evidence
from bnt.graph.factor_graph import Array, FactorGraph
from bnt.graph.networks import noisy_image
from bnt.graph.pgmpy_bridge import as_graph
from bnt.inference.exact import exact_marginals
from bnt.inference.posterior import Asked, Mode, Posterior, by_propagation, exact_status
from bnt.transformer.forward import forward

AGREEMENT = 1e-9  # largest difference, in probability, between a transformer and what it computes
ASKED_AS: dict[Construction, str] = {  # in a record, so that the same construction is asked again
    **{construction: f"{construction} transformer" for construction in get_args(Construction)},
    "auto": "transformer",
    "junction-tree": "junction-tree",
}
MOST_ROUNDS = 100  # of a transformer whose belief propagation keeps changing


class DisagreementError(UnsupportedModelError):
    """A transformer's floored logarithm shows in its answer."""


def transformer_posterior(
    graph: FactorGraph,
    evidence: EvidenceLike = None,
    query: Iterable[str] | None = None,
    *,
    mode: Mode = "sum",
    construction: Construction = "auto",
) -> Posterior:
    """The question of ``bnt.posterior``, answered by the compiled transformer of this graph and evidence.

    As many rounds as belief propagation needs, at most MOST_ROUNDS, one layer each and one to begin; its status is that
    of belief propagation after as many rounds. construction "junction-tree": exact on loops, too. Raises as
    ``compile_graph``, and DisagreementError where the answer is off by more than AGREEMENT.
    """
    graph = as_graph(graph)
    asked = tuple(graph.index) if query is None else tuple(dict.fromkeys(in_order("query", query, "variable names")))
    for one in asked:
        graph.position(one)
    name = ASKED_AS.get(construction, "transformer")  # compile_graph refuses what is none
    question = Asked(graph, parse_evidence(graph, evidence), name, whole=query is None)
    if construction == "junction-tree":
        model = compile_graph(graph, evidence, construction=construction, mode=mode)
        beliefs = model.beliefs(forward(model.tokens, model.weights, keep="last"))
        with suppress(TooLargeError):
            _agree(beliefs, exact_marginals(graph, evidence).beliefs, model.construction)
        worth = partial(exact_status, graph, question.evidence, mode)
        return Posterior(asked, beliefs, _called(model.construction), mode, worth, None, model.rounds, asked=question)
    bp = reference(construction, graph, evidence, mode)
    rounds = min(bp.rounds, MOST_ROUNDS)
    model = compile_graph(graph, evidence, construction=construction, mode=mode, rounds=rounds)
    beliefs = model.beliefs(forward(model.tokens, model.weights, keep="last"))
    if rounds < bp.rounds:
        bp = model.reference(keep_history=False)
    _agree(beliefs, bp.beliefs, model.construction)
    same = by_propagation(bp, asked)
    best = _unique_best(beliefs) if mode == "max" else None
    return Posterior(
        asked,
        beliefs,
        _called(model.construction),
        mode,
        same.worth,
        bp.converged,
        rounds,
        None,
        best,
        None,
        bp.support,
        question,
    )


def image_beliefs(seen: ArrayLike, coupling: float, noise: float, rounds: int) -> Array:
    """P(ink) of every pixel after each round, (rounds + 1, height, width), from the stream of the rotary construction.

    The graph and what it raises: ``networks.noisy_image``.
    """
    model = compile_graph(noisy_image(seen, coupling, noise), construction="rotary", rounds=rounds)
    trace = forward(model.tokens, model.weights, keep="layers")
    layers = range(1, rounds + 2)  # layer r + 1 reads what round r has sent
    return np.array([model.beliefs(trace, layer).flat[1::2].reshape(np.shape(seen)) for layer in layers])


def _called(construction: str) -> str:
    return f"transformer, {construction} construction"


def _agree(beliefs: Beliefs, reference: Beliefs, construction: str) -> None:
    difference = beliefs.distance(reference)
    if not difference <= AGREEMENT:
        raise DisagreementError(
            f"{_called(construction)}: off by {difference:.2g}, "
            "beyond its floored logarithm; use method 'bp' or 'exact'"
        )


def _unique_best(beliefs: Beliefs) -> dict[str, str] | None:
    """The best state of every variable by its max-marginals: an assignment, if no variable has two best states."""
    best = {}
    for name in beliefs:
        ranked = sorted(beliefs[name].items(), key=lambda pair: -pair[1])
        if len(ranked) > 1 and ranked[0][1] - ranked[1][1] <= AGREEMENT:
            return None
        best[name] = ranked[0][0]
    return best
