"""Leak check of our own pipeline: from a table to windows and forecasts, stage by stage.

| stage      | identical at every cutoff                                                       |
|------------|---------------------------------------------------------------------------------|
| `choices`  | every setting, those that are chosen from the data among them                   |
| `filled`   | rows up to the cutoff after the missing policy, as a window reads them          |
| `scales`   | transforms, scalers, vocabularies                                               |
| `features` | model inputs of the rows up to the cutoff, as a window reads them               |
| `windows`  | training and validation rows; which windows end up to the cutoff; their batches |
| `forecast` | forecasts of a model that is fitted anew, from windows up to the cutoff         |

The windows that read rows end at the cutoff. Cutoffs are the ends of the training and the
validation set, and two within the test set. At the first, only choices may depend on validation
rows: settings count as given there, and nothing is trained.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from forecast.axes import IntArray
from forecast.data.long_rows import cells
from forecast.data.panel import AUTO_ROLES, Panel, shown_stamps
from forecast.data.read import Source
from forecast.data.regular.time_steps import RESULT_STEPS
from forecast.errors import ConfigError
from forecast.experiment.prepare import open_panel, prepare
from forecast.experiment.settings import DataConfig, Experiment
from forecast.leakage.pipeline import LeakReport, check_no_leakage
from forecast.leakage.stages import (
    MAX_WINDOWS,
    Stages,
    features_before,
    filled_before,
    forecasts_of,
    nearest_windows,
    scales_of,
    windows_before,
)
from forecast.windows.splits import first_rows_at

if TYPE_CHECKING:
    import pandas as pd


_TEST_SHARES = (1 / 3, 2 / 3)
"""Two cutoffs, as shares of the test set."""


_SETTINGS_OF_THE_FILE = {"source", "layout", "separator", "decimal", "encoding", "time_format"}
_SETTINGS_OF_THE_FILE |= RESULT_STEPS.keys()
"""Data settings that tell how a file is read; a frame needs none of them."""


def check_experiment(
    config: Experiment, source: Source | None = None, *, train: bool = False
) -> LeakReport:
    """Check that nothing an experiment is fitted on or reads depends on values after a cutoff.

    Args:
        config: the experiment.
        source: a table or its file; default: `config.data.source`.
        train: whether to fit a model on every changed table as well, and compare its forecasts.

    Returns:
        The stages that leak, and the columns they depend on.

    Raises:
        DataError: the table is refused.
        ConfigError: no rows are held out, or a setting does not fit the data.
    """
    config, frame = as_frame(config, source)
    own = OwnPipeline.of(config, frame, train=train)

    data = config.data
    known: dict[str, int | None] = dict.fromkeys(data.known_covariates, config.windows.horizon)
    for name in data.static_covariates:
        if name != data.id_col:
            known[name] = None
    return check_no_leakage(
        own,
        frame,
        cutoffs=own.cutoffs,
        known=known,
        id_col=data.id_col,
        time_col=data.time_col,
    )


def as_frame(config: Experiment, source: Source | None = None) -> tuple[Experiment, pd.DataFrame]:
    """Read a table into a long frame without inserted rows.

    Args:
        config: the experiment.
        source: a table or its file; default: `config.data.source`.

    Returns:
        The experiment with the settings that read the frame, and the frame.
    """
    import pandas as pd

    data = config.data
    if data.gaps == "fill":
        data = data.model_copy(update={"gaps": "skip"})
    panel = open_panel(data, source)
    columns = panel.columns
    series = panel.series_of_rows()

    # several id columns become one: its name is the setting that lists them
    ids = panel.series_ids.tolist()
    if len(columns.id_cols) > 1:
        ids = list(map(str, ids))
    frame = pd.DataFrame({columns.id_col: pd.Series([ids[number] for number in series])})
    frame[columns.time_col] = shown_stamps(panel, panel.timestamps)
    for name in columns.dynamic:
        frame[name] = cells(panel, name, panel.column(name))
    for number, name in enumerate(columns.static_covariates):
        if name != columns.id_col:
            frame[name] = cells(panel, name, panel.static_values[series, number])

    update: dict[str, Any] = {role: getattr(columns, role) for role in AUTO_ROLES}
    for name in _SETTINGS_OF_THE_FILE & DataConfig.model_fields.keys():
        update[name] = DataConfig.model_fields[name].default
    return config.model_copy(update={"data": config.data.model_copy(update=update)}), frame


@dataclass(frozen=True, eq=False)
class OwnPipeline:
    """`prepare` and what follows as a pipeline that `check_no_leakage` can run.

    Attributes:
        config: the experiment.
        settled: the same with the choices that the unchanged table leads to, for cutoffs before the
            validation rows.
        cutoffs: last known stamps by id: ends of the training and the validation set, then two in
            the test set.
        chosen_at: index of the first cutoff at which settings are chosen and models fitted.
        train: whether models are fitted.
    """

    config: Experiment
    settled: Experiment
    cutoffs: tuple[dict[Any, Any], ...]
    chosen_at: int
    train: bool

    @classmethod
    def of(cls, config: Experiment, frame: pd.DataFrame, *, train: bool = False) -> OwnPipeline:
        """Prepare the unchanged table to see where its sets end.

        Args:
            config: the experiment.
            frame: the table.
            train: whether to fit models as well.

        Raises:
            ConfigError: no rows are held out.
        """
        prepared = prepare(config, frame, cut_future=False)
        panel = prepared.panel
        split = prepared.split
        ends = [split.train.last, np.maximum(split.train.last, split.validation.last)]
        for share in _TEST_SHARES:
            steps = np.rint(share * (split.test.last - split.test.first)).astype(np.int64)
            ends.append(split.test.first + steps)

        cutoffs: list[dict[Any, Any]] = []
        for end in ends:
            if not (end < panel.offsets[1:]).any():  # no row after it
                continue
            cutoff = _stamps_before(panel, end)
            if cutoff not in cutoffs:
                cutoffs.append(cutoff)
        if not cutoffs:
            raise ConfigError(
                "all rows are training rows: set evaluation.validation_size or "
                "evaluation.test_size above 0, so that there are later rows that could leak"
            )
        chosen_at = int(len(prepared.validation) > 0)
        return cls(config, prepared.config, tuple(cutoffs), chosen_at, train)

    def __call__(self, frame: pd.DataFrame, cutoff: Mapping[Any, Any]) -> Stages:
        """Return every stage at one of the cutoffs, with what may be known there."""
        is_chosen = self.cutoffs.index(dict(cutoff)) >= self.chosen_at
        config = self.config if is_chosen else self.settled
        # Rows whose targets the check has emptied remain rows of history.
        prepared = prepare(config, frame, cut_future=False)
        last = _rows_up_to(prepared.panel, cutoff)

        stages: Stages = {}
        if is_chosen:
            stages["choices"] = prepared.config.model_dump(mode="json")
        stages["filled"] = filled_before(prepared, last)
        stages["scales"] = scales_of(prepared)
        stages["features"] = features_before(prepared, last)
        stages["windows"] = windows_before(prepared, last, is_chosen=is_chosen)
        if self.train and is_chosen:
            numbers = nearest_windows(prepared.test.index, last, MAX_WINDOWS // 4)
            if len(numbers):
                stages["forecast"] = forecasts_of(prepared, numbers)
        return stages


def _rows_up_to(panel: Panel, cutoff: Mapping[Any, Any]) -> IntArray:
    """Return (N,) the first row of each series after its cutoff."""
    import pandas as pd

    stamps = pd.Index([cutoff[series_id] for series_id in panel.series_ids])
    dtype = "int64"
    if isinstance(stamps, pd.DatetimeIndex):
        dtype = "datetime64[ns]"
        if stamps.tz is not None:
            stamps = stamps.tz_convert(None)
    positions = panel.freq.positions(stamps.to_numpy(dtype=dtype))
    return first_rows_at(panel, positions + 1)


def _stamps_before(panel: Panel, end: IntArray) -> dict[Any, Any]:
    """Return by id the stamp one step before the row `end` (N,) of each series."""
    inside = np.minimum(end, panel.offsets[1:] - 1)
    positions = panel.positions[inside] - (end < panel.offsets[1:])
    stamps = shown_stamps(panel, panel.freq.stamps(positions))
    return dict(zip(panel.series_ids.tolist(), stamps.tolist(), strict=True))
