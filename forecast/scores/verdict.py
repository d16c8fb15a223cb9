"""The table of scores: one row per model, and one sentence that says what it means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.data.findings import listed
from forecast.errors import SkillError
from forecast.scores.skill import Comparison

SCORE_NAMES = ("MSE", "MAE", "RMSE", "sMAPE", "MASE")


@dataclass(frozen=True)
class Scores:
    """One row of scores per model, and what they say of the judged one.

    Attributes:
        alias: the judged model.
        baselines: the names it is judged against.
        values: score by model and by name (`SCORE_NAMES`); NaN where nothing could be scored. MSE,
            MAE and RMSE are in the unit of the data, sMAPE in percent.
        num_windows: W.
        num_series: series that have a window.
        horizon: H.
        season_length: steps in one season, for MASE.
        notes: what was left out and what is remarkable, one sentence each.
        comparisons: of each model with the best baseline; none where there are too few cutoffs for
            it.
    """

    alias: str
    baselines: tuple[str, ...]
    values: dict[str, dict[str, float]]
    num_windows: int
    num_series: int
    horizon: int
    season_length: int
    notes: tuple[str, ...] = ()
    comparisons: dict[str, Comparison] = field(default_factory=dict)

    @property
    def best_baseline(self) -> str | None:
        """The baseline with the smallest MAE, or None where there is none with a score."""
        scored = [name for name in self.baselines if np.isfinite(self.values[name]["MAE"])]
        return min(scored, key=lambda name: self.values[name]["MAE"], default=None)

    def skill(self, model: str) -> float:
        """1 - MAE / MAE of the best baseline: above 0 is better than it; NaN where that MAE is 0 or missing."""
        best = self.best_baseline
        reference = self.values[best]["MAE"] if best else 0.0
        return 1.0 - self.values[model]["MAE"] / reference if reference > 0 else float("nan")

    def verdict(self) -> str:
        """Say in one sentence whether the judged model beats the best baseline."""
        best, skill = self.best_baseline, self.skill(self.alias)
        where = f"on {self.num_windows:,} test window{'' if self.num_windows == 1 else 's'}"
        if best is None:
            return f"{self.alias} was compared with no baseline {where}."
        interval, doubt = (
            self._interval(),
            ", but the difference may be chance" if self._may_be_chance() else "",
        )
        if skill > 0:
            return f"{self.alias} beats the best baseline ({best}) by {_percent(skill)} % in MAE{interval} {where}{doubt}."
        if skill < 0:
            return (
                f"{self.alias} does not beat the best baseline ({best}): its MAE is "
                f"{_percent(skill)} % "
                f"higher{interval} {where}{doubt}."
            )
        mine, theirs = self.values[self.alias]["MAE"], self.values[best]["MAE"]
        numbers = (
            "their MAE is the same"
            if mine == theirs
            else f"its MAE is {mine:.4g} against {theirs:.4g}"
        )
        return f"{self.alias} does not beat the best baseline ({best}): {numbers} {where}."

    def compared(self, comparisons: dict[str, Comparison]) -> Scores:
        """Return the same scores with the models compared, or with a note that they cannot be."""
        too_few = "the cutoffs are too few to say how much of the difference may be chance"
        notes = self.notes if self.alias in comparisons else (*self.notes, too_few)
        return replace(self, comparisons=comparisons, notes=notes)

    def require_skill(self) -> None:
        """Do nothing where the judged model beats the best baseline beyond chance.

        That is where the whole interval of its skill lies above 0. Where the cutoffs are too few
        for an interval it cannot be shown.

        Raises:
            SkillError: it does not, or that cannot be shown; with the reason.
        """
        one, verdict = self.comparisons.get(self.alias), self.verdict().rstrip(".")
        if not self.skill(self.alias) > 0 or (one is not None and one.low <= 0):
            raise SkillError(f"skill was required: {verdict}")
        if one is None:
            raise SkillError(
                f"skill was required: {verdict}, but their cutoffs are too few to tell that from "
                f"chance; use a larger "
                "test part or a shorter horizon"
            )

    def _may_be_chance(self) -> bool:
        one = self.comparisons.get(self.alias)
        return one is not None and one.low <= 0 <= one.high

    def _interval(self) -> str:
        """The interval of the judged model's skill in words; of a loss, in per cent of more error."""
        found = self.comparisons.get(self.alias)
        if found is None:
            return ""
        ends = (found.low, found.high) if self.skill(self.alias) > 0 else (-found.high, -found.low)
        low, high = ("-" * (one < 0) + _percent(one) for one in ends)
        return f" (95 % interval {low} to {high})"

    def text(self) -> str:
        """The task, a fixed-width table with the best score of every column marked *, and the verdict."""
        frame = self.frame()
        skills = [f"{100 * one:+.1f} %" if np.isfinite(one) else "-" for one in frame["skill"]]
        columns = [["model", *frame["model"]]]
        columns += [[f"{name} ", *_marked(frame[name].to_list())] for name in SCORE_NAMES]
        columns.append(["skill", *skills])
        lines = _aligned(columns)
        rule = "-" * max(len(line) for line in lines)
        notes = [f"Note: {note}." for note in self.notes]
        series = f"{self.num_series:,} series" if self.num_series > 1 else "one series"
        task = f"{self.horizon} step{'s' * (self.horizon > 1)} ahead, {series}, season of {self.season_length}"
        return "\n".join([task, rule, lines[0], rule, *lines[1:], rule, self.verdict(), *notes])

    def frame(self) -> pd.DataFrame:
        """One row per model: `model`, the scores, `skill`, the ends of its 95 % interval and its p-value, or NaN."""
        rows = []
        for name, scores in self.values.items():
            row: dict[str, Any] = {"model": name, **scores, "skill": self.skill(name)}
            if (one := self.comparisons.get(name)) is not None:
                row |= {"skill-lo-95": one.low, "skill-hi-95": one.high, "p_value": one.p_value}
            rows.append(row)
        return pd.DataFrame(
            rows, columns=["model", *SCORE_NAMES, "skill", "skill-lo-95", "skill-hi-95", "p_value"]
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, with None in the place of what is not a finite number."""
        values = {
            model: {name: score if np.isfinite(score) else None for name, score in scores.items()}
            for model, scores in self.values.items()
        }
        return {
            **asdict(self),
            "values": values,
            "baselines": list(self.baselines),
            "notes": list(self.notes),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Scores:
        """Read back what `to_dict` wrote."""
        scores = {
            model: {name: float("nan") if score is None else score for name, score in row.items()}
            for model, row in values["values"].items()
        }
        lists = {name: tuple(values[name]) for name in ("baselines", "notes")}
        comparisons = {
            model: Comparison(**one) for model, one in values.get("comparisons", {}).items()
        }
        return cls(**{**values, **lists, "values": scores, "comparisons": comparisons})


def unjudged_notes(series_ids: NDArray[np.object_], total: int) -> tuple[str, ...]:
    """Say which series are not in the scores.

    Args:
        series_ids: of the series without a test window.
        total: of all series.
    """
    if not len(series_ids):
        return ()
    verb = "has no test window and is" if len(series_ids) == 1 else "have no test window and are"
    return (
        f"{len(series_ids):,} of {total:,} series {verb} not in the scores: "
        f"{listed(series_ids, 3)}",
    )


def unscaled_notes(number: int, num_series: int) -> tuple[str, ...]:
    """Say how many series MASE leaves out.

    Args:
        number: of series without a scale.
        num_series: that have a test window.
    """
    if not number:
        return ()
    return (
        f"MASE leaves out targets of {number:,} of {num_series:,} series whose training rows "
        f"repeat exactly or are "
        "shorter than a season",
    )


def _percent(skill: float) -> str:
    """Percentage without its sign; two significant digits where one decimal would say 0.0."""
    percent = 100.0 * abs(skill)
    return f"{percent:.1f}" if percent >= 0.1 else f"{percent:.2g}"


def column_style(values: Sequence[float]) -> str:
    """How the numbers of one column are written: equal decimals, four significant digits in the smallest above 0."""
    smallest = min((value for value in values if np.isfinite(value) and value > 0), default=1.0)
    decimals = max(3 - int(np.floor(np.log10(smallest))), 0)
    return f",.{decimals}f" if decimals <= 7 else ".3e"


def _marked(values: list[float]) -> list[str]:
    """Numbers of one column with equal decimals, four significant digits in the smallest, the best marked *."""
    finite, style = [value for value in values if np.isfinite(value)], column_style(values)
    cells = [format(value, style) if np.isfinite(value) else "-" for value in values]
    best = min(finite, default=None)
    return [
        cell + ("*" if value == best else " ") for cell, value in zip(cells, values, strict=True)
    ]


def _aligned(columns: list[list[str]]) -> list[str]:
    """Lines of a table: the first column flush left, numbers flush right."""
    widths = [max(map(len, column)) for column in columns]
    rows = zip(*columns, strict=True)
    return [
        "  ".join(
            [
                row[0].ljust(widths[0]),
                *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
            ]
        )
        for row in rows
    ]
