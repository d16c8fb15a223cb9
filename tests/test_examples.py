"""The examples run, what they say of their numbers is so, and the stored outputs are those of the
stored sources.

The first notebook is run by the quick tests; the proofs run the others and the essay.
"""

from __future__ import annotations

import json
import re
import runpy
import struct
from base64 import b64decode
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from reference import run_cell

from forecast.experiment.prepare import open_panel
from forecast.intervals.coverage import coverage_by
from forecast.search.trial import make_folds

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))
WRITER = runpy.run_path(str(ROOT / "scripts" / "write_examples.py"))
ESSAY = runpy.run_path(str(EXAMPLES / "gru_from_scratch.py"))

slow_elsewhere = pytest.mark.timeout(300)
"""For machines that do other things as well: alone, each takes seconds."""


def words(text: str) -> list[str]:
    """A text without its numbers, stars and rules, which other processors may round otherwise."""
    return re.findall(r"[^\W\d_]{2,}", text)


def picture_size(png: bytes) -> tuple[int, ...]:
    """Width and height, from the head of the file."""
    return struct.unpack(">II", png[16:24])


def outline(notebook: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Every output in order: which cell, and its words or the size of its picture."""
    found: list[tuple[Any, ...]] = []
    for place, cell in enumerate(notebook["cells"]):
        for output in cell.get("outputs", ()):
            for kind, content in sorted(
                {"text": output.get("text", ""), **output.get("data", {})}.items()
            ):
                if kind == "image/png":
                    found.append((place, kind, picture_size(b64decode(content))))
                else:
                    found.append((place, kind, words("".join(content))))
    return found


def run(
    name: str, folder: Path, patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> dict[str, Any]:
    """Run a notebook in a folder; nothing may be printed but progress, and the outputs must be like
    the stored ones."""
    path = EXAMPLES / f"{name}.ipynb"
    notebook = WRITER["read_notebook"](path)
    stored = outline(notebook)
    patch.chdir(folder)
    names: dict[str, Any] = WRITER["run_notebook"](notebook)
    assert capsys.readouterr().out == ""  # progress goes to standard error
    assert outline(notebook) == stored, "bring the notebook up to date with `make examples`"
    return names


def value_of(scores: Any, model: str) -> float:
    return float(scores.values[model]["MAE"])


def test_there_are_four_notebooks() -> None:
    assert [path.stem[:2] for path in NOTEBOOKS] == ["01", "02", "03", "04"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_in_its_form(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert WRITER["text_of"](WRITER["read_notebook"](path)) == text, (
        "not as `make examples` leaves it: run that"
    )
    cells = json.loads(text)["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == [*range(1, len(code) + 1)]
    kinds = {output["output_type"] for cell in code for output in cell["outputs"]}
    assert kinds == {"stream", "execute_result"}
    assert {output.get("name", "stdout") for cell in code for output in cell["outputs"]} == {
        "stdout"
    }
    assert not re.search(r"(?<![\w.])/(?:home|root|work|tmp|usr|Users|private)/|[A-Z]:\\\\", text)
    for link in re.findall(
        r"\]\(([^)]+)\)", "".join(line for cell in cells for line in cell["source"])
    ):
        assert (EXAMPLES / link).exists(), link


@slow_elsewhere
def test_first_forecast(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = run("01_first_forecast", tmp_path, monkeypatch, capsys)
    judged, scores = names["judged"], names["scores"]
    assert scores.best_baseline == "linear"
    for score in ("MAE", "MSE"):
        assert min(scores.values, key=lambda model: scores.values[model][score]) == "bigru"
    stamps = names["table"]["ds"].dt.tz_localize(None).to_numpy()
    tested = judged.stamps.max() - judged.stamps.min()
    assert tested / (stamps.max() - stamps.min()) == pytest.approx(0.2, abs=0.01), "the last fifth"
    assert judged.stamps.max() == stamps.max()

    error = {
        name: np.nanmean(np.abs(judged.actual - made), axis=(0, 2))
        for name, made in judged.forecasts.items()
    }
    assert error["linear"][0] < error["bigru"][0] < 1.0
    assert 2 * error["bigru"][0] < error["bigru"][-1] < error["linear"][-1]
    single = {
        name: np.nanmean(np.abs(judged.actual - made), axis=(1, 2))[names["windows"]]
        for name, made in judged.forecasts.items()
    }
    assert (single["linear"] < single["bigru"]).any(), "in some of them the baseline is closer"

    again = names["again"].frame()
    pd.testing.assert_frame_equal(again, names["forecast"].frame(), check_exact=True)
    assert (again["cutoff"] == names["table"]["ds"].max()).all()
    assert (tmp_path / "runs" / "first").is_dir()


@slow_elsewhere
@pytest.mark.proof
def test_labels_and_symbols(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = run("04_labels_and_symbols", tmp_path, monkeypatch, capsys)
    moods = names["classifier"].evaluate().scores()["accuracy"]
    assert moods["bigru"] > 0.95, "it finds all of them"
    assert moods["logistic on words"] < 0.65, "as good as guessing"
    assert names["both_ways"] > 0.95
    assert 0.65 < names["one_way"] < 0.8, "half of what it needs"
    bits = names["model"].scores()["bits"]
    assert bits["gru_next"] < bits["after the last 3"] - 0.1
    # the draw of one of three animals and one of three places, in sentences of 6 to 8 symbols
    assert bits["gru_next"] == pytest.approx(2 * np.log2(3) / 7.3, abs=0.03)


@pytest.mark.proof
def test_many_series(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = run("02_many_series", tmp_path, monkeypatch, capsys)
    with_covariates, without = (
        value_of(names[one].evaluate().scores(), "bigru") for one in ("forecaster", "without")
    )
    assert without > 1.25 * with_covariates, "more than a quarter higher"

    frame = names["simulated"].set_index(["shop", "date"])
    drawn = pd.concat([one.frame() for one in names["forecasts"]]).set_index(["shop", "date"])
    assert (drawn.index.size, drawn.index.is_unique) == (24 * 56, True)
    assert drawn.index.get_level_values("date").min() == frame.index.get_level_values(
        "date"
    ).max() - pd.Timedelta(days=55)
    assert (drawn["cutoff"] < drawn.index.get_level_values("date")).all()
    sales = frame["sales"].reindex(drawn.index)
    inside = ((sales >= drawn["bigru-lo-80"]) & (sales <= drawn["bigru-hi-80"])).mean()
    assert inside == pytest.approx(0.8, abs=0.1), "within ten points of the promise"
    floor = (sales - frame["knowable"].reindex(drawn.index)).abs().mean()
    assert floor < (sales - drawn["bigru"]).abs().mean() < 1.5 * floor, (
        "less than half as much again"
    )

    calibrated = coverage_by(names["calibrated"].evaluate(), "overall")
    assert calibrated["level"].tolist() == [80.0, 95.0]
    assert calibrated["inside"].all(), "as they should"

    noise = np.log(names["simulated"]["sales"] / names["simulated"]["knowable"])
    assert noise.std() == pytest.approx(0.12, rel=0.05), (
        "what is called knowable is the sales without their noise"
    )
    assert abs(noise.mean()) < 0.01


@slow_elsewhere
@pytest.mark.proof
def test_search_and_judge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = run("03_search_and_judge", tmp_path, monkeypatch, capsys)
    trials, scores = names["trials"], names["scores"]
    found = value_of(scores, "bigru")
    said = re.search(
        r"best settings beat those of the file: MAE (\S+), was (\S+) \("
        r".* best baseline: (\w+) (\S+)",
        names["verdict"],
    )
    assert said, names["verdict"]
    assert said.group(1) == f"{found:.4g}", (
        "fitted again, the best gives the score the search reported"
    )
    assert (said.group(3), said.group(4)) == (
        scores.best_baseline,
        f"{value_of(scores, scores.best_baseline):.4g}",
    )
    assert found < float(said.group(2))
    assert found < value_of(scores, scores.best_baseline)

    best = trials.loc[trials["MAE"].idxmin()]
    assert names["best"].config.model.units == best["model.units"]
    assert best["MAE"] < 0.8 * found, "well below that on the test set"
    seen, tested = judged_stretches(names)
    assert (f"{seen[0]:%m-%d}", f"{seen[1]:%m-%d}") == ("08-07", "10-19")
    assert (f"{tested[0]:%m-%d}", f"{tested[1]:%m-%d}") == ("10-19", "12-30")
    change = names["table"].set_index("ds")["temp"].tz_localize(None).asfreq("h").diff(24).abs()
    assert change[slice(*seen)].mean() < 0.8 * change[slice(*tested)].mean(), (
        "changes less from day to day"
    )


def judged_stretches(names: dict[str, Any]) -> list[tuple[pd.Timestamp, pd.Timestamp]]:
    """From when to when the folds and the test part of a search are judged."""
    panel = open_panel(names["config"].data, names["table"])
    ends = [pd.Timestamp(one.timestamps[-1]) for one in make_folds(names["config"], panel).panels]
    first = ends[0] - (ends[1] - ends[0])
    return [
        (first + pd.Timedelta(hours=1), ends[1]),
        (ends[1] + pd.Timedelta(hours=1), pd.Timestamp(panel.timestamps[-1])),
    ]


@slow_elsewhere
@pytest.mark.proof
def test_the_essay_says_what_comes_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    errors = ESSAY["main"](str(tmp_path))
    told, other = capsys.readouterr()
    assert other == ""
    page = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    stored = page.split("<!-- essay -->\n```text\n")[1].split("```\n<!-- end of essay -->")[0]
    assert words(told) == words(stored), "bring the page up to date with `make examples`"
    for name in ("loss", "forecasts", "directions"):
        drawn, kept = (folder / f"{name}.png" for folder in (tmp_path, EXAMPLES / "pictures"))
        assert picture_size(drawn.read_bytes()) == picture_size(kept.read_bytes())

    (waves,) = errors["waves, at both ends"]
    past, ahead = windows = ESSAY["windows_of"](ESSAY["sequence_parts"]()[1])
    bar = np.mean([(ahead[:, step] - past[:, -1, 0]) ** 2 for step in range(12)])
    assert ESSAY["error_of_last_value"](windows) == pytest.approx(bar)
    assert waves[1] < waves[0] < bar / 5, "passes the bar by far; two directions get further"
    assert min(waves) > 0.9 * 0.2**2, "nobody can forecast the noise"
    assert all(one < two < 0.1 for one, two in errors["the newest steps decide"]), (
        "two are somewhat worse"
    )
    assert all(two < 0.1 for _, two in errors["the oldest steps decide"]), (
        "two have learned nearly all"
    )
    assert all(one > 0.9 for one, _ in errors["the oldest steps decide"]), "one has learned nothing"


@pytest.mark.parametrize("reset_after", [True, False])
def test_the_equations_of_the_essay_are_those_of_the_layer(reset_after: bool) -> None:
    for seed in (0, 1):
        assert 0 < ESSAY["largest_difference"](reset_after=reset_after, seed=seed) < 1e-5


def test_the_equations_of_the_essay_are_those_of_the_oracle() -> None:
    generator = np.random.default_rng(5)
    sequence = generator.normal(size=(3, 20, 2))
    kernel, recurrent, bias = (
        generator.normal(0, 0.5, shape) for shape in ((2, 12), (4, 12), (2, 12))
    )
    weights = {"kernel": kernel, "recurrent_kernel": recurrent, "bias": bias}
    _, (last,) = run_cell("gru", sequence, weights)
    np.testing.assert_allclose(
        ESSAY["gru_reset_after"](sequence, kernel, recurrent, bias), last, atol=1e-12
    )


def test_the_tasks_of_the_essay_are_as_told() -> None:
    for of, echo in (("oldest", slice(0, 4)), ("newest", slice(28, 32))):
        past, ahead = ESSAY["echoes"](of, 500, 3)
        np.testing.assert_array_equal(ahead, past[:, echo, 0])
        assert past.shape[1] == 32
        assert np.abs(np.corrcoef(past[:, :, 0].T) - np.eye(32)).max() < 0.25, "independent numbers"
    learned, judged = ESSAY["sequence_parts"]()
    noise = np.concatenate([learned, judged])[:, 0] - ESSAY["waves"](np.arange(1600))
    assert noise.var() == pytest.approx(0.04, rel=0.1)


def test_a_notebook_is_run_and_stored_the_same_each_time(tmp_path: Path) -> None:
    sources = [
        "%matplotlib inline\nimport pandas as pd\nfrom matplotlib.figure import "
        "Figure\nprint('one')\nx = 2",
        "pd.DataFrame({'a': [x + 40]})",
        "figure = Figure(figsize=(2, 1))\nfigure",
        "None",
    ]
    cells = [
        {
            "cell_type": "code",
            "source": one,
            "metadata": {"time": "now"},
            "outputs": ["old"],
            "execution_count": 9,
        }
        for one in sources
    ]
    path = tmp_path / "small.ipynb"
    path.write_text(json.dumps({"cells": cells, "metadata": {"editor": "mine"}}))
    WRITER["renew"](path)
    once = path.read_bytes()
    WRITER["renew"](path)
    assert path.read_bytes() == once
    stored = json.loads(once)
    outputs = [cell["outputs"] for cell in stored["cells"]]
    assert outputs[0] == [{"name": "stdout", "output_type": "stream", "text": ["one\n"]}]
    assert "<td>42</td>" in "".join(outputs[1][0]["data"]["text/html"])
    assert picture_size(b64decode(outputs[2][0]["data"]["image/png"])) == (144, 72)
    assert outputs[3] == []
    assert b"now" not in once
    assert b"editor" not in once


def test_sources_that_did_not_run_are_noticed(tmp_path: Path) -> None:
    changed = NOTEBOOKS[0].read_text(encoding="utf-8").replace("units=32", "units=33")
    (tmp_path / "changed.ipynb").write_text(changed, encoding="utf-8")
    assert WRITER["text_of"](WRITER["read_notebook"](tmp_path / "changed.ipynb")) != changed
