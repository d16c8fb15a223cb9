"""Inputs and outputs of an exported forecast, channel by channel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray
from forecast.baselines.holt import rows_smoothed
from forecast.baselines.lengths import Steps, smoothed_rows, smoothed_season
from forecast.baselines.seasonal_lags import rows_read
from forecast.baselines.seasonal_ridge import SEASONAL
from forecast.baselines.theta import rows_of_theta
from forecast.export.operations import Shape, Type
from forecast.forecasting.fitted import MODEL, Fitted
from forecast.transforms.scaling import Scaler
from forecast.windows.calendar import calendar_columns
from forecast.windows.features import FeatureMap

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True)
class Port:
    """An input or an output of a file.

    Attributes:
        name: in the file.
        axes: what each axis counts; the first is that of the windows.
        sizes: of the axes after the first.
        type: of the numbers.
        channels: what stands at each place of the last axis; none where it has no channels.
        text: what to put in, or what comes out.
    """

    name: str
    axes: tuple[str, ...]
    sizes: tuple[int, ...]
    type: Type
    channels: tuple[str, ...]
    text: str

    @property
    def shape(self) -> Shape:
        """Sizes of all axes; None for the windows."""
        return (None, *self.sizes)

    def described(self) -> dict[str, Any]:
        """Return the port as JSON values."""
        return {
            "name": self.name,
            "axes": list(self.axes),
            "shape": ["windows", *self.sizes],
            "type": self.type,
            "channels": list(self.channels),
            "text": self.text,
        }


@dataclass(frozen=True)
class Signature:
    """Inputs and outputs of a file.

    Attributes:
        num_rows: M, rows of the history that are read.
        context_rows: the last of them that the model reads, its context and what differences need;
            none of them may be missing.
        inputs: in the order of the file.
        outputs: in the order of the file.
        facts: name of each fact about a series, in the order of the input `new_series`.
    """

    num_rows: int
    context_rows: int
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    facts: tuple[str, ...]

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of the inputs."""
        return tuple(port.name for port in self.inputs)


def steps_read(fitted: Fitted, week_length: int | None) -> Steps:
    """Return the lengths that simple members read; see `simple_members.steps_of`."""
    return Steps(
        horizon=fitted.shape.horizon,
        context_length=fitted.shape.context_length,
        season_length=fitted.season_length,
        week_length=week_length,
    )


def signature_of(fitted: Fitted, steps: Steps) -> Signature:
    """Return inputs and outputs of the file of a fitted state.

    Args:
        fitted: the state, with the members of the file.
        steps: lengths that its simple members read.
    """
    context_rows = fitted.shape.context_length + fitted.feature_map.target.lag
    num_rows = max(context_rows, *(rows_of_member(name, steps) for name in fitted.weights))
    facts = fact_names(fitted)
    return Signature(
        num_rows=num_rows,
        context_rows=context_rows,
        inputs=tuple(_inputs(fitted, num_rows, context_rows, facts)),
        outputs=tuple(_outputs(fitted)),
        facts=facts,
    )


def rows_of_member(name: str, steps: Steps) -> int:
    """Return the rows of history that a simple member reads."""
    period, count = steps.median_periods
    season_length = steps.season_length
    rows = {
        "seasonal_naive": season_length,
        "seasonal_median": period * count,
        "theta": rows_of_theta(steps),
        "holt": rows_smoothed(smoothed_season(season_length)),
        "ets": smoothed_rows(season_length),
        "seasonal_lags": rows_read(steps),
    }
    return rows.get(name, steps.context_length)


def fact_names(fitted: Fitted) -> tuple[str, ...]:
    """Return the names of the facts about a series that a forecast reads."""
    names = []
    for number, stage in enumerate(fitted.feature_map.target.stages):
        if isinstance(stage, Scaler) and stage.per_series:
            names += [f"centre of map {number + 1}", f"scale of map {number + 1}"]
    names += ["never changed (0 or 1)", "never below 0 (0 or 1)"]
    if fitted.series.closed.any():
        names += [f"closed on {day} (0 or 1)" for day in WEEKDAYS]
    return tuple(names)


