"""A table in partitions gives what the table in memory gives, row by row."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bnt

dd = pytest.importorskip("dask.dataframe")


def rows(count: int, seed: int = 0) -> pd.DataFrame:
    """Evidence on asia's leaves and causes, a third of it missing, some of it impossible."""
    rng, graph = np.random.default_rng(seed), bnt.load_graph("asia")
    names = ["xray", "dysp", "smoke", "either", "lung"]
    return pd.DataFrame({name: rng.choice([*graph.variable(name).states, None], count) for name in names})


def flat(frame: pd.DataFrame) -> pd.DataFrame:
    frame.columns = [f"{name}={state}" for name, state in frame.columns]
    return frame


@pytest.mark.parametrize("options", [{}, {"method": "exact"}, {"mode": "max"}, {"rounds": 2, "damping": 0.1}])
def test_partitions_equal_the_table_in_memory(options: dict[str, object]) -> None:
    graph, table = bnt.load_graph("asia"), rows(203)
    whole = bnt.run_bp_batch(graph, table, **options)
    parts = bnt.run_bp_batch(graph, dd.from_pandas(table, npartitions=4), **options)
    assert len(parts) == 203
    pd.testing.assert_frame_equal(parts.to_frame().compute(scheduler="sync"), flat(whole.to_frame()))
    pd.testing.assert_frame_equal(parts.to_frame("lung", "bronc").compute(), flat(whole.to_frame("lung", "bronc")))
    assert parts.status.compute().tolist() == whole.status.tolist()
    assert "impossible" in whole.status


def test_parquet_goes_in_and_comes_out(tmp_path: Path) -> None:
    graph, table = bnt.load_graph("asia"), rows(90, seed=1)
    whole = flat(bnt.run_bp_batch(graph, table).to_frame("lung", "tub"))
    table.to_parquet(tmp_path / "one.parquet", row_group_size=20)
    dd.from_pandas(table.astype("category"), npartitions=12).to_parquet(tmp_path / "several")
    for name in ("one.parquet", "several"):
        bnt.run_bp_batch(graph, tmp_path / name).to_parquet(tmp_path / f"from_{name}", "lung", "tub")
        found = pd.read_parquet(tmp_path / f"from_{name}")
        assert found.pop("status").tolist() == bnt.run_bp_batch(graph, table).status.tolist()
        np.testing.assert_array_equal(found.to_numpy(), whole.to_numpy())
        assert list(found.columns) == list(whole.columns)
    assert len(list((tmp_path / "from_several").glob("*.parquet"))) == 12
    with pytest.raises(bnt.EvidenceError, match="new or empty folder"):
        bnt.run_bp_batch(graph, str(tmp_path / "several")).to_parquet(tmp_path / "from_several")


def test_what_is_wrong_is_told(tmp_path: Path) -> None:
    graph, table = bnt.load_graph("asia"), rows(10)
    with pytest.raises(bnt.UnknownVariableError, match="column 'smokes' of the evidence table"):
        bnt.run_bp_batch(graph, dd.from_pandas(table.rename(columns={"smoke": "smokes"}), npartitions=2))
    late = table.astype(object)
    late.loc[7, "xray"] = "perhaps"
    parts = bnt.run_bp_batch(graph, dd.from_pandas(late, npartitions=2))
    with pytest.raises(bnt.UnknownStateError, match="row 7, column 'xray' of the evidence table: 'perhaps'"):
        parts.to_frame("lung").compute(scheduler="sync")
    with pytest.raises(bnt.UnknownVariableError, match="'lungs' is no variable"):
        parts.to_frame("lungs")
    with pytest.raises(bnt.FormatError, match="no such file or folder"):
        bnt.run_bp_batch(graph, tmp_path / "nothing.parquet")
    (tmp_path / "text.parquet").write_text("smoke\nyes\n")
    with pytest.raises(bnt.FormatError, match=r"text\.parquet cannot be read as parquet"):
        bnt.run_bp_batch(graph, tmp_path / "text.parquet")
    with pytest.raises(bnt.BntError, match="method must be"):
        bnt.run_bp_batch(graph, dd.from_pandas(table, npartitions=2), method="both")


def test_without_dask_a_path_gets_one_sentence() -> None:
    code = (
        "import sys; sys.modules['dask'] = None\n"
        "import bnt\n"
        "try: bnt.run_bp_batch(bnt.load_graph('asia'), 'rows.parquet')\n"
        "except bnt.BntError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == 'a parquet file is read by dask, which is missing here: pip install "bnt[dask]"'


def test_the_page_has_the_figures_of_its_record() -> None:
    docs = Path(__file__).resolve().parents[2] / "docs"
    record, page = json.loads((docs / "large_tables.json").read_text()), (docs / "large_tables.md").read_text()
    for part in (record["tenth"], record["whole"]):
        cells = [f"{part['rows']:,}", f"{part['cpu']:.1f}", f"{part['peak_mb']:.0f} MB", f"{part['before_mb']:.0f} MB"]
        assert f"| {' | '.join(cells)} |" in page
    more = record["whole"]["peak_mb"] - record["tenth"]["peak_mb"]
    assert f"Ten times the rows take {more:.0f} MB more" in page
    assert f"On the {record['compared']['rows']:,} rows" in page
    assert record["compared"]["largest difference"] == 0.0
    assert f"{record['evidence']['columns']} of its 37 variables" in page


@pytest.mark.parametrize("index", ["letters", "numbers", "default", "named"])
def test_the_index_comes_back_named_or_not(tmp_path: Path, index: str) -> None:
    graph, table = bnt.load_graph("asia"), rows(30, seed=2)
    table.index = {
        "letters": pd.Index([f"patient {i:02d}" for i in range(30)]),
        "numbers": pd.Index(range(100, 160, 2)),
        "default": pd.RangeIndex(30),
        "named": pd.Index(range(30), name="patient"),
    }[index]
    bnt.run_bp_batch(graph, dd.from_pandas(table, npartitions=3)).to_parquet(tmp_path / "out", "lung")
    found = pd.read_parquet(tmp_path / "out")
    assert found.index.tolist() == table.index.tolist()
    assert found.index.name == table.index.name
    assert list(found.columns) == ["lung=yes", "lung=no", "status"]
    again = dd.read_parquet(tmp_path / "out").compute()
    assert again.index.tolist() == table.index.tolist()
    whole = bnt.run_bp_batch(graph, table)
    np.testing.assert_array_equal(found[["lung=yes", "lung=no"]].to_numpy(), whole.vector("lung"))


def test_a_card_says_what_is_asked_and_computes_nothing() -> None:
    graph, table = bnt.load_graph("asia"), rows(40)
    lazy = dd.from_pandas(table, npartitions=4)
    parts = bnt.run_bp_batch(graph, lazy.map_partitions(fails, meta=table))
    html = parts._repr_html_()
    assert "4 partitions, evidence on 5 variables of 8; nothing is computed yet" in html
    assert "<td" in html
    assert "xray" in html
    assert "asia" not in html
    with pytest.raises(ZeroDivisionError):
        parts.to_frame().compute(scheduler="sync")


def fails(part: pd.DataFrame) -> pd.DataFrame:
    """A partition that must not be read."""
    raise ZeroDivisionError(len(part))
