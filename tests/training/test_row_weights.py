"""A weight of 0 takes a row out of everything that is learned; one of 2 is the row twice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from training.test_training import config as training_config
from training.test_training import linear_model
from window_arrays import ArraySource, learnable_source

from forecast.baselines.ridge import RidgeWindow
from forecast.baselines.seasonal_ridge import SeasonalPairs, SeasonalRidge
from forecast.data.findings import BadTableError
from forecast.data.load import load_panel
from forecast.data.panel import Columns
from forecast.data.read import TableFormat
from forecast.errors import ConfigError
from forecast.experiment.keywords import with_keywords
from forecast.experiment.prepare import Prepared, prepare
from forecast.experiment.settings import Experiment
from forecast.forecasting.combine import roll_simple, with_combination
from forecast.forecasting.fitted import collect, shape_of
from forecast.forecasting.forecaster import Forecaster
from forecast.forecasting.simple_members import fit_linear, smoothing_of
from forecast.models import build_model
from forecast.training import train
from forecast.training.earned_weights import Errors, drawn_weights, earned_weights
from forecast.training.fit import fit_network
from forecast.training.judged_members import choose_weights
from forecast.training.linear_members import solve_member
from forecast.windows.index import WindowShape
from forecast.windows.window_weights import forecast_counts

LOSSES = ("mse", "mae", "huber", "quantile")


def series(name: str, level: float, *, weight: Any = None, seed: int = 0) -> pd.DataFrame:
    """120 days of one series."""
    draw = np.random.default_rng([seed, ord(name[0])])
    rows = np.arange(120)
    values = level + np.sin(2 * np.pi * rows / 7) + draw.normal(0, 0.3, len(rows))
    frame = pd.DataFrame(
        {"unique_id": name, "ds": pd.date_range("2026-01-01", periods=len(rows)), "y": values}
    )
    if weight is not None:
        frame["w"] = weight
    return frame


def experiment(*, weighted: bool = True, **changes: Any) -> Experiment:
    """A small network; every batch has all windows."""
    settings: dict[str, Any] = {
        "data.weight_col": "w" if weighted else None,
        "data.calendar": [],
        "windows.horizon": 7,
        "windows.context_length": 14,
        "model.name": "bigru",
        "model.units": 4,
        "model.dropout": 0.0,
        "training.epochs": 2,
        "training.patience": None,
        "training.batch_size": 1000,
        "training.windows_per_epoch": None,
        "training.optimizer": "sgd",
        "training.learning_rate": 0.1,
        "evaluation.validation_size": 21,
        "evaluation.test_size": 21,
    }
    return with_keywords(Experiment(), settings | changes)


def trained(prepared: Prepared) -> tuple[list[NDArray[Any]], Any]:
    """The weights of the network after training, and its losses."""
    num_quantiles = 3 if prepared.config.training.forecasts_quantiles else 0
    shape = prepared.features.shape(14, 7, num_quantiles=num_quantiles)
    model = build_model(prepared.config.model, shape, seed=0)
    result = train(model, prepared.training, prepared.validation, prepared.config.training)
    return model.get_weights(), result.history


def weighted_source(*, seed: int = 0) -> ArraySource:
    """Windows of which some cells are missing, and whose rows have weights, 0 among them."""
    shape = WindowShape(context_length=4, horizon=3, num_past=2)
    source = learnable_source(shape, 35, seed=seed)
    source.target[3, 1] = np.nan
    source.target[20] = np.nan
    draw = np.random.default_rng(seed)
    weights = draw.integers(0, 4, len(source.features.target)).astype(np.float32)
    source.__dict__["features"] = replace(source.features, weights=weights)
    return source


def cells_of(source: ArraySource) -> NDArray[np.float64]:
    """(W, H) weights of the forecast rows, one window at a time."""
    weights = source.features.weights
    assert weights is not None
    ahead = [weights[7 * window + 4 : 7 * window + 7] for window in range(len(source))]
    return np.array(ahead, np.float64)


def test_a_step_is_that_of_the_weighted_formula() -> None:
    source = weighted_source()
    model = linear_model()
    before = model.get_weights()
    settings = training_config(
        epochs=1, batch_size=len(source), optimizer="sgd", gradient_clip=None
    )
    result = train(model, source, None, settings)
    x = source.inputs["past"].reshape(len(source), -1).astype(np.float64)
    target = source.target[..., 0]
    error = np.nan_to_num(x @ before[0] + before[1] - target)
    measured = np.isfinite(target)
    weights = cells_of(source) * measured
    slope = 2 * weights * error / measured.sum()
    for old, new, gradient in zip(
        before, model.get_weights(), [x.T @ slope, slope.sum(axis=0)], strict=True
    ):
        np.testing.assert_allclose(new, old - 0.01 * gradient, rtol=0, atol=1e-6)
    # the loss that is reported is the weighted mean
    expected = (weights * error**2).sum() / weights.sum()
    assert result.history.loss[0] == pytest.approx(expected, rel=1e-5)


def test_the_validation_loss_is_the_weighted_mean() -> None:
    source = weighted_source()
    model = linear_model()
    settings = training_config(epochs=1, batch_size=8, learning_rate=1e-7)
    history = train(model, weighted_source(seed=1), source, settings).history
    x = source.inputs["past"].reshape(len(source), -1).astype(np.float64)
    weights, bias = model.get_weights()
    error = np.nan_to_num(x @ weights + bias - source.target[..., 0])
    counted = cells_of(source) * np.isfinite(source.target[..., 0])
    assert history.val_loss[0] == pytest.approx(
        (counted * error**2).sum() / counted.sum(), rel=1e-5
    )


@pytest.mark.parametrize(("loss", "jit"), [*((loss, "off") for loss in LOSSES), ("mae", "on")])
def test_targets_of_weight_0_do_not_move_the_network(loss: str, jit: str) -> None:
    """A series of weight 0 may be anything, as the scale of each series is its own."""
    found = []
    for level in (5.0, 5e6):
        table = pd.concat([series("a", 3.0, weight=1.5), series("b", level, weight=0.0, seed=9)])
        table.loc[table["unique_id"] == "b", "y"] *= np.where(np.arange(120) % 2, 1.0, -level)
        prepared = prepare(experiment(**{"training.loss": loss, "training.jit": jit}), table)
        found.append(trained(prepared))
    for first, second in zip(found[0][0], found[1][0], strict=True):
        np.testing.assert_array_equal(first, second)
    assert found[0][1].loss == found[1][1].loss
    assert found[0][1].val_loss == found[1][1].val_loss


def test_single_rows_of_weight_0_are_no_targets() -> None:
    weight = np.ones(120)
    weight[40:50] = 0.0
    prepared = prepare(experiment(), series("a", 3.0, weight=weight))
    learned = prepared.features.target[:, 0]
    np.testing.assert_array_equal(np.isnan(learned), weight == 0)
    assert np.isfinite(prepared.features.past).all()  # contexts read them
    assert np.isfinite(prepared.filled.measured(1)).all()  # and scores too


@pytest.mark.parametrize("loss", LOSSES)
def test_a_weight_of_2_is_the_series_twice(loss: str) -> None:
    once = pd.concat([series("a", 3.0, weight=1.0), series("b", 8.0, weight=2.0)])
    twice = pd.concat([series("a", 3.0), series("b", 8.0), series("b", 8.0).assign(unique_id="c")])
    changes = {"training.loss": loss}
    weights, history = trained(prepare(experiment(**changes), once))
    expected, of_copies = trained(prepare(experiment(weighted=False, **changes), twice))
    for own, copied in zip(weights, expected, strict=True):
        np.testing.assert_allclose(own, copied, rtol=0, atol=2e-6)
    np.testing.assert_allclose(history.loss, of_copies.loss, rtol=1e-5)
    np.testing.assert_allclose(history.val_loss, of_copies.val_loss, rtol=1e-5)


@pytest.mark.parametrize("loss", ["mse", "mae"])
def test_ridge_regressions_and_member_weights_too(loss: str) -> None:
    """Least squares, its penalty, the robust rounds, and the weights of members."""
    once = pd.concat([series("a", 3.0, weight=1.0), series("b", 8.0, weight=3.0, seed=4)])
    copies = [series("b", 8.0, seed=4).assign(unique_id=name) for name in "bcd"]
    found = []
    for table, weighted in ((once, True), (pd.concat([series("a", 3.0), *copies]), False)):
        prepared = prepare(experiment(weighted=weighted, **{"training.loss": loss}), table)
        members = [solve_member(prepared, length, reads_known=False) for length in (7, 14)]

        def network(inputs: Any, member: RidgeWindow) -> Any:
            return member.predict(inputs["past"].astype(np.float64))

        networks = [lambda inputs, member=member: network(inputs, member) for member in members]
        linear = np.ones(2, bool)
        found.append((members, choose_weights(prepared, networks, linear)))  # type: ignore[arg-type]
    (members, weights), (expected, of_copies) = found
    for own, copied in zip(members, expected, strict=True):
        assert own.penalty == copied.penalty
        np.testing.assert_allclose(own.weights, copied.weights, rtol=1e-4, atol=1e-6)
    # the least error of a robust round is a share of all errors, and copies have more of them
    np.testing.assert_allclose(weights, of_copies, atol=2e-3 if loss == "mae" else 1e-6)
    assert not np.allclose(weights, [0.5, 0.5])


@pytest.mark.parametrize("robust", [False, True])
def test_the_regression_for_each_step_of_the_season_too(robust: bool) -> None:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(90, 4)).astype(np.float32)
    y = (x[:, :2] + draw.normal(size=(90, 2))).astype(np.float32)
    steps = np.arange(90) % 3
    counts = draw.integers(0, 3, 90)
    weighted = SeasonalPairs(x, y, steps, 3, counts.astype(np.float64))
    rows = np.repeat(np.arange(90), counts)
    repeated = SeasonalPairs(x[rows], y[rows], steps[rows], 3)
    own = SeasonalRidge.fit(weighted, weighted, robust=robust)
    copied = SeasonalRidge.fit(repeated, repeated, robust=robust)
    assert (own.penalty, own.deviation_penalty) == (copied.penalty, copied.deviation_penalty)
    np.testing.assert_allclose(own.weights, copied.weights, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("of_mean", [False, True])
def test_weights_of_simple_members_too(of_mean: bool) -> None:
    draw = np.random.default_rng(1)
    values = draw.normal(size=(3, 40, 5)) * np.array([1.0, 1.3, 2.0])[:, None, None]
    blocks = np.arange(40) // 4
    counts = draw.integers(1, 4, 40)
    rows = np.repeat(np.arange(40), counts)
    weighted = Errors(
        values, blocks, np.zeros(40, int), of_mean, np.repeat(counts[:, None], 5, axis=1) * 1.0
    )
    repeated = Errors(values[:, rows], blocks[rows], np.zeros(len(rows), int), of_mean)
    simple = np.full(3, 1 / 3)
    np.testing.assert_allclose(
        drawn_weights(weighted, simple), drawn_weights(repeated, simple), atol=1e-9
    )
    own, trust = earned_weights(weighted, simple)
    copied, expected = earned_weights(repeated, simple)
    assert trust > 0
    assert trust == pytest.approx(expected, abs=0.05)  # counts of a stretch are means there
    np.testing.assert_allclose(own, copied, atol=0.02)


def test_the_combination_reads_the_weights_of_the_table() -> None:
    """The series that counts is a walk, the other one repeats its week."""
    draw = np.random.default_rng(0)
    walk = series("a", 0.0).assign(y=np.cumsum(draw.normal(size=120)) + 50)
    week = series("b", 0.0).assign(
        y=np.tile(draw.normal(size=7) * 20, 18)[:120] + draw.normal(size=120)
    )
    found = {}
    for heavy in ("a", "b"):
        table = pd.concat([walk, week])
        table["w"] = np.where(table["unique_id"] == heavy, 1.0, 0.01)
        prepared = prepare(
            experiment(
                **{
                    "ensemble.simple": ["last_value", "seasonal_naive"],
                    "ensemble.seeds": 0,
                    "ensemble.linear": "member",
                }
            ),
            table,
        )
        fitted = collect(
            prepared,
            fit_network(prepared, shape_of(prepared)),
            fit_linear(prepared),
            smoothing_of(prepared),
        )
        found[heavy] = with_combination(fitted, prepared, roll_simple(fitted, prepared))[0].weights
    assert found["a"].get("last_value", 0) > found["b"].get("last_value", 0) + 0.1


def test_scores_and_scales_are_not_weighted() -> None:
    once = pd.concat([series("a", 3.0, weight=1.0), series("b", 8.0, weight=5.0)])
    plain = experiment(weighted=False)
    own, other = prepare(experiment(), once), prepare(plain, once)
    np.testing.assert_array_equal(own.features.past, other.features.past)
    forecaster = Forecaster(experiment()).fit(once, verbose=0)
    baselines = Forecaster(plain).fit(once, verbose=0).evaluate().scores().values["linear"]
    assert forecaster.evaluate().scores().values["linear"] == baselines


def test_equal_weights_change_nothing() -> None:
    table = pd.concat([series("a", 3.0, weight=0.3), series("b", 8.0, weight=0.3)])
    own, _ = trained(prepare(experiment(), table))
    expected, _ = trained(prepare(experiment(weighted=False), table))
    for first, second in zip(own, expected, strict=True):
        np.testing.assert_allclose(first, second, rtol=0, atol=1e-6)


def test_a_forecast_does_not_need_the_column(tmp_path: Any) -> None:
    table = pd.concat([series("a", 3.0, weight=1.0), series("b", 8.0, weight=5.0)])
    Forecaster(experiment()).fit(table, verbose=0).save(tmp_path / "model")
    loaded = Forecaster.load(tmp_path / "model")
    assert loaded.config.data.weight_col == "w"
    without = loaded.predict(table.drop(columns="w")).frame()
    pd.testing.assert_frame_equal(without, loaded.predict(table).frame())


def test_python_names_the_column_weights() -> None:
    assert Forecaster(weights="w").config.data.weight_col == "w"


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (-1.0, "negative in 1 row"),
        (np.nan, "is empty in 1 row"),
        (np.inf, "infinite in 1 row"),
    ],
)
def test_a_bad_weight_is_refused_in_one_line(weight: float, message: str) -> None:
    table = series("a", 3.0, weight=1.0)
    table.loc[7, "w"] = weight
    with pytest.raises(BadTableError, match=message) as caught:
        prepare(experiment(), table)
    assert "\n" not in str(caught.value)


def test_weights_of_0_everywhere_or_in_a_set_are_refused() -> None:
    with pytest.raises(BadTableError, match="0 in every row"):
        prepare(experiment(), series("a", 3.0, weight=0.0))
    late = np.where(np.arange(120) >= 78, 0.0, 1.0)
    with pytest.raises(BadTableError, match="validation windows"):
        prepare(experiment(), series("a", 3.0, weight=late))
    with pytest.raises(BadTableError, match="training windows"):
        prepare(experiment(), series("a", 3.0, weight=1.0 - late))


def test_a_wide_table_has_no_weights() -> None:
    wide = series("a", 3.0, weight=1.0).drop(columns="unique_id").assign(b=2.0)
    with pytest.raises(ConfigError, match="weights need a long table"):
        load_panel(wide, Columns(weight_col="w"), table_format=TableFormat(layout="wide"))


def test_inserted_and_joined_rows_have_a_weight() -> None:
    table = series("a", 3.0, weight=np.arange(120.0) + 1)
    columns = Columns(weight_col="w")
    gap = load_panel(table.drop(index=[5, 6]), columns, gaps="fill", allow_missing=True)
    assert gap.weights is not None
    assert gap.weights[:9].tolist() == [1, 2, 3, 4, 5, 5, 5, 8, 9]
    weeks = load_panel(
        table,
        columns,
        table_format=TableFormat(resample="W", aggregate="sum", partial_intervals="keep"),
    )
    assert weeks.weights is not None
    days = table.set_index("ds").resample("W")["w"].mean()
    np.testing.assert_allclose(weeks.weights, days.to_numpy())


def test_every_window_is_counted() -> None:
    prepared = prepare(experiment(), series("a", 3.0, weight=1.0))
    index = prepared.training.index
    counts = np.zeros(120, int)
    for number in range(len(index)):
        first = index.locate(np.array([number]))[1][0]
        counts[first + 14 : first + 21] += 1
    np.testing.assert_array_equal(forecast_counts(index, 120), counts)