def facts_of(fitted: Fitted, *, has_closed: bool) -> FloatArray:
    """Return the (N, D, F) facts about the series of a state, in the order of `fact_names`.

    Args:
        fitted: the state.
        has_closed: whether weekdays are among the facts.
    """
    columns: list[NDArray[Any]] = []
    for stage in fitted.feature_map.target.stages:
        if isinstance(stage, Scaler) and stage.per_series:
            columns += [stage.centre, stage.scale]
    series = fitted.series
    columns += [np.isfinite(series.constants), series.from_zero]
    if has_closed:
        columns += list(np.moveaxis(series.closed, -1, 0))
    return np.stack([column.astype(np.float64) for column in columns], axis=-1)


def known_names(feature_map: FeatureMap) -> tuple[str, ...]:
    """Return the channels of the input `known`: numeric known covariates, then the calendar."""
    return feature_map.input_names()["known"]


def numeric_past_names(feature_map: FeatureMap) -> tuple[str, ...]:
    """Return the numeric past covariates."""
    columns = feature_map.columns
    return tuple(name for name in columns.past_covariates if name not in columns.categorical)


def reads_weekdays(fitted: Fitted) -> bool:
    """Return whether a series is closed on a weekday, so that weekdays are an input."""
    return bool(fitted.series.closed.any())


def reads_observed(fitted: Fitted) -> bool:
    """Return whether it matters which cells were measured."""
    policy = fitted.config.data.missing
    return policy == "mask" or (reads_weekdays(fitted) and policy not in ("refuse", "zero"))


def _inputs(fitted: Fitted, num_rows: int, context_rows: int, facts: tuple[str, ...]) -> list[Port]:
    """Return the inputs of a file."""
    feature_map = fitted.feature_map
    columns = feature_map.columns
    targets = columns.target_cols
    length = fitted.shape.context_length
    both = length + fitted.shape.horizon
    ports = [
        Port(
            "history",
            ("windows", "rows", "targets"),
            (num_rows, len(targets)),
            "float64",
            targets,
            _history_text(num_rows, context_rows, fitted.config.data.missing),
        ),
        Port(
            "series",
            ("windows",),
            (),
            "int64",
            (),
            "place of the series in `series_ids`, from 0; -1 for a series that is not among them",
        ),
        Port(
            "new_series",
            ("windows", "targets", "facts"),
            (len(targets), len(facts)),
            "float64",
            facts,
            "facts about a series that is not in `series_ids`, from its own rows, as `maps` says; "
            "zeros where `series` is not -1",
        ),
    ]
    ports += _covariate_ports(fitted, length, both)
    if reads_observed(fitted):
        names = columns.dynamic
        text = "whether a cell of the context was measured, and not filled"
        ports.append(_of_rows("observed", length, names, "bool", text))
    if reads_weekdays(fitted):
        text = "weekday of each row of the context, then of each step to forecast, Monday 0"
        ports.append(Port("weekday", ("windows", "rows and steps"), (both,), "int32", (), text))
    if SEASONAL in fitted.weights:
        text = (
            f"step of the season of the first step to forecast, 0 to {fitted.season_length - 1}, "
            f"counted on from `season`"
        )
        ports.append(Port("season_step", ("windows",), (), "int64", (), text))
    return ports


