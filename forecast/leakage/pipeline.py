"""Proof that a pipeline does not look ahead: its table is changed after a cutoff, and nothing before may change.

A pipeline is any function of a table and a cutoff that returns what it knows at the cutoff: a
mapping from the names of its stages, in order, to arrays, frames, numbers or nested mappings and
lists of them; or its forecasts alone. All of that may depend on rows up to the cutoff, and on
nothing else but

* stamps and ids, which are never changed: a calendar, the number of rows and where they are cut are
  lawful;
* columns that are declared as known: the price of the next 14 days, the size of a shop.

    def pipeline(table, cutoff):
        past = table[table["ds"] <= cutoff]
        scale = past["y"].std()
        return {"scale": scale, "features": past["y"].diff() / scale, "forecast":
        past["y"].iloc[-7:]}

    report = check_no_leakage(pipeline, table)
    assert report.ok, report.text()

The values after the cutoff become missing, 1e6, -1e6, mirrored and shuffled, in all columns at
once; every stage must stay the same bit for bit. Where one does not, each column is changed by
itself to find those the stage depends on.
"""

from __future__ import annotations

import hashlib
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.data.findings import counted
from forecast.errors import ConfigError, nearest

Pipeline = Callable[[pd.DataFrame, Any], Any]
"""From a table and a cutoff to what is known then, stage by stage."""


Rows = NDArray[np.bool_]


CHANGES = ("missing", "+1e6", "-1e6", "mirrored", "shuffled")
"""What becomes of later values: nothing, one number, themselves times -1e6, those of other later
rows.

The mirror turns the order of series and rows round, which no change that is the same everywhere
does.
"""


SHARES = (0.5, 0.7, 0.9)
"""Of the stamps, where cutoffs lie that nobody named."""


REFUSAL_WIDTH = 150
"""Characters of what a pipeline said when it refused a changed table."""


@dataclass(frozen=True)
class Leak:
    """A stage that depends on values after a cutoff.

    Attributes:
        stage: its name.
        cutoff: the first at which that was seen.
        changes: keys of `CHANGES` that it follows.
        columns: those whose later values it depends on, each by itself; none where it takes several
            together.
    """

    stage: str
    cutoff: str
    changes: tuple[str, ...]
    columns: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """What it depends on, where, and by which changes that was seen."""
        columns = ", ".join(self.columns) or "several columns together"
        return f"leak: later values of {columns}, seen at cutoff {self.cutoff} ({', '.join(self.changes)})"


