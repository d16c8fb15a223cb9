"""Precision of the products of recurrent layers, chosen for a trace.

With `bfloat16` the loops in C++ round the factors of their products to bfloat16, a float without
its last 16 bits, and add the products up in float32. States, activations and weights stay in
float32. Only training is traced so: forecasts read the float32 weights as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from forecast.errors import TrainingError
from forecast.layers.native.library import loaded_loops

_ROUNDED: ContextVar[bool] = ContextVar("factors of products are rounded", default=False)
"""Whether the trace of this thread rounds the factors of its products."""


@contextmanager
def rounded_products(wanted: bool) -> Iterator[None]:
    """Trace a function inside this block, with its gradients, whose products are in bfloat16.

    Args:
        wanted: whether they are.
    """
    token = _ROUNDED.set(wanted)
    try:
        yield
    finally:
        _ROUNDED.reset(token)


def products_are_rounded() -> bool:
    """Return whether the surrounding trace rounds the factors of its products."""
    return _ROUNDED.get()


def refuse_without_processor() -> None:
    """Raise where the processor, or the compiler of the loops, has no products of bfloat16.

    Raises:
        TrainingError: with the reason.
    """
    loops, reason = loaded_loops()
    if loops is None:
        raise not_rounded(f"there are no loops in C++ ({reason or 'they are turned off'})")
    if not loops.has_bfloat16:
        raise not_rounded("this processor has no products of it (avx512_bf16)")


def refuse_other_loop(layer: str) -> None:
    """Raise where the surrounding trace rounds products, which other loops than C++ cannot.

    Args:
        layer: name of a layer that runs in another loop.

    Raises:
        TrainingError: it does.
    """
    if products_are_rounded():
        raise not_rounded(f"layer {layer!r} does not run in C++ here")


def not_rounded(reason: str) -> TrainingError:
    """Return the error of a training whose products cannot be in bfloat16."""
    return TrainingError(
        f"training.precision is 'bfloat16', but {reason}: pass `training.precision=\"float32\"`"
    )
