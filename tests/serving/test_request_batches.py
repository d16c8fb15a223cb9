"""Requests that are worked on together get the answers that each gets alone."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from serving.prove import STRANGE
from serving.service import HORIZON, rows_of, save_model, table

from forecast.forecasting.forecaster import Forecaster
from forecast.serving import request_batches
from forecast.serving.answers import read_rows
from forecast.serving.bodies import Asked, _columns, asked_in_json
from forecast.serving.limits import Limits, RefusedError
from forecast.serving.request_batches import JSON, Received, Written, work_on
from forecast.serving.served_models import ServedModel

LIMITS = Limits(max_rows=1000, max_series=5, max_horizon=60)

NETWORK = {"loss": "quantile", "epochs": 1, "units": 8, "seeds": 1, "simple": ()}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ServedModel]:
    """Simple members, known covariates, and a network with quantiles and scales per series."""
    made = tmp_path_factory.mktemp("models")
    forecasters = {
        "shop": save_model(made / "shop"),
        "priced": save_model(made / "priced", known=["price"]),
        "network": Forecaster(
            id="store", time="day", target="sales", horizon=HORIZON, **NETWORK
        ).fit(table(), verbose=0),
    }
    baselines = {"shop": "seasonal_naive", "priced": None, "network": "ets"}
    return {
        name: ServedModel(name, "1", forecaster, baselines[name])
        for name, forecaster in forecasters.items()
    }


def request(body: dict[str, Any], *, is_check: bool = False, wants_csv: bool = False) -> Received:
    data = json.dumps(body).encode("utf-8", "surrogatepass")
    return Received(is_check, data, "application/json", {}, wants_csv)


def history(rows: int = 100, series: Sequence[int] = (0,), **more: Any) -> dict[str, Any]:
    """Rows of some series; the three of training are 0 to 2."""
    frame = table(4, 120).groupby("store", sort=False).head(rows)
    frame = frame[frame["store"].isin([f"s{place}" for place in series])]
    return {"model": "shop", "rows": rows_of(frame), **more}


def answers(
    received: Sequence[Received], models: dict[str, ServedModel]
) -> list[Written | tuple[type[Exception], str]]:
    outcomes = work_on(received, lambda name: models[name], LIMITS)
    return [
        outcome if isinstance(outcome, Written) else (type(outcome), str(outcome))
        for outcome in outcomes
    ]


def assert_same(found: Any, alone: Any) -> None:
    """Compare two answers: words exactly, numbers up to the order of their sums."""
    if not isinstance(alone, Written) or alone.media_type != JSON:
        assert found == alone
        return
    values = json.loads(found.content)
    expected = json.loads(alone.content)
    rows = pd.DataFrame(values.pop("rows", []))
    pd.testing.assert_frame_equal(rows, pd.DataFrame(expected.pop("rows", [])), rtol=1e-12)
    assert values == expected


def mixed() -> list[Received]:
    """Requests of all kinds, several of each that may go together."""
    price = rows_of(table(1, 107).tail(7)[["store", "day", "price"]])
    bodies: list[dict[str, Any]] = [
        history(),
        history(series=(1,)),
        history(series=(0, 1, 2)),
        history(series=(3,)),  # not in training
        history(rows=120),  # up to the end of training
        history(rows=90, horizon=3, level=[80]),
        history(series=(2,), rows=95, horizon=3, level=[80]),
        history(horizon=20, level="auto"),  # beyond the horizon of training
        history(series=(2,), horizon=20, level="auto"),
        history(series=(0,), horizon=30, level=[80]),  # refused: beyond its intervals
        history(series=(1,), horizon=30, level=[80]),
        history(rows=1),  # refused: too short
        {"model": "shop", "rows": []},  # refused
        {"model": "shop", "rows": history()["rows"] * 2},  # refused: repeated rows
        history(series=(0, 1)) | {"model": "network"},
        history(series=(2,)) | {"model": "network"},
        history(series=(3,), rows=80) | {"model": "network"},
        history(series=(0,)) | {"model": "priced", "known": price},
        history(series=(0,)) | {"model": "priced"},  # refused: prices are missing
    ]
    later = [history(series=(place,)) for place in (0, 1, 2)]  # days that training has not seen
    for body in later:
        body["rows"] = [{**row, "day": row["day"].replace("2025", "2026")} for row in body["rows"]]
    leaping = later[2] | {"model": "network"}
    for number, row in enumerate(leaping["rows"]):
        row["sales"] = 60.0 + 0.001 * (number % 2)  # the forecast leaves so narrow a range
    bodies += [*later[:2], leaping]
    far = history(series=(1,))
    far["rows"][-1]["sales"] = 1e6  # far from all that training has seen
    ended = history(series=(0, 1))
    ended["rows"] = ended["rows"][:-4]  # a series that ends before the other
    gap = history(series=(2,))
    del gap["rows"][50]
    bodies += [far, ended, gap]
    requests = [request(body) for body in bodies]
    requests += [request(history(series=(place,)), wants_csv=True) for place in range(3)]
    return [*requests, request(history(), is_check=True), request(history(rows=1), is_check=True)]


def test_answers_do_not_depend_on_who_waits_at_the_same_time(
    models: dict[str, ServedModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    passes: list[int] = []
    together = request_batches.forecast_together

    def counted(*args: Any, **options: Any) -> Any:
        passes.append(len(args[1]))
        return together(*args, **options)

    monkeypatch.setattr(request_batches, "forecast_together", counted)
    requests = mixed()
    alone = [answers([each], models)[0] for each in requests]
    assert not passes, "one request is forecast as ever"
    assert sum(isinstance(each, Written) for each in alone) > 15
    assert sum(each[0] is RefusedError for each in alone if not isinstance(each, Written)) > 5
    notes = [
        json.loads(each.content).get("notes")
        for each in alone
        if isinstance(each, Written) and each.media_type == JSON
    ]
    assert [] in notes
    for words in (
        "scale comes from",
        "has seen rows",
        "far outside",
        "end before",
        "leaves the range",
    ):
        assert any(words in line for lines in notes for line in lines or ()), words

    draw = random.Random(0)
    for _ in range(8):
        order = draw.sample(range(len(requests)), len(requests))
        for place, found in zip(
            order, answers([requests[place] for place in order], models), strict=True
        ):
            assert_same(found, alone[place])
    assert max(passes) > 5


def test_an_error_of_one_request_is_told_to_it_alone(
    models: dict[str, ServedModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise AssertionError("a fault of ours")

    requests = [request(history()), request({"model": "shop", "rows": 3}), request(history())]
    requests[0] = request(history(), is_check=True)
    monkeypatch.setattr(request_batches, "checked_lines", fail)
    found = answers(requests, models)
    assert found[0] == (AssertionError, "a fault of ours")
    assert found[1] == (RefusedError, found[1][1])  # type: ignore[index]
    assert isinstance(found[2], Written)


def outcome_of(model: ServedModel, rows: Any) -> Any:
    """The panel as values that can be compared, or the lines of the refusal."""
    try:
        panel = read_rows(model, Asked("shop", rows, None, None, ()), LIMITS)
    except RefusedError as refused:
        return refused.lines
    values = panel.values.copy()
    values[np.isnan(values)] = -1e99
    return panel.series_ids.tolist(), panel.timestamps.tolist(), values.tolist(), panel.notes


def test_rows_are_read_as_a_frame_of_them_is(models: dict[str, ServedModel]) -> None:
    """A quick way for rows of one form must not change what they mean."""
    draw = random.Random(5)
    compared = 0
    for _ in range(300):
        body = history(rows=40, series=(0, 1))
        name = draw.choice(["store", "day", "sales", "price"])
        value = draw.choice(STRANGE)
        for row in draw.sample(body["rows"], draw.choice([1, 3, len(body["rows"])])):
            row[name] = value
        try:
            data = json.dumps(body).encode()
            quick = asked_in_json(data, LIMITS).rows
            slow = pd.DataFrame(_columns("rows", json.loads(data)["rows"]))
        except (RefusedError, UnicodeEncodeError):
            continue
        compared += 1
        assert outcome_of(models["shop"], quick) == outcome_of(models["shop"], slow), (name, value)
    assert compared > 150
