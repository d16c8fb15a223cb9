"""Settings that are `auto`: the rules by which the data decide; a given value always wins."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from panels import panel_of

from forecast.data import datasets
from forecast.errors import DataError
from forecast.experiment import target_scale
from forecast.experiment.file import dump_experiment, experiment_from, parse_experiment
from forecast.experiment.prepare import prepare, with_all_rows
from forecast.experiment.settings import Experiment, TrainingConfig, WindowsConfig
from forecast.experiment.target_scale import growth_of_spread
from forecast.forecasting.forecaster import Forecaster
from forecast.transforms.missing import Filled
from forecast.windows.splits import Part

Settings = dict[str, dict[str, Any]]


def table(rows: int, freq: str, *, series: int = 1, level: float = 100.0) -> pd.DataFrame:
    """Series of equal length with a season of 12 rows and a little noise."""
    draw = np.random.default_rng(0)
    stamps = pd.date_range("2015-01-01", periods=rows, freq=freq)
    wave = np.sin(np.arange(rows) * 2 * np.pi / 12)
    parts = [
        pd.DataFrame(
            {
                "unique_id": f"s{number}",
                "ds": stamps,
                "y": level + wave + 0.1 * draw.normal(size=rows),
            }
        )
        for number in range(series)
    ]
    return pd.concat(parts, ignore_index=True)


def chosen(frame: pd.DataFrame, horizon: int, **settings: Any) -> Experiment:
    return prepare(experiment_from({"windows": {"horizon": horizon}, **settings}), frame).config


@pytest.mark.parametrize(
    ("rows", "freq", "horizon", "expected"),
    [
        (5000, "h", 24, (168, 336)),  # a week and two
        pytest.param(
            5000, "15min", 24, (360, 720), marks=pytest.mark.proof
        ),  # two weeks would be 1,344
        (9000, "h", 500, (168, 500)),  # no shorter than the horizon
        (600, "D", 14, (28, 56)),  # four and eight weeks
        (2000, "D", 14, (56, 365)),  # eight weeks and a year
        pytest.param(2000, "B", 10, (40, 261), marks=pytest.mark.proof),
        (600, "W", 13, (52, 104)),  # a year and two
        (200, "MS", 12, (24, 36)),  # two years and three
        (100, "QS", 4, (8, 12)),
        (100, "YS", 5, (10, 15)),  # no season: horizons
        (72, "MS", 12, (18,)),  # of 48 rows to learn from, as many windows: 48 - 18 - 12 + 1 = 19
        (40, "MS", 6, (14,)),  # of 34
    ],
)
def test_contexts_follow_the_season_and_the_rows(
    rows: int, freq: str, horizon: int, expected: tuple[int, ...]
) -> None:
    config = chosen(table(rows, freq), horizon)
    assert config.windows.context_length == max(config.ensemble.context_lengths)
    assert config.ensemble.context_lengths == expected


def test_the_series_of_a_panel_make_up_for_rows() -> None:
    """What 50 series have left, 48 and 36 rows of each, makes windows enough of all lengths that
    leave one of each."""
    assert chosen(table(72, "MS", series=50), 12).ensemble.context_lengths == (24, 36)
    assert chosen(table(48, "MS", series=50), 6).ensemble.context_lengths == (30,)


@pytest.mark.parametrize(
    ("rows", "freq", "horizon", "validation", "test"),
    [
        (1000, "h", 24, 0.1, 0.2),
        (100, "MS", 12, 12, 0.2),  # 10 rows would hold no horizon
        (
            100,
            "MS",
            24,
            24,
            0,
        ),  # 48 held back would leave 52 rows; two seasons and two horizons are 72
        (60, "MS", 6, 0.1, 0.2),
        (50, "MS", 12, 12, 0),
    ],
)
def test_rows_are_held_back_while_enough_are_left(
    rows: int, freq: str, horizon: int, validation: float, test: float
) -> None:
    evaluation = chosen(table(rows, freq), horizon).evaluation
    assert (evaluation.validation_size, evaluation.test_size) == (validation, test)


@pytest.mark.parametrize(
    ("rows", "series", "units", "epochs", "seeds", "drawn"),
    [(500, 1, 32, 40, 2, None), (500, 20, 64, 20, 2, None), (500, 100, 128, 15, 1, 40_000)],
)
def test_capacity_grows_with_the_data(
    rows: int, series: int, units: int, epochs: int, seeds: int, drawn: int | None
) -> None:
    config = chosen(table(rows, "D", series=series), 7)
    assert (config.model.units, config.training.batch_size, config.training.epochs) == (
        units,
        units,
        epochs,
    )
    assert (config.ensemble.seeds, config.training.windows_per_epoch) == (seeds, drawn)
    assert (config.training.loss, config.training.schedule, config.training.refit) == (
        "mae",
        "cosine",
        True,
    )
    assert config.ensemble.linear == "residual"


def test_logarithms_where_the_series_grow_by_factors() -> None:
    months = np.arange(240)
    stamps = pd.date_range("2000-01-01", periods=240, freq="MS")
    season, noise = np.sin(months * np.pi / 6), np.random.default_rng(0).normal(size=240)
    factors = pd.DataFrame(
        {"ds": stamps, "y": 100 * np.exp(0.02 * months + 0.3 * season + 0.03 * noise)}
    )
    sums = pd.DataFrame({"ds": stamps, "y": 500 + 2 * months + 30 * season + 3 * noise})
    below = factors.assign(y=lambda frame: frame["y"] - frame["y"].mean())
    names = [
        [one.name for one in chosen(frame, 12).transforms.target]
        for frame in (factors, sums, below)
    ]
    assert names == [["log1p", "standard"], ["standard"], ["standard"]]


def factors(rows: int, freq: str = "MS") -> pd.DataFrame:
    """A series that grows by factors."""
    steps, noise = np.arange(rows), np.random.default_rng(0).normal(size=rows)
    y = 100 * np.exp(0.02 * steps + 0.3 * np.sin(steps * np.pi / 6) + 0.03 * noise)
    return pd.DataFrame({"ds": pd.date_range("2000-01-01", periods=rows, freq=freq), "y": y})


SAID = "y: 5 values lie below 0, the least its logarithm was fitted on; read as 0"


def turning(later: float) -> pd.DataFrame:
    """The same with five values of another sign among the last twenty."""
    frame = factors(240)
    frame.loc[frame.index[-20::4], "y"] = later
    return frame


@pytest.mark.parametrize("later", [-0.5, -1.0, -1e4])
def test_rows_after_the_training_part_do_not_forbid_logarithms(later: float) -> None:
    """They are read as 0 then, and counted once."""
    prepared = prepare(experiment_from({"windows": {"horizon": 12}}), turning(later))
    assert [one.name for one in prepared.config.transforms.target] == ["log1p", "standard"]
    assert prepared.notes.count(SAID) == with_all_rows(prepared).notes.count(SAID) == 1
    as_zero = prepared.feature_map.apply(
        prepared.panel, Filled(np.maximum(prepared.filled.values, 0.0))
    )
    np.testing.assert_array_equal(prepared.features.past, as_zero.past)


def test_what_turns_negative_is_learned_from_in_the_end_and_judged_as_it_is() -> None:
    settings = {"training": {"epochs": 1}, "ensemble": {"seeds": 1, "context_lengths": [12]}}
    forecaster = Forecaster(experiment_from({"windows": {"horizon": 12}, **settings})).fit(
        turning(-1e4)
    )
    judged, forecast = forecaster.evaluate(), forecaster.predict()
    assert judged.actual.min() == -1e4
    assert np.isfinite(judged.forecasts["ensemble"]).all()
    assert np.isfinite(forecast.values).all()
    assert any(
        "values lie below 0, the least its logarithm was fitted on" in note
        for note in forecast.notes
    )


def test_negative_training_rows_forbid_logarithms_wherever_they_stand() -> None:
    frame = factors(240)
    frame.loc[3, "y"] = -0.1
    assert [one.name for one in chosen(frame, 12).transforms.target] == ["standard"]


def test_a_logarithm_that_was_asked_for_refuses_training_values_only() -> None:
    frame, settings = factors(240), {"transforms": {"target": [{"name": "log1p"}]}}
    late, early = frame.copy(), frame.copy()
    late.loc[235, "y"], early.loc[3, "y"] = -5.0, -5.0
    assert any(
        "y: 1 values lie below 0" in note for note in prepare(experiment_from(settings), late).notes
    )
    with pytest.raises(DataError, match="log1p needs values above -1; the smallest is -5"):
        prepare(experiment_from(settings), early)


@pytest.mark.parametrize(("declared", "expected"), [(None, 12), (30, 30)])
def test_the_growth_of_the_spread_is_seen_over_the_season_that_was_declared(
    declared: int | None, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In place of the usual one of the frequency; few rows, so that nothing else decides."""
    seen: list[int] = []

    def growth(targets: Any, train: Any, season_length: int) -> float:
        seen.append(season_length)
        return growth_of_spread(targets, train, season_length)

    monkeypatch.setattr(target_scale, "growth_of_spread", growth)
    chosen(factors(90), 12, data={} if declared is None else {"season_length": declared})
    assert seen == [expected]


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_the_growth_of_the_spread_is_the_power_it_was_made_with(power: float) -> None:
    draw = np.random.default_rng(1)
    levels = np.repeat(np.exp(draw.uniform(3, 6, size=(3, 60))), 8, axis=1)
    values = levels + 0.2 * levels**power * draw.normal(size=levels.shape)
    panel = panel_of([range(480)] * 3, values)
    part = Part(panel.offsets[:-1], panel.offsets[1:])
    assert growth_of_spread(panel.targets, part, season_length=1) == pytest.approx(power, abs=0.12)


