"""Trains transformers on the next symbol of mess3 and of the twins, three seeds each. 5 minutes on one idle core.

    python experiments/belief_shape.py                  everything that is not stored yet
    python experiments/belief_shape.py --fresh          everything anew
    python experiments/belief_shape.py --print          the stored record

Writes bnt/data/belief_shape.json after every run, and the weights of seed 0 as bnt/data/belief_<process>.npz.
"""

import argparse
import json
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy is loaded: the models are too small for two threads
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from bnt.stored import experiment_path
from bnt.training.checkpoints import save_parameters
from bnt.training.recipes import weights_file
from bnt.wind_tunnels.belief_shape import (
    PROCESSES,
    RECIPES,
    Fit,
    controls,
    geometry,
    grounds,
    share_left,
    train_next_symbol,
    untrained,
)
from bnt.wind_tunnels.measures import evaluate, evaluation_batch, score_model

SEEDS = (0, 1, 2)
RECORD = experiment_path("belief_shape.json", new=True)


def rounded(x: float) -> float | None:
    return None if np.isnan(x) else float(f"{x:.5g}")


def plain(fit: Fit) -> list[float | None]:
    return [rounded(x) for x in fit]


def run(name: str, seed: int, keep: Path) -> dict[str, Any]:
    """One training, scored and probed; its weights go into ``keep``, and seed 0 ships."""
    trained = train_next_symbol(name, seed)
    ships = experiment_path(weights_file("belief", name), new=True)
    for path in (keep / f"{name}_{seed}.npz", *([ships] if seed == SEEDS[0] else [])):
        save_parameters(path, trained.parameters, seed=seed, steps=trained.steps)
    parameters, task = trained.parameters.astype("float64"), PROCESSES[name]
    row: dict[str, Any] = {"process": name, "seed": seed, "steps": trained.steps, "seconds": round(trained.seconds, 1)}
    row["kl"] = rounded(score_model(parameters, task, evaluation_batch(task)).kl)
    depths = geometry(parameters, name, control=untrained(name, seed))
    row["depths"] = [[depth.layer, *plain(depth.trained), *plain(depth.untrained)] for depth in depths]
    return row


def baselines(name: str) -> dict[str, Any]:
    """What needs no network: KL of saying nothing and of knowing the last symbol alone, R^2 of the controls."""
    task = PROCESSES[name]
    batch = evaluation_batch(task)
    last = task.next_symbol(task.beliefs(batch.inputs.reshape(-1, 1))).reshape(batch.posterior.shape)
    judge = grounds(task)[1]
    return {
        "parameters": RECIPES[name].model.size,
        "kl_uniform": rounded(evaluate(task, np.zeros(batch.posterior.shape), batch).kl),
        "kl_last_symbol": rounded(evaluate(task, np.log(last), batch).kl),
        "left": [rounded(share_left(judge, left)) for left in (judge.rest, judge.beyond)],
        "controls": {key: plain(fit) for key, fit in controls(name).items()},
    }


def write(record: dict[str, Any]) -> None:
    """The whole record, one run a line; moved into place, so that an interruption leaves a complete file."""
    lines = ",\n  ".join(json.dumps(row) for row in record["runs"])
    head = ",\n ".join(f'"{name}": {json.dumps(value)}' for name, value in record.items() if name != "runs")
    new = RECORD.with_suffix(".new")
    new.write_text(f'{{{head},\n "runs": [\n  {lines}\n ]}}\n', encoding="utf-8")
    new.replace(RECORD)


def show(record: dict[str, Any]) -> None:
    for name in PROCESSES:
        print(f"{name}: {record[name]}")
        for row in record["runs"]:
            if row["process"] == name:
                print(f"  seed {row['seed']}: KL {row['kl']:.2g} nats, {row['steps']} steps in {row['seconds']:.0f} s")
                for layer, *found in row["depths"]:
                    where = "all layers" if layer < 0 else f"after {layer} layers"
                    said = ["-" if x is None else f"{x:.3f}" for x in found]
                    print("    {}: belief {}, rest {}, beyond {}; untrained {}, {}, {}".format(where, *said))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fresh", action="store_true", help="forget what is stored")
    parser.add_argument("--print", action="store_true", help="train nothing, print the stored record")
    parser.add_argument("--keep", type=Path, help="folder for the weights of every seed")
    given = parser.parse_args()
    keep = given.keep or Path(tempfile.gettempdir()) / "bnt_belief_shape"
    keep.mkdir(parents=True, exist_ok=True)
    stored = RECORD.exists() and not given.fresh
    record: dict[str, Any] = json.loads(RECORD.read_text(encoding="utf-8")) if stored else {"runs": []}
    if not given.print:
        record |= {name: baselines(name) for name in PROCESSES}
        for name in PROCESSES:
            for seed in SEEDS:
                if (name, seed) not in [(row["process"], row["seed"]) for row in record["runs"]]:
                    record["runs"].append(run(name, seed, keep))
                    write(record)
                    print(f"{name}, seed {seed}: done", flush=True)
    show(record)


if __name__ == "__main__":
    main()
