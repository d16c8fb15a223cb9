"""Whether the parts of a model that gain most are compiled by XLA, decided where a function is traced."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import tensorflow as tf
from tensorflow.python.framework import ops

from forecast.layers.runtime import in_float32

_COMPILED: ContextVar[bool] = ContextVar("clusters are compiled", default=False)


@contextmanager
def tracing(*, compiled: bool) -> Iterator[None]:
    """Trace a function inside this block, with the gradients that it takes.

    TensorFlow keeps every gradient that `tf.custom_gradient` defines, and with it the whole graph
    it belongs to, until the process ends: a search over many models would run out of memory. Those
    of this block are let go at its end; other threads wait for that.

    Args:
        compiled: whether XLA compiles the clusters of the function.
    """
    with in_float32():
        token, known = _COMPILED.set(compiled), set(_gradients())
        try:
            yield
        finally:
            _COMPILED.reset(token)
            for name in _gradients().keys() - known:
                if name.startswith("CustomGradient-"):
                    del _gradients()[name]


def _gradients() -> dict[str, Any]:
    """TensorFlow's table of gradients by name; an empty one where a version of it keeps none there."""
    table: dict[str, Any] = getattr(ops.gradient_registry, "_registry", {})
    return table


def clusters_are_compiled() -> bool:
    """Whether the surrounding trace compiles its clusters."""
    return _COMPILED.get()


def cluster(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function of tensors one compiled operation, if that is what the surrounding trace wants.

    Compiled apart, two clusters that do not need each other run at the same time, such as the two
    directions of a layer; inside one large compilation they hardly do. And each runs in one thread,
    so that its bits do not depend on how many there are.
    """
    return tf.function(function, jit_compile=True, autograph=False) if _COMPILED.get() else function
