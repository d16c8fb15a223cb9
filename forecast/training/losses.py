"""What training minimises: mean losses over the measured cells, with shapes compared exactly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from forecast.errors import ConfigError, ShapeError

Loss = Callable[[Any, Any], Any]


HUBER_DELTA = 1.0


def make_loss(name: str, *, quantile_levels: Sequence[float] = ()) -> Loss:
    """Return the loss `(y_true, y_pred) -> scalar`, the mean over cells of `cell_losses`."""
    measure = make_cell_losses(name, quantile_levels=quantile_levels)

    def loss(y_true: Any, y_pred: Any) -> Any:
        from keras import ops  # TensorFlow starts when a loss is computed, not before

        cells, measured = measure(y_true, y_pred)
        return ops.sum(cells) / ops.maximum(ops.sum(measured), 1.0)

    return loss


def make_cell_losses(
    name: str, *, quantile_levels: Sequence[float] = ()
) -> Callable[[Any, Any], tuple[Any, Any]]:
    """Return the loss of every cell and 1 or 0 for measured or missing, both (B, H, D).

    Args:
        name: `mse`, `mae`, `huber` (delta 1) or `quantile` (pinball, mean over the levels).
        quantile_levels: Q levels, read by `quantile` only.

    Returns:
        A function of targets (B, H, D), NaN where missing, and forecasts (B, H, D) or (B, H, D, Q).
        It raises `ShapeError` unless the two fit exactly: Keras would broadcast in silence.

    Raises:
        ConfigError: no such loss, or `quantile` without levels.
    """
    if name not in POINT_LOSSES and name != "quantile":
        raise ConfigError(
            f"loss is {name!r}; expected one of {', '.join([*POINT_LOSSES, 'quantile'])}"
        )
    if name == "quantile" and not quantile_levels:
        raise ConfigError(
            "loss 'quantile' was given no quantile_levels; expected at least one level in (0, 1)"
        )
    levels = tuple(quantile_levels) if name == "quantile" else ()

    def cell_losses(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        from keras import ops

        check_loss_shapes(y_true, y_pred, num_quantiles=len(levels))
        known = ops.logical_not(ops.isnan(y_true))
        measured = ops.cast(known, y_pred.dtype)
        # Missing targets are replaced before the subtraction and left out after it: multiplying by
        # 0 afterwards alone would leave NaN * 0 = NaN in the gradient.
        target = ops.where(known, ops.cast(y_true, y_pred.dtype), ops.zeros_like(measured))
        cells = pinball(target, y_pred, levels) if levels else POINT_LOSSES[name](target - y_pred)
        return ops.where(known, cells, ops.zeros_like(cells)), measured

    return cell_losses


def check_loss_shapes(y_true: Any, y_pred: Any, *, num_quantiles: int) -> None:
    """Raise unless `y_pred` has exactly the shape of `y_true`, followed by Q for quantiles.

    Raises:
        ShapeError: the shapes differ, or an axis is unknown on one side only.
    """
    expected = tuple(y_true.shape) + ((num_quantiles,) if num_quantiles else ())
    if tuple(y_pred.shape) != expected:
        raise ShapeError(
            f"forecasts have shape {tuple(y_pred.shape)} where targets have {tuple(y_true.shape)}; "
            f"expected {expected}"
        )


def squared(error: Any) -> Any:
    """The square of the error."""
    from keras import ops

    return ops.square(error)


def absolute(error: Any) -> Any:
    """The size of the error."""
    from keras import ops

    return ops.abs(error)


def huber(error: Any) -> Any:
    """Half the square up to `HUBER_DELTA`, a straight line of the same slope beyond (Huber 1964)."""
    from keras import ops

    size = ops.abs(error)
    inside = ops.minimum(size, HUBER_DELTA)
    return 0.5 * ops.square(inside) + HUBER_DELTA * (size - inside)


def pinball(target: Any, quantiles: Any, levels: Sequence[float]) -> Any:
    """Mean over levels q of `max(q e, (q - 1) e)` with e = target - quantile (Koenker & Bassett 1978).

    Args:
        target: (B, H, D).
        quantiles: (B, H, D, Q).
        levels: Q numbers in (0, 1).

    Returns:
        (B, H, D).
    """
    from keras import ops

    error = ops.expand_dims(target, -1) - quantiles
    level = ops.convert_to_tensor(levels, dtype=quantiles.dtype)
    return ops.mean(ops.maximum(level * error, (level - 1.0) * error), axis=-1)


POINT_LOSSES: dict[str, Callable[[Any], Any]] = {"mse": squared, "mae": absolute, "huber": huber}
