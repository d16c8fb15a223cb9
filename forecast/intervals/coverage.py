"""Whether intervals hold as much as they say: by step, by series and overall; and intervals that learn from it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
import pandas as pd

from forecast.axes import FloatArray, IntArray
from forecast.errors import DataError
from forecast.intervals.levels import central_levels
from forecast.scores.evaluation import BacktestResult
from forecast.scores.skill import MIN_BLOCKS, block_length, num_overlapping, student_quantile

Group = Literal["step", "series", "overall"]


Chosen = tuple[Any, ...]
"""Index into (W, H, D)."""


CONFIDENCE = 0.95


MIN_SERIES = 10
"""Series from which the spread between them says how sure a share is, where cutoffs are too few."""


COLUMNS = ("level", "values", "effective", "covered", "low", "high", "inside")


def coverage_by(result: BacktestResult, group: Group) -> pd.DataFrame:
    """Share of the actual values that the intervals of the judged model cover.

    Args:
        result: an evaluation with intervals.
        group: `step` of the horizon, `series`, or `overall`.

    Returns:
        One row per group and level: `group` (named `step` or `series` where it is that), `level` in
        per cent, measured `values`, the `effective` number of independent ones that would say as
        much (`effective_number`), the share `covered`, the shares `low` to `high` between which 95
        % of samples of so many lie where the intervals are right, and whether it is `inside` them.

    Raises:
        DataError: there are no intervals.
    """
    pairs = central_levels(result)
    if not pairs or result.quantiles is None:
        raise DataError(
            f"the evaluation of {result.alias} holds no intervals: train with "
            f"evaluation.calibration_size above 0, "
            "or with training.loss quantile"
        )
    positions, horizon = result.freq.positions(result.cutoffs), result.actual.shape[1]
    measured = np.isfinite(result.actual)
    rows = []
    for level, (low, high) in pairs.items():
        within = (result.quantiles[..., low] <= result.actual) & (
            result.actual <= result.quantiles[..., high]
        )
        held = np.where(measured, within, np.nan)
        for name, chosen, step in _groups(result, group):
            count = int(measured[chosen].sum())
            windows = chosen[0]
            effective = effective_number(
                held[chosen], positions[windows], result.series[windows], step or horizon
            )
            covered = float(np.nansum(held[chosen]) / count) if count else float("nan")
            band = binomial_band(level / 100.0, effective)
            rows.append(
                (name, level, count, effective, covered, *band, band[0] <= covered <= band[1])
            )
    first = "group" if group == "overall" else group
    return pd.DataFrame(rows, columns=[first, *COLUMNS])


def coverage_table(result: BacktestResult) -> pd.DataFrame:
    """`coverage_by` overall, by step and by series, one below the other: `by`, `group`, and its other columns."""
    kinds: tuple[Group, ...] = ("overall", "step", "series")
    tables = {kind: coverage_by(result, kind) for kind in kinds}
    named = [
        one.rename(columns={one.columns[0]: "group"}).assign(by=kind)
        for kind, one in tables.items()
    ]
    return pd.concat(named, ignore_index=True)[["by", "group", *COLUMNS]]


def coverage_text(result: BacktestResult) -> str:
    """Say in one sentence per level how much the intervals cover; empty where there are none.

    Steps and levels of which nothing was measured are not spoken of.
    """
    if not central_levels(result):
        return ""
    overall, steps = (
        coverage_by(result, group).query("values > 0") for group in ("overall", "step")
    )
    rows = overall.to_dict("records")
    return "\n".join(_sentence(row, steps[steps["level"] == row["level"]]) for row in rows)


def _sentence(row: Mapping[Any, Any], steps: pd.DataFrame) -> str:
    """One level in words: its row of `coverage_by` overall, and those of its steps."""
    covered, low, high = (100.0 * row[name] for name in ("covered", "low", "high"))
    verdict = f"consistent with {row['level']:g} %"
    if covered < low:
        verdict = "fewer than they should"
    elif covered > high:
        verdict = "more than they should"
    within = int(steps["inside"].sum())
    return (
        f"{row['level']:g} % intervals cover {covered:.1f} % of actual values, {verdict} "
        f"(95 % band {low:.1f}-{high:.1f} %); {within} of {len(steps)} steps are within their band."
    )


def _groups(result: BacktestResult, group: Group) -> list[tuple[Any, Chosen, int | None]]:
    """Name, index into (W, H, D), and step counted from 1 where it is one."""
    if group == "step":
        return [(step + 1, (slice(None), step), step + 1) for step in range(result.actual.shape[1])]
    if group == "series":
        order = np.argsort(result.series, kind="stable")
        present, starts = np.unique(result.series[order], return_index=True)
        parts = np.split(order, starts[1:])
        return [
            (result.series_ids[one], (own,), None) for one, own in zip(present, parts, strict=True)
        ]
    return [("all", (slice(None),), None)]


def effective_number(
    held: FloatArray, positions: IntArray, series: IntArray, overlap: int
) -> float:
    """How many independent values would say as much of the share that was held.

    Windows that overlap err together, series of one place err together, and wild weeks come in a
    row: so the number is not that of the values, nor that of the windows which do not overlap. It
    is p (1 - p) / V, where V is the variance of the measured share p, estimated from the misses
    themselves: sums over all series of a cutoff, with the products of those of neighbouring
    cutoffs, weighed down linearly over a block three times as long as their steps overlap. Where
    the cutoffs are too few for that, from the sums of each series, if there are `MIN_SERIES`: what
    all series have in common at a cutoff cannot be seen then. Else, and where all or nothing was
    held, the windows count that fit beside each other.

    Args:
        held: (B, ...) 1 for values inside their interval, 0 outside, NaN where nothing was
            measured.
        positions: (B,) place of each window's cutoff on the grid of time.
        series: (B,) which series each window is of.
        overlap: steps a window reaches ahead: cutoffs nearer to each other err together.

    Returns:
        At most the number of measured values; 0 where there is none.

    Source: Korn and Graubard, Confidence intervals for proportions with small expected number of
    positive counts estimated from survey data, 1998, for the number and its Student factor; Newey
    and West, 1987, for the variance.
    """
    measured = np.isfinite(held)
    total = int(measured.sum())
    if not total:
        return 0.0
    share = float(np.nansum(held)) / total
    variance, groups = _variance(np.where(measured, held - share, 0.0), positions, series, overlap)
    if variance <= 0 or share in (0.0, 1.0):
        seen = measured.reshape(len(held), -1).any(axis=1)
        return float(windows_side_by_side(positions[seen], series[seen], overlap))
    tail = (1.0 - CONFIDENCE) / 2.0
    wider = (student_quantile(tail, groups - 1) / NormalDist().inv_cdf(tail)) ** 2
    return min(share * (1.0 - share) * total**2 / (variance * wider), float(total))


def windows_side_by_side(positions: IntArray, series: IntArray, overlap: int) -> int:
    """How many windows of all series fit beside each other, each as long as `overlap`."""
    place = (positions - positions.min(initial=0)) // overlap
    return len(np.unique(np.stack([series, place]), axis=1).T)


def binomial_band(share: float, count: float) -> tuple[float, float]:
    """Between which shares 95 % of samples lie if each of `count` is inside with probability `share`.

    Source: the normal approximation that Wilson's score interval inverts (Probable Inference, the
    Law of Succession, and Statistical Inference, 1927), with Yates' correction of half a value.
    """
    deviations, number = -NormalDist().inv_cdf((1.0 - CONFIDENCE) / 2.0), max(count, 1.0)
    reach = deviations * math.sqrt(share * (1.0 - share) / number) + 0.5 / number
    return max(share - reach, 0.0), min(share + reach, 1.0)


def _variance(
    misses: FloatArray, positions: IntArray, series: IntArray, overlap: int
) -> tuple[float, int]:
    """Variance of the sum of (B, ...) centred misses, 0 where it cannot be told; and the groups it comes from."""
    sums = misses.reshape(len(misses), -1).sum(axis=1)
    cutoffs, place = np.unique(positions, return_inverse=True)
    length = block_length(len(cutoffs), num_overlapping(cutoffs, overlap))
    groups = len(cutoffs) // length
    if groups >= MIN_BLOCKS:
        at_cutoff, lags = np.bincount(place, sums), np.arange(1, length)
        products = np.array([float(at_cutoff[lag:] @ at_cutoff[:-lag]) for lag in lags])
        variance = float(at_cutoff @ at_cutoff) + 2.0 * float((1.0 - lags / length) @ products)
    else:
        of_series = np.bincount(np.unique(series, return_inverse=True)[1], sums)
        groups = len(of_series)
        variance = float(of_series @ of_series) if groups >= MIN_SERIES else 0.0
    return variance * groups / max(groups - 1, 1), groups
