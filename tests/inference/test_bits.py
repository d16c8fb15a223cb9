"""The bits of a forecast depend on its window alone."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from models.test_models_contract import small
from window_arrays import full_shape, random_inputs, shuffled

from forecast.inference import forward as module
from forecast.inference import recurrent_forms
from forecast.inference.forward import ForwardPass
from forecast.inference.graph import Graph
from forecast.inference.recording import model_weights, record
from forecast.inference.row_blocks import LARGEST, ROWS, Kernel, pairwise_products
from forecast.models import MODELS, build_model

ROOT = Path(__file__).resolve().parents[2]


def network(name: str, **settings: Any) -> ForwardPass:
    settings = {"units": 40, "attention": "additive", "instance_norm": "standard", **settings}
    model = shuffled(build_model(small(name, **settings), full_shape(num_quantiles=3)))
    graph = record(model)
    assert graph is not None
    return ForwardPass(graph, model_weights(model))


@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("compiled", [True, False])
def test_a_window_has_the_same_bits_in_batches_of_any_size(
    name: str, cell: str, compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not compiled:
        monkeypatch.setattr(recurrent_forms, "loaded_loops", lambda: (None, ""))
    run = network(name, cell=cell)
    inputs = random_inputs(full_shape(), 1000)
    together = run(inputs)
    for size, starts in ((1, (0, 1, 5, 999)), (7, (0, 3, 990)), (64, (0, 65, 936)), (1000, (0,))):
        for start in starts:
            some = {key: array[start : start + size] for key, array in inputs.items()}
            assert run(some).tobytes() == together[start : start + size].tobytes()
    for size in (1, 13, 1000):
        monkeypatch.setattr(module, "WINDOWS_AT_ONCE", size)
        some = {key: array[:40] for key, array in inputs.items()}
        assert run(some).tobytes() == together[:40].tobytes()


def test_large_arrays_run_in_smaller_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = random_inputs(full_shape(), 30)
    expected = network("bigru")(inputs)
    sizes = []
    run = ForwardPass._run

    def watched(self: ForwardPass, block: Any, *rest: Any) -> Any:
        sizes.append(len(block["past"]))
        return run(self, block, *rest)

    monkeypatch.setattr(ForwardPass, "_run", watched)
    monkeypatch.setattr(module, "BLOCK_BYTES", 4 * 7 * 80 * module.TENSORS_AT_ONCE * 4)
    assert network("bigru")(inputs).tobytes() == expected.tobytes()
    assert sizes == [1, *[4] * 7, 2], "outputs of the encoder are the largest tensor"


SIZES = [(1, 1), (3, 5), (17, 4), (100, 7), (129, 33), (64, 192), (300, 700), (5000, 30)]


@pytest.mark.parametrize(("depth", "width"), SIZES)
def test_products_are_right_and_depend_on_their_row_alone(depth: int, width: int) -> None:
    draw = np.random.default_rng(0)
    kernel = draw.normal(size=(depth, width)).astype(np.float32)
    x = draw.normal(size=(70, depth)).astype(np.float32)
    product = Kernel(kernel).product
    found = product(x)
    exact = x.astype(np.float64) @ kernel.astype(np.float64)
    scale = np.abs(x.astype(np.float64)) @ np.abs(kernel.astype(np.float64))
    assert (np.abs(found - exact) <= 1e-6 * scale).all()
    for first in range(20):
        for size in (1, 2, 7, 8, 9, 33):
            rows = slice(first, first + size)
            assert product(x[rows]).tobytes() == found[rows].tobytes()
    assert product(x.reshape(7, 10, depth)).tobytes() == found.tobytes()


@pytest.mark.parametrize(("rows", "depth", "columns"), [(3, 5, 7), (50, 64, 120), (2, 3000, 60)])
def test_products_of_pairs_are_right(rows: int, depth: int, columns: int) -> None:
    draw = np.random.default_rng(0)
    a = draw.normal(size=(5, rows, depth)).astype(np.float32)
    b = draw.normal(size=(5, columns, depth)).astype(np.float32)
    found = pairwise_products(a, b)
    exact = np.einsum("bhu,blu->bhl", a.astype(np.float64), b.astype(np.float64))
    np.testing.assert_allclose(found, exact, rtol=0, atol=1e-6 * depth)
    assert pairwise_products(a[3:4], b[3:4]).tobytes() == found[3:4].tobytes()


def test_no_product_is_large_enough_for_several_threads() -> None:
    kernel = Kernel(np.zeros((700, 900), np.float32))
    for panel in kernel._blocks:
        for _, block in panel:
            assert ROWS * block.size <= LARGEST


DIGEST = """
import hashlib, sys
import numpy as np
from forecast.files.tensors import parse_json
from forecast.inference.forward import ForwardPass
from forecast.inference.graph import Graph
graph = Graph.model_validate_json(open("graph.json").read())
arrays = np.load("arrays.npz")
weights = {weight.name: arrays[f"w/{place}"] for place, weight in enumerate(graph.weights)}
inputs = {name: arrays[f"x/{name}"] for name in graph.inputs}
assert not {"tensorflow", "keras"} & set(sys.modules)
print(hashlib.sha256(ForwardPass(graph, weights)(inputs).tobytes()).hexdigest())
"""


@pytest.mark.proof
@pytest.mark.parametrize("native", ["1", "0"])
def test_bits_do_not_depend_on_the_number_of_threads(native: str, tmp_path: Path) -> None:
    run = network("bigru", units=200, attention="dot")
    inputs = random_inputs(full_shape(), 200)
    arrays = {f"x/{name}": array for name, array in inputs.items()}
    for place, weight in enumerate(run.graph.weights):
        arrays[f"w/{place}"] = run.weights[weight.name]
    np.savez(tmp_path / "arrays.npz", **arrays)
    (tmp_path / "graph.json").write_text(run.graph.model_dump_json())
    assert Graph.model_validate_json(run.graph.model_dump_json()) == run.graph

    digests = set()
    for threads in ("1", "2", "5"):
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "OPENBLAS_NUM_THREADS": threads,
            "TF_NUM_INTRAOP_THREADS": threads,
            "FORECAST_NATIVE": native,
        }
        done = subprocess.run(
            [sys.executable, "-c", DIGEST],
            check=True,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment,
        )
        digests.add(done.stdout.strip())
    assert len(digests) == 1
    own = hashlib.sha256(run(inputs).tobytes()).hexdigest()
    if native == os.environ.get("FORECAST_NATIVE", "1"):
        assert digests == {own}
