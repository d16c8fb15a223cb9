"""Settings that are `auto`: equal experiments are prepared alike, however they were copied."""

from __future__ import annotations

import copy
import functools
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecast.cli import main
from forecast.data.panel import Panel
from forecast.errors import ConfigError
from forecast.experiment.explain import explained, with_reasons
from forecast.experiment.file import (
    dump_experiment,
    experiment_from,
    load_experiment,
    parse_experiment,
)
from forecast.experiment.prepare import open_panel, prepare, resolve
from forecast.experiment.settings import Experiment, TrainingConfig
from forecast.section import AUTO, decided

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))

VALUES: dict[str, list[Any]] = {
    "windows.context_length": [9, 24],
    "transforms.target": [[], [{"name": "standard"}], [{"name": "robust"}]],
    "model.units": [5, 64],
    "training.loss": ["mse", "huber", "quantile"],
    "training.schedule": ["constant", "exponential"],
    "training.epochs": [3, 30],
    "training.batch_size": [7, 64],
    "training.windows_per_epoch": [50, None],
    "training.refit": [False],
    "ensemble.seeds": [1, 3],
    "ensemble.context_lengths": [[], [8], [6, 9]],
    "ensemble.linear": ["none", "member"],
    "ensemble.simple": [[], ["ets"], ["last_value", "linear"]],
    "evaluation.validation_size": [0.1, 13, 0],
    "evaluation.test_size": [0.2, 0, 0.95],
    "evaluation.split_by": ["time", "series"],
}
"""Of every setting that the rules choose some values, the plain one among them."""

COPIES: dict[str, Callable[[Experiment], Experiment]] = {
    "model_validate(model_dump)": lambda config: Experiment.model_validate(config.model_dump()),
    "model_validate(model_dump json)": lambda config: Experiment.model_validate(
        config.model_dump(mode="json")
    ),
    "json": lambda config: Experiment.model_validate_json(config.model_dump_json()),
    "model_copy": lambda config: config.model_copy(),
    "model_copy deep": lambda config: config.model_copy(deep=True),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda config: pickle.loads(pickle.dumps(config)),
    "yaml": lambda config: parse_experiment(dump_experiment(config)),
    "full yaml": lambda config: parse_experiment(dump_experiment(config, full=True)),
    "sections": lambda config: Experiment(**dict(config)),
}


def nested(values: dict[str, Any], **others: Any) -> dict[str, Any]:
    """Return settings by path as those of a file."""
    found: dict[str, Any] = copy.deepcopy(others)
    for path, value in values.items():
        section, name = path.split(".")
        found.setdefault(section, {})[name] = value
    return found


def months(rows: int = 200, series: int = 3) -> pd.DataFrame:
    """Series that grow by factors, with a season of a year."""
    draw = np.random.default_rng(0)
    steps = np.arange(rows)
    parts = [
        pd.DataFrame(
            {
                "unique_id": f"s{number}",
                "ds": pd.date_range("2000-01-01", periods=rows, freq="MS"),
                "y": np.exp(0.01 * steps + 0.3 * np.sin(steps * np.pi / 6))
                * (100 + draw.normal(size=rows)),
            }
        )
        for number in range(series)
    ]
    return pd.concat(parts, ignore_index=True)


@functools.cache
def panel() -> Panel:
    return open_panel(Experiment().data, months())


def table_for(config: Experiment) -> pd.DataFrame | None:
    """A table that fits a shipped experiment, and rows for all its sets; None: its own."""
    data = config.data
    if data.source is not None:
        return None
    freq = {"segment_bigru": "h", "m4_weekly": "W"}.get(config.name, "h")
    if config.windows.horizon in (12, 13):
        freq = {12: "MS", 13: "W"}[config.windows.horizon]
    sizes = (config.evaluation.validation_size, config.evaluation.test_size)
    rows = 300 + sum(size for size in sizes if isinstance(size, int))
    rows += 2 * max(
        (*config.ensemble.context_lengths,) if config.ensemble.context_lengths != "auto" else (100,)
    )
    draw = np.random.default_rng(0)
    stamps = pd.Series(pd.date_range("1990-01-01", periods=rows, freq=freq))
    if data.time_format is not None:
        stamps = stamps.dt.strftime(data.time_format)
    time_col = "ds" if data.time_col == AUTO else data.time_col
    targets = ("y",) if data.target_cols == AUTO else data.target_cols
    frame = pd.DataFrame({time_col: stamps})
    for name in (*targets, *data.known_covariates):
        frame[name] = 50 + np.round(draw.normal(size=rows), 2)
    for name in data.categorical:
        frame[name] = draw.integers(0, 3, size=rows)
    return frame


def left_auto(value: Any, path: str = "") -> list[str]:
    """Return the paths of settings that are still `auto`."""
    if isinstance(value, dict):
        return [found for name, one in value.items() for found in left_auto(one, f"{path}.{name}")]
    return [path.lstrip(".")] * (value == "auto")


@pytest.mark.parametrize("way", COPIES)
@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_copy_of_a_shipped_experiment_is_equal(path: Path, way: str) -> None:
    config = load_experiment(path)
    assert COPIES[way](config) == config


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_copy_of_a_shipped_experiment_is_prepared_alike(path: Path) -> None:
    config = load_experiment(path)
    table = table_for(config)
    prepared = prepare(config, table)
    assert left_auto(prepared.config.model_dump()) == ["training.jit"]  # by the machine of a run
    again = prepare(Experiment.model_validate(config.model_dump()), table)
    assert again.config == prepared.config
    assert again.reasons == prepared.reasons
    np.testing.assert_array_equal(again.features.past, prepared.features.past)
    for name in ("training", "validation", "test"):
        assert len(getattr(again, name)) == len(getattr(prepared, name))

    read = parse_experiment(with_reasons(prepared))
    assert read == prepared.config
    settled = prepare(read, table)
    assert settled.config == prepared.config
    np.testing.assert_array_equal(settled.features.past, prepared.features.past)


