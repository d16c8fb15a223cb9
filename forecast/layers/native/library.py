"""The loops in C++ on NumPy arrays, without TensorFlow.

`compiled_loops` returns them, or None where there are none; `Loops.forward` runs a layer.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.axes import check_shape
from forecast.errors import ShapeError
from forecast.layers.native.build import NotAvailableError, is_switched_off, load, warn_once
from forecast.layers.native.compiler import LOOPS
from forecast.layers.runtime import core_count

Array32 = NDArray[np.float32]

_ONE_AT_A_TIME = threading.Lock()


class _Sizes(ctypes.Structure):
    """`LayerSizes` of interface.h."""

    _fields_ = (
        *((name, ctypes.c_long) for name in ("batch", "length", "channels", "units")),
        ("backwards", ctypes.c_int),
    )


class _Cell(ctypes.Structure):
    """`CellSizes` of interface.h."""

    _fields_ = (("gates", ctypes.c_int), ("has_memory", ctypes.c_int))


class _Table(ctypes.Structure):
    """`Loops` of interface.h."""

    _fields_ = (
        ("find_cell", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_char_p)),
        ("cell_sizes", ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.POINTER(_Cell))),
        ("num_saved", ctypes.c_void_p),
        ("forward", ctypes.CFUNCTYPE(None, ctypes.c_int, *[ctypes.c_void_p] * 3)),
        ("backward", ctypes.c_void_p),
        ("update", ctypes.c_void_p),
        ("set_threads", ctypes.CFUNCTYPE(None, ctypes.c_int)),
    )


class Loops:
    """A library of the loops.

    Attributes:
        address: of the table of its functions, for `operations.cc`.
    """

    def __init__(self, path: Path) -> None:
        find = ctypes.CDLL(str(path)).bigru_loops
        find.restype = ctypes.c_void_p
        self.address: int = find()
        self._table = _Table.from_address(self.address)
        self.set_threads(core_count())

    def set_threads(self, count: int) -> None:
        """Set how many threads run the shards of a batch, in the whole process."""
        self._table.set_threads(count)

    def forward(
        self,
        cell: str,
        x: Any,
        weights: Sequence[Any],
        states: Sequence[Any] | None = None,
        *,
        backwards: bool = False,
        sequence: bool = True,
    ) -> tuple[Array32, list[Array32]]:
        """Run a layer over a sequence, without dropout.

        Args:
            cell: `gru` or `lstm`.
            x: (B, L, C).
            weights: kernel (C, gates x U), recurrent kernel (U, gates x U), and bias, as Keras has
                them: (2, 3 U) of a GRU with `reset_after`, (4 U,) of an LSTM.
            states: initial states (B, U), of an LSTM the output and the memory; default: zeros.
            backwards: whether the last step comes first.
            sequence: whether the outputs of all steps are wanted.

        Returns:
            The outputs (B, L, U) in the order of time, also of a layer that goes backwards, or
            (B, 0, U); and the states (B, U) after the last step it takes.

        Raises:
            ValueError: there is no such cell.
            ShapeError: the shapes do not fit each other.
        """
        number = self._table.find_cell(cell.encode())
        if number < 0:
            raise ValueError(f"the loops in C++ have no cell {cell!r}; expected gru or lstm")
        sizes = _Cell()
        self._table.cell_sizes(number, ctypes.byref(sizes))
        x = _floats(x)
        kernel, recurrent_kernel, bias = map(_floats, weights)
        units = recurrent_kernel.shape[0]
        _check_shapes(x, (kernel, recurrent_kernel, bias), sizes.gates)

        batch, length, channels = x.shape
        num_states = 1 + sizes.has_memory
        initial = [np.zeros((batch, units), np.float32)] * num_states
        if states is not None:
            initial = [_floats(state) for state in states]
        if [state.shape for state in initial] != [(batch, units)] * num_states:
            raise ShapeError(
                f"states have shapes {[state.shape for state in initial]}; expected {num_states} "
                f"of shape {(batch, units)}"
            )

        outputs = np.empty((batch, length * sequence, units), np.float32)
        finals = [np.empty((batch, units), np.float32) for _ in initial]
        if length == 0:
            return outputs, [state.copy() for state in initial]
        if batch and units:
            four = _four_biases(bias, units)
            inputs = _pointers(x, kernel, recurrent_kernel, four, *_pair(initial), None, None)
            results = _pointers(outputs if sequence else None, *_pair(finals), None)
            layer = _Sizes(batch, length, channels, units, backwards)
            self._table.forward(number, ctypes.byref(layer), inputs, results)
        return outputs, finals


def compiled_loops() -> Loops | None:
    """Return the loops in C++, or None after one warning of each reason.

    The first call on a machine may compile them, which takes about 5 s. With `FORECAST_NATIVE=0` in
    the environment there are none.
    """
    with _ONE_AT_A_TIME:
        loops, reason = loaded_loops()
        if reason:
            warn_once(reason)
    return loops


@cache
def loaded_loops() -> tuple[Loops | None, str]:
    """Return the loops, or None and the reason, which is empty where they are turned off."""
    if is_switched_off():
        return None, ""
    try:
        return load(LOOPS, Loops, ["-march=native"]), ""
    except NotAvailableError as error:
        return None, f"{error}"


def _check_shapes(x: Array32, weights: Sequence[Array32], gates: int) -> None:
    """Raise unless the weights fit x (B, L, C) and each other.

    Raises:
        ShapeError: they do not.
    """
    kernel, recurrent_kernel, bias = weights
    units = recurrent_kernel.shape[0]
    check_shape("x", x, "BLC")
    check_shape("the recurrent kernel", recurrent_kernel, "UG", G=gates * units)
    check_shape("the kernel", kernel, "CG", C=x.shape[2], G=gates * units)
    if gates == 3:
        check_shape("the bias", bias, "IG", I=2, G=gates * units)
    else:
        check_shape("the bias", bias, "G", G=gates * units)


def _four_biases(bias: Array32, units: int) -> Array32:
    """Return the biases (4, U) that a step reads, as `Cell.biases` of a layer does."""
    if bias.ndim == 1:
        return bias.reshape(4, units)
    (z, r, h), (state_z, state_r, state_h) = bias.reshape(2, 3, units)
    return np.stack([z + state_z, r + state_r, h, state_h])


def _floats(array: Any) -> Array32:
    """Return the array as C reads it."""
    return np.ascontiguousarray(array, np.float32)


def _pair(states: Sequence[Array32]) -> list[Array32 | None]:
    """Return output and memory, the latter None for a cell without one."""
    return [states[0], states[1] if len(states) > 1 else None]


def _pointers(*arrays: Array32 | None) -> Any:
    """Return a C array of pointers to the numbers; null for None."""
    addresses = [array.ctypes.data if array is not None else None for array in arrays]
    return (ctypes.c_void_p * len(arrays))(*addresses)
