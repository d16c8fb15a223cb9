"""The values of a saved forecaster that are stored as JSON, with exact types and ranges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from forecast.axes import IntArray
from forecast.experiment.settings import Experiment
from forecast.files.tensors import Entry
from forecast.windows.index import WindowShape

Arrays = Mapping[str, NDArray[Any]]

Text = Annotated[str, Field(max_length=10_000)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]
Size = Annotated[int, Field(ge=0, le=100_000)]
PositiveSize = Annotated[int, Field(ge=1, le=100_000)]
Seconds = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Id = int | float | bool | Text | None
SeriesIds = list[Id | list[Id]]

GOLDEN_WINDOWS = 3


class StoredShape(Entry):
    """See `WindowShape`."""

    context_length: PositiveSize
    horizon: PositiveSize
    num_targets: PositiveSize
    num_past: PositiveSize
    num_known: Size
    num_static: Size
    past_categories: list[PositiveSize]
    known_categories: list[PositiveSize]
    static_categories: list[PositiveSize]
    num_quantiles: Size

    def window_shape(self) -> WindowShape:
        """Return the shape that a model reads."""
        values: dict[str, Any] = self.model_dump()
        for name in ("past_categories", "known_categories", "static_categories"):
            values[name] = tuple(values[name])
        return WindowShape(**values)


class StoredHistory(Entry):
    """See `scores.history.History`."""

    loss: list[Finite]
    val_loss: list[Finite]
    learning_rate: list[Finite]
    seconds: list[Seconds]
    best_epoch: Annotated[int, Field(ge=0, lt=2**31)]
    compiled: bool = False
    native: bool = False


class StoredMeta(Entry):
    """Values beside the settings; see `saving`."""

    kind: str = "forecaster"
    network: dict[str, Any] | None = None
    shape: StoredShape
    freq: Annotated[str, Field(min_length=1, max_length=200)]
    season_length: PositiveSize
    series_ids: Annotated[SeriesIds, Field(min_length=1)]
    calendar: Annotated[list[Text], Field(max_length=100)]
    vocabulary: dict[Text, list[Text]]
    ranges: dict[Text, tuple[Finite, Finite]] = Field(default_factory=dict)
    history: StoredHistory
    histories: list[tuple[Text, StoredHistory]] | None = None
    shares: dict[Text, Share] = Field(default_factory=dict)
    weights: list[tuple[Text, Share]] = Field(default_factory=lambda: [("model", 1.0)])

    @model_validator(mode="after")
    def _check(self) -> StoredMeta:
        """Raise where no weight is that of the model, or a range ends before it begins."""
        if "model" not in dict(self.weights):
            raise ValueError("weights have none of the model")
        for name, (low, high) in self.ranges.items():
            if low > high:
                raise ValueError(f"the range of {name[:40]!r} ends before it begins")
        return self


def check_shape_of_files(config: Experiment, shape: WindowShape, golden: Arrays) -> None:
    """Raise unless a shape is that of the golden windows, whose bytes are in a file.

    So no size is larger than what was read, and networks are built for sizes that were there.

    Args:
        config: the settings.
        shape: as stored.
        golden: the stored arrays.

    Raises:
        ValueError: a size or a type differs.
    """
    if config.windows.horizon != shape.horizon:
        raise ValueError(f"windows.horizon is {config.windows.horizon}, stored is {shape.horizon}")
    expected = {f"input/{name}": value for name, value in window_sizes(shape).items()}
    given = {
        name: (array.shape, array.dtype.name)
        for name, array in golden.items()
        if name.startswith("input/")
    }
    if given != expected:
        raise ValueError(f"the golden windows are {given}, those of the shape are {expected}")
    output: tuple[int, ...] = (GOLDEN_WINDOWS, shape.horizon, shape.num_targets)
    if shape.num_quantiles:
        output = (*output, shape.num_quantiles)
    if golden["output"].shape != output or golden["output"].dtype != np.float32:
        raise ValueError(f"the golden output is {golden['output'].shape}; expected {output}")
    for name, counts in categories_of(shape).items():
        codes: IntArray = golden[f"input/{name}"]
        if ((codes < 0) | (codes >= np.array(counts))).any():
            raise ValueError(f"{name} of the golden windows has codes out of range")


def categories_of(shape: WindowShape) -> dict[str, tuple[int, ...]]:
    """Return the number of codes of each column by the name of the input; of none without one."""
    found = {
        "past_categories": shape.past_categories,
        "known_categories": shape.known_categories,
        "static_categories": shape.static_categories,
    }
    return {name: counts for name, counts in found.items() if counts}


def window_sizes(shape: WindowShape) -> dict[str, tuple[tuple[int, ...], str]]:
    """Return shape and type of every input for `GOLDEN_WINDOWS` windows."""
    steps = {"past": (shape.context_length,), "known": (shape.horizon,), "static": ()}
    widths = {"past": shape.num_past, "known": shape.num_known, "static": shape.num_static}
    sizes: dict[str, tuple[tuple[int, ...], str]] = {
        name: ((GOLDEN_WINDOWS, *steps[name], width), "float32")
        for name, width in widths.items()
        if width
    }
    for name, counts in categories_of(shape).items():
        of_steps = steps[name.removesuffix("_categories")]
        sizes[name] = ((GOLDEN_WINDOWS, *of_steps, len(counts)), "int32")
    return sizes
