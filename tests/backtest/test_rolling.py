"""Cutoffs, blocks and windows equal plain loops over rows; utilsforecast reads the results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
from backtests import experiment, hourly
from hypothesis import given
from hypothesis import strategies as st
from panels import panel_of

from forecast.backtest.folder import backtest_table
from forecast.backtest.rolling import make_plan, run_block
from forecast.data.panel import Panel
from forecast.errors import DataError, ShapeError
from forecast.intervals.coverage import coverage_by, coverage_text
from forecast.scores.quantile_metrics import coverage


def gaps(draw_positions: st.DataObject) -> list[list[int]]:
    """Positions of one to three series with holes between them."""
    series = draw_positions.draw(
        st.lists(st.sets(st.integers(0, 30), min_size=1), min_size=1, max_size=3)
    )
    return [sorted(positions) for positions in series]


@given(
    st.data(),
    st.sampled_from(["time", "series"]),
    st.integers(1, 4),
    st.integers(1, 4),
    st.integers(1, 3),
)
def test_windows_and_learned_rows_equal_a_loop(data, by, num_windows, step, horizon):
    positions = gaps(data)
    each = data.draw(st.integers(1, 4))
    history = data.draw(st.none() | st.integers(1, 5))
    panel = panel_of(positions)
    ends = [max(series) + 1 for series in positions]
    ends = ends if by == "series" else [max(ends)] * len(ends)
    stops = [[end - horizon - step * back for end in ends] for back in reversed(range(num_windows))]
    if not any(min(series) < stop for series, stop in zip(positions, stops[0], strict=True)):
        with pytest.raises(DataError, match="leaves no row before"):
            make_plan(
                panel,
                horizon,
                num_windows=num_windows,
                step=step,
                each=each,
                history=history,
                by=by,
            )
        return
    plan = make_plan(
        panel, horizon, num_windows=num_windows, step=step, each=each, history=history, by=by
    )
    offsets = panel.offsets.tolist()
    covered = []
    for block in range(plan.num_blocks):
        expected = []
        for number in plan.cutoffs(block):
            covered.append(number)
            for index, (series, stop) in enumerate(zip(positions, stops[number], strict=True)):
                if all(position in series for position in range(stop - 1, stop + horizon)):
                    expected.append(offsets[index] + series.index(stop - 1))
        assert plan.windows(panel, block).tolist() == expected
        learned = plan.learned(panel, block)
        first = stops[block * each]
        kept = [
            [row for row in series if row < stop][-(history or 99) :]
            for series, stop in zip(positions, first, strict=True)
        ]
        assert learned.positions.tolist() == [row for series in kept for row in series]
        assert learned.series_ids.tolist() == [
            f"s{number}" for number, series in enumerate(kept) if series
        ]
    assert covered == list(range(num_windows))


@dataclass
class LastPlusCount:
    """A user's model: last value plus number of fitted rows; it cannot forecast zeros."""

    fits: list[int]

    def fit(self, panel: Panel) -> Any:
        self.fits.append(panel.num_rows)
        return Fitted(panel.num_rows)


