"""Reversible maps, fitted on training history only and frozen once fitted."""

from forecast.transforms.base import Rows, Transform, TransformKind
from forecast.transforms.chain import TRANSFORMS, Chain, TransformSpec, scaler_names
from forecast.transforms.differencing import Difference, Log1p
from forecast.transforms.scaling import MeanAbs, MinMax, Robust, Scaler, Standard

__all__ = [
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
    "TransformKind",
    "TransformSpec",
    "scaler_names",
]
