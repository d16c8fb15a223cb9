"""The check of a file: it forecasts windows of a table as the forecaster does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray, evenly_spaced
from forecast.baselines.compare import history_reader
from forecast.baselines.lengths import smoothed_rows
from forecast.baselines.simple import ETS
from forecast.baselines.smoothing import Smoothing
from forecast.data.panel import Panel
from forecast.errors import ArtifactError, DataError
from forecast.export.signature import Signature
from forecast.export.window_inputs import Inputs, window_inputs
from forecast.forecasting.fitted import Fitted, align
from forecast.forecasting.predict import forecast_windows
from forecast.transforms.missing import fill_missing
from forecast.transforms.scaling import Scaler
from forecast.windows.index import WindowIndex, index_windows
from forecast.windows.splits import Part
from forecast.windows.windowed import WindowedFeatures

Run = Callable[[Inputs], Mapping[str, NDArray[Any]]]
"""Runs a file on inputs."""

NUM_WINDOWS = 200
"""Windows that are compared, at most, evenly spaced over the table."""

TOLERANCE = 1e-5
"""Largest relative difference of a file that is kept; float32 sums in another order differ by about
1e-7."""


@dataclass(frozen=True, eq=False)
class Checked:
    """Windows of a table with their forecasts.

    Attributes:
        inputs: of the file.
        outputs: that the forecaster gives for them, by name.
        sizes: (B, 1, D) largest number in the context and the forecast of a window, or that a
            scale of all series together has: a network cannot resolve less than a share of it.
    """

    inputs: Inputs
    outputs: dict[str, FloatArray]
    sizes: FloatArray

    def difference(self, run: Run) -> float:
        """Return the largest difference of a file, relative to the numbers of the window.

        Args:
            run: runs the file.
        """
        found = run(self.inputs)
        largest = 0.0
        for name, expected in self.outputs.items():
            if found[name].shape != expected.shape:
                return np.inf
            sizes = self.sizes[..., None] if expected.ndim == 4 else self.sizes
            largest = max(largest, float(np.max(np.abs(found[name] - expected) / sizes)))
            if not np.isfinite(found[name]).all():
                return np.inf
        return largest

    def example(self) -> dict[str, Any]:
        """Return the last window as JSON values, NaN as null."""
        inputs = {name: _listed(array[-1:]) for name, array in self.inputs.items()}
        outputs = {name: _listed(array[-1:]) for name, array in self.outputs.items()}
        return {"inputs": inputs, "outputs": outputs}


def checked_windows(fitted: Fitted, signature: Signature, panel: Panel) -> Checked:
    """Forecast windows of a table, to hold a file against.

    Args:
        fitted: the state, with the members of the file.
        signature: of the file.
        panel: the table.

    Raises:
        DataError: no window fits into the table.
    """
    aligned = align(fitted, panel, Part.whole(panel))
    windows = _windows(aligned, signature, panel)
    count = np.arange(len(windows))
    values, quantiles = forecast_windows(aligned, panel, windows, count)
    if ETS in fitted.weights:
        _smooth_new_series(values, fitted, aligned, panel, windows)
    inputs = window_inputs(signature, fitted, aligned, panel, windows)
    outputs = {"forecast": values}
    if quantiles is not None:
        outputs["quantiles"] = quantiles
    context = np.abs(inputs["history"][:, -signature.context_rows :])
    sizes = np.maximum(context.max(axis=1), np.abs(values).max(axis=1))
    sizes = np.maximum(sizes, _common_scale(fitted))
    sizes = np.where(sizes > 0, sizes, 1.0)
    return Checked(inputs, outputs, sizes[:, None])


def _smooth_new_series(
    values: FloatArray, fitted: Fitted, aligned: Fitted, panel: Panel, windows: WindowedFeatures
) -> None:
    """Forecast windows of new series again, with smoothing that is fitted to the rows before them.

    `align` fits it to all rows of a new series, as they are all before a forecast of the steps
    after the table. A file has the rows of a window alone.

    Args:
        values: (B, H, D) forecasts, changed in place.
        fitted: the state as it was trained.
        aligned: the same, aligned with the panel.
        panel: the series.
        windows: the B windows.
    """
    series, first = windows.index.locate(np.arange(len(windows)))
    last = first + windows.index.context_length - 1
    is_new = fitted.series.index_of(panel.series_ids)[series] < 0
    targets = windows.features.filled.values[:, : fitted.shape.num_targets]
    history = history_reader(panel, targets, smoothed_rows(fitted.season_length))
    numbers = np.flatnonzero(is_new)
    if not len(numbers):
        return
    smoothing = Smoothing.fit(history(last[numbers]), fitted.season_length)
    for place, number in enumerate(numbers):
        everywhere = smoothing.take(np.full(panel.num_series, place))
        own = replace(aligned, smoothing=everywhere)
        values[number] = forecast_windows(own, panel, windows, np.array([number]))[0]


def _common_scale(fitted: Fitted) -> FloatArray:
    """Return (D,) the size of a scale of all series in the unit of the data, or 0."""
    stages = fitted.feature_map.target.stages
    if not stages or not isinstance(stages[0], Scaler) or stages[0].per_series:
        return np.zeros(fitted.shape.num_targets)
    return np.maximum(np.abs(stages[0].centre), stages[0].scale)


def require_parity(checked: Checked, run: Run) -> float:
    """Return the difference of a file.

    Raises:
        ArtifactError: it is too large.
    """
    difference = checked.difference(run)
    if not difference <= TOLERANCE:
        raise ArtifactError(
            f"the exported file differs from the forecaster by {difference:.2g} of the values on "
            f"{len(checked.sizes)} windows of the table; expected at most {TOLERANCE:g}: nothing "
            f"was written; forecast with this package, or, where litert with its 32 bits is at its "
            f"limit, export as onnx"
        )
    return difference


def _windows(fitted: Fitted, signature: Signature, panel: Panel) -> WindowedFeatures:
    """Return windows of the table, evenly spaced, whose horizon is in it too."""
    policy = fitted.config.data.missing
    if policy == "refuse":
        policy = "forward_fill"  # rows behind the last target have none
    filled = fill_missing(panel, policy)[0]
    features = fitted.feature_map.apply(panel, filled)
    shape = fitted.shape
    whole = index_windows(panel, shape.context_length, shape.horizon, usable=features.usable)
    numbers = np.arange(len(whole))
    if filled.interpolated is not None and filled.observed is not None:
        # a simple member reads other values in a gap than a network
        first = whole.locate(numbers)[1]
        rows = first[:, None] + np.arange(
            shape.context_length - signature.context_rows, shape.context_length
        )
        numbers = numbers[filled.observed[rows].all(axis=(1, 2))]
    numbers = numbers[evenly_spaced(len(numbers), NUM_WINDOWS)] if len(numbers) else numbers
    if not len(numbers):
        raise DataError(
            f"the table has no stretch of {signature.context_rows + shape.horizon} rows to check "
            f"the file on: name a longer table"
        )
    series, first = whole.locate(numbers)
    ends = np.arange(1, len(numbers) + 1, dtype=np.int64)
    index = WindowIndex(shape.context_length, shape.horizon, 1, series, first, ends)
    return WindowedFeatures(features, index)


def _listed(array: NDArray[Any]) -> Any:
    """Return an array as lists, NaN as None."""
    if array.dtype.kind == "f":
        numbers = array.astype(object)
        numbers[np.isnan(array)] = None
        return numbers.tolist()
    return array.tolist()
