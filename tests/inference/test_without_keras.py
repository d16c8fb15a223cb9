"""What is done with a trained model starts neither TensorFlow nor Keras, nor does fitting one
without networks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecast.cli import main
from forecast.errors import ArtifactError, ForecastWarning
from forecast.experiment.prepare import prepare
from forecast.experiment.settings import EnsembleConfig, Experiment
from forecast.forecasting.artifact import load_artifact, save_artifact
from forecast.forecasting.fitted import shape_of
from forecast.forecasting.forecaster import Forecaster
from forecast.inference.forms import FORMS
from forecast.inference.forward import ForwardPass
from forecast.inference.recording import record
from forecast.models import keras_network
from forecast.models.keras_network import KerasNetwork
from forecast.training.fit import fit_network
from forecast.training.linear_members import fit_linear_member

ROOT = Path(__file__).resolve().parents[2]

HEAVY = ("tensorflow", "keras", "keras_tuner", "tensorboard")

SMALL = {
    "windows": {"horizon": 4, "context_length": 12},
    "model": {"name": "bigru", "units": 3, "attention": "dot"},
    "training": {"epochs": 1, "refit": False},
    "ensemble": {"seeds": 2, "linear": "residual"},
}


def table(rows: int = 150) -> pd.DataFrame:
    """Two series with a weekly wave and a known price."""
    draw = np.random.default_rng(0)
    wave = np.sin(2 * np.pi * np.arange(rows) / 7)
    values = np.concatenate([10 + wave, 20 + 2 * wave]) + 0.1 * draw.normal(size=2 * rows)
    stamps = pd.date_range("2024-03-01", periods=rows, freq="D")
    return pd.DataFrame(
        {
            "unique_id": np.repeat(["a", "b"], rows),
            "ds": np.tile(stamps, 2),
            "y": values,
            "price": draw.normal(size=2 * rows).round(3),
        }
    )


def experiment(**sections: Any) -> Experiment:
    return Experiment.model_validate(SMALL | {"data": {"known_covariates": ["price"]}} | sections)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table and a run on it."""
    folder = tmp_path_factory.mktemp("work")
    table().drop(columns="price").to_csv(folder / "table.csv", index=False)
    (folder / "settings.yaml").write_text(json.dumps(SMALL))
    words = ["fit", str(folder / "table.csv"), "--config", str(folder / "settings.yaml")]
    assert main([*words, "--out", str(folder / "run"), "--quiet"]) == 0
    return folder


def in_fresh_process(code: str, folder: Path) -> str:
    """Run code that must import nothing heavy; return what it prints."""
    code += f"\nimport sys; loaded = set(sys.modules) & {set(HEAVY)}; assert not loaded, loaded"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_model_is_loaded_and_used_in_python(work: Path) -> None:
    printed = in_fresh_process(
        "from forecast import Forecaster, plots\n"
        "forecaster = Forecaster.load('run/model')\n"
        "forecast = forecaster.predict('table.csv', level='auto')\n"
        "forecaster.evaluate('table.csv').scores()\n"
        "forecaster.save('again')\n"
        "print(forecast.values.tobytes().hex())\n",
        work,
    )
    here = Forecaster.load(work / "run" / "model").predict(work / "table.csv")
    assert bytes.fromhex(printed) == here.values.tobytes()


@pytest.mark.parametrize(
    "words", [["predict", "run"], ["evaluate", "run"], ["plot", "run"], ["report", "run"]]
)
def test_commands_on_a_run_start_no_keras(words: list[str], work: Path) -> None:
    in_fresh_process(f"from forecast.cli import main; assert main({words!r}) == 0", work)


def test_a_run_without_networks_starts_no_keras(work: Path) -> None:
    words = ["fit", "table.csv", "--horizon=4", "--out=simple"]
    words += ["--set=ensemble.seeds=0", "--set=ensemble.linear=member"]
    in_fresh_process(f"from forecast.cli import main; assert main({words!r}) == 0", work)
    in_fresh_process("from forecast.cli import main; assert main(['predict', 'simple']) == 0", work)


def test_training_and_loading_forecast_the_same_bits(tmp_path: Path) -> None:
    forecaster = Forecaster(experiment()).fit(table(), verbose=0)
    ahead = table(170).groupby("unique_id").tail(20)[["unique_id", "ds", "price"]]
    forecaster.save(tmp_path / "model")
    loaded = Forecaster.load(tmp_path / "model")
    assert isinstance(loaded.fitted.network, ForwardPass)
    for one in (forecaster, loaded):
        found = one.predict(table(), known=ahead).values
        assert found.tobytes() == forecaster.predict(table(), known=ahead).values.tobytes()


