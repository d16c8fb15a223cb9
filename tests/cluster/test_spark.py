"""The recipe for Spark of docs/scale.md, run as it is printed, on a Spark of this machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from cluster.stations import daily

from forecast import Forecaster
from forecast.cluster.frame_parts import FrameParts
from forecast.cluster.part_station import ForecastOptions
from forecast.cluster.predict_parts import predict_parts
from forecast.errors import ConfigError, DataError

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, a table of more series, and its parts."""
    folder = tmp_path_factory.mktemp("spark")
    settings = {"id": "store", "time": "day", "target": "sales", "horizon": 4}
    settings |= {"seeds": 0, "linear": "member", "simple": ()}
    table = daily(12).drop(columns="promo")
    forecaster = Forecaster(**settings).fit(table[table["store"] < "s2"], verbose=0)
    forecaster.save(folder / "runs" / "sales")
    table.to_parquet(folder / "sales.parquet")
    (folder / "parts").mkdir()
    for store, rows in table.groupby("store"):
        rows.to_parquet(folder / "parts" / f"{store}.parquet")
    return folder


def by_row(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows in one order, timestamps in one unit."""
    stamps = {name: frame[name].astype("datetime64[ns]") for name in ("day", "cutoff")}
    return frame.assign(**stamps).sort_values(["store", "day"], ignore_index=True)


def expected(folder: Path, output: Path, options: ForecastOptions) -> pd.DataFrame:
    """Forecasts of `forecast predict --parts`."""
    predict_parts(folder / "runs" / "sales", folder / "parts", output, options=options)
    return by_row(pd.concat([pd.read_parquet(path) for path in output.glob("*.parquet")]))


def test_frames_are_forecast_as_files_are(folder: Path, tmp_path: Path) -> None:
    options = ForecastOptions(horizon=2, level=(80.0,))
    table = pd.read_parquet(folder / "sales.parquet")
    part = FrameParts(folder / "runs" / "sales", options)
    pieces = [table.iloc[start : start + 97] for start in range(0, len(table), 97)]
    found = list(part(pieces))  # which cut through series
    assert len(found) == 1
    wanted = expected(folder, tmp_path / "out", options)
    pd.testing.assert_frame_equal(by_row(found[0]), wanted, rtol=1e-12)
    assert list(part([table.head(0)])) == []
    assert list(part([])) == []
    with pytest.raises(DataError, match="lacks 'sales'"):
        list(part([table.drop(columns="sales")]))
    with pytest.raises(ConfigError, match="horizon"):
        FrameParts(folder / "runs" / "sales", ForecastOptions(horizon=0))


def recipe() -> str:
    """The Python of the section about Spark."""
    text = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
    section = text.partition("## Spark")[2].partition("\n## ")[0]
    (code,) = re.findall(r"```text\n(.*?)```", section, re.S)
    return code


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_recipe_gives_the_forecasts_of_parts(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyspark", reason="pyspark is not installed: pip install pyspark")
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        pytest.skip("Spark needs Java: apt-get install default-jre-headless")
    (tmp_path / "recipe.py").write_text(recipe())
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    environment = {
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_SUBMIT_ARGS": "--master local[2] --conf spark.ui.enabled=false pyspark-shell",
    }
    done = subprocess.run(
        [sys.executable, "recipe.py"],
        cwd=tmp_path,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = pd.read_parquet(tmp_path / "forecasts")
    assert len(list((tmp_path / "forecasts").glob("*.parquet"))) > 1
    wanted = expected(folder, tmp_path / "out", ForecastOptions())
    pd.testing.assert_frame_equal(by_row(found), wanted, check_exact=True)
