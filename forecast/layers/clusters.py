"""Whether the parts of a model that gain most are compiled by XLA, decided where a function is traced."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import tensorflow as tf

_COMPILED: ContextVar[bool] = ContextVar("clusters are compiled", default=False)


@contextmanager
def clusters_compiled(on: bool) -> Iterator[None]:
    """Compile by XLA, or not, the clusters of every function that is traced inside the block."""
    token = _COMPILED.set(on)
    try:
        yield
    finally:
        _COMPILED.reset(token)


def cluster(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function of tensors one compiled operation, if that is what the surrounding trace wants.

    Compiled apart, two clusters that do not need each other run at the same time, such as the two directions of a
    layer; inside one large compilation they hardly do. And each runs in one thread, so that its bits do not depend
    on how many there are.
    """
    return tf.function(function, jit_compile=True, autograph=False) if _COMPILED.get() else function
