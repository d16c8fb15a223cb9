"""A process without the package that runs an exported file."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

ELSEWHERE = """
import json, sys
sys.path.append(sys.argv[3])  # without .pth files, which add checkouts
import numpy as np
try:
    import forecast
except ImportError:
    pass
else:
    raise SystemExit("the package is here")
described = json.load(open(sys.argv[1]))
example = described["example"]
inputs = {
    port["name"]: np.array(example["inputs"][port["name"]], port["type"])
    for port in described["inputs"]
}
if described["format"] == "onnx":
    import onnxruntime
    session = onnxruntime.InferenceSession(sys.argv[2])
    found = session.run(["forecast"], inputs)[0]
elif described["format"] == "litert":
    from ai_edge_litert.interpreter import Interpreter
    run = Interpreter(sys.argv[2]).get_signature_runner()
    found = run(**inputs)["forecast"]
else:
    import tensorflow as tf
    run = tf.saved_model.load(sys.argv[2]).signatures["serving_default"]
    found = run(**{name: tf.constant(array) for name, array in inputs.items()})["forecast"]
difference = np.abs(np.array(found) - np.array(example["outputs"]["forecast"])).max()
print(float(difference / np.abs(found).max()))
"""
"""Runs a file on the example in its description, and prints the relative difference."""


def difference_elsewhere(output: Path) -> float:
    """Return the difference that another process finds between a file and its description.

    Args:
        output: the file or folder.
    """
    described = output / "description.json" if output.is_dir() else output.with_suffix(".json")
    script = output.parent / "run_elsewhere.py"
    script.write_text(ELSEWHERE)
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            "-S",
            str(script),
            str(described),
            str(output),
            sysconfig.get_path("purelib"),
        ],
        capture_output=True,
        text=True,
        cwd=output.parent,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return float(done.stdout)
