"""Rolling-origin evaluation: models are fitted on the rows up to a cutoff and forecast the rest.

    |-- fitted on ---------------|-- horizon --|                        cutoff 1
    |-- fitted on ---------------------|-- horizon --|                  cutoff 2
          |-- fitted on ---------------------|-- horizon --|            cutoff 3, with `history`

Cutoffs whose forecasts come from one fit form a block: one cutoff where models are fitted at each,
all of them where they are fitted once. A model forecasts all windows of a block in one call.
Source: Tashman, Out-of-sample tests of forecasting accuracy, 2000, where the three ways are called
fixed-origin, rolling-origin with recalibration, and rolling window.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

import numpy as np

from forecast.axes import FloatArray, IntArray, check_shape
from forecast.data.panel import Panel
from forecast.data.per_series.subset import rows_before
from forecast.data.shown import stamp_at
from forecast.errors import DataError
from forecast.windows.splits import ends_of, first_rows_at

Levels = tuple[float, ...]


class FittedModel(Protocol):
    """A model that can forecast; its state depends on nothing but the rows it was fitted on."""

    @property
    def quantile_levels(self) -> Levels:
        """Ascending levels (Q,) of the quantiles it forecasts; empty for points alone."""

    def predict(self, panel: Panel, last: IntArray) -> tuple[FloatArray, FloatArray | None]:
        """Forecast windows.

        Args:
            panel: all rows. After the cutoff of a window only known covariates may be read.
            last: (B,) row of the panel at the cutoff of each window; the next H rows are
                consecutive steps.

        Returns:
            (B, H, D) in the unit of the data, and (B, H, D, Q) quantiles or None. NaN in windows it
            cannot forecast, such as those with a short history; these are left out for every model.
        """


@runtime_checkable
class Calibrated(Protocol):
    """Optional interface of a `FittedModel` with calibrated intervals, which adapt over cutoffs."""

    @property
    def lowest_end(self) -> FloatArray | None:
        """(D,) lower bound of interval ends, such as 0; None where intervals are not calibrated."""


class Model(Protocol):
    """A model that can be fitted to a panel, again and again."""

    def fit(self, panel: Panel) -> FittedModel:
        """Fit to all rows of a panel, which ends at the cutoff."""


@dataclass(frozen=True, eq=False)
class Plan:
    """The cutoffs of a backtest, and those at which models are fitted.

    Attributes:
        stops: (K, N) position after the cutoff of each series, ascending in K.
        horizon: H.
        each: cutoffs of a block; models are fitted at the first.
        history: most rows of each series to fit on, the latest; None for all.
    """

    stops: IntArray
    horizon: int
    each: int
    history: int | None = None

    @property
    def num_windows(self) -> int:
        """K."""
        return len(self.stops)

    @property
    def num_blocks(self) -> int:
        """Number of fits of every model."""
        return math.ceil(len(self.stops) / self.each)

    def cutoffs(self, block: int) -> range:
        """Return the numbers of the cutoffs of a block."""
        return range(block * self.each, min((block + 1) * self.each, len(self.stops)))

    def learned(self, panel: Panel, block: int) -> Panel:
        """Return the rows that the models of a block are fitted on."""
        stop = self.stops[block * self.each]
        return rows_before(panel, first_rows_at(panel, stop), most=self.history)

    def windows(self, panel: Panel, block: int) -> IntArray:
        """Return (B,) the row at the cutoff of every window of a block; none spans a gap."""
        stops = self.stops[self.cutoffs(block)]
        return np.concatenate([self._windows_at(panel, stop) for stop in stops])

    def _windows_at(self, panel: Panel, stop: IntArray) -> IntArray:
        last = first_rows_at(panel, stop) - 1
        is_inside = (last >= panel.offsets[:-1]) & (last + self.horizon < panel.offsets[1:])
        last = last[is_inside]
        cutoff = stop[is_inside] - 1

        # Without a gap, H rows later is H steps later.
        is_whole = panel.positions[last + self.horizon] == cutoff + self.horizon
        return last[is_whole & (panel.positions[last] == cutoff)]


def make_plan(
    panel: Panel,
    horizon: int,
    *,
    num_windows: int,
    step: int,
    each: int,
    history: int | None = None,
    by: Literal["time", "series"] = "time",
) -> Plan:
    """Place cutoffs so that the last one has a whole horizon after it.

    Args:
        panel: the series.
        horizon: H.
        num_windows: K.
        step: steps from one cutoff to the next.
        each: cutoffs per fit.
        history: most rows of each series to fit on; None for all.
        by: `time`: one cutoff for all series. `series`: counted back from the end of each.

    Raises:
        DataError: no row comes before the first cutoff.
    """
    steps_back = horizon + step * np.arange(num_windows)[::-1, None]
    stops = ends_of(panel, by) - steps_back
    if not (first_rows_at(panel, stops[0]) > panel.offsets[:-1]).any():
        raise DataError(
            f"{num_windows} cutoffs {step} steps apart and a horizon of {horizon} take the last "
            f"{int(steps_back[0, 0])} steps, which leaves no row before them: lower "
            f"`backtest.num_windows`, `backtest.step` or `windows.horizon`, or give more rows"
        )
    return Plan(stops, horizon, each, history)


@dataclass(frozen=True, eq=False)
class Block:
    """Forecasts of all models from one fit.

    Attributes:
        last: (W,) row of the panel at the cutoff of each window.
        forecasts: (W, H, D) of every model.
        quantiles: (W, H, D, Q) of the models that forecast them.
        levels: their Q levels.
        lowest: (D,) lower bound of interval ends, of the models with calibrated intervals.
        left_out: windows that some model could not forecast, by its name.
    """

    last: IntArray
    forecasts: dict[str, FloatArray]
    quantiles: dict[str, FloatArray] = field(default_factory=dict)
    levels: dict[str, Levels] = field(default_factory=dict)
    lowest: dict[str, FloatArray] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)


def run_block(panel: Panel, plan: Plan, block: int, models: Mapping[str, Model]) -> Block:
    """Fit every model at the first cutoff of a block, and forecast all windows of the block.

    Args:
        panel: all rows.
        plan: the cutoffs.
        block: its number.
        models: by alias.

    Raises:
        DataError: the rows before the cutoff are too few for a model.
        ShapeError: a model returns another shape than announced.
    """
    learned = plan.learned(panel, block)
    last = plan.windows(panel, block)
    sizes = {"B": len(last), "H": plan.horizon, "D": len(panel.columns.target_cols)}

    forecasts: dict[str, FloatArray] = {}
    quantiles: dict[str, FloatArray] = {}
    levels: dict[str, Levels] = {}
    lowest: dict[str, FloatArray] = {}
    for name, model in models.items():
        fitted = _fit(name, model, learned)
        forecasts[name], spread = fitted.predict(panel, last)
        check_shape(f"forecast of {name}", forecasts[name], "BHD", **sizes)
        if spread is not None:
            levels[name] = fitted.quantile_levels
            check_shape(f"quantiles of {name}", spread, "BHDQ", **sizes, Q=len(levels[name]))
            quantiles[name] = spread
        if isinstance(fitted, Calibrated) and fitted.lowest_end is not None:
            lowest[name] = fitted.lowest_end

    # Models are compared on the windows that all of them can forecast.
    is_forecast = {name: np.isfinite(values).all(axis=(1, 2)) for name, values in forecasts.items()}
    for name, spread in quantiles.items():
        is_forecast[name] &= ~np.isnan(spread).any(axis=(1, 2, 3))
    by_all = np.logical_and.reduce(list(is_forecast.values()))
    missing = {name: int((~mask).sum()) for name, mask in is_forecast.items()}
    return Block(
        last=last[by_all],
        forecasts={name: values[by_all] for name, values in forecasts.items()},
        quantiles={name: values[by_all] for name, values in quantiles.items()},
        levels=levels,
        lowest=lowest,
        left_out={name: count for name, count in missing.items() if count},
    )


def _fit(name: str, model: Model, learned: Panel) -> FittedModel:
    """Fit one model; an error names the cutoff."""
    try:
        return model.fit(learned)
    except DataError as error:
        cutoff = stamp_at(learned.freq, learned.timestamps.max())
        raise DataError(f"{name} cannot be fitted on the rows up to {cutoff}: {error}") from error
