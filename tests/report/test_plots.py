"""Pictures: what the artists hold is what the results say."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import matplotlib as mpl
import matplotlib.dates as mdates
import numpy as np
import pandas as pd
import pytest
from drawn import HOURLY, backtest, finding, history, hours, line, with_intervals, words
from hypothesis import given
from hypothesis import strategies as st

from forecast.data.frequency import Frequency
from forecast.data.panel import Columns
from forecast.errors import DataError
from forecast.report.plots import (
    plot_bias_by_step,
    plot_coverage,
    plot_error_by_cutoff,
    plot_error_by_step,
    plot_fan,
    plot_forecasts,
    plot_loss,
    plot_residuals,
    save_figure,
)
from forecast.report.plots.style import _spread
from forecast.scores.forecast import Forecast


def a_forecast(count: int = 1, horizon: int = 3, targets: tuple[str, ...] = ("y",)) -> Forecast:
    """Series s0, s1, ... forecast after hour 9."""
    return Forecast(
        alias="bigru",
        series_ids=np.array([f"s{i}" for i in range(count)], object),
        cutoffs=np.repeat(hours(9, 1), count),
        stamps=np.tile(hours(10, horizon), (count, 1)),
        values=np.arange(count * horizon * len(targets), dtype=float).reshape(
            count, horizon, len(targets)
        ),
        columns=Columns(target_cols=targets),
        freq=HOURLY,
    )


def observed(count: int = 1, rows: int = 13, targets: tuple[str, ...] = ("y",)) -> pd.DataFrame:
    ids = np.repeat([f"s{i}" for i in range(count)], rows)
    table = pd.DataFrame({"unique_id": ids, "ds": np.tile(hours(0, rows), count)})
    for place, name in enumerate(targets):
        table[name] = np.arange(count * rows) * 10.0 + place
    return table


def test_loss_lines_hold_the_history():
    losses, val_losses = (0.9, 0.6, 0.5), (1.0, 0.7, 0.8)
    figure = plot_loss(history(losses, val_losses, best=2))
    axes = figure.axes[0]
    for name, expected in (("training", losses), ("validation", val_losses)):
        epochs, drawn = line(axes, name)
        assert epochs.tolist() == [1, 2, 3]
        assert tuple(drawn) == expected
    assert [one.tolist() for one in line(axes, "best")] == [[2], [0.7]]
    assert finding(figure) == "Validation loss was lowest in epoch 2 of 3: those weights are kept"
    assert {"training", "validation"} <= set(words(axes))


def test_the_losses_of_every_network_are_drawn_with_the_epoch_each_kept():
    networks = {
        "seed 0": history((0.9, 0.6, 0.5), (1.0, 0.7, 0.8), best=2),
        "seed 1": history((0.8, 0.4), (0.95, 0.9), best=2),
        "seed 2": history((0.7, 0.65, 0.6), (0.6, 0.75, 0.85), best=1),
    }
    figure = plot_loss(networks)
    training, validation = figure.axes
    for name, one in networks.items():
        for axes, losses in ((training, one.loss), (validation, one.val_loss)):
            epochs, drawn = line(axes, name)
            assert epochs.tolist() == list(range(1, len(losses) + 1))
            assert tuple(drawn) == losses
    rings = {
        name: [part.item() for part in line(validation, f"kept of {name}")] for name in networks
    }
    assert rings == {"seed 0": [2, 0.7], "seed 1": [2, 0.9], "seed 2": [1, 0.6]}
    assert set(words(validation)) == {"seed 0: epoch 2", "seed 1: epoch 2", "seed 2: epoch 1"}
    assert (
        finding(figure)
        == "Validation loss of 3 networks was lowest in epochs 1 to 2 of 3: those weights are kept"
    )
    assert len({one.get_color() for one in training.lines}) == 3


def test_a_loss_has_the_name_it_is_given():
    figures = (
        plot_loss(history((0.5, 0.4)), y_title="nats"),
        plot_loss({"a": history((0.5, 0.4)), "b": history((0.6, 0.3))}, y_title="nats"),
    )
    assert [figure.axes[0].get_ylabel() for figure in figures] == ["nats", "nats"]


def test_the_losses_of_networks_without_validation_have_one_panel():
    figure = plot_loss({"a": history((0.5, 0.4)), "b": history((0.6, 0.3), best=2)})
    assert len(figure.axes) == 1
    assert finding(figure) == "Training loss of 2 networks over 2 epochs"


def test_many_networks_are_told_apart():
    axes = plot_loss({f"seed {seed}": history((0.5, 0.4)) for seed in range(20)}).axes[0]
    looks = {
        (one.get_color(), one.get_linestyle())
        for one in axes.lines
        if one.get_label().startswith("seed")
    }
    assert len(looks) == 20


@pytest.mark.parametrize(
    ("losses", "scale"), [((1.0, 0.2), "linear"), ((1.0, 0.05), "log"), ((1.0, -0.01), "linear")]
)
def test_the_loss_axis_is_logarithmic_when_the_range_asks_for_it(losses, scale):
    assert plot_loss(history(losses)).axes[0].get_yscale() == scale


def test_loss_without_validation_and_with_the_last_epoch_best():
    assert finding(plot_loss(history((0.5,)))) == "Training loss over 1 epoch"
    assert "last epoch, 2" in finding(plot_loss(history((0.5, 0.4), (0.6, 0.5), best=2)))


def test_coverage_is_drawn_as_counted():
    result = backtest()
    point, levels = result.forecasts["bigru"], (0.025, 0.1, 0.9, 0.975)
    widths = np.array([-1.8, -1.0, 1.0, 1.8])
    result = replace(result, quantile_levels=levels, quantiles=point[..., None] + widths)
    figure = plot_coverage(result)
    for axes, width in zip(figure.axes, (1.0, 1.8), strict=True):
        held = (np.abs(result.actual - point) <= width).mean(axis=(0, 2))
        drawn = next(one for one in axes.lines if len(one.get_xdata()) == 6)
        np.testing.assert_allclose(drawn.get_ydata(), 100 * held)
        assert drawn.get_xdata().tolist() == [1, 2, 3, 4, 5, 6]
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "Intervals of 80 %",
        "Intervals of 95 %",
    ]
    assert finding(figure).startswith("y: coverage is within its band at ")
    with pytest.raises(DataError, match="has no intervals"):
        plot_coverage(backtest())


@pytest.mark.parametrize("horizon", [1, 6])
def test_error_by_step_is_the_mean_over_windows_and_targets(horizon):
    result = backtest(horizon=horizon, targets=2)
    result.actual[3, 0, 1] = np.nan
    axes = plot_error_by_step(result).axes[0]
    for name, made in result.forecasts.items():
        steps, drawn = line(axes, name)
        assert steps.tolist() == list(range(1, horizon + 1))
        expected = [
            np.nanmean(np.abs(made[:, step] - result.actual[:, step])) for step in range(horizon)
        ]
        np.testing.assert_allclose(drawn, expected)


def test_error_by_step_counts_the_steps_that_are_won():
    result = backtest()
    worse = result.actual + np.where(np.arange(6) < 2, 100.0, 0.0)[None, :, None]
    figure = plot_error_by_step(replace(result, forecasts={**result.forecasts, "bigru": worse}))
    assert (
        finding(figure) == "y: the model is ahead of the best baseline (last_value) at 4 of 6 steps"
    )
    assert (
        finding(plot_error_by_step(replace(result, baselines=())))
        == "y: error by step of the horizon"
    )


def test_a_hopeless_baseline_does_not_press_the_others_flat():
    result = backtest()
    forecasts = {**result.forecasts, "drift": result.actual + 500.0}
    axes = plot_error_by_step(
        replace(result, forecasts=forecasts, baselines=("last_value", "drift"))
    ).axes[0]
    assert axes.get_ylim()[0] == 0
    assert axes.get_ylim()[1] < 20
    assert any(text.startswith("drift \N{UPWARDS ARROW}") for text in words(axes))


def test_a_baseline_has_the_same_colour_in_every_picture():
    result = backtest(horizon=3)
    forecasts = {
        **result.forecasts,
        "linear": result.actual,
        "mine": result.actual,
        "theirs": result.actual,
    }
    names = ["last_value", "theirs", "linear", "mine"]
    chosen = np.array([5])
    pictures = (
        plot_error_by_step(replace(result, forecasts=forecasts)),
        plot_forecasts(
            result.forecast("bigru", chosen),
            result.frame(),
            baselines=[
                replace(result, forecasts=forecasts).forecast(name, chosen) for name in names
            ],
        ),
    )
    colours = [
        {one.get_label(): one.get_color() for one in figure.axes[0].lines} for figure in pictures
    ]
    for name in ("bigru", "last_value", "linear"):
        assert colours[0][name] == colours[1][name]
    assert all(len({each[name] for name in ("bigru", *names)}) == 5 for each in colours)


def test_error_by_step_with_nothing_measured():
    result = backtest()
    figure = plot_error_by_step(replace(result, actual=np.full_like(result.actual, np.nan)))
    assert words(figure.axes[0]) == []


def test_the_histogram_is_a_density_around_the_mean_residual():
    result = backtest(num_windows=400)
    residuals = (result.actual - result.forecasts["bigru"]).ravel()
    bars = plot_residuals(result).axes[0].patches
    inside = np.abs(residuals - residuals.mean()) <= 4 * residuals.std()
    assert sum(bar.get_height() * bar.get_width() for bar in bars) == pytest.approx(inside.mean())
    mean = sum(
        (bar.get_x() + bar.get_width() / 2) * bar.get_height() * bar.get_width() for bar in bars
    )
    assert mean == pytest.approx(residuals.mean(), abs=bars[0].get_width() / 2)


def test_the_normal_curve_has_the_spread_of_the_residuals():
    result = backtest(num_windows=400)
    residuals = (result.actual - result.forecasts["bigru"]).ravel()
    curve = next(one for one in plot_residuals(result).axes[0].lines if len(one.get_xdata()) == 200)
    x, density = np.asarray(curve.get_xdata(), float), np.asarray(curve.get_ydata(), float)
    area = np.trapezoid(density, x)
    mean = np.trapezoid(x * density, x) / area
    assert mean == pytest.approx(residuals.mean(), abs=1e-6)
    assert np.sqrt(np.trapezoid((x - mean) ** 2 * density, x) / area) == pytest.approx(
        residuals.std(), rel=2e-3
    )


@pytest.mark.parametrize(
    ("shift", "expected"), [(2.0, "too high"), (-2.0, "too low"), (0.0, "next to no bias")]
)
def test_the_sign_of_the_bias_in_words(shift, expected):
    result = backtest(num_windows=400)
    noise = np.random.default_rng(1).normal(size=result.actual.shape)
    shifted = {**result.forecasts, "bigru": result.actual + noise - noise.mean() + shift}
    assert expected in finding(plot_residuals(replace(result, forecasts=shifted)))


def test_residuals_of_several_targets_are_scaled():
    result = backtest(num_windows=100, targets=2)
    forecasts = {**result.forecasts, "bigru": result.actual + np.array([2.0, 200.0])}
    scaled = replace(result, forecasts=forecasts, scale=np.tile([2.0, 200.0], (100, 1)))
    assert (
        finding(plot_residuals(scaled))
        == "y0 and y1: forecasts are 1 seasonal errors too high on average"
    )


def test_forecast_lines_hold_forecast_and_truth():
    forecast = replace(
        a_forecast(2),
        quantile_levels=(0.1, 0.5, 0.9),
        quantiles=a_forecast(2).values[..., None] + np.arange(3),
    )
    other = replace(a_forecast(2), alias="linear", values=a_forecast(2).values + 7)
    figure = plot_forecasts(forecast, observed(2), baselines=[other], context=4)
    assert len(figure.axes) == 2
    for place, axes in enumerate(figure.axes):
        stamps, drawn = line(axes, "observed")
        np.testing.assert_array_equal(stamps, hours(6, 7))
        np.testing.assert_array_equal(drawn, np.arange(13 * place + 6, 13 * place + 13) * 10.0)
        for name, values in (("bigru", forecast.values), ("linear", other.values)):
            stamps, drawn = line(axes, name)
            np.testing.assert_array_equal(stamps, forecast.stamps[place])
            np.testing.assert_array_equal(drawn, values[place, :, 0])
        assert line(axes, "cutoff")[0][0] == forecast.cutoffs[place]
        corners = axes.collections[0].get_paths()[0].vertices
        assert (corners[:, 1].min(), corners[:, 1].max()) == (
            forecast.values[place].min(),
            forecast.values[place].max() + 2,
        )
        assert axes.collections[0].get_label() == "80 % band"
        assert axes.get_title(loc="left") == f"s{place}"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "observed",
        "bigru",
        "linear",
        "80 % band",
        "cutoff",
    ]


def test_the_past_is_that_of_the_series_whatever_the_type_of_its_id():
    forecast = replace(a_forecast(2), series_ids=np.array([0, 1], object))
    table = observed(2)
    for ids in (table["unique_id"].str[1:], table["unique_id"].str[1:].astype(float)):
        _, values = line(
            plot_forecasts(forecast, table.assign(unique_id=ids), context=2).axes[1], "observed"
        )
        assert values.tolist() == [210.0, 220.0, 230.0, 240.0, 250.0]
    result = replace(with_intervals(backtest()), series_ids=np.array([8], object))
    assert finding(plot_fan(result, series_id="8")) == finding(plot_fan(result, series_id=8))


def test_the_finding_counts_the_forecasts_that_are_closer():
    table = observed(3)
    truth = table.groupby("unique_id")["y"].apply(lambda one: one.to_numpy()[10:])
    exact = np.stack(truth.to_list())[:, :, None]
    mine = exact + np.array([1.0, 3.0, 1.0])[:, None, None]
    forecast = replace(a_forecast(3), values=mine)
    others = [
        replace(forecast, alias=name, values=exact + error)
        for name, error in (("drift", 9.0), ("linear", 2.0))
    ]
    assert (
        finding(plot_forecasts(forecast, table, baselines=others))
        == "y: the model is closer than linear in 2 of these 3 forecasts"
    )
    future = plot_forecasts(forecast, observed(3, rows=10), baselines=others)
    assert finding(future) == "y: 3 forecasts of 3 steps"


def test_gaps_are_not_bridged_and_lonely_points_are_dots():
    table = observed().drop(index=[3, 4, 6])
    table.loc[8, "y"] = np.nan
    axes = plot_forecasts(a_forecast(), table).axes[0]
    _, drawn = line(axes, "observed")
    assert np.flatnonzero(np.isnan(drawn)).tolist() == [3, 4, 6, 8]
    assert next(one for one in axes.lines if one.get_label() == "observed").get_markevery() == [
        5,
        7,
    ]


@pytest.mark.parametrize(
    ("count", "targets", "panels"), [(1, 1, 1), (3, 1, 3), (2, 2, 4), (40, 1, 9), (5, 3, 9)]
)
def test_at_most_nine_pictures(count, targets, panels):
    names = tuple(f"y{i}" for i in range(targets))
    figure = plot_forecasts(a_forecast(count, targets=names), observed(count, targets=names))
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert len(shown) == panels
    titles = [axes.get_title(loc="left") for axes in shown]
    assert len(set(titles)) == panels
    if panels < count * targets:
        assert f"9 of {count * targets} forecasts" in finding(figure)


def test_windows_of_one_series_are_told_apart_by_their_cutoff():
    result = backtest(horizon=3)
    chosen = result.examples(2)
    figure = plot_forecasts(result.forecast("bigru", chosen), result.frame())
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "after 2024-03-01",
        "after 2024-03-02 15:00",
    ]
    _, drawn = line(figure.axes[1], "observed")
    np.testing.assert_allclose(drawn[-3:], result.actual[39, :, 0])


def test_local_stamps_are_drawn_where_the_forecast_is():
    forecast = replace(a_forecast(), freq=Frequency.parse("h", tz="Asia/Tokyo"))
    table = observed()
    table["ds"] = table["ds"].dt.tz_localize("UTC").dt.tz_convert("Asia/Tokyo")
    stamps, _ = line(plot_forecasts(forecast, table, context=2).axes[0], "observed")
    np.testing.assert_array_equal(stamps, hours(8, 5))


def test_months_and_whole_numbers():
    months = np.array(["2024-01", "2024-02", "2024-03", "2024-04"], "datetime64[ns]")
    table = pd.DataFrame({"ds": months, "y": [1.0, 2.0, 3.0, 4.0]})
    forecast = replace(
        a_forecast(horizon=1),
        cutoffs=months[2:3],
        stamps=months[None, 3:],
        freq=Frequency.parse("MS"),
    )
    axes = plot_forecasts(forecast, table, context=2).axes[0]
    np.testing.assert_array_equal(line(axes, "observed")[0], months[1:])
    assert isinstance(axes.xaxis.get_major_formatter(), mdates.ConciseDateFormatter)
    whole = replace(
        forecast,
        cutoffs=np.array([7]),
        stamps=np.array([[8]]),
        freq=Frequency.parse("1", is_integer=True),
    )
    axes = plot_forecasts(
        whole, pd.DataFrame({"ds": [5, 6, 7, 8], "y": [1.0, 2.0, 3.0, 4.0]}), context=2
    ).axes[0]
    assert line(axes, "observed")[0].tolist() == [6, 7, 8]


def test_pictures_that_cannot_be_drawn_name_the_reason():
    with pytest.raises(
        DataError, match=r"column 'y' is missing in the observed table; it has \['ds'\]"
    ):
        plot_forecasts(a_forecast(), pd.DataFrame({"ds": hours(0, 3)}))
    with pytest.raises(DataError, match="drift does not forecast the same series"):
        plot_forecasts(
            a_forecast(), observed(), baselines=[replace(a_forecast(horizon=2), alias="drift")]
        )


def test_a_figure_is_saved_whole(tmp_path):
    path = save_figure(plot_loss(history((0.5, 0.4))), tmp_path / "new" / "loss.png")
    first = path.read_bytes()
    assert first.startswith(b"\x89PNG")
    save_figure(plot_loss(history((0.5, 0.4))), path)
    assert path.read_bytes() == first
    assert [one.name for one in path.parent.iterdir()] == ["loss.png"]


def test_names_from_the_data_are_no_formulas(tmp_path):
    odd = "$x_{$"
    result = with_intervals(backtest())
    forecasts = {odd: result.forecasts["bigru"], "$y^$": result.forecasts["last_value"]}
    names = {
        "alias": odd,
        "baselines": ("$y^$",),
        "forecasts": forecasts,
        "series_ids": np.array([odd], object),
    }
    result = replace(result, columns=Columns(target_cols=("$z_$",)), **names)
    figures = [
        plot(result)
        for plot in (plot_error_by_step, plot_error_by_cutoff, plot_bias_by_step, plot_residuals)
    ]
    figures += [
        plot_fan(result),
        plot_coverage(result),
        plot_loss({odd: history((0.5,)), "b": history((0.4,))}),
    ]
    windows = np.array([3])
    others = [result.forecast("$y^$", windows)]
    figures.append(plot_forecasts(result.forecast(odd, windows), result.frame(), baselines=others))
    for figure in figures:
        save_figure(figure, tmp_path / "picture.png")
    assert "$z_$: the model is ahead of the best baseline ($y^$)" in finding(figures[0])


def test_nothing_global_is_touched(tmp_path):
    before = dict(mpl.rcParams)
    figures = [
        plot_error_by_step(backtest()),
        plot_residuals(backtest()),
        plot_forecasts(a_forecast(), observed()),
    ]
    for figure in figures:
        save_figure(figure, tmp_path / "picture.png")
    assert dict(mpl.rcParams) == before


def test_results_and_plots_are_imported_without_matplotlib_and_keras():
    code = (
        "import sys, forecast.scores.forecast, forecast.report.plots;"
        "print([name for name in ('matplotlib', 'keras', 'tensorflow') if name in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[]"


def test_long_titles_stay_inside_the_picture():
    name = "a_model_with_a_very_long_name_indeed"
    result = backtest()
    forecasts = {
        name: result.forecasts["bigru"],
        "another_name_of_a_baseline": result.forecasts["last_value"],
    }
    long = replace(
        result, alias=name, baselines=("another_name_of_a_baseline",), forecasts=forecasts
    )
    for figure in (
        plot_error_by_step(long),
        plot_residuals(long),
        plot_loss(history((0.5, 0.4), (0.6, 0.5), best=2)),
    ):
        figure.draw_without_rendering()
        assert figure.texts[0].get_window_extent().x1 < figure.bbox.x1


@given(st.lists(st.floats(0, 1), max_size=8))
def test_labels_are_spread_in_order_without_overlap(places):
    spread = _spread(np.array(places), 0.1)
    order = np.argsort(places, kind="stable")
    assert (np.diff(spread[order]) > 0.0999).all()
    assert (spread <= 1.0 + 1e-9).all()
    if len(places) and (np.diff(np.sort(places)) >= 0.1 + 1e-9).all():
        np.testing.assert_allclose(spread, places)
