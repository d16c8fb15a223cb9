"""The table of readers: every form of a table, and a foreign one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from data.bad_tables import clean

from forecast.data.formats import arrow_tables, delimited, excel, tsf
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


OPENINGS = {
    "a.csv": (delimited, "inspect_text"),
    "a.xlsx": (excel, "_open_workbook"),
    "a.tsf": (tsf, "_read_file"),
    "a.jsonl": (arrow_tables.pyarrow.json, "read_json"),
    "across.csv": (delimited, "inspect_text"),
}


@pytest.mark.parametrize("name", OPENINGS)
def test_a_file_is_opened_once_whatever_its_roles(name, tmp_path, monkeypatch):
    path = tmp_path / name
    days = pd.date_range("2024-01-01", periods=30).strftime("%Y-%m-%d")
    shops = [f"0{shop}" for shop in (1, 2) for _ in days]
    sales = np.arange(60.0) ** 2 % 37 + 0.5
    table = pd.DataFrame({"shop": shops, "day": [*days, *days], "sales": sales})
    if name == "across.csv":
        table.pivot(index="shop", columns="day", values="sales").to_csv(path)
    elif name == "a.csv":
        table.to_csv(path, index=False)
    elif name == "a.xlsx":
        table.to_excel(path, index=False)
    elif name == "a.jsonl":
        table.to_json(path, orient="records", lines=True)
    else:
        lines = ["@attribute series_name string", "@attribute start_timestamp date"]
        lines += ["@frequency daily", "@data"]
        values = ",".join(map(str, range(30)))
        path.write_text(
            "\n".join([*lines, *(f"0{n}:2024-01-01 00-00-00:{values}" for n in (1, 2))])
        )
    module, function = OPENINGS[name]
    plain = getattr(module, function)
    calls = []

    def counted(*args, **kwargs):
        calls.append(args)
        return plain(*args, **kwargs)

    monkeypatch.setattr(module, function, counted)
    panel = load_panel(path)
    assert len(calls) == 1
    assert [str(name) for name in panel.series_ids] == ["01", "02"], "zeros stay"
    assert panel.num_rows == 60


def test_columns_that_were_read_for_the_roles_are_not_read_again(tmp_path, monkeypatch):
    table = clean().assign(shop="north", price=2.0).rename(columns={"ds": "day", "y": "sales"})
    table.to_csv(tmp_path / "a.csv", index=False)
    parsed = []
    plain = delimited._parse

    def noted(file, wanted, *rest):
        parsed.append(list(wanted))
        return plain(file, wanted, *rest)

    monkeypatch.setattr(delimited, "_parse", noted)
    columns = Columns(target_cols=("sales",), known_covariates=("price",))
    panel = load_panel(tmp_path / "a.csv", columns)
    assert np.array_equal(panel.values[:, 0], clean()["y"])
    assert len(parsed) == 1
    assert {"day", "sales", "price", "shop"} <= set(parsed[0])
    assert len(set(parsed[0])) == len(parsed[0])


def test_a_folder_is_not_proposed_in_the_place_of_a_file(tmp_path):
    (tmp_path / "sale").mkdir()
    with pytest.raises(DataError, match="there is no file") as error:
        load_panel(tmp_path / "sales.csv")
    assert "did you mean" not in str(error.value)
    (tmp_path / "sale.csv").write_text("ds,y\n")
    with pytest.raises(DataError, match=r"did you mean 'sale\.csv'"):
        load_panel(tmp_path / "sales.csv")
