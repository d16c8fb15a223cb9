"""Objects of Python as tables, compared with the long frame of the same numbers."""

from __future__ import annotations

from array import array

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from forecast.data.load import load_panel
from forecast.data.panel import USUAL_ROLES, Columns
from forecast.data.read import TableFormat
from forecast.errors import DataError

SALES = Columns(id_col="shop", time_col="date", target_cols=("sales",))
ONE = Columns(time_col="date", target_cols=("sales",))


def one(freq="D"):
    days = pd.date_range("2024-01-01", periods=20, freq=freq)
    return pd.DataFrame({"date": days, "sales": np.arange(20) * 1.5})


def two():
    return pd.concat(
        [one().assign(shop="b"), one().assign(shop="a", sales=np.sqrt(np.arange(20)))],
        ignore_index=True,
    )


def same(panel, other):
    assert list(panel.series_ids) == list(other.series_ids)
    assert panel.freq == other.freq
    assert np.array_equal(panel.timestamps, other.timestamps)
    assert np.array_equal(panel.values, other.values, equal_nan=True)


@pytest.mark.parametrize("index", [["date"], ["shop"], ["shop", "date"], ["date", "shop"]])
def test_named_levels_of_an_index_are_columns(index):
    panel = load_panel(two().set_index(index), SALES)
    same(panel, load_panel(two(), SALES))
    assert panel.notes == ()


@pytest.mark.parametrize("names", [[None, None], ["when", "where"], ["when", "shop"]])
def test_other_levels_are_known_by_their_dates_and_told(names):
    frame = two().set_index(["date", "shop"])
    frame.index.names = names
    panel = load_panel(frame, SALES)
    same(panel, load_panel(two(), SALES))
    shown = repr(names[0]) if names[0] else "level 0"
    assert panel.notes[0] == f"{shown} of the index is the time column 'date'"
    assert len(panel.notes) == (1 if names[1] == "shop" else 2)


def test_an_index_of_dates_is_the_time_column_with_a_note():
    frame = one().set_index("date").rename_axis(None)
    panel = load_panel(frame, ONE)
    same(panel, load_panel(one(), ONE))
    assert panel.notes == ("the index of dates is the time column 'date'",)
    wide = load_panel(frame.assign(north=1.0), ONE.model_copy(update={"target_cols": ("y",)}),
        table_format=TableFormat(layout="wide"))  # fmt: skip
    assert list(wide.series_ids) == ["north", "sales"]


@pytest.mark.parametrize("freq", ["M", "D", "h", "Q"])
def test_periods_are_their_first_instant(freq):
    periods = pd.period_range("2024-01", periods=20, freq=freq)
    frame = one().assign(date=periods.to_timestamp())
    same(load_panel(frame[["sales"]].set_index(periods), ONE), load_panel(frame, ONE))


def test_a_column_of_stamps_wins_over_the_index():
    frame = one().set_index(pd.date_range("1999-01-01", periods=20))
    panel = load_panel(frame, ONE)
    same(panel, load_panel(one(), ONE))
    assert panel.notes == ()


def test_an_index_that_could_be_two_things_is_asked_about():
    frame = one().assign(end=one()["date"], date2=one()["date"]).drop(columns="date")
    with pytest.raises(DataError, match=r"the index contains 'end', 'date2'. Call reset_index\(\)"):
        load_panel(frame.set_index(["end", "date2"]), ONE)
    numbered = one().assign(run=1, step=range(20)).drop(columns="date").set_index(["run", "step"])
    with pytest.raises(DataError, match=r"Call reset_index\(\) and name the columns"):
        load_panel(numbered, ONE)
    fixed = numbered.reset_index().rename(columns={"step": "date"})
    assert load_panel(fixed, ONE).num_rows == 20
    with pytest.raises(DataError, match="there is no column 'date'"):
        load_panel(one()[["sales"]], ONE)


@pytest.mark.parametrize("dtype", ["Float64", "double[pyarrow]", "Int64", "int32[pyarrow]"])
@pytest.mark.parametrize("text", ["string", "string[pyarrow]", "category", "large_string[pyarrow]"])
def test_nullable_and_arrow_types(dtype, text):
    frame = two().assign(sales=np.arange(40.0))
    expected = load_panel(frame, SALES)
    if "string[pyarrow]" in text:
        text = pd.ArrowDtype(pa.large_string() if "large" in text else pa.string())
    typed = frame.astype({"sales": dtype, "shop": text, "date": "timestamp[us][pyarrow]"})
    same(load_panel(typed, SALES), expected)
    same(load_panel(typed.set_index(["shop", "date"]), SALES), expected)
    typed.loc[3, "sales"] = pd.NA
    assert np.isnan(load_panel(typed, SALES, allow_missing=True).values).sum() == 1


