"""Coverage of 80 % intervals of day sums and day maxima on real test sets.

Prints a row per set and statistic: independent steps, sample paths alone, and `Forecaster.totals`.

    python benchmarks/accuracy/path_coverage.py                  all sets
    python benchmarks/accuracy/path_coverage.py weather

Forecasts are made from `CUTOFFS` cutoffs in the last two thirds of the test set, each with the
errors that were over by then, as after a nightly update. Sets and presets are those of
`coverage.py`. Days overlap where cutoffs are less than a day apart; the band is that of the number
of whole days.
"""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
from coverage import SETS
from protocols import ROOT
from tables import row

from forecast import Forecaster
from forecast.axes import FloatArray
from forecast.data.per_series.ended import Reach
from forecast.data.per_series.subset import rows_before
from forecast.experiment.file import load_experiment
from forecast.forecasting.path_totals import Asked, totals_ahead, widened
from forecast.forecasting.sample_paths import record_trajectories, with_paths
from forecast.intervals import trajectories as stored
from forecast.intervals.conformal import mapped, unmapped
from forecast.scores.forecast import Forecast

CUTOFFS = 150
LEVEL = 80.0


def run(name: str) -> list[str]:
    """Train, forecast from many cutoffs, and return the rows of the table."""
    table, config, settings = SETS[name]
    frame = table()
    experiment = load_experiment(ROOT / "configs" / f"{config}.yaml", settings)
    if name == "epf NP":
        data = experiment.data.model_copy(update={"known_covariates": tuple(frame.columns[1:3])})
        experiment = experiment.model_copy(update={"data": data})
    forecaster = Forecaster(experiment).fit(frame, verbose=0)
    held: dict[tuple[str, str], list[bool]] = {}
    with_all = _every_trajectory(forecaster)
    horizon = with_all.errors.shape[2]
    first = np.quantile(with_all.positions, 1 / 3)
    cutoffs = with_all.positions[with_all.positions >= first]
    chosen = cutoffs[np.linspace(0, len(cutoffs) - 1, min(CUTOFFS, len(cutoffs))).astype(int)]
    for position in chosen.tolist():
        _judge(forecaster, with_all, position, held)
    days = min(len(chosen), (int(chosen[-1]) - int(chosen[0])) // horizon + 1)
    band = 1.96 * np.sqrt(0.8 * 0.2 / days)
    lines = []
    for kind in ("total", "highest"):
        shares = [np.mean(held[kind, way]) for way in ("independent", "paths", "totals")]
        cells = [f"{100 * share:.1f} %" for share in shares]
        lines.append(row([name, kind, *cells, f"{80 - 100 * band:.1f} to {80 + 100 * band:.1f} %"]))
    return lines


def _every_trajectory(forecaster: Forecaster) -> stored.Trajectories:
    """Return the trajectories of every cutoff, not of some."""
    most = (stored.MOST_WINDOWS, stored.MOST_NUMBERS)
    stored.MOST_WINDOWS = stored.MOST_NUMBERS = 10**9
    found = record_trajectories(forecaster.fitted, forecaster._prepared)
    stored.MOST_WINDOWS, stored.MOST_NUMBERS = most
    assert found is not None
    return found


def _judge(
    forecaster: Forecaster,
    with_all: stored.Trajectories,
    position: int,
    held: dict[tuple[str, str], list[bool]],
) -> None:
    """Forecast from one cutoff, and note whether the intervals held what came."""
    fitted = forecaster.fitted
    panel = forecaster._prepared.panel
    known = with_all.until(position)
    numbers = np.searchsorted(known.positions, _chosen(known))
    known = replace(
        known,
        errors=known.errors[numbers],
        forecasts=known.forecasts[numbers],
        positions=known.positions[numbers],
    )
    recent = fitted.recent
    over = recent.positions + with_all.errors.shape[2] <= position
    scores = {share: errors[over] for share, errors in recent.scores.items()}
    then = replace(
        fitted,
        trajectories=known,
        recent=replace(recent, scores=scores, positions=recent.positions[over]),
    )
    ends = panel.offsets[:-1] + [
        np.searchsorted(panel.positions[start:stop], position, side="right")
        for start, stop in zip(panel.offsets[:-1], panel.offsets[1:], strict=True)
    ]
    history = rows_before(panel, ends)
    place = int(np.flatnonzero(with_all.positions == position)[0])
    forecasts = with_all.forecasts[place]
    steps = position + np.arange(1, forecasts.shape[1] + 1)
    forecast = Forecast(
        alias="model",
        series_ids=history.series_ids,
        cutoffs=history.timestamps[history.offsets[1:] - 1],
        stamps=np.tile(panel.freq.stamps(steps), (len(forecasts), 1)),
        values=forecasts,
        columns=panel.columns,
        freq=panel.freq,
    )
    reach = Reach(history, np.zeros(len(forecasts), np.int64), ())
    logarithms = recent.logarithms
    unit = fitted.series.unit[:, None]
    actual = unmapped(mapped(forecasts, logarithms) + with_all.errors[place] * unit, logarithms)
    with_draws = with_paths(then, reach, forecast, 1000, 0)
    shuffled = np.random.default_rng(0).permuted(with_draws.paths, axis=-1)
    table = totals_ahead(then, reach, with_draws, Asked("horizon", (), LEVEL), 0)
    for series in range(len(forecasts)):
        for kind, add in (("total", np.sum), ("highest", np.max)):
            came = add(actual[series, :, 0])
            for way, paths in (("paths", with_draws.paths), ("independent", shuffled)):
                low, high = widened(add(paths[series, :, 0], axis=0), LEVEL, 1.0)
                held.setdefault((kind, way), []).append(low <= came <= high)
            line = table.iloc[series]
            is_in = line[f"{kind}-lo-80"] <= came <= line[f"{kind}-hi-80"]
            held.setdefault((kind, "totals"), []).append(bool(is_in))


def _chosen(known: stored.Trajectories) -> FloatArray:
    """Return the cutoffs that a model would have stored."""
    _, num_series, horizon, targets = known.errors.shape
    return stored.chosen_cutoffs(
        known.positions, num_series, horizon * targets, known.season_length
    )


def main(names: list[str]) -> None:
    """Print the rows of some sets, or of all."""
    unknown = [name for name in names if name not in SETS]
    if unknown:
        sys.exit(f"there is no set {unknown[0]!r}; expected one of {', '.join(SETS)}")
    head = ["set", "80 % interval of the day's", "independent steps", "paths", "`totals`", "band"]
    print("\n".join([row(head), row(["---"] * len(head))]))
    for name in names or ("weather", "bike_sharing", "epf NP"):
        print("\n".join(run(name)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
