"""An experiment as settings: data, windows, transforms, model, training, ensemble and evaluation.

Settings are described and checked here and beside this module (`training_settings`,
`transform_settings`, `evaluation_settings`, `search_settings`), those of a model beside its
architecture in `models/`. `file` reads and writes them as YAML. Settings that the data decide are
`auto` until `prepare` replaces them (`choices`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from forecast.baselines.seasonal_ridge import SEASONAL
from forecast.baselines.simple import BASELINE_NAMES
from forecast.data.formats.readers import reader_named
from forecast.data.panel import USUAL_ROLES, Columns
from forecast.data.per_series.ended import EndedSeries
from forecast.data.read import TableFormat
from forecast.errors import ConfigError
from forecast.experiment.evaluation_settings import BacktestConfig, EvaluationConfig
from forecast.experiment.search_settings import RangeConfig, SearchConfig
from forecast.experiment.training_settings import EnsembleConfig, TrainingConfig
from forecast.experiment.transform_settings import TransformConfig, TransformsConfig
from forecast.models import ModelConfig
from forecast.models.segment_bigru import SegmentBiGRUConfig
from forecast.section import AUTO, Auto, Name, PositiveInt, Section, Steps, with_replaced

__all__ = [
    "BacktestConfig",
    "DataConfig",
    "EnsembleConfig",
    "EvaluationConfig",
    "Experiment",
    "RangeConfig",
    "SearchConfig",
    "TrainingConfig",
    "TransformConfig",
    "TransformsConfig",
    "WindowsConfig",
]


def _as_text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Frequency = Annotated[
    str, BeforeValidator(_as_text, json_schema_input_type=Name | PositiveInt), Field(min_length=1)
]


def _as_codes(value: object) -> object:
    """Return a text such as `US,DE-BY`, or a list, as a tuple; anything else stays as it is."""
    if isinstance(value, str):
        return tuple(value.split(","))
    if isinstance(value, list):
        return tuple(value)
    return value


Countries = Annotated[
    tuple[Name, ...], BeforeValidator(_as_codes, json_schema_input_type=Name | tuple[Name, ...])
]
"""Codes in a list, or one alone."""


class _Source(Section):
    """Place of the table; a section, so that this setting comes first in every list of settings."""

    source: str | None = None
    """A CSV, parquet, Excel, JSON lines or Arrow file, or `dataset:NAME` for an embedded data set;
    relative to the working folder."""


class DataConfig(TableFormat, Columns, _Source):
    """Place of the table, roles of its columns, and its format.

    Example:
        >>> from forecast import DataConfig
        >>> data = DataConfig(time_col="date", target_cols=("sales",), known_covariates=("price",))
        >>> data.calendar
        'auto'
    """

    freq: Frequency | None = None
    """Step between timestamps, as a pandas alias (`h`, `D`, `ME`, `15min`), as days of the week
    (`B-MON-SAT`, `B-TUE,FRI`) or, of an index, a whole number; null: read off the table."""
    gaps: Literal["refuse", "skip", "fill"] = "refuse"
    """Missing timestamps: refuse the table, skip the windows that would span one, or add rows."""
    missing: Literal["refuse", "forward_fill", "interpolate", "zero", "mask"] = "refuse"
    """Missing values: refuse the table, or fill the inputs of the model. Filled targets are neither
    learned nor scored, except with `zero`. Rows without a target at the end of a series are its
    future, and never filled."""
    short_series: Literal["refuse", "skip"] = "refuse"
    """Series too short for one window: refuse the table, or skip them with a note."""
    ended_series: EndedSeries = "own_end"
    """Series that end before the others: forecast each from its own end, forecast it to the same
    last step as the others, or learn from it and leave it out of the forecast. Not with an index of
    whole numbers, which counts the rows of each series."""
    calendar: Literal["auto"] | tuple[str, ...] = "auto"
    """Features made from the timestamps, such as `hour`, `weekday`, `month`, `weekend`; `auto`: by
    the frequency, those of whose cycle the rows to learn from hold three (months, quarters: two
    years)."""
    holidays: Countries = ()
    """Public holidays of countries or their parts, such as `US` or `DE-BY`, as features known
    ahead: the day itself, the day before and the day after it. Of steps of a day or less; needs the
    package `holidays`."""
    season_length: Steps | None = None
    """Steps in one season; null: by the frequency."""

    @property
    def columns(self) -> Columns:
        """The roles of the columns."""
        return Columns(**self.model_dump(include=set(Columns.model_fields)))

    @property
    def table_format(self) -> TableFormat:
        """Format of the table."""
        return TableFormat(**self.model_dump(include=set(TableFormat.model_fields)))

    @model_validator(mode="after")
    def _check_together(self) -> DataConfig:
        if self.gaps == "fill" and self.missing == "refuse":
            raise ValueError(
                "gaps is 'fill', which inserts rows without values, and missing is 'refuse', which "
                "refuses them: set missing to forward_fill, interpolate, zero or mask"
            )
        if self.layout == "wide":
            self._refuse_changed(
                "id_col",
                "past_covariates",
                "known_covariates",
                "static_covariates",
                "weight_col",
                why="layout: wide",
            )
        self._refuse_unread()
        return self

    def _refuse_unread(self) -> None:
        """Refuse settings of other kinds of tables than that of the source."""
        if self.source is None:
            return
        kind = reader_named(self.source)
        if self.source.startswith("dataset:"):
            kind = "dataset"
        if kind is None:
            return
        why = f"source: {self.source}, which is no "
        if kind != "text":
            self._refuse_changed("separator", "encoding", why=f"{why}CSV file")
        if kind not in ("text", "excel"):
            self._refuse_changed("decimal", why=f"{why}CSV file")
        if kind != "excel":
            self._refuse_changed("sheet", why=f"{why}Excel workbook")

    def _refuse_changed(self, *names: str, why: str) -> None:
        """Refuse settings that differ from their default and would not be read."""
        for name in names:
            value = getattr(self, name)
            unread = (type(self).model_fields[name].default, getattr(USUAL_ROLES, name, None))
            if value not in unread:
                shown = list(value) if isinstance(value, tuple) else value
                raise ValueError(f"{name} is {shown!r}, which is not read with {why}: remove it")


class WindowsConfig(Section):
    """Lengths of a window, in steps: the context that the model sees and the horizon it forecasts.

    Example:
        >>> from forecast import WindowsConfig
        >>> WindowsConfig(horizon=14)
        WindowsConfig(horizon=14, context_length='auto', stride=1)
    """

    horizon: Steps = 24
    """Steps to forecast."""
    context_length: Steps | Auto = AUTO
    """Steps the model sees; `auto`: the longest of `ensemble.context_lengths` where these are
    given, else one or two seasons by the frequency and the rows (`bigru`: three horizons or two
    seasons, whichever is more)."""
    stride: Steps = 1
    """Steps between the starts of two training windows."""


class Experiment(Section):
    """Everything needed to repeat an experiment.

    Example:
        >>> from forecast import Experiment, TrainingConfig, WindowsConfig
        >>> windows = WindowsConfig(horizon=14)
        >>> config = Experiment(windows=windows, training=TrainingConfig(epochs=20))
        >>> config.training.epochs, config.training.batch_size
        (20, 'auto')
        >>> Experiment.model_validate(config.model_dump()) == config
        True
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")] = AUTO
    """Name of the forecast column and of the run folder; `auto`: `ensemble` where several members
    forecast together, else the name of the architecture, and the folder is named after the
    table."""
    data: DataConfig = DataConfig()
    """Where the table is and what its columns mean."""
    windows: WindowsConfig = WindowsConfig()
    """Lengths of context and horizon."""
    transforms: TransformsConfig = TransformsConfig()
    """Maps of the numbers before the model."""
    model: ModelConfig = SegmentBiGRUConfig()
    """The architecture."""
    training: TrainingConfig = TrainingConfig()
    """Loss, optimizer, schedule, epochs and batches."""
    ensemble: EnsembleConfig = EnsembleConfig()
    """Several networks that forecast together."""
    evaluation: EvaluationConfig = EvaluationConfig()
    """Division of the rows in time."""
    backtest: BacktestConfig = BacktestConfig()
    """Cutoffs of a backtest, and the models that forecast from them."""
    search: SearchConfig | None = None
    """Hyperparameter search; read by `forecast tune`."""

    @model_validator(mode="after")
    def _check_together(self) -> Experiment:
        if self.name in (*BASELINE_NAMES, SEASONAL):
            raise ValueError(
                f"name is {self.name!r}, which is the name of a baseline: choose another one"
            )
        is_trained = self.ensemble.seeds != 0
        held_back = self.evaluation.validation_size
        if is_trained and self.training.patience is not None and held_back == 0:
            raise ValueError(
                f"training.patience is {self.training.patience}, but with "
                f"evaluation.validation_size 0 there is nothing to stop on: pass "
                f"`training.patience=null`, or hold some rows back for validation"
            )
        self._check_contexts()
        self._check_point()
        if self.ensemble.num_members > 1 and self.evaluation.validation_size == 0:
            raise ValueError(
                f"ensemble has {self.ensemble.num_members} members, but with "
                f"evaluation.validation_size 0 there is nothing to choose their weights on: hold "
                f"some rows back for validation"
            )
        if self.ensemble.linear in ("member", "residual") and self.training.forecasts_quantiles:
            raise ValueError(
                f"ensemble.linear is {self.ensemble.linear!r}, but a linear map has no quantiles "
                f"for training.loss {self.training.loss!r}: set one of them to another value"
            )
        return self

    def _check_point(self) -> None:
        """Refuse a point forecast that the loss on this scale does not lead to."""
        if self.training.point == "mean" and self.transforms.have_logarithm:
            raise ValueError(
                "training.point is 'mean', but a mean of logarithms is not the logarithm of the "
                'mean: pass `training.point="median"`, or leave log1p out of transforms.target'
            )
        wanted = (self.training.point, self.training.loss)
        if wanted == ("median", "mse") and not self.transforms.have_logarithm:
            raise ValueError(
                "training.point is 'median', but training.loss 'mse' leads to the mean: pass "
                '`training.loss="mae"` or `training.point="mean"`'
            )

    def _check_contexts(self) -> None:
        lengths = self.ensemble.context_lengths
        if lengths == AUTO or not lengths:
            return
        if len(set(lengths)) < len(lengths):
            raise ValueError(
                f"ensemble.context_lengths is {list(lengths)}; expected each length once"
            )
        context_length = self.windows.context_length
        if context_length not in (AUTO, max(lengths)):
            raise ValueError(
                f"ensemble.context_lengths is {list(lengths)} and windows.context_length "
                f"{context_length}; expected the longest of them, or windows.context_length: auto"
            )

    def with_source(self, table: object) -> Experiment:
        """Return the same experiment on another table, whose name is kept where it is a file.

        Args:
            table: a file, `dataset:NAME`, or an object such as a frame; None: the experiment stays
                as it is.

        Returns:
            The experiment.

        Raises:
            ConfigError: the name is not UTF-8, in which settings are kept.
        """
        if table is None:
            return self
        source = None
        if isinstance(table, str | PurePath):
            source = str(table)
            if any("\ud800" <= letter <= "\udfff" for letter in source):
                raise ConfigError(
                    f"the name {source!a} is not UTF-8, in which a run keeps it: rename the file"
                )
        return self.model_copy(update={"data": self.data.model_copy(update={"source": source})})

    @property
    def folder_name(self) -> str:
        """Name of a folder for what is made of the table: `name`, or where it is auto the table's.

        Example:
            >>> from forecast import DataConfig, Experiment
            >>> Experiment(data=DataConfig(source="data/sales.csv")).folder_name
            'sales'
        """
        source = self.data.source
        if self.name != AUTO:
            return self.name
        if source is None or source == "-":
            return "forecast"
        return table_name(source)

    def setting(self, path: str) -> Any:
        """Return the value of a setting.

        Args:
            path: section and name, such as `training.epochs`, or `name`.
        """
        value: Any = self
        for part in path.split("."):
            value = getattr(value, part)
        return value

    def with_settings(self, settings: Mapping[str, Any]) -> Experiment:
        """Return the experiment with some settings replaced, checked together.

        Args:
            settings: path, such as `training.epochs`, -> value.

        Returns:
            The experiment.

        Raises:
            ConfigError: the settings do not fit together.
        """
        return with_replaced(self, settings)


def table_name(source: str) -> str:
    """Return the name of a table without the endings of its file.

    Args:
        source: a file, `dataset:NAME`, or `-` for standard input.

    Example:
        >>> from forecast.experiment.settings import table_name
        >>> table_name("data/sales.csv.gz"), table_name("-")
        ('sales', 'table')
    """
    if source == "-":
        return "table"
    table = PurePath(source.removeprefix("dataset:"))
    if PurePath(table.stem).suffix in (".csv", ".tsv", ".txt"):  # sales.csv.gz
        table = table.with_suffix("")
    return table.stem
