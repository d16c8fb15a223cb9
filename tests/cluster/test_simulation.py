"""The simulation of a night: exact where nothing is lost, never shorter where something is."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "simulate_parts.py"


@pytest.fixture(scope="module")
def simulation() -> ModuleType:
    spec = importlib.util.spec_from_file_location("simulate_parts", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_equal_parts_without_losses_take_whole_rounds(simulation: ModuleType) -> None:
    seconds = simulation.makespan(np.full(21, 10.0), 5, 0, np.random.default_rng(0))
    assert seconds == pytest.approx(simulation.START_SECONDS + 5 * 10.0)


def test_losses_cost_time_and_no_part(simulation: ModuleType) -> None:
    times = np.random.default_rng(1).uniform(50, 100, 2_000)
    whole = simulation.makespan(times, 32, 0, np.random.default_rng(0))
    lost = [simulation.makespan(times, 32, 100, np.random.default_rng(seed)) for seed in range(5)]
    # a node lives 864 s and is down for 600, so 59 % of the time is left, less what is begun anew
    assert min(lost) > whole
    assert np.mean(lost) > whole / 0.59
    assert np.mean(lost) < whole / 0.4
