"""Results of the programs in experiments/, which take minutes: stored inside the package, so that lessons find them.

Each program in ``experiments/`` writes files into ``bnt/data/`` whose names begin with the first word of its own:
``.json`` for results, ``.npz`` for trained weights. Nothing here computes; to check a number, run the program again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bnt.errors import BntError, valid_names

FOLDER = Path(__file__).parent / "data"


def load_experiment(name: str) -> Any:
    """The results ``NAME.json`` of an experiment. Raises BntError listing what is stored."""
    return json.loads(experiment_path(f"{name}.json").read_text(encoding="utf-8"))


def experiment_path(file: str, *, new: bool = False) -> Path:
    """Where a result is stored, such as ``"hallucination.json"``; ``new``: a program is about to write it.

    Raises BntError listing what is stored.
    """
    path = FOLDER / file
    if not new and not path.is_file():
        stored = sorted(one.name for one in FOLDER.iterdir() if one.suffix in (".json", ".npz"))
        raise BntError(f"no experiment has stored {file!r}; {valid_names(stored, file)}")
    return path
