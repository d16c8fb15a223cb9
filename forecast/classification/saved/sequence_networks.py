"""The networks of saved models of sequences, and the batch that they must read alike again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from forecast.errors import ArtifactError
from forecast.files.tensors import checked
from forecast.forecasting.artifact import Artifact
from forecast.inference.graph import Graph
from forecast.models.bigru_classifier import SequenceShape
from forecast.models.sequence_network import SequenceNetwork

if TYPE_CHECKING:
    import keras

Arrays = dict[str, NDArray[Any]]

GOLDEN_SEQUENCES = 3

GOLDEN_TOLERANCE = 1e-4
"""Other processors may round differently; a wrong weight moves the probabilities far more."""


def golden_batch(shape: SequenceShape) -> Arrays:
    """Return a few seeded random sequences, for which a rebuilt model must give the same output."""
    draw = np.random.default_rng(20140603)
    assert shape.length is not None
    lengths = draw.integers(1, shape.length + 1, GOLDEN_SEQUENCES).astype(np.int32)
    batch: Arrays = {"lengths": lengths}
    if shape.num_numbers:
        size = (GOLDEN_SEQUENCES, shape.length, shape.num_numbers)
        batch["numbers"] = draw.normal(size=size).astype(np.float32)
    if shape.num_codes:
        size = (GOLDEN_SEQUENCES, shape.length, len(shape.num_codes))
        batch["codes"] = draw.integers(0, shape.num_codes, size=size).astype(np.int32)
    return batch


def golden_arrays(networks: tuple[SequenceNetwork, ...], shape: SequenceShape) -> Arrays:
    """Return the golden batch, and what the networks make of it, under the names of a saved model.

    Args:
        networks: whose mean output it is.
        shape: of the sequences.
    """
    inputs = golden_batch(shape)
    golden: Arrays = {f"input/{name}": array for name, array in inputs.items()}
    golden["output"] = mean_output(networks, inputs)
    return golden


def network_difference(networks: tuple[SequenceNetwork, ...], golden: Arrays) -> float:
    """Return the largest difference from the stored output of the golden batch.

    Args:
        networks: that were read.
        golden: the stored arrays, whose batch was checked.

    Raises:
        ValueError: the output has other axes.
    """
    inputs = {
        name.removeprefix("input/"): array
        for name, array in golden.items()
        if name.startswith("input/")
    }
    output = np.mean([network.metered(inputs)[0] for network in networks], axis=0)
    if output.shape != golden["output"].shape:
        raise ValueError(f"the networks return {output.shape}, not {golden['output'].shape}")
    return float(np.max(np.abs(output - golden["output"])))


def mean_output(networks: tuple[SequenceNetwork, ...], inputs: Arrays) -> NDArray[Any]:
    """Return the mean output of some networks."""
    mean: NDArray[Any] = np.mean([network(inputs) for network in networks], axis=0)
    return mean


def graphs_of(networks: tuple[SequenceNetwork, ...]) -> list[Any]:
    """Return the operations of some networks in plain types, None where Keras alone knows them."""
    return [network.graph and network.graph.model_dump(mode="json") for network in networks]


def weights_by_member(networks: tuple[SequenceNetwork, ...]) -> Arrays:
    """Return the weights of some networks by member and name."""
    return {
        f"{member:02d}/{name}": array
        for member, network in enumerate(networks)
        for name, array in network.weights.items()
    }


def networks_in(
    artifact: Artifact,
    graphs: list[dict[str, Any] | None],
    num_networks: object,
    make: Callable[[int], keras.Model],
) -> tuple[SequenceNetwork, ...]:
    """Return the networks of a saved model.

    Args:
        artifact: with the weights of `weights_by_member`.
        graphs: of `graphs_of`.
        num_networks: by the settings.
        make: builds such a network in Keras for a number of steps.

    Raises:
        ArtifactError: a weight is missing, unknown or of another shape.
        ValueError: there are more or fewer networks.
    """
    if len(graphs) != num_networks:
        raise ValueError(f"there are {len(graphs):,} networks, and {num_networks} in the settings")
    by_member: dict[str, Arrays] = {f"{member:02d}": {} for member in range(len(graphs))}
    for name, array in artifact.weights.items():
        member, _, own = name.partition("/")
        if member not in by_member:
            raise ValueError(f"the weight {name[:60]!r} is of no network")
        by_member[member][own] = array
    return tuple(
        network_in(document, weights, make)
        for document, weights in zip(graphs, by_member.values(), strict=True)
    )


def network_in(
    document: dict[str, Any] | None, weights: Arrays, make: Callable[[int], keras.Model]
) -> SequenceNetwork:
    """Return a network of a saved model.

    Args:
        document: its operations; None where Keras alone knows them.
        weights: by name.
        make: builds it in Keras for a number of steps.

    Raises:
        ArtifactError: the weights are others than those of the network.
    """
    if not weights:
        raise ArtifactError("weights.safetensors: a network has no weights: save the model again")
    if document is None:
        return SequenceNetwork(None, weights, make)
    graph = checked(Graph.model_validate, document, "config.json: network")
    graph.check_weights(weights)
    return SequenceNetwork(graph, weights, make)
