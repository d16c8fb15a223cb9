"""The service as its callers see it: a real process, asked over a socket."""

from __future__ import annotations

import json
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from serving.service import HORIZON, Service, rows_of, running, save_model, table

from forecast.errors import ConfigError
from forecast.forecasting.forecaster import Forecaster
from forecast.runs.use import predict_run
from forecast.serving.addresses import check_address

LIMITS = (
    "--max-bytes=200000",
    "--max-rows=1000",
    "--max-series=5",
    "--max-horizon=60",
    "--read-seconds=2",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models: `shop`, and `priced` with a known covariate."""
    made = tmp_path_factory.mktemp("models")
    save_model(made / "shop")
    save_model(made / "priced", known=["price"])
    (made / "notes").mkdir()
    return made


@pytest.fixture(scope="module")
def service(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    log = tmp_path_factory.mktemp("log") / "errors.txt"
    with running(folder / "shop", "--models", folder, *LIMITS, log=log) as found:
        yield found
        assert "Traceback" not in log.read_text()


def test_it_is_ready_soon_and_without_tensorflow(service: Service) -> None:
    assert service.seconds < 10  # 3 on a machine of its own
    maps = Path(f"/proc/{service.process.pid}/maps").read_text()
    assert "tensorflow" not in maps
    assert service.ask("GET", "/healthz").values == {"status": "ok"}
    assert service.ask("GET", "/readyz").values == {"status": "ready"}
    assert service.memory < 250


def test_a_connection_that_stays_open_is_answered_at_once(service: Service) -> None:
    """Without TCP_NODELAY each answer waits 40 ms for an acknowledgement of the one before."""
    connection = service.connection()
    seconds = []
    for _ in range(20):
        begin = time.perf_counter()
        connection.request("GET", "/healthz")
        assert connection.getresponse().read()
        seconds.append(time.perf_counter() - begin)
    connection.close()
    assert np.median(seconds) < 0.03


def test_answers_are_those_of_predict(service: Service, folder: Path, tmp_path: Path) -> None:
    frame = table()
    path = tmp_path / "table.csv"
    frame.to_csv(path, index=False)
    for horizon in (None, 3, HORIZON + 5):
        expected = predict_run(folder / "shop", str(path), horizon=horizon)
        query = "" if horizon is None else f"?horizon={horizon}"
        assert service.post_csv(path.read_text(), query).body.decode() == expected.frame().to_csv(
            index=False
        )
        asked = {"rows": rows_of(frame), "horizon": horizon}
        found = service.post(asked).values
        np.testing.assert_allclose(
            [row[expected.alias] for row in found["rows"]],
            expected.frame()[expected.alias],
            rtol=1e-12,
        )
        assert found["notes"] == list(expected.notes)
        assert found["model"] == "shop"


def test_known_covariates_are_rows_or_text(service: Service, folder: Path) -> None:
    frame = table()
    forecaster = Forecaster.load(folder / "priced")
    known = forecaster.make_future_frame(frame)
    known["price"] = 2.5
    expected = forecaster.predict(frame, known=known, level=80).frame()
    known["day"] = known["day"].astype(str)
    for rows, ahead in (
        (rows_of(frame), rows_of(known)),
        (frame.to_csv(index=False), known.to_csv(index=False)),
    ):
        asked = {"model": "priced", "rows": rows, "known": ahead, "level": 80}
        found = service.post(asked).values["rows"]
        assert list(found[0]) == list(expected)
        np.testing.assert_allclose(
            [row["ensemble-hi-80"] for row in found], expected["ensemble-hi-80"], rtol=1e-12
        )
    refused = service.post({"model": "priced", "rows": rows_of(frame)})
    assert refused.status == 422
    assert "price" in refused.text


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("127.0.0.1:9", 200),
        ("LOCALHOST:8000", 200),
        ("[::1]:8000", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example:8000", 421),
        ("localhost.evil.example", 421),
        ("192.168.0.7:8000", 421),
    ],
)
def test_other_names_of_this_machine_are_refused_without_a_token(
    service: Service, host: str, status: int
) -> None:
    """A web page whose name leads here must not read forecasts (DNS rebinding)."""
    for path in ("/models", "/", "/metrics"):
        answer = service.ask("GET", path, headers={"Host": host})
        assert answer.status == status
    if status == 421:
        assert "ask 127.0.0.1 or localhost" in answer.text


def test_models_and_columns_are_listed(service: Service) -> None:
    found = service.ask("GET", "/models").values
    assert found["default"] == "shop"
    names = {model["name"]: model for model in found["models"]}
    assert set(names) == {"shop", "priced"}
    assert names["priced"]["known"] == ["price"]
    document = service.ask("GET", "/openapi.json").values
    assert {"/predict", "/check", "/models", "/healthz", "/readyz", "/metrics"} == set(
        document["paths"]
    )
    assert b"POST /predict" in service.ask("GET", "/docs").body


def test_the_lines_of_the_table_checks_reach_the_caller(service: Service) -> None:
    frame = table().astype({"sales": object})
    frame.loc[5, "sales"] = "many"
    frame = frame.drop(index=40)
    refused = service.post({"rows": rows_of(frame)})
    assert refused.status == 422
    first, second = refused.values["errors"]
    assert "'many', which is not a number" in first
    assert "2025-02-09" in second
    found = service.post({"rows": rows_of(frame)}, "/check").values
    assert found["errors"] == [first, second]
    assert service.post({"rows": rows_of(table())}, "/check").values["errors"] == []


BAD = {
    "no JSON": (b"{", "no JSON"),
    "not finite": (b'{"rows": [{"a": NaN}]}', "NaN is no number"),
    "no object": ([1], "expected an object"),
    "unknown field": ({"rows": [], "path": "/etc/passwd"}, "unknown field 'path'"),
    "no rows": ({}, "no field rows"),
    "rows that name a data set": ({"rows": "dataset:air"}, "its columns are 'dataset:air'"),
    "rows that name a file": ({"rows": "/etc/passwd"}, "its columns are '/etc/passwd'"),
    "rows of numbers": ({"rows": [1]}, "row 1 is a number"),
    "cells of lists": ({"rows": [{"a": [1]}]}, "a list in column 'a'"),
    "too many rows": ({"rows": [{}] * 1500}, "more than 1,000 rows"),
    "too many series": ({"rows": rows_of(table(6, 60))}, "6 series; expected at most 5"),
    "horizon": ({"rows": "a", "horizon": 61}, "at most 60"),
    "horizon of text": ({"rows": "a", "horizon": "7"}, "whole number"),
    "level": ({"rows": "a", "level": 100}, "expected %"),
    "depth": (b'{"rows": ' + b"[" * 5000 + b"]" * 5000 + b"}", "nested 5001 deep"),
    "model": ({"rows": "a", "model": 3}, "expected a name"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_bodies_are_refused_in_words(service: Service, name: str) -> None:
    body, words = BAD[name]
    refused = service.post(body)
    assert refused.status == 422, refused.body
    assert words in refused.text
    assert "/tmp" not in refused.text


@pytest.mark.parametrize(
    "name", ["../shop", "shop/../priced", "/etc", "shop\0", ".", "..", "%2e%2e/shop", "notes"]
)
def test_names_are_compared_and_never_paths(service: Service, name: str) -> None:
    refused = service.post({"rows": "a", "model": name})
    assert refused.status == 404
    assert "there is no model" in refused.text


def test_bytes_are_counted_while_they_arrive(service: Service) -> None:
    declared = service.post(b"x" * 200_001)
    assert declared.status == 413
    sent = 0
    with socket.create_connection((service.host, service.port), timeout=20) as connection:
        connection.sendall(
            b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        piece = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
        try:
            for _ in range(1000):  # 32 MB
                connection.sendall(piece)
                sent += len(piece)
        except OSError:
            pass  # the service has ended the connection
        answer = connection.recv(100) if sent < 3e7 else b""
    assert sent < 3e7
    assert answer == b"" or b"413" in answer


def test_slow_senders_are_sent_away(service: Service) -> None:
    with socket.create_connection((service.host, service.port), timeout=20) as slow_body:
        slow_body.sendall(
            b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nab"
        )
        assert b"408" in slow_body.recv(100)
    with socket.create_connection((service.host, service.port), timeout=20) as slow_head:
        slow_head.sendall(b"POST /predict HT")
        start = time.perf_counter()
        assert slow_head.recv(100) == b""
        assert time.perf_counter() - start < 10


def test_numbers_are_counted(service: Service) -> None:
    service.ask("GET", "/made-up-1")
    text = service.ask("GET", "/metrics").body.decode()
    assert 'forecast_requests_total{path="other",status="404"}' in text
    assert "made-up" not in text
    assert 'forecast_model{model="shop",version="' in text


def test_other_methods_and_kinds_are_refused(service: Service) -> None:
    assert service.ask("GET", "/predict").status == 405
    assert service.ask("POST", "/predict", b"a", {"Content-Type": "image/png"}).status == 415


def test_a_new_version_takes_over_and_a_bad_one_does_not(tmp_path: Path) -> None:
    models = tmp_path / "models"
    save_model(models / "shop")
    save_model(tmp_path / "newer", rows=150)
    log = tmp_path / "errors.txt"

    with running("--models", models, log=log) as service:

        def listed() -> dict[str, str]:
            (model,) = service.ask("GET", "/models").values["models"]
            return dict(model)

        def waited(change: str, before: object) -> dict[str, str]:
            for _ in range(100):
                if listed()[change] != before:
                    break
                time.sleep(0.1)
            return listed()

        first = listed()
        asked = {"rows": rows_of(table())}
        old = service.post(asked).values["rows"]
        weights = tmp_path / "newer" / "state.safetensors"
        whole = weights.read_bytes()
        weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        shutil.move(models / "shop", tmp_path / "older")
        shutil.copytree(tmp_path / "newer", models / "shop")
        refused = waited("problem", "")
        assert "SHA-256" in refused["problem"]
        assert refused["version"] == first["version"]
        assert service.post(asked).values["rows"] == old
        assert (
            'forecast_rollout_problem{model="shop"} 1.0'
            in service.ask("GET", "/metrics").body.decode()
        )

        shutil.rmtree(models / "shop")
        weights.write_bytes(whole)
        shutil.copytree(tmp_path / "newer", models / "shop")
        taken = waited("version", first["version"])
        assert taken["problem"] == ""
        assert taken["version"] != first["version"]
        assert service.post(asked).values["version"] == taken["version"]


def test_a_token_is_asked_for(folder: Path, tmp_path: Path) -> None:
    token = "0123456789abcdef0123456789abcdef"
    with running(
        folder / "shop", environment={"FORECAST_TOKEN": token}, log=tmp_path / "log.txt"
    ) as service:
        body = {"rows": rows_of(table())}
        for header in ("", "Bearer", "Bearer wrong", f"Basic {token}", f"Bearer {token}0"):
            refused = service.post(body, Authorization=header)
            assert refused.status == 401
            assert "Bearer" in refused.text
        assert service.post(body, Authorization=f"Bearer {token}").status == 200
        for path in ("/", "/page.js", "/healthz", "/readyz"):
            assert service.ask("GET", path).status == 200
        for path in ("/models", "/metrics", "/openapi.json"):
            assert service.ask("GET", path).status == 401


def test_other_addresses_need_a_token() -> None:
    for host in ("127.0.0.1", "localhost", "::1"):
        check_address(host, "")
    for host in ("0.0.0.0", "::", "example.org", "10.0.0.1"):
        with pytest.raises(ConfigError, match="FORECAST_TOKEN"):
            check_address(host, "")
        check_address(host, "x" * 16)
    with pytest.raises(ConfigError, match="at least 16"):
        check_address("127.0.0.1", "short")


def test_what_is_in_flight_is_finished_at_the_end(folder: Path, tmp_path: Path) -> None:
    with running(folder / "shop", log=tmp_path / "log.txt") as service:
        body = json.dumps({"rows": rows_of(table(3, 300))}).encode()
        statuses: list[int] = []

        def ask() -> None:
            statuses.append(service.post(body).status)

        threads = [threading.Thread(target=ask) for _ in range(12)]
        for thread in threads:
            thread.start()
        time.sleep(0.3)  # all have arrived, few are answered
        assert service.stop() == 0
        for thread in threads:
            thread.join()
        assert statuses == [200] * 12
        assert "Traceback" not in (tmp_path / "log.txt").read_text()
