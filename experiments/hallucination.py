"""Who hallucinates, and does size help? Writes bnt/data/hallucination.json. About ten minutes on one core.

    python experiments/hallucination.py

Five systems on the same questions, for five random worlds; the off-concept error of networks that know a concept by
its name against width, depth and data; and of networks that read a concept's description, against training concepts.
"""

import json

import numpy as np

from bnt.knowledge.hallucination import demonstrate, error_against_size, error_of_described
from bnt.stored import experiment_path

WORLDS = range(5)


def main() -> None:
    by_world = [demonstrate(seed) for seed in WORLDS]
    systems = []
    for rows in zip(*by_world, strict=True):
        values = {
            "error_on": [row.error_on for row in rows],
            "error_off": [row.error_off for row in rows],
            "ece_on": [row.calibration_on.ece for row in rows],
            "ece_off": [row.calibration_off.ece for row in rows],
            "sharpness_on": [row.calibration_on.sharpness for row in rows],
            "sharpness_off": [row.calibration_off.sharpness for row in rows],
        }
        systems.append({"name": rows[0].name, **{key: float(np.mean(several)) for key, several in values.items()}})
        print(systems[-1])
    sizes = [(width, depth, 20_000) for width in (4, 16, 64, 256) for depth in (1, 2, 3)]
    sizes += [(64, 2, cases) for cases in (200, 2_000, 200_000)]
    by_name, described = [], []
    for width, depth, cases in sizes:
        worlds = [error_against_size(width, depth, cases, seed) for seed in WORLDS[:3]]
        on, off = (float(np.mean([getattr(one, key) for one in worlds])) for key in ("error_on", "error_off"))
        by_name.append({"width": width, "depth": depth, "cases": cases, "error_on": on, "error_off": off})
        print(by_name[-1], flush=True)
    for concepts in (4, 16, 64, 256):
        worlds = [error_of_described(32, 2, concepts, seed) for seed in WORLDS[:2]]
        on, off = (float(np.mean([getattr(one, key) for one in worlds])) for key in ("error_on", "error_off"))
        described.append({"width": 32, "depth": 2, "concepts": concepts, "error_on": on, "error_off": off})
        print(described[-1], flush=True)
    found = {"systems": systems, "by_name": by_name, "described": described}
    path = experiment_path("hallucination.json", new=True)
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
