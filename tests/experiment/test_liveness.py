"""Every setting is live: changing it changes what is read, split, fed, learned, forecast or
refused."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from experiment.test_settings import ALTERNATIVES, SEARCH, with_settings
from search.searches import results_of, search_in

from forecast.backtest.entrants import make_models
from forecast.backtest.folder import plan_of
from forecast.backtest.rolling import run_block
from forecast.errors import ForecastError
from forecast.experiment.enough import context_length_of
from forecast.experiment.prepare import Prepared, open_panel, prepare, resolve
from forecast.experiment.settings import Experiment
from forecast.forecasting.forecaster import Forecaster
from forecast.models import build_model
from forecast.runs.update import start_of
from forecast.scores.metrics import SCORES
from forecast.scores.own_metrics import forget_metrics

HOURS = 80
BASE: dict[str, Any] = {
    "data.calendar": [],
    "windows.context_length": 6,
    "windows.horizon": 2,
    "model.name": "bigru",
    "model.cell": "rnn",  # with one direction and a direct decoder: what compiles fastest
    "model.bidirectional": False,
    "model.decoder": "direct",
    "model.units": 4,
    "training.epochs": 1,
    "training.patience": None,
    "training.batch_size": 16,
    "evaluation.validation_size": 12,
    "evaluation.test_size": 16,
}
"""Settings of both experiments of a comparison, unless a row says otherwise."""

SEGMENTS: dict[str, Any] = {"model.name": "segment_bigru", "model.decoder": "recurrent"}

Observation = Callable[[Experiment, Any], object]


def hourly() -> pd.DataFrame:
    """Two series of unequal length and level; other columns that could be ids, stamps, targets and
    covariates."""
    draw = np.random.default_rng(0)
    hours = [np.arange(HOURS), np.arange(HOURS - 5)]
    size = sum(map(len, hours))
    return pd.DataFrame(
        {
            "unique_id": np.repeat(["p", "q"], [len(one) for one in hours]),
            "ds": pd.Timestamp("2024-03-04") + pd.to_timedelta(np.concatenate(hours), unit="h"),
            "series": np.repeat(["q", "p"], [len(one) for one in hours]),
            "time": pd.Timestamp("2023-01-01") + pd.to_timedelta(np.concatenate(hours), unit="D"),
            "y": draw.normal(size=size) + np.repeat([10.0, 50.0], [len(one) for one in hours]),
            "z": draw.normal(size=size),
            "a": draw.integers(0, 4, size=size),
        }
    )


def with_gap() -> pd.DataFrame:
    return hourly().drop(index=[20, 21])


def with_holes() -> pd.DataFrame:
    return hourly().assign(y=lambda table: table["y"].where(table.index % 17 != 3))


def with_constant_a() -> pd.DataFrame:
    return hourly().assign(a=lambda table: (table["unique_id"] == "p") * 1.0)


def with_short_series() -> pd.DataFrame:
    return pd.concat([hourly(), hourly().head(3).assign(unique_id="short")])


def with_empty_series() -> pd.DataFrame:
    rows = hourly().head(HOURS).assign(unique_id="empty", y=np.nan)
    return pd.concat([hourly(), rows])


def one_series() -> pd.DataFrame:
    return hourly().head(HOURS)[["ds", "y", "z"]]


def business_days() -> pd.DataFrame:
    return one_series().assign(ds=pd.bdate_range("2024-01-01", periods=HOURS))


def with_repeated_rows() -> pd.DataFrame:
    return pd.concat([hourly(), hourly().iloc[3:9]])


def with_holidays() -> pd.DataFrame:
    return business_days().drop(index=[9, 20])


def unclear_dates() -> pd.DataFrame:
    """The first of twelve months, or the first twelve days of January."""
    return pd.DataFrame(
        {"ds": [f"{number:02}/01/2024" for number in range(1, 13)], "y": np.arange(12.0) ** 2}
    )


def csv(separator: str = ",", mark: str = ".") -> bytes:
    """A small file in UTF-8."""
    rows = [
        ["unique_id", "ds", "y"],
        *(["é", f"2024-01-{day:02}", f"{day % 5}{mark}25"] for day in range(1, 32)),
    ]
    return "\n".join(separator.join(row) for row in rows).encode()


def panel(config: Experiment, table: Any) -> object:
    """What was read."""
    found = open_panel(config.data, table)
    return (
        found.series_ids.tolist(),
        found.freq,
        found.columns.dynamic,
        found.offsets.tolist(),
        found.timestamps.tobytes(),
        found.values.tobytes(),
        found.static_values.tobytes(),
        found.notes,
    )


def gathered(windows: Any) -> object:
    """Everything a model would be given of some windows."""
    if not len(windows):
        return 0
    inputs, target = windows.batch(np.arange(len(windows)))
    return {
        name: (array.shape, array.tobytes()) for name, array in inputs.items()
    }, target.tobytes()


def learned(config: Experiment, table: Any) -> object:
    """The training windows."""
    return gathered(prepare(config, table).training)


def weighed(config: Experiment, table: Any) -> object:
    """How much each forecast row of the training windows counts."""
    windows = prepare(config, table).training
    weights = windows.weights(np.arange(len(windows)))
    return weights is None or weights.tobytes()


def scored(config: Experiment, table: Any) -> object:
    """Names in the table of scores, which is as it was afterwards."""
    forget_metrics()
    prepare(config, table)
    return set(SCORES)


def chosen_on(config: Experiment, table: Any) -> object:
    """The validation windows."""
    return gathered(prepare(config, table).validation)


def judged_on(config: Experiment, table: Any) -> object:
    """The test windows."""
    return gathered(prepare(config, table).test)


def calibrated_on(config: Experiment, table: Any) -> object:
    """The calibration windows."""
    return gathered(prepare(config, table).calibration)


def named_inputs(config: Experiment, table: Any) -> object:
    """What stands behind the channels and codes of the inputs."""
    prepared = prepare(config, table)
    return (
        prepared.feature_map.input_names(),
        prepared.features.sizes,
        dict(prepared.feature_map.vocabulary),
    )


def notes(config: Experiment, table: Any) -> object:
    return prepare(config, table).notes


def undone(config: Experiment, table: Any) -> object:
    """Forecasts of zeros, back in the unit of the data."""
    prepared = prepare(config, table)
    steps = np.zeros((prepared.panel.num_series, config.windows.horizon, 1))
    history = np.stack(
        [prepared.panel.targets[end - 6 : end] for end in prepared.panel.offsets[1:]]
    )
    chain = prepared.feature_map.target
    return chain.invert(
        steps, series=np.arange(prepared.panel.num_series), history=history
    ).tobytes()


def built(config: Experiment, prepared: Prepared) -> Any:
    shape = prepared.features.shape(context_length_of(config), config.windows.horizon)
    return build_model(config.model, shape, seed=config.training.seed)


def output(config: Experiment, table: Any) -> object:
    """What the new network writes for some windows."""
    prepared = prepare(config, table)
    return np.asarray(built(config, prepared)(prepared.training.batch(np.arange(5))[0])).tobytes()


def size(config: Experiment, table: Any) -> object:
    return built(config, prepare(config, table)).count_params()


@functools.cache
def fitted(config: Experiment) -> Forecaster:
    """Trained on the table of hours."""
    return Forecaster(config).fit(hourly())


def weights(config: Experiment, _: Any) -> object:
    state = fitted(config).fitted
    return [one.tobytes() for one in state.model.get_weights()], state.members


def scales(config: Experiment, _: Any) -> object:
    state = fitted(config).fitted.feature_map.target.to_state()
    return {name: one.tobytes() for name, one in state.items()}


def losses(config: Experiment, _: Any) -> object:
    return fitted(config).fitted.history.loss


def updated(config: Experiment, _: Any) -> object:
    """Losses of the training that follows on a first one."""
    first = fitted(config)
    again = Forecaster(config)
    assert first._prepared is not None
    again.fit_prepared(first._prepared, start=start_of(first.fitted))
    return again.fitted.history.loss


def rates(config: Experiment, _: Any) -> object:
    return fitted(config).fitted.history.learning_rate


def compiled(config: Experiment, _: Any) -> object:
    return fitted(config).fitted.history.compiled


def num_epochs(config: Experiment, _: Any) -> object:
    return len(fitted(config).fitted.history.loss)


def forecast_columns(config: Experiment, _: Any) -> object:
    forecaster = fitted(config)
    return forecaster.predict().frame().columns.tolist(), sorted(forecaster.evaluate().forecasts)


def forecast_stamps(config: Experiment, _: Any) -> object:
    """Series and steps of a forecast; one of the two series has ended."""
    return fitted(config).predict().frame()[["unique_id", "ds"]].to_numpy().tolist()


def seasonal_naive(config: Experiment, _: Any) -> object:
    return fitted(config).evaluate().forecasts["seasonal_naive"].tobytes()


def scaled_errors(config: Experiment, _: Any) -> object:
    return fitted(config).evaluate().scores().values["last_value"]["MASE"]


def searched(config: Experiment, table: Any) -> object:
    """What a search finds whose trials do not train."""
    with tempfile.TemporaryDirectory() as folder:
        search_in(Path(folder), config, table=table)
        return results_of(Path(folder))


def backtested(config: Experiment, table: Any) -> object:
    """What is forecast from which cutoffs, by two models that tell how many rows they learned
    from."""
    named = make_models(config)
    panel = open_panel(config.data, table)
    models = {name: _Learned() for name in named}
    plan = plan_of(config, panel)
    blocks = [run_block(panel, plan, number, models) for number in range(plan.num_blocks)]
    return [
        (one.last.tolist(), {name: values.tolist() for name, values in one.forecasts.items()})
        for one in blocks
    ]


class _Learned:
    def fit(self, panel: Any) -> _Learned:
        self.rows = panel.num_rows
        return self

    quantile_levels = ()

    def predict(self, _: Any, last: np.ndarray) -> tuple[np.ndarray, None]:
        return np.full((len(last), BASE["windows.horizon"], 1), float(self.rows)), None


def default_context(config: Experiment, table: Any) -> object:
    """The context length where none is set."""
    unset = config.model_copy(
        update={"windows": config.windows.model_copy(update={"context_length": "auto"})}
    )
    return resolve(unset, open_panel(config.data, table)).windows.context_length


@dataclass(frozen=True)
class Row:
    """How a setting is seen to act.

    Attributes:
        changes: each of these must differ.
        stays: each of these must not.
        base: settings of both experiments, beside `BASE`.
        table: what is read: makes a frame, or the bytes of a CSV file.
        refused: words of the error that either value of the setting ends in.
    """

    changes: tuple[Observation, ...]
    stays: tuple[Observation, ...] = ()
    base: dict[str, Any] = field(default_factory=dict)
    table: Callable[[], Any] = hourly
    refused: str = ""


ROWS: dict[str, Row] = {
    "name": Row((forecast_columns,)),
    "data.source": Row((panel,), base={"data.source": "first.csv"}, table=lambda: None),
    "data.layout": Row(
        (panel, named_inputs), base={"data.target_cols": ["y", "z"]}, table=one_series
    ),
    "data.id_col": Row((panel, learned)),
    "data.time_col": Row((panel,), stays=(learned,)),
    "data.target_cols": Row((panel, learned, named_inputs, size)),
    "data.past_covariates": Row((panel, learned, named_inputs, size)),
    "data.known_covariates": Row((panel, learned, named_inputs, size)),
    "data.static_covariates": Row((panel, learned, named_inputs, size), table=with_constant_a),
    "data.categorical": Row((named_inputs, learned, size), base={"data.past_covariates": ["a"]}),
    "data.weight_col": Row((weighed, learned)),
    "data.freq": Row(
        (panel, learned),
        base={"data.gaps": "skip", "windows.context_length": 2},
        table=business_days,
    ),
    "data.tz": Row((panel,), stays=(learned,)),
    "data.time_format": Row((panel,), base={"data.time_format": "%m/%d/%Y"}, table=unclear_dates),
    "data.separator": Row((panel,), table=csv, refused="no column contains numbers"),
    "data.decimal": Row((panel,), table=lambda: csv(";", mark=","), refused="decimal comma"),
    "data.encoding": Row((panel,), table=csv),
    "data.thousands": Row(
        (panel,),
        table=lambda: csv(";").replace(b";1.", b";1,000.", 1),
        refused="thousands separator",
    ),
    "data.bounds": Row(
        (panel,),
        table=lambda: csv(";").replace(b";1.", b";<1.", 1),
        refused="a bound and not a value",
    ),
    "data.missing_codes": Row(
        (panel,),
        base={"data.missing_codes": [], "data.missing": "forward_fill"},
        table=lambda: csv().replace(b",1.25", b",-999", 1),
    ),
    "data.sheet": Row(
        (panel,),
        base={"data.source": "sheets.xlsx", "data.sheet": "first"},
        table=lambda: None,
    ),
    "data.gaps": Row(
        (panel, learned, notes),
        base={"data.gaps": "fill", "data.missing": "forward_fill"},
        table=with_gap,
    ),
    "data.stamps": Row((learned,), base={"data.calendar": ["hour"]}),
    "data.aggregate": Row(
        (panel, learned), base={"data.aggregate": "sum"}, table=with_repeated_rows
    ),
    "data.resample": Row((panel, learned), base={"data.aggregate": "sum"}),
    "data.empty_intervals": Row(
        (panel, learned),
        base={"data.resample": "h", "data.aggregate": "sum", "data.gaps": "skip"},
        table=with_gap,
    ),
    "data.partial_intervals": Row(
        (panel,),
        base={"data.resample": "6h", "data.aggregate": "sum", "windows.context_length": 2},
        table=one_series,
    ),
    "data.trading_days": Row(
        (panel, learned, notes), base={"data.gaps": "skip"}, table=with_holidays
    ),
    "data.missing": Row(
        (learned, notes), base={"data.missing": "forward_fill"}, table=with_holes, stays=(panel,)
    ),
    "data.ended_series": Row((forecast_stamps,), stays=(learned, weights)),
    "data.empty_series": Row(
        (panel, notes),
        base={"data.missing": "forward_fill"},
        table=with_empty_series,
        refused='empty_series="leave_out"',
    ),
    "data.short_series": Row((notes,), table=with_short_series, refused='short_series="skip"'),
    "data.calendar": Row((named_inputs, learned, size), stays=(panel,)),
    "data.holidays": Row((named_inputs, learned, size), stays=(panel,)),
    "data.season_length": Row(
        (seasonal_naive, scaled_errors, default_context), stays=(panel, learned)
    ),
    "windows.horizon": Row(
        (learned, chosen_on, judged_on, default_context), base={"data.season_length": 1}
    ),
    "windows.context_length": Row((learned, chosen_on, judged_on)),
    "windows.stride": Row((learned,), stays=(chosen_on, judged_on)),
    "transforms.target": Row((learned, chosen_on, judged_on, undone)),
    "transforms.target[].name": Row(
        (learned, judged_on, undone), base={"transforms.target[].name": "standard"}
    ),
    "transforms.target[].scope": Row(
        (learned, judged_on, undone), base={"transforms.target[].name": "standard"}
    ),
    "transforms.target[].lag": Row(
        (learned, judged_on, undone), base={"transforms.target[].name": "difference"}
    ),
    "transforms.covariates": Row(
        (learned, judged_on), stays=(undone,), base={"data.past_covariates": ["a"]}
    ),
    "model.cell": Row((size, output)),
    "model.bidirectional": Row((size, output), base={"model.bidirectional": True}),
    "model.num_layers": Row((size, output)),
    "model.units": Row((size, output)),
    "model.dropout": Row((weights,), stays=(size, output)),
    "model.recurrent_dropout": Row((weights,), stays=(size, output)),
    "model.l2": Row((weights,), stays=(size, output)),
    "model.decoder": Row((size, output), base={"model.decoder": "recurrent"}),
    "model.attention": Row((size, output)),
    "model.instance_norm": Row((output,), stays=(size,)),
    "model.name": Row((size, output), base=SEGMENTS),
    "model.segment_length": Row((size, output), base=SEGMENTS),
    "model.channels": Row((size, output), base=SEGMENTS | {"data.target_cols": ["y", "z"]}),
    "training.point": Row((weights, losses)),
    "training.loss": Row((weights, losses)),
    "training.quantile_levels": Row(
        (weights, losses, forecast_columns), base={"training.loss": "quantile"}
    ),
    "training.loss_reads": Row(
        (weights, losses, forecast_columns), base={"training.loss": "own_functions:either"}
    ),
    "training.optimizer": Row((weights,), stays=(output,)),
    "training.learning_rate": Row((weights, rates)),
    "training.schedule": Row((weights, rates), base={"training.epochs": 3}),
    "training.weight_decay": Row((weights,), stays=(rates,), base={"training.optimizer": "adamw"}),
    "training.gradient_clip": Row((weights,), base={"training.optimizer": "sgd"}),
    "training.epochs": Row((weights, num_epochs)),
    "training.budget": Row((num_epochs,), base={"training.epochs": 20}),
    "training.batch_size": Row((weights, losses)),
    "training.windows_per_epoch": Row((weights, losses)),
    "training.patience": Row(
        (num_epochs,), base={"training.epochs": 4, "training.learning_rate": 0.1}
    ),
    "training.refit": Row((weights, scales), stays=(losses,)),
    "training.jit": Row((compiled,), stays=(learned, output)),
    "training.precision": Row(  # with a cell that cannot; `training/test_precision.py` has others
        (weights,), stays=(learned, output), refused="training.precision is 'bfloat16', but"
    ),
    "training.strategy": Row((weights,), stays=(learned, output), refused="finds one device"),
    "training.update": Row((updated,), stays=(learned, losses)),
    "training.seed": Row((output, weights), stays=(learned,)),
    "ensemble.seeds": Row((weights,)),
    "ensemble.context_lengths": Row((weights, learned), base={"windows.context_length": "auto"}),
    "ensemble.linear": Row((weights,)),
    "ensemble.simple": Row((weights,)),
    "evaluation.validation_size": Row((learned, chosen_on)),
    "evaluation.test_size": Row((learned, chosen_on, judged_on)),
    "evaluation.calibration_size": Row((learned, calibrated_on)),
    "evaluation.purge": Row((learned, chosen_on)),
    "evaluation.split_by": Row((learned, chosen_on, judged_on)),
    "evaluation.stride": Row((chosen_on, judged_on), stays=(learned,)),
    "evaluation.metrics": Row((scored,), stays=(learned,)),
    **{
        path: Row((backtested,), stays=(learned,), base={"backtest.models": ["drift"]})
        for path in ALTERNATIVES
        if path.startswith("backtest.")
    },
    **{path: Row((searched,), base=SEARCH) for path in ALTERNATIVES if path.startswith("search.")},
    "search.space{}.choice": Row((searched,), base={"search.space{}.choice": [1, 2]}),
    "search.space{}.int": Row((searched,), base={"search.space{}.int": [1, 3]}),
    "search.space{}.when": Row(
        (searched,), base={"search.space": {"model.cell": {"choice": ["rnn", "gru"]}}, **SEARCH}
    ),
    "search.in_flight": Row((searched,), base={**SEARCH, "search.algorithm": "bayesian"}),
}
"""Every setting -> how it is seen to act."""


PROOFS = {
    *(f"model.{name}" for name in ("dropout", "recurrent_dropout", "l2")),
    *(
        f"training.{name}"
        for name in (
            "optimizer",
            "learning_rate",
            "schedule",
            "weight_decay",
            "gradient_clip",
            "batch_size",
            "windows_per_epoch",
            "patience",
            "jit",
            "loss",
            "quantile_levels",
            "epochs",
            "refit",
        )
    ),
    "ensemble.seeds",
    "ensemble.context_lengths",
}
"""Settings of networks and of their training that the quick tests of those rooms flip as well."""


def both(path: str, row: Row) -> tuple[Experiment, Experiment]:
    """Two experiments that differ in one setting."""
    given = {**BASE, **row.base}
    return with_settings(given), with_settings({**given, path: ALTERNATIVES[path]})


def seen(observe: Observation, config: Experiment, table: Any) -> tuple[object, str]:
    """What is observed, or the error it ends in."""
    try:
        return observe(config, table), ""
    except ForecastError as error:
        return None, str(error)


def test_every_setting_has_a_row() -> None:
    assert set(ROWS) == set(ALTERNATIVES)


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=[pytest.mark.proof] if path in PROOFS else []) for path in ROWS],
)
def test_a_setting_acts(path: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    row = ROWS[path]
    table = row.table()
    if isinstance(table, bytes):
        (tmp_path / "given.csv").write_bytes(table)
        table = str(tmp_path / "given.csv")
    monkeypatch.chdir(tmp_path)
    if path == "data.sheet":
        with pd.ExcelWriter("sheets.xlsx", engine="openpyxl") as workbook:
            hourly().to_excel(workbook, sheet_name="first", index=False)
            hourly().assign(y=1.0).to_excel(workbook, sheet_name="second", index=False)
    hourly().to_csv("first.csv", index=False)
    hourly().assign(y=1.0).to_csv("table.csv", index=False)
    base, changed = both(path, row)
    assert base != changed
    for observe in row.changes:
        (before, error), (after, other_error) = (
            seen(observe, base, table),
            seen(observe, changed, table),
        )
        assert bool(error or other_error) == bool(row.refused), error or other_error
        assert row.refused in error + other_error
        assert (before, error) != (after, other_error), f"{path} does not change {observe.__name__}"
    for observe in row.stays:
        assert observe(base, table) == observe(changed, table), f"{path} changes {observe.__name__}"
