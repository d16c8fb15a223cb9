"""Reversible maps, fitted on training history only and frozen once fitted."""

from forecast.transforms.base import Rows, Transform
from forecast.transforms.chain import TRANSFORMS, Chain, TransformSpec
from forecast.transforms.differencing import Difference, Log1p
from forecast.transforms.scaling import SCALERS, MeanAbs, MinMax, Robust, Scaler, Standard

__all__ = [
    "SCALERS",
    "TRANSFORMS",
    "Chain",
    "Difference",
    "Log1p",
    "MeanAbs",
    "MinMax",
    "Robust",
    "Rows",
    "Scaler",
    "Standard",
    "Transform",
    "TransformSpec",
]
