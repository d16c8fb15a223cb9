"""Every layer and operation that runs without Keras, by name.

A layer of Keras is known by the name of its class, an operation as `ops.Add`, a layer of this
package as `forecast.GRU`, and one of another package by module and class. A network with anything
else runs in Keras. An entry makes it run here:

    from forecast.inference.forms import FORMS

    FORMS["my_package.layers.Doubled"] = lambda options, weights: lambda x: 2 * x

and a recurrent cell takes an entry of `cell_steps.CELL_FORMS`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from numpy.typing import NDArray

from forecast.inference.array_forms import ARRAY_FORMS
from forecast.inference.cell_steps import CELL_FORMS
from forecast.inference.graph import Node
from forecast.inference.layer_forms import LAYER_FORMS, UnknownFormError
from forecast.inference.recurrent_forms import bidirectional_form, recurrent_form
from forecast.inference.sequence_forms import SEQUENCE_FORMS

Form = Callable[[dict[str, Any], Sequence[NDArray[Any]]], Callable[..., Any]]
"""From the options and weights of a layer to the function that it computes."""

FORMS: dict[str, Form] = {
    **ARRAY_FORMS,
    **LAYER_FORMS,
    **SEQUENCE_FORMS,
    "Bidirectional": bidirectional_form,
    "forecast.Bidirectional": bidirectional_form,
}
"""Kind of a node -> its form; recurrent layers are found by `CELL_FORMS`."""


def function_of(node: Node, weights: Sequence[NDArray[Any]]) -> Callable[..., Any]:
    """Return the function that a node computes.

    Args:
        node: the node.
        weights: of the node.

    Raises:
        UnknownFormError: it has no form.
    """
    form = FORMS.get(node.kind)
    if form is None and node.kind in CELL_FORMS:
        form = partial(recurrent_form, node.kind)
    if form is None:
        raise UnknownFormError(_without_form(node))
    try:
        return form(node.options, weights)
    except UnknownFormError as error:
        raise UnknownFormError(f"{_without_form(node)} ({error})") from error


def _without_form(node: Node) -> str:
    return (
        f"its layer {node.name!r}, a {node.kind}, has no form in NumPy; the module "
        f"forecast.inference.forms says how to give one"
    )
