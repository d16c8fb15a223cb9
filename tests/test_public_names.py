"""The names a user imports: all there, all explained, none slow to come by."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import forecast

ROOT = Path(__file__).resolve().parents[1]
HEAVY = {"tensorflow", "keras", "keras_tuner", "pandas", "numpy", "matplotlib", "pyarrow", "pydantic"}
MODELLING = {"tensorflow", "keras", "keras_tuner"}
NEED_KERAS: set[str] = set()
"""Public names whose import starts TensorFlow."""


def loaded_after(code: str) -> set[str]:
    """Packages a fresh process has imported after running some code."""
    shown = f"{code}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", shown], check=True, capture_output=True, text=True, cwd=ROOT)
    return set(done.stdout.split())