@dataclass(frozen=True)
class LeakReport:
    """What a leak check found.

    Attributes:
        compared: changed tables that each stage was compared on, by name, in the order of the
            pipeline.
        cutoffs: where values were changed.
        leaks: one for each stage that depends on later values, in the order of the pipeline.
        refusals: changed tables that the pipeline refused, with what it said, and so was not
            compared on.
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
        """The table of the stages, and the verdict."""
        found = {leak.stage: leak.sentence for leak in self.leaks}
        width = max(5, *map(len, self.compared))
        lines = [f"{'stage':{width}}  compared  verdict"]
        lines += [
            f"{name:{width}}  {count:8}  {found.get(name, 'ok')}"
            for name, count in self.compared.items()
        ]
        lines += [f"note: {refusal}" for refusal in self.refusals]
        places = f"{counted(len(self.cutoffs), 'cutoff')}, {', '.join(self.cutoffs)}"
        if self.ok:
            return "\n".join([*lines, f"no stage depends on values after a cutoff ({places})"])
        first = self.leaks[0]
        columns = ", ".join(map(repr, first.columns)) or "several columns together"
        return "\n".join(
            [
                *lines,
                f"stage {first.stage!r} is the first that looks ahead, at {columns} ({places})",
            ]
        )


@dataclass(frozen=True, eq=False)
class _Table:
    """A table whose later values can be changed.

    Attributes:
        frame: numbers as float64, so that any of them can go missing without another type.
        id_col: names the series; None where there is one.
        time_col: the stamps.
        known: steps after a cutoff for which a column is known, None for ever.
    """

    frame: pd.DataFrame
    id_col: str | None
    time_col: str
    known: Mapping[str, int | None]

    @property
    def columns(self) -> list[str]:
        """Those whose values are changed."""
        fixed = [name for name, steps in self.known.items() if steps is None]
        return [
            name for name in self.frame.columns if name not in (self.id_col, self.time_col, *fixed)
        ]

    def later(self, cutoff: Any) -> dict[str, Rows]:
        """(R,) rows of each column that nobody knows at a cutoff."""
        stamps = self.frame[self.time_col]
        if isinstance(cutoff, Mapping) and self.id_col is None:
            raise ConfigError(
                "cutoffs name series, and the table has no column of ids: give one stamp for each"
            )
        try:
            limit = self.frame[self.id_col].map(cutoff) if isinstance(cutoff, Mapping) else cutoff
            after = (stamps > limit).to_numpy()
        except TypeError as error:
            raise ConfigError(
                f"cutoff {_named(cutoff)!r} cannot be compared with the {stamps.dtype} stamps of "
                f"{self.time_col!r}: "
                "turn the column into dates with pandas.to_datetime"
            ) from error
        if not after.any():
            raise ConfigError(f"cutoff {_named(cutoff)} has no row after it: name an earlier one")
        ids = self.frame[self.id_col][after].to_numpy() if self.id_col else np.zeros(after.sum())
        rank = np.zeros(len(after))
        rank[after] = stamps[after].groupby(ids).rank(method="dense").to_numpy()
        return {name: after & (rank > (self.known.get(name) or 0)) for name in self.columns}

    def changed(self, rows: Mapping[str, Rows], change: str) -> pd.DataFrame:
        """A copy in which the given rows of the given columns have other values."""
        out = self.frame.copy()
        for name, chosen in rows.items():
            out.loc[chosen, name] = _changed_values(out.loc[chosen, name], change)
        return out


def _changed_values(values: pd.Series[Any], change: str) -> Any:
    """What becomes of some values of a column; dates move by a day, text becomes another word."""
    is_date = pd.api.types.is_datetime64_any_dtype(values)
    if change == "shuffled":
        return values.iloc[np.random.default_rng(0).permutation(len(values))].array
    if change == "missing":
        return pd.NaT if is_date else None
    if is_date:
        return values + pd.Timedelta(days=1 if change == "+1e6" else -1)
    if not pd.api.types.is_numeric_dtype(values):
        return change
    return -1e6 * values if change == "mirrored" else float(change)


@dataclass(eq=False)
class _Findings:
    """What is gathered while a pipeline runs on changed tables."""

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

    The pipeline runs once more on the unchanged table, then on five changed ones per cutoff; where
    something leaks, on such tables for each column too. It is given a copy each time, rows numbered
    from 0, whole numbers and booleans as float64. A change that it refuses with an exception is
    reported and not held against it: a pipeline that takes no missing values is compared on the
    other changes.

    Args:
        pipeline: called as `pipeline(table, cutoff)`; returns a mapping from stages to values, or
            its forecasts, and of these only what may be known at the cutoff.
        frame: long table, one row per series and stamp.
        cutoffs: last stamps that may be seen; each one stamp, or a mapping from ids to stamps where
            series are cut apart, and a series without one is known whole. Three that leave half,
            three tenths and a tenth of the stamps, if left out.
        known: columns that are known after a cutoff, with the number of stamps of each series for
            which they are; None for those that are known for ever, such as static ones.
        id_col: names the series; a table without it holds one series.
        time_col: stamps that can be compared, dates or numbers.

    Returns:
        Which stages leak, and which columns they look at.

    Raises:
        ConfigError: a column or cutoff does not fit the table, two runs on the same table differ, a
            stage holds something that cannot be compared, or every change was refused.
    """
    table = _table(frame, id_col, time_col, known or {})
    found, order = _Findings(), list[str]()
    places = list(cutoffs) if cutoffs is not None else _usual_cutoffs(table)
    for number, cutoff in enumerate(places):
        rows = table.later(cutoff)
        before = _digests(pipeline(table.frame.copy(), cutoff))
        order = max(order, list(before), key=len)  # a stage may be there at some cutoffs only
        if number == 0:
            _refuse_chance(before, _digests(pipeline(table.frame.copy(), cutoff)))
        _compare(pipeline, table, rows, cutoff, before, found)
    refusals = tuple(
        f"change {name!r} was refused at {len(said)} of {len(places)} cutoffs: {said[0]}"
        for name, said in found.refused.items()
    )
    if not any(found.compared.values()):
        raise ConfigError(
            f"nothing could be compared: {'; '.join(refusals) or 'there is no cutoff, or no stage'}"
        )
    stages = {name: found.compared[name] for name in [*order, *found.compared]}
    leaks = tuple(found.leaks[name] for name in stages if name in found.leaks)
    return LeakReport(stages, tuple(map(_named, places)), leaks, refusals)


