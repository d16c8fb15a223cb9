"""The saved model: what goes in comes out, and nothing else ever does."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from files.test_atomic import killed_runs
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import load_file

from forecast.errors import ArtifactError, OutputError
from forecast.forecasting import artifact as module
from forecast.forecasting.artifact import (
    CONTENT,
    TENSOR_FILES,
    Artifact,
    load_artifact,
    save_artifact,
)

FILES = (*CONTENT, "manifest.json")


def example(seed: int = 0) -> Artifact:
    rng = np.random.default_rng(seed)
    return Artifact(
        config={
            "model": {"name": "bigru", "units": [8, 4]},
            "name": "größe",
            "rate": 0.1 + 0.2,
            "none": None,
        },
        meta={"ids": [1, 2, "1", "c\u2028", True, -(2**70)], "seed": seed, "columns": {"y": ["a"]}},
        weights={
            "encoder/kernel": rng.normal(size=(3, 4)).astype(np.float32),
            "bias": np.zeros(0, np.float32),
        },
        state={
            "mean": rng.normal(size=5),
            "flag": np.array(True),
            "codes": np.arange(3, dtype=np.int64),
        },
        golden={"past": rng.normal(size=(1, 2, 1)).astype(np.float32)},
    )


def flat(artifact: Artifact) -> dict[str, Any]:
    """Everything an artifact holds, in a form that `==` compares bit by bit and type by type."""
    parts: dict[str, Any] = {
        "config": json.dumps(artifact.config),
        "meta": json.dumps(artifact.meta),
    }
    for group in ("weights", "state", "golden"):
        for name, array in getattr(artifact, group).items():
            parts[f"{group}/{name}"] = (array.dtype.name, array.shape, array.tobytes())
    return parts


def ordered(artifact: Artifact) -> dict[str, Any]:
    """`flat` with sorted keys, the order in which JSON is stored."""
    sort: Callable[[Any], Any] = lambda value: json.loads(json.dumps(value, sort_keys=True))  # noqa: E731
    return flat(replace(artifact, config=sort(artifact.config), meta=sort(artifact.meta)))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    save_artifact(tmp_path / "model", example())
    return tmp_path / "model"


def sign(folder: Path, change: Callable[[dict[str, Any]], None] = lambda _: None) -> None:
    """Write a manifest that fits the files as they are, as somebody with bad intentions would."""
    manifest = json.loads((folder / "manifest.json").read_bytes())
    for name in CONTENT:
        data = (folder / name).read_bytes()
        manifest["files"][name] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    change(manifest)
    form: dict[str, Any] = {"indent": 1, "sort_keys": True}
    manifest["checksum"] = hashlib.sha256(
        json.dumps(manifest | {"checksum": ""}, **form).encode()
    ).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest, **form))


def refused(folder: Path, reason: str = "") -> str:
    with pytest.raises(ArtifactError, match=reason or None) as caught:
        load_artifact(folder)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_what_goes_in_comes_out(saved: Path) -> None:
    assert ordered(load_artifact(saved)) == ordered(example())
    assert sorted(path.name for path in saved.iterdir()) == sorted(FILES)
    manifest = json.loads((saved / "manifest.json").read_bytes())
    assert manifest["model"] == "bigru"
    assert manifest["tensors"]["state.safetensors"]["mean"] == {"dtype": "F64", "shape": [5]}


@settings(max_examples=50)
@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
        hnp.arrays(
            hnp.boolean_dtypes()
            | hnp.integer_dtypes(endianness="?")
            | hnp.unsigned_integer_dtypes(endianness="?")
            | hnp.floating_dtypes(endianness="?", sizes=(16, 32, 64)),
            hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
        ),
        max_size=3,
    )
)
def test_any_tensor_survives_and_others_can_read_it(
    tmp_path_factory: pytest.TempPathFactory, tensors: dict[str, Any]
) -> None:
    tensors = {
        name: np.nan_to_num(one, posinf=0, neginf=0) if one.dtype.kind == "f" else one
        for name, one in tensors.items()
    }
    folder = tmp_path_factory.mktemp("any")
    turned = {name: np.asfortranarray(one) if one.ndim else one for name, one in tensors.items()}
    save_artifact(folder, Artifact({}, {}, turned, {}, {}))
    ours, theirs = load_artifact(folder).weights, load_file(folder / "weights.safetensors")
    assert ours.keys() == theirs.keys() == tensors.keys()
    for name, one in tensors.items():
        native = one.astype(one.dtype.newbyteorder("="))
        for found in (ours[name], theirs[name]):
            assert (found.dtype, found.shape, found.tobytes()) == (
                native.dtype,
                native.shape,
                native.tobytes(),
            )
    shutil.rmtree(folder)


def test_loaded_arrays_cannot_be_changed(saved: Path) -> None:
    with pytest.raises(ValueError, match="read-only"):
        load_artifact(saved).weights["encoder/kernel"][0, 0] = 1


UNSTORABLE = {
    "NaN weight": ({"weights": {"w": np.array([1.0, np.nan])}}, "'w' holds 1 NaN"),
    "infinite state": ({"state": {"s": np.array([-np.inf, np.inf])}}, "'s' holds 2 NaN"),
    "objects": ({"state": {"s": np.array(["a"], object)}}, "type object"),
    "texts": ({"state": {"s": np.array(["a"])}}, "type <U1"),
    "stamps": ({"state": {"s": np.array(["2024"], "M8[s]")}}, "type datetime64"),
    "complex": ({"golden": {"s": np.zeros(1, complex)}}, "type complex128"),
    "reserved name": ({"weights": {"__metadata__": np.zeros(1)}}, "reserved"),
    "half a character": ({"weights": {"\ud800": np.zeros(1)}}, "cannot be stored"),
    "tuple": ({"meta": {"a": (1, 2)}}, "lists instead of tuples"),
    "number as key": ({"meta": {"a": {1: 2}}}, "texts as the keys"),
    "NumPy number": ({"meta": {"a": np.int64(1)}}, "int64 is not JSON"),
    "NaN": ({"config": {"a": float("nan")}}, "not JSON compliant"),
    "bytes": ({"config": {"a": b""}}, "bytes is not JSON"),
}


@pytest.mark.parametrize(("change", "reason"), UNSTORABLE.values(), ids=UNSTORABLE.keys())
def test_what_would_not_come_back_equal_is_not_written(
    saved: Path, change: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ArtifactError, match=reason):
        save_artifact(saved, replace(example(1), **change))
    assert ordered(load_artifact(saved)) == ordered(example())


def test_a_folder_of_other_things_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(OutputError, match=r"contains files but no saved model \('thesis\.tex'\)"):
        save_artifact(tmp_path, example())
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_too_large_files_are_neither_written_nor_read(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(module.MAX_BYTES, "state.safetensors", 100)
    with pytest.raises(ArtifactError, match=r"state\.safetensors would have"):
        save_artifact(saved.with_name("other"), example())
    refused(saved, r"state\.safetensors.*at most 100")


# ---------------------------------------------------------------------------------------- damage


def test_any_flipped_bit_is_found(saved: Path) -> None:
    rng = random.Random(1)
    for name in FILES:
        original = (saved / name).read_bytes()
        for position in rng.sample(range(len(original) * 8), 250):
            data = bytearray(original)
            data[position // 8] ^= 1 << position % 8
            (saved / name).write_bytes(data)
            assert name in refused(saved)
        (saved / name).write_bytes(original)
    assert ordered(load_artifact(saved)) == ordered(example())


def test_any_cut_or_longer_file_is_found(saved: Path) -> None:
    rng = random.Random(2)
    for name in FILES:
        original = (saved / name).read_bytes()
        for length in [0, 1, 7, 8, 9, len(original) - 1, *rng.sample(range(len(original)), 40)]:
            (saved / name).write_bytes(original[:length])
            assert name in refused(saved)
        for extra in (b"\0", b" ", b"\n", original):
            (saved / name).write_bytes(original + extra)
            assert name in refused(saved)
        (saved / name).write_bytes(original)


def test_swapped_missing_and_foreign_files_are_found(saved: Path, tmp_path: Path) -> None:
    save_artifact(tmp_path / "other", example(1))
    for name in FILES:
        for source in [saved / other for other in FILES if other != name] + [
            tmp_path / "other" / name
        ]:
            with_change(saved, name, source.read_bytes())
        original = (saved / name).read_bytes()
        (saved / name).unlink()
        refused(saved, name)
        (saved / name).mkdir()
        assert name in refused(saved)
        (saved / name).rmdir()
        (tmp_path / "outside").write_bytes(original)
        (saved / name).symlink_to(tmp_path / "outside")
        assert name in refused(saved, "link")
        (saved / name).unlink()
        (saved / name).write_bytes(original)
    (saved / "run.py").write_text("")
    refused(saved, r"run\.py: not a file of a saved model")


def with_change(folder: Path, name: str, data: bytes) -> None:
    """Refused with other bytes in one file, which are then put back."""
    original = (folder / name).read_bytes()
    (folder / name).write_bytes(data)
    refused(folder)
    (folder / name).write_bytes(original)


def test_the_signing_of_these_tests_is_accepted(saved: Path) -> None:
    sign(saved)
    assert ordered(load_artifact(saved)) == ordered(example())


def tensor_file(header: Any, body: bytes = b"", *, length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + body


def tensor(
    *, dtype: Any = "F32", shape: Any = (2,), offsets: Any = (0, 8), **more: Any
) -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets), **more}


EIGHT = bytes(8)
BAD_TENSOR_FILES = {
    "empty": b"",
    "seven bytes": b"1234567",
    "huge header": tensor_file({}, length=2**63),
    "header beyond the file": tensor_file({}, length=3),
    "no JSON": tensor_file(b"{"),
    "a list": tensor_file([]),
    "not UTF-8": tensor_file(b'{"\xff": 1}'),
    "deep nesting": tensor_file(b"[" * 100_000),
    "endless number": tensor_file(b"1" * 100_000),
    "duplicate tensor": tensor_file(
        b'{"w": %s, "w": %s}' % ((json.dumps(tensor()).encode(),) * 2), EIGHT
    ),
    "duplicate key": tensor_file(
        b'{"w": {"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}', EIGHT
    ),
    "metadata": tensor_file({"w": tensor(), "__metadata__": {"a": "b"}}, EIGHT),
    "unknown type": tensor_file({"w": tensor(dtype="F8")}, EIGHT),
    "type is a list": tensor_file({"w": tensor(dtype=["F32"])}, EIGHT),
    "negative size": tensor_file({"w": tensor(shape=(-2,))}, EIGHT),
    "size is true": tensor_file({"w": tensor(shape=(2, True))}, EIGHT),
    "size is a fraction": tensor_file({"w": tensor(shape=(2.0,))}, EIGHT),
    "shape too large": tensor_file({"w": tensor(shape=(3,))}, EIGHT),
    "absurd shape": tensor_file({"w": tensor(shape=(2**40, 2**40))}, EIGHT),
    "offsets beyond the end": tensor_file({"w": tensor(offsets=(0, 16), shape=(4,))}, EIGHT),
    "offsets backwards": tensor_file({"w": tensor(offsets=(8, 0))}, EIGHT),
    "negative offsets": tensor_file({"w": tensor(offsets=(-8, 0))}, EIGHT),
    "three offsets": tensor_file({"w": tensor(offsets=(0, 8, 8))}, EIGHT),
    "overlap": tensor_file({"v": tensor(), "w": tensor()}, EIGHT),
    "hole": tensor_file({"v": tensor(), "w": tensor(offsets=(12, 20))}, bytes(20)),
    "rest": tensor_file({"w": tensor()}, bytes(9)),
    "unknown entry": tensor_file({"w": tensor(code="x")}, EIGHT),
    "empty but endless": tensor_file({"w": tensor(shape=(0, 2**47, 2**47), offsets=(0, 0))}),
    "too many axes": tensor_file({"w": tensor(shape=(2,) + (1,) * 99)}, EIGHT),
    "NaN": tensor_file({"w": tensor()}, struct.pack("<2f", 0.0, float("nan"))),
    "infinity": tensor_file({"w": tensor()}, struct.pack("<2f", float("-inf"), 0.0)),
}


@pytest.mark.parametrize("data", BAD_TENSOR_FILES.values(), ids=BAD_TENSOR_FILES.keys())
def test_a_malformed_tensor_file_with_a_fitting_manifest_is_refused(
    saved: Path, data: bytes
) -> None:
    def describe(manifest: dict[str, Any]) -> None:
        described = {}
        try:
            header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
            described = {
                name: {"dtype": one["dtype"], "shape": one["shape"]} for name, one in header.items()
            }
        except (ValueError, RecursionError, TypeError, AttributeError, KeyError):
            pass
        manifest["tensors"]["weights.safetensors"] = described

    (saved / "weights.safetensors").write_bytes(data)
    sign(saved, describe)
    refused(saved)


def test_that_form_of_tensor_file_is_accepted_when_it_is_right(saved: Path) -> None:
    (saved / "weights.safetensors").write_bytes(
        tensor_file({"w": tensor()}, struct.pack("<2f", 1.5, -2.0))
    )
    sign(
        saved,
        lambda manifest: manifest["tensors"].update(
            {"weights.safetensors": {"w": {"dtype": "F32", "shape": [2]}}}
        ),
    )
    assert load_artifact(saved).weights["w"].tolist() == [1.5, -2.0]


BAD_MANIFESTS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "newer format": (
        lambda m: m.update(format=2, package_version="9.9"),
        r"format 2, written by package version '9\.9'",
    ),
    "format as text": (lambda m: m.update(format="1"), "format '1'"),
    "no format": (lambda m: m.pop("format"), "format None"),
    "unknown entry": (lambda m: m.update(code="import os"), "code"),
    "no files": (lambda m: m.pop("files"), "files"),
    "files is a list": (lambda m: m.update(files=[]), "files"),
    "a file less": (lambda m: m["files"].pop("config.json"), "exactly the files"),
    "a path that escapes": (
        lambda m: m["files"].update({"../../etc/passwd": {"size": 1, "sha256": "0" * 64}}),
        "exactly",
    ),
    "size as text": (lambda m: m["files"]["config.json"].update(size="1"), "size"),
    "huge size": (lambda m: m["files"]["weights.safetensors"].update(size=2**62), "size"),
    "a size of terabytes": (
        lambda m: m["files"]["weights.safetensors"].update(size=2**42),
        "expected at most",
    ),
    "negative size": (lambda m: m["files"]["config.json"].update(size=-1), "size"),
    "hash in capitals": (lambda m: m["files"]["config.json"].update(sha256="A" * 64), "sha256"),
    "another hash": (lambda m: m["files"]["config.json"].update(sha256="a" * 64), "SHA-256"),
    "no tensors": (
        lambda m: m["tensors"]["weights.safetensors"].clear(),
        "not those of the manifest",
    ),
    "another shape": (
        lambda m: m["tensors"]["state.safetensors"]["mean"].update(shape=[5, 1]),
        "not those",
    ),
    "another type": (
        lambda m: m["tensors"]["state.safetensors"]["mean"].update(dtype="I64"),
        "not those",
    ),
    "another name": (
        lambda m: m["tensors"]["golden.safetensors"].update(
            p=m["tensors"]["golden.safetensors"].pop("past")
        ),
        "not those",
    ),
}


@pytest.mark.parametrize(("change", "reason"), BAD_MANIFESTS.values(), ids=BAD_MANIFESTS.keys())
def test_a_manifest_that_says_something_else_is_refused(
    saved: Path, change: Callable[[dict[str, Any]], None], reason: str
) -> None:
    sign(saved, change)
    refused(saved, reason)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"config": {}, "config": {}, "meta": {}}',
        b'{"config": {"a": NaN}, "meta": {}}',
        b'{"config": [], "meta": {}}',
        b'{"config": {}, "meta": {}, "code": 1}',
        b"[" * 100_000,
        b"\xff\xfe",
        b"9" * 9999,
    ],
)
@pytest.mark.parametrize("name", ["config.json", "manifest.json"])
def test_malformed_json_is_refused(saved: Path, name: str, data: bytes) -> None:
    (saved / name).write_bytes(data)
    if name == "config.json":
        sign(saved)
    assert name in refused(saved)


def test_a_copy_of_a_key_in_the_manifest_is_refused(saved: Path) -> None:
    text = (saved / "manifest.json").read_text()
    (saved / "manifest.json").write_text(
        text.replace('"format": 1,', '"format": 1,\n "format": 1,')
    )
    refused(saved, "duplicate key")


def test_folders_that_are_no_saved_model(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "file").write_bytes(b"")
    refused(tmp_path / "model", r"it has no manifest\.json")
    refused(tmp_path / "modle", "no such folder.*did you mean 'model'")
    refused(tmp_path / "none" / "model", "no such folder")
    refused(tmp_path / "file", "Not a directory")


# ------------------------------------------------------------------------------- killed and full


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.proof
def test_killed_at_every_call_the_model_is_old_or_new(tmp_path: Path) -> None:
    target = tmp_path / "model"
    old, new = ordered(example(0)), ordered(example(1))
    save_artifact(target, example(0))
    seen = set()
    for number, killed in killed_runs(lambda: save_artifact(target, example(1))):
        found = ordered(load_artifact(target))
        assert found in (old, new), number
        seen.add((found == new, killed))
        save_artifact(target, example(0))
        assert os.listdir(tmp_path) == ["model"]
    assert seen == {(False, True), (True, True), (True, False)}


SAVE_FOREVER = """
import sys
sys.path.insert(0, sys.argv[2])
from forecasting.test_artifact import example
from forecast.forecasting.artifact import save_artifact
print("ready", flush=True)
while True:
    for seed in (1, 0):
        save_artifact(sys.argv[1], example(seed))
