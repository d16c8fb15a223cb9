"""What a node is counted for, beside the arrays that NumPy makes of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from forecast.inference.graph import Node
from forecast.inference.sizes import LARGEST_BYTES, LARGEST_WORK, Meter

RNG = np.random.default_rng(0)


def node(kind: str, **options: Any) -> Node:
    return Node(
        name="layer",
        kind=kind,
        arguments=[],
        keywords={},
        options=options,
        weights=[],
        outputs=[0],
    )


def array(*axes: int) -> np.ndarray:
    return RNG.normal(size=axes).astype(np.float32)


def counted(kind: str, arguments: Any, weights: Any = (), **options: Any) -> tuple[int, int]:
    """Return the numbers and products that a node is counted for, found by the limits of a meter:
    the least that still let it run."""
    numbers = _least("bytes_left", kind, arguments, weights, options)
    whole = _least("work_left", kind, arguments, weights, options)
    assert numbers % 8 == 0
    return numbers // 8, whole - numbers // 8


def _least(name: str, kind: str, arguments: Any, weights: Any, options: Any) -> int:
    low = -1
    high = 2**40
    while high - low > 1:
        middle = (low + high) // 2
        meter = Meter(0, 0)
        meter.bytes_left = meter.work_left = 2**50
        setattr(meter, name, middle)
        try:
            meter.allow(node(kind, **options), arguments, weights)
        except ValueError:
            low = middle
        else:
            high = middle
    return high


@pytest.mark.parametrize(
    ("first", "second"),
    [((3, 1), (1, 4)), ((2, 3, 4), (4,)), ((5,), ()), ((2, 1, 3), (2, 7, 1))],
)
def test_arrays_that_are_combined_take_what_they_grow_to(
    first: tuple[int, ...], second: tuple[int, ...]
) -> None:
    given = [array(*first), array(*second)]
    result = given[0] + given[1]
    assert counted("ops.Add", [given, []]) == (max(result.size, sum(a.size for a in given)), 0)


def test_weights_do_not_hide_what_arrays_grow_to() -> None:
    given = [array(60, 1), array(1, 70)]
    assert counted("Scale", given, [array(2)])[0] == (given[0] * given[1]).size


def test_arrays_that_do_not_fit_are_counted_as_they_are() -> None:
    assert counted("Concatenate", [[array(2, 3), array(2, 4)]]) == (14, 0)


def test_a_product_with_a_matrix_takes_its_output_and_every_product() -> None:
    rows = array(6, 5, 4)
    kernel = array(4, 9)
    bias = array(9)
    output = rows @ kernel + bias
    products = 30 * (kernel.size + bias.size)
    numbers, work = counted("Dense", [rows], [kernel, bias])
    assert work == products
    assert output.size <= numbers <= 2 * output.size


def test_codes_look_up_a_row_of_a_table() -> None:
    codes = np.zeros((3, 7), np.int32)
    table = array(11, 5)
    assert counted("Embedding", [codes], [table])[0] == table[codes].size
    # one code for each number: no axis of features
    assert counted("Embedding", [codes], [table])[1] == codes.size * table.size


def test_a_number_alone_is_one() -> None:
    assert counted("ops.Add", [np.zeros((), np.float32), 3]) == (1, 0)
    assert counted("Scale", [np.zeros((), np.float32)], [np.zeros((), np.float32)]) == (1, 1)
    assert counted("Dense", [array(3, 0)], [array(2)])[0] == 0  # no rows of nothing


@pytest.mark.parametrize(
    ("kind", "options", "grown"),
    [
        ("RepeatVector", {"n": 6}, lambda a: np.repeat(a[:, None], 6, axis=1)),
        ("ops.Repeat", {"repeats": 4, "axis": 1}, lambda a: np.repeat(a, 4, axis=1)),
        ("ops.Repeat", {"repeats": [1, 2, 3], "axis": 0}, lambda a: np.repeat(a, [1, 2, 3], 0)),
        ("ZeroPadding1D", {"padding": [5, 2]}, lambda a: np.pad(a, [(0, 0), (5, 2), (0, 0)])),
        ("ZeroPadding1D", {"padding": 3}, lambda a: np.pad(a, [(0, 0), (3, 0), (0, 0)])),
    ],
)
def test_options_that_enlarge_are_counted(kind: str, options: Any, grown: Any) -> None:
    given = array(3, 4) if kind == "RepeatVector" else array(3, 4, 2)
    numbers, _ = counted(kind, [given], **options)
    assert grown(given).size <= numbers <= 4 * grown(given).size
    assert counted(kind, [], **options) == (0, 0)


def test_negative_options_are_no_way_around() -> None:
    given = array(3, 4, 2)
    for kind, options in (("ops.Repeat", {"repeats": -4}), ("ZeroPadding1D", {"padding": [-5, 2]})):
        assert counted(kind, [given], **options)[0] > given.size
    assert counted("GRU", [given], state_sizes=[-7])[0] == given.size + 7 * 3


def test_neighbours_are_counted_by_width_and_stride() -> None:
    given = array(3, 4, 2)
    numbers, _ = counted("forecast.NeighbourFilters", [given], width=5, stride=2)
    assert numbers == given.size + 7 * (3 * 2)
    none = array(3, 0, 2)
    assert counted("forecast.NeighbourFilters", [none], width=5, stride=2)[0] == 0


@pytest.mark.parametrize(
    ("options", "units"),
    [
        ({"state_sizes": [5]}, 5),
        ({"state_sizes": [5, 5]}, 10),
        ({"forward": {"options": {"state_sizes": [4]}}, "backward": {"state_sizes": [3]}}, 7),
        ({"forward": {"options": {}}, "backward": None}, 0),
    ],
)
def test_states_of_recurrent_layers_are_counted(options: Any, units: int) -> None:
    rows = array(6, 8, 2)
    assert counted("GRU", [rows], **options) == (rows.size + units * 6, 0)
    assert counted("GRU", [np.zeros((), np.float32)], **options)[0] == 1 + units


def test_attention_takes_a_score_for_each_pair_of_steps() -> None:
    queries = array(2, 5, 3)
    keys = array(2, 7, 3)
    scores = np.einsum("bqd,bkd->bqk", queries, keys)
    alone = counted("Else", [[queries, keys]])
    found = counted("forecast.Attention", [[queries, keys]])
    assert found[0] - alone[0] == scores.size
    assert found[1] - alone[1] == scores.size * 3
    assert counted("forecast.Attention", [queries])[1] == 0


def test_arrays_are_found_in_nested_arguments() -> None:
    parts = {"a": array(2, 3), "b": [array(4), (array(5), 7, "text")]}
    assert counted("Concatenate", [parts, None])[0] == 6 + 4 + 5


# ------------------------------------------------------------------------------------------- limits


def test_limits_grow_with_weights_and_rows() -> None:
    weights = {"a": array(10, 20), "b": array(7)}
    inputs = {"past": array(3, 9, 2), "static": array(3, 4)}
    meter = Meter.of(weights, inputs)
    assert (meter.num_weights, meter.rows) == (207, 3 * 9 + 3 * 4)
    assert meter.bytes_left == LARGEST_BYTES + 8 * 207
    assert meter.work_left == LARGEST_WORK + 8 * 207 * 39


def test_limits_are_within_those_of_the_attacks() -> None:
    """An attempt fails above 300 MB, or a second, in which a core makes some 1.5e9 products."""
    assert 2 * LARGEST_BYTES <= 300e6  # the new array beside those that are alive
    assert LARGEST_WORK <= 1.5e9


def test_a_weight_is_read_by_eight_nodes_at_most() -> None:
    """Of a network so large that the work which is always allowed counts for nothing."""
    kernel = np.broadcast_to(np.float32(1), (1000, 1000))
    rows = np.broadcast_to(np.float32(1), (10_000, 10, 1000))
    meter = Meter.of({"kernel": kernel}, {"past": rows})
    meter.bytes_left = 2**50
    for _ in range(8):
        meter.allow(node("Dense"), [rows], [kernel])
    with pytest.raises(ValueError, match="more than a network of 1,000,000 weights"):
        meter.allow(node("Dense"), [rows], [kernel])


def test_memory_is_free_again_and_work_is_not() -> None:
    meter = Meter(0, 0)
    before = meter.bytes_left
    tensors = [array(1000), {"a": array(500)}]
    meter.made(tensors)
    assert before - meter.bytes_left == 4 * 1500
    meter.freed(tensors)
    assert meter.bytes_left == before

    work = meter.work_left
    for count in (1, 2, 3):
        meter.allow(node("Dense"), [array(4, 5)], [array(5, 2)])
        assert work - meter.work_left == count * (4 * 10 + max(20, 4 * 2))


def test_a_refusal_names_layer_and_numbers() -> None:
    meter = Meter(207, 0)
    with pytest.raises(ValueError, match=r"'layer' would make .* of 207 weights"):
        meter.allow(node("RepeatVector", n=10**9), [array(2, 2)], [])