def test_the_air_passengers_grow_by_factors() -> None:
    config = chosen(datasets.load("air_passengers"), 12)
    assert [one.name for one in config.transforms.target] == ["log1p", "standard"]


def test_series_that_end_apart_are_divided_one_by_one() -> None:
    apart = pd.concat(
        [table(120 - 10 * number, "MS").assign(unique_id=f"s{number}") for number in range(4)],
        ignore_index=True,
    )
    assert chosen(apart, 6).evaluation.split_by == "series"
    assert chosen(table(120, "MS", series=4), 6).evaluation.split_by == "time"


GIVEN: Settings = {
    "windows": {"context_length": 9},
    "transforms": {"target": [{"name": "robust"}]},
    "model": {"name": "segment_bigru", "units": 5},
    "training": {
        "point": "mean",
        "loss": "mse",
        "schedule": "constant",
        "epochs": 30,
        "batch_size": 64,
        "windows_per_epoch": None,
        "refit": False,
    },
    "ensemble": {"seeds": 1, "context_lengths": [], "linear": "none", "simple": []},
    "evaluation": {"validation_size": 0.1, "test_size": 0.2, "split_by": "time"},
}
"""Of everything that may be chosen a value that would not be, most of them that of `bigru`."""

NOT_BY_RULE = {
    ("training", "jit"),
    ("data", "calendar"),
    ("data", "trading_days"),
    ("data", "empty_intervals"),
    ("data", "id_col"),
    ("data", "layout"),
    ("data", "stamps"),
    ("data", "time_col"),
    ("data", "target_cols"),
}
"""Settings whose `auto` no rule of `choices` replaces: by the machine, by the timestamps, and by
the columns of the table."""


