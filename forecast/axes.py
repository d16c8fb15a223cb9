"""The axis letters used in every docstring, array types, and the check of shapes.

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


def check_shape(name: str, array: Any, axes: str, **sizes: int) -> None:
    """Raise unless `array` has one axis per letter of `axes`, with the given sizes.

    Args:
        name: of the array in the message.
        array: anything with a `shape`.
        axes: one letter of the axis key per axis, for example `"BHD"`.
        **sizes: the expected size of some of the letters, for example `H=24`.

    Raises:
        ShapeError: the number of axes or one of the sizes differs.

    Example:
        >>> import numpy as np
        >>> from forecast import check_shape
        >>> check_shape("forecast", np.zeros((8, 24, 1)), "BHD", H=24)
        >>> check_shape("forecast", np.zeros((8, 12, 1)), "BHD", H=24)
        Traceback (most recent call last):
        ...
        forecast.errors.ShapeError: forecast has shape (8, 12, 1); expected (B, H=24, D)
    """
    shape = tuple(array.shape)
    has_sizes = len(shape) == len(axes) and all(
        sizes.get(letter, size) == size for letter, size in zip(axes, shape, strict=True)
    )
    if has_sizes:
        return
    expected = [f"{letter}={sizes[letter]}" if letter in sizes else letter for letter in axes]
    raise ShapeError(f"{name} has shape {shape}; expected ({', '.join(expected)})")
