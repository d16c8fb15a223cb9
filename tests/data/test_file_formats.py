"""JSON lines, Arrow files and standard input, compared with the frame of the same table."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import pty
import subprocess
import sys
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.ipc
import pytest
from data.bad_tables import clean

from forecast.cli import main
from forecast.data.load import load_panel
from forecast.errors import DataError


def two():
    return pd.concat(
        [clean(rows=30).assign(unique_id=name, promo=True) for name in ("b", "a")],
        ignore_index=True,
    )


def same(panel, other):
    assert list(panel.series_ids) == list(other.series_ids)
    assert panel.freq == other.freq
    assert np.array_equal(panel.timestamps, other.timestamps)
    # pandas writes JSON with 15 digits
    np.testing.assert_allclose(panel.values, other.values, rtol=1e-14)


def write_stream(frame, path):
    table = pa.Table.from_pandas(frame)
    with pyarrow.ipc.new_stream(str(path), table.schema) as writer:
        writer.write_table(table)


WRITERS = {
    "a.feather": lambda frame, path: frame.to_feather(path),
    "lz4.feather": lambda frame, path: pyarrow.feather.write_feather(frame, path, "lz4"),
    "plain.arrow": lambda frame, path: pyarrow.feather.write_feather(frame, path, "uncompressed"),
    "stream.arrow": write_stream,
    "stream.IPC": write_stream,
    "a.jsonl": lambda frame, path: frame.to_json(
        path, orient="records", lines=True, date_format="iso", double_precision=15
    ),
    "a.ndjson": lambda frame, path: path.write_text(
        "\n".join(json.dumps(row) for row in frame.astype({"ds": str}).to_dict("records"))
    ),
    "a.jsonl.gz": lambda frame, path: path.write_bytes(
        gzip.compress(frame.to_json(orient="records", lines=True, date_format="iso",
                                    double_precision=15).encode())
    ),
}  # fmt: skip


def zipped(name, text):
    """Return a zip archive with one table, and what macOS adds to it."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("folder/", "")
        archive.writestr(f"folder/{name}", text)
        archive.writestr(f"__MACOSX/folder/._{name}", "\0")
    return written.getvalue()


COMPRESSED = {
    "a.csv.gz": lambda text: gzip.compress(text.encode()),
    "a.CSV.GZ": lambda text: gzip.compress(text.encode()),
    "a.csv.bz2": lambda text: bz2.compress(text.encode()),
    "a.tsv.xz": lambda text: lzma.compress(text.replace(",", "\t").encode()),
    "a.csv.zip": lambda text: zipped("a.csv", text),
    "a.zip": lambda text: zipped("b.csv", text),
}


@pytest.mark.parametrize("name", COMPRESSED)
def test_a_compressed_file_equals_the_plain_one(name, tmp_path):
    frame = two()
    (tmp_path / "plain.csv").write_text(frame.to_csv(index=False))
    (tmp_path / name).write_bytes(COMPRESSED[name](frame.to_csv(index=False)))
    same(load_panel(tmp_path / name), load_panel(tmp_path / "plain.csv"))