def test_the_keras_model_is_there_for_who_wants_it(tmp_path: Path) -> None:
    forecaster = Forecaster(experiment()).fit(table(), verbose=0)
    forecaster.save(tmp_path / "model")
    loaded = Forecaster.load(tmp_path / "model")
    model = loaded.keras_model()
    assert model is loaded.keras_model()
    inputs, _ = prepare(experiment(), table()).test.batch(np.arange(9))
    found = loaded.fitted.network(inputs)
    np.testing.assert_allclose(np.asarray(model(inputs)), found, rtol=0, atol=1e-5)
    for one, other in zip(model.get_weights(), forecaster.keras_model().get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("lengths", [(12,), (6, 12)])
def test_regressions_are_those_of_the_keras_model(lengths: tuple[int, ...]) -> None:
    config = experiment(ensemble={"seeds": 0, "linear": "member", "context_lengths": lengths})
    prepared = prepare(config, table())
    shape = shape_of(prepared)
    fitted = fit_network(prepared, shape)
    model = fitted.make_model()
    graph = record(model)
    assert graph is not None
    assert graph.weights == fitted.network.graph.weights  # type: ignore[union-attr]
    inputs, _ = prepared.validation.batch(np.arange(len(prepared.validation)))
    np.testing.assert_allclose(np.asarray(model(inputs)), fitted.network(inputs), rtol=0, atol=2e-6)


def stored_without_graph(folder: Path, forecaster: Forecaster) -> Path:
    """A model as earlier versions have written it."""
    forecaster.save(folder / "new")
    artifact = load_artifact(folder / "new")
    meta = {name: value for name, value in artifact.meta.items() if name != "network"}
    save_artifact(folder / "old", replace(artifact, meta=meta))
    return folder / "old"


def test_a_model_of_an_earlier_version_is_read_through_keras_and_saved_with_its_graph(
    tmp_path: Path,
) -> None:
    forecaster = Forecaster(experiment()).fit(table(), verbose=0)
    old = Forecaster.load(stored_without_graph(tmp_path, forecaster))
    assert isinstance(old.fitted.network, ForwardPass)
    old.save(tmp_path / "again")
    assert load_artifact(tmp_path / "again").meta["network"] is not None
    for name in ("config.json", "weights.safetensors", "golden.safetensors"):
        new = (tmp_path / "new" / name).read_bytes()
        assert (tmp_path / "again" / name).read_bytes() == new


DAMAGES: dict[str, Any] = {
    "no nodes": lambda graph: graph["nodes"].clear(),
    "a tensor that nobody made": lambda graph: graph.update(output=10_000),
    "an unknown key": lambda graph: graph.update(code="import os"),
    "a negative number": lambda graph: graph["nodes"][0].update(outputs=[-1]),
    "a weight that is not there": lambda graph: graph["nodes"][-3].update(weights=[99]),
    "another shape": lambda graph: graph["weights"][0].update(shape=[1, 1]),
    "options that are missing": lambda graph: [node["options"].clear() for node in graph["nodes"]],
    "arguments of nothing": lambda graph: [node["arguments"].clear() for node in graph["nodes"]],
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "model"
    Forecaster(experiment(ensemble={"seeds": 1})).fit(table(), verbose=0).save(folder)
    return folder


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_graph_that_does_not_fit_is_refused_in_one_line(
    damage: str, saved: Path, tmp_path: Path
) -> None:
    artifact = load_artifact(saved)
    meta = json.loads(json.dumps(artifact.meta))
    DAMAGES[damage](meta["network"])
    save_artifact(tmp_path / "model", replace(artifact, meta=meta))
    with pytest.raises(ArtifactError) as caught:
        Forecaster.load(tmp_path / "model")
    assert "\n" not in f"{caught.value}"


def test_another_output_than_the_golden_one_is_refused(saved: Path, tmp_path: Path) -> None:
    artifact = load_artifact(saved)
    weights = {name: array * np.float32(1.01) for name, array in artifact.weights.items()}
    save_artifact(tmp_path / "model", replace(artifact, weights=weights))
    with pytest.raises(ArtifactError, match="the output of the rebuilt model differs"):
        Forecaster.load(tmp_path / "model")


def test_a_layer_without_a_form_runs_in_keras_and_is_named_once(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = Forecaster.load(saved).fitted
    monkeypatch.setattr(keras_network, "WARNED", set())
    monkeypatch.delitem(FORMS, "Attention")
    with pytest.warns(
        ForecastWarning, match="start Keras and TensorFlow.* layer 'attention', a Attention, has no"
    ):
        loaded = Forecaster.load(saved)
    assert isinstance(loaded.fitted.network, KerasNetwork)
    inputs, _ = prepare(experiment(), table()).test.batch(np.arange(9))
    np.testing.assert_allclose(
        loaded.fitted.network(inputs), expected.network(inputs), rtol=0, atol=1e-5
    )
    Forecaster.load(saved)  # says nothing more


def test_fit_without_networks_solves_what_a_linear_member_solves() -> None:
    config = experiment(ensemble={"seeds": 0, "linear": "member"})
    prepared = prepare(config, table())
    shape = shape_of(prepared)
    alone = fit_network(prepared, shape)
    weights_with_network = experiment(
        ensemble=EnsembleConfig(seeds=1, linear="member", context_lengths=(12,)).model_dump()
    )
    from forecast.training.ensemble import build_ensemble

    member = build_ensemble(prepare(weights_with_network, table()).config, shape).members[-1]
    penalty = fit_linear_member(prepared, member)
    (own,) = alone.network.weights.values()
    np.testing.assert_array_equal(member.model.get_weights()[0], own)
    assert list(alone.penalties.values()) == [penalty]
