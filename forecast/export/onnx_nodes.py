"""Nodes of an ONNX graph that its outputs read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any


def read_nodes(nodes: Sequence[Any], outputs: Iterable[str]) -> tuple[list[Any], set[str]]:
    """Return the nodes that outputs need, and the names of all values that they read.

    Args:
        nodes: in the order in which they run.
        outputs: names.
    """
    read = set(outputs)
    kept = []
    for node in reversed(nodes):
        if read.isdisjoint(node.output):
            continue
        kept.append(node)
        read.update(_names_in(node))
    return kept[::-1], read


def _names_in(node: Any) -> Iterator[str]:
    """Yield the names that a node reads, also from inside of its loop or branches."""
    yield from node.input
    for attribute in node.attribute:
        for inner in attribute.g.node:
            yield from _names_in(inner)
