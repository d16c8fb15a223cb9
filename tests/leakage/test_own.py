"""The leak check of our own pipeline finds no leak, and finds those that mutants add."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from leak_cases import checked_cases

from forecast.cli import main
from forecast.data.panel import Panel
from forecast.errors import ConfigError
from forecast.experiment import prepare as preparation
from forecast.experiment import target_scale
from forecast.experiment.file import experiment_from
from forecast.experiment.settings import Experiment
from forecast.leakage import pipeline as testing
from forecast.leakage.own import OwnPipeline, as_frame, check_experiment
from forecast.leakage.pipeline import LeakReport, check_no_leakage
from forecast.scores.history import History
from forecast.training import TrainingResult
from forecast.training import fit as fitting
from forecast.transforms import missing
from forecast.windows import features
from forecast.windows.features import FeatureMap
from forecast.windows.index import index_windows
from forecast.windows.splits import Part
from forecast.windows.windowed import WindowedFeatures

HOURS = 96
FAST = 25
"""Random cases in the usual tests."""

Patch = pytest.MonkeyPatch


def stations(series: int = 4) -> pd.DataFrame:
    """Return hourly series of unequal start, a covariate of each kind, some values missing."""
    draw = np.random.default_rng(0)
    parts = []
    for number in range(series):
        start = 12 * (number % 2)
        frame = pd.DataFrame(
            {"unique_id": f"s{number}", "ds": pd.date_range("2024-01-01", periods=HOURS, freq="h")}
        )
        frame["y"] = 10 * (number + 1) + draw.normal(size=HOURS).cumsum() / 4
        frame["wind"] = draw.normal(size=HOURS)
        frame["load"] = draw.normal(size=HOURS) + 100
        frame["state"] = draw.choice(["dry", "wet"], size=HOURS)
        frame["size"] = float(number)
        frame.loc[draw.random(HOURS) < 0.15, ["y", "wind"]] = np.nan
        parts.append(frame[start:])
    return pd.concat(parts, ignore_index=True)


def experiment(**sections: dict[str, Any]) -> Experiment:
    """All kinds of columns, a tiny network."""
    settings: dict[str, dict[str, Any]] = {
        "data": {
            "past_covariates": ["wind"],
            "known_covariates": ["load", "state"],
            "static_covariates": ["size"],
            "categorical": ["state"],
            "missing": "interpolate",
        },
        "windows": {"context_length": 8, "horizon": 3},
        "model": {
            "name": "bigru",
            "units": 2,
            "cell": "rnn",
            "decoder": "direct",
            "bidirectional": False,
        },
        "training": {"epochs": 2, "batch_size": 64},
        "evaluation": {"validation_size": 10, "test_size": 14, "purge": 2},
    }
    return experiment_from(
        {name: settings.get(name, {}) | sections.get(name, {}) for name in {**settings, **sections}}
    )


def test_our_own_pass_does_not_look_ahead() -> None:
    report = check_experiment(experiment(), stations())
    assert report.ok, report.text()
    assert list(report.compared) == ["choices", "filled", "scales", "features", "windows"]
    # four cutoffs, of which the first lies before the rows on which something is chosen; five
    # changes, none refused
    assert report.compared["filled"] == 4 * 5
    assert report.compared["choices"] == 3 * 5
    assert report.refusals == ()


# ---- mutants: each leaks in one stage


def scales_of_everything(patch: Patch) -> None:
    honest = FeatureMap.fit.__func__

    def fit(cls: Any, panel: Panel, filled: Any, **options: Any) -> FeatureMap:
        return honest(cls, panel, filled, **options | {"part": Part.whole(panel)})

    patch.setattr(FeatureMap, "fit", classmethod(fit))


def scales_of_validation_rows(patch: Patch) -> None:
    """Nothing but the first cutoff can see this one."""
    honest = FeatureMap.fit.__func__

    def fit(cls: Any, panel: Panel, filled: Any, *, part: Part, settings: Any) -> FeatureMap:
        later = Part(part.first, np.minimum(part.last + 6, panel.offsets[1:]))
        return honest(cls, panel, filled, part=later, settings=settings)

    patch.setattr(FeatureMap, "fit", classmethod(fit))


def target_in_a_known_covariate(patch: Patch) -> None:
    honest = preparation.open_panel

    def open_panel(data: Any, source: Any = None, **options: Any) -> Panel:
        return honest(data, source.assign(load=source["y"].fillna(0.0)), **options)

    patch.setattr(preparation, "open_panel", open_panel)


def unpurged_windows(patch: Patch) -> None:
    """Windows may forecast as many rows beyond their part as are purged."""

    def index(
        panel: Panel, context_length: int, horizon: int, *, part: Part, **options: Any
    ) -> Any:
        wider = Part(part.first, np.minimum(part.last + 2, panel.offsets[1:]))
        return index_windows(panel, context_length, horizon, part=wider, **options)

    patch.setattr(preparation, "index_windows", index)


def centred_mean(patch: Patch) -> None:
    honest = FeatureMap._past

    def past(self: FeatureMap, *arguments: Any) -> Any:
        out = honest(self, *arguments)
        out[1:-1, 0] = (out[:-2, 0] + out[1:-1, 0] + out[2:, 0]) / 3
        return out

    patch.setattr(FeatureMap, "_past", past)


def interpolation_across_the_cutoff(patch: Patch) -> None:
    honest = preparation.fill_missing

    def fill(panel: Panel, policy: Any) -> Any:
        filled, notes = honest(panel, policy)
        return replace(
            filled, values=filled.interpolated, interpolated=None, next_observed=None
        ), notes

    patch.setattr(preparation, "fill_missing", fill)


def backward_fill(patch: Patch) -> None:
    def fill(panel: Panel, column: Any) -> Any:
        later = missing.next_observed_rows(panel, np.isfinite(column))
        return np.where(later < panel.num_rows, column[np.minimum(later, panel.num_rows - 1)], 0.0)

    patch.setattr(missing, "forward_fill", fill)


def words_of_everything(patch: Patch) -> None:
    patch.setattr(
        features,
        "seen_categories",
        lambda panel, name, measured, series: panel.categories[name],  # noqa: ARG005
    )


def shift_the_wrong_way(patch: Patch) -> None:
    honest = WindowedFeatures._past

    def past(self: WindowedFeatures, context: Any) -> Any:
        return honest(self, np.minimum(context + 1, len(self.features.past) - 1))

    patch.setattr(WindowedFeatures, "_past", past)


def seasonal_profile_of_all_rows(patch: Patch) -> None:
    honest = FeatureMap._known

    def known(self: FeatureMap, covariates: Any, panel: Panel) -> Any:
        out = honest(self, covariates, panel)
        phase = panel.positions % 24
        sums = np.bincount(phase, weights=np.nan_to_num(panel.column("y")), minlength=24)
        return np.concatenate([out, sums[phase, None].astype(np.float32)], axis=1)

    patch.setattr(FeatureMap, "_known", known)


def best_series(patch: Patch) -> None:
    """Only the two series that will be largest are kept."""
    honest = preparation.open_panel

    def open_panel(data: Any, source: Any = None, **options: Any) -> Panel:
        chosen = source.groupby("unique_id")["y"].sum().nlargest(2).index
        return honest(data, source[source["unique_id"].isin(chosen)], **options)

    patch.setattr(preparation, "open_panel", open_panel)


def stopping_on_test_rows(patch: Patch) -> None:
    honest = fitting.train_members

    def train(jobs: Any, **options: Any) -> Any:
        return honest([replace(job, validation=tested[0]) for job in jobs], **options)

    tested: list[WindowedFeatures] = []
    prepared = preparation._prepared

    def remember(*arguments: Any, **options: Any) -> Any:
        out = prepared(*arguments, **options)
        tested[:] = [out.test]
        return out

    patch.setattr(preparation, "_prepared", remember)
    patch.setattr(fitting, "train_members", train)


def weights_on_test_rows(patch: Patch) -> None:
    honest = fitting.choose_weights
    patch.setattr(
        fitting,
        "choose_weights",
        lambda prepared, *members: honest(replace(prepared, validation=prepared.test), *members),
    )


MUTANTS: list[tuple[Callable[[Patch], None], str, tuple[str, ...]]] = [
    (scales_of_everything, "scales", ("y", "wind", "load", "state")),
    (scales_of_validation_rows, "scales", ("y", "wind", "load", "state")),
    (target_in_a_known_covariate, "windows", ("y",)),
    (unpurged_windows, "windows", ("y",)),
    (centred_mean, "features", ("y",)),
    (interpolation_across_the_cutoff, "filled", ("y", "wind")),
    (backward_fill, "filled", ("y", "wind")),
    (words_of_everything, "scales", ("state",)),
    (shift_the_wrong_way, "windows", ("y", "wind")),
    (seasonal_profile_of_all_rows, "features", ("y",)),
    (best_series, "filled", ("y",)),
]


@pytest.mark.parametrize(
    ("mutate", "stage", "columns"), MUTANTS, ids=lambda value: getattr(value, "__name__", "")
)
def test_a_mutant_is_caught_at_its_stage_and_column(
    mutate: Callable[[Patch], None], stage: str, columns: tuple[str, ...], monkeypatch: Patch
) -> None:
    report = check_mutant(mutate, monkeypatch)
    assert report.leaks, report.text()
    assert (report.leaks[0].stage, report.leaks[0].columns) == (stage, columns), report.text()


def check_mutant(mutate: Callable[[Patch], None], patch: Patch) -> LeakReport:
    """Cutoffs come from the honest pass; a mutant that moved them too would hide behind them."""
    config, frame = as_frame(experiment(), stations())
    own = OwnPipeline.of(config, frame)
    mutate(patch)
    known: dict[str, int | None] = {"load": 3, "state": 3, "size": None}
    return check_no_leakage(own, frame, cutoffs=own.cutoffs, known=known)


def untrained(jobs: Any, **_: Any) -> dict[str, TrainingResult]:
    """Networks are left as they were built."""
    return {job.name: TrainingResult(History((), (), (), (), 0), "a test") for job in jobs}


@pytest.mark.parametrize(
    "mutate",
    [None, weights_on_test_rows, pytest.param(stopping_on_test_rows, marks=pytest.mark.slow)],
)
def test_what_training_sees_of_the_test_rows_shows_in_the_forecasts(
    mutate: Callable[[Patch], None] | None, monkeypatch: Patch
) -> None:
    """One cutoff, few changes, one column; networks stay untrained unless epochs are chosen."""
    none = {
        "past_covariates": [],
        "known_covariates": [],
        "static_covariates": [],
        "categorical": [],
    }
    stops = mutate is stopping_on_test_rows
    training = {
        "learning_rate": 1.0 if stops else 0.01,
        "epochs": 4 if stops else 1,
        "gradient_clip": None,
    }
    config = experiment(
        data=none, training=training | {"jit": "off"}, ensemble={"seeds": 1 if stops else 2}
    )
    config, frame = as_frame(config, stations(2))
    own = OwnPipeline.of(config, frame, train=True)
    if not stops:
        monkeypatch.setattr(fitting, "train_members", untrained)
    if mutate is not None:
        mutate(monkeypatch)
    monkeypatch.setattr(testing, "CHANGES", ("+1e6", "-1e6") if stops else ("-1e6",))
    report = check_no_leakage(
        own, frame, cutoffs=own.cutoffs[2:3]
    )  # before it no window ends: the purge
    found = [(leak.stage, leak.columns) for leak in report.leaks]
    assert found == ([("forecast", ("y",))] if mutate else []), report.text()
    assert report.compared["forecast"] > 0


def test_the_choice_of_logarithms_saw_all_rows_once(monkeypatch: Patch) -> None:
    """A regression: whether values are negative was asked of the test rows too."""
    months = np.arange(240)
    noise = np.random.default_rng(0).normal(size=240)
    frame = pd.DataFrame({"ds": pd.date_range("2000-01-01", periods=240, freq="MS")})
    frame["y"] = 100 * np.exp(0.02 * months + 0.3 * np.sin(months * np.pi / 6) + 0.03 * noise)
    config = experiment_from({"windows": {"horizon": 12}})
    assert check_experiment(config, frame).ok
    monkeypatch.setattr(target_scale, "part_rows", lambda part: np.arange(part.first[0], 240))
    leak = check_experiment(config, frame).leaks[0]
    assert (leak.stage, leak.columns) == ("choices", ("y",))
    assert set(leak.changes) == {"-1e6", "mirrored"}


@pytest.mark.proof
def test_random_configurations_do_not_look_ahead() -> None:
    compared = 0
    for seed, _, report in checked_cases(FAST):
        assert report.ok, f"case {seed}: {report.text()}"
        assert all(
            re.search("refused change 'missing' .*: (BadTable|Data)Error", refusal)
            for refusal in report.refusals
        ), seed
        compared += sum(report.compared.values())
    assert compared > FAST * 40


def test_files_of_any_form_are_checked_as_they_are_read(tmp_path: Path) -> None:
    """The checked frame equals the file: rows, stamps in their time zone, words and gaps."""
    table = stations(2).drop(index=[20, 21, 40])
    table["ds"] = table["ds"].dt.strftime("%d.%m.%Y %H:%M")
    table.to_csv(tmp_path / "table.csv", sep=";", decimal=",", index=False)
    base = experiment().data.model_dump(exclude_defaults=True)
    data = base | {
        "separator": ";",
        "decimal": ",",
        "time_format": "%d.%m.%Y %H:%M",
        "tz": "Europe/Berlin",
        "gaps": "fill",
    }
    config = experiment(data=data)
    plain, frame = as_frame(config, tmp_path / "table.csv")
    assert len(frame) == len(table)
    assert frame["state"].tolist() == table["state"].tolist()
    direct, again = (
        preparation.prepare(*arguments)
        for arguments in ((config, tmp_path / "table.csv"), (plain, frame))
    )
    np.testing.assert_array_equal(direct.features.past, again.features.past)
    np.testing.assert_array_equal(direct.features.known, again.features.known)
    np.testing.assert_array_equal(direct.panel.timestamps, again.panel.timestamps)
    assert direct.feature_map.vocabulary == again.feature_map.vocabulary
    assert check_experiment(config, tmp_path / "table.csv").ok


def test_wide_tables_are_checked_too() -> None:
    wide = stations().pivot(index="ds", columns="unique_id", values="y").reset_index()
    config = experiment(
        data={
            "past_covariates": [],
            "known_covariates": [],
            "static_covariates": [],
            "categorical": [],
            "layout": "wide",
        }
    )
    plain, frame = as_frame(config, wide)
    direct = preparation.prepare(config, wide)
    again = preparation.prepare(plain, frame)
    np.testing.assert_array_equal(direct.features.past, again.features.past)
    assert check_experiment(config, wide).ok


def test_without_later_rows_there_is_nothing_to_check() -> None:
    config = experiment(
        evaluation={"validation_size": 0, "test_size": 0}, training={"patience": None}
    )
    with pytest.raises(
        ConfigError, match=r"all rows are training rows: set evaluation.validation_size"
    ):
        check_experiment(config, stations())


def test_series_that_end_apart_are_cut_each_at_its_own_end() -> None:
    table = stations()
    table["ds"] = table.groupby("unique_id").cumcount()
    shorter = table[(table["unique_id"] != "s1") | (table["ds"] < 60)]
    config, frame = as_frame(experiment(data={"calendar": []}), shorter)
    own = OwnPipeline.of(config, frame)
    held_back = {"s0": 96 - 14 - 10 - 4, "s1": 60 - 14 - 10 - 4}
    assert {name: own.cutoffs[0][name] + 1 for name in held_back} == held_back
    assert check_experiment(config, frame).ok


def test_the_command_says_ok_leak_or_what_is_wrong(
    tmp_path: Path, monkeypatch: Patch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    stations()[["unique_id", "ds", "y"]].to_csv("table.csv", index=False)
    words = [
        "leak-check",
        "table.csv",
        "--set=data.missing=mask",
        "--horizon=3",
        "--set=model.name=bigru",
    ]
    assert main(words) == 0
    assert (
        "no stage depends on values after a cutoff (4 cutoffs: 2024-01-03"
        in capsys.readouterr().out
    )
    centred_mean(monkeypatch)
    assert main(words) == 1
    assert "first leak: stage 'features' depends on later values of 'y'" in capsys.readouterr().out
    assert main([*words, "--set=data.target_cols=[z]"]) == 2
    assert "there is no column 'z'" in capsys.readouterr().err
