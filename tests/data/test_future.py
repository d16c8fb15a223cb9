"""Rows of the future are cut off the history, and series that end early are named."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecast.data.doctor import diagnose
from forecast.data.known import append_future, covers, future_frame, read_known
from forecast.data.load import load_panel
from forecast.data.panel import Columns, panel_digest
from forecast.data.per_series.subset import last_rows, rows_before, select_series
from forecast.data.read import TableFormat
from forecast.errors import DataError

COLUMNS = Columns(
    past_covariates=("load",), known_covariates=("weather", "price"), categorical=("weather",),
    static_covariates=("size",),
)  # fmt: skip
WEATHER = ("sun", "rain", "fog")


def daily(targets, unique_id="a", start="2024-01-01", **columns):
    """One series, a day a row."""
    stamps = pd.date_range(start, periods=len(targets), freq="D")
    frame = pd.DataFrame({"unique_id": unique_id, "ds": stamps, "y": np.asarray(targets, float)})
    return frame.assign(**columns)


def planned(rows=10, ahead=3, unique_id="a", **columns):
    """A series whose last rows are the days to forecast."""
    return daily(
        [*np.arange(1.0, rows + 1), *[np.nan] * ahead],
        unique_id,
        price=np.arange(rows + ahead) / 4,
        **columns,
    )


@st.composite
def tables(draw):
    """Daily series with holes, the last rows of some without a target; rows in any order."""
    parts = []
    for series in range(draw(st.integers(1, 3))):
        rows = draw(st.integers(4, 12))
        targets = draw(st.lists(st.sampled_from([1.0, 2.5, np.nan]), min_size=rows, max_size=rows))
        ahead = draw(st.integers(0, 4))
        one = daily(
            [1.0, 2.0, *targets, *[np.nan] * ahead],
            f"s{series}",
            start=f"2024-01-{1 + 3 * series:02d}",
        )
        kind = [draw(st.sampled_from(WEATHER)) for _ in range(len(one))]
        parts.append(
            one.assign(weather=kind, price=np.arange(len(one)) / 8, load=1.0, size=float(series))
        )
    table = pd.concat(parts, ignore_index=True)
    return table.iloc[draw(st.permutations(range(len(table))))].reset_index(drop=True)


def divided(table):
    """Rows up to the last target of their series, and those after it, one row after another."""
    last = {}
    for row in table.itertuples():
        if not np.isnan(row.y):
            last[row.unique_id] = max(row.ds, last.get(row.unique_id, row.ds))
    is_future = [row.ds > last[row.unique_id] for row in table.itertuples()]
    return table[~np.array(is_future)], table[is_future]


def assert_same(one, other):
    for name in ("series_ids", "offsets", "timestamps", "positions", "values", "static_values"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    assert one.categories == other.categories
    assert one.freq == other.freq


@given(table=tables())
def test_the_panel_is_that_of_the_table_without_these_rows(table):
    history, ahead = divided(table)
    panel = load_panel(table, COLUMNS, freq="D", allow_missing=True)
    assert_same(panel, load_panel(history, COLUMNS, freq="D", allow_missing=True))
    if not len(ahead):
        assert panel.future is None
        return
    ordered = ahead.sort_values(["unique_id", "ds"])
    future = panel.future
    assert [str(one) for one in future.series_ids[future.series_of_rows()]] == ordered[
        "unique_id"
    ].tolist()
    np.testing.assert_array_equal(future.timestamps, ordered["ds"].to_numpy("datetime64[ns]"))
    np.testing.assert_array_equal(future.column("price"), ordered["price"])
    words = np.array(future.categories["weather"], object)
    assert words[future.column("weather").astype(int)].tolist() == ordered["weather"].tolist()
    assert not future.values.flags.writeable


ROADS = ("frame", "objects", "nullable", "csv", "NA in csv", "parquet")


@pytest.mark.parametrize("road", ROADS)
def test_every_road_tells_them_apart(road, tmp_path):
    table = planned()
    if road == "objects":
        table = table.astype({"y": object}).where(table.notna(), None)
    elif road == "nullable":
        table = table.astype({"y": "Float64"})
    source = tmp_path / f"table.{road[-3:]}" if road.endswith("csv") else tmp_path / "table.parquet"
    if road == "parquet":
        table.to_parquet(source)
    elif road.endswith("csv"):
        table.to_csv(source, index=False, na_rep="NA " if "NA" in road else "")
    panel = load_panel(source if source.exists() else table, Columns(known_covariates=("price",)))
    assert panel.num_rows == 10
    assert panel.future.column("price").tolist() == [2.5, 2.75, 3.0]


@pytest.mark.parametrize("missing", [False, True])
def test_what_is_said_of_them(missing):
    table = pd.concat(
        [planned(load=1.0), planned(ahead=0, unique_id="b", load=2.0)], ignore_index=True
    )
    columns = Columns(known_covariates=("price",), past_covariates=("load",))
    diagnosis = diagnose(table, columns, allow_missing=missing)
    assert [(finding.severity, finding.code) for finding in diagnosis.findings] == [
        ("note", "future_rows")
    ]
    assert diagnosis.findings[0].message == (
        "3 rows at the end of 1 of 2 series have no y: they are the future from 2024-01-11 on, not "
        "history; forecasts "
        "use price of these rows; their past covariates (load) are not used"
    )
    assert diagnosis.num_rows == 20


def test_one_row_of_local_time_is_said_in_local_time():
    stamps = pd.date_range("2024-01-01", periods=30, freq="h", tz="Europe/Berlin")
    table = pd.DataFrame({"ds": stamps, "y": [*np.arange(29.0), np.nan]})
    assert load_panel(table).notes == (
        "1 row at the end has no y: it is the future from 2024-01-02 05:00 on, not history",
    )


def test_holes_are_no_future():
    table = planned()
    table.loc[[4, 7], "y"] = np.nan
    with pytest.raises(DataError, match="y is missing in 2 of 10 rows: series 'a', row 4"):
        load_panel(table)
    panel = load_panel(table, allow_missing=True)
    assert np.flatnonzero(np.isnan(panel.values[:, 0])).tolist() == [4, 7]


def test_rows_with_one_of_two_targets_are_history():
    table = planned().assign(z=[*np.arange(11.0), np.nan, np.nan])
    panel = load_panel(table, Columns(target_cols=("y", "z")), allow_missing=True)
    assert panel.num_rows == 11
    assert "2 rows at the end have no y or z" in panel.notes[1]


def test_a_series_without_any_target_is_refused_as_before():
    table = pd.concat([planned(), daily([np.nan] * 5, "new")], ignore_index=True)
    with pytest.raises(DataError, match=r"y has no value at all in 1 series: 'new'"):
        load_panel(table, allow_missing=True)


def test_gaps_are_filled_in_the_history_alone():
    table = planned(ahead=4).drop(index=[5, 11]).reset_index(drop=True)
    panel = load_panel(table, Columns(known_covariates=("price",)), gaps="fill", allow_missing=True)
    assert panel.num_rows == 10
    assert panel.future.num_rows == 3
    assert not covers(panel, 2), "the second day is not there"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda table: pd.concat([table, table.tail(1)], ignore_index=True),
            "occurs twice.*row 12 and row 13",
        ),
        (
            lambda table: table.astype({"price": object}).replace({"price": {3.0: "dear"}}),
            "'dear'.*row 12",
        ),
        (
            lambda table: table.assign(
                ds=[*table["ds"][:-1], table["ds"].iloc[-1] + pd.Timedelta("5h")]
            ),
            "1 of 3 timestamps are not on the 'D' grid: series 'a', row 12",
        ),
    ],
)
def test_damage_is_named_where_it_is(change, words):
    table, columns = change(planned()), Columns(known_covariates=("price",))
    with pytest.raises(DataError, match=words):
        load_panel(table, columns)
    diagnosis = diagnose(table, columns)
    assert len(diagnosis.errors) == 1
    assert diagnosis.panel is None


def test_panels_of_fewer_series_or_rows():
    table = pd.concat([planned(), planned(unique_id="b"), planned(ahead=0, unique_id="c")])
    panel = load_panel(table, Columns(known_covariates=("price",)))
    assert list(select_series(panel, np.array([1])).future.series_ids) == ["b"]
    assert select_series(panel, np.array([2])).future is None
    assert last_rows(panel, 2).future is panel.future
    assert rows_before(panel, panel.offsets[1:] - 3).future is None


def test_the_template_holds_what_the_table_does():
    table = planned(ahead=2, weather=[*WEATHER * 4][:12])
    table.loc[11, "price"] = np.nan
    panel = load_panel(
        table, Columns(known_covariates=("price", "weather"), categorical=("weather",))
    )
    frame = future_frame(panel, 3)
    assert frame["ds"].tolist() == pd.date_range("2024-01-11", periods=3).tolist()
    np.testing.assert_array_equal(frame["price"], [2.5, np.nan, np.nan])
    assert frame["weather"].tolist()[:2] == ["rain", "fog"]
    assert frame["weather"].isna().tolist() == [False, False, True]


def test_what_is_passed_counts_for_more_than_what_the_table_holds():
    columns = Columns(known_covariates=("price", "weather"), categorical=("weather",))
    panel = load_panel(planned(weather=[*WEATHER * 5][:13]), columns)
    assert covers(panel, 3)
    assert not covers(panel, 4)
    passed = pd.DataFrame(
        {"ds": ["2024-01-12", "2024-01-14"], "price": [9.0, 8.0], "weather": ["snow", "sun"]}
    )
    known = read_known(panel, passed.assign(unique_id="a"), table_format=TableFormat())
    ahead = append_future(panel, 4, known)
    assert ahead.column("price")[10:].tolist() == [2.5, 9.0, 3.0, 8.0]
    words = [ahead.categories["weather"][int(code)] for code in ahead.column("weather")[10:]]
    assert words == ["rain", "snow", "sun", "sun"]
    with pytest.raises(
        DataError,
        match="known covariates are missing in 1 of 4 rows, first series 'a' at 2024-01-14",
    ):
        append_future(panel, 4)


def test_empty_covariates_of_the_future_are_named():
    table = planned()
    table.loc[11, "price"] = np.nan
    panel = load_panel(table, Columns(known_covariates=("price",)))
    with pytest.raises(
        DataError,
        match="known covariate 'price' is empty in 1 cell, first series 'a' at 2024-01-12",
    ):
        append_future(panel, 3)


def test_a_column_of_a_wide_table_that_ends_early():
    table = pd.DataFrame(
        {"ds": pd.date_range("2024-01-01", periods=12), "a": np.arange(5.0, 17.0) ** 2}
    )
    table["b"] = [*np.arange(12.0, 2.0, -1) ** 2, np.nan, np.nan]
    panel = load_panel(
        table.assign(a=table["a"].where(table.index < 11)), table_format=TableFormat(layout="wide")
    )
    assert panel.lengths.tolist() == [11, 10]
    assert (
        "3 rows at the end of 2 of 2 series have no value: they are the future from 2024-01-11"
        in panel.notes[1]
    )
    assert (
        "1 of 2 series ends before 2024-01-11 and is forecast from its last row: 'b'"
        in panel.notes[2]
    )


def test_series_that_ended_are_named_those_furthest_behind_first():
    parts = [
        daily(np.arange(rows) ** 2.0, name)
        for name, rows in zip("abcdef", (30, 29, 12, 30, 20, 15), strict=True)
    ]
    assert load_panel(pd.concat(parts)).notes == (
        "4 of 6 series end before 2024-01-30 and are forecast from their last rows: 'c' "
        "(2024-01-12, 18 steps behind), "
        "'f' (2024-01-15, 15 steps behind), 'e' (2024-01-20, 10 steps behind) and 1 more",
    )


def test_an_index_of_whole_numbers_is_a_clock_of_each_series():
    parts = [pd.DataFrame({"unique_id": one, "ds": range(rows),
    "y": np.arange(rows) ** 2.0}) for one, rows in
             (("a", 30), ("b", 20))]  # fmt: skip
    assert load_panel(pd.concat(parts)).notes == ()


@pytest.mark.parametrize("layout", ["long", "wide"])
@pytest.mark.parametrize("last", [np.nan, 4.0])
def test_a_series_without_a_value_is_left_out_on_request(layout, last):
    days = pd.date_range("2024-01-01", periods=20)
    values = {"north": np.arange(20.0), "none": np.full(20, np.nan), "south": np.arange(20.0) + 5}
    values["south"][-1] = last  # perhaps a future row
    frame = pd.DataFrame({"ds": days, **values})
    if layout == "long":
        frame = frame.melt("ds", var_name="unique_id", value_name="y")
    written = TableFormat(layout=layout)
    with pytest.raises(DataError, match=r"no value at all in 1 series: 'none'.*empty_series"):
        load_panel(frame, table_format=written, allow_missing=True)
    written = TableFormat(layout=layout, empty_series="leave_out")
    panel = load_panel(frame, table_format=written, allow_missing=True)
    without = load_panel(
        frame.drop(columns="none") if layout == "wide" else frame[frame["unique_id"] != "none"],
        table_format=written,
        allow_missing=True,
    )
    assert panel.series_ids.tolist() == without.series_ids.tolist() == ["north", "south"]
    assert np.array_equal(panel.values, without.values, equal_nan=True)
    assert panel.offsets.tolist() == without.offsets.tolist()
    assert sum("1 series of 3 left out" in note for note in panel.notes) == 1
    assert (panel.future is None) == (without.future is None)


def test_a_table_without_any_value_is_refused_all_the_same():
    days = pd.date_range("2024-01-01", periods=20)
    frame = pd.DataFrame({"ds": days, "y": np.full(20, np.nan)})
    written = TableFormat(empty_series="leave_out")
    with pytest.raises(DataError, match="no value at all"):
        load_panel(frame, table_format=written, allow_missing=True)


CHANGES = {
    "a target": ("y", 0),
    "a past covariate": ("wind", 1),
    "a known covariate": ("price", 2),
    "a known category": ("weather", 2),
    "a known covariate ahead": ("price", -1),
    "a known category ahead": ("weather", -1),
    "a static covariate": ("area", None),
    "a static category": ("kind", None),
    "an id": ("unique_id", None),
    "all stamps": ("ds", None),
}


def test_every_role_counts_for_the_fingerprint():
    rows = 12
    table = pd.DataFrame(
        {
            "unique_id": "a",
            "ds": pd.date_range("2024-01-01", periods=rows),
            "y": [*np.arange(rows - 2.0), np.nan, np.nan],
            "wind": np.arange(rows) / 2,
            "price": np.arange(rows) / 4,
            "weather": ["dry", "wet", "hot"] * 4,
            "area": 3.5,
            "kind": "shop",
        }
    )
    columns = Columns(
        past_covariates=("wind",),
        known_covariates=("price", "weather"),
        static_covariates=("area", "kind"),
        categorical=("weather", "kind"),
    )
    new = {"ds": pd.Timedelta(days=1), "weather": "dry", "kind": "mall", "unique_id": "b"}
    digests = {panel_digest(load_panel(table, columns))}
    assert panel_digest(load_panel(table.sample(frac=1.0, random_state=1), columns)) in digests
    for name, row in CHANGES.values():
        changed = table.copy()
        place = slice(None) if row is None else changed.index[row]
        if name in ("ds", "unique_id", "weather", "kind"):
            value = changed[name] + new[name] if name == "ds" else new[name]
        else:
            value = changed.loc[place, name] + 0.125
        changed.loc[place, name] = value
        digests.add(panel_digest(load_panel(changed, columns)))
    assert len(digests) == 1 + len(CHANGES)
