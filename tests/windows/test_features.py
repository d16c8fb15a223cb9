"""Model inputs: against a slow reading of the table, and blind to everything after the cutoff."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecast.data.known import append_future, future_frame, read_known
from forecast.data.panel import Panel
from forecast.data.per_series.subset import select_series
from forecast.data.read import TableFormat
from forecast.errors import DataError
from forecast.experiment import prepare as preparation
from forecast.experiment.prepare import open_panel, prepare
from forecast.experiment.settings import (
    DataConfig,
    EvaluationConfig,
    Experiment,
    TransformConfig,
    TransformsConfig,
    WindowsConfig,
)
from forecast.forecasting.predict import targets_before
from forecast.models import BiGRUConfig

HOURS = 60
POLICIES = ["forward_fill", "interpolate", "zero", "mask"]


def table(seed: int = 0, *, series: int = 2, holes: float = 0.0) -> pd.DataFrame:
    """Hourly series with one covariate of each kind."""
    draw = np.random.default_rng(seed)
    blocks = []
    for number in range(series):
        frame = pd.DataFrame(
            {
                "unique_id": f"s{number}",
                "ds": pd.date_range("2024-01-01", periods=HOURS + 5 * number, freq="h"),
            }
        )
        frame["y"] = 10 * (number + 1) + draw.normal(size=len(frame))
        frame["wind"] = draw.normal(size=len(frame))
        frame["load"] = draw.normal(size=len(frame)) + 100
        frame["state"] = draw.choice(["dry", "wet", "snow"], size=len(frame))
        frame["size"] = float(number)
        frame["kind"] = "large" if number else "small"
        blocks.append(frame)
    whole = pd.concat(blocks, ignore_index=True)
    whole.loc[draw.random(len(whole)) < holes, "y"] = np.nan
    whole.loc[draw.random(len(whole)) < holes, "wind"] = np.nan
    return whole


def experiment(
    missing: str = "refuse", target: tuple[TransformConfig, ...] | None = None
) -> Experiment:
    """All kinds of columns, small windows."""
    return Experiment(
        data=DataConfig(
            calendar=("hour", "weekday"),
            past_covariates=("wind",),
            known_covariates=("load", "state"),
            static_covariates=("size", "kind"),
            categorical=("state", "kind"),
            missing=missing,
        ),
        windows=WindowsConfig(context_length=6, horizon=3),
        transforms=TransformsConfig(target=target) if target is not None else TransformsConfig(),
        model=BiGRUConfig(),
        evaluation=EvaluationConfig(validation_size=8, test_size=9),
    )


def test_a_batch_holds_the_rows_a_reader_of_the_table_would_take():
    frame = table()
    prepared = prepare(experiment(), frame)
    numbers = np.arange(len(prepared.test))
    inputs, target = prepared.test.batch(numbers)
    series, first = prepared.test.index.locate(numbers)
    cutoff = frame["ds"].max() - pd.Timedelta(hours=9 + 8)
    for window in (0, len(numbers) // 2, len(numbers) - 1):
        one = frame[frame["unique_id"] == f"s{series[window]}"].reset_index(drop=True)
        history = one[one["ds"] <= cutoff]["y"].to_numpy()
        start = first[window] - prepared.panel.offsets[series[window]]
        rows = one.iloc[start : start + 9]
        scaled = (rows["y"].to_numpy() - history.mean()) / history.std()
        np.testing.assert_allclose(inputs["past"][window, :, 0], scaled[:6], rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(target[window, :, 0], scaled[6:], rtol=1e-6, atol=1e-6)
        everywhere = frame[frame["ds"] <= cutoff]["load"]
        load = (rows["load"].to_numpy() - everywhere.mean()) / everywhere.std(ddof=0)
        np.testing.assert_allclose(inputs["known"][window, :, 0], load[6:], rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(inputs["past"][window, :, 2], load[:6], rtol=1e-6, atol=1e-6)
        vocabulary = sorted(frame[frame["ds"] <= cutoff]["state"].unique())
        codes = [1 + vocabulary.index(word) for word in rows["state"]]
        assert inputs["known_categories"][window, :, 0].tolist() == codes[6:]
        assert inputs["past_categories"][window, :, 0].tolist() == codes[:6]
        hour = rows["ds"].dt.hour.to_numpy()
        np.testing.assert_allclose(
            inputs["known"][window, :, 1], np.sin(2 * np.pi * hour[6:] / 24), atol=1e-6
        )


def test_a_category_first_seen_after_the_cutoff_is_unknown():
    frame = table()
    frame.loc[frame.index[-1], "state"] = "fog"
    prepared = prepare(experiment(), frame)
    inputs, _ = prepared.test.batch(np.array([len(prepared.test) - 1]))
    assert inputs["known_categories"][0, -1, 0] == 0
    assert "fog" not in prepared.feature_map.vocabulary["state"]


scalers = st.sampled_from(
    [(), (TransformConfig(name="standard"),), (TransformConfig(name="robust", scope="global"),)]
)
differences = st.sampled_from(
    [(), (TransformConfig(name="difference"),), (TransformConfig(name="difference", lag=4),)]
)
chains = st.tuples(differences, scalers).map(lambda pair: pair[0] + pair[1])


@settings(max_examples=60)
@given(
    st.integers(0, 10),
    st.sampled_from(["refuse", *POLICIES]),
    chains,
    st.sampled_from([1e6, -3.0, 0.0, "swap", "nan"]),
    st.integers(0, 8),
)
def test_nothing_after_a_cutoff_reaches_the_inputs(seed, missing, target, change, later):
    """Scales come from before the training cutoff, inputs from before each window's own: bit for
    bit."""
    frame = table(seed, holes=0.0 if missing == "refuse" else 0.2)
    # The last rows may lose their targets here, and are compared all the same.
    before = prepare(experiment(missing, target), frame, cut_future=False)
    cutoff = frame["ds"].max() - pd.Timedelta(hours=17 - later)
    after = frame["ds"] > cutoff
    changed = frame.copy()
    for column in ("y", "wind"):
        if change == "swap":
            changed.loc[after, column] = changed.loc[after, column].to_numpy()[::-1]
        elif change == "nan" and missing != "refuse":
            changed.loc[after, column] = np.nan
        elif change != "nan":
            changed.loc[after, column] = change
    again = prepare(experiment(missing, target), changed, cut_future=False)
    for part in ("training", "validation", "test"):
        old, new = getattr(before, part), getattr(again, part)
        _, first = old.index.locate(np.arange(len(old)))
        last = before.panel.timestamps[first + 5]
        numbers = np.flatnonzero(last <= np.datetime64(cutoff))
        if not len(numbers):
            continue
        np.testing.assert_array_equal(new.index.locate(numbers)[1], first[numbers])
        left, right = old.batch(numbers)[0], new.batch(numbers)[0]
        for name, array in left.items():
            assert array.tobytes() == right[name].tobytes(), (part, name)


def test_static_scales_come_from_series_with_training_rows():
    frame = table(series=4)
    late = (frame["unique_id"] != "s3") | (frame["ds"] > frame["ds"].max() - pd.Timedelta(hours=12))
    frame = frame[late].assign(size=lambda one: one["size"].where(one["unique_id"] != "s3", 1e6))
    scaler = prepare(replace_data(experiment(), short_series="skip"), frame).feature_map.static
    np.testing.assert_allclose([scaler.centre[0], scaler.scale[0]], [1.0, np.std([0.0, 1.0, 2.0])])


def test_interpolation_waits_for_the_later_value():
    frame = table(series=1)
    frame.loc[20:22, "y"] = np.nan
    prepared = prepare(experiment("interpolate", ()), frame)
    values = frame["y"].to_numpy()
    line = np.interp([20, 21, 22], [19, 23], values[[19, 23]])
    numbers = np.arange(len(prepared.training))
    inputs, _ = prepared.training.batch(numbers)
    _, first = prepared.training.index.locate(numbers)
    for start, past in zip(first, inputs["past"][:, :, 0], strict=True):
        for row in range(start, start + 6):
            if row in (20, 21, 22):
                expected = line[row - 20] if start + 5 >= 23 else values[19]
                assert past[row - start] == np.float32(expected)


def test_an_interpolated_covariate_is_scaled_like_a_measured_one():
    frame = table(series=1)
    frame.loc[20, "wind"] = np.nan
    prepared = prepare(experiment("interpolate", ()), frame)
    seen = frame.loc[: HOURS - 18, "wind"]
    _, first = prepared.training.index.locate(np.arange(len(prepared.training)))
    inputs, _ = prepared.training.batch(np.flatnonzero((first < 20) & (first + 5 > 20)))
    between = (frame.loc[19, "wind"] + frame.loc[21, "wind"]) / 2
    for window, start in enumerate(first[(first < 20) & (first + 5 > 20)]):
        expected = (between - seen.mean()) / seen.std(ddof=0)
        assert inputs["past"][window, 20 - start, 1] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("policy", ["forward_fill", "interpolate", "mask"])
def test_a_filled_target_is_never_learned(policy):
    frame = table(series=1)
    frame.loc[20:22, "y"] = np.nan
    prepared = prepare(experiment(policy), frame)
    numbers = np.arange(len(prepared.training))
    _, target = prepared.training.batch(numbers)
    _, first = prepared.training.index.locate(numbers)
    rows = prepared.training.index.horizon_rows(first)
    np.testing.assert_array_equal(np.isnan(target[:, :, 0]), np.isin(rows, [20, 21, 22]))


def test_mask_adds_a_channel_that_says_what_was_measured():
    frame = table(series=1)
    frame.loc[20:22, "y"] = np.nan
    prepared = prepare(experiment("mask"), frame)
    place = prepared.feature_map.input_names()["past"].index("y observed")
    observed = prepared.features.past[:, place]
    assert np.flatnonzero(observed == 0).tolist() == [20, 21, 22]


def test_future_rows_carry_the_covariates_that_were_given():
    frame = table()
    panel = open_panel(experiment().data, frame)
    wanted = future_frame(panel, 3)
    wanted["load"] = np.arange(6.0)
    wanted["state"] = ["wet", "fog", "dry"] * 2
    shuffled = wanted.sample(frac=1, random_state=0)
    longer = append_future(panel, 3, read_known(panel, shuffled, table_format=TableFormat()))
    assert longer.num_rows == panel.num_rows + 6
    for series in range(2):
        rows = slice(longer.offsets[series + 1] - 3, longer.offsets[series + 1])
        assert longer.column("load")[rows].tolist() == [
            3.0 * series,
            3.0 * series + 1,
            3.0 * series + 2,
        ]
        words = [longer.categories["state"][int(code)] for code in longer.column("state")[rows]]
        assert words == ["wet", "fog", "dry"]
        assert np.isnan(longer.targets[rows]).all()
        ends = longer.timestamps[rows]
        assert (np.diff(ends) == np.timedelta64(1, "h")).all()
        assert ends[0] - longer.timestamps[rows.start - 1] == np.timedelta64(1, "h")


def test_missing_future_covariates_are_named():
    panel = open_panel(experiment().data, table())
    wanted = future_frame(panel, 6).assign(load=1.0, state="dry")

    def read(frame: pd.DataFrame) -> Panel:
        return read_known(panel, frame, table_format=TableFormat())

    with pytest.raises(DataError, match="no known covariates were given"):
        append_future(panel, 6)
    with pytest.raises(
        DataError, match=r"are missing in 3 of 12 rows, first series 's1' at 2024-01-03 20:00"
    ):
        append_future(panel, 6, read(wanted.iloc[:9]))
    with pytest.raises(
        DataError, match=r"'load' is empty in 1 cell, first series 's0' at 2024-01-03 14:00"
    ):
        append_future(panel, 6, read(wanted.assign(load=[1.0, 1.0, np.nan, *[1.0] * 9])))
    with pytest.raises(DataError, match="load"):
        read(wanted.drop(columns="load"))


def test_selected_series_keep_their_rows():
    panel = open_panel(experiment().data, table(series=4))
    chosen = select_series(panel, np.array([3, 1]))
    for place, series in enumerate((3, 1)):
        old = panel.values[panel.offsets[series] : panel.offsets[series + 1]]
        np.testing.assert_array_equal(
            chosen.values[chosen.offsets[place] : chosen.offsets[place + 1]], old
        )
    assert chosen.series_ids.tolist() == ["s3", "s1"]


def test_short_series_are_named_or_left_out():
    frame = pd.concat([table(), table(series=1).iloc[:5].assign(unique_id="tiny")])
    with pytest.raises(DataError, match=r"'tiny' \(5 rows\).*Pass short_series=\"skip\""):
        prepare(experiment(), frame)
    config = experiment()
    config = replace_data(config, short_series="skip")
    prepared = prepare(config, frame)
    assert prepared.panel.series_ids.tolist() == ["s0", "s1"]
    assert any("tiny" in note for note in prepared.notes)


def replace_data(config: Experiment, **changes: object) -> Experiment:
    """The experiment with other data settings."""
    return config.model_copy(update={"data": config.data.model_copy(update=changes)})


def test_a_part_without_a_window_is_refused():
    config = experiment()
    small = config.model_copy(
        update={"evaluation": EvaluationConfig(validation_size=8, test_size=2)}
    )
    with pytest.raises(
        DataError, match="the test set has no window: its longest series has 2 rows"
    ):
        prepare(small, table(series=1))


def test_panels_cannot_be_written():
    panel = open_panel(experiment().data, table())
    with pytest.raises(ValueError, match="read-only"):
        panel.values[0, 0] = 1.0
    assert replace(panel, notes=("x",)).notes == ("x",)


def test_known_rows_of_another_minute_are_not_taken():
    panel = open_panel(experiment().data, table(series=1))
    wanted = future_frame(panel, 3).assign(load=1.0, state="dry")
    late = read_known(
        panel, wanted.assign(ds=wanted["ds"] + pd.Timedelta(minutes=30)), table_format=TableFormat()
    )
    with pytest.raises(DataError, match="are missing in 3 of 3 rows"):
        append_future(panel, 3, late)


def test_the_history_before_a_cutoff_does_not_look_across_it():
    frame = table(series=1)
    frame.loc[20:22, "y"] = np.nan
    prepared = prepare(experiment("interpolate"), frame)
    values = frame["y"].to_numpy()
    line = np.interp([20, 21, 22], [19, 23], values[[19, 23]])
    early, late = targets_before(prepared.features, np.array([23, 24]), 4)[:, :, 0]
    np.testing.assert_array_equal(early, values[19])
    np.testing.assert_allclose(late, [*line, values[23]], rtol=1e-15)


def test_no_more_is_judged_than_memory_holds(monkeypatch):
    config = experiment()
    everything = prepare(config, table())
    assert everything.config.evaluation.stride == 1
    monkeypatch.setattr(preparation, "EVALUATED_VALUES", 15)
    fewer = prepare(config, table())
    stride = fewer.config.evaluation.stride
    windows = max(len(everything.validation), len(everything.test))
    assert windows * 3 / stride <= 15 < windows * 3 / (stride - 1)
    assert len(fewer.test) < len(everything.test)
    asked = config.model_copy(
        update={"evaluation": config.evaluation.model_copy(update={"stride": 1})}
    )
    assert len(prepare(asked, table()).test) == len(everything.test)