def test_what_is_given_is_never_chosen() -> None:
    given = {
        (section, name) for section, values in GIVEN.items() for name in values if name != "name"
    }
    sections = Experiment().model_dump(exclude={"name", "search"})
    automatic = {
        (section, name)
        for section, values in sections.items()
        for name, value in values.items()
        if value == "auto"
    }
    assert given == automatic - NOT_BY_RULE
    settings = {**GIVEN, "windows": {"horizon": 12, **GIVEN["windows"]}}
    config = experiment_from(settings)
    found = prepare(config, table(200, "MS", series=3)).config.model_dump(mode="json")
    for section, values in GIVEN.items():
        for name, value in values.items():
            if section == "transforms":
                assert [one["name"] for one in found[section][name]] == ["robust"]
            else:
                assert found[section][name] == value, (section, name)


@pytest.mark.parametrize("section", [name for name in GIVEN if name != "model"])
def test_one_thing_that_is_given_leaves_the_others_to_be_chosen(section: str) -> None:
    for name, value in GIVEN[section].items():
        settings: Settings = {"windows": {"horizon": 12}}
        settings.setdefault(section, {})[name] = value
        config = prepare(experiment_from(settings), table(200, "MS", series=3)).config
        found = config.model_dump(mode="json")[section][name]
        assert found == value or name == "target"


