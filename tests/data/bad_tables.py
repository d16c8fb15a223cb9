"""Tables that break or silently fool forecasting packages, by number, and what must become of each.

Every table is made from 200 hourly rows of one series `a`. `words` are what the message must say;
a table without words must be accepted.
"""

from __future__ import annotations

import gzip
import io
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from forecast.data.panel import USUAL_ROLES, Columns
from forecast.data.read import TableFormat

ROWS = 200
START = "2020-01-01"


@dataclass(frozen=True)
class BadTable:
    """One table and its fate.

    Attributes:
        name: short, for the test id.
        build: makes a frame, or the bytes of a file.
        words: what the message says, in any order and case; empty where the table is accepted.
        notes: what the notes of an accepted table say.
        columns: roles of the columns.
        table_format: how the table is written down.
        freq: as declared.
        suffix: ending of the file where `build` makes bytes, or where a frame is written to a file.
        survives_csv: whether the fault is still there once the frame was written as CSV.
    """

    name: str
    build: Callable[[], pd.DataFrame | bytes]
    words: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    columns: Columns = field(default_factory=Columns)
    table_format: TableFormat = field(default_factory=TableFormat)
    freq: str | None = None
    suffix: str = ".csv"
    survives_csv: bool = True

    def source(self, folder: Path) -> pd.DataFrame | Path:
        """The frame, or the file written to `folder`."""
        made = self.build()
        if isinstance(made, pd.DataFrame):
            return made
        path = folder / f"table{self.suffix}"
        path.write_bytes(made)
        return path

    @property
    def file_words(self) -> tuple[str, ...]:
        """What the message says when the table is read from a text file: lines instead of rows."""
        return tuple(
            re.sub(r"\brow (\d+)", lambda row: f"line {int(row[1]) + 2}", words)
            for words in self.words
        )

    def file(self, folder: Path) -> Path:
        """The table as a file in `folder`."""
        made = self.source(folder)
        if isinstance(made, Path):
            return made
        path = folder / "table.csv"
        made.to_csv(path, index=False)
        return path


def clean(
    rows: int = ROWS, freq: str = "h", start: str = START, tz: str | None = None
) -> pd.DataFrame:
    """A daily wave with noise on a regular index."""
    wave = (
        10
        + 3 * np.sin(np.arange(rows) * 2 * np.pi / 24)
        + np.random.default_rng(1).normal(0, 0.1, rows)
    )
    return pd.DataFrame({
        "unique_id": "a",
        "ds": pd.date_range(start, periods=rows, freq=freq, tz=tz),
        "y": wave,
    })  # fmt: skip


def _with_y(rows: slice | list[int], value: object) -> pd.DataFrame:
    frame = clean()
    if not isinstance(value, float):
        frame["y"] = frame["y"].astype(object)
    frame.loc[frame.index[rows], "y"] = value
    return frame


def _with_text(text: Callable[[pd.Series], pd.Series], column: str = "y") -> pd.DataFrame:
    frame = clean()
    frame[column] = text(frame[column]).astype(object)
    return frame


def _with_ds(
    change: Callable[[pd.DataFrame], pd.Series | pd.DatetimeIndex | np.ndarray],
) -> pd.DataFrame:
    frame = clean()
    return frame.assign(ds=change(frame))


def _replaced(frame: pd.DataFrame, row: int, value: object) -> pd.Series:
    column = frame["ds"].astype(object) if isinstance(value, str) else frame["ds"].copy()
    column[row] = value
    return column.astype(str) if isinstance(value, str) else column


def _jittered() -> pd.DataFrame:
    seconds = np.random.default_rng(0).integers(-30, 31, ROWS)
    return _with_ds(lambda frame: frame["ds"] + pd.to_timedelta(seconds, unit="s"))


def _naive_local(start: str) -> pd.DataFrame:
    return _with_ds(
        lambda _: pd.date_range(start, periods=ROWS, freq="h", tz="Europe/Berlin").tz_localize(None)
    )


def _csv(frame: pd.DataFrame | None = None, **options: object) -> str:
    return str((clean() if frame is None else frame).to_csv(index=False, **options))


def _parquet() -> bytes:
    buffer = io.BytesIO()
    clean().to_parquet(buffer)
    return buffer.getvalue()


def _line(number: int, text: str) -> bytes:
    lines = _csv().splitlines()
    lines[number - 1] = text
    return "\n".join(lines).encode()


def _comma_csv() -> bytes:
    return _csv(sep=";", decimal=",").encode()


def _with_null_byte() -> bytes:
    return _line(52, "a,2020-01-03 02:00:00,1\0.5")


