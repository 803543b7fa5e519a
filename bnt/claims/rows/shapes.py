"""Ledger rows about the shape of beliefs in a trained stream, and about heads that collapse in training.

The shipped models are probed here; the other seeds and all that was trained hot are read from the stored records of
experiments/belief_shape.py and experiments/collapse.py.
"""

from __future__ import annotations

from typing import Any

from bnt.claims.ledger import OURS, How, Outcome, claim
from bnt.stored import load_experiment
from bnt.wind_tunnels.belief_shape import SEQUENCES, Fit, controls, geometry, next_symbol_model
from bnt.wind_tunnels.collapse import COOL, HOT, RATES, STEPS, Prediction, predictions

LESSON = "15_shape_of_belief"
SHAPE = "Shai, Marzen, Teixeira, Oldenziel and Riechers (2024), arXiv:2405.15943"
QUICK = 200  # sequences of the quick check; stored figures are of SEQUENCES


def seeds_of(name: str) -> list[tuple[Fit, Fit]]:
    """(trained, untrained) after the last layer, one pair a seed, as stored."""
    found = []
    for row in load_experiment("belief_shape")["runs"]:
        if row["process"] == name:
            _, *last = row["depths"][-2]  # the one after it is of all layers side by side
            values = [float("nan") if x is None else float(x) for x in last]
            found.append((Fit(*values[:3]), Fit(*values[3:])))
    return found


def spread(values: list[float], digits: int = 3) -> str:
    return f"{min(values):.{digits}f} to {max(values):.{digits}f}"


@claim(
    "belief-geometry",
    "trained on the next symbol alone, a transformer holds the belief about the hidden state: a straight line reads "
    "its fractal from the stream",
    source=SHAPE,
    verdict="measured",
    conditions="mess3, 19,683 numbers, 10 symbols, three seeds. Weaker than R^2 suggests: a straight line from the raw "
    "symbols comes close, and from the exact next-symbol law, which here is the belief in other coordinates, it is "
    "perfect. The trained stream leaves at least 20 times less variance unexplained than its untrained twin. "
    "The strict test is another (row belief-beyond-next-symbol)",
    how=How("stored", "python experiments/belief_shape.py"),
    lesson=LESSON,
)
def belief_geometry(full: bool) -> Outcome:
    count = SEQUENCES if full else QUICK
    depths, without = geometry(next_symbol_model("mess3"), "mess3", count=count), controls("mess3", count)
    stored = seeds_of("mess3")
    trained, untrained = ([pair[i].belief for pair in stored] for i in (0, 1))
    fewer = [(1 - u) / (1 - t) for t, u in zip(trained, untrained, strict=True)]
    shipped = depths[-2]
    return Outcome(
        f"R^2 after the last layer, three seeds: {spread(trained)}, untrained {spread(untrained)}, unexplained "
        f"variance {min(fewer):.0f} to {max(fewer):.0f} times less; the shipped model now: "
        f"{shipped.trained.belief:.3f}, {shipped.untrained.belief:.3f}; without a network, a line from the raw symbols "
        f"{without['lagged symbols'].belief:.3f}, from the next-symbol law {without['next-symbol law'].belief:.3f}, "
        f"from its log odds {without['its log odds'].belief:.3f}",
        len(stored) == 3
        and min(trained) > 0.99
        and min(fewer) > 20
        and shipped.trained.belief > 0.99 > without["lagged symbols"].belief > 0.95 > shipped.untrained.belief
        and without["its log odds"].belief > 0.99,
    )


@claim(
    "belief-beyond-next-symbol",
    "training on the next symbol also puts into the stream what the next symbol does not tell about the belief: more "
    "of it than the untrained twin, the raw symbols or the forecast hold",
    source=f"{OURS}; after {SHAPE}",
    verdict="measured",
    conditions="three states, two symbols, two states that look alike, three seeds; R^2 of the rest, what a straight "
    "line from the exact next-symbol law leaves of the belief; each control alone: the untrained twin, the raw "
    "symbols, powers of the log odds. Raw symbols and log odds together tell more of it (row belief-beyond-input)",
    how=How("stored", "python experiments/belief_shape.py"),
    lesson=LESSON,
)
def belief_beyond_next_symbol(full: bool) -> Outcome:
    count = SEQUENCES if full else QUICK
    shipped, without = geometry(next_symbol_model("twins"), "twins", count=count)[-2], controls("twins", count)
    rest = [(trained.rest, untrained.rest) for trained, untrained in seeds_of("twins")]
    symbols, bent, law = without["lagged symbols"].rest, without["its log odds, bent"].rest, without["next-symbol law"]
    least = min(shipped.trained.rest, *(trained for trained, _ in rest))
    best = max(symbols, bent, shipped.untrained.rest, *(untrained for _, untrained in rest))
    return Outcome(
        f"the next-symbol law tells {law.belief:.3f} of the belief; R^2 of the rest after the last layer, three seeds: "
        f"{spread([trained for trained, _ in rest])}, untrained {spread([untrained for _, untrained in rest])}; the "
        f"shipped model now: {shipped.trained.rest:.3f}, {shipped.untrained.rest:.3f}; without a network, raw symbols "
        f"{symbols:.3f}, powers of the log odds {bent:.3f}",
        len(rest) == 3 and 0.8 < law.belief < 0.9 and least > best + 0.1,
    )


