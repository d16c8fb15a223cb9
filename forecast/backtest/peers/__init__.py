"""Models of other packages, run by another Python: their requirements may conflict with ours."""

from __future__ import annotations

from forecast.backtest.peers.statistical import (
    PYTHON,
    STATISTICAL,
    StatisticalModel,
    find_python,
    version_of,
)

__all__ = ["PYTHON", "STATISTICAL", "StatisticalModel", "find_python", "version_of"]