BAD_TABLES: dict[int, tuple[BadTable, ...]] = {
    1: (
        BadTable(
            "nan",
            lambda: _with_y([50, 60, 70], np.nan),
            ("'a'", "3 of 200", "2020-01-03 02:00", "row 50", "fill"),
        ),
    ),
    2: (
        BadTable(
            "nan_at_end",
            lambda: _with_y(slice(-5, None), np.nan),
            notes=("5 rows at the end have no y", "the future from 2020-01-09 03:00 on"),
        ),
    ),
    3: (BadTable("all_nan", lambda: _with_y(slice(None), np.nan), ("'a'", "no value at all")),),
    4: (
        BadTable(
            "inf", lambda: _with_y([50], np.inf), ("infinite", "'a'", "row 50", "2020-01-03 02:00")
        ),
        BadTable("minus_inf", lambda: _with_y([50], -np.inf), ("infinite", "'a'", "row 50")),
    ),
    5: (
        BadTable(
            "text",
            lambda: _with_y([50], "abc"),
            ("'abc'", "'a'", "row 50", "2020-01-03 02:00", "not a number"),
        ),
    ),
    6: (
        BadTable(
            "decimal_comma",
            lambda: _with_text(lambda y: y.map("{:.2f}".format).str.replace(".", ",")),
            ("decimal comma", "decimal=", "row 0"),
        ),
    ),
    7: (
        BadTable(
            "numeric_text",
            lambda: _with_text(lambda y: y.astype(str)),
            notes=("written as text",),
            survives_csv=False,
        ),
        BadTable("object_floats", lambda: _with_text(lambda y: y), survives_csv=False),
        BadTable(
            "too_many_digits",
            lambda: _with_text(lambda y: pd.Series(["12345678901234567"] * len(y))),
            ("12345678901234567", "2**53"),
        ),
    ),
    8: (
        BadTable("int", lambda: clean().assign(y=np.arange(ROWS))),
        BadTable(
            "bool", lambda: clean().assign(y=np.arange(ROWS) % 2 == 0), ("true and false", "cast")
        ),
    ),
    9: (
        BadTable(
            "complex",
            lambda: clean().assign(y=clean()["y"] + 1j),
            ("complex", "'y'", "real"),
            survives_csv=False,
        ),
        BadTable(
            "complex_objects",
            lambda: _with_y([50], 1 + 2j),
            ("complex", "'y'", "real"),
            survives_csv=False,
        ),
        BadTable(
            "complex_text",
            lambda: _line(52, "a,2020-01-03 02:00:00,1+2j"),
            ("'1+2j'", "'a'", "line 52", "not a number"),
        ),
    ),
    10: (
        BadTable(
            "duplicate_appended",
            lambda: pd.concat([clean(), clean().iloc[[50]]], ignore_index=True),
            ("twice", "'a'", "row 50 and row 200", "2020-01-03 02:00", "aggregate="),
        ),
    ),
    11: (
        BadTable(
            "duplicate_overwritten",
            lambda: _with_ds(lambda frame: _replaced(frame, 51, frame["ds"][50])),
            ("twice", "'a'", "row 50 and row 51", "2020-01-03 02:00", "aggregate="),
        ),
    ),
    12: (
        BadTable(
            "unsorted",
            lambda: clean().sample(frac=1, random_state=0),
            notes=("not in time order", "sorted"),
        ),
    ),
    13: (
        BadTable(
            "gap",
            lambda: clean().drop(index=range(50, 60)).reset_index(drop=True),
            (
                "'a'",
                "row 50",
                "10 missing",
                "2020-01-03 01:00",
                "2020-01-03 12:00",
                "gaps",
                "skip",
                "forward_fill",
            ),
        ),
    ),
    14: (BadTable("jitter", _jittered, ("'h' grid", "'a'", "distance", " s:", "round")),),
    15: (BadTable("utc", lambda: clean(tz="UTC")),),
    16: (
        BadTable(
            "zoned_dst",
            lambda: clean(rows=300, start="2020-03-25", tz="Europe/Berlin"),
            survives_csv=False,
        ),
    ),
    17: (
        BadTable(
            "local_hour_twice",
            lambda: _naive_local("2020-10-22"),
            (
                "local time with dst",
                "'a'",
                "2020-10-25 02:00",
                "row 74 and row 75",
                "or the zone of the data",
            ),
        ),
    ),
    18: (
        BadTable(
            "local_hour_skipped",
            lambda: _naive_local("2020-03-26"),
            (
                "local time with dst",
                "'a'",
                "2020-03-29 01:00",
                "2020-03-29 03:00",
                "row 74",
                "or the zone of the data",
            ),
        ),
    ),
    19: (
        BadTable("iso_text", lambda: _with_ds(lambda frame: frame["ds"].astype(str))),
        BadTable(
            "iso_text_t", lambda: _with_ds(lambda frame: frame["ds"].dt.strftime("%Y-%m-%dT%H:%M"))
        ),
        BadTable(
            "year_first", lambda: _with_ds(lambda frame: frame["ds"].dt.strftime("%Y/%m/%d %H:%M"))
        ),
        BadTable(
            "year_first_unpadded",
            lambda: _line(2, "a,2020/1/1 0:00,1").replace(b"-", b"/").replace(b":00:00", b":00"),
        ),
    ),
    20: (
        BadTable(
            "no_date",
            lambda: _with_ds(lambda frame: _replaced(frame, 50, "yesterday")),
            ("'yesterday'", "'a'", "row 50"),
        ),
    ),
    21: (
        BadTable(
            "nat",
            lambda: _with_ds(lambda frame: _replaced(frame, 50, pd.NaT)),
            ("empty", "'a'", "row 50"),
        ),
    ),
    22: (
        BadTable(
            "day_first",
            lambda: (
                clean()
                .assign(ds=pd.date_range(START, periods=ROWS, freq="D").strftime("%d/%m/%Y"))
                .to_csv(index=False)
                .encode()
            ),
            notes=("'13/01/2020' is 2020-01-13", "time_format '%d/%m/%Y'"),
        ),
        BadTable(
            "ambiguous",
            lambda: clean().iloc[:12].assign(ds=[f"{day:02d}/01/2020" for day in range(1, 13)]),
            ("day or month first", "time_format", "%d/%m/%Y", "%m/%d/%Y"),
        ),
        BadTable(
            "day_first_told",
            lambda: clean().assign(
                ds=pd.date_range(START, periods=ROWS, freq="D").strftime("%d/%m/%Y")
            ),
            table_format=TableFormat(time_format="%d/%m/%Y"),
        ),
        BadTable(
            "digits",
            lambda: clean().assign(
                ds=pd.date_range(START, periods=ROWS, freq="D").strftime("%Y%m%d").astype(int)
            ),
            ("20200101", "look like dates", "time_format", "%Y%m%d"),
        ),
    ),
    23: (
        BadTable("month_end", lambda: clean(freq="ME"), freq="ME"),
        BadTable("business_day", lambda: clean(freq="B"), freq="B"),
    ),
    24: (
        BadTable(
            "business_as_daily",
            lambda: clean(freq="B"),
            ("'D'", "freq", "B", "as the timestamps look"),
            freq="D",
        ),
    ),
    25: (
        BadTable("hourly_as_daily", clean, ("'D'", "freq", "as the timestamps look"), freq="D"),
        BadTable(
            "daily_as_hourly",
            lambda: clean(freq="D"),
            ("'h'", "freq", "as the timestamps look"),
            freq="h",
        ),
    ),
    26: (BadTable("integers", lambda: clean().assign(ds=np.arange(ROWS))),),
    27: (
        BadTable(
            "step_2_as_1",
            lambda: clean().assign(ds=np.arange(ROWS) * 2),
            ("'1'", "freq", "as the timestamps look"),
            freq="1",
        ),
    ),
    28: (
        BadTable(
            "floats",
            lambda: clean().assign(ds=np.arange(ROWS) + 0.5),
            ("'ds'", "floating-point", "whole numbers"),
        ),
    ),
    29: (
        BadTable("notafreq", clean, ("'notafreq'", "expected", "15min"), freq="notafreq"),
        BadTable("zero", clean, ("'0h'", "at least 1"), freq="0h"),
        BadTable("negative", clean, ("'-1D'", "at least 1"), freq="-1D"),
    ),
    30: (
        BadTable("constant", lambda: clean().assign(y=7.0), notes=("constant", "'a'")),
        BadTable("zeros", lambda: clean().assign(y=0.0), notes=("constant", "'a'")),
    ),
    33: (
        BadTable("one_row", lambda: clean(rows=1), ("'a'", "1 row in all", "at least 2", "freq")),
        BadTable("no_rows", lambda: clean(rows=0), ("no rows", "expected")),
    ),
    35: (BadTable("1e31", lambda: clean().assign(y=clean()["y"] * 1e30)),),
    36: (
        BadTable(
            "1e301", lambda: clean().assign(y=clean()["y"] * 1e300), ("1e+100", "'a'", "rescale")
        ),
    ),
    37: (BadTable("offset_1e9", lambda: clean().assign(y=clean()["y"] + 1e9)),),
    38: (
        BadTable("1e-39", lambda: clean().assign(y=clean()["y"] * 1e-40)),
        BadTable(
            "1e-150", lambda: clean().assign(y=clean()["y"] * 1e-151), ("1e-100", "'a'", "rescale")
        ),
    ),
    39: (BadTable("extra_text", lambda: clean().assign(junk="x"), notes=("'junk'", "ignored")),),
    40: (
        BadTable(
            "no_id",
            lambda: clean().assign(unique_id=["a"] * 50 + [None] + ["a"] * 149),
            ("unique_id", "missing", "row 50", "1 row"),
        ),
        BadTable(
            "no_number_id",
            lambda: clean().assign(unique_id=[1.0] * 50 + [np.nan] + [1.0] * 149),
            ("unique_id", "missing", "row 50", "1 row"),
        ),
    ),
    41: (
        BadTable(
            "no_y",
            lambda: clean().rename(columns={"y": "Y"}),
            ("'y'", "did you mean 'Y'", "'unique_id', 'ds', 'Y'", "target"),
            columns=USUAL_ROLES,
        ),
        BadTable(
            "misspelt",
            lambda: clean().rename(columns={"y": "sales"}),
            ("'sale'", "did you mean 'sales'"),
            columns=Columns(target_cols=("sale",)),
        ),
        BadTable("no_id_col", clean, ("'shop'", "id"), columns=Columns(id_col="shop")),
    ),
    42: (
        BadTable(
            "two_y",
            lambda: pd.concat([clean(), clean()[["y"]]], axis=1),
            ("'y'", "twice", "rename"),
        ),
    ),
    58: (
        BadTable("empty", lambda: b"", ("table.csv", "empty")),
        BadTable("blank_lines", lambda: b"\n\n \n", ("table.csv", "empty")),
        BadTable("header_only", lambda: b"unique_id,ds,y\n", ("no rows",)),
        BadTable("header_only_cut", lambda: b"unique_id,ds,y", ("no rows",)),
    ),
    59: (BadTable("bom", lambda: b"\xef\xbb\xbf" + _csv().encode()),),
    60: (
        BadTable("utf16", lambda: _csv().encode("utf-16"), ("utf-8", "encoding=", "utf-16")),
        BadTable(
            "utf16_without_bom",
            lambda: _csv().encode("utf-16-le"),
            ("utf-8", "encoding=", "utf-16-le"),
        ),
        BadTable(
            "utf16_told",
            lambda: _csv().encode("utf-16"),
            table_format=TableFormat(encoding="utf-16"),
        ),
        BadTable(
            "cp1252",
            lambda: _csv(clean().assign(unique_id="Köln")).encode("cp1252"),
            ("utf-8", "line 2", "encoding=", "cp1252"),
        ),
        BadTable(
            "cp1252_told",
            lambda: _csv(clean().assign(unique_id="Köln")).encode("cp1252"),
            table_format=TableFormat(encoding="cp1252"),
        ),
        BadTable("junk", lambda: np.random.default_rng(0).bytes(5000), ("binary data", "encoding")),
        BadTable(
            "workbook",
            lambda: b"PK\x03\x04" + np.random.default_rng(0).bytes(500),
            ("excel", "csv or parquet"),
        ),
    ),
    61: (
        BadTable("semicolon", lambda: _csv(sep=";").encode(), notes=("';'", "detected")),
        BadTable("decimal_comma_file", _comma_csv, ("decimal comma", "decimal=", "line 2")),
        BadTable("decimal_comma_told", _comma_csv, table_format=TableFormat(decimal=",")),
    ),
    62: (BadTable("nul_bytes", _with_null_byte, ("line 52", "nul")),),
    63: (
        BadTable(
            "ragged",
            lambda: _line(37, "a,2020-01-02 11:00:00,1,5"),
            ("line 37", "4 fields", "header has 3"),
        ),
        BadTable(
            "short_row",
            lambda: _line(37, "a,2020-01-02 11:00:00"),
            ("line 37", "2 fields", "header has 3"),
        ),
        BadTable(
            "thousands",
            lambda: _line(37, 'a,2020-01-02 11:00:00,"1,000"'),
            ("line 37", "'1,000'", "thousands"),
        ),
        BadTable(
            "cut_gzip",
            lambda: gzip.compress(_csv().encode())[:-200],
            ("table.csv.gz", "decompress"),
            suffix=".csv.gz",
        ),
        BadTable("no_gzip", lambda: _csv().encode(), ("table.csv.gz", "gzip"), suffix=".csv.gz"),
        BadTable("gzip", lambda: gzip.compress(_csv().encode()), suffix=".csv.gz"),
        BadTable(
            "cut_parquet",
            lambda: _parquet()[:-300],
            ("table.parquet", "not a complete parquet"),
            suffix=".parquet",
        ),
        BadTable(
            "junk_parquet",
            lambda: b"PAR1" * 100,
            ("table.parquet", "not a complete parquet"),
            suffix=".parquet",
        ),
        BadTable(
            "text_parquet",
            lambda: b"",
            ("table.parquet", "not a complete parquet"),
            suffix=".parquet",
        ),
    ),
}
