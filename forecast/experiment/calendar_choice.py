"""The calendar features that the rows to learn from are long enough for.

A cycle that was seen once or twice is no season: the position in the year is a clock there, by
which a model learns the level of each month by heart and repeats it a year later, whatever the
level is by then.
"""

from __future__ import annotations

from forecast.data.findings import Choice
from forecast.data.panel import Panel
from forecast.experiment.settings import Experiment
from forecast.experiment.training_rows import learned_days
from forecast.windows.calendar import default_calendar

LEAST_CYCLES = 3
"""Cycles in the rows to learn from with which a feature is taken."""

LEAST_YEARS_OF_MONTHS = 2
"""The same for months and quarters, of which a table has few, and each has few values to learn."""

CYCLES = {
    "minute": ("hours", 1 / 24),
    "hour": ("days", 1.0),
    "weekday": ("weeks", 7.0),
    "day_of_year": ("years", 364.0),
    "week_of_year": ("years", 364.0),
    "month": ("years", 364.0),
    "quarter": ("years", 364.0),
}
"""Cycle of each feature that may be chosen: its name and its days, of a year those of 52 weeks."""


def calendar_choice(config: Experiment, panel: Panel) -> Choice:
    """Choose the features that suit the frequency and whose cycles the rows hold.

    Args:
        config: the experiment, with the sizes of its sets.
        panel: the series.
    """
    days = learned_days(config, panel)
    kept = []
    reasons = ["by the frequency"]
    for name in default_calendar(panel.freq):
        unit, length = CYCLES[name]
        least = LEAST_CYCLES
        if name in ("month", "quarter"):
            least = LEAST_YEARS_OF_MONTHS
        if days >= least * length:
            kept.append(name)
        else:
            found = f"{days / length:.1f}"
            reasons.append(f"{name} takes {least} {unit} to learn from, there are {found}")
    return Choice(tuple(kept), "; ".join(reasons))
