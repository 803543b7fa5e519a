"""Belief propagation on a factor graph: ``run_bp``.

One flooding round, with local field phi and factor psi (arity-1 factors and soft evidence are part of the field):

    nu_{v->f}(x) = phi_v(x) prod_{g != f} mu_{g->v}(x)
    mu_{f->v}(x) = sum_{x_f: x_v = x} psi_f(x_f) prod_{u != v} nu_{u->f}(x_u)
    belief_v(x)  = phi_v(x) prod_f mu_{f->v}(x)          (all normalised; max replaces sum in max mode)

Exact on forests after as many rounds as the eccentricity in factor hops, or two sweeps; an approximation with loops.
"""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Mapping
from functools import cache, partial
from types import ModuleType
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from bnt.checks import is_real
from bnt.errors import BntError, InconsistentEvidenceError
from bnt.graph.evidence import Evidence, EvidenceLike, Reduced, absorb, describe, parse_evidence
from bnt.graph.factor_graph import Array, FactorGraph
from bnt.graph.flat import Flat, base_flat, evidence_arrays, flatten, is_binary_pairwise
from bnt.graph.pgmpy_bridge import as_graph
from bnt.inference.digits import LARGE, check_digits, largest_log, levelled
from bnt.inference.result import BPResult, message_keys
from bnt.kernels.options import (
    AUTO,
    CHANGE,
    ENOUGH,
    FLOODING,
    IN_PLACE,
    MIXED_RULE,
    RESIDUAL,
    ROUND,
    SEQUENTIAL,
    STOP,
    Options,
    checked_options,
)

Mode = Literal["sum", "max"]
Schedule = Literal["auto", "flooding", "in-place", "sequential", "residual"]
Precision = Literal["float64", "mixed"]
Start = Mapping[tuple[int, str], ArrayLike]  # a log message by (factor index, variable name)
SLOWER = 30  # times that a residual update, or one in logarithms, takes longer than one of flooding
WINDOW = 40  # looks over which a message change that settles should fall


def run_bp(
    graph: FactorGraph,
    evidence: EvidenceLike = None,
    *,
    mode: Mode = "sum",
    schedule: Schedule = "auto",
    damping: float = 0.0,
    rounds: int | None = None,
    tolerance: float = 1e-10,
    keep_history: bool = False,
    start: Start | None = None,
    seconds: float | None = None,
    precision: Precision = "float64",
) -> BPResult:
    """Run sum- or max-product belief propagation on a FactorGraph or a pgmpy model.

    schedule:

    * "auto": a forest in two sweeps, towards the roots and back, whatever its size; with loops, or damped, "in-place"
      where every factor joins two binary variables without zeros, else "flooding". Flooding too where ``rounds``,
      ``keep_history`` or ``start`` is given: then the rounds are meant.
    * "flooding": all messages at once, each from those of the round before.
    * "in-place": blocks of factors in turn, each from the newest beliefs (block Gauss-Seidel).
    * "sequential": one factor after the other, forwards and backwards in turn.
    * "residual": one message after the other, of those that would change most: all changes of the same power of two as
      the largest count alike, and of these the one computed last is taken. One round is as many updates as there are
      messages; its message change is the largest one left over.

    damping d in [0, 1): a message becomes (1-d) new + d old, in logarithms. rounds: exactly that many; None runs to the
    end of a forest, otherwise until the message change (largest difference in probability) is at most ``tolerance``.
    start: messages of round 0, finite logarithms in any scale, named as in ``BPResult.messages``; uniform by default.
    seconds: end after the round in which so much time is up, or amid the two sweeps of a forest, with a warning and the
    status "not converged"; runs of less than a tenth of a second are not watched. Ctrl-C, or a notebook's stop button,
    ends a run after the round it is in.
    precision: "mixed" for large graphs, where every factor joins two binary variables without zeros: rounds in float32
    until its rounding is most of what changes, then float64 to the same ``tolerance``. ``BPResult.single_rounds`` says
    how many rounds those were; none on forests, and where factors are others or stronger than float32 holds (log odds
    of 41 at a variable). It runs until the messages settle: no rounds, keep_history, start, or schedule "residual".
    Raises InconsistentEvidenceError for evidence of probability zero, where belief propagation or a bounded search sees
    it; ``result.support`` says "unchecked" where the search gave up; UnsupportedModelError where huge potentials cancel
    beyond the digits of a float64. BntError names an option that is wrong.
    """
    if start is not None and schedule == "auto":
        schedule = "flooding"
    options = checked_options(mode, damping, rounds, tolerance, keep_history, schedule, precision)
    if options.mixed and start is not None:
        raise BntError(MIXED_RULE)
    if seconds is not None and (not is_real(seconds) or not seconds > 0.0):
        raise BntError(f"seconds must be above 0, or None for no limit, not {seconds!r}")
    graph = as_graph(graph)
    known = parse_evidence(graph, evidence)
    if largest_log(graph) <= LARGE:
        return _run(graph, known, options, start, seconds)
    level, shift = levelled(graph)
    found = _run(level, known, options, start, seconds)
    # On a forest log Z is the sum of these terms, and none is larger in size: where all are small, so is the error.
    check_digits(graph, float(np.abs(bethe_terms_of(found)).sum()))
    return found.on(graph, shift)


