"""A table split into files of whole series: no row lost, none changed, equal ids in one part."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from pathlib import Path

import pandas as pd
import pyarrow.parquet
import pytest
from cluster.stations import daily

from forecast.cli import main
from forecast.cluster.part_rows import part_of
from forecast.cluster.split_table import split_table
from forecast.data.findings import BadTableError
from forecast.errors import DataError, OutputError
from forecast.experiment.settings import DataConfig

MIXED = (
    "id;when;what;value\n"
    '007;01.02.2026;"a;b";1,5\n'
    '7;01.02.2026;"say ""no""";2\n'
    "Zürich;01.02.2026;;-\n"
    '007;02.02.2026;"two\nlines";NA\n'
)


def rows_in(path: Path, encoding: str = "utf-8", separator: str = ",") -> list[list[str]]:
    with path.open(encoding=encoding, newline="") as file:
        return list(csv.reader(file, delimiter=separator))


def test_the_part_is_the_crc_32_of_the_name() -> None:
    check_value = 0xCBF43926  # of "123456789", as the definition of CRC-32 gives it
    assert part_of("123456789", 1000) == check_value % 1000
    assert part_of(123456789, 1000) == check_value % 1000
    assert part_of(123456789.0, 7) == check_value % 7


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-8-sig"])
def test_cells_of_a_text_file_stay_as_they_are(tmp_path: Path, encoding: str) -> None:
    source = tmp_path / "mixed.csv"
    source.write_text(MIXED, encoding=encoding, newline="")
    data = DataConfig(id_col="id", encoding=encoding)
    files = split_table(source, data, num_parts=50, output=tmp_path / "parts")
    header, *rows = rows_in(source, encoding, ";")
    by_id = defaultdict(list)
    for row in rows:
        by_id[row[0]].append(row)
    assert len(files) == len(by_id) == 3
    for file in files:
        first, *found = rows_in(tmp_path / "parts" / file.name, encoding, ";")
        assert first == header
        assert found == by_id.pop(found[0][0])
        assert len(found) == file.num_rows
    assert not by_id


def test_parquet_keeps_types_and_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forecast.cluster.part_files._BYTES_AT_ONCE", 1)  # many pieces
    monkeypatch.setattr("forecast.data.formats.row_batches._ROWS", 100)
    table = daily(30).sort_values(["day", "store"], ignore_index=True)
    table.to_parquet(tmp_path / "t.parquet")
    files = split_table(
        tmp_path / "t.parquet", DataConfig(id_col="store"), num_parts=4, output=tmp_path / "parts"
    )
    schema = pyarrow.parquet.read_schema(tmp_path / "t.parquet").remove_metadata()
    found = []
    for file in files:
        path = tmp_path / "parts" / file.name
        assert pyarrow.parquet.read_schema(path).equals(schema)
        part = pd.read_parquet(path)
        assert {part_of(store, 4) for store in part["store"].unique()} == {file.number}
        assert part["day"].is_monotonic_increasing
        found.append(part)
    together = pd.concat(found).sort_values(["day", "store"], ignore_index=True)
    pd.testing.assert_frame_equal(together, table)


def test_other_tables_of_the_series_are_split_alike(tmp_path: Path) -> None:
    ids = [3, 17, 200, 4_000]
    history = pd.DataFrame({"shop": ids, "item": "a", "ds": "2026-01-01", "y": 1.0})
    history.to_parquet(tmp_path / "history.parquet")
    later = pd.DataFrame({"item": "a", "shop": [float(i) for i in [*ids, 99]], "promo": 1})
    later.to_csv(tmp_path / "known.csv", index=False)
    data = DataConfig(id_col="shop,item")
    files = split_table(
        tmp_path / "history.parquet",
        data,
        num_parts=100,
        known=tmp_path / "known.csv",
        output=tmp_path / "parts",
    )
    for file in files:
        shops = pd.read_parquet(tmp_path / "parts" / file.name)["shop"].tolist()
        assert pd.read_csv(tmp_path / "parts" / str(file.known))["shop"].tolist() == shops
    assert len(list((tmp_path / "parts").glob("known-*"))) == len(files)


def test_the_same_table_gives_the_same_bytes(tmp_path: Path) -> None:
    daily(20).to_csv(tmp_path / "t.csv", index=False)
    contents = []
    for output in ("one", "two"):
        data = DataConfig(id_col="store")
        split_table(tmp_path / "t.csv", data, num_parts=3, output=tmp_path / output)
        contents.append({path.name: path.read_bytes() for path in (tmp_path / output).iterdir()})
    assert contents[0] == contents[1]


def test_a_table_without_ids_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    daily(2).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataError, match=r"no column 'unique_id'.*'store', 'day', 'sales'"):
        split_table(tmp_path / "t.csv", DataConfig(), num_parts=3, output=tmp_path / "parts")
    (tmp_path / "ragged.csv").write_text("store,y\na,1\nb,2,3\n")
    with pytest.raises(BadTableError, match=r"line 3 of ragged\.csv has 3 fields"):
        split_table(
            tmp_path / "ragged.csv", DataConfig(id_col="store"), num_parts=3, output=tmp_path / "p"
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ragged.csv", "t.csv"]


def test_files_of_others_stay(tmp_path: Path) -> None:
    daily(2).to_csv(tmp_path / "t.csv", index=False)
    folder = tmp_path / "parts"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"mine\.txt"):
        split_table(tmp_path / "t.csv", DataConfig(id_col="store"), num_parts=2, output=folder)
    (folder / "mine.txt").unlink()
    for parts in (5, 2):  # an earlier split is replaced
        split_table(tmp_path / "t.csv", DataConfig(id_col="store"), num_parts=parts, output=folder)
    assert json.loads((folder / "parts.json").read_text())["parts"] == 2


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    daily(9).to_csv(tmp_path / "t.csv", index=False)
    output = tmp_path / "parts"
    command = ["split", str(tmp_path / "t.csv"), "--parts", "4", "--output", str(output)]
    assert main(command) == 2
    assert "name the column of ids as --id COLUMN" in capsys.readouterr().err
    assert main([*command, "--id", "store"]) == 0
    assert "540 rows in 4 parts" in capsys.readouterr().out
