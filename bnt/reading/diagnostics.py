"""diagnose: can this belief propagation be trusted, and what do these attention heads do? One readable report.

For a factor graph: the spectral bound before running, the message change of every round, oscillation, fixed points
from random starts, the effect of damping, the distance to exact marginals where they are feasible, and what to run.
For weights and tokens: how many tokens each head attends to, collapsed and duplicate heads, how the stream moves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnt.checks import is_real, need
from bnt.compiler.compile import compile_graph
from bnt.compiler.model import CompiledModel
from bnt.errors import BntError, InconsistentEvidenceError, TooLargeError
from bnt.graph.beliefs import Beliefs
from bnt.graph.evidence import EvidenceLike
from bnt.graph.factor_graph import FactorGraph
from bnt.graph.pgmpy_bridge import as_graph
from bnt.inference.belief_propagation import run_bp
from bnt.inference.exact import exact_marginals
from bnt.inference.result import BPResult
from bnt.inference.spectral_bound import spectral_bound
from bnt.reading.schedules import Recommendation, recommend
from bnt.reading.trust import SETTLES, Trust, trust
from bnt.transformer.blocks import Weights
from bnt.transformer.forward import forward

Array = NDArray[np.float64]

DAMPINGS = (0.5, 0.9)  # tried where undamped belief propagation does not settle
DIFFERENT = 1e-4  # beliefs further apart than this are different fixed points
WRONG = 0.05  # an error of a fixed point that is worth a sentence
LONGEST_PERIOD = 8
BUILT = 1e-6  # effective tokens that a constructed head may be off


@dataclass(frozen=True, eq=False)
class GraphDiagnosis:
    """Belief propagation on one graph. Distances are largest differences of a probability.

    bound           spectral bound: < 1 promises convergence to one fixed point; None if a factor has zeros
    message_change  per round of the undamped run
    period          2, 3, ... if the undamped messages repeat with that period at the end; None if not
    damped          {damping: converged} of the runs tried after the undamped one did not settle
    fixed_points    beliefs of each different fixed point that the uniform and the random starts reached
    errors          distance of each of them to exact marginals, None where those are too large to compute
    log_z_error     Bethe estimate minus exact log Z at the first fixed point, None as above
    recommended     what to run: exact inference where it fits, and the schedule that a measured rule names
                    (bnt/reading/schedules.py has the rule and how often it hits)
    trusted         whose answer to trust where nothing exact fits: belief propagation's or tree-reweighted messages'
                    (bnt/reading/trust.py has the rule)
    """

    status: str
    rounds: int
    bound: float | None
    message_change: Array
    period: int | None
    damped: dict[float, bool]
    starts: int
    fixed_points: list[Beliefs]
    errors: list[float] | None
    log_z_error: float | None
    recommended: Recommendation
    trusted: Trust

    @property
    def findings(self) -> list[str]:
        """What the numbers mean, in sentences."""
        if self.status in ("exact", "prior"):
            return ["no loop is left after the evidence: the answer is exact"]
        says = []
        if self.bound is not None and self.bound < 1:
            says.append("bound < 1: one fixed point, always reached, was promised before running; not that it is right")
        if self.period:
            says.append(f"the messages repeat with period {self.period}: the last beliefs mean nothing")
        elif self.status == "not converged":
            says.append("the messages neither settle nor repeat: the last beliefs mean nothing")
        if any(self.damped.values()):
            says.append(f"damping {next(d for d, ok in self.damped.items() if ok):g} makes them settle")
        if len(self.fixed_points) > 1:
            says.append(f"{len(self.fixed_points)} different fixed points: which one is reached depends on the start")
        if self.errors and max(self.errors) > WRONG:
            says.append(f"a fixed point is wrong by {max(self.errors):.2g}: convergence is no sign of correctness")
        if self.errors is None:
            says.append("exact marginals are too large here: the error is unknown, the answer approximate")
        return says

    def __str__(self) -> str:
        bound = "not defined (a factor has a zero entry)" if self.bound is None else f"{self.bound:.3g}"
        last = self.message_change[-1] if len(self.message_change) else 0.0
        lines = [
            f"belief propagation: {self.status} after {self.rounds} rounds, last message change {last:.1e}",
            f"  spectral bound (before running): {bound}",
            f"  oscillation: {'none' if self.period is None else f'period {self.period}'}",
            f"  fixed points from {self.starts} starts: {len(self.fixed_points)}",
        ]
        if self.errors is not None:
            lines.append(
                f"  distance to exact: {', '.join(f'{error:.2g}' for error in self.errors) or 'no fixed point'}"
            )
        if self.log_z_error is not None:
            lines.append(f"  Bethe log Z - exact log Z: {self.log_z_error:+.2g}")
        lines += [
            f"  damping {damping:g}: {'converges' if ok else 'does not converge'}"
            for damping, ok in self.damped.items()
        ]
        says = [*self.findings, f"what to run: {self.recommended}"]
        if self.status not in ("exact", "prior"):
            says.append(f"whom to trust if not exact: {self.trusted}")
        return "\n".join([*lines, *(f"  -> {finding}" for finding in says)])


@dataclass(frozen=True, eq=False)
class HeadDiagnosis:
    """One head: effective number of attended tokens exp(entropy), over queries, and what that means.

    kind: "one token" (every query attends to a single token), "uniform", "collapsed" (all queries attend alike, so the
    head says the same to everyone), or "mixed".
    """

    layer: int
    sublayer: int
    head: int
    least: float
    mean: float
    most: float
    kind: str
    same_as: int | None  # an earlier head of this sublayer with the same pattern


@dataclass(frozen=True, eq=False)
class ModelDiagnosis:
    """A transformer on given tokens. stream_change[i]: largest change by layer i; period as for a graph."""

    heads: list[HeadDiagnosis]
    stream_change: Array
    period: int | None
    findings: tuple[str, ...]

    def __str__(self) -> str:
        lines = [f"{len(self.stream_change)} layers; largest change of the stream in the last: {self._last():.2g}"]
        lines += [
            f"  layer {h.layer} head {h.head}: {h.mean:.3g} effective tokens ({h.least:.3g} .. {h.most:.3g}), {h.kind}"
            + (f", same as head {h.same_as}" if h.same_as is not None else "")
            for h in self.heads[:40]
        ]
        if len(self.heads) > 40:
            lines.append(f"  ... and {len(self.heads) - 40} more heads")
        return "\n".join([*lines, *(f"  -> {finding}" for finding in self.findings)])

    def _last(self) -> float:
        return float(self.stream_change[-1]) if len(self.stream_change) else 0.0


def diagnose(
    subject: Any,
    tokens: Array | None = None,
    *,
    evidence: EvidenceLike = None,
    rounds: int = 300,
    starts: int = 8,
    seed: int = 0,
    tolerance: float = BUILT,
) -> GraphDiagnosis | ModelDiagnosis:
    """Diagnose belief propagation on a graph (FactorGraph or pgmpy model), or a transformer (Weights with tokens, or a
    CompiledModel).

    starts: random starting messages tried besides the uniform one. rounds: how far messages that do not settle are
    followed, to see whether they repeat. tolerance: how far from ideal, in effective tokens, a head may be and still be
    called "one token" or "uniform"; the default suits constructed weights, 0.5 trained ones (read_heads says more).

    Time on a graph: one run of at most 1,000 rounds of flooding; where it does not settle, ``rounds`` more with their
    history and 1,000 for each of two dampings; 1,000 from each random start, where a message takes some thirty times as
    long; exact marginals within the default memory limit, about a second of work; and at most 10 s for each of five
    schedules. So a graph that settles nowhere takes as long as some 250,000 rounds of flooding, and a minute more;
    ``starts=0`` leaves most of it out. Ctrl-C stops it after the round it is in. A transformer takes one dense pass.

    Raises BntError: weights without tokens; tokens with a graph; tokens or evidence with a compiled model, which has
    its own; a tolerance that is not above 0; errors of run_bp and forward.
    """
    if not isinstance(subject, Weights | CompiledModel | FactorGraph):
        subject = as_graph(subject)  # of a pgmpy model; raises ModelError for anything else
    if not isinstance(subject, FactorGraph) and evidence is not None:
        raise BntError("evidence belongs to a graph; give it to compile_graph, and diagnose the compiled model")
    if isinstance(subject, FactorGraph):
        if tokens is not None:
            raise BntError("a graph is diagnosed without tokens; give tokens with weights")
        return diagnose_graph(subject, evidence, rounds, starts, seed)
    if isinstance(subject, CompiledModel):
        if tokens is not None:
            raise BntError("a compiled model has its own tokens; diagnose other tokens with its weights")
        return diagnose_model(subject.weights, subject.tokens, tolerance)
    if tokens is None:
        raise BntError("weights are diagnosed on tokens: diagnose(weights, tokens)")
    return diagnose_model(subject, tokens, tolerance)


def diagnose_graph(graph: FactorGraph, evidence: EvidenceLike, rounds: int, starts: int, seed: int) -> GraphDiagnosis:
    """See ``diagnose``."""
    bound = spectral_bound(graph, evidence)
    bp = run_bp(graph, evidence, schedule="flooding")
    if not bp.converged:
        bp = run_bp(graph, evidence, rounds=rounds, keep_history=True)
    period = None if bp.converged else repetition([np.concatenate(list(m.values())) for m in bp.history])
    tried = () if bp.converged else DAMPINGS
    damped = {d: run_bp(graph, evidence, schedule="flooding", damping=d, tolerance=1e-8).converged for d in tried}
    settled = next((d for d, ok in damped.items() if ok), 0.0)
    ends = [bp] if bp.converged else [run_bp(graph, evidence, schedule="flooding", damping=settled)] if settled else []
    found: list[Beliefs] = []
    rng = np.random.default_rng(seed)
    more = [] if bp.status in ("exact", "prior") else [random_start(bp, rng, settled, evidence) for _ in range(starts)]
    for beliefs in [*(end.beliefs for end in ends), *(one for one in more if one is not None)]:
        if all(beliefs.distance(other) > DIFFERENT for other in found):
            found.append(beliefs)
    errors, log_z_error = None, None
    try:
        exact = exact_marginals(graph, evidence)
    except TooLargeError:
        pass
    else:
        errors = [beliefs.distance(exact.beliefs) for beliefs in found]
        estimate = ends[0].log_z_bethe if ends else None
        log_z_error = None if estimate is None else estimate - exact.log_z
    recommended = recommend(graph, evidence, exact=errors is not None)
    return GraphDiagnosis(
        bp.status,
        bp.rounds,
        bound,
        bp.message_change,
        period,
        damped,
        1 + len(more),
        found,
        errors,
        log_z_error,
        recommended,
        trust(graph, evidence, bound=bound, settles=bp.converged or damped[SETTLES[0]]),
    )


def random_start(
    bp: BPResult, rng: np.random.Generator, damping: float, evidence: EvidenceLike = None
) -> Beliefs | None:
    """Beliefs that flooding reaches from random messages, on bp's graph and evidence; None if it does not settle."""
    start = {key: rng.normal(0.0, 2.0, len(message)) for key, message in bp.messages.items()}
    try:
        end = run_bp(bp.graph, evidence, damping=damping, tolerance=1e-9, start=start)
    except InconsistentEvidenceError:
        return None
    return end.beliefs if end.converged else None


