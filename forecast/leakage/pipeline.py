"""Leak check of any pipeline: values after a cutoff are changed, and nothing before it may change.

A pipeline is a function of a table and a cutoff that returns what is known at the cutoff: a mapping
from the names of its stages, in order, to arrays, frames, numbers or nested mappings and lists of
them; or its forecasts alone. All of that may depend on rows up to the cutoff, and on nothing else
but

* stamps and ids, which are never changed: a calendar, the number of rows and where they are cut may
  depend on them;
* columns that are declared as known: the price of the next 14 days, the size of a shop.

The values after the cutoff become missing, 1e6, -1e6, mirrored and shuffled, in all columns at
once; every stage must stay bitwise identical. Where one does not, each column is changed by itself
to find those the stage depends on.

Example:
    >>> import pandas as pd
    >>> from forecast import testing
    >>> def pipeline(table, cutoff):
    ...     past = table[table["ds"] <= cutoff]
    ...     scale = past["y"].std()
    ...     return {"scale": scale, "forecast": (past["y"] / scale).tail(7)}
    >>> table = pd.DataFrame({"ds": pd.date_range("2025-01-01", periods=60), "y": range(60)})
    >>> testing.check_no_leakage(pipeline, table).ok
    True
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from forecast.data.findings import counted
from forecast.errors import ConfigError
from forecast.leakage.changes import CHANGES, ChangeableTable, Rows, named
from forecast.leakage.digests import digests_of

Pipeline = Callable[[pd.DataFrame, Any], Any]
"""Called with a table and a cutoff; returns what is known then, stage by stage."""


_Digests = Mapping[str, str]
"""Stage -> digest."""


_REFUSAL_WIDTH = 150
"""Characters of an error that are quoted where a pipeline refuses a changed table."""


@dataclass(frozen=True)
class Leak:
    """A stage that depends on values after a cutoff.

    Attributes:
        stage: its name.
        cutoff: the first at which it leaks.
        changes: keys of `CHANGES` that change it.
        columns: those whose later values change it, each by itself; empty where only several
            together do.
    """

    stage: str
    cutoff: str
    changes: tuple[str, ...]
    columns: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """The columns it depends on, the cutoff and the changes."""
        columns = ", ".join(self.columns) or "several columns together"
        changes = ", ".join(self.changes)
        return f"leak: later values of {columns} (cutoff {self.cutoff}; changes {changes})"


@dataclass(frozen=True)
class LeakReport:
    """Result of a leak check.

    Attributes:
        compared: number of changed tables that each stage was compared on, by name, in the order of
            the pipeline.
        cutoffs: after which values were changed.
        leaks: one for each stage that depends on later values, in the order of the pipeline.
        refusals: changed tables that the pipeline refused, with its errors; they are not compared.
    """

    compared: dict[str, int]
    cutoffs: tuple[str, ...]
    leaks: tuple[Leak, ...]
    refusals: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether no stage depends on later values."""
        return not self.leaks

    def text(self) -> str:
        """Return the table of stages, and the verdict."""
        sentences = {leak.stage: leak.sentence for leak in self.leaks}
        width = max(5, *map(len, self.compared))
        lines = [f"{'stage':{width}}  compared  verdict"]
        for name, count in self.compared.items():
            lines.append(f"{name:{width}}  {count:8}  {sentences.get(name, 'ok')}")
        lines += [f"note: {refusal}" for refusal in self.refusals]
        lines.append(self._verdict())
        return "\n".join(lines)

    def _verdict(self) -> str:
        cutoffs = f"{counted(len(self.cutoffs), 'cutoff')}: {', '.join(self.cutoffs)}"
        if self.ok:
            return f"no stage depends on values after a cutoff ({cutoffs})"
        first = self.leaks[0]
        columns = ", ".join(map(repr, first.columns)) or "several columns together"
        return f"first leak: stage {first.stage!r} depends on later values of {columns} ({cutoffs})"


@dataclass(eq=False)
class _Findings:
    """Results that are gathered while a pipeline runs on changed tables.

    Attributes:
        compared: by stage, changed tables that it was compared on.
        leaks: by stage.
        refused: by change, errors of the pipeline.
    """

    compared: dict[str, int] = field(default_factory=dict)
    leaks: dict[str, Leak] = field(default_factory=dict)
    refused: dict[str, list[str]] = field(default_factory=dict)


