"""Models of other packages, run by a Python of their own: what they need may not fit what we need."""

from forecast.peers.statistical import PYTHON, STATISTICAL, StatisticalModel, find_python, version_of

__all__ = ["PYTHON", "STATISTICAL", "StatisticalModel", "find_python", "version_of"]
