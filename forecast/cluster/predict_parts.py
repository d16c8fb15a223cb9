"""Forecast every file of a folder, each in the next free worker of an executor."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from forecast.cluster.part_station import (
    ForecastOptions,
    PartEnd,
    PartWork,
    forecasts_of,
    open_parts,
    write_error,
)
from forecast.cluster.parts_folder import ERROR, Part, begin_output, is_split, list_parts
from forecast.cluster.tasks import reason_of, run_tasks
from forecast.cluster.whole_series import id_columns, refuse_divided
from forecast.data.findings import BadTableError, counted
from forecast.errors import ConfigError, OutputError
from forecast.forecasting.ahead import check_levels, steps_to_forecast
from forecast.forecasting.fitted import Fitted
from forecast.forecasting.learned_table import check_columns
from forecast.runs.use import load_run
from forecast.search.processes import Executor, LocalProcesses, Opening
from forecast.training.voice import Say

_LINE_SECONDS = 5.0
"""Time between two lines about progress, at least."""


@dataclass(frozen=True)
class PartsEnd:
    """Result of all parts.

    Attributes:
        num_parts: with forecasts.
        num_kept: of these, those that were there already.
        num_series: of the forecasts.
        errors: name of each part without forecasts, and why it has none.
    """

    num_parts: int
    num_kept: int
    num_series: int
    errors: dict[str, str]


def predict_parts(
    run: str | Path,
    parts: str | Path,
    output: str | Path,
    *,
    options: ForecastOptions = ForecastOptions(),
    executor: Executor = LocalProcesses(),
    say: Say = lambda _: None,
) -> PartsEnd:
    """Forecast every file of a folder into a file of its own.

    Forecasts that are there with the same fingerprints are kept. A part that is refused has a file
    with the reason and does not stop the others.

    Args:
        run: folder of a run or a saved model.
        parts: folder of `split_table`, or one with files of whole series.
        output: folder to write; new, empty, or of the same model and options.
        options: horizon, intervals and format of the forecasts.
        executor: where the parts are forecast; default: one process.
        say: takes lines about progress.

    Returns:
        Counts, and the errors.

    Raises:
        DataError: the folder has no parts, or one of them lacks a column of the model; at the end,
            a series is in several parts.
        ConfigError: the model cannot forecast parts, or not with these options.
        OutputError: the folder has other files, or forecasts of another model or options.
    """
    listed = list_parts(parts)
    forecaster = load_run(run)
    fitted = forecaster.fitted
    check_options(fitted, options)
    for part in listed:
        _check_part(fitted, part)
    work = PartWork.of(run, output, options, reads_series=not is_split(Path(parts)))
    _refuse_within(parts, output)
    begin_output(output, _identity(work))
    resolved = [Part(part.name, part.path.resolve(), _resolved(part.known)) for part in listed]
    end, hashes = _forecast(work, resolved, executor, say)
    refuse_divided(hashes, id_columns(forecaster))
    return end


def _forecast(
    work: PartWork, parts: Sequence[Part], executor: Executor, say: Say
) -> tuple[PartsEnd, dict[Path, bytes]]:
    """Forecast all parts and tell about progress; also return the hashes of series, if asked."""
    hashes: dict[Path, bytes] = {}
    opening = Opening("parts", open_parts, work, threads=1, with_keras=False)
    progress = _Progress(len(parts), say)
    for answered in run_tasks(executor, opening, "part", [(part,) for part in parts]):
        part = parts[answered.number]
        reason = reason_of(answered.answer)
        end = answered.answer
        if reason:  # the worker was lost twice
            end = PartEnd(error=write_error(work.output, part.name, reason))
        progress.add(part, end)
        if end.series:
            hashes[forecasts_of(work, part.name)] = end.series
    return progress.result(), hashes


@dataclass
class _Progress:
    """Counts of parts that have ended, and lines about them."""

    num_parts: int
    say: Say
    num_ended: int = 0
    num_kept: int = 0
    num_series: int = 0
    num_new: int = 0
    errors: dict[str, str] = field(default_factory=dict)
    start: float = field(default_factory=time.monotonic)
    last_line: float = field(default_factory=time.monotonic)

    def add(self, part: Part, end: PartEnd) -> None:
        """Count a part that has ended, and print a line if the last one is old."""
        self.num_ended += 1
        self.num_series += end.num_series
        if end.error:
            self.errors[part.name] = end.error
            self.say(f"{part.path.name}: {end.error}")
        elif end.is_kept:
            self.num_kept += 1
        else:
            self.num_new += end.num_series
        now = time.monotonic()
        if now - self.last_line >= _LINE_SECONDS and self.num_ended < self.num_parts:
            self.last_line = now
            self.say(self._line(now - self.start))

    def _line(self, seconds: float) -> str:
        rate = self.num_new / max(seconds, 1e-9)
        worked = self.num_ended - self.num_kept
        line = (
            f"{self.num_ended:,} of {counted(self.num_parts, 'part')}: "
            f"{counted(self.num_series, 'series')}, {rate:,.0f} a second"
        )
        if worked:
            left = seconds / worked * (self.num_parts - self.num_ended)
            line += f", {_duration(left)} left"
        return line

    def result(self) -> PartsEnd:
        """Return the counts."""
        made = self.num_parts - len(self.errors)
        return PartsEnd(made, self.num_kept, self.num_series, dict(sorted(self.errors.items())))


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02d}:{rest:02d}"
    return f"{minutes}:{rest:02d}"


def check_options(fitted: Fitted, options: ForecastOptions) -> None:
    """Raise where no part could be forecast with these options.

    Raises:
        ConfigError: as above.
    """
    steps_to_forecast(fitted, options.horizon)
    check_levels(fitted, options.horizon, options.level)
    ended = fitted.config.data.ended_series
    if ended != "own_end":
        raise ConfigError(
            f"data.ended_series of the model is {ended!r}, which compares the ends of all series, "
            f"and a part has only some: forecast the table as a whole, or fit with "
            f'`data.ended_series="own_end"`'
        )


def _check_part(fitted: Fitted, part: Part) -> None:
    """Raise where a part lacks a column of the model, with the name of its file."""
    try:
        check_columns(fitted, str(part.path))
    except BadTableError as error:
        finding = error.finding
        message = f"{part.path.name}: {finding.message}"
        raise BadTableError(finding.code, message, finding.fix, finding.changes) from None


def _refuse_within(parts: str | Path, output: str | Path) -> None:
    """Raise where forecasts would be written among the parts."""
    if Path(parts).resolve() == Path(output).resolve():
        raise OutputError(
            f"{output} has the parts themselves: name another folder for the forecasts, such as "
            f"{output}-forecasts"
        )


def _identity(work: PartWork) -> dict[str, object]:
    """Return what is the same for all forecasts of a folder, as JSON values."""
    import forecast

    level: str | list[float] = "auto"
    if work.options.level != "auto":
        level = list(work.options.level)
    return {
        "model": work.model,
        "horizon": work.options.horizon,
        "level": level,
        "baseline": work.baseline,
        "format": work.options.ending,
        "version": forecast.__version__,
    }


def _resolved(path: Path | None) -> Path | None:
    if path is None:
        return None
    return path.resolve()


def error_lines(end: PartsEnd, output: str | Path) -> list[str]:
    """Return what to say about parts without forecasts; nothing where there is none."""
    if not end.errors:
        return []
    total = end.num_parts + len(end.errors)
    first = next(iter(end.errors))
    verb = "has no forecasts" if len(end.errors) == 1 else "have no forecasts"
    return [
        f"{len(end.errors)} of {counted(total, 'part')} {verb}: see "
        f"{Path(output, first + ERROR)}; correct the table and run the command again, which keeps "
        f"the forecasts of the others"
    ]
