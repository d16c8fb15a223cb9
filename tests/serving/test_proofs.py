"""What the service stands, in numbers; `prove.py` prints them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import prove
from serving.service import Service, running, save_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("proofs")
    save_model(made / "shop")
    return made


@pytest.fixture
def service(folder: Path) -> Iterator[Service]:
    log = folder / "log.txt"
    with running(folder / "shop", log=log) as found:
        yield found
        assert found.post(prove.whole()).status == 200
        assert "Traceback" not in log.read_text()


@pytest.mark.parametrize("count", [120, pytest.param(10_000, marks=pytest.mark.slow)])
@pytest.mark.timeout(3000)
def test_no_body_is_an_error_of_the_service(service: Service, count: int) -> None:
    found = prove.fuzz(service, count, seed=count)
    assert sum(found.values()) == count
    assert max(found) < 500
    assert min(found) >= 200


@pytest.mark.parametrize("count", [60, pytest.param(1_000, marks=pytest.mark.slow)])
def test_slow_connections_do_not_slow_the_others(service: Service, count: int) -> None:
    held, seconds = prove.slow_connections(service, count)
    assert held == count
    assert max(seconds) < 10


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_name_leaves_the_folder_of_models(service: Service) -> None:
    assert set(prove.names(service, 1_000)) == {404}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_under_ten_times_the_load_requests_are_served_or_told_to_come_back(
    service: Service,
) -> None:
    found = prove.overload(service, 60, 500)["statuses"]
    assert set(found) <= {200, 429}
    assert found[200] > 100
    assert found[429] > 100


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_memory_does_not_grow_with_requests(service: Service) -> None:
    found = [size for _, size in prove.memory(service, range(400, 4_001, 400))]
    assert max(found) < 250
    assert found[-1] < 1.05 * found[2]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_bad_rollout_and_an_end_lose_nothing(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "shop", tmp_path / "shop")
    for proof in (
        prove.bad_rollout(tmp_path, tmp_path / "log.txt"),
        prove.ended_under_load(tmp_path, tmp_path / "log.txt"),
    ):
        assert proof.failures == 0, proof.line
        assert proof.attempts > 20


def test_answers_that_were_not_promised_are_failures() -> None:
    found = prove.Proof.of_statuses("names", {404: 7, 200: 2, 500: 1}, (404,))
    assert (found.attempts, found.failures) == (10, 3)
