"""Trains what lesson 13 shows and writes bnt/data/learned_*.json and .npz. About half an hour on one core.

    python experiments/learned_inference.py                  all of it
    python experiments/learned_inference.py trees machines   some of it: names below, or --list
    python experiments/learned_inference.py --quiet          without progress bars

Every experiment yields its results part by part, and they are written after each part; one can be run again alone.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from bnt.learned import cavity as learned_cavity
from bnt.learned import efficiency as sample_efficiency
from bnt.learned import insides as inside_learned
from bnt.learned import machines as learned_machines
from bnt.learned import reach as learned_trees
from bnt.learned import recipes as learned
from bnt.learned import updates as learned_updates
from bnt.stored import experiment_path
from bnt.training.checkpoints import save_parameters
from bnt.training.recipes import weights_file

SEEDS = (0, 1, 2)
PROGRESS = "--quiet" not in sys.argv
Part = tuple[str, Any]


def train_recipe(name: str, seeds: tuple[int, ...] = SEEDS, **options: Any) -> Iterator[Part]:
    """The records of every seed; the weights of seed 0 are kept."""
    records = []
    for seed in seeds:
        run = learned.learn(name, seed, progress=PROGRESS, **options)
        if seed == 0:
            save_parameters(
                experiment_path(weights_file("learned", name), new=True), run.parameters, **run.score.record()
            )
        records.append(run.record())
        yield name, records


def two_variables() -> Iterator[Part]:
    for name in ("published", "published, sigmoid", "oriented", "oriented, FFN only", "oriented, L-BFGS"):
        yield from train_recipe(name)


def posteriors() -> Iterator[Part]:
    yield "published targets", learned.published_target_errors()
    yield from train_recipe("chain")
    yield from train_recipe("dating", (0,))


def trees() -> Iterator[Part]:
    watch = inside_learned.watch_heads(learned_trees.unseen_trees(True, 64))
    for layers in learned.TREE_DEPTHS:
        yield from train_recipe(learned_trees.depth_name(layers), (0,), watch=watch)
    yield from learned_trees.depth_table(learned_trees.shipped_models()).items()


def inside() -> Iterator[Part]:
    fit, judge = (learned_trees.unseen_trees(True, 600, seed) for seed in (0, 1))
    for layers, model in learned_trees.shipped_models().items():
        found = inside_learned.routing(model, judge)
        told = {
            "attention": np.round(found.share, 4).tolist(),
            "uniform": found.uniform.tolist(),
            "probe": np.round(inside_learned.probe(model, fit, judge), 4).tolist(),
            "implicit graph": inside_learned.implicit_graph_words(model, judge),
        }
        yield learned_trees.depth_name(layers), told


def updates() -> Iterator[Part]:
    yield "update", [learned_updates.learn_update(seed).tolist() for seed in range(10)]
    yield "update, prior .8", learned_updates.learn_update(0, prior=0.8).tolist()
    yield "routing", [learned_updates.learn_routing(seed=seed).record() for seed in range(20)]
    yield from train_recipe("update, generic FFN")
    yield "generic weights", learned_updates.generic_fit(learned.shipped_parameters("update, generic FFN")).record()


def machines() -> Iterator[Part]:
    for name in learned_machines.MACHINES:
        for overlap_free in (False, True):
            options = {} if overlap_free else learned_machines.AS_PUBLISHED
            config = learned_machines.MachineConfig(machine=name, overlap_free=overlap_free, **options)
            records = []
            for seed in SEEDS:
                run = learned_machines.learn_machine(config, seed, progress=PROGRESS)
                if seed == 0 and overlap_free:
                    path = experiment_path(weights_file("learned machine", name), new=True)
                    save_parameters(path, run.run.parameters, accuracy=run.accuracy, longer=run.longer)
                records.append(run.record())
                yield f"{name}, {'overlap-free' if overlap_free else 'as published'}", records


def cavity() -> Iterator[Part]:
    first = {}
    for family in learned_cavity.FAMILIES:
        records = [learned_cavity.learn_family(family, seed) for seed in SEEDS]
        first[family] = np.array(records[0]["parameters"])
        yield family, records
    yield "transfer", learned_cavity.transfer(first)


def calibration() -> Iterator[Part]:
    yield from learned_trees.shipped_calibrations().items()


def efficiency() -> Iterator[Part]:
    for start in sample_efficiency.STARTS:
        records = []
        for trees in sample_efficiency.SIZES:
            records.append(sample_efficiency.learn_from(start, trees).record())
            yield start, records


def efficiency_seeds() -> Iterator[Part]:
    for start, sizes in sample_efficiency.DECISIVE.items():
        runs = [(trees, seed) for trees in sizes for seed in SEEDS[1:]]
        yield start, [sample_efficiency.learn_from(start, trees, seed).record() for trees, seed in runs]


EXPERIMENTS: dict[str, Callable[[], Iterator[Part]]] = {
    function.__name__: function
    for function in (
        two_variables,
        posteriors,
        updates,
        trees,
        inside,
        machines,
        cavity,
        calibration,
        efficiency,
        efficiency_seeds,
    )
}


def main(names: list[str]) -> None:
    if "--list" in names:
        print("\n".join(EXPERIMENTS))
        return
    names = [name for name in names if name != "--quiet"]
    unknown = sorted(set(names) - set(EXPERIMENTS))
    if unknown:
        sys.exit(f"unknown experiment: {', '.join(unknown)}; valid: {', '.join(EXPERIMENTS)}")
    for name in names or EXPERIMENTS:
        begun, found = time.process_time(), {}
        path = experiment_path(f"learned_{name}.json", new=True)
        for part, result in EXPERIMENTS[name]():
            found[part] = result
            path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
            print(f"{name}: {part}, {time.process_time() - begun:.0f} s of CPU", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
