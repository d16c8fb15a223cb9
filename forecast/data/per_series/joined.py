"""Panels of several tables as one, to work on their series together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from forecast.data.panel import Panel


def can_join(first: Panel, other: Panel) -> bool:
    """Return whether two panels have the same columns, step and words, and no rows of the future.

    Args:
        first: a panel.
        other: another one.
    """
    if first.future is not None or other.future is not None:
        return False
    return (
        first.columns == other.columns
        and first.freq == other.freq
        and first.categories == other.categories
    )


def join_panels(panels: Sequence[Panel]) -> Panel:
    """Return the series of several panels one after another; ids may occur several times.

    Args:
        panels: at least one; `can_join` holds for any two of them.
    """
    lengths = np.concatenate([panel.lengths for panel in panels])
    return replace(
        panels[0],
        series_ids=np.concatenate([panel.series_ids for panel in panels]),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        timestamps=np.concatenate([panel.timestamps for panel in panels]),
        positions=np.concatenate([panel.positions for panel in panels]),
        values=np.concatenate([panel.values for panel in panels]),
        static_values=np.concatenate([panel.static_values for panel in panels]),
        notes=(),
        weights=None,
    )
