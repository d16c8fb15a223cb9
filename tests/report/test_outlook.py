"""The first section of the page: its numbers are those of the files, and no folder of the writer is
on it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from panels import forecast_after
from reports import a_result, page_of, write_run

from forecast.data.load import load_panel
from forecast.data.panel import Columns, Panel
from forecast.files.yaml import parse_yaml
from forecast.report.outlook import MAX_ROWS, OPEN_ROWS
from forecast.report.totals import period_totals
from forecast.report.words import table_name, title_of
from forecast.runs import pictures
from forecast.runs.pictures import plot_run
from forecast.runs.records import write_past
from forecast.runs.stored import read_totals
from forecast.scores.forecast import Forecast

FOLDER = "/home/somebody/my: data/"
"""A path that YAML quotes."""


def a_panel(freq: str, rows: dict[str, int], *, tz: str | None = None, scale: float = 1.0) -> Panel:
    rng = np.random.default_rng(0)
    parts = [
        pd.DataFrame(
            {
                "shop": name,
                "day": pd.date_range("2022-01-01", periods=count, freq=freq, tz=tz),
                "sales": scale * rng.normal(100, 20, count),
            }
        )
        for name, count in rows.items()
    ]
    columns = Columns(id_col="shop", time_col="day", target_cols=("sales",))
    return load_panel(pd.concat(parts, ignore_index=True), columns)


def ahead_of(panel: Panel, horizon: int) -> Forecast:
    size = np.abs(panel.targets).max()
    values = size * np.random.default_rng(1).normal(1, 0.1, (panel.num_series, horizon, 1))
    quantiles = values[..., None] + size * np.array([-0.2, 0.2])
    levels = (0.1, 0.9)
    return forecast_after(panel, values, alias="r", quantile_levels=levels, quantiles=quantiles)


def a_run(folder: Path, panel: Panel, forecast: Forecast) -> Path:
    """A run folder without a test set, as `fit` writes it."""
    write_run(folder, None)
    source = json.dumps(f"{FOLDER}sales.csv")
    (folder / "config.yaml").write_text(
        f"name: r\ndata:\n  source: {source}\n  id_col: shop\n  time_col: day\n"
        f"  target_cols: [sales]\nwindows:\n  context_length: 28\n  horizon: 14\n"
    )
    data = json.loads((folder / "data.json").read_text())
    data |= {"frequency": panel.freq.alias, "time_zone": panel.freq.tz}
    data["notes"] = [f"{FOLDER}sales.csv has a note"]
    (folder / "data.json").write_text(json.dumps(data))
    forecast.frame().to_csv(folder / "forecast.csv", index=False)
    write_past(folder, forecast, panel)
    return folder


def cells_of(html: str, label: str) -> list[list[str]]:
    (table,) = re.findall(f'aria-label="{re.escape(label)}">(.*?)</table>', html)
    rows = re.findall("<tr[^>]*>(.*?)</tr>", table)
    return [re.findall("<t[hd][^>]*>(.*?)</t[hd]>", row) for row in rows]


def value_of(cell: str) -> float:
    plain = cell.replace(",", "").replace("\N{MINUS SIGN}", "-").removesuffix(" %")
    number, _, unit = plain.partition(" ")
    return float(number) * {"": 1.0, "mn": 1e6, "bn": 1e9}[unit]


def page_text(folder: Path) -> str:
    page_of(folder)
    return (folder / "report.html").read_text()


@pytest.mark.parametrize("scale", [1.0, -30.0, 1.2e7])
def test_every_number_of_the_table_of_steps_is_that_of_the_file(tmp_path, scale):
    panel = a_panel("D", {"007": 500, "NA": 480}, scale=scale)
    folder = a_run(tmp_path / "run", panel, ahead_of(panel, 14))
    html = page_text(folder)
    written = pd.read_csv(folder / "forecast.csv", dtype={"shop": str}, keep_default_na=False)
    for name, label in (("007", "007"), ("NA", f"NA, ends {panel.timestamps[-1]:.10}")):
        head, *rows = cells_of(html, f"Steps of {label}")
        own = written[written["shop"] == name]
        assert head == ["day", "Forecast", "80 % from", "80 % to"]
        assert [row[0][4:] for row in rows] == own["day"].tolist()
        shown = np.array([[value_of(cell) for cell in row[1:]] for row in rows])
        wanted = own[["r", "r-lo-80", "r-hi-80"]].to_numpy()
        assert np.abs(shown - wanted).max() <= max(1e-3 * np.abs(wanted).max(), 0.5)


def test_every_number_of_the_totals_is_that_of_the_file_and_of_a_sum(tmp_path):
    panel = a_panel("D", {"a": 500, "b": 500})
    forecast = ahead_of(panel, 40)
    folder = a_run(tmp_path / "run", panel, forecast)
    html = page_text(folder)
    head, *rows = cells_of(html, "Totals of b by month")
    assert head == ["Month", "Total", "Mean", "Actual + forecast", "Year before", "Change"]

    ahead = forecast.frame().query("shop == 'b'").set_index("day")["r"]
    days = panel.freq.local(panel.timestamps[500:])
    past = pd.Series(panel.targets[500:, 0], days)
    every_day = pd.concat([past, ahead])
    by_month = every_day.groupby(every_day.index.to_period("M"))
    for name, total, mean, steps, before, change in rows:
        month = pd.Period(pd.Timestamp(name), "M")
        assert value_of(total) == pytest.approx(by_month.sum()[month], abs=0.51)
        assert value_of(mean) == pytest.approx(by_month.mean()[month], abs=0.06)
        num_ahead = int((ahead.index.to_period("M") == month).sum())
        num_days = int(by_month.size()[month])
        partial = f" of {month.days_in_month}" * (num_days < month.days_in_month)
        assert steps == f"{num_days - num_ahead} + {num_ahead}{partial}"
        if partial:
            assert (before, change) == ("-", "-")
        else:
            year_before = by_month.sum()[month - 12]
            assert value_of(before) == pytest.approx(year_before, abs=0.51)
            wanted = 100 * (by_month.sum()[month] / year_before - 1)
            assert value_of(change) == pytest.approx(wanted, abs=0.06)
    assert [row[3] for row in rows] == ["15 + 16", "0 + 24 of 30"]


def test_no_folder_of_the_writer_is_on_the_page(tmp_path):
    panel = a_panel("D", {"a": 100})
    html = page_text(a_run(tmp_path / "run", panel, ahead_of(panel, 7)))
    assert "somebody" not in html
    assert str(tmp_path) not in html
    assert "sales.csv has a note" in html
    assert "source: sales.csv" in html
    assert html.index("f00d") > html.index("Repeat this run"), "the fingerprint is at the end"


@pytest.mark.parametrize(
    ("source", "name", "title"),
    [
        ("/a/b/sales.csv", "sales.csv", "y, forecast of sales.csv"),
        ("C:\\Users\\me\\Umsätze 2024.xlsx", "Umsätze 2024.xlsx", None),
        ("dataset:air_passengers", "air_passengers", "y, forecast of air_passengers"),
        ("-", "standard input", None),
        (None, "", "y, forecast"),
    ],
)
def test_titles_name_the_targets_and_the_table(source, name, title):
    settings = {"data": {"source": source, "target_cols": ["y"]}}
    assert table_name(settings) == name
    if title:
        assert title_of(settings) == title
    assert title_of(settings, "backtest").startswith("y, backtest")


def test_a_backtest_that_chose_its_columns_is_named_after_them(tmp_path):
    config = "name: auto\ndata:\n  source: a/air.csv\n  target_cols: auto\n  time_col: auto\n"
    (tmp_path / "config.yaml").write_text(config)
    columns = Columns(time_col="month", target_cols=("passengers",)).model_dump(mode="json")
    (tmp_path / "forecasts.json").write_text(json.dumps({"columns": columns}))
    assert pictures._subject(tmp_path) == "passengers, air.csv"


def test_a_title_names_a_few_targets():
    names = [f"t{number}" for number in range(6)]
    settings = {"data": {"source": "x.csv", "target_cols": names}}
    assert title_of(settings) == "t0, t1, t2 and 3 more, forecast of x.csv"
    settings["data"]["target_cols"] = names[:3]
    assert title_of(settings) == "t0, t1 and t2, forecast of x.csv"


def test_series_that_end_early_are_named_and_shown(tmp_path):
    panel = a_panel("D", {"a": 100, "b": 60, "c": 100})
    page = page_of(a_run(tmp_path / "run", panel, ahead_of(panel, 7)))
    assert "1 of 3 series ends before the others: b (2022-03-01)." in page.words("p")
    assert page.words("option") == ["a", "b, ends 2022-03-01", "c"]


def test_of_many_series_the_choice_is_said(tmp_path):
    panel = a_panel("D", {f"s{number:03d}": 30 for number in range(100)})
    folder = a_run(tmp_path / "run", panel, ahead_of(panel, 7))
    page = page_of(folder)
    assert len(page.words("option")) == 48
    assert any("Shown are 48 of 100 series, evenly spaced" in text for text in page.words("p"))
    recent = pd.read_parquet(folder / "recent.parquet")
    assert sorted(recent["shop"].unique()) == page.words("option")


@pytest.mark.parametrize("horizon", [1, OPEN_ROWS, OPEN_ROWS + 1, MAX_ROWS + 1])
def test_long_tables_are_folded_and_then_cut(tmp_path, horizon):
    panel = a_panel("h", {"a": 400}, tz="Europe/Berlin")
    html = page_text(a_run(tmp_path / "run", panel, ahead_of(panel, horizon)))
    _, *rows = cells_of(html, "Steps of a")
    assert len(rows) == min(horizon, MAX_ROWS)
    folded = f"The {horizon:,} steps" in html or "The first" in html
    assert folded == (horizon > OPEN_ROWS)
    assert (f"The first {MAX_ROWS} of {horizon} steps; forecast.csv has all" in html) == (
        horizon > MAX_ROWS
    )


def test_a_run_that_lacks_known_covariates_says_how_to_forecast(tmp_path):
    folder = write_run(tmp_path / "run", a_result())
    config = (folder / "config.yaml").read_text()
    config = config.replace("  target_cols", "  known_covariates: [price, promo]\n  target_cols")
    (folder / "config.yaml").write_text(config)
    page = page_of(folder)
    assert any("need price, promo ahead" in text for text in page.words("p"))
    assert any("--template ahead.csv" in text for text in page.words("pre"))
    assert page.words("h2")[0] == "Forecast"


def test_a_folder_of_an_earlier_version_is_drawn_from_what_it_has(tmp_path):
    panel = a_panel("D", {"a": 100, "b": 100})
    folder = a_run(tmp_path / "run", panel, ahead_of(panel, 7))
    for name in ("recent.parquet", "totals.csv"):
        (folder / name).unlink(missing_ok=True)
    assert "Totals of" not in page_text(folder)
    assert (folder / "forecast.png") in plot_run(folder)


def test_series_without_a_test_window_are_counted(tmp_path):
    result = a_result(num_series=4)
    result = result.take(np.flatnonzero(result.series < 3))
    page = page_of(write_run(tmp_path / "run", result))
    assert any("3 of 4 series have test windows; without: 's003'" in t for t in page.words("p"))


def test_ids_of_several_columns_find_their_totals_and_their_past(tmp_path):
    """Also where a column of the id has the name of a column of the totals."""
    days = pd.date_range("2022-01-01", periods=500)
    frame = pd.concat(
        [
            pd.DataFrame({"period": store, "target": item, "day": days, "sales": 1.0 + number})
            for number, (store, item) in enumerate((("1", "23"), ("12", "3"), ("<b>", "a, b")))
        ]
    )
    columns = Columns(id_col="period,target", time_col="day", target_cols=("sales",))
    panel = load_panel(frame, columns)
    forecast = ahead_of(panel, 14)
    folder = a_run(tmp_path / "run", panel, forecast)
    config = folder / "config.yaml"
    config.write_text(config.read_text().replace("id_col: shop", "id_col: period,target"))
    settings = parse_yaml(config.read_text(), "config.yaml").value
    totals = read_totals(folder / "totals.csv", settings)
    wanted = period_totals(forecast, panel)
    assert totals["series"].tolist() == wanted["series"].tolist()
    assert np.allclose(totals["year_before"], wanted["year_before"], equal_nan=True)

    page = page_of(folder)
    names = [str(series_id) for series_id in panel.series_ids]
    assert page.words("option") == names
    for number, series_id in enumerate(panel.series_ids):
        readings = page.readings(f"{series_id}: forecast")
        actual = [row[2] for row in readings["rows"] if row[2]]
        assert set(actual) == {str(1 + ("1", "12", "<b>").index(series_id[0]))}, number
        assert f"Totals of {series_id} by week" in str(page.elements)


def test_the_members_and_the_reason_for_no_test_set_are_on_the_page(tmp_path):
    panel = a_panel("D", {"a": 100})
    folder = a_run(tmp_path / "run", panel, ahead_of(panel, 7))
    about = {
        "ensemble": "98 % ridge regression (context 28), 2 % network (context 28)",
        "architecture": "segment_bigru",
        "not_tested": "100 rows are too few for a test set: give 20 more",
        "notes": ["an interval <is> missing", f"{FOLDER}sales.csv has a note"],
    }
    (folder / "forecast.json").write_text(json.dumps(about))
    page = page_of(folder)
    assert "Made by 98 % ridge regression (context 28), 2 % network (context 28)." in page.words(
        "p"
    )
    assert page.words("p").count("100 rows are too few for a test set: give 20 more.") == 2
    assert page.words("li") == ["an interval <is> missing", "sales.csv has a note"]
    (folder / "forecast.json").write_text(json.dumps({"architecture": "bigru"}))
    assert "Made by one network of the architecture bigru." in page_of(folder).words("p")


def test_without_a_forecast_the_picture_is_of_the_last_test_window(tmp_path):
    result = a_result(num_series=3)
    folder = write_run(tmp_path / "run", result)
    drawn = plot_run(folder)
    assert drawn[0] == folder / "forecast.png"
    figure = pictures._last_window_figure(result, result.frame(), folder)
    for number, axes in enumerate(axes for axes in figure.axes if axes.get_visible()):
        last = int(np.flatnonzero(result.series == number)[-1])
        ahead = axes.lines[-1].get_ydata()
        assert np.array_equal(ahead[-6:], result.forecasts["bigru"][last, :, 0])
