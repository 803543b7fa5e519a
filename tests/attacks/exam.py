"""The exercise that every attack is handed in for: two questions, five points."""

import json
from pathlib import Path

from bnt.grading.author import answer, check, locked, prose, seed, write_source
from bnt.grading.source import Source, read_source
from bnt.grading.versions import exercise

DOUBLE = "def double(x):\n    return 2 * np.asarray(x)"
BELIEF = "def belief(psi):\n    joint = np.asarray(psi, dtype=float)\n    return joint.sum(axis=1) / joint.sum()"
SEED = 424243  # of the grader; learners know the one in the source

CELLS = [
    prose("title", "# Two functions"),
    locked("setup", "import numpy as np\nimport bnt\nfrom bnt.exercise import attempt"),
    answer("double", DOUBLE.replace("    return", "    ### BEGIN SOLUTION\n    return") + "\n    ### END SOLUTION"),
    check("check-double", 1, 'with attempt():\n    print("double", double([1, 2]))'),
    answer("belief", BELIEF.replace("    joint", "    ### BEGIN SOLUTION\n    joint", 1) + "\n    ### END SOLUTION"),
    seed(1),
    check(
        "hidden-double",
        2,
        "rng = np.random.default_rng(seed)\nwith attempt():\n    print(double(rng.integers(100, 999, 6)))",
        hidden=True,
    ),
    check(
        "hidden-belief",
        2,
        "rng = np.random.default_rng(seed)\nwith attempt():\n    print(np.round(belief(rng.uniform(1, 9, (3, 2))), 6))",
        hidden=True,
    ),
]


def write_exam(folder: Path) -> Source:
    """The source notebook in ``folder``."""
    return read_source(
        write_source(folder / "exam.ipynb", CELLS, allowed_imports=["numpy", "threading.Event", "bnt.Variable"])
    )


def submission(source: Source, **answers: str) -> dict:
    """The released notebook with these answers (dashes in ids written as underscores)."""
    notebook = json.loads(json.dumps(exercise(source)))
    for name, text in {"double": DOUBLE, "belief": BELIEF, **answers}.items():
        for cell in notebook["cells"]:
            if cell["id"] == name.replace("_", "-"):
                cell["source"] = text
    return notebook
