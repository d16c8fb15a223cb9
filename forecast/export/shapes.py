"""Sizes of the axes of values in a graph; None for the axis of the windows."""

from __future__ import annotations

from forecast.export.operations import Shape


def with_size(shape: Shape, axis: int, size: int) -> Shape:
    """Return a shape with another size of an axis."""
    axis %= len(shape)
    return (*shape[:axis], size, *shape[axis + 1 :])


def broadcast(a: Shape, b: Shape) -> Shape:
    """Return the shape of two values together."""
    rank = max(len(a), len(b))
    longer = (1,) * (rank - len(a)) + tuple(a)
    other = (1,) * (rank - len(b)) + tuple(b)
    return tuple(y if x == 1 else x for x, y in zip(longer, other, strict=True))
