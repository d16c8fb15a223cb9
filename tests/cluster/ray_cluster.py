"""A Ray cluster of this machine for tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from forecast.cluster.ray_actors import RayActors
from forecast.cluster.ray_session import ray_executor


@contextmanager
def local_cluster(num_workers: int) -> Iterator[RayActors]:
    """Start a cluster whose actors find the modules of the tests, and end it."""
    tests = Path(__file__).parents[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(tests.parent), str(tests)]))
        with ray_executor("local", num_workers) as executor:
            yield executor