def _named(cutoff: Any) -> str:
    """How a cutoff is called in reports: its stamp, or the span of those of all series."""
    stamps = sorted(set(cutoff.values())) if isinstance(cutoff, Mapping) else [cutoff]
    return str(stamps[0]) if len(stamps) == 1 else f"{stamps[0]} to {stamps[-1]}"


def _compare(
    pipeline: Pipeline,
    table: _Table,
    rows: Mapping[str, Rows],
    cutoff: Any,
    before: Mapping[str, str],
    found: _Findings,
) -> None:
    """Run on every changed table of one cutoff, and on one column at a time where a new stage leaks."""
    changes: dict[str, list[str]] = {}
    for change in CHANGES:
        after = _run(pipeline, table.changed(rows, change), cutoff)
        for stage in before:
            found.compared[stage] = found.compared.get(stage, 0) + (
                not isinstance(after, Exception)
            )
        if isinstance(after, Exception):
            said = textwrap.shorten(
                f"{type(after).__name__}: {after}", REFUSAL_WIDTH, placeholder=" ..."
            )
            found.refused.setdefault(change, []).append(said)
            continue
        for stage in _different(before, after):
            found.compared.setdefault(stage, 1)  # one that is there on a changed table alone
            changes.setdefault(stage, []).append(change)
    fresh = {stage: tuple(seen) for stage, seen in changes.items() if stage not in found.leaks}
    columns = _guilty_columns(pipeline, table, rows, cutoff, before, fresh)
    for stage, seen in fresh.items():
        found.leaks[stage] = Leak(stage, _named(cutoff), seen, columns[stage])


def _guilty_columns(
    pipeline: Pipeline,
    table: _Table,
    rows: Mapping[str, Rows],
    cutoff: Any,
    before: Mapping[str, str],
    leaking: Mapping[str, tuple[str, ...]],
) -> dict[str, tuple[str, ...]]:
    """Columns that a stage follows by themselves, by stage; `leaking` holds the changes that gave it away."""
    columns: dict[str, tuple[str, ...]] = dict.fromkeys(leaking, ())
    for name in rows if leaking else ():
        for change in dict.fromkeys(one for seen in leaking.values() for one in seen):
            after = _run(pipeline, table.changed({name: rows[name]}, change), cutoff)
            for stage in () if isinstance(after, Exception) else _different(before, after):
                if name not in columns.get(stage, (name,)):
                    columns[stage] += (name,)
    return columns


def _run(pipeline: Pipeline, frame: pd.DataFrame, cutoff: Any) -> dict[str, str] | Exception:
    """Digests of the stages, or why the pipeline refused the table, whatever it raises: it is somebody else's."""
    try:
        output = pipeline(frame, cutoff)
    except Exception as error:
        return error
    return _digests(output)


