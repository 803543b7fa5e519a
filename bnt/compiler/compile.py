"""compile_graph: a factor graph with evidence becomes a transformer, one layer per round of belief propagation."""

from __future__ import annotations

from typing import Any, Literal

from bnt.checks import check_limit
from bnt.compiler.general import compile_general, has_zeros
from bnt.compiler.junction_tree import compile_junction_tree
from bnt.compiler.mean_field import compile_mean_field
from bnt.compiler.model import CompiledModel
from bnt.compiler.pairwise import compile_pairwise, pairwise_obstacle
from bnt.compiler.rotary_grid import compile_rotary
from bnt.compiler.tree_reweighted import compile_tree_reweighted
from bnt.errors import BntError, TooLargeError
from bnt.graph.evidence import EvidenceLike, Reduced, ReducedLeaves, absorb
from bnt.graph.factor_graph import FactorGraph
from bnt.graph.flat import Flat, flatten
from bnt.graph.leaves import has_leaves, hidden_leaves
from bnt.graph.pgmpy_bridge import as_graph
from bnt.inference.belief_propagation import check_support, run_bp
from bnt.inference.digits import LARGE, absorb_levelled, largest_log
from bnt.kernels.options import checked_options
from bnt.transformer.blocks import Weights

FORWARD_LIMIT = 2 * 2**30  # bytes of a forward pass; MEMORY_LIMIT of checks.py is for tables of inference
LOOPY_ROUNDS = 30  # where rounds=None and the graph has loops: belief propagation has no last round there

CONSTRUCTIONS = {
    "pairwise": compile_pairwise,
    "general": compile_general,
    "junction-tree": compile_junction_tree,
    "tree-reweighted": compile_tree_reweighted,
    "mean-field": compile_mean_field,
    "rotary": compile_rotary,
}
Construction = Literal["auto", "pairwise", "general", "junction-tree", "tree-reweighted", "mean-field", "rotary"]


def compile_graph(
    graph: FactorGraph,
    evidence: EvidenceLike = None,
    *,
    rounds: int | None = None,
    construction: Construction = "auto",
    mode: Literal["sum", "max"] = "sum",
    damping: float = 0.0,
    memory_limit: int = FORWARD_LIMIT,
) -> CompiledModel:
    """Weights and tokens of a transformer that computes, layer by layer, what ``run_bp`` computes round by round.

    rounds: rounds of flooding belief propagation; the model has one layer more. None takes as many as make it exact, on
    a forest or in a junction tree; LOOPY_ROUNDS where none do: with loops, and always for "mean-field". construction:
    "auto" takes pairwise where it applies, else general; "tree-reweighted" and "mean-field" compute the rounds of
    ``run_trw`` and of ``run_mean_field`` instead; "rotary" takes homogeneous grids. A factor given by leaves
    (``LeafFactor``) becomes one token per leaf in the general construction; no table is made. damping in [0, 1) mixes
    log messages. memory_limit: bytes that a forward pass may need.
    Raises BntError for an unknown option; UnsupportedModelError naming what a construction does not cover, or where
    huge potentials cancel; TooLargeError over ``memory_limit``; InconsistentEvidenceError where no joint state is
    possible (``support`` is "unchecked" where the search gave up).
    """
    _check_options(construction, memory_limit)
    options = checked_options(mode, damping, rounds)
    graph = as_graph(graph)
    if largest_log(graph) > LARGE:
        plain = hidden_leaves(graph) if has_leaves(graph) else graph
        run_bp(plain, evidence, mode=mode, rounds=1)  # raises where huge potentials cancel
    reduced = absorb_levelled(graph, evidence)
    if construction == "auto":
        construction = "general" if pairwise_obstacle(reduced) else "pairwise"
    by_leaves = construction == "general" and any(isinstance(factor, ReducedLeaves) for factor in reduced.factors)
    flat = flatten(reduced, tables=not by_leaves)  # full tables may be too large to write out
    parts = CONSTRUCTIONS[construction](reduced, flat, mode, damping, memory_limit)
    enough = parts.exact_after
    if enough is None and (parts.on_forests or not len(flat.factor_index)):
        enough = exact_rounds(flat)
    support = (
        support_of_leaves(reduced, options.trials)
        if by_leaves
        else check_support(reduced, flat, flat.field, finished_forest=False, trials=options.trials)
    )
    rounds = (LOOPY_ROUNDS if enough is None else enough) if rounds is None else int(rounds)
    if 8 * rounds > memory_limit:
        raise TooLargeError(
            f"{rounds} rounds: a list of as many layers alone needs {8 * rounds / 2**30:.2f} GiB; "
            f"the limit is {memory_limit / 2**30:.2f} GiB (memory_limit raises it)"
        )
    return CompiledModel(
        weights=Weights((parts.layer,) * (rounds + 1)),
        tokens=parts.tokens,
        layout=parts.layout,
        readout=parts.readout,
        note=parts.note,
        exact_after=enough if damping == 0.0 else None,
        support=support,
        construction=construction,
        reduced=reduced,
        flat=flat,
        rounds=rounds,
        mode=mode,
        damping=damping,
        evidence=dict(evidence or {}),
    )


def support_of_leaves(reduced: Reduced, trials: int) -> str:
    """``check_support`` without the tables of leaves: on the graph with hidden variables in their place."""
    if not any(has_zeros(factor) for factor in reduced.factors):
        return "checked"
    hidden = absorb(hidden_leaves(reduced.graph), reduced.evidence)
    flat = flatten(hidden)
    return check_support(hidden, flat, flat.field, finished_forest=False, trials=trials)


def exact_rounds(flat: Flat) -> int | None:
    """Rounds after which every belief of a forest is exact; None if there is a loop."""
    from bnt.kernels import equations as kernels

    _, depth = kernels.rounds_needed(flat)
    return int(depth.max(initial=0)) if (depth >= 0).all() else None


def _check_options(construction: str, memory_limit: Any) -> None:
    valid = ["auto", *CONSTRUCTIONS]
    if construction not in valid:
        raise BntError(f"unknown construction {construction!r}; valid: {', '.join(valid)}")
    check_limit(memory_limit)
