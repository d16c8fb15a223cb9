"""Random model inputs, and a source of windows over plain arrays."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.transforms.missing import Filled
from forecast.windows.features import Features
from forecast.windows.index import WindowIndex, WindowShape

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


def random_inputs(
    shape: WindowShape, size: int, *, seed: int = 0, dtype: str = "float32"
) -> dict[str, NDArray[Any]]:
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
        name: generator.normal(size=sizes).astype(dtype)
        for name, sizes in numbers.items()
        if sizes[-1]
    }
    for name, (sizes, columns) in codes.items():
        if columns:
            inputs[name] = np.stack(
                [generator.integers(0, one, sizes) for one in columns], axis=-1
            ).astype(np.int32)
    return inputs


def weights_of(model: Any) -> dict[str, NDArray[np.float64]]:
    """Path of each weight of a Keras model -> its value in float64."""
    return {one.path: np.asarray(one, np.float64) for one in model.weights}


def shuffled(model: Any, seed: int = 1) -> Any:
    """Give every weight a random value: zero biases would hide a bias that is left out."""
    generator = np.random.default_rng(seed)
    model.set_weights([generator.normal(0, 0.4, one.shape) for one in model.get_weights()])
    return model


class ArraySource:
    """Windows that were made beforehand, each the only one of a series of its own.

    Change `inputs` and `target` before the first batch is made and not after it.
    """

    def __init__(self, inputs: dict[str, NDArray[Any]], target: NDArray[np.float32]) -> None:
        self.inputs, self.target = inputs, target

    def __len__(self) -> int:
        return len(self.target)

    @cached_property
    def features(self) -> Features:
        past, known = self.rows("past", "known", np.float32)
        past_codes, known_codes = self.rows("past_categories", "known_categories", np.int32)
        _, target = self.rows("", "", np.float32, ahead=self.target)
        size = len(self)
        return Features(
            past=past,
            known=known,
            past_codes=past_codes,
            known_codes=known_codes,
            static=self.inputs.get("static", np.zeros((size, 0), np.float32)),
            static_codes=self.inputs.get("static_categories", np.zeros((size, 0), np.int32)),
            target=target,
            filled=Filled(past.astype(np.float64)),
            late=None,
            sizes=((), (), ()),
        )

    @cached_property
    def index(self) -> WindowIndex:
        size, length, horizon = len(self), self.inputs["past"].shape[1], self.target.shape[1]
        return WindowIndex(
            context_length=length,
            horizon=horizon,
            stride=1,
            run_series=np.arange(size),
            run_first=np.arange(size) * (length + horizon),
            run_ends=np.arange(1, size + 1),
        )

    def rows(
        self, past: str, known: str, dtype: type, *, ahead: NDArray[Any] | None = None
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """(R, ·) rows of what only the context holds, and of what is known ahead and stands last in
        the context."""
        (size, length), horizon = self.inputs["past"].shape[:2], self.target.shape[1]
        ahead = (
            self.inputs.get(known, np.zeros((size, horizon, 0), dtype)) if ahead is None else ahead
        )
        behind = self.inputs.get(past, np.zeros((size, length, ahead.shape[2]), dtype))
        own = behind.shape[2] - ahead.shape[2]
        unread = np.zeros((size, horizon, own), dtype)
        blocks = ((behind[..., :own], unread), (behind[..., own:], ahead))
        mine, shared = (
            np.concatenate(pair, axis=1).reshape(size * (length + horizon), -1) for pair in blocks
        )
        return mine.astype(dtype), shared.astype(dtype)

    def batch(self, numbers: NDArray[np.int64]) -> Batch:
        return {name: array[numbers] for name, array in self.inputs.items()}, self.target[numbers]


def learnable_source(shape: WindowShape, size: int, *, seed: int = 0) -> ArraySource:
    """Random inputs with a target that depends on all of them, so that there is something to
    learn."""
    inputs = random_inputs(shape, size, seed=seed)
    target = np.repeat(inputs["past"][:, -1:, : shape.num_targets], shape.horizon, axis=1)
    for name, array in inputs.items():
        per_window = np.tanh(
            array.reshape(size, -1).mean(axis=1, dtype=np.float64) / (4 if "cat" in name else 1)
        )
        target = target + per_window[:, None, None]
    return ArraySource(inputs, target.astype(np.float32))
