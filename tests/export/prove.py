"""Hold exported files against the forecaster over a grid of settings; `make prove-export` runs it.

Every three choices of any three columns of the grid meet. A process without the package runs all
files on 200 windows each. A table of the largest differences is printed.
"""

from __future__ import annotations

import argparse
import itertools
import random
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from export.states import experiment, forecaster, table
from models.test_models_contract import small

from forecast.data.load import load_requested
from forecast.export.formats import FORMATS, Exported
from forecast.export.parity import TOLERANCE, checked_windows
from forecast.export.signature import signature_of
from forecast.export.writing import can_hold, with_members
from forecast.forecasting.fitted import MODEL
from forecast.forecasting.simple_members import steps_of

SIMPLE = {MODEL: 0.4, "theta": 0.2, "ets": 0.2, "holt": 0.1, "seasonal_lags": 0.1}

GRID: dict[str, tuple[Any, ...]] = {
    "model": ("bigru", "segment_bigru"),
    "cell": ("gru", "lstm", "rnn"),
    "decoder": (0, 1),
    "attention": ("none", "dot", "additive"),
    "norm": ("none", "last", "standard"),
    "loss": ("mse", "mae", "huber", "quantile"),
    "ensemble": ("none", "member", "residual"),
    "members": ("networks", "networks and simple"),
    "covariates": ("none", "numbers", "categories"),
    "series": ("of training", "unseen"),
}
"""Choices by column; the decoder is a number among those of the model."""

SAVED_MODELS = 4
"""One file in so many is a SavedModel, which takes five times as long to write; the others are
ONNX."""

DECODERS = {"bigru": ("recurrent", "direct"), "segment_bigru": ("parallel", "recurrent")}

ELSEWHERE = """
import sys
sys.path.append(sys.argv[1])  # without .pth files, which add checkouts
from pathlib import Path
import numpy as np
try:
    import forecast
except ImportError:
    pass
else:
    raise SystemExit("the package is here")
def onnx(path):
    import onnxruntime
    session = onnxruntime.InferenceSession(path)
    names = [port.name for port in session.get_outputs()]
    read = {port.name for port in session.get_inputs()}
    return lambda given: dict(
        zip(names, session.run(names, {key: array for key, array in given.items() if key in read}))
    )
def savedmodel(path):
    import tensorflow as tf
    loaded = tf.saved_model.load(path)
    run = loaded.signatures["serving_default"]
    return lambda given: {
        name: tensor.numpy()
        for name, tensor in run(**{k: tf.constant(a) for k, a in given.items()}).items()
        if loaded
    }
for folder in sorted(Path(sys.argv[2]).iterdir()):
    kept = np.load(folder / "windows.npz")
    path = folder / "f.onnx"
    run = onnx(str(path)) if path.exists() else savedmodel(str(folder / "saved"))
    found = run({name[3:]: kept[name] for name in kept if name.startswith("in_")})
    worst = 0.0
    for name in kept:
        if not name.startswith("out_"):
            continue
        expected = kept[name]
        sizes = kept["sizes"][..., None] if expected.ndim == 4 else kept["sizes"]
        difference = float(np.max(np.abs(found[name[4:]] - expected) / sizes))
        worst = max(worst, difference) if np.isfinite(difference) else float("inf")
    print(folder.name, len(kept["sizes"]), worst, flush=True)
"""
"""Runs every file of a folder, and prints its windows and the largest relative difference."""


def rows_of_grid(ways: int, seed: int = 0) -> Iterator[dict[str, Any]]:
    """Yield choices in which every few choices of as many columns meet, greedily few of them."""
    draw = random.Random(seed)
    columns = list(GRID)

    def groups(row: Mapping[str, Any]) -> set[Any]:
        return {
            tuple((name, row[name]) for name in names)
            for names in itertools.combinations(columns, ways)
        }

    missing = {
        tuple(zip(names, values, strict=True))
        for names in itertools.combinations(columns, ways)
        for values in itertools.product(*(GRID[name] for name in names))
    }
    missing = {choices for choices in missing if is_allowed(dict(choices))}
    while missing:
        needed = dict(draw.choice(sorted(missing, key=repr)))
        candidates = []
        while len(candidates) < 40:
            row = {name: draw.choice(GRID[name]) for name in columns} | needed
            if is_allowed(row):
                candidates.append(row)
        best = max(candidates, key=lambda row: len(groups(row) & missing))
        missing -= groups(best)
        yield best


