"""Hot learning rates collapse heads: what an early look foretells, and what is lost for good. 10 minutes on one core.

    python experiments/collapse.py                  everything that is not stored yet
    python experiments/collapse.py --fresh          everything anew
    python experiments/collapse.py --print          the stored record

    sweep       6 constant rates, with and without LayerNorm, SEEDS: 400 steps, early signs after 60
    absorption  400 steps hot (.06, .1), then 1,600 cool (.003), three seeds; control: 2,000 cool steps from the start
    rescue      after the hot steps W_Q times .003, then 2,000 cool steps (with LayerNorm)

Writes bnt/data/collapse.json after every run.
"""

import argparse
import itertools
import json
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy is loaded: the models are too small for two threads
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from collections.abc import Callable
from typing import Any

import numpy as np

from bnt.errors import BntError
from bnt.stored import experiment_path
from bnt.training.parameters import Parameters
from bnt.wind_tunnels.collapse import (
    COOL,
    EARLY,
    HOT,
    RATES,
    STEPS,
    cooled_queries,
    effective_share,
    excess,
    predictions,
    signs,
    train_at,
)

SEEDS = range(4)  # of the sweep
AGAIN = range(3)  # of absorption and rescue
AFTER = 1_600  # cool steps after the hot ones
WATCHED = 50  # steps between two looks
RECORD = experiment_path("collapse.json", new=True)


def rounded(x: float) -> float:
    return float(f"{x:.5g}")


def watched(parameters: Parameters) -> dict[str, float]:
    return {"effective": effective_share(parameters), "kl": excess(parameters)}


def not_finite(error: BntError) -> bool:
    """True where the loss ran away; any other error is raised again."""
    if "lower the learning rate" not in str(error):
        raise error
    return True


def sweep(layer_norm: bool, rate: float, seed: int) -> dict[str, Any]:
    """One run of the sweep. final: None where the loss ran away; early: None where that came before the look."""
    seen: list[dict[str, float]] = []

    def look(parameters: Parameters) -> dict[str, float]:
        seen.append({name: rounded(x) for name, x in signs(parameters).items()})
        return {"excess": seen[-1]["loss"]}

    ran_away = False
    with np.errstate(all="ignore"):
        try:
            train_at(rate, STEPS, seed, layer_norm=layer_norm, watch=look, watch_every=EARLY)
        except BntError as error:
            ran_away = not_finite(error)
    row: dict[str, Any] = {"layer_norm": layer_norm, "rate": rate, "seed": seed}
    early, end = seen[1] if len(seen) > 1 else None, None if ran_away else seen[-1]
    return row | {"final": end and end["loss"], "early": early, "end": end}


def two_phases(layer_norm: bool, hot: float, seed: int, rescued: bool) -> dict[str, Any]:
    """Hot steps, then cool ones; rescued: with W_Q made small in between. hot = COOL is the control. The curves stop
    where the loss ran away."""
    row: dict[str, Any] = {"layer_norm": layer_norm, "hot": hot, "seed": seed, "rescued": rescued, "ran_away": False}
    row |= {"step": [], "effective": [], "kl": []}

    def watched(offset: int) -> Callable[[Parameters], dict[str, float]]:
        steps = itertools.count(offset, WATCHED)

        def look(parameters: Parameters) -> dict[str, float]:
            found = {"effective": effective_share(parameters), "kl": excess(parameters)}
            row["step"].append(next(steps))
            for name, x in found.items():
                row[name].append(rounded(x))
            return found

        return look

    def phase(rate: float, steps: int, seed: int, offset: int, start: Parameters | None = None) -> Parameters:
        watch = watched(offset)
        run = train_at(rate, steps, seed, start=start, layer_norm=layer_norm, watch=watch, watch_every=WATCHED)
        return run.parameters

    with np.errstate(all="ignore"):
        try:
            parameters = phase(hot, STEPS, seed, 0)
            steps = AFTER + STEPS if rescued else AFTER
            phase(COOL, steps, seed + 50, STEPS, cooled_queries(parameters) if rescued else parameters)
        except BntError as error:
            row["ran_away"] = not_finite(error)
    return row


def write(record: dict[str, Any]) -> None:
    """The whole record, one run a line; moved into place, so that an interruption leaves a complete file."""
    parts = [
        f'"{name}": [\n  ' + ",\n  ".join(json.dumps(row) for row in rows) + "\n ]" for name, rows in record.items()
    ]
    new = RECORD.with_suffix(".new")
    new.write_text("{" + ",\n ".join(parts) + "}\n", encoding="utf-8")
    new.replace(RECORD)


def show(record: dict[str, Any]) -> None:
    for layer_norm in (True, False):
        title = "with LayerNorm" if layer_norm else "without LayerNorm"
        rows = [row for row in record["sweep"] if row["layer_norm"] == layer_norm]
        print(f"sweep, {title}")
        for rate in RATES:
            mine = [row for row in rows if row["rate"] == rate]
            final = ", ".join("ran away" if row["final"] is None else f"{row['final']:.4g}" for row in mine)
            early, end = (
                ", ".join(f"{row[at]['effective']:.2f}" if row[at] else "-" for row in mine) for at in ("early", "end")
            )
            print(f"  rate {rate:g}: final KL {final}; effective share {early} -> {end}")
        for sign, pooled, within, chance in predictions(rows):
            print(f"  {sign}: rank correlation {pooled:.2f} pooled, {within:.2f} within a rate (by luck {chance:.3f})")
    for row in record["phases"]:
        title = "with LayerNorm" if row["layer_norm"] else "without LayerNorm"
        how = "control" if row["hot"] == COOL else f"hot {row['hot']:g}"
        how += ", W_Q made small" if row["rescued"] else ""
        seen = [f"{row['kl'][i]:.4g} (effective {row['effective'][i]:.2f})" for i in turns(row)]
        print(f"{title}, {how}, seed {row['seed']}: KL {' -> '.join(seen)}{' ran away' * row['ran_away']}")


def turns(row: dict[str, Any]) -> list[int]:
    """Where a run of two phases is looked at: the last of the hot looks, the first of the cool ones, the last."""
    last = len(row["step"]) - 1
    hot = STEPS // WATCHED
    return [min(hot, last), min(hot + 1, last), last]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fresh", action="store_true", help="forget what is stored")
    parser.add_argument("--print", action="store_true", help="train nothing, print the stored record")
    given = parser.parse_args()
    stored = RECORD.exists() and not given.fresh
    record: dict[str, Any] = json.loads(RECORD.read_text("utf-8")) if stored else {"phases": [], "sweep": []}
    if not given.print:
        phases = [(True, hot, seed, rescued) for hot in HOT for seed in AGAIN for rescued in (False, True)]
        phases += [(True, COOL, seed, False) for seed in AGAIN]
        phases += [(False, hot, seed, False) for hot in HOT for seed in AGAIN]
        for asked in phases:
            keys = ("layer_norm", "hot", "seed", "rescued")
            if asked not in [tuple(row[key] for key in keys) for row in record["phases"]]:
                record["phases"].append(two_phases(*asked))
                write(record)
                print(f"phases {asked}: done", flush=True)
        for layer_norm in (True, False):
            for rate in RATES:
                for seed in SEEDS:
                    keys = ("layer_norm", "rate", "seed")
                    if (layer_norm, rate, seed) not in [tuple(row[key] for key in keys) for row in record["sweep"]]:
                        record["sweep"].append(sweep(layer_norm, rate, seed))
                        write(record)
                print(f"sweep {layer_norm}, rate {rate:g}: done", flush=True)
    show(record)


if __name__ == "__main__":
    main()
