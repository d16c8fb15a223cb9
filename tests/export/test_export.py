"""An exported file forecasts what the forecaster does: every architecture, map, role and member."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from export.elsewhere import difference_elsewhere
from export.states import experiment, forecaster, table
from models.test_models_contract import combinations, small

from forecast.data.load import load_requested
from forecast.errors import ArtifactError, ConfigError, DataError, OutputError
from forecast.export import formats, parity
from forecast.export.member_nodes import MEMBERS
from forecast.export.writing import export_run
from forecast.forecasting.fitted import MODEL
from forecast.forecasting.forecaster import Forecaster
from forecast.models import MODELS

MAPS: dict[str, Any] = {
    "standard": [{"name": "standard"}],
    "global": [{"name": "robust", "scope": "global"}],
    "logarithm": [{"name": "log1p"}, {"name": "standard"}],
    "season": [{"name": "difference", "lag": 7}, {"name": "min_max"}],
    "two differences": [
        {"name": "log1p"},
        {"name": "difference", "lag": 1},
        {"name": "difference", "lag": 7},
        {"name": "mean_abs", "scope": "global"},
    ],
    "none": [],
}
"""Maps of the targets by name."""

AGREEMENT = 1e-6

OUTPUTS = {"onnx": "f.onnx", "savedmodel": "saved", "litert": "f.tflite"}


def check(
    made: Forecaster, frame: pd.DataFrame, folder: Path, kind: str = "onnx", **options: Any
) -> dict[str, Any]:
    """Export a forecaster and return the description of the file."""
    frame.to_csv(folder / "table.csv", index=False)
    made.save(folder / "model")
    output = folder / OUTPUTS[kind]
    written = export_run(
        folder / "model", str(folder / "table.csv"), format=kind, output=output, **options
    )
    assert written.difference <= 1e-5
    assert written.num_windows >= 50
    beside = output / "description.json" if kind == "savedmodel" else output.with_suffix(".json")
    return dict(json.loads(beside.read_text()))


def every_network() -> Iterator[Any]:
    """Yield settings of every two choices together, each with other maps, roles and targets."""
    maps = itertools.cycle(MAPS)
    roles = itertools.cycle(["numbers", "categories", "none"])
    targets = itertools.cycle([("sales",), ("sales", "returns")])
    seen = set()
    for name in MODELS:
        for config, num_quantiles in combinations(name):
            key = (name, config.cell)
            marks = [pytest.mark.slow] if key in seen else []
            seen.add(key)
            yield pytest.param(
                config, num_quantiles, next(maps), next(roles), next(targets), marks=marks
            )


@pytest.mark.parametrize(
    ("config", "num_quantiles", "maps", "roles", "targets"), list(every_network()), ids=str
)
def test_every_network_agrees(
    config: Any,
    num_quantiles: int,
    maps: str,
    roles: str,
    targets: tuple[str, ...],
    tmp_path: Path,
) -> None:
    settings = {"transforms.target": MAPS[maps]}
    if num_quantiles:
        settings["training.loss"] = "quantile"
    frame = table()
    made = forecaster(frame, experiment(config, roles, targets, **settings))
    found = check(made, frame, tmp_path)
    names = [port["name"] for port in found["outputs"]]
    assert names == (["forecast", "quantiles"] if num_quantiles else ["forecast"])


@pytest.mark.parametrize("maps", MAPS)
def test_every_map_agrees_for_known_and_new_series(maps: str, tmp_path: Path) -> None:
    """The fourth series is new: its scales are an input."""
    config = experiment(
        small("bigru"), "numbers", ("sales", "returns"), **{"transforms.target": MAPS[maps]}
    )
    made = forecaster(table(3), config)
    found = check(made, table(4), tmp_path)
    assert found["example"]["inputs"]["series"] == [-1]
    assert found["series_ids"] == ["s0", "s1", "s2"]


@pytest.mark.parametrize("linear", ["none", "member", "residual"])
@pytest.mark.parametrize("kind", ["onnx", pytest.param("savedmodel", marks=pytest.mark.proof)])
def test_every_ensemble_agrees(linear: str, kind: str, tmp_path: Path) -> None:
    settings = {
        "ensemble.seeds": 2,
        "ensemble.linear": linear,
        "ensemble.context_lengths": [7, 14],
    }
    frame = table()
    made = forecaster(frame, experiment(small("segment_bigru"), "categories", **settings))
    check(made, frame, tmp_path, kind)


@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
@pytest.mark.parametrize("kind", ["savedmodel", "litert"])
@pytest.mark.proof  # each starts a trace of TensorFlow
def test_every_cell_agrees_in_formats_of_tensorflow(cell: str, kind: str, tmp_path: Path) -> None:
    config = experiment(
        small("bigru", cell=cell, attention="additive", instance_norm="standard"),
        "categories",
        ("sales", "returns"),
        **{
            "training.loss": "quantile",
            # powers of sums of sums are beyond numbers of 32 bits
            "transforms.target": MAPS["season" if kind == "litert" else "two differences"],
        },
    )
    frame = table()
    check(forecaster(frame, config), frame, tmp_path, kind)


def test_a_small_file_is_written_for_devices(tmp_path: Path) -> None:
    """Again over its own file, and not over another."""
    frame = table()
    weights = {MODEL: 0.5, "seasonal_median": 0.5}
    made = forecaster(frame, experiment(small("segment_bigru"), "categories"), weights)
    for _ in range(2):
        found = check(made, frame, tmp_path, "litert")
    assert found["inputs"][0]["shape"] == [1, 56, 1]
    assert {port["type"] for port in found["inputs"]} == {"float32", "int32"}
    (tmp_path / "f.tflite").write_bytes(b"mine")
    with pytest.raises(OutputError, match="name another file"):
        check(made, frame, tmp_path, "litert")


@pytest.mark.parametrize("name", MEMBERS)
def test_every_simple_member_agrees(name: str, tmp_path: Path) -> None:
    """Series begin within the rows that a member reads: there it has fewer."""
    frame = table(rows=80)
    weights = {MODEL: 0.25, name: 0.75}
    made = forecaster(frame, experiment(small("bigru")), weights)
    found = check(made, frame, tmp_path)
    assert found["members"] == weights
    history = np.array(found["example"]["inputs"]["history"], np.float64)
    rows = {"seasonal_median": 56, "theta": 400, "holt": 100, "ets": 400, "seasonal_lags": 400}
    assert history.shape[1] == rows.get(name, 14)


def test_smoothing_of_an_unseen_series_agrees(tmp_path: Path) -> None:
    """The fourth series is new: its parameters are found in the file, from its history."""
    made = forecaster(table(3, 80), experiment(small("bigru")), {MODEL: 0.25, "ets": 0.75})
    found = check(made, table(4, 80), tmp_path)
    assert found["example"]["inputs"]["series"] == [-1]


@pytest.mark.parametrize("kind", ["savedmodel", "litert"])
@pytest.mark.proof  # each starts a trace of TensorFlow
def test_members_fitted_to_a_history_agree_in_formats_of_tensorflow(
    kind: str, tmp_path: Path
) -> None:
    """Of known and of new series; numbers of 32 bits choose the same parameters here."""
    frame = table(rows=80)
    frame = frame[frame.unique_id != "s2"]  # which never changes
    weights = {MODEL: 0.2, "theta": 0.2, "holt": 0.2, "ets": 0.2, "seasonal_lags": 0.2}
    made = forecaster(frame, experiment(small("bigru")), weights)
    other = frame[frame.unique_id == "s1"].assign(unique_id="s9")
    whole = pd.concat([frame, other])
    check(made, whole if kind == "savedmodel" else frame, tmp_path, kind)


@pytest.mark.parametrize("maps", ["standard", "logarithm"])
def test_the_regression_for_each_step_of_the_season_agrees(maps: str, tmp_path: Path) -> None:
    frame = table(rows=400)
    frame.to_csv(tmp_path / "table.csv", index=False)
    settings = {
        "transforms.target": MAPS[maps],
        "ensemble.seeds": 0,
        "ensemble.linear": "member",
        "ensemble.simple": ["seasonal_linear"],
        "ensemble.context_lengths": "auto",
        "windows.context_length": "auto",
        "data.calendar": ["weekday", "weekend"],
    }
    config = experiment(small("segment_bigru"), "numbers", **settings)
    made = Forecaster(config).fit(frame, verbose=0)
    fitted = made.fitted
    made._fitted = replace(fitted, weights={MODEL: 0.5, "seasonal_linear": 0.5})
    assert fitted.seasonal is not None
    check(made, frame, tmp_path)


def test_closed_weekdays_and_bounds_agree(tmp_path: Path) -> None:
    frame = table(closed=True)
    made = forecaster(frame, experiment(small("bigru")))
    assert made.fitted.series.closed.any()
    assert made.fitted.series.from_zero.any()
    found = check(made, frame, tmp_path)
    assert "weekday" in [port["name"] for port in found["inputs"]]
    output = np.array(found["example"]["outputs"]["forecast"])
    days = np.array(found["example"]["inputs"]["weekday"])[:, -5:]
    assert (output[days == 6] == 0).all()


@pytest.mark.parametrize("missing", ["forward_fill", "interpolate", "mask", "zero"])
def test_every_policy_for_missing_values_agrees(missing: str, tmp_path: Path) -> None:
    frame = table(closed=True)
    draw = np.random.default_rng(0)
    for name in ("sales", "visitors", "price"):
        frame.loc[draw.random(len(frame)) < 0.04, name] = np.nan
    config = experiment(small("bigru"), "numbers", **{"data.missing": missing})
    check(forecaster(frame, config), frame, tmp_path)


def test_a_wrong_file_is_not_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = table()
    made = forecaster(frame, experiment(small("bigru")))
    check(made, frame, tmp_path)
    before = (tmp_path / "f.onnx").read_bytes()
    real = formats.onnx_runner

    def wrong(data: bytes) -> Any:
        run = real(data)
        return lambda inputs: {name: array * 1.0001 for name, array in run(inputs).items()}

    monkeypatch.setattr(formats, "onnx_runner", wrong)
    with pytest.raises(ArtifactError, match="differs from the forecaster"):
        check(made, frame, tmp_path)
    assert (tmp_path / "f.onnx").read_bytes() == before
    with pytest.raises(ArtifactError):
        export_run(
            tmp_path / "model",
            str(tmp_path / "table.csv"),
            format="onnx",
            output=tmp_path / "new" / "g.onnx",
        )
    assert not (tmp_path / "new").exists()
    monkeypatch.setattr(parity, "TOLERANCE", -1.0)
    with pytest.raises(ArtifactError):
        check(made, frame, tmp_path, "savedmodel")
    assert not (tmp_path / "saved").exists()


def test_files_of_others_are_not_replaced(tmp_path: Path) -> None:
    frame = table()
    made = forecaster(frame, experiment(small("bigru")))
    made.save(tmp_path / "model")
    frame.to_csv(tmp_path / "table.csv", index=False)
    for name in ("f.onnx", "f.json"):
        (tmp_path / name).write_text("mine")
        with pytest.raises(OutputError, match="name another file"):
            check(made, frame, tmp_path)
        assert (tmp_path / name).read_text() == "mine"
        (tmp_path / name).unlink()
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="name a new or empty folder"):
        check(made, frame, tmp_path, "savedmodel")
    with pytest.raises(OutputError, match="outside it"):
        export_run(tmp_path / "model", format="onnx", output=tmp_path / "model" / "f.onnx")
    with pytest.raises(OutputError, match=r"in \.onnx"):
        export_run(tmp_path / "model", format="onnx", output=tmp_path / "f.bin")


def test_members_that_no_file_holds_are_named_and_the_advice_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A baseline of one's own has no entry in the table."""
    monkeypatch.delitem(MEMBERS, "theta")
    frame = table()
    weights = {MODEL: 0.2, "linear": 0.3, "theta": 0.5}
    made = forecaster(frame, experiment(small("bigru")), weights)
    with pytest.raises(ConfigError) as refused:
        check(made, frame, tmp_path)
    message = str(refused.value)
    assert "theta (50%)" in message
    assert "members=['model', 'linear']" in message
    found = check(made, frame, tmp_path, members=["model", "linear"])
    assert found["members"] == pytest.approx({MODEL: 0.4, "linear": 0.6})
    assert found["left_out"] == {"theta": 0.5}
    with pytest.raises(ConfigError, match="has no weight in this forecast"):
        check(made, frame, tmp_path, members=["drift"])


