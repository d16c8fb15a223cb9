"""Statistical models of statsforecast, fitted in a separate environment through parquet files.

statsforecast does not work with pandas 3. The variable `FORECAST_STATSFORECAST` names the Python of
an environment that has it; `make bench-peers` makes one. At later cutoffs the fitted parameters are
used again, by statsforecast's `forward`.
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
"""Environment variable that names a Python with statsforecast."""


_WORKER = Path(__file__).with_name("worker.py")


_HINT = (
    f"set {PYTHON} to the Python of an environment with statsforecast; `make bench-peers` makes one"
)


def find_python() -> str:
    """Return the Python that has statsforecast.

    Raises:
        ConfigError: none is named, or the path is no Python that can be run.
    """
    path = os.environ.get(PYTHON, "")
    if not path:
        raise ConfigError(
            f"{PYTHON} is not set, and {', '.join(STATISTICAL)} are models of statsforecast: "
            f"{_HINT}"
        )
    if not os.access(path, os.X_OK) or Path(path).is_dir():
        raise ConfigError(f"{PYTHON} is {path!r}; expected a Python that can be run: {_HINT}")
    return path


def version_of(python: str) -> str:
    """Return the version of statsforecast in the environment of a Python.

    Raises:
        ConfigError: it has none.
    """
    code = "from importlib.metadata import version; print(version('statsforecast'))"
    process = _run([python, "-c", code])
    if process.returncode:
        raise ConfigError(f"{PYTHON} is {python!r}, which has no statsforecast: {_HINT}")
    return process.stdout.strip()


@dataclass(frozen=True)
class StatisticalModel:
    """A model of statsforecast by its name there.

    Attributes:
        name: one of `STATISTICAL`.
        horizon: H.
        season_length: m; None for that of the frequency.
        missing: policy for missing values.
        python: the Python that has statsforecast.
    """

    name: str
    horizon: int
    season_length: int | None
    missing: MissingPolicy
    python: str

    def fit(self, panel: Panel) -> _FittedStatisticalModel:
        """Store the rows: the other process fits and forecasts in one call."""
        return _FittedStatisticalModel(self, panel)


@dataclass(frozen=True, eq=False)
class _FittedStatisticalModel:
    """A model and the rows it is fitted on.

    Attributes:
        model: name and settings.
        learned: the rows; of each series those after its last gap are fitted on.
    """

    model: StatisticalModel
    learned: Panel

    @property
    def quantile_levels(self) -> tuple[float, ...]:
        """Empty: these models forecast points."""
        return ()

    def predict(self, panel: Panel, last: IntArray) -> tuple[FloatArray, None]:
        """Forecast (B, H, D), NaN for series without rows to fit on; see `rolling.FittedModel`.

        Raises:
            DataError: the model fails on a series.
        """
        num_targets = len(panel.columns.target_cols)
        out = np.full((len(last), self.model.horizon, num_targets), np.nan)
        filled = fill_missing(panel, self.model.missing)[0]
        series = panel.series_at(last)
        for target in range(num_targets):
            values = filled.values[:, target]
            learned = self._learned_rows(panel, values)
            fit_first, fit_stop = learned[series].T
            first = np.maximum(_begins(panel, values, last), fit_first)
            able = np.flatnonzero((fit_first < fit_stop) & (first <= last))
            if len(able):
                windows = np.stack([series[able], first[able], last[able] + 1], axis=1)
                out[able, :, target] = self._forecast(panel, values, learned, windows)
        return out, None

    def _learned_rows(self, panel: Panel, values: FloatArray) -> IntArray:
        """Return (N, 2) first row of each series to fit on, and the row after the last.

        Only rows after the last gap and after the first observation; both 0 where there is none.
        """
        numbers = {series_id: number for number, series_id in enumerate(self.learned.series_ids)}
        own = np.array([numbers.get(series_id, -1) for series_id in panel.series_ids], np.int64)
        any_series = np.maximum(own, 0)  # the first where there is none; masked below
        begin = self.learned.offsets[any_series]
        end = self.learned.offsets[any_series + 1]

        first = first_rows_at(panel, self.learned.positions[begin])
        last = first_rows_at(panel, self.learned.positions[end - 1])
        first = np.maximum(first, _begins(panel, values, np.minimum(last, panel.num_rows - 1)))
        rows = np.stack([first, np.maximum(first, last + 1)], axis=1)
        return np.where((own >= 0)[:, None], rows, 0)

    def _forecast(
        self, panel: Panel, values: FloatArray, learned: IntArray, windows: IntArray
    ) -> FloatArray:
        """Return (W, H) forecasts of one target, made by the other Python.

        Args:
            panel: all rows.
            values: (R,) filled.
            learned: (N, 2) rows to fit on.
            windows: (W, 3) series of each window, first row of its history, and the row after its
                last.
        """
        model = self.model
        season_length = model.season_length or panel.freq.season_length
        with tempfile.TemporaryDirectory() as folder:
            sent = _write_request(Path(folder), panel, values, learned, windows)
            arguments = [model.name, str(season_length), str(model.horizon), folder]
            process = _run([model.python, str(_WORKER), *arguments])

            failure = Path(folder, "failure.json")
            if failure.is_file():
                number, reason = json.loads(failure.read_text(encoding="utf-8"))
                raise DataError(
                    f"{model.name} of statsforecast fails on series "
                    f"{panel.series_ids[sent[number]]!r} ({reason}): leave the series or the model "
                    f"out"
                )
            if process.returncode:
                output = process.stderr.strip().splitlines() or ["it printed nothing"]
                raise ConfigError(
                    f"{PYTHON} is {model.python!r}, which cannot run {model.name}: {output[-1]}"
                )
            column = pq.read_table(Path(folder, "forecasts.parquet"))["mean"].combine_chunks()
        forecasts: FloatArray = column.flatten().to_numpy()
        return forecasts.reshape(len(windows), model.horizon)


def _write_request(
    folder: Path, panel: Panel, values: FloatArray, learned: IntArray, windows: IntArray
) -> IntArray:
    """Write the files that the worker reads; return the series in them.

    Rows are counted from the start of a series.
    """
    sent, number = np.unique(windows[:, 0], return_inverse=True)
    start = panel.offsets[sent]
    stop = np.zeros(len(sent), np.int64)
    np.maximum.at(stop, number, windows[:, 2])
    stop = np.maximum(stop, learned[sent, 1])
    histories = [values[first:last] for first, last in zip(start, stop, strict=True)]

    series_table = {
        "values": pa.array(histories, pa.list_(pa.float64())),
        "train_first": learned[sent, 0] - start,
        "train_last": learned[sent, 1] - start,
    }
    window_table = {
        "series": number,
        "first": windows[:, 1] - start[number],
        "last": windows[:, 2] - start[number],
    }
    pq.write_table(pa.table(series_table), folder / "series.parquet")
    pq.write_table(pa.table(window_table), folder / "windows.parquet")
    return sent


def _begins(panel: Panel, values: FloatArray, rows: IntArray) -> IntArray:
    """Return the first row with a value in the gap-free run of each row."""
    starts, _, _ = contiguous_runs(panel)
    begins = first_usable(starts, np.isfinite(values))
    return begins[np.searchsorted(starts, rows, side="right") - 1]


def _run(words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a program to its end.

    Raises:
        ConfigError: it cannot be started.
    """
    environment = dict(os.environ)
    for name in ("PYTHONPATH", "PYTHONHOME"):  # those of this Python
        environment.pop(name, None)
    try:
        return subprocess.run(
            words,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            env=environment,
        )
    except OSError as error:
        raise ConfigError(
            f"{PYTHON} is {words[0]!r}, which cannot be started ({error.strerror}): {_HINT}"
        ) from error
