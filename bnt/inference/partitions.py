"""``run_bp_batch`` on a table larger than memory: a dask DataFrame or parquet files, partition by partition.

Every partition is answered as a table of its own, so the answers are those of the table as a whole, and memory holds
the partitions that are worked on, one for each of dask's threads or workers. Needs the extra ``bnt[dask]``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bnt.display import card, counted
from bnt.errors import BntError, EvidenceError, FormatError
from bnt.graph.factor_graph import FactorGraph

if TYPE_CHECKING:
    import pandas
    from dask.dataframe import DataFrame, Series

STATUS = "status"  # the last column that to_parquet writes
Answer = Callable[[FactorGraph, "pandas.DataFrame"], Any]  # a BatchResult


class PartitionedBatch:
    """Posteriors of a table in partitions; nothing is computed before it is asked for.

    ``to_parquet`` answers every row once and writes what was asked about. ``to_frame`` and ``status`` are lazy dask
    collections, and each computation of one runs inference anew. Columns are named "variable=state".
    Errors of a row (UnknownStateError and the like) are raised when its partition is computed.
    """

    def __init__(self, graph: FactorGraph, table: DataFrame, answer: Answer):
        self.graph, self.table, self._answer = graph, table, answer

    def to_frame(self, *names: str) -> DataFrame:
        """Posteriors as a lazy dask DataFrame; by default all variables. Raises UnknownVariableError."""
        return self._mapped(_posteriors, self._wanted(names))

    @property
    def status(self) -> Series:
        """The status of every row, as in BatchResult, a lazy dask Series."""
        return self._mapped(_statuses, ())

    def to_parquet(self, folder: str | os.PathLike[str], *names: str) -> None:
        """Write posteriors and status, one file for each partition, into a new or empty folder.

        The table's index, named or not, is kept in the files: pandas.read_parquet gives it back. A progress bar shows
        partitions on a terminal. Raises EvidenceError for a folder with files in it.
        """
        import dask
        from tqdm.dask import TqdmCallback

        target = Path(folder)
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise EvidenceError(f"{str(target)!r} is there already; answers are written to a new or empty folder")
        whole = self._mapped(_both, self._wanted(names))
        target.mkdir(parents=True, exist_ok=True)
        write = dask.delayed(_write)  # pandas writes each file: dask itself gives an index without a name another one
        parts = [write(part, target / _file_name(number)) for number, part in enumerate(whole.to_delayed())]
        with TqdmCallback(desc="run_bp_batch", unit=" tasks", delay=1, leave=False, disable=None):
            dask.compute(*parts)

    def __len__(self) -> int:
        return len(self.table)

    def _repr_html_(self) -> str:
        """What is asked, without computing anything."""
        evidence = ((name, ", ".join(self.graph.variable(name).states)) for name in self.table.columns)
        count = len(self.table.columns)
        line = f"{counted(self.table.npartitions, 'partition')}, evidence on {counted(count, 'variable')} "
        line += f"of {self.graph.n_variables:,}; nothing is computed yet"
        note = "to_parquet(folder) answers every row once; to_frame() and status are lazy"
        return card(
            "PartitionedBatch", line, ("column", "states"), evidence, total=count, things="columns", notes=[note]
        )

    def __repr__(self) -> str:
        return f"<PartitionedBatch: {self.table.npartitions} partitions, {self.graph!r}>"

    def _wanted(self, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            self.graph.position(name)
        return names or tuple(self.graph.index)

    def _mapped(self, part: Callable[..., Any], names: tuple[str, ...]) -> Any:
        meta = part(self.table._meta, self.graph, self._answer, names)
        return self.table.map_partitions(part, self.graph, self._answer, names, meta=meta)


def _file_name(number: int) -> str:
    return f"part.{number:06d}.parquet"  # so that whoever sorts by name has the table's order


def _write(part: pandas.DataFrame, path: Path) -> None:
    part.to_parquet(path, index=True)


def is_partitioned(table: Any) -> bool:
    """A dask DataFrame, or the path of a parquet file or folder?"""
    return isinstance(table, (str, os.PathLike)) or (hasattr(table, "map_partitions") and hasattr(table, "columns"))


def partitioned(table: Any) -> DataFrame:
    """The dask DataFrame itself, or that of the path. Raises BntError without dask, FormatError for an unfit path."""
    if not isinstance(table, (str, os.PathLike)):
        return table
    try:
        import dask.dataframe
    except ImportError:
        raise BntError('a parquet file is read by dask, which is missing here: pip install "bnt[dask]"') from None
    path = Path(table)
    if not path.exists():
        raise FormatError(f"{path}: no such file or folder; an evidence table on disk is parquet")
    try:
        return dask.dataframe.read_parquet(path)
    except Exception as error:  # of pyarrow, which has no common class for what is no parquet file
        raise FormatError(f"{path} cannot be read as parquet: {str(error).splitlines()[0]}") from None


def _posteriors(part: pandas.DataFrame, graph: FactorGraph, answer: Answer, names: tuple[str, ...]) -> pandas.DataFrame:
    return _frame(answer(graph, part), names)


def _statuses(part: pandas.DataFrame, graph: FactorGraph, answer: Answer, names: tuple[str, ...]) -> pandas.Series:
    import pandas

    return pandas.Series(answer(graph, part).status.astype(object), index=part.index, name=STATUS, dtype="str")


def _both(part: pandas.DataFrame, graph: FactorGraph, answer: Answer, names: tuple[str, ...]) -> pandas.DataFrame:
    import pandas

    found = answer(graph, part)
    frame = _frame(found, names)
    frame[STATUS] = pandas.Series(found.status.astype(object), index=part.index, dtype="str")
    return frame


def _frame(found: Any, names: tuple[str, ...]) -> pandas.DataFrame:
    frame: pandas.DataFrame = found.to_frame(*names)
    frame.columns = [f"{name}={state}" for name, state in frame.columns]
    return frame.astype(np.float64)
