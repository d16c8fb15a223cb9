"""The report page: what it says is what the run folder holds, and nothing in it runs or loads
anything."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from reports import HOSTILE, Page, a_result, page_of, write_run

from forecast.errors import ForecastError
from forecast.report.chart import MAX_POINTS, round_ticks, thin
from forecast.runs.pictures import plot_run, report_run
from forecast.runs.records import write_histories
from forecast.runs.stored import read_result
from forecast.scores.history import History


def test_names_from_the_data_stay_text(tmp_path):
    page = page_of(write_run(tmp_path / "run", a_result()))
    assert len(page.all("script")) == 1
    assert HOSTILE in page.words("option")
    assert any(HOSTILE in text for text in page.words("li"))
    assert not page.all("b") or "run" not in page.words("b")
    assert page.words("title") == ["</title><b>y, forecast of sales.csv: forecast report"]


def test_the_policy_allows_its_own_style_and_script_alone(tmp_path):
    text = report_run(write_run(tmp_path / "run", a_result(fan=True))).read_text()
    page = Page(text)
    policy = next(one["content"] for one in page.all("meta") if "http-equiv" in one)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    for tag in ("style", "script"):
        (content,) = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert rules[f"{tag}-src"] == f"'sha256-{digest}'"
    for _, attributes in page.elements:
        assert not attributes.keys() & {"style", "src", "srcset", "action"}
        assert not any(name.startswith("on") for name in attributes)
        assert attributes.get("href", "data:,") == "data:,"
    assert "@import" not in text
    assert "url(" not in text


def test_five_hundred_series_stay_below_five_megabytes(tmp_path):
    folder = write_run(
        tmp_path / "run", a_result(num_series=500, num_windows=6, horizon=96, fan=True)
    )
    path = report_run(folder)
    assert path.stat().st_size < 5_000_000
    shown = len(Page(path.read_text()).all("option"))
    assert f"Shown are {shown} of 500 series" in path.read_text()
    assert shown < 500


def test_the_choice_of_series_does_not_look_at_errors(tmp_path):
    result = a_result(num_series=120, num_windows=4)
    other = replace(result, forecasts={name: -one[::-1] for name, one in result.forecasts.items()})
    shown = [
        page_of(write_run(tmp_path / name, one)).words("option")
        for name, one in (("a", result), ("b", other))
    ]
    assert shown[0] == shown[1]
    assert len(set(shown[0])) == len(shown[0])


def test_errors_and_bias_by_step_are_those_of_loops(tmp_path):
    result = a_result(num_windows=7)
    page = page_of(write_run(tmp_path / "run", result))
    errors, bias = (
        page.readings("Mean absolute error of the model and the baselines by step"),
        page.readings("Bias"),
    )
    for step in range(6):
        row = dict(zip(errors["names"], errors["rows"][step][2:], strict=True))
        for name in ("bigru", "linear"):
            wanted = sum(
                abs(f - a)
                for f, a in zip(
                    result.forecasts[name][:, step, 0], result.actual[:, step, 0], strict=True
                )
            )
            assert float(row[name]) == pytest.approx(wanted / len(result.series), rel=1e-3)
        wanted = sum(
            f - a
            for f, a in zip(
                result.forecasts["bigru"][:, step, 0], result.actual[:, step, 0], strict=True
            )
        )
        assert float(bias["rows"][step][2]) == pytest.approx(wanted / len(result.series), rel=1e-3)


def test_a_chart_shows_the_values_of_its_stamps(tmp_path):
    result = a_result(fan=True)
    readings = page_of(write_run(tmp_path / "run", result)).readings("s002:")
    own = np.flatnonzero(result.series == 2)
    windows = own[[-13, -7, -1]]  # the last one, and others a horizon of 6 apart
    wanted = {
        str(stamp.astype("datetime64[m]")).replace("T", " "): (actual, forecast)
        for window in windows
        for stamp, actual, forecast in zip(
            result.stamps[window],
            result.actual[window, :, 0],
            result.forecasts["bigru"][window, :, 0],
            strict=True,
        )
    }
    found = {row[1]: dict(zip(readings["names"], row[2:], strict=True)) for row in readings["rows"]}
    assert {label for label, row in found.items() if row["bigru"]} == set(wanted)
    for label, (actual, forecast) in wanted.items():
        assert float(found[label]["actual"]) == pytest.approx(actual, rel=1e-3)
        assert float(found[label]["bigru"]) == pytest.approx(forecast, rel=1e-3)


def test_losses_of_every_network_are_on_the_page(tmp_path):
    folder = write_run(tmp_path / "run", None)
    networks = {
        "context 9, seed <1>": History((3.0, 2.0), (3.5, 2.5), (1e-3,) * 2, (4.0,) * 2, 2),
        "seed 0": History((2.5, 1.0, 0.5), (2.25, 2.75, 4.5), (1e-3,) * 3, (1.0,) * 3, 1),
    }
    write_histories(networks, folder)
    page = page_of(folder)
    for kind, wanted in (("Validation", {"val_loss"}), ("Training", {"loss"})):
        readings = page.readings(f"{kind} loss by epoch of 2 networks")
        assert readings["names"] == list(networks)
        for place, one in enumerate(networks.values()):
            drawn = [float(row[2 + place]) for row in readings["rows"] if row[2 + place]]
            assert drawn == list(getattr(one, *wanted))
    assert len([one for one in page.all("circle") if one["class"].startswith("ring")]) == 4
    cells = [text for tag, text in page.texts if tag == "td"]
    assert cells == ["2", "2", "2.5", "8", "1", "3", "2.25", "3"]


def test_losses_of_an_earlier_version_can_be_read(tmp_path):
    folder = write_run(tmp_path / "run", None)
    before = page_of(folder)
    content = json.loads((folder / "history.json").read_text())
    del content["networks"]
    (folder / "history.json").write_text(json.dumps(content))
    assert page_of(folder).readings("Loss by epoch") == before.readings("Loss by epoch")
    drawn = [plot_run(folder, out=tmp_path / "pictures")[0].read_bytes()]
    write_histories({"seed 0": History.from_dict(content)}, folder)
    assert [plot_run(folder, out=tmp_path / "pictures")[0].read_bytes()] == drawn


def test_of_a_large_evaluation_windows_that_are_equally_far_apart_are_stored(tmp_path, monkeypatch):
    result = a_result(num_series=2, num_windows=100)
    monkeypatch.setattr("forecast.runs.records.MAX_STORED_ROWS", 700)  # of 1200
    folder = write_run(tmp_path / "run", result)
    stored = read_result(folder)
    assert 1200 / 3 <= stored.actual.size <= 700
    kept = np.flatnonzero(np.isin(result.cutoffs, stored.cutoffs))
    assert set(np.diff(kept[kept < 100])) == {2}
    page = page_of(folder)
    assert any(one.get("aria-label", "").startswith("Autocorrelation") for one in page.all("svg"))
    left_out = stored.take(np.sort(np.random.default_rng(0).choice(100, 60, replace=False)))
    page = page_of(write_run(tmp_path / "other", left_out))
    assert any("no autocorrelation" in text for text in page.words("p"))


def test_every_baseline_has_a_colour_of_its_own(tmp_path):
    names = ("linear", "drift", "last_value", "window_mean", "seasonal_naive", "mine", "theirs")
    result = a_result(num_windows=60)
    forecasts = {
        "bigru": result.forecasts["bigru"],
        **dict.fromkeys(names, result.forecasts["linear"]),
    }
    page = page_of(
        write_run(tmp_path / "run", replace(result, forecasts=forecasts, baselines=names))
    )
    looks = [one["class"] for one in page.all("path") if "tone-" in one.get("class", "")]
    assert len({re.search(r"tone-\d", look)[0] for look in looks}) == len(names)
    assert len([look for look in looks if "dense" in look]) == 2 * len(names), (
        "lines and legend of the errors by cutoff"
    )


def test_headings_are_in_order_and_charts_have_words(tmp_path):
    page = page_of(write_run(tmp_path / "run", a_result(fan=True)))
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert all(one.get("aria-label") or one.get("aria-hidden") == "true" for one in page.all("svg"))
    identities = [one["id"] for _, one in page.elements if "id" in one]
    assert len(set(identities)) == len(identities)
    assert "Coverage of the intervals" in page.words("h2")


def test_several_targets_have_a_chart_each(tmp_path):
    page = page_of(write_run(tmp_path / "run", a_result(num_series=2, targets=2)))
    assert page.words("option") == [
        f"{HOSTILE} · a<b",
        f"{HOSTILE} · c&d",
        "s001 · a<b",
        "s001 · c&d",
    ]


def test_a_run_without_a_test_part_has_a_page(tmp_path):
    page = page_of(write_run(tmp_path / "run", None))
    assert "this model was not evaluated" in " ".join(page.words("p"))
    assert not page.all("select")
    assert not page.all("table")
    assert "Coverage of the intervals" not in page.words("h2")


def test_steps_ahead_are_shown_without_a_test_part_across_a_change_of_clocks(tmp_path):
    folder = write_run(tmp_path / "run", None)
    data = json.loads((folder / "data.json").read_text())
    (folder / "data.json").write_text(json.dumps({**data, "time_zone": "Europe/Berlin"}))
    rows = [
        f"{name},{stamp},2024-03-31 00:00:00+01:00,{10 * place + step}.5,1,20"
        for place, name in enumerate(("007", "NA"))
        for step, stamp in enumerate(("2024-03-31 01:00:00+01:00", "2024-03-31 03:00:00+02:00"))
    ]
    header = "unique_id,ds,cutoff,r,r-lo-80,r-hi-80"
    (folder / "forecast.csv").write_text("\n".join([header, *rows]) + "\n")
    config = (folder / "config.yaml").read_text().replace("</title><b>run", "r")
    (folder / "config.yaml").write_text(
        config.replace("  source", "  id_col: unique_id\n  time_col: ds\n  source")
    )
    page = page_of(folder)
    assert page.words("option") == ["007", "NA"]
    assert page.readings("NA: forecast")["names"] == ["forecast"]
    shown = [row[1:] for row in page.readings("NA: forecast")["rows"]]
    assert shown == [["2024-03-31 01:00", "10.5"], ["2024-03-31 03:00", "11.5"]]
    assert any("80 % interval" in text for _, text in page.texts)


def test_the_page_of_a_folder_is_always_the_same(tmp_path):
    folder = write_run(tmp_path / "run", a_result(fan=True))
    first = report_run(folder).read_bytes()
    assert report_run(folder, out=tmp_path / "again.html").read_bytes() == first


@pytest.mark.parametrize(
    "name", ["config.yaml", "data.json", "environment.json", "scores.json", "history.json"]
)
@pytest.mark.parametrize("damage", ["", "{", "{}", None])
def test_a_damaged_folder_is_refused_and_the_page_kept(tmp_path, name, damage):
    if (name, damage) in (("config.yaml", "{}"), ("environment.json", "{}")):
        pytest.skip("nothing in this file is needed")
    folder = write_run(tmp_path / "run", a_result())
    page = report_run(folder).read_bytes()
    (folder / name).unlink()
    if damage is not None:
        (folder / name).write_text(damage)
    with pytest.raises(ForecastError, match=re.escape(str(folder))):
        report_run(folder)
    assert (folder / "report.html").read_bytes() == page


def test_long_lines_keep_their_extremes():
    values = np.random.default_rng(0).normal(size=5_003)
    values[[17, 4_000]] = 99.0, -99.0
    values[100:200] = np.nan
    x, y = thin(np.arange(5_003.0), values)
    assert len(x) <= MAX_POINTS
    assert (np.diff(x) > 0).all()
    assert (np.nanmax(y), np.nanmin(y)) == (99.0, -99.0)
    assert np.array_equal(values[x.astype(int)], y, equal_nan=True)


@pytest.mark.parametrize("span", [(0.0, 1.0), (-3.7, 12.1), (1e8, 1e8 + 3), (0.0, 3e-7)])
def test_ticks_are_round_and_inside(span):
    ticks = round_ticks(*span)
    steps = np.diff(ticks)
    assert 3 <= len(ticks) <= 7
    assert span[0] <= ticks[0] <= ticks[-1] <= span[1]
    assert steps == pytest.approx(np.full(len(steps), steps[0]))
    assert not any(np.signbit(one) for one in ticks if one == 0), "a minus before 0"
