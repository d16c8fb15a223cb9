"""The table of readers: every form of a table, and a foreign one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from data.bad_tables import clean

from forecast.data.formats.opened import Opened
from forecast.data.formats.readers import READERS, Reader
from forecast.data.load import load_panel
from forecast.data.panel import Columns
from forecast.errors import DataError


def test_endings_are_lower_case_and_belong_to_one_reader():
    endings = [ending for reader in READERS.values() for ending in reader.endings]
    assert len(endings) == len(set(endings))
    assert all(ending.startswith(".") and ending == ending.lower() for ending in endings)


@pytest.mark.parametrize("name", [name for name, reader in READERS.items() if reader.endings])
def test_an_unknown_ending_names_every_known_one(name, tmp_path):
    (tmp_path / "table.doc").write_text("x")
    with pytest.raises(DataError, match=r"table.doc ends in '.doc'. Expected one of") as caught:
        load_panel(tmp_path / "table.doc")
    assert all(ending in str(caught.value) for ending in READERS[name].endings)


@pytest.mark.parametrize("name", [name for name, reader in READERS.items() if reader.endings])
def test_a_damaged_file_is_named_in_one_line(name, tmp_path):
    for ending in READERS[name].endings:
        path = tmp_path / f"table{ending}"
        path.write_bytes(b"\x00\x01\x02" * 100)
        with pytest.raises(DataError) as caught:
            load_panel(path)
        assert path.name in str(caught.value)
        assert "\n" not in str(caught.value)


class Ledger:
    """A foreign kind of table."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame


def open_ledger(given, _columns, _written):
    def read(wanted):
        return {name: pa.chunked_array([pa.array(given.frame[name])]) for name in wanted}

    return Opened(tuple(given.frame.columns), read)


def test_a_foreign_reader_needs_one_entry(monkeypatch, tmp_path):
    with pytest.raises(DataError, match="of type Ledger"):
        load_panel(Ledger(clean()))
    entry = Reader(open_ledger, takes=lambda given: isinstance(given, Ledger))
    monkeypatch.setitem(READERS, "ledger", entry)
    panel = load_panel(Ledger(clean()))
    assert np.array_equal(panel.values[:, 0], clean()["y"])
    with pytest.raises(DataError, match="there is no column 'day'"):
        load_panel(Ledger(clean()), Columns(time_col="day"))

    def open_pipes(path, columns, written):
        return READERS["frame"].open(pd.read_csv(path, sep="|"), columns, written)

    monkeypatch.setitem(READERS, "pipes", Reader(open_pipes, endings=(".pipes",)))
    clean().to_csv(tmp_path / "table.pipes", sep="|", index=False)
    assert np.array_equal(load_panel(tmp_path / "table.pipes").values[:, 0], clean()["y"])