def _run(graph: FactorGraph, known: Evidence, options: Options, start: Start | None, seconds: float | None) -> BPResult:
    found = in_floats(graph, known, options, seconds) if start is None else None
    return in_logs(graph, known, options, start, seconds) if found is None else found


def bethe_terms_of(found: BPResult) -> Array:
    """The terms of Bethe's estimate of log Z, in either mode."""
    from bnt.kernels.readout import bethe_terms

    terms: Array = bethe_terms(found.flat, found._mu)
    return terms


class Progress:
    """A line on a terminal for a run of more than a few seconds: its round, and whether the messages settle."""

    def __init__(self, options: Options):
        self.options = options
        self.bar: Any = None
        self.changes: deque[float] = deque(maxlen=WINDOW)

    def __enter__(self) -> Progress:
        return self

    def __call__(self, watch: Array) -> None:
        if self.bar is None:
            from tqdm import tqdm

            most = self.options.most if self.options.rounds < 0 else self.options.rounds
            self.bar = tqdm(total=most, desc="run_bp", unit=" rounds", leave=False, disable=None)
        self.changes.append(watch[CHANGE])
        self.bar.n = int(watch[ROUND])
        self.bar.set_postfix_str(f"message change {watch[CHANGE]:.1e}{self.hint()}")

    def hint(self) -> str:
        """Said while it runs, not after a thousand rounds."""
        settles = len(self.changes) < WINDOW or min(list(self.changes)[WINDOW // 2 :]) < 0.9 * self.changes[0]
        return "" if settles else f": not settling; {what_to_try(self.options)}"

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()


def what_to_try(options: Options) -> str:
    """What may help a run that does not settle."""
    damped = "more damping" if options.damping else "damping=0.5"
    return f"try {damped}" if options.schedule == RESIDUAL else f'try schedule="residual" or {damped}'


@cache
def kernels_of_a_run() -> tuple[ModuleType, ...]:
    """numba loads here, not at import; once, since the statement takes 2 us of a small run's 25."""
    from bnt.kernels import pairwise, readout, solve, tables, watch

    return pairwise, readout, solve, tables, watch


def in_floats(graph: FactorGraph, known: Evidence, options: Options, seconds: float | None = None) -> BPResult | None:
    """In odds or in probabilities, from uniform messages; None where those leave the range of a float64."""
    pairwise, readout, solve, tables, watch = kernels_of_a_run()
    base, schedule, seen = base_flat(graph), options.schedule, watch.new_watch()
    arguments = (base, *evidence_arrays(base, known), options, seen)
    one_by_one = schedule in (SEQUENTIAL, RESIDUAL)
    work = most_work(base, options) * (SLOWER if one_by_one else 1)
    told, code = partial(Progress, options), tables.UNDERFLOW
    made: Array | partial[Array]
    single = 0
    if is_binary_pairwise(graph):
        kernel = solve.solve_pairwise_one_by_one if schedule == RESIDUAL else solve.solve_pairwise
        if options.mixed:
            found, single = watch.call(solve.solve_pairwise_mixed, arguments, work, told, seconds, True)
        else:
            found = watch.call(kernel, arguments, work, told, seconds, True)
        code, support, rounds, changes, mu, logs, exact, finished, history = found  # solve.Solved: naming takes 0.4 us
        made = partial(pairwise.pairwise_logs, mu, options.maximise)  # large, and seldom asked for
    if code == tables.UNDERFLOW:
        kernel = solve.solve_tables_one_by_one if one_by_one or schedule == IN_PLACE else solve.solve_tables
        seen[:] = 0.0  # a first attempt may have used up its time
        found = watch.call(kernel, arguments, work, told, seconds, True)
        code, support, rounds, changes, made, logs, exact, finished, history = found
    if code == tables.UNDERFLOW:
        return None
    if code == tables.NO_MASS:
        absorb(graph, known)  # raises, and says where, if a table or a field is left without mass
        raise impossible(graph, known, "a message has no mass")
    if support == readout.IMPOSSIBLE:
        raise impossible(graph, known, "no joint configuration is possible")
    converged = finished or (rounds > single and bool(changes[-1] <= options.tolerance))
    if seconds is not None:
        warn_of_time(options, seconds, seen, rounds, converged)
    word = "checked" if support == readout.POSSIBLE else "unchecked"
    if len(history):
        history = history[: rounds + 1]
    return BPResult(graph, known, options, made, logs, history, converged, changes, exact, word, single)


def most_work(base: Flat, options: Options) -> int:
    """States that one run handles at most: those of the tables, and of messages, which are no longer than a table."""
    return 2 * len(base.log_table) * (options.most if options.rounds < 0 else options.rounds)


def warn_of_time(options: Options, seconds: float | None, watch: Array, rounds: int, converged: bool) -> None:
    """Say so if the run was ended by its limit of time."""
    if seconds is None or watch[STOP] != ENOUGH or converged:
        return
    if rounds == 0:
        warnings.warn(
            f"the two sweeps over this forest were not through after {seconds:g} s; allow more seconds", stacklevel=5
        )
    else:
        warnings.warn(
            f"belief propagation has not settled in {seconds:g} s: {watch[ROUND]:.0f} rounds, last message change "
            f"{watch[CHANGE]:.1e}; {what_to_try(options)}, or allow more seconds",
            stacklevel=5,
        )


def in_logs(
    graph: FactorGraph,
    known: Evidence,
    options: Options,
    start: Start | None = None,
    seconds: float | None = None,
) -> BPResult:
    """Any schedule, any range, any start: messages as logarithms throughout."""
    from bnt.kernels.equations import rounds_needed, start_messages, when_it_ends, which_exact
    from bnt.kernels.readout import log_beliefs
    from bnt.kernels.schedules import run_residual, run_rounds, sweep_forest
    from bnt.kernels.watch import call, new_watch

    reduced = absorb(graph, known)
    flat = flatten(reduced)
    damping, maximise = options.damping, options.maximise
    schedule, watch = options.schedule, new_watch()
    mu = start_messages(flat, maximise) if start is None else given_messages(graph, flat, start, maximise)
    size = SLOWER * (len(flat.log_table) + len(mu))
    told = partial(Progress, options)
    exact = None
    if schedule == AUTO:
        schedule = FLOODING
        if damping == 0.0:
            forest, changes, alive = call(sweep_forest, (flat, mu, maximise, watch), 2 * size, told, seconds)
            exact = np.full(len(flat.cardinality), len(changes) == 2 or not len(mu)) if forest else None
    history = np.empty((0, len(mu)))
    if exact is None:
        _, needed = rounds_needed(flat)
        most, least, stop_at = when_it_ends(needed, options)
        if options.keep_history:
            history = np.empty((most + 1, len(mu)))
            history[0] = mu
        if schedule == RESIDUAL:
            arguments: tuple[Any, ...] = (flat, mu, damping, maximise, most, stop_at, history, watch)
            _, changes, alive = call(run_residual, arguments, size * most, told, seconds)
        else:
            arguments = (flat, mu, schedule, damping, maximise, most, least, stop_at, history, watch)
            _, changes, alive = call(run_rounds, arguments, size * most, told, seconds)
        exact = which_exact(needed, changes, options)
    logs, beliefs_alive = log_beliefs(flat, mu, maximise)
    if not (alive and beliefs_alive):
        raise impossible(graph, known, "a message has no mass")
    converged = bool(exact.all()) or (len(changes) > 0 and bool(changes[-1] <= options.tolerance))
    warn_of_time(options, seconds, watch, len(changes), converged)
    support = check_support(reduced, flat, logs, bool(exact.all()), options.trials)
    history = history[: len(changes) + 1]
    return BPResult(graph, known, options, mu, logs, history, converged, changes, exact, support)


def given_messages(graph: FactorGraph, flat: Flat, start: Start, maximise: bool) -> Array:
    """The messages to start from in the layout of ``flat.message_ptr``, normalised. Raises BntError."""
    from bnt.kernels.equations import normalise

    keys = message_keys(graph, flat)
    if not isinstance(start, Mapping) or set(start) != set(keys):
        wrong = [key for key in keys if key not in start] if isinstance(start, Mapping) else []
        wrong = wrong or [key for key in start if key not in set(keys)]
        raise BntError(
            f"start must give a log message for every (factor index, variable name) that exchanges messages, "
            f"as result.messages does, and for no other; not so for {wrong[0] if wrong else start!r}"
        )
    mu = np.empty(flat.message_ptr[-1])
    for key, begin, end in zip(keys, flat.message_ptr[:-1].tolist(), flat.message_ptr[1:].tolist(), strict=True):
        message = np.asarray(start[key], dtype=np.float64)
        if message.shape != (end - begin,) or not np.isfinite(message).all():
            raise BntError(f"the start message {key} must be {end - begin} finite logarithms, not {message.tolist()}")
        mu[begin:end] = message
        normalise(mu, begin, end, maximise)
    return mu


def check_support(reduced: Reduced, flat: Flat, logs: Array, finished_forest: bool, trials: int) -> str:
    """ "checked" or "unchecked". Raises InconsistentEvidenceError if no configuration has positive probability.

    On a finished forest, and without zeros, the messages already tell. With loops and zeros they may not: around an odd
    cycle of not-equal factors every message is uniform although the total mass is zero.
    """
    if finished_forest or not np.isneginf(flat.log_table).any():
        return "checked"
    from bnt.kernels.readout import IMPOSSIBLE, POSSIBLE, find_support, search_order

    found = find_support(flat, search_order(flat), logs, trials, np.empty_like(flat.cardinality))
    if found == IMPOSSIBLE:
        raise impossible(reduced.graph, reduced.evidence, "no joint configuration is possible")
    return "checked" if found == POSSIBLE else "unchecked"


def impossible(graph: FactorGraph, evidence: Evidence, reason: str) -> InconsistentEvidenceError:
    """The error for evidence of probability zero, to be raised."""
    return InconsistentEvidenceError(f"probability zero: {describe(graph, evidence)}; {reason}")
