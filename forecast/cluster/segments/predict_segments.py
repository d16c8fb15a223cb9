"""One table of forecasts, each series by the model of its segment."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from forecast.cluster.segments.segment_folder import (
    Segment,
    Segments,
    model_hash,
    read_segments,
    record_path,
    run_folder,
)
from forecast.cluster.segments.segment_rows import (
    PREDICTED,
    Divided,
    divide_by_column,
    divide_by_series,
)
from forecast.cluster.segments.segment_scores import notes_by_segment
from forecast.data.findings import and_more, counted, listed
from forecast.data.formats.readers import Source
from forecast.data.names import name_of
from forecast.errors import DataError
from forecast.files.outputs import check_file, read_record
from forecast.forecasting.forecaster import Forecaster
from forecast.runs.table_files import check_ending, is_forecast, write_table
from forecast.runs.use import check_outside, load_run, predict_run
from forecast.scores.forecast import Forecast

if TYPE_CHECKING:
    import pandas as pd

ALIAS = "forecast"
"""Name of the column where the models of segments have several."""

_SHOWN = 3
"""Unknown segments that a message names."""

Histories = Mapping[str, tuple[str | None, str | None]]
"""Value of each segment -> files of its history and known covariates; None: those of its run."""


def predict_segments(
    folder: str | Path,
    table: Source | None = None,
    *,
    known: Source | None = None,
    horizon: int | None = None,
    level: Sequence[float] | Literal["auto"] = "auto",
    output: str | Path | None = None,
    keep: bool = True,
) -> tuple[pd.DataFrame, list[str]]:
    """Forecast each series by the model of its segment.

    Args:
        folder: that `fit_segments` wrote.
        table: history to forecast from, with the column of segments; default: the rows that each
            model learned from.
        known: known covariates of the steps to forecast, of all series.
        horizon: as in `predict_run`.
        level: as in `predict_run`.
        output: CSV, Parquet or Excel file to write; new, or an earlier forecast of the folder.
        keep: whether the run of each segment keeps its forecasts, for `monitor_run`.

    Returns:
        A row per series and step, in the order of the segments, and notes. The column of forecasts
        has the name that all models have, or `forecast`. Levels that a segment cannot give are
        empty.

    Raises:
        DataError: a series is of a segment without a model, or a model cannot forecast from it.
        OutputError: `output` is read here, or is something else.
    """
    segments = read_segments(folder)
    forecasters = _forecasters(Path(folder), segments)
    alias = _common_alias(forecasters)
    if output is not None:
        _check_output(folder, output, alias, forecasters, (table, known))
    with _histories(Path(folder), segments, forecasters, table, known) as histories:
        forecasts = {
            value: _forecast(Path(folder), segments, value, files, horizon, level, keep)
            for value, files in histories.items()
        }
    notes = notes_by_segment({value: each.notes for value, each in forecasts.items()})
    frame = joined([replace(forecast, alias=alias) for forecast in forecasts.values()])
    if output is not None:
        write_table(frame, output)
    return frame, notes


def _forecasters(folder: Path, segments: Segments) -> dict[str, Forecaster]:
    """Return the model of each segment that has one.

    Raises:
        DataError: none has one.
    """
    found = {
        segment.value: load_run(run_folder(folder, segment))
        for segment in segments.segments
        if _is_fitted(folder, segment)
    }
    if not found:
        raise DataError(
            f"{folder} has no model of any segment: run forecast fit --by again, which says why"
        )
    return found


def _is_fitted(folder: Path, segment: Segment) -> bool:
    """Return whether the run of a segment is that of its rows."""
    model = read_record(record_path(folder, segment)).get("model")
    return bool(model) and model == model_hash(run_folder(folder, segment))


def _common_alias(forecasters: Mapping[str, Forecaster]) -> str:
    names = {forecaster.fitted.config.name for forecaster in forecasters.values()}
    if len(names) == 1:
        return names.pop()
    return ALIAS


def _check_output(
    folder: str | Path,
    output: str | Path,
    alias: str,
    forecasters: Mapping[str, Forecaster],
    inputs: tuple[object, object],
) -> None:
    """Raise if the output is read here, or is something else than an earlier forecast."""
    check_ending(output)
    check_outside(folder, output)
    columns = next(iter(forecasters.values())).fitted.feature_map.columns
    check_file(output, partial(is_forecast, alias, columns), "forecast of these segments", inputs)


@contextmanager
def _histories(
    folder: Path,
    segments: Segments,
    forecasters: Mapping[str, Forecaster],
    table: Source | None,
    known: Source | None,
) -> Iterator[Histories]:
    """Yield the files from which each segment is forecast, which are deleted afterwards."""
    with tempfile.TemporaryDirectory(prefix="forecast-segments-") as name:
        data = next(iter(forecasters.values())).fitted.config.data
        data = data.model_copy(update={"source": None})
        if table is None:
            covariates: dict[str, Path] = {}
            if known is not None:
                covariates = divide_by_series(known, data, _learned(forecasters), Path(name))
            yield {value: (None, _text(covariates.get(value))) for value in forecasters}
            return
        divided = divide_by_column(table, data, segments.by, Path(name), remedy=PREDICTED)
        _refuse_unknown(folder, segments, forecasters, divided)
        covariates = {}
        if known is not None:
            covariates = divide_by_series(known, data, divided.series, Path(name))
        yield {
            value: (str(path), _text(covariates.get(value)))
            for value, (path, _) in divided.files.items()
        }


def _learned(forecasters: Mapping[str, Forecaster]) -> dict[str, str]:
    """Return the segment of each series that a model learned from."""
    return {
        name_of(series): value
        for value, forecaster in forecasters.items()
        for series in forecaster.fitted.series.ids
    }


def _text(path: Path | None) -> str | None:
    if path is None:
        return None
    return str(path)


def _refuse_unknown(
    folder: Path, segments: Segments, forecasters: Mapping[str, Forecaster], divided: Divided
) -> None:
    """Raise where series are of segments without a model.

    Raises:
        DataError: as above, with the series and the columns.
    """
    unknown = [value for value in divided.files if value not in forecasters]
    if not unknown:
        return
    series = [name for name, value in divided.series.items() if value in unknown]
    fitted = segments.of_value()
    reasons = [f"{value!r} in column {divided.by!r}" for value in unknown[:_SHOWN]]
    refused = [value for value in unknown if value in fitted]
    if refused:
        record = read_record(record_path(folder, fitted[refused[0]]))
        reasons.append(f"{refused[0]!r} was refused: {record.get('error', 'it was not fitted')}")
    raise DataError(
        f"{counted(len(series), 'series')} of the table ({_ids_in_words(divided)}{listed(series)}) "
        f"have no model in {folder}: {', '.join(reasons)}{and_more(len(unknown), _SHOWN)}; there "
        f"are models of {listed(forecasters)}: correct the cells, leave these rows out, or fit "
        f"again with them"
    )


def _ids_in_words(divided: Divided) -> str:
    """Return the columns of ids as the start of a list of series."""
    if not divided.ids:
        return ""
    return f"column {listed(divided.ids)}: "


def _forecast(
    folder: Path,
    segments: Segments,
    value: str,
    files: tuple[str | None, str | None],
    horizon: int | None,
    level: Sequence[float] | Literal["auto"],
    keep: bool,
) -> Forecast:
    """Forecast one segment, without a baseline, since each segment has another one.

    Raises:
        DataError: with the value of the segment in the message.
    """
    history, known = files
    run = run_folder(folder, segments.of_value()[value])
    try:
        forecast = predict_run(run, history, known=known, horizon=horizon, level=level, keep=keep)
    except DataError as error:
        raise DataError(f"segment {value!r}: {error}") from error
    return replace(forecast, baselines={})


def joined(forecasts: Sequence[Forecast]) -> pd.DataFrame:
    """Return the forecasts of all segments as one table.

    Ids and timestamps become text where they have another type in some segments, such as whole
    numbers beside words.
    """
    import pandas as pd

    frames = [forecast.frame() for forecast in forecasts]
    columns = forecasts[0].columns
    for name in (*columns.id_cols, columns.time_col, "cutoff"):
        if len({str(frame[name].dtype) for frame in frames}) > 1:
            frames = [frame.assign(**{name: frame[name].map(str)}) for frame in frames]
    return pd.concat(frames, ignore_index=True)