def _different(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Stages that are not the same, absent ones among them."""
    return [stage for stage in {**before, **after} if before.get(stage) != after.get(stage)]


def _refuse_chance(first: Mapping[str, str], second: Mapping[str, str]) -> None:
    different = _different(first, second)
    if different:
        raise ConfigError(
            f"stage {different[0]!r} differs between two runs on the same table: a check needs a "
            f"pipeline that repeats "
            "itself; fix its seed"
        )


def _table(
    frame: pd.DataFrame, id_col: str, time_col: str, known: Mapping[str, int | None]
) -> _Table:
    """The table with its numbers as float64, roles checked."""
    for name in (time_col, *known):
        if name not in frame:
            raise ConfigError(
                f"the table has no column {name!r}{nearest(name, map(str, frame.columns))}"
            )
    out = frame.reset_index(drop=True)
    for name in out.columns.difference([id_col, time_col]):
        if pd.api.types.is_numeric_dtype(out[name]):
            out[name] = out[name].astype("float64")
        elif not pd.api.types.is_datetime64_any_dtype(out[name]):
            out[name] = out[name].astype("object")
    table = _Table(out, id_col if id_col in out else None, time_col, known)
    if not table.columns:
        raise ConfigError(
            "every column of the table is known for ever: there is nothing that could leak"
        )
    return table


def _usual_cutoffs(table: _Table) -> list[Any]:
    stamps = table.frame[table.time_col].drop_duplicates().sort_values().tolist()
    return [stamps[int(share * (len(stamps) - 1))] for share in SHARES]


def _digests(output: Any) -> dict[str, str]:
    """A fingerprint of each stage."""
    stages = output if isinstance(output, Mapping) else {"forecast": output}
    return {str(name): _digest(value, str(name)) for name, value in stages.items()}


def _digest(value: Any, stage: str) -> str:
    """SHA-256 of the types, shapes and bytes of a value."""
    state = hashlib.sha256()
    for piece in _pieces(value, stage):
        state.update(len(piece).to_bytes(8, "little") + piece)
    return state.hexdigest()


def _pieces(value: Any, stage: str) -> Iterable[bytes]:
    """A value as bytes, no two values the same; floats by their bits."""
    if isinstance(value, pd.DataFrame):
        columns = [value.iloc[:, place].array for place in range(value.shape[1])]
        yield from _pieces(["frame", value.index, value.columns, *columns], stage)
    elif value is None or isinstance(value, str | bytes | bool | int):
        yield f"{type(value).__name__} {value!r}".encode()
    elif isinstance(value, Mapping):
        yield f"mapping {len(value)}".encode()
        yield from (
            piece for pair in value.items() for one in pair for piece in _pieces(one, stage)
        )
    elif isinstance(value, Sequence | set | frozenset) and not isinstance(
        value, pd.api.extensions.ExtensionArray
    ):
        yield f"sequence {len(value)}".encode()
        ordered = sorted(value, key=repr) if isinstance(value, set | frozenset) else value
        yield from (piece for one in ordered for piece in _pieces(one, stage))
    elif isinstance(value, float | complex) or hasattr(value, "__array__"):
        array = np.asarray(value)
        yield f"array {array.dtype} {array.shape}".encode()
        if array.dtype.kind == "O":
            yield from (piece for one in array.ravel() for piece in _pieces(one, stage))
        else:
            yield array.tobytes()
    elif (
        isinstance(value, pd.Timestamp | pd.Timedelta | pd.Period)
        or value is pd.NaT
        or value is pd.NA
    ):
        yield f"{type(value).__name__} {value!r}".encode()
    else:
        raise ConfigError(
            f"stage {stage!r} holds a {type(value).__name__}; expected arrays, frames, numbers, "
            f"text, or mappings and "
            "lists of them: return its numbers, such as vars(scaler)"
        )
