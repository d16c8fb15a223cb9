"""The panel against a slow builder that loops over rows."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecast.data.load import load_panel
from forecast.data.names import name_of
from forecast.data.panel import Columns
from forecast.errors import DataError

COLUMNS = Columns(
    past_covariates=("load",),
    known_covariates=("weather",),
    static_covariates=("region", "size"),
    categorical=("weather", "region"),
)
START = datetime(2020, 1, 1)


@st.composite
def tables(draw):
    """Rows of a few hourly series with holes and covariates, in any order; ids are all text or all
    numbers."""
    name = draw(st.sampled_from([lambda k: f"s{k}", lambda k: k * 7 - 9]))
    rows = []
    for series in range(draw(st.integers(1, 4))):
        hours = sorted(draw(st.sets(st.integers(0, 30), min_size=2, max_size=20)) | {40, 41})
        for hour in hours:
            rows.append({
                "unique_id": name(series),
                "ds": START + timedelta(hours=hour),
                "y": round(draw(st.floats(-1e6, 1e6)), 6),
                "load": draw(st.integers(-5, 5)),
                "weather": draw(st.sampled_from(["sun", "rain", "fog"])),
                "region": "north" if series % 2 else "south",
                "size": float(series),
            })  # fmt: skip
    return draw(st.permutations(rows))


def slow_panel(rows, fill):
    """Ids, stamps, positions and values, one row after another in plain Python."""
    weather = sorted({row["weather"] for row in rows})
    region = sorted({row["region"] for row in rows})
    ids = sorted({row["unique_id"] for row in rows})
    lengths, stamps, values, statics = [], [], [], []
    for series in ids:
        own = {row["ds"]: row for row in rows if row["unique_id"] == series}
        first, last = min(own), max(own)
        hours = int((last - first) / timedelta(hours=1))
        kept = [first + timedelta(hours=k) for k in range(hours + 1)] if fill else sorted(own)
        for stamp in kept:
            row = own.get(stamp)
            stamps.append(stamp)
            values.append(
                [row["y"], row["load"], weather.index(row["weather"])] if row else [np.nan] * 3
            )
        lengths.append(len(kept))
        statics.append([region.index(own[first]["region"]), own[first]["size"]])
    return (
        ids,
        np.array(lengths),
        np.array(stamps, dtype="datetime64[ns]"),
        np.array(values),
        np.array(statics),
    )


@pytest.mark.parametrize("gaps", ["skip", "fill"])
@given(rows=tables())
def test_equals_a_loop_over_rows(rows, gaps):
    panel = load_panel(pd.DataFrame(rows), COLUMNS, freq="h", gaps=gaps)
    ids, lengths, stamps, values, statics = slow_panel(rows, fill=gaps == "fill")
    assert list(panel.series_ids) == ids
    assert [type(one) for one in panel.series_ids] == [type(one) for one in ids]
    assert np.array_equal(panel.lengths, lengths)
    assert np.array_equal(panel.timestamps, stamps)
    assert np.array_equal(panel.values, values, equal_nan=True)
    assert np.array_equal(panel.static_values, statics)
    hours = (stamps - np.datetime64("1970-01-01")) // np.timedelta64(1, "h")
    assert np.array_equal(panel.positions, hours)
    assert panel.values.flags.c_contiguous
    assert not panel.values.flags.writeable


@given(rows=tables(), data=st.data())
def test_order_of_rows_changes_no_bit(rows, data):
    one = load_panel(pd.DataFrame(rows), COLUMNS, freq="h", gaps="skip")
    other = load_panel(
        pd.DataFrame(data.draw(st.permutations(rows))), COLUMNS, freq="h", gaps="skip"
    )
    for name in ("series_ids", "offsets", "timestamps", "positions", "values", "static_values"):
        assert (
            getattr(one, name).tobytes() == getattr(other, name).tobytes() or name == "series_ids"
        )
    assert list(one.series_ids) == list(other.series_ids)
    assert one.categories == other.categories
    assert one.freq == other.freq


def hourly(rows=30, **columns):
    frame = pd.DataFrame(
        {"ds": pd.date_range("2020-01-01", periods=rows, freq="h"), "y": np.arange(float(rows))}
    )
    return frame.assign(**columns)


def test_the_frame_is_left_as_it_was():
    frame = hourly().sample(frac=1, random_state=0)
    before = frame.copy(deep=True)
    panel = load_panel(frame)
    assert frame.equals(before)
    assert not np.shares_memory(panel.values, frame["y"].to_numpy())


def test_table_without_ids_is_one_series():
    assert list(load_panel(hourly()).series_ids) == ["series"]


def test_missing_values_are_let_through_on_request_only():
    frame = hourly()
    frame.loc[[3, 4], "y"] = np.nan
    with pytest.raises(DataError, match="y is missing in 2 of 30 rows: series 'series', row 3"):
        load_panel(frame)
    panel = load_panel(frame, allow_missing=True)
    assert list(np.flatnonzero(np.isnan(panel.values[:, 0]))) == [3, 4]
    assert "missing in 2 of 30 rows" in panel.notes[0]


def test_infinite_and_empty_series_never_pass():
    with pytest.raises(DataError, match="infinite"):
        load_panel(hourly(y=np.inf), allow_missing=True)
    frame = pd.concat([hourly(unique_id="a"), hourly(unique_id="b", y=np.nan)])
    with pytest.raises(DataError, match=r"y has no value at all in 1 series: 'b'"):
        load_panel(frame, allow_missing=True)


def test_gaps():
    frame = pd.concat(
        [hourly(unique_id="a"), hourly(unique_id="b").drop(index=[5, 6, 9])], ignore_index=True
    )
    with pytest.raises(DataError) as caught:
        load_panel(frame)
    for words in (
        "3 timestamps are missing in 2 gaps",
        "series 'b', row 35 (2 missing between 2020-01-01 04:00 and",
        'gaps="skip"',
    ):
        assert words in str(caught.value)
    skipped = load_panel(frame, gaps="skip")
    assert np.array_equal(np.flatnonzero(np.diff(skipped.positions[30:]) != 1), [4, 6])
    filled = load_panel(frame, gaps="fill")
    assert list(np.flatnonzero(np.isnan(filled.values[:, 0]))) == [35, 36, 39]
    assert "filled with 3 rows" in filled.notes[0]


def test_series_that_follow_each_other_are_no_duplicates_and_no_gaps():
    for hours in (29, 30, 60):
        later = hourly(unique_id="b").assign(
            ds=lambda frame, hours=hours: frame["ds"] + pd.Timedelta(hours=hours)
        )
        panel = load_panel(pd.concat([hourly(unique_id="a"), later]))
        assert list(panel.lengths) == [30, 30]
        assert len(panel.notes) == 1
        assert "1 of 2 series ends before" in panel.notes[0]


def test_filling_never_explodes():
    frame = hourly()
    frame.loc[29, "ds"] = pd.Timestamp("2200-01-01")
    with pytest.raises(DataError, match="would turn 30 rows into 1577"):
        load_panel(frame, gaps="fill")


def test_static_covariates():
    columns = Columns(static_covariates=("size",))
    frame = hourly(unique_id="a", size=2.0)
    frame.loc[7, "size"] = 3.0
    with pytest.raises(
        DataError, match=r"'size' changes within a series, in 1 row: series 'a', row 7"
    ):
        load_panel(frame, columns)
    with pytest.raises(DataError, match="size is static, and is missing in 30 of 30"):
        load_panel(frame.assign(size=np.nan), columns, allow_missing=True)


def test_the_id_may_be_a_covariate():
    frame = pd.concat([hourly(unique_id=one) for one in (10, 9)])
    numeric = load_panel(frame, Columns(static_covariates=("unique_id",)))
    assert list(numeric.static_values[:, 0]) == [9.0, 10.0]
    coded = load_panel(frame, Columns(static_covariates=("unique_id",), categorical=("unique_id",)))
    assert coded.categories == {"unique_id": ("10", "9")}
    assert list(coded.static_values[:, 0]) == [1.0, 0.0]
    with pytest.raises(DataError, match=r'Pass categorical=\["unique_id"\]'):
        load_panel(hourly(unique_id="a"), Columns(static_covariates=("unique_id",)))


def test_categories_of_whole_numbers_have_one_spelling():
    columns = Columns(known_covariates=("kind",), categorical=("kind",))
    whole = load_panel(hourly(kind=np.arange(30) % 11), columns)
    floats = load_panel(hourly(kind=(np.arange(30) % 11).astype(float)), columns)
    assert (
        whole.categories["kind"] == floats.categories["kind"] == tuple(sorted(map(str, range(11))))
    )
    assert np.array_equal(whole.values, floats.values)
    assert whole.categories["kind"][int(whole.column("kind")[10])] == "10"


def test_series_of_two_frequencies_or_phases_are_refused():
    daily = hourly(unique_id="b").assign(ds=pd.date_range("2020-01-01", periods=30, freq="D"))
    with pytest.raises(
        DataError, match=r"no two rows are one step of 'h' apart in 1 series, first series 'b'"
    ):
        load_panel(pd.concat([hourly(unique_id="a", rows=60), daily]), gaps="skip")
    shifted = hourly(unique_id="b").assign(ds=hourly()["ds"] + pd.Timedelta(minutes=30))
    with pytest.raises(DataError, match=r"30 of 90 timestamps are not on the 'h' grid: series 'b'"):
        load_panel(pd.concat([hourly(unique_id="a", rows=60), shifted]))


def test_months_on_a_day_in_the_middle_are_explained():
    stamps = pd.date_range("2020-01-01", periods=30, freq="MS") + pd.Timedelta(days=14)
    with pytest.raises(
        DataError, match=r"31 days apart.*first day of its period.*series 'a', row 0 \(2020-01-15\)"
    ):
        load_panel(hourly(unique_id="a").assign(ds=stamps))


def test_mixed_ids_are_read_as_text():
    ids = [101, "A7", 2.5, "007", 1.0, True, np.int8(3)]
    panel = load_panel(pd.concat([hourly(unique_id=unique_id) for unique_id in ids]))
    assert panel.series_ids.tolist() == ["007", "1", "101", "2.5", "3", "A7", "true"]
    assert panel.notes[0] == "'unique_id' mixes types: read as text"
    assert set(panel.series_ids) == {name_of(unique_id) for unique_id in ids}

    later = hourly(unique_id="1").assign(ds=lambda table: table["ds"] + pd.Timedelta(hours=30))
    assert load_panel(pd.concat([hourly(unique_id=1), later])).lengths.tolist() == [60]
    with pytest.raises(DataError, match="30 timestamps occur twice"):
        load_panel(pd.concat([hourly(unique_id=1), hourly(unique_id="1")]))
    pairs = pd.concat([hourly(unique_id="a"), hourly(unique_id="b")])
    pairs["unique_id"] = [("a", 1) if name == "a" else name for name in pairs["unique_id"]]
    with pytest.raises(DataError, match="mixes types, tuple among them"):
        load_panel(pairs)


@pytest.mark.parametrize("dtype", ["Int64", "Float64", "float32", "int8", "uint16", "float16"])
def test_number_types(dtype):
    assert np.array_equal(
        load_panel(hourly(y=np.arange(30)).astype({"y": dtype})).values[:, 0], np.arange(30.0)
    )
