"""When a forecast first exceeds a value, from its sample paths."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.axes import IntArray
from forecast.data.per_series.keys import id_columns
from forecast.errors import DataError
from forecast.scores.forecast import Forecast


def crossings(forecast: Forecast, above: float, level: float = 80.0) -> pd.DataFrame:
    """Return for every series and target how likely, and when, it first exceeds a value.

    Args:
        forecast: with sample paths.
        above: the value.
        level: of the interval of the time, in %.

    Returns:
        A row per series and target: the id, `target`, `above`, `probability` that some step of the
        horizon exceeds the value, and the stamp of the first one: the earliest by which `1 - level`
        halves of the paths have (`first-lo-80`), half of them (`first`), and the latest
        (`first-hi-80`); empty where fewer of them ever do.

    Raises:
        DataError: the forecast has no paths.

    Example:
        >>> import numpy as np, pandas as pd
        >>> from forecast import Columns, Forecast
        >>> from forecast.data.frequency import Frequency
        >>> days = np.array([["2026-01-01", "2026-01-02"]], "datetime64[ns]")
        >>> paths = np.array([[[[1.0, 3.0]], [[4.0, 5.0]]]])  # one series, 2 steps, 2 paths
        >>> forecast = Forecast(
        ...     "gru", np.array(["a"], object), days[:, 0], days, paths[..., 0],
        ...     Columns(), Frequency.parse("D"), paths=paths,
        ... )
        >>> crossings(forecast, 2.5)[["probability", "first"]].to_numpy().tolist()
        [[1.0, Timestamp('2026-01-01 00:00:00')]]
    """
    if forecast.paths is None:
        raise DataError("times of crossing need sample paths: predict with num_paths=1000")
    exceeds = forecast.paths > above  # (B, H, D, P)
    horizon = exceeds.shape[1]
    first = np.where(exceeds.any(axis=1), exceeds.argmax(axis=1), horizon)  # (B, D, P)
    low = (1.0 - level / 100.0) / 2.0
    shares = (low, 0.5, 1.0 - low)
    names = (f"first-lo-{level:g}", "first", f"first-hi-{level:g}")
    tables = []
    for target, name in enumerate(forecast.columns.target_cols):
        table = pd.DataFrame(id_columns(forecast.columns, forecast.series_ids))
        table["cutoff"] = _shown(forecast, forecast.cutoffs)
        table["target"] = name
        table["above"] = above
        table["probability"] = (first[:, target] < horizon).mean(axis=1)
        for share, column in zip(shares, names, strict=True):
            table[column] = _stamps(forecast, _ranked(first[:, target], share))
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def _ranked(first: IntArray, share: float) -> IntArray:
    """Return (B,) the step by which a share of the (B, P) paths has exceeded the value."""
    rank = max(int(np.ceil(share * first.shape[1])) - 1, 0)
    return np.sort(first, axis=1)[:, rank]


def _stamps(forecast: Forecast, steps: IntArray) -> Any:
    """Return (B,) stamps of steps; empty after the last one."""
    horizon = forecast.stamps.shape[1]
    is_within = steps < horizon
    rows = np.arange(len(steps))
    stamps = _shown(forecast, forecast.stamps[rows, np.minimum(steps, horizon - 1)])
    return pd.Series(stamps).where(is_within)


def _shown(forecast: Forecast, stamps: NDArray[Any]) -> Any:
    if forecast.freq.is_integer:
        return pd.array(stamps, dtype="Int64")
    return forecast.freq.local(stamps)
