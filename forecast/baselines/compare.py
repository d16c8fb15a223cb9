"""Comparison: models and baselines forecast the same windows, beside the actual values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray, check_shape
from forecast.baselines.lengths import Steps
from forecast.baselines.ridge import RidgeWindow
from forecast.baselines.simple import BASELINES, ETS, LINEAR, Baseline
from forecast.baselines.smoothing import Smoothing
from forecast.data.panel import Panel
from forecast.errors import DataError
from forecast.scores.evaluation import BacktestResult
from forecast.windows.index import WindowIndex, contiguous_runs

if TYPE_CHECKING:
    from forecast.transforms.missing import Filled


Predict = Callable[[IntArray], FloatArray]


BATCH_VALUES = 4_000_000
"""Values of the history gathered at once: 32 MB."""


def compare(
    panel: Panel,
    index: WindowIndex,
    *,
    filled: Filled,
    models: Mapping[str, Predict],
    baselines: Mapping[str, Baseline],
    steps: Steps,
    scale: FloatArray,
) -> BacktestResult:
    """Forecast all windows of an index with models and baselines.

    Args:
        panel: the series.
        index: the windows, for example those of the test set.
        filled: the panel after the missing policy: baselines read its values, and values that were
            not observed are not scored.
        models: by alias, functions of window numbers (B,) that return (B, H, D) in the unit of the
            data; the first one is evaluated, the others are listed.
        baselines: by name, functions of the history (B, M, D) and of the series (B,).
        steps: lengths that the baselines read, M and the season among them.
        scale: (N, D) `seasonal_errors` of the training rows.

    Returns:
        Actual values and all forecasts, every window in the order of its number, none dropped.

    Raises:
        DataError: there is no window or no model, two share a name, or a forecast is not finite.
    """
    _check_models(index, models, baselines)
    num_targets = len(panel.columns.target_cols)
    check_shape("scale", scale, "ND", N=panel.num_series, D=num_targets)
    series, first = index.locate(np.arange(len(index)))
    last = first + index.context_length - 1
    ahead = index.horizon_rows(first)
    shape = (len(index), index.horizon, num_targets)
    forecasts = {name: np.empty(shape) for name in (*models, *baselines)}
    length = steps.history_length
    history_of = history_reader(panel, filled.values[:, :num_targets], length)
    for numbers in batches_of_history(len(index), length * num_targets):
        history = history_of(last[numbers])
        batch = {name: model(numbers) for name, model in models.items()}
        of_series = series[numbers]
        batch |= {name: baseline(history, of_series) for name, baseline in baselines.items()}
        for name, values in batch.items():
            check_shape(
                f"forecast of {name}", values, "BHD", B=len(numbers), H=shape[1], D=shape[2]
            )
            forecasts[name][numbers] = values
    for name, values in forecasts.items():
        _check_finite(name, values, panel.series_ids[series], panel.timestamps[last])
    return BacktestResult(
        alias=next(iter(models)),
        baselines=tuple(baselines),
        series_ids=panel.series_ids,
        series=series,
        cutoffs=panel.timestamps[last],
        stamps=panel.timestamps[ahead],
        actual=filled.measured(num_targets)[ahead],
        forecasts=forecasts,
        scale=scale[series],
        season_length=steps.season_length,
        columns=panel.columns,
        freq=panel.freq,
    )


def batches_of_history(count: int, values_each: int) -> Iterator[IntArray]:
    """Numbers 0 .. `count` - 1 in batches whose histories have about `BATCH_VALUES` values."""
    size = min(max(BATCH_VALUES // values_each, 1), 4096)
    return (np.arange(start, min(start + size, count)) for start in range(0, count, size))


def history_reader(
    panel: Panel, targets: FloatArray, length: int
) -> Callable[[IntArray], FloatArray]:
    """Return a function from last rows (B,) to the `length` rows that end there, (B, length, D).

    Rows before the start of a series or before a gap are NaN.

    Args:
        panel: the series.
        targets: (R, D) values of all rows.
        length: rows to read.
    """
    starts, _, _ = contiguous_runs(panel)

    def history(last: IntArray) -> FloatArray:
        rows = last[:, None] + np.arange(1 - length, 1)
        begins = starts[np.searchsorted(starts, last, side="right") - 1]
        inside = rows >= begins[:, None]
        return np.where(inside[:, :, None], targets[np.maximum(rows, 0)], np.nan)

    return history


def _check_models(
    index: WindowIndex, models: Mapping[str, Predict], baselines: Mapping[str, Baseline]
) -> None:
    if not len(index):
        raise DataError(
            f"no window of {index.context_length} + {index.horizon} steps to evaluate on: use a "
            f"larger test set, a shorter horizon or a shorter context"
        )
    if not models:
        raise DataError("no model was given; expected at least one")
    double = sorted(models.keys() & baselines.keys())
    if double:
        raise DataError(
            f"{double[0]!r} names a model and a baseline; expected different names: rename the "
            f"model"
        )


def _check_finite(
    name: str, values: FloatArray, series_ids: NDArray[np.object_], cutoffs: NDArray[np.generic]
) -> None:
    bad = np.flatnonzero(~np.isfinite(values).all(axis=(1, 2)))
    if len(bad):
        window = bad[0]
        raise DataError(
            f"{name} forecast NaN or inf in {len(bad)} of {len(values)} windows, first series "
            f"{series_ids[window]!r} after cutoff {cutoffs[window]}; expected finite numbers: "
            f"check the training log and the scale of the data"
        )


def all_baselines(
    steps: Steps, *, ridge: RidgeWindow | None = None, smoothing: Smoothing | None = None
) -> dict[str, Baseline]:
    """Return the baselines as functions of the history and the series.

    Args:
        steps: lengths of the task.
        ridge: the fitted `linear` baseline; without it there is none.
        smoothing: the fitted `ets` baseline, of the series that are forecast; likewise.
    """
    baselines: dict[str, Baseline] = {
        name: _bind(function, steps) for name, function in BASELINES.items()
    }
    if smoothing is not None:
        baselines[ETS] = lambda history, series: smoothing.predict(history, series, steps.horizon)
    if ridge is not None:
        baselines[LINEAR] = lambda history, _: ridge.predict(history)
    return baselines


def _bind(function: Callable[[FloatArray, Steps], FloatArray], steps: Steps) -> Baseline:
    return lambda history, _: function(history, steps)
