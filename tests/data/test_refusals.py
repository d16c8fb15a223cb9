"""Checks of tables at both sides of their bounds, called one by one."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from forecast.data.datasets import synthetic
from forecast.data.dates.counted_years import refuse_counted_years
from forecast.data.dates.date_formats import find_format
from forecast.data.findings import BadTableError
from forecast.data.formats.row_batches import open_rows
from forecast.data.load import Request, load_panel
from forecast.data.long_rows import join_panels
from forecast.data.opening_hours import read_hours
from forecast.data.panel import Columns
from forecast.data.read import TableFormat
from forecast.data.regular.intervals import check_resample
from forecast.data.text.textfile import _detect_separator
from forecast.errors import ConfigError, DataError, ShapeError

HOUR = 3_600_000_000_000
DAY = 24 * HOUR


# ------------------------------------------------------------------------------------ opening hours


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("MON/09:00", [9]),
        ("TUE/09:00-11:00", [33, 34, 35]),
        ("MON/08:00-08:00", [8]),
        ("MON/08:00-09:00+23:00", [8, 9, 23]),
        ("SUN-MON/00:00", [0, 144]),
        ("mon/07:00:00, wed/07:00", [7, 55]),
    ],
)
def test_opening_hours_are_hours_of_the_week(text: str, times: list[int]) -> None:
    assert read_hours(text, HOUR) == tuple(hour * HOUR for hour in times)


@pytest.mark.parametrize(
    "text",
    [
        "MON/09:00-10:00-11:00",
        "MON/10:00-09:00",
        "MON/10:00-08:00",  # whole steps, and backwards
        "MON/09:00-10:30",
        "MON/24:00",
        "MON/09:60",
        "MON/09:00:60",
        "MON/9:00",
        "MON/",
        "MON",
        "09:00",
        "",
    ],
)
def test_texts_that_are_no_opening_hours(text: str) -> None:
    with pytest.raises(ValueError, match=r"; expected (days and times|whole steps|a time of day)"):
        read_hours(text, HOUR)


def test_the_last_minute_and_second_of_a_day_are_times() -> None:
    (found,) = read_hours("MON/23:59:59", HOUR)
    assert found == DAY - 1_000_000_000
    assert read_hours("MON/00:59", HOUR) == (59 * 60 * 1_000_000_000,)


# ----------------------------------------------------------------------------------- counted years


def months(num_left_out: int) -> list[str]:
    """Return 21 months of years that are counted, with some months between them left out."""
    places = np.arange(21) + np.searchsorted(3 + 5 * np.arange(num_left_out), np.arange(21))
    return [f"{1 + place // 12}-{1 + place % 12:02d}" for place in places]


def test_nine_of_ten_steps_are_enough_to_tell_counted_years() -> None:
    with pytest.raises(BadTableError, match="they count the years from 1"):
        refuse_counted_years(months(2), "month")
    refuse_counted_years(months(3), "month")


@pytest.mark.parametrize(
    ("num_gaps", "code"), [(0, "finer_resample"), (1, "finer_resample"), (6, "mixed_frequency")]
)
def test_days_are_named_as_the_step_of_rows_that_have_it(num_gaps: int, code: str) -> None:
    """Rows that are far from regular get the settings that make them so."""
    table = rows("2024-01-01", 40).drop(index=[4 + 5 * place for place in range(num_gaps)])
    written = TableFormat(resample="h", aggregate="mean")
    with pytest.raises(BadTableError) as caught:
        load_panel(table, table_format=written, gaps="skip")
    assert caught.value.finding.code == code


# ------------------------------------------------------------------------------------- newer rows


def rows(first: str, count: int, name: str = "a", freq: str = "D") -> pd.DataFrame:
    days = pd.date_range(first, periods=count, freq=freq)
    return pd.DataFrame({"unique_id": name, "ds": days, "y": np.arange(count) + 1.0})


def joined(older: pd.DataFrame, newer: pd.DataFrame, gaps: str = "refuse") -> int:
    request = Request(gaps=gaps)
    panels = [load_panel(table, gaps=gaps) for table in (older, newer)]
    return join_panels(*panels, request).num_new


def test_newer_rows_follow_without_a_step_between() -> None:
    old = rows("2024-01-01", 10)
    assert joined(old, rows("2024-01-11", 3)) == 3  # the next day
    assert joined(old, rows("2024-01-08", 6)) == 3  # some days again
    assert joined(old, rows("2024-01-11", 3, "b")) == 3  # another series
    with pytest.raises(DataError, match=r"1 step before that are missing: those .* 2024-01-10"):
        joined(old, rows("2024-01-12", 3))
    assert joined(old, rows("2024-01-12", 3), "skip") == 3


def test_rows_that_are_known_are_no_news() -> None:
    old = rows("2024-01-01", 10)
    with pytest.raises(DataError, match="no row that the run does not have"):
        joined(old, rows("2024-01-05", 6))
    with pytest.raises(DataError, match="in steps of 'h' and those of the run in steps of 'D'"):
        joined(old, rows("2024-01-11", 30, freq="h"))


def test_steps_are_named_by_text_that_fits_the_rows() -> None:
    with pytest.raises(ConfigError, match="freq is of type int; expected text such as 'D'"):
        load_panel(rows("2024-01-01", 30), freq=7)  # type: ignore[arg-type]
    with pytest.raises(BadTableError, match=r"freq is '1' but ds contains dates\. .*'h' or 'D'"):
        load_panel(rows("2024-01-01", 30), freq="1")


# ------------------------------------------------------------------------------------------ columns


YEARS = [str(year) for year in range(2000, 2012)]


@pytest.mark.parametrize(
    ("header", "name"),
    [
        (["country", *YEARS, "2011"], "2011"),
        (["country", "country", *YEARS], "country"),
        (["country", "code", "code", *YEARS], "code"),
    ],
)
def test_tables_with_dates_across_have_one_column_of_a_name(
    header: list[str], name: str, tmp_path: Path
) -> None:
    numbers = [str(number) for number in range(len(header))]
    path = tmp_path / "table.csv"
    path.write_text(f"{','.join(header)}\n{','.join(numbers)}\n")
    with pytest.raises(BadTableError, match=f"column '{name}' occurs twice. Rename or remove"):
        load_panel(path)
    with pytest.raises(BadTableError, match=f"column '{name}' occurs twice. Rename or remove"):
        load_panel(pd.DataFrame([numbers], columns=header))


@pytest.mark.parametrize("column", ["unique_id", "y", "price"])
def test_complex_numbers_are_refused_in_every_role(column: str) -> None:
    table = rows("2024-01-01", 10).assign(**{column: np.arange(10) * 1j})
    columns = Columns(past_covariates=("price",) if column == "price" else ())
    with pytest.raises(BadTableError, match=column):
        load_panel(table, columns)


# -------------------------------------------------------------------------------------------- dates


def test_a_format_is_that_of_most_cells() -> None:
    dates = [f"{day}.01.2020" for day in range(13, 20)]
    words = [f"word {number}" for number in range(7)]
    assert find_format(pa.chunked_array([[*dates, *words[:6]]]), "day")[0] == "%d.%m.%Y"
    for cells in ([*dates, *words], [*dates[:3], *words], words):
        with pytest.raises(BadTableError, match=r"day contains .*; expected dates such as"):
            find_format(pa.chunked_array([cells]), "day")


def test_digits_as_texts_of_a_frame_are_read_as_those_of_a_file(tmp_path: Path) -> None:
    """No roles are named, so every column could be the time."""
    for texts in ([str(202_001 + place) for place in range(10)], [*map(str, range(1, 10)), None]):
        table = pd.DataFrame({"n": texts, "sales": np.arange(10.0)})
        table.to_csv(tmp_path / "table.csv", index=False)
        codes = set()
        for source in (table, tmp_path / "table.csv"):
            with pytest.raises(BadTableError) as caught:
                load_panel(source)
            codes.add(caught.value.finding.code)
        assert len(codes) == 1


# ------------------------------------------------------------------- tables whose roles are guessed


def test_a_bad_row_of_a_file_is_named_before_any_role(tmp_path: Path) -> None:
    lines = ["day,sales", *(f"2020-01-{day:02d},{day}" for day in range(1, 31))]
    lines[20] += ",7"
    (tmp_path / "table.csv").write_text("\n".join(lines))
    with pytest.raises(BadTableError, match=r"line 21 of table.csv has 3 fields, the header has 2"):
        load_panel(tmp_path / "table.csv")


def test_periods_are_named_in_the_only_column_of_time() -> None:
    months = pd.period_range("2020-01", periods=30, freq="M")
    with pytest.raises(BadTableError, match=r"column 'month' contains periods\. Convert them"):
        load_panel(pd.DataFrame({"month": months, "sales": np.arange(30.0)}))


# --------------------------------------------------------------------------------------------- tsf


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "table.tsf has no line @data; expected attributes, @data"),
        ("# nothing\n@attribute a string\n", "table.tsf has no line @data"),
        ("a,b\n1,2\n", "line 1 of table.tsf cannot be read as tsf .expected a tag"),
        ("@attribute a\n@data\n", "line 1 of table.tsf .*expected @attribute NAME and"),
        ("@attribute a text\n@data\n", "line 1 of table.tsf .*expected @attribute NAME and"),
        ("@attribute a string\n@data\nx:y:1\n", "line 3 .*it has 2 attributes, 1 are declared"),
    ],
)
def test_files_that_are_no_tsf(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "table.tsf").write_text(text)
    with pytest.raises(BadTableError, match=words.replace("; expected", r"\. Expected")):
        load_panel(tmp_path / "table.tsf")


# ------------------------------------------------------------------------------ rows in batches


def test_damaged_files_are_refused_in_a_sentence(tmp_path: Path) -> None:
    """Whichever byte is another one, and wherever the file ends."""
    path = tmp_path / "table.parquet"
    rows("2024-01-01", 200).to_parquet(path)
    whole = path.read_bytes()
    assert _count_rows(path) == 200
    draw = np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        data = bytearray(whole)
        if draw.uniform() < 0.2:
            data = data[: draw.integers(len(data))]
        else:
            data[draw.integers(len(data))] ^= 1 << int(draw.integers(8))
        path.write_bytes(data)
        said = [_refusal(read, path) for read in (_count_rows, load_panel)]
        assert not any("\n" in words for words in said)
        refused += bool(said[0])
    assert refused > 100


def _refusal(read: Callable[[Path], object], path: Path) -> str:
    try:
        read(path)
    except DataError as error:
        return str(error)
    return ""


def _count_rows(path: Path) -> int:
    return sum(batch.num_rows for batch in open_rows(path, TableFormat()).batches)


def test_a_separator_in_the_header_counts_more_than_numbers_below() -> None:
    path = Path("table.csv")
    assert _detect_separator(["a;b", "1", "2", "3"], path, ()) == ";"
    assert _detect_separator(["a", "1", "2", "3"], path, ("none",)) == ","
    with pytest.raises(BadTableError, match=r"table.csv has one column, 'a', and no timestamps"):
        _detect_separator(["a", "1", "2", "3"], path, ())
    with pytest.raises(BadTableError, match=r"the header of table.csv is 'a b', with none of"):
        _detect_separator(["a b", "1 x", "2 y"], path, ())
    assert _detect_separator(["a", "x", "y"], path, ()) == ","


# ------------------------------------------------------------------------------------------- panels


@pytest.mark.parametrize("name", ["values", "timestamps", "offsets", "static_values", "weights"])
def test_a_panel_has_arrays_of_its_size(name: str) -> None:
    panel = load_panel(rows("2024-01-01", 10))
    panel = replace(panel, weights=np.ones(10))
    array = getattr(panel, name)
    assert replace(panel, **{name: array.copy()})
    for wrong in (array[:-1], np.concatenate([array, array]), array[..., None]):
        with pytest.raises(ShapeError, match=name):
            replace(panel, **{name: wrong})


# ---------------------------------------------------------------------------- weights and pipes


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ([1.0, np.nan, 2.0], "weight 'w' is empty in 1 row: series 'a', row 1"),
        ([1.0, -0.5, 2.0], "weight 'w' is negative in 1 row: series 'a', row 1"),
        ([0.0, 0.0, 0.0], "weight 'w' is 0 in every row"),
        ([1.0, np.inf, 2.0], "w is infinite in 1 row"),
        ([1.0, 0.0, 2.0], ""),
    ],
)
def test_weights_are_numbers_of_at_least_0(weights: list[float], words: str) -> None:
    table = rows("2024-01-01", 12).assign(w=[*weights, *weights, *weights, *weights])
    columns = Columns(weight_col="w")
    if words:
        with pytest.raises(BadTableError, match=words.replace("1 row", r"\d rows?")):
            load_panel(table, columns)
    else:
        assert load_panel(table, columns).weights.tolist() == weights * 4


class Terminal:
    """A stream of a keyboard."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("stream", [None, Terminal()])
def test_without_a_pipe_there_is_no_table(
    stream: Terminal | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process without a terminal, such as a service on Windows, has no stream at all."""
    monkeypatch.setattr(sys, "stdin", stream)
    with pytest.raises(BadTableError, match="and nothing is piped in"):
        load_panel("-")


@pytest.mark.parametrize("value", [-1.0, 1.0, 1.5, -2.0, float("nan")])
def test_noise_that_does_not_fade_is_refused(value: float) -> None:
    with pytest.raises(ConfigError, match="autocorrelation"):
        synthetic(autocorrelation=value)
    for inside in (-0.99, 0.0, 0.99):
        assert len(synthetic(autocorrelation=inside))


@pytest.mark.parametrize("text", ["often", "", "0D", "-1D", "2M", "2W", "3B", "30min@MON/09:00"])
def test_rows_are_joined_into_intervals_alone(text: str) -> None:
    with pytest.raises(ValueError, match=r"^resample is "):
        check_resample(text)


@pytest.mark.parametrize("text", ["D", "2D", "6h", "W", "MS", "QS", "B", "15min"])
def test_intervals_that_rows_are_joined_into(text: str) -> None:
    assert check_resample(text) == text
