"""The check that a rebuilt model gives the stored output for its golden input."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from forecast.errors import ArtifactError
from forecast.forecasting.artifact import Artifact

Model = TypeVar("Model")


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
    except ArtifactError:
        raise
    except Exception as error:  # of any kind: the files may come from anybody
        raise ArtifactError(
            f"{path}: the files of this saved model do not fit together ({in_one_line(error)}): "
            f"save it again with this version"
        ) from error
    if not difference <= tolerance:
        raise ArtifactError(
            f"{path}/golden.safetensors: the output of the rebuilt model differs from the stored "
            f"one by {difference:.2g}; expected at most {tolerance:g}: load it with the "
            f"version that saved it"
        )
    return model


MAX_REASON = 200
"""Characters of the reason in a message."""


def in_one_line(error: BaseException) -> str:
    """Return what an error says, without line ends and control characters, shortened."""
    words = " ".join(str(error).split()) or type(error).__name__
    shown = "".join(letter if letter.isprintable() else "?" for letter in words)
    if len(shown) > MAX_REASON:
        shown = f"{shown[:MAX_REASON]} ..."
    return shown
