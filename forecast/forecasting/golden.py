"""The check that a rebuilt model gives the stored output for its golden input."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from forecast.errors import ArtifactError, ForecastError
from forecast.forecasting.artifact import Artifact

Model = TypeVar("Model")

UNFIT = (
    ValidationError,
    ForecastError,
    AttributeError,
    IndexError,
    KeyError,
    TypeError,
    ValueError,
)
"""Errors of files that do not fit together."""


def rebuild_checked(
    path: Path,
    artifact: Artifact,
    rebuild: Callable[[Artifact], Model],
    difference_of: Callable[[Model, Artifact], float],
    tolerance: float,
) -> Model:
    """Rebuild a saved model and hold it against its golden output.

    Args:
        path: the folder, for messages.
        artifact: its content.
        rebuild: makes the model.
        difference_of: the largest difference between its output and the stored one.
        tolerance: the largest that is no fault.

    Raises:
        ArtifactError: the files do not fit together, or the output differs.
    """
    try:
        model = rebuild(artifact)
        difference = difference_of(model, artifact)
    except UNFIT as error:
        if isinstance(error, ArtifactError):
            raise
        raise ArtifactError(
            f"{path}: the files of this saved model do not fit together ({error}): save it again "
            f"with this version"
        ) from error
    if not difference <= tolerance:
        raise ArtifactError(
            f"{path}/golden.safetensors: the output of the rebuilt model differs from the stored "
            f"one by {difference:.2g}; expected at most {tolerance:g}: load it with the "
            f"version that saved it"
        )
    return model
