"""The part function: a file of whole series in, a file of forecasts out, without TensorFlow.

It runs in a worker of any executor. The same part, model and options give the same bytes wherever
it runs, since every worker has one thread.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from forecast.cluster.parts_folder import DONE, ERROR, Part, as_json, hash_of
from forecast.cluster.whole_series import hashes_of, id_columns, series_in
from forecast.data.read import Source
from forecast.errors import FileError, OutputError
from forecast.files.atomic import write_file
from forecast.files.outputs import read_record
from forecast.forecasting.artifact import MANIFEST
from forecast.forecasting.forecaster import Forecaster
from forecast.runs.next_steps import read_about
from forecast.runs.table_files import write_table
from forecast.runs.use import load_run, model_folder
from forecast.runs.versions import version_folder
from forecast.scores.forecast import Forecast
from forecast.search.processes import Tell, one_line, used_memory

Ending = Literal["parquet", "csv"]


@dataclass(frozen=True)
class ForecastOptions:
    """Options of the forecasts of all parts.

    Attributes:
        horizon: steps to forecast; None: as trained.
        level: levels of intervals in %, or `auto`.
        ending: format of the forecasts.
    """

    horizon: int | None = None
    level: tuple[float, ...] | Literal["auto"] = "auto"
    ending: Ending = "parquet"


@dataclass(frozen=True)
class PartWork:
    """The same for every part.

    Attributes:
        run: folder of the model.
        model: fingerprint of the model.
        output: folder to write.
        options: what is forecast.
        baseline: name of the baseline that forecasts the same steps; None: none.
        reads_series: whether the series of each part are told, to be compared with the others'.
    """

    run: Path
    model: str
    output: Path
    options: ForecastOptions
    baseline: str | None = None
    reads_series: bool = False

    @classmethod
    def of(
        cls, run: str | Path, output: str | Path, options: ForecastOptions, *, reads_series: bool
    ) -> PartWork:
        """Return the work with the current model of a run.

        Args:
            run: folder of a run or a saved model.
            output: folder to write.
            options: what is forecast.
            reads_series: as in the attributes.
        """
        return cls(
            Path(run).resolve(),
            fingerprint_of(run),
            Path(output).resolve(),
            options,
            read_about(version_folder(run)).get("baseline"),
            reads_series=reads_series,
        )


@dataclass(frozen=True)
class PartEnd:
    """Result of one part.

    Attributes:
        num_series: that were forecast.
        is_kept: whether the forecasts were there already.
        error: why there are none; empty where there are.
        cpu_seconds: of the processor.
        series: hashes of the names of the series, where they are asked for.
    """

    num_series: int = 0
    is_kept: bool = False
    error: str = ""
    cpu_seconds: float = 0.0
    series: bytes = b""


def fingerprint_of(run: str | Path) -> str:
    """Return the fingerprint of the current model of a run: its manifest has the hash of all."""
    return hash_of(model_folder(run) / MANIFEST)


@dataclass(frozen=True)
class PartStation:
    """Station of a worker that forecasts parts.

    Attributes:
        work: the same for every part.
        forecaster: the model, read once.
    """

    work: PartWork
    forecaster: Forecaster

    def answer(self, _kind: str, content: tuple[Any, ...], _tell: Tell) -> PartEnd:
        """Forecast one part, unless the same forecasts are there; see `forecast_part`."""
        (part,) = content
        end = forecast_part(self.work, self.forecaster, part)
        if end.error or not self.work.reads_series:
            return end
        names = series_in(forecasts_of(self.work, part.name), id_columns(self.forecaster))
        return replace(end, series=hashes_of(names))


def open_parts(work: PartWork, _tell: Tell) -> PartStation:
    """Open the station of a worker that forecasts parts.

    Raises:
        OutputError: the run has another model than when the work began.
        ArtifactError: the model is damaged.
    """
    if fingerprint_of(work.run) != work.model:
        raise OutputError(
            f"{work.run} has another model than when this command began, so its forecasts would "
            f"be of two models: name a new folder with `output=`"
        )
    return PartStation(work, load_run(work.run))


def forecast_part(work: PartWork, forecaster: Forecaster, part: Part) -> PartEnd:
    """Forecast one part, unless the same forecasts are there.

    Args:
        work: the same for every part.
        forecaster: the model.
        part: the files to read.

    Returns:
        What was written: forecasts, or the line of the error that stands in their place.

    Raises:
        FileError: the forecasts cannot be written, as on a full disk.
    """
    start = time.process_time()
    try:
        fingerprints = part.fingerprints()
        num_series = kept_series(work, part.name, fingerprints)
        if num_series is not None:
            return PartEnd(num_series, is_kept=True)
        known = None
        if part.known is not None:
            known = str(part.known)
        forecast = forecast_rows(work, forecaster, str(part.path), known)
    except FileError:
        raise
    except Exception as error:  # whatever is wrong with this part, the others are forecast
        return PartEnd(error=write_error(work.output, part.name, one_line(error)))
    path = forecasts_of(work, part.name)
    write_table(forecast.frame(), path)
    end = PartEnd(len(forecast.series_ids), cpu_seconds=time.process_time() - start)
    record = {
        "fingerprints": fingerprints,
        "forecasts": {"file": path.name, "bytes": path.stat().st_size, "sha256": hash_of(path)},
        "series": end.num_series,
        "cpu_seconds": round(end.cpu_seconds, 3),
        "process_mebibytes": round(used_memory(os.getpid())),
        "notes": list(forecast.notes),
    }
    write_file(work.output / f"{part.name}{DONE}", as_json(record))
    (work.output / f"{part.name}{ERROR}").unlink(missing_ok=True)
    return end


def forecast_rows(
    work: PartWork, forecaster: Forecaster, rows: Source, known: Source | None = None
) -> Forecast:
    """Forecast the series of one part.

    Args:
        work: the same for every part.
        forecaster: the model.
        rows: of whole series.
        known: known covariates of later steps.

    Raises:
        DataError: the rows are refused.
    """
    return forecaster.predict(
        rows,
        known=known,
        horizon=work.options.horizon,
        level=work.options.level,
        baseline=work.baseline,
    )


def forecasts_of(work: PartWork, name: str) -> Path:
    """Return the file with the forecasts of a part."""
    return work.output / f"{name}.{work.options.ending}"


def kept_series(work: PartWork, name: str, fingerprints: dict[str, str]) -> int | None:
    """Return the number of series of forecasts that are there already; None where none are.

    Args:
        work: the same for every part.
        name: of the part.
        fingerprints: of its files.
    """
    record = read_record(work.output / f"{name}{DONE}")
    path = forecasts_of(work, name)
    if record.get("fingerprints") != fingerprints or not path.is_file():
        return None
    if hash_of(path) != record["forecasts"]["sha256"]:
        return None
    return int(record["series"])


def write_error(output: Path, name: str, error: str) -> str:
    """Write why a part has no forecasts, and return it; forecasts of another table go.

    Args:
        output: the folder.
        name: of the part.
        error: one line.
    """
    for ending in (DONE, ".parquet", ".csv"):
        (output / f"{name}{ending}").unlink(missing_ok=True)
    write_file(output / f"{name}{ERROR}", as_json({"error": error}))
    return error
