"""Statistical models of statsforecast, fitted in an environment of its own and asked through parquet files.

statsforecast does not work with pandas 3. The variable `FORECAST_STATSFORECAST` names the Python of
an environment that has it; `make bench-peers` makes one. Fitted parameters go on to later cutoffs
by statsforecast's `forward`.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from forecast.axes import FloatArray, IntArray
from forecast.data.panel import Panel
from forecast.errors import ConfigError, DataError
from forecast.transforms.missing import MissingPolicy, fill_missing
from forecast.windows.index import contiguous_runs, first_usable
from forecast.windows.splits import first_rows_at

STATISTICAL = ("AutoETS", "AutoARIMA", "Theta", "SeasonalNaive", "Naive")


PYTHON = "FORECAST_STATSFORECAST"
"""Variable of the environment that names a Python with statsforecast."""


WORKER = Path(__file__).with_name("worker.py")


HINT = (
    f"set {PYTHON} to the Python of an environment with statsforecast; `make bench-peers` makes one"
)


def find_python() -> str:
    """Return the Python that has statsforecast.

    Raises:
        ConfigError: none is named, or there is none at that place.
    """
    path = os.environ.get(PYTHON, "")
    if not path:
        raise ConfigError(
            f"{PYTHON} is not set, and {', '.join(STATISTICAL)} are models of statsforecast: {HINT}"
        )
    if not os.access(path, os.X_OK) or Path(path).is_dir():
        raise ConfigError(f"{PYTHON} is {path!r}; expected a Python that can be run: {HINT}")
    return path


def version_of(python: str) -> str:
    """Return the version of statsforecast in the environment of a Python.

    Raises:
        ConfigError: it has none.
    """
    done = _run(
        [python, "-c", "from importlib.metadata import version; print(version('statsforecast'))"]
    )
    if done.returncode:
        raise ConfigError(f"{PYTHON} is {python!r}, which has no statsforecast: {HINT}")
    return done.stdout.strip()


@dataclass(frozen=True)
class StatisticalModel:
    """A model of statsforecast by its name there.

    Attributes:
        name: one of `STATISTICAL`.
        horizon: H.
        season_length: m; that of the frequency where it is None.
        missing: what stands in for missing values.
        python: the Python that has statsforecast.
    """

    name: str
    horizon: int
    season_length: int | None
    missing: MissingPolicy
    python: str

    def fit(self, panel: Panel) -> FittedStatisticalModel:
        """Keep the rows: the other process fits and forecasts in one go."""
        return FittedStatisticalModel(self, panel)


@dataclass(frozen=True, eq=False)
class FittedStatisticalModel:
    """A model and the rows it is fitted on.

    Attributes:
        model: which.
        learned: the rows; of each series those after its last gap are fitted on.
    """

    model: StatisticalModel
    learned: Panel

    @property
    def quantile_levels(self) -> tuple[float, ...]:
        """None."""
        return ()

    def predict(self, panel: Panel, last: IntArray) -> tuple[FloatArray, None]:
        """Forecast (B, H, D), NaN for series without a row to fit on; see `backtest.rolling.FittedModel`.

        Raises:
            DataError: the model fails on a series.
        """
        num_targets = len(panel.columns.target_cols)
        out = np.full((len(last), self.model.horizon, num_targets), np.nan)
        values = fill_missing(panel, self.model.missing)[0].values[:, :num_targets]
        series = panel.series_at(last)
        for target in range(num_targets):
            learned = self._learned_rows(panel, values[:, target])
            first = np.maximum(_begins(panel, values[:, target], last), learned[series, 0])
            able = np.flatnonzero((learned[series, 0] < learned[series, 1]) & (first <= last))
            asked = np.stack([series[able], first[able], last[able] + 1], axis=1)
            if len(able):
                out[able, :, target] = self._ask(panel, values[:, target], learned, asked)
        return out, None

    def _learned_rows(self, panel: Panel, values: FloatArray) -> IntArray:
        """(N, 2) first row of each series to fit on, and the one after the last; the same where there is none.

        Only rows after the last gap, and after the first observation.
        """
        place = {series_id: number for number, series_id in enumerate(self.learned.series_ids)}
        own = np.array([place.get(series_id, -1) for series_id in panel.series_ids], np.int64)
        begin, end = (
            self.learned.offsets[np.maximum(own, 0) + one] for one in (0, 1)
        )  # of any where there is none
        first, last = (
            first_rows_at(panel, self.learned.positions[row]) for row in (begin, end - 1)
        )
        first = np.maximum(first, _begins(panel, values, np.minimum(last, panel.num_rows - 1)))
        return np.where(
            (own >= 0)[:, None], np.stack([first, np.maximum(first, last + 1)], axis=1), 0
        )

    def _ask(
        self, panel: Panel, values: FloatArray, learned: IntArray, asked: IntArray
    ) -> FloatArray:
        """(W, H) forecasts of one target.

        Args:
            panel: all rows.
            values: (R,) filled.
            learned: (N, 2) rows to fit on.
            asked: (W, 3) series of each window, first row of its history, and the row after its
                last.
        """
        with tempfile.TemporaryDirectory() as folder:
            sent = _write_question(Path(folder), panel, values, learned, asked)
            words = [
                self.model.name,
                self.model.season_length or panel.freq.season_length,
                self.model.horizon,
                folder,
            ]
            done = _run([self.model.python, str(WORKER), *map(str, words)])
            failure = Path(folder, "failure.json")
            if failure.is_file():
                number, reason = json.loads(failure.read_text(encoding="utf-8"))
                raise DataError(
                    f"{self.model.name} of statsforecast fails on series "
                    f"{panel.series_ids[sent[number]]!r} "
                    f"({reason}): leave the series or the model out"
                )
            if done.returncode:
                said = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
                raise ConfigError(
                    f"{PYTHON} is {self.model.python!r}, which cannot run {self.model.name}: {said}"
                )
            column = pq.read_table(Path(folder, "forecasts.parquet"))["mean"].combine_chunks()
        made: FloatArray = column.flatten().to_numpy().reshape(len(asked), self.model.horizon)
        return made


def _write_question(
    folder: Path, panel: Panel, values: FloatArray, learned: IntArray, asked: IntArray
) -> IntArray:
    """Write what the worker reads; returns the series that are sent. Rows are counted from the start of a series."""
    sent, number = np.unique(asked[:, 0], return_inverse=True)
    start = panel.offsets[sent]
    stop = np.zeros(len(sent), np.int64)
    np.maximum.at(stop, number, asked[:, 2])
    stop = np.maximum(stop, learned[sent, 1])
    histories = [values[first:last] for first, last in zip(start, stop, strict=True)]
    series = {
        "values": pa.array(histories, pa.list_(pa.float64())),
        "train_first": learned[sent, 0] - start,
        "train_last": learned[sent, 1] - start,
    }
    windows = {
        "series": number,
        "first": asked[:, 1] - start[number],
        "last": asked[:, 2] - start[number],
    }
    pq.write_table(pa.table(series), folder / "series.parquet")
    pq.write_table(pa.table(windows), folder / "windows.parquet")
    return sent


def _begins(panel: Panel, values: FloatArray, rows: IntArray) -> IntArray:
    """First row with a value in the stretch without a gap that each row stands in."""
    starts, _, _ = contiguous_runs(panel)
    begins = first_usable(starts, np.isfinite(values))
    return begins[np.searchsorted(starts, rows, side="right") - 1]


def _run(words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a program to its end.

    Raises:
        ConfigError: it cannot be started.
    """
    clean = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYTHONPATH", "PYTHONHOME")
    }
    try:
        return subprocess.run(words, capture_output=True, text=True, check=False, env=clean)
    except OSError as error:
        raise ConfigError(
            f"{PYTHON} is {words[0]!r}, which cannot be started ({error.strerror}): {HINT}"
        ) from error
