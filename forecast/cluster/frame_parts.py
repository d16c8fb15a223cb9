"""The part function for frames, as engines such as Spark hand them to their workers.

An engine splits the table by series and gives each partition to `FrameParts`; what comes back is
what `forecast predict --parts` writes for the same rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from forecast.cluster.part_station import (
    ForecastOptions,
    PartStation,
    PartWork,
    forecast_rows,
    open_parts,
)
from forecast.cluster.predict_parts import check_options
from forecast.runs.use import load_run

if TYPE_CHECKING:
    import pandas as pd


class FrameParts:
    """A function from the frames of a partition to its forecasts, for `mapInPandas` of Spark.

    The model is read once in each worker, from a folder that all of them see.

    Args:
        run: folder of a run or a saved model.
        options: horizon and intervals of the forecasts.

    Raises:
        ConfigError: the model cannot forecast parts, or not with these options.
        ArtifactError: the model is damaged.
    """

    def __init__(self, run: str | Path, options: ForecastOptions = ForecastOptions()) -> None:
        check_options(load_run(run).fitted, options)
        self.work = PartWork.of(run, run, options, reads_series=False)

    def __call__(self, frames: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        """Forecast the series of one partition.

        Args:
            frames: the rows of whole series, in any division.

        Yields:
            The forecasts; nothing for a partition without rows.

        Raises:
            DataError: the rows are refused.
            OutputError: the run has another model than when the work began.
        """
        import pandas as pd

        given = [frame for frame in frames if len(frame)]
        if given:
            rows = pd.concat(given, ignore_index=True)
            station = _station(self.work)
            yield forecast_rows(self.work, station.forecaster, rows).frame()


@lru_cache(maxsize=1)
def _station(work: PartWork) -> PartStation:
    """Return the station of this process."""
    return open_parts(work, lambda _: None)
