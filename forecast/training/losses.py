"""Losses that training minimises, over the measured cells, with shapes compared exactly.

A new loss is an entry of `LOSSES` and a choice of `TrainingConfig.loss`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

from forecast.errors import ConfigError, ShapeError
from forecast.section.own_functions import is_own, load_own

CellLosses = Callable[[Any, Any], tuple[Any, Any]]

HUBER_DELTA = 1.0
"""Size of an error up to which the Huber loss is a square."""


def make_cell_losses(
    name: str, *, quantile_levels: Sequence[float] = (), reads_quantiles: bool = False
) -> CellLosses:
    """Return a function that computes the loss of every cell.

    Args:
        name: a key of `LOSSES`, or the import path of a function of one's own.
        quantile_levels: Q levels, for losses of quantiles only.
        reads_quantiles: whether a function of one's own reads quantiles; `quantile` does.

    Returns:
        A function of targets (B, H, D), NaN where missing, and forecasts (B, H, D) or (B, H, D, Q).
        It returns the losses, and 1 or 0 for measured or missing, both (B, H, D). It raises
        `ShapeError` unless the shapes fit exactly: Keras would broadcast in silence.

    Raises:
        ConfigError: there is no such loss, or `quantile` has no levels.
    """
    if name not in LOSSES and not is_own(name):
        raise ConfigError(f"loss is {name!r}; expected one of {', '.join(LOSSES)}")
    if name == "quantile" and not quantile_levels:
        raise ConfigError(
            "loss 'quantile' was given no quantile_levels; expected at least one level in (0, 1)"
        )
    levels: tuple[float, ...] = ()
    if name == "quantile" or (is_own(name) and reads_quantiles):
        levels = tuple(quantile_levels)
    loss = _own_loss(name) if is_own(name) else LOSSES[name]

    def cell_losses(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        from keras import ops  # TensorFlow starts when a loss is computed

        _check_shapes(y_true, y_pred, num_quantiles=len(levels))
        known = ops.logical_not(ops.isnan(y_true))
        measured = ops.cast(known, y_pred.dtype)
        # A missing value is replaced before the loss is computed and dropped after it: only to
        # multiply by 0 afterwards would leave NaN * 0 = NaN in the gradient.
        target = ops.where(known, ops.cast(y_true, y_pred.dtype), ops.zeros_like(measured))
        cells = loss(target, y_pred, levels)
        return ops.where(known, cells, ops.zeros_like(cells)), measured

    def own_losses(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        from keras import ops

        _check_shapes(y_true, y_pred, num_quantiles=len(levels))
        known = ops.logical_not(ops.isnan(y_true))
        measured = ops.cast(known, y_pred.dtype)
        # Both sides of a missing cell are 1, so that no slope of any function reaches the network.
        target = ops.where(known, ops.cast(y_true, y_pred.dtype), ops.ones_like(measured))
        is_known = ops.expand_dims(known, -1) if levels else known
        forecast = ops.where(is_known, y_pred, ops.ones_like(y_pred))
        cells = loss(target, forecast, levels)
        return ops.where(known, cells, ops.zeros_like(cells)), measured

    return own_losses if is_own(name) else cell_losses


def _own_loss(path: str) -> Callable[[Any, Any, Sequence[float]], Any]:
    """Return a loss of one's own with the arguments of those of this module, its result checked."""
    function = load_own(path, "training.loss")

    def loss(target: Any, forecast: Any, levels: Sequence[float]) -> Any:
        from keras import ops

        arguments = [target, forecast]
        if levels:
            arguments.append(ops.convert_to_tensor(levels, dtype=forecast.dtype))
        try:
            cells = function(*arguments)
        except TypeError as error:
            raise ConfigError(
                f"training.loss {path!r} cannot be called with {len(arguments)} tensors "
                f"({' '.join(str(error).split())}): let it take actual and forecast values, and "
                f'with `training.loss_reads="quantiles"` the levels'
            ) from error
        shape = tuple(getattr(cells, "shape", ()))
        if shape != tuple(target.shape):
            raise ShapeError(
                f"training.loss {path!r} returned shape {shape}; expected one loss per value, "
                f"{tuple(target.shape)}: take no mean over windows, steps or targets"
            )
        return ops.cast(cells, forecast.dtype)

    return loss


def loss_key(name: str) -> Hashable:
    """Return what tells a traced loss from others: of one's own the function itself."""
    if is_own(name):
        return load_own(name, "training.loss")
    return name


def weighed(cells: Any, weights: Sequence[Any]) -> Any:
    """Return (B, H, D) cells times the (B, H, 1) weights of their rows, if there are any."""
    import tensorflow as tf

    if not weights:
        return cells
    return cells * tf.cast(weights[0], cells.dtype)


def total_weight(batch: Any, count: Any) -> Any:
    """Return the weight of all measured cells of a batch: their number where all count alike."""
    import tensorflow as tf

    _, target, *weights = batch
    if not weights:
        return count
    is_measured = tf.cast(~tf.math.is_nan(target), count.dtype)
    return tf.reduce_sum(is_measured * tf.cast(weights[0], count.dtype))


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
