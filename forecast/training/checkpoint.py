"""The state of training after an epoch as one file, written atomically.

The file is a safetensors file. Its tensors are every variable of model and optimizer (weights,
moments, step count, the random state of dropout) and the best weights so far; its metadata is one
JSON text with the history, a fingerprint of the training, and a SHA-256 of all of it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from forecast.errors import OutputError, TrainingError
from forecast.experiment.identity import differences
from forecast.files.atomic import write_file
from forecast.scores.history import History

Arrays = list[NDArray[Any]]
Fingerprint = Mapping[str, str]
FORMAT = "forecast checkpoint 1"


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """State of training after an epoch.

    Attributes:
        variables: of the model, then of the optimizer.
        best_weights: of the model, after the best epoch so far.
        history: of the epochs so far.
        fingerprint: description of model, data and settings.
    """

    variables: Arrays
    best_weights: Arrays
    history: History
    fingerprint: Fingerprint


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write the file; a kill at any moment leaves the old file or the new one.

    Raises:
        FileError: the disk is full, or there is no permission.
    """
    tensors = _numbered("variable", checkpoint.variables) | _numbered(
        "best", checkpoint.best_weights
    )
    about = {"history": checkpoint.history.to_dict(), "fingerprint": dict(checkpoint.fingerprint)}
    metadata = {"format": FORMAT, "about": json.dumps(about)}
    digest = _digest(tensors, metadata)
    write_file(path, save(tensors, metadata=metadata | {"sha256": digest}))


def load_checkpoint(path: Path) -> Checkpoint:
    """Read the file and verify its checksum.

    Raises:
        TrainingError: the file is damaged or no checkpoint.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = dict(file.metadata() or {})
            names = file.keys()
            tensors = {name: file.get_tensor(name) for name in names}
        if metadata.pop("sha256") != _digest(tensors, metadata) or metadata["format"] != FORMAT:
            raise ValueError("its checksum does not fit")
        about = json.loads(metadata["about"])
        history = History.from_dict(about["history"])
        fingerprint = {str(name): str(value) for name, value in about["fingerprint"].items()}
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise TrainingError(
            f"the checkpoint {path} is damaged or no checkpoint of this version ({error}): "
            "delete it and train again without resuming"
        ) from error
    return Checkpoint(
        _in_order("variable", tensors), _in_order("best", tensors), history, fingerprint
    )


def is_checkpoint(path: Path) -> bool:
    """Return whether the header of a file is that of a checkpoint, of any training."""
    try:
        with safe_open(path, framework="numpy") as file:
            name = dict(file.metadata() or {}).get("format", "")
            return name.startswith("forecast checkpoint")
    except (OSError, SafetensorError, ValueError):
        return False


def check_place_for_checkpoint(path: Path) -> None:
    """Raise where a file that is no checkpoint would be overwritten.

    Raises:
        OutputError: there is one.
    """
    if os.path.lexists(path) and not is_checkpoint(path):
        raise OutputError(
            f"{path} is no checkpoint, and the state of training would be written there: move it "
            f"away, or train in another folder"
        )


def check_same_training(path: Path, stored: Fingerprint, current: Fingerprint) -> None:
    """Raise unless a checkpoint belongs to the training that wants to go on from it.

    Raises:
        TrainingError: settings, model or data differ; the message names the differences.
    """
    different = differences(stored, current)
    if different:
        raise TrainingError(
            f"cannot resume from {path}: {different}: restore what it was, or train again without "
            f"resuming"
        )


def _numbered(kind: str, arrays: Arrays) -> dict[str, NDArray[Any]]:
    return {
        f"{kind}/{number:05d}": np.asarray(array, order="C") for number, array in enumerate(arrays)
    }


def _in_order(kind: str, tensors: Mapping[str, NDArray[Any]]) -> Arrays:
    return [tensors[name] for name in sorted(tensors) if name.startswith(f"{kind}/")]


def _digest(tensors: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]) -> str:
    digest = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode())
    for name in sorted(tensors):
        array = tensors[name]
        digest.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
