"""Rolling-origin evaluation: models are fitted on the rows up to a cutoff and forecast what follows it.

    |-- learned from ------------|-- horizon --|                              cutoff 1
    |-- learned from ------------------|-- horizon --|                        cutoff 2
          |-- learned from ------------------|-- horizon --|                  cutoff 3, of a history that slides

Cutoffs whose forecasts come from one fit form a block: one cutoff where models are fitted at each,
all of them where they are fitted once. A model forecasts all windows of a block in one call.
Source: Tashman, Out-of-sample tests of forecasting accuracy, 2000, who calls the three ways
fixed-origin, rolling-origin with recalibration, and rolling window.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import pandas as pd

from forecast.axes import FloatArray, IntArray, check_shape
from forecast.data.panel import Panel, shown_stamps
from forecast.data.subset import rows_before
from forecast.errors import DataError
from forecast.intervals.adaptive import adapt_intervals
from forecast.scores.evaluation import BacktestResult
from forecast.scores.forecast import Forecast
from forecast.scores.seasonal import seasonal_errors
from forecast.scores.verdict import Scores
from forecast.windows.splits import Part, ends_of, first_rows_at

Levels = tuple[float, ...]


class FittedModel(Protocol):
    """What forecasts; everything in it was made from the rows it was fitted on."""

    @property
    def quantile_levels(self) -> Levels:
        """Ascending levels (Q,) of the quantiles it forecasts; none where it forecasts points alone."""

    def predict(self, panel: Panel, last: IntArray) -> tuple[FloatArray, FloatArray | None]:
        """Forecast windows.

        Args:
            panel: all rows. What comes after a window's cutoff may be read of known covariates
                alone.
            last: (B,) row of the panel at the cutoff of each window; the next H rows are neighbours
                in time.

        Returns:
            (B, H, D) in the unit of the data, and (B, H, D, Q) quantiles or None. NaN in windows it
            cannot forecast, for example because their history is too short; these are left out for
            every model.
        """


@runtime_checkable
class Calibrated(Protocol):
    """What a `FittedModel` may have too: intervals that were calibrated, and so adapt from cutoff to cutoff."""

    @property
    def lowest_end(self) -> FloatArray | None:
        """(D,) below which no interval ends, unless the point does; None where intervals are not calibrated."""


class Model(Protocol):
    """What can be fitted on a panel, again and again."""

    def fit(self, panel: Panel) -> FittedModel:
        """Fit on all rows of a panel, which ends at the cutoff."""


@dataclass(frozen=True, eq=False)
class Plan:
    """Which cutoffs there are, and where models are fitted.

    Attributes:
        stops: (K, N) position after the cutoff of each series, ascending in K.
        horizon: H.
        each: cutoffs of a block; models are fitted at the first.
        history: rows of each series that are learned from, at most; None for all.
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
        """Fits of every model."""
        return -(-len(self.stops) // self.each)

    def cutoffs(self, block: int) -> range:
        """Numbers of the cutoffs of a block."""
        return range(block * self.each, min((block + 1) * self.each, len(self.stops)))

    def learned(self, panel: Panel, block: int) -> Panel:
        """The rows that the models of a block are fitted on."""
        return rows_before(
            panel, first_rows_at(panel, self.stops[block * self.each]), most=self.history
        )

    def windows(self, panel: Panel, block: int) -> IntArray:
        """(B,) row at the cutoff of every window of a block; none where a gap is at the cutoff or in the horizon."""
        return np.concatenate(
            [self._windows_at(panel, stop) for stop in self.stops[self.cutoffs(block)]]
        )

    def _windows_at(self, panel: Panel, stop: IntArray) -> IntArray:
        last = first_rows_at(panel, stop) - 1
        inside = (last >= panel.offsets[:-1]) & (last + self.horizon < panel.offsets[1:])
        last, cutoff = last[inside], stop[inside] - 1
        whole = (
            panel.positions[last + self.horizon] == cutoff + self.horizon
        )  # so many rows on, so many steps on
        return last[whole & (panel.positions[last] == cutoff)]


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
    """Place cutoffs so that the last one leaves the horizon after it.

    Args:
        panel: the series.
        horizon: H.
        num_windows: K.
        step: from one cutoff to the next.
        each: cutoffs that are forecast from one fit.
        history: rows of each series that are learned from, at most.
        by: `time`: one cutoff for all series. `series`: counted back from the last stamp of each.

    Raises:
        DataError: no row comes before the first cutoff.
    """
    back = horizon + step * np.arange(num_windows)[::-1, None]
    stops = ends_of(panel, by) - back
    if not (first_rows_at(panel, stops[0]) > panel.offsets[:-1]).any():
        raise DataError(
            f"{num_windows} cutoffs {step} steps apart and a horizon of {horizon} take the last "
            f"{int(back[0, 0])} "
            "steps, which leaves no row before them: lower backtest.num_windows, backtest.step or "
            "windows.horizon, "
            "or give more rows"
        )
    return Plan(stops, horizon, each, history)


@dataclass(frozen=True, eq=False)
class Block:
    """What the models said after one fit.

    Attributes:
        last: (W,) row of the panel at the cutoff of each window.
        forecasts: (W, H, D) of every model.
        quantiles: (W, H, D, Q) of the models that forecast them.
        levels: their Q levels.
        lowest: (D,) below which no interval ends, of the models whose intervals are calibrated.
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
    learned, last = plan.learned(panel, block), plan.windows(panel, block)
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
        if isinstance(fitted, Calibrated) and (bound := fitted.lowest_end) is not None:
            lowest[name] = bound
    able = {name: np.isfinite(values).all(axis=(1, 2)) for name, values in forecasts.items()}
    for name, spread in quantiles.items():
        able[name] &= ~np.isnan(spread).any(axis=(1, 2, 3))
    kept = np.logical_and.reduce(list(able.values()))
    return Block(
        last[kept],
        {name: values[kept] for name, values in forecasts.items()},
        {name: values[kept] for name, values in quantiles.items()},
        levels,
        lowest,
        {name: int((~one).sum()) for name, one in able.items() if not one.all()},
    )


def _fit(name: str, model: Model, learned: Panel) -> FittedModel:
    """Fit one model; an error says at which cutoff."""
    try:
        return model.fit(learned)
    except DataError as error:
        cutoff = shown_stamps(learned, learned.timestamps.max(keepdims=True))[0]
        raise DataError(f"{name} cannot be fitted on the rows up to {cutoff}: {error}") from error


@dataclass(frozen=True, eq=False)
class RollingResult:
    """What every model said at every cutoff, beside what happened.

    Attributes:
        result: forecasts and actual values, series by series, and the quantiles of the judged
            model.
        others: forecasts with quantiles of the other models that write some, one per window of
            `result`.
        left_out: windows that some model could not forecast, by its name.
    """

    result: BacktestResult
    others: tuple[Forecast, ...]
    left_out: dict[str, int]

    def scores(self) -> Scores:
        """Score every model over all windows, steps and targets at once.

        Quantiles of another model are scored where its levels are those of the evaluated model.
        """
        scores = self.result.scores()
        values = dict(scores.values)
        for other in self.others:
            if other.quantile_levels == self.result.quantile_levels:
                values[other.alias] = self.result.scores_of(other)
        notes = tuple(
            f"{count:,} windows are left out, for every model, because {name} cannot forecast them"
            for name, count in self.left_out.items()
        )
        return replace(scores, values=values, notes=scores.notes + notes)

    def frame(self) -> pd.DataFrame:
        """Long table: id, time, `cutoff`, the targets, then of every model its forecast, and all quantiles.

        The columns are those of `utilsforecast.evaluation.evaluate`.
        """
        table = self.result.frame()
        for forecast in self.others:
            wide = forecast.frame()
            table = table.join(wide[wide.columns.difference(table.columns, sort=False)])
        return table


def gather(
    panel: Panel,
    plan: Plan,
    blocks: Sequence[Block],
    *,
    measured: FloatArray,
    baselines: Sequence[str],
    season_length: int,
) -> RollingResult:
    """Put blocks together.

    Args:
        panel: all rows.
        plan: the cutoffs.
        blocks: all of them.
        measured: (R, D) what happened; NaN where nothing was measured.
        baselines: which models are baselines; the first other one is judged, or the first where all
            are.
        season_length: m, of the scale of MASE: the seasonal errors of the rows before the first
            cutoff.

    Raises:
        DataError: no window could be forecast.
    """
    last = np.concatenate([one.last for one in blocks])
    left_out = _totals(one.left_out for one in blocks)
    if not len(last):
        cause = (
            ", ".join(f"{name} left out {count:,}" for name, count in left_out.items())
            or "there is none"
        )
        raise DataError(
            f"no window could be forecast ({cause}): each takes a context and {plan.horizon} steps "
            f"without a gap; use "
            "a shorter context or horizon, or fewer cutoffs"
        )
    order = np.argsort(last, kind="stable")  # rows are series by series, and in order of time
    last = last[order]
    names = list(blocks[0].forecasts)
    judged = next((name for name in names if name not in baselines), names[0])
    series = panel.series_at(last)
    ahead = last[:, None] + np.arange(1, plan.horizon + 1)
    before = Part(panel.offsets[:-1], first_rows_at(panel, plan.stops[0]))
    result = BacktestResult(
        alias=judged,
        baselines=tuple(name for name in names if name in baselines and name != judged),
        series_ids=panel.series_ids,
        series=series,
        cutoffs=panel.timestamps[last],
        stamps=panel.timestamps[ahead],
        actual=measured[ahead],
        forecasts={
            name: np.concatenate([one.forecasts[name] for one in blocks])[order]
            for name in sorted(names, key=lambda one: one != judged)
        },
        scale=seasonal_errors(panel, season_length, part=before)[series],
        season_length=season_length,
        columns=panel.columns,
        freq=panel.freq,
    )
    spread = {
        name: _with_quantiles(result, name, blocks, order)
        for name in names
        if _levels_of(name, blocks)
    }
    result = spread.pop(judged, result)
    others = tuple(one.forecast(name, np.arange(len(last))) for name, one in spread.items())
    return RollingResult(result, others, left_out)


def _levels_of(name: str, blocks: Sequence[Block]) -> Levels:
    """The quantile levels that a model writes after every fit; early fits may have too few rows for all of them."""
    levels = [one.levels.get(name, ()) for one in blocks]
    return tuple(level for level in levels[0] if all(level in one for one in levels))


def _with_quantiles(
    result: BacktestResult, name: str, blocks: Sequence[Block], order: IntArray
) -> BacktestResult:
    """The result with the quantiles of one model, which is then the judged one; where calibrated, they adapt."""
    levels = _levels_of(name, blocks)
    quantiles = [
        one.quantiles[name][..., [one.levels[name].index(level) for level in levels]]
        for one in blocks
    ]
    found = replace(
        result, alias=name, quantile_levels=levels, quantiles=np.concatenate(quantiles)[order]
    )
    if not all(name in one.lowest for one in blocks):
        return found
    lowest = np.concatenate(
        [np.repeat(one.lowest[name][None], len(one.last), axis=0) for one in blocks]
    )
    return adapt_intervals(found, lowest=lowest[order][:, None])


def _totals(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for one in counts:
        for name, count in one.items():
            total[name] = total.get(name, 0) + count
    return total
