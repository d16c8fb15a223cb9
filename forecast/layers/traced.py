"""Functions that TensorFlow traces once for all networks of one kind.

To trace a step of training takes a second or two, most of the time of a short training. Networks of
one kind, such as those of an ensemble that differ by their seed alone, have equal graphs. A traced
function reads its variables through handles, which TensorFlow passes as hidden arguments, the
captures. So a function that was traced with the variables of one network runs with those of another
one: nothing is copied, several threads may call it at the same time, and the bits are those of a
function traced anew.

The kind of a network is whatever its graph depends on (`mark_kind`). A network without a kind is
traced by itself.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from forecast.layers.runtime import in_float32

if TYPE_CHECKING:
    import keras

MOST_TRACED = 32
"""Functions kept for further networks, at most; each takes one or two MB and the memory of the
variables it was traced with."""

_KINDS: WeakKeyDictionary[keras.Model, Hashable] = WeakKeyDictionary()
_TRACED: OrderedDict[Hashable, _Traced] = OrderedDict()  # the one used last is the last


@dataclass(frozen=True, eq=False)
class _Traced:
    """A traced function.

    Attributes:
        concrete: TensorFlow's `ConcreteFunction`.
        captures: its hidden arguments: for a variable its place among the variables of the network,
            else the tensor itself.
    """

    concrete: Any
    captures: tuple[Any, ...]


def mark_kind(model: keras.Model, kind: Hashable) -> keras.Model:
    """Note that all models of a kind have equal graphs, and variables in one order.

    Args:
        model: the model; it must not be changed afterwards.
        kind: the settings and shapes that it was built from, without its seed.

    Returns:
        The model.
    """
    _KINDS[model] = kind
    return model


def kind_of(model: keras.Model) -> Hashable | None:
    """Return the kind of a model; None where nobody has noted one."""
    return _KINDS.get(model)


def key_of(model: keras.Model, variables: Sequence[Any], *parts: Hashable) -> Hashable | None:
    """Return the key of a function of a model, for `trace_once`; None where there is no kind.

    Args:
        model: the model.
        variables: those that the function reads or writes.
        parts: whatever else the graph of the function depends on.
    """
    kind = kind_of(model)
    if kind is None:
        return None
    shapes = tuple(
        (tuple(variable.shape), variable.dtype, variable.trainable) for variable in variables
    )
    return (kind, shapes, *parts)


def trace_once(
    key: Hashable | None,
    variables: Sequence[Any],
    function: Callable[..., Any],
    signature: Sequence[Any],
    *,
    jit_compile: bool | None = None,
) -> Any:
    """Return a function traced in float32; it is traced only if none of its key has been.

    Args:
        key: from `key_of`.
        variables: Keras' variables that the function reads or writes, in an order that belongs to
            the key.
        function: of tensors, variables apart.
        signature: an example or a `tf.TensorSpec` of each argument.
        jit_compile: whether XLA compiles the whole function.

    Returns:
        A function of the same arguments, with the attribute `graph`.
    """
    import tensorflow as tf

    def trace() -> Any:
        general = tf.function(function, autograph=False, jit_compile=jit_compile)
        return general.get_concrete_function(*signature)

    with in_float32():  # one thread at a time
        if key is None:
            return trace()
        if key not in _TRACED:
            concrete = trace()
            captures = _captures(concrete, variables)
            if captures is None:
                return concrete
            _TRACED[key] = _Traced(concrete, captures)
        _TRACED.move_to_end(key)
        found = _TRACED[key]
        while len(_TRACED) > MOST_TRACED:
            _TRACED.popitem(last=False)
    return _Bound(found, variables)


class _Bound:
    """A traced function with the variables of one network."""

    def __init__(self, traced: _Traced, variables: Sequence[Any]) -> None:
        self.graph = traced.concrete.graph
        self._concrete = traced.concrete
        self._variables = list(variables)  # keeps them alive
        self._captures = [
            variables[capture].value.handle if isinstance(capture, int) else capture
            for capture in traced.captures
        ]

    def __call__(self, *arguments: Any) -> Any:
        kind = self._concrete.function_type
        tensors = kind.unpack_inputs(kind.bind(*arguments))
        return self._concrete._call_flat(tensors, self._captures)


def _captures(concrete: Any, variables: Sequence[Any]) -> tuple[Any, ...] | None:
    """Return `_Traced.captures`; None where the function cannot serve other variables.

    That is so where it reads a variable that is not among these, and for a version of TensorFlow
    that calls its functions in another way.
    """
    import tensorflow as tf

    if not (hasattr(concrete, "_call_flat") and hasattr(concrete.function_type, "unpack_inputs")):
        return None
    places = {id(variable.value.handle): place for place, variable in enumerate(variables)}
    captures = []
    for tensor in concrete.captured_inputs:
        place = places.get(id(tensor))
        if place is None and tensor.dtype == tf.resource:
            return None
        captures.append(tensor if place is None else place)
    return tuple(captures)
