"""Blocks of a backtest put together: forecasts of all models beside the actual values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from forecast.axes import FloatArray, IntArray
from forecast.backtest.rolling import Block, Levels, Plan
from forecast.data.findings import counted
from forecast.data.panel import Panel
from forecast.errors import DataError
from forecast.intervals.adaptive import adapt_intervals
from forecast.scores.evaluation import BacktestResult
from forecast.scores.forecast import Forecast
from forecast.scores.seasonal import seasonal_errors
from forecast.scores.verdict import Scores
from forecast.windows.splits import Part, first_rows_at


@dataclass(frozen=True, eq=False)
class RollingResult:
    """Forecasts of every model at every cutoff, beside the actual values.

    Attributes:
        result: forecasts and actual values, series by series, and the quantiles of the evaluated
            model.
        others: forecasts with quantiles of the other models that write some, one per window of
            `result`.
        left_out: windows that some model could not forecast, by its name.
    """

    result: BacktestResult
    others: tuple[Forecast, ...]
    left_out: dict[str, int]

    def __repr__(self) -> str:
        num_cutoffs = len(np.unique(self.result.cutoffs))
        names = ", ".join(self.result.forecasts)
        windows = counted(len(self.result.cutoffs), "window")
        return f"RollingResult({windows} from {counted(num_cutoffs, 'cutoff')}; models: {names})"

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
            f"left out for every model: {counted(count, 'window')} without a forecast of {name}"
            for name, count in self.left_out.items()
        )
        return replace(scores, values=values, notes=scores.notes + notes)

    def frame(self) -> pd.DataFrame:
        """Return a long table: id, time, `cutoff`, targets, forecasts of every model, quantiles.

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
        measured: (R, D) actual values; NaN where nothing was measured.
        baselines: names of baselines. The first other model is evaluated against them, or the first
            model where all are baselines.
        season_length: m, for the scale of MASE: seasonal errors of the rows before the first
            cutoff.

    Raises:
        DataError: no window could be forecast.
    """
    last = np.concatenate([block.last for block in blocks])
    left_out: Counter[str] = Counter()
    for block in blocks:
        left_out.update(block.left_out)
    if not len(last):
        causes = [f"{name} left out {count:,}" for name, count in left_out.items()]
        raise DataError(
            f"no window could be forecast ({', '.join(causes) or 'there is none'}): each takes a "
            f"context and {plan.horizon} steps without a gap; use a shorter context or horizon, "
            f"or fewer cutoffs"
        )

    order = np.argsort(last, kind="stable")  # rows are ordered by series, then by time
    last = last[order]
    names = list(blocks[0].forecasts)
    others = [name for name in names if name not in baselines]
    evaluated = (others or names)[0]
    names = [evaluated, *(name for name in names if name != evaluated)]

    series = panel.series_at(last)
    ahead = last[:, None] + np.arange(1, plan.horizon + 1)  # (W, H) rows of the horizon
    before = Part(panel.offsets[:-1], first_rows_at(panel, plan.stops[0]))
    points = BacktestResult(
        alias=evaluated,
        baselines=tuple(name for name in names if name in baselines and name != evaluated),
        series_ids=panel.series_ids,
        series=series,
        cutoffs=panel.timestamps[last],
        stamps=panel.timestamps[ahead],
        actual=measured[ahead],
        forecasts={
            name: np.concatenate([block.forecasts[name] for block in blocks])[order]
            for name in names
        },
        scale=seasonal_errors(panel, season_length, part=before)[series],
        season_length=season_length,
        columns=panel.columns,
        freq=panel.freq,
    )

    result = points
    forecasts = []
    for name in names:
        levels = _common_levels(name, blocks)
        if not levels:
            continue
        with_quantiles = _with_quantiles(points, name, levels, blocks, order)
        if name == evaluated:
            result = with_quantiles
        else:
            forecasts.append(with_quantiles.forecast(name, np.arange(len(last))))
    return RollingResult(result, tuple(forecasts), dict(left_out))


def _common_levels(name: str, blocks: Sequence[Block]) -> Levels:
    """Return the quantile levels of a model in every block; early fits may support fewer."""
    levels = [block.levels.get(name, ()) for block in blocks]
    return tuple(level for level in levels[0] if all(level in others for others in levels))


def _with_quantiles(
    result: BacktestResult,
    name: str,
    levels: Levels,
    blocks: Sequence[Block],
    order: IntArray,
) -> BacktestResult:
    """Return the result of one model with its quantiles, adapted over cutoffs if calibrated."""
    quantiles = []
    for block in blocks:
        columns = [block.levels[name].index(level) for level in levels]
        quantiles.append(block.quantiles[name][..., columns])
    of_model = replace(
        result, alias=name, quantile_levels=levels, quantiles=np.concatenate(quantiles)[order]
    )
    if not all(name in block.lowest for block in blocks):
        return of_model

    lowest = [  # (W, D) of the windows of each block
        np.repeat(block.lowest[name][None], len(block.last), axis=0) for block in blocks
    ]
    return adapt_intervals(of_model, lowest=np.concatenate(lowest)[order][:, None])
