"""A table for every kind of error and warning, and what the advice becomes when it is followed.

Most are made from 60 daily rows of one series, with a horizon of 2 steps.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from forecast.data.formats.database import Query

SELECT = Query(
    "SELECT DATE '2025-01-01' + CAST(range AS INTEGER) AS ds, sin(range) + range % 7 AS y "
    "FROM range(60)"
)

Edit = Callable[[Any], Any]


@dataclass(frozen=True)
class Provoked:
    """A table with one fault, and the edit that the advice asks for.

    Attributes:
        code: of the finding.
        table: makes a frame, text, bytes or another object.
        edit: does to what `table` made what the text of the fix says; None: settings alone help.
        settings: with which the table is read.
        suffix: of the file, where `table` makes text, bytes or a frame that is written to one.
        is_object: whether a frame is passed as it is, for faults that no file has.
        untried: why neither settings nor an edit can be tried here.
    """

    code: str
    table: Callable[[], Any]
    edit: Edit | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    suffix: str = ".csv"
    is_object: bool = False
    untried: str = ""

    def source(self, folder: Path, made: Any) -> Any:
        """Return the file in `folder` with what was made, or the object itself."""
        if self.is_object:
            return made
        path = folder / f"table{self.suffix}"
        if isinstance(made, pd.DataFrame):
            made = made.to_csv(index=False)
        if isinstance(made, dict):
            with pd.ExcelWriter(path) as writer:
                for sheet, frame in made.items():
                    frame.to_excel(writer, sheet_name=sheet, index=False)
            return path
        if isinstance(made, str):
            made = made.encode()
        if made is not None:
            path.write_bytes(made)
        return path


def days(rows: int = 60, **columns: Any) -> pd.DataFrame:
    """Daily rows with some columns replaced or added."""
    wave = np.arange(rows) % 7 + 0.5
    frame = pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=rows, freq="D"), "y": wave})
    return frame.assign(**columns)


def with_cell(column: str, row: int, value: Any) -> pd.DataFrame:
    """Daily rows, one cell of which is replaced."""
    frame = days().astype({column: object})
    frame.loc[row, column] = value
    return frame


def without(row: int) -> Edit:
    """Remove a row."""
    return lambda frame: frame.drop(index=row)


def renamed(**names: str) -> Edit:
    """Rename columns."""
    return lambda frame: frame.rename(columns=names)


def text(**changes: str) -> str:
    """The daily rows as CSV, with words replaced."""
    written = days().to_csv(index=False)
    for old, new in changes.items():
        written = written.replace(old, new)
    return written


def workbook(far: str = "") -> bytes:
    """The daily rows as a workbook, with one more cell at a far place."""
    target = io.BytesIO()
    with pd.ExcelWriter(target, engine="openpyxl") as writer:
        days().to_excel(writer, index=False)
        if far:
            writer.book.active[far] = "x"
    return target.getvalue()


def years_across(shops: list[str]) -> pd.DataFrame:
    """A row per shop, a column per year."""
    columns = {str(year): np.arange(len(shops)) + year % 7 for year in range(1960, 2020)}
    return pd.DataFrame({"shop": shops, **columns})


def two_series(first: int, second: int) -> pd.DataFrame:
    """Two series of daily rows."""
    return pd.concat([days(first, unique_id="a"), days(second, unique_id="b")], ignore_index=True)


def hours(start: str, rows: int, zone: str) -> pd.DataFrame:
    """Hours of the clocks in a zone, without an offset."""
    stamps = pd.date_range(start, periods=rows, freq="h", tz=zone).tz_localize(None)
    return pd.DataFrame({"ds": stamps, "y": np.arange(rows) % 24 + 0.5})


def sales(*, whole_days: bool = True) -> pd.DataFrame:
    """A list of sales, some on each day."""
    random = np.random.default_rng(0)
    seconds = np.sort(random.integers(0, 100 * 86_400, 700))
    stamps = pd.Timestamp("2024-01-01") + pd.to_timedelta(seconds, unit="s")
    if whole_days:
        stamps = stamps.floor("D")
    return pd.DataFrame({"ds": stamps, "y": random.gamma(2.0, 9.0, 700).round(2)})


def formatted(time_format: str, rows: int = 60, freq: str = "D") -> pd.DataFrame:
    """Rows whose dates are text in a format."""
    stamps = pd.date_range("2024-01-01", periods=rows, freq=freq)
    return pd.DataFrame({"ds": stamps.strftime(time_format), "y": np.arange(rows) % 7 + 0.5})


def of_text(words: Callable[[float], str]) -> pd.DataFrame:
    """Daily rows whose numbers are text."""
    return days(y=[words(1234.5 + number) for number in range(60)])


def continental(number: float) -> str:
    """Write a number as 1.234,50."""
    return f"{number:,.2f}".translate(str.maketrans(",.", ".,"))


DAYS_OF_YEAR = {
    # what the first cells could mean differs from case to case
    "first days of months": lambda: pd.DataFrame(
        {"ds": [f"0{m}/0{d}/2024" for m in range(1, 8) for d in range(1, 8)], "y": 1.5}
    ),
}

ERRORS = {
    # ---- the file
    "no dates across": Provoked(
        "no_dates_across",
        lambda: days().rename(columns={"ds": "stamp", "y": "value"}),
        settings={"data.layout": "dates_across"},
    ),
    "rows of one name": Provoked(
        "same_rows",
        lambda: years_across(["a", "a"]),
        lambda frame: frame.assign(shop=["a", "b"]),
    ),
    "no file": Provoked("no_file", lambda: None, lambda _: days()),
    "no such format": Provoked("file_kind", lambda: "x", untried="the file", suffix=".docx"),
    "empty": Provoked("empty_file", lambda: "", lambda _: days()),
    "empty sheet": Provoked(
        "empty_file", lambda: {"a": pd.DataFrame()}, lambda _: {"a": days()}, suffix=".xlsx"
    ),
    "header alone": Provoked("no_rows", lambda: "ds,y\n", lambda _: text()),
    "torn gzip": Provoked(
        "damaged_file",
        lambda: gzip.compress(text().encode())[:-20],
        lambda _: gzip.compress(text().encode()),
        suffix=".csv.gz",
    ),
    "torn parquet": Provoked("damaged_file", lambda: "PAR1", untried="a copy", suffix=".parquet"),
    "NUL": Provoked("nul_bytes", lambda: text() + "\0", lambda made: made.replace("\0", "")),
    "utf-16": Provoked("encoding", lambda: text().encode("utf-16")),
    "cp1252": Provoked(
        "encoding",
        lambda: text(y="größe").encode("cp1252"),
        settings={"data.target_cols": ("größe",)},
    ),
    "workbook": Provoked("encoding", lambda: b"PK\x03\x04" + bytes(range(256)), untried="a kind"),
    "colons": Provoked(
        "separator",
        lambda: "ds y\n" + "\n".join(f"{n} {n % 7}" for n in range(60)),
        settings={"data.time_col": "ds"},
    ),
    "one column": Provoked(
        "one_column",
        lambda: "y\n" + "\n".join(f"{n % 7}.5" for n in range(60)),
        lambda made: "\n".join(
            f"{place - 1 if place else 'ds'},{line}" for place, line in enumerate(made.split())
        ),
    ),
    "several targets": Provoked(
        "undecided_roles", lambda: days(z=np.arange(60) % 5 + 2.5).rename(columns={"y": "x"})
    ),
    "no target": Provoked(
        "no_target",
        lambda: days(y=["warm", "cold"] * 30).rename(columns={"y": "weather"}),
        lambda frame: frame.assign(weather=np.arange(60) % 7 + 0.5),
    ),
    "a field too many": Provoked(
        "ragged_row", lambda: text() + "2024-03-01,1,000\n", lambda _: text()
    ),
    "sheets": Provoked("sheet", lambda: {"North": days(), "South": days()}, suffix=".xlsx"),
    "no such sheet": Provoked(
        "sheet",
        lambda: {"North": days(), "South": days()},
        settings={"data.sheet": "nort"},
        suffix=".xlsx",
    ),
    "a cell in a far corner": Provoked(
        "far_cells",
        lambda: workbook("XFD1048576"),
        edit=lambda _: workbook(),
        suffix=".xlsx",
    ),
    "no workbook": Provoked("damaged_file", lambda: "PK", untried="a copy", suffix=".xlsx"),
    "json": Provoked("json", lambda: "{}", untried="the document", suffix=".json"),
    "json lines": Provoked("json_lines", lambda: "[1]\n", untried="the lines", suffix=".jsonl"),
    "tsf": Provoked(
        "tsf",
        lambda: "@attribute series_name string\n",
        lambda made: made + "@data\na:" + ",".join(str(n % 7) for n in range(60)),
        suffix=".tsf",
    ),
    "tsf targets": Provoked(
        "one_target",
        lambda: "@attribute series_name string\n@data\na:1,2,3\n",
        settings={"data.target_cols": ("y", "z")},
        suffix=".tsf",
        untried="the targets",
    ),
    # ---- objects
    "query that writes": Provoked(
        "database", lambda: Query("CREATE TABLE days (ds DATE)"), lambda _: SELECT, is_object=True
    ),
    "no table": Provoked("table_kind", lambda: 3, lambda _: days(), is_object=True),
    "matrix": Provoked("table_kind", lambda: np.ones((9, 2)), lambda _: days(), is_object=True),
    "periods": Provoked(
        "periods",
        lambda: days(ds=pd.period_range("2024-01-01", periods=60, freq="D")),
        lambda frame: frame.assign(ds=frame["ds"].dt.to_timestamp()),
        is_object=True,
    ),
    "complex": Provoked(
        "complex_numbers",
        lambda: days(y=np.arange(60) % 7 + 1j),
        lambda frame: frame.assign(y=np.abs(frame["y"])),
        is_object=True,
    ),
    "mixed ids": Provoked(
        "mixed_ids",
        lambda: days(unique_id=[("a",), "b"] * 30),
        lambda frame: frame.assign(unique_id=frame["unique_id"].astype(str)),
        is_object=True,
    ),
    "index": Provoked(
        "index",
        lambda: days(end=days()["ds"]).set_index(["ds", "end"]).rename_axis(["a", "b"]),
        lambda frame: frame.reset_index().rename(columns={"a": "ds"}),
        is_object=True,
    ),
    "bytes as ids": Provoked(
        "bad_names",
        lambda: days(unique_id=[b"a"] * 60),
        lambda frame: frame.assign(unique_id=frame["unique_id"].map(bytes.decode)),
        is_object=True,
    ),
    "dates as numbers": Provoked(
        "no_numbers",
        lambda: days(y=days()["ds"]),
        lambda frame: frame.assign(y=frame["y"].astype("int64") // 10**9),
        is_object=True,
    ),
    # ---- columns
    "a column twice": Provoked(
        "duplicate_columns",
        lambda: days(z=1.5).rename(columns={"z": "y"}),
        lambda frame: frame.iloc[:, :2],
    ),
    "a name written otherwise": Provoked(
        "missing_column",
        lambda: days().rename(columns={"y": "Sales "}),
        settings={"data.target_cols": ("sales",)},
    ),
    "a name with a comma": Provoked(
        "missing_column",
        lambda: days().rename(columns={"y": "load, MW"}),
        settings={"data.target_cols": ("load", "MW")},
    ),
    "a part of the time": Provoked(
        "missing_column",
        lambda: pd.DataFrame(
            {"year": days()["ds"].dt.year, "month": days()["ds"].dt.month}
            | {"day": days()["ds"].dt.day, "y": days()["y"]}
        ),
        settings={"data.time_col": "stamp"},
    ),
    "an unlike name": Provoked(
        "missing_column", days, renamed(y="wind"), settings={"data.target_cols": ("wind",)}
    ),
    "two columns of numbers": Provoked(
        "undecided_roles",
        lambda: days(load=days()["y"], wind=np.arange(60) * 5 % 8 + 0.5)[["ds", "load", "wind"]],
    ),
    "no numbers": Provoked(
        "no_target", lambda: days()[["ds"]].assign(a="x"), lambda frame: frame.assign(a=days()["y"])
    ),
    "a row without an id": Provoked(
        "missing_id",
        lambda: days(unique_id=["a"] * 59 + [None]),
        lambda frame: frame.fillna("a"),
    ),
    "name of a result": Provoked(
        "doubled_name",
        lambda: days().rename(columns={"y": "linear"}),
        renamed(linear="load"),
        settings={"data.target_cols": ("linear",)},
        untried="",
    ),
    "ids of text": Provoked(
        "text_covariate",
        lambda: two_series(60, 60),
        settings={"data.static_covariates": ("unique_id",)},
    ),
    "static that changes": Provoked(
        "static_changes",
        lambda: days(size=np.arange(60)),
        settings={"data.static_covariates": ("size",)},
    ),
    "a weight below 0": Provoked(
        "bad_weights",
        lambda: days(w=[1.0] * 59 + [-1.0]),
        lambda frame: frame.assign(w=1.0),
        settings={"data.weight_col": "w"},
    ),
    "no weight in a set": Provoked(
        "no_weight",
        lambda: days(w=[0.0] * 30 + [1.0] * 30),
        lambda frame: frame.assign(w=1.0),
        settings={
            "data.weight_col": "w",
            "windows.horizon": 2,
            "evaluation.validation_size": 10,
            "evaluation.test_size": 20,
        },
    ),
    "wide without numbers": Provoked(
        "no_series",
        lambda: days()[["ds"]].assign(a="x"),
        lambda frame: frame.assign(a=np.arange(60) % 7 + 0.5),
        settings={"data.layout": "wide"},
    ),
    "wide without a name": Provoked(
        "no_name",
        lambda: days().rename(columns={"y": ""}),
        lambda frame: frame.rename(columns={"": "a"}),
        settings={"data.layout": "wide"},
    ),
    # ---- numbers
    "decimal comma": Provoked(
        "decimal_comma", lambda: of_text(lambda number: f"{number:.2f}".replace(".", ","))
    ),
    "1.234,50": Provoked("thousands", lambda: of_text(continental)),
    "1,234.50": Provoked("thousands", lambda: of_text(lambda number: f"{number:,.2f}")),
    "1,234": Provoked("thousands", lambda: of_text(lambda number: f"{int(number):,}")),
    "1 234": Provoked("thousands", lambda: of_text(lambda n: f"{int(n):,}".replace(",", " "))),
    "1.234 beside a comma": Provoked(
        "point_and_comma",
        lambda: of_text(lambda number: f"{int(number):,}".replace(",", ".")),
        settings={"data.decimal": ","},
    ),
    "1.234,5 beside a comma": Provoked(
        "point_and_comma", lambda: of_text(continental), settings={"data.decimal": ","}
    ),
    "a word": Provoked(
        "no_number",
        lambda: with_cell("y", 30, "closed"),
        lambda frame: frame.assign(y=frame["y"].replace("closed", 2.5)),
    ),
    "a bound": Provoked("bounds", lambda: with_cell("y", 30, "<1")),
    "a bound above": Provoked("bounds", lambda: with_cell("y", 30, ">1000")),
    "a code": Provoked("missing_codes", lambda: with_cell("y", 30, -999.0)),
    "infinite": Provoked("infinite", lambda: with_cell("y", 30, np.inf), without(30)),
    "an empty cell": Provoked(
        "missing_values", lambda: with_cell("y", 30, None), lambda frame: frame.fillna(2.5)
    ),
    "an empty covariate": Provoked(
        "missing_values",
        lambda: days(price=[None, *range(59)]),
        settings={"data.past_covariates": ("price",)},
    ),
    "an empty category": Provoked(
        "missing_values",
        lambda: days(kind=["a", None, "b"] * 20),
        settings={"data.past_covariates": ("kind",), "data.categorical": ("kind",)},
    ),
    "an empty static value": Provoked(
        "missing_static",
        lambda: two_series(60, 60).assign(size=[1.5] * 60 + [None] * 60),
        lambda frame: frame.fillna(2.5),
        settings={"data.static_covariates": ("size",), "data.missing": "forward_fill"},
    ),
    "no value at all": Provoked(
        "all_missing",
        lambda: two_series(60, 60).assign(y=[1.5, 2.5] * 30 + [None] * 60),
        lambda frame: frame[frame["unique_id"] == "a"],
        settings={"data.missing": "forward_fill"},
    ),
    "too large": Provoked(
        "too_large",
        lambda: days(y=1e120 * (np.arange(60) % 7)),
        lambda frame: frame.assign(y=frame["y"] / 1e120),
    ),
    "too small": Provoked(
        "too_small",
        lambda: days(y=1e-120 * (np.arange(60) % 7)),
        lambda frame: frame.assign(y=frame["y"] * 1e120),
    ),
    "long whole numbers": Provoked(
        "inexact",
        lambda: days(y=2**60 + np.arange(60)),
        lambda frame: frame.assign(y=frame["y"] / 2.0**30),
    ),
    "true and false": Provoked(
        "bool_target",
        lambda: days(y=[True, False] * 30),
        lambda frame: frame.assign(y=frame["y"].astype(int)),
    ),
    # ---- timestamps
    "a word among the dates": Provoked(
        "unreadable_stamp", lambda: with_cell("ds", 59, "soon"), without(59)
    ),
    "a row without a date": Provoked(
        "missing_stamps", lambda: with_cell("ds", 59, None), without(59)
    ),
    "no dates at all": Provoked(
        "missing_stamps", lambda: days(ds=None), lambda _: days(), is_object=True
    ),
    "no date": Provoked(
        "unreadable_dates",
        lambda: days(ds=[f"day {number} of the trial" for number in range(60)]),
        lambda _: days(),
    ),
    "day or month": Provoked("ambiguous_dates", DAYS_OF_YEAR["first days of months"]),
    "days without a year": Provoked("no_year", lambda: formatted("%d %b"), lambda _: days()),
    "years that are counted": Provoked(
        "counted_years",
        lambda: days(ds=[f"{1 + month // 12}-{1 + month % 12:02d}" for month in range(60)]),
        lambda _: days(),
    ),
    "months as numbers": Provoked("number_dates", lambda: formatted("%Y%m", 60, "MS")),
    "days as numbers": Provoked("number_dates", lambda: formatted("%Y%m%d")),
    "four months or quarters": Provoked(
        "number_dates", lambda: pd.DataFrame({"ds": [202001, 202002, 202003, 202004], "y": 1.5})
    ),
    "seconds": Provoked("number_dates", lambda: days(ds=1_700_000_000 + 3600 * np.arange(60))),
    "fractions": Provoked(
        "no_stamps",
        lambda: days(ds=np.arange(60) / 7),
        lambda frame: frame.assign(ds=np.arange(60)),
    ),
    "another calendar": Provoked("date_range", lambda: formatted("2567-%m-%d"), lambda _: days()),
    "parts in another order": Provoked(
        "order_of_parts",
        lambda: pd.DataFrame(
            {
                "day": days()["ds"].dt.day,
                "month": days()["ds"].dt.month,
                "year": days()["ds"].dt.year,
                "y": days()["y"],
            }
        ),
        settings={"data.time_col": "day,month,year"},
    ),
    # ---- order and spacing
    "a row twice": Provoked(
        "duplicate_stamps",
        lambda: pd.concat([days(), days().iloc[[30]]]),
        lambda frame: frame.drop_duplicates("ds"),
    ),
    "a second id column": Provoked(
        "duplicate_stamps",
        lambda: pd.concat([days(store=1, item=item) for item in "ABC"]),
        settings={"data.id_col": "store"},
    ),
    "an hour twice": Provoked(
        "local_time",
        lambda: hours("2024-10-24", 200, "Europe/Berlin"),
    ),
    "an hour skipped": Provoked("local_time", lambda: hours("2024-03-28", 200, "Europe/Berlin")),
    "an hour that is not": Provoked(
        "skipped_hour",
        lambda: pd.DataFrame(
            {"ds": pd.date_range("2024-03-28", periods=200, freq="h"), "y": np.arange(200) % 24}
        ),
        settings={"data.tz": "Europe/Berlin"},
    ),
    "an hour that should be twice": Provoked(
        "repeated_hour",
        lambda: pd.DataFrame(
            {"ds": pd.date_range("2024-10-24", periods=200, freq="h"), "y": np.arange(200) % 24}
        ),
        lambda frame: frame.assign(ds=frame["ds"].dt.tz_localize("UTC")),
        settings={"data.tz": "Europe/Berlin"},
    ),
    "hours written at their end, one twice": Provoked(
        "local_time",
        lambda: hours("2024-10-30", 200, "America/New_York").assign(
            ds=lambda frame: frame["ds"] + pd.Timedelta("1h")
        ),
    ),
    "days of a zone with offsets": Provoked(
        "local_days",
        lambda: days(
            ds=[
                stamp.isoformat()
                for stamp in pd.date_range("2024-03-01", periods=60, tz="Europe/Berlin")
            ]
        ),
    ),
    "a list of sales": Provoked("duplicate_stamps", sales),
    "sales at any second": Provoked("off_grid", lambda: sales(whole_days=False)),
    "a bill each month": Provoked(
        "no_frequency",
        lambda: days(
            ds=[f"20{10 + n // 12}-{n % 12 + 1:02}-{n * 7 % 20 + 3:02}" for n in range(60)]
        ),
    ),
    "several rows in an interval": Provoked(
        "several_rows", sales, settings={"data.resample": "W-SUN"}
    ),
    "an index to resample": Provoked(
        "resample_index",
        lambda: days(ds=range(60)),
        settings={"data.resample": "D", "data.aggregate": "sum"},
    ),
    "months as days": Provoked(
        "finer_resample",
        lambda: days(ds=pd.date_range("2020-01-01", periods=60, freq="MS")),
        settings={"data.resample": "D", "data.aggregate": "sum"},
    ),
    "a sale each day, by the minute": Provoked(
        "mostly_empty",
        lambda: sales(whole_days=False),
        settings={"data.resample": "min", "data.aggregate": "sum"},
    ),
    "prices of days without a sale": Provoked(
        "inserted_covariates",
        lambda: sales(whole_days=False).assign(price=2.5).iloc[::9],
        settings={
            "data.resample": "D",
            "data.aggregate": "sum",
            "data.past_covariates": ("price",),
        },
    ),
    "a gap": Provoked("gaps", lambda: days().drop(index=[20, 21])),
    "one row": Provoked("no_frequency", lambda: days(1), lambda _: days()),
    "hours as days": Provoked(
        "wrong_frequency",
        lambda: days(ds=pd.date_range("2024-01-01", periods=60, freq="h")),
        settings={"data.freq": "D"},
    ),
    "dates as an index": Provoked("wrong_frequency", days, settings={"data.freq": "5"}),
    "a stamp between": Provoked(
        "off_grid",
        lambda: with_cell("ds", 30, pd.Timestamp("2024-01-31 07:00")),
        lambda frame: frame.assign(ds=pd.to_datetime(frame["ds"]).dt.floor("D")),
    ),
    "days and weeks": Provoked(
        "mixed_frequency",
        lambda: pd.concat(
            [
                days(unique_id="a"),
                days(unique_id="b", ds=pd.date_range("2024-01-01", periods=60, freq="7D")),
            ]
        ),
        lambda frame: frame[frame["unique_id"] == "a"],
    ),
    # ---- windows
    "a short series": Provoked("short_series", lambda: two_series(60, 3)),
    "all short": Provoked("short_series", lambda: days(20), settings={"windows.horizon": 24}),
    "sets too large": Provoked("no_training_rows", days, settings={"evaluation.test_size": 58}),
    "a set too small": Provoked(
        "no_window",
        days,
        settings={"evaluation.test_size": 1},
    ),
    "a context too long": Provoked("no_window", days, settings={"windows.context_length": 57}),
    "no window between gaps": Provoked(
        "no_window",
        lambda: days(200).drop(index=range(0, 200, 11)),
        settings={"data.gaps": "skip", "windows.context_length": 20},
    ),
    "no value at a step": Provoked(
        "no_learned_step",
        lambda: days(10, y=[1.5, 2.5, None, None, None, 6.5, 7.5, 1.5, 2.5, 3.5]),
        settings={
            "data.missing": "forward_fill",
            "windows.context_length": 2,
            "evaluation.test_size": 2,
            "evaluation.validation_size": 2,
        },
    ),
    "a gap near the end": Provoked(
        "no_forecast", lambda: days().drop(index=57), settings={"data.gaps": "skip"}
    ),
}
"""By name. Where an error and a warning have one code, the error is provoked."""