def check_no_leakage(
    pipeline: Pipeline,
    frame: pd.DataFrame,
    *,
    cutoffs: Sequence[Any] | None = None,
    known: Mapping[str, int | None] | None = None,
    id_col: str = "unique_id",
    time_col: str = "ds",
) -> LeakReport:
    """Check that nothing a pipeline knows at a cutoff depends on values after it.

    The pipeline runs twice on the unchanged table, then on five changed ones per cutoff; where
    something leaks, on such tables for each column too. It gets a copy each time, with rows
    numbered from 0, whole numbers and booleans as float64. A change that it refuses with an
    exception is reported and not counted as a leak: a pipeline that takes no missing values is
    compared on the other changes.

    Args:
        pipeline: called as `pipeline(table, cutoff)`; returns a mapping from stages to values, or
            its forecasts, and of these only what may be known at the cutoff.
        frame: long table, one row per series and stamp.
        cutoffs: last stamps that may be seen; each one stamp, or a mapping from ids to stamps where
            series are split by their own ends; all values of a series without one may be seen.
            Default: three, which leave half, three tenths and a tenth of the stamps.
        known: columns that are known after a cutoff, with the number of stamps of each series for
            which they are; None for those that are known for ever, such as static ones.
        id_col: column of series ids; a table without it is one series.
        time_col: stamps that can be compared, dates or numbers.

    Returns:
        The stages that leak, and the columns they depend on.

    Raises:
        ConfigError: a column or cutoff does not fit the table, two runs on the same table differ, a
            stage contains something that cannot be compared, or every change was refused.

    Example:
        >>> import pandas as pd
        >>> from forecast import check_no_leakage
        >>> def pipeline(table, cutoff):  # a mean around each row, so it looks ahead
        ...     smooth = table["y"].rolling(5, center=True).mean()
        ...     return {"smooth": smooth[table["ds"] <= cutoff]}
        >>> table = pd.DataFrame({"ds": pd.date_range("2025-01-01", periods=60), "y": range(60)})
        >>> report = check_no_leakage(pipeline, table)
        >>> report.ok, report.leaks[0].stage, report.leaks[0].columns
        (False, 'smooth', ('y',))
    """
    table = ChangeableTable.of(frame, id_col, time_col, known or {})
    if cutoffs is None:
        cutoffs = table.usual_cutoffs()

    findings = _Findings()
    order: list[str] = []
    for number, cutoff in enumerate(cutoffs):
        rows = table.later(cutoff)
        before = digests_of(pipeline(table.frame.copy(), cutoff))
        order = max(order, list(before), key=len)  # some stages may exist at some cutoffs only
        if number == 0:
            _refuse_randomness(before, digests_of(pipeline(table.frame.copy(), cutoff)))
        _compare(pipeline, table, rows, cutoff, before, findings)

    refusals = tuple(
        f"the pipeline refused change {change!r} at {len(errors)} of {len(cutoffs)} cutoffs: "
        f"{errors[0]}"
        for change, errors in findings.refused.items()
    )
    if not any(findings.compared.values()):
        raise ConfigError(
            f"nothing could be compared: {'; '.join(refusals) or 'there is no cutoff, or no stage'}"
        )
    stages = {name: findings.compared[name] for name in [*order, *findings.compared]}
    leaks = tuple(findings.leaks[name] for name in stages if name in findings.leaks)
    return LeakReport(stages, tuple(map(named, cutoffs)), leaks, refusals)


def _compare(
    pipeline: Pipeline,
    table: ChangeableTable,
    rows: Mapping[str, Rows],
    cutoff: Any,
    before: _Digests,
    findings: _Findings,
) -> None:
    """Run on every changed table of one cutoff, and by column where a new stage leaks."""
    changes: dict[str, list[str]] = {}  # by stage
    for change in CHANGES:
        after = _run(pipeline, table.changed(rows, change), cutoff)
        if isinstance(after, Exception):
            for stage in before:
                findings.compared.setdefault(stage, 0)
            message = f"{type(after).__name__}: {after}"
            shortened = textwrap.shorten(message, _REFUSAL_WIDTH, placeholder=" ...")
            findings.refused.setdefault(change, []).append(shortened)
            continue
        for stage in before:
            findings.compared[stage] = findings.compared.get(stage, 0) + 1
        for stage in _different(before, after):
            findings.compared.setdefault(stage, 1)  # a stage that exists on a changed table only
            changes.setdefault(stage, []).append(change)

    new = {stage: names for stage, names in changes.items() if stage not in findings.leaks}
    columns = _leaking_columns(pipeline, table, rows, cutoff, before, new)
    for stage, names in new.items():
        findings.leaks[stage] = Leak(stage, named(cutoff), tuple(names), columns[stage])


def _leaking_columns(
    pipeline: Pipeline,
    table: ChangeableTable,
    rows: Mapping[str, Rows],
    cutoff: Any,
    before: _Digests,
    changes: Mapping[str, Sequence[str]],
) -> dict[str, tuple[str, ...]]:
    """Return by stage the columns that change it by themselves.

    Args:
        pipeline: the pipeline.
        table: the unchanged table.
        rows: (R,) mask for each column of its rows after the cutoff.
        cutoff: of the table.
        before: digests on the unchanged table.
        changes: by stage, the changes that change it.
    """
    columns: dict[str, list[str]] = {stage: [] for stage in changes}
    used = dict.fromkeys(change for names in changes.values() for change in names)
    for name, mask in rows.items():
        for change in used:
            after = _run(pipeline, table.changed({name: mask}, change), cutoff)
            if isinstance(after, Exception):
                continue
            for stage in _different(before, after):
                if stage in columns and name not in columns[stage]:
                    columns[stage].append(name)
    return {stage: tuple(names) for stage, names in columns.items()}


def _run(pipeline: Pipeline, frame: pd.DataFrame, cutoff: Any) -> dict[str, str] | Exception:
    """Return digests of the stages, or the error with which the pipeline refuses the table."""
    try:
        output = pipeline(frame, cutoff)
    except Exception as error:  # foreign code may raise anything
        return error
    return digests_of(output)


def _different(before: _Digests, after: _Digests) -> list[str]:
    """Return the stages that differ, those that exist on one side only among them."""
    return [stage for stage in {**before, **after} if before.get(stage) != after.get(stage)]


def _refuse_randomness(first: _Digests, second: _Digests) -> None:
    different = _different(first, second)
    if different:
        raise ConfigError(
            f"stage {different[0]!r} differs between two runs on the same table: a check needs a "
            f"pipeline that repeats itself; fix its seed"
        )
