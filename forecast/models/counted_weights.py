"""The weights of a network by its settings, before any of them is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from forecast.errors import ArtifactError
from forecast.inference.graph import weight_name
from forecast.layers.runtime import build_apart

if TYPE_CHECKING:
    import keras

Shape = tuple[int, ...]


def weight_shapes(make: Callable[[], keras.Model]) -> dict[str, Shape]:
    """Return name and shape of every weight of a network, which takes the memory of none.

    Args:
        make: builds the network.
    """

    def count() -> dict[str, Shape]:
        import keras

        # a scope belongs to a thread, and `build_apart` builds in one of its own
        with keras.StatelessScope(initialize_variables=False):
            weights = make().weights
        return {
            weight_name(number, weight.path): tuple(weight.shape)
            for number, weight in enumerate(weights)
        }

    return build_apart(count, seed=0)


def names_in_order(make: Callable[[], keras.Model], given: Mapping[str, NDArray[Any]]) -> list[str]:
    """Return the names of weights as a network has them, if it is a network of these weights.

    Args:
        make: builds the network.
        given: weights by name.

    Raises:
        ArtifactError: a weight is missing, unknown or of another shape.
    """
    shapes = weight_shapes(make)
    expected = set(shapes.items())
    found = {(name, array.shape) for name, array in given.items()}
    if expected != found:
        name, shape = sorted(expected ^ found)[0]
        raise ArtifactError(
            f"weights.safetensors: {name} with shape {shape} does not fit the config: save the "
            f"model again"
        )
    return list(shapes)