@claim(
    "belief-beyond-input",
    "after its last layer the trained stream holds a part of the belief that input and forecast do not explain",
    source=f"{OURS}; after {SHAPE}",
    verdict="not supported",
    conditions="the same networks, three seeds. Raw symbols and exact log odds side by side, no network, tell more of "
    "the rest than any of the three streams. Of the little that even these leave, the trained streams tell more than "
    "the untrained ones, by a hair in two of three; powers of the log odds tell more than two do. Not refuted: "
    "all layers side by side tell more than their untrained twins",
    rescue="more of the rest than any single control (row belief-beyond-next-symbol)",
    how=How("stored", "python experiments/belief_shape.py"),
    lesson=LESSON,
)
def belief_beyond_input(full: bool) -> Outcome:
    without, pairs = controls("twins", SEQUENCES), seeds_of("twins")
    both, bent = without["symbols and log odds"].rest, without["its log odds, bent"].beyond
    trained, untrained = ([pair[i].beyond for pair in pairs] for i in (0, 1))
    left = load_experiment("belief_shape")["twins"]["left"][1]
    return Outcome(
        f"R^2 of the rest: symbols and log odds {both:.3f}, trained {spread([t.rest for t, _ in pairs])}; of the "
        f"{100 * left:.1f} % of the belief that they leave: trained {', '.join(f'{x:.3f}' for x in trained)}, "
        f"untrained {', '.join(f'{x:.3f}' for x in untrained)}, powers of the log odds {bent:.3f}",
        len(pairs) == 3 and both > max(t.rest for t, _ in pairs) and min(trained) < max(*untrained, bent),
    )


def phases(layer_norm: bool, hot: float, rescued: bool = False) -> list[dict[str, Any]]:
    """The stored runs of two phases, one a seed."""
    asked = (layer_norm, hot, rescued)
    rows = load_experiment("collapse")["phases"]
    return [row for row in rows if (row["layer_norm"], row["hot"], row["rescued"]) == asked]


def ends(rows: list[dict[str, Any]], name: str) -> list[float]:
    return [row[name][-1] for row in rows]


@claim(
    "collapse-is-absorbing",
    "heads that a hot learning rate has collapsed onto one token do not open again when the rate is cooled",
    source=OURS,
    verdict="measured",
    conditions="two layers of two heads with LayerNorm, 400 steps at .06 or .1, then 1,600 at .003, three seeds each; "
    "control: 2,000 steps at .003 from the start. Half a collapse (no LayerNorm, .06) does recover. Where attention is "
    "one-hot the gradient of its scores is zero: a theorem about each such row, and not all rows were one-hot. Smaller "
    "W_Q (times .003), then 2,000 cool steps, helps, and does not undo it",
    how=How("stored", "python experiments/collapse.py"),
    lesson=LESSON,
)
def collapse_is_absorbing(full: bool) -> Outcome:
    control = phases(True, COOL)
    text, holds = (
        [f"control: KL {spread(ends(control, 'kl'), 4)}, effective share {spread(ends(control, 'effective'), 2)}"],
        True,
    )
    for hot in HOT:
        stuck, rescued = phases(True, hot), phases(True, hot, rescued=True)
        after = [row["effective"][row["step"].index(STEPS)] for row in stuck]
        text.append(
            f"hot {hot:g}: effective share {spread(after, 2)} when hot, {spread(ends(stuck, 'effective'), 2)} after "
            f"the cool steps, KL {spread(ends(stuck, 'kl'), 4)}; rescued: KL {spread(ends(rescued, 'kl'), 4)}"
        )
        holds &= len(stuck) == 3 and max(ends(stuck, "effective")) < 0.2
        holds &= min(ends(stuck, "kl")) > 3 * max(ends(control, "kl"))
        holds &= sum(ends(rescued, "kl")) < sum(ends(stuck, "kl")) and min(ends(rescued, "kl")) > max(
            ends(control, "kl")
        )
    half = phases(False, HOT[0])
    text.append(
        f"no LayerNorm, hot {HOT[0]:g}: effective share {spread(ends(half, 'effective'), 2)}, "
        f"KL {spread(ends(half, 'kl'), 4)}"
    )
    holds &= max(ends(half, "kl")) < min(ends(phases(True, HOT[0]), "kl"))
    return Outcome("; ".join(text), bool(holds and min(ends(control, "effective")) > 0.4))


def by_sign(layer_norm: bool) -> dict[str, Prediction]:
    """How well each early sign foretells the final loss in the stored sweep."""
    rows = [row for row in load_experiment("collapse")["sweep"] if row["layer_norm"] == layer_norm]
    return {found.sign: found for found in predictions(rows)}


@claim(
    "diagnostic-predicts-failure",
    "a look at attention early in training foretells which run will fail: collapse is predicted",
    source=OURS,
    verdict="not supported",
    conditions=f"mess3, {len(RATES)} constant rates, four seeds each, with and without LayerNorm; signs after 60 of "
    "400 steps; eight tests, a permutation inside each rate, Bonferroni's correction. Not refuted: four seeds a rate "
    "see only strong effects",
    rescue="over all runs every sign goes with the final loss, as the learning rate does by itself: the signs say how "
    "hot a run is; and a full collapse stays (row collapse-is-absorbing)",
    how=How("stored", "python experiments/collapse.py"),
    lesson=LESSON,
)
def diagnostic_predicts_failure(full: bool) -> Outcome:
    text, holds = [], True
    for layer_norm in (True, False):
        rate, *found = by_sign(layer_norm).values()
        said = ", ".join(f"{s.sign} {s.pooled:+.2f} pooled, {s.within:+.2f} within a rate" for s in found)
        least = min(s.chance for s in found)
        name = "LayerNorm" if layer_norm else "no LayerNorm"
        text.append(f"{name}: rank correlation of the rate itself {rate.pooled:+.2f}; {said}; least chance {least:.2f}")
        holds &= rate.pooled > 0.5 and max(abs(s.pooled) for s in found) > 0.5 and least > 0.05 / 8
    return Outcome("; ".join(text), bool(holds))
