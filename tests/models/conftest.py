"""Models in float64, which builders make and `build_model` does not."""

from __future__ import annotations

from collections.abc import Iterator

import keras
import pytest


@pytest.fixture
def double() -> Iterator[None]:
    """Have builders make models in float64."""
    _set_float_type("float64")
    yield
    _set_float_type("float32")


def _set_float_type(name: str) -> None:
    """Set the type of new layers too: Keras keeps the policy of the first layer it made."""
    keras.config.set_floatx(name)
    keras.config.set_dtype_policy(name)
