"""A run folder without a model, and its page, for tests of the report."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd

from forecast.data.frequency import Frequency
from forecast.data.panel import Columns
from forecast.runs.pictures import report_run
from forecast.runs.records import write_histories, write_result
from forecast.scores.evaluation import BacktestResult
from forecast.scores.history import History

HOSTILE = "</script><script>alert(1)</script>"


class Page(HTMLParser):
    """Elements of a page as a reader of the standard sees them, with their text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append((self.elements[-1][0] if self.elements else "", data))

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def words(self, tag: str) -> list[str]:
        return [text for name, text in self.texts if name == tag and text.strip()]

    def readings(self, title: str) -> dict[str, object]:
        found = [one for one in self.all("svg") if one.get("aria-label", "").startswith(title)]
        return json.loads(found[0]["data-readings"])


def page_of(folder: Path) -> Page:
    return Page(report_run(folder).read_text())


def a_result(
    num_series: int = 5,
    num_windows: int = 20,
    horizon: int = 6,
    targets: int = 1,
    *,
    fan: bool = False,
) -> BacktestResult:
    """Hourly windows at shared cutoffs; the first series has a hostile name."""
    rng = np.random.default_rng(3)
    count = num_series * num_windows
    cutoffs = np.datetime64("2024-03-01T00", "ns") + np.tile(
        np.arange(num_windows), num_series
    ) * np.timedelta64(1, "h")
    stamps = cutoffs[:, None] + (1 + np.arange(horizon)) * np.timedelta64(1, "h")
    series = np.repeat(np.arange(num_series), num_windows)
    level = 100.0 + series[:, None, None] + np.arange(targets)
    hour = (stamps.astype("datetime64[h]").astype(np.int64) % 24)[:, :, None]
    actual = level + 10 * np.sin(2 * np.pi * hour / 24) + np.zeros((count, horizon, targets))
    forecasts = {
        name: actual + rng.normal(0.5, size, actual.shape)
        for name, size in (("bigru", 1), ("linear", 2))
    }
    spread = np.array([-2.0, 2.0])
    return BacktestResult(
        alias="bigru",
        baselines=("linear",),
        series_ids=np.array([HOSTILE, *(f"s{one:03d}" for one in range(1, num_series))], object),
        series=series,
        cutoffs=cutoffs,
        stamps=stamps,
        actual=actual,
        forecasts=forecasts,
        scale=np.ones((count, targets)),
        season_length=24,
        columns=Columns(target_cols=("a<b", "c&d")[:targets]),
        freq=Frequency.parse("h"),
        quantile_levels=(0.1, 0.9) if fan else (),
        quantiles=forecasts["bigru"][..., None] + spread if fan else None,
    )


def write_run(folder: Path, result: BacktestResult | None) -> Path:
    """Write what a report reads; `None` for a run without a test part."""
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(
        "name: </title><b>run\ndata:\n  source: sales.csv\n  target_cols: ['</title><b>y']\n"
        "windows:\n  context_length: 48\n  horizon: 6\n"
    )
    data = {
        "fingerprint": "f00d",
        "num_series": 5,
        "num_rows": 900,
        "frequency": "h",
        "time_zone": None,
        "span": "2024-01-01 to 2024-03-02",
        "notes": [f"series {HOSTILE} has 3 gaps"],
    }
    environment = {"python": "3.11", "platform": "x", "packages": {"numpy": "2.0"}, "seed": 0}
    (folder / "data.json").write_text(json.dumps(data))
    (folder / "environment.json").write_text(json.dumps(environment))
    write_histories(
        {"seed 0": History((3.0, 2.0, 1.5), (3.5, 2.5, 2.6), (1e-3,) * 3, (1.0,) * 3, 2)}, folder
    )
    if result is not None:
        (folder / "scores.json").write_text(json.dumps(result.scores().to_dict()))
        observed = pd.DataFrame(
            {name: [] for name in ("unique_id", "ds", *result.columns.target_cols)}
        )
        write_result(folder, result, observed.astype({"unique_id": object, "ds": "datetime64[ns]"}))
    return folder
