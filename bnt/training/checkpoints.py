"""Parameters and whole training states in .npz files, written atomically: a file is complete or not there."""

from __future__ import annotations

import dataclasses
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from bnt.errors import BntError, FormatError
from bnt.training.parameters import PRECISIONS, Parameters, TransformerConfig


def save_parameters(path: str | Path, parameters: Parameters, *, precision: str | None = None, **facts: Any) -> None:
    """Write parameters, their config and any ``facts`` (JSON values: scores, seeds, seconds) to an .npz file.

    precision: "float32" halves the file and rounds the numbers; None keeps them as they are. Raises BntError.
    """
    precision = precision or parameters.flat.dtype.name
    if precision not in PRECISIONS:
        raise BntError(f"precision must be one of {', '.join(PRECISIONS)}, not {precision!r}")
    write_arrays(path, {"flat": parameters.flat.astype(precision)}, {"config": describe(parameters), "facts": facts})


def load_parameters(path: str | Path, precision: str | None = None) -> Parameters:
    """Parameters from ``save_parameters`` or from a checkpoint; ``precision`` None: as stored. Raises FormatError."""
    arrays, told = read_arrays(path)
    try:
        parameters = Parameters(TransformerConfig(**told["config"]), arrays["flat"])
    except (KeyError, TypeError, BntError) as error:
        raise FormatError(f"{path} holds no parameters of this version: {error}") from None
    return parameters.astype(precision) if precision else parameters


def load_facts(path: str | Path) -> dict[str, Any]:
    """The facts that ``save_parameters`` was given."""
    return dict(read_arrays(path)[1].get("facts", {}))


def describe(parameters: Parameters) -> dict[str, Any]:
    """The config as JSON values."""
    return dataclasses.asdict(parameters.config)


def write_arrays(path: str | Path, arrays: dict[str, Any], told: dict[str, Any]) -> None:
    """Arrays and JSON facts into one .npz: written beside the target, then moved onto it. Raises BntError."""
    path = Path(path)
    if not path.parent.is_dir():
        raise BntError(f"there is no folder {path.parent} to write {path.name} into")
    try:
        text = json.dumps(told)
    except TypeError as error:
        raise BntError(f"facts must be JSON values (text, numbers, lists, dicts): {error}") from None
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("wb") as file:
            np.savez_compressed(file, told=np.array(text), **arrays)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def read_arrays(path: str | Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arrays and facts of ``write_arrays``. Raises FormatError for any other file."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file.items())
        told = json.loads(str(arrays.pop("told")))
    except FileNotFoundError:
        raise BntError(f"there is no file {path}") from None
    except (OSError, ValueError, KeyError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise FormatError(f"{path} is no file of parameters or no complete one: {error}") from None
    return arrays, told
