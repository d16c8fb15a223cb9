"""Values of a saved model at both sides of every bound, and windows that are not of their shape."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from forecast.errors import ArtifactError
from forecast.experiment.settings import Experiment, WindowsConfig
from forecast.files.tensors import TensorType
from forecast.forecasting.artifact import Artifact
from forecast.forecasting.saved.golden import in_one_line, rebuild_checked
from forecast.forecasting.saved.stored_meta import (
    StoredMeta,
    check_shape_of_files,
    window_sizes,
)
from forecast.windows.index import WindowShape

SHAPE = {
    "context_length": 7,
    "horizon": 3,
    "num_targets": 1,
    "num_past": 2,
    "num_known": 0,
    "num_static": 0,
    "past_categories": [],
    "known_categories": [],
    "static_categories": [],
    "num_quantiles": 0,
}
HISTORY = {
    "loss": [1.0],
    "val_loss": [1.0],
    "learning_rate": [0.1],
    "seconds": [0.0],
    "best_epoch": 0,
}
META = {
    "shape": SHAPE,
    "freq": "D",
    "season_length": 7,
    "series_ids": ["a"],
    "calendar": [],
    "vocabulary": {},
    "history": HISTORY,
}


def with_value(path: str, value: Any) -> dict[str, Any]:
    """Return the values of a model with another one at a place."""
    meta: dict[str, Any] = copy.deepcopy(META)
    *above, last = path.split("/")
    place = meta
    for key in above:
        place = place[key]
    place[last] = value
    return meta


def read(meta: dict[str, Any]) -> StoredMeta:
    return StoredMeta.model_validate_json(json.dumps(meta))


SIZES = ("context_length", "horizon", "num_targets", "num_past")
"""Sizes of at least 1; those below may be 0."""

OPTIONAL = ("num_known", "num_static", "num_quantiles")

BOUNDS: list[tuple[str, list[Any], list[Any]]] = [
    *((f"shape/{name}", [1, 100_000], [0, -1, 100_001, 1.0, True, None]) for name in SIZES),
    *((f"shape/{name}", [0, 100_000], [-1, 100_001, "1"]) for name in OPTIONAL),
    *(
        (f"shape/{name}_categories", [[], [1], [100_000, 2]], [[0], [100_001], [-1], 1])
        for name in ("past", "known", "static")
    ),
    ("freq", ["D", "x" * 200], ["", "x" * 201, 1]),
    ("season_length", [1, 100_000], [0, 100_001, 7.0]),
    ("series_ids", [["a"], [1, None, True, ["a", 2]]], [[], "a", [["a", ["b"]]], [{}]]),
    ("series_ids", [["x" * 10_000]], [["x" * 10_001]]),
    ("calendar", [["day"] * 100], [["day"] * 101, ["x" * 10_001], None]),
    ("vocabulary", [{"a": ["b"]}], [{"a": "b"}, {"a": [1]}, {"x" * 10_001: []}]),
    ("ranges", [{"a": [1, 1]}, {"a": [-2.5, 3]}], [{"a": [2, 1]}, {"a": [1]}, {"a": [1, 2, 3]}]),
    ("weights", [[["model", 1.0]], [["a", 1e6], ["model", -1e6]]], [[], [["a", 1.0]]]),
    ("weights", [[["model", 0]]], [[["model", 1.1e6]], [["model", -1.1e6]], [["model"]]]),
    ("shares", [{}, {"a": 0.5}, {"a": 1e6}, {"a": -1e6}], [{"a": 2e6}, {"a": -2e6}, {"a": "1"}]),
    ("kind", ["forecaster"], [1]),
    ("network", [None, {"nodes": []}], [[], "x"]),
    ("histories", [None, [["network", HISTORY]]], [[["network"]], {"network": HISTORY}]),
    ("history/seconds", [[0.0, 3.5]], [[-0.1], ["1"]]),
    ("history/best_epoch", [0, 2**31 - 1], [-1, 2**31, 1.5]),
    ("history/compiled", [True, False], [1, "true"]),
    ("unknown", [], [1]),
]


@pytest.mark.parametrize(("path", "good", "bad"), BOUNDS)
def test_values_within_their_bounds_are_read(path: str, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        assert read(with_value(path, value))
    for value in bad:
        with pytest.raises(ValidationError):
            read(with_value(path, value))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_are_finite(number: str) -> None:
    for path in ("history/loss", "history/val_loss", "history/learning_rate", "history/seconds"):
        text = json.dumps(with_value(path, ["here"])).replace('"here"', number)
        with pytest.raises(ValidationError):
            StoredMeta.model_validate_json(text)
    for path, value in (("ranges", {"a": ["here", 2]}), ("weights", [["model", "here"]])):
        text = json.dumps(with_value(path, value)).replace('"here"', number)
        with pytest.raises(ValidationError):
            StoredMeta.model_validate_json(text)


def test_tensors_have_types_and_axes_within_bounds() -> None:
    assert TensorType.model_validate({"dtype": "F32", "shape": [1] * 32})
    assert TensorType.model_validate({"dtype": "F32", "shape": [0, 2**48 - 1]})
    for dtype, shape in (("F32", [1] * 33), ("F32", [-1]), ("F32", [2**48]), ("F128", [1])):
        with pytest.raises(ValidationError):
            TensorType.model_validate({"dtype": dtype, "shape": shape})


# ----------------------------------------------------------------------------------- golden windows

FULL = WindowShape(
    context_length=7,
    horizon=3,
    num_targets=2,
    num_past=4,
    num_known=2,
    num_static=1,
    past_categories=(3, 2),
    known_categories=(4,),
    static_categories=(5,),
)
AXES = {
    "past": ((3, 7, 4), np.float32),
    "known": ((3, 3, 2), np.float32),
    "static": ((3, 1), np.float32),
    "past_categories": ((3, 7, 2), np.int32),
    "known_categories": ((3, 3, 1), np.int32),
    "static_categories": ((3, 1), np.int32),
}
"""Of three windows, as the docstring of `WindowShape` has them."""


def golden(shape: WindowShape = FULL) -> dict[str, Any]:
    arrays = {f"input/{name}": np.zeros(axes, dtype) for name, (axes, dtype) in AXES.items()}
    output = (3, 3, 2, shape.num_quantiles)
    arrays["output"] = np.zeros(output if shape.num_quantiles else output[:3], np.float32)
    return arrays


def config(horizon: int = 3) -> Experiment:
    return Experiment(windows=WindowsConfig(horizon=horizon))


def test_windows_of_their_shape_are_accepted() -> None:
    assert window_sizes(FULL) == {
        name: (axes, np.dtype(dtype).name) for name, (axes, dtype) in AXES.items()
    }
    check_shape_of_files(config(), FULL, golden())
    quantiles = replace(FULL, num_quantiles=5)
    check_shape_of_files(config(), quantiles, golden(quantiles))
    few = WindowShape(context_length=7, horizon=3, num_past=4)
    arrays = {"input/past": np.zeros((3, 7, 4), np.float32)}
    check_shape_of_files(config(), few, {**arrays, "output": np.zeros((3, 3, 1), np.float32)})


@pytest.mark.parametrize("name", AXES)
def test_windows_of_another_shape_are_refused(name: str) -> None:
    for change in (lambda a: a[:2], lambda a: a[:, :0], lambda a: a[..., :0], np.float64):
        arrays = golden()
        arrays[f"input/{name}"] = change(arrays[f"input/{name}"])
        with pytest.raises(ValueError, match="golden windows"):
            check_shape_of_files(config(), FULL, arrays)
    arrays = golden()
    del arrays[f"input/{name}"]
    with pytest.raises(ValueError, match="golden windows"):
        check_shape_of_files(config(), FULL, arrays)
    with pytest.raises(ValueError, match="golden windows"):
        check_shape_of_files(config(), FULL, golden() | {"input/more": np.zeros(1)})


def test_outputs_and_horizons_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"windows\.horizon is 4, stored is 3"):
        check_shape_of_files(config(4), FULL, golden())
    for output in (np.zeros((3, 3, 1), np.float32), np.zeros((3, 3, 2), np.float64)):
        with pytest.raises(ValueError, match="golden output"):
            check_shape_of_files(config(), FULL, golden() | {"output": output})
    with pytest.raises(ValueError, match="golden output"):
        check_shape_of_files(config(), replace(FULL, num_quantiles=5), golden())


@pytest.mark.parametrize("name", [name for name in AXES if name.endswith("categories")])
def test_codes_are_those_of_a_category(name: str) -> None:
    counts = getattr(FULL, name)
    for column, count in enumerate(counts):
        for code in (-1, 0, count - 1, count):
            arrays = golden()
            arrays[f"input/{name}"][1, ..., column] = code
            if 0 <= code < count:
                check_shape_of_files(config(), FULL, arrays)
            else:
                with pytest.raises(ValueError, match=f"{name} .* out of range"):
                    check_shape_of_files(config(), FULL, arrays)


# --------------------------------------------------------------------------------------- rebuilding

ARTIFACT = Artifact({}, {}, {}, {}, {})


def rebuilt(difference: float) -> str:
    return rebuild_checked(Path("m"), ARTIFACT, lambda _: "model", lambda *_: difference, 0.5)


def test_a_model_whose_output_differs_is_refused() -> None:
    assert rebuilt(0.0) == rebuilt(0.5) == "model"
    for difference in (0.51, float("inf"), float("nan")):
        with pytest.raises(ArtifactError, match=r"m/golden\.safetensors: .* at most 0\.5"):
            rebuilt(difference)


def test_errors_of_rebuilding_become_one_line() -> None:
    def fail(error: BaseException) -> Any:
        raise error

    for error in (ValueError("a\n b\x1b[0m"), KeyError("x"), MemoryError(), RecursionError("y")):
        with pytest.raises(ArtifactError, match=r"^m: the files .* do not fit together") as caught:
            rebuild_checked(Path("m"), ARTIFACT, lambda _, e=error: fail(e), lambda *_: 0.0, 1)
        assert str(caught.value).isprintable()
        assert caught.value.__cause__ is error
    own = ArtifactError("as it is")
    with pytest.raises(ArtifactError, match=r"^as it is$"):
        rebuild_checked(Path("m"), ARTIFACT, lambda _: fail(own), lambda *_: 0.0, 1)


def test_reasons_are_short() -> None:
    assert in_one_line(ValueError("x" * 200)) == "x" * 200
    assert in_one_line(ValueError("x" * 201)) == "x" * 200 + " ..."
    assert in_one_line(ValueError("a\n\tb\0")) == "a b?"
    assert in_one_line(ValueError()) == "ValueError"
