"""Small files that unpack, or open, to more than the memory: refused in a sentence, and soon."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import resource
import string
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecast import Columns, load_panel
from forecast.data.formats import json_line_bounds, workbook_bounds
from forecast.data.formats.workbook_bounds import Extent, check_workbook, column_number
from forecast.errors import DataError
from forecast.files import compressed

ROWS = "\n".join(f"2024-01-{day:02d},{day % 7}.5" for day in range(1, 32))

TABLE = f"ds,y\n{ROWS}\n"


def zipped(content: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", content)
    return target.getvalue()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zip": zipped,
}

BOMBS = {
    "zeros in a cell": (".csv", TABLE.encode() + b"2024-02-01," + b"0" * 2_000_000),
    "rows": (".csv", TABLE.encode() + b"2024-02-01,1\n" * 200_000),
    "spaces in JSON": (".json", b"[" + b" " * 2_000_000),
    "spaces in JSON lines": (".jsonl", b'{"ds": "2024-01-01", "y": 1}\n' + b" " * 2_000_000),
}


@pytest.mark.parametrize("packer", PACKERS)
@pytest.mark.parametrize("bomb", BOMBS)
def test_a_file_unpacks_to_so_much_and_no_more(
    bomb: str, packer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compressed, "FREE_BYTES", 1_000_000)
    ending, content = BOMBS[bomb]
    path = tmp_path / f"a{ending}{packer}"
    path.write_bytes(PACKERS[packer](content))
    with pytest.raises(
        DataError, match=r"unpacks to more than 1,0\d\d,\d\d\d.*give the plain file"
    ):
        load_panel(path)


@pytest.mark.parametrize("packer", PACKERS)
def test_the_limit_is_that_of_the_size_where_that_is_more(
    packer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"a.csv{packer}"
    path.write_bytes(PACKERS[packer](TABLE.encode()))
    monkeypatch.setattr(compressed, "FREE_BYTES", len(TABLE))
    monkeypatch.setattr(compressed, "MOST_TIMES", 0)
    assert load_panel(path).num_rows == 31
    monkeypatch.setattr(compressed, "FREE_BYTES", len(TABLE) - 1)
    with pytest.raises(DataError, match="unpacks to more than"):
        load_panel(path)
    monkeypatch.setattr(compressed, "MOST_TIMES", 100)
    assert load_panel(path).num_rows == 31


# ---------------------------------------------------------------------------------- long and deep

LONG = {
    "a number": "a,2024-02-01,{cell}",
    "a date": "a,{cell},1",
    "a quoted text": 'a,2024-02-01,"{cell}"',
    "a quote that stays open": 'a,2024-02-01,"{cell}',
}


@pytest.mark.parametrize("letter", ["9", "x\n"])
@pytest.mark.parametrize("place", LONG)
def test_a_cell_of_megabytes_is_refused_soon(place: str, letter: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rows = "".join(f"a,{row}\n" for row in ROWS.splitlines())
    text = f"unique_id,ds,y\n{rows}" + LONG[place].replace("{cell}", letter * 2_000_000)
    path.write_text(text)
    start = time.process_time()
    with pytest.raises(DataError) as refused:
        load_panel(path)
    assert time.process_time() - start < 8
    assert len(str(refused.value)) < 2500


def test_a_header_is_read_beyond_64_kilobytes(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    numbers = ",".join(["3"] * 12_000)
    names = ",".join(f"c{number}" for number in range(12_000))
    rows = "".join(f"2024-01-{day:02d},{numbers},{day}\n" for day in range(1, 32))
    path.write_text(f"ds,{names},y\n{rows}")
    columns = Columns(time_col="ds", target_cols=("y",))
    assert load_panel(path, columns).values[:, 0].tolist() == list(range(1, 32))


def test_a_header_of_megabytes_is_refused_soon(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("ds," + "c," * 1_000_000 + "\n2024-01-01,1\n")
    start = time.process_time()
    with pytest.raises(DataError, match=r"line 1 of a.csv has more than 131,072 letters"):
        load_panel(path)
    assert time.process_time() - start < 8


def test_a_parquet_file_of_equal_rows_has_so_many_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.parquet"
    pd.DataFrame({"ds": pd.Timestamp("2024-01-01"), "y": [1.0] * 200_000}).to_parquet(path)
    assert path.stat().st_size < 20_000
    monkeypatch.setattr(compressed, "FREE_BYTES", 3_000_000)
    with pytest.raises(DataError, match="unpacks to more than 3,000,000"):
        load_panel(path)
    monkeypatch.setattr(compressed, "FREE_BYTES", 3_300_000)
    with pytest.raises(DataError, match="occur twice"):
        load_panel(path)


def test_a_cell_of_200_kilobytes_in_a_column_without_a_role_is_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rows = [f"{row},{'x' * 200_000 * (place == 3)}," for place, row in enumerate(ROWS.splitlines())]
    path.write_text("\n".join(["ds,y,story,", *rows]))
    columns = Columns(time_col="ds", target_cols=("y",))
    assert load_panel(path, columns).num_rows == 31


def lines_of(rows: list[dict[str, object]]) -> str:
    return "\n".join(map(json.dumps, rows))


def nested(levels: int) -> str:
    return '{"ds": "2024-01-01", "y": ' + '{"a": ' * levels + "1" + "}" * levels + "}"


DEEP = {
    "100,000 levels": (nested(100_000), "recursion"),
    "lists": ('{"y": ' + "[" * 100_000 + "]" * 100_000 + "}", "recursion"),
    "a deep line among others": (f'{{"y": 1}}\n{nested(100_000)}\n{{"y": 2}}', "recursion"),
    "names of their own": (
        lines_of([{f"n{row}": 1} for row in range(40_000)]),
        "40,000 lines have 40,000 names",
    ),
    "names in other letters": (
        "\n".join(f'{{"\\u006e{row}" : 1}}' for row in range(40_000)),
        "40,000 lines have 40,000 names",
    ),
}


@pytest.mark.parametrize("case", DEEP)
def test_json_lines_that_would_end_the_process_are_refused(case: str, tmp_path: Path) -> None:
    text, words = DEEP[case]
    path = tmp_path / "a.jsonl"
    path.write_text(text)
    with pytest.raises(DataError, match=rf"a\.jsonl cannot be read as JSON lines .*{words}"):
        load_panel(path)


@pytest.mark.parametrize("block", [1, 100, 1 << 22])
def test_json_lines_with_texts_that_look_like_names_are_read(
    block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_line_bounds, "_BLOCK", block)
    monkeypatch.setattr(json_line_bounds, "FREE_CELLS", 10)
    monkeypatch.setattr(json_line_bounds, "MOST_TIMES", 2)
    monkeypatch.setattr(json_line_bounds, "MOST_OPENED", 2)
    days = [row.split(",") for row in ROWS.splitlines()]
    rows: list[dict[str, object]] = [
        {"ds": day, "y": float(value), "said": f'{{"{day}": [[]], "{value}": {{}}}}'}
        for day, value in days
    ]
    path = tmp_path / "a.jsonl"
    path.write_text(lines_of(rows) + "\n\n")
    assert load_panel(path, Columns(target_cols=("y",))).num_rows == 31


@pytest.mark.parametrize(
    "ending", [".csv", ".parquet", ".feather", ".jsonl", ".csv.gz", ".tsf.csv"]
)
def test_a_name_that_is_no_utf_8_is_one_of_a_file(ending: str, tmp_path: Path) -> None:
    frame = pd.read_csv(io.StringIO(TABLE))
    plain = tmp_path / f"plain{ending}"
    if ending == ".parquet":
        frame.to_parquet(plain)
    elif ending == ".feather":
        frame.to_feather(plain)
    elif ending == ".jsonl":
        frame.to_json(plain, orient="records", lines=True)
    else:
        frame.to_csv(plain, index=False)
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/Ums\xe4tze" + ending.encode()))  # as in 1990
    plain.rename(odd)
    assert load_panel(odd).num_rows == 31


def test_numbers_above_columns_are_no_dates_before_1678(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    names = [str(length) for length in range(1500, 1560)]
    path.write_text("\n".join([",".join(names), *(",".join("1" * 60) for _ in range(3))]))
    with pytest.raises(DataError, match="no column contains timestamps"):
        load_panel(path)


# ------------------------------------------------------------------------------------- workbooks


def workbook(path: Path, further: dict[str, float]) -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    for row in TABLE.splitlines():
        day, value = row.split(",")
        sheet.append([day, float(value) if value != "y" else value])
    for place, value in further.items():
        sheet[place] = value
    book.save(path)
    return path


@pytest.mark.parametrize("place", ["XFD1048576", "AAA100000", "ALM50000"])
def test_a_cell_far_from_the_others_is_refused(place: str, tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", {place: 1.0})
    with pytest.raises(DataError, match=r"a\.xlsx has 65 cells in a sheet.*Delete the cells far"):
        load_panel(path)


def test_a_cell_below_or_beside_the_others_is_no_harm(tmp_path: Path) -> None:
    check_workbook(workbook(tmp_path / "a.xlsx", {"C1048576": 1.0}))
    check_workbook(workbook(tmp_path / "b.xlsx", {"XFD40": 1.0}))
    assert load_panel(workbook(tmp_path / "c.xlsx", {})).num_rows == 31


places = st.tuples(st.text(string.ascii_uppercase, min_size=1, max_size=2), st.integers(1, 5000))


@settings(max_examples=40, deadline=None)
@given(cells=st.lists(places, max_size=8), block=st.integers(1, 200))
def test_the_extent_is_that_of_openpyxl(
    cells: list[tuple[str, int]], block: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    for column, row in cells:
        sheet[f"{column}{row}"] = 1.0
    path = tmp_path_factory.mktemp("books") / "a.xlsx"
    book.save(path)
    extent = Extent()
    with zipfile.ZipFile(path) as archive, pytest.MonkeyPatch.context() as patch:
        patch.setattr(workbook_bounds, "_BLOCK", block)
        for piece in workbook_bounds._pieces(archive, archive.getinfo("xl/worksheets/sheet1.xml")):
            extent.take(piece)
    width = sheet.max_column - sheet.min_column + 1
    height = sheet.max_row - sheet.min_row + 1
    assert extent.cells == len(set(cells))
    assert extent.area == (width * height if cells else 1)


SPELLINGS = {
    "single quotes": b"<c r='A1'/><c r='XFD1048576'/>",
    "spaces": b'<c r="A1"/><c  s="1"\nr =\t"XFD1048576"/>',
    "a prefix": b'<x:c r="A1"/><x:c r="XFD1048576"/>',
    "small letters": b'<c r="a1"/><c r="xfd1048576"/>',
    "rows alone": b'<row r="1"><c r="XFD1"/><c/></row><row r="1048576"><c/></row>',
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_places_are_found_however_they_are_written(spelling: str) -> None:
    extent = Extent()
    extent.take(SPELLINGS[spelling])
    assert extent.area >= 1_048_576


def test_a_place_in_numbers_of_letters_is_refused() -> None:
    with pytest.raises(ValueError, match="a cell is at"):
        Extent().take(b'<c r="&#88;FD1048576"/>')


def test_rows_without_cells_take_no_room() -> None:
    extent = Extent()
    extent.take(b'<row r="1"><c r="A1"/></row><row r="1048576" ht="15"/>')
    assert extent.area == 1


@pytest.mark.parametrize(("letters", "number"), [("A", 1), ("Z", 26), ("AA", 27), ("XFD", 16384)])
def test_numbers_of_columns(letters: str, number: int) -> None:
    assert column_number(letters.encode()) == number


@pytest.mark.parametrize("said", [None, 100])
def test_a_workbook_unpacks_to_so_much_whatever_it_says(
    said: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compressed, "FREE_BYTES", 1_000_000)
    path = workbook(tmp_path / "a.xlsx", {})
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet2.xml", b" " * 2_000_000)
        if said is not None:
            archive.getinfo("xl/worksheets/sheet2.xml").file_size = said
    with pytest.raises(DataError, match="unpacks to more than"):
        load_panel(path)


def test_a_workbook_whose_cells_are_far_apart_takes_no_memory(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", {"XFD1048576": 1.0})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DataError):
        check_workbook(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kB
