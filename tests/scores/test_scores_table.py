"""One table of scores: a metric that is entered there shows up wherever scores are shown."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reports import HOSTILE, a_result, write_run

from forecast import METRICS, Experiment, scores_by
from forecast.errors import ConfigError
from forecast.experiment.file import load_experiment
from forecast.runs.pictures import report_run
from forecast.scores import metrics, quantile_metrics
from forecast.scores.evaluation import BacktestResult
from forecast.scores.measure import Score
from forecast.scores.metrics import SCORES
from forecast.scores.scoring import entry_of, objectives
from forecast.scores.verdict import Scores

SETTINGS = {
    "data": {"target_cols": ["y"]},
    "windows": {"horizon": 2},
    "search": {"space": {"model.units": {"choice": [8, 16]}}},
}


def median_error(actual: Any, forecast: Any, *, axis: Any = None) -> Any:
    return np.nanmedian(np.abs(actual - forecast), axis=axis)


def worst_scaled(actual: Any, forecast: Any, scale: Any, *, axis: Any = None) -> Any:
    return np.nanmax(np.abs(actual - forecast) / scale, axis=axis)


def far_misses(actual: Any, lower: Any, upper: Any, *, axis: Any = None) -> Any:
    return np.nanmean((actual < lower - 1) | (actual > upper + 1), axis=axis)


@pytest.fixture
def foreign(monkeypatch: pytest.MonkeyPatch) -> None:
    """Metrics of another package, entered into the table."""
    monkeypatch.setitem(SCORES, "MedAE", Score(median_error))
    monkeypatch.setitem(SCORES, "worst<1>", Score(worst_scaled, needs=("forecast", "scale")))
    monkeypatch.setitem(SCORES, "far", Score(far_misses, needs=("lower", "upper"), style=".1%"))


def with_scales(result: BacktestResult) -> BacktestResult:
    scale = 1.0 + result.series[:, None]
    return replace(result, scale=scale + np.zeros((1, result.actual.shape[2])))


def values_in_words(expected: float, text: str) -> bool:
    """Whether a number stands in a text, at the precision that it is printed with."""
    numbers = re.findall(r"(?<![\w.])\d[\d,]*\.\d+", text)
    for one in numbers:
        unit = 10.0 ** -len(one.split(".")[1])
        if abs(float(one.replace(",", "")) - expected) <= unit / 2:
            return True
    return False


@pytest.mark.usefixtures("foreign")
def test_a_foreign_metric_is_printed_stored_and_broken_down() -> None:
    result = with_scales(a_result(fan=True))
    scores = result.scores()
    text = scores.text()
    errors = np.abs(result.actual - result.forecasts["linear"])[:, :, 0]
    heading = next(line for line in text.splitlines() if line.startswith("model"))
    assert {"MedAE", "worst<1>"} <= set(heading.split())
    row = next(line for line in text.splitlines() if line.startswith("linear"))
    worst = max((errors / (1.0 + result.series[:, None])).ravel())
    for expected in (sorted(errors.ravel())[299:301], [worst]):
        assert values_in_words(sum(expected) / len(expected), row)
    assert scores.to_dict()["values"]["linear"]["worst<1>"] == pytest.approx(worst)
    html = scores._repr_html_()
    assert "worst&lt;1&gt;" in html
    assert "worst<1>" not in html

    for by, groups in (("series", result.series), ("cutoff", result.cutoffs)):
        table = scores_by(result, by)
        rows = table[table["model"] == "linear"]
        expected = [np.median(errors[groups == one]) for one in np.unique(groups)]
        np.testing.assert_allclose(rows["MedAE"], expected)
    steps = scores_by(result, "step")
    by_step = steps.loc[steps["model"] == "linear", "MedAE"]
    np.testing.assert_allclose(by_step, np.median(errors, axis=0))

    assert result.quantiles is not None
    far = (result.actual < result.quantiles[..., 0] - 1) | (
        result.actual > result.quantiles[..., 1] + 1
    )
    assert scores.values["bigru"]["far-80"] == pytest.approx(far.mean())
    second = text[text.index("quantiles of levels") :]
    assert "far" in second.splitlines()[2]
    assert f"{100 * far.mean():.1f} %" in second


@pytest.mark.usefixtures("foreign")
def test_a_foreign_metric_is_in_the_report_and_escaped(tmp_path: Path) -> None:
    result = with_scales(a_result(fan=True))
    page = report_run(write_run(tmp_path / "run", result)).read_text()
    assert '<th scope="col">MedAE</th>' in page
    assert '<th scope="col">worst&lt;1&gt;</th>' in page
    assert "worst<1>" not in page
    table = page[page.index('aria-label="Scores of quantiles and intervals"') :].split("</table>")[
        0
    ]
    assert '<th scope="col">far</th>' in table


@pytest.mark.usefixtures("foreign")
def test_a_foreign_metric_is_an_objective_of_a_search(tmp_path: Path) -> None:
    path = tmp_path / "search.yaml"
    path.write_text(json.dumps(SETTINGS))
    config = load_experiment(path, ["search.objective=MedAE"])
    assert config.search is not None
    assert config.search.objective == "MedAE"


def test_an_objective_is_a_score_whose_lowest_value_is_best(tmp_path: Path) -> None:
    path = tmp_path / "search.yaml"
    path.write_text(json.dumps(SETTINGS))
    for name in objectives():
        config = load_experiment(path, [f"search.objective={name}"])
        assert config.search is not None
        assert config.search.objective == name
    assert {"MAE", "MASE", "CRPS", "pinball", "WQL"} <= set(objectives())
    for wrong in ("bias", "coverage", "width", "Winkler", "MedAE"):
        with pytest.raises(ConfigError, match=r"search.objective is .*; expected 'MSE', 'MAE', "):
            load_experiment(path, [f"search.objective={wrong}"])
    enum = Experiment.model_json_schema()["$defs"]["SearchConfig"]["properties"]["objective"]
    assert enum["enum"] == list(objectives())


def test_every_metric_is_in_the_table_and_in_the_scores() -> None:
    functions = {score.function for score in SCORES.values()}
    assert set(METRICS.values()) <= functions
    written = {
        one
        for module in (metrics, quantile_metrics)
        for name, one in vars(module).items()
        if callable(one) and getattr(one, "__kwdefaults__", None) == {"axis": None}
    }
    assert written == functions
    values = a_result(fan=True).scores().values["bigru"]
    assert {entry_of(name)[0] for name in values} == set(SCORES)  # type: ignore[index]
    lower = {name.lower(): score.function for name, score in SCORES.items()}
    assert {name: lower[name] for name in METRICS} == METRICS


def test_names_lead_back_to_their_entry() -> None:
    assert entry_of("MAE") == ("MAE", None)
    assert entry_of("coverage-80") == ("coverage", 80.0)
    assert entry_of("Winkler-97.5") == ("Winkler", 97.5)
    assert entry_of("MedAE") is None
    assert entry_of("MAE-80") is None
    assert entry_of("seen-before") is None


def fan_result() -> BacktestResult:
    """An evaluation with two nested intervals and a median."""
    result = a_result(fan=True)
    ends = np.array([-4.0, -1.0, 0.0, 1.0, 4.0])
    quantiles = result.forecasts["bigru"][..., None] + ends
    return replace(result, quantile_levels=(0.025, 0.1, 0.5, 0.9, 0.975), quantiles=quantiles)


def test_quantiles_have_a_table_of_their_own_that_fits_a_terminal() -> None:
    result = fan_result()
    text = result.scores().text()
    assert max(map(len, text.splitlines())) <= 100
    start = text.index("quantiles of levels 0.025, 0.1, 0.5, 0.9, 0.975")
    lines = text[start:].splitlines()
    assert lines[2].split() == [
        *("model", "pinball", "WQL", "CRPS"),
        *("interval", "coverage", "width", "Winkler"),
    ]
    distance = np.abs(result.actual - result.forecasts["bigru"])
    first = lines[4].split()
    second = lines[5].split()
    assert first[0] == second[0] == "bigru"
    inside = [f"{100 * np.mean(distance <= half):.1f}" for half in (1, 4)]
    assert first[4:9] == ["80", "%", inside[0], "%", "2.000"]
    assert second[1:6] == ["95", "%", inside[1], "%", "8.000"]
    assert "linear" not in "\n".join(lines[:6])  # a baseline without quantiles
    assert "*" not in "\n".join(lines[:6])  # nothing to compare with

    points = replace(result, quantile_levels=(), quantiles=None)
    assert points.scores().text() == text[:start] + "\n".join(lines[7:])


def test_two_models_with_quantiles_are_compared_at_each_level() -> None:
    result = fan_result()
    scores = result.scores()
    wider = {**scores.values["bigru"], "pinball": 9.0, "Winkler-80": 0.1, "Winkler-95": 99.0}
    both = replace(scores, values={**scores.values, "linear": wider})
    text = both.text()
    lines = text[text.index("quantiles of levels") :].splitlines()[4:8]
    ends = [line.rstrip().endswith("*") for line in lines]
    assert ends == [False, True, True, False]
    assert [line.split()[0] for line in lines] == ["bigru", "bigru", "linear", "linear"]
    assert lines[0].split()[1].endswith("*")  # pinball
    assert not lines[2].split()[1].endswith("*")


def test_quantiles_without_an_interval_have_no_columns_of_intervals() -> None:
    result = fan_result()
    assert result.quantiles is not None
    median = replace(result, quantile_levels=(0.5,), quantiles=result.quantiles[..., 2:3])
    scores = median.scores()
    assert scores.values["bigru"]["pinball"] == pytest.approx(scores.values["bigru"]["MAE"] / 2)
    assert scores.values["bigru"]["CRPS"] == pytest.approx(scores.values["bigru"]["MAE"])
    text = scores.text()
    lines = text[text.index("quantiles of levels 0.5") :].splitlines()
    assert lines[2].split() == ["model", "pinball", "WQL", "CRPS"]


def test_scores_of_quantiles_survive_json_and_earlier_files_still_load() -> None:
    scores = fan_result().scores()
    stored = json.loads(json.dumps(scores.to_dict(), allow_nan=False))
    assert Scores.from_dict(stored) == scores
    assert Scores.from_dict(stored).text() == scores.text()

    names = ("MSE", "MAE", "RMSE", "sMAPE", "MASE")
    del stored["quantile_levels"]
    stored["values"] = {
        model: {name: row[name] for name in names} for model, row in stored["values"].items()
    }
    earlier = Scores.from_dict(stored)
    assert earlier.names == names
    assert "quantiles" not in earlier.text()
    gone = {model: {**row, "gone": 1.0} for model, row in stored["values"].items()}
    assert Scores.from_dict({**stored, "values": gone}).text() == earlier.text()


def test_the_report_shows_the_scores_of_quantiles(tmp_path: Path) -> None:
    page = report_run(write_run(tmp_path / "run", fan_result())).read_text()
    table = page[page.index('aria-label="Scores of quantiles and intervals"') :].split("</table>")[
        0
    ]
    for name in ("pinball", "WQL", "CRPS", "coverage", "width", "Winkler"):
        assert f'<th scope="col">{name}</th>' in table
    assert table.count("<td>95 %</td>") == 1
    points = report_run(write_run(tmp_path / "points", a_result())).read_text()
    assert "Scores of quantiles" not in points


def test_signs_are_said_where_residuals_and_a_bias_are_shown(tmp_path: Path) -> None:
    signs = "residual = actual - forecast; bias = mean(forecast - actual)"
    result = a_result()
    page = report_run(write_run(tmp_path / "run", result)).read_text()
    section = page[page.index(">Residuals<") :].split("</section>")[0]
    assert signs in section

    from forecast.report.plots import plot_residuals

    assert signs in plot_residuals(result).axes[0].get_xlabel()

    high = replace(result, forecasts={name: result.actual + 2.0 for name in result.forecasts})
    assert scores_by(high)["bias"].tolist() == pytest.approx([2.0, 2.0])
    from forecast.scores.residuals import comparable_residuals

    assert (comparable_residuals(high)[0] == -2.0).all()


def test_results_are_a_line_and_their_tables_escaped() -> None:
    result = fan_result()
    forecast = result.forecast("bigru", np.array([0, 25, 26]))
    scores = result.scores()
    for one in (result, forecast, scores):
        assert "\n" not in repr(one)
        assert len(repr(one)) < 200
    assert repr(forecast) == (
        "Forecast('bigru': 2 series, 3 cutoffs, horizon 6, of a<b, quantiles 0.025, 0.1, 0.5, "
        "0.9, 0.975)"
    )
    assert "100 windows of 5 series" in repr(result)
    assert "against 'linear'" in repr(scores)

    for one, rows in ((result, 600), (forecast, 18)):
        html = one._repr_html_()
        assert html.count("<tr") == 11  # the heading and ten rows
        assert f"{rows} rows" in html
        assert HOSTILE not in html
        assert "&lt;/script&gt;" in html
        assert "a<b" not in html
    named = replace(scores, values={"<i>": scores.values["linear"], **scores.values})
    html = replace(named, notes=(HOSTILE,))._repr_html_()
    assert "<i>" not in html
    assert HOSTILE not in html
    assert f"<b>{scores.values['bigru']['MAE']:.4f}</b>" in html
    assert '<th scope="col">Winkler</th>' in html
