"""Results: tables out and back in, scores by hand, the verdict in words."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecast.data.frequency import Frequency
from forecast.data.panel import Columns
from forecast.errors import DataError, ShapeError, SkillError
from forecast.scores.evaluation import BacktestResult
from forecast.scores.forecast import Forecast, level_name, named_level
from forecast.scores.history import History
from forecast.scores.skill import Comparison
from forecast.scores.verdict import Scores

HOURLY = Frequency.parse("h")
START = np.datetime64("2024-03-01T00", "ns")


def hours(count: int) -> np.ndarray:
    return START + np.arange(count) * np.timedelta64(1, "h")


def a_forecast(
    targets: tuple[str, ...] = ("y",), levels: tuple[float, ...] = (), freq: Frequency = HOURLY
) -> Forecast:
    values = np.arange(2 * 3 * len(targets), dtype=float).reshape(2, 3, -1)
    return Forecast(
        alias="bigru",
        series_ids=np.array(["b", "a"], object),
        cutoffs=hours(2),
        stamps=np.stack([hours(5)[1:4], hours(5)[2:5]]),
        values=values,
        columns=Columns(target_cols=targets),
        freq=freq,
        quantile_levels=levels,
        quantiles=values[..., None] + np.arange(len(levels)) - 1 if levels else None,
    )


def a_result(model_error: float = 1.0, **changes: object) -> BacktestResult:
    """Six windows of two series; the actual value is the window's number plus a tenth of the
    step."""
    actual = np.arange(6.0)[:, None, None] + np.arange(2)[None, :, None] / 10
    fields = {
        "alias": "bigru",
        "baselines": ("last_value", "linear"),
        "series_ids": np.array(["a", "b"], object),
        "series": np.array([0, 0, 0, 0, 1, 1]),
        "cutoffs": hours(6),
        "stamps": hours(7)[np.arange(6)[:, None] + np.arange(2)],
        "actual": actual,
        "forecasts": {
            "bigru": actual + model_error,
            "last_value": actual - 4,
            "linear": actual + 2,
        },
        "scale": np.full((6, 1), 2.0),
        "season_length": 1,
        "columns": Columns(),
        "freq": HOURLY,
    }
    return BacktestResult(**(fields | changes))


def test_forecast_table_has_the_columns_of_the_field():
    frame = a_forecast(levels=(0.05, 0.1, 0.5, 0.9)).frame()
    names = ["bigru-lo-90", "bigru-lo-80", "bigru-median", "bigru-hi-80"]
    assert list(frame.columns) == ["unique_id", "ds", "cutoff", "bigru", *names]
    assert frame["unique_id"].tolist() == ["b"] * 3 + ["a"] * 3
    row = frame[(frame["unique_id"] == "a") & (frame["ds"] == "2024-03-01 03:00")].iloc[0]
    assert (row["cutoff"], row["bigru"], row["bigru-lo-90"]) == (
        pd.Timestamp("2024-03-01 01:00"),
        4.0,
        3.0,
    )


@pytest.mark.parametrize("targets", [("y",), ("load", "oil")])
@pytest.mark.parametrize("levels", [(), (0.025, 0.5, 0.9)])
@pytest.mark.parametrize("tz", [None, "Europe/Berlin"])
def test_forecast_comes_back_from_its_table(targets, levels, tz):
    before = a_forecast(targets, levels, Frequency.parse("h", tz=tz))
    after = Forecast.from_frame(before.frame(), "bigru", columns=before.columns, freq=before.freq)
    for name in ("series_ids", "cutoffs", "stamps", "values", "quantile_levels"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
    assert (after.quantiles is None) == (before.quantiles is None)
    np.testing.assert_array_equal(
        np.asarray(after.quantiles, float), np.asarray(before.quantiles, float)
    )


def test_tables_carry_local_stamps():
    frame = a_forecast(freq=Frequency.parse("h", tz="Asia/Tokyo")).frame()
    assert str(frame["ds"].iloc[0]) == "2024-03-01 10:00:00+09:00"
    assert str(frame["cutoff"].iloc[0]) == "2024-03-01 09:00:00+09:00"


def test_a_shuffled_table_is_put_in_order():
    frame = a_forecast().frame().astype({"ds": "datetime64[s]", "cutoff": "datetime64[s]"})
    after = Forecast.from_frame(
        frame.iloc[[5, 2, 4, 0, 3, 1]], "bigru", columns=Columns(), freq=HOURLY
    )
    assert after.series_ids.tolist() == ["a", "b"]
    assert after.stamps.dtype == after.cutoffs.dtype == np.dtype("datetime64[ns]")
    np.testing.assert_array_equal(after.values[:, :, 0], [[3, 4, 5], [0, 1, 2]])


def test_tables_that_cannot_be_read_name_the_reason():
    frame = a_forecast().frame()
    with pytest.raises(DataError, match=r"column 'lstm' is missing.*'bigru'"):
        Forecast.from_frame(frame, "lstm", columns=Columns(), freq=HOURLY)
    with pytest.raises(
        DataError, match=r"series 'a' has 2 steps after cutoff 2024-03-01 01:00:00 and the first.*3"
    ):
        Forecast.from_frame(frame.iloc[:5], "bigru", columns=Columns(), freq=HOURLY)
    with pytest.raises(DataError, match="no rows"):
        Forecast.from_frame(frame.iloc[:0], "bigru", columns=Columns(), freq=HOURLY)


def test_a_column_is_never_overwritten_by_another():
    with pytest.raises(DataError, match="two columns would be named 'y'"):
        a_result(alias="y", forecasts={"y": np.zeros((6, 2, 1))}, baselines=()).frame()


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ShapeError, match=r"linear has shape \(6, 1, 1\)"):
        a_result(
            forecasts={
                "bigru": np.zeros((6, 2, 1)),
                "last_value": np.zeros((6, 2, 1)),
                "linear": np.zeros((6, 1, 1)),
            }
        )
    with pytest.raises(ShapeError, match="quantiles has shape"):
        Forecast(**{**vars(a_forecast()), "quantile_levels": (0.5,)})
    with pytest.raises(DataError, match="no forecast of 'drift'"):
        a_result(baselines=("drift",))


@given(st.integers(1, 9999))
def test_level_names_can_be_undone(number):
    assert named_level(level_name(number / 10000)) == number / 10000


def test_scores_by_hand():
    values = a_result(model_error=1.5).scores().values
    assert values["bigru"]["MSE"] == pytest.approx(2.25)
    assert values["bigru"]["MAE"] == pytest.approx(1.5)
    assert values["last_value"]["RMSE"] == pytest.approx(4.0)
    assert values["linear"]["MASE"] == pytest.approx(1.0)
    expected = np.mean([200 * 2 / (y + y + 2) for one in range(6) for y in (one, one + 0.1)])
    assert values["linear"]["sMAPE"] == pytest.approx(expected)


def test_skill_is_measured_against_the_best_baseline():
    scores = a_result(model_error=1.5).scores()
    assert scores.best_baseline == "linear"
    assert [scores.skill(name) for name in scores.values] == pytest.approx([0.25, -1.0, 0.0])


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (1.5, "bigru beats the best baseline (linear) by 25.0 % in MAE on 6 test windows."),
        (1.999, "bigru beats the best baseline (linear) by 0.05 % in MAE on 6 test windows."),
        (
            3.0,
            "bigru does not beat the best baseline (linear): its MAE is 50.0 % higher on 6 test "
            "windows.",
        ),
        (
            2.0,
            "bigru does not beat the best baseline (linear): their MAE is the same on 6 test "
            "windows.",
        ),
    ],
)
def test_the_verdict_says_plainly_who_wins(error, words):
    result = a_result(actual=np.zeros((6, 2, 1)), forecasts={"bigru": np.full((6, 2, 1), error)} | {
        name: np.full((6, 2, 1), one) for name, one in (("last_value", -4.0), ("linear", 2.0))
    })  # fmt: skip
    assert result.scores().verdict() == words


def many_windows(skill: float, noise: float) -> BacktestResult:
    """400 cutoffs, one step ahead; a baseline with errors near 1, and a model whose errors are
    smaller by a share."""
    rng = np.random.default_rng(0)
    baseline = rng.uniform(0.5, 1.5, 400)
    model = baseline * (1 - skill) + noise * rng.normal(size=400)
    return a_result(
        series=np.zeros(400, np.int64),
        cutoffs=hours(400),
        stamps=hours(401)[1:, None],
        actual=np.zeros((400, 1, 1)),
        forecasts={
            name: one[:, None, None] for name, one in (("bigru", model), ("last_value", baseline))
        },
        baselines=("last_value",),
        scale=np.ones((400, 1)),
    )


def test_ends_of_an_interval_keep_their_digits_and_signs():
    scores = many_windows(0.2, 0.1).scores()
    near = replace(scores, comparisons={"bigru": Comparison(-0.000312, 0.0821, 0.5, 400, 3)})
    assert "(95 % interval -0.031 to 8.2)" in near.verdict()
    zero = replace(scores, comparisons={"bigru": Comparison(0.0, 0.0821, 0.5, 400, 3)})
    assert "(95 % interval 0 to 8.2)" in zero.verdict()
    assert zero.verdict().endswith("may be chance.")


@pytest.mark.parametrize(
    ("skill", "noise", "start", "end", "shown"),
    [
        (0.2, 0.1, "bigru beats the best baseline (last_value) by", "windows.", True),
        (
            0.01,
            0.3,
            "bigru beats the best baseline (last_value) by",
            "windows, but the difference may be chance.",
            False,
        ),
        (
            -0.2,
            0.1,
            "bigru does not beat the best baseline (last_value): its MAE is",
            "windows.",
            False,
        ),
        (-0.01, 0.3, "bigru does not beat", "higher", False),
    ],
)
def test_the_verdict_says_how_sure_it_is(skill, noise, start, end, shown):
    scores = many_windows(skill, noise).scores()
    one, verdict = scores.comparisons["bigru"], scores.verdict()
    assert verdict.startswith(start)
    assert end in verdict
    assert one.low < scores.skill("bigru") < one.high
    assert ("may be chance" in verdict) == (one.low <= 0 <= one.high)
    low, high = (one.low, one.high) if scores.skill("bigru") > 0 else (-one.high, -one.low)
    assert f"(95 % interval {100 * low:.1f} to {100 * high:.1f})" in verdict
    row = scores.frame().set_index("model").loc["bigru"]
    assert (row["skill-lo-95"], row["skill-hi-95"], row["p_value"]) == (
        one.low,
        one.high,
        one.p_value,
    )
    stored = scores.to_dict()
    assert Scores.from_dict(json.loads(json.dumps(stored, allow_nan=False))).to_dict() == stored
    if shown:
        scores.require_skill()
    else:
        with pytest.raises(SkillError, match="skill was required: bigru"):
            scores.require_skill()


def test_few_cutoffs_are_said_to_be_too_few():
    scores = a_result(model_error=1.5).scores()
    assert scores.comparisons == {}
    assert scores.text().endswith(
        "Note: there are too few cutoffs to estimate how much of the difference may be chance."
    )
    with pytest.raises(
        SkillError, match=r"beats the best baseline .* too few cutoffs to rule out chance"
    ):
        scores.require_skill()
    with pytest.raises(SkillError, match="compared with no baseline"):
        a_result(baselines=()).scores().require_skill()


def test_the_verdict_with_nothing_to_compare():
    result = a_result(baselines=())
    assert result.scores().verdict() == "bigru was compared with no baseline on 6 test windows."
    assert np.isnan(result.scores().skill("bigru"))
    empty = a_result(actual=np.full((6, 2, 1), np.nan)).scores()
    assert "no baseline" in empty.verdict()
    assert "*" not in empty.text()


def test_a_perfect_baseline_cannot_be_beaten():
    actual = np.ones((6, 2, 1))
    forecasts = {"bigru": actual + 1, "last_value": actual, "linear": actual}
    scores = a_result(actual=actual, forecasts=forecasts).scores()
    assert scores.verdict().startswith(
        "bigru does not beat the best baseline (last_value): its MAE is 1 against 0"
    )


def test_squared_errors_may_decide_in_place_of_absolute_ones():
    """Errors of 0 and 3 against 2 and 2: MAE 1.5 against 2, MSE 4.5 against 4."""
    actual = np.zeros((6, 2, 1))
    even = np.full_like(actual, 2.0)
    spiky = np.zeros_like(actual)
    spiky[:, 1] = 3.0
    forecasts = {"bigru": even, "last_value": spiky, "linear": spiky + 5.0}
    by_mae = a_result(actual=actual, forecasts=forecasts).scores()
    by_mse = replace(a_result(actual=actual, forecasts=forecasts), judged_by="MSE").scores()
    assert by_mae.skill("bigru") == pytest.approx(1 - 2.0 / 1.5)
    assert by_mse.skill("bigru") == pytest.approx(1 - 4.0 / 4.5)
    assert "its MAE is 33.3 % higher" in by_mae.verdict()
    assert "beats the best baseline (last_value) by 11.1 % in MSE" in by_mse.verdict()
    assert Scores.from_dict(by_mse.to_dict()).verdict() == by_mse.verdict()


def test_the_table_marks_the_best_of_every_column():
    scores = a_result(model_error=1.5).scores()
    lines = scores.text().splitlines()
    table = {line.split()[0]: line for line in lines[4:7]}
    assert table["bigru"].count("*") == 6
    assert "*" not in table["linear"] + table["last_value"]
    assert [table[name].split()[3] for name in table] == ["+1.500*", "-4.000", "+2.000"]
    assert len({len(line) for line in lines[1:8]}) == 1
    assert lines[0] == "horizon 2, 2 series, season length 1"
    assert lines[8] == scores.verdict()
    assert "+25.0 %" in table["bigru"]


def test_series_without_a_scale_are_left_out_of_mase_with_a_note():
    scale = np.array([2.0, 2.0, 2.0, 2.0, 0.0, 0.0])[:, None]
    actual, model = np.zeros((6, 2, 1)), np.ones((6, 2, 1))
    model[4:] = 100.0
    scores = a_result(
        actual=actual, scale=scale, forecasts={"bigru": model, "last_value": model, "linear": model}
    ).scores()
    assert scores.values["bigru"]["MASE"] == 0.5
    assert "1 of 2 series" in scores.notes[0]
    assert scores.notes[0] in scores.text()


def test_scores_survive_json_and_missing_numbers():
    scores = a_result(scale=np.zeros((6, 1))).scores()
    after = Scores.from_dict(json.loads(json.dumps(scores.to_dict(), allow_nan=False)))
    assert after.text() == scores.text()
    assert np.isnan(after.values["bigru"]["MASE"])
    assert after.baselines == scores.baselines


def test_history_survives_json():
    history = History(
        loss=(1.0, 0.5), val_loss=(), learning_rate=(1e-3, 5e-4), seconds=(2.0, 1.0), best_epoch=2
    )
    assert History.from_dict(json.loads(json.dumps(history.to_dict()))) == history


def test_backtest_table_agrees_with_the_arrays():
    result = a_result()
    frame = result.frame()
    assert list(frame.columns) == [
        "unique_id",
        "ds",
        "cutoff",
        "y",
        "bigru",
        "last_value",
        "linear",
    ]
    assert (frame["bigru"] - frame["y"]).abs().mean() == pytest.approx(
        result.scores().values["bigru"]["MAE"]
    )
    row = frame[(frame["cutoff"] == "2024-03-01 04:00") & (frame["ds"] == "2024-03-01 05:00")].iloc[
        0
    ]
    assert (row["unique_id"], row["y"]) == ("b", 4.1)


@pytest.mark.parametrize(
    ("count", "expected"), [(1, [3]), (2, [3, 5]), (3, [0, 3, 5]), (9, [0, 1, 2, 3, 4, 5])]
)
def test_examples_cover_series_before_time(count, expected):
    assert a_result().examples(count).tolist() == expected


def test_examples_become_forecasts_of_a_model():
    forecast = a_result().forecast("linear", np.array([4]))
    assert (forecast.alias, forecast.series_ids.tolist()) == ("linear", ["b"])
    np.testing.assert_allclose(forecast.values[0, :, 0], [6.0, 6.1])


def test_a_part_of_the_windows_keeps_their_rows():
    result = a_result()
    part = result.take(np.array([1, 4]))
    expected = result.frame().iloc[[2, 3, 8, 9]].reset_index(drop=True)
    pd.testing.assert_frame_equal(part.frame(), expected)
    assert part.scores().num_series == 2
