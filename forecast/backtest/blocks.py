"""Finished blocks of a backtest as files, and back."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from forecast.backtest.rolling import Block
from forecast.errors import BacktestError

_FIELDS = ("forecasts", "quantiles", "levels", "lowest", "left_out")
"""Fields of a block with one value per model."""


def encode_block(block: Block) -> bytes:
    """Return a block as the bytes of a NumPy archive, in which every array has a checksum."""
    arrays: dict[str, Any] = {"last": block.last}
    for field in _FIELDS:
        for name, value in getattr(block, field).items():
            arrays[f"{field}/{name}"] = np.asarray(value)
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def decode_block(path: Path) -> Block:
    """Read a file that `encode_block` made.

    Raises:
        BacktestError: the file is damaged.
    """
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        last = arrays.pop("last")
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise BacktestError(
            f"{path}: cannot be read ({error}): remove it, and `resume=true` computes it again"
        ) from error

    fields: dict[str, dict[str, Any]] = {name: {} for name in _FIELDS}
    for key, array in arrays.items():
        field, _, name = key.partition("/")
        fields[field][name] = array
    return Block(
        last=last,
        forecasts=fields["forecasts"],
        quantiles=fields["quantiles"],
        levels={name: tuple(levels.tolist()) for name, levels in fields["levels"].items()},
        lowest=fields["lowest"],
        left_out={name: int(count) for name, count in fields["left_out"].items()},
    )