def repetition(states: list[Array], tolerance: float = 1e-6) -> int | None:
    """The shortest period 2 .. LONGEST_PERIOD with which the last states repeat, or None (also for a standstill)."""
    if len(states) < 2 * LONGEST_PERIOD + 1 or _gap(states[-1], states[-2]) <= tolerance:
        return None
    for period in range(2, LONGEST_PERIOD + 1):
        if all(_gap(states[-1 - i], states[-1 - i - period]) <= tolerance for i in range(period)):
            return period
    return None


def _gap(one: Array, other: Array) -> float:
    """Largest difference, infinities that agree counting as none."""
    with np.errstate(invalid="ignore"):
        return float(np.max(np.where(one == other, 0.0, np.abs(one - other)), initial=0.0))


def diagnose_model(weights: Weights, tokens: Array, tolerance: float = BUILT) -> ModelDiagnosis:
    """See ``diagnose``."""
    need(is_real(tolerance) and tolerance > 0, f"tolerance must be a number above 0, not {tolerance!r}")
    trace = forward(tokens, weights, attention="dense")
    heads: list[HeadDiagnosis] = []
    for i, sublayers in enumerate(trace.attention):
        for s, patterns in enumerate(sublayers):
            for h, pattern in enumerate(patterns if patterns is not None else []):
                assert patterns is not None
                same = next((g for g in range(h) if np.abs(patterns[g] - pattern).max() < 1e-6), None)
                counts = effective_tokens(pattern)
                kind = _kind(pattern, counts, tolerance)
                heads.append(HeadDiagnosis(i, s, h, counts.min(), counts.mean(), counts.max(), kind, same))
    change = np.array([np.abs(trace.after_layer(i + 1) - trace.after_layer(i)).max() for i in range(trace.layers)])
    scale = float(np.abs(tokens).max(initial=1.0))
    period = repetition(trace.streams, 1e-9 * scale)
    findings = [f"the stream repeats with period {period}"] if period else []
    for word, meaning in (
        ("collapsed", "all queries attend alike, so the head tells every token the same"),
        ("uniform", "it averages over all tokens"),
    ):
        which = [f"layer {head.layer} head {head.head}" for head in heads if head.kind == word]
        if which:
            more = f" and {len(which) - 5} more" if len(which) > 5 else ""
            findings.append(f"{', '.join(which[:5])}{more}: {word}; {meaning}")
    twins = [head for head in heads if head.same_as is not None]
    if twins:
        findings.append(f"{len(twins)} heads repeat the pattern of another head of their layer")
    if len(change) and change[-1] == 0:
        findings.append("the last layer changes nothing: the computation had finished")
    return ModelDiagnosis(heads, change, period, tuple(findings))


