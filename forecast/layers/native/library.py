"""The loops in C++ on NumPy arrays, without TensorFlow.

`compiled_loops` returns them, or None where there are none; `Loops.forward` runs a layer.
"""

from __future__ import annotations

import ctypes
import threading
import weakref
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.axes import check_shape
from forecast.errors import ShapeError
from forecast.files.libraries.build import NotAvailableError, is_switched_off, load, warn_once
from forecast.files.libraries.compiler import LOOPS
from forecast.layers.machine import core_count

Array32 = NDArray[np.float32]

_ONE_AT_A_TIME = threading.Lock()


class _Sizes(ctypes.Structure):
    """`LayerSizes` of interface.h."""

    _fields_ = (
        *((name, ctypes.c_long) for name in ("batch", "length", "channels", "units")),
        ("backwards", ctypes.c_int),
        ("bfloat16", ctypes.c_int),
    )


class _Cell(ctypes.Structure):
    """`CellSizes` of interface.h."""

    _fields_ = (("gates", ctypes.c_int), ("has_memory", ctypes.c_int))


class _Table(ctypes.Structure):
    """`Loops` of interface.h."""

    _fields_ = (
        ("has_bfloat16", ctypes.c_int),
        ("find_cell", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_char_p)),
        ("cell_sizes", ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.POINTER(_Cell))),
        ("num_saved", ctypes.c_void_p),
        ("pack", ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_int, *[ctypes.c_void_p] * 2)),
        ("release", ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_void_p)),
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

    @property
    def has_bfloat16(self) -> bool:
        """Whether training can multiply numbers that are rounded to bfloat16."""
        return bool(self._table.has_bfloat16)

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
        bound = self.bind(cell, weights, backwards=backwards)
        return bound.forward(_floats(x), states, sequence=sequence)

    def bind(self, cell: str, weights: Sequence[Any], *, backwards: bool = False) -> BoundLayer:
        """Return a layer with its weights, whose `forward` is quicker.

        They are checked and laid out for the processor once.

        Args:
            cell: as in `forward`.
            weights: as in `forward`.
            backwards: as in `forward`.

        Raises:
            ValueError: there is no such cell.
            ShapeError: the shapes of the weights do not fit each other.
        """
        number = self._table.find_cell(cell.encode())
        if number < 0:
            raise ValueError(f"the loops in C++ have no cell {cell!r}; expected gru or lstm")
        sizes = _Cell()
        self._table.cell_sizes(number, ctypes.byref(sizes))
        kernel, recurrent_kernel, bias = map(_floats, weights)
        _check_shapes((kernel, recurrent_kernel, bias), sizes.gates)
        four = _four_biases(bias, recurrent_kernel.shape[0])
        layer = _Sizes(1, 1, kernel.shape[0], recurrent_kernel.shape[0], backwards)
        addresses = [array.ctypes.data for array in (kernel, recurrent_kernel, four)]
        given = _pointers(None, *addresses, *[None] * 6)
        packed = self._table.pack(number, ctypes.byref(layer), given)
        bound = BoundLayer(self._table.forward, number, layer, packed, 1 + sizes.has_memory)
        weakref.finalize(bound, self._table.release, number, packed)
        return bound


class BoundLayer:
    """A layer of the loops in C++ with its weights."""

    def __init__(
        self,
        call: Callable[..., None],
        number: int,
        layer: _Sizes,
        packed: int,
        num_states: int,
    ) -> None:
        self._call = call
        self._number = number
        self._packed = packed
        self._num_states = num_states
        self._backwards = layer.backwards
        self._channels = layer.channels
        self._units = layer.units

    def forward(
        self, x: Array32, states: Sequence[Any] | None = None, *, sequence: bool = True
    ) -> tuple[Array32, list[Array32]]:
        """Run the layer over x (B, L, C) from states (B, U); see `Loops.forward`.

        Raises:
            ShapeError: the shapes do not fit those of the weights.
        """
        check_shape("x", x, "BLC", C=self._channels)
        x = _floats(x)
        batch, length, channels = x.shape
        initial = self._initial(states, batch)
        outputs = np.empty((batch, length * sequence, self._units), np.float32)
        finals = [np.empty((batch, self._units), np.float32) for _ in initial]
        if length == 0:
            return outputs, [state.copy() for state in initial]
        if batch and self._units:
            sizes = _Sizes(batch, length, channels, self._units, self._backwards)
            weights = [None] * 3  # they are packed
            first = _pair(initial)
            before = _pointers(x.ctypes.data, *weights, *first, *[None] * 3, self._packed)
            shown = outputs.ctypes.data if sequence else None
            after = _pointers(shown, *_pair(finals), None)
            self._call(self._number, ctypes.byref(sizes), before, after)
        return outputs, finals

    def _initial(self, states: Sequence[Any] | None, batch: int) -> list[Array32]:
        """Return initial states; zeros where there are none."""
        shape = (batch, self._units)
        if states is None:
            return [np.zeros(shape, np.float32)] * self._num_states
        initial = [_floats(state) for state in states]
        if [state.shape for state in initial] != [shape] * self._num_states:
            raise ShapeError(
                f"states have shapes {[state.shape for state in initial]}; expected "
                f"{self._num_states} of shape {shape}"
            )
        return initial


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


def _check_shapes(weights: Sequence[Array32], gates: int) -> None:
    """Raise unless the weights of a layer fit each other.

    Raises:
        ShapeError: they do not.
    """
    kernel, recurrent_kernel, bias = weights
    units = recurrent_kernel.shape[0]
    check_shape("the recurrent kernel", recurrent_kernel, "UG", G=gates * units)
    check_shape("the kernel", kernel, "CG", G=gates * units)
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


def _pair(states: Sequence[Array32]) -> list[int | None]:
    """Return the addresses of output and memory, the latter None for a cell without one."""
    return [states[0].ctypes.data, states[1].ctypes.data if len(states) > 1 else None]


def _pointers(*addresses: int | None) -> Any:
    """Return a C array of addresses; null for None."""
    return (ctypes.c_void_p * len(addresses))(*addresses)
