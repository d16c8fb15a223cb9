"""Permutation importance: how much larger the error is where a column is that of another window.

The test windows are copied, each as a series of its own that ends with its horizon. In the copies
one group of values is exchanged between windows of the same series: a covariate in context and
horizon, the calendar, or the series' own past at some lags. What the model loses is what it took
from them (Breiman, Random Forests, 2001; Fisher, Rudin and Dominici, All Models are Wrong, but Many
are Useful, 2019). Groups that tell the same are each worth little, as the others stand in.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from forecast.axes import FloatArray, IntArray, evenly_spaced
from forecast.data.panel import Panel
from forecast.data.per_series.subset import slice_series
from forecast.errors import check_seed
from forecast.experiment.prepare import windows_of
from forecast.experiment.training_rows import split_at_cutoffs
from forecast.forecasting.fitted import Fitted, align
from forecast.forecasting.judge import unseen_part
from forecast.forecasting.predict import final_windows, forecast_windows
from forecast.forecasting.simple_members import steps_of
from forecast.scores.skill import Comparison, compare_models
from forecast.transforms.missing import fill_missing
from forecast.windows.splits import Part

MOST_WINDOWS = 300
"""Test windows that are copied, at most."""

ALL_STEPS = "all"

_BASE = "as it is"
_CHANGED = "exchanged"


@dataclass(frozen=True, eq=False)
class Group:
    """Values that are exchanged together.

    Attributes:
        name: in the table, such as `price` or `own past, lag 1`.
        column: of the panel; None for the calendar.
        lags: first and last lag that are exchanged; None: all rows, those of the horizon too.
    """

    name: str
    column: str | None
    lags: tuple[int, int] | None = None


@dataclass(frozen=True, eq=False)
class Copies:
    """Test windows as series of their own.

    Attributes:
        panel: B series that end with H rows without targets.
        origin: (B,) series that each was copied from.
        positions: (B,) positions of the cutoffs.
        actual: (B, H, D) what came.
    """

    panel: Panel
    origin: IntArray
    positions: IntArray
    actual: FloatArray

    def forecast(self, fitted: Fitted, panel: Panel) -> FloatArray:
        """Return (B, H, D) forecasts of copies, or of copies with exchanged values."""
        aligned = align(fitted, panel, Part.whole(panel))
        first_new = panel.offsets[1:] - self.actual.shape[1]
        windows = final_windows(aligned, panel, first_new)
        return forecast_windows(aligned, panel, windows, np.arange(panel.num_series))[0]


def importance(
    fitted: Fitted,
    panel: Panel,
    *,
    repeats: int = 5,
    seed: int = 0,
    most_windows: int = MOST_WINDOWS,
    seen: bool = False,
) -> pd.DataFrame:
    """Return how much the error grows where a group of values is exchanged.

    Args:
        fitted: the trained state.
        panel: a table with rows that training has not seen.
        repeats: exchanges of each group.
        seed: of the exchanges.
        most_windows: test windows that are read, at most, evenly spaced.
        seen: whether the rows of the test set may be read although a refit has learned from them.

    Returns:
        A row per group and step, and one per group with step `all`: `group`, `step`, `error` as it
        is, `exchanged` error, `increase` in % of the error as it is, and the ends `low` and `high`
        of its 95 % interval, NaN where the cutoffs are too few for one.

    Raises:
        ConfigError: the seed is negative.
        DataError: training has seen every row, or no window fits into the others.
    """
    check_seed(seed)
    if seen and fitted.config.training.refit:
        part = test_part(fitted, panel)
    else:
        part = unseen_part(fitted, panel)
    copies = copy_windows(fitted, panel, part, most_windows)
    draw = np.random.default_rng(seed)
    base = copies.forecast(fitted, copies.panel)
    rows = []
    for group in groups_of(fitted, panel):
        changed = [copies.forecast(fitted, exchanged(copies, group, draw)) for _ in range(repeats)]
        rows += list(_rows(copies, group.name, base, changed))
    return pd.DataFrame(rows)


def groups_of(fitted: Fitted, panel: Panel) -> list[Group]:
    """Return the groups of a model: own past by lag, covariates, calendar."""
    columns = panel.columns
    groups = []
    for target in columns.target_cols:
        whose = "own past" if len(columns.target_cols) == 1 else f"past of {target}"
        for first, last in _lags(fitted):
            lags = f"lag {first}" if first == last else f"lags {first} to {last}"
            if last == fitted.shape.context_length and first < last:
                lags = f"lags from {first}"
            groups.append(Group(f"{whose}, {lags}", target, (first, last)))
    for name in (*columns.past_covariates, *columns.known_covariates):
        groups.append(Group(name, name))
    if fitted.feature_map.settings.calendar:
        groups.append(Group("calendar", None))
    return groups


def test_part(fitted: Fitted, panel: Panel) -> Part:
    """Return the rows of the test set of a table, whether or not a refit has learned from them."""
    return split_at_cutoffs(panel, fitted.config).test


def copy_windows(fitted: Fitted, panel: Panel, part: Part, most: int) -> Copies:
    """Return test windows as series of their own."""
    config = fitted.config
    before = align(fitted, panel, Part(panel.offsets[:-1], part.first))
    features = before.feature_map.apply(panel, fill_missing(panel, config.data.missing)[0])
    windows = windows_of(config, panel, features, part, stride=config.evaluation.stride or 1)
    numbers = evenly_spaced(len(windows), most)
    series, first = windows.index.locate(numbers)
    horizon = fitted.shape.horizon
    new = first + windows.index.context_length  # first row of each horizon
    length = fitted.shape.context_length + fitted.feature_map.target.lag
    if len(fitted.weights) > 1:
        length = max(length, steps_of(fitted, panel).history_length)
    copies = slice_series(
        panel, series, np.maximum(panel.offsets[series], new - length), new + horizon
    )
    num_targets = fitted.shape.num_targets
    ahead = new[:, None] + np.arange(horizon)
    measured = features.filled.measured(num_targets)[ahead]
    values = copies.values.copy()
    unknown = copies.offsets[1:, None] - np.arange(1, horizon + 1)
    num_unknown = num_targets + len(panel.columns.past_covariates)
    values[unknown.ravel(), :num_unknown] = np.nan
    return Copies(replace(copies, values=values), series, panel.positions[new - 1], measured)


def exchanged(copies: Copies, group: Group, draw: np.random.Generator) -> Panel:
    """Return the copies with the values of a group from other windows of the same series.

    Args:
        copies: the windows.
        group: what is exchanged.
        draw: decides between which windows.
    """
    panel = copies.panel
    donor = _donors(copies.origin, draw)
    horizon = copies.actual.shape[1]
    # Rows are counted from the end, since a window at the start of a series has fewer.
    lengths = np.minimum(panel.lengths, panel.lengths[donor])
    first_back = 1
    last_back = np.full(len(donor), int(lengths.max()))
    if group.lags is not None:
        first_back = horizon + group.lags[0]
        last_back = np.full(len(donor), horizon + group.lags[1])
    last_back = np.minimum(last_back, lengths)
    to = [
        np.arange(end - back, end - first_back + 1)
        for end, back in zip(panel.offsets[1:], last_back, strict=True)
    ]
    taken = [
        np.arange(end - back, end - first_back + 1)
        for end, back in zip(panel.offsets[1:][donor], last_back, strict=True)
    ]
    rows = np.concatenate(to)
    sources = np.concatenate(taken)
    if group.column is None:
        timestamps = panel.timestamps.copy()
        timestamps[rows] = panel.timestamps[sources]
        return replace(panel, timestamps=timestamps)
    number = panel.columns.dynamic.index(group.column)
    values = panel.values.copy()
    values[rows, number] = panel.values[sources, number]
    return replace(panel, values=values)


def _donors(origin: IntArray, draw: np.random.Generator) -> IntArray:
    """Return (B,) another window of the same series for each, where there is one."""
    donor = np.arange(len(origin))
    for series in np.unique(origin):
        own = np.flatnonzero(origin == series)
        order = draw.permutation(own)
        donor[order] = np.roll(order, 1)  # one cycle: nobody keeps its own
    return donor


def _lags(fitted: Fitted) -> Iterator[tuple[int, int]]:
    """Yield first and last lag of each stretch of the context: by season where there is one."""
    length = fitted.shape.context_length
    season = fitted.season_length
    ends = [1, length]
    if 1 < season < length:
        ends = sorted({1, season, min(2 * season, length), length})
    start = 1
    for end in ends:
        if end >= start:
            yield start, end
        start = end + 1


def _rows(
    copies: Copies, name: str, base: FloatArray, changed: list[FloatArray]
) -> Iterator[dict[str, object]]:
    """Yield the row of all steps, then those of single steps."""
    repeats = len(changed)
    actual = np.concatenate([copies.actual] * repeats)
    forecasts = {_BASE: np.concatenate([base] * repeats), _CHANGED: np.concatenate(changed)}
    positions = np.concatenate([copies.positions] * repeats)
    horizon = base.shape[1]
    whole = slice(0, horizon)
    for step in (None, *range(horizon)):
        part = whole if step is None else slice(step, step + 1)
        of_part = {key: values[:, part] for key, values in forecasts.items()}
        errors = {
            key: float(np.nanmean(np.abs(values - actual[:, part])))
            for key, values in of_part.items()
        }
        compared = compare_models(actual[:, part], of_part, _CHANGED, positions).get(_BASE)
        low, high = _increase(compared)
        yield {
            "group": name,
            "step": ALL_STEPS if step is None else step + 1,
            "error": errors[_BASE],
            "exchanged": errors[_CHANGED],
            "increase": 100.0 * (errors[_CHANGED] / errors[_BASE] - 1.0),
            "low": low,
            "high": high,
        }


def _increase(compared: Comparison | None) -> tuple[float, float]:
    """Return the ends of the interval of the increase in %, from those of the skill."""
    if compared is None:
        return np.nan, np.nan
    low = 100.0 * compared.low / (1.0 - compared.low)
    high = np.inf
    if compared.high < 1.0:
        high = 100.0 * compared.high / (1.0 - compared.high)
    return low, high
