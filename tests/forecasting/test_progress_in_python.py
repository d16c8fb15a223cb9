"""`fit` in Python says how far it is, unless it is told not to; TensorFlow starts silently."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pandas as pd
import pytest

from forecast import Forecaster, ForecastError

SMALL = {"horizon": 4, "context_length": 8, "model": "bigru", "units": 4, "epochs": 1}


def table() -> pd.DataFrame:
    """Daily rows with a week."""
    days = pd.date_range("2025-01-01", periods=84)
    return pd.DataFrame({"ds": days, "y": [5.0, 6, 7, 8, 9, 2, 1] * 12})


def test_progress(capsys: pytest.CaptureFixture[str]) -> None:
    events: list[Any] = []
    shown = {}
    for name, settings in {
        "default": {},
        "off": {"verbose": 0},
        "reporter": {"reporter": events.append},
        "both": {"reporter": events.append, "verbose": 1},
    }.items():
        Forecaster(**SMALL).fit(table(), **settings)
        printed = capsys.readouterr()
        assert not printed.out  # results go there
        shown[name] = printed.err
    assert "windows of 8 + 4 rows" in shown["default"]
    assert "windows of 8 + 4 rows" in shown["both"]
    assert not shown["off"] + shown["reporter"]
    assert events


@pytest.mark.parametrize("verbose", ["yes", 3, None])
def test_unknown_verbosity_is_refused_before_anything_is_read(verbose: object) -> None:
    with pytest.raises(ForecastError, match="verbose is"):
        Forecaster(**SMALL).fit("no file.csv", verbose=verbose)  # type: ignore[arg-type]


@pytest.mark.proof
def test_tensorflow_starts_silently_and_other_output_is_kept() -> None:
    code = (
        "import os, pandas as pd\n"
        "from forecast import Forecaster\n"
        "from forecast.layers import runtime\n"
        "check = runtime.check_backend\n"
        "def chatty():\n"
        "    os.write(2, b'a line of the user\\n')\n"
        "    check()\n"
        "runtime.check_backend = chatty\n"
        "days = pd.date_range('2025-01-01', periods=84)\n"
        "table = pd.DataFrame({'ds': days, 'y': [5.0, 6] * 42})\n"
        f"Forecaster(**{SMALL}).fit(table, verbose=0).predict()\n"
    )
    environment = {name: value for name, value in os.environ.items() if "TF_CPP" not in name}
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment
    )
    assert done.stdout == ""
    assert set(done.stderr.splitlines()) == {"a line of the user"}