def test_a_table_that_is_not_there_is_asked_for(tmp_path: Path) -> None:
    made = forecaster(table(), experiment(small("bigru")))
    made.save(tmp_path / "model")
    with pytest.raises(DataError, match="name the table"):
        export_run(tmp_path / "model", format="onnx", output=tmp_path / "f.onnx")


@pytest.mark.parametrize(
    "kind", ["onnx", "litert", pytest.param("savedmodel", marks=pytest.mark.proof)]
)
def test_a_process_without_the_package_runs_the_file(kind: str, tmp_path: Path) -> None:
    """With its description alone, which has an example."""
    frame = table()
    weights = {MODEL: 0.5, "seasonal_median": 0.5}
    made = forecaster(frame, experiment(small("segment_bigru"), "categories"), weights)
    check(made, frame, tmp_path, kind)
    assert difference_elsewhere(tmp_path / OUTPUTS[kind]) <= AGREEMENT


def test_the_file_agrees_with_predict(tmp_path: Path) -> None:
    """The steps after the table, which no window of the check has."""
    frame = table()
    made = forecaster(frame, experiment(small("bigru"), **{"data.calendar": []}))
    check(made, frame, tmp_path)
    session = onnxruntime.InferenceSession(tmp_path / "f.onnx")
    expected = made.predict(frame).values
    panel = load_requested(frame, made.fitted.request)
    rows = panel.offsets[1:, None] + np.arange(-14, 0)
    inputs = {
        "history": panel.targets[rows],
        "series": np.arange(3),
        "new_series": np.zeros((3, 1, 4)),
    }
    found = session.run(["forecast"], inputs)[0]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
