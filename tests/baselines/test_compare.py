"""Rolling-origin evaluation against a loop over windows, with gaps, missing values and many
series."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecast.baselines import compare as backtest
from forecast.baselines.compare import all_baselines, compare, history_reader
from forecast.baselines.lengths import Steps
from forecast.baselines.simple import BASELINES
from forecast.data.frequency import Frequency
from forecast.data.panel import Columns, Panel
from forecast.errors import DataError, ShapeError
from forecast.scores.seasonal import seasonal_errors
from forecast.transforms.missing import Filled
from forecast.windows.index import index_windows
from forecast.windows.splits import Part

NAN = np.nan


def panel_of(*series: tuple[list[int], list[float]], targets: int = 1) -> Panel:
    """Series given as positions and values; target d is the value plus 100 d."""
    positions = np.concatenate([np.array(one, np.int64) for one, _ in series])
    values = np.concatenate([np.array(one, np.float64) for _, one in series])[
        :, None
    ] + 100 * np.arange(targets)
    return Panel(
        columns=Columns(id_col="station", target_cols=tuple(f"y{i}" for i in range(targets))),
        freq=Frequency.parse("1", is_integer=True),
        series_ids=np.array([f"s{i}" for i in range(len(series))], object),
        offsets=np.concatenate([[0], np.cumsum([len(one) for one, _ in series])]),
        timestamps=positions + 1000,
        positions=positions,
        values=values,
        static_values=np.zeros((len(series), 0)),
    )


def filled_of(panel: Panel) -> Filled:
    """Values with 7 in every hole, and where the holes were."""
    observed = np.isfinite(panel.values)
    return Filled(values=np.where(observed, panel.values, 7.0), observed=observed)


def two_series(targets: int = 1) -> Panel:
    first = (
        [0, 1, 2, 3, 4, 5, 6, 10, 11, 12, 13, 14, 15],
        [1, 2, 4, 3, 5, NAN, 6, 8, 7, 9, 11, 10, 12],
    )
    second = list(range(8)), [5, 3, 5, 4, 5, 5, 5, 6]
    return panel_of(first, second, targets=targets)


def evaluate(
    panel: Panel, models=None, baselines=None, context: int = 2, season: int = 3, scale=None
):
    index = index_windows(panel, context, 2)
    zero = {"zero": lambda numbers: np.zeros((len(numbers), 2, len(panel.columns.target_cols)))}
    scale = np.ones((panel.num_series, len(panel.columns.target_cols))) if scale is None else scale
    return index, compare(
        panel,
        index,
        filled=filled_of(panel),
        models=models or zero,
        baselines=all_baselines(Steps(2, context, season)) if baselines is None else baselines,
        steps=Steps(2, context, season),
        scale=scale,
    )


@pytest.mark.parametrize("batch_values", [1, 30, 4_000_000])
def test_every_window_equals_a_loop(monkeypatch, batch_values):
    monkeypatch.setattr(backtest, "BATCH_VALUES", batch_values)
    panel = two_series(targets=2)
    index, result = evaluate(panel)
    series, first = index.locate(np.arange(len(index)))
    read = filled_of(panel).values
    assert len(series) == 12
    for window in range(12):
        last = first[window] + 1
        start = last
        while (
            start > panel.offsets[series[window]]
            and panel.positions[start] - panel.positions[start - 1] == 1
        ):
            start -= 1
        expected = np.stack(
            [read[row] if row >= start else read[last] for row in (last - 2, last - 1)]
        )
        np.testing.assert_array_equal(result.forecasts["seasonal_naive"][window], expected)
        np.testing.assert_array_equal(
            result.forecasts["last_value"][window], np.stack([read[last]] * 2)
        )
        np.testing.assert_array_equal(result.actual[window], panel.targets[last + 1 : last + 3])
        assert result.cutoffs[window] == panel.timestamps[last]
        assert result.stamps[window].tolist() == panel.timestamps[last + 1 : last + 3].tolist()
        assert result.series_ids[result.series[window]] == panel.series_ids[series[window]]


def test_models_are_asked_for_every_window_once(monkeypatch):
    monkeypatch.setattr(backtest, "BATCH_VALUES", 9)
    asked: list[int] = []

    def model(numbers: np.ndarray) -> np.ndarray:
        asked.extend(numbers.tolist())
        return np.repeat(numbers.astype(float), 2).reshape(-1, 2, 1)

    index, result = evaluate(
        two_series(), models={"bigru": model, "twin": lambda numbers: model(numbers) + 1}
    )
    assert sorted(asked) == sorted([*range(len(index))] * 2)
    assert result.alias == "bigru"
    assert list(result.forecasts)[:2] == ["bigru", "twin"]
    assert result.baselines == tuple(BASELINES)
    np.testing.assert_array_equal(result.forecasts["bigru"][:, 1, 0], np.arange(len(index)))
    np.testing.assert_array_equal(result.forecasts["twin"][:, 0, 0], np.arange(len(index)) + 1)


def test_what_was_not_measured_is_read_but_not_scored():
    panel = two_series()
    _, result = evaluate(panel)
    seen = {
        "last": result.forecasts["last_value"][:, 0, 0].tolist(),
        "actual": result.actual.ravel().tolist(),
    }
    assert 7.0 in seen["last"]
    holes = np.isnan(result.actual)
    assert holes.sum() == 2
    assert result.scores().values["zero"]["MAE"] == pytest.approx(np.nanmean(np.abs(result.actual)))


def test_names_of_columns_come_from_the_panel():
    assert list(evaluate(two_series())[1].frame().columns[:4]) == ["station", "ds", "cutoff", "y0"]


def test_the_scale_follows_the_series():
    panel = two_series(targets=2)
    scale = np.array([[1.0, 2.0], [3.0, 4.0]])
    _, result = evaluate(panel, scale=scale)
    np.testing.assert_array_equal(result.scale, scale[result.series])


def test_history_stops_at_gaps_and_starts():
    panel = panel_of(([0, 1, 2], [1, 2, 3]), ([0, 1, 5, 6], [4, 5, 6, 7]))
    made = history_reader(panel, panel.targets, 3)(np.array([2, 4, 6]))[:, :, 0]
    np.testing.assert_array_equal(made, [[1, 2, 3], [NAN, 4, 5], [NAN, 6, 7]])


@given(
    st.lists(
        st.lists(st.integers(0, 25), unique=True, min_size=1, max_size=20).map(sorted),
        min_size=1,
        max_size=4,
    ),
    st.integers(1, 6),
    st.integers(0, 12),
)
def test_seasonal_errors_equal_a_series_on_its_full_grid(stamps, season, cut):
    rng = np.random.default_rng(season)
    panel = panel_of(
        *[(one, rng.choice([1.0, 2.0, 4.0, NAN], len(one)).tolist()) for one in stamps], targets=2
    )
    ends = panel.offsets[:-1] + np.minimum(panel.lengths, cut)
    made = seasonal_errors(panel, season, part=Part(panel.offsets[:-1], ends))
    for series, (start, end) in enumerate(zip(panel.offsets[:-1], ends, strict=True)):
        grid = np.full((60, 2), NAN)
        grid[panel.positions[start:end]] = panel.targets[start:end]
        for target in range(2):
            changes = [
                abs(grid[later, target] - grid[later - season, target])
                for later in range(season, 60)
            ]
            known = [one for one in changes if not np.isnan(one)]
            expected = sum(known) / len(known) if known else NAN
            np.testing.assert_allclose(made[series, target], expected)


def test_a_contest_that_cannot_be_held_is_refused():
    panel = two_series()
    with pytest.raises(DataError, match=r"no window of 9 \+ 2 steps"):
        evaluate(panel, context=9)
    with pytest.raises(DataError, match="'drift' names a model and a baseline"):
        evaluate(panel, models={"drift": lambda numbers: np.zeros((len(numbers), 2, 1))})
    with pytest.raises(ShapeError, match=r"forecast of bigru has shape \(12, 2\)"):
        evaluate(panel, models={"bigru": lambda numbers: np.zeros((len(numbers), 2))})
    with pytest.raises(ShapeError, match="scale has shape"):
        evaluate(panel, scale=np.ones((3, 1)))


def test_a_forecast_that_is_not_finite_names_its_window():
    def broken(numbers: np.ndarray) -> np.ndarray:
        made = np.zeros((len(numbers), 2, 1))
        made[numbers == 9, 1] = np.inf
        return made

    with pytest.raises(
        DataError, match=r"bigru forecast NaN or inf in 1 of 12 windows, first series 's1' after"
    ):
        evaluate(two_series(), models={"bigru": broken}, baselines={})


def test_published_naive_scores_of_hospital(shared_data):
    tables = [
        pd.read_parquet(shared_data / "hospital" / f"hospital_{part}.parquet")
        for part in ("train", "test")
    ]
    table = pd.concat(tables).sort_values(["unique_id", "ds"], kind="stable")
    series = [(list(range(len(one))), one.tolist()) for _, one in table.groupby("unique_id")["y"]]
    panel = panel_of(*series)
    train = Part(panel.offsets[:-1], panel.offsets[1:] - 12)
    result = compare(
        panel,
        index_windows(panel, 24, 12, part=Part(train.last, panel.offsets[1:])),
        filled=Filled(values=panel.values, observed=None),
        models={"zero": lambda numbers: np.zeros((len(numbers), 12, 1))},
        baselines=all_baselines(Steps(12, 24, 12)),
        steps=Steps(12, 24, 12),
        scale=seasonal_errors(panel, 12, part=train),
    )
    scores = result.scores()
    assert scores.num_windows == scores.num_series == 767
    assert scores.values["last_value"]["MASE"] == pytest.approx(0.9676, abs=6e-5)
    assert scores.values["seasonal_naive"]["MASE"] == pytest.approx(0.9205, abs=6e-5)
