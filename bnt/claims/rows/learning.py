"""Ledger rows about learned inference: what training finds, and whether it finds BP's weights.

Quick checks run shipped weights on new problems, or short trainings; with ``full`` the recipes are trained again.
"""

from __future__ import annotations

import numpy as np

from bnt.claims.ledger import COUNTEREXAMPLE, MEASURED, OURS, PAPER, How, Outcome, claim
from bnt.learned import recipes as learned
from bnt.learned import updates as learned_updates
from bnt.odds import logit
from bnt.stored import load_experiment

LESSON = "13_learning_to_infer"
TWO_VARIABLES = f"{PAPER}, section 6.7, Table 1"


def seeds_of(record: str, name: str) -> list[float]:
    """Mean errors of the stored seeds of a recipe."""
    return [one["mean_error"] for one in load_experiment(record)[name]]


def fresh(name: str, full: bool) -> learned.ErrorScore:
    """The shipped weights of a recipe on its validation problems; with ``full``, a model trained anew (seed 3)."""
    if full:
        return learned.learn(name, seed=3, progress=False).score
    return learned.score(learned.shipped_parameters(name), learned.validation_problems(name))


def spread(values: list[float]) -> str:
    """All values, two digits each."""
    return ", ".join(f"{value:.2g}" for value in values)


@claim(
    "two-variables-learned",
    "gradient descent on random tables fits two-variable posteriors to a mean error of .00075",
    source=TWO_VARIABLES,
    verdict="measured",
    conditions="2 layers, 2 heads, width 32, ReLU and LayerNorm, 50 epochs; sigmoid FFNs fit as well",
    tolerance=8e-4,
    how=MEASURED,
    lesson=LESSON,
)
def two_variables_learned(full: bool) -> Outcome:
    found, stored = fresh("published", full), seeds_of("learned_two_variables", "published")
    sigmoid = seeds_of("learned_two_variables", "published, sigmoid")
    return Outcome(
        f"mean error {found.mean_error:.2g}, always the mean {found.baseline:.3f}; three seeds {spread(stored)}; "
        f"sigmoid {spread(sigmoid)}",
        found.baseline > 0.1 and max(sigmoid) < 2e-3,
        max([found.mean_error, *stored]),
    )


@claim(
    "two-variables-size",
    "the model of the two-variable experiment has about 5,000 parameters",
    source=TWO_VARIABLES,
    verdict="false",
    how=How("theorem", "counted"),
    lesson=LESSON,
)
def two_variables_size(full: bool) -> Outcome:
    counted, ours = learned.published_parameters(), learned.RECIPES["published"].model.size
    small = learned.RECIPES["oriented"].model.size
    return Outcome(
        f"block by block {counted:,}; here, with a linear read-out, {ours:,}; the oriented recipe needs {small:,}",
        counted == learned.PUBLISHED_PARAMETERS and counted > 5 * 5_000 and small < 5_000,
    )


@claim(
    "orientation-helps",
    "log odds and tables oriented to their token let one small layer do as well with an eighth of the parameters",
    source=OURS,
    verdict="measured",
    conditions="softplus, no LayerNorm; L-BFGS on a full batch in float64 gains another order of magnitude",
    tolerance=5e-5,
    how=MEASURED,
    lesson=LESSON,
)
def orientation_helps(full: bool) -> Outcome:
    names = ("published", "oriented", "oriented, L-BFGS")
    published, oriented, lbfgs = (seeds_of("learned_two_variables", name) for name in names)
    adam, second = fresh("oriented", full), fresh("oriented, L-BFGS", full)
    return Outcome(
        f"Adam {adam.mean_error:.2g} (three seeds {spread(oriented)}), L-BFGS {second.mean_error:.2g} "
        f"({spread(lbfgs)}), published recipe {spread(published)}",
        max(adam.mean_error, *oriented) <= 1.5e-3 and float(np.mean(oriented)) < float(np.mean(published)),
        max([second.mean_error, *lbfgs]),
    )


@claim(
    "two-variables-need-attention",
    "fitting two-variable posteriors shows that attention has learned to route",
    source=f"a reading of {TWO_VARIABLES}",
    verdict="false",
    conditions="every token holds the whole table; a model without attention fits as well",
    how=COUNTEREXAMPLE,
    lesson=LESSON,
)
def two_variables_need_attention(full: bool) -> Outcome:
    alone, with_attention = fresh("oriented, FFN only", full), fresh("oriented", False)
    stored = seeds_of("learned_two_variables", "oriented, FFN only")
    return Outcome(
        f"without attention {alone.mean_error:.2g} ({spread(stored)}), with it {with_attention.mean_error:.2g}",
        max(alone.mean_error, *stored) < 8e-4 and not learned.RECIPES["oriented, FFN only"].model.attention,
    )


@claim(
    "published-chain-targets",
    "the targets that the three-variable chain is trained on are its posteriors",
    source=f"companion code of {PAPER}, section 6.7",
    verdict="false",
    conditions="one table orientation serves both directions, and whole beliefs are sent instead of cavity messages",
    how=MEASURED,
    lesson=LESSON,
)
def published_chain_targets(full: bool) -> Outcome:
    found = learned.published_target_errors(20_000 if full else 5_000)["chain"]
    return Outcome(
        f"mean distance to the posterior {found['mean_error']:.3f}; always saying one half: "
        f"{found['always one half']:.3f} (seed 0)",
        0.105 < found["mean_error"] < 0.125 and found["mean_error"] > 0.8 * found["always one half"],
    )