FLIPS = [(path, value) for path, values in VALUES.items() for value in values]


@pytest.mark.parametrize("model", ["segment_bigru", "bigru"])
@pytest.mark.parametrize(("path", "value"), FLIPS, ids=[f"{path}={value}" for path, value in FLIPS])
def test_a_given_value_wins_and_survives_every_copy(path: str, value: Any, model: str) -> None:
    basis: dict[str, Any] = {
        "windows": {"horizon": 12},
        "training": {"patience": None},
        "model": {"name": model},
    }
    auto = experiment_from(nested({}, **basis))
    given_config = experiment_from(nested({path: value}, **basis))
    assert given_config != auto
    copies = [copied(given_config) for copied in COPIES.values()]
    assert copies == [given_config] * len(copies)
    assert experiment_from(nested({path: "auto"}, **basis)) == auto
    if value == 0.95:  # with the share that validation becomes more than there is
        with pytest.raises(ConfigError, match="leave some of the time for training"):
            resolve(given_config, panel())
        return
    resolved = resolve(given_config, panel())
    assert resolved.setting(path) == given_config.setting(path)
    assert {resolve(one, panel()).model_dump_json() for one in copies} == {
        resolved.model_dump_json()
    }


def outcome(config: Experiment) -> str:
    """What becomes of an experiment and its table, or why it is refused."""
    try:
        return resolve(config, panel()).model_dump_json()
    except ConfigError as error:
        return str(error)


@settings(max_examples=60, deadline=None)
@given(
    st.fixed_dictionaries({}, optional={path: st.sampled_from(VALUES[path]) for path in VALUES}),
    st.sampled_from(["segment_bigru", "bigru"]),
    st.sampled_from(sorted(COPIES)),
)
def test_any_settings_are_resolved_alike_in_a_copy(
    values: dict[str, Any], model: str, way: str
) -> None:
    try:
        config = experiment_from(nested(values, model={"name": model}, training={"patience": None}))
    except ConfigError:
        return
    copied = COPIES[way](config)
    assert copied == config
    assert outcome(copied) == outcome(config)
    assert "\n" not in outcome(config)
    if outcome(config).startswith("{"):
        resolved = resolve(config, panel())
        for path in values:
            assert resolved.setting(path) == config.setting(path)
        assert resolve(resolved, panel()) == resolved


TOGETHER: dict[str, tuple[dict[str, Any], str]] = {
    "a linear member without validation": (
        {"ensemble.linear": "member", "evaluation.validation_size": 0, "training.patience": None},
        "nothing to choose their weights on",
    ),
    "a share that validation leaves no room for": (
        {"evaluation.test_size": 0.95, "windows.horizon": 12},
        "leave some of the time for training",
    ),
}
"""Settings that do not fit the value of another one, which is `auto`."""


@pytest.mark.parametrize(("values", "reason"), TOGETHER.values(), ids=TOGETHER.keys())
def test_what_does_not_fit_together_is_refused_once_it_is_chosen(
    values: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ConfigError, match=reason) as caught:
        prepare(experiment_from(nested(values)), months())
    assert "\n" not in str(caught.value)


def test_auto_can_be_written_on_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("training: {epochs: 3}")
    assert load_experiment(path, ["training.epochs=auto"]) == Experiment()
    assert load_experiment(None, ["training.epochs=30"]) != Experiment()


def test_a_setting_that_nothing_decided_is_named() -> None:
    with pytest.raises(ConfigError, match=r"^training\.epochs is 'auto'"):
        decided(TrainingConfig().epochs, "training.epochs")
    assert decided(TrainingConfig(epochs=3).epochs, "training.epochs") == 3


def test_every_choice_has_its_reason_beside_it() -> None:
    config = experiment_from({"windows": {"horizon": 12}, "training": {"epochs": 3}})
    text = explained(config, months())
    prepared = prepare(config, months())
    expected = set(VALUES) - {"training.epochs"}
    expected |= {"data.freq", "data.season_length", "data.calendar", "evaluation.stride", "name"}
    expected |= {"data.id_col", "data.time_col", "data.target_cols", "data.trading_days"}
    expected |= {"data.empty_intervals", "data.layout", "data.stamps", "training.point"}
    assert set(prepared.reasons) == expected
    commented = [line for line in text.splitlines() if "  # " in line]
    assert len(commented) == len(expected)
    assert "  epochs: 3" in text.splitlines()
    assert "  point: median  # default of segment_bigru" in text.splitlines()
    assert text.startswith("name: ensemble  # 16 members may forecast together\n")
    assert parse_experiment(text) == prepared.config


def test_the_command_shows_auto_and_what_it_becomes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "sales.csv"
    months().rename(columns={"ds": "month"}).to_csv(table, index=False)
    asked = ["show-config", "--time", "month", "--horizon", "12", "--set", "training.epochs=3"]
    assert main(asked) == 0
    shown = capsys.readouterr().out
    written = parse_experiment(shown)
    assert (written.training.loss, written.training.epochs) == ("auto", 3)
    assert main([*asked, str(table)]) == 0
    becomes = parse_experiment(capsys.readouterr().out)
    assert becomes == prepare(written.with_source(str(table))).config
    assert prepare(becomes).config == becomes
