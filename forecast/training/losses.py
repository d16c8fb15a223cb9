"""Losses that training minimises, over the measured cells, with shapes compared exactly.

A new loss is an entry of `LOSSES` and a choice of `TrainingConfig.loss`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from forecast.errors import ConfigError, ShapeError

CellLosses = Callable[[Any, Any], tuple[Any, Any]]

HUBER_DELTA = 1.0
"""Size of an error up to which the Huber loss is a square."""


def make_cell_losses(name: str, *, quantile_levels: Sequence[float] = ()) -> CellLosses:
    """Return a function that computes the loss of every cell.

    Args:
        name: a key of `LOSSES`.
        quantile_levels: Q levels, for `quantile` only.

    Returns:
        A function of targets (B, H, D), NaN where missing, and forecasts (B, H, D) or (B, H, D, Q).
        It returns the losses, and 1 or 0 for measured or missing, both (B, H, D). It raises
        `ShapeError` unless the shapes fit exactly: Keras would broadcast in silence.

    Raises:
        ConfigError: there is no such loss, or `quantile` has no levels.
    """
    if name not in LOSSES:
        raise ConfigError(f"loss is {name!r}; expected one of {', '.join(LOSSES)}")
    if name == "quantile" and not quantile_levels:
        raise ConfigError(
            "loss 'quantile' was given no quantile_levels; expected at least one level in (0, 1)"
        )
    levels: tuple[float, ...] = ()
    if name == "quantile":
        levels = tuple(quantile_levels)

    def cell_losses(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        from keras import ops  # TensorFlow starts when a loss is computed

        _check_shapes(y_true, y_pred, num_quantiles=len(levels))
        known = ops.logical_not(ops.isnan(y_true))
        measured = ops.cast(known, y_pred.dtype)
        # Missing targets are replaced before the subtraction and dropped after it: only to multiply
        # by 0 afterwards would leave NaN * 0 = NaN in the gradient.
        target = ops.where(known, ops.cast(y_true, y_pred.dtype), ops.zeros_like(measured))
        cells = LOSSES[name](target, y_pred, levels)
        return ops.where(known, cells, ops.zeros_like(cells)), measured

    return cell_losses


def _check_shapes(y_true: Any, y_pred: Any, *, num_quantiles: int) -> None:
    """Raise unless `y_pred` has exactly the shape of `y_true`, followed by Q for quantiles."""
    expected = tuple(y_true.shape)
    if num_quantiles:
        expected += (num_quantiles,)
    if tuple(y_pred.shape) != expected:
        raise ShapeError(
            f"forecasts have shape {tuple(y_pred.shape)} where targets have {tuple(y_true.shape)}; "
            f"expected {expected}"
        )


def _squared(target: Any, forecast: Any, _: Sequence[float]) -> Any:
    from keras import ops

    return ops.square(target - forecast)


def _absolute(target: Any, forecast: Any, _: Sequence[float]) -> Any:
    from keras import ops

    return ops.abs(target - forecast)


def _huber(target: Any, forecast: Any, _: Sequence[float]) -> Any:
    """Return half the square up to `HUBER_DELTA`, and its tangent beyond (Huber 1964)."""
    from keras import ops

    size = ops.abs(target - forecast)
    inside = ops.minimum(size, HUBER_DELTA)
    return 0.5 * ops.square(inside) + HUBER_DELTA * (size - inside)


def _pinball(target: Any, quantiles: Any, levels: Sequence[float]) -> Any:
    """Return the mean over levels q of `max(q e, (q - 1) e)`, e = target - quantile.

    Source: Koenker and Bassett, Regression Quantiles, 1978.
    """
    from keras import ops

    error = ops.expand_dims(target, -1) - quantiles
    level = ops.convert_to_tensor(levels, dtype=quantiles.dtype)
    return ops.mean(ops.maximum(level * error, (level - 1.0) * error), axis=-1)


LOSSES: dict[str, Callable[[Any, Any, Sequence[float]], Any]] = {
    "mse": _squared,
    "mae": _absolute,
    "huber": _huber,
    "quantile": _pinball,
}
"""Loss -> function of targets (B, H, D), forecasts and quantile levels, which returns (B, H, D)."""

ROBUST = ("mae", "huber")
"""Losses that grow no faster than the error, so that outliers count less than in a square."""
