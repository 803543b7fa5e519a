"""Three hundred made-up lemon trees for lesson 20. Writes bnt/data/lemon_trees.json in a second.

    python experiments/lemon_trees.py

A network of eight yes/no variables with tables chosen by hand, and 300 trees drawn from it. The lesson learns its
tables from the trees alone; the tables that drew them are stored too, so that it can say how far off it is.
"""

import itertools
import json

import numpy as np

from bnt.stored import experiment_path

ARROWS = {
    "forgets": [],
    "sunny": [],
    "dry_soil": ["forgets", "sunny"],
    "flies": ["forgets"],
    "mites": ["sunny"],
    "yellow": ["dry_soil", "mites"],
    "drooping": ["dry_soil", "flies"],
    "spots": ["mites", "flies"],
}
# P(yes), the first parent varying slowest: (no, no), (no, yes), (yes, no), (yes, yes)
TABLES = {
    "forgets": [0.4],
    "sunny": [0.5],
    "dry_soil": [0.1, 0.35, 0.6, 0.9],
    "flies": [0.45, 0.1],
    "mites": [0.1, 0.3],
    "yellow": [0.05, 0.6, 0.4, 0.8],
    "drooping": [0.05, 0.5, 0.7, 0.85],
    "spots": [0.02, 0.3, 0.7, 0.8],
}
TREES, SEED = 300, 1


def joint() -> np.ndarray:
    """All 256 probabilities, one axis per variable."""
    names = list(ARROWS)
    found = np.ones([2] * len(names))
    for states in itertools.product((0, 1), repeat=len(names)):
        at = dict(zip(names, states, strict=True))
        for child, parents in ARROWS.items():
            row = int("".join(str(at[parent]) for parent in parents) or "0", 2)
            yes = TABLES[child][row]
            found[states] *= yes if at[child] else 1 - yes
    return found


def main() -> None:
    p = joint()
    drawn = np.random.default_rng(SEED).choice(p.size, TREES, p=p.ravel())
    rows = np.stack(np.unravel_index(drawn, p.shape), axis=1)
    hangs = p[..., 0, 1, 0]  # of the question in the lesson: not yellow, drooping, no spots
    dry = hangs.sum(axis=(0, 1, 3, 4))
    found = {
        "arrows": ARROWS,
        "true_tables": TABLES,
        "true_answer": float(dry[1] / dry.sum()),
        "trees": ["".join(map(str, row)) for row in rows.tolist()],
    }
    lines = ",\n".join(f" {json.dumps(key)}: {json.dumps(value)}" for key, value in found.items())
    experiment_path("lemon_trees.json", new=True).write_text("{\n" + lines + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
