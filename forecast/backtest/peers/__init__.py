"""Models of other packages, run by a Python of their own: what they need may not fit what we need."""

from __future__ import annotations

from forecast.backtest.peers.statistical import (
    PYTHON,
    STATISTICAL,
    StatisticalModel,
    find_python,
    version_of,
)

__all__ = ["PYTHON", "STATISTICAL", "StatisticalModel", "find_python", "version_of"]
