"""The leak check of our own pass: from a table to windows, and on to forecasts, stage by stage.

| stage      | at every cutoff it must be the same                                                                 |
|------------|-----------------------------------------------------------------------------------------------------|
| `choices`  | every setting, those that were chosen from the data among them                                      |
| `filled`   | rows up to the cutoff as the missing policy leaves them, as a window that ends there reads them     |
| `scales`   | transforms, scalers, vocabularies                                                                   |
| `features` | model inputs of the rows up to the cutoff, as a window that ends there reads them                   |
| `windows`  | rows that are learned from and chosen on; which windows end up to the cutoff, and batches of those  |
| `forecast` | forecasts of a model that is fitted anew each time, from windows that end up to the cutoff          |

Cutoffs are the end of the training part, the end of the validation part, and two within the test
part. At the first, nothing may depend on validation rows but what is chosen on them: settings count
as given there, and nothing is trained.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from forecast.axes import IntArray
from forecast.data.panel import Panel, shown_stamps
from forecast.data.read import Source
from forecast.errors import ConfigError
from forecast.experiment.prepare import Prepared, open_panel, prepare
from forecast.experiment.settings import DataConfig, Experiment
from forecast.forecasting.forecaster import Forecaster
from forecast.forecasting.predict import forecast_windows
from forecast.leakage.pipeline import LeakReport, check_no_leakage
from forecast.windows.index import WindowIndex
from forecast.windows.splits import first_rows_at
from forecast.windows.windowed import WindowedFeatures

if TYPE_CHECKING:
    import pandas as pd


Stages = dict[str, Any]


TEST_SHARES = (1 / 3, 2 / 3)
"""Of the test part, where two of the cutoffs lie."""


BATCH = 256
"""Windows that are gathered, those that end nearest to the cutoff; of a forecast a quarter."""


def check_experiment(
    config: Experiment, source: Source | None = None, *, train: bool = False
) -> LeakReport:
    """Check that nothing an experiment learns from or reads depends on values after a cutoff.

    Args:
        config: the experiment.
        source: a table or its file; `config.data.source` if left out.
        train: whether a model is fitted on every changed table as well, and its forecasts are
            compared.

    Returns:
        Which stages leak, and which columns they look at.

    Raises:
        DataError: the table is refused.
        ConfigError: no rows are held back, or a setting does not fit the data.
    """
    config, frame = as_frame(config, source)
    own = OwnPipeline.of(config, frame, train=train)
    data = config.data
    statics = [name for name in data.static_covariates if name != data.id_col]
    known: dict[str, int | None] = dict.fromkeys(data.known_covariates, config.windows.horizon)
    return check_no_leakage(
        own,
        frame,
        cutoffs=own.cutoffs,
        known=known | dict.fromkeys(statics),
        id_col=data.id_col,
        time_col=data.time_col,
    )


def as_frame(config: Experiment, source: Source | None = None) -> tuple[Experiment, pd.DataFrame]:
    """Read a table as it is: a long frame without inserted rows, and the experiment with the settings that read it.

    Args:
        config: the experiment.
        source: a table or its file; `config.data.source` if left out.
    """
    import pandas as pd

    data = config.data
    as_it_is = data.model_copy(update={"gaps": "skip"}) if data.gaps == "fill" else data
    panel = open_panel(as_it_is, source)
    columns = panel.columns
    frame = pd.DataFrame(
        {columns.id_col: pd.Series(panel.series_ids[panel.series_of_rows()].tolist())}
    )
    frame[columns.time_col] = shown_stamps(panel, panel.timestamps)
    for name in columns.dynamic:
        frame[name] = _cells(panel, name, panel.column(name))
    for place, name in enumerate(columns.static_covariates):
        if name != columns.id_col:
            cells = panel.static_values[:, place][panel.series_of_rows()]
            frame[name] = _cells(panel, name, cells)
    written = {"source", "layout", "separator", "decimal", "encoding", "time_format"}
    plain = {
        name: field.default for name, field in DataConfig.model_fields.items() if name in written
    }
    roles = {"id_col": columns.id_col, "target_cols": columns.target_cols}
    return config.model_copy(update={"data": data.model_copy(update=plain | roles)}), frame


@dataclass(frozen=True, eq=False)
class OwnPipeline:
    """`prepare` and what follows as a pipeline that `check_no_leakage` can run.

    Attributes:
        config: the experiment.
        settled: the same with what the unchanged table led to, for cutoffs before the validation
            rows.
        cutoffs: last known stamps by id: the ends of training and validation, then two in the test
            part.
        chosen_at: place of the first cutoff at which settings are chosen and models fitted.
        train: whether models are.
    """

    config: Experiment
    settled: Experiment
    cutoffs: tuple[dict[Any, Any], ...]
    chosen_at: int
    train: bool

    @classmethod
    def of(cls, config: Experiment, frame: pd.DataFrame, *, train: bool = False) -> OwnPipeline:
        """Prepare the unchanged table to see where its parts end.

        Args:
            config: the experiment.
            frame: the table.
            train: whether models are fitted as well.

        Raises:
            ConfigError: no rows are held back.
        """
        prepared = prepare(config, frame, cut_future=False)
        panel, split = prepared.panel, prepared.split
        test = split.test
        ends = [split.train.last, np.maximum(split.train.last, split.validation.last)]
        ends += [
            test.first + np.rint(share * (test.last - test.first)).astype(np.int64)
            for share in TEST_SHARES
        ]
        held_back = [end for end in ends if (end < panel.offsets[1:]).any()]
        if not held_back:
            raise ConfigError(
                "every row is learned from: set evaluation.validation_size or evaluation.test_size "
                "above 0, so that "
                "there are later rows that could leak"
            )
        cutoffs = [_stamps_before(panel, end) for end in held_back]
        unique = [one for place, one in enumerate(cutoffs) if one not in cutoffs[:place]]
        chosen_at = 1 if len(prepared.validation) else 0
        return cls(config, prepared.config, tuple(unique), chosen_at, train)

    def __call__(self, frame: pd.DataFrame, cutoff: Mapping[Any, Any]) -> Stages:
        """Every stage at one of the cutoffs, with what may be known there."""
        is_chosen = self.cutoffs.index(dict(cutoff)) >= self.chosen_at
        # Rows whose targets the check has emptied stay rows of history.
        prepared = prepare(self.config if is_chosen else self.settled, frame, cut_future=False)
        last = rows_up_to(prepared.panel, cutoff)
        stages: Stages = {"choices": prepared.config.model_dump(mode="json")} if is_chosen else {}
        stages |= {
            "filled": filled_before(prepared, last),
            "scales": scales_of(prepared),
            "features": features_before(prepared, last),
            "windows": windows_before(prepared, last, is_chosen=is_chosen),
        }
        if (
            self.train
            and is_chosen
            and len(numbers := _nearest(prepared.test.index, last, BATCH // 4))
        ):
            stages["forecast"] = forecasts_of(prepared, numbers)
        return stages


def rows_up_to(panel: Panel, cutoff: Mapping[Any, Any]) -> IntArray:
    """(N,) first row of each series after its cutoff."""
    import pandas as pd

    stamps = pd.Index([cutoff[series_id] for series_id in panel.series_ids])
    if isinstance(stamps, pd.DatetimeIndex):
        stamps = stamps.tz_convert(None) if stamps.tz is not None else stamps
        return first_rows_at(
            panel, panel.freq.positions(stamps.to_numpy(dtype="datetime64[ns]")) + 1
        )
    return first_rows_at(panel, panel.freq.positions(stamps.to_numpy(dtype="int64")) + 1)


def filled_before(prepared: Prepared, last: IntArray) -> Stages:
    """The filled rows before `last` (N,), as a window that ends there reads them; categories in words."""
    panel, filled, known = prepared.panel, prepared.filled, _rows_before(prepared.panel, last)
    values = filled.values
    if filled.interpolated is not None and filled.next_observed is not None:
        values = np.where(
            filled.next_observed < _ends(panel, last)[:, None], filled.interpolated, values
        )
    observed = np.ones(values.shape, bool) if filled.observed is None else filled.observed
    columns = {
        name: _cells(panel, name, values[known, place])
        for place, name in enumerate(panel.columns.dynamic)
    }
    return {"rows": np.flatnonzero(known), "values": columns, "observed": observed[known]}


def scales_of(prepared: Prepared) -> Stages:
    """Everything that was fitted to turn values into inputs."""
    fitted = prepared.feature_map
    maps = {"target": fitted.target, "covariates": fitted.covariates, "static": fitted.static}
    states = {name: one.to_state() for name, one in maps.items() if one is not None}
    return states | {"vocabulary": dict(fitted.vocabulary)}


def features_before(prepared: Prepared, last: IntArray) -> Stages:
    """Inputs of the rows before `last` (N,), as a window that ends there reads them."""
    features, known = prepared.features, _rows_before(prepared.panel, last)
    past = features.past
    if features.late is not None:
        values, usable_from = features.late
        past = np.where(usable_from < _ends(prepared.panel, last)[:, None], values, past)
    by_row = {
        "past": past,
        "known": features.known,
        "past_codes": features.past_codes,
        "known_codes": features.known_codes,
        "target": features.target,
    }
    fixed = {
        "static": features.static,
        "static_codes": features.static_codes,
        "sizes": features.sizes,
    }
    return {name: array[known] for name, array in by_row.items()} | fixed


def windows_before(prepared: Prepared, last: IntArray, *, is_chosen: bool) -> Stages:
    """What is read of the windows whose contexts lie before `last` (N,).

    All training windows with their targets, and the validation windows too where something is
    chosen on them.
    """
    out: Stages = {}
    for name in ("training", "validation", "test"):
        windows: WindowedFeatures = getattr(prepared, name)
        if name == "training" or (name == "validation" and is_chosen):
            out[f"{name} rows"] = _rows_read(windows)
        numbers = _nearest(windows.index, last)
        out[f"{name} starts"] = windows.index.locate(numbers)
        if len(numbers):
            out[f"{name} inputs"] = windows.batch(numbers[:BATCH])[0]
    return out


def forecasts_of(prepared: Prepared, numbers: IntArray) -> Any:
    """Forecasts from test windows `numbers` (B,), of a model fitted on the other parts.

    The model that is judged: without `training.refit`, which learns from the test rows once they
    have been judged.
    """
    training = prepared.config.training.model_copy(update={"refit": False})
    config = prepared.config.model_copy(update={"training": training})
    fitted = Forecaster(config).fit_prepared(replace(prepared, config=config)).fitted
    return forecast_windows(fitted, prepared.test, numbers)


def _rows_read(windows: WindowedFeatures) -> Stages:
    """Everything that some windows read, row by row, and where they begin."""
    features, index = windows.features, windows.index
    series, first = index.locate(np.arange(len(index)))
    context = _covered(first, index.context_length, len(features.past))
    ahead = _covered(first + index.context_length, index.horizon, len(features.past))
    return {
        "windows": [series, first],
        "past": features.past[context],
        "past_codes": features.past_codes[context],
        "known": features.known[context | ahead],
        "known_codes": features.known_codes[context | ahead],
        "target": features.target[ahead],
    }


def _covered(first: IntArray, length: int, num_rows: int) -> NDArray[np.bool_]:
    """(R,) rows that lie in a stretch of `length` from one of `first` on."""
    steps = np.bincount(first, minlength=num_rows + 1) - np.bincount(
        first + length, minlength=num_rows + 1
    )
    return np.asarray(np.cumsum(steps)[:num_rows] > 0)


def _nearest(index: WindowIndex, last: IntArray, most: int | None = None) -> IntArray:
    """Numbers of the windows whose contexts end before `last` (N,), nearest first, at most so many."""
    series, first = index.locate(np.arange(len(index)))
    distance = last[series] - first - index.context_length
    order = np.argsort(distance, kind="stable")
    return order[distance[order] >= 0][:most]


def _stamps_before(panel: Panel, end: IntArray) -> dict[Any, Any]:
    """The stamp one step before the row `end` (N,) of each series, by id."""
    inside = np.minimum(end, panel.offsets[1:] - 1)
    positions = panel.positions[inside] - (end < panel.offsets[1:])
    stamps = shown_stamps(panel, panel.freq.stamps(positions))
    return dict(zip(panel.series_ids.tolist(), stamps.tolist(), strict=True))


def _rows_before(panel: Panel, last: IntArray) -> NDArray[np.bool_]:
    """(R,) rows before `last` (N,)."""
    return np.asarray(np.arange(panel.num_rows) < _ends(panel, last))


def _ends(panel: Panel, last: IntArray) -> IntArray:
    """(R,) of `last` (N,) for the series of each row."""
    return np.repeat(last, panel.lengths)


def _cells(panel: Panel, name: str, values: NDArray[np.float64]) -> NDArray[Any]:
    """The cells of a column as a person wrote them: words for codes."""
    if name not in panel.columns.categorical:
        return values
    words = np.array([*panel.categories[name], None], object)
    return words[np.where(np.isnan(values), -1, values).astype(np.int64)]
