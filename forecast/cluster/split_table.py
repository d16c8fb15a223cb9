"""Split a table into files of whole series, without reading it as a whole.

parts.json          the table, the columns of ids, and the files
part-00000.csv      rows of the series of this part, in the order of the table
known-00000.csv     known covariates of the same series, where a table of them is given

The part of a series is a hash of its name alone (`part_rows.part_of`): tables that are split alike
have each series in files of one number.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from forecast.cluster.part_files import allow_files, large_tables, row_files, write_rows
from forecast.cluster.part_rows import parts_of_rows
from forecast.cluster.parts_folder import PARTS, FileOfPart, write_manifest
from forecast.data.dates.time_parts import parts_of
from forecast.data.findings import listed
from forecast.data.formats.row_batches import open_rows
from forecast.data.panel import USUAL_ROLES
from forecast.errors import ConfigError, DataError, OutputError
from forecast.experiment.settings import DataConfig
from forecast.files.atomic import replace_folder
from forecast.files.outputs import check_folder, free_name
from forecast.section import AUTO


def split_table(
    table: str | Path,
    data: DataConfig,
    *,
    num_parts: int,
    output: str | Path,
    known: str | Path | None = None,
) -> list[FileOfPart]:
    """Write the rows of a table into files of whole series.

    Args:
        table: CSV or parquet file.
        data: its ids, separator and encoding.
        num_parts: most files; a part without a series has none.
        output: folder to write; new, empty, or of an earlier split.
        known: file with known covariates of later steps, which is split alike.

    Returns:
        The files of each part.

    Raises:
        DataError: a file cannot be read, or has no column of ids.
        ConfigError: the system does not let the process open as many files.
        OutputError: the folder has other files.
    """
    check_folder(output, PARTS, str(table))
    _refuse_inside(output, known)
    most = allow_files(num_parts)
    if most is not None:
        raise ConfigError(
            f"{num_parts:,} parts are {num_parts:,} open files, and this system allows "
            f"{most:,} beside its own: ask for at most {most:,} parts"
        )
    with replace_folder(output, partial(check_folder, output, PARTS)) as folder:
        rows = _split(Path(table), data, num_parts, folder, "part")
        if not rows:
            raise DataError(f"{table} has no rows: expected a row per series and timestamp")
        files = [FileOfPart(number, name, count) for number, (name, count) in rows.items()]
        if known is not None:
            files = _with_known(
                files, _split(Path(known), data, num_parts, folder, "known"), folder
            )
        write_manifest(folder, str(table), num_parts, files)
    return files


def _with_known(
    files: list[FileOfPart], known: dict[int, tuple[str, int]], folder: Path
) -> list[FileOfPart]:
    """Return the files with those of known covariates; others of these are deleted."""
    wanted = {file.number for file in files}
    for number, (name, _) in known.items():
        if number not in wanted:
            (folder / name).unlink()
    return [
        FileOfPart(file.number, file.name, file.num_rows, known.get(file.number, (None,))[0])
        for file in files
    ]


def _split(
    path: Path, data: DataConfig, num_parts: int, folder: Path, stem: str
) -> dict[int, tuple[str, int]]:
    """Write one table; return name and rows of the file of each part."""
    opened = open_rows(path, data.table_format)
    names = list(opened.schema.names)
    places = _id_places(data.id_col, names, path.name)
    ending = ".parquet" if opened.text is None else ".csv"
    with row_files(opened, folder, lambda number: f"{stem}-{number:05d}{ending}") as file_of:
        for rows in large_tables(opened):
            write_rows(rows, parts_of_rows(rows, places, num_parts), file_of)
        written = dict(sorted(file_of.files.items()))
    return {
        number: (f"{stem}-{number:05d}{ending}", file.num_rows) for number, file in written.items()
    }


def _id_places(id_col: str, names: list[str], table: str) -> list[int]:
    """Return the places of the columns of ids.

    Raises:
        DataError: there is none of these.
    """
    wanted = id_col
    if id_col == AUTO:
        wanted = USUAL_ROLES.id_col
    columns = parts_of(wanted, names)
    absent = [name for name in columns if name not in names]
    if absent:
        raise DataError(
            f"{table} has no column {absent[0]!r} with the series; its columns are "
            f'{listed(names)}: name the column of ids as `data.id_col="COLUMN"`'
        )
    return [names.index(name) for name in columns]


def _refuse_inside(output: str | Path, known: str | Path | None) -> None:
    """Raise if the folder that is replaced holds the table of known covariates."""
    if known is None:
        return
    if Path(os.path.realpath(known)).is_relative_to(os.path.realpath(output)):
        raise OutputError(
            f"{output} contains the table that is read, {known}: name a new or empty folder, such "
            f"as {free_name(output)}"
        )
