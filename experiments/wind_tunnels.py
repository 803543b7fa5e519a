"""Transformer, LSTM, selective SSM and prefix MLP in five wind tunnels. 40 minutes on one idle core.

    python experiments/wind_tunnels.py                          everything (with torch: pip install -e ".[experiments]")
    python experiments/wind_tunnels.py --models transformer     the transformer alone, numpy only
    python experiments/wind_tunnels.py --tasks recall8 --fresh

Each model is trained at three learning rates with seed 0, then at the rate of least validation KL with two more seeds,
all for as many steps; those that fail at recall once more for many times as long.
Writes bnt/data/wind_tunnels.json after every run, and goes on where it stopped (--fresh: anew); and the transformer of
least validation KL of every task as bnt/data/wind_tunnel_<task>.npz.
"""

import argparse
import json
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy is loaded: the models are too small for two threads
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import importlib.metadata
import platform
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bnt.stored import experiment_path
from bnt.training.checkpoints import load_parameters, save_parameters
from bnt.training.gradients import predict
from bnt.training.recipes import weights_file
from bnt.wind_tunnels.insides import PROBED, attention_shares, probe_by_layer, watch
from bnt.wind_tunnels.measures import TASKS, TunnelScore, evaluate, evaluation_batch, log_softmax, score_model
from bnt.wind_tunnels.tasks import Recall, Task
from bnt.wind_tunnels.training import RECIPES, train_transformer

RATES = (1e-3, 3e-3, 1e-2)
SEEDS = (0, 1, 2)
LONGER = {("recall8", "LSTM"): (5, 15), ("recall8", "prefix MLP"): (5,)}  # is it the time that they lack?
VALIDATION = 2024  # seed of the sequences that choose rate and shipped seed; figures are measured on others
MODELS = ("transformer", "LSTM", "selective SSM", "prefix MLP")
CURVE = 60  # points kept of a loss curve
WATCHES = 40  # how often a training that ships is looked at
RECORD = experiment_path("wind_tunnels.json", new=True)


def rounded(x: float) -> float:
    return float(f"{x:.5g}")


def thinned(losses: "list[float] | np.ndarray") -> dict[str, list[float]]:
    """Means of the loss over stretches of equal length, by the step at which each ends."""
    parts = np.array_split(np.asarray(losses), CURVE)
    return {
        "step": np.cumsum([len(p) for p in parts]).tolist(),
        "loss": [rounded(float(p.mean())) for p in parts],
    }


def facts(score: TunnelScore) -> dict[str, Any]:
    one = ("kl", "tv", "entropy_error", "accuracy", "accuracy_exact")
    many = ("entropy", "entropy_exact", "kl_by_position")
    found: dict[str, Any] = {name: rounded(getattr(score, name)) for name in one}
    found |= {name: [rounded(float(x)) for x in getattr(score, name)] for name in many}
    reliability = [[b.count, rounded(b.confidence), rounded(b.frequency)] for b in score.calibration.bins]
    return found | {"ece": rounded(score.calibration.ece), "reliability": reliability}


def run(task_name: str, model: str, rate: float, seed: int, keep: Path, longer: int = 1) -> dict[str, Any]:
    """One training run, scored; a transformer's weights go into ``keep``. longer: a comparison model trained that many
    times as long."""
    task, recipe = TASKS[task_name], RECIPES[task_name]
    test, validation = evaluation_batch(task), evaluation_batch(task, seed=VALIDATION)
    start = time.process_time()
    if model == "transformer":
        trained = train_transformer(task_name, seed=seed, learning_rate=rate)
        seconds, size, losses = trained.seconds, trained.parameters.flat.size, trained.curve["loss"]
        save_parameters(keep / file_name(task_name, rate, seed), trained.parameters)
        score, chosen = (score_model(trained.parameters, task, batch) for batch in (test, validation))
    else:
        from comparison_training import train_comparison

        settings = {"rate": rate, "seed": seed, "steps": longer * recipe.steps}
        settings |= {"batch_size": recipe.batch, "warm_up": recipe.warm_up, "clip": recipe.clip}
        answer, size, losses = train_comparison(model, task, like=recipe.model.size, **settings)
        seconds = time.process_time() - start
        score, chosen = (evaluate(task, answer(batch.inputs), batch) for batch in (test, validation))
    print(f"{task_name} {model} rate {rate:g} seed {seed}: {score} ({size} parameters, {seconds:.0f} s)", flush=True)
    row = {"task": task_name, "model": model, "rate": rate, "seed": seed, "parameters": size}
    row |= {"steps": longer * recipe.steps, "seconds": round(seconds, 1), "validation_kl": rounded(chosen.kl)}
    return row | facts(score) | {"curve": thinned(losses)}


def file_name(task: str, rate: float, seed: int) -> str:
    return f"{task}_{rate:g}_{seed}.npz"


def all_runs(task: str, model: str, done: list[dict[str, Any]]) -> Iterator[tuple[float, int]]:
    """Rates with seed 0, then the other seeds at the best rate; reads ``done`` as it grows."""
    yield from ((rate, SEEDS[0]) for rate in RATES)
    yield from ((best_rate(task, model, done), seed) for seed in SEEDS[1:])


def best_rate(task: str, model: str, done: list[dict[str, Any]]) -> float:
    swept = [row for row in done if (row["task"], row["model"], row["seed"]) == (task, model, SEEDS[0])]
    return min(swept, key=lambda row: row["validation_kl"])["rate"]


