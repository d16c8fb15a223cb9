"""Random model inputs, and a source of windows over a plain array."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.windows import WindowShape

Batch = tuple[dict[str, NDArray[Any]], NDArray[np.float32]]


def full_shape(**changes: Any) -> WindowShape:
    """A small shape in which no input is empty, with some of its sizes changed."""
    shape = WindowShape(
        context_length=7,
        horizon=3,
        num_targets=2,
        num_past=4,
        num_known=2,
        num_static=2,
        past_categories=(4, 9),
        known_categories=(3,),
        static_categories=(5,),
    )
    return replace(shape, **changes)


def random_inputs(shape: WindowShape, size: int, *, seed: int = 0, dtype: str = "float32") -> dict[str, NDArray[Any]]:
    """Every input that is not empty, for `size` windows."""
    generator = np.random.default_rng(seed)
    numbers = {
        "past": (size, shape.context_length, shape.num_past),
        "known": (size, shape.horizon, shape.num_known),
        "static": (size, shape.num_static),
    }
    codes = {
        "past_categories": ((size, shape.context_length), shape.past_categories),
        "known_categories": ((size, shape.horizon), shape.known_categories),
        "static_categories": ((size,), shape.static_categories),
    }
    inputs: dict[str, NDArray[Any]] = {
        name: generator.normal(size=sizes).astype(dtype) for name, sizes in numbers.items() if sizes[-1]
    }
    for name, (sizes, columns) in codes.items():
        if columns:
            inputs[name] = np.stack([generator.integers(0, one, sizes) for one in columns], axis=-1).astype(np.int32)
    return inputs


def weights_of(model: Any) -> dict[str, NDArray[np.float64]]:
    """Path of each weight of a Keras model -> its value in float64."""
    return {one.path: np.asarray(one, np.float64) for one in model.weights}


class ArraySource:
    """Windows that were gathered beforehand; remembers which numbers were asked for."""

    def __init__(self, inputs: dict[str, NDArray[Any]], target: NDArray[np.float32]) -> None:
        self.inputs, self.target = inputs, target
        self.asked: list[NDArray[np.int64]] = []

    def __len__(self) -> int:
        return len(self.target)

    def batch(self, numbers: NDArray[np.int64]) -> Batch:
        self.asked.append(numbers)
        return {name: array[numbers] for name, array in self.inputs.items()}, self.target[numbers]


def learnable_source(shape: WindowShape, size: int, *, seed: int = 0) -> ArraySource:
    """Random inputs with a target that depends on all of them, so that there is something to learn."""
    inputs = random_inputs(shape, size, seed=seed)
    target = np.repeat(inputs["past"][:, -1:, : shape.num_targets], shape.horizon, axis=1)
    for name, array in inputs.items():
        per_window = np.tanh(array.reshape(size, -1).mean(axis=1, dtype=np.float64) / (4 if "cat" in name else 1))
        target = target + per_window[:, None, None]
    return ArraySource(inputs, target.astype(np.float32))
