"""Signatures of saved models, and the trial that finds a state of another model."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from forecasting.attack_changes import Model
from forecasting.attacked_models import make_victims, plain
from forecasting.attacks import attempt, run

from forecast import Forecaster
from forecast.cli import main
from forecast.errors import ArtifactError
from forecast.forecasting.artifact import load_artifact, save_artifact
from forecast.forecasting.saved.trial_forecast import trial_of

VICTIMS = ("linear", "simple")


@pytest.fixture(scope="module")
def victims(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Saved models without a network."""
    folder = tmp_path_factory.mktemp("victims")
    make_victims(folder, VICTIMS)
    plain().to_csv(folder / "sales.csv", index=False)
    return folder


def test_changed_models_are_refused_or_forecast(victims: Path) -> None:
    """Forty of the attempts that `make attack-models` makes."""
    found = run(victims, VICTIMS, 40, seed=100)
    assert [(what, r) for what, r in found if r.outcome not in ("refused", "used")] == []
    assert len({result.outcome for _, result in found}) == 2


def test_a_network_that_asks_for_memory_is_refused_before(victims: Path, tmp_path: Path) -> None:
    for kind, options in (
        ("RepeatVector", {"n": 10**9}),
        ("ops.Repeat", {"repeats": 10**9, "axis": 1}),
        ("ZeroPadding1D", {"padding": [10**9, 0], "data_format": "channels_last"}),
    ):
        model = Model.read(victims / "linear")
        node = model.document["meta"]["network"]["nodes"][0]
        node |= {"kind": kind, "options": options, "keywords": {}, "weights": []}
        node["arguments"] = [{"tensor": 0}]
        path = tmp_path / kind
        model.write(path)
        result = attempt("linear", path)
        assert result.outcome == "refused", result
        assert result.megabytes < 100


def test_the_state_of_another_model_is_found(victims: Path, tmp_path: Path) -> None:
    """Scales, errors and facts are not in the golden windows of the network."""
    artifact = load_artifact(victims / "linear")
    for name in ("target/0.scale", "recent/scores/0.0", "series/unit"):
        state = artifact.state | {name: artifact.state[name] * 1.5 + 0.5}
        save_artifact(tmp_path / "other", replace(artifact, state=state))
        with pytest.raises(ArtifactError, match="trial differs"):
            Forecaster.load(tmp_path / "other")


def test_the_trial_is_of_two_series_and_few_rows(victims: Path) -> None:
    """A season of 10,000 steps would ask for 20,000 rows before the cutoff."""
    artifact = load_artifact(victims / "linear")
    rows = artifact.golden["rows/values"]
    context = artifact.config["windows"]["context_length"]
    assert rows.shape[0] == 2
    third = plain().query("unique_id == 'a'").assign(unique_id="c")
    more = pd.concat([plain(), third])
    fitted = Forecaster.load(victims / "linear").fit(more)
    trial = trial_of(replace(fitted.fitted, season_length=10_000))
    horizon = artifact.config["windows"]["horizon"]
    assert trial["rows/values"].shape[0] == 2
    assert context < trial["rows/values"].shape[1] - horizon <= context + 510


@pytest.mark.parametrize(("share", "is_found"), [(0.0, False), (5e-4, False), (1.5e-3, True)])
def test_a_trial_differs_by_more_than_a_thousandth_of_its_range(
    victims: Path, tmp_path: Path, share: float, is_found: bool
) -> None:
    artifact = load_artifact(victims / "linear")
    stored = np.array(artifact.golden["rows/forecast"])
    stored[0, 0, 0] += share * (stored.max() - stored.min())
    golden = artifact.golden | {"rows/forecast": stored}
    save_artifact(tmp_path / "other", replace(artifact, golden=golden))
    if is_found:
        with pytest.raises(ArtifactError, match="trial differs"):
            Forecaster.load(tmp_path / "other")
    else:
        Forecaster.load(tmp_path / "other")


def test_models_without_a_trial_are_read(victims: Path, tmp_path: Path) -> None:
    """Those of earlier versions."""
    artifact = load_artifact(victims / "linear")
    golden = {name: a for name, a in artifact.golden.items() if not name.startswith("rows/")}
    save_artifact(tmp_path / "early", replace(artifact, golden=golden))
    early = Forecaster.load(tmp_path / "early").predict(plain()).values
    now = Forecaster.load(victims / "linear").predict(plain()).values
    assert np.array_equal(early, now)


# ------------------------------------------------------------------------------------- signatures


@pytest.fixture
def signed(victims: Path, tmp_path: Path) -> Path:
    """A folder with a model, its table and the keys of two people."""
    shutil.copytree(victims / "linear", tmp_path / "model")
    shutil.copy(victims / "sales.csv", tmp_path)
    for name in ("mine", "other"):
        key = Ed25519PrivateKey.generate()
        write_key(tmp_path / name, key)
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (tmp_path / f"{name}.pub").write_bytes(public)
    return tmp_path


def write_key(path: Path, key, encryption=None) -> None:
    form = (Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())
    path.write_bytes(key.private_bytes(*form))


def sign(folder: Path, key: str = "mine") -> int:
    return main(["sign", str(folder / "model"), "--key", str(folder / key)])


def predict(folder: Path, key: str) -> int:
    words = [str(folder / "model"), str(folder / "sales.csv"), "--require-signature"]
    return main(["predict", *words, str(folder / key)])


def refusal(capsys: pytest.CaptureFixture[str], code: int) -> str:
    err = capsys.readouterr().err
    assert code == 2
    assert err.startswith("forecast: error: ")
    assert err.count("\n") == 1
    return err


def test_only_signed_models_are_read(signed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "is not signed" in refusal(capsys, predict(signed, "mine.pub"))
    assert sign(signed) == 0
    assert predict(signed, "mine.pub") == 0
    capsys.readouterr()
    assert "not one of the key" in refusal(capsys, predict(signed, "other.pub"))
    assert main(["predict", str(signed / "model"), str(signed / "sales.csv")]) == 0


def test_a_signature_is_of_one_content(signed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sign(signed) == 0
    model = Model.read(signed / "model")
    model.tensors["weights"] = {n: -a for n, a in model.tensors["weights"].items()}
    shutil.rmtree(signed / "model")
    model.write(signed / "model")
    capsys.readouterr()
    assert "not one of the key" in refusal(capsys, predict(signed, "mine.pub"))
    (signed / "model.sig").write_text("mine")
    assert "is no signature" in refusal(capsys, predict(signed, "mine.pub"))


def test_keys_that_are_none(signed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_key(signed / "rsa", generate_private_key(65537, 2048))
    secret = BestAvailableEncryption(b"secret")
    write_key(signed / "locked", Ed25519PrivateKey.generate(), secret)
    (signed / "text").write_text("mine")
    for key in ("rsa", "locked", "text", "mine.pub"):
        assert "no PEM file with an ed25519 private key" in refusal(capsys, sign(signed, key))
    for key in ("rsa", "text", "mine"):
        assert "ed25519 public key" in refusal(capsys, predict(signed, key))
    assert "No such file" in refusal(capsys, sign(signed, "nowhere"))
    assert not (signed / "model.sig").exists()


def test_files_of_others_and_damaged_models_are_not_signed(
    signed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (signed / "model.sig").write_text("mine")
    assert "is not a signature" in refusal(capsys, sign(signed))
    assert (signed / "model.sig").read_text() == "mine"
    os.remove(signed / "model.sig")
    weights = signed / "model" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    assert "damaged" in refusal(capsys, sign(signed))
