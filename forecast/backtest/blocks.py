"""Finished blocks of a backtest as files, and back."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from forecast.backtest.rolling import Block
from forecast.errors import BacktestError

FIELDS = ("forecasts", "quantiles", "levels", "lowest", "left_out")
"""Of a block, each a value per model."""


def encode_block(block: Block) -> bytes:
    """A block as the bytes of a NumPy archive, in which every array has a checksum."""
    arrays: dict[str, Any] = {"last": block.last}
    for field in FIELDS:
        arrays |= {
            f"{field}/{name}": np.asarray(value) for name, value in getattr(block, field).items()
        }
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def decode_block(path: Path) -> Block:
    """Read back what `encode_block` wrote.

    Raises:
        BacktestError: the file is damaged.
    """
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        last = arrays.pop("last")
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise BacktestError(
            f"{path}: cannot be read ({error}): remove it, and --resume makes it again"
        ) from error
    fields: dict[str, dict[str, Any]] = {name: {} for name in FIELDS}
    for key, array in arrays.items():
        field, _, name = key.partition("/")
        fields[field][name] = array
    return Block(
        last,
        fields["forecasts"],
        fields["quantiles"],
        {name: tuple(levels.tolist()) for name, levels in fields["levels"].items()},
        fields["lowest"],
        {name: int(count) for name, count in fields["left_out"].items()},
    )
