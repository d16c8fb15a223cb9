"""The weights of a network are counted before any of them is made."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from forecast.errors import ArtifactError
from forecast.models.counted_weights import names_in_order, weight_shapes


def dense(units: int = 3) -> keras.Model:
    inputs = keras.Input((2,))
    return keras.Model(inputs, keras.layers.Dense(units, name="head")(inputs))


def test_names_and_shapes_are_those_of_keras() -> None:
    shapes = weight_shapes(dense)
    assert list(shapes.values()) == [tuple(weight.shape) for weight in dense().weights]
    assert all(name.endswith(end) for name, end in zip(shapes, ("kernel", "bias"), strict=True))


def test_a_network_that_would_fill_the_memory_is_only_counted() -> None:
    """4 TB of weights."""
    (kernel, _) = weight_shapes(lambda: dense(500_000_000_000)).values()
    assert kernel == (2, 500_000_000_000)


def test_weights_are_exactly_those_of_the_network() -> None:
    given = {name: np.zeros(shape) for name, shape in weight_shapes(dense).items()}
    assert names_in_order(dense, dict(reversed(given.items()))) == list(given)
    first, second = given
    for wrong in (
        {first: given[first]},
        given | {"more": np.zeros(1)},
        given | {first: np.zeros((3, 2))},
        {first: given[first], "other": given[second]},
        {},
    ):
        with pytest.raises(
            ArtifactError, match=r"weights\.safetensors: .* does not fit the config"
        ):
            names_in_order(dense, wrong)
