"""The same table in every form it may be written down in."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from data.bad_tables import BAD_TABLES, BadTable, clean

from forecast.data.load import load_panel
from forecast.data.panel import Columns
from forecast.data.read import TableFormat
from forecast.errors import ConfigError, DataError
from forecast.experiment.settings import DataConfig


def panel_of_two():
    """Two series of different length, with ids out of order."""
    return pd.concat(
        [clean().assign(unique_id="b"), clean(rows=50).assign(unique_id="a", y=1.5)],
        ignore_index=True,
    )


def assert_same(one, other):
    assert list(one.series_ids) == list(other.series_ids)
    assert one.freq == other.freq
    for name in ("offsets", "timestamps", "positions", "values"):
        assert np.array_equal(
            getattr(one, name), getattr(other, name), equal_nan=name == "values"
        ), name


@pytest.mark.parametrize(
    "suffix", [".csv", ".csv.gz", ".txt", ".tsv", ".parquet", ".pq", ";.csv", "|.csv"]
)
def test_file_equals_frame(suffix, tmp_path):
    frame = panel_of_two()
    path = tmp_path / f"table{suffix.lstrip(';|')}"
    if suffix.startswith(".p"):
        frame.to_parquet(path)
    else:
        separator = {".tsv": "\t", ";.csv": ";", "|.csv": "|"}.get(suffix, ",")
        frame.to_csv(path, index=False, sep=separator)
    assert_same(load_panel(path), load_panel(frame))
    assert_same(load_panel(str(path)), load_panel(frame))


@pytest.mark.parametrize(
    "ids", [[7, 12], ["007", "12"], ["", "x"], ["a,b", 'say "hi"'], ["x\ny", "é"]]
)
def test_ids_survive_a_csv(ids, tmp_path):
    frame = pd.concat([clean(rows=30).assign(unique_id=one) for one in ids])
    frame.to_csv(tmp_path / "ids.csv", index=False)
    if "" in ids:
        with pytest.raises(DataError, match="unique_id is missing in 30 rows: line 2"):
            load_panel(tmp_path / "ids.csv")
    else:
        assert list(load_panel(tmp_path / "ids.csv").series_ids) == sorted(ids)


def test_lines_are_counted_in_files_with_blank_lines_and_quoted_line_ends(tmp_path):
    lines = [
        "",
        "unique_id,note,ds,y",
        'a,"two',
        'lines",2020-01-01,1',
        "",
        "a,x,2020-01-02,2",
        "a,y,2020-01-03,many",
    ]
    (tmp_path / "notes.csv").write_text("\n".join(lines))
    with pytest.raises(DataError, match="line 7"):
        load_panel(tmp_path / "notes.csv")


def test_types_that_change_late_in_a_large_file(tmp_path):
    rows = 60_000
    frame = clean(rows=rows, freq="min").assign(y=np.arange(rows))
    lines = frame.to_csv(index=False, date_format="%Y-%m-%d %H:%M").splitlines()
    lines[-1] = "a,2020-02-11 15:59:00,0.5"
    (tmp_path / "late.csv").write_text("\n".join(lines))
    panel = load_panel(tmp_path / "late.csv")
    assert np.array_equal(panel.values[:, 0], [*range(rows - 1), 0.5])
    lines[-1] = "a,2020-02-11 15:59,abc"
    (tmp_path / "late.csv").write_text("\n".join(lines))
    with pytest.raises(
        DataError, match=f"'abc', which is not a number, in 1 row: series 'a', line {rows + 1} "
    ):
        load_panel(tmp_path / "late.csv")


def wide():
    frame = pd.DataFrame({"date": pd.date_range("2020-01-01", periods=40, freq="h")})
    return frame.assign(
        north=np.arange(40.0), south=-np.arange(40), name="x", heat=np.linspace(0, 1, 40)
    )


@pytest.mark.parametrize("suffix", [None, ".csv", ".parquet"])
def test_wide_equals_its_long_form(suffix, tmp_path):
    source = wide()
    if suffix:
        source = tmp_path / f"wide{suffix}"
        wide().to_csv(source, index=False) if suffix == ".csv" else wide().to_parquet(source)
    columns = Columns(time_col="date", known_covariates=("heat",))
    panel = load_panel(source, columns, table_format=TableFormat(layout="wide"))
    long = wide().drop(columns="name").melt(["date", "heat"], var_name="unique_id", value_name="y")
    assert_same(panel, load_panel(long, columns))
    assert panel.columns.target_cols == ("y",)
    assert "ignored: 'name'" in panel.notes[0]


def test_wide_with_named_series():
    columns = Columns(time_col="date", target_cols=("south",))
    panel = load_panel(wide(), columns, table_format=TableFormat(layout="wide"))
    assert list(panel.series_ids) == ["south"]
    assert np.array_equal(panel.values[:, 0], -np.arange(40.0))


def test_wide_series_begin_at_their_first_value_and_name_their_rows():
    frame = wide()[["date", "north", "south"]].astype({"south": float})
    frame.loc[:9, "south"] = np.nan
    wide_format = TableFormat(layout="wide")
    panel = load_panel(frame, Columns(time_col="date"), table_format=wide_format)
    assert list(panel.lengths) == [40, 30]
    assert panel.timestamps[40] == np.datetime64("2020-01-01T10")
    assert panel.notes[0] == "2 columns are series: 'north', 'south'"
    assert panel.notes[1] == "series that begin after blank cells: 'south'"
    frame.loc[25, "south"] = np.inf
    with pytest.raises(DataError, match=r"series 'south', row 25 \(2020-01-02 01:00\)"):
        load_panel(frame, Columns(time_col="date"), table_format=wide_format)
    with pytest.raises(DataError, match=r"'abc'.*series 'north', row 3"):
        load_panel(frame.astype({"north": object}).replace({"north": {3.0: "abc"}}),
        Columns(time_col="date"),
                   table_format=wide_format)  # fmt: skip


def zoned(start="2020-10-23", tz="Europe/Berlin", freq="15min"):
    return clean(rows=400, start=start, freq=freq, tz=tz)


@pytest.mark.parametrize("tz", ["UTC", "Europe/Berlin", "Asia/Kolkata", "+01:00"])
def test_zones_are_kept_and_counted_in_utc(tz, tmp_path):
    frame = zoned(tz=tz)
    panel = load_panel(frame)
    assert panel.freq.local(panel.timestamps).equals(pd.DatetimeIndex(frame["ds"], freq=None))
    assert np.array_equal(np.diff(panel.positions), np.ones(399))
    frame.to_parquet(tmp_path / "zoned.parquet")
    assert_same(load_panel(tmp_path / "zoned.parquet"), panel)
    frame.to_csv(tmp_path / "zoned.csv", index=False)
    assert np.array_equal(load_panel(tmp_path / "zoned.csv").timestamps, panel.timestamps)
    assert_same(
        load_panel(tmp_path / "zoned.csv", table_format=TableFormat(tz=panel.freq.tz)), panel
    )


@pytest.mark.parametrize("start", ["2020-10-23", "2020-03-27"])
@pytest.mark.parametrize("freq", ["h", "15min"])
def test_local_stamps_with_their_zone_equal_zoned_ones(start, freq):
    frame = pd.concat(
        [zoned(start, freq=freq), zoned(start, freq=freq).assign(unique_id="b")], ignore_index=True
    )
    naive = frame.assign(ds=frame["ds"].dt.tz_localize(None))
    assert_same(load_panel(naive, table_format=TableFormat(tz="Europe/Berlin")), load_panel(frame))


@pytest.mark.parametrize("tz", ["Europe/Berlin", "America/New_York", "Australia/Sydney"])
@pytest.mark.parametrize("freq", ["h", "30min"])
def test_local_time_is_recognised_by_all_its_gaps(tz, freq):
    stamps = pd.date_range("2019-01-01", "2021-12-31", freq=freq, tz=tz).tz_localize(None)
    frame = pd.DataFrame({"ds": stamps.drop_duplicates(), "y": 1.0})
    with pytest.raises(DataError, match=f"in 3 gaps.*looks like local time with DST, as in {tz}"):
        load_panel(frame)
    outage = frame[(frame["ds"] < "2020-07-01") | (frame["ds"] >= "2020-07-01 01:00")]
    with pytest.raises(DataError, match=r'in 4 gaps.*Pass gaps="fill"'):
        load_panel(outage)


def test_repeated_hours_that_cannot_be_told_apart_are_refused():
    berlin = TableFormat(tz="Europe/Berlin")
    naive = zoned(freq="h").assign(ds=lambda frame: frame["ds"].dt.tz_localize(None))
    for shuffled in (naive[::-1], naive.sample(frac=1, random_state=0)):
        with pytest.raises(DataError, match=r"2020-10-25 02:00.*UTC offset"):
            load_panel(shuffled, table_format=berlin)
    once = naive.drop(index=naive.index[naive["ds"].duplicated()])
    with pytest.raises(DataError, match=r"occurs once only.*2020-10-25 02:00"):
        load_panel(once, table_format=berlin)
    spring = clean(rows=100, start="2020-03-28")
    with pytest.raises(
        DataError, match="1 timestamp skipped by the clocks of Europe/Berlin: series 'a', row 26"
    ):
        load_panel(spring, table_format=berlin)


@pytest.mark.parametrize(
    ("text", "time_format"),
    [
        ("%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M"),
        ("%m/%d/%y %H:%M:%S", "%m/%d/%y %H:%M:%S"),
        ("%Y%m%d%H", "%Y%m%d%H"),
        ("%Y/%m/%d %H:%M:%S", None),
        ("%Y-%m-%dT%H:%M:%S", None),
        ("%Y.%m.%d %H:%M", None),
    ],
)
def test_written_dates(text, time_format, tmp_path):
    frame = clean()
    written = frame.assign(ds=frame["ds"].dt.strftime(text))
    options = TableFormat(time_format=time_format)
    assert_same(load_panel(written, table_format=options), load_panel(frame))
    written.to_csv(tmp_path / "dates.csv", index=False)
    assert_same(load_panel(tmp_path / "dates.csv", table_format=options), load_panel(frame))


def test_text_with_and_without_a_zone_is_not_mixed():
    text = clean()["ds"].dt.strftime("%Y-%m-%d %H:%M")
    for other, most in (("", "+01:00"), ("Z", "")):
        mixed = clean().assign(
            ds=[stamp + (other if row == 5 else most) for row, stamp in enumerate(text)]
        )
        with pytest.raises(
            DataError, match=r"does not fit the format of the other rows: series 'a', row 5"
        ):
            load_panel(mixed)
    zoned = load_panel(clean().assign(ds=text + "+01:00"))
    assert zoned.timestamps[0] == np.datetime64("2019-12-31T23:00")


def test_months_without_days():
    frame = clean(freq="MS", rows=40)
    assert_same(load_panel(frame.assign(ds=frame["ds"].dt.strftime("%Y-%m"))), load_panel(frame))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target_cols": ("y", "y")}, r"target_cols is \['y', 'y'\]; expected each column once"),
        (
            {"target_cols": ("y",), "past_covariates": ("y",)},
            "target_cols names 'y', and past_covariates does too",
        ),
        ({"target_cols": ("y",), "id_col": "y"}, "target_cols names 'y', and id_col does too"),
        ({"categorical": ("z",)}, "categorical names 'z', which is none of the covariates"),
    ],
)
def test_roles_that_contradict_each_other(change, message):
    for section in (Columns, DataConfig):
        with pytest.raises(ConfigError, match=message):
            section(**change)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"decimal": ";"}, r"decimal is \";\"; expected '\.' or ','"),
        ({"separator": ",", "decimal": ","}, "separator is ',' and so is decimal; expected two"),
        ({"separator": "::"}, 'separator is "::"; expected one character or null'),
        ({"layout": "tall"}, "layout is \"tall\"; expected 'auto', 'long', 'wide' or"),
        ({"time_format": "unix"}, "time_format is 'unix'; expected .*did you mean 'unix_s'"),
    ],
)
def test_formats_that_contradict_themselves(options, message):
    for section in (TableFormat, DataConfig):
        with pytest.raises(ConfigError, match=message):
            section(**options)


def test_settings_of_a_table_are_its_columns_and_its_format():
    roles = {"time_col": "t", "past_covariates": ("a",), "categorical": ("a",)}
    written = {"separator": ";", "decimal": ",", "tz": "UTC"}
    settings = DataConfig(**roles, **written, source="sales.csv", freq="h")
    assert settings.columns == Columns(**roles)
    assert settings.table_format == TableFormat(**written)


def test_columns_and_format_can_be_keys_and_cannot_be_changed():
    assert {Columns(): 1, TableFormat(): 2}[Columns(target_cols="auto")] == 1
    for section, name in ((Columns(), "id_col"), (TableFormat(), "tz")):
        with pytest.raises(ValueError, match="frozen"):
            setattr(section, name, "x")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoding": "utf-99"}, "encoding is 'utf-99'"),
        ({"tz": "Mars/Olympus"}, "tz is 'Mars/Olympus'"),
        ({"time_format": "%Q"}, "time_format is '%Q'"),
    ],
)
def test_formats_that_do_not_exist(options, message, tmp_path):
    path = BadTable("clean", clean).file(tmp_path)
    with pytest.raises(ConfigError, match=message):
        load_panel(path, table_format=TableFormat(**options))


@pytest.mark.parametrize(
    ("name", "roles", "layout", "freq", "series", "rows"),
    [
        ("ETTh1.csv", {"time_col": "date", "target_cols": ("OT",)}, "long", "h", 1, 17420),
        ("ETTh2.csv", {"time_col": "date"}, "wide", "h", 7, 121940),
        ("epf/NP.csv", {"time_col": "date", "target_cols": ("OT",)}, "long", "h", 1, 52416),
        ("exchange_rate.csv", {"time_col": "date"}, "wide", "D", 8, 60704),
        ("us_births.csv", {}, "long", "D", 1, 7305),
        ("national_illness.csv", {"time_col": "date"}, "wide", "W-TUE", 7, 6762),
        (
            "air_passengers.csv",
            {"time_col": "Month", "target_cols": ("#Passengers",)},
            "long",
            "MS",
            1,
            144,
        ),
        ("m4/m4_hourly_train.parquet", {}, "long", "1", 414, 353500),
    ],
)
def test_real_files(name, roles, layout, freq, series, rows, shared_data):
    panel = load_panel(
        shared_data / name, Columns(**roles), table_format=TableFormat(layout=layout)
    )
    assert (panel.freq.alias, panel.num_series, panel.num_rows) == (freq, series, rows)
    assert np.array_equal(
        np.diff(panel.positions)[np.diff(panel.series_of_rows()) == 0], np.ones(rows - series)
    )


def test_tensorflow_stays_out():
    code = (
        "import forecast.data.doctor, sys; "
        "sys.exit(any(name in sys.modules for name in ('tensorflow', 'keras')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_number_of_the_table_of_cases_is_here():
    door = {*range(1, 31), 33, *range(35, 43), *range(58, 64)}
    assert set(BAD_TABLES) == door


def counted(rows=40, **columns):
    """A wide table of two series."""
    draw = np.random.default_rng(0)
    stamps = pd.date_range("2020-01-01", periods=rows, freq="MS")
    return pd.DataFrame(
        {**columns, "date": stamps, "pce": draw.normal(size=rows), "pop": draw.normal(size=rows)}
    )


WIDE = {"columns": Columns(time_col="date"), "table_format": TableFormat(layout="wide")}


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("suffix", [None, ".csv", ".parquet"])
def test_a_column_that_counts_the_rows_is_no_series(first, suffix, tmp_path):
    source = counted(rownames=np.arange(first, first + 40))
    if suffix:
        path = tmp_path / f"wide{suffix}"
        source.to_csv(path, index=False) if suffix == ".csv" else source.to_parquet(path)
        source = path
    panel = load_panel(source, **WIDE)
    assert list(panel.series_ids) == ["pce", "pop"]
    assert panel.notes == (
        f"'rownames' counts the rows ({first}, {first + 1}, {first + 2} ...) and is left out: list "
        f"it in target_cols "
        "if it is a series",
        "2 columns are series: 'pce', 'pop'",
    )
    named = Columns(time_col="date", target_cols=("rownames", "pce"))
    assert list(load_panel(source, named, table_format=WIDE["table_format"]).series_ids) == [
        "pce",
        "rownames",
    ]


@pytest.mark.parametrize("rows", [slice(None), slice(5, None), [*range(7), *range(9, 40)]])
def test_an_index_that_pandas_wrote_is_no_series(rows, tmp_path):
    counted().iloc[rows].to_csv(tmp_path / "wide.csv")
    shuffled = counted().sample(frac=1, random_state=0)
    shuffled.to_csv(tmp_path / "shuffled.csv")
    for name in ("wide", "shuffled"):
        panel = load_panel(tmp_path / f"{name}.csv", **WIDE, gaps="skip")
        assert list(panel.series_ids) == ["pce", "pop"]
        assert "the column without a name counts the rows" in panel.notes[0]
        panel = load_panel(pd.read_csv(tmp_path / f"{name}.csv"), **WIDE, gaps="skip")
        assert list(panel.series_ids) == ["pce", "pop"]
        assert "'Unnamed: 0' counts the rows" in panel.notes[0]


@pytest.mark.parametrize(
    "column",
    [np.arange(2, 42), np.arange(40.0), np.arange(0, 80, 2), np.arange(40) % 39, -np.arange(40)],
    ids=["from_2", "floats", "twos", "starts_again", "down"],
)
def test_columns_that_only_look_like_row_numbers_are_series(column):
    panel = load_panel(counted(number=column), **WIDE)
    assert list(panel.series_ids) == ["number", "pce", "pop"]
    assert panel.notes == ("3 columns are series: 'number', 'pce', 'pop'",)


def test_wide_tables_never_hear_of_an_id_column(tmp_path):
    """Each message, and the same table after its advice."""
    counted(**{"": np.arange(40) // 2}).to_csv(tmp_path / "nameless.csv", index=False)
    with pytest.raises(
        DataError, match=r"column 1 contains numbers and has no name. Give it one, or remove it"
    ):
        load_panel(tmp_path / "nameless.csv", **WIDE)
    alone = counted(number=np.arange(40)).drop(columns=["pce", "pop"])
    with pytest.raises(
        DataError,
        match=r"no column but 'date', 'number' contains numbers\. Name the series with ta",
    ):
        load_panel(alone, **WIDE)
    named = Columns(time_col="date", target_cols=("number",))
    assert load_panel(alone, named, table_format=WIDE["table_format"]).num_series == 1
    for table, words in (
        (pd.concat([alone, alone.tail(1)]), "occurs twice"),
        (counted().rename(columns={"date": ""}), "Give the column without a name one"),
    ):
        with pytest.raises(DataError, match=words) as caught:
            load_panel(
                table,
                named if "number" in table else WIDE["columns"],
                table_format=WIDE["table_format"],
            )
        assert "id_col" not in str(caught.value)
        assert "unique_id" not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["rownames", "Row", "row_number", "row id", "No", "No.", "Nr.", "#"]
)
@pytest.mark.parametrize("column", [np.arange(101, 141), np.arange(0, 80, 2), np.arange(40.0)])
def test_a_column_called_a_row_number_is_no_series(name, column):
    panel = load_panel(counted(**{name: column}), **WIDE)
    assert list(panel.series_ids) == ["pce", "pop"]
    assert f"{name!r} counts the rows" in panel.notes[0]
    down = load_panel(counted(**{name: column[::-1]}), **WIDE)
    assert name in down.series_ids