@pytest.mark.parametrize("name", COMPRESSED)
def test_a_cut_or_foreign_file_is_refused_by_name(name, tmp_path):
    whole = COMPRESSED[name](two().to_csv(index=False))
    for content in (whole[: len(whole) // 2], b"unique_id,ds,y\na,2020-01-01,1\n"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=rf"{name} cannot be decompressed .*copy it again"):
            load_panel(tmp_path / name)


def test_an_archive_of_several_tables_is_refused_with_their_names(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("one.csv", "ds,y")
        archive.writestr("two.csv", "ds,y")
    with pytest.raises(DataError, match=r"it has 2 files, expected one: one\.csv, two\.csv"):
        load_panel(tmp_path / "a.zip")


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_equals_its_frame(name, tmp_path):
    WRITERS[name](two(), tmp_path / name)
    panel = load_panel(tmp_path / name)
    same(panel, load_panel(two()))
    assert panel.notes == ("columns without a role are ignored: 'promo'",)


@pytest.mark.parametrize("name", ["a.jsonl", "a.feather"])
def test_ids_of_whole_numbers_and_missing_cells(name, tmp_path):
    frame = two().replace({"unique_id": {"a": 7, "b": 12}}).infer_objects()
    frame.loc[3, "y"] = np.nan
    WRITERS[name](frame, tmp_path / name)
    same(load_panel(tmp_path / name, allow_missing=True), load_panel(frame, allow_missing=True))
    with pytest.raises(DataError, match="y is missing in 1 of 60 rows: series 12, row 3"):
        load_panel(tmp_path / name)


def test_types_of_json_lines_that_change_late(tmp_path):
    rows = 60_000
    lines = [json.dumps({"ds": row, "y": row}) for row in range(rows)]
    lines[-1] = json.dumps({"y": 0.5, "extra": [1, 2], "ds": rows - 1})
    (tmp_path / "late.jsonl").write_text("\n".join(lines))
    panel = load_panel(tmp_path / "late.jsonl")
    assert np.array_equal(panel.values[:, 0], [*range(rows - 1), 0.5])


@pytest.mark.parametrize(
    "content", ['[{"ds": 1, "y": 2}]', '{"ds": 1, "y": 2}\n{"ds": "x", "y": 3}', "ds,y\n1,2", ""]
)
def test_what_is_no_json_lines_is_refused_with_an_example(content, tmp_path):
    (tmp_path / "a.jsonl").write_text(content)
    with pytest.raises(
        DataError, match=r"a.jsonl cannot be read as JSON lines .* such as"
    ) as error:
        load_panel(tmp_path / "a.jsonl")
    assert "\n" not in str(error.value)


def test_an_unfinished_arrow_file_is_refused(tmp_path):
    two().to_feather(tmp_path / "a.feather")
    whole = (tmp_path / "a.feather").read_bytes()
    for size in (0, 4, 20, len(whole) // 2, len(whole) - 3):
        (tmp_path / "a.feather").write_bytes(whole[:size])
        with pytest.raises(DataError, match=r"a.feather is not a complete Arrow file"):
            load_panel(tmp_path / "a.feather")


class Piped(io.StringIO):
    """Standard input of some bytes."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.buffer = io.BytesIO(content)


def test_standard_input_is_a_csv_file(monkeypatch, capsys):
    text = two().to_csv(index=False, sep=";").encode()
    monkeypatch.setattr(sys, "stdin", Piped(text))
    panel = load_panel("-")
    same(panel, load_panel(two()))
    assert panel.notes[0] == "standard input: columns are separated by ';' (detected)"
    same(load_panel("-"), panel)  # read once, kept
    assert main(["check", "-"]) == 0
    assert "series  2" in capsys.readouterr().out
    monkeypatch.setattr(sys, "stdin", Piped(text.replace(b"2020-01-01 03:00:00;", b";", 1)))
    with pytest.raises(DataError, match="line 5"):
        load_panel("-")
    monkeypatch.setattr(sys, "stdin", Piped(b""))
    with pytest.raises(DataError, match="standard input is empty"):
        load_panel("-")


PIPED = {
    "parquet": lambda frame, path: frame.to_parquet(path),
    "Arrow": lambda frame, path: frame.to_feather(path),
    "workbook": lambda frame, path: frame.to_excel(path, index=False, engine="openpyxl"),
    "compressed": lambda frame, path: path.write_bytes(
        gzip.compress(frame.to_csv(index=False).encode())
    ),
    "records": lambda frame, path: frame.to_json(
        path, orient="records", date_format="iso", double_precision=15
    ),
    "lines": lambda frame, path: frame.to_json(
        path, orient="records", lines=True, date_format="iso", double_precision=15
    ),
}


@pytest.mark.parametrize("kind", PIPED)
def test_standard_input_is_told_by_its_first_bytes(kind, tmp_path, monkeypatch):
    path = tmp_path / "piped.xlsx"
    PIPED[kind](two(), path)
    monkeypatch.setattr(sys, "stdin", Piped(path.read_bytes()))
    same(load_panel("-"), load_panel(two()))
    same(load_panel("-"), load_panel(two()))  # kept


def test_nothing_piped_in_is_told_at_once():
    leader, terminal = pty.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "forecast", "check", "-"],
            stdin=terminal, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
    finally:
        os.close(leader)
        os.close(terminal)
    assert done.returncode == 2
    assert "nothing is piped in" in done.stdout
    assert "forecast check - < sales.csv" in done.stdout