@dataclass
class Fitted:
    count: int
    quantile_levels: tuple[float, ...] = (0.1, 0.5)

    def predict(self, panel: Panel, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        value = panel.targets[last][:, None] + self.count
        value = np.where(panel.targets[last][:, None] == 0, np.nan, value)
        points = np.repeat(value, 2, axis=1)
        return points, np.stack([points - 1, points], axis=-1)


def test_anything_with_fit_and_predict_takes_part():
    config = experiment(
        windows={"horizon": 2, "context_length": 1},
        backtest={"num_windows": 5, "step": 2, "refit": 2},
    )
    rows = np.arange(20)
    table = pd.concat(
        [
            pd.DataFrame({"unique_id": u, "ds": rows, "y": v * (rows + 1.0)})
            for u, v in (("p", 1), ("q", 0))
        ]
    )
    model = LastPlusCount([])
    result = backtest_table(config, table, models={"mine": model, "twin": LastPlusCount([])})
    firsts = [10, 14, 18]  # rows before the cutoffs 1, 3 and 5
    assert model.fits == [2 * count for count in firsts]
    frame = result.frame()
    own = ["mine", *_spread("mine"), "twin", *_spread("twin")]
    assert list(frame) == ["unique_id", "ds", "cutoff", "y", *own]
    expected = [
        stop + 2 * firsts[number // 2]
        for number, stop in enumerate(range(10, 20, 2))
        for _ in range(2)
    ]
    assert frame["mine"].tolist() == expected
    assert (frame["mine-lo-80"] == frame["mine"] - 1).all()
    assert frame["cutoff"].tolist() == [stop - 1 for stop in range(10, 20, 2) for _ in range(2)]
    assert frame["y"].tolist() == [row + 1.0 for row in range(10, 20)]
    assert result.left_out == {"mine": 5, "twin": 5}
    assert any("5 windows without a forecast of mine" in note for note in result.scores().notes)


def _spread(name: str) -> tuple[str, str]:
    return f"{name}-lo-80", f"{name}-median"


class Widening:
    """A model with intervals as wide as their level; later fits write more of them."""

    def fit(self, panel: Panel) -> Any:
        self.quantile_levels = (0.1, 0.9) if panel.num_rows < 14 else (0.025, 0.1, 0.9, 0.975)
        return self

    def predict(self, panel: Panel, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        points = np.repeat(panel.targets[last][:, None], 2, axis=1)
        reach = 5.0 * (2.0 * np.array(self.quantile_levels) - 1.0)  # 4 and 4.75
        return points, points[..., None] + reach


def test_intervals_of_a_backtest_are_judged_like_those_of_an_evaluation():
    """Values grow by 1, 2, 3, ...: how far they have got after one and two steps is easily said."""
    config = experiment(
        windows={"horizon": 2, "context_length": 1},
        backtest={"num_windows": 5, "step": 2, "refit": 2},
    )
    rows = np.arange(20)
    growing = pd.DataFrame({"ds": rows, "y": np.abs(rows - 12.0) * (np.abs(rows - 12.0) + 1) / 2})
    models = {"mine": Widening(), "twin": Widening()}
    result = backtest_table(config, growing, models=models)
    assert result.result.quantile_levels == (0.1, 0.9)  # what the fit on 10 rows has too
    assert [other.alias for other in result.others] == ["twin"]
    held = []
    for stop in range(10, 20, 2):
        change = np.abs(growing["y"][stop : stop + 2].to_numpy() - growing["y"][stop - 1])
        held.append(change <= 4)
    expected = np.array(held)
    assert 0 < expected.sum() < expected.size
    table = coverage_by(result.result, "step")
    assert table["level"].tolist() == [80.0, 80.0]
    assert table["covered"].tolist() == expected.mean(axis=0).tolist()
    assert coverage_text(result.result).startswith(
        f"80 % intervals cover {100 * expected.mean():.1f} %"
    )
    frame = result.frame()
    wide = result.result
    actual = wide.actual
    spread = wide.quantiles
    inside = [
        (frame[f"{name}-lo-80"] <= frame["y"]) & (frame["y"] <= frame[f"{name}-hi-80"])
        for name in models
    ]
    assert [mask.mean() for mask in inside] == [expected.mean()] * 2
    assert coverage(actual, spread[..., 0], spread[..., 1]) == expected.mean()


def test_windows_with_a_quantile_missing_are_left_out():
    class Holed(Widening):
        def predict(self, panel: Panel, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            points, spread = super().predict(panel, last)
            return points, np.where((last == 13)[:, None, None, None], np.nan, spread)

    config = experiment(
        windows={"horizon": 2, "context_length": 1}, backtest={"num_windows": 5, "step": 2}
    )
    result = backtest_table(
        config, pd.DataFrame({"ds": range(20), "y": 1.0}), models={"mine": Holed()}
    )
    assert result.left_out == {"mine": 1}
    assert result.result.cutoffs.tolist() == [9, 11, 15, 17]


def test_a_model_of_another_shape_is_refused():
    panel = panel_of([list(range(20))])
    plan = make_plan(panel, 3, num_windows=2, step=1, each=1)  # the model writes two steps
    with pytest.raises(ShapeError, match="forecast of mine"):
        run_block(panel, plan, 0, {"mine": LastPlusCount([])})


def test_nothing_to_forecast_is_said():
    config = experiment(windows={"horizon": 2}, backtest={"num_windows": 2})
    table = pd.DataFrame({"ds": range(30), "y": 0.0})
    with pytest.raises(DataError, match=r"no window could be forecast \(mine left out 2\)"):
        backtest_table(config, table, models={"mine": LastPlusCount([])})


def test_the_frame_goes_into_utilsforecast():
    evaluation = pytest.importorskip("utilsforecast.evaluation")
    losses = pytest.importorskip("utilsforecast.losses")
    names = ["last_value", "seasonal_naive"]
    config = experiment(backtest={"num_windows": 4, "step": 2, "models": names})
    result = backtest_table(config, hourly()[["unique_id", "ds", "y"]])
    frame = result.frame()
    scores = result.scores()
    scored = evaluation.evaluate(frame, metrics=[losses.mae, losses.rmse, losses.mse])
    assert set(scored["cutoff"]) == set(frame["cutoff"])
    assert len(scored) == len(frame)  # three metrics of every window, which has three rows
    means = scored.groupby("metric")[names].mean()
    for name in names:
        assert means.loc["mae", name] == pytest.approx(scores.values[name]["MAE"])
        assert means.loc["mse", name] == pytest.approx(scores.values[name]["MSE"])


PUBLISHED = {
    "hourly": (
        24,
        48,
        {
            "last_value": ("43.003", "11.608", "3.593"),
            "seasonal_naive": ("13.912", "1.193", ".6275"),
        },
    ),
    "weekly": (
        1,
        13,
        {"last_value": ("9.161", "2.777", "1.000"), "seasonal_naive": ("9.161", "2.777", "1.000")},
    ),
}
NAIVE2 = {"hourly": (18.383, 2.395), "weekly": (9.161, 2.777)}


def m4(folder: Any, group: str, models: list[str]) -> dict[str, list[float]]:
    """sMAPE, MASE and OWA of the competition's test part, from one cutoff."""
    season_length, horizon, _ = PUBLISHED[group]
    parts = [
        pd.read_parquet(folder / "m4" / f"m4_{group}_{part}.parquet") for part in ("train", "test")
    ]
    config = experiment(
        data={"season_length": season_length, "calendar": []},
        windows={"horizon": horizon, "context_length": 1},
        backtest={"num_windows": 1, "models": models},
    )
    scores = backtest_table(config, pd.concat(parts)).scores()
    assert scores.num_series == {"hourly": 414, "weekly": 359}[group]
    pairs = {name: (values["sMAPE"], values["MASE"]) for name, values in scores.values.items()}
    naive2 = NAIVE2[group]
    return {
        name: [*pair, (pair[0] / naive2[0] + pair[1] / naive2[1]) / 2]
        for name, pair in pairs.items()
    }


@pytest.mark.parametrize("group", PUBLISHED)
def test_naive_figures_of_the_m4_competition(group, shared_data):
    published = PUBLISHED[group][2]
    for name, found in m4(shared_data, group, list(published)).items():
        for text, value in zip(published[name], found, strict=True):
            digits = len(text.partition(".")[2])
            assert value == pytest.approx(float(text), abs=0.5001 * 10**-digits), name


EXCHANGE = {
    96: (1422, 0.0811, 0.1964),
    192: (1326, 0.1671, 0.2887),
    336: (1182, 0.3057, 0.3978),
    720: (798, 0.8101, 0.6764),
}


@pytest.mark.parametrize("horizon", EXCHANGE)
def test_last_value_on_exchange_rates(horizon, shared_data):
    """All windows of the last fifth, on the scale of the first seven tenths."""
    num_windows, mse, mae = EXCHANGE[horizon]
    frame = pd.read_csv(shared_data / "exchange_rate.csv")
    columns = [name for name in frame if name != "date"]
    config = experiment(
        data={"time_col": "date", "target_cols": columns},
        windows={"horizon": horizon, "context_length": 96},
        backtest={"num_windows": num_windows, "step": 1, "models": ["last_value"]},
    )
    result = backtest_table(config, frame).result
    assert len(result.actual) == num_windows
    error = (result.forecasts["last_value"] - result.actual) / frame[columns].to_numpy()[:5311].std(
        axis=0
    )
    assert round(float(np.square(error).mean()), 4) == mse
    assert round(float(np.abs(error).mean()), 4) == mae
