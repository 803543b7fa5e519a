"""Ledger rows about what trained models are worth beyond their training: machines, calibration, depth, insides, data.

Quick checks run shipped weights on new problems; with ``full`` some are trained again.
"""

from __future__ import annotations

import numpy as np

from bnt.claims.ledger import MEASURED, OURS, PAPER, How, Outcome, claim
from bnt.claims.rows.learning import spread
from bnt.learned import insides as inside_learned
from bnt.learned import machines as learned_machines
from bnt.learned import reach as learned_trees
from bnt.learned import recipes as learned
from bnt.learned.efficiency import DECISIVE, SIZES, STARTS, learn_from, message_tokens, shallow_trees, started
from bnt.learned.recipes import score
from bnt.learned.trees import HELD_OUT
from bnt.sequences.turing import MACHINES
from bnt.stored import load_experiment
from bnt.training.recipes import shipped_weights

LESSON = "13_learning_to_infer"


@claim(
    "machines-learned",
    "five Turing machines are learned to 100 % of validation steps",
    source=f"{PAPER}, section 5.3",
    verdict="measured",
    conditions="single steps, numbers below 256, corrected encodings; nearly all validation steps were trained on",
    how=MEASURED,
    lesson=LESSON,
)
def machines_learned(full: bool) -> Outcome:
    record = load_experiment("learned_machines")
    published, free = (
        [one for name in MACHINES for one in record[f"{name}, {split}"]] for split in ("as published", "overlap-free")
    )
    now = {}
    for name in MACHINES if full else list(MACHINES)[:2]:
        config = learned_machines.MachineConfig(machine=name, overlap_free=True)
        parameters = shipped_weights("learned machine", name)
        if full:
            parameters = learned_machines.learn_machine(config, 0, progress=False).run.parameters
        held_out = learned_machines.split_steps(config, 0)
        now[name] = learned_machines.accuracy(MACHINES[name], parameters, held_out.validation) * (held_out.overlap == 0)
    overlaps = [one["overlap"] for one in published]
    return Outcome(
        f"as published {min(one['accuracy'] for one in published):.2%} at least (five machines, three seeds), "
        f"{min(overlaps):.0%} to {max(overlaps):.0%} of validation steps in training; overlap-free "
        f"{min(one['accuracy'] for one in free):.2%} at least; now, overlap-free: "
        f"{', '.join(f'{name} {value:.2%}' for name, value in now.items())}",
        all(one["accuracy"] == 1 for one in published)
        and min(one["accuracy"] for one in free) > 0.99
        and min(now.values()) > 0.99,
    )


@claim(
    "machines-size",
    "the models of five Turing machines, 2 layers of width 32, have about 4,000 parameters",
    source=f"{PAPER}, section 5.3",
    verdict="false",
    conditions="the attention matrices alone are more than twice that",
    how=How("theorem", "counted"),
    lesson=LESSON,
)
def machines_size(full: bool) -> Outcome:
    config = learned_machines.MachineConfig(machine="increment").model
    attention = sum(4 * config.width**2 for _ in range(config.layers))
    return Outcome(
        f"{config.layers} layers of width {config.width}: {attention:,} numbers in the attention matrices, "
        f"{config.size:,} in all here",
        (config.layers, config.width) == (2, 32) and attention > 2 * 4_000 < config.size,
    )


@claim(
    "machines-generalise",
    "a machine whose every validation step is right has been learned as a rule",
    source=f"a generalisation of {PAPER}, section 5.3, which reports validation steps",
    verdict="false",
    conditions="numbers of 9 to 12 digits, on the same tape, after training on up to 8",
    rescue="of numbers as long as those of training, steps never seen come out right (row machines-learned)",
    how=MEASURED,
    lesson=LESSON,
)
def machines_generalise(full: bool) -> Outcome:
    found = {}
    for name, machine in MACHINES.items():
        parameters = shipped_weights("learned machine", name)
        steps = learned_machines.longer_steps(machine, 60 if full else 10)
        found[name] = learned_machines.accuracy(machine, parameters, steps)
    record = load_experiment("learned_machines")
    stored = [one["longer"] for name, records in record.items() for one in records]
    return Outcome(
        f"steps right on longer numbers: {', '.join(f'{name} {value:.0%}' for name, value in found.items())}; all "
        f"stored runs {min(stored):.0%} to {max(stored):.0%}",
        max(found.values()) < 0.8 and max(stored) < 0.8,
    )


@claim(
    "learned-calibration",
    "a trained model is calibrated against exact posteriors where the problems are those of training, not elsewhere",
    source=OURS,
    verdict="measured",
    conditions=f"sharper: log entries {learned_trees.SHARPER:g} times as large",
    how=MEASURED,
    lesson=LESSON,
)
def learned_calibration_row(full: bool) -> Outcome:
    words, holds = [], True
    for name in learned_trees.JUDGED if full else ("published", "chain", "trees, 2 layers"):
        found = learned_trees.calibrations(name, learned.shipped_parameters(name))
        own, sharper = found["own"], found["sharper"]
        holds &= own.calibration.ece < 0.003 and sharper.calibration.ece > 5 * own.calibration.ece
        holds &= sharper.mean_error > 5 * own.mean_error
        words.append(
            f"{name}: ECE {own.calibration.ece:.1e}, sharper {sharper.calibration.ece:.1e}, mean error "
            f"{own.mean_error:.2g} and {sharper.mean_error:.2g}"
        )
    return Outcome("; ".join(words), holds)


# --- trees ------------------------------------------------------------------------------------------------------------


