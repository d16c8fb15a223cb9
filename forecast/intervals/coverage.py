"""Coverage of intervals, by step, by series and overall, beside the band that chance allows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
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


Selection = tuple[Any, ...]
"""Index into (W, H, D)."""


CONFIDENCE = 0.95


MIN_SERIES = 10
"""Series from which the spread between them gives the variance, where cutoffs are too few."""


COLUMNS = ("level", "values", "effective", "covered", "low", "high", "inside")


def coverage_by(result: BacktestResult, group: Group) -> pd.DataFrame:
    """Share of the actual values that the intervals of the evaluated model cover.

    Args:
        result: an evaluation with intervals.
        group: `step` of the horizon, `series`, or `overall`.

    Returns:
        One row per group and level: `group` (named `step` or `series` where it is that), `level` in
        percent, measured `values`, their `effective` number (`effective_number`), the share
        `covered`, the shares `low` to `high` between which 95 % of samples of that number lie where
        the intervals are right, and whether it is `inside` them.

    Raises:
        DataError: there are no intervals.
    """
    pairs = central_levels(result)
    if not pairs or result.quantiles is None:
        raise DataError(
            f"the evaluation of {result.alias} has no intervals: train with "
            '`evaluation.calibration_size` above 0, or with `training.loss="quantile"`'
        )
    positions = result.freq.positions(result.cutoffs)
    horizon = result.actual.shape[1]
    measured = np.isfinite(result.actual)
    rows = []
    for level, (low, high) in pairs.items():
        is_above = result.actual >= result.quantiles[..., low]
        is_below = result.actual <= result.quantiles[..., high]
        covered = np.where(measured, is_above & is_below, np.nan)
        for name, selection, step in _groups(result, group):
            windows = selection[0]
            count = int(measured[selection].sum())
            effective = effective_number(
                covered[selection], positions[windows], result.series[windows], step or horizon
            )
            share = np.nan
            if count:
                share = float(np.nansum(covered[selection]) / count)
            least, most = binomial_band(level / 100.0, effective)
            is_inside = least <= share <= most
            rows.append((name, level, count, effective, share, least, most, is_inside))
    return pd.DataFrame(rows, columns=[_group_column(group), *COLUMNS])


def coverage_table(result: BacktestResult) -> pd.DataFrame:
    """Return `coverage_by` overall, by step and by series as one table: `by`, `group`, the rest."""
    kinds: tuple[Group, ...] = ("overall", "step", "series")
    tables = []
    for kind in kinds:
        table = coverage_by(result, kind).rename(columns={_group_column(kind): "group"})
        tables.append(table.assign(by=kind))
    return pd.concat(tables, ignore_index=True)[["by", "group", *COLUMNS]]


def coverage_text(result: BacktestResult) -> str:
    """Return one sentence per level on the coverage of the intervals; empty where there are none.

    Steps and levels without a measured value are not mentioned.
    """
    if not central_levels(result):
        return ""
    overall = coverage_by(result, "overall").query("values > 0")
    steps = coverage_by(result, "step").query("values > 0")
    sentences = []
    for row in overall.to_dict("records"):
        of_level = steps[steps["level"] == row["level"]]
        sentences.append(_sentence(row, int(of_level["inside"].sum()), len(of_level)))
    return "\n".join(sentences)


def _sentence(row: Mapping[Any, Any], num_inside: int, num_steps: int) -> str:
    """One level in words.

    Args:
        row: of `coverage_by` overall.
        num_inside: steps whose coverage is inside its band.
        num_steps: steps with a measured value.
    """
    level = f"{row['level']:g} %"
    verdict = f"consistent with {level}"
    consequence = ""
    if row["covered"] < row["low"]:
        verdict = f"fewer than {level}"
        consequence = ": too narrow"
    elif row["covered"] > row["high"]:
        verdict = f"more than {level}"
        consequence = ": too wide"
    within = "are within their band"
    if num_inside == 1:
        within = "is within its band"
    return (
        f"{level} intervals cover {100 * row['covered']:.1f} % of actual values, {verdict} (95 % "
        f"band {100 * row['low']:.1f}-{100 * row['high']:.1f} %){consequence}; {num_inside} of "
        f"{num_steps} steps {within}."
    )


def _group_column(group: Group) -> str:
    if group == "overall":
        return "group"
    return group


def _groups(result: BacktestResult, group: Group) -> Iterator[tuple[Any, Selection, int | None]]:
    """Yield name, index into (W, H, D), and step counted from 1 where it is one."""
    if group == "overall":
        yield "all", (slice(None),), None
    elif group == "step":
        for step in range(result.actual.shape[1]):
            yield step + 1, (slice(None), step), step + 1
    else:
        order = np.argsort(result.series, kind="stable")
        present, starts = np.unique(result.series[order], return_index=True)
        for series, windows in zip(present, np.split(order, starts[1:]), strict=True):
            yield result.series_ids[series], (windows,), None


def effective_number(
    covered: FloatArray, positions: IntArray, series: IntArray, overlap: int
) -> float:
    """Effective sample size of a coverage: independent values that would estimate it as well.

    Windows that overlap err together, series of one place err together, and wild weeks come in a
    row: so the number is not that of the values, nor that of the windows which do not overlap. It
    is p (1 - p) / V, where V is the variance of the measured share p, estimated from the misses
    themselves: sums over all series of a cutoff, with the products of those of neighbouring
    cutoffs, weighted down linearly over a block three times as long as their steps overlap. Where
    the cutoffs are too few for that, V comes from the sums of each series, if there are
    `MIN_SERIES`; errors that all series share at a cutoff cannot be seen then. Else, and where all
    or no values are covered, it is the number of windows that fit beside each other.

    Args:
        covered: (B, ...) 1 for values inside their interval, 0 outside, NaN where nothing was
            measured.
        positions: (B,) position of each window's cutoff on the time grid, in steps.
        series: (B,) number of each window's series.
        overlap: steps a window reaches ahead: cutoffs nearer to each other err together.

    Returns:
        At most the number of measured values; 0 where there is none.

    Source: Korn and Graubard, Confidence intervals for proportions with small expected number of
    positive counts estimated from survey data, 1998, for the number and its Student factor; Newey
    and West, 1987, for the variance.
    """
    measured = np.isfinite(covered)
    total = int(measured.sum())
    if not total:
        return 0.0
    share = float(np.nansum(covered)) / total
    centred = np.where(measured, covered - share, 0.0)
    variance, groups = _variance(centred, positions, series, overlap)
    if variance <= 0 or share in (0.0, 1.0):
        seen = measured.reshape(len(covered), -1).any(axis=1)
        return float(windows_side_by_side(positions[seen], series[seen], overlap))
    tail = (1.0 - CONFIDENCE) / 2.0
    wider = (student_quantile(tail, groups - 1) / NormalDist().inv_cdf(tail)) ** 2
    return min(share * (1.0 - share) * total**2 / (variance * wider), float(total))


def windows_side_by_side(positions: IntArray, series: IntArray, overlap: int) -> int:
    """Return the number of windows, of all series, that fit beside each other, `overlap` long."""
    stretch = (positions - positions.min(initial=0)) // overlap
    return len(np.unique(np.stack([series, stretch]), axis=1).T)


def binomial_band(share: float, count: float) -> tuple[float, float]:
    """Return the shares between which 95 % of samples of `count` lie if the true share is `share`.

    Source: the normal approximation that Wilson's score interval inverts (Probable Inference, the
    Law of Succession, and Statistical Inference, 1927), with Yates' correction of half a value.
    """
    deviations = -NormalDist().inv_cdf((1.0 - CONFIDENCE) / 2.0)
    number = max(count, 1.0)
    reach = deviations * math.sqrt(share * (1.0 - share) / number) + 0.5 / number
    return max(share - reach, 0.0), min(share + reach, 1.0)


def _variance(
    centred: FloatArray, positions: IntArray, series: IntArray, overlap: int
) -> tuple[float, int]:
    """Variance of the sum of (B, ...) centred misses, 0 if unknown; and the number of groups."""
    sums = centred.reshape(len(centred), -1).sum(axis=1)
    cutoffs, cutoff = np.unique(positions, return_inverse=True)
    length = block_length(len(cutoffs), num_overlapping(cutoffs, overlap))
    groups = len(cutoffs) // length
    if groups >= MIN_BLOCKS:
        at_cutoff = np.bincount(cutoff, sums)
        lags = np.arange(1, length)
        products = np.array([float(at_cutoff[lag:] @ at_cutoff[:-lag]) for lag in lags])
        variance = float(at_cutoff @ at_cutoff) + 2.0 * float((1.0 - lags / length) @ products)
        return variance * groups / max(groups - 1, 1), groups

    of_series = np.bincount(np.unique(series, return_inverse=True)[1], sums)
    groups = len(of_series)
    if groups < MIN_SERIES:
        return 0.0, groups
    return float(of_series @ of_series) * groups / (groups - 1), groups
