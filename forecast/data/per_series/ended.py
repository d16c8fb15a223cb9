"""Series that end before the others: named, and forecast as a setting says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from forecast.axes import FloatArray, IntArray
from forecast.data.findings import Change, Finding, and_more, counted
from forecast.data.panel import Panel
from forecast.data.per_series.subset import select_series
from forecast.data.shown import stamp_at
from forecast.errors import ConfigError

EndedSeries = Literal["own_end", "common_end", "leave_out"]
"""The steps for which series that end before the others are forecast, if any."""

ENDED = "ended_series"
"""Code of the finding that names the series that end before the others."""

SHOWN_ENDS = 3
"""Series that end early which a note names, those furthest behind."""

_CONSEQUENCES: dict[EndedSeries, tuple[str, str]] = {
    "own_end": (
        "is forecast from its last row",
        "are forecast from their last rows",
    ),
    "common_end": (
        "is forecast to the same last step as the others; the steps up to that end are not shown",
        "are forecast to the same last step as the others; the steps up to that end are not shown",
    ),
    "leave_out": (
        "is learned from and not forecast",
        "are learned from and not forecast",
    ),
}
"""Words on one such series, and on several."""


@dataclass(frozen=True, eq=False)
class Reach:
    """The series to forecast, and how far.

    Attributes:
        panel: the N series.
        skipped: (N,) steps between the end of a series and the first step that is shown.
        notes: where forecasts start, where that is not after the last timestamp.
    """

    panel: Panel
    skipped: IntArray
    notes: tuple[str, ...]

    @property
    def furthest(self) -> int:
        """Most steps that are skipped."""
        return int(self.skipped.max(initial=0))

    def shown(self, values: FloatArray, steps: int) -> FloatArray:
        """Return the steps that are shown.

        Args:
            values: (N, H, ...) forecasts of the steps after the end of each series, H at least
                `steps` and those skipped.
            steps: number of steps that are shown.

        Returns:
            (N, steps, ...) forecasts.
        """
        if not self.furthest:
            return values[:, :steps]
        return values[self._shown_places(steps)]

    def from_the_end(self, shown: FloatArray) -> FloatArray:
        """Return forecasts as steps after the end of each series, 0 where they are not shown.

        Args:
            shown: (N, H, ...) the steps that are shown, as `shown` returns them.
        """
        steps = shown.shape[1]
        values = np.zeros((len(shown), steps + self.furthest, *shown.shape[2:]))
        values[self._shown_places(steps)] = shown
        return values

    def _shown_places(self, steps: int) -> tuple[IntArray, IntArray]:
        """Return series (N, 1) and steps (N, H) that are shown among those after each end."""
        return np.arange(len(self.skipped))[:, None], self.skipped[:, None] + np.arange(steps)


def reach_of(panel: Panel, how: EndedSeries) -> Reach:
    """Return the series to forecast, and the steps after each that are not shown.

    Args:
        panel: all series.
        how: the setting `data.ended_series`.
    """
    behind = steps_behind(panel)
    notes = ended_notes(panel, how)
    if panel.future is not None:
        notes = panel.future.notes + notes
    if how == "common_end":
        return Reach(panel, behind, notes)
    if how == "leave_out" and behind.any():
        panel = select_series(panel, np.flatnonzero(behind == 0))
    return Reach(panel, np.zeros(panel.num_series, np.int64), notes)


def steps_behind(panel: Panel) -> IntArray:
    """Return (N,) steps from the end of each series to the last timestamp of all series.

    They are 0 with an index of whole numbers: it counts the rows of each series, so a shorter
    series has not ended earlier.

    Args:
        panel: the series.
    """
    behind = np.zeros(panel.num_series, np.int64)
    if panel.freq.is_integer or panel.num_series == 1:
        return behind
    filled = np.flatnonzero(panel.lengths > 0)
    if not len(filled):
        return behind
    ends = panel.positions[panel.offsets[1:][filled] - 1]
    behind[filled] = ends.max() - ends
    return behind


def ended_notes(panel: Panel, how: EndedSeries = "own_end") -> tuple[str, ...]:
    """Return a note that names the series that end before the others; empty where none does.

    Args:
        panel: all series.
        how: the setting `data.ended_series`.
    """
    behind = steps_behind(panel)
    number = int((behind > 0).sum())
    if not number:
        return ()
    named = []
    for series in np.argsort(-behind, kind="stable")[: min(SHOWN_ENDS, number)]:
        end = stamp_at(panel.freq, panel.timestamps[panel.offsets[series + 1] - 1])
        steps = counted(int(behind[series]), "step")
        named.append(f"{panel.series_ids[series]!r} ({end}, {steps} behind)")
    latest = stamp_at(panel.freq, panel.timestamps.max())
    one, several = _CONSEQUENCES[how]
    message = f"{number} of {panel.num_series} series end before {latest} and {several}"
    if number == 1:
        message = f"1 of {panel.num_series} series ends before {latest} and {one}"
    return (f"{message}: {', '.join(named)}{and_more(number, SHOWN_ENDS)}",)


def ended_finding(panel: Panel, how: EndedSeries) -> tuple[Finding, ...]:
    """Return the note of `ended_notes` as a finding, with the other values of the setting.

    Args:
        panel: all series.
        how: the setting `data.ended_series`.
    """
    changes: tuple[Change, ...] = ()
    if how == "own_end":
        changes = (
            Change({"data.ended_series": "common_end"}, "for the same last step as the others"),
            Change({"data.ended_series": "leave_out"}, "for no forecast of them"),
        )
    notes = ended_notes(panel, how)
    return tuple(Finding(ENDED, "note", note, changes=changes) for note in notes)


def refuse_unreachable(panel: Panel, how: EndedSeries, horizon: int, steps: int) -> None:
    """Raise where a series cannot be forecast to the common end.

    Args:
        panel: all series.
        how: the setting `data.ended_series`.
        horizon: steps that the model forecasts at once.
        steps: after the common end.

    Raises:
        ConfigError: steps after the horizon need future values of past covariates.
    """
    past = panel.columns.past_covariates
    behind = steps_behind(panel)
    furthest = int(behind.argmax())
    if how != "common_end" or not past or not behind.any() or behind[furthest] + steps <= horizon:
        return
    raise ConfigError(
        f"data.ended_series is 'common_end', and series {panel.series_ids[furthest]!r} ends "
        f"{counted(int(behind[furthest]), 'step')} before the others: its steps after the horizon "
        f"of {horizon} need future values of the past covariates ({', '.join(past)}); set "
        f"data.ended_series to own_end or leave_out, or leave these covariates out"
    )
