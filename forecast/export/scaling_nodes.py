"""The reversible maps of the targets in operations of an export, in float64."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from forecast.axes import FloatArray
from forecast.export.operations import Operations, Value
from forecast.inference.layer_forms import UnknownFormError
from forecast.transforms import Chain, Difference, Log1p
from forecast.transforms.scaling import Scaler


@dataclass(frozen=True, eq=False)
class MappedTargets:
    """Targets of windows on the scale of the network.

    Attributes:
        values: (B, L, D) float64.
        stage_inputs: (B, M, D) input of each map, to undo it.
        scales: centre and scale of each map, (B or 1, 1, D), None of maps without.
    """

    values: Value
    stage_inputs: Sequence[Value]
    scales: Sequence[tuple[Value, Value] | None]


def map_targets(
    ops: Operations, chain: Chain, facts: Sequence[Value], rows: Value
) -> MappedTargets:
    """Map targets to the scale of the network.

    Args:
        ops: writes the graph.
        chain: the maps.
        facts: (B, 1, D) each, the centre and scale of every map per series first.
        rows: (B, L + lag, D) values in the unit of the data.

    Raises:
        UnknownFormError: a map cannot be written.
    """
    stage_inputs = []
    scales: list[tuple[Value, Value] | None] = []
    left = list(facts)
    for stage in chain.stages:
        stage_inputs.append(rows)
        pair = None
        if isinstance(stage, Scaler):
            if stage.per_series:
                pair = (left.pop(0), left.pop(0))
            else:
                pair = (_row(ops, stage.centre), _row(ops, stage.scale))
            rows = scaled(ops, rows, *pair)
        elif isinstance(stage, Log1p):
            rows = _log1p(ops, ops.binary("maximum", rows, _row(ops, stage.floor)))
        elif isinstance(stage, Difference):
            length = ops.shape(rows)[1] or 0
            rows = ops.slice(rows, 1, stage.lag, length) - ops.slice(rows, 1, 0, length - stage.lag)
        else:
            raise UnknownFormError(f"its map {type(stage).__name__} cannot be written into a file")
        scales.append(pair)
    return MappedTargets(rows, stage_inputs, scales)


def unmap_forecast(ops: Operations, chain: Chain, mapped: MappedTargets, forecast: Value) -> Value:
    """Return (B, H, D) forecasts in the unit of the data from those on the scale of the network.

    Args:
        ops: writes the graph.
        chain: the maps.
        mapped: the targets that the forecast was made from.
        forecast: (B, H, D) float64.
    """
    stages = zip(chain.stages, mapped.stage_inputs, mapped.scales, strict=True)
    for stage, stage_input, pair in reversed(list(stages)):
        if pair is not None:
            centre, scale = pair
            forecast = centre + scale * forecast
        elif isinstance(stage, Log1p):
            forecast = _expm1(ops, forecast)
        elif isinstance(stage, Difference):
            forecast = _added_up(ops, stage.lag, stage_input, forecast)
    return forecast


def scaled(ops: Operations, rows: Value, centre: Value, scale: Value) -> Value:
    """Return values minus a centre, divided by a scale; 0 where the scale is 0."""
    zero = ops.constant(np.float64(0))
    divisor = ops.where(ops.binary("greater", scale, zero), scale, ops.constant(np.float64(np.inf)))
    return (rows - centre) / divisor


def _row(ops: Operations, numbers: FloatArray) -> Value:
    """Return (1, 1, D) numbers of each target."""
    return ops.constant(np.asarray(numbers, np.float64).reshape(1, 1, -1))


def _log1p(ops: Operations, x: Value) -> Value:
    """Return log(1 + x), exact for small x too.

    Source: Goldberg, What Every Computer Scientist Should Know About Floating-Point Arithmetic,
    1991, theorem 4.
    """
    one = ops.constant(np.float64(1))
    sum_of_both = one + x
    exact = ops.unary("log", sum_of_both) * x / (sum_of_both - one)
    return ops.where(ops.binary("equal", sum_of_both, one), x, exact)


def _expm1(ops: Operations, x: Value) -> Value:
    """Return exp(x) - 1, exact for small x too.

    Source: Kahan, as in Higham, Accuracy and Stability of Numerical Algorithms, 2002, 1.14.1.
    """
    one = ops.constant(np.float64(1))
    power = ops.unary("exp", x)
    less_one = power - one
    exact = less_one * x / ops.unary("log", power)
    is_one = ops.binary("equal", power, one)
    is_tiny = ops.binary("equal", power, ops.constant(np.float64(0)))
    return ops.where(is_one, x, ops.where(is_tiny, less_one, exact))


def _added_up(ops: Operations, lag: int, known: Value, forecast: Value) -> Value:
    """Add (B, H, D) differences up from the last `lag` known values; see `Difference.invert`."""
    num_known = ops.shape(known)[1] or 0
    _, steps, targets = ops.shape(forecast)
    end = lag + (steps or 0)
    num_seasons = math.ceil(end / lag)
    parts = [ops.slice(known, 1, num_known - lag, num_known), forecast]
    filling = num_seasons * lag - end
    if filling:
        first = ops.slice(forecast, 1, 0, 1)
        parts.append(ops.take(first - first, [0] * filling, 1))
    chains = ops.reshape(ops.concat(parts, 1), (-1, num_seasons, lag, targets or 0))
    summed = ops.reshape(ops.cumsum(chains, 1), (-1, num_seasons * lag, targets or 0))
    return ops.slice(summed, 1, lag, end)