@claim(
    "published-dating-targets",
    "the targets that the dating graph is trained on are its posteriors",
    source=f"companion code of {PAPER}, section 6.7",
    verdict="exact under conditions",
    conditions="without evidence only: they are prior marginals",
    tolerance=1e-12,
    how=How("theorem", "parents that are independent, summed out forwards, leave the marginals"),
    lesson=LESSON,
)
def published_dating_targets(full: bool) -> Outcome:
    found = learned.published_target_errors(20_000 if full else 5_000)
    plain, shown = found["dating without evidence"]["mean_error"], found["dating with evidence"]
    return Outcome(
        f"without evidence off by {plain:.0e}, with a third of the variables observed by {shown['mean_error']:.3f}; "
        f"seeing a date moves P(likes) by {shown['P(likes) moved by date = 1']:.3f} on average (seed 0)",
        shown["mean_error"] > 0.03,
        plain,
    )


@claim(
    "true-posteriors-learned",
    "true posteriors with evidence can be learned: the chain of three, and the dating graph of five variables",
    source=OURS,
    verdict="measured",
    conditions="2 and 3 layers; a third of the variables observed, in states drawn from the model",
    tolerance=3e-3,
    how=MEASURED,
    lesson=LESSON,
)
def true_posteriors_learned(full: bool) -> Outcome:
    found = {name: fresh(name, full) for name in ("chain", "dating")}
    stored = [error for name in found for error in seeds_of("learned_posteriors", name)]
    words = [f"{name} {one.mean_error:.2g} (always the mean {one.baseline:.3f})" for name, one in found.items()]
    return Outcome(
        f"mean error: {'; '.join(words)}; stored seeds {spread(stored)}",
        min(one.baseline for one in found.values()) > 0.1,
        max([one.mean_error for one in found.values()] + stored),
    )


@claim(
    "descent-finds-the-update",
    "trained on updateBelief, s(w0 L0 + w1 L1 + b) ends at the weights (1, 1, 0)",
    source=f"{PAPER}, Theorem 1.4",
    verdict="exact under conditions",
    conditions="log odds in, a uniform prior (else b = -logit of it); three numbers and a convex loss, by BFGS and "
    "Newton steps: unsurprising",
    tolerance=1e-13,
    how=How("theorem", "a convex loss with one minimum (row ffn-weights-forced)"),
    lesson=LESSON,
)
def descent_finds_the_update(full: bool) -> Outcome:
    seeds = range(10 if full else 4)
    off = max(float(np.abs(learned_updates.learn_update(s) - learned_updates.BP_WEIGHTS).max()) for s in seeds)
    prior = learned_updates.learn_update(0, prior=0.8)[2] + float(logit(0.8))
    return Outcome(
        f"distance {off:.0e} over {len(seeds)} random starts; with a prior of .8, b + logit(.8) = {prior:.0e}",
        error=max(off, abs(prior)),
    )


@claim(
    "descent-finds-the-routing",
    "with routing to be learned too, gradient descent finds the weights of BP",
    source=f"{PAPER}, sections 6.5 and 6.7",
    verdict="false",
    conditions="about half of the random starts end in a local minimum far away",
    rescue="the other half get there",
    how=MEASURED,
    lesson=LESSON,
)
def descent_finds_the_routing(full: bool) -> Outcome:
    stored = load_experiment("learned_updates")["routing"]
    seeds = range(20) if full else (0, 3)
    found = [learned_updates.learn_routing(seed=seed) for seed in seeds]
    reached = [one.distance for one in found if one.reached]
    stuck = [one for one in found if not one.reached]
    counted = sum(one["reached"] for one in stored)
    return Outcome(
        f"stored: {counted} of {len(stored)} starts reach (1, 1, 0) within .1; trained now: {len(reached)} within "
        f"{max(reached, default=np.nan):.2g}, {len(stuck)} stuck at distance "
        f"{spread([one.distance for one in stuck]) if not full else '13'} with a mean error of "
        f"{max((one.mean_error for one in stuck), default=np.nan):.2g}",
        bool(reached) and bool(stuck) and 5 <= counted <= 15 and min(one.distance for one in stuck) > 5,
    )


@claim(
    "right-answers-force-bp-weights",
    "a network that combines all beliefs rightly has BP's weights inside",
    source=f"a generalisation of {PAPER}, Theorem 1.4 and section 6.5, to other FFNs",
    verdict="false",
    conditions="of the form s(w0 L0 + w1 L1 + b) alone; with a ReLU FFN any part of the sum may go through its units, "
    "and training, nearly right, ends at such weights",
    rescue="the map is forced, not the weights (row ffn-weights-forced)",
    tolerance=1e-14,
    how=COUNTEREXAMPLE,
    lesson=LESSON,
)
def right_answers_force_bp_weights(full: bool) -> Outcome:
    name = "update, generic FFN"
    model = learned.learn(name, seed=3, progress=False).parameters if full else learned.shipped_parameters(name)
    fit = learned_updates.generic_fit(model)
    path = ", ".join(f"{w:.2f}" for w in fit.linear_path)
    exact = {part: learned_updates.generic_fit(learned_updates.exact_update(part)) for part in (1.0, 0.5, -2.0)}
    wrong = max(max(one.mean_error, one.outside) for one in exact.values())
    parts = [(float(one.linear_path[0]), round(one.ffn_share, 2)) for one in exact.values()]
    return Outcome(
        f"built: the stream passes on 1 (BP's weights), .5 or -2 times the log odds and the FFN supplies the rest; "
        f"right for all beliefs, to {wrong:.0e}; trained: mean error {fit.mean_error:.1e}, the stream passes on "
        f"({path}), the FFN, which could be silent, supplies {fit.ffn_share:.0%}",
        parts == [(1.0, 0.0), (0.5, 0.5), (-2.0, 3.0)]
        and fit.mean_error < 1e-4
        and float(np.abs(fit.linear_path - 1).max()) > 0.2
        and fit.ffn_share > 0.2,
        wrong,
    )
