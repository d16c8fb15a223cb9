"""Two Ray nodes on this machine: the results of one process, also where a node is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from cluster.stations import daily

from forecast import Forecaster
from forecast.cluster.predict_parts import predict_parts
from forecast.cluster.ray_session import ray_executor

pytest.importorskip("ray")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


@pytest.fixture
def nodes() -> Iterator[Any]:
    """A cluster of two nodes with a processor each."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
        cluster.add_node(num_cpus=1)
        yield cluster
        cluster.shutdown()


def test_two_nodes_forecast_as_one_process_does(nodes: Any, tmp_path: Path) -> None:
    Forecaster(
        time="day", target="sales", id="store", horizon=5, model="bigru", units=4, epochs=1
    ).fit(daily(6).drop(columns="promo"), verbose=0).save(tmp_path / "model")
    parts = tmp_path / "parts"
    parts.mkdir()
    table = daily(120, seed=1).drop(columns="promo")
    for number, (_, rows) in enumerate(table.groupby(table["store"].str[-1])):
        for half in range(2):
            stores = rows["store"].unique()[half::2]
            part = rows[rows["store"].isin(stores)]
            part.to_parquet(parts / f"part-{number}-{half}.parquet")
    predict_parts(tmp_path / "model", parts, tmp_path / "here")

    said: list[str] = []
    with ray_executor(nodes.address, 2) as executor:
        hosts = {node["NodeID"] for node in executor.ray.nodes() if node["Alive"]}
        assert len(hosts) == 2
        killer = threading.Thread(target=lose_second_node, args=(nodes, tmp_path / "there"))
        killer.start()
        end = predict_parts(
            tmp_path / "model", parts, tmp_path / "there", executor=executor, say=said.append
        )
        killer.join()
    assert end.errors == {}, said
    assert tables(tmp_path / "there") == tables(tmp_path / "here")
    assert sum(len(pd.read_parquet(path)) for path in (tmp_path / "there").glob("*.parquet")) == 600


def lose_second_node(nodes: Any, output: Path) -> None:
    """Kill the processes of the second node once some parts are done."""
    while len(list(output.glob("*.done.json"))) < 4:
        time.sleep(0.05)
    second = next(node for node in nodes.list_all_nodes() if node is not nodes.head_node)
    nodes.remove_node(second, allow_graceful=False)


def tables(output: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(output.glob("*.parquet"))}
