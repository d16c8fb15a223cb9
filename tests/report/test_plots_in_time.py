"""Pictures of errors along time: by cutoff, as a bias, as a fan, and how they go on from window to
window."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from drawn import backtest, finding, hours, line, with_intervals, words
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from forecast.errors import DataError
from forecast.report.plots import plot_bias_by_step, plot_error_by_cutoff, plot_fan, plot_residuals
from forecast.report.plots.fan import last_windows
from forecast.report.plots.style import set_dates
from forecast.scores.residuals import autocorrelation


def test_errors_by_cutoff_are_drawn_at_their_cutoffs_and_counted():
    result = backtest(num_windows=20)
    result.actual[4, 2] = np.nan
    figure = plot_error_by_cutoff(result)
    errors = {
        name: np.nanmean(np.abs(made - result.actual), axis=(1, 2))
        for name, made in result.forecasts.items()
    }
    for name, expected in errors.items():
        stamps, drawn = line(figure.axes[0], name)
        np.testing.assert_array_equal(stamps, result.cutoffs)
        np.testing.assert_allclose(drawn, expected)
    ahead = int(np.sum(errors["bigru"] < errors["last_value"]))
    assert (
        finding(figure)
        == f"y: the model is ahead of the best baseline (last_value) at {ahead} of 20 cutoffs"
    )
    many = plot_error_by_cutoff(backtest(num_windows=200))
    assert finding(many).endswith("of 80 stretches of up to 3 cutoffs")
    assert len(line(many.axes[0], "bigru")[0]) == 80


def test_the_bias_by_step_is_that_of_a_loop_and_too_high_means_above():
    result = backtest()
    error = np.where(np.arange(6) < 2, -1.0, 3.0)[None, :, None]
    figure = plot_bias_by_step(
        replace(result, forecasts={**result.forecasts, "bigru": result.actual + error})
    )
    assert line(figure.axes[0], "bigru")[1] == pytest.approx([-1, -1, 3, 3, 3, 3])
    noise = (result.forecasts["last_value"] - result.actual)[:, :, 0]
    assert line(figure.axes[0], "last_value")[1] == pytest.approx(
        [sum(one) / 40 for one in noise.T]
    )
    assert finding(figure) == "y: forecasts are too high at 4 of 6 steps, by 1.67 over all"
    nothing = plot_bias_by_step(replace(result, actual=np.full_like(result.actual, np.nan)))
    assert finding(nothing) == "y: there are no actual values in these windows"


def test_a_fan_shows_the_last_windows_side_by_side():
    result = with_intervals(backtest(num_windows=40))
    result.actual[-3, 3] = np.nan
    figure = plot_fan(result)
    windows = [15, 21, 27, 33, 39]
    axes = figure.axes[0]
    medians = [one for one in axes.lines if one.get_label() == "median"]
    for window, drawn in zip(windows, medians, strict=True):
        np.testing.assert_array_equal(drawn.get_xdata(), result.stamps[window])
        np.testing.assert_array_equal(drawn.get_ydata(), result.forecasts["bigru"][window, :, 0])
    bands = [
        one.get_paths()[0].vertices[:, 1]
        for one in axes.collections
        if one.get_label() == "95 % interval"
    ]
    for window, corners in zip(windows, bands, strict=True):
        point = result.forecasts["bigru"][window]
        assert (corners.min(), corners.max()) == pytest.approx((point.min() - 3, point.max() + 3))
    stamps, drawn = line(axes, "observed")
    truth = dict(zip(result.stamps.ravel(), result.actual.ravel(), strict=True))
    np.testing.assert_array_equal(stamps, hours(10, 36))
    np.testing.assert_allclose(drawn, [truth[stamp] for stamp in stamps])
    misses = np.abs(result.forecasts["bigru"] - result.actual)[windows]
    inside = [int(np.sum(misses <= width)) for width in (1, 3)]
    words_of = (
        f"y, a: of 30 values {inside[0]} lie in the 80 % intervals and {inside[1]} lie in the "
        "95 % intervals"
    )
    assert finding(figure) == words_of
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["observed", "median", "cutoff", "95 % interval", "80 % interval"]


def test_a_fan_of_single_steps_is_one_band():
    axes = plot_fan(with_intervals(backtest(num_windows=50, horizon=1))).axes[0]
    assert len(line(axes, "median")[0]) == 30
    assert len([one for one in axes.collections if one.get_label() == "80 % interval"]) == 1


def test_a_fan_of_what_is_not_there_names_the_reason():
    result = with_intervals(backtest(targets=2))
    assert finding(plot_fan(result, series_id="a", target="y1")).startswith("y1, a: of 30 values")
    with pytest.raises(DataError, match=r"no windows of series 'b'; it has \['a'\]"):
        plot_fan(result, series_id="b")
    with pytest.raises(
        DataError, match=r"'z' is no target of the evaluation; it has \['y0', 'y1'\]"
    ):
        plot_fan(result, target="z")
    with pytest.raises(DataError, match="holds no intervals to draw"):
        plot_fan(backtest())


@given(st.integers(0, 2**32 - 1))
def test_the_last_windows_of_a_series_do_not_overlap_and_leave_no_room(seed):
    rng = np.random.default_rng(seed)
    result = backtest(num_windows=40)
    kept = np.sort(rng.choice(40, 25, replace=False))
    result = replace(result.take(kept), series=rng.integers(0, 2, 25))
    chosen = last_windows(result, 1, 3)
    own = np.flatnonzero(result.series == 1)
    taken = []
    for window in own[::-1]:  # kept windows stand in the order of time
        if len(taken) < 3 and all(kept[one] - kept[window] >= 6 for one in taken):
            taken.insert(0, int(window))
    assert chosen.tolist() == taken


def test_the_stems_are_the_autocorrelation_of_one_step_residuals():
    result = backtest(num_windows=300)
    residuals = (result.actual - result.forecasts["bigru"])[:, 0, 0]
    axes = plot_residuals(result).axes[1]
    points = next(one for one in axes.lines if one.get_marker() == "o")
    centred = residuals - residuals.mean()
    expected = [np.sum(centred[lag:] * centred[:-lag]) / np.sum(centred**2) for lag in range(1, 73)]
    np.testing.assert_allclose(np.asarray(points.get_ydata(), float), expected, rtol=1e-10)
    band = axes.patches[0].get_height() / 2
    assert band == pytest.approx(1.96 / np.sqrt(300))
    outside = np.sum(np.abs(expected) > band)
    assert (
        axes.get_title(loc="left")
        == f"One-step residuals: {outside} of 72 lags outside the 95 % band"
    )
    assert np.asarray(points.get_xdata()).tolist() == list(range(1, 73))


def test_lags_of_every_third_window_are_multiples_of_three_steps():
    result = backtest(num_windows=300)
    residuals = (result.actual - result.forecasts["bigru"])[::3, 0, 0]
    points = next(
        one
        for one in plot_residuals(result.take(np.arange(0, 300, 3))).axes[1].lines
        if len(one.get_xdata()) > 2
    )
    assert np.asarray(points.get_xdata()).tolist() == list(range(3, 100, 3))
    centred = residuals - residuals.mean()
    assert points.get_ydata()[1] == pytest.approx(
        np.sum(centred[2:] * centred[:-2]) / np.sum(centred**2)
    )


@pytest.mark.parametrize("kept", [170, 230])
def test_windows_that_were_left_out_here_and_there_have_no_autocorrelation(kept):
    result = backtest(num_windows=300)
    figure = plot_residuals(result.take(np.linspace(0, 299, kept).round().astype(int)))
    assert len(figure.axes) == 1
    assert "no autocorrelation: the windows are not neighbours" in words(figure.axes[0])


@given(st.integers(0, 2**32 - 1))
def test_autocorrelation_equals_a_loop_over_pairs_of_windows(seed):
    rng = np.random.default_rng(seed)
    series = np.repeat(np.arange(3), rng.integers(1, 25, 3))
    positions = 4 * np.arange(len(series)) + np.where(
        np.arange(len(series)) > 20, rng.integers(1, 9), 0
    )
    shuffled = rng.permutation(len(series))
    series, positions = series[shuffled], positions[shuffled]
    residuals = rng.normal(size=(len(series), 2))
    residuals[rng.random(residuals.shape) < 0.2] = np.nan
    made, count = autocorrelation(residuals, series, positions, 5)
    scaled = np.full(residuals.shape, np.nan)
    for group in range(3):
        for target in range(2):
            column = residuals[series == group, target]
            if np.isfinite(column).any():
                spread = np.nanstd(column)
                scaled[series == group, target] = (column - np.nanmean(column)) / (
                    spread if spread > 0 else 1.0
                )
    total, places = (
        np.nansum(scaled**2),
        dict(zip(positions.tolist(), range(len(series)), strict=True)),
    )
    distances = [
        b - a for a, b in pairwise(sorted(places)) if series[places[a]] == series[places[b]]
    ]
    step = min(distances, default=None)
    regular = step is not None and np.mean(np.array(distances) == step) >= 0.9
    for lag in range(1, 6):
        pairs = (
            [(one, places.get(at + lag * step)) for at, one in places.items()] if regular else []
        )
        pairs = [(a, b) for a, b in pairs if b is not None and series[a] == series[b]]
        known = [scaled[a, t] * scaled[b, t] for a, b in pairs for t in range(2)]
        known = [product for product in known if np.isfinite(product)]
        expected = sum(known) / total if known and total else np.nan
        assert made[lag - 1] == pytest.approx(expected, nan_ok=True, abs=1e-12)
    assert count == np.isfinite(residuals).sum()


def test_one_window_per_series_has_no_autocorrelation():
    assert len(plot_residuals(backtest(num_windows=2)).axes) == 2
    assert len(plot_residuals(backtest(num_windows=1)).axes) == 1


@pytest.mark.parametrize(("unit", "most"), [("s", 400), ("m", 400), ("h", 400), ("D", 1500)])
def test_dates_of_any_span_have_a_few_ticks_and_no_warning(unit: str, most: int) -> None:
    """Spans such as 70 hours and 34 months are between the distances that ticks can have."""
    first = np.datetime64("2024-01-03T05:00:00")
    for length in range(2, most, most // 40):
        axes = Figure().subplots()
        stamps = first + np.array([0, length]).astype(f"timedelta64[{unit}]")
        axes.plot(stamps, [0, 1])
        set_dates(axes, stamps)
        low, high = axes.get_xlim()
        ticks = [tick for tick in axes.xaxis.get_majorticklocs() if low <= tick <= high]
        assert 2 <= len(ticks) <= 7, (length, len(ticks))