"""


def start_saving(target: Path) -> subprocess.Popen[bytes]:
    here = str(Path(__file__).parents[1])
    process = subprocess.Popen(
        [sys.executable, "-c", SAVE_FOREVER, str(target), here], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


@pytest.mark.proof
def test_killed_at_random_moments_the_model_is_old_or_new(tmp_path: Path) -> None:
    target, rng = tmp_path / "model", random.Random(3)
    save_artifact(target, example(0))
    versions = [ordered(example(0)), ordered(example(1))]
    for _ in range(5):
        process = start_saving(target)
        time.sleep(rng.uniform(0.0, 0.05))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert ordered(load_artifact(target)) in versions


def test_a_reader_beside_a_writer_always_gets_a_whole_model(tmp_path: Path) -> None:
    target = tmp_path / "model"
    save_artifact(target, example(0))
    versions = [ordered(example(0)), ordered(example(1))]
    process = start_saving(target)
    seen = set()
    end = time.monotonic() + 10
    for number in range(10**6):
        if time.monotonic() > end or (number > 200 and len(seen) == 2):
            break
        seen.add(versions.index(ordered(load_artifact(target))))
    process.kill()
    process.communicate()
    assert seen == {0, 1}


def test_a_reader_follows_the_version_that_a_writer_moves_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "model"
    save_artifact(target, example(0))
    real = module._read_manifest

    def moved_before(file: Path, path: Path) -> Any:
        monkeypatch.undo()
        os.rename(target, tmp_path / ".model.old")  # the first step of a swap, before the second
        return real(file, path)

    monkeypatch.setattr(module, "_read_manifest", moved_before)
    assert ordered(load_artifact(target)) == ordered(example(0))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs the resource limits of POSIX")
def test_a_full_disk_leaves_the_old_model_and_says_so(saved: Path) -> None:
    script = (
        "import resource, sys\nimport numpy as np\n"
        "from forecast.forecasting.artifact import Artifact, save_artifact\nfrom forecast.errors "
        "import FileError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50000, 50000))\n"
        "try: save_artifact(sys.argv[1], Artifact({}, {}, {'w': np.zeros(50000)}, {}, {}))\n"
        "except FileError as error: print(error)"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, str(saved)], capture_output=True, text=True, check=True
    )
    assert run.stdout.count("\n") == 1
    assert "file size limit" in run.stdout
    assert str(saved) in run.stdout
    assert os.listdir(saved.parent) == ["model"]
    assert ordered(load_artifact(saved)) == ordered(example())


def test_a_place_that_cannot_be_written(saved: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot be a folder, since .*config\.json is a file"):
        save_artifact(saved / "config.json" / "model", example())


def test_every_tensor_file_is_named() -> None:
    assert {name.removesuffix(".safetensors") for name in TENSOR_FILES} == {
        "weights",
        "state",
        "golden",
    }