def ship(task_name: str, runs: list[dict[str, Any]], record: dict[str, Any], keep: Path) -> None:
    """Store the transformer of least validation KL, what it does inside, and how that came about in training."""
    mine = [row for row in runs if (row["task"], row["model"]) == (task_name, "transformer")]
    best = min(mine, key=lambda row: row["validation_kl"])
    chosen = {"rate": best["rate"], "seed": best["seed"], "steps": best["steps"]}
    if record.setdefault("shipped", {}).get(task_name, {}).get("chosen") == chosen:
        return
    task, file = TASKS[task_name], keep / file_name(task_name, best["rate"], best["seed"])
    every = max(1, best["steps"] // WATCHES)
    trained = train_transformer(  # once more, watched: the same seed gives the same weights
        task_name, seed=best["seed"], learning_rate=best["rate"], validate=watch(task_name), validate_every=every
    )
    if file.exists() and not np.array_equal(load_parameters(file).flat, trained.parameters.flat):
        print(f"{task_name}: trained again with the same seed, the weights differ", flush=True)
    parameters, test = trained.parameters.astype("float64"), evaluation_batch(task)
    in_double = score_model(parameters, task, test)
    p, q = (log_softmax(predict(one, test.inputs)) for one in (parameters, trained.parameters))
    record["shipped"][task_name] = {
        "chosen": chosen,
        **facts(in_double),
        "float32_against_float64": rounded(float(np.abs(np.exp(p) - np.exp(q)).max())),
    }
    shares = attention_shares(parameters, task, evaluation_batch(task, PROBED))
    probes = probe_by_layer(parameters, task)
    record.setdefault("insides", {})[task_name] = {
        "shares": [[rounded(x) if isinstance(x, float) else x for x in share] for share in shares],
        "probes": [[rounded(x) if isinstance(x, float) else x for x in probe] for probe in probes],
    }
    watched = {name: values for name, values in trained.curve.items() if name not in ("step", "loss")}
    record.setdefault("dynamics", {})[task_name] = {
        name: [rounded(float(x)) for x in values] for name, values in watched.items()
    }
    record.setdefault("baselines", {})[task_name] = baselines(task)
    save_parameters(experiment_path(weights_file("wind tunnel", task_name), new=True), trained.parameters, **chosen)
    print(f"{task_name}: ships {chosen}: {in_double}", flush=True)


def baselines(task: Task) -> dict[str, float]:
    """KL of saying nothing (uniform answers), and for recall the accuracy of the most frequent value."""
    test = evaluation_batch(task)
    found = {"uniform_kl": rounded(evaluate(task, np.zeros(test.posterior.shape), test).kl)}
    if isinstance(task, Recall):
        found["guess_accuracy"] = rounded(float((task.guess(test.inputs) == test.labels).mean()))
    return found


def write(record: dict[str, Any]) -> None:
    """The whole record, one run a line; moved into place, so that an interruption leaves a complete file."""
    lines = [json.dumps(row) for row in record["runs"]]
    head = json.dumps({key: value for key, value in record.items() if key != "runs"}, indent=1)
    text = head[:-2] + ',\n "runs": [\n  ' + ",\n  ".join(lines) + "\n ]\n}\n"
    new = RECORD.with_suffix(".new")
    new.write_text(text, encoding="utf-8")
    new.replace(RECORD)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--fresh", action="store_true", help="forget the runs of these tasks and models")
    parser.add_argument("--keep", type=Path, help="folder for the weights of every transformer")
    given = parser.parse_args()
    keep = given.keep or Path(tempfile.gettempdir()) / "bnt_wind_tunnels"
    keep.mkdir(parents=True, exist_ok=True)
    record: dict[str, Any] = json.loads(RECORD.read_text("utf-8")) if RECORD.exists() else {"runs": []}
    runs, longer = record.pop("runs"), record.setdefault("longer", [])
    if given.fresh:
        runs = [row for row in runs if row["task"] not in given.tasks or row["model"] not in given.models]
        for task in given.tasks if "transformer" in given.models else []:
            record.get("shipped", {}).pop(task, None)
        longer[:] = [row for row in longer if row["task"] not in given.tasks or row["model"] not in given.models]
    recipe = RECIPES["recall8"]  # batch, warm-up and clipping are the same in all
    record["settings"] = {"batch": recipe.batch, "warm_up": recipe.warm_up, "clip": recipe.clip}
    record["settings"] |= {"rates": RATES, "seeds": SEEDS}
    record["machine"] = machine()
    for task in given.tasks:
        for model in given.models:
            for rate, seed in all_runs(task, model, runs):
                asked = (task, model, rate, seed)
                if asked not in [(row["task"], row["model"], row["rate"], row["seed"]) for row in runs]:
                    runs.append(run(task, model, rate, seed, keep))
                    write({**record, "runs": runs})
            for times in LONGER.get((task, model), ()):
                if (task, model, times) not in [(row["task"], row["model"], row["longer"]) for row in longer]:
                    rate = best_rate(task, model, runs)
                    longer.append({"longer": times, **run(task, model, rate, SEEDS[0], keep, times)})
                    write({**record, "runs": runs})
            if model == "transformer":
                ship(task, runs, record, keep)
                write({**record, "runs": runs})


def machine() -> dict[str, str]:
    try:
        torch = importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        torch = "not installed"
    return {
        "processor": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch,
        "threads": "1",
    }


if __name__ == "__main__":
    main()
