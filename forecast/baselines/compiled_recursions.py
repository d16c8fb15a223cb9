"""The recursions of `recursion` and `theta` in C++, on NumPy arrays, with the same bits.

A row takes NumPy several microseconds however few series it has, and C++ some nanoseconds.
"""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray
from forecast.files.libraries.build import NotAvailableError, is_switched_off, load
from forecast.files.libraries.compiler import RECURSIONS

_STATES = ("alpha", "beta", "gamma", "damping", "level", "trend", "season")
_SUMS = ("level_cross", "trend_cross", "level_square", "level_trend", "trend_square")


class _CellPointers(ctypes.Structure):
    """`Cells` of recursions.cc."""

    _fields_ = tuple((name, ctypes.c_void_p) for name in _STATES)


class _RunPointers(ctypes.Structure):
    """`Run` of recursions.cc."""

    _fields_ = (
        *((name, ctypes.c_long) for name in ("num_series", "num_rows", "num_sets", "cycle")),
        ("own_parameters", ctypes.c_long),
        ("values", ctypes.c_void_p),
        ("starts", ctypes.c_void_p),
        ("cells", _CellPointers),
        ("squares", ctypes.c_void_p),
    )


class _MovePointers(ctypes.Structure):
    """`Moves` of recursions.cc."""

    _fields_ = (
        ("shared", ctypes.c_long),
        ("by_level", _CellPointers),
        ("by_trend", _CellPointers),
        *((name, ctypes.c_void_p) for name in _SUMS),
    )


class Cells(NamedTuple):
    """S series with G sets of parameters; the states are overwritten by those after the last row.

    Attributes:
        parameters: alpha, beta, gamma and damping, (S or 1, G) each.
        level: (S, G).
        trend: (S, G).
        season: (m, S, G), place `row % m` that of a row; without a season m is 1.
        starts: (S,) first row of each series, ascending.
    """

    parameters: tuple[FloatArray, ...]
    level: FloatArray
    trend: FloatArray
    season: FloatArray
    starts: IntArray

    def pointers(self) -> _CellPointers:
        """Return where the arrays are."""
        arrays = (*self.parameters, self.level, self.trend, self.season)
        return _CellPointers(*map(_address, arrays))


class Moves(NamedTuple):
    """Share of the first states in the errors of a run without a season.

    Attributes:
        by_level: runs along rows of 0 from a level of 1, of S series or of one for all.
        by_trend: likewise from a trend of 1.
        cross: (2, S, G) sums of products of errors with those of both runs; added to.
        gram: (2, 2, S or 1, G) sums of products of the errors of both runs; added to, except for
            the lower of the two equal ones.
    """

    by_level: Cells
    by_trend: Cells
    cross: FloatArray
    gram: FloatArray


class Recursions:
    """A library of the recursions. Arrays are contiguous, values NaN before the first of a series.

    Args:
        path: of the library.
    """

    def __init__(self, path: Path) -> None:
        library = ctypes.CDLL(str(path))
        self._smooth_rows = library.smooth_rows
        self._smooth_rows_and_moves = library.smooth_rows_and_moves
        self._smooth_levels = library.smooth_levels
        self._smooth_levels.argtypes = [*[ctypes.c_long] * 3, *[ctypes.c_void_p] * 5]
        for function in (self._smooth_rows, self._smooth_rows_and_moves, self._smooth_levels):
            function.restype = None

    def smooth_rows(self, values: FloatArray, cells: Cells, squares: FloatArray) -> None:
        """Follow the rows from given first states.

        Args:
            values: (S, T).
            cells: of the series.
            squares: (S, G) to which squared errors one step ahead are added.
        """
        self._smooth_rows(ctypes.byref(_run_pointers(values, cells, squares)))

    def smooth_rows_and_moves(
        self, values: FloatArray, cells: Cells, squares: FloatArray, moves: Moves
    ) -> None:
        """Follow the rows without a season, and sum what the errors owe to the first states.

        Args:
            values: (S, T).
            cells: of the series.
            squares: as in `smooth_rows`.
            moves: is followed as well.
        """
        (level_square, level_trend), (_, trend_square) = moves.gram
        sums = (*moves.cross, level_square, level_trend, trend_square)
        pointers = _MovePointers(
            len(moves.by_level.level) == 1,
            moves.by_level.pointers(),
            moves.by_trend.pointers(),
            *map(_address, sums),
        )
        run = _run_pointers(values, cells, squares)
        self._smooth_rows_and_moves(ctypes.byref(run), ctypes.byref(pointers))

    def smooth_levels(
        self,
        values: FloatArray,
        starts: IntArray,
        alphas: FloatArray,
        level: FloatArray,
        squares: FloatArray,
    ) -> None:
        """Follow the rows with a level alone.

        Args:
            values: (S, T).
            starts: (S,) first row of each series.
            alphas: (G,) shares of an error by which the level moves.
            level: (S, G) before the first row; overwritten.
            squares: (S, G) to which squared errors one step ahead are added.
        """
        self._smooth_levels(
            *values.shape,
            len(alphas),
            _address(values),
            _address(starts, np.int64),
            *map(_address, (alphas, level, squares)),
        )


def _run_pointers(values: FloatArray, cells: Cells, squares: FloatArray) -> _RunPointers:
    num_series, num_rows = values.shape
    return _RunPointers(
        num_series,
        num_rows,
        cells.level.shape[1],
        len(cells.season),
        len(cells.parameters[0]) > 1,
        _address(values),
        _address(cells.starts, np.int64),
        cells.pointers(),
        _address(squares),
    )


def _address(array: NDArray[Any], dtype: type = np.float64) -> int:
    """Return where an array is, once it is known to be as C++ reads it.

    Raises:
        ValueError: it has another type, or holes between its numbers.
    """
    if array.dtype != dtype or not array.flags.c_contiguous:
        raise ValueError(f"an array of {array.dtype} is not contiguous numbers of {dtype.__name__}")
    address: int = array.__array_interface__["data"][0]  # `ctypes.data` takes three times as long
    return address


@cache
def compiled_recursions() -> Recursions | None:
    """Return the recursions in C++, or None where there are none: those in NumPy say the same.

    The first call on a machine may compile them, which takes a second.
    """
    if is_switched_off():
        return None
    try:
        return load(RECURSIONS, Recursions, ["-march=native"])
    except NotAvailableError:
        return None
