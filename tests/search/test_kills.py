"""A killed search, or one with a full disk, resumes unharmed; `make search-proofs` tries all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "kills.py"
ROOT = SCRIPT.parents[2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="searches are killed in forks")
@pytest.mark.timeout(400)
@pytest.mark.parametrize("algorithm", ["random", "bayesian"])
@pytest.mark.proof
def test_nothing_is_lost_or_done_twice(algorithm: str) -> None:
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    environment = {
        **os.environ,
        "PYTHONPATH": paths,
        "FORECAST_NATIVE": "0",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    few = ["--algorithms", algorithm, "--every", "101", "--moments", "3", "--full", "2"]
    done = subprocess.run(
        [sys.executable, SCRIPT, *few], capture_output=True, text=True, env=environment, check=False
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (
        done.stdout.count(
            " breaks: 0 unresumable, 0 with other results, 0 with trainings repeated, 0 "
        )
        == 6
    )
