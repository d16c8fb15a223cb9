"""Figures and TensorBoard logs of a search show what its table contains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from search.searches import experiment, search_in

from forecast.report.plots import (
    plot_cost,
    plot_importance,
    plot_parallel,
    plot_progress,
    save_figure,
)
from forecast.search.journal import JOURNAL, open_journal
from forecast.search.results import explained, write_hparams
from forecast.search.state import State


def table(trials: int = 40) -> pd.DataFrame:
    """Return trials: score follows units, a little the rate, not the cell; some failed."""
    draw = np.random.default_rng(0)
    units = draw.choice([8, 16, 32], trials)
    rate = draw.uniform(1e-4, 1e-2, trials)
    score = 1.0 + units / 8 + 50 * rate + draw.normal(0, 0.2, trials)
    status = np.where(np.arange(trials) % 7 == 3, "pruned", "completed").astype(object)
    status[[4, 11]] = "failed"
    return pd.DataFrame(
        {
            "trial": np.arange(trials),
            "status": status,
            "MAE": np.where(status == "failed", np.nan, score),
            "seconds": draw.uniform(1, 9, trials),
            "parameters": units * 100,
            "model.units": units,
            "model.cell": draw.choice(["gru", "lstm"], trials),
            "training.learning_rate": rate,
        }
    )


PATHS = ["model.units", "model.cell", "training.learning_rate"]


def test_the_best_so_far_is_that_of_completed_trials() -> None:
    trials = table()
    figure = plot_progress(trials, "MAE")
    lines: dict[Any, Any] = {line.get_label(): line for line in figure.axes[0].lines}
    best = np.inf
    expected = []
    for _, row in trials.iterrows():
        best = min(best, row["MAE"]) if row["status"] == "completed" else best
        expected.append(best)
    np.testing.assert_array_equal(lines["best so far"].get_ydata(), expected)
    np.testing.assert_array_equal(lines["failed"].get_xdata(), [4, 11])
    assert len(lines["pruned"].get_xdata()) == (trials["status"] == "pruned").sum()
    assert f"{best:.4g}" in figure.get_suptitle()


def test_every_scored_trial_is_a_line_through_its_values() -> None:
    trials = table()
    axes = plot_parallel(trials, "MAE", PATHS).axes[0]
    lines = [line for line in axes.lines if len(line.get_xdata()) == 4]
    assert len(lines) == trials["MAE"].notna().sum()
    last = lines[-1].get_ydata()  # the best is drawn over the others
    best = trials.loc[trials["MAE"].idxmin()]
    assert last[-1] == 0.0
    assert last[0] == pytest.approx({8: 0.0, 16: 1 / 3, 32: 1.0}[best["model.units"]])
    rate = np.log(trials["training.learning_rate"][trials["MAE"].notna()])
    wanted = (np.log(best["training.learning_rate"]) - rate.min()) / (rate.max() - rate.min())
    assert last[2] == pytest.approx(wanted)


def test_importance_is_epsilon_squared_of_the_ranks() -> None:
    trials = table()
    shares = explained(trials, "MAE", PATHS)
    assert shares["model.units"] > 0.7
    assert shares["model.cell"] < 0.1
    scored = trials.dropna()
    groups = [group for _, group in scored["MAE"].rank().groupby(scored["model.units"])]
    ratio = stats.f_oneway(*groups).statistic
    number = len(groups)
    size = len(scored)
    expected = (ratio - 1) * (number - 1) / (ratio * (number - 1) + size - number)
    assert shares["model.units"] == pytest.approx(expected)
    bars = plot_importance(shares, "MAE").axes[0].patches
    assert [bar.get_width() for bar in bars] == pytest.approx(
        sorted(100 * share for share in shares.values())
    )


def test_the_cost_of_the_best_is_marked() -> None:
    trials = table()
    best = trials.loc[trials["MAE"].idxmin()]
    for axes, column in zip(plot_cost(trials, "MAE").axes, ("parameters", "seconds"), strict=True):
        assert [line.get_xdata()[0] for line in axes.lines][1] == best[column]


@pytest.mark.parametrize("trials", [0, 1, 2])
def test_few_trials_make_pictures_too(trials: int, tmp_path: Path) -> None:
    few = table().head(trials)
    for figure in (
        plot_progress(few, "MAE"),
        plot_parallel(few, "MAE", PATHS),
        plot_importance(explained(few, "MAE", PATHS), "MAE"),
        plot_cost(few, "MAE"),
    ):
        assert save_figure(figure, tmp_path / "one.png").stat().st_size > 1000


def test_tensorboard_gets_values_and_scores(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import plugin_data_pb2

    config = experiment(max_trials=3)
    search_in(tmp_path / "search", config)
    with open_journal(tmp_path / "search" / JOURNAL) as journal:
        state = State()
        for record in journal.records:
            state.take(record)
    write_hparams(tmp_path / "logs", config, state)
    rows = pd.read_csv(tmp_path / "search" / "trials.csv")
    for _, row in rows.iterrows():
        events = EventAccumulator(str(tmp_path / "logs" / f"{row['trial']:04d}")).Reload()
        told = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
        values = plugin_data_pb2.HParamsPluginData.FromString(told).session_start_info.hparams
        assert values["training.learning_rate"].number_value == row["training.learning_rate"]
        assert values["model.cell"].string_value == row["model.cell"]
        assert "MAE" in events.Tags()["tensors"]