@pytest.mark.parametrize("name", [None, "sales", "other"])
def test_a_series_is_the_target(name):
    series = one().set_index("date")["sales"].rename(name)
    same(load_panel(series, ONE), load_panel(one(), ONE))
    panel = load_panel(series.rename_axis("when"), ONE)
    assert panel.notes == ("the index of the Series is the time column 'date'",)
    several = two().set_index(["shop", "date"])["sales"]
    same(load_panel(several, SALES), load_panel(two(), SALES))


@pytest.mark.parametrize("make", [list, tuple, np.array, pd.Series, lambda x: array("d", x)])
def test_steps_of_plain_numbers_are_counted(make):
    numbers = [3.0, 1.0, 4.0, 1.0, 5.0]
    panel = load_panel(make(numbers))
    assert panel.notes == ("5 numbers without timestamps: the steps are counted from 0 to 4",)
    assert panel.timestamps.tolist() == [0, 1, 2, 3, 4]
    assert panel.values[:, 0].tolist() == numbers
    assert panel.columns == USUAL_ROLES


def test_whole_numbers_that_look_like_dates_are_still_values():
    assert load_panel([202401, 202402, 202404]).values[:, 0].tolist() == [202401, 202402, 202404]
    with pytest.raises(DataError, match="%Y%m"):
        load_panel(pd.Series([1.0, 2.0, 4.0], index=[202401, 202402, 202403]))


def test_missing_numbers_of_a_list():
    masked = np.ma.array([1.0, 2.0, 3.0, 4.0], mask=[False, True, False, False])
    for numbers in ([1, None, 3, 4], [1, np.nan, 3, 4], masked):
        with pytest.raises(DataError, match="y is missing in 1 of 4 rows: series 'series', row 1"):
            load_panel(numbers)
        values = load_panel(numbers, allow_missing=True).values[:, 0]
        assert np.array_equal(values, [1, np.nan, 3, 4], equal_nan=True)


@pytest.mark.parametrize(
    "given",
    [
        [[1, 2], [3, 4]],
        [[1], [2, 3]],
        np.zeros((3, 2)),
        ["1", "2"],
        [{"ds": 1, "y": 2}],
        [True, False],
        [1j],
        np.array(["2024-01-01"], "datetime64[D]"),
        {"ds": [1], "y": [2]},
        7,
        pa.array([1, 2, 3]),
        b"ds,y",
    ],
    ids=str,
)
def test_what_is_no_table_is_refused_in_one_line(given):
    with pytest.raises(DataError, match=r"(?i)the table is.*\. (expected|pass) ") as caught:
        load_panel(given)
    assert "\n" not in str(caught.value)


def test_several_targets_need_columns():
    with pytest.raises(DataError, match=r"a list of numbers, and there are 2 targets: 'a', 'b'"):
        load_panel([1, 2, 3], Columns(target_cols=("a", "b")))
    with pytest.raises(DataError, match="a Series, and there are 2 targets"):
        load_panel(pd.Series([1, 2, 3]), Columns(target_cols=("a", "b")))


class Stream:
    """A table that can only be handed over through Arrow, as those of polars and DuckDB."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)


TEXT = [
    pa.string(),
    pa.large_string(),
    pa.string_view(),
    pa.dictionary(pa.int32(), pa.string()),
    pa.dictionary(pa.uint32(), pa.large_string()),
]


@pytest.mark.parametrize("kind", TEXT, ids=str)
@pytest.mark.parametrize("stamps", [pa.timestamp("us"), pa.date32(), pa.string_view()], ids=str)
def test_whatever_streams_through_arrow_is_a_table(kind, stamps):
    table = pa.Table.from_pandas(two(), preserve_index=False)
    days = table["date"].cast(pa.date32()).cast(pa.string()).cast(stamps)
    table = table.set_column(0, "date", days)
    table = table.set_column(2, "shop", table["shop"].cast(kind))
    same(load_panel(Stream(table), SALES), load_panel(two(), SALES))
    same(load_panel(table, SALES), load_panel(two(), SALES))


def test_a_frame_of_polars():
    polars = pytest.importorskip("polars")
    frame = polars.from_pandas(two())
    coded = frame.with_columns(polars.col("shop").cast(polars.Categorical))
    for given in (frame, coded):
        same(load_panel(given, SALES), load_panel(two(), SALES))
