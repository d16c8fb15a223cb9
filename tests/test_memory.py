"""Large tables: from the file to training batches in little memory, and without a loop over rows,
windows or series."""

from __future__ import annotations

import gc
import importlib.util
import sys
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import pytest

from forecast.experiment.prepare import prepare
from forecast.experiment.settings import Experiment
from forecast.training.batches import training_order

SCRIPT = Path(__file__).resolve().parents[1] / "benchmarks" / "memory.py"
FORMATS = [".parquet", ".csv"]
NAME_FILES = {"ids.py", "keys.py", "names.py", "parse.py"}
OF_NAMES = {
    "encode",
    "_is_named",
    "read_ids",
    "_read_column",
    "as_ids",
    "_shown_ids",
    "_compact",
    "name_of",
    "_name_of_text",
    "sorted_names",
    "as_numbers",
    "<listcomp>",
    "<dictcomp>",
    "<genexpr>",
}


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    """The script that measures."""
    spec = importlib.util.spec_from_file_location("memory_benchmark", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module


def measured(benchmark: ModuleType, path: Path, *, rows: int, series: int) -> dict[str, Any]:
    """What a fresh process needed, checked to be of this table and free of TensorFlow."""
    found: dict[str, Any] = benchmark.measure_afresh(
        benchmark.write_table(path, rows=rows, series=series)
    )
    path.unlink()
    assert (found["rows"], found["series"], found["tensorflow"]) == (rows, series, False)
    assert found["windows"] > rows // 3
    assert found["peaks"]["100 batches"] == found["peak"]
    return found


@pytest.mark.parametrize(
    ("series", "suffix"),
    [
        pytest.param(1, ".parquet", marks=pytest.mark.proof),
        pytest.param(1, ".csv", marks=pytest.mark.proof),
        (1000, ".parquet"),
        (1000, ".csv"),
    ],
)
def test_memory_per_row(benchmark: ModuleType, suffix: str, series: int, tmp_path: Path) -> None:
    """125 bytes a row, and what the readers keep whatever the size: ten million rows stay below 1.5
    GB."""
    found = measured(benchmark, tmp_path / f"table{suffix}", rows=1_000_000, series=series)
    assert found["peak"] < found["peaks"]["import"] + 100 + 125


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("series", [1, 10_000])
def test_ten_million_rows(benchmark: ModuleType, suffix: str, series: int, tmp_path: Path) -> None:
    found = measured(benchmark, tmp_path / f"table{suffix}", rows=10_000_000, series=series)
    assert found["peak"] < 1500


def through_tensorflow(benchmark: ModuleType, path: Path, *, rows: int, series: int) -> float:
    """Megabytes that a fresh process needed beyond its imports to come to batches of `tf.data`."""
    path = benchmark.write_table(path, rows=rows, series=series)
    found: dict[str, Any] = benchmark.measure_afresh(path, tensorflow=True)
    path.unlink()
    assert (found["rows"], found["series"], found["tensorflow"]) == (rows, series, True)
    return float(found["beyond imports"])


@pytest.mark.proof
@pytest.mark.parametrize("series", [1, 10_000])
def test_memory_per_row_through_tensorflow(
    benchmark: ModuleType, series: int, tmp_path: Path
) -> None:
    """135 bytes a row, 32 of them for what batches are gathered from; a copy of all windows would
    take 900."""
    needed = through_tensorflow(
        benchmark, tmp_path / "table.parquet", rows=1_000_000, series=series
    )
    assert needed < 50 + 135


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("series", [1, 100_000])
def test_ten_million_rows_through_tensorflow(
    benchmark: ModuleType, series: int, tmp_path: Path
) -> None:
    assert (
        through_tensorflow(benchmark, tmp_path / "table.parquet", rows=10_000_000, series=series)
        < 1500
    )


def instructions(path: Path) -> int:
    """Python instructions carried out between a table and its first 20 batches.

    The names of the series are read and sorted one by one: that is let through.
    """
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        if Path(frame.f_code.co_filename).name in NAME_FILES and frame.f_code.co_name in OF_NAMES:
            return None
        frame.f_trace_opcodes = True
        count += event == "opcode"
        return trace

    earlier = sys.gettrace()
    gc.collect()
    gc.disable()  # what other tests left behind would be cleared away in Python, and counted
    sys.settrace(trace)
    try:
        prepared = prepare(CONFIG, path)
        order = training_order(len(prepared.training), seed=0, epoch=1)
        for start in range(0, 20 * 64, 64):
            prepared.training.batch(order[start : start + 64])
    finally:
        sys.settrace(earlier)
        gc.enable()
    return count


CONFIG = Experiment.model_validate(
    {
        "model": {"name": "bigru"},
        "windows": {"context_length": 12, "horizon": 4},
        "evaluation": {"validation_size": 10, "test_size": 10},
    }
)


@pytest.mark.parametrize("suffix", [".parquet", pytest.param(".csv", marks=pytest.mark.proof)])
def test_work_in_python_grows_neither_with_rows_nor_with_series(
    benchmark: ModuleType, suffix: str, tmp_path: Path
) -> None:
    """Counted in instructions, the same on every machine; a loop over 2,000 series takes 6,000 at
    the very least."""
    instructions(
        benchmark.write_table(tmp_path / f"first{suffix}", rows=2_000, series=2)
    )  # imports
    shapes = {(20_000, 1), (20_000, 10), (200_000, 10), (200_000, 2_000), (200_000, 1)}
    found = {
        shape: instructions(
            benchmark.write_table(tmp_path / f"table{suffix}", rows=shape[0], series=shape[1])
        )
        for shape in sorted(shapes)
    }
    for less, more in (
        ((20_000, 1), (200_000, 1)),
        ((20_000, 10), (200_000, 10)),
        ((20_000, 1), (20_000, 10)),
        ((200_000, 1), (200_000, 10)),
        ((200_000, 10), (200_000, 2_000)),
    ):
        assert found[more] - found[less] < 5000, found
