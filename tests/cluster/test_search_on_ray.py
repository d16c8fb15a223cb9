"""A search on a Ray cluster gives the table of one process, with any number of actors and kills."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster.formula_bench import search_with
from cluster.ray_cluster import local_cluster
from search.searches import begun_again, experiment, results_of, search_in

from forecast.cluster.ray_actors import RayActors
from forecast.search.processes import LocalProcesses

ray = pytest.importorskip("ray")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A cluster of this machine whose actors find the bench of these tests."""
    with local_cluster(3) as executor:
        yield executor.ray


@pytest.mark.parametrize("algorithm", ["random", "grid", "hyperband", "bayesian"])
@pytest.mark.parametrize("actors", [1, 3])
def test_the_table_is_that_of_one_process(
    cluster: Any, tmp_path: Path, algorithm: str, actors: int
) -> None:
    config = experiment(algorithm=algorithm, folds=2)
    search_in(tmp_path / "here", config)
    deaths = tmp_path / "deaths"
    deaths.mkdir()
    folder = tmp_path / "ray"
    with pytest.raises(KeyboardInterrupt):
        search_with(RayActors(cluster, actors), folder, config, deaths=deaths, most=5)
    search_with(RayActors(cluster, actors), folder, config, deaths=deaths)
    assert len(list(deaths.iterdir())) >= 2
    assert results_of(folder) == results_of(tmp_path / "here")
    assert begun_again(folder) == []


def test_local_processes_take_the_bench_of_the_driver_too(tmp_path: Path) -> None:
    config = experiment(folds=2, max_trials=3)
    search_in(tmp_path / "here", config)
    deaths = tmp_path / "deaths"
    deaths.mkdir()
    search_with(LocalProcesses(2), tmp_path / "there", config, deaths=deaths)
    assert results_of(tmp_path / "there") == results_of(tmp_path / "here")
    assert len(list(deaths.iterdir())) == 1
