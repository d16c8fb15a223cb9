"""A role for every column of a table: what the table decides, and what can only be proposed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from forecast.data.dates.time_parts import parts_of
from forecast.data.names import join_names
from forecast.data.panel import Columns, is_auto
from forecast.data.per_series.row_codes import IntCodes, joint_codes
from forecast.data.roles.column_facts import Facts
from forecast.data.roles.id_guess import id_columns
from forecast.data.roles.time_guess import is_falling, time_codes
from forecast.data.text.column_words import (
    CALENDAR_WORDS,
    FLAG_WORDS,
    ROW_WORDS,
    TARGET_WORDS,
    has_word,
    plain,
    rank,
)

MOST_CATEGORIES = 100
"""Words of a column that is proposed as categories, at most."""

_FEWEST_ALIKE = 3
"""Columns of numbers that may be one series each, at least."""

_LIKE = 30.0
"""Ratio of the typical sizes of columns that may be series of one kind, at most."""


@dataclass(frozen=True)
class Plan:
    """Roles for the columns of a table, given its time.

    Attributes:
        time_col: as in `Columns`.
        ids: columns that tell the series apart; () for one series.
        targets: the columns that could be the target, the likeliest first.
        covariates: setting -> columns, such as `known_covariates`, proposed for the first target.
        is_like_wide: whether each of the targets may be a series.
    """

    time_col: str
    ids: tuple[str, ...]
    targets: tuple[str, ...]
    covariates: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    is_like_wide: bool = False

    def settings(self, given: Columns, target: str | None = None) -> dict[str, Any]:
        """Return the settings of those roles that nobody gave.

        Args:
            given: the roles as given.
            target: the target; default: the likeliest.
        """
        settings: dict[str, Any] = {}
        if is_auto(given.id_col) and self.ids:
            settings["data.id_col"] = join_names(self.ids)
        if is_auto(given.time_col):
            settings["data.time_col"] = self.time_col
        if is_auto(given.target_cols):
            settings["data.target_cols"] = [target or self.targets[0]]
        return settings


def plan_roles(given: Columns, time_col: str, facts: Mapping[str, Facts]) -> Plan:
    """Return the roles of all columns, given the time.

    Args:
        given: the roles as given; those that are `auto` are open.
        time_col: the time.
        facts: of all columns but the covariates that were given; static ones may name a series.
    """
    names = tuple(facts)
    taken = {*parts_of(time_col, names), *_given(given, names)}
    free = {name: each for name, each in facts.items() if name not in taken}
    time = time_codes(time_col, facts)
    rows = {name for name, each in free.items() if is_row_number(each)}
    ids: tuple[str, ...] = ()
    if not is_auto(given.id_col):
        ids = parts_of(given.id_col, names)
    elif time is not None:
        static = {name: facts[name] for name in given.static_covariates if name in facts}
        measured = {name: each for name, each in free.items() if name not in rows}
        ids = id_columns(time, static | measured)

    if not is_auto(given.target_cols):
        return Plan(time_col, ids, given.target_cols)
    free = {name: each for name, each in free.items() if name not in ids}
    series = _series_codes(ids, facts)
    targets = _targets(free, rows, series)
    if not targets:
        return Plan(time_col, ids, ())
    rest = {name: each for name, each in free.items() if name != targets[0] and name not in rows}
    missing = facts[targets[0]].codes < 0
    if not missing[_last_row(time_col, facts)]:
        missing = np.zeros(len(missing), bool)
    covariates = _covariates(rest, missing, series)
    is_like_wide = not ids and _are_alike([facts[name] for name in targets])
    return Plan(time_col, ids, targets, covariates, is_like_wide)


def _given(given: Columns, columns: Sequence[str]) -> set[str]:
    """Return the columns that have a role already."""
    names = {*given.past_covariates, *given.known_covariates, *given.static_covariates}
    names.update(given.weight_cols)
    if not is_auto(given.target_cols):
        names |= set(given.target_cols)
    return names.union(parts_of(given.id_col, columns))


def is_row_number(each: Facts) -> bool:
    """Return whether a column only numbers the rows."""
    if not each.is_whole:
        return plain(each.name) in ROW_WORDS and each.num_distinct == len(each.column)
    if each.counts_rows:
        return True
    name = each.name.lower()
    is_nameless = plain(name) in ROW_WORDS or name.startswith("unnamed:")
    return is_nameless and (each.num_distinct == len(each.column) or each.counts_in_blocks)


def _series_codes(ids: Sequence[str], facts: Mapping[str, Facts]) -> IntCodes | None:
    """Return (R,) the number of the series of each row; None where there is one."""
    if not ids or not set(ids) <= set(facts):
        return None
    return joint_codes([facts[name].codes for name in ids])


def _targets(free: Mapping[str, Facts], rows: set[str], series: IntCodes | None) -> tuple[str, ...]:
    """Return the columns of numbers that could be the target, the likeliest first.

    Numbers that count the rows, tell the calendar, or stay the same in a series or altogether, are
    targets only where there are no others; numbers with their unit only where there are none
    without.
    """
    numbers = [each for name, each in free.items() if each.kind == "number" and name not in rows]
    if not numbers:
        numbers = [each for each in free.values() if each.is_measured]
    if not numbers:
        numbers = [free[name] for name in rows if plain(name) not in ROW_WORDS]
    varying = [each for each in numbers if not each.is_constant]
    if series is not None:
        varying = [each for each in varying if not each.follows(series)]
    measured = [each for each in varying if not _is_calendar(each)]
    chosen = measured or varying or numbers
    if not chosen:
        return ()
    best = min(chosen, key=_unlikeliness)
    if not has_word(best.name, TARGET_WORDS):
        # tables often end with what they are about
        best = min(reversed(chosen), key=_unlikeliness)
    return (best.name, *(each.name for each in chosen if each is not best))


def _unlikeliness(each: Facts) -> tuple[bool, bool, int, int]:
    """Return a key that sorts likely names first, then by missing cells; marks come last."""
    num_missing = int((each.codes < 0).sum())
    is_sparse = num_missing > len(each.codes) / 2
    return not each.has_more_than(2), is_sparse, rank(each.name, TARGET_WORDS), num_missing


def _is_calendar(each: Facts) -> bool:
    """Return whether numbers say where a row lies in the calendar."""
    if has_word(each.name, FLAG_WORDS) and not each.has_more_than(2):
        return True
    return each.is_whole and plain(each.name) in CALENDAR_WORDS


def _last_row(time_col: str, facts: Mapping[str, Facts]) -> int:
    """Return the place of the latest row: -1, or 0 where the table begins with it."""
    each = facts.get(time_col)
    if each is not None and is_falling(each):
        return 0
    return -1


def _covariates(
    rest: Mapping[str, Facts], missing: NDArray[np.bool_], series: IntCodes | None
) -> dict[str, tuple[str, ...]]:
    """Return the roles of further columns that the table itself shows.

    Columns with cells where the target has none yet are known ahead; those with one value per
    series are static. Of any other column nobody can tell.

    Args:
        rest: facts of the columns.
        missing: (R,) whether a row has no target, where the latest row has none.
        series: (R,) number of the series of each row; None where there is one.
    """
    known = [name for name, each in rest.items() if _is_ahead(each, missing)]
    static = []
    if series is not None:
        static = [
            name for name, each in rest.items() if name not in known and _is_static(each, series)
        ]
    roles = {"known_covariates": known, "static_covariates": static}
    words = [name for name in (*known, *static) if rest[name].kind in ("text", "flag")]
    roles["categorical"] = [name for name in words if rest[name].kind == "text"]
    return {role: tuple(names) for role, names in roles.items() if names}


def _is_ahead(each: Facts, missing: NDArray[np.bool_]) -> bool:
    """Return whether a column has cells in all rows that have no target yet."""
    if each.kind == "text" and each.num_distinct > MOST_CATEGORIES:
        return False
    if each.kind not in ("number", "flag", "text") or each.is_constant:
        return False
    return bool(missing.any() and (each.codes[missing] >= 0).all())


def _is_static(each: Facts, series: IntCodes) -> bool:
    """Return whether a column has one value in each series, and the same one in several."""
    if each.is_constant or each.kind not in ("number", "text") or (each.codes < 0).any():
        return False
    if each.kind == "text" and each.num_distinct > MOST_CATEGORIES:
        return False
    return each.follows(series) and each.num_distinct <= series.max(initial=0)


def _are_alike(columns: Sequence[Facts]) -> bool:
    """Return whether columns of numbers may be series of one kind, by the size of their values."""
    if len(columns) < _FEWEST_ALIKE:
        return False
    sizes = []
    for each in columns:
        if not _is_numeric(each.column.type) or not each.has_more_than(2):
            return False
        mean = pc.mean(pc.abs(each.column.cast(pa.float64()))).as_py()
        sizes.append(mean or 0.0)
    return bool(min(sizes) > 0 and np.isfinite(max(sizes)) and max(sizes) / min(sizes) <= _LIKE)


def _is_numeric(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind)
