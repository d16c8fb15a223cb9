"""Take in newer rows, train again, and let the new model follow the old one if it is no worse.

Both models and the baselines are judged on the newest windows from which neither has learned. They
are those of the test set of the new one, which is forecast before its refit. The old one forecasts
the newer rows among them as it is; the others it has forecast before its own refit, and these
forecasts are in the run. The new one becomes current unless it is worse than the old one beyond
chance, or worse than a baseline that the old one is not worse than. With too few windows to tell,
it becomes current: it has learned from more. The rows are taken in either way.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from forecast.axes import FloatArray
from forecast.data.known import covers
from forecast.data.load import load_requested
from forecast.data.long_rows import columns_of_rows, join_panels, panel_of_rows, rows_of_panel
from forecast.data.names import name_of
from forecast.data.panel import Panel
from forecast.data.read import Source
from forecast.errors import ArtifactError, DataError, OutputError
from forecast.experiment.prepare import Prepared, open_panel, prepare_panel, table_of
from forecast.files.atomic import replace_folder, write_file
from forecast.files.lock import open_locked
from forecast.files.outputs import check_file, check_folder
from forecast.forecasting.fitted import Fitted
from forecast.forecasting.forecaster import Forecaster
from forecast.forecasting.judge import judge, unseen_part
from forecast.forecasting.learned_table import reading_for
from forecast.runs.next_steps import about_forecast, write_about
from forecast.runs.records import MODEL
from forecast.runs.run import RUN, RUN_FILES, best_baseline, write_run
from forecast.runs.segment_mark import refuse_segments
from forecast.runs.stored import read_result
from forecast.runs.table_files import columns_in
from forecast.runs.versions import (
    TABLES,
    VERSIONS,
    Pointer,
    read_pointer,
    remove_old,
    table_path,
    version_folder,
    with_new,
    write_pointer,
)
from forecast.scores.evaluation import BacktestResult
from forecast.scores.skill import Comparison, compare_models
from forecast.training.voice import Voice

UPDATE = "update.json"
"""File of a version that says why it became current."""

OLD = "old model"
NEW = "new model"
"""Names in a comparison, which no baseline has."""

VERSION = replace(RUN, what="version of a run", names=(*RUN_FILES, UPDATE))
"""Content of the folder of a version."""


@dataclass(frozen=True)
class Verdict:
    """Whether the new model becomes current, and why.

    Attributes:
        accepted: whether it does.
        reason: one sentence.
        num_windows: windows that neither model has learned from.
        errors: MAE, or MSE, of both models and every baseline on these.
    """

    accepted: bool
    reason: str
    num_windows: int
    errors: dict[str, float]


@dataclass(frozen=True)
class Updated:
    """Result of an update.

    Attributes:
        version: the version that is current now.
        before: the version that was.
        num_new: rows that were taken in.
        verdict: on the new model.
    """

    version: int
    before: int
    num_new: int
    verdict: Verdict


def panel_of_run(run: str | Path, forecaster: Forecaster) -> Panel:
    """Return the rows of a run: those that `fit` read, with all that updates took in.

    Args:
        run: the folder of a run or a saved model.
        forecaster: its current model.

    Raises:
        DataError: the table that `fit` read is in no file, or cannot be read.
    """
    fitted = forecaster.fitted
    path = table_path(run)
    if path is not None:
        rows = pd.read_parquet(path)
        columns = columns_of_rows(rows, fitted.feature_map.columns)
        return panel_of_rows(rows, columns, fitted.freq, fitted.learning_request)
    if fitted.config.data.source is None:
        raise DataError("this model was trained on a table in memory: name the table to read")
    with reading_for(fitted):
        return open_panel(fitted.config.data, freq=fitted.freq)


def update_run(run: str | Path, newer: Source, *, fine_tune: bool = False, voice: Voice) -> Updated:
    """Take in newer rows, train, and make the new model current if it is no worse.

    Args:
        run: the folder of a run.
        newer: the rows, in the form of the table that `fit` read; they may repeat old ones.
        fine_tune: whether networks go on from the weights of the current model even where the
            setting `training.update` has them trained from the start.
        voice: where lines and progress go.

    Returns:
        What is current now, and why.

    Raises:
        OutputError: the folder is no run, or another update of it is running.
        DataError: the rows are refused, or none of them is new.
    """
    folder = Path(run)
    if not RUN.is_own(folder):
        raise OutputError(
            f"{run} is no run of fit, and only a run keeps its rows and versions: name the folder "
            f"that forecast fit wrote"
        )
    with _only_one(folder):
        pointer = read_pointer(folder)
        old = load_version(folder)
        fitted = old.fitted
        panel = panel_of_run(folder, old)
        _check_places(folder, pointer, panel)
        with reading_for(fitted):
            given = load_requested(table_of(fitted.config.data, newer), fitted.learning_request)
        joined = join_panels(panel, given, fitted.learning_request)
        for note in joined.notes:
            voice.say(f"note: {note}")
        prepared = prepare_panel(fitted.config, joined.panel)
        voice.wake()
        start = start_of(fitted, fine_tune=fine_tune)
        new = Forecaster(fitted.config).fit_prepared(
            prepared, reporter=voice.for_training(), start=start
        )
        verdict = judge_update(fitted, read_result(version_folder(folder)), new, prepared)
        write: Callable[[Path], None] | None = None
        if verdict.accepted:
            write = partial(_write_version, prepared, new, verdict)
        now = adopt(folder, pointer, rows_of_panel(joined.panel), write)
    return Updated(now.version, pointer.version, joined.num_new, verdict)


def start_of(fitted: Fitted, *, fine_tune: bool = False) -> Callable[[], Any] | None:
    """Return the model from whose weights an update goes on; None: it trains from the start.

    Args:
        fitted: the current model.
        fine_tune: whether it goes on whatever the setting says.
    """
    if fine_tune or fitted.config.training.update == "fine_tune":
        return fitted.make_model
    return None


def load_version(run: str | Path) -> Forecaster:
    """Load the current model of a run, or a saved model; of a folder of segments it is an error.

    While it is read, another process may roll back or update: then the one that is current by then
    is read.
    """
    while True:
        pointer = read_pointer(run)
        folder = version_folder(run, pointer.version)
        if (folder / MODEL).is_dir():
            folder = folder / MODEL
        try:
            return Forecaster.load(folder)
        except ArtifactError:
            refuse_segments(run)
            if read_pointer(run) == pointer:
                raise


def adopt(
    run: Path, pointer: Pointer, rows: pd.DataFrame, write: Callable[[Path], None] | None
) -> Pointer:
    """Write rows and, if there is one, a version, and make them current by one rename.

    Args:
        run: the folder of a run.
        pointer: what is current.
        rows: all rows.
        write: fills the folder of the new version; None: the old one stays.

    Returns:
        What is current now.
    """
    now = replace(pointer, table=pointer.table + 1)
    if write is not None:
        now = with_new(now)
        place = run / VERSIONS / str(now.version)
        with replace_folder(place, partial(check_folder, place, VERSION)) as temporary:
            write(temporary)
    path = run / TABLES / f"{now.table}.parquet"
    write_file(path, rows.to_parquet(index=False))
    write_pointer(run, now)
    remove_old(run)
    return now


def judge_update(
    old: Fitted, stored: BacktestResult | None, new: Forecaster, prepared: Prepared
) -> Verdict:
    """Compare a new model with the old one and the baselines on windows unseen by both.

    Args:
        old: the current model.
        stored: what it forecast on its own test set, before its refit; None without a test set.
        new: the model that was trained on `prepared`.
        prepared: all rows, the newer ones among them.
    """
    horizon = old.shape.horizon
    result = new.own_result()
    if result is None:
        return Verdict(True, "there is no test set to compare the two on", 0, {})
    results = [] if stored is None else [stored]
    with suppress(DataError):  # no window fits into the newer rows
        results.append(judge(old, prepared.panel, unseen_part(old, prepared.panel)))
    by_old = forecasts_on(result, results)
    mine = np.flatnonzero(np.isfinite(by_old).all(axis=(1, 2)))
    if not len(mine):
        return Verdict(True, _too_few(0, horizon), 0, {})
    power = 2 if result.judged_by == "MSE" else 1
    actual = result.actual[mine]
    forecasts = {NEW: result.forecasts[result.alias][mine]}
    forecasts[OLD] = by_old[mine]
    forecasts |= {name: result.forecasts[name][mine] for name in result.baselines}
    errors = {
        name: float(np.nanmean(np.abs(actual - values) ** power))
        for name, values in forecasts.items()
        if np.isfinite(values).all()
    }
    positions = result.freq.positions(result.cutoffs[mine])
    against_old = compare_models(actual, forecasts, OLD, positions, power=power).get(NEW)
    if against_old is None:
        return Verdict(True, _too_few(len(mine), horizon), len(mine), errors)
    best = min((name for name in errors if name not in (NEW, OLD)), key=lambda n: errors[n])
    against_best = compare_models(actual, forecasts, best, positions, power=power)
    return _verdict(against_old, against_best, best, errors, len(mine), result.judged_by)


def forecasts_on(result: BacktestResult, others: Sequence[BacktestResult]) -> FloatArray:
    """Return (W, H, D) forecasts of another model on the windows of a result, NaN without one.

    Args:
        result: its windows.
        others: results of the other model; of a window in two of them, the later one counts.
    """
    found = np.full(result.actual.shape, np.nan)
    for other in others:
        forecasts = other.forecasts[other.alias]
        if forecasts.shape[1:] != found.shape[1:]:
            continue
        place = {key: number for number, key in enumerate(_window_keys(other))}
        for number, key in enumerate(_window_keys(result)):
            if key in place:
                found[number] = forecasts[place[key]]
    return found


def _window_keys(result: BacktestResult) -> list[tuple[str, int]]:
    names = [name_of(each) for each in result.series_ids]
    cutoffs = result.freq.positions(result.cutoffs).tolist()
    return [(names[s], cutoff) for s, cutoff in zip(result.series, cutoffs, strict=True)]


def _verdict(
    against_old: Comparison,
    against_best: dict[str, Comparison],
    best: str,
    errors: dict[str, float],
    num_windows: int,
    measure: Literal["MAE", "MSE"],
) -> Verdict:
    """Return the verdict where there are windows enough to tell."""
    change = 100 * (errors[NEW] / errors[OLD] - 1)
    ends = (-100 * against_old.high, -100 * against_old.low)
    words = (
        f"its {measure} differs by {change:+.1f} % from that of the old one (95 % interval "
        f"{ends[0]:+.1f} to {ends[1]:+.1f}) on {num_windows:,} windows that neither has learned "
        f"from"
    )
    if against_old.high < 0:
        return Verdict(False, f"{words}: worse beyond chance", num_windows, errors)
    of_new = against_best.get(NEW)
    of_old = against_best.get(OLD)
    is_worse = of_new is not None and of_new.high < 0
    was_worse = of_old is not None and of_old.high < 0
    if is_worse and not was_worse:
        reason = f"{words}, but worse than {best} beyond chance, which the old one is not"
        return Verdict(False, reason, num_windows, errors)
    return Verdict(True, f"{words}: not worse beyond chance", num_windows, errors)


def _too_few(num_windows: int, horizon: int) -> str:
    """Return why two models cannot be compared."""
    return (
        f"there are {num_windows:,} windows of {horizon} steps that neither model has learned "
        f"from, too few to tell them apart"
    )


def _check_places(run: Path, pointer: Pointer, panel: Panel) -> None:
    """Raise if files of others are where the next version and the next rows go.

    Raises:
        OutputError: there are some.
    """
    columns = list(rows_of_panel(panel))
    rows = run / TABLES / f"{pointer.table + 1}.parquet"
    # what a killed update has left has the same columns
    check_file(rows, lambda path: columns_in(path) == columns, "table of this run")
    check_folder(run / VERSIONS / str(with_new(pointer).version), VERSION)


def _write_version(
    prepared: Prepared, forecaster: Forecaster, verdict: Verdict, folder: Path
) -> None:
    """Write all files of a version."""
    result = forecaster.own_result()
    config = prepared.config
    baseline = best_baseline(forecaster, prepared, result)
    future = None
    if covers(prepared.panel, config.windows.horizon, config.data.ended_series):
        future = forecaster.predict(level="auto", baseline=baseline)
    write_about(about_forecast(forecaster, future, baseline=baseline), folder)
    write_run(folder, prepared, forecaster, result, future)
    about = {
        "reason": verdict.reason,
        "num_windows": verdict.num_windows,
        "errors": verdict.errors,
    }
    write_file(folder / UPDATE, json.dumps(about, indent=1).encode())


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Hold a lock beside the run folder; the system releases it when the process ends."""
    target = Path(os.path.realpath(folder))
    path = target.with_name(f".{target.name}.update")
    if os.path.lexists(path) and (path.is_symlink() or not path.is_file() or path.stat().st_size):
        raise OutputError(f"{path} is in the way, the lock of an update: move it away")
    busy = OutputError(f"another update of {folder} is running: wait until it has ended")
    with open_locked(path, busy):
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