def _covariate_ports(fitted: Fitted, length: int, both: int) -> list[Port]:
    """Return the inputs of covariates that are there."""
    feature_map = fitted.feature_map
    columns = feature_map.columns
    codes = "code of the category: its place in `categories`, from 1; 0 for one not in it"
    of_both = "rows and steps"
    whole = "context, then of each step to forecast"
    categorical = {
        role: tuple(name for name in names if name in columns.categorical)
        for role, names in (
            ("past", columns.past_covariates),
            ("known", columns.known_covariates),
            ("static", columns.static_covariates),
        )
    }
    numeric_static = feature_map.input_names()["static"]
    found = [
        _of_rows(
            "past",
            length,
            numeric_past_names(feature_map),
            "float64",
            "past covariates of the context, in the unit of the table, without gaps",
        ),
        _of_rows(
            "known",
            both,
            known_names(feature_map),
            "float64",
            f"known covariates of each row of the {whole}, in the unit of the table; features of "
            f"the calendar as `calendar` says",
            of_both,
        ),
        _of_rows("past_codes", length, categorical["past"], "int32", codes),
        _of_rows("known_codes", both, categorical["known"], "int32", f"{codes}; {whole}", of_both),
    ]
    per_series = ("windows", "columns")
    numbers = "values of the series, in the unit of the table"
    size = (len(numeric_static),)
    found.append(Port("static", per_series, size, "float64", numeric_static, numbers))
    size = (len(categorical["static"]),)
    found.append(Port("static_codes", per_series, size, "int32", categorical["static"], codes))
    return [port for port in found if port.channels]


def _of_rows(
    name: str,
    num_rows: int,
    channels: tuple[str, ...],
    kind: Type,
    text: str,
    rows: str = "rows",
) -> Port:
    axes = ("windows", rows, "columns")
    return Port(name, axes, (num_rows, len(channels)), kind, channels, text)


def _history_text(num_rows: int, context_rows: int, missing: str) -> str:
    text = f"the last {num_rows:,} values before the forecast, the latest last, as in the table"
    if missing != "refuse":
        text += f"; missing values filled by the policy {missing!r}"
    if num_rows > context_rows:
        text += (
            f"; NaN before the start of a series, which has at least its last {context_rows:,} rows"
        )
    return text


def _outputs(fitted: Fitted) -> list[Port]:
    targets = fitted.feature_map.columns.target_cols
    horizon = fitted.shape.horizon
    text = "the forecast, in the unit of the table"
    axes = ("windows", "steps", "targets")
    ports = [Port("forecast", axes, (horizon, len(targets)), "float64", targets, text)]
    if has_quantiles(fitted):
        levels = fitted.quantile_levels
        ports.append(
            Port(
                "quantiles",
                (*axes, "levels"),
                (horizon, len(targets), len(levels)),
                "float64",
                tuple(f"{level:g}" for level in levels),
                "quantiles of the network, ascending",
            )
        )
    return ports


def has_quantiles(fitted: Fitted) -> bool:
    """Return whether the file writes quantiles: those of a network that forecasts alone."""
    return bool(fitted.quantile_levels) and set(fitted.weights) == {MODEL}


def described_maps(fitted: Fitted) -> list[dict[str, Any]]:
    """Return the maps of the targets as JSON values, and what their facts are for a new series."""
    maps = []
    specs = fitted.feature_map.settings.target
    for number, (spec, stage) in enumerate(
        zip(specs, fitted.feature_map.target.stages, strict=True)
    ):
        described: dict[str, Any] = {"map": number + 1, "name": spec.name}
        if isinstance(stage, Scaler):
            described["scope"] = "per_series" if stage.per_series else "global"
        if stage.lag:
            described["lag"] = stage.lag
        maps.append(described)
    return maps


FACTS_TEXT: Mapping[str, str] = {
    "standard": "mean and standard deviation (divisor n)",
    "min_max": "minimum and range",
    "robust": "median and interquartile range, or the standard deviation where that is 0",
    "mean_abs": "0 and mean absolute value",
}
"""Scaler -> its centre and scale of a new series, of its values after the maps before."""


def calendar_names(fitted: Fitted) -> tuple[str, ...]:
    """Return the channels that come from timestamps."""
    return calendar_columns(fitted.feature_map.settings.calendar)
