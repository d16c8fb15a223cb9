"""Delimited text files: encoding, separator and header, looked at before any value is read."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from forecast.data.findings import BadTableError, Change, Finding, counted, listed
from forecast.data.panel import NO_TIME
from forecast.data.text.footers import footers_below
from forecast.data.text.header_rows import MOST_ROWS, HeaderRows, find_header_rows
from forecast.data.text.preamble import find_header
from forecast.errors import ConfigError
from forecast.files.compressed import UNREADABLE, is_damaged, open_bytes

_CHUNK = 1 << 22
_HEAD_LINES = 20
_LONGEST_LINE = 1 << 17  # letters of one of these lines; the module `csv` takes no longer cell
_TAIL = 4096  # characters at the end of a file that may be lines below the table
_SEPARATORS = (",", ";", "\t", "|")
_MAGIC = {
    b"PK\x03\x04": "an Excel workbook or zip archive",
    b"PAR1": "a parquet file",
    b"%PDF": "a PDF document",
}
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

NOT_OF_FILES = ("idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape")
"""Encodings of names and source texts, which tables are not in."""


@dataclass(frozen=True)
class TextFile:
    """Properties of a delimited text file that a reader needs.

    Attributes:
        path: the file.
        encoding: encoding of its text.
        separator: separator between columns.
        header: column names.
        lines_before: number of lines before the header.
        is_regular: whether the header is line 1 and each row one line: no blank lines, no quotes
            that could contain line ends.
        has_quotes: whether a double quote occurs.
        lines_to_rows: number of lines before the first row, where units or groups are between it
            and the first line of the header; None: it is the next one.
        footers: lines below the table, such as its source.
        notes: notes on properties that were detected.
    """

    path: Path
    encoding: str
    separator: str
    header: tuple[str, ...]
    lines_before: int
    is_regular: bool
    has_quotes: bool
    notes: tuple[Finding, ...] = ()
    lines_to_rows: int | None = None
    footers: tuple[str, ...] = ()

    def records(self) -> Iterator[tuple[int, list[str]]]:
        """Yield line number and fields of the header and every row; slow, for messages only."""
        with open_bytes(self.path) as raw:
            lines = io.TextIOWrapper(raw, _with_bom(self.encoding), newline="")
            csv.field_size_limit(2**31 - 1)  # at first 128 KiB, which texts in cells exceed
            start = self.lines_before
            if self.lines_to_rows is not None:
                yield start + 1, list(self.header)
                start = self.lines_to_rows
            reader = csv.reader(itertools.islice(lines, start, None), delimiter=self.separator)
            yield from ((start + reader.line_num, fields) for fields in reader if fields)

    def lines(self, rows: list[int]) -> list[int]:
        """Return the line numbers of rows counted from 0; the header is line 1."""
        if self.is_regular or not rows:
            return [row + 2 for row in rows]
        wanted = set(rows)
        lines = {}
        for row, (line, _) in enumerate(self.records(), start=-1):
            if row in wanted:
                lines[row] = line
                if len(lines) == len(wanted):
                    break
        return [lines[row] for row in rows]


def inspect_text(
    path: Path, encoding: str, separator: str | None, known: Sequence[str] = ()
) -> TextFile:
    """Read a file once, without keeping it, and detect the properties a reader needs.

    Args:
        path: the file.
        encoding: encoding of its text.
        separator: separator between columns; None: detected.
        known: names of columns that it is said to have.

    Raises:
        BadTableError: the file is empty, not text in this encoding, has NUL bytes, or is compressed
            and truncated.
        ConfigError: there is no such encoding.
    """
    _check_encoding(encoding)
    try:
        has_quotes, has_blanks, tail = _scan(path, encoding)
        head = _head(path, encoding)
    except (OSError, *UNREADABLE) as error:
        if not is_damaged(error):
            raise
        raise BadTableError(
            "damaged_file",
            f"{path.name} cannot be decompressed ({error})",
            f"it is truncated or not a {path.suffix} file of one table; copy it again",
        ) from error
    lines = [line for line in head if line.strip()]
    if not lines:
        raise BadTableError(
            "empty_file", f"{path.name} is empty", "expected a header line and rows"
        )
    start, chosen = _find_table(lines, path, separator, known)
    rows = list(csv.reader(lines[start : start + MOST_ROWS], delimiter=chosen))
    found = HeaderRows(0, tuple(rows[0]))
    if len(rows) == len(lines[start : start + MOST_ROWS]):  # no quoted line ends
        found = find_header_rows(rows, known)
    start += found.before
    header = found.names
    notes = []
    if separator is None and chosen != ",":
        message = f"{path.name}: columns are separated by {chosen!r} (detected)"
        notes.append(Finding("separator", "note", message))
    if start:
        shown = listed([line[:40] for line in lines[:start]], 3)
        message = f"{path.name}: {counted(start, 'line')} before the header left out: {shown}"
        notes.append(Finding("lines_before", "note", message))
    below = lines[start + 1 : start + 1 + found.below]
    if below:
        shown = listed([line[:40] for line in below], 3)
        message = f"{path.name}: {counted(len(below), 'line')} of the header, no rows: {shown}"
        notes.append(Finding("header_rows", "note", message))
    footers = footers_below(tail, chosen, len(header))
    if footers:
        shown = listed([line[:40] for line in footers], 3)
        message = f"{path.name}: {counted(len(footers), 'line')} below the table left out: {shown}"
        notes.append(Finding("footers", "note", message))
    filled = [number for number, line in enumerate(head) if line.strip()]
    return TextFile(
        path,
        encoding,
        chosen,
        header,
        filled[start],
        not (has_quotes or has_blanks or start or below),
        has_quotes,
        tuple(notes),
        filled[start] + 1 + found.below if below else None,
        footers,
    )


def read_whole_text(path: Path, encoding: str) -> str:
    """Return the text of a file, without a byte order mark.

    Args:
        path: the file.
        encoding: of its text.

    Raises:
        BadTableError: it is not text in this encoding.
        ConfigError: there is no such encoding.
    """
    _check_encoding(encoding)
    given = path.read_bytes()
    try:
        return given.decode(_with_bom(encoding))
    except UnicodeError as error:
        line = 1
        if isinstance(error, UnicodeDecodeError):
            line += given[: error.start].count(b"\n")
        raise _undecodable(path, encoding, line) from error


def _check_encoding(encoding: str) -> None:
    """Raise unless files are written in an encoding; Python knows others, such as `hex`."""
    try:
        "".encode(encoding)  # refuses what turns bytes into bytes
        is_of_files = codecs.lookup(encoding).name not in NOT_OF_FILES
    except (LookupError, ValueError):  # the latter for a NUL
        is_of_files = False
    if not is_of_files:
        raise ConfigError(
            f"encoding is {encoding[:40]!r}; expected a text encoding such as utf-8 or cp1252"
        )


def _find_table(
    lines: list[str], path: Path, separator: str | None, known: Sequence[str]
) -> tuple[int, str]:
    """Return the number of the header among the first lines, and the separator.

    The header is the first line, unless the lines below have other numbers of cells, or it is a
    comment.
    """
    candidates = (separator,) if separator else _SEPARATORS
    if ".tsv" in path.suffixes:
        candidates = ("\t",)
    plain = not lines[0].startswith("#")
    for candidate in candidates:
        widths = {len(row) for row in csv.reader(lines, delimiter=candidate)}
        if plain and len(widths) == 1 and widths != {1}:
            return 0, separator or _detect_separator(lines, path, known)
    found = {}
    for candidate in candidates:
        start = find_header(lines, candidate, known)
        if start:
            rows = csv.reader(lines[start:], delimiter=candidate)
            found[candidate] = (len(next(rows)), start)
    if not found:
        return 0, separator or _detect_separator(lines, path, known)
    best = max(found, key=lambda candidate: found[candidate][0])
    return found[best][1], best


def explain_unreadable(file: TextFile, reason: str) -> BadTableError:
    """Return the error of a file that cannot be parsed, with the line of the first wrong row."""
    line = 0
    for line, fields in file.records():
        if len(fields) != len(file.header):
            return BadTableError(
                "ragged_row",
                f"line {line} of {file.path.name} has {len(fields)} fields, the header has "
                f"{len(file.header)} ({file.separator.join(fields)[:80]!r})",
                "correct the line; a field that contains the separator, such as 1,000, must stand "
                "in double quotes",
            )
    if line <= file.lines_before + 1:
        return BadTableError(
            "no_rows", f"{file.path.name} has a header but no rows", "expected one row per stamp"
        )
    return BadTableError(
        "unreadable_file",
        f"{file.path.name} cannot be read ({reason})",
        "check it in a text editor",
    )


def _with_bom(encoding: str) -> str:
    """Return the encoding that drops a byte order mark, where the encoding is UTF-8."""
    if codecs.lookup(encoding).name == "utf-8":
        return "utf-8-sig"
    return encoding


def _scan(path: Path, encoding: str) -> tuple[bool, bool, str]:
    """Decode the whole file in blocks; return whether it has quotes, blank lines, and its end."""
    decoder = codecs.getincrementaldecoder(encoding)()
    has_quotes = False
    has_blanks = False
    tail = ""
    line = 1  # number of the line where the block begins
    previous = "\n"  # last character of the block before
    with open_bytes(path) as raw:
        while True:
            chunk = raw.read(_CHUNK)
            try:
                text = decoder.decode(chunk, final=not chunk)
            except UnicodeError as error:
                if isinstance(error, UnicodeDecodeError):
                    line += chunk[: error.start].count(b"\n")
                raise _undecodable(path, encoding, line) from error
            if "\0" in text:
                raise _nul_bytes(path, encoding, line + text[: text.index("\0")].count("\n"))
            has_quotes = has_quotes or '"' in text
            ends = previous + text
            has_blanks = has_blanks or "\n\n" in ends or "\n\r" in ends
            line += text.count("\n")
            previous = ends[-1:]
            tail = (tail + text)[-_TAIL:]
            if not chunk:
                return has_quotes, has_blanks, tail


def _head(path: Path, encoding: str) -> list[str]:
    """Return the first lines, without a byte order mark."""
    text = ""
    with open_bytes(path) as raw:
        for part in codecs.iterdecode(iter(lambda: raw.read(1 << 16), b""), encoding):
            text += part
            if len(text) > _HEAD_LINES * _LONGEST_LINE or len(text.splitlines()) > _HEAD_LINES:
                break  # else the last of these lines may be cut
    lines = text.removeprefix("\ufeff").splitlines()[:_HEAD_LINES]
    if lines and len(lines[0]) > _LONGEST_LINE:
        raise BadTableError(
            "damaged_file",
            f"line 1 of {path.name} has more than {_LONGEST_LINE:,} letters",
            "give a long table, with a row per series and stamp, or a parquet file",
        )
    return [line[:_LONGEST_LINE] for line in lines]


def _nul_bytes(path: Path, encoding: str, line: int) -> BadTableError:
    """Return the error of a file with NUL bytes: stray ones, or those of UTF-16."""
    with open_bytes(path) as raw:
        head = raw.read(4096)
    if head.count(0) > len(head) // 5:
        return _undecodable(path, encoding, line)
    return BadTableError(
        "nul_bytes",
        f"line {line} of {path.name} contains a NUL byte",
        "the file is damaged; write it again",
    )


def _undecodable(path: Path, encoding: str, line: int) -> BadTableError:
    """Return the error of a file that is not text in its encoding, with a guess of what it is."""
    with open_bytes(path) as raw:
        head = raw.read(1 << 16)
    message = f"{path.name} is not {encoding} text (line {line}); it looks like"
    fix = "give a CSV or parquet file, or pass `data.encoding`"
    if head.startswith(b"PK"):
        fix = "let the name of a workbook end in .xlsx, or give a CSV or parquet file"
    for magic, kind in _MAGIC.items():
        if head.startswith(magic):
            return BadTableError("encoding", f"{message} {kind}", fix)
    guess = _guess_encoding(head)
    if guess is None:
        return BadTableError("encoding", f"{message} binary data", fix)
    return BadTableError("encoding", f"{message} {guess}", settings=({"data.encoding": guess},))


def _guess_encoding(head: bytes) -> str | None:
    """Guess an encoding from the first bytes; None where they are not text."""
    if head.startswith(_UTF16):
        return "utf-16"
    if head.count(0) > len(head) // 5:  # every second byte of Latin text in UTF-16 is 0
        even = head[::2].count(0)
        odd = head[1::2].count(0)
        if max(even, odd) <= len(head) // 3:
            return None
        return "utf-16-le" if odd > even else "utf-16-be"
    controls = sum(head.count(byte) for byte in (*range(9), *range(14, 32), 127))
    if controls * 50 > len(head):
        return None
    try:
        head.decode("cp1252")
    except UnicodeDecodeError:
        return "latin-1"
    return "cp1252"


def _are_numbers(lines: list[str]) -> bool:
    return bool(lines) and all(_NUMBER.fullmatch(line) for line in lines)


def _other_separators(lines: list[str]) -> list[str]:
    """Return the characters that split every line into as many fields as the header."""
    marks = dict.fromkeys(mark for mark in lines[0] if not mark.isalnum() and mark not in "_.-\"'")
    return [mark for mark in marks if len({line.count(mark) for line in lines}) == 1]


def _detect_separator(lines: list[str], path: Path, known: Sequence[str]) -> str:
    """Return the separator that splits the header, and the lines below into as many fields.

    Raises:
        BadTableError: there is one column, unless its rows are to be counted.
    """
    if ".tsv" in path.suffixes:
        return "\t"
    counts = {}
    for separator in _SEPARATORS:
        fields = [len(row) for row in csv.reader(lines, delimiter=separator)]
        counts[separator] = (fields[0] > 1, sum(count == fields[0] for count in fields), fields[0])
    best = max(counts, key=lambda separator: counts[separator])
    if not counts[best][0] and _are_numbers(lines[1:]):
        if NO_TIME in known:
            return ","
        name = lines[0].strip().strip('"')
        settings = {"data.time_col": NO_TIME, "data.target_cols": [name]}
        raise BadTableError(
            "one_column",
            f"{path.name} has one column, {name[:80]!r}, and no timestamps",
            "add a column of timestamps",
            [Change(settings, "to count the rows")],
        )
    if not counts[best][0] and len(lines[0].split()) > 1:
        raise BadTableError(
            "separator",
            f"the header of {path.name} is {lines[0][:80]!r}, with none of {listed(_SEPARATORS)} "
            f"in it",
            "pass `data.separator`",
            settings=[{"data.separator": mark} for mark in _other_separators(lines)],
        )
    return best
