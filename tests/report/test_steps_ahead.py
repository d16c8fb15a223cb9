"""The picture of the next steps: its lines are the forecast and the last actual values."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from forecast.data.frequency import Frequency
from forecast.data.panel import Columns
from forecast.errors import ForecastWarning
from forecast.report.plots import plot_next_steps, save_figure
from forecast.report.plots.steps_ahead import past_steps, shown_pairs
from forecast.report.plots.style import ASIAN_FONTS, new_figure, set_dates
from forecast.report.readable import number_style, number_words, stamp_words, tick_words
from forecast.scores.forecast import Forecast

LEVELS = (0.025, 0.1, 0.9, 0.975)


def next_steps(
    count: int = 1, horizon: int = 4, targets: tuple[str, ...] = ("y",), freq: str = "D"
) -> Forecast:
    """A rising forecast of every series, from a cutoff that is a day earlier for the last one."""
    grid = Frequency.parse(freq)
    cutoffs = np.full(count, np.datetime64("2024-02-27", "ns"))
    if count > 1:
        cutoffs[-1] -= np.timedelta64(1, "D")
    positions = grid.positions(cutoffs)[:, None] + 1 + np.arange(horizon)
    values = np.arange(count * horizon * len(targets), dtype=float)
    values = values.reshape(count, horizon, len(targets)) + 50
    spread = np.array([-4.0, -2.0, 2.0, 4.0])
    return Forecast(
        alias="m",
        series_ids=np.array([f"s{number}" for number in range(count)], object),
        cutoffs=cutoffs,
        stamps=np.stack([grid.stamps(row) for row in positions]),
        values=values,
        columns=Columns(target_cols=targets),
        freq=grid,
        quantile_levels=LEVELS,
        quantiles=values[..., None] + spread,
    )


def before(forecast: Forecast, rows: int = 20) -> pd.DataFrame:
    """Actual values of every series up to its cutoff, with one day missing."""
    parts = []
    for name, cutoff in zip(forecast.series_ids, forecast.cutoffs, strict=True):
        days = pd.date_range(end=cutoff, periods=rows)
        part = pd.DataFrame({"unique_id": name, "ds": days})
        for target in forecast.columns.target_cols:
            part[target] = np.arange(float(rows))
        parts.append(part.drop(index=part.index[5]))
    return pd.concat(parts, ignore_index=True)


def test_lines_hold_the_forecast_and_the_last_actual_values():
    forecast = next_steps(3)
    figure = plot_next_steps(forecast, before(forecast), title="y, forecast of sales.csv")
    axes = [panel for panel in figure.axes if panel.get_visible()]
    assert [panel.get_title(loc="left") for panel in axes] == ["s0", "s1", "s2, ends 2024-02-26"]
    for row, panel in enumerate(axes):
        actual, ahead = panel.lines
        known = np.arange(20.0)
        known[5] = np.nan
        assert np.array_equal(actual.get_ydata(), known, equal_nan=True), "the gap stays open"
        assert ahead.get_ydata()[0] == known[-1], "the forecast begins at the last actual value"
        assert np.array_equal(ahead.get_ydata()[1:], forecast.values[row, :, 0])
        assert np.array_equal(ahead.get_xdata()[1:], forecast.stamps[row])
        for band, depth in zip(panel.collections, (0, 1), strict=True):
            ends = band.get_paths()[0].vertices[:, 1]
            low, high = forecast.quantiles[row, :, 0, [depth, 3 - depth]]
            assert {*low.tolist(), *high.tolist()} <= set(ends.tolist())
    (key,) = figure.legends
    assert key.get_title().get_text() == "y, forecast of sales.csv"
    assert [text.get_text() for text in key.get_texts()] == [
        "actual",
        "forecast",
        "95 % interval",
        "80 % interval",
    ]


def test_a_forecast_after_a_missing_value_is_not_joined():
    forecast = next_steps()
    observed = before(forecast)
    observed.loc[observed.index[-1], "y"] = np.nan
    ahead = plot_next_steps(forecast, observed).axes[0].lines[1]
    assert np.array_equal(ahead.get_ydata(), forecast.values[0, :, 0])


def test_without_actual_values_and_with_one_step():
    (axes,) = plot_next_steps(next_steps(horizon=1)).axes
    (line,) = axes.lines
    assert line.get_marker() == "o"
    assert line.get_ydata().tolist() == [50.0]
    heights = [bar.get_segments()[0][:, 1].tolist() for bar in axes.collections]
    assert heights == [[46.0, 54.0], [48.0, 52.0]]


def test_a_baseline_is_one_more_line():
    forecast = next_steps()
    forecast = replace(forecast, baselines={"drift": forecast.values + 1})
    lines = plot_next_steps(forecast, before(forecast)).axes[0].lines
    assert [line.get_label() for line in lines] == ["actual", "drift, baseline", "forecast"]
    assert np.array_equal(lines[1].get_ydata(), forecast.values[0, :, 0] + 1)


def test_of_many_series_twelve_are_drawn_and_the_choice_is_said():
    forecast = next_steps(200)
    figure = plot_next_steps(forecast)
    assert sum(panel.get_visible() for panel in figure.axes) == 12
    assert figure.get_supxlabel() == (
        "4 steps, 2024-02-28 to 2024-03-02; 12 of 200 series, evenly spaced in the order of the "
        "table"
    )
    assert set(shown_pairs(forecast, 12)) <= set(shown_pairs(forecast))
    assert shown_pairs(next_steps(2, targets=("a", "b"))).tolist() == [0, 1, 2, 3]


def test_the_series_of_a_table_without_ids_has_the_name_of_its_target():
    forecast = next_steps(targets=("a", "b"))
    forecast.series_ids[0] = "series"
    titles = [axes.get_title(loc="left") for axes in plot_next_steps(forecast).axes]
    assert titles == ["a", "b"]
    forecast = next_steps()
    forecast.series_ids[0] = "series"
    (axes,) = plot_next_steps(forecast).axes
    assert (axes.get_title(loc="left"), axes.get_ylabel()) == ("", "y")


def test_local_days_are_on_the_axis():
    grid = Frequency.parse("h", tz="America/New_York")
    forecast = next_steps(freq="h")
    figure = plot_next_steps(replace(forecast, freq=grid))
    figure.canvas.draw()
    labels = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert labels[0] == "20:00", "01:00 in UTC is the evening before in New York"


def test_letters_of_asia_are_drawn_or_named(tmp_path):
    from matplotlib.font_manager import fontManager

    forecast = next_steps()
    forecast.series_ids[0] = "上海店"
    installed = {font.name for font in fontManager.ttflist}
    lacking = nullcontext()
    if not installed & set(ASIAN_FONTS):
        lacking = pytest.warns(ForecastWarning, match="lacks some characters")
    with lacking:
        save_figure(plot_next_steps(forecast), tmp_path / "a.png")


@pytest.mark.parametrize("freq", ["s", "min", "h", "D", "B", "W", "MS", "YS"])
def test_every_span_has_dates(freq):
    """Matplotlib warns where it finds no distance between ticks, and a warning is an error here."""
    for length in (*range(10, 130, 3), 61, 62, 63, 70, 71):
        axes = new_figure((4, 2)).add_subplot()
        stamps = pd.date_range("2022-11-05 10:00", periods=length, freq=freq).to_numpy()
        axes.plot(stamps, np.zeros(length))
        set_dates(axes, stamps)
        assert 2 <= len(axes.get_xticks()) <= 8, length


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([0.0, 50.0, 100.0], ["0", "50", "100"]),
        ([-1.5, 0.0, 1.5], ["\N{MINUS SIGN}1.5", "0.0", "1.5"]),
        ([1.0e9, 1.25e9, 1.5e9], ["1.00 bn", "1.25 bn", "1.50 bn"]),
        ([2e7, 3e7], ["20 mn", "30 mn"]),
        ([100_000_000, 100_000_001], ["100.000000 mn", "100.000001 mn"]),
        ([0.0, 2e-6], ["0", "2\N{MULTIPLICATION SIGN}10⁻⁶"]),
        ([0.0], ["0"]),
        ([-5e16], ["\N{MINUS SIGN}5\N{MULTIPLICATION SIGN}10¹⁶"]),
        ([1000.0, 2500.0], ["1,000", "2,500"]),
    ],
)
def test_ticks_are_short_and_tell_their_values_apart(values, words):
    assert tick_words(values) == words


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([73.86, 112.412], ["73.9", "112.4"]),
        ([1012.312, 1012.36], ["1,012.312", "1,012.360"]),
        ([1.2e9, 1.3e9], ["1.2 bn", "1.3 bn"]),
        (
            [1.234e-6, 4e-6],
            ["1.234\N{MULTIPLICATION SIGN}10⁻⁶", "4.000\N{MULTIPLICATION SIGN}10⁻⁶"],
        ),
        ([-0.001, 5.0], ["\N{MINUS SIGN}0.001", "5.000"]),
        ([-1e-9, 100.25], ["0.0", "100.2"]),
        ([7.0, 7.0], ["7", "7"]),
        ([0.0, np.nan], ["0", "-"]),
    ],
)
def test_numbers_have_the_digits_that_tell_them_apart(values, words):
    values = np.array(values)
    style = number_style(values)
    assert [number_words(value, style) for value in values] == words


@pytest.mark.parametrize(
    ("freq", "first", "words"),
    [
        ("MS", "2024-03-01", "Mar 2024"),
        ("ME", "2024-03-31", "Mar 2024"),
        ("QS-JAN", "2024-04-01", "Apr 2024"),
        ("YE-DEC", "2023-12-31", "2023"),
        ("D", "2024-03-01", "Fri 2024-03-01"),
        ("W-SUN", "2024-03-03", "Sun 2024-03-03"),
        ("h", "2024-03-01T05", "2024-03-01 05:00"),
        ("s", "2024-03-01T05:00:07", "2024-03-01 05:00:07"),
    ],
)
def test_dates_are_as_short_as_the_frequency_allows(freq, first, words):
    stamps = np.array([first], "datetime64[ns]")
    assert stamp_words(stamps, Frequency.parse(freq), weekday=True) == [words]


def test_the_past_has_three_horizons_or_two_seasons():
    assert past_steps(1, 1) == 60
    assert past_steps(100, 24) == 300
    assert past_steps(30, 168) == 336
    assert past_steps(5_000, 24) == 5_000
    assert past_steps(60, 52_560) == 1_000
