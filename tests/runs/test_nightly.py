"""The commands of docs/production.md, from the first night on."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

PAGE = Path(__file__).parents[2] / "docs" / "production.md"


def sales(days: int) -> pd.DataFrame:
    """Two stores, prices included; the columns of the page."""
    draw = np.random.default_rng(2)
    frames = []
    for number, store in enumerate(("a", "b")):
        wave = 5 * np.sin(2 * np.pi * np.arange(days) / 7)
        frames.append(
            pd.DataFrame(
                {
                    "store": store,
                    "date": pd.date_range("2025-01-01", periods=days, freq="D"),
                    "sales": (30 + 10 * number + wave + draw.normal(0, 1, days)).round(2),
                    "price": draw.uniform(1, 2, days).round(2),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def block(heading: str, language: str) -> str:
    """The first block of a language under a heading of the page."""
    part = PAGE.read_text().partition(f"\n## {heading}\n")[2]
    found = re.search(rf"```{language}\n(.*?)```", part, re.DOTALL)
    assert found is not None
    return found[1]


def script() -> str:
    """The script `night.sh` of the page."""
    parts = re.findall(r"```text\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return next(part for part in parts if part.startswith("#!/bin/sh"))


@pytest.mark.proof  # a fit and three updates
@pytest.mark.timeout(900)
def test_three_nights_run_as_they_are_written(tmp_path: Path) -> None:
    """The first night has nothing to compare yet, which is no failure; the third has."""
    table = sales(115)
    begin = table["date"].min()

    def rows(first: int, stop: int, name: str) -> None:
        day = (table["date"] - begin).dt.days
        table[(day >= first) & (day < stop)].to_csv(tmp_path / name, index=False)

    commands = tmp_path / "bin"
    commands.mkdir()
    own = commands / "forecast"
    own.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m forecast "$@"\n')
    own.chmod(0o755)
    root = str(Path(__file__).parents[2])
    variables = {**os.environ, "PATH": f"{commands}:{os.environ['PATH']}", "PYTHONPATH": root}

    def run(text: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "-c", text],
            cwd=tmp_path,
            env=variables,
            capture_output=True,
            text=True,
            check=False,
        )

    rows(0, 110, "sales.csv")
    once = run("set -e\n" + block("Once", "bash"))
    assert once.returncode == 0, once.stderr
    (tmp_path / "night.sh").write_text(script())
    for night in range(3):
        rows(110 + night, 111 + night, "newer.csv")  # the rows of the day alone
        done = run("sh night.sh")
        printed = done.stdout + done.stderr
        assert done.returncode in (0, 1) if night else done.returncode == 0, printed
        assert "update failed" not in printed
        assert "Traceback" not in printed
        assert ("nothing to compare" in printed) == (night == 0)
        made = pd.read_csv(tmp_path / "tomorrow.csv")
        assert pd.Timestamp(made["date"].min()) == begin + pd.Timedelta(days=111 + night)
    assert (tmp_path / "runs" / "sales" / "monitor.html").is_file()