def test_another_architecture_keeps_its_defaults() -> None:
    config = chosen(table(60, "MS", series=3), 3, model={"name": "bigru"})
    assert (config.training.loss, config.training.epochs, config.training.refit) == (
        "mse",
        30,
        False,
    )
    assert (config.ensemble.num_members, config.windows.context_length, config.model.units) == (
        1,
        24,
        64,
    )
    assert [one.name for one in config.transforms.target] == ["standard"]


def test_another_architecture_has_windows_where_two_seasons_are_longer_than_the_table() -> None:
    # a day and a half of 10-minute steps: two days are 288
    config = chosen(table(221, "10min"), 6, model={"name": "bigru"})
    assert config.windows.context_length == 107
    assert chosen(table(700, "10min"), 6, model={"name": "bigru"}).windows.context_length == 288


def test_what_was_chosen_is_written_down_and_comes_out_again() -> None:
    frame = table(90, "MS", series=3)
    first = chosen(frame, 6)
    written = dump_experiment(first, full=True)
    assert "context_lengths" in written
    again = prepare(parse_experiment(written), frame).config
    assert again == first
    assert dump_experiment(again, full=True) == written


def test_with_quantiles_or_without_validation_there_is_no_linear_member() -> None:
    frame = table(200, "MS", series=3)
    assert chosen(frame, 6, training={"loss": "quantile"}).ensemble.linear == "none"
    config = chosen(frame, 6, evaluation={"validation_size": 0}, training={"patience": None})
    assert (config.ensemble.num_members, config.ensemble.context_lengths) == (1, ())


@pytest.mark.parametrize(
    ("frame", "horizon", "settings"),
    [
        pytest.param(table(48, "QS", series=6), 4, {}, marks=pytest.mark.proof),
        pytest.param(table(60, "MS", series=4), 12, {}, marks=pytest.mark.proof),
        pytest.param(
            table(300, "D", series=3).assign(y=lambda one: one["y"].where(one.index % 9 != 4)),
            7,
            {"data": {"missing": "interpolate"}},
            marks=pytest.mark.proof,
        ),
        pytest.param(
            table(700, "h").assign(
                y=lambda one: one["y"].where(one.index % 7 != 4),
                sun=lambda one: np.sin(one.index.to_numpy() / 4.0),
            ),
            12,
            {"data": {"missing": "mask", "known_covariates": ["sun"]}},
            marks=pytest.mark.proof,
        ),
    ],
    ids=["quarters", "months", "days with holes", "hours with holes and what is known ahead"],
)
def test_without_asking_one_gets_a_forecast(
    frame: pd.DataFrame, horizon: int, settings: Settings
) -> None:
    """From the table and the horizon alone; the few epochs keep the test short."""
    config = experiment_from(
        {"windows": {"horizon": horizon}, "training": {"epochs": 1}, **settings}
    )
    forecaster = Forecaster(config).fit(frame)
    ahead = None
    if "known_covariates" in settings.get("data", {}):
        ahead = forecaster.make_future_frame().assign(sun=0.0)
    made = forecaster.predict(known=ahead).frame()
    assert len(made) == horizon * frame["unique_id"].nunique()
    assert np.isfinite(made["ensemble"]).all()
    assert (made["ensemble"] - 100).abs().max() < 5


def test_equal_experiments_are_equal_in_what_is_chosen() -> None:
    """Loss and epochs once `auto` and once given: mae and 40, or mse and 30."""
    plain = Experiment(windows=WindowsConfig(horizon=12))
    said = plain.model_copy(update={"training": TrainingConfig(loss="mse", epochs=30)})
    frame = table(200, "MS")
    assert plain != said or prepare(plain, frame).config == prepare(said, frame).config


def test_a_copy_made_of_what_an_experiment_dumps_is_equal_in_what_is_chosen() -> None:
    """An ensemble in both, although the copy was given every setting."""
    plain = Experiment(windows=WindowsConfig(horizon=12))
    frame = table(200, "MS")
    copy = Experiment.model_validate(plain.model_dump())
    assert prepare(copy, frame).config == prepare(plain, frame).config
