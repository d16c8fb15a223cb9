"""Each check of the reader of saved models by its own reason: sizes at their bounds, forms."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from forecasting.test_artifact import example, sign

from forecast.errors import ArtifactError, ConfigError, OutputError
from forecast.forecasting import artifact as module
from forecast.forecasting.artifact import Artifact, load_artifact, save_artifact
from forecast.forecasting.saved import signatures

EMPTY = Artifact({}, {}, {}, {}, {})


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    save_artifact(tmp_path / "model", example())
    return tmp_path / "model"


def refused(folder: Path, words: str) -> None:
    with pytest.raises(ArtifactError, match=words):
        load_artifact(folder)


def test_a_file_may_be_as_large_as_its_limit(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*module.CONTENT, "manifest.json"):
        size = (saved / name).stat().st_size
        with monkeypatch.context() as patch:
            patch.setitem(module.MAX_BYTES, name, size)
            load_artifact(saved)
            if name != "manifest.json":  # whose size depends on the names of the others
                save_artifact(saved.with_name("copy"), example())
            patch.setitem(module.MAX_BYTES, name, size - 1)
            refused(saved, rf"{name}.* has {size:,} bytes; expected at most|{size} bytes; expected")


def test_a_config_may_have_a_mebibyte_beside_its_arrays(tmp_path: Path) -> None:
    """The limit counts the bytes of all files of tensors."""

    def saved_with(count: int) -> Path:
        save_artifact(tmp_path / "m", replace(EMPTY, config={"text": "x" * count}))
        return tmp_path / "m"

    beside = (saved_with(0) / "config.json").stat().st_size
    arrays = sum(path.stat().st_size for path in (tmp_path / "m").glob("*.safetensors"))
    load_artifact(saved_with(2**20 + arrays - beside))
    with pytest.raises(ArtifactError, match=r"config\.json would have 1,048,\d+ bytes; expected"):
        saved_with(2**20 + arrays - beside + 1)


def test_models_have_at_most_10_000_arrays(tmp_path: Path) -> None:
    def with_arrays(count: int) -> Artifact:
        return replace(EMPTY, state={f"{number}": np.zeros(0) for number in range(count)})

    save_artifact(tmp_path / "m", with_arrays(10_000))
    assert len(load_artifact(tmp_path / "m").state) == 10_000
    with pytest.raises(ArtifactError, match="has 10,001 arrays; expected at most 10,000"):
        save_artifact(tmp_path / "other", with_arrays(10_001))
    assert not (tmp_path / "other").exists()

    def one_more(manifest: dict[str, Any]) -> None:
        manifest["tensors"]["weights.safetensors"]["more"] = {"dtype": "F32", "shape": [0]}

    sign(tmp_path / "m", one_more)
    refused(tmp_path / "m", "it names 10,001 tensors; expected at most 10,000")


def test_lengths_are_compared_before_hashes(saved: Path) -> None:
    path = saved / "weights.safetensors"
    size = path.stat().st_size
    path.write_bytes(path.read_bytes() + b"1")
    refused(saved, f"it has {size + 1} bytes where the manifest says {size}; .*damaged")


def test_a_file_with_a_hole_is_not_read(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SPARSE_BYTES", 2**16)
    path = saved / "weights.safetensors"
    for size, words in ((2**16, "its SHA-256|not a valid|header"), (2**16 + 1, "not on the disk")):
        path.write_bytes(b"")
        os.truncate(path, size)
        manifest = json.loads((saved / "manifest.json").read_bytes())
        manifest["files"][path.name] |= {"size": size, "sha256": "0" * 64}
        rewrite(saved, manifest)
        refused(saved, words)


def rewrite(folder: Path, manifest: dict[str, Any]) -> None:
    manifest["checksum"] = module._checksum(manifest)
    (folder / "manifest.json").write_bytes(module._json_bytes(manifest))


MANIFESTS: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "a file less": (lambda m: m["files"].pop("config.json"), "describe exactly the files"),
    "tensors of a file less": (
        lambda m: m["tensors"].pop("state.safetensors"),
        "describe exactly the files",
    ),
    "another format": (lambda m: m.update(format=2), "format 2, written by package version"),
    "another hash": (
        lambda m: m["files"]["config.json"].update(sha256="0" * 64),
        "its SHA-256 is not that of the manifest",
    ),
    "a short hash": (lambda m: m["files"]["config.json"].update(sha256="0" * 63), "sha256: "),
}


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_manifest_that_differs_is_refused_for_what_it_is(saved: Path, name: str) -> None:
    change, words = MANIFESTS[name]
    manifest = json.loads((saved / "manifest.json").read_bytes())
    change(manifest)
    rewrite(saved, manifest)
    refused(saved, words)


def test_a_manifest_has_one_form_and_one_checksum(saved: Path) -> None:
    path = saved / "manifest.json"
    manifest = json.loads(path.read_bytes())
    path.write_text(json.dumps(manifest))  # without its line ends
    refused(saved, "does not match its own checksum")
    manifest["package_version"] = "9"
    path.write_bytes(module._json_bytes(manifest))
    refused(saved, "does not match its own checksum")
    path.write_bytes(b"[]")
    refused(saved, "it is no JSON mapping")
    path.write_bytes(b"{")
    refused(saved, "it is not valid JSON")


def test_a_config_has_one_form(saved: Path) -> None:
    path = saved / "config.json"
    path.write_text(json.dumps(json.loads(path.read_bytes())))
    sign(saved)
    refused(saved, "it is not in the form that is written")
    path.write_bytes(module._json_bytes({"config": {}, "meta": {}, "more": 1}))
    sign(saved)
    refused(saved, "config.json: more: ")


def test_every_entry_of_the_folder_is_a_plain_file_of_it(saved: Path) -> None:
    (saved / "notes.txt").write_text("x")
    refused(saved, r"notes\.txt: not a file of a saved model; expected manifest\.json, .*remove it")
    (saved / "notes.txt").unlink()
    data = (saved / "state.safetensors").read_bytes()
    (saved / "state.safetensors").unlink()
    refused(saved, r"state\.safetensors: the file is missing")
    saved.with_name("elsewhere").write_bytes(data)
    (saved / "state.safetensors").symlink_to(saved.with_name("elsewhere"))
    refused(saved, r"state\.safetensors: it is a link or a folder")
    (saved / "manifest.json").unlink()
    refused(saved, r"it has no manifest\.json; expected the folder of a saved model")


def test_a_name_that_is_near_is_proposed(saved: Path) -> None:
    with pytest.raises(ArtifactError, match=r"no such folder; .*model.*'model'"):
        load_artifact(saved.with_name("modle"))
    with pytest.raises(
        ArtifactError, match=r"no such folder; expected the folder of a saved model$"
    ):
        load_artifact(saved.parent / "nowhere" / "model")
    with pytest.raises(ArtifactError, match="Not a directory; expected the folder"):
        load_artifact(saved / "config.json")


def test_the_model_of_a_run_stays_and_its_name_is_free_elsewhere(saved: Path) -> None:
    run = {"python": "3", "packages": {}, "seed": 0}
    (saved.parent / "environment.json").write_text(json.dumps(run))
    with pytest.raises(OutputError, match="is the model of a run of fit: name another folder"):
        save_artifact(saved, example())
    save_artifact(saved.with_name("new"), example())  # a folder that is not there
    del run["seed"]
    (saved.parent / "environment.json").write_text(json.dumps(run))
    save_artifact(saved, example())


def test_values_that_would_come_back_changed_are_refused(tmp_path: Path) -> None:
    for config, words in (
        ({"a": {1, 2}}, "cannot store the values: .*expected JSON values"),
        ({"a": float("nan")}, "cannot store the values: .*expected JSON values"),
        ({"a": (1, 2)}, "would come back changed"),
        ({"a": {1: 2}}, "would come back changed"),
    ):
        with pytest.raises(ArtifactError, match=words):
            save_artifact(tmp_path / "m", replace(EMPTY, config=config))
    assert not (tmp_path / "m").exists()


def test_signing_without_its_package_says_how_to_get_it(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signatures, "find_spec", lambda _: None)
    for use in (lambda: signatures.sign_model(saved, saved), lambda: signatures.verifier_of(saved)):
        with pytest.raises(ConfigError, match=r"pip install 'bigru-forecast\[sign\]'"):
            use()
