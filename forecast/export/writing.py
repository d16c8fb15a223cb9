"""The export of a run: choose the members, write the file, check it, describe it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from forecast.baselines.seasonal_ridge import SEASONAL
from forecast.data.panel import Panel
from forecast.data.shown import stamp_at
from forecast.errors import ConfigError, OutputError
from forecast.errors.interface import in_use
from forecast.export.formats import WRITTEN_BY, Exported, format_named
from forecast.export.member_nodes import MEMBERS
from forecast.export.parity import Checked, checked_windows
from forecast.export.signature import FACTS_TEXT, Signature, described_maps, signature_of
from forecast.export.tracking.pyfunc_folder import NAME as PYFUNC
from forecast.export.tracking.pyfunc_folder import export_pyfunc
from forecast.files.outputs import free_name
from forecast.forecasting.artifact import package_version
from forecast.forecasting.fitted import MODEL, Fitted
from forecast.forecasting.learned_table import read_history
from forecast.forecasting.simple_members import steps_of
from forecast.inference.layer_forms import UnknownFormError
from forecast.runs.update import panel_of_run
from forecast.runs.use import load_run


@dataclass(frozen=True)
class Written:
    """Result of an export.

    Attributes:
        path: the file or folder.
        members: weight of each member in it.
        difference: largest relative difference from the forecaster.
        num_windows: windows that it was held against; of `mlflow` one for each series.
    """

    path: Path
    members: Mapping[str, float]
    difference: float
    num_windows: int


def export_run(
    run: str | Path,
    table: str | None = None,
    *,
    format: str,
    output: str | Path,
    members: Sequence[str] | None = None,
) -> Written:
    """Write the forecast of a run as a file that other programs run.

    Args:
        run: the run folder, or the folder of a saved model.
        table: on whose windows the file is held against the forecaster; default: the table of the
            run.
        format: `onnx`, `savedmodel`, `litert`, or `mlflow` for a folder that MLflow loads with this
            package.
        output: the file, or for `savedmodel` and `mlflow` the folder: new, or of this function.
        members: those in the file, `model` for the networks and their regressions; their weights
            are scaled to a sum of 1. Default: all that have a weight.

    Returns:
        The file, its members, and how closely it agrees.

    Raises:
        ConfigError: a package is missing, or a member cannot be written into a file.
        DataError: there is no table to check the file on.
        ArtifactError: the file does not agree with the forecaster; it is not left behind.
        OutputError: `output` is something else.
    """
    path = Path(output)
    if format == PYFUNC:
        _check_outside(run, path)
        return _as_pyfunc(run, table, path, members)
    chosen_format = format_named(format)
    _check_outside(run, path)
    chosen_format.check(path)
    forecaster = load_run(run)
    fitted = forecaster.fitted
    chosen = with_members(fitted, members)
    panel = read_history(fitted, table) if table else panel_of_run(run, forecaster)
    steps = steps_of(chosen, panel)
    signature = signature_of(chosen, steps)
    checked = checked_windows(chosen, signature, panel)
    describe = partial(description, format, fitted, chosen, _Described(signature, panel, checked))
    try:
        difference = chosen_format.write(
            path, Exported(chosen, signature, steps, checked, describe)
        )
    except UnknownFormError as error:
        raise ConfigError(
            f"this model cannot be exported: {error}; forecast with this package, or train one of "
            f"its own architectures"
        ) from error
    return Written(path, _counting(chosen.weights), difference, len(checked.sizes))


def _as_pyfunc(
    run: str | Path, table: str | None, path: Path, members: Sequence[str] | None
) -> Written:
    """Write the folder of an MLflow model, which has all members of the forecast."""
    if members is not None:
        raise ConfigError(
            f"members is not read with format {PYFUNC}, whose folder has the whole forecast: leave "
            f"it out"
        )
    forecaster, num_series = export_pyfunc(run, table, path)
    return Written(path, _counting(forecaster.fitted.weights), 0.0, num_series)


def _check_outside(run: str | Path, path: Path) -> None:
    """Raise if a file would be in the folder of the run, which `fit` replaces as a whole."""
    folder = Path(os.path.realpath(run))
    if Path(os.path.realpath(path)).is_relative_to(folder):
        raise OutputError(
            f"{path} is in {run}, which fit replaces as a whole: name a place outside it, such as "
            f"{free_name(path.name)}"
        )


def can_hold(name: str) -> bool:
    """Return whether a file can hold a member."""
    return name in (MODEL, SEASONAL) or name in MEMBERS


def with_members(fitted: Fitted, members: Sequence[str] | None) -> Fitted:
    """Return a state with some of its members, whose weights are scaled to a sum of 1.

    Args:
        fitted: the state.
        members: names; None: all that have a weight.

    Raises:
        ConfigError: a member has no weight, or cannot be written into a file.
    """
    weights = {name: weight for name, weight in fitted.weights.items() if weight}
    whole = [name for name in weights if can_hold(name)]
    if members is None:
        others = [name for name in weights if not can_hold(name)]
        if others:
            raise ConfigError(_left_out(weights, others, whole))
        return _weighed(fitted, weights)
    for name in members:
        if name not in weights:
            raise ConfigError(
                f"members names {name!r}, which has no weight in this forecast; expected some of "
                f"{', '.join(whole)}"
            )
        if not can_hold(name):
            raise ConfigError(_left_out(weights, [name], whole))
    return _weighed(fitted, {name: weights[name] for name in weights if name in members})


def _weighed(fitted: Fitted, weights: Mapping[str, float]) -> Fitted:
    """Return a state whose members have weights with a sum of 1."""
    total = sum(weights.values())
    if len(weights) == len([weight for weight in fitted.weights.values() if weight]):
        total = 1.0  # all of them: weights stay as they are
    scaled = {MODEL: 0.0} | {name: weight / total for name, weight in weights.items()}
    seasonal = fitted.seasonal if SEASONAL in scaled else None
    return replace(fitted, weights=scaled, seasonal=seasonal)


def _left_out(weights: Mapping[str, float], others: Sequence[str], whole: Sequence[str]) -> str:
    """Return why members cannot be exported, and what to do."""
    named = ", ".join(f"{name} ({weights[name]:.0%})" for name in others)
    text = f"the forecast has members that cannot be written as a graph: {named}"
    refit = "fit again with `ensemble.simple=[]`, which leaves them out"
    if not whole:
        return in_use().worded(f"{text}: {refit}")
    share = sum(weights[name] for name in whole)
    argument = in_use().argument("members", False)
    if argument.endswith("="):
        argument += repr(list(whole))
    else:
        argument += f" {','.join(whole)}"
    return in_use().worded(
        f"{text}: export what is left, {share:.0%} of the weight, with {argument}, or {refit}"
    )


@dataclass(frozen=True, eq=False)
class _Described:
    """Parts of a file that its description tells of."""

    signature: Signature
    panel: Panel
    checked: Checked


def description(
    format: str,
    fitted: Fitted,
    chosen: Fitted,
    made: _Described,
    difference: float,
) -> dict[str, Any]:
    """Return the description of a file as JSON values.

    Args:
        format: of the file.
        fitted: the whole state.
        chosen: the state with the members of the file.
        made: the parts of the file.
        difference: largest relative difference from the forecaster.
    """
    feature_map = chosen.feature_map
    columns = feature_map.columns
    left_out = {
        name: weight
        for name, weight in fitted.weights.items()
        if weight and name not in chosen.weights
    }
    found: dict[str, Any] = {
        "written_by": WRITTEN_BY,
        "package_version": package_version(),
        "format": format,
        "name": chosen.config.name,
        "model": chosen.config.model.name,
        "members": _counting(chosen.weights),
        "left_out": left_out,
        "horizon": chosen.shape.horizon,
        "context_length": chosen.shape.context_length,
        "freq": chosen.freq,
        "inputs": [port.described() for port in made.signature.inputs],
        "outputs": [port.described() for port in made.signature.outputs],
        "series_ids": [_plain(series_id) for series_id in chosen.series.ids],
        "maps": described_maps(chosen),
        "new_series": {
            "rows": "all rows of the series; its values after the maps before",
            **{
                spec.name: FACTS_TEXT[spec.name]
                for spec in feature_map.settings.target
                if spec.name in FACTS_TEXT
            },
        },
        "categories": {name: list(words) for name, words in feature_map.vocabulary.items()},
        "calendar": {
            "names": list(feature_map.settings.calendar),
            "text": "of the local time at the start of each step: X_sin and X_cos are the sine and "
            "cosine of 2 pi times the share of its cycle that has passed (minute: of the hour; "
            "hour: of the day; weekday: whole days since Monday / 7; day_of_month, day_of_year: "
            "whole days / days of that month or year; week_of_year: whole ISO weeks / weeks of "
            "that ISO year; month: whole months / 12; quarter: whole quarters / 4); flags are 0 or "
            "1",
        },
        "missing": chosen.config.data.missing,
        "intervals": "not in the file: forecast predict calibrates them on past errors",
        "check": {
            "windows": len(made.checked.sizes),
            "largest_relative_difference": difference,
        },
        "example": made.checked.example(),
    }
    if SEASONAL in chosen.weights:
        first = made.panel.timestamps[0]
        found["season"] = {
            "length": chosen.season_length,
            "timestamp": str(stamp_at(made.panel.freq, first)),
            "step": int(made.panel.positions[0]) % chosen.season_length,
        }
    if columns.id_cols and len(columns.id_cols) > 1:
        found["id_columns"] = list(columns.id_cols)
    return found


def _counting(weights: Mapping[str, float]) -> dict[str, float]:
    """Return the members that have a weight."""
    return {name: weight for name, weight in weights.items() if weight}


def _plain(series_id: Any) -> Any:
    if isinstance(series_id, tuple):
        return list(series_id)
    return series_id
