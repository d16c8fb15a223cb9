"""Many rows: time and memory grow with the table and stay within bounds."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

LOAD = """
import resource, sys
from forecast.data.load import load_panel
panel = load_panel(sys.argv[1])
unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
print(panel.num_series, panel.num_rows, panel.values.sum(), peak)
"""


def write(path, series, rows):
    """A table of series by the minute, all of one length."""
    names = pa.array([f"series_{number}" for number in range(series)])
    ids = pa.DictionaryArray.from_arrays(
        np.repeat(np.arange(series, dtype=np.int32), rows // series), names
    )
    stamps = np.tile(
        np.datetime64("1990-01-01", "s") + np.arange(rows // series) * np.timedelta64(60, "s"),
        series,
    )
    values = np.arange(rows) % 1000 / 8
    table = pa.table({"unique_id": ids.cast(pa.string()), "ds": stamps, "y": values})
    pa.csv.write_csv(table, path) if path.suffix == ".csv" else pa.parquet.write_table(table, path)
    return values.sum()


def load(path):
    """Number of series and rows, their sum, and the bytes a fresh process needed at most."""
    done = subprocess.run(
        [sys.executable, "-c", LOAD, path], check=True, capture_output=True, text=True
    )
    series, rows, total, peak = done.stdout.split()
    return int(series), int(rows), float(total), int(peak)


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_memory_per_row(suffix, tmp_path):
    total = write(tmp_path / f"large{suffix}", 1000, 1_000_000)
    write(tmp_path / f"small{suffix}", 1000, 10_000)
    least = load(tmp_path / f"small{suffix}")[3]
    found = load(tmp_path / f"large{suffix}")
    assert found[:3] == (1000, 1_000_000, total)
    assert (found[3] - least) / 1_000_000 < 135  # bytes per row: ten million stay below 1.5 GB


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
@pytest.mark.parametrize("series", [1, 10_000])
def test_ten_million_rows(series, suffix, tmp_path):
    total = write(tmp_path / f"table{suffix}", series, 10_000_000)
    found = load(tmp_path / f"table{suffix}")
    assert found[:3] == (series, 10_000_000, total)
    assert found[3] < 1.5e9
