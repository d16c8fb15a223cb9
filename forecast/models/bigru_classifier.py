"""A bidirectional GRU that reads a whole sequence and names its class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from forecast.layers.encoder import RecurrentConfig, Units, recurrent_layer
from forecast.layers.sequences import join
from forecast.section import AUTO, Auto, PositiveInt

if TYPE_CHECKING:
    import keras

Share = Annotated[float, Field(ge=0.0, lt=1.0)]


LOGITS = "logits"
"""Name of the layer before the softmax, from which the loss is computed."""


EMBEDDING = "embedding"
"""Beginning of the names of the embeddings; the number of the column follows."""


class BiGRUClassifierConfig(RecurrentConfig):
    """Settings of the bidirectional GRU that labels whole sequences.

    Example:
        >>> from forecast import BiGRUClassifierConfig
        >>> config = BiGRUClassifierConfig(units=32, num_layers=2, pooling="attention")
        >>> config.widths, config.bidirectional
        ((32, 32), True)
    """

    name: Literal["bigru_classifier"] = "bigru_classifier"
    """Which architecture."""
    units: Units | Auto | Annotated[tuple[Units, ...], Field(min_length=1)] = AUTO
    """Width of each direction, one number or one per layer. `auto`: 64, for texts 32 (a network
    built without data: 64)."""
    pooling: Literal["last", "mean", "max", "attention"] | Auto = AUTO
    """Way from the outputs of all steps to one vector: the last step of each direction, mean or
    the largest value over the steps, or a learned weighted mean. `auto`: max where `filters` read
    the steps, else mean."""
    head_dropout: Share = 0.2
    """Share of the pooled vector set to zero in training."""
    filters: PositiveInt | Auto | None = AUTO
    """Filters that read neighbouring steps before the recurrent layers; null: none. `auto`: 64
    for numbers where the longest sequence has 50 steps or more, else none (a network built without
    data: none)."""
    filter_width: PositiveInt = 9
    """Neighbouring steps that a filter reads."""
    stride: PositiveInt | Auto = AUTO
    """Steps whose filtered values become one step of the recurrent layers, their mean. `auto`: as
    many as leave about 50 steps of the longest sequence."""


@dataclass(frozen=True)
class SequenceShape:
    """Sizes of what a classifier reads and writes.

    Attributes:
        num_numbers: channels of numbers C.
        num_codes: codes of each categorical column.
        widths: width of the embedding of each categorical column.
        num_classes: K.
        length: steps L of all batches; None: each batch may have its own.
        has_label_sets: whether a sequence has any number of the classes, not one.
    """

    num_numbers: int
    num_codes: tuple[int, ...]
    widths: tuple[int, ...]
    num_classes: int
    length: int | None = None
    has_label_sets: bool = False


def build_bigru_classifier(config: BiGRUClassifierConfig, shape: SequenceShape) -> keras.Model:
    """Build the model.

        numbers (B, L, C), an embedding of each category (B, L, E)
          -> joined, (B, L, C + E ...)
          -> with `filters`: a convolution over neighbouring steps, every `stride` of them one
          -> `num_layers` bidirectional recurrent layers, (B, L, 2U)
          -> pooling over the steps of each sequence, (B, 2U)
          -> dropout -> one dense layer with softmax -> probabilities (B, K)
             with a sigmoid for each class, where a sequence has any number of them

    Sequences of different lengths stand at the beginning of their L steps; the steps behind the end
    of a sequence change nothing. Embedding, bidirectional GRU, last step and softmax: Cho et al.
    2014 (arXiv 1406.1078), Schuster & Paliwal 1997. Attention over the steps: Yang et al. 2016
    (NAACL, "Hierarchical Attention Networks"), with output h and learned W, b, v:

        weight of a step = softmax over the steps of v . tanh(W h + b)

    Args:
        config: the settings.
        shape: sizes of inputs and output.

    Returns:
        A functional model from `numbers` (B, L, C), `codes` (B, L, columns) int32 and `lengths`
        (B,) int32 to (B, K).
    """
    import keras
    from keras import layers

    inputs, pooled = read_sequences_whole(config, shape)
    pooled = layers.Dropout(config.head_dropout, name="head_dropout")(pooled)
    logits = layers.Dense(shape.num_classes, name=LOGITS)(pooled)
    link = "sigmoid" if shape.has_label_sets else "softmax"
    probabilities = layers.Activation(link, name="classes")(logits)
    return keras.Model(inputs, probabilities, name=config.name)


def read_sequences_whole(
    config: BiGRUClassifierConfig, shape: SequenceShape
) -> tuple[dict[str, Any], Any]:
    """Return the inputs, and the (B, U) or (B, 2U) vector of each sequence."""
    import keras
    from keras import layers

    from forecast.layers.whole_sequences import NeighbourFilters, Pooling

    inputs: dict[str, Any] = {}
    features = []
    if shape.num_numbers:
        inputs["numbers"] = keras.Input((shape.length, shape.num_numbers), name="numbers")
        features.append(inputs["numbers"])
    if shape.num_codes:
        codes = keras.Input((shape.length, len(shape.num_codes)), dtype="int32", name="codes")
        inputs["codes"] = codes
        sizes = zip(shape.num_codes, shape.widths, strict=True)
        for column, (num_codes, width) in enumerate(sizes):
            embedding = layers.Embedding(num_codes, width, name=f"{EMBEDDING}_{column}")
            features.append(embedding(codes[..., column]))
    lengths = keras.Input((), dtype="int32", name="lengths")
    inputs["lengths"] = lengths
    outputs = join(features, name="sequence")  # (B, L, C)

    if config.filters not in (None, AUTO):
        stride = 1 if config.stride == AUTO else config.stride
        layer = NeighbourFilters(config.filters, config.filter_width, stride, name="filters")
        outputs, lengths = layer(outputs, lengths)  # (B, L / stride, F)
    for number, units in enumerate(config.widths):
        outputs = _encode(config, units, f"encoder_{number}", outputs, lengths)  # (B, L, 2U)
    how = "mean" if config.pooling == AUTO else config.pooling
    pooled = Pooling(how, config.bidirectional, name="pooling")(outputs, lengths)
    return inputs, pooled


def _encode(config: BiGRUClassifierConfig, units: int, name: str, steps: Any, lengths: Any) -> Any:
    """Read the steps of each sequence forwards, and backwards from its own end.

    Args:
        config: the settings.
        units: U.
        name: of the layers.
        steps: (B, L, C).
        lengths: (B,) steps of each sequence.

    Returns:
        (B, L, U) or (B, L, 2U), in the order of time.
    """
    from keras import layers

    from forecast.layers.whole_sequences import ReverseSteps

    forwards = recurrent_layer(config, units, name=f"{name}_forward")(steps)
    if not config.bidirectional:
        return forwards
    turned = ReverseSteps(name=f"{name}_turned")(steps, lengths)
    backwards = recurrent_layer(config, units, name=f"{name}_backward")(turned)
    backwards = ReverseSteps(name=f"{name}_in_order")(backwards, lengths)
    return layers.Concatenate(name=name)([forwards, backwards])
