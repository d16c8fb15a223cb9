"""The rows of a table in files, one for each segment.

A series belongs to one segment. Cells of a CSV file stay the text that they are, and rows keep
their order, so that the file of a segment is read as these rows of the table would be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forecast.axes import IntArray
from forecast.cluster.part_files import allow_files, large_tables, row_files, write_rows
from forecast.cluster.part_rows import series_of_rows
from forecast.data.dates.time_parts import parts_of
from forecast.data.findings import counted, listed
from forecast.data.formats.readers import Source, find_reader, reader_named
from forecast.data.formats.row_batches import KINDS, RowBatches, open_rows, text_rows
from forecast.data.names import name_of, nearest_name
from forecast.errors import ConfigError, DataError
from forecast.experiment.prepare import table_of
from forecast.experiment.settings import DataConfig


@dataclass
class Divided:
    """The segments of a table, in the order of their first rows.

    Attributes:
        by: column that names them.
        ids: columns of ids that the table has.
        remedy: what to do about a series in two segments.
        series: the segment of each series, by its name.
        files: file of each segment that has rows, and the number of these.
    """

    by: str
    ids: tuple[str, ...]
    remedy: str = ""
    series: dict[str, str] = field(default_factory=dict)
    files: dict[str, tuple[Path, int]] = field(default_factory=dict)

    def add(self, series: str, segment: str) -> None:
        """Note the segment of a series.

        Raises:
            DataError: the series is in another one.
        """
        earlier = self.series.setdefault(series, segment)
        if earlier == segment:
            return
        where = f"series {series!r} has"
        if not self.ids:
            where = "the table has no column of ids, so one series, with"
        raise DataError(
            f"{where} {earlier!r} and {segment!r} in column {self.by!r}; expected one value per "
            f"series, so that it belongs to one segment: {self.remedy}"
        )

    def num_series(self) -> dict[str, int]:
        """Return the number of series of each segment."""
        counts = dict.fromkeys(self.files, 0)
        for segment in self.series.values():
            counts[segment] = counts.get(segment, 0) + 1
        return counts


FITTED = "correct the table, or name another column with `by=` or `data.id_col`"
PREDICTED = "correct the table"
"""Remedies for a series in two segments."""


def divide_by_column(
    source: Source, data: DataConfig, by: str, folder: Path, *, remedy: str = FITTED
) -> Divided:
    """Write the rows of each segment into a file of a folder.

    Args:
        source: a file, an object such as a frame, or `dataset:NAME`.
        data: roles of the columns, and the format.
        by: column that names the segments.
        folder: of the files, which are numbered.
        remedy: what to do about a series in two segments.

    Raises:
        DataError: the table has no such column, lacks a value in it, or has a series in two
            segments.
        ConfigError: there are more segments than open files.
    """
    opened = _open(source, data)
    names = list(opened.schema.names)
    place = _place_of(by, names)
    divided = Divided(by, _ids_in(data, names), remedy)
    places = [*(names.index(name) for name in divided.ids), place]
    segments: dict[str, int] = {}

    def numbers_of(rows: pa.Table) -> IntArray:
        pairs, inverse = series_of_rows(rows, places)
        numbers = np.zeros(len(pairs), np.int64)
        for number, pair in enumerate(pairs):
            *ids, value = pair if isinstance(pair, tuple) else (pair,)
            segment = _segment_name(value, by, ids)
            divided.add(_series_name(ids), segment)
            numbers[number] = segments.setdefault(segment, len(segments))
        return numbers[inverse]

    _write(opened, folder, "rows", numbers_of, divided, segments)
    if not divided.files:
        raise DataError("the table has no rows: expected a row per series and timestamp")
    return divided


def divide_by_series(
    source: Source, data: DataConfig, segment_of: Mapping[str, str], folder: Path
) -> dict[str, Path]:
    """Write the rows of known covariates of each segment into a file of a folder.

    Args:
        source: as in `divide_by_column`.
        data: roles of the columns, and the format.
        segment_of: the segment of each series, by its name; rows of others are left out.
        folder: of the files, which are numbered.

    Returns:
        The file of each segment that has rows.
    """
    opened = _open(source, data)
    names = list(opened.schema.names)
    divided = Divided("", _ids_in(data, names))
    places = [names.index(name) for name in divided.ids]
    segments = {segment: number for number, segment in enumerate(sorted({*segment_of.values()}))}

    def numbers_of(rows: pa.Table) -> IntArray:
        found, inverse = series_of_rows(rows, places)
        series = [_series_name(each if isinstance(each, tuple) else (each,)) for each in found]
        numbers = [segments.get(segment_of.get(name, ""), -1) for name in series]
        return np.array(numbers, np.int64)[inverse]

    _write(opened, folder, "known", numbers_of, divided, segments)
    return {segment: path for segment, (path, _) in divided.files.items()}


def _write(
    opened: RowBatches,
    folder: Path,
    stem: str,
    numbers_of: Callable[[pa.Table], IntArray],
    divided: Divided,
    segments: Mapping[str, int],
) -> None:
    """Write rows into the files of their segments, and note these.

    Args:
        opened: the table.
        folder: of the files.
        stem: begin of their names.
        numbers_of: returns the number of the segment of each row; -1: of none.
        divided: gets the files.
        segments: the number of each, which `numbers_of` may add to.
    """
    ending = ".parquet" if opened.text is None else ".csv"

    def name_of_file(number: int) -> str:
        return f"{stem}-{number:05d}{ending}"

    with row_files(opened, folder, name_of_file) as file_of:
        for whole in large_tables(opened):
            rows = _without_empty(whole)
            numbers = numbers_of(rows)
            _allow(len(segments))
            is_wanted = numbers >= 0
            write_rows(rows.filter(pa.array(is_wanted)), numbers[is_wanted], file_of)
    for segment, number in segments.items():
        if number in file_of.files:
            file = file_of.files[number]
            divided.files[segment] = (folder / name_of_file(number), file.num_rows)


def _open(source: Source, data: DataConfig) -> RowBatches:
    """Open a table of any kind to read its rows in batches."""
    table = table_of(data, source)
    if isinstance(table, str | Path) and reader_named(Path(table).name) in KINDS:
        return open_rows(Path(table), data.table_format)
    opened = find_reader(table).open(table, data.columns.with_usual_names(), data.table_format)
    if opened.text is not None:  # of standard input
        return text_rows(opened.text)
    rows = pa.table(opened.read(list(opened.names)))
    return RowBatches(rows.schema, iter(rows.combine_chunks().to_batches()))


def _ids_in(data: DataConfig, names: Sequence[str]) -> tuple[str, ...]:
    """Return the columns of ids that a table has."""
    wanted = parts_of(data.columns.with_usual_names().id_col, names)
    return tuple(name for name in wanted if name in names)


def _place_of(by: str, names: Sequence[str]) -> int:
    if by not in names:
        raise DataError(
            f"there is no column {by!r} to name the segments{nearest_name(by, names)}; the columns "
            f"are {listed(names)}: name one of them"
        )
    return names.index(by)


def _segment_name(value: object, by: str, ids: Sequence[object]) -> str:
    """Return the name of a segment.

    Raises:
        DataError: there is none.
    """
    name = name_of(value)
    if name.strip():
        return name
    series = f" of series {_series_name(ids)!r}" if ids else ""
    raise DataError(
        f"column {by!r} is empty in rows{series}; expected the segment in each row: fill the cells"
    )


def _series_name(ids: Sequence[object]) -> str:
    if len(ids) == 1:
        return name_of(ids[0])
    return name_of(tuple(ids))


def _without_empty(rows: pa.Table) -> pa.Table:
    """Return rows without those of a text file that have no cell."""
    filled = np.zeros(rows.num_rows, bool)
    for column in rows.columns:
        if column.type != pa.string():
            return rows
        is_filled = pc.fill_null(pc.not_equal(column, ""), False)
        filled |= is_filled.to_numpy(zero_copy_only=False)
        if filled.all():
            return rows
    return rows.filter(pa.array(filled))


def _allow(number: int) -> None:
    """Let the process open the files of all segments.

    Raises:
        ConfigError: the system allows fewer.
    """
    most = allow_files(number)
    if most is not None:
        raise ConfigError(
            f"{counted(number, 'segment')} are as many open files, and this system allows "
            f"{most:,}: name a column with fewer values with `by=`"
        )
