"""Clusters: functions of tensors that XLA compiles, where the surrounding trace wants that."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import tensorflow as tf
from tensorflow.python.framework import ops

from forecast.layers.runtime import in_float32

_COMPILED: ContextVar[bool] = ContextVar("clusters are compiled", default=False)
"""Whether the trace of this thread compiles its clusters."""


@contextmanager
def tracing(*, compiled: bool) -> Iterator[None]:
    """Trace a function inside this block, with its gradients.

    TensorFlow keeps every gradient that `tf.custom_gradient` defines, and with it the whole graph
    it belongs to, until the process ends: a search over many models would run out of memory. Those
    of this block are released at its end; other threads wait for that.

    Args:
        compiled: whether XLA compiles the clusters of the function.
    """
    with in_float32():
        token = _COMPILED.set(compiled)
        known = set(_gradients())
        try:
            yield
        finally:
            _COMPILED.reset(token)
            for name in _gradients().keys() - known:
                if name.startswith("CustomGradient-"):
                    del _gradients()[name]


def _gradients() -> dict[str, Any]:
    """Return TensorFlow's table of gradients by name; empty where a version keeps none there."""
    table: dict[str, Any] = getattr(ops.gradient_registry, "_registry", {})
    return table


def clusters_are_compiled() -> bool:
    """Return whether the surrounding trace compiles its clusters."""
    return _COMPILED.get()


def cluster(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function of tensors one compiled operation, if the surrounding trace wants that.

    Compiled separately, two clusters that do not need each other run at the same time, such as the
    two directions of a layer; inside one large compilation they hardly do. And each runs in one
    thread, so that its bits do not depend on the number of threads.
    """
    if not _COMPILED.get():
        return function
    return tf.function(function, jit_compile=True, autograph=False)