def effective_tokens(pattern: Array) -> Array:
    """exp(entropy) of every row of attention weights (n, n): 1 = one token, n = all alike. Shape (n,)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = -np.where(pattern > 0, pattern * np.log(pattern), 0.0).sum(axis=-1)
    return np.exp(entropy)


def _kind(pattern: Array, counts: Array, tolerance: float) -> str:
    n = len(pattern)
    if n > 1 and counts.min() > n - tolerance:
        return "uniform"
    if n > 1 and np.abs(pattern - pattern[0]).max() < 1e-3:
        return "collapsed"
    return "one token" if counts.max() < 1 + tolerance else "mixed"


def belief_changes(graph: FactorGraph, name: str, rounds: int) -> Array:
    """(n, rounds + 1): change of every belief after layer 1, 2, ... of the compiled graph, when evidence on ``name``,
    a binary variable, changes from none to nine to one.

    The evidence is soft, so both models have the same tokens but for one number.
    """
    runs = []
    for likelihood in ([0.5, 0.5], [0.1, 0.9]):
        model = compile_graph(graph, {name: likelihood}, rounds=rounds)
        trace = forward(model.tokens, model.weights, keep="layers")
        runs.append([model.beliefs(trace, layer).flat[1::2] for layer in range(1, rounds + 2)])
    return np.abs(np.array(runs[0]) - np.array(runs[1])).T
