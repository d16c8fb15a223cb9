"""Letters of axes used in every docstring, array types, and the function that checks shapes.

| letter | axis                                                   |
|--------|--------------------------------------------------------|
| B      | windows in a batch                                     |
| W      | windows of an evaluation                               |
| N      | series                                                 |
| R      | rows of a panel, all series one after another          |
| L      | context steps (`context_length`)                       |
| H      | forecast steps (`horizon`)                             |
| C      | channels (columns) of an input                         |
| D      | target columns                                         |
| Q      | quantile levels                                        |
| P      | sample paths                                           |
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.errors import ShapeError

FloatArray = NDArray[np.float64]
"""Targets, forecasts, errors: computed in float64, and cast to float32 for a network alone."""

IntArray = NDArray[np.int64]
"""Numbers of rows, windows and series."""


def evenly_spaced(total: int, count: int) -> IntArray:
    """Return `count` of the numbers 0 .. `total` - 1, evenly spaced; all where `count` is larger.

    The first and the last number are among them where `count` is 2 or more.
    """
    return np.linspace(0, total - 1, min(count, total)).round().astype(np.int64)


def check_shape(name: str, array: Any, axes: str, **sizes: int) -> None:
    """Raise unless an array has the expected axes and sizes.

    Args:
        name: of the array in the message.
        array: anything with a `shape`.
        axes: one letter per axis, for example `"BHD"`.
        **sizes: the expected size of some of the letters, for example `H=24`.

    Raises:
        ShapeError: the number of axes or one of the sizes differs.

    Example:
        >>> import numpy as np
        >>> from forecast import check_shape
        >>> check_shape("forecast", np.zeros((5, 24, 1)), "BHD", H=24)
        >>> check_shape("forecast", np.zeros((5, 1, 24)), "BHD", H=24)
        Traceback (most recent call last):
        forecast.errors.ShapeError: forecast has shape (5, 1, 24); expected (B, H=24, D)
    """
    shape = tuple(array.shape)
    if len(shape) == len(axes):
        for letter, size in zip(axes, shape, strict=True):
            if sizes.get(letter, size) != size:
                break
        else:  # a loop, since this runs some forty times in a forecast
            return

    with_size = {letter: f"{letter}={size}" for letter, size in sizes.items()}
    expected = ", ".join(with_size.get(letter, letter) for letter in axes)
    raise ShapeError(f"{name} has shape {shape}; expected ({expected})")
