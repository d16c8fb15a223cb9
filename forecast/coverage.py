"""Whether intervals hold as much as they say: by step, by series and overall; and intervals that learn from it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.errors import DataError
from forecast.intervals import RATE, adaptive_factors, binomial_band, effective_windows, nested
from forecast.results import BacktestResult

Array = NDArray[np.float64]
Group = Literal["step", "series", "overall"]
Chosen = tuple[Any, ...]
"""Index into (W, H, D)."""

COLUMNS = ("level", "values", "effective", "covered", "low", "high", "inside")


def central_levels(result: BacktestResult) -> dict[float, tuple[int, int]]:
    """The intervals of a result by their level in per cent: places of the lower and the upper end."""
    levels = result.quantile_levels
    pairs = {
        round(100.0 * (1.0 - 2.0 * low), 8): (place, other)
        for place, low in enumerate(levels)
        for other, high in enumerate(levels)
        if low < 0.5 and abs(low + high - 1.0) < 1e-9
    }
    return dict(sorted(pairs.items()))


def coverage_by(result: BacktestResult, group: Group) -> pd.DataFrame:
    """Share of what came that the intervals of the judged model held.

    Args:
        result: an evaluation with intervals.
        group: `step` of the horizon, `series`, or `overall`.

    Returns:
        One row per group and level: `group` (named `step` or `series` where it is that), `level` in per cent, measured
        `values`, the `effective` number of windows that say something of their own
        (`forecast.intervals.effective_windows`; over all steps those that do not overlap), the share `covered`, the
        shares `low` to `high` between which 95 % of samples of so many windows lie where the intervals are right, and
        whether it is `inside` them.

    Raises:
        DataError: there are no intervals.
    """
    pairs = central_levels(result)
    if not pairs or result.quantiles is None:
        raise DataError(
            f"the evaluation of {result.alias} holds no intervals: train with evaluation.calibration_size above 0, "
            "or with training.loss quantile"
        )
    positions, horizon = result.freq.positions(result.cutoffs), result.actual.shape[1]
    measured = np.isfinite(result.actual)
    rows = []
    for level, (low, high) in pairs.items():
        held = (result.quantiles[..., low] <= result.actual) & (result.actual <= result.quantiles[..., high])
        for name, chosen, step in _groups(result, group):
            count = int(measured[chosen].sum())
            effective = _effective(positions, result, chosen, step or horizon)
            covered = float(held[chosen].sum() / count) if count else float("nan")
            band = binomial_band(level / 100.0, effective)
            rows.append((name, level, count, effective, covered, *band, band[0] <= covered <= band[1]))
    first = "group" if group == "overall" else group
    return pd.DataFrame(rows, columns=[first, *COLUMNS])


def coverage_text(result: BacktestResult) -> str:
    """One sentence per level; empty where there are no intervals."""
    if not central_levels(result):
        return ""
    steps, lines = coverage_by(result, "step"), []
    for row in coverage_by(result, "overall").to_dict("records"):
        own = steps[steps["level"] == row["level"]]
        wrong = "less than they should" if row["covered"] < row["low"] else "more than they should"
        verdict = "as they should" if row["inside"] else wrong
        covered, low, high = (100 * row[name] for name in ("covered", "low", "high"))
        lines.append(
            f"{row['level']:g} % intervals hold {covered:.1f} % of what came, {verdict} "
            f"({low:.1f} to {high:.1f} % may be chance); so do {int(own['inside'].sum())} of {len(own)} single steps."
        )
    return "\n".join(lines)


def adapt_intervals(result: BacktestResult, *, rate: float = RATE) -> BacktestResult:
    """The same evaluation with intervals that widen and narrow from cutoff to cutoff, by what was seen until then.

    Args:
        result: an evaluation with intervals.
        rate: of `forecast.intervals.adaptive_factors`.

    Returns:
        The result with other quantiles; no interval knows what came after its cutoff.
    """
    if result.quantiles is None:
        return result
    forecast, quantiles = result.forecasts[result.alias], result.quantiles.copy()
    positions = result.freq.positions(result.cutoffs)
    for level, (low, high) in central_levels(result).items():
        below, above = forecast - quantiles[..., low], quantiles[..., high] - forecast
        error = result.actual - forecast
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = np.where(error == 0, 0.0, np.abs(error) / np.where(error > 0, above, below))
        ratios = np.where(np.isnan(result.actual), np.nan, ratios)
        factors = adaptive_factors(ratios, positions, level / 100.0, rate=rate)
        quantiles[..., low], quantiles[..., high] = forecast - factors * below, forecast + factors * above
    return replace(result, quantiles=nested(result.quantile_levels, quantiles, forecast))


def _groups(result: BacktestResult, group: Group) -> list[tuple[Any, Chosen, int | None]]:
    """Name, index into (W, H, D), and step counted from 1 where it is one."""
    if group == "step":
        return [(step + 1, (slice(None), step), step + 1) for step in range(result.actual.shape[1])]
    if group == "series":
        return [(result.series_ids[one], (result.series == one,), None) for one in np.unique(result.series)]
    return [("all", (slice(None),), None)]


def _effective(positions: NDArray[np.int64], result: BacktestResult, chosen: Chosen, step: int) -> float:
    """Windows of a group that say something of their own, and that have a measured value."""
    values = result.actual[chosen]
    measured = np.isfinite(values).reshape(len(values), -1).any(axis=1)
    own = positions[chosen[0]][measured]
    cutoffs = np.unique(own)
    return effective_windows(cutoffs, len(own) / max(len(cutoffs), 1), step)
