"""The scores of an evaluation: one row per model, and one sentence on what they show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from html import escape
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.data.findings import counted, listed
from forecast.errors import SkillError
from forecast.scores.layout import (
    Column,
    html_table,
    point_columns,
    quantile_columns,
    ruled,
    text_lines,
)
from forecast.scores.member_weights import members_text
from forecast.scores.skill import Comparison


@dataclass(frozen=True)
class Scores:
    """Scores of every model, and what they say of the evaluated one.

    Attributes:
        alias: the evaluated model.
        baselines: names of the models it is compared with.
        values: score by model and by name, those of `SCORES`; NaN where nothing could be scored.
            MSE, MAE and RMSE are in the unit of the data, sMAPE in percent. Models that write
            quantiles have the scores of quantiles as well, and for each central interval those of
            intervals, such as `coverage-80`.
        num_windows: W.
        num_series: series that have a window.
        horizon: H.
        season_length: steps in one season, for MASE.
        notes: remarks on the evaluation, one sentence each.
        comparisons: of each model with the best baseline; empty where there are too few cutoffs.
        quantile_levels: the levels that the scores of quantiles are taken over.
        members: weight of each member by its name, where the evaluated model is an ensemble.
        judged_by: score by which models are compared: MSE where a mean was forecast of values that
            are mostly 0, since nothing has a smaller MAE there than a forecast of 0; else MAE.
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
    quantile_levels: tuple[float, ...] = ()
    members: dict[str, float] = field(default_factory=dict)
    judged_by: str = "MAE"

    def __repr__(self) -> str:
        """One line: the model, its error, its skill and the size of the test set."""
        error = self._error(self.alias)
        against = ""
        if self.best_baseline is not None:
            skill = _signed_percent(self.skill(self.alias))
            against = f", skill {skill} against {self.best_baseline!r}"
        windows = counted(self.num_windows, "window")
        return (
            f"Scores({self.alias!r}: {self.judged_by} {error:.4g}{against}; {windows} of "
            f"{self.num_series:,} series, horizon {self.horizon})"
        )

    def _repr_html_(self) -> str:
        """Tables for a notebook, every text escaped."""
        parts = [f"<p>{self.task()}</p>", html_table(self.point_columns())]
        if columns := self.quantile_columns():
            parts += [f"<p>{self.quantile_heading()}</p>", html_table(columns)]
        sentences = [*self._member_lines(), self.verdict(), *self._note_lines()]
        parts += [f"<p>{escape(sentence)}</p>" for sentence in sentences]
        return "".join(parts)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all scores that some model has."""
        return tuple(dict.fromkeys(name for scores in self.values.values() for name in scores))

    @property
    def best_baseline(self) -> str | None:
        """The baseline with the smallest error, or None where there is none with a score."""
        scored = [name for name in self.baselines if np.isfinite(self._error(name))]
        return min(scored, key=self._error, default=None)

    def skill(self, model: str) -> float:
        """1 - MAE / MAE of the best baseline: above 0 is better; NaN where that MAE is 0 or NaN.

        Of another `judged_by` the same with that score.
        """
        best = self.best_baseline
        if best is None or not self._error(best) > 0:
            return float("nan")
        return 1.0 - self._error(model) / self._error(best)

    def verdict(self) -> str:
        """Return one sentence on whether the evaluated model beats the best baseline."""
        best = self.best_baseline
        skill = self.skill(self.alias)
        where = f"on {counted(self.num_windows, 'test window')}"
        if best is None:
            return f"{self.alias} was compared with no baseline {where}."

        interval = self._interval()
        doubt = ", but the difference may be chance" * self._may_be_chance()
        if skill > 0:
            return (
                f"{self.alias} beats the best baseline ({best}) by {_percent(skill)} % in "
                f"{self.judged_by}"
                f"{interval} {where}{doubt}."
            )
        start = f"{self.alias} does not beat the best baseline ({best})"
        error = self.judged_by
        if skill < 0:
            return f"{start}: its {error} is {_percent(skill)} % higher{interval} {where}{doubt}."

        mine = self._error(self.alias)
        theirs = self._error(best)
        if mine == theirs:
            return f"{start}: their {error} is the same {where}."
        return f"{start}: its {error} is {mine:.4g} against {theirs:.4g} {where}."

    def compared(self, comparisons: dict[str, Comparison]) -> Scores:
        """Return the same scores with the models compared, or with a note that they cannot be."""
        notes = self.notes
        if self.alias not in comparisons:
            too_few = (
                "there are too few cutoffs to estimate how much of the difference may be chance"
            )
            notes = (*notes, too_few)
        return replace(self, comparisons=comparisons, notes=notes)

    def require_skill(self) -> None:
        """Raise unless the evaluated model beats the best baseline beyond chance.

        It does where the whole interval of its skill lies above 0. Where the cutoffs are too few
        for an interval it cannot be shown.

        Raises:
            SkillError: it does not, or that cannot be shown; with the reason.
        """
        comparison = self.comparisons.get(self.alias)
        verdict = self.verdict().rstrip(".")
        is_better = self.skill(self.alias) > 0
        if not is_better or (comparison is not None and comparison.low <= 0):
            raise SkillError(f"skill was required: {verdict}")
        if comparison is None:
            raise SkillError(
                f"skill was required: {verdict}, but there are too few cutoffs to rule out chance; "
                f"use a larger test set or a shorter horizon"
            )

    def task(self) -> str:
        """The heading of the table: horizon, number of series and season length."""
        series = "one series"
        if self.num_series > 1:
            series = f"{self.num_series:,} series"
        return f"horizon {self.horizon}, {series}, season length {self.season_length}"

    def quantile_heading(self) -> str:
        """The heading of the table of quantiles and intervals."""
        levels = ", ".join(f"{level:g}" for level in self.quantile_levels)
        return f"quantiles of levels {levels}, and the intervals between them"

    def point_columns(self) -> list[Column]:
        """Columns of the table of point forecasts, without the skill."""
        return point_columns(self.values)

    def quantile_columns(self) -> list[Column]:
        """Columns of the table of quantiles and intervals; empty where no model writes any."""
        return quantile_columns(self.values)

    def text(self) -> str:
        """Return the task, the tables with the best score of each column marked *, the verdict."""
        skills = [_signed_percent(self.skill(model)) for model in self.values]
        table = text_lines(self.point_columns())
        width = max(map(len, ("skill", *skills)))
        ends = [cell.rjust(width) for cell in ("skill", *skills)]
        table = [f"{line}  {end}" for line, end in zip(table, ends, strict=True)]

        lines = [self.task(), *ruled(table)]
        if columns := self.quantile_columns():
            lines += [self.quantile_heading(), *ruled(text_lines(columns))]
        lines += [*self._member_lines(), self.verdict(), *self._note_lines()]
        return "\n".join(lines)

    def frame(self) -> pd.DataFrame:
        """Return one row per model: `model`, the scores, `skill`, its 95 % interval, its p-value.

        Numbers that a model lacks are NaN.
        """
        rows = []
        for model, scores in self.values.items():
            row: dict[str, Any] = {"model": model, **scores, "skill": self.skill(model)}
            comparison = self.comparisons.get(model)
            if comparison is not None:
                row["skill-lo-95"] = comparison.low
                row["skill-hi-95"] = comparison.high
                row["p_value"] = comparison.p_value
            rows.append(row)
        ends = ("skill", "skill-lo-95", "skill-hi-95", "p_value")
        return pd.DataFrame(rows, columns=["model", *self.names, *ends])

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, with None for what is not a finite number."""
        values = {}
        for model, scores in self.values.items():
            values[model] = {name: _finite_or_none(score) for name, score in scores.items()}
        lists = ("baselines", "notes", "quantile_levels")
        return {
            **asdict(self),
            **{name: list(getattr(self, name)) for name in lists},
            "values": values,
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Scores:
        """Read back what `to_dict` wrote; earlier versions wrote no quantiles and no members."""
        fields = {**stored, "quantile_levels": stored.get("quantile_levels", ())}
        for name in ("baselines", "notes", "quantile_levels"):
            fields[name] = tuple(fields[name])
        fields["values"] = {
            model: {name: _number_or_nan(score) for name, score in scores.items()}
            for model, scores in stored["values"].items()
        }
        fields["comparisons"] = {
            model: Comparison(**comparison)
            for model, comparison in stored.get("comparisons", {}).items()
        }
        return cls(**fields)

    def _error(self, model: str) -> float:
        """Return the error of a model by which it is compared."""
        return self.values[model][self.judged_by]

    def _member_lines(self) -> list[str]:
        text = members_text(self.members)
        if not text:
            return []
        return [f"{self.alias}: {text}"]

    def _note_lines(self) -> list[str]:
        return [f"Note: {note}." for note in self.notes]

    def _may_be_chance(self) -> bool:
        comparison = self.comparisons.get(self.alias)
        return comparison is not None and comparison.low <= 0 <= comparison.high

    def _interval(self) -> str:
        """Return the interval of the skill in words; of a loss, in percent of more error."""
        comparison = self.comparisons.get(self.alias)
        if comparison is None:
            return ""
        ends = [comparison.low, comparison.high]
        if not self.skill(self.alias) > 0:
            ends = [-comparison.high, -comparison.low]
        low, high = ("-" * (end < 0) + _percent(end) for end in ends)
        return f" (95 % interval {low} to {high})"


def unjudged_notes(series_ids: NDArray[np.object_], total: int) -> tuple[str, ...]:
    """Return a note on the series that are not in the scores, if there are any.

    Args:
        series_ids: of the series without a test window.
        total: number of all series.
    """
    if not len(series_ids):
        return ()
    verb = "have no test window and are"
    if len(series_ids) == 1:
        verb = "has no test window and is"
    return (
        f"{len(series_ids):,} of {total:,} series {verb} not in the scores: "
        f"{listed(series_ids, 3)}",
    )


def unscaled_notes(number: int, num_series: int) -> tuple[str, ...]:
    """Return a note on the series that MASE leaves out, if there are any.

    Args:
        number: of series without a scale.
        num_series: that have a test window.
    """
    if not number:
        return ()
    return (
        f"MASE leaves out targets of {number:,} of {num_series:,} series whose training rows "
        f"repeat exactly or are shorter than a season",
    )


def _percent(skill: float) -> str:
    """Percentage without its sign; two significant digits where one decimal would say 0.0."""
    percent = 100.0 * abs(skill)
    if percent >= 0.1:
        return f"{percent:.1f}"
    return f"{percent:.2g}"


def _signed_percent(skill: float) -> str:
    if not np.isfinite(skill):
        return "-"
    return f"{100 * skill:+.1f} %"


def _finite_or_none(score: float) -> float | None:
    if np.isfinite(score):
        return score
    return None


def _number_or_nan(score: float | None) -> float:
    if score is None:
        return float("nan")
    return score
