"""Scores by series, step and cutoff against loops over a long table."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from forecast.data.frequency import Frequency
from forecast.data.panel import Columns
from forecast.errors import ConfigError
from forecast.scores.breakdown import bias_by_step, error_by_cutoff, scores_by
from forecast.scores.evaluation import BacktestResult
from forecast.scores.metrics import SCORES

SHAPE = (40, 3, 2)
POINT_NAMES = [name for name, score in SCORES.items() if score.is_of_points]
LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)
QUANTILE_NAMES = [
    "pinball",
    "WQL",
    "CRPS",
    *("coverage-50", "coverage-80", "width-50", "width-80", "Winkler-50", "Winkler-80"),
]


def a_result(
    shape: tuple[int, int, int] = SHAPE, num_series: int = 5, freq: str = "h"
) -> BacktestResult:
    """Windows of several series at shared cutoffs, some values missing, some series without a
    scale."""
    rng = np.random.default_rng(4)
    count, horizon, targets = shape
    actual = rng.integers(-3, 4, shape).astype(float)
    actual[rng.random(shape) < 0.3] = np.nan
    actual[3] = np.nan
    number = np.arange(count)
    cutoffs = np.datetime64("2024-03-01T00", "ns") + (
        number % (count // num_series)
    ) * np.timedelta64(1, "h")
    scale = rng.choice([0.5, 2.0, np.nan, 0.0], (num_series, targets))
    return BacktestResult(
        alias="bigru",
        baselines=("last_value",),
        series_ids=np.array([f"s{7 * one % num_series}" for one in range(num_series + 1)], object),
        series=number // (count // num_series),
        cutoffs=cutoffs,
        stamps=cutoffs[:, None] + (1 + np.arange(horizon)) * np.timedelta64(1, "h"),
        actual=actual,
        forecasts={
            "bigru": rng.normal(size=shape),
            "last_value": rng.integers(-1, 2, shape).astype(float),
        },
        scale=scale[number // (count // num_series)],
        season_length=1,
        columns=Columns(id_col="store", target_cols=("a", "b")[:targets]),
        freq=Frequency.parse(freq, tz="Europe/Berlin"),
    )


def cells(
    result: BacktestResult, model: str
) -> Iterator[tuple[dict[str, object], float, float, float]]:
    """Every measured value: its groups, what happened, what was forecast, and the scale."""
    for w, h, d in np.ndindex(result.actual.shape):
        if not math.isnan(result.actual[w, h, d]):
            cutoff = pd.Timestamp(result.cutoffs[w], tz="UTC").tz_convert("Europe/Berlin")
            groups = {
                "store": result.series_ids[result.series[w]],
                "step": h + 1,
                "cutoff": cutoff,
                "model": model,
            }
            yield (
                groups,
                result.actual[w, h, d],
                result.forecasts[model][w, h, d],
                result.scale[w, d],
            )


def loop(result: BacktestResult, key: str, name: object, model: str) -> dict[str, float]:
    kept = [one[1:] for one in cells(result, model) if key == "overall" or one[0][key] == name]
    scaled = [abs(y - f) / scale for y, f, scale in kept if scale > 0]
    count = len(kept) or math.nan
    mean_square = sum((y - f) ** 2 for y, f, _ in kept) / count
    shares = [100 * abs(y - f) / abs(y) for y, f, _ in kept if y]
    size = sum(abs(y) for y, _, _ in kept) or math.nan
    return {
        "MAPE": sum(shares) / (len(shares) or math.nan),
        "WAPE": 100 * sum(abs(y - f) for y, f, _ in kept) / size,
        "bias": sum(f - y for y, f, _ in kept) / count,
        "MSE": mean_square,
        "MAE": sum(abs(y - f) for y, f, _ in kept) / count,
        "RMSE": math.sqrt(mean_square),
        "sMAPE": sum(200 * abs(y - f) / (abs(y) + abs(f)) if y or f else 0 for y, f, _ in kept)
        / count,
        "MASE": sum(scaled) / (len(scaled) or math.nan),
    }


@pytest.mark.parametrize(
    ("by", "column"), [("series", "store"), ("step", "step"), ("cutoff", "cutoff")]
)
def test_scores_of_every_group_equal_a_loop(by, column):
    result = a_result()
    table = scores_by(result, by)
    assert list(table.columns) == [column, "model", "windows", *POINT_NAMES]
    names = {
        "series": result.series_ids[:5],
        "step": range(1, 4),
        "cutoff": sorted(set(result.frame()["cutoff"])),
    }[by]
    assert table[column].tolist() == [name for name in names for _ in range(2)]
    assert table["model"].tolist() == ["bigru", "last_value"] * len(names)
    for _, row in table.iterrows():
        expected = loop(result, column, row[column], row["model"])
        np.testing.assert_allclose(
            [row[name] for name in POINT_NAMES], [expected[name] for name in POINT_NAMES]
        )
    windows = {"series": 8, "step": 40, "cutoff": 5}[by]
    assert (table["windows"] == windows).all()


def with_quantiles() -> BacktestResult:
    result = a_result()
    steps = np.sort(np.random.default_rng(8).normal(size=(*SHAPE, len(LEVELS))), axis=-1)
    return replace(result, quantile_levels=LEVELS, quantiles=steps)


def quantile_loop(actual: list[float], quantiles: list[list[float]]) -> dict[str, float]:
    """Scores of quantiles of some values, from their definitions."""
    loss = []
    for number, q in enumerate(LEVELS):
        errors = [y - row[number] for y, row in zip(actual, quantiles, strict=True)]
        loss.append(sum(q * one if one >= 0 else (q - 1) * one for one in errors))
    count = len(actual)
    # each level stands for those nearer to it than to another one
    shares = [0.175, 0.2, 0.25, 0.2, 0.175]
    scores = {
        "pinball": sum(loss) / count / len(LEVELS),
        "WQL": sum(2 * one / sum(abs(y) for y in actual) for one in loss) / len(LEVELS),
        "CRPS": sum(2 * share * one for share, one in zip(shares, loss, strict=True)) / count,
    }
    for level, low, high in ((50, 1, 3), (80, 0, 4)):
        ends = [(row[low], row[high]) for row in quantiles]
        pairs = list(zip(actual, ends, strict=True))
        misses = sum(max(lo - y, y - hi, 0.0) for y, (lo, hi) in pairs)
        width = sum(hi - lo for lo, hi in ends) / count
        scores[f"coverage-{level}"] = sum(lo <= y <= hi for y, (lo, hi) in pairs) / count
        scores[f"width-{level}"] = width
        scores[f"Winkler-{level}"] = width + 2 / (1 - level / 100) * misses / count
    return scores


@pytest.mark.parametrize("by", ["series", "step", "cutoff", "overall"])
def test_scores_of_quantiles_equal_loops_in_every_group(by):
    result = with_quantiles()
    table = scores_by(result, by)
    assert list(table.columns[-len(QUANTILE_NAMES) :]) == QUANTILE_NAMES
    assert table.loc[table["model"] == "last_value", QUANTILE_NAMES].isna().all(axis=None)
    rows = table[table["model"] == "bigru"].reset_index(drop=True)

    windows = np.broadcast_to(np.arange(SHAPE[0])[:, None, None], SHAPE)
    group = {
        "series": result.series[windows],
        "step": np.broadcast_to(np.arange(SHAPE[1])[:, None], SHAPE),
        "cutoff": np.unique(result.cutoffs, return_inverse=True)[1][windows],
        "overall": np.zeros(SHAPE, int),
    }[by]
    for number, row in rows.iterrows():
        cells = (group == number) & ~np.isnan(result.actual)
        expected = quantile_loop(result.actual[cells].tolist(), result.quantiles[cells].tolist())
        found = {name: row[name] for name in QUANTILE_NAMES}
        assert found == pytest.approx(expected, rel=1e-12)


def test_overall_is_the_table_of_scores():
    result = a_result()
    table = scores_by(result)
    assert list(table.columns) == ["model", "windows", *POINT_NAMES]
    for _, row in table.iterrows():
        expected = result.scores().values[row["model"]]
        assert {name: row[name] for name in POINT_NAMES} == pytest.approx(expected, rel=1e-12)
        assert loop(result, "overall", None, row["model"]) == pytest.approx(expected, rel=1e-12)


def test_a_group_without_a_value_has_no_score_and_silence_is_not_rewarded():
    result = a_result((10, 2, 1), num_series=5)
    result.actual[result.series == 2] = np.nan
    result.forecasts["bigru"][result.series == 3] = np.nan
    result.actual[result.series == 3] = 1.0
    table = scores_by(result, "series").set_index(["store", "model"])
    for series, model in ((2, "bigru"), (2, "last_value"), (3, "bigru")):
        assert table.loc[(result.series_ids[series], model), POINT_NAMES].isna().all()
    assert np.isfinite(table.loc[(result.series_ids[3], "last_value"), "MAE"])


def test_an_unknown_grouping_is_refused():
    with pytest.raises(
        ConfigError, match="scores by 'month'; expected 'series', 'step', 'cutoff' or 'overall'"
    ):
        scores_by(a_result(), "month")


def test_whole_number_stamps_stay_numbers():
    result = a_result()
    numbered = BacktestResult(**{**vars(result), "freq": Frequency.parse("1", is_integer=True)} | {
        name: getattr(result, name).astype(np.int64) // 3_600_000_000_000 for name in ("cutoffs",
        "stamps")
    })  # fmt: skip
    table = scores_by(numbered, "cutoff")
    assert table["cutoff"].dtype == np.int64
    np.testing.assert_array_equal(table["MAE"], scores_by(result, "cutoff")["MAE"])


@pytest.mark.parametrize("by", ["series", "step", "cutoff"])
def test_a_hundred_thousand_windows_take_no_loop(by):
    result = a_result((100_000, 4, 1), num_series=1000)
    start = time.perf_counter()
    scores_by(result, by)
    assert time.perf_counter() - start < 5.0


def test_the_bias_of_a_step_is_that_of_a_loop_with_its_sign() -> None:
    result = a_result()
    for alias in result.forecasts:
        for step, found in enumerate(bias_by_step(result, alias), start=1):
            errors = [
                made - came
                for groups, came, made, _ in cells(result, alias)
                if groups["step"] == step
            ]
            assert found == pytest.approx(sum(errors) / len(errors))
    high = replace(
        result, forecasts={"bigru": result.actual + 2.0, "last_value": result.actual - 1.0}
    )
    assert bias_by_step(high, "bigru") == pytest.approx([2.0] * 3)
    assert bias_by_step(high, "last_value") == pytest.approx([-1.0] * 3)
    assert np.isnan(bias_by_step(replace(result, actual=np.full(SHAPE, np.nan)), "bigru")).all()


@pytest.mark.parametrize("most", [3, 8, 100])
def test_neighbouring_cutoffs_are_averaged_where_there_are_too_many(most: int) -> None:
    result = a_result()
    table = error_by_cutoff(result, most)
    each = scores_by(result, "cutoff")
    cutoffs = each["cutoff"].unique()
    assert list(table) == ["bigru", "last_value"]
    assert len(table) == min(most, len(cutoffs))
    ends = [*table.index[1:], cutoffs[-1] + pd.Timedelta("1h")]
    for start, end in zip(table.index, ends, strict=True):
        rows = each[(each["cutoff"] >= start) & (each["cutoff"] < end)]
        assert 0 < rows["cutoff"].nunique() <= -(-len(cutoffs) // len(table))
        for alias in table:
            assert table.loc[start, alias] == pytest.approx(
                rows.loc[rows["model"] == alias, "MAE"].mean()
            )