def is_allowed(row: Mapping[str, Any]) -> bool:
    """Return whether choices go together: a linear map has no quantiles."""
    return row.get("loss") != "quantile" or row.get("ensemble", "none") == "none"


def write(row: Mapping[str, Any], folder: Path, number: int) -> None:
    """Write the file of a row of the grid, and the windows that it is held against."""
    model = small(
        row["model"],
        cell=row["cell"],
        decoder=DECODERS[row["model"]][row["decoder"]],
        attention=row["attention"],
        instance_norm=row["norm"],
    )
    settings = {
        "training.loss": row["loss"],
        "ensemble.linear": row["ensemble"],
        "ensemble.seeds": 2,
        "ensemble.context_lengths": [7, 14],
    }
    targets = ("sales", "returns") if number % 2 else ("sales",)
    config = experiment(model, row["covariates"], targets, **settings)
    weights = None if row["members"] == "networks" else SIMPLE
    made = forecaster(table(3), config, weights)
    frame = table(4 if row["series"] == "unseen" else 3)
    chosen = with_members(made.fitted, None)
    assert all(can_hold(name) for name in chosen.weights)
    panel = load_requested(frame, made.fitted.request)
    steps = steps_of(chosen, panel)
    signature = signature_of(chosen, steps)
    checked = checked_windows(chosen, signature, panel)
    folder.mkdir()
    path = folder / ("f.onnx" if row["format"] == "onnx" else "saved")
    exported = Exported(chosen, signature, steps, checked, lambda _: {"written_by": "proof"})
    FORMATS[row["format"]].write(path, exported)
    arrays = {f"in_{name}": array for name, array in checked.inputs.items()}
    arrays |= {f"out_{name}": array for name, array in checked.outputs.items()}
    np.savez(folder / "windows.npz", sizes=checked.sizes, **arrays)


def differences(folder: Path) -> dict[str, tuple[int, float]]:
    """Return windows and the largest difference of each file, as a process of its own finds."""
    script = folder.parent / "elsewhere.py"
    script.write_text(ELSEWHERE)
    command = [sys.executable, "-I", "-S", str(script), sysconfig.get_path("purelib"), str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found = {}
    for line in done.stdout.splitlines():
        name, windows, worst = line.split()
        found[name] = (int(windows), float(worst))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ways", type=int, default=3, help="columns whose choices all meet")
    parser.add_argument("--most", type=int, default=10_000, help="rows of the grid, at most")
    options = parser.parse_args()
    rows = list(itertools.islice(rows_of_grid(options.ways), options.most))
    for number, row in enumerate(rows):
        row["format"] = "savedmodel" if number % SAVED_MODELS == SAVED_MODELS - 1 else "onnx"
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder, "files")
        files.mkdir()
        for number, row in enumerate(rows):
            write(row, files / f"{number:04}", number)
            if number % 10 == 9:
                print(f"{number + 1} of {len(rows)} written", flush=True)
        found = differences(files)
    worst = {number: found[f"{number:04}"][1] for number in range(len(rows))}
    print(f"{'column':12} {'choice':20} {'files':>5} {'worst':>8}")
    for name, values in {**GRID, "format": ("onnx", "savedmodel")}.items():
        for value in values:
            own = [worst[number] for number, row in enumerate(rows) if row[name] == value]
            shown = f"{max(own):.1e}" if own else "-"
            print(f"{name:12} {value!s:20} {len(own):5} {shown:>8}")
    windows = [count for count, _ in found.values()]
    print(
        f"{len(rows)} files, {min(windows)} to {max(windows)} windows each, {sum(windows):,} in "
        f"all: the largest relative difference is {max(worst.values()):.1e}; allowed {TOLERANCE:g}"
    )
    return int(max(worst.values()) > TOLERANCE)


if __name__ == "__main__":
    sys.exit(main())
