"""Operations as nodes of an ONNX graph.

The graph is built node by node with `onnx.helper`: recurrent layers become the GRU, LSTM and RNN of
ONNX, which every runtime has, and not loops of small operations, as a conversion of a TensorFlow
graph leaves them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from forecast.export.onnx_cells import OPERATORS, onnx_weights
from forecast.export.onnx_nodes import read_nodes
from forecast.export.operations import Binary, Body, CellWeights, Reduction, Shape, Type
from forecast.export.shapes import broadcast, with_size

OPSET = 18
"""Version of the operators: runtimes of 2023 and later have it."""

IR_VERSION = 8
"""Version of the file format that goes with it."""

PRODUCER = "bigru-forecast"
"""Says in the file who wrote it."""

TYPES = {
    "float32": TensorProto.FLOAT,
    "float64": TensorProto.DOUBLE,
    "int32": TensorProto.INT32,
    "int64": TensorProto.INT64,
    "bool": TensorProto.BOOL,
}

UNARY = {
    "abs": "Abs",
    "exp": "Exp",
    "isnan": "IsNaN",
    "log": "Log",
    "neg": "Neg",
    "not": "Not",
    "relu": "Relu",
    "sigmoid": "Sigmoid",
    "softplus": "Softplus",
    "sqrt": "Sqrt",
    "tanh": "Tanh",
}

BINARY = {
    "and": "And",
    "equal": "Equal",
    "greater": "Greater",
    "less": "Less",
    "maximum": "Max",
    "minimum": "Min",
    "power": "Pow",
}

LOGICAL = ("and", "equal", "greater", "less", "isnan", "not")

REDUCTIONS = {"max": "ReduceMax", "mean": "ReduceMean", "min": "ReduceMin", "sum": "ReduceSum"}


@dataclass(frozen=True, eq=False)
class OnnxValue:
    """A tensor of the graph.

    Attributes:
        name: in the graph.
        shape: sizes of its axes; None for the axis of the windows.
        type: of its numbers.
        graph: that it belongs to.
    """

    name: str
    shape: Shape
    type: str
    graph: OnnxGraph

    def __add__(self, other: Any) -> OnnxValue:
        return self.graph.arithmetic("Add", self, other)

    def __sub__(self, other: Any) -> OnnxValue:
        return self.graph.arithmetic("Sub", self, other)

    def __mul__(self, other: Any) -> OnnxValue:
        return self.graph.arithmetic("Mul", self, other)

    def __truediv__(self, other: Any) -> OnnxValue:
        return self.graph.arithmetic("Div", self, other)


@dataclass(eq=False)
class OnnxGraph:
    """An ONNX graph that is being written; see `operations.Operations`.

    Attributes:
        nodes: written so far, of the loop or branch that is being written.
        tensors: constants, which loops and branches read too.
        inputs: of the graph.
        num_names: values named so far.
    """

    nodes: list[Any] = field(default_factory=list)
    tensors: list[Any] = field(default_factory=list)
    inputs: list[Any] = field(default_factory=list)
    num_names: int = 0

    def input(self, name: str, shape: Shape, kind: Type) -> OnnxValue:
        """Return an input of the graph."""
        self.inputs.append(_described(name, shape, kind))
        return OnnxValue(name, shape, kind, self)

    def model(self, outputs: dict[str, OnnxValue]) -> onnx.ModelProto:
        """Return the file of the graph, checked.

        Args:
            outputs: by name.
        """
        described = []
        for name, value in outputs.items():
            self.nodes.append(helper.make_node("Identity", [value.name], [name]))
            described.append(_described(name, value.shape, value.type))
        nodes, read = read_nodes(self.nodes, outputs)
        tensors = [tensor for tensor in self.tensors if tensor.name in read]
        graph = helper.make_graph(nodes, "forecast", self.inputs, described, tensors)
        model = helper.make_model(
            graph,
            producer_name=PRODUCER,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
        )
        onnx.checker.check_model(model, full_check=True)
        return model

    @staticmethod
    def add_property(model: onnx.ModelProto, name: str, text: str) -> None:
        """Let a text travel with a file."""
        helper.set_model_props(model, {name: text})

    def constant(self, array: NDArray[Any] | np.generic) -> OnnxValue:
        """See `Operations`."""
        array = np.asarray(np.ascontiguousarray(array)).reshape(np.shape(array))
        name = f"constant_{len(self.tensors)}"
        self.tensors.append(numpy_helper.from_array(array, name))
        return OnnxValue(name, array.shape, array.dtype.name, self)

    def shape(self, x: OnnxValue) -> Shape:
        """See `Operations`."""
        return x.shape

    def cast(self, x: OnnxValue, to: Type) -> OnnxValue:
        """See `Operations`."""
        if x.type == to:
            return x
        return self._node("Cast", [x], x.shape, to, to=TYPES[to])

    def unary(self, name: str, x: OnnxValue) -> OnnxValue:
        """See `Operations`."""
        kind = "bool" if name in LOGICAL else x.type
        return self._node(UNARY[name], [x], x.shape, kind)

    def binary(self, name: Binary, a: OnnxValue, b: Any) -> OnnxValue:
        """See `Operations`."""
        b = self._value(b, a.type)
        kind = "bool" if name in LOGICAL else a.type
        return self._node(BINARY[name], [a, b], broadcast(a.shape, b.shape), kind)

    def arithmetic(self, operator: str, a: OnnxValue, b: Any) -> OnnxValue:
        """Add, subtract, multiply or divide; `b` may be a number."""
        b = self._value(b, a.type)
        return self._node(operator, [a, b], broadcast(a.shape, b.shape), a.type)

    def where(self, condition: OnnxValue, a: OnnxValue, b: OnnxValue) -> OnnxValue:
        """See `Operations`."""
        shape = broadcast(condition.shape, broadcast(a.shape, b.shape))
        return self._node("Where", [condition, a, b], shape, a.type)

    def matmul(self, a: OnnxValue, b: OnnxValue) -> OnnxValue:
        """See `Operations`."""
        leading = broadcast(a.shape[:-2], b.shape[:-2])
        return self._node("MatMul", [a, b], (*leading, a.shape[-2], b.shape[-1]), a.type)

    def concat(self, values: Sequence[OnnxValue], axis: int) -> OnnxValue:
        """See `Operations`."""
        first = values[0]
        axis %= len(first.shape)
        shape = list(first.shape)
        shape[axis] = sum(value.shape[axis] or 0 for value in values)
        return self._node("Concat", values, tuple(shape), first.type, axis=axis)

    def slice(self, x: OnnxValue, axis: int, start: int, stop: int) -> OnnxValue:
        """See `Operations`."""
        bounds = [self.constant(np.array([number], np.int64)) for number in (start, stop, axis)]
        return self._node("Slice", [x, *bounds], with_size(x.shape, axis, stop - start), x.type)

    def take(self, x: OnnxValue, numbers: Sequence[int], axis: int) -> OnnxValue:
        """See `Operations`."""
        places = self.constant(np.asarray(numbers, np.int64))
        shape = with_size(x.shape, axis, len(numbers))
        return self._node("Gather", [x, places], shape, x.type, axis=axis)

    def rows(self, table: OnnxValue, numbers: OnnxValue) -> OnnxValue:
        """See `Operations`."""
        shape = (*numbers.shape, *table.shape[1:])
        return self._node("Gather", [table, numbers], shape, table.type, axis=0)

    def reshape(self, x: OnnxValue, shape: Sequence[int]) -> OnnxValue:
        """See `Operations`."""
        sizes = self.constant(np.asarray(shape, np.int64))
        found = tuple(None if size == -1 else size for size in shape)
        return self._node("Reshape", [x, sizes], found, x.type)

    def transpose(self, x: OnnxValue, axes: Sequence[int]) -> OnnxValue:
        """See `Operations`."""
        shape = tuple(x.shape[axis] for axis in axes)
        return self._node("Transpose", [x], shape, x.type, perm=list(axes))

    def expand(self, x: OnnxValue, axis: int) -> OnnxValue:
        """See `Operations`."""
        axis %= len(x.shape) + 1
        shape = (*x.shape[:axis], 1, *x.shape[axis:])
        axes = self.constant(np.array([axis], np.int64))
        return self._node("Unsqueeze", [x, axes], shape, x.type)

    def squeeze(self, x: OnnxValue, axis: int) -> OnnxValue:
        """See `Operations`."""
        axis %= len(x.shape)
        shape = (*x.shape[:axis], *x.shape[axis + 1 :])
        axes = self.constant(np.array([axis], np.int64))
        return self._node("Squeeze", [x, axes], shape, x.type)

    def reduce(self, name: Reduction, x: OnnxValue, axis: int) -> OnnxValue:
        """See `Operations`."""
        axes = self.constant(np.array([axis], np.int64))
        return self._node(REDUCTIONS[name], [x, axes], with_size(x.shape, axis, 1), x.type)

    def softmax(self, x: OnnxValue) -> OnnxValue:
        """See `Operations`."""
        return self._node("Softmax", [x], x.shape, x.type, axis=-1)

    def cumsum(self, x: OnnxValue, axis: int) -> OnnxValue:
        """See `Operations`."""
        along = self.constant(np.array(axis, np.int64))
        return self._node("CumSum", [x, along], x.shape, x.type)

    def sort(self, x: OnnxValue, axis: int) -> OnnxValue:
        """See `Operations`."""
        count = self.constant(np.array([x.shape[axis]], np.int64))
        names = [self._name("TopK"), self._name("TopK_places")]
        self.nodes.append(
            helper.make_node("TopK", [x.name, count.name], names, axis=axis, largest=0, sorted=1)
        )
        return OnnxValue(names[0], x.shape, x.type, self)

    def argmin(self, x: OnnxValue, axis: int) -> OnnxValue:
        """See `Operations`."""
        shape = with_size(x.shape, axis, 1)
        return self._node("ArgMin", [x], shape, "int64", axis=axis, keepdims=1)

    def pick(self, x: OnnxValue, places: OnnxValue) -> OnnxValue:
        """See `Operations`."""
        return self._node("GatherElements", [x, places], places.shape, x.type, axis=1)

    def loop(
        self, body: Body, rows: Sequence[OnnxValue], states: Sequence[OnnxValue]
    ) -> list[OnnxValue]:
        """See `Operations`."""
        before = [self._alike("state", state.shape, state.type) for state in states]
        now = [self._alike("row", row.shape[1:], row.type) for row in rows]
        with self._apart() as nodes:
            after = [self._node("Identity", [x], x.shape, x.type) for x in body(before, now)]
        graph = helper.make_graph(
            nodes,
            self._name("step"),
            [_of_part(value) for value in (*before, *now)],
            [_of_part(value) for value in after],
        )
        found = [self._alike("Scan", state.shape, state.type) for state in states]
        self.nodes.append(
            helper.make_node(
                "Scan",
                [value.name for value in (*states, *rows)],
                [value.name for value in found],
                body=graph,
                num_scan_inputs=len(rows),
            )
        )
        return found

    def choose(
        self,
        condition: OnnxValue,
        first: Callable[[], Sequence[OnnxValue]],
        second: Callable[[], Sequence[OnnxValue]],
    ) -> list[OnnxValue]:
        """See `Operations`."""
        graphs = []
        values: list[OnnxValue] = []
        for write in (first, second):
            with self._apart() as nodes:
                values = [self._node("Identity", [x], x.shape, x.type) for x in write()]
            outputs = [_of_part(value) for value in values]
            graphs.append(helper.make_graph(nodes, self._name("branch"), [], outputs))
        found = [self._alike("If", value.shape, value.type) for value in values]
        self.nodes.append(
            helper.make_node(
                "If",
                [condition.name],
                [value.name for value in found],
                then_branch=graphs[0],
                else_branch=graphs[1],
            )
        )
        return found

    def recurrent(
        self,
        cell: CellWeights,
        x: OnnxValue,
        states: Sequence[OnnxValue] | None,
        *,
        backwards: bool,
    ) -> tuple[OnnxValue, list[OnnxValue]]:
        """See `Operations`."""
        options: dict[str, Any] = {
            "hidden_size": cell.units,
            "direction": "reverse" if backwards else "forward",
        }
        if cell.kind == "gru":
            options["linear_before_reset"] = 1  # the reset gate comes after the product
        if cell.kind == "rnn":
            options["activations"] = [cell.activation.capitalize()]
        weights = [self.constant(array) for array in onnx_weights(cell)]
        steps = self.transpose(x, (1, 0, 2))  # (L, B, C)
        names = [value.name for value in (steps, *weights)]
        if states is not None:
            names.append("")  # lengths of the sequences: all are whole
            names += [self.expand(state, 0).name for state in states]
        num_states = 2 if cell.kind == "lstm" else 1
        made = [self._name(f"{cell.kind}_{number}") for number in range(1 + num_states)]
        self.nodes.append(helper.make_node(OPERATORS[cell.kind], names, made, **options))
        length, batch, _ = steps.shape
        found = OnnxValue(made[0], (length, 1, batch, cell.units), x.type, self)
        outputs = self.transpose(self.squeeze(found, 1), (1, 0, 2))  # (B, L, U)
        finals = [OnnxValue(name, (1, batch, cell.units), x.type, self) for name in made[1:]]
        return outputs, [self.squeeze(state, 0) for state in finals]

    def _value(self, given: Any, kind: str) -> OnnxValue:
        """Return a value, or a number as a constant of a type."""
        if isinstance(given, OnnxValue):
            return given
        return self.constant(np.asarray(given, kind))

    def _node(
        self, operator: str, inputs: Sequence[OnnxValue], shape: Shape, kind: str, **options: Any
    ) -> OnnxValue:
        name = self._name(operator)
        names = [value.name for value in inputs]
        self.nodes.append(helper.make_node(operator, names, [name], **options))
        return OnnxValue(name, shape, kind, self)

    def _alike(self, name: str, shape: Shape, kind: str) -> OnnxValue:
        """Return a value that is made elsewhere."""
        return OnnxValue(self._name(name), shape, kind, self)

    @contextmanager
    def _apart(self) -> Iterator[list[Any]]:
        """Collect nodes in a list of their own."""
        whole = self.nodes
        self.nodes = []
        try:
            yield self.nodes
        finally:
            self.nodes = whole

    def _name(self, operator: str) -> str:
        self.num_names += 1
        return f"{operator}_{self.num_names}"


def _described(name: str, shape: Shape, kind: str) -> Any:
    sizes = ["windows" if size is None else size for size in shape]
    return helper.make_tensor_value_info(name, TYPES[kind], sizes)


def _of_part(value: OnnxValue) -> Any:
    """Return the description of an input or output of a loop or branch."""
    return helper.make_tensor_value_info(value.name, TYPES[value.type], list(value.shape))
