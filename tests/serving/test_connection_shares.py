"""Shares of connections, without processes."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from forecast.serving.connection_shares import LOOKS, FairSocket, OpenConnections


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


def accepted(fair: FairSocket) -> bool:
    """Whether a connection that waits is taken at the next look."""
    try:
        connection, _ = fair.accept()
    except BlockingIOError:
        return False
    connection.close()
    return True


def test_a_connection_goes_to_the_process_that_has_fewest(listener: socket.socket) -> None:
    counts = OpenConnections(2)
    counts.begin(0)
    counts.begin(1)
    sockets = [FairSocket(listener, counts, place) for place in (0, 1)]
    taken = []
    for _ in range(6):
        with socket.create_connection(listener.getsockname()):
            # the first process always looks first, and at equal numbers takes it
            place = 0 if accepted(sockets[0]) else 1
            if place == 1:
                assert accepted(sockets[1])
            counts.add(place, 1)
            taken.append(place)
    assert taken == [0, 1, 0, 1, 0, 1]
    counts.add(1, -1)
    with socket.create_connection(listener.getsockname()):
        assert not accepted(sockets[0])
        assert accepted(sockets[1])
    for fair in sockets:
        fair.close()
    assert listener.fileno() > 0  # for processes that start later
    with socket.create_connection(listener.getsockname()):
        listener.accept()[0].close()


def test_a_process_that_serves_not_yet_or_no_more_gets_none(listener: socket.socket) -> None:
    counts = OpenConnections(2)
    counts.begin(0)
    counts.add(0, 5)
    with FairSocket(listener, counts, 0) as fair:
        for _ in range(2):
            with socket.create_connection(listener.getsockname()):
                assert accepted(fair)
            counts.begin(1)
            with socket.create_connection(listener.getsockname()):
                assert not accepted(fair)
                counts.end(1)
                assert accepted(fair)


def test_what_the_other_does_not_take_is_taken_after_some_looks(listener: socket.socket) -> None:
    counts = OpenConnections(2)
    counts.begin(0)
    counts.begin(1)
    counts.add(0, 1)
    with FairSocket(listener, counts, 0) as fair:
        for _ in range(2):  # each connection is left as long
            with socket.create_connection(listener.getsockname()):
                looks = 1
                while not accepted(fair):
                    looks += 1
                    assert looks <= LOOKS + 1
                assert looks == LOOKS + 1