@claim(
    "depth-limits-reach",
    "a trained transformer of N layers knows what is within N edges, and nothing beyond",
    source=f"a generalisation of {PAPER}, section 8.3, to trained networks",
    verdict="false",
    conditions="attention sees all tokens at once; error grows with eccentricity, without a step at the depth",
    how=MEASURED,
    lesson=LESSON,
)
def depth_limits_reach(full: bool) -> Outcome:
    models = learned_trees.shipped_models()
    trees = learned_trees.unseen_trees(True, 4_000 if full else 500)
    far = learned_trees.ECCENTRICITIES.index(4)
    words, holds = [], True
    for layers in (2, 3):
        table = learned_trees.by_eccentricity(models[layers], trees)
        response, _ = learned_trees.response_by_distance(models[layers], trees)
        holds &= bool(table.model[far] < 0.9 * table.stopped[far]) and bool(response[layers + 1] > 0.5)
        words.append(
            f"{layers} layers at eccentricity 4: {table.model[far]:.3f}, BP after {layers} rounds "
            f"{table.stopped[far]:.3f}; response to evidence at distance {layers + 1}: {response[layers + 1]:.2f} of "
            "the exact one (BP: 0)"
        )
    return Outcome("; ".join(words), holds)


@claim(
    "depth-buys-accuracy",
    "more layers infer better on trees, also on shapes that were held out from training",
    source=OURS,
    verdict="measured",
    conditions=f"trees of eight variables, {len(HELD_OUT)} of 23 shapes held out; none of the models is exact anywhere",
    how=MEASURED,
    lesson=LESSON,
)
def depth_buys_accuracy(full: bool) -> Outcome:
    count, errors = 4_000 if full else 400, {}
    for held_out in (True, False):
        trees = learned_trees.unseen_trees(held_out, count)
        models = learned_trees.shipped_models().items()
        errors[held_out] = [learned_trees.by_eccentricity(model, trees).mean_error for _, model in models]
    falling = all(np.diff(errors[True]) < 0)
    alike = max(abs(new / old - 1) for new, old in zip(errors[True], errors[False], strict=True))
    return Outcome(
        f"1 to 4 layers on held-out shapes {spread(errors[True])}, on trained shapes {spread(errors[False])}",
        falling and alike < 0.2 and errors[True][-1] < 0.3 * errors[True][0] and errors[True][-1] > 0.005,
    )


@claim(
    "trained-heads-are-bp-routing",
    "trained heads attend along the edges, and the stream after layer k holds the beliefs of round k",
    source=f"a generalisation of {PAPER}, section 6.5, to trained networks, which are nearly exact at best",
    verdict="false",
    conditions="four layers on trees: most heads do not",
    rescue="some heads do, and later layers explain later rounds better",
    how=MEASURED,
    lesson=LESSON,
)
def trained_heads_are_bp_routing(full: bool) -> Outcome:
    trees, more = (learned_trees.unseen_trees(True, 400 if full else 120, seed) for seed in (0, 1))
    model = learned_trees.shipped_models()[4]
    shares = inside_learned.routing(model, trees)
    near, uniform = shares.share[:, :, 1], float(shares.uniform[1])
    probe = inside_learned.probe(model, trees, more)
    best = probe[:, 1:].argmax(1) + 1
    words = inside_learned.implicit_graph_words(model, trees)
    return Outcome(
        f"share of attention at neighbours: {near.mean():.2f} on average, {near.max():.2f} at most (uniform "
        f"{uniform:.2f}, BP 1); round best explained after layer 1 to 4: {best[1:].tolist()}, R^2 of the posterior "
        f"{probe[0, -1]:.2f} in the tokens, {probe[-1, -1]:.2f} at the end; extract_graph: {words['kind']}",
        bool(uniform < near.mean() < 0.7 and near.max() > 0.8 and probe[-1, -1] > 0.95 > probe[2, -1])
        and best[1:].tolist() != [1, 2, 3, 4]
        and words["kind"] == "only attention has a reading",
    )


@claim(
    "prior-structure-saves-data",
    "from weights near the compiled ones, 128 trees lead to smaller errors than 1,024 from random ones",
    source=f"{OURS}; networks that correct belief propagation: Garcia Satorras and Welling (2021)",
    verdict="measured",
    conditions="trees of diameter up to 4; the smallest validation error along a run, the better of two learning "
    "rates; three seeds where it decides, 128 trees against 1,024, one elsewhere; one of the three perturbed starts is "
    "ahead before any tree, so no ratio of data follows",
    how=How("stored", "python experiments/learned_inference.py"),
    lesson=LESSON,
)
def prior_structure_saves_data(full: bool) -> Outcome:
    record = load_experiment("learned_efficiency")
    errors = {start: [one["error"] for one in record[start]] for start in STARTS}
    seeds = load_experiment("learned_efficiency_seeds")
    every = {
        (start, n): [one["error"] for one in record[start] + seeds[start] if one["trees"] == n]
        for start, sizes in DECISIVE.items()
        for n in sizes
    }
    few = every["perturbed", SIZES[1]]
    before = sorted({one["before"] for one in record["perturbed"] + seeds["perturbed"]})
    far = every["random", SIZES[-1]] + every["node tokens", SIZES[-1]]
    problems = message_tokens(shallow_trees(20, np.random.default_rng(0)))
    exact = score(started("compiled", 0), problems).mean_error
    now = learn_from("perturbed", SIZES[0]).error if full else errors["perturbed"][0]
    lines = "; ".join(f"{start} {spread(errors[start])}" for start in STARTS[1:])
    more = "; ".join(f"{start} with {n} trees {spread(found)}" for (start, n), found in every.items())
    return Outcome(
        f"compiled, no data: {exact:.0e}; errors after {', '.join(map(str, SIZES))} trees: {lines}; perturbed, "
        f"untrained: {spread(before)}; three seeds: {more}",
        exact < 1e-6 and now < min(errors["random"][0], errors["node tokens"][0]) and max(few) < min(far),
    )
