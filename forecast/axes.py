"""The axis key used in every docstring, and the one function that checks shapes.

| letter | axis                                                   |
|--------|--------------------------------------------------------|
| B      | windows in a batch                                     |
| N      | series                                                 |
| R      | rows of a panel, all series one after another          |
| L      | context steps (`context_length`)                       |
| H      | forecast steps (`horizon`)                             |
| C      | channels (columns) of an input                         |
| D      | target columns                                         |
| Q      | quantile levels                                        |
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.errors import ShapeError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def evenly_spaced(total: int, count: int) -> IntArray:
    """Return `count` of the numbers 0 .. `total` - 1, evenly spaced; all of them where `count` is larger.

    The first and the last number are among them where `count` is 2 or more.
    """
    return np.linspace(0, total - 1, min(count, total)).round().astype(np.int64)


def check_shape(name: str, array: Any, axes: str, **sizes: int) -> None:
    """Raise unless `array` has one axis per letter of `axes`, with the sizes that are given.

    Args:
        name: what the array is called in the message.
        array: anything with a `shape`.
        axes: one letter of the axis key per axis, for example `"BHD"`.
        **sizes: the expected size of some of the letters, for example `H=24`.

    Raises:
        ShapeError: the number of axes or one of the sizes differs.
    """
    shape = tuple(array.shape)
    expected = tuple(sizes.get(letter) for letter in axes)
    fits = len(shape) == len(expected) and all(
        want is None or have == want for have, want in zip(shape, expected, strict=True)
    )
    if not fits:
        wanted = ", ".join(
            letter if size is None else f"{letter}={size}"
            for letter, size in zip(axes, expected, strict=True)
        )
        raise ShapeError(f"{name} has shape {shape}; expected ({wanted})")
