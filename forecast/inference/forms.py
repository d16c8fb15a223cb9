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
from forecast.inference.graph import Graph, Node, Weights
from forecast.inference.layer_forms import LAYER_FORMS, UnknownFormError
from forecast.inference.recurrent_forms import bidirectional_form, recurrent_form

Form = Callable[[dict[str, Any], Sequence[NDArray[Any]]], Callable[..., Any]]
"""From the options and weights of a layer to the function that it computes."""

FORMS: dict[str, Form] = {
    **ARRAY_FORMS,
    **LAYER_FORMS,
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
        raise UnknownFormError(node.kind)
    try:
        return form(node.options, weights)
    except UnknownFormError as error:
        raise UnknownFormError(f"{node.kind} with {error}") from error


def unknown_part(graph: Graph, weights: Weights) -> str:
    """Return the first node that has no form, in words; empty where all have one."""
    arrays = graph.in_order(weights)
    for node in graph.nodes:
        try:
            function_of(node, [arrays[number] for number in node.weights])
        except UnknownFormError as error:
            return f"{error}"
    return ""
