"""A loss of one's own, named by its import path, trains as one of this package does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import own_functions
import pandas as pd
import pytest
from training.test_row_weights import experiment, series, trained

from forecast.errors import ArtifactError, ConfigError, ShapeError
from forecast.experiment.file import experiment_from
from forecast.experiment.named_functions import load_functions
from forecast.experiment.prepare import prepare
from forecast.experiment.settings import Experiment, TrainingConfig
from forecast.forecasting.forecaster import Forecaster
from forecast.scores.own_metrics import own_score, register_metrics
from forecast.scores.quantile_metrics import pinball
from forecast.search.space import check_space, with_values
from forecast.section.own_functions import load_own, missing_own, path_of
from forecast.training.losses import make_cell_losses

ABSOLUTE = "own_functions:absolute"


@pytest.mark.parametrize(
    ("own", "usual", "reads"),
    [(ABSOLUTE, "mae", "points"), ("own_functions:pinball", "quantile", "quantiles")],
)
def test_the_network_is_that_of_the_same_loss(own: str, usual: str, reads: str) -> None:
    table = series("a", 3.0)
    table.loc[30:33, "y"] = np.nan
    settings = {"data.missing": "forward_fill"}
    changes = {"training.loss": own, "training.loss_reads": reads}
    weights, history = trained(prepare(experiment(weighted=False, **settings, **changes), table))
    usual_config = experiment(weighted=False, **settings, **{"training.loss": usual})
    expected, of_usual = trained(prepare(usual_config, table))
    for first, second in zip(weights, expected, strict=True):
        np.testing.assert_allclose(first, second, rtol=0, atol=1e-6)
    np.testing.assert_allclose(history.val_loss, of_usual.val_loss, rtol=1e-6)


def test_no_slope_of_a_missing_cell_reaches_the_network() -> None:
    import tensorflow as tf

    target = np.array([[[2.0], [np.nan], [4.0]]], np.float32)
    forecast = tf.Variable(np.array([[[1.0], [0.0], [5.0]]], np.float32))
    with tf.GradientTape() as tape:
        cells, measured = make_cell_losses("own_functions:percentage")(
            tf.constant(target), forecast
        )
        total = tf.reduce_sum(cells)
    np.testing.assert_allclose(cells.numpy()[0, :, 0], [0.5, 0.0, 0.25])
    assert measured.numpy()[0, :, 0].tolist() == [1, 0, 1]
    slope = tape.gradient(total, forecast).numpy()[0, :, 0]
    np.testing.assert_allclose(slope, [-0.5, 0.0, 0.25])


def test_a_mean_is_refused() -> None:
    losses = make_cell_losses("own_functions:mean_error")
    with pytest.raises(ShapeError, match=r"shape \(\); expected one loss per value"):
        losses(np.zeros((2, 3, 1), np.float32), np.zeros((2, 3, 1), np.float32))


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("absent_module:wis", "there is no module 'absent_module'"),
        ("own_functions.deeper:wis", "there is no module 'own_functions.deeper'"),
        ("own_functions:absolut", r"has no such function \(did you mean 'absolute'\?\)"),
        ("own_functions:answer", "is no function"),
    ],
)
def test_an_absent_function_is_refused_before_the_table_is_read(path: str, message: str) -> None:
    config = experiment(weighted=False, **{"training.loss": path})
    with pytest.raises(ConfigError, match=message) as caught:
        prepare(config, "no-such-file.csv")
    assert "\n" not in str(caught.value)


def test_a_search_compares_losses_of_ones_own() -> None:
    def searched(*losses: str) -> Experiment:
        search = {"space": {"training.loss": {"choice": list(losses)}}}
        return experiment_from({"search": search})

    config = searched("mae", ABSOLUTE)
    check_space(config)
    load_functions(config)
    assert with_values(config, {"training.loss": ABSOLUTE}).training.has_own_loss
    with pytest.raises(ConfigError, match="there is no module 'absent_module'"):
        load_functions(searched("mae", "absent_module:wis"))


def test_a_module_that_fails_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "failing_losses.py").write_text("raise ValueError('two\\nlines')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError, match="importing 'failing_losses' ends with ValueError: two l"):
        load_own("failing_losses:wis", "training.loss")


def test_a_path_is_looked_up_without_an_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "hostile_package"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit('imported')\n")
    (package / "losses.py").write_text("raise SystemExit('imported')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert missing_own("hostile_package.losses:wis") == ""
    assert (
        missing_own("hostile_package.others:wis") == "there is no module 'hostile_package.others'"
    )
    assert "hostile_package" not in sys.modules


def test_a_saved_model_is_refused_without_the_module_and_never_imports_it(tmp_path: Path) -> None:
    (tmp_path / "house_losses.py").write_text(
        "from keras import ops\n\n\ndef wis(actual, predicted):\n"
        "    return ops.abs(actual - predicted)\n"
    )
    table = series("a", 3.0)
    table.to_csv(tmp_path / "table.csv", index=False)
    sys.path.insert(0, str(tmp_path))
    try:
        config = experiment(weighted=False, **{"training.loss": "house_losses:wis"})
        Forecaster(config).fit(table, verbose=0).save(tmp_path / "model")
    finally:
        sys.path.remove(str(tmp_path))
    assert '"house_losses:wis"' in (tmp_path / "model" / "config.json").read_text()
    del sys.modules["house_losses"]
    with pytest.raises(ArtifactError, match="there is no module 'house_losses'"):
        Forecaster.load(tmp_path / "model")
    # A forecast finds the module, and does not run it.
    (tmp_path / "house_losses.py").write_text("raise SystemExit('imported')\n")
    script = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from forecast import Forecaster\n"
        f"made = Forecaster.load({str(tmp_path / 'model')!r}).predict("
        f"{str(tmp_path / 'table.csv')!r})\n"
        "assert 'house_losses' not in sys.modules\n"
        "assert 'tensorflow' not in sys.modules\n"
        "print(made.values.size)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True
    )
    assert done.stdout.strip() == "7", done.stderr


def test_functions_are_given_in_python() -> None:
    forecaster = Forecaster(loss=own_functions.absolute, metrics=own_functions.median_error)
    assert forecaster.config.training.loss == ABSOLUTE
    assert forecaster.config.evaluation.metrics == ("own_functions:median_error",)
    with pytest.raises(ConfigError, match="without an import path"):
        Forecaster(loss=lambda actual, predicted: actual - predicted)
    assert path_of(own_functions.pinball, "training.loss") == "own_functions:pinball"


def test_quantiles_are_read_by_losses_of_ones_own_alone() -> None:
    with pytest.raises(ConfigError, match="loss_reads is 'quantiles'"):
        TrainingConfig(loss="mae", loss_reads="quantiles")
    with pytest.raises(ConfigError, match="quantile_levels is read with"):
        TrainingConfig(loss=ABSOLUTE, quantile_levels=(0.25, 0.5))
    assert TrainingConfig(
        loss=ABSOLUTE, loss_reads="quantiles", quantile_levels=(0.25, 0.5)
    ).forecasts_quantiles
    assert TrainingConfig(loss=ABSOLUTE, point="mean").point == "mean"


def test_a_path_is_expected_in_words() -> None:
    with pytest.raises(ConfigError, match=r"or an import path such as mypackage\.losses:wis"):
        TrainingConfig(loss="mypackage.losses")


def test_metrics_stand_in_the_table() -> None:
    settings = {
        "training.loss": "quantile",
        "evaluation.metrics": [
            "own_functions:median_error",
            "own_functions:scaled_max",
            "own_functions:pinball_score",
        ],
    }
    table = pd.concat([series("a", 3.0), series("b", 8.0)])
    result = Forecaster(experiment(weighted=False, **settings)).fit(table, verbose=0).evaluate()
    scores = result.scores()
    values = scores.values[result.alias]
    errors = np.abs(result.actual - result.forecasts[result.alias])
    assert values["median_error"] == pytest.approx(np.median(errors), rel=1e-12)
    assert values["scaled_max"] == pytest.approx((errors / result.scale[:, None]).max(), rel=1e-12)
    assert values["pinball_score"] == pytest.approx(values["pinball"], rel=1e-12)
    heading = next(line for line in scores.text().splitlines() if line.startswith("model"))
    assert "median_error" in heading


def test_a_metric_of_numbers_is_broken_down_as_one_with_axes() -> None:
    score = own_score(own_functions.pinball_score, "own_functions:pinball_score")
    draw = np.random.default_rng(0)
    actual = draw.normal(size=(6, 3, 2))
    actual[1, 1, 0] = np.nan
    actual[:, 2, 1] = np.nan
    quantiles = np.sort(draw.normal(size=(6, 3, 2, 3)), axis=-1)
    levels = (0.1, 0.5, 0.9)
    for axis in (None, 0, (0, 2), -1):
        np.testing.assert_allclose(
            score.function(actual, quantiles, levels, axis=axis),
            pinball(actual, quantiles, levels, axis=axis),
            rtol=1e-12,
        )


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("own_functions:of_something_else", "takes actual, weather; expected actual and then"),
        ("own_functions:absent", "has no such function"),
        ("numpy:mean", "expected actual and then"),
    ],
)
def test_a_metric_that_cannot_be_called_is_refused(path: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        register_metrics([path])


def test_a_metric_that_returns_no_number_is_named() -> None:
    score = own_score(own_functions.not_a_number, "own_functions:not_a_number")
    with pytest.raises(ConfigError, match=r"returned shape \(6,\); expected one number"):
        score.function(np.ones((2, 3)), np.ones((2, 3)))


def test_two_metrics_of_one_name_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other_metrics.py").write_text(
        "def median_error(actual, forecast):\n    return 1\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert register_metrics(["own_functions:median_error"] * 2) == ("median_error",) * 2
    with pytest.raises(ConfigError, match="rename the function"):
        register_metrics(["other_metrics:median_error"])
