"""Searches: the same table for any number of workers and after any interruption, by all four algorithms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tuning.searches import experiment, results_of, search_in

from forecast.tuning.records import Task

ALGORITHMS = ("random", "grid", "hyperband", "bayesian")


class StoppedError(Exception):
    """Stands for a key press."""


def stop_at(number: int) -> Any:
    def before(task: Task) -> None:
        if task.number == number:
            raise StoppedError

    return before


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_search_comes_out_the_same_however_it_is_run(algorithm: str, tmp_path: Path) -> None:
    config = experiment(algorithm=algorithm, max_trials=7, in_flight=3)
    search_in(tmp_path / "once", config)
    expected = results_of(tmp_path / "once")
    assert len([line for line in expected if '"trial"' in line and '"status"' in line]) == 7
    search_in(tmp_path / "three", config, workers=3)
    assert results_of(tmp_path / "three") == expected
    for number in (0, 3, 6):
        with pytest.raises(StoppedError):
            search_in(tmp_path / "broken", config, before=stop_at(number))
    search_in(tmp_path / "broken", config)
    assert results_of(tmp_path / "broken") == expected
    search_in(tmp_path / "other", experiment(algorithm=algorithm, max_trials=7, seed=1))
    assert (results_of(tmp_path / "other") == expected) == (algorithm == "none")
